/* SPDX-License-Identifier: MIT
 *
 * The HTTP front on sockets of the kernel, through uv_tcp.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <uv.h>

#include "io/front_inner.h"

#define BACKLOG 1024

struct tcp_listener {
    uv_tcp_t tcp;
    struct front *front;
};

struct tcp_stream { /* behind the connection */
    uv_tcp_t tcp;
    uv_write_t write;
};

static_assert(alignof(struct tcp_stream) <= alignof(struct front_conn), "it lies right behind");

static struct tcp_stream *stream_of(const struct front_conn *c)
{
    return front_stream_of(c);
}

static uv_stream_t *uv_of(const struct front_conn *c)
{
    return (uv_stream_t *)&stream_of(c)->tcp;
}

/* ---- listening ---- */

static void on_connection(uv_stream_t *stream, int status)
{
    struct tcp_listener *l = stream->data;
    if (status < 0) {
        log_write(l->front->loop->log, LOG_WARN, "front", "cannot accept a connection: %s",
                  uv_strerror(status));
        return;
    }
    (void)conn_accept(l->front, l);
}

/* Reads back from the kernel where the socket is really bound. */
static int read_address(struct front *f, const uv_tcp_t *tcp)
{
    struct sockaddr_storage address;
    int n = sizeof address;
    int status = uv_tcp_getsockname(tcp, (struct sockaddr *)&address, &n);
    if (status)
        return status;
    char name[INET6_ADDRSTRLEN];
    if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address;
        uv_ip6_name(six, name, sizeof name);
        f->port = ntohs(six->sin6_port);
        snprintf(f->address, sizeof f->address, "[%s]:%u", name, f->port);
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&address;
        uv_ip4_name(four, name, sizeof name);
        f->port = ntohs(four->sin_port);
        snprintf(f->address, sizeof f->address, "%s:%u", name, f->port);
    }
    return 0;
}

static int tcp_listen(struct front *f, const char *host, struct err *e)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address;
    struct tcp_listener *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, ERR_NOMEM, "no memory for an HTTP server");
    int status = uv_tcp_init(&f->loop->uv, &l->tcp);
    if (status) {
        free(l);
        return err_set(e, ERR_IO, "no socket for an HTTP server: %s", uv_strerror(status));
    }
    l->tcp.data = l;
    l->front = f;
    f->listener = l;
    if (uv_ip4_addr(host, f->config.port, &address.four) &&
        uv_ip6_addr(host, f->config.port, &address.six))
        return err_set(e, ERR_INPUT, "'%s' is no numeric address to listen at", host);
    status = uv_tcp_bind(&l->tcp, &address.any, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
    if (status == 0)
        status = read_address(f, &l->tcp);
    if (status)
        return err_set(e, ERR_UNREACHABLE, "cannot listen at %s:%u: %s", host, f->config.port,
                       uv_strerror(status));
    return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct tcp_listener *l = handle->data;
    front_release(l->front);
    free(l);
}

static void tcp_unlisten(struct front *f)
{
    struct tcp_listener *l = f->listener;
    if (l)
        uv_close((uv_handle_t *)&l->tcp, on_listener_closed);
    else
        front_release(f);
}

/* ---- connections ---- */

static bool tcp_open(struct front_conn *c, void *pending)
{
    (void)pending;
    struct tcp_stream *s = stream_of(c);
    s->tcp.data = c;
    return uv_tcp_init(&c->front->loop->uv, &s->tcp) == 0;
}

static bool tcp_accept(struct front_conn *c)
{
    struct tcp_listener *l = c->front->listener;
    struct tcp_stream *s = stream_of(c);
    struct sockaddr_storage address;
    int n = sizeof address;
    if (uv_accept((uv_stream_t *)&l->tcp, uv_of(c)) ||
        uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&address, &n))
        return false;
    if (address.ss_family == AF_INET6)
        uv_ip6_name((const struct sockaddr_in6 *)&address, c->peer, sizeof c->peer);
    else
        uv_ip4_name((const struct sockaddr_in *)&address, c->peer, sizeof c->peer);
    uv_tcp_nodelay(&s->tcp, 1);
    return true;
}

static void alloc_buffer(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    struct front_conn *c = handle->data;
    (void)hint;
    *buf = uv_buf_init(c->front->buffer, sizeof c->front->buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct front_conn *c = stream->data;
    if (n > 0)
        conn_read(c, buf->base, (size_t)n);
    else if (n < 0)
        conn_read_end(c, n != UV_EOF);
}

static bool tcp_read(struct front_conn *c, bool on)
{
    if (on)
        return uv_read_start(uv_of(c), alloc_buffer, on_read) == 0;
    uv_read_stop(uv_of(c));
    return true;
}

static ssize_t tcp_write(struct front_conn *c, const void *p, size_t n)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    int taken = uv_try_write(uv_of(c), &buf, 1);
    return taken == UV_EAGAIN ? 0 : taken;
}

static void on_written(uv_write_t *req, int status)
{
    conn_written(req->data, status < 0);
}

static bool tcp_write_rest(struct front_conn *c, const char *p, size_t n)
{
    struct tcp_stream *s = stream_of(c);
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    s->write.data = c;
    return uv_write(&s->write, uv_of(c), &buf, 1, on_written) == 0;
}

static size_t tcp_unsent(const struct front_conn *c)
{
    return uv_of(c)->write_queue_size;
}

static int tcp_fd(const struct front_conn *c)
{
    uv_os_fd_t fd;
    return uv_fileno((uv_handle_t *)uv_of(c), &fd) ? -1 : fd;
}

static bool tcp_shut(struct front_conn *c)
{
    int fd = tcp_fd(c);
    return fd >= 0 && shutdown(fd, SHUT_WR) == 0;
}

static void tcp_flush(struct front_conn *c, int64_t until)
{
    int fd = tcp_fd(c);
    size_t left = tcp_unsent(c);
    if (fd < 0 || left + c->out.len == 0)
        return;
    if (left > 0) {
        str_drop(&c->writing, c->writing.len - left); /* the uv_write is cancelled by the close */
        str_add(&c->writing, c->out.p, c->out.len);
    }
    const struct str *all = left > 0 ? &c->writing : &c->out;
    for (size_t sent = 0; sent < all->len;) {
        int64_t wait_ms = (until - clock_io_ns(c->front->loop->clock)) / 1000000;
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, wait_ms > 0 ? (int)wait_ms : 0) <= 0)
            return;
        ssize_t n = send(fd, all->p + sent, all->len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        sent += (size_t)n;
    }
    shutdown(fd, SHUT_WR);
}

static void on_closed(uv_handle_t *handle)
{
    conn_gone(handle->data);
}

static void tcp_close(struct front_conn *c, bool reset)
{
    struct tcp_stream *s = stream_of(c);
    if (!reset || uv_tcp_close_reset(&s->tcp, on_closed))
        uv_close((uv_handle_t *)&s->tcp, on_closed);
}

const struct front_net_ops front_tcp_ops = {
    .stream_size = sizeof(struct tcp_stream),
    .listen = tcp_listen,
    .unlisten = tcp_unlisten,
    .open = tcp_open,
    .accept = tcp_accept,
    .read = tcp_read,
    .write = tcp_write,
    .write_rest = tcp_write_rest,
    .unsent = tcp_unsent,
    .shut = tcp_shut,
    .flush = tcp_flush,
    .fd = tcp_fd,
    .close = tcp_close,
};
