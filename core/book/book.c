/* SPDX-License-Identifier: MIT
 *
 * The order book: each side is one sorted array with its best level at the end, because that is
 * where most updates fall, so that few levels have to move.
 *
 * Limits: when a side is full the worst level is forgotten, and does not come back when better ones
 * are removed; max_levels is chosen well beyond the levels that are looked at. Between the updates
 * of one message the sides may touch or cross; the measures that need a price then say nothing.
 */
#include "book/book.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOOK_MAX_LEVELS 100000

struct side {
    struct book_level *levels; /* worst first, best last; room for book.max */
    size_t count;
};

struct book {
    double point;         /* price of one point */
    size_t max;           /* levels kept for each side */
    int64_t time_ms;      /* of the newest change; 0: never */
    struct side sides[2]; /* by enum book_side */
};

struct book *book_new(double point, size_t max_levels, struct err *e)
{
    if (!(point > 0.0) || isinf(point)) {
        err_set(e, ERR_INPUT, "book: a point of %g is not a price step; it must be above 0", point);
        return NULL;
    }
    if (max_levels == 0 || max_levels > BOOK_MAX_LEVELS) {
        err_set(e, ERR_INPUT, "book: %zu levels asked for; it must be 1 to %d", max_levels,
                BOOK_MAX_LEVELS);
        return NULL;
    }
    struct book *b = calloc(1, sizeof *b);
    if (b != NULL) {
        b->point = point;
        b->max = max_levels;
        b->sides[BOOK_BID].levels = calloc(max_levels, sizeof(struct book_level));
        b->sides[BOOK_ASK].levels = calloc(max_levels, sizeof(struct book_level));
    }
    if (b == NULL || b->sides[BOOK_BID].levels == NULL || b->sides[BOOK_ASK].levels == NULL) {
        book_free(b);
        err_set(e, ERR_NOMEM, "book: out of memory for %zu levels", max_levels);
        return NULL;
    }
    return b;
}

void book_free(struct book *b)
{
    if (b == NULL)
        return;
    free(b->sides[BOOK_BID].levels);
    free(b->sides[BOOK_ASK].levels);
    free(b);
}

void book_clear(struct book *b)
{
    b->sides[BOOK_BID].count = 0;
    b->sides[BOOK_ASK].count = 0;
}

static bool better(enum book_side side, int64_t a, int64_t b)
{
    return side == BOOK_BID ? a > b : a < b;
}

static bool good_size(double size)
{
    return size > 0.0 && !isinf(size);
}

static int check_side(enum book_side side, const struct book_level *levels, size_t count,
                      struct err *e)
{
    const char *name = side == BOOK_BID ? "bid" : "ask";
    for (size_t i = 0; i < count; i++) {
        if (!good_size(levels[i].size))
            return err_set(e, ERR_INPUT, "book: %s level %zu has size %g; it must be above 0", name,
                           i, levels[i].size);
        if (i > 0 && !better(side, levels[i - 1].price, levels[i].price))
            return err_set(e, ERR_INPUT,
                           "book: %s level %zu (%lld points) is not worse than the one before it",
                           name, i, (long long)levels[i].price);
    }
    return 0;
}

static void touch(struct book *b, int64_t time_ms)
{
    if (time_ms > b->time_ms)
        b->time_ms = time_ms;
}

static void fill_side(struct book *b, enum book_side side, const struct book_level *levels,
                      size_t count)
{
    struct side *s = &b->sides[side];
    s->count = count < b->max ? count : b->max;
    for (size_t i = 0; i < s->count; i++)
        s->levels[s->count - 1 - i] = levels[i];
}

int book_snapshot(struct book *b, int64_t time_ms, const struct book_level *bids, size_t bid_count,
                  const struct book_level *asks, size_t ask_count, struct err *e)
{
    book_clear(b);
    touch(b, time_ms);
    int rc = check_side(BOOK_BID, bids, bid_count, e);
    if (rc == 0)
        rc = check_side(BOOK_ASK, asks, ask_count, e);
    if (rc != 0)
        return rc;
    if (bid_count > 0 && ask_count > 0 && bids[0].price >= asks[0].price)
        return err_set(e, ERR_INPUT,
                       "book: the best bid (%lld points) is not below the best ask "
                       "(%lld)",
                       (long long)bids[0].price, (long long)asks[0].price);
    fill_side(b, BOOK_BID, bids, bid_count);
    fill_side(b, BOOK_ASK, asks, ask_count);
    return 0;
}

