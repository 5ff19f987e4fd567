/* SPDX-License-Identifier: MIT
 *
 * Entries whose outcome is open, settled by the broker's lists: adopted, absent, ambiguous, late;
 * accepted and shown later or never; lists that are too old to prove anything.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "exec_world.h"

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w_init(w);
    w_live(w, W_START);
    w_quiet(w, 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* An entry on account 0 that ends so; returns its order. */
static uint64_t entry(struct world *w, enum verdict_kind kind, const char *id)
{
    struct batch *b = w_batch(w, 1);
    uint64_t order = batch_leg(b, 0)->order;
    assert_int_not_equal(order, 0);
    w_answer(w, w->call_count - 1, kind, id, "timeout");
    w_turn(w);
    batch_free(b);
    w_pass(w, 1);
    return order;
}

static const struct position *pos(struct world *w, const char *id)
{
    return ledger_position(w->ledger, 0, id);
}

/* Until the wait that absence needs is over. */
static void wait_absent(struct world *w)
{
    w_pass(w, 30001);
}

static void accepted_is_shown(void **state)
{
    struct world *w = *state;
    int64_t before = w_now(w);
    w_pass(w, 1);
    uint64_t order = entry(w, VERDICT_ACCEPTED, "W1");
    assert_true(w->wakes[0] > 0);
    assert_int_equal(w_needs(w, 0), NEED_POSITIONS);
    w_list(w, 0, before, NULL, 0); /* begun before the answer: proves nothing */
    assert_int_equal(w_needs(w, 0), NEED_POSITIONS);
    struct seen_position row = w_row(w, "W1", order);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_needs(w, 0), 0);
    assert_true(pos(w, "W1")->ours);
    assert_int_equal(pos(w, "W1")->order, order);
    assert_int_equal(pos(w, "W1")->signal, 7);
    assert_int_equal(pos(w, "W1")->holding_ms, 60000);
    assert_int_equal(w_events(w, order_adopted), 0);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_events(w, position_opened), 1);
    assert_int_equal(w_events(w, position_changed), 0);
    assert_false(ledger_entry_pending(w->ledger, 0, 0));
    w_fini(w);
}

static void accepted_under_another_id(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_ACCEPTED, "O1");
    struct seen_position row = w_row(w, "W1", order);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(pos(w, "W1")->order, order);
    w_fini(w);
}

/* The id in the answer is looked for in the history before a look-alike is taken. */
static void accepted_and_a_look_alike(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_ACCEPTED, "W1");
    struct seen_position hand = w_row(w, "H1", order), ours = w_row(w, "W1", order);
    hand.stop = w_price(480000);
    w_list(w, 0, w_now(w), &hand, 1);
    assert_null(pos(w, "H1"));
    struct seen_close c = w_closed(&ours, "u", 490000, clock_market_ms(&w->clock));
    w_history(w, 0, w_now(w), &c, 1);
    assert_int_equal(w_events(w, position_closed), 1);
    w_said(w, position_closed, "\"position\":\"W1\"");
    w_list(w, 0, w_now(w), &hand, 1);
    assert_false(pos(w, "H1")->ours);
    w_fini(w);
}

/* A list that was begun between the intent and the answer. */
static void a_list_begun_before_the_answer(void **state)
{
    struct world *w = *state;
    struct batch *b = w_batch(w, 1);
    w_pass(w, 5);
    int64_t before = w_now(w);
    w_pass(w, 5);
    w_answer(w, 0, VERDICT_ACCEPTED, "W1", NULL);
    w_list(w, 0, before, NULL, 0);
    assert_int_equal(w_needs(w, 0), NEED_POSITIONS);
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_needs(w, 0), NEED_CLOSED);
    batch_free(b);
    w_fini(w);
}

static void accepted_and_closed_meanwhile(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_ACCEPTED, "W1");
    int64_t from;
    struct seen_position row = w_row(w, "W1", order);
    w_list(w, 0, w_now(w), NULL, 0);
    assert_true(exec_needs(w->exec, 0, &from) & NEED_CLOSED);
    assert_int_equal(from, ledger_order(w->ledger, order)->intent_ms - 60000);
    struct seen_close c = w_closed(&row, "u", 480000, clock_market_ms(&w->clock));
    w_history(w, 0, w_now(w), &c, 1);
    assert_null(pos(w, "W1"));
    assert_int_equal(w_events(w, position_opened), 1);
    assert_int_equal(w_events(w, position_closed), 1);
    w_said(w, position_closed, "\"reason\":\"stop\"");
    assert_false(ledger_entry_pending(w->ledger, 0, 0));
    assert_int_equal(w_needs(w, 0), NEED_BALANCE);
    w_fini(w);
}

