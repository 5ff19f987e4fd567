/* SPDX-License-Identifier: MIT
 *
 * The book's accounts, lookups and words. What changes it is a row: see sim_fold.c.
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

/* Words */

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
    [SIM_SESSION_CLOSED] = {"SESSION_CLOSED", "The trading session of this instrument is closed"},
    [SIM_DISABLED] = {"TRADING_DISABLED", "Trading of this instrument is disabled"},
    [SIM_FROZEN] = {"FROZEN", "The price is too close: the order is frozen"},
    [SIM_PRICE] = {"INVALID_PRICE", "Activation price on the wrong side of the market"},
    [SIM_PRICE_LEVEL] = {"PRICE_TOO_CLOSE", "Activation price too close to the market"},
    [SIM_UNKNOWN_ORDER] = {"ORDER_NOT_FOUND", "Order not found"},
    [SIM_REQUOTE] = {"REQUOTE", "The price has changed"},
    [SIM_OFF_QUOTES] = {"OFF_QUOTES", "There is no price for this order"},
    [SIM_DEALER] = {"DEALER_REJECTED", "Refused by the dealer"},
};
#define REASONS (sizeof reasons / sizeof *reasons)

const char *sim_reason_text(enum sim_reason reason)
{
    return (size_t)reason < REASONS ? reasons[reason].text : "";
}

const char *sim_reason_code(enum sim_reason reason)
{
    return (size_t)reason < REASONS ? reasons[reason].code : "";
}

int sim_reason_parse(const char *code, enum sim_reason *out)
{
    for (size_t k = 1; k < REASONS; k++) {
        if (strcmp(reasons[k].code, code) == 0) {
            *out = (enum sim_reason)k;
            return 0;
        }
    }
    return ERR_INPUT;
}

const char *sim_by_name(enum sim_by by)
{
    return by == SIM_HAND ? "hand" : by == SIM_BROKER ? "broker" : "client";
}

const char *sim_type_name(enum sim_type type)
{
    return type == SIM_STOP ? "STOP" : "LIMIT";
}

int sim_type_parse(const char *text, enum sim_type *out)
{
    if (strcmp(text, "LIMIT") != 0 && strcmp(text, "STOP") != 0)
        return ERR_INPUT;
    *out = text[0] == 'S' ? SIM_STOP : SIM_LIMIT;
    return 0;
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
    return account < 0 || (size_t)account >= s->accounts.count ? NULL
                                                               : &sim_client_at(s, account)->a;
}

struct sim_position *sim_find_position(const struct sim *s, int account, const char *id)
{
    uint64_t value;
    if (!map_get(s->position_ids, id, strlen(id), &value))
        return NULL;
    struct sim_position *p = (struct sim_position *)(uintptr_t)value;
    return p->account == account ? p : NULL;
}

const struct sim_position *sim_position(const struct sim *s, int account, const char *id)
{
    return sim_find_position(s, account, id);
}

struct sim_pending *sim_find_pending(const struct sim *s, int account, const char *id)
{
    uint64_t value;
    if (!map_get(s->pending_ids, id, strlen(id), &value))
        return NULL;
    struct sim_pending *p = (struct sim_pending *)(uintptr_t)value;
    return p->account == account ? p : NULL;
}

