/* SPDX-License-Identifier: MIT
 *
 * The simulated broker: a market of its own and a book. docs/simulator.md describes the model.
 *
 * No HTTP, no JSON, no clock: the caller moves market time by sim_advance, gives orders, and is
 * told what happens by callbacks. Everything is exact decimals. The market does not depend on the
 * orders nor on the steps in which it is advanced: the same seed or tape gives the same events.
 *
 * Every execution is a row of <data>/sim/ledger.csv, written before the call that executed it
 * returns; accounts, positions, history and balances are the fold of that file. A data folder
 * belongs to one seed or tape (<data>/sim/identity). Market time is kept in <data>/sim/state.
 */
#ifndef PERIGEE_VENUE_SIM_H
#define PERIGEE_VENUE_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/err.h"
#include "market/bar.h"
#include "market/tape.h"
#include "trade/instrument.h"

#define SIM_DEPTH 10        /* levels a side */
#define SIM_HISTORY_1S 3600 /* closed bars kept */
#define SIM_HISTORY 2880    /* closed bars kept of 1m, 5m and 15m */

struct sim;

struct sim_config {
    const char *data_dir;    /* its folder sim/ is the broker's; NULL: nothing is kept on disk */
    const struct tape *tape; /* outlives the sim; NULL: the generator */
    uint64_t seed;           /* generator */
    int64_t start_ms;        /* generator: market time at the very first start, cut to the minute;
                              * 0: 2024-01-01. A folder that was used before goes on where it was */
    int history_bars;        /* bars before the very first start; 0: 240, of a tape min(120, 1/4) */
    struct instrument main;  /* the main symbol; volume_step 0: sim_default_main */
    int32_t spread;          /* points between bid and ask; 0: 0.3 basis points of the price */
};

/* BTCUSD: contract size 1, 0.01 to 100 lots, a decimal, stops level 10, leverage 100. */
void sim_default_main(struct instrument *main);

/* What is told as time moves. Callbacks must not call back into functions that change the sim. */
enum sim_source { SIM_RECORDED, SIM_MODELLED };

struct sim_print {
    int64_t time_ms;
    decimal price, volume;
    int buy;                /* aggressor: +1, -1; always modelled */
    enum sim_source source; /* RECORDED: a price that the bar names; its moment is modelled */
};

struct sim_quote {
    int64_t time_ms;
    decimal bid, ask;                    /* always modelled */
    decimal day_open, day_high, day_low; /* of the bid since 00:00 UTC */
};

struct sim_level {
    decimal price, size; /* size in the unit of the prints' volume */
};

struct sim_depth {
    int64_t time_ms;
    size_t count;                                      /* levels a side */
    struct sim_level bids[SIM_DEPTH], asks[SIM_DEPTH]; /* best first; always modelled */
};

struct sim_closed;

struct sim_feed {
    void *arg;
    void (*on_print)(void *arg, const struct sim_print *p); /* any may be NULL */
    void (*on_quote)(void *arg, int symbol, const struct sim_quote *q);
    void (*on_depth)(void *arg, const struct sim_depth *d);   /* the main symbol, each second */
    void (*on_closed)(void *arg, const struct sim_closed *c); /* by a stop or target */
};

/* Opens or goes on with the folder. ERR_INPUT: it belongs to another seed or tape, or its ledger is
 * broken; ERR_EXISTS: another process has it. NULL on failure. */
struct sim *sim_new(const struct sim_config *config, struct err *e);
/* Saves market time and closes. */
void sim_free(struct sim *s);
/* One sentence about what was repaired at the start (a torn last line); NULL: nothing. */
const char *sim_report(const struct sim *s);
void sim_listen(struct sim *s, const struct sim_feed *feed); /* one listener; NULL: none */

/* Market. Symbol 0 is the main one; pairs follow. */
int64_t sim_now(const struct sim *s);   /* market ms */
int64_t sim_start(const struct sim *s); /* market ms of the very first start */
int64_t sim_end(const struct sim *s);   /* end of the tape; INT64_MAX: none */
/* Moves market time to until_ms, in order: each second first depth and pairs, then its prints, each
 * with its quote. 0 or ERR_IO (a stop could not be written down: its position stays open and
 * is tried again at the next quote; time has moved on). An earlier time does nothing. Also saves
 * the time once a market minute. */
int sim_advance(struct sim *s, int64_t until_ms, struct err *e);
bool sim_ended(const struct sim *s); /* the tape is over; time does not move any more */
bool sim_from_tape(const struct sim *s);
int sim_save_state(struct sim *s, struct err *e);

