/* SPDX-License-Identifier: MIT
 *
 * The HTTP front: the life of the server, and what handlers see of a request. Connections are in
 * front_conn.c, where they come from in front_tcp.c and front_fake.c, parsing in front_parse.c,
 * encoding in front_answer.c.
 *
 * Deadlines are kept by one timer that walks over the connections; it runs only while there are
 * any, so nothing is armed or stopped for a request.
 */
#include "io/front_inner.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static void set_sweep(struct front *f)
{
    int64_t shortest = f->config.request_timeout_ms < f->config.idle_timeout_ms
                           ? f->config.request_timeout_ms
                           : f->config.idle_timeout_ms;
    f->sweep_ms = shortest / 4 < 10 ? 10 : shortest / 4 > 1000 ? 1000 : shortest / 4;
}

void front_release(struct front *f)
{
    if (--f->handles == 0 && f->freed)
        free(f);
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
    f->idle_ms = f->config.idle_timeout_ms;
    set_sweep(f);
    timer_init(&f->sweep, l, on_sweep, f);
    f->net = config->net ? config->net : &front_tcp_ops;
    f->handles = 1;
    int failed = f->net->listen(f, config->host ? config->host : "127.0.0.1", e);
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
        if (f->conns->state != CONN_LINGER)
            f->net->flush(f->conns, until);
        conn_close(f->conns);
    }
    timer_stop(&f->sweep);
    while (f->requests) {
        struct front_request *r = f->requests;
        front_unlink(f, r);
        front_request_free(r);
    }
    f->net->unlisten(f);
}

const char *front_address(const struct front *f)
{
    return f->address;
}

uint16_t front_port(const struct front *f)
{
    return f->port;
}

void front_set_idle(struct front *f, int64_t idle_timeout_ms)
{
    f->config.idle_timeout_ms = idle_timeout_ms > 0 ? idle_timeout_ms : f->idle_ms;
    set_sweep(f);
    if (f->count > 0 && !f->freed)
        timer_start_io(&f->sweep, f->sweep_ms);
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

unsigned front_request_nth(const struct front_request *r)
{
    return r->nth;
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

/* Lets `sent` bytes of the encoded answer go, then the connection. */
static void break_at(struct front_request *r, size_t sent, bool reset)
{
    if (sent < r->answer.len)
        r->answer.len = sent;
    r->after = reset ? FRONT_RESET : FRONT_FIN;
    r->answered = true;
    conn_answered(r->conn);
}

void front_break(struct front_request *r, int status, const void *body, size_t n, size_t sent,
                 bool reset)
{
    if (freed_as_gone(r))
        return;
    front_encode(r->conn->front, r, status, NULL, 0, body, n, &r->answer, &r->after);
    break_at(r, sent, reset);
}

void front_break_body(struct front_request *r, int status, const struct http_header *headers,
                      size_t header_count, const void *body, size_t n, size_t body_sent, bool reset)
{
    if (freed_as_gone(r))
        return;
    front_encode(r->conn->front, r, status, headers, header_count, body, n, &r->answer, &r->after);
    /* The encoder may have left the body out (HEAD, 204, an unsafe header): the head ends it. */
    const char *end = memmem(r->answer.p, r->answer.len, "\r\n\r\n", 4);
    size_t head = end ? (size_t)(end - r->answer.p) + 4 : r->answer.len;
    break_at(r, head + (body_sent < n ? body_sent : n), reset);
}
