/* SPDX-License-Identifier: MIT
 *
 * Pending orders: LIMIT waits for a better price than the market's, STOP for a worse one. The price
 * that counts is the one at which the order would be filled: the ask of a buyer, the bid of a
 * seller. The filled price is the quote's that triggered it, so a limit gets its price or a better
 * one, and a stop what the market gives. Margin is asked for at the trigger only.
 */
#include <stdio.h>
#include <string.h>

#include "venue/sim_impl.h"

/* How far the market is before the price, both in one unit; 0 or less: reached. */
static int64_t before(enum side side, enum sim_type type, int64_t market, int64_t price)
{
    return (side == SIDE_BUY) == (type == SIM_STOP) ? price - market : market - price;
}

/* The same in points, to a price in points. */
static int64_t distance(const struct sim_symbol *x, enum side side, enum sim_type type,
                        int64_t price)
{
    return before(side, type, side == SIDE_BUY ? x->ask : x->bid, price);
}

/* Checks a wish, with its type, and puts its numbers into the row. */
static enum sim_reason check_wish(const struct sim *s, int symbol, enum sim_type type,
                                  const struct sim_wish *w, struct sim_row *row)
{
    const struct sim_symbol *x = &s->symbols[symbol];
    int64_t price;
    if (!instrument_volume_ok(&x->i, w->volume))
        return SIM_VOLUME;
    if (w->price.v <= 0 || instrument_to_points(&x->i, w->price, DECIMAL_HALF_EVEN, &price) != 0 ||
        price <= 0)
        return SIM_PRICE;
    int64_t away = distance(x, w->side, type, price);
    if (away <= 0)
        return SIM_PRICE;
    if (away < sim_stops_level(s, symbol))
        return SIM_PRICE_LEVEL;
    row->volume = w->volume;
    row->price = instrument_price(&x->i, price);
    snprintf(row->type, sizeof row->type, "%s", sim_type_name(type));
    return sim_check_stops(s, symbol, price, w->side, w->stop, w->target, row);
}

int sim_pending_create(struct sim *s, enum sim_by by, int account, const struct sim_wish *w,
                       char *id, enum sim_reason *why, struct err *e)
{
    int symbol = sim_symbol(s, w->symbol);
    struct sim_row row = {0};
    *why = SIM_OK;
    if (sim_account_at(s, account) == NULL)
        return err_set(e, ERR_NOTFOUND, "simulator: no account %d", account);
    if (symbol < 0)
        return sim_refuse(SIM_UNKNOWN_INSTRUMENT, why, e);
    enum sim_reason bad = sim_check_market(s, symbol);
    if (bad == SIM_OK && s->symbols[symbol].terms.disabled)
        bad = SIM_DISABLED;
    if (bad == SIM_OK)
        bad = check_wish(s, symbol, w->type, w, &row);
    if (bad == SIM_OK && sim_unlucky(s, by, account))
        bad = s->model.reject_reason;
    if (bad != SIM_OK)
        return sim_refuse(bad, why, e);
    sim_fill_row(s, &row, "pending", by, account, symbol, w->side);
    snprintf(row.reason, sizeof row.reason, "client");
    sim_make_id(s, account, SIM_ID_OWN, row.position);
    int rc = sim_execute(s, &row, NULL, e);
    if (rc == 0)
        memcpy(id, row.position, sizeof row.position);
    return rc;
}

/* The pending order that an order names and may change, or why not. */
static enum sim_reason named_pending(const struct sim *s, int account, const char *id,
                                     const char *symbol, struct sim_pending **p)
{
    *p = sim_find_pending(s, account, id);
    if (*p == NULL)
        return SIM_UNKNOWN_ORDER;
    const struct sim_symbol *x = &s->symbols[(*p)->symbol];
    return strcmp(x->i.symbol, symbol) == 0 ? SIM_OK : SIM_INSTRUMENT;
}

static bool frozen(const struct sim *s, const struct sim_pending *p)
{
    const struct sim_symbol *x = &s->symbols[p->symbol];
    int64_t price;
    return s->model.freeze_level > 0 &&
           instrument_to_points(&x->i, p->price, DECIMAL_HALF_EVEN, &price) == 0 &&
           distance(x, p->side, p->type, price) < s->model.freeze_level;
}

