/* SPDX-License-Identifier: MIT
 *
 * The order lane over real connections: against a scripted server that counts executions.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io_lane_fixture.h"

static void answers_come_on_one_warm_connection(void **state)
{
    (void)state;
    static const struct io_step script[] = {
        {IO_ANSWER, IO_OK},
        {IO_BYTES, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Y: z\r\n\r\nslow"},
        {IO_ANSWER,
         "HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"},
        {IO_BYTES, "HTTP/1.1 201 Yes\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"},
        {IO_ANSWER, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!"},
        {IO_ANSWER, "HTTP/1.1 204 None\r\n\r\n"},
        {0}};
    struct fixture f;
    begin(&f, script);
    warm(&f);
    assert_answered(trade(&f, 0), 200, "ok");
    assert_answered(trade(&f, 1), 200, "slow");
    assert_answered(trade(&f, 2), 400, "abcd");
    assert_answered(trade(&f, 3), 201, "ab");
    assert_answered(trade(&f, 4), 200, "!");
    assert_answered(trade(&f, 5), 204, "");
    assert_int_equal(lane_connects(f.lane), 1);
    assert_executed_once(&f, 6);
    finish(&f);
}

/* The case for which this module exists. */
static void reset_after_execution_on_a_reused_connection_is_cut_and_never_repeated(void **state)
{
    (void)state;
    static const enum io_what ways[] = {IO_RESET, IO_CLOSE, IO_HALF_CLOSE, IO_HALF_RESET};
    for (size_t i = 0; i < 4; i++) {
        const struct io_step script[] = {
            {IO_ANSWER, IO_OK}, {ways[i], IO_OK}, {IO_ANSWER, IO_OK}, {0}};
        struct fixture f;
        begin(&f, script);
        assert_answered(trade(&f, 0), 200, "ok");
        struct order *o = trade(&f, 1);
        assert_int_equal(o->outcome, LANE_CUT);
        assert_string_equal(o->cause, "cut");
        assert_int_equal(o->status, 0);
        assert_int_equal(o->sending, 1);
        assert_int_not_equal(o->sent_io_ns, 0);
        assert_executed_once(&f, 2);
        assert_int_equal(f.server.seen[1].connection, 0); /* it was the reused one */
        assert_answered(trade(&f, 2), 200, "ok");
        assert_int_equal(lane_connects(f.lane), 2);
        assert_executed_once(&f, 3);
        finish(&f);
    }
}

static void reset_in_the_middle_of_a_request_is_cut(void **state)
{
    (void)state;
    static const struct io_step script[] = {
        {IO_ANSWER, IO_OK}, {IO_RESET_MID_REQUEST, NULL}, {IO_ANSWER, IO_OK}, {0}};
    struct fixture f;
    begin(&f, script);
    assert_answered(trade(&f, 0), 200, "ok");
    assert_int_equal(trade(&f, 1)->outcome, LANE_CUT);
    assert_executed_once(&f, 1); /* the server has not executed it, but nobody can know */
    assert_answered(trade(&f, 2), 200, "ok");
    finish(&f);
}

static bool fourth_is_ready(void *arg)
{
    struct fixture *f = arg;
    return atomic_load(&f->server.accepted) == 4 && lane_ready(f->lane);
}

static void what_was_never_sent_waits_for_a_connection(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_CLOSE_ON_ACCEPT, NULL},
                                            {IO_RESET_ON_ACCEPT, NULL},
                                            {IO_CLOSE_ON_ACCEPT, NULL},
                                            {IO_ANSWER, IO_OK},
                                            {0}};
    struct fixture f;
    begin(&f, script);
    /* Wait until the server has refused all of them: bytes may be sent before a close is seen, and
     * then the order is cut, rightly. */
    lane_warm(f.lane);
    assert_true(io_run_until(&f.w, fourth_is_ready, &f));
    assert_answered(trade(&f, 0), 200, "ok");
    assert_executed_once(&f, 1);
    finish(&f);
}

