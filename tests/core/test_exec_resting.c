/* SPDX-License-Identifier: MIT
 *
 * What becomes of pending orders that rest at the broker: triggered, before a cancel too, under
 * this or that id; made, moved and cancelled by hand; odd and old lists; restarts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "exec_pending_fixture.h"

static void triggered_under_its_id(void **state)
{
    struct world *w = *state;
    struct seen_order row;
    uint64_t order = rests(w, "P1", &row);
    struct seen_position p = w_row(w, "P1", order);
    w_list(w, 0, w_now(w), &p, 1); /* before the list of orders has told */
    assert_int_equal(pos(w, "P1")->order, order);
    assert_int_equal(pos(w, "P1")->signal, 7);
    assert_null(pend(w, "P1"));
    w_said(w, pending_gone, "\"reason\":\"triggered\"");
    w_said(w, pending_gone, "\"position\":\"P1\"");
    assert_int_equal(ledger_exposure_count(w->ledger, 0), 1);
    round_of(w, NULL, 0, &p, 1, NULL, 0);
    assert_int_equal(w_events(w, position_opened), 1);
    assert_int_equal(w_events(w, pending_gone), 1);
    w_fini(w);
}

static void triggered_under_another_id(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_order row;
    uint64_t order = rests(w, "P1", &row);
    struct seen_position p = w_row(w, "W9", order); /* by its tag */
    w_list(w, 0, w_now(w), &p, 1);
    assert_int_equal(pos(w, "W9")->order, order);
    w_said(w, pending_gone, "\"position\":\"W9\"");
    /* A second one, filled with other stops: once it is missed the operator is asked. */
    w_pass(w, 1);
    order = rests(w, "P2", &row);
    struct seen_position rows[2] = {p, w_row(w, "W10", order)};
    rows[1].stop = w_price(484000);
    w_list(w, 0, w_now(w), rows, 2);
    assert_null(pos(w, "W10")); /* it may still rest */
    assert_true(w_needs(w, 0) & NEED_ORDERS);
    w_pass(w, 1);
    w_orders(w, 0, w_now(w), NULL, 0);
    assert_true(w_needs(w, 0) & NEED_POSITIONS);
    w_list(w, 0, w_now(w), rows, 2);
    assert_null(pos(w, "W10"));
    w_pass(w, 1);
    round_of(w, NULL, 0, rows, 2, NULL, 0);
    assert_null(pos(w, "W10"));
    w_said(w, order_ambiguous, "W10");
    assert_int_equal(exec_assign(w->exec, order, "W10", &e), 0);
    round_of(w, NULL, 0, rows, 2, NULL, 0);
    assert_int_equal(pos(w, "W10")->order, order);
    w_fini(w);
}

/* It rests still after a position of the same shape was there: that one is a hand's. */
static void a_look_alike_while_it_rests(void **state)
{
    struct world *w = *state;
    struct seen_order row;
    uint64_t order = rests(w, "P1", &row);
    struct seen_position p = w_row(w, "H1", order);
    p.stop = p.target = w_dec("0");
    w_list(w, 0, w_now(w), &p, 1);
    assert_null(pos(w, "H1"));
    w_pass(w, 1);
    w_orders(w, 0, w_now(w), &row, 1);
    w_list(w, 0, w_now(w), &p, 1);
    assert_false(pos(w, "H1")->ours);
    assert_non_null(pend(w, "P1"));
    w_fini(w);
}

static void triggered_and_closed(void **state)
{
    struct world *w = *state;
    struct seen_order row;
    uint64_t order = rests(w, "P1", &row);
    struct seen_position p = w_row(w, "P1", order);
    struct seen_close c = w_closed(&p, "u1", 515000, clock_market_ms(&w->clock));
    round_of(w, NULL, 0, NULL, 0, &c, 1);
    assert_int_equal(w_events(w, position_closed), 1);
    w_said(w, position_closed, "\"reason\":\"target\"");
    w_said(w, pending_gone, "\"reason\":\"triggered\"");
    assert_int_equal(w_events(w, pending_gone), 1);
    assert_int_equal(ledger_exposure_count(w->ledger, 0), 0);
    w_fini(w);
}

static void two_fits_are_the_operators(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_order row;
    uint64_t order = rests(w, "P1", &row);
    struct seen_position rows[2] = {w_row(w, "W1", order), w_row(w, "W2", order)};
    rows[0].stop = rows[1].stop = w_price(484000);
    for (int k = 0; k < 4; k++)
        round_of(w, NULL, 0, rows, 2, NULL, 0);
    assert_int_equal(w_events(w, position_opened), 0);
    assert_non_null(pend(w, "P1"));
    w_said(w, order_ambiguous, "[\"W1\",\"W2\"]");
    struct batch *b = w_batch(w, 1);
    assert_string_equal(batch_leg(b, 0)->rule, "unknown");
    batch_free(b);
    assert_int_equal(exec_assign(w->exec, order, "W2", &e), 0);
    round_of(w, NULL, 0, rows, 2, NULL, 0);
    assert_int_equal(pos(w, "W2")->order, order);
    assert_null(pend(w, "P1"));
    round_of(w, NULL, 0, rows, 2, NULL, 0);
    assert_false(pos(w, "W1")->ours);
    w_fini(w);
}

