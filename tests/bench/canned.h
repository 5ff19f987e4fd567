/* SPDX-License-Identifier: MIT
 *
 * Both ends of the bare exchange. The canned broker: a process of its own, one epoll loop, which
 * answers each POST on a kept-alive connection with the same 200 and an order id of its own, at
 * once or after a fixed time, plain or over TLS. The limit: an epoll client that writes the same
 * bytes on warm connections and waits for the answers; nothing that a trader needs can be faster on
 * this machine.
 */
#ifndef PERIGEE_TESTS_CANNED_H
#define PERIGEE_TESTS_CANNED_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench.h"
#include "canned_tls.h"

#define CANNED_BUFFER 8192
#define CANNED_EVENTS 256
#define CANNED_WAITING 4096 /* answers that wait for their time */

/* What the broker tells its parent. */
struct canned_seen {
    size_t request_size;         /* 0: none yet */
    char request[CANNED_BUFFER]; /* the first one, whole */
};

struct canned {
    pid_t pid;
    uint16_t port;
    long delay_ms;       /* before each answer; set before canned_start */
    struct tls_pair tls; /* folder "": plain; tls_pair_make before canned_start */
    size_t answer_size;  /* every answer has the same */
    struct canned_seen *seen;
};

struct canned_conn {
    SSL *ssl; /* NULL: plain */
    size_t have;
    char bytes[CANNED_BUFFER];
};

#define CANNED_DIGITS 12

/* A whole answer; the order id ends it but for two bytes. */
static inline size_t canned_answer(char *out, size_t size, uint64_t id)
{
    char body[160];
    int n = snprintf(body, sizeof body,
                     "{\"status\":\"OK\",\"nativeCode\":null,\"errorMessage\":\"\","
                     "\"orderId\":\"W%0*llu\"}",
                     CANNED_DIGITS, (unsigned long long)id);
    return (size_t)snprintf(out, size,
                            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                            "Content-Length: %d\r\nConnection: keep-alive\r\n\r\n%s",
                            n, body);
}

/* Bytes of the first request in the buffer; 0: not whole yet. */
static inline size_t canned_request(const char *p, size_t n)
{
    const char *end = memmem(p, n, "\r\n\r\n", 4);
    const char *length = end ? memmem(p, (size_t)(end - p), "Content-Length: ", 16) : NULL;
    if (!length)
        return 0;
    size_t whole = (size_t)(end + 4 - p) + strtoul(length + 16, NULL, 10);
    return whole <= n ? whole : 0;
}

struct canned_broker {
    struct canned_seen *seen;
    struct canned_conn **conns; /* by descriptor */
    size_t limit;               /* of descriptors */
    int epoll, listener;
    SSL_CTX *tls; /* NULL: plain */
    int64_t delay_ns;
    struct {
        int64_t due_ns;
        int fd;
    } waiting[CANNED_WAITING]; /* a ring: all wait equally long */
    size_t first, count;
    uint64_t next_id;
    char answer[512];
    size_t answer_size;
};

static inline void canned_accept(struct canned_broker *b)
{
    int fd = accept4(b->listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct canned_conn *c = (size_t)fd < b->limit ? calloc(1, sizeof *c) : NULL;
    if (!c)
        bench_die("the canned broker has no room for connection %d", fd);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    b->conns[fd] = c;
    if (b->tls)
        c->ssl = tls_on(b->tls, fd, false);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &ev);
}

static inline void canned_send(struct canned_broker *b, int fd)
{
    char *digits = b->answer + b->answer_size - 2 - CANNED_DIGITS;
    uint64_t id = b->next_id++;
    for (int k = CANNED_DIGITS - 1; k >= 0; k--, id /= 10)
        digits[k] = (char)('0' + id % 10);
    if (tls_send(b->conns[fd]->ssl, fd, b->answer, b->answer_size) != (ssize_t)b->answer_size)
        bench_die("the canned broker could not answer");
}

static inline void canned_answer_later(struct canned_broker *b, int fd)
{
    if (b->delay_ns == 0) {
        canned_send(b, fd);
        return;
    }
    if (b->count == CANNED_WAITING)
        bench_die("too many answers wait");
    size_t at = (b->first + b->count++) % CANNED_WAITING;
    b->waiting[at].due_ns = bench_ns() + b->delay_ns;
    b->waiting[at].fd = fd;
}

/* Sends what is due; ms until the next one is, -1: none. */
static inline int canned_due(struct canned_broker *b)
{
    int64_t now = bench_ns();
    while (b->count > 0 && b->waiting[b->first].due_ns <= now) {
        int fd = b->waiting[b->first].fd;
        b->first = (b->first + 1) % CANNED_WAITING;
        b->count--;
        if (b->conns[fd])
            canned_send(b, fd);
    }
    return b->count == 0 ? -1 : (int)((b->waiting[b->first].due_ns - now + 999999) / 1000000);
}

static inline bool canned_read(struct canned_broker *b, int fd)
{
    struct canned_conn *c = b->conns[fd];
    ssize_t n = tls_recv(c->ssl, fd, c->bytes + c->have, sizeof c->bytes - c->have);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        SSL_free(c->ssl);
        free(c);
        b->conns[fd] = NULL;
        close(fd);
        return false;
    }
    c->have += (size_t)n;
    for (size_t whole; (whole = canned_request(c->bytes, c->have)) > 0;) {
        if (b->seen->request_size == 0) {
            memcpy(b->seen->request, c->bytes, whole);
            b->seen->request_size = whole;
        }
        canned_answer_later(b, fd);
        c->have -= whole;
        memmove(c->bytes, c->bytes + whole, c->have);
    }
    return true;
}

