/* SPDX-License-Identifier: MIT
 *
 * The book: accounts, hedged positions, and what is executed. Each change is a row that is checked,
 * written, and then applied by sim_book_apply, the same function that folds the file at a start.
 *
 * Fills: a market order at the ask (BUY) or bid (SELL); closes the other way round. A stop is
 * executed at the quote that reached it, so a gap costs; a target exactly at its level.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "venue/sim_impl.h"

void *sim_list_add(struct sim_list *list, size_t size)
{
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 32 : list->cap * 2;
        void **at = realloc(list->at, cap * sizeof *at);
        if (at == NULL)
            return NULL;
        list->at = at;
        list->cap = cap;
    }
    void *item = calloc(1, size);
    if (item != NULL)
        list->at[list->count++] = item;
    return item;
}

void sim_list_remove(struct sim_list *list, const void *item)
{
    for (size_t k = 0; k < list->count; k++) {
        if (list->at[k] == item) {
            free(list->at[k]);
            list->count--;
            memmove(list->at + k, list->at + k + 1, (list->count - k) * sizeof *list->at);
            return;
        }
    }
}

void sim_list_fini(struct sim_list *list)
{
    for (size_t k = 0; k < list->count; k++)
        free(list->at[k]);
    free(list->at);
    *list = (struct sim_list){0};
}

static const struct {
    const char *code, *text;
} reasons[] = {
    [SIM_OK] = {"OK", ""},
    [SIM_UNKNOWN_INSTRUMENT] = {"UNKNOWN_INSTRUMENT", "Unknown instrument"},
    [SIM_NO_QUOTE] = {"MARKET_CLOSED", "Market is closed"},
    [SIM_VOLUME] = {"INVALID_VOLUME", "Invalid volume"},
    [SIM_STOPS_SIDE] = {"INVALID_STOPS", "Stop loss or take profit on the wrong side of the price"},
    [SIM_STOPS_LEVEL] = {"STOPS_TOO_CLOSE", "Stop loss or take profit too close to the price"},
    [SIM_MARGIN] = {"NOT_ENOUGH_MONEY", "Not enough money"},
    [SIM_UNKNOWN_ID] = {"POSITION_NOT_FOUND", "Position not found"},
    [SIM_SIDE] = {"SIDE_MISMATCH", "Order side does not match the position"},
    [SIM_INSTRUMENT] = {"INSTRUMENT_MISMATCH", "Instrument does not match the position"},
    [SIM_PARTIAL] = {"INVALID_PARTIAL_VOLUME", "Volume must be below the volume of the position"},
};

const char *sim_reason_text(enum sim_reason reason)
{
    return (unsigned)reason <= SIM_PARTIAL ? reasons[reason].text : "";
}

const char *sim_reason_code(enum sim_reason reason)
{
    return (unsigned)reason <= SIM_PARTIAL ? reasons[reason].code : "";
}

void sim_format_id(const struct sim *s, uint64_t seq, char *id)
{
    snprintf(id, 32, "W%016" PRIu64, s->id_base + seq);
}

/* Lookups */

int sim_account(const struct sim *s, const char *id)
{
    uint64_t index;
    return map_get(s->account_ids, id, strlen(id), &index) ? (int)index : -1;
}

int sim_account_count(const struct sim *s)
{
    return (int)s->accounts.count;
}

const struct sim_account *sim_account_at(const struct sim *s, int account)
{
    return account < 0 || (size_t)account >= s->accounts.count ? NULL : s->accounts.at[account];
}

static struct sim_position *find_position(const struct sim *s, int account, const char *id)
{
    uint64_t value;
    if (!map_get(s->position_ids, id, strlen(id), &value))
        return NULL;
    struct sim_position *p = (struct sim_position *)(uintptr_t)value;
    return p->account == account ? p : NULL;
}

const struct sim_position *sim_position(const struct sim *s, int account, const char *id)
{
    return find_position(s, account, id);
}

const struct sim_position *sim_position_next(const struct sim *s, int account, size_t *cursor)
{
    while (*cursor < s->positions.count) {
        const struct sim_position *p = s->positions.at[(*cursor)++];
        if (account < 0 || p->account == account)
            return p;
    }
    return NULL;
}

