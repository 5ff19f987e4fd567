/* SPDX-License-Identifier: MIT
 *
 * An order book of one symbol and its measures. Prices are int64 points of the feed's tick, sizes
 * doubles in the feed's unit. Fed by snapshots of the top levels or by level updates. Pure
 * arithmetic; no allocation after book_new.
 */
#ifndef PERIGEE_BOOK_BOOK_H
#define PERIGEE_BOOK_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum book_side { BOOK_BID, BOOK_ASK };

struct book_level {
    int64_t price; /* points */
    double size;
};

struct book;

/* point: value of one point, e.g. 0.1. max_levels for each side; the worst are forgotten. */
struct book *book_new(double point, size_t max_levels, struct err *e);
void book_free(struct book *b);
void book_clear(struct book *b);
/* Replaces both sides. Levels must be best first, strictly ordered, sizes > 0, bid < ask; else
 * ERR_INPUT and the book is cleared (a wrong book is worse than none). */
int book_snapshot(struct book *b, int64_t time_ms, const struct book_level *bids, size_t bid_count,
                  const struct book_level *asks, size_t ask_count, struct err *e);
/* Sets the size of one level; 0 removes it. ERR_INPUT (book untouched) for a size that is negative
 * or not finite. */
int book_update(struct book *b, int64_t time_ms, enum book_side side, int64_t price, double size);
int64_t book_time(const struct book *b); /* of the newest change; 0: never */
size_t book_depth(const struct book *b, enum book_side side);
/* Level i, 0 is the best; false past the end. */
bool book_level_at(const struct book *b, enum book_side side, size_t i, struct book_level *out);
double book_point(const struct book *b);

/* Measures: false (out untouched) when a side they need is empty, or, for those that need a price,
 * when the sides touch or cross (between the updates of one message). */
/* Bid size / (bid + ask size) over the top n levels; 0..1, 0.5 neutral. */
bool book_imbalance(const struct book *b, size_t n, double *out);
/* (ask - bid) / mid in basis points. */
bool book_spread_bps(const struct book *b, double *out);
bool book_mid(const struct book *b, double *out); /* price */
/* Size-weighted mid of the best level: (bid*ask_size + ask*bid_size) / (bid_size + ask_size). */
bool book_microprice(const struct book *b, double *out);
/* Total size of the top n levels. */
double book_total(const struct book *b, enum book_side side, size_t n);

#endif
