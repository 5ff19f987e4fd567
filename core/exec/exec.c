/* SPDX-License-Identifier: MIT
 *
 * Lifetime of exec, its run-time tables for each account, what should be read, and the one deferred
 * turn on which callbacks are made. See exec_internal.h for what lives here and what in the ledger.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "exec/exec_internal.h"

static void later_run(void *arg);
static void acct_timer(void *arg);

int64_t exec_now(const struct exec *x)
{
    return clock_io_ns(x->c.clock);
}

const struct account *exec_account(const struct exec *x, int account)
{
    return ledger_account_at(x->c.ledger, account);
}

struct exec *exec_new(const struct exec_config *config, struct err *e)
{
    struct exec *x = calloc(1, sizeof *x);
    if (x != NULL) {
        x->c = *config;
        x->noticed = map_new();
        x->gone = calloc(GONE_KEPT, sizeof *x->gone);
    }
    if (x == NULL || x->noticed == NULL || x->gone == NULL) {
        exec_free(x);
        err_set(e, ERR_NOMEM, "exec: out of memory");
        return NULL;
    }
    if (x->c.absent_after_ms <= 0)
        x->c.absent_after_ms = 30000;
    if (x->c.absent_reads < 3)
        x->c.absent_reads = 3;
    if (x->c.close_retry_ms <= 0)
        x->c.close_retry_ms = 250;
    if (x->c.budget_requests == 0)
        x->c.budget_requests = 480;
    if (x->c.budget_ms <= 0)
        x->c.budget_ms = 60000;
    timer_init(&x->later, x->c.loop, later_run, x);
    return x;
}

static void acct_free(struct acct *a)
{
    if (a == NULL)
        return;
    timer_stop(&a->timer);
    for (size_t k = 0; k < a->position_count; k++)
        free(a->positions_run[k].uids);
    free(a->positions_run);
    free(a->orders);
    free(a->resting);
    free(a->puzzles);
    free(a->claims);
    free(a);
}

void exec_free(struct exec *x)
{
    if (x == NULL)
        return;
    if (x->c.loop != NULL)
        timer_stop(&x->later);
    if (x->later_held)
        loop_release(x->c.loop);
    if (x->calls != NULL)
        log_write(x->c.log, LOG_ERROR, "exec",
                  "freed with %u orders in flight; the venue must be freed first", x->in_flight);
    while (x->calls != NULL) {
        struct call *c = x->calls;
        x->calls = c->next;
        if (c->batch == NULL)
            free(c);
    }
    batch_drop_all(x);
    budget_free_shared(x);
    for (size_t k = 0; k < x->account_count; k++)
        acct_free(x->accounts[k]);
    free(x->accounts);
    map_free(x->noticed);
    free(x->rows);
    free(x->gone);
    free(x);
}

/* Accounts */

static struct acct *acct_new(struct exec *x, int index)
{
    struct acct *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->x = x;
    a->index = index;
    timer_init(&a->timer, x->c.loop, acct_timer, a);
    budget_init(a);
    a->closed_from = clock_market_ms(x->c.clock);
    return a;
}

struct acct *exec_acct(struct exec *x, int account)
{
    if (exec_account(x, account) == NULL)
        return NULL;
    size_t index = (size_t)account;
    if (index >= x->account_count) {
        size_t count = (size_t)ledger_account_count(x->c.ledger);
        struct acct **grown = realloc(x->accounts, count * sizeof *grown);
        if (grown == NULL)
            return NULL;
        memset(grown + x->account_count, 0, (count - x->account_count) * sizeof *grown);
        x->accounts = grown;
        x->account_count = count;
    }
    if (x->accounts[index] == NULL) {
        x->accounts[index] = acct_new(x, account);
        if (x->accounts[index] != NULL) /* nothing is known of it: look once */
            exec_need_now(x->accounts[index], NEED_ALL);
    }
    return x->accounts[index];
}

/* Orders of this run */

