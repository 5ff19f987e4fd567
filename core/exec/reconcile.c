/* SPDX-License-Identifier: MIT
 *
 * The broker's lists come in here. The order of the steps matters: first what is missing is marked
 * (nothing is written for it, so it holds even with a broken journal), then known positions are
 * compared, then rows are given to entries that wait for them and to pending orders that may have
 * been triggered, and only what is left over belongs to somebody else.
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

/* Is there an edit of ours that asked for this, whatever became of it? */
static bool edited_by_us(const struct acct *a, const struct row *r, enum order_op op)
{
    size_t cursor = 0;
    const struct order *o;
    while ((o = ledger_order_next(a->x->c.ledger, &cursor)) != NULL)
        if (o->op == op && o->account == a->index && strcmp(o->position, r->id) == 0 &&
            o->state != ORDER_REJECTED && o->state != ORDER_NOT_SENT && o->stop == r->stop_points &&
            o->target == r->target_points &&
            (op == ORDER_EDIT || (o->price == r->price_points && o->volume.v == r->volume.v)))
            return true;
    return false;
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
    event_set_strz(&ev, F_position_changed_who,
                   !larger && edited_by_us(a, r, ORDER_EDIT) ? "edit" : "hand");
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
    wish_still_there(x, &p->w, begun_ns);
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

/* May the row belong to something of ours that is on its way? Then the next list will tell. */
static bool undecided(struct acct *a, const struct row *r)
{
    return settle_resembles(a, r) || resting_resembles(a, r);
}

static int foreign_position(struct acct *a, struct row *r, int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    const struct order *late = resting_late(a, r);
    if (late != NULL) {
        emit_notice(x, "warn", "account %s: pending order %s was told gone and is position %s",
                    exec_account(x, a->index)->id, late->position, r->id);
        return settle_take(a, late, r, "tag", begun_ns, e);
    }
    if (undecided(a, r)) {
        a->deferred = true;
        struct puzzle *z = puzzle_of(a, r->id);
        if (z != NULL)
            z->round = x->round;
        return 0;
    }
    int rc = emit_opened(x, a->index, r, r->volume, NULL, e);
    if (rc != 0)
        return rc;
    const struct position *pos = ledger_position(x->c.ledger, a->index, r->id);
    struct prun *p = exec_prun_add(a, pos, begun_ns);
    if (p == NULL)
        return err_set(e, ERR_NOMEM, "exec: out of memory");
    p->round = x->round;
    return 0;
}

/* Rows that nothing of ours explains. */
static int foreign_positions(struct acct *a, int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < x->row_count; k++) {
        struct row *r = &x->rows[k];
        if (!r->known && !rows_gone(x, a->index, r->id, false, begun_ns) &&
            ledger_position(x->c.ledger, a->index, r->id) == NULL)
            rc = foreign_position(a, r, begun_ns, e);
    }
    return rc;
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
        rc = resting_fills(a, begun_io_ns, false, e);
    if (rc == 0)
        rc = foreign_positions(a, begun_io_ns, e);
    if (rc == 0)
        rc = resting_gone(a, begun_io_ns, false, e);
    puzzle_sweep(a, LIST_POSITIONS);
    if (rc == 0)
        rc = settle_writes(a, begun_io_ns, e);
    if (rc == 0)
        rc = settle_absent(a, e);
    read_done(a, &a->positions, begun_io_ns, settle_open(a, false) || resting_open(a));
    if (!a->closed.on && settle_open(a, true))
        exec_need_after(&a->closed, a);
    close_tick(a); /* what these rows made wanted */
    a->awake = false;
    exec_needs_changed(a);
    parts_check(x);
    return rc;
}

/* ---- pending orders ---- */

