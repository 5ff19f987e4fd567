/* SPDX-License-Identifier: MIT
 *
 * What has become of a pending order that the broker's list does not show any more: triggered, or
 * cancelled by us or by a hand. The lists are read in the order in which a thing moves through them
 * (orders, positions, history), so it is looked for in a list of positions and in a history that
 * were begun after it was missed. Only when neither has it, it was cancelled; twice over when no
 * cancel of ours was accepted, for no broker promises that one list changes with the other.
 *
 * The position is told before the end of the pending order: a crash between the two leaves both
 * known, and the next life finds the order triggered.
 */
#include <stdio.h>
#include <string.h>

#include "exec/exec_internal.h"

static const struct order *order_of(const struct acct *a, const struct pending *p)
{
    return p->order != 0 ? ledger_order(a->x->c.ledger, p->order) : NULL;
}

void resting_missing(struct acct *a, int64_t begun_ns)
{
    for (size_t k = 0; k < a->resting_count; k++) {
        struct drun *d = &a->resting[k];
        if (d->round == a->x->round || d->missing || begun_ns < d->as_of_ns)
            continue;
        d->missing = true;
        d->missing_ns = begun_ns;
        d->position_reads = d->closed_reads = 0;
        exec_need_now(a, NEED_POSITIONS);
    }
}

bool resting_open(const struct acct *a)
{
    for (size_t k = 0; k < a->resting_count; k++)
        if (a->resting[k].missing)
            return true;
    return false;
}

/* Did a cancel of ours do it? 2: one was accepted, 1: one may have, 0: no. */
static int cancelled(const struct acct *a, const char *id)
{
    int best = 0;
    size_t cursor = 0;
    const struct order *o;
    while ((o = ledger_order_next(a->x->c.ledger, &cursor)) != NULL) {
        if (o->op != ORDER_CANCEL || o->account != a->index || strcmp(o->position, id) != 0)
            continue;
        bool maybe =
            o->state == ORDER_SENT || o->state == ORDER_UNKNOWN || o->state == ORDER_ABSENT;
        if (o->state == ORDER_ACCEPTED)
            best = 2;
        else if (maybe && best == 0)
            best = 1;
    }
    return best;
}

/* The writes to this pending order whose outcome is open: it is gone, so they are settled. */
static int settle_writes_to(struct acct *a, const char *id, bool by_us, struct err *e)
{
    for (size_t k = 0; k < a->order_count;) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o == NULL || (o->op != ORDER_CANCEL && o->op != ORDER_PENDING_EDIT) ||
            o->state != ORDER_UNKNOWN || strcmp(o->position, id) != 0) {
            k++;
            continue;
        }
        int rc = o->op == ORDER_CANCEL && by_us ? emit_adopted(a->x, o->id, id, "closed", e)
                                                : emit_absent(a->x, o->id, a->orders[k].reads, e);
        if (rc != 0)
            return rc;
        exec_orun_remove(a, a->orders[k].id);
    }
    return 0;
}

static int tell_gone(struct acct *a, const char *drun, const char *reason, const char *position,
                     struct err *e)
{
    struct exec *x = a->x;
    struct drun d = *exec_drun(a, drun);
    const struct pending *p = ledger_pending(x->c.ledger, a->index, d.id);
    bool triggered = strcmp(reason, "triggered") == 0;
    int rc = settle_writes_to(a, d.id, strcmp(reason, "cancelled") == 0, e);
    if (rc == 0 && d.w.wanted && triggered)
        emit_notice(
            x, "warn",
            "account %s: the cancel of pending order %s came too late: it was triggered%s%s",
            exec_account(x, a->index)->id, d.id, position != NULL ? " and is position " : "",
            position != NULL ? position : "");
    if (rc == 0)
        rc = emit_pending_gone(x, p, reason, position, e);
    if (rc != 0)
        return rc;
    rows_gone_add(x, a->index, d.id, true);
    exec_drun_remove(a, d.id);
    return 0;
}

/* One pending order of ours against this list. *told: it has left the table. */
static int fill(struct acct *a, struct drun *d, int64_t begun_ns, enum list list, bool *told,
                struct err *e)
{
    struct exec *x = a->x;
    const struct pending *p = ledger_pending(x->c.ledger, a->index, d->id);
    const struct order *o = order_of(a, p);
    struct match m;
    if (o == NULL || o->triggered)
        return 0;
    rows_match_fill(a, d, &m);
    if (m.at < 0) {
        if (m.at == -1)
            m.count = 0;
        if (m.count == 0 && d->ambiguous && list == LIST_CLOSED)
            return 0;
        d->ambiguous = m.at == -2;
        return puzzle_tell(a, o, &d->candidates, &m, list, e);
    }
    if (settle_waits_for_rest(a, &x->rows[m.at], p->volume, &d->part_ns, d->missed_ns))
        return 0;
    char id[32] = "", position[32] = "";
    memcpy(id, d->id, sizeof id);
    memcpy(position, x->rows[m.at].id, strnlen(x->rows[m.at].id, sizeof position - 1));
    int rc = settle_take(a, o, &x->rows[m.at], m.by, begun_ns, e);
    if (rc == 0)
        rc = tell_gone(a, id, "triggered", position, e);
    *told = rc == 0;
    return rc;
}