static void an_idle_lane_that_is_closed_reopens_before_the_next_order(void **state)
{
    (void)state;
    static const struct io_step script[] = {
        {IO_ANSWER_CLOSE, IO_OK},
        {IO_ANSWER_CLOSE, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"},
        {IO_ANSWER_CLOSE, "HTTP/1.1 200 OK\r\n\r\nuntil the end"},
        {IO_ANSWER, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"},
        {IO_ANSWER, IO_OK},
        {0}};
    struct fixture f;
    begin(&f, script);
    assert_answered(trade(&f, 0), 200, "ok");
    wait_for(&f, 1, 2); /* it reopened by itself */
    assert_answered(trade(&f, 1), 200, "ok");
    wait_for(&f, 2, 3);
    assert_answered(trade(&f, 2), 200, "until the end");
    wait_for(&f, 3, 4);
    assert_answered(trade(&f, 3), 200, "ok"); /* the server says close, and keeps it open */
    wait_for(&f, 4, 5);
    assert_answered(trade(&f, 4), 200, "ok");
    assert_executed_once(&f, 5);
    finish(&f);
}

static void bytes_that_nobody_asked_for_cost_the_connection_not_the_order(void **state)
{
    (void)state;
    static const struct io_step script[] = {
        {IO_ANSWER_EXTRA, IO_OK}, /* in a segment of their own, perhaps */
        {IO_ANSWER, IO_OK "HTTP/1.1 500 Not yours\r\nContent-Length: 0\r\n\r\n"},
        {IO_ANSWER, IO_OK},
        {0}};
    struct fixture f;
    begin(&f, script);
    assert_answered(trade(&f, 0), 200, "ok");
    wait_for(&f, 1, 2);
    assert_answered(trade(&f, 1), 200, "ok");
    wait_for(&f, 2, 3);
    assert_answered(trade(&f, 2), 200, "ok");
    assert_int_equal(lane_connects(f.lane), 3);
    assert_executed_once(&f, 3);
    finish(&f);
}

/* Stray bytes are in the kernel, but the loop has not run since: the order must see them first. */
static void what_the_loop_has_not_seen_yet_is_found_before_sending(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK}, {0}};
    struct fixture f;
    begin(&f, script);
    assert_answered(trade(&f, 0), 200, "ok");
    io_server_shout(&f.server);
    assert_true(lane_ready(f.lane)); /* nobody has told the lane */
    struct order *o = trade(&f, 1);
    assert_answered(o, 200, "ok");
    assert_int_equal(f.server.seen[1].connection, 1);
    assert_executed_once(&f, 2);
    finish(&f);
}

static void closes_overtake_queued_opens_but_not_the_one_in_flight(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_WAIT, IO_OK},   {IO_ANSWER, IO_OK},
                                            {IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK},
                                            {IO_ANSWER, IO_OK}, {0}};
    struct fixture f;
    begin(&f, script);
    warm(&f);
    place(&f, 0, LANE_OPEN);
    place(&f, 1, LANE_OPEN);
    place(&f, 2, LANE_OPEN);
    place(&f, 3, LANE_CLOSE);
    place(&f, 4, LANE_CLOSE);
    while (atomic_load(&f.server.executed) == 0) {
        usleep(1000);
    }
    io_server_go(&f.server);
    wait_for(&f, 5, 0);
    assert_string_equal(f.order, "adebc");
    assert_executed_once(&f, 5);
    finish(&f);
}

static void submit_next(struct order *o)
{
    unsigned k = (unsigned)(o - o->f->orders) + 1;
    assert_false(lane_ready(o->f->lane)); /* the answer that is being read lies in its buffers */
    struct order *next = prepare(o->f, k, LANE_OPEN);
    next->then = k < 7 ? submit_next : NULL;
    submit(next);
    assert_string_equal(o->body, "ok");
}

static void the_next_order_may_be_placed_inside_done(void **state)
{
    (void)state;
    static const char closes[] =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    static const struct io_step script[] = {
        {IO_ANSWER, IO_OK},  {IO_ANSWER, IO_OK}, {IO_ANSWER_CLOSE, closes},
        {IO_ANSWER, IO_OK},  {IO_BYTES, IO_OK},  {IO_ANSWER, IO_OK},
        {IO_ANSWER, closes}, {IO_ANSWER, IO_OK}, {0}};
    struct fixture f;
    begin(&f, script);
    warm(&f);
    struct order *o = prepare(&f, 0, LANE_OPEN);
    o->then = submit_next;
    submit(o);
    wait_for(&f, 8, 3);
    for (unsigned k = 0; k < 8; k++) {
        assert_int_equal(f.orders[k].done, 1);
        assert_answered(&f.orders[k], 200, "ok");
    }
    assert_executed_once(&f, 8);
    finish(&f);
}

