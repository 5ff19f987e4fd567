/* SPDX-License-Identifier: MIT
 *
 * What is ours although it did not look like it: told as a hand's before an answer named it, made
 * by a broker whose clock is slow, shown only in part.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "exec_pending_fixture.h"

#define MINUTE_MS INT64_C(60000)

/* An entry in flight on account 0. Its stop is too near for a tag. */
static struct batch *near_entry(struct world *w, uint64_t *order)
{
    struct err e;
    struct leg_spec leg = w_leg(0);
    struct batch *b = batch_new(w->exec, 7, SETTLE_ALL, 0, &e);
    leg.stop = 499000;
    leg.target = 501000;
    assert_int_equal(batch_add(b, &leg, &e), 0);
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    *order = batch_leg(b, 0)->order;
    assert_int_equal(ledger_order(w->ledger, *order)->tag, -1);
    return b;
}

static void answer(struct world *w, struct batch *b, enum verdict_kind kind, const char *id)
{
    w_answer(w, w->call_count - 1, kind, id, kind == VERDICT_UNKNOWN ? "timeout" : NULL);
    w_turn(w);
    batch_free(b);
    w_pass(w, 1);
}

/* The broker shows it as nobody would know it: of another volume, without stop and target. */
static struct seen_position told_as_a_hands(struct world *w, uint64_t order)
{
    struct seen_position row = w_row(w, "W5", order);
    row.volume = w_dec("0.08");
    row.stop = row.target = w_dec("0");
    w_list(w, 0, w_now(w), &row, 1);
    assert_false(pos(w, "W5")->ours);
    return row;
}

static void assert_ours(struct world *w, const char *id, uint64_t order)
{
    assert_true(pos(w, id)->ours);
    assert_int_equal(pos(w, id)->order, order);
    assert_int_equal(pos(w, id)->signal, 7);
    assert_int_equal(pos(w, id)->holding_ms, 60000);
    assert_true(ledger_order(w->ledger, order)->shown);
}

static void a_hands_position_is_an_orders(void **state)
{
    struct world *w = *state;
    uint64_t order;
    struct batch *b = near_entry(w, &order);
    struct seen_position row = told_as_a_hands(w, order);
    answer(w, b, VERDICT_ACCEPTED, "W5");
    assert_true(w_needs(w, 0) & NEED_POSITIONS);
    w_list(w, 0, w_now(w), &row, 1);
    assert_ours(w, "W5", order);
    assert_int_equal(pos(w, "W5")->volume.v, row.volume.v);
    assert_int_equal(w_events(w, position_opened), 2);
    w_said(w, leg_filled, "\"executed\":\"50001\"");
    w_list(w, 0, w_now(w), &row, 1); /* and it is told once */
    assert_int_equal(w_events(w, position_opened), 2);
    assert_false(w_needs(w, 0) & NEED_POSITIONS);
    w_turn(w);
    int64_t then = clock_market_ms(&w->clock) + 100;
    w_die(w);
    w_live(w, then);
    assert_ours(w, "W5", order);
    w_fini(w);
}

/* The end of a life between the answer and the next list. */
static void a_hands_position_is_an_orders_of_a_former_life(void **state)
{
    struct world *w = *state;
    uint64_t order;
    struct batch *b = near_entry(w, &order);
    struct seen_position row = told_as_a_hands(w, order);
    answer(w, b, VERDICT_ACCEPTED, "W5");
    int64_t then = clock_market_ms(&w->clock) + 100;
    w_die(w);
    w_live(w, then);
    w_list(w, 0, w_now(w), &row, 1);
    assert_ours(w, "W5", order);
    w_fini(w);
}

static void what_is_wanted_of_it_is_done(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t order;
    struct batch *b = near_entry(w, &order);
    struct seen_position row = told_as_a_hands(w, order);
    assert_int_equal(exec_close_entry(w->exec, order, "opposite", &e), 0);
    answer(w, b, VERDICT_ACCEPTED, "W5");
    size_t calls = w->call_count;
    w_list(w, 0, w_now(w), &row, 1);
    assert_ours(w, "W5", order);
    assert_true(pos(w, "W5")->closing);
    w_turn(w);
    assert_int_equal(w->call_count, calls + 1);
    assert_int_equal(w->calls[calls].order.op, ORDER_CLOSE);
    assert_string_equal(w->calls[calls].order.position, "W5");
    w_answer(w, calls, VERDICT_ACCEPTED, NULL, NULL);
    w_fini(w);
}

