/* SPDX-License-Identifier: MIT
 *
 * Child processes: closing a handle that is waited for, and more output than is kept.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/child.h"

struct world {
    struct clock clock;
    struct loop loop;
    struct log *log;
    struct host *host;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct err e = {0};
    clock_init(&w->clock);
    w->log = log_new(1, LOG_ERROR, &w->clock);
    assert_int_equal(loop_init(&w->loop, &w->clock, w->log, &e), 0);
    struct host_services services = {
        .loop = &w->loop, .clock = &w->clock, .log = w->log, .home = PERIGEE_HOME_DEFAULT};
    w->host = host_new(&services, &e);
    assert_non_null(w->host);
    child_register(w->host);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    host_free(w->host);
    assert_int_equal(loop_fini(&w->loop), 0);
    assert_int_equal(log_count(w->log, LOG_ERROR), 0);
    log_free(w->log);
    free(w);
    return 0;
}

/* Runs the code, then the loop until it has set `done`. */
static void run(struct world *w, const char *code)
{
    lua_State *L = w->host->L;
    if (luaL_dostring(L, code) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    for (bool done = false; !done;) {
        assert_int_equal(loop_run_once(&w->loop, true), 0);
        lua_getglobal(L, "done");
        done = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    lua_getglobal(L, "why");
    if (!lua_isnil(L, -1))
        fail_msg("%s", lua_tostring(L, -1));
    lua_settop(L, 0);
}

#define TASK                                                                                       \
    "local child, task = require 'perigee.child', require 'perigee.task'\n"                        \
    "local function sh(text) return assert(child.spawn { file = '/bin/sh', args = { '-c', text "   \
    "} }) end\n"                                                                                   \
    "local function body(fn) task.spawn(function() local ok, e = pcall(fn)\n"                      \
    "  if not ok then why = tostring(e) end done = true end) end\n"

/* Both waits end with "closed", also when what they waited for had come in the same moment. */
static void test_closed_while_waited_for(void **state)
{
    run(*state, TASK
        "body(function()\n"
        "  for _, how in ipairs { 'line', 'wait' } do\n"
        "    local c, code = sh 'exec sleep 60', nil\n"
        "    local pid = c:pid()\n"
        "    local t = task.spawn(function() local r, e = c[how](c) code = not r and e.code end)\n"
        "    task.yield() task.yield()\n"
        "    do local closing <close> = c end\n"
        "    t:join() child.kill(pid, 9)\n"
        "    assert(code == 'closed', tostring(code))\n"
        "  end\n"
        "  local c, code = sh 'echo here; exec sleep 60', nil\n"
        "  local pid = c:pid()\n"
        "  assert(c:line() == 'here')\n"
        "  local t = task.spawn(function() local r, e = c:line(0) code = not r and e.code end)\n"
        "  task.yield() do local closing <close> = c end t:join() child.kill(pid, 9)\n"
        "  assert(code == 'closed' or code == 'timeout', tostring(code))\n"
        "end)\n");
}

/* 3 MiB that wait for a while: nothing is lost, in order. */
static void test_much_output(void **state)
{
    run(*state, TASK "body(function()\n"
                     "  local c <close> = sh [[i=0; pad=$(printf %01000d 0)\n"
                     "    while [ $i -lt 3000 ]; do echo $i $pad; i=$((i + 1)); done]]\n"
                     "  local none, e = c:wait(300)\n"
                     "  for i = 0, 2999 do\n"
                     "    local line = assert(c:line())\n"
                     "    assert(tonumber(line:match '^%d+') == i, line:sub(1, 20))\n"
                     "  end\n"
                     "  none, e = c:line() assert(not none and e.code == 'closed')\n"
                     "  assert(c:wait() == 0)\n"
                     "end)\n");
}

/* A line that is longer than what is kept comes in pieces. */
static void test_long_line(void **state)
{
    run(*state, TASK "body(function()\n"
                     "  local c <close> = sh 'head -c 3000000 /dev/zero | tr \"\\\\0\" x; echo'\n"
                     "  local size = 0\n"
                     "  while size < 3000000 do size = size + #assert(c:line()) end\n"
                     "  assert(size == 3000000 and c:wait() == 0)\n"
                     "end)\n");
}

/* Names of env replace and add; the rest is this process's. Both outputs come in order. */
static void test_environment_folder_and_errors(void **state)
{
    setenv("CHILD_KEPT", "kept", 1);
    setenv("CHILD_OLD", "old", 1);
    run(*state, TASK "body(function()\n"
                     "  local c <close> = assert(child.spawn { file = '/bin/sh', cwd = '/usr', "
                     "stderr_lines = true,\n"
                     "    env = { CHILD_OLD = 'a=b', CHILD_NEW = '' }, args = { '-c',\n"
                     "    [[echo $CHILD_KEPT; echo $CHILD_OLD >&2; echo ${CHILD_NEW-unset}.; pwd "
                     ">&2; echo end]] } })\n"
                     "  for _, line in ipairs { 'kept', 'a=b', '.', '/usr', 'end' } do\n"
                     "    local got = assert(c:line()) assert(got == line, got)\n"
                     "  end\n"
                     "  assert(not c:line() and c:wait() == 0)\n"
                     "  local none, e = child.spawn { file = '/bin/sh', cwd = '/no/such/folder', "
                     "stderr_lines = true }\n"
                     "  assert(not none and e.code == 'failed')\n"
                     "  assert(not pcall(child.spawn, { file = '/bin/sh', env = { 'x' } }))\n"
                     "end)\n");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_closed_while_waited_for), T(test_much_output),
                                       T(test_long_line), T(test_environment_folder_and_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
