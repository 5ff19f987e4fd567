/* SPDX-License-Identifier: MIT
 *
 * The sandbox's coroutine.resume, wrap and close: as the standard ones, and the watchdog is told
 * which coroutine runs. They call nothing that can raise between burst_enter and burst_leave, so
 * that it never looks at one that is dead.
 */
#include <lauxlib.h>

#include "script/strategy_inner.h"

static lua_State *check_coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

/* Resumes co with the n values on L's top; the results are on L's top then. Their number, or -1 and
 * an error value. */
static int resume(lua_State *L, lua_State *co, int n)
{
    struct burst *b = &strategy_of(L)->burst;
    int results = 0;
    if (!lua_checkstack(co, n)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, n);
    burst_enter(b, co);
    int status = lua_resume(co, L, n, &results);
    burst_leave(b, L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

static int l_resume(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    int n = resume(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, n >= 0);
    lua_insert(L, n >= 0 ? -(n + 1) : -2);
    return (n >= 0 ? n : 1) + 1;
}

/* Ends what a coroutine has open. Its error, if there is one, is on top of it. */
static int reset(lua_State *L, lua_State *co)
{
    struct burst *b = &strategy_of(L)->burst;
    burst_enter(b, co);
    int status = lua_resetthread(co);
    burst_leave(b, L);
    return status;
}

/* An error of the coroutine ends it and is the caller's, with the caller's place before it. */
static int l_wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int n = resume(L, co, lua_gettop(L));
    if (n >= 0)
        return n;
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) {
        (void)reset(L, co);
        lua_pop(L, 1);
        lua_xmove(co, L, 1);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int l_wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, l_wrapped, 1);
    return 1;
}

/* Suspended, or dead: neither running nor waiting for one that runs. */
static bool can_be_closed(lua_State *L, lua_State *co)
{
    lua_Debug ar;
    if (L == co)
        return false;
    return lua_status(co) != LUA_OK || !lua_getstack(co, 0, &ar);
}

static int l_close(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    if (!can_be_closed(L, co))
        return luaL_error(L, "cannot close a coroutine that runs");
    if (reset(L, co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    return 2;
}

void sandbox_add_coroutine(lua_State *L)
{
    static const luaL_Reg own[] = {
        {"resume", l_resume}, {"wrap", l_wrap}, {"close", l_close}, {NULL, NULL}};
    luaL_setfuncs(L, own, 0);
}
