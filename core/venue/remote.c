/* SPDX-License-Identifier: MIT
 *
 * The remote venue. A slot for each account: its session, its lane, and buffers that are used again
 * (a request is encoded once, into the bytes that the lane sends). A slot whose session moves to
 * another origin leaves its old lane to the request in flight there and closes it afterwards.
 *
 * What came back is judged by the codec, within limits that no codec can pass: only a 2xx may be
 * ACCEPTED, and 401, 408, 410 and 5xx are neither ACCEPTED nor REJECTED. Bytes that left are never
 * NOT_SENT. Nothing that a broker or a script gave us can end a header line or begin another one.
 */
#include "venue/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BUFFERS_FIRST 2 /* calls of an account that are prepared ahead */

/* A lane and who still needs it. */
struct link {
    struct lane *lane;
    char *origin;       /* owned */
    int64_t timeout_ms; /* for the answer */
    unsigned uses;      /* calls on it */
    bool retired;       /* closed when the last call has ended */
    struct link *next;  /* in the remote's list */
};

struct rcall {
    struct lane_request r;
    struct remote *remote;
    int account; /* ledger index */
    struct link *link;
    struct venue_call *call; /* not owned; NULL: idle */
    uint64_t prepared;       /* order whose request `bytes` holds ahead of its submit; 0: none */
    struct codec_request parts;
    struct str bytes;   /* the whole request */
    struct rcall *next; /* in the slot's list of all */
};

struct slot {
    char broker[32];
    struct str prefix;   /* of paths */
    struct str head;     /* from Host to "Content-Length: " */
    struct link *link;   /* NULL: no session */
    struct rcall *calls; /* all of them, idle or not; owned */
};

struct remote {
    struct loop *loop;
    struct log *log;
    const struct transport_ops *ops;
    void *ops_ctx;
    struct codec_ops codec;
    struct slot **slots; /* by account, owned; NULL: never had a session */
    size_t count;
    struct link *links; /* all, owned */
    bool closing;       /* remote_free is at work */
};

/* ---- what may go into a request ---- */

static bool plain(const char *text, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if ((unsigned char)text[k] <= ' ' || (unsigned char)text[k] >= 127)
            return false;
    return true;
}

static bool path_ok(const char *text, size_t n)
{
    return n > 0 && text[0] == '/' && plain(text, n);
}

static bool method_ok(const char *text)
{
    size_t n = strnlen(text, sizeof((struct codec_request *)0)->method);
    for (size_t k = 0; k < n; k++)
        if (text[k] < 'A' || text[k] > 'Z')
            return false;
    return n > 0 && n < sizeof((struct codec_request *)0)->method;
}

/* The part of an origin that goes into Host; NULL: no origin. */
static const char *host_of(const char *origin)
{
    const char *host = NULL;
    if (origin != NULL && strncmp(origin, "http://", 7) == 0)
        host = origin + 7;
    else if (origin != NULL && strncmp(origin, "https://", 8) == 0)
        host = origin + 8;
    if (host == NULL || host[0] == '\0' || strpbrk(host, "/@?#\\") != NULL ||
        !plain(host, strlen(host)))
        return NULL;
    return host;
}

static bool is_name(const char *line, size_t n, const char *name)
{
    return strlen(name) == n && strncasecmp(line, name, n) == 0;
}

/* Length of the first header line with its CRLF; 0: it is none, or not the session's to say. */
static size_t header_line(const char *p, bool *accept, bool *type)
{
    static const char *const ours[] = {"Host",       "Content-Length", "Transfer-Encoding",
                                       "Connection", "Expect",         "Upgrade",
                                       "TE",         "Trailer"};
    size_t n = strcspn(p, "\r\n");
    size_t name = strcspn(p, ":");
    if (p[n] != '\r' || p[n + 1] != '\n' || name == 0 || name >= n)
        return 0;
    for (size_t k = 0; k < name; k++) /* RFC 9110 token */
        if (strchr("()<>@,;:\\\"/[]?={}", p[k]) != NULL || !plain(p + k, 1))
            return 0;
    for (size_t k = name + 1; k < n; k++)
        if (((unsigned char)p[k] < ' ' && p[k] != '\t') || p[k] == 127)
            return 0;
    for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
        if (is_name(p, name, ours[k]))
            return 0;
    *accept = *accept || is_name(p, name, "Accept");
    *type = *type || is_name(p, name, "Content-Type");
    return n + 2;
}