const struct sim_pending *sim_pending(const struct sim *s, int account, const char *id)
{
    return sim_find_pending(s, account, id);
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

const struct sim_pending *sim_pending_next(const struct sim *s, int account, size_t *cursor)
{
    while (*cursor < s->pendings.count) {
        const struct sim_pending *p = s->pendings.at[(*cursor)++];
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

size_t sim_row_count(const struct sim *s)
{
    return s->rows.count;
}

const struct sim_row *sim_row_at(const struct sim *s, size_t index)
{
    return index < s->rows.count ? s->rows.at[index] : NULL;
}

/* Ids and chance */

#define ID_EACH 8                         /* ids of one row */
#define ID_ACCOUNT UINT64_C(100000000)    /* ids of one account */
#define ID_BROKER UINT64_C(1000000000000) /* ids of one simulator: 10,000 accounts */

void sim_make_id(const struct sim *s, int account, int kind, char *id)
{
    uint64_t number = s->id_base * ID_BROKER + (uint64_t)account * ID_ACCOUNT +
                      sim_client_at(s, account)->rows * ID_EACH + (uint64_t)kind;
    snprintf(id, 24, "W%016" PRIu64, number);
}

/* A restart goes on with other draws than those that the last rows were made with. */
void sim_seed_client(struct sim *s, struct sim_client *c)
{
    char name[64];
    snprintf(name, sizeof name, "client %s %" PRIu64, c->a.id, c->rows);
    rng_seed_named(&c->chance, s->seed, name);
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

static int check_account(const struct sim *s, const struct sim_account *a, struct err *e)
{
    decimal one;
    if (a->id[0] == '\0' || !plain_text(a->id, sizeof a->id) ||
        !plain_text(a->user, sizeof a->user) || !plain_text(a->currency, sizeof a->currency))
        return err_set(e, ERR_INPUT,
                       "simulator: account id, user and currency must be short plain text");
    if (a->leverage <= 0 || a->balance.v < 0)
        return err_set(e, ERR_INPUT,
                       "simulator: account %s needs a leverage above 0 and no negative balance",
                       a->id);
    if (sim_convert(s, decimal_int(1), "USD", a->currency, true, DECIMAL_FLOOR, &one) != 0)
        return err_set(e, ERR_INPUT,
                       "simulator: account %s: no pair converts %s; use one of USD, "
                       "EUR, GBP, AUD, NZD, JPY, CHF, CAD, PLN",
                       a->id, a->currency);
    return 0;
}

int sim_account_add(struct sim *s, const struct sim_account *a, struct err *e)
{
    int rc = check_account(s, a, e);
    if (rc != 0)
        return rc;
    int index = sim_account(s, a->id);
    if (index >= 0) {
        const struct sim_account *old = sim_account_at(s, index);
        if (strcmp(old->currency, a->currency) != 0 || strcmp(old->user, a->user) != 0)
            return err_set(e, ERR_EXISTS,
                           "simulator: account %s exists with another user or currency", a->id);
        return index;
    }
    if (s->accounts.count >= ID_BROKER / ID_ACCOUNT)
        return err_set(e, ERR_LIMIT, "simulator: it can have %d accounts at most",
                       (int)(ID_BROKER / ID_ACCOUNT));
    struct sim_row row = {.volume = decimal_int(a->leverage), .balance = a->balance};
    memcpy(row.account, a->id, sizeof row.account);
    strcpy(row.op, "account");
    strcpy(row.source, sim_by_name(SIM_BROKER));
    snprintf(row.symbol, sizeof row.symbol, "%s", a->currency);
    memcpy(row.reason, a->user, sizeof row.reason);
    rc = sim_execute(s, &row, NULL, e);
    return rc != 0 ? rc : (int)s->accounts.count - 1;
}

static int money_row(const struct sim *s, int account, const char *op, struct sim_row *row,
                     struct err *e)
{
    const struct sim_account *a = sim_account_at(s, account);
    if (a == NULL)
        return err_set(e, ERR_NOTFOUND, "simulator: no account %d", account);
    snprintf(row->op, sizeof row->op, "%s", op);
    memcpy(row->account, a->id, sizeof row->account);
    strcpy(row->source, sim_by_name(SIM_BROKER));
    row->balance = a->balance;
    return 0;
}

int sim_deposit(struct sim *s, int account, decimal amount, struct err *e)
{
    struct sim_row row = {.profit = amount};
    struct sim_money m;
    int rc = money_row(s, account, "deposit", &row, e);
    if (rc != 0)
        return rc;
    decimal rounded;
    if (amount.v == 0 || decimal_to_places(amount, SIM_MONEY_DIGITS, DECIMAL_DOWN, &rounded) != 0 ||
        rounded.v != amount.v || decimal_add(row.balance, amount, &row.balance) != 0)
        return err_set(e, ERR_INPUT,
                       "simulator: account %s: a deposit is not 0 and has two decimals at most",
                       row.account);
    if (amount.v < 0 &&
        ((rc = sim_money(s, account, &m)) != 0 || amount.v < -m.free_margin.v || row.balance.v < 0))
        return err_set(e, rc != 0 ? rc : ERR_STATE,
                       "simulator: account %s: so much is not free to be withdrawn", row.account);
    return sim_execute(s, &row, NULL, e);
}

int sim_set_credit(struct sim *s, int account, decimal credit, struct err *e)
{
    struct sim_row row = {.volume = credit};
    int rc = money_row(s, account, "credit", &row, e);
    if (rc == 0 && credit.v < 0)
        rc =
            err_set(e, ERR_INPUT, "simulator: account %s: a credit cannot be below 0", row.account);
    return rc == 0 ? sim_execute(s, &row, NULL, e) : rc;
}
