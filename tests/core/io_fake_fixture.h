/* SPDX-License-Identifier: MIT
 *
 * For tests over the network in memory: virtual time, a net, a client's process with an order lane,
 * and a raw server that knows what it executed.
 */
#ifndef PERIGEE_TESTS_IO_FAKE_FIXTURE_H
#define PERIGEE_TESTS_IO_FAKE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/fake_net.h"
#include "io/lane.h"

#define MS INT64_C(1000000)
#define LATENCY (5 * MS)
#define ORIGIN "http://127.0.0.1:8080"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct fx;

/* A raw server's connection: reads requests, answers each. */
struct peer {
    struct fx *fx;
    struct fake_conn *c;
    char in[1024];
    size_t n;
    unsigned pieces; /* data events */
    unsigned ends;   /* end events */
    bool reset;      /* of the last */
    bool closed;
};

struct order {
    struct lane_request r;
    char text[128];
    struct fx *fx;
    unsigned done;
    enum lane_outcome outcome;
    char cause[16];
    char body[32];
    int64_t sent, over; /* io ns */
};

struct fx {
    struct clock clock;
    struct loop loop;
    struct fake_net *net;
    struct fake_process *client, *broker;
    struct fake_listener *listener;
    struct lane *lane;
    struct peer peers[64];
    unsigned accepted;
    unsigned executed[64]; /* by order */
    int64_t executed_at;   /* io ns of the newest */
    bool mute_server;      /* executes, never answers */
    bool keeps;            /* closes nothing when the client ends its side */
    struct order orders[64];
    unsigned done;
    struct fake_connect_plan *connect; /* faults of the next: NULL none */
    struct fake_plan plan;             /* faults of exchange `faulty` */
    uint64_t faulty;                   /* 0: none, UINT64_MAX: all */
    uint64_t asked[16];                /* exchanges that faults were asked for */
    char seen[16][64];                 /* the first bytes of their requests */
    unsigned reused;                   /* of them */
    uint64_t kill_at_send;             /* 0: never */
    size_t kill_after;                 /* bytes of it that leave */
};

static inline void on_peer_data(void *arg, const void *p, size_t n)
{
    struct peer *s = arg;
    struct fx *fx = s->fx;
    assert_true(s->n + n < sizeof s->in);
    memcpy(s->in + s->n, p, n);
    s->n += n;
    s->in[s->n] = '\0';
    s->pieces++;
    char *end = strstr(s->in, "\r\n\r\nbody");
    if (end == NULL) {
        return;
    }
    unsigned id = 0;
    assert_int_equal(sscanf(s->in, "POST /%u ", &id), 1);
    fx->executed[id]++;
    fx->executed_at = clock_io_ns(&fx->clock);
    s->n = 0;
    if (!fx->mute_server) {
        (void)fake_conn_send(s->c, ANSWER, sizeof ANSWER - 1);
    }
}

static inline void on_peer_end(void *arg, bool reset)
{
    struct peer *s = arg;
    s->ends++;
    s->reset = reset;
    if (!s->fx->keeps) {
        s->closed = true;
        fake_conn_close(s->c, false);
    }
}

static const struct fake_conn_events peer_events = {on_peer_data, on_peer_end};

static inline void on_accept(void *arg, struct fake_conn *c)
{
    struct fx *fx = arg;
    assert_true(fx->accepted < 64);
    struct peer *s = &fx->peers[fx->accepted++];
    *s = (struct peer){.fx = fx, .c = c};
    fake_conn_start(c, &peer_events, s);
}

static inline void plan_connect(void *arg, const struct fake_connect *c,
                                struct fake_connect_plan *plan)
{
    struct fx *fx = arg;
    assert_memory_equal(c->address, "127.0.0.1:808", 13);
    assert_int_equal(plan->delay_ns, 2 * LATENCY);
    if (fx->connect != NULL) {
        *plan = *fx->connect;
    }
}

static inline void plan_exchange(void *arg, const struct fake_exchange *x, struct fake_plan *plan)
{
    struct fx *fx = arg;
    assert_true(plan->request_ns >= LATENCY && plan->answer_ns >= LATENCY);
    if (x->number < 16) {
        fx->asked[x->number] = x->connection;
        (void)snprintf(fx->seen[x->number], 64, "%.*s", (int)(x->size < 20 ? x->size : 20),
                       x->request);
    }
    fx->reused += x->nth > 1;
    if (fx->faulty == UINT64_MAX || fx->faulty == x->number) {
        *plan = fx->plan;
    }
}

