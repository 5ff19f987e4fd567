/* SPDX-License-Identifier: MIT
 *
 * Writes to pending orders: created once, lost and found in each of the three lists, edited,
 * cancelled; what becomes of one that rests is in test_exec_resting.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "exec_pending_fixture.h"

static void created_and_shown(void **state)
{
    struct world *w = *state;
    struct leg_spec leg = limit_leg();
    struct err e;
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_LIMIT, 7, on_told, w, &e), 0);
    uint64_t order = ledger_last_order(w->ledger);
    assert_int_equal(w->calls[0].order.op, ORDER_PENDING);
    assert_int_equal(w->calls[0].order.type, ORDER_LIMIT);
    assert_int_equal(w->calls[0].order.price, 495000);
    assert_int_equal(w->calls[0].order.tag, (int)order);
    assert_false(w->calls[0].urgent);
    w_said(w, intent, "\"type\":\"LIMIT\"");
    /* In flight it counts as an entry, and nothing is sent on top of it. */
    assert_true(ledger_entry_pending(w->ledger, 0, 0));
    assert_int_equal(ledger_exposure_count(w->ledger, 0), 1);
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_LIMIT, 7, NULL, NULL, &e), ERR_LIMIT);
    assert_non_null(strstr(e.message, "pending"));
    w_answer(w, 0, VERDICT_ACCEPTED, "P1", NULL);
    assert_int_equal(told, 1);
    assert_int_equal(told_state, ORDER_ACCEPTED);
    assert_string_equal(told_text, "P1");
    assert_true(w_needs(w, 0) & NEED_ORDERS);
    w_pass(w, 1);
    struct seen_order row = resting(w, "P1", order);
    w_orders(w, 0, w_now(w), &row, 1);
    const struct pending *p = pend(w, "P1");
    assert_true(p->ours);
    assert_int_equal(p->order, order);
    assert_int_equal(p->signal, 7);
    assert_int_equal(p->price, 495000);
    w_said(w, pending_seen, "\"who\":\"order\"");
    /* Resting: it counts for exposure and margin, and another entry may be made. */
    assert_false(ledger_entry_pending(w->ledger, 0, 0));
    assert_int_equal(ledger_exposure_count(w->ledger, 0), 1);
    decimal margin;
    assert_int_equal(ledger_margin(w->ledger, 0, &margin, &e), 0);
    assert_int_equal(margin.v, w_dec("49.5").v); /* 0.1 * 49500 / 100 */
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_needs(w, 0), 0);
    w_fini(w);
}

static void what_it_must_pass(void **state)
{
    struct world *w = *state;
    struct err e;
    struct leg_spec leg = limit_leg();
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_MARKET, 0, NULL, NULL, &e), ERR_INPUT);
    leg.account = 99;
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_LIMIT, 0, NULL, NULL, &e), ERR_INPUT);
    leg = limit_leg();
    leg.stop = 0;
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_LIMIT, 0, NULL, NULL, &e), ERR_LIMIT);
    leg = limit_leg();
    leg.stop = 496000; /* above the price at which it would be bought */
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_LIMIT, 0, NULL, NULL, &e), ERR_LIMIT);
    leg = limit_leg();
    w->risk_account = 0;
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_STOP, 0, NULL, NULL, &e), ERR_LIMIT);
    assert_non_null(strstr(e.message, "max_positions"));
    w->risk_account = -1;
    exec_stop_entries(w->exec, true);
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_STOP, 0, NULL, NULL, &e), ERR_STATE);
    assert_int_equal(w->call_count, 0);
    assert_int_equal(w_events(w, intent), 0);
    w_fini(w);
}

static void rejected_is_over(void **state)
{
    struct world *w = *state;
    uint64_t order = create(w, VERDICT_REJECTED, NULL);
    assert_int_equal(w_state(w, order), ORDER_REJECTED);
    assert_false(ledger_entry_pending(w->ledger, 0, 0));
    assert_int_equal(w_needs(w, 0), 0);
    w_fini(w);
}

static void lost_and_resting(void **state)
{
    struct world *w = *state;
    uint64_t order = create(w, VERDICT_UNKNOWN, NULL);
    struct batch *b = w_batch(w, 1); /* a market entry on that symbol waits, too */
    assert_string_equal(batch_leg(b, 0)->rule, "unknown");
    batch_free(b);
    struct seen_order rows[2] = {resting(w, "P1", order), resting(w, "P2", order)};
    rows[0].price = w_price(494000); /* a hand's */
    w_orders(w, 0, w_now(w), rows, 2);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    w_said(w, order_adopted, "\"by\":\"tag\"");
    assert_int_equal(pend(w, "P2")->order, order);
    assert_false(pend(w, "P1")->ours);
    assert_int_equal(w->call_count, 1);
    w_fini(w);
}

