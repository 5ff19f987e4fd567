/* SPDX-License-Identifier: MIT
 *
 * What the broker's lists say of orders whose outcome is open.
 *
 * An entry is looked for in the open positions first, then in the history (it may have been closed
 * meanwhile). Found: adopted. Absence is proven by no finite wait, so ABSENT needs enough lists of
 * positions and one of the history, all begun after the wait that the configuration asks for; an
 * ABSENT entry that turns up after all is adopted by its stop and target, and closed where that is
 * the policy. What cannot be told apart is the operator's to sort out (puzzle.c).
 */
#include <string.h>

#include "base/mutant.h"
#include "exec/exec_internal.h"

static void notice_unseen(struct acct *a, struct orun *r, const struct order *o)
{
    if (r->told || r->tries < READ_TRIES_NOTICE)
        return;
    r->told = true;
    emit_notice(a->x, "warn",
                "account %s: the broker accepted order %llu but lists no position for it, neither "
                "open nor closed; still asking",
                exec_account(a->x, a->index)->id, (unsigned long long)o->id);
}

/* Has another order been sent in its place, or is one about to leave? */
static bool stood_in_for(const struct exec *x, const struct order *o)
{
    size_t cursor = 0;
    const struct order *other;
    bool found = o->resent;
    while (!found && (other = ledger_entry_next(x->c.ledger, &cursor)) != NULL)
        found = other->replaces == o->id && other->state == ORDER_INTENT;
    return found;
}

/* An entry that was given up for absent is there after all. What is to be closed of it is written
 * before it is adopted: from then on nothing would tell it from an entry that came in time. */
static int late(struct acct *a, const struct order *o, const char *id, struct err *e)
{
    struct exec *x = a->x;
    bool stood_in = stood_in_for(x, o);
    bool close = o->closing || x->c.late_close || stood_in;
    emit_notice(x, "warn",
                "account %s: %s %llu was proven absent and turned up late as %s; it is %s",
                exec_account(x, a->index)->id, o->op == ORDER_PENDING ? "pending order" : "order",
                (unsigned long long)o->id, id,
                !close       ? "adopted"
                : o->closing ? "closed, as was wanted of it"
                : stood_in   ? "closed, because another order stands in for it"
                             : "closed, as configured");
    return close && !o->closing ? emit_order_closing(x, o, "late", e) : 0;
}

/* A list that shows less than was ordered shows what is left: the rest was closed before anybody
 * looked, and the history tells how. */
static decimal opened_volume(const struct exec *x, const struct order *o, const struct row *row)
{
    decimal shown = rows_volume(x, row);
    return row->closed == NULL && shown.v < o->volume.v ? o->volume : shown;
}

bool settle_waits_for_rest(struct acct *a, const struct row *row, decimal volume, int64_t *part_ns,
                           int64_t missed_ns)
{
    if (row->closed == NULL || rows_volume(a->x, row).v >= volume.v)
        return false;
    if (*part_ns == 0)
        *part_ns = exec_now(a->x);
    if (missed_ns >= *part_ns)
        return false;
    exec_need_now(a, NEED_POSITIONS | NEED_CLOSED);
    return true;
}

int settle_take(struct acct *a, const struct order *o, struct row *row, const char *by,
                int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    struct order own = *o; /* events move it */
    int rc = own.state == ORDER_ABSENT && row->closed == NULL ? late(a, &own, row->id, e) : 0;
    if (rc == 0)
        rc = own.state != ORDER_ACCEPTED ? emit_adopted(x, own.id, row->id, by, e)
                                         : puzzle_solved(a, &own, e);
    if (rc != 0)
        return rc;
    decimal volume = opened_volume(x, &own, row);
    rc = emit_opened(x, a->index, row, volume, &own, e);
    if (rc == 0)
        rc = emit_filled(x, own.id, volume, e);
    if (rc != 0)
        return rc;
    exec_orun_remove(a, own.id);
    row->known = true;
    struct prun *p = exec_prun_add(a, ledger_position(x->c.ledger, a->index, row->id), begun_ns);
    if (p == NULL)
        return err_set(e, ERR_NOMEM, "exec: out of memory");
    if (row->closed == NULL) {
        p->shown = row->volume;
        if (row->volume.v < volume.v) {
            p->missing_ns = begun_ns;
            exec_need_now(a, NEED_CLOSED);
        }
        close_follow(a, ledger_position(x->c.ledger, a->index, row->id));
        return 0;
    }
    p->missing = true;
    p->missing_ns = begun_ns;
    return closed_tell(a, p, begun_ns, e);
}

