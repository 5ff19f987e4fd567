/* SPDX-License-Identifier: MIT
 *
 * A queue of fixed-size elements in one block.
 */
#include "base/ring.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

int ring_init(struct ring *r, size_t size, size_t first_cap, size_t limit)
{
    memset(r, 0, sizeof *r);
    r->size = size;
    r->limit = limit;
    size_t cap = 1;
    while (cap < first_cap) {
        if (cap > SIZE_MAX / 2)
            return ERR_NOMEM;
        cap *= 2;
    }
    r->block = calloc(cap, size);
    if (!r->block)
        return ERR_NOMEM;
    r->cap = cap;
    return 0;
}

void ring_fini(struct ring *r)
{
    free(r->block);
    memset(r, 0, sizeof *r);
}

/* Twice the room, the oldest element at index 0. */
static int grow(struct ring *r)
{
    size_t cap, bytes;
    if (__builtin_mul_overflow(r->cap ? r->cap : 1, (size_t)2, &cap) ||
        __builtin_mul_overflow(cap, r->size, &bytes))
        return ERR_NOMEM;
    unsigned char *block = malloc(bytes);
    if (!block)
        return ERR_NOMEM;
    size_t first = r->cap - r->head < r->count ? r->cap - r->head : r->count;
    if (r->count > 0) {
        memcpy(block, r->block + r->head * r->size, first * r->size);
        memcpy(block + first * r->size, r->block, (r->count - first) * r->size);
    }
    free(r->block);
    r->block = block;
    r->cap = cap;
    r->head = 0;
    return 0;
}

int ring_push(struct ring *r, const void *element)
{
    if (r->limit && r->count >= r->limit)
        return ERR_LIMIT;
    if (r->count == r->cap && grow(r) != 0)
        return ERR_NOMEM;
    memcpy(r->block + ((r->head + r->count) & (r->cap - 1)) * r->size, element, r->size);
    r->count++;
    return 0;
}

bool ring_pop(struct ring *r, void *element)
{
    if (r->count == 0)
        return false;
    if (element)
        memcpy(element, r->block + r->head * r->size, r->size);
    r->head = (r->head + 1) & (r->cap - 1);
    r->count--;
    return true;
}

void *ring_at(const struct ring *r, size_t i)
{
    if (i >= r->count)
        return NULL;
    return r->block + ((r->head + i) & (r->cap - 1)) * r->size;
}
