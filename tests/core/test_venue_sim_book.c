/* SPDX-License-Identifier: MIT
 *
 * The simulator's book: fills, validation, margin, money to the last digit, and its ledger file as
 * the whole truth over restarts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/str.h"
#include "io/file.h"
#include "venue/sim.h"

#define MINUTE INT64_C(60000)
#define NEVER INT64_MAX

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/perigee-book-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int drop_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static decimal dec(const char *text)
{
    decimal d;
    assert_int_equal(decimal_parse(text, strlen(text), &d), 0);
    return d;
}

static struct sim *make(const struct sim_config *c)
{
    struct err e;
    struct sim *s = sim_new(c, &e);
    if (s == NULL)
        fail_msg("%s", e.message);
    return s;
}

static void advance(struct sim *s, int64_t until)
{
    struct err e;
    assert_int_equal(sim_advance(s, until, &e), 0);
}

static int add(struct sim *s, const char *id, const char *currency, int leverage, const char *money)
{
    struct err e;
    struct sim_account a = {.leverage = leverage, .balance = dec(money), .user = "a@b.c"};
    snprintf(a.id, sizeof a.id, "%s", id);
    snprintf(a.currency, sizeof a.currency, "%s", currency);
    return sim_account_add(s, &a, &e);
}

static char last_id[32];

static enum sim_reason open_at(struct sim *s, int account, enum side side, const char *volume,
                               const char *stop, const char *target)
{
    struct err e;
    enum sim_reason why;
    int rc = sim_open(s, account, "BTCUSD", side, dec(volume), dec(stop), dec(target), last_id,
                      &why, &e);
    assert_int_equal(rc, why == SIM_OK ? 0 : ERR_STATE);
    if (why != SIM_OK)
        assert_string_equal(e.message, sim_reason_text(why));
    return why;
}

/* A tape of flat minutes at given prices: the market stands where a test wants it. */
static void flat_tape(struct tape *t, const char *const *prices, size_t count)
{
    *t = (struct tape){.count = count, .timeframe = MINUTE, .hash = "00000000000000aa"};
    t->bars = calloc(count, sizeof *t->bars);
    assert_non_null(t->bars);
    for (size_t k = 0; k < count; k++) {
        decimal p = dec(prices[k]);
        t->bars[k] = (struct tape_bar){
            INT64_C(1704067200000) + (int64_t)k * MINUTE, p, p, p, p, decimal_int(100)};
    }
}

/* Bid and ask of the main symbol: a spread of 20 points around 50,000.0 is 49,999.0 / 50,001.0. */
static struct sim *flat_sim(struct tape *t, const char *const *prices, size_t count,
                            const char *data_dir)
{
    flat_tape(t, prices, count);
    return make(
        &(struct sim_config){.tape = t, .history_bars = 1, .spread = 20, .data_dir = data_dir});
}

static const char *const steady[] = {"50000", "50000", "50000", "50000"};

