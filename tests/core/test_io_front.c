/* SPDX-License-Identifier: MIT
 *
 * The HTTP front on real loopback sockets: what is answered to good and to bad requests.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io_front_fixture.h"

#define TEXT(t) t, sizeof t - 1

static void test_address(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {0};
    begin(fx, &config);
    char want[32], line[256];
    snprintf(want, sizeof want, "127.0.0.1:%u", front_port(fx->front));
    assert_true(front_port(fx->front) > 0);
    assert_string_equal(front_address(fx->front), want);
    /* The kernel's own list of listening sockets: ours once, on loopback, and no IPv6 one. */
    snprintf(want, sizeof want, ":%04X ", front_port(fx->front));
    static const char *const lists[] = {"/proc/self/net/tcp", "/proc/self/net/tcp6"};
    int found = 0;
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(lists[i], "r");
        while (file && fgets(line, sizeof line, file)) {
            const char *local = strstr(line, ": ");
            if (!local || !strstr(line, " 0A ") || !strstr(local, want))
                continue;
            found++;
            assert_memory_equal(local + 2, "0100007F:", 9);
        }
        if (file)
            fclose(file);
    }
    assert_int_equal(found, 1);

    struct err e;
    struct front_config again = {.port = front_port(fx->front)};
    assert_null(front_new(&fx->loop, &again, handle, fx, &e));
    assert_int_equal(e.code, ERR_UNREACHABLE);
    assert_non_null(strstr(e.message, front_address(fx->front)));
    struct front_config named = {.host = "example.org"};
    assert_null(front_new(&fx->loop, &named, handle, fx, &e));
    assert_int_equal(e.code, ERR_INPUT);
    end(fx);
}

