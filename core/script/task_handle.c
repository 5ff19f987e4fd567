/* SPDX-License-Identifier: MIT
 *
 * What remains of a task when it has ended: its results or its error, in the handle if Lua still
 * has one, and the report of an error until somebody joins or the log gets it.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "script/task_inner.h"

static const char handles_key; /* its address is a key of the registry */

void task_handles_open(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &handles_key);
}

void task_push_handle(lua_State *L, struct task *t)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &handles_key);
    if (t->handle != NULL && lua_rawgetp(L, -1, t->handle) == LUA_TUSERDATA) {
        lua_remove(L, -2);
        return;
    }
    lua_settop(L, t->handle != NULL ? -2 : -1); /* a nil: the old one waits for its __gc */
    struct task_handle *h = lua_newuserdatauv(L, sizeof *h, 1);
    memset(h, 0, sizeof *h);
    luaL_setmetatable(L, TASK_HANDLE);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, h);
    if (t->handle != NULL) {
        t->handle->task = NULL;
    }
    h->task = t;
    h->owner = t->owner;
    memcpy(h->name, t->name, sizeof h->name);
    t->handle = h;
    lua_remove(L, -2);
}

void task_forget_report(struct task_handle *h)
{
    if (h->report == NULL) {
        return;
    }
    if (h->prev != NULL) {
        h->prev->next = h->next;
    } else {
        h->owner->unjoined = h->next;
    }
    if (h->next != NULL) {
        h->next->prev = h->prev;
    }
    free(h->report);
    h->report = NULL;
}

void task_log_unjoined(struct tasks *ts)
{
    while (ts->unjoined != NULL) {
        log_write(ts->host->services.log, LOG_ERROR, "task", "%s: %s", ts->unjoined->name,
                  ts->unjoined->report);
        task_forget_report(ts->unjoined);
    }
}

void task_on_unjoined(void *arg)
{
    task_log_unjoined(arg);
}

/* Keeps the report for a joiner that may still come, else logs it. Takes the text. */
static void keep_report(struct task *t, char *text)
{
    struct tasks *ts = t->owner;
    struct task_handle *h = t->handle;
    if (h == NULL || ts->closing ||
        (!timer_active(&ts->unjoined_timer) &&
         timer_start_io(&ts->unjoined_timer, UNJOINED_MS) != 0)) {
        log_write(ts->host->services.log, LOG_ERROR, "task", "%s: %s", t->name, text);
        free(text);
        return;
    }
    h->report = text;
    h->prev = NULL;
    h->next = ts->unjoined;
    if (h->next != NULL) {
        h->next->prev = h;
    }
    ts->unjoined = h;
}

int task_store_results(lua_State *L)
{
    struct protect *p = lua_touserdata(L, 1);
    struct task *t = p->task;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &handles_key);
    if (lua_rawgetp(L, -1, t->handle) != LUA_TUSERDATA) {
        return 0;
    }
    lua_createtable(L, p->nres, 1);
    lua_pushinteger(L, p->nres);
    lua_setfield(L, -2, "n");
    for (int i = p->nres; i > 0; i--) {
        lua_xmove(t->co, L, 1);
        lua_rawseti(L, -2, i);
    }
    lua_setiuservalue(L, -2, 1);
    return 0;
}

int task_store_error(lua_State *L)
{
    struct protect *p = lua_touserdata(L, 1);
    struct task *t = p->task;
    if (lua_checkstack(t->co, 1)) {
        lua_pushvalue(t->co, -1); /* a copy: closing shows the error to __close */
    }
    lua_xmove(t->co, L, 1);
    if (t->handle != NULL) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &handles_key);
        if (lua_rawgetp(L, -1, t->handle) == LUA_TUSERDATA) {
            lua_pushvalue(L, 2);
            lua_setiuservalue(L, -2, 1);
        }
        lua_settop(L, 2);
    }
    if (t->quiet || t->joiners.first != NULL) {
        return 0;
    }
    const char *message = luaL_tolstring(L, 2, NULL);
    luaL_traceback(L, t->co, message, 0);
    char *text = strdup(lua_tostring(L, -1));
    if (text == NULL) {
        return luaL_error(L, "out of memory");
    }
    keep_report(t, text);
    return 0;
}
