/* SPDX-License-Identifier: MIT
 *
 * Inside core/ta only: rolling sum, maximum and minimum over the last `period` values, in constant
 * time for each value on average and without ever subtracting.
 *
 * The values are cut into blocks of `period`. A window that ends inside a block is the tail of the
 * block before (kept as its suffix aggregates) and the head of this one (a running aggregate):
 *
 *     | . . . s s s | p p p . . . |      window = suffix of the old block (+) prefix of the new
 *
 * So a value that has left the window has left no trace: there is no drift however long it runs,
 * a sum is as good as one added up afresh, and a NaN is gone when its bar is. The price is one pass
 * over the block at its end, every `period` values. Stream and batch do the same additions in the
 * same order, so they agree to the last bit.
 */
#ifndef PERIGEE_TA_TA_WINDOW_H
#define PERIGEE_TA_TA_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "ta/ta_table.h"

enum window_op { WINDOW_SUM, WINDOW_MAX, WINDOW_MIN };

struct window {
    size_t period; /* values in a block and in the window */
    size_t at;     /* slot of the next value, 0..period - 1 */
    bool full;     /* a whole block lies behind: buf[at..] are its suffix aggregates */
    double front;  /* aggregate of buf[0..at) of the present block */
    double buf[];  /* [0..at): values of this block; [at..period): suffixes of the last one */
};

static inline size_t window_size(size_t period)
{
    return sizeof(struct window) + period * sizeof(double);
}

static inline void window_init(struct window *w, size_t period)
{
    w->period = period;
    w->at = 0;
    w->full = false;
    w->front = 0.0;
}

/* NaN on either side wins: a comparison with NaN takes b, and a - a brings in that of a. Written
 * without a branch, which random prices would mispredict half of the time. */
static inline __attribute__((always_inline)) double window_join(enum window_op op, double a,
                                                                double b)
{
    switch (op) {
    case WINDOW_MAX:
        return (a > b ? a : b) + (a - a);
    case WINDOW_MIN:
        return (a < b ? a : b) + (a - a);
    case WINDOW_SUM:
        break;
    }
    return a + b;
}

/* True when the window is full; then *out is its aggregate. */
static inline __attribute__((always_inline)) bool window_push(enum window_op op, struct window *w,
                                                              double value, double *out)
{
    double x = ta_finite(value);
    w->front = w->at == 0 ? x : window_join(op, w->front, x);
    w->buf[w->at++] = x;
    if (w->at < w->period) {
        if (w->full)
            *out = window_join(op, w->buf[w->at], w->front);
        return w->full;
    }
    *out = w->front;
    for (size_t i = w->period - 1; i-- > 0;)
        w->buf[i] = window_join(op, w->buf[i], w->buf[i + 1]);
    w->at = 0;
    w->full = true;
    return true;
}

/* Reads value i of a source; one that is known at compile time is inlined. */
typedef double (*window_read)(const void *source, size_t i);

/* The batch form: out[i] is the aggregate of values i..i + period - 1, n - period + 1 of them. n
 * must be at least period. */
static inline __attribute__((always_inline)) void window_batch_of(enum window_op op, size_t period,
                                                                  window_read read,
                                                                  const void *source, size_t n,
                                                                  double *out)
{
    size_t last = n - period; /* the last output */
    for (size_t b = 0; b < n; b += period) {
        size_t end = n - b < period ? n : b + period;
        double acc = ta_finite(read(source, b));
        size_t i = b + 1;
        if (b > 0 && period > 1) {
            double *tail = out + (b - period + 1); /* suffixes of the block before */
            size_t stop = end - b < period ? end : end - 1;
            tail[0] = window_join(op, tail[0], acc);
            for (; i < stop; i++) {
                acc = window_join(op, acc, ta_finite(read(source, i)));
                tail[i - b] = window_join(op, tail[i - b], acc);
            }
        }
        for (; i < end; i++)
            acc = window_join(op, acc, ta_finite(read(source, i)));
        if (end - b < period)
            break;
        out[b] = acc;
        if (b == last)
            break;
        acc = ta_finite(read(source, end - 1));
        for (i = end - 1; i > last; i--)
            acc = window_join(op, ta_finite(read(source, i - 1)), acc);
        for (; i > b; i--) {
            out[i] = acc;
            acc = window_join(op, ta_finite(read(source, i - 1)), acc);
        }
    }
}

static inline __attribute__((always_inline)) double window_read_array(const void *source, size_t i)
{
    return ((const double *)source)[i];
}

static inline __attribute__((always_inline)) void
window_batch(enum window_op op, size_t period, const double *in, size_t n, double *out)
{
    window_batch_of(op, period, window_read_array, in, n, out);
}

#endif
