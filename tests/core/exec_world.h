/* SPDX-License-Identifier: MIT
 *
 * A world for tests of exec: real stream, journal and ledger in a folder below /tmp, a virtual
 * clock, and a scripted venue. Every call that reaches the venue checks on the disk that its intent
 * was committed before.
 */
#ifndef PERIGEE_TESTS_EXEC_WORLD_H
#define PERIGEE_TESTS_EXEC_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec/exec.h"
#include "store/journal.h"

#define W_START INT64_C(1700000000000) /* market ms */
#define W_ACCOUNTS 12
#define W_CALLS 512
#define W_KINDS 64
#define W_MS INT64_C(1000000)

struct w_call {
    struct venue_call *call; /* NULL: answered */
    struct order order;      /* as it was submitted */
    int account;
    bool urgent, sent;
};

struct world {
    char dir[64];
    struct clock clock;
    struct loop loop;
    struct ledger *ledger;
    struct stream *stream;
    struct exec *exec;
    struct exec_config config;
    /* venue */
    struct w_call calls[W_CALLS];
    size_t call_count;
    bool inside; /* submit is on the stack */
    bool refuse; /* submit fails: no session */
    bool not_ready;
    bool keep_queued;         /* submit does not announce the first byte */
    bool silent;              /* the venue never announces the first byte */
    bool skip_journal;        /* do not look for intents on the disk */
    unsigned intents_missing; /* calls whose intent was not on the disk */
    /* risk */
    int risk_account; /* refuses this ledger index; -1: none */
    bool risk_breaks; /* fails without a word */
    unsigned risk_calls;
    /* events */
    unsigned count[W_KINDS];
    char last[W_KINDS][2048];
    int fail_kind;       /* the reducer refuses this kind ... */
    unsigned fail_after; /* ... after so many of it */
    bool fail_first;     /* ... before the ledger has applied it */
    void (*on_event)(struct world *w, const struct event *ev);
    /* needs */
    unsigned wakes[W_ACCOUNTS];
    bool observing;
    /* done() of batches and edits */
    unsigned done;
    enum order_state edit_state;
    void *extra; /* the test's */
};

static inline bool w_on_disk(struct world *w, uint64_t order)
{
    struct journal_reader *r;
    struct event ev;
    struct err e;
    bool found = false;
    assert_int_equal(journal_reader_open(&r, w->dir, 1, &e), 0);
    while (journal_reader_next(r, &ev, &e) == 1)
        found = found || (ev.kind == EVENT_KIND_intent && event_u64(&ev, F_intent_order) == order);
    journal_reader_close(r);
    return found;
}

static inline void w_send(struct world *w, size_t k)
{
    if (w->calls[k].sent)
        return;
    w->calls[k].sent = true;
    w->calls[k].call->sending(w->calls[k].call);
}

static inline int w_submit(struct venue *v, int account, struct venue_call *c, struct err *e)
{
    struct world *w = (struct world *)v;
    if (w->refuse)
        return err_set(e, ERR_STATE, "no_session");
    assert_true(w->call_count < W_CALLS);
    if (!w->skip_journal && !w_on_disk(w, c->order->id))
        w->intents_missing++;
    struct w_call *x = &w->calls[w->call_count++];
    *x = (struct w_call){.call = c, .order = *c->order, .account = account, .urgent = c->urgent};
    w->inside = true;
    if (!w->keep_queued && !w->silent)
        w_send(w, w->call_count - 1);
    w->inside = false;
    return 0;
}

static inline bool w_withdraw(struct venue *v, int account, struct venue_call *c)
{
    struct world *w = (struct world *)v;
    (void)account;
    for (size_t k = 0; k < w->call_count; k++) {
        if (w->calls[k].call == c && !w->calls[k].sent) {
            w->calls[k].call = NULL;
            return true;
        }
    }
    return false;
}

static inline bool w_ready(struct venue *v, int account)
{
    (void)account;
    return !((struct world *)v)->not_ready;
}

static const struct venue_ops w_venue = {
    .name = "script", .submit = w_submit, .withdraw = w_withdraw, .ready = w_ready};

