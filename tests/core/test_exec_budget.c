/* SPDX-License-Identifier: MIT
 *
 * Request budgets: no window above the limit in any scope, closes that never wait, lanes that are
 * never starved by those below, scopes that rest, and a market clock that jumps.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "exec_world.h"

#define LIMIT 100
#define WINDOW_MS 6000

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w_init(w);
    w->config.budget_requests = LIMIT;
    w->config.budget_ms = WINDOW_MS;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static bool take(struct world *w, int account, enum budget_lane lane)
{
    return exec_budget_take(w->exec, account, lane, NULL);
}

static unsigned take_all(struct world *w, int account, enum budget_lane lane)
{
    unsigned n = 0;
    while (take(w, account, lane))
        n++;
    return n;
}

static void budget_set(struct world *w, int account, const struct budget_spec *specs, size_t n)
{
    struct err e;
    assert_int_equal(exec_budget_set(w->exec, account, specs, n, "http://a", "demo", &e), 0);
}

/* Each lane stops at its mark, whoever used what is below it; the words are the documented ones. */
static void lanes_stop_at_their_marks(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name;
        unsigned mark;
    } expected[] = {{"quotes", 60}, {"positions", 66}, {"balance", 70}, {"reconcile", 76},
                    {"edit", 80},   {"open", 88},      {"cancel", 90}};
    struct budget_wait wait;
    unsigned used = 0;
    w_live(w, W_START);
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        enum budget_lane lane = budget_lane_named(expected[k].name);
        assert_int_not_equal(lane, BUDGET_LANES);
        assert_string_equal(budget_lane_name(lane), expected[k].name);
        used += take_all(w, 0, lane);
        assert_int_equal(used, expected[k].mark);
    }
    for (int k = 0; k < 20; k++) { /* closes pass all marks, and the limit */
        assert_true(
            exec_budget_take(w->exec, 0, k % 2 ? BUDGET_LANE_CLOSE : BUDGET_LANE_SESSION, &wait));
        assert_int_equal(wait.ms, 0);
    }
    struct budget_use use[BUDGET_MOST];
    assert_int_equal(exec_budget_use(w->exec, 0, use), 1);
    assert_int_equal(use[0].used, 110);
    assert_int_equal(use[0].limit, LIMIT);
    assert_int_equal(use[0].scope, BUDGET_ACCOUNT);
    assert_in_range(use[0].wait_ms, 1, WINDOW_MS + 100);
    assert_false(
        exec_budget_take(w->exec, 0, BUDGET_LANE_CANCEL, &wait)); /* what closes used is used */
    assert_false(wait.io);
    w_pass(w, wait.ms - 1);
    assert_false(take(w, 0, BUDGET_LANE_CANCEL));
    w_pass(w, 1);
    assert_true(take(w, 0, BUDGET_LANE_CANCEL));
    assert_int_equal(budget_lane_named("closes"), BUDGET_LANES);
    assert_int_equal(budget_scope_named("adress"), BUDGET_SCOPES);
    w_fini(w);
}

static void writes_have_lanes(void **state)
{
    (void)state;
    assert_int_equal(budget_lane_of(ORDER_OPEN), BUDGET_LANE_OPEN);
    assert_int_equal(budget_lane_of(ORDER_CLOSE), BUDGET_LANE_CLOSE);
    assert_int_equal(budget_lane_of(ORDER_CLOSE_PARTIAL), BUDGET_LANE_CLOSE);
    assert_int_equal(budget_lane_of(ORDER_EDIT), BUDGET_LANE_EDIT);
}

/* A budget shared by an address counts all its accounts; an account of another address, none. A
 * request that one scope refuses is counted in none. */
