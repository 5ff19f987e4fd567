/* SPDX-License-Identifier: MIT
 *
 * The bar builder: one forming bar of one timeframe, closed by time alone.
 */
#include "market/bar.h"

#include <math.h>
#include <string.h>

static const char *const side_names[] = {"none", "recorded", "modelled", "tick_rule"};

const char *bar_side_name(enum bar_side side)
{
    return (unsigned)side < 4 ? side_names[side] : side_names[BAR_SIDE_NONE];
}

enum bar_side bar_side_parse(const char *text)
{
    for (unsigned i = 0; text != NULL && i < 4; i++) {
        if (strcmp(text, side_names[i]) == 0)
            return (enum bar_side)i;
    }
    return BAR_SIDE_NONE;
}

static const struct {
    const char *name;
    int64_t ms;
} timeframes[] = {
    {"1s", BAR_1S}, {"1m", BAR_1M}, {"5m", BAR_5M}, {"15m", BAR_15M}, {"1h", 3600000}};

#define TIMEFRAME_COUNT (sizeof timeframes / sizeof timeframes[0])

int64_t bar_timeframe_parse(const char *text)
{
    for (size_t i = 0; text != NULL && i < TIMEFRAME_COUNT; i++) {
        if (strcmp(text, timeframes[i].name) == 0)
            return timeframes[i].ms;
    }
    return 0;
}

const char *bar_timeframe_name(int64_t ms)
{
    for (size_t i = 0; i < TIMEFRAME_COUNT; i++) {
        if (timeframes[i].ms == ms)
            return timeframes[i].name;
    }
    return NULL;
}

/* The start of the bar that covers time_ms; rounds down before 1970 as well. */
static int64_t bar_start(int64_t time_ms, int64_t timeframe)
{
    int64_t rest = time_ms % timeframe;
    return time_ms - (rest < 0 ? rest + timeframe : rest);
}

void bar_builder_init(struct bar_builder *b, int64_t timeframe)
{
    *b = (struct bar_builder){.timeframe = timeframe, .last_close = NAN, .closed_ms = INT64_MIN};
}

/* The next bar, without a print yet: flat at the last close. */
static void begin(struct bar_builder *b, int64_t open_ms)
{
    double flat = b->last_close;
    b->now =
        (struct bar){.open_ms = open_ms, .open = flat, .high = flat, .low = flat, .close = flat};
    b->forming = false;
    b->begun = true;
}

void bar_builder_seed(struct bar_builder *b, const struct bar *last)
{
    b->last_close = last->close;
    b->closed_ms = last->open_ms + b->timeframe;
    b->gaps = 0;
    begin(b, b->closed_ms);
}

int64_t bar_builder_end(const struct bar_builder *b)
{
    return b->begun ? b->now.open_ms + b->timeframe : INT64_MAX;
}

static void close_one(struct bar_builder *b, bar_fn fn, void *arg)
{
    struct bar closed = b->now; /* a copy: fn may come back to this builder */
    b->closed_ms = closed.open_ms + b->timeframe;
    b->gaps = b->forming ? 0 : b->gaps + 1;
    if (b->gaps < BAR_MAX_GAP) {
        begin(b, b->closed_ms);
    } else {
        b->begun = false;
        b->forming = false;
        b->gaps = 0;
        b->last_close = NAN;
    }
    if (fn != NULL)
        fn(arg, &closed);
}

void bar_builder_advance(struct bar_builder *b, int64_t time_ms, bar_fn fn, void *arg)
{
    while (b->begun && b->now.open_ms + b->timeframe <= time_ms)
        close_one(b, fn, arg);
}

static unsigned weakness(unsigned side)
{
    return side == BAR_SIDE_NONE ? BAR_SIDE_TICK_RULE + 1u : side;
}

static void open_with(struct bar *now, double price, enum bar_side side)
{
    now->open = now->high = now->low = price;
    now->side = (uint8_t)side;
}

void bar_builder_print(struct bar_builder *b, int64_t time_ms, double price, double volume, int buy,
                       enum bar_side side, bar_fn fn, void *arg)
{
    bar_builder_advance(b, time_ms, fn, arg);
    if (!b->begun) {
        /* A late print after a long silence must not reopen a span that is closed. */
        int64_t open_ms = bar_start(time_ms, b->timeframe);
        begin(b, open_ms > b->closed_ms ? open_ms : b->closed_ms);
    }
    struct bar *now = &b->now;
    if (buy == 0)
        side = BAR_SIDE_NONE;
    if (!b->forming)
        open_with(now, price, side);
    else if (weakness(side) > weakness(now->side))
        now->side = (uint8_t)side;
    if (price > now->high)
        now->high = price;
    if (price < now->low)
        now->low = price;
    now->close = price;
    now->volume += volume;
    if (buy > 0)
        now->buy_volume += volume;
    else if (buy < 0)
        now->sell_volume += volume;
    now->prints++;
    b->forming = true;
    b->last_close = price;
}

double bar_builder_projected_volume(const struct bar_builder *b, int64_t time_ms)
{
    if (!b->forming)
        return NAN;
    int64_t gone = time_ms - b->now.open_ms;
    if (gone <= 0)
        return NAN;
    if (gone >= b->timeframe)
        return b->now.volume;
    return b->now.volume * (double)b->timeframe / (double)gone;
}
