/* SPDX-License-Identifier: MIT
 *
 * The table of indicators, the checks in front of it, and streams on the heap.
 */
#include "ta/ta.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ta/ta_table.h"

#define PERIOD(low, preset)                                                                        \
    {                                                                                              \
        {                                                                                          \
            .name = "period", .text = "number of bars", .min = (low), .max = TA_MAX_PERIOD,        \
            .def = (preset), .integer = true                                                       \
        }                                                                                          \
    }
#define RUN(family) .batch = ta_##family##_batch, .update = ta_##family##_update
#define STATE(family) .state_size = ta_##family##_bytes, .state_init = ta_##family##_begin

/* clang-format off */
/* By name: ta_find searches by halves. */
static const struct ta_info table[] = {
    {.name = "atr", .title = "Average true range", .group = "volatility",
     .input_count = 3, .inputs = {TA_HIGH, TA_LOW, TA_CLOSE},
     .option_count = 1, .options = PERIOD(1, 14),
     .output_count = 1, .outputs = {"atr"},
     .start = ta_period_start, RUN(atr), STATE(atr)},
    {.name = "ema", .title = "Exponential moving average", .group = "overlap",
     .input_count = 1, .inputs = {TA_REAL},
     .option_count = 1, .options = PERIOD(1, 30),
     .output_count = 1, .outputs = {"ema"},
     .start = ta_window_start, RUN(ema), STATE(ema)},
    {.name = "max", .title = "Highest value", .group = "statistics",
     .input_count = 1, .inputs = {TA_REAL},
     .option_count = 1, .options = PERIOD(1, 30),
     .output_count = 1, .outputs = {"max"},
     .start = ta_window_start, RUN(max), STATE(window)},
    {.name = "min", .title = "Lowest value", .group = "statistics",
     .input_count = 1, .inputs = {TA_REAL},
     .option_count = 1, .options = PERIOD(1, 30),
     .output_count = 1, .outputs = {"min"},
     .start = ta_window_start, RUN(min), STATE(window)},
    {.name = "rsi", .title = "Relative strength index", .group = "momentum",
     .input_count = 1, .inputs = {TA_REAL},
     .option_count = 1, .options = PERIOD(2, 14),
     .output_count = 1, .outputs = {"rsi"},
     .start = ta_period_start, RUN(rsi), STATE(rsi)},
    {.name = "sma", .title = "Simple moving average", .group = "overlap",
     .input_count = 1, .inputs = {TA_REAL},
     .option_count = 1, .options = PERIOD(1, 30),
     .output_count = 1, .outputs = {"sma"},
     .start = ta_window_start, RUN(sma), STATE(window)},
    {.name = "sum", .title = "Moving sum", .group = "statistics",
     .input_count = 1, .inputs = {TA_REAL},
     .option_count = 1, .options = PERIOD(1, 30),
     .output_count = 1, .outputs = {"sum"},
     .start = ta_window_start, RUN(sum), STATE(window)},
    {.name = "volume_ratio", .title = "Volume against the mean of the bars before",
     .group = "volume",
     .input_count = 1, .inputs = {TA_VOLUME},
     .option_count = 1, .options = PERIOD(1, 20),
     .output_count = 1, .outputs = {"ratio"},
     .start = ta_period_start, RUN(ratio), STATE(ratio)},
    {.name = "vwap", .title = "Volume-weighted average price", .group = "volume",
     .input_count = 4, .inputs = {TA_HIGH, TA_LOW, TA_CLOSE, TA_VOLUME},
     .option_count = 1,
     .options = {{.name = "period", .text = "number of bars; 0: all since the start",
                  .min = 0, .max = TA_MAX_PERIOD, .def = 0, .integer = true}},
     .output_count = 2, .outputs = {"vwap", "volume"},
     .start = ta_vwap_start, RUN(vwap), STATE(vwap)},
};
/* clang-format on */

#define TABLE_COUNT (sizeof table / sizeof table[0])

struct ta_stream {
    const struct ta_info *info;
    double options[TA_MAX_OPTIONS];
    _Alignas(16) unsigned char state[]; /* the indicator's own, state_size() bytes */
};

const struct ta_info *ta_all(size_t *count)
{
    *count = TABLE_COUNT;
    return table;
}

static int compare_name(const void *name, const void *entry)
{
    return strcmp(name, ((const struct ta_info *)entry)->name);
}

const struct ta_info *ta_find(const char *name)
{
    if (name == NULL)
        return NULL;
    return bsearch(name, table, TABLE_COUNT, sizeof table[0], compare_name);
}

static int check_option(const struct ta_info *info, const struct ta_option *o, double value,
                        struct err *e)
{
    if (!(value >= o->min && value <= o->max))
        return err_set(e, ERR_INPUT, "%s: option '%s' is %g; it must be %g to %g", info->name,
                       o->name, value, o->min, o->max);
    if (o->integer && value != floor(value))
        return err_set(e, ERR_INPUT, "%s: option '%s' is %g; it must be a whole number", info->name,
                       o->name, value);
    return 0;
}

int ta_options(const struct ta_info *info, const double *given, size_t count, double *options,
               struct err *e)
{
    if (count > info->option_count)
        return err_set(e, ERR_INPUT, "%s: %zu options given; it has %zu", info->name, count,
                       info->option_count);
    for (size_t i = 0; i < info->option_count; i++) {
        double value = i < count ? given[i] : info->options[i].def;
        int rc = check_option(info, &info->options[i], value, e);
        if (rc != 0)
            return rc;
        options[i] = value;
    }
    return 0;
}

size_t ta_start(const struct ta_info *info, const double *options)
{
    return info->start(options);
}

int ta_run(const struct ta_info *info, const double *options, const double *const *inputs, size_t n,
           double *const *outputs, size_t *count, struct err *e)
{
    double checked[TA_MAX_OPTIONS];
    *count = 0;
    int rc = ta_options(info, options, info->option_count, checked, e);
    if (rc != 0)
        return rc;
    size_t start = info->start(checked);
    if (n <= start)
        return 0;
    for (size_t i = 0; i < info->input_count; i++) {
        if (inputs[i] == NULL)
            return err_set(e, ERR_INPUT, "%s: input %zu is missing", info->name, i + 1);
    }
    for (size_t i = 0; i < info->output_count; i++) {
        if (outputs[i] == NULL)
            return err_set(e, ERR_INPUT, "%s: there is no room for output '%s'", info->name,
                           info->outputs[i]);
    }
    info->batch(checked, inputs, n, outputs);
    *count = n - start;
    return 0;
}

struct ta_stream *ta_stream_new(const struct ta_info *info, const double *options, struct err *e)
{
    double checked[TA_MAX_OPTIONS] = {0};
    if (ta_options(info, options, info->option_count, checked, e) != 0)
        return NULL;
    struct ta_stream *s = calloc(1, sizeof *s + info->state_size(checked));
    if (s == NULL) {
        err_set(e, ERR_NOMEM, "%s: out of memory for its state", info->name);
        return NULL;
    }
    s->info = info;
    memcpy(s->options, checked, sizeof checked);
    info->state_init(s->state, s->options);
    return s;
}

void ta_stream_free(struct ta_stream *s)
{
    free(s);
}

void ta_stream_reset(struct ta_stream *s)
{
    s->info->state_init(s->state, s->options);
}

bool ta_stream_update(struct ta_stream *s, const double *in, double *out)
{
    return s->info->update(s->state, in, out);
}

const struct ta_info *ta_stream_info(const struct ta_stream *s)
{
    return s->info;
}
