/* SPDX-License-Identifier: MIT
 *
 * Pending orders: the table of what rests at the brokers, and its reducers. A pending order is
 * known by account and broker id; it is created by an order of ours or by somebody else, and leaves
 * the table when the broker does not show it any more: triggered, cancelled by us, or by a hand.
 */
#include <stdlib.h>
#include <string.h>

#include "trade/ledger_impl.h"

static struct pending *pending_mut(const struct ledger *l, int account, const char *id)
{
    const struct ledger_account *a = ledger_account_mut(l, account);
    for (size_t k = 0; a != NULL && k < a->resting.count; k++) {
        struct pending *p = a->resting.at[k];
        if (strcmp(p->id, id) == 0)
            return p;
    }
    return NULL;
}

const struct pending *ledger_pending(const struct ledger *l, int account, const char *id)
{
    return pending_mut(l, account, id);
}

const struct pending *ledger_pending_next(const struct ledger *l, int account, size_t *cursor)
{
    const struct ledger_list *list = &l->resting;
    if (account >= 0) {
        const struct ledger_account *a = ledger_account_mut(l, account);
        if (a == NULL)
            return NULL;
        list = &a->resting;
    }
    return *cursor < list->count ? list->at[(*cursor)++] : NULL;
}

void ledger_resting_free(struct ledger *l)
{
    for (size_t k = 0; k < l->accounts.count; k++)
        free(((struct ledger_account *)l->accounts.at[k])->resting.at);
    for (size_t k = 0; k < l->resting.count; k++)
        free(l->resting.at[k]);
    free(l->resting.at);
}

static int read_seen(const struct ledger *l, const struct event *ev, struct pending *p,
                     struct err *e)
{
    char type[16] = "";
    int rc;
    if ((rc = ledger_take_account(l, ev, F_pending_seen_account, &p->account, e)) != 0 ||
        (rc = ledger_take(ev, F_pending_seen_pending, p->id, sizeof p->id, e)) != 0 ||
        (rc = ledger_take_instrument(l, ev, F_pending_seen_symbol, p->account, &p->instrument,
                                     e)) != 0 ||
        (rc = ledger_take_side(ev, F_pending_seen_side, &p->side, e)) != 0 ||
        (rc = ledger_take(ev, F_pending_seen_type, type, sizeof type, e)) != 0)
        return rc;
    if (p->id[0] == '\0')
        return ledger_wrong(ev, e, "no id of the pending order", "");
    const struct pending *old = ledger_pending(l, p->account, p->id);
    if (old != NULL && (old->order != 0 || event_u64(ev, F_pending_seen_order) == 0 ||
                        old->instrument != p->instrument))
        return ledger_wrong(ev, e, "a pending order is seen twice:", p->id);
    if (order_type_parse(type, &p->type) != 0 || p->type == ORDER_MARKET)
        return ledger_wrong(ev, e, "unknown order type", type);
    const struct instrument *i = ledger_instrument_at(l, p->instrument);
    if ((rc = ledger_take_points(ev, F_pending_seen_price, i, &p->price, e)) != 0 ||
        (rc = ledger_take_points(ev, F_pending_seen_stop, i, &p->stop, e)) != 0 ||
        (rc = ledger_take_points(ev, F_pending_seen_target, i, &p->target, e)) != 0)
        return rc;
    p->volume = event_dec(ev, F_pending_seen_volume);
    if (p->volume.v <= 0)
        return ledger_wrong(ev, e, "no volume in pending order", p->id);
    p->order = event_u64(ev, F_pending_seen_order);
    p->signal = event_u64(ev, F_pending_seen_signal);
    p->created_ms = event_i64(ev, F_pending_seen_created);
    p->ours = event_flag(ev, F_pending_seen_ours);
    return 0;
}

static void want_cancel(struct pending *p, const char reason[16])
{
    if (p->cancelling)
        return; /* the first reason stays */
    p->cancelling = true;
    memcpy(p->cancel_reason, reason, sizeof p->cancel_reason);
}

void ledger_resting_closing(struct ledger *l, const struct order *o)
{
    struct pending *p = o->op == ORDER_PENDING ? pending_mut(l, o->account, o->position) : NULL;
    if (p != NULL && p->order == o->id)
        want_cancel(p, o->reason);
}

