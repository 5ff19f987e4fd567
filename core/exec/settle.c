/* SPDX-License-Identifier: MIT
 *
 * What the broker's lists say of orders whose outcome is open.
 *
 * An entry is looked for in the open positions first, then in the history (it may have been closed
 * meanwhile). Found: adopted. Absence is proven by no finite wait, so ABSENT needs enough lists of
 * positions and one of the history, all begun after the wait that the configuration asks for; an
 * ABSENT entry that turns up after all is adopted by its stop and target. More than one candidate
 * is the operator's to sort out.
 */
#include <string.h>

#include "exec/exec_internal.h"

static void notice_ambiguous(struct acct *a, struct orun *r, const struct order *o)
{
    if (r->told)
        return;
    r->told = true;
    emit_notice(a->x, "error",
                "account %s: more than one position could be order %llu (%s); close the one that "
                "is not wanted, entries on this symbol wait",
                exec_account(a->x, a->index)->id, (unsigned long long)o->id, side_name(o->side));
}

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

/* The row is this entry. */
static int take(struct acct *a, const struct order *o, struct row *row, const char *by,
                int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    struct order own = *o; /* events move it */
    int rc = 0;
    if (own.state != ORDER_ACCEPTED)
        rc = emit_adopted(x, own.id, row->id, by, e);
    if (rc != 0)
        return rc;
    rc = emit_opened(x, a->index, row, rows_volume(x, row), &own, e);
    if (rc != 0)
        return rc;
    exec_orun_remove(a, own.id);
    row->known = true;
    struct prun *p = exec_prun_add(a, ledger_position(x->c.ledger, a->index, row->id), begun_ns);
    if (p == NULL)
        return err_set(e, ERR_NOMEM, "exec: out of memory");
    if (row->closed == NULL)
        return 0;
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
        if (begun_ns >= (o->state == ORDER_ACCEPTED ? r->stamp_ns : r->absent_ns))
            r->closed_reads++;
        return;
    }
    r->tries++;
    if (!r->missed) {
        r->missed = true;
        exec_need_now(a, NEED_CLOSED);
    }
    if (begun_ns >= r->absent_ns && !r->ambiguous)
        r->reads++;
    if (o->state == ORDER_ACCEPTED)
        notice_unseen(a, r, o);
}

static bool over(const struct order *o)
{
    return o == NULL || o->state == ORDER_REJECTED || o->state == ORDER_NOT_SENT ||
           (o->state == ORDER_ACCEPTED && (o->shown || o->op != ORDER_OPEN));
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
        if (o->op != ORDER_OPEN || o->state == ORDER_INTENT || o->state == ORDER_SENT ||
            begun_ns < r->intent_ns || (history && !r->missed))
            continue;
        const char *by;
        int at = rows_match(a, r, o, &by);
        if (at >= 0) {
            int rc = take(a, o, &x->rows[at], by, begun_ns, e);
            if (rc != 0)
                return rc;
            k--; /* its run-time record is gone */
            continue;
        }
        r->ambiguous = at == -2 || (history && r->ambiguous);
        if (at == -2)
            notice_ambiguous(a, r, o);
        count_miss(a, r, o, begun_ns, history);
    }
    return 0;
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
    if (begun_ns >= r->absent_ns) {
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
        if (o == NULL || o->op == ORDER_OPEN || o->state != ORDER_UNKNOWN || begun_ns < r->stamp_ns)
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
        if (o->state == ORDER_UNKNOWN && !r->ambiguous && r->reads >= x->c.absent_reads &&
            r->closed_reads >= 1) {
            int rc = emit_absent(x, r->id, r->reads, e);
            if (rc != 0)
                return rc;
            if (o->op != ORDER_OPEN) {
                exec_orun_remove(a, r->id);
                continue;
            }
        }
        if (o->state == ORDER_ABSENT && ++absent > ABSENT_KEPT)
            exec_orun_remove(a, r->id);
    }
    return 0;
}

bool settle_open(const struct acct *a, bool history)
{
    const struct exec *x = a->x;
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(x->c.ledger, a->orders[k].id);
        if (o == NULL || !(o->state == ORDER_UNKNOWN ||
                           (o->op == ORDER_OPEN && o->state == ORDER_ACCEPTED && !o->shown)))
            continue;
        if (!history || (o->op == ORDER_OPEN && a->orders[k].missed))
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
