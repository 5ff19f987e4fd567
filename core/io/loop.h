/* SPDX-License-Identifier: MIT
 *
 * The loop: one libuv loop, timers on both clocks, and the count of exchanges in flight that
 * --speed max waits for. Everything in a process that owns truth runs on this one thread.
 */
#ifndef PERIGEE_IO_LOOP_H
#define PERIGEE_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

struct timer;

struct loop {
    uv_loop_t uv;
    struct clock *clock; /* not owned */
    struct log *log;     /* not owned; may be NULL */
    unsigned in_flight;  /* exchanges whose end the market waits for when its time is granted */
    bool stopping;
    struct loop_timers *timers; /* owned: heaps of both clocks */
    struct loop_hooks *hooks;   /* owned */
};

/* Also sets SIGPIPE to be ignored for the process: libuv's pipe writes need it. */
int loop_init(struct loop *l, struct clock *clock, struct log *log, struct err *e);
/* Closes what the loop itself owns and runs until no handle is left. ERR_STATE if handles of
 * others are still open (a leak; tests fail on it): their types are named in the log, and on stderr
 * when there is no log. Timers that still run are forgotten. */
int loop_fini(struct loop *l);
int loop_run(struct loop *l); /* until loop_stop or nothing is left to do */
void loop_stop(struct loop *l);
int loop_run_once(struct loop *l, bool wait); /* for tests: one turn */
/* Is there anything that could still happen: handles, requests, queued work, and with a virtual
 * clock timers? */
bool loop_alive(const struct loop *l);

/* ---- virtual time ----
 *
 * With a virtual clock a turn is: drain hooks until they report no work, then the timers of both
 * clocks that are due, in order of their due time and of starting. When nothing is ready, both
 * clocks jump together to the earliest due time. libuv takes no part, so a turn costs no system
 * call; only while handles or requests of its own are alive (work of the thread pool) it is asked
 * before each jump, and the time stands still until the requests are done.
 * loop_run and loop_run_once(l, true) take such turns, too; loop_run_once(l, false) takes one of
 * libuv's, in which no time passes. */

/* One turn or one jump, not beyond io_ns (INT64_MAX: as long as there are timers). 1: call again;
 * 0: io_ns is reached and all that was due is done; ERR_CANCELLED: loop_stop was called; ERR_LIMIT:
 * so many turns were taken without any time passing that something restarts itself for ever. */
int loop_step_until(struct loop *l, int64_t io_ns);
/* Steps to io_ns. 0, ERR_CANCELLED or ERR_LIMIT. */
int loop_run_until(struct loop *l, int64_t io_ns);

typedef void (*loop_fn)(void *arg);
/* fn runs after each round of I/O callbacks and again before the loop sleeps: task queues are
 * drained here, never inside another callback. Returns true when more work is waiting (the loop
 * then does not sleep). At most 8 hooks; called in the order of registration. */
typedef bool (*loop_drain_fn)(void *arg);
int loop_on_drain(struct loop *l, loop_drain_fn fn, void *arg);
void loop_off_drain(struct loop *l, loop_drain_fn fn, void *arg); /* not from inside a hook */
/* fn runs when nothing is in flight and every drain hook reports no work (granted time only goes on
 * then). Called at most once a turn, while it stays so. When it held or released the loop, fired
 * timers or called loop_wake, the loop takes another turn without sleeping; else it sleeps. */
void loop_on_settled(struct loop *l, loop_fn fn, void *arg);
/* The loop takes one more turn before it sleeps. For work that was queued outside of callbacks. */
void loop_wake(struct loop *l);

/* An exchange begins or ends (HTTP, lane). Unbalanced calls are asserted. */
void loop_hold(struct loop *l);
void loop_release(struct loop *l);

/* Timers. The struct is the caller's and must stay until stopped or fired. One-shot; fired timers
 * may be started again from their own callback. */
struct timer {
    struct loop *loop;
    loop_fn fn;
    void *arg;
    int64_t due;    /* io ns or market ms */
    uint64_t order; /* ties fire in order of starting */
    int where;      /* 0: not running, 1: io, 2: market */
    size_t slot;    /* place in its heap */
};
void timer_init(struct timer *t, struct loop *l, loop_fn fn, void *arg);
/* From now; 0 fires on the next turn. 0 or ERR_NOMEM. */
int timer_start_io(struct timer *t, int64_t ms);
/* At io ns `due`; a past one fires on the next turn. 0 or ERR_NOMEM. */
int timer_start_io_at(struct timer *t, int64_t due_io_ns);
/* A past due fires on the next turn. 0 or ERR_NOMEM. */
int timer_start_market(struct timer *t, int64_t due_market_ms);
void timer_stop(struct timer *t);
bool timer_active(const struct timer *t);

/* Granted and virtual clocks: moves the market clock to market_ms, firing each market timer that
 * falls due on the way, in order, with the clock standing at its due time. With a running clock it
 * only fires what is due. */
void loop_market_advance(struct loop *l, int64_t market_ms);
/* The earliest market timer, or INT64_MAX. */
int64_t loop_market_next(const struct loop *l);
/* The same for io time of a virtual clock; with any other clock it only fires what is due. */
void loop_io_advance(struct loop *l, int64_t io_ns);
int64_t loop_io_next(const struct loop *l);
/* After the clock was re-anchored (clock_scale): market timers are armed anew. */
void loop_market_rearm(struct loop *l);

/* SIGINT, SIGTERM -> fn(arg, signal number) on the loop; undone by loop_fini. Does not keep the
 * loop alive. */
int loop_on_signal(struct loop *l, int signal, void (*fn)(void *arg, int signal), void *arg);

#endif
