/* SPDX-License-Identifier: MIT
 *
 * A front on loopback with a handler for the tests, and a raw client on the same loop: both take
 * turns, so no test waits for a clock except those about deadlines.
 */
#ifndef PERIGEE_TEST_IO_FRONT_FIXTURE_H
#define PERIGEE_TEST_IO_FRONT_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "io/front.h"

#define MAX_HELD 128
#define ROUNDS 20000 /* of at most a millisecond: a hang fails instead of hanging */

struct fixture {
    struct clock clock;
    struct loop loop;
    struct log *log; /* writes to null; only counted */
    int null;
    struct front *front;
    struct front_request *held[MAX_HELD]; /* requests for /hold, oldest first */
    size_t held_count;
    size_t requests; /* that reached the handler */
    char big[3 << 20];
};

static inline void answer_echo(struct front_request *r)
{
    size_t n;
    const char *body = front_body(r, &n);
    struct str s;
    str_init(&s);
    str_addf(&s, "%s|%s|%s|%s|", front_method(r), front_path(r), front_query(r), front_peer(r));
    str_add(&s, body, n);
    struct http_header header = {"X-Test", front_header(r, "x-test")};
    front_answer(r, 200, &header, header.value ? 1 : 0, s.p, s.len);
    str_fini(&s);
}

static inline void handle(void *arg, struct front_request *r)
{
    struct fixture *fx = arg;
    const char *path = front_path(r);
    fx->requests++;
    if (strcmp(path, "/hold") == 0) {
        assert_true(fx->held_count < MAX_HELD);
        fx->held[fx->held_count++] = r;
    } else if (strcmp(path, "/204") == 0) {
        front_answer(r, 204, NULL, 0, "never sent", 10);
    } else if (strcmp(path, "/304") == 0) {
        front_answer(r, 304, NULL, 0, "never sent", 10);
    } else if (strcmp(path, "/big") == 0) {
        front_answer(r, 200, NULL, 0, fx->big, sizeof fx->big);
    } else if (strcmp(path, "/cookies") == 0) {
        struct http_header headers[] = {{"Set-Cookie", "a=1"},
                                        {"Set-Cookie", "b=2"},
                                        {"Content-Length", "999"},
                                        {"Transfer-Encoding", "gzip"},
                                        {"Connection", "close"}};
        front_answer(r, 200, headers, 5, "x", 1);
    } else if (strcmp(path, "/chunked") == 0) {
        struct http_header header = {"Transfer-Encoding", "chunked"};
        front_answer(r, 200, &header, 1, "0123456789abcdefghi", 19);
    } else if (strcmp(path, "/inject") == 0) {
        struct http_header header = {"X-A", "fine\r\nEvil: yes"};
        front_answer(r, 200, &header, 1, "secret", 6);
    } else if (strcmp(path, "/inject-name") == 0) {
        struct http_header header = {"Evil: yes\r\nX", "fine"};
        front_answer(r, 200, &header, 1, "secret", 6);
    } else if (strcmp(path, "/status") == 0) {
        front_answer(r, 99, NULL, 0, "secret", 6);
    } else if (strcmp(path, "/break-fin") == 0) {
        front_break(r, 200, "0123456789", 10, 20, false);
    } else if (strcmp(path, "/break-rst") == 0) {
        front_break(r, 200, "0123456789", 10, 20, true);
    } else if (strcmp(path, "/break-none") == 0) {
        front_break(r, 200, "0123456789", 10, 0, false);
    } else {
        answer_echo(r);
    }
}

static inline void begin(struct fixture *fx, const struct front_config *config)
{
    struct err e;
    fx->held_count = fx->requests = 0;
    memset(fx->big, 'b', sizeof fx->big);
    clock_init(&fx->clock);
    fx->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    fx->log = log_new(fx->null, LOG_ERROR, &fx->clock);
    assert_int_equal(loop_init(&fx->loop, &fx->clock, fx->log, &e), 0);
    fx->front = front_new(&fx->loop, config, handle, fx, &e);
    assert_non_null(fx->front);
}

static inline void end(struct fixture *fx)
{
    front_free(fx->front);
    assert_int_equal(loop_fini(&fx->loop), 0);
    log_free(fx->log);
    close(fx->null);
}

static inline int dial(struct fixture *fx)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(front_port(fx->front))};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

static inline void turn(struct fixture *fx)
{
    loop_run_once(&fx->loop, false);
}

/* A turn of a wait for something that other threads or the kernel may have to do first. */
static inline void wait_turn(struct fixture *fx, int rounds)
{
    assert_true(rounds < ROUNDS);
    turn(fx);
    poll(NULL, 0, rounds > 100);
}

static inline void put(struct fixture *fx, int fd, const char *p, size_t n)
{
    for (size_t rounds = 0; n > 0; rounds++) {
        assert_true(rounds < ROUNDS * 10);
        ssize_t sent = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN)
                return; /* the server has closed: what it said is read next */
            turn(fx);
            continue;
        }
        p += sent;
        n -= (size_t)sent;
    }
    turn(fx);
}

static inline void puts_to(struct fixture *fx, int fd, const char *text)
{
    put(fx, fd, text, strlen(text));
}

enum ending { GOT_TEXT, GOT_END, GOT_RESET };

/* Reads until `mark` was seen `times` times (NULL: until the end of the stream). */
static inline enum ending get(struct fixture *fx, int fd, struct str *s, const char *mark,
                              size_t times)
{
    size_t from = 0;
    char buf[65536];
    for (int rounds = 0; rounds < ROUNDS; rounds++) {
        turn(fx);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 1) == 0)
            continue;
        ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n == 0 && mark)
            break;
        if (n == 0)
            return GOT_END;
        if (n < 0 && errno == ECONNRESET)
            return GOT_RESET;
        if (n < 0)
            continue;
        str_add(s, buf, (size_t)n);
        for (const char *hit; mark && times > 0 && (hit = strstr(s->p + from, mark)); times--)
            from = (size_t)(hit - s->p) + strlen(mark);
        if (mark && times == 0)
            return GOT_TEXT;
    }
    fail_msg("no answer came; %zu bytes so far: %.300s", s->len, s->p ? s->p : "");
    return GOT_END;
}

static inline size_t count_of(const struct str *s, const char *text)
{
    size_t count = 0;
    for (const char *p = s->p; p && (p = strstr(p, text)); p += strlen(text))
        count++;
    return count;
}

/* One request on a fresh connection, read to its end. */
static inline enum ending ask(struct fixture *fx, const char *request, struct str *s)
{
    int fd = dial(fx);
    str_clear(s);
    puts_to(fx, fd, request);
    enum ending how = get(fx, fd, s, NULL, 0);
    close(fd);
    return how;
}

static inline void until_held(struct fixture *fx, size_t n)
{
    for (int rounds = 0; fx->held_count < n; rounds++)
        wait_turn(fx, rounds);
}

static inline size_t open_fds(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += dup2(fd, fd) == fd;
    return count;
}

#endif
