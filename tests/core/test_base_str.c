/* SPDX-License-Identifier: MIT
 *
 * Growing strings and canonical JSON.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"

static void test_append(void **state)
{
    (void)state;
    struct str s;
    str_init(&s);
    str_add(&s, "", 0);
    assert_string_equal(s.p, "");
    char want[3001];
    size_t n = 0;
    for (int i = 0; i < 1000; i++) {
        str_addc(&s, 'a');
        str_addz(&s, "b");
        str_addf(&s, "%d", i % 10);
        want[n++] = 'a';
        want[n++] = 'b';
        want[n++] = (char)('0' + i % 10);
        assert_int_equal(s.p[s.len], 0);
    }
    want[n] = '\0';
    assert_int_equal(s.len, n);
    assert_string_equal(s.p, want);
    str_drop(&s, 0);
    str_drop(&s, 3);
    assert_string_equal(s.p, want + 3);
    str_drop(&s, 100000);
    assert_int_equal(s.len, 0);
    assert_string_equal(s.p, "");
    str_add(&s, "a\0b", 3);
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.p, "a\0b", 4);
    str_clear(&s);
    assert_int_equal(s.len, 0);
    str_fini(&s);
}

static void test_format_grows(void **state)
{
    (void)state;
    /* Each length around the room that is left. */
    for (int n = 0; n < 200; n++) {
        struct str s;
        str_init(&s);
        str_addz(&s, "x");
        str_addf(&s, "%*s", n, "");
        assert_int_equal(s.len, n + 1);
        assert_int_equal(s.p[s.len], 0);
        assert_int_equal(strspn(s.p + 1, " "), n);
        str_fini(&s);
    }
}

static void test_failure_sticks(void **state)
{
    (void)state;
    struct str s;
    str_init(&s);
    str_addz(&s, "kept");
    str_reserve(&s, SIZE_MAX);
    assert_true(s.failed);
    str_addz(&s, "lost");
    str_addf(&s, "%d", 12345);
    str_addc(&s, 'c');
    assert_int_equal(s.len, 4);
    assert_string_equal(s.p, "kept");
    str_clear(&s);
    assert_false(s.failed);
    str_addz(&s, "again");
    assert_string_equal(s.p, "again");
    str_fini(&s);
}

static void check_string(const char *text, size_t n, const char *want)
{
    struct str s;
    str_init(&s);
    str_json_string(&s, text, n);
    assert_string_equal(s.p, want);
    str_fini(&s);
}

static void test_json_string(void **state)
{
    (void)state;
#define CHECK(text, want) check_string(text, sizeof(text) - 1, want)
    CHECK("", "\"\"");
    CHECK("plain", "\"plain\"");
    CHECK("a\"b\\c/", "\"a\\\"b\\\\c/\"");
    CHECK("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
    CHECK("\0\x01\x1f\x7f", "\"\\u0000\\u0001\\u001f\x7f\"");
    CHECK("z\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z", "\"z\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\"");
    CHECK("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
          "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"");
#define BAD "\xef\xbf\xbd"
    CHECK("\x80", "\"" BAD "\"");
    CHECK("a\xff"
          "b",
          "\"a" BAD "b\"");
    CHECK("\xc3", "\"" BAD "\"");
    CHECK("\xe2\x82", "\"" BAD "\"");
    CHECK("\xe2\x82x", "\"" BAD "x\"");
    CHECK("\xf0\x9f\x98\"", "\"" BAD "\\\"\"");
    CHECK("\xc0\xaf", "\"" BAD BAD "\"");                 /* overlong */
    CHECK("\xe0\x9f\xbf", "\"" BAD BAD BAD "\"");         /* overlong */
    CHECK("\xed\xa0\x80", "\"" BAD BAD BAD "\"");         /* a surrogate */
    CHECK("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""); /* above U+10FFFF */
    CHECK("\xf5\x80", "\"" BAD BAD "\"");
}

static void check_double(double x, const char *want)
{
    struct str s;
    str_init(&s);
    str_json_double(&s, x);
    assert_string_equal(s.p, want);
    str_fini(&s);
}

static void test_json_double(void **state)
{
    (void)state;
    static const struct {
        double x;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "0"},
        {1, "1"},
        {-1, "-1"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {0.0000085, "0.0000085"},
        {-0.0000085, "-0.0000085"},
        {1e-7, "0.0000001"},
        {9.9e-8, "9.9e-8"},
        {5e-324, "4.94065645841247e-324"},
        {100, "100"},
        {1.5, "1.5"},
        {50000.1, "50000.1"},
        {123456789012345678.0, "1.2345678901234568e17"},
        {1e15, "1000000000000000"},
        {999999999999999.9, "999999999999999.9"},
        {1e16, "1e16"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {100000000000000.02, "100000000000000.02"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_double(cases[i].x, cases[i].text);
}

static void test_json_double_reads_back(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 5);
    struct str s;
    str_init(&s);
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = rng_next(&r);
        double x;
        memcpy(&x, &bits, 8);
        if (i % 2) /* prices */
            x = (double)rng_range(&r, -1000000000000, 1000000000000) / 100000;
        if (!isfinite(x))
            continue;
        str_clear(&s);
        str_json_double(&s, x);
        assert_true(strtod(s.p, NULL) == x);
        if (fabs(x) >= 1e-7 && fabs(x) <= 1e15)
            assert_null(strchr(s.p, 'e'));
        assert_true(s.p[s.len - 1] >= '0' && s.p[s.len - 1] <= '9');
    }
    str_fini(&s);
}

static void test_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8",
                                        "pl_PL.UTF-8"};
    const char *got = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !got; i++)
        got = setlocale(LC_ALL, names[i]);
    if (!got)
        skip(); /* none with a decimal comma is installed */
    check_double(1234.5, "1234.5");
    check_double(0.30000000000000004, "0.30000000000000004");
    check_double(8.5e-9, "8.5e-9");
    setlocale(LC_ALL, "C");
}

static void test_json_numbers(void **state)
{
    (void)state;
    struct str s;
    str_init(&s);
    str_json_decimal(&s, (decimal){1000000});
    str_addc(&s, ' ');
    str_json_decimal(&s, (decimal){INT64_MIN});
    str_addc(&s, ' ');
    str_json_int(&s, INT64_MIN);
    str_addc(&s, ' ');
    str_json_int(&s, INT64_MAX);
    assert_string_equal(s.p, "0.01 -92233720368.54775808 -9223372036854775808 9223372036854775807");
    str_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),         cmocka_unit_test(test_format_grows),
        cmocka_unit_test(test_failure_sticks), cmocka_unit_test(test_json_string),
        cmocka_unit_test(test_json_double),    cmocka_unit_test(test_json_double_reads_back),
        cmocka_unit_test(test_locale),         cmocka_unit_test(test_json_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