/* Ends call k. */
static inline void w_answer(struct world *w, size_t k, enum verdict_kind kind, const char *id,
                            const char *code)
{
    struct verdict v = {.kind = kind};
    struct venue_call *c = w->calls[k].call;
    assert_true(k < w->call_count);
    assert_non_null(c);
    if (kind != VERDICT_NOT_SENT && !w->silent)
        w_send(w, k);
    snprintf(v.broker_id, sizeof v.broker_id, "%s", id != NULL ? id : "");
    snprintf(v.code, sizeof v.code, "%s", code != NULL ? code : "");
    v.sent_io_ns = v.done_io_ns = clock_io_ns(&w->clock);
    w->calls[k].call = NULL;
    c->done(c, &v);
}

static inline int w_risk(void *ctx, const struct leg_spec *leg, uint64_t signal, char rule[32],
                         char reason[160])
{
    struct world *w = ctx;
    (void)signal;
    w->risk_calls++;
    if (w->risk_breaks)
        return -1;
    if (leg->account != w->risk_account)
        return 0;
    snprintf(rule, 32, "max_positions");
    snprintf(reason, 160, "too many");
    return 1;
}

static inline int w_apply(void *arg, const struct event *ev, struct err *e)
{
    return ledger_apply(arg, ev, e);
}

static inline int w_reduce(void *arg, const struct event *ev, struct err *e)
{
    struct world *w = arg;
    if (ev->kind == w->fail_kind && w->count[ev->kind] >= w->fail_after)
        return err_set(e, ERR_STATE, "refused by the test");
    w->count[ev->kind]++;
    struct str json;
    str_init(&json);
    event_json(ev, &json);
    snprintf(w->last[ev->kind], sizeof w->last[0], "%s", json.p);
    str_fini(&json);
    if (w->on_event != NULL)
        w->on_event(w, ev);
    return 0;
}

/* Stands before the ledger, as a ledger that refuses would. */
static inline int w_gate(void *arg, const struct event *ev, struct err *e)
{
    struct world *w = arg;
    if (w->fail_first && ev->kind == w->fail_kind && w->count[ev->kind] >= w->fail_after) {
        w->fail_kind = -1; /* this one only */
        return err_set(e, ERR_STATE, "refused by the test");
    }
    return 0;
}

static inline void w_need(void *arg, int account)
{
    struct world *w = arg;
    assert_false(w->observing);
    assert_int_not_equal(exec_needs(w->exec, account, NULL), 0);
    w->wakes[account]++;
}

static inline void w_emit(struct world *w, struct event *ev)
{
    struct err e;
    assert_int_equal(stream_emit(w->stream, ev, &e), 0);
}

static inline void w_instrument(struct world *w, const char *symbol, const char *canonical)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_instrument);
    event_set_strz(&ev, F_instrument_venue, "demo");
    event_set_strz(&ev, F_instrument_symbol, symbol);
    event_set_strz(&ev, F_instrument_canonical, canonical);
    event_set_strz(&ev, F_instrument_base, "BTC");
    event_set_strz(&ev, F_instrument_quote, "USD");
    event_set_i64(&ev, F_instrument_price_digits, 1);
    event_set_i64(&ev, F_instrument_volume_digits, 2);
    event_set_dec(&ev, F_instrument_volume_min, decimal_raw(DECIMAL_ONE / 100));
    event_set_dec(&ev, F_instrument_volume_max, decimal_int(100));
    event_set_dec(&ev, F_instrument_volume_step, decimal_raw(DECIMAL_ONE / 100));
    event_set_dec(&ev, F_instrument_contract_size, decimal_int(1));
    w_emit(w, &ev);
}

static inline void w_populate(struct world *w)
{
    struct event ev;
    w_instrument(w, "BTCUSD.", "BTCUSD");
    w_instrument(w, "ETHUSD.", "ETHUSD");
    for (int k = 0; k < W_ACCOUNTS; k++) {
        char id[16];
        snprintf(id, sizeof id, "A%d", k);
        event_init(&ev, EVENT_KIND_account_added);
        event_set_strz(&ev, F_account_added_account, id);
        event_set_strz(&ev, F_account_added_user, "demo:x@example.com");
        event_set_strz(&ev, F_account_added_broker, "demo");
        event_set_strz(&ev, F_account_added_currency, "USD");
        event_set_i64(&ev, F_account_added_leverage, 100);
        w_emit(w, &ev);
    }
}

