/* SPDX-License-Identifier: MIT
 *
 * One connection of the HTTP front: reading, the parse loop, answers in the order of the requests,
 * deadlines, the end.
 *
 * Limits: MAX_WAITING requests without an answer and MAX_BACKLOG bytes not yet written stop the
 * reading. A connection whose last answer has left is shut on our side first and closed when the
 * client has closed its own (or after LINGER_NS), because closing with unread bytes makes the
 * kernel send RST, which can eat the answer.
 */
#include "io/front_inner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_WAITING 64u
#define MAX_BACKLOG (1u << 20)
#define MAX_REFUSED 64u        /* so many beyond max_connections are told why they are refused */
#define KEEP_BUFFER (1u << 16) /* larger buffers are given back once empty */
#define LINGER_NS INT64_C(1000000000)

static void conn_update(struct front_conn *c);

static int64_t now_ns(const struct front_conn *c)
{
    return clock_io_ns(c->front->loop->clock);
}

static void str_recycle(struct str *s)
{
    if (s->cap > KEEP_BUFFER)
        str_fini(s);
    str_clear(s);
}

/* ---- the end ---- */

void conn_gone(struct front_conn *c)
{
    struct front *f = c->front;
    str_fini(&c->in);
    str_fini(&c->out);
    str_fini(&c->writing);
    free(c);
    front_release(f);
}

/* Requests that the handler still holds lose their connection; answered ones go. */
static void drop_requests(struct front_conn *c)
{
    struct front_request *r = c->first;
    c->first = c->last = NULL;
    c->waiting = 0;
    while (r) {
        struct front_request *next = r->next;
        r->conn = NULL;
        r->next = NULL;
        r->gone = true;
        if (r->answered) {
            front_unlink(c->front, r);
            front_request_free(r);
        }
        r = next;
    }
}

static bool conn_detach(struct front_conn *c)
{
    if (c->state == CONN_CLOSED)
        return false;
    struct front *f = c->front;
    c->state = CONN_CLOSED;
    drop_requests(c);
    front_parser_fini(&c->parser);
    if (c->prev)
        c->prev->next = c->next;
    else
        f->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    f->count--;
    if (f->count == 0)
        timer_stop(&f->sweep);
    return true;
}

void conn_close(struct front_conn *c)
{
    if (conn_detach(c))
        c->net->close(c, false);
}

static void conn_reset(struct front_conn *c)
{
    if (conn_detach(c))
        c->net->close(c, true);
}

/* Everything has left: RST, or FIN and a wait for the client's own. */
static void conn_end(struct front_conn *c)
{
    if (c->after == FRONT_RESET) {
        conn_reset(c);
    } else if (c->eof || !c->net->shut(c)) {
        conn_close(c);
    } else {
        c->state = CONN_LINGER;
        c->since = now_ns(c);
        str_fini(&c->in);
        str_init(&c->in);
    }
}

/* ---- writing ---- */

static void conn_flush(struct front_conn *c);

void conn_written(struct front_conn *c, bool broken)
{
    c->write_busy = false;
    str_recycle(&c->writing);
    if (c->state == CONN_CLOSED)
        return;
    if (broken) {
        conn_close(c);
        return;
    }
    conn_flush(c);
    conn_update(c);
}

/* What the stream did not take at once waits in `writing`. */
static void write_rest(struct front_conn *c, size_t taken)
{
    struct str empty = c->writing;
    c->writing = c->out;
    c->out = empty;
    str_clear(&c->out);
    c->write_left = c->writing.len - taken;
    c->write_since = now_ns(c);
    c->write_busy = true;
    if (!c->net->write_rest(c, c->writing.p + taken, c->write_left)) {
        c->write_busy = false;
        conn_close(c);
    }
}

static void conn_flush(struct front_conn *c)
{
    if (c->state == CONN_CLOSED || c->state == CONN_LINGER || c->write_busy)
        return;
    if (c->out.failed) {
        conn_close(c);
        return;
    }
    if (c->out.len > 0) {
        ssize_t n = c->net->write(c, c->out.p, c->out.len);
        if (n < 0) {
            conn_close(c);
            return;
        }
        if ((size_t)n < c->out.len) {
            write_rest(c, (size_t)n);
            return;
        }
        str_recycle(&c->out);
    }
    if (c->state == CONN_LAST)
        conn_end(c);
    else if (c->eof && c->waiting == 0)
        conn_close(c);
    else if (c->waiting == 0)
        c->since = now_ns(c);
}

/* ---- answers ---- */

static void pop(struct front_conn *c)
{
    struct front_request *r = c->first;
    c->first = r->next;
    if (!c->first)
        c->last = NULL;
    c->waiting--;
    front_unlink(c->front, r);
    front_request_free(r);
}

