/* SPDX-License-Identifier: MIT
 *
 * Volume: vwap (rolling or since the start) and volume_ratio.
 */
#include <math.h>

#include "ta/ta_window.h"

/* --- vwap: sum of typical price * volume over sum of volume. Its second output, the volume of the
 * window, says how much the first one is worth, and gives the batch form the room it needs. */

/* A sum with its rounding errors carried beside it (Neumaier): millions of additions do not drift.
 */
struct careful_sum {
    double sum;
    double lost; /* what the additions have rounded away */
};

static inline void careful_add(struct careful_sum *s, double x)
{
    double t = s->sum + x;
    if (fabs(s->sum) >= fabs(x))
        s->lost += (s->sum - t) + x;
    else
        s->lost += (x - t) + s->sum;
    s->sum = t;
}

static inline double typical(double high, double low, double close)
{
    return (high + low + close) / 3.0;
}

/* Without volume there is nothing to weigh with: the newest typical price stands for all. */
static inline double vwap_value(double money, double volume, double price)
{
    return volume == 0.0 ? ta_finite(price) : money / volume;
}

struct vwap {
    size_t period;                    /* 0: since the start */
    struct careful_sum money, volume; /* period 0 only */
    /* Rolling: two windows follow, money then volume. */
};

static struct window *vwap_window(struct vwap *s, int which)
{
    char *first = (char *)s + sizeof *s;
    return (struct window *)(void *)(first + (which ? window_size(s->period) : 0));
}

size_t ta_vwap_start(const double *options)
{
    size_t period = ta_period(options);
    return period == 0 ? 0 : period - 1;
}

size_t ta_vwap_bytes(const double *options)
{
    size_t period = ta_period(options);
    return sizeof(struct vwap) + (period == 0 ? 0 : 2 * window_size(period));
}

void ta_vwap_begin(void *state, const double *options)
{
    struct vwap *s = state;
    *s = (struct vwap){.period = ta_period(options)};
    if (s->period == 0)
        return;
    window_init(vwap_window(s, 0), s->period);
    window_init(vwap_window(s, 1), s->period);
}

bool ta_vwap_update(void *state, const double *in, double *out)
{
    struct vwap *s = state;
    double price = typical(in[0], in[1], in[2]);
    double size = ta_volume(in[3]);
    double money = 0.0;
    double volume = 0.0;
    if (s->period == 0) {
        careful_add(&s->money, ta_finite(price * size));
        careful_add(&s->volume, size);
        money = s->money.sum + s->money.lost;
        volume = s->volume.sum + s->volume.lost;
    } else {
        bool whole = window_push(WINDOW_SUM, vwap_window(s, 0), price * size, &money);
        (void)window_push(WINDOW_SUM, vwap_window(s, 1), size, &volume);
        if (!whole)
            return false;
    }
    out[0] = money != money ? money : vwap_value(money, volume, price);
    out[1] = volume;
    return true;
}

static void vwap_since_start(const double *const *inputs, size_t n, double *const *outputs)
{
    struct vwap s = {.period = 0};
    for (size_t i = 0; i < n; i++) {
        double in[4] = {inputs[0][i], inputs[1][i], inputs[2][i], inputs[3][i]};
        double out[2];
        ta_vwap_update(&s, in, out);
        outputs[0][i] = out[0];
        outputs[1][i] = out[1];
    }
}

static inline __attribute__((always_inline)) double read_money(const void *source, size_t i)
{
    const double *const *in = source;
    return typical(in[0][i], in[1][i], in[2][i]) * ta_volume(in[3][i]);
}

static inline __attribute__((always_inline)) double read_volume(const void *source, size_t i)
{
    return ta_volume(((const double *)source)[i]);
}

void ta_vwap_batch(const double *options, const double *const *inputs, size_t n,
                   double *const *outputs)
{
    size_t period = ta_period(options);
    if (period == 0) {
        vwap_since_start(inputs, n, outputs);
        return;
    }
    if (n < period)
        return;
    double *vwap = outputs[0];
    double *volume = outputs[1];
    window_batch_of(WINDOW_SUM, period, read_money, inputs, n, vwap);
    window_batch_of(WINDOW_SUM, period, read_volume, inputs[3], n, volume);
    for (size_t i = 0; i < n - period + 1; i++) {
        size_t at = i + period - 1;
        double price = typical(inputs[0][at], inputs[1][at], inputs[2][at]);
        vwap[i] = vwap[i] != vwap[i] ? vwap[i] : vwap_value(vwap[i], volume[i], price);
    }
}

/* --- volume_ratio: volume of this bar over the mean of the `period` bars before it. */

/* Nothing traded before: no evidence of a surge, whatever this bar brings. */
static inline double ratio_value(double volume, double mean)
{
    double ratio = volume / mean;
    return mean == 0.0 ? 0.0 * volume : ratio;
}

struct ratio {
    double mean; /* of the bars before this one */
    bool whole;  /* mean is of `period` bars */
    struct window before;
};

size_t ta_ratio_bytes(const double *options)
{
    return sizeof(struct ratio) + ta_period(options) * sizeof(double);
}

void ta_ratio_begin(void *state, const double *options)
{
    struct ratio *s = state;
    s->mean = 0.0;
    s->whole = false;
    window_init(&s->before, ta_period(options));
}

bool ta_ratio_update(void *state, const double *in, double *out)
{
    struct ratio *s = state;
    double volume = ta_volume(in[0]);
    bool written = s->whole;
    if (written)
        out[0] = ratio_value(volume, s->mean);
    double sum;
    s->whole = window_push(WINDOW_SUM, &s->before, volume, &sum);
    if (s->whole)
        s->mean = sum / (double)s->before.period;
    return written;
}

void ta_ratio_batch(const double *options, const double *const *inputs, size_t n,
                    double *const *outputs)
{
    size_t period = ta_period(options);
    if (n <= period)
        return;
    const double *in = inputs[0];
    double *out = outputs[0];
    window_batch_of(WINDOW_SUM, period, read_volume, in, n - 1, out);
    for (size_t i = 0; i < n - period; i++)
        out[i] = ratio_value(ta_volume(in[i + period]), out[i] / (double)period);
}
