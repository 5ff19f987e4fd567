/* SPDX-License-Identifier: MIT
 *
 * Momentum: rsi (J. Welles Wilder, New Concepts in Technical Trading Systems, 1978).
 */
#include "ta/ta_table.h"

/* Both forms run on this state, so they agree to the last bit. */
struct rsi {
    size_t period;
    size_t changes; /* changes of the seed so far, at most period */
    bool begun;     /* there is a previous value */
    double keep;    /* weight of the old average: (period - 1) / period */
    double take;    /* weight of the newest change: 1 / period */
    double last;    /* previous value */
    double gain;    /* sum of the seed until it is whole, then the average */
    double loss;    /* the same, positive */
};

size_t ta_period_start(const double *options)
{
    return ta_period(options);
}

size_t ta_rsi_bytes(const double *options)
{
    (void)options;
    return sizeof(struct rsi);
}

void ta_rsi_begin(void *state, const double *options)
{
    double period = (double)ta_period(options);
    *(struct rsi *)state = (struct rsi){
        .period = ta_period(options), .keep = (period - 1.0) / period, .take = 1.0 / period};
}

/* 50 where nothing has moved: neither overbought nor oversold. NaN passes through. */
static inline double rsi_value(double gain, double loss)
{
    double both = gain + loss;
    return both == 0.0 ? 50.0 : 100.0 * (gain / both);
}

static inline void rsi_smooth(struct rsi *s, double change)
{
    /* A NaN change fails both comparisons and is added to both sides by itself. */
    double up = change <= 0.0 ? 0.0 : change;
    double down = change >= 0.0 ? 0.0 : -change;
    s->gain = s->gain * s->keep + up * s->take;
    s->loss = s->loss * s->keep + down * s->take;
    if (s->gain + s->loss < TA_TINY)
        s->gain = s->loss = 0.0;
}

static inline bool rsi_push(struct rsi *s, double value, double *out)
{
    double x = ta_finite(value);
    double change = x - s->last;
    s->last = x;
    if (!s->begun) {
        s->begun = true;
        return false;
    }
    if (s->changes == s->period) {
        rsi_smooth(s, change);
    } else {
        s->gain += change <= 0.0 ? 0.0 : change;
        s->loss += change >= 0.0 ? 0.0 : -change;
        if (++s->changes < s->period)
            return false;
        s->gain /= (double)s->period;
        s->loss /= (double)s->period;
    }
    *out = rsi_value(s->gain, s->loss);
    return true;
}

void ta_rsi_batch(const double *options, const double *const *inputs, size_t n,
                  double *const *outputs)
{
    size_t period = ta_period(options);
    if (n <= period)
        return;
    const double *restrict in = inputs[0];
    double *restrict out = outputs[0];
    struct rsi s;
    ta_rsi_begin(&s, options);
    for (size_t i = 0; i <= period; i++)
        rsi_push(&s, in[i], out);
    for (size_t i = period + 1; i < n; i++) {
        rsi_smooth(&s, ta_finite(in[i]) - ta_finite(in[i - 1]));
        out[i - period] = rsi_value(s.gain, s.loss);
    }
}

bool ta_rsi_update(void *state, const double *in, double *out)
{
    return rsi_push(state, in[0], out);
}
