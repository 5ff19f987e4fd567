/* SPDX-License-Identifier: MIT
 *
 * Policies for entries that were proven absent: adopted or closed when they turn up late; sent once
 * more as a new order, and then the late one is closed. The wait of a broker's own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "exec_world.h"

static struct world *begin(bool late_close, bool resend)
{
    struct world *w = calloc(1, sizeof *w);
    w_init(w);
    w->config.late_close = late_close;
    w->config.resend = resend;
    w_live(w, W_START);
    w_quiet(w, 0);
    return w;
}

static void end(struct world *w)
{
    w_fini(w);
    free(w);
}

static uint64_t lost(struct world *w)
{
    struct batch *b = w_batch(w, 1);
    uint64_t order = batch_leg(b, 0)->order;
    assert_int_not_equal(order, 0);
    w_answer(w, w->call_count - 1, VERDICT_UNKNOWN, NULL, "timeout");
    w_turn(w);
    batch_free(b);
    w_pass(w, 1);
    return order;
}

static void three_rounds(struct world *w, const struct seen_position *rows, size_t n)
{
    for (int k = 0; k < 3; k++) {
        w_list(w, 0, w_now(w), rows, n);
        w_history(w, 0, w_now(w), NULL, 0);
    }
}

static uint64_t absent(struct world *w)
{
    uint64_t order = lost(w);
    w_pass(w, 30001);
    three_rounds(w, NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    return order;
}

static void late_is_adopted(void **state)
{
    (void)state;
    struct world *w = begin(false, false);
    uint64_t order = absent(w);
    struct seen_position row = w_row(w, "W1", order);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(ledger_position(w->ledger, 0, "W1")->order, order);
    assert_false(ledger_position(w->ledger, 0, "W1")->closing);
    w_said(w, notice, "it is adopted");
    assert_int_equal(w->call_count, 1);
    end(w);
}

static void late_is_closed(void **state)
{
    (void)state;
    struct world *w = begin(true, false);
    uint64_t order = absent(w);
    struct seen_position row = w_row(w, "W1", order);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(ledger_position(w->ledger, 0, "W1")->order, order); /* ours, and known */
    w_said(w, position_closing, "\"reason\":\"late\"");
    assert_int_equal(w->call_count, 2);
    assert_int_equal(w->calls[1].order.op, ORDER_CLOSE);
    assert_string_equal(w->calls[1].order.position, "W1");
    w_answer(w, 1, VERDICT_ACCEPTED, NULL, NULL);
    end(w);
}

static unsigned absent_count(const struct world *w, uint64_t *newest)
{
    unsigned n = 0;
    struct exec_cursor cursor = {0};
    for (const struct order *o; (o = exec_absent_next(w->exec, &cursor)) != NULL; n++)
        *newest = o->id;
    return n;
}

/* Whoever wants everything closed means what may turn up, too, over a restart. */
static void late_and_not_wanted(void **state)
{
    (void)state;
    struct world *w = begin(false, false);
    struct err e;
    uint64_t order = lost(w), told = 0;
    assert_int_equal(absent_count(w, &told), 0); /* UNKNOWN: the ledger's entries have it */
    w_pass(w, 30001);
    three_rounds(w, NULL, 0);
    assert_int_equal(absent_count(w, &told), 1);
    assert_int_equal(told, order);
    assert_int_equal(exec_close_entry(w->exec, told, "manual", &e), 0);
    w_die(w);
    w_live(w, W_START + 60000);
    w_quiet(w, 0);
    assert_int_equal(absent_count(w, &told), 1);
    size_t calls = w->call_count;
    struct seen_position row = w_row(w, "W1", order);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w->call_count, calls + 1);
    assert_int_equal(w->calls[calls].order.op, ORDER_CLOSE);
    assert_int_equal(absent_count(w, &told), 0);
    w_answer(w, calls, VERDICT_ACCEPTED, NULL, NULL);
    end(w);
}

/* An UNKNOWN one that turns up before its absence is proven is just an entry. */
static void in_time_is_not_late(void **state)
{
    (void)state;
    struct world *w = begin(true, false);
    uint64_t order = lost(w);
    struct seen_position row = w_row(w, "W1", order);
    w_list(w, 0, w_now(w), &row, 1);
    assert_false(ledger_position(w->ledger, 0, "W1")->closing);
    assert_int_equal(w->call_count, 1);
    end(w);
}

