/* SPDX-License-Identifier: MIT
 *
 * A broker for tests that live whole lives: it executes what reaches the scripted venue, shows its
 * book in the three lists, and is held against the ledger in the end. It knows no order of ours:
 * `order` of a thing is the test's own note.
 */
#ifndef PERIGEE_TESTS_EXEC_BROKER_H
#define PERIGEE_TESTS_EXEC_BROKER_H

#include "exec_world.h"

#define THINGS 32
#define ACCOUNTS 2

/* A position or a pending order at the broker. */
struct thing {
    char id[16];
    int account;
    bool pending, open;
    bool doomed; /* it must not be open in the end, nor what an order that is `closing` became */
    enum side side;
    enum order_type type;
    decimal volume;
    int64_t price, stop, target, since_ms, closed_ms;
    uint64_t order;
};

struct broker {
    struct thing at[THINGS];
    size_t count;
    unsigned executed[THINGS]; /* entries, by order id */
};

/* What w->extra points to, first of all. */
struct stage {
    struct broker broker;
    bool lose;                     /* every third answer is lost */
    bool lose_all;                 /* each answer is */
    bool swallow;                  /* and nothing is executed */
    void (*note)(struct world *w); /* before and after each change; may be NULL */
};

static inline struct stage *stage_of(struct world *w)
{
    return w->extra;
}

static inline void b_note(struct world *w)
{
    if (stage_of(w)->note != NULL)
        stage_of(w)->note(w);
}

static inline struct thing *b_find(struct broker *b, int account, const char *id, bool pending)
{
    for (size_t k = 0; k < b->count; k++)
        if (b->at[k].account == account && b->at[k].pending == pending && b->at[k].open &&
            strcmp(b->at[k].id, id) == 0)
            return &b->at[k];
    return NULL;
}

static inline struct thing *b_add(struct world *w, int account, const struct order *o)
{
    struct broker *b = &stage_of(w)->broker;
    bool pending = o->op == ORDER_PENDING;
    assert_true(b->count < THINGS && o->id < THINGS);
    struct thing *t = &b->at[b->count];
    *t = (struct thing){.account = account,
                        .pending = pending,
                        .open = true,
                        .side = o->side,
                        .type = o->type,
                        .volume = o->volume,
                        .price = o->price,
                        .stop = o->stop,
                        .target = o->target,
                        .since_ms = clock_market_ms(&w->clock),
                        .order = o->id};
    snprintf(t->id, sizeof t->id, "%c%zu", pending ? 'P' : 'W', b->count++);
    b->executed[o->id]++;
    return t;
}

static inline void b_end(struct world *w, struct thing *t)
{
    t->open = false;
    t->closed_ms = clock_market_ms(&w->clock);
}

static inline enum verdict_kind b_execute(struct world *w, const struct w_call *call, char id[16])
{
    const struct order *o = &call->order;
    struct broker *b = &stage_of(w)->broker;
    struct thing *t;
    switch (o->op) {
    case ORDER_OPEN:
    case ORDER_PENDING:
        snprintf(id, 16, "%s", b_add(w, call->account, o)->id);
        return VERDICT_ACCEPTED;
    case ORDER_CLOSE:
    case ORDER_CANCEL:
        t = b_find(b, call->account, o->position, o->op == ORDER_CANCEL);
        if (t != NULL)
            b_end(w, t);
        return t != NULL ? VERDICT_ACCEPTED : VERDICT_REJECTED;
    case ORDER_PENDING_EDIT:
        t = b_find(b, call->account, o->position, true);
        if (t == NULL)
            return VERDICT_REJECTED;
        t->price = o->price;
        t->stop = o->stop;
        t->target = o->target;
        return VERDICT_ACCEPTED;
    default:
        fail_msg("an order that the scenario does not have");
        return VERDICT_REJECTED;
    }
}

static inline void b_serve(struct world *w)
{
    const struct stage *s = stage_of(w);
    for (size_t k = 0; k < w->call_count; k++) {
        char id[16] = "";
        enum verdict_kind kind = VERDICT_UNKNOWN;
        if (w->calls[k].call == NULL || !w->calls[k].sent)
            continue;
        b_note(w);
        if (!s->swallow)
            kind = b_execute(w, &w->calls[k], id);
        b_note(w);
        if (s->swallow || s->lose_all || (s->lose && k % 3 == 2))
            w_answer(w, k, VERDICT_UNKNOWN, NULL, "cut");
        else
            w_answer(w, k, kind, id, "rejected");
    }
}

