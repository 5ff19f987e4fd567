/* SPDX-License-Identifier: MIT
 *
 * Rows of the broker's lists in the ledger's terms, and the question which row is which entry.
 * Nothing of a broker is trusted here: a row that cannot be a position is told once and left out.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "exec/exec_internal.h"

#define ID_MAX 31 /* what the ledger can keep */

int rows_begin(struct exec *x, size_t n, struct err *e)
{
    x->row_count = 0;
    x->round++;
    if (n <= x->row_cap)
        return 0;
    struct row *grown = realloc(x->rows, n * sizeof *grown);
    if (grown == NULL)
        return err_set(e, ERR_NOMEM, "exec: out of memory for %zu rows", n);
    x->rows = grown;
    x->row_cap = n;
    return 0;
}

static void notice_once(struct acct *a, const char *symbol, const char *what)
{
    struct exec *x = a->x;
    const struct account *account = exec_account(x, a->index);
    struct str key;
    str_init(&key);
    str_addf(&key, "%s|%.64s|%s", account->broker, symbol, what);
    uint64_t was;
    bool fresh = !key.failed && !map_get(x->noticed, key.p, key.len, &was) &&
                 map_put(x->noticed, key.p, key.len, 1) == 0;
    str_fini(&key);
    if (fresh)
        emit_notice(x, "warn", "account %s: a row of symbol %.64s was left out: %s", account->id,
                    symbol, what);
}

/* What both lists have in common. */
static bool fill(struct acct *a, const char *symbol, struct row *r)
{
    const struct exec *x = a->x;
    if (symbol == NULL)
        symbol = "";
    if (r->id == NULL || r->id[0] == '\0' || strlen(r->id) > ID_MAX) {
        notice_once(a, symbol, "its id is empty or too long");
        return false;
    }
    r->instrument = ledger_instrument(x->c.ledger, exec_account(x, a->index)->broker, symbol);
    const struct instrument *i = ledger_instrument_at(x->c.ledger, r->instrument);
    if (i == NULL) {
        notice_once(a, symbol, "the symbol is not known");
        return false;
    }
    if ((r->side != SIDE_BUY && r->side != SIDE_SELL) || r->volume.v <= 0 || r->price.v <= 0 ||
        instrument_to_points(i, r->price, DECIMAL_HALF_EVEN, &r->price_points) != 0 ||
        instrument_to_points(i, r->stop, DECIMAL_HALF_EVEN, &r->stop_points) != 0 ||
        instrument_to_points(i, r->target, DECIMAL_HALF_EVEN, &r->target_points) != 0) {
        notice_once(a, symbol, "side, volume or a price is out of range");
        return false;
    }
    return true;
}

bool rows_add_open(struct acct *a, const struct seen_position *s)
{
    struct exec *x = a->x;
    struct row *r = &x->rows[x->row_count];
    memset(r, 0, sizeof *r);
    r->id = s->id;
    r->side = s->side;
    r->volume = s->volume;
    r->price = s->price;
    r->stop = s->stop;
    r->target = s->target;
    r->opened_ms = s->opened_ms;
    struct prun *p = s->id != NULL ? exec_prun(a, s->id) : NULL;
    if (p != NULL) /* it is there, even if the row makes no sense */
        p->round = x->round;
    if (!fill(a, s->symbol, r))
        return false;
    x->row_count++;
    return true;
}

bool rows_add_closed(struct acct *a, const struct seen_close *s)
{
    struct exec *x = a->x;
    struct row *r = &x->rows[x->row_count];
    memset(r, 0, sizeof *r);
    r->id = s->id;
    r->uid = s->uid != NULL && strlen(s->uid) <= 128 ? s->uid : "";
    r->side = s->side;
    r->volume = s->volume;
    r->price = s->open_price;
    r->stop = s->stop;
    r->target = s->target;
    r->opened_ms = s->opened_ms;
    r->closed_ms = s->closed_ms;
    r->closed = s;
    if (!fill(a, s->symbol, r))
        return false;
    x->row_count++;
    return true;
}

