/* SPDX-License-Identifier: MIT
 *
 * The HTTP client against a scripted server on loopback: by libcurl, and over a transport. Callers
 * must not be able to tell them apart.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/http.h"
#include "io_server.h"

static bool over; /* the client under test is the one over a transport */

struct fixture;

struct call {
    struct fixture *f;
    struct http_call *handle;
    unsigned calls;
    int error, status;
    char message[256], body[256], head[256];
    size_t body_size;
    int64_t elapsed_us, begun_io_ns, begun_market_ms;
    void (*then)(struct call *c);
};

struct fixture {
    struct io_world w;
    struct io_server server;
    struct http_client *client;
    struct transport_curl *curl; /* the transports of the one over them */
    struct call calls[16];
    unsigned done, want;
    bool inside;
};

static void on_answer(void *arg, const struct http_answer *a)
{
    struct call *c = arg;
    assert_false(c->f->inside);
    assert_true(c->f->w.loop.in_flight > 0);
    c->calls++;
    c->error = a->error;
    c->status = a->status;
    c->body_size = a->body_size;
    c->elapsed_us = a->elapsed_us;
    c->begun_io_ns = a->begun_io_ns;
    c->begun_market_ms = a->begun_market_ms;
    (void)snprintf(c->message, sizeof c->message, "%s", a->message);
    (void)snprintf(c->body, sizeof c->body, "%.*s", (int)a->body_size, a->body);
    (void)snprintf(c->head, sizeof c->head, "%.*s", (int)a->head_size, a->head);
    c->f->done++;
    if (c->then != NULL) {
        c->then(c);
    }
}

static void begin(struct fixture *f, const struct io_step *script, unsigned connections)
{
    memset(f, 0, sizeof *f);
    io_world_init(&f->w);
    io_server_start(&f->server, script);
    if (over) {
        f->curl = transport_curl_new(&f->w.loop, NULL, NULL);
        f->client =
            http_client_new_over(&f->w.loop, &transport_curl_ops, f->curl, connections, NULL);
    } else {
        f->client = http_client_new(&f->w.loop, connections, NULL);
    }
    assert_non_null(f->client);
}

static void finish(struct fixture *f)
{
    http_client_free(f->client);
    transport_curl_free(f->curl);
    assert_int_equal(f->w.loop.in_flight, 0);
    assert_int_equal(io_world_fini(&f->w), 0);
    io_server_stop(&f->server);
    for (size_t i = 0; i < 16; i++) {
        assert_true(f->calls[i].calls <= 1);
    }
}

static bool enough(void *arg)
{
    const struct fixture *f = arg;
    return f->done >= f->want;
}

static void wait_for(struct fixture *f, unsigned n)
{
    f->want = n;
    assert_true(io_run_until(&f->w, enough, f));
}

static struct call *start(struct fixture *f, unsigned k, struct http_spec spec, const char *path)
{
    char url[256];
    struct err e;
    struct call *c = &f->calls[k];
    c->f = f;
    (void)snprintf(url, sizeof url, "%s%s", f->server.origin, path);
    spec.url = spec.url ? spec.url : url;
    spec.method = spec.method ? spec.method : "GET";
    f->inside = true;
    assert_int_equal(http_start(f->client, &spec, on_answer, c, &c->handle, &e), 0);
    f->inside = false;
    assert_int_equal(c->calls, 0);
    return c;
}

static struct call *get(struct fixture *f, unsigned k, const char *path)
{
    struct call *c = start(f, k, (struct http_spec){0}, path);
    wait_for(f, f->done + 1);
    assert_int_equal(c->calls, 1);
    return c;
}

