/* SPDX-License-Identifier: MIT
 *
 * Every indicator three ways: batch, a slow plain reference written from the definition, and the
 * stream fed in chunks; then the edges: short, empty, flat, zero volume, missing values, limits.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "ta/ta.h"

#define N 1500

struct bars {
    double open[N], high[N], low[N], close[N], volume[N];
};

static struct bars bars; /* a random walk with some empty bars, made once */

static int make_bars(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 7);
    double price = 46000.0;
    for (size_t i = 0; i < N; i++) {
        bars.open[i] = price;
        price += rng_normal(&r) * 20.0;
        bars.close[i] = price;
        bars.high[i] = fmax(bars.open[i], price) + rng_uniform(&r) * 10.0;
        bars.low[i] = fmin(bars.open[i], price) - rng_uniform(&r) * 10.0;
        bars.volume[i] = rng_uniform(&r) < 0.1 ? 0.0 : rng_exponential(&r, 1e6);
    }
    return 0;
}

static const double *column_for(const struct bars *b, enum ta_input input)
{
    switch (input) {
    case TA_OPEN:
        return b->open;
    case TA_HIGH:
        return b->high;
    case TA_LOW:
        return b->low;
    case TA_VOLUME:
    case TA_BUY_VOLUME:
        return b->volume;
    default:
        return b->close;
    }
}

static void columns(const struct ta_info *info, const struct bars *b, const double **inputs)
{
    for (size_t i = 0; i < info->input_count; i++)
        inputs[i] = column_for(b, info->inputs[i]);
}

/* --- the slow references: output at bar i, straight from the definition */

static double slow_mean(const double *x, size_t i, size_t p)
{
    long double sum = 0;
    for (size_t k = 0; k < p; k++)
        sum += (long double)x[i - k];
    return (double)(sum / (long double)p);
}

static double slow_ema(const double *x, size_t i, size_t p)
{
    long double value = (long double)slow_mean(x, p - 1, p);
    for (size_t k = p; k <= i; k++)
        value = value * (1 - 2.0L / (long double)(p + 1)) +
                (long double)x[k] * 2.0L / (long double)(p + 1);
    return (double)value;
}

static double slow_rsi(const double *x, size_t i, size_t p)
{
    long double gain = 0, loss = 0;
    for (size_t k = 1; k <= i; k++) {
        long double d = (long double)x[k] - (long double)x[k - 1];
        long double up = d > 0 ? d : 0, down = d < 0 ? -d : 0;
        if (k <= p) {
            gain += up / (long double)p;
            loss += down / (long double)p;
        } else {
            gain = (gain * (long double)(p - 1) + up) / (long double)p;
            loss = (loss * (long double)(p - 1) + down) / (long double)p;
        }
    }
    return gain + loss > 0 ? (double)(100 - 100 / (1 + gain / loss)) : 50.0;
}

static double slow_atr(const struct bars *b, size_t i, size_t p)
{
    long double value = 0;
    for (size_t k = 1; k <= i; k++) {
        double range = fmax(b->high[k], b->close[k - 1]) - fmin(b->low[k], b->close[k - 1]);
        if (k <= p)
            value += (long double)range / (long double)p;
        else
            value = (value * (long double)(p - 1) + (long double)range) / (long double)p;
    }
    return (double)value;
}

static double slow_extreme(const double *x, size_t i, size_t p, int sign)
{
    double best = x[i];
    for (size_t k = 1; k < p; k++)
        best = sign > 0 ? fmax(best, x[i - k]) : fmin(best, x[i - k]);
    return best;
}

static double slow_vwap(const struct bars *b, size_t i, size_t p, double *volume)
{
    long double money = 0, total = 0;
    size_t from = p == 0 ? 0 : i + 1 - p;
    for (size_t k = from; k <= i; k++) {
        long double typical =
            ((long double)b->high[k] + (long double)b->low[k] + (long double)b->close[k]) / 3;
        money += typical * (long double)b->volume[k];
        total += (long double)b->volume[k];
    }
    *volume = (double)total;
    return total > 0 ? (double)(money / total) : (b->high[i] + b->low[i] + b->close[i]) / 3.0;
}

