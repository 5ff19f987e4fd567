/* SPDX-License-Identifier: MIT
 *
 * The HTTP client over the network in memory, in virtual time: which connections it uses, what it
 * repeats, what it makes of cuts at every byte. What it shares with the client of libcurl is in
 * test_io_http.c.
 */
#include "io/http.h"
#include "io_fake_fixture.h"

struct call {
    struct fx *fx;
    unsigned calls;
    int error, status;
    char message[256], body[32];
    int64_t at, elapsed_us;
};

static struct call calls[64];
static struct http_client *client;

static void on_answer(void *arg, const struct http_answer *a)
{
    struct call *c = arg;
    c->calls++;
    c->error = a->error;
    c->status = a->status;
    c->elapsed_us = a->elapsed_us;
    c->at = now(c->fx);
    (void)snprintf(c->message, sizeof c->message, "%s", a->message);
    (void)snprintf(c->body, sizeof c->body, "%.*s", (int)a->body_size, a->body);
}

static struct call *post_to(struct fx *fx, unsigned k, const char *origin)
{
    char url[128];
    struct err e = {0};
    struct call *c = &calls[k];
    (void)snprintf(url, sizeof url, "%s/%02u", origin, k);
    *c = (struct call){.fx = fx};
    struct http_spec spec = {
        .method = "POST", .url = url, .body = "body", .body_size = 4, .timeout_ms = 1000};
    assert_int_equal(http_start(client, &spec, on_answer, c, NULL, &e), 0);
    return c;
}

static struct call *post(struct fx *fx, unsigned k)
{
    return post_to(fx, k, ORIGIN);
}

static void begin_http(struct fx *fx, unsigned connections)
{
    begin(fx);
    lane_free(fx->lane);
    fx->lane = NULL;
    client = http_client_new_over(&fx->loop, &transport_fake_ops, fx->client, connections, NULL);
    assert_non_null(client);
}

static void finish_http(struct fx *fx)
{
    http_client_free(client);
    finish(fx);
}

static void an_exchange_takes_the_way_and_keeps_the_connection(void **state)
{
    (void)state;
    struct fx fx;
    begin_http(&fx, 4);
    int64_t begun = now(&fx);
    struct call *c = post(&fx, 1);
    assert_int_equal(fake_net_counts(fx.net).connects, 0); /* not from inside */
    pass(&fx, 4 * LATENCY);
    assert_int_equal(c->status, 200);
    assert_string_equal(c->body, "ok");
    assert_int_equal(c->at, begun + 4 * LATENCY);
    assert_int_equal(c->elapsed_us, 4 * LATENCY / 1000);
    c = post(&fx, 2);
    begun = now(&fx);
    pass(&fx, 100 * MS);
    assert_int_equal(c->at, begun + 2 * LATENCY);
    assert_int_equal(fx.accepted, 1);
    assert_int_equal(fx.reused, 1);
    finish_http(&fx);
}

static void calls_wait_for_room_in_their_order(void **state)
{
    (void)state;
    struct fx fx;
    begin_http(&fx, 2);
    int64_t begun = now(&fx);
    for (unsigned k = 1; k <= 6; k++) {
        post(&fx, k);
    }
    pass(&fx, 200 * MS);
    for (unsigned k = 1; k <= 6; k++) {
        assert_int_equal(calls[k].status, 200);
        assert_int_equal(calls[k].at, begun + (2 + 2 * ((k + 1) / 2)) * LATENCY);
    }
    assert_int_equal(fx.accepted, 2);
    finish_http(&fx);
}

static void an_idle_connection_makes_room_for_another_origin(void **state)
{
    (void)state;
    struct fx fx;
    begin_http(&fx, 1);
    struct fake_listener *second = fake_listen(fx.broker, "127.0.0.1", 8081, on_accept, &fx, NULL);
    post(&fx, 1);
    struct call *other = post_to(&fx, 2, "http://127.0.0.1:8081");
    struct call *third = post(&fx, 3); /* is served first: its connection is there */
    pass(&fx, 200 * MS);
    assert_int_equal(calls[1].status, 200);
    assert_int_equal(other->status, 200);
    assert_int_equal(third->status, 200);
    assert_true(other->at != third->at);
    fake_listener_close(second);
    finish_http(&fx);
}

