/* SPDX-License-Identifier: MIT
 *
 * The market: the order in which things are told, what is refused, listeners that act.
 */
#include "market_fixture.h"

#include <math.h>

static const int64_t all_frames[] = {BAR_1S, BAR_1M, BAR_5M, BAR_15M};

static void test_order_of_closing(void **state)
{
    struct fixture *f = *state;
    for (int64_t s = 0; s < 900; s++) {
        trade(f, f->btc, T0 + s * 1000 + 500, 100.0, 1.0);
        trade(f, f->eth, T0 + s * 1000 + 600, 10.0, 1.0);
    }
    f->count = 0;
    market_advance(f->m, T0 + BAR_15M);
    assert_int_equal(f->count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(f->told[i].kind, 'c');
        assert_int_equal(f->told[i].timeframe, all_frames[i / 2]);
        assert_int_equal(f->told[i].symbol, i % 2 == 0 ? f->btc : f->eth);
        assert_int_equal(f->told[i].bar.open_ms + all_frames[i / 2], T0 + BAR_15M);
        assert_int_equal(f->told[i].bar.prints, all_frames[i / 2] / 1000);
    }
    assert_int_equal(market_time(f->m), T0 + BAR_15M);
}

/* One jump over many instants: by instant, then by timeframe, then by symbol. */
static void test_order_over_a_jump(void **state)
{
    struct fixture *f = *state;
    trade(f, f->btc, T0, 100.0, 1.0);
    trade(f, f->eth, T0 + 100, 10.0, 1.0);
    f->count = 0;
    market_advance(f->m, T0 + 2 * BAR_5M + 1);
    assert_int_equal(closes(f, BAR_1S), 2 * 600);
    assert_int_equal(closes(f, BAR_1M), 2 * 10);
    assert_int_equal(closes(f, BAR_5M), 2 * 2);
    assert_int_equal(closes(f, BAR_15M), 0);
    for (size_t i = 1; i < f->count; i++) {
        const struct told *a = &f->told[i - 1], *b = &f->told[i];
        int64_t end_a = a->bar.open_ms + a->timeframe, end_b = b->bar.open_ms + b->timeframe;
        assert_true(end_a < end_b ||
                    (end_a == end_b && (a->timeframe < b->timeframe ||
                                        (a->timeframe == b->timeframe && a->symbol < b->symbol))));
    }
}

/* A print closes the bars of its own symbol, and is told after them. */
static void test_print_closes(void **state)
{
    struct fixture *f = *state;
    trade(f, f->btc, T0 + 100, 100.0, 1.0);
    trade(f, f->eth, T0 + 100, 10.0, 1.0);
    f->count = 0;
    trade(f, f->btc, T0 + BAR_1M, 105.0, 2.0);
    assert_int_equal(f->count, 62); /* 60 seconds, one minute, the print */
    assert_int_equal(f->told[60].timeframe, BAR_1M);
    assert_true(f->told[60].bar.close == 100.0 && f->told[60].bar.volume == 1.0);
    assert_int_equal(f->told[61].kind, 'p');
    for (size_t i = 0; i < 62; i++)
        assert_int_equal(f->told[i].symbol, f->btc);
    struct bar now;
    assert_true(market_forming(f->m, f->btc, BAR_5M, &now));
    assert_true(now.open == 100.0 && now.close == 105.0 && now.volume == 3.0);
    assert_false(market_forming(f->m, f->btc, 7, &now));
    f->count = 0;
    market_advance(f->m, T0 + BAR_1M); /* the other one catches up; nothing is closed twice */
    assert_int_equal(f->count, 61);
    assert_int_equal(f->told[0].symbol, f->eth);
    f->count = 0;
    trade(f, f->btc, T0 + 200, 90.0, 5.0); /* late: into the forming bars */
    assert_int_equal(f->count, 1);
    assert_true(market_forming(f->m, f->btc, BAR_1S, &now));
    assert_true(now.low == 90.0 && now.volume == 7.0);
    assert_int_equal(market_time(f->m), T0 + BAR_1M);
}

