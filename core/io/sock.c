/* SPDX-License-Identifier: MIT
 *
 * Unix sockets with framed messages on uv_pipe.
 *
 * closed() is called from libuv's close callback only, so it never runs inside a call of the user
 * and nothing can follow it. An orderly close shuts down the writing side after the queue and waits
 * for that, at most LINGER_MS.
 */
#include "io/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

#define CLIENT_LIMIT ((size_t)64 << 20)
#define READ_CHUNK ((size_t)64 << 10)
#define LINGER_MS 5000
#define BACKLOG 128

struct sock_conn {
    uv_pipe_t pipe;
    struct loop *loop;
    const struct sock_events *events;
    void *arg;
    void *data;                 /* the user's */
    struct sock_server *server; /* NULL: client, or its server is gone */
    struct sock_conn *next;     /* in its server's list */
    struct sock_conn *prev;
    struct str in; /* bytes of the frame that is not complete yet */
    size_t limit;  /* bytes that may wait to be written */
    int error;     /* what closed() will say */
    bool open;     /* opened() was called */
    bool ending;   /* sock_close was called, or it is being closed */
    uv_connect_t connecting;
    uv_shutdown_t shutting;
    struct timer linger;
};

struct sock_server {
    uv_pipe_t pipe;
    struct loop *loop;
    const struct sock_events *events;
    void *arg;
    size_t limit;
    struct sock_conn *conns; /* its open connections */
    dev_t dev;               /* identity of the socket file: only our own is unlinked */
    ino_t ino;
    char path[SOCK_PATH_MAX + 1];
};

struct sock_write {
    uv_write_t req;
    unsigned char bytes[]; /* one whole frame */
};

static void list_out(struct sock_conn *c)
{
    if (c->server == NULL) {
        return;
    }
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        c->server->conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    c->server = NULL;
}

static void on_closed(uv_handle_t *handle)
{
    struct sock_conn *c = handle->data;
    list_out(c);
    if (c->events->closed != NULL) {
        c->events->closed(c->arg, c, c->error);
    }
    str_fini(&c->in);
    free(c);
}

static void drop(struct sock_conn *c, int error)
{
    if (uv_is_closing((uv_handle_t *)&c->pipe)) {
        return;
    }
    c->error = error;
    c->ending = true;
    timer_stop(&c->linger);
    uv_close((uv_handle_t *)&c->pipe, on_closed);
}

static void on_linger(void *arg)
{
    drop(arg, ERR_TIMEOUT);
}

static uint32_t get_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_u32(unsigned char *p, uint32_t x)
{
    p[0] = (unsigned char)x;
    p[1] = (unsigned char)(x >> 8);
    p[2] = (unsigned char)(x >> 16);
    p[3] = (unsigned char)(x >> 24);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct sock_conn *c = handle->data;
    (void)suggested;
    str_reserve(&c->in, READ_CHUNK);
    if (c->in.failed) {
        *buf = uv_buf_init(NULL, 0); /* on_read gets UV_ENOBUFS */
    } else {
        *buf = uv_buf_init(c->in.p + c->in.len, (unsigned)READ_CHUNK);
    }
}

/* Hands out the whole frames in c->in; stops when a callback closes the connection. */
static void take_frames(struct sock_conn *c)
{
    size_t at = 0;
    while (!c->ending && c->in.len - at >= 4) {
        const unsigned char *p = (const unsigned char *)c->in.p + at;
        uint32_t n = get_u32(p);
        if (n == 0 || n > SOCK_MAX_FRAME) {
            drop(c, n == 0 ? ERR_INPUT : ERR_LIMIT);
            return;
        }
        if (c->in.len - at - 4 < n) {
            break;
        }
        at += 4 + (size_t)n;
        c->events->frame(c->arg, c, p[4], p + 5, n - 1);
    }
    str_drop(&c->in, at);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct sock_conn *c = stream->data;
    (void)buf;
    if (n == UV_EOF) {
        drop(c, c->in.len == 0 ? 0 : ERR_CLOSED);
    } else if (n < 0) {
        drop(c, n == UV_ENOBUFS ? ERR_NOMEM : ERR_CLOSED);
    } else if (n > 0) {
        c->in.len += (size_t)n;
        c->in.p[c->in.len] = '\0';
        take_frames(c);
    }
}

