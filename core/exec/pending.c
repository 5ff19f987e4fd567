/* SPDX-License-Identifier: MIT
 *
 * Writes to pending orders. Creating one is an entry: risk, the intent before the first byte, sent
 * once, one in flight for each account and symbol; what was lost is settled by the lists of orders,
 * positions (it may have been triggered) and closings. An edit replaces everything and is settled
 * by the list of orders. A cancel stays wanted until that list does not show it any more (wish.c);
 * whether it came in time is found out there (resting.c).
 */
#include <stdio.h>
#include <string.h>

#include "exec/exec_internal.h"

static void order_on(const struct exec *x, const struct pending *p, enum order_op op,
                     struct order *o)
{
    memset(o, 0, sizeof *o);
    o->id = ledger_last_order(x->c.ledger) + 1;
    o->signal = p->signal;
    o->account = p->account;
    o->instrument = p->instrument;
    o->op = op;
    o->type = p->type;
    o->state = ORDER_INTENT;
    o->side = p->side;
    o->volume = p->volume;
    o->price = p->price;
    o->stop = p->stop;
    o->target = p->target;
    o->tag = -1;
    o->attempt = 1;
    memcpy(o->position, p->id, sizeof o->position);
}

void pending_tick(struct acct *a)
{
    for (size_t k = 0; k < a->resting_count; k++) {
        struct drun *d = &a->resting[k];
        const struct pending *p = ledger_pending(a->x->c.ledger, a->index, d->id);
        if (p == NULL || !wish_due(a, &d->w, d->missing))
            continue;
        struct order o;
        order_on(a->x, p, ORDER_CANCEL, &o);
        wish_send(a, &d->w, &o, d->id);
    }
}

int64_t pending_next(const struct acct *a)
{
    int64_t next = INT64_MAX;
    for (size_t k = 0; k < a->resting_count; k++) {
        const struct drun *d = &a->resting[k];
        if (wish_pending(&d->w, d->missing) && d->w.retry_ns < next)
            next = d->w.retry_ns;
    }
    return next;
}

void pending_verdict(struct acct *a, struct call *c, const struct verdict *v)
{
    struct drun *d = exec_drun(a, c->order.position);
    if (c->order.op == ORDER_PENDING)
        return;
    exec_need_now(a, NEED_ORDERS);
    if (d == NULL) /* gone meanwhile */
        return;
    if (c->order.op == ORDER_PENDING_EDIT) {
        d->editing = false;
        return;
    }
    if (d->w.call != c)
        return;
    d->w.call = NULL;
    wish_verdict(a->x, &d->w, v);
    pending_tick(a);
}

/* ---- asked for ---- */

static int check(struct exec *x, const struct leg_spec *leg, enum order_type type, struct err *e)
{
    const struct account *of = exec_account(x, leg->account);
    const struct instrument *i = ledger_instrument_at(x->c.ledger, leg->instrument);
    if (of == NULL || i == NULL || strcmp(of->broker, i->venue) != 0)
        return err_set(e, ERR_INPUT, "pending: account %d and instrument %d are of no one broker",
                       leg->account, leg->instrument);
    if (type != ORDER_LIMIT && type != ORDER_STOP)
        return err_set(e, ERR_INPUT, "pending: the type is LIMIT or STOP");
    if ((leg->side != SIDE_BUY && leg->side != SIDE_SELL) || leg->price <= 0 || leg->stop < 0 ||
        leg->target < 0 || leg->holding_ms < 0)
        return err_set(e, ERR_INPUT, "pending: side, price, stop or target is out of range");
    if (exec_entries_stopped(x))
        return err_set(e, ERR_STATE, "pending: no new entries are taken");
    return 0;
}

int exec_pending(struct exec *x, const struct leg_spec *leg, enum order_type type, uint64_t signal,
                 void (*done)(void *arg, enum order_state state, const char *text), void *arg,
                 struct err *e)
{
    int rc = check(x, leg, type, e);
    if (rc != 0)
        return rc;
    struct acct *a = exec_acct(x, leg->account);
    if (a == NULL)
        return err_set(e, ERR_NOMEM, "exec: out of memory");
    struct leg l = {.spec = *leg};
    if (!leg_passes(x, signal, a, &l))
        return err_set(e, ERR_LIMIT, "%s: %s", l.rule, l.reason);
    struct order o = {.id = ledger_last_order(x->c.ledger) + 1,
                      .signal = signal,
                      .account = leg->account,
                      .instrument = leg->instrument,
                      .op = ORDER_PENDING,
                      .type = type,
                      .state = ORDER_INTENT,
                      .side = leg->side,
                      .volume = leg->volume,
                      .price = leg->price,
                      .stop = leg->stop,
                      .target = leg->target,
                      .attempt = 1,
                      .plan_holding_ms = leg->holding_ms};
    o.tag = order_tag_apply(ledger_instrument_at(x->c.ledger, o.instrument), o.side, o.price, o.id,
                            &o.stop, &o.target);
    struct call *c;
    rc = write_send(a, &o, false, leg->plan, &c, e);
    if (rc != 0) {
        if (stream_broken(x->c.stream) != NULL)
            exec_stop_entries(x, true);
        return rc;
    }
    c->told = done;
    c->told_arg = arg;
    return 0;
}

