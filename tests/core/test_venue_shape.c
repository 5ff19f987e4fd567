/* SPDX-License-Identifier: MIT
 *
 * Shapes of requests and answers: what is put together is what the codec would have made, to the
 * byte; a codec that does not keep its promise is asked each time; nothing but a plain id is ever
 * taken out of an answer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "venue/shape.h"

struct fake {
    unsigned encoded, decoded;
    unsigned generation;
    enum {
        HONEST,
        WITH_ID,    /* writes the order's id */
        WITH_PRICE, /* writes the reference price */
        TWICE,      /* writes the stop in two places */
        ROUNDED,    /* writes whole volumes in another way */
        BY_SIZE,    /* another path for large orders */
        FAILS,      /* cannot write small orders */
        BY_ID,      /* refuses ids that end in 7 */
        WITH_REASON /* says something with an acceptance */
    } kind;
};

static int encode(void *ctx, const char *broker, const struct order *o, const struct instrument *i,
                  struct codec_request *out, struct err *e)
{
    struct fake *f = ctx;
    char volume[DECIMAL_BUF], price[DECIMAL_BUF], stop[DECIMAL_BUF], target[DECIMAL_BUF];
    f->encoded++;
    if (f->kind == FAILS && o->volume.v < decimal_int(5).v)
        return err_set(e, ERR_INPUT, "no");
    decimal_format(o->volume, volume);
    decimal_format(instrument_price(i, o->price), price);
    decimal_format(instrument_price(i, o->stop), stop);
    decimal_format(instrument_price(i, o->target), target);
    if (f->kind == ROUNDED && strchr(volume, '.') == NULL)
        strcat(volume, ".0");
    snprintf(out->method, sizeof out->method, "POST");
    str_clear(&out->path);
    str_addz(&out->path, f->kind == BY_SIZE && o->volume.v > decimal_int(1).v ? "/large" : "/open");
    str_clear(&out->body);
    str_addf(&out->body, "{\"b\":\"%s\",\"i\":\"%s\",\"s\":\"%s\",\"tp\":%s,\"v\":%s,\"sl\":%s",
             broker, i->symbol, side_name(o->side), target, volume, stop);
    if (f->kind == WITH_ID)
        str_addf(&out->body, ",\"id\":%llu", (unsigned long long)o->id);
    if (f->kind == WITH_PRICE)
        str_addf(&out->body, ",\"p\":%s", price);
    if (f->kind == TWICE)
        str_addf(&out->body, ",\"again\":%s", stop);
    str_addz(&out->body, "}");
    return 0;
}

static int decode(void *ctx, const char *broker, const struct order *o,
                  const struct codec_answer *a, struct verdict *out, struct err *e)
{
    struct fake *f = ctx;
    (void)broker, (void)o, (void)e;
    f->decoded++;
    const char *id = memmem(a->body, a->body_size, "\"id\":\"", 6);
    const char *end =
        id != NULL ? memchr(id + 6, '"', a->body_size - (size_t)(id + 6 - a->body)) : NULL;
    bool ok = memmem(a->body, a->body_size, "\"OK\"", 4) != NULL;
    out->kind = !ok ? VERDICT_UNKNOWN : VERDICT_ACCEPTED;
    if (end != NULL && ok)
        snprintf(out->broker_id, sizeof out->broker_id, "%.*s", (int)(end - id - 6), id + 6);
    if (f->kind == BY_ID && end != NULL && end[-1] == '7')
        out->kind = VERDICT_REJECTED;
    if (f->kind == WITH_REASON)
        snprintf(out->reason, sizeof out->reason, "slowly");
    return 0;
}

static unsigned steady(void *ctx)
{
    return ((struct fake *)ctx)->generation;
}

static struct codec_ops ops(struct fake *f)
{
    return (struct codec_ops){.ctx = f, .encode = encode, .decode = decode, .steady = steady};
}

static struct instrument instrument(void)
{
    return (struct instrument){
        .venue = "demo", .symbol = "BTCUSD.", .price_digits = 1, .volume_digits = 2};
}

static struct order order(struct rng *r, uint64_t id)
{
    return (struct order){.id = id,
                          .op = ORDER_OPEN,
                          .side = SIDE_BUY,
                          .volume = decimal_raw(1 + (int64_t)(rng_next(r) % 10000000000)),
                          .price = 1 + (int64_t)(rng_next(r) % 100000000),
                          .stop = 1 + (int64_t)(rng_next(r) % 100000000),
                          .target = 1 + (int64_t)(rng_next(r) % 100000000)};
}

