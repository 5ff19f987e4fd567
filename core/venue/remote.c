/* SPDX-License-Identifier: MIT
 *
 * The remote venue. A slot for each account: its session, its lane, and buffers that are used again
 * (a request is encoded once, into the bytes that the lane sends). A slot whose session moves to
 * another origin leaves its old lane to the request in flight there and closes it afterwards.
 *
 * Closes and cancels take a second lane while the first one is busy, because an entry's answer may
 * take as long as its time-out. They may overtake what waits on the first one; they go by the
 * broker's id of what is there, so the order in which they come in changes nothing. The second lane
 * is opened when it is first needed (or with the session, where that is wished) and stays open.
 * What waits there (or here) leaves on whichever connection is free first: a lane that has nothing
 * to carry takes the oldest close out of the other one's queue, ahead of its own entries. Only what
 * waits in a queue moves; what was taken out of it to be sent is never in one again. Entries stay
 * where they are, so that the second lane is free for closes.
 *
 * What came back is judged by the codec, within limits that no codec can pass: only a 2xx may be
 * ACCEPTED, and 401, 408, 410 and 5xx are neither ACCEPTED nor REJECTED. Bytes that left are never
 * NOT_SENT. What goes into a request is checked and built in remote_request.c.
 */
#include "venue/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "venue/remote_impl.h"
#include "venue/shape.h"

#define BUFFERS_FIRST 2 /* calls of an account that are prepared ahead */

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

/* The other lane of k's account; NULL: there is none, or k's session is over. */
static struct link *link_beside(const struct link *k)
{
    const struct slot *s = k->remote->slots[k->account];
    return k == s->link ? s->urgent : k == s->urgent ? s->link : NULL;
}

/* Takes the oldest close that waits at `from` to `to`. */
static void link_take(struct link *from, struct link *to)
{
    struct lane_request *lr = lane_waiting_close(from->lane);
    if (lr == NULL || !lane_withdraw(from->lane, lr))
        return;
    struct rcall *c = lr->arg;
    from->uses--;
    to->uses++;
    c->link = to;
    lane_submit(to->lane, lr);
}

static void link_vacant(void *arg)
{
    struct link *k = arg, *other = link_beside(k);
    if (other != NULL && lane_waiting_close(k->lane) == NULL)
        link_take(other, k);
}

static struct link *link_new(struct remote *r, int account, const char *origin, int64_t timeout_ms,
                             int64_t idle_ms, struct err *e)
{
    struct link *k = calloc(1, sizeof *k);
    if (k == NULL || (k->origin = strdup(origin)) == NULL) {
        free(k);
        err_set(e, ERR_NOMEM, "remote: out of memory");
        return NULL;
    }
    k->remote = r;
    k->account = account;
    k->timeout_ms = timeout_ms;
    k->idle_ms = idle_ms;
    struct lane_config config = {.origin = k->origin,
                                 .ops = r->ops,
                                 .ops_ctx = r->ops_ctx,
                                 .answer_timeout_ms = timeout_ms,
                                 .idle_close_ms = idle_ms,
                                 .vacant = link_vacant,
                                 .arg = k};
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
        if (shape_decode(r->shapes, &r->codec, broker, c->call->order, &answer, v, &e) != 0) {
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
    if (c != NULL && remote_encode(r, s, c, call, &e) == 0)
        c->prepared = call->order->id;
}

/* The second lane of a slot that has a session, made when there is none; NULL: no memory. */
static struct link *second_link(struct remote *r, struct slot *s)
{
    struct err e;
    if (s->urgent == NULL) {
        s->urgent = link_new(r, s->link->account, s->link->origin, s->link->timeout_ms,
                             s->link->idle_ms, &e);
        if (s->urgent != NULL)
            lane_warm(s->urgent->lane);
        else
            log_write(r->log, LOG_WARN, "remote", "no second lane: %s", e.message);
    }
    return s->urgent;
}

static struct link *link_for(struct remote *r, struct slot *s, const struct venue_call *call)
{
    if (!call->urgent || lane_ready(s->link->lane))
        return s->link;
    struct link *k = second_link(r, s);
    return k != NULL ? k : s->link;
}

/* The first lane was ready, and sending on it has shown that its connection is gone: what waits
 * there now need not wait for another one. */
static void leave_dead(struct remote *r, struct slot *s)
{
    struct link *k = lane_waiting_close(s->link->lane) != NULL ? second_link(r, s) : NULL;
    if (k != NULL && lane_ready(k->lane))
        link_take(s->link, k);
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
        int rc = remote_encode(r, s, c, call, e);
        if (rc != 0)
            return rc;
        /* The codec is a script: it may have ended the session. */
        if (s->link == NULL || r->closing)
            return err_set(e, ERR_STATE, "no_session");
    }
    c->prepared = 0;
    c->call = call;
    struct link *k = link_for(r, s, call);
    c->link = k;
    k->uses++;
    c->r.bytes = c->bytes.p;
    c->r.size = c->bytes.len;
    c->r.priority = call->urgent ? LANE_CLOSE : LANE_OPEN;
    c->r.deadline_io_ns = call->deadline_io_ns;
    call->venue_data = c;
    lane_submit(k->lane, &c->r);
    if (call->urgent && k == s->link)
        leave_dead(r, s);
    return 0;
}

