/* SPDX-License-Identifier: MIT
 *
 * A request's shape is the codec's body with the three numbers cut out, and where they go. An
 * answer's shape is what stands before and behind the id.
 */
#include "venue/shape.h"

#include <stdlib.h>
#include <string.h>

enum { PUT_VOLUME, PUT_STOP, PUT_TARGET, PUTS };

enum learnt { NOTHING, CANDIDATE, USABLE, USELESS };

struct request_shape {
    enum learnt state;
    char broker[32];
    struct instrument i; /* venue, symbol and digits count */
    enum side side;
    char method[8];
    struct str path;
    struct str text; /* body without the numbers */
    struct {
        size_t at; /* in text */
        int what;  /* PUT_... */
    } puts[PUTS];  /* rising */
};

struct answer_shape {
    enum learnt state;
    char broker[32];
    struct str before, behind; /* the id, quotes included */
};

struct shapes {
    unsigned generation; /* of the codec that they were learnt from */
    struct request_shape requests[SHAPES_KEPT];
    struct answer_shape answers[SHAPES_KEPT];
    struct codec_request trial;
    struct str filled;
};

struct shapes *shapes_new(void)
{
    return calloc(1, sizeof(struct shapes));
}

static void forget(struct shapes *s)
{
    for (size_t k = 0; k < SHAPES_KEPT; k++) {
        s->requests[k].state = NOTHING;
        s->answers[k].state = NOTHING;
    }
}

void shapes_free(struct shapes *s)
{
    if (s == NULL)
        return;
    for (size_t k = 0; k < SHAPES_KEPT; k++) {
        str_fini(&s->requests[k].path);
        str_fini(&s->requests[k].text);
        str_fini(&s->answers[k].before);
        str_fini(&s->answers[k].behind);
    }
    str_fini(&s->trial.path);
    str_fini(&s->trial.body);
    str_fini(&s->filled);
    free(s);
}

/* false: the codec makes no promise. */
static bool steady(struct shapes *s, const struct codec_ops *codec)
{
    unsigned generation = s != NULL && codec->steady != NULL ? codec->steady(codec->ctx) : 0;
    if (generation != 0 && generation != s->generation) {
        forget(s);
        s->generation = generation;
    }
    return generation != 0;
}

/* ---- requests ---- */

/* The text of a number as the codec gets it. */
static size_t number_text(const struct order *o, const struct instrument *i, int what,
                          char text[DECIMAL_BUF])
{
    decimal d = what == PUT_VOLUME ? o->volume
                                   : instrument_price(i, what == PUT_STOP ? o->stop : o->target);
    return decimal_format(d, text);
}

static void fill(const struct request_shape *r, const struct order *o, const struct instrument *i,
                 struct str *out)
{
    size_t from = 0;
    char text[DECIMAL_BUF];
    str_clear(out);
    for (int k = 0; k < PUTS; k++) {
        str_add(out, r->text.p + from, r->puts[k].at - from);
        str_add(out, text, number_text(o, i, r->puts[k].what, text));
        from = r->puts[k].at;
    }
    str_add(out, r->text.p + from, r->text.len - from);
}

/* Where `text` stands in the body, if it does so once. */
static const char *only(const struct str *body, const char *text, size_t n)
{
    const char *at = memmem(body->p, body->len, text, n);
    if (at == NULL)
        return NULL;
    const char *rest = at + 1;
    return memmem(rest, body->len - (size_t)(rest - body->p), text, n) == NULL ? at : NULL;
}

/* Cuts the numbers of o out of what the codec made of it. */
static bool cut(struct request_shape *r, const struct codec_request *q, const struct order *o,
                const struct instrument *i)
{
    const char *at[PUTS];
    size_t size[PUTS];
    int sorted[PUTS] = {PUT_VOLUME, PUT_STOP, PUT_TARGET};
    for (int k = 0; k < PUTS; k++) {
        char text[DECIMAL_BUF];
        size[k] = number_text(o, i, k, text);
        at[k] = only(&q->body, text, size[k]);
        if (at[k] == NULL)
            return false;
    }
    for (int k = 1; k < PUTS; k++)
        for (int j = k; j > 0 && at[sorted[j]] < at[sorted[j - 1]]; j--) {
            int kept = sorted[j];
            sorted[j] = sorted[j - 1];
            sorted[j - 1] = kept;
        }
    const char *from = q->body.p, *end = q->body.p + q->body.len;
    str_clear(&r->text);
    for (int k = 0; k < PUTS; k++) {
        int what = sorted[k];
        if (at[what] < from)
            return false; /* one inside another */
        str_add(&r->text, from, (size_t)(at[what] - from));
        r->puts[k].at = r->text.len;
        r->puts[k].what = what;
        from = at[what] + size[what];
    }
    str_add(&r->text, from, (size_t)(end - from));
    memcpy(r->method, q->method, sizeof r->method);
    str_clear(&r->path);
    str_add(&r->path, q->path.p, q->path.len);
    return !r->text.failed && !r->path.failed;
}

