/* SPDX-License-Identifier: MIT
 *
 * Trading hours over the week, its turn, and nonsense.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "market/hours.h"

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)
#define LAST_SECOND (DAY - 1000) /* 23:59:59 */

static int64_t at(const char *iso)
{
    int64_t ms = 0;
    assert_int_equal(clock_iso_parse(iso, &ms), 0);
    return ms;
}

static void test_always(void **state)
{
    (void)state;
    struct hours h;
    hours_init(&h);
    assert_true(hours_open(&h, 0));
    assert_true(hours_next_change(&h, at("2022-01-05T12:00:00Z")) == INT64_MAX);
    for (int day = 0; day < 7; day++)
        assert_int_equal(hours_add(&h, day, 0, LAST_SECOND), 0);
    assert_int_equal(h.count, 1); /* seven whole days are one span without an end */
    assert_true(hours_open(&h, at("2022-01-08T23:59:59.999Z")));
    assert_true(hours_next_change(&h, at("2022-01-05T12:00:00Z")) == INT64_MAX);
}

/* Gold: Sunday 23:00 to Friday 22:00, an hour's break each day at 22:00. */
static void test_gold(void **state)
{
    (void)state;
    struct hours h;
    hours_init(&h);
    assert_int_equal(hours_add(&h, 0, 23 * HOUR, LAST_SECOND), 0);
    for (int day = 5; day >= 1; day--) { /* in any order */
        assert_int_equal(hours_add(&h, day, 0, 22 * HOUR), 0);
        if (day < 5)
            assert_int_equal(hours_add(&h, day, 23 * HOUR, LAST_SECOND), 0);
    }
    assert_int_equal(h.count, 5);
    assert_false(hours_open(&h, at("2022-01-09T22:59:59.999Z"))); /* a Sunday */
    assert_true(hours_open(&h, at("2022-01-09T23:00:00Z")));
    assert_true(hours_open(&h, at("2022-01-09T23:59:59.500Z")));
    assert_true(hours_open(&h, at("2022-01-10T21:59:59.999Z")));
    assert_false(hours_open(&h, at("2022-01-10T22:00:00Z")));
    assert_false(hours_open(&h, at("2022-01-08T12:00:00Z"))); /* a Saturday */
    /* Midnight between two spans is no change. */
    assert_int_equal(hours_next_change(&h, at("2022-01-09T23:30:00Z")), at("2022-01-10T22:00:00Z"));
    assert_int_equal(hours_next_change(&h, at("2022-01-10T22:00:00Z")), at("2022-01-10T23:00:00Z"));
    assert_int_equal(hours_next_change(&h, at("2022-01-14T21:00:00Z")), at("2022-01-14T22:00:00Z"));
    /* From Friday's close over the turn of the week. */
    assert_int_equal(hours_next_change(&h, at("2022-01-14T22:00:00Z")), at("2022-01-16T23:00:00Z"));
}

/* Open over the turn of the week: Saturday 12:00 to Sunday 12:00. */
static void test_over_the_turn(void **state)
{
    (void)state;
    struct hours h;
    hours_init(&h);
    assert_int_equal(hours_add(&h, 6, 12 * HOUR, DAY), 0);
    assert_int_equal(hours_add(&h, 0, 0, 12 * HOUR), 0);
    assert_int_equal(hours_next_change(&h, at("2022-01-08T13:00:00Z")), at("2022-01-09T12:00:00Z"));
    assert_int_equal(hours_next_change(&h, at("2022-01-09T00:00:00Z")), at("2022-01-09T12:00:00Z"));
    assert_int_equal(hours_next_change(&h, at("2022-01-09T12:00:00Z")), at("2022-01-15T12:00:00Z"));
    assert_true(hours_open(&h, at("2022-01-08T23:59:59.999Z")));
    assert_true(hours_open(&h, at("2022-01-09T00:00:00Z")));
    assert_false(hours_open(&h, at("2022-01-09T12:00:00Z")));
}

static void test_before_1970(void **state)
{
    (void)state;
    struct hours h;
    hours_init(&h);
    assert_int_equal(hours_add(&h, 3, 0, 12 * HOUR), 0); /* Wednesday; 1969-12-31 is one */
    assert_true(hours_open(&h, -DAY));
    assert_false(hours_open(&h, -DAY - 1));
    assert_false(hours_open(&h, -1));
    assert_int_equal(hours_next_change(&h, -DAY), -DAY + 12 * HOUR);
    assert_int_equal(hours_next_change(&h, -DAY - 1), -DAY);
}

static void test_joined(void **state)
{
    (void)state;
    struct hours h;
    hours_init(&h);
    assert_int_equal(hours_add(&h, 1, 1 * HOUR, 2 * HOUR), 0);
    assert_int_equal(hours_add(&h, 1, 5 * HOUR, 6 * HOUR), 0);
    assert_int_equal(hours_add(&h, 1, 3 * HOUR, 4 * HOUR), 0);
    assert_int_equal(h.count, 3);
    assert_int_equal(hours_add(&h, 1, 2 * HOUR, 3 * HOUR - 1000), 0); /* 02:59:59 */
    assert_int_equal(h.count, 2);
    assert_true(h.spans[0].open == DAY + HOUR && h.spans[0].close == DAY + 4 * HOUR);
    assert_int_equal(hours_add(&h, 1, 0, 7 * HOUR), 0); /* covers all */
    assert_int_equal(h.count, 1);
    assert_true(h.spans[0].open == DAY && h.spans[0].close == DAY + 7 * HOUR);
}

static void test_nonsense(void **state)
{
    (void)state;
    struct hours h;
    hours_init(&h);
    assert_int_equal(hours_add(&h, -1, 0, HOUR), ERR_INPUT);
    assert_int_equal(hours_add(&h, 7, 0, HOUR), ERR_INPUT);
    assert_int_equal(hours_add(&h, 1, -1, HOUR), ERR_INPUT);
    assert_int_equal(hours_add(&h, 1, 0, DAY + 1), ERR_INPUT);
    assert_int_equal(hours_add(&h, 1, HOUR, HOUR), ERR_INPUT);
    assert_int_equal(hours_add(&h, 1, 2 * HOUR, HOUR), ERR_INPUT);
    assert_int_equal(h.count, 0);
    for (int i = 0; i < HOURS_MAX_SPANS; i++)
        assert_int_equal(
            hours_add(&h, i % 7, (i / 7) * 2 * HOUR + HOUR, (i / 7) * 2 * HOUR + 2 * HOUR), 0);
    assert_int_equal(h.count, HOURS_MAX_SPANS);
    assert_int_equal(hours_add(&h, 6, 20 * HOUR, 21 * HOUR), ERR_LIMIT);
    assert_int_equal(h.count, HOURS_MAX_SPANS);
    assert_int_equal(hours_add(&h, 6, 0, HOUR), 0); /* joins one that is there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_always),        cmocka_unit_test(test_gold),
        cmocka_unit_test(test_over_the_turn), cmocka_unit_test(test_before_1970),
        cmocka_unit_test(test_joined),        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
