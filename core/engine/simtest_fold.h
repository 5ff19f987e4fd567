/* SPDX-License-Identifier: MIT
 *
 * Every prefix of a journal is a life that ended there. Each must open, recover to a legal state,
 * and recover to the same state again:
 *   - the fold takes every event, whole frames and torn tails alike
 *   - after the recovery no order is INTENT or SENT: what was in flight is UNKNOWN
 *   - at most one entry of an account and symbol is in flight or UNKNOWN, at any frame
 *   - a position has some volume, and one of ours the order that opened it
 *   - a second recovery of the same folder writes no order event
 */
#ifndef PERIGEE_ENGINE_SIMTEST_FOLD_H
#define PERIGEE_ENGINE_SIMTEST_FOLD_H

#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

struct fold_ask {
    const char *journal; /* folder of one segment */
    const char *scratch; /* folder for copies; made, and left empty */
    unsigned samples;    /* prefixes that are drawn; 0: every frame's end, and a cut inside each */
    uint64_t seed;       /* of what is drawn */
    struct log *log;
};

/* *prefixes: how many were recovered. ERR_STATE names the first that is not legal and why. */
int simtest_fold(const struct fold_ask *ask, uint64_t *prefixes, struct err *e);

#endif
