/* SPDX-License-Identifier: MIT
 *
 * Legs that stand or fall together: every policy with every combination of outcomes, what is
 * refused before sending, what is taken back, deadlines, groups, restarts in the middle.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "exec_world.h"

#define LEGS 3
#define DEADLINE 1000

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w_init(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void put_in_group(struct world *w, int account, const char *group)
{
    struct event ev;
    char id[16];
    snprintf(id, sizeof id, "A%d", account);
    event_init(&ev, EVENT_KIND_account_added);
    event_set_strz(&ev, F_account_added_account, id);
    event_set_strz(&ev, F_account_added_group, group);
    w_emit(w, &ev);
}

/* A batch of the first n accounts with one policy for all. */
static struct batch *submit(struct world *w, int n, enum on_failure policy, unsigned quorum)
{
    struct err e;
    struct batch *b = batch_new(w->exec, 7, SETTLE_ALL, DEADLINE, &e);
    assert_int_equal(batch_policy(b, NULL, policy, quorum, &e), 0);
    for (int k = 0; k < n; k++) {
        struct leg_spec leg = w_leg(k);
        assert_int_equal(batch_add(b, &leg, &e), 0);
    }
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    return b;
}

static size_t open_parts(const struct world *w)
{
    size_t cursor = 0, n = 0;
    while (ledger_part_next(w->ledger, &cursor) != NULL)
        n++;
    return n;
}

/* The broker shows the position of an order; is its close wanted? */
static bool shown_closing(struct world *w, uint64_t order, const char *id)
{
    int account = ledger_order(w->ledger, order)->account;
    struct seen_position row = w_row(w, id, order);
    w_pass(w, 1);
    w_list(w, account, w_now(w), &row, 1);
    const struct position *p = ledger_position(w->ledger, account, id);
    assert_non_null(p);
    assert_int_equal(p->order, order);
    if (p->closing)
        assert_string_equal(p->close_reason, "unwind");
    return p->closing;
}

/* Every close that is in flight ends. */
enum want { KEPT, UNWOUND, OPEN };

/* What the policy makes of these outcomes before any deadline: an independent statement of it. */
static enum want expected(enum on_failure policy, unsigned quorum, const char *outcomes)
{
    unsigned accepted = 0, unknown = 0, failed = 0;
    for (const char *o = outcomes; *o != '\0'; o++) {
        accepted += *o == 'A';
        unknown += *o == 'U';
        failed += *o == 'R' || *o == 'N';
    }
    switch (policy) {
    case FAIL_BEST_EFFORT:
        return KEPT;
    case FAIL_ALL_OR_NONE:
        return failed > 0 ? UNWOUND : unknown > 0 ? OPEN : KEPT;
    case FAIL_QUORUM:
        break;
    }
    return accepted >= quorum ? KEPT : accepted + unknown < quorum ? UNWOUND : OPEN;
}

/* Gives each leg its outcome: A accepted, R rejected, U unknown, N not sent. A leg that was taken
 * back meanwhile is 'N', too. */
static void answer_all(struct world *w, const struct batch *b, char *outcomes)
{
    static const enum verdict_kind kinds[] = {['A'] = VERDICT_ACCEPTED,
                                              ['R'] = VERDICT_REJECTED,
                                              ['U'] = VERDICT_UNKNOWN,
                                              ['N'] = VERDICT_NOT_SENT};
    for (size_t k = 0; k < LEGS; k++)
        if (outcomes[k] != 'N')
            w_send(w, k);
    for (size_t k = 0; k < LEGS; k++) {
        char id[16];
        snprintf(id, sizeof id, "W%zu", k);
        if (w->calls[k].call == NULL)
            assert_int_equal(outcomes[k], 'N');
        else
            w_answer(w, k, kinds[(unsigned char)outcomes[k]], outcomes[k] == 'A' ? id : NULL,
                     "cause");
        if (outcomes[k] == 'N')
            assert_int_equal(batch_leg(b, k)->state, ORDER_NOT_SENT);
    }
}