/* A life of the engine in w->dir. market_ms: where its clock begins. */
static inline void w_live(struct world *w, int64_t market_ms)
{
    struct err e;
    struct journal_config jc = {.folder = w->dir, .sync = JOURNAL_SYNC_OFF};
    struct journal_report report;
    w->call_count = 0;
    memset(w->count, 0, sizeof w->count);
    memset(w->last, 0, sizeof w->last);
    memset(w->wakes, 0, sizeof w->wakes);
    clock_virtual(&w->clock, market_ms, market_ms * 1000);
    clock_io_advance(&w->clock, 1000 * W_MS);
    assert_int_equal(loop_init(&w->loop, &w->clock, NULL, &e), 0);
    w->ledger = ledger_new(&e);
    w->stream = stream_new(&w->loop, &e);
    assert_int_equal(stream_reduce(w->stream, w_gate, w), 0);
    assert_int_equal(stream_reduce(w->stream, w_apply, w->ledger), 0);
    assert_int_equal(stream_reduce(w->stream, w_reduce, w), 0);
    assert_int_equal(stream_open(w->stream, &jc, &report, &e), 0);
    if (ledger_account_count(w->ledger) == 0)
        w_populate(w);
    w->config.loop = &w->loop;
    w->config.clock = &w->clock;
    w->config.stream = w->stream;
    w->config.ledger = w->ledger;
    w->config.venue_ops = &w_venue;
    w->config.venue = (struct venue *)w;
    if (w->config.risk.check == NULL)
        w->config.risk = (struct risk_ops){w, w_risk};
    w->exec = exec_new(&w->config, &e);
    assert_non_null(w->exec);
    exec_on_need(w->exec, w_need, w);
    assert_int_equal(exec_start(w->exec, &e), 0);
}

static inline void w_die(struct world *w)
{
    exec_free(w->exec);
    stream_free(w->stream);
    ledger_free(w->ledger);
    assert_int_equal(loop_fini(&w->loop), 0);
}

static inline void w_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/perigee-exec-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->risk_account = -1;
    w->fail_kind = -1;
}

static inline void w_remove(struct world *w)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", w->dir);
    assert_int_equal(system(command), 0);
}

/* Every call must have ended. */
static inline void w_fini(struct world *w)
{
    assert_int_equal(exec_in_flight(w->exec), 0);
    assert_int_equal(w->intents_missing, 0);
    w_die(w);
    w_remove(w);
}

static inline void w_turn(struct world *w)
{
    for (int k = 0; k < 4; k++)
        (void)loop_run_once(&w->loop, false);
}

/* Moves both clocks by ms. */
static inline void w_pass(struct world *w, int64_t ms)
{
    w_turn(w);
    loop_market_advance(&w->loop, clock_market_ms(&w->clock) + ms);
    loop_io_advance(&w->loop, clock_io_ns(&w->clock) + ms * W_MS);
    w_turn(w);
}

static inline int64_t w_now(struct world *w)
{
    return clock_io_ns(&w->clock);
}

/* ---- orders and lists ---- */

static inline decimal w_dec(const char *text)
{
    decimal d = {0};
    assert_int_equal(decimal_parse(text, strlen(text), &d), 0);
    return d;
}

static inline struct leg_spec w_leg(int account)
{
    return (struct leg_spec){.account = account,
                             .instrument = 0,
                             .side = SIDE_BUY,
                             .volume = decimal_raw(DECIMAL_ONE / 10),
                             .price = 500000,
                             .stop = 490000,
                             .target = 520000,
                             .holding_ms = 60000,
                             .plan = "{\"trail\":1}"};
}

static inline void w_done(void *arg, struct batch *b)
{
    struct world *w = arg;
    (void)b;
    assert_false(w->inside);
    w->done++;
}

/* One entry for each of the first n accounts. */
static inline struct batch *w_batch(struct world *w, int n)
{
    struct err e;
    struct batch *b = batch_new(w->exec, 7, SETTLE_ALL, 0, &e);
    for (int k = 0; k < n; k++) {
        struct leg_spec leg = w_leg(k);
        assert_int_equal(batch_add(b, &leg, &e), 0);
    }
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    return b;
}

static inline enum order_state w_state(struct world *w, uint64_t id)
{
    const struct order *o = ledger_order(w->ledger, id);
    assert_non_null(o);
    return o->state;
}