int sim_symbol_count(const struct sim *s);
int sim_symbol(const struct sim *s, const char *name); /* -1: unknown */
const struct instrument *sim_symbol_at(const struct sim *s, int symbol);
bool sim_quote(const struct sim *s, int symbol, struct sim_quote *out); /* false: none yet */
bool sim_depth(const struct sim *s, struct sim_depth *out);             /* by now */
/* The newest `count` closed bars of a timeframe (BAR_1S of the main symbol only; BAR_1M, BAR_5M,
 * BAR_15M), oldest first, into out. Returns how many, or ERR_INPUT for another timeframe. */
int sim_history(const struct sim *s, int symbol, int64_t timeframe, struct bar *out, size_t count);
/* The bar that is forming; false: none. */
bool sim_forming(const struct sim *s, int symbol, int64_t timeframe, struct bar *out);

/* Accounts */
struct sim_account {
    char id[32];
    char user[96]; /* e-mail of its login */
    char currency[8];
    int32_t leverage; /* 100: 1:100 */
    decimal balance;
    uint32_t positions; /* open */
};

struct sim_money {
    decimal balance, equity, margin, free_margin;
    decimal level;      /* equity / margin in percent; 0: no margin */
    decimal profit;     /* floating, without costs */
    decimal net_profit; /* floating, with commission */
};

/* Opens an account with a first deposit; one that exists keeps its book and is returned (ERR_EXISTS
 * when its currency or user differ). ERR_INPUT: bad text, or a currency that no pair converts. */
int sim_account_add(struct sim *s, const struct sim_account *a, struct err *e);
int sim_account(const struct sim *s, const char *id); /* -1: unknown */
int sim_account_count(const struct sim *s);
const struct sim_account *sim_account_at(const struct sim *s, int account);
int sim_money(const struct sim *s, int account, struct sim_money *out);

/* Orders */
struct sim_position {
    char id[32]; /* "W" and 16 digits */
    int account, symbol;
    enum side side;
    decimal volume;
    decimal price;        /* open */
    decimal stop, target; /* 0: none */
    int64_t opened_ms;
    uint32_t closes; /* partial closes so far */
};

struct sim_closed {
    char id[32], uid[48]; /* position; "<id>_close<N>" */
    char order[32];       /* closing order */
    int account, symbol;
    enum side side;
    decimal volume, open_price, close_price;
    decimal stop, target;
    decimal profit, commission, swap; /* account currency */
    decimal balance;                  /* after it */
    int64_t opened_ms, closed_ms;
    bool partial;
    char reason[16]; /* "client", "stop", "target" */
};

enum sim_reason {
    SIM_OK,
    SIM_UNKNOWN_INSTRUMENT,
    SIM_NO_QUOTE,    /* no price yet, or the market has ended */
    SIM_VOLUME,      /* below the least, above the most, not a multiple of the step */
    SIM_STOPS_SIDE,  /* stop or target on the wrong side of the price */
    SIM_STOPS_LEVEL, /* too close to it */
    SIM_MARGIN,
    SIM_UNKNOWN_ID,
    SIM_SIDE,       /* not the position's side */
    SIM_INSTRUMENT, /* not the position's instrument */
    SIM_PARTIAL     /* volume not below the position's */
};
const char *sim_reason_text(enum sim_reason reason); /* for people: "Not enough money" */
const char *sim_reason_code(enum sim_reason reason); /* stable: "NOT_ENOUGH_MONEY" */

/* 0: executed; ERR_STATE: refused, *why says it; ERR_IO: the ledger could not be written, nothing
 * was executed. id: at least 32 bytes, the position's. */
int sim_open(struct sim *s, int account, const char *symbol, enum side side, decimal volume,
             decimal stop, decimal target, char *id, enum sim_reason *why, struct err *e);
/* Replaces stop and target; 0 clears. */
int sim_edit(struct sim *s, int account, const char *id, const char *symbol, enum side side,
             decimal stop, decimal target, enum sim_reason *why, struct err *e);
/* Closes the whole position, or a part of it when `partial` (then volume must be below it). *out
 * may be NULL. */
int sim_close(struct sim *s, int account, const char *id, const char *symbol, enum side side,
              bool partial, decimal volume, struct sim_closed *out, enum sim_reason *why,
              struct err *e);

/* Positions of an account in order of opening (-1: of all); start with *cursor = 0. */
const struct sim_position *sim_position_next(const struct sim *s, int account, size_t *cursor);
const struct sim_position *sim_position(const struct sim *s, int account, const char *id);
/* Closing price now, and floating profit and commission in account currency. */
int sim_position_value(const struct sim *s, const struct sim_position *p, decimal *price,
                       decimal *profit, decimal *commission);
/* Closed rows of an account with from_ms <= closed_ms <= to_ms, oldest first. */
const struct sim_closed *sim_closed_next(const struct sim *s, int account, int64_t from_ms,
                                         int64_t to_ms, size_t *cursor);

#endif