/* An operator closes what seems to be a hand's: that goes on, once. */
static void a_close_that_is_wanted_goes_on(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t order;
    struct batch *b = near_entry(w, &order);
    struct seen_position row = told_as_a_hands(w, order);
    answer(w, b, VERDICT_ACCEPTED, "W5");
    size_t calls = w->call_count;
    assert_int_equal(exec_close(w->exec, 0, "W5", decimal_raw(0), "manual", &e), 0);
    w_turn(w);
    assert_int_equal(w->call_count, calls + 1);
    w_list(w, 0, w_now(w), &row, 1);
    assert_ours(w, "W5", order);
    assert_true(pos(w, "W5")->closing);
    assert_string_equal(pos(w, "W5")->close_reason, "manual");
    w_turn(w);
    assert_int_equal(w->call_count, calls + 1);
    w_answer(w, calls, VERDICT_ACCEPTED, NULL, NULL);
    w_fini(w);
}

/* It was closed before the list that would have told whose it is. */
static void closed_before_it_was_known_as_ours(void **state)
{
    struct world *w = *state;
    uint64_t order;
    struct batch *b = near_entry(w, &order);
    struct seen_position row = told_as_a_hands(w, order);
    answer(w, b, VERDICT_ACCEPTED, "W5");
    struct seen_close c = w_closed(&row, "u1", 501000, clock_market_ms(&w->clock));
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), &c, 1);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), &c, 1);
    assert_null(pos(w, "W5"));
    assert_int_equal(w_events(w, position_closed), 1);
    assert_true(ledger_order(w->ledger, order)->shown);
    w_fini(w);
}

/* The broker's clock is a minute behind: the row seems older than the order that is in flight. */
static void a_slow_clock_waits_for_the_answer(void **state)
{
    struct world *w = *state;
    uint64_t order;
    struct batch *b = near_entry(w, &order);
    struct seen_position row = w_row(w, "W1", order);
    row.opened_ms -= MINUTE_MS;
    w_list(w, 0, w_now(w), &row, 1);
    assert_null(pos(w, "W1"));
    answer(w, b, VERDICT_ACCEPTED, "W1");
    w_list(w, 0, w_now(w), &row, 1);
    assert_ours(w, "W1", order);
    assert_int_equal(w_events(w, position_opened), 1);
    w_fini(w);
}

/* And of a lost answer: the levels are the order's to the last digit, the time is not. It is asked,
 * not guessed, and not told as a hand's either. */
static void a_slow_clock_and_no_answer(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t order;
    struct batch *b = near_entry(w, &order);
    struct seen_position row = w_row(w, "W1", order);
    row.opened_ms -= MINUTE_MS;
    answer(w, b, VERDICT_UNKNOWN, NULL);
    w_list(w, 0, w_now(w), &row, 1);
    assert_null(pos(w, "W1"));
    assert_true(ledger_order(w->ledger, order)->ambiguous);
    w_said(w, order_ambiguous, "W1");
    assert_int_equal(exec_assign(w->exec, order, "W1", &e), 0);
    w_list(w, 0, w_now(w), &row, 1);
    assert_ours(w, "W1", order);
    w_fini(w);
}

/* Of two of the same levels the one in time is it. */
static void in_time_comes_first(void **state)
{
    struct world *w = *state;
    uint64_t order;
    struct batch *b = near_entry(w, &order);
    struct seen_position rows[] = {w_row(w, "W1", order), w_row(w, "W2", order)};
    rows[0].opened_ms -= MINUTE_MS;
    answer(w, b, VERDICT_UNKNOWN, NULL);
    w_list(w, 0, w_now(w), rows, 2);
    assert_ours(w, "W2", order);
    w_fini(w);
}

/* ---- pending orders ---- */

#define IN_FLIGHT (-1)

static uint64_t create_near(struct world *w, int kind, const char *id)
{
    struct err e;
    struct leg_spec leg = limit_leg();
    leg.stop = 494000;
    leg.target = 496000;
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_LIMIT, 7, on_told, w, &e), 0);
    uint64_t order = ledger_last_order(w->ledger);
    if (kind != IN_FLIGHT) {
        w_answer(w, w->call_count - 1, (enum verdict_kind)kind, id,
                 kind == VERDICT_UNKNOWN ? "timeout" : NULL);
        w_pass(w, 1);
    }
    return order;
}

static void a_tagged_pending_order_and_a_slow_clock(void **state)
{
    struct world *w = *state;
    uint64_t order = create(w, VERDICT_UNKNOWN, NULL);
    assert_true(ledger_order(w->ledger, order)->tag >= 0);
    struct seen_order row = resting(w, "P1", order);
    row.created_ms -= MINUTE_MS;
    w_orders(w, 0, w_now(w), &row, 1);
    assert_true(pend(w, "P1")->ours);
    assert_int_equal(pend(w, "P1")->order, order);
    w_fini(w);
}

