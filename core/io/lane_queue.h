/* SPDX-License-Identifier: MIT
 *
 * The order lane's queues: lane_requests linked by their own `next`. Only lane_inner.h includes it.
 */
#ifndef PERIGEE_IO_LANE_QUEUE_H
#define PERIGEE_IO_LANE_QUEUE_H

#include "io/lane.h"

struct lane_queue {
    struct lane_request *head; /* oldest */
    struct lane_request *tail;
};

static inline void lane_queue_push(struct lane_queue *q, struct lane_request *r)
{
    r->next = NULL;
    if (q->tail != NULL) {
        q->tail->next = r;
    } else {
        q->head = r;
    }
    q->tail = r;
}

static inline struct lane_request *lane_queue_pop(struct lane_queue *q)
{
    struct lane_request *r = q->head;
    if (r != NULL) {
        q->head = r->next;
        if (q->head == NULL) {
            q->tail = NULL;
        }
        r->next = NULL;
    }
    return r;
}

/* Takes r out of q. False when it is not there. */
static inline bool lane_queue_take(struct lane_queue *q, struct lane_request *r)
{
    struct lane_request *before = NULL;
    for (struct lane_request *x = q->head; x != NULL; before = x, x = x->next) {
        if (x != r) {
            continue;
        }
        if (before != NULL) {
            before->next = x->next;
        } else {
            q->head = x->next;
        }
        if (q->tail == x) {
            q->tail = before;
        }
        x->next = NULL;
        return true;
    }
    return false;
}

static inline bool lane_request_expired(const struct lane_request *r, int64_t now)
{
    return r->deadline_io_ns != 0 && now >= r->deadline_io_ns;
}

/* The earlier one of `first` and the deadlines in q; 0: there is none. */
static inline int64_t lane_queue_deadline(const struct lane_queue *q, int64_t first)
{
    for (const struct lane_request *r = q->head; r != NULL; r = r->next) {
        if (r->deadline_io_ns != 0 && (first == 0 || r->deadline_io_ns < first)) {
            first = r->deadline_io_ns;
        }
    }
    return first;
}

#endif
