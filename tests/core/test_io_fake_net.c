/* SPDX-License-Identifier: MIT
 *
 * The network in memory, seen from an order lane and a raw server: times, cuts at every byte, late
 * execution, idle connections. Ends are in test_io_fake_ends.c, killing in test_io_fake_kill.c.
 */
#include "base/rng.h"
#include "io_fake_fixture.h"

static void an_exchange_takes_the_way_there_and_back(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    int64_t begun = now(&fx);
    struct order *o = submit(&fx, 3); /* finds no connection: waits for it */
    pass(&fx, 4 * LATENCY - 1);
    assert_int_equal(o->done, 0);
    pass(&fx, 1);
    assert_int_equal(o->done, 1);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    assert_string_equal(o->body, "ok");
    assert_int_equal(o->sent, begun + 2 * LATENCY);
    assert_int_equal(o->over, begun + 4 * LATENCY);
    assert_int_equal(fx.executed[3], 1);
    assert_int_equal(fx.executed_at, begun + 3 * LATENCY);
    struct fake_counts c = fake_net_counts(fx.net);
    assert_int_equal(c.connects, 1);
    assert_int_equal(c.exchanges, 1);
    assert_int_equal(c.sends, 1);
    assert_int_equal(c.bytes, o->r.size + sizeof ANSWER - 1);
    finish(&fx);
}

static void faults_are_asked_once_for_each_exchange(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    submit(&fx, 1);
    submit(&fx, 2);
    pass(&fx, 100 * MS);
    assert_int_equal(fx.done, 2);
    assert_string_equal(fx.seen[1], "POST /01 HTTP/1.1\r\nH");
    assert_string_equal(fx.seen[2], "POST /02 HTTP/1.1\r\nH");
    assert_int_equal(fx.asked[1], 1); /* on the same connection */
    assert_int_equal(fx.asked[2], 1);
    assert_int_equal(fx.reused, 1);
    finish(&fx);
}

/* Cuts one exchange after k bytes and checks both sides. */
static void cut_request(size_t k, enum fake_end end)
{
    struct fx fx;
    begin(&fx);
    warm(&fx);
    submit(&fx, 1); /* so that the next finds a reused connection */
    pass(&fx, 100 * MS);
    assert_int_equal(fx.done, 1);
    fx.faulty = 2;
    fx.plan.request_bytes = k;
    fx.plan.end = end;
    struct order *o = submit(&fx, 2);
    size_t size = o->r.size;
    pass(&fx, 5000 * MS);
    assert_int_equal(o->done, 1);
    assert_int_equal(fx.executed[2], k >= size ? 1 : 0);
    if (k > size) {
        assert_int_equal(o->outcome, LANE_ANSWERED);
    } else {
        assert_int_equal(o->outcome, end == FAKE_SILENCE ? LANE_TIMEOUT : LANE_CUT);
        assert_int_equal(fx.peers[0].ends, end == FAKE_SILENCE ? 0 : 1);
        assert_int_equal(fx.peers[0].reset, end == FAKE_RESET);
        assert_true(k == size || fx.peers[0].n == k); /* these very bytes have arrived */
        assert_memory_equal(fx.peers[0].in, o->text, k);
    }
    struct order *next = submit(&fx, 3); /* it goes on, on another connection */
    pass(&fx, 5000 * MS);
    assert_int_equal(next->outcome, LANE_ANSWERED);
    assert_int_equal(fx.executed[3], 1);
    assert_int_equal(fx.accepted, k > size ? 1 : 2);
    finish(&fx);
}

static void a_request_can_be_cut_at_every_byte(void **state)
{
    (void)state;
    size_t size = strlen("POST /02 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    for (size_t k = 0; k <= size + 1; k++) {
        cut_request(k, FAKE_FIN);
        cut_request(k, FAKE_RESET);
        cut_request(k, FAKE_SILENCE);
    }
}

static void cut_answer(size_t k, enum fake_end end)
{
    struct fx fx;
    begin(&fx);
    warm(&fx);
    submit(&fx, 1);
    pass(&fx, 100 * MS);
    fx.faulty = 2;
    fx.plan.answer_bytes = k;
    fx.plan.end = end;
    struct order *o = submit(&fx, 2);
    pass(&fx, 5000 * MS);
    assert_int_equal(o->done, 1);
    assert_int_equal(fx.executed[2], 1); /* whatever the client hears of it */
    enum lane_outcome expected = k >= sizeof ANSWER - 1 ? LANE_ANSWERED
                                 : end == FAKE_SILENCE  ? LANE_TIMEOUT
                                                        : LANE_CUT;
    assert_int_equal(o->outcome, expected);
    struct order *next = submit(&fx, 3);
    pass(&fx, 15000 * MS);
    assert_int_equal(next->done, 1);
    /* An answer that is whole and a connection that is silent: only the next order finds out. */
    bool found = k == sizeof ANSWER - 1 && end == FAKE_SILENCE;
    assert_int_equal(next->outcome, found ? LANE_TIMEOUT : LANE_ANSWERED);
    assert_int_equal(fx.executed[3], found ? 0 : 1);
    finish(&fx);
}

