/* SPDX-License-Identifier: MIT
 *
 * The book: snapshots, updates against a slow model, measures, and what is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "book/book.h"

static const struct book_level bids[] = {{1000, 2.0}, {999, 3.0}, {990, 5.0}};
static const struct book_level asks[] = {{1002, 6.0}, {1003, 1.0}, {1010, 13.0}};

static struct book *full(size_t levels)
{
    struct err e;
    struct book *b = book_new(0.1, levels, &e);
    assert_non_null(b);
    assert_int_equal(book_snapshot(b, 5000, bids, 3, asks, 3, &e), 0);
    return b;
}

static void expect(const struct book *b, enum book_side side, size_t i, int64_t price, double size)
{
    struct book_level level;
    assert_true(book_level_at(b, side, i, &level));
    assert_int_equal(level.price, price);
    assert_true(level.size == size);
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-12 * fabs(b);
}

static void test_snapshot_and_measures(void **state)
{
    (void)state;
    struct book *b = full(10);
    double x;
    assert_int_equal(book_time(b), 5000);
    assert_true(book_point(b) == 0.1);
    assert_int_equal(book_depth(b, BOOK_BID), 3);
    expect(b, BOOK_BID, 0, 1000, 2.0);
    expect(b, BOOK_BID, 2, 990, 5.0);
    expect(b, BOOK_ASK, 0, 1002, 6.0);
    struct book_level level;
    assert_false(book_level_at(b, BOOK_BID, 3, &level));
    assert_true(book_mid(b, &x) && near(x, 100.1));
    assert_true(book_spread_bps(b, &x) && near(x, 0.2 / 100.1 * 10000.0));
    assert_true(book_microprice(b, &x) && near(x, (100.0 * 6.0 + 100.2 * 2.0) / 8.0));
    assert_true(book_imbalance(b, 1, &x) && near(x, 0.25));
    assert_true(book_imbalance(b, 2, &x) && near(x, 5.0 / 12.0));
    assert_true(book_imbalance(b, 10, &x) && near(x, 10.0 / 30.0));
    assert_false(book_imbalance(b, 0, &x));
    assert_true(book_total(b, BOOK_ASK, 2) == 7.0);
    assert_true(book_total(b, BOOK_ASK, 99) == 20.0);
    assert_true(book_total(b, BOOK_ASK, 0) == 0.0);
    book_free(b);
}

static void test_updates(void **state)
{
    (void)state;
    struct book *b = full(10);
    assert_int_equal(book_update(b, 5001, BOOK_BID, 1001, 4.0), 0);  /* a new best */
    assert_int_equal(book_update(b, 5002, BOOK_BID, 995, 1.0), 0);   /* between */
    assert_int_equal(book_update(b, 5003, BOOK_BID, 999, 7.0), 0);   /* another size */
    assert_int_equal(book_update(b, 5004, BOOK_BID, 990, 0.0), 0);   /* gone */
    assert_int_equal(book_update(b, 5005, BOOK_BID, 12345, 0.0), 0); /* never was there */
    assert_int_equal(book_depth(b, BOOK_BID), 4);
    expect(b, BOOK_BID, 0, 1001, 4.0);
    expect(b, BOOK_BID, 1, 1000, 2.0);
    expect(b, BOOK_BID, 2, 999, 7.0);
    expect(b, BOOK_BID, 3, 995, 1.0);
    assert_int_equal(book_time(b), 5005);
    book_update(b, 4000, BOOK_BID, 1001, 4.5);
    assert_int_equal(book_time(b), 5005); /* time never goes back */
    book_clear(b);
    assert_int_equal(book_depth(b, BOOK_BID) + book_depth(b, BOOK_ASK), 0);
    book_free(b);
}

/* A full side keeps its best levels. */
static void test_limit(void **state)
{
    (void)state;
    struct book *b = full(2);
    assert_int_equal(book_depth(b, BOOK_BID), 2);
    expect(b, BOOK_BID, 1, 999, 3.0);
    book_update(b, 6000, BOOK_BID, 900, 1.0); /* worse than all */
    assert_int_equal(book_depth(b, BOOK_BID), 2);
    expect(b, BOOK_BID, 1, 999, 3.0);
    book_update(b, 6000, BOOK_BID, 1001, 8.0); /* better: the worst goes */
    assert_int_equal(book_depth(b, BOOK_BID), 2);
    expect(b, BOOK_BID, 0, 1001, 8.0);
    expect(b, BOOK_BID, 1, 1000, 2.0);
    book_update(b, 6000, BOOK_ASK, 1003, 0.0);
    book_update(b, 6000, BOOK_ASK, 1001, 0.5);
    expect(b, BOOK_ASK, 0, 1001, 0.5);
    expect(b, BOOK_ASK, 1, 1002, 6.0);
    book_free(b);
}

