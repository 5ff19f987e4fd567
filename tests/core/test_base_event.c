/* SPDX-License-Identifier: MIT
 *
 * Events: the registry is sound, every kind goes through frame and JSON, damage is seen.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/event.h"

static const char text[] = "tick \"1\"\n\xe2\x82\xac";
static const char json[] = "{\"a\":[1,2]}";

static void fill(struct event *e, const struct event_info *info)
{
    event_init(e, info->kind);
    e->seq = 77;
    e->market_ms = INT64_C(1640995200123);
    e->wall_us = INT64_C(1767323045678900);
    for (unsigned i = 0; i < info->count; i++) {
        switch (info->fields[i].type) {
        case EVENT_U64:
            event_set_u64(e, i, UINT64_MAX - i);
            break;
        case EVENT_I64:
            event_set_i64(e, i, INT64_MIN + i);
            break;
        case EVENT_TIME:
            event_set_time(e, i, 1640995200000 + (int64_t)i);
            break;
        case EVENT_DECIMAL:
            event_set_dec(e, i, decimal_raw(-1 - (int64_t)i));
            break;
        case EVENT_DOUBLE:
            event_set_f64(e, i, 0.1 * i - 1);
            break;
        case EVENT_BOOL:
            event_set_bool(e, i, i % 2 == 0);
            break;
        case EVENT_STRING:
            event_set_strz(e, i, text);
            break;
        case EVENT_JSON:
            event_set_json(e, i, json, strlen(json));
            break;
        case EVENT_ABSENT:
            fail();
        }
    }
}

static void check_value(const struct event *e, unsigned i, enum event_type type)
{
    size_t n;
    switch (type) {
    case EVENT_U64:
        assert_true(event_u64(e, i) == UINT64_MAX - i);
        break;
    case EVENT_I64:
        assert_true(event_i64(e, i) == INT64_MIN + (int64_t)i);
        break;
    case EVENT_TIME:
        assert_true(event_i64(e, i) == 1640995200000 + (int64_t)i);
        break;
    case EVENT_DECIMAL:
        assert_true(event_dec(e, i).v == -1 - (int64_t)i);
        break;
    case EVENT_DOUBLE:
        assert_true(event_f64(e, i) == 0.1 * i - 1);
        break;
    case EVENT_BOOL:
        assert_int_equal(event_flag(e, i), i % 2 == 0);
        break;
    case EVENT_STRING:
        assert_memory_equal(event_str(e, i, &n), text, strlen(text));
        assert_int_equal(n, strlen(text));
        break;
    case EVENT_JSON:
        assert_memory_equal(event_str(e, i, &n), json, strlen(json));
        assert_int_equal(n, strlen(json));
        break;
    case EVENT_ABSENT:
        fail();
    }
    assert_int_equal(e->v[i].type, type);
}

static void test_registry(void **state)
{
    (void)state;
    static const char *const taken[] = {"seq", "kind", "market_ms", "time", "wall_us"};
    size_t n;
    const struct event_info *all = event_info_all(&n);
    assert_true(n >= EVENT_KIND_account_state); /* no kind was taken away */
    for (size_t i = 0; i < n; i++) {
        const struct event_info *info = &all[i];
        assert_int_equal(info->kind, i + 1);
        assert_ptr_equal(event_info((uint16_t)(i + 1)), info);
        assert_ptr_equal(event_info_named(info->name, strlen(info->name)), info);
        assert_in_range(info->count, 1, EVENT_MAX_FIELDS);
        assert_true(strlen(info->text) > 0);
        for (unsigned f = 0; f < info->count; f++) {
            for (unsigned g = 0; g < f; g++)
                assert_string_not_equal(info->fields[f].name, info->fields[g].name);
            for (size_t t = 0; t < 5; t++)
                assert_string_not_equal(info->fields[f].name, taken[t]);
            assert_non_null(info->fields[f].text);
        }
    }
    assert_null(event_info(0));
    assert_null(event_info((uint16_t)(n + 1)));
    assert_null(event_info(UINT16_MAX));
    assert_null(event_info_named("sign", 4));
    assert_null(event_info_named("signalx", 7));
    assert_ptr_equal(event_info_named("signalx", 6), event_info(EVENT_KIND_signal));
    assert_string_equal(event_info(EVENT_KIND_signal)->fields[F_signal_target].name, "target");
    assert_int_equal(event_info(EVENT_KIND_signal)->fields[F_signal_target].type, EVENT_DECIMAL);
}

