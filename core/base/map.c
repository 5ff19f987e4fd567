/* SPDX-License-Identifier: MIT
 *
 * Hash map: a dense array of entries in order of insertion, and a table of their positions with
 * linear probing. Short keys lie inside their entry.
 *
 * Keys that map_next hands out are valid until the next put or remove. Removing while iterating is
 * allowed; inserting is not (it may move the entries).
 */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define INLINE_KEY 16
#define SLOT_EMPTY UINT32_MAX
#define SLOT_GONE (UINT32_MAX - 1)
#define FIRST_ENTRIES 8u
#define MAX_ENTRIES (UINT32_C(1) << 30)

struct entry {
    uint64_t hash;
    uint64_t value;
    uint32_t length; /* bytes of the key */
    bool live;       /* false once removed */
    union {
        unsigned char near[INLINE_KEY]; /* length <= INLINE_KEY */
        unsigned char *far;             /* else: owned */
    } key;
};

struct map {
    struct entry *entries; /* `room` of them, owned */
    uint32_t *slots;       /* 2 * room positions in entries, owned */
    uint32_t room;         /* a power of two; 0 before the first put */
    uint32_t used;         /* entries in use, removed ones included */
    uint32_t live;         /* entries not removed */
};

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t map_hash(const void *key, size_t n)
{
    const unsigned char *p = key;
    uint64_t h = UINT64_C(0xa0761d6478bd642f) ^ n;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = mix(h ^ word, UINT64_C(0xe7037ed1a0b428db));
    }
    uint64_t tail = 0;
    if (n > 0)
        memcpy(&tail, p, n);
    h = mix(h ^ tail, UINT64_C(0x8ebc6af09c88c6e3));
    return mix(h ^ UINT64_C(0x589965cc75374cc3), UINT64_C(0x1d8e4e27c47d124f));
}

struct map *map_new(void)
{
    return calloc(1, sizeof(struct map));
}

static const unsigned char *entry_key(const struct entry *e)
{
    return e->length <= INLINE_KEY ? e->key.near : e->key.far;
}

static void entry_drop(struct entry *e)
{
    if (e->live && e->length > INLINE_KEY)
        free(e->key.far);
    e->live = false;
}

void map_free(struct map *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < m->used; i++)
        entry_drop(&m->entries[i]);
    free(m->entries);
    free(m->slots);
    free(m);
}

size_t map_count(const struct map *m)
{
    return m->live;
}

/* The slot that holds the key, or NULL. */
static uint32_t *find(const struct map *m, const void *key, size_t n, uint64_t hash)
{
    if (m->room == 0)
        return NULL;
    uint32_t mask = m->room * 2 - 1;
    for (uint32_t i = (uint32_t)hash & mask; m->slots[i] != SLOT_EMPTY; i = (i + 1) & mask) {
        if (m->slots[i] == SLOT_GONE)
            continue;
        const struct entry *e = &m->entries[m->slots[i]];
        if (e->hash == hash && e->length == n && (n == 0 || memcmp(entry_key(e), key, n) == 0))
            return &m->slots[i];
    }
    return NULL;
}

static void occupy(struct map *m, uint64_t hash, uint32_t position)
{
    uint32_t mask = m->room * 2 - 1;
    uint32_t i = (uint32_t)hash & mask;
    while (m->slots[i] != SLOT_EMPTY)
        i = (i + 1) & mask;
    m->slots[i] = position;
}

/* Makes room for one more entry: squeezes removed ones out, into twice the space if more than half
 * are alive. On failure nothing has changed. */
static int rebuild(struct map *m)
{
    uint32_t room = m->room ? m->room : FIRST_ENTRIES;
    if (m->live >= room / 2 + room / 4)
        room *= 2;
    if (room > MAX_ENTRIES)
        return ERR_NOMEM;
    struct entry *entries = malloc(room * sizeof *entries);
    uint32_t *slots = malloc((size_t)room * 2 * sizeof *slots);
    if (!entries || !slots) {
        free(entries);
        free(slots);
        return ERR_NOMEM;
    }
    memset(slots, 0xff, (size_t)room * 2 * sizeof *slots);
    uint32_t used = 0;
    for (uint32_t i = 0; i < m->used; i++) {
        if (m->entries[i].live)
            entries[used++] = m->entries[i];
    }
    free(m->entries);
    free(m->slots);
    m->entries = entries;
    m->slots = slots;
    m->room = room;
    m->used = used;
    for (uint32_t i = 0; i < used; i++)
        occupy(m, entries[i].hash, i);
    return 0;
}

int map_put(struct map *m, const void *key, size_t n, uint64_t value)
{
    uint64_t hash = map_hash(key, n);
    uint32_t *slot = find(m, key, n, hash);
    if (slot) {
        m->entries[*slot].value = value;
        return 0;
    }
    if (n > UINT32_MAX)
        return ERR_NOMEM;
    /* Each slot that is not empty belongs to one of the `used` entries, so at least half are
     * empty and every probe ends. */
    if (m->used == m->room && rebuild(m) != 0)
        return ERR_NOMEM;
    struct entry *e = &m->entries[m->used];
    memset(e, 0, sizeof *e);
    unsigned char *at = e->key.near;
    if (n > INLINE_KEY) {
        at = malloc(n);
        if (!at)
            return ERR_NOMEM;
        e->key.far = at;
    }
    if (n > 0)
        memcpy(at, key, n);
    e->hash = hash;
    e->value = value;
    e->length = (uint32_t)n;
    e->live = true;
    occupy(m, hash, m->used++);
    m->live++;
    return 0;
}

bool map_get(const struct map *m, const void *key, size_t n, uint64_t *value)
{
    const uint32_t *slot = find(m, key, n, map_hash(key, n));
    if (!slot)
        return false;
    if (value)
        *value = m->entries[*slot].value;
    return true;
}

bool map_remove(struct map *m, const void *key, size_t n)
{
    uint32_t *slot = find(m, key, n, map_hash(key, n));
    if (!slot)
        return false;
    entry_drop(&m->entries[*slot]);
    *slot = SLOT_GONE;
    m->live--;
    return true;
}

bool map_next(const struct map *m, size_t *cursor, const void **key, size_t *n, uint64_t *value)
{
    while (*cursor < m->used) {
        const struct entry *e = &m->entries[(*cursor)++];
        if (!e->live)
            continue;
        if (key)
            *key = entry_key(e);
        if (n)
            *n = e->length;
        if (value)
            *value = e->value;
        return true;
    }
    return false;
}