static void an_untagged_pending_order_and_a_slow_clock(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t order = create_near(w, VERDICT_UNKNOWN, NULL);
    struct seen_order row = resting(w, "P1", order);
    row.created_ms -= MINUTE_MS;
    w_orders(w, 0, w_now(w), &row, 1);
    assert_null(pend(w, "P1"));
    assert_true(ledger_order(w->ledger, order)->ambiguous);
    assert_int_equal(exec_assign(w->exec, order, "P1", &e), 0);
    w_orders(w, 0, w_now(w), &row, 1);
    assert_int_equal(pend(w, "P1")->order, order);
    w_fini(w);
}

static void a_hands_pending_order_is_an_orders(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t order = create_near(w, IN_FLIGHT, NULL);
    struct seen_order row = resting(w, "P1", order);
    row.price = w_price(495100); /* the broker has rounded it, and its stop */
    row.stop = w_price(491900);
    w_orders(w, 0, w_now(w), &row, 1);
    assert_false(pend(w, "P1")->ours);
    w_answer(w, w->call_count - 1, VERDICT_ACCEPTED, "P1", NULL);
    w_pass(w, 1);
    w_orders(w, 0, w_now(w), &row, 1);
    assert_true(pend(w, "P1")->ours);
    assert_int_equal(pend(w, "P1")->order, order);
    assert_true(ledger_order(w->ledger, order)->shown);
    assert_int_equal(w_events(w, pending_seen), 2);
    assert_int_equal(exec_cancel(w->exec, 0, "P1", "manual", &e), 0);
    w_turn(w);
    w_answer(w, w->call_count - 1, VERDICT_ACCEPTED, NULL, NULL);
    int64_t then = clock_market_ms(&w->clock) + 100;
    w_turn(w);
    w_die(w);
    w_live(w, then);
    assert_int_equal(pend(w, "P1")->order, order);
    w_fini(w);
}

/* Triggered, and its position has other levels: it may be a hand's of the same moment. */
static void a_triggered_one_that_looks_different_is_asked(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_order row;
    uint64_t order = rests(w, "P1", &row);
    struct seen_position p = w_row(w, "W9", order);
    p.stop = p.target = w_dec("0");
    w_pass(w, 1000);
    round_of(w, NULL, 0, &p, 1, NULL, 0);
    assert_null(pos(w, "W9"));
    assert_non_null(pend(w, "P1"));
    assert_true(ledger_order(w->ledger, order)->ambiguous);
    assert_int_equal(exec_assign(w->exec, order, "W9", &e), 0);
    round_of(w, NULL, 0, &p, 1, NULL, 0);
    assert_int_equal(pos(w, "W9")->order, order);
    assert_null(pend(w, "P1"));
    w_fini(w);
}

/* ---- a part in the history ---- */

/* Executed late, and a part of it is closed before a list of positions shows the rest. */
static struct seen_close part_of(struct world *w, uint64_t order, struct seen_position *rest)
{
    w_list(w, 0, w_now(w), NULL, 0);
    w_pass(w, 10);
    *rest = w_row(w, "W1", order);
    struct seen_close part = w_closed(rest, "u1", 505000, clock_market_ms(&w->clock) + 5);
    part.volume = w_dec("0.04");
    rest->volume = w_dec("0.06");
    w_pass(w, 10);
    w_history(w, 0, w_now(w), &part, 1);
    assert_null(pos(w, "W1"));
    assert_int_equal(w_events(w, position_closed), 0);
    assert_true(w_needs(w, 0) & NEED_POSITIONS);
    w_pass(w, 10);
    return part;
}

static uint64_t lost(struct world *w)
{
    uint64_t order;
    struct batch *b = near_entry(w, &order);
    answer(w, b, VERDICT_UNKNOWN, NULL);
    return order;
}

static void the_rest_is_open(void **state)
{
    struct world *w = *state;
    struct seen_position rest;
    uint64_t order = lost(w);
    struct seen_close part = part_of(w, order, &rest);
    w_list(w, 0, w_now(w), &rest, 1);
    w_history(w, 0, w_now(w), &part, 1);
    assert_ours(w, "W1", order);
    w_said(w, position_opened, "\"volume\":\"0.1\"");
    w_said(w, position_closed, "\"partial\":true");
    assert_int_equal(pos(w, "W1")->volume.v, rest.volume.v);
    w_fini(w);
}

/* No list shows a rest: so much was executed, and it is over. */
static void there_is_no_rest(void **state)
{
    struct world *w = *state;
    struct seen_position rest;
    uint64_t order = lost(w);
    struct seen_close part = part_of(w, order, &rest);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), &part, 1);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    assert_null(pos(w, "W1"));
    w_said(w, position_opened, "\"volume\":\"0.04\"");
    w_said(w, position_closed, "\"partial\":false");
    w_fini(w);
}

