/* SPDX-License-Identifier: MIT
 *
 * The order machine: its whole table, and the properties of the tag over random cases.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/rng.h"
#include "trade/order.h"

static const struct {
    enum order_state from;
    enum order_input input;
    enum order_state to;
} steps[] = {
    {ORDER_INTENT, ORDER_IN_SEND, ORDER_SENT},       {ORDER_INTENT, ORDER_IN_LOSE, ORDER_UNKNOWN},
    {ORDER_INTENT, ORDER_IN_DROP, ORDER_NOT_SENT},   {ORDER_SENT, ORDER_IN_ACCEPT, ORDER_ACCEPTED},
    {ORDER_SENT, ORDER_IN_REJECT, ORDER_REJECTED},   {ORDER_SENT, ORDER_IN_LOSE, ORDER_UNKNOWN},
    {ORDER_UNKNOWN, ORDER_IN_ADOPT, ORDER_ACCEPTED}, {ORDER_UNKNOWN, ORDER_IN_ABSENT, ORDER_ABSENT},
    {ORDER_ABSENT, ORDER_IN_ADOPT, ORDER_ACCEPTED},
};

/* Every pair of state and input: exactly the steps above exist. */
static void test_table(void **state)
{
    (void)state;
    for (int from = ORDER_INTENT; from <= ORDER_NOT_SENT; from++) {
        for (int input = ORDER_IN_SEND; input <= ORDER_IN_DROP; input++) {
            int expected = -1;
            for (size_t k = 0; k < sizeof steps / sizeof *steps; k++)
                if ((int)steps[k].from == from && (int)steps[k].input == input)
                    expected = (int)steps[k].to;
            enum order_state to = (enum order_state)77;
            int rc = order_step((enum order_state)from, (enum order_input)input, &to);
            if (expected < 0) {
                assert_int_equal(rc, ERR_STATE);
                assert_int_equal(to, 77);
            } else {
                assert_int_equal(rc, 0);
                assert_int_equal(to, expected);
            }
        }
    }
    enum order_state to;
    assert_int_equal(order_step((enum order_state)99, ORDER_IN_SEND, &to), ERR_STATE);
    assert_int_equal(order_step(ORDER_INTENT, (enum order_input)99, &to), ERR_STATE);
}

static void test_names(void **state)
{
    (void)state;
    const char *names[] = {"INTENT",  "SENT",   "ACCEPTED", "REJECTED",
                           "UNKNOWN", "ABSENT", "NOT_SENT"};
    bool final[] = {false, false, true, true, false, true, true};
    for (int k = 0; k < 7; k++) {
        assert_string_equal(order_state_name((enum order_state)k), names[k]);
        assert_int_equal(order_final((enum order_state)k), final[k]);
    }
    for (int k = ORDER_OPEN; k <= ORDER_CANCEL; k++) {
        enum order_op op;
        assert_int_equal(order_op_parse(order_op_name((enum order_op)k), &op), 0);
        assert_int_equal(op, k);
    }
    enum order_op op;
    assert_int_equal(order_op_parse("closed", &op), ERR_INPUT);
    assert_int_equal(order_op_parse(NULL, &op), ERR_INPUT);
}

static void test_tag_by_hand(void **state)
{
    (void)state;
    struct instrument i = {.price_digits = 1};
    int64_t stop = 480000, target = 520050;
    /* 1234: the stop ends in 12 (up), the target in 34 (down). */
    assert_int_equal(order_tag_apply(&i, SIDE_BUY, 500000, 991234, &stop, &target), 1234);
    assert_int_equal(stop, 480012);
    assert_int_equal(target, 520034);
    stop = 520050, target = 480000;
    assert_int_equal(order_tag_apply(&i, SIDE_SELL, 500000, 1234, &stop, &target), 1234);
    assert_int_equal(stop, 520012);
    assert_int_equal(target, 480034);
    /* Digits that are there already cost nothing, even close to the price. */
    stop = 499912, target = 500034;
    assert_int_equal(order_tag_apply(&i, SIDE_BUY, 500000, 1234, &stop, &target), 1234);
    /* 99 points are more than 2 % of 1,000. */
    stop = 499001, target = 520000;
    assert_int_equal(order_tag_apply(&i, SIDE_BUY, 500000, 0, &stop, &target), -1);
    assert_int_equal(stop, 499001);
    assert_int_equal(target, 520000);
    /* None, or on the wrong side. */
    stop = 0, target = 520000;
    assert_int_equal(order_tag_apply(&i, SIDE_BUY, 500000, 0, &stop, &target), -1);
    stop = 480000, target = 0;
    assert_int_equal(order_tag_apply(&i, SIDE_BUY, 500000, 0, &stop, &target), -1);
    stop = 510000, target = 520000;
    assert_int_equal(order_tag_apply(&i, SIDE_BUY, 500000, 0, &stop, &target), -1);
    /* Not inside the stops level: 20,000 points away, 19,990 allowed, the tag wants 19,988. */
    i.stops_level = 19990;
    stop = 480000, target = 520000;
    assert_int_equal(order_tag_apply(&i, SIDE_BUY, 500000, 1200, &stop, &target), -1);
    assert_int_equal(stop, 480000);
    i.stops_level = 19988;
    assert_int_equal(order_tag_apply(&i, SIDE_BUY, 500000, 1200, &stop, &target), 1200);
    assert_int_equal(stop, 480012);
}

static void test_tag_properties(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 11);
    int tagged = 0, untagged = 0;
    for (int k = 0; k < 200000; k++) {
        struct instrument i = {.stops_level = (int32_t)rng_range(&r, 0, 3000)};
        enum side side = rng_range(&r, 0, 1) ? SIDE_BUY : SIDE_SELL;
        int64_t price = rng_range(&r, 20000, 2000000);
        int64_t ds = rng_range(&r, 1, 10000), dt = rng_range(&r, 1, 10000);
        int64_t stop = price - side * ds, target = price + side * dt;
        uint64_t id = (uint64_t)rng_range(&r, 1, INT64_MAX);
        int64_t s = stop, t = target;
        int tag = order_tag_apply(&i, side, price, id, &s, &t);
        if (tag < 0) {
            assert_int_equal(tag, -1);
            assert_int_equal(s, stop);
            assert_int_equal(t, target);
            untagged++;
            continue;
        }
        tagged++;
        assert_int_equal(tag, id % 10000);
        assert_int_equal(s % 100, tag / 100);
        assert_int_equal(t % 100, tag % 100);
        int64_t ms = ds - llabs(price - s), mt = dt - llabs(t - price);
        assert_true(ms >= 0 && ms <= 99 && ms * 50 <= ds); /* towards the price, a little */
        assert_true(mt >= 0 && mt <= 99 && mt * 50 <= dt);
        assert_true((s < price) == (side == SIDE_BUY) && s != price);
        assert_true((t > price) == (side == SIDE_BUY) && t != price);
        assert_true(ms == 0 || llabs(price - s) >= i.stops_level);
        assert_true(mt == 0 || llabs(price - t) >= i.stops_level);
    }
    assert_true(tagged > 10000 && untagged > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_tag_by_hand),
        cmocka_unit_test(test_tag_properties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
