/* SPDX-License-Identifier: MIT
 *
 * Closings. Which rows of the history are news follows from volumes: the ledger's volume less what
 * the newest list of positions shows is what has been closed and not been told. The newest rows of
 * the position that fill exactly this are told, oldest first; rows told in this run are known by
 * their uid. So nothing is told twice, even after a restart.
 */
#include <stdlib.h>
#include <string.h>

#include "exec/exec_internal.h"

#define PICKS 64        /* rows of one position told at once */
#define INEXACT_TRIES 3 /* histories after which rows that do not add up are taken */
#define ADJUST_TRIES 5  /* histories after which a smaller volume is taken without a row */

static uint64_t row_key(const struct row *r)
{
    if (r->uid[0] != '\0')
        return map_hash(r->uid, strlen(r->uid));
    int64_t parts[] = {r->closed_ms, r->volume.v, r->closed->price.v};
    return map_hash(parts, sizeof parts);
}

static bool was_told(const struct prun *p, const struct row *r)
{
    for (size_t k = 0; k < p->uid_count; k++)
        if (p->uids[k] == row_key(r))
            return true;
    return false;
}

static int remember(struct prun *p, const struct row *r, struct err *e)
{
    uint64_t *grown = realloc(p->uids, (p->uid_count + 1) * sizeof *grown);
    if (grown == NULL)
        return err_set(e, ERR_NOMEM, "exec: out of memory");
    p->uids = grown;
    p->uids[p->uid_count++] = row_key(r);
    return 0;
}

/* The newest row of p that comes before `before` in the order of closing; -1: none. */
static int older(const struct acct *a, const struct prun *p, int before)
{
    const struct exec *x = a->x;
    int best = -1;
    for (size_t k = 0; k < x->row_count; k++) {
        const struct row *r = &x->rows[k];
        if (strcmp(r->id, p->id) != 0 || was_told(p, r))
            continue;
        if (!p->missing && p->tries < INEXACT_TRIES && r->closed_ms <= a->told_until_ms)
            continue; /* of a former life, and told then */
        if (before >= 0 && (r->closed_ms > x->rows[before].closed_ms ||
                            (r->closed_ms == x->rows[before].closed_ms && (int)k >= before)))
            continue;
        if (best < 0 || r->closed_ms >= x->rows[best].closed_ms)
            best = (int)k;
    }
    return best;
}

/* Picks rows, newest first, that fill *left; returns how many. */
static size_t pick(const struct acct *a, const struct prun *p, int picks[PICKS], int64_t *left)
{
    size_t n = 0;
    for (int at = older(a, p, -1); at >= 0 && n<PICKS && * left> 0; at = older(a, p, at)) {
        if (a->x->rows[at].volume.v > *left)
            continue;
        *left -= a->x->rows[at].volume.v;
        picks[n++] = at;
    }
    return n;
}

/* Reasons */

static bool reached(int64_t price, int64_t level, bool above)
{
    return level != 0 && (above ? price >= level : price <= level);
}

/* "target", "stop" or NULL, by the price of the closing. */
static const char *by_price(const struct exec *x, const struct position *p, const struct row *r)
{
    int64_t price;
    bool buy = p->side == SIDE_BUY;
    if (instrument_to_points(ledger_instrument_at(x->c.ledger, p->instrument), r->closed->price,
                             DECIMAL_HALF_EVEN, &price) != 0)
        return NULL;
    if (reached(price, r->target_points != 0 ? r->target_points : p->target, buy))
        return "target";
    if (reached(price, r->stop_points != 0 ? r->stop_points : p->stop, !buy))
        return "stop";
    return NULL;
}

/* Did a close of ours do it? 2: one was accepted, 1: one may have, 0: no. */
static int ours(const struct exec *x, const struct position *p, const struct row *r, bool partial,
                char reason[16])
{
    int best = 0;
    size_t cursor = 0;
    const struct order *o;
    while ((o = ledger_order_next(x->c.ledger, &cursor)) != NULL) {
        if (o->account != p->account || strcmp(o->position, p->id) != 0 ||
            o->op != (partial ? ORDER_CLOSE_PARTIAL : ORDER_CLOSE) ||
            (partial && o->volume.v != r->volume.v))
            continue;
        int weight =
            o->state == ORDER_ACCEPTED                                                        ? 2
            : o->state == ORDER_SENT || o->state == ORDER_UNKNOWN || o->state == ORDER_ABSENT ? 1
                                                                                              : 0;
        if (weight >= best && weight > 0) {
            best = weight;
            memcpy(reason, o->reason, sizeof o->reason);
        }
    }
    return best;
}

static const char *reason_of(const struct exec *x, const struct position *p, const struct row *r,
                             bool partial, char own[16])
{
    int weight = ours(x, p, r, partial, own);
    if (weight == 2 && own[0] != '\0')
        return own;
    const char *price = by_price(x, p, r);
    if (price != NULL)
        return price;
    return weight == 1 && own[0] != '\0' ? own : "manual";
}

