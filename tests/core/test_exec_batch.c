/* SPDX-License-Identifier: MIT
 *
 * The fan-out: what is refused, what is written before what, how a batch settles, what an owner who
 * leaves early does not stop; and what the request budget refuses.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "exec_world.h"

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

static void all_accepted(void **state)
{
    struct world *w = *state;
    w_live(w, W_START);
    struct batch *b = w_batch(w, 12);
    assert_int_equal(w->call_count, 12);
    assert_int_equal(w_events(w, intent), 12);
    assert_int_equal(w_events(w, order_sent), 12);
    assert_int_equal(exec_in_flight(w->exec), 12);
    assert_int_equal(w->done, 0);
    for (size_t k = 0; k < 12; k++) {
        char id[16];
        snprintf(id, sizeof id, "W%zu", k);
        loop_io_advance(&w->loop, w_now(w) + 2 * W_MS);
        w_answer(w, k, VERDICT_ACCEPTED, id, NULL);
        assert_int_equal(w->done, 0); /* never inside a verdict */
        assert_int_equal(w_state(w, batch_leg(b, k)->order), ORDER_ACCEPTED);
        assert_string_equal(batch_leg(b, k)->broker_id, id);
    }
    assert_int_equal(w_events(w, batch_done), 1);
    w_turn(w);
    w_turn(w);
    assert_int_equal(w->done, 1);
    struct batch_report r;
    batch_report(b, &r);
    assert_int_equal(r.legs, 12);
    assert_int_equal(r.sent, 12);
    assert_int_equal(r.accepted, 12);
    assert_int_equal(r.volume.v, 12 * DECIMAL_ONE / 10);
    assert_int_equal(r.elapsed_us, 24000);
    assert_int_equal(r.signal, 7);
    w_said(w, batch_done, "\"accepted\":12");
    w_said(w, batch_done, "\"symbol\":\"BTCUSD\"");
    w_said(w, intent, "\"plan\":{\"trail\":1}");
    w_said(w, intent, "\"op\":\"open\"");
    assert_true(w_needs(w, 3) & NEED_POSITIONS);
    batch_free(b);
    w_fini(w);
}

static void stop_and_target_carry_the_tag(void **state)
{
    struct world *w = *state;
    w_live(w, W_START);
    struct batch *b = w_batch(w, 3);
    for (size_t k = 0; k < 3; k++) {
        const struct order *o = ledger_order(w->ledger, batch_leg(b, k)->order);
        assert_int_equal(o->tag, (int)o->id);
        assert_int_equal(o->stop % 100 * 100 + o->target % 100, (int64_t)o->id);
        assert_true(o->stop >= 490000 && o->stop < 490100); /* only towards the price */
        assert_true(o->target <= 520000 && o->target > 519900);
        assert_int_equal(w->calls[k].order.stop, o->stop); /* and so it is sent */
        w_answer(w, k, VERDICT_REJECTED, NULL, "rejected");
    }
    batch_free(b);
    w_fini(w);
}

/* Adds a leg and says by which rule it is refused; NULL: it is sent. */
static const char *verdict_of(struct world *w, const struct leg_spec *leg)
{
    static char rule[32];
    struct err e;
    w_turn(w);
    struct batch *b = batch_new(w->exec, 1, SETTLE_ALL, 0, &e);
    assert_int_equal(batch_add(b, leg, &e), 0);
    size_t before = w->call_count;
    unsigned intents = w_events(w, intent);
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    const struct leg *l = batch_leg(b, 0);
    bool refused = l->refused;
    snprintf(rule, sizeof rule, "%s", l->rule);
    assert_int_equal(w->call_count, refused ? before : before + 1);
    assert_int_equal(w_events(w, intent), refused ? intents : intents + 1);
    assert_int_equal(l->order == 0, refused);
    if (!refused)
        w_answer(w, before, VERDICT_REJECTED, NULL, "rejected");
    unsigned done = w->done;
    w_turn(w);
    assert_int_equal(w->done, done + 1);
    batch_free(b);
    return refused ? rule : NULL;
}

