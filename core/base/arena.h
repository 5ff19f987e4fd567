/* SPDX-License-Identifier: MIT
 *
 * Bump allocation: many small objects of one lifetime, freed together.
 */
#ifndef PERIGEE_BASE_ARENA_H
#define PERIGEE_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *first; /* newest block first */
    size_t block_size;         /* bytes of a fresh block */
};

void arena_init(struct arena *a, size_t block_size);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);            /* keeps one block */
void *arena_alloc(struct arena *a, size_t n); /* 16-byte aligned, zeroed; NULL: out of memory */
char *arena_strdup(struct arena *a, const char *text, size_t n);

#endif
