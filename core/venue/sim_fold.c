/* SPDX-License-Identifier: MIT
 *
 * The book as the fold of rows. A row is checked by who makes it, written, and then applied here by
 * the same function that reads the file at a start. What a row says and the book does not agree
 * with is refused: balances, volumes and carried swaps must follow from the rows before.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "venue/sim_impl.h"

typedef __int128 wide;

static int wrong(const struct sim_row *row, struct err *e, const char *what)
{
    return err_set(e, ERR_INPUT, "row %" PRIu64 " (%s) contradicts the book: %s", row->seq, row->op,
                   what);
}

static int no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "simulator: out of memory");
}

static enum sim_by by_of(const struct sim_row *row)
{
    return strcmp(row->source, "hand") == 0     ? SIM_HAND
           : strcmp(row->source, "broker") == 0 ? SIM_BROKER
                                                : SIM_CLIENT;
}

int sim_parts_mean(const struct instrument *i, const struct sim_part *parts, size_t count,
                   decimal volume, int64_t *points)
{
    wide sum = 0;
    decimal total = {0};
    for (size_t k = 0; k < count; k++) {
        int64_t price;
        if (parts[k].volume.v <= 0 || decimal_add(total, parts[k].volume, &total) != 0 ||
            instrument_to_points(i, parts[k].price, DECIMAL_HALF_EVEN, &price) != 0 || price <= 0 ||
            instrument_price(i, price).v != parts[k].price.v)
            return ERR_INPUT;
        sum += (wide)parts[k].volume.v * price;
    }
    if (total.v != volume.v || total.v <= 0)
        return ERR_INPUT;
    int64_t below = (int64_t)(sum / total.v);
    wide rest = 2 * (sum % total.v);
    *points = below + (rest > total.v || (rest == total.v && below % 2 != 0));
    return 0;
}

static int new_balance(const struct sim_account *a, const struct sim_row *row, decimal *out)
{
    int rc = decimal_add(a->balance, row->profit, out);
    if (rc == 0)
        rc = decimal_add(*out, row->commission, out);
    return rc == 0 ? decimal_add(*out, row->swap, out) : rc;
}

static int apply_account(struct sim *s, const struct sim_row *row, struct err *e)
{
    if (row->account[0] == '\0' || sim_account(s, row->account) >= 0)
        return wrong(row, e, "the account exists already");
    if (row->volume.v < DECIMAL_ONE || row->volume.v / DECIMAL_ONE > INT32_MAX)
        return wrong(row, e, "the leverage");
    if (map_put(s->account_ids, row->account, strlen(row->account), s->accounts.count) != 0)
        return no_memory(e);
    struct sim_client *c = sim_list_add(&s->accounts, sizeof *c);
    if (c == NULL)
        return no_memory(e);
    struct sim_account *a = &c->a;
    memcpy(a->id, row->account, sizeof a->id);
    memcpy(a->user, row->reason, sizeof a->user);
    snprintf(a->currency, sizeof a->currency, "%.7s", row->symbol);
    a->leverage = (int32_t)(row->volume.v / DECIMAL_ONE);
    a->balance = row->balance;
    c->rows = 1;
    sim_seed_client(s, c);
    return 0;
}

/* The parts of a row into its position. */
static int take_parts(const struct sim *s, const struct sim_row *row, struct sim_position *p,
                      struct err *e)
{
    const struct instrument *i = &s->symbols[p->symbol].i;
    int64_t mean;
    if (row->part_count == 0)
        return 0;
    if (sim_parts_mean(i, row->parts, row->part_count, row->volume, &mean) != 0 ||
        instrument_price(i, mean).v != row->price.v)
        return wrong(row, e, "the parts");
    p->part_count = row->part_count;
    memcpy(p->parts, row->parts, sizeof p->parts);
    return 0;
}

static int apply_open(struct sim *s, int account, const struct sim_row *row, struct err *e)
{
    struct sim_position new = {.account = account, .symbol = sim_symbol(s, row->symbol)};
    if (new.symbol < 0 || side_parse(row->side, &new.side) != 0 || row->volume.v <= 0 ||
        row->price.v <= 0)
        return wrong(row, e, "symbol, side, volume or price");
    if (row->position[0] == '\0' ||
        map_get(s->position_ids, row->position, strlen(row->position), &(uint64_t){0}))
        return wrong(row, e, "the position exists already");
    int rc = take_parts(s, row, &new, e);
    if (rc != 0)
        return rc;
    memcpy(new.id, row->position, sizeof new.id);
    memcpy(new.order, row->order[0] != '\0' ? row->order : row->position, sizeof new.order);
    new.volume = row->volume;
    new.price = row->price;
    new.stop = row->stop;
    new.target = row->target;
    new.opened_ms = row->time_ms;
    new.by = by_of(row);
    struct sim_position *p = sim_list_add(&s->positions, sizeof *p);
    if (p == NULL ||
        map_put(s->position_ids, row->position, strlen(row->position), (uint64_t)(uintptr_t)p) != 0)
        return no_memory(e);
    *p = new;
    sim_client_at(s, account)->a.positions++;
    s->symbols[new.symbol].orders++;
    return 0;
}

