/* SPDX-License-Identifier: MIT
 *
 * The HTTP front: listening, the life of the server, and what handlers see of a request. The
 * connection is in front_conn.c, parsing in front_parse.c, encoding in front_answer.c.
 *
 * Deadlines are kept by one timer that walks over the connections; it runs only while there are
 * any, so nothing is armed or stopped for a request.
 */
#include "io/front_inner.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BACKLOG 1024
#define GRACE_NS INT64_C(200000000)

static void fill_limits(struct front_config *c)
{
    if (c->max_head == 0)
        c->max_head = 16u << 10;
    if (c->max_body == 0)
        c->max_body = 1u << 20;
    if (c->request_timeout_ms == 0)
        c->request_timeout_ms = 15000;
    if (c->idle_timeout_ms == 0)
        c->idle_timeout_ms = 300000;
    if (c->max_connections == 0)
        c->max_connections = 4096;
}

static void on_sweep(void *arg)
{
    struct front *f = arg;
    int64_t now = clock_io_ns(f->loop->clock);
    for (struct front_conn *c = f->conns, *next; c; c = next) {
        next = c->next;
        conn_sweep(c, now);
    }
    if (f->count > 0 && !f->freed)
        timer_start_io(&f->sweep, f->sweep_ms);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct front *f = listener->data;
    if (status < 0) {
        log_write(f->loop->log, LOG_WARN, "front", "cannot accept a connection: %s",
                  uv_strerror(status));
        return;
    }
    conn_accept(f);
}

void front_release(struct front *f)
{
    if (--f->handles == 0 && f->freed)
        free(f);
}

static void on_listener_closed(uv_handle_t *handle)
{
    front_release(handle->data);
}

/* Reads back from the kernel where the socket is really bound. */
static int read_address(struct front *f)
{
    struct sockaddr_storage address;
    int n = sizeof address;
    int status = uv_tcp_getsockname(&f->listener, (struct sockaddr *)&address, &n);
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

static int listen_at(struct front *f, const char *host, struct err *e)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address;
    if (uv_ip4_addr(host, f->config.port, &address.four) &&
        uv_ip6_addr(host, f->config.port, &address.six))
        return err_set(e, ERR_INPUT, "'%s' is no numeric address to listen at", host);
    int status = uv_tcp_bind(&f->listener, &address.any, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&f->listener, BACKLOG, on_connection);
    if (status == 0)
        status = read_address(f);
    if (status)
        return err_set(e, ERR_UNREACHABLE, "cannot listen at %s:%u: %s", host, f->config.port,
                       uv_strerror(status));
    return 0;
}

struct front *front_new(struct loop *l, const struct front_config *config, front_fn fn, void *arg,
                        struct err *e)
{
    struct front *f = calloc(1, sizeof *f);
    if (!f) {
        err_set(e, ERR_NOMEM, "no memory for an HTTP server");
        return NULL;
    }
    f->loop = l;
    f->config = *config;
    fill_limits(&f->config);
    f->fn = fn;
    f->arg = arg;
    int64_t shortest = f->config.request_timeout_ms < f->config.idle_timeout_ms
                           ? f->config.request_timeout_ms
                           : f->config.idle_timeout_ms;
    f->sweep_ms = shortest / 4 < 10 ? 10 : shortest / 4 > 1000 ? 1000 : shortest / 4;
    timer_init(&f->sweep, l, on_sweep, f);
    int status = uv_tcp_init(&l->uv, &f->listener);
    if (status) {
        err_set(e, ERR_IO, "no socket for an HTTP server: %s", uv_strerror(status));
        free(f);
        return NULL;
    }
    f->listener.data = f;
    f->handles = 1;
    int failed = listen_at(f, config->host ? config->host : "127.0.0.1", e);
    f->config.host = NULL; /* the caller's text need not stay */
    if (failed) {
        front_free(f);
        return NULL;
    }
    return f;
}

void front_free(struct front *f)
{
    if (!f || f->freed)
        return;
    f->freed = true;
    int64_t until = clock_io_ns(f->loop->clock) + GRACE_NS;
    while (f->conns) {
        conn_flush_blocking(f->conns, until);
        conn_close(f->conns);
    }
    timer_stop(&f->sweep);
    while (f->requests) {
        struct front_request *r = f->requests;
        front_unlink(f, r);
        front_request_free(r);
    }
    uv_close((uv_handle_t *)&f->listener, on_listener_closed);
}

const char *front_address(const struct front *f)
{
    return f->address;
}

uint16_t front_port(const struct front *f)
{
    return f->port;
}

unsigned front_connections(const struct front *f)
{
    return f->count;
}

void front_unlink(struct front *f, struct front_request *r)
{
    if (r->live_prev)
        r->live_prev->live_next = r->live_next;
    else
        f->requests = r->live_next;
    if (r->live_next)
        r->live_next->live_prev = r->live_prev;
    r->live_prev = r->live_next = NULL;
}

/* ---- requests ---- */

const char *front_method(const struct front_request *r)
{
    return r->method;
}

const char *front_path(const struct front_request *r)
{
    return r->path;
}

const char *front_query(const struct front_request *r)
{
    return r->query;
}

const char *front_header(const struct front_request *r, const char *name)
{
    for (size_t i = 0; i < r->field_count; i++)
        if (strcasecmp(r->fields[i].name, name) == 0)
            return r->fields[i].value;
    return NULL;
}

const char *front_body(const struct front_request *r, size_t *n)
{
    *n = r->body.len;
    return r->body.p ? r->body.p : "";
}

const char *front_peer(const struct front_request *r)
{
    return r->peer;
}

bool front_request_gone(const struct front_request *r)
{
    return r->gone;
}

/* A request whose connection is gone has nobody to answer. */
static bool freed_as_gone(struct front_request *r)
{
    if (r->conn)
        return false;
    front_unlink(r->front, r);
    front_request_free(r);
    return true;
}

void front_answer(struct front_request *r, int status, const struct http_header *headers,
                  size_t header_count, const void *body, size_t n)
{
    if (freed_as_gone(r))
        return;
    struct front_conn *c = r->conn;
    front_encode(c->front, r, status, headers, header_count, body, n, &r->answer, &r->after);
    r->answered = true;
    conn_answered(c);
}

void front_break(struct front_request *r, int status, const void *body, size_t n, size_t sent,
                 bool reset)
{
    if (freed_as_gone(r))
        return;
    struct front_conn *c = r->conn;
    front_encode(c->front, r, status, NULL, 0, body, n, &r->answer, &r->after);
    if (sent < r->answer.len)
        r->answer.len = sent;
    r->after = reset ? FRONT_RESET : FRONT_FIN;
    r->answered = true;
    conn_answered(c);
}