static void one_combination(enum on_failure policy, unsigned quorum, const char *text)
{
    struct world *w = calloc(1, sizeof *w);
    char outcomes[LEGS + 1];
    snprintf(outcomes, sizeof outcomes, "%s", text);
    w_init(w);
    w->skip_journal = true; /* another test looks at the disk */
    w->keep_queued = true;
    w_live(w, W_START);
    struct batch *b = submit(w, LEGS, policy, quorum);
    uint64_t orders[LEGS];
    for (size_t k = 0; k < LEGS; k++)
        orders[k] = batch_leg(b, k)->order;
    assert_int_equal(open_parts(w), policy == FAIL_BEST_EFFORT ? 0 : 1);
    answer_all(w, b, outcomes);
    w_turn(w);
    assert_int_equal(w->done, 1);
    batch_free(b);
    enum want want = expected(policy, quorum, outcomes);
    assert_int_equal(open_parts(w), want == OPEN ? 1 : 0);
    if (policy != FAIL_BEST_EFFORT)
        assert_int_equal(w_events(w, batch_decided), want == OPEN ? 0 : 1);
    if (want == OPEN && policy == FAIL_QUORUM) {
        w_pass(w, DEADLINE + 1); /* what is not known by then does not count */
        want = UNWOUND;
        assert_int_equal(open_parts(w), 0);
    }
    /* Whatever was executed turns up; UNKNOWN is executed in this run. */
    for (size_t k = 0; k < LEGS; k++) {
        char id[16];
        if (outcomes[k] != 'A' && outcomes[k] != 'U')
            continue;
        snprintf(id, sizeof id, "W%zu", k);
        assert_int_equal(shown_closing(w, orders[k], id), want == UNWOUND);
        w_end_closes(w);
        assert_int_equal(w_close_sent(w, id), want == UNWOUND);
    }
    assert_int_equal(open_parts(w), 0);
    if (want == OPEN) /* the last UNKNOWN one was adopted: all are there */
        w_said(w, batch_decided, "\"outcome\":\"kept\"");
    if (want == UNWOUND)
        w_said(w, batch_decided, "\"outcome\":\"unwound\"");
    w_fini(w);
    free(w);
}

static void every_policy_with_every_outcome(void **state)
{
    static const char letters[] = "ARUN";
    (void)state;
    for (int code = 0; code < 64; code++) {
        const char text[] = {letters[code & 3], letters[code >> 2 & 3], letters[code >> 4], '\0'};
        one_combination(FAIL_BEST_EFFORT, 0, text);
        one_combination(FAIL_ALL_OR_NONE, 0, text);
        one_combination(FAIL_QUORUM, 1, text);
        one_combination(FAIL_QUORUM, 2, text);
        one_combination(FAIL_QUORUM, 3, text);
    }
}

static void one_refusal_keeps_all_of_them_here(void **state)
{
    struct world *w = *state;
    w_live(w, W_START);
    w->risk_account = 2;
    struct batch *b = submit(w, 4, FAIL_ALL_OR_NONE, 0);
    assert_int_equal(w->call_count, 0);
    for (size_t k = 0; k < 4; k++) {
        assert_true(batch_leg(b, k)->refused);
        assert_string_equal(batch_leg(b, k)->rule, k == 2 ? "max_positions" : "all_or_none");
    }
    assert_non_null(strstr(batch_leg(b, 0)->reason, "A2"));
    assert_int_equal(w_events(w, order_sent), 0);
    assert_int_equal(w_events(w, intent), w_events(w, order_not_sent));
    assert_int_equal(open_parts(w), 0);
    w_turn(w);
    assert_int_equal(w->done, 1);
    assert_false(ledger_entry_pending(w->ledger, 0, 0));
    batch_free(b);
    /* The same with a quorum that can still be reached is sent. */
    b = submit(w, 4, FAIL_QUORUM, 3);
    assert_int_equal(w->call_count, 3);
    for (size_t k = 0; k < 3; k++)
        w_answer(w, k, VERDICT_REJECTED, NULL, "rejected");
    w_turn(w);
    batch_free(b);
    b = submit(w, 4, FAIL_QUORUM, 4);
    assert_int_equal(w->call_count, 3);
    assert_string_equal(batch_leg(b, 0)->rule, "quorum");
    w_turn(w);
    batch_free(b);
    w_fini(w);
}