static void each_rule_refuses(void **state)
{
    struct world *w = *state;
    w_live(w, W_START);
    struct leg_spec leg = w_leg(0), bad;
    assert_null(verdict_of(w, &leg));
    bad = leg, bad.stop = 0;
    assert_string_equal(verdict_of(w, &bad), "stop");
    bad = leg, bad.stop = 500000;
    assert_string_equal(verdict_of(w, &bad), "levels");
    bad = leg, bad.target = 499999;
    assert_string_equal(verdict_of(w, &bad), "levels");
    bad = leg, bad.side = SIDE_SELL;
    assert_string_equal(verdict_of(w, &bad), "levels");
    bad = leg, bad.volume = w_dec("0.015");
    assert_string_equal(verdict_of(w, &bad), "volume");
    bad = leg, bad.volume = w_dec("0");
    assert_string_equal(verdict_of(w, &bad), "volume");
    w->risk_account = 0;
    assert_string_equal(verdict_of(w, &leg), "max_positions");
    w->risk_account = -1;
    w->risk_breaks = true; /* a policy that breaks refuses */
    assert_string_equal(verdict_of(w, &leg), "risk");
    w->risk_breaks = false;
    struct event ev;
    event_init(&ev, EVENT_KIND_account_state);
    event_set_strz(&ev, F_account_state_account, "A0");
    event_set_strz(&ev, F_account_state_state, "paused");
    w_emit(w, &ev);
    assert_string_equal(verdict_of(w, &leg), "paused");
    event_set_strz(&ev, F_account_state_state, "active");
    w_emit(w, &ev);
    assert_null(verdict_of(w, &leg));
    w_fini(w);
}

static void naked_orders_need_the_policys_word(void **state)
{
    struct world *w = *state;
    w->config.allow_naked = true;
    w_live(w, W_START);
    struct leg_spec leg = w_leg(0);
    leg.stop = leg.target = 0;
    assert_null(verdict_of(w, &leg));
    w_fini(w);
}

static void no_risk_policy_no_orders(void **state)
{
    struct world *w = *state;
    w->config.risk = (struct risk_ops){w, w_risk};
    w_live(w, W_START);
    exec_free(w->exec);
    w->config.risk.check = NULL;
    struct err e;
    w->exec = exec_new(&w->config, &e);
    assert_int_equal(exec_start(w->exec, &e), 0);
    struct leg_spec leg = w_leg(0);
    assert_string_equal(verdict_of(w, &leg), "risk");
    w_fini(w);
}

static void one_entry_for_account_and_symbol(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    struct batch *b = batch_new(w->exec, 1, SETTLE_ALL, 0, &e);
    struct leg_spec leg = w_leg(0), other = w_leg(0);
    other.instrument = 1;
    assert_int_equal(batch_add(b, &leg, &e), 0);
    assert_int_equal(batch_add(b, &leg, &e), 0);
    assert_int_equal(batch_add(b, &other, &e), 0);
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    assert_false(batch_leg(b, 0)->refused);
    assert_string_equal(batch_leg(b, 1)->rule, "pending");
    assert_false(batch_leg(b, 2)->refused);
    assert_string_equal(verdict_of(w, &leg), "pending"); /* another batch */
    w_answer(w, 0, VERDICT_UNKNOWN, NULL, "timeout");
    w_answer(w, 1, VERDICT_ACCEPTED, "W1", NULL);
    assert_string_equal(verdict_of(w, &leg), "unknown");
    assert_string_equal(verdict_of(w, &other), "pending"); /* accepted, not shown yet */
    struct batch_report r;
    batch_report(b, &r);
    assert_int_equal(r.refused, 1);
    assert_int_equal(r.unknown, 1);
    assert_int_equal(r.accepted, 1);
    batch_free(b);
    w_fini(w);
}

static void risk_sees_the_legs_before(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    /* The intent of the first leg is in the ledger when the second is checked. */
    struct batch *b = w_batch(w, 2);
    assert_int_equal(ledger_exposure_count(w->ledger, 0), 1);
    assert_int_equal(w->risk_calls, 2);
    assert_int_equal(batch_submit(b, w_done, w, &e), ERR_STATE); /* once only */
    struct leg_spec leg = w_leg(3);
    assert_int_equal(batch_add(b, &leg, &e), ERR_STATE);
    w_answer(w, 0, VERDICT_REJECTED, NULL, "rejected");
    w_answer(w, 1, VERDICT_REJECTED, NULL, "rejected");
    batch_free(b);
    w_fini(w);
}

