/* SPDX-License-Identifier: MIT
 *
 * Orders of a client, or of a hand at the broker's terminal: checked, priced, executed.
 *
 * A market order is filled at the ask (BUY) or bid (SELL), moved by the drawn slippage; a close the
 * other way round. Chance is drawn last, from the account's own stream: a refused order takes
 * nothing from it, and no account's orders change what another meets.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "venue/sim_impl.h"

int sim_refuse(enum sim_reason reason, enum sim_reason *why, struct err *e)
{
    *why = reason;
    return err_set(e, ERR_STATE, "%s", sim_reason_text(reason));
}

enum sim_reason sim_check_market(const struct sim *s, int symbol)
{
    const struct sim_symbol *x = &s->symbols[symbol];
    if (!x->quoted || s->ended)
        return SIM_NO_QUOTE;
    return sim_hours_open(x, s->now) ? SIM_OK : SIM_SESSION_CLOSED;
}

enum sim_reason sim_check_stops(const struct sim *s, int symbol, int64_t price, enum side side,
                                decimal stop, decimal target, struct sim_row *row)
{
    const struct instrument *i = &s->symbols[symbol].i;
    int64_t least = sim_stops_level(s, symbol), low, high;
    if (stop.v < 0 || target.v < 0 || instrument_to_points(i, stop, DECIMAL_HALF_EVEN, &low) != 0 ||
        instrument_to_points(i, target, DECIMAL_HALF_EVEN, &high) != 0)
        return SIM_STOPS_SIDE;
    int64_t loss = side == SIDE_BUY ? price - low : low - price;
    int64_t gain = side == SIDE_BUY ? high - price : price - high;
    if ((low != 0 && loss <= 0) || (high != 0 && gain <= 0))
        return SIM_STOPS_SIDE;
    if ((low != 0 && loss < least) || (high != 0 && gain < least))
        return SIM_STOPS_LEVEL;
    row->stop = instrument_price(i, low);
    row->target = instrument_price(i, high);
    return SIM_OK;
}

bool sim_enough_money(const struct sim *s, int account, int symbol, decimal volume, decimal price)
{
    struct sim_money money;
    decimal margin;
    return sim_money(s, account, &money) == 0 &&
           sim_margin(s, sim_account_at(s, account), symbol, volume, price, &margin) == 0 &&
           margin.v <= money.free_margin.v;
}

bool sim_unlucky(struct sim *s, enum sim_by by, int account)
{
    return by == SIM_CLIENT && s->model.reject_share > 0.0 &&
           rng_uniform(&sim_client_at(s, account)->chance) < s->model.reject_share;
}

/* A price in points, as much for the client as against. */
static int64_t slipped(struct sim *s, int account, int64_t points)
{
    int64_t most = s->model.slippage_points;
    if (most > 0)
        points += rng_range(&sim_client_at(s, account)->chance, -most, most);
    return points < 1 ? 1 : points;
}

/* Cuts the volume into two or three parts, each with a price of its own; false: it stays whole. */
static bool fill_in_parts(struct sim *s, int account, const struct instrument *i, int64_t quote,
                          struct sim_row *row)
{
    struct rng *r = &sim_client_at(s, account)->chance;
    int64_t units = row->volume.v / i->volume_step.v, mean;
    if (s->model.partial_fills <= 0.0 || rng_uniform(r) >= s->model.partial_fills || units < 2)
        return false;
    int64_t count = units < 3 ? 2 : rng_range(r, 2, SIM_PARTS);
    for (int64_t k = 0; k < count; k++) {
        struct sim_part *part = &row->parts[k];
        int64_t each = k + 1 == count ? units : rng_range(r, 1, units - (count - 1 - k));
        units -= each;
        part->volume = decimal_raw(each * i->volume_step.v);
        part->price = instrument_price(i, slipped(s, account, quote));
        sim_make_id(s, account, SIM_ID_PART + (int)k, part->id);
    }
    row->part_count = (size_t)count;
    if (sim_parts_mean(i, row->parts, row->part_count, row->volume, &mean) != 0) {
        row->part_count = 0;
        return false;
    }
    row->price = instrument_price(i, mean);
    return true;
}