struct orun *exec_orun(struct acct *a, uint64_t id)
{
    for (size_t k = 0; k < a->order_count; k++)
        if (a->orders[k].id == id)
            return &a->orders[k];
    return NULL;
}

struct orun *exec_orun_add(struct acct *a, uint64_t id)
{
    struct orun *old = exec_orun(a, id);
    if (old != NULL)
        return old;
    if (a->order_count == a->order_cap) {
        size_t cap = a->order_cap == 0 ? 8 : a->order_cap * 2;
        struct orun *grown = realloc(a->orders, cap * sizeof *grown);
        if (grown == NULL)
            return NULL;
        a->orders = grown;
        a->order_cap = cap;
    }
    size_t at = a->order_count++; /* ids rise, but for a close that is lost later than an entry */
    for (; at > 0 && a->orders[at - 1].id > id; at--)
        a->orders[at] = a->orders[at - 1];
    memset(&a->orders[at], 0, sizeof a->orders[at]);
    a->orders[at].id = id;
    return &a->orders[at];
}

void exec_orun_remove(struct acct *a, uint64_t id)
{
    struct orun *o = exec_orun(a, id);
    if (o == NULL)
        return;
    size_t at = (size_t)(o - a->orders);
    a->order_count--;
    memmove(o, o + 1, (a->order_count - at) * sizeof *o);
}

void exec_orun_lost(struct acct *a, struct orun *o)
{
    o->stamp_ns = exec_now(a->x);
    o->reads = o->position_reads = o->closed_reads = o->tries = 0;
    o->missed = false;
}

bool exec_may_prove_absence(const struct acct *a, const struct orun *o, int64_t begun_ns)
{
    int64_t wait = a->absent_after_ms > 0 ? a->absent_after_ms : a->x->c.absent_after_ms;
    return begun_ns >= o->stamp_ns + wait * MS_NS;
}

/* Positions of this run */

struct prun *exec_prun(struct acct *a, const char *id)
{
    for (size_t k = 0; k < a->position_count; k++)
        if (strcmp(a->positions_run[k].id, id) == 0)
            return &a->positions_run[k];
    return NULL;
}

struct prun *exec_prun_add(struct acct *a, const struct position *p, int64_t as_of_ns)
{
    if (a->position_count == a->position_cap) {
        size_t cap = a->position_cap == 0 ? 4 : a->position_cap * 2;
        struct prun *grown = realloc(a->positions_run, cap * sizeof *grown);
        if (grown == NULL)
            return NULL;
        a->positions_run = grown;
        a->position_cap = cap;
    }
    struct prun *r = &a->positions_run[a->position_count++];
    memset(r, 0, sizeof *r);
    memcpy(r->id, p->id, sizeof r->id);
    r->as_of_ns = as_of_ns;
    r->shown = p->volume;
    r->w.wanted = p->closing && p->closing_volume.v == 0;
    memcpy(r->w.reason, p->close_reason, sizeof r->w.reason);
    return r;
}

void exec_prun_remove(struct acct *a, const char *id)
{
    struct prun *r = exec_prun(a, id);
    if (r == NULL)
        return;
    free(r->uids);
    size_t at = (size_t)(r - a->positions_run);
    a->position_count--;
    memmove(r, r + 1, (a->position_count - at) * sizeof *r);
}

/* Pending orders of this run */

struct drun *exec_drun(struct acct *a, const char *id)
{
    for (size_t k = 0; k < a->resting_count; k++)
        if (strcmp(a->resting[k].id, id) == 0)
            return &a->resting[k];
    return NULL;
}

struct drun *exec_drun_add(struct acct *a, const struct pending *p, int64_t as_of_ns)
{
    if (a->resting_count == a->resting_cap) {
        size_t cap = a->resting_cap == 0 ? 4 : a->resting_cap * 2;
        struct drun *grown = realloc(a->resting, cap * sizeof *grown);
        if (grown == NULL)
            return NULL;
        a->resting = grown;
        a->resting_cap = cap;
    }
    struct drun *d = &a->resting[a->resting_count++];
    memset(d, 0, sizeof *d);
    memcpy(d->id, p->id, sizeof d->id);
    d->as_of_ns = as_of_ns;
    d->w.wanted = p->cancelling;
    memcpy(d->w.reason, p->cancel_reason, sizeof d->w.reason);
    return d;
}