static struct batch *stand_in(struct world *w, uint64_t for_order)
{
    struct err e;
    struct batch *b = batch_new(w->exec, 7, SETTLE_ALL, 0, &e);
    struct leg_spec leg = w_leg(0);
    leg.replaces = for_order;
    assert_int_equal(batch_add(b, &leg, &e), 0);
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    return b;
}

static void no_stand_in_by_default(void **state)
{
    (void)state;
    struct world *w = begin(false, false);
    uint64_t order = absent(w);
    struct batch *b = stand_in(w, order);
    assert_true(batch_leg(b, 0)->refused);
    assert_string_equal(batch_leg(b, 0)->rule, "resend");
    assert_int_equal(w->call_count, 1);
    batch_free(b);
    end(w);
}

static void once_and_only_for_what_is_absent(void **state)
{
    (void)state;
    struct world *w = begin(false, true);
    uint64_t first = lost(w);
    struct batch *b = stand_in(w, first); /* UNKNOWN: never */
    assert_string_equal(batch_leg(b, 0)->rule, "unknown");
    batch_free(b);
    w_pass(w, 30001);
    three_rounds(w, NULL, 0);
    b = stand_in(w, 99);
    assert_string_equal(batch_leg(b, 0)->rule, "resend");
    batch_free(b);
    w->risk_account = 0; /* it passes risk like any other */
    b = stand_in(w, first);
    assert_string_equal(batch_leg(b, 0)->rule, "max_positions");
    batch_free(b);
    w->risk_account = -1;
    b = stand_in(w, first);
    uint64_t second = batch_leg(b, 0)->order;
    assert_true(second > first);
    assert_int_equal(w->calls[1].order.attempt, 2);
    w_said(w, intent, "\"replaces\":\"1\"");
    w_answer(w, 1, VERDICT_REJECTED, NULL, "rejected");
    batch_free(b);
    assert_true(ledger_order(w->ledger, first)->resent);
    b = stand_in(w, first); /* once */
    assert_string_equal(batch_leg(b, 0)->rule, "resend");
    batch_free(b);
    /* Also after a restart. */
    w_turn(w);
    w_die(w);
    w_live(w, W_START + 100000);
    b = stand_in(w, first);
    assert_string_equal(batch_leg(b, 0)->rule, "resend");
    batch_free(b);
    end(w);
}

/* Both turn up: the late one is closed, whatever orders.late says. */
static void both_turn_up(void **state)
{
    (void)state;
    struct world *w = begin(false, true);
    uint64_t first = absent(w);
    struct batch *b = stand_in(w, first);
    uint64_t second = batch_leg(b, 0)->order;
    w_answer(w, 1, VERDICT_ACCEPTED, "W2", NULL);
    batch_free(b);
    w_pass(w, 1);
    struct seen_position rows[2] = {w_row(w, "W1", first), w_row(w, "W2", second)};
    w_list(w, 0, w_now(w), rows, 2);
    assert_int_equal(ledger_position(w->ledger, 0, "W2")->order, second);
    assert_false(ledger_position(w->ledger, 0, "W2")->closing);
    assert_int_equal(ledger_position(w->ledger, 0, "W1")->order, first);
    assert_true(ledger_position(w->ledger, 0, "W1")->closing);
    w_said(w, notice, "another order stands in for it");
    assert_int_equal(w->call_count, 3);
    assert_string_equal(w->calls[2].order.position, "W1");
    w_answer(w, 2, VERDICT_ACCEPTED, NULL, NULL);
    end(w);
}

/* A stand-in that never left stands in for nothing. */
static void a_stand_in_that_did_not_leave(void **state)
{
    (void)state;
    struct world *w = begin(false, true);
    uint64_t first = absent(w);
    w->refuse = true;
    struct batch *b = stand_in(w, first);
    assert_int_equal(w_state(w, batch_leg(b, 0)->order), ORDER_NOT_SENT);
    assert_false(ledger_order(w->ledger, first)->resent);
    batch_free(b);
    w->refuse = false;
    w->keep_queued = true;
    b = stand_in(w, first); /* so another one may try */
    assert_false(batch_leg(b, 0)->refused);
    assert_false(ledger_order(w->ledger, first)->resent);
    batch_free(b); /* taken back */
    w_turn(w);
    struct seen_position row = w_row(w, "W1", first);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(ledger_position(w->ledger, 0, "W1")->order, first);
    assert_false(ledger_position(w->ledger, 0, "W1")->closing);
    end(w);
}