static void a_kept_connection_that_ended_is_not_used(void **state)
{
    (void)state;
    struct fx fx;
    begin_http(&fx, 4);
    fx.faulty = 1;
    fx.plan.idle_ns = 100 * MS;
    post(&fx, 1);
    pass(&fx, 500 * MS);
    struct call *c = post(&fx, 2);
    pass(&fx, 100 * MS);
    assert_int_equal(c->status, 200);
    assert_int_equal(fx.executed[2], 1);
    assert_int_equal(fx.accepted, 2);
    assert_int_equal(fake_net_counts(fx.net).exchanges, 2);
    finish_http(&fx);
}

/* It goes out on a connection whose end is already on the way. */
static void a_call_that_meets_an_idle_end_goes_out_again(void **state)
{
    (void)state;
    struct fx fx;
    begin_http(&fx, 4);
    fx.faulty = 1;
    fx.plan.idle_ns = 100 * MS;
    post(&fx, 1);
    pass(&fx, 4 * LATENCY);
    pass(&fx, 100 * MS + LATENCY / 2);
    struct call *c = post(&fx, 2);
    pass(&fx, 100 * MS);
    assert_int_equal(c->status, 200);
    assert_int_equal(fx.executed[2], 1);
    assert_int_equal(fake_net_counts(fx.net).exchanges, 3);
    finish_http(&fx);
}

static void five_repeats_are_the_most(void **state)
{
    (void)state;
    struct fx fx;
    begin_http(&fx, 7);
    for (unsigned k = 1; k <= 7; k++) { /* seven kept connections */
        post(&fx, k);
    }
    pass(&fx, 100 * MS);
    assert_int_equal(fx.accepted, 7);
    fx.faulty = UINT64_MAX;
    fx.plan.answer_bytes = 0;
    fx.plan.end = FAKE_RESET;
    struct call *c = post(&fx, 8);
    pass(&fx, 500 * MS);
    assert_int_equal(c->error, ERR_CLOSED);
    assert_int_equal(fx.executed[8], 6);
    finish_http(&fx);
}

/* Its connection dies and it waits for another; cancelled at each step of that. */
static void a_call_can_be_cancelled_whenever_it_is_on_its_way_again(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps < 30; steps++) {
        struct fx fx;
        struct http_call *handle = NULL;
        struct http_spec spec = {.method = "POST", .url = ORIGIN "/05", .timeout_ms = 1000};
        begin_http(&fx, 1);
        post(&fx, 1);
        pass(&fx, 100 * MS);
        calls[5] = (struct call){.fx = &fx};
        assert_int_equal(http_start(client, &spec, on_answer, &calls[5], &handle, NULL), 0);
        pass(&fx, LATENCY);
        fake_process_cut(fx.client, FAKE_RESET);
        for (unsigned k = 0; k < steps; k++) {
            (void)loop_step_until(&fx.loop, now(&fx) + 100 * MS);
        }
        if (calls[5].calls == 0) {
            http_cancel(handle);
        }
        pass(&fx, 2000 * MS);
        assert_int_equal(calls[5].calls, 1);
        struct call *c = post(&fx, 6);
        pass(&fx, 2000 * MS);
        assert_int_equal(c->status, 200);
        finish_http(&fx);
    }
}

static void cut(size_t request_at, size_t answer_at, enum fake_end end, bool kept)
{
    struct fx fx;
    begin_http(&fx, 4);
    if (kept) {
        post(&fx, 1);
        pass(&fx, 100 * MS);
    }
    fx.faulty = kept ? 2 : 1;
    fx.plan.request_bytes = request_at;
    fx.plan.answer_bytes = answer_at;
    fx.plan.end = end;
    struct call *c = post(&fx, 2);
    pass(&fx, 5000 * MS);
    assert_int_equal(c->calls, 1);
    bool whole = answer_at >= sizeof ANSWER - 1 && answer_at != FAKE_ALL;
    bool repeats = kept && end != FAKE_SILENCE && (request_at != FAKE_ALL || answer_at == 0);
    assert_int_equal(c->error, whole || repeats      ? 0
                               : end == FAKE_SILENCE ? ERR_TIMEOUT
                                                     : ERR_CLOSED);
    c = post(&fx, 3); /* the client goes on */
    pass(&fx, 5000 * MS);
    assert_true(c->status == 200 || (whole && end == FAKE_SILENCE));
    finish_http(&fx);
}