bool rows_add_order(struct acct *a, const struct seen_order *s)
{
    struct exec *x = a->x;
    struct row *r = &x->rows[x->row_count];
    memset(r, 0, sizeof *r);
    r->id = s->id;
    r->side = s->side;
    r->type = s->type;
    r->volume = s->volume;
    r->price = s->price;
    r->stop = s->stop;
    r->target = s->target;
    r->opened_ms = s->created_ms;
    struct drun *d = s->id != NULL ? exec_drun(a, s->id) : NULL;
    if (d != NULL) /* it is there, even if the row makes no sense */
        d->round = x->round;
    if (s->type != ORDER_LIMIT && s->type != ORDER_STOP) {
        notice_once(a, s->symbol != NULL ? s->symbol : "", "a pending order is LIMIT or STOP");
        return false;
    }
    if (!fill(a, s->symbol, r))
        return false;
    x->row_count++;
    return true;
}

/* What left a while ago, against lists that were begun before. */

bool rows_gone(const struct exec *x, int account, const char *id, bool pending, int64_t begun_ns)
{
    if (MUTANT(dedupe))
        return false;
    for (size_t k = 0; k < GONE_KEPT; k++) {
        const struct gone *g = &x->gone[k];
        if (g->account == account && g->pending == pending && g->id[0] != '\0' &&
            strcmp(g->id, id) == 0 && begun_ns < g->ns)
            return true;
    }
    return false;
}

/* A list was made at some moment between its request and its answer, so of two that overlap nobody
 * knows which is older: only one that is asked for from now on can show again what is gone. */
void rows_gone_add(struct exec *x, int account, const char *id, bool pending)
{
    struct gone *g = &x->gone[x->gone_next];
    x->gone_next = (x->gone_next + 1) % GONE_KEPT;
    memset(g, 0, sizeof *g);
    g->account = account;
    g->pending = pending;
    memcpy(g->id, id, strnlen(id, ID_MAX));
    g->ns = exec_now(x);
}

/* Matching */

decimal rows_volume(const struct exec *x, const struct row *r)
{
    decimal sum = r->volume;
    if (r->closed == NULL)
        return sum;
    for (size_t k = 0; k < x->row_count; k++) {
        const struct row *other = &x->rows[k];
        if (other != r && strcmp(other->id, r->id) == 0)
            (void)decimal_add(sum, other->volume, &sum);
    }
    return sum;
}

static bool first_of_id(const struct exec *x, size_t at)
{
    for (size_t k = 0; k < at; k++)
        if (strcmp(x->rows[k].id, x->rows[at].id) == 0)
            return false;
    return true;
}

/* Known by something else: a position of the ledger, a closed one, another order's. */
static bool of_another(const struct acct *a, const struct row *r, uint64_t order)
{
    const struct exec *x = a->x;
    if (MUTANT(dedupe))
        return false;
    if (ledger_position(x->c.ledger, a->index, r->id) != NULL ||
        rows_gone(x, a->index, r->id, false, INT64_MIN))
        return true;
    size_t cursor = 0;
    const struct order *other;
    while ((other = ledger_order_next(x->c.ledger, &cursor)) != NULL)
        if (order_enters(other->op) && other->id != order && other->account == a->index &&
            strcmp(other->position, r->id) == 0)
            return true;
    return false;
}

/* early_ms: how much earlier than we asked for it something may seem to have been made. */
static bool in_window(const struct row *r, int64_t asked_ms, int64_t early_ms)
{
    return r->opened_ms == 0 || r->opened_ms >= asked_ms - early_ms;
}

/* What an order, or a pending order that was triggered, looks like as a position. */
struct look {
    uint64_t order;
    int instrument;
    enum side side;
    decimal volume;
    int64_t stop, target;
    int tag;
    int64_t asked_ms; /* not opened before, by a clock that may be wrong */
};

static struct look look_of(const struct order *o)
{
    return (struct look){.order = o->id,
                         .instrument = o->instrument,
                         .side = o->side,
                         .volume = o->volume,
                         .stop = o->stop,
                         .target = o->target,
                         .tag = o->tag,
                         .asked_ms = o->intent_ms};
}