static void stopped_entries(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    exec_stop_entries(w->exec, true);
    struct batch *b = batch_new(w->exec, 1, SETTLE_ALL, 0, &e);
    struct leg_spec leg = w_leg(0);
    assert_int_equal(batch_add(b, &leg, &e), 0);
    assert_int_equal(batch_submit(b, w_done, w, &e), ERR_STATE);
    assert_int_equal(w->call_count, 0);
    exec_stop_entries(w->exec, false);
    assert_int_equal(batch_submit(b, w_done, w, &e), 0); /* it was not used up */
    w_answer(w, 0, VERDICT_REJECTED, NULL, "rejected");
    batch_free(b);
    w_fini(w);
}

static void bad_legs(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    struct batch *b = batch_new(w->exec, 1, SETTLE_ALL, 0, &e);
    struct leg_spec leg = w_leg(99);
    assert_int_equal(batch_add(b, &leg, &e), ERR_INPUT);
    leg = w_leg(0), leg.instrument = 9;
    assert_int_equal(batch_add(b, &leg, &e), ERR_INPUT);
    leg = w_leg(0), leg.side = (enum side)0;
    assert_int_equal(batch_add(b, &leg, &e), ERR_INPUT);
    leg = w_leg(0), leg.price = 0;
    assert_int_equal(batch_add(b, &leg, &e), ERR_INPUT);
    leg = w_leg(0), leg.stop = -1;
    assert_int_equal(batch_add(b, &leg, &e), ERR_INPUT);
    char *plan = calloc(1, 70001);
    memset(plan, ' ', 70000);
    leg = w_leg(0), leg.plan = plan;
    assert_int_equal(batch_add(b, &leg, &e), ERR_INPUT);
    free(plan);
    assert_int_equal(batch_count(b), 0);
    assert_null(batch_leg(b, 0));
    assert_int_equal(batch_submit(b, w_done, w, &e), 0); /* empty: settles at once */
    assert_int_equal(w->done, 0);
    w_turn(w);
    assert_int_equal(w->done, 1);
    batch_free(b);
    w_fini(w);
}

static struct batch *three(struct world *w)
{
    struct err e;
    struct batch *b = batch_new(w->exec, 7, SETTLE_ALL, 0, &e);
    for (int k = 0; k < 3; k++) {
        struct leg_spec leg = w_leg(k);
        assert_int_equal(batch_add(b, &leg, &e), 0);
    }
    return b;
}

static void a_refused_event_sends_nothing(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    struct seen_position row;
    w_open(w, "W1", &row);
    size_t before = w->call_count;
    struct batch *b = three(w);
    w->fail_kind = EVENT_KIND_intent; /* the second of the three */
    w->fail_after = w_events(w, intent) + 1;
    assert_int_not_equal(batch_submit(b, w_done, w, &e), 0);
    assert_int_equal(w->call_count, before);
    assert_true(exec_entries_stopped(w->exec));
    w_turn(w);
    assert_int_equal(w->done, 1); /* the first entry's */
    batch_free(b);
    exec_stop_entries(w->exec, false);
    assert_true(exec_entries_stopped(w->exec)); /* nobody can talk a broken journal away */
    b = three(w);
    assert_int_equal(batch_submit(b, w_done, w, &e), ERR_STATE);
    batch_free(b);
    /* Closes go on, unwritten. */
    w->skip_journal = true;
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0"), "manual", &e), 0);
    assert_int_equal(w->call_count, before + 1);
    assert_int_equal(w->calls[before].order.op, ORDER_CLOSE);
    w_answer(w, before, VERDICT_NOT_SENT, NULL, "unreachable");
    w_pass(w, 300);
    assert_int_equal(w->call_count, before + 2);
    assert_true(w->calls[before + 1].order.id > w->calls[before].order.id);
    w_answer(w, before + 1, VERDICT_ACCEPTED, NULL, NULL);
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0.01"), "manual", &e), ERR_STATE);
    w_pass(w, 1);
    exec_observe_positions(w->exec, 0, w_now(w), NULL, 0, &e); /* gone: no more closes */
    w_pass(w, 60000);
    assert_int_equal(w->call_count, before + 2);
    w_fini(w);
}

/* An intent that the ledger refuses costs its leg alone, and trading goes on. */
static void a_refused_intent_refuses_its_leg(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    struct batch *b = three(w);
    w->fail_kind = EVENT_KIND_intent; /* the second of the three */
    w->fail_after = w_events(w, intent) + 1;
    w->fail_first = true;
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    assert_int_equal(w->call_count, 2);
    assert_true(batch_leg(b, 1)->refused);
    assert_string_equal(batch_leg(b, 1)->rule, "journal");
    assert_false(batch_leg(b, 0)->refused || batch_leg(b, 2)->refused);
    assert_null(stream_broken(w->stream));
    assert_false(exec_entries_stopped(w->exec));
    w_answer(w, 0, VERDICT_ACCEPTED, "W1", NULL);
    w_answer(w, 1, VERDICT_ACCEPTED, "W2", NULL);
    w_turn(w);
    assert_int_equal(w->done, 1);
    batch_free(b);
    w_fini(w);
}

