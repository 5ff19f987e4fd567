/* SPDX-License-Identifier: MIT
 *
 * Data files: CSV or CSV.gz of bars, "timestamp,open,high,low,close,volume" in UTC. The whole file
 * is checked before a bar of it is used: a broken line is named by file and line.
 */
#ifndef PERIGEE_MARKET_TAPE_H
#define PERIGEE_MARKET_TAPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/err.h"

struct tape_bar {
    int64_t open_ms;
    decimal open, high, low, close;
    decimal volume;
};

struct tape {
    struct tape_bar *bars; /* owned */
    size_t count;
    int64_t timeframe; /* ms: the most frequent distance of two stamps */
    char hash[17];     /* hex of the decompressed content's hash: the tape's identity */
};

/* Timestamps: ISO ("2021-12-31 23:01:00.000000"), epoch seconds or milliseconds; strictly rising,
 * multiples of the timeframe. Checked: low <= open, close <= high, prices > 0, volume >= 0, at
 * least 2 rows, header names in any order (other columns are skipped). Prices have at most 8
 * places; a volume's further ones (noise of binary sums) are rounded to nearest. ERR_INPUT with
 * "file:line: what", or "file: what" where no line is to blame. A failed load leaves an empty tape.
 */
int tape_load(struct tape *t, const char *path, struct err *e);
void tape_fini(struct tape *t);

#endif
