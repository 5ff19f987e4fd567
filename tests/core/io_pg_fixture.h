/* SPDX-License-Identifier: MIT
 *
 * A loop and a throw-away PostgreSQL (tests/temp_cluster) for the tests of io/pg.
 */
#ifndef PERIGEE_TESTS_IO_PG_FIXTURE_H
#define PERIGEE_TESTS_IO_PG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "io/pg.h"

struct world {
    struct clock clock;
    struct loop loop;
    struct timer ticker;
    unsigned ticks;
    unsigned done;   /* operations that have ended */
    char folder[64]; /* of the cluster */
    char conninfo[160];
    char value[160]; /* what one_value returns */
};

static inline void on_done(void *arg)
{
    struct world *w = arg;
    w->done++;
}

/* Until the operation in flight has ended. */
static inline void await(struct world *w)
{
    unsigned before = w->done;
    while (w->done == before) {
        (void)loop_run_once(&w->loop, true);
    }
    assert_int_equal(w->done, before + 1);
}

/* tests/temp_cluster VERB; its first line of output into out (may be NULL). */
static inline void cluster(struct world *w, const char *verb, char *out, size_t size)
{
    char command[512];
    (void)snprintf(command, sizeof command, "bash %s/tests/temp_cluster %s %s %d",
                   PERIGEE_HOME_DEFAULT, verb, w->folder, (int)getpid());
    FILE *f = popen(command, "re");
    assert_non_null(f);
    if (out != NULL) {
        assert_non_null(fgets(out, (int)size, f));
        out[strcspn(out, "\n")] = '\0';
    }
    assert_int_equal(pclose(f), 0);
}

static inline int world_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct err e;
    assert_non_null(w);
    clock_init(&w->clock);
    assert_int_equal(loop_init(&w->loop, &w->clock, NULL, &e), 0);
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/perigee-pg-%d", (int)getpid());
    cluster(w, "start", w->conninfo, sizeof w->conninfo);
    *state = w;
    return 0;
}

static inline int world_down(void **state)
{
    struct world *w = *state;
    cluster(w, "remove", NULL, 0);
    assert_int_equal(loop_fini(&w->loop), 0); /* no handle was left open */
    free(w);
    return 0;
}

/* Connects; the outcome is in *a. */
static inline struct pg *attempt(struct world *w, const char *conninfo, int64_t ms,
                                 struct pg_answer *a)
{
    struct err e = {0};
    struct pg *c = pg_connect(&w->loop, conninfo, ms, a, on_done, w, &e);
    if (c != NULL) {
        await(w);
    }
    return c;
}

static inline struct pg *opened(struct world *w)
{
    struct pg_answer a;
    struct pg *c = attempt(w, w->conninfo, 20000, &a);
    assert_non_null(c);
    assert_string_equal(a.err.message, "");
    assert_true(pg_alive(c));
    return c;
}

static inline void run(struct world *w, struct pg *c, const char *sql)
{
    struct pg_answer a;
    assert_int_equal(pg_exec(c, sql, &a, on_done, w, NULL), 0);
    await(w);
    assert_string_equal(a.err.message, "");
}

/* The first value of the first row; valid until the next call. */
static inline const char *one_value(struct world *w, struct pg *c, const char *sql)
{
    struct pg_answer a;
    struct pg_statement s = {sql, NULL, 0};
    assert_int_equal(pg_query(c, &s, 1, &a, on_done, w, NULL), 0);
    await(w);
    assert_string_equal(a.err.message, "");
    (void)snprintf(w->value, sizeof w->value, "%s", PQgetvalue(a.results[0], 0, 0));
    pg_answer_fini(&a);
    return w->value;
}

#endif
