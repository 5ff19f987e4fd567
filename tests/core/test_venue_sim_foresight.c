/* SPDX-License-Identifier: MIT
 *
 * That the simulator's depth and side know nothing of the next move that the past path does not
 * say.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <cmocka.h>

#include "venue_sim_fixture.h"

/* What is known before a print, and the move that it makes. */
#define FEATURES 9
struct lean {
    double features[FEATURES]; /* of the past path, at the time of the depth and before the print */
    double imbalance, side;    /* what is tested */
    double move;               /* the next one */
    bool quiet;                /* in a minute of ordinary volume */
};

struct lean_run {
    struct lean *all;
    size_t count, cap;
    double price, short_mean, middle_mean, long_mean, size, last_move;
    double depth_trend, depth_middle, imbalance;
    int side, direction, skip;
    bool ready;
    size_t minute_at; /* first of this minute's records */
    int64_t minute;
    double volume, mean_volume; /* of this minute; of quiet ones */
};

static void lean_minute(struct lean_run *x, int64_t minute)
{
    if (minute == x->minute)
        return;
    bool quiet = x->mean_volume == 0.0 || x->volume < 3.0 * x->mean_volume;
    if (quiet)
        x->mean_volume += (x->volume - x->mean_volume) / (x->mean_volume == 0.0 ? 1.0 : 20.0);
    for (size_t k = x->minute_at; k < x->count; k++)
        x->all[k].quiet = quiet;
    x->minute_at = x->count;
    x->minute = minute;
    x->volume = 0.0;
}

/* The trend as docs/simulator.md gives it. */
static double lean_trend(const struct lean_run *x)
{
    double t = x->middle_mean / (0.55 * x->size);
    return t / sqrt(1.0 + t * t);
}

static void lean_print(void *arg, const struct sim_print *p)
{
    struct lean_run *x = arg;
    double price = decimal_to_double(p->price);
    double move = price - x->price;
    lean_minute(x, p->time_ms / MINUTE);
    x->volume += decimal_to_double(p->volume);
    if (x->ready && x->skip == 0 && x->count < x->cap) {
        double unit = x->size;
        x->all[x->count++] =
            (struct lean){{1.0, x->last_move / unit, x->short_mean / unit, x->middle_mean / unit,
                           x->long_mean / unit, x->direction, lean_trend(x), x->depth_trend,
                           x->depth_middle / unit},
                          x->imbalance,
                          x->side,
                          move / unit,
                          false};
    }
    if (x->price > 0.0) {
        x->last_move = move;
        x->direction = move > 0.0 ? 1 : move < 0.0 ? -1 : x->direction;
        x->short_mean += (move - x->short_mean) / 4.0;
        x->middle_mean += (move - x->middle_mean) / 16.0;
        x->long_mean += (move - x->long_mean) / 64.0;
        x->size += (fabs(move) - x->size) / 600.0;
        x->skip -= x->skip > 0;
    }
    x->price = price;
    x->side = p->buy;
}

static void lean_depth(void *arg, const struct sim_depth *d)
{
    struct lean_run *x = arg;
    double bids = 0.0, asks = 0.0;
    for (size_t k = 0; k < d->count; k++) {
        bids += decimal_to_double(d->bids[k].size);
        asks += decimal_to_double(d->asks[k].size);
    }
    x->imbalance = bids / (bids + asks);
    if (x->size > 0.0) {
        x->depth_trend = lean_trend(x);
        x->depth_middle = x->middle_mean;
        x->ready = true;
    }
}

