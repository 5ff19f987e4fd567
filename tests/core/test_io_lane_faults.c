/* SPDX-License-Identifier: MIT
 *
 * The order lane over a transport that loses, delays and cuts by seed, in virtual time. The other
 * end is modelled: it knows each byte that was handed over and what it executed, so "never twice"
 * is checked against the truth.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "io/lane.h"

#define ORDERS 24
#define SIZE 64 /* bytes of each request */
#define MS INT64_C(1000000)

struct fake;

struct order {
    struct lane_request r;
    char text[SIZE + 1];
    struct fake *f;
    unsigned sending, done, bytes, executed; /* bytes: handed over, on all connections */
    struct transport *on;                    /* the connection of its first byte */
    enum lane_outcome outcome;
    char body[16];
};

struct transport {
    struct fake *f;
    const struct transport_events *events;
    void *arg;
    struct timer timer; /* opening, then the other end's next move */
    bool open, want_write, ended, broken;
    char in[SIZE + 1]; /* request bytes that the other end has read */
    size_t in_len;
    char out[256]; /* what the other end has written and the lane not yet read */
    size_t out_len, out_ready;
    bool closes;          /* ends when out was read */
    bool silent;          /* never says anything more */
    const char *repeat_p; /* after AGAIN the same pointer and length must come */
    size_t repeat_n;
    struct transport *next;
};

struct fake {
    struct clock clock;
    struct loop loop;
    struct rng rng;
    struct lane *lane;
    struct transport *all; /* open ones */
    struct order orders[ORDERS];
    unsigned done;
    int trouble; /* percent */
};

static bool chance(struct fake *f, int percent)
{
    return rng_range(&f->rng, 0, 99) < percent;
}

static void execute(struct transport *t)
{
    unsigned id = 0;
    assert_int_equal(sscanf(t->in, "POST /%u ", &id), 1);
    assert_true(id < ORDERS);
    t->f->orders[id].executed++;
    int n = snprintf(t->out, sizeof t->out,
                     chance(t->f, 20)
                         ? "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n%03u"
                         : "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n%03u",
                     id);
    t->out_len = (size_t)n;
    t->out_ready = 0;
    t->in_len = 0;
    if (chance(t->f, t->f->trouble / 2)) {
        t->out_len = (size_t)rng_range(&t->f->rng, 0, n - 1);
        t->silent = true;
    } else if (chance(t->f, t->f->trouble)) { /* cut somewhere in the answer, or before it */
        t->out_len = (size_t)rng_range(&t->f->rng, 0, n - 1);
        t->closes = true;
    } else if (chance(t->f, t->f->trouble)) {
        memcpy(t->out + n, "HTTP/1.1 4", 10);
        t->out_len += 10;
    }
}

/* The other end moves: connects, delivers more of its answer, closes, talks out of turn. */
static void on_move(void *arg)
{
    struct transport *t = arg;
    struct fake *f = t->f;
    (void)timer_start_io(&t->timer, rng_range(&f->rng, 1, 30));
    if (!t->open) {
        bool fails = chance(f, f->trouble);
        t->open = !fails;
        t->broken = fails;
        t->events->opened(t->arg, fails ? ERR_UNREACHABLE : 0, fails ? "refused" : "");
        return;
    }
    if (t->out_ready < t->out_len) {
        t->out_ready += (size_t)rng_range(&f->rng, 1, (int64_t)(t->out_len - t->out_ready));
    } else if (t->silent) {
        t->want_write = false;
    } else if (t->closes || chance(f, f->trouble / 3)) {
        t->ended = true;
        t->broken = chance(f, 50);
    } else if (chance(f, f->trouble / 4)) {
        memcpy(t->out, "?", 1);
        t->out_len = 1;
        t->out_ready = 1;
    } else if (t->want_write) {
        t->events->writable(t->arg);
        return;
    }
    t->events->readable(t->arg); /* sometimes with nothing to read, as TLS does */
}

