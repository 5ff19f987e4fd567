/* SPDX-License-Identifier: MIT
 *
 * The simulator's book: fills, validation, margin, and money to the last digit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "venue_sim_fixture.h"

static char last_id[32];

static enum sim_reason open_at(struct sim *s, int account, enum side side, const char *volume,
                               const char *stop, const char *target)
{
    struct err e;
    enum sim_reason why;
    int rc = sim_open(s, SIM_CLIENT, account, "BTCUSD", side, dec(volume), dec(stop), dec(target),
                      last_id, &why, &e);
    assert_int_equal(rc, why == SIM_OK ? 0 : ERR_STATE);
    if (why != SIM_OK)
        assert_string_equal(e.message, sim_reason_text(why));
    return why;
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

    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, buy, "BTCUSD", SIDE_BUY, true, dec("0.2"), &c, &why, &e), 0);
    assert_int_equal(c.profit.v, dec("-0.4").v);
    assert_true(c.partial);
    char uid[48];
    snprintf(uid, sizeof uid, "%s_close1", buy);
    assert_string_equal(c.uid, uid);
    assert_int_equal(sim_position(s, a, buy)->volume.v, dec("0.3").v);
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, buy, "BTCUSD", SIDE_BUY, false, dec("0.3"), &c, &why, &e), 0);
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
    assert_int_equal(
        sim_open(s, SIM_CLIENT, a, "ETHUSD", SIDE_BUY, dec("1"), none, none, id, &why, &e),
        ERR_STATE);
    assert_int_equal(why, SIM_UNKNOWN_INSTRUMENT);
    assert_string_equal(sim_reason_code(why), "UNKNOWN_INSTRUMENT");
    assert_int_equal(
        sim_open(s, SIM_CLIENT, 9, "BTCUSD", SIDE_BUY, dec("1"), none, none, id, &why, &e),
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
    REFUSED(sim_edit(s, SIM_CLIENT, a, "W1", "BTCUSD", SIDE_BUY, none, none, &why, &e),
            SIM_UNKNOWN_ID);
    REFUSED(sim_edit(s, SIM_CLIENT, b, id, "BTCUSD", SIDE_BUY, none, none, &why, &e),
            SIM_UNKNOWN_ID);
    REFUSED(sim_edit(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_SELL, none, none, &why, &e), SIM_SIDE);
    REFUSED(sim_edit(s, SIM_CLIENT, a, id, "EURUSD", SIDE_BUY, none, none, &why, &e),
            SIM_INSTRUMENT);
    REFUSED(sim_edit(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, dec("50500"), none, &why, &e),
            SIM_STOPS_SIDE);
    REFUSED(sim_close(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_SELL, false, none, NULL, &why, &e),
            SIM_SIDE);
    REFUSED(sim_close(s, SIM_CLIENT, a, "", "BTCUSD", SIDE_BUY, false, none, NULL, &why, &e),
            SIM_UNKNOWN_ID);
    REFUSED(sim_close(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, false, dec("1"), NULL, &why, &e),
            SIM_VOLUME);
    REFUSED(sim_close(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, true, dec("1.97"), NULL, &why, &e),
            SIM_PARTIAL);
    REFUSED(sim_close(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, true, dec("5"), NULL, &why, &e),
            SIM_PARTIAL);
    REFUSED(sim_close(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, true, dec("0.005"), NULL, &why, &e),
            SIM_VOLUME);
    REFUSED(sim_close(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, true, none, NULL, &why, &e),
            SIM_VOLUME);
#undef REFUSED
    assert_int_equal(
        sim_edit(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, dec("49000"), dec("51000"), &why, &e),
        0);
    assert_int_equal(sim_position(s, a, id)->target.v, dec("51000").v);
    assert_int_equal(sim_edit(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, none, none, &why, &e), 0);
    assert_int_equal(sim_position(s, a, id)->stop.v, 0);
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, false, none, NULL, &why, &e), 0);
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, false, none, NULL, &why, &e),
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
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, left, "BTCUSD", SIDE_SELL, false, dec("0"), NULL, &why, &e), 0);
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
    assert_int_equal(
        sim_close(s, SIM_CLIENT, eur, last_id, "BTCUSD", SIDE_BUY, false, dec("1"), &c, &why, &e),
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
    assert_int_equal(sim_open(s, SIM_CLIENT, usd, "USDCHF", SIDE_BUY, dec("0.1"), dec("0"),
                              dec("0"), id, &why, &e),
                     0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills),
        cmocka_unit_test(test_validation),
        cmocka_unit_test(test_stops_and_targets),
        cmocka_unit_test(test_currencies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
