/* SPDX-License-Identifier: MIT
 *
 * The fan-out: from one signal to the last answer parsed and journalled, on N accounts, with the
 * shipped risk policy and codec, against a canned broker in a process of its own; plain, over TLS,
 * and with a fixed time to each answer. In the same run, in turn, a bare epoll client that sends
 * the same bytes and waits for the answers: the limit. Where Debian's python3-aiohttp is installed,
 * asyncio.gather with it on the same broker, too.
 *
 * ms: a batch is made, its legs (sized already) are added and submitted; the time ends when done()
 * was called, every leg is ACCEPTED and the events are committed. first_ms: until the first byte of
 * the first order (goal: 0.5 ms + 3 us for each account). cpu_us: of our process, for each order.
 * kib_per_account: resident memory of account, session and warm connection. lua_ms: the same
 * through lua/perigee/orchestrate, with the journalled signal and the sizing of each account.
 */
#include "world.h"

#define ANSWER_MS 80
#define PYTHON "/usr/bin/python3"

struct run {
    struct bench *bench;
    char prefix[32]; /* of its figures */
    struct canned broker;
    struct world world;
    struct limit limit;
    struct leg_spec *legs; /* owned */
    struct samples ours, bare, skew, lua, first;
    double cpu_us; /* of the rounds that count */
    size_t counted;
};

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

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
    double cpu = cpu_us();
    int64_t begun = bench_ns(), first = INT64_MAX;
    struct batch *b = batch_new(w->exec, 1, SETTLE_ALL, 0, &e);
    if (!b)
        bench_die("%s", e.message);
    for (size_t k = 0; k < w->accounts; k++)
        bench_check(batch_add(b, &r->legs[k], &e), &e);
    int64_t added = bench_ns() - begun;
    bench_check(batch_submit(b, on_done, r, &e), &e);
    loop_run(&w->process.loop);
    bench_check(stream_commit(w->stream, &e), &e);
    int64_t took = bench_ns() - begun;
    cpu = cpu_us() - cpu;
    batch_report(b, &report);
    for (size_t k = 0; k < w->accounts; k++)
        if (batch_leg(b, k)->sent_us >= 0 && batch_leg(b, k)->sent_us < first)
            first = batch_leg(b, k)->sent_us;
    if (report.accepted != w->accounts)
        bench_die("%zu of %zu legs were accepted; the first: %s %s", report.accepted, w->accounts,
                  batch_leg(b, 0)->rule, batch_leg(b, 0)->reason);
    batch_free(b);
    if (counts) {
        samples_add(&r->ours, (double)took / 1e6);
        samples_add(&r->skew, (double)report.skew_us / 1e3);
        samples_add(&r->first, (double)added / 1e6 + (double)first / 1e3);
        r->cpu_us += cpu;
        r->counted += w->accounts;
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

static void figure(struct run *r, const char *name, double value)
{
    bench_figure(r->bench, value, "fanout.%zu%s.%s", r->world.accounts, r->prefix, name);
}

/* Median ms of a round of asyncio.gather; 0: there is no aiohttp. */
static double with_aiohttp(const struct run *r, long rounds)
{
    char command[400], line[64] = "";
    double ms = 0;
    bool tls = r->broker.tls.folder[0] != '\0';
    if (system(PYTHON " -c 'import aiohttp' 2>/dev/null") != 0)
        return 0;
    snprintf(command, sizeof command,
             PYTHON " %s/tests/bench/fanout_aiohttp.py http%s://127.0.0.1:%u/position/open %zu %ld "
                    "%s",
             process_home(), tls ? "s" : "", r->broker.port, r->world.accounts, rounds,
             tls ? r->broker.tls.cert : "-");
    FILE *f = popen(command, "r");
    if (!f || !fgets(line, sizeof line, f) || sscanf(line, "{\"ms\": %lf}", &ms) != 1)
        bench_die("asyncio.gather did not say how long it took");
    pclose(f);
    return ms;
}

static void figures(struct run *r, long rounds)
{
    double ours = samples_at(&r->ours, 0.5), bare = samples_at(&r->bare, 0.5);
    figure(r, "ms_p50", ours);
    figure(r, "ms_p99", samples_at(&r->ours, 0.99));
    figure(r, "limit_ms_p50", bare);
    figure(r, "limit_ms_p99", samples_at(&r->bare, 0.99));
    figure(r, "ratio_to_limit", ours / bare);
    figure(r, "first_ms_p50", samples_at(&r->first, 0.5));
    figure(r, "first_ms_p99", samples_at(&r->first, 0.99));
    figure(r, "first_ms_goal", 0.5 + 0.003 * (double)r->world.accounts);
    figure(r, "skew_ms_p50", samples_at(&r->skew, 0.5));
    figure(r, "skew_ms_p99", samples_at(&r->skew, 0.99));
    figure(r, "cpu_us", r->counted ? r->cpu_us / (double)r->counted : 0);
    figure(r, "kib_per_account", (double)r->world.account_kib / (double)r->world.accounts);
    double theirs = r->broker.delay_ms == 0 ? with_aiohttp(r, rounds / 4 + 1) : 0;
    if (theirs > 0) {
        figure(r, "aiohttp_ms_p50", theirs);
        figure(r, "ratio_to_aiohttp", theirs / ours);
    }
    if (r->lua.n > 0) {
        figure(r, "lua_ms_p50", samples_at(&r->lua, 0.5));
        figure(r, "lua_ms_p99", samples_at(&r->lua, 0.99));
    }
}

static void measure(struct bench *b, size_t accounts, long rounds, bool tls, long delay_ms)
{
    struct run r = {.bench = b};
    snprintf(r.prefix, sizeof r.prefix, "%s%s", tls ? ".tls" : "", delay_ms ? ".slow" : "");
    if (tls)
        tls_pair_make(&r.broker.tls);
    r.broker.delay_ms = delay_ms;
    canned_start(&r.broker);
    world_open(&r.world, &r.broker, accounts);
    make_legs(&r);
    world_call(&r.world, "guard_sized", 0, NULL);
    round_c(&r, false); /* the limit sends what this one sent */
    limit_open(&r.limit, &r.broker, accounts);
    printf("%zu accounts%s, answers after %ld ms, %ld rounds, requests of %zu bytes\n", accounts,
           tls ? ", TLS" : "", delay_ms, rounds, r.broker.seen->request_size);
    for (long k = delay_ms ? -1 : -5; k < rounds; k++) {
        round_c(&r, k >= 0);
        round_bare(&r, k >= 0);
    }
    world_call(&r.world, "guard", 0, NULL);
    for (long k = -5; !tls && delay_ms == 0 && k < rounds / 2; k++)
        round_lua(&r, k >= 0);
    figures(&r, rounds);
    limit_close(&r.limit);
    world_close(&r.world);
    canned_stop(&r.broker);
    tls_pair_remove(&r.broker.tls);
    free(r.legs);
    samples_free(&r.ours);
    samples_free(&r.bare);
    samples_free(&r.skew);
    samples_free(&r.first);
    samples_free(&r.lua);
}

/* Each in a process of its own: what one leaves in the heap must not be another's memory. */
static void apart(struct bench *b, size_t accounts, long rounds, bool tls, long delay_ms)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        bench_die("cannot fork");
    if (pid == 0) {
        measure(b, accounts, rounds, tls, delay_ms);
        fflush(stdout);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0)
        bench_die("a measurement did not end");
}

int main(int argc, char **argv)
{
    struct bench *b =
        mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (b == MAP_FAILED)
        bench_die("out of memory");
    bench_begin(b, argc, argv);
    long n = b->rounds;
    for (int tls = 0; tls <= 1; tls++) {
        apart(b, 12, n ? n : 400, tls, 0);
        apart(b, 100, n ? n : 200, tls, 0);
        if (b->all)
            apart(b, 1000, n ? n : 50, tls, 0);
    }
    apart(b, 100, n ? n : 30, false, ANSWER_MS);
    if (b->all)
        apart(b, 1000, n ? n : 20, false, ANSWER_MS);
    return bench_end(b);
}