/* The list does not show it. */
static void count_miss(struct acct *a, struct orun *r, const struct order *o, int64_t begun_ns,
                       bool history)
{
    if (begun_ns < r->stamp_ns || o->state == ORDER_ABSENT)
        return;
    if (history) {
        r->closed_reads += o->state == ORDER_ACCEPTED || exec_may_prove_absence(a, r, begun_ns);
        return;
    }
    if (o->op == ORDER_PENDING) { /* where it would rest is another list */
        r->position_reads += exec_may_prove_absence(a, r, begun_ns) && !r->ambiguous;
        return;
    }
    r->tries++;
    if (!r->missed) {
        r->missed = true;
        exec_need_now(a, NEED_CLOSED);
    }
    if (exec_may_prove_absence(a, r, begun_ns) && !r->ambiguous)
        r->reads++;
    if (o->state == ORDER_ACCEPTED)
        notice_unseen(a, r, o);
}

static bool over(const struct order *o)
{
    return o == NULL || o->state == ORDER_REJECTED || o->state == ORDER_NOT_SENT ||
           (o->state == ORDER_ACCEPTED && (o->shown || !order_enters(o->op)));
}

/* Candidates of one list; those of another one stay until it is read again. */
static int settle_unsure(struct acct *a, struct orun *r, const struct order *o, struct match *m,
                         enum list list, struct err *e)
{
    if (m->at != -2) {
        m->count = 0;
        if (r->ambiguous && r->ambiguous_in != list)
            return 0;
    }
    r->ambiguous = m->at == -2;
    r->ambiguous_in = list;
    return puzzle_tell(a, o, &r->candidates, m, list, e);
}

static struct row row_of(const struct exec *x, const struct position *pos, char id[32])
{
    const struct instrument *i = ledger_instrument_at(x->c.ledger, pos->instrument);
    memcpy(id, pos->id, sizeof pos->id);
    return (struct row){.id = id,
                        .instrument = pos->instrument,
                        .side = pos->side,
                        .volume = pos->volume,
                        .price = instrument_price(i, pos->price),
                        .stop = instrument_price(i, pos->stop),
                        .target = instrument_price(i, pos->target),
                        .opened_ms = pos->opened_ms};
}

/* Its answer names a position that was told as a hand's before: it is told again, as this order's.
 */
static int settle_claim(struct acct *a, const struct order *o, const struct position *pos,
                        struct err *e)
{
    struct exec *x = a->x;
    struct order own = *o; /* events move it */
    char id[32];
    struct row row = row_of(x, pos, id);
    int rc = puzzle_solved(a, &own, e);
    if (rc == 0)
        rc = emit_opened(x, a->index, &row, row.volume, &own, e);
    if (rc == 0)
        rc = emit_filled(x, own.id, row.volume, e);
    if (rc != 0)
        return rc;
    exec_orun_remove(a, own.id);
    close_follow(a, ledger_position(x->c.ledger, a->index, id));
    return 0;
}

static const struct position *claimed_by(const struct acct *a, const struct order *o)
{
    const struct position *pos = o->state == ORDER_ACCEPTED && !o->shown && o->position[0] != '\0'
                                     ? ledger_position(a->x->c.ledger, a->index, o->position)
                                     : NULL;
    return pos != NULL && pos->order == 0 ? pos : NULL;
}