static void answers_of_every_kind_on_one_connection(void **state)
{
    (void)state;
    static const struct io_step script[] = {
        {IO_ANSWER,
         "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie:  b=2 \r\nContent-Length: 2\r\n\r\nok"},
        {IO_BYTES,
         "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"},
        {IO_ANSWER, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"},
        {IO_ANSWER,
         "HTTP/1.1 100 Continue\r\nX-I: 1\r\n\r\nHTTP/1.1 500 Oh\r\nContent-Length: 1\r\n\r\n!"},
        {0}};
    struct fixture f;
    size_t n = 0;
    begin(&f, script, 4);
    int64_t market = clock_market_ms(&f.w.clock);
    struct call *c = get(&f, 0, "/a?token=secret");
    assert_int_equal(c->error, 0);
    assert_int_equal(c->status, 200);
    assert_string_equal(c->body, "ok");
    assert_string_equal(c->message, "");
    assert_true(c->begun_market_ms >= market && c->elapsed_us >= 0 && c->begun_io_ns > 0);
    assert_memory_equal(http_head_find(c->head, strlen(c->head), "SET-COOKIE", 0, &n), "a=1", 3);
    assert_memory_equal(http_head_find(c->head, strlen(c->head), "Set-Cookie", 1, &n), "b=2", 3);
    assert_int_equal(n, 3);
    assert_null(http_head_find(c->head, strlen(c->head), "Set-Cookie", 2, &n));
    assert_null(http_head_find(c->head, strlen(c->head), "Cookie", 0, &n));
    c = get(&f, 1, "/b");
    assert_int_equal(c->status, 404);
    assert_string_equal(c->body, "abc");
    c = get(&f, 2, "/c");
    assert_int_equal(c->status, 302); /* not followed */
    c = get(&f, 3, "/d");
    assert_int_equal(c->status, 500);
    assert_string_equal(c->body, "!");
    assert_string_equal(c->head, "Content-Length: 1\r\n"); /* nothing of the interim answer */
    assert_int_equal(atomic_load(&f.server.accepted), 1);
    assert_int_equal(atomic_load(&f.server.executed), 4);
    finish(&f);
}

static void requests_say_what_was_asked_and_no_more(void **state)
{
    (void)state;
    static const struct io_step script[] = {
        {IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK}, {0}};
    const struct http_header headers[] = {
        {"User-Agent", "perigee"}, {"X-Empty", ""}, {"Content-Type", "application/json"}};
    struct fixture f;
    char big[4096];
    memset(big, 'x', sizeof big);
    begin(&f, script, 4);
    start(&f, 0,
          (struct http_spec){.method = "POST",
                             .headers = headers,
                             .header_count = 3,
                             .body = big,
                             .body_size = sizeof big},
          "/post");
    memset(big, 'y', sizeof big); /* it was copied */
    wait_for(&f, 1);
    start(&f, 1, (struct http_spec){.method = "PUT"}, "/put");
    wait_for(&f, 2);
    start(&f, 2, (struct http_spec){.method = "DELETE"}, "/delete");
    wait_for(&f, 3);
    const struct io_seen *s = f.server.seen;
    assert_int_equal(memcmp(s[0].head, "POST /post HTTP/1.1\r\n", 21), 0);
    assert_non_null(strstr(s[0].head, "\r\nUser-Agent: perigee\r\n"));
    assert_non_null(strstr(s[0].head, "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(s[0].head, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(s[0].head, "\r\nContent-Length: 4096\r\n"));
    assert_null(strcasestr(s[0].head, "\r\nExpect:"));
    memset(big, 'x', sizeof big);
    assert_int_equal(s[0].body_sum, crc32c(0, big, sizeof big));
    assert_int_equal(memcmp(s[1].head, "PUT /put HTTP/1.1\r\n", 19), 0);
    assert_non_null(strstr(s[1].head, "\r\nContent-Length: 0\r\n"));
    assert_null(strcasestr(s[1].head, "\r\nContent-Type:"));
    assert_null(strcasestr(s[1].head, "\r\nUser-Agent:"));
    assert_int_equal(memcmp(s[2].head, "DELETE /delete HTTP/1.1\r\n", 25), 0);
    finish(&f);
}

static void bad_requests_are_refused_at_once(void **state)
{
    (void)state;
    static const struct io_step script[] = {{0}};
    static const struct http_header bad[] = {
        {"X-A", "b\r\nX-Evil: 1"}, {"X A", "b"}, {"", "b"}, {"X:", "b"}, {"X-A", "b\n"}};
    struct fixture f;
    begin(&f, script, 4);
    const struct http_spec specs[] = {{.method = "GET", .url = "ftp://127.0.0.1/x"},
                                      {.method = "GET", .url = "127.0.0.1/x"},
                                      {.method = "GET", .url = "http://"},
                                      {.method = "G T", .url = "http://127.0.0.1/"},
                                      {.method = "GET", .url = "http://a b/?secret"},
                                      {.method = "", .url = "http://127.0.0.1/"}};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        struct err e = {0};
        f.calls[0].f = &f;
        assert_int_equal(http_start(f.client, &specs[i], on_answer, &f.calls[0], NULL, &e),
                         ERR_INPUT);
        assert_null(strstr(e.message, "secret"));
        assert_true(strlen(e.message) > 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {0};
        struct http_spec spec = {
            .method = "GET", .url = "http://127.0.0.1/", .headers = &bad[i], .header_count = 1};
        assert_int_equal(http_start(f.client, &spec, on_answer, &f.calls[0], NULL, &e), ERR_INPUT);
    }
    for (int i = 0; i < 5; i++) {
        loop_run_once(&f.w.loop, false);
    }
    assert_int_equal(f.done, 0);
    finish(&f);
}

static void failures_have_a_code_and_a_sentence_without_secrets(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_CLOSE, NULL},
                                            {IO_HALF_CLOSE, IO_OK},
                                            {IO_ANSWER_CLOSE, "SSH-2.0-x\r\n"},
                                            {IO_SILENT, NULL},
                                            {IO_RESET, NULL},
                                            {IO_HALF_CLOSE,
                                             "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"
                                             "01234567890123456789012345678901234567890123456789"},
                                            {0}};
    struct fixture f;
    char url[128];
    begin(&f, script, 4);
    (void)snprintf(url, sizeof url, "http://%s127.0.0.1:%d/x?key=secret", over ? "" : "me:pass@",
                   io_dead_port());
    start(&f, 0, (struct http_spec){.url = url}, "");
    wait_for(&f, 1);
    assert_int_equal(f.calls[0].error, ERR_UNREACHABLE);
    assert_int_equal(get(&f, 1, "/?key=secret")->error, ERR_CLOSED);
    assert_int_equal(get(&f, 2, "/?key=secret")->error, ERR_CLOSED);
    assert_int_equal(get(&f, 3, "/?key=secret")->error, ERR_INPUT);
    start(&f, 4, (struct http_spec){.timeout_ms = 60}, "/path?key=secret");
    wait_for(&f, 5);
    assert_int_equal(f.calls[4].error, ERR_TIMEOUT);
    assert_true(f.calls[4].elapsed_us >= 59000);
    assert_non_null(strstr(f.calls[4].message, "/path"));
    assert_int_equal(get(&f, 5, "/?key=secret")->error, ERR_CLOSED);
    assert_int_equal(get(&f, 6, "/?key=secret")->error, ERR_CLOSED);
    for (unsigned k = 0; k < 7; k++) {
        assert_int_equal(f.calls[k].status, 0);
        assert_int_equal(memcmp(f.calls[k].message, "GET http://127.0.0.1:", 21), 0);
        assert_null(strstr(f.calls[k].message, "secret"));
        assert_null(strstr(f.calls[k].message, "pass"));
    }
    finish(&f);
}

static void answers_over_the_limit_are_refused(void **state)
{
    (void)state;
    static const struct io_step script[] = {
        {IO_ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
                    "0123456789012345678901234567890123456789012345678901234567890123456789"
                    "012345678901234567890123456789"},
        {IO_ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
                    "0123456789012345678901234567890123456789012345678901234567890123456789"
                    "012345678901234567890123456789"},
        {0}};
    struct fixture f;
    begin(&f, script, 4);
    start(&f, 0, (struct http_spec){.max_answer = 121}, "/"); /* 21 bytes of head */
    wait_for(&f, 1);
    assert_int_equal(f.calls[0].error, 0);
    assert_int_equal(f.calls[0].body_size, 100);
    start(&f, 1, (struct http_spec){.max_answer = 120}, "/");
    wait_for(&f, 2);
    assert_int_equal(f.calls[1].error, ERR_LIMIT);
    finish(&f);
}

static void many_at_once_share_few_connections(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_ANSWER, IO_OK},
                                            {IO_ANSWER, IO_OK},
                                            {IO_ANSWER, IO_OK},
                                            {IO_ANSWER, IO_OK},
                                            {IO_ANSWER, IO_OK},
                                            {IO_ANSWER, IO_OK},
                                            {IO_ANSWER, IO_OK},
                                            {IO_ANSWER, IO_OK},
                                            {IO_ANSWER, IO_OK},
                                            {IO_ANSWER, IO_OK},
                                            {0}};
    struct fixture f;
    begin(&f, script, 3);
    for (unsigned k = 0; k < 10; k++) {
        start(&f, k, (struct http_spec){0}, "/");
    }
    assert_int_equal(f.w.loop.in_flight, 10);
    wait_for(&f, 10);
    for (unsigned k = 0; k < 10; k++) {
        assert_int_equal(f.calls[k].status, 200);
    }
    assert_in_range(atomic_load(&f.server.accepted), 1, 3);
    assert_int_equal(atomic_load(&f.server.executed), 10);
    assert_int_equal(f.w.loop.in_flight, 0);
    finish(&f);
}

