/* SPDX-License-Identifier: MIT
 *
 * What cannot be told apart: told to the operator, never guessed, and settled by the operator's
 * word or by what happens at the broker.
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

/* What does not carry the stop and target may be a hand's, made at the same moment. */
static void a_look_alike_is_the_operators(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    struct seen_position row = w_row(w, "W1", order);
    row.stop = row.target = w_dec("0");
    assert_int_equal(exec_assign(w->exec, order, "W1", &e), ERR_STATE); /* not asked yet */
    wait_absent(w);
    for (int k = 0; k < 4; k++) {
        w_list(w, 0, w_now(w), &row, 1);
        w_history(w, 0, w_now(w), NULL, 0);
    }
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
    assert_int_equal(w_events(w, order_ambiguous), 1); /* once, not for each list */
    w_said(w, order_ambiguous, "\"candidates\":[\"W1\"]");
    assert_true(ledger_order(w->ledger, order)->ambiguous);
    assert_string_equal(exec_candidate(w->exec, order, 0), "W1");
    assert_null(exec_candidate(w->exec, order, 1));
    assert_null(exec_candidate(w->exec, order + 1, 0));
    assert_null(pos(w, "W1"));
    struct batch *b = w_batch(w, 1); /* entries on this symbol wait */
    assert_string_equal(batch_leg(b, 0)->rule, "unknown");
    batch_free(b);
    assert_int_equal(exec_assign(w->exec, order, "W9", &e), ERR_NOTFOUND);
    assert_int_equal(exec_assign(w->exec, order + 1, "W1", &e), ERR_NOTFOUND);
    assert_int_equal(exec_assign(w->exec, order, "W1", &e), 0);
    assert_true(w_needs(w, 0) & NEED_POSITIONS);
    w_list(w, 0, w_now(w), &row, 1);
    w_said(w, order_adopted, "\"by\":\"operator\"");
    assert_int_equal(pos(w, "W1")->order, order);
    assert_false(ledger_order(w->ledger, order)->ambiguous);
    w_fini(w);
}

static void the_operator_says_none(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    struct seen_position rows[2] = {w_row(w, "W1", order), w_row(w, "W2", order)};
    rows[0].stop = rows[1].stop = w_price(485000);
    w_list(w, 0, w_now(w), rows, 2);
    w_said(w, order_ambiguous, "\"candidates\":[\"W1\",\"W2\"]");
    assert_int_equal(exec_assign(w->exec, order, NULL, &e), 0);
    w_list(w, 0, w_now(w), rows, 2);
    assert_false(pos(w, "W1")->ours);
    assert_false(pos(w, "W2")->ours);
    w_said(w, position_opened, "\"who\":\"hand\"");
    w_said(w, order_ambiguous, "\"candidates\":[]");
    assert_false(ledger_order(w->ledger, order)->ambiguous);
    wait_absent(w);
    for (int k = 0; k < 3; k++) {
        w_list(w, 0, w_now(w), rows, 2);
        w_history(w, 0, w_now(w), NULL, 0);
    }
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    w_fini(w);
}

/* A history is shown again and again: the word about one of its rows holds. */
static void none_holds_for_later_histories(void **state)
{
    struct world *w = *state;
    struct err e;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    struct seen_position row = w_row(w, "W1", order);
    row.stop = w_price(485000);
    struct seen_close c = w_closed(&row, "u1", 505000, clock_market_ms(&w->clock));
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), &c, 1);
    w_said(w, order_ambiguous, "\"candidates\":[\"W1\"]");
    assert_int_equal(exec_assign(w->exec, order, "", &e), 0);
    wait_absent(w);
    for (int k = 0; k < 4; k++) {
        w_list(w, 0, w_now(w), NULL, 0);
        w_history(w, 0, w_now(w), &c, 1);
    }
    assert_int_equal(w_events(w, order_ambiguous), 2);
    w_said(w, order_ambiguous, "\"candidates\":[]");
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    w_fini(w);
}

/* A row may be a lost entry's or a pending order's that was triggered. That it is not the entry's
 * says nothing of the pending order. */
