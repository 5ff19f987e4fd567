/* SPDX-License-Identifier: MIT
 *
 * Decimals: parsing, formatting, and arithmetic against a slow 128-bit reference.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/err.h"
#include "base/rng.h"

static const enum decimal_round modes[] = {DECIMAL_DOWN, DECIMAL_UP, DECIMAL_FLOOR, DECIMAL_CEIL,
                                           DECIMAL_HALF_EVEN};

/* n / d by floor division and an explicit choice between the two neighbours. */
static __int128 reference(__int128 n, __int128 d, enum decimal_round mode)
{
    if (d < 0) {
        n = -n;
        d = -d;
    }
    __int128 low = n / d;
    if (low * d > n)
        low--;
    __int128 rest = n - low * d;
    if (rest == 0)
        return low;
    switch (mode) {
    case DECIMAL_DOWN:
        return n < 0 ? low + 1 : low;
    case DECIMAL_UP:
        return n < 0 ? low : low + 1;
    case DECIMAL_FLOOR:
        return low;
    case DECIMAL_CEIL:
        return low + 1;
    case DECIMAL_HALF_EVEN:
        break;
    }
    if (rest * 2 != d)
        return rest * 2 < d ? low : low + 1;
    return low % 2 == 0 ? low : low + 1;
}

static void check(int rc, decimal got, __int128 want)
{
    if (want > INT64_MAX || want < INT64_MIN) {
        assert_int_equal(rc, ERR_OVERFLOW);
        assert_int_equal(got.v, 42); /* untouched */
    } else {
        assert_int_equal(rc, 0);
        assert_true(got.v == (int64_t)want);
    }
}

static const int64_t edges[] = {0,
                                1,
                                -1,
                                2,
                                3,
                                -3,
                                DECIMAL_ONE / 2,
                                DECIMAL_ONE,
                                -DECIMAL_ONE,
                                3 * (DECIMAL_ONE / 2),
                                INT64_MAX,
                                INT64_MAX - 1,
                                INT64_MIN,
                                INT64_MIN + 1};
#define EDGES (sizeof edges / sizeof edges[0])

static void check_pair(int64_t x, int64_t y)
{
    decimal a = {x}, b = {y};
    decimal out = {42};
    int rc = decimal_add(a, b, &out);
    check(rc, out, (__int128)x + y);
    out.v = 42;
    rc = decimal_sub(a, b, &out);
    check(rc, out, (__int128)x - y);
    assert_int_equal(decimal_cmp(a, b), x < y ? -1 : x > y ? 1 : 0);
    for (size_t m = 0; m < 5; m++) {
        out.v = 42;
        rc = decimal_mul(a, b, modes[m], &out);
        check(rc, out, reference((__int128)x * y, DECIMAL_ONE, modes[m]));
        out.v = 42;
        rc = decimal_div(a, b, modes[m], &out);
        if (y == 0) {
            assert_int_equal(rc, ERR_OVERFLOW);
            assert_int_equal(out.v, 42);
        } else {
            check(rc, out, reference((__int128)x * DECIMAL_ONE, y, modes[m]));
        }
        out.v = 42;
        rc = decimal_to_step(a, b, modes[m], &out);
        if (y <= 0) {
            assert_int_equal(rc, ERR_OVERFLOW);
            assert_int_equal(out.v, 42);
        } else {
            check(rc, out, reference(x, y, modes[m]) * y);
        }
    }
}

static void test_edges(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDGES; i++) {
        for (size_t k = 0; k < EDGES; k++)
            check_pair(edges[i], edges[k]);
        decimal out = {42};
        int rc = decimal_neg((decimal){edges[i]}, &out);
        check(rc, out, -(__int128)edges[i]);
    }
    assert_int_equal(decimal_int(-92233720368).v, INT64_C(-9223372036800000000));
}

static void test_random(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 1);
    for (int i = 0; i < 50000; i++) {
        /* All magnitudes alike, and ties often. */
        int64_t x = (int64_t)rng_next(&r) >> rng_range(&r, 0, 62);
        int64_t y = (int64_t)rng_next(&r) >> rng_range(&r, 0, 62);
        if (i % 4 == 0)
            y = y / 2 * 2;
        if (i % 8 == 0)
            x = y / 2048 * (x % 1000 | 1);
        check_pair(x, y);
    }
}