int resting_fills(struct acct *a, int64_t begun_ns, bool history, struct err *e)
{
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < a->resting_count;) {
        bool told = false;
        if (!history || a->resting[k].missing)
            rc =
                fill(a, &a->resting[k], begun_ns, history ? LIST_CLOSED : LIST_POSITIONS, &told, e);
        k += !told;
    }
    return rc;
}

/* The position that a pending order has become, if the ledger has it. */
static const struct position *position_of(const struct acct *a, const struct pending *p)
{
    size_t cursor = 0;
    const struct position *pos = ledger_position(a->x->c.ledger, a->index, p->id);
    while (pos == NULL && p->order != 0 &&
           (pos = ledger_position_next(a->x->c.ledger, a->index, &cursor)) != NULL)
        if (pos->order == p->order)
            return pos;
        else
            pos = NULL;
    return pos;
}

static int conclude(struct acct *a, struct drun *d, int64_t begun_ns, bool history, bool *told,
                    struct err *e)
{
    const struct pending *p = ledger_pending(a->x->c.ledger, a->index, d->id);
    const struct position *pos = position_of(a, p);
    const struct order *o = order_of(a, p);
    *told = true;
    if (pos != NULL || (o != NULL && o->triggered)) {
        char position[32] = "";
        if (pos != NULL)
            memcpy(position, pos->id, sizeof position);
        return tell_gone(a, d->id, "triggered", pos != NULL ? position : NULL, e);
    }
    *told = false;
    if (begun_ns < d->missing_ns || d->ambiguous || d->missed_ns < d->part_ns)
        return 0;
    if (!history) {
        d->missed_ns = begun_ns;
        d->position_reads++;
        exec_need_now(a, NEED_CLOSED);
    } else if (d->position_reads > 0) {
        d->closed_reads++;
    }
    int by_us = cancelled(a, d->id);
    if (d->closed_reads == 0 || d->position_reads < (by_us == 2 || o == NULL ? 1u : 2u))
        return 0;
    *told = true;
    return tell_gone(a, d->id, by_us != 0 ? "cancelled" : "hand", NULL, e);
}

int resting_gone(struct acct *a, int64_t begun_ns, bool history, struct err *e)
{
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < a->resting_count;) {
        bool told = false;
        if (a->resting[k].missing)
            rc = conclude(a, &a->resting[k], begun_ns, history, &told, e);
        k += !told;
    }
    return rc;
}

bool resting_resembles(struct acct *a, const struct row *r)
{
    struct exec *x = a->x;
    for (size_t k = 0; k < a->resting_count; k++) {
        struct drun *d = &a->resting[k];
        const struct pending *p = ledger_pending(x->c.ledger, a->index, d->id);
        const struct order *o = order_of(a, p);
        if (o == NULL || o->triggered || p->instrument != r->instrument || p->side != r->side ||
            p->volume.v != r->volume.v || puzzle_denied(a, r->id, o->id))
            continue;
        if (d->missing)
            return true;
        const struct puzzle *z = puzzle_add(a, r->id, LIST_POSITIONS, r->instrument);
        if (z != NULL && d->as_of_ns > z->seen_ns)
            continue; /* it rested still when the position was there already */
        if (!a->orders_list.on)
            exec_need_now(a, NEED_ORDERS);
        return true;
    }
    return false;
}

const struct order *resting_late(const struct acct *a, const struct row *r)
{
    const struct ledger *l = a->x->c.ledger;
    size_t cursor = 0;
    const struct order *o;
    while ((o = ledger_order_next(l, &cursor)) != NULL) {
        if (o->op != ORDER_PENDING || o->account != a->index || o->state != ORDER_ACCEPTED ||
            !o->shown || o->triggered || ledger_pending(l, a->index, o->position) != NULL ||
            o->instrument != r->instrument || o->side != r->side)
            continue;
        if (strcmp(o->position, r->id) == 0 ||
            (o->tag >= 0 && r->stop_points == o->stop && r->target_points == o->target &&
             r->volume.v == o->volume.v && r->opened_ms >= o->intent_ms - MATCH_SLOW_MS))
            return o;
    }
    return NULL;
}

int resting_never_seen(struct acct *a, const struct order *o, struct err *e)
{
    struct exec *x = a->x;
    struct order own = *o; /* events move it */
    char id[32] = "";
    const struct instrument *i = ledger_instrument_at(x->c.ledger, own.instrument);
    memcpy(id, own.position, sizeof id);
    if (id[0] == '\0')
        snprintf(id, sizeof id, "order-%llu", (unsigned long long)own.id);
    struct row row = {.id = id,
                      .instrument = own.instrument,
                      .side = own.side,
                      .type = own.type,
                      .volume = own.volume,
                      .price = instrument_price(i, own.price),
                      .stop = instrument_price(i, own.stop),
                      .target = instrument_price(i, own.target),
                      .opened_ms = own.intent_ms};
    emit_notice(x, "warn",
                "account %s: the broker accepted pending order %llu and shows it nowhere; it is "
                "taken for cancelled",
                exec_account(x, a->index)->id, (unsigned long long)own.id);
    int rc = emit_pending_seen(x, a->index, &row, &own, e);
    if (rc == 0)
        rc = emit_pending_gone(x, ledger_pending(x->c.ledger, a->index, id), "hand", NULL, e);
    return rc;
}
