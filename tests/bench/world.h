/* SPDX-License-Identifier: MIT
 *
 * An engine for benches: composed as core/engine composes it (journal with interval sync, ledger,
 * market, Lua host with the shipped codec and risk, remote venue on libcurl's connections, exec),
 * with as many accounts as wanted, all on one canned broker.
 *
 * The one thing set differently is the request budget, which a bench would use up.
 */
#ifndef PERIGEE_TESTS_WORLD_H
#define PERIGEE_TESTS_WORLD_H

#include "canned.h"
#include "engine/process.h"

#define WORLD_VENUE "paper"
#define WORLD_SYMBOL "BTCUSD"
#define WORLD_BID 60000.00
#define WORLD_ASK 60000.50

struct world {
    struct process process;
    struct stream *stream;
    struct ledger *ledger;
    struct market *market;
    struct transport_curl *transport;
    struct remote *remote;
    struct exec *exec;
    char dir[64];     /* temporary */
    size_t accounts;  /* ledger indexes 0.. */
    int instrument;   /* ledger index */
    int symbol;       /* market index */
    long account_kib; /* that the accounts and their connections took */
    uint64_t told;    /* events that the subscriber was shown */
    int64_t sent_ns;  /* when the newest order_sent was emitted */
    /* Set before world_open: what goes between lane and libcurl; NULL: nothing. */
    const struct transport_ops *tap;
    void *tap_ctx;
};

static inline int world_fold(void *arg, const struct event *ev, struct err *e)
{
    return ledger_apply(arg, ev, e);
}

static inline int world_watch(void *arg, const struct event *ev, struct err *e)
{
    struct world *w = arg;
    (void)e;
    if (ev->kind == EVENT_KIND_order_sent)
        w->sent_ns = bench_ns();
    return 0;
}

/* The engine's socket is a subscriber too. */
static inline void world_tell(void *arg, const struct event *ev, const void *frame, size_t n)
{
    struct world *w = arg;
    (void)ev, (void)frame, (void)n;
    w->told++;
}

static inline void world_emit(struct world *w, struct event *ev)
{
    struct err e;
    bench_check(stream_emit(w->stream, ev, &e), &e);
}

static inline void world_open_journal(struct world *w)
{
    char folder[96];
    struct err e = {0};
    struct journal_config config = {.folder = folder, .sync = JOURNAL_SYNC_INTERVAL};
    snprintf(w->dir, sizeof w->dir, "/tmp/perigee-bench-XXXXXX");
    if (!mkdtemp(w->dir))
        bench_die("cannot make a temporary folder");
    snprintf(folder, sizeof folder, "%s/journal", w->dir);
    if (!(w->stream = stream_new(&w->process.loop, &e)) || !(w->ledger = ledger_new(&e)))
        bench_die("%s", e.message);
    if (stream_reduce(w->stream, world_fold, w->ledger) ||
        stream_reduce(w->stream, world_watch, w) || stream_subscribe(w->stream, world_tell, w))
        bench_die("the stream takes no more functions");
    bench_check(stream_open(w->stream, &config, NULL, &e), &e);
}

static inline void world_instrument(struct world *w)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_instrument);
    event_set_strz(&ev, F_instrument_venue, WORLD_VENUE);
    event_set_strz(&ev, F_instrument_symbol, WORLD_SYMBOL);
    event_set_strz(&ev, F_instrument_canonical, WORLD_SYMBOL);
    event_set_strz(&ev, F_instrument_base, "BTC");
    event_set_strz(&ev, F_instrument_quote, "USD");
    event_set_i64(&ev, F_instrument_price_digits, 2);
    event_set_i64(&ev, F_instrument_volume_digits, 2);
    event_set_dec(&ev, F_instrument_volume_min, decimal_raw(DECIMAL_ONE / 100));
    event_set_dec(&ev, F_instrument_volume_max, decimal_int(100));
    event_set_dec(&ev, F_instrument_volume_step, decimal_raw(DECIMAL_ONE / 100));
    event_set_dec(&ev, F_instrument_contract_size, decimal_int(1));
    event_set_i64(&ev, F_instrument_leverage, 100);
    world_emit(w, &ev);
    w->instrument = ledger_instrument_canonical(w->ledger, WORLD_VENUE, WORLD_SYMBOL);
}

