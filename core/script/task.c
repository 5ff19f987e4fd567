/* SPDX-License-Identifier: MIT
 *
 * The driver of tasks: spawning, the one place that resumes, waiting, cancelling, posts.
 *
 * Coroutines are pooled and anchored in a private table of the registry, so spawning allocates
 * nothing once warm. The one operation and the one timer of a task are embedded in it.
 *
 * Cancelling is an edge: the pending wait (or the next one, when the task does not wait) ends with
 * "cancelled"; waits after it are ordinary again, so that a task can clean up. A bare
 * coroutine.yield() in a task is the same as task.yield().
 */
#include <assert.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/loop_timers.h"
#include "script/task_inner.h"

static const char anchors_key, handles_key; /* addresses are keys of the registry */

/* ---- lists ---- */

void waitlist_add(struct waitlist *w, struct task *t)
{
    t->wait_on = w;
    t->wait_next = NULL;
    t->wait_prev = w->last;
    if (w->last != NULL) {
        w->last->wait_next = t;
    } else {
        w->first = t;
    }
    w->last = t;
}

void waitlist_remove(struct task *t)
{
    struct waitlist *w = t->wait_on;
    if (w == NULL) {
        return;
    }
    if (t->wait_prev != NULL) {
        t->wait_prev->wait_next = t->wait_next;
    } else {
        w->first = t->wait_next;
    }
    if (t->wait_next != NULL) {
        t->wait_next->wait_prev = t->wait_prev;
    } else {
        w->last = t->wait_prev;
    }
    t->wait_on = NULL;
}

struct task *waitlist_take(struct waitlist *w)
{
    struct task *t = w->first;
    if (t != NULL) {
        waitlist_remove(t);
    }
    return t;
}

void waitlist_cancel(struct task_op *op)
{
    waitlist_remove(task_of_op(op));
}

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

struct protect {
    struct tasks *tasks;
    struct task *task;
    int nres; /* results on the task's coroutine */
};

/* Calls fn(L) with a pointer, protected. The error message (if any) is popped. */
static int protect(lua_State *L, lua_CFunction fn, struct protect *p)
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
    (void)protect(ts->host->L, drop_task, &p); /* an old slot is reused: nothing is allocated */
    free(t);
}

