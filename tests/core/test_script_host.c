/* SPDX-License-Identifier: MIT
 *
 * The host: files, entry points, what is offered and what is not, and the network modules against a
 * server in the same process, closed at every stage.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "script/host.h"
#include "script/task.h"

struct world {
    struct clock clock;
    struct loop loop;
    struct log *log;
    int null_fd;
    struct http_client *http;
    struct ws_context *ws;
    struct host *host;
    char folder[64];
    char home[80];
    int stops;
};

static void on_stop(void *arg, const char *reason, int exit_code)
{
    struct world *w = arg;
    assert_string_equal(reason, "enough");
    assert_int_equal(exit_code, 3);
    w->stops++;
    loop_stop(&w->loop);
}

static void write_file(struct world *w, const char *name, const char *text)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", w->folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_not_equal(fputs(text, f), EOF);
    assert_int_equal(fclose(f), 0);
}

static void begin(struct world *w)
{
    struct err e;
    char command[120];
    memset(w, 0, sizeof *w);
    clock_init(&w->clock);
    w->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    w->log = log_new(w->null_fd, LOG_DEBUG, &w->clock);
    assert_int_equal(loop_init(&w->loop, &w->clock, w->log, &e), 0);
    w->http = http_client_new(&w->loop, 0, &e);
    w->ws = ws_context_new(&w->loop, &e);
    assert_non_null(w->http);
    assert_non_null(w->ws);
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/perigee-host-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    (void)snprintf(w->home, sizeof w->home, "%s", w->folder);
    (void)snprintf(command, sizeof command, "mkdir -p %s/lua/mine", w->folder);
    assert_int_equal(system(command), 0);
    struct host_services s = {.loop = &w->loop,
                              .clock = &w->clock,
                              .log = w->log,
                              .http = w->http,
                              .ws = w->ws,
                              .home = w->home,
                              .stop = on_stop,
                              .stop_arg = w};
    w->host = host_new(&s, &e);
    assert_non_null(w->host);
}

static void end(struct world *w)
{
    char command[120];
    host_free(w->host);
    http_client_free(w->http);
    ws_context_free(w->ws);
    assert_int_equal(loop_fini(&w->loop), 0);
    log_free(w->log);
    (void)close(w->null_fd);
    (void)snprintf(command, sizeof command, "rm -rf %s", w->folder);
    assert_int_equal(system(command), 0);
}

static int run(struct world *w, const char *text, lua_Integer *result, struct err *e)
{
    char path[160];
    char one[] = "one", two[] = "two";
    char *argv[] = {one, two};
    (void)snprintf(path, sizeof path, "%s/main.lua", w->folder);
    write_file(w, "main.lua", text);
    return host_run_file(w->host, path, 2, argv, result, e);
}

static void test_run_file(void **state)
{
    (void)state;
    struct world w;
    struct err e;
    lua_Integer result = 0;
    begin(&w);
    assert_int_equal(run(&w,
                         "#!/usr/bin/env perigee lua\n"
                         "local a, b = ...\n"
                         "assert(a == 'one' and b == 'two' and arg[1] == a and arg[2] == b)\n"
                         "assert(arg[0]:match('main.lua$'))\n"
                         "return 42\n",
                         &result, &e),
                     0);
    assert_int_equal(result, 42);
    assert_int_equal(run(&w, "return 'text'", &result, &e), 0);
    assert_int_equal(result, 0);
    assert_int_equal(run(&w, "local function f() error('oops') end f()", &result, &e), ERR_FAILED);
    assert_non_null(strstr(e.message, "main.lua:1: oops"));
    assert_null(strstr(e.message, "traceback"));
    assert_int_equal(
        run(&w, "error(setmetatable({}, {__tostring = function() return 'obj' end}))", NULL, &e),
        ERR_FAILED);
    assert_string_equal(e.message, "obj");
    assert_int_equal(run(&w, "syntax error here", NULL, &e), ERR_FAILED);
    assert_int_equal(run(&w, "\x1bLua", NULL, &e), ERR_FAILED); /* no bytecode */
    assert_non_null(strstr(e.message, "binary"));
    assert_int_equal(host_run_file(w.host, "/nonexistent.lua", 0, NULL, NULL, &e), ERR_INPUT);
    assert_int_equal(log_count(w.log, LOG_ERROR), 5);
    assert_int_equal(lua_gettop(w.host->L), 0);
    end(&w);
}

static void test_modules_and_paths(void **state)
{
    (void)state;
    struct world w;
    struct err e;
    begin(&w);
    write_file(&w, "lua/mine/init.lua", "return {answer = 7}");
    assert_int_equal(
        run(&w,
            "assert(require('mine').answer == 7)\n"
            "assert(not package.path:find('%./%?') and not package.path:find(';%.'))\n"
            "assert(not package.cpath:find('%./%?'))\n"
            "assert(require('cjson').decode('[1]')[1] == 1)\n"
            "local err = require('perigee.err')\n"
            "local e = err.new('limit', 'too much', 'here', 'safe')\n"
            "assert(tostring(e) == 'here: too much' and err.is(e) and err.is(e, 'limit'))\n"
            "assert(not err.is(e, 'other') and not err.is({}) and not err.is('x'))\n"
            "assert(not pcall(err.new, 'a', 'b', 'c', 'often'))\n",
            NULL, &e),
        0);
    end(&w);
}