static inline void world_account(struct world *w, size_t k)
{
    char id[32];
    struct event ev;
    decimal money = decimal_int(100000);
    snprintf(id, sizeof id, "%zu", 500000 + k);
    event_init(&ev, EVENT_KIND_account_added);
    event_set_strz(&ev, F_account_added_account, id);
    event_set_strz(&ev, F_account_added_user, WORLD_VENUE ":bench@example.com");
    event_set_strz(&ev, F_account_added_broker, WORLD_VENUE);
    event_set_strz(&ev, F_account_added_currency, "USD");
    event_set_i64(&ev, F_account_added_leverage, 100);
    world_emit(w, &ev);
    event_init(&ev, EVENT_KIND_balance);
    event_set_strz(&ev, F_balance_account, id);
    event_set_dec(&ev, F_balance_balance, money);
    event_set_dec(&ev, F_balance_equity, money);
    event_set_dec(&ev, F_balance_free_margin, money);
    event_set_strz(&ev, F_balance_currency, "USD");
    world_emit(w, &ev);
}

static inline void world_open_exec(struct world *w, const char *ca_file)
{
    struct process *p = &w->process;
    struct err e = {0};
    struct codec_ops codec = host_codec(p->host);
    if (!(w->market = market_new(&e)) ||
        !(w->transport = transport_curl_new(&p->loop, ca_file, &e)) ||
        !(w->remote = remote_new(&p->loop, p->log, w->tap ? w->tap : &transport_curl_ops,
                                 w->tap ? w->tap_ctx : w->transport, &codec, &e)))
        bench_die("%s", e.message);
    struct exec_config config = {.loop = &p->loop,
                                 .clock = &p->clock,
                                 .log = p->log,
                                 .stream = w->stream,
                                 .ledger = w->ledger,
                                 .venue_ops = &remote_venue_ops,
                                 .venue = remote_venue(w->remote),
                                 .risk = host_risk(p->host),
                                 .budget_requests = 1000000};
    if (!(w->exec = exec_new(&config, &e)))
        bench_die("%s", e.message);
    p->host->services.stream = w->stream;
    p->host->services.ledger = w->ledger;
    p->host->services.market = w->market;
    p->host->services.data = w->dir;
    host_set_exec(p->host, w->exec, w->remote);
    bench_check(exec_start(w->exec, &e), &e);
}

/* A session for each account; returns when every lane is warm. */
static inline void world_connect(struct world *w, const struct canned *broker)
{
    char origin[64], headers[1024], token[301];
    struct err e = {0};
    memset(token, 'x', sizeof token - 1);
    token[sizeof token - 1] = '\0';
    snprintf(origin, sizeof origin, "http%s://127.0.0.1:%u", broker->tls.folder[0] ? "s" : "",
             broker->port);
    snprintf(headers, sizeof headers,
             "User-Agent: Mozilla/5.0 (X11; Linux x86_64) perigee\r\n"
             "Auth-trading-api: %s\r\nCookie: co-auth=%s\r\n",
             token, token);
    struct remote_session session = {.broker = WORLD_VENUE,
                                     .origin = origin,
                                     .prefix = "/mtr-api/7a0c6a52-2a2c-4f3c-9d35-0b8f1d2e3c4b",
                                     .headers = headers};
    for (size_t k = 0; k < w->accounts; k++)
        bench_check(remote_session_set(w->remote, (int)k, &session, &e), &e);
    for (size_t k = 0; k < w->accounts; k++)
        while (!remote_venue_ops.ready(remote_venue(w->remote), (int)k))
            loop_run_once(&w->process.loop, true);
}

/* A first quote of the broker and of the reference. */
static inline void world_quote(struct world *w)
{
    struct err e;
    struct quote q = {clock_market_ms(&w->process.clock), WORLD_BID, WORLD_ASK};
    w->symbol = market_symbol_add(w->market, WORLD_SYMBOL, 0.01, &e);
    if (w->symbol < 0 || market_quote(w->market, w->symbol, &q) != 0)
        bench_die("the market takes no quote");
    ledger_mark(w->ledger, WORLD_VENUE, WORLD_SYMBOL, WORLD_BID, WORLD_ASK, NULL, NULL);
}

