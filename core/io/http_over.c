/* SPDX-License-Identifier: MIT
 *
 * HTTP exchanges on connections of a transport, for runs under virtual time. What goes over the
 * wire, what is kept and what is repeated is as libcurl 7.88 does it.
 *
 * A call waits in the queue until it gets a connection (a kept one of its origin, else a new one)
 * and stays on it until its end. The queue is served by a timer of 0, so nothing is sent or called
 * back from inside http_start. A connection that was given up is closed and forgotten at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "io/http_inner.h"
#include "io/reply.h"

#define DEFAULT_CONNECTIONS 64
#define REPEATS_MAX 5u /* libcurl's CONN_MAX_RETRIES */

struct over_conn;

struct over_call {
    struct http_call call;  /* first member */
    struct over_call *next; /* in the queue */
    struct over_conn *conn; /* NULL while it waits */
    char *origin;           /* "http://127.0.0.1:8080"; owned */
    struct str request;     /* head and body as sent */
    struct reply *reply;
    struct timer timer; /* of the whole exchange */
    bool head;          /* HEAD: the answer has no body */
    bool once;          /* on a new connection only */
    unsigned repeats;
};

struct over_conn {
    struct over_client *client;
    struct over_conn *next;
    struct transport *t;
    char *origin;           /* owned */
    struct over_call *call; /* NULL: idle */
    size_t sent;            /* bytes of its request */
    bool open;              /* connected */
    bool used;              /* an answer was read on it */
    bool heard;             /* a byte of the present answer came */
    bool stuck;             /* a send failed: what was said before is still read */
};

struct over_client {
    struct http_client client; /* first member */
    const struct transport_ops *ops;
    void *ops_ctx;
    unsigned most; /* connections */
    unsigned count;
    struct over_conn *conns;        /* newest use first */
    struct over_call *first, *last; /* the queue */
    struct timer serve;             /* it and connections that are stuck */
};

static struct over_call *of_call(struct http_call *call)
{
    return (struct over_call *)(void *)call;
}

static struct over_client *of_client(struct http_client *c)
{
    return (struct over_client *)(void *)c;
}

/* ---- the queue ---- */

static void serve_soon(struct over_client *c)
{
    if (!timer_active(&c->serve) && !c->client.dead) {
        (void)timer_start_io(&c->serve, 0);
    }
}

static void queue_push(struct over_client *c, struct over_call *x, bool front)
{
    x->next = front ? c->first : NULL;
    if (c->first == NULL) {
        c->first = c->last = x;
    } else if (front) {
        c->first = x;
    } else {
        c->last->next = x;
        c->last = x;
    }
    serve_soon(c);
}

static void queue_remove(struct over_client *c, struct over_call *x)
{
    struct over_call *before = NULL;
    for (struct over_call *y = c->first; y != NULL; before = y, y = y->next) {
        if (y != x) {
            continue;
        }
        *(before != NULL ? &before->next : &c->first) = x->next;
        if (c->last == x) {
            c->last = before;
        }
        return;
    }
}

/* ---- connections ---- */

static void conn_unlink(struct over_conn *k)
{
    for (struct over_conn **at = &k->client->conns; *at != NULL; at = &(*at)->next) {
        if (*at == k) {
            *at = k->next;
            k->client->count--;
            return;
        }
    }
}

static void conn_link(struct over_conn *k)
{
    k->next = k->client->conns;
    k->client->conns = k;
    k->client->count++;
}

static void conn_close(struct over_conn *k)
{
    conn_unlink(k);
    if (k->call != NULL) {
        k->call->conn = NULL;
    }
    if (k->t != NULL) {
        k->client->ops->close(k->t);
    }
    serve_soon(k->client); /* there is room for another */
    free(k->origin);
    free(k);
}

static void end_call(struct over_call *x, int error, const char *what)
{
    char message[512];
    struct http_answer a = {.error = error, .message = message, .head = "", .body = ""};
    (void)snprintf(message, sizeof message, "%s: %s", x->call.label, what);
    http_ended(&x->call, &a);
}

static void end_too_large(struct over_call *x)
{
    char what[64];
    (void)snprintf(what, sizeof what, "the answer is larger than %zu bytes", x->call.max_answer);
    end_call(x, ERR_LIMIT, what);
}