static void nothing_is_begun_when_all_are_refused(void **state)
{
    struct world *w = *state;
    w_live(w, W_START);
    w->risk_breaks = true;
    struct batch *b = submit(w, 2, FAIL_ALL_OR_NONE, 0);
    assert_int_equal(w_events(w, batch_begun), 0);
    assert_int_equal(w_events(w, batch_decided), 0);
    w_turn(w);
    batch_free(b);
    w_fini(w);
}

static void a_leg_without_a_session_takes_the_others_back(void **state)
{
    struct world *w = *state;
    w_live(w, W_START);
    w->refuse = true; /* the venue takes none */
    struct batch *b = submit(w, 3, FAIL_ALL_OR_NONE, 0);
    for (size_t k = 0; k < 3; k++)
        assert_int_equal(batch_leg(b, k)->state, ORDER_NOT_SENT);
    assert_int_equal(w->call_count, 0);
    assert_int_equal(w_events(w, order_not_sent), 3);
    w_turn(w);
    assert_int_equal(w->done, 1);
    batch_free(b);
    w_fini(w);
}

static void queued_legs_are_taken_back(void **state)
{
    struct world *w = *state;
    w->keep_queued = true;
    w_live(w, W_START);
    struct batch *b = submit(w, 3, FAIL_ALL_OR_NONE, 0);
    w_answer(w, 1, VERDICT_REJECTED, NULL, "margin");
    assert_null(w->calls[0].call);
    assert_null(w->calls[2].call);
    assert_int_equal(batch_leg(b, 0)->state, ORDER_NOT_SENT);
    w_turn(w);
    assert_int_equal(w->done, 1);
    assert_int_equal(w_events(w, order_sent), 1);
    assert_string_equal(batch_leg(b, 1)->code, "margin");
    batch_free(b);
    w_fini(w);
}

static void groups_fall_alone(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    for (int k = 0; k < 6; k++)
        put_in_group(w, k, k % 3 == 0 ? "loose" : k % 3 == 1 ? "tight" : "other");
    struct batch *b = batch_new(w->exec, 7, SETTLE_ALL, DEADLINE, &e);
    assert_int_equal(batch_policy(b, "tight", FAIL_ALL_OR_NONE, 0, &e), 0);
    assert_int_equal(batch_policy(b, "other", FAIL_QUORUM, 2, &e), 0);
    assert_int_equal(batch_policy(b, "other", FAIL_QUORUM, 1, &e), 0); /* the newest holds */
    for (int k = 0; k < 6; k++) {
        struct leg_spec leg = w_leg(k);
        assert_int_equal(batch_add(b, &leg, &e), 0);
    }
    assert_int_equal(batch_policy(b, "late", FAIL_QUORUM, 1, &e), ERR_STATE);
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    for (size_t k = 0; k < 6; k++) { /* those of account 0, 1 and 2 fail, 3, 4 and 5 do not */
        char id[16];
        snprintf(id, sizeof id, "W%zu", k);
        w_answer(w, k, k < 3 ? VERDICT_REJECTED : VERDICT_ACCEPTED, k < 3 ? NULL : id, "no");
    }
    uint64_t orders[6];
    for (size_t k = 0; k < 6; k++)
        orders[k] = batch_leg(b, k)->order;
    w_turn(w);
    batch_free(b);
    assert_int_equal(w_events(w, batch_decided), 2);
    assert_false(shown_closing(w, orders[3], "W3"));
    assert_true(shown_closing(w, orders[4], "W4"));
    assert_false(shown_closing(w, orders[5], "W5"));
    w_end_closes(w);
    w_fini(w);
}

