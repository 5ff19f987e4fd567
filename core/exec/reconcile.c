/* SPDX-License-Identifier: MIT
 *
 * The broker's lists come in here. The order of the steps matters: first what is missing is marked
 * (nothing is written for it, so it holds even with a broken journal), then known positions are
 * compared, then rows are given to entries that wait for them, and only what is left over belongs
 * to somebody else.
 */
#include <string.h>

#include "exec/exec_internal.h"

/* Positions that this list does not show and should. */
static void mark_missing(struct acct *a, int64_t begun_ns)
{
    for (size_t k = 0; k < a->position_count; k++) {
        struct prun *p = &a->positions_run[k];
        if (p->round == a->x->round || p->missing || begun_ns < p->as_of_ns)
            continue;
        p->missing = true;
        p->missing_ns = begun_ns;
        p->tries = 0;
        exec_need_now(a, NEED_CLOSED);
    }
}

static int changed(struct acct *a, const struct position *pos, const struct row *r, struct err *e)
{
    bool larger = r->volume.v > pos->volume.v;
    if (!larger && r->stop_points == pos->stop && r->target_points == pos->target)
        return 0;
    struct event ev;
    event_init(&ev, EVENT_KIND_position_changed);
    event_set_strz(&ev, F_position_changed_account, exec_account(a->x, a->index)->id);
    event_set_strz(&ev, F_position_changed_position, pos->id);
    event_set_dec(&ev, F_position_changed_volume, larger ? r->volume : pos->volume);
    event_set_dec(&ev, F_position_changed_stop, r->stop);
    event_set_dec(&ev, F_position_changed_target, r->target);
    return emit(a->x, &ev, e);
}

static int compare(struct acct *a, struct prun *p, const struct row *r, int64_t begun_ns,
                   struct err *e)
{
    struct exec *x = a->x;
    const struct position *pos = ledger_position(x->c.ledger, a->index, p->id);
    if (pos == NULL || begun_ns < p->as_of_ns || (p->missing && begun_ns <= p->missing_ns))
        return 0;
    bool was_less = p->shown.v < pos->volume.v;
    p->as_of_ns = begun_ns;
    p->missing = false;
    p->shown = r->volume;
    if (r->volume.v < pos->volume.v && !was_less) {
        p->missing_ns = begun_ns;
        p->tries = 0;
        exec_need_now(a, NEED_CLOSED);
    }
    if (p->wanted && p->call == NULL && p->retry_ns == 0 && begun_ns >= p->answered_ns) {
        p->answered_ns = 0; /* accepted, and still there */
        p->fails++;
        p->retry_ns = exec_now(x) + x->c.close_retry_ms * MS_NS;
    }
    return changed(a, pos, r, e);
}

