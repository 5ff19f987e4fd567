/* SPDX-License-Identifier: MIT
 *
 * What tests of pending orders share: a world, a BUY LIMIT in it, and rounds of the three lists.
 */
#ifndef PERIGEE_TESTS_EXEC_PENDING_FIXTURE_H
#define PERIGEE_TESTS_EXEC_PENDING_FIXTURE_H

#include "exec_world.h"

/* What the newest write told its caller. */
static char told_text[64];
static enum order_state told_state;
static unsigned told;

static inline void on_told(void *arg, enum order_state state, const char *text)
{
    struct world *w = arg;
    assert_false(w->inside);
    told++;
    told_state = state;
    snprintf(told_text, sizeof told_text, "%s", text);
}

static inline int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w_init(w);
    w_live(w, W_START);
    w_quiet(w, 0);
    told = 0;
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    free(*state);
    return 0;
}

static inline struct leg_spec limit_leg(void)
{
    struct leg_spec leg = w_leg(0);
    leg.price = 495000;
    leg.stop = 485000;
    leg.target = 515000;
    return leg;
}

/* A BUY LIMIT on account 0 that ends so; returns its order. */
static inline uint64_t create(struct world *w, enum verdict_kind kind, const char *id)
{
    struct err e;
    struct leg_spec leg = limit_leg();
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_LIMIT, 7, on_told, w, &e), 0);
    uint64_t order = ledger_last_order(w->ledger);
    w_answer(w, w->call_count - 1, kind, id, kind == VERDICT_UNKNOWN ? "timeout" : NULL);
    w_pass(w, 1);
    return order;
}

/* The row that the broker shows of it while it rests. */
static inline struct seen_order resting(struct world *w, const char *id, uint64_t order)
{
    const struct order *o = ledger_order(w->ledger, order);
    return (struct seen_order){.id = id,
                               .symbol = "BTCUSD.",
                               .side = o->side,
                               .type = o->type,
                               .volume = o->volume,
                               .price = w_price(o->price),
                               .stop = w_price(o->stop),
                               .target = w_price(o->target),
                               .created_ms = clock_market_ms(&w->clock)};
}

static inline const struct pending *pend(struct world *w, const char *id)
{
    return ledger_pending(w->ledger, 0, id);
}

static inline const struct position *pos(struct world *w, const char *id)
{
    return ledger_position(w->ledger, 0, id);
}

/* Created, accepted as `id` and shown; *row what the broker shows. */
static inline uint64_t rests(struct world *w, const char *id, struct seen_order *row)
{
    uint64_t order = create(w, VERDICT_ACCEPTED, id);
    *row = resting(w, id, order);
    w_orders(w, 0, w_now(w), row, 1);
    assert_non_null(pend(w, id));
    return order;
}

/* One round of all three lists. */
static inline void round_of(struct world *w, const struct seen_order *o, size_t orders,
                            const struct seen_position *p, size_t positions,
                            const struct seen_close *c, size_t closes)
{
    w_orders(w, 0, w_now(w), o, orders);
    w_list(w, 0, w_now(w), p, positions);
    w_history(w, 0, w_now(w), c, closes);
    w_pass(w, 1);
}

#endif
