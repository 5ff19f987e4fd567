/* SPDX-License-Identifier: MIT
 *
 * PostgreSQL on the loop, against a real server (tests/temp_cluster) on a Unix socket.
 */
#include "io/pg.h"

#include "io_pg_fixture.h"

/* ---- statements ---- */

static void every_value_comes_back(void **state)
{
    struct world *w = *state;
    static const char *const values[] = {
        "-7", "9007199254740993", "0.00000001", "it's \\ \"x\"", "{1,NULL,\"a\"}", NULL, "t"};
    struct pg *c = opened(w);
    for (int i = 0; i < 4; i++) { /* by its text, preparing, prepared */
        struct pg_answer a;
        struct pg_statement s = {"select $1::int4, $2::int8, $3::numeric, $4::text, $5::text[], "
                                 "$6::text, $7::bool",
                                 values, 7};
        assert_int_equal(pg_query(c, &s, 1, &a, on_done, w, NULL), 0);
        await(w);
        assert_int_equal(a.err.code, 0);
        assert_int_equal(a.count, 1);
        assert_int_equal(PQntuples(a.results[0]), 1);
        for (int k = 0; k < 7; k++) {
            const char *expected = k == 4 ? "{1,NULL,a}" : values[k];
            assert_int_equal(PQgetisnull(a.results[0], 0, k), expected == NULL);
            assert_string_equal(PQgetvalue(a.results[0], 0, k), expected != NULL ? expected : "");
        }
        pg_answer_fini(&a);
    }
    assert_string_equal(one_value(w, c, "select count(*) from pg_prepared_statements"), "1");
    pg_close(c);
}

static void sessions_speak_utc(void **state)
{
    struct world *w = *state;
    struct pg *c = opened(w);
    assert_string_equal(one_value(w, c, "select '2026-01-02 03:04:05.678+09'::timestamptz"),
                        "2026-01-01 18:04:05.678+00");
    pg_close(c);
}