static struct sock_conn *conn_new(struct loop *l, const struct sock_events *events, void *arg,
                                  size_t limit)
{
    struct sock_conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    if (uv_pipe_init(&l->uv, &c->pipe, 0) != 0) {
        free(c);
        return NULL;
    }
    c->pipe.data = c;
    c->loop = l;
    c->events = events;
    c->arg = arg;
    c->limit = limit;
    str_init(&c->in);
    timer_init(&c->linger, l, on_linger, c);
    return c;
}

static void conn_begin(struct sock_conn *c)
{
    c->open = true;
    int rc = uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
    if (rc != 0) {
        drop(c, ERR_IO);
        return;
    }
    if (c->events->opened != NULL) {
        c->events->opened(c->arg, c);
    }
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct sock_server *s = stream->data;
    if (status != 0) {
        log_write(s->loop->log, LOG_ERROR, "sock", "cannot accept on %s: %s", s->path,
                  uv_strerror(status));
        return;
    }
    struct sock_conn *c = conn_new(s->loop, s->events, s->arg, s->limit);
    if (c == NULL) {
        log_write(s->loop->log, LOG_ERROR, "sock", "out of memory for a connection on %s", s->path);
        return;
    }
    c->server = s;
    c->next = s->conns;
    if (s->conns != NULL) {
        s->conns->prev = c;
    }
    s->conns = c;
    if (uv_accept(stream, (uv_stream_t *)&c->pipe) != 0) {
        drop(c, ERR_IO);
        return;
    }
    conn_begin(c);
}

static int address_of(const char *path, struct sockaddr_un *a, struct err *e)
{
    size_t n = strlen(path);
    if (n == 0 || n > SOCK_PATH_MAX) {
        return err_set(e, ERR_INPUT,
                       "a socket's path must have 1 to %d bytes, this one has %zu: %s",
                       SOCK_PATH_MAX, n, path);
    }
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    memcpy(a->sun_path, path, n + 1);
    return 0;
}

/* A socket file whose process is gone refuses connections: only such a one is removed. */
static int clear_stale(const struct sockaddr_un *a, struct err *e)
{
    struct stat st;
    if (lstat(a->sun_path, &st) != 0) {
        return errno == ENOENT ? 0
                               : err_set_errno(e, ERR_IO, errno, "cannot look at %s", a->sun_path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return err_set(e, ERR_EXISTS, "%s is there and is not a socket: move it away", a->sun_path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_set_errno(e, ERR_IO, errno, "cannot make a socket");
    }
    int rc = connect(fd, (const struct sockaddr *)a, sizeof *a);
    int number = rc == 0 ? 0 : errno;
    (void)close(fd);
    if (number != ECONNREFUSED) {
        return err_set(e, ERR_EXISTS, "another process listens on %s: stop it first", a->sun_path);
    }
    if (unlink(a->sun_path) != 0 && errno != ENOENT) {
        return err_set_errno(e, ERR_IO, errno, "cannot remove the stale socket %s", a->sun_path);
    }
    return 0;
}

/* The mode is set on the descriptor before bind: the file never exists with a wider one. */
static int bind_at(const struct sockaddr_un *a, int *out, struct err *e)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_set_errno(e, ERR_IO, errno, "cannot make a socket");
    }
    if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)a, sizeof *a) != 0 ||
        chmod(a->sun_path, 0600) != 0) {
        int number = errno;
        (void)close(fd);
        return err_set_errno(e, number == EADDRINUSE ? ERR_EXISTS : ERR_IO, number,
                             "cannot listen on %s", a->sun_path);
    }
    *out = fd;
    return 0;
}

static void on_server_closed(uv_handle_t *handle)
{
    free(handle->data);
}

