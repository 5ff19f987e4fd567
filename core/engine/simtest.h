/* SPDX-License-Identifier: MIT
 *
 * Deterministic fault runs: each seed is a whole engine against the paper broker, in one process,
 * under virtual time, with everything going wrong that the seed says. docs/simtest.md.
 */
#ifndef PERIGEE_ENGINE_SIMTEST_H
#define PERIGEE_ENGINE_SIMTEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct simtest_options {
    uint64_t first, last; /* seeds */
    unsigned jobs;        /* processes; 1: none beside this one */
    double minutes;       /* simulated, of each run; the last 2.5 are without faults */
    unsigned accounts, signals;
    unsigned kills;   /* most kills of a run */
    unsigned samples; /* prefixes of each journal that are recovered; 0: all */
    const char *kill; /* "write:12:0.5": this one kill in every run; NULL: drawn */
    bool every_kill;  /* a run for each write and send of each seed */
    bool calm;        /* no faults but kills */
    bool trace;       /* show each run, not only those that fail */
    bool once;        /* leave out the second runs that compare journals */
    bool until;       /* end at the first seed with a violation */
};

/* What came of a seed. */
struct simtest_outcome {
    bool ok;
    uint64_t runs, intents, opened, unknown, lives, prefixes;
    uint64_t writes, sends; /* of the last life of the first run */
    struct str text;        /* for people: violations, trace; empty when there is nothing to say */
};

/* Runs one seed in a folder below `base`. Negative and *e: the run itself could not be made. */
int simtest_seed(const struct simtest_options *o, const char *base, uint64_t seed,
                 struct simtest_outcome *out, struct err *e);

/* Runs all and prints. The exit code: 0 no violation, 1 some, 130 interrupted. */
int simtest_main(const struct simtest_options *o);

#endif