static void an_answer_can_be_cut_at_every_byte(void **state)
{
    (void)state;
    for (size_t k = 0; k <= sizeof ANSWER; k++) {
        cut_answer(k, FAKE_FIN);
        cut_answer(k, FAKE_RESET);
        cut_answer(k, FAKE_SILENCE);
    }
}

static void what_was_cut_off_arrives_in_its_own_time(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fx.faulty = 1;
    fx.plan.request_ns = 60000 * MS;
    fx.plan.request_bytes = 53; /* all of it */
    fx.plan.end = FAKE_RESET;
    int64_t begun = now(&fx);
    struct order *o = submit(&fx, 1);
    assert_int_equal(o->r.size, 53);
    pass(&fx, LATENCY);
    assert_int_equal(o->outcome, LANE_CUT); /* the client hears of the end at once */
    assert_int_equal(fx.executed[1], 0);
    pass(&fx, 60000 * MS);
    assert_int_equal(fx.executed[1], 1); /* the server a minute later, behind the bytes */
    assert_int_equal(fx.executed_at, begun + 60000 * MS);
    assert_int_equal(fx.peers[0].ends, 1);
    finish(&fx);
}

static void a_late_request_is_executed_after_the_clients_time_out(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fx.faulty = 1;
    fx.plan.request_ns = 180000 * MS;
    int64_t begun = now(&fx);
    struct order *o = submit(&fx, 1);
    pass(&fx, 1000 * MS); /* its time-out closes the connection */
    assert_int_equal(o->outcome, LANE_TIMEOUT);
    struct order *next = submit(&fx, 2); /* another connection is not held up */
    pass(&fx, 100 * MS);
    assert_int_equal(next->outcome, LANE_ANSWERED);
    assert_int_equal(fx.executed[1], 0);
    pass(&fx, 200000 * MS);
    assert_int_equal(fx.executed[1], 1);
    assert_int_equal(fx.executed_at, begun + 180000 * MS);
    assert_int_equal(fx.peers[0].ends, 1);
    assert_int_equal(o->done, 1);
    finish(&fx);
}

static void a_late_answer_finds_nobody(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fx.keeps = true;
    fx.faulty = 1;
    fx.plan.answer_ns = 5000 * MS;
    struct order *o = submit(&fx, 1);
    pass(&fx, 1500 * MS);
    assert_int_equal(o->outcome, LANE_TIMEOUT);
    assert_int_equal(fx.executed[1], 1);
    assert_int_equal(fx.peers[0].ends, 1); /* of the client's side, in order */
    assert_false(fx.peers[0].reset);
    pass(&fx, 5000 * MS);
    /* The bytes met a closed end: the server's next send fails. */
    assert_int_equal(fake_conn_send(fx.peers[0].c, "x", 1), ERR_CLOSED);
    finish(&fx);
}

static void answers_can_be_garbage_from_any_byte_on(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof ANSWER - 3; k++) {
        struct fx fx;
        begin(&fx);
        warm(&fx);
        fx.faulty = 1;
        fx.plan.garbage_at = k;
        struct order *o = submit(&fx, 1);
        pass(&fx, 3000 * MS);
        assert_int_equal(o->done, 1);
        assert_int_equal(fx.executed[1], 1);
        if (k < 9) { /* in the status line */
            assert_int_equal(o->outcome, LANE_CUT);
            assert_string_equal(o->cause, "garbage");
        }
        assert_string_not_equal(o->body, "ok");
        finish(&fx);
    }
}

static void both_directions_can_come_byte_by_byte(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fx.faulty = 1;
    fx.plan.piece = 1;
    int64_t begun = now(&fx);
    struct order *o = submit(&fx, 1);
    pass(&fx, 2 * LATENCY);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    assert_int_equal(o->over, begun + 2 * LATENCY);
    assert_int_equal(fx.peers[0].pieces, o->r.size);
    finish(&fx);
}

