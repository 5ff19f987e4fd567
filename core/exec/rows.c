/* SPDX-License-Identifier: MIT
 *
 * Rows of the broker's lists in the ledger's terms, and the question which row is which entry.
 * Nothing of a broker is trusted here: a row that cannot be a position is told once and left out.
 */
#include <stdlib.h>
#include <string.h>

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
    int64_t price;
    if ((r->side != SIDE_BUY && r->side != SIDE_SELL) || r->volume.v <= 0 || r->price.v <= 0 ||
        instrument_to_points(i, r->price, DECIMAL_HALF_EVEN, &price) != 0 ||
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

/* Positions that were closed a while ago, against lists that were begun before. */

bool rows_gone(const struct exec *x, int account, const char *id, int64_t begun_ns)
{
    for (size_t k = 0; k < GONE_KEPT; k++) {
        const struct gone *g = &x->gone[k];
        if (g->account == account && g->id[0] != '\0' && strcmp(g->id, id) == 0)
            return begun_ns <= g->ns;
    }
    return false;
}

void rows_gone_add(struct exec *x, int account, const char *id, int64_t ns)
{
    struct gone *g = &x->gone[x->gone_next];
    x->gone_next = (x->gone_next + 1) % GONE_KEPT;
    memset(g, 0, sizeof *g);
    g->account = account;
    memcpy(g->id, id, strnlen(id, ID_MAX));
    g->ns = ns;
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

static bool of_another(const struct acct *a, const struct row *r, const struct order *o)
{
    const struct exec *x = a->x;
    if (ledger_position(x->c.ledger, a->index, r->id) != NULL ||
        rows_gone(x, a->index, r->id, INT64_MIN))
        return true;
    size_t cursor = 0;
    const struct order *other;
    while ((other = ledger_order_next(x->c.ledger, &cursor)) != NULL)
        if (other->op == ORDER_OPEN && other->id != o->id && other->account == a->index &&
            strcmp(other->position, r->id) == 0)
            return true;
    return false;
}

static bool same_shape(const struct row *r, decimal volume, const struct order *o)
{
    return r->instrument == o->instrument && r->side == o->side && volume.v == o->volume.v;
}

static bool in_window(const struct row *r, const struct order *o)
{
    return r->opened_ms == 0 || r->opened_ms >= o->intent_ms - MATCH_EARLY_MS;
}

/* A tag makes stop and target unique, so a smaller volume (a part is closed already) still fits. */
static bool same_levels(const struct row *r, decimal volume, const struct order *o)
{
    if ((o->stop == 0 && o->target == 0) || r->stop_points != o->stop ||
        r->target_points != o->target || r->instrument != o->instrument || r->side != o->side)
        return false;
    return volume.v == o->volume.v || (o->tag >= 0 && volume.v < o->volume.v);
}

static bool waits(const struct order *o)
{
    return o->op == ORDER_OPEN &&
           (o->state == ORDER_INTENT || o->state == ORDER_SENT || o->state == ORDER_UNKNOWN ||
            (o->state == ORDER_ACCEPTED && !o->shown));
}

static bool only_of_shape(const struct acct *a, const struct order *o)
{
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *other = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (other != NULL && other->id != o->id && waits(other) &&
            other->instrument == o->instrument && other->side == o->side &&
            other->volume.v == o->volume.v)
            return false;
    }
    return true;
}

static int by_id(const struct exec *x, const struct order *o)
{
    for (size_t k = 0; o->position[0] != '\0' && k < x->row_count; k++)
        if (!x->rows[k].known && strcmp(x->rows[k].id, o->position) == 0)
            return (int)k;
    return -1;
}

/* The only row that fits; -1 for none, -2 for several. */
static int by_look(const struct acct *a, const struct order *o, bool levels)
{
    const struct exec *x = a->x;
    int found = -1;
    for (size_t k = 0; k < x->row_count; k++) {
        const struct row *r = &x->rows[k];
        if (r->known || r->instrument != o->instrument || r->side != o->side || !in_window(r, o) ||
            !first_of_id(x, k))
            continue;
        decimal volume = rows_volume(x, r);
        if (!(levels ? same_levels(r, volume, o) : same_shape(r, volume, o)) || of_another(a, r, o))
            continue;
        if (found >= 0)
            return -2;
        found = (int)k;
    }
    return found;
}

int rows_match(const struct acct *a, const struct orun *r, const struct order *o, const char **by)
{
    int at = by_id(a->x, o);
    *by = "tag";
    if (at >= 0)
        return at;
    *by = o->tag >= 0 ? "tag" : "stops";
    at = by_look(a, o, true);
    if (at != -1 || o->state == ORDER_ABSENT) /* long after, look alike is not enough */
        return at;
    if (o->position[0] != '\0' && r->closed_reads == 0) /* its own id comes first */
        return -1;
    *by = "shape";
    return only_of_shape(a, o) ? by_look(a, o, false) : -1;
}

bool settle_resembles(const struct acct *a, const struct row *r)
{
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o != NULL && waits(o) && in_window(r, o) && same_shape(r, r->volume, o))
            return true;
    }
    return false;
}
