/* SPDX-License-Identifier: MIT
 *
 * Sizing: cases worked by hand, and a slow reference that counts lots up one step at a time.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "trade/sizing.h"

static decimal dec(const char *text)
{
    decimal d;
    assert_int_equal(decimal_parse(text, strlen(text), &d), 0);
    return d;
}

static struct instrument make(const char *symbol, int digits, const char *contract)
{
    struct instrument i = {
        .venue = "sim", .base = "X", .quote = "Y", .price_digits = digits, .volume_digits = 2};
    strcpy(i.symbol, symbol);
    strcpy(i.canonical, symbol);
    i.volume_min = dec("0.01");
    i.volume_max = dec("100");
    i.volume_step = dec("0.01");
    i.contract_size = dec(contract);
    return i;
}

static struct sizing_input input(const struct instrument *i)
{
    return (struct sizing_input){.instrument = i,
                                 .side = SIDE_BUY,
                                 .price = 500000,
                                 .stop = 498750,
                                 .equity = dec("10000"),
                                 .free_margin = dec("10000"),
                                 .leverage = 100,
                                 .risk = 0.01,
                                 .margin_share = 1.0,
                                 .quote_to_account = 1.0};
}

static void test_by_hand(void **state)
{
    (void)state;
    struct sizing_result r;
    struct err e;
    /* BTCUSD at 50,000.0, stop 125.0 away, 1 % of 10,000: 100 / 125 = 0.8 lots; margin 0.8 * 500.
     */
    struct instrument btc = make("BTCUSD", 1, "1");
    struct sizing_input in = input(&btc);
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, dec("0.8").v);
    assert_int_equal(r.risk_money.v, dec("100").v);
    assert_int_equal(r.margin.v, dec("400").v);
    assert_null(r.rule);
    /* Commission of 3.5 a lot and side: 100 / 132 = 0.757 -> 0.75. */
    btc.commission = dec("3.5");
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, dec("0.75").v);
    assert_int_equal(r.risk_money.v, dec("99").v);

    /* EURJPY at 160.000, stop 160.500 (a sale), on a USD account, 1 JPY = 0.00625 USD:
     * a lot loses 50,000 JPY = 312.5 USD; 2 % of 25,000 = 500 -> 1.6 lots;
     * margin of a lot 16,000,000 JPY / 30 * 0.00625 = 3,333.33333334 USD. */
    struct instrument jpy = make("EURJPY", 3, "100000");
    jpy.leverage = 30;
    in = input(&jpy);
    in.side = SIDE_SELL;
    in.price = 160000;
    in.stop = 160500;
    in.equity = in.free_margin = dec("25000");
    in.risk = 0.02;
    in.quote_to_account = 0.00625;
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, dec("1.6").v);
    assert_int_equal(r.risk_money.v, dec("500").v);
    assert_int_equal(r.margin.v, dec("5333.33333335").v); /* up, twice */

    /* XAUUSD at 2,300.00, stop 2,295.00: a lot of 100 ounces loses 500; 1 % of 5,000 -> 0.1. */
    struct instrument gold = make("XAUUSD", 2, "100");
    in = input(&gold);
    in.price = 230000;
    in.stop = 229500;
    in.equity = in.free_margin = dec("5000");
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, dec("0.1").v);
    assert_int_equal(r.margin.v, dec("230").v);
}

static void test_caps(void **state)
{
    (void)state;
    struct sizing_result r;
    struct err e;
    struct instrument btc = make("BTCUSD", 1, "1");
    struct sizing_input in = input(&btc);
    in.leverage = 1; /* 50,000 a lot */
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, dec("0.2").v);
    assert_int_equal(r.margin.v, dec("10000").v);
    in.margin_share = 0.5;
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, dec("0.1").v);
    in.free_margin = dec("999.99");
    assert_int_equal(sizing_volume(&in, &r, &e), 0); /* 499.995 < 500 for the least volume */
    assert_int_equal(r.volume.v, 0);
    assert_string_equal(r.rule, "margin");
    in.margin_share = 0.0;
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_string_equal(r.rule, "margin");
    in = input(&btc);
    btc.leverage = 2; /* the instrument's cap beats the account's 100 */
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, dec("0.4").v);
    btc.leverage = 0;
    in.volume_cap = dec("0.257");
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, dec("0.25").v);
    in.volume_cap = dec("0.005");
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_string_equal(r.rule, "volume_min");
    in = input(&btc);
    in.equity = dec("124.99"); /* 1 % is below 1.25, the loss of 0.01 lots */
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, 0);
    assert_string_equal(r.rule, "volume_min");
    in.equity = dec("125");
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, dec("0.01").v);
    in = input(&btc);
    in.equity = dec("100000000");
    in.free_margin = dec("100000000");
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, dec("100").v); /* the most */
}

