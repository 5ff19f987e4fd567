/* SPDX-License-Identifier: MIT
 *
 * The loop: turns, drain hooks, the settled callback, signals and the count of exchanges in flight.
 * Timers are in loop_timers.c.
 *
 * A turn of libuv is: timers, idle, prepare, poll, check, closing. Hooks are drained in prepare and
 * in check. An idle handle runs exactly while a turn must not sleep; prepare starts or stops it,
 * and libuv asks only after prepare how long it may sleep.
 */
#include "io/loop.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/loop_timers.h"

static void on_idle(uv_idle_t *handle)
{
    (void)handle;
}

static void no_sleep(struct loop *l, bool on)
{
    if (l->hooks->turning || uv_is_closing((uv_handle_t *)&l->hooks->idle)) {
        return; /* closing: woken by a close callback inside loop_fini */
    }
    if (on) {
        uv_idle_start(&l->hooks->idle, on_idle);
    } else {
        uv_idle_stop(&l->hooks->idle);
    }
}

bool loop_drain(struct loop *l)
{
    struct loop_hooks *h = l->hooks;
    bool more = false;
    for (size_t i = 0; i < h->drain_count; i++) {
        if (h->drain[i].fn(h->drain[i].arg)) {
            more = true;
        }
    }
    return more;
}

static void on_prepare(uv_prepare_t *handle)
{
    struct loop_hooks *h = handle->data;
    struct loop *l = h->loop;
    if (h->turning) {
        return;
    }
    h->wake = false;
    bool more = loop_drain(l);
    if (!more && l->in_flight == 0 && h->settled != NULL && !l->stopping) {
        uint64_t before = h->activity;
        h->settled(h->settled_arg);
        more = loop_drain(l) || h->activity != before;
    }
    no_sleep(l, more || h->wake);
    loop_timers_arm(l);
}

static void on_check(uv_check_t *handle)
{
    struct loop_hooks *h = handle->data;
    if (!h->turning && loop_drain(h->loop)) {
        no_sleep(h->loop, true);
    }
}

void loop_activity(struct loop *l)
{
    l->hooks->activity++;
}

void loop_wake(struct loop *l)
{
    l->hooks->activity++;
    l->hooks->wake = true;
    no_sleep(l, true);
}

int loop_init(struct loop *l, struct clock *clock, struct log *log, struct err *e)
{
    memset(l, 0, sizeof *l);
    l->clock = clock;
    l->log = log;
    struct loop_hooks *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory for a loop");
    }
    int rc = uv_loop_init(&l->uv);
    if (rc != 0) {
        free(h);
        return err_set(e, ERR_IO, "cannot create an event loop: %s", uv_strerror(rc));
    }
    rc = loop_timers_init(l, e);
    if (rc != 0) {
        free(h);
        (void)uv_loop_close(&l->uv);
        return rc;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    h->loop = l;
    l->hooks = h;
    uv_prepare_init(&l->uv, &h->prepare);
    uv_check_init(&l->uv, &h->check);
    uv_idle_init(&l->uv, &h->idle);
    h->prepare.data = h;
    h->check.data = h;
    uv_prepare_start(&h->prepare, on_prepare);
    uv_check_start(&h->check, on_check);
    uv_unref((uv_handle_t *)&h->prepare);
    uv_unref((uv_handle_t *)&h->check);
    return 0;
}

struct census {
    unsigned closing; /* handles on their way out */
    unsigned open;    /* handles that nobody closed */
    char names[160];  /* their types, comma separated */
};

static void count_handle(uv_handle_t *handle, void *arg)
{
    struct census *c = arg;
    if (uv_is_closing(handle)) {
        c->closing++;
        return;
    }
    size_t used = strlen(c->names);
    const char *name = uv_handle_type_name(uv_handle_get_type(handle));
    c->open++;
    (void)snprintf(c->names + used, sizeof c->names - used, "%s%s", used ? ", " : "",
                   name ? name : "unknown");
}

/* Runs until every closing handle is gone; what stays open is counted in *c. */
static void run_out(struct loop *l, struct census *c)
{
    for (;;) {
        memset(c, 0, sizeof *c);
        uv_walk(&l->uv, count_handle, c);
        if (c->closing == 0) {
            break;
        }
        (void)uv_run(&l->uv, UV_RUN_NOWAIT);
    }
    if (c->open == 0) {
        (void)uv_run(&l->uv, UV_RUN_DEFAULT); /* requests of the thread pool */
    }
}