static void test_empty_and_crossed(void **state)
{
    (void)state;
    struct err e;
    struct book *b = book_new(0.5, 4, &e);
    assert_non_null(b);
    double x = 77.0;
    assert_int_equal(book_time(b), 0);
    for (int round = 0; round < 2; round++) {
        assert_false(book_mid(b, &x));
        assert_false(book_spread_bps(b, &x));
        assert_false(book_microprice(b, &x));
        assert_false(book_imbalance(b, 10, &x));
        book_update(b, 1, BOOK_BID, 100, 1.0); /* one side alone is no price either */
    }
    book_update(b, 1, BOOK_ASK, 100, 1.0); /* touching, as between updates of one message */
    assert_false(book_mid(b, &x));
    assert_false(book_spread_bps(b, &x));
    assert_false(book_microprice(b, &x));
    assert_true(x == 77.0);
    assert_true(book_imbalance(b, 10, &x) && x == 0.5);
    book_update(b, 1, BOOK_BID, 100, 0.0);
    book_update(b, 1, BOOK_BID, 98, 1.0);
    assert_true(book_mid(b, &x) && x == 49.5);
    book_free(b);
}

static void refused(const struct book_level *bid, size_t bid_count, const struct book_level *ask,
                    size_t ask_count)
{
    struct book *b = full(10);
    struct err e = {0};
    assert_int_equal(book_snapshot(b, 6000, bid, bid_count, ask, ask_count, &e), ERR_INPUT);
    assert_true(strlen(e.message) > 10);
    assert_int_equal(book_depth(b, BOOK_BID), 0); /* a wrong book is worse than none */
    assert_int_equal(book_depth(b, BOOK_ASK), 0);
    book_free(b);
}

static void test_bad_snapshots(void **state)
{
    (void)state;
    const struct book_level crossed[] = {{1002, 1.0}};
    const struct book_level unsorted[] = {{999, 1.0}, {1000, 1.0}};
    const struct book_level twice[] = {{999, 1.0}, {999, 1.0}};
    const double sizes[] = {0.0, -1.0, NAN, INFINITY};
    refused(crossed, 1, asks, 3);
    refused(unsorted, 2, asks, 3);
    refused(twice, 2, asks, 3);
    refused(bids, 3, bids, 3); /* falling asks */
    for (size_t i = 0; i < 4; i++) {
        const struct book_level one[] = {{990, sizes[i]}};
        refused(one, 1, asks, 3);
        refused(bids, 3, (const struct book_level[]){{1001, sizes[i]}}, 1);
    }
    struct book *b = full(10);
    assert_int_equal(book_snapshot(b, 6000, bids, 3, NULL, 0, NULL), 0); /* one side is allowed */
    assert_int_equal(book_depth(b, BOOK_ASK), 0);
    book_free(b);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    struct err e;
    assert_null(book_new(0.0, 10, &e));
    assert_int_equal(e.code, ERR_INPUT);
    assert_null(book_new(-1.0, 10, &e));
    assert_null(book_new(NAN, 10, &e));
    assert_null(book_new(INFINITY, 10, &e));
    assert_null(book_new(1.0, 0, &e));
    assert_null(book_new(1.0, SIZE_MAX, &e));
    struct book *b = full(10);
    assert_int_equal(book_update(b, 1, BOOK_BID, 1000, -1.0), ERR_INPUT);
    assert_int_equal(book_update(b, 1, BOOK_BID, 1000, NAN), ERR_INPUT);
    assert_int_equal(book_update(b, 1, BOOK_BID, 1000, INFINITY), ERR_INPUT);
    assert_int_equal(book_update(b, 1, (enum book_side)2, 1000, 1.0), ERR_INPUT);
    expect(b, BOOK_BID, 0, 1000, 2.0);
    book_free(b);
    book_free(NULL);
}

/* Random updates against an array with one slot for each price. */
static void test_against_model(void **state)
{
    (void)state;
    enum { PRICES = 60 };
    double model[2][PRICES] = {{0}};
    struct err e;
    struct book *b = book_new(1.0, PRICES, &e);
    assert_non_null(b);
    struct rng r;
    rng_seed(&r, 11);
    for (int step = 0; step < 20000; step++) {
        enum book_side side = (enum book_side)rng_range(&r, 0, 1);
        int64_t price = rng_range(&r, 0, PRICES - 1);
        double size = rng_uniform(&r) < 0.4 ? 0.0 : rng_uniform(&r) + 0.1;
        assert_int_equal(book_update(b, step, side, price, size), 0);
        model[side][price] = size;
        for (int s = 0; s < 2; s++) {
            size_t i = 0;
            for (int64_t k = 0; k < PRICES; k++) {
                int64_t p = s == BOOK_BID ? PRICES - 1 - k : k;
                if (model[s][p] > 0.0)
                    expect(b, (enum book_side)s, i++, p, model[s][p]);
            }
            assert_int_equal(book_depth(b, (enum book_side)s), i);
        }
    }
    book_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_and_measures),
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_empty_and_crossed),
        cmocka_unit_test(test_bad_snapshots),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_against_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
