/* SPDX-License-Identifier: MIT
 *
 * perigee.json.core: what lua/perigee/json.lua needs of C. Writing is ours, because lua-cjson
 * rounds integers to 14 digits, writes 8.5e-06 and cannot write an empty array; its reading is
 * used, with numbers that are whole turned back into integers.
 *
 * encode is deterministic (keys sorted by bytes). An array is a table marked by array(), or one
 * with keys 1..n, n > 0. Keys of objects are strings or integers.
 */
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/domain.h"

#define ARRAY_META "perigee.json.array"
#define MAX_DEPTH 100

struct key {
    const char *p; /* the table's string */
    size_t n;
};

static int by_bytes(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = memcmp(x->p, y->p, n);
    return order != 0 ? order : x->n < y->n ? -1 : x->n > y->n;
}

static void encode_value(lua_State *L, struct str *out, int depth);

/* The mark decides; else an array has the keys 1..n and no other. -1: an object. */
static lua_Integer array_length(lua_State *L, int table)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, table), count = 0;
    if (lua_getmetatable(L, table)) {
        luaL_getmetatable(L, ARRAY_META);
        bool marked = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
        if (marked) {
            return n;
        }
    }
    if (n == 0) {
        return -1;
    }
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || ++count > n) {
            lua_pop(L, 1);
            return -1;
        }
    }
    return count == n ? n : -1;
}

static void encode_array(lua_State *L, struct str *out, int table, lua_Integer n, int depth)
{
    str_addc(out, '[');
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1) {
            str_addc(out, ',');
        }
        lua_rawgeti(L, table, i);
        encode_value(L, out, depth);
        lua_pop(L, 1);
    }
    str_addc(out, ']');
}

/* Integer keys become strings; a new table then holds them, so that they stay. */
static void encode_mixed(lua_State *L, struct str *out, int table, int depth)
{
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_type(L, -2) != LUA_TSTRING && !lua_isinteger(L, -2)) {
            luaL_error(L, "json: a key of an object is a string or an integer, not a %s",
                       luaL_typename(L, -2));
        }
        lua_pushvalue(L, -2);
        (void)lua_tostring(L, -1);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    encode_value(L, out, depth);
    lua_pop(L, 1);
}

static void encode_object(lua_State *L, struct str *out, int table, int depth)
{
    size_t count = 0, cap = 16;
    struct key *keys = lua_newuserdatauv(L, cap * sizeof *keys, 0);
    int at = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING) {
            lua_settop(L, at);
            encode_mixed(L, out, table, depth);
            lua_settop(L, at - 1);
            return;
        }
        if (count == cap) {
            struct key *more = lua_newuserdatauv(L, 2 * cap * sizeof *more, 0);
            memcpy(more, keys, cap * sizeof *more);
            keys = more;
            cap *= 2;
            lua_replace(L, at);
        }
        keys[count].p = lua_tolstring(L, -1, &keys[count].n);
        count++;
    }
    qsort(keys, count, sizeof *keys, by_bytes);
    str_addc(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            str_addc(out, ',');
        }
        str_json_string(out, keys[i].p, keys[i].n);
        str_addc(out, ':');
        lua_pushlstring(L, keys[i].p, keys[i].n);
        lua_rawget(L, table);
        encode_value(L, out, depth);
        lua_pop(L, 1);
    }
    str_addc(out, '}');
    lua_settop(L, at - 1);
}

static void encode_number(lua_State *L, struct str *out, int index)
{
    if (lua_isinteger(L, index)) {
        str_json_int(out, lua_tointeger(L, index));
        return;
    }
    lua_Number x = lua_tonumber(L, index);
    if (!isfinite(x)) {
        luaL_error(L, "json: %f is no JSON number", x);
    }
    str_json_double(out, x);
}

/* The value at the top. */
static void encode_value(lua_State *L, struct str *out, int depth)
{
    size_t n;
    const char *p;
    int table = lua_gettop(L);
    luaL_checkstack(L, 8, "json");
    if (depth > MAX_DEPTH) {
        luaL_error(L, "json: nested too deeply (a table that contains itself?)");
    }
    switch (lua_type(L, table)) {
    case LUA_TNIL:
        str_addz(out, "null");
        break;
    case LUA_TBOOLEAN:
        str_addz(out, lua_toboolean(L, table) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        encode_number(L, out, table);
        break;
    case LUA_TSTRING:
        p = lua_tolstring(L, table, &n);
        str_json_string(out, p, n);
        break;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, table) != NULL) {
            luaL_error(L, "json: a pointer cannot be written");
        }
        str_addz(out, "null");
        break;
    case LUA_TUSERDATA:
        str_json_decimal(out, bind_check_decimal(L, table)); /* raises for all others */
        break;
    case LUA_TTABLE: {
        lua_Integer length = array_length(L, table);
        if (length >= 0) {
            encode_array(L, out, table, length, depth + 1);
        } else {
            encode_object(L, out, table, depth + 1);
        }
        break;
    }
    default:
        luaL_error(L, "json: a %s cannot be written", luaL_typename(L, table));
    }
}

