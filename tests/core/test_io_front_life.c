/* SPDX-License-Identifier: MIT
 *
 * The HTTP front on real loopback sockets: order of answers, clients that go away, deadlines,
 * limits of connections, simulated faults, answers that must not be sent.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io_front_fixture.h"

static void test_out_of_order(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {0};
    struct str s;
    str_init(&s);
    begin(fx, &config);
    int fd = dial(fx);
    puts_to(fx, fd,
            "GET /hold?1 HTTP/1.1\r\nHost: h\r\n\r\nGET /hold?2 HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /now HTTP/1.1\r\nHost: h\r\n\r\nGET /hold?4 HTTP/1.1\r\nHost: h\r\n\r\n");
    until_held(fx, 3);
    assert_int_equal(fx->requests, 4);
    front_answer(fx->held[2], 200, NULL, 0, "four", 4);
    front_answer(fx->held[1], 200, NULL, 0, "two", 3);
    for (int i = 0; i < 20; i++)
        turn(fx);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1); /* nothing before the first */
    front_answer(fx->held[0], 200, NULL, 0, "one", 3);
    get(fx, fd, &s, "four", 1);
    char *one = strstr(s.p, "\r\n\r\none"), *two = strstr(s.p, "\r\n\r\ntwo");
    char *now = strstr(s.p, "GET|/now|"), *four = strstr(s.p, "\r\n\r\nfour");
    assert_true(one && two && now && four && one < two && two < now && now < four);

    /* More requests at once than may wait: the rest is read when there is room again. */
    fx->held_count = 0;
    for (int i = 0; i < 100; i++)
        puts_to(fx, fd, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    until_held(fx, 64);
    for (int i = 0; i < 50; i++)
        turn(fx);
    assert_int_equal(fx->held_count, 64);
    str_clear(&s);
    for (size_t i = 0; i < 100; i++) {
        until_held(fx, i + 1);
        front_answer(fx->held[i], 200, NULL, 0, "done", 4);
    }
    get(fx, fd, &s, "done", 100);
    close(fd);
    end(fx);
    str_fini(&s);
}