static void accepted_and_never_seen(void **state)
{
    struct world *w = *state;
    entry(w, VERDICT_ACCEPTED, "W1");
    for (int k = 0; k < 9; k++) {
        assert_true(w_needs(w, 0) & NEED_POSITIONS);
        w_list(w, 0, w_now(w), NULL, 0);
        w_history(w, 0, w_now(w), NULL, 0);
        assert_int_equal(w_needs(w, 0), 0); /* a back-off ... */
        w_pass(w, k == 0 ? 499 : 5001);
        assert_int_equal(w_needs(w, 0) != 0, k != 0);
        w_pass(w, 2);
    }
    assert_int_equal(w_events(w, notice), 0);
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_events(w, notice), 1);
    w_pass(w, 5001);
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_events(w, notice), 1);           /* once */
    assert_true(ledger_entry_pending(w->ledger, 0, 0)); /* nothing is sent on top of it */
    w_fini(w);
}

static void unknown_is_adopted_by_its_tag(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    assert_true(ledger_entry_pending(w->ledger, 0, 0));
    assert_int_equal(w_needs(w, 0), NEED_POSITIONS);
    struct seen_position rows[2] = {w_row(w, "W1", order), w_row(w, "W2", order)};
    rows[0].stop = w_price(491234); /* a hand's, of the same shape */
    w_list(w, 0, w_now(w), rows, 2);
    w_said(w, order_adopted, "\"by\":\"tag\"");
    assert_int_equal(pos(w, "W2")->order, order);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    assert_false(pos(w, "W1")->ours);
    assert_false(ledger_entry_pending(w->ledger, 0, 0));
    assert_int_equal(w->call_count, 1);
    w_fini(w);
}

static void what_does_not_fit_is_not_adopted(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    struct seen_position fit = w_row(w, "W1", order), rows[4] = {fit, fit, fit, fit};
    const char *ids[] = {"X0", "X1", "X2", "X3"};
    for (int k = 0; k < 4; k++)
        rows[k].id = ids[k];
    rows[0].side = SIDE_SELL;
    rows[1].volume = w_dec("0.2");
    rows[2].symbol = "ETHUSD.";
    rows[3].opened_ms = ledger_order(w->ledger, order)->intent_ms - 600001;
    w_list(w, 0, w_now(w), rows, 4);
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    assert_int_equal(w_events(w, position_opened), 4);
    for (int k = 0; k < 4; k++)
        assert_false(pos(w, ids[k])->ours);
    fit.opened_ms = ledger_order(w->ledger, order)->intent_ms - 600000; /* its clock is wrong */
    struct seen_position all[5] = {rows[0], rows[1], rows[2], rows[3], fit};
    w_list(w, 0, w_now(w), all, 5);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    w_fini(w);
}

/* A broker whose clock is wrong shows the position before the answer is given up: it is kept for
 * the order that it carries the tag of, and not taken for a hand's. What looks alike waits, too. */
static void shown_by_a_wrong_clock_before_the_time_out(void **state)
{
    struct world *w = *state;
    struct batch *b = w_batch(w, 1);
    uint64_t order = batch_leg(b, 0)->order;
    w_pass(w, 5);
    struct seen_position row = w_row(w, "W1", order), hand = row;
    row.opened_ms = hand.opened_ms = ledger_order(w->ledger, order)->intent_ms - 60000;
    hand.id = "H1";
    hand.stop = w_price(480000);
    struct seen_position rows[2] = {row, hand};
    w_list(w, 0, w_now(w), rows, 2);
    assert_null(pos(w, "W1"));
    assert_null(pos(w, "H1"));
    w_answer(w, 0, VERDICT_UNKNOWN, NULL, "timeout");
    w_turn(w);
    w_pass(w, 1);
    w_list(w, 0, w_now(w), rows, 2);
    assert_int_equal(pos(w, "W1")->order, order);
    assert_false(pos(w, "H1")->ours);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    batch_free(b);
    w_fini(w);
}

/* A hand's trade of the same shape, opened just before and closed: only this run remembers it. */
static void a_closed_trade_of_a_hand_is_not_taken(void **state)
{
    struct world *w = *state;
    struct seen_position row = {.id = "H1",
                                .symbol = "BTCUSD.",
                                .side = SIDE_BUY,
                                .volume = w_dec("0.1"),
                                .price = w_price(500000),
                                .opened_ms = clock_market_ms(&w->clock)};
    w_list(w, 0, w_now(w), &row, 1);
    w_list(w, 0, w_now(w), NULL, 0);
    struct seen_close c = w_closed(&row, "u", 505000, clock_market_ms(&w->clock));
    w_history(w, 0, w_now(w), &c, 1);
    assert_int_equal(w_events(w, position_closed), 1);
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), &c, 1);
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    assert_int_equal(w_events(w, position_closed), 1);
    w_fini(w);
}