static void connections_can_be_refused_slow_or_never_made(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    struct fake_connect_plan plan = {.delay_ns = 2 * LATENCY, .refuse = true};
    fx.connect = &plan;
    struct order *o = submit(&fx, 1);
    o->r.deadline_io_ns = 0;
    pass(&fx, 300 * MS);
    assert_int_equal(o->done, 0);
    assert_true(fake_net_counts(fx.net).connects > 2); /* it tries on */
    assert_int_equal(fx.accepted, 0);
    fx.connect = NULL;
    pass(&fx, 3000 * MS);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    finish(&fx);

    begin(&fx);
    plan = (struct fake_connect_plan){.delay_ns = 900 * MS};
    fx.connect = &plan;
    o = submit(&fx, 1);
    pass(&fx, 900 * MS + 2 * LATENCY - 1);
    assert_int_equal(o->done, 0);
    pass(&fx, 1);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    finish(&fx);

    begin(&fx);
    plan = (struct fake_connect_plan){.silent = true};
    fx.connect = &plan;
    o = submit(&fx, 1);
    pass(&fx, 4999 * MS); /* the lane's own time-out of a connect is 5 s */
    assert_int_equal(fake_net_counts(fx.net).connects, 1);
    pass(&fx, MS);
    assert_int_equal(fake_net_counts(fx.net).connects, 2);
    assert_int_equal(o->done, 0);
    finish(&fx);
    assert_int_equal(o->outcome, LANE_NOT_SENT);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    fake_listener_close(fx.listener);
    fx.listener = NULL;
    struct order *o = submit(&fx, 1);
    pass(&fx, 1000 * MS);
    assert_int_equal(o->done, 0);
    fx.listener = fake_listen(fx.broker, "127.0.0.1", 8080, on_accept, &fx, NULL);
    pass(&fx, 3000 * MS);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    finish(&fx);
}

static void addresses_are_taken_once(void **state)
{
    (void)state;
    struct fx fx;
    struct err e;
    begin(&fx);
    assert_null(fake_listen(fx.client, "127.0.0.1", 8080, on_accept, &fx, &e));
    assert_int_equal(e.code, ERR_UNREACHABLE);
    struct fake_listener *a = fake_listen(fx.broker, "127.0.0.1", 0, on_accept, &fx, &e);
    struct fake_listener *b = fake_listen(fx.broker, "127.0.0.1", 0, on_accept, &fx, &e);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_not_equal(fake_listener_port(a), fake_listener_port(b));
    fake_listener_close(a);
    fake_listener_close(b);
    struct transport *t;
    assert_int_equal(
        transport_fake_ops.open(fx.client, &fx.loop, "https://127.0.0.1:1", NULL, NULL, &t, &e),
        ERR_INPUT);
    assert_int_equal(transport_fake_ops.open(fx.client, &fx.loop, "http://", NULL, NULL, &t, &e),
                     ERR_INPUT);
    finish(&fx);
}

static void idle_connections_end_and_are_opened_again(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fx.faulty = 1;
    fx.plan.idle_ns = 30000 * MS;
    struct order *o = submit(&fx, 1);
    pass(&fx, 29000 * MS);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    assert_int_equal(lane_connects(fx.lane), 1);
    pass(&fx, 2000 * MS);
    assert_int_equal(lane_connects(fx.lane), 2); /* ahead of the next order */
    assert_int_equal(fx.peers[0].ends, 1);
    o = submit(&fx, 2);
    pass(&fx, 100 * MS);
    assert_int_equal(o->outcome, LANE_ANSWERED);
    assert_int_equal(fx.executed[2], 1);
    finish(&fx);
}

static void an_order_can_meet_an_idle_end_half_way(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fx.faulty = 1;
    fx.plan.idle_ns = 100 * MS;
    int64_t begun = now(&fx);
    submit(&fx, 1);
    pass(&fx, 2 * LATENCY);
    /* The end comes at begun + 2 latencies + 100 ms; the client hears of it one latency later. */
    assert_int_equal(loop_run_until(&fx.loop, begun + 2 * LATENCY + 100 * MS + LATENCY / 2), 0);
    struct order *o = submit(&fx, 2);
    pass(&fx, LATENCY);
    assert_int_equal(o->outcome, LANE_CUT);
    pass(&fx, 5000 * MS);
    assert_int_equal(fx.executed[2], 0);
    finish(&fx);
}

static void a_used_connection_has_no_idle_end(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx);
    warm(&fx);
    fx.faulty = 1;
    fx.plan.idle_ns = 100 * MS;
    submit(&fx, 1);
    pass(&fx, 90 * MS);
    submit(&fx, 2); /* whose plan has none */
    pass(&fx, 5000 * MS);
    assert_int_equal(fx.done, 2);
    assert_int_equal(lane_connects(fx.lane), 1);
    finish(&fx);
}

/* ---- chance ---- */

struct storm {
    struct rng rng;
    struct fx *fx;
};