static void none_is_about_one_order(void **state)
{
    struct world *w = *state;
    struct err e;
    struct leg_spec leg = w_leg(0);
    leg.price = 495000;
    leg.stop = 485000;
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_LIMIT, 7, NULL, NULL, &e), 0);
    uint64_t resting = ledger_last_order(w->ledger);
    w_answer(w, w->call_count - 1, VERDICT_ACCEPTED, "P1", NULL);
    struct seen_position like = w_row(w, "P1", resting);
    struct seen_order rests = {.id = "P1",
                               .symbol = like.symbol,
                               .side = like.side,
                               .type = ORDER_LIMIT,
                               .volume = like.volume,
                               .price = w_price(495000),
                               .stop = like.stop,
                               .target = like.target,
                               .created_ms = like.opened_ms};
    w_orders(w, 0, w_now(w), &rests, 1);
    w_pass(w, 1000);
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    struct seen_position rows[2] = {w_row(w, "W1", resting), w_row(w, "H1", order)};
    rows[0].stop = w_price(484000); /* it was moved before it was triggered */
    rows[1].stop = w_price(483000);
    w_orders(w, 0, w_now(w), NULL, 0);
    w_list(w, 0, w_now(w), rows, 2);
    assert_true(ledger_order(w->ledger, order)->ambiguous);
    assert_true(ledger_order(w->ledger, resting)->ambiguous);
    assert_int_equal(exec_assign(w->exec, order, NULL, &e), 0);
    w_list(w, 0, w_now(w), rows, 2);
    assert_false(ledger_order(w->ledger, order)->ambiguous);
    assert_true(ledger_order(w->ledger, resting)->ambiguous);
    assert_null(pos(w, "W1"));
    assert_int_equal(exec_assign(w->exec, resting, "W1", &e), 0);
    w_list(w, 0, w_now(w), rows, 2);
    assert_int_equal(pos(w, "W1")->order, resting);
    assert_null(ledger_pending(w->ledger, 0, "P1"));
    w_list(w, 0, w_now(w), rows, 2);
    assert_false(pos(w, "H1")->ours);
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN); /* its proof goes on */
    w_fini(w);
}

/* The candidates are told again in the next life, whose operator knows nothing of the last one. */
static void ambiguous_over_a_restart(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    struct seen_position rows[2] = {w_row(w, "W1", order), w_row(w, "W2", order)};
    w_list(w, 0, w_now(w), rows, 2);
    assert_true(ledger_order(w->ledger, order)->ambiguous);
    w_turn(w);
    w_die(w);
    w_live(w, W_START + 100000);
    assert_true(ledger_order(w->ledger, order)->ambiguous);
    w_list(w, 0, w_now(w), rows, 2);
    assert_int_equal(w_events(w, order_ambiguous), 2); /* the folded one, and one more */
    assert_int_equal(exec_assign(w->exec, order, "W2", NULL), 0);
    w_list(w, 0, w_now(w), rows, 2);
    assert_int_equal(pos(w, "W2")->order, order);
    w_list(w, 0, w_now(w), rows, 2);
    assert_false(pos(w, "W1")->ours);
    w_fini(w);
}

static void live_with_naked_entries(struct world *w)
{
    w_turn(w);
    w_die(w);
    w->config.allow_naked = true;
    w_live(w, W_START + 100000);
    w_quiet(w, 0);
}

/* An entry on account 0 with these levels, in flight. */
static struct batch *send_entry(struct world *w, int64_t stop, int64_t target)
{
    struct err e;
    struct batch *b = batch_new(w->exec, 7, SETTLE_ALL, 0, &e);
    struct leg_spec leg = w_leg(0);
    leg.stop = stop;
    leg.target = target;
    assert_int_equal(batch_add(b, &leg, &e), 0);
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    assert_int_not_equal(batch_leg(b, 0)->order, 0);
    return b;
}

static uint64_t answered(struct world *w, struct batch *b, enum verdict_kind kind, const char *id)
{
    uint64_t order = batch_leg(b, 0)->order;
    w_answer(w, w->call_count - 1, kind, id, "timeout");
    w_turn(w);
    batch_free(b);
    w_pass(w, 1);
    return order;
}

