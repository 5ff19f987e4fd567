/* SPDX-License-Identifier: MIT
 *
 * perigee.task.core: the primitives of tasks. lua/perigee/task.lua adds all, race and timeout.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/task_inner.h"

static struct task_handle *check_handle(lua_State *L)
{
    return luaL_checkudata(L, 1, TASK_HANDLE);
}

int64_t task_check_timeout(lua_State *L, int arg, bool *market)
{
    static const char *const clocks[] = {"io", "market", NULL};
    *market = luaL_checkoption(L, arg + 1, "io", clocks) == 1;
    if (lua_isnoneornil(L, arg)) {
        return -1;
    }
    lua_Number ms = luaL_checknumber(L, arg);
    luaL_argcheck(L, ms >= 0 && ms < 9e15, arg, "milliseconds must be 0 or more");
    lua_Integer whole = (lua_Integer)ms;
    return (lua_Number)whole < ms ? whole + 1 : whole;
}

/* ---- spawning ---- */

static struct task *spawn(lua_State *L, bool quiet)
{
    struct err e;
    luaL_checkany(L, 1);
    if (!lua_isfunction(L, 1)) {
        luaL_argerror(L, 1, "a function expected");
    }
    char name[40] = "task";
    lua_Debug ar;
    lua_pushvalue(L, 1);
    if (lua_getinfo(L, ">S", &ar)) {
        const char *base = strrchr(ar.short_src, '/');
        (void)snprintf(name, sizeof name, "%.28s:%d", base != NULL ? base + 1 : ar.short_src,
                       ar.linedefined);
    }
    struct task *t = task_start(L, lua_gettop(L) - 1, name, quiet, &e);
    if (t == NULL) {
        luaL_error(L, "%s", e.message);
    }
    return t;
}

static int l_spawn(lua_State *L)
{
    task_push_handle(L, spawn(L, false));
    return 1;
}

/* Like spawn, but an error of the task is left to who joins it. */
static int l_spawn_quiet(lua_State *L)
{
    task_push_handle(L, spawn(L, true));
    return 1;
}

static int l_self(lua_State *L)
{
    struct tasks *ts = host_of(L)->tasks;
    struct task *t = ts != NULL ? ts->running : NULL;
    if (t == NULL) {
        return 0;
    }
    task_push_handle(L, t);
    return 1;
}

static int l_count(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)tasks_count(host_of(L)));
    return 1;
}

/* ---- the handle ---- */

static int h_cancel(lua_State *L)
{
    struct task_handle *h = check_handle(L);
    if (h->task != NULL) {
        task_cancel(h->task);
    }
    return 0;
}

static int h_done(lua_State *L)
{
    lua_pushboolean(L, check_handle(L)->outcome != OUTCOME_NONE);
    return 1;
}

/* An error value as an err table: itself if it is one. */
static int push_failure(lua_State *L, struct task_handle *h)
{
    lua_getiuservalue(L, 1, 1);
    if (err_is(L, -1)) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    const char *message = luaL_tolstring(L, -1, NULL);
    (void)push_err(L, ERR_FAILED, message, h->name, "no");
    lua_pushvalue(L, -4); /* the value itself */
    lua_setfield(L, -2, "cause");
    return 2;
}

static int push_outcome(lua_State *L, struct task_op *op)
{
    (void)op;
    struct task_handle *h = lua_touserdata(L, 1);
    task_forget_report(h);
    if (h->outcome == OUTCOME_CANCELLED) {
        return push_err(L, ERR_CANCELLED, "the task was cancelled before it began", h->name, "no");
    }
    if (h->outcome == OUTCOME_ERROR) {
        return push_failure(L, h);
    }
    lua_settop(L, 1);
    lua_pushboolean(L, true);
    if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
        lua_pop(L, 1);
        return 1;
    }
    lua_getfield(L, 3, "n");
    int n = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    luaL_checkstack(L, n + 1, "too many results to join");
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, 3, i);
    }
    lua_remove(L, 3);
    return n + 1;
}

static int h_join(lua_State *L)
{
    struct task_handle *h = check_handle(L);
    lua_settop(L, 1);
    if (h->task == NULL) {
        return push_outcome(L, NULL);
    }
    if (h->task == host_of(L)->tasks->running) {
        return luaL_error(L, "a task cannot join itself");
    }
    struct task_op *op = task_begin(L, "task:join");
    op->push = push_outcome;
    op->cancel = waitlist_cancel;
    waitlist_add(&h->task->joiners, task_of_op(op));
    return task_wait(L, op);
}

static int h_gc(lua_State *L)
{
    struct task_handle *h = check_handle(L);
    if (h->report != NULL) {
        log_write(h->owner->host->services.log, LOG_ERROR, "task", "%s: %s", h->name, h->report);
        task_forget_report(h);
    }
    if (h->task != NULL && h->task->handle == h) {
        h->task->handle = NULL;
    }
    h->task = NULL;
    return 0;
}

