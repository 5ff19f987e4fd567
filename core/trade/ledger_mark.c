/* SPDX-License-Identifier: MIT
 *
 * Marks and money: newest quotes, what positions are worth by them, conversion, equity and margin.
 * Nothing here is folded. Rates are doubles (they come from quotes); amounts are decimals, rounded
 * against us: gains and equity down, margin up.
 */
#include "trade/ledger.h"

#include <math.h>
#include <string.h>

#include "trade/ledger_impl.h"

#define PIVOT "USD" /* the currency that crosses go through */

/* The first marked instrument of a pair at a venue; NULL: none. */
static const struct ledger_instrument *pair(const struct ledger *l, const char *venue,
                                            const char *base, const char *quote)
{
    const char *parts[] = {venue, base, quote};
    char key[96];
    size_t n = 0;
    for (int k = 0; k < 3; k++) {
        size_t len = strnlen(parts[k], 31);
        memcpy(key + n, parts[k], len);
        n += len;
        key[n++] = '\0';
    }
    uint64_t first;
    if (!map_get(l->pairs, key, n, &first))
        return NULL;
    for (int k = (int)first; k >= 0;) {
        const struct ledger_instrument *x = l->instruments.at[k];
        if (x->marked)
            return x;
        k = x->next_pair;
    }
    return NULL;
}

/* receive: we get `from` and sell it; else we owe it and must buy it. */
static bool direct(const struct ledger *l, const char *venue, const char *from, const char *to,
                   bool receive, double *rate)
{
    if (strcmp(from, to) == 0) {
        *rate = 1.0;
        return true;
    }
    const struct ledger_instrument *x = pair(l, venue, from, to);
    if (x != NULL) {
        *rate = receive ? x->bid : x->ask;
        return true;
    }
    x = pair(l, venue, to, from);
    if (x != NULL) {
        *rate = 1.0 / (receive ? x->ask : x->bid);
        return true;
    }
    return false;
}

static bool convert(const struct ledger *l, const char *venue, const char *from, const char *to,
                    bool receive, double *rate)
{
    double first, second;
    if (direct(l, venue, from, to, receive, rate))
        return true;
    if (!direct(l, venue, from, PIVOT, receive, &first) ||
        !direct(l, venue, PIVOT, to, receive, &second))
        return false;
    *rate = first * second;
    return true;
}

static int convert_or_say(const struct ledger *l, const char *venue, const char *from,
                          const char *to, bool receive, double *rate, struct err *e)
{
    if (convert(l, venue, from, to, receive, rate))
        return 0;
    return err_set(e, ERR_NOTFOUND,
                   "%s has quoted no pair that converts %s to %s; add the pair to what is watched",
                   venue, from, to);
}

int ledger_convert(const struct ledger *l, const char *venue, const char *from, const char *to,
                   double *rate, struct err *e)
{
    return convert_or_say(l, venue, from, to, true, rate, e);
}

int ledger_convert_cost(const struct ledger *l, const char *venue, const char *from, const char *to,
                        double *rate, struct err *e)
{
    return convert_or_say(l, venue, from, to, false, rate, e);
}

/* amount * rate, rounded by `up` or down (towards plus and minus infinity). */
static int times(decimal amount, double rate, bool up, decimal *out)
{
    double x = (double)amount.v * rate;
    x = up ? ceil(x) : floor(x);
    if (!(fabs(x) < 9.2e18))
        return ERR_OVERFLOW;
    *out = decimal_raw((int64_t)x);
    return 0;
}

/* Amount of the position's quote currency in the account's. */
static int to_account(const struct ledger *l, const struct account *a, const struct instrument *i,
                      decimal amount, bool receive, bool up, decimal *out)
{
    double rate;
    if (strcmp(i->quote, a->currency) == 0) {
        *out = amount;
        return 0;
    }
    if (!convert(l, i->venue, i->quote, a->currency, receive, &rate))
        return ERR_NOTFOUND;
    return times(amount, rate, up, out);
}

void ledger_position_value(const struct ledger *l, struct position *p)
{
    const struct instrument *i = ledger_instrument_at(l, p->instrument);
    decimal quote;
    p->rated =
        p->marked && instrument_profit(i, p->side, p->volume, p->price, p->mark, &quote) == 0 &&
        to_account(l, ledger_account_at(l, p->account), i, quote, quote.v > 0, false, &p->profit) ==
            0;
    if (!p->rated)
        p->profit = decimal_raw(0);
}

void ledger_position_first_mark(const struct ledger *l, struct position *p)
{
    const struct ledger_instrument *x = ledger_instrument_mut(l, p->instrument);
    double price = p->side == SIDE_BUY ? x->bid : x->ask;
    p->marked =
        x->marked && instrument_points_of_double(&x->i, price, DECIMAL_HALF_EVEN, &p->mark) == 0;
    ledger_position_value(l, p);
}

/* Is the mark past the stop or the target? */
static bool past(const struct position *p)
{
    if (p->side == SIDE_BUY)
        return (p->stop != 0 && p->mark <= p->stop) || (p->target != 0 && p->mark >= p->target);
    return (p->stop != 0 && p->mark >= p->stop) || (p->target != 0 && p->mark <= p->target);
}

static bool among(const char *currency, const char *a, const char *b)
{
    return strcmp(currency, a) == 0 || strcmp(currency, b) == 0 || strcmp(currency, PIVOT) == 0;
}

