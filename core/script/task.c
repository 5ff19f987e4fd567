/* SPDX-License-Identifier: MIT
 *
 * The driver of tasks: spawning, the one place that resumes, posts, the end of all. Waiting is in
 * task_wait.c, what remains of an ended task in task_handle.c.
 *
 * Coroutines are pooled and anchored in a private table of the registry, so spawning allocates
 * nothing once warm. The one operation and the one timer of a task are embedded in it.
 * A bare coroutine.yield() in a task is the same as task.yield().
 */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/task_inner.h"

static const char anchors_key; /* its address is a key of the registry */

/* ---- the ready queue ---- */

void task_queue(struct task *t)
{
    struct tasks *ts = t->owner;
    if (t->queued || ts->closing) {
        return;
    }
    t->queued = true;
    t->ready_next = NULL;
    if (ts->ready_last != NULL) {
        ts->ready_last->ready_next = t;
    } else {
        ts->ready_first = t;
        if (!ts->draining) {
            loop_wake(ts->loop);
        }
    }
    ts->ready_last = t;
}

static struct task *take_ready(struct tasks *ts)
{
    struct task *t = ts->ready_first;
    ts->ready_first = t->ready_next;
    if (ts->ready_first == NULL) {
        ts->ready_last = NULL;
    }
    t->queued = false;
    return t;
}

/* ---- making and ending ---- */

int task_protect(lua_State *L, lua_CFunction fn, struct protect *p)
{
    if (!lua_checkstack(L, 6)) {
        return LUA_ERRMEM;
    }
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, p);
    int rc = lua_pcall(L, 1, 0, 0);
    if (rc != LUA_OK) {
        lua_pop(L, 1);
    }
    return rc;
}

static int make_task(lua_State *L)
{
    struct protect *p = lua_touserdata(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &anchors_key);
    lua_State *co = lua_newthread(L);
    int ref = luaL_ref(L, -2);
    struct task *t = calloc(1, sizeof *t);
    if (t == NULL) {
        luaL_unref(L, -1, ref);
        return luaL_error(L, "out of memory for a task");
    }
    t->co = co;
    t->ref = ref;
    t->owner = p->tasks;
    p->task = t;
    return 0;
}

static int drop_task(lua_State *L)
{
    struct protect *p = lua_touserdata(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &anchors_key);
    luaL_unref(L, -1, p->task->ref);
    return 0;
}

static void to_pool(struct task *t)
{
    struct tasks *ts = t->owner;
    t->state = TASK_POOLED;
    if (ts->pooled < POOL_MAX) {
        t->ready_next = ts->pool;
        ts->pool = t;
        ts->pooled++;
        return;
    }
    struct protect p = {.tasks = ts, .task = t};
    (void)task_protect(ts->host->L, drop_task,
                       &p); /* an old slot is reused: nothing is allocated */
    free(t);
}

struct task *task_start(lua_State *L, int nargs, const char *name, bool quiet, struct err *e)
{
    struct tasks *ts = host_of(L)->tasks;
    struct task *t = NULL;
    if (ts == NULL || ts->closing || ts->loop == NULL) {
        lua_pop(L, nargs + 1);
        (void)err_set(e, ERR_STATE, "no task can be started: %s",
                      ts != NULL && !ts->closing ? "this process has no loop"
                                                 : "the host is closing");
        return NULL;
    }
    if (ts->pool != NULL) {
        t = ts->pool;
        ts->pool = t->ready_next;
        ts->pooled--;
    } else {
        struct protect p = {.tasks = ts};
        if (task_protect(L, make_task, &p) == LUA_OK) {
            t = p.task;
        }
    }
    if (t == NULL || !lua_checkstack(t->co, nargs + 1 + LUA_MINSTACK)) {
        if (t != NULL) {
            to_pool(t);
        }
        lua_pop(L, nargs + 1);
        (void)err_set(e, ERR_NOMEM, "out of memory for a task");
        return NULL;
    }
    lua_xmove(L, t->co, nargs + 1);
    t->nargs = nargs;
    t->op_state = OP_IDLE;
    t->state = TASK_NEW;
    t->in_wait = t->cancel_pending = false;
    t->quiet = quiet;
    t->handle = NULL;
    t->wait_on = NULL;
    t->joiners = (struct waitlist){NULL, NULL};
    t->what = "";
    (void)snprintf(t->name, sizeof t->name, "%s", name != NULL ? name : "task");
    timer_init(&t->timer, ts->loop, NULL, t);
    t->prev = NULL;
    t->next = ts->alive;
    if (ts->alive != NULL) {
        ts->alive->prev = t;
    }
    ts->alive = t;
    ts->count++;
    task_queue(t);
    return t;
}

