/* SPDX-License-Identifier: MIT
 *
 * Lanes of the remote venue: the second one, for closes; what leaves on whichever is free first;
 * sessions that move and end.
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

/* Connections of which some are never made, or end when the test says so. */
struct gate {
    struct transport_curl *curl;
    enum { OPENS, HANGS, REFUSES } next; /* what becomes of those that are opened from now on */
    unsigned kept_out;                   /* that were not made */
    struct transport *first;             /* the first one that was made */
    bool first_ended;                    /* whoever reads it is told the end */
};

static struct gate gate;
static char never; /* its address: a connection on which nothing ever happens */

static bool is_never(const struct transport *t)
{
    return (const void *)t == &never;
}

static int gate_open(void *ctx, struct loop *l, const char *origin,
                     const struct transport_events *events, void *arg, struct transport **out,
                     struct err *e)
{
    gate.kept_out += gate.next != OPENS;
    if (gate.next == REFUSES)
        return err_set(e, ERR_IO, "refused");
    if (gate.next == HANGS) {
        *out = (struct transport *)(void *)&never;
        return 0;
    }
    int rc = transport_curl_ops.open(ctx, l, origin, events, arg, out, e);
    if (gate.first == NULL)
        gate.first = *out;
    return rc;
}

static ssize_t gate_send(struct transport *t, const void *p, size_t n)
{
    return is_never(t) ? TRANSPORT_AGAIN : transport_curl_ops.send(t, p, n);
}

static ssize_t gate_recv(struct transport *t, void *p, size_t n)
{
    if (is_never(t))
        return TRANSPORT_AGAIN;
    return gate.first_ended && t == gate.first ? 0 : transport_curl_ops.recv(t, p, n);
}

static void gate_want_write(struct transport *t, bool on)
{
    if (!is_never(t))
        transport_curl_ops.want_write(t, on);
}

static void gate_close(struct transport *t)
{
    if (!is_never(t))
        transport_curl_ops.close(t);
}

static const struct transport_ops gate_ops = {.name = "gate",
                                              .open = gate_open,
                                              .send = gate_send,
                                              .recv = gate_recv,
                                              .want_write = gate_want_write,
                                              .close = gate_close};

static void through_the_gate(struct fixture *f)
{
    struct codec_ops codec = {.ctx = f, .encode = encode, .decode = decode};
    memset(&gate, 0, sizeof gate);
    remote_free(f->remote);
    f->remote = remote_new(&f->w.loop, NULL, &gate_ops, f->curl, &codec, NULL);
    f->venue = remote_venue(f->remote);
    f->verdict = VERDICT_ACCEPTED;
}

/* An entry is in flight, an entry waits behind it, and so does a close whose second connection is
 * not made. When the first one is free the close leaves on it, ahead of the entry. */
static void first_is_free_first(struct fixture *f, int next)
{
    const struct io_step script[] = {
        {IO_WAIT, IO_OK}, {IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK}, {IO_END, NULL}};
    struct err e;
    through_the_gate(f);
    serve(f, script);
    gate.next = next;
    assert_int_equal(submit(f, 0, &e), 0);
    assert_int_equal(submit(f, 1, &e), 0);
    f->writes[3].call.urgent = true;
    assert_int_equal(submit(f, 3, &e), 0);
    assert_true(gate.kept_out > 0);
    let_go(&f->server);
    wait_for(f, 3);
    assert_string_equal(f->order, "adb");
    io_server_stop(&f->server);
    assert_int_equal(atomic_load(&f->server.executed), 3);
    for (size_t k = 0; k < 3; k++)
        assert_int_equal(f->server.seen[k].connection, 0);
    assert_non_null(strstr(f->server.seen[1].head, "{\"id\":4}"));
    assert_int_equal(f->writes[3].sending, 1);
}

static void a_close_leaves_the_lane_that_hangs(void **state)
{
    first_is_free_first(*state, HANGS);
}

static void a_close_leaves_the_lane_that_is_refused(void **state)
{
    first_is_free_first(*state, REFUSES);
}

/* The second connection is there. The first one turns out to be gone when a close is sent on it,
 * and is never made again. */
static void a_close_leaves_the_lane_that_is_gone(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK}, {IO_END, NULL}};
    struct err e;
    through_the_gate(f);
    remote_warm_closes(f->remote, true);
    serve(f, script);
    assert_true(io_run_until(&f->w, two_accepted, f));
    (void)go(f, 0);
    gate.next = HANGS;
    gate.first_ended = true;
    f->writes[3].call.urgent = true;
    assert_int_equal(submit(f, 3, &e), 0);
    wait_for(f, 2);
    assert_int_equal(f->writes[3].v.kind, VERDICT_ACCEPTED);
    assert_true(is_ready(f)); /* for a close, though not for an entry */
    io_server_stop(&f->server);
    assert_int_equal(f->server.seen[0].connection, 0);
    assert_int_equal(f->server.seen[1].connection, 1);
}

/* What has changed the lane leaves it once, however it ends. */
static void what_has_moved_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {
        {IO_WAIT, IO_OK}, {IO_RESET, NULL}, {IO_ANSWER, IO_OK}, {IO_END, NULL}};
    struct err e;
    through_the_gate(f);
    serve(f, script);
    gate.next = REFUSES;
    f->writes[3].call.urgent = f->writes[4].call.urgent = true;
    assert_int_equal(submit(f, 0, &e), 0);
    assert_int_equal(submit(f, 3, &e), 0);
    let_go(&f->server);
    wait_for(f, 1);
    gate.next = OPENS;
    wait_for(f, 2);
    assert_int_equal(f->writes[3].v.kind, VERDICT_UNKNOWN);
    assert_int_equal(go(f, 4)->kind, VERDICT_ACCEPTED);
    assert_int_equal(f->writes[3].sending, 1);
    io_server_stop(&f->server);
    assert_int_equal(atomic_load(&f->server.executed), 3);
    assert_non_null(strstr(f->server.seen[2].head, "{\"id\":5}"));
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
        T(a_close_leaves_the_lane_that_hangs),
        T(a_close_leaves_the_lane_that_is_refused),
        T(a_close_leaves_the_lane_that_is_gone),
        T(what_has_moved_is_not_sent_again),
        T(a_session_that_moves),
        T(a_session_that_ends),
        T(freed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