static void scopes_are_shared(void **state)
{
    struct world *w = *state;
    const struct budget_spec both[] = {{.scope = BUDGET_ACCOUNT, .requests = 50},
                                       {.scope = BUDGET_ADDRESS}};
    struct budget_use use[BUDGET_MOST];
    struct err e;
    w_live(w, W_START);
    for (int k = 0; k < 3; k++)
        budget_set(w, k, both, 2);
    assert_int_equal(exec_budget_set(w->exec, 3, both, 2, "http://b", "demo", &e), 0);
    assert_int_equal(take_all(w, 0, BUDGET_LANE_OPEN), 44);
    assert_int_equal(take_all(w, 1, BUDGET_LANE_OPEN), 44); /* 88 of the address's 100 */
    assert_int_equal(take_all(w, 2, BUDGET_LANE_OPEN), 0);
    assert_int_equal(exec_budget_use(w->exec, 2, use), 2);
    assert_int_equal(use[0].used, 0);
    assert_int_equal(use[1].used, 88);
    assert_int_equal(use[1].scope, BUDGET_ADDRESS);
    assert_int_equal(take_all(w, 3, BUDGET_LANE_OPEN), 44);
    budget_set(w, 2, NULL, 0); /* back to its own */
    assert_int_equal(take_all(w, 2, BUDGET_LANE_OPEN), 88);
    w_fini(w);
}

static void wrong_specs_change_nothing(void **state)
{
    struct world *w = *state;
    const struct budget_spec twice[] = {{.scope = BUDGET_BROKER}, {.scope = BUDGET_BROKER}};
    const struct budget_spec unknown = {.scope = BUDGET_SCOPES};
    const struct budget_spec negative = {.scope = BUDGET_ACCOUNT, .window_ms = -1};
    struct budget_wait wait;
    struct budget_use use[BUDGET_MOST];
    struct err e;
    w_live(w, W_START);
    assert_int_equal(exec_budget_set(w->exec, 0, twice, 2, "a", "b", &e), ERR_INPUT);
    assert_int_equal(exec_budget_set(w->exec, 0, &unknown, 1, "a", "b", &e), ERR_INPUT);
    assert_int_equal(exec_budget_set(w->exec, 0, &negative, 1, "a", "b", &e), ERR_INPUT);
    assert_int_equal(exec_budget_set(w->exec, 99, NULL, 0, "a", "b", &e), ERR_NOTFOUND);
    assert_int_equal(exec_budget_use(w->exec, 0, use), 1);
    assert_int_equal(use[0].limit, LIMIT);
    assert_false(exec_budget_take(w->exec, 99, BUDGET_LANE_CLOSE, &wait));
    assert_true(wait.io && wait.ms > 0);
    assert_int_equal(exec_budget_use(w->exec, 99, use), 0);
    exec_budget_rest(w->exec, 99, 1000);
    w_fini(w);
}

/* A limit of a day beside that of a minute: both must have room. */
static void a_day_beside_a_minute(void **state)
{
    struct world *w = *state;
    const struct budget_spec both[] = {
        {.scope = BUDGET_ADDRESS},
        {.scope = BUDGET_ADDRESS, .day = true, .requests = 150, .window_ms = 86400000}};
    struct budget_use use[BUDGET_MOST];
    struct budget_wait wait;
    w_live(w, W_START);
    budget_set(w, 0, both, 2);
    budget_set(w, 1, both, 2);
    assert_int_equal(take_all(w, 0, BUDGET_LANE_OPEN), 88);
    w_pass(w, 2 * WINDOW_MS);
    assert_int_equal(take_all(w, 1, BUDGET_LANE_OPEN), 132 - 88);
    w_pass(w, 2 * WINDOW_MS);
    assert_false(exec_budget_take(w->exec, 0, BUDGET_LANE_OPEN, &wait));
    assert_in_range(wait.ms, 80000000, 90000000);
    assert_int_equal(exec_budget_use(w->exec, 0, use), 2);
    assert_true(!use[0].day && use[1].day);
    assert_int_equal(use[0].used, 0);
    assert_int_equal(use[1].used, 132);
    assert_true(take(w, 0, BUDGET_LANE_CLOSE));
    w_fini(w);
}

/* Other numbers for a budget that is in use: what was counted stays counted. */
static void numbers_change_counts_stay(void **state)
{
    struct world *w = *state;
    const struct budget_spec slow = {.requests = 80, .window_ms = 2 * WINDOW_MS};
    struct budget_use use[BUDGET_MOST];
    w_live(w, W_START);
    for (int k = 0; k < 40; k++)
        assert_true(take(w, 0, BUDGET_LANE_OPEN));
    budget_set(w, 0, &slow, 1);
    assert_int_equal(exec_budget_use(w->exec, 0, use), 1);
    assert_int_equal(use[0].used, 40);
    assert_int_equal(use[0].limit, 80);
    w_pass(w, WINDOW_MS + 1000); /* they count for the whole of the new window */
    assert_int_equal(take_all(w, 0, BUDGET_LANE_OPEN), 30);
    w_fini(w);
}

