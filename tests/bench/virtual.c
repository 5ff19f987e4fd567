/* SPDX-License-Identifier: MIT
 *
 * What virtual time costs: an exchange over the network in memory (order lane and HTTP client, to
 * the real front and back), a timer of an empty loop, and how much faster than the wall an idle
 * system of 13 connections goes by.
 */
#include "bench.h"

#include "io/fake_net.h"
#include "io/front.h"
#include "io/lane.h"

#define MS INT64_C(1000000)
#define ORIGIN "http://127.0.0.1:8080"

struct world {
    struct clock clock;
    struct loop loop;
    struct fake_net *net;
    struct fake_process *client, *broker;
    struct front *front;
    struct http_client *http;
    struct lane *lane;
    long left; /* exchanges to go */
    struct lane_request order;
    struct timer tick;
    char answer[512];
};

static const char request[] = "POST /mtr-api/x/position/open HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
                              "Auth-trading-api: 00112233445566778899\r\nContent-Type: "
                              "application/json\r\nContent-Length: 86\r\n\r\n"
                              "{\"instrument\":\"BTCUSD\",\"orderSide\":\"BUY\",\"volume\":0.01,"
                              "\"slPrice\":64123.17,\"tpPrice\":0}";

static void handle(void *arg, struct front_request *r)
{
    struct world *w = arg;
    static const struct http_header json = {"Content-Type", "application/json"};
    front_answer(r, 200, &json, 1, w->answer, sizeof w->answer);
}

static void open_world(struct world *w)
{
    struct err e;
    memset(w, 0, sizeof *w);
    memset(w->answer, ' ', sizeof w->answer);
    clock_virtual(&w->clock, 0, 0);
    bench_check(loop_init(&w->loop, &w->clock, NULL, &e), &e);
    struct fake_net_config config = {.latency_ns = 5 * MS, .jitter_ns = MS};
    w->net = fake_net_new(&w->loop, &config, &e);
    w->client = w->net ? fake_process_new(w->net, "engine", &e) : NULL;
    w->broker = w->client ? fake_process_new(w->net, "broker", &e) : NULL;
    struct front_config front = {
        .port = 8080, .net = &front_fake_ops, .net_ctx = w->broker, .idle_timeout_ms = 86400000};
    w->front = w->broker ? front_new(&w->loop, &front, handle, w, &e) : NULL;
    w->http =
        w->front ? http_client_new_over(&w->loop, &transport_fake_ops, w->client, 12, &e) : NULL;
    struct lane_config lane = {.origin = ORIGIN, .ops = &transport_fake_ops, .ops_ctx = w->client};
    w->lane = w->http ? lane_new(&w->loop, &lane, &e) : NULL;
    bench_check(w->lane ? 0 : -1, &e);
}

static void close_world(struct world *w)
{
    lane_free(w->lane);
    http_client_free(w->http);
    front_free(w->front);
    fake_process_free(w->client);
    fake_process_free(w->broker);
    fake_net_free(w->net);
    loop_fini(&w->loop);
}

static void next_order(struct world *w);

static void on_done(struct lane_request *r, const struct lane_answer *a)
{
    struct world *w = r->arg;
    if (a->outcome != LANE_ANSWERED || a->body_size != sizeof w->answer)
        bench_die("an order was not answered: %s", a->cause);
    if (--w->left > 0)
        next_order(w);
    else
        loop_stop(&w->loop);
}

static void next_order(struct world *w)
{
    w->order = (struct lane_request){
        .bytes = request, .size = sizeof request - 1, .done = on_done, .arg = w};
    lane_submit(w->lane, &w->order);
}

static void next_read(struct world *w);

static void on_answer(void *arg, const struct http_answer *a)
{
    struct world *w = arg;
    if (a->error != 0)
        bench_die("a read was not answered: %s", a->message);
    if (--w->left > 0)
        next_read(w);
    else
        loop_stop(&w->loop);
}

static void next_read(struct world *w)
{
    static const struct http_header headers[] = {{"Auth-trading-api", "00112233445566778899"},
                                                 {"Accept", "application/json"}};
    struct http_spec spec = {.method = "GET",
                             .url = ORIGIN "/mtr-api/x/open-positions",
                             .headers = headers,
                             .header_count = 2};
    struct err e;
    bench_check(http_start(w->http, &spec, on_answer, w, NULL, &e), &e);
}

static void on_tick(void *arg)
{
    struct world *w = arg;
    if (--w->left > 0)
        (void)timer_start_io(&w->tick, 1);
    else
        loop_stop(&w->loop);
}

static void start_tick(struct world *w)
{
    timer_init(&w->tick, &w->loop, on_tick, w);
    (void)timer_start_io(&w->tick, 1);
}

/* Nanoseconds of the wall for each of `rounds` of what `start` begins. */
static double each(struct world *w, long rounds, void (*start)(struct world *))
{
    w->left = rounds;
    start(w);
    int64_t begun = bench_ns();
    loop_run(&w->loop);
    if (w->left > 0)
        bench_die("it stopped early");
    return (double)(bench_ns() - begun) / (double)rounds;
}

static void nothing(void *arg, const struct http_answer *a)
{
    (void)arg;
    if (a->error != 0)
        bench_die("a read was not answered: %s", a->message);
}

int main(int argc, char **argv)
{
    struct bench b;
    struct world w;
    struct err e;
    bench_begin(&b, argc, argv);
    long rounds = b.rounds ? b.rounds * 100 : 100000;
    open_world(&w);
    each(&w, 100, next_order);
    each(&w, 100, next_read);
    bench_figure(&b, each(&w, rounds, next_order) / 1e3, "virtual.lane_exchange_us");
    bench_figure(&b, each(&w, rounds, next_read) / 1e3, "virtual.http_exchange_us");
    bench_figure(&b, each(&w, rounds, start_tick), "virtual.timer_ns");
    struct http_spec spec = {.method = "GET", .url = ORIGIN "/"};
    for (int i = 0; i < 12; i++)
        bench_check(http_start(w.http, &spec, nothing, NULL, NULL, &e), &e);
    int64_t hours = b.rounds ? b.rounds : 20, begun = bench_ns();
    bench_check(loop_run_until(&w.loop, clock_io_ns(&w.clock) + hours * 3600000 * MS), &e);
    double wall = (double)(bench_ns() - begun);
    bench_figure(&b, wall / (double)hours / 6e6, "virtual.idle_10min_ms");
    close_world(&w);
    return bench_end(&b);
}
