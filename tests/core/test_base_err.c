/* SPDX-License-Identifier: MIT
 *
 * Errors: codes, cutting, context, names.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void test_set(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_set(&e, ERR_INPUT, "line %d", 7), ERR_INPUT);
    assert_int_equal(e.code, ERR_INPUT);
    assert_string_equal(e.message, "line 7");
    assert_int_equal(err_set(&e, ERR_IO, "again: %s", e.message), ERR_IO);
    assert_string_equal(e.message, "again: line 7");
    assert_int_equal(err_set(NULL, ERR_IO, "x"), ERR_IO);
    assert_int_equal(err_set_errno(&e, ERR_IO, ENOENT, "open %s", "f"), ERR_IO);
    assert_string_equal(e.message, "open f: No such file or directory");
    assert_int_equal(err_set_errno(NULL, ERR_IO, ENOENT, "x"), ERR_IO);
    assert_int_equal(err_set(&e, ERR_LIMIT, "full"), ERR_LIMIT);
    assert_int_equal(err_prefix(&e, "account %d", 3), ERR_LIMIT);
    assert_string_equal(e.message, "account 3: full");
    assert_true(err_prefix(NULL, "x") < 0);
}

static void test_cut(void **state)
{
    (void)state;
    struct err e;
    char longer[1000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    err_set(&e, ERR_INPUT, "%s", longer);
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    err_prefix(&e, "here");
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    assert_memory_equal(e.message, "here: xxx", 9);
    err_set_errno(&e, ERR_IO, EACCES, "%s", longer);
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    longer[sizeof e.message - 6] = '\0';
    err_set_errno(&e, ERR_IO, EACCES, "%s", longer);
    assert_string_equal(e.message + sizeof e.message - 6, ": Per");
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *name;
        int exit;
    } all[] = {
        {ERR_OK, "ok", 0},
        {ERR_FAILED, "failed", 1},
        {ERR_USAGE, "usage", 2},
        {ERR_INPUT, "input", 3},
        {ERR_UNREACHABLE, "unreachable", 4},
        {ERR_LIMIT, "limit", 5},
        {ERR_IO, "io", 1},
        {ERR_TIMEOUT, "timeout", 4},
        {-1000, "failed", 1},
        {ERR_NOTFOUND, "notfound", 3},
        {ERR_EXISTS, "exists", 3},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_string_equal(err_name(all[i].code), all[i].name);
        assert_int_equal(err_exit_code(all[i].code), all[i].exit);
    }
    for (int a = ERR_IO; a < 0; a++) {
        for (int b = ERR_IO; b < a; b++)
            assert_string_not_equal(err_name(a), err_name(b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
