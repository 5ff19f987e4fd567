/* SPDX-License-Identifier: MIT
 *
 * Waiting: lists of waiters, the operation of a task from begin to push, time-outs, cancelling.
 *
 * Cancelling is an edge: the pending wait (or the next one, when the task does not wait) ends with
 * "cancelled"; waits after it are ordinary again, so that a task can clean up.
 */
#include <assert.h>
#include <lauxlib.h>
#include <string.h>

#include "script/task_inner.h"

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

/* ---- operations ---- */

void task_op_clear(struct task *t)
{
    if (t->op_state == OP_DONE && t->op.release != NULL) {
        t->op.release(&t->op);
    }
    t->op_state = OP_IDLE;
}

void task_op_cancel(struct task *t)
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

struct task_op *task_begin(lua_State *L, const char *what)
{
    struct tasks *ts = host_of(L)->tasks;
    struct task *t = ts != NULL ? ts->running : NULL;
    if (t == NULL || ts->closing) {
        luaL_error(L, "%s waits: call it in a task (task.spawn, task.run)", what);
    } else if (t->co != L) {
        luaL_error(
            L, "%s waits: it cannot be called in a coroutine of the task's own or in a callback",
            what);
    } else if (!lua_isyieldable(L)) {
        luaL_error(L, "%s waits: it cannot be called here, across a C function or while closing",
                   what);
    }
    task_op_clear(t); /* a push that raised has left its data */
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
    task_op_clear(t);
    return n;
}

int task_wait(lua_State *L, struct task_op *op)
{
    struct task *t = task_of_op(op);
    if (t->cancel_pending && t->op_state == OP_BEGUN) {
        t->cancel_pending = false;
        task_op_cancel(t);
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
        task_op_cancel(t);
        task_queue(t);
    } else {
        t->cancel_pending = true;
    }
}