void exec_drun_remove(struct acct *a, const char *id)
{
    struct drun *d = exec_drun(a, id);
    if (d == NULL)
        return;
    size_t at = (size_t)(d - a->resting);
    a->resting_count--;
    memmove(d, d + 1, (a->resting_count - at) * sizeof *d);
}

/* Needs */

static void need_raise(struct need *n, int64_t now)
{
    n->on = true;
    n->since_ns = now;
    n->due_ns = now;
    n->tries = 0;
}

void exec_need_now(struct acct *a, unsigned kind)
{
    int64_t now = exec_now(a->x);
    if ((kind & NEED_POSITIONS) != 0)
        need_raise(&a->positions, now);
    if ((kind & NEED_CLOSED) != 0)
        need_raise(&a->closed, now);
    if ((kind & NEED_BALANCE) != 0)
        need_raise(&a->balance, now);
    if ((kind & NEED_ORDERS) != 0)
        need_raise(&a->orders_list, now);
}

void exec_need_after(struct need *n, struct acct *a)
{
    int64_t wait = READ_RETRY_MS;
    for (unsigned k = 0; k < n->tries && wait < READ_RETRY_MAX_MS; k++)
        wait *= 2;
    if (wait > READ_RETRY_MAX_MS)
        wait = READ_RETRY_MAX_MS;
    n->on = true;
    n->tries++;
    n->since_ns = exec_now(a->x);
    n->due_ns = n->since_ns + wait * MS_NS;
}

static unsigned needs_due(const struct acct *a, int64_t now)
{
    unsigned kinds = 0;
    if (a->positions.on && a->positions.due_ns <= now)
        kinds |= NEED_POSITIONS;
    if (a->closed.on && a->closed.due_ns <= now)
        kinds |= NEED_CLOSED;
    if (a->balance.on && a->balance.due_ns <= now)
        kinds |= NEED_BALANCE;
    if (a->orders_list.on && a->orders_list.due_ns <= now)
        kinds |= NEED_ORDERS;
    return kinds;
}

static int64_t history_from(const struct acct *a)
{
    const struct exec *x = a->x;
    int64_t from = clock_market_ms(x->c.clock);
    if (a->closed_from != 0 && a->closed_from < from)
        from = a->closed_from;
    for (size_t k = 0; k < a->position_count; k++) {
        const struct prun *r = &a->positions_run[k];
        const struct position *p = ledger_position(x->c.ledger, a->index, r->id);
        if (p != NULL && (r->missing || r->shown.v < p->volume.v) && p->opened_ms < from)
            from = p->opened_ms;
    }
    for (size_t k = 0; k < a->resting_count; k++) {
        const struct pending *p = ledger_pending(x->c.ledger, a->index, a->resting[k].id);
        if (p != NULL && a->resting[k].missing && p->created_ms < from)
            from = p->created_ms;
    }
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(x->c.ledger, a->orders[k].id);
        if (o != NULL && a->orders[k].missed && o->state != ORDER_ABSENT && o->intent_ms < from)
            from = o->intent_ms;
    }
    return from - HISTORY_MARGIN_MS;
}

unsigned exec_needs(const struct exec *x, int account, int64_t *closed_from)
{
    const struct acct *a =
        account >= 0 && (size_t)account < x->account_count ? x->accounts[account] : NULL;
    if (a == NULL && exec_account(x, account) == NULL)
        return 0;
    unsigned kinds = a == NULL ? NEED_ALL : needs_due(a, exec_now(x));
    if (closed_from != NULL)
        *closed_from =
            a != NULL ? history_from(a) : clock_market_ms(x->c.clock) - HISTORY_MARGIN_MS;
    return kinds;
}