/* Whatever the codec is, the result is its own. Returns how often it was asked for 200 orders. */
static unsigned asked(int kind, unsigned generation)
{
    struct fake f = {.kind = kind, .generation = generation}, plain = {.kind = kind};
    struct codec_ops codec = ops(&f);
    struct instrument i = instrument();
    struct shapes *s = shapes_new();
    struct codec_request got = {0}, want = {0};
    struct rng r;
    struct err e;
    rng_seed(&r, 5);
    for (uint64_t id = 1; id <= 200; id++) {
        struct order o = order(&r, id);
        if (id % 10 == 0)
            o.volume = decimal_int((int64_t)id);
        o.side = id % 2 ? SIDE_BUY : SIDE_SELL;
        if (id % 50 == 0)
            o.stop = 0;
        if (id % 51 == 0)
            o.op = ORDER_CLOSE;
        int rc = shape_encode(s, &codec, "demo", &o, &i, &got, &e);
        assert_int_equal(rc, encode(&plain, "demo", &o, &i, &want, &e));
        if (rc != 0)
            continue;
        assert_string_equal(got.method, want.method);
        assert_int_equal(got.path.len, want.path.len);
        assert_memory_equal(got.path.p, want.path.p, want.path.len);
        assert_int_equal(got.body.len, want.body.len);
        assert_memory_equal(got.body.p, want.body.p, want.body.len);
    }
    str_fini(&got.path), str_fini(&got.body), str_fini(&want.path), str_fini(&want.body);
    shapes_free(s);
    return f.encoded;
}

static void requests_are_the_codecs_to_the_byte(void **state)
{
    (void)state;
    /* Two sides, four calls to learn each; 7 that no shape is for (4 without a stop, 3 closes). */
    assert_int_equal(asked(HONEST, 1), 2 * 4 + 7);
    assert_int_equal(asked(HONEST, 0), 200);
    for (int kind = WITH_ID; kind <= FAILS; kind++)
        assert_true(asked(kind, 1) >= 200);
}

static void brokers_and_symbols_have_their_own(void **state)
{
    (void)state;
    struct fake f = {.generation = 1};
    struct codec_ops codec = ops(&f);
    struct instrument a = instrument(), b = instrument();
    struct shapes *s = shapes_new();
    struct codec_request got = {0};
    struct rng r;
    struct err e;
    rng_seed(&r, 1);
    struct order o = order(&r, 1);
    snprintf(b.symbol, sizeof b.symbol, "ETHUSD.");
    for (int k = 0; k < 3; k++) {
        assert_int_equal(shape_encode(s, &codec, "one", &o, &a, &got, &e), 0);
        assert_non_null(memmem(got.body.p, got.body.len, "\"one\",\"i\":\"BTCUSD.\"", 19));
        assert_int_equal(shape_encode(s, &codec, "two", &o, &a, &got, &e), 0);
        assert_non_null(memmem(got.body.p, got.body.len, "\"two\"", 5));
        assert_int_equal(shape_encode(s, &codec, "one", &o, &b, &got, &e), 0);
        assert_non_null(memmem(got.body.p, got.body.len, "ETHUSD.", 7));
        b.price_digits = 2; /* the venue has changed it: prices are written anew */
    }
    assert_int_equal(f.encoded, 4 * 4);
    f.generation = 2; /* another codec */
    assert_int_equal(shape_encode(s, &codec, "one", &o, &a, &got, &e), 0);
    assert_int_equal(f.encoded, 5 * 4);
    for (int k = 0; k < 40; k++) { /* more than there is room for */
        char name[24];
        snprintf(name, sizeof name, "broker%d", k);
        assert_int_equal(shape_encode(s, &codec, name, &o, &a, &got, &e), 0);
        assert_non_null(memmem(got.body.p, got.body.len, name, strlen(name)));
    }
    str_fini(&got.path), str_fini(&got.body);
    shapes_free(s);
}

static enum verdict_kind said(struct shapes *s, struct fake *f, const char *body, int status,
                              char id[32])
{
    struct codec_ops codec = ops(f);
    struct order o = {.op = ORDER_OPEN};
    struct codec_answer a = {.status = status, .body = body, .body_size = strlen(body)};
    struct verdict v = {.kind = VERDICT_UNKNOWN};
    struct err e;
    assert_int_equal(shape_decode(s, &codec, "demo", &o, &a, &v, &e), 0);
    memcpy(id, v.broker_id, 32);
    return v.kind;
}