static int make_head(struct str *out, const char *host, const char *headers, struct err *e)
{
    bool accept = false, type = false;
    str_clear(out);
    str_addf(out, "Host: %s\r\n", host);
    for (const char *p = headers; p != NULL && *p != '\0';) {
        size_t n = header_line(p, &accept, &type);
        if (n == 0)
            return err_set(e, ERR_INPUT,
                           "remote: the session's headers are not complete lines of the form "
                           "\"Name: value\" with CRLF, or set what the lane sets (Host, lengths)");
        str_add(out, p, n);
        p += n;
    }
    if (!accept)
        str_addz(out, "Accept: application/json\r\n");
    if (!type)
        str_addz(out, "Content-Type: application/json\r\n");
    str_addz(out, "Content-Length: ");
    return out->failed ? err_set(e, ERR_NOMEM, "remote: out of memory") : 0;
}

/* ---- links ---- */

static void link_close(struct remote *r, struct link *k)
{
    for (struct link **at = &r->links; *at != NULL; at = &(*at)->next) {
        if (*at == k) {
            *at = k->next;
            break;
        }
    }
    lane_free(k->lane);
    free(k->origin);
    free(k);
}

static struct link *link_new(struct remote *r, const struct remote_session *s, struct err *e)
{
    struct link *k = calloc(1, sizeof *k);
    if (k == NULL || (k->origin = strdup(s->origin)) == NULL) {
        free(k);
        err_set(e, ERR_NOMEM, "remote: out of memory");
        return NULL;
    }
    k->timeout_ms = s->answer_timeout_ms;
    struct lane_config config = {.origin = k->origin,
                                 .ops = r->ops,
                                 .ops_ctx = r->ops_ctx,
                                 .answer_timeout_ms = s->answer_timeout_ms};
    k->lane = lane_new(r->loop, &config, e);
    if (k->lane == NULL) {
        free(k->origin);
        free(k);
        return NULL;
    }
    k->next = r->links;
    r->links = k;
    return k;
}

static void link_retire(struct remote *r, struct link *k)
{
    k->retired = true;
    if (k->uses == 0)
        link_close(r, k);
}

/* ---- calls ---- */

static void lane_sending(struct lane_request *lr)
{
    struct rcall *c = lr->arg;
    if (c->call->sending != NULL)
        c->call->sending(c->call);
}

static void set_verdict(struct verdict *v, enum verdict_kind kind, const char *code,
                        const char *reason)
{
    v->kind = kind;
    snprintf(v->code, sizeof v->code, "%s", code);
    snprintf(v->reason, sizeof v->reason, "%s", reason);
}

static void lost(struct verdict *v, const char *code, const char *what)
{
    char reason[160];
    snprintf(reason, sizeof reason, "the outcome is not known: %s", what);
    set_verdict(v, VERDICT_UNKNOWN, code, reason);
}

/* Statuses after which nobody knows, whatever the codec reads out of the body. */
static void guard(struct verdict *v, int status)
{
    char code[32], what[32];
    bool unsure = status == 401 || status == 408 || status == 410 || status >= 500;
    bool success = status >= 200 && status < 300;
    v->broker_id[sizeof v->broker_id - 1] = '\0';
    v->code[sizeof v->code - 1] = '\0';
    v->reason[sizeof v->reason - 1] = '\0';
    if (v->kind != VERDICT_UNKNOWN && v->kind != VERDICT_ACCEPTED && v->kind != VERDICT_REJECTED) {
        lost(v, "unreadable", "the codec gave no verdict");
        return;
    }
    if (!(unsure && v->kind != VERDICT_UNKNOWN) && !(v->kind == VERDICT_ACCEPTED && !success))
        return;
    if (status == 401)
        snprintf(code, sizeof code, "unauthorised");
    else if (status >= 500)
        snprintf(code, sizeof code, "status_5xx");
    else
        snprintf(code, sizeof code, "status_%d", status);
    snprintf(what, sizeof what, "HTTP status %d", status);
    lost(v, code, what);
}

