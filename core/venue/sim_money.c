/* SPDX-License-Identifier: MIT
 *
 * Money of the book: profit, margin, conversion by the quotes of the moment, and an account's
 * figures. Exact to eight places; what is booked is rounded to SIM_MONEY_DIGITS by the caller.
 */
#include <string.h>

#include "venue/sim_impl.h"

typedef __int128 wide;

/* The quoted pair of these currencies; NULL: none. */
static const struct sim_symbol *find_pair(const struct sim *s, const char *base, const char *quote)
{
    for (int k = 1; k < SIM_SYMBOLS; k++) {
        const struct sim_symbol *x = &s->symbols[k];
        if (x->quoted && strcmp(x->i.base, base) == 0 && strcmp(x->i.quote, quote) == 0)
            return x;
    }
    return NULL;
}

/* One leg, of which the dollar is one side. */
static int convert_leg(const struct sim *s, decimal amount, const char *from, const char *to,
                       bool receive, enum decimal_round mode, decimal *out)
{
    if (strcmp(from, to) == 0) {
        *out = amount;
        return 0;
    }
    const struct sim_symbol *x = find_pair(s, from, to);
    if (x != NULL)
        return decimal_mul(amount, receive ? x->q.bid : x->q.ask, mode, out);
    x = find_pair(s, to, from);
    if (x != NULL)
        return decimal_div(amount, receive ? x->q.ask : x->q.bid, mode, out);
    return ERR_NOTFOUND;
}

int sim_convert(const struct sim *s, decimal amount, const char *from, const char *to, bool receive,
                enum decimal_round mode, decimal *out)
{
    decimal dollars;
    if (strcmp(from, to) == 0) {
        *out = amount;
        return 0;
    }
    int rc = convert_leg(s, amount, from, "USD", receive, mode, &dollars);
    return rc != 0 ? rc : convert_leg(s, dollars, "USD", to, receive, mode, out);
}

static double rate_leg(const struct sim *s, const char *from, const char *to)
{
    if (strcmp(from, to) == 0)
        return 1.0;
    const struct sim_symbol *x = find_pair(s, from, to);
    bool inverse = x == NULL;
    if (inverse)
        x = find_pair(s, to, from);
    if (x == NULL)
        return 0.0;
    double middle = (decimal_to_double(x->q.bid) + decimal_to_double(x->q.ask)) / 2.0;
    return inverse ? 1.0 / middle : middle;
}

double sim_rate(const struct sim *s, const char *from, const char *to)
{
    return strcmp(from, to) == 0 ? 1.0 : rate_leg(s, from, "USD") * rate_leg(s, "USD", to);
}

int sim_profit(const struct sim *s, const struct sim_position *p, decimal volume, decimal price,
               decimal *out)
{
    const struct instrument *i = &s->symbols[p->symbol].i;
    const struct sim_account *a = sim_account_at(s, p->account);
    int64_t open, close;
    decimal quote;
    int rc = instrument_to_points(i, p->price, DECIMAL_HALF_EVEN, &open);
    if (rc == 0)
        rc = instrument_to_points(i, price, DECIMAL_HALF_EVEN, &close);
    if (rc == 0)
        rc = instrument_profit(i, p->side, volume, open, close, &quote);
    if (rc != 0)
        return rc;
    return sim_convert(s, quote, i->quote, a->currency, quote.v > 0, DECIMAL_FLOOR, out);
}

int sim_commission(const struct sim *s, const struct sim_position *p, decimal volume, decimal *out)
{
    decimal one_side;
    int rc = decimal_mul(volume, s->symbols[p->symbol].i.commission, DECIMAL_UP, &one_side);
    if (rc == 0)
        rc = decimal_add(one_side, one_side, &one_side);
    return rc != 0 ? rc : decimal_neg(one_side, out);
}

int sim_swap(const struct sim *s, const struct sim_position *p, int nights, decimal *out)
{
    const struct sim_symbol *x = &s->symbols[p->symbol];
    decimal each = p->side == SIDE_BUY ? x->terms.swap_buy : x->terms.swap_sell;
    decimal point = instrument_price(&x->i, 1), amount;
    bool pips = x->terms.swap_type == SIM_SWAP_PIPS;
    if (pips && (x->i.price_digits == 3 || x->i.price_digits == 5))
        point.v *= 10;
    int rc = decimal_mul(point, x->i.contract_size, DECIMAL_FLOOR, &amount);
    if (rc == 0)
        rc = decimal_mul(amount, p->volume, DECIMAL_FLOOR, &amount);
    if (rc == 0)
        rc = decimal_mul(amount, each, DECIMAL_FLOOR, &amount);
    if (rc == 0)
        rc = decimal_mul(amount, decimal_int(nights), DECIMAL_FLOOR, &amount);
    if (rc == 0)
        rc = sim_convert(s, amount, x->i.quote, sim_account_at(s, p->account)->currency,
                         amount.v > 0, DECIMAL_FLOOR, &amount);
    return rc == 0 ? decimal_to_places(amount, SIM_MONEY_DIGITS, DECIMAL_HALF_EVEN, out) : rc;
}

