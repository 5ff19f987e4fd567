/* SPDX-License-Identifier: MIT
 *
 * Writes to an open position: closes and edits.
 *
 * A full close stays wanted until the broker shows the position closed (wish.c). A partial close is
 * sent once and settled by lists; it is no lasting wish, so it leaves no position_closing behind.
 */
#include <stdlib.h>
#include <string.h>

#include "exec/exec_internal.h"

static void order_on(const struct exec *x, const struct position *p, enum order_op op,
                     struct order *o)
{
    memset(o, 0, sizeof *o);
    o->id = ledger_last_order(x->c.ledger) + 1;
    o->signal = p->signal;
    o->account = p->account;
    o->instrument = p->instrument;
    o->op = op;
    o->state = ORDER_INTENT;
    o->side = p->side;
    o->volume = p->volume;
    o->price = p->marked ? p->mark : p->price;
    o->tag = -1;
    o->attempt = 1;
    memcpy(o->position, p->id, sizeof o->position);
}

static void close_send(struct acct *a, struct prun *p)
{
    struct exec *x = a->x;
    const struct position *pos = ledger_position(x->c.ledger, a->index, p->id);
    if (pos == NULL)
        return;
    struct order o;
    order_on(x, pos, ORDER_CLOSE, &o);
    wish_send(a, &p->w, &o, p->id);
}

void close_tick(struct acct *a)
{
    for (size_t k = 0; k < a->position_count; k++) {
        struct prun *p = &a->positions_run[k];
        if (wish_due(a, &p->w, p->missing))
            close_send(a, p);
    }
}

int64_t close_next(const struct acct *a)
{
    int64_t next = INT64_MAX;
    for (size_t k = 0; k < a->position_count; k++) {
        const struct prun *p = &a->positions_run[k];
        if (wish_pending(&p->w, p->missing) && p->w.retry_ns < next)
            next = p->w.retry_ns;
    }
    return next;
}

void close_verdict(struct acct *a, struct call *c, const struct verdict *v)
{
    struct prun *p = exec_prun(a, c->order.position);
    if (c->order.op == ORDER_EDIT) {
        if (p != NULL)
            p->editing = false;
        return;
    }
    exec_need_now(a, NEED_POSITIONS);
    if (p == NULL || p->w.call != c) /* closed meanwhile */
        return;
    p->w.call = NULL;
    if (c->order.op == ORDER_CLOSE)
        wish_verdict(a->x, &p->w, v);
    else if (p->w.wanted) /* all of it was asked for while a part was on its way */
        p->w.retry_ns = exec_now(a->x);
    close_tick(a);
}

/* ---- asked for ---- */

static int find(struct exec *x, int account, const char *id, struct acct **a,
                const struct position **pos, struct prun **p, struct err *e)
{
    *a = exec_acct(x, account);
    *pos = *a != NULL && id != NULL ? ledger_position(x->c.ledger, account, id) : NULL;
    if (*pos == NULL)
        return err_set(e, ERR_NOTFOUND, "exec: account %d has no open position %s", account,
                       id != NULL ? id : "");
    *p = exec_prun(*a, id);
    if (*p == NULL)
        *p = exec_prun_add(*a, *pos, 0);
    return *p != NULL ? 0 : err_set(e, ERR_NOMEM, "exec: out of memory");
}

static int emit_closing(struct acct *a, const struct position *pos, const char *reason,
                        struct err *e)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_position_closing);
    event_set_strz(&ev, F_position_closing_account, exec_account(a->x, a->index)->id);
    event_set_strz(&ev, F_position_closing_position, pos->id);
    event_set_strz(&ev, F_position_closing_reason, reason);
    event_set_dec(&ev, F_position_closing_volume, decimal_raw(0));
    return emit(a->x, &ev, e);
}

/* The ledger has the wish already, by order_closing or batch_decided; position_closing tells it to
 * those who follow events. */