/* The connection is broken or has ended. Its call ends, or goes out again as libcurl would have it:
 * when the connection was a kept one and not a byte of an answer came. */
static void conn_lost(struct over_conn *k)
{
    struct over_client *c = k->client;
    struct over_call *x = k->call;
    bool again = x != NULL && k->used && !k->heard && x->repeats < REPEATS_MAX;
    bool heard = k->heard;
    conn_close(k);
    if (again) {
        x->repeats++;
        reply_reset(x->reply);
        queue_push(c, x, true);
    } else if (x != NULL) {
        end_call(x, ERR_CLOSED,
                 heard ? "the connection ended in the middle of the answer"
                       : "the connection ended without an answer");
    }
}

/* The answer is whole. The connection is kept, or closed before the callback runs. */
static void conn_answered(struct over_conn *k, bool keep)
{
    struct over_call *x = k->call;
    struct http_answer a = {.message = "", .status = reply_status(x->reply)};
    a.head = reply_head(x->reply, &a.head_size);
    a.body = reply_body(x->reply, &a.body_size);
    k->call = NULL;
    x->conn = NULL;
    if (keep) {
        k->used = true;
        conn_unlink(k);
        conn_link(k);
        serve_soon(k->client);
    } else {
        conn_close(k);
    }
    if (a.head_size + a.body_size > x->call.max_answer) {
        end_too_large(x);
    } else {
        http_ended(&x->call, &a);
    }
}

/* n bytes, or the end (0 or negative). False when the connection is idle again, or gone. */
static bool conn_serve(struct over_conn *k, const char *p, ssize_t n)
{
    struct over_call *x = k->call;
    size_t used = 0;
    if (x == NULL) { /* idle: its end, or bytes that nobody asked for */
        conn_close(k);
        return false;
    }
    if (n <= 0) {
        if (n == 0 && k->heard && reply_eof(x->reply) == 1) {
            conn_answered(k, false);
        } else {
            conn_lost(k);
        }
        return false;
    }
    k->heard = true;
    int rc = reply_feed(x->reply, p, (size_t)n, &used);
    if (rc == 0) {
        return true;
    }
    if (rc == 1) {
        bool whole = k->sent == x->request.len && !k->stuck;
        conn_answered(k, whole && used == (size_t)n && reply_keep_alive(x->reply));
        return false;
    }
    conn_close(k);
    if (rc == ERR_LIMIT) {
        end_too_large(x);
    } else {
        end_call(x, rc, rc == ERR_NOMEM ? "out of memory" : "the answer is no HTTP");
    }
    return false;
}

static void conn_read(struct over_conn *k)
{
    char buf[16384];
    for (;;) {
        ssize_t n = k->client->ops->recv(k->t, buf, sizeof buf);
        if (n == TRANSPORT_AGAIN || !conn_serve(k, buf, n)) {
            return;
        }
    }
}

static void on_readable(void *arg)
{
    struct over_conn *k = arg;
    struct http_client *c = &k->client->client;
    http_enter(c);
    conn_read(k);
    http_leave(c);
}

static void conn_write(struct over_conn *k)
{
    const struct transport_ops *ops = k->client->ops;
    const struct str *request = &k->call->request;
    while (k->sent < request->len) {
        ssize_t n = ops->send(k->t, request->p + k->sent, request->len - k->sent);
        if (n == TRANSPORT_AGAIN) {
            ops->want_write(k->t, true);
            return;
        }
        if (n <= 0) {
            k->stuck = true;
            break;
        }
        k->sent += (size_t)n;
    }
    ops->want_write(k->t, false);
    if (k->stuck) {
        serve_soon(k->client);
    }
}

static void on_writable(void *arg)
{
    struct over_conn *k = arg;
    if (k->call != NULL && !k->stuck) {
        conn_write(k);
    }
}

static void conn_take(struct over_conn *k, struct over_call *x)
{
    k->call = x;
    x->conn = k;
    k->sent = 0;
    k->heard = k->stuck = false;
    if (x->head) {
        reply_bodiless(x->reply);
    }
    if (k->open) {
        conn_write(k);
    }
}

static void on_opened(void *arg, int error, const char *message)
{
    struct over_conn *k = arg;
    struct http_client *c = &k->client->client;
    struct over_call *x = k->call;
    char what[256];
    http_enter(c);
    if (error == 0) {
        k->open = true;
        conn_write(k);
    } else {
        (void)snprintf(what, sizeof what, "cannot connect to %s: %s", k->origin, message);
        conn_close(k);
        end_call(x, error, what);
    }
    http_leave(c);
}