/* The broker's word: its scope rests, on the io clock, except for closes and sessions. */
static void a_scope_rests(void **state)
{
    struct world *w = *state;
    const struct budget_spec address = {.scope = BUDGET_ADDRESS};
    struct budget_wait wait;
    w_live(w, W_START);
    budget_set(w, 0, &address, 1);
    budget_set(w, 1, &address, 1);
    exec_budget_rest(w->exec, 0, 30000);
    exec_budget_rest(w->exec, 0, 10000); /* a shorter word does not shorten it */
    assert_false(exec_budget_take(w->exec, 1, BUDGET_LANE_CANCEL, &wait));
    assert_true(wait.io);
    assert_int_equal(wait.ms, 30000);
    assert_true(take(w, 1, BUDGET_LANE_CLOSE));
    assert_true(take(w, 1, BUDGET_LANE_SESSION));
    assert_true(take(w, 2, BUDGET_LANE_QUOTES)); /* another scope */
    loop_market_advance(&w->loop, clock_market_ms(&w->clock) + 60000);
    assert_false(take(w, 1, BUDGET_LANE_CANCEL)); /* market time does not help */
    loop_io_advance(&w->loop, clock_io_ns(&w->clock) + 29999 * W_MS);
    assert_false(take(w, 1, BUDGET_LANE_CANCEL));
    loop_io_advance(&w->loop, clock_io_ns(&w->clock) + W_MS);
    assert_true(take(w, 1, BUDGET_LANE_CANCEL));
    w_fini(w);
}

/* Without a time the pauses grow; several refusals of one moment are one; a quiet time forgets. */
static void rests_grow(void **state)
{
    struct world *w = *state;
    static const int64_t expected[] = {5000, 10000, 20000, 40000, 60000, 60000};
    struct budget_wait wait;
    w_live(w, W_START);
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        exec_budget_rest(w->exec, 0, 0);
        exec_budget_rest(w->exec, 0, 0);
        assert_false(exec_budget_take(w->exec, 0, BUDGET_LANE_OPEN, &wait));
        assert_int_equal(wait.ms, expected[k]);
        loop_io_advance(&w->loop, clock_io_ns(&w->clock) + wait.ms * W_MS);
        assert_true(take(w, 0, BUDGET_LANE_OPEN));
    }
    loop_io_advance(&w->loop, clock_io_ns(&w->clock) + 300001 * W_MS);
    exec_budget_rest(w->exec, 0, 0);
    assert_false(exec_budget_take(w->exec, 0, BUDGET_LANE_OPEN, &wait));
    assert_int_equal(wait.ms, 5000);
    w_fini(w);
}

/* A write that the broker refuses as one too many lets its scope rest. */
static void a_refused_write_rests(void **state)
{
    struct world *w = *state;
    struct budget_wait wait;
    w_live(w, W_START);
    struct batch *b = w_batch(w, 1);
    w_answer(w, 0, VERDICT_REJECTED, NULL, "rejected");
    assert_true(take(w, 0, BUDGET_LANE_OPEN));
    w_turn(w);
    batch_free(b);
    b = w_batch(w, 1);
    w_answer(w, 1, VERDICT_REJECTED, NULL, "rate_limit");
    assert_false(exec_budget_take(w->exec, 0, BUDGET_LANE_OPEN, &wait));
    assert_true(wait.io);
    assert_int_equal(wait.ms, 5000);
    w_turn(w);
    batch_free(b);
    w_fini(w);
}