static void answers_are_foretold_before_they_are_believed(void **state)
{
    (void)state;
    struct fake f = {.generation = 1};
    struct shapes *s = shapes_new();
    char id[32];
    assert_int_equal(said(s, &f, "{\"status\":\"OK\",\"id\":\"W1\"}", 200, id), VERDICT_ACCEPTED);
    assert_int_equal(said(s, &f, "{\"status\":\"OK\",\"id\":\"W22\"}", 200, id), VERDICT_ACCEPTED);
    assert_int_equal(f.decoded, 2);
    assert_int_equal(said(s, &f, "{\"status\":\"OK\",\"id\":\"abc333\"}", 200, id),
                     VERDICT_ACCEPTED);
    assert_string_equal(id, "abc333");
    assert_int_equal(f.decoded, 2);
    /* All of these go to the codec. */
    static const char *const others[] = {
        "{\"status\":\"OK\",\"id\":\"W1\"} ",
        "{\"status\":\"KO\",\"id\":\"W1\"}",
        "{\"status\":\"OK\",\"id\":\"\"}",
        "{\"status\":\"OK\",\"id\":\"W-1\"}",
        "{\"status\":\"OK\",\"id\":\"W\\\"1\"}",
        "{\"status\":\"OK\",\"id\":\"1\",\"x\":\"2\"}",
        "{\"status\":\"OK\",\"id\":\"W1\"",
        "",
        "{\"status\":\"OK\",\"id\":\"1234567890123456789012345678901x\"}"};
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        (void)said(s, &f, others[k], 200, id);
        assert_int_equal(f.decoded, 3 + k);
    }
    unsigned before = f.decoded;
    (void)said(s, &f, "{\"status\":\"OK\",\"id\":\"W5\"}", 201, id);
    assert_int_equal(f.decoded, before + 1);
    f.generation = 2;
    (void)said(s, &f, "{\"status\":\"OK\",\"id\":\"W5\"}", 200, id);
    assert_int_equal(f.decoded, before + 2);
    f.generation = 0;
    (void)said(s, &f, "{\"status\":\"OK\",\"id\":\"W5\"}", 200, id);
    assert_int_equal(f.decoded, before + 3);
    shapes_free(s);
}

static void a_codec_that_breaks_its_word_is_asked_each_time(void **state)
{
    (void)state;
    struct fake f = {.generation = 1, .kind = BY_ID};
    struct shapes *s = shapes_new();
    char id[32];
    assert_int_equal(said(s, &f, "{\"status\":\"OK\",\"id\":\"W1\"}", 200, id), VERDICT_ACCEPTED);
    assert_int_equal(said(s, &f, "{\"status\":\"OK\",\"id\":\"W7\"}", 200, id), VERDICT_REJECTED);
    assert_int_equal(said(s, &f, "{\"status\":\"OK\",\"id\":\"W2\"}", 200, id), VERDICT_ACCEPTED);
    assert_int_equal(said(s, &f, "{\"status\":\"OK\",\"id\":\"W17\"}", 200, id), VERDICT_REJECTED);
    assert_int_equal(f.decoded, 4);
    shapes_free(s);
    f = (struct fake){.generation = 1, .kind = WITH_REASON};
    s = shapes_new();
    for (int k = 0; k < 4; k++)
        (void)said(s, &f, "{\"status\":\"OK\",\"id\":\"W1\"}", 200, id);
    assert_int_equal(f.decoded, 4);
    /* An id that stands in two places says nothing of where the next one will. */
    f = (struct fake){.generation = 1};
    for (int k = 0; k < 4; k++)
        (void)said(s, &f, "{\"status\":\"OK\",\"id\":\"W1\",\"echo\":\"W1\"}", 200, id);
    assert_int_equal(f.decoded, 4);
    assert_int_equal(said(NULL, &f, "{\"status\":\"OK\",\"id\":\"W1\"}", 200, id),
                     VERDICT_ACCEPTED);
    shapes_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_the_codecs_to_the_byte),
        cmocka_unit_test(brokers_and_symbols_have_their_own),
        cmocka_unit_test(answers_are_foretold_before_they_are_believed),
        cmocka_unit_test(a_codec_that_breaks_its_word_is_asked_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
