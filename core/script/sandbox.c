/* SPDX-License-Identifier: MIT
 *
 * The sandbox: a Lua state of its own whose allocator counts and refuses, and an environment made
 * from an allow-list. Scripts have no os, io, debug, package, load; `require` reads only the
 * library folder; the API's tables are read-only views. What could differ from run to run is taken
 * away or made stable: pairs and next go through keys in a sorted order, math.random is seeded by
 * the instance's name, texts of tables and functions carry no address, finalizers and weak tables
 * are refused.
 *
 * Limits: how long a script runs is the watchdog's to say, and while it is loaded that of a count
 * of instructions (strategy.c). C functions cannot be interrupted, so their inputs are capped
 * (sandbox_text.c).
 */
#include <ctype.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "script/strategy_inner.h"

static const char env_key, loaded_key, frozen_key; /* addresses are keys of the registry */

struct strategy *strategy_of(lua_State *L)
{
    return *(struct strategy **)lua_getextraspace(L);
}

/* Shrinking and freeing never fail. */
static void *allocate(void *ud, void *block, size_t old_size, size_t new_size)
{
    struct strategy *s = ud;
    if (!block)
        old_size = 0;
    if (new_size == 0) {
        free(block);
        s->used -= old_size;
        return NULL;
    }
    if (new_size > old_size && s->used - old_size + new_size > s->limit)
        return NULL;
    void *p = realloc(block, new_size);
    if (!p)
        return NULL;
    s->used = s->used - old_size + new_size;
    return p;
}

/* ---- read-only views ---- */

static int frozen_write(lua_State *L)
{
    return luaL_error(L, "this table is read-only");
}

static int frozen_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, lua_upvalueindex(1)));
    return 1;
}

void sandbox_freeze(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 6);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, frozen_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, frozen_length, 1);
    lua_setfield(L, -2, "__len");
    lua_pushliteral(L, "read-only");
    lua_setfield(L, -2, "__metatable");
    lua_pushboolean(L, 1);
    lua_rawsetp(L, -2, &frozen_key);
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

bool sandbox_frozen(lua_State *L, int index)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    bool frozen = lua_rawgetp(L, -1, &frozen_key) == LUA_TBOOLEAN;
    lua_pop(L, 2);
    return frozen;
}

/* ---- functions in place of the standard ones ---- */

int sandbox_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    switch (lua_type(L, 1)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TSTRING:
        luaL_tolstring(L, 1, NULL);
        return 1;
    default:
        break;
    }
    if (!luaL_callmeta(L, 1, "__tostring"))
        lua_pushstring(L, luaL_typename(L, 1));
    else if (lua_type(L, -1) != LUA_TSTRING)
        return luaL_error(L, "'__tostring' must return a string");
    return 1;
}

/* The script's message handler, unless its time is up. */
static int handle_error(lua_State *L)
{
    if (strategy_of(L)->burst.tripped)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static int finish_call(lua_State *L, int status, lua_KContext below)
{
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_pushboolean(L, 0);
        lua_pushvalue(L, -2);
        return 2;
    }
    return lua_gettop(L) - (int)below;
}

/* xpcall(f, handler, ...) */
static int l_xpcall(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handle_error, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1); /* the first result */
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2); /* below the arguments */
    int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_call);
    return finish_call(L, status, 2);
}

static int l_print(lua_State *L)
{
    struct strategy *s = strategy_of(L);
    int n = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        lua_pushcfunction(L, sandbox_tostring);
        lua_pushvalue(L, i);
        lua_call(L, 1, 1);
        luaL_addvalue(&b);
        if (i < n)
            luaL_addchar(&b, '\t');
    }
    luaL_pushresult(&b);
    log_write(s->log, LOG_INFO, "strategy", "%s: %.500s", s->instance, lua_tostring(L, -1));
    return 0;
}

static int l_setmetatable(lua_State *L)
{
    int type = lua_type(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    if (type == LUA_TTABLE) {
        static const char *const refused[] = {"__gc", "__mode"};
        for (int i = 0; i < 2; i++) {
            lua_pushstring(L, refused[i]);
            if (lua_rawget(L, 2) != LUA_TNIL)
                return luaL_error(L, "a metatable with %s is not allowed in a strategy",
                                  refused[i]);
            lua_pop(L, 1);
        }
    }
    lua_setmetatable(L, 1);
    return 1;
}

static int l_rawset(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    if (sandbox_frozen(L, 1))
        return frozen_write(L);
    lua_rawset(L, 1);
    return 1;
}

static int l_collectgarbage(lua_State *L)
{
    const char *what = luaL_optstring(L, 1, "collect");
    if (strcmp(what, "count") != 0)
        return luaL_error(L, "collectgarbage: only \"count\" is allowed in a strategy");
    lua_pushnumber(L, (double)strategy_of(L)->used / 1024.0);
    return 1;
}

static int l_random(lua_State *L)
{
    struct rng *r = &strategy_of(L)->rng;
    lua_Integer low = 1, high;
    switch (lua_gettop(L)) {
    case 0:
        lua_pushnumber(L, rng_uniform(r));
        return 1;
    case 1:
        high = luaL_checkinteger(L, 1);
        break;
    case 2:
        low = luaL_checkinteger(L, 1);
        high = luaL_checkinteger(L, 2);
        break;
    default:
        return luaL_error(L, "wrong number of arguments");
    }
    luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
    lua_pushinteger(L, rng_range(r, low, high));
    return 1;
}

/* ---- require ---- */

void sandbox_compile(lua_State *L, const char *text, size_t n, const char *chunk)
{
    if (luaL_loadbufferx(L, text, n, chunk, "t") != LUA_OK)
        lua_error(L);
    sandbox_push_env(L);
    if (!lua_setupvalue(L, -2, 1))
        lua_pop(L, 1);
}

static bool good_name(const char *name, size_t n)
{
    if (n == 0 || n > 64 || strlen(name) != n || !(islower((unsigned char)*name) || *name == '_'))
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        if (!islower(c) && !isdigit(c) && c != '_')
            return false;
    }
    return true;
}