/* The market's time is not known before the first feed: what was counted on another one is void. */
/* A cancel waits for its share and is counted; closes go beyond the limit and are counted, too. */
static void cancels_wait_for_their_share(void **state)
{
    struct world *w = *state;
    struct err e;
    struct seen_position row;
    w_live(w, W_START);
    w_open(w, "W1", &row);
    struct seen_order rests = {.id = "P1",
                               .symbol = "ETHUSD.",
                               .side = SIDE_BUY,
                               .type = ORDER_LIMIT,
                               .volume = w_dec("0.1"),
                               .price = w_price(490000),
                               .created_ms = W_START};
    w_orders(w, 0, w_now(w), &rests, 1);
    struct budget_use use[BUDGET_MOST];
    (void)take_all(w, 0, BUDGET_LANE_CANCEL);
    assert_int_equal(exec_cancel(w->exec, 0, "P1", "manual", &e), 0);
    w_pass(w, 100);
    assert_int_equal(w->call_count, 1); /* the entry */
    assert_int_equal(exec_budget_use(w->exec, 0, use), 1);
    assert_int_equal(use[0].used, 90);
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0.04"), "manual", &e), 0);
    w_answer(w, 1, VERDICT_REJECTED, NULL, "rejected");
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0"), "manual", &e), 0);
    assert_int_equal(w->call_count, 3);
    assert_int_equal(w->calls[2].order.op, ORDER_CLOSE);
    w_answer(w, 2, VERDICT_ACCEPTED, NULL, NULL);
    (void)exec_budget_use(w->exec, 0, use);
    assert_int_equal(use[0].used, 92);
    for (int k = 0; k < 10; k++)
        w_pass(w, WINDOW_MS / 5);
    assert_int_equal(w->call_count, 4); /* by itself, once there is room */
    assert_int_equal(w->calls[3].order.op, ORDER_CANCEL);
    (void)exec_budget_use(w->exec, 0, use);
    assert_int_equal(use[0].used, 1);
    exec_budget_rest(w->exec, 0, 4000); /* the broker's word holds for cancels, too */
    w_answer(w, 3, VERDICT_REJECTED, NULL, "rejected");
    w_pass(w, 3000);
    assert_int_equal(w->call_count, 4);
    w_pass(w, 2000);
    assert_int_equal(w->call_count, 5);
    w_answer(w, 4, VERDICT_ACCEPTED, NULL, NULL);
    w_fini(w);
}

static void another_market_time(void **state)
{
    struct world *w = *state;
    struct budget_wait wait;
    w_live(w, W_START);
    (void)take_all(w, 0, BUDGET_LANE_OPEN);
    clock_virtual(&w->clock, W_START - 86400000, (W_START - 86400000) * 1000);
    assert_true(take(w, 0, BUDGET_LANE_OPEN));
    while (exec_budget_take(w->exec, 0, BUDGET_LANE_OPEN, &wait))
        continue;
    assert_in_range(wait.ms, 1, WINDOW_MS + 200);
    w_fini(w);
}

/* ---- any sequence of requests ---- */

struct given {
    int64_t ms;
    int account;
    enum budget_lane lane;
};

struct random_run {
    struct given *given;
    size_t count;
};

/* Requests of the last window, up to the i-th: of all accounts, or of one; in lanes of these. */
static unsigned in_window(const struct random_run *r, size_t i, int account, enum budget_lane from,
                          enum budget_lane to)
{
    unsigned n = 0;
    for (size_t k = i + 1; k-- > 0 && r->given[k].ms > r->given[i].ms - WINDOW_MS;)
        n += (account < 0 || r->given[k].account == account) && r->given[k].lane >= from &&
             r->given[k].lane <= to;
    return n;
}

/* Closes of the last window stay within their tenth, so that the limit holds strictly. */
static bool may_close(const struct random_run *r, int account, int64_t now, unsigned most)
{
    unsigned n = 0;
    for (size_t k = r->count; k-- > 0 && r->given[k].ms > now - WINDOW_MS - 200;)
        n += (account < 0 || r->given[k].account == account) &&
             r->given[k].lane <= BUDGET_LANE_SESSION;
    return n < most;
}