int loop_fini(struct loop *l)
{
    struct loop_hooks *h = l->hooks;
    struct census c;
    loop_timers_close(l);
    uv_close((uv_handle_t *)&h->prepare, NULL);
    uv_close((uv_handle_t *)&h->check, NULL);
    uv_close((uv_handle_t *)&h->idle, NULL);
    for (struct loop_signal *s = h->signals; s != NULL; s = s->next) {
        uv_close((uv_handle_t *)&s->uv, NULL);
    }
    l->stopping = true;
    run_out(l, &c);
    int rc = uv_loop_close(&l->uv);
    if (rc != 0) {
        if (l->log != NULL) {
            log_write(l->log, LOG_ERROR, "loop", "%u handles were left open: %s", c.open, c.names);
        } else {
            (void)fprintf(stderr, "loop: %u handles were left open: %s\n", c.open, c.names);
        }
    }
    while (h->signals != NULL) {
        struct loop_signal *s = h->signals;
        h->signals = s->next;
        free(s);
    }
    loop_timers_free(l);
    free(h);
    l->hooks = NULL;
    return rc == 0 ? 0 : ERR_STATE;
}

int loop_run(struct loop *l)
{
    l->stopping = false;
    if (l->clock->mode == CLOCK_VIRTUAL) {
        int rc = loop_run_until(l, INT64_MAX);
        return rc == ERR_CANCELLED ? 0 : rc;
    }
    no_sleep(l, true); /* hooks are asked once even if no handle is there yet */
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    return 0;
}

void loop_stop(struct loop *l)
{
    l->stopping = true;
    uv_stop(&l->uv);
}

int loop_run_once(struct loop *l, bool wait)
{
    if (wait && l->clock->mode == CLOCK_VIRTUAL) {
        return loop_step_until(l, INT64_MAX) == ERR_LIMIT ? ERR_LIMIT : 0;
    }
    if (!wait || !uv_loop_alive(&l->uv)) {
        no_sleep(l, true);
    }
    (void)uv_run(&l->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    return 0;
}

int loop_on_drain(struct loop *l, loop_drain_fn fn, void *arg)
{
    struct loop_hooks *h = l->hooks;
    if (h->drain_count == LOOP_MAX_HOOKS) {
        return ERR_LIMIT;
    }
    h->drain[h->drain_count++] = (struct loop_hook){fn, arg};
    return 0;
}

void loop_off_drain(struct loop *l, loop_drain_fn fn, void *arg)
{
    struct loop_hooks *h = l->hooks;
    size_t kept = 0;
    for (size_t i = 0; i < h->drain_count; i++) {
        if (h->drain[i].fn != fn || h->drain[i].arg != arg) {
            h->drain[kept++] = h->drain[i];
        }
    }
    h->drain_count = kept;
}

void loop_on_settled(struct loop *l, loop_fn fn, void *arg)
{
    l->hooks->settled = fn;
    l->hooks->settled_arg = arg;
}

void loop_hold(struct loop *l)
{
    l->in_flight++;
    l->hooks->activity++;
}

void loop_release(struct loop *l)
{
    assert(l->in_flight > 0 && "loop_release without loop_hold");
    l->in_flight--;
    l->hooks->activity++;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct loop_signal *s = handle->data;
    s->fn(s->arg, number);
}

int loop_on_signal(struct loop *l, int signal, void (*fn)(void *arg, int signal), void *arg)
{
    struct loop_signal *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return ERR_NOMEM;
    }
    s->loop = l;
    s->fn = fn;
    s->arg = arg;
    s->uv.data = s;
    if (uv_signal_init(&l->uv, &s->uv) != 0) {
        free(s);
        return ERR_IO;
    }
    s->next = l->hooks->signals;
    l->hooks->signals = s;
    if (uv_signal_start(&s->uv, on_signal, signal) != 0) {
        return ERR_IO; /* the handle is closed by loop_fini */
    }
    uv_unref((uv_handle_t *)&s->uv);
    return 0;
}