static int h_tostring(lua_State *L)
{
    static const char *const words[] = {"alive", "done", "failed", "cancelled"};
    struct task_handle *h = check_handle(L);
    lua_pushfstring(L, "perigee.task (%s, %s)", h->name, words[h->outcome]);
    return 1;
}

/* ---- sleeping ---- */

static int push_slept(lua_State *L, struct task_op *op)
{
    (void)op;
    lua_pushboolean(L, true);
    return 1;
}

static int l_sleep(lua_State *L)
{
    bool market;
    int64_t ms = task_check_timeout(L, 1, &market);
    luaL_argcheck(L, ms >= 0, 1, "milliseconds expected");
    struct task_op *op = task_begin(L, "task.sleep");
    op->push = push_slept;
    if (task_timeout(op, ms, market) != 0) {
        task_abandon(op);
        return luaL_error(L, "out of memory for a timer");
    }
    return task_wait(L, op);
}

static int l_yield(lua_State *L)
{
    struct task_op *op = task_begin(L, "task.yield");
    op->push = push_slept;
    if (!task_of_op(op)->cancel_pending) {
        task_ready(op);
    }
    return task_wait(L, op);
}

static void on_settled(void *arg)
{
    struct tasks *ts = arg;
    struct task *t = waitlist_take(&ts->settled);
    if (t != NULL) {
        task_ready(&t->op); /* one at a time: what it does unsettles for the others */
    }
}

static int l_settled(lua_State *L)
{
    struct task_op *op = task_begin(L, "task.settled");
    struct task *t = task_of_op(op);
    struct tasks *ts = t->owner;
    op->push = push_slept;
    op->cancel = waitlist_cancel;
    waitlist_add(&ts->settled, t);
    if (!ts->hears_settled) {
        ts->hears_settled = true;
        loop_on_settled(ts->loop, on_settled, ts);
    }
    loop_wake(ts->loop);
    return task_wait(L, op);
}

/* ---- running from outside ---- */

/* Lets a cancelled task clean up; it gets a bounded number of turns. */
static void wind_down(struct tasks *ts, struct task_handle *h)
{
    for (int i = 0; i < 1000 && h->task != NULL; i++) {
        if (i % 100 == 0) {
            task_cancel(h->task);
        }
        (void)loop_run_once(ts->loop, false);
    }
}

static int run_results(lua_State *L, struct task_handle *h)
{
    task_forget_report(h);
    lua_settop(L, 1);
    if (h->outcome == OUTCOME_ERROR) {
        lua_getiuservalue(L, 1, 1);
        return lua_error(L);
    }
    int n = push_outcome(L, NULL);
    if (h->outcome == OUTCOME_OK) {
        return n - 1; /* without the leading true */
    }
    return n;
}

static int l_run(lua_State *L)
{
    struct tasks *ts = host_of(L)->tasks;
    if (ts == NULL || ts->running != NULL || ts->draining) {
        return luaL_error(L, "task.run cannot be called in a task or a callback; use task.spawn");
    }
    task_push_handle(L, spawn(L, true));
    lua_settop(L, 1);
    struct task_handle *h = lua_touserdata(L, 1);
    struct loop *l = ts->loop;
    l->stopping = false;
    while (h->outcome == OUTCOME_NONE) {
        (void)loop_run_once(l, true);
        if (h->outcome != OUTCOME_NONE) {
            break;
        }
        if (l->stopping) {
            wind_down(ts, h);
            return luaL_error(L, "task.run: the loop was stopped");
        }
        if (ts->ready_first == NULL && ts->post_first == NULL && !loop_alive(l)) {
            wind_down(ts, h);
            return luaL_error(L, "task.run: the task waits for something that can never happen");
        }
    }
    task_log_unjoined(ts);
    return run_results(L, h);
}

static int l_stress(lua_State *L)
{
    tasks_stress(host_of(L), lua_toboolean(L, 1));
    return 0;
}

/* ---- module ---- */

static const luaL_Reg handle_methods[] = {
    {"cancel", h_cancel},
    {"join", h_join},
    {"done", h_done},
    {NULL, NULL},
};

static const luaL_Reg handle_meta[] = {
    {"__gc", h_gc},
    {"__tostring", h_tostring},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"spawn", l_spawn},     {"spawn_quiet", l_spawn_quiet},
    {"self", l_self},       {"count", l_count},
    {"sleep", l_sleep},     {"yield", l_yield},
    {"settled", l_settled}, {"run", l_run},
    {"stress", l_stress},   {NULL, NULL},
};

int luaopen_perigee_task(lua_State *L)
{
    luaL_newmetatable(L, TASK_HANDLE);
    luaL_setfuncs(L, handle_meta, 0);
    luaL_newlib(L, handle_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    task_sync_open(L);
    return 1;
}