static int fake_open(void *ctx, struct loop *l, const char *origin,
                     const struct transport_events *events, void *arg, struct transport **out,
                     struct err *e)
{
    struct fake *f = ctx;
    (void)origin;
    if (chance(f, f->trouble / 2)) {
        return err_set(e, ERR_IO, "no sockets left");
    }
    struct transport *t = calloc(1, sizeof *t);
    t->f = f;
    t->events = events;
    t->arg = arg;
    t->next = f->all;
    f->all = t;
    timer_init(&t->timer, l, on_move, t);
    (void)timer_start_io(&t->timer, chance(f, f->trouble) ? 100000 : rng_range(&f->rng, 1, 20));
    *out = t;
    return 0;
}

static struct order *owner(struct fake *f, const char *p)
{
    for (size_t i = 0; i < ORDERS; i++) {
        if (p >= f->orders[i].text && p < f->orders[i].text + SIZE) {
            return &f->orders[i];
        }
    }
    fail_msg("bytes of nobody");
    return NULL;
}

static ssize_t fake_send(struct transport *t, const void *p, size_t n)
{
    struct fake *f = t->f;
    struct order *o = owner(f, p);
    assert_true(t->open);
    assert_int_equal(o->sending, 1);
    assert_true(o->on == NULL || o->on == t); /* never on another connection */
    o->on = t;
    if (t->repeat_p != NULL) {
        assert_ptr_equal(t->repeat_p, p);
        assert_int_equal(t->repeat_n, n);
        t->repeat_p = NULL;
    }
    assert_ptr_equal(p, o->text + o->bytes); /* each byte once, in order */
    if (t->broken || t->ended || chance(f, f->trouble / 3)) {
        t->broken = true;
        t->ended = true;
        return ERR_CLOSED;
    }
    if (chance(f, f->trouble)) {
        t->repeat_p = p;
        t->repeat_n = n;
        return TRANSPORT_AGAIN;
    }
    size_t took = chance(f, 60) ? n : (size_t)rng_range(&f->rng, 1, (int64_t)n);
    memcpy(t->in + t->in_len, p, took);
    t->in_len += took;
    o->bytes += (unsigned)took;
    if (t->in_len == SIZE) {
        t->in[SIZE] = '\0';
        execute(t);
    }
    return (ssize_t)took;
}

static ssize_t fake_recv(struct transport *t, void *p, size_t n)
{
    if (t->out_ready > 0) {
        size_t took = t->out_ready < n ? t->out_ready : n;
        memcpy(p, t->out, took);
        memmove(t->out, t->out + took, t->out_len - took);
        t->out_len -= took;
        t->out_ready -= took;
        return (ssize_t)took;
    }
    if (t->ended) {
        return t->broken ? ERR_CLOSED : 0;
    }
    return TRANSPORT_AGAIN;
}

static void fake_want_write(struct transport *t, bool on)
{
    t->want_write = on;
}

static void fake_close(struct transport *t)
{
    struct transport **p = &t->f->all;
    while (*p != t) {
        p = &(*p)->next;
    }
    *p = t->next;
    timer_stop(&t->timer);
    free(t);
}

static const struct transport_ops fake_ops = {.name = "fake",
                                              .open = fake_open,
                                              .send = fake_send,
                                              .recv = fake_recv,
                                              .want_write = fake_want_write,
                                              .close = fake_close};

static void on_sending(struct lane_request *r)
{
    struct order *o = r->arg;
    o->sending++;
    assert_int_equal(o->bytes, 0);
}

static void place(struct fake *f, unsigned k)
{
    struct order *o = &f->orders[k];
    o->f = f;
    (void)snprintf(o->text, sizeof o->text, "POST /%03u HTTP/1.1\r\nX-Fill: %0*u\r\n\r\n", k,
                   SIZE - 32, k);
    assert_int_equal(strlen(o->text), SIZE);
    lane_submit(f->lane, &o->r);
}

static void on_done(struct lane_request *r, const struct lane_answer *a)
{
    struct order *o = r->arg;
    o->done++;
    o->f->done++;
    o->outcome = a->outcome;
    (void)snprintf(o->body, sizeof o->body, "%.*s", (int)a->body_size, a->body);
    unsigned k = (unsigned)(o - o->f->orders) + ORDERS / 2; /* the second half inside done() */
    if (k < ORDERS) {
        place(o->f, k);
    }
}