static struct look look_of_fill(const struct acct *a, const struct pending *p)
{
    const struct order *o = p->order != 0 ? ledger_order(a->x->c.ledger, p->order) : NULL;
    bool as_ordered = o != NULL && o->stop == p->stop && o->target == p->target;
    return (struct look){.order = p->order,
                         .instrument = p->instrument,
                         .side = p->side,
                         .volume = p->volume,
                         .stop = p->stop,
                         .target = p->target,
                         .tag = as_ordered ? o->tag : -1,
                         .asked_ms = p->created_ms};
}

static bool same_shape(const struct row *r, decimal volume, const struct look *l)
{
    return r->instrument == l->instrument && r->side == l->side && volume.v == l->volume.v;
}

/* A tag makes stop and target unique, and so do both of them to the last digit in the time of the
 * order: a smaller volume (a part is closed already) still fits then. */
static bool unique_levels(const struct look *l)
{
    return l->tag >= 0 || (l->stop != 0 && l->target != 0);
}

static bool same_levels(const struct row *r, decimal volume, const struct look *l)
{
    if ((l->stop == 0 && l->target == 0) || r->stop_points != l->stop ||
        r->target_points != l->target || r->instrument != l->instrument || r->side != l->side)
        return false;
    return volume.v == l->volume.v || (unique_levels(l) && volume.v < l->volume.v);
}

static bool waits(const struct order *o)
{
    return order_enters(o->op) &&
           (o->state == ORDER_INTENT || o->state == ORDER_SENT || o->state == ORDER_UNKNOWN ||
            (o->state == ORDER_ACCEPTED && !o->shown));
}

/* It still rested in a list that was begun after the row was seen first: that row is not it. */
static bool outlived(struct acct *a, const struct drun *d, const char *id)
{
    const struct puzzle *z = puzzle_of(a, id);
    return !d->missing && z != NULL && d->as_of_ns > z->seen_ns;
}

/* Nothing else of ours may be this row, a position with these levels. */
static bool only_of_levels(struct acct *a, const struct look *l, const struct drun *self,
                           const struct row *r)
{
    const struct ledger *ledger = a->x->c.ledger;
    decimal volume = rows_volume(a->x, r);
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(ledger, a->orders[k].id);
        if (o == NULL || o->id == l->order || !order_enters(o->op) ||
            !(waits(o) || o->state == ORDER_ABSENT) || puzzle_denied(a, r->id, o->id))
            continue;
        struct look other = look_of(o);
        if (same_levels(r, volume, &other) && in_window(r, o->intent_ms, MATCH_EARLY_MS))
            return false;
    }
    for (size_t k = 0; k < a->resting_count; k++) {
        const struct drun *d = &a->resting[k];
        const struct pending *p = ledger_pending(ledger, a->index, d->id);
        if (p == NULL || d == self || p->order == l->order || outlived(a, d, r->id) ||
            puzzle_denied(a, r->id, p->order))
            continue;
        struct look other = look_of_fill(a, p);
        if (same_levels(r, volume, &other) && in_window(r, p->created_ms, MATCH_EARLY_MS))
            return false;
    }
    return true;
}

/* Nothing else of ours may be row `id`, a position of this shape. */
static bool only_of_shape(const struct acct *a, const struct look *l, const struct drun *self,
                          const char *id)
{
    const struct ledger *ledger = a->x->c.ledger;
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(ledger, a->orders[k].id);
        if (o != NULL && o->id != l->order && waits(o) && o->instrument == l->instrument &&
            o->side == l->side && o->volume.v == l->volume.v && !puzzle_denied(a, id, o->id))
            return false;
    }
    for (size_t k = 0; k < a->resting_count; k++) {
        const struct drun *d = &a->resting[k];
        const struct pending *p = ledger_pending(ledger, a->index, d->id);
        if (p != NULL && d != self && d->missing && p->instrument == l->instrument &&
            p->side == l->side && p->volume.v == l->volume.v && !puzzle_denied(a, id, p->order))
            return false;
    }
    return true;
}

static void match_none(struct match *m)
{
    m->at = -1;
    m->by = "";
    m->count = 0;
}

static bool match_id(const struct exec *x, const char *id, struct match *m)
{
    for (size_t k = 0; id[0] != '\0' && k < x->row_count; k++) {
        if (x->rows[k].known || strcmp(x->rows[k].id, id) != 0)
            continue;
        m->at = (int)k;
        m->by = "id";
        return true;
    }
    return false;
}

