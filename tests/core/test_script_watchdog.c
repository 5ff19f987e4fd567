/* SPDX-License-Identifier: MIT
 *
 * Scripts that do not end: stopped in their handlers by the processor time that they use, and while
 * they are loaded by their steps, whatever they try. A test that fails here runs for ever.
 */
#include "script_strategy_fixture.h"

#include <signal.h>
#include <unistd.h>

#include <lauxlib.h>
#include "script/watchdog.h"

struct world {
    struct watchdog *dog;
    struct market *m;
    int signals, stops;
    char why[256], trace[2048];
};

static void on_signal(void *arg, struct strategy *s, const struct strategy_signal *x)
{
    struct world *w = arg;
    (void)s, (void)x;
    w->signals++;
}

static void on_stop(void *arg, struct strategy *s, const char *why, const char *trace)
{
    struct world *w = arg;
    (void)s;
    w->stops++;
    snprintf(w->why, sizeof w->why, "%s", why);
    snprintf(w->trace, sizeof w->trace, "%s", trace);
}

static void w_init(struct world *w)
{
    struct err e;
    memset(w, 0, sizeof *w);
    assert_int_equal(watchdog_new(&w->dog, &e), 0);
    w->m = market_new(&e);
    assert_non_null(w->m);
    assert_int_equal(market_symbol_add(w->m, "BTCUSD", 0.1, &e), 0);
}

static void w_fini(struct world *w)
{
    market_free(w->m);
    watchdog_free(w->dog);
}

static struct strategy *w_load(struct world *w, const char *body, unsigned hard_ms)
{
    struct err e = {0};
    struct strategy *s = NULL;
    struct strategy_config c = config_of(body, NULL);
    c.watchdog = w->dog;
    c.hard_ms = hard_ms;
    if (strategy_load(&s, w->m, NULL, &c, on_signal, on_stop, w, &e) != 0)
        fail_msg("%s", e.message);
    return s;
}

static void w_quote(struct world *w, int64_t t)
{
    struct quote q = {.time_ms = t, .bid = 100, .ask = 101};
    assert_int_equal(market_quote(w->m, 0, &q), 0);
}

/* Handlers that go on for ever, by every way that a script has. */
static const char *const endless[] = {
    "while true do end",
    "local function f() return f() end f()",
    "while true do pcall(function() while true do end end) end",
    "while true do xpcall(error, function() while true do end end) end",
    "pcall(pcall, pcall, function() while true do end end) while true do end",
    "coroutine.wrap(function() while true do end end)()",
    "local co = coroutine.create(function() while true do end end) coroutine.resume(co) while true "
    "do end",
    "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
    "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do "
    "co() end",
    "local function deep(n) if n == 0 then while true do end end\n"
    "  coroutine.wrap(function() pcall(deep, n - 1) while true do end end)() end deep(20)",
    "while true do local co = coroutine.wrap(function() while true do end end) pcall(co) end",
    "local t <close> = setmetatable({}, { __close = function() while true do end end })\n"
    "while true do end",
    "local co = coroutine.create(function() local t <close> = setmetatable({}, { __close = "
    "function()\n"
    "  while true do end end }) coroutine.yield() end)\n"
    "coroutine.resume(co) while true do coroutine.close(co) end",
    "local t = setmetatable({}, { __index = function(t, k) while true do end end }) return t.x",
    "local t = {} for i = 1, 200 do t[i] = i % 7 end\n"
    "while true do table.sort(t, function(a, b) for i = 1, 1e5 do end return a < b end) end",
    "while true do (('x'):rep(100)):gsub('.', function() for i = 1, 1e6 do end end) end",
    "local i = 0 while true do i = i + 1 pcall(error, i) end",
    "for _ in function() return 1 end do end",
    "goto a ::a:: goto a",
};

static void test_handlers_that_do_not_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
        struct world w;
        char body[1024];
        w_init(&w);
        snprintf(body, sizeof body, "return { on_quote = function()\n%s\nend }", endless[i]);
        struct strategy *s = w_load(&w, body, 10);
        w_quote(&w, 1000);
        assert_false(strategy_running(s));
        assert_int_equal(w.stops, 1);
        if (!strstr(w.why, "more than 10 ms of the processor") || !strstr(w.trace, "traceback"))
            fail_msg("%s\nsaid: %s", endless[i], w.trace);
        strategy_free(s);
        w_fini(&w);
    }
}

