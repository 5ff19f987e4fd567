/* SPDX-License-Identifier: MIT
 *
 * Time. The only file that asks the kernel for it.
 *
 * Two clocks live in one struct:
 *   market  milliseconds since 1970 UTC of the market: bars, holding time, token expiry, budgets.
 *           wall (live), scaled (paper at --speed X), granted (--speed max: stands still until
 *           clock_market_set moves it) or virtual.
 *   io      monotonic nanoseconds: time-outs and back-off. Always wall, except in virtual mode.
 * The market clock never goes back within a mode; a change of mode begins another market's time.
 *
 * Virtual time belongs to whoever made it virtual (a fault run, a test): it stands still until that
 * one moves it, the loop by clock_advance, and nothing leaves the mode again. Code under test that
 * scales or grants its clock, as an engine does when a feed tells it the time, changes nothing.
 */
#ifndef PERIGEE_BASE_CLOCK_H
#define PERIGEE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum clock_mode { CLOCK_WALL, CLOCK_SCALED, CLOCK_GRANTED, CLOCK_VIRTUAL };

struct clock {
    enum clock_mode mode;
    double speed;          /* market ms per wall ms; scaled mode only */
    int64_t anchor_market; /* market ms at anchor_io; scaled and virtual mode */
    int64_t anchor_io;     /* io ns of the anchor */
    int64_t market;        /* market ms; granted and virtual: now; else the newest answer given */
    int64_t io;            /* io ns now; virtual mode only */
    int64_t wall_base;     /* wall us at io 0; virtual mode only */
};

void clock_init(struct clock *c); /* wall mode */
/* Scaled: market_ms is the market's time now and it runs `speed` times as fast as the wall. May be
 * called again to re-anchor; a time before the newest answer is held there until caught up. */
void clock_scale(struct clock *c, int64_t market_ms, double speed);
void clock_grant(struct clock *c, int64_t market_ms); /* granted mode, standing at market_ms */
void clock_virtual(struct clock *c, int64_t market_ms, int64_t wall_us);
/* Granted and virtual: moves the market clock forward; an earlier time is ignored. */
void clock_market_set(struct clock *c, int64_t market_ms);
void clock_io_advance(struct clock *c, int64_t ns); /* virtual only: the market stands still */
/* Virtual only: both clocks go on together, 1 ms of the market for each ms of io. */
void clock_advance(struct clock *c, int64_t ns);
/* Virtual only: io ns at which clock_advance brings the market to market_ms; INT64_MAX: never. */
int64_t clock_io_at(const struct clock *c, int64_t market_ms);

int64_t clock_market_ms(struct clock *c);
int64_t clock_io_ns(const struct clock *c);
int64_t clock_wall_us(const struct clock *c); /* microseconds since 1970 UTC, for people */
/* Does the market clock run by itself (wall, scaled)? */
bool clock_runs(const struct clock *c);
/* Io milliseconds from now until the market clock reaches market_ms (0 if past); -1 if it does not
 * run by itself. */
int64_t clock_io_ms_until(struct clock *c, int64_t market_ms);

/* What a thread has used of the processor. */
struct clock_thread {
    int id; /* the kernel's */
};
int clock_this_thread(struct clock_thread *t);         /* 0, or -1 where the kernel does not tell */
int64_t clock_thread_ns(const struct clock_thread *t); /* may be asked by another thread */

/* ISO-8601 UTC with milliseconds, "2022-01-01T00:00:00.000Z"; buf of at least 25 bytes. */
void clock_iso(int64_t market_ms, char *buf);
/* Parses ISO-8601 ("Z", "+hh:mm", no zone = UTC, ' ' or 'T', any fraction). 0 or ERR_INPUT. */
int clock_iso_parse(const char *text, int64_t *market_ms);

#endif
