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
    struct ledger_list resting;   /* pending orders, as they were seen */
    uint32_t entries;             /* entries in `pending` */
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
    struct ledger_list free_orders; /* struct order, unused ones of the blocks */
    struct map *account_ids;        /* id -> index */
    struct map *symbols;            /* venue, symbol -> index */
    struct map *canonicals;         /* venue, canonical -> first index */
    struct map *pairs;              /* venue, base, quote -> first index */
    struct map *position_ids;       /* account index, id -> struct position pointer */
    struct ledger_list resting; /* struct pending, owned, in the order in which they were seen */
    struct ledger_list parts;   /* struct batch_part, owned */
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

/* ledger_part.c */
void ledger_part_join(struct ledger *l, const struct order *o); /* after its intent */
/* Before o steps to `to` by ev: counts of its part, and its times. */
void ledger_part_step(struct ledger *l, const struct event *ev, struct order *o,
                      enum order_state to);
/* After the position of an entry was opened: its price, and the close that waited for it. */
void ledger_entry_filled(struct ledger *l, struct position *p);
int ledger_apply_part(struct ledger *l, const struct event *ev, struct err *e);

/* ledger_resting.c: the reducers of pending orders. */
int ledger_apply_pending(struct ledger *l, const struct event *ev, struct err *e);
void ledger_resting_free(struct ledger *l);
/* After an order was marked as closing: what it left resting is to be cancelled. */
void ledger_resting_closing(struct ledger *l, const struct order *o);

/* ledger_read.c: reading fields; absent ones leave what is there. Errors name the event. */
bool ledger_has(const struct event *ev, unsigned field);
int ledger_wrong(const struct event *ev, struct err *e, const char *what, const char *value);
int ledger_no_memory(const struct event *ev, struct err *e);
int ledger_take(const struct event *ev, unsigned field, char *buf, size_t size, struct err *e);
int ledger_take_int(const struct event *ev, unsigned field, int32_t *out, struct err *e);
void ledger_take_dec(const struct event *ev, unsigned field, decimal *out);
int ledger_take_points(const struct event *ev, unsigned field, const struct instrument *i,
                       int64_t *points, struct err *e);
int ledger_take_side(const struct event *ev, unsigned field, enum side *side, struct err *e);
int ledger_take_account(const struct ledger *l, const struct event *ev, unsigned field,
                        int *account, struct err *e);
int ledger_take_instrument(const struct ledger *l, const struct event *ev, unsigned field,
                           int account, int *instrument, struct err *e);
/* ledger_apply.c: an entry whose position or pending order was seen is in flight no more. 0 or
 * ERR_NOMEM. */
int ledger_order_seen(struct ledger *l, uint64_t id, int account, const char *broker_id);

#endif
