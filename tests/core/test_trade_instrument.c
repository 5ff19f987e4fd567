/* SPDX-License-Identifier: MIT
 *
 * Instruments: field checks, points, rounding towards less risk, volumes and money.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "trade/instrument.h"

static decimal dec(const char *text)
{
    decimal d;
    assert_int_equal(decimal_parse(text, strlen(text), &d), 0);
    return d;
}

static struct instrument make(const char *symbol, const char *base, const char *quote, int digits,
                              const char *contract)
{
    struct instrument i = {.venue = "sim", .price_digits = digits, .volume_digits = 2};
    strcpy(i.symbol, symbol);
    strcpy(i.canonical, symbol);
    strcpy(i.base, base);
    strcpy(i.quote, quote);
    i.volume_min = dec("0.01");
    i.volume_max = dec("100");
    i.volume_step = dec("0.01");
    i.contract_size = dec(contract);
    return i;
}

static void test_sides(void **state)
{
    (void)state;
    enum side s = SIDE_SELL;
    assert_int_equal(side_parse("buy", &s), 0);
    assert_int_equal(s, SIDE_BUY);
    assert_int_equal(side_parse("Short", &s), 0);
    assert_int_equal(s, SIDE_SELL);
    assert_int_equal(side_parse("LONG", &s), 0);
    assert_int_equal(s, SIDE_BUY);
    assert_int_equal(side_parse("BUYER", &s), ERR_INPUT);
    assert_int_equal(side_parse("", &s), ERR_INPUT);
    assert_int_equal(side_parse(NULL, &s), ERR_INPUT);
    assert_string_equal(side_name(SIDE_BUY), "BUY");
    assert_string_equal(side_name(SIDE_SELL), "SELL");
}

/* Each broken field is refused, and the message names it. */
static void test_check(void **state)
{
    (void)state;
    struct err e;
    struct instrument good = make("BTCUSD", "BTC", "USD", 1, "1");
    assert_int_equal(instrument_check(&good, &e), 0);
#define BROKEN(name, change)                                                                       \
    do {                                                                                           \
        struct instrument i = good;                                                                \
        change;                                                                                    \
        assert_int_equal(instrument_check(&i, &e), ERR_INPUT);                                     \
        assert_non_null(strstr(e.message, name));                                                  \
    } while (0)
    BROKEN("venue", i.venue[0] = '\0');
    BROKEN("symbol", i.symbol[0] = '\0');
    BROKEN("canonical", i.canonical[0] = '\0');
    BROKEN("base", i.base[0] = '\0');
    BROKEN("quote", i.quote[0] = '\0');
    BROKEN("price_digits", i.price_digits = 9);
    BROKEN("price_digits", i.price_digits = -1);
    BROKEN("volume_digits", i.volume_digits = 9);
    BROKEN("volume_step", i.volume_step = dec("0"));
    BROKEN("volume_step", i.volume_step = dec("0.001"));
    BROKEN("volume_min", i.volume_min = dec("0"));
    BROKEN("volume_max", i.volume_max = dec("0.001"));
    BROKEN("contract_size", i.contract_size = dec("0"));
    BROKEN("leverage", i.leverage = -1);
    BROKEN("stops_level", i.stops_level = -1);
    BROKEN("commission", i.commission = dec("-0.01"));
#undef BROKEN
}

static void test_points(void **state)
{
    (void)state;
    struct instrument i = make("BTCUSD", "BTC", "USD", 1, "1");
    int64_t p;
    assert_int_equal(instrument_to_points(&i, dec("50000.1"), DECIMAL_HALF_EVEN, &p), 0);
    assert_int_equal(p, 500001);
    assert_int_equal(instrument_to_points(&i, dec("50000.19"), DECIMAL_FLOOR, &p), 0);
    assert_int_equal(p, 500001);
    assert_int_equal(instrument_to_points(&i, dec("50000.11"), DECIMAL_CEIL, &p), 0);
    assert_int_equal(p, 500002);
    assert_int_equal(instrument_price(&i, 500001).v, dec("50000.1").v);
    /* Out of range is held at the end, never wrapped. */
    assert_true(instrument_price(&i, INT64_MAX).v == INT64_MAX);
    assert_true(instrument_price(&i, INT64_MIN).v == INT64_MIN);
    assert_int_equal(instrument_points_of_double(&i, 1e30, DECIMAL_FLOOR, &p), ERR_OVERFLOW);
    assert_int_equal(instrument_points_of_double(&i, (double)NAN, DECIMAL_FLOOR, &p), ERR_OVERFLOW);
    for (int digits = 0; digits <= 8; digits++) {
        i.price_digits = digits;
        for (int64_t k = -100000; k <= 100000; k += 97) {
            /* A price on the grid survives the double and every mode. */
            double x = decimal_to_double(instrument_price(&i, k));
            assert_int_equal(instrument_points_of_double(&i, x, DECIMAL_FLOOR, &p), 0);
            assert_int_equal(p, k);
            assert_int_equal(instrument_points_of_double(&i, x, DECIMAL_CEIL, &p), 0);
            assert_int_equal(p, k);
        }
    }
}