static enum sim_reason check_open(struct sim *s, int account, int symbol, enum side side,
                                  decimal stop, decimal target, struct sim_row *row)
{
    const struct sim_symbol *x = &s->symbols[symbol];
    enum sim_reason bad = sim_check_market(s, symbol);
    if (bad == SIM_OK && x->terms.disabled)
        bad = SIM_DISABLED;
    if (bad == SIM_OK && !instrument_volume_ok(&x->i, row->volume))
        bad = SIM_VOLUME;
    if (bad == SIM_OK)
        bad =
            sim_check_stops(s, symbol, side == SIDE_BUY ? x->bid : x->ask, side, stop, target, row);
    if (bad != SIM_OK)
        return bad;
    return sim_enough_money(s, account, symbol, row->volume, side == SIDE_BUY ? x->q.ask : x->q.bid)
               ? SIM_OK
               : SIM_MARGIN;
}

int sim_open(struct sim *s, enum sim_by by, int account, const char *symbol, enum side side,
             decimal volume, decimal stop, decimal target, char *id, enum sim_reason *why,
             struct err *e)
{
    int index = sim_symbol(s, symbol);
    struct sim_row row = {.volume = volume};
    *why = SIM_OK;
    if (sim_account_at(s, account) == NULL)
        return err_set(e, ERR_NOTFOUND, "simulator: no account %d", account);
    if (index < 0)
        return sim_refuse(SIM_UNKNOWN_INSTRUMENT, why, e);
    enum sim_reason bad = check_open(s, account, index, side, stop, target, &row);
    if (bad == SIM_OK && sim_unlucky(s, by, account))
        bad = s->model.reject_reason;
    if (bad != SIM_OK)
        return sim_refuse(bad, why, e);
    const struct sim_symbol *x = &s->symbols[index];
    int64_t quote = side == SIDE_BUY ? x->ask : x->bid;
    if (!fill_in_parts(s, account, &x->i, quote, &row))
        row.price = instrument_price(&x->i, slipped(s, account, quote));
    /* What the slippage costs must be there, too. */
    if (!sim_enough_money(s, account, index, volume, row.price))
        return sim_refuse(SIM_MARGIN, why, e);
    sim_fill_row(s, &row, "open", by, account, index, side);
    snprintf(row.reason, sizeof row.reason, "client");
    sim_make_id(s, account, SIM_ID_OWN, row.position);
    if (s->model.order_id_differs)
        sim_make_id(s, account, SIM_ID_ORDER, row.order);
    else
        memcpy(row.order, row.position, sizeof row.order);
    int rc = sim_execute(s, &row, NULL, e);
    if (rc == 0)
        memcpy(id, row.order, sizeof row.order);
    return rc;
}

/* Is the closing price inside the freeze level of a stop or target? */
static bool frozen(const struct sim *s, const struct sim_position *p)
{
    const struct sim_symbol *x = &s->symbols[p->symbol];
    const decimal levels[] = {p->stop, p->target};
    int64_t price = p->side == SIDE_BUY ? x->bid : x->ask, points;
    for (int k = 0; k < 2; k++) {
        if (levels[k].v == 0 ||
            instrument_to_points(&x->i, levels[k], DECIMAL_HALF_EVEN, &points) != 0)
            continue;
        int64_t away = points > price ? points - price : price - points;
        if (away < s->model.freeze_level)
            return true;
    }
    return false;
}

/* The position that an order names, or why not. */
static enum sim_reason named_position(const struct sim *s, int account, const char *id,
                                      const char *symbol, enum side side, struct sim_position **p)
{
    *p = sim_find_position(s, account, id);
    if (*p == NULL)
        return SIM_UNKNOWN_ID;
    if (strcmp(s->symbols[(*p)->symbol].i.symbol, symbol) != 0)
        return SIM_INSTRUMENT;
    return (*p)->side == side ? SIM_OK : SIM_SIDE;
}

