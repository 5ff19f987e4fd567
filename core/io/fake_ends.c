/* SPDX-License-Identifier: MIT
 *
 * The ends of the connections in memory: what a client's transport and a server's connection do,
 * and where faults are asked for and take effect.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "io/fake_inner.h"

/* ---- connecting ---- */

static int address_of(const char *origin, char *out, size_t size, struct err *e)
{
    static const char scheme[] = "http://";
    size_t skip = sizeof scheme - 1;
    if (strncmp(origin, scheme, skip) != 0) {
        return err_set(e, ERR_INPUT, "the network in memory serves http only, not %s", origin);
    }
    const char *host = origin + skip;
    size_t n = strcspn(host, "/?#");
    bool port = n > 0 && memchr(host, ':', n) != NULL;
    int length = snprintf(out, size, "%.*s%s", (int)n, host, port ? "" : ":80");
    if (n == 0 || length < 0 || (size_t)length >= size) {
        return err_set(e, ERR_INPUT, "not an origin: %s", origin);
    }
    return 0;
}

/* The server's end is there when the client hears that it is connected. */
bool fake_link_accept(struct fake_link *k)
{
    const struct fake_listener *l = fake_find_listener(k->net, k->address);
    struct fake_conn *c = l != NULL ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        return false;
    }
    c->link = k;
    c->process = l->process;
    c->process->held++;
    k->server = c;
    l->fn(l->arg, c);
    return true;
}

static void on_opening(void *arg)
{
    struct fake_link *k = arg;
    k->busy++;
    bool ok = !k->opening.refuse && fake_link_accept(k);
    if (k->client != NULL) {
        k->opened = ok;
        k->client->events->opened(k->client->arg, ok ? 0 : ERR_UNREACHABLE,
                                  ok ? "" : "connection refused");
    }
    k->busy--;
    fake_link_release(k);
}

static void on_idle(void *arg)
{
    struct fake_link *k = arg;
    fake_link_cut(k, k->plan.end);
}

static void begin_opening(struct fake_link *k, const struct fake_process *p)
{
    struct fake_net *n = k->net;
    struct fake_connect about = {p, k->address, ++n->counts.connects};
    k->opening.delay_ns = fake_latency(n, k->exchange.connection, 0, 0) +
                          fake_latency(n, k->exchange.connection, 0, 1);
    if (n->config.faults.connect != NULL) {
        n->config.faults.connect(n->config.faults.arg, &about, &k->opening);
    }
    timer_init(&k->timer, n->loop, on_opening, k);
    if (!k->opening.silent) {
        (void)timer_start_io_at(&k->timer, fake_now(n) + k->opening.delay_ns);
    }
}

static int fake_open(void *ctx, struct loop *l, const char *origin,
                     const struct transport_events *events, void *arg, struct transport **out,
                     struct err *e)
{
    struct fake_process *p = ctx;
    char address[FAKE_ADDRESS_MAX];
    *out = NULL;
    assert(l == p->net->loop);
    (void)l;
    int rc = address_of(origin, address, sizeof address, e);
    if (rc != 0) {
        return rc;
    }
    struct transport *t = calloc(1, sizeof *t);
    struct fake_link *k = t != NULL && !p->dead ? fake_link_new(p->net, address) : NULL;
    if (t == NULL || (k == NULL && !p->dead)) {
        free(t);
        return err_set(e, ERR_NOMEM, "out of memory for a connection to %s", origin);
    }
    t->process = p;
    t->events = events;
    t->arg = arg;
    t->link = k;
    p->held++;
    if (k != NULL) {
        k->client = t;
        k->exchange.process = p;
        begin_opening(k, p);
    }
    *out = t;
    return 0;
}

static void fake_close(struct transport *t)
{
    struct fake_link *k = t->link;
    t->process->held--;
    free(t);
    if (k != NULL) {
        fake_link_leave_client(k);
        fake_link_release(k);
    }
}

/* ---- exchanges ---- */

static void begin_exchange(struct fake_link *k, const void *p, size_t n)
{
    struct fake_net *net = k->net;
    struct fake_exchange *x = &k->exchange;
    x->number = ++net->counts.exchanges;
    x->nth++;
    x->request = p;
    x->size = n;
    k->asked = k->answered = 0;
    k->heard = false;
    timer_stop(&k->timer); /* the idle end */
    timer_init(&k->timer, net->loop, on_idle, k);
    k->plan = (struct fake_plan){
        .request_ns = fake_latency(net, x->connection, x->nth, 2),
        .answer_ns = fake_latency(net, x->connection, x->nth, 3),
        .request_bytes = FAKE_ALL,
        .answer_bytes = FAKE_ALL,
        .garbage_at = FAKE_ALL,
    };
    if (net->config.faults.exchange != NULL) {
        net->config.faults.exchange(net->config.faults.arg, x, &k->plan);
    }
}

/* How many of n bytes pass when `all` may in total and `passed` have. */
static size_t allowed(size_t all, size_t passed, size_t n)
{
    return n < all - passed ? n : all - passed;
}

static void pass_request(struct fake_link *k, const char *p, size_t n)
{
    size_t go = allowed(k->plan.request_bytes, k->asked, n);
    fake_pipe_put(&k->up, p, go, k->plan.piece, fake_now(k->net) + k->plan.request_ns);
    k->asked += go;
    if (k->asked == k->plan.request_bytes && !k->silent) {
        fake_link_cut(k, k->plan.end);
    }
}

