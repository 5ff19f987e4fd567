/* SPDX-License-Identifier: MIT
 *
 * A series of closed bars: a ring in one block, allocated once.
 */
#include <stdlib.h>

#include "market/bar.h"

struct series {
    size_t cap;        /* bars kept */
    size_t count;      /* bars held */
    size_t next;       /* slot of the next bar */
    struct bar bars[]; /* cap of them */
};

struct series *series_new(size_t cap)
{
    if (cap == 0 || cap > (SIZE_MAX - sizeof(struct series)) / sizeof(struct bar))
        return NULL;
    struct series *s = calloc(1, sizeof *s + cap * sizeof(struct bar));
    if (s != NULL)
        s->cap = cap;
    return s;
}

void series_free(struct series *s)
{
    free(s);
}

void series_push(struct series *s, const struct bar *bar)
{
    s->bars[s->next] = *bar;
    s->next = s->next + 1 == s->cap ? 0 : s->next + 1;
    if (s->count < s->cap)
        s->count++;
}

size_t series_count(const struct series *s)
{
    return s->count;
}

const struct bar *series_at(const struct series *s, size_t back)
{
    if (back >= s->count)
        return NULL;
    size_t newest = s->next == 0 ? s->cap - 1 : s->next - 1;
    return &s->bars[newest >= back ? newest - back : newest + s->cap - back];
}
