/* SPDX-License-Identifier: MIT
 *
 * From a quote to the order's first byte: market, a sandboxed strategy, the signal's way through
 * the engine's Lua (journalled, risk, sizing, fan-out to one account), the intent on disk, the
 * write on a warm lane to a canned broker.
 *
 * us: until the order is about to be handed to the kernel (its order_sent). written_us: until the
 * kernel has taken the bytes.
 */
#include "world.h"

/* A connection of libcurl's, and when it took its newest bytes. */
struct transport {
    struct transport *inner;
    struct tap *tap;
};

struct tap {
    struct transport_curl *curl;
    int64_t written_ns;
};

static int tap_open(void *ctx, struct loop *l, const char *origin,
                    const struct transport_events *events, void *arg, struct transport **out,
                    struct err *e)
{
    struct tap *tap = ctx;
    struct transport *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "out of memory");
    t->tap = tap;
    if (!tap->curl && !(tap->curl = transport_curl_new(l, NULL, e))) {
        free(t);
        return e->code;
    }
    int rc = transport_curl_ops.open(tap->curl, l, origin, events, arg, &t->inner, e);
    if (rc != 0)
        free(t);
    else
        *out = t;
    return rc;
}

static ssize_t tap_send(struct transport *t, const void *p, size_t n)
{
    ssize_t did = transport_curl_ops.send(t->inner, p, n);
    t->tap->written_ns = bench_ns();
    return did;
}

static ssize_t tap_recv(struct transport *t, void *p, size_t n)
{
    return transport_curl_ops.recv(t->inner, p, n);
}

static void tap_want_write(struct transport *t, bool on)
{
    transport_curl_ops.want_write(t->inner, on);
}

static void tap_close(struct transport *t)
{
    transport_curl_ops.close(t->inner);
    free(t);
}

static const struct transport_ops tap_ops = {.name = "tap",
                                             .open = tap_open,
                                             .send = tap_send,
                                             .recv = tap_recv,
                                             .want_write = tap_want_write,
                                             .close = tap_close};

#define NTH 3

static void quote(struct world *w, double bid)
{
    struct quote q = {clock_market_ms(&w->process.clock), bid, bid + 0.5};
    if (market_quote(w->market, w->symbol, &q) != 0)
        bench_die("the market refused a quote");
}

int main(int argc, char **argv)
{
    struct bench b;
    struct canned broker = {0};
    struct tap tap = {0};
    struct world w = {.tap = &tap_ops, .tap_ctx = &tap};
    struct samples sending = {0}, written = {0};
    char path[600];
    const char *args[] = {path};
    bench_begin(&b, argc, argv);
    canned_start(&broker);
    world_open(&w, &broker, 1);
    snprintf(path, sizeof path, "%s/tests/bench/each_nth.lua", process_home());
    if (world_call(&w, "guard", 0, NULL) != 0 || world_call(&w, "load", 1, args) != 0)
        bench_die("the strategy was not loaded");
    long rounds = b.rounds ? b.rounds : 2000;
    for (long k = -50; k < rounds; k++) {
        uint64_t before = ledger_last_order(w.ledger);
        for (int i = 1; i < NTH; i++)
            quote(&w, WORLD_BID + (double)(k % 10) + i * 0.5);
        int64_t begun = bench_ns();
        quote(&w, WORLD_BID + (double)(k % 10));
        loop_run(&w.process.loop);
        if (w.process.exit_code != 0)
            bench_die("the signal became no accepted order");
        if (k >= 0) {
            samples_add(&sending, (double)(w.sent_ns - begun) / 1e3);
            samples_add(&written, (double)(tap.written_ns - begun) / 1e3);
        }
        if (world_settle(&w, before) != 1)
            bench_die("the order was not settled");
    }
    printf("%ld rounds\n", rounds);
    bench_figure(&b, samples_at(&sending, 0.5), "tick_to_order.us_p50");
    bench_figure(&b, samples_at(&sending, 0.99), "tick_to_order.us_p99");
    bench_figure(&b, samples_at(&written, 0.5), "tick_to_order.written_us_p50");
    bench_figure(&b, samples_at(&written, 0.99), "tick_to_order.written_us_p99");
    world_close(&w);
    transport_curl_free(tap.curl);
    canned_stop(&broker);
    samples_free(&sending);
    samples_free(&written);
    return bench_end(&b);
}
