/* SPDX-License-Identifier: MIT
 *
 * The ring: order over wrapping and growing, and its limit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "base/ring.h"
#include "base/rng.h"

static void test_order(void **state)
{
    (void)state;
    struct ring r;
    assert_int_equal(ring_init(&r, sizeof(uint64_t), 4, 0), 0);
    struct rng rng;
    rng_seed(&rng, 1);
    uint64_t in = 0, out = 0, x;
    for (int i = 0; i < 100000; i++) {
        /* Phases of growing and of shrinking. */
        if (rng_range(&rng, 0, 99) < ((i / 10000) % 2 ? 40 : 60)) {
            assert_int_equal(ring_push(&r, &in), 0);
            in++;
        } else if (ring_pop(&r, &x)) {
            assert_int_equal(x, out);
            out++;
        } else {
            assert_int_equal(in, out);
        }
        assert_int_equal(r.count, in - out);
        if (in > out) {
            size_t k = (size_t)rng_range(&rng, 0, (int64_t)(in - out) - 1);
            const uint64_t *at = ring_at(&r, k);
            assert_non_null(at);
            assert_int_equal(*at, out + k);
        }
        assert_null(ring_at(&r, in - out));
    }
    assert_true(r.cap > 4); /* it did grow */
    while (ring_pop(&r, NULL))
        out++;
    assert_int_equal(in, out);
    ring_fini(&r);
}

static void test_limit(void **state)
{
    (void)state;
    struct ring r;
    char element[3] = "ab";
    assert_int_equal(ring_init(&r, sizeof element, 0, 5), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++) {
            element[1] = (char)('0' + i);
            assert_int_equal(ring_push(&r, element), 0);
        }
        assert_int_equal(ring_push(&r, element), ERR_LIMIT);
        assert_int_equal(r.count, 5);
        for (int i = 0; i < 5; i++) {
            assert_true(ring_pop(&r, element));
            assert_int_equal(element[0], 'a');
            assert_int_equal(element[1], '0' + i);
        }
        assert_false(ring_pop(&r, element));
    }
    ring_fini(&r);
    assert_int_equal(ring_init(&r, 1, SIZE_MAX, 0), ERR_NOMEM);
    ring_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