int settle_entries(struct acct *a, int64_t begun_ns, bool history, struct err *e)
{
    struct exec *x = a->x;
    for (size_t k = 0; k < a->order_count;) {
        struct orun *r = &a->orders[k];
        const struct order *o = ledger_order(x->c.ledger, r->id);
        if (over(o)) {
            exec_orun_remove(a, r->id);
            continue;
        }
        k++;
        if (!order_enters(o->op) || o->state == ORDER_INTENT || o->state == ORDER_SENT ||
            begun_ns < r->intent_ns || (history && !r->missed && o->state != ORDER_ABSENT))
            continue;
        const struct position *hands = claimed_by(a, o);
        if (hands != NULL) {
            int rc = settle_claim(a, o, hands, e);
            if (rc != 0)
                return rc;
            k--; /* its run-time record is gone */
            continue;
        }
        struct match m;
        rows_match(a, r, o, begun_ns, &m);
        if (!history && m.at == -1)
            r->missed_ns = begun_ns;
        if (m.at >= 0 &&
            settle_waits_for_rest(a, &x->rows[m.at], o->volume, &r->part_ns, r->missed_ns))
            continue;
        if (m.at >= 0) {
            int rc = settle_take(a, o, &x->rows[m.at], m.by, begun_ns, e);
            if (rc != 0)
                return rc;
            k--; /* its run-time record is gone */
            continue;
        }
        int rc = settle_unsure(a, r, o, &m, history ? LIST_CLOSED : LIST_POSITIONS, e);
        if (rc != 0)
            return rc;
        count_miss(a, r, o, begun_ns, history);
    }
    return 0;
}

bool settle_on_position(const struct order *o)
{
    return o->op == ORDER_CLOSE || o->op == ORDER_CLOSE_PARTIAL || o->op == ORDER_EDIT;
}

/* Unknown closes and edits of a position that this list shows. */
static int settle_write(struct acct *a, struct orun *r, const struct order *o, const struct prun *p,
                        int64_t begun_ns, bool *settled, struct err *e)
{
    struct exec *x = a->x;
    const struct position *pos = ledger_position(x->c.ledger, a->index, o->position);
    *settled = true;
    if (o->op == ORDER_CLOSE) /* a list begun after it still shows the position */
        return emit_absent(x, o->id, 1, e);
    if (o->op == ORDER_EDIT && pos->stop == o->stop && pos->target == o->target)
        return emit_adopted(x, o->id, o->position, "stops", e);
    *settled = false;
    if (o->op == ORDER_CLOSE_PARTIAL && p->shown.v < pos->volume.v)
        return 0; /* the history will tell */
    if (exec_may_prove_absence(a, r, begun_ns)) {
        r->reads++;
        r->closed_reads = 1; /* the position itself is the proof */
    }
    return 0;
}

int settle_writes(struct acct *a, int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    for (size_t k = 0; k < a->order_count;) {
        struct orun *r = &a->orders[k];
        const struct order *o = ledger_order(x->c.ledger, r->id);
        k++;
        if (o == NULL || !settle_on_position(o) || o->state != ORDER_UNKNOWN ||
            begun_ns < r->stamp_ns)
            continue;
        bool settled = false;
        int rc = 0;
        const struct prun *p = exec_prun(a, o->position);
        if (p == NULL) { /* closed meanwhile: nothing can show it any more */
            settled = true;
            rc = o->op == ORDER_CLOSE ? emit_adopted(x, o->id, o->position, "closed", e)
                                      : emit_absent(x, o->id, r->reads, e);
        } else if (p->round == x->round && p->as_of_ns == begun_ns) {
            rc = settle_write(a, r, o, p, begun_ns, &settled, e);
        }
        if (rc != 0)
            return rc;
        if (settled) {
            exec_orun_remove(a, o->id);
            k--;
        }
    }
    return 0;
}

