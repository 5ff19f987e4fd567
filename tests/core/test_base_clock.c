/* SPDX-License-Identifier: MIT
 *
 * The clock: four modes, never back, and ISO-8601.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/err.h"

#define T0 INT64_C(1640995200000) /* 2022-01-01 */

static void test_wall(void **state)
{
    (void)state;
    struct clock c;
    clock_init(&c);
    int64_t io = clock_io_ns(&c);
    int64_t a = clock_market_ms(&c);
    assert_true(a > T0);
    assert_true(clock_wall_us(&c) / 1000 >= a - 1);
    assert_true(clock_market_ms(&c) >= a);
    assert_true(clock_io_ns(&c) >= io);
    assert_true(clock_runs(&c));
    assert_int_equal(clock_io_ms_until(&c, a - 5), 0);
    int64_t wait = clock_io_ms_until(&c, a + 1000000);
    assert_true(wait > 0 && wait <= 1000000);
    clock_market_set(&c, a + 1000000); /* not for clocks that run */
    assert_true(clock_market_ms(&c) < a + 1000000);
    /* The kernel's clock was set back: the newest answer stays. */
    c.market = a + 500000;
    assert_int_equal(clock_market_ms(&c), a + 500000);
    assert_int_equal(clock_io_ms_until(&c, a + 500000), 0);
}

static void test_scaled(void **state)
{
    (void)state;
    struct clock c;
    clock_init(&c);
    (void)clock_market_ms(&c); /* of this year: does not hold another market's time */
    clock_scale(&c, T0, 1000000);
    assert_true(clock_runs(&c));
    int64_t a = clock_market_ms(&c);
    assert_true(a >= T0);
    /* Exact, by moving the anchor instead of waiting. */
    clock_scale(&c, a, 0.001);
    c.anchor_io -= INT64_C(5000000000);
    int64_t b = clock_market_ms(&c);
    assert_true(b >= a + 5 && b < a + 5000);
    int64_t wait = clock_io_ms_until(&c, b + 100);
    assert_true(wait > 90000 && wait <= 100000);
    assert_int_equal(clock_io_ms_until(&c, b), 0);
    /* Re-anchored into the past: held. */
    clock_scale(&c, a - 100000, 0.001);
    assert_int_equal(clock_market_ms(&c), b);
    assert_true(clock_io_ms_until(&c, b + 1) > 0);
    /* Until it has caught up. */
    c.anchor_io -= INT64_C(1000000) * 300000 * 1000;
    assert_true(clock_market_ms(&c) >= a + 200000);
    /* Into the future: at once. */
    clock_scale(&c, a + 10000000, 1);
    assert_true(clock_market_ms(&c) >= a + 10000000);
}

static void test_granted(void **state)
{
    (void)state;
    struct clock c;
    clock_init(&c);
    clock_grant(&c, T0);
    assert_false(clock_runs(&c));
    assert_int_equal(clock_market_ms(&c), T0);
    assert_int_equal(clock_io_ms_until(&c, T0 + 1), -1);
    assert_int_equal(clock_io_ms_until(&c, T0), 0);
    clock_market_set(&c, T0 + 1000);
    assert_int_equal(clock_market_ms(&c), T0 + 1000);
    clock_market_set(&c, T0);
    assert_int_equal(clock_market_ms(&c), T0 + 1000);
    clock_grant(&c, T0);
    assert_int_equal(clock_market_ms(&c), T0 + 1000);
    int64_t io = clock_io_ns(&c);
    clock_io_advance(&c, INT64_C(1) << 60); /* io is the wall's */
    assert_true(clock_io_ns(&c) < io + (INT64_C(1) << 59));
    assert_true(clock_io_ns(&c) >= io);
}

static void test_virtual(void **state)
{
    (void)state;
    struct clock c;
    clock_virtual(&c, T0, 77000000);
    assert_int_equal(clock_io_ns(&c), 0);
    assert_int_equal(clock_wall_us(&c), 77000000);
    clock_io_advance(&c, 1500);
    clock_io_advance(&c, -1000);
    assert_int_equal(clock_io_ns(&c), 1500);
    assert_int_equal(clock_wall_us(&c), 77000001);
    assert_int_equal(clock_market_ms(&c), T0);
    clock_market_set(&c, T0 + 60000);
    assert_int_equal(clock_market_ms(&c), T0 + 60000);
    assert_int_equal(clock_io_ms_until(&c, T0 + 60001), -1);
}

