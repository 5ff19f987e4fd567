/* SPDX-License-Identifier: MIT
 *
 * Inside of the order lane: what lane.c (requests) and lane_link.c (the connection) share.
 */
#ifndef PERIGEE_IO_LANE_INNER_H
#define PERIGEE_IO_LANE_INNER_H

#include "io/lane.h"
#include "io/lane_queue.h"

#define NS_PER_MS INT64_C(1000000)

enum link { LINK_DOWN, LINK_OPENING, LINK_UP };

struct lane {
    struct loop *loop;
    char *origin;
    const struct transport_ops *ops;
    void *ops_ctx;
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
    int64_t idle_ms; /* a connection is used no more after so long without a request; 0: always */
    void (*vacant)(void *arg); /* may be NULL */
    void *arg;
    enum link link;
    struct transport *t;          /* NULL while down */
    struct lane_queue wait[2];    /* by enum lane_priority */
    struct lane_queue ended;      /* over, done() not yet called */
    struct lane_request *current; /* the one in flight */
    size_t sent;                  /* bytes of current that the transport took */
    bool handed;                  /* the transport was asked to send current: it may have acted */
    bool send_failed;        /* current can not be sent further; an answer may still be there */
    struct reply *reply;     /* answer to current */
    struct timer link_timer; /* opening: time-out; down: next attempt; up: end of idle_ms */
    struct timer answer_timer;
    struct timer deadline_timer; /* earliest deadline of those that wait */
    struct timer kick;           /* ends what went wrong inside lane_submit */
    unsigned failures;           /* attempts in a row that gave no useful connection */
    int64_t failed_at;           /* io ns of the newest of them */
    int64_t opened_at;           /* io ns */
    int64_t used_at;             /* io ns: opened, or the newest answer */
    bool useful;                 /* this connection has answered */
    uint64_t connects;
    unsigned depth; /* events being served */
    bool locked;    /* no request may be started now */
    bool dead;      /* lane_free was called */
};

static inline int64_t lane_now(const struct lane *lane)
{
    return clock_io_ns(lane->loop->clock);
}

static inline bool lane_has_waiting(const struct lane *lane)
{
    return lane->wait[LANE_CLOSE].head != NULL || lane->wait[LANE_OPEN].head != NULL;
}

/* An event begins and ends. Callbacks are made at its end; the lane may be gone then. */
void lane_enter(struct lane *lane);
void lane_leave(struct lane *lane);
/* Starts the next request when the link is up and idle. The caller has entered. */
void lane_pump(struct lane *lane);
/* The link is idle from now on, for as long as the peer is sure to keep it. */
void lane_begin_idle(struct lane *lane);
void lane_readable(void *arg);
void lane_writable(void *arg);

void lane_link_close(struct lane *lane);
/* Gives up a connection that was open, and opens the next. The request in flight has been ended. */
void lane_link_break(struct lane *lane);
/* Opens the next connection, now or when the pause after the newest failure is over. */
void lane_link_retry(struct lane *lane);
void lane_link_timer(void *arg);

#endif