const struct sim_closed *sim_closed_next(const struct sim *s, int account, int64_t from_ms,
                                         int64_t to_ms, size_t *cursor)
{
    if (*cursor == 0) { /* rows are in order of time: skip what is older by halves */
        size_t low = 0, high = s->closed.count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (((struct sim_closed *)s->closed.at[middle])->closed_ms < from_ms)
                low = middle + 1;
            else
                high = middle;
        }
        *cursor = low;
    }
    while (*cursor < s->closed.count) {
        const struct sim_closed *c = s->closed.at[(*cursor)++];
        if (c->closed_ms > to_ms)
            return NULL;
        if (c->account == account && c->closed_ms >= from_ms)
            return c;
    }
    return NULL;
}

/* The fold */

static int wrong(const struct sim_row *row, struct err *e, const char *what)
{
    return err_set(e, ERR_INPUT, "row %" PRIu64 " (%s) contradicts the book: %s", row->seq, row->op,
                   what);
}

static int apply_account(struct sim *s, const struct sim_row *row, struct err *e)
{
    if (row->account[0] == '\0' || sim_account(s, row->account) >= 0)
        return wrong(row, e, "the account exists already");
    if (map_put(s->account_ids, row->account, strlen(row->account), s->accounts.count) != 0)
        return err_set(e, ERR_NOMEM, "simulator: out of memory");
    struct sim_account *a = sim_list_add(&s->accounts, sizeof *a);
    if (a == NULL)
        return err_set(e, ERR_NOMEM, "simulator: out of memory");
    memcpy(a->id, row->account, sizeof a->id);
    memcpy(a->user, row->reason, sizeof a->user);
    snprintf(a->currency, sizeof a->currency, "%.7s", row->symbol);
    a->leverage = (int32_t)(row->volume.v / DECIMAL_ONE);
    a->balance = row->balance;
    return 0;
}

static int apply_open(struct sim *s, const struct sim_row *row, struct err *e)
{
    int account = sim_account(s, row->account), symbol = sim_symbol(s, row->symbol);
    enum side side;
    if (account < 0 || symbol < 0 || side_parse(row->side, &side) != 0 || row->volume.v <= 0)
        return wrong(row, e, "account, symbol, side or volume");
    if (map_get(s->position_ids, row->position, strlen(row->position), &(uint64_t){0}))
        return wrong(row, e, "the position exists already");
    struct sim_position *p = sim_list_add(&s->positions, sizeof *p);
    if (p == NULL ||
        map_put(s->position_ids, row->position, strlen(row->position), (uint64_t)(uintptr_t)p) != 0)
        return err_set(e, ERR_NOMEM, "simulator: out of memory");
    memcpy(p->id, row->position, sizeof p->id);
    p->account = account;
    p->symbol = symbol;
    p->side = side;
    p->volume = row->volume;
    p->price = row->price;
    p->stop = row->stop;
    p->target = row->target;
    p->opened_ms = row->time_ms;
    ((struct sim_account *)s->accounts.at[account])->positions++;
    return 0;
}

static void fill_closed(const struct sim *s, const struct sim_row *row,
                        const struct sim_position *p, struct sim_closed *c)
{
    memcpy(c->id, p->id, sizeof c->id);
    memcpy(c->uid, row->uid, sizeof c->uid);
    sim_format_id(s, row->seq, c->order);
    c->account = p->account;
    c->symbol = p->symbol;
    c->side = p->side;
    c->volume = row->volume;
    c->open_price = p->price;
    c->close_price = row->price;
    c->stop = p->stop;
    c->target = p->target;
    c->profit = row->profit;
    c->commission = row->commission;
    c->swap = row->swap;
    c->balance = row->balance;
    c->opened_ms = p->opened_ms;
    c->closed_ms = row->time_ms;
    c->partial = row->volume.v < p->volume.v;
    snprintf(c->reason, sizeof c->reason, "%.15s", row->reason);
}

static int new_balance(const struct sim_account *a, const struct sim_row *row, decimal *out)
{
    int rc = decimal_add(a->balance, row->profit, out);
    if (rc == 0)
        rc = decimal_add(*out, row->commission, out);
    return rc == 0 ? decimal_add(*out, row->swap, out) : rc;
}