static void a_cancel_that_came_too_late(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_order row;
    uint64_t order = rests(w, "P1", &row);
    assert_int_equal(exec_cancel(w->exec, 0, "P1", "manual", &e), 0);
    uint64_t cancel = ledger_last_order(w->ledger);
    w_answer(w, 1, VERDICT_UNKNOWN, NULL, "timeout");
    w_answer(w, 2, VERDICT_REJECTED, NULL, "rejected"); /* no such order */
    w_pass(w, 1);
    struct seen_position p = w_row(w, "W1", order);
    w_orders(w, 0, w_now(w), NULL, 0);
    w_pass(w, 10000);
    assert_int_equal(w->call_count, 3); /* missed: no more cancels */
    w_list(w, 0, w_now(w), &p, 1);
    assert_int_equal(pos(w, "W1")->order, order);
    assert_null(pend(w, "P1"));
    w_said(w, pending_gone, "\"reason\":\"triggered\"");
    w_said(w, notice, "came too late");
    assert_int_equal(w_state(w, cancel), ORDER_ABSENT);
    w_fini(w);
}

static void by_hand(void **state)
{
    struct world *w = *state;
    struct seen_order row = {.id = "H1",
                             .symbol = "BTCUSD.",
                             .side = SIDE_SELL,
                             .type = ORDER_STOP,
                             .volume = w_dec("0.3"),
                             .price = w_price(480000),
                             .created_ms = clock_market_ms(&w->clock)};
    w_orders(w, 0, w_now(w), &row, 1);
    assert_false(pend(w, "H1")->ours);
    w_said(w, pending_seen, "\"who\":\"hand\"");
    assert_int_equal(ledger_exposure_count(w->ledger, 0), 1);
    row.price = w_price(479000);
    w_orders(w, 0, w_now(w), &row, 1);
    w_said(w, pending_changed, "\"who\":\"hand\"");
    assert_int_equal(pend(w, "H1")->price, 479000);
    w_pass(w, 1);
    round_of(w, NULL, 0, NULL, 0, NULL, 0);
    assert_null(pend(w, "H1"));
    w_said(w, pending_gone, "\"reason\":\"hand\"");
    /* One of ours, cancelled by a hand, takes two rounds; one that a hand made and that was
     * triggered keeps its id. */
    struct seen_order ours;
    rests(w, "P1", &ours);
    round_of(w, NULL, 0, NULL, 0, NULL, 0);
    assert_non_null(pend(w, "P1"));
    round_of(w, NULL, 0, NULL, 0, NULL, 0);
    assert_null(pend(w, "P1"));
    w_said(w, pending_gone, "\"reason\":\"hand\"");
    row.id = "H2";
    w_orders(w, 0, w_now(w), &row, 1);
    struct seen_position p = {.id = "H2",
                              .symbol = "BTCUSD.",
                              .side = SIDE_SELL,
                              .volume = w_dec("0.3"),
                              .price = w_price(479000),
                              .opened_ms = clock_market_ms(&w->clock)};
    round_of(w, NULL, 0, &p, 1, NULL, 0);
    assert_false(pos(w, "H2")->ours);
    w_said(w, pending_gone, "\"reason\":\"triggered\"");
    w_fini(w);
}

static void rows_that_make_no_sense(void **state)
{
    struct world *w = *state;
    struct seen_order good;
    rests(w, "P1", &good);
    struct seen_order rows[4] = {good, good, good, good};
    rows[0].type = ORDER_MARKET; /* its id is there all the same */
    rows[1].id = "";
    rows[2].id = "P2";
    rows[2].symbol = "NOPE";
    rows[3].id = "P3";
    rows[3].volume = w_dec("0");
    w_orders(w, 0, w_now(w), rows, 4);
    assert_non_null(pend(w, "P1"));
    assert_null(pend(w, "P2"));
    assert_null(pend(w, "P3"));
    w_orders(w, 0, w_now(w), rows, 4);
    assert_int_equal(w_events(w, notice), 4); /* each kind once */
    assert_int_equal(exec_observe_orders(w->exec, 99, 0, NULL, 0, NULL), ERR_NOTFOUND);
    w_fini(w);
}

static void stale_lists_prove_nothing(void **state)
{
    struct world *w = *state;
    int64_t early = w_now(w);
    w_pass(w, 10);
    struct seen_order row;
    rests(w, "P1", &row);
    w_orders(w, 0, early, NULL, 0);
    round_of(w, &row, 1, NULL, 0, NULL, 0);
    assert_int_equal(w_needs(w, 0), 0);
    w_orders(w, 0, w_now(w), NULL, 0);
    w_orders(w, 0, early, &row, 1); /* does not bring it back ... */
    w_pass(w, 10);
    w_orders(w, 0, w_now(w), &row, 1); /* ... and this one does */
    round_of(w, &row, 1, NULL, 0, NULL, 0);
    round_of(w, &row, 1, NULL, 0, NULL, 0);
    assert_non_null(pend(w, "P1"));
    assert_int_equal(w_events(w, pending_seen), 1);
    w_fini(w);
}

/* Triggered while nobody looked; the plan is still the order's. */
static void triggered_over_a_restart(void **state)
{
    struct world *w = *state;
    struct seen_order row;
    uint64_t order = rests(w, "P1", &row);
    w_turn(w);
    w_die(w);
    w_live(w, W_START + 600000);
    assert_int_equal(pend(w, "P1")->order, order);
    assert_int_equal(w_needs(w, 0) & NEED_ORDERS, NEED_ORDERS);
    struct seen_position p = w_row(w, "W3", order);
    round_of(w, NULL, 0, &p, 1, NULL, 0);
    assert_int_equal(pos(w, "W3")->order, order);
    assert_int_equal(pos(w, "W3")->holding_ms, 60000);
    assert_null(pend(w, "P1"));
    w_fini(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(triggered_under_its_id),
        T(triggered_under_another_id),
        T(a_look_alike_while_it_rests),
        T(triggered_and_closed),
        T(two_fits_are_the_operators),
        T(a_cancel_that_came_too_late),
        T(by_hand),
        T(rows_that_make_no_sense),
        T(stale_lists_prove_nothing),
        T(triggered_over_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