static void test_fills(void **state)
{
    (void)state;
    struct tape t;
    struct err e;
    enum sim_reason why;
    struct sim_closed c;
    struct sim *s = flat_sim(&t, steady, 4, NULL);
    int a = add(s, "1001", "USD", 100, "10000");
    assert_int_equal(a, 0);
    assert_int_equal(add(s, "1001", "USD", 100, "5"), 0); /* keeps its book */
    assert_int_equal(add(s, "1001", "EUR", 100, "5"), ERR_EXISTS);
    assert_int_equal(add(s, "1002", "XYZ", 100, "5"), ERR_INPUT);
    assert_int_equal(add(s, "10,02", "USD", 100, "5"), ERR_INPUT);
    assert_int_equal(add(s, "1002", "USD", 0, "5"), ERR_INPUT);
    assert_int_equal(sim_account_at(s, 0)->balance.v, dec("10000").v);

    assert_int_equal(open_at(s, a, SIDE_BUY, "0.5", "49900", "50200"), SIM_OK);
    const struct sim_position *p = sim_position(s, a, last_id);
    assert_non_null(p);
    assert_int_equal(strlen(p->id), 17);
    assert_int_equal(p->id[0], 'W');
    assert_int_equal(p->price.v, dec("50001").v);
    assert_int_equal(p->stop.v, dec("49900").v);
    char buy[32];
    strcpy(buy, last_id);
    assert_int_equal(open_at(s, a, SIDE_SELL, "0.2", "0", "0"), SIM_OK); /* hedged */
    assert_int_equal(sim_position(s, a, last_id)->price.v, dec("49999").v);
    assert_string_not_equal(buy, last_id);

    struct sim_money m;
    assert_int_equal(sim_money(s, a, &m), 0);
    assert_int_equal(m.profit.v, dec("-1.4").v); /* -2 * 0.7 */
    assert_int_equal(m.equity.v, dec("9998.6").v);
    assert_int_equal(m.margin.v, dec("350.003").v); /* (0.5 * 50001 + 0.2 * 49999) / 100 */
    assert_int_equal(m.free_margin.v, dec("9648.597").v);
    assert_int_equal(m.level.v, dec("2856.71837098").v);

    assert_int_equal(sim_close(s, a, buy, "BTCUSD", SIDE_BUY, true, dec("0.2"), &c, &why, &e), 0);
    assert_int_equal(c.profit.v, dec("-0.4").v);
    assert_true(c.partial);
    char uid[48];
    snprintf(uid, sizeof uid, "%s_close1", buy);
    assert_string_equal(c.uid, uid);
    assert_int_equal(sim_position(s, a, buy)->volume.v, dec("0.3").v);
    assert_int_equal(sim_close(s, a, buy, "BTCUSD", SIDE_BUY, false, dec("0.3"), &c, &why, &e), 0);
    assert_false(c.partial);
    snprintf(uid, sizeof uid, "%s_close2", buy);
    assert_string_equal(c.uid, uid);
    assert_string_equal(c.reason, "client");
    assert_int_equal(c.close_price.v, dec("49999").v);
    assert_int_equal(c.balance.v, dec("9999").v);
    assert_null(sim_position(s, a, buy));
    assert_int_equal(sim_account_at(s, a)->positions, 1);
    sim_free(s);
    free(t.bars);
}