static void test_round_trip(void **state)
{
    (void)state;
    size_t n;
    const struct event_info *all = event_info_all(&n);
    struct str s;
    str_init(&s);
    for (size_t i = 0; i < n; i++) {
        struct event e, back;
        struct err err;
        str_clear(&s);
        fill(&e, &all[i]);
        assert_int_equal(event_encode(&e, &s), 0);
        assert_int_equal(event_decode(s.p, s.len, &back, &err), s.len);
        assert_int_equal(back.seq, 77);
        assert_true(back.market_ms == e.market_ms && back.wall_us == e.wall_us);
        assert_int_equal(back.kind, all[i].kind);
        assert_int_equal(back.count, all[i].count);
        for (unsigned f = 0; f < all[i].count; f++)
            check_value(&back, f, all[i].fields[f].type);
        /* The same bytes again, behind others. */
        size_t once = s.len;
        struct str twice;
        str_init(&twice);
        str_add(&twice, s.p, once);
        assert_int_equal(event_encode(&back, &twice), 0);
        assert_int_equal(twice.len, 2 * once);
        assert_memory_equal(s.p, twice.p + once, once);
        assert_int_equal(event_decode(twice.p, twice.len, &back, &err), once);
        str_fini(&twice);
    }
    str_fini(&s);
}

static void test_nothing_set(void **state)
{
    (void)state;
    size_t n, length;
    const struct event_info *all = event_info_all(&n);
    struct str s;
    str_init(&s);
    for (size_t i = 0; i < n; i++) {
        struct event e, back;
        char buf[4] = "abc";
        str_clear(&s);
        event_init(&e, all[i].kind);
        assert_int_equal(event_encode(&e, &s), 0);
        assert_int_equal(s.len, 36);
        assert_int_equal(event_decode(s.p, s.len, &back, NULL), 36);
        assert_int_equal(back.count, 0);
        for (unsigned f = 0; f < all[i].count; f++) {
            assert_int_equal(event_u64(&back, f), 0);
            assert_int_equal(event_i64(&back, f), 0);
            assert_int_equal(event_dec(&back, f).v, 0);
            assert_true(event_f64(&back, f) == 0);
            assert_false(event_flag(&back, f));
            assert_string_equal(event_str(&back, f, &length), "");
            assert_int_equal(length, 0);
            event_copy(&back, f, buf, sizeof buf);
            assert_string_equal(buf, "");
        }
    }
    str_fini(&s);
}

static void test_setters(void **state)
{
    (void)state;
    struct event e, back;
    struct str s;
    char buf[4];
    str_init(&s);
    event_init(&e, EVENT_KIND_signal);
    event_set_strz(&e, F_signal_symbol, "BTCUSD");
    event_set_strz(&e, F_signal_reason, "spike");
    event_set_strz(&e, F_signal_reason, NULL); /* taken back */
    event_set_str(&e, F_signal_strategy, "x", 0);
    event_set_json(&e, F_signal_plan, NULL, 5);
    assert_int_equal(event_encode(&e, &s), 0);
    assert_int_equal(event_decode(s.p, s.len, &back, NULL), s.len);
    assert_int_equal(back.count, F_signal_symbol + 1); /* absent ones at the end are not written */
    assert_int_equal(back.v[F_signal_strategy].type, EVENT_ABSENT);
    event_copy(&back, F_signal_symbol, buf, sizeof buf);
    assert_string_equal(buf, "BTC");
    memset(buf, 'z', sizeof buf);
    event_copy(&back, F_signal_symbol, buf, 0);
    assert_int_equal(buf[0], 'z');
    /* A getter of another type and a field out of range give nothing. */
    assert_int_equal(event_u64(&back, F_signal_symbol), 0);
    assert_string_equal(event_str(&back, 1000, NULL), "");
    str_fini(&s);
}

