/* SPDX-License-Identifier: MIT
 *
 * The sandbox of strategies: what it refuses, its limits of memory, its libraries, and the order
 * of its tables.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "script_strategy_fixture.h"

#define RETURN "return { on_quote = function() end }"

/* Runs a snippet in the load phase: it must load (0), or fail with a message that holds `says`. */
static void try_snippet(const char *code, const char *says)
{
    char body[4096];
    struct err e;
    snprintf(body, sizeof body, "%s\n" RETURN, code);
    int rc = check(body, NULL, &e);
    if (says == NULL && rc != 0)
        fail_msg("refused: %s\n%s", code, e.message);
    if (says != NULL && rc == 0)
        fail_msg("not refused: %s", code);
    if (says != NULL && strstr(e.message, says) == NULL)
        fail_msg("%s\nsaid: %s\nwanted: %s", code, e.message, says);
    if (says != NULL)
        assert_int_equal(rc, ERR_INPUT);
}

static void test_escapes(void **state)
{
    (void)state;
    static const char *const harmless[] = {
        "assert(not os and not io and not debug and not package and not load and not loadstring)",
        "assert(not dofile and not loadfile and not warn and not string.dump and not arg)",
        "assert(not string.pack and not math.randomseed and not cjson)",
        "for k in pairs(_G) do assert(k ~= 'os' and k ~= 'load') end",
        "assert(_G._G == _G and getmetatable(_G) == nil)",
        "assert(getmetatable('') == false)",
        "assert(('x').dump == nil and ('x').rep ~= nil)",
        "assert(getmetatable(string) == 'read-only')",
        "assert(not pcall(setmetatable, string, {}))",
        "assert(not pcall(setmetatable, '', {}))",
        "assert(not pcall(rawset, math, 'floor', 1)); assert(math.floor(1.5) == 1)",
        "assert(not pcall(function() math.floor = 1 end))",
        "assert(not pcall(function() string.rep = nil end))",
        "assert(not pcall(table.insert, math, 1))",
        "assert(not pcall(setmetatable, {}, { __gc = function() end }))",
        "assert(not pcall(setmetatable, {}, { __mode = 'k' }))",
        "assert(tostring({}) == 'table' and tostring(print) == 'function')",
        "assert(string.format('%s %s', {}, print) == 'table function')",
        "assert(tostring(coroutine.create(print)) == 'thread')",
        "assert(not pcall(string.format, '%p', {})); assert(not pcall(string.format, '%-10p', {}))",
        "assert(not pcall(collectgarbage)); assert(not pcall(collectgarbage, 'stop'))",
        "assert(collectgarbage('count') > 1)",
        "assert(not pcall(require, 'os')); assert(not pcall(require, '../probe'))",
        "assert(not pcall(require, 'a/b')); assert(not pcall(require, 'probe\\0x'))",
        "assert(not pcall(require, ''))",
        "assert(#string.rep('x', 1 << 20) == 1 << 20); assert(not pcall(string.rep, 'x', 1 << 21))",
        "assert(not pcall(string.rep, 'x', math.maxinteger)); assert(string.rep('', 1 << 40) == "
        "'')",
        "assert(not pcall(string.rep, '', 1 << 30, 'ab')); assert(('ab'):rep(-1) == '')",
        "local t = ('a'):rep(50000); assert(not pcall(string.find, t, '.-.-.-b'))",
        "local t = ('a'):rep(50000); assert(not pcall(t.gsub, t, '(a*)*b', ''))",
        "local t = ('a'):rep(50000); assert(not pcall(t.match, t, '[%]a]-.-.-b'))",
        "local t = ('a'):rep(50000); assert(not pcall(t.gmatch, t, '^.-.-b'))",
        "local t = ('a'):rep(1 << 20); assert(not pcall(t.find, t, ('a'):rep(1 << 19) .. 'b', 1, "
        "true))",
        "assert(('a=1'):match('^(%a+)=(%d+)$') == 'a'); assert(('a.b'):find('.', 1, true) == 2)",
        "assert(not pcall(table.move, {}, 1, 1 << 40, 2))",
        "assert(not pcall(table.concat, {}, '', 1, math.maxinteger))",
        "assert(not pcall(table.unpack, {}, 1, 1 << 24))",
        "assert(not pcall(table.insert, setmetatable({}, { __len = function() return 1 << 50 end "
        "}), 1, 1))",
        "local function f() return f() + 1 end; assert(not pcall(f))",
        "local t = {}; for i = 1, 300 do t = setmetatable({}, { __index = t }) end; assert(t.x == "
        "nil)",
        "local ok = pcall(string.rep); assert(not ok)",
        "local s = 'x'; for i = 1, 190 do s = '(' .. s .. ')' end; assert(not pcall(string.find, "
        "'x', s))",
        "local co = coroutine.wrap(function() coroutine.yield(1) return 2 end); assert(co() + co() "
        "== 3)",
        "local function d(n) return coroutine.wrap(function() return d(n + 1) end)() end; "
        "assert(not pcall(d, 1))",
        "x = 1; assert(_G.x == 1 and x == 1)",
        "assert(utf8.char(228) == 'ä' and math.type(1) == 'integer' and select('#', 1, 2) == 2)",
        "print('a', {}, 1)",
    };
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        try_snippet(harmless[i], NULL);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const refused[][2] = {
        {"os.exit(1)", "probe.lua:4:"},
        {"io.open('/etc/passwd')", "probe.lua:4:"},
        {"load('return 1')()", "probe.lua:4:"},
        {"coroutine.yield(1)", "outside a coroutine"},
        {"error('oops')", "probe.lua:4: oops"},
        {"error({})", "probe.lua: the error is table"},
        {"error(setmetatable({}, { __tostring = function() error('x') end }))", "table"},
        {"local t = {} for i = 1, 1e9 do t[i] = { i } end", "not enough memory"},
        {"local s = ('x'):rep(1 << 20) local t = {} for i = 1, 100 do t[i] = s .. i end",
         "not enough memory"},
        {"require 'nothing'", "there is no library \"nothing\""},
        {"local x = = 1", "probe.lua:4:"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        try_snippet(refused[i][0], refused[i][1]);
}

static void test_memory_cap(void **state)
{
    (void)state;
    struct err e = {0};
    struct strategy_config c =
        config_of("local t = {} for i = 1, 2e5 do t[i] = i end " RETURN, NULL);
    assert_int_equal(strategy_check(&c, &e), 0);
    c.memory_limit = 1 << 20;
    assert_int_equal(strategy_check(&c, &e), ERR_INPUT);
    assert_non_null(strstr(e.message, "probe.lua"));
    c.memory_limit = 1000;
    assert_int_equal(strategy_check(&c, &e), ERR_NOMEM);
}

/* Every limit from too little to enough: no crash, no leak, an ordinary error. */
static void test_memory_failures(void **state)
{
    (void)state;
    struct err e;
    struct strategy_config c = config_of(
        "return { params = { a = { type = 'string', default = 'x', choices = { 'x' } } },\n"
        "  timeframes = { '1m' }, init = function(ctx) ctx.state.t = { 1, 2 } end,\n"
        "  indicators = { r = { 'rsi', period = 3 } }, on_bar = function() end }",
        "{\"a\":\"x\"}");
    size_t limit = 8000;
    int rc = -1, failures = 0;
    for (; limit < 400000 && rc != 0; limit += 97) {
        c.memory_limit = limit;
        rc = strategy_check(&c, &e);
        failures += rc != 0;
    }
    assert_int_equal(rc, 0);
    assert_true(failures > 50);
}

static void test_bytecode(void **state)
{
    (void)state;
    struct err e = {0};
    static const char bytes[] = HEAD "\x1bLua\x54\x00";
    struct strategy_config c = {.path = write_file("byte.lua", bytes, sizeof bytes - 1),
                                .instance = "b",
                                .symbol = "X",
                                .modules = folder};
    assert_int_equal(strategy_check(&c, &e), ERR_INPUT);
    write_file("code.lua", "\x1bLua\x54 more", 10);
    try_snippet("require 'code'", "binary chunk");
}

static void test_require(void **state)
{
    (void)state;
    static const char lib[] =
        "count = (count or 0) + 1\nreturn { twice = function(x) return 2 * x end }";
    static const char loop[] = "return require 'loopy'";
    static const char broken[] = "local a = 1\nerror('inside')";
    write_file("helper_1.lua", lib, sizeof lib - 1);
    write_file("loopy.lua", loop, sizeof loop - 1);
    write_file("broken.lua", broken, sizeof broken - 1);
    try_snippet("local h = require 'helper_1'; assert(h.twice(2) == 4)\n"
                "assert(require 'helper_1' == h and count == 1)",
                NULL);
    try_snippet("require 'loopy'", "requires itself");
    try_snippet("require 'broken'", "broken.lua:2: inside");
}

static void test_sorted_pairs(void **state)
{
    (void)state;
    try_snippet(
        "local t = { [2.5] = 1, b = 1, [-1] = 1, [true] = 1, a = 1, [3] = 1, ['10'] = 1, [1] = 1,\n"
        "  [false] = 1, ab = 1 }\n"
        "local s = {} for k in pairs(t) do s[#s + 1] = tostring(k) end\n"
        "local all = table.concat(s, ' ')\n"
        "assert(all == '-1 1 2.5 3 10 a ab b false true', all)\n"
        "local s2, k = {}, next(t)\n"
        "while k ~= nil do s2[#s2 + 1] = tostring(k); k = next(t, k) end\n"
        "assert(table.concat(s2, ' ') == all)\n"
        "assert(next({}) == nil)",
        NULL);
    try_snippet("local t = { a = 1, b = 2, c = 3 } local n = 0\n"
                "for k in pairs(t) do n = n + 1 t.a, t.b, t.c = nil, nil, nil end assert(n == 1)\n"
                "for k in pairs({}) do error('x') end",
                NULL);
    try_snippet("local n = 0 for k, v in pairs(math) do n = n + 1 end assert(n > 20)", NULL);
    try_snippet("local p = setmetatable({}, { __pairs = function() return function() end end })\n"
                "for k in pairs(p) do error('x') end",
                NULL);
    try_snippet("for k in pairs({ [{}] = 1 }) do end", "a key that is a table has no stable order");
    try_snippet("pairs(nil)", "probe.lua:4:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_memory_cap),   cmocka_unit_test(test_memory_failures),
        cmocka_unit_test(test_bytecode),     cmocka_unit_test(test_require),
        cmocka_unit_test(test_sorted_pairs),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
