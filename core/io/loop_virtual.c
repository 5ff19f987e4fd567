/* SPDX-License-Identifier: MIT
 *
 * Turns under a virtual clock: hooks, due timers, jumps. See loop.h.
 *
 * While such a turn runs, `turning` keeps everything away from libuv: timers are not armed, no idle
 * handle is started, and when libuv is asked about its requests its prepare and check do nothing.
 */
#include "io/loop_timers.h"

#define STANDING_MAX 2000000u /* turns in which no time passes */

static struct timer *earliest(const struct loop *l, int64_t *due)
{
    struct timer *io = timer_heap_top(&l->timers->io);
    struct timer *market = timer_heap_top(&l->timers->market);
    int64_t io_due = io != NULL ? io->due : INT64_MAX;
    int64_t market_due = market != NULL ? clock_io_at(l->clock, market->due) : INT64_MAX;
    bool io_first = market == NULL || io_due < market_due ||
                    (io_due == market_due && io != NULL && io->order < market->order);
    *due = io_first ? io_due : market_due;
    return io_first ? io : market;
}

/* Fires what is due now and was started before: a timer of 0 that starts itself costs turns. */
static bool fire_due(struct loop *l)
{
    uint64_t newest = l->timers->order;
    int64_t now = clock_io_ns(l->clock);
    int64_t due;
    bool fired = false;
    for (struct timer *t = earliest(l, &due);
         t != NULL && due <= now && t->order <= newest && !l->stopping; t = earliest(l, &due)) {
        loop_timers_fire(l, t);
        fired = true;
    }
    return fired;
}

/* Work of libuv's own takes no virtual time: true while there is some. */
static bool ask_libuv(struct loop *l)
{
    if (!uv_loop_alive(&l->uv)) {
        return false;
    }
    (void)uv_run(&l->uv, l->uv.active_reqs.count > 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    return l->uv.active_reqs.count > 0;
}

/* 1: work was done, or more of it is waiting. 0: only the time can bring more. */
static int turn(struct loop *l)
{
    struct loop_hooks *h = l->hooks;
    uint64_t before = h->activity;
    h->wake = false;
    if (loop_drain(l) || h->wake) {
        return 1;
    }
    if (fire_due(l) || h->wake) {
        return 1;
    }
    if (ask_libuv(l) || h->activity != before || h->wake || l->stopping) {
        return 1;
    }
    if (l->in_flight == 0 && h->settled != NULL) {
        h->settled(h->settled_arg);
        return h->activity != before || h->wake;
    }
    return 0;
}

static void enter(struct loop *l)
{
    l->hooks->turning = true;
    l->timers->firing++;
    uv_idle_stop(&l->hooks->idle);
    uv_timer_stop(&l->timers->uv_io);
    uv_timer_stop(&l->timers->uv_market);
}

static void leave(struct loop *l)
{
    l->timers->firing--;
    l->hooks->turning = false;
    l->timers->rearm = true; /* for turns of libuv's that follow */
}

int loop_step_until(struct loop *l, int64_t io_ns)
{
    struct loop_hooks *h = l->hooks;
    int64_t due;
    int rc = 0;
    if (l->stopping) {
        return ERR_CANCELLED;
    }
    enter(l);
    int worked = turn(l);
    int64_t now = clock_io_ns(l->clock);
    if (l->stopping) {
        rc = ERR_CANCELLED;
    } else if (worked) {
        rc = ++h->standing > STANDING_MAX ? ERR_LIMIT : 1;
    } else if (earliest(l, &due) != NULL && due <= now) {
        rc = ++h->standing > STANDING_MAX ? ERR_LIMIT : 1; /* started by the last timer */
    } else if (now < io_ns && (due < INT64_MAX || io_ns < INT64_MAX)) {
        clock_advance(l->clock, (due < io_ns ? due : io_ns) - now);
        h->standing = 0;
        rc = 1;
    }
    leave(l);
    return rc;
}

int loop_run_until(struct loop *l, int64_t io_ns)
{
    int rc;
    l->stopping = false;
    l->hooks->standing = 0;
    do {
        rc = loop_step_until(l, io_ns);
    } while (rc > 0);
    return rc;
}

bool loop_alive(const struct loop *l)
{
    int64_t due;
    return uv_loop_alive(&l->uv) || l->hooks->wake ||
           (l->clock->mode == CLOCK_VIRTUAL && earliest(l, &due) != NULL);
}