static void test_answers(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {0};
    struct str s;
    str_init(&s);
    begin(fx, &config);
    int fd = dial(fx);
    puts_to(fx, fd, "GET /a/b%20c?x=1&y=? HTTP/1.1\r\nHost: h\r\nX-Test:  hello \t\r\n\r\n");
    get(fx, fd, &s, "|127.0.0.1|", 1);
    assert_memory_equal(s.p, "HTTP/1.1 200 OK\r\nDate: ", 23);
    assert_non_null(strstr(s.p, " GMT\r\nX-Test: hello\r\nContent-Length: 31\r\n\r\n"
                                "GET|/a/b%20c|x=1&y=?|127.0.0.1|"));
    assert_null(strstr(s.p, "Connection"));
    str_clear(&s); /* the same connection again, with the one empty line that is forgiven */
    puts_to(fx, fd,
            "\r\nHEAD /h HTTP/1.1\r\nHost: h\r\n\r\nGET /204 HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /304 HTTP/1.1\r\nHost: h\r\n\r\nGET http://h:1/abs?q HTTP/1.1\r\n"
            "Host: h\r\nConnection: close\r\n\r\n");
    assert_int_equal(get(fx, fd, &s, NULL, 0), GOT_END);
    close(fd);
    assert_int_equal(count_of(&s, "HTTP/1.1 "), 4);
    assert_int_equal(count_of(&s, "Content-Length"), 2);
    assert_non_null(strstr(s.p, "Content-Length: 19\r\n\r\nHTTP/1.1 204 No Content\r\n"));
    assert_non_null(strstr(s.p, "HTTP/1.1 304 Not Modified\r\n"));
    assert_null(strstr(s.p, "never sent"));
    assert_non_null(strstr(s.p, "Connection: close\r\n\r\nGET|/abs|q|127.0.0.1|"));

    ask(fx, "GET /old HTTP/1.0\r\n\r\n", &s);
    assert_non_null(strstr(s.p, "Connection: close\r\n\r\nGET|/old||"));
    ask(fx, "GET /cookies HTTP/1.1\r\nHost: h\r\n\r\n", &s);
    assert_non_null(strstr(s.p, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 1\r\n"
                                "Connection: close\r\n\r\nx"));
    assert_null(strstr(s.p, "chunked"));
    ask(fx, "OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &s);
    assert_non_null(strstr(s.p, "OPTIONS|*||"));
    assert_int_equal(log_count(fx->log, LOG_ERROR), 0);
    end(fx);
    str_fini(&s);
}

/* Towards HTTP/1.0 there are no chunks, and to HEAD no body. */
static void test_chunks(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {0};
    struct str s;
    str_init(&s);
    begin(fx, &config);
    int fd = dial(fx);
    puts_to(fx, fd,
            "GET /chunked HTTP/1.1\r\nHost: h\r\n\r\nHEAD /chunked HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_int_equal(get(fx, fd, &s, NULL, 0), GOT_END);
    close(fd);
    assert_non_null(strstr(s.p, "Transfer-Encoding: chunked\r\n\r\n1\r\n0\r\n"
                                "10\r\n123456789abcdefg\r\n2\r\nhi\r\n0\r\n\r\nHTTP/1.1 200 OK"));
    assert_int_equal(count_of(&s, "Transfer-Encoding: chunked\r\n\r\n"), 2);
    assert_int_equal(count_of(&s, "Content-Length"), 1);
    assert_int_equal(count_of(&s, "GET|/last||"), 1);
    ask(fx, "GET /chunked HTTP/1.0\r\n\r\n", &s);
    assert_null(strstr(s.p, "chunked"));
    assert_non_null(
        strstr(s.p, "Content-Length: 19\r\nConnection: close\r\n\r\n0123456789abcdefghi"));
    end(fx);
    str_fini(&s);
}

static void test_pipelining(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {0};
    struct str s;
    str_init(&s);
    begin(fx, &config);
    int fd = dial(fx);
    puts_to(fx, fd,
            "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
            "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello world"
            "POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
            "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: dropped\r\n\r\n"
            "PUT /4 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
            "GET /5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
            "GET /6 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(get(fx, fd, &s, NULL, 0), GOT_END);
    close(fd);
    assert_int_equal(fx->requests, 5);
    const char *p = s.p;
    static const char *const wanted[] = {
        "GET|/1||127.0.0.1|HTTP/1.1", "POST|/2||127.0.0.1|hello worldHTTP/1.1",
        "POST|/3||127.0.0.1|hello!HTTP/1.1", "PUT|/4||127.0.0.1|HTTP/1.1", "GET|/5||127.0.0.1|"};
    for (size_t i = 0; i < 5; i++) {
        p = strstr(p, wanted[i]);
        assert_non_null(p);
    }
    end(fx);
    str_fini(&s);
}

static void test_byte_by_byte(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {0};
    struct str s;
    str_init(&s);
    begin(fx, &config);
    static const char text[] =
        "POST /1?q HTTP/1.1\r\nHost: h\r\nX-Test: t\r\nContent-Length: 5\r\n\r\nhello"
        "\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
        "GET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    int fd = dial(fx);
    for (size_t i = 0; text[i]; i++)
        put(fx, fd, text + i, 1);
    assert_int_equal(get(fx, fd, &s, NULL, 0), GOT_END);
    close(fd);
    assert_non_null(strstr(s.p, "POST|/1|q|127.0.0.1|helloHTTP"));
    assert_non_null(strstr(s.p, "POST|/2||127.0.0.1|abcdefgHTTP"));
    assert_non_null(strstr(s.p, "GET|/3||127.0.0.1|"));
    assert_int_equal(fx->requests, 3);
    end(fx);
    str_fini(&s);
}

static void test_large_bodies(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {0};
    struct str s, request;
    str_init(&s);
    str_init(&request);
    begin(fx, &config);
    char *body = malloc(200000);
    assert_non_null(body);
    for (size_t i = 0; i < 200000; i++)
        body[i] = (char)('a' + i * 7 % 26);
    str_addz(&request, "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n");
    str_add(&request, body, 200000);
    str_addz(&request, "POST /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < 200000; at += 8000) {
        str_addz(&request, "1F40\r\n");
        str_add(&request, body + at, 8000);
        str_addz(&request, "\r\n");
    }
    str_addz(&request, "0\r\n\r\n");
    int fd = dial(fx);
    put(fx, fd, request.p, request.len);
    assert_int_equal(get(fx, fd, &s, NULL, 0), GOT_END);
    close(fd);
    const char *first = strstr(s.p, "POST|/1||127.0.0.1|");
    assert_non_null(first);
    assert_memory_equal(first + 19, body, 200000);
    const char *second = strstr(first + 19 + 200000, "POST|/2||127.0.0.1|");
    assert_non_null(second);
    assert_int_equal((size_t)(s.p + s.len - second), 19 + 200000);
    assert_memory_equal(second + 19, body, 200000);

    /* Answers larger than any socket buffer, pipelined, to a client that reads late. */
    str_clear(&s);
    fd = dial(fx);
    puts_to(fx, fd,
            "GET /big HTTP/1.1\r\nHost: h\r\n\r\nGET /big HTTP/1.1\r\nHost: h\r\n"
            "Connection: close\r\n\r\n");
    for (int i = 0; i < 50; i++)
        turn(fx);
    assert_int_equal(get(fx, fd, &s, NULL, 0), GOT_END);
    close(fd);
    assert_int_equal(count_of(&s, "Content-Length: 3145728\r\n"), 2);
    assert_true(s.len > 2 * sizeof fx->big);
    assert_memory_equal(s.p + s.len - sizeof fx->big, fx->big, sizeof fx->big);
    end(fx);
    free(body);
    str_fini(&s);
    str_fini(&request);
}

static void test_limits(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {.max_head = 1000, .max_body = 1000};
    struct str s, request;
    str_init(&s);
    str_init(&request);
    begin(fx, &config);
    for (size_t pad = 960; pad <= 1100; pad += 1) { /* around the limit, complete heads */
        str_clear(&request);
        str_addz(&request, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX: ");
        while (request.len < pad - 4)
            str_addc(&request, 'x');
        str_addz(&request, "\r\n\r\n");
        ask(fx, request.p, &s);
        assert_non_null(strstr(s.p, pad <= 1000 ? "HTTP/1.1 200 " : "HTTP/1.1 431 "));
    }
    str_clear(&request); /* a request line without end */
    str_addz(&request, "GET /");
    while (request.len < 5000)
        str_addc(&request, 'x');
    ask(fx, request.p, &s);
    assert_non_null(strstr(s.p, "HTTP/1.1 431 "));
    assert_non_null(strstr(s.p, "Connection: close\r\n"));
    str_clear(&request); /* many small headers */
    str_addz(&request, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 120; i++)
        str_addz(&request, "a:b\r\n");
    str_addz(&request, "\r\n");
    ask(fx, request.p, &s);
    assert_non_null(strstr(s.p, "HTTP/1.1 431 "));

    ask(fx, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", &s);
    assert_non_null(strstr(s.p, "HTTP/1.1 413 "));
    ask(fx, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n", &s);
    assert_non_null(strstr(s.p, "HTTP/1.1 4"));
    ask(fx, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", &s);
    assert_non_null(strstr(s.p, "HTTP/1.1 413 "));
    assert_true(fx->requests <= 41);
    str_clear(&request); /* chunks that carry a byte each in a long frame */
    str_addz(&request, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 500; i++)
        str_addz(&request, "1;extension=that-is-long\r\nx\r\n");
    ask(fx, request.p, &s);
    assert_non_null(strstr(s.p, "HTTP/1.1 400 "));
    end(fx);
    str_fini(&s);
    str_fini(&request);
}

static void test_bad_requests(void **state)
{
    static const struct {
        const char *request;
        size_t n;
        int status;
    } cases[] = {
        {TEXT("GET / HTTP/1.1\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\nX(Y: z\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\n: z\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\n\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n"), 400},
        {TEXT("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\nX: y\x01z\r\n\r\n"), 400},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\nX: y\x7fz\r\n\r\n"), 400},
        {TEXT("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {TEXT("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {TEXT("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {TEXT("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {TEXT("GET a HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {TEXT("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {TEXT("GET /\r\n\r\n"), 400},
        {TEXT(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {TEXT("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {TEXT("\x16\x03\x01\x02"), 400},
        {TEXT("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505},
        {TEXT("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), 505},
        {TEXT("FROB / HTTP/1.1\r\nHost: a\r\n\r\n"), 501},
        {TEXT("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), 501},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: "
              "chunked\r\n\r\nx"),
         400},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
              "1\r\n\r\nx"),
         400},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"), 501},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
         501},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
              "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
         501},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 501},
        {TEXT("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
         400},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx"), 400},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx"), 400},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx"), 400},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx"), 400},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nx"), 400},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 400},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"), 400},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
              "fffffffffffffffff\r\n"),
         413},
        {TEXT("POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n"), 417},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
         426},
    };
    struct fixture *fx = *state;
    struct front_config config = {0};
    struct str s;
    str_init(&s);
    begin(fx, &config);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char want[32];
        snprintf(want, sizeof want, "HTTP/1.1 %d ", cases[i].status);
        int fd = dial(fx);
        str_clear(&s);
        put(fx, fd, cases[i].request, cases[i].n);
        get(fx, fd, &s, NULL, 0);
        close(fd);
        if (!s.p || strncmp(s.p, want, 13) != 0) {
            bool either = cases[i].status == 413 && s.p && strncmp(s.p, "HTTP/1.1 400 ", 13) == 0;
            if (!either)
                fail_msg("case %zu: wanted %d, got %.200s", i, cases[i].status, s.p ? s.p : "");
        }
        assert_int_equal(count_of(&s, "\r\nDate: "), 1);
    }
    assert_int_equal(fx->requests, 0);
    /* An upgrade to something else is an ordinary request. */
    ask(fx, "GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n", &s);
    assert_non_null(strstr(s.p, "GET|/x|"));
    /* A bad request behind good ones is answered after them. */
    ask(fx, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", &s);
    assert_non_null(strstr(strstr(s.p, "GET|/1|"), "HTTP/1.1 400 "));
    end(fx);
    str_fini(&s);
}

int main(void)
{
    static struct fixture fx;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_address, &fx),
        cmocka_unit_test_prestate(test_answers, &fx),
        cmocka_unit_test_prestate(test_chunks, &fx),
        cmocka_unit_test_prestate(test_pipelining, &fx),
        cmocka_unit_test_prestate(test_byte_by_byte, &fx),
        cmocka_unit_test_prestate(test_large_bodies, &fx),
        cmocka_unit_test_prestate(test_limits, &fx),
        cmocka_unit_test_prestate(test_bad_requests, &fx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