/* Without stop and target there is nothing but the shape to know it by. */
static void a_naked_entry_is_adopted_by_its_shape(void **state)
{
    struct world *w = *state;
    live_with_naked_entries(w);
    uint64_t order = answered(w, send_entry(w, 0, 0), VERDICT_UNKNOWN, NULL);
    struct seen_position row = w_row(w, "W1", order);
    w_list(w, 0, w_now(w), &row, 1);
    w_said(w, order_adopted, "\"by\":\"shape\"");
    w_fini(w);
}

/* The answer names no position. A hand's of the same shape is there, ours is shown later: the tag
 * says that the first one is not ours, and nothing else says that it is. */
static void accepted_without_an_id_is_not_taken_against_its_tag(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_ACCEPTED, NULL);
    struct seen_position rows[2] = {w_row(w, "H1", order), w_row(w, "W1", order)};
    rows[0].stop = w_price(489000);
    w_list(w, 0, w_now(w), rows, 1);
    assert_int_equal(w_events(w, order_ambiguous), 0); /* the history comes first */
    assert_true(w_needs(w, 0) & NEED_CLOSED);
    w_history(w, 0, w_now(w), NULL, 0);
    w_list(w, 0, w_now(w), rows, 1);
    assert_null(pos(w, "H1"));
    w_said(w, order_ambiguous, "\"candidates\":[\"H1\"]");
    w_list(w, 0, w_now(w), rows, 2);
    assert_int_equal(pos(w, "W1")->order, order);
    w_said(w, order_ambiguous, "\"candidates\":[]");
    assert_false(ledger_order(w->ledger, order)->ambiguous);
    w_list(w, 0, w_now(w), rows, 2);
    assert_false(pos(w, "H1")->ours);
    w_fini(w);
}

/* A broker that answers with ids of its own and changes the stops: the operator says which it is.
 */
static void accepted_with_other_levels_is_the_operators(void **state)
{
    struct world *w = *state;
    const char *ids[] = {NULL, "O2"};
    for (int k = 0; k < 2; k++) {
        const char *id = k == 0 ? "W0" : "W1";
        uint64_t order = entry(w, VERDICT_ACCEPTED, ids[k]);
        struct seen_position row = w_row(w, id, order);
        row.stop = w_price(489000);
        for (int round = 0; round < 2; round++) {
            w_list(w, 0, w_now(w), &row, 1);
            w_history(w, 0, w_now(w), NULL, 0);
        }
        assert_null(pos(w, id));
        assert_true(ledger_order(w->ledger, order)->ambiguous);
        assert_int_equal(exec_assign(w->exec, order, id, NULL), 0);
        w_list(w, 0, w_now(w), &row, 1);
        assert_int_equal(pos(w, id)->order, order);
        assert_false(ledger_order(w->ledger, order)->ambiguous);
        assert_false(ledger_entry_pending(w->ledger, 0, 0));
        w_list(w, 0, w_now(w), NULL, 0);
        struct seen_close c = w_closed(&row, id, 505000, clock_market_ms(&w->clock));
        w_history(w, 0, w_now(w), &c, 1);
        assert_null(pos(w, id));
    }
    w_fini(w);
}

/* A list that was begun before the answer may show a hand's only: ours was not there yet. */
static void a_list_from_before_the_answer_gives_no_shape(void **state)
{
    struct world *w = *state;
    live_with_naked_entries(w);
    for (int k = 0; k < 2; k++) {
        const char *hand = k == 0 ? "H0" : "H1", *own = k == 0 ? "W0" : "W1";
        struct batch *b = send_entry(w, 0, 0);
        struct seen_position rows[2] = {w_row(w, hand, batch_leg(b, 0)->order)};
        w_pass(w, 5);
        int64_t before = w_now(w);
        w_pass(w, 5);
        uint64_t order = answered(w, b, k == 0 ? VERDICT_UNKNOWN : VERDICT_ACCEPTED, NULL);
        w_list(w, 0, before, rows, 1);
        assert_null(pos(w, hand));
        assert_int_equal(w_events(w, position_opened), 2 * k);
        rows[1] = w_row(w, own, order);
        for (int round = 0; round < 2; round++) {
            w_list(w, 0, w_now(w), rows, 2);
            w_history(w, 0, w_now(w), NULL, 0);
        }
        assert_true(ledger_order(w->ledger, order)->ambiguous); /* nobody can tell them apart */
        assert_int_equal(exec_assign(w->exec, order, own, NULL), 0);
        w_list(w, 0, w_now(w), rows, 2);
        w_list(w, 0, w_now(w), rows, 2);
        assert_int_equal(pos(w, own)->order, order);
        assert_false(pos(w, hand)->ours);
        w_list(w, 0, w_now(w), NULL, 0);
        struct seen_close c[2] = {w_closed(&rows[0], hand, 1, clock_market_ms(&w->clock)),
                                  w_closed(&rows[1], own, 1, clock_market_ms(&w->clock))};
        w_history(w, 0, w_now(w), c, 2);
    }
    w_fini(w);
}