static void test_validation(void **state)
{
    (void)state;
    struct tape t;
    struct err e;
    enum sim_reason why;
    char id[32];
    struct sim *s = flat_sim(&t, steady, 4, NULL);
    int a = add(s, "1001", "USD", 100, "1000"), b = add(s, "1002", "USD", 100, "1000");
    const decimal none = {0};
    assert_int_equal(sim_open(s, a, "ETHUSD", SIDE_BUY, dec("1"), none, none, id, &why, &e),
                     ERR_STATE);
    assert_int_equal(why, SIM_UNKNOWN_INSTRUMENT);
    assert_string_equal(sim_reason_code(why), "UNKNOWN_INSTRUMENT");
    assert_int_equal(sim_open(s, 9, "BTCUSD", SIDE_BUY, dec("1"), none, none, id, &why, &e),
                     ERR_NOTFOUND);
    const char *volumes[] = {"0", "-1", "0.009", "0.015", "100.01"};
    for (size_t k = 0; k < 5; k++)
        assert_int_equal(open_at(s, a, SIDE_BUY, volumes[k], "0", "0"), SIM_VOLUME);
    /* A lot binds 500.01: 1.99 lots fit into 1,000, two do not. */
    assert_int_equal(open_at(s, a, SIDE_BUY, "2", "0", "0"), SIM_MARGIN);
    /* Stops against the closing price: bid 49,999.0 for a buyer, ask 50,001.0 for a seller. */
    assert_int_equal(open_at(s, a, SIDE_BUY, "0.01", "49999", "0"), SIM_STOPS_SIDE);
    assert_int_equal(open_at(s, a, SIDE_BUY, "0.01", "49998.1", "0"), SIM_STOPS_LEVEL);
    assert_int_equal(open_at(s, a, SIDE_BUY, "0.01", "0", "49999"), SIM_STOPS_SIDE);
    assert_int_equal(open_at(s, a, SIDE_BUY, "0.01", "0", "49999.9"), SIM_STOPS_LEVEL);
    assert_int_equal(open_at(s, a, SIDE_BUY, "0.01", "-1", "0"), SIM_STOPS_SIDE);
    assert_int_equal(open_at(s, a, SIDE_SELL, "0.01", "50001", "0"), SIM_STOPS_SIDE);
    assert_int_equal(open_at(s, a, SIDE_SELL, "0.01", "50001.9", "0"), SIM_STOPS_LEVEL);
    assert_int_equal(open_at(s, a, SIDE_SELL, "0.01", "0", "50001"), SIM_STOPS_SIDE);
    assert_int_equal(sim_account_at(s, a)->positions, 0);
    assert_int_equal(open_at(s, a, SIDE_BUY, "0.01", "49998", "50000"), SIM_OK);
    assert_int_equal(open_at(s, a, SIDE_BUY, "1.97", "0", "0"), SIM_OK);
    assert_int_equal(open_at(s, a, SIDE_BUY, "0.03", "0", "0"), SIM_MARGIN);
    strcpy(id, last_id);
#define REFUSED(call, reason)                                                                      \
    do {                                                                                           \
        assert_int_equal(call, ERR_STATE);                                                         \
        assert_int_equal(why, reason);                                                             \
    } while (0)
    REFUSED(sim_edit(s, a, "W1", "BTCUSD", SIDE_BUY, none, none, &why, &e), SIM_UNKNOWN_ID);
    REFUSED(sim_edit(s, b, id, "BTCUSD", SIDE_BUY, none, none, &why, &e), SIM_UNKNOWN_ID);
    REFUSED(sim_edit(s, a, id, "BTCUSD", SIDE_SELL, none, none, &why, &e), SIM_SIDE);
    REFUSED(sim_edit(s, a, id, "EURUSD", SIDE_BUY, none, none, &why, &e), SIM_INSTRUMENT);
    REFUSED(sim_edit(s, a, id, "BTCUSD", SIDE_BUY, dec("50500"), none, &why, &e), SIM_STOPS_SIDE);
    REFUSED(sim_close(s, a, id, "BTCUSD", SIDE_SELL, false, none, NULL, &why, &e), SIM_SIDE);
    REFUSED(sim_close(s, a, "", "BTCUSD", SIDE_BUY, false, none, NULL, &why, &e), SIM_UNKNOWN_ID);
    REFUSED(sim_close(s, a, id, "BTCUSD", SIDE_BUY, false, dec("1"), NULL, &why, &e), SIM_VOLUME);
    REFUSED(sim_close(s, a, id, "BTCUSD", SIDE_BUY, true, dec("1.97"), NULL, &why, &e),
            SIM_PARTIAL);
    REFUSED(sim_close(s, a, id, "BTCUSD", SIDE_BUY, true, dec("5"), NULL, &why, &e), SIM_PARTIAL);
    REFUSED(sim_close(s, a, id, "BTCUSD", SIDE_BUY, true, dec("0.005"), NULL, &why, &e),
            SIM_VOLUME);
    REFUSED(sim_close(s, a, id, "BTCUSD", SIDE_BUY, true, none, NULL, &why, &e), SIM_VOLUME);
#undef REFUSED
    assert_int_equal(sim_edit(s, a, id, "BTCUSD", SIDE_BUY, dec("49000"), dec("51000"), &why, &e),
                     0);
    assert_int_equal(sim_position(s, a, id)->target.v, dec("51000").v);
    assert_int_equal(sim_edit(s, a, id, "BTCUSD", SIDE_BUY, none, none, &why, &e), 0);
    assert_int_equal(sim_position(s, a, id)->stop.v, 0);
    assert_int_equal(sim_close(s, a, id, "BTCUSD", SIDE_BUY, false, none, NULL, &why, &e), 0);
    assert_int_equal(sim_close(s, a, id, "BTCUSD", SIDE_BUY, false, none, NULL, &why, &e),
                     ERR_STATE); /* a second full close is refused */
    assert_int_equal(why, SIM_UNKNOWN_ID);
    sim_free(s);
    free(t.bars);
}