static ssize_t fake_send(struct transport *t, const void *p, size_t n)
{
    struct fake_link *k = t->link;
    struct fake_net *net = t->process->net;
    const struct fake_faults *f = &net->config.faults;
    size_t go = n;
    if (k == NULL || n == 0) {
        return (ssize_t)n; /* mute */
    }
    if (k->down.end == PIPE_RESET || !k->opened) {
        return ERR_CLOSED;
    }
    if (k->exchange.nth == 0 || k->heard) {
        begin_exchange(k, p, n);
    }
    net->counts.sends++;
    if (f->sending != NULL) {
        go = f->sending(f->arg, &k->exchange, p, n);
    }
    if (t->link != NULL) { /* else killed meanwhile */
        pass_request(k, p, go < n ? go : n);
    }
    if (go < n) {
        fake_process_kill(t->process);
    }
    return (ssize_t)n;
}

static ssize_t fake_recv(struct transport *t, void *p, size_t n)
{
    struct fake_link *k = t->link;
    if (k == NULL) {
        return TRANSPORT_AGAIN;
    }
    struct fake_pipe *down = &k->down;
    if (down->arrived > 0) {
        size_t take = down->arrived < n ? down->arrived : n;
        memcpy(p, fake_pipe_bytes(down), take);
        fake_pipe_drop(down, take);
        return (ssize_t)take;
    }
    if (down->end == PIPE_RESET) {
        return ERR_CLOSED;
    }
    return down->end == PIPE_FIN ? 0 : TRANSPORT_AGAIN;
}

/* A send never has to wait. */
static void fake_want_write(struct transport *t, bool on)
{
    (void)t;
    (void)on;
}

const struct transport_ops transport_fake_ops = {
    .name = "fake",
    .open = fake_open,
    .send = fake_send,
    .recv = fake_recv,
    .want_write = fake_want_write,
    .close = fake_close,
};

/* ---- the server's end ---- */

void fake_conn_start(struct fake_conn *c, const struct fake_conn_events *events, void *arg)
{
    c->events = events;
    c->arg = arg;
    if (c->link != NULL && (c->link->up.arrived > 0 || c->link->up.end != PIPE_OPEN)) {
        fake_pipe_wake(&c->link->up);
    }
}

void fake_conn_pause(struct fake_conn *c, bool on)
{
    if (c->paused == on) {
        return;
    }
    c->paused = on;
    if (!on && c->link != NULL && (c->link->up.arrived > 0 || c->link->up.end != PIPE_OPEN)) {
        fake_pipe_wake(&c->link->up);
    }
}

/* The bytes from `from` on as noise, the same for the same exchange. */
static void spoil(const struct fake_link *k, char *p, size_t n, size_t from)
{
    struct rng r;
    rng_seed(&r, k->net->config.seed ^ (k->exchange.connection << 16) ^ k->exchange.nth);
    if (from < n) {
        rng_bytes(&r, p + from, n - from);
    }
}

static void pass_answer(struct fake_link *k, const char *p, size_t n)
{
    const struct fake_plan *plan = &k->plan;
    struct fake_pipe *down = &k->down;
    int64_t due = fake_now(k->net) + plan->answer_ns;
    size_t go = allowed(plan->answer_bytes, k->answered, n);
    size_t before = down->bytes.len;
    fake_pipe_put(down, p, go, plan->piece, due);
    if (down->bytes.len > before && plan->garbage_at < k->answered + go) {
        size_t from = plan->garbage_at > k->answered ? plan->garbage_at - k->answered : 0;
        spoil(k, down->bytes.p + before, go, from);
    }
    k->answered += go;
    if (k->silent) {
        return;
    }
    if (k->answered == plan->answer_bytes) {
        fake_link_cut(k, plan->end);
    } else if (plan->idle_ns > 0) {
        (void)timer_start_io_at(&k->timer, due + plan->idle_ns);
    }
}

int fake_conn_send(struct fake_conn *c, const void *p, size_t n)
{
    struct fake_link *k = c->link;
    if (k == NULL || n == 0) {
        return 0;
    }
    if (k->up.end == PIPE_RESET || (k->down.shut && !k->silent)) {
        return ERR_CLOSED;
    }
    if (k->exchange.nth == 0) { /* out of turn */
        fake_pipe_put(&k->down, p, n, 0, fake_now(k->net) + k->net->config.latency_ns);
    } else {
        pass_answer(k, p, n);
    }
    return 0;
}

void fake_conn_shut(struct fake_conn *c)
{
    struct fake_link *k = c->link;
    if (k != NULL) {
        fake_pipe_put_end(&k->down, false, fake_now(k->net) + k->net->config.latency_ns);
    }
}

void fake_conn_close(struct fake_conn *c, bool reset)
{
    struct fake_link *k = c->link;
    c->process->held--;
    free(c);
    if (k != NULL) {
        fake_link_leave_server(k, reset);
        fake_link_release(k);
    }
}

const char *fake_conn_peer(const struct fake_conn *c)
{
    (void)c;
    return "127.0.0.1";
}
