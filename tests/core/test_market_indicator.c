/* SPDX-License-Identifier: MIT
 *
 * Declared indicators and history: warming, sharing, inputs, what is refused.
 */
#include "market_fixture.h"

#include <math.h>

static struct bar history_bar(int64_t open_ms, double close)
{
    return (struct bar){.open_ms = open_ms,
                        .open = close,
                        .high = close + 1.0,
                        .low = close - 1.0,
                        .close = close,
                        .volume = 10.0};
}

/* At each closed bar an indicator has it already. */
struct watch {
    struct market *m;
    int handle;
    double last; /* value seen at the last call */
    size_t calls;
};

static void watch_bar(void *arg, int symbol, int64_t timeframe, const struct bar *closed)
{
    struct watch *w = arg;
    (void)symbol;
    if (timeframe != BAR_1M)
        return;
    w->calls++;
    assert_true(market_indicator_value(w->m, w->handle, 0, 0, &w->last));
    assert_true(w->last == closed->close);
}

static void test_indicator_before_listeners(void **state)
{
    struct fixture *f = *state;
    struct err e;
    const double period[] = {1};
    struct watch w = {.m = f->m};
    w.handle = market_indicator(f->m, f->btc, BAR_1M, "sma", period, 1, NULL, &e);
    assert_true(w.handle >= 0);
    struct market_listener l = {.arg = &w, .on_bar = watch_bar};
    int handle = market_listen(f->m, &l);
    for (int i = 0; i < 5; i++)
        trade(f, f->btc, T0 + i * BAR_1M, 100.0 + i, 1.0);
    assert_int_equal(w.calls, 4);
    market_unlisten(f->m, handle);
    trade(f, f->btc, T0 + 5 * BAR_1M, 1.0, 1.0);
    assert_int_equal(w.calls, 4);
}

/* History, then live: one series, one warm indicator, nobody told of history. */
static void test_warm_then_live(void **state)
{
    struct fixture *f = *state;
    struct err e;
    double x;
    const double period[] = {3};
    int early = market_indicator(f->m, f->btc, BAR_1M, "sma", period, 1, "close", &e);
    assert_true(early >= 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(market_indicator_value(f->m, early, 0, 0, &x), i >= 3);
        struct bar bar = history_bar(T0 + i * BAR_1M, 100.0 + i);
        assert_int_equal(market_warm(f->m, f->btc, BAR_1M, &bar), 0);
    }
    assert_int_equal(f->count, 0);
    assert_true(market_indicator_value(f->m, early, 0, 0, &x) && x == 103.0);
    assert_true(market_indicator_value(f->m, early, 0, 2, &x) && x == 101.0);
    assert_false(market_indicator_value(f->m, early, 0, 3, &x));
    /* Two minutes of silence, then a print: the close of history is carried. */
    trade(f, f->btc, T0 + 7 * BAR_1M, 110.0, 1.0);
    assert_int_equal(closes(f, BAR_1M), 2);
    assert_true(f->told[0].bar.close == 104.0 && f->told[0].bar.volume == 0.0);
    assert_true(market_indicator_value(f->m, early, 0, 0, &x) && x == 104.0);
    /* One that is declared now is warmed from what is there. */
    const double other[] = {7};
    int late = market_indicator(f->m, f->btc, BAR_1M, "max", other, 1, "high", &e);
    assert_true(late >= 0 && late != early);
    assert_true(market_indicator_value(f->m, late, 0, 0, &x) && x == 105.0);
    assert_int_equal(series_count(market_series(f->m, f->btc, BAR_1M)), 7);
    struct bar bar = history_bar(T0 + 20 * BAR_1M, 50.0);
    assert_int_equal(market_warm(f->m, f->btc, BAR_1M, &bar), ERR_STATE); /* live data is there */
    assert_int_equal(market_warm(f->m, f->btc, BAR_5M, &bar), ERR_STATE);
    assert_int_equal(market_warm(f->m, f->eth, BAR_5M, &bar), 0); /* not of that symbol */
}

/* Time that passes after the warming closes the bars of the silence. */
static void test_warm_then_advance(void **state)
{
    struct fixture *f = *state;
    struct bar bar = history_bar(T0, 100.0);
    market_advance(f->m, T0 + 10);
    assert_int_equal(market_warm(f->m, f->btc, BAR_1M, &bar), 0);
    market_advance(f->m, T0 + 3 * BAR_1M);
    assert_int_equal(closes(f, BAR_1M), 2);
    bar.open_ms = T0 + 3 * BAR_1M;
    assert_int_equal(market_warm(f->m, f->btc, BAR_1M, &bar), ERR_STATE);
}

