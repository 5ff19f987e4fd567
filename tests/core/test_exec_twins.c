/* SPDX-License-Identifier: MIT
 *
 * Orders of ours that ask for the very same, to the last digit, at a broker whose levels have no
 * room for a tag: what comes of one of them is not taken for the other's. And a pending order whose
 * answer was lost and whose price a hand has moved before a list showed it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "exec_pending_fixture.h"

/* A pending order that ends so. Its levels are too near for a tag, unless `tagged`. */
static uint64_t create_like(struct world *w, bool tagged, enum verdict_kind kind, const char *id)
{
    struct err e;
    struct leg_spec leg = limit_leg();
    if (!tagged) {
        leg.stop = 492000;
        leg.target = 498000;
    }
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_LIMIT, 7, on_told, w, &e), 0);
    uint64_t order = ledger_last_order(w->ledger);
    assert_int_equal(ledger_order(w->ledger, order)->tag >= 0, tagged);
    w_answer(w, w->call_count - 1, kind, id, kind == VERDICT_UNKNOWN ? "timeout" : NULL);
    w_pass(w, 1);
    return order;
}

static uint64_t create_near(struct world *w, enum verdict_kind kind, const char *id)
{
    return create_like(w, false, kind, id);
}

static bool ambiguous(struct world *w, uint64_t order)
{
    return ledger_order(w->ledger, order)->ambiguous;
}

/* One rests, the answer to its twin is lost, and a position with their levels is there: which of
 * them it was is the operator's to say. */
static void a_fill_may_be_a_twins(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t first = create_near(w, VERDICT_ACCEPTED, "P1");
    struct seen_order row = resting(w, "P1", first);
    w_orders(w, 0, w_now(w), &row, 1);
    uint64_t second = create_near(w, VERDICT_UNKNOWN, NULL);
    struct seen_position p = w_row(w, "W9", second);
    for (int k = 0; k < 3; k++)
        round_of(w, NULL, 0, &p, 1, NULL, 0);
    assert_null(pos(w, "W9"));
    assert_non_null(pend(w, "P1"));
    assert_int_equal(w_state(w, second), ORDER_UNKNOWN);
    assert_true(ambiguous(w, first));
    assert_true(ambiguous(w, second));
    assert_int_equal(exec_assign(w->exec, second, NULL, &e), 0);
    round_of(w, NULL, 0, &p, 1, NULL, 0);
    assert_int_equal(pos(w, "W9")->order, first);
    assert_null(pend(w, "P1"));
    assert_int_equal(w_state(w, second), ORDER_UNKNOWN);
    w_pass(w, 30001);
    for (int k = 0; k < 3; k++)
        round_of(w, NULL, 0, &p, 1, NULL, 0);
    assert_int_equal(w_state(w, second), ORDER_ABSENT);
    w_fini(w);
}

/* A list that shows the first one resting still says that the position is not its. */
static void a_twin_that_rests_still(void **state)
{
    struct world *w = *state;
    uint64_t first = create_near(w, VERDICT_ACCEPTED, "P1");
    struct seen_order row = resting(w, "P1", first);
    w_orders(w, 0, w_now(w), &row, 1);
    uint64_t second = create_near(w, VERDICT_UNKNOWN, NULL);
    struct seen_position p = w_row(w, "W9", second);
    w_list(w, 0, w_now(w), &p, 1);
    assert_null(pos(w, "W9"));
    w_pass(w, 1);
    round_of(w, &row, 1, &p, 1, NULL, 0);
    assert_int_equal(pos(w, "W9")->order, second);
    assert_int_equal(w_state(w, second), ORDER_ACCEPTED);
    assert_int_equal(pend(w, "P1")->order, first);
    w_fini(w);
}

/* Two rest and are missed at once, one position is there: the other one was cancelled, and nobody
 * has seen which. */