static int told;
static struct sim_closed newest;

static void on_closed(void *arg, const struct sim_closed *c)
{
    (void)arg;
    told++;
    newest = *c;
}

static void test_stops_and_targets(void **state)
{
    (void)state;
    static const char *const prices[] = {"50000", "50000", "49900", "50150", "50400", "50400"};
    struct tape t;
    struct err e;
    enum sim_reason why;
    struct sim *s = flat_sim(&t, prices, 6, NULL);
    struct sim_feed feed = {.on_closed = on_closed};
    sim_listen(s, &feed);
    told = 0;
    int a = add(s, "1", "USD", 100, "100000");
    assert_int_equal(open_at(s, a, SIDE_BUY, "1", "49950", "0"), SIM_OK);     /* gap: bid 49,899 */
    assert_int_equal(open_at(s, a, SIDE_BUY, "1", "49899", "50149"), SIM_OK); /* touched exactly */
    assert_int_equal(open_at(s, a, SIDE_BUY, "1", "0", "50100"), SIM_OK);  /* target, jumped over */
    assert_int_equal(open_at(s, a, SIDE_SELL, "1", "50200", "0"), SIM_OK); /* gap: ask 50,401 */
    assert_int_equal(open_at(s, a, SIDE_SELL, "1", "0", "49901"), SIM_OK); /* ask touches it */
    assert_int_equal(open_at(s, a, SIDE_SELL, "1", "0", "49900.9"), SIM_OK); /* and not this */
    char left[32];
    strcpy(left, last_id);
    advance(s, sim_end(s));
    const char *expected[][4] = {{"stop", "49899", "-102", "BUY"},
                                 {"stop", "49899", "-102", "BUY"},
                                 {"target", "49901", "98", "SELL"},
                                 {"target", "50100", "99", "BUY"},
                                 {"stop", "50401", "-402", "SELL"}};
    size_t cursor = 0, n = 0;
    for (const struct sim_closed *c; (c = sim_closed_next(s, a, 0, NEVER, &cursor)) != NULL; n++) {
        assert_true(n < 5);
        assert_string_equal(c->reason, expected[n][0]);
        assert_int_equal(c->close_price.v, dec(expected[n][1]).v);
        assert_int_equal(c->profit.v, dec(expected[n][2]).v);
        assert_string_equal(side_name(c->side), expected[n][3]);
        assert_true(c->closed_ms >= c->opened_ms);
    }
    assert_int_equal(n, 5);
    assert_int_equal(told, 5);
    assert_string_equal(newest.reason, "stop");
    /* The filter: from and to are inclusive. */
    cursor = 0;
    assert_non_null(sim_closed_next(s, a, newest.closed_ms, newest.closed_ms, &cursor));
    assert_null(sim_closed_next(s, a, newest.closed_ms, newest.closed_ms, &cursor));
    cursor = 0;
    assert_null(sim_closed_next(s, a, newest.closed_ms + 1, NEVER, &cursor));
    cursor = 0;
    assert_null(sim_closed_next(s, a, 0, 1, &cursor));

    /* The market has ended: what is open can be closed, nothing be opened. */
    assert_true(sim_ended(s));
    assert_int_equal(open_at(s, a, SIDE_BUY, "1", "0", "0"), SIM_NO_QUOTE);
    assert_int_equal(sim_close(s, a, left, "BTCUSD", SIDE_SELL, false, dec("0"), NULL, &why, &e),
                     0);
    assert_int_equal(sim_account_at(s, a)->balance.v, dec("99189").v); /* -409 - 402 */
    sim_free(s);
    free(t.bars);
}