static void cuts_at_every_byte_end_a_call_or_repeat_it(void **state)
{
    (void)state;
    for (enum fake_end end = FAKE_FIN; end <= FAKE_SILENCE; end++) {
        for (size_t k = 0; k < sizeof ANSWER; k++) {
            cut(FAKE_ALL, k, end, true);
            cut(FAKE_ALL, k, end, false);
        }
        for (size_t k = 0; k < 70; k += 3) {
            cut(k, FAKE_ALL, end, true);
            cut(k, FAKE_ALL, end, false);
        }
    }
}

static void refused_and_silent_servers(void **state)
{
    (void)state;
    struct fx fx;
    begin_http(&fx, 4);
    struct fake_connect_plan plan = {.delay_ns = LATENCY, .refuse = true};
    fx.connect = &plan;
    struct call *c = post(&fx, 1);
    pass(&fx, 100 * MS);
    assert_int_equal(c->error, ERR_UNREACHABLE);
    assert_string_equal(c->message, "POST http://127.0.0.1:8080/01: cannot connect to "
                                    "http://127.0.0.1:8080: connection refused");
    plan = (struct fake_connect_plan){.silent = true};
    int64_t begun = now(&fx);
    c = post(&fx, 2);
    pass(&fx, 2000 * MS);
    assert_int_equal(c->error, ERR_TIMEOUT);
    assert_int_equal(c->at, begun + 1000 * MS);
    fx.connect = NULL;
    fx.faulty = 1;
    fx.plan.request_ns = 120000 * MS; /* executed after the call's end */
    c = post(&fx, 3);
    pass(&fx, 2000 * MS);
    assert_int_equal(c->error, ERR_TIMEOUT);
    assert_int_equal(fx.executed[3], 0);
    pass(&fx, 120000 * MS);
    assert_int_equal(fx.executed[3], 1);
    finish_http(&fx);
}

static void garbage_is_no_answer(void **state)
{
    (void)state;
    struct fx fx;
    begin_http(&fx, 4);
    fx.faulty = 1;
    fx.plan.garbage_at = 0;
    struct call *c = post(&fx, 1);
    pass(&fx, 2000 * MS);
    assert_int_equal(c->error, ERR_INPUT);
    finish_http(&fx);
}

static void a_killed_process_hears_nothing_and_can_be_taken_apart(void **state)
{
    (void)state;
    struct fx fx;
    begin_http(&fx, 4);
    struct call *c = post(&fx, 1);
    pass(&fx, 2 * LATENCY + 1); /* the request is on the way */
    fake_process_kill(fx.client);
    pass(&fx, 900 * MS);
    assert_int_equal(c->calls, 0);
    assert_int_equal(fx.executed[1], 1);
    finish_http(&fx);
    assert_int_equal(c->error, ERR_CANCELLED);
}

static void answers_in_pieces_are_whole(void **state)
{
    (void)state;
    struct fx fx;
    begin_http(&fx, 4);
    fx.faulty = 1;
    fx.plan.piece = 1;
    struct call *c = post(&fx, 1);
    pass(&fx, 100 * MS);
    assert_int_equal(c->status, 200);
    assert_string_equal(c->body, "ok");
    finish_http(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exchange_takes_the_way_and_keeps_the_connection),
        cmocka_unit_test(calls_wait_for_room_in_their_order),
        cmocka_unit_test(an_idle_connection_makes_room_for_another_origin),
        cmocka_unit_test(a_kept_connection_that_ended_is_not_used),
        cmocka_unit_test(a_call_that_meets_an_idle_end_goes_out_again),
        cmocka_unit_test(five_repeats_are_the_most),
        cmocka_unit_test(a_call_can_be_cancelled_whenever_it_is_on_its_way_again),
        cmocka_unit_test(cuts_at_every_byte_end_a_call_or_repeat_it),
        cmocka_unit_test(refused_and_silent_servers),
        cmocka_unit_test(garbage_is_no_answer),
        cmocka_unit_test(a_killed_process_hears_nothing_and_can_be_taken_apart),
        cmocka_unit_test(answers_in_pieces_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
