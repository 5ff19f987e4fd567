/* SPDX-License-Identifier: MIT
 *
 * Strategies: manifest, definition, parameters, signals, and that an error stops one strategy
 * alone.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "script_strategy_fixture.h"

static void test_manifest(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"return 1", "-- name"},
        {"-- name: Bad Name\n-- version: 1\n-- api: 1\n", "-- name"},
        {"-- name: x\n-- api: 1\n", "-- version"},
        {"-- name: x\n-- version: 1\n", "-- api: 1"},
        {"-- name: x\n-- version: 1\n-- api: 2\n", "-- api: 1"},
        {"\n-- name: x\n-- version: 1\n-- api: 1\n", "-- name"},
        {"", "-- name"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        struct strategy_config c = {.path = write_file("m.lua", bad[i][0], strlen(bad[i][0])),
                                    .instance = "m",
                                    .symbol = "X"};
        assert_int_equal(strategy_check(&c, &e), ERR_INPUT);
        assert_non_null(strstr(e.message, bad[i][1]));
        assert_non_null(strstr(e.message, "m.lua:1:"));
    }
    struct err e = {0};
    struct strategy_config gone = {.path = "/nowhere/x.lua", .instance = "m", .symbol = "X"};
    assert_int_equal(strategy_check(&gone, &e), ERR_INPUT);
    assert_non_null(strstr(e.message, "/nowhere/x.lua"));
}

static void test_definition(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"return 1", "must return a table, not number"},
        {"return {}", "no handler"},
        {"return { on_bar = 1 }", "on_bar must be a function"},
        {"return { on_bar = function() end }", "needs timeframes"},
        {"return { timeframes = { '2m' }, on_bar = print }", "\"2m\" is none of 1s"},
        {"return { on_qoute = print }", "did you mean \"on_quote\""},
        {"return { on_quote = print, init = 1 }", "init must be a function"},
        {"return { on_quote = print, init = function() error('no') end }", "probe.lua:4: no"},
        {"return { on_quote = print, indicators = 1 }", "indicators must be"},
        {"return { on_quote = print, indicators = { a = { 'rsy', timeframe = '1m' } } }",
         "indicators.a: unknown indicator \"rsy\""},
        {"return { on_quote = print, indicators = { a = { 'rsi' } } }", "timeframe is none of"},
        {"return { on_quote = print, indicators = { a = { 'rsi', timeframe = '1m', perod = 3 } } }",
         "did you mean \"period\""},
        {"return { on_quote = print, indicators = { a = { 'rsi', timeframe = '1m', period = 0 } } "
         "}",
         "indicators.a:"},
        {"return { on_quote = print, indicators = { a = { 'sma', timeframe = '1m', input = 'x' } } "
         "}",
         "input is none of"},
        {"return { on_quote = print, indicators = function(p) return p.x.y end }", "probe.lua:4:"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e;
        assert_int_equal(check(bad[i][0], NULL, &e), ERR_INPUT);
        if (!strstr(e.message, bad[i][1]) || !strstr(e.message, "probe.lua"))
            fail_msg("%s\nsaid: %s", bad[i][0], e.message);
    }
}

#define SCHEMA                                                                                     \
    "return { on_quote = function() end, params = {\n"                                             \
    "  volume = { type = 'number', default = 3, min = 1, max = 20, step = 0.5, text = 't' },\n"    \
    "  period = { type = 'integer', default = 14, min = 2 },\n"                                    \
    "  use = { type = 'boolean', default = true },\n"                                              \
    "  mode = { type = 'string', default = 'all', choices = { 'all', 'any' } } },\n"               \
    "  init = function(ctx) assert(math.type(ctx.params.period) == 'integer')\n"                   \
    "    assert(not pcall(function() ctx.params.period = 1 end)) end }"

static void test_params(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"{\"volme\":3}", "unknown parameter \"volme\" (did you mean \"volume\"?)"},
        {"{\"zzzzzz\":3}", "unknown parameter \"zzzzzz\""},
        {"{\"volume\":30}", "params.volume: 30 is outside of 1..20"},
        {"{\"period\":1}", "params.period: 1 is below the least, 2"},
        {"{\"period\":2.5}", "params.period: the value must be an integer"},
        {"{\"volume\":\"3\"}", "params.volume: the value must be a number"},
        {"{\"use\":1}", "params.use: the value must be a boolean"},
        {"{\"mode\":\"none\"}", "params.mode: \"none\" is none of: all any"},
        {"{\"mode\":null}", "params.mode: the value must be a string"},
        {"[1]", "a JSON object expected"},
        {"{", "params:"},
        {"7", "a JSON object expected"},
    };
    struct err e;
    assert_int_equal(check(SCHEMA, NULL, &e), 0);
    assert_int_equal(check(SCHEMA, "{\"volume\":2.5,\"period\":20,\"use\":false}", &e), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(check(SCHEMA, bad[i][0], &e), ERR_INPUT);
        if (!strstr(e.message, bad[i][1]))
            fail_msg("%s\nsaid: %s", bad[i][0], e.message);
    }
    static const char *const schemas[][2] = {
        {"{ a = 1 }", "params.a: a table"},
        {"{ a = { type = 'float', default = 1 } }", "params.a: type must be"},
        {"{ a = { type = 'number' } }", "params.a: it has no default"},
        {"{ a = { type = 'number', default = 5, max = 4 } }", "params.a: 5 is above the most, 4"},
        {"{ a = { type = 'number', default = 0/0 } }", "params.a: the default must be a number"},
        {"{ a = { type = 'number', default = 1, min = 3, max = 2 } }", "min is above max"},
        {"{ a = { type = 'number', default = 1, step = 0 } }", "step must be above 0"},
        {"{ a = { type = 'number', default = 1, mim = 0 } }", "unknown field \"mim\""},
        {"{ a = { type = 'string', default = 'x', choices = { 'y' } } }", "is none of: y"},
        {"7", "params must be a table"},
    };
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        char body[512];
        snprintf(body, sizeof body, "return { on_quote = function() end, params = %s }",
                 schemas[i][0]);
        assert_int_equal(check(body, NULL, &e), ERR_INPUT);
        if (!strstr(e.message, schemas[i][1]))
            fail_msg("%s\nsaid: %s", schemas[i][0], e.message);
    }
}

/* ---- with a market ---- */

