/* SPDX-License-Identifier: MIT
 *
 * String and table functions of the sandbox. C functions cannot be interrupted, so the work that
 * one call can do is bounded before it begins: results of string.rep, the product of text and
 * pattern for matching, the range of table functions, and lengths that a metatable invents.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "script/strategy_inner.h"

#define MAX_REP ((lua_Integer)1 << 20) /* bytes */
#define MAX_WORK 1e9                   /* steps of one match, estimated */
#define MAX_FORMAT 4096                /* bytes of a format */
#define MAX_RANGE 1000000              /* elements that one table function walks */

/* Upvalue 1 is the standard function: calls it with the arguments as they are. */
static int pass_on(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int l_rep(lua_State *L)
{
    size_t n, m;
    (void)luaL_checklstring(L, 1, &n);
    lua_Integer times = luaL_checkinteger(L, 2);
    (void)luaL_optlstring(L, 3, "", &m);
    if (n + m == 0) { /* the standard function would count to `times` all the same */
        lua_pushliteral(L, "");
        return 1;
    }
    if (times > 0 && times > MAX_REP / (lua_Integer)(n + m))
        return luaL_error(L, "string.rep: a result of over 1 MiB");
    return pass_on(L);
}

/* Repetitions in a pattern, each of which can multiply the work by the length of the text. */
static unsigned repetitions(const char *p, size_t n)
{
    unsigned count = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '%') {
            i++;
            count += i < n && p[i] >= '1' && p[i] <= '9';
        } else if (p[i] == '[') {
            i++;
            if (i < n && p[i] == '^')
                i++;
            do { /* a ] that comes first is a member */
                i += i < n && p[i] == '%' ? 2 : 1;
            } while (i < n && p[i] != ']');
        } else {
            count += p[i] == '*' || p[i] == '+' || p[i] == '-' || p[i] == '?';
        }
    }
    return count;
}

static void check_work(lua_State *L, bool plain, bool anchors)
{
    size_t n, m;
    (void)luaL_checklstring(L, 1, &n);
    const char *pattern = luaL_checklstring(L, 2, &m);
    bool anchored = anchors && !plain && m > 0 && pattern[0] == '^';
    unsigned count = (plain ? 0 : repetitions(pattern, m)) + !anchored;
    double work = (double)m + 1;
    while (count-- > 0 && work <= MAX_WORK)
        work *= (double)n + 1;
    if (work > MAX_WORK)
        luaL_error(L, "the pattern is too costly for a text of %d bytes", (int)n);
}

static int l_match(lua_State *L)
{
    check_work(L, false, true);
    return pass_on(L);
}

static int l_gmatch(lua_State *L)
{
    check_work(L, false, false);
    return pass_on(L);
}

static int l_find(lua_State *L)
{
    check_work(L, lua_toboolean(L, 4), true);
    return pass_on(L);
}

/* Values that are no text become what tostring says of them: no addresses. */
static int l_format(lua_State *L)
{
    size_t n;
    const char *format = luaL_checklstring(L, 1, &n);
    if (n > MAX_FORMAT)
        return luaL_error(L, "string.format: a format of over 4096 bytes");
    for (size_t i = 0; i + 1 < n; i++) {
        if (format[i] != '%')
            continue;
        i++;
        while (i < n && format[i] != '\0' && strchr("-+ #0123456789.", format[i]))
            i++;
        if (i < n && format[i] == 'p')
            return luaL_error(L, "string.format: %%p is not allowed in a strategy");
    }
    for (int i = 2, top = lua_gettop(L); i <= top; i++) {
        int type = lua_type(L, i);
        if (type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TBOOLEAN || type == LUA_TNIL)
            continue;
        lua_pushcfunction(L, sandbox_tostring);
        lua_pushvalue(L, i);
        lua_call(L, 1, 1);
        lua_replace(L, i);
    }
    return pass_on(L);
}

void sandbox_push_string(lua_State *L)
{
    static const char *const kept[] = {"byte", "char",    "len",   "lower",
                                       "sub",  "reverse", "upper", NULL};
    static const luaL_Reg capped[] = {{"rep", l_rep},       {"find", l_find},  {"match", l_match},
                                      {"gmatch", l_gmatch}, {"gsub", l_match}, {"format", l_format},
                                      {NULL, NULL}};
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    lua_newtable(L);
    for (int i = 0; kept[i]; i++) {
        lua_getfield(L, -2, kept[i]);
        lua_setfield(L, -2, kept[i]);
    }
    for (const luaL_Reg *r = capped; r->name; r++) {
        lua_getfield(L, -2, r->name);
        lua_pushcclosure(L, r->func, 1);
        lua_setfield(L, -2, r->name);
    }
    lua_remove(L, -2);
}

/* The first argument must not invent its length. */
static void check_length(lua_State *L)
{
    if (lua_istable(L, 1) && !sandbox_frozen(L, 1) && luaL_getmetafield(L, 1, "__len") != LUA_TNIL)
        luaL_error(L, "table functions do not take a table with __len");
}

static int l_table(lua_State *L)
{
    check_length(L);
    return pass_on(L);
}

static void check_range(lua_State *L, int from, int to)
{
    if (lua_isnoneornil(L, to))
        return;
    lua_Integer first = luaL_optinteger(L, from, 1), last = luaL_checkinteger(L, to), span;
    if (last >= first && (__builtin_sub_overflow(last, first, &span) || span >= MAX_RANGE))
        luaL_error(L, "a range of over 1000000 elements");
}

static int l_concat(lua_State *L)
{
    check_length(L);
    check_range(L, 3, 4);
    return pass_on(L);
}

static int l_unpack(lua_State *L)
{
    check_length(L);
    check_range(L, 2, 3);
    return pass_on(L);
}

static int l_move(lua_State *L)
{
    check_range(L, 2, 3);
    return pass_on(L);
}

void sandbox_push_table(lua_State *L)
{
    static const luaL_Reg capped[] = {{"concat", l_concat}, {"insert", l_table}, {"move", l_move},
                                      {"pack", pass_on},    {"remove", l_table}, {"sort", l_table},
                                      {"unpack", l_unpack}, {NULL, NULL}};
    lua_pushcfunction(L, luaopen_table);
    lua_call(L, 0, 1);
    lua_newtable(L);
    for (const luaL_Reg *r = capped; r->name; r++) {
        lua_getfield(L, -2, r->name);
        lua_pushcclosure(L, r->func, 1);
        lua_setfield(L, -2, r->name);
    }
    lua_remove(L, -2);
}
