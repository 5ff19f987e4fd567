/* SPDX-License-Identifier: MIT
 *
 * Ranges: max, min (rolling extremes) and atr (Wilder's average true range).
 */
#include <math.h>

#include "ta/ta_window.h"

void ta_max_batch(const double *options, const double *const *inputs, size_t n,
                  double *const *outputs)
{
    if (n >= ta_period(options))
        window_batch(WINDOW_MAX, ta_period(options), inputs[0], n, outputs[0]);
}

bool ta_max_update(void *state, const double *in, double *out)
{
    return window_push(WINDOW_MAX, state, in[0], out);
}

void ta_min_batch(const double *options, const double *const *inputs, size_t n,
                  double *const *outputs)
{
    if (n >= ta_period(options))
        window_batch(WINDOW_MIN, ta_period(options), inputs[0], n, outputs[0]);
}

bool ta_min_update(void *state, const double *in, double *out)
{
    return window_push(WINDOW_MIN, state, in[0], out);
}

struct atr {
    size_t period;
    size_t ranges; /* true ranges of the seed so far, at most period */
    bool begun;    /* there is a previous close */
    double keep;   /* weight of the old average: (period - 1) / period */
    double take;   /* weight of the newest range: 1 / period */
    double last;   /* previous close */
    double value;  /* sum of the seed until it is whole, then the average */
};

/* Any NaN makes it NaN, that of its own close as well: comparisons alone would lose one. */
static inline double true_range(double high, double low, double close, double last)
{
    double range = high - low;
    double up = fabs(high - last);
    double down = fabs(low - last);
    range = range > up ? range : up;
    range = range > down ? range : down;
    return range + 0.0 * (high + low + close + last);
}

size_t ta_atr_bytes(const double *options)
{
    (void)options;
    return sizeof(struct atr);
}

void ta_atr_begin(void *state, const double *options)
{
    double period = (double)ta_period(options);
    *(struct atr *)state = (struct atr){
        .period = ta_period(options), .keep = (period - 1.0) / period, .take = 1.0 / period};
}

static inline bool atr_push(struct atr *s, double high, double low, double close, double *out)
{
    double range = true_range(ta_finite(high), ta_finite(low), ta_finite(close), s->last);
    s->last = ta_finite(close);
    if (!s->begun) {
        /* The first bar has no true range, but a bad value in it still counts. */
        s->begun = true;
        s->value = 0.0 * (ta_finite(high) + ta_finite(low));
        return false;
    }
    if (s->ranges == s->period) {
        s->value = ta_flush(s->value * s->keep + range * s->take);
    } else {
        s->value += range;
        if (++s->ranges < s->period)
            return false;
        s->value /= (double)s->period;
    }
    *out = s->value;
    return true;
}

void ta_atr_batch(const double *options, const double *const *inputs, size_t n,
                  double *const *outputs)
{
    size_t period = ta_period(options);
    const double *restrict high = inputs[0];
    const double *restrict low = inputs[1];
    const double *restrict close = inputs[2];
    double *restrict out = outputs[0];
    if (n <= period)
        return;
    struct atr s;
    ta_atr_begin(&s, options);
    for (size_t i = 0; i <= period; i++)
        atr_push(&s, high[i], low[i], close[i], out);
    double value = s.value;
    for (size_t i = period + 1; i < n; i++) {
        double range = true_range(ta_finite(high[i]), ta_finite(low[i]), ta_finite(close[i]),
                                  ta_finite(close[i - 1]));
        value = ta_flush(value * s.keep + range * s.take);
        out[i - period] = value;
    }
}

bool ta_atr_update(void *state, const double *in, double *out)
{
    return atr_push(state, in[0], in[1], in[2], out);
}