int task_spawn(lua_State *L, int nargs, const char *name, struct err *e)
{
    struct err own;
    struct err *where = e != NULL ? e : &own;
    return task_start(L, nargs, name, false, where) != NULL ? 0 : where->code;
}

/* ---- the resume driver ---- */

int task_close_thread(lua_State *co, lua_State *from)
{
    (void)from; /* lua_closethread would want it */
    return lua_resetthread(co);
}

static void unlink_task(struct task *t)
{
    struct tasks *ts = t->owner;
    if (t->prev != NULL) {
        t->prev->next = t->next;
    } else {
        ts->alive = t->next;
    }
    if (t->next != NULL) {
        t->next->prev = t->prev;
    }
    ts->count--;
}

/* Tells the joiners, lets go of the handle. */
static void detach(struct task *t, enum task_outcome outcome)
{
    if (t->handle != NULL) {
        t->handle->outcome = outcome;
        t->handle->task = NULL;
        t->handle = NULL;
    }
    for (struct task *j = waitlist_take(&t->joiners); j != NULL; j = waitlist_take(&t->joiners)) {
        task_ready(&j->op);
    }
}

static void close_failed(struct task *t)
{
    struct tasks *ts = t->owner;
    int rc = task_close_thread(t->co, ts->host->L);
    if (rc != LUA_OK && rc != LUA_ERRRUN && rc != LUA_ERRMEM) {
        log_write(ts->host->services.log, LOG_ERROR, "task", "%s: closing it failed (%d)", t->name,
                  rc);
    }
    lua_settop(t->co, 0);
}

static void finish(struct task *t, int status, int nres)
{
    struct tasks *ts = t->owner;
    struct protect p = {.tasks = ts, .task = t, .nres = nres};
    enum task_outcome outcome = OUTCOME_OK;
    task_op_clear(t);
    timer_stop(&t->timer);
    if (status == LUA_OK) {
        if (t->handle != NULL && nres > 0 &&
            task_protect(ts->host->L, task_store_results, &p) != LUA_OK) {
            outcome = OUTCOME_ERROR;
            log_write(ts->host->services.log, LOG_ERROR, "task", "%s: no memory for its results",
                      t->name);
        }
        lua_settop(t->co, 0);
    } else {
        outcome = OUTCOME_ERROR;
        if (task_protect(ts->host->L, task_store_error, &p) != LUA_OK) {
            log_write(ts->host->services.log, LOG_ERROR, "task",
                      "%s: failed, and there was no memory to say how", t->name);
        }
        close_failed(t);
    }
    unlink_task(t);
    detach(t, outcome);
    to_pool(t);
}

static void resume(struct tasks *ts, struct task *t)
{
    lua_State *L = ts->host->L;
    int nres = 0, nargs = t->nargs;
    if (t->state == TASK_NEW && t->cancel_pending) { /* cancelled before its first step */
        lua_settop(t->co, 0);
        unlink_task(t);
        detach(t, OUTCOME_CANCELLED);
        to_pool(t);
        return;
    }
    if (ts->stress) {
        (void)lua_gc(L, LUA_GCCOLLECT);
    }
    t->nargs = 0;
    t->in_wait = false;
    t->state = TASK_RUNNING;
    ts->running = t;
    int status = lua_resume(t->co, L, nargs, &nres);
    ts->running = NULL;
    if (status != LUA_YIELD) {
        finish(t, status, nres);
        return;
    }
    t->state = TASK_WAITING;
    if (!t->in_wait) {
        lua_pop(t->co, nres);
        task_queue(t);
    } else if (t->op_state != OP_BEGUN) {
        task_queue(t); /* it was ready before it waited */
    }
}

struct post_call {
    struct task_post *post;
};

static int call_post(lua_State *L)
{
    struct post_call *c = lua_touserdata(L, 1);
    lua_settop(L, 0);
    c->post->run(L, c->post);
    return 0;
}

static int with_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static void run_post(struct tasks *ts, struct task_post *p)
{
    lua_State *L = ts->host->L;
    struct post_call c = {p};
    if (!lua_checkstack(L, 8)) {
        log_write(ts->host->services.log, LOG_ERROR, "task", "%s: out of memory", p->what);
        p->drop(p);
        return;
    }
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, call_post);
    lua_pushlightuserdata(L, &c);
    if (lua_pcall(L, 1, 0, -3) != LUA_OK) {
        const char *text = lua_tostring(L, -1);
        log_write(ts->host->services.log, LOG_ERROR, "task", "%s: %s", p->what,
                  text != NULL ? text : "out of memory");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    p->drop(p);
}