struct heard {
    int signals, stops;
    struct strategy_signal last;
    char conditions[1024], plan[1024], why[256];
    bool free_in_signal;
};

static void on_signal(void *arg, struct strategy *s, const struct strategy_signal *x)
{
    struct heard *h = arg;
    h->signals++;
    h->last = *x;
    snprintf(h->conditions, sizeof h->conditions, "%s", x->conditions);
    snprintf(h->plan, sizeof h->plan, "%s", x->plan);
    if (h->free_in_signal)
        strategy_free(s);
}

static void on_stop(void *arg, struct strategy *s, const char *why, const char *trace)
{
    struct heard *h = arg;
    h->stops++;
    assert_int_not_equal(trace[0], '\0');
    snprintf(h->why, sizeof h->why, "%s", why);
    assert_false(strategy_running(s));
}

static struct market *new_market(void)
{
    struct err e;
    struct market *m = market_new(&e);
    assert_non_null(m);
    assert_int_equal(market_symbol_add(m, "BTCUSD", 0.1, &e), 0);
    assert_int_equal(market_symbol_add(m, "ETHUSD", 0.1, &e), 1);
    return m;
}

static struct strategy *load(struct market *m, const char *body, const char *params,
                             struct heard *h)
{
    struct err e = {0};
    struct strategy *s = NULL;
    struct strategy_config c = config_of(body, params);
    if (strategy_load(&s, m, NULL, &c, on_signal, on_stop, h, &e) != 0)
        fail_msg("%s", e.message);
    return s;
}

static void quote(struct market *m, int64_t t, double bid)
{
    struct quote q = {.time_ms = t, .bid = bid, .ask = bid + 1};
    assert_int_equal(market_quote(m, 0, &q), 0);
}

/* One handler call that returns the given signal. */
static void say(const char *signal, struct heard *h)
{
    char body[2048];
    struct market *m = new_market();
    memset(h, 0, sizeof *h);
    snprintf(body, sizeof body, "return { on_quote = function() return %s end }", signal);
    struct strategy *s = load(m, body, NULL, h);
    quote(m, 1000, 100);
    strategy_free(s);
    market_free(m);
}