static void test_client_gone(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {0};
    struct str s;
    str_init(&s);
    begin(fx, &config);
    int fd = dial(fx);
    puts_to(fx, fd,
            "GET /hold?a=b HTTP/1.1\r\nHost: h\r\n\r\nGET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    until_held(fx, 2);
    assert_false(front_request_gone(fx->held[0]));
    struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd); /* RST */
    for (int i = 0; !front_request_gone(fx->held[0]); i++)
        wait_turn(fx, i);
    assert_true(front_request_gone(fx->held[0]));
    assert_true(front_request_gone(fx->held[1]));
    assert_int_equal(front_connections(fx->front), 0);
    assert_string_equal(front_path(fx->held[0]), "/hold"); /* still whole */
    assert_string_equal(front_query(fx->held[0]), "a=b");
    assert_string_equal(front_peer(fx->held[0]), "127.0.0.1");
    front_answer(fx->held[0], 200, NULL, 0, "x", 1);
    front_break(fx->held[1], 200, "x", 1, 1, true);

    /* A client that shut only its own side counts as gone, and is answered all the same. */
    fx->held_count = 0;
    fd = dial(fx);
    puts_to(fx, fd, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    until_held(fx, 1);
    shutdown(fd, SHUT_WR);
    for (int i = 0; !front_request_gone(fx->held[0]); i++)
        wait_turn(fx, i);
    assert_true(front_request_gone(fx->held[0]));
    front_answer(fx->held[0], 200, NULL, 0, "late", 4);
    assert_int_equal(get(fx, fd, &s, NULL, 0), GOT_END);
    assert_non_null(strstr(s.p, "late"));
    close(fd);

    /* Teardown with requests that were never answered, one of them without its client. */
    fx->held_count = 0;
    fd = dial(fx);
    int other = dial(fx);
    puts_to(fx, fd,
            "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\n"
            "Content-Length: 9\r\n\r\nhalf");
    puts_to(fx, other, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    until_held(fx, 2);
    close(other);
    for (int i = 0; i < 10; i++)
        turn(fx);
    end(fx);
    close(fd);
    str_fini(&s);
}

static void test_continue(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {0};
    struct str s;
    str_init(&s);
    begin(fx, &config);
    int fd = dial(fx);
    puts_to(fx, fd,
            "POST /1 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    get(fx, fd, &s, "\r\n\r\n", 1);
    assert_string_equal(s.p, "HTTP/1.1 100 Continue\r\n\r\n");
    puts_to(fx, fd, "ok");
    get(fx, fd, &s, "|ok", 1);
    str_clear(&s); /* who sends the body at once needs no go-ahead */
    puts_to(fx, fd,
            "POST /2 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
            "Content-Length: 2\r\nConnection: close\r\n\r\nok");
    get(fx, fd, &s, NULL, 0);
    close(fd);
    assert_null(strstr(s.p, "100 Continue"));
    assert_non_null(strstr(s.p, "POST|/2||127.0.0.1|ok"));
    ask(fx,
        "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
        "Content-Length: 99999999\r\n\r\n",
        &s);
    assert_memory_equal(s.p, "HTTP/1.1 413 ", 13);

    /* The go-ahead waits for the answers before it. */
    str_clear(&s);
    fd = dial(fx);
    puts_to(fx, fd,
            "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nPOST /3 HTTP/1.1\r\nHost: h\r\n"
            "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    until_held(fx, 1);
    front_answer(fx->held[0], 200, NULL, 0, "first", 5);
    get(fx, fd, &s, "firstHTTP/1.1 100 Continue\r\n\r\n", 1);
    close(fd);
    end(fx);
    str_fini(&s);
}

static void test_deadlines(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {.request_timeout_ms = 60, .idle_timeout_ms = 60000};
    struct str s;
    str_init(&s);
    begin(fx, &config);
    ask(fx, "GET / HT", &s);
    assert_memory_equal(s.p, "HTTP/1.1 408 ", 13);
    ask(fx, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nx", &s);
    assert_memory_equal(s.p, "HTTP/1.1 408 ", 13);
    assert_int_equal(ask(fx, "", &s), GOT_END); /* says nothing at all */
    assert_int_equal(s.len, 0);
    /* Dripping does not buy time: the deadline is for the whole request. */
    str_clear(&s);
    int fd = dial(fx);
    puts_to(fx, fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n");
    for (int i = 0; s.len == 0 && i < ROUNDS; i++) {
        char buf[512];
        puts_to(fx, fd, "x");
        poll(NULL, 0, 1);
        ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n > 0)
            str_add(&s, buf, (size_t)n);
    }
    assert_memory_equal(s.p, "HTTP/1.1 408 ", 13);
    close(fd);
    end(fx);

    struct front_config idle = {.request_timeout_ms = 60000, .idle_timeout_ms = 60};
    begin(fx, &idle);
    str_clear(&s);
    fd = dial(fx);
    puts_to(fx, fd, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    until_held(fx, 1);
    for (int i = 0; i < 150; i++) { /* a slow handler is not idleness */
        turn(fx);
        poll(NULL, 0, 1);
    }
    assert_false(front_request_gone(fx->held[0]));
    front_answer(fx->held[0], 200, NULL, 0, "slow", 4);
    assert_int_equal(get(fx, fd, &s, NULL, 0), GOT_END); /* closed for idleness, without a word */
    assert_int_equal(count_of(&s, "HTTP/1.1"), 1);
    close(fd);
    end(fx);
    str_fini(&s);
}

static void test_connection_limits(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {.max_connections = 2};
    struct str s;
    str_init(&s);
    for (int round = 0; round < 2; round++) {
        begin(fx, &config);
        int a = dial(fx), b = dial(fx);
        puts_to(fx, a, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
        puts_to(fx, b, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
        ask(fx, "GET /c HTTP/1.1\r\nHost: h\r\n\r\n", &s);
        assert_memory_equal(s.p, "HTTP/1.1 503 ", 13);
        for (int i = 0; front_connections(fx->front) > 2; i++)
            wait_turn(fx, i);
        assert_int_equal(fx->requests, 2);
        close(a);
        for (int i = 0; front_connections(fx->front) > 1; i++)
            wait_turn(fx, i);
        ask(fx, "GET /d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &s);
        assert_memory_equal(s.p, "HTTP/1.1 200 ", 13);
        close(b);
        end(fx);
        config = (struct front_config){.max_per_address = 2};
    }
    str_fini(&s);
}

static void test_break(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {0};
    struct str s;
    str_init(&s);
    begin(fx, &config);
    size_t fds = open_fds();
    assert_int_equal(ask(fx, "GET /break-fin HTTP/1.1\r\nHost: h\r\n\r\n", &s), GOT_END);
    assert_int_equal(s.len, 20);
    assert_memory_equal(s.p, "HTTP/1.1 200 OK\r\nDat", 20);
    assert_int_equal(ask(fx, "GET /break-rst HTTP/1.1\r\nHost: h\r\n\r\n", &s), GOT_RESET);
    assert_int_equal(s.len, 20);
    assert_int_equal(ask(fx, "GET /break-none HTTP/1.1\r\nHost: h\r\n\r\n", &s), GOT_END);
    assert_int_equal(s.len, 0);
    /* Requests behind it lose their connection; those before it are answered. */
    int fd = dial(fx);
    str_clear(&s);
    puts_to(fx, fd,
            "GET /first HTTP/1.1\r\nHost: h\r\n\r\nGET /hold?1 HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /hold?2 HTTP/1.1\r\nHost: h\r\n\r\n");
    until_held(fx, 2);
    front_break(fx->held[0], 200, "0123456789", 10, 5, false);
    assert_true(front_request_gone(fx->held[1]));
    front_answer(fx->held[1], 200, NULL, 0, "never", 5);
    assert_int_equal(get(fx, fd, &s, NULL, 0), GOT_END);
    assert_non_null(strstr(s.p, "GET|/first||127.0.0.1|HTTP/"));
    assert_null(strstr(s.p, "never"));
    close(fd);
    /* In the middle of the body: the head is whole and tells the length of all of it. */
    static const struct http_header dated[] = {{"Date", "Thu, 01 Jan 1970 00:00:00 GMT"}};
    for (unsigned sent = 0; sent <= 11; sent += 11) {
        size_t before = fx->held_count;
        fd = dial(fx);
        str_clear(&s);
        puts_to(fx, fd, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
        until_held(fx, before + 1);
        front_break_body(fx->held[before], 200, dated, 1, "0123456789", 10, sent, false);
        assert_int_equal(get(fx, fd, &s, NULL, 0), GOT_END);
        assert_string_equal(s.p, sent ? "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                        "Content-Length: 10\r\n\r\n0123456789"
                                      : "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                        "Content-Length: 10\r\n\r\n");
        close(fd);
    }
    for (int i = 0; front_connections(fx->front) > 0; i++)
        wait_turn(fx, i);
    turn(fx);
    assert_int_equal(open_fds(), fds);
    end(fx);
    str_fini(&s);
}

static void test_injection(void **state)
{
    struct fixture *fx = *state;
    struct front_config config = {0};
    struct str s;
    str_init(&s);
    begin(fx, &config);
    static const char *const paths[] = {"/inject", "/inject-name", "/status"};
    for (size_t i = 0; i < 3; i++) {
        char request[128];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                 paths[i]);
        ask(fx, request, &s);
        assert_memory_equal(s.p, "HTTP/1.1 500 ", 13);
        assert_null(strstr(s.p, "Evil"));
        assert_null(strstr(s.p, "secret"));
        assert_int_equal(log_count(fx->log, LOG_ERROR), i + 1);
    }
    end(fx);
    str_fini(&s);
}

int main(void)
{
    static struct fixture fx;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_out_of_order, &fx),
        cmocka_unit_test_prestate(test_client_gone, &fx),
        cmocka_unit_test_prestate(test_continue, &fx),
        cmocka_unit_test_prestate(test_deadlines, &fx),
        cmocka_unit_test_prestate(test_connection_limits, &fx),
        cmocka_unit_test_prestate(test_break, &fx),
        cmocka_unit_test_prestate(test_injection, &fx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
