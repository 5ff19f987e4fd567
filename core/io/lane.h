/* SPDX-License-Identifier: MIT
 *
 * The order lane: one warm HTTP/1.1 connection on which writes go out, one at a time, in order,
 * and NEVER twice. Not a byte is repeated by this layer: when a connection dies after the first
 * byte of a request was sent, the request ends as LANE_CUT and the caller reconciles.
 *
 * An idle lane that sees the end of its stream reopens at once, before the next order; where it is
 * known how long the peer keeps an idle connection, it reopens before that. A request
 * that finds no connection waits for one until its deadline and then ends as LANE_NOT_SENT.
 */
#ifndef PERIGEE_IO_LANE_H
#define PERIGEE_IO_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"
#include "io/transport.h"

struct lane;

struct lane_config {
    const char *origin; /* copied */
    const struct transport_ops *ops;
    void *ops_ctx;
    int64_t connect_timeout_ms; /* 0: 5,000 */
    int64_t answer_timeout_ms;  /* from the first byte sent; 0: 10,000 */
    size_t max_answer;          /* 0: 256 KiB */
    int64_t idle_close_ms;      /* the peer closes what is idle so long; 0: nobody knows */
    /* The connection is up, carries nothing, and the next request is about to be taken from the
     * queue. What waits elsewhere may be submitted here; the lane must not be freed. May be NULL.
     */
    void (*vacant)(void *arg);
    void *arg;
};

enum lane_outcome {
    LANE_ANSWERED, /* a whole HTTP answer was read */
    LANE_NOT_SENT, /* not one byte was handed to the kernel */
    LANE_CUT,      /* bytes were sent and the connection died, or the answer is no HTTP */
    LANE_TIMEOUT   /* bytes were sent and no whole answer came in time */
};

struct lane_answer {
    enum lane_outcome outcome;
    const char *cause; /* word for a journal, a literal; "" if answered. LANE_NOT_SENT: "deadline",
                        * "unreachable", "closed", "memory"; LANE_CUT: "cut", "garbage", "limit",
                        * "memory", "closed"; LANE_TIMEOUT: "timeout" */
    int status;        /* HTTP status when answered */
    const char *head;  /* raw header lines; valid inside the callback */
    size_t head_size;
    const char *body;
    size_t body_size;
    int64_t sent_io_ns; /* when the first byte was handed to the kernel; 0: never */
    int64_t done_io_ns;
};

enum lane_priority { LANE_CLOSE = 0, LANE_OPEN = 1 };

/* The caller's, embedded in its order; must stay until done() was called. */
struct lane_request {
    const void *bytes; /* whole request: head and body; not copied, must stay */
    size_t size;
    enum lane_priority priority;
    int64_t deadline_io_ns; /* not sent after this; 0: none */
    /* Just before the first byte is handed to the kernel. May be NULL. At most once: what failed
     * after it ends as LANE_CUT, even if the kernel refused the first byte (with TLS nobody can
     * tell), and is never put on another connection. May be called from inside lane_submit. */
    void (*sending)(struct lane_request *r);
    void (*done)(struct lane_request *r, const struct lane_answer *a); /* exactly once */
    void *arg;
    struct lane_request *next; /* from here on the lane's own */
    enum lane_outcome outcome;
    const char *cause;
    int64_t sent_io_ns;
};

struct lane *lane_new(struct loop *l, const struct lane_config *config, struct err *e);
/* Queued requests end as LANE_NOT_SENT, the one in flight as LANE_CUT (their done() is called from
 * inside), then it is freed. Allowed inside done() and sending(). */
void lane_free(struct lane *lane);
/* Opens the connection ahead of need; harmless when open. */
void lane_warm(struct lane *lane);
bool lane_ready(const struct lane *lane); /* connected and idle */
/* Queues and holds the loop until done() has returned; tries to write at once when the lane is
 * ready. done() is never called from inside. */
void lane_submit(struct lane *lane, struct lane_request *r);
/* Takes a request back that is still queued (done is not called). false: it is in flight, or its
 * done() is about to be called. */
bool lane_withdraw(struct lane *lane, struct lane_request *r);
/* The oldest LANE_CLOSE that waits: not a byte of it has left, and lane_withdraw takes it. NULL:
 * none waits. */
struct lane_request *lane_waiting_close(const struct lane *lane);
uint64_t lane_connects(const struct lane *lane); /* connections opened so far, for tests */

#endif