/* The slot of price, or the one where it would go. */
static size_t find(const struct book *b, enum book_side side, int64_t price)
{
    const struct side *s = &b->sides[side];
    size_t low = 0;
    size_t high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (better(side, price, s->levels[middle].price))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(struct book *b, struct side *s, size_t slot, struct book_level level)
{
    if (s->count < b->max) {
        memmove(&s->levels[slot + 1], &s->levels[slot],
                (s->count - slot) * sizeof(struct book_level));
        s->levels[slot] = level;
        s->count++;
        return;
    }
    if (slot == 0)
        return; /* worse than all that are kept */
    memmove(&s->levels[0], &s->levels[1], (slot - 1) * sizeof(struct book_level));
    s->levels[slot - 1] = level;
}

int book_update(struct book *b, int64_t time_ms, enum book_side side, int64_t price, double size)
{
    if ((side != BOOK_BID && side != BOOK_ASK) || !(size >= 0.0) || isinf(size))
        return ERR_INPUT;
    struct side *s = &b->sides[side];
    size_t slot = find(b, side, price);
    bool there = slot < s->count && s->levels[slot].price == price;
    touch(b, time_ms);
    if (size == 0.0) {
        if (there) {
            s->count--;
            memmove(&s->levels[slot], &s->levels[slot + 1],
                    (s->count - slot) * sizeof(struct book_level));
        }
    } else if (there) {
        s->levels[slot].size = size;
    } else {
        insert(b, s, slot, (struct book_level){.price = price, .size = size});
    }
    return 0;
}

int64_t book_time(const struct book *b)
{
    return b->time_ms;
}

size_t book_depth(const struct book *b, enum book_side side)
{
    return b->sides[side].count;
}

bool book_level_at(const struct book *b, enum book_side side, size_t i, struct book_level *out)
{
    const struct side *s = &b->sides[side];
    if (i >= s->count)
        return false;
    *out = s->levels[s->count - 1 - i];
    return true;
}

double book_point(const struct book *b)
{
    return b->point;
}

double book_total(const struct book *b, enum book_side side, size_t n)
{
    const struct side *s = &b->sides[side];
    size_t count = n < s->count ? n : s->count;
    double total = 0.0;
    for (size_t i = 0; i < count; i++)
        total += s->levels[s->count - 1 - i].size;
    return total;
}

bool book_imbalance(const struct book *b, size_t n, double *out)
{
    double bid = book_total(b, BOOK_BID, n);
    double ask = book_total(b, BOOK_ASK, n);
    if (!(bid > 0.0 && ask > 0.0))
        return false;
    *out = bid / (bid + ask);
    return true;
}

/* The best levels of both sides; false when one is missing or they touch. */
static bool top(const struct book *b, struct book_level *bid, struct book_level *ask)
{
    return book_level_at(b, BOOK_BID, 0, bid) && book_level_at(b, BOOK_ASK, 0, ask) &&
           bid->price < ask->price;
}

bool book_mid(const struct book *b, double *out)
{
    struct book_level bid, ask;
    if (!top(b, &bid, &ask))
        return false;
    *out = ((double)bid.price + (double)ask.price) / 2.0 * b->point;
    return true;
}

bool book_spread_bps(const struct book *b, double *out)
{
    struct book_level bid, ask;
    if (!top(b, &bid, &ask))
        return false;
    double sum = (double)bid.price + (double)ask.price;
    if (!(sum > 0.0))
        return false;
    *out = ((double)ask.price - (double)bid.price) / (sum / 2.0) * 10000.0;
    return true;
}

bool book_microprice(const struct book *b, double *out)
{
    struct book_level bid, ask;
    if (!top(b, &bid, &ask))
        return false;
    double weighted = (double)bid.price * ask.size + (double)ask.price * bid.size;
    *out = weighted / (bid.size + ask.size) * b->point;
    return true;
}
