/* SPDX-License-Identifier: MIT
 *
 * Hash maps: a long random walk beside a plain array, order of insertion, all key lengths.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/rng.h"

static void test_basic(void **state)
{
    (void)state;
    struct map *m = map_new();
    assert_non_null(m);
    uint64_t v = 42;
    assert_false(map_get(m, "a", 1, &v));
    assert_false(map_remove(m, "a", 1));
    assert_int_equal(v, 42);
    assert_int_equal(map_put(m, "a", 1, 1), 0);
    assert_int_equal(map_put(m, "", 0, 2), 0);
    assert_int_equal(map_put(m, "a\0b", 3, 3), 0);
    assert_int_equal(map_put(m, "a", 1, 4), 0);
    assert_int_equal(map_count(m), 3);
    assert_true(map_get(m, "a", 1, &v));
    assert_int_equal(v, 4);
    assert_true(map_get(m, "", 0, &v));
    assert_int_equal(v, 2);
    assert_true(map_get(m, "a\0b", 3, &v));
    assert_int_equal(v, 3);
    assert_true(map_get(m, "a", 1, NULL));
    assert_false(map_get(m, "a\0c", 3, &v));
    assert_true(map_remove(m, "a", 1));
    assert_false(map_remove(m, "a", 1));
    assert_false(map_get(m, "a", 1, &v));
    assert_int_equal(map_count(m), 2);
    map_free(m);
    map_free(NULL);
}

static void test_key_lengths(void **state)
{
    (void)state;
    struct map *m = map_new();
    char key[300];
    memset(key, 'k', sizeof key);
    for (size_t n = 0; n < sizeof key; n++)
        assert_int_equal(map_put(m, key, n, n * 3), 0);
    memset(key, 'x', sizeof key); /* keys were copied */
    for (size_t n = 1; n < sizeof key; n++)
        assert_false(map_get(m, key, n, NULL));
    memset(key, 'k', sizeof key);
    for (size_t n = 0; n < sizeof key; n++) {
        uint64_t v = 0;
        assert_true(map_get(m, key, n, &v));
        assert_int_equal(v, n * 3);
        if (n % 2)
            assert_true(map_remove(m, key, n));
    }
    assert_int_equal(map_count(m), 150);
    map_free(m);
}

#define KEYS 500

static void test_walk(void **state)
{
    (void)state;
    struct map *m = map_new();
    struct rng r;
    rng_seed(&r, 1);
    uint64_t value[KEYS] = {0}, born[KEYS] = {0}, tick = 0; /* born 0: not in the map */
    size_t count = 0;
    for (int step = 0; step < 200000; step++) {
        uint64_t k = (uint64_t)rng_range(&r, 0, KEYS - 1);
        uint64_t v = 0;
        int what = (int)rng_range(&r, 0, 9);
        if (what < 4) {
            assert_int_equal(map_put_u64(m, k, (uint64_t)step), 0);
            if (!born[k]) {
                born[k] = ++tick;
                count++;
            }
            value[k] = (uint64_t)step;
        } else if (what < 7) {
            assert_int_equal(map_remove_u64(m, k), born[k] != 0);
            count -= born[k] != 0;
            born[k] = 0;
        } else {
            assert_int_equal(map_get_u64(m, k, &v), born[k] != 0);
            if (born[k])
                assert_int_equal(v, value[k]);
        }
        assert_int_equal(map_count(m), count);
        if (step % 5000 != 0)
            continue;
        size_t cursor = 0, seen = 0, n;
        const void *key;
        uint64_t newest = 0;
        while (map_next(m, &cursor, &key, &n, &v)) {
            assert_int_equal(n, 8);
            memcpy(&k, key, 8);
            assert_int_equal(v, value[k]);
            assert_true(born[k] > newest); /* order of insertion */
            newest = born[k];
            seen++;
        }
        assert_int_equal(seen, count);
        assert_false(map_next(m, &cursor, &key, &n, &v));
    }
    map_free(m);
}

static void test_remove_while_iterating(void **state)
{
    (void)state;
    struct map *m = map_new();
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(map_put_u64(m, i, i), 0);
    size_t cursor = 0, seen = 0;
    uint64_t v;
    while (map_next(m, &cursor, NULL, NULL, &v)) {
        assert_int_equal(v, seen++);
        if (v % 3 != 0)
            assert_true(map_remove_u64(m, v));
    }
    assert_int_equal(seen, 1000);
    assert_int_equal(map_count(m), 334);
    map_free(m);
}

/* A queue of keys: the map must not grow with the number of keys that ever were. */
static void test_passing_keys(void **state)
{
    (void)state;
    struct map *m = map_new();
    for (uint64_t i = 0; i < 300000; i++) {
        assert_int_equal(map_put_u64(m, i, i), 0);
        if (i >= 10)
            assert_true(map_remove_u64(m, i - 10));
    }
    assert_int_equal(map_count(m), 10);
    size_t cursor = 0;
    uint64_t v;
    assert_true(map_next(m, &cursor, NULL, NULL, &v));
    assert_int_equal(v, 299990);
    assert_true(cursor < 64); /* places before the first live entry */
    map_free(m);
}

static void test_hash(void **state)
{
    (void)state;
    /* Each bit of the key moves about half the bits of the hash. */
    unsigned char key[24] = {0};
    for (size_t n = 1; n <= sizeof key; n++) {
        uint64_t base = map_hash(key, n);
        for (size_t bit = 0; bit < n * 8; bit++) {
            key[bit / 8] ^= (unsigned char)(1u << (bit % 8));
            int moved = __builtin_popcountll(map_hash(key, n) ^ base);
            key[bit / 8] ^= (unsigned char)(1u << (bit % 8));
            assert_in_range(moved, 10, 54);
        }
        assert_true(map_hash(key, n) != map_hash(key, n - 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basic),        cmocka_unit_test(test_key_lengths),
        cmocka_unit_test(test_walk),         cmocka_unit_test(test_remove_while_iterating),
        cmocka_unit_test(test_passing_keys), cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