static void cancel_other(struct call *c)
{
    http_cancel(c->handle); /* itself: nothing */
    http_cancel(c->f->calls[1].handle);
    http_cancel(c->f->calls[1].handle);
    assert_int_equal(c->f->calls[1].calls, 0); /* on a later turn */
}

static void cancelled_calls_answer_once(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_ANSWER, IO_OK}, {0}};
    struct fixture f;
    begin(&f, script, 4);
    f.server.only = "/a";
    start(&f, 0, (struct http_spec){0}, "/a")->then = cancel_other;
    start(&f, 1, (struct http_spec){0}, "/b?secret");
    start(&f, 2, (struct http_spec){0}, "/c");
    http_cancel(f.calls[2].handle);
    wait_for(&f, 3);
    assert_int_equal(f.calls[0].error, 0);
    assert_int_equal(f.calls[1].error, ERR_CANCELLED);
    assert_null(strstr(f.calls[1].message, "secret"));
    assert_int_equal(f.calls[2].error, ERR_CANCELLED);
    finish(&f);
}

static void free_client(struct call *c)
{
    struct http_client *client = c->f->client;
    struct http_spec spec = {.method = "GET", .url = c->f->server.origin};
    c->f->client = NULL;
    http_client_free(client);
    assert_int_equal(c->f->calls[1].calls, 1);
    assert_int_equal(http_start(client, &spec, on_answer, &c->f->calls[5], NULL, NULL), ERR_STATE);
}