static void deadlines_end_what_was_not_sent(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_WAIT, IO_OK}, {IO_ANSWER, IO_OK}, {0}};
    struct fixture f;
    begin(&f, script);
    warm(&f);
    int64_t now = clock_io_ns(&f.w.clock);
    struct order *a = place(&f, 0, LANE_OPEN);
    struct order *late = prepare(&f, 1, LANE_OPEN);
    late->r.deadline_io_ns = now + 20000000;
    submit(late);
    struct order *past = prepare(&f, 2, LANE_CLOSE);
    past->r.deadline_io_ns = now - 1;
    submit(past);
    assert_int_equal(past->done, 0); /* never from inside */
    wait_for(&f, 2, 0);
    assert_int_equal(a->done, 0);
    assert_int_equal(late->outcome, LANE_NOT_SENT);
    assert_string_equal(late->cause, "deadline");
    assert_int_equal(late->sending + past->sending, 0);
    assert_int_equal(late->sent_io_ns, 0);
    assert_int_equal(past->outcome, LANE_NOT_SENT);
    assert_true(clock_io_ns(&f.w.clock) >= now + 20000000);
    io_server_go(&f.server);
    wait_for(&f, 3, 0);
    assert_answered(a, 200, "ok");
    struct order *ready = prepare(&f, 3, LANE_OPEN);
    ready->r.deadline_io_ns = now; /* on an idle lane too */
    submit(ready);
    assert_int_equal(ready->done, 0);
    wait_for(&f, 4, 0);
    assert_int_equal(ready->outcome, LANE_NOT_SENT);
    assert_executed_once(&f, 1);
    finish(&f);
}

static void without_a_server_an_order_ends_unsent_at_its_deadline(void **state)
{
    (void)state;
    static const struct io_step script[] = {{0}};
    struct fixture f;
    char origin[64];
    begin(&f, script);
    lane_free(f.lane);
    (void)snprintf(origin, sizeof origin, "http://127.0.0.1:%d", io_dead_port());
    open_lane(&f, origin, 0);
    struct order *o = prepare(&f, 0, LANE_OPEN);
    o->r.deadline_io_ns = clock_io_ns(&f.w.clock) + 200000000;
    submit(o);
    wait_for(&f, 1, 0);
    assert_int_equal(o->outcome, LANE_NOT_SENT);
    assert_string_equal(o->cause, "unreachable");
    assert_int_equal(o->sending, 0);
    assert_int_equal(lane_connects(f.lane), 0);
    finish(&f);
}

static void no_answer_in_time_is_a_timeout_and_the_lane_goes_on(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_SILENT, NULL}, {IO_ANSWER, IO_OK}, {0}};
    struct fixture f;
    begin_with(&f, script, 100);
    struct order *o = trade(&f, 0);
    assert_int_equal(o->outcome, LANE_TIMEOUT);
    assert_string_equal(o->cause, "timeout");
    lane_free(f.lane);
    open_lane(&f, f.server.origin, 15000);
    assert_answered(trade(&f, 1), 200, "ok");
    assert_executed_once(&f, 2);
    finish(&f);
}

static void answers_that_are_none_are_cut(void **state)
{
    (void)state;
    static char large[8192];
    static const struct io_step script[] = {
        {IO_ANSWER, "+OK redis\r\n"}, {IO_ANSWER, large}, {IO_ANSWER, IO_OK}, {0}};
    int n = snprintf(large, sizeof large, "HTTP/1.1 200 OK\r\nContent-Length: 8000\r\n\r\n");
    memset(large + n, 'x', 8000);
    struct fixture f;
    begin(&f, script);
    struct order *o = trade(&f, 0);
    assert_int_equal(o->outcome, LANE_CUT);
    assert_string_equal(o->cause, "garbage");
    o = trade(&f, 1);
    assert_int_equal(o->outcome, LANE_CUT);
    assert_string_equal(o->cause, "limit");
    assert_answered(trade(&f, 2), 200, "ok");
    assert_executed_once(&f, 3);
    finish(&f);
}

