/* SPDX-License-Identifier: MIT
 *
 * The bar builder and the series.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "market/bar.h"

#define T0 INT64_C(1640995200000) /* 2022-01-01 00:00 UTC */

struct closed {
    size_t count;
    struct bar bars[4096];
};

static void collect(void *arg, const struct bar *bar)
{
    struct closed *c = arg;
    assert_true(c->count < 4096);
    c->bars[c->count++] = *bar;
}

static struct closed *fresh(void)
{
    static struct closed c;
    memset(&c, 0, sizeof c);
    return &c;
}

static void print_at(struct bar_builder *b, struct closed *c, int64_t at, double price,
                     double volume, int buy)
{
    bar_builder_print(b, at, price, volume, buy, BAR_SIDE_RECORDED, collect, c);
}

static void test_one_bar(void **state)
{
    (void)state;
    struct closed *c = fresh();
    struct bar_builder b;
    bar_builder_init(&b, BAR_1M);
    assert_true(bar_builder_end(&b) == INT64_MAX);
    bar_builder_advance(&b, T0, collect, c);
    assert_int_equal(c->count, 0);
    print_at(&b, c, T0 + 5000, 100.0, 1.0, 1);
    print_at(&b, c, T0 + 6000, 103.0, 2.0, -1);
    print_at(&b, c, T0 + 7000, 99.0, 4.0, 1);
    print_at(&b, c, T0 + 59999, 101.0, 8.0, 0);
    assert_int_equal(bar_builder_end(&b), T0 + BAR_1M);
    bar_builder_advance(&b, T0 + 59999, collect, c);
    assert_int_equal(c->count, 0);
    bar_builder_advance(&b, T0 + BAR_1M, collect, c);
    assert_int_equal(c->count, 1);
    const struct bar *bar = &c->bars[0];
    assert_int_equal(bar->open_ms, T0);
    assert_true(bar->open == 100.0 && bar->high == 103.0 && bar->low == 99.0);
    assert_true(bar->close == 101.0 && bar->volume == 15.0);
    assert_true(bar->buy_volume == 5.0 && bar->sell_volume == 2.0);
    assert_int_equal(bar->prints, 4);
    assert_int_equal(bar->side, BAR_SIDE_NONE); /* one print's side is not known */
}

/* A print stamped with the end of a bar opens the next one. */
static void test_boundary(void **state)
{
    (void)state;
    struct closed *c = fresh();
    struct bar_builder b;
    bar_builder_init(&b, BAR_1S);
    print_at(&b, c, T0 + 999, 10.0, 1.0, 1);
    print_at(&b, c, T0 + 1000, 20.0, 2.0, 1);
    assert_int_equal(c->count, 1);
    assert_true(c->bars[0].close == 10.0 && c->bars[0].volume == 1.0);
    assert_int_equal(b.now.open_ms, T0 + 1000);
    assert_true(b.now.open == 20.0 && b.now.low == 20.0);
}

static void test_gaps_are_flat(void **state)
{
    (void)state;
    struct closed *c = fresh();
    struct bar_builder b;
    bar_builder_init(&b, BAR_1S);
    print_at(&b, c, T0, 10.0, 3.0, 1);
    print_at(&b, c, T0 + 3500, 12.0, 1.0, -1);
    assert_int_equal(c->count, 3);
    for (size_t i = 1; i < 3; i++) {
        const struct bar *bar = &c->bars[i];
        assert_int_equal(bar->open_ms, T0 + (int64_t)i * 1000);
        assert_true(bar->open == 10.0 && bar->high == 10.0 && bar->low == 10.0);
        assert_true(bar->close == 10.0 && bar->volume == 0.0);
        assert_int_equal(bar->prints, 0);
        assert_int_equal(bar->side, BAR_SIDE_NONE);
    }
    /* The bar after a gap opens at its own first print, not at the carried close. */
    assert_true(b.now.open == 12.0 && b.now.high == 12.0 && b.now.low == 12.0);
}

