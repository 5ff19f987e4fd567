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

#endif