static void test_signal(void **state)
{
    (void)state;
    struct heard h;
    say("{ action = 'OPEN_LONG', price = 100, stop = 99.5, target = 101, confidence = 0.8,\n"
        " strength = 1, reason = 'why', holding_ms = 60000,\n"
        " conditions = { { pass = true, name = 'rsi', zeta = 1, value = 61.5, threshold = 70,\n"
        "   source = 'x', alpha = 2 }, { name = 'b', pass = false } },\n"
        " plan = { z = 1, a = { 1, 2, { q = 'x' } }, m = 1.5, e = {} } }",
        &h);
    assert_int_equal(h.signals, 1);
    assert_int_equal(h.stops, 0);
    assert_string_equal(h.last.action, "OPEN_LONG");
    assert_true(h.last.price > 99.99 && h.last.price < 100.01);
    assert_true(h.last.stop > 99.49 && h.last.stop < 99.51);
    assert_int_equal(h.last.holding_ms, 60000);
    assert_string_equal(h.last.reason, "why");
    assert_string_equal(h.conditions,
                        "[{\"name\":\"rsi\",\"value\":61.5,\"threshold\":70,\"source\":\"x\","
                        "\"pass\":true,\"alpha\":2,\"zeta\":1},{\"name\":\"b\",\"pass\":false}]");
    assert_string_equal(h.plan, "{\"a\":[1,2,{\"q\":\"x\"}],\"e\":{},\"m\":1.5,\"z\":1}");
    static const char *const good[] = {
        "{ action = 'CLOSE' }", "{ action = 'OPEN_SHORT', price = 100, stop = 101, target = 99 }",
        "{ action = 'OPEN_LONG', stop = 1, target = 2 }", "{ action = 'CLOSE', plan = {} }",
        "{ action = 'CLOSE', conditions = {}, holding_ms = 5.0, reason = ('é'):rep(200) }"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        say(good[i], &h);
        assert_int_equal(h.signals, 1);
        assert_int_equal(h.stops, 0);
    }
    assert_int_equal(strlen(h.last.reason), 158); /* cut between characters */
    say("nil", &h);
    assert_int_equal(h.signals + h.stops, 0);
    say("false", &h);
    assert_int_equal(h.signals + h.stops, 0);
}

static void test_bad_signal(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"1", "returned number, not a signal"},
        {"true", "returned boolean"},
        {"{}", "signal.action is none of"},
        {"{ action = 'HOLD' }", "signal.action is none of"},
        {"{ action = 'OPEN_LONG', stpo = 1 }", "unknown field \"stpo\" (did you mean \"stop\"?)"},
        {"{ action = 'OPEN_LONG', [1] = 1 }", "key that is no string"},
        {"{ action = 'OPEN_LONG', price = 0/0 }", "signal.price is not finite"},
        {"{ action = 'OPEN_LONG', price = math.huge }", "signal.price is not finite"},
        {"{ action = 'OPEN_LONG', price = '1' }", "signal.price is no number"},
        {"{ action = 'OPEN_LONG', price = -1 }", "signal.price is negative"},
        {"{ action = 'OPEN_LONG', price = 100, stop = 101 }", "signal.stop is not on the losing"},
        {"{ action = 'OPEN_LONG', price = 100, stop = 100 }", "signal.stop is not on the losing"},
        {"{ action = 'OPEN_SHORT', price = 100, stop = 99 }", "signal.stop is not on the losing"},
        {"{ action = 'OPEN_LONG', price = 100, target = 99 }",
         "signal.target is not on the winning"},
        {"{ action = 'OPEN_SHORT', price = 100, target = 101 }", "signal.target is not on the"},
        {"{ action = 'OPEN_SHORT', stop = 1, target = 2 }", "signal.target is on the losing side"},
        {"{ action = 'CLOSE', confidence = 1.1 }", "signal.confidence is outside of 0..1"},
        {"{ action = 'CLOSE', strength = -0.1 }", "signal.strength is outside of 0..1"},
        {"{ action = 'CLOSE', reason = 1 }", "signal.reason is no text"},
        {"{ action = 'CLOSE', holding_ms = 1.5 }", "signal.holding_ms is no whole number"},
        {"{ action = 'CLOSE', holding_ms = -1 }", "signal.holding_ms is outside"},
        {"{ action = 'CLOSE', conditions = 1 }", "signal.conditions is no table"},
        {"{ action = 'CLOSE', conditions = { 1 } }", "signal.conditions must be a list of tables"},
        {"{ action = 'CLOSE', conditions = { a = 1 } }", "signal.conditions must be a list"},
        {"{ action = 'CLOSE', conditions = { { name = 'x', value = 0/0 } } }", "not finite"},
        {"{ action = 'CLOSE', plan = { 1 } }", "signal.plan must be a table with names"},
        {"{ action = 'CLOSE', plan = { f = print } }", "no plain data"},
        {"{ action = 'CLOSE', plan = (function() local t = {} t.t = t return t end)() }",
         "nested too deeply"},
        {"{ action = 'CLOSE', plan = { s = ('x'):rep(20000) } }", "over 16 KiB"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct heard h;
        say(bad[i][0], &h);
        if (h.signals != 0 || h.stops != 1 || !strstr(h.why, bad[i][1]) ||
            !strstr(h.why, "probe.lua:4: on_quote: "))
            fail_msg("%s\nsaid: %s (signals %d, stops %d)", bad[i][0], h.why, h.signals, h.stops);
    }
}

