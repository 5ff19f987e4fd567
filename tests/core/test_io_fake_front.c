/* SPDX-License-Identifier: MIT
 *
 * The real HTTP front in the network in memory, asked by an order lane and by the HTTP client, in
 * virtual time: real bytes on both ways, cut at every one of them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/fake_net.h"
#include "io/front.h"
#include "io/lane.h"

#define MS INT64_C(1000000)
#define LATENCY (5 * MS)

struct fx {
    struct clock clock;
    struct loop loop;
    struct fake_net *net;
    struct fake_process *client, *broker;
    struct front *front;
    struct http_client *http;
    struct lane *lane;
    struct front_request *held; /* the newest for /hold */
    unsigned executed;          /* requests that reached the handler */
    unsigned late;              /* of them, from a client that had gone */
    struct fake_plan plan;      /* of exchange `faulty` */
    uint64_t faulty;
    unsigned lanes_done, calls_done;
    struct lane_request order;
    enum lane_outcome outcome;
    int status, error; /* of the newest answer */
    size_t size;       /* of its body */
    char body[64];
    char text[256];
    char big[200000];
};

static void handle(void *arg, struct front_request *r)
{
    struct fx *fx = arg;
    size_t n;
    const char *body = front_body(r, &n);
    fx->executed++;
    fx->late += front_request_gone(r);
    assert_string_equal(front_peer(r), "127.0.0.1");
    if (strcmp(front_path(r), "/hold") == 0) {
        fx->held = r;
    } else if (strcmp(front_path(r), "/big") == 0) {
        front_answer(r, 200, NULL, 0, fx->big, sizeof fx->big);
    } else if (strcmp(front_path(r), "/break") == 0) {
        front_break(r, 200, "0123456789", 10, 20, true);
    } else {
        front_answer(r, 200, NULL, 0, body, n);
    }
}

static void plan_exchange(void *arg, const struct fake_exchange *x, struct fake_plan *plan)
{
    struct fx *fx = arg;
    if (x->number == fx->faulty) {
        *plan = fx->plan;
    }
}

static void begin(struct fx *fx, const struct front_config *limits)
{
    struct err e;
    memset(fx, 0, sizeof *fx);
    clock_virtual(&fx->clock, 1000, INT64_C(1700000000000000));
    clock_io_advance(&fx->clock, 1000 * MS);
    assert_int_equal(loop_init(&fx->loop, &fx->clock, NULL, &e), 0);
    struct fake_net_config config = {.latency_ns = LATENCY,
                                     .faults = {fx, NULL, plan_exchange, NULL}};
    fx->net = fake_net_new(&fx->loop, &config, &e);
    fx->client = fake_process_new(fx->net, "engine", &e);
    fx->broker = fake_process_new(fx->net, "broker", &e);
    struct front_config front = limits ? *limits : (struct front_config){0};
    front.port = 8080;
    front.net = &front_fake_ops;
    front.net_ctx = fx->broker;
    fx->front = front_new(&fx->loop, &front, handle, fx, &e);
    assert_non_null(fx->front);
    assert_string_equal(front_address(fx->front), "127.0.0.1:8080");
    assert_int_equal(front_port(fx->front), 8080);
    fx->http = http_client_new_over(&fx->loop, &transport_fake_ops, fx->client, 4, &e);
    struct lane_config lane = {.origin = "http://127.0.0.1:8080",
                               .ops = &transport_fake_ops,
                               .ops_ctx = fx->client,
                               .answer_timeout_ms = 1000};
    fx->lane = lane_new(&fx->loop, &lane, &e);
    fx->plan = (struct fake_plan){.request_ns = LATENCY,
                                  .answer_ns = LATENCY,
                                  .request_bytes = FAKE_ALL,
                                  .answer_bytes = FAKE_ALL,
                                  .garbage_at = FAKE_ALL};
}

