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
 * belongs to one seed or tape (<data>/sim/identity). Market time is kept in <data>/sim/state,
 * pushes of the price in <data>/sim/pushes.
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
#define SIM_PARTS 3         /* a position is filled in so many pieces at most */
#define SIM_SESSIONS 28     /* trading sessions a week of one symbol */

struct sim;
struct sim_model;
struct sim_terms;

struct sim_config {
    const char *data_dir;    /* its folder sim/ is the broker's; NULL: nothing is kept on disk */
    const struct tape *tape; /* outlives the sim; NULL: the generator */
    uint64_t seed;           /* generator */
    int64_t start_ms;        /* generator: market time at the very first start, cut to the minute;
                              * 0: 2024-01-01. A folder that was used before goes on where it was */
    int history_bars;        /* bars before the very first start; 0: 240, of a tape min(120, 1/4) */
    struct instrument main;  /* the main symbol; volume_step 0: sim_default_main */
    int32_t spread;          /* points between bid and ask; 0: 0.3 basis points of the price */
    const struct sim_model *model; /* how the broker treats orders; NULL: sim_model_default */
    const struct sim_terms *terms; /* of the symbols that differ from sim_terms_default */
    size_t terms_count;
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
struct sim_row;
struct sim_money;

struct sim_feed {
    void *arg;
    void (*on_print)(void *arg, const struct sim_print *p);             /* any may be NULL */
    void (*on_quote)(void *arg, int symbol, const struct sim_quote *q); /* none while closed */
    void (*on_depth)(void *arg, const struct sim_depth *d);   /* the main symbol, each second */
    void (*on_closed)(void *arg, const struct sim_closed *c); /* by the broker: stop, target, ... */
    void (*on_row)(void *arg, const struct sim_row *row); /* each execution, whoever ordered it */
    /* The account's margin level has fallen to the margin call level; told once until it is above
     * it again. */
    void (*on_margin_call)(void *arg, int account, const struct sim_money *m);
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
/* Moves the main symbol's price by so many points, for all prints to come and for good. ERR_STATE:
 * the market has ended; ERR_INPUT: out of range (10^9 points in all). */
int sim_push(struct sim *s, int64_t points, struct err *e);
bool sim_ended(const struct sim *s); /* the tape is over; time does not move any more */
bool sim_from_tape(const struct sim *s);
int sim_save_state(struct sim *s, struct err *e);

int sim_symbol_count(const struct sim *s);
int sim_symbol(const struct sim *s, const char *name); /* -1: unknown */
const struct instrument *sim_symbol_at(const struct sim *s, int symbol);
bool sim_quote(const struct sim *s, int symbol, struct sim_quote *out); /* false: none yet */
bool sim_session_open(const struct sim *s, int symbol); /* traded now; false after the end, too */
bool sim_depth(const struct sim *s, struct sim_depth *out); /* by now */
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
    decimal credit;     /* counts for equity, is never paid out */
    uint32_t positions; /* open */
    uint32_t pendings;  /* orders that wait */
};

struct sim_money {
    decimal balance, credit, equity, margin, free_margin;
    decimal level;      /* equity / margin in percent; 0: no margin */
    decimal profit;     /* floating, without costs */
    decimal net_profit; /* floating, with commission and swap */
    bool margin_call;   /* there is margin, and the level is at the margin call level or below */
};

/* Opens an account with a first deposit; one that exists keeps its book and is returned (ERR_EXISTS
 * when its currency or user differ). ERR_INPUT: bad text, or a currency that no pair converts. */
int sim_account_add(struct sim *s, const struct sim_account *a, struct err *e);
int sim_account(const struct sim *s, const char *id); /* -1: unknown */
int sim_account_count(const struct sim *s);
const struct sim_account *sim_account_at(const struct sim *s, int account);
int sim_money(const struct sim *s, int account, struct sim_money *out);
/* Books a deposit, or a withdrawal of what is free (amount below 0; at most two decimals). */
int sim_deposit(struct sim *s, int account, decimal amount, struct err *e);
int sim_set_credit(struct sim *s, int account, decimal credit, struct err *e);

/* Orders */

/* Whose doing an execution is: the client's order, a trade by hand at the broker's terminal, or the
 * broker's own (stop, target, stop-out, trigger, swap). */
enum sim_by { SIM_CLIENT, SIM_HAND, SIM_BROKER };
const char *sim_by_name(enum sim_by by); /* "client", "hand", "broker" */

enum sim_type { SIM_LIMIT, SIM_STOP };
const char *sim_type_name(enum sim_type type); /* "LIMIT", "STOP" */
int sim_type_parse(const char *text, enum sim_type *out);

struct sim_part { /* of a position that was filled in pieces */
    char id[24];
    decimal volume; /* what is left of it: partial closes take the first part first */
    decimal price;
};

struct sim_position {
    char id[32]; /* "W" and 16 digits */
    int account, symbol;
    enum side side;
    decimal volume;
    decimal price;        /* open */
    decimal stop, target; /* 0: none */
    int64_t opened_ms;
    uint32_t closes; /* partial closes so far */
    char order[32];  /* the order that opened it; mostly its own id */
    enum sim_by by;
    decimal swap;      /* carried so far, account currency; booked by closing */
    int64_t swap_ms;   /* the night of the newest swap; 0: none */
    size_t part_count; /* 0: filled in one piece */
    struct sim_part parts[SIM_PARTS];
};

struct sim_pending {
    char id[32];
    int account, symbol;
    enum side side;
    enum sim_type type;
    decimal volume;
    decimal price;        /* at which it is triggered */
    decimal stop, target; /* 0: none */
    int64_t created_ms;
    enum sim_by by;
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
    char reason[16]; /* "client", "stop", "target", "stop_out" */
    enum sim_by by;
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
    SIM_SIDE,           /* not the position's or order's side */
    SIM_INSTRUMENT,     /* not the position's or order's instrument */
    SIM_PARTIAL,        /* volume not below the position's */
    SIM_SESSION_CLOSED, /* outside the symbol's trading hours */
    SIM_DISABLED,       /* nothing may be opened in this symbol */
    SIM_FROZEN,         /* price inside the freeze level of a stop, target or activation price */
    SIM_PRICE,          /* activation price on the wrong side of the market */
    SIM_PRICE_LEVEL,    /* too close to it */
    SIM_UNKNOWN_ORDER,  /* no such pending order */
    SIM_REQUOTE,        /* these three: by reject_share only */
    SIM_OFF_QUOTES,
    SIM_DEALER
};
const char *sim_reason_text(enum sim_reason reason);          /* for people: "Not enough money" */
const char *sim_reason_code(enum sim_reason reason);          /* stable: "NOT_ENOUGH_MONEY" */
int sim_reason_parse(const char *code, enum sim_reason *out); /* 0 or ERR_INPUT */

/* 0: executed; ERR_STATE: refused, *why says it; ERR_IO: the ledger could not be written, nothing
 * was executed. id: at least 32 bytes, what the client is answered: the position's id, or with
 * order_id_differs an order id that the position names (`order`). */
int sim_open(struct sim *s, enum sim_by by, int account, const char *symbol, enum side side,
             decimal volume, decimal stop, decimal target, char *id, enum sim_reason *why,
             struct err *e);
/* Replaces stop and target; 0 clears. */
int sim_edit(struct sim *s, enum sim_by by, int account, const char *id, const char *symbol,
             enum side side, decimal stop, decimal target, enum sim_reason *why, struct err *e);
/* Closes the whole position, or a part of it when `partial` (then volume must be below it). *out
 * may be NULL. */
int sim_close(struct sim *s, enum sim_by by, int account, const char *id, const char *symbol,
              enum side side, bool partial, decimal volume, struct sim_closed *out,
              enum sim_reason *why, struct err *e);

/* What a pending order asks for. */
struct sim_wish {
    const char *symbol;
    enum side side;
    enum sim_type type; /* an edit leaves it as it is */
    decimal volume, price, stop, target;
};
/* A pending order is filled at the first quote that reaches its price (BUY LIMIT: ask <= price,
 * SELL LIMIT: bid >= price, BUY STOP: ask >= price, SELL STOP: bid <= price), at that quote, or is
 * removed when the margin is missing or the symbol disabled then. Results as those of sim_open. */
int sim_pending_create(struct sim *s, enum sim_by by, int account, const struct sim_wish *w,
                       char *id, enum sim_reason *why, struct err *e);
int sim_pending_edit(struct sim *s, enum sim_by by, int account, const char *id,
                     const struct sim_wish *w, enum sim_reason *why, struct err *e);
int sim_pending_cancel(struct sim *s, enum sim_by by, int account, const char *id,
                       const char *symbol, enum sim_reason *why, struct err *e);
/* As sim_position_next and sim_position. */
const struct sim_pending *sim_pending_next(const struct sim *s, int account, size_t *cursor);
const struct sim_pending *sim_pending(const struct sim *s, int account, const char *id);

/* Positions of an account in order of opening (-1: of all); start with *cursor = 0. */
const struct sim_position *sim_position_next(const struct sim *s, int account, size_t *cursor);
const struct sim_position *sim_position(const struct sim *s, int account, const char *id);
/* Closing price now, and floating profit and commission in account currency. */
int sim_position_value(const struct sim *s, const struct sim_position *p, decimal *price,
                       decimal *profit, decimal *commission);
/* Closed rows of an account with from_ms <= closed_ms <= to_ms, oldest first. */
const struct sim_closed *sim_closed_next(const struct sim *s, int account, int64_t from_ms,
                                         int64_t to_ms, size_t *cursor);

/* The model: how the broker treats orders. docs/simulator.md has the formulas. */

struct sim_model {
    int32_t slippage_points;       /* a market order's price is drawn within so many of the quote */
    double partial_fills;          /* share of opens that are filled in 2 or 3 parts, 0..1 */
    double reject_share;           /* share of a client's valid orders that are refused, 0..1 */
    enum sim_reason reject_reason; /* of those */
    bool swaps;                    /* nights cost */
    decimal margin_call_level;     /* percent; 0: never */
    decimal stop_out_level;        /* percent; 0: never */
    int32_t stops_level;           /* points, of all symbols; below 0: each instrument's own */
    int32_t freeze_level;          /* points; 0: nothing freezes */
    bool order_id_differs;         /* orders have ids of their own, positions others */
};

void sim_model_default(struct sim_model *m);
int sim_model_check(const struct sim_model *m, struct err *e); /* ERR_INPUT names the setting */
int sim_set_model(struct sim *s, const struct sim_model *m, struct err *e);
const struct sim_model *sim_model(const struct sim *s);

struct sim_session {
    int day;                   /* 0: Sunday */
    int32_t open_ms, close_ms; /* of the day: open <= t < close */
};

enum sim_swap { SIM_SWAP_POINTS, SIM_SWAP_PIPS }; /* a pip is ten points of a 3 or 5 digit price */

struct sim_terms { /* of one symbol */
    char symbol[32];
    bool disabled; /* nothing can be opened; what is open can be closed */
    enum sim_swap swap_type;
    decimal swap_buy, swap_sell; /* a lot and night; below 0: the client pays */
    decimal commission;          /* a lot and side, account currency */
    size_t session_count;        /* 0: always open */
    struct sim_session sessions[SIM_SESSIONS];
};

/* The terms of a symbol of such a simulator; false: no such symbol. */
bool sim_terms_default(const struct sim_config *c, const char *symbol, struct sim_terms *out);
void sim_terms(const struct sim *s, int symbol, struct sim_terms *out);
int sim_terms_check(const struct sim_terms *t, struct err *e); /* ERR_INPUT names the setting */
int sim_set_terms(struct sim *s, const struct sim_terms *t, struct err *e);
int32_t sim_stops_level(const struct sim *s, int symbol); /* points, by model or instrument */

/* Rows of the ledger, for those who check the book. Kept in memory only without a data folder. */

struct sim_row {
    uint64_t seq; /* 1, 2, ... */
    int64_t time_ms;
    char account[32];
    char op[16];       /* account, deposit, credit, open, edit, close, close_partial, pending,
                        * pending_edit, cancel, fill, swap */
    char position[32]; /* or pending order */
    char uid[48];      /* of a close */
    char symbol[32];   /* account: its currency */
    char side[8];
    decimal volume; /* account: its leverage; credit: the credit from now on */
    decimal price, stop, target, open_price;
    decimal profit, commission, swap; /* booked by this row */
    decimal balance;                  /* after it: the one before and what is booked */
    char reason[96];                  /* account: its user */
    char source[8];                   /* sim_by_name; "" in rows of older versions */
    char order[32];                   /* open, close: order id; fill: the pending order */
    char type[8];                     /* of a pending order */
    decimal accrued;                  /* swap that the position carries after the row */
    size_t part_count;                /* of an open */
    struct sim_part parts[SIM_PARTS];
};

size_t sim_row_count(const struct sim *s); /* of those in memory */
const struct sim_row *sim_row_at(const struct sim *s, size_t index);

#endif
