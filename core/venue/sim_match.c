/* SPDX-License-Identifier: MIT
 *
 * What the broker executes by itself when quotes move: stops and targets, pending orders, margin
 * calls and stop-outs. Nothing of a symbol is executed while its session is closed; the first quote
 * of the next session finds it.
 *
 * At one quote, positions come first: what they free can pay for a pending order. A position that a
 * pending order became is looked at from the next quote on.
 */
#include <math.h>
#include <string.h>

#include "venue/sim_impl.h"

/* Has the quote reached stop or target? Gives price and reason. A stop is executed at the quote
 * that reached it, so a gap costs; a target exactly at its level. */
static bool reached(const struct sim_position *p, const struct sim_quote *q, decimal *price,
                    const char **reason)
{
    bool buy = p->side == SIDE_BUY;
    decimal now = buy ? q->bid : q->ask;
    if (p->stop.v != 0 && (buy ? now.v <= p->stop.v : now.v >= p->stop.v)) {
        *price = now;
        *reason = "stop";
        return true;
    }
    if (p->target.v != 0 && (buy ? now.v >= p->target.v : now.v <= p->target.v)) {
        *price = p->target;
        *reason = "target";
        return true;
    }
    return false;
}

static int close_by_broker(struct sim *s, struct sim_position *p, decimal price, const char *reason,
                           struct err *e)
{
    struct sim_closed closed;
    int rc = sim_close_at(s, SIM_BROKER, p, p->volume, price, reason, &closed, e);
    if (rc == 0 && s->feed.on_closed != NULL)
        s->feed.on_closed(s->feed.arg, &closed);
    return rc;
}

int sim_match(struct sim *s, int symbol, struct err *e)
{
    const struct sim_symbol *x = &s->symbols[symbol];
    if (s->silent || x->orders == 0 || !x->quoted || s->ended || !sim_hours_open(x, s->now))
        return 0;
    for (size_t k = 0; k < s->positions.count;) {
        struct sim_position *p = s->positions.at[k];
        decimal price;
        const char *reason;
        if (p->symbol != symbol || !reached(p, &x->q, &price, &reason)) {
            k++;
            continue;
        }
        int rc = close_by_broker(s, p, price, reason, e); /* it is gone from the list now */
        if (rc != 0)
            return rc;
    }
    return s->pendings.count > 0 ? sim_trigger(s, symbol, e) : 0;
}

/* Margin levels */

/* Closes the open position that loses most, of those that can be closed now. *closed: false when
 * there is none. */
static int close_worst(struct sim *s, int account, bool *closed, struct err *e)
{
    struct sim_position *worst = NULL;
    decimal least = {0}, at = {0};
    *closed = false;
    for (size_t k = 0; k < s->positions.count; k++) {
        struct sim_position *p = s->positions.at[k];
        decimal price, profit, commission, net;
        if (p->account != account || sim_check_market(s, p->symbol) != SIM_OK)
            continue;
        if (sim_position_value(s, p, &price, &profit, &commission) != 0 ||
            decimal_add(profit, commission, &net) != 0 || decimal_add(net, p->swap, &net) != 0)
            return err_set(e, ERR_OVERFLOW, "simulator: the profit of %s is out of range", p->id);
        if (worst == NULL || net.v < least.v) {
            worst = p;
            least = net;
            at = price;
        }
    }
    if (worst == NULL)
        return 0;
    *closed = true;
    return close_by_broker(s, worst, at, "stop_out", e);
}

static int watch_account(struct sim *s, int account, struct err *e)
{
    struct sim_client *c = sim_client_at(s, account);
    struct sim_money m;
    for (;;) {
        if (sim_money(s, account, &m) != 0)
            return err_set(e, ERR_OVERFLOW, "simulator: the money of account %s is out of range",
                           c->a.id);
        if (m.margin_call && !c->called && s->feed.on_margin_call != NULL)
            s->feed.on_margin_call(s->feed.arg, account, &m);
        c->called = m.margin_call;
        bool closed;
        if (s->model.stop_out_level.v == 0 || !sim_level_reached(&m, s->model.stop_out_level))
            return 0;
        int rc = close_worst(s, account, &closed, e);
        if (rc != 0 || !closed)
            return rc;
    }
}

/* Sums up each account in doubles: equity, margin, and how much the estimate may be off. */
static void estimate(struct sim *s)
{
    double dollars[SIM_SYMBOLS]; /* of one unit of the symbol's quote currency */
    for (int k = 0; k < SIM_SYMBOLS; k++)
        dollars[k] = sim_rate(s, s->symbols[k].i.quote, "USD");
    for (size_t k = 0; k < s->accounts.count; k++) {
        struct sim_client *c = sim_client_at(s, (int)k);
        c->rate = c->a.positions > 0 ? sim_rate(s, "USD", c->a.currency) : 0.0;
        c->equity = decimal_to_double(c->a.balance) + decimal_to_double(c->a.credit);
        c->spread = fabs(c->equity);
        c->margin = 0.0;
    }
    for (size_t k = 0; k < s->positions.count; k++) {
        const struct sim_position *p = s->positions.at[k];
        const struct sim_symbol *x = &s->symbols[p->symbol];
        struct sim_client *c = sim_client_at(s, p->account);
        double open = decimal_to_double(p->price), volume = decimal_to_double(p->volume);
        double units =
            volume * decimal_to_double(x->i.contract_size) * dollars[p->symbol] * c->rate;
        double now = decimal_to_double(p->side == SIDE_BUY ? x->q.bid : x->q.ask);
        double profit = p->side == SIDE_BUY ? units * (now - open) : units * (open - now);
        double costs =
            decimal_to_double(p->swap) - 2.0 * volume * decimal_to_double(x->i.commission);
        int32_t leverage =
            x->i.leverage > 0 && x->i.leverage < c->a.leverage ? x->i.leverage : c->a.leverage;
        c->equity += profit + costs;
        c->spread += fabs(profit) + fabs(costs);
        c->margin += units * open / leverage;
    }
}

/* Exact sums over all accounts at each quote would cost more than the market itself. An estimate
 * finds the accounts that may have reached a level; it takes conversions by the middle, so it is
 * believed only within a hundredth of what was added up. */
int sim_watch(struct sim *s, struct err *e)
{
    double call = decimal_to_double(s->model.margin_call_level);
    double out = decimal_to_double(s->model.stop_out_level), level = call > out ? call : out;
    int first = 0;
    if (s->silent || s->ended || s->positions.count == 0 || level <= 0.0)
        return 0;
    estimate(s);
    for (size_t k = 0; k < s->accounts.count; k++) {
        struct sim_client *c = sim_client_at(s, (int)k);
        double safe = (c->equity - 0.01 * c->spread) * 100.0;
        if (c->a.positions == 0 || (safe > level * c->margin * 1.01 && !c->called))
            continue;
        struct err later;
        int rc = watch_account(s, (int)k, first == 0 ? e : &later);
        first = first == 0 ? rc : first;
    }
    return first;
}
