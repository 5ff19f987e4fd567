/* SPDX-License-Identifier: MIT
 *
 * The remote venue against a scripted server on loopback: what goes out, what an answer may mean,
 * what no codec can talk it into, and that nothing is ever executed twice. Lanes and sessions are
 * in test_venue_remote_lanes.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "venue_remote_fixture.h"

static void what_goes_out(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK}, {IO_END, NULL}};
    serve(f, script);
    f->verdict = VERDICT_ACCEPTED;
    const struct verdict *v = go(f, 0);
    assert_int_equal(v->kind, VERDICT_ACCEPTED);
    assert_string_equal(v->broker_id, "W1");
    assert_true(v->sent_io_ns > 0 && v->done_io_ns >= v->sent_io_ns);
    assert_int_equal(f->writes[0].sending, 1);
    assert_string_equal(f->body, "ok");
    char text[512];
    snprintf(text, sizeof text,
             "POST /mtr-api/uuid/position/open HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" HEADERS
             "Accept: application/json\r\nContent-Type: application/json\r\n"
             "Content-Length: 8\r\n\r\n{\"id\":1}",
             f->server.port);
    assert_string_equal(f->server.seen[0].head, text);
    /* New headers from the next request on, over the same connection; a session may say its own
     * Accept. */
    struct err e;
    assert_int_equal(session_at(f, f->server.origin, "accept: */*\r\nX-B: 2\r\n", &e), 0);
    (void)go(f, 1);
    assert_non_null(strstr(f->server.seen[1].head, "\r\naccept: */*\r\nX-B: 2\r\nContent-Type"));
    assert_null(strstr(f->server.seen[1].head, "secret"));
    assert_null(strstr(f->server.seen[1].head, "Accept: application/json"));
    assert_int_equal(f->server.seen[1].connection, 0);
    io_server_stop(&f->server);
}

/* Prepared bytes are made once and are the order's own; nothing leaves before
 * its submit; a session that changed meanwhile, and a codec that failed, make
 * them anew. */
static void prepared_ahead(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_ANSWER, IO_OK},
                                     {IO_ANSWER, IO_OK},
                                     {IO_ANSWER, IO_OK},
                                     {IO_ANSWER, IO_OK},
                                     {IO_END, NULL}};
    struct err e;
    serve(f, script);
    f->verdict = VERDICT_ACCEPTED;
    for (size_t k = 0; k < 2; k++)
        remote_venue_ops.prepare(f->venue, 0, &f->writes[k].call);
    assert_int_equal(f->encoded, 2);
    assert_int_equal(f->writes[0].sending, 0);
    (void)go(f, 1);
    (void)go(f, 0);
    assert_int_equal(f->encoded, 2);
    assert_non_null(strstr(f->server.seen[0].head, "\r\n\r\n{\"id\":2}"));
    assert_non_null(strstr(f->server.seen[1].head, "\r\n\r\n{\"id\":1}"));
    remote_venue_ops.prepare(f->venue, 0, &f->writes[2].call);
    assert_int_equal(session_at(f, f->server.origin, "X-B: 2\r\n", &e), 0);
    (void)go(f, 2);
    assert_int_equal(f->encoded, 4);
    assert_null(strstr(f->server.seen[2].head, "secret"));
    f->no_encode = true;
    remote_venue_ops.prepare(f->venue, 0, &f->writes[3].call);
    assert_int_equal(submit(f, 3, &e), ERR_INPUT);
    f->no_encode = false;
    (void)go(f, 3);
    assert_non_null(strstr(f->server.seen[3].head, "\r\n\r\n{\"id\":4}"));
    remote_venue_ops.prepare(f->venue, 7, &f->writes[4].call); /* no session: nothing happens */
    assert_int_equal(atomic_load(&f->server.executed), 4);
    io_server_stop(&f->server);
}

/* What was prepared for an order that is not submitted is forgotten: its buffer is free again, and
 * the bytes of a later order of the same id are its own. */
static void prepared_in_vain(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_ANSWER, IO_OK}, {IO_END, NULL}};
    serve(f, script);
    f->verdict = VERDICT_ACCEPTED;
    remote_venue_ops.prepare(f->venue, 0, &f->writes[0].call);
    assert_int_equal(f->encoded, 1);
    assert_false(remote_venue_ops.withdraw(f->venue, 0, &f->writes[0].call));
    (void)go(f, 0);
    assert_int_equal(f->encoded, 2);
    io_server_stop(&f->server);
}

/* The codec is a script: it may take away the session of the very order that it encodes. */
static void a_codec_that_ends_the_session(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_END, NULL}};
    struct err e;
    serve(f, script);
    f->ends_session = true;
    assert_int_equal(submit(f, 0, &e), ERR_STATE);
    assert_string_equal(e.message, "no_session");
    assert_int_equal(f->writes[0].done, 0);
    io_server_stop(&f->server);
}

