/* SPDX-License-Identifier: MIT
 *
 * A scripted HTTP server for tests: one thread, many connections on a loopback socket, one step of
 * the script for each whole request (or accepted connection). It counts executions: a request is
 * executed when its last byte was read.
 */
#ifndef PERIGEE_TESTS_IO_SERVER_H
#define PERIGEE_TESTS_IO_SERVER_H

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "io/loop.h"

enum io_what {
    IO_END = 0,         /* no step left: what comes is read and never answered */
    IO_ANSWER,          /* execute, answer */
    IO_BYTES,           /* execute, answer byte by byte, each in a segment of its own */
    IO_ANSWER_CLOSE,    /* execute, answer, close */
    IO_ANSWER_EXTRA,    /* execute, answer, then send "HTTP/1.1 200 OK\r\n" that nobody asked for */
    IO_HALF_CLOSE,      /* execute, send half of the answer, close */
    IO_HALF_RESET,      /* execute, send half of the answer, reset */
    IO_RESET,           /* execute, reset without an answer */
    IO_CLOSE,           /* execute, close without an answer */
    IO_SILENT,          /* execute, never answer */
    IO_WAIT,            /* execute, answer when io_server_go() is called */
    IO_CLOSE_ON_ACCEPT, /* close a connection before anything is read */
    IO_RESET_ON_ACCEPT, /* the same with a reset */
    IO_RESET_MID_REQUEST /* reset when the first bytes of a request were read: not executed */
};

struct io_step {
    enum io_what what;
    const char *answer;
};

#define IO_OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define IO_MAX_SEEN 256
#define IO_MAX_CONNS 64

struct io_seen {
    char head[512];    /* first bytes of the request, NUL-terminated */
    uint32_t body_sum; /* CRC32C */
    size_t body_size;
    unsigned connection; /* 0: the first accepted */
};

struct io_conn {
    int fd;
    unsigned number;
    char *in;
    size_t len, cap;
    const char *later; /* answer that waits for io_server_go */
};

struct io_server {
    pthread_t thread;
    int listener;
    int wake[2]; /* bytes: 'q' quit, 'g' go, 's' shout */
    atomic_uint shouts;
    int port;
    char origin[64];
    const struct io_step *script;
    size_t step;
    const char *only; /* requests of other paths stay silent and take no step; NULL: none do */
    atomic_uint executed;
    atomic_uint accepted;
    struct io_seen seen[IO_MAX_SEEN]; /* read after a request was answered, or after the stop */
    struct io_conn conns[IO_MAX_CONNS];
    size_t conn_count;
};

static inline void io_write_all(int fd, const char *p, size_t n, size_t piece)
{
    while (n > 0) {
        ssize_t did = send(fd, p, n < piece ? n : piece, MSG_NOSIGNAL);
        if (did <= 0) {
            return;
        }
        p += did;
        n -= (size_t)did;
    }
}

