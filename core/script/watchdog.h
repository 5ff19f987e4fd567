/* SPDX-License-Identifier: MIT
 *
 * Stops Lua code that uses more of the processor than it may.
 *
 * A thread of its own looks at the owner's thread every few milliseconds while bursts of Lua run
 * there, and sleeps while none does: an idle watchdog costs nothing, and a burst two writes and two
 * looks at the clock. What counts is the processor time of the owner's thread, so a busy machine
 * stops nobody. A burst that has used up its time gets a signal in its own thread, whose handler
 * sets a hook on the coroutine that runs; the hook raises an error before each instruction from
 * then on and stays until the burst has ended, so no pcall and no inner coroutine can go on behind
 * it.
 *
 * A message handler (xpcall) would run inside of the hook, where no hook is called, so it must not
 * run code of the script once the burst is tripped.
 *
 * Limits: C functions are not interrupted, so what is offered to scripts has capped inputs; those
 * who switch coroutines have to say so (burst_enter, burst_leave). SIGURG belongs to this file.
 */
#ifndef PERIGEE_SCRIPT_WATCHDOG_H
#define PERIGEE_SCRIPT_WATCHDOG_H

#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct watchdog;

/* One call from C into Lua. Embedded in whoever calls; its fields are watchdog.c's. */
struct burst {
    struct watchdog *dog;           /* NULL: nobody watches */
    struct burst *outer;            /* that it was begun in */
    lua_State *volatile running;    /* the coroutine whose code runs now */
    volatile sig_atomic_t tripped;  /* its time was up */
    lua_Hook volatile hook;         /* what raises when it is tripped; before it is: NULL */
    volatile sig_atomic_t limit_ms; /* of processor time */
    int64_t begun_ns;               /* io */
};

/* Watches the thread that calls this; bursts are begun on it alone. */
int watchdog_new(struct watchdog **out, struct err *e);
void watchdog_free(struct watchdog *dog);

/* Code of L is called now. `dog` may be NULL. A burst inside of another has its own limit, and
 * behind it the outer one's time begins anew. */
void burst_begin(struct burst *b, struct watchdog *dog, lua_State *L, unsigned limit_ms);
/* It has returned; the hook is taken off. Returns the ns that it took, by the wall; 0 without a
 * watchdog. b->tripped says whether it was stopped. */
int64_t burst_end(struct burst *b, lua_State *L);

/* Stops it from within, by a hook of the caller's that raises: it is set on L as the watchdog sets
 * its own. */
void burst_trip(struct burst *b, lua_State *L, lua_Hook hook);
/* The coroutine `co` is resumed or closed by L, and is not running any more. burst_leave raises
 * when it was tripped meanwhile. MAY LONGJMP */
void burst_enter(struct burst *b, lua_State *co);
void burst_leave(struct burst *b, lua_State *L);

#endif