/* Calls a function of tests/bench/policy.lua as a task and runs the loop until it says
 * process.stop(); its exit code. */
static inline int world_call(struct world *w, const char *function, int argc,
                             const char *const *argv)
{
    struct err e;
    w->process.exit_code = 0;
    bench_check(host_spawn(w->process.host, "bench.policy", function, argc, argv, &e), &e);
    loop_run(&w->process.loop);
    return w->process.exit_code;
}

static inline void world_open(struct world *w, const struct canned *broker, size_t accounts)
{
    struct process_options options = {0};
    struct err e = {0};
    char policy[600];
    w->accounts = accounts;
    bench_check(process_init(&w->process, &options, &e), &e);
    world_open_journal(w);
    world_instrument(w);
    long before = bench_rss_kib();
    for (size_t k = 0; k < accounts; k++)
        world_account(w, k);
    w->account_kib = bench_rss_kib() - before;
    world_open_exec(w, broker->tls.folder[0] ? broker->tls.cert : NULL);
    world_quote(w);
    snprintf(policy, sizeof policy, "%s/tests/bench/policy.lua", process_home());
    bench_check(host_run_file(w->process.host, policy, 0, NULL, NULL, &e), &e);
    before = bench_rss_kib();
    world_connect(w, broker);
    w->account_kib += bench_rss_kib() - before;
}

static inline void world_close(struct world *w)
{
    struct process *p = &w->process;
    char command[96];
    host_free(p->host);
    p->host = NULL;
    exec_free(w->exec);
    remote_free(w->remote);
    transport_curl_free(w->transport);
    stream_free(w->stream);
    market_free(w->market);
    ledger_free(w->ledger);
    process_fini(p);
    snprintf(command, sizeof command, "rm -rf '%s'", w->dir);
    if (system(command) != 0)
        bench_die("cannot remove %s", w->dir);
}

/* ---- between the rounds ---- */

/* The broker shows the order's position, then that it was closed: the account is free again. */
static inline void world_settle_one(struct world *w, const struct order *o)
{
    struct err e = {0};
    const struct instrument *i = ledger_instrument_at(w->ledger, o->instrument);
    decimal money = decimal_int(100000);
    struct seen_position row = {.id = o->position,
                                .symbol = i->symbol,
                                .side = o->side,
                                .volume = o->volume,
                                .price = instrument_price(i, o->price),
                                .stop = instrument_price(i, o->stop),
                                .target = instrument_price(i, o->target),
                                .opened_ms = clock_market_ms(&w->process.clock)};
    struct seen_close end = {.id = row.id,
                             .uid = row.id,
                             .symbol = row.symbol,
                             .side = row.side,
                             .volume = row.volume,
                             .open_price = row.price,
                             .price = row.target,
                             .stop = row.stop,
                             .target = row.target,
                             .opened_ms = row.opened_ms,
                             .closed_ms = row.opened_ms};
    bench_check(exec_observe_positions(w->exec, o->account, bench_ns(), &row, 1, &e), &e);
    bench_check(exec_observe_positions(w->exec, o->account, bench_ns(), NULL, 0, &e), &e);
    bench_check(exec_observe_closed(w->exec, o->account, bench_ns(), &end, 1, &e), &e);
    bench_check(exec_observe_balance(w->exec, o->account, money, money, decimal_int(0), money, &e),
                &e);
    if (ledger_exposure_count(w->ledger, o->account) != 0)
        bench_die("account %d is not free after its close", o->account);
}

/* Settles the entries after order `from`; how many were accepted. */
static inline size_t world_settle(struct world *w, uint64_t from)
{
    uint64_t last = ledger_last_order(w->ledger);
    size_t accepted = 0;
    for (uint64_t id = from + 1; id <= last; id++) {
        const struct order *o = ledger_order(w->ledger, id);
        if (!o || o->state != ORDER_ACCEPTED || o->op != ORDER_OPEN)
            continue;
        struct order own = *o;
        world_settle_one(w, &own);
        accepted++;
    }
    for (int k = 0; k < 3; k++)
        loop_run_once(&w->process.loop, false);
    return accepted;
}

#endif