/* The others go on, and so does the watchdog. */
static void test_only_one_is_stopped(void **state)
{
    (void)state;
    struct world w;
    w_init(&w);
    struct strategy *good =
        w_load(&w, "return { on_quote = function() return { action = 'CLOSE' } end }", 0);
    struct strategy *first =
        w_load(&w, "return { on_quote = function() while true do end end }", 10);
    struct strategy *second = w_load(
        &w, "local n = 0 return { on_quote = function() n = n + 1 while n > 2 do end end }", 10);
    w_quote(&w, 1000);
    assert_false(strategy_running(first));
    w_quote(&w, 2000);
    assert_true(strategy_running(second));
    w_quote(&w, 3000);
    assert_false(strategy_running(second));
    w_quote(&w, 4000);
    assert_true(strategy_running(good));
    assert_int_equal(w.signals, 4);
    assert_int_equal(w.stops, 2);
    strategy_free(good);
    strategy_free(first);
    strategy_free(second);
    w_fini(&w);
}

/* Processor time counts: one that the machine, and not its own code, keeps waiting is not stopped.
 */
static int slow(lua_State *L)
{
    (void)L;
    (void)usleep(100000);
    return 0;
}

static void test_waiting_is_no_overrun(void **state)
{
    (void)state;
    struct err e;
    struct burst b;
    struct watchdog *dog;
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    assert_int_equal(watchdog_new(&dog, &e), 0);
    lua_pushcfunction(L, slow);
    burst_begin(&b, dog, L, 20);
    assert_int_equal(lua_pcall(L, 0, 0, 0), LUA_OK);
    assert_true(burst_end(&b, L) >= 100000000);
    assert_false(b.tripped);
    watchdog_free(dog);
    lua_close(L);
}

/* A hook that was set for one burst is not there in the next one; a burst inside of another one has
 * its own limit. */
static void test_bursts(void **state)
{
    (void)state;
    struct err e;
    struct burst outer, inner;
    struct watchdog *dog;
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    assert_int_equal(watchdog_new(&dog, &e), 0);
    for (int i = 0; i < 3; i++) {
        burst_begin(&outer, dog, L, 60000);
        burst_begin(&inner, dog, L, 10);
        assert_true(luaL_dostring(L, "while true do end"));
        assert_non_null(strstr(lua_tostring(L, -1), "more than 10 ms"));
        (void)burst_end(&inner, L);
        assert_true(inner.tripped);
        assert_false(luaL_dostring(L, "for i = 1, 1e6 do end"));
        (void)burst_end(&outer, L);
        assert_false(outer.tripped);
        assert_null(lua_gethook(L));
        lua_settop(L, 0);
    }
    (void)raise(SIGURG); /* one that comes when nothing runs does nothing */
    assert_false(luaL_dostring(L, "for i = 1, 1e6 do end"));
    watchdog_free(dog);
    lua_close(L);
}

static void test_cost(void **state)
{
    (void)state;
    struct world w;
    w_init(&w);
    struct strategy *s = w_load(&w,
                                "local n = 0 return { on_quote = function() n = n + 1\n"
                                "  if n == 2 then for i = 1, 1e7 do local x = i // 3 end end end }",
                                60000);
    for (int64_t t = 1; t <= 3; t++)
        w_quote(&w, t * 1000);
    struct strategy_cost cost = strategy_cost(s);
    assert_int_equal(cost.calls, 3);
    assert_true(cost.slow >= 1); /* of ten million rounds the second call */
    assert_true(cost.worst_ns > 5000000);
    assert_true(cost.total_ns >= cost.worst_ns);
    strategy_free(s);
    w_fini(&w);
}

/* Without a watchdog, as in virtual time and where a script is only checked. */
static void test_loading_is_counted_in_steps(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do xpcall(error, function() while true do end end) end",
        "local co = coroutine.create(function() local t <close> = setmetatable({}, { __close =\n"
        "  function() while true do end end }) while true do end end)\n"
        "coroutine.resume(co) coroutine.close(co)",
        "return { on_quote = function() end, init = function() while true do end end }",
        "return { on_quote = function() end, indicators = function() while true do end end }",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct err e;
        assert_int_equal(check(bodies[i], NULL, &e), ERR_INPUT);
        if (!strstr(e.message, "loading it took more than 100 million steps"))
            fail_msg("%s\nsaid: %s", bodies[i], e.message);
    }
}

