/* SPDX-License-Identifier: MIT
 *
 * What the tests of the market share: a market of two symbols, and a listener that writes down all
 * that it is told.
 */
#ifndef PERIGEE_TESTS_MARKET_FIXTURE_H
#define PERIGEE_TESTS_MARKET_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "market/market.h"

#define T0 INT64_C(1640995200000) /* 2022-01-01 00:00 UTC, a multiple of 15 minutes */

struct told {
    char kind; /* q, p, b, c (a closed bar) */
    int symbol;
    int64_t timeframe;
    struct bar bar;
    struct print print;
};

struct fixture {
    struct market *m;
    int btc, eth;
    size_t count;
    struct told told[8192];
};

static struct told *add_told(void *arg, char kind, int symbol)
{
    struct fixture *f = arg;
    assert_true(f->count < 8192);
    struct told *t = &f->told[f->count++];
    *t = (struct told){.kind = kind, .symbol = symbol};
    return t;
}

static void on_quote(void *arg, int symbol, const struct quote *q)
{
    (void)q;
    add_told(arg, 'q', symbol);
}

static void on_print(void *arg, int symbol, const struct print *p)
{
    add_told(arg, 'p', symbol)->print = *p;
}

static void on_book(void *arg, int symbol, const struct book *b)
{
    assert_true(book_depth(b, BOOK_BID) > 0);
    add_told(arg, 'b', symbol);
}

static void on_bar(void *arg, int symbol, int64_t timeframe, const struct bar *closed)
{
    struct fixture *f = arg;
    /* The series is up to date before anybody is told. */
    assert_memory_equal(series_at(market_series(f->m, symbol, timeframe), 0), closed,
                        sizeof *closed);
    struct told *t = add_told(arg, 'c', symbol);
    t->timeframe = timeframe;
    t->bar = *closed;
}

static inline int set_up(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    struct err e;
    f.m = market_new(&e);
    assert_non_null(f.m);
    f.btc = market_symbol_add(f.m, "BTCUSD", 0.1, &e);
    f.eth = market_symbol_add(f.m, "ETHUSD", 0, &e);
    assert_int_equal(f.btc, 0);
    assert_int_equal(f.eth, 1);
    struct market_listener l = {&f, on_quote, on_print, on_book, on_bar};
    assert_true(market_listen(f.m, &l) >= 0);
    *state = &f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    market_free(f->m);
    return 0;
}

static inline void trade(struct fixture *f, int symbol, int64_t at, double price, double volume)
{
    struct print p = {at, price, volume, 1, BAR_SIDE_RECORDED};
    assert_int_equal(market_print(f->m, symbol, &p), 0);
}

static inline size_t closes(const struct fixture *f, int64_t timeframe)
{
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++)
        n += f->told[i].kind == 'c' && f->told[i].timeframe == timeframe;
    return n;
}

#endif