/* An absent leg has failed; when it turns up after all, it is closed like the others. */
static void absence_unwinds(void **state)
{
    struct world *w = *state;
    w->config.absent_after_ms = 100;
    w_live(w, W_START);
    w_quiet(w, 0), w_quiet(w, 1);
    struct batch *b = submit(w, 2, FAIL_ALL_OR_NONE, 0);
    uint64_t first = batch_leg(b, 0)->order, lost = batch_leg(b, 1)->order;
    w_answer(w, 0, VERDICT_ACCEPTED, "W0", NULL);
    w_answer(w, 1, VERDICT_UNKNOWN, NULL, "timeout");
    w_turn(w);
    batch_free(b);
    assert_false(shown_closing(w, first, "W0"));
    w_pass(w, 200);
    for (int k = 0; k < 4 && w_state(w, lost) == ORDER_UNKNOWN; k++) {
        assert_int_equal(open_parts(w), 1);
        w_pass(w, 10);
        w_list(w, 1, w_now(w), NULL, 0);
        w_history(w, 1, w_now(w), NULL, 0);
    }
    assert_int_equal(w_state(w, lost), ORDER_ABSENT);
    assert_int_equal(open_parts(w), 0);
    assert_true(ledger_position(w->ledger, 0, "W0")->closing);
    w_end_closes(w);
    assert_true(w_close_sent(w, "W0"));
    assert_true(shown_closing(w, lost, "W1"));
    w_end_closes(w);
    assert_true(w_close_sent(w, "W1"));
    w_fini(w);
}

/* The process dies at `after`: 0 with the legs sent, 1 with one accepted, 2 with one rejected. The
 * next life has nothing but the journal. */
static void die_and_go_on(struct world *w, int after)
{
    w_live(w, W_START);
    struct batch *b = submit(w, 3, FAIL_ALL_OR_NONE, 0);
    uint64_t first = batch_leg(b, 0)->order;
    if (after >= 1)
        w_answer(w, 0, VERDICT_ACCEPTED, "W0", NULL);
    if (after >= 2)
        w_answer(w, 1, VERDICT_REJECTED, NULL, "rejected");
    struct err e;
    assert_int_equal(stream_commit(w->stream, &e), 0);
    unsigned decided = w_events(w, batch_decided);
    assert_int_equal(decided, after >= 2 ? 1 : 0);
    w_die(w);
    w_live(w, W_START + 1000);
    assert_int_equal(open_parts(w), after >= 2 ? 0 : 1);
    assert_int_equal(shown_closing(w, first, "W0"), after >= 2);
    assert_int_equal(shown_closing(w, first + 2, "W2"), after >= 2);
    w_end_closes(w);
    assert_int_equal(w_close_sent(w, "W0"), after >= 2);
    if (after < 2) { /* the third was executed, the second turns out to be absent */
        w_pass(w, 31000);
        for (int k = 0; k < 4; k++) {
            w_pass(w, 10);
            w_list(w, 1, w_now(w), NULL, 0);
            w_history(w, 1, w_now(w), NULL, 0);
        }
        assert_int_equal(w_state(w, first + 1), ORDER_ABSENT);
        w_end_closes(w);
        assert_true(w_close_sent(w, "W0"));
        assert_true(w_close_sent(w, "W2"));
    }
    w_die(w);
    w_live(w, W_START + 100000); /* and a third life still knows what is to be closed */
    assert_true(ledger_position(w->ledger, 0, "W0")->closing);
    assert_true(ledger_position(w->ledger, 2, "W2")->closing);
    w_turn(w);
    w_end_closes(w);
    assert_true(w_close_sent(w, "W0"));
    w_fini(w);
}

