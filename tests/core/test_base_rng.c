/* SPDX-License-Identifier: MIT
 *
 * Chance: known sequences, ranges without bias, shapes of the distributions.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/rng.h"

static void test_known(void **state)
{
    (void)state;
    /* xoshiro256** from the state 1, 2, 3, 4. */
    static const uint64_t want[] = {UINT64_C(11520), UINT64_C(0), UINT64_C(1509978240),
                                    UINT64_C(1215971899390074240)};
    struct rng r = {{1, 2, 3, 4}};
    for (size_t i = 0; i < 4; i++)
        assert_true(rng_next(&r) == want[i]);
    /* splitmix64 from 0. */
    rng_seed(&r, 0);
    assert_true(r.s[0] == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(r.s[1] == UINT64_C(0x6e789e6aa1b965f4));
}

static void test_streams(void **state)
{
    (void)state;
    struct rng a, b, c, d;
    rng_seed_named(&a, 1, "model");
    rng_seed_named(&b, 1, "model");
    rng_seed_named(&c, 1, "jitter");
    rng_seed_named(&d, 2, "model");
    for (int i = 0; i < 100; i++) {
        uint64_t x = rng_next(&a);
        assert_true(x == rng_next(&b));
        assert_true(x != rng_next(&c));
        assert_true(x != rng_next(&d));
    }
}

static void test_range(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 7);
    unsigned counts[6] = {0};
    for (int i = 0; i < 60000; i++) {
        int64_t x = rng_range(&r, -2, 3);
        assert_in_range(x + 2, 0, 5);
        counts[x + 2]++;
    }
    for (int i = 0; i < 6; i++)
        assert_in_range(counts[i], 9500, 10500);
    /* A span of 3 * 2^62: of four numbers that the generator gives, two would fall on the same
     * multiple of 3 if none were rejected. */
    unsigned multiples = 0;
    for (int i = 0; i < 30000; i++) {
        int64_t high = INT64_MAX - (INT64_C(1) << 62);
        int64_t x = rng_range(&r, INT64_MIN, high);
        assert_true(x <= high);
        multiples += ((uint64_t)x - (uint64_t)INT64_MIN) % 3 == 0;
    }
    assert_in_range(multiples, 9500, 10500);
    bool negative = false, positive = false;
    for (int i = 0; i < 100; i++) {
        int64_t x = rng_range(&r, INT64_MIN, INT64_MAX);
        negative |= x < 0;
        positive |= x > 0;
    }
    assert_true(negative && positive);
    assert_int_equal(rng_range(&r, 5, 5), 5);
}

static void test_uniform(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 8);
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        double x = rng_uniform(&r);
        assert_true(x >= 0 && x < 1);
        sum += x;
    }
    assert_true(fabs(sum / 100000 - 0.5) < 0.005);
    /* The largest value stays below 1. */
    struct rng ones = {{0, UINT64_C(0), 0, 0}};
    assert_true(rng_uniform(&ones) == 0);
}

static void test_normal(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 9);
    double sum = 0, squares = 0, fourths = 0;
    int n = 200000, beyond = 0;
    for (int i = 0; i < n; i++) {
        double x = rng_normal(&r);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
        fourths += x * x * x * x;
        beyond += fabs(x) > 1.959964;
    }
    assert_true(fabs(sum / n) < 0.01);
    assert_true(fabs(squares / n - 1) < 0.02);
    assert_true(fabs(fourths / n - 3) < 0.1);
    assert_true(fabs((double)beyond / n - 0.05) < 0.003);
}

static void test_exponential(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 10);
    double sum = 0;
    int n = 200000, beyond = 0;
    for (int i = 0; i < n; i++) {
        double x = rng_exponential(&r, 4);
        assert_true(x >= 0 && isfinite(x));
        sum += x;
        beyond += x > 4;
    }
    assert_true(fabs(sum / n - 4) < 0.05);
    assert_true(fabs((double)beyond / n - exp(-1)) < 0.005);
}

/* The logarithm is our own: it must agree with libm's, which the distributions do not use. */
static void test_logarithm(void **state)
{
    (void)state;
    struct rng r, same;
    rng_seed(&r, 11);
    for (int i = 0; i < 20000; i++) {
        same = r;
        double u = rng_uniform(&same);
        double want = -log(1 - u);
        double got = rng_exponential(&r, 1);
        assert_true(fabs(got - want) <= 1e-15 * (1 + want));
    }
}

static void test_secure(void **state)
{
    (void)state;
    unsigned char a[1000] = {0}, b[1000] = {0};
    assert_int_equal(rng_secure(a, sizeof a), 0);
    assert_int_equal(rng_secure(b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
    unsigned zeros = 0;
    for (size_t i = 0; i < sizeof a; i++)
        zeros += a[i] == 0;
    assert_true(zeros < 40);
    assert_int_equal(rng_secure(a, 0), 0);
}

/* The bytes are part of what replays: a change of them changes every recorded run. */
static void test_bytes(void **state)
{
    (void)state;
    struct rng r, same;
    unsigned char a[19], b[19];
    rng_seed(&r, 5);
    same = r;
    uint64_t first = rng_next(&same), second = rng_next(&same), third = rng_next(&same);
    rng_bytes(&r, a, sizeof a);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(a[i], (unsigned char)(first >> (8 * i)));
        assert_int_equal(a[8 + i], (unsigned char)(second >> (8 * i)));
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(a[16 + i], (unsigned char)(third >> (8 * i)));
    assert_memory_equal(&r, &same, sizeof r); /* whole words are used up */
    rng_bytes(&r, a, 0);
    assert_memory_equal(&r, &same, sizeof r);
    rng_seed(&r, 5);
    assert_int_equal(rng_secret(&r, b, sizeof b), 0);
    assert_memory_equal(a, b, sizeof a);
}

static void test_secret_without_replay_is_the_kernels(void **state)
{
    (void)state;
    unsigned char a[64] = {0}, b[64] = {0};
    assert_int_equal(rng_secret(NULL, a, sizeof a), 0);
    assert_int_equal(rng_secret(NULL, b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_normal),
        cmocka_unit_test(test_exponential),
        cmocka_unit_test(test_logarithm),
        cmocka_unit_test(test_secure),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_secret_without_replay_is_the_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