/* Profit in dollars on a euro account, in yen on a dollar account; commission of both sides. */
static void test_currencies(void **state)
{
    (void)state;
    struct tape t;
    struct err e;
    enum sim_reason why;
    struct sim_closed c;
    struct sim_quote q;
    flat_tape(&t, steady, 4);
    struct sim_config config = {.tape = &t, .history_bars = 1, .spread = 20};
    sim_default_main(&config.main);
    config.main.commission = dec("1.5");
    struct sim *s = make(&config);
    int eur = add(s, "1", "EUR", 50, "10000"), jpy = add(s, "2", "JPY", 50, "1000000");
    int usd = add(s, "3", "USD", 200, "10000");
    assert_int_equal(open_at(s, eur, SIDE_BUY, "1", "0", "0"), SIM_OK);
    assert_true(sim_quote(s, sim_symbol(s, "EURUSD"), &q));
    decimal want, margin;
    /* A loss of 2 dollars is bought at the bid of EURUSD: the dearer way. */
    decimal_div(dec("-2"), q.bid, DECIMAL_FLOOR, &want);
    struct sim_money m;
    assert_int_equal(sim_money(s, eur, &m), 0);
    assert_int_equal(m.profit.v, want.v);
    assert_int_equal(m.net_profit.v, want.v - dec("3").v);
    assert_int_equal(m.equity.v, dec("9997").v + want.v);
    decimal_div(dec("1000.02"), q.bid, DECIMAL_CEIL, &margin); /* 50,001 / 50 */
    assert_int_equal(m.margin.v, margin.v);
    assert_int_equal(sim_close(s, eur, last_id, "BTCUSD", SIDE_BUY, false, dec("1"), &c, &why, &e),
                     0);
    decimal_to_places(want, 2, DECIMAL_HALF_EVEN, &want);
    assert_int_equal(c.profit.v, want.v);
    assert_int_equal(c.commission.v, dec("-3").v);
    assert_int_equal(sim_account_at(s, eur)->balance.v, dec("9997").v + want.v);

    assert_int_equal(open_at(s, jpy, SIDE_SELL, "0.1", "0", "0"), SIM_OK);
    assert_true(sim_quote(s, sim_symbol(s, "USDJPY"), &q));
    assert_int_equal(sim_money(s, jpy, &m), 0);
    decimal_mul(dec("-0.2"), q.ask, DECIMAL_FLOOR, &want);
    assert_int_equal(m.profit.v, want.v);

    /* A pair is traded like the main symbol; the account's leverage alone counts. */
    char id[32];
    assert_true(sim_quote(s, sim_symbol(s, "USDCHF"), &q));
    assert_int_equal(
        sim_open(s, usd, "USDCHF", SIDE_BUY, dec("0.1"), dec("0"), dec("0"), id, &why, &e), 0);
    assert_int_equal(sim_position(s, usd, id)->price.v, q.ask.v);
    decimal francs, spread;
    decimal_sub(q.bid, q.ask, &spread);
    decimal_mul(spread, decimal_int(10000), DECIMAL_FLOOR, &francs);
    decimal_div(francs, q.bid, DECIMAL_FLOOR, &want);
    assert_int_equal(sim_money(s, usd, &m), 0);
    assert_int_equal(m.profit.v, want.v);
    sim_free(s);
    free(t.bars);
}

/* All of the book as text. */
static void dump(const struct sim *s, struct str *out)
{
    for (int k = 0; k < sim_account_count(s); k++) {
        const struct sim_account *a = sim_account_at(s, k);
        struct sim_money m;
        assert_int_equal(sim_money(s, k, &m), 0);
        str_addf(out, "%s %s %s %d %" PRId64 " %u %" PRId64 " %" PRId64 "\n", a->id, a->user,
                 a->currency, a->leverage, a->balance.v, a->positions, m.equity.v, m.margin.v);
        size_t cursor = 0;
        for (const struct sim_closed *c; (c = sim_closed_next(s, k, 0, NEVER, &cursor)) != NULL;)
            str_addf(out,
                     "%s %s %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s %d %" PRId64
                     " %" PRId64 " %s\n",
                     c->uid, c->order, c->side, c->volume.v, c->profit.v, c->balance.v,
                     c->close_price.v, c->reason, c->partial, c->opened_ms, c->closed_ms, c->id);
    }
    size_t cursor = 0;
    for (const struct sim_position *p; (p = sim_position_next(s, -1, &cursor)) != NULL;)
        str_addf(out,
                 "%s %d %d %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %u\n",
                 p->id, p->account, p->symbol, p->side, p->volume.v, p->price.v, p->stop.v,
                 p->target.v, p->opened_ms, p->closes);
}

