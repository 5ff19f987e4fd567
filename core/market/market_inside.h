/* SPDX-License-Identifier: MIT
 *
 * Inside core/market only: what market.c (symbols, input, time) and market_indicator.c share.
 */
#ifndef PERIGEE_MARKET_MARKET_INSIDE_H
#define PERIGEE_MARKET_MARKET_INSIDE_H

#include "base/map.h"
#include "market/market.h"

#define MARKET_FRAMES 4
#define MARKET_SERIES 2000 /* bars kept for each timeframe */
#define MARKET_BOOK_LEVELS 1000
#define MARKET_LISTENERS 32
#define MARKET_NAME 32 /* bytes of a symbol's name, NUL included */

/* What a TA_REAL input reads. */
enum real_input { REAL_CLOSE, REAL_OPEN, REAL_HIGH, REAL_LOW, REAL_VOLUME, REAL_TYPICAL };

struct indicator {
    int handle;
    int refs;   /* declarations alive */
    int symbol; /* index */
    int frame;  /* index of its timeframe */
    const struct ta_info *info;
    double options[TA_MAX_OPTIONS];
    enum real_input real;     /* where a TA_REAL input comes from */
    struct ta_stream *stream; /* owned */
    size_t count;             /* values so far; the newest MARKET_HISTORY are kept */
    double values[MARKET_HISTORY]
                 [TA_MAX_OUTPUTS]; /* value number i is in slot i % MARKET_HISTORY */
};

struct frame {
    struct bar_builder builder;
    struct series *series;   /* owned */
    bool live;               /* a bar was closed or begun by live data */
    struct indicator **list; /* of this timeframe, in the order of declaration; array owned */
    size_t list_count;
    size_t list_cap;
};

struct symbol {
    char name[MARKET_NAME];
    double point;     /* of the book */
    bool from_quotes; /* bars are made of mids */
    bool quoted;      /* quote is set */
    struct quote quote;
    double last_price;                  /* of the newest print or mid in a bar; 0: none */
    int tick;                           /* direction of the last change of price; 0: none yet */
    uint64_t dropped;                   /* quotes and depths with old stamps */
    struct book *book;                  /* owned; NULL before the first depth */
    struct frame frames[MARKET_FRAMES]; /* short to long */
};

struct listener_slot {
    int handle; /* -1: removed, swept when no call is under way */
    struct market_listener fn;
};

struct market {
    struct symbol **symbols; /* each on the heap of its own: callbacks may add more */
    int symbol_count;
    int symbol_cap;
    struct map *names;                                /* name -> index */
    struct listener_slot listeners[MARKET_LISTENERS]; /* in the order of adding */
    int listener_count;
    int next_listener;             /* handle of the next one; never reused */
    int calling;                   /* depth of listener calls under way */
    int64_t time_ms;               /* newest stamp of all */
    int64_t next_end;              /* no bar ends before this */
    struct indicator **indicators; /* by handle; NULL once dropped, never reused */
    size_t indicator_count;
    size_t indicator_cap;
};

/* Index of a timeframe that is kept; -1: none. */
int market_frame_index(int64_t timeframe);
/* Feeds one closed bar to an indicator. */
void market_indicator_feed(struct indicator *i, const struct bar *bar);
void market_indicator_free(struct indicator *i);

#endif
