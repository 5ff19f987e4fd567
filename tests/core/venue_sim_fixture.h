/* SPDX-License-Identifier: MIT
 *
 * What the tests of the simulator share: a data folder, and calls that must succeed.
 */
#ifndef PERIGEE_TESTS_VENUE_SIM_FIXTURE_H
#define PERIGEE_TESTS_VENUE_SIM_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "venue/sim.h"

#define MINUTE INT64_C(60000)
#define NEVER INT64_MAX

static char folder[64];

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/perigee-sim-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static inline int drop_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static inline struct sim *make(const struct sim_config *c)
{
    struct err e;
    struct sim *s = sim_new(c, &e);
    if (s == NULL)
        fail_msg("%s", e.message);
    return s;
}

static inline void advance(struct sim *s, int64_t until)
{
    struct err e;
    assert_int_equal(sim_advance(s, until, &e), 0);
}

static inline decimal dec(const char *text)
{
    decimal d;
    assert_int_equal(decimal_parse(text, strlen(text), &d), 0);
    return d;
}

static inline int add(struct sim *s, const char *id, const char *currency, int leverage,
                      const char *money)
{
    struct err e;
    struct sim_account a = {.leverage = leverage, .balance = dec(money), .user = "a@b.c"};
    snprintf(a.id, sizeof a.id, "%s", id);
    snprintf(a.currency, sizeof a.currency, "%s", currency);
    return sim_account_add(s, &a, &e);
}

/* A tape of flat minutes at given prices: the market stands where a test wants it. */
static inline void flat_tape(struct tape *t, const char *const *prices, size_t count)
{
    *t = (struct tape){.count = count, .timeframe = MINUTE, .hash = "00000000000000aa"};
    t->bars = calloc(count, sizeof *t->bars);
    assert_non_null(t->bars);
    for (size_t k = 0; k < count; k++) {
        decimal p = dec(prices[k]);
        t->bars[k] = (struct tape_bar){
            INT64_C(1704067200000) + (int64_t)k * MINUTE, p, p, p, p, decimal_int(100)};
    }
}

/* Bid and ask of the main symbol: a spread of 20 points around 50,000.0 is 49,999.0 / 50,001.0. */
static inline struct sim *flat_sim(struct tape *t, const char *const *prices, size_t count,
                                   const char *data_dir)
{
    flat_tape(t, prices, count);
    return make(
        &(struct sim_config){.tape = t, .history_bars = 1, .spread = 20, .data_dir = data_dir});
}

#endif