static int known_positions(struct acct *a, int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    for (size_t k = 0; k < x->row_count; k++) {
        struct row *r = &x->rows[k];
        struct prun *p = exec_prun(a, r->id);
        const struct position *pos = ledger_position(x->c.ledger, a->index, r->id);
        if (p == NULL && pos != NULL)
            p = exec_prun_add(a, pos, 0);
        if (p == NULL)
            continue;
        r->known = true;
        p->round = x->round;
        int rc = compare(a, p, r, begun_ns, e);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Rows that nothing of ours explains. */
static int foreign_positions(struct acct *a, int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    for (size_t k = 0; k < x->row_count; k++) {
        struct row *r = &x->rows[k];
        if (r->known || rows_gone(x, a->index, r->id, begun_ns) ||
            ledger_position(x->c.ledger, a->index, r->id) != NULL)
            continue;
        if (settle_resembles(a, r)) { /* may be an entry that is on its way */
            a->deferred = true;
            continue;
        }
        int rc = emit_opened(x, a->index, r, r->volume, NULL, e);
        if (rc != 0)
            return rc;
        const struct position *pos = ledger_position(x->c.ledger, a->index, r->id);
        struct prun *p = exec_prun_add(a, pos, begun_ns);
        if (p == NULL)
            return err_set(e, ERR_NOMEM, "exec: out of memory");
        p->round = x->round;
    }
    return 0;
}

static void read_done(struct acct *a, struct need *n, int64_t begun_ns, bool open)
{
    if (n->on && begun_ns >= n->since_ns)
        n->on = false;
    if (!n->on && open)
        exec_need_after(n, a);
    else if (!open)
        n->tries = 0;
}

int exec_observe_positions(struct exec *x, int account, int64_t begun_io_ns,
                           const struct seen_position *rows, size_t n, struct err *e)
{
    struct acct *a = exec_acct(x, account);
    if (a == NULL)
        return err_set(e, ERR_NOTFOUND, "exec: account %d is not in the ledger", account);
    int rc = rows_begin(x, n, e);
    if (rc != 0)
        return rc;
    for (size_t k = 0; k < n; k++)
        (void)rows_add_open(a, &rows[k]);
    a->deferred = false;
    mark_missing(a, begun_io_ns);
    rc = known_positions(a, begun_io_ns, e);
    if (rc == 0)
        rc = settle_entries(a, begun_io_ns, false, e);
    if (rc == 0)
        rc = foreign_positions(a, begun_io_ns, e);
    if (rc == 0)
        rc = settle_writes(a, begun_io_ns, e);
    if (rc == 0)
        rc = settle_absent(a, e);
    read_done(a, &a->positions, begun_io_ns, settle_open(a, false));
    if (!a->closed.on && settle_open(a, true))
        exec_need_after(&a->closed, a);
    a->awake = false;
    exec_needs_changed(a);
    return rc;
}

int exec_observe_closed(struct exec *x, int account, int64_t begun_io_ns,
                        const struct seen_close *rows, size_t n, struct err *e)
{
    struct acct *a = exec_acct(x, account);
    if (a == NULL)
        return err_set(e, ERR_NOTFOUND, "exec: account %d is not in the ledger", account);
    int rc = rows_begin(x, n, e);
    if (rc != 0)
        return rc;
    for (size_t k = 0; k < n; k++)
        (void)rows_add_closed(a, &rows[k]);
    for (size_t k = 0; rc == 0 && k < a->position_count;) {
        size_t before = a->position_count;
        struct prun *p = &a->positions_run[k];
        const struct position *pos = ledger_position(x->c.ledger, account, p->id);
        if (pos != NULL && (p->missing || p->shown.v < pos->volume.v))
            rc = closed_tell(a, p, begun_io_ns, e);
        if (a->position_count == before)
            k++;
    }
    if (rc == 0)
        rc = settle_entries(a, begun_io_ns, true, e);
    if (rc == 0)
        rc = settle_absent(a, e);
    bool open = settle_open(a, true);
    if (a->closed.on && begun_io_ns >= a->closed.since_ns)
        a->closed_from = 0;
    if (a->closed_from == 0 && !open)
        a->closed.on = false;
    read_done(a, &a->closed, begun_io_ns, open);
    a->awake = false;
    exec_needs_changed(a);
    return rc;
}

static bool same_money(const struct account *a, decimal balance, decimal equity, decimal margin,
                       decimal free_margin)
{
    return a->have_balance && a->balance.v == balance.v && a->equity.v == equity.v &&
           a->margin.v == margin.v && a->free_margin.v == free_margin.v;
}

int exec_observe_balance(struct exec *x, int account, decimal balance, decimal equity,
                         decimal margin, decimal free_margin, struct err *e)
{
    struct acct *a = exec_acct(x, account);
    if (a == NULL)
        return err_set(e, ERR_NOTFOUND, "exec: account %d is not in the ledger", account);
    const struct account *of = exec_account(x, account);
    int rc = 0;
    if (!same_money(of, balance, equity, margin, free_margin)) {
        struct event ev;
        event_init(&ev, EVENT_KIND_balance);
        event_set_strz(&ev, F_balance_account, of->id);
        event_set_dec(&ev, F_balance_balance, balance);
        event_set_dec(&ev, F_balance_equity, equity);
        event_set_dec(&ev, F_balance_margin, margin);
        event_set_dec(&ev, F_balance_free_margin, free_margin);
        event_set_strz(&ev, F_balance_currency, of->currency);
        rc = emit(x, &ev, e);
    }
    a->balance.on = false;
    a->awake = false;
    exec_needs_changed(a);
    return rc;
}