static bool remote_withdraw(struct venue *v, int account, struct venue_call *call)
{
    struct slot *s = slot_of(v, account);
    struct rcall *c = call->venue_data;
    if (c == NULL && s != NULL && (c = prepared_call(s, call)) != NULL) {
        c->prepared = 0; /* it will not be submitted */
        return false;
    }
    if (c == NULL || c->call != call || !lane_withdraw(c->link->lane, &c->r))
        return false;
    (void)release(c);
    return true;
}

/* Could a close leave now? */
static bool remote_ready(struct venue *v, int account)
{
    struct remote *r = (struct remote *)v;
    struct slot *s = slot_of(v, account);
    if (s == NULL || s->link == NULL)
        return false;
    if (lane_ready(s->link->lane))
        return true;
    lane_warm(s->link->lane);
    const struct link *k = s->link->uses > 0 ? second_link(r, s) : s->urgent;
    return k != NULL && lane_ready(k->lane);
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
    struct link *old[] = {s->link, s->urgent};
    s->link = s->urgent = NULL;
    for (size_t k = 0; k < 2; k++) {
        if (old[k] == NULL)
            continue;
        drop_queued(s, old[k], code);
        link_retire(r, old[k]);
    }
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
    const char *host = remote_host(session->origin);
    const char *prefix = session->prefix != NULL ? session->prefix : "";
    if (host == NULL)
        return err_set(e, ERR_INPUT,
                       "remote: the origin must be http://host[:port] or https://...");
    if (prefix[0] != '\0' && !remote_path_ok(prefix, strlen(prefix)))
        return err_set(e, ERR_INPUT, "remote: the prefix must be a path without spaces");
    if (session->broker == NULL || strlen(session->broker) >= sizeof s->broker)
        return err_set(e, ERR_INPUT, "remote: the broker's name is missing or too long");
    struct str head;
    str_init(&head);
    int rc = remote_head(&head, host, session->headers, e);
    struct link *k = NULL;
    if (rc == 0 && (s = slot_make(r, account)) == NULL)
        rc = err_set(e, ERR_NOMEM, "remote: out of memory");
    if (rc == 0) {
        k = s->link;
        if (k == NULL || strcmp(k->origin, session->origin) != 0 ||
            k->timeout_ms != session->answer_timeout_ms || k->idle_ms != session->idle_close_ms)
            k = link_new(r, account, session->origin, session->answer_timeout_ms,
                         session->idle_close_ms, e);
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
    if (r->warm)
        (void)second_link(r, s);
    return s->prefix.failed ? err_set(e, ERR_NOMEM, "remote: out of memory") : 0;
}

void remote_warm_closes(struct remote *r, bool warm)
{
    r->warm = warm;
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
    r->shapes = shapes_new(); /* without: the codec is asked each time */
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
    shapes_free(r->shapes);
    free(r);
}