static void test_bad_history(void **state)
{
    struct fixture *f = *state;
    struct bar good = history_bar(T0 + BAR_1M, 100.0);
    assert_int_equal(market_warm(f->m, f->btc, BAR_1M, &good), 0);
    assert_int_equal(market_warm(f->m, f->btc, BAR_1M, &good), ERR_STATE); /* twice */
    struct bar bad = history_bar(T0, 100.0);
    assert_int_equal(market_warm(f->m, f->btc, BAR_1M, &bad), ERR_STATE); /* older */
    bad = history_bar(T0 + 2 * BAR_1M + 1, 100.0);
    assert_int_equal(market_warm(f->m, f->btc, BAR_1M, &bad), ERR_INPUT); /* off the minute */
    bad = history_bar(T0 + 2 * BAR_1M, 100.0);
    assert_int_equal(market_warm(f->m, f->btc, 7, &bad), ERR_INPUT);
    assert_int_equal(market_warm(f->m, 7, BAR_1M, &bad), ERR_NOTFOUND);
    for (int i = 0; i < 8; i++) {
        bad = history_bar(T0 + 2 * BAR_1M, 100.0);
        double *fields[] = {&bad.open,   &bad.high, &bad.low,   &bad.close,
                            &bad.volume, &bad.open, &bad.close, &bad.high};
        const double wrong[] = {NAN, INFINITY, 0.0, 102.0, -1.0, 98.0, NAN, 99.5};
        *fields[i] = wrong[i];
        assert_int_equal(market_warm(f->m, f->btc, BAR_1M, &bad), ERR_INPUT);
    }
    /* A hole is filled as a live one is. */
    good.open_ms = T0 + 4 * BAR_1M;
    assert_int_equal(market_warm(f->m, f->btc, BAR_1M, &good), 0);
    assert_int_equal(series_count(market_series(f->m, f->btc, BAR_1M)), 4);
    const struct bar *filled = series_at(market_series(f->m, f->btc, BAR_1M), 1);
    assert_int_equal(filled->open_ms, T0 + 3 * BAR_1M);
    assert_true(filled->close == 100.0 && filled->volume == 0.0);
    assert_int_equal(f->count, 0);
}

static void test_shared_handles(void **state)
{
    struct fixture *f = *state;
    struct err e;
    double x;
    const double twenty[] = {20}, thirty[] = {30};
    int a = market_indicator(f->m, f->btc, BAR_1S, "sma", twenty, 1, "close", &e);
    assert_int_equal(market_indicator(f->m, f->btc, BAR_1S, "sma", twenty, 1, NULL, &e), a);
    assert_int_equal(market_indicator(f->m, f->btc, BAR_1S, "sma", twenty, 1, "", &e), a);
    int b[] = {
        market_indicator(f->m, f->btc, BAR_1S, "sma", thirty, 1, NULL, &e),
        market_indicator(f->m, f->btc, BAR_1M, "sma", twenty, 1, NULL, &e),
        market_indicator(f->m, f->eth, BAR_1S, "sma", twenty, 1, NULL, &e),
        market_indicator(f->m, f->btc, BAR_1S, "sma", twenty, 1, "typical", &e),
        market_indicator(f->m, f->btc, BAR_1S, "ema", twenty, 1, NULL, &e),
    };
    for (int i = 0; i < 5; i++) {
        assert_true(b[i] > a);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(b[i], b[k]);
    }
    /* The default period, given or not, is one declaration. */
    assert_int_equal(market_indicator(f->m, f->btc, BAR_1S, "sma", NULL, 0, NULL, &e), b[0]);
    for (int i = 0; i <= 20; i++)
        trade(f, f->btc, T0 + i * 1000, 100.0, 1.0);
    for (int drop = 0; drop < 3; drop++) {
        assert_true(market_indicator_value(f->m, a, 0, 0, &x));
        market_indicator_drop(f->m, a);
    }
    assert_false(market_indicator_value(f->m, a, 0, 0, &x)); /* the third was the last */
    market_indicator_drop(f->m, a);
    market_indicator_drop(f->m, -1);
    market_indicator_drop(f->m, 999);
    assert_true(market_indicator_value(f->m, b[3], 0, 0, &x) && fabs(x - 100.0) < 1e-9);
    int again = market_indicator(f->m, f->btc, BAR_1S, "sma", twenty, 1, NULL, &e);
    assert_true(again > b[4]); /* a dropped handle never means something else */
    assert_true(market_indicator_value(f->m, again, 0, 0, &x));
}

