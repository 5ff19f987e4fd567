/* SPDX-License-Identifier: MIT
 *
 * Inside of the simulator, shared by its files only. The market: the path of prices (sim_path.c),
 * what is shown around it (sim_flow.c), history (sim_history.c). The broker: its settings
 * (sim_model.c), accounts and lookups (sim_book.c), orders (sim_order.c, sim_pending.c), what the
 * broker executes by itself (sim_match.c, sim_night.c), money (sim_money.c). All executions are
 * rows (sim_ledger.c) that are folded into the book (sim_fold.c). sim.c ties them to time and
 * folder.
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
/* Flow: what is shown around the path; state depends on past prints only. */

struct sim_pair {
    int64_t mid, base; /* points; base is what it is pulled to */
    int32_t spread;    /* points */
    struct rng rng;
};

struct sim_flow {
    uint64_t seed;
    struct rng side_rng;
    int64_t last;  /* last price, raw; 0: none */
    int direction; /* of the last change: +1, -1, 0 */
    double move;   /* short mean of signed changes */
    double size;   /* long mean of absolute changes */
    double volume; /* long mean of print volumes */
    struct sim_pair pairs[SIM_PAIRS];
};

void sim_flow_init(struct sim_flow *m, uint64_t seed);
/* Takes a print into the state and returns its aggressor side. */
int sim_flow_print(struct sim_flow *m, int64_t price, int64_t volume);
double sim_flow_trend(const struct sim_flow *m); /* -1..1 */
void sim_flow_depth(const struct sim_flow *m, const struct instrument *i, int64_t time_ms,
                    int64_t bid, int64_t ask, struct sim_depth *out);
/* One second: all pairs take a step. */
void sim_flow_second(struct sim_flow *m);
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

struct sim_symbol {
    struct instrument i;
    struct sim_terms terms;
    bool quoted;
    struct sim_quote q;
    int64_t bid, ask; /* points */
    int64_t day;      /* number of the UTC day of the daily figures */
    uint32_t orders;  /* positions and pending orders in it */
    struct sim_bars bars[SIM_FRAMES];
};

struct sim_list {
    void **at; /* owned, with what it points to */
    size_t count, cap;
};

struct sim_client {
    struct sim_account a; /* first: sim_account_at gives it away */
    struct rng chance;    /* what happens to its orders; no other account's draws matter */
    uint64_t rows;        /* of this account: its ids are made of them */
    bool called;          /* a margin call was told and is not over */
    double equity, margin, spread, rate; /* scratch of sim_watch */
};

/* The main symbol's price was moved: prints after time_ms. */
struct sim_push {
    int64_t time_ms, points;
};

struct sim {
    char dir[400];          /* <data>/sim; empty: memory only */
    char report[200];       /* what was repaired at the start */
    int lock;               /* of the folder; -1: none */
    int state_fd;           /* -1: none */
    struct file ledger;     /* fd -1: none */
    struct file push_file;  /* fd -1: none */
    struct sim_list pushes; /* struct sim_push, oldest first */
    int64_t push_points;    /* their sum */
    size_t pushes_done;     /* of them have an effect */
    int64_t pushed;         /* the sum of those, raw */
    uint64_t seed;          /* of the broker's chance */
    uint64_t id_base;       /* see sim_make_id */
    uint64_t old_base;      /* closing orders of ledgers without the column `order`: this + seq */
    int64_t origin;         /* first moment of the market */
    int64_t start;          /* very first start */
    int64_t now;            /* market ms */
    int64_t second;         /* next whole second to come */
    int64_t night;          /* midnight whose swaps are due or could not be written; 0: none */
    int64_t end;            /* INT64_MAX: none */
    bool ended;
    bool silent;    /* going forward to where it was: nobody is told, nothing executed */
    int32_t spread; /* configured; 0: by price */
    struct sim_path path;
    struct sim_flow flow;
    struct sim_model model;
    struct sim_symbol symbols[SIM_SYMBOLS];
    struct sim_feed feed;
    uint64_t seq;                                /* of the newest row */
    int64_t newest_ms;                           /* of the newest row */
    struct sim_list accounts;                    /* of struct sim_client */
    struct sim_list positions, pendings, closed; /* in order of coming */
    struct sim_list rows;                        /* memory only: all of them */
    struct map *account_ids;                     /* id -> index */
    struct map *position_ids;                    /* id -> struct sim_position pointer */
    struct map *pending_ids;                     /* id -> struct sim_pending pointer */
    struct str text;                             /* scratch of one row */
};

void *sim_list_add(struct sim_list *list, size_t size);        /* zeroed; NULL: out of memory */
void sim_list_remove(struct sim_list *list, const void *item); /* frees it */
void sim_list_fini(struct sim_list *list);