/* The operator has said so. */
static bool match_word(struct acct *a, uint64_t order, struct match *m)
{
    for (size_t k = 0; order != 0 && k < a->puzzle_count; k++) {
        if (a->puzzles[k].order != order || !match_id(a->x, a->puzzles[k].id, m))
            continue;
        m->by = "operator";
        return true;
    }
    return false;
}

static void add_candidate(struct match *m, size_t at, const char *id)
{
    m->at = m->count == 0 ? (int)at : -2;
    if (m->count < CANDIDATES)
        m->ids[m->count++] = id;
}

/* May this row be looked at for `order` at all? */
static bool open_to(struct acct *a, size_t at, uint64_t order)
{
    const char *id = a->x->rows[at].id;
    const struct puzzle *p = puzzle_of(a, id);
    return !a->x->rows[at].known && first_of_id(a->x, at) &&
           (p == NULL || p->order == 0 || p->order == order) && !puzzle_denied(a, id, order);
}

/* The rows that fit; m->at is the only one, -1 for none, -2 for several. */
static void match_look(struct acct *a, const struct look *l, int64_t early_ms, bool levels,
                       struct match *m)
{
    const struct exec *x = a->x;
    for (size_t k = 0; k < x->row_count; k++) {
        const struct row *r = &x->rows[k];
        if (r->instrument != l->instrument || r->side != l->side || !open_to(a, k, l->order) ||
            !in_window(r, l->asked_ms, early_ms))
            continue;
        decimal volume = rows_volume(x, r);
        if ((levels ? same_levels(r, volume, l) : same_shape(r, volume, l)) &&
            !of_another(a, r, l->order))
            add_candidate(m, k, r->id);
    }
}

/* By stop and target. A broker's clock can be wrong by minutes: when nothing fits in time, a tag is
 * enough to say whose it is, and both levels without one are enough to ask. */
static void match_levels(struct acct *a, const struct look *l, const struct drun *self,
                         struct match *m)
{
    match_look(a, l, MATCH_EARLY_MS, true, m);
    if (m->at >= 0 && l->tag < 0 && !only_of_levels(a, l, self, &a->x->rows[m->at]))
        m->at = -2;
    if (m->at == -1 && unique_levels(l)) {
        match_look(a, l, MATCH_SLOW_MS, true, m);
        if (m->at >= 0 && l->tag < 0)
            m->at = -2;
    }
    m->by = l->tag >= 0 ? "tag" : "stops";
}

static bool naked(const struct exec *x, const struct match *m)
{
    return m->at >= 0 && x->rows[m->at].stop_points == 0 && x->rows[m->at].target_points == 0;
}

/* The one row of this shape, where the order had no stop and no target and neither has the row.
 * Other levels speak against it: a hand's trade of the same moment looks just like that. */
static void match_shape(struct acct *a, const struct look *l, const struct drun *self,
                        struct match *m)
{
    match_look(a, l, MATCH_EARLY_MS, false, m);
    m->by = "shape";
    bool same = l->stop == 0 && l->target == 0 && naked(a->x, m);
    if (m->at >= 0 && (!same || !only_of_shape(a, l, self, m->ids[0])))
        m->at = -2;
}

void rows_match(struct acct *a, const struct orun *r, const struct order *o, int64_t begun_ns,
                struct match *m)
{
    struct look l = look_of(o);
    match_none(m);
    if (match_word(a, o->id, m) || match_id(a->x, o->position, m))
        return;
    /* The id in its answer proves more than one level, and may be in the history. */
    if (!unique_levels(&l) && o->position[0] != '\0' && r->closed_reads == 0)
        return;
    match_levels(a, &l, NULL, m);
    if (m->at != -1 || o->state == ORDER_ABSENT) /* long after, look alike is not enough */
        return;
    /* What is there in a list of before the answer may be a hand's, and its own row comes yet; what
     * was accepted may be in the history, by its id or its levels. */
    if (begun_ns < r->stamp_ns || (o->state == ORDER_ACCEPTED && r->closed_reads == 0))
        return;
    if (o->op == ORDER_PENDING && (o->state != ORDER_ACCEPTED || !r->missed))
        return; /* it may rest, and a position would not look like it for nothing */
    match_shape(a, &l, NULL, m);
}

