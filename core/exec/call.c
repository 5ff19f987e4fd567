/* SPDX-License-Identifier: MIT
 *
 * One write: its intent, its way through the venue, its verdict. The verdict becomes an event here,
 * for every kind of order; what follows from it is the business of close.c, batch.c and the lists.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "exec/exec_internal.h"

static void call_sending(struct venue_call *v);
static void call_done(struct venue_call *v, const struct verdict *verdict);

void call_init(struct call *c, struct exec *x, const struct order *o)
{
    memset(c, 0, sizeof *c);
    c->x = x;
    c->order = *o;
    c->v.order = &c->order;
    c->v.instrument = ledger_instrument_at(x->c.ledger, o->instrument);
    c->v.sending = call_sending;
    c->v.done = call_done;
    c->v.arg = c;
}

int call_intent(struct call *c, const char *plan, struct err *e)
{
    struct exec *x = c->x;
    c->intent_ns = exec_now(x);
    /* Its record comes first: an intent that is told must be followed. */
    struct acct *a = order_enters(c->order.op) ? exec_acct(x, c->order.account) : NULL;
    struct orun *r = a != NULL ? exec_orun_add(a, c->order.id) : NULL;
    if (order_enters(c->order.op) && r == NULL)
        return err_set(e, ERR_NOMEM, "exec: out of memory");
    if (r != NULL)
        r->intent_ns = c->intent_ns;
    int rc = emit_intent(x, &c->order, plan, e);
    if (rc == 0)
        c->order.intent_ms = ledger_order(x->c.ledger, c->order.id)->intent_ms;
    else if (r != NULL)
        exec_orun_remove(a, c->order.id);
    return rc;
}

static void link_call(struct call *c)
{
    struct exec *x = c->x;
    c->prev = NULL;
    c->next = x->calls;
    if (x->calls != NULL)
        x->calls->prev = c;
    x->calls = c;
    x->in_flight++;
}

static void unlink_call(struct call *c)
{
    struct exec *x = c->x;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        x->calls = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    c->next = c->prev = NULL;
    x->in_flight--;
}

/* Not a byte left, and none will: the end of an order that was never sent. */
static void not_sent(struct call *c, const char *cause)
{
    struct exec *x = c->x;
    struct acct *a = exec_acct(x, c->order.account);
    (void)emit_order_text(x, EVENT_KIND_order_not_sent, c->order.id, cause, NULL);
    c->order.state = ORDER_NOT_SENT;
    if (a != NULL && order_enters(c->order.op))
        exec_orun_remove(a, c->order.id);
}

int call_submit(struct call *c, int64_t deadline_ms, bool urgent, struct err *e)
{
    struct exec *x = c->x;
    struct err own;
    c->v.deadline_io_ns = exec_now(x) + deadline_ms * MS_NS;
    c->v.urgent = urgent;
    link_call(c);
    int rc = x->c.venue_ops->submit(x->c.venue, c->order.account, &c->v, &own);
    if (rc == 0)
        return 0;
    unlink_call(c);
    not_sent(c, own.message);
    if (e != NULL)
        *e = own;
    return rc;
}

bool call_withdraw(struct call *c, const char *cause)
{
    struct exec *x = c->x;
    if (c->sent_ns != 0 || !x->c.venue_ops->withdraw(x->c.venue, c->order.account, &c->v))
        return false;
    unlink_call(c);
    not_sent(c, cause);
    return true;
}

void call_forget(struct call *c, const char *cause)
{
    struct exec *x = c->x;
    if (x->c.venue_ops->prepare != NULL) /* forgets what was prepared */
        (void)x->c.venue_ops->withdraw(x->c.venue, c->order.account, &c->v);
    not_sent(c, cause);
}

static void call_sending(struct venue_call *v)
{
    struct call *c = v->arg;
    if (c->sent_ns != 0)
        return;
    c->sent_ns = exec_now(c->x);
    c->order.state = ORDER_SENT;
    struct event ev;
    event_init(&ev, EVENT_KIND_order_sent);
    event_set_u64(&ev, F_order_sent_order, c->order.id);
    event_set_i64(&ev, F_order_sent_queued_us, (c->sent_ns - c->intent_ns) / 1000);
    (void)emit(c->x, &ev, NULL);
    if (c->batch != NULL)
        batch_leg_sent(c->batch, c->leg);
}

static void emit_accepted(struct call *c, const struct verdict *v)
{
    struct event ev;
    int64_t us = v->sent_io_ns > 0 && v->done_io_ns > v->sent_io_ns
                     ? (v->done_io_ns - v->sent_io_ns) / 1000
                     : 0;
    event_init(&ev, EVENT_KIND_order_accepted);
    event_set_u64(&ev, F_order_accepted_order, c->order.id);
    event_set_strz(&ev, F_order_accepted_broker_id, v->broker_id);
    event_set_i64(&ev, F_order_accepted_latency_us, us);
    (void)emit(c->x, &ev, NULL);
    c->order.state = ORDER_ACCEPTED;
}