static void test_refusals(void **state)
{
    (void)state;
    struct sizing_result r;
    struct err e;
    struct instrument btc = make("BTCUSD", 1, "1");
    struct sizing_input in = input(&btc);
    in.stop = in.price;
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_string_equal(r.rule, "stop_distance");
    in.stop = in.price + 1;
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_string_equal(r.rule, "stop_distance");
    in.stop = 0;
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_string_equal(r.rule, "stop_distance");
    in = input(&btc);
    btc.stops_level = 1251;
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_string_equal(r.rule, "stop_distance");
    btc.stops_level = 1250;
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_null(r.rule);
    in.equity = dec("0");
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_string_equal(r.rule, "equity");
    in.equity = dec("-5");
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_string_equal(r.rule, "equity");
    in = input(&btc);
    in.free_margin = dec("-1");
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_string_equal(r.rule, "margin");
}

static void test_bad_input(void **state)
{
    (void)state;
    struct sizing_result r;
    struct err e;
    struct instrument btc = make("BTCUSD", 1, "1");
#define BAD(name, change)                                                                          \
    do {                                                                                           \
        struct sizing_input in = input(&btc);                                                      \
        change;                                                                                    \
        assert_int_equal(sizing_volume(&in, &r, &e), ERR_INPUT);                                   \
        assert_non_null(strstr(e.message, name));                                                  \
        assert_int_equal(r.volume.v, 0);                                                           \
    } while (0)
    BAD("instrument", in.instrument = NULL);
    BAD("side", in.side = (enum side)0);
    BAD("price", in.price = 0);
    BAD("stop", in.stop = -1);
    BAD("risk", in.risk = 0.0);
    BAD("risk", in.risk = 1.01);
    BAD("risk", in.risk = (double)NAN);
    BAD("margin_share", in.margin_share = -0.1);
    BAD("margin_share", in.margin_share = 1.1);
    BAD("quote_to_account", in.quote_to_account = 0.0);
    BAD("quote_to_account", in.quote_to_account = (double)NAN);
    BAD("quote_to_account", in.quote_to_account = (double)INFINITY);
    BAD("leverage", in.leverage = 0);
    BAD("volume_cap", in.volume_cap = dec("-1"));
#undef BAD
    struct sizing_input in = input(&btc);
    in.quote_to_account = 1e9;
    assert_int_equal(sizing_volume(&in, &r, &e), ERR_OVERFLOW);
    in = input(&btc);
    btc.contract_size = dec("90000000000");
    assert_int_equal(sizing_volume(&in, &r, &e), ERR_OVERFLOW);
}

typedef __int128 wide;

/* The most steps whose loss and margin still fit, found by counting. Money is compared as exact
 * integers: loss of n hundredths of a lot is n * distance * 10^(8 - digits) * contract * rate /
 * 100, everything multiplied out. rate is in millionths. */
static int64_t reference(const struct sizing_input *in, int64_t contract, int64_t rate_millionths,
                         int64_t risk_bp, int32_t leverage, int64_t tick)
{
    wide distance = in->side == SIDE_BUY ? in->price - in->stop : in->stop - in->price;
    int64_t best = 0;
    for (int64_t n = 1; n <= 10000; n++) {
        /* units of 10^-8 * 10^-6 * 10^-2 of the account's currency */
        wide loss = n * distance * tick * contract * rate_millionths;
        wide margin = n * (wide)in->price * tick * contract * rate_millionths;
        if (loss * 10000 > (wide)in->equity.v * 100000000 * risk_bp)
            break;
        if (margin > (wide)in->free_margin.v * 100000000 * leverage)
            break;
        best = n;
    }
    return best;
}

