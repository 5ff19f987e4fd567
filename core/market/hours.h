/* SPDX-License-Identifier: MIT
 *
 * Trading hours of a week in UTC: spans of [open, close) in milliseconds since Sunday 00:00.
 */
#ifndef PERIGEE_MARKET_HOURS_H
#define PERIGEE_MARKET_HOURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOURS_MAX_SPANS 32

struct hours {
    size_t count; /* 0: always open */
    struct {
        int64_t open, close; /* ms since Sunday 00:00 UTC */
    } spans[HOURS_MAX_SPANS];
};

void hours_init(struct hours *h);
/* day 0 is Sunday; times in ms of the day, close inclusive up to the last second as the venues
 * write it (23:59:59 means until 24:00). ERR_INPUT on nonsense, ERR_LIMIT when full. */
int hours_add(struct hours *h, int day, int64_t open_ms, int64_t close_ms);
bool hours_open(const struct hours *h, int64_t market_ms);
/* The next instant at which open/closed changes; INT64_MAX: never. */
int64_t hours_next_change(const struct hours *h, int64_t market_ms);

#endif
