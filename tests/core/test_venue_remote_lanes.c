/* SPDX-License-Identifier: MIT
 *
 * Lanes of the remote venue: the second one, for closes; sessions that move and end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "venue_remote_fixture.h"

/* One of five writes is in flight and not answered: closes leave all the same, on a lane of their
 * own, and what waits for the first lane keeps its order. */
static void closes_do_not_wait_for_an_entry(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_WAIT, IO_OK},   {IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK},
                                     {IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK}, {IO_END, NULL}};
    struct err e;
    serve(f, script);
    f->verdict = VERDICT_ACCEPTED;
    f->writes[3].call.urgent = f->writes[4].call.urgent = true;
    assert_int_equal(submit(f, 0, &e), 0);
    while (atomic_load(&f->server.executed) == 0)
        usleep(500);
    for (size_t k = 1; k < 6; k++)
        assert_int_equal(submit(f, k, &e), 0);
    assert_true(remote_venue_ops.withdraw(f->venue, 0, &f->writes[2].call));
    assert_false(remote_venue_ops.withdraw(f->venue, 0, &f->writes[2].call)); /* is gone */
    assert_false(remote_venue_ops.withdraw(f->venue, 0, &f->writes[0].call)); /* in flight */
    wait_for(f, 2);
    assert_string_equal(f->order, "de"); /* both closes, and the entry still has no answer */
    assert_true(is_ready(f));            /* for one more close */
    assert_int_equal(atomic_load(&f->server.accepted), 2);
    io_server_go(&f->server);
    wait_for(f, 5);
    assert_string_equal(f->order, "deabf");
    io_server_stop(&f->server);
    const int ids[] = {1, 4, 5, 2, 6};
    const unsigned connections[] = {0, 1, 1, 0, 0};
    for (size_t k = 0; k < 5; k++) {
        char body[16];
        snprintf(body, sizeof body, "{\"id\":%d}", ids[k]);
        assert_non_null(strstr(f->server.seen[k].head, body));
        assert_int_equal(f->server.seen[k].connection, connections[k]);
    }
    assert_int_equal(f->writes[2].done, 0);
}

static bool two_accepted(void *arg)
{
    return atomic_load(&((struct fixture *)arg)->server.accepted) == 2;
}

/* Nothing in flight: one connection is enough, unless a warm second one is wished. */
static void a_second_lane_when_it_is_needed(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK}, {IO_END, NULL}};
    serve(f, script);
    f->verdict = VERDICT_ACCEPTED;
    f->writes[0].call.urgent = f->writes[1].call.urgent = true;
    (void)go(f, 0);
    assert_int_equal(atomic_load(&f->server.accepted), 1);
    remote_warm_closes(f->remote, true);
    assert_int_equal(session_at(f, f->server.origin, HEADERS, NULL), 0);
    assert_true(io_run_until(&f->w, two_accepted, f));
    (void)go(f, 1);
    assert_int_equal(f->server.seen[1].connection, 0); /* the first one is idle: it is taken */
    io_server_stop(&f->server);
}

static void a_session_that_moves(void **state)
{
    struct fixture *f = *state;
    const struct io_step one[] = {{IO_WAIT, IO_OK}, {IO_END, NULL}};
    const struct io_step two[] = {{IO_ANSWER, IO_OK}, {IO_END, NULL}};
    struct err e;
    serve(f, one);
    io_server_start(&f->other, two);
    f->verdict = VERDICT_ACCEPTED;
    assert_int_equal(submit(f, 0, &e), 0);
    assert_int_equal(submit(f, 1, &e), 0);
    assert_int_equal(session_at(f, f->other.origin, HEADERS, &e), 0);
    assert_int_equal(f->writes[1].v.kind, VERDICT_NOT_SENT); /* was encoded for the old one */
    assert_string_equal(f->writes[1].v.code, "session_moved");
    assert_int_equal(submit(f, 2, &e), 0);
    wait_for(f, 2);
    assert_int_equal(f->writes[2].v.kind, VERDICT_ACCEPTED);
    assert_int_equal(f->writes[0].done, 0); /* in flight on the old lane, and still awaited */
    let_go(&f->server);
    wait_for(f, 3);
    assert_int_equal(f->writes[0].v.kind, VERDICT_ACCEPTED);
    assert_int_equal(atomic_load(&f->server.executed), 1);
    assert_int_equal(atomic_load(&f->other.executed), 1);
    io_server_stop(&f->server);
    io_server_stop(&f->other);
}

static void a_session_that_ends(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_WAIT, IO_OK}, {IO_END, NULL}};
    struct err e;
    serve(f, script);
    f->verdict = VERDICT_ACCEPTED;
    assert_int_equal(submit(f, 0, &e), 0);
    assert_int_equal(submit(f, 1, &e), 0);
    f->writes[3].call.urgent = true; /* on the second lane, which is not open yet */
    assert_int_equal(submit(f, 3, &e), 0);
    assert_int_equal(remote_session_set(f->remote, 0, NULL, &e), 0);
    assert_int_equal(f->writes[1].v.kind, VERDICT_NOT_SENT);
    assert_string_equal(f->writes[1].v.code, "no_session");
    assert_int_equal(f->writes[3].v.kind, VERDICT_NOT_SENT);
    assert_int_equal(submit(f, 2, &e), ERR_STATE);
    let_go(&f->server);
    wait_for(f, 3);
    assert_int_equal(f->writes[0].v.kind, VERDICT_ACCEPTED);
    assert_int_equal(remote_session_set(f->remote, 0, NULL, &e), 0);
    assert_int_equal(remote_session_set(f->remote, 7, NULL, &e), 0);
    io_server_stop(&f->server);
}

static void freed_in_the_middle(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_SILENT, NULL}, {IO_END, NULL}};
    struct codec_ops codec = {.ctx = f, .encode = encode, .decode = decode};
    struct err e;
    serve(f, script);
    assert_int_equal(submit(f, 0, &e), 0);
    assert_int_equal(submit(f, 1, &e), 0);
    remote_free(f->remote);
    assert_int_equal(f->writes[0].v.kind, VERDICT_UNKNOWN);
    assert_int_equal(f->writes[1].v.kind, VERDICT_NOT_SENT);
    f->remote = remote_new(&f->w.loop, NULL, &transport_curl_ops, f->curl, &codec, NULL);
    io_server_stop(&f->server);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(closes_do_not_wait_for_an_entry),
        T(a_second_lane_when_it_is_needed),
        T(a_session_that_moves),
        T(a_session_that_ends),
        T(freed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