/* A silence fills BAR_MAX_GAP bars and no more, whether time comes in one jump or in steps. */
static void test_gap_limit(void **state)
{
    (void)state;
    const int64_t silence = (BAR_MAX_GAP + 500) * INT64_C(1000);
    for (int64_t step = 1000; step <= silence; step *= 1500) {
        struct closed *c = fresh();
        struct bar_builder b;
        bar_builder_init(&b, BAR_1S);
        print_at(&b, c, T0, 10.0, 1.0, 1);
        for (int64_t at = T0; at <= T0 + silence; at += step)
            bar_builder_advance(&b, at, collect, c);
        bar_builder_advance(&b, T0 + silence, collect, c);
        assert_int_equal(c->count, 1 + BAR_MAX_GAP);
        assert_true(bar_builder_end(&b) == INT64_MAX);
        assert_true(isnan(b.last_close));
        print_at(&b, c, T0 + silence + 10, 50.0, 1.0, 1);
        assert_int_equal(c->count, 1 + BAR_MAX_GAP);
        assert_int_equal(b.now.open_ms, T0 + silence);
        bar_builder_advance(&b, T0 + silence + 2000, collect, c);
        assert_int_equal(c->count, 3 + BAR_MAX_GAP); /* the count of gaps began anew */
        assert_true(c->bars[c->count - 1].close == 50.0);
    }
}

/* Up to the limit the close is carried. */
static void test_gap_just_within(void **state)
{
    (void)state;
    struct closed *c = fresh();
    struct bar_builder b;
    bar_builder_init(&b, BAR_1S);
    print_at(&b, c, T0, 10.0, 1.0, 1);
    print_at(&b, c, T0 + BAR_MAX_GAP * INT64_C(1000), 11.0, 1.0, 1);
    assert_int_equal(c->count, BAR_MAX_GAP);
    print_at(&b, c, T0 + (BAR_MAX_GAP + 3) * INT64_C(1000), 11.0, 1.0, 1);
    assert_int_equal(c->count, BAR_MAX_GAP + 3);
}

static void test_late_prints(void **state)
{
    (void)state;
    struct closed *c = fresh();
    struct bar_builder b;
    bar_builder_init(&b, BAR_1S);
    print_at(&b, c, T0 + 5000, 10.0, 1.0, 1);
    print_at(&b, c, T0 + 100, 9.0, 2.0, -1); /* five seconds late */
    assert_int_equal(c->count, 0);
    assert_int_equal(b.now.open_ms, T0 + 5000);
    assert_true(b.now.low == 9.0 && b.now.close == 9.0 && b.now.volume == 3.0);
    /* Even after a long silence a late print does not reopen a span that was closed. */
    bar_builder_advance(&b, T0 + 5000000, collect, c);
    size_t before = c->count;
    int64_t end = c->bars[before - 1].open_ms + 1000;
    print_at(&b, c, T0 + 5500, 8.0, 1.0, 1);
    assert_int_equal(b.now.open_ms, end);
    bar_builder_advance(&b, end + 1000, collect, c);
    assert_int_equal(c->count, before + 1);
    assert_int_equal(c->bars[before].open_ms, end);
}

static void test_seed(void **state)
{
    (void)state;
    struct closed *c = fresh();
    struct bar_builder b;
    bar_builder_init(&b, BAR_1M);
    const struct bar last = {
        .open_ms = T0, .open = 5.0, .high = 7.0, .low = 4.0, .close = 6.0, .volume = 9.0};
    bar_builder_seed(&b, &last);
    assert_int_equal(bar_builder_end(&b), T0 + 2 * BAR_1M);
    bar_builder_advance(&b, T0 + 3 * BAR_1M, collect, c);
    assert_int_equal(c->count, 2); /* the bar of history itself is not closed again */
    assert_int_equal(c->bars[0].open_ms, T0 + BAR_1M);
    assert_true(c->bars[0].open == 6.0 && c->bars[1].close == 6.0 && c->bars[1].volume == 0.0);
}

static void test_epoch_zero(void **state)
{
    (void)state;
    struct closed *c = fresh();
    struct bar_builder b;
    bar_builder_init(&b, BAR_1S);
    print_at(&b, c, 0, 1.0, 1.0, 1);
    bar_builder_advance(&b, 1000, collect, c);
    assert_int_equal(c->count, 1);
    bar_builder_init(&b, BAR_1S);
    print_at(&b, c, -1, 1.0, 1.0, 1);
    assert_int_equal(b.now.open_ms, -1000);
}