static void freeing_cancels_what_is_in_flight_even_inside_a_callback(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_ANSWER, IO_OK}, {0}};
    for (int inside = 0; inside < 2; inside++) {
        struct fixture f;
        begin(&f, script, 4);
        f.server.only = "/a";
        start(&f, 0, (struct http_spec){0}, "/a")->then = inside ? free_client : NULL;
        wait_for(&f, inside ? 0 : 1);
        start(&f, 1, (struct http_spec){0}, "/b");
        start(&f, 2, (struct http_spec){0}, "/c");
        http_cancel(f.calls[2].handle);
        if (inside) {
            wait_for(&f, 3);
        } else {
            http_client_free(f.client);
            f.client = NULL;
        }
        assert_int_equal(f.done, 3);
        assert_int_equal(f.calls[1].error, ERR_CANCELLED);
        assert_int_equal(f.calls[2].error, ERR_CANCELLED);
        finish(&f);
    }
}

/* The connection of the second request dies after the server has read it. */
static void what_went_out_on_a_kept_connection_that_dies_is_sent_again(void **state)
{
    (void)state;
    static const struct io_step script[] = {
        {IO_ANSWER, IO_OK}, {IO_RESET, NULL}, {IO_ANSWER, IO_OK}, {IO_HALF_CLOSE, IO_OK}, {0}};
    struct fixture f;
    begin(&f, script, 4);
    get(&f, 0, "/a");
    start(&f, 1, (struct http_spec){.method = "POST", .body = "x", .body_size = 1}, "/b");
    wait_for(&f, 2);
    assert_int_equal(f.calls[1].error, 0);
    assert_int_equal(f.calls[1].status, 200);
    assert_int_equal(atomic_load(&f.server.executed), 3); /* twice: why orders have their lane */
    assert_int_equal(memcmp(f.server.seen[2].head, "POST /b ", 8), 0);
    assert_int_equal(get(&f, 3, "/c")->error, ERR_CLOSED); /* a byte of the answer came */
    assert_int_equal(atomic_load(&f.server.executed), 4);
    finish(&f);
}

static void what_is_to_go_out_once_takes_no_kept_connection(void **state)
{
    (void)state;
    static const struct io_step script[] = {
        {IO_ANSWER, IO_OK}, {IO_RESET, NULL}, {IO_ANSWER, IO_OK}, {0}};
    struct fixture f;
    begin(&f, script, 4);
    get(&f, 0, "/a");
    start(&f, 1, (struct http_spec){.method = "POST", .once = true}, "/b");
    wait_for(&f, 2);
    assert_int_equal(f.calls[1].error, ERR_CLOSED);
    assert_int_equal(atomic_load(&f.server.executed), 2);
    assert_int_equal(get(&f, 2, "/c")->status, 200);
    assert_int_equal(atomic_load(&f.server.accepted), 2); /* the kept one is still good */
    finish(&f);
}