static void absent_needs_three_lists_and_a_history(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    int64_t early = w_now(w);
    for (int k = 0; k < 10; k++) { /* before the wait is over nothing counts */
        w_list(w, 0, w_now(w), NULL, 0);
        w_history(w, 0, w_now(w), NULL, 0);
        w_pass(w, 2900);
    }
    wait_absent(w);
    for (int k = 0; k < 5; k++) /* lists begun early do not count either */
        w_list(w, 0, early, NULL, 0);
    w_list(w, 0, w_now(w), NULL, 0);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, early, NULL, 0);
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN); /* the history is wanting */
    w_history(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    w_said(w, order_absent, "\"reads\":3");
    assert_false(ledger_entry_pending(w->ledger, 0, 0));
    w_pass(w, 120000);
    assert_int_equal(w->call_count, 1); /* never sent again */
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_needs(w, 0), 0);
    w_fini(w);
}

static void two_lists_are_not_enough(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    wait_absent(w);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), NULL, 0);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    w_fini(w);
}

static uint64_t absent(struct world *w)
{
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    wait_absent(w);
    for (int k = 0; k < 3; k++) {
        w_list(w, 0, w_now(w), NULL, 0);
        w_history(w, 0, w_now(w), NULL, 0);
    }
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    return order;
}

static void absent_turns_up(void **state)
{
    struct world *w = *state;
    uint64_t order = absent(w);
    struct seen_position rows[2] = {w_row(w, "W1", order), w_row(w, "W2", order)};
    rows[0].stop = w_price(480000); /* only looks alike: a hand's */
    w_list(w, 0, w_now(w), rows, 1);
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    w_list(w, 0, w_now(w), rows, 2);
    assert_false(pos(w, "W1")->ours);
    assert_int_equal(pos(w, "W2")->order, order);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    assert_int_equal(w_events(w, order_adopted), 1);
    w_fini(w);
}

static void absent_turns_up_after_a_restart(void **state)
{
    struct world *w = *state;
    uint64_t order = absent(w);
    w_turn(w);
    w_die(w);
    w_live(w, W_START + 100000);
    struct seen_position row = w_row(w, "W1", order);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(pos(w, "W1")->order, order);
    w_fini(w);
}

static void unknown_opened_and_closed_meanwhile(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    struct seen_position row = w_row(w, "W1", order);
    struct seen_close c[3] = {w_closed(&row, "u1", 505000, clock_market_ms(&w->clock) + 5),
                              w_closed(&row, "u2", 520000, clock_market_ms(&w->clock) + 9),
                              w_closed(&row, "u3", 505000, clock_market_ms(&w->clock))};
    c[0].volume = w_dec("0.04"); /* in two parts */
    c[1].volume = w_dec("0.06");
    c[2].id = "W0"; /* somebody else's, long ago */
    c[2].opened_ms = W_START - 100000;
    w_history(w, 0, w_now(w), c, 3); /* before a list without it: may still be open */
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), c, 3);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    assert_int_equal(w_events(w, position_opened), 1);
    assert_int_equal(w_events(w, position_closed), 2);
    w_said(w, position_opened, "\"volume\":\"0.1\"");
    w_said(w, position_closed, "\"reason\":\"target\"");
    w_said(w, position_closed, "\"uid\":\"u2\"");
    assert_null(pos(w, "W1"));
    assert_int_equal(ledger_account_at(w->ledger, 0)->trades, 1);
    w_fini(w);
}

/* A hand closed a part before any list showed the position: it is ours all the same, and the part
 * is told from the history. */
static void unknown_and_a_part_closed_before_anybody_looked(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    struct seen_position row = w_row(w, "W1", order);
    struct seen_close part = w_closed(&row, "u1", 505000, clock_market_ms(&w->clock) + 5);
    part.volume = w_dec("0.04");
    row.volume = w_dec("0.06");
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    assert_true(pos(w, "W1")->ours);
    w_said(w, position_opened, "\"volume\":\"0.1\"");
    int64_t from;
    assert_true(exec_needs(w->exec, 0, &from) & NEED_CLOSED);
    assert_true(from <= row.opened_ms);
    w_history(w, 0, w_now(w), &part, 1);
    assert_int_equal(w_events(w, position_closed), 1);
    w_said(w, position_closed, "\"partial\":true");
    assert_int_equal(pos(w, "W1")->volume.v, row.volume.v);
    w_fini(w);
}