static void test_against_reference(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    int zero = 0, some = 0;
    for (int k = 0; k < 3000; k++) {
        int digits = (int)rng_range(&rng, 0, 5);
        int64_t tick = DECIMAL_ONE;
        for (int d = 0; d < digits; d++)
            tick /= 10;
        int64_t contract = (int64_t[]){1, 100, 100000}[rng_range(&rng, 0, 2)];
        struct instrument i = make("REF", digits, "1");
        i.contract_size = decimal_int(contract);
        i.leverage = (int32_t)rng_range(&rng, 0, 1) * 30;
        struct sizing_input in = input(&i);
        in.side = rng_range(&rng, 0, 1) ? SIDE_BUY : SIDE_SELL;
        in.price = rng_range(&rng, 100000, 600000);
        in.stop = in.price - in.side * rng_range(&rng, 100, 5000);
        in.equity = decimal_raw(rng_range(&rng, 100, 100000000) * 1000000);
        in.free_margin = decimal_raw(rng_range(&rng, 100, 100000000) * 1000000);
        int64_t rate = rng_range(&rng, 5000, 2000000);
        in.quote_to_account = (double)rate / 1e6;
        int64_t risk = rng_range(&rng, 10, 500);
        in.risk = (double)risk / 1e4;
        struct sizing_result r;
        struct err e;
        assert_int_equal(sizing_volume(&in, &r, &e), 0);
        int64_t n = reference(&in, contract, rate, risk, i.leverage ? 30 : 100, tick);
        /* Costs of one lot are rounded up in the eighth place, so on an exact tie (never drawn
         * otherwise) a step may be missing; more than the reference is never right. */
        int64_t got = r.volume.v / (DECIMAL_ONE / 100);
        assert_int_equal(r.volume.v % (DECIMAL_ONE / 100), 0);
        assert_true(got <= n && got >= n - 1);
        if (got != n) {
            in.equity.v += 1000;
            in.free_margin.v += 1000;
            assert_int_equal(sizing_volume(&in, &r, &e), 0);
            assert_int_equal(r.volume.v / (DECIMAL_ONE / 100), n);
        }
        *(n == 0 ? &zero : &some) += 1;
        assert_int_equal(r.volume.v == 0, r.rule != NULL);
    }
    assert_true(zero > 50 && some > 1000);
}

/* Wanted lots are taken whole or not at all, with the costs that sizing by risk tells, too. */
static void test_wanted_volume(void **state)
{
    (void)state;
    struct sizing_result by_risk, r;
    struct err e;
    struct instrument btc = make("BTCUSD", 1, "1");
    struct sizing_input in = input(&btc);
    assert_int_equal(sizing_volume(&in, &by_risk, &e), 0);
    in.volume = by_risk.volume;
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, by_risk.volume.v);
    assert_int_equal(r.risk_money.v, by_risk.risk_money.v);
    assert_int_equal(r.margin.v, by_risk.margin.v);
    /* More than the risk allows is not cut: the risk rules see what it would cost. */
    in.volume = dec("4");
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_int_equal(r.volume.v, dec("4").v);
    assert_int_equal(r.risk_money.v, dec("500").v);
    static const struct {
        const char *volume, *rule;
    } refused[] = {{"0.005", "volume_min"},
                   {"100.01", "volume_max"},
                   {"0.015", "volume_step"},
                   {"20.01", "margin"}};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        in.volume = dec(refused[i].volume);
        assert_int_equal(sizing_volume(&in, &r, &e), 0);
        assert_int_equal(r.volume.v, 0);
        assert_string_equal(r.rule, refused[i].rule);
    }
    in.volume = dec("20");
    in.margin_share = 0.5;
    assert_int_equal(sizing_volume(&in, &r, &e), 0);
    assert_string_equal(r.rule, "margin");
    in.volume = dec("-1");
    assert_int_equal(sizing_volume(&in, &r, &e), ERR_INPUT);
}

static void test_cost(void **state)
{
    (void)state;
    struct err e;
    decimal loss, margin;
    struct instrument btc = make("BTCUSD", 1, "1");
    btc.commission = dec("0.5");
    struct sizing_input in = input(&btc);
    in.volume = dec("0.8");
    in.free_margin = dec("0"); /* nothing is refused */
    assert_int_equal(sizing_cost(&in, &loss, &margin, &e), 0);
    assert_int_equal(loss.v, dec("100.8").v);
    assert_int_equal(margin.v, dec("400").v);
    in.side = SIDE_SELL; /* the stop is on the winning side */
    assert_int_equal(sizing_cost(&in, &loss, &margin, &e), 0);
    assert_int_equal(loss.v, dec("0.8").v);
    in.leverage = 0;
    assert_int_equal(sizing_cost(&in, &loss, &margin, &e), ERR_INPUT);
    in.leverage = 100;
    in.volume.v = INT64_MAX;
    assert_int_equal(sizing_cost(&in, &loss, &margin, &e), ERR_OVERFLOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),           cmocka_unit_test(test_cost),
        cmocka_unit_test(test_wanted_volume),     cmocka_unit_test(test_caps),
        cmocka_unit_test(test_refusals),          cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_against_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