static void finish(struct fx *fx)
{
    lane_free(fx->lane);
    http_client_free(fx->http);
    front_free(fx->front);
    fake_process_free(fx->client);
    fake_process_free(fx->broker);
    fake_net_free(fx->net);
    assert_int_equal(fx->loop.in_flight, 0);
    assert_int_equal(loop_fini(&fx->loop), 0);
}

static int64_t now(struct fx *fx)
{
    return clock_io_ns(&fx->clock);
}

static void pass(struct fx *fx, int64_t ns)
{
    assert_int_equal(loop_run_until(&fx->loop, now(fx) + ns), 0);
}

static void on_done(struct lane_request *r, const struct lane_answer *a)
{
    struct fx *fx = r->arg;
    fx->lanes_done++;
    fx->outcome = a->outcome;
    fx->status = a->status;
    (void)snprintf(fx->body, sizeof fx->body, "%.*s", (int)a->body_size, a->body);
}

static void on_answer(void *arg, const struct http_answer *a)
{
    struct fx *fx = arg;
    fx->calls_done++;
    fx->error = a->error;
    fx->size = a->body_size;
    if (a->body_size == sizeof fx->big) {
        assert_memory_equal(a->body, fx->big, sizeof fx->big);
    }
    fx->status = a->status;
    (void)snprintf(fx->body, sizeof fx->body, "%.*s", (int)a->body_size, a->body);
}

static void submit(struct fx *fx, const char *path)
{
    int n = snprintf(fx->text, sizeof fx->text,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 5\r\n\r\norder",
                     path);
    fx->order = (struct lane_request){
        .bytes = fx->text, .size = (size_t)n, .priority = LANE_OPEN, .done = on_done, .arg = fx};
    lane_submit(fx->lane, &fx->order);
}

static void get(struct fx *fx, const char *path)
{
    char url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:8080%s", path);
    struct http_spec spec = {
        .method = "POST", .url = url, .body = "read", .body_size = 4, .timeout_ms = 1000};
    assert_int_equal(http_start(fx->http, &spec, on_answer, fx, NULL, NULL), 0);
}

static void lane_and_client_are_served(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx, NULL);
    submit(&fx, "/a");
    pass(&fx, 4 * LATENCY);
    assert_int_equal(fx.outcome, LANE_ANSWERED);
    assert_string_equal(fx.body, "order");
    get(&fx, "/b");
    pass(&fx, 4 * LATENCY);
    assert_int_equal(fx.status, 200);
    assert_string_equal(fx.body, "read");
    assert_int_equal(fx.executed, 2);
    assert_int_equal(front_connections(fx.front), 2);
    finish(&fx);
}

static void an_order_cut_at_each_byte_is_executed_only_whole(void **state)
{
    (void)state;
    size_t size =
        strlen("POST /a HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 5\r\n\r\norder");
    for (enum fake_end end = FAKE_FIN; end <= FAKE_SILENCE; end++) {
        for (size_t k = 0; k <= size; k++) {
            struct fx fx;
            begin(&fx, NULL);
            fx.faulty = 1;
            fx.plan.request_bytes = k;
            fx.plan.end = end;
            submit(&fx, "/a");
            pass(&fx, 3000 * MS);
            assert_int_equal(fx.executed, k == size);
            assert_int_equal(fx.outcome, end == FAKE_SILENCE ? LANE_TIMEOUT : LANE_CUT);
            assert_int_equal(fx.lanes_done, 1);
            pass(&fx, 400000 * MS); /* what is half-open ends by the front's own time-outs */
            assert_true(front_connections(fx.front) <= 1);
            finish(&fx);
        }
    }
}

static void an_answer_cut_at_each_byte_was_executed_once(void **state)
{
    (void)state;
    for (enum fake_end end = FAKE_FIN; end <= FAKE_SILENCE; end++) {
        for (size_t k = 0;; k++) {
            struct fx fx;
            begin(&fx, NULL);
            fx.faulty = 1;
            fx.plan.answer_bytes = k;
            fx.plan.end = end;
            submit(&fx, "/a");
            pass(&fx, 3000 * MS);
            assert_int_equal(fx.executed, 1);
            assert_int_equal(fx.lanes_done, 1);
            bool whole = fx.outcome == LANE_ANSWERED;
            finish(&fx);
            if (whole) {
                assert_true(k > 60);
                break;
            }
            assert_true(k < 200);
        }
    }
}