static int apply_close(struct sim *s, const struct sim_row *row, struct sim_closed *out,
                       struct err *e)
{
    struct sim_position *p = find_position(s, sim_account(s, row->account), row->position);
    if (p == NULL)
        return wrong(row, e, "the position is unknown");
    struct sim_account *a = s->accounts.at[p->account];
    bool partial = strcmp(row->op, "close_partial") == 0;
    decimal balance;
    if (row->volume.v <= 0 ||
        (partial ? row->volume.v >= p->volume.v : row->volume.v != p->volume.v))
        return wrong(row, e, "the volume");
    if (new_balance(a, row, &balance) != 0 || balance.v != row->balance.v)
        return wrong(row, e, "the balance");
    struct sim_closed *c = sim_list_add(&s->closed, sizeof *c);
    if (c == NULL)
        return err_set(e, ERR_NOMEM, "simulator: out of memory");
    fill_closed(s, row, p, c);
    if (out != NULL)
        *out = *c;
    a->balance = balance;
    p->closes++;
    p->volume.v -= row->volume.v;
    if (!partial) {
        a->positions--;
        map_remove(s->position_ids, p->id, strlen(p->id));
        sim_list_remove(&s->positions, p);
    }
    return 0;
}

int sim_book_apply(struct sim *s, const struct sim_row *row, struct sim_closed *out, struct err *e)
{
    int rc;
    if (strcmp(row->op, "account") == 0) {
        rc = apply_account(s, row, e);
    } else if (strcmp(row->op, "open") == 0) {
        rc = apply_open(s, row, e);
    } else if (strcmp(row->op, "edit") == 0) {
        struct sim_position *p = find_position(s, sim_account(s, row->account), row->position);
        rc = p == NULL ? wrong(row, e, "the position is unknown") : 0;
        if (p != NULL) {
            p->stop = row->stop;
            p->target = row->target;
        }
    } else if (strcmp(row->op, "close") == 0 || strcmp(row->op, "close_partial") == 0) {
        rc = apply_close(s, row, out, e);
    } else {
        rc = wrong(row, e, "unknown operation");
    }
    if (rc == 0) {
        s->seq = row->seq;
        s->newest_ms = row->time_ms;
    }
    return rc;
}

/* Writes a row and applies it. */
static int execute(struct sim *s, struct sim_row *row, struct sim_closed *out, struct err *e)
{
    row->seq = s->seq + 1;
    row->time_ms = s->now;
    int rc = sim_ledger_write(s, row, e);
    return rc != 0 ? rc : sim_book_apply(s, row, out, e);
}

/* Accounts */

static bool plain_text(const char *text, size_t size)
{
    size_t n = strnlen(text, size);
    for (size_t k = 0; k < n; k++)
        if (text[k] == ',' || text[k] == '"' || (unsigned char)text[k] < 0x20)
            return false;
    return n < size;
}

int sim_account_add(struct sim *s, const struct sim_account *a, struct err *e)
{
    if (a->id[0] == '\0' || !plain_text(a->id, sizeof a->id) ||
        !plain_text(a->user, sizeof a->user) || !plain_text(a->currency, sizeof a->currency))
        return err_set(e, ERR_INPUT,
                       "simulator: account id, user and currency must be short plain text");
    if (a->leverage <= 0 || a->balance.v < 0)
        return err_set(e, ERR_INPUT,
                       "simulator: account %s needs a leverage above 0 and no negative balance",
                       a->id);
    decimal one;
    if (sim_convert(s, decimal_int(1), "USD", a->currency, true, DECIMAL_FLOOR, &one) != 0)
        return err_set(e, ERR_INPUT,
                       "simulator: account %s: no pair converts %s; use one of USD, "
                       "EUR, GBP, AUD, NZD, JPY, CHF, CAD, PLN",
                       a->id, a->currency);
    int index = sim_account(s, a->id);
    if (index >= 0) {
        const struct sim_account *old = sim_account_at(s, index);
        if (strcmp(old->currency, a->currency) != 0 || strcmp(old->user, a->user) != 0)
            return err_set(e, ERR_EXISTS,
                           "simulator: account %s exists with another user or currency", a->id);
        return index;
    }
    struct sim_row row = {.volume = decimal_int(a->leverage), .balance = a->balance};
    memcpy(row.account, a->id, sizeof row.account);
    strcpy(row.op, "account");
    snprintf(row.symbol, sizeof row.symbol, "%s", a->currency);
    memcpy(row.reason, a->user, sizeof row.reason);
    int rc = execute(s, &row, NULL, e);
    return rc != 0 ? rc : (int)s->accounts.count - 1;
}

