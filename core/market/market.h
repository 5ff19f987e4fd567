/* SPDX-License-Identifier: MIT
 *
 * The market as the engine sees it: for each symbol the newest quote, the book, bars of several
 * timeframes with their series, and the declared indicators, which belong to the engine and are
 * shared by all strategies. Fed by feeds; tells listeners in the order in which things happened.
 *
 * Order within one advance: for each instant the timeframes close from short to long; for each
 * closed bar first the series and the indicators are brought up to date, then listeners are called.
 */
#ifndef PERIGEE_MARKET_MARKET_H
#define PERIGEE_MARKET_MARKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "book/book.h"
#include "market/bar.h"
#include "ta/ta.h"

#define MARKET_HISTORY 64 /* values that an indicator remembers */

struct market;

struct quote {
    int64_t time_ms; /* market stamp */
    double bid, ask;
};

struct print {
    int64_t time_ms;
    double price, volume;
    int buy;            /* aggressor: +1 bought, -1 sold, 0 unknown (the tick rule then decides) */
    enum bar_side side; /* where `buy` comes from */
};

struct market_listener {
    void *arg;
    void (*on_quote)(void *arg, int symbol, const struct quote *q); /* any may be NULL */
    void (*on_print)(void *arg, int symbol, const struct print *p);
    void (*on_book)(void *arg, int symbol, const struct book *b);
    void (*on_bar)(void *arg, int symbol, int64_t timeframe, const struct bar *closed);
};

struct market *market_new(struct err *e);
void market_free(struct market *m);

/* Finds or adds a symbol by its canonical name (at most 31 bytes). point: value of one point of its
 * book (0: 0.00000001 units, or what it already is). A symbol that has no depth yet takes the new
 * point; one that has is ERR_STATE when the point differs. Returns an index >= 0 or an error.
 * Timeframes kept: 1s, 1m, 5m, 15m, 2,000 bars each. */
int market_symbol_add(struct market *m, const char *name, double point, struct err *e);
int market_symbol(const struct market *m, const char *name); /* -1: unknown */
const char *market_symbol_name(const struct market *m, int symbol);
int market_symbol_count(const struct market *m);
/* Bars of this symbol are made from quotes (mid, one unit of volume for each change, its side by
 * the tick rule) instead of prints: for feeds without a tape. */
void market_bars_from_quotes(struct market *m, int symbol, bool on);

/* At most 32 listeners; called in the order of adding. Returns a handle for removal. */
int market_listen(struct market *m, const struct market_listener *listener);
void market_unlisten(struct market *m, int handle);

/* Input. Stamps older than the symbol's newest are counted and dropped (quotes, depth) or kept in
 * the forming bar (prints). A non-finite or crossed quote (bid >= ask or <= 0) is ERR_INPUT. */
int market_quote(struct market *m, int symbol, const struct quote *q);
int market_print(struct market *m, int symbol, const struct print *p);
int market_depth(struct market *m, int symbol, int64_t time_ms, const struct book_level *bids,
                 size_t bid_count, const struct book_level *asks, size_t ask_count, struct err *e);
/* Quotes and depths of this symbol that came with an old stamp. */
uint64_t market_dropped(const struct market *m, int symbol);
/* Time has reached time_ms on the lossless stream: closes bars of all symbols. (A print,
 * or a quote that makes bars, closes those of its own symbol; other quotes and depth close none, as
 * they may be lost.) */
void market_advance(struct market *m, int64_t time_ms);
/* A bar of history, oldest first, before live data of that timeframe; listeners are not called,
 * indicators are warmed. Holes are filled as live ones are. ERR_STATE when live bars exist already
 * or the order is wrong, ERR_INPUT when it is no bar (numbers, range, start off the timeframe). */
int market_warm(struct market *m, int symbol, int64_t timeframe, const struct bar *bar);

bool market_last_quote(const struct market *m, int symbol, struct quote *out);
const struct book *market_book(const struct market *m, int symbol); /* NULL: no depth yet */
const struct series *market_series(const struct market *m, int symbol, int64_t timeframe);
/* The forming bar; false when nothing has begun. */
bool market_forming(const struct market *m, int symbol, int64_t timeframe, struct bar *out);
int64_t market_time(const struct market *m); /* newest stamp of all */

/* Declared indicators. The same declaration gives the same handle (reference counted); a new one is
 * warmed from the series that is there. input: "close" (default), "open", "high", "low", "volume",
 * "typical" for a TA_REAL input. Returns a handle >= 0. */
int market_indicator(struct market *m, int symbol, int64_t timeframe, const char *name,
                     const double *options, size_t option_count, const char *input, struct err *e);
void market_indicator_drop(struct market *m, int handle);
/* Output `index` as of `back` bars ago (0..MARKET_HISTORY - 1). false: not warm, or no such one. */
bool market_indicator_value(const struct market *m, int handle, size_t index, size_t back,
                            double *out);

#endif
