/* SPDX-License-Identifier: MIT
 *
 * Closes and edits: wanted until the broker shows the position closed, one at a time, repeated when
 * full and not when partial, and told exactly once.
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
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static int64_t market(struct world *w)
{
    return clock_market_ms(&w->clock);
}

static void want(struct world *w, const char *id, const char *volume, const char *reason)
{
    struct err e;
    assert_int_equal(exec_close(w->exec, 0, id, w_dec(volume), reason, &e), 0);
}

static void full_close(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    uint64_t order = w_open(w, "W1", &row);
    int64_t from = 0;
    w_quiet(w, 1);
    assert_int_equal(w_needs(w, 0), 0);
    want(w, "W1", "0", "opposite");
    want(w, "W1", "0", "time"); /* wanted already */
    assert_int_equal(w->call_count, 2);
    assert_int_equal(w_events(w, position_closing), 1);
    assert_int_equal(w->calls[1].order.op, ORDER_CLOSE);
    assert_string_equal(w->calls[1].order.position, "W1");
    assert_int_equal(w->calls[1].order.volume.v, row.volume.v);
    assert_true(w->calls[1].urgent);
    w_pass(w, 100);
    assert_int_equal(w_needs(w, 0), 0);
    w_answer(w, 1, VERDICT_ACCEPTED, NULL, NULL);
    assert_int_equal(w_needs(w, 0), NEED_POSITIONS);
    unsigned wakes = w->wakes[0];
    w_turn(w);
    assert_int_equal(w->wakes[0], wakes + 1);
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(exec_needs(w->exec, 0, &from), NEED_CLOSED);
    assert_int_equal(from, row.opened_ms - 60000);
    assert_non_null(
        ledger_position(w->ledger, 0, "W1")); /* not closed before the history says so */
    struct seen_close c = w_closed(&row, "W1_close1", 505000, market(w));
    w_history(w, 0, w_now(w), &c, 1);
    assert_null(ledger_position(w->ledger, 0, "W1"));
    assert_int_equal(w_events(w, position_closed), 1);
    w_said(w, position_closed, "\"reason\":\"opposite\"");
    w_said(w, position_closed, "\"net\":\"11.75\"");
    w_said(w, position_closed, "\"uid\":\"W1_close1\"");
    char text[40];
    snprintf(text, sizeof text, "\"order\":\"%llu\"", (unsigned long long)order);
    w_said(w, position_closed, text);
    assert_int_equal(w_needs(w, 0), NEED_BALANCE);
    assert_int_equal(exec_observe_balance(w->exec, 0, w_dec("1011.75"), w_dec("1011.75"),
                                          w_dec("0"), w_dec("1011.75"), NULL),
                     0);
    assert_int_equal(w_needs(w, 0), 0);
    /* Lists that were begun before do not bring it back; nor does the history tell it again. */
    w_list(w, 0, w_now(w) - 1, &row, 1);
    w_history(w, 0, w_now(w), &c, 1);
    assert_null(ledger_position(w->ledger, 0, "W1"));
    assert_int_equal(w_events(w, position_closed), 1);
    w_pass(w, 60000);
    assert_int_equal(w->call_count, 2);
    w_fini(w);
}

static void refused_closes_are_repeated(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    want(w, "W1", "0", "time");
    int64_t waits[] = {250, 500, 1000, 2000, 4000, 5000, 5000};
    for (size_t k = 0; k < 7; k++) {
        size_t n = w->call_count;
        w_pass(w, 10000); /* nothing comes while one is in flight */
        assert_int_equal(w->call_count, n);
        w_answer(w, n - 1, k % 2 == 0 ? VERDICT_REJECTED : VERDICT_NOT_SENT, NULL, "rejected");
        assert_true(w_needs(w, 0) & NEED_POSITIONS);
        w_list(w, 0, w_now(w), &row, 1);
        w_pass(w, waits[k] - 1);
        assert_int_equal(w->call_count, n);
        w_pass(w, 1);
        assert_int_equal(w->call_count, n + 1);
        assert_int_equal(w->calls[n].order.attempt, (int)k + 2);
    }
    w_answer(w, w->call_count - 1, VERDICT_REJECTED, NULL, "rejected");
    size_t n = w->call_count;
    w_list(w, 0, w_now(w), NULL, 0); /* gone: nothing to repeat */
    w_pass(w, 20000);
    assert_int_equal(w->call_count, n);
    w_fini(w);
}