static int apply_edit(struct sim *s, int account, const struct sim_row *row, struct err *e)
{
    struct sim_position *p = sim_find_position(s, account, row->position);
    if (p == NULL)
        return wrong(row, e, "the position is unknown");
    p->stop = row->stop;
    p->target = row->target;
    return 0;
}

static void fill_closed(const struct sim *s, const struct sim_row *row,
                        const struct sim_position *p, struct sim_closed *c)
{
    memcpy(c->id, p->id, sizeof c->id);
    memcpy(c->uid, row->uid, sizeof c->uid);
    memcpy(c->order, row->order, sizeof c->order);
    if (c->order[0] == '\0')
        snprintf(c->order, sizeof c->order, "W%016" PRIu64, s->old_base + row->seq);
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
    c->by = by_of(row);
    snprintf(c->reason, sizeof c->reason, "%.15s", row->reason);
}

/* A partial close takes the first part first. */
static void take_from_parts(struct sim_position *p, decimal volume)
{
    size_t gone = 0;
    for (; gone < p->part_count && p->parts[gone].volume.v <= volume.v; gone++)
        volume.v -= p->parts[gone].volume.v;
    p->part_count -= gone;
    memmove(p->parts, p->parts + gone, p->part_count * sizeof *p->parts);
    if (p->part_count > 0)
        p->parts[0].volume.v -= volume.v;
}

static int apply_close(struct sim *s, int account, const struct sim_row *row,
                       struct sim_closed *out, struct err *e)
{
    struct sim_position *p = sim_find_position(s, account, row->position);
    decimal carried;
    if (p == NULL)
        return wrong(row, e, "the position is unknown");
    bool partial = strcmp(row->op, "close_partial") == 0;
    if (row->volume.v <= 0 ||
        (partial ? row->volume.v >= p->volume.v : row->volume.v != p->volume.v))
        return wrong(row, e, "the volume");
    if (decimal_add(row->swap, row->accrued, &carried) != 0 || carried.v != p->swap.v ||
        (!partial && row->accrued.v != 0))
        return wrong(row, e, "the swap");
    struct sim_closed *c = sim_list_add(&s->closed, sizeof *c);
    if (c == NULL)
        return no_memory(e);
    fill_closed(s, row, p, c);
    if (out != NULL)
        *out = *c;
    p->closes++;
    p->volume.v -= row->volume.v;
    p->swap = row->accrued;
    take_from_parts(p, row->volume);
    if (!partial) {
        sim_client_at(s, account)->a.positions--;
        s->symbols[p->symbol].orders--;
        map_remove(s->position_ids, p->id, strlen(p->id));
        sim_list_remove(&s->positions, p);
    }
    return 0;
}

static int apply_swap(struct sim *s, int account, const struct sim_row *row, struct err *e)
{
    struct sim_position *p = sim_find_position(s, account, row->position);
    if (p == NULL)
        return wrong(row, e, "the position is unknown");
    p->swap = row->accrued;
    p->swap_ms = row->time_ms;
    return 0;
}

static int apply_pending(struct sim *s, int account, const struct sim_row *row, struct err *e)
{
    struct sim_pending new = {.account = account, .symbol = sim_symbol(s, row->symbol)};
    if (new.symbol < 0 || side_parse(row->side, &new.side) != 0 ||
        sim_type_parse(row->type, &new.type) != 0 || row->volume.v <= 0 || row->price.v <= 0)
        return wrong(row, e, "symbol, side, type, volume or price");
    if (row->position[0] == '\0' ||
        map_get(s->pending_ids, row->position, strlen(row->position), &(uint64_t){0}))
        return wrong(row, e, "the pending order exists already");
    memcpy(new.id, row->position, sizeof new.id);
    new.volume = row->volume;
    new.price = row->price;
    new.stop = row->stop;
    new.target = row->target;
    new.created_ms = row->time_ms;
    new.by = by_of(row);
    struct sim_pending *p = sim_list_add(&s->pendings, sizeof *p);
    if (p == NULL ||
        map_put(s->pending_ids, row->position, strlen(row->position), (uint64_t)(uintptr_t)p) != 0)
        return no_memory(e);
    *p = new;
    sim_client_at(s, account)->a.pendings++;
    s->symbols[new.symbol].orders++;
    return 0;
}

