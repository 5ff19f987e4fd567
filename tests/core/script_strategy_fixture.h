/* SPDX-License-Identifier: MIT
 *
 * What the tests of strategies share: a folder for scripts, and one that is checked.
 */
#ifndef PERIGEE_TESTS_SCRIPT_STRATEGY_FIXTURE_H
#define PERIGEE_TESTS_SCRIPT_STRATEGY_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "io/file.h"
#include "script/strategy.h"

#define HEAD "-- name: probe\n-- version: 3\n-- api: 1\n"

static char folder[] = "/tmp/perigee-strategy-XXXXXX";

static inline const char *write_file(const char *name, const char *text, size_t n)
{
    static char path[2][128];
    static int turn;
    turn ^= 1;
    struct err e;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    assert_int_equal(file_replace(path[turn], text, n, 0600, &e), 0);
    return path[turn];
}

static inline int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static inline struct strategy_config config_of(const char *body, const char *params)
{
    static char text[8192];
    int n = snprintf(text, sizeof text, HEAD "%s", body);
    return (struct strategy_config){.path = write_file("probe.lua", text, (size_t)n),
                                    .instance = "one",
                                    .symbol = "BTCUSD",
                                    .params = params,
                                    .modules = folder};
}

static inline int check(const char *body, const char *params, struct err *e)
{
    struct strategy_config c = config_of(body, params);
    memset(e, 0, sizeof *e);
    return strategy_check(&c, e);
}

#endif
