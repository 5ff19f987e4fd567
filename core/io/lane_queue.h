/* SPDX-License-Identifier: MIT
 *
 * The order lane's queues: lane_requests linked by their own `next`. Only lane.c includes it.
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

#endif
