/* SPDX-License-Identifier: MIT
 *
 * What tests of the remote venue share: a venue over curl, a scripted server, a codec that says
 * what it is told to.
 */
#ifndef PERIGEE_TESTS_VENUE_REMOTE_FIXTURE_H
#define PERIGEE_TESTS_VENUE_REMOTE_FIXTURE_H

#include "io_server.h"
#include "venue/remote.h"

#define HEADERS "Auth-trading-api: secret\r\nCookie: co-auth=x\r\nUser-Agent: perigee\r\n"

struct fixture;

struct write {
    struct venue_call call;
    struct order order;
    struct fixture *f;
    struct verdict v;
    unsigned sending, done;
};

struct fixture {
    struct io_world w;
    struct io_server server, other;
    struct transport_curl *curl;
    struct remote *remote;
    struct venue *venue;
    struct write writes[16];
    unsigned want, done;
    char order[32]; /* letters of writes in the order of done() */
    bool inside;
    /* what the codec does */
    const char *path, *method;
    bool no_encode, no_decode;
    bool ends_session; /* encode takes the session away */
    enum verdict_kind verdict;
    int status;         /* that it saw */
    const char *broker; /* profile name that it saw */
    char body[64];
    unsigned encoded; /* calls of encode */
};

static inline int encode(void *ctx, const char *broker, const struct order *o,
                         const struct instrument *i, struct codec_request *out, struct err *e)
{
    struct fixture *f = ctx;
    (void)i;
    f->encoded++;
    assert_string_equal(broker, "demo");
    if (f->ends_session)
        assert_int_equal(remote_session_set(f->remote, 0, NULL, e), 0);
    if (f->no_encode)
        return err_set(e, ERR_INPUT, "cannot say that");
    snprintf(out->method, sizeof out->method, "%s", f->method);
    str_addz(&out->path, f->path);
    str_addf(&out->body, "{\"id\":%llu}", (unsigned long long)o->id);
    return 0;
}

static inline int decode(void *ctx, const char *broker, const struct order *o,
                         const struct codec_answer *a, struct verdict *out, struct err *e)
{
    struct fixture *f = ctx;
    assert_string_equal(broker, "demo");
    assert_non_null(o);
    f->status = a->status;
    snprintf(f->body, sizeof f->body, "%.*s", (int)a->body_size, a->body);
    if (f->no_decode) {
        out->kind = VERDICT_ACCEPTED; /* half done before it broke */
        return err_set(e, ERR_INPUT, "no JSON");
    }
    if ((int)f->verdict >= 0)
        out->kind = f->verdict;
    snprintf(out->broker_id, sizeof out->broker_id, "W1");
    snprintf(out->code, sizeof out->code, "said");
    return 0;
}

static inline void on_sending(struct venue_call *c)
{
    ((struct write *)c->arg)->sending++;
}

static inline void on_done(struct venue_call *c, const struct verdict *v)
{
    struct write *x = c->arg;
    assert_false(x->f->inside);
    x->done++;
    x->v = *v;
    x->f->order[x->f->done++] = (char)('a' + (x - x->f->writes));
}

static inline int start(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct codec_ops codec = {.ctx = f, .encode = encode, .decode = decode};
    io_world_init(&f->w);
    f->curl = transport_curl_new(&f->w.loop, NULL, NULL);
    f->remote = remote_new(&f->w.loop, NULL, &transport_curl_ops, f->curl, &codec, NULL);
    f->venue = remote_venue(f->remote);
    f->path = "/position/open";
    f->method = "POST";
    for (size_t k = 0; k < 16; k++) {
        struct write *x = &f->writes[k];
        x->f = f;
        x->order.id = k + 1;
        x->call = (struct venue_call){
            .order = &x->order, .sending = on_sending, .done = on_done, .arg = x};
    }
    *state = f;
    return 0;
}

static inline int stop(void **state)
{
    struct fixture *f = *state;
    remote_free(f->remote);
    transport_curl_free(f->curl);
    assert_int_equal(io_world_fini(&f->w), 0);
    for (size_t k = 0; k < 16; k++)
        assert_true(f->writes[k].done <= 1);
    free(f);
    return 0;
}

static inline int session_at(struct fixture *f, const char *origin, const char *headers,
                             struct err *e)
{
    struct remote_session s = {
        .broker = "demo", .origin = origin, .prefix = "/mtr-api/uuid", .headers = headers};
    return remote_session_set(f->remote, 0, &s, e);
}

static inline bool is_ready(void *arg)
{
    struct fixture *f = arg;
    return remote_venue_ops.ready(f->venue, 0);
}

static inline bool all_done(void *arg)
{
    struct fixture *f = arg;
    return f->done >= f->want;
}

static inline void serve(struct fixture *f, const struct io_step *script)
{
    struct err e;
    io_server_start(&f->server, script);
    assert_int_equal(session_at(f, f->server.origin, HEADERS, &e), 0);
    assert_true(io_run_until(&f->w, is_ready, f));
}

static inline int submit(struct fixture *f, size_t k, struct err *e)
{
    f->inside = true;
    int rc = remote_venue_ops.submit(f->venue, 0, &f->writes[k].call, e);
    f->inside = false;
    return rc;
}

static inline void wait_for(struct fixture *f, unsigned count)
{
    f->want = count;
    assert_true(io_run_until(&f->w, all_done, f));
}

/* Lets the answer go once the server has read the request that waits for it. */
static inline void let_go(struct io_server *s)
{
    while (atomic_load(&s->executed) == 0)
        usleep(500);
    io_server_go(s);
}

/* Submits write k and waits for its verdict. */
static inline const struct verdict *go(struct fixture *f, size_t k)
{
    struct err e;
    assert_int_equal(submit(f, k, &e), 0);
    wait_for(f, f->done + 1);
    return &f->writes[k].v;
}

#endif