/* The weakest source wins. */
static void test_side(void **state)
{
    (void)state;
    static const enum bar_side order[] = {BAR_SIDE_RECORDED, BAR_SIDE_MODELLED, BAR_SIDE_TICK_RULE,
                                          BAR_SIDE_NONE};
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 4; k++) {
            struct bar_builder b;
            bar_builder_init(&b, BAR_1S);
            bar_builder_print(&b, T0, 1.0, 1.0, 1, order[i], NULL, NULL);
            bar_builder_print(&b, T0, 1.0, 1.0, -1, order[k], NULL, NULL);
            assert_int_equal(b.now.side, order[i > k ? i : k]);
        }
    }
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(bar_side_parse(bar_side_name((enum bar_side)i)), i);
    assert_int_equal(bar_side_parse("nonsense"), BAR_SIDE_NONE);
    assert_int_equal(bar_side_parse(NULL), BAR_SIDE_NONE);
    assert_string_equal(bar_side_name((enum bar_side)9), "none");
}

static void test_projected(void **state)
{
    (void)state;
    struct bar_builder b;
    bar_builder_init(&b, BAR_1M);
    assert_true(isnan(bar_builder_projected_volume(&b, T0)));
    bar_builder_print(&b, T0, 1.0, 30.0, 1, BAR_SIDE_RECORDED, NULL, NULL);
    assert_true(isnan(bar_builder_projected_volume(&b, T0)));
    assert_true(bar_builder_projected_volume(&b, T0 + 15000) == 120.0);
    assert_true(bar_builder_projected_volume(&b, T0 + 60000) == 30.0);
    assert_true(bar_builder_projected_volume(&b, T0 + 90000) == 30.0);
    bar_builder_advance(&b, T0 + 60000, NULL, NULL);
    assert_true(isnan(bar_builder_projected_volume(&b, T0 + 70000))); /* no print yet */
}

/* Whatever the calls of advance between the prints, the bars are the same. */
static void test_advance_does_not_matter(void **state)
{
    (void)state;
    static struct closed first;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct closed *c = fresh();
        struct bar_builder b;
        struct rng prints, advances;
        rng_seed(&prints, 1);
        rng_seed(&advances, seed);
        bar_builder_init(&b, BAR_1S);
        int64_t at = T0;
        for (int i = 0; i < 300; i++) {
            int64_t next = at + rng_range(&prints, 0, 9000);
            for (; seed > 0 && at < next; at += rng_range(&advances, 1, 5000))
                bar_builder_advance(&b, at, collect, c);
            at = next;
            print_at(&b, c, at, 100.0 + rng_normal(&prints), 1.0, 1);
        }
        if (seed == 0)
            first = *c;
        assert_int_equal(c->count, first.count);
        assert_memory_equal(c->bars, first.bars, c->count * sizeof c->bars[0]);
    }
}

static void test_timeframes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t ms;
    } all[] = {{"1s", BAR_1S}, {"1m", BAR_1M}, {"5m", BAR_5M}, {"15m", BAR_15M}, {"1h", 3600000}};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(bar_timeframe_parse(all[i].name), all[i].ms);
        assert_string_equal(bar_timeframe_name(all[i].ms), all[i].name);
    }
    assert_int_equal(bar_timeframe_parse("2m"), 0);
    assert_int_equal(bar_timeframe_parse(""), 0);
    assert_int_equal(bar_timeframe_parse(NULL), 0);
    assert_null(bar_timeframe_name(7));
}

static void test_series(void **state)
{
    (void)state;
    assert_null(series_new(0));
    assert_null(series_new(SIZE_MAX));
    struct series *s = series_new(3);
    assert_non_null(s);
    assert_null(series_at(s, 0));
    for (int i = 1; i <= 8; i++) {
        struct bar bar = {.open_ms = i};
        series_push(s, &bar);
        size_t count = i < 3 ? (size_t)i : 3;
        assert_int_equal(series_count(s), count);
        for (size_t back = 0; back < count; back++)
            assert_int_equal(series_at(s, back)->open_ms, i - (int)back);
        assert_null(series_at(s, count));
    }
    series_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_bar),
        cmocka_unit_test(test_boundary),
        cmocka_unit_test(test_gaps_are_flat),
        cmocka_unit_test(test_gap_limit),
        cmocka_unit_test(test_gap_just_within),
        cmocka_unit_test(test_late_prints),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_epoch_zero),
        cmocka_unit_test(test_side),
        cmocka_unit_test(test_projected),
        cmocka_unit_test(test_advance_does_not_matter),
        cmocka_unit_test(test_timeframes),
        cmocka_unit_test(test_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