static const struct transport_events events = {
    .opened = on_opened, .readable = on_readable, .writable = on_writable};

/* ---- serving the queue ---- */

/* An idle connection of the origin with nothing to say. Those that have ended are closed. */
static struct over_conn *find_kept(struct over_client *c, const char *origin)
{
    for (struct over_conn *k = c->conns, *next; k != NULL; k = next) {
        char byte;
        next = k->next;
        if (k->call != NULL || strcmp(k->origin, origin) != 0) {
            continue;
        }
        if (c->ops->recv(k->t, &byte, 1) == TRANSPORT_AGAIN) {
            return k;
        }
        conn_close(k);
    }
    return NULL;
}

/* Is there room for one more, if need be in place of the one idle for longest? */
static bool make_room(struct over_client *c)
{
    struct over_conn *oldest = NULL;
    if (c->count < c->most) {
        return true;
    }
    for (struct over_conn *k = c->conns; k != NULL; k = k->next) {
        oldest = k->call == NULL ? k : oldest;
    }
    if (oldest != NULL) {
        conn_close(oldest);
    }
    return oldest != NULL;
}

static void open_for(struct over_client *c, struct over_call *x)
{
    struct err e = {.code = ERR_NOMEM, .message = "out of memory for a connection"};
    struct over_conn *k = calloc(1, sizeof *k);
    int rc = ERR_NOMEM;
    if (k != NULL) {
        k->client = c;
        k->origin = strdup(x->origin);
    }
    if (k != NULL && k->origin != NULL) {
        rc = c->ops->open(c->ops_ctx, c->client.loop, x->origin, &events, k, &k->t, &e);
    }
    if (rc == 0) {
        conn_link(k);
        conn_take(k, x);
        return;
    }
    if (k != NULL) {
        free(k->origin);
        free(k);
    }
    end_call(x, rc, e.message);
}

/* A call whose origin finds no room does not hold up those behind it. */
static void serve_queue(struct over_client *c)
{
    struct over_call *x = c->first, *next;
    for (; x != NULL && !c->client.dead; x = next) {
        next = x->next;
        struct over_conn *k = x->once ? NULL : find_kept(c, x->origin);
        if (k == NULL && !make_room(c)) {
            continue;
        }
        queue_remove(c, x);
        if (k != NULL) {
            conn_take(k, x);
        } else {
            open_for(c, x);
            next = c->first; /* its callback may have changed the queue */
        }
    }
}

/* What the peer said before the send failed is an answer; else the connection is lost. */
static void read_stuck(struct over_client *c)
{
    struct over_conn *k = c->conns;
    while (k != NULL && !c->client.dead) {
        if (k->call == NULL || !k->stuck) {
            k = k->next;
            continue;
        }
        const struct over_call *x = k->call;
        conn_read(k);
        for (k = c->conns; k != NULL && k->call != x; k = k->next) {
        }
        if (k != NULL && k->stuck) {
            conn_lost(k);
        }
        k = c->conns; /* callbacks may have changed the list */
    }
}

static void on_serve(void *arg)
{
    struct over_client *c = arg;
    http_enter(&c->client);
    read_stuck(c);
    serve_queue(c);
    http_leave(&c->client);
}

/* ---- requests ---- */

