/* SPDX-License-Identifier: MIT
 *
 * For test_io_lane.c: an order lane, its scripted server, and orders that note what became of them.
 */
#ifndef PERIGEE_TESTS_IO_LANE_FIXTURE_H
#define PERIGEE_TESTS_IO_LANE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/lane.h"
#include "io_server.h"

struct order {
    struct lane_request r;
    char text[256];
    char *big; /* owned; the bytes when they do not fit into text */
    struct fixture *f;
    unsigned sending; /* calls */
    unsigned done;
    enum lane_outcome outcome;
    char cause[32];
    int status;
    char body[128];
    int64_t sent_io_ns;
    void (*then)(struct order *o);   /* inside done() */
    void (*before)(struct order *o); /* inside sending() */
};

struct fixture {
    struct io_world w;
    struct io_server server;
    struct transport_curl *curl;
    struct lane *lane;
    struct order orders[16];
    unsigned want; /* done() calls to wait for */
    unsigned done;
    unsigned connects; /* connections to wait for */
    bool inside;       /* lane_submit is on the stack */
    char order[32];    /* names in the order of done() */
};

static void on_sending(struct lane_request *r)
{
    struct order *o = r->arg;
    o->sending++;
    if (o->before != NULL) {
        o->before(o);
    }
}

static void on_done(struct lane_request *r, const struct lane_answer *a)
{
    struct order *o = r->arg;
    assert_false(o->f->inside);
    assert_true(o->f->w.loop.in_flight > 0); /* held until done() has returned */
    assert_int_equal(a->head[a->head_size] | a->body[a->body_size], 0);
    o->done++;
    o->outcome = a->outcome;
    o->status = a->status;
    o->sent_io_ns = a->sent_io_ns;
    assert_true(a->done_io_ns >= a->sent_io_ns);
    (void)snprintf(o->cause, sizeof o->cause, "%s", a->cause);
    (void)snprintf(o->body, sizeof o->body, "%.*s", (int)a->body_size, a->body);
    o->f->order[o->f->done++] = (char)('a' + (o - o->f->orders));
    if (o->then != NULL) {
        o->then(o);
    }
}

static void open_lane(struct fixture *f, const char *origin, int64_t answer_timeout_ms)
{
    struct lane_config config = {.origin = origin,
                                 .ops = &transport_curl_ops,
                                 .ops_ctx = f->curl,
                                 .answer_timeout_ms = answer_timeout_ms,
                                 .max_answer = 4096};
    f->lane = lane_new(&f->w.loop, &config, NULL);
    assert_non_null(f->lane);
}

static void begin_with(struct fixture *f, const struct io_step *script, int64_t answer_timeout_ms)
{
    memset(f, 0, sizeof *f);
    io_world_init(&f->w);
    io_server_start(&f->server, script);
    f->curl = transport_curl_new(&f->w.loop, NULL, NULL);
    open_lane(f, f->server.origin, answer_timeout_ms);
}

static void begin(struct fixture *f, const struct io_step *script)
{
    begin_with(f, script, 15000);
}

static void finish(struct fixture *f)
{
    lane_free(f->lane);
    assert_int_equal(f->w.loop.in_flight, 0);
    transport_curl_free(f->curl);
    assert_int_equal(io_world_fini(&f->w), 0);
    io_server_stop(&f->server);
    for (size_t i = 0; i < 16; i++) {
        free(f->orders[i].big);
    }
}

static struct order *prepare(struct fixture *f, unsigned k, enum lane_priority priority)
{
    struct order *o = &f->orders[k];
    o->f = f;
    int n =
        snprintf(o->text, sizeof o->text,
                 "POST /open/%c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\norder", 'a' + k);
    o->r = (struct lane_request){.bytes = o->text,
                                 .size = (size_t)n,
                                 .priority = priority,
                                 .sending = on_sending,
                                 .done = on_done,
                                 .arg = o};
    return o;
}

static void submit(struct order *o)
{
    bool nested = o->f->inside;
    o->f->inside = true;
    lane_submit(o->f->lane, &o->r);
    o->f->inside = nested;
}

static struct order *place(struct fixture *f, unsigned k, enum lane_priority priority)
{
    struct order *o = prepare(f, k, priority);
    submit(o);
    return o;
}

static bool enough(void *arg)
{
    const struct fixture *f = arg;
    return f->done >= f->want && lane_connects(f->lane) >= f->connects;
}

static void wait_for(struct fixture *f, unsigned done, unsigned connects)
{
    f->want = done;
    f->connects = connects;
    assert_true(io_run_until(&f->w, enough, f));
}

/* One order after the other; each must be over before the next. */
static struct order *trade(struct fixture *f, unsigned k)
{
    struct order *o = place(f, k, LANE_OPEN);
    wait_for(f, f->done + 1, 0);
    assert_int_equal(o->done, 1);
    return o;
}

static bool is_ready(void *arg)
{
    return lane_ready(((struct fixture *)arg)->lane);
}

static void warm(struct fixture *f)
{
    lane_warm(f->lane);
    assert_true(io_run_until(&f->w, is_ready, f));
}

static void assert_answered(const struct order *o, int status, const char *body)
{
    assert_int_equal(o->outcome, LANE_ANSWERED);
    assert_string_equal(o->cause, "");
    assert_int_equal(o->status, status);
    assert_string_equal(o->body, body);
    assert_int_equal(o->sending, 1);
    assert_int_not_equal(o->sent_io_ns, 0);
}

/* Each of the first n orders was executed once; a resent one would be seen twice. */
static void assert_executed_once(struct fixture *f, unsigned n)
{
    for (int i = 0; i < 20; i++) { /* time for what must not happen */
        loop_run_once(&f->w.loop, false);
        usleep(1000);
    }
    assert_int_equal(atomic_load(&f->server.executed), n);
    for (unsigned k = 0; k < n; k++) {
        for (unsigned i = 0; i < k; i++) {
            assert_string_not_equal(f->server.seen[k].head, f->server.seen[i].head);
        }
    }
}

#endif