static int apply_pending_edit(struct sim *s, int account, const struct sim_row *row, struct err *e)
{
    struct sim_pending *p = sim_find_pending(s, account, row->position);
    if (p == NULL || row->volume.v <= 0 || row->price.v <= 0)
        return wrong(row, e, p == NULL ? "the pending order is unknown" : "volume or price");
    p->volume = row->volume;
    p->price = row->price;
    p->stop = row->stop;
    p->target = row->target;
    return 0;
}

static int remove_pending(struct sim *s, int account, const char *id, const struct sim_row *row,
                          struct err *e)
{
    struct sim_pending *p = sim_find_pending(s, account, id);
    if (p == NULL)
        return wrong(row, e, "the pending order is unknown");
    sim_client_at(s, account)->a.pendings--;
    s->symbols[p->symbol].orders--;
    map_remove(s->pending_ids, p->id, strlen(p->id));
    sim_list_remove(&s->pendings, p);
    return 0;
}

static int apply_fill(struct sim *s, int account, const struct sim_row *row, struct err *e)
{
    const struct sim_pending *p = sim_find_pending(s, account, row->order);
    enum side side;
    if (p == NULL || p->volume.v != row->volume.v || side_parse(row->side, &side) != 0 ||
        side != p->side || strcmp(s->symbols[p->symbol].i.symbol, row->symbol) != 0)
        return wrong(row, e,
                     p == NULL ? "the pending order is unknown"
                               : "symbol, side or volume of the pending order");
    int rc = apply_open(s, account, row, e);
    return rc == 0 ? remove_pending(s, account, row->order, row, e) : rc;
}

/* Everything but "account": the row's account exists. */
static int apply_to(struct sim *s, int account, const struct sim_row *row, struct sim_closed *out,
                    struct err *e)
{
    const char *op = row->op;
    if (strcmp(op, "open") == 0)
        return apply_open(s, account, row, e);
    if (strcmp(op, "edit") == 0)
        return apply_edit(s, account, row, e);
    if (strcmp(op, "close") == 0 || strcmp(op, "close_partial") == 0)
        return apply_close(s, account, row, out, e);
    if (strcmp(op, "pending") == 0)
        return apply_pending(s, account, row, e);
    if (strcmp(op, "pending_edit") == 0)
        return apply_pending_edit(s, account, row, e);
    if (strcmp(op, "cancel") == 0)
        return remove_pending(s, account, row->position, row, e);
    if (strcmp(op, "fill") == 0)
        return apply_fill(s, account, row, e);
    if (strcmp(op, "swap") == 0)
        return apply_swap(s, account, row, e);
    if (strcmp(op, "credit") == 0 && row->volume.v >= 0)
        sim_client_at(s, account)->a.credit = row->volume;
    else if (strcmp(op, "deposit") != 0)
        return wrong(row, e, "unknown operation");
    return 0;
}

int sim_book_apply(struct sim *s, const struct sim_row *row, struct sim_closed *out, struct err *e)
{
    int rc;
    if (strcmp(row->op, "account") == 0) {
        rc = apply_account(s, row, e);
    } else {
        int account = sim_account(s, row->account);
        decimal balance;
        if (account < 0)
            return wrong(row, e, "the account is unknown");
        struct sim_client *c = sim_client_at(s, account);
        if (new_balance(&c->a, row, &balance) != 0 || balance.v != row->balance.v)
            return wrong(row, e, "the balance");
        rc = apply_to(s, account, row, out, e);
        if (rc == 0) {
            c->a.balance = balance;
            c->rows++;
        }
    }
    if (rc == 0) {
        s->seq = row->seq;
        s->newest_ms = row->time_ms;
    }
    return rc;
}

void sim_fill_row(const struct sim *s, struct sim_row *row, const char *op, enum sim_by by,
                  int account, int symbol, enum side side)
{
    const struct sim_account *a = sim_account_at(s, account);
    snprintf(row->op, sizeof row->op, "%s", op);
    snprintf(row->source, sizeof row->source, "%s", sim_by_name(by));
    snprintf(row->side, sizeof row->side, "%s", side_name(side));
    memcpy(row->symbol, s->symbols[symbol].i.symbol, sizeof row->symbol);
    memcpy(row->account, a->id, sizeof row->account);
    row->balance = a->balance;
}

int sim_execute(struct sim *s, struct sim_row *row, struct sim_closed *out, struct err *e)
{
    struct sim_row *kept = NULL;
    row->seq = s->seq + 1;
    row->time_ms = s->now;
    if (s->ledger.fd < 0) {
        kept = sim_list_add(&s->rows, sizeof *kept);
        if (kept == NULL)
            return no_memory(e);
        *kept = *row;
    }
    int rc = sim_ledger_write(s, row, e);
    if (rc == 0)
        rc = sim_book_apply(s, row, out, e);
    if (rc != 0 && kept != NULL)
        sim_list_remove(&s->rows, kept);
    if (rc == 0 && s->feed.on_row != NULL)
        s->feed.on_row(s->feed.arg, row);
    return rc;
}
