/* SPDX-License-Identifier: MIT
 *
 * The ledger's money: marks, conversion, equity and margin.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "trade_ledger_fixture.h"

static void test_convert(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    struct err e;
    double rate, bid, ask;
    assert_int_equal(ledger_convert(l, "sim", "USD", "USD", &rate, &e), 0);
    assert_true(rate == 1.0);
    assert_int_equal(ledger_convert(l, "sim", "EUR", "USD", &rate, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.message, "EUR"));
    assert_false(ledger_rate_quote(l, "sim", "EURUSD", &bid, &ask));
    ledger_mark(l, "sim", "EURUSD", 1.10, 1.12, NULL, NULL);
    assert_true(ledger_rate_quote(l, "sim", "EURUSD", &bid, &ask));
    assert_true(bid == 1.10 && ask == 1.12);
    assert_int_equal(ledger_convert(l, "sim", "EUR", "USD", &rate, &e), 0);
    assert_true(rate == 1.10); /* received euros are sold at the bid */
    assert_int_equal(ledger_convert_cost(l, "sim", "EUR", "USD", &rate, &e), 0);
    assert_true(rate == 1.12);
    assert_int_equal(ledger_convert(l, "sim", "USD", "EUR", &rate, &e), 0);
    assert_true(rate == 1.0 / 1.12);
    assert_int_equal(ledger_convert_cost(l, "sim", "USD", "EUR", &rate, &e), 0);
    assert_true(rate == 1.0 / 1.10);
    /* Across the dollar: yen of a EURJPY position into pounds needs both legs. */
    assert_int_equal(add_instrument(l, "GBPUSD", "GBPUSD", "GBP", "USD", 5, "100000"), 0);
    assert_int_equal(ledger_convert(l, "sim", "JPY", "GBP", &rate, &e), ERR_NOTFOUND);
    ledger_mark(l, "sim", "USDJPY", 150.0, 151.0, NULL, NULL);
    assert_int_equal(ledger_convert(l, "sim", "JPY", "GBP", &rate, &e), ERR_NOTFOUND);
    ledger_mark(l, "sim", "GBPUSD", 1.25, 1.26, NULL, NULL);
    assert_int_equal(ledger_convert(l, "sim", "JPY", "GBP", &rate, &e), 0);
    assert_true(rate == (1.0 / 151.0) * (1.0 / 1.26));
    assert_int_equal(ledger_convert_cost(l, "sim", "JPY", "GBP", &rate, &e), 0);
    assert_true(rate == (1.0 / 150.0) * (1.0 / 1.25));
    /* A direct pair is preferred to the cross. */
    ledger_mark(l, "sim", "EURJPY", 160.0, 161.0, NULL, NULL);
    assert_int_equal(ledger_convert(l, "sim", "JPY", "EUR", &rate, &e), 0);
    assert_true(rate == 1.0 / 161.0);
    assert_int_equal(ledger_convert(l, "other", "JPY", "EUR", &rate, &e), ERR_NOTFOUND);
    /* A quote that cannot be one is no rate. */
    ledger_mark(l, "sim", "EURUSD", 0.0, 1.0, NULL, NULL);
    ledger_mark(l, "sim", "EURUSD", 1.2, 1.1, NULL, NULL);
    assert_true(ledger_rate_quote(l, "sim", "EURUSD", &bid, &ask) && bid == 1.10);
    ledger_free(l);
}

static void count_crossed(void *arg, const struct position *p)
{
    strcat(arg, p->id);
    strcat(arg, " ");
}

