/* SPDX-License-Identifier: MIT
 *
 * Out of memory: each allocation of a fan-out and of the lists after it fails in turn, once.
 * Nothing is forgotten by it: no order is left without an end, what the broker has is known in the
 * end, and the next order goes out.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "exec_pending_fixture.h"

#define LEGS 3

static size_t countdown; /* allocations until the one that fails; 0: none does */
static bool failed;

static bool fails(void)
{
    if (countdown == 0 || --countdown > 0)
        return false;
    failed = true;
    return true;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

static struct world *begin(size_t n)
{
    struct world *w = calloc(1, sizeof *w);
    w_init(w);
    w_live(w, W_START);
    for (int k = 0; k < LEGS; k++)
        w_quiet(w, k);
    w->skip_journal = true; /* reading it allocates, too */
    failed = false;
    countdown = n;
    return w;
}

/* Gives the memory back. The journal must work still: a reducer that fails breaks it, which stops
 * entries until a restart, and is tested elsewhere. */
static bool broke(struct world *w)
{
    countdown = 0;
    return stream_broken(w->stream) != NULL;
}

static void end(struct world *w)
{
    countdown = 0;
    w_fini(w);
    free(w);
}

static void no_order_is_left_open(struct world *w)
{
    size_t cursor = 0;
    const struct order *o;
    while ((o = ledger_order_next(w->ledger, &cursor)) != NULL)
        assert_true(order_final(o->state));
}

static void next_one_goes_out(struct world *w)
{
    exec_stop_entries(w->exec, false);
    size_t calls = w->call_count;
    struct batch *b = w_batch(w, LEGS);
    for (size_t k = 0; k < LEGS; k++)
        assert_false(batch_leg(b, k)->refused);
    assert_int_equal(w->call_count, calls + LEGS);
    for (size_t k = calls; k < w->call_count; k++)
        w_answer(w, k, VERDICT_REJECTED, NULL, "no");
    w_turn(w);
    batch_free(b);
    no_order_is_left_open(w);
}

static struct batch *fan_out(struct world *w, enum on_failure policy)
{
    struct err e;
    struct batch *b = batch_new(w->exec, 7, SETTLE_ALL, 0, &e);
    if (b != NULL && policy != FAIL_BEST_EFFORT &&
        batch_policy(b, NULL, policy, policy == FAIL_QUORUM ? 2 : 0, &e) != 0) {
        batch_free(b);
        return NULL;
    }
    for (int k = 0; b != NULL && k < LEGS; k++) {
        struct leg_spec leg = w_leg(k);
        if (batch_add(b, &leg, &e) != 0) {
            batch_free(b);
            return NULL;
        }
    }
    if (b != NULL && batch_submit(b, w_done, w, &e) != 0) {
        for (size_t k = 0; k < LEGS; k++)
            assert_int_not_equal(batch_leg(b, k)->state, ORDER_SENT);
        batch_free(b);
        return NULL;
    }
    return b;
}

/* Submitting fails whole or goes through whole; either way nothing hangs in the air. */
static void of_a_fan_out(void **state)
{
    (void)state;
    for (int policy = FAIL_BEST_EFFORT; policy <= FAIL_QUORUM; policy++) {
        unsigned broken = 0, whole = 0, none = 0;
        for (size_t n = 1;; n++) {
            struct world *w = begin(n);
            struct batch *b = fan_out(w, (enum on_failure)policy);
            bool lost = broke(w), over = !failed;
            broken += lost;
            none += b == NULL;
            whole += b != NULL;
            if (b == NULL && !lost)
                assert_int_equal(w->call_count, 0);
            for (size_t k = 0; k < w->call_count; k++)
                if (w->calls[k].call != NULL)
                    w_answer(w, k, VERDICT_REJECTED, NULL, "no");
            w_turn(w);
            batch_free(b);
            if (!lost) {
                no_order_is_left_open(w);
                next_one_goes_out(w);
            }
            end(w);
            if (over)
                break;
        }
        assert_true(whole > 0 && none > 0);
        assert_true(none > broken);
    }
}

/* What a list shows while there is no memory is shown by the next one, too. */
static void of_lists(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (size_t n = 1;; n++) {
        struct world *w = begin(0);
        struct err e;
        struct seen_order order;
        uint64_t pending = rests(w, "P1", &order); /* on account 0 */
        struct batch *b = w_batch(w, 2);
        uint64_t ids[2] = {batch_leg(b, 0)->order, batch_leg(b, 1)->order};
        w_answer(w, w->call_count - 2, VERDICT_ACCEPTED, "W1", NULL);
        w_answer(w, w->call_count - 1, VERDICT_UNKNOWN, NULL, "timeout");
        w_turn(w);
        batch_free(b);
        w_pass(w, 1);
        struct seen_position rows[3] = {w_row(w, "W1", ids[0]), w_row(w, "W2", ids[1]),
                                        w_row(w, "H1", ids[0])};
        rows[2].volume = w_dec("0.55");
        struct seen_position first[2] = {rows[0], rows[2]};
        order.price = w_price(494000); /* a hand has moved it */
        failed = false;
        countdown = n;
        (void)exec_observe_orders(w->exec, 0, w_now(w), &order, 1, &e);
        (void)exec_observe_positions(w->exec, 0, w_now(w), first, 2, &e);
        (void)exec_observe_positions(w->exec, 1, w_now(w), &rows[1], 1, &e);
        bool lost = broke(w), over = !failed;
        failures += failed && !lost;
        for (int k = 0; k < 2 && !lost; k++) {
            w_pass(w, 1);
            w_orders(w, 0, w_now(w), &order, 1);
            w_list(w, 0, w_now(w), first, 2);
            w_list(w, 1, w_now(w), &rows[1], 1);
        }
        if (!lost) {
            assert_int_equal(pos(w, "W1")->order, ids[0]);
            assert_false(pos(w, "H1")->ours);
            assert_int_equal(ledger_position(w->ledger, 1, "W2")->order, ids[1]);
            assert_int_equal(pend(w, "P1")->order, pending);
            assert_int_equal(pend(w, "P1")->price, 494000);
            assert_int_equal(w_events(w, position_opened), 3);
            assert_int_equal(w_events(w, pending_changed), 1);
            no_order_is_left_open(w);
        }
        end(w);
        if (over)
            break;
    }
    assert_true(failures > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_fan_out),
        cmocka_unit_test(of_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