static void test_error_stops_one_alone(void **state)
{
    (void)state;
    struct market *m = new_market();
    struct heard bad = {0}, good = {0};
    struct strategy *b = load(m,
                              "local n = 0\n"
                              "return { on_quote = function()\n"
                              "  n = n + 1\n"
                              "  if n == 2 then error('second') end\n"
                              "end }",
                              NULL, &bad);
    struct strategy *g =
        load(m, "return { on_quote = function() return { action = 'CLOSE' } end }", NULL, &good);
    for (int i = 1; i <= 5; i++)
        quote(m, i * 1000, 100 + i);
    assert_int_equal(bad.stops, 1);
    assert_string_equal(bad.why, "probe.lua:7: second");
    assert_false(strategy_running(b));
    assert_true(strategy_running(g));
    assert_int_equal(good.signals, 5);
    strategy_free(b);
    quote(m, 9000, 100);
    assert_int_equal(good.signals, 6);
    strategy_free(g);
    quote(m, 10000, 100);
    assert_int_equal(good.signals, 6);
    market_free(m);
}

static void test_overrun_stops_one_alone(void **state)
{
    (void)state;
    struct market *m = new_market();
    struct heard bad = {0}, good = {0};
    struct strategy *b = load(
        m, "local t = {} return { on_quote = function() for i = 1, 1e7 do t[#t + 1] = {} end end }",
        NULL, &bad);
    struct strategy *g =
        load(m, "return { on_quote = function() return { action = 'CLOSE' } end }", NULL, &good);
    quote(m, 1000, 100);
    quote(m, 2000, 100);
    assert_int_equal(bad.stops, 1);
    assert_non_null(strstr(bad.why, "probe.lua: not enough memory"));
    assert_int_equal(good.signals, 2);
    strategy_free(b);
    strategy_free(g);
    market_free(m);
}

static void test_free_inside_of_a_signal(void **state)
{
    (void)state;
    struct market *m = new_market();
    struct heard h = {.free_in_signal = true};
    (void)load(m, "return { on_quote = function() return { action = 'CLOSE' } end }", NULL, &h);
    quote(m, 1000, 100);
    quote(m, 2000, 100);
    assert_int_equal(h.signals, 1);
    market_free(m);
}

static void test_no_yield(void **state)
{
    (void)state;
    struct market *m = new_market();
    struct heard h = {0};
    struct strategy *s =
        load(m, "return { on_quote = function() coroutine.yield() end }", NULL, &h);
    quote(m, 1000, 100);
    assert_int_equal(h.stops, 1);
    strategy_free(s);
    market_free(m);
}

static void warm(struct market *m, int minutes)
{
    for (int i = 0; i < minutes; i++) {
        struct bar b = {.open_ms = (int64_t)(i + 1) * 60000,
                        .open = 100,
                        .high = 200,
                        .low = 90,
                        .close = 100 + i,
                        .volume = 1,
                        .prints = 1};
        assert_int_equal(market_warm(m, 0, BAR_1M, &b), 0);
    }
}