static void test_marks(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    char seen[64] = "";
    decimal equity;
    assert_int_equal(opened(l, "A1", "W1", 0, "BTCUSD.", "BUY", "0.5", "50000", "49900", "50200"),
                     0);
    assert_int_equal(opened(l, "A1", "W2", 0, "BTCUSD.", "SELL", "1", "50000", "50100", "49800"),
                     0);
    assert_int_equal(opened(l, "A2", "W3", 0, "BTCUSD.", "BUY", "1", "50000", "0", "0"), 0);
    assert_false(ledger_equity(l, 0, &equity)); /* no balance */
    assert_int_equal(balance(l, "A1", "1000"), 0);
    assert_int_equal(balance(l, "A2", "2000"), 0);
    assert_false(ledger_equity(l, 0, &equity)); /* no mark: the broker's figure */
    assert_int_equal(equity.v, dec("1000").v);

    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 50010.0, 50012.0, count_crossed, seen), 0);
    assert_int_equal(ledger_position(l, 0, "W1")->mark, 500100);
    assert_int_equal(ledger_position(l, 0, "W2")->mark, 500120);
    assert_true(ledger_equity(l, 0, &equity)); /* + 5 - 12 */
    assert_int_equal(equity.v, dec("993").v);
    assert_false(ledger_equity(l, 1, &equity)); /* no rate to EUR */
    assert_int_equal(equity.v, dec("2000").v);
    ledger_mark(l, "sim", "EURUSD", 1.25, 1.25, NULL, NULL);
    assert_true(ledger_equity(l, 1, &equity)); /* 10 USD are 8 EUR: the pair revalues */
    assert_int_equal(equity.v, dec("2008").v);
    ledger_mark(l, "sim", "EURUSD", 1.0, 1.0, NULL, NULL);
    assert_true(ledger_equity(l, 1, &equity));
    assert_int_equal(equity.v, dec("2010").v);
    assert_false(ledger_equity(l, 7, &equity));

    /* Crossings are told once: the bid reaches the buyer's stop, the ask the seller's target. */
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 49900.0, 49902.0, count_crossed, seen), 1);
    assert_string_equal(seen, "W1 ");
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 49890.0, 49892.0, count_crossed, seen), 0);
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 49799.0, 49801.0, count_crossed, seen), 0);
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 49798.0, 49800.0, count_crossed, seen), 1);
    assert_string_equal(seen, "W1 W2 ");
    /* From beyond one level to beyond the other is the same crossing; coming back ends it. */
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 50198.0, 50200.0, count_crossed, seen), 0);
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 50200.0, 50202.0, count_crossed, seen), 1);
    assert_string_equal(seen, "W1 W2 W1 ");
    assert_int_equal(ledger_mark(l, "sim", "nothing", 1.0, 2.0, count_crossed, seen), 0);
    ledger_free(l);
}

static void test_margin(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    struct err e;
    decimal m;
    assert_int_equal(ledger_margin(l, 0, &m, &e), 0);
    assert_int_equal(m.v, 0);
    assert_int_equal(opened(l, "A1", "W1", 0, "BTCUSD.", "BUY", "0.5", "50000", "0", "0"), 0);
    assert_int_equal(ledger_margin(l, 0, &m, &e), 0);
    assert_int_equal(m.v, dec("250").v);
    assert_int_equal(intent(l, 1, "A1", "open", "BTCUSD.", "BUY", "0.1", "50000"), 0);
    assert_int_equal(ledger_margin(l, 0, &m, &e), 0);
    assert_int_equal(m.v, dec("300").v); /* what is in flight binds too */
    assert_int_equal(step(l, EVENT_KIND_order_not_sent, 1, NULL), 0);
    assert_int_equal(ledger_margin(l, 0, &m, &e), 0);
    assert_int_equal(m.v, dec("250").v);
    assert_int_equal(opened(l, "A2", "W2", 0, "BTCUSD.", "BUY", "0.3", "50000", "0", "0"), 0);
    assert_int_equal(ledger_margin(l, 1, &m, &e), ERR_NOTFOUND);
    ledger_mark(l, "sim", "EURUSD", 1.25, 1.26, NULL, NULL);
    assert_int_equal(ledger_margin(l, 1, &m, &e), 0);
    assert_int_equal(m.v, dec("400").v); /* 15,000 USD / 1.25 / 30 */
    assert_int_equal(ledger_margin(l, 9, &m, &e), ERR_NOTFOUND);
    ledger_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convert),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_margin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