struct task *task_start(lua_State *L, int nargs, const char *name, bool quiet, struct err *e)
{
    struct tasks *ts = host_of(L)->tasks;
    struct task *t = NULL;
    if (ts == NULL || ts->closing || ts->loop == NULL) {
        lua_pop(L, nargs + 1);
        (void)err_set(e, ERR_STATE, "no task can be started: %s",
                      ts != NULL && !ts->closing ? "this process has no loop" : "the host is closing");
        return NULL;
    }
    if (ts->pool != NULL) {
        t = ts->pool;
        ts->pool = t->ready_next;
        ts->pooled--;
    } else {
        struct protect p = {.tasks = ts};
        if (protect(L, make_task, &p) == LUA_OK) {
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

static void op_clear(struct task *t)
{
    if (t->op_state == OP_DONE && t->op.release != NULL) {
        t->op.release(&t->op);
    }
    t->op_state = OP_IDLE;
}

/* Undoes what is armed and frees its data. */
static void op_cancel(struct task *t)
{
    if (t->op.cancel != NULL) {
        t->op.cancel(&t->op);
    }
    if (t->op.release != NULL) {
        t->op.release(&t->op);
    }
    timer_stop(&t->timer);
    t->op_state = OP_CANCELLED;
}

/* ---- handles ---- */

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

static void on_unjoined(void *arg)
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

/* Results of a task go to its handle, if that is still alive. */
static int store_results(lua_State *L)
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

/* The error value is on the top of the coroutine, whose frames are still there. */
static int store_error(lua_State *L)
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
    op_clear(t);
    timer_stop(&t->timer);
    if (status == LUA_OK) {
        if (t->handle != NULL && nres > 0 && protect(ts->host->L, store_results, &p) != LUA_OK) {
            outcome = OUTCOME_ERROR;
            log_write(ts->host->services.log, LOG_ERROR, "task", "%s: no memory for its results",
                      t->name);
        }
        lua_settop(t->co, 0);
    } else {
        outcome = OUTCOME_ERROR;
        if (protect(ts->host->L, store_error, &p) != LUA_OK) {
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

/* ---- waiting ---- */

struct task_op *task_begin(lua_State *L, const char *what)
{
    struct tasks *ts = host_of(L)->tasks;
    struct task *t = ts != NULL ? ts->running : NULL;
    if (t == NULL || ts->closing) {
        luaL_error(L, "%s waits: call it in a task (task.spawn, task.run)", what);
    } else if (t->co != L) {
        luaL_error(L, "%s waits: it cannot be called in a coroutine of the task's own or in a callback",
                   what);
    } else if (!lua_isyieldable(L)) {
        luaL_error(L, "%s waits: it cannot be called here, across a C function or while closing",
                   what);
    }
    op_clear(t); /* a push that raised has left its data */
    memset(&t->op, 0, sizeof t->op);
    t->op_state = OP_BEGUN;
    t->what = what;
    return &t->op;
}

void task_abandon(struct task_op *op)
{
    struct task *t = task_of_op(op);
    timer_stop(&t->timer);
    t->op_state = OP_IDLE;
}

static void on_timeout(void *arg)
{
    struct task *t = arg;
    if (t->op_state != OP_BEGUN) {
        return;
    }
    if (t->op.cancel != NULL) {
        t->op.cancel(&t->op);
    }
    t->op.status = ERR_TIMEOUT;
    task_ready(&t->op);
}

int task_timeout(struct task_op *op, int64_t ms, bool market)
{
    struct task *t = task_of_op(op);
    struct loop *l = t->owner->loop;
    timer_init(&t->timer, l, on_timeout, t);
    if (!market) {
        return timer_start_io(&t->timer, ms);
    }
    int64_t now = clock_market_ms(l->clock), due;
    if (__builtin_add_overflow(now, ms, &due)) {
        due = INT64_MAX;
    }
    return timer_start_market(&t->timer, due);
}

static int cancelled(lua_State *L, struct task *t)
{
    t->op_state = OP_IDLE;
    return push_err(L, ERR_CANCELLED, "the task was cancelled", t->what, "no");
}

static int wait_k(lua_State *L, int status, lua_KContext context)
{
    struct task *t = (struct task *)context;
    (void)status;
    if (t->op_state == OP_CANCELLED) {
        return cancelled(L, t);
    }
    int n = 0;
    if (t->op.push != NULL) {
        n = t->op.push(L, &t->op);
    }
    op_clear(t);
    return n;
}

int task_wait(lua_State *L, struct task_op *op)
{
    struct task *t = task_of_op(op);
    if (t->cancel_pending && t->op_state == OP_BEGUN) {
        t->cancel_pending = false;
        op_cancel(t);
        return cancelled(L, t);
    }
    t->in_wait = true;
    return lua_yieldk(L, 0, (lua_KContext)t, wait_k);
}

void task_ready(struct task_op *op)
{
    struct task *t = task_of_op(op);
    assert(t->op_state == OP_BEGUN && "task_ready without a begun operation");
    t->op_state = OP_DONE;
    timer_stop(&t->timer);
    if (t->state == TASK_WAITING) {
        task_queue(t);
    }
}

bool task_cancel_due(lua_State *L)
{
    struct tasks *ts = host_of(L)->tasks;
    const struct task *t = ts != NULL ? ts->running : NULL;
    return t != NULL && t->co == L && t->cancel_pending;
}

void task_cancel(struct task *t)
{
    if (t->state == TASK_WAITING && t->in_wait && t->op_state == OP_BEGUN) {
        op_cancel(t);
        task_queue(t);
    } else {
        t->cancel_pending = true;
    }
}

/* ---- the whole ---- */

static int open_tables(lua_State *L)
{
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &anchors_key);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &handles_key);
    return 0;
}

int tasks_init(struct host *h, struct err *e)
{
    struct tasks *ts = calloc(1, sizeof *ts);
    struct protect p = {.tasks = ts};
    if (ts == NULL || protect(h->L, open_tables, &p) != LUA_OK) {
        free(ts);
        return err_set(e, ERR_NOMEM, "out of memory for tasks");
    }
    ts->host = h;
    ts->loop = h->services.loop;
    if (ts->loop != NULL) {
        timer_init(&ts->unjoined_timer, ts->loop, on_unjoined, ts);
        if (loop_on_drain(ts->loop, drain, ts) != 0) {
            free(ts);
            return err_set(e, ERR_LIMIT, "the loop has no room for the hook of another Lua host");
        }
    }
    h->tasks = ts;
    return 0;
}

/* The loop has no call for this: without it a turn after host_free would use freed memory. */
static void unhook(struct tasks *ts)
{
    struct loop_hooks *hooks = ts->loop->hooks;
    size_t kept = 0;
    for (size_t i = 0; i < hooks->drain_count; i++) {
        if (hooks->drain[i].arg != ts) {
            hooks->drain[kept++] = hooks->drain[i];
        }
    }
    hooks->drain_count = kept;
    if (ts->hears_settled) {
        loop_on_settled(ts->loop, NULL, NULL);
    }
}

static void close_alive(struct tasks *ts, struct task *t)
{
    if (t->state == TASK_WAITING && t->in_wait && t->op_state == OP_BEGUN) {
        op_cancel(t);
    }
    op_clear(t);
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