static void slow(const char *name, const struct bars *b, size_t i, size_t p, double *out)
{
    if (strcmp(name, "sma") == 0)
        out[0] = slow_mean(b->close, i, p);
    else if (strcmp(name, "sum") == 0)
        out[0] = slow_mean(b->close, i, p) * (double)p;
    else if (strcmp(name, "ema") == 0)
        out[0] = slow_ema(b->close, i, p);
    else if (strcmp(name, "rsi") == 0)
        out[0] = slow_rsi(b->close, i, p);
    else if (strcmp(name, "atr") == 0)
        out[0] = slow_atr(b, i, p);
    else if (strcmp(name, "max") == 0)
        out[0] = slow_extreme(b->close, i, p, 1);
    else if (strcmp(name, "min") == 0)
        out[0] = slow_extreme(b->close, i, p, -1);
    else if (strcmp(name, "vwap") == 0)
        out[0] = slow_vwap(b, i, p, &out[1]);
    else if (strcmp(name, "volume_ratio") == 0)
        out[0] = slow_mean(b->volume, i - 1, p) > 0.0
                     ? b->volume[i] / slow_mean(b->volume, i - 1, p)
                     : 0.0;
    else
        fail_msg("%s has no slow reference", name);
}

static bool close_to(double a, double b)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-10 * fmax(fabs(b), 1e-300);
}

static const size_t periods[] = {1, 2, 3, 7, 14, 20, 99, 100, 300, 1499, 1500, 1501};
#define PERIODS (sizeof periods / sizeof periods[0])

static bool allowed(const struct ta_info *info, size_t period)
{
    return (double)period >= info->options[0].min;
}

/* A batch over the first n bars into out (fails the test on an error). */
static size_t run(const struct ta_info *info, size_t period, const struct bars *b, size_t n,
                  double out[TA_MAX_OUTPUTS][N])
{
    double options[TA_MAX_OPTIONS] = {(double)period};
    const double *inputs[TA_MAX_INPUTS];
    double *outputs[TA_MAX_OUTPUTS];
    columns(info, b, inputs);
    for (size_t k = 0; k < info->output_count; k++)
        outputs[k] = out[k];
    size_t count = 0;
    struct err e;
    assert_int_equal(ta_run(info, options, inputs, n, outputs, &count, &e), 0);
    size_t start = ta_start(info, options);
    assert_int_equal(count, n > start ? n - start : 0);
    return count;
}

static void test_batch_against_definition(void **state)
{
    (void)state;
    static double out[TA_MAX_OUTPUTS][N];
    size_t table_count;
    const struct ta_info *all = ta_all(&table_count);
    for (size_t a = 0; a < table_count; a++) {
        for (size_t k = 0; k < PERIODS; k++) {
            if (!allowed(&all[a], periods[k]))
                continue;
            size_t count = run(&all[a], periods[k], &bars, N, out);
            for (size_t i = 0; i < count; i += i < 400 ? 1 : 37) {
                double want[TA_MAX_OUTPUTS] = {0};
                slow(all[a].name, &bars, N - count + i, periods[k], want);
                for (size_t o = 0; o < all[a].output_count; o++) {
                    if (!close_to(out[o][i], want[o]))
                        fail_msg("%s(%zu) output %zu at %zu: %.17g, definition %.17g", all[a].name,
                                 periods[k], o, i, out[o][i], want[o]);
                }
            }
        }
    }
}

/* The cumulative form is another path. */
static void test_vwap_since_start(void **state)
{
    (void)state;
    static double out[TA_MAX_OUTPUTS][N];
    assert_int_equal(run(ta_find("vwap"), 0, &bars, N, out), N);
    for (size_t i = 0; i < N; i += 11) {
        double volume;
        assert_true(close_to(out[0][i], slow_vwap(&bars, i, 0, &volume)));
        assert_true(close_to(out[1][i], volume));
    }
}

/* A stream's bars come as they come: whatever the batches, and however often it was reset before,
 * it answers what the batch form does. */
static void stream_equals_batch(const struct ta_info *info, size_t period, const struct bars *b,
                                size_t n)
{
    static double out[TA_MAX_OUTPUTS][N];
    size_t count = run(info, period, b, n, out);
    double options[TA_MAX_OPTIONS] = {(double)period};
    struct err e;
    struct ta_stream *s = ta_stream_new(info, options, &e);
    assert_non_null(s);
    assert_ptr_equal(ta_stream_info(s), info);
    for (int round = 0; round < 2; round++) {
        size_t written = 0;
        for (size_t i = 0; i < n; i++) {
            double in[TA_MAX_INPUTS];
            double got[TA_MAX_OUTPUTS];
            for (size_t k = 0; k < info->input_count; k++)
                in[k] = column_for(b, info->inputs[k])[i];
            if (!ta_stream_update(s, in, got))
                continue;
            for (size_t o = 0; o < info->output_count; o++) {
                if (!close_to(got[o], out[o][written]))
                    fail_msg("%s(%zu) output %zu at %zu: stream %.17g, batch %.17g", info->name,
                             period, o, i, got[o], out[o][written]);
            }
            written++;
        }
        assert_int_equal(written, count);
        ta_stream_reset(s);
    }
    ta_stream_free(s);
}