static void an_unknown_full_close_is_repeated_at_once(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    w_pass(w, 10);
    int64_t before = w_now(w);
    want(w, "W1", "0", "time");
    w_pass(w, 10);
    w_answer(w, 1, VERDICT_UNKNOWN, NULL, "cut");
    assert_int_equal(w->call_count, 3);
    w_answer(w, 2, VERDICT_UNKNOWN, NULL, "cut");
    assert_int_equal(w->call_count, 3); /* from now on with a back-off */
    uint64_t first = w->calls[1].order.id, second = w->calls[2].order.id;
    w_list(w, 0, before, &row, 1); /* begun before: proves nothing */
    assert_int_equal(w_state(w, first), ORDER_UNKNOWN);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_state(w, first), ORDER_ABSENT);
    assert_int_equal(w_state(w, second), ORDER_ABSENT);
    w_pass(w, 1000);
    assert_int_equal(w->call_count, 4);
    w_answer(w, 3, VERDICT_UNKNOWN, NULL, "timeout");
    w_list(w, 0, w_now(w), NULL, 0);
    assert_int_equal(w_state(w, w->calls[3].order.id), ORDER_UNKNOWN);
    struct seen_close c = w_closed(&row, "u1", 505000, market(w));
    w_history(w, 0, w_now(w), &c, 1);
    assert_int_equal(w_state(w, w->calls[3].order.id), ORDER_ACCEPTED);
    w_said(w, order_adopted, "\"by\":\"closed\"");
    w_said(w, position_closed, "\"reason\":\"time\"");
    w_pass(w, 60000);
    assert_int_equal(w->call_count, 4);
    w_fini(w);
}

static void accepted_and_still_there(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    want(w, "W1", "0", "time");
    int64_t before = w_now(w);
    w_pass(w, 10);
    w_answer(w, 1, VERDICT_ACCEPTED, NULL, NULL);
    w_list(w, 0, before, &row, 1); /* begun before the answer */
    w_pass(w, 20000);
    assert_int_equal(w->call_count, 2);
    w_list(w, 0, w_now(w), &row, 1);
    w_pass(w, 300);
    assert_int_equal(w->call_count, 3);
    w_answer(w, 2, VERDICT_REJECTED, NULL, "rejected");
    w_fini(w);
}

static void without_a_session(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    w->refuse = w->not_ready = true;
    want(w, "W1", "0", "end");
    assert_int_equal(w_events(w, order_not_sent), 1);
    for (int k = 0; k < 20; k++)
        w_pass(w, 1000);
    assert_int_equal(w_events(w, order_not_sent),
                     1); /* asked, not tried: the journal stays small */
    w->refuse = w->not_ready = false;
    w_pass(w, 300);
    assert_int_equal(w->call_count, 2);
    w_answer(w, 1, VERDICT_ACCEPTED, NULL, NULL);
    w_fini(w);
}

static void misuse(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_position row;
    w_open(w, "W1", &row);
    assert_int_equal(exec_close(w->exec, 0, "W2", w_dec("0"), "end", &e), ERR_NOTFOUND);
    assert_int_equal(exec_close(w->exec, 99, "W1", w_dec("0"), "end", &e), ERR_NOTFOUND);
    assert_int_equal(exec_close(w->exec, 0, NULL, w_dec("0"), "end", &e), ERR_NOTFOUND);
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("-1"), "end", &e), ERR_INPUT);
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0.2"), "end", &e), ERR_INPUT);
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0.015"), "end", &e), ERR_INPUT);
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0"), "", &e), ERR_INPUT);
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0"), "sixteen letters!", &e), ERR_INPUT);
    assert_int_equal(w->call_count, 1);
    assert_null(stream_broken(w->stream));
    w_fini(w);
}

