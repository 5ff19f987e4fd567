/* SPDX-License-Identifier: MIT
 *
 * Entries of which nothing is wanted any more: taken back, cancelled, or closed once they are
 * known; after a restart, and without a journal. What a fill tells.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "exec_pending_fixture.h"

static void an_entry_is_closed_whatever_it_becomes(void **state)
{
    struct world *w = *state;
    struct err e;
    w->keep_queued = true;
    struct batch *b = w_batch(w, 5);
    uint64_t order[5];
    for (size_t k = 0; k < 5; k++)
        order[k] = batch_leg(b, k)->order;
    for (size_t k = 1; k < 5; k++)
        w_send(w, k);
    w_answer(w, 2, VERDICT_ACCEPTED, "W2", NULL);
    w_answer(w, 3, VERDICT_UNKNOWN, NULL, "timeout");
    w_answer(w, 4, VERDICT_REJECTED, NULL, "rejected");
    for (size_t k = 0; k < 4; k++)
        assert_int_equal(exec_close_entry(w->exec, order[k], "manual", &e), 0);
    assert_int_equal(exec_close_entry(w->exec, order[1], "manual", &e), 0); /* again: harmless */
    assert_int_equal(exec_close_entry(w->exec, order[4], "manual", &e), ERR_NOTFOUND);
    assert_int_equal(exec_close_entry(w->exec, 999, "manual", &e), ERR_NOTFOUND);
    assert_int_equal(exec_close_entry(w->exec, order[1], "", &e), ERR_INPUT);
    assert_int_equal(w_events(w, order_closing), 4);
    assert_int_equal(w_state(w, order[0]), ORDER_NOT_SENT); /* taken back */
    assert_int_equal(exec_close_entry(w->exec, order[0], "manual", &e), ERR_NOTFOUND);
    w_answer(w, 1, VERDICT_ACCEPTED, "W1", NULL);
    w_turn(w);
    batch_free(b);
    assert_int_equal(stream_commit(w->stream, &e), 0);
    w_die(w);
    w_live(w, W_START + 1000); /* the wish is in the journal */
    for (int k = 1; k < 4; k++) {
        char id[16];
        snprintf(id, sizeof id, "W%d", k);
        struct seen_position row = w_row(w, id, order[k]);
        w_list(w, k, w_now(w), &row, 1);
        assert_true(ledger_position(w->ledger, k, id)->closing);
        assert_string_equal(ledger_position(w->ledger, k, id)->close_reason, "manual");
        w_end_closes(w);
        assert_true(w_close_sent(w, id));
    }
    assert_int_equal(w_events(w, position_closing), 3);
    w_fini(w);
}

/* What can only make the book smaller goes on without a journal. */
static void without_a_journal(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_order row;
    uint64_t resting_one = rests(w, "P1", &row);
    w->keep_queued = true;
    struct batch *b = batch_new(w->exec, 7, SETTLE_ALL, 0, &e);
    for (int k = 1; k <= 2; k++) {
        struct leg_spec leg = w_leg(k);
        assert_int_equal(batch_add(b, &leg, &e), 0);
    }
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    uint64_t queued = batch_leg(b, 0)->order, in_flight = batch_leg(b, 1)->order;
    w_send(w, 2);
    w_turn(w);
    w->fail_kind = EVENT_KIND_order_closing;
    w->skip_journal = true;
    /* In flight: it cannot be remembered, and that is said. */
    assert_int_equal(exec_close_entry(w->exec, in_flight, "manual", &e), ERR_STATE);
    assert_non_null(stream_broken(w->stream));
    assert_int_equal(exec_close_entry(w->exec, in_flight, "manual", &e), ERR_STATE);
    assert_int_equal(exec_close_entry(w->exec, queued, "manual", &e), 0); /* taken back */
    assert_null(w->calls[1].call);
    assert_int_equal(batch_leg(b, 0)->state, ORDER_NOT_SENT);
    assert_int_equal(exec_close_entry(w->exec, resting_one, "manual", &e), 0); /* cancelled */
    assert_int_equal(w->call_count, 4);
    assert_int_equal(w->calls[3].order.op, ORDER_CANCEL);
    assert_string_equal(w->calls[3].order.position, "P1");
    w_answer(w, 3, VERDICT_ACCEPTED, NULL, NULL);
    w_answer(w, 2, VERDICT_REJECTED, NULL, "rejected");
    w_turn(w);
    assert_int_equal(w->done, 1);
    batch_free(b);
    w_fini(w);
}

