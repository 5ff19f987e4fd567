/* SPDX-License-Identifier: MIT
 *
 * Legs that stand or fall together: when a part is decided, and what unwinding does.
 *
 * Everything is judged by the ledger's counts, which are folded from the journal: the batch may be
 * gone, the process may be another one. batch_decided marks in one event all orders of the part, so
 * unwinding is a wanted close of each position that is there and of each that still turns up; from
 * there on the rules of closes hold (repeated until the broker shows it closed).
 *
 * The deadline of a quorum lives as long as its batch. A part without its batch is of a former life
 * or its batch has outlived the deadline: either way it has passed.
 */
#include <stdio.h>
#include <string.h>

#include "exec/exec_internal.h"

enum fate { FATE_OPEN, FATE_KEPT, FATE_UNWOUND };

static struct batch *batch_of(const struct exec *x, uint64_t id)
{
    for (struct batch *b = x->batches; b != NULL; b = b->next)
        if (b->submitted && b->id == id)
            return b;
    return NULL;
}

static enum fate judge(const struct exec *x, const struct batch_part *p)
{
    if (p->all) {
        if (p->failed > 0)
            return FATE_UNWOUND;
        return p->open == 0 ? FATE_KEPT : FATE_OPEN;
    }
    if (p->accepted >= p->quorum)
        return FATE_KEPT;
    const struct batch *b = batch_of(x, p->batch);
    if (p->accepted + p->open < p->quorum || b == NULL || b->late)
        return FATE_UNWOUND;
    return FATE_OPEN;
}

static bool within(const struct batch_part *p, uint64_t order)
{
    return p->first != 0 && order >= p->first && order <= p->last;
}

static int tell(struct exec *x, const struct batch_part *p, bool unwound, const char *reason)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_batch_decided);
    event_set_u64(&ev, F_batch_decided_batch, p->batch);
    event_set_u64(&ev, F_batch_decided_signal, p->signal);
    event_set_strz(&ev, F_batch_decided_group, p->group);
    event_set_strz(&ev, F_batch_decided_outcome, unwound ? "unwound" : "kept");
    event_set_strz(&ev, F_batch_decided_reason, reason);
    event_set_i64(&ev, F_batch_decided_accepted, p->accepted);
    event_set_i64(&ev, F_batch_decided_failed, p->failed);
    event_set_i64(&ev, F_batch_decided_open, p->open);
    event_set_u64(&ev, F_batch_decided_first, p->first);
    event_set_u64(&ev, F_batch_decided_last, p->last);
    return emit(x, &ev, NULL);
}

/* Legs that have not left yet must not any more. */
static void take_back(struct batch *b, const struct batch_part *p)
{
    for (size_t k = 0; b != NULL && k < b->count; k++) {
        struct leg *l = &b->legs[k];
        if (l->refused || l->state != ORDER_INTENT || !within(p, l->order))
            continue;
        if (l->queued_us < 0)
            call_forget(&b->calls[k], "unwind");
        else if (!call_withdraw(&b->calls[k], "unwind"))
            continue;
        batch_leg_dropped(b, k);
    }
}

/* written: the ledger has the wish. Else the journal is broken: what is open is closed all the
 * same, and the next start decides again from the same events. */
static void close_positions(struct exec *x, const struct batch_part *p, bool written)
{
    size_t cursor = 0;
    const struct position *pos;
    while ((pos = ledger_position_next(x->c.ledger, -1, &cursor)) != NULL) {
        struct acct *a = within(p, pos->order) ? exec_acct(x, pos->account) : NULL;
        if (a == NULL)
            continue;
        if (written)
            close_follow(a, pos);
        else
            (void)exec_close(x, pos->account, pos->id, decimal_raw(0), "unwind", NULL);
    }
}

