/* SPDX-License-Identifier: MIT
 *
 * CRC-32C: published sums; table and instruction agree; any split gives the same sum.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/crc32c.h"
#include "base/rng.h"

static void test_published(void **state)
{
    (void)state;
    unsigned char bytes[32];
    assert_int_equal(crc32c(0, "", 0), 0);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    /* RFC 3720, B.4. */
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43u);
    for (unsigned char i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794eu);
    assert_int_equal(crc32c_table(0, bytes, 32), 0x46dd794eu);
}

static void test_agree(void **state)
{
    (void)state;
    unsigned char bytes[300];
    struct rng r;
    rng_seed(&r, 1);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)rng_next(&r);
    for (size_t from = 0; from < 9; from++) {
        for (size_t n = 0; n + from <= sizeof bytes; n++) {
            uint32_t whole = crc32c_table(0, bytes + from, n);
            assert_int_equal(crc32c(0, bytes + from, n), whole);
            size_t cut = n ? (size_t)rng_range(&r, 0, (int64_t)n) : 0;
            uint32_t part = crc32c(0, bytes + from, cut);
            assert_int_equal(crc32c(part, bytes + from + cut, n - cut), whole);
            part = crc32c_table(0, bytes + from, cut);
            assert_int_equal(crc32c_table(part, bytes + from + cut, n - cut), whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