/* Orders */

static int refuse(enum sim_reason reason, enum sim_reason *why, struct err *e)
{
    *why = reason;
    return err_set(e, ERR_STATE, "%s", sim_reason_text(reason));
}

/* Stop and target against the price at which the position would be closed now, all in points. */
static enum sim_reason check_stops(const struct sim_symbol *x, enum side side, decimal stop,
                                   decimal target, struct sim_row *row)
{
    int64_t price = side == SIDE_BUY ? x->bid : x->ask, s, t;
    if (stop.v < 0 || target.v < 0 ||
        instrument_to_points(&x->i, stop, DECIMAL_HALF_EVEN, &s) != 0 ||
        instrument_to_points(&x->i, target, DECIMAL_HALF_EVEN, &t) != 0)
        return SIM_STOPS_SIDE;
    int64_t loss = side == SIDE_BUY ? price - s : s - price;
    int64_t gain = side == SIDE_BUY ? t - price : price - t;
    if ((s != 0 && loss <= 0) || (t != 0 && gain <= 0))
        return SIM_STOPS_SIDE;
    if ((s != 0 && loss < x->i.stops_level) || (t != 0 && gain < x->i.stops_level))
        return SIM_STOPS_LEVEL;
    row->stop = instrument_price(&x->i, s);
    row->target = instrument_price(&x->i, t);
    return SIM_OK;
}

static bool enough_money(const struct sim *s, int account, int symbol, decimal volume,
                         decimal price)
{
    struct sim_money money;
    decimal margin;
    return sim_money(s, account, &money) == 0 &&
           sim_margin(s, sim_account_at(s, account), symbol, volume, price, &margin) == 0 &&
           margin.v <= money.free_margin.v;
}

static void fill_row(const struct sim *s, struct sim_row *row, const char *op, int account,
                     const char *symbol, enum side side)
{
    snprintf(row->op, sizeof row->op, "%s", op);
    snprintf(row->symbol, sizeof row->symbol, "%s", symbol);
    snprintf(row->side, sizeof row->side, "%s", side_name(side));
    memcpy(row->account, sim_account_at(s, account)->id, sizeof row->account);
    row->balance = sim_account_at(s, account)->balance;
}

int sim_open(struct sim *s, int account, const char *symbol, enum side side, decimal volume,
             decimal stop, decimal target, char *id, enum sim_reason *why, struct err *e)
{
    int index = sim_symbol(s, symbol);
    struct sim_row row = {.volume = volume};
    *why = SIM_OK;
    if (sim_account_at(s, account) == NULL)
        return err_set(e, ERR_NOTFOUND, "simulator: no account %d", account);
    if (index < 0)
        return refuse(SIM_UNKNOWN_INSTRUMENT, why, e);
    const struct sim_symbol *x = &s->symbols[index];
    if (!x->quoted || s->ended)
        return refuse(SIM_NO_QUOTE, why, e);
    if (!instrument_volume_ok(&x->i, volume))
        return refuse(SIM_VOLUME, why, e);
    enum sim_reason bad = check_stops(x, side, stop, target, &row);
    if (bad != SIM_OK)
        return refuse(bad, why, e);
    row.price = side == SIDE_BUY ? x->q.ask : x->q.bid;
    if (!enough_money(s, account, index, volume, row.price))
        return refuse(SIM_MARGIN, why, e);
    fill_row(s, &row, "open", account, x->i.symbol, side);
    snprintf(row.reason, sizeof row.reason, "client");
    sim_format_id(s, s->seq + 1, row.position);
    int rc = execute(s, &row, NULL, e);
    if (rc == 0)
        memcpy(id, row.position, sizeof row.position);
    return rc;
}

/* The position that a client names, or why not. */
static enum sim_reason named_position(const struct sim *s, int account, const char *id,
                                      const char *symbol, enum side side, struct sim_position **p)
{
    *p = find_position(s, account, id);
    if (*p == NULL)
        return SIM_UNKNOWN_ID;
    if (strcmp(s->symbols[(*p)->symbol].i.symbol, symbol) != 0)
        return SIM_INSTRUMENT;
    return (*p)->side == side ? SIM_OK : SIM_SIDE;
}