static void test_missing_services_are_named(void **state)
{
    (void)state;
    struct err e;
    struct host_services none = {0};
    struct host *h = host_new(&none, &e);
    assert_non_null(h);
    lua_State *L = h->L;
    assert_int_equal(
        luaL_dostring(L, "local p = package.preload\n"
                         "local ok, m = pcall(p['perigee.clock']().market_ms)\n"
                         "assert(not ok and m:find('the clock service is not available'), m)\n"
                         "ok, m = pcall(p['perigee.http']().request, {url = 'x'})\n"
                         "assert(not ok and m:find('the http service'), m)\n"
                         "ok, m = pcall(p['perigee.task.core']().spawn, print)\n"
                         "assert(not ok and m:find('no loop'), m)\n"
                         "p['perigee.log']().error('a', 'b')\n"),
        LUA_OK);
    host_free(h);
}

static void test_spawn(void **state)
{
    (void)state;
    struct world w;
    struct err e;
    const char *const argv[] = {"x", "y"};
    begin(&w);
    write_file(&w, "lua/mine/init.lua",
               "local process = package.preload['perigee.process']()\n"
               "return {main = function(a, b)\n"
               "  assert(a == 'x' and b == 'y') process.stop('enough', 3)\n"
               "end, number = 1}");
    assert_int_equal(host_spawn(w.host, "mine", "main", 2, argv, &e), 0);
    assert_int_equal(w.stops, 0); /* started at the next drain */
    assert_int_equal(loop_run(&w.loop), 0);
    assert_int_equal(w.stops, 1);
    assert_int_equal(log_count(w.log, LOG_ERROR), 0);
    assert_int_equal(host_spawn(w.host, "mine", "number", 0, NULL, &e), ERR_FAILED);
    assert_non_null(strstr(e.message, "no function number"));
    assert_int_equal(host_spawn(w.host, "absent", "main", 0, NULL, &e), ERR_FAILED);
    end(&w);
}

static const char *const network =
    "local core = package.preload['perigee.task.core']()\n"
    "local http, httpd = package.preload['perigee.http'](), package.preload['perigee.httpd']()\n"
    "local ws, sock = package.preload['perigee.ws'](), package.preload['perigee.sock']()\n"
    "local path = arg[0]:gsub('main.lua', 'sock')\n"
    "local server = assert(httpd.listen{handler = function(req)\n"
    "    keep = req core.sleep(1e6) return 200 end,\n"
    "  ws = {message = function(c, t) kept = c c:send(t) end}})\n"
    "local listener = assert(sock.listen{path = path, frame = function(c, t, p) c:send(t, p) "
    "end})\n"
    "local url = server:address()\n"
    "core.run(function()\n"
    "  core.spawn(function() http.request{url = 'http://' .. url} end)\n"
    "  core.spawn(function() local c = ws.connect('ws://' .. url) c:send('a') c:recv() c:recv() "
    "end)\n"
    "  core.spawn(function() local c = sock.connect(path) c:send(1, 'a') c:recv() c:recv() end)\n"
    "  core.sleep(STAGE)\n"
    "  while STAGE == 20 and not keep do core.sleep(5) end\n"
    "  if STAGE == 20 then assert(keep:path() == '/' and kept:pending() == 0) end\n"
    "  core.spawn(function() ws.connect('ws://' .. url) end)\n"
    "  core.spawn(function() sock.connect(path) end)\n"
    "  core.spawn(function() http.request{url = 'http://' .. url} end)\n"
    "end)\n";

static void test_free_at_every_stage(void **state)
{
    (void)state;
    static const int stages[] = {0, 1, 2, 20};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        for (int stress = 0; stress < 2; stress++) {
            struct world w;
            struct err e = {0};
            begin(&w);
            tasks_stress(w.host, stress);
            lua_pushinteger(w.host->L, stages[i]);
            lua_setglobal(w.host->L, "STAGE");
            int rc = run(&w, network, NULL, &e);
            if (rc != 0) {
                print_error("%s\n", e.message);
            }
            assert_int_equal(rc, 0);
            assert_true(tasks_count(w.host) >= 3);
            end(&w); /* loop_fini finds no handle that was left open */
        }
    }
}

static void test_warnings_are_logged(void **state)
{
    (void)state;
    struct world w;
    struct err e;
    begin(&w);
    assert_int_equal(
        run(&w, "setmetatable({}, {__gc = function() error('in gc') end}) collectgarbage()", NULL,
            &e),
        0);
    assert_int_equal(log_count(w.log, LOG_WARN), 1);
    end(&w);
}

static void test_exit_is_not_for_tasks(void **state)
{
    (void)state;
    struct world w;
    struct err e;
    begin(&w);
    assert_int_equal(run(&w,
                         "local core = package.preload['perigee.task.core']()\n"
                         "local ok, m = core.run(function() return pcall(os.exit, 1) end)\n"
                         "assert(not ok and m:find('process.stop'))",
                         NULL, &e),
                     0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_file),
        cmocka_unit_test(test_modules_and_paths),
        cmocka_unit_test(test_missing_services_are_named),
        cmocka_unit_test(test_spawn),
        cmocka_unit_test(test_free_at_every_stage),
        cmocka_unit_test(test_warnings_are_logged),
        cmocka_unit_test(test_exit_is_not_for_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