static void connections_that_are_not_fit_any_more_are_not_kept(void **state)
{
    (void)state;
    static const struct io_step script[] = {
        {IO_ANSWER, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"},
        {IO_ANSWER_EXTRA, IO_OK},
        {IO_ANSWER, IO_OK},
        {0}};
    struct fixture f;
    begin(&f, script, 4);
    for (unsigned k = 0; k < 3; k++) {
        assert_int_equal(get(&f, k, "/a")->status, 200);
        assert_string_equal(f.calls[k].body, "ok");
        assert_int_equal(atomic_load(&f.server.accepted), k + 1);
    }
    assert_int_equal(atomic_load(&f.server.executed), 3);
    finish(&f);
}

static void answers_to_head_have_no_body(void **state)
{
    (void)state;
    static const struct io_step script[] = {
        {IO_ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"}, {IO_ANSWER, IO_OK}, {0}};
    struct fixture f;
    begin(&f, script, 4);
    start(&f, 0, (struct http_spec){.method = "HEAD"}, "/a");
    wait_for(&f, 1);
    assert_int_equal(f.calls[0].error, 0);
    assert_int_equal(f.calls[0].body_size, 0);
    assert_int_equal(get(&f, 1, "/b")->status, 200);
    assert_int_equal(atomic_load(&f.server.accepted), 1);
    finish(&f);
}

/* Byte for byte what libcurl writes, but for the port. */
static void requests_are_written_alike(void **state)
{
    (void)state;
    static const struct io_step script[] = {{IO_ANSWER, IO_OK}, {IO_ANSWER, IO_OK}, {0}};
    static const struct http_header headers[] = {
        {"Authorization", "Bearer x"}, {"Content-Type", "application/json"}, {"X-Empty", ""}};
    struct fixture f;
    char expected[512];
    begin(&f, script, 4);
    start(
        &f, 0,
        (struct http_spec){
            .method = "POST", .headers = headers, .header_count = 3, .body = "{}", .body_size = 2},
        "?a=1#part");
    wait_for(&f, 1);
    (void)snprintf(
        expected, sizeof expected,
        "POST /?a=1 HTTP/1.1\r\nHost: %.40s\r\nAccept: */*\r\nAuthorization: Bearer x\r\n"
        "Content-Type: application/json\r\nX-Empty:\r\nContent-Length: 2\r\n\r\n",
        f.server.origin + 7);
    assert_memory_equal(f.server.seen[0].head, expected, strlen(expected));
    get(&f, 1, "/path/x%20y?b=2&c");
    (void)snprintf(expected, sizeof expected,
                   "GET /path/x%%20y?b=2&c HTTP/1.1\r\nHost: %.40s\r\nAccept: */*\r\n\r\n",
                   f.server.origin + 7);
    assert_string_equal(f.server.seen[1].head, expected);
    finish(&f);
}

static void head_lines_are_found(void **state)
{
    (void)state;
    size_t n = 9;
    const char *head = "A: 1\r\nAB: 2\r\nb:\r\nC:\t x y \t\r\na:3";
    assert_memory_equal(http_head_find(head, strlen(head), "a", 0, &n), "1", 1);
    assert_memory_equal(http_head_find(head, strlen(head), "a", 1, &n), "3", 1);
    assert_int_equal(n, 1);
    assert_non_null(http_head_find(head, strlen(head), "B", 0, &n));
    assert_int_equal(n, 0);
    assert_memory_equal(http_head_find(head, strlen(head), "c", 0, &n), "x y", 3);
    assert_int_equal(n, 3);
    assert_null(http_head_find(head, 0, "a", 0, &n));
    assert_null(http_head_find(head, 5, "AB", 0, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_every_kind_on_one_connection),
        cmocka_unit_test(requests_say_what_was_asked_and_no_more),
        cmocka_unit_test(bad_requests_are_refused_at_once),
        cmocka_unit_test(failures_have_a_code_and_a_sentence_without_secrets),
        cmocka_unit_test(answers_over_the_limit_are_refused),
        cmocka_unit_test(many_at_once_share_few_connections),
        cmocka_unit_test(cancelled_calls_answer_once),
        cmocka_unit_test(freeing_cancels_what_is_in_flight_even_inside_a_callback),
        cmocka_unit_test(what_went_out_on_a_kept_connection_that_dies_is_sent_again),
        cmocka_unit_test(what_is_to_go_out_once_takes_no_kept_connection),
        cmocka_unit_test(connections_that_are_not_fit_any_more_are_not_kept),
        cmocka_unit_test(answers_to_head_have_no_body),
        cmocka_unit_test(requests_are_written_alike),
        cmocka_unit_test(head_lines_are_found),
    };
    int failed = cmocka_run_group_tests_name("libcurl", tests, NULL, NULL);
    over = true;
    return failed + cmocka_run_group_tests_name("over a transport", tests, NULL, NULL);
}