static void judge(struct rcall *c, const struct lane_answer *a, struct verdict *v)
{
    struct remote *r = c->remote;
    struct err e;
    memset(v, 0, sizeof *v);
    v->kind = VERDICT_UNKNOWN;
    switch (a->outcome) {
    case LANE_NOT_SENT:
        set_verdict(v, VERDICT_NOT_SENT, a->cause, "no byte was sent");
        break;
    case LANE_CUT:
        lost(v, "cut", a->cause);
        break;
    case LANE_TIMEOUT:
        lost(v, "timeout", "no answer in time");
        break;
    case LANE_ANSWERED: {
        struct codec_answer answer = {a->status, a->head, a->head_size, a->body, a->body_size};
        const char *broker = r->slots[c->account]->broker;
        if (r->codec.decode(r->codec.ctx, broker, c->call->order, &answer, v, &e) != 0) {
            log_write(r->log, LOG_WARN, "remote", "an answer was not understood: %s", e.message);
            memset(v, 0, sizeof *v);
            lost(v, "unreadable", "the answer was not understood");
        }
        guard(v, a->status);
        break;
    }
    }
    v->sent_io_ns = a->sent_io_ns;
    v->done_io_ns = a->done_io_ns;
}

/* Frees c for the next call; the link may close. Returns whose it was. */
static struct venue_call *release(struct rcall *c)
{
    struct venue_call *call = c->call;
    struct link *k = c->link;
    c->call = NULL;
    c->link = NULL;
    k->uses--;
    if (k->retired && k->uses == 0)
        link_close(c->remote, k);
    return call;
}

static void lane_done(struct lane_request *lr, const struct lane_answer *a)
{
    struct rcall *c = lr->arg;
    struct verdict v;
    judge(c, a, &v);
    struct venue_call *call = release(c);
    call->done(call, &v);
}

/* An idle call of the slot in which nothing is prepared, made when there is none. */
static struct rcall *idle_call(struct remote *r, struct slot *s, int account)
{
    for (struct rcall *c = s->calls; c != NULL; c = c->next)
        if (c->call == NULL && c->prepared == 0)
            return c;
    struct rcall *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->remote = r;
    c->account = account;
    c->r.sending = lane_sending;
    c->r.done = lane_done;
    c->r.arg = c;
    c->next = s->calls;
    s->calls = c;
    return c;
}

static int encode(struct remote *r, const struct slot *s, struct rcall *c,
                  const struct venue_call *call, struct err *e)
{
    struct codec_request *q = &c->parts;
    c->prepared = 0;
    memset(q->method, 0, sizeof q->method);
    str_clear(&q->path);
    str_clear(&q->body);
    int rc = r->codec.encode(r->codec.ctx, s->broker, call->order, call->instrument, q, e);
    if (rc != 0)
        return rc;
    if (!method_ok(q->method) || !path_ok(q->path.p, q->path.len))
        return err_set(e, ERR_INPUT,
                       "remote: the codec of %s gave a method or a path that cannot "
                       "be sent",
                       s->broker);
    str_clear(&c->bytes);
    str_addz(&c->bytes, q->method);
    str_addc(&c->bytes, ' ');
    str_add(&c->bytes, s->prefix.p, s->prefix.len);
    str_add(&c->bytes, q->path.p, q->path.len);
    str_addz(&c->bytes, " HTTP/1.1\r\n");
    str_add(&c->bytes, s->head.p, s->head.len);
    str_addf(&c->bytes, "%zu\r\n\r\n", q->body.len);
    str_add(&c->bytes, q->body.p, q->body.len);
    if (q->path.failed || q->body.failed || c->bytes.failed)
        return err_set(e, ERR_NOMEM, "remote: out of memory for a request");
    return 0;
}

static struct slot *slot_of(struct venue *v, int account)
{
    struct remote *r = (struct remote *)v;
    return account >= 0 && (size_t)account < r->count ? r->slots[account] : NULL;
}

/* Order ids are unique in a journal, so the id tells whose bytes these are. */
static struct rcall *prepared_call(struct slot *s, const struct venue_call *call)
{
    for (struct rcall *c = s->calls; c != NULL; c = c->next)
        if (c->call == NULL && c->prepared != 0 && c->prepared == call->order->id)
            return c;
    return NULL;
}

