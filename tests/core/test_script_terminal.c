/* SPDX-License-Identifier: MIT
 *
 * perigee.terminal at a pseudo-terminal in the place of our standard input: what is answered, what
 * is shown, and that the terminal is put back whatever happens.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "script/bind.h"

struct screen {
    lua_State *L;
    int keys; /* the person's end */
    int before_in, before_err;
    struct termios mode; /* of the terminal, before anything was asked */
};

static int setup(void **state)
{
    struct screen *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->keys = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(s->keys >= 0);
    assert_int_equal(grantpt(s->keys), 0);
    assert_int_equal(unlockpt(s->keys), 0);
    int tty = open(ptsname(s->keys), O_RDWR | O_NOCTTY);
    assert_true(tty >= 0);
    s->before_in = dup(STDIN_FILENO);
    s->before_err = dup(STDERR_FILENO);
    assert_int_equal(dup2(tty, STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(dup2(tty, STDERR_FILENO), STDERR_FILENO);
    close(tty);
    assert_int_equal(tcgetattr(STDIN_FILENO, &s->mode), 0);
    /* Keys are there before the question: the terminal itself must not echo or act on them. */
    s->mode.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    assert_int_equal(tcsetattr(STDIN_FILENO, TCSANOW, &s->mode), 0);
    s->L = luaL_newstate();
    luaL_openlibs(s->L);
    luaL_requiref(s->L, "perigee.err", luaopen_perigee_err, 0);
    luaL_requiref(s->L, "perigee.terminal", luaopen_perigee_terminal, 0);
    lua_settop(s->L, 0);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct screen *s = *state;
    lua_close(s->L);
    dup2(s->before_in, STDIN_FILENO);
    dup2(s->before_err, STDERR_FILENO);
    close(s->before_in);
    close(s->before_err);
    close(s->keys);
    free(s);
    return 0;
}

/* Asks with `keys` typed; the answer, or the error's code after a "!". */
static const char *ask(struct screen *s, const char *keys, size_t n, bool echo)
{
    if (n > 0)
        assert_int_equal(write(s->keys, keys, n), (ssize_t)n);
    lua_settop(s->L, 0);
    assert_int_equal(luaL_loadstring(s->L, "local t = require 'perigee.terminal'\n"
                                           "local text, err = t.ask('who? ', ...)\n"
                                           "return text or '!' .. err.code"),
                     LUA_OK);
    lua_pushboolean(s->L, echo);
    assert_int_equal(lua_pcall(s->L, 1, 1, 0), LUA_OK);
    struct termios now;
    assert_int_equal(tcgetattr(STDIN_FILENO, &now), 0);
    assert_int_equal(now.c_lflag, s->mode.c_lflag);
    return lua_tostring(s->L, -1);
}

#define ASK(keys, echo) ask(s, keys, sizeof(keys) - 1, echo)

/* What stands on the screen since the last look. */
static const char *shown(struct screen *s)
{
    static char text[4096];
    size_t n = 0;
    struct pollfd fd = {.fd = s->keys, .events = POLLIN};
    while (n < sizeof text - 1 && poll(&fd, 1, 100) > 0) {
        ssize_t got = read(s->keys, text + n, sizeof text - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    text[n] = '\0';
    return text;
}

static void test_answers(void **state)
{
    struct screen *s = *state;
    assert_string_equal(ASK("ann\r", true), "ann");
    assert_string_equal(shown(s), "who? ann\r\n");
    assert_string_equal(ASK("ann\n", true), "ann");
    assert_string_equal(ASK("\r", true), "");
    (void)shown(s);
}

static void test_secrets_are_not_shown(void **state)
{
    struct screen *s = *state;
    assert_string_equal(ASK("s3\"cr\xc3\xa9t\x7f\x7ft\r", false), "s3\"crt");
    assert_string_equal(shown(s), "who? \r\n");
}

static void test_editing(void **state)
{
    struct screen *s = *state;
    assert_string_equal(ASK("amy\x7f\x08nn\r", true), "ann");
    assert_string_equal(shown(s), "who? amy\b \b\b \bnn\r\n");
    assert_string_equal(ASK("\x7f\x7f\x15no\x15yes\r", true), "yes");
    (void)shown(s);
    assert_string_equal(ASK("a\xe2\x82\xac\x7f"
                            "b\r",
                            false),
                        "ab");                                 /* a whole euro sign goes */
    assert_string_equal(ASK("a\x01\x1b\x09z\r", false), "az"); /* control characters do nothing */
    assert_string_equal(ASK("a\x04z\r", false), "az");         /* nor the end in the middle */
}

static void test_no_answer(void **state)
{
    struct screen *s = *state;
    assert_string_equal(ASK("secr\x03", false), "!cancelled");
    assert_string_equal(ASK("\x04", false), "!cancelled");
    char *many = malloc(1026);
    assert_non_null(many);
    memset(many, 'x', 1025);
    many[1025] = '\r';
    assert_string_equal(ask(s, many, 1025, false), "!input");
    /* What is left of it belongs to the next question. */
    assert_string_equal(ASK("\r", false), "");
    many[1024] = '\r';
    assert_int_equal(strlen(ask(s, many, 1025, false)), 1024);
    free(many);
}

static void test_no_terminal(void **state)
{
    struct screen *s = *state;
    int null = open("/dev/null", O_RDWR);
    assert_true(null >= 0);
    lua_settop(s->L, 0);
    assert_int_equal(luaL_dostring(s->L, "return require('perigee.terminal').interactive()"),
                     LUA_OK);
    assert_true(lua_toboolean(s->L, -1));
    int tty = dup(STDIN_FILENO);
    dup2(null, STDIN_FILENO);
    assert_int_equal(luaL_dostring(s->L, "return require('perigee.terminal').interactive()"),
                     LUA_OK);
    assert_false(lua_toboolean(s->L, -1));
    assert_int_equal(luaL_dostring(s->L, "local text, err = require('perigee.terminal').ask('', "
                                         "true)\nreturn text == nil and err.code"),
                     LUA_OK);
    assert_string_equal(lua_tostring(s->L, -1), "input");
    dup2(tty, STDIN_FILENO);
    close(tty);
    close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_secrets_are_not_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_editing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_terminal, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
