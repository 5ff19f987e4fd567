/* SPDX-License-Identifier: MIT
 *
 * Inside core/ta only: the functions that the table in ta.c names, one family a file, and what the
 * families share.
 */
#ifndef PERIGEE_TA_TA_TABLE_H
#define PERIGEE_TA_TA_TABLE_H

#include "ta/ta.h"

/* The functions of one entry of the table; see struct ta_info. */
#define TA_DECLARE_RUN(name)                                                                       \
    void ta_##name##_batch(const double *options, const double *const *inputs, size_t n,           \
                           double *const *outputs);                                                \
    bool ta_##name##_update(void *state, const double *in, double *out)
#define TA_DECLARE_STATE(name)                                                                     \
    size_t ta_##name##_bytes(const double *options);                                               \
    void ta_##name##_begin(void *state, const double *options)

/* State and start of everything that is one rolling window of the period. */
size_t ta_window_start(const double *options); /* period - 1 */
TA_DECLARE_STATE(window);
/* Start of what compares with the bar before: period. */
size_t ta_period_start(const double *options);

TA_DECLARE_RUN(sum);
TA_DECLARE_RUN(sma);
TA_DECLARE_RUN(ema);
TA_DECLARE_STATE(ema);
TA_DECLARE_RUN(rsi);
TA_DECLARE_STATE(rsi);
TA_DECLARE_RUN(max);
TA_DECLARE_RUN(min);
TA_DECLARE_RUN(atr);
TA_DECLARE_STATE(atr);
size_t ta_vwap_start(const double *options);
TA_DECLARE_RUN(vwap);
TA_DECLARE_STATE(vwap);
TA_DECLARE_RUN(ratio);
TA_DECLARE_STATE(ratio);

/* An average this small has decayed out of a long flat stretch: it becomes exactly 0, before its
 * digits go (subnormal numbers) and before it makes each step a hundred times slower. */
#define TA_TINY 1e-290

/* x itself, or NaN when x is infinite or NaN: one bad value cannot hide as infinity. */
static inline double ta_finite(double x)
{
    return x + (x - x);
}

/* A volume: negative ones are missing. */
static inline double ta_volume(double x)
{
    return x >= 0.0 ? ta_finite(x) : __builtin_nan("");
}

static inline double ta_flush(double x)
{
    return x < TA_TINY ? 0.0 : x;
}

/* Option 0 is the period of every indicator here. */
static inline size_t ta_period(const double *options)
{
    return (size_t)options[0];
}

#endif
