/* SPDX-License-Identifier: MIT
 *
 * Inside of the simulator, shared by its files only: the path of prices (sim_path.c), the model
 * around it (sim_model.c), history (sim_history.c), the book and its money (sim_book.c,
 * sim_money.c), the ledger file (sim_ledger.c), and what ties them to time and folder (sim.c).
 */
#ifndef PERIGEE_VENUE_SIM_IMPL_H
#define PERIGEE_VENUE_SIM_IMPL_H

#include "base/map.h"
#include "base/rng.h"
#include "base/str.h"
#include "io/file.h"
#include "venue/sim.h"

#define SIM_PAIRS 8
#define SIM_SYMBOLS (SIM_PAIRS + 1)
#define SIM_FRAMES 4       /* 1s, 1m, 5m, 15m */
#define SIM_MONEY_DIGITS 2 /* booked profits and commissions are rounded to these */
#define SIM_MINUTE 60000
#define SIM_RECENT 5 /* closes that the generator remembers */

/* Path */

/* Raw decimals (10^-8) of one bar of the path. */
struct sim_path_bar {
    int64_t open_ms;
    int64_t open, high, low, close;
    int64_t volume;
};

struct sim_path_print {
    int64_t time_ms;
    int64_t price, volume; /* raw decimals */
    bool named;            /* a price that the bar names: open, high, low or close */
};

/* Regimes of the generator. */
struct sim_generator {
    struct rng rng;
    int64_t close;              /* last close, raw */
    int64_t recent[SIM_RECENT]; /* newest closes, raw, newest first */
    int64_t first;              /* first price: the level that it is pulled to, raw */
    int64_t wait;               /* quiet minutes until the next burst */
    int burst;                  /* minutes left of the burst that is on; 0: quiet */
    int minute;                 /* minutes of this burst that are over */
    int direction;              /* of the burst: +1, -1 */
    double volume;              /* mean of a quiet minute */
};

struct sim_path {
    const struct tape *tape; /* NULL: generator */
    uint64_t seed;           /* of all noise */
    int64_t tick;            /* raw; every price is a multiple */
    int64_t timeframe;       /* ms of a bar */
    size_t next_bar;         /* of the tape */
    struct sim_generator gen;
    struct sim_path_print *prints; /* of the bar that is on, owned */
    double *walk, *best;           /* scratch of as many steps, owned */
    double variance;               /* mean of that of the bars so far, ticks squared */
    size_t cap;                    /* prints allocated */
    size_t count, at;              /* prints of this bar, next to come */
};

int sim_path_init(struct sim_path *p, const struct tape *tape, uint64_t seed, int64_t tick,
                  struct err *e);
void sim_path_fini(struct sim_path *p);
/* The moment at which the last bar ends; INT64_MAX: there is no last. */
int64_t sim_path_end(const struct sim_path *p);
/* Begins the bar that opens at time_ms, if there is one: its prints are then in p->prints. */
void sim_path_begin(struct sim_path *p, int64_t time_ms);
/* Model: what is shown around the path; state depends on past prints only. */

struct sim_pair {
    int64_t mid, base; /* points; base is what it is pulled to */
    int32_t spread;    /* points */
    struct rng rng;
};

struct sim_model {
    uint64_t seed;
    struct rng side_rng;
    int64_t last;  /* last price, raw; 0: none */
    int direction; /* of the last change: +1, -1, 0 */
    double move;   /* short mean of signed changes */
    double size;   /* long mean of absolute changes */
    double volume; /* long mean of print volumes */
    struct sim_pair pairs[SIM_PAIRS];
};

void sim_model_init(struct sim_model *m, uint64_t seed);
/* Takes a print into the state and returns its aggressor side. */
int sim_model_print(struct sim_model *m, int64_t price, int64_t volume);
double sim_model_trend(const struct sim_model *m); /* -1..1 */
void sim_model_depth(const struct sim_model *m, const struct instrument *i, int64_t time_ms,
                     int64_t bid, int64_t ask, struct sim_depth *out);
/* One second: all pairs take a step. */
void sim_model_second(struct sim_model *m);
void sim_pair_instrument(int pair, const char *venue, struct instrument *out);

/* History: bars of one symbol and timeframe, in raw decimals until they are closed. */