/* Far more than the kernel takes at once: sent in pieces, each byte once. */
static void a_large_request_arrives_whole(void **state)
{
    (void)state;
    enum { SIZE = 12 << 20 };
    static const struct io_step script[] = {{IO_ANSWER, IO_OK}, {0}};
    struct fixture f;
    begin(&f, script);
    warm(&f);
    struct order *o = prepare(&f, 0, LANE_OPEN);
    o->big = malloc(SIZE + 128);
    int n = snprintf(o->big, 128, "POST /big HTTP/1.1\r\nContent-Length: %d\r\n\r\n", SIZE);
    for (int i = 0; i < SIZE; i++) {
        o->big[n + i] = (char)(i * 31 + (i >> 8));
    }
    o->r.bytes = o->big;
    o->r.size = (size_t)n + SIZE;
    submit(o);
    wait_for(&f, 1, 0);
    assert_answered(o, 200, "ok");
    assert_int_equal(f.server.seen[0].body_size, SIZE);
    assert_int_equal(f.server.seen[0].body_sum, crc32c(0, o->big + n, SIZE));
    assert_executed_once(&f, 1);
    finish(&f);
}

static void free_lane(struct order *o)
{
    struct lane *lane = o->f->lane;
    o->f->lane = NULL;
    lane_free(lane);
}

static bool all_done(void *arg)
{
    const struct fixture *f = arg;
    return f->done >= f->want;
}

static void the_lane_may_be_freed_inside_done_and_inside_sending(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_ANSWER, IO_OK}, {0}};
    for (int inside_sending = 0; inside_sending < 2; inside_sending++) {
        struct fixture f;
        begin(&f, script);
        warm(&f);
        struct order *o = prepare(&f, 0, LANE_OPEN);
        *(inside_sending ? &o->before : &o->then) = free_lane;
        f.want = inside_sending ? 1 : 3;
        if (inside_sending) {
            lane_submit(f.lane, &o->r);
        } else {
            submit(o);
            place(&f, 1, LANE_OPEN);
            place(&f, 2, LANE_CLOSE);
        }
        assert_true(io_run_until(&f.w, all_done, &f));
        assert_int_equal(o->outcome, inside_sending ? LANE_NOT_SENT : LANE_ANSWERED);
        for (int k = 1; k < 3 && !inside_sending; k++) {
            assert_int_equal(f.orders[k].done, 1);
            assert_int_equal(f.orders[k].outcome, LANE_NOT_SENT);
            assert_string_equal(f.orders[k].cause, "closed");
        }
        finish(&f);
        assert_int_equal(atomic_load(&f.server.executed), inside_sending ? 0 : 1);
    }
}

static void freeing_cuts_the_one_in_flight(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_SILENT, NULL}, {0}};
    struct fixture f;
    begin(&f, script);
    warm(&f);
    struct order *a = place(&f, 0, LANE_OPEN);
    struct order *b = place(&f, 1, LANE_OPEN);
    struct order *c = place(&f, 2, LANE_OPEN);
    assert_false(lane_withdraw(f.lane, &a->r)); /* in flight */
    assert_true(lane_withdraw(f.lane, &b->r));
    assert_false(lane_withdraw(f.lane, &b->r));
    assert_int_equal(f.w.loop.in_flight, 2);
    lane_free(f.lane);
    f.lane = NULL;
    assert_int_equal(a->outcome, LANE_CUT);
    assert_int_equal(b->done, 0);
    assert_int_equal(c->outcome, LANE_NOT_SENT);
    assert_int_equal(a->done + c->done, 2);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_on_one_warm_connection),
        cmocka_unit_test(reset_after_execution_on_a_reused_connection_is_cut_and_never_repeated),
        cmocka_unit_test(reset_in_the_middle_of_a_request_is_cut),
        cmocka_unit_test(what_was_never_sent_waits_for_a_connection),
        cmocka_unit_test(an_idle_lane_that_is_closed_reopens_before_the_next_order),
        cmocka_unit_test(bytes_that_nobody_asked_for_cost_the_connection_not_the_order),
        cmocka_unit_test(what_the_loop_has_not_seen_yet_is_found_before_sending),
        cmocka_unit_test(closes_overtake_queued_opens_but_not_the_one_in_flight),
        cmocka_unit_test(the_next_order_may_be_placed_inside_done),
        cmocka_unit_test(deadlines_end_what_was_not_sent),
        cmocka_unit_test(without_a_server_an_order_ends_unsent_at_its_deadline),
        cmocka_unit_test(no_answer_in_time_is_a_timeout_and_the_lane_goes_on),
        cmocka_unit_test(answers_that_are_none_are_cut),
        cmocka_unit_test(a_large_request_arrives_whole),
        cmocka_unit_test(the_lane_may_be_freed_inside_done_and_inside_sending),
        cmocka_unit_test(freeing_cuts_the_one_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