static void test_places(void **state)
{
    (void)state;
    decimal out = {42};
    assert_int_equal(decimal_to_places((decimal){INT64_C(1005000000)}, 1, DECIMAL_HALF_EVEN, &out),
                     0);
    assert_int_equal(out.v, INT64_C(1000000000)); /* 10.05 -> 10.0, the even one */
    assert_int_equal(decimal_to_places((decimal){INT64_C(1015000000)}, 1, DECIMAL_HALF_EVEN, &out),
                     0);
    assert_int_equal(out.v, INT64_C(1020000000));
    assert_int_equal(decimal_to_places((decimal){-1}, 0, DECIMAL_FLOOR, &out), 0);
    assert_int_equal(out.v, -DECIMAL_ONE);
    assert_int_equal(decimal_to_places((decimal){7}, 8, DECIMAL_UP, &out), 0);
    assert_int_equal(out.v, 7);
    assert_int_equal(decimal_to_places((decimal){7}, 9, DECIMAL_UP, &out), ERR_INPUT);
    assert_int_equal(decimal_to_places((decimal){7}, -1, DECIMAL_UP, &out), ERR_INPUT);
    assert_int_equal(decimal_to_places((decimal){INT64_MAX}, 0, DECIMAL_UP, &out), ERR_OVERFLOW);
    assert_int_equal(out.v, 7);
}

static void test_parse_good(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t v;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"+0.000", 0},
        {"1", DECIMAL_ONE},
        {"-1", -DECIMAL_ONE},
        {"+1.5", 150000000},
        {"007", 700000000},
        {"0.00000001", 1},
        {"0.000000010000", 1},
        {"8.5e-06", 850},
        {"8.5E-6", 850},
        {"1e0", DECIMAL_ONE},
        {"1.25e+2", INT64_C(12500000000)},
        {"1200e-10", 12},
        {"120000000000000000000000e-30", 12},
        {"0.00000000000000000000000000001e28", 10000000},
        {"92233720368.54775807", INT64_MAX},
        {"-92233720368.54775808", INT64_MIN},
        {"9223372036854775807e-8", INT64_MAX},
        {"0e999999999999999999999", 0},
        {"0.000000000000000000000e-99999999999", 0},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        decimal d = {42};
        assert_int_equal(decimal_parse(good[i].text, strlen(good[i].text), &d), 0);
        assert_true(d.v == good[i].v);
    }
    decimal d;
    assert_int_equal(decimal_parse("123456", 3, &d), 0); /* exactly n bytes */
    assert_int_equal(d.v, 123 * DECIMAL_ONE);
}

static void test_parse_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } bad[] = {
        {"", ERR_INPUT},
        {"-", ERR_INPUT},
        {"+", ERR_INPUT},
        {"--1", ERR_INPUT},
        {".5", ERR_INPUT},
        {"5.", ERR_INPUT},
        {".", ERR_INPUT},
        {" 1", ERR_INPUT},
        {"1 ", ERR_INPUT},
        {"1,5", ERR_INPUT},
        {"1.5.5", ERR_INPUT},
        {"0x10", ERR_INPUT},
        {"1e", ERR_INPUT},
        {"1e+", ERR_INPUT},
        {"1e5.5", ERR_INPUT},
        {"e5", ERR_INPUT},
        {"nan", ERR_INPUT},
        {"inf", ERR_INPUT},
        {"0.000000001", ERR_INPUT},
        {"1.123456789", ERR_INPUT},
        {"1e-9", ERR_INPUT},
        {"1e-99999999999999999999999", ERR_INPUT},
        {"92233720368.54775808", ERR_OVERFLOW},
        {"-92233720368.54775809", ERR_OVERFLOW},
        {"99999999999", ERR_OVERFLOW},
        {"100000000000", ERR_OVERFLOW},
        {"1e11", ERR_OVERFLOW},
        {"1e99999999999999999999999", ERR_OVERFLOW},
        {"123456789012345678901234567890", ERR_OVERFLOW},
        {"18446744073709551616e-8", ERR_OVERFLOW},
        {"99999999999999999999e-8", ERR_OVERFLOW},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        decimal d = {42};
        int rc = decimal_parse(bad[i].text, strlen(bad[i].text), &d);
        if (rc != bad[i].code)
            print_error("\"%s\"\n", bad[i].text);
        assert_int_equal(rc, bad[i].code);
        assert_int_equal(d.v, 42);
    }
    decimal d;
    assert_int_equal(decimal_parse("1\0", 2, &d), ERR_INPUT);
}