static inline void w_list(struct world *w, int account, int64_t begun,
                          const struct seen_position *rows, size_t n)
{
    struct err e;
    w->observing = true;
    assert_int_equal(exec_observe_positions(w->exec, account, begun, rows, n, &e), 0);
    w->observing = false;
}

static inline void w_history(struct world *w, int account, int64_t begun,
                             const struct seen_close *rows, size_t n)
{
    struct err e;
    w->observing = true;
    assert_int_equal(exec_observe_closed(w->exec, account, begun, rows, n, &e), 0);
    w->observing = false;
}

static inline void w_orders(struct world *w, int account, int64_t begun,
                            const struct seen_order *rows, size_t n)
{
    struct err e;
    w->observing = true;
    assert_int_equal(exec_observe_orders(w->exec, account, begun, rows, n, &e), 0);
    w->observing = false;
}

static inline unsigned w_needs(struct world *w, int account)
{
    return exec_needs(w->exec, account, NULL);
}

static inline decimal w_price(int64_t points)
{
    return decimal_raw(points * (DECIMAL_ONE / 10));
}

/* The row of a position that order id opened, as the broker would show it. */
static inline struct seen_position w_row(struct world *w, const char *id, uint64_t order)
{
    const struct order *o = ledger_order(w->ledger, order);
    assert_non_null(o);
    return (struct seen_position){.id = id,
                                  .symbol = "BTCUSD.",
                                  .side = o->side,
                                  .volume = o->volume,
                                  .price = w_price(500010),
                                  .stop = w_price(o->stop),
                                  .target = w_price(o->target),
                                  .opened_ms = clock_market_ms(&w->clock)};
}

/* The row of the whole position closed at `points`. */
static inline struct seen_close w_closed(const struct seen_position *p, const char *uid,
                                         int64_t points, int64_t closed_ms)
{
    return (struct seen_close){.id = p->id,
                               .uid = uid,
                               .symbol = p->symbol,
                               .side = p->side,
                               .volume = p->volume,
                               .open_price = p->price,
                               .price = w_price(points),
                               .stop = p->stop,
                               .target = p->target,
                               .profit = w_dec("12.5"),
                               .commission = w_dec("-0.5"),
                               .swap = w_dec("-0.25"),
                               .opened_ms = p->opened_ms,
                               .closed_ms = closed_ms};
}

/* Nothing is asked for any more: the reads at the start are done with empty lists. */
static inline void w_quiet(struct world *w, int account)
{
    w_orders(w, account, w_now(w), NULL, 0);
    w_list(w, account, w_now(w), NULL, 0);
    w_history(w, account, w_now(w), NULL, 0);
    assert_int_equal(exec_observe_balance(w->exec, account, w_dec("1000"), w_dec("1000"),
                                          w_dec("0"), w_dec("1000"), NULL),
                     0);
}

/* An open position of ours on account 0; returns the id of its order, *row what the broker shows.
 */
static inline uint64_t w_open(struct world *w, const char *id, struct seen_position *row)
{
    w_quiet(w, 0);
    struct batch *b = w_batch(w, 1);
    uint64_t order = batch_leg(b, 0)->order;
    assert_int_not_equal(order, 0);
    w_answer(w, w->call_count - 1, VERDICT_ACCEPTED, id, NULL);
    w_pass(w, 1);
    *row = w_row(w, id, order);
    w_list(w, 0, w_now(w), row, 1);
    assert_non_null(ledger_position(w->ledger, 0, id));
    batch_free(b);
    w_turn(w);
    return order;
}

/* Each close on its way is accepted. */
static inline void w_end_closes(struct world *w)
{
    w_turn(w);
    for (size_t k = 0; k < w->call_count; k++)
        if (w->calls[k].call != NULL && w->calls[k].order.op == ORDER_CLOSE)
            w_answer(w, k, VERDICT_ACCEPTED, NULL, NULL);
}

static inline bool w_close_sent(const struct world *w, const char *position)
{
    for (size_t k = 0; k < w->call_count; k++)
        if (w->calls[k].order.op == ORDER_CLOSE &&
            strcmp(w->calls[k].order.position, position) == 0)
            return true;
    return false;
}

#define w_said(w, kind, text) assert_non_null(strstr((w)->last[EVENT_KIND_##kind], text))
#define w_events(w, kind) ((w)->count[EVENT_KIND_##kind])

#endif