/* The tick rule where a print has no side. */
static void test_tick_rule(void **state)
{
    struct fixture *f = *state;
    static const struct {
        double price;
        int buy;
        enum bar_side side;
        int want;
        enum bar_side want_side;
    } steps[] = {
        {100.0, 0, BAR_SIDE_NONE, 0, BAR_SIDE_NONE},
        {100.0, 0, BAR_SIDE_NONE, 0, BAR_SIDE_NONE},
        {101.0, 0, BAR_SIDE_RECORDED, 1, BAR_SIDE_TICK_RULE},
        {101.0, 0, BAR_SIDE_NONE, 1, BAR_SIDE_TICK_RULE},
        {100.5, 0, BAR_SIDE_NONE, -1, BAR_SIDE_TICK_RULE},
        {100.5, 7, BAR_SIDE_RECORDED, 1, BAR_SIDE_RECORDED},
        {100.5, 0, BAR_SIDE_NONE, -1, BAR_SIDE_TICK_RULE},
        {102.0, -1, BAR_SIDE_MODELLED, -1, BAR_SIDE_MODELLED},
        {102.0, 0, BAR_SIDE_NONE, 1, BAR_SIDE_TICK_RULE},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct print p = {T0 + (int64_t)i * 1000, steps[i].price, 1.0, steps[i].buy, steps[i].side};
        assert_int_equal(market_print(f->m, f->btc, &p), 0);
        const struct told *t = &f->told[f->count - 1];
        assert_int_equal(t->print.buy, steps[i].want);
        assert_int_equal(t->print.side, steps[i].want_side);
        struct bar now;
        assert_true(market_forming(f->m, f->btc, BAR_1S, &now));
        assert_int_equal(now.side, steps[i].want_side);
        assert_true(now.buy_volume == (steps[i].want > 0 ? 1.0 : 0.0));
        assert_true(now.sell_volume == (steps[i].want < 0 ? 1.0 : 0.0));
    }
}

