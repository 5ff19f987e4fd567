/* SPDX-License-Identifier: MIT
 *
 * Writes that stay wanted until the broker shows their effect: a full close, a cancel.
 *
 * Each goes by the broker's id of what it is about, so a second one is refused by the broker and
 * repeating is harmless: at once after the first lost outcome, else with a back-off, one at a time,
 * and not while a list says that the thing is gone. When the journal is broken they still go out,
 * unwritten: they can only make the book smaller.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "exec/exec_internal.h"

static int64_t back_off_ms(const struct exec *x, unsigned fails)
{
    int64_t wait = x->c.close_retry_ms;
    for (unsigned k = 1; k < fails && wait < CLOSE_RETRY_MAX_MS; k++)
        wait *= 2;
    return wait < CLOSE_RETRY_MAX_MS ? wait : CLOSE_RETRY_MAX_MS;
}

static void repeat_later(struct exec *x, struct wish *w, int64_t at_least_ms)
{
    w->fails++;
    int64_t wait = back_off_ms(x, w->fails);
    if (at_least_ms > wait)
        wait = at_least_ms;
    w->retry_ns = exec_now(x) + wait * MS_NS;
}

void wish_begin(struct exec *x, struct wish *w, const char *reason)
{
    memset(w->reason, 0, sizeof w->reason);
    memcpy(w->reason, reason, strnlen(reason, sizeof w->reason - 1));
    w->wanted = true;
    w->fails = 0;
    w->retry_ns = exec_now(x);
}

bool wish_pending(const struct wish *w, bool missing)
{
    return w->wanted && w->call == NULL && !missing && w->retry_ns != 0;
}

bool wish_tended(const struct wish *w)
{
    return w->wanted && (w->retry_ns != 0 || w->call != NULL || w->answered_ns != 0);
}

bool wish_due(struct acct *a, struct wish *w, bool missing)
{
    struct exec *x = a->x;
    int64_t now = exec_now(x);
    if (!wish_pending(w, missing) || w->retry_ns > now)
        return false;
    if (w->no_session && !x->c.venue_ops->ready(x->c.venue, a->index)) {
        w->retry_ns = now + x->c.close_retry_ms * MS_NS;
        return false;
    }
    w->no_session = false;
    return true;
}

/* Closes never wait. A cancel does: what is left above its mark is the closes'. */
static bool in_budget(struct acct *a, struct wish *w, enum order_op op)
{
    struct exec *x = a->x;
    struct budget_wait wait;
    if (budget_take(a, MUTANT(lane_reserve) ? BUDGET_LANE_QUOTES : budget_lane_of(op), &wait))
        return true;
    if (wait.ms < x->c.close_retry_ms)
        wait.ms = x->c.close_retry_ms;
    if (wait.ms > CLOSE_RETRY_MAX_MS) /* of market time, too: looks again */
        wait.ms = CLOSE_RETRY_MAX_MS;
    w->retry_ns = exec_now(x) + wait.ms * MS_NS;
    return false;
}

void wish_send(struct acct *a, struct wish *w, struct order *o, const char *id)
{
    struct exec *x = a->x;
    struct err e;
    if (!in_budget(a, w, o->op))
        return;
    memcpy(o->reason, w->reason, sizeof o->reason);
    o->attempt = ++w->attempt;
    w->retry_ns = 0;
    w->answered_ns = 0;
    int rc = write_send(a, o, true, NULL, &w->call, &e);
    if (rc != 0 && stream_broken(x->c.stream) != NULL)
        rc = write_send(a, o, true, NULL, &w->call, &e); /* the journal broke just now */
    if (rc == 0)
        return;
    w->no_session = true;
    repeat_later(x, w, 0);
    log_write(x->c.log, LOG_WARN, "exec", "%s of %s was not queued: %s", order_op_name(o->op), id,
              e.message);
}

void wish_verdict(struct exec *x, struct wish *w, const struct verdict *v)
{
    if (MUTANT(close_repeated))
        return;
    switch (v->kind) {
    case VERDICT_ACCEPTED: /* repeated only when a list begun from now on still shows it */
        w->retry_ns = 0;
        w->answered_ns = exec_now(x);
        break;
    case VERDICT_UNKNOWN:
        if (w->fails == 0) {
            w->fails = 1;
            w->retry_ns = exec_now(x);
        } else {
            repeat_later(x, w, v->retry_after_ms);
        }
        break;
    case VERDICT_REJECTED:
    case VERDICT_NOT_SENT:
        repeat_later(x, w, v->retry_after_ms);
        break;
    }
}

void wish_still_there(struct exec *x, struct wish *w, int64_t begun_ns)
{
    if (MUTANT(close_repeated))
        return;
    if (!w->wanted || w->call != NULL || w->retry_ns != 0 || begun_ns < w->answered_ns)
        return;
    w->answered_ns = 0; /* accepted, and still there */
    w->fails++;
    w->retry_ns = exec_now(x) + x->c.close_retry_ms * MS_NS;
}

int write_send(struct acct *a, const struct order *o, bool urgent, const char *plan,
               struct call **out, struct err *e)
{
    struct exec *x = a->x;
    bool broken = stream_broken(x->c.stream) != NULL;
    struct call *c = malloc(sizeof *c);
    if (c == NULL)
        return err_set(e, ERR_NOMEM, "exec: out of memory for an order");
    call_init(c, x, o);
    c->intent_ns = exec_now(x);
    if (broken && (o->op == ORDER_CLOSE || o->op == ORDER_CANCEL)) {
        c->order.id += ++x->unwritten;
    } else {
        int rc = call_intent(c, plan, e);
        if (rc == 0 && !MUTANT(journal_before_send))
            rc = stream_commit(x->c.stream, e);
        if (rc != 0) {
            if (order_enters(o->op))
                exec_orun_remove(a, c->order.id);
            free(c);
            return rc;
        }
    }
    int rc = call_submit(c, CLOSE_DEADLINE_MS, urgent, e);
    if (rc != 0)
        free(c);
    else
        *out = c;
    return rc;
}
