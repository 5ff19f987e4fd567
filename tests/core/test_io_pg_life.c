/* SPDX-License-Identifier: MIT
 *
 * Connections to PostgreSQL that do not come about, break, or are closed in the middle.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "io_pg_fixture.h"

static void refused(struct world *w, const char *conninfo, int code, const char *part)
{
    struct pg_answer a;
    struct pg *c = attempt(w, conninfo, 20000, &a);
    assert_non_null(c);
    assert_int_equal(a.err.code, code);
    assert_false(a.sent);
    assert_false(pg_alive(c));
    assert_non_null(strstr(a.err.message, part));
    assert_null(strchr(a.err.message, '\n'));
    assert_null(strstr(a.err.message, "hunter2"));
    struct pg_statement s = {"select 1", NULL, 0};
    assert_int_equal(pg_query(c, &s, 1, &a, on_done, w, NULL), ERR_CLOSED);
    pg_close(c);
}

static void nobody_there(void **state)
{
    struct world *w = *state;
    char text[300];
    refused(w, "host=/nonexistent", ERR_UNREACHABLE, "No such file");
    refused(w, "host=127.0.0.1 port=1 password=hunter2", ERR_UNREACHABLE, "refused");
    refused(w, "postgresql://u:hunter2@localhost:1/x", ERR_UNREACHABLE, "cannot connect");
    (void)snprintf(text, sizeof text, "host=%s user=perigee dbname=hunter2 password=hunter2",
                   w->folder);
    refused(w, text, ERR_UNREACHABLE, "***");
}

static void unreadable_texts_are_not_repeated(void **state)
{
    struct world *w = *state;
    static const char *const texts[] = {"hunter2",
                                        "host='hunter2",
                                        "nokey=hunter2",
                                        "postgresql://u:hunter2@[::1/x",
                                        "host=a,b password=hunter2",
                                        "service=hunter2"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct pg_answer a;
        struct err e = {0};
        assert_null(pg_connect(&w->loop, texts[i], 1000, &a, on_done, w, &e));
        assert_int_equal(e.code, ERR_INPUT);
        assert_null(strstr(e.message, "hunter2"));
    }
}

/* A peer that accepts and says nothing. */
static void silence_ends_at_the_deadline(void **state)
{
    struct world *w = *state;
    struct pg_answer a;
    char text[160];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.7", w->folder);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    (void)snprintf(text, sizeof text, "host=%s port=7", w->folder);
    struct pg *c = attempt(w, text, 30, &a);
    assert_int_equal(a.err.code, ERR_TIMEOUT);
    assert_false(pg_alive(c));
    pg_close(c);
    (void)close(fd);
}

static void closing_in_the_middle(void **state)
{
    struct world *w = *state;
    struct pg_answer a;
    struct err e;
    unsigned done = w->done;
    static const char *const ways[] = {"", "host=localhost port=1"};
    for (size_t i = 0; i < 2; i++) { /* at once: before connecting, during the look-up */
        struct pg *c =
            pg_connect(&w->loop, i == 0 ? w->conninfo : ways[i], 5000, &a, on_done, w, &e);
        assert_non_null(c);
        pg_close(c);
    }
    for (int turns = 1; turns < 6; turns++) { /* while connecting */
        struct pg *c = pg_connect(&w->loop, w->conninfo, 5000, &a, on_done, w, &e);
        assert_non_null(c);
        for (int i = 0; i < turns && w->done == done; i++) {
            (void)loop_run_once(&w->loop, true);
        }
        pg_close(c);
        done = w->done;
    }
    struct pg *c = opened(w);
    done = w->done;
    assert_int_equal(pg_exec(c, "select pg_sleep(60)", &a, on_done, w, &e), 0);
    for (int i = 0; i < 3; i++) {
        (void)loop_run_once(&w->loop, false);
    }
    pg_close(c);
    (void)loop_run_once(&w->loop, false);
    assert_int_equal(w->done, done); /* nobody was told */
    pg_close(NULL);
}

/* The backend of `victim` is terminated through another connection. */
static void terminate(struct world *w, const char *pid)
{
    char sql[80];
    struct pg *other = opened(w);
    (void)snprintf(sql, sizeof sql, "select pg_terminate_backend(%s)", pid);
    assert_string_equal(one_value(w, other, sql), "t");
    pg_close(other);
}