void task_post(struct host *h, struct task_post *p)
{
    struct tasks *ts = h->tasks;
    if (ts == NULL || ts->closing) {
        p->drop(p);
        return;
    }
    p->next = NULL;
    if (ts->post_last != NULL) {
        ts->post_last->next = p;
    } else {
        ts->post_first = p;
        if (!ts->draining) {
            loop_wake(ts->loop);
        }
    }
    ts->post_last = p;
}

static struct task_post *take_post(struct tasks *ts)
{
    struct task_post *p = ts->post_first;
    ts->post_first = p->next;
    if (ts->post_first == NULL) {
        ts->post_last = NULL;
    }
    return p;
}

static bool drain(void *arg)
{
    struct tasks *ts = arg;
    if (ts->draining) {
        return false;
    }
    ts->draining = true;
    for (unsigned n = 0; n < DRAIN_MAX && ts->post_first != NULL; n++) {
        run_post(ts, take_post(ts));
    }
    for (unsigned n = 0; n < DRAIN_MAX && ts->ready_first != NULL; n++) {
        resume(ts, take_ready(ts));
    }
    ts->draining = false;
    return ts->ready_first != NULL || ts->post_first != NULL;
}

/* ---- the whole ---- */

static int open_tables(lua_State *L)
{
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &anchors_key);
    task_handles_open(L);
    return 0;
}

int tasks_init(struct host *h, struct err *e)
{
    struct tasks *ts = calloc(1, sizeof *ts);
    struct protect p = {.tasks = ts};
    if (ts == NULL || task_protect(h->L, open_tables, &p) != LUA_OK) {
        free(ts);
        return err_set(e, ERR_NOMEM, "out of memory for tasks");
    }
    ts->host = h;
    ts->loop = h->services.loop;
    if (ts->loop != NULL) {
        timer_init(&ts->unjoined_timer, ts->loop, task_on_unjoined, ts);
        if (loop_on_drain(ts->loop, drain, ts) != 0) {
            free(ts);
            return err_set(e, ERR_LIMIT, "the loop has no room for the hook of another Lua host");
        }
    }
    h->tasks = ts;
    return 0;
}

static void unhook(struct tasks *ts)
{
    loop_off_drain(ts->loop, drain, ts);
    if (ts->hears_settled) {
        loop_on_settled(ts->loop, NULL, NULL);
    }
}

static void close_alive(struct tasks *ts, struct task *t)
{
    if (t->state == TASK_WAITING && t->in_wait && t->op_state == OP_BEGUN) {
        task_op_cancel(t);
    }
    task_op_clear(t);
    timer_stop(&t->timer);
    if (task_close_thread(t->co, ts->host->L) != LUA_OK) {
        const char *text = lua_tostring(t->co, -1);
        log_write(ts->host->services.log, LOG_ERROR, "task", "%s: error while it was closed: %s",
                  t->name, text != NULL ? text : "(no text)");
    }
    lua_settop(t->co, 0);
    unlink_task(t);
    if (t->handle != NULL) {
        t->handle->outcome = OUTCOME_CANCELLED;
        t->handle->task = NULL;
    }
    waitlist_remove(t);
    for (struct task *j = waitlist_take(&t->joiners); j != NULL; j = waitlist_take(&t->joiners)) {
        j->op_state = OP_DONE; /* it is closed next, not resumed */
    }
    free(t);
}

void tasks_fini(struct host *h)
{
    struct tasks *ts = h->tasks;
    if (ts == NULL) {
        return;
    }
    ts->closing = true;
    ts->ready_first = ts->ready_last = NULL;
    while (ts->alive != NULL) {
        close_alive(ts, ts->alive);
    }
    while (ts->post_first != NULL) {
        struct task_post *p = take_post(ts);
        p->drop(p);
    }
    while (ts->pool != NULL) {
        struct task *t = ts->pool;
        ts->pool = t->ready_next;
        free(t);
    }
    task_log_unjoined(ts);
    if (ts->loop != NULL) {
        timer_stop(&ts->unjoined_timer);
        unhook(ts);
    }
    h->tasks = NULL;
    free(ts);
}

unsigned tasks_count(const struct host *h)
{
    return h->tasks != NULL ? h->tasks->count : 0;
}

void tasks_stress(struct host *h, bool on)
{
    h->tasks->stress = on;
}
