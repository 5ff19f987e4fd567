/* SPDX-License-Identifier: MIT
 *
 * Writes to an open position: closes and edits.
 *
 * A full close stays wanted until the broker shows the position closed. It goes by the position's
 * id, so a second one is refused by the broker and repeating is harmless: at once after the first
 * lost outcome, else with a back-off, one at a time, and not while a list says that the position is
 * gone. A partial close is sent once and settled by lists; it is no lasting wish, so it leaves no
 * position_closing behind. When the journal is broken full closes still go out, unwritten: they can
 * only make the book smaller.
 */
#include <stdlib.h>
#include <string.h>

#include "exec/exec_internal.h"

static int64_t back_off_ms(const struct exec *x, unsigned fails)
{
    int64_t wait = x->c.close_retry_ms;
    for (unsigned k = 1; k < fails && wait < CLOSE_RETRY_MAX_MS; k++)
        wait *= 2;
    return wait < CLOSE_RETRY_MAX_MS ? wait : CLOSE_RETRY_MAX_MS;
}

static void repeat_later(struct exec *x, struct prun *p, int64_t at_least_ms)
{
    p->fails++;
    int64_t wait = back_off_ms(x, p->fails);
    if (at_least_ms > wait)
        wait = at_least_ms;
    p->retry_ns = exec_now(x) + wait * MS_NS;
}

static bool due(const struct prun *p)
{
    return p->wanted && p->call == NULL && !p->missing && p->retry_ns != 0;
}

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

/* Writes the intent, commits, submits. *out is owned by the list of calls once 0 is returned. */
static int send_order(struct acct *a, const struct order *o, bool urgent, struct call **out,
                      struct err *e)
{
    struct exec *x = a->x;
    bool broken = stream_broken(x->c.stream) != NULL;
    struct call *c = malloc(sizeof *c);
    if (c == NULL)
        return err_set(e, ERR_NOMEM, "exec: out of memory for an order");
    call_init(c, x, o);
    c->intent_ns = exec_now(x);
    if (broken && o->op == ORDER_CLOSE) {
        c->order.id += ++x->unwritten;
    } else {
        int rc = call_intent(c, NULL, e);
        if (rc == 0)
            rc = stream_commit(x->c.stream, e);
        if (rc != 0) {
            free(c);
            return rc;
        }
    }
    if (urgent)
        (void)budget_take(a, true, NULL);
    int rc = call_submit(c, CLOSE_DEADLINE_MS, urgent, e);
    if (rc != 0)
        free(c);
    else
        *out = c;
    return rc;
}

static void close_send(struct acct *a, struct prun *p)
{
    struct exec *x = a->x;
    const struct position *pos = ledger_position(x->c.ledger, a->index, p->id);
    if (pos == NULL)
        return;
    struct order o;
    struct err e;
    order_on(x, pos, ORDER_CLOSE, &o);
    memcpy(o.reason, p->reason, sizeof o.reason);
    o.attempt = ++p->attempt;
    p->retry_ns = 0;
    p->answered_ns = 0;
    int rc = send_order(a, &o, true, &p->call, &e);
    if (rc != 0 && stream_broken(x->c.stream) != NULL)
        rc = send_order(a, &o, true, &p->call, &e); /* the journal broke just now */
    if (rc == 0)
        return;
    p->no_session = true;
    repeat_later(x, p, 0);
    log_write(x->c.log, LOG_WARN, "exec", "close of %s was not queued: %s", p->id, e.message);
}

void close_tick(struct acct *a)
{
    struct exec *x = a->x;
    int64_t now = exec_now(x);
    for (size_t k = 0; k < a->position_count; k++) {
        struct prun *p = &a->positions_run[k];
        if (!due(p) || p->retry_ns > now)
            continue;
        if (p->no_session && !x->c.venue_ops->ready(x->c.venue, a->index)) {
            p->retry_ns = now + x->c.close_retry_ms * MS_NS;
            continue;
        }
        p->no_session = false;
        close_send(a, p);
    }
}