static void test_format(void **state)
{
    (void)state;
    static const struct {
        int64_t v;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1, "0.00000001"},
        {-1, "-0.00000001"},
        {1000000, "0.01"},
        {-12 * DECIMAL_ONE, "-12"},
        {INT64_C(5000010000000), "50000.1"},
        {INT64_MAX, "92233720368.54775807"},
        {INT64_MIN, "-92233720368.54775808"},
    };
    char buf[DECIMAL_BUF];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = decimal_format((decimal){cases[i].v}, buf);
        assert_string_equal(buf, cases[i].text);
        assert_int_equal(n, strlen(buf));
    }
    struct rng r;
    rng_seed(&r, 2);
    for (int i = 0; i < 20000; i++) {
        decimal d = {(int64_t)rng_next(&r) >> rng_range(&r, 0, 63)};
        decimal back = {42};
        size_t n = decimal_format(d, buf);
        assert_true(n < DECIMAL_BUF);
        assert_int_equal(decimal_parse(buf, n, &back), 0);
        assert_true(back.v == d.v);
    }
}

static void test_format_fixed(void **state)
{
    (void)state;
    static const struct {
        int64_t v;
        int places;
        const char *text;
    } cases[] = {
        {0, 0, "0"},
        {0, 2, "0.00"},
        {-1, 2, "0.00"}, /* no minus before nothing */
        {-1, 8, "-0.00000001"},
        {50000000, 0, "0"},
        {150000000, 0, "2"},
        {-150000000, 0, "-2"},
        {-250000000, 0, "-2"},
        {DECIMAL_ONE, 5, "1.00000"},
        {112500000, 2, "1.12"},
        {113500000, 2, "1.14"},
        {INT64_MAX, 0, "92233720369"},
        {INT64_MAX, 2, "92233720368.55"},
        {INT64_MIN, 0, "-92233720369"},
        {INT64_MIN, 8, "-92233720368.54775808"},
    };
    char buf[DECIMAL_BUF];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = decimal_format_fixed((decimal){cases[i].v}, cases[i].places, buf);
        assert_string_equal(buf, cases[i].text);
        assert_int_equal(n, strlen(buf));
    }
}

static void test_doubles(void **state)
{
    (void)state;
    decimal d = {42};
    assert_int_equal(decimal_from_double(0.1, &d), 0);
    assert_int_equal(d.v, 10000000);
    assert_int_equal(decimal_from_double(-0.1, &d), 0);
    assert_int_equal(d.v, -10000000);
    assert_int_equal(decimal_from_double(-0.0, &d), 0);
    assert_int_equal(d.v, 0);
    assert_int_equal(decimal_from_double(0x1p-9, &d), 0); /* 195312.5 units: to even */
    assert_int_equal(d.v, 195312);
    assert_int_equal(decimal_from_double(3 * 0x1p-9, &d), 0); /* 585937.5 */
    assert_int_equal(d.v, 585938);
    assert_int_equal(decimal_from_double(-0x1p-9, &d), 0);
    assert_int_equal(d.v, -195312);
    assert_int_equal(decimal_from_double(5e-324, &d), 0);
    assert_int_equal(d.v, 0);
    assert_int_equal(decimal_from_double(-4.9e-9, &d), 0);
    assert_int_equal(d.v, 0);
    assert_int_equal(decimal_from_double(92233720368.5, &d), 0);
    d.v = 42;
    static const double bad[] = {NAN, INFINITY, -INFINITY, 92233720369.0, -92233720369.0, 1e300};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(decimal_from_double(bad[i], &d), ERR_OVERFLOW);
        assert_int_equal(d.v, 42);
    }
    struct rng r;
    rng_seed(&r, 3);
    for (int i = 0; i < 20000; i++) {
        char buf[DECIMAL_BUF];
        decimal a = {(int64_t)rng_next(&r) >> rng_range(&r, 0, 63)};
        decimal_format(a, buf);
        assert_true(decimal_to_double(a) == strtod(buf, NULL)); /* the nearest double */
        if (llabs(a.v) < INT64_C(1) << 52) {
            assert_int_equal(decimal_from_double(decimal_to_double(a), &d), 0);
            assert_true(d.v == a.v);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),        cmocka_unit_test(test_random),
        cmocka_unit_test(test_places),       cmocka_unit_test(test_parse_good),
        cmocka_unit_test(test_parse_bad),    cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_fixed), cmocka_unit_test(test_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