static void test_indicator_inputs(void **state)
{
    struct fixture *f = *state;
    struct err e;
    const double one[] = {1};
    static const struct {
        const char *input;
        double want;
    } inputs[] = {{"open", 10.0},  {"high", 13.0},  {"low", 9.0},
                  {"close", 12.0}, {"volume", 7.0}, {"typical", 34.0 / 3.0}};
    trade(f, f->btc, T0, 10.0, 1.0);
    trade(f, f->btc, T0 + 1, 13.0, 2.0);
    trade(f, f->btc, T0 + 2, 9.0, 3.0);
    trade(f, f->btc, T0 + 3, 12.0, 1.0);
    market_advance(f->m, T0 + 1000);
    for (size_t i = 0; i < 6; i++) {
        int h = market_indicator(f->m, f->btc, BAR_1S, "sma", one, 1, inputs[i].input, &e);
        double x;
        assert_true(market_indicator_value(f->m, h, 0, 0, &x));
        assert_true(fabs(x - inputs[i].want) < 1e-12);
    }
    int vwap = market_indicator(f->m, f->btc, BAR_1S, "vwap", one, 1, NULL, &e);
    double x;
    assert_true(market_indicator_value(f->m, vwap, 0, 0, &x) && fabs(x - 34.0 / 3.0) < 1e-12);
    assert_true(market_indicator_value(f->m, vwap, 1, 0, &x) && x == 7.0);
    assert_false(market_indicator_value(f->m, vwap, 2, 0, &x));
}

static void test_history_of_values(void **state)
{
    struct fixture *f = *state;
    struct err e;
    const double one[] = {1};
    int h = market_indicator(f->m, f->btc, BAR_1S, "sma", one, 1, NULL, &e);
    double x;
    for (int i = 0; i < 200; i++) {
        trade(f, f->btc, T0 + i * 1000, 100.0 + i, 1.0);
        for (int back = 0; back < MARKET_HISTORY; back++) {
            bool there = market_indicator_value(f->m, h, 0, (size_t)back, &x);
            assert_int_equal(there, back < i);
            if (there)
                assert_true(x == 100.0 + i - 1 - back);
        }
    }
    assert_false(market_indicator_value(f->m, h, 0, MARKET_HISTORY, &x));
}

static void test_bad_declarations(void **state)
{
    struct fixture *f = *state;
    struct err e;
    const double zero[] = {0};
    const double two[] = {20, 3};
    assert_int_equal(market_indicator(f->m, 9, BAR_1M, "sma", NULL, 0, NULL, &e), ERR_NOTFOUND);
    assert_int_equal(market_indicator(f->m, f->btc, 7, "sma", NULL, 0, NULL, &e), ERR_INPUT);
    assert_int_equal(market_indicator(f->m, f->btc, BAR_1M, "smma", NULL, 0, NULL, &e),
                     ERR_NOTFOUND);
    assert_non_null(strstr(e.message, "smma"));
    assert_int_equal(market_indicator(f->m, f->btc, BAR_1M, NULL, NULL, 0, NULL, &e), ERR_NOTFOUND);
    assert_int_equal(market_indicator(f->m, f->btc, BAR_1M, "sma", zero, 1, NULL, &e), ERR_INPUT);
    assert_int_equal(market_indicator(f->m, f->btc, BAR_1M, "sma", two, 2, NULL, &e), ERR_INPUT);
    assert_int_equal(market_indicator(f->m, f->btc, BAR_1M, "sma", NULL, 0, "middle", &e),
                     ERR_INPUT);
    assert_non_null(strstr(e.message, "middle"));
    assert_int_equal(market_indicator(f->m, f->btc, BAR_1M, "atr", NULL, 0, "high", &e), ERR_INPUT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_indicator_before_listeners),
        TEST(test_warm_then_live),
        TEST(test_warm_then_advance),
        TEST(test_bad_history),
        TEST(test_shared_handles),
        TEST(test_indicator_inputs),
        TEST(test_history_of_values),
        TEST(test_bad_declarations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