static int find(struct exec *x, int account, const char *id, struct acct **a,
                const struct pending **p, struct drun **d, struct err *e)
{
    *a = exec_acct(x, account);
    *p = *a != NULL && id != NULL ? ledger_pending(x->c.ledger, account, id) : NULL;
    if (*p == NULL)
        return err_set(e, ERR_NOTFOUND, "exec: account %d has no pending order %s", account,
                       id != NULL ? id : "");
    *d = exec_drun(*a, id);
    if (*d == NULL)
        *d = exec_drun_add(*a, *p, 0);
    return *d != NULL ? 0 : err_set(e, ERR_NOMEM, "exec: out of memory");
}

int exec_pending_edit(struct exec *x, int account, const char *id, decimal volume, int64_t price,
                      int64_t stop, int64_t target,
                      void (*done)(void *arg, enum order_state state, const char *text), void *arg,
                      struct err *e)
{
    struct acct *a;
    const struct pending *p;
    struct drun *d;
    int rc = find(x, account, id, &a, &p, &d, e);
    if (rc != 0)
        return rc;
    if (price <= 0 || stop < 0 || target < 0)
        return err_set(e, ERR_INPUT, "exec: price, stop and target are in points, 0 for none");
    if (!instrument_volume_ok(ledger_instrument_at(x->c.ledger, p->instrument), volume))
        return err_set(e, ERR_INPUT, "exec: the volume of %s is no multiple of the step", id);
    if (volume.v > p->volume.v)
        return err_set(e, ERR_INPUT,
                       "exec: an edit cannot make %s larger: that would pass no risk; create "
                       "another one",
                       id);
    if (p->ours && stop == 0 && p->stop != 0 && !x->c.allow_naked)
        return err_set(e, ERR_INPUT, "exec: an edit cannot take the stop loss from %s", id);
    if (d->editing || d->w.wanted)
        return err_set(e, ERR_STATE, "exec: an edit or cancel of %s is in flight", id);
    if (!budget_take(a, BUDGET_LANE_EDIT, NULL))
        return err_set(e, ERR_LIMIT, "exec: the request budget of account %s is used up",
                       exec_account(x, account)->id);
    struct order o;
    struct call *c;
    order_on(x, p, ORDER_PENDING_EDIT, &o);
    o.volume = volume;
    o.price = price;
    o.stop = stop;
    o.target = target;
    rc = write_send(a, &o, false, NULL, &c, e);
    if (rc != 0)
        return rc;
    c->told = done;
    c->told_arg = arg;
    d->editing = true;
    return 0;
}

static int emit_cancelling(struct acct *a, const struct pending *p, const char *reason,
                           struct err *e)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_pending_cancelling);
    event_set_strz(&ev, F_pending_cancelling_account, exec_account(a->x, a->index)->id);
    event_set_strz(&ev, F_pending_cancelling_pending, p->id);
    event_set_strz(&ev, F_pending_cancelling_reason, reason);
    return emit(a->x, &ev, e);
}

/* The ledger has the wish already, from the order; pending_cancelling tells it to those who follow
 * events. */
void pending_follow(struct acct *a, const struct pending *p)
{
    struct drun *d = p != NULL ? exec_drun(a, p->id) : NULL;
    if (d != NULL && !p->cancelling && wish_tended(&d->w)) /* it was somebody else's until now */
        (void)emit_cancelling(a, p, d->w.reason, NULL);
    if (d == NULL || !p->cancelling || wish_tended(&d->w))
        return;
    wish_begin(a->x, &d->w, p->cancel_reason);
    (void)emit_cancelling(a, p, d->w.reason, NULL);
    exec_arm(a);
}

int exec_cancel(struct exec *x, int account, const char *id, const char *reason, struct err *e)
{
    struct acct *a;
    const struct pending *p;
    struct drun *d;
    int rc = find(x, account, id, &a, &p, &d, e);
    if (rc != 0)
        return rc;
    if (reason == NULL || reason[0] == '\0' || strlen(reason) >= sizeof d->w.reason)
        return err_set(e, ERR_INPUT, "exec: the reason of a cancel has 1 to %d characters",
                       (int)sizeof d->w.reason - 1);
    if (wish_tended(&d->w))
        return 0;
    rc = emit_cancelling(a, p, reason, e);
    if (rc != 0 && stream_broken(x->c.stream) == NULL)
        return rc;
    wish_begin(x, &d->w, reason);
    pending_tick(a);
    exec_arm(a);
    return 0;
}