/* One round number, too near for a tag, which a hand has chosen as well: the id in the answer
 * proves more, and is looked for in the history first. */
static void an_entry_with_one_plain_level_is_its_id_first(void **state)
{
    struct world *w = *state;
    uint64_t order = answered(w, send_entry(w, 499000, 0), VERDICT_ACCEPTED, "W1");
    assert_int_equal(ledger_order(w->ledger, order)->tag, -1);
    struct seen_position hand = w_row(w, "H1", order), own = w_row(w, "W1", order);
    w_list(w, 0, w_now(w), &hand, 1);
    assert_null(pos(w, "H1"));
    struct seen_close c = w_closed(&own, "u", 499000, clock_market_ms(&w->clock));
    w_history(w, 0, w_now(w), &c, 1);
    w_said(w, position_closed, "\"position\":\"W1\"");
    w_list(w, 0, w_now(w), &hand, 1);
    assert_false(pos(w, "H1")->ours);
    w_fini(w);
}

static void two_candidates_are_the_operators(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    struct seen_position rows[2] = {w_row(w, "W1", order), w_row(w, "W2", order)};
    wait_absent(w); /* even stop and target are the same */
    for (int k = 0; k < 6; k++) {
        w_list(w, 0, w_now(w), rows, 2);
        w_history(w, 0, w_now(w), NULL, 0);
    }
    assert_int_equal(w_state(w, order), ORDER_UNKNOWN); /* neither adopted nor absent */
    assert_int_equal(w_events(w, position_opened), 0);
    assert_int_equal(w_events(w, notice), 1);
    w_said(w, notice, "W1, W2");
    w_list(w, 0, w_now(w), rows, 1); /* the operator has closed one */
    assert_int_equal(w_state(w, order), ORDER_ACCEPTED);
    assert_int_equal(pos(w, "W1")->order, order);
    w_fini(w);
}

static void two_candidates_that_vanish(void **state)
{
    struct world *w = *state;
    uint64_t order = entry(w, VERDICT_UNKNOWN, NULL);
    struct seen_position rows[2] = {w_row(w, "W1", order), w_row(w, "W2", order)};
    wait_absent(w);
    for (int k = 0; k < 3; k++) {
        w_list(w, 0, w_now(w), rows, 2); /* even stop and target are the same */
        w_history(w, 0, w_now(w), NULL, 0);
    }
    for (int k = 0; k < 3; k++) { /* the proof begins anew */
        assert_int_equal(w_state(w, order), ORDER_UNKNOWN);
        w_list(w, 0, w_now(w), NULL, 0);
    }
    assert_int_equal(w_state(w, order), ORDER_ABSENT);
    w_fini(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_look_alike_is_the_operators),
        T(the_operator_says_none),
        T(none_holds_for_later_histories),
        T(none_is_about_one_order),
        T(ambiguous_over_a_restart),
        T(a_naked_entry_is_adopted_by_its_shape),
        T(accepted_without_an_id_is_not_taken_against_its_tag),
        T(accepted_with_other_levels_is_the_operators),
        T(a_list_from_before_the_answer_gives_no_shape),
        T(an_entry_with_one_plain_level_is_its_id_first),
        T(two_candidates_are_the_operators),
        T(two_candidates_that_vanish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
