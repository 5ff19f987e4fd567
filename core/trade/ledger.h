/* SPDX-License-Identifier: MIT
 *
 * The ledger: instruments, accounts, positions and orders. Its state is the fold of the journal and
 * nothing else changes it: ledger_apply is the reducer, live and at restart alike. Marks (newest
 * prices) are the one thing that is not folded.
 *
 * Accounts and instruments never go away and are known by index (>= 0). Positions are known by
 * account and broker id; closed ones leave the table. Orders that are final leave it after
 * LEDGER_KEEP_ORDERS newer ones; their effect stays in the positions.
 */
#ifndef PERIGEE_TRADE_LEDGER_H
#define PERIGEE_TRADE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/err.h"
#include "base/event.h"
#include "trade/instrument.h"
#include "trade/order.h"

#define LEDGER_KEEP_ORDERS 4096
#define LEDGER_MAX_ACCOUNTS 4096

struct ledger;

struct account {
    char id[32];     /* trading account id */
    char user[96];   /* "broker:e-mail" */
    char broker[32]; /* profile = venue of its instruments */
    char currency[8];
    char group[32];
    char system[64];  /* uuid in the paths */
    char uuid[64];    /* the broker's name of the account; "": not said */
    uint64_t user_id; /* of its login; 0: not said */
    int32_t leverage; /* 100: 1:100 */
    bool paused;      /* account_state: no entries */
    bool have_balance;
    decimal balance, equity, margin, free_margin; /* as the broker last said */
    int64_t balance_ms;                           /* market ms of that */
    decimal balance_first;                        /* first balance ever seen */
    uint32_t open_positions;
    uint32_t trades;       /* full closes seen */
    decimal realised;      /* sum of net of all closes */
    int64_t last_close_ms; /* newest close seen: reading of history goes on from there */
};

struct position {
    char id[32]; /* broker id */
    int account, instrument;
    uint64_t order; /* 0: not ours */
    uint64_t signal;
    enum side side;
    decimal volume;
    int64_t price;        /* open, points */
    int64_t stop, target; /* points; 0: none */
    int64_t opened_ms;
    int64_t holding_ms; /* exit plan; 0: none */
    bool ours;
    bool closing; /* a close is wanted */
    char close_reason[16];
    /* marks: not folded */
    bool marked;
    int64_t mark;   /* closing price, points */
    decimal profit; /* floating, account currency, without costs; valid when `rated` */
    bool rated;     /* the conversion rate of profit is known */
    bool beyond;    /* the mark is past stop or target, and that was reported */
    /* folded */
    decimal closing_volume; /* lots of the close that is wanted; 0: all */
};

/* Legs of a fan-out that stand or fall together and are not decided yet: the intents of one batch
 * from `first` on. */
struct batch_part {
    uint64_t batch, signal;
    char group[32];       /* "": accounts whose group has no policy of its own */
    bool all;             /* every leg must be accepted; else `quorum` of them */
    unsigned quorum;      /* of !all */
    uint64_t first, last; /* order ids; 0: no intent yet */
    unsigned open;        /* legs in flight or UNKNOWN */
    unsigned accepted;
    unsigned failed; /* REJECTED, NOT_SENT, ABSENT */
};

/* A limit or stop order that rests at the broker, ours or somebody else's. */
struct pending {
    char id[32]; /* broker id */
    int account, instrument;
    uint64_t order; /* that created it; 0: not ours */
    uint64_t signal;
    enum side side;
    enum order_type type;
    decimal volume;
    int64_t price;        /* activation, points */
    int64_t stop, target; /* points; 0: none */
    int64_t created_ms;
    bool ours;
    bool cancelling; /* its cancel is wanted */
    char cancel_reason[16];
};

struct ledger *ledger_new(struct err *e);
void ledger_free(struct ledger *l);