static void test_stream_equals_batch(void **state)
{
    (void)state;
    size_t table_count;
    const struct ta_info *all = ta_all(&table_count);
    for (size_t a = 0; a < table_count; a++) {
        for (size_t k = 0; k < PERIODS; k++) {
            if (allowed(&all[a], periods[k]))
                stream_equals_batch(&all[a], periods[k], &bars, N);
        }
        for (size_t n = 0; n < 20; n++)
            stream_equals_batch(&all[a], 5, &bars, n);
    }
    stream_equals_batch(ta_find("vwap"), 0, &bars, N);
}

/* Batches that overlap by the warm-up give the same values as one whole batch, for all that has a
 * window (recursive ones remember their start). */
static void test_chunks(void **state)
{
    (void)state;
    static const char *const names[] = {"sma", "sum", "max", "min", "volume_ratio"};
    static const size_t chunks[] = {1, 2, 3, 5, 7, 13, 100, N};
    static double whole[TA_MAX_OUTPUTS][N];
    const size_t period = 20;
    for (size_t a = 0; a < sizeof names / sizeof names[0]; a++) {
        const struct ta_info *info = ta_find(names[a]);
        double options[TA_MAX_OPTIONS] = {(double)period};
        size_t start = ta_start(info, options);
        size_t count = run(info, period, &bars, N, whole);
        const double *input = column_for(&bars, info->inputs[0]);
        for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
            for (size_t from = 0; from < count; from += chunks[c]) {
                double part[N];
                double *outputs[] = {part};
                const double *inputs[] = {input + from};
                size_t want = from + chunks[c] > count ? count - from : chunks[c];
                size_t got;
                struct err e;
                assert_int_equal(ta_run(info, options, inputs, start + want, outputs, &got, &e), 0);
                assert_int_equal(got, want);
                for (size_t i = 0; i < want; i++)
                    assert_true(close_to(part[i], whole[0][from + i]));
            }
        }
    }
}

/* --- edges */

static double last_of(const char *name, size_t period, const struct bars *b, size_t n)
{
    static double out[TA_MAX_OUTPUTS][N];
    size_t count = run(ta_find(name), period, b, n, out);
    assert_true(count > 0);
    return out[0][count - 1];
}

static struct bars *flat_bars(double price, double volume)
{
    static struct bars b;
    for (size_t i = 0; i < N; i++) {
        b.open[i] = b.high[i] = b.low[i] = b.close[i] = price;
        b.volume[i] = volume;
    }
    return &b;
}

static void test_flat(void **state)
{
    (void)state;
    struct bars *b = flat_bars(0.1, 3.0);
    assert_true(close_to(last_of("rsi", 14, b, N), 50.0));
    assert_true(last_of("atr", 14, b, N) == 0.0);
    assert_true(close_to(last_of("sma", 30, b, N), 0.1));
    assert_true(close_to(last_of("ema", 30, b, N), 0.1));
    assert_true(last_of("max", 30, b, N) == 0.1);
    assert_true(last_of("min", 30, b, N) == 0.1);
    assert_true(close_to(last_of("vwap", 30, b, N), 0.1));
    assert_true(close_to(last_of("volume_ratio", 20, b, N), 1.0));
}

static void test_rsi_only_up_or_down(void **state)
{
    (void)state;
    struct bars *b = flat_bars(1.0, 1.0);
    for (size_t i = 0; i < N; i++)
        b->close[i] = (double)i + 1.0;
    assert_true(last_of("rsi", 14, b, 100) == 100.0);
    for (size_t i = 0; i < N; i++)
        b->close[i] = (double)(N - i);
    assert_true(last_of("rsi", 14, b, 100) == 0.0);
}

/* After one move and a very long flat stretch the averages have decayed to nothing: RSI goes from
 * what the move made it to 50, never to a NaN or to the noise of subnormal numbers. */
