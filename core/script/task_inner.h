/* SPDX-License-Identifier: MIT
 *
 * Inside of tasks: what task.c (driver), task_lib.c (module) and task_sync.c (events, queues)
 * share.
 *
 * Life of a task: NEW (queued, function and arguments on its coroutine) -> RUNNING -> WAITING (its
 * operation is begun) -> RUNNING ... -> back to the pool. A task is queued at most once.
 */
#ifndef PERIGEE_SCRIPT_TASK_INNER_H
#define PERIGEE_SCRIPT_TASK_INNER_H

#include "script/host.h"
#include "script/task.h"

enum task_state { TASK_POOLED, TASK_NEW, TASK_RUNNING, TASK_WAITING };

enum op_state {
    OP_IDLE,
    OP_BEGUN,    /* may still end, time out or be cancelled */
    OP_DONE,     /* ended or timed out: push is due */
    OP_CANCELLED /* undone and released: the error is due */
};

/* Tasks that wait for one thing, first come first served. */
struct waitlist {
    struct task *first, *last;
};

struct task {
    struct task_op op; /* first member: an op is its task */
    enum op_state op_state;
    enum task_state state;
    bool in_wait;        /* yielded by task_wait, not by coroutine.yield */
    bool queued;         /* in the ready queue */
    bool cancel_pending; /* cancelled while it did not wait: the next wait ends at once */
    bool quiet;          /* its error is the business of who spawned it: not logged */
    int nargs;           /* values on its coroutine for the next resume */
    int ref;             /* of its coroutine in the table of anchors */
    struct tasks *owner;
    lua_State *co;
    struct task *ready_next;            /* ready queue or pool */
    struct task *prev, *next;           /* all that are alive */
    struct task *wait_prev, *wait_next; /* in wait_on */
    struct waitlist *wait_on;           /* NULL: in none */
    struct waitlist joiners;            /* tasks that wait for its end */
    struct task_handle *handle;         /* Lua's view of it; NULL: nobody looks */
    struct timer timer;                 /* sleeping, time-outs */
    const char *what;                   /* what its operation is, for errors; static */
    char name[40];                      /* for the log */
};

enum task_outcome { OUTCOME_NONE, OUTCOME_OK, OUTCOME_ERROR, OUTCOME_CANCELLED };

/* The userdata "perigee.task". User value 1: table of results (with n), or the error value. */
struct task_handle {
    struct task *task;   /* NULL once it has ended */
    struct tasks *owner; /* NULL once the tasks are gone */
    enum task_outcome outcome;
    char *report; /* error text with traceback that is not logged yet, owned */
    char name[40];
    struct task_handle *prev, *next; /* in owner->unjoined, while report is set */
};

#define POOL_MAX 1024
#define DRAIN_MAX 1000
#define UNJOINED_MS 100 /* io ms in which an error may still find its joiner */

struct tasks {
    struct host *host;
    struct loop *loop; /* NULL: no tasks in this process */
    struct task *ready_first, *ready_last;
    struct task *alive;
    struct task *pool;
    unsigned pooled;
    unsigned count;          /* alive */
    struct task *running;    /* whose coroutine runs now */
    struct waitlist settled; /* wait until nothing is in flight */
    struct task_post *post_first, *post_last;
    struct task_handle *unjoined; /* errors that nobody has asked for yet */
    struct timer unjoined_timer;
    bool draining;
    bool closing;
    bool stress;
    bool hears_settled; /* registered with the loop */
};

struct protect {
    struct tasks *tasks;
    struct task *task;
    int nres; /* results on the task's coroutine */
};
/* Calls fn with p as light userdata, protected; the error message (if any) is popped. */
int task_protect(lua_State *L, lua_CFunction fn, struct protect *p);

/* The table that finds a handle's userdata again, weak. MAY LONGJMP. */
void task_handles_open(lua_State *L);
/* For task_protect. Results go from the coroutine to its handle, if that is still alive. */
int task_store_results(lua_State *L);
/* For task_protect. The error value is on the top of the coroutine, whose frames are still there.
 */
int task_store_error(lua_State *L);
/* The timer of errors that waited for a joiner. */
void task_on_unjoined(void *arg);

/* Moves the function below nargs arguments from L; pops them in any case. NULL: *e is filled. */
struct task *task_start(lua_State *L, int nargs, const char *name, bool quiet, struct err *e);
void task_cancel(struct task *t);
void task_queue(struct task *t);
/* Pushes the handle of a living task, made if need be. MAY LONGJMP. */
void task_push_handle(lua_State *L, struct task *t);
void task_log_unjoined(struct tasks *ts);
void task_forget_report(struct task_handle *h);

/* Releases what a finished operation still holds; idle afterwards. */
void task_op_clear(struct task *t);
/* Undoes what is armed and frees its data. */
void task_op_cancel(struct task *t);

void waitlist_add(struct waitlist *w, struct task *t);
void waitlist_remove(struct task *t);
struct task *waitlist_take(struct waitlist *w); /* the first, removed; NULL when empty */
/* An op's cancel for what only waits in a list. */
void waitlist_cancel(struct task_op *op);

/* lua_resetthread, which newer Lua calls lua_closethread: runs pending <close> variables. Leaves an
 * error of theirs on the stack. */
int task_close_thread(lua_State *co, lua_State *from);

/* Arguments [ms [, clock]] of a wait at index arg; -1: none. */
int64_t task_check_timeout(lua_State *L, int arg, bool *market);
/* Adds event and queue to the module's table on the top. */
void task_sync_open(lua_State *L);

#define TASK_HANDLE "perigee.task"

static inline struct task *task_of_op(struct task_op *op)
{
    return (struct task *)(void *)op;
}

#endif
