/* SPDX-License-Identifier: MIT
 *
 * Bars: from prints (or quotes where a feed has none) to open, high, low, close and volumes of a
 * timeframe. A bar covers [open_ms, open_ms + timeframe): a print stamped with its end belongs to
 * the next one. Gaps are filled with flat bars at the previous close, volume 0, up to BAR_MAX_GAP
 * in a row; after them nothing is closed until the next print starts afresh. So the bars depend on
 * the stamps alone, never on how often time was advanced.
 */
#ifndef PERIGEE_MARKET_BAR_H
#define PERIGEE_MARKET_BAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define BAR_MAX_GAP 1000

enum bar_side { BAR_SIDE_NONE, BAR_SIDE_RECORDED, BAR_SIDE_MODELLED, BAR_SIDE_TICK_RULE };
const char *bar_side_name(enum bar_side side);  /* "none", "recorded", "modelled", "tick_rule" */
enum bar_side bar_side_parse(const char *text); /* unknown: BAR_SIDE_NONE */

struct bar {
    int64_t open_ms; /* start, market ms */
    double open, high, low, close;
    double volume;      /* buy + sell + unknown */
    double buy_volume;  /* the aggressor bought */
    double sell_volume; /* the aggressor sold */
    uint32_t prints;    /* how many made it; 0: a filled gap */
    uint8_t side;       /* enum bar_side: where the split comes from (weakest of its prints, from
                           recorded over modelled and tick_rule to none) */
};

#define BAR_1S 1000
#define BAR_1M 60000
#define BAR_5M 300000
#define BAR_15M 900000
/* "1s", "1m", "5m", "15m", "1h": milliseconds; 0 unknown. */
int64_t bar_timeframe_parse(const char *text);
const char *bar_timeframe_name(int64_t ms); /* NULL: none of ours */

typedef void (*bar_fn)(void *arg, const struct bar *closed);

struct bar_builder {
    int64_t timeframe; /* ms */
    struct bar now;    /* the present bar; meaningful when begun */
    double last_close; /* of the last closed or forming bar, NaN: none (start, or a long silence) */
    bool forming;      /* now has at least one print */
    bool begun;        /* now covers a span: it will be closed when that has passed */
    uint32_t gaps;     /* filled bars in a row just closed, at most BAR_MAX_GAP */
    int64_t closed_ms; /* end of the newest closed bar; INT64_MIN: none */
};

void bar_builder_init(struct bar_builder *b, int64_t timeframe);
/* Goes on after a bar of history (its close carries on). */
void bar_builder_seed(struct bar_builder *b, const struct bar *last);
/* Closes every bar that ended at or before time_ms, oldest first. */
void bar_builder_advance(struct bar_builder *b, int64_t time_ms, bar_fn fn, void *arg);
/* When the present bar ends; INT64_MAX: none has begun. */
int64_t bar_builder_end(const struct bar_builder *b);
/* Adds a print (advance to its time first is done here). A print older than the forming bar counts
 * into the forming bar. buy: +1, -1, 0 unknown (side is then BAR_SIDE_NONE). price: finite, above
 * 0; volume: finite, not negative. */
void bar_builder_print(struct bar_builder *b, int64_t time_ms, double price, double volume, int buy,
                       enum bar_side side, bar_fn fn, void *arg);
/* Volume of the forming bar projected to its end by the time gone; NaN when nothing is known (no
 * print yet, or no time gone). */
double bar_builder_projected_volume(const struct bar_builder *b, int64_t time_ms);

/* A closed series: the newest `cap` bars, index 0 is the newest. */
struct series;
struct series *series_new(size_t cap); /* NULL: out of memory */
void series_free(struct series *s);
void series_push(struct series *s, const struct bar *bar);
size_t series_count(const struct series *s);
const struct bar *series_at(const struct series *s, size_t back); /* NULL past the end */

#endif