static void late_orders_are_executed_for_clients_that_are_gone(void **state)
{
    (void)state;
    struct fx fx;
    struct front_config patient = {.request_timeout_ms = 3600000, .idle_timeout_ms = 3600000};
    begin(&fx, &patient);
    fx.faulty = 1;
    fx.plan.request_ns = 240000 * MS;
    submit(&fx, "/a");
    pass(&fx, 2000 * MS);
    assert_int_equal(fx.outcome, LANE_TIMEOUT);
    assert_int_equal(fx.executed, 0);
    pass(&fx, 240000 * MS);
    assert_int_equal(fx.executed, 1);
    finish(&fx);
}

/* The front's own time-outs close what is idle for so long. */
static void a_gateway_holds_late_orders_for_servers_that_do_not_wait(void **state)
{
    (void)state;
    for (int gateway = 0; gateway < 2; gateway++) {
        for (int kept = 0; kept < 2; kept++) {
            struct fx fx;
            begin(&fx, NULL);
            if (kept) {
                submit(&fx, "/first");
                pass(&fx, 100 * MS);
            }
            fx.executed = fx.lanes_done = 0;
            fx.faulty = 1 + (uint64_t)kept;
            fx.plan.request_ns = 400000 * MS;
            fx.plan.gateway = gateway;
            submit(&fx, "/a");
            pass(&fx, 2000 * MS);
            assert_int_equal(fx.outcome, LANE_TIMEOUT);
            if (kept && gateway) { /* and is gone when the net goes */
                struct fake_plan later = fx.plan;
                fx.faulty = fake_net_counts(fx.net).exchanges + 1;
                fx.plan.request_ns = 4000000 * MS;
                submit(&fx, "/never");
                pass(&fx, 2000 * MS);
                fx.plan = later;
                fx.lanes_done--;
            }
            pass(&fx, 400000 * MS);
            assert_int_equal(fx.executed, gateway);
            assert_int_equal(fx.lanes_done, 1);
            finish(&fx);
        }
    }
}

static void an_order_of_a_killed_engine_is_executed_and_its_answer_lost(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx, NULL);
    submit(&fx, "/hold");
    pass(&fx, 2 * LATENCY);
    assert_true(fx.order.sent_io_ns > 0);
    fake_process_kill(fx.client);
    pass(&fx, 2 * LATENCY);
    assert_int_equal(fx.executed, 1);
    assert_true(front_request_gone(fx.held));
    front_answer(fx.held, 200, NULL, 0, "x", 1); /* harmless, and required */
    pass(&fx, 100 * MS);
    assert_int_equal(front_connections(fx.front), 0);
    assert_int_equal(fx.lanes_done, 0);
    finish(&fx);
}

static void a_killed_server_can_be_taken_apart_with_requests_in_hand(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx, NULL);
    submit(&fx, "/hold");
    get(&fx, "/a");
    pass(&fx, 3 * LATENCY);
    assert_int_equal(fx.executed, 2);
    fake_process_kill(fx.broker);
    pass(&fx, LATENCY);
    assert_int_equal(fx.outcome, LANE_CUT);
    finish(&fx);
}

static void idle_clients_are_closed_and_slow_ones_refused(void **state)
{
    (void)state;
    struct fx fx;
    struct front_config limits = {.idle_timeout_ms = 10000, .request_timeout_ms = 2000};
    begin(&fx, &limits);
    submit(&fx, "/a");
    pass(&fx, 11000 * MS);
    assert_int_equal(front_connections(fx.front), 1);
    assert_int_equal(lane_connects(fx.lane), 2); /* closed by the front, opened by the lane */
    fx.faulty = 2;
    fx.plan.request_bytes = 30;
    fx.plan.end = FAKE_SILENCE;
    submit(&fx, "/b");
    pass(&fx, 30000 * MS);
    assert_int_equal(fx.executed, 1);
    assert_int_equal(fx.outcome, LANE_TIMEOUT);
    finish(&fx);
}

