/* SPDX-License-Identifier: MIT
 *
 * Inside of the ledger, shared by its files only.
 *
 * Records live in blocks of their own, so pointers to them stay valid until the record leaves.
 * Lists keep the order of coming; a removal moves the pointers behind it (a few hundred at most).
 */
#ifndef PERIGEE_TRADE_LEDGER_IMPL_H
#define PERIGEE_TRADE_LEDGER_IMPL_H

#include "base/map.h"
#include "trade/ledger.h"

/* Pointers in order of coming. */
struct ledger_list {
    void **at;    /* owned block; what it points to is not */
    size_t count; /* pointers held */
    size_t cap;   /* pointers allocated */
};

int ledger_list_reserve(struct ledger_list *list, size_t more); /* 0 or ERR_NOMEM */
int ledger_list_add(struct ledger_list *list, void *item);      /* 0 or ERR_NOMEM */
void ledger_list_remove(struct ledger_list *list, const void *item);

struct ledger_account {
    struct account a;             /* what is shown */
    struct ledger_list positions; /* open, in order of opening */
    uint32_t entries;             /* opens in `pending` */
};

struct ledger_instrument {
    struct instrument i;          /* what is shown */
    struct ledger_list positions; /* open, in order of opening */
    bool marked;                  /* bid and ask are set */
    double bid, ask;              /* newest quote */
    int next_canonical;           /* next of the same venue and canonical name; -1: none */
    int next_pair;                /* next of the same venue, base and quote; -1: none */
};

struct ledger {
    struct ledger_list accounts;    /* struct ledger_account, owned */
    struct ledger_list instruments; /* struct ledger_instrument, owned */
    struct ledger_list positions;   /* struct position, owned, in order of opening */
    struct ledger_list orders;      /* struct order, owned by the blocks, rising ids */
    struct ledger_list pending; /* struct order: in flight, unknown, or accepted and not shown */
    struct ledger_list blocks;  /* order blocks, owned */
    struct ledger_list free_orders;               /* struct order, unused ones of the blocks */
    struct map *account_ids;                      /* id -> index */
    struct map *symbols;                          /* venue, symbol -> index */
    struct map *canonicals;                       /* venue, canonical -> first index */
    struct map *pairs;                            /* venue, base, quote -> first index */
    struct map *position_ids;                     /* account index, id -> struct position pointer */
    uint64_t last_order, last_batch, last_signal; /* highest seen */
};

struct ledger_account *ledger_account_mut(const struct ledger *l, int index);
struct ledger_instrument *ledger_instrument_mut(const struct ledger *l, int index);
struct order *ledger_order_mut(const struct ledger *l, uint64_t id);
struct position *ledger_position_mut(const struct ledger *l, int account, const char *id);

/* Adding; the names of the record must be filled. Return the index or an error. */
int ledger_account_new(struct ledger *l, const struct account *a);
int ledger_instrument_new(struct ledger *l, const struct instrument *i);
/* After names of an instrument have changed. 0 or ERR_NOMEM. */
int ledger_index_instruments(struct ledger *l);
/* A zeroed order at the end of the list; NULL: out of memory. Old final ones leave here. */
struct order *ledger_order_new(struct ledger *l);
struct position *ledger_position_new(struct ledger *l, const struct position *p); /* copies p */
void ledger_position_drop(struct ledger *l, struct position *p);

/* Brings the profit of a position up to its mark and today's rate. */
void ledger_position_value(const struct ledger *l, struct position *p);
/* Marks a position that has just been opened by the newest quote, if there is one. */
void ledger_position_first_mark(const struct ledger *l, struct position *p);

#endif
