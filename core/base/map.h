/* SPDX-License-Identifier: MIT
 *
 * Hash maps with open addressing: bytes -> uint64 and uint64 -> uint64. Iteration is in order of
 * insertion (removed entries are skipped), so that nothing depends on hash values.
 */
#ifndef PERIGEE_BASE_MAP_H
#define PERIGEE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map; /* keys are byte strings, copied */

struct map *map_new(void); /* NULL when out of memory */
void map_free(struct map *m);
size_t map_count(const struct map *m);
/* Inserts or replaces. 0 or ERR_NOMEM. */
int map_put(struct map *m, const void *key, size_t n, uint64_t value);
bool map_get(const struct map *m, const void *key, size_t n, uint64_t *value);
bool map_remove(struct map *m, const void *key, size_t n);
/* Starts with *cursor = 0; false at the end. Entries may be removed meanwhile, none inserted; *key
 * is valid until the next put or remove. Any of the three may be NULL. */
bool map_next(const struct map *m, size_t *cursor, const void **key, size_t *n, uint64_t *value);

static inline int map_put_u64(struct map *m, uint64_t key, uint64_t value)
{
    return map_put(m, &key, sizeof key, value);
}
static inline bool map_get_u64(const struct map *m, uint64_t key, uint64_t *value)
{
    return map_get(m, &key, sizeof key, value);
}
static inline bool map_remove_u64(struct map *m, uint64_t key)
{
    return map_remove(m, &key, sizeof key);
}

uint64_t map_hash(const void *key, size_t n);

#endif