static bool has_header(const struct http_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->header_count; i++) {
        if (strcasecmp(spec->headers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* In libcurl's order. */
static void write_request(struct str *out, const struct http_spec *spec, const char *authority,
                          const char *target, size_t target_size)
{
    str_addf(out, "%s %s%.*s HTTP/1.1\r\n", spec->method, *target == '/' ? "" : "/",
             (int)target_size, target);
    if (!has_header(spec, "Host")) {
        str_addf(out, "Host: %s\r\n", authority);
    }
    if (!has_header(spec, "Accept")) {
        str_addz(out, "Accept: */*\r\n");
    }
    for (size_t i = 0; i < spec->header_count; i++) {
        const struct http_header *h = &spec->headers[i];
        str_addf(out, "%s:%s%s\r\n", h->name, h->value[0] ? " " : "", h->value);
    }
    bool sends = http_sends_body(spec) && strcmp(spec->method, "HEAD") != 0;
    size_t n = sends && spec->body != NULL ? spec->body_size : 0;
    if (sends && !has_header(spec, "Content-Length")) {
        str_addf(out, "Content-Length: %zu\r\n", n);
    }
    str_addz(out, "\r\n");
    str_add(out, spec->body, n);
}

static int write_call(struct over_call *x, const struct http_spec *spec, struct err *e)
{
    static const char scheme[] = "http://";
    const char *host = spec->url + sizeof scheme - 1;
    bool good = strncmp(spec->url, scheme, sizeof scheme - 1) == 0;
    size_t authority = good ? strcspn(host, "/?#") : 0;
    good = good && authority > 0 && authority < 256 && memchr(host, '@', authority) == NULL;
    for (const char *p = spec->url; good && *p != '\0'; p++) {
        good = (unsigned char)*p > ' ' && *p != 127;
    }
    if (!good) {
        return err_set(e, ERR_INPUT, "not an http URL that can be served here: %.*s",
                       (int)strcspn(spec->url, "?#"), spec->url);
    }
    char name[256];
    (void)snprintf(name, sizeof name, "%.*s", (int)authority, host);
    const char *target = host + authority;
    write_request(&x->request, spec, name, target, strcspn(target, "#"));
    x->origin = strndup(spec->url, sizeof scheme - 1 + authority);
    /* The limit of the call counts head and body; this one, framing and interim answers as well. */
    size_t wire = x->call.max_answer < SIZE_MAX / 4 ? 2 * x->call.max_answer + 65536 : SIZE_MAX / 2;
    x->reply = reply_new(wire);
    if (x->request.failed || x->origin == NULL || x->reply == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory for a request");
    }
    return 0;
}

/* ---- transfers ---- */

static void on_timeout(void *arg)
{
    struct over_call *x = arg;
    struct http_client *c = x->call.client;
    http_enter(c);
    c->ops->abort(&x->call);
    end_call(x, ERR_TIMEOUT, "no whole answer came in time");
    http_leave(c);
}

static int over_begin(struct http_call *call, const struct http_spec *spec, struct err *e)
{
    struct over_call *x = of_call(call);
    struct over_client *c = of_client(call->client);
    str_init(&x->request);
    timer_init(&x->timer, c->client.loop, on_timeout, x);
    int rc = http_check_headers(call, spec, e);
    if (rc == 0) {
        rc = write_call(x, spec, e);
    }
    if (rc == 0 && timer_start_io(&x->timer, http_timeout_ms(spec)) != 0) {
        rc = err_set(e, ERR_NOMEM, "out of memory for a request");
    }
    if (rc != 0) {
        return rc;
    }
    x->head = strcmp(spec->method, "HEAD") == 0;
    x->once = spec->once;
    queue_push(c, x, false);
    return 0;
}

static void over_abort(struct http_call *call)
{
    struct over_call *x = of_call(call);
    timer_stop(&x->timer);
    if (x->conn != NULL) {
        conn_close(x->conn);
    } else {
        queue_remove(of_client(call->client), x);
    }
}

static void over_fini(struct http_call *call)
{
    struct over_call *x = of_call(call);
    timer_stop(&x->timer);
    str_fini(&x->request);
    reply_free(x->reply);
    free(x->origin);
}

static void over_client_free(struct http_client *client)
{
    struct over_client *c = of_client(client);
    while (c->conns != NULL) {
        conn_close(c->conns);
    }
    timer_stop(&c->serve);
    free(c);
}

static const struct http_transfer_ops over_ops = {
    .call_size = sizeof(struct over_call),
    .begin = over_begin,
    .abort = over_abort,
    .fini = over_fini,
    .free = over_client_free,
};

struct http_client *http_client_new_over(struct loop *l, const struct transport_ops *ops,
                                         void *ops_ctx, unsigned max_connections, struct err *e)
{
    struct over_client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)err_set(e, ERR_NOMEM, "out of memory for an HTTP client");
        return NULL;
    }
    c->ops = ops;
    c->ops_ctx = ops_ctx;
    c->most = max_connections > 0 ? max_connections : DEFAULT_CONNECTIONS;
    http_client_init(&c->client, l, &over_ops);
    timer_init(&c->serve, l, on_serve, c);
    return &c->client;
}