void exec_needs_changed(struct acct *a)
{
    if (needs_due(a, exec_now(a->x)) == 0) {
        a->awake = false;
    } else if (!a->awake) {
        a->awake = true;
        a->wake = true;
        exec_later(a->x);
    }
    exec_arm(a);
}

static int64_t need_next(const struct need *n, int64_t now)
{
    return n->on && n->due_ns > now ? n->due_ns : INT64_MAX;
}

void exec_arm(struct acct *a)
{
    int64_t now = exec_now(a->x), next = close_next(a), cancel = pending_next(a);
    const struct need *all[] = {&a->positions, &a->closed, &a->balance, &a->orders_list};
    if (cancel < next)
        next = cancel;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if (need_next(all[k], now) < next)
            next = need_next(all[k], now);
    timer_stop(&a->timer);
    if (next == INT64_MAX)
        return;
    int64_t wait = next > now ? (next - now + MS_NS - 1) / MS_NS : 0;
    if (timer_start_io(&a->timer, wait) != 0)
        log_write(a->x->c.log, LOG_ERROR, "exec", "out of memory for a timer");
}

static void acct_timer(void *arg)
{
    struct acct *a = arg;
    close_tick(a);
    pending_tick(a);
    exec_needs_changed(a);
}

void exec_on_need(struct exec *x, void (*fn)(void *arg, int account), void *arg)
{
    x->need = fn;
    x->need_arg = arg;
}

void exec_suspect(struct exec *x, int account)
{
    struct acct *a = exec_acct(x, account);
    if (a == NULL)
        return;
    exec_need_now(a, NEED_POSITIONS);
    exec_needs_changed(a);
}

/* The deferred turn. The loop is held meanwhile, so that granted time stands still. */

void exec_later(struct exec *x)
{
    if (x->later_held)
        return;
    if (timer_start_io(&x->later, 0) != 0) {
        log_write(x->c.log, LOG_ERROR, "exec", "out of memory for a timer");
        return;
    }
    x->later_held = true;
    loop_hold(x->c.loop);
}

static void later_run(void *arg)
{
    struct exec *x = arg;
    x->later_held = false; /* what comes up meanwhile gets a turn and a hold of its own */
    batch_run_later(x);
    for (size_t k = 0; k < x->account_count; k++) {
        struct acct *a = x->accounts[k];
        if (a == NULL || !a->wake)
            continue;
        a->wake = false;
        if (needs_due(a, exec_now(x)) == 0)
            a->awake = false;
        else if (x->need != NULL)
            x->need(x->need_arg, a->index);
    }
    loop_release(x->c.loop);
}

/* Start */

static int lose_former(struct exec *x, struct err *e)
{
    size_t cursor = 0, count = 0, cap = 0;
    uint64_t *ids = NULL;
    const struct order *o;
    while ((o = ledger_order_next(x->c.ledger, &cursor)) != NULL) {
        if (o->state != ORDER_INTENT && o->state != ORDER_SENT)
            continue;
        if (count == cap) {
            cap = cap == 0 ? 64 : cap * 2;
            uint64_t *grown = realloc(ids, cap * sizeof *ids);
            if (grown == NULL) {
                free(ids);
                return err_set(e, ERR_NOMEM, "exec: out of memory");
            }
            ids = grown;
        }
        ids[count++] = o->id;
    }
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < count; k++)
        rc = emit_order_text(x, EVENT_KIND_order_unknown, ids[k], "restart", e);
    free(ids);
    return rc;
}

static bool worth_following(const struct order *o)
{
    if (o->state == ORDER_UNKNOWN)
        return true;
    return order_enters(o->op) &&
           (o->state == ORDER_ABSENT || (o->state == ORDER_ACCEPTED && !o->shown));
}

static void drop_old_absent(struct acct *a)
{
    size_t absent = 0;
    for (size_t k = a->order_count; k-- > 0;) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o != NULL && o->state == ORDER_ABSENT && ++absent > ABSENT_KEPT) {
            exec_orun_remove(a, a->orders[k].id);
            return;
        }
    }
}

