/* SPDX-License-Identifier: MIT
 *
 * Killing a process of the network in memory: what it had sent arrives, what it had not does not,
 * its own ends go mute, the others hear of it and go on.
 */
#include "io_fake_fixture.h"

/* Kills the client behind byte k of its second order. */
static void kill_at(size_t k)
{
    struct fx fx;
    begin(&fx);
    warm(&fx);
    submit(&fx, 1);
    pass(&fx, 100 * MS);
    assert_int_equal(fx.done, 1);
    fx.kill_at_send = 2;
    fx.kill_after = k;
    int64_t killed = now(&fx);
    struct order *o = submit(&fx, 2);
    size_t size = o->r.size;
    assert_true(k >= size || !fake_process_alive(fx.client));
    if (k >= size) {
        fake_process_kill(fx.client); /* right behind the last byte */
    }
    assert_int_equal(fake_net_counts(fx.net).kills, 1);
    pass(&fx, LATENCY - 1);
    assert_int_equal(fx.executed[2], 0);
    pass(&fx, 1);
    assert_int_equal(fx.executed[2], k >= size ? 1 : 0);
    assert_true(k >= size || fx.peers[0].n == k);
    pass(&fx, LATENCY);
    assert_int_equal(fx.peers[0].ends, 1);
    assert_true(killed + LATENCY <= now(&fx));
    pass(&fx, 500 * MS);
    assert_int_equal(o->done, 0); /* not one event: it is dead */
    assert_int_equal(fx.executed[2], k >= size ? 1 : 0);
    finish(&fx);
}

static void what_was_sent_before_a_kill_is_executed(void **state)
{
    (void)state;
    for (size_t k = 0; k <= 53; k++) {
        kill_at(k);
    }
}

static void a_kill_with_the_answer_on_the_way_resets(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    struct order *o = submit(&fx, 1);
    pass(&fx, LATENCY + 1); /* executed; the answer is on the way */
    assert_int_equal(fx.executed[1], 1);
    fake_process_kill(fx.client);
    fx.keeps = true;
    pass(&fx, LATENCY);
    assert_int_equal(fx.peers[0].ends, 1);
    assert_false(fx.peers[0].reset); /* the end itself was in order */
    pass(&fx, LATENCY);
    assert_int_equal(o->done, 0);
    /* but the answer found nobody */
    assert_int_equal(fake_conn_send(fx.peers[0].c, "x", 1), ERR_CLOSED);
    finish(&fx);
}

static void a_dead_process_stays_mute(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fake_process_kill(fx.client);
    assert_false(fake_process_alive(fx.client));
    struct order *o = submit(&fx, 1); /* its owner does not know yet */
    pass(&fx, 900 * MS);
    assert_int_equal(o->done, 0);
    assert_int_equal(fake_net_counts(fx.net).sends, 0);
    pass(&fx, 30000 * MS); /* its timers still run until it is taken apart */
    assert_int_equal(o->outcome, LANE_TIMEOUT);
    assert_int_equal(fx.accepted, 1);
    assert_int_equal(fake_net_counts(fx.net).connects, 1);
    assert_null(fake_listen(fx.client, "127.0.0.1", 0, on_accept, &fx, NULL));
    fake_process_kill(fx.client); /* harmless */
    assert_int_equal(fake_net_counts(fx.net).kills, 1);
    finish(&fx);
}

static void others_live_on(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    struct fake_process *second = fake_process_new(fx.net, "second", NULL);
    assert_string_equal(fake_process_name(second), "second");
    warm(&fx);
    struct lane *dead = fx.lane;
    struct fake_process *victim = fx.client;
    submit(&fx, 1);
    fake_process_kill(victim);
    fx.client = second;
    open_lane(&fx, 1000);
    struct order *o = submit(&fx, 2);
    pass(&fx, 100 * MS);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    assert_int_equal(fx.executed[1], 1);
    lane_free(dead);
    fake_process_free(victim);
    o = submit(&fx, 3);
    pass(&fx, 100 * MS);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    finish(&fx);
}