/* The lists that are asked for, or all. */
static inline void b_read(struct world *w, int account, bool all)
{
    struct broker *b = &stage_of(w)->broker;
    struct seen_order orders[THINGS];
    struct seen_position open[THINGS];
    struct seen_close closed[THINGS];
    size_t n = 0, opens = 0, closes = 0;
    for (size_t k = 0; k < b->count; k++) {
        const struct thing *t = &b->at[k];
        struct seen_position row = {.id = t->id,
                                    .symbol = "BTCUSD.",
                                    .side = t->side,
                                    .volume = t->volume,
                                    .price = w_price(t->price),
                                    .stop = w_price(t->stop),
                                    .target = w_price(t->target),
                                    .opened_ms = t->since_ms};
        if (t->account != account || (t->pending && !t->open))
            continue;
        if (t->pending)
            orders[n++] = (struct seen_order){.id = t->id,
                                              .symbol = "BTCUSD.",
                                              .side = t->side,
                                              .type = t->type,
                                              .volume = t->volume,
                                              .price = w_price(t->price),
                                              .stop = w_price(t->stop),
                                              .target = w_price(t->target),
                                              .created_ms = t->since_ms};
        else if (t->open)
            open[opens++] = row;
        else
            closed[closes++] = w_closed(&row, t->id, 505000, t->closed_ms);
    }
    if (all || (w_needs(w, account) & NEED_ORDERS) != 0)
        w_orders(w, account, w_now(w), orders, n);
    if (all || (w_needs(w, account) & NEED_POSITIONS) != 0)
        w_list(w, account, w_now(w), open, opens);
    if (all || (w_needs(w, account) & NEED_CLOSED) != 0)
        w_history(w, account, w_now(w), closed, closes);
}

/* So many seconds. */
static inline void b_go_on(struct world *w, int rounds)
{
    for (int k = 0; k < rounds; k++) {
        w_turn(w);
        b_note(w);
        b_serve(w);
        for (int a = 0; a < ACCOUNTS; a++)
            b_read(w, a, false);
        b_note(w);
        w_pass(w, 1000);
        b_note(w);
    }
}

static inline const struct pending *b_pending(struct world *w, int account)
{
    size_t cursor = 0;
    return ledger_pending_next(w->ledger, account, &cursor);
}

/* The resting order of an account becomes a position, under an id of its own. */
static inline void b_trigger(struct world *w, int account)
{
    struct broker *b = &stage_of(w)->broker;
    const struct pending *p = b_pending(w, account);
    assert_non_null(p);
    struct thing *t = b_find(b, account, p->id, true);
    assert_non_null(t);
    b_note(w);
    b_end(w, t);
    struct thing *filled = &b->at[b->count];
    *filled = *t;
    filled->pending = false;
    filled->open = true;
    filled->since_ms = clock_market_ms(&w->clock);
    snprintf(filled->id, sizeof filled->id, "T%zu", b->count++);
    b_note(w);
}

static inline void b_check_orders(struct world *w, size_t at)
{
    const struct broker *b = &stage_of(w)->broker;
    size_t cursor = 0;
    const struct order *o;
    for (size_t k = 0; k < THINGS; k++)
        if (b->executed[k] > 1)
            fail_msg("cut at %zu: order %zu was executed twice", at, k);
    while ((o = ledger_order_next(w->ledger, &cursor)) != NULL) {
        if (!order_final(o->state))
            fail_msg("cut at %zu: order %llu is left %s", at, (unsigned long long)o->id,
                     order_state_name(o->state));
        if (order_enters(o->op) && (o->state == ORDER_ACCEPTED) != (b->executed[o->id] == 1))
            fail_msg("cut at %zu: order %llu is %s", at, (unsigned long long)o->id,
                     order_state_name(o->state));
    }
}

/* The ledger is the broker's book. at: for the message. */
static inline void b_check(struct world *w, size_t at)
{
    struct broker *b = &stage_of(w)->broker;
    size_t cursor = 0, held = 0, open = 0;
    b_check_orders(w, at);
    for (size_t k = 0; k < b->count; k++) {
        const struct thing *t = &b->at[k];
        const struct position *p = ledger_position(w->ledger, t->account, t->id);
        const struct pending *d = ledger_pending(w->ledger, t->account, t->id);
        if ((t->pending ? d != NULL : p != NULL) != t->open)
            fail_msg("cut at %zu: %s is %s at the broker only", at, t->id,
                     t->open ? "open" : "closed");
        if (!t->open)
            continue;
        open++;
        const struct order *o = ledger_order(w->ledger, t->order);
        if (t->doomed || (o != NULL && o->closing))
            fail_msg("cut at %zu: %s was to be closed and is open", at, t->id);
        if (t->pending ? !d->ours || d->order != t->order || d->cancelling
                       : !p->ours || p->order != t->order || p->closing)
            fail_msg("cut at %zu: %s is not known as what it is", at, t->id);
    }
    while (ledger_position_next(w->ledger, -1, &cursor) != NULL)
        held++;
    cursor = 0;
    while (ledger_pending_next(w->ledger, -1, &cursor) != NULL)
        held++;
    assert_int_equal(held, open);
    assert_int_equal(w->intents_missing, 0);
}

#endif
