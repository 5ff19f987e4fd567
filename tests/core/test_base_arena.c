/* SPDX-License-Identifier: MIT
 *
 * The arena: alignment, zeroed memory, big objects, resetting.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/rng.h"

static void test_alloc(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    struct rng r;
    rng_seed(&r, 1);
    unsigned char *at[500];
    size_t size[500];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 500; i++) {
            /* Some are larger than a block. */
            size[i] = (size_t)rng_range(&r, 0, i % 10 ? 100 : 3000);
            at[i] = arena_alloc(&a, size[i]);
            assert_non_null(at[i]);
            assert_int_equal((uintptr_t)at[i] % 16, 0);
            for (size_t k = 0; k < size[i]; k++)
                assert_int_equal(at[i][k], 0); /* also memory used before the reset */
            memset(at[i], (int)(i % 255) + 1, size[i]);
        }
        for (size_t i = 0; i < 500; i++) {
            for (size_t k = 0; k < size[i]; k++)
                assert_int_equal(at[i][k], i % 255 + 1);
        }
        arena_reset(&a);
        assert_non_null(a.first);
    }
    arena_fini(&a);
    assert_null(a.first);
    arena_reset(&a);
    arena_fini(&a);
}

static void test_reset_reuses(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    void *first = arena_alloc(&a, 100);
    (void)arena_alloc(&a, 50000); /* does not displace the block in use */
    assert_ptr_equal((char *)arena_alloc(&a, 16), (char *)first + 112);
    arena_reset(&a);
    assert_ptr_equal(arena_alloc(&a, 100), first);
    arena_fini(&a);
}

static void test_refuses(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 40));
    assert_null(arena_strdup(&a, "", SIZE_MAX));
    assert_non_null(arena_alloc(&a, 1));
    char *copy = arena_strdup(&a, "text and more", 4);
    assert_string_equal(copy, "text");
    assert_string_equal(arena_strdup(&a, NULL, 0), "");
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_reset_reuses),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
