/* SPDX-License-Identifier: MIT
 *
 * The HTTP front in the network in memory: connections of a fake_process. What is written leaves at
 * once, so nothing ever waits to be written.
 */
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "io/fake_net.h"
#include "io/front_inner.h"

struct fake_stream { /* behind the connection */
    struct fake_conn *conn;
    uv_check_t end; /* never started: its close callback is the later turn of conn_gone */
};

static struct fake_stream *stream_of(const struct front_conn *c)
{
    return front_stream_of(c);
}

/* ---- listening ---- */

static void on_accept(void *arg, struct fake_conn *pending)
{
    if (!conn_accept(arg, pending)) {
        fake_conn_close(pending, true);
    }
}

static int fake_front_listen(struct front *f, const char *host, struct err *e)
{
    struct fake_listener *l = fake_listen(f->config.net_ctx, host, f->config.port, on_accept, f, e);
    if (l == NULL) {
        return ERR_UNREACHABLE;
    }
    f->listener = l;
    f->port = fake_listener_port(l);
    (void)snprintf(f->address, sizeof f->address, "%s:%u", host, f->port);
    return 0;
}

static void fake_front_unlisten(struct front *f)
{
    fake_listener_close(f->listener);
    front_release(f);
}

/* ---- connections ---- */

static void on_data(void *arg, const void *p, size_t n)
{
    conn_read(arg, p, n);
}

static void on_end(void *arg, bool reset)
{
    conn_read_end(arg, reset);
}

static const struct fake_conn_events events = {on_data, on_end};

static bool fake_stream_open(struct front_conn *c, void *pending)
{
    struct fake_stream *s = stream_of(c);
    uv_check_init(&c->front->loop->uv, &s->end);
    s->end.data = c;
    s->conn = pending;
    fake_conn_start(s->conn, &events, c);
    return true;
}

static bool fake_stream_accept(struct front_conn *c)
{
    (void)snprintf(c->peer, sizeof c->peer, "%s", fake_conn_peer(stream_of(c)->conn));
    return true;
}

static bool fake_stream_read(struct front_conn *c, bool on)
{
    fake_conn_pause(stream_of(c)->conn, !on);
    return true;
}

static ssize_t fake_stream_write(struct front_conn *c, const void *p, size_t n)
{
    int rc = fake_conn_send(stream_of(c)->conn, p, n);
    return rc == 0 ? (ssize_t)n : rc;
}

static bool fake_stream_write_rest(struct front_conn *c, const char *p, size_t n)
{
    (void)c;
    (void)p;
    (void)n;
    return false; /* there is none */
}

static size_t fake_stream_unsent(const struct front_conn *c)
{
    (void)c;
    return 0;
}

static bool fake_stream_shut(struct front_conn *c)
{
    fake_conn_shut(stream_of(c)->conn);
    return true;
}

static void fake_stream_flush(struct front_conn *c, int64_t until)
{
    (void)c;
    (void)until;
}

static int fake_stream_fd(const struct front_conn *c)
{
    (void)c;
    return -1;
}

static void on_gone(uv_handle_t *handle)
{
    conn_gone(handle->data);
}

static void fake_stream_close(struct front_conn *c, bool reset)
{
    struct fake_stream *s = stream_of(c);
    fake_conn_close(s->conn, reset);
    uv_close((uv_handle_t *)&s->end, on_gone);
}

const struct front_net_ops front_fake_ops = {
    .stream_size = sizeof(struct fake_stream),
    .listen = fake_front_listen,
    .unlisten = fake_front_unlisten,
    .open = fake_stream_open,
    .accept = fake_stream_accept,
    .read = fake_stream_read,
    .write = fake_stream_write,
    .write_rest = fake_stream_write_rest,
    .unsent = fake_stream_unsent,
    .shut = fake_stream_shut,
    .flush = fake_stream_flush,
    .fd = fake_stream_fd,
    .close = fake_stream_close,
};