static struct seen_close part_of(const struct seen_position *row, const char *uid,
                                 const char *volume, int64_t closed_ms)
{
    struct seen_close c = w_closed(row, uid, 505000, closed_ms);
    c.volume = w_dec(volume);
    c.partial = true;
    return c;
}

static void a_partial_close(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_position row;
    w_open(w, "W1", &row);
    want(w, "W1", "0.04", "time");
    assert_int_equal(w->calls[1].order.op, ORDER_CLOSE_PARTIAL);
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0.04"), "time", &e), ERR_STATE);
    w_answer(w, 1, VERDICT_ACCEPTED, NULL, NULL);
    row.volume = w_dec("0.06");
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_needs(w, 0), NEED_CLOSED);
    assert_int_equal(w_events(w, position_changed), 0); /* the history tells it, with its profit */
    struct seen_close c[2] = {part_of(&row, "W1_close1", "0.04", market(w))};
    w_history(w, 0, w_now(w), c, 1);
    w_history(w, 0, w_now(w), c, 1);
    w_list(w, 0, w_now(w), &row, 1);
    w_history(w, 0, w_now(w), c, 1);
    assert_int_equal(w_events(w, position_closed), 1);
    w_said(w, position_closed, "\"partial\":true");
    w_said(w, position_closed, "\"reason\":\"time\"");
    assert_int_equal(ledger_position(w->ledger, 0, "W1")->volume.v, w_dec("0.06").v);
    assert_false(ledger_position(w->ledger, 0, "W1")->closing);
    /* Another of the same size whose row comes late: the first is not told for it. */
    want(w, "W1", "0.04", "time");
    w_answer(w, 2, VERDICT_ACCEPTED, NULL, NULL);
    row.volume = w_dec("0.02");
    w_list(w, 0, w_now(w), &row, 1);
    w_history(w, 0, w_now(w), c, 1);
    assert_int_equal(w_events(w, position_closed), 1);
    c[1] = part_of(&row, "W1_close2", "0.04", market(w));
    w_history(w, 0, w_now(w), c, 2);
    assert_int_equal(w_events(w, position_closed), 2);
    w_said(w, position_closed, "W1_close2");
    w_fini(w);
}

static void parts_are_not_told_again_after_a_restart(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    row.volume = w_dec("0.05");
    w_list(w, 0, w_now(w), &row, 1);
    struct seen_close c[3] = {part_of(&row, "W1_close1", "0.05", market(w))};
    w_history(w, 0, w_now(w), c, 1);
    assert_int_equal(w_events(w, position_closed), 1);
    w_turn(w);
    int64_t then = market(w) + 5000;
    w_die(w);
    w_live(w, then);
    assert_int_equal(w_events(w, position_closed), 1);
    w_list(w, 0, w_now(w), &row, 1);
    w_history(w, 0, w_now(w), c, 1);
    assert_int_equal(w_events(w, position_closed), 1);
    assert_non_null(ledger_position(w->ledger, 0, "W1"));
    /* The rest is closed by hand in two parts; rows in any order. */
    c[2] = c[0];
    c[0] = part_of(&row, "W1_close3", "0.02", then + 20);
    c[1] = part_of(&row, "W1_close2", "0.03", then + 10);
    w_history(w, 0, w_now(w), c, 3); /* before a list shows it gone: nothing is concluded */
    assert_int_equal(w_events(w, position_closed), 1);
    w_list(w, 0, w_now(w), NULL, 0);
    w_history(w, 0, w_now(w), c, 3);
    assert_int_equal(w_events(w, position_closed), 3);
    w_said(w, position_closed, "W1_close3");
    w_said(w, position_closed, "\"reason\":\"manual\"");
    w_said(w, position_closed, "\"partial\":false");
    assert_null(ledger_position(w->ledger, 0, "W1"));
    assert_int_equal(ledger_account_at(w->ledger, 0)->trades, 1);
    w_fini(w);
}

