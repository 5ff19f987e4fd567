/* SPDX-License-Identifier: MIT
 *
 * Trading hours: spans are kept sorted and apart (touching ones are joined), so that the end of a
 * span is a change of state, except at the turn of the week, where the last may run into the first.
 */
#include "market/hours.h"

#include "base/err.h"

#define DAY_MS INT64_C(86400000)
#define WEEK_MS (7 * DAY_MS)
#define SUNDAY_MS (4 * DAY_MS) /* 1970-01-01 was a Thursday: four days after a Sunday */

void hours_init(struct hours *h)
{
    *h = (struct hours){0};
}

/* "…:59" at the end means up to and including that second. */
static int64_t whole_end(int64_t close_ms)
{
    int64_t rest = close_ms % 60000;
    return rest >= 59000 ? close_ms - rest + 60000 : close_ms;
}

int hours_add(struct hours *h, int day, int64_t open_ms, int64_t close_ms)
{
    if (day < 0 || day > 6 || open_ms < 0 || close_ms > DAY_MS || close_ms <= open_ms)
        return ERR_INPUT;
    int64_t open = day * DAY_MS + open_ms;
    int64_t close = day * DAY_MS + whole_end(close_ms);
    /* Spans [first, past) touch the new one and are joined with it. */
    size_t first = 0;
    while (first < h->count && h->spans[first].close < open)
        first++;
    size_t past = first;
    while (past < h->count && h->spans[past].open <= close)
        past++;
    if (first == past) {
        if (h->count == HOURS_MAX_SPANS)
            return ERR_LIMIT;
        for (size_t i = h->count++; i > first; i--)
            h->spans[i] = h->spans[i - 1];
    } else {
        open = h->spans[first].open < open ? h->spans[first].open : open;
        close = h->spans[past - 1].close > close ? h->spans[past - 1].close : close;
        for (size_t i = past; i < h->count; i++)
            h->spans[first + 1 + i - past] = h->spans[i];
        h->count -= past - first - 1;
    }
    h->spans[first].open = open;
    h->spans[first].close = close;
    return 0;
}

static int64_t week_offset(int64_t market_ms)
{
    int64_t offset = market_ms % WEEK_MS + SUNDAY_MS;
    return offset < 0 ? offset + WEEK_MS : offset % WEEK_MS;
}

bool hours_open(const struct hours *h, int64_t market_ms)
{
    int64_t offset = week_offset(market_ms);
    bool open = h->count == 0;
    for (size_t i = 0; i < h->count && !open; i++)
        open = offset >= h->spans[i].open && offset < h->spans[i].close;
    return open;
}

int64_t hours_next_change(const struct hours *h, int64_t market_ms)
{
    if (h->count == 0 || (h->spans[0].open == 0 && h->spans[0].close == WEEK_MS))
        return INT64_MAX;
    int64_t offset = week_offset(market_ms);
    int64_t week = market_ms - offset; /* the Sunday before */
    bool through = h->spans[0].open == 0 && h->spans[h->count - 1].close == WEEK_MS;
    for (size_t i = 0; i < h->count; i++) {
        if (offset < h->spans[i].open)
            return week + h->spans[i].open;
        if (offset < h->spans[i].close && !(through && i == h->count - 1))
            return week + h->spans[i].close;
    }
    return week + WEEK_MS + (through ? h->spans[0].close : h->spans[0].open);
}