void close_follow(struct acct *a, const struct position *pos)
{
    struct prun *p = pos != NULL ? exec_prun(a, pos->id) : NULL;
    if (p != NULL && !pos->closing && wish_tended(&p->w)) /* it was somebody else's until now */
        (void)emit_closing(a, pos, p->w.reason, NULL);
    if (pos == NULL || !pos->closing || pos->closing_volume.v != 0)
        return;
    if (p == NULL)
        p = exec_prun_add(a, pos, 0);
    if (p == NULL) {
        log_write(a->x->c.log, LOG_ERROR, "exec", "out of memory: %s is closed at the next start",
                  pos->id);
        return;
    }
    if (wish_tended(&p->w))
        return;
    wish_begin(a->x, &p->w, pos->close_reason);
    (void)emit_closing(a, pos, p->w.reason, NULL);
    exec_arm(a);
}

static int close_all(struct acct *a, struct prun *p, const struct position *pos, const char *reason,
                     struct err *e)
{
    struct exec *x = a->x;
    if (wish_tended(&p->w))
        return 0;
    int rc = emit_closing(a, pos, reason, e);
    if (rc != 0 && stream_broken(x->c.stream) == NULL)
        return rc;
    wish_begin(x, &p->w, reason);
    close_tick(a);
    exec_arm(a);
    return 0;
}

static bool part_unsettled(const struct acct *a, const char *id)
{
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o != NULL && o->op == ORDER_CLOSE_PARTIAL && o->state == ORDER_UNKNOWN &&
            strcmp(o->position, id) == 0)
            return true;
    }
    return false;
}

static int close_part(struct acct *a, struct prun *p, const struct position *pos, decimal volume,
                      const char *reason, struct err *e)
{
    if (p->w.wanted || p->w.call != NULL || part_unsettled(a, p->id))
        return err_set(e, ERR_STATE, "exec: a close of position %s is not settled yet", p->id);
    if (!instrument_volume_ok(ledger_instrument_at(a->x->c.ledger, pos->instrument), volume))
        return err_set(e, ERR_INPUT, "exec: the volume to close of %s is no multiple of the step",
                       p->id);
    struct order o;
    order_on(a->x, pos, ORDER_CLOSE_PARTIAL, &o);
    o.volume = volume;
    memcpy(o.reason, reason, strlen(reason));
    (void)budget_take(a, BUDGET_LANE_CLOSE, NULL); /* always granted */
    return write_send(a, &o, true, NULL, &p->w.call, e);
}

int exec_close(struct exec *x, int account, const char *position, decimal volume,
               const char *reason, struct err *e)
{
    struct acct *a;
    const struct position *pos;
    struct prun *p;
    int rc = find(x, account, position, &a, &pos, &p, e);
    if (rc != 0)
        return rc;
    if (reason == NULL || reason[0] == '\0' || strlen(reason) >= sizeof p->w.reason)
        return err_set(e, ERR_INPUT, "exec: the reason of a close has 1 to %d characters",
                       (int)sizeof p->w.reason - 1);
    if (volume.v < 0 || volume.v > pos->volume.v)
        return err_set(e, ERR_INPUT, "exec: the volume to close is not within position %s",
                       position);
    if (volume.v == 0 || volume.v == pos->volume.v)
        return close_all(a, p, pos, reason, e);
    return close_part(a, p, pos, volume, reason, e);
}

int exec_edit(struct exec *x, int account, const char *position, int64_t stop, int64_t target,
              void (*done)(void *arg, enum order_state state, const char *reason), void *arg,
              struct err *e)
{
    struct acct *a;
    const struct position *pos;
    struct prun *p;
    int rc = find(x, account, position, &a, &pos, &p, e);
    if (rc != 0)
        return rc;
    if (stop < 0 || target < 0)
        return err_set(e, ERR_INPUT, "exec: stop and target are prices in points, 0 for none");
    if (pos->ours && stop == 0 && pos->stop != 0 && !x->c.allow_naked)
        return err_set(e, ERR_INPUT, "exec: an edit cannot take the stop loss from %s", position);
    if (p->editing)
        return err_set(e, ERR_STATE, "exec: an edit of position %s is in flight", position);
    if (!budget_take(a, BUDGET_LANE_EDIT, NULL))
        return err_set(e, ERR_LIMIT, "exec: the request budget of account %s is used up",
                       exec_account(x, account)->id);
    struct order o;
    struct call *c;
    order_on(x, pos, ORDER_EDIT, &o);
    o.stop = stop;
    o.target = target;
    rc = write_send(a, &o, false, NULL, &c, e);
    if (rc != 0)
        return rc;
    c->told = done;
    c->told_arg = arg;
    p->editing = true;
    return 0;
}