/* While it is queued it may leave at any moment: the late one goes. */
static void a_stand_in_that_is_about_to_leave(void **state)
{
    (void)state;
    struct world *w = begin(false, true);
    uint64_t first = absent(w);
    w->keep_queued = true;
    struct batch *b = stand_in(w, first);
    struct seen_position row = w_row(w, "W1", first);
    w_list(w, 0, w_now(w), &row, 1);
    assert_true(ledger_position(w->ledger, 0, "W1")->closing);
    w_send(w, 1);
    assert_true(ledger_order(w->ledger, first)->resent);
    w_answer(w, 1, VERDICT_REJECTED, NULL, "rejected");
    w_turn(w);
    batch_free(b);
    w_end_closes(w);
    assert_true(w_close_sent(w, "W1"));
    end(w);
}

/* The end of a life between its intent and its first byte: its bytes may have left. */
static void a_stand_in_of_a_former_life(void **state)
{
    (void)state;
    struct world *w = begin(false, true);
    uint64_t first = absent(w);
    w->silent = true;
    struct batch *b = stand_in(w, first);
    assert_int_equal(w_state(w, batch_leg(b, 0)->order), ORDER_INTENT);
    w_turn(w);
    w_die(w);
    w->silent = false;
    w_live(w, W_START + 100000);
    assert_true(ledger_order(w->ledger, first)->resent);
    end(w);
}