static int follow_former(struct exec *x, struct err *e)
{
    size_t cursor = 0;
    const struct order *o;
    while ((o = ledger_order_next(x->c.ledger, &cursor)) != NULL) {
        if (!worth_following(o))
            continue;
        struct acct *a = exec_acct(x, o->account);
        struct orun *r = a != NULL ? exec_orun_add(a, o->id) : NULL;
        if (r == NULL)
            return err_set(e, ERR_NOMEM, "exec: out of memory");
        exec_orun_lost(a, r);
        if (o->intent_ms < a->closed_from)
            a->closed_from = o->intent_ms;
        drop_old_absent(a);
    }
    const struct position *p;
    cursor = 0;
    while ((p = ledger_position_next(x->c.ledger, -1, &cursor)) != NULL) {
        struct acct *a = exec_acct(x, p->account);
        struct prun *r = a != NULL ? exec_prun_add(a, p, 0) : NULL;
        if (r == NULL)
            return err_set(e, ERR_NOMEM, "exec: out of memory");
        r->w.wanted = r->w.wanted && !MUTANT(wishes_kept);
        r->w.no_session = r->w.wanted;
        r->w.retry_ns = r->w.wanted ? exec_now(x) : 0;
        if (p->opened_ms < a->closed_from)
            a->closed_from = p->opened_ms;
    }
    return 0;
}

static int follow_resting(struct exec *x, struct err *e)
{
    size_t cursor = 0;
    const struct pending *p;
    while ((p = ledger_pending_next(x->c.ledger, -1, &cursor)) != NULL) {
        struct acct *a = exec_acct(x, p->account);
        struct drun *d = a != NULL ? exec_drun_add(a, p, 0) : NULL;
        if (d == NULL)
            return err_set(e, ERR_NOMEM, "exec: out of memory");
        d->w.no_session = d->w.wanted;
        d->w.retry_ns = d->w.wanted ? exec_now(x) : 0;
    }
    return 0;
}

int exec_start(struct exec *x, struct err *e)
{
    if (x->started)
        return err_set(e, ERR_STATE, "exec: it was started before");
    x->started = true;
    x->last_batch = ledger_last_batch(x->c.ledger);
    int rc = MUTANT(former_unknown) ? 0 : lose_former(x, e);
    if (rc == 0)
        rc = stream_commit(x->c.stream, e);
    if (rc == 0)
        rc = follow_former(x, e);
    if (rc == 0)
        rc = follow_resting(x, e);
    for (int k = 0; rc == 0 && k < ledger_account_count(x->c.ledger); k++) {
        struct acct *a = exec_acct(x, k);
        if (a == NULL)
            return err_set(e, ERR_NOMEM, "exec: out of memory");
        int64_t last = exec_account(x, k)->last_close_ms;
        a->told_until_ms = last;
        if (last > 0 && last < a->closed_from)
            a->closed_from = last;
        exec_needs_changed(a);
    }
    if (rc == 0)
        parts_check(x); /* a deadline of a former life has passed */
    return rc;
}

int exec_absent_after(struct exec *x, int account, int64_t ms)
{
    struct acct *a = exec_acct(x, account);
    if (a == NULL)
        return ERR_NOTFOUND;
    ms = ms > 0 ? ms : 0;
    if (a->absent_after_ms == ms)
        return 0;
    a->absent_after_ms = ms;
    for (size_t k = 0; k < a->order_count; k++) { /* what was read may have been read too early */
        struct orun *r = &a->orders[k];
        r->reads = r->position_reads = r->closed_reads = 0;
    }
    return 0;
}

void exec_stop_entries(struct exec *x, bool stop)
{
    x->stopped = stop;
}

bool exec_entries_stopped(const struct exec *x)
{
    return x->stopped || stream_broken(x->c.stream) != NULL;
}

unsigned exec_in_flight(const struct exec *x)
{
    return x->in_flight;
}