static void a_part_of_a_former_life_is_not_told_for_a_new_one(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    row.volume = w_dec("0.07");
    w_list(w, 0, w_now(w), &row, 1);
    struct seen_close c[2] = {part_of(&row, "W1_close1", "0.03", market(w))};
    w_history(w, 0, w_now(w), c, 1);
    w_turn(w);
    int64_t then = market(w) + 5000;
    w_die(w);
    w_live(w, then);
    row.volume = w_dec("0.04"); /* another 0.03, and its row comes late */
    w_list(w, 0, w_now(w), &row, 1);
    w_history(w, 0, w_now(w), c, 1);
    assert_int_equal(w_events(w, position_closed), 1);
    c[1] = part_of(&row, "W1_close2", "0.03", then + 10);
    w_history(w, 0, w_now(w), c, 2);
    assert_int_equal(w_events(w, position_closed), 2);
    w_said(w, position_closed, "W1_close2");
    w_fini(w);
}

static void a_partial_close_is_not_repeated(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_position row;
    w_open(w, "W1", &row);
    want(w, "W1", "0.04", "time");
    uint64_t id = w->calls[1].order.id;
    w_answer(w, 1, VERDICT_UNKNOWN, NULL, "timeout");
    assert_int_equal(w->call_count, 2);
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0.04"), "time", &e), ERR_STATE);
    for (int k = 0; k < 5; k++) {
        w_pass(w, 5000);
        w_list(w, 0, w_now(w), &row, 1);
    }
    assert_int_equal(w_state(w, id), ORDER_UNKNOWN); /* too early to know */
    w_pass(w, 6000);
    w_list(w, 0, w_now(w), &row, 1);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_state(w, id), ORDER_UNKNOWN);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_state(w, id), ORDER_ABSENT);
    assert_int_equal(w->call_count, 2);
    want(w, "W1", "0.04", "time"); /* the caller's to ask again */
    assert_int_equal(w->call_count, 3);
    w_answer(w, 2, VERDICT_REJECTED, NULL, "rejected");
    w_pass(w, 20000);
    assert_int_equal(w->call_count, 3);
    want(w, "W1", "0.04", "time"); /* lost, and executed: lists settle it */
    id = w->calls[3].order.id;
    w_answer(w, 3, VERDICT_UNKNOWN, NULL, "timeout");
    row.volume = w_dec("0.06");
    w_list(w, 0, w_now(w), &row, 1);
    struct seen_close c = part_of(&row, "W1_close1", "0.04", market(w));
    w_history(w, 0, w_now(w), &c, 1);
    assert_int_equal(w_state(w, id), ORDER_ACCEPTED);
    assert_int_equal(ledger_position(w->ledger, 0, "W1")->volume.v, w_dec("0.06").v);
    w_fini(w);
}

static void a_part_in_flight_and_then_all(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    want(w, "W1", "0.04", "time");
    want(w, "W1", "0", "end");
    assert_int_equal(w->call_count, 2); /* one at a time */
    w_answer(w, 1, VERDICT_UNKNOWN, NULL, "timeout");
    assert_int_equal(w->call_count, 3);
    assert_int_equal(w->calls[2].order.op, ORDER_CLOSE);
    w_answer(w, 2, VERDICT_ACCEPTED, NULL, NULL);
    w_list(w, 0, w_now(w), NULL, 0);
    struct seen_close c = w_closed(&row, "u", 500000, market(w));
    w_history(w, 0, w_now(w), &c, 1);
    w_said(w, position_closed, "\"reason\":\"end\"");
    assert_int_equal(w_state(w, w->calls[1].order.id), ORDER_ABSENT);
    w_fini(w);
}