int sim_edit(struct sim *s, int account, const char *id, const char *symbol, enum side side,
             decimal stop, decimal target, enum sim_reason *why, struct err *e)
{
    struct sim_position *p;
    struct sim_row row = {0};
    *why = SIM_OK;
    enum sim_reason bad = named_position(s, account, id, symbol, side, &p);
    if (bad == SIM_OK && s->ended)
        bad = SIM_NO_QUOTE;
    if (bad == SIM_OK)
        bad = check_stops(&s->symbols[p->symbol], side, stop, target, &row);
    if (bad != SIM_OK)
        return refuse(bad, why, e);
    fill_row(s, &row, "edit", account, symbol, side);
    memcpy(row.position, p->id, sizeof row.position);
    row.volume = p->volume;
    row.open_price = p->price;
    snprintf(row.reason, sizeof row.reason, "client");
    return execute(s, &row, NULL, e);
}

static int close_position(struct sim *s, struct sim_position *p, decimal volume, decimal price,
                          const char *reason, struct sim_closed *out, struct err *e)
{
    struct sim_row row = {.volume = volume,
                          .price = price,
                          .open_price = p->price,
                          .stop = p->stop,
                          .target = p->target};
    bool partial = volume.v < p->volume.v;
    fill_row(s, &row, partial ? "close_partial" : "close", p->account,
             s->symbols[p->symbol].i.symbol, p->side);
    memcpy(row.position, p->id, sizeof row.position);
    snprintf(row.uid, sizeof row.uid, "%s_close%" PRIu32, p->id, p->closes + 1);
    snprintf(row.reason, sizeof row.reason, "%s", reason);
    if (sim_profit(s, p, volume, price, &row.profit) != 0 ||
        sim_commission(s, p, volume, &row.commission) != 0 ||
        decimal_to_places(row.profit, SIM_MONEY_DIGITS, DECIMAL_HALF_EVEN, &row.profit) != 0 ||
        decimal_to_places(row.commission, SIM_MONEY_DIGITS, DECIMAL_HALF_EVEN, &row.commission) !=
            0 ||
        new_balance(sim_account_at(s, p->account), &row, &row.balance) != 0)
        return err_set(e, ERR_OVERFLOW, "simulator: the profit of %s is out of range", p->id);
    return execute(s, &row, out, e);
}

int sim_close(struct sim *s, int account, const char *id, const char *symbol, enum side side,
              bool partial, decimal volume, struct sim_closed *out, enum sim_reason *why,
              struct err *e)
{
    struct sim_position *p;
    *why = SIM_OK;
    enum sim_reason bad = named_position(s, account, id, symbol, side, &p);
    if (bad == SIM_OK && !s->symbols[p->symbol].quoted)
        bad = SIM_NO_QUOTE;
    if (bad == SIM_OK && partial && volume.v >= p->volume.v)
        bad = SIM_PARTIAL;
    if (bad == SIM_OK && partial && !instrument_volume_ok(&s->symbols[p->symbol].i, volume))
        bad = SIM_VOLUME;
    if (bad == SIM_OK && !partial && volume.v != p->volume.v && volume.v != 0)
        bad = SIM_VOLUME;
    if (bad != SIM_OK)
        return refuse(bad, why, e);
    const struct sim_quote *q = &s->symbols[p->symbol].q;
    return close_position(s, p, partial ? volume : p->volume, side == SIDE_BUY ? q->bid : q->ask,
                          "client", out, e);
}

/* Has the quote reached stop or target? Gives price and reason. */
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

int sim_book_match(struct sim *s, int symbol, struct err *e)
{
    for (size_t k = 0; k < s->positions.count;) {
        struct sim_position *p = s->positions.at[k];
        decimal price;
        const char *reason;
        struct sim_closed closed;
        if (p->symbol != symbol || !reached(p, &s->symbols[symbol].q, &price, &reason)) {
            k++;
            continue;
        }
        int rc = close_position(s, p, p->volume, price, reason, &closed, e);
        if (rc != 0)
            return rc;
        if (s->feed.on_closed != NULL)
            s->feed.on_closed(s->feed.arg, &closed);
    }
    return 0;
}