static decimal away(decimal price, int64_t tenths)
{
    return decimal_raw(price.v / (DECIMAL_ONE / 10) * (DECIMAL_ONE / 10) +
                       tenths * (DECIMAL_ONE / 10));
}

/* A busy hour of all kinds of orders on four accounts. */
static void trade(struct sim *s, struct rng *r, int steps)
{
    for (int k = 0; k < steps; k++) {
        struct err e;
        enum sim_reason why;
        struct sim_quote q;
        char id[32];
        advance(s, sim_now(s) + rng_range(r, 1, 20000));
        assert_true(sim_quote(s, 0, &q));
        int account = (int)rng_range(r, 0, 3);
        size_t cursor = 0;
        const struct sim_position *p = sim_position_next(s, account, &cursor);
        enum side side = rng_range(r, 0, 1) ? SIDE_BUY : SIDE_SELL;
        int64_t stop = rng_range(r, 60, 600) * -side, target = rng_range(r, 60, 900) * side;
        int rc;
        switch (p == NULL ? 0 : rng_range(r, 0, 4)) {
        case 0:
        case 1:
            rc = sim_open(s, account, "BTCUSD", side,
                          decimal_raw(rng_range(r, 1, 30) * (DECIMAL_ONE / 100)),
                          away(side == SIDE_BUY ? q.bid : q.ask, stop),
                          away(side == SIDE_BUY ? q.bid : q.ask, target), id, &why, &e);
            break;
        case 2:
            rc = sim_edit(s, account, p->id, "BTCUSD", p->side,
                          away(p->side == SIDE_BUY ? q.bid : q.ask, -300 * p->side), dec("0"), &why,
                          &e);
            break;
        case 3:
            rc = sim_close(s, account, p->id, "BTCUSD", p->side, true, dec("0.01"), NULL, &why, &e);
            break;
        default:
            rc = sim_close(s, account, p->id, "BTCUSD", p->side, false, p->volume, NULL, &why, &e);
            break;
        }
        assert_true(rc == 0 || rc == ERR_STATE);
    }
}

static struct sim *trading_sim(void)
{
    struct sim *s = make(&(struct sim_config){.seed = 31, .data_dir = folder, .history_bars = 30});
    assert_int_equal(add(s, "A", "USD", 100, "10000"), 0);
    assert_int_equal(add(s, "B", "EUR", 30, "5000.55"), 1);
    assert_int_equal(add(s, "C", "JPY", 500, "900000"), 2);
    assert_int_equal(add(s, "D", "GBP", 100, "25000"), 3);
    return s;
}

static void read_ledger(struct str *text)
{
    char path[128];
    struct err e;
    snprintf(path, sizeof path, "%s/sim/ledger.csv", folder);
    str_init(text);
    assert_int_equal(file_read_all(path, text, 1 << 24, &e), 0);
}

/* Reads field n of a line. */
static void field(const char *line, int n, char *out, size_t size)
{
    while (n-- > 0)
        line = strchr(line, ',') + 1;
    size_t len = strcspn(line, ",\n");
    assert_true(len < size);
    memcpy(out, line, len);
    out[len] = '\0';
}

/* Balances are the deposits and the money of the rows, to the last digit; each row has the balance
 * after it. Read by means of its own, not by the simulator's reader. */