int sim_share(decimal amount, decimal volume, decimal whole, decimal *out)
{
    if (volume.v == whole.v) {
        *out = amount;
        return 0;
    }
    wide cents = DECIMAL_ONE;
    for (int k = 0; k < SIM_MONEY_DIGITS; k++)
        cents /= 10;
    /* One rounding only: to the nearest cent, ties to even. */
    wide product = (wide)amount.v * volume.v, unit = (wide)whole.v * cents;
    wide share = product / unit, rest = product % unit;
    wide twice = 2 * (rest < 0 ? -rest : rest);
    if (twice > unit || (twice == unit && share % 2 != 0))
        share += product < 0 ? -1 : 1;
    *out = decimal_raw((int64_t)(share * cents));
    return 0;
}

bool sim_level_reached(const struct sim_money *m, decimal level)
{
    return m->margin.v > 0 && (wide)m->equity.v * 100 * DECIMAL_ONE <= (wide)level.v * m->margin.v;
}

int sim_margin(const struct sim *s, const struct sim_account *a, int symbol, decimal volume,
               decimal price, decimal *out)
{
    const struct instrument *i = &s->symbols[symbol].i;
    int32_t leverage = a->leverage;
    int64_t points;
    decimal notional;
    if (i->leverage > 0 && i->leverage < leverage)
        leverage = i->leverage;
    int rc = instrument_to_points(i, price, DECIMAL_HALF_EVEN, &points);
    if (rc == 0)
        rc = instrument_notional(i, volume, points, &notional);
    if (rc == 0)
        rc = decimal_div(notional, decimal_int(leverage), DECIMAL_CEIL, &notional);
    if (rc != 0)
        return rc;
    return sim_convert(s, notional, i->quote, a->currency, false, DECIMAL_CEIL, out);
}

int sim_position_value(const struct sim *s, const struct sim_position *p, decimal *price,
                       decimal *profit, decimal *commission)
{
    const struct sim_symbol *x = &s->symbols[p->symbol];
    *price = p->side == SIDE_BUY ? x->q.bid : x->q.ask;
    int rc = sim_profit(s, p, p->volume, *price, profit);
    if (rc == 0)
        rc = sim_commission(s, p, p->volume, commission);
    return rc;
}

static int add_position(const struct sim *s, const struct sim_account *a,
                        const struct sim_position *p, struct sim_money *m)
{
    decimal price, profit, commission, margin;
    int rc = sim_position_value(s, p, &price, &profit, &commission);
    if (rc == 0)
        rc = sim_margin(s, a, p->symbol, p->volume, p->price, &margin);
    if (rc == 0)
        rc = decimal_add(m->margin, margin, &m->margin);
    if (rc == 0)
        rc = decimal_add(m->profit, profit, &m->profit);
    if (rc == 0)
        rc = decimal_add(m->net_profit, profit, &m->net_profit);
    if (rc == 0)
        rc = decimal_add(m->net_profit, commission, &m->net_profit);
    return rc == 0 ? decimal_add(m->net_profit, p->swap, &m->net_profit) : rc;
}

int sim_money(const struct sim *s, int account, struct sim_money *out)
{
    const struct sim_account *a = sim_account_at(s, account);
    *out = (struct sim_money){0};
    if (a == NULL)
        return ERR_NOTFOUND;
    struct sim_money m = {.balance = a->balance, .credit = a->credit};
    uint32_t left = a->positions;
    int rc = 0;
    for (size_t k = 0; rc == 0 && left > 0 && k < s->positions.count; k++) {
        const struct sim_position *p = s->positions.at[k];
        if (p->account != account)
            continue;
        rc = add_position(s, a, p, &m);
        left--;
    }
    if (rc == 0)
        rc = decimal_add(m.balance, m.net_profit, &m.equity);
    if (rc == 0)
        rc = decimal_add(m.equity, m.credit, &m.equity);
    if (rc == 0)
        rc = decimal_sub(m.equity, m.margin, &m.free_margin);
    if (rc == 0 && m.margin.v > 0) {
        decimal ratio;
        rc = decimal_mul(m.equity, decimal_int(100), DECIMAL_FLOOR, &ratio);
        if (rc == 0)
            rc = decimal_div(ratio, m.margin, DECIMAL_FLOOR, &m.level);
    }
    if (rc == 0) {
        m.margin_call =
            s->model.margin_call_level.v > 0 && sim_level_reached(&m, s->model.margin_call_level);
        *out = m;
    }
    return rc;
}