static void storm_exchange(void *arg, const struct fake_exchange *x, struct fake_plan *plan)
{
    struct storm *s = arg;
    static const int64_t delays[] = {0, MS, 50 * MS, 3000 * MS, 120000 * MS};
    (void)x;
    plan->request_ns += delays[rng_range(&s->rng, 0, 4)];
    plan->answer_ns += delays[rng_range(&s->rng, 0, 4)];
    plan->end = (enum fake_end)rng_range(&s->rng, 0, 2);
    if (rng_range(&s->rng, 0, 3) == 0) {
        plan->request_bytes = (size_t)rng_range(&s->rng, 0, 60);
    }
    if (rng_range(&s->rng, 0, 3) == 0) {
        plan->answer_bytes = (size_t)rng_range(&s->rng, 0, 45);
    }
    plan->idle_ns = rng_range(&s->rng, 0, 3) == 0 ? 200 * MS : 0;
    plan->piece = (size_t)rng_range(&s->rng, 0, 8);
    plan->garbage_at = rng_range(&s->rng, 0, 9) == 0 ? 20 : FAKE_ALL;
}

static void storm_connect(void *arg, const struct fake_connect *c, struct fake_connect_plan *plan)
{
    struct storm *s = arg;
    (void)c;
    plan->refuse = rng_range(&s->rng, 0, 3) == 0;
    plan->silent = rng_range(&s->rng, 0, 9) == 0;
}

/* Orders in a storm; notes each outcome and time. Returns the net's number for all its bytes. */
static uint64_t storm(uint64_t seed, char *trace, size_t size)
{
    struct fx fx;
    struct storm s = {.fx = &fx};
    begin_seeded(&fx, seed, 3 * MS);
    rng_seed_named(&s.rng, seed, "storm");
    lane_free(fx.lane);
    struct fake_net_config config = {
        .seed = seed, .jitter_ns = 3 * MS, .faults = {&s, storm_connect, storm_exchange, NULL}};
    fake_listener_close(fx.listener);
    fake_process_free(fx.client);
    fake_process_free(fx.broker);
    fake_net_free(fx.net);
    fx.net = fake_net_new(&fx.loop, &config, NULL);
    fx.client = fake_process_new(fx.net, "engine", NULL);
    fx.broker = fake_process_new(fx.net, "broker", NULL);
    fx.listener = fake_listen(fx.broker, "127.0.0.1", 8080, on_accept, &fx, NULL);
    open_lane(&fx, 1000);
    size_t n = 0;
    for (unsigned k = 0; k < 40; k++) {
        struct order *o = submit(&fx, k);
        pass(&fx, rng_range(&s.rng, 0, 4000) * MS);
        n += (size_t)snprintf(trace + n, size - n, "%u:%u@%lld ", k, o->done, (long long)o->over);
    }
    pass(&fx, 600000 * MS);
    for (unsigned k = 0; k < 40; k++) {
        const struct order *o = &fx.orders[k];
        assert_int_equal(o->done, 1);
        assert_true(fx.executed[k] <= 1);
        if (o->outcome == LANE_ANSWERED && strcmp(o->body, "ok") == 0) {
            assert_int_equal(fx.executed[k], 1);
        }
        if (o->outcome == LANE_NOT_SENT) {
            assert_int_equal(fx.executed[k], 0);
        }
        n += (size_t)snprintf(trace + n, size - n, "%u=%d%s/%u ", k, (int)o->outcome, o->cause,
                              fx.executed[k]);
    }
    uint64_t print = fake_net_fingerprint(fx.net);
    finish(&fx);
    return print;
}

static void the_same_seed_gives_the_same_bytes_and_times(void **state)
{
    (void)state;
    static char a[8192], b[8192];
    uint64_t last = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t first = storm(seed, a, sizeof a);
        uint64_t second = storm(seed, b, sizeof b);
        assert_string_equal(a, b);
        assert_true(first == second);
        assert_true(first != last);
        last = first;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exchange_takes_the_way_there_and_back),
        cmocka_unit_test(faults_are_asked_once_for_each_exchange),
        cmocka_unit_test(a_request_can_be_cut_at_every_byte),
        cmocka_unit_test(an_answer_can_be_cut_at_every_byte),
        cmocka_unit_test(what_was_cut_off_arrives_in_its_own_time),
        cmocka_unit_test(a_late_request_is_executed_after_the_clients_time_out),
        cmocka_unit_test(a_late_answer_finds_nobody),
        cmocka_unit_test(answers_can_be_garbage_from_any_byte_on),
        cmocka_unit_test(both_directions_can_come_byte_by_byte),
        cmocka_unit_test(connections_can_be_refused_slow_or_never_made),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(addresses_are_taken_once),
        cmocka_unit_test(idle_connections_end_and_are_opened_again),
        cmocka_unit_test(an_order_can_meet_an_idle_end_half_way),
        cmocka_unit_test(a_used_connection_has_no_idle_end),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes_and_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