static void words(const struct batch_part *p, enum fate fate, char *out, size_t size)
{
    unsigned legs = p->accepted + p->failed + p->open;
    if (fate == FATE_KEPT)
        snprintf(out, size, "%u of %u legs were accepted", p->accepted, legs);
    else if (p->all)
        snprintf(out, size, "%u of %u legs failed", p->failed, legs);
    else
        snprintf(out, size, "%u of %u legs were accepted in time, %u are needed", p->accepted, legs,
                 p->quorum);
}

/* false: it could not be written. */
static bool decide(struct exec *x, const struct batch_part *p, enum fate fate)
{
    char reason[120];
    struct batch *b = batch_of(x, p->batch);
    bool unwound = fate == FATE_UNWOUND;
    words(p, fate, reason, sizeof reason);
    bool written = tell(x, p, unwound, reason) == 0;
    if (b != NULL && !p->all && b->quorums > 0)
        b->quorums--;
    if (unwound) {
        take_back(b, p);
        close_positions(x, p, written);
        if (written && p->accepted + p->open > 0)
            emit_notice(x, "warn", "signal %llu: the legs of %s%s are closed again: %s",
                        (unsigned long long)p->signal, p->group[0] != '\0' ? "group " : "",
                        p->group[0] != '\0' ? p->group : "all accounts", reason);
    }
    if (b != NULL)
        batch_settled(b);
    return written;
}

void parts_check(struct exec *x)
{
    size_t cursor = 0;
    const struct batch_part *p;
    while ((p = ledger_part_next(x->c.ledger, &cursor)) != NULL) {
        enum fate fate = judge(x, p);
        if (fate == FATE_OPEN)
            continue;
        struct batch_part own = *p; /* the event ends it */
        if (!decide(x, &own, fate))
            return;
        cursor = 0;
    }
}

int exec_close_entry(struct exec *x, uint64_t order, const char *reason, struct err *e)
{
    const struct order *o = ledger_order(x->c.ledger, order);
    if (o == NULL || !order_enters(o->op))
        return err_set(e, ERR_NOTFOUND, "exec: order %llu is no entry", (unsigned long long)order);
    if (reason == NULL || reason[0] == '\0' || strlen(reason) >= sizeof o->reason)
        return err_set(e, ERR_INPUT, "exec: the reason of a close has 1 to %d characters",
                       (int)sizeof o->reason - 1);
    size_t cursor = 0;
    const struct position *pos;
    while ((pos = ledger_position_next(x->c.ledger, o->account, &cursor)) != NULL)
        if (pos->order == order)
            return exec_close(x, pos->account, pos->id, decimal_raw(0), reason, e);
    const struct pending *rests =
        o->op == ORDER_PENDING ? ledger_pending(x->c.ledger, o->account, o->position) : NULL;
    if ((o->shown && rests == NULL) || o->state == ORDER_REJECTED || o->state == ORDER_NOT_SENT)
        return err_set(e, ERR_NOTFOUND, "exec: nothing is open of order %llu",
                       (unsigned long long)order);
    /* With a broken journal nothing can be wanted of what is still to be shown, but what rests is
     * cancelled and what has not left is taken back all the same. */
    bool broken = stream_broken(x->c.stream) != NULL;
    int rc = o->closing && !broken ? 0 : emit_order_closing(x, o, reason, e);
    if (rc != 0 && stream_broken(x->c.stream) == NULL)
        return rc;
    if (rc == 0) /* nothing leaves that would commit it, and the wish is all that there is */
        rc = stream_commit(x->c.stream, e);
    if (rests != NULL) /* and what it becomes, should it be triggered first, is closed */
        return exec_cancel(x, rests->account, rests->id, reason, e);
    for (struct call *c = x->calls; c != NULL && o->state == ORDER_INTENT; c = c->next) {
        if (c->order.id != order || c->batch == NULL || !call_withdraw(c, reason))
            continue;
        batch_leg_dropped(c->batch, c->leg);
        batch_settled(c->batch);
        parts_check(x);
        return 0;
    }
    return rc;
}