static void broken_answers_reach_the_client_as_sent(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx, NULL);
    submit(&fx, "/break");
    pass(&fx, 100 * MS);
    assert_int_equal(fx.outcome, LANE_CUT);
    get(&fx, "/break");
    pass(&fx, 100 * MS);
    assert_int_equal(fx.error, ERR_CLOSED);
    assert_int_equal(fx.executed, 2);
    finish(&fx);
}

static void limits_hold_in_memory_too(void **state)
{
    (void)state;
    struct fx fx;
    struct front_config limits = {.max_body = 3};
    begin(&fx, &limits);
    submit(&fx, "/a");
    pass(&fx, 100 * MS);
    assert_int_equal(fx.outcome, LANE_ANSWERED);
    assert_int_equal(fx.status, 413);
    assert_int_equal(fx.executed, 0);
    struct err e;
    struct front_config taken = {.port = 8080, .net = &front_fake_ops, .net_ctx = fx.client};
    assert_null(front_new(&fx.loop, &taken, handle, &fx, &e));
    assert_int_equal(e.code, ERR_UNREACHABLE);
    finish(&fx);
}

static void web_sockets_are_refused(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx, NULL);
    static const char upgrade[] =
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    fx.order = (struct lane_request){
        .bytes = upgrade, .size = sizeof upgrade - 1, .done = on_done, .arg = &fx};
    lane_submit(fx.lane, &fx.order);
    pass(&fx, 100 * MS);
    assert_int_equal(fx.outcome, LANE_ANSWERED);
    assert_int_equal(fx.status, 426);
    finish(&fx);
}

/* Each byte is a turn in which no time passes: that is not something that restarts itself. */
static void large_answers_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx, NULL);
    for (size_t i = 0; i < sizeof fx.big; i++) {
        fx.big[i] = (char)('a' + i % 23);
    }
    fx.faulty = 1;
    fx.plan.piece = 1;
    get(&fx, "/big");
    pass(&fx, 100 * MS);
    assert_int_equal(fx.error, 0);
    assert_int_equal(fx.size, sizeof fx.big);
    finish(&fx);
}

static void requests_byte_by_byte_are_whole(void **state)
{
    (void)state;
    struct fx fx;
    begin(&fx, NULL);
    fx.faulty = 1;
    fx.plan.piece = 1;
    submit(&fx, "/a");
    pass(&fx, 100 * MS);
    assert_int_equal(fx.outcome, LANE_ANSWERED);
    assert_string_equal(fx.body, "order");
    finish(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lane_and_client_are_served),
        cmocka_unit_test(an_order_cut_at_each_byte_is_executed_only_whole),
        cmocka_unit_test(an_answer_cut_at_each_byte_was_executed_once),
        cmocka_unit_test(late_orders_are_executed_for_clients_that_are_gone),
        cmocka_unit_test(a_gateway_holds_late_orders_for_servers_that_do_not_wait),
        cmocka_unit_test(an_order_of_a_killed_engine_is_executed_and_its_answer_lost),
        cmocka_unit_test(a_killed_server_can_be_taken_apart_with_requests_in_hand),
        cmocka_unit_test(idle_clients_are_closed_and_slow_ones_refused),
        cmocka_unit_test(broken_answers_reach_the_client_as_sent),
        cmocka_unit_test(limits_hold_in_memory_too),
        cmocka_unit_test(web_sockets_are_refused),
        cmocka_unit_test(large_answers_may_come_byte_by_byte),
        cmocka_unit_test(requests_byte_by_byte_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