static bool wish_on_disk(struct world *w, uint64_t order)
{
    struct journal_reader *r;
    struct event ev;
    struct err e;
    bool found = false;
    assert_int_equal(journal_reader_open(&r, w->dir, 1, &e), 0);
    while (journal_reader_next(r, &ev, &e) == 1)
        found = found || (ev.kind == EVENT_KIND_order_closing &&
                          event_u64(&ev, F_order_closing_order) == order);
    journal_reader_close(r);
    return found;
}

/* Who is told that it will be closed may rely on it, whatever becomes of the process. */
static void the_answer_comes_after_the_commit(void **state)
{
    struct world *w = *state;
    struct err e;
    struct batch *b = w_batch(w, 1);
    uint64_t order = batch_leg(b, 0)->order;
    assert_int_equal(exec_close_entry(w->exec, order, "manual", &e), 0);
    assert_true(wish_on_disk(w, order));
    w_answer(w, 0, VERDICT_REJECTED, NULL, "rejected");
    w_turn(w);
    batch_free(b);
    w_fini(w);
}

/* The disk is full: what is queued is taken back and what rests is cancelled; of what is in flight
 * the wish would be lost with the process, and that is said, each time. */
static void a_wish_that_is_not_committed_is_no_answer(void **state)
{
    struct world *w = *state;
    struct err e;
    struct rlimit old, none = {0, 0};
    w->keep_queued = true;
    struct batch *b = w_batch(w, 2);
    uint64_t queued = batch_leg(b, 0)->order, in_flight = batch_leg(b, 1)->order;
    w_send(w, 1);
    w_turn(w);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    none.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int first = exec_close_entry(w->exec, in_flight, "manual", &e);
    int again = exec_close_entry(w->exec, in_flight, "manual", &e);
    int back = exec_close_entry(w->exec, queued, "manual", &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_not_equal(first, 0);
    assert_int_not_equal(again, 0);
    assert_int_equal(back, 0);
    assert_int_equal(batch_leg(b, 0)->state, ORDER_NOT_SENT);
    assert_null(w->calls[0].call);
    assert_true(exec_entries_stopped(w->exec));
    w_answer(w, 1, VERDICT_REJECTED, NULL, "rejected");
    w_turn(w);
    batch_free(b);
    w_fini(w);
}

static void a_shown_entry_is_closed_by_its_position(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_position row;
    uint64_t order = w_open(w, "W1", &row);
    assert_int_equal(exec_close_entry(w->exec, order, "manual", &e), 0);
    assert_int_equal(w_events(w, order_closing), 0);
    assert_int_equal(w_events(w, position_closing), 1);
    w_end_closes(w);
    assert_true(w_close_sent(w, "W1"));
    w_fini(w);
}

static void a_fill_is_told_with_what_was_asked(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    uint64_t order = w_open(w, "W1", &row);
    w_said(w, leg_filled, "\"asked\":\"50000\"");
    w_said(w, leg_filled, "\"executed\":\"50001\"");
    w_said(w, leg_filled, "\"slippage\":10");
    const struct order *o = ledger_order(w->ledger, order);
    assert_int_equal(o->filled, 500010);
    assert_int_equal(order_slippage(o), 10);
    w_fini(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(an_entry_is_closed_whatever_it_becomes),
        TEST(without_a_journal),
        TEST(the_answer_comes_after_the_commit),
        TEST(a_wish_that_is_not_committed_is_no_answer),
        TEST(a_shown_entry_is_closed_by_its_position),
        TEST(a_fill_is_told_with_what_was_asked),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