static int compare_order(struct acct *a, struct drun *d, const struct row *r, int64_t begun_ns,
                         struct err *e)
{
    struct exec *x = a->x;
    const struct pending *p = ledger_pending(x->c.ledger, a->index, d->id);
    if (begun_ns < d->as_of_ns || (d->missing && begun_ns <= d->missing_ns))
        return 0;
    d->as_of_ns = begun_ns;
    d->missing = false;
    wish_still_there(x, &d->w, begun_ns);
    if (p->volume.v == r->volume.v && p->price == r->price_points && p->stop == r->stop_points &&
        p->target == r->target_points)
        return 0;
    struct event ev;
    event_init(&ev, EVENT_KIND_pending_changed);
    event_set_strz(&ev, F_pending_changed_account, exec_account(x, a->index)->id);
    event_set_strz(&ev, F_pending_changed_pending, d->id);
    event_set_dec(&ev, F_pending_changed_volume, r->volume);
    event_set_dec(&ev, F_pending_changed_price, r->price);
    event_set_dec(&ev, F_pending_changed_stop, r->stop);
    event_set_dec(&ev, F_pending_changed_target, r->target);
    event_set_u64(&ev, F_pending_changed_order, p->order);
    event_set_strz(&ev, F_pending_changed_who,
                   edited_by_us(a, r, ORDER_PENDING_EDIT) ? "edit" : "hand");
    return emit(x, &ev, e);
}

static int known_orders(struct acct *a, int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < x->row_count; k++) {
        struct row *r = &x->rows[k];
        struct drun *d = exec_drun(a, r->id);
        const struct pending *p = ledger_pending(x->c.ledger, a->index, r->id);
        if (d == NULL && p != NULL) {
            d = exec_drun_add(a, p, 0);
            if (d != NULL)
                d->round = x->round;
        }
        if (d == NULL)
            continue;
        r->known = true;
        rc = compare_order(a, d, r, begun_ns, e);
    }
    return rc;
}

static int foreign_orders(struct acct *a, int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    for (size_t k = 0; k < x->row_count; k++) {
        struct row *r = &x->rows[k];
        if (r->known || rows_gone(x, a->index, r->id, true, begun_ns) ||
            ledger_pending(x->c.ledger, a->index, r->id) != NULL)
            continue;
        if (settle_resembles_order(a, r))
            continue; /* may be one that is on its way: the next list will tell */
        int rc = emit_pending_seen(x, a->index, r, NULL, e);
        if (rc != 0)
            return rc;
        struct drun *d = exec_drun_add(a, ledger_pending(x->c.ledger, a->index, r->id), begun_ns);
        if (d == NULL)
            return err_set(e, ERR_NOMEM, "exec: out of memory");
        d->round = x->round;
    }
    return 0;
}

static bool orders_open(const struct acct *a)
{
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o != NULL && !settle_on_position(o) && o->op != ORDER_OPEN &&
            (o->state == ORDER_UNKNOWN ||
             (o->op == ORDER_PENDING && o->state == ORDER_ACCEPTED && !o->shown)))
            return true;
    }
    return false;
}

int exec_observe_orders(struct exec *x, int account, int64_t begun_io_ns,
                        const struct seen_order *rows, size_t n, struct err *e)
{
    struct acct *a = exec_acct(x, account);
    if (a == NULL)
        return err_set(e, ERR_NOTFOUND, "exec: account %d is not in the ledger", account);
    int rc = rows_begin(x, n, e);
    if (rc != 0)
        return rc;
    for (size_t k = 0; k < n; k++)
        (void)rows_add_order(a, &rows[k]);
    resting_missing(a, begun_io_ns);
    rc = known_orders(a, begun_io_ns, e);
    if (rc == 0)
        rc = settle_orders(a, begun_io_ns, e);
    if (rc == 0)
        rc = foreign_orders(a, begun_io_ns, e);
    if (rc == 0)
        rc = settle_absent(a, e);
    puzzle_sweep(a, LIST_ORDERS);
    read_done(a, &a->orders_list, begun_io_ns, orders_open(a));
    if (a->deferred) /* positions wait for what this list has said */
        exec_need_now(a, NEED_POSITIONS);
    pending_tick(a); /* what these rows made wanted */
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
        rc = resting_fills(a, begun_io_ns, true, e);
    if (rc == 0)
        rc = resting_gone(a, begun_io_ns, true, e);
    if (rc == 0)
        rc = settle_absent(a, e);
    puzzle_sweep(a, LIST_CLOSED);
    bool open = settle_open(a, true) || resting_open(a);
    if (a->closed.on && begun_io_ns >= a->closed.since_ns)
        a->closed_from = 0;
    if (a->closed_from == 0 && !open)
        a->closed.on = false;
    read_done(a, &a->closed, begun_io_ns, open);
    a->awake = false;
    exec_needs_changed(a);
    parts_check(x);
    return rc;
}

