/* SPDX-License-Identifier: MIT
 *
 * HTTP client for reads and sign-ins: the life of clients and calls, whatever carries their bytes.
 *
 * A call is in one of three places: with its transfer (`live`), in the list `ended` waiting for its
 * callback on a later turn (cancelled), or being delivered, after which it is gone. A client that
 * is freed inside a callback goes when the outermost one has returned.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/http_inner.h"

#define DEFAULT_TIMEOUT_MS 30000
#define DEFAULT_MAX_ANSWER ((size_t)16 << 20)

static void list_add(struct http_call **list, struct http_call *call)
{
    call->prev = NULL;
    call->next = *list;
    if (*list != NULL) {
        (*list)->prev = call;
    }
    *list = call;
}

static void list_remove(struct http_call **list, struct http_call *call)
{
    if (call->prev != NULL) {
        call->prev->next = call->next;
    } else {
        *list = call->next;
    }
    if (call->next != NULL) {
        call->next->prev = call->prev;
    }
    call->next = NULL;
    call->prev = NULL;
}

static void call_free(struct http_call *call)
{
    call->client->ops->fini(call);
    free(call);
}

void http_enter(struct http_client *c)
{
    c->depth++;
}

void http_leave(struct http_client *c)
{
    c->depth--;
    if (c->dead && c->depth == 0) {
        c->ops->free(c);
    }
}

/* Calls back and frees the call, which is in no list and no transfer. */
static void deliver(struct http_call *call, struct http_answer *a)
{
    struct loop *l = call->client->loop;
    call->over = true;
    a->begun_io_ns = call->begun_io_ns;
    a->begun_market_ms = call->begun_market_ms;
    a->elapsed_us = (clock_io_ns(l->clock) - call->begun_io_ns) / 1000;
    call->fn(call->arg, a);
    call_free(call);
    loop_release(l);
}

void http_ended(struct http_call *call, struct http_answer *a)
{
    struct http_client *c = call->client;
    list_remove(&c->live, call);
    http_enter(c);
    deliver(call, a);
    http_leave(c);
}

static void deliver_cancelled(struct http_call *call)
{
    char message[256];
    struct http_answer a = {.error = ERR_CANCELLED, .message = message, .head = "", .body = ""};
    (void)snprintf(message, sizeof message, "%s: cancelled", call->label);
    deliver(call, &a);
}

static void on_later(void *arg)
{
    struct http_client *c = arg;
    http_enter(c);
    while (c->ended != NULL) {
        struct http_call *call = c->ended;
        list_remove(&c->ended, call);
        deliver_cancelled(call);
    }
    http_leave(c);
}

void http_client_init(struct http_client *c, struct loop *l, const struct http_transfer_ops *ops)
{
    c->loop = l;
    c->ops = ops;
    timer_init(&c->later, l, on_later, c);
}

void http_client_free(struct http_client *c)
{
    if (c == NULL || c->dead) {
        return;
    }
    c->dead = true;
    http_enter(c);
    timer_stop(&c->later);
    while (c->live != NULL) {
        struct http_call *call = c->live;
        list_remove(&c->live, call);
        c->ops->abort(call);
        deliver_cancelled(call);
    }
    while (c->ended != NULL) {
        struct http_call *call = c->ended;
        list_remove(&c->ended, call);
        deliver_cancelled(call);
    }
    http_leave(c);
}

/* ---- beginning ---- */

bool http_is_token(const char *text)
{
    size_t n = strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return n > 0 && text[n] == '\0';
}

int http_check_headers(const struct http_call *call, const struct http_spec *spec, struct err *e)
{
    for (size_t i = 0; i < spec->header_count; i++) {
        const struct http_header *h = &spec->headers[i];
        if (!http_is_token(h->name) || strpbrk(h->value, "\r\n") != NULL) {
            return err_set(e, ERR_INPUT,
                           "%s: header %zu has a bad name or a line break in its value",
                           call->label, i + 1);
        }
    }
    return 0;
}

bool http_sends_body(const struct http_spec *spec)
{
    return spec->body != NULL || strcmp(spec->method, "POST") == 0 ||
           strcmp(spec->method, "PUT") == 0 || strcmp(spec->method, "PATCH") == 0;
}

int64_t http_timeout_ms(const struct http_spec *spec)
{
    return spec->timeout_ms > 0 ? spec->timeout_ms : DEFAULT_TIMEOUT_MS;
}

/* The method and the URL without what may be secret. */
static void set_label(struct http_call *call, const struct http_spec *spec)
{
    const char *rest = strstr(spec->url, "://");
    rest = rest ? rest + 3 : spec->url;
    size_t scheme = (size_t)(rest - spec->url);
    size_t host = strcspn(rest, "/?#");
    const char *at = memrchr(rest, '@', host);
    if (at != NULL) {
        rest = at + 1;
    }
    (void)snprintf(call->label, sizeof call->label, "%s %.*s%.*s", spec->method, (int)scheme,
                   spec->url, (int)strcspn(rest, "?#"), rest);
}

int http_start(struct http_client *c, const struct http_spec *spec, http_fn fn, void *arg,
               struct http_call **out, struct err *e)
{
    if (c->dead) {
        return err_set(e, ERR_STATE, "the HTTP client is being closed");
    }
    if (!http_is_token(spec->method)) {
        return err_set(e, ERR_INPUT, "a request needs a method such as GET");
    }
    struct http_call *call = calloc(1, c->ops->call_size);
    if (call == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory for a request");
    }
    call->client = c;
    call->fn = fn;
    call->arg = arg;
    call->max_answer = spec->max_answer > 0 ? spec->max_answer : DEFAULT_MAX_ANSWER;
    call->begun_io_ns = clock_io_ns(c->loop->clock);
    call->begun_market_ms = clock_market_ms(c->loop->clock);
    set_label(call, spec);
    int rc = c->ops->begin(call, spec, e);
    if (rc != 0) {
        call_free(call);
        return rc;
    }
    list_add(&c->live, call);
    loop_hold(c->loop);
    if (out != NULL) {
        *out = call;
    }
    return 0;
}

void http_cancel(struct http_call *call)
{
    struct http_client *c = call->client;
    if (call->over || c->dead) {
        return;
    }
    call->over = true;
    list_remove(&c->live, call);
    c->ops->abort(call);
    struct http_call **last = &c->ended;
    while (*last != NULL) {
        call->prev = *last;
        last = &(*last)->next;
    }
    *last = call;
    (void)timer_start_io(&c->later, 0);
}

const char *http_head_find(const char *head, size_t head_size, const char *name, unsigned nth,
                           size_t *n)
{
    size_t want = strlen(name);
    const char *end = head + head_size;
    *n = 0;
    while (head < end) {
        const char *eol = memchr(head, '\n', (size_t)(end - head));
        const char *next = eol ? eol + 1 : end;
        const char *stop = eol ? eol : end;
        if ((size_t)(stop - head) > want && head[want] == ':' &&
            strncasecmp(head, name, want) == 0 && nth-- == 0) {
            const char *p = head + want + 1;
            while (p < stop && (*p == ' ' || *p == '\t')) {
                p++;
            }
            while (stop > p && strchr(" \t\r", stop[-1]) != NULL) {
                stop--;
            }
            *n = (size_t)(stop - p);
            return p;
        }
        head = next;
    }
    return NULL;
}
