/* SPDX-License-Identifier: MIT
 *
 * The venue interface: how exec hands one order to a place that executes it and learns what came of
 * it. Implementations: remote (HTTP through an order lane, JSON by a Lua codec) and, in process,
 * the simulated broker.
 */
#ifndef PERIGEE_VENUE_VENUE_H
#define PERIGEE_VENUE_VENUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "trade/instrument.h"
#include "trade/order.h"

enum verdict_kind {
    VERDICT_ACCEPTED,
    VERDICT_REJECTED, /* refused before execution */
    VERDICT_UNKNOWN,  /* may or may not have been executed */
    VERDICT_NOT_SENT  /* not one byte left */
};

struct verdict {
    enum verdict_kind kind;
    char broker_id[32]; /* id in the answer; "" when it has none */
    char code[32]; /* stable word: "rejected", "rate_limit", "edge_block", "timeout", "cut", ... */
    char reason[160];       /* one sentence, no secrets */
    int64_t retry_after_ms; /* 0: not said */
    int64_t sent_io_ns;     /* first byte; 0: never */
    int64_t done_io_ns;
};

/* One order on its way. The caller's, embedded; must stay until done(). */
struct venue_call {
    const struct order *order; /* must stay unchanged meanwhile */
    const struct instrument *instrument;
    int64_t deadline_io_ns;                /* not sent after this; 0: none */
    bool urgent;                           /* closes: ahead of queued entries */
    void (*sending)(struct venue_call *c); /* just before the first byte */
    void (*done)(struct venue_call *c,
                 const struct verdict *v); /* exactly once, never inside submit */
    void *arg;
    void *venue_data; /* the venue's own, NULL at submit */
};

struct venue; /* an implementation's context */

struct venue_ops {
    const char *name;
    /* 0, or an error: then nothing was queued, nothing will be sent and done is not called. */
    int (*submit)(struct venue *v, int account, struct venue_call *c, struct err *e);
    /* May be NULL. Makes the bytes of an order ready ahead of its submit, so that those of a
     * fan-out leave back to back. Nothing is queued or promised: what could not be made ready, or
     * is outdated by then, submit makes itself. */
    void (*prepare)(struct venue *v, int account, struct venue_call *c);
    /* Still queued: taken back, true. What was only prepared is forgotten, false. */
    bool (*withdraw)(struct venue *v, int account, struct venue_call *c);
    bool (*ready)(struct venue *v, int account); /* has a session and a warm connection */
};

#endif