static void why_it_closed(void **state)
{
    struct world *w = *state;
    struct {
        int64_t price;
        const char *reason;
    } cases[] = {{520500, "target"},
                 {519990, "target"},
                 {490090, "stop"},
                 {480000, "stop"},
                 {500000, "manual"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char id[8], text[32];
        struct seen_position row;
        snprintf(id, sizeof id, "W%zu", k);
        w_open(w, id, &row);
        if (cases[k].price == 519990)
            cases[k].price = ledger_position(w->ledger, 0, id)->target;
        if (cases[k].price == 490090)
            cases[k].price = ledger_position(w->ledger, 0, id)->stop;
        exec_suspect(w->exec, 0);
        assert_int_equal(w_needs(w, 0), NEED_POSITIONS);
        w_list(w, 0, w_now(w), NULL, 0);
        struct seen_close c = w_closed(&row, id, cases[k].price, market(w));
        w_history(w, 0, w_now(w), &c, 1);
        snprintf(text, sizeof text, "\"reason\":\"%s\"", cases[k].reason);
        w_said(w, position_closed, text);
    }
    /* A close of ours that was refused because the stop was faster. */
    struct seen_position row;
    w_open(w, "W9", &row);
    want(w, "W9", "0", "time");
    w_answer(w, w->call_count - 1, VERDICT_REJECTED, NULL, "rejected");
    w_list(w, 0, w_now(w), NULL, 0);
    struct seen_close c = w_closed(&row, "u9", 480000, market(w));
    w_history(w, 0, w_now(w), &c, 1);
    w_said(w, position_closed, "\"reason\":\"stop\"");
    w_fini(w);
}

static void closed_while_a_close_is_in_flight(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    want(w, "W1", "0", "time");
    w_list(w, 0, w_now(w), NULL, 0);
    struct seen_close c = w_closed(&row, "u", 480000, market(w));
    w_history(w, 0, w_now(w), &c, 1);
    w_said(w, position_closed, "\"reason\":\"stop\"");
    w_answer(w, 1, VERDICT_UNKNOWN, NULL, "timeout"); /* its answer comes late */
    assert_int_equal(w->call_count, 2);
    w_list(w, 0, w_now(w), NULL, 0);
    assert_true(order_final(w_state(w, w->calls[1].order.id)));
    w_pass(w, 20000);
    assert_int_equal(w_needs(w, 0) & (NEED_POSITIONS | NEED_CLOSED), 0);
    w_fini(w);
}

/* A missing row of the history is asked for again and again, with a back-off, and told. */
static void a_history_that_lags(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    w_list(w, 0, w_now(w), NULL, 0);
    unsigned notices = w_events(w, notice);
    for (int k = 0; k < 12; k++) {
        assert_true(w_needs(w, 0) & NEED_CLOSED);
        w_history(w, 0, w_now(w), NULL, 0);
        assert_false(w_needs(w, 0) & NEED_CLOSED);
        unsigned wakes = w->wakes[0];
        w_pass(w, 5001);
        assert_true(w->wakes[0] > wakes);
    }
    assert_int_equal(w_events(w, notice), notices + 1);
    struct seen_close c = w_closed(&row, "u", 480000, market(w));
    w_history(w, 0, w_now(w), &c, 1);
    assert_null(ledger_position(w->ledger, 0, "W1"));
    w_fini(w);
}

static void a_list_that_slips(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    w_pass(w, 10);
    w_list(w, 0, w_now(w), NULL, 0); /* gone ... */
    w_pass(w, 10);
    w_list(w, 0, w_now(w), &row, 1); /* ... and there again */
    struct seen_close c = w_closed(&row, "u", 480000, market(w));
    w_history(w, 0, w_now(w), &c, 1);
    assert_non_null(ledger_position(w->ledger, 0, "W1"));
    assert_int_equal(w_events(w, position_opened), 1);
    w_fini(w);
}

/* Two lists that overlap: which of them was made first cannot be told, and what is closed stays so.
 */
static void a_list_that_was_long_on_its_way(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    int64_t first = w_now(w);
    w_pass(w, 9000);
    int64_t second = w_now(w);
    w_pass(w, 1000);
    struct seen_close c = w_closed(&row, "u", 480000, market(w));
    w_list(w, 0, first, NULL, 0); /* the first try was lost: it was made a moment ago */
    w_history(w, 0, w_now(w), &c, 1);
    assert_null(ledger_position(w->ledger, 0, "W1"));
    w_pass(w, 5000);
    w_list(w, 0, second, &row, 1);
    assert_null(ledger_position(w->ledger, 0, "W1"));
    w_list(w, 0, w_now(w), &row, 1); /* but whoever is there when asked now is there */
    assert_non_null(ledger_position(w->ledger, 0, "W1"));
    assert_false(ledger_position(w->ledger, 0, "W1")->ours);
    w_fini(w);
}

static void edited(void *arg, enum order_state state, const char *reason)
{
    struct world *w = arg;
    assert_non_null(reason);
    assert_false(w->inside);
    w->edit_state = state;
    w->done++;
}

static void edits(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_position row;
    w_open(w, "W1", &row);
    unsigned done = w->done;
    assert_int_equal(exec_edit(w->exec, 0, "W2", 1, 1, edited, w, &e), ERR_NOTFOUND);
    assert_int_equal(exec_edit(w->exec, 0, "W1", -1, 1, edited, w, &e), ERR_INPUT);
    assert_int_equal(exec_edit(w->exec, 0, "W1", 0, 525000, edited, w, &e), ERR_INPUT);
    assert_non_null(strstr(e.message, "cannot take the stop loss"));
    assert_int_equal(exec_edit(w->exec, 0, "W1", 495000, 525000, edited, w, &e), 0);
    assert_int_equal(exec_edit(w->exec, 0, "W1", 495000, 525000, edited, w, &e), ERR_STATE);
    assert_int_equal(w->calls[1].order.stop, 495000);
    assert_false(w->calls[1].urgent);
    w_answer(w, 1, VERDICT_ACCEPTED, NULL, NULL);
    assert_int_equal(w->done, done + 1);
    assert_int_equal(w->edit_state, ORDER_ACCEPTED);
    assert_true(w_needs(w, 0) & NEED_POSITIONS);
    row.stop = w_price(495000);
    row.target = w_price(525000);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_events(w, position_changed), 1);
    assert_int_equal(ledger_position(w->ledger, 0, "W1")->stop, 495000);
    /* An older list does not take it back. */
    struct seen_position old = row;
    old.stop = w_price(490000);
    w_list(w, 0, w_now(w) - 1, &old, 1);
    assert_int_equal(ledger_position(w->ledger, 0, "W1")->stop, 495000);
    /* Lost and executed. */
    assert_int_equal(exec_edit(w->exec, 0, "W1", 496000, 0, edited, w, &e), 0);
    w_answer(w, 2, VERDICT_UNKNOWN, NULL, "timeout");
    assert_int_equal(w->edit_state, ORDER_UNKNOWN);
    row.stop = w_price(496000);
    row.target = w_dec("0");
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_state(w, w->calls[2].order.id), ORDER_ACCEPTED);
    /* Lost and not executed: not before the wait is over. */
    assert_int_equal(exec_edit(w->exec, 0, "W1", 497000, 0, NULL, NULL, &e), 0);
    w_answer(w, 3, VERDICT_UNKNOWN, NULL, "timeout");
    for (int k = 0; k < 5; k++)
        w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_state(w, w->calls[3].order.id), ORDER_UNKNOWN);
    w_pass(w, 30000);
    for (int k = 0; k < 3; k++)
        w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(w_state(w, w->calls[3].order.id), ORDER_ABSENT);
    w->refuse = true;
    assert_int_equal(exec_edit(w->exec, 0, "W1", 497000, 0, edited, w, &e), ERR_STATE);
    w->refuse = false;
    w_fini(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(full_close),
        T(refused_closes_are_repeated),
        T(an_unknown_full_close_is_repeated_at_once),
        T(accepted_and_still_there),
        T(without_a_session),
        T(misuse),
        T(a_partial_close),
        T(parts_are_not_told_again_after_a_restart),
        T(a_part_of_a_former_life_is_not_told_for_a_new_one),
        T(a_partial_close_is_not_repeated),
        T(a_part_in_flight_and_then_all),
        T(why_it_closed),
        T(closed_while_a_close_is_in_flight),
        T(a_history_that_lags),
        T(a_list_that_slips),
        T(a_list_that_was_long_on_its_way),
        T(edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
