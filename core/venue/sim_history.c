/* SPDX-License-Identifier: MIT
 *
 * Bars of history. They are summed in raw decimals and become doubles when they close, so a bar of
 * the path has exactly the figures of the tape.
 */
#include <stdlib.h>

#include "venue/sim_impl.h"

int sim_bars_init(struct sim_bars *b, int64_t timeframe, size_t keep)
{
    *b = (struct sim_bars){.timeframe = timeframe, .closed = series_new(keep)};
    return b->closed == NULL ? ERR_NOMEM : 0;
}

void sim_bars_fini(struct sim_bars *b)
{
    if (b->closed != NULL)
        series_free(b->closed);
    b->closed = NULL;
}

void sim_bars_forming(const struct sim_bars *b, struct bar *out)
{
    *out = (struct bar){.open_ms = b->open_ms,
                        .open = decimal_to_double(decimal_raw(b->open)),
                        .high = decimal_to_double(decimal_raw(b->high)),
                        .low = decimal_to_double(decimal_raw(b->low)),
                        .close = decimal_to_double(decimal_raw(b->close)),
                        .volume = decimal_to_double(decimal_raw(b->volume)),
                        .buy_volume = decimal_to_double(decimal_raw(b->buy)),
                        .sell_volume = decimal_to_double(decimal_raw(b->sell)),
                        .prints = b->prints,
                        .side = b->buy + b->sell > 0 ? BAR_SIDE_MODELLED : BAR_SIDE_NONE};
}

void sim_bars_roll(struct sim_bars *b, int64_t time_ms)
{
    while (b->open_ms != 0 && time_ms >= b->open_ms + b->timeframe) {
        struct bar bar;
        sim_bars_forming(b, &bar);
        series_push(b->closed, &bar);
        b->open_ms += b->timeframe;
        b->open = b->high = b->low = b->close;
        b->volume = b->buy = b->sell = 0;
        b->prints = 0;
    }
}

void sim_bars_add(struct sim_bars *b, int64_t time_ms, int64_t price, int64_t volume, int side)
{
    if (b->open_ms == 0) {
        b->open_ms = time_ms - time_ms % b->timeframe;
        b->open = b->high = b->low = price;
    }
    sim_bars_roll(b, time_ms);
    if (b->prints == 0)
        b->open = b->high = b->low = price;
    if (price > b->high)
        b->high = price;
    if (price < b->low)
        b->low = price;
    b->close = price;
    b->volume += volume;
    if (side > 0)
        b->buy += volume;
    else if (side < 0)
        b->sell += volume;
    b->prints++;
}

static int frame_of(int64_t timeframe)
{
    switch (timeframe) {
    case BAR_1S:
        return 0;
    case BAR_1M:
        return 1;
    case BAR_5M:
        return 2;
    case BAR_15M:
        return 3;
    default:
        return -1;
    }
}

static const struct sim_bars *bars_of(const struct sim *s, int symbol, int64_t timeframe)
{
    int frame = frame_of(timeframe);
    if (symbol < 0 || symbol >= SIM_SYMBOLS || frame < 0 ||
        s->symbols[symbol].bars[frame].closed == NULL)
        return NULL;
    return &s->symbols[symbol].bars[frame];
}

int sim_history(const struct sim *s, int symbol, int64_t timeframe, struct bar *out, size_t count)
{
    const struct sim_bars *b = bars_of(s, symbol, timeframe);
    if (b == NULL)
        return ERR_INPUT;
    size_t have = series_count(b->closed);
    if (count > have)
        count = have;
    for (size_t k = 0; k < count; k++)
        out[k] = *series_at(b->closed, count - 1 - k);
    return (int)count;
}

bool sim_forming(const struct sim *s, int symbol, int64_t timeframe, struct bar *out)
{
    const struct sim_bars *b = bars_of(s, symbol, timeframe);
    if (b == NULL || b->open_ms == 0)
        return false;
    sim_bars_forming(b, out);
    return true;
}
