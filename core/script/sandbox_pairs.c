/* SPDX-License-Identifier: MIT
 *
 * pairs and next in a stable order: numbers, then strings by their bytes, then false and true. A
 * key of any other type has no order that would be the same in the next run, so it raises.
 *
 * pairs takes a picture of the keys when it begins: keys that are removed meanwhile are skipped,
 * new ones are not visited. next costs time proportional to the size of the table.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "script/strategy_inner.h"

struct key {
    enum { KEY_NUMBER, KEY_STRING, KEY_BOOLEAN } kind;
    bool whole;    /* an integer */
    lua_Integer i; /* integer, or 0 and 1 of a boolean */
    double x;      /* of a number */
    const char *p; /* string, owned by the table */
    size_t n;
};

static struct key key_at(lua_State *L, int index)
{
    struct key k = {.kind = KEY_NUMBER};
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        k.whole = lua_isinteger(L, index);
        k.i = k.whole ? lua_tointeger(L, index) : 0;
        k.x = lua_tonumber(L, index);
        break;
    case LUA_TSTRING:
        k.kind = KEY_STRING;
        k.p = lua_tolstring(L, index, &k.n);
        break;
    case LUA_TBOOLEAN:
        k.kind = KEY_BOOLEAN;
        k.i = lua_toboolean(L, index);
        break;
    default:
        luaL_error(L, "a key that is a %s has no stable order", luaL_typename(L, index));
    }
    return k;
}

static int compare(const void *left, const void *right)
{
    const struct key *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == KEY_STRING) {
        int c = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);
        return c != 0 ? c : (a->n > b->n) - (a->n < b->n);
    }
    /* A float key is never equal to an integer key: Lua makes it one. */
    if (a->kind == KEY_BOOLEAN || (a->whole && b->whole))
        return (a->i > b->i) - (a->i < b->i);
    return (a->x > b->x) - (a->x < b->x);
}

static void push_key(lua_State *L, const struct key *k)
{
    if (k->kind == KEY_STRING)
        lua_pushlstring(L, k->p, k->n);
    else if (k->kind == KEY_BOOLEAN)
        lua_pushboolean(L, k->i != 0);
    else if (k->whole)
        lua_pushinteger(L, k->i);
    else
        lua_pushnumber(L, k->x);
}

lua_Integer sandbox_sorted_keys(lua_State *L, int index)
{
    size_t count = 0;
    index = lua_absindex(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        count++;
    }
    struct key *keys = lua_newuserdatauv(L, (count ? count : 1) * sizeof *keys, 0);
    size_t i = 0;
    lua_pushnil(L);
    while (i < count && lua_next(L, index)) {
        lua_pop(L, 1);
        keys[i++] = key_at(L, -1);
    }
    if (i == count)
        lua_pop(L, 1); /* the last key, or nil: the traversal was not finished */
    qsort(keys, i, sizeof *keys, compare);
    lua_createtable(L, (int)i, 0);
    for (size_t k = 0; k < i; k++) {
        push_key(L, &keys[k]);
        lua_rawseti(L, -2, (lua_Integer)k + 1);
    }
    lua_remove(L, -2);
    return (lua_Integer)i;
}

/* Replaces a read-only view at index by what is behind it. */
static void look_behind(lua_State *L, int index)
{
    while (sandbox_frozen(L, index)) {
        luaL_getmetafield(L, index, "__index");
        lua_replace(L, index);
    }
}

/* Upvalues: table, its keys, how many were given. */
static int pairs_step(lua_State *L)
{
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(3));
    for (;;) {
        at++;
        if (lua_rawgeti(L, lua_upvalueindex(2), at) == LUA_TNIL)
            return 1;
        lua_pushvalue(L, -1);
        if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
            break;
        lua_pop(L, 2);
    }
    lua_pushinteger(L, at);
    lua_replace(L, lua_upvalueindex(3));
    return 2;
}

int sandbox_pairs(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 3);
        return 3;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    look_behind(L, 1);
    lua_pushvalue(L, 1);
    (void)sandbox_sorted_keys(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, pairs_step, 3);
    lua_pushnil(L);
    lua_pushnil(L);
    return 3;
}

int sandbox_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    look_behind(L, 1);
    bool first = lua_isnil(L, 2), found = false;
    struct key after = {0}, best = {0};
    if (!first)
        after = key_at(L, 2);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        struct key k = key_at(L, -1);
        if ((first || compare(&k, &after) > 0) && (!found || compare(&k, &best) < 0)) {
            best = k;
            found = true;
        }
    }
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    push_key(L, &best);
    lua_pushvalue(L, -1);
    lua_rawget(L, 1);
    return 2;
}