static void test_rsi_decays_to_neutral(void **state)
{
    (void)state;
    double options[TA_MAX_OPTIONS] = {2};
    struct err e;
    struct ta_stream *s = ta_stream_new(ta_find("rsi"), options, &e);
    assert_non_null(s);
    double out = -1.0;
    for (int i = 0; i < 20000; i++) {
        double in[] = {i == 0 ? 1.0 : i == 1 ? 4.0 : 3.0};
        if (ta_stream_update(s, in, &out))
            assert_true(close_to(out, 75.0) || out == 50.0);
    }
    assert_true(out == 50.0);
    ta_stream_free(s);
}

static void test_zero_volume(void **state)
{
    (void)state;
    struct bars *b = flat_bars(5.0, 0.0);
    assert_true(last_of("volume_ratio", 20, b, N) == 0.0); /* nothing after nothing */
    assert_true(last_of("vwap", 20, b, N) == 5.0);
    assert_true(last_of("vwap", 0, b, N) == 5.0);
    b->volume[N - 1] = 1000.0;
    assert_true(last_of("volume_ratio", 20, b, N) == 0.0); /* a burst after nothing: no evidence */
    b->high[N - 1] = 11.0;
    b->volume[N - 1] = 0.0;
    assert_true(last_of("vwap", 20, b, N) == 7.0); /* the newest typical price */
}

/* What follows a bad bar: windows forget it when it has left, recursive indicators never. */
static void bad_value(double bad, const char *name, size_t period, size_t input, bool forgets)
{
    const struct ta_info *info = ta_find(name);
    static struct bars b;
    static double out[TA_MAX_OUTPUTS][N];
    b = bars;
    const size_t where = 777;
    double *column = (double *)(uintptr_t)column_for(&b, info->inputs[input]);
    column[where] = bad;
    size_t count = run(info, period, &b, N, out);
    size_t start = N - count;
    for (size_t i = start; i < N; i++) {
        bool inside = i >= where && (!forgets || i <= where + start);
        bool is_nan = isnan(out[0][i - start]);
        if (is_nan != inside)
            fail_msg("%s(%zu): %g in input %zu at %zu makes %g at %zu", name, period, bad, input,
                     where, out[0][i - start], i);
    }
    for (size_t i = 1; i < 4; i++) /* and in the bars of the seed */
        stream_equals_batch(info, period, &b, N / i);
    b = bars;
    column[1] = bad;
    stream_equals_batch(info, period, &b, N);
    run(info, period, &b, N, out);
    assert_int_equal(isnan(out[0][count - 1]), !forgets);
}

static void test_missing_values(void **state)
{
    (void)state;
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t k = 0; k < 3; k++) {
        bad_value(bad[k], "sma", 30, 0, true);
        bad_value(bad[k], "sum", 30, 0, true);
        bad_value(bad[k], "max", 30, 0, true);
        bad_value(bad[k], "min", 7, 0, true);
        bad_value(bad[k], "volume_ratio", 20, 0, true);
        bad_value(bad[k], "ema", 30, 0, false);
        bad_value(bad[k], "rsi", 14, 0, false);
        for (size_t input = 0; input < 3; input++)
            bad_value(bad[k], "atr", 14, input, false);
        for (size_t input = 0; input < 4; input++) {
            bad_value(bad[k], "vwap", 30, input, true);
            bad_value(bad[k], "vwap", 0, input, false);
        }
    }
    bad_value(-1.0, "vwap", 30, 3, true);
    bad_value(-1.0, "volume_ratio", 20, 0, true);
}

/* A huge value leaves the window without a trace, and a million updates do not drift. */
static void test_no_drift(void **state)
{
    (void)state;
    double options[TA_MAX_OPTIONS] = {20};
    struct err e;
    struct ta_stream *s = ta_stream_new(ta_find("sma"), options, &e);
    assert_non_null(s);
    struct rng r;
    rng_seed(&r, 3);
    double window[20] = {0};
    double out = 0.0;
    for (size_t i = 0; i < 1000000; i++) {
        double in[] = {i % 1000 == 0 ? 1e17 : rng_uniform(&r)};
        window[i % 20] = in[0];
        bool written = ta_stream_update(s, in, &out);
        assert_int_equal(written, i >= 19);
        if (i % 1000 == 500 || i == 999999)
            assert_true(close_to(out, slow_mean(window, 19, 20)));
    }
    ta_stream_free(s);
}

static void test_cumulative_vwap_does_not_drift(void **state)
{
    (void)state;
    double options[TA_MAX_OPTIONS] = {0};
    struct err e;
    struct ta_stream *s = ta_stream_new(ta_find("vwap"), options, &e);
    assert_non_null(s);
    double out[2] = {0};
    for (size_t i = 0; i < 1000000; i++) {
        double in[] = {0.1, 0.1, 0.1, 0.1};
        ta_stream_update(s, in, out);
    }
    assert_true(fabs(out[0] - 0.1) <= 1e-15);
    assert_true(fabs(out[1] - 100000.0) <= 1e-9);
    ta_stream_free(s);
}