static void limits_of_a_codec(void **state)
{
    struct fixture *f = *state;
    const struct {
        int status;
        enum verdict_kind said, got;
        const char *code;
    } cases[] = {
        {200, VERDICT_ACCEPTED, VERDICT_ACCEPTED, "said"},
        {204, VERDICT_ACCEPTED, VERDICT_ACCEPTED, "said"},
        {200, VERDICT_REJECTED, VERDICT_REJECTED, "said"},
        {200, VERDICT_UNKNOWN, VERDICT_UNKNOWN, "said"},
        {400, VERDICT_REJECTED, VERDICT_REJECTED, "said"},
        {403, VERDICT_REJECTED, VERDICT_REJECTED, "said"},
        {429, VERDICT_REJECTED, VERDICT_REJECTED, "said"},
        {400, VERDICT_ACCEPTED, VERDICT_UNKNOWN, "status_400"},
        {302, VERDICT_ACCEPTED, VERDICT_UNKNOWN, "status_302"},
        {401, VERDICT_ACCEPTED, VERDICT_UNKNOWN, "unauthorised"},
        {401, VERDICT_REJECTED, VERDICT_UNKNOWN, "unauthorised"},
        {408, VERDICT_REJECTED, VERDICT_UNKNOWN, "status_408"},
        {410, VERDICT_REJECTED, VERDICT_UNKNOWN, "status_410"},
        {500, VERDICT_REJECTED, VERDICT_UNKNOWN, "status_5xx"},
        {502, VERDICT_ACCEPTED, VERDICT_UNKNOWN, "status_5xx"},
        {503, VERDICT_UNKNOWN, VERDICT_UNKNOWN, "said"},
        {200, VERDICT_NOT_SENT, VERDICT_UNKNOWN, "unreadable"}, /* bytes did leave */
        {200, (enum verdict_kind)17, VERDICT_UNKNOWN, "unreadable"},
    };
    enum { N = sizeof cases / sizeof *cases };
    char answers[N][96];
    struct io_step script[N + 1] = {{IO_END, NULL}};
    for (size_t k = 0; k < N; k++) {
        snprintf(answers[k], sizeof answers[k], "HTTP/1.1 %d X\r\n%s\r\n", cases[k].status,
                 cases[k].status == 204 ? "" : "Content-Length: 0\r\n");
        script[k] = (struct io_step){IO_ANSWER, answers[k]};
    }
    serve(f, script);
    for (size_t k = 0; k < N; k++) {
        f->verdict = cases[k].said;
        f->writes[0].done = 0;
        f->done = 0;
        const struct verdict *v = go(f, 0);
        assert_int_equal(f->status, cases[k].status);
        assert_int_equal(v->kind, cases[k].got);
        assert_string_equal(v->code, cases[k].code);
    }
    io_server_stop(&f->server);
}

static void a_codec_that_says_nothing_or_breaks(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK}, {IO_END, NULL}};
    struct err e;
    serve(f, script);
    f->verdict = (enum verdict_kind) - 1; /* leaves the verdict as it finds it */
    assert_int_equal(go(f, 0)->kind, VERDICT_UNKNOWN);
    f->no_decode = true;
    assert_int_equal(go(f, 1)->kind, VERDICT_UNKNOWN);
    assert_string_equal(f->writes[1].v.code, "unreadable");
    f->no_encode = true;
    assert_int_equal(submit(f, 2, &e), ERR_INPUT);
    assert_int_equal(atomic_load(&f->server.executed), 2);
    io_server_stop(&f->server);
}

/* The server executes and resets the connection that was used before. */
static void reset_after_execution_on_a_reused_connection(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_ANSWER, IO_OK}, {IO_RESET, NULL},       {IO_ANSWER, IO_OK},
                                     {IO_CLOSE, NULL},   {IO_HALF_RESET, IO_OK}, {IO_ANSWER, IO_OK},
                                     {IO_END, NULL}};
    const enum verdict_kind want[] = {VERDICT_ACCEPTED, VERDICT_UNKNOWN, VERDICT_ACCEPTED,
                                      VERDICT_UNKNOWN,  VERDICT_UNKNOWN, VERDICT_ACCEPTED};
    serve(f, script);
    f->verdict = VERDICT_ACCEPTED;
    for (size_t k = 0; k < 6; k++) {
        const struct verdict *v = go(f, k);
        assert_int_equal(v->kind, want[k]);
        if (want[k] == VERDICT_UNKNOWN)
            assert_string_equal(v->code, "cut");
        assert_int_equal(atomic_load(&f->server.executed), k + 1); /* once each */
        assert_int_equal(f->writes[k].sending, 1);
    }
    assert_int_equal(f->server.seen[0].connection, f->server.seen[1].connection);
    io_server_stop(&f->server);
    for (size_t k = 0; k < 6; k++) {
        char body[16];
        snprintf(body, sizeof body, "{\"id\":%zu}", k + 1);
        assert_non_null(strstr(f->server.seen[k].head, body));
    }
}