static void emit_rejected(struct call *c, const struct verdict *v)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_order_rejected);
    event_set_u64(&ev, F_order_rejected_order, c->order.id);
    event_set_strz(&ev, F_order_rejected_code, v->code);
    event_set_strz(&ev, F_order_rejected_reason, v->reason);
    event_set_i64(&ev, F_order_rejected_retry_after_ms, v->retry_after_ms);
    (void)emit(c->x, &ev, NULL);
    c->order.state = ORDER_REJECTED;
}

/* The verdict as an event. An order that was announced as sent and of which no byte left after all
 * was refused before execution: the machine has no way back from SENT. */
static void journal_verdict(struct call *c, struct verdict *v)
{
    if (v->kind == VERDICT_NOT_SENT && c->sent_ns != 0) {
        v->kind = VERDICT_REJECTED;
        if (v->reason[0] == '\0')
            snprintf(v->reason, sizeof v->reason, "no byte could be sent: %s", v->code);
        snprintf(v->code, sizeof v->code, "not_sent");
    }
    if (v->kind != VERDICT_NOT_SENT && c->sent_ns == 0)
        call_sending(&c->v);
    switch (v->kind) {
    case VERDICT_ACCEPTED:
        emit_accepted(c, v);
        return;
    case VERDICT_REJECTED:
        emit_rejected(c, v);
        return;
    case VERDICT_NOT_SENT:
        not_sent(c, v->code[0] != '\0' ? v->code : "venue");
        return;
    case VERDICT_UNKNOWN:
        break;
    }
    (void)emit_order_text(c->x, EVENT_KIND_order_unknown, c->order.id,
                          v->code[0] != '\0' ? v->code : "unreadable", NULL);
    c->order.state = ORDER_UNKNOWN;
}

/* The lists that show what became of it. */
static unsigned lists_of(enum order_op op)
{
    switch (op) {
    case ORDER_PENDING:
        return NEED_ORDERS | NEED_POSITIONS;
    case ORDER_PENDING_EDIT:
    case ORDER_CANCEL:
        return NEED_ORDERS;
    default:
        return NEED_POSITIONS;
    }
}

/* What lists have to settle from now on. */
static void follow(struct acct *a, const struct call *c)
{
    enum order_state state = c->order.state;
    bool enters = order_enters(c->order.op);
    struct orun *r;
    if (state == ORDER_UNKNOWN || (state == ORDER_ACCEPTED && enters)) {
        r = exec_orun_add(a, c->order.id);
        if (r != NULL)
            exec_orun_lost(a, r);
        else
            log_write(a->x->c.log, LOG_ERROR, "exec", "out of memory: order %llu is not followed",
                      (unsigned long long)c->order.id);
        exec_need_now(a, lists_of(c->order.op));
        return;
    }
    if (enters)
        exec_orun_remove(a, c->order.id);
    if (a->deferred || (state == ORDER_ACCEPTED && !enters))
        exec_need_now(a, lists_of(c->order.op) | (a->deferred ? NEED_POSITIONS : 0));
}

static void call_done(struct venue_call *v, const struct verdict *verdict)
{
    struct call *c = v->arg;
    struct exec *x = c->x;
    struct verdict own = *verdict;
    struct acct *a = exec_acct(x, c->order.account);
    bool enters = order_enters(c->order.op);
    unlink_call(c);
    if (MUTANT(reconcile_before_resend) && own.kind == VERDICT_UNKNOWN && enters &&
        c->order.attempt++ == 1 && call_submit(c, ENTRY_DEADLINE_MS, false, NULL) == 0)
        return;
    journal_verdict(c, &own);
    if (a != NULL) {
        if (own.kind == VERDICT_REJECTED && strcmp(own.code, "rate_limit") == 0)
            budget_rest(a, own.retry_after_ms);
        follow(a, c);
        if (settle_on_position(&c->order))
            close_verdict(a, c, &own);
        else if (c->order.op != ORDER_OPEN)
            pending_verdict(a, c, &own);
        exec_needs_changed(a);
    }
    if (c->batch != NULL) {
        batch_leg_done(c->batch, c->leg, c->order.state, &own);
        return;
    }
    if (c->told != NULL)
        c->told(c->told_arg, c->order.state,
                c->order.state == ORDER_ACCEPTED && enters ? own.broker_id : own.reason);
    free(c);
}