static void a_server_can_be_killed_and_started_again(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fx.mute_server = true;
    struct order *o = submit(&fx, 1);
    pass(&fx, 2 * LATENCY);
    assert_int_equal(fx.executed[1], 1);
    int64_t killed = now(&fx);
    fake_process_kill(fx.broker);
    assert_int_equal(fake_conn_send(fx.peers[0].c, ANSWER, sizeof ANSWER - 1), 0); /* swallowed */
    pass(&fx, LATENCY);
    assert_int_equal(o->outcome, LANE_CUT);
    assert_int_equal(o->over, killed + LATENCY);
    o = submit(&fx, 2);
    pass(&fx, 3000 * MS);
    assert_int_equal(o->done, 0); /* nobody listens */
    fake_listener_close(fx.listener);
    fx.peers[0].closed = true;
    fake_conn_close(fx.peers[0].c, false);
    fake_process_free(fx.broker);
    fx.broker = fake_process_new(fx.net, "broker", NULL);
    fx.listener = fake_listen(fx.broker, "127.0.0.1", 8080, on_accept, &fx, NULL);
    fx.mute_server = false;
    pass(&fx, 3000 * MS);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    assert_int_equal(fx.executed[2], 1);
    finish(&fx);
}

static void requests_on_the_way_to_a_killed_server_are_lost(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    struct order *o = submit(&fx, 1);
    pass(&fx, LATENCY / 2);
    fake_process_kill(fx.broker);
    pass(&fx, 100 * MS);
    assert_int_equal(o->outcome, LANE_CUT);
    assert_int_equal(fx.executed[1], 0);
    finish(&fx);
}

static size_t kill_inside(void *arg, const struct fake_exchange *x, const void *p, size_t n)
{
    struct fx *fx = arg;
    (void)x;
    (void)p;
    (void)n;
    fake_process_kill(fx->client);
    return FAKE_ALL;
}

static void a_kill_inside_the_hook_lets_nothing_out(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    lane_free(fx.lane);
    pass(&fx, 100 * MS);
    fake_listener_close(fx.listener);
    fake_process_free(fx.client);
    fake_process_free(fx.broker);
    fake_net_free(fx.net);
    struct fake_net_config config = {.latency_ns = LATENCY,
                                     .faults = {&fx, NULL, NULL, kill_inside}};
    fx.accepted = 0;
    fx.net = fake_net_new(&fx.loop, &config, NULL);
    fx.client = fake_process_new(fx.net, "engine", NULL);
    fx.broker = fake_process_new(fx.net, "broker", NULL);
    fx.listener = fake_listen(fx.broker, "127.0.0.1", 8080, on_accept, &fx, NULL);
    open_lane(&fx, 1000);
    warm(&fx);
    struct order *o = submit(&fx, 1);
    pass(&fx, 100 * MS);
    assert_int_equal(o->done, 0);
    assert_int_equal(fx.executed[1], 0);
    assert_int_equal(fx.peers[0].ends, 1);
    lane_free(fx.lane);
    fake_process_free(fx.client);
    /* The same on a connection that the server has closed: nothing of it is left after the kill. */
    fx.client = fake_process_new(fx.net, "engine", NULL);
    open_lane(&fx, 1000);
    warm(&fx);
    fx.peers[1].closed = true;
    fake_conn_close(fx.peers[1].c, false);
    o = submit(&fx, 2);
    assert_int_equal(fake_net_counts(fx.net).open, 0);
    pass(&fx, 100 * MS);
    assert_int_equal(o->done, 0);
    finish(&fx);
}

static void a_kill_while_connecting_is_no_connection(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    lane_warm(fx.lane);
    pass(&fx, LATENCY);
    fake_process_kill(fx.client);
    pass(&fx, 100 * MS);
    assert_int_equal(fx.accepted, 0);
    finish(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sent_before_a_kill_is_executed),
        cmocka_unit_test(a_kill_with_the_answer_on_the_way_resets),
        cmocka_unit_test(a_dead_process_stays_mute),
        cmocka_unit_test(others_live_on),
        cmocka_unit_test(a_server_can_be_killed_and_started_again),
        cmocka_unit_test(requests_on_the_way_to_a_killed_server_are_lost),
        cmocka_unit_test(a_kill_inside_the_hook_lets_nothing_out),
        cmocka_unit_test(a_kill_while_connecting_is_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