static void no_answer_in_time(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_SILENT, NULL}, {IO_END, NULL}};
    struct err e;
    io_server_start(&f->server, script);
    struct remote_session s = {
        .broker = "demo", .origin = f->server.origin, .answer_timeout_ms = 50};
    assert_int_equal(remote_session_set(f->remote, 0, &s, &e), 0);
    const struct verdict *v = go(f, 0);
    assert_int_equal(v->kind, VERDICT_UNKNOWN);
    assert_string_equal(v->code, "timeout");
    assert_int_equal(atomic_load(&f->server.executed), 1);
    assert_non_null(strstr(f->server.seen[0].head, "POST /position/open HTTP/1.1\r\n"));
    io_server_stop(&f->server);
}

static void not_a_byte(void **state)
{
    struct fixture *f = *state;
    struct err e;
    char origin[64];
    assert_int_equal(submit(f, 0, &e), ERR_STATE); /* no session */
    assert_string_equal(e.message, "no_session");
    assert_false(is_ready(f));
    snprintf(origin, sizeof origin, "http://127.0.0.1:%d", io_dead_port());
    assert_int_equal(session_at(f, origin, HEADERS, &e), 0);
    f->writes[0].call.deadline_io_ns = clock_io_ns(&f->w.clock) + 100000000;
    const struct verdict *v = go(f, 0);
    assert_int_equal(v->kind, VERDICT_NOT_SENT);
    assert_string_equal(v->code, "unreachable");
    assert_int_equal(f->writes[0].sending, 0);
    assert_int_equal(v->sent_io_ns, 0);
}

static void nothing_is_injected(void **state)
{
    struct fixture *f = *state;
    const struct io_step script[] = {{IO_END, NULL}};
    const char *headers[] = {"X: a\nY: b\r\n",
                             "X: a\rY: b\r\n",
                             "X: a",
                             "X: a\r\n\r\nGET",
                             "X: a\r\n\r\n",
                             ": a\r\n",
                             "X a\r\n",
                             "X : a\r\n",
                             "X: a\x01\r\n",
                             "\r\n",
                             "Host: evil\r\n",
                             "content-length: 5\r\n",
                             "X: a\nEvil: b\r\n",
                             "X: a\rEvil: b\r\n",
                             "X: a\r\n b\r\n",
                             "Transfer-Encoding: chunked\r\n",
                             "X: a\r\nY: b"};
    const char *origins[] = {"http://127.0.0.1:1\r\nX: y",
                             "http://",
                             "ftp://a",
                             "http://a/b",
                             "http://user@a",
                             "http://a b",
                             "",
                             NULL};
    const char *paths[] = {"/a b", "/a\r\nX: y", "a", "", "/\x80"};
    const char *methods[] = {"", "post", "GE T", "A\r\nB"};
    struct err e;
    for (size_t k = 0; k < sizeof headers / sizeof *headers; k++)
        assert_int_equal(session_at(f, "http://127.0.0.1:1", headers[k], &e), ERR_INPUT);
    for (size_t k = 0; k < sizeof origins / sizeof *origins; k++)
        assert_int_equal(session_at(f, origins[k], HEADERS, &e), ERR_INPUT);
    struct remote_session s = {
        .broker = "demo", .origin = "http://127.0.0.1:1", .prefix = "/a\r\nb"};
    assert_int_equal(remote_session_set(f->remote, 0, &s, &e), ERR_INPUT);
    s.prefix = "a";
    assert_int_equal(remote_session_set(f->remote, 0, &s, &e), ERR_INPUT);
    s.prefix = NULL;
    s.broker = NULL;
    assert_int_equal(remote_session_set(f->remote, 0, &s, &e), ERR_INPUT);
    s.broker = "demo";
    assert_int_equal(remote_session_set(f->remote, -1, &s, &e), ERR_INPUT);
    assert_int_equal(submit(f, 0, &e), ERR_STATE); /* none of them has become a session */
    serve(f, script);
    for (size_t k = 0; k < sizeof paths / sizeof *paths; k++) {
        f->path = paths[k];
        assert_int_equal(submit(f, 0, &e), ERR_INPUT);
    }
    f->path = "/a";
    for (size_t k = 0; k < sizeof methods / sizeof *methods; k++) {
        f->method = methods[k];
        assert_int_equal(submit(f, 0, &e), ERR_INPUT);
    }
    /* A bad replacement leaves the good session as it was. */
    f->method = "POST";
    assert_int_equal(session_at(f, f->server.origin, "broken", &e), ERR_INPUT);
    assert_true(is_ready(f));
    io_server_stop(&f->server);
    assert_int_equal(atomic_load(&f->server.executed), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(what_goes_out),
        T(prepared_ahead),
        T(prepared_in_vain),
        T(a_codec_that_ends_the_session),
        T(limits_of_a_codec),
        T(a_codec_that_says_nothing_or_breaks),
        T(reset_after_execution_on_a_reused_connection),
        T(no_answer_in_time),
        T(not_a_byte),
        T(nothing_is_injected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