static void a_full_disk_sends_nothing(void **state)
{
    struct world *w = *state;
    struct err e;
    struct rlimit old, none = {0, 0};
    w_live(w, W_START);
    w_turn(w);
    struct batch *b = three(w);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    none.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int rc = batch_submit(b, w_done, w, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_not_equal(rc, 0);
    assert_int_equal(w->call_count, 0);
    assert_true(exec_entries_stopped(w->exec));
    for (size_t k = 0; k < 3; k++)
        assert_int_equal(batch_leg(b, k)->state, ORDER_NOT_SENT);
    batch_free(b);
    w_turn(w);
    assert_int_equal(w->done, 0);
    w_fini(w);
}

static void an_owner_who_leaves(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    w->keep_queued = true;
    struct batch *b = three(w);
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    w_send(w, 1); /* the others are queued */
    uint64_t first = batch_leg(b, 0)->order, second = batch_leg(b, 1)->order;
    batch_free(b);
    assert_int_equal(exec_in_flight(w->exec), 1);
    assert_int_equal(w_state(w, first), ORDER_NOT_SENT);
    assert_int_equal(w_state(w, second), ORDER_SENT);
    w_said(w, order_not_sent, "\"cancelled\"");
    assert_int_equal(w_events(w, batch_done), 0);
    w_turn(w);
    w_answer(w, 1, VERDICT_ACCEPTED, "W9", NULL);
    assert_int_equal(w_state(w, second), ORDER_ACCEPTED);
    assert_int_equal(w_events(w, batch_done), 1);
    w_said(w, batch_done, "\"not_sent\":2");
    w_turn(w);
    assert_int_equal(w->done, 0);
    w_fini(w);
}

static void not_sent_verdicts(void **state)
{
    struct world *w = *state;
    w_live(w, W_START);
    w->keep_queued = true;
    struct batch *b = w_batch(w, 2);
    w_answer(w, 0, VERDICT_NOT_SENT, NULL, "deadline");
    assert_int_equal(w_state(w, batch_leg(b, 0)->order), ORDER_NOT_SENT);
    w_said(w, order_not_sent, "\"deadline\"");
    w_send(w, 1); /* announced, and then not a byte left */
    w_answer(w, 1, VERDICT_NOT_SENT, NULL, "closed");
    assert_int_equal(w_state(w, batch_leg(b, 1)->order), ORDER_REJECTED);
    w_said(w, order_rejected, "\"not_sent\"");
    assert_null(stream_broken(w->stream));
    w->refuse = true; /* no session: known at once */
    struct leg_spec leg = w_leg(5);
    struct err e;
    struct batch *c = batch_new(w->exec, 1, SETTLE_ALL, 0, &e);
    assert_int_equal(batch_add(c, &leg, &e), 0);
    assert_int_equal(batch_submit(c, w_done, w, &e), 0);
    assert_int_equal(batch_leg(c, 0)->state, ORDER_NOT_SENT);
    assert_int_equal(w->done, 0);
    w_turn(w);
    assert_int_equal(w->done, 2);
    w->refuse = false;
    assert_false(ledger_entry_pending(w->ledger, 5, 0));
    batch_free(b);
    batch_free(c);
    w_fini(w);
}

static void free_it(void *arg, struct batch *b)
{
    ((struct world *)arg)->done++;
    batch_free(b);
}

static void freed_by_its_own_done(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    for (int k = 0; k < 3; k++) {
        struct batch *b = batch_new(w->exec, 7, SETTLE_FIRST, 0, &e);
        struct leg_spec leg = w_leg(k), slow = w_leg(k + 3);
        assert_int_equal(batch_add(b, &leg, &e), 0);
        assert_int_equal(batch_add(b, &slow, &e), 0);
        assert_int_equal(batch_submit(b, free_it, w, &e), 0);
        w_answer(w, (size_t)k * 2, VERDICT_ACCEPTED, "W1", NULL);
    }
    w_turn(w);
    assert_int_equal(w->done, 3);
    for (size_t k = 0; k < 3; k++) /* the slow legs are exec's own now */
        w_answer(w, k * 2 + 1, VERDICT_REJECTED, NULL, "rejected");
    assert_int_equal(w_events(w, batch_done), 3);
    w_turn(w);
    w_fini(w);
}

/* A venue that tells only the verdict. */
static void a_silent_venue(void **state)
{
    struct world *w = *state;
    w_live(w, W_START);
    w->silent = true;
    struct batch *b = w_batch(w, 3);
    w_answer(w, 0, VERDICT_ACCEPTED, "W1", NULL);
    w_answer(w, 1, VERDICT_UNKNOWN, NULL, "");
    w_answer(w, 2, VERDICT_REJECTED, NULL, "rejected");
    assert_int_equal(w_events(w, order_sent), 3);
    assert_null(stream_broken(w->stream));
    assert_int_equal(w_state(w, batch_leg(b, 2)->order), ORDER_REJECTED);
    batch_free(b);
    w_fini(w);
}

static void settle_first_and_deadline(void **state)
{
    struct world *w = *state;
    struct err e;
    w_live(w, W_START);
    struct batch *b = batch_new(w->exec, 7, SETTLE_FIRST, 0, &e);
    struct batch *c = batch_new(w->exec, 7, SETTLE_DEADLINE, 800, &e);
    for (int k = 0; k < 4; k++) {
        struct leg_spec leg = w_leg(k);
        assert_int_equal(batch_add(k < 2 ? b : c, &leg, &e), 0);
    }
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    assert_int_equal(batch_submit(c, w_done, w, &e), 0);
    w_answer(w, 0, VERDICT_REJECTED, NULL, "rejected");
    w_turn(w);
    assert_int_equal(w->done, 0);
    w_answer(w, 1, VERDICT_ACCEPTED, "W1", NULL);
    w_turn(w);
    assert_int_equal(w->done, 1);
    w_pass(w, 799);
    assert_int_equal(w->done, 1);
    w_pass(w, 2);
    assert_int_equal(w->done, 2);
    assert_int_equal(w_events(w, batch_done), 1);
    w_answer(w, 2, VERDICT_ACCEPTED, "W2", NULL);
    w_answer(w, 3, VERDICT_UNKNOWN, NULL, "cut");
    assert_int_equal(w_events(w, batch_done), 2);
    w_turn(w);
    assert_int_equal(w->done, 2); /* told once */
    batch_free(b);
    batch_free(c);
    w_fini(w);
}

static void granted_time_waits_for_done(void **state)
{
    struct world *w = *state;
    w_live(w, W_START);
    w_turn(w);
    assert_int_equal(w->loop.in_flight, 0);
    struct batch *b = w_batch(w, 1);
    w_answer(w, 0, VERDICT_REJECTED, NULL, "rejected");
    assert_int_equal(w->loop.in_flight, 1);
    w_turn(w);
    assert_int_equal(w->done, 1);
    assert_int_equal(w->loop.in_flight, 0);
    batch_free(b);
    w_fini(w);
}

/* What the budget refuses is no risk of ours: the leg got through everything else first. */
static void budget(void **state)
{
    struct world *w = *state;
    struct budget_wait wait;
    w->config.budget_requests = 10;
    w->config.budget_ms = 6000;
    w_live(w, W_START);
    while (exec_budget_take(w->exec, 0, BUDGET_LANE_OPEN, &wait))
        continue;
    struct leg_spec leg = w_leg(0), other = w_leg(1);
    assert_string_equal(verdict_of(w, &leg), "budget");
    assert_int_equal(w->risk_calls, 1);
    assert_null(verdict_of(w, &other)); /* each account has its own */
    w_pass(w, wait.ms);
    assert_null(verdict_of(w, &leg));
    w_fini(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(all_accepted),
        T(stop_and_target_carry_the_tag),
        T(each_rule_refuses),
        T(naked_orders_need_the_policys_word),
        T(no_risk_policy_no_orders),
        T(one_entry_for_account_and_symbol),
        T(risk_sees_the_legs_before),
        T(stopped_entries),
        T(bad_legs),
        T(a_refused_event_sends_nothing),
        T(a_refused_intent_refuses_its_leg),
        T(a_full_disk_sends_nothing),
        T(an_owner_who_leaves),
        T(not_sent_verdicts),
        T(freed_by_its_own_done),
        T(a_silent_venue),
        T(settle_first_and_deadline),
        T(granted_time_waits_for_done),
        T(budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