/* The reducer. An event that contradicts the state (an order step that the machine does not have,
 * an unknown account) is ERR_STATE: the journal is wrong, and the caller must stop. Kinds that are
 * not the ledger's are ignored. account_added and instrument of one that exists update it (fields
 * that are absent keep their value). A full position_closed of a position that was never opened is
 * counted (it came and went between two reads); a partial one must leave some volume. */
int ledger_apply(struct ledger *l, const struct event *ev, struct err *e);

/* Lookups: -1 or NULL when absent. */
int ledger_account(const struct ledger *l, const char *id);
const struct account *ledger_account_at(const struct ledger *l, int index);
int ledger_account_count(const struct ledger *l);
int ledger_instrument(const struct ledger *l, const char *venue, const char *symbol);
int ledger_instrument_canonical(const struct ledger *l, const char *venue, const char *canonical);
const struct instrument *ledger_instrument_at(const struct ledger *l, int index);
int ledger_instrument_count(const struct ledger *l);
const struct order *ledger_order(const struct ledger *l, uint64_t id);
const struct position *ledger_position(const struct ledger *l, int account, const char *id);
/* Iteration in order of opening / of id; start with *cursor = 0; account -1: all. Positions and
 * orders must not be changed while iterating. */
const struct position *ledger_position_next(const struct ledger *l, int account, size_t *cursor);
const struct order *ledger_order_next(const struct ledger *l, size_t *cursor);
/* Entries that ledger_entry_pending counts, of all accounts; *cursor as above. */
const struct order *ledger_entry_next(const struct ledger *l, size_t *cursor);
/* Parts that are not decided, in order of coming. */
const struct batch_part *ledger_part_next(const struct ledger *l, size_t *cursor);
/* Pending orders, in the order in which they were first seen. */
const struct pending *ledger_pending(const struct ledger *l, int account, const char *id);
const struct pending *ledger_pending_next(const struct ledger *l, int account, size_t *cursor);
uint64_t ledger_last_order(const struct ledger *l); /* highest order id seen */
uint64_t ledger_last_batch(const struct ledger *l);
uint64_t ledger_last_signal(const struct ledger *l);

/* Is an entry on this account and symbol in flight or UNKNOWN (ABSENT does not count)? An accepted
 * one counts until its position was opened or closed, or its pending order was seen (order.shown),
 * so that nothing is opened twice between the broker's answer and its list. */
bool ledger_entry_pending(const struct ledger *l, int account, int instrument);
/* Positions, pending orders and entries in flight of an account (all symbols). */
uint32_t ledger_exposure_count(const struct ledger *l, int account);

/* Marks. A quote of a canonical symbol at a venue: marks each position of it and every conversion
 * rate. Returns how many positions crossed their stop or target by it (the broker will have closed
 * them); crossed (may be NULL) is called for each. */
int ledger_mark(struct ledger *l, const char *venue, const char *canonical, double bid, double ask,
                void (*crossed)(void *arg, const struct position *p), void *arg);
/* Newest marked price of a canonical symbol; false: none. */
bool ledger_rate_quote(const struct ledger *l, const char *venue, const char *canonical,
                       double *bid, double *ask);
/* How many `to` is one `from` worth, from the venue's quotes: direct, inverse, or across USD. The
 * side that is worse for us when we receive `from` (a profit). ERR_NOTFOUND when a rate is missing:
 * never guessed. */
int ledger_convert(const struct ledger *l, const char *venue, const char *from, const char *to,
                   double *rate, struct err *e);
/* The same by the side that is worse when we owe `from` (a loss, a margin): what sizing wants. */
int ledger_convert_cost(const struct ledger *l, const char *venue, const char *from, const char *to,
                        double *rate, struct err *e);
/* Equity by our marks: balance + floating. false when a position has no mark or no rate (then the
 * broker's figure of the last read is given). */
bool ledger_equity(const struct ledger *l, int account, decimal *equity);
/* Margin that open positions, pending orders and entries in flight bind, account currency. 0 or
 * ERR_NOTFOUND. */
int ledger_margin(const struct ledger *l, int account, decimal *margin, struct err *e);

#endif