static void test_stop_and_target(void **state)
{
    (void)state;
    struct instrument i = make("BTCUSD", "BTC", "USD", 1, "1");
    int64_t p;
    instrument_stop_points(&i, SIDE_BUY, 49900.12, &p); /* below the price: up */
    assert_int_equal(p, 499002);
    instrument_stop_points(&i, SIDE_SELL, 50100.18, &p); /* above the price: down */
    assert_int_equal(p, 501001);
    instrument_target_points(&i, SIDE_BUY, 50200.18, &p);
    assert_int_equal(p, 502001);
    instrument_target_points(&i, SIDE_SELL, 49800.12, &p);
    assert_int_equal(p, 498002);
}

static void test_volume(void **state)
{
    (void)state;
    struct instrument i = make("BTCUSD", "BTC", "USD", 1, "1");
    assert_int_equal(instrument_volume(&i, dec("0.0199")).v, dec("0.01").v);
    assert_int_equal(instrument_volume(&i, dec("0.0099")).v, 0);
    assert_int_equal(instrument_volume(&i, dec("-5")).v, 0);
    assert_int_equal(instrument_volume(&i, dec("12.349")).v, dec("12.34").v);
    assert_int_equal(instrument_volume(&i, dec("1000")).v, dec("100").v);
    i.volume_step = dec("0.3");
    i.volume_min = dec("0.5");
    assert_int_equal(instrument_volume(&i, dec("0.59")).v, 0); /* 0.3 is below the least */
    assert_int_equal(instrument_volume(&i, dec("0.61")).v, dec("0.6").v);
    assert_int_equal(instrument_volume(&i, dec("500")).v, dec("99.9").v);
    assert_true(instrument_volume_ok(&i, dec("0.6")));
    assert_false(instrument_volume_ok(&i, dec("0.3")));
    assert_false(instrument_volume_ok(&i, dec("0.7")));
    assert_false(instrument_volume_ok(&i, dec("100.2")));
}

static void test_money(void **state)
{
    (void)state;
    struct instrument btc = make("BTCUSD", "BTC", "USD", 1, "1");
    struct instrument jpy = make("EURJPY", "EUR", "JPY", 3, "100000");
    struct instrument gold = make("XAUUSD", "XAU", "USD", 2, "100");
    decimal d;
    /* 0.37 lots, 50000.1 -> 50100.4: 0.37 * 100.3 */
    assert_int_equal(instrument_profit(&btc, SIDE_BUY, dec("0.37"), 500001, 501004, &d), 0);
    assert_int_equal(d.v, dec("37.111").v);
    assert_int_equal(instrument_profit(&btc, SIDE_SELL, dec("0.37"), 500001, 501004, &d), 0);
    assert_int_equal(d.v, dec("-37.111").v);
    /* 0.5 lots EURJPY, 160.123 -> 160.623: 50000 * 0.5 yen */
    assert_int_equal(instrument_profit(&jpy, SIDE_BUY, dec("0.5"), 160123, 160623, &d), 0);
    assert_int_equal(d.v, dec("25000").v);
    /* gold: 2 lots of 100 ounces at 2300.50 */
    assert_int_equal(instrument_notional(&gold, dec("2"), 230050, &d), 0);
    assert_int_equal(d.v, dec("460100").v);
    /* What does not fit eight places: gains down, losses down too, notional up. */
    struct instrument odd = make("ODD", "ODD", "USD", 8, "0.00000001");
    odd.volume_min = dec("0.00000001");
    assert_int_equal(instrument_profit(&odd, SIDE_BUY, dec("0.5"), 0, 100000001, &d), 0);
    assert_int_equal(d.v, 0);
    assert_int_equal(instrument_profit(&odd, SIDE_SELL, dec("0.5"), 0, 100000001, &d), 0);
    assert_int_equal(d.v, -1);
    assert_int_equal(instrument_notional(&odd, dec("0.5"), 100000001, &d), 0);
    assert_int_equal(d.v, 1);
    assert_int_equal(instrument_profit(&gold, SIDE_BUY, dec("100"), 0, INT64_MAX, &d),
                     ERR_OVERFLOW);
    assert_int_equal(
        instrument_profit(&gold, SIDE_BUY, dec("90000000000"), INT64_MIN, INT64_MAX, &d),
        ERR_OVERFLOW);
}

/* Buying and selling the same move are opposite, and a profit splits over volumes. */
static void test_money_properties(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 7);
    struct instrument i = make("BTCUSD", "BTC", "USD", 2, "10");
    for (int k = 0; k < 20000; k++) {
        decimal v = decimal_raw(rng_range(&r, 1, 10000) * (DECIMAL_ONE / 100));
        decimal w = decimal_raw(rng_range(&r, 1, 10000) * (DECIMAL_ONE / 100));
        int64_t open = rng_range(&r, 1, 10000000), close = rng_range(&r, 1, 10000000);
        decimal a, b, c, sum;
        assert_int_equal(instrument_profit(&i, SIDE_BUY, v, open, close, &a), 0);
        assert_int_equal(instrument_profit(&i, SIDE_SELL, v, open, close, &b), 0);
        assert_int_equal(a.v, -b.v);
        assert_int_equal(instrument_profit(&i, SIDE_BUY, w, open, close, &b), 0);
        assert_int_equal(decimal_add(v, w, &sum), 0);
        assert_int_equal(instrument_profit(&i, SIDE_BUY, sum, open, close, &c), 0);
        assert_int_equal(c.v, a.v + b.v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sides),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_stop_and_target),
        cmocka_unit_test(test_volume),
        cmocka_unit_test(test_money),
        cmocka_unit_test(test_money_properties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
