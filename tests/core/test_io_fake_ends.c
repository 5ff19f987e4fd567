/* SPDX-License-Identifier: MIT
 *
 * How connections of the network in memory come to their end, seen from both sides: in order, by
 * reset, in silence, paused.
 */
#include "io_fake_fixture.h"

static void a_paused_server_reads_later(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fake_conn_pause(fx.peers[0].c, true);
    struct order *o = submit(&fx, 1);
    pass(&fx, 500 * MS);
    assert_int_equal(fx.executed[1], 0);
    fake_conn_pause(fx.peers[0].c, false);
    assert_int_equal(fx.executed[1], 0); /* not from inside */
    pass(&fx, LATENCY);
    assert_int_equal(fx.executed[1], 1);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    fake_conn_pause(fx.peers[0].c, true);
    lane_free(fx.lane);
    pass(&fx, 500 * MS);
    assert_int_equal(fx.peers[0].ends, 0);
    fake_conn_pause(fx.peers[0].c, false);
    pass(&fx, 0);
    assert_int_equal(fx.peers[0].ends, 1);
    open_lane(&fx, 1000);
    finish(&fx);
}

static void a_server_may_close_behind_its_answer(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fx.mute_server = true;
    struct order *o = submit(&fx, 1);
    pass(&fx, LATENCY);
    fake_conn_send(fx.peers[0].c, ANSWER, sizeof ANSWER - 1);
    fake_conn_shut(fx.peers[0].c);
    assert_int_equal(fake_conn_send(fx.peers[0].c, "x", 1), ERR_CLOSED);
    fx.keeps = false;
    pass(&fx, LATENCY);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    pass(&fx, 10 * LATENCY);
    assert_true(fx.peers[0].closed); /* the lane has closed its side in turn */
    assert_int_equal(lane_connects(fx.lane), 2);
    finish(&fx);
}

/* A peer that keeps an idle connection 4 s: no order leaves on one that is older than 3 s. */
static void an_idle_lane_reopens_before_its_peer_closes_it(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    lane_free(fx.lane);
    struct lane_config config = {.origin = ORIGIN,
                                 .ops = &transport_fake_ops,
                                 .ops_ctx = fx.client,
                                 .answer_timeout_ms = 10000,
                                 .idle_close_ms = 4000};
    fx.lane = lane_new(&fx.loop, &config, NULL);
    warm(&fx);
    pass(&fx, 2900 * MS);
    struct order *o = submit(&fx, 1); /* and its answer begins the time anew */
    pass(&fx, 2 * LATENCY);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    pass(&fx, 2900 * MS);
    assert_int_equal(lane_connects(fx.lane), 1);
    pass(&fx, 200 * MS);
    assert_int_equal(lane_connects(fx.lane), 2);
    assert_true(lane_ready(fx.lane));
    /* An order that waits long for its answer keeps its connection. */
    fx.mute_server = true;
    o = submit(&fx, 2);
    pass(&fx, 9000 * MS);
    assert_int_equal(o->done, 0);
    assert_int_equal(lane_connects(fx.lane), 2);
    fake_conn_send(fx.peers[1].c, ANSWER, sizeof ANSWER - 1);
    pass(&fx, LATENCY);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    fx.mute_server = false;
    /* A process that was stopped finds the timer late: the order opens a connection first. */
    clock_io_advance(&fx.clock, 5000 * MS);
    o = submit(&fx, 3);
    pass(&fx, 4 * LATENCY);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    assert_int_equal(lane_connects(fx.lane), 3);
    assert_int_equal(fx.executed[1] + fx.executed[2] + fx.executed[3], 3);
    finish(&fx);
}

static void bytes_for_a_closed_end_bring_a_reset(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fx.faulty = 1;
    fx.plan.request_ns = 100 * MS;
    struct order *o = submit(&fx, 1);
    pass(&fx, 50 * MS);
    fx.peers[0].closed = true;
    fake_conn_close(fx.peers[0].c, true);
    int64_t closed = now(&fx);
    pass(&fx, LATENCY);
    assert_int_equal(o->outcome, LANE_CUT);
    assert_int_equal(o->over, closed + LATENCY);
    assert_int_equal(fx.executed[1], 0);
    pass(&fx, 100 * MS);
    finish(&fx);
}

static void all_of_a_process_can_be_cut(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    fx.mute_server = true;
    warm(&fx);
    struct order *o = submit(&fx, 1);
    pass(&fx, 2 * LATENCY);
    fake_process_cut(fx.client, FAKE_FIN);
    pass(&fx, LATENCY);
    assert_int_equal(o->outcome, LANE_CUT);
    pass(&fx, 10 * LATENCY);
    assert_int_equal(lane_connects(fx.lane), 2); /* it lives and connects again */
    fake_process_cut(fx.broker, FAKE_SILENCE);
    o = submit(&fx, 2);
    pass(&fx, 1000 * MS);
    assert_int_equal(o->outcome, LANE_TIMEOUT);
    assert_int_equal(fx.executed[2], 0);
    finish(&fx);
}