/* A pair has a new rate: values every position whose profit it may convert. */
static void revalue(struct ledger *l, const struct ledger_instrument *x)
{
    for (size_t k = 0; k < l->positions.count; k++) {
        struct position *p = l->positions.at[k];
        const struct instrument *i = ledger_instrument_at(l, p->instrument);
        const char *currency = ledger_account_at(l, p->account)->currency;
        if (i != &x->i && strcmp(i->quote, currency) != 0 && strcmp(i->venue, x->i.venue) == 0 &&
            among(x->i.base, i->quote, currency) && among(x->i.quote, i->quote, currency))
            ledger_position_value(l, p);
    }
}

static int mark_positions(struct ledger *l, struct ledger_instrument *x,
                          void (*crossed)(void *arg, const struct position *p), void *arg)
{
    int count = 0;
    int64_t bid, ask;
    if (instrument_points_of_double(&x->i, x->bid, DECIMAL_HALF_EVEN, &bid) != 0 ||
        instrument_points_of_double(&x->i, x->ask, DECIMAL_HALF_EVEN, &ask) != 0)
        return 0;
    for (size_t k = 0; k < x->positions.count; k++) {
        struct position *p = x->positions.at[k];
        p->mark = p->side == SIDE_BUY ? bid : ask;
        p->marked = true;
        ledger_position_value(l, p);
        bool was = p->beyond;
        p->beyond = past(p);
        if (p->beyond && !was) {
            count++;
            if (crossed != NULL)
                crossed(arg, p);
        }
    }
    return count;
}

int ledger_mark(struct ledger *l, const char *venue, const char *canonical, double bid, double ask,
                void (*crossed)(void *arg, const struct position *p), void *arg)
{
    if (!(bid > 0.0) || !(ask >= bid) || !isfinite(ask))
        return 0;
    int first = ledger_instrument_canonical(l, venue, canonical), count = 0;
    for (int k = first; k >= 0; k = ledger_instrument_mut(l, k)->next_canonical) {
        struct ledger_instrument *x = ledger_instrument_mut(l, k);
        x->bid = bid;
        x->ask = ask;
        x->marked = true;
    }
    for (int k = first; k >= 0; k = ledger_instrument_mut(l, k)->next_canonical)
        count += mark_positions(l, ledger_instrument_mut(l, k), crossed, arg);
    if (first >= 0)
        revalue(l, ledger_instrument_mut(l, first));
    return count;
}

bool ledger_rate_quote(const struct ledger *l, const char *venue, const char *canonical,
                       double *bid, double *ask)
{
    const struct ledger_instrument *x =
        ledger_instrument_mut(l, ledger_instrument_canonical(l, venue, canonical));
    if (x == NULL || !x->marked)
        return false;
    *bid = x->bid;
    *ask = x->ask;
    return true;
}

bool ledger_equity(const struct ledger *l, int account, decimal *equity)
{
    const struct ledger_account *x = ledger_account_mut(l, account);
    if (x == NULL) {
        *equity = decimal_raw(0);
        return false;
    }
    decimal sum = x->a.balance;
    bool known = x->a.have_balance;
    for (size_t k = 0; known && k < x->positions.count; k++) {
        const struct position *p = x->positions.at[k];
        known = p->marked && p->rated && decimal_add(sum, p->profit, &sum) == 0;
    }
    *equity = known ? sum : x->a.equity;
    return known;
}

/* Adds what `volume` at `price` binds. */
static int add_margin(const struct ledger *l, const struct account *a, int instrument,
                      decimal volume, int64_t price, decimal *sum, struct err *e)
{
    const struct instrument *i = ledger_instrument_at(l, instrument);
    int32_t leverage = a->leverage;
    if (i->leverage > 0 && (leverage <= 0 || i->leverage < leverage))
        leverage = i->leverage;
    if (leverage <= 0)
        leverage = 1;
    decimal amount;
    int rc = instrument_notional(i, volume, price, &amount);
    if (rc == 0)
        rc = to_account(l, a, i, amount, false, true, &amount);
    if (rc == ERR_NOTFOUND)
        return err_set(e, rc, "margin of account %s: %s has quoted no pair that converts %s to %s",
                       a->id, i->venue, i->quote, a->currency);
    if (rc == 0) {
        amount.v = amount.v / leverage + (amount.v % leverage != 0);
        rc = decimal_add(*sum, amount, sum);
    }
    return rc == 0 ? 0 : err_set(e, rc, "margin of account %s is out of range", a->id);
}

int ledger_margin(const struct ledger *l, int account, decimal *margin, struct err *e)
{
    const struct ledger_account *x = ledger_account_mut(l, account);
    if (x == NULL)
        return err_set(e, ERR_NOTFOUND, "margin: there is no account %d", account);
    decimal sum = decimal_raw(0);
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < x->positions.count; k++) {
        const struct position *p = x->positions.at[k];
        rc = add_margin(l, &x->a, p->instrument, p->volume, p->price, &sum, e);
    }
    for (size_t k = 0; rc == 0 && k < x->resting.count; k++) {
        const struct pending *p = x->resting.at[k];
        rc = add_margin(l, &x->a, p->instrument, p->volume, p->price, &sum, e);
    }
    for (size_t k = 0; rc == 0 && x->entries > 0 && k < l->pending.count; k++) {
        const struct order *o = l->pending.at[k];
        if (order_enters(o->op) && o->account == account)
            rc = add_margin(l, &x->a, o->instrument, o->volume, o->price, &sum, e);
    }
    if (rc == 0)
        *margin = sum;
    return rc;
}