static void check(const struct fake *f, unsigned k, int seed)
{
    const struct order *o = &f->orders[k];
    char id[8];
    if (o->done != 1 || o->executed > 1 || o->sending > 1) {
        fail_msg("seed %d order %u: done %u, executed %u, sending %u", seed, k, o->done,
                 o->executed, o->sending);
    }
    (void)snprintf(id, sizeof id, "%03u", k);
    switch (o->outcome) {
    case LANE_ANSWERED:
        assert_string_equal(o->body, id); /* its own answer */
        assert_int_equal(o->executed, 1);
        break;
    case LANE_NOT_SENT:
        assert_int_equal(o->bytes, 0);
        assert_int_equal(o->executed, 0);
        break;
    default:
        assert_int_equal(o->sending, 1);
        break;
    }
}

static void play(int seed, int trouble, bool free_early, unsigned *outcomes)
{
    static struct fake f;
    memset(&f, 0, sizeof f);
    f.trouble = trouble;
    rng_seed(&f.rng, (uint64_t)seed);
    clock_init(&f.clock);
    clock_virtual(&f.clock, 0, 0);
    assert_int_equal(loop_init(&f.loop, &f.clock, NULL, NULL), 0);
    struct lane_config config = {.origin = "http://fake",
                                 .ops = &fake_ops,
                                 .ops_ctx = &f,
                                 .connect_timeout_ms = 200,
                                 .answer_timeout_ms = 400};
    f.lane = lane_new(&f.loop, &config, NULL);
    for (unsigned k = 0; k < ORDERS; k++) {
        struct lane_request *r = &f.orders[k].r;
        *r = (struct lane_request){.bytes = f.orders[k].text,
                                   .size = SIZE,
                                   .priority = chance(&f, 30) ? LANE_CLOSE : LANE_OPEN,
                                   .deadline_io_ns =
                                       chance(&f, 50) ? rng_range(&f.rng, 1, 900) * MS : 0,
                                   .sending = on_sending,
                                   .done = on_done,
                                   .arg = &f.orders[k]};
    }
    for (unsigned k = 0; k < ORDERS / 2; k++) {
        place(&f, k);
        assert_int_equal(f.done, 0);
    }
    unsigned stop = free_early ? (unsigned)rng_range(&f.rng, 1, 200) : 1000000;
    for (unsigned i = 0; f.done < ORDERS && i < stop; i++) {
        int64_t next = loop_io_next(&f.loop);
        assert_int_not_equal(next, INT64_MAX); /* a lane with work always waits for something */
        loop_io_advance(&f.loop, next);
    }
    lane_free(f.lane);
    assert_null(f.all);
    assert_int_equal(f.done, ORDERS);
    assert_int_equal(f.loop.in_flight, 0);
    for (unsigned k = 0; k < ORDERS; k++) {
        check(&f, k, seed);
        outcomes[f.orders[k].outcome]++;
    }
    assert_int_equal(loop_io_next(&f.loop), INT64_MAX);
    assert_int_equal(loop_fini(&f.loop), 0);
}

static void never_twice_whatever_the_network_does(void **state)
{
    (void)state;
    unsigned outcomes[4] = {0};
    for (int seed = 1; seed <= 600; seed++) {
        play(seed, seed % 40, seed % 5 == 0, outcomes);
    }
    for (int k = 0; k < 4; k++) {
        assert_true(outcomes[k] > 50); /* the faults did reach every way out */
    }
}

static void a_calm_network_answers_everything(void **state)
{
    (void)state;
    unsigned outcomes[4] = {0};
    for (int seed = 1; seed <= 20; seed++) {
        play(seed, 0, false, outcomes);
    }
    assert_int_equal(outcomes[LANE_CUT] + outcomes[LANE_TIMEOUT], 0);
    assert_true(outcomes[LANE_ANSWERED] > 20 * ORDERS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_twice_whatever_the_network_does),
        cmocka_unit_test(a_calm_network_answers_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