static void nobody_hears_the_end_of_a_half_open_connection(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fx.faulty = 1;
    fx.plan.request_bytes = 10;
    fx.plan.end = FAKE_SILENCE;
    struct order *o = submit(&fx, 1);
    pass(&fx, 100 * MS);
    fx.peers[0].closed = true;
    fake_conn_close(fx.peers[0].c, true); /* its reset is lost, too */
    pass(&fx, 800 * MS);
    assert_int_equal(o->done, 0);
    pass(&fx, 200 * MS);
    assert_int_equal(o->outcome, LANE_TIMEOUT);
    finish(&fx);
}

struct bare {
    unsigned opened, readable;
};

static void on_bare_opened(void *arg, int error, const char *message)
{
    struct bare *b = arg;
    (void)message;
    b->opened += error == 0;
}

static void on_bare_readable(void *arg)
{
    ((struct bare *)arg)->readable++;
}

/* A transport as such, whose owner reads nothing on its own. */
static void a_client_may_read_what_came_before_a_reset_but_not_send(void **state)
{
    (void)state;
    static const struct transport_events events = {on_bare_opened, on_bare_readable, NULL};
    const struct transport_ops *ops = &transport_fake_ops;
    struct fx fx;
    struct bare b = {0};
    struct transport *t = NULL;
    char buf[64];
    begin(&fx);
    assert_int_equal(ops->open(fx.client, &fx.loop, ORIGIN, &events, &b, &t, NULL), 0);
    assert_int_equal(ops->send(t, "x", 1), ERR_CLOSED); /* not yet open */
    assert_int_equal(ops->recv(t, buf, sizeof buf), TRANSPORT_AGAIN);
    pass(&fx, 2 * LATENCY);
    assert_int_equal(b.opened, 1);
    assert_int_equal(ops->send(t, "GE", 2), 2);
    pass(&fx, LATENCY);
    assert_int_equal(fx.peers[0].n, 2);
    assert_int_equal(fake_conn_send(fx.peers[0].c, "early", 5), 0);
    fx.peers[0].closed = true;
    fake_conn_close(fx.peers[0].c, true);
    assert_int_equal(ops->send(t, "T", 1), 1); /* it does not know yet */
    pass(&fx, 2 * LATENCY);
    assert_int_equal(b.readable, 2);
    assert_int_equal(ops->send(t, " ", 1), ERR_CLOSED);
    assert_int_equal(ops->recv(t, buf, 3), 3);
    assert_int_equal(ops->recv(t, buf + 3, sizeof buf), 2);
    assert_memory_equal(buf, "early", 5);
    assert_int_equal(ops->recv(t, buf, sizeof buf), ERR_CLOSED);
    ops->close(t);
    finish(&fx);
}

/* A server that ends its side in order, and is sent something all the same. */
static void a_client_that_sends_to_a_closed_end_is_reset(void **state)
{
    (void)state;
    static const struct transport_events events = {on_bare_opened, on_bare_readable, NULL};
    const struct transport_ops *ops = &transport_fake_ops;
    struct fx fx;
    struct bare b = {0};
    struct transport *t = NULL;
    char byte;
    begin(&fx);
    assert_int_equal(ops->open(fx.client, &fx.loop, ORIGIN, &events, &b, &t, NULL), 0);
    pass(&fx, 2 * LATENCY);
    fx.peers[0].closed = true;
    fake_conn_close(fx.peers[0].c, false);
    pass(&fx, 2 * LATENCY);
    assert_int_equal(ops->recv(t, &byte, 1), 0);
    assert_int_equal(ops->send(t, "x", 1), 1);
    pass(&fx, LATENCY + 1);
    assert_int_equal(ops->recv(t, &byte, 1), 0);
    pass(&fx, LATENCY);
    assert_int_equal(ops->recv(t, &byte, 1), ERR_CLOSED);
    assert_int_equal(ops->send(t, "x", 1), ERR_CLOSED);
    ops->close(t);
    finish(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paused_server_reads_later),
        cmocka_unit_test(a_server_may_close_behind_its_answer),
        cmocka_unit_test(an_idle_lane_reopens_before_its_peer_closes_it),
        cmocka_unit_test(bytes_for_a_closed_end_bring_a_reset),
        cmocka_unit_test(all_of_a_process_can_be_cut),
        cmocka_unit_test(nobody_hears_the_end_of_a_half_open_connection),
        cmocka_unit_test(a_client_may_read_what_came_before_a_reset_but_not_send),
        cmocka_unit_test(a_client_that_sends_to_a_closed_end_is_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