static bool equal(const struct str *a, const struct str *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

static bool foretells(struct shapes *s, const struct request_shape *r,
                      const struct codec_request *q, const struct order *o,
                      const struct instrument *i)
{
    fill(r, o, i, &s->filled);
    return !s->filled.failed && strcmp(q->method, r->method) == 0 && equal(&q->path, &r->path) &&
           equal(&q->body, &s->filled);
}

/* Asks the codec about an order that is never sent. */
static bool try_encode(struct shapes *s, const struct codec_ops *codec, const char *broker,
                       const struct order *o, const struct instrument *i)
{
    struct err e;
    struct codec_request *q = &s->trial;
    memset(q->method, 0, sizeof q->method);
    str_clear(&q->path);
    str_clear(&q->body);
    return codec->encode(codec->ctx, broker, o, i, q, &e) == 0 && !q->path.failed &&
           !q->body.failed;
}

/* out: what the codec made of o, the order at hand. */
static void learn_request(struct shapes *s, struct request_shape *r, const struct codec_ops *codec,
                          const char *broker, const struct order *o, const struct instrument *i,
                          const struct codec_request *out)
{
    static const struct {
        int64_t volume, price, stop, target;
    } others[] = {{DECIMAL_ONE / 100, 150000, 100000, 200000}, /* least, and round prices */
                  {DECIMAL_ONE * 3, 170001, 100001, 200001}};  /* whole */
    struct order made_up = *o;
    made_up.id = 1;
    made_up.volume = decimal_raw(INT64_C(1234567891));
    made_up.price = 8765432, made_up.stop = 7654321, made_up.target = 9876543;
    r->state = USELESS;
    if (!try_encode(s, codec, broker, &made_up, i) || !cut(r, &s->trial, &made_up, i))
        return;
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        made_up.id++;
        made_up.volume = decimal_raw(others[k].volume);
        made_up.price = others[k].price;
        made_up.stop = others[k].stop;
        made_up.target = others[k].target;
        if (!try_encode(s, codec, broker, &made_up, i) || !foretells(s, r, &s->trial, &made_up, i))
            return;
    }
    if (foretells(s, r, out, o, i))
        r->state = USABLE;
}

static bool same_request(const struct request_shape *r, const char *broker, const struct order *o,
                         const struct instrument *i)
{
    return r->side == o->side && r->i.price_digits == i->price_digits &&
           r->i.volume_digits == i->volume_digits && strcmp(r->i.symbol, i->symbol) == 0 &&
           strcmp(r->i.venue, i->venue) == 0 && strcmp(r->broker, broker) == 0;
}

/* The shape of such requests, or a free place for it; NULL: all are taken. */
static struct request_shape *request_shape(struct shapes *s, const char *broker,
                                           const struct order *o, const struct instrument *i)
{
    for (size_t k = 0; k < SHAPES_KEPT; k++) {
        struct request_shape *r = &s->requests[k];
        if (r->state == NOTHING || same_request(r, broker, o, i))
            return r;
    }
    return NULL;
}

int shape_encode(struct shapes *s, const struct codec_ops *codec, const char *broker,
                 const struct order *o, const struct instrument *i, struct codec_request *out,
                 struct err *e)
{
    struct request_shape *r = NULL;
    if (o->op == ORDER_OPEN && o->stop > 0 && o->target > 0 && steady(s, codec) &&
        strlen(broker) < sizeof r->broker)
        r = request_shape(s, broker, o, i);
    if (r != NULL && r->state == USABLE) {
        memcpy(out->method, r->method, sizeof out->method);
        str_clear(&out->path);
        str_add(&out->path, r->path.p, r->path.len);
        fill(r, o, i, &out->body);
        return 0;
    }
    int rc = codec->encode(codec->ctx, broker, o, i, out, e);
    if (rc == 0 && r != NULL && r->state == NOTHING) {
        memset(r->broker, 0, sizeof r->broker);
        memcpy(r->broker, broker, strlen(broker));
        r->i = *i;
        r->side = o->side;
        learn_request(s, r, codec, broker, o, i, out);
    }
    return rc;
}

