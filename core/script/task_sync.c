/* SPDX-License-Identifier: MIT
 *
 * What tasks use to wait for each other: an auto-reset event and a queue. A value goes straight
 * onto the coroutine of the first waiter, so handing over allocates nothing.
 */
#include <lauxlib.h>
#include <string.h>

#include "script/task_inner.h"

#define EVENT_META "perigee.task.event"
#define QUEUE_META "perigee.task.queue"

/* Userdata. User value 1: the value that was set while nobody waited. */
struct signal_event {
    struct waitlist waiting;
    bool set;
};

/* Userdata. User value 1: table [head .. tail - 1]. */
struct queue {
    struct waitlist waiting;
    lua_Integer head, tail;
};

/* Gives the value on the top of L (popped) to the first waiter. */
static void hand_over(lua_State *L, struct waitlist *w)
{
    struct task *t = waitlist_take(w);
    if (host_of(L)->tasks->closing) {
        lua_pop(L, 1); /* the waiter is about to be closed */
        t->op_state = OP_DONE;
        return;
    }
    lua_xmove(L, t->co, 1); /* a C frame that has yielded has room */
    t->nargs = 1;
    task_ready(&t->op);
}

static int wait_in(lua_State *L, struct waitlist *w, const char *what,
                   int (*push)(lua_State *, struct task_op *))
{
    bool market;
    int64_t ms = task_check_timeout(L, 2, &market);
    struct task_op *op = task_begin(L, what);
    op->push = push;
    op->cancel = waitlist_cancel;
    lua_settop(L, 1);
    if (ms >= 0 && task_timeout(op, ms, market) != 0) {
        task_abandon(op);
        return luaL_error(L, "out of memory for a timer");
    }
    waitlist_add(w, task_of_op(op));
    return task_wait(L, op);
}

/* ---- event ---- */

static int event_new(lua_State *L)
{
    struct signal_event *ev = lua_newuserdatauv(L, sizeof *ev, 1);
    memset(ev, 0, sizeof *ev);
    luaL_setmetatable(L, EVENT_META);
    return 1;
}

static int event_set(lua_State *L)
{
    struct signal_event *ev = luaL_checkudata(L, 1, EVENT_META);
    lua_settop(L, 2);
    if (ev->waiting.first != NULL) {
        hand_over(L, &ev->waiting);
        return 0;
    }
    lua_setiuservalue(L, 1, 1);
    ev->set = true;
    return 0;
}

static int push_event(lua_State *L, struct task_op *op)
{
    if (op->status != 0) {
        return push_err(L, op->status, "nothing was set in time", "event:wait", "safe");
    }
    lua_pushboolean(L, true);
    lua_insert(L, -2);
    return 2;
}

static int event_wait(lua_State *L)
{
    struct signal_event *ev = luaL_checkudata(L, 1, EVENT_META);
    if (ev->set && !task_cancel_due(L)) {
        ev->set = false;
        lua_pushboolean(L, true);
        lua_getiuservalue(L, 1, 1);
        lua_pushnil(L);
        lua_setiuservalue(L, 1, 1);
        return 2;
    }
    return wait_in(L, &ev->waiting, "event:wait", push_event);
}

/* ---- queue ---- */

static int queue_new(lua_State *L)
{
    struct queue *q = lua_newuserdatauv(L, sizeof *q, 1);
    memset(q, 0, sizeof *q);
    q->head = q->tail = 1;
    luaL_setmetatable(L, QUEUE_META);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

static int queue_push(lua_State *L)
{
    struct queue *q = luaL_checkudata(L, 1, QUEUE_META);
    luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "nil cannot be queued");
    lua_settop(L, 2);
    if (q->waiting.first != NULL) {
        hand_over(L, &q->waiting);
        return 0;
    }
    lua_getiuservalue(L, 1, 1);
    lua_pushvalue(L, 2);
    lua_rawseti(L, 3, q->tail);
    q->tail++;
    return 0;
}

static int push_popped(lua_State *L, struct task_op *op)
{
    if (op->status != 0) {
        return push_err(L, op->status, "nothing was queued in time", "queue:pop", "safe");
    }
    return 1;
}

static int queue_pop(lua_State *L)
{
    struct queue *q = luaL_checkudata(L, 1, QUEUE_META);
    if (q->head == q->tail || task_cancel_due(L)) {
        return wait_in(L, &q->waiting, "queue:pop", push_popped);
    }
    lua_getiuservalue(L, 1, 1);
    int table = lua_gettop(L);
    lua_rawgeti(L, table, q->head);
    lua_pushnil(L);
    lua_rawseti(L, table, q->head);
    q->head++;
    if (q->head == q->tail) {
        q->head = q->tail = 1; /* low indexes stay in the array part */
    }
    return 1;
}

static int queue_len(lua_State *L)
{
    struct queue *q = luaL_checkudata(L, 1, QUEUE_META);
    lua_pushinteger(L, q->tail - q->head);
    return 1;
}

static const luaL_Reg event_methods[] = {{"set", event_set}, {"wait", event_wait}, {NULL, NULL}};
static const luaL_Reg queue_methods[] = {{"push", queue_push}, {"pop", queue_pop}, {NULL, NULL}};

void task_sync_open(lua_State *L)
{
    luaL_newmetatable(L, EVENT_META);
    luaL_newlib(L, event_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newmetatable(L, QUEUE_META);
    luaL_newlib(L, queue_methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, queue_len);
    lua_setfield(L, -2, "__len");
    lua_pop(L, 1);
    lua_pushcfunction(L, event_new);
    lua_setfield(L, -2, "event");
    lua_pushcfunction(L, queue_new);
    lua_setfield(L, -2, "queue");
}