/* Residual of y after what the features explain (least squares by elimination). */
static void residual(const struct lean *all, size_t n, size_t offset, double *out)
{
    double a[FEATURES][FEATURES + 1] = {{0}};
    for (size_t k = 0; k < n; k++) {
        double y = *(const double *)(const void *)((const char *)&all[k] + offset);
        for (int i = 0; i < FEATURES; i++) {
            for (int j = 0; j < FEATURES; j++)
                a[i][j] += all[k].features[i] * all[k].features[j];
            a[i][FEATURES] += all[k].features[i] * y;
        }
    }
    for (int i = 0; i < FEATURES; i++)
        for (int j = 0; j < FEATURES; j++) {
            if (i == j)
                continue;
            double f = a[j][i] / a[i][i];
            for (int c = 0; c <= FEATURES; c++)
                a[j][c] -= f * a[i][c];
        }
    for (size_t k = 0; k < n; k++) {
        out[k] = *(const double *)(const void *)((const char *)&all[k] + offset);
        for (int i = 0; i < FEATURES; i++)
            out[k] -= a[i][FEATURES] / a[i][i] * all[k].features[i];
    }
}

static double correlation(const double *x, const double *y, size_t n)
{
    double mx = 0.0, my = 0.0, xx = 0.0, yy = 0.0, xy = 0.0;
    for (size_t k = 0; k < n; k++) {
        mx += x[k] / (double)n;
        my += y[k] / (double)n;
    }
    for (size_t k = 0; k < n; k++) {
        xx += (x[k] - mx) * (x[k] - mx);
        yy += (y[k] - my) * (y[k] - my);
        xy += (x[k] - mx) * (y[k] - my);
    }
    return xy / sqrt(xx * yy);
}

/* Over 200,000 prints. Beyond what the past path explains (its last move and direction, its means
 * over 4, 16 and 64 prints, and the trend), neither the imbalance that is shown before a print nor
 * the side of the print before says anything of the next move: |r| < 4.5 / sqrt(n) = 0.01, while an
 * imbalance that knew a fiftieth of it would be found. Raw, in quiet minutes, next to nothing is
 * left either (0.06); what remains over all minutes is the run of the bursts themselves. */
static void test_no_look_ahead(void **state)
{
    (void)state;
    struct lean_run x = {.cap = 200000, .skip = 6000};
    x.all = calloc(x.cap, sizeof *x.all);
    double *move = calloc(x.cap, sizeof *move), *other = calloc(x.cap, sizeof *other);
    double *side = calloc(x.cap, sizeof *side);
    assert_true(x.all != NULL && move != NULL && other != NULL && side != NULL);
    struct sim *s = make(&(struct sim_config){.seed = 77});
    struct sim_feed feed = {.arg = &x, .on_print = lean_print, .on_depth = lean_depth};
    sim_listen(s, &feed);
    while (x.count < x.cap)
        advance(s, sim_now(s) + 3600000);
    double bound = 4.5 / sqrt((double)x.count);
    residual(x.all, x.count, offsetof(struct lean, move), move);
    residual(x.all, x.count, offsetof(struct lean, imbalance), other);
    residual(x.all, x.count, offsetof(struct lean, side), side);
    double known = correlation(move, other, x.count), sided = correlation(move, side, x.count);
    for (size_t k = 0; k < x.count; k++)
        other[k] += 0.001 * move[k];
    double peeking = correlation(move, other, x.count);
    size_t quiet = 0;
    for (size_t k = 0; k < x.count; k++) {
        if (!x.all[k].quiet)
            continue;
        move[quiet] = x.all[k].move;
        other[quiet] = x.all[k].imbalance;
        side[quiet++] = x.all[k].side;
    }
    double raw = correlation(move, other, quiet), raw_side = correlation(move, side, quiet);
    print_message("imbalance %.4f (quiet, raw %.4f), side %.4f (quiet, raw %.4f), bound %.4f, "
                  "peeking %.4f, quiet %zu of %zu\n",
                  known, raw, sided, raw_side, bound, peeking, quiet, x.count);
    assert_true(fabs(known) < bound);
    assert_true(fabs(sided) < bound);
    assert_true(peeking > bound);
    assert_true(quiet > x.count / 2);
    assert_true(fabs(raw) < 0.06);
    assert_true(fabs(raw_side) < 0.06);
    sim_free(s);
    free(x.all);
    free(move);
    free(other);
    free(side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_look_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