/* --- the table and its checks */

static void test_table(void **state)
{
    (void)state;
    size_t count;
    const struct ta_info *all = ta_all(&count);
    assert_true(count >= 9);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(ta_find(all[i].name), &all[i]);
        if (i > 0)
            assert_true(strcmp(all[i - 1].name, all[i].name) < 0);
        assert_true(all[i].input_count >= 1 && all[i].input_count <= TA_MAX_INPUTS);
        assert_true(all[i].output_count >= 1 && all[i].output_count <= TA_MAX_OUTPUTS);
        double options[TA_MAX_OPTIONS];
        struct err e;
        assert_int_equal(ta_options(&all[i], NULL, 0, options, &e), 0);
        for (size_t o = 0; o < all[i].option_count; o++) {
            assert_true(options[o] == all[i].options[o].def);
            options[o] = all[i].options[o].max;
        }
        assert_int_equal(all[i].state_size(options) % 8, 0);
        assert_true(ta_start(&all[i], options) <= TA_MAX_PERIOD);
    }
    assert_null(ta_find("SMA"));
    assert_null(ta_find(""));
    assert_null(ta_find(NULL));
}

static void test_options(void **state)
{
    (void)state;
    const struct ta_info *sma = ta_find("sma");
    const double wrong[] = {0, -1, 2.5, TA_MAX_PERIOD + 1, NAN, INFINITY};
    double options[TA_MAX_OPTIONS];
    struct err e;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        e = (struct err){0};
        assert_int_equal(ta_options(sma, &wrong[i], 1, options, &e), ERR_INPUT);
        assert_non_null(strstr(e.message, "period"));
        assert_null(ta_stream_new(sma, &wrong[i], &e));
        double x = 1.0;
        const double *inputs[] = {&x};
        double *outputs[] = {&x};
        size_t count = 9;
        assert_int_equal(ta_run(sma, &wrong[i], inputs, 1, outputs, &count, &e), ERR_INPUT);
        assert_int_equal(count, 0);
    }
    const double two[] = {3, 4};
    assert_int_equal(ta_options(sma, two, 2, options, &e), ERR_INPUT);
    const double one = 1;
    assert_int_equal(ta_options(ta_find("rsi"), &one, 1, options, &e), ERR_INPUT);
    assert_int_equal(ta_options(sma, &one, 1, options, &e), 0);
    const double most = TA_MAX_PERIOD;
    assert_int_equal(ta_options(sma, &most, 1, options, &e), 0);
    struct ta_stream *s = ta_stream_new(sma, options, &e);
    assert_non_null(s);
    double in = 2.0, out = 0.0;
    for (int i = 0; i < TA_MAX_PERIOD - 1; i++)
        assert_false(ta_stream_update(s, &in, &out));
    assert_true(ta_stream_update(s, &in, &out));
    assert_true(out == 2.0);
    ta_stream_free(s);
}

static void test_missing_arrays(void **state)
{
    (void)state;
    const struct ta_info *atr = ta_find("atr");
    double options[TA_MAX_OPTIONS] = {2};
    double x[4] = {1, 2, 3, 4};
    double out[4];
    const double *inputs[] = {x, NULL, x};
    double *outputs[] = {out};
    size_t count;
    struct err e;
    assert_int_equal(ta_run(atr, options, inputs, 4, outputs, &count, &e), ERR_INPUT);
    assert_int_equal(ta_run(atr, options, inputs, 2, outputs, &count, &e), 0); /* too short */
    assert_int_equal(count, 0);
    inputs[1] = x;
    outputs[0] = NULL;
    assert_int_equal(ta_run(atr, options, inputs, 4, outputs, &count, &e), ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_against_definition),
        cmocka_unit_test(test_vwap_since_start),
        cmocka_unit_test(test_stream_equals_batch),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_flat),
        cmocka_unit_test(test_rsi_only_up_or_down),
        cmocka_unit_test(test_rsi_decays_to_neutral),
        cmocka_unit_test(test_zero_volume),
        cmocka_unit_test(test_missing_values),
        cmocka_unit_test(test_no_drift),
        cmocka_unit_test(test_cumulative_vwap_does_not_drift),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_missing_arrays),
    };
    return cmocka_run_group_tests(tests, make_bars, NULL);
}