static void a_refusal_names_its_state(void **state)
{
    struct world *w = *state;
    struct pg *c = opened(w);
    static const struct {
        const char *sql, *sqlstate, *part, *value;
    } cases[] = {
        {"selec 1", "42601", "syntax error", NULL},
        {"select * from nothing_there", "42P01", "nothing_there", NULL},
        {"select $1::int4", "22P02", "invalid input syntax", "hunter\"2"},
        {"select $1::int8::int4", "22003", "out of range", "9999999999"},
        {"select 1 / ($1::text = $1::text)::int - 1 / ($1 <> $1)::int", "22012", "zero", "hunter2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pg_answer a;
        const char *values[] = {cases[i].value};
        struct pg_statement s = {cases[i].sql, values, cases[i].value != NULL};
        assert_int_equal(pg_query(c, &s, 1, &a, on_done, w, NULL), 0);
        await(w);
        assert_int_equal(a.err.code, ERR_FAILED);
        assert_string_equal(a.sqlstate, cases[i].sqlstate);
        assert_non_null(strstr(a.err.message, cases[i].part));
        assert_null(strstr(a.err.message, "hunter"));
        assert_null(strstr(a.err.message, "9999"));
        assert_int_equal(a.count, 0);
        assert_true(pg_alive(c));
    }
    assert_string_equal(one_value(w, c, "select 5"), "5");
    pg_close(c);
}

static int pipeline(struct world *w, struct pg *c, const char *const *ids, size_t n,
                    struct pg_answer *a)
{
    struct pg_statement s[8];
    for (size_t i = 0; i < n; i++) {
        s[i] = (struct pg_statement){"insert into line values ($1::int)", &ids[i], 1};
    }
    int rc = pg_query(c, s, n, a, on_done, w, NULL);
    if (rc == 0) {
        await(w);
    }
    return rc;
}

static void a_pipeline_happens_whole_or_not(void **state)
{
    struct world *w = *state;
    struct pg_answer a;
    struct pg *c = opened(w);
    run(w, c, "create temp table line(id int primary key)");
    static const char *const bad[] = {"1", "2", "1", "4", "5"};
    for (int i = 0; i < 3; i++) { /* also while the text is being prepared, and after that */
        assert_int_equal(pipeline(w, c, bad, 5, &a), 0);
        assert_int_equal(a.err.code, ERR_FAILED);
        assert_string_equal(a.sqlstate, "23505");
        assert_string_equal(a.constraint, "line_pkey");
        assert_int_equal(a.index, 2);
        assert_int_equal(a.count, 0);
        assert_string_equal(one_value(w, c, "select count(*) from line"), "0");
    }
    static const char *const good[] = {"1", "2", "3", "4", "5"};
    assert_int_equal(pipeline(w, c, good, 5, &a), 0);
    assert_int_equal(a.err.code, 0);
    assert_int_equal(a.count, 5);
    assert_string_equal(PQcmdTuples(a.results[4]), "1");
    pg_answer_fini(&a);
    assert_string_equal(one_value(w, c, "select count(*) from line"), "5");
    pg_close(c);
}

/* The first statement fails, so the server never prepares what comes after it. */
static void what_was_not_prepared_is_prepared_later(void **state)
{
    struct world *w = *state;
    struct pg *c = opened(w);
    for (int i = 0; i < 4; i++) {
        struct pg_answer a;
        struct pg_statement s[] = {{i < 2 ? "select 1/0" : "select 1", NULL, 0},
                                   {"select 'later'", NULL, 0},
                                   {"select 'later'", NULL, 0}};
        assert_int_equal(pg_query(c, s, 3, &a, on_done, w, NULL), 0);
        await(w);
        assert_int_equal(a.err.code, i < 2 ? ERR_FAILED : 0);
        if (i >= 2) {
            assert_string_equal(PQgetvalue(a.results[2], 0, 0), "later");
        }
        pg_answer_fini(&a);
    }
    pg_close(c);
}

static void a_changed_table_breaks_one_statement_at_most(void **state)
{
    struct world *w = *state;
    struct pg *c = opened(w);
    run(w, c, "create temp table shape(a int); insert into shape values (1)");
    for (int i = 0; i < 3; i++) {
        assert_string_equal(one_value(w, c, "select * from shape"), "1");
    }
    run(w, c, "alter table shape alter a type text using 'text'");
    struct pg_answer a;
    struct pg_statement s = {"select * from shape", NULL, 0};
    assert_int_equal(pg_query(c, &s, 1, &a, on_done, w, NULL), 0);
    await(w);
    assert_string_equal(a.sqlstate, "0A000");
    pg_answer_fini(&a);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(one_value(w, c, "select * from shape"), "text");
    }
    pg_close(c);
}

static void a_script_stops_at_its_first_error(void **state)
{
    struct world *w = *state;
    struct pg_answer a;
    struct pg *c = opened(w);
    run(w, c, "create temp table s(i int); insert into s values (1); insert into s values (2)");
    assert_int_equal(pg_exec(c, "insert into s values (3); selec; insert into s values (4)", &a,
                             on_done, w, NULL),
                     0);
    await(w);
    assert_string_equal(a.sqlstate, "42601");
    assert_int_equal(pg_exec(c, "", &a, on_done, w, NULL), 0);
    await(w);
    assert_int_equal(a.err.code, 0);
    assert_string_equal(one_value(w, c, "select sum(i) from s"), "3");
    pg_close(c);
}

static void one_operation_at_a_time(void **state)
{
    struct world *w = *state;
    struct pg_answer a, b;
    struct err e;
    struct pg *c = opened(w);
    assert_int_equal(pg_exec(c, "select 1", &a, on_done, w, &e), 0);
    assert_true(pg_busy(c));
    assert_int_equal(pg_exec(c, "select 2", &b, on_done, w, &e), ERR_STATE);
    await(w);
    assert_false(pg_busy(c));
    assert_int_equal(a.err.code, 0);
    pg_close(c);
}

/* ---- much data ---- */

static void tick(void *arg)
{
    struct world *w = arg;
    w->ticks++;
    (void)timer_start_io(&w->ticker, 0);
}

