/* SPDX-License-Identifier: MIT
 *
 * Bump allocation in blocks. An object that is larger than a block gets one of its own.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN ((size_t)16)

struct arena_block {
    struct arena_block *next; /* the one before it in age */
    size_t size;              /* bytes in data */
    size_t used;              /* bytes given out, a multiple of ALIGN */
    alignas(16) unsigned char data[];
};

void arena_init(struct arena *a, size_t block_size)
{
    a->first = NULL;
    a->block_size = block_size < ALIGN ? ALIGN : block_size;
}

static void free_chain(struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
}

void arena_fini(struct arena *a)
{
    free_chain(a->first);
    a->first = NULL;
}

void arena_reset(struct arena *a)
{
    if (!a->first)
        return;
    free_chain(a->first->next);
    a->first->next = NULL;
    a->first->used = 0;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX - sizeof(struct arena_block) - 2 * ALIGN)
        return NULL;
    size_t need = n == 0 ? ALIGN : (n + ALIGN - 1) & ~(ALIGN - 1);
    struct arena_block *b = a->first;
    if (!b || b->size - b->used < need) {
        size_t size = need > a->block_size ? need : (a->block_size + ALIGN - 1) & ~(ALIGN - 1);
        b = malloc(sizeof *b + size);
        if (!b)
            return NULL;
        b->size = size;
        b->used = 0;
        /* A block of one big object goes behind the newest, whose rest stays in use. */
        if (a->first && need > a->block_size) {
            b->next = a->first->next;
            a->first->next = b;
        } else {
            b->next = a->first;
            a->first = b;
        }
    }
    void *p = b->data + b->used;
    b->used += need;
    return memset(p, 0, need);
}

char *arena_strdup(struct arena *a, const char *text, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *p = arena_alloc(a, n + 1);
    if (p && n > 0)
        memcpy(p, text, n);
    return p;
}