static void a_death_in_the_middle_unwinds_later(void **state)
{
    (void)state;
    for (int after = 0; after < 3; after++) {
        struct world *w = calloc(1, sizeof *w);
        w_init(w);
        die_and_go_on(w, after);
        free(w);
    }
}

static void a_quorum_of_a_former_life_is_decided_at_the_start(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    struct batch *b = submit(w, 3, FAIL_QUORUM, 2);
    uint64_t first = batch_leg(b, 0)->order;
    w_answer(w, 0, VERDICT_ACCEPTED, "W0", NULL);
    assert_int_equal(stream_commit(w->stream, &e), 0);
    w_die(w);
    w_live(w, W_START + 1000);
    assert_int_equal(open_parts(w), 0);
    w_said(w, batch_decided, "\"outcome\":\"unwound\"");
    assert_true(shown_closing(w, first, "W0"));
    assert_true(shown_closing(w, first + 1, "W1"));
    w_end_closes(w);
    w_fini(w);
}

static void a_caller_who_leaves_does_not_end_the_deadline(void **state)
{
    struct world *w = *state;
    w_live(w, W_START);
    struct batch *b = submit(w, 2, FAIL_QUORUM, 2);
    w_answer(w, 0, VERDICT_ACCEPTED, "W0", NULL);
    w_answer(w, 1, VERDICT_UNKNOWN, NULL, "cut");
    w_turn(w);
    batch_free(b);
    assert_int_equal(open_parts(w), 1);
    w_pass(w, DEADLINE - 10);
    assert_int_equal(open_parts(w), 1);
    w_pass(w, 20);
    assert_int_equal(open_parts(w), 0);
    w_said(w, batch_decided, "\"outcome\":\"unwound\"");
    w_said(w, batch_decided, "\"open\":1");
    w_fini(w);
}

static void settles_when_a_quorum_was_accepted(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    struct batch *b = batch_new(w->exec, 7, SETTLE_QUORUM, DEADLINE, &e);
    batch_settle_quorum(b, 2);
    for (int k = 0; k < 4; k++) {
        struct leg_spec leg = w_leg(k);
        assert_int_equal(batch_add(b, &leg, &e), 0);
    }
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    w_answer(w, 0, VERDICT_ACCEPTED, "W0", NULL);
    w_answer(w, 1, VERDICT_REJECTED, NULL, "rejected");
    w_turn(w);
    assert_int_equal(w->done, 0);
    w_answer(w, 2, VERDICT_ACCEPTED, "W2", NULL);
    w_turn(w);
    assert_int_equal(w->done, 1);
    w_answer(w, 3, VERDICT_ACCEPTED, "W3", NULL);
    w_turn(w);
    assert_int_equal(w->done, 1);
    batch_free(b);
    w_fini(w);
}

static void policies_are_checked(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    struct batch *b = batch_new(w->exec, 7, SETTLE_ALL, 0, &e);
    assert_int_equal(batch_policy(b, NULL, FAIL_QUORUM, 0, &e), ERR_INPUT);
    assert_int_equal(batch_policy(b, "", FAIL_ALL_OR_NONE, 0, &e), ERR_INPUT);
    assert_int_equal(batch_policy(b, "a-name-of-32-bytes-is-too-long-xx", FAIL_ALL_OR_NONE, 0, &e),
                     ERR_INPUT);
    batch_free(b);
    w_fini(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(every_policy_with_every_outcome),
        TEST(one_refusal_keeps_all_of_them_here),
        TEST(nothing_is_begun_when_all_are_refused),
        TEST(a_leg_without_a_session_takes_the_others_back),
        TEST(queued_legs_are_taken_back),
        TEST(groups_fall_alone),
        TEST(absence_unwinds),
        TEST(a_death_in_the_middle_unwinds_later),
        TEST(a_quorum_of_a_former_life_is_decided_at_the_start),
        TEST(a_caller_who_leaves_does_not_end_the_deadline),
        TEST(settles_when_a_quorum_was_accepted),
        TEST(policies_are_checked),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
