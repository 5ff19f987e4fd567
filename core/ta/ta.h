/* SPDX-License-Identifier: MIT
 *
 * Indicators. Each is described by one table entry and has a batch form over arrays and a stream
 * form over one bar at a time, which agree. Conventions follow TA-Lib where it has the indicator;
 * docs/indicators.md lists each difference and the defined value for flat, zero and missing input.
 *
 * No I/O, no allocation for each update. Inputs are finite doubles; a NaN or infinity in makes the
 * outputs NaN until it has left the window (recursive indicators: until reset).
 */
#ifndef PERIGEE_TA_TA_H
#define PERIGEE_TA_TA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define TA_MAX_INPUTS 5
#define TA_MAX_OPTIONS 4
#define TA_MAX_OUTPUTS 4
#define TA_MAX_PERIOD 100000

/* What an input wants of a bar; TA_REAL is any series (the close unless told otherwise). */
enum ta_input { TA_REAL, TA_OPEN, TA_HIGH, TA_LOW, TA_CLOSE, TA_VOLUME, TA_BUY_VOLUME };

struct ta_option {
    const char *name; /* "period" */
    const char *text; /* one line */
    double min, max, def;
    bool integer; /* whole numbers only */
};

struct ta_info {
    const char *name;  /* "sma" */
    const char *title; /* "Simple moving average" */
    const char *group; /* overlap, momentum, volatility, volume, statistics */
    size_t input_count, option_count, output_count;
    enum ta_input inputs[TA_MAX_INPUTS];
    struct ta_option options[TA_MAX_OPTIONS];
    const char *outputs[TA_MAX_OUTPUTS];
    /* Bars consumed before the first output: output i belongs to input i + start. */
    size_t (*start)(const double *options);
    /* Outputs n - start values each; nothing when n <= start. */
    void (*batch)(const double *options, const double *const *inputs, size_t n,
                  double *const *outputs);
    size_t (*state_size)(const double *options); /* bytes, 8-aligned */
    void (*state_init)(void *state, const double *options);
    bool (*update)(void *state, const double *in, double *out); /* true: out was written */
};

const struct ta_info *ta_find(const char *name); /* NULL: unknown */
const struct ta_info *ta_all(size_t *count);     /* sorted by name */

/* Fills options with the defaults and checks given[0..count): ranges and wholeness. */
int ta_options(const struct ta_info *info, const double *given, size_t count, double *options,
               struct err *e);
/* start() of these options. Options must have passed ta_options. */
size_t ta_start(const struct ta_info *info, const double *options);
/* Checked batch. *count gets the number of values written to each output. */
int ta_run(const struct ta_info *info, const double *options, const double *const *inputs, size_t n,
           double *const *outputs, size_t *count, struct err *e);

struct ta_stream; /* one indicator that lives with its bars */
struct ta_stream *ta_stream_new(const struct ta_info *info, const double *options, struct err *e);
void ta_stream_free(struct ta_stream *s);
void ta_stream_reset(struct ta_stream *s);
/* in: one value for each input. true when out[0..output_count) was written. */
bool ta_stream_update(struct ta_stream *s, const double *in, double *out);
const struct ta_info *ta_stream_info(const struct ta_stream *s);

#endif