static void one_position_of_two(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t first = create_near(w, VERDICT_ACCEPTED, "P1");
    struct seen_order rows[2] = {resting(w, "P1", first)};
    w_orders(w, 0, w_now(w), rows, 1);
    uint64_t second = create_near(w, VERDICT_ACCEPTED, "P2");
    rows[1] = resting(w, "P2", second);
    w_orders(w, 0, w_now(w), rows, 2);
    assert_non_null(pend(w, "P2"));
    w_pass(w, 1);
    struct seen_position p = w_row(w, "W9", second);
    for (int k = 0; k < 3; k++)
        round_of(w, NULL, 0, &p, 1, NULL, 0);
    assert_null(pos(w, "W9"));
    assert_int_equal(exec_assign(w->exec, second, "W9", &e), 0);
    for (int k = 0; k < 3; k++)
        round_of(w, NULL, 0, &p, 1, NULL, 0);
    assert_int_equal(pos(w, "W9")->order, second);
    assert_null(pend(w, "P1"));
    assert_null(pend(w, "P2"));
    w_fini(w);
}

/* The first was given up as absent; what turns up may be it, late, or its twin. */
static void an_absent_twin_may_be_late(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t first = create_near(w, VERDICT_UNKNOWN, NULL);
    w_pass(w, 30001);
    for (int k = 0; k < 3; k++)
        round_of(w, NULL, 0, NULL, 0, NULL, 0);
    assert_int_equal(w_state(w, first), ORDER_ABSENT);
    uint64_t second = create_near(w, VERDICT_UNKNOWN, NULL);
    struct seen_order row = resting(w, "P1", second);
    w_orders(w, 0, w_now(w), &row, 1);
    assert_null(pend(w, "P1"));
    assert_true(ambiguous(w, first));
    assert_true(ambiguous(w, second));
    assert_int_equal(exec_assign(w->exec, first, "P1", &e), 0);
    w_orders(w, 0, w_now(w), &row, 1);
    assert_int_equal(pend(w, "P1")->order, first);
    assert_int_equal(w_state(w, first), ORDER_ACCEPTED);
    assert_int_equal(w_state(w, second), ORDER_UNKNOWN);
    w_fini(w);
}

static void moved_and_known_by_its_tag(void **state)
{
    struct world *w = *state;
    uint64_t order = create_like(w, true, VERDICT_UNKNOWN, NULL);
    struct seen_order row = resting(w, "P1", order);
    row.price = w_price(494000);
    w_orders(w, 0, w_now(w), &row, 1);
    assert_int_equal(pend(w, "P1")->order, order);
    assert_int_equal(pend(w, "P1")->price, 494000);
    w_said(w, order_adopted, "\"by\":\"tag\"");
    w_fini(w);
}

/* Given up, executed late, and moved before a list showed it: its tag speaks still. */
static void moved_and_late(void **state)
{
    struct world *w = *state;
    uint64_t order = create_like(w, true, VERDICT_UNKNOWN, NULL);
    struct seen_order row = resting(w, "P1", order);
    w_pass(w, 30001);
    for (int k = 0; k < 3; k++)
        round_of(w, NULL, 0, NULL, 0, NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    row.price = w_price(494000);
    w_orders(w, 0, w_now(w), &row, 1);
    assert_int_equal(pend(w, "P1")->order, order);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    w_fini(w);
}

/* Without a tag, or with another stop, it may as well be a hand's. */
static void moved_and_the_operators(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t order = create_near(w, VERDICT_UNKNOWN, NULL);
    struct seen_order row = resting(w, "P1", order);
    row.price = w_price(494000);
    w_orders(w, 0, w_now(w), &row, 1);
    assert_null(pend(w, "P1"));
    assert_true(ambiguous(w, order));
    assert_int_equal(exec_assign(w->exec, order, "P1", &e), 0);
    w_orders(w, 0, w_now(w), &row, 1);
    assert_int_equal(pend(w, "P1")->order, order);
    w_pass(w, 1);
    order = create_like(w, true, VERDICT_UNKNOWN, NULL);
    struct seen_order rows[2] = {row, resting(w, "P2", order)};
    rows[1].stop = w_price(480000);
    w_orders(w, 0, w_now(w), rows, 2);
    assert_null(pend(w, "P2"));
    assert_int_equal(exec_assign(w->exec, order, NULL, &e), 0);
    w_orders(w, 0, w_now(w), rows, 2);
    assert_false(pend(w, "P2")->ours);
    w_fini(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_fill_may_be_a_twins),
        T(a_twin_that_rests_still),
        T(one_position_of_two),
        T(an_absent_twin_may_be_late),
        T(moved_and_known_by_its_tag),
        T(moved_and_the_operators),
        T(moved_and_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