static void test_indicators_and_ctx(void **state)
{
    (void)state;
    struct market *m = new_market();
    struct err e;
    struct heard h = {0};
    warm(m, 10);
    struct strategy *s = load(
        m,
        "return { timeframes = { '1m' }, params = { n = { type = 'integer', default = 4 } },\n"
        "indicators = function(p) return { ma = { 'sma', period = p.n }, far = { 'sma', period = "
        "50 } } end,\n"
        "init = function(ctx)\n"
        "  assert(ctx:value('ma') == 107.5 and ctx:value('ma', 1, 1) == 106.5)\n"
        "  assert(ctx:value('far') == nil and not pcall(ctx.value, ctx, 'none'))\n"
        "  assert(ctx:quote() == nil and ctx:imbalance(5) == nil and ctx:microprice() == nil)\n"
        "  local b = ctx:bars('1m', 3) assert(#b == 3 and b[3].close == 109 and b[1].close == "
        "107)\n"
        "  assert(ctx.symbol == 'BTCUSD' and ctx.instance == 'one') ctx.state.n = 0\n"
        "  assert(not pcall(function() ctx.symbol = 'x' end)) ctx:log('hello')\n"
        "end,\n"
        "on_bar = function(ctx, tf, bar)\n"
        "  ctx.state.n = ctx.state.n + 1\n"
        "  assert(tf == '1m' and bar.close_ms == bar.open_ms + 60000 and ctx:value('ma'))\n"
        "  assert(ctx:now() >= bar.close_ms and bar.side == 'tick_rule', bar.side)\n"
        "  return { action = 'CLOSE', price = bar.close, plan = { n = ctx.state.n } }\n"
        "end,\n"
        "on_book = function(ctx, t)\n"
        "  assert(ctx:imbalance(1) == 0.75 and math.abs(ctx:microprice() - 100.15) < 1e-9)\n"
        "  assert(ctx:spread_bps() > 19) return { action = 'CLOSE', reason = 'book ' .. t }\n"
        "end,\n"
        "on_print = function(ctx, t, price, volume, buy)\n"
        "  assert(math.type(t) == 'integer' and price == 123.5 and volume == 2 and buy == 1)\n"
        "end }",
        NULL, &h);
    assert_string_equal(strategy_params(s), "{\"n\":4}");
    assert_string_equal(strategy_name(s), "probe");
    assert_string_equal(strategy_version(s), "3");
    assert_int_equal(strlen(strategy_hash(s)), 16);
    struct print p = {
        .time_ms = 700000, .price = 123.5, .volume = 2, .buy = 1, .side = BAR_SIDE_TICK_RULE};
    assert_int_equal(market_print(m, 0, &p), 0);
    market_advance(m, 725000);
    assert_string_equal(h.why, "");
    assert_int_equal(h.signals, 1); /* the minute from 660 s to 720 s */
    assert_string_equal(h.plan, "{\"n\":1}");
    struct book_level bid = {.price = 1000, .size = 3}, ask = {.price = 1002, .size = 1};
    assert_int_equal(market_depth(m, 0, 726000, &bid, 1, &ask, 1, &e), 0);
    assert_string_equal(h.why, "");
    assert_string_equal(h.last.reason, "book 726000");
    /* Another symbol is none of its business. */
    int before = h.signals;
    assert_int_equal(market_depth(m, 1, 726000, &bid, 1, &ask, 1, &e), 0);
    assert_int_equal(h.signals, before);
    strategy_free(s);
    market_free(m);
}

/* The same instance draws the same numbers; another instance others. */
static void test_random(void **state)
{
    (void)state;
    char first[1024] = "";
    for (int run = 0; run < 3; run++) {
        struct market *m = new_market();
        struct heard h = {0};
        struct err e = {0};
        struct strategy *s = NULL;
        struct strategy_config c =
            config_of("assert(not pcall(math.random, 2, 1))\n"
                      "return { on_quote = function() local x = math.random(3, 5)\n"
                      "assert(x >= 3 and x <= 5 and math.random() < 1 and math.random(1) == 1)\n"
                      "return { action = 'CLOSE', plan = { a = math.random(), b = math.random(1 << "
                      "60) } } end }",
                      NULL);
        if (run == 2)
            c.instance = "two";
        assert_int_equal(strategy_load(&s, m, NULL, &c, on_signal, on_stop, &h, &e), 0);
        quote(m, 1000, 100);
        assert_int_equal(h.signals, 1);
        if (run == 0)
            snprintf(first, sizeof first, "%s", h.plan);
        else if (run == 1)
            assert_string_equal(h.plan, first);
        else
            assert_string_not_equal(h.plan, first);
        strategy_free(s);
        market_free(m);
    }
}

static void test_load_failures_leave_nothing(void **state)
{
    (void)state;
    struct market *m = new_market();
    struct err e = {0};
    struct strategy *s = NULL;
    struct strategy_config c = config_of("return { timeframes = { '1m' }, on_bar = print, "
                                         "indicators = { a = { 'sma', period = 3 },\n"
                                         " b = { 'nope' } } }",
                                         NULL);
    assert_int_equal(strategy_load(&s, m, NULL, &c, on_signal, on_stop, NULL, &e), ERR_INPUT);
    assert_non_null(strstr(e.message, "indicators.b"));
    c.symbol = "NONE";
    assert_int_equal(strategy_load(&s, m, NULL, &c, on_signal, on_stop, NULL, &e), ERR_INPUT);
    assert_non_null(strstr(e.message, "no symbol \"NONE\""));
    quote(m, 1000, 100);
    market_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest),
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_bad_signal),
        cmocka_unit_test(test_error_stops_one_alone),
        cmocka_unit_test(test_overrun_stops_one_alone),
        cmocka_unit_test(test_free_inside_of_a_signal),
        cmocka_unit_test(test_no_yield),
        cmocka_unit_test(test_indicators_and_ctx),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_load_failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