/* How much of a pending order's row is as o asked for: a hand may have moved a price before a list
 * showed it first. */
enum likeness { UNLIKE, MOVED, EXACT };

static enum likeness order_like(const struct row *r, const struct order *o)
{
    if (r->instrument != o->instrument || r->side != o->side || r->type != o->type ||
        r->volume.v != o->volume.v)
        return UNLIKE;
    int same = (r->price_points == o->price) + (r->stop_points == o->stop) +
               (r->target_points == o->target);
    return same == 3 ? EXACT : same == 2 ? MOVED : UNLIKE;
}

static void look_order(struct acct *a, const struct order *o, int64_t early_ms, enum likeness like,
                       struct match *m)
{
    const struct exec *x = a->x;
    for (size_t k = 0; k < x->row_count; k++) {
        const struct row *r = &x->rows[k];
        if (open_to(a, k, o->id) && order_like(r, o) == like &&
            in_window(r, o->intent_ms, early_ms) && !rows_gone(x, a->index, r->id, true, INT64_MIN))
            add_candidate(m, k, r->id);
    }
}

/* No other order of ours may be this row, a pending order as o asked for. */
static bool only_order_like(const struct acct *a, const struct order *o, const struct row *r)
{
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *other = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (other != NULL && other->id != o->id && other->op == ORDER_PENDING &&
            (waits(other) || other->state == ORDER_ABSENT) && order_like(r, other) == EXACT &&
            in_window(r, other->intent_ms, MATCH_EARLY_MS) && !puzzle_denied(a, r->id, other->id))
            return false;
    }
    return true;
}

void rows_match_order(struct acct *a, const struct order *o, struct match *m)
{
    const struct exec *x = a->x;
    match_none(m);
    if (match_word(a, o->id, m) || match_id(x, o->position, m))
        return;
    m->by = o->tag >= 0 ? "tag" : "stops";
    look_order(a, o, MATCH_EARLY_MS, EXACT, m);
    if (m->at >= 0 && o->tag < 0 && !only_order_like(a, o, &x->rows[m->at]))
        m->at = -2;
    if (m->at != -1)
        return;
    look_order(a, o, MATCH_SLOW_MS, EXACT, m); /* as in match_levels; its price is one more level */
    if (m->at >= 0 && o->tag < 0)
        m->at = -2;
    if (m->at != -1)
        return;
    look_order(a, o, MATCH_EARLY_MS, MOVED, m);
    bool by_tag = m->at >= 0 && o->tag >= 0 && x->rows[m->at].price_points != o->price;
    if (!by_tag && o->state == ORDER_ABSENT) /* long after, look alike is not enough */
        match_none(m);
    else if (!by_tag && m->at >= 0)
        m->at = -2;
}

void rows_match_fill(struct acct *a, const struct drun *d, struct match *m)
{
    const struct exec *x = a->x;
    const struct pending *p = ledger_pending(x->c.ledger, a->index, d->id);
    struct look l = look_of_fill(a, p);
    match_none(m);
    if (match_word(a, p->order, m) || match_id(x, p->id, m))
        return;
    if (!d->missing && l.tag < 0) /* it may rest still */
        return;
    match_levels(a, &l, d, m);
    if (m->at != -1 || !d->missing)
        return;
    match_shape(a, &l, d, m);
}

bool settle_resembles(const struct acct *a, const struct row *r)
{
    if (MUTANT(foreign_deferred))
        return false;
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o == NULL || !waits(o) || puzzle_denied(a, r->id, o->id))
            continue;
        struct look l = look_of(o);
        decimal volume = rows_volume(a->x, r);
        if (in_window(r, o->intent_ms, MATCH_SLOW_MS) &&
            (same_shape(r, r->volume, &l) || same_levels(r, volume, &l)))
            return true;
    }
    return false;
}

bool settle_resembles_order(const struct acct *a, const struct row *r)
{
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o != NULL && o->op == ORDER_PENDING && waits(o) &&
            in_window(r, o->intent_ms, MATCH_SLOW_MS) && order_like(r, o) != UNLIKE &&
            !puzzle_denied(a, r->id, o->id))
            return true;
    }
    return false;
}
