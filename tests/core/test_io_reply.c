/* SPDX-License-Identifier: MIT
 *
 * The answer parser: every canned answer gives the same, however the stream is cut.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "io/reply.h"

#define MAX 400

struct canned {
    const char *wire;
    bool eof; /* the stream ends after it */
    int rc;   /* what the last call gives */
    int status;
    bool keep_alive;
    const char *head;
    const char *body;
    size_t left; /* bytes behind the answer that must not be read */
};

static const struct canned all[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 1, 200, true,
     "Content-Length: 5\r\n", "hello", 0},
    {"HTTP/1.1 204 No Content\r\nX-A:  b \r\n\r\n", false, 1, 204, true, "X-A: b \r\n", "", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Empty:\r\n\r\n", false, 1, 200, true,
     "Content-Length: 0\r\nX-Empty: \r\n", "", 0},
    {"HTTP/1.1 200\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", false, 1, 200, false,
     "Content-Length: 2\r\nConnection: close\r\n", "ok", 0},
    {"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
     false, 1, 400, true, "Transfer-Encoding: chunked\r\n", "abcde", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nX-T: 1\r\n\r\n", false, 1,
     200, true, "Transfer-Encoding: chunked\r\nX-T: 1\r\n", "z", 0},
    {"HTTP/1.0 200 OK\r\n\r\nuntil the end", true, 1, 200, false, "", "until the end", 0},
    {"HTTP/1.1 200 OK\r\nA: 1\r\n\r\nuntil the end", true, 1, 200, false, "A: 1\r\n",
     "until the end", 0},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", false, 1, 200, true,
     "Connection: keep-alive\r\nContent-Length: 1\r\n", "x", 0},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nL: x\r\n\r\n"
     "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx",
     false, 1, 201, true, "Content-Length: 1\r\n", "x", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200", false, 1, 200, true,
     "Content-Length: 2\r\n", "ok", 12},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n", false, 1, 200, true,
     "Content-Length: 2\r\n", "ok", 2},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX", false, 1, 200, true,
     "Transfer-Encoding: chunked\r\n", "", 1},
    /* not whole */
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", false, 0, 200, false, NULL, "hell", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true, ERR_CLOSED, 200, false, NULL, "hell",
     0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true, ERR_CLOSED, 200,
     false, NULL, "abc", 0},
    {"HTTP/1.1 200 OK\r\nContent-Le", true, ERR_CLOSED, 0, false, NULL, "", 0},
    {"HTTP/1.1 100 Continue\r\n\r\n", true, ERR_CLOSED, 0, false, "", "", 0},
    {"", true, ERR_CLOSED, 0, false, "", "", 0},
    {"", false, 0, 0, false, "", "", 0},
    /* no HTTP */
    {"SSH-2.0-OpenSSH_9\r\n", false, ERR_INPUT, 0, false, NULL, "", SIZE_MAX},
    {"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, ERR_INPUT, 0, false, NULL, "",
     SIZE_MAX},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", false, ERR_INPUT, 0,
     false, NULL, "", SIZE_MAX},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false,
     ERR_INPUT, 0, false, NULL, "", SIZE_MAX},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, ERR_INPUT, 0, false, NULL, "",
     SIZE_MAX},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, ERR_INPUT, 200, false,
     NULL, "", SIZE_MAX},
    {"<html>", false, ERR_INPUT, 0, false, NULL, "", SIZE_MAX},
};

/* Feeds in pieces; returns the last code and the bytes that were read. */
static int feed(struct reply *r, const char *wire, size_t n, size_t piece, size_t *read)
{
    size_t at = 0;
    int rc = 0;
    while (at < n && rc == 0) {
        size_t m = n - at < piece ? n - at : piece;
        size_t used = 0;
        char *copy = malloc(m); /* of its own, so that a read past the end is seen */
        memcpy(copy, wire + at, m);
        rc = reply_feed(r, copy, m, &used);
        free(copy);
        assert_true(used <= m);
        if (rc == 0) {
            assert_int_equal(used, m);
        }
        at += used;
    }
    *read = at;
    return rc;
}

static const size_t pieces[] = {1, 2, 3, 5, 7, 13, 100000};

static void the_same_however_the_stream_is_cut(void **state)
{
    (void)state;
    struct reply *r = reply_new(MAX);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct canned *c = &all[i];
        for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
            size_t read = 0, n = 0;
            size_t size = strlen(c->wire);
            reply_reset(r);
            int rc = feed(r, c->wire, size, pieces[k], &read);
            if (c->eof && rc == 0) {
                rc = reply_eof(r);
            }
            assert_int_equal(rc, c->rc);
            assert_int_equal(reply_status(r), c->status);
            assert_int_equal(reply_keep_alive(r), c->keep_alive);
            const char *body = reply_body(r, &n);
            assert_int_equal(n, strlen(c->body));
            assert_memory_equal(body, c->body, n);
            if (c->head != NULL) {
                const char *head = reply_head(r, &n);
                assert_int_equal(n, strlen(c->head));
                assert_memory_equal(head, c->head, n);
            }
            if (c->left != SIZE_MAX) {
                assert_int_equal(size - read, c->left);
            }
        }
    }
    reply_free(r);
}

static void after_the_end_nothing_is_read(void **state)
{
    (void)state;
    struct reply *r = reply_new(MAX);
    size_t used = 0;
    const char *wire = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(reply_feed(r, wire, strlen(wire), &used), 1);
    assert_int_equal(reply_feed(r, wire, strlen(wire), &used), 1);
    assert_int_equal(used, 0);
    assert_int_equal(reply_eof(r), 1);
    reply_reset(r);
    assert_int_equal(reply_status(r), 0);
    assert_int_equal(reply_feed(r, "garbage", 7, &used), ERR_INPUT);
    assert_int_equal(reply_feed(r, wire, strlen(wire), &used), ERR_INPUT); /* until it is reset */
    reply_reset(r);
    assert_int_equal(reply_feed(r, wire, strlen(wire), &used), 1);
    reply_free(r);
}

static void the_limit_counts_bytes_on_the_wire(void **state)
{
    (void)state;
    char wire[1024];
    const char *head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    size_t n = strlen(head);
    memcpy(wire, head, n);
    memset(wire + n, 'x', 200);
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
        size_t read = 0;
        struct reply *exact = reply_new(n + 100);
        assert_int_equal(feed(exact, wire, n + 200, pieces[k], &read), 1);
        assert_int_equal(read, n + 100);
        struct reply *small = reply_new(n + 99);
        assert_int_equal(feed(small, wire, n + 200, pieces[k], &read), ERR_LIMIT);
        reply_free(exact);
        reply_free(small);
    }
}

/* Chunk extensions and interim answers carry no body, but they may not go on for ever. */
static void endless_padding_ends(void **state)
{
    (void)state;
    const char *const begin[2] = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", ""};
    const char *const more[2] = {"xxxxxxxxxxxxxxxx", "HTTP/1.1 100 Continue\r\n\r\n"};
    for (int k = 0; k < 2; k++) {
        struct reply *r = reply_new(MAX);
        size_t used = 0;
        int rc = reply_feed(r, begin[k], strlen(begin[k]), &used);
        for (int i = 0; i < 100 && rc == 0; i++) {
            rc = reply_feed(r, more[k], strlen(more[k]), &used);
        }
        assert_int_equal(rc, ERR_LIMIT);
        reply_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_however_the_stream_is_cut),
        cmocka_unit_test(after_the_end_nothing_is_read),
        cmocka_unit_test(the_limit_counts_bytes_on_the_wire),
        cmocka_unit_test(endless_padding_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