static bool same_money(const struct account *a, decimal balance, decimal equity, decimal margin,
                       decimal free_margin)
{
    return a->have_balance && a->balance.v == balance.v && a->equity.v == equity.v &&
           a->margin.v == margin.v && a->free_margin.v == free_margin.v;
}

static int emit_balance(struct exec *x, const struct account *of, decimal balance, decimal equity,
                        decimal margin, decimal free_margin, const char *currency, struct err *e)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_balance);
    event_set_strz(&ev, F_balance_account, of->id);
    event_set_dec(&ev, F_balance_balance, balance);
    event_set_dec(&ev, F_balance_equity, equity);
    event_set_dec(&ev, F_balance_margin, margin);
    event_set_dec(&ev, F_balance_free_margin, free_margin);
    event_set_strz(&ev, F_balance_currency, currency);
    return emit(x, &ev, e);
}

int exec_observe_currency(struct exec *x, int account, const char *currency, struct err *e)
{
    const struct account *of = exec_account(x, account);
    if (of == NULL)
        return err_set(e, ERR_NOTFOUND, "exec: account %d is not in the ledger", account);
    if (currency == NULL || currency[0] == '\0' || strcmp(currency, of->currency) == 0)
        return 0;
    char own[sizeof of->currency] = "", was[sizeof of->currency];
    if (strlen(currency) >= sizeof own)
        return err_set(e, ERR_INPUT, "exec: \"%.16s\" is no currency", currency);
    memcpy(own, currency, strlen(currency));
    memcpy(was, of->currency, sizeof was);
    emit_notice(x, "warn", "account %s: its currency is %s now, and was %s", of->id, own,
                was[0] != '\0' ? was : "not known");
    return emit_balance(x, of, of->balance, of->equity, of->margin, of->free_margin, own, e);
}

static bool has_absent(const struct acct *a)
{
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o != NULL && o->state == ORDER_ABSENT)
            return true;
    }
    return false;
}

/* An entry that was given up can be executed and closed again between two lists of positions. Its
 * money moves the balance, so the history since the last balance is read for it. */
static void balance_moved(struct acct *a)
{
    if (a->balance_ms == 0 || !has_absent(a))
        return;
    if (a->closed_from == 0 || a->closed_from > a->balance_ms)
        a->closed_from = a->balance_ms;
    exec_need_now(a, NEED_CLOSED);
}

/* Something is open that nobody knows: margin is used with no position known, or it has changed
 * while an entry that was given up may still turn up. */
static bool margin_speaks(const struct acct *a, const struct account *of, decimal margin)
{
    return margin.v > 0 && (a->position_count == 0 || (has_absent(a) && of->margin.v != margin.v));
}

int exec_observe_balance(struct exec *x, int account, decimal balance, decimal equity,
                         decimal margin, decimal free_margin, struct err *e)
{
    struct acct *a = exec_acct(x, account);
    if (a == NULL)
        return err_set(e, ERR_NOTFOUND, "exec: account %d is not in the ledger", account);
    const struct account *of = exec_account(x, account);
    int rc = 0;
    if (of->have_balance && of->balance.v != balance.v)
        balance_moved(a);
    if (margin_speaks(a, of, margin))
        exec_need_now(a, NEED_POSITIONS);
    if (!same_money(of, balance, equity, margin, free_margin))
        rc = emit_balance(x, of, balance, equity, margin, free_margin, of->currency, e);
    a->balance_ms = clock_market_ms(x->c.clock);
    a->balance.on = false;
    a->awake = false;
    exec_needs_changed(a);
    return rc;
}