/* What was made while it was loaded runs on without the hook of that time. */
static void test_coroutines_outlive_loading(void **state)
{
    (void)state;
    struct world w;
    w_init(&w);
    struct strategy *s =
        w_load(&w,
               "local co = coroutine.wrap(function() while true do\n"
               "    for i = 1, 2e6 do end coroutine.yield({ action = 'CLOSE' }) end end)\n"
               "co() return { on_quote = function() return co() end }",
               60000);
    for (int64_t t = 1; t <= 60; t++)
        w_quote(&w, t * 1000);
    assert_int_equal(w.signals, 60);
    strategy_free(s);
    w_fini(&w);
}

/* As the standard ones. */
static void test_coroutine_library(void **state)
{
    (void)state;
    static const char body[] =
        "local co = coroutine\n"
        "local c = co.create(function(a, b) local x, y = co.yield(a + b) error({ x, y }) end)\n"
        "local ok, v = co.resume(c, 1, 2) assert(ok and v == 3)\n"
        "ok, v = co.resume(c, 'p', 'q') assert(not ok and v[1] == 'p' and v[2] == 'q')\n"
        "ok, v = co.resume(c) assert(not ok and v == 'cannot resume dead coroutine', v)\n"
        "ok, v = co.resume(co.running()) assert(not ok and v:find('non%-suspended'), v)\n"
        "ok, v = pcall(co.resume, 7) assert(not ok and v:find('coroutine expected'), v)\n"
        "ok, v = pcall(co.wrap, 7) assert(not ok)\n"
        "local w = co.wrap(function(...) local t = { ... } while true do t = { co.yield(#t, ...) } "
        "end end)\n"
        "local n, a = w('x', 'y') assert(n == 2 and a == 'x') n = w() assert(n == 0)\n"
        "w = co.wrap(function() error('inner') end)\n"
        "ok, v = pcall(function() local r = w() return r end)\n"
        "assert(not ok and v:find('^probe.lua:%d+: probe.lua:%d+: inner$'), v)\n"
        "ok, v = pcall(w) assert(not ok and v:find('dead coroutine'), v)\n"
        "local log = {}\n"
        "local function closer(n) return setmetatable({}, { __close = function() log[#log + 1] = n "
        "end }) end\n"
        "c = co.create(function() local x <close> = closer(1) co.yield() end)\n"
        "co.resume(c) assert(co.close(c) and log[1] == 1 and co.status(c) == 'dead')\n"
        "assert(co.close(c))\n"
        "c = co.create(function() local x <close> = setmetatable({}, { __close = function()\n"
        "  error('in close', 0) end }) co.yield() end)\n"
        "co.resume(c) ok, v = co.close(c) assert(ok == false and v == 'in close', v)\n"
        "ok, v = pcall(co.close, (co.running())) assert(not ok and v:find('cannot close'), v)\n"
        "co.wrap(function() local outer = co.running()\n"
        "  co.wrap(function() ok, v = pcall(co.close, outer) end)() end)()\n"
        "assert(not ok and v:find('cannot close'), v)\n"
        "w = co.wrap(function() local x <close> = closer(2) error('boom') end)\n"
        "ok, v = pcall(w) assert(not ok and v:find('boom') and log[2] == 2, v)\n"
        "ok, v = xpcall(error, function(m) return m .. '!' end, 'no', 0) assert(not ok and v == "
        "'no!')\n"
        "assert(select('#', xpcall(function(...) return ... end, print, 1, nil, 3)) == 4)\n"
        "ok, v = pcall(xpcall, print, 7) assert(not ok and v:find('function expected'), v)\n"
        "w = co.wrap(function() return xpcall(function() return co.yield(1) + 1 end, print) end)\n"
        "assert(w() == 1) ok, v = w(41) assert(ok and v == 42)\n"
        "assert(select('#', co.resume(co.create(function() end))) == 1)\n"
        "return { on_quote = function() end }";
    struct err e;
    if (check(body, NULL, &e) != 0)
        fail_msg("%s", e.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handlers_that_do_not_end),
        cmocka_unit_test(test_only_one_is_stopped),
        cmocka_unit_test(test_waiting_is_no_overrun),
        cmocka_unit_test(test_bursts),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_loading_is_counted_in_steps),
        cmocka_unit_test(test_coroutines_outlive_loading),
        cmocka_unit_test(test_coroutine_library),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