static inline void io_drop(struct io_server *s, size_t i, bool reset)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    if (reset) {
        (void)setsockopt(s->conns[i].fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    close(s->conns[i].fd);
    free(s->conns[i].in);
    s->conns[i] = s->conns[--s->conn_count];
}

/* Bytes of the first whole request in the buffer; 0: not whole yet. */
static inline size_t io_whole(const struct io_conn *c, size_t *head_size)
{
    const char *end = memmem(c->in, c->len, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    size_t body = 0;
    *head_size = (size_t)(end - c->in) + 4;
    for (const char *p = c->in; p < end; p++) {
        if (strncasecmp(p, "\nContent-Length:", 16) == 0) {
            body = strtoul(p + 16, NULL, 10);
        }
    }
    return c->len >= *head_size + body ? *head_size + body : 0;
}

static inline void io_note(struct io_server *s, const struct io_conn *c, size_t head, size_t whole)
{
    unsigned k = atomic_load(&s->executed);
    assert(k < IO_MAX_SEEN);
    struct io_seen *x = &s->seen[k];
    size_t n = whole < sizeof x->head - 1 ? whole : sizeof x->head - 1;
    memcpy(x->head, c->in, n);
    x->head[n] = '\0';
    x->body_size = whole - head;
    x->body_sum = crc32c(0, c->in + head, whole - head);
    x->connection = c->number;
    atomic_store(&s->executed, k + 1);
}

/* Plays one step for connection i. False when the connection is gone. */
static inline bool io_play(struct io_server *s, size_t i, struct io_step step)
{
    struct io_conn *c = &s->conns[i];
    size_t n = step.answer ? strlen(step.answer) : 0;
    switch (step.what) {
    case IO_ANSWER:
        io_write_all(c->fd, step.answer, n, n);
        return true;
    case IO_BYTES:
        io_write_all(c->fd, step.answer, n, 1);
        return true;
    case IO_ANSWER_EXTRA: /* in one segment, so that it is there when the answer is read */
        (void)send(c->fd, step.answer, n, MSG_NOSIGNAL | MSG_MORE);
        io_write_all(c->fd, "HTTP/1.1 200 OK\r\n", 17, 17);
        return true;
    case IO_WAIT:
        c->later = step.answer;
        return true;
    case IO_ANSWER_CLOSE:
        io_write_all(c->fd, step.answer, n, n);
        io_drop(s, i, false);
        return false;
    case IO_HALF_CLOSE:
    case IO_HALF_RESET:
        io_write_all(c->fd, step.answer, n / 2, n);
        io_drop(s, i, step.what == IO_HALF_RESET);
        return false;
    case IO_RESET:
    case IO_CLOSE:
        io_drop(s, i, step.what == IO_RESET);
        return false;
    default:
        return true;
    }
}

/* The step for the request that begins the buffer. */
static inline struct io_step io_next(struct io_server *s, const struct io_conn *c)
{
    size_t n = s->only != NULL ? strlen(s->only) : 0;
    const char *path = memchr(c->in, ' ', c->len);
    if (n > 0 && (strncmp(path + 1, s->only, n) != 0 || path[1 + n] != ' ')) {
        return (struct io_step){IO_SILENT, NULL};
    }
    struct io_step step = s->script[s->step];
    s->step += step.what != IO_END;
    return step;
}

/* Bytes came, or the end. False when the connection is gone. */
static inline bool io_read(struct io_server *s, size_t i)
{
    struct io_conn *c = &s->conns[i];
    size_t head = 0, whole = 0;
    if (c->len + 65536 > c->cap) {
        c->cap = c->len + 65536 + c->cap;
        c->in = realloc(c->in, c->cap);
    }
    ssize_t n = recv(c->fd, c->in + c->len, 65536, 0);
    if (n <= 0) {
        io_drop(s, i, false);
        return false;
    }
    c->len += (size_t)n;
    if (s->script[s->step].what == IO_RESET_MID_REQUEST) {
        s->step++;
        io_drop(s, i, true);
        return false;
    }
    while ((whole = io_whole(c, &head)) > 0) {
        struct io_step step = io_next(s, c);
        io_note(s, c, head, whole);
        c->len -= whole;
        memmove(c->in, c->in + whole, c->len);
        if (!io_play(s, i, step)) {
            return false;
        }
    }
    return true;
}

static inline void io_accept(struct io_server *s)
{
    int fd = accept(s->listener, NULL, NULL);
    int one = 1;
    assert(fd >= 0 && s->conn_count < IO_MAX_CONNS);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    unsigned number = atomic_fetch_add(&s->accepted, 1);
    s->conns[s->conn_count++] = (struct io_conn){.fd = fd, .number = number};
    enum io_what what = s->script[s->step].what;
    if (what == IO_CLOSE_ON_ACCEPT || what == IO_RESET_ON_ACCEPT) {
        s->step++;
        io_drop(s, s->conn_count - 1, what == IO_RESET_ON_ACCEPT);
    }
}

static inline void *io_serve(void *arg)
{
    struct io_server *s = arg;
    for (;;) {
        struct pollfd p[IO_MAX_CONNS + 2] = {{.fd = s->wake[0], .events = POLLIN},
                                             {.fd = s->listener, .events = POLLIN}};
        size_t n = s->conn_count;
        for (size_t i = 0; i < n; i++) {
            p[i + 2] = (struct pollfd){.fd = s->conns[i].fd, .events = POLLIN};
        }
        if (poll(p, (nfds_t)n + 2, -1) <= 0) {
            continue;
        }
        for (size_t i = n; i-- > 0;) { /* backwards: a drop moves the last one into the hole */
            if (p[i + 2].revents != 0) {
                (void)io_read(s, i);
            }
        }
        if (p[1].revents != 0) {
            io_accept(s);
        }
        char order = 0;
        if (p[0].revents != 0 && read(s->wake[0], &order, 1) == 1 && order == 'q') {
            return NULL;
        }
        for (size_t i = 0; order == 's' && i < s->conn_count; i++) {
            io_write_all(s->conns[i].fd, "stray", 5, 5);
        }
        atomic_fetch_add(&s->shouts, order == 's');
        for (size_t i = 0; order == 'g' && i < s->conn_count; i++) {
            if (s->conns[i].later != NULL) {
                io_write_all(s->conns[i].fd, s->conns[i].later, strlen(s->conns[i].later), 65536);
                s->conns[i].later = NULL;
            }
        }
    }
}

static inline void io_server_start(struct io_server *s, const struct io_step *script)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    memset(s, 0, sizeof *s);
    s->script = script;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = bind(s->listener, (struct sockaddr *)&a, sizeof a);
    rc |= listen(s->listener, 64);
    rc |= getsockname(s->listener, (struct sockaddr *)&a, &n);
    rc |= pipe(s->wake);
    assert(rc == 0);
    s->port = ntohs(a.sin_port);
    (void)snprintf(s->origin, sizeof s->origin, "http://127.0.0.1:%d", s->port);
    rc = pthread_create(&s->thread, NULL, io_serve, s);
    assert(rc == 0);
    (void)rc;
}

static inline void io_server_go(struct io_server *s)
{
    ssize_t n = write(s->wake[1], "g", 1);
    (void)n;
}

/* Sends bytes that nobody asked for on every connection; returns when they are sent. */
static inline void io_server_shout(struct io_server *s)
{
    unsigned before = atomic_load(&s->shouts);
    ssize_t n = write(s->wake[1], "s", 1);
    (void)n;
    while (atomic_load(&s->shouts) == before) {
        usleep(500);
    }
    usleep(10000); /* loopback delivers at once; this is for a busy machine */
}

static inline void io_server_stop(struct io_server *s)
{
    ssize_t n = write(s->wake[1], "q", 1);
    (void)n;
    pthread_join(s->thread, NULL);
    while (s->conn_count > 0) {
        io_drop(s, s->conn_count - 1, false);
    }
    close(s->listener);
    close(s->wake[0]);
    close(s->wake[1]);
}

/* A loopback port on which nobody listens. */
static inline int io_dead_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc = bind(fd, (struct sockaddr *)&a, sizeof a);
    rc |= getsockname(fd, (struct sockaddr *)&a, &n);
    assert(rc == 0);
    (void)rc;
    close(fd);
    return ntohs(a.sin_port);
}