/* Telling */

/* The writes to this position whose outcome is open: it is closed, so they are settled. */
static int settle_closes(struct acct *a, const char *id, struct err *e)
{
    for (size_t k = 0; k < a->order_count;) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o == NULL || !settle_on_position(o) || o->state != ORDER_UNKNOWN ||
            strcmp(o->position, id) != 0) {
            k++;
            continue;
        }
        int rc = o->op == ORDER_CLOSE ? emit_adopted(a->x, o->id, id, "closed", e)
                                      : emit_absent(a->x, o->id, a->orders[k].reads, e);
        if (rc != 0)
            return rc;
        exec_orun_remove(a, a->orders[k].id);
    }
    return 0;
}

/* An unknown partial close of exactly this volume is this row. */
static int settle_part(struct acct *a, const struct row *r, struct err *e)
{
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o == NULL || o->op != ORDER_CLOSE_PARTIAL || o->state != ORDER_UNKNOWN ||
            strcmp(o->position, r->id) != 0 || o->volume.v != r->volume.v)
            continue;
        int rc = emit_adopted(a->x, o->id, r->id, "closed", e);
        if (rc == 0)
            exec_orun_remove(a, o->id);
        return rc;
    }
    return 0;
}

static int tell_part(struct acct *a, struct prun *p, const struct row *r, struct err *e)
{
    const struct position *pos = ledger_position(a->x->c.ledger, a->index, p->id);
    char own[16] = "";
    if (r->volume.v >= pos->volume.v) /* would leave nothing: not a part */
        return 0;
    const char *reason = reason_of(a->x, pos, r, true, own);
    int rc = remember(p, r, e);
    if (rc == 0)
        rc = settle_part(a, r, e);
    if (rc == 0)
        rc = emit_closed(a->x, pos, r, true, reason, e);
    exec_need_now(a, NEED_BALANCE);
    return rc;
}

static int tell_end(struct acct *a, struct prun *p, const struct row *r, struct err *e)
{
    struct exec *x = a->x;
    const struct position *pos = ledger_position(x->c.ledger, a->index, p->id);
    char own[16] = "";
    const char *reason = reason_of(x, pos, r, false, own);
    int rc = settle_closes(a, p->id, e);
    if (rc == 0)
        rc = emit_closed(x, pos, r, false, reason, e);
    if (rc != 0)
        return rc;
    rows_gone_add(x, a->index, r->id, false);
    exec_prun_remove(a, r->id);
    exec_need_now(a, NEED_BALANCE);
    return 0;
}

/* The volumes do not add up after several histories: take the broker's word. */
static int adjust(struct acct *a, struct prun *p, struct err *e)
{
    struct exec *x = a->x;
    struct event ev;
    emit_notice(x, "warn",
                "account %s: position %s has become smaller and the history does not say why; its "
                "volume was taken over",
                exec_account(x, a->index)->id, p->id);
    event_init(&ev, EVENT_KIND_position_changed);
    event_set_strz(&ev, F_position_changed_account, exec_account(x, a->index)->id);
    event_set_strz(&ev, F_position_changed_position, p->id);
    event_set_dec(&ev, F_position_changed_volume, p->shown);
    p->tries = 0;
    return emit(x, &ev, e);
}

static int not_found(struct acct *a, struct prun *p, int64_t begun_ns, struct err *e)
{
    if (begun_ns < p->missing_ns)
        return 0;
    p->tries++;
    if (!p->missing && p->tries >= ADJUST_TRIES)
        return adjust(a, p, e);
    if (p->tries >= READ_TRIES_NOTICE && !p->told) {
        p->told = true;
        emit_notice(a->x, "warn",
                    "account %s: position %s is not open any more and the history does not show "
                    "it; still asking",
                    exec_account(a->x, a->index)->id, p->id);
    }
    return 0;
}

int closed_tell(struct acct *a, struct prun *p, int64_t begun_ns, struct err *e)
{
    struct exec *x = a->x;
    const struct position *pos = ledger_position(x->c.ledger, a->index, p->id);
    int picks[PICKS];
    int64_t left = pos->volume.v - (p->missing ? 0 : p->shown.v);
    if (left <= 0)
        return 0;
    size_t n = pick(a, p, picks, &left);
    bool inexact = p->missing && p->tries >= INEXACT_TRIES && older(a, p, -1) >= 0;
    if (left != 0 && !inexact)
        return not_found(a, p, begun_ns, e);
    if (n == 0)
        picks[n++] = older(a, p, -1);
    bool ends = p->missing;
    for (size_t k = n; k-- > 0;) {
        const struct row *r = &x->rows[picks[k]];
        int rc = k == 0 && ends ? tell_end(a, p, r, e) : tell_part(a, p, r, e);
        if (rc != 0)
            return rc;
    }
    if (!ends)
        p->tries = 0;
    return 0;
}