/* Moves answers that may leave into the output. */
static void advance(struct front_conn *c)
{
    while (c->first && c->first->answered) {
        struct front_request *r = c->first;
        enum front_after after = r->after;
        if (c->out.len == 0 && !c->out.failed) { /* take the buffer instead of copying it */
            struct str spare = c->out;
            c->out = r->answer;
            r->answer = spare;
        } else {
            str_add(&c->out, r->answer.p, r->answer.len);
            c->out.failed |= r->answer.failed;
        }
        pop(c);
        if (after != FRONT_KEEP) {
            c->state = CONN_LAST;
            c->sated = true;
            c->after = after;
            drop_requests(c);
            return;
        }
    }
    if (c->continue_due && !c->first && !c->sated) {
        c->continue_due = false;
        str_addz(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
}

static void enqueue(struct front_conn *c, struct front_request *r)
{
    r->front = c->front;
    r->conn = c;
    memcpy(r->peer, c->peer, sizeof r->peer);
    r->live_next = c->front->requests;
    if (r->live_next)
        r->live_next->live_prev = r;
    c->front->requests = r;
    if (c->last)
        c->last->next = r;
    else
        c->first = r;
    c->last = r;
    c->waiting++;
    r->nth = c->taken++;
}

void conn_refuse(struct front_conn *c, int status, const char *reason)
{
    struct http_header headers[] = {
        {"Content-Type", "text/plain"},
        {"Upgrade", "websocket"}, /* 426 only */
        {"Sec-WebSocket-Version", "13"},
    };
    const struct front_config *config = &c->front->config;
    c->sated = true;
    c->began = 0;
    struct front_request *r = calloc(1, sizeof *r);
    if (!r) {
        conn_close(c);
        return;
    }
    str_init(&r->body);
    str_init(&r->answer);
    struct str text;
    str_init(&text);
    const char *type =
        config->refusal ? config->refusal(c->front->arg, status, reason, &text) : NULL;
    if (type) {
        headers[0].value = type;
    } else {
        str_clear(&text);
        str_addf(&text, "%d: %s\n", status, reason);
    }
    front_encode(c->front, NULL, status, headers, status == 426 ? 3 : 1, text.p ? text.p : "",
                 text.len, &r->answer, &r->after);
    str_fini(&text);
    r->answered = true;
    enqueue(c, r);
    advance(c);
}

/* ---- reading ---- */

static bool conn_takes(const struct front_conn *c)
{
    return c->state == CONN_OPEN && !c->sated && c->waiting < MAX_WAITING &&
           c->out.len + c->net->unsent(c) < MAX_BACKLOG;
}

/* Hands the socket over. Only a connection with nothing else going on can change its protocol. */
static void upgrade(struct front_conn *c, struct front_request *r, bool more)
{
    struct front *f = c->front;
    const char *reason = "WebSocket is not served here";
    int status = f->config.ws ? front_handshake_check(r, &reason) : 426;
    if (status == 0 && (more || c->first || c->out.len || c->write_busy)) {
        status = 400;
        reason = "the WebSocket handshake must stand alone";
    }
    if (status == 0 && !f->config.check_upgrade && !front_same_origin(r)) {
        status = 403;
        reason = "the Origin is another one";
    }
    if (status == 0 && f->config.check_upgrade) {
        memcpy(r->peer, c->peer, sizeof r->peer);
        status = f->config.check_upgrade(f->arg, r);
        reason = "the WebSocket is refused";
    }
    int fd = status == 0 ? c->net->fd(c) : -1;
    int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (status == 0 && copy < 0) {
        status = 503;
        reason = "no file descriptor is left";
    }
    if (status) {
        conn_refuse(c, status, reason);
        return;
    }
    struct str request, path;
    str_init(&request);
    str_init(&path);
    front_handshake_write(r, &request);
    str_addz(&path, r->path);
    if (r->query[0]) {
        str_addc(&path, '?');
        str_addz(&path, r->query);
    }
    conn_close(c); /* closes its own fd at once; the copy lives on */
    if (request.failed || path.failed)
        close(copy);
    else
        ws_server_adopt(f->config.ws, copy, request.p, request.len, path.p, r->tag ? r->tag : "");
    str_fini(&request);
    str_fini(&path);
}

static void dispatch(struct front_conn *c, struct front_request *r, bool more)
{
    c->began = 0;
    c->continue_due = false;
    if (r->upgrade) {
        upgrade(c, r, more);
        front_request_free(r);
        return;
    }
    c->sated = !r->keep_alive;
    enqueue(c, r);
    c->front->fn(c->front->arg, r);
}

/* Parses what may be parsed; returns how many bytes were used up. */
static size_t conn_parse(struct front_conn *c, const char *bytes, size_t n)
{
    size_t total = 0;
    while (total < n && conn_takes(c)) {
        struct front_request *r = NULL;
        size_t used;
        enum front_step step = front_parser_step(&c->parser, bytes + total, n - total, &used, &r);
        total += used;
        if (step == FRONT_REQUEST) {
            dispatch(c, r, total < n);
        } else if (step == FRONT_REFUSED) {
            conn_refuse(c, c->parser.refusal, c->parser.reason);
        } else {
            if (c->began == 0)
                c->began = now_ns(c);
            if (step == FRONT_CONTINUE && total == n) {
                c->continue_due = true;
                advance(c);
            }
            if (used == 0)
                break;
        }
    }
    return c->sated ? n : total;
}

void conn_read_end(struct front_conn *c, bool broken)
{
    if (c->state == CONN_CLOSED)
        return;
    if (broken || c->state == CONN_LINGER) {
        conn_close(c);
        return;
    }
    /* The client may have shut its side only, so answers still leave; but most are gone. */
    c->eof = true;
    c->sated = true;
    c->began = 0;
    for (struct front_request *r = c->first; r; r = r->next)
        r->gone = true;
    (void)c->net->read(c, false);
    c->reading = false;
    conn_flush(c);
}

void conn_read(struct front_conn *c, const char *p, size_t n)
{
    if (c->state == CONN_CLOSED)
        return;
    c->fresh = false;
    if (c->state == CONN_LINGER || c->sated)
        return;
    c->parsing = true;
    if (c->in.len > 0) {
        str_add(&c->in, p, n);
        size_t used = conn_parse(c, c->in.p, c->in.len);
        if (c->in.failed)
            conn_close(c);
        str_drop(&c->in, used);
    } else {
        size_t used = conn_parse(c, p, n);
        if (used < n && c->state != CONN_CLOSED)
            str_add(&c->in, p + used, n - used);
    }
    c->parsing = false;
    conn_update(c);
}

/* After anything has changed: parses what was put off, writes, and turns reading on or off. */
static void conn_update(struct front_conn *c)
{
    if (c->parsing || c->state == CONN_CLOSED)
        return;
    c->parsing = true;
    conn_flush(c); /* may make room for more */
    while (c->in.len > 0 && conn_takes(c)) {
        size_t used = conn_parse(c, c->in.p, c->in.len);
        str_drop(&c->in, used);
        conn_flush(c);
        if (used == 0)
            break;
    }
    c->parsing = false;
    if (c->state == CONN_CLOSED || c->eof)
        return;
    bool read = c->state != CONN_OPEN || c->sated || conn_takes(c);
    if (read == c->reading)
        return;
    c->reading = read;
    if (!c->net->read(c, read))
        conn_close(c);
}

void conn_answered(struct front_conn *c)
{
    advance(c);
    conn_update(c);
}

/* ---- deadlines ---- */

static bool write_stuck(struct front_conn *c, int64_t now, int64_t limit)
{
    if (!c->write_busy)
        return false;
    size_t left = c->net->unsent(c);
    if (left != c->write_left) {
        c->write_left = left;
        c->write_since = now;
    }
    return now - c->write_since > limit;
}

void conn_sweep(struct front_conn *c, int64_t now)
{
    const struct front_config *config = &c->front->config;
    int64_t request_ns = config->request_timeout_ms * 1000000;
    int64_t idle_ns = config->idle_timeout_ms * 1000000;
    if (c->state == CONN_LINGER) {
        if (now - c->since > LINGER_NS)
            conn_close(c);
    } else if (write_stuck(c, now, request_ns)) {
        conn_reset(c); /* it does not read: the kernel must not keep the rest for it */
    } else if (c->began && now - c->began > request_ns) {
        if (!conn_takes(c)) {
            c->began = now; /* we keep it waiting, not it us */
            return;
        }
        conn_refuse(c, 408, "the request did not arrive in time");
        conn_update(c);
    } else if (c->fresh && now - c->since > request_ns) {
        conn_close(c);
    } else if (!c->first && !c->began && !c->write_busy && now - c->since > idle_ns) {
        conn_close(c);
    }
}

/* ---- the beginning ---- */

/* Is there room for one more client, and for one more of its address? */
static bool admit(const struct front_conn *c)
{
    const struct front *f = c->front;
    unsigned total = f->count + (f->config.ws ? ws_server_count(f->config.ws) : 0);
    bool room = total <= f->config.max_connections;
    if (room && f->config.max_per_address) {
        unsigned same = 0;
        for (const struct front_conn *o = f->conns; o; o = o->next)
            same += strcmp(o->peer, c->peer) == 0;
        room = same <= f->config.max_per_address;
    }
    return room;
}

bool conn_accept(struct front *f, void *pending)
{
    struct front_conn *c = calloc(1, sizeof *c + f->net->stream_size);
    if (!c)
        return false;
    c->front = f;
    c->net = f->net;
    if (!c->net->open(c, pending)) {
        free(c);
        return false;
    }
    c->fresh = true;
    c->since = now_ns(c);
    front_parser_init(&c->parser, f->config.max_head, f->config.max_body);
    str_init(&c->in);
    str_init(&c->out);
    str_init(&c->writing);
    c->next = f->conns;
    if (c->next)
        c->next->prev = c;
    f->conns = c;
    f->handles++;
    if (f->count++ == 0)
        timer_start_io(&f->sweep, f->sweep_ms);
    if (!c->net->accept(c) || f->count > f->config.max_connections + MAX_REFUSED) {
        conn_close(c);
        return true;
    }
    if (!admit(c))
        conn_refuse(c, 503, "too many connections");
    conn_update(c);
    return true;
}
