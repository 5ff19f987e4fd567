/* SPDX-License-Identifier: MIT
 *
 * A queue of fixed-size elements in one block: grows when full unless it was given a limit.
 */
#ifndef PERIGEE_BASE_RING_H
#define PERIGEE_BASE_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring {
    unsigned char *block; /* cap * size bytes, owned */
    size_t size;          /* bytes of one element */
    size_t cap;           /* elements, a power of two */
    size_t head;          /* index of the oldest */
    size_t count;         /* elements held */
    size_t limit;         /* most elements; 0: no limit */
};

int ring_init(struct ring *r, size_t size, size_t first_cap, size_t limit); /* 0 or ERR_NOMEM */
void ring_fini(struct ring *r);
int ring_push(struct ring *r, const void *element); /* 0, ERR_NOMEM or ERR_LIMIT */
bool ring_pop(struct ring *r, void *element);       /* oldest first; false when empty */
void *ring_at(const struct ring *r, size_t i);      /* 0 is the oldest; NULL past the end */

#endif