static void request(struct world *w, struct random_run *r, int64_t ms, int account,
                    enum budget_lane lane)
{
    if (lane <= BUDGET_LANE_SESSION &&
        (!may_close(r, -1, ms, LIMIT / 10) || !may_close(r, account, ms, 4)))
        return;
    struct budget_wait wait;
    bool taken = exec_budget_take(w->exec, account, lane, &wait);
    assert_true(taken || lane > BUDGET_LANE_SESSION); /* closes never wait */
    assert_true(taken == (wait.ms == 0));
    if (taken) {
        r->given[r->count++] = (struct given){ms, account, lane};
        return;
    }
    /* A lane waits only when it and those above have used the share between its mark and the next
     * lower one's, in one of the two scopes. The sixty-first slice is the tolerance. */
    unsigned own_band = budget_mark(40, lane), all_band = budget_mark(LIMIT, lane);
    if (lane < BUDGET_LANE_QUOTES) {
        own_band -= budget_mark(40, lane + 1);
        all_band -= budget_mark(LIMIT, lane + 1);
    }
    unsigned own = 0, all = 0;
    for (size_t k = r->count; k-- > 0 && r->given[k].ms > ms - WINDOW_MS - 200;) {
        all += r->given[k].lane <= lane;
        own += r->given[k].lane <= lane && r->given[k].account == account;
    }
    assert_true(own >= own_band || all >= all_band);
}

static void random_requests(struct world *w, uint64_t seed)
{
    const struct budget_spec both[] = {{.scope = BUDGET_ACCOUNT, .requests = 40},
                                       {.scope = BUDGET_ADDRESS}};
    struct random_run r = {.given = calloc(200000, sizeof *r.given)};
    struct rng rng;
    rng_seed(&rng, seed);
    assert_non_null(r.given);
    w_live(w, W_START);
    for (int k = 0; k < 4; k++)
        budget_set(w, k, both, 2);
    int64_t ms = 0;
    while (ms < 60000) {
        int64_t lowest = rng_range(&rng, 0, BUDGET_LANE_QUOTES);
        for (int64_t n = rng_range(&rng, 0, 60); n > 0; n--)
            request(w, &r, ms, (int)rng_range(&rng, 0, 3),
                    (enum budget_lane)rng_range(&rng, lowest / 2, lowest));
        ms += rng_next(&rng) % 8 == 0 ? rng_range(&rng, 1, 5000) : rng_range(&rng, 1, 80);
        clock_market_set(&w->clock, W_START + ms);
    }
    assert_true(r.count > 500);
    for (size_t i = 0; i < r.count; i++) {
        assert_true(in_window(&r, i, -1, BUDGET_LANE_CLOSE, BUDGET_LANE_QUOTES) <= LIMIT);
        assert_true(in_window(&r, i, r.given[i].account, BUDGET_LANE_CLOSE, BUDGET_LANE_QUOTES) <=
                    40);
        for (enum budget_lane lane = BUDGET_LANE_CANCEL; lane <= BUDGET_LANE_QUOTES; lane++)
            assert_true(in_window(&r, i, -1, lane, BUDGET_LANE_QUOTES) <= budget_mark(LIMIT, lane));
    }
    free(r.given);
    w_die(w);
    w_remove(w);
}

static void no_window_above_the_limit(void **state)
{
    struct world *w = *state;
    w_remove(w);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        w_init(w);
        w->config.budget_requests = LIMIT;
        w->config.budget_ms = WINDOW_MS;
        random_requests(w, seed);
    }
}

/* A storm of closes: all pass, beyond the limit; nobody else gets what they used. */
static void closes_beyond_the_limit(void **state)
{
    struct world *w = *state;
    w_live(w, W_START);
    for (int k = 0; k < 3 * LIMIT; k++)
        assert_true(take(w, 0, BUDGET_LANE_CLOSE));
    for (int64_t ms = 0; ms < WINDOW_MS; ms += 500) {
        assert_false(take(w, 0, BUDGET_LANE_CANCEL));
        w_pass(w, 500);
    }
    w_pass(w, 200);
    assert_int_equal(take_all(w, 0, BUDGET_LANE_CANCEL), 90);
    w_fini(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(lanes_stop_at_their_marks),
                                       T(writes_have_lanes),
                                       T(scopes_are_shared),
                                       T(wrong_specs_change_nothing),
                                       T(a_day_beside_a_minute),
                                       T(numbers_change_counts_stay),
                                       T(a_scope_rests),
                                       T(rests_grow),
                                       T(a_refused_write_rests),
                                       T(cancels_wait_for_their_share),
                                       T(another_market_time),
                                       T(no_window_above_the_limit),
                                       T(closes_beyond_the_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
