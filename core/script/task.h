/* SPDX-License-Identifier: MIT
 *
 * Tasks: Lua coroutines on the loop. One resume driver; ready tasks are drained from the loop's
 * hooks, never inside an I/O callback. A callback stores its result in C and readies the task; the
 * continuation pushes it inside the coroutine, where running out of memory is an ordinary error.
 *
 * A waiting function, in this order: check arguments; task_begin (raises when the caller cannot
 * yield or waits already); arm the event; return task_wait(...).
 */
#ifndef PERIGEE_SCRIPT_TASK_H
#define PERIGEE_SCRIPT_TASK_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"

struct host;
struct task;
struct tasks;

/* The one pending operation of a task. */
struct task_op {
    /* Pushes results, called inside the coroutine; returns their number. */
    int (*push)(lua_State *L, struct task_op *op);
    /* Undoes what was armed, when the task is cancelled or its state is closed; must not call Lua.
     * After it the event must not fire any more. */
    void (*cancel)(struct task_op *op);
    /* Frees `data` after push or cancel; may be NULL. */
    void (*release)(struct task_op *op);
    void *data;
    int status; /* callback's: 0 or an error code */
};

int tasks_init(struct host *h, struct err *e); /* h->tasks */
void tasks_fini(struct host *h);
unsigned tasks_count(const struct host *h); /* alive */

/* The running task's operation, cleared; raises (MAY LONGJMP) when L is not a task that may yield.
 */
struct task_op *task_begin(lua_State *L, const char *what);
/* Yields until task_ready(op). Use as `return task_wait(L, op)`. */
int task_wait(lua_State *L, struct task_op *op);
/* From callbacks: the operation has ended; the task is resumed at the next drain. Calling it before
 * task_wait is fine (the wait then ends at the next drain). Exactly once for each begun operation.
 */
void task_ready(struct task_op *op);

/* Is the caller a task that was cancelled before this wait? Then what it calls must really wait,
 * even if its answer is there, and must not send anything first: task_wait ends it at once. */
bool task_cancel_due(lua_State *L);
/* The operation was begun but not armed after all (its start failed): forgets it without calling
 * cancel or release. Then return what the caller gets, instead of task_wait. */
void task_abandon(struct task_op *op);
/* Between task_begin and task_wait: when `ms` pass first (io ms, or market ms), op->cancel runs,
 * status becomes ERR_TIMEOUT and the task is resumed; push sees the status. 0 or ERR_NOMEM (then
 * the caller undoes and abandons). */
int task_timeout(struct task_op *op, int64_t ms, bool market);

/* Work for Lua that an I/O callback has found (a message, a request): run in a protected call on
 * the main thread at the next drain, in the order of posting, so it must not wait. Embedded in the
 * poster's block. */
struct task_post {
    struct task_post *next; /* the queue's */
    /* May raise (it is logged as `what`). The post is dropped afterwards. */
    void (*run)(lua_State *L, struct task_post *p);
    void (*drop)(struct task_post *p); /* frees it; also when the state closes before it ran */
    const char *what;                  /* static, for the log */
};
void task_post(struct host *h, struct task_post *p);

/* For tests: a full collection before each resume. */
void tasks_stress(struct host *h, bool on);

/* Spawns the function at the top of the stack (with nargs arguments above it) of L as a new task,
 * pops them; pushes nothing. Started at the next drain. */
int task_spawn(lua_State *L, int nargs, const char *name, struct err *e);

/* Creates the metatable "perigee.err" (once, MAY LONGJMP). */
void err_open(lua_State *L);
bool err_is(lua_State *L, int index);
/* Pushes an error table with perigee.err's metatable. retry: "no", "safe" or "reconcile". */
void err_table(lua_State *L, int code, const char *message, const char *source, const char *retry);
/* Pushes nil and an error table {code, message, source, retry} with the perigee.err metatable;
 * returns 2. retry: "no", "safe" or "reconcile". */
int push_err(lua_State *L, int code, const char *message, const char *source, const char *retry);

#endif