static void the_wait_is_the_brokers(void **state)
{
    (void)state;
    struct world *w = begin(false, false);
    assert_int_equal(exec_absent_after(w->exec, 99, 1), ERR_NOTFOUND);
    assert_int_equal(exec_absent_after(w->exec, 0, 120000), 0);
    uint64_t order = lost(w);
    w_pass(w, 60000);
    three_rounds(w, NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    w_pass(w, 60001);
    three_rounds(w, NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    assert_int_equal(exec_absent_after(w->exec, 0, 0), 0); /* as configured again */
    order = lost(w);
    w_pass(w, 30001);
    three_rounds(w, NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    end(w);
}

/* At the start, orders are followed before a session says what the broker's wait is. */
static void the_wait_is_the_brokers_for_former_orders(void **state)
{
    (void)state;
    struct world *w = begin(false, false);
    uint64_t order = lost(w);
    w_turn(w);
    w_die(w);
    w_live(w, W_START + 100000);
    assert_int_equal(exec_absent_after(w->exec, 0, 120000), 0);
    w_pass(w, 60000);
    three_rounds(w, NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    w_pass(w, 60001);
    three_rounds(w, NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    end(w);
}

/* What was read before a longer wait was named was read too early. */
static void a_longer_wait_begins_the_proof_anew(void **state)
{
    (void)state;
    struct world *w = begin(false, false);
    uint64_t order = lost(w);
    w_pass(w, 30001);
    for (int k = 0; k < 2; k++) {
        w_list(w, 0, w_now(w), NULL, 0);
        w_history(w, 0, w_now(w), NULL, 0);
    }
    assert_int_equal(exec_absent_after(w->exec, 0, 120000), 0);
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    w_pass(w, 90000);
    w_list(w, 0, w_now(w), NULL, 0);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), NULL, 0);
    assert_int_equal(exec_absent_after(w->exec, 0, 120000), 0); /* the same again: goes on */
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    end(w);
}

/* It came late, between two lives, and was closed again before anybody looked: only the history of
 * the time that nobody looked shows it. */
static void late_and_closed_between_two_lives(void **state)
{
    (void)state;
    struct world *w = begin(false, false);
    uint64_t order = absent(w);
    struct seen_position row = w_row(w, "W1", order);
    w_turn(w);
    w_die(w);
    w_live(w, clock_market_ms(&w->clock) + 60000);
    w_orders(w, 0, w_now(w), NULL, 0);
    w_list(w, 0, w_now(w), NULL, 0);
    assert_true(w_needs(w, 0) & NEED_CLOSED);
    struct seen_close closed = w_closed(&row, "W1-1", 500110, row.opened_ms + 1000);
    w_history(w, 0, w_now(w), &closed, 1);
    w_said(w, order_adopted, "\"position\":\"W1\"");
    w_said(w, position_closed, "\"uid\":\"W1-1\"");
    assert_int_equal(ledger_order(w->ledger, order)->state, ORDER_ACCEPTED);
    assert_null(ledger_position(w->ledger, 0, "W1"));
    w_history(w, 0, w_now(w), &closed, 1); /* and once only */
    assert_int_equal(w_events(w, position_closed), 1);
    end(w);
}

static void balance_is(struct world *w, const char *balance)
{
    assert_int_equal(exec_observe_balance(w->exec, 0, w_dec(balance), w_dec(balance), w_dec("0"),
                                          w_dec(balance), NULL),
                     0);
}

/* It came late and was closed again between two lists: the balance says that something was closed.
 */
static void late_and_closed_between_two_lists(void **state)
{
    (void)state;
    struct world *w = begin(false, false);
    balance_is(w, "1001"); /* nobody is missed: nothing to look for */
    assert_false(w_needs(w, 0) & NEED_CLOSED);
    uint64_t order = absent(w);
    w_history(w, 0, w_now(w), NULL, 0);
    balance_is(w, "1001");
    assert_false(w_needs(w, 0) & NEED_CLOSED);
    int64_t before = clock_market_ms(&w->clock);
    w_pass(w, 90000);
    struct seen_position row = w_row(w, "W1", order);
    w_pass(w, 90000);
    w_list(w, 0, w_now(w), NULL, 0);
    balance_is(w, "1013");
    int64_t from;
    assert_true(exec_needs(w->exec, 0, &from) & NEED_CLOSED);
    assert_true(from <= before);
    struct seen_close closed = w_closed(&row, "W1-1", 500110, row.opened_ms + 1000);
    w_history(w, 0, w_now(w), &closed, 1);
    w_said(w, order_adopted, "\"position\":\"W1\"");
    w_said(w, position_closed, "\"uid\":\"W1-1\"");
    assert_false(w_needs(w, 0) & NEED_CLOSED);
    end(w);
}

static void margin_is(struct world *w, const char *margin)
{
    assert_int_equal(exec_observe_balance(w->exec, 0, w_dec("1000"), w_dec("1000"), w_dec(margin),
                                          w_dec("900"), NULL),
                     0);
}

/* The broker counts margin for something that no list has shown yet: the lists are asked at once,
 * not when their time comes. */
static void margin_of_what_is_not_known(void **state)
{
    (void)state;
    struct world *w = begin(false, false);
    margin_is(w, "0");
    assert_false(w_needs(w, 0) & NEED_POSITIONS);
    uint64_t order = absent(w);
    w_quiet(w, 0);
    margin_is(w, "0");
    assert_false(w_needs(w, 0) & NEED_POSITIONS);
    margin_is(w, "12");
    assert_true(w_needs(w, 0) & NEED_POSITIONS);
    struct seen_position rows[] = {w_row(w, "W1", order), w_row(w, "W2", order)};
    rows[0].volume = w_dec("0.07");
    rows[0].stop = rows[0].target = w_dec("0");
    w_list(w, 0, w_now(w), rows, 1); /* a hand's, and the margin is what it takes */
    assert_false(w_needs(w, 0) & NEED_POSITIONS);
    margin_is(w, "12");
    assert_false(w_needs(w, 0) & NEED_POSITIONS);
    margin_is(w, "24"); /* and now another one's */
    assert_true(w_needs(w, 0) & NEED_POSITIONS);
    w_list(w, 0, w_now(w), rows, 2);
    assert_int_equal(ledger_position(w->ledger, 0, "W2")->order, order);
    margin_is(w, "30"); /* prices move it; nobody is missed any more */
    assert_false(w_needs(w, 0) & NEED_POSITIONS);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_is_adopted),
        cmocka_unit_test(late_is_closed),
        cmocka_unit_test(late_and_not_wanted),
        cmocka_unit_test(in_time_is_not_late),
        cmocka_unit_test(late_and_closed_between_two_lives),
        cmocka_unit_test(late_and_closed_between_two_lists),
        cmocka_unit_test(margin_of_what_is_not_known),
        cmocka_unit_test(no_stand_in_by_default),
        cmocka_unit_test(once_and_only_for_what_is_absent),
        cmocka_unit_test(both_turn_up),
        cmocka_unit_test(a_stand_in_that_did_not_leave),
        cmocka_unit_test(a_stand_in_that_is_about_to_leave),
        cmocka_unit_test(a_stand_in_of_a_former_life),
        cmocka_unit_test(the_wait_is_the_brokers),
        cmocka_unit_test(the_wait_is_the_brokers_for_former_orders),
        cmocka_unit_test(a_longer_wait_begins_the_proof_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
