/* SPDX-License-Identifier: MIT
 *
 * Moving averages and the moving sum: sum, sma, ema.
 */
#include "ta/ta_window.h"

size_t ta_window_start(const double *options)
{
    return ta_period(options) - 1;
}

size_t ta_window_bytes(const double *options)
{
    return window_size(ta_period(options));
}

void ta_window_begin(void *state, const double *options)
{
    window_init(state, ta_period(options));
}

void ta_sum_batch(const double *options, const double *const *inputs, size_t n,
                  double *const *outputs)
{
    if (n >= ta_period(options))
        window_batch(WINDOW_SUM, ta_period(options), inputs[0], n, outputs[0]);
}

bool ta_sum_update(void *state, const double *in, double *out)
{
    return window_push(WINDOW_SUM, state, in[0], out);
}

void ta_sma_batch(const double *options, const double *const *inputs, size_t n,
                  double *const *outputs)
{
    size_t period = ta_period(options);
    if (n < period)
        return;
    double *out = outputs[0];
    window_batch(WINDOW_SUM, period, inputs[0], n, out);
    for (size_t i = 0; i < n - period + 1; i++)
        out[i] /= (double)period;
}

bool ta_sma_update(void *state, const double *in, double *out)
{
    struct window *w = state;
    double sum;
    if (!window_push(WINDOW_SUM, w, in[0], &sum))
        return false;
    out[0] = sum / (double)w->period;
    return true;
}

struct ema {
    size_t period;
    size_t seen;   /* values of the seed so far, at most period */
    double weight; /* of the newest value: 2 / (period + 1) */
    double value;  /* the sum of the seed until it is whole, then the average */
};

static double ema_weight(size_t period)
{
    return 2.0 / ((double)period + 1.0);
}

void ta_ema_batch(const double *options, const double *const *inputs, size_t n,
                  double *const *outputs)
{
    size_t period = ta_period(options);
    if (n < period)
        return;
    const double *restrict in = inputs[0];
    double *restrict out = outputs[0];
    double weight = ema_weight(period);
    double value = 0.0;
    for (size_t i = 0; i < period; i++)
        value += ta_finite(in[i]);
    value /= (double)period;
    out[0] = value;
    for (size_t i = period; i < n; i++) {
        value += weight * (ta_finite(in[i]) - value);
        out[i - period + 1] = value;
    }
}

size_t ta_ema_bytes(const double *options)
{
    (void)options;
    return sizeof(struct ema);
}

void ta_ema_begin(void *state, const double *options)
{
    size_t period = ta_period(options);
    *(struct ema *)state = (struct ema){.period = period, .weight = ema_weight(period)};
}

bool ta_ema_update(void *state, const double *in, double *out)
{
    struct ema *s = state;
    double x = ta_finite(in[0]);
    if (s->seen == s->period) {
        s->value += s->weight * (x - s->value);
    } else {
        s->value += x;
        if (++s->seen < s->period)
            return false;
        s->value /= (double)s->period;
    }
    out[0] = s->value;
    return true;
}