/* The history holds our last trade too, of the same shape: it is not the one that is looked for. */
static void a_closed_trade_is_not_taken_twice(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    w_list(w, 0, w_now(w), NULL, 0);
    struct seen_close c = w_closed(&row, "u1", 505000, clock_market_ms(&w->clock));
    w_history(w, 0, w_now(w), &c, 1);
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), &c, 1);
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    /* Also not after a restart, when only the ledger remembers. */
    w_turn(w);
    int64_t then = clock_market_ms(&w->clock) + 100;
    w_die(w);
    w_live(w, then);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), &c, 1);
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    w_fini(w);
}

static void a_row_while_the_entry_is_in_flight(void **state)
{
    struct world *w = *state;
    struct batch *b = w_batch(w, 1);
    uint64_t order = batch_leg(b, 0)->order;
    struct seen_position row = w_row(w, "W1", order), other = row;
    row.stop = w_price(485000);
    other.id = "W5";
    other.side = SIDE_SELL;
    struct seen_position rows[2] = {row, other};
    w_list(w, 0, w_now(w), rows, 2);
    assert_null(pos(w, "W1")); /* left for the next list */
    assert_false(pos(w, "W5")->ours);
    w_answer(w, 0, VERDICT_REJECTED, NULL, "rejected");
    assert_true(w_needs(w, 0) & NEED_POSITIONS);
    w_list(w, 0, w_now(w), rows, 2);
    assert_false(pos(w, "W1")->ours); /* so it was a hand's */
    batch_free(b);
    w_fini(w);
}

/* The same when a part of it was closed already. */
static void a_part_of_a_row_while_the_entry_is_in_flight(void **state)
{
    struct world *w = *state;
    struct batch *b = w_batch(w, 1);
    uint64_t order = batch_leg(b, 0)->order;
    struct seen_position row = w_row(w, "W1", order);
    row.volume = w_dec("0.06");
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_events(w, position_opened), 0);
    w_answer(w, 0, VERDICT_ACCEPTED, "W1", "");
    w_turn(w);
    batch_free(b);
    w_pass(w, 1);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_events(w, position_opened), 1);
    assert_true(pos(w, "W1")->ours);
    w_fini(w);
}

static void a_list_begun_before_the_intent(void **state)
{
    struct world *w = *state;
    int64_t before = w_now(w);
    w_pass(w, 5);
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    struct seen_position row = w_row(w, "W1", order);
    w_list(w, 0, before, &row, 1); /* slow: nobody can tell whose it is */
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    assert_null(pos(w, "W1"));
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(pos(w, "W1")->order, order);
    w_fini(w);
}

static void stale_lists_prove_nothing(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    w_pass(w, 10);
    w_list(w, 0, w_now(w), &row, 1);
    w_list(w, 0, w_now(w) - 5 * W_MS, NULL, 0); /* begun before the list that shows it */
    assert_int_equal(w_needs(w, 0) & NEED_CLOSED, 0);
    struct seen_close c = w_closed(&row, "u", 500000, clock_market_ms(&w->clock));
    w_history(w, 0, w_now(w), &c, 1);
    assert_non_null(pos(w, "W1"));
    w_list(w, 0, w_now(w), NULL, 0);
    assert_true(w_needs(w, 0) & NEED_CLOSED);
    w_fini(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(accepted_is_shown),
        T(accepted_under_another_id),
        T(accepted_and_a_look_alike),
        T(a_list_begun_before_the_answer),
        T(accepted_and_closed_meanwhile),
        T(accepted_and_never_seen),
        T(unknown_is_adopted_by_its_tag),
        T(what_does_not_fit_is_not_adopted),
        T(shown_by_a_wrong_clock_before_the_time_out),
        T(a_closed_trade_of_a_hand_is_not_taken),
        T(absent_needs_three_lists_and_a_history),
        T(two_lists_are_not_enough),
        T(absent_turns_up),
        T(absent_turns_up_after_a_restart),
        T(unknown_opened_and_closed_meanwhile),
        T(unknown_and_a_part_closed_before_anybody_looked),
        T(a_closed_trade_is_not_taken_twice),
        T(a_row_while_the_entry_is_in_flight),
        T(a_part_of_a_row_while_the_entry_is_in_flight),
        T(a_list_begun_before_the_intent),
        T(stale_lists_prove_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