/* A new one, or a hand's that is told again because it is an order's of ours. NULL: no memory. */
static struct pending *keep_pending(struct ledger *l, const struct pending *p)
{
    struct pending *kept = pending_mut(l, p->account, p->id);
    struct ledger_account *a = ledger_account_mut(l, p->account);
    if (kept == NULL) {
        if (ledger_list_reserve(&l->resting, 1) != 0 || ledger_list_reserve(&a->resting, 1) != 0 ||
            (kept = malloc(sizeof *kept)) == NULL)
            return NULL;
        l->resting.at[l->resting.count++] = kept;
        a->resting.at[a->resting.count++] = kept;
    }
    *kept = *p;
    return kept;
}

static int apply_seen(struct ledger *l, const struct event *ev, struct err *e)
{
    struct pending p = {0};
    int rc = read_seen(l, ev, &p, e);
    if (rc != 0)
        return rc;
    struct pending *kept = keep_pending(l, &p);
    if (kept == NULL || ledger_order_seen(l, p.order, p.account, p.id) != 0)
        return ledger_no_memory(ev, e);
    const struct order *o = p.order != 0 ? ledger_order(l, p.order) : NULL;
    if (o != NULL && o->closing)
        want_cancel(kept, o->reason);
    if (p.signal > l->last_signal)
        l->last_signal = p.signal;
    return 0;
}

static int take_pending(const struct ledger *l, const struct event *ev, unsigned account_field,
                        unsigned field, struct pending **p, struct err *e)
{
    int account;
    char id[32] = "";
    int rc = ledger_take_account(l, ev, account_field, &account, e);
    if (rc == 0)
        rc = ledger_take(ev, field, id, sizeof id, e);
    if (rc != 0)
        return rc;
    *p = pending_mut(l, account, id);
    return *p == NULL ? ledger_wrong(ev, e, "unknown pending order", id) : 0;
}

static int apply_changed(struct ledger *l, const struct event *ev, struct err *e)
{
    struct pending *p;
    int rc = take_pending(l, ev, F_pending_changed_account, F_pending_changed_pending, &p, e);
    if (rc != 0)
        return rc;
    const struct instrument *i = ledger_instrument_at(l, p->instrument);
    struct pending to = *p;
    if ((rc = ledger_take_points(ev, F_pending_changed_price, i, &to.price, e)) != 0 ||
        (rc = ledger_take_points(ev, F_pending_changed_stop, i, &to.stop, e)) != 0 ||
        (rc = ledger_take_points(ev, F_pending_changed_target, i, &to.target, e)) != 0)
        return rc;
    ledger_take_dec(ev, F_pending_changed_volume, &to.volume);
    if (to.volume.v <= 0)
        return ledger_wrong(ev, e, "no volume is left in pending order", p->id);
    *p = to;
    return 0;
}

static int apply_cancelling(struct ledger *l, const struct event *ev, struct err *e)
{
    struct pending *p;
    char reason[16] = "";
    int rc = take_pending(l, ev, F_pending_cancelling_account, F_pending_cancelling_pending, &p, e);
    if (rc == 0)
        rc = ledger_take(ev, F_pending_cancelling_reason, reason, sizeof reason, e);
    if (rc != 0)
        return rc;
    p->cancelling = true;
    memcpy(p->cancel_reason, reason, sizeof p->cancel_reason);
    return 0;
}

static int apply_gone(struct ledger *l, const struct event *ev, struct err *e)
{
    struct pending *p;
    int rc = take_pending(l, ev, F_pending_gone_account, F_pending_gone_pending, &p, e);
    if (rc != 0)
        return rc;
    struct order *o = p->order != 0 ? ledger_order_mut(l, p->order) : NULL;
    if (o != NULL && ledger_has(ev, F_pending_gone_position)) { /* what it has become */
        char position[32] = "";
        rc = ledger_take(ev, F_pending_gone_position, position, sizeof position, e);
        if (rc != 0)
            return rc;
        if (position[0] != '\0')
            memcpy(o->position, position, sizeof o->position);
    }
    ledger_list_remove(&l->resting, p);
    ledger_list_remove(&ledger_account_mut(l, p->account)->resting, p);
    free(p);
    return 0;
}

int ledger_apply_pending(struct ledger *l, const struct event *ev, struct err *e)
{
    switch (ev->kind) {
    case EVENT_KIND_pending_seen:
        return apply_seen(l, ev, e);
    case EVENT_KIND_pending_changed:
        return apply_changed(l, ev, e);
    case EVENT_KIND_pending_cancelling:
        return apply_cancelling(l, ev, e);
    default:
        return apply_gone(l, ev, e);
    }
}