static inline size_t plan_sending(void *arg, const struct fake_exchange *x, const void *p, size_t n)
{
    struct fx *fx = arg;
    (void)p;
    assert_true(x->number > 0 && n > 0);
    return fake_net_counts(fx->net).sends == fx->kill_at_send ? fx->kill_after : FAKE_ALL;
}

static inline void open_lane(struct fx *fx, int64_t answer_timeout_ms)
{
    struct lane_config config = {.origin = ORIGIN,
                                 .ops = &transport_fake_ops,
                                 .ops_ctx = fx->client,
                                 .answer_timeout_ms = answer_timeout_ms};
    fx->lane = lane_new(&fx->loop, &config, NULL);
    assert_non_null(fx->lane);
}

static inline void begin_seeded(struct fx *fx, uint64_t seed, int64_t jitter_ns)
{
    memset(fx, 0, sizeof *fx);
    clock_virtual(&fx->clock, 1000, 0);
    clock_io_advance(&fx->clock, 1000 * MS);
    assert_int_equal(loop_init(&fx->loop, &fx->clock, NULL, NULL), 0);
    struct fake_net_config config = {
        .seed = seed,
        .latency_ns = LATENCY,
        .jitter_ns = jitter_ns,
        .faults = {fx, jitter_ns == 0 ? plan_connect : NULL, plan_exchange, plan_sending}};
    fx->net = fake_net_new(&fx->loop, &config, NULL);
    fx->client = fake_process_new(fx->net, "engine", NULL);
    fx->broker = fake_process_new(fx->net, "broker", NULL);
    fx->listener = fake_listen(fx->broker, "127.0.0.1", 8080, on_accept, fx, NULL);
    assert_non_null(fx->listener);
    fx->plan = (struct fake_plan){.request_ns = LATENCY,
                                  .answer_ns = LATENCY,
                                  .request_bytes = FAKE_ALL,
                                  .answer_bytes = FAKE_ALL,
                                  .garbage_at = FAKE_ALL};
    open_lane(fx, 1000);
}

static inline void begin(struct fx *fx)
{
    begin_seeded(fx, 7, 0);
}

static inline void finish(struct fx *fx)
{
    lane_free(fx->lane);
    fake_listener_close(fx->listener);
    for (unsigned i = 0; i < fx->accepted; i++) {
        if (!fx->peers[i].closed) {
            fake_conn_close(fx->peers[i].c, false);
        }
    }
    fake_process_free(fx->client);
    fake_process_free(fx->broker);
    assert_int_equal(fake_net_counts(fx->net).open, 0);
    fake_net_free(fx->net);
    assert_int_equal(fx->loop.in_flight, 0);
    assert_int_equal(loop_fini(&fx->loop), 0);
}

static inline int64_t now(struct fx *fx)
{
    return clock_io_ns(&fx->clock);
}

static inline void pass(struct fx *fx, int64_t ns)
{
    assert_int_equal(loop_run_until(&fx->loop, now(fx) + ns), 0);
}

static inline void on_done(struct lane_request *r, const struct lane_answer *a)
{
    struct order *o = r->arg;
    o->done++;
    o->fx->done++;
    o->outcome = a->outcome;
    o->sent = a->sent_io_ns;
    o->over = a->done_io_ns;
    (void)snprintf(o->cause, sizeof o->cause, "%s", a->cause);
    (void)snprintf(o->body, sizeof o->body, "%.*s", (int)a->body_size, a->body);
}

static inline struct order *submit(struct fx *fx, unsigned k)
{
    struct order *o = &fx->orders[k];
    *o = (struct order){.fx = fx};
    int n = snprintf(o->text, sizeof o->text,
                     "POST /%02u HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", k);
    o->r = (struct lane_request){
        .bytes = o->text, .size = (size_t)n, .priority = LANE_OPEN, .done = on_done, .arg = o};
    lane_submit(fx->lane, &o->r);
    return o;
}

static inline void warm(struct fx *fx)
{
    lane_warm(fx->lane);
    pass(fx, 2 * LATENCY);
    assert_true(lane_ready(fx->lane));
}

#endif