/* ---- answers ---- */

/* Letters and digits alone: nothing that could mean anything in JSON. */
static bool plain_id(const char *p, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (!((p[k] >= '0' && p[k] <= '9') || (p[k] >= 'A' && p[k] <= 'Z') ||
              (p[k] >= 'a' && p[k] <= 'z')))
            return false;
    return n > 0 && n < sizeof((struct verdict *)0)->broker_id;
}

/* The id in a body of this shape. */
static bool fits(const struct answer_shape *s, const struct codec_answer *a, const char **id,
                 size_t *n)
{
    size_t frame = s->before.len + s->behind.len;
    if (a->body_size <= frame || memcmp(a->body, s->before.p, s->before.len) != 0 ||
        memcmp(a->body + a->body_size - s->behind.len, s->behind.p, s->behind.len) != 0)
        return false;
    *id = a->body + s->before.len;
    *n = a->body_size - frame;
    return plain_id(*id, *n);
}

static bool plainly_accepted(const struct verdict *v)
{
    return v->kind == VERDICT_ACCEPTED && v->code[0] == '\0' && v->reason[0] == '\0' &&
           v->retry_after_ms == 0 && plain_id(v->broker_id, strlen(v->broker_id));
}

static void learn_answer(struct answer_shape *s, const char *broker, const struct codec_answer *a,
                         const struct verdict *v)
{
    char quoted[40];
    struct str body = {.p = (char *)(uintptr_t)a->body, .len = a->body_size};
    size_t n = strlen(v->broker_id);
    quoted[0] = '"';
    memcpy(quoted + 1, v->broker_id, n);
    quoted[n + 1] = '"';
    const char *at = only(&body, quoted, n + 2);
    if (at == NULL || only(&body, v->broker_id, n) != at + 1)
        return; /* the next answer may tell more */
    memset(s->broker, 0, sizeof s->broker);
    memcpy(s->broker, broker, strlen(broker));
    str_clear(&s->before);
    str_clear(&s->behind);
    str_add(&s->before, a->body, (size_t)(at + 1 - a->body));
    str_add(&s->behind, at + 1 + n, (size_t)(a->body + a->body_size - (at + 1 + n)));
    if (!s->before.failed && !s->behind.failed)
        s->state = CANDIDATE;
}

static struct answer_shape *answer_shape(struct shapes *s, const char *broker)
{
    for (size_t k = 0; k < SHAPES_KEPT; k++)
        if (s->answers[k].state == NOTHING || strcmp(s->answers[k].broker, broker) == 0)
            return &s->answers[k];
    return NULL;
}

int shape_decode(struct shapes *s, const struct codec_ops *codec, const char *broker,
                 const struct order *o, const struct codec_answer *a, struct verdict *out,
                 struct err *e)
{
    struct answer_shape *shape = NULL;
    const char *id = NULL;
    size_t n = 0;
    if (o->op == ORDER_OPEN && a->status == 200 && a->body_size > 0 && steady(s, codec) &&
        strlen(broker) < sizeof shape->broker)
        shape = answer_shape(s, broker);
    bool fit = shape != NULL && (shape->state == CANDIDATE || shape->state == USABLE) &&
               fits(shape, a, &id, &n);
    if (fit && shape->state == USABLE) {
        out->kind = VERDICT_ACCEPTED;
        memcpy(out->broker_id, id, n);
        out->broker_id[n] = '\0';
        return 0;
    }
    int rc = codec->decode(codec->ctx, broker, o, a, out, e);
    bool accepted = rc == 0 && plainly_accepted(out);
    if (shape != NULL && shape->state == NOTHING && accepted) {
        learn_answer(shape, broker, a, out);
    } else if (fit) {
        bool right = accepted && strlen(out->broker_id) == n && memcmp(out->broker_id, id, n) == 0;
        shape->state = right ? USABLE : USELESS;
    }
    return rc;
}
