/* SPDX-License-Identifier: MIT
 *
 * perigee.err: the one shape of the world's bad answers, {code, message, source, retry, cause}.
 * retry says what repeating would mean: "no" (useless), "safe", or "reconcile" (it may have been
 * done: ask first).
 */
#include <lauxlib.h>

#include "script/bind.h"
#include "script/task.h"

#define ERR_META "perigee.err"

bool err_is(lua_State *L, int index)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index)) {
        return false;
    }
    luaL_getmetatable(L, ERR_META);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

void err_table(lua_State *L, int code, const char *message, const char *source, const char *retry)
{
    luaL_checkstack(L, 4, "err");
    lua_createtable(L, 0, 5);
    lua_pushstring(L, err_name(code));
    lua_setfield(L, -2, "code");
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, source);
    lua_setfield(L, -2, "source");
    lua_pushstring(L, retry);
    lua_setfield(L, -2, "retry");
    luaL_setmetatable(L, ERR_META);
}

int push_err(lua_State *L, int code, const char *message, const char *source, const char *retry)
{
    luaL_checkstack(L, 5, "err");
    lua_pushnil(L);
    err_table(L, code, message, source, retry);
    return 2;
}

/* "source: message", or the message alone. */
static int err_tostring(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getfield(L, 1, "source");
    lua_getfield(L, 1, "message");
    const char *source = lua_tostring(L, -2), *message = lua_tostring(L, -1);
    if (message == NULL) {
        message = "(no message)";
    }
    if (source == NULL || *source == '\0') {
        lua_pushstring(L, message);
    } else {
        lua_pushfstring(L, "%s: %s", source, message);
    }
    return 1;
}

static int err_new(lua_State *L)
{
    static const char *const retries[] = {"no", "safe", "reconcile", NULL};
    static const char *const fields[] = {"code", "message", "source"};
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    luaL_optstring(L, 3, "");
    int retry = luaL_checkoption(L, 4, "no", retries);
    lua_settop(L, 5);
    lua_createtable(L, 0, 5);
    for (int i = 0; i < 3; i++) {
        lua_pushvalue(L, i + 1);
        lua_setfield(L, -2, fields[i]);
    }
    lua_pushstring(L, retries[retry]);
    lua_setfield(L, -2, "retry");
    lua_pushvalue(L, 5);
    lua_setfield(L, -2, "cause");
    luaL_setmetatable(L, ERR_META);
    return 1;
}

static int err_is_lua(lua_State *L)
{
    luaL_checkany(L, 1);
    bool is = err_is(L, 1);
    if (is && !lua_isnoneornil(L, 2)) {
        lua_getfield(L, 1, "code");
        is = lua_rawequal(L, -1, 2);
    }
    lua_pushboolean(L, is);
    return 1;
}

void err_open(lua_State *L)
{
    if (luaL_newmetatable(L, ERR_META)) {
        lua_pushcfunction(L, err_tostring);
        lua_setfield(L, -2, "__tostring");
    }
    lua_pop(L, 1);
}

static const luaL_Reg functions[] = {
    {"new", err_new},   /* (code, message[, source[, retry[, cause]]]) */
    {"is", err_is_lua}, /* (value[, code]) -> boolean */
    {NULL, NULL},
};

int luaopen_perigee_err(lua_State *L)
{
    err_open(L);
    luaL_newlib(L, functions);
    return 1;
}