static void test_limit(void **state)
{
    (void)state;
    static char big[EVENT_MAX_FRAME + 10];
    struct event e, back;
    struct str s;
    memset(big, 'x', sizeof big);
    str_init(&s);
    str_addz(&s, "before");
    event_init(&e, EVENT_KIND_market_ended);
    event_set_str(&e, F_market_ended_reason, big, EVENT_MAX_FRAME - 36 - 5 + 1);
    assert_int_equal(event_encode(&e, &s), ERR_LIMIT);
    event_set_str(&e, F_market_ended_reason, big, sizeof big);
    assert_int_equal(event_encode(&e, &s), ERR_LIMIT);
    event_set_str(&e, F_market_ended_reason, big, (size_t)UINT32_MAX + 2);
    assert_int_equal(event_encode(&e, &s), ERR_LIMIT);
    assert_string_equal(s.p, "before");
    event_set_str(&e, F_market_ended_reason, big, EVENT_MAX_FRAME - 36 - 5);
    assert_int_equal(event_encode(&e, &s), 0);
    assert_int_equal(s.len, 6 + EVENT_MAX_FRAME);
    assert_int_equal(event_decode(s.p + 6, s.len - 6, &back, NULL), EVENT_MAX_FRAME);
    str_fini(&s);
}

/* Writes the right sum into a frame that was tampered with. */
static void reseal(struct str *s)
{
    uint32_t length = htole32((uint32_t)s->len - 8);
    memcpy(s->p, &length, 4);
    uint32_t sum = htole32(crc32c(0, s->p, s->len - 4));
    memcpy(s->p + s->len - 4, &sum, 4);
}

static void encode_notice(struct str *s)
{
    struct event e;
    str_clear(s);
    event_init(&e, EVENT_KIND_notice);
    e.seq = 5;
    event_set_strz(&e, F_notice_level, "info");
    event_set_strz(&e, F_notice_component, "exec");
    event_set_strz(&e, F_notice_text, "hello");
    assert_int_equal(event_encode(&e, s), 0);
}

static void expect_bad(struct str *s, const char *words)
{
    struct event e;
    struct err err = {0, ""};
    assert_int_equal(event_decode(s->p, s->len, &e, &err), ERR_INPUT);
    assert_int_equal(err.code, ERR_INPUT);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" has no \"%s\"", err.message, words);
}

static void test_other_versions(void **state)
{
    (void)state;
    struct event e;
    struct str s;
    str_init(&s);
    /* An older writer knew two fields. */
    encode_notice(&s);
    s.len -= 4 + 1 + 4 + 5;
    s.len += 4;
    s.p[6] = 2;
    reseal(&s);
    assert_int_equal(event_decode(s.p, s.len, &e, NULL), s.len);
    assert_int_equal(e.count, 2);
    size_t n;
    assert_string_equal(event_str(&e, F_notice_text, &n), "");
    assert_memory_equal(event_str(&e, F_notice_component, &n), "exec", 4);
    /* A newer one knows four. */
    encode_notice(&s);
    str_addc(&s, '\0');
    s.p[6] = 4;
    s.p[s.len - 5] = 0;
    reseal(&s);
    expect_bad(&s, "4 fields, this version knows 3");
    /* Or another kind. */
    encode_notice(&s);
    s.p[5] = 1;
    reseal(&s);
    expect_bad(&s, "newer version");
    encode_notice(&s);
    s.p[4] = 0;
    reseal(&s);
    expect_bad(&s, "kind 0");
    str_fini(&s);
}