int sim_edit(struct sim *s, enum sim_by by, int account, const char *id, const char *symbol,
             enum side side, decimal stop, decimal target, enum sim_reason *why, struct err *e)
{
    struct sim_position *p;
    struct sim_row row = {0};
    *why = SIM_OK;
    enum sim_reason bad = named_position(s, account, id, symbol, side, &p);
    if (bad == SIM_OK)
        bad = sim_check_market(s, p->symbol);
    if (bad == SIM_OK && frozen(s, p))
        bad = SIM_FROZEN;
    if (bad == SIM_OK) {
        const struct sim_symbol *x = &s->symbols[p->symbol];
        bad = sim_check_stops(s, p->symbol, side == SIDE_BUY ? x->bid : x->ask, side, stop, target,
                              &row);
    }
    if (bad == SIM_OK && sim_unlucky(s, by, account))
        bad = s->model.reject_reason;
    if (bad != SIM_OK)
        return sim_refuse(bad, why, e);
    sim_fill_row(s, &row, "edit", by, account, p->symbol, side);
    memcpy(row.position, p->id, sizeof row.position);
    row.volume = p->volume;
    row.open_price = p->price;
    row.accrued = p->swap;
    snprintf(row.reason, sizeof row.reason, "client");
    return sim_execute(s, &row, NULL, e);
}

int sim_close_at(struct sim *s, enum sim_by by, struct sim_position *p, decimal volume,
                 decimal price, const char *reason, struct sim_closed *out, struct err *e)
{
    struct sim_row row = {.volume = volume,
                          .price = price,
                          .open_price = p->price,
                          .stop = p->stop,
                          .target = p->target};
    decimal money;
    sim_fill_row(s, &row, volume.v < p->volume.v ? "close_partial" : "close", by, p->account,
                 p->symbol, p->side);
    memcpy(row.position, p->id, sizeof row.position);
    snprintf(row.uid, sizeof row.uid, "%s_close%" PRIu32, p->id, p->closes + 1);
    snprintf(row.reason, sizeof row.reason, "%s", reason);
    sim_make_id(s, p->account, SIM_ID_OWN, row.order);
    if (sim_profit(s, p, volume, price, &row.profit) != 0 ||
        sim_commission(s, p, volume, &row.commission) != 0 ||
        decimal_to_places(row.profit, SIM_MONEY_DIGITS, DECIMAL_HALF_EVEN, &row.profit) != 0 ||
        decimal_to_places(row.commission, SIM_MONEY_DIGITS, DECIMAL_HALF_EVEN, &row.commission) !=
            0 ||
        sim_share(p->swap, volume, p->volume, &row.swap) != 0 ||
        decimal_sub(p->swap, row.swap, &row.accrued) != 0 ||
        decimal_add(row.profit, row.commission, &money) != 0 ||
        decimal_add(money, row.swap, &money) != 0 ||
        decimal_add(row.balance, money, &row.balance) != 0)
        return err_set(e, ERR_OVERFLOW, "simulator: the profit of %s is out of range", p->id);
    return sim_execute(s, &row, out, e);
}

/* What is open can be closed after the end of the market: there is no other time for it. */
static enum sim_reason check_close(const struct sim *s, const struct sim_position *p, bool partial,
                                   decimal volume)
{
    enum sim_reason bad = sim_check_market(s, p->symbol);
    if (bad != SIM_OK && !(s->ended && s->symbols[p->symbol].quoted))
        return bad;
    if (!s->ended && frozen(s, p))
        return SIM_FROZEN;
    if (partial && volume.v >= p->volume.v)
        return SIM_PARTIAL;
    if (partial && !instrument_volume_ok(&s->symbols[p->symbol].i, volume))
        return SIM_VOLUME;
    return !partial && volume.v != p->volume.v && volume.v != 0 ? SIM_VOLUME : SIM_OK;
}

int sim_close(struct sim *s, enum sim_by by, int account, const char *id, const char *symbol,
              enum side side, bool partial, decimal volume, struct sim_closed *out,
              enum sim_reason *why, struct err *e)
{
    struct sim_position *p;
    *why = SIM_OK;
    enum sim_reason bad = named_position(s, account, id, symbol, side, &p);
    if (bad == SIM_OK)
        bad = check_close(s, p, partial, volume);
    if (bad == SIM_OK && sim_unlucky(s, by, account))
        bad = s->model.reject_reason;
    if (bad != SIM_OK)
        return sim_refuse(bad, why, e);
    const struct sim_symbol *x = &s->symbols[p->symbol];
    int64_t price = slipped(s, account, side == SIDE_BUY ? x->bid : x->ask);
    return sim_close_at(s, by, p, partial ? volume : p->volume, instrument_price(&x->i, price),
                        "client", out, e);
}