static void test_quotes(void **state)
{
    struct fixture *f = *state;
    struct quote q = {T0, 100.0, 100.2};
    struct quote got;
    assert_false(market_last_quote(f->m, f->btc, &got));
    assert_int_equal(market_quote(f->m, f->btc, &q), 0);
    q = (struct quote){T0 - 1, 99.0, 99.2}; /* old: counted, not told */
    assert_int_equal(market_quote(f->m, f->btc, &q), 0);
    assert_int_equal(market_dropped(f->m, f->btc), 1);
    assert_int_equal(f->count, 1);
    assert_true(market_last_quote(f->m, f->btc, &got) && got.bid == 100.0);
    q = (struct quote){T0, 99.0, 99.2}; /* the same stamp is not old */
    assert_int_equal(market_quote(f->m, f->btc, &q), 0);
    assert_true(market_last_quote(f->m, f->btc, &got) && got.bid == 99.0);
    const struct quote bad[] = {{T0, 100.0, 100.0},  {T0, 101.0, 100.0},  {T0, 0.0, 1.0},
                                {T0, -1.0, 1.0},     {T0, NAN, 1.0},      {T0, 1.0, NAN},
                                {T0, 1.0, INFINITY}, {T0, -INFINITY, 1.0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(market_quote(f->m, f->btc, &bad[i]), ERR_INPUT);
    assert_int_equal(market_quote(f->m, 2, &q), ERR_NOTFOUND);
    assert_int_equal(market_quote(f->m, -1, &q), ERR_NOTFOUND);
    assert_int_equal(f->count, 2);
    struct bar now;
    assert_false(
        market_forming(f->m, f->btc, BAR_1S, &now)); /* quotes make no bars unless told to */
}

static void test_bars_from_quotes(void **state)
{
    struct fixture *f = *state;
    market_bars_from_quotes(f->m, f->btc, true);
    const double mids[] = {100.0, 101.0, 101.0, 100.5};
    for (size_t i = 0; i < 4; i++) {
        struct quote q = {T0 + (int64_t)i * 100, mids[i] - 0.1, mids[i] + 0.1};
        assert_int_equal(market_quote(f->m, f->btc, &q), 0);
    }
    trade(f, f->btc, T0 + 500, 500.0, 99.0); /* a print is told, but makes no bar here */
    struct bar now;
    assert_true(market_forming(f->m, f->btc, BAR_1S, &now));
    assert_true(fabs(now.open - 100.0) < 1e-9 && fabs(now.high - 101.0) < 1e-9);
    assert_true(now.volume == 3.0); /* three changes */
    assert_true(now.buy_volume == 1.0 && now.sell_volume == 1.0);
    f->count = 0;
    struct quote q = {T0 + 1000, 99.0, 99.2};
    assert_int_equal(market_quote(f->m, f->btc, &q), 0);
    assert_int_equal(f->count, 2);
    assert_int_equal(f->told[0].kind, 'c'); /* the closed second comes before the quote */
    assert_int_equal(f->told[1].kind, 'q');
    q.time_ms = T0 + 1100;
    q.bid = 99.1, q.ask = 99.3;
    market_quote(f->m, f->btc, &q);
    assert_true(market_forming(f->m, f->btc, BAR_1S, &now));
    assert_int_equal(now.side, BAR_SIDE_TICK_RULE);
}

static void test_depth(void **state)
{
    struct fixture *f = *state;
    const struct book_level bids[] = {{1000, 1.0}, {999, 2.0}};
    const struct book_level asks[] = {{1001, 3.0}};
    struct err e;
    assert_null(market_book(f->m, f->btc));
    assert_int_equal(market_depth(f->m, f->btc, T0, bids, 2, asks, 1, &e), 0);
    assert_int_equal(f->told[0].kind, 'b');
    double x;
    assert_true(book_mid(market_book(f->m, f->btc), &x) && fabs(x - 100.05) < 1e-9);
    assert_int_equal(market_depth(f->m, f->btc, T0 - 1, asks, 1, NULL, 0, &e), 0);
    assert_int_equal(market_dropped(f->m, f->btc), 1);
    assert_int_equal(book_depth(market_book(f->m, f->btc), BOOK_BID), 2);
    assert_int_equal(market_depth(f->m, f->btc, T0, asks, 1, bids, 1, &e), ERR_INPUT);
    assert_non_null(strstr(e.message, "BTCUSD"));
    assert_int_equal(f->count, 1);
    assert_int_equal(book_depth(market_book(f->m, f->btc), BOOK_BID), 0);
    assert_int_equal(market_depth(f->m, 9, T0, bids, 2, asks, 1, &e), ERR_NOTFOUND);
}

static void test_bad_prints(void **state)
{
    struct fixture *f = *state;
    const struct print bad[] = {{T0, 0.0, 1.0, 1, 1},     {T0, -1.0, 1.0, 1, 1},
                                {T0, NAN, 1.0, 1, 1},     {T0, INFINITY, 1.0, 1, 1},
                                {T0, 1.0, -1.0, 1, 1},    {T0, 1.0, NAN, 1, 1},
                                {T0, 1.0, INFINITY, 1, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(market_print(f->m, f->btc, &bad[i]), ERR_INPUT);
    const struct print good = {T0, 1.0, 0.0, 1, 1};
    assert_int_equal(market_print(f->m, 2, &good), ERR_NOTFOUND);
    assert_int_equal(f->count, 0);
    struct bar now;
    assert_false(market_forming(f->m, f->btc, BAR_1S, &now));
}

static void test_symbols(void **state)
{
    struct fixture *f = *state;
    struct err e;
    assert_int_equal(market_symbol(f->m, "ETHUSD"), f->eth);
    assert_int_equal(market_symbol(f->m, "eth"), -1);
    assert_int_equal(market_symbol(f->m, NULL), -1);
    assert_int_equal(market_symbol_add(f->m, "BTCUSD", 0, &e), f->btc);
    assert_string_equal(market_symbol_name(f->m, f->btc), "BTCUSD");
    assert_null(market_symbol_name(f->m, 2));
    assert_int_equal(market_symbol_count(f->m), 2);
    assert_int_equal(market_symbol_add(f->m, "", 0, &e), ERR_INPUT);
    assert_int_equal(market_symbol_add(f->m, NULL, 0, &e), ERR_INPUT);
    assert_int_equal(market_symbol_add(f->m, "X", NAN, &e), ERR_INPUT);
    assert_int_equal(market_symbol_add(f->m, "X", -1, &e), ERR_INPUT);
    assert_int_equal(market_symbol_add(f->m, "A23456789012345678901234567890123", 0, &e),
                     ERR_INPUT);
    assert_int_equal(market_symbol_add(f->m, "A2345678901234567890123456789012", 0, &e), ERR_INPUT);
    assert_int_equal(market_symbol_add(f->m, "A234567890123456789012345678901", 0, &e), 2);
    /* A point may be told later, but not once there is a book. */
    const struct book_level bids[] = {{10, 1.0}};
    assert_int_equal(market_symbol_add(f->m, "ETHUSD", 0.5, &e), f->eth);
    assert_int_equal(market_depth(f->m, f->eth, T0, bids, 1, NULL, 0, &e), 0);
    assert_true(book_point(market_book(f->m, f->eth)) == 0.5);
    assert_int_equal(market_symbol_add(f->m, "ETHUSD", 0.5, &e), f->eth);
    assert_int_equal(market_symbol_add(f->m, "ETHUSD", 0.25, &e), ERR_STATE);
    for (int i = 3; i < 40; i++) {
        char name[8] = {'S', (char)('A' + i / 10), (char)('0' + i % 10), 0};
        assert_int_equal(market_symbol_add(f->m, name, 0, &e), i);
    }
    trade(f, 39, T0, 1.0, 1.0);
    market_advance(f->m, T0 + 1000);
    assert_int_equal(closes(f, BAR_1S), 1);
}

/* --- listeners that act while they are called */

struct actor {
    struct fixture *f;
    int self;
    int other;
    int calls;
};

static void act(void *arg, int symbol, int64_t timeframe, const struct bar *closed)
{
    struct actor *a = arg;
    (void)symbol;
    (void)closed;
    if (timeframe != BAR_1S)
        return;
    a->calls++;
    struct err e;
    const double one[] = {1};
    /* It declares an indicator of the very bar, adds symbols, removes itself and the next one. */
    int h = market_indicator(a->f->m, symbol, BAR_1S, "sma", one, 1, NULL, &e);
    double x;
    assert_true(market_indicator_value(a->f->m, h, 0, 0, &x) && x == closed->close);
    for (int i = 0; i < 20; i++) {
        char name[8] = {'N', (char)('A' + i), 0};
        assert_true(market_symbol_add(a->f->m, name, 0, &e) >= 2);
    }
    market_unlisten(a->f->m, a->self);
    market_unlisten(a->f->m, a->other);
}

static void test_listeners_that_act(void **state)
{
    struct fixture *f = *state;
    struct actor a = {.f = f}, b = {.f = f};
    struct market_listener la = {.arg = &a, .on_bar = act}, lb = {.arg = &b, .on_bar = act};
    a.self = market_listen(f->m, &la);
    a.other = market_listen(f->m, &lb);
    trade(f, f->btc, T0, 100.0, 1.0);
    market_advance(f->m, T0 + 5000);
    assert_int_equal(a.calls, 1);
    assert_int_equal(b.calls, 0); /* removed before its turn */
    assert_int_equal(closes(f, BAR_1S), 5);
}

static void test_listener_limit(void **state)
{
    struct fixture *f = *state;
    struct market_listener none = {0};
    int handles[31];
    for (int i = 0; i < 31; i++) {
        handles[i] = market_listen(f->m, &none);
        assert_true(handles[i] >= 0);
    }
    assert_int_equal(market_listen(f->m, &none), ERR_LIMIT);
    market_unlisten(f->m, handles[7]);
    market_unlisten(f->m, handles[7]);
    market_unlisten(f->m, -1);
    assert_true(market_listen(f->m, &none) > handles[30]);
    assert_int_equal(market_listen(f->m, &none), ERR_LIMIT);
    trade(f, f->btc, T0, 1.0, 1.0);
    assert_int_equal(f->count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_order_of_closing),
        TEST(test_order_over_a_jump),
        TEST(test_print_closes),
        TEST(test_tick_rule),
        TEST(test_quotes),
        TEST(test_bars_from_quotes),
        TEST(test_depth),
        TEST(test_bad_prints),
        TEST(test_symbols),
        TEST(test_listeners_that_act),
        TEST(test_listener_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