/* What was prepared speaks of a session that is gone. */
static void forget_prepared(struct slot *s)
{
    for (struct rcall *c = s->calls; c != NULL; c = c->next)
        c->prepared = 0;
}

static void remote_prepare(struct venue *v, int account, struct venue_call *call)
{
    struct remote *r = (struct remote *)v;
    struct slot *s = slot_of(v, account);
    struct err e;
    if (s == NULL || s->link == NULL || r->closing)
        return;
    struct rcall *c = idle_call(r, s, account);
    if (c != NULL && encode(r, s, c, call, &e) == 0)
        c->prepared = call->order->id;
}

static int remote_submit(struct venue *v, int account, struct venue_call *call, struct err *e)
{
    struct remote *r = (struct remote *)v;
    struct slot *s = slot_of(v, account);
    if (s == NULL || s->link == NULL || r->closing)
        return err_set(e, ERR_STATE, "no_session");
    struct rcall *c = prepared_call(s, call);
    if (c == NULL) {
        c = idle_call(r, s, account);
        if (c == NULL)
            return err_set(e, ERR_NOMEM, "remote: out of memory for a request");
        int rc = encode(r, s, c, call, e);
        if (rc != 0)
            return rc;
    }
    c->prepared = 0;
    c->call = call;
    c->link = s->link;
    c->link->uses++;
    c->r.bytes = c->bytes.p;
    c->r.size = c->bytes.len;
    c->r.priority = call->urgent ? LANE_CLOSE : LANE_OPEN;
    c->r.deadline_io_ns = call->deadline_io_ns;
    call->venue_data = c;
    lane_submit(c->link->lane, &c->r);
    return 0;
}

static bool remote_withdraw(struct venue *v, int account, struct venue_call *call)
{
    (void)v;
    (void)account;
    struct rcall *c = call->venue_data;
    if (c == NULL || c->call != call || !lane_withdraw(c->link->lane, &c->r))
        return false;
    (void)release(c);
    return true;
}

static bool remote_ready(struct venue *v, int account)
{
    struct slot *s = slot_of(v, account);
    if (s == NULL || s->link == NULL)
        return false;
    if (lane_ready(s->link->lane))
        return true;
    lane_warm(s->link->lane);
    return false;
}

const struct venue_ops remote_venue_ops = {.name = "remote",
                                           .submit = remote_submit,
                                           .prepare = remote_prepare,
                                           .withdraw = remote_withdraw,
                                           .ready = remote_ready};

/* ---- sessions ---- */

static struct slot *slot_make(struct remote *r, int account)
{
    size_t index = (size_t)account;
    if (index >= r->count) {
        size_t count = index + 1 > 2 * r->count ? index + 1 : 2 * r->count;
        struct slot **grown = realloc(r->slots, count * sizeof *grown);
        if (grown == NULL)
            return NULL;
        memset(grown + r->count, 0, (count - r->count) * sizeof *grown);
        r->slots = grown;
        r->count = count;
    }
    struct slot *s = r->slots[index];
    if (s != NULL || (s = calloc(1, sizeof *s)) == NULL)
        return s;
    r->slots[index] = s;
    for (int k = 0; k < BUFFERS_FIRST; k++) {
        struct rcall *c = idle_call(r, s, account);
        if (c == NULL)
            break;
        c->call = (struct venue_call *)(void *)c; /* taken, so that the next one is made */
        str_reserve(&c->bytes, 2048);
    }
    for (struct rcall *c = s->calls; c != NULL; c = c->next)
        c->call = NULL;
    return s;
}

/* Ends what is still queued on k. done() may submit again, so the list is read anew each time. */
static void drop_queued(struct slot *s, const struct link *k, const char *code)
{
    bool again = true;
    while (again) {
        again = false;
        for (struct rcall *c = s->calls; c != NULL; c = c->next) {
            if (c->call == NULL || c->link != k || !lane_withdraw(c->link->lane, &c->r))
                continue;
            struct verdict v;
            memset(&v, 0, sizeof v);
            set_verdict(&v, VERDICT_NOT_SENT, code, "the session was taken away or moved");
            struct venue_call *call = c->call;
            c->call = NULL; /* the link is kept by the caller */
            c->link->uses--;
            c->link = NULL;
            call->done(call, &v);
            again = true;
            break;
        }
    }
}

