/* SPDX-License-Identifier: MIT
 *
 * Indicators against TA-Lib's own answers on its reference series. The values are not part of the
 * project: PERIGEE_TEST_REFS or ../shared/refs names their folder; without it the test is skipped.
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
#include <unistd.h>

#include "ta/ta.h"

#define ROWS 252

struct reference {
    double columns[5][ROWS]; /* open, high, low, close, volume */
    size_t rows;
};

static const struct {
    const char *function;
    const char *name; /* ours */
} pairs[] = {{"SMA", "sma"}, {"EMA", "ema"}, {"RSI", "rsi"}, {"ATR", "atr"},
             {"MAX", "max"}, {"MIN", "min"}, {"SUM", "sum"}};

#define PAIRS (sizeof pairs / sizeof pairs[0])

/* The folder of the values, from the root, from a build folder, or named; NULL: not here. */
static const char *folder(void)
{
    static const char *const places[] = {"../shared/refs", "../../../shared/refs",
                                         "../../shared/refs"};
    const char *named = getenv("PERIGEE_TEST_REFS");
    if (named != NULL)
        return access(named, R_OK) == 0 ? named : NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (access(places[i], R_OK) == 0)
            return places[i];
    }
    return NULL;
}

static void read_bars(const char *dir, struct reference *r)
{
    char path[512];
    char line[256];
    snprintf(path, sizeof path, "%s/sref_daily_252.csv", dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    for (r->rows = 0; r->rows < ROWS && fgets(line, sizeof line, f) != NULL; r->rows++) {
        char *at = line;
        for (int c = 0; c < 5; c++)
            r->columns[c][r->rows] = strtod(c == 0 ? at : at + 1, &at);
    }
    fclose(f);
    assert_int_equal(r->rows, ROWS);
}

static const double *column_for(const struct reference *r, enum ta_input input)
{
    switch (input) {
    case TA_OPEN:
        return r->columns[0];
    case TA_HIGH:
        return r->columns[1];
    case TA_LOW:
        return r->columns[2];
    case TA_VOLUME:
        return r->columns[4];
    default:
        return r->columns[3];
    }
}

/* One line of the answers: FUNCTION;options;output;first index;count;values... */
static void compare_series(const struct reference *r, const struct ta_info *info, char *line)
{
    char *save = NULL;
    strtok_r(line, ";", &save);
    char *options_text = strtok_r(NULL, ";", &save);
    strtok_r(NULL, ";", &save);
    size_t first = strtoul(strtok_r(NULL, ";", &save), NULL, 10);
    size_t count = strtoul(strtok_r(NULL, ";", &save), NULL, 10);
    char *values = strtok_r(NULL, ";", &save);
    char *period = strstr(options_text, "optInTimePeriod=");
    assert_non_null(period);
    double options[TA_MAX_OPTIONS] = {strtod(period + strlen("optInTimePeriod="), NULL)};

    const double *inputs[TA_MAX_INPUTS];
    for (size_t i = 0; i < info->input_count; i++)
        inputs[i] = column_for(r, info->inputs[i]);
    double out[ROWS];
    double *outputs[] = {out};
    size_t n = 0;
    struct err e;
    assert_int_equal(ta_run(info, options, inputs, ROWS, outputs, &n, &e), 0);
    assert_int_equal(ta_start(info, options), first);
    assert_int_equal(n, count);
    for (size_t i = 0; i < n; i++) {
        double want = strtod(values, &values);
        if (!(fabs(out[i] - want) <= 1e-9 * fabs(want)))
            fail_msg("%s(%g)[%zu] is %.17g, TA-Lib says %.17g", info->name, options[0], i, out[i],
                     want);
    }
}

static void test_talib(void **state)
{
    (void)state;
    const char *dir = folder();
    if (dir == NULL) {
        printf("skipped: no TA-Lib values in ../shared/refs (PERIGEE_TEST_REFS names them)\n");
        skip();
    }
    static struct reference r;
    read_bars(dir, &r);
    char command[600];
    snprintf(command, sizeof command, "gzip -dc '%s/talib_outputs.txt.gz'", dir);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    size_t compared[PAIRS] = {0};
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, f) > 0) {
        for (size_t i = 0; i < PAIRS; i++) {
            size_t n = strlen(pairs[i].function);
            if (strncmp(line, pairs[i].function, n) == 0 && line[n] == ';') {
                compare_series(&r, ta_find(pairs[i].name), line);
                compared[i]++;
            }
        }
    }
    free(line);
    assert_int_equal(pclose(f), 0);
    for (size_t i = 0; i < PAIRS; i++)
        assert_int_equal(compared[i], 3); /* default, halved and doubled period */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_talib)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