static void check_ledger(const struct sim *s)
{
    struct str text;
    int64_t balances[4] = {0};
    long rows = 0, closes = 0, stops = 0;
    read_ledger(&text);
    assert_int_equal(strncmp(text.p,
                             "seq,time,account,op,position,uid,symbol,side,volume,price,stop,"
                             "target,open_price,profit,commission,swap,balance,reason\n",
                             118),
                     0);
    for (const char *line = strchr(text.p, '\n') + 1; *line != '\0';
         line = strchr(line, '\n') + 1) {
        char account[32], op[32], number[40], reason[100];
        field(line, 0, number, sizeof number);
        assert_int_equal(atol(number), ++rows);
        field(line, 2, account, sizeof account);
        field(line, 3, op, sizeof op);
        field(line, 17, reason, sizeof reason);
        int64_t *balance = &balances[account[0] - 'A'];
        for (int k = 13; k <= 15; k++) {
            field(line, k, number, sizeof number);
            *balance += dec(number).v;
        }
        field(line, 16, number, sizeof number);
        if (strcmp(op, "account") == 0)
            *balance = dec(number).v;
        assert_int_equal(*balance, dec(number).v);
        closes += strncmp(op, "close", 5) == 0;
        stops += strcmp(reason, "stop") == 0 || strcmp(reason, "target") == 0;
    }
    for (int k = 0; k < 4; k++)
        assert_int_equal(sim_account_at(s, k)->balance.v, balances[k]);
    assert_true(closes > 50 && stops > 20);
    str_fini(&text);
}

static void test_ledger_is_the_book(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 8);
    struct sim *s = trading_sim();
    for (int round = 0; round < 5; round++) {
        struct str before, after;
        str_init(&before);
        str_init(&after);
        trade(s, &r, 80);
        int64_t now = sim_now(s);
        dump(s, &before);
        sim_free(s);
        s = trading_sim();
        assert_null(sim_report(s));
        assert_int_equal(sim_now(s), now);
        dump(s, &after);
        assert_int_equal(before.len, after.len);
        assert_memory_equal(before.p, after.p, before.len);
        str_fini(&before);
        str_fini(&after);
    }
    check_ledger(s);
    sim_free(s);
}

/* A crash: the time that was saved is older than the newest row, and the last line is torn. */
static void test_torn_line(void **state)
{
    (void)state;
    struct rng r;
    struct err e;
    rng_seed(&r, 9);
    struct sim *s = trading_sim();
    trade(s, &r, 60);
    sim_free(s);
    struct str whole;
    read_ledger(&whole);
    char path[128], saved[128];
    snprintf(path, sizeof path, "%s/sim/ledger.csv", folder);
    snprintf(saved, sizeof saved, "%s/sim/state", folder);
    size_t last = whole.len - 1;
    while (whole.p[last - 1] != '\n')
        last--;
    struct str kept, again;
    str_init(&kept);
    for (size_t cut = whole.len - 1; cut > last; cut -= 9 < cut - last ? 9 : cut - last) {
        assert_int_equal(file_replace(path, whole.p, cut, 0600, &e), 0);
        assert_int_equal(unlink(saved), 0);
        s = trading_sim();
        if (cut > last)
            assert_non_null(strstr(sim_report(s), "torn"));
        struct str text;
        read_ledger(&text);
        assert_int_equal(text.len, last); /* cut back to whole lines */
        str_fini(&text);
        char line[64];
        size_t at = last - 1;
        while (whole.p[at - 1] != '\n')
            at--;
        field(whole.p + at, 1, line, sizeof line);
        int64_t newest_ms;
        assert_int_equal(clock_iso_parse(line, &newest_ms), 0);
        assert_int_equal(sim_now(s), newest_ms); /* never behind the newest row */
        str_init(&again);
        dump(s, &again);
        if (kept.len == 0) {
            kept = again;
        } else {
            assert_string_equal(kept.p, again.p);
            str_fini(&again);
        }
        sim_free(s);
    }
    assert_true(kept.len > 0);
    str_fini(&kept);
    /* Goes on after it, and a further start agrees. */
    s = trading_sim();
    trade(s, &r, 30);
    sim_free(s);
    s = trading_sim();
    sim_free(s);
    str_fini(&whole);
}