/* A loop on the wall clock with a guard: io_run_until gives up (returns false) after 20 s. It asks
 * done() again every few milliseconds, since that may look at the server's thread. */
struct io_world {
    struct clock clock;
    struct loop loop;
    struct timer guard;
    unsigned ticks; /* of 5 ms */
};

static inline void io_world_tick(void *arg)
{
    struct io_world *w = arg;
    w->ticks++;
    (void)timer_start_io(&w->guard, 5);
}

static inline void io_world_init(struct io_world *w)
{
    memset(w, 0, sizeof *w);
    clock_init(&w->clock);
    int rc = loop_init(&w->loop, &w->clock, NULL, NULL);
    assert(rc == 0);
    (void)rc;
    timer_init(&w->guard, &w->loop, io_world_tick, w);
}

static inline int io_world_fini(struct io_world *w)
{
    timer_stop(&w->guard);
    return loop_fini(&w->loop);
}

static inline bool io_run_until(struct io_world *w, bool (*done)(void *arg), void *arg)
{
    w->ticks = 0;
    (void)timer_start_io(&w->guard, 5);
    while (!done(arg) && w->ticks < 4000) {
        (void)loop_run_once(&w->loop, true);
    }
    timer_stop(&w->guard);
    return w->ticks < 4000;
}

#endif
