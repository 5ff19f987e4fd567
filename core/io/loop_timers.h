/* SPDX-License-Identifier: MIT
 *
 * Inside of the loop: what loop.c and loop_timers.c know of each other. Nobody else includes it.
 */
#ifndef PERIGEE_IO_LOOP_TIMERS_H
#define PERIGEE_IO_LOOP_TIMERS_H

#include "io/loop.h"

#define LOOP_MAX_HOOKS 8

enum { TIMER_OFF = 0, TIMER_IO = 1, TIMER_MARKET = 2 }; /* struct timer.where */

/* A binary heap of running timers, earliest (due, order) first. */
struct timer_heap {
    struct timer **at; /* owned block of pointers to the callers' structs */
    size_t count;      /* timers in it */
    size_t cap;        /* pointers allocated */
};

struct loop_timers {
    struct loop *loop;
    struct timer_heap io;     /* due in io ns */
    struct timer_heap market; /* due in market ms */
    uv_timer_t uv_io;         /* armed for the earliest of io */
    uv_timer_t uv_market;     /* armed for the earliest of market */
    uint64_t order;           /* timers started so far */
    unsigned firing;          /* depth of fire loops: arming waits for their end */
    bool rearm;               /* timers fired: both heaps are armed anew before the loop sleeps */
};

struct loop_hook {
    loop_drain_fn fn;
    void *arg;
};

struct loop_signal {
    struct loop_signal *next;
    struct loop *loop;
    uv_signal_t uv;
    void (*fn)(void *arg, int signal);
    void *arg;
};

struct loop_hooks {
    struct loop *loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* runs while a turn must not sleep */
    struct loop_hook drain[LOOP_MAX_HOOKS];
    size_t drain_count;
    loop_fn settled;
    void *settled_arg;
    struct loop_signal *signals; /* owned */
    uint64_t activity;           /* holds, releases, fired timers, wakes: settled compares it */
    bool wake;                   /* a turn without sleep was asked for */
    bool turning;                /* inside a turn of virtual time: libuv is left alone */
    unsigned standing;           /* such turns since the time last moved */
};

int loop_timers_init(struct loop *l, struct err *e);
void loop_timers_close(struct loop *l); /* forgets the timers, closes the handles */
void loop_timers_free(struct loop *l);  /* after the handles are closed */
void loop_timers_arm(struct loop *l);   /* before the loop sleeps */
void loop_activity(struct loop *l);
struct timer *timer_heap_top(const struct timer_heap *h); /* NULL: empty */
void loop_timers_fire(struct loop *l, struct timer *t);   /* takes it out of its heap first */
bool loop_drain(struct loop *l);                          /* the hooks, once; more to do? */

#endif