static inline struct sim_client *sim_client_at(const struct sim *s, int account)
{
    return s->accounts.at[account];
}
struct sim_position *sim_find_position(const struct sim *s, int account, const char *id);
struct sim_pending *sim_find_pending(const struct sim *s, int account, const char *id);

/* Ids of the row that comes next on this account, unique in the simulator and independent of what
 * other accounts do. */
enum sim_id { SIM_ID_OWN, SIM_ID_ORDER, SIM_ID_PART };
void sim_make_id(const struct sim *s, int account, int kind, char *id); /* PART + n: of part n */
void sim_seed_client(struct sim *s, struct sim_client *c);

/* Applies a row that is written or read to the book. ERR_INPUT: it contradicts the book. */
int sim_book_apply(struct sim *s, const struct sim_row *row, struct sim_closed *out, struct err *e);
/* Numbers a row, writes it, applies it and tells of it. */
int sim_execute(struct sim *s, struct sim_row *row, struct sim_closed *out, struct err *e);
void sim_fill_row(const struct sim *s, struct sim_row *row, const char *op, enum sim_by by,
                  int account, int symbol, enum side side);
/* Volume-weighted mean of the parts in points, to nearest, ties to even; their volumes must add up
 * to `volume`. ERR_INPUT: they do not, or a price is no multiple of a point. */
int sim_parts_mean(const struct instrument *i, const struct sim_part *parts, size_t count,
                   decimal volume, int64_t *points);

/* Orders */
int sim_refuse(enum sim_reason reason, enum sim_reason *why, struct err *e);
/* Why an order in this symbol is refused now, whatever it asks for. */
enum sim_reason sim_check_market(const struct sim *s, int symbol);
/* Stop and target against a price in points; puts them into the row. */
enum sim_reason sim_check_stops(const struct sim *s, int symbol, int64_t price, enum side side,
                                decimal stop, decimal target, struct sim_row *row);
bool sim_enough_money(const struct sim *s, int account, int symbol, decimal volume, decimal price);
/* Is a valid order of the client refused by chance? */
bool sim_unlucky(struct sim *s, enum sim_by by, int account);
/* Books the close of a volume at a price. */
int sim_close_at(struct sim *s, enum sim_by by, struct sim_position *p, decimal volume,
                 decimal price, const char *reason, struct sim_closed *out, struct err *e);

/* What the broker does by itself */
int sim_match(struct sim *s, int symbol, struct err *e);   /* stops, targets, pending orders */
int sim_trigger(struct sim *s, int symbol, struct err *e); /* the pending orders of it */
int sim_watch(struct sim *s, struct err *e);               /* margin calls and stop-outs */
int sim_nights(struct sim *s, struct err *e);              /* swaps of s->night */

/* Model */
bool sim_hours_open(const struct sim_symbol *x, int64_t time_ms);
void sim_symbol_terms(const struct instrument *i, struct sim_terms *out); /* defaults */

/* amount of `from` in `to` by the quotes now; receive: we get it, else we owe it; rounded by mode.
 */
int sim_convert(const struct sim *s, decimal amount, const char *from, const char *to, bool receive,
                enum decimal_round mode, decimal *out);
/* The same by the middle, about: for estimates. */
double sim_rate(const struct sim *s, const char *from, const char *to);
int sim_margin(const struct sim *s, const struct sim_account *a, int symbol, decimal volume,
               decimal price, decimal *out);
/* Profit of a volume from the position's price to `price`, account currency, exact. */
int sim_profit(const struct sim *s, const struct sim_position *p, decimal volume, decimal price,
               decimal *out);
int sim_commission(const struct sim *s, const struct sim_position *p, decimal volume, decimal *out);
/* Swap of so many nights, account currency, rounded to SIM_MONEY_DIGITS. */
int sim_swap(const struct sim *s, const struct sim_position *p, int nights, decimal *out);
/* amount * volume / whole, rounded to SIM_MONEY_DIGITS; all of it when volume is the whole. */
int sim_share(decimal amount, decimal volume, decimal whole, decimal *out);
bool sim_level_reached(const struct sim_money *m, decimal level); /* margin level at or below it */

/* Pushes of the price */
int sim_pushes_open(struct sim *s, struct err *e);
int64_t sim_pushed(struct sim *s, int64_t price); /* a price of the path (raw) as it is now */

/* Ledger file */
int sim_ledger_open(struct sim *s, struct err *e); /* reads, folds, cuts a torn end, opens */
int sim_ledger_write(struct sim *s, const struct sim_row *row, struct err *e);
void sim_row_format(const struct sim_row *row, struct str *out);
int sim_row_parse(const char *line, size_t n, struct sim_row *row);

#endif