static void session_end(struct remote *r, struct slot *s, const char *code)
{
    struct link *old = s->link;
    if (old == NULL)
        return;
    s->link = NULL;
    drop_queued(s, old, code);
    link_retire(r, old);
}

int remote_session_set(struct remote *r, int account, const struct remote_session *session,
                       struct err *e)
{
    if (account < 0)
        return err_set(e, ERR_INPUT, "remote: account %d is no ledger index", account);
    struct slot *s = slot_of(remote_venue(r), account);
    if (session == NULL) {
        if (s != NULL)
            session_end(r, s, "no_session");
        return 0;
    }
    const char *host = host_of(session->origin);
    const char *prefix = session->prefix != NULL ? session->prefix : "";
    if (host == NULL)
        return err_set(e, ERR_INPUT,
                       "remote: the origin must be http://host[:port] or https://...");
    if (prefix[0] != '\0' && !path_ok(prefix, strlen(prefix)))
        return err_set(e, ERR_INPUT, "remote: the prefix must be a path without spaces");
    if (session->broker == NULL || strlen(session->broker) >= sizeof s->broker)
        return err_set(e, ERR_INPUT, "remote: the broker's name is missing or too long");
    struct str head;
    str_init(&head);
    int rc = make_head(&head, host, session->headers, e);
    struct link *k = NULL;
    if (rc == 0 && (s = slot_make(r, account)) == NULL)
        rc = err_set(e, ERR_NOMEM, "remote: out of memory");
    if (rc == 0) {
        k = s->link;
        if (k == NULL || strcmp(k->origin, session->origin) != 0 ||
            k->timeout_ms != session->answer_timeout_ms)
            k = link_new(r, session, e);
        rc = k == NULL ? e != NULL ? e->code : ERR_NOMEM : 0;
    }
    if (rc != 0) {
        str_fini(&head);
        return rc;
    }
    if (s->link != k)
        session_end(r, s, "session_moved");
    forget_prepared(s);
    str_fini(&s->head);
    s->head = head;
    str_clear(&s->prefix);
    str_addz(&s->prefix, prefix);
    snprintf(s->broker, sizeof s->broker, "%s", session->broker);
    s->link = k;
    lane_warm(k->lane);
    return s->prefix.failed ? err_set(e, ERR_NOMEM, "remote: out of memory") : 0;
}

void remote_warm(struct remote *r, int account)
{
    struct slot *s = slot_of(remote_venue(r), account);
    if (s != NULL && s->link != NULL)
        lane_warm(s->link->lane);
}

/* ---- lifetime ---- */

struct remote *remote_new(struct loop *l, struct log *log, const struct transport_ops *ops,
                          void *ops_ctx, const struct codec_ops *codec, struct err *e)
{
    struct remote *r = calloc(1, sizeof *r);
    if (r == NULL) {
        err_set(e, ERR_NOMEM, "remote: out of memory");
        return NULL;
    }
    r->loop = l;
    r->log = log;
    r->ops = ops;
    r->ops_ctx = ops_ctx;
    r->codec = *codec;
    return r;
}

static void slot_free(struct slot *s)
{
    if (s == NULL)
        return;
    while (s->calls != NULL) {
        struct rcall *c = s->calls;
        s->calls = c->next;
        str_fini(&c->parts.path);
        str_fini(&c->parts.body);
        str_fini(&c->bytes);
        free(c);
    }
    str_fini(&s->prefix);
    str_fini(&s->head);
    free(s);
}

void remote_free(struct remote *r)
{
    if (r == NULL)
        return;
    r->closing = true;
    while (r->links != NULL) { /* ends every call; done() finds no session any more */
        struct link *k = r->links;
        k->retired = false; /* closed here, not by its last call */
        r->links = k->next;
        lane_free(k->lane);
        free(k->origin);
        free(k);
    }
    for (size_t k = 0; k < r->count; k++)
        slot_free(r->slots[k]);
    free(r->slots);
    free(r);
}