static void the_rest_of_a_pending_order_is_open(void **state)
{
    struct world *w = *state;
    struct seen_order row;
    uint64_t order = rests(w, "P1", &row);
    w_pass(w, 1000);
    struct seen_position rest = w_row(w, "P1", order);
    struct seen_close part = w_closed(&rest, "u1", 505000, clock_market_ms(&w->clock) + 5);
    part.volume = w_dec("0.04");
    rest.volume = w_dec("0.06");
    w_orders(w, 0, w_now(w), NULL, 0);
    for (int k = 0; k < 2; k++)
        w_list(w, 0, w_now(w), NULL, 0);
    w_pass(w, 10);
    w_history(w, 0, w_now(w), &part, 1);
    assert_null(pos(w, "P1"));
    assert_non_null(pend(w, "P1"));
    w_pass(w, 10);
    w_list(w, 0, w_now(w), &rest, 1);
    w_history(w, 0, w_now(w), &part, 1);
    assert_int_equal(pos(w, "P1")->order, order);
    assert_int_equal(pos(w, "P1")->volume.v, rest.volume.v);
    w_said(w, position_closed, "\"partial\":true");
    assert_null(pend(w, "P1"));
    w_fini(w);
}

static void there_is_no_rest_of_a_pending_order(void **state)
{
    struct world *w = *state;
    struct seen_order row;
    uint64_t order = rests(w, "P1", &row);
    w_pass(w, 1000);
    struct seen_position all = w_row(w, "P1", order);
    struct seen_close part = w_closed(&all, "u1", 505000, clock_market_ms(&w->clock) + 5);
    part.volume = w_dec("0.04");
    for (int k = 0; k < 3; k++) {
        w_pass(w, 10);
        round_of(w, NULL, 0, NULL, 0, &part, 1);
    }
    assert_null(pos(w, "P1"));
    assert_null(pend(w, "P1"));
    w_said(w, position_closed, "\"partial\":false");
    w_said(w, pending_gone, "\"reason\":\"triggered\"");
    w_fini(w);
}

/* ---- the same order twice ---- */

/* The broker's answer has called the first one something else than its list, and it is closed; the
 * second one, whose answer was lost, looks just like it. Over a restart, too, it is not taken. */
static void a_closed_one_is_not_the_next_one(void **state)
{
    struct world *w = *state;
    uint64_t first, second;
    answer(w, near_entry(w, &first), VERDICT_ACCEPTED, "O1");
    struct seen_position row = w_row(w, "W1", first);
    w_list(w, 0, w_now(w), &row, 1);
    assert_ours(w, "W1", first);
    assert_string_equal(ledger_order(w->ledger, first)->position, "W1");
    w_pass(w, 1000);
    answer(w, near_entry(w, &second), VERDICT_UNKNOWN, NULL);
    struct seen_close c = w_closed(&row, "u1", 501000, clock_market_ms(&w->clock));
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), &c, 1);
    assert_int_equal(w_events(w, position_closed), 1);
    assert_int_equal(w_state(w, second), ORDER_UNKNOWN);
    int64_t then = clock_market_ms(&w->clock) + 100;
    w_turn(w);
    w_die(w);
    w_live(w, then);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), &c, 1);
    assert_int_equal(w_state(w, second), ORDER_UNKNOWN);
    assert_int_equal(w_events(w, position_closed), 1);
    w_fini(w);
}

/* The same of one that rested, and became a position of another id. */
static void a_triggered_one_is_not_the_next_one(void **state)
{
    struct world *w = *state;
    struct seen_order row;
    uint64_t order = rests(w, "P1", &row);
    struct seen_position p = w_row(w, "W9", order);
    w_list(w, 0, w_now(w), &p, 1);
    assert_int_equal(pos(w, "W9")->order, order);
    assert_null(pend(w, "P1"));
    assert_string_equal(ledger_order(w->ledger, order)->position, "W9");
    w_fini(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_hands_position_is_an_orders),
        TEST(a_hands_position_is_an_orders_of_a_former_life),
        TEST(what_is_wanted_of_it_is_done),
        TEST(a_close_that_is_wanted_goes_on),
        TEST(closed_before_it_was_known_as_ours),
        TEST(a_slow_clock_waits_for_the_answer),
        TEST(a_slow_clock_and_no_answer),
        TEST(in_time_comes_first),
        TEST(a_tagged_pending_order_and_a_slow_clock),
        TEST(an_untagged_pending_order_and_a_slow_clock),
        TEST(a_hands_pending_order_is_an_orders),
        TEST(a_triggered_one_that_looks_different_is_asked),
        TEST(the_rest_is_open),
        TEST(there_is_no_rest),
        TEST(the_rest_of_a_pending_order_is_open),
        TEST(there_is_no_rest_of_a_pending_order),
        TEST(a_closed_one_is_not_the_next_one),
        TEST(a_triggered_one_is_not_the_next_one),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