static int l_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    struct str *out = domain_str(L);
    lua_pushvalue(L, 1);
    encode_value(L, out, 0);
    lua_settop(L, 2);
    domain_str_finish(L, out);
    return 1;
}

/* Does the text need no escape: printable ASCII without quote and backslash? */
static bool is_plain(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e || text[i] == '"' || text[i] == '\\') {
            return false;
        }
    }
    return true;
}

/* Orders are full of short plain texts: these cost neither a userdata nor an allocation. */
static int l_string(lua_State *L)
{
    char quoted[64];
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    if (n + 2 <= sizeof quoted && is_plain(text, n)) {
        quoted[0] = '"';
        memcpy(quoted + 1, text, n);
        quoted[n + 1] = '"';
        lua_pushlstring(L, quoted, n + 2);
        return 1;
    }
    struct str *out = domain_str(L);
    str_json_string(out, text, n);
    domain_str_finish(L, out);
    return 1;
}

/* Appends the string at index, quoted; the stack stays as it is. */
static void add_quoted(lua_State *L, luaL_Buffer *out, int index)
{
    size_t n;
    const char *text = lua_tolstring(L, index, &n);
    if (is_plain(text, n)) {
        luaL_addchar(out, '"');
        luaL_addlstring(out, text, n);
        luaL_addchar(out, '"');
        return;
    }
    struct str *quoted = domain_str(L);
    str_json_string(quoted, text, n);
    domain_str_finish(L, quoted);
    luaL_addvalue(out);
}

/* object{ {key, text or nil}... } */
static int l_object(lua_State *L)
{
    enum { LIST = 1, PAIR, KEY, VALUE };
    luaL_Buffer out;
    bool some = false;
    luaL_checktype(L, LIST, LUA_TTABLE);
    lua_settop(L, VALUE);
    luaL_buffinit(L, &out);
    luaL_addchar(&out, '{');
    for (lua_Integer i = 1; lua_rawgeti(L, LIST, i) == LUA_TTABLE; i++) {
        lua_replace(L, PAIR);
        lua_rawgeti(L, PAIR, 1);
        lua_replace(L, KEY);
        lua_rawgeti(L, PAIR, 2);
        lua_replace(L, VALUE);
        if (lua_isnil(L, VALUE)) {
            continue;
        }
        if (!lua_isstring(L, KEY) || !lua_isstring(L, VALUE)) {
            return luaL_error(L, "json.object: pair %d is no key and text", (int)i);
        }
        if (some) {
            luaL_addchar(&out, ',');
        }
        some = true;
        add_quoted(L, &out, KEY);
        luaL_addchar(&out, ':');
        size_t n;
        const char *text = lua_tolstring(L, VALUE, &n);
        luaL_addlstring(&out, text, n);
    }
    if (!lua_isnil(L, -1)) {
        return luaL_error(L, "json.object: a pair is a table, not a %s", luaL_typename(L, -1));
    }
    lua_pop(L, 1);
    luaL_addchar(&out, '}');
    luaL_pushresult(&out);
    return 1;
}

/* A decimal (object or string) keeps all its places; a number is written as shortly as it reads
 * back. */
static int l_number(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TNUMBER) {
        bind_push_decimal_string(L, bind_check_decimal(L, 1));
        return 1;
    }
    struct str *out = domain_str(L);
    encode_number(L, out, 1);
    domain_str_finish(L, out);
    return 1;
}

/* Is the number at the top whole and exact as a float? Then it is replaced by an integer. */
static bool to_integer(lua_State *L)
{
    lua_Number x = lua_tonumber(L, -1);
    if (lua_isinteger(L, -1) || !(fabs(x) <= 9007199254740992.0) || x != floor(x)) {
        return false;
    }
    lua_pop(L, 1);
    lua_pushinteger(L, (lua_Integer)x);
    return true;
}

static void integers(lua_State *L, int table)
{
    luaL_checkstack(L, 6, "json");
    lua_pushnil(L);
    while (lua_next(L, table)) {
        int type = lua_type(L, -1);
        if (type == LUA_TTABLE) {
            integers(L, lua_gettop(L));
        } else if (type == LUA_TNUMBER && to_integer(L)) {
            lua_pushvalue(L, -2);
            lua_pushvalue(L, -2);
            lua_rawset(L, table); /* an existing field: allowed while walking */
        }
        lua_pop(L, 1);
    }
}

/* Whole numbers of a freshly decoded value become integers. */
static int l_integers(lua_State *L)
{
    lua_settop(L, 1);
    if (lua_istable(L, 1)) {
        integers(L, 1);
    } else if (lua_type(L, 1) == LUA_TNUMBER) {
        (void)to_integer(L);
    }
    return 1;
}

static int l_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_setmetatable(L, ARRAY_META);
    return 1;
}

static const luaL_Reg functions[] = {
    {"encode", l_encode},     {"string", l_string}, {"number", l_number}, {"array", l_array},
    {"integers", l_integers}, {"object", l_object}, {NULL, NULL},
};

int luaopen_perigee_json(lua_State *L)
{
    luaL_newmetatable(L, ARRAY_META);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