/* require(name): library/<name>.lua, once. */
static int l_require(lua_State *L)
{
    struct strategy *s = strategy_of(L);
    size_t n;
    const char *name = luaL_checklstring(L, 1, &n);
    lua_settop(L, 1);
    if (!good_name(name, n))
        return luaL_error(L, "require: \"%s\" is not the name of a library (a-z, 0-9, _)", name);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key); /* 2 */
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 2) != LUA_TNIL) {
        if (lua_islightuserdata(L, -1))
            return luaL_error(L, "require: \"%s\" requires itself", name);
        return 1;
    }
    char path[600];
    struct err e = {0};
    if (!s->library[0] ||
        snprintf(path, sizeof path, "%s/%s.lua", s->library, name) >= (int)sizeof path)
        return luaL_error(L, "require: there is no library \"%s\"", name);
    str_clear(&s->text); /* the script itself is compiled already */
    if (file_read_all(path, &s->text, STRATEGY_MAX_TEXT, &e) != 0)
        return luaL_error(L, "require: there is no library \"%s\"", name);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, s); /* being loaded */
    lua_rawset(L, 2);
    sandbox_compile(L, s->text.p ? s->text.p : "", s->text.len,
                    lua_pushfstring(L, "@%s.lua", name));
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
    return 1;
}

/* ---- the environment ---- */

/* Copies the functions that are named from the table at `from` into the table at the top. */
static void copy(lua_State *L, int from, const char *const *names)
{
    for (; *names; names++) {
        lua_getfield(L, from, *names);
        lua_setfield(L, -2, *names);
    }
}

static void add_base(lua_State *L, int env)
{
    static const char *const kept[] = {"assert",   "error",        "ipairs",   "pcall",  "select",
                                       "type",     "rawget",       "rawequal", "rawlen", "tonumber",
                                       "_VERSION", "getmetatable", NULL};
    static const luaL_Reg own[] = {
        {"tostring", sandbox_tostring}, {"print", l_print},
        {"xpcall", l_xpcall},           {"setmetatable", l_setmetatable},
        {"rawset", l_rawset},           {"collectgarbage", l_collectgarbage},
        {"require", l_require},         {"pairs", sandbox_pairs},
        {"next", sandbox_next},         {NULL, NULL}};
    luaL_requiref(L, LUA_GNAME, luaopen_base, 0);
    int base = lua_gettop(L);
    lua_pushvalue(L, env);
    copy(L, base, kept);
    luaL_setfuncs(L, own, 0);
    lua_pushvalue(L, env);
    lua_setfield(L, -2, "_G");
    lua_settop(L, env);
}

static void add_libraries(lua_State *L, int env)
{
    static const char *const math[] = {
        "abs",  "acos", "asin", "atan", "ceil",       "cos",  "deg",        "exp",  "floor",
        "fmod", "huge", "log",  "max",  "maxinteger", "min",  "mininteger", "modf", "pi",
        "rad",  "sin",  "sqrt", "tan",  "tointeger",  "type", "ult",        NULL};
    static const char *const coroutine[] = {"create", "isyieldable", "running",
                                            "status", "yield",       NULL};
    static const char *const utf8[] = {"char", "charpattern", "codepoint", "codes",
                                       "len",  "offset",      NULL};
    const struct {
        const char *name;
        lua_CFunction open;
        const char *const *kept;
    } libraries[] = {{"math", luaopen_math, math},
                     {"coroutine", luaopen_coroutine, coroutine},
                     {"utf8", luaopen_utf8, utf8}};
    for (size_t i = 0; i < 3; i++) {
        lua_pushcfunction(L, libraries[i].open);
        lua_call(L, 0, 1);
        lua_newtable(L);
        copy(L, lua_gettop(L) - 1, libraries[i].kept);
        if (i == 0) {
            lua_pushcfunction(L, l_random);
            lua_setfield(L, -2, "random");
        } else if (i == 1) {
            sandbox_add_coroutine(L);
        }
        sandbox_freeze(L);
        lua_setfield(L, env, libraries[i].name);
        lua_settop(L, env);
    }
}

/* Methods of strings are the capped ones, and the metatable is out of reach. */
static void add_strings(lua_State *L, int env)
{
    sandbox_push_string(L);
    lua_pushliteral(L, "");
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
    sandbox_freeze(L);
    lua_setfield(L, env, "string");
    sandbox_push_table(L);
    sandbox_freeze(L);
    lua_setfield(L, env, "table");
}

static int build(lua_State *L)
{
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_key);
    lua_settop(L, 0);
    lua_newtable(L); /* 1: the environment */
    lua_pushvalue(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &env_key);
    add_base(L, 1);
    add_libraries(L, 1);
    add_strings(L, 1);
    return 0;
}

void sandbox_push_env(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &env_key);
}

lua_State *sandbox_new(struct strategy *s)
{
    lua_State *L = lua_newstate(allocate, s);
    if (!L)
        return NULL;
    *(struct strategy **)lua_getextraspace(L) = s;
    lua_pushcfunction(L, build);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_close(L);
        return NULL;
    }
    return L;
}