struct sock_server *sock_listen(struct loop *l, const char *path, size_t limit,
                                const struct sock_events *events, void *arg, struct err *e)
{
    struct sockaddr_un a;
    struct stat st;
    int fd = -1;
    if (address_of(path, &a, e) != 0 || clear_stale(&a, e) != 0 || bind_at(&a, &fd, e) != 0) {
        return NULL;
    }
    struct sock_server *s = calloc(1, sizeof *s);
    if (s == NULL || uv_pipe_init(&l->uv, &s->pipe, 0) != 0) {
        free(s);
        (void)close(fd);
        (void)unlink(path);
        (void)err_set(e, ERR_NOMEM, "out of memory for the socket %s", path);
        return NULL;
    }
    s->pipe.data = s;
    s->loop = l;
    s->events = events;
    s->arg = arg;
    s->limit = limit;
    memcpy(s->path, path, strlen(path) + 1);
    if (stat(path, &st) == 0) {
        s->dev = st.st_dev;
        s->ino = st.st_ino;
    }
    int rc = uv_pipe_open(&s->pipe, fd);
    if (rc != 0) {
        (void)close(fd);
    } else {
        rc = uv_listen((uv_stream_t *)&s->pipe, BACKLOG, on_connection);
    }
    if (rc != 0) {
        (void)err_set(e, ERR_IO, "cannot listen on %s: %s", path, uv_strerror(rc));
        sock_server_free(s);
        return NULL;
    }
    return s;
}

void sock_server_free(struct sock_server *s)
{
    struct stat st;
    if (s == NULL) {
        return;
    }
    while (s->conns != NULL) {
        struct sock_conn *c = s->conns;
        list_out(c);
        drop(c, 0);
    }
    if (stat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino) {
        (void)unlink(s->path);
    }
    uv_close((uv_handle_t *)&s->pipe, on_server_closed);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct sock_conn *c = req->data;
    if (c->ending) {
        return; /* closed while connecting */
    }
    if (status != 0) {
        drop(c, ERR_UNREACHABLE);
        return;
    }
    conn_begin(c);
}

struct sock_conn *sock_connect(struct loop *l, const char *path, const struct sock_events *events,
                               void *arg, struct err *e)
{
    struct sockaddr_un a;
    if (address_of(path, &a, e) != 0) {
        return NULL;
    }
    struct sock_conn *c = conn_new(l, events, arg, CLIENT_LIMIT);
    if (c == NULL) {
        (void)err_set(e, ERR_NOMEM, "out of memory for a connection to %s", path);
        return NULL;
    }
    c->connecting.data = c;
    uv_pipe_connect(&c->connecting, &c->pipe, path, on_connect);
    return c;
}

static void on_written(uv_write_t *req, int status)
{
    struct sock_conn *c = req->handle->data;
    free(req->data);
    if (status != 0) {
        drop(c, ERR_CLOSED);
    } else if (!c->ending && sock_pending(c) == 0 && c->events->drained != NULL) {
        c->events->drained(c->arg, c);
    }
}

int sock_send(struct sock_conn *c, uint8_t type, const void *p, size_t n)
{
    if (c->ending) {
        return ERR_CLOSED;
    }
    if (!c->open) {
        return ERR_STATE;
    }
    if (n >= SOCK_MAX_FRAME) {
        return ERR_LIMIT;
    }
    struct sock_write *w = malloc(sizeof *w + 5 + n);
    if (w == NULL) {
        return ERR_NOMEM;
    }
    put_u32(w->bytes, (uint32_t)(n + 1));
    w->bytes[4] = type;
    if (n > 0) {
        memcpy(w->bytes + 5, p, n);
    }
    w->req.data = w;
    uv_buf_t buf = uv_buf_init((char *)w->bytes, (unsigned)(5 + n));
    if (uv_write(&w->req, (uv_stream_t *)&c->pipe, &buf, 1, on_written) != 0) {
        free(w);
        drop(c, ERR_CLOSED);
        return ERR_CLOSED;
    }
    if (sock_pending(c) > c->limit) {
        drop(c, ERR_LIMIT);
        return ERR_LIMIT;
    }
    return 0;
}

size_t sock_pending(const struct sock_conn *c)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)status;
    drop(req->data, 0);
}

void sock_close(struct sock_conn *c)
{
    if (c->ending) {
        return;
    }
    c->ending = true;
    c->shutting.data = c;
    if (!c->open) {
        drop(c, 0);
        return;
    }
    (void)uv_read_stop((uv_stream_t *)&c->pipe);
    if (uv_shutdown(&c->shutting, (uv_stream_t *)&c->pipe, on_shutdown) != 0) {
        drop(c, 0);
        return;
    }
    (void)timer_start_io(&c->linger, LINGER_MS);
}

void sock_set_data(struct sock_conn *c, void *data)
{
    c->data = data;
}

void *sock_data(const struct sock_conn *c)
{
    return c->data;
}