static void a_large_result_leaves_the_loop_its_turns(void **state)
{
    struct world *w = *state;
    struct pg_answer a;
    struct pg *c = opened(w);
    struct pg_statement s = {"select g, repeat('x', 20) from generate_series(1, 100000) g", NULL,
                             0};
    timer_init(&w->ticker, &w->loop, tick, w);
    assert_int_equal(timer_start_io(&w->ticker, 0), 0);
    assert_int_equal(pg_query(c, &s, 1, &a, on_done, w, NULL), 0);
    await(w);
    timer_stop(&w->ticker);
    assert_int_equal(a.err.code, 0);
    assert_int_equal(PQntuples(a.results[0]), 100000);
    assert_string_equal(PQgetvalue(a.results[0], 99999, 0), "100000");
    /* 3.4 MB arrive through a buffer of some 10 KiB. */
    assert_true(w->ticks > 50);
    pg_answer_fini(&a);
    pg_close(c);
}

static void copy_takes_much(void **state)
{
    struct world *w = *state;
    struct pg_answer a;
    struct str text;
    struct pg *c = opened(w);
    run(w, c, "create temp table big(a int, b text)");
    str_init(&text);
    for (int i = 0; i < 100000; i++) {
        str_addf(&text, "%d\tline of some length %d\n", i, i);
    }
    assert_false(text.failed);
    assert_int_equal(pg_copy(c, "copy big from stdin", text.p, text.len, &a, on_done, w, NULL), 0);
    await(w);
    assert_int_equal(a.err.code, 0);
    assert_int_equal(a.rows, 100000);
    assert_string_equal(one_value(w, c, "select max(b) from big where a = 99999"),
                        "line of some length 99999");
    /* A bad row in the middle: the server refuses, nothing of it stays, and the connection works.
     */
    memcpy(text.p + text.len / 2, "\n\n\n", 3);
    assert_int_equal(pg_copy(c, "copy big from stdin", text.p, text.len, &a, on_done, w, NULL), 0);
    await(w);
    assert_int_equal(a.err.code, ERR_FAILED);
    assert_int_equal(strncmp(a.sqlstate, "22", 2), 0);
    assert_string_equal(one_value(w, c, "select count(*) from big"), "100000");
    assert_int_equal(pg_copy(c, "copy big from stdin", "", 0, &a, on_done, w, NULL), 0);
    await(w);
    assert_int_equal(a.err.code, 0);
    assert_int_equal(a.rows, 0);
    str_fini(&text);
    pg_close(c);
}

static void copy_elsewhere_is_refused(void **state)
{
    struct world *w = *state;
    struct pg_answer a;
    struct pg *c = opened(w);
    assert_int_equal(pg_copy(c, "select 1", "x", 1, &a, on_done, w, NULL), 0);
    await(w);
    assert_int_equal(a.err.code, ERR_INPUT);
    assert_true(pg_alive(c));
    assert_int_equal(pg_exec(c, "copy pg_class to stdout", &a, on_done, w, NULL), 0);
    await(w);
    assert_int_equal(a.err.code, ERR_INPUT);
    assert_false(pg_alive(c));
    pg_close(c);
    static const char *const copies[] = {"copy pg_class to stdout", "copy pg_class from stdin"};
    for (size_t i = 0; i < 2; i++) {
        struct pg_statement s = {copies[i], NULL, 0};
        c = opened(w);
        assert_int_equal(pg_query(c, &s, 1, &a, on_done, w, NULL), 0);
        await(w);
        assert_int_not_equal(a.err.code, 0);
        pg_close(c);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_comes_back),
        cmocka_unit_test(sessions_speak_utc),
        cmocka_unit_test(a_refusal_names_its_state),
        cmocka_unit_test(a_pipeline_happens_whole_or_not),
        cmocka_unit_test(what_was_not_prepared_is_prepared_later),
        cmocka_unit_test(a_changed_table_breaks_one_statement_at_most),
        cmocka_unit_test(a_script_stops_at_its_first_error),
        cmocka_unit_test(one_operation_at_a_time),
        cmocka_unit_test(a_large_result_leaves_the_loop_its_turns),
        cmocka_unit_test(copy_takes_much),
        cmocka_unit_test(copy_elsewhere_is_refused),
    };
    return cmocka_run_group_tests(tests, world_up, world_down);
}