static void test_iso(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {T0, "2022-01-01T00:00:00.000Z"},
        {INT64_C(951782399999), "2000-02-28T23:59:59.999Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(4107542399000), "2100-02-28T23:59:59.000Z"},
        {INT64_C(4107542400000), "2100-03-01T00:00:00.000Z"},
        {INT64_C(-62167219200000), "0000-01-01T00:00:00.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
    };
    char buf[25];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t back = 1;
        clock_iso(cases[i].ms, buf);
        assert_string_equal(buf, cases[i].text);
        assert_int_equal(clock_iso_parse(buf, &back), 0);
        assert_int_equal(back, cases[i].ms);
    }
    clock_iso(INT64_MAX, buf);
    assert_string_equal(buf, "9999-12-31T23:59:59.999Z");
    clock_iso(INT64_MIN, buf);
    assert_string_equal(buf, "0000-01-01T00:00:00.000Z");
    /* Each day of four centuries, there and back. */
    for (int64_t day = -200000; day < 200000; day += 7) {
        int64_t back;
        clock_iso(day * 86400000 + 123, buf);
        assert_int_equal(clock_iso_parse(buf, &back), 0);
        assert_int_equal(back, day * 86400000 + 123);
    }
}

static void test_iso_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* after T0 */
    } good[] = {
        {"2022-01-01", 0},
        {"2022-01-01T00:00", 0},
        {"2022-01-01 00:01:02", 62000},
        {"2022-01-01T00:00:00Z", 0},
        {"2022-01-01t00:00:00z", 0},
        {"2022-01-01T02:30:00+02:30", 0},
        {"2021-12-31T22:00:00-02:00", 0},
        {"2022-01-01T01:00:00+01", 0},
        {"2022-01-01T01:30:00+0130", 0},
        {"2022-01-01 00:00:00+00:00", 0},
        {"2022-01-01T00:00:00.5Z", 500},
        {"2022-01-01T00:00:00.123456789Z", 123},
        {"2022-01-01T00:00:00.0009999+00:00", 0},
        {"2022-01-01T23:59:59.999", 86399999},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t ms = -1;
        assert_int_equal(clock_iso_parse(good[i].text, &ms), 0);
        assert_int_equal(ms, T0 + good[i].ms);
    }
    static const char *const bad[] = {
        "",
        "2022",
        "2022-01",
        "2022-1-1",
        "2022-00-01",
        "2022-13-01",
        "2022-01-00",
        "2022-01-32",
        "2021-02-29",
        "1900-02-29",
        "2022-04-31",
        "2022-01-01T",
        "2022-01-01T24:00",
        "2022-01-01T1:00",
        "2022-01-01T00:60",
        "2022-01-01T00:00:60",
        "2022-01-01T00:00:00.",
        "2022-01-01T00:00:00.Z",
        "2022-01-01T00:00:00Zx",
        "2022-01-01T00:00:00+",
        "2022-01-01T00:00:00+1",
        "2022-01-01T00:00:00+01:",
        "2022-01-01T00:00:00+01:60",
        "2022-01-01T00:00:00+24:00",
        "2022-01-01T00:00:00 ",
        "2022-01-01X00:00:00",
        "20220101",
        "-022-01-01",
        "2022-01-01Z",
        "2022-01-01T00:00:00+01:0x",
        "not a time",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms = 42;
        if (clock_iso_parse(bad[i], &ms) != ERR_INPUT)
            fail_msg("accepted: \"%s\"", bad[i]);
        assert_int_equal(ms, 42);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wall),    cmocka_unit_test(test_scaled),
        cmocka_unit_test(test_granted), cmocka_unit_test(test_virtual),
        cmocka_unit_test(test_iso),     cmocka_unit_test(test_iso_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