static void an_idle_connection_notices_its_end(void **state)
{
    struct world *w = *state;
    char pid[32];
    struct pg *c = opened(w);
    (void)snprintf(pid, sizeof pid, "%.31s", one_value(w, c, "select pg_backend_pid()"));
    terminate(w, pid);
    while (pg_alive(c)) {
        (void)loop_run_once(&w->loop, true);
    }
    struct pg_answer a;
    struct err e;
    assert_int_equal(pg_exec(c, "select 1", &a, on_done, w, &e), ERR_CLOSED);
    pg_close(c);
}

static void lost(struct world *w, struct pg *c, const struct pg_answer *a)
{
    await(w);
    assert_int_equal(a->err.code, ERR_UNREACHABLE);
    assert_true(a->sent);
    assert_int_equal(a->count, 0);
    assert_false(pg_alive(c));
    pg_close(c);
}

static void a_session_ended_by_the_server(void **state)
{
    struct world *w = *state;
    struct pg_answer a;
    struct err e;
    char pid[32];
    struct pg *c = opened(w);
    struct pg *other = opened(w);
    (void)snprintf(pid, sizeof pid, "%.31s", one_value(w, c, "select pg_backend_pid()"));
    assert_int_equal(pg_exec(c, "select pg_sleep(60)", &a, on_done, w, &e), 0);
    /* The other one's operations end while this one waits, so they are counted apart. */
    struct pg_answer b;
    char sql[80];
    (void)snprintf(sql, sizeof sql, "select pg_terminate_backend(%s)", pid);
    unsigned before = w->done;
    struct pg_statement s = {sql, NULL, 0};
    struct world counter = {0};
    assert_int_equal(pg_query(other, &s, 1, &b, on_done, &counter, &e), 0);
    while (counter.done == 0 || w->done == before) {
        (void)loop_run_once(&w->loop, true);
    }
    assert_int_equal(a.err.code, ERR_UNREACHABLE);
    assert_string_equal(a.sqlstate, "57P01");
    assert_false(pg_alive(c));
    pg_answer_fini(&b);
    pg_close(c);
    pg_close(other);
}

static void a_server_killed_in_the_middle(void **state)
{
    struct world *w = *state;
    struct pg_answer a, b, d;
    struct err e;
    struct str text;
    struct pg *sleeping = opened(w), *piped = opened(w), *copying = opened(w);
    run(w, copying, "create temp table big(a text)");
    str_init(&text);
    for (int i = 0; i < 200000; i++) {
        str_addz(&text, "a line that is copied\n");
    }
    struct pg_statement s[3] = {
        {"select 1", NULL, 0}, {"select pg_sleep(60)", NULL, 0}, {"select 2", NULL, 0}};
    assert_int_equal(pg_exec(sleeping, "select pg_sleep(60)", &a, on_done, w, &e), 0);
    (void)loop_run_once(&w->loop, false);
    cluster(w, "kill", NULL, 0);
    lost(w, sleeping, &a);
    /* Both find out only when they speak. */
    if (pg_alive(piped) && pg_query(piped, s, 3, &b, on_done, w, &e) == 0) {
        lost(w, piped, &b);
    } else {
        pg_close(piped);
    }
    if (pg_alive(copying) &&
        pg_copy(copying, "copy big from stdin", text.p, text.len, &d, on_done, w, &e) == 0) {
        lost(w, copying, &d);
    } else {
        pg_close(copying);
    }
    str_fini(&text);
    cluster(w, "again", NULL, 0);
    struct pg *c = opened(w);
    assert_string_equal(one_value(w, c, "select 7"), "7");
    pg_close(c);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(unreadable_texts_are_not_repeated),
        cmocka_unit_test(silence_ends_at_the_deadline),
        cmocka_unit_test(closing_in_the_middle),
        cmocka_unit_test(an_idle_connection_notices_its_end),
        cmocka_unit_test(a_session_ended_by_the_server),
        cmocka_unit_test(a_server_killed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, world_up, world_down);
}
