/* SPDX-License-Identifier: MIT
 *
 * The fan-out: from one signal to the last answer parsed and journalled, on N accounts, with the
 * shipped risk policy and codec, against a canned broker in a process of its own. In the same run,
 * in turn, a bare epoll client that sends the same bytes and waits for the answers: the limit.
 *
 * ms: a batch is made, its legs (sized already) are added and submitted; the time ends when done()
 * was called, every leg is ACCEPTED and the events are committed. lua_ms: the same through
 * lua/perigee/orchestrate, with the journalled signal and the sizing of each account.
 */
#include "world.h"

struct run {
    struct bench *bench;
    struct world world;
    struct limit limit;
    struct leg_spec *legs; /* owned */
    struct samples ours, bare, skew, lua;
};

static void on_done(void *arg, struct batch *b)
{
    struct run *r = arg;
    (void)b;
    loop_stop(&r->world.process.loop);
}

static void make_legs(struct run *r)
{
    r->legs = calloc(r->world.accounts, sizeof *r->legs);
    if (!r->legs)
        bench_die("out of memory");
    for (size_t k = 0; k < r->world.accounts; k++)
        r->legs[k] = (struct leg_spec){.account = (int)k,
                                       .instrument = r->world.instrument,
                                       .side = SIDE_BUY,
                                       .volume = decimal_raw(DECIMAL_ONE / 10),
                                       .price = 6000050,
                                       .stop = 5940050,
                                       .target = 6120050,
                                       .holding_ms = 300000,
                                       .plan = "{\"holding_seconds\":300,\"opposite\":true}"};
}

static void round_c(struct run *r, bool counts)
{
    struct world *w = &r->world;
    struct batch_report report;
    struct err e;
    uint64_t before = ledger_last_order(w->ledger);
    int64_t begun = bench_ns();
    struct batch *b = batch_new(w->exec, 1, SETTLE_ALL, 0, &e);
    if (!b)
        bench_die("%s", e.message);
    for (size_t k = 0; k < w->accounts; k++)
        bench_check(batch_add(b, &r->legs[k], &e), &e);
    bench_check(batch_submit(b, on_done, r, &e), &e);
    loop_run(&w->process.loop);
    bench_check(stream_commit(w->stream, &e), &e);
    int64_t took = bench_ns() - begun;
    batch_report(b, &report);
    if (report.accepted != w->accounts)
        bench_die("%zu of %zu legs were accepted; the first: %s %s", report.accepted, w->accounts,
                  batch_leg(b, 0)->rule, batch_leg(b, 0)->reason);
    batch_free(b);
    if (counts) {
        samples_add(&r->ours, (double)took / 1e6);
        samples_add(&r->skew, (double)report.skew_us / 1e3);
    }
    if (world_settle(w, before) != w->accounts)
        bench_die("not every order was settled");
}

static void round_bare(struct run *r, bool counts)
{
    int64_t took = limit_round(&r->limit);
    if (counts)
        samples_add(&r->bare, (double)took / 1e6);
}

static void round_lua(struct run *r, bool counts)
{
    struct world *w = &r->world;
    struct err e;
    char count[24];
    const char *argv[] = {count};
    snprintf(count, sizeof count, "%zu", w->accounts);
    uint64_t before = ledger_last_order(w->ledger);
    int64_t begun = bench_ns();
    if (world_call(w, "fan_out", 1, argv) != 0)
        bench_die("not every leg of the signal was accepted");
    bench_check(stream_commit(w->stream, &e), &e);
    int64_t took = bench_ns() - begun;
    if (counts)
        samples_add(&r->lua, (double)took / 1e6);
    if (world_settle(w, before) != w->accounts)
        bench_die("not every order was settled");
}

static void figures(struct run *r)
{
    int n = (int)r->world.accounts;
    double ours = samples_at(&r->ours, 0.5), bare = samples_at(&r->bare, 0.5);
    bench_figure(r->bench, ours, "fanout.%d.ms_p50", n);
    bench_figure(r->bench, samples_at(&r->ours, 0.99), "fanout.%d.ms_p99", n);
    bench_figure(r->bench, bare, "fanout.%d.limit_ms_p50", n);
    bench_figure(r->bench, samples_at(&r->bare, 0.99), "fanout.%d.limit_ms_p99", n);
    bench_figure(r->bench, ours / bare, "fanout.%d.ratio_to_limit", n);
    bench_figure(r->bench, samples_at(&r->skew, 0.5), "fanout.%d.skew_ms_p50", n);
    bench_figure(r->bench, samples_at(&r->skew, 0.99), "fanout.%d.skew_ms_p99", n);
    bench_figure(r->bench, samples_at(&r->lua, 0.5), "fanout.%d.lua_ms_p50", n);
    bench_figure(r->bench, samples_at(&r->lua, 0.99), "fanout.%d.lua_ms_p99", n);
}

static void measure(struct bench *b, size_t accounts, long rounds)
{
    struct run r = {.bench = b};
    struct canned broker;
    canned_start(&broker);
    world_open(&r.world, &broker, accounts);
    make_legs(&r);
    world_call(&r.world, "guard_sized", 0, NULL);
    round_c(&r, false); /* the limit sends what this one sent */
    limit_open(&r.limit, &broker, accounts);
    printf("%zu accounts, %ld rounds, requests of %zu bytes\n", accounts, rounds,
           broker.seen->request_size);
    for (long k = -5; k < rounds; k++) {
        round_c(&r, k >= 0);
        round_bare(&r, k >= 0);
    }
    world_call(&r.world, "guard", 0, NULL);
    for (long k = -5; k < rounds / 2; k++)
        round_lua(&r, k >= 0);
    figures(&r);
    limit_close(&r.limit);
    world_close(&r.world);
    canned_stop(&broker);
    free(r.legs);
    samples_free(&r.ours);
    samples_free(&r.bare);
    samples_free(&r.skew);
    samples_free(&r.lua);
}

int main(int argc, char **argv)
{
    struct bench b;
    bench_begin(&b, argc, argv);
    measure(&b, 12, b.rounds ? b.rounds : 400);
    measure(&b, 100, b.rounds ? b.rounds : 200);
    if (b.all)
        measure(&b, 1000, b.rounds ? b.rounds : 50);
    return bench_end(&b);
}