int settle_absent(struct acct *a, struct err *e)
{
    struct exec *x = a->x;
    size_t absent = 0;
    for (size_t k = a->order_count; k-- > 0;) {
        struct orun *r = &a->orders[k];
        const struct order *o = ledger_order(x->c.ledger, r->id);
        if (o == NULL)
            continue;
        bool proven = MUTANT(absent_reads) ? r->tries >= 1
                                           : !r->ambiguous && r->reads >= x->c.absent_reads &&
                                                 r->closed_reads >= 1 &&
                                                 (o->op != ORDER_PENDING || r->position_reads >= 1);
        if (proven && o->op == ORDER_PENDING && o->state == ORDER_ACCEPTED && !o->shown) {
            int rc = resting_never_seen(a, o, e);
            if (rc != 0)
                return rc;
            exec_orun_remove(a, r->id);
            continue;
        }
        if (o->state == ORDER_UNKNOWN && proven) {
            int rc = emit_absent(x, r->id, r->reads, e);
            if (rc != 0)
                return rc;
            if (!order_enters(o->op)) {
                exec_orun_remove(a, r->id);
                continue;
            }
        }
        if (o->state == ORDER_ABSENT && ++absent > ABSENT_KEPT)
            exec_orun_remove(a, r->id);
    }
    return 0;
}

const struct order *exec_absent_next(const struct exec *x, struct exec_cursor *cursor)
{
    for (; cursor->account < x->account_count; cursor->account++, cursor->at = 0) {
        const struct acct *a = x->accounts[cursor->account];
        while (a != NULL && cursor->at < a->order_count) {
            const struct order *o = ledger_order(x->c.ledger, a->orders[cursor->at++].id);
            if (o != NULL && o->state == ORDER_ABSENT && order_enters(o->op))
                return o;
        }
    }
    return NULL;
}

bool settle_open(const struct acct *a, bool history)
{
    const struct exec *x = a->x;
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(x->c.ledger, a->orders[k].id);
        if (o == NULL || !(o->state == ORDER_UNKNOWN ||
                           (order_enters(o->op) && o->state == ORDER_ACCEPTED && !o->shown)))
            continue;
        bool there = order_enters(o->op) || settle_on_position(o);
        if (history ? order_enters(o->op) && a->orders[k].missed : there)
            return true;
    }
    for (size_t k = 0; history && k < a->position_count; k++) {
        const struct prun *p = &a->positions_run[k];
        const struct position *pos = ledger_position(x->c.ledger, a->index, p->id);
        if (pos != NULL && (p->missing || p->shown.v < pos->volume.v))
            return true;
    }
    return false;
}

/* ---- pending orders: rows are those of active orders ---- */

static int take_order(struct acct *a, const struct order *o, struct row *row, const char *by,
                      int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    struct order own = *o; /* events move it */
    int rc = own.state == ORDER_ABSENT ? late(a, &own, row->id, e) : 0;
    if (rc == 0)
        rc = own.state != ORDER_ACCEPTED ? emit_adopted(x, own.id, row->id, by, e)
                                         : puzzle_solved(a, &own, e);
    if (rc == 0)
        rc = emit_pending_seen(x, a->index, row, &own, e);
    if (rc != 0)
        return rc;
    exec_orun_remove(a, own.id);
    row->known = true;
    const struct pending *p = ledger_pending(x->c.ledger, a->index, row->id);
    struct drun *d = exec_drun_add(a, p, begun_ns);
    if (d == NULL)
        return err_set(e, ERR_NOMEM, "exec: out of memory");
    d->round = x->round;
    pending_follow(a, p);
    return 0;
}

/* Like settle_claim, of one that rests. */
static int claim_resting(struct acct *a, const struct order *o, const struct pending *p,
                         struct err *e)
{
    struct exec *x = a->x;
    const struct instrument *i = ledger_instrument_at(x->c.ledger, p->instrument);
    struct order own = *o; /* events move it */
    char id[32];
    memcpy(id, p->id, sizeof id);
    struct row row = {.id = id,
                      .instrument = p->instrument,
                      .side = p->side,
                      .type = p->type,
                      .volume = p->volume,
                      .price = instrument_price(i, p->price),
                      .stop = instrument_price(i, p->stop),
                      .target = instrument_price(i, p->target),
                      .opened_ms = p->created_ms};
    int rc = puzzle_solved(a, &own, e);
    if (rc == 0)
        rc = emit_pending_seen(x, a->index, &row, &own, e);
    if (rc != 0)
        return rc;
    exec_orun_remove(a, own.id);
    pending_follow(a, ledger_pending(x->c.ledger, a->index, id));
    return 0;
}