int sim_pending_edit(struct sim *s, enum sim_by by, int account, const char *id,
                     const struct sim_wish *w, enum sim_reason *why, struct err *e)
{
    struct sim_pending *p;
    struct sim_row row = {0};
    *why = SIM_OK;
    enum sim_reason bad = named_pending(s, account, id, w->symbol, &p);
    if (bad == SIM_OK && p->side != w->side)
        bad = SIM_SIDE;
    if (bad == SIM_OK)
        bad = sim_check_market(s, p->symbol);
    if (bad == SIM_OK && frozen(s, p))
        bad = SIM_FROZEN;
    if (bad == SIM_OK)
        bad = check_wish(s, p->symbol, p->type, w, &row);
    if (bad == SIM_OK && sim_unlucky(s, by, account))
        bad = s->model.reject_reason;
    if (bad != SIM_OK)
        return sim_refuse(bad, why, e);
    sim_fill_row(s, &row, "pending_edit", by, account, p->symbol, p->side);
    memcpy(row.position, p->id, sizeof row.position);
    snprintf(row.reason, sizeof row.reason, "client");
    return sim_execute(s, &row, NULL, e);
}

/* Books the end of a pending order that is not filled. */
static int cancel(struct sim *s, enum sim_by by, const struct sim_pending *p, const char *reason,
                  struct err *e)
{
    struct sim_row row = {
        .volume = p->volume, .price = p->price, .stop = p->stop, .target = p->target};
    sim_fill_row(s, &row, "cancel", by, p->account, p->symbol, p->side);
    memcpy(row.position, p->id, sizeof row.position);
    snprintf(row.type, sizeof row.type, "%s", sim_type_name(p->type));
    snprintf(row.reason, sizeof row.reason, "%s", reason);
    return sim_execute(s, &row, NULL, e);
}

int sim_pending_cancel(struct sim *s, enum sim_by by, int account, const char *id,
                       const char *symbol, enum sim_reason *why, struct err *e)
{
    struct sim_pending *p;
    *why = SIM_OK;
    enum sim_reason bad = named_pending(s, account, id, symbol, &p);
    if (bad == SIM_OK && !s->ended)
        bad = sim_check_market(s, p->symbol);
    if (bad == SIM_OK && !s->ended && frozen(s, p))
        bad = SIM_FROZEN;
    if (bad == SIM_OK && sim_unlucky(s, by, account))
        bad = s->model.reject_reason;
    if (bad != SIM_OK)
        return sim_refuse(bad, why, e);
    return cancel(s, by, p, "client", e);
}

static int fill(struct sim *s, const struct sim_pending *p, struct err *e)
{
    const struct sim_symbol *x = &s->symbols[p->symbol];
    struct sim_row row = {.volume = p->volume,
                          .price = p->side == SIDE_BUY ? x->q.ask : x->q.bid,
                          .stop = p->stop,
                          .target = p->target};
    if (x->terms.disabled)
        return cancel(s, SIM_BROKER, p, sim_reason_code(SIM_DISABLED), e);
    if (!sim_enough_money(s, p->account, p->symbol, p->volume, row.price))
        return cancel(s, SIM_BROKER, p, sim_reason_code(SIM_MARGIN), e);
    sim_fill_row(s, &row, "fill", SIM_BROKER, p->account, p->symbol, p->side);
    memcpy(row.order, p->id, sizeof row.order);
    snprintf(row.type, sizeof row.type, "%s", sim_type_name(p->type));
    snprintf(row.reason, sizeof row.reason, "trigger");
    if (s->model.order_id_differs)
        sim_make_id(s, p->account, SIM_ID_OWN, row.position);
    else
        memcpy(row.position, p->id, sizeof row.position);
    return sim_execute(s, &row, NULL, e);
}

int sim_trigger(struct sim *s, int symbol, struct err *e)
{
    const struct sim_symbol *x = &s->symbols[symbol];
    for (size_t k = 0; k < s->pendings.count;) {
        const struct sim_pending *p = s->pendings.at[k];
        int64_t market = p->side == SIDE_BUY ? x->q.ask.v : x->q.bid.v;
        if (p->symbol != symbol || before(p->side, p->type, market, p->price.v) > 0) {
            k++;
            continue;
        }
        int rc = fill(s, p, e); /* it is gone from the list now */
        if (rc != 0)
            return rc;
    }
    return 0;
}