static void lost_and_triggered(void **state)
{
    struct world *w = *state;
    uint64_t order = create(w, VERDICT_UNKNOWN, NULL);
    struct seen_position row = w_row(w, "W1", order);
    round_of(w, NULL, 0, &row, 1, NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    assert_int_equal(pos(w, "W1")->order, order);
    assert_int_equal(pos(w, "W1")->holding_ms, 60000);
    w_said(w, position_opened, "\"who\":\"pending\"");
    assert_false(ledger_entry_pending(w->ledger, 0, 0));
    w_fini(w);
}

static void lost_triggered_and_closed(void **state)
{
    struct world *w = *state;
    uint64_t order = create(w, VERDICT_UNKNOWN, NULL);
    struct seen_position row = w_row(w, "W1", order);
    struct seen_close c = w_closed(&row, "u1", 485000, clock_market_ms(&w->clock));
    round_of(w, NULL, 0, NULL, 0, &c, 1);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    assert_int_equal(w_events(w, position_opened), 1);
    assert_int_equal(w_events(w, position_closed), 1);
    assert_null(pos(w, "W1"));
    w_fini(w);
}

static void lost_and_nowhere(void **state)
{
    struct world *w = *state;
    uint64_t order = create(w, VERDICT_UNKNOWN, NULL);
    for (int k = 0; k < 5; k++) /* before the wait is over nothing counts */
        round_of(w, NULL, 0, NULL, 0, NULL, 0);
    w_pass(w, 30001);
    w_orders(w, 0, w_now(w), NULL, 0);
    w_orders(w, 0, w_now(w), NULL, 0);
    w_orders(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN); /* positions are wanting */
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    assert_false(ledger_entry_pending(w->ledger, 0, 0));
    w_pass(w, 120000);
    assert_int_equal(w->call_count, 1); /* never sent again */
    /* It turns up after all. */
    struct seen_order row = resting(w, "P1", order);
    w_orders(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    assert_true(pend(w, "P1")->ours);
    w_fini(w);
}

static void late_is_cancelled_by_policy(void **state)
{
    struct world *w = *state;
    w_turn(w);
    w_die(w);
    w->config.late_close = true;
    w_live(w, W_START + 1000);
    w_quiet(w, 0);
    uint64_t order = create(w, VERDICT_UNKNOWN, NULL);
    w_pass(w, 30001);
    for (int k = 0; k < 3; k++)
        round_of(w, NULL, 0, NULL, 0, NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    struct seen_order row = resting(w, "P1", order);
    w_orders(w, 0, w_now(w), &row, 1);
    assert_int_equal(w->calls[1].order.op, ORDER_CANCEL);
    assert_string_equal(w->calls[1].order.position, "P1");
    w_said(w, pending_cancelling, "\"reason\":\"late\"");
    w_answer(w, 1, VERDICT_ACCEPTED, NULL, NULL);
    w_fini(w);
}

/* Accepted, gone before a list showed it: it was there, and the symbol is free again. */
static void accepted_and_never_seen(void **state)
{
    struct world *w = *state;
    uint64_t order = create(w, VERDICT_ACCEPTED, "P1");
    round_of(w, NULL, 0, NULL, 0, NULL, 0);
    assert_true(ledger_entry_pending(w->ledger, 0, 0));
    w_pass(w, 30001);
    for (int k = 0; k < 3; k++)
        round_of(w, NULL, 0, NULL, 0, NULL, 0);
    assert_false(ledger_entry_pending(w->ledger, 0, 0));
    assert_int_equal(w_events(w, pending_gone), 1);
    assert_null(pend(w, "P1"));
    assert_int_equal(w_needs(w, 0), 0);
    struct seen_position row = w_row(w, "P1", order); /* and if it was executed after all */
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(pos(w, "P1")->order, order);
    w_fini(w);
}

static void edited(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_order row;
    rests(w, "P1", &row);
    decimal volume = w_dec("0.1");
    assert_int_equal(exec_pending_edit(w->exec, 0, "P9", volume, 494000, 485000, 0, NULL, NULL, &e),
                     ERR_NOTFOUND);
    assert_int_equal(
        exec_pending_edit(w->exec, 0, "P1", w_dec("0.2"), 494000, 485000, 0, NULL, NULL, &e),
        ERR_INPUT); /* larger: risk has not seen it */
    assert_int_equal(exec_pending_edit(w->exec, 0, "P1", volume, 494000, 0, 0, NULL, NULL, &e),
                     ERR_INPUT); /* it would open without a stop */
    assert_int_equal(exec_pending_edit(w->exec, 0, "P1", volume, 494000, 484000, 0, on_told, w, &e),
                     0);
    assert_int_equal(w->calls[1].order.op, ORDER_PENDING_EDIT);
    assert_string_equal(w->calls[1].order.position, "P1");
    assert_int_equal(w->calls[1].order.type, ORDER_LIMIT);
    assert_int_equal(exec_pending_edit(w->exec, 0, "P1", volume, 493000, 484000, 0, NULL, NULL, &e),
                     ERR_STATE);
    told = 0;
    w_answer(w, 1, VERDICT_UNKNOWN, NULL, "timeout");
    assert_int_equal(told_state, ORDER_UNKNOWN);
    uint64_t edit = ledger_last_order(w->ledger);
    assert_true(w_needs(w, 0) & NEED_ORDERS);
    w_pass(w, 1);
    row.price = w_price(494000);
    row.stop = w_price(484000);
    row.target = w_dec("0");
    w_orders(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_state(w, edit), ORDER_ACCEPTED);
    assert_int_equal(pend(w, "P1")->price, 494000);
    w_said(w, pending_changed, "\"who\":\"edit\"");
    w_fini(w);
}

static void an_edit_that_never_was(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_order row;
    rests(w, "P1", &row);
    assert_int_equal(
        exec_pending_edit(w->exec, 0, "P1", w_dec("0.1"), 494000, 484000, 0, NULL, NULL, &e), 0);
    uint64_t edit = ledger_last_order(w->ledger);
    w_answer(w, 1, VERDICT_UNKNOWN, NULL, "cut");
    w_pass(w, 30001);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(w_state(w, edit), ORDER_UNKNOWN);
        w_orders(w, 0, w_now(w), &row, 1);
        w_pass(w, 1);
    }
    assert_int_equal(w_state(w, edit), ORDER_ABSENT);
    w_fini(w);
}

static void cancelled(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_order row;
    rests(w, "P1", &row);
    assert_int_equal(exec_cancel(w->exec, 0, "P9", "manual", &e), ERR_NOTFOUND);
    assert_int_equal(exec_cancel(w->exec, 0, "P1", "", &e), ERR_INPUT);
    assert_int_equal(exec_cancel(w->exec, 0, "P1", "manual", &e), 0);
    assert_int_equal(exec_cancel(w->exec, 0, "P1", "manual", &e), 0); /* wanted already */
    assert_int_equal(w->call_count, 2);
    assert_int_equal(w->calls[1].order.op, ORDER_CANCEL);
    assert_true(w->calls[1].urgent);
    assert_true(pend(w, "P1")->cancelling);
    w_answer(w, 1, VERDICT_ACCEPTED, NULL, NULL);
    w_pass(w, 1);
    w_orders(w, 0, w_now(w), NULL, 0);
    assert_non_null(pend(w, "P1")); /* it may have been triggered: positions and history first */
    w_list(w, 0, w_now(w), NULL, 0);
    assert_non_null(pend(w, "P1"));
    w_history(w, 0, w_now(w), NULL, 0);
    assert_null(pend(w, "P1"));
    w_said(w, pending_gone, "\"reason\":\"cancelled\"");
    assert_int_equal(ledger_exposure_count(w->ledger, 0), 0);
    w_pass(w, 120000);
    assert_int_equal(w->call_count, 2);
    w_fini(w);
}

static void a_cancel_stays_wanted(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_order row;
    rests(w, "P1", &row);
    assert_int_equal(exec_cancel(w->exec, 0, "P1", "manual", &e), 0);
    w_answer(w, 1, VERDICT_UNKNOWN, NULL, "timeout"); /* at once again */
    assert_int_equal(w->call_count, 3);
    w_answer(w, 2, VERDICT_REJECTED, NULL, "rejected"); /* with a pause */
    assert_int_equal(w->call_count, 3);
    w_pass(w, 1000);
    assert_int_equal(w->call_count, 4);
    w_answer(w, 3, VERDICT_ACCEPTED, NULL, NULL);
    w_pass(w, 10000);
    assert_int_equal(w->call_count, 4); /* accepted: only a list may prove it wrong */
    w_orders(w, 0, w_now(w), &row, 1);
    w_pass(w, 1000);
    assert_int_equal(w->call_count, 5);
    w_answer(w, 4, VERDICT_NOT_SENT, NULL, "unreachable");
    w_turn(w);
    w_die(w);
    w_live(w, W_START + 600000); /* also over a restart */
    w_pass(w, 1);
    assert_int_equal(w->call_count, 1);
    assert_int_equal(w->calls[0].order.op, ORDER_CANCEL);
    w_answer(w, 0, VERDICT_ACCEPTED, NULL, NULL);
    round_of(w, NULL, 0, NULL, 0, NULL, 0);
    assert_null(pend(w, "P1"));
    w_fini(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(created_and_shown),       T(what_it_must_pass),
        T(rejected_is_over),        T(lost_and_resting),
        T(lost_and_triggered),      T(lost_triggered_and_closed),
        T(lost_and_nowhere),        T(late_is_cancelled_by_policy),
        T(accepted_and_never_seen), T(edited),
        T(an_edit_that_never_was),  T(cancelled),
        T(a_cancel_stays_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