static const struct pending *resting_claimed_by(const struct acct *a, const struct order *o)
{
    const struct pending *p = o->state == ORDER_ACCEPTED && o->position[0] != '\0'
                                  ? ledger_pending(a->x->c.ledger, a->index, o->position)
                                  : NULL;
    return p != NULL && p->order == 0 ? p : NULL;
}

static void order_missed(struct acct *a, struct orun *r, const struct order *o, int64_t begun_ns)
{
    if (begun_ns < r->stamp_ns || o->state == ORDER_ABSENT)
        return;
    r->tries++;
    if (!r->missed) { /* it may have been triggered */
        r->missed = true;
        exec_need_now(a, NEED_POSITIONS | NEED_CLOSED);
    }
    if (exec_may_prove_absence(a, r, begun_ns) && !r->ambiguous)
        r->reads++;
}

static int settle_creates(struct acct *a, int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    for (size_t k = 0; k < a->order_count;) {
        struct orun *r = &a->orders[k];
        const struct order *o = ledger_order(x->c.ledger, r->id);
        k++;
        if (o == NULL || o->op != ORDER_PENDING || over(o) || o->state == ORDER_INTENT ||
            o->state == ORDER_SENT || begun_ns < r->intent_ns)
            continue;
        const struct pending *hands = resting_claimed_by(a, o);
        if (hands != NULL) {
            int rc = claim_resting(a, o, hands, e);
            if (rc != 0)
                return rc;
            k--;
            continue;
        }
        struct match m;
        rows_match_order(a, o, &m);
        if (m.at >= 0) {
            int rc = take_order(a, o, &x->rows[m.at], m.by, begun_ns, e);
            if (rc != 0)
                return rc;
            k--;
            continue;
        }
        int rc = settle_unsure(a, r, o, &m, LIST_ORDERS, e);
        if (rc != 0)
            return rc;
        order_missed(a, r, o, begun_ns);
    }
    return 0;
}

/* Unknown edits and cancels of a pending order that this list shows. */
static int settle_pending_write(struct acct *a, struct orun *r, const struct order *o,
                                int64_t begun_ns, bool *settled, struct err *e)
{
    struct exec *x = a->x;
    const struct pending *p = ledger_pending(x->c.ledger, a->index, o->position);
    *settled = true;
    if (o->op == ORDER_CANCEL) /* a list begun after it still shows it */
        return emit_absent(x, o->id, 1, e);
    if (p->price == o->price && p->stop == o->stop && p->target == o->target &&
        p->volume.v == o->volume.v)
        return emit_adopted(x, o->id, o->position, "stops", e);
    *settled = false;
    if (exec_may_prove_absence(a, r, begun_ns)) {
        r->reads++;
        r->closed_reads = 1; /* the pending order itself is the proof */
    }
    return 0;
}

int settle_orders(struct acct *a, int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    int rc = settle_creates(a, begun_ns, e);
    for (size_t k = 0; rc == 0 && k < a->order_count;) {
        struct orun *r = &a->orders[k];
        const struct order *o = ledger_order(x->c.ledger, r->id);
        k++;
        if (o == NULL || order_enters(o->op) || settle_on_position(o) ||
            o->state != ORDER_UNKNOWN || begun_ns < r->stamp_ns)
            continue;
        bool settled = false;
        const struct drun *d = exec_drun(a, o->position);
        if (d == NULL) { /* gone meanwhile, and why was told: nothing can show it any more */
            settled = true;
            rc = emit_absent(x, o->id, r->reads, e);
        } else if (d->round == x->round && d->as_of_ns == begun_ns) {
            rc = settle_pending_write(a, r, o, begun_ns, &settled, e);
        }
        if (rc == 0 && settled) {
            exec_orun_remove(a, o->id);
            k--;
        }
    }
    return rc;
}