static void test_bad_content(void **state)
{
    (void)state;
    struct event e;
    struct str s;
    str_init(&s);
    encode_notice(&s);
    s.p[32] = EVENT_I64;
    reseal(&s);
    expect_bad(&s, "field level has type 2");
    encode_notice(&s);
    s.p[32] = 99;
    reseal(&s);
    expect_bad(&s, "field level has type 99");
    encode_notice(&s);
    s.p[33] = 100; /* a string longer than the frame */
    reseal(&s);
    expect_bad(&s, "field level does not fit");
    encode_notice(&s);
    memset(s.p + 33, 0xff, 4);
    reseal(&s);
    expect_bad(&s, "field level does not fit");
    encode_notice(&s);
    s.p[6] = 2; /* the third field is left over */
    reseal(&s);
    expect_bad(&s, "left over");
    encode_notice(&s);
    s.len -= 10;
    s.p[6] = 3;
    reseal(&s);
    expect_bad(&s, "notice: ");
    event_init(&e, EVENT_KIND_script_loaded);
    event_set_bool(&e, F_script_loaded_ok, true);
    str_clear(&s);
    assert_int_equal(event_encode(&e, &s), 0);
    s.p[s.len - 5] = 2;
    reseal(&s);
    expect_bad(&s, "field ok does not fit");
    encode_notice(&s);
    memset(s.p, 0, 4);
    expect_bad(&s, "length of 0");
    memset(s.p, 0xff, 4);
    expect_bad(&s, "length of 4294967295");
    str_fini(&s);
}

static void test_damage(void **state)
{
    (void)state;
    struct event e;
    struct str s;
    str_init(&s);
    struct event full;
    fill(&full, event_info(EVENT_KIND_position_closed));
    assert_int_equal(event_encode(&full, &s), 0);
    for (size_t n = 0; n < s.len; n++)
        assert_int_equal(event_decode(s.p, n, &e, NULL), 0);
    for (size_t i = 0; i < s.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            s.p[i] = (char)(s.p[i] ^ (1 << bit));
            int64_t got = event_decode(s.p, s.len, &e, NULL);
            assert_true(got <= 0);
            /* Only the length can make it wait for more. */
            assert_true(got < 0 || i < 4);
            s.p[i] = (char)(s.p[i] ^ (1 << bit));
        }
    }
    assert_int_equal(event_decode(s.p, s.len, &e, NULL), s.len);
    str_fini(&s);
}

static void test_json_form(void **state)
{
    (void)state;
    struct event e;
    struct str s;
    str_init(&s);
    event_init(&e, EVENT_KIND_signal);
    e.seq = 9;
    e.market_ms = INT64_C(1640995200000);
    e.wall_us = 12;
    event_set_u64(&e, F_signal_signal, UINT64_MAX);
    event_set_strz(&e, F_signal_symbol, "BTC\"USD");
    event_set_dec(&e, F_signal_price, decimal_raw(850));
    event_set_f64(&e, F_signal_confidence, 0.0000085);
    event_set_json(&e, F_signal_conditions, "[{\"a\":1}]", 9);
    event_json(&e, &s);
    assert_string_equal(s.p, "{\"seq\":9,\"kind\":\"signal\",\"market_ms\":1640995200000,"
                             "\"time\":\"2022-01-01T00:00:00.000Z\",\"wall_us\":12,"
                             "\"signal\":\"18446744073709551615\",\"symbol\":\"BTC\\\"USD\","
                             "\"price\":\"0.0000085\",\"confidence\":0.0000085,"
                             "\"conditions\":[{\"a\":1}]}");
    str_clear(&s);
    event_init(&e, EVENT_KIND_position_opened);
    event_set_bool(&e, F_position_opened_ours, false);
    event_set_time(&e, F_position_opened_opened, -5);
    event_json(&e, &s);
    assert_string_equal(s.p, "{\"seq\":0,\"kind\":\"position_opened\",\"market_ms\":0,"
                             "\"time\":\"1970-01-01T00:00:00.000Z\",\"wall_us\":0,"
                             "\"opened\":-5,\"ours\":false}");
    str_clear(&s);
    event_init(&e, 999);
    event_json(&e, &s);
    assert_non_null(strstr(s.p, "\"kind\":\"999\""));
    str_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry),    cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_nothing_set), cmocka_unit_test(test_setters),
        cmocka_unit_test(test_limit),       cmocka_unit_test(test_other_versions),
        cmocka_unit_test(test_bad_content), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_json_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