struct sim_bars {
    int64_t timeframe;     /* ms; 0: not kept */
    struct series *closed; /* owned */
    int64_t open_ms;       /* of the forming bar; 0: none yet */
    int64_t open, high, low, close;
    int64_t volume, buy, sell;
    uint32_t prints;
};

int sim_bars_init(struct sim_bars *b, int64_t timeframe, size_t keep);
void sim_bars_fini(struct sim_bars *b);
void sim_bars_roll(struct sim_bars *b, int64_t time_ms); /* closes what has ended by then */
/* side 0: neither bought nor sold (a quote). */
void sim_bars_add(struct sim_bars *b, int64_t time_ms, int64_t price, int64_t volume, int side);
void sim_bars_forming(const struct sim_bars *b, struct bar *out);

/* Book */

/* A row of the ledger file. For op "account" symbol is the currency, volume the leverage and reason
 * the user. */
struct sim_row {
    uint64_t seq;
    int64_t time_ms;
    char account[32], op[16], position[32], uid[48], symbol[32], side[8];
    decimal volume, price, stop, target, open_price, profit, commission, swap, balance;
    char reason[96];
};

struct sim_symbol {
    struct instrument i;
    bool quoted;
    struct sim_quote q;
    int64_t bid, ask; /* points */
    int64_t day;      /* number of the UTC day of the daily figures */
    struct sim_bars bars[SIM_FRAMES];
};

struct sim_list {
    void **at; /* owned, with what it points to */
    size_t count, cap;
};

struct sim {
    char dir[400];      /* <data>/sim; empty: memory only */
    char report[200];   /* what was repaired at the start */
    int lock;           /* of the folder; -1: none */
    int state_fd;       /* -1: none */
    struct file ledger; /* fd -1: none */
    uint64_t id_base;   /* ids are "W" and this + seq of the row */
    int64_t origin;     /* first moment of the market */
    int64_t start;      /* very first start */
    int64_t now;        /* market ms */
    int64_t second;     /* next whole second to come */
    int64_t end;        /* INT64_MAX: none */
    bool ended;
    bool silent;    /* going forward to where it was: nobody is told, nothing executed */
    int32_t spread; /* configured; 0: by price */
    struct sim_path path;
    struct sim_model model;
    struct sim_symbol symbols[SIM_SYMBOLS];
    struct sim_feed feed;
    uint64_t seq;                                /* of the newest row */
    int64_t newest_ms;                           /* of the newest row */
    struct sim_list accounts, positions, closed; /* in order of coming */
    struct map *account_ids;                     /* id -> index */
    struct map *position_ids;                    /* id -> struct sim_position pointer */
    struct str text;                             /* scratch of one row */
};

void *sim_list_add(struct sim_list *list, size_t size);        /* zeroed; NULL: out of memory */
void sim_list_remove(struct sim_list *list, const void *item); /* frees it */
void sim_list_fini(struct sim_list *list);

/* Book of the fold: applies a row that is written or read. ERR_INPUT: it contradicts the book. */
int sim_book_apply(struct sim *s, const struct sim_row *row, struct sim_closed *out, struct err *e);
/* Executes stops and targets of a symbol by its quote. */
int sim_book_match(struct sim *s, int symbol, struct err *e);
void sim_format_id(const struct sim *s, uint64_t seq, char *id);

/* amount of `from` in `to` by the quotes now; receive: we get it, else we owe it; rounded by mode.
 */
int sim_convert(const struct sim *s, decimal amount, const char *from, const char *to, bool receive,
                enum decimal_round mode, decimal *out);
int sim_margin(const struct sim *s, const struct sim_account *a, int symbol, decimal volume,
               decimal price, decimal *out);
/* Profit of a volume from the position's price to `price`, account currency, exact. */
int sim_profit(const struct sim *s, const struct sim_position *p, decimal volume, decimal price,
               decimal *out);
int sim_commission(const struct sim *s, const struct sim_position *p, decimal volume, decimal *out);

/* Ledger file */
int sim_ledger_open(struct sim *s, struct err *e); /* reads, folds, cuts a torn end, opens */
int sim_ledger_write(struct sim *s, const struct sim_row *row, struct err *e);
void sim_row_format(const struct sim_row *row, struct str *out);
int sim_row_parse(const char *line, size_t n, struct sim_row *row);

#endif