int64_t close_next(const struct acct *a)
{
    int64_t next = INT64_MAX;
    for (size_t k = 0; k < a->position_count; k++)
        if (due(&a->positions_run[k]) && a->positions_run[k].retry_ns < next)
            next = a->positions_run[k].retry_ns;
    return next;
}

static void full_verdict(struct acct *a, struct prun *p, const struct verdict *v)
{
    struct exec *x = a->x;
    switch (v->kind) {
    case VERDICT_ACCEPTED: /* repeated only when a list begun from now on still shows it */
        p->retry_ns = 0;
        p->answered_ns = exec_now(x);
        break;
    case VERDICT_UNKNOWN:
        if (p->fails == 0) {
            p->fails = 1;
            p->retry_ns = exec_now(x);
        } else {
            repeat_later(x, p, v->retry_after_ms);
        }
        break;
    case VERDICT_REJECTED:
    case VERDICT_NOT_SENT:
        repeat_later(x, p, v->retry_after_ms);
        break;
    }
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
    if (p == NULL || p->call != c) /* closed meanwhile */
        return;
    p->call = NULL;
    if (c->order.op == ORDER_CLOSE)
        full_verdict(a, p, v);
    else if (p->wanted) /* all of it was asked for while a part was on its way */
        p->retry_ns = exec_now(a->x);
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

static int close_all(struct acct *a, struct prun *p, const struct position *pos, const char *reason,
                     struct err *e)
{
    struct exec *x = a->x;
    if (p->wanted)
        return 0;
    memset(p->reason, 0, sizeof p->reason);
    memcpy(p->reason, reason, strlen(reason));
    struct event ev;
    event_init(&ev, EVENT_KIND_position_closing);
    event_set_strz(&ev, F_position_closing_account, exec_account(x, a->index)->id);
    event_set_strz(&ev, F_position_closing_position, pos->id);
    event_set_strz(&ev, F_position_closing_reason, reason);
    event_set_dec(&ev, F_position_closing_volume, decimal_raw(0));
    int rc = emit(x, &ev, e);
    if (rc != 0 && stream_broken(x->c.stream) == NULL)
        return rc;
    p->wanted = true;
    p->fails = 0;
    p->retry_ns = exec_now(x);
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
    if (p->wanted || p->call != NULL || part_unsettled(a, p->id))
        return err_set(e, ERR_STATE, "exec: a close of position %s is not settled yet", p->id);
    if (!instrument_volume_ok(ledger_instrument_at(a->x->c.ledger, pos->instrument), volume))
        return err_set(e, ERR_INPUT, "exec: the volume to close of %s is no multiple of the step",
                       p->id);
    struct order o;
    order_on(a->x, pos, ORDER_CLOSE_PARTIAL, &o);
    o.volume = volume;
    memcpy(o.reason, reason, strlen(reason));
    return send_order(a, &o, true, &p->call, e);
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
    if (reason == NULL || reason[0] == '\0' || strlen(reason) >= sizeof p->reason)
        return err_set(e, ERR_INPUT, "exec: the reason of a close has 1 to %d characters",
                       (int)sizeof p->reason - 1);
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
    if (p->editing)
        return err_set(e, ERR_STATE, "exec: an edit of position %s is in flight", position);
    if (!budget_take(a, false, NULL))
        return err_set(e, ERR_LIMIT, "exec: the request budget of account %s is used up",
                       exec_account(x, account)->id);
    struct order o;
    struct call *c;
    order_on(x, pos, ORDER_EDIT, &o);
    o.stop = stop;
    o.target = target;
    rc = send_order(a, &o, false, &c, e);
    if (rc != 0)
        return rc;
    c->edited = done;
    c->edited_arg = arg;
    p->editing = true;
    return 0;
}