static void spoil(const char *text, size_t n, const char *what)
{
    char path[128];
    struct err e;
    snprintf(path, sizeof path, "%s/sim/ledger.csv", folder);
    assert_int_equal(file_replace(path, text, n, 0600, &e), 0);
    assert_null(
        sim_new(&(struct sim_config){.seed = 31, .data_dir = folder, .history_bars = 30}, &e));
    assert_int_equal(e.code, ERR_INPUT);
    if (strstr(e.message, what) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", e.message, what);
}

/* A ledger that was edited is refused, with its line. */
static void test_broken_ledger(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 10);
    struct sim *s = trading_sim();
    trade(s, &r, 60);
    sim_free(s);
    struct str whole, copy;
    read_ledger(&whole);
    str_init(&copy);
    const char *second = strchr(strchr(whole.p, '\n') + 1, '\n') + 1;
    const char *third = strchr(second, '\n') + 1;
    /* a row is missing */
    str_add(&copy, whole.p, (size_t)(second - whole.p));
    str_addz(&copy, third);
    spoil(copy.p, copy.len, "ledger.csv:3: rows are missing");
    /* not a row */
    str_clear(&copy);
    str_add(&copy, whole.p, (size_t)(second - whole.p));
    str_addz(&copy, "what is this\n");
    spoil(copy.p, copy.len, "ledger.csv:3: not a row");
    /* another header */
    str_clear(&copy);
    str_addz(&copy, "seq,time\n");
    spoil(copy.p, copy.len, "ledger.csv:1");
    /* a balance that does not follow */
    str_clear(&copy);
    const char *close = strstr(whole.p, ",close,");
    assert_non_null(close);
    const char *end = strchr(close, '\n');
    str_add(&copy, whole.p, (size_t)(end - whole.p));
    while (copy.p[copy.len - 1] != ',')
        copy.len--;
    copy.p[copy.len - 2] = copy.p[copy.len - 2] == '1' ? '2' : '1';
    str_addz(&copy, "client\n");
    spoil(copy.p, copy.len, "the balance");
    str_fini(&copy);
    str_fini(&whole);
}

/* Nothing is executed that could not be written down. */
static void test_unwritable_ledger(void **state)
{
    (void)state;
    struct sim *s = trading_sim();
    struct err e;
    enum sim_reason why;
    char id[32];
    /* The file's descriptor is replaced by one that cannot be written to. */
    char link[64], target[256];
    int found = -1;
    for (int fd = 3; fd < 64 && found < 0; fd++) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        if (n > 0) {
            target[n] = '\0';
            if (strstr(target, "ledger.csv") != NULL)
                found = fd;
        }
    }
    assert_true(found >= 0);
    FILE *null = fopen("/dev/null", "r");
    assert_non_null(null);
    int kept = dup(found);
    assert_int_equal(dup2(fileno(null), found), found);
    int rc = sim_open(s, 0, "BTCUSD", SIDE_BUY, dec("0.1"), dec("0"), dec("0"), id, &why, &e);
    assert_int_equal(rc, ERR_IO);
    assert_int_equal(sim_account_at(s, 0)->positions, 0);
    assert_int_equal(dup2(kept, found), found);
    assert_int_equal(
        sim_open(s, 0, "BTCUSD", SIDE_BUY, dec("0.1"), dec("0"), dec("0"), id, &why, &e), 0);
    close(kept);
    fclose(null);
    sim_free(s);
    s = trading_sim();
    assert_int_equal(sim_account_at(s, 0)->positions, 1);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills),
        cmocka_unit_test(test_validation),
        cmocka_unit_test(test_stops_and_targets),
        cmocka_unit_test(test_currencies),
        cmocka_unit_test_setup_teardown(test_ledger_is_the_book, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_torn_line, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_broken_ledger, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_unwritable_ledger, make_folder, drop_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