static inline void canned_serve(struct canned_broker *b, int fd)
{
    if (!b->conns[fd]->ssl)
        (void)canned_read(b, fd);
    else
        while (canned_read(b, fd)) /* TLS holds bytes that epoll does not show */
            continue;
}

static inline void canned_run(int listener, const struct canned *as) __attribute__((noreturn));
static inline void canned_run(int listener, const struct canned *as)
{
    static struct canned_broker b;
    b = (struct canned_broker){.seen = as->seen,
                               .listener = listener,
                               .limit = 16384,
                               .next_id = 1,
                               .delay_ns = as->delay_ms * INT64_C(1000000),
                               .tls = tls_server(&as->tls)};
    struct rlimit files;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    b.answer_size = canned_answer(b.answer, sizeof b.answer, 0);
    b.conns = calloc(b.limit, sizeof(struct canned_conn *));
    b.epoll = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = listener};
    if (!b.conns || b.epoll < 0 || epoll_ctl(b.epoll, EPOLL_CTL_ADD, listener, &ev) != 0)
        bench_die("the canned broker cannot start");
    for (;;) {
        struct epoll_event got[CANNED_EVENTS];
        int n = epoll_wait(b.epoll, got, CANNED_EVENTS, canned_due(&b));
        for (int k = 0; k < n; k++) {
            if (got[k].data.fd == listener)
                canned_accept(&b);
            else
                canned_serve(&b, got[k].data.fd);
        }
    }
}

/* Begins the broker. To be called before anything else is made: it forks. */
static inline void canned_start(struct canned *c)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    char answer[512];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    c->seen =
        mmap(NULL, sizeof *c->seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (fd < 0 || c->seen == MAP_FAILED || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(fd, 4096) != 0 || getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        bench_die("cannot listen for the canned broker");
    c->port = ntohs(at.sin_port);
    c->answer_size = canned_answer(answer, sizeof answer, 0);
    c->pid = fork();
    if (c->pid < 0)
        bench_die("cannot fork");
    if (c->pid == 0)
        canned_run(fd, c);
    close(fd);
}

static inline void canned_stop(struct canned *c)
{
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    munmap(c->seen, sizeof *c->seen);
}

/* ---- the limit ---- */

struct limit {
    const struct canned *broker;
    int epoll;
    int *fds;     /* owned */
    SSL_CTX *tls; /* NULL: plain */
    SSL **ssls;   /* owned */
    size_t *got;  /* owned: bytes of the answer, by connection */
    size_t count;
};

static inline void limit_open(struct limit *l, const struct canned *broker, size_t count)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(broker->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *l = (struct limit){.broker = broker, .epoll = epoll_create1(0), .count = count};
    l->fds = calloc(count, sizeof *l->fds);
    l->got = calloc(count, sizeof *l->got);
    l->ssls = calloc(count, sizeof *l->ssls);
    l->tls = tls_client(&broker->tls);
    if (!l->fds || !l->got || !l->ssls || l->epoll < 0)
        bench_die("out of memory");
    for (size_t k = 0; k < count; k++) {
        int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
            bench_die("cannot connect to the canned broker");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (l->tls && SSL_do_handshake(l->ssls[k] = tls_on(l->tls, fd, true)) != 1)
            bench_die("the limit client could not begin TLS");
        fcntl(fd, F_SETFL, O_NONBLOCK);
        struct epoll_event ev = {.events = EPOLLIN, .data.u64 = k};
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev);
        l->fds[k] = fd;
    }
}

/* Writes the request on each connection and waits for all answers; ns. */
static inline int64_t limit_round(struct limit *l)
{
    char sink[4096];
    struct epoll_event got[CANNED_EVENTS];
    size_t size = l->broker->seen->request_size, left = l->count;
    int64_t begun = bench_ns();
    for (size_t k = 0; k < l->count; k++) {
        l->got[k] = 0;
        if (tls_send(l->ssls[k], l->fds[k], l->broker->seen->request, size) != (ssize_t)size)
            bench_die("the limit client could not send");
    }
    while (left > 0) {
        int n = epoll_wait(l->epoll, got, CANNED_EVENTS, -1);
        for (int i = 0; i < n; i++) {
            size_t k = got[i].data.u64;
            ssize_t r = tls_recv(l->ssls[k], l->fds[k], sink, sizeof sink);
            if (r < 0 && errno == EAGAIN)
                continue; /* a ticket of TLS */
            if (r <= 0)
                bench_die("the limit client lost a connection");
            l->got[k] += (size_t)r;
            left -= l->got[k] == l->broker->answer_size;
        }
    }
    return bench_ns() - begun;
}

static inline void limit_close(struct limit *l)
{
    for (size_t k = 0; k < l->count; k++) {
        SSL_free(l->ssls[k]);
        close(l->fds[k]);
    }
    SSL_CTX_free(l->tls);
    close(l->epoll);
    free(l->ssls);
    free(l->fds);
    free(l->got);
}

#endif
