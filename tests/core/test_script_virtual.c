/* SPDX-License-Identifier: MIT
 *
 * A host under virtual time: tasks and their time-outs, commits at the end of turns, secrets that
 * repeat.
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
#include <unistd.h>

#include "script/host.h"
#include "script/task.h"

#define MS INT64_C(1000000)

struct world {
    struct clock clock;
    struct loop loop;
    struct log *log;
    struct rng entropy;
    struct stream *stream;
    struct fake_net *net;
    struct fake_process *process;
    struct http_client *http;
    struct host *host;
    char folder[64];
    uint64_t committed; /* newest event that the subscriber saw */
    int64_t committed_at;
};

static void on_committed(void *arg, const struct event *ev, const void *frame, size_t n)
{
    struct world *w = arg;
    (void)frame;
    (void)n;
    w->committed = ev->seq;
    w->committed_at = clock_io_ns(&w->clock);
    assert_int_equal(ev->wall_us, clock_wall_us(&w->clock)); /* in the very turn of the emit */
}

static void begin(struct world *w, uint64_t seed)
{
    struct err e;
    memset(w, 0, sizeof *w);
    clock_virtual(&w->clock, 1000, 0);
    w->log = log_new(2, LOG_ERROR, &w->clock);
    assert_int_equal(loop_init(&w->loop, &w->clock, w->log, &e), 0);
    rng_seed(&w->entropy, seed);
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/perigee-virtual-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    w->stream = stream_new(&w->loop, &e);
    struct journal_config config = {.folder = w->folder};
    struct journal_report report;
    assert_int_equal(stream_open(w->stream, &config, &report, &e), 0);
    assert_int_equal(stream_subscribe(w->stream, on_committed, w), 0);
    struct fake_net_config net = {.seed = seed, .latency_ns = 10 * MS};
    w->net = fake_net_new(&w->loop, &net, &e);
    w->process = fake_process_new(w->net, "both", &e);
    w->http = http_client_new_over(&w->loop, &transport_fake_ops, w->process, 4, &e);
    struct host_services s = {.loop = &w->loop,
                              .clock = &w->clock,
                              .log = w->log,
                              .entropy = &w->entropy,
                              .fake = w->process,
                              .http = w->http,
                              .stream = w->stream,
                              .home = PERIGEE_HOME_DEFAULT};
    w->host = host_new(&s, &e);
    assert_non_null(w->host);
}

static void finish(struct world *w)
{
    char command[120];
    host_free(w->host);
    http_client_free(w->http);
    fake_process_free(w->process);
    fake_net_free(w->net);
    stream_free(w->stream);
    assert_int_equal(loop_fini(&w->loop), 0);
    log_free(w->log);
    (void)snprintf(command, sizeof command, "rm -rf %s", w->folder);
    assert_int_equal(system(command), 0);
}

/* Runs a chunk that may spawn tasks, then so much time. */
static void run(struct world *w, const char *text, int64_t ms)
{
    lua_State *L = w->host->L;
    if (luaL_dostring(L, text) != LUA_OK) {
        fail_msg("%s", lua_tostring(L, -1));
    }
    lua_settop(L, 0);
    assert_int_equal(loop_run_until(&w->loop, clock_io_ns(&w->clock) + ms * MS), 0);
}

static const char *text_of(struct world *w, const char *global)
{
    lua_State *L = w->host->L;
    lua_settop(L, 0);
    lua_getglobal(L, global);
    return lua_tostring(L, 1);
}

static void tasks_wait_in_virtual_time(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1);
    run(&w,
        "local task, clock = require 'perigee.task', require 'perigee.clock'\n"
        "trace = ''\n"
        "local function note(name)\n"
        "  trace = trace .. name .. clock.io_ms() .. '/' .. clock.market_ms() .. ' '\n"
        "end\n"
        "task.spawn(function() task.sleep(3600000); note 'hour' end)\n"
        "task.spawn(function() task.sleep(20); note 'a'; task.yield(); note 'b' end)\n"
        "task.spawn(function()\n"
        "  local event = task.event()\n"
        "  task.spawn(function() task.sleep(7); note 'set'; event:set() end)\n"
        "  event:wait(); note 'woken'\n"
        "end)\n",
        3600000);
    assert_string_equal(text_of(&w, "trace"),
                        "set7/1007 woken7/1007 a20/1020 b20/1020 hour3600000/3601000 ");
    finish(&w);
}

static void events_are_committed_in_the_turn_that_emits_them(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1);
    run(&w,
        "local task, event = require 'perigee.task', require 'perigee.event'\n"
        "task.spawn(function()\n"
        "  for i = 1, 5 do\n"
        "    task.sleep(1000)\n"
        "    event.emit('notice', { text = 'n' .. i })\n"
        "  end\n"
        "end)\n",
        3500);
    assert_int_equal(w.committed, 3);
    assert_int_equal(w.committed_at, 3000 * MS);
    assert_int_equal(loop_run_until(&w.loop, 9000 * MS), 0);
    assert_int_equal(w.committed, 5);
    finish(&w);
}

static void scripts_serve_and_ask_each_other_in_memory(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1);
    run(&w,
        "local task, clock = require 'perigee.task', require 'perigee.clock'\n"
        "local http, httpd = require 'perigee.http', require 'perigee.httpd'\n"
        "server = assert(httpd.listen { port = 8080, handler = function(q)\n"
        "  task.sleep(tonumber(q:body()))\n"
        "  return 200, { { 'X-Nth', tostring(q:nth()) } }, q:method() .. ' ' .. q:path()\n"
        "end })\n"
        "trace = server:address() .. ' '\n"
        "task.spawn(function()\n"
        "  for i = 1, 3 do\n"
        "    local a = assert(http.request { method = 'POST', body = tostring(100 * i),\n"
        "      url = 'http://127.0.0.1:8080/' .. i })\n"
        "    trace = trace .. a.status .. ' ' .. a.body .. '#' .. a:header('x-nth') .. ' '\n"
        "      .. a:header('date') .. ' @' .. clock.io_ms() .. '; '\n"
        "  end\n"
        "  server:close()\n"
        "  local _, err = http.request { url = 'http://127.0.0.1:8080/4' }\n"
        "  trace = trace .. err.code .. ' @' .. clock.io_ms()\n"
        "end)\n",
        3000);
    assert_string_equal(text_of(&w, "trace"),
                        "127.0.0.1:8080 200 POST /1#0 Thu, 01 Jan 1970 00:00:00 GMT @140; "
                        "200 POST /2#1 Thu, 01 Jan 1970 00:00:00 GMT @360; "
                        "200 POST /3#2 Thu, 01 Jan 1970 00:00:00 GMT @680; unreachable @710");
    assert_int_equal(fake_net_counts(w.net).exchanges, 4); /* the last met a dying connection */
    finish(&w);
}

static void the_process_number_is_the_runs(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1);
    run(&w, "pid = tostring(require('perigee.process').pid())", 0);
    assert_int_equal(atoi(text_of(&w, "pid")), getpid());
    w.host->services.pid = 4711;
    run(&w, "pid = tostring(require('perigee.process').pid())", 0);
    assert_string_equal(text_of(&w, "pid"), "4711");
    finish(&w);
}

static void secrets_repeat_with_the_seed_and_only_with_it(void **state)
{
    (void)state;
    static const char chunk[] =
        "local rng, crypto = require 'perigee.rng', require 'perigee.crypto'\n"
        "local key = crypto.key()\n"
        "secrets = rng.token(16) .. crypto.token(16) .. crypto.hash(key)\n"
        "  .. crypto.hash(crypto.seal(key, 'plain', 'bound'))\n";
    struct world w;
    char first[512], second[512];
    begin(&w, 11);
    run(&w, chunk, 0);
    (void)snprintf(first, sizeof first, "%s", text_of(&w, "secrets"));
    run(&w, chunk, 0);
    assert_string_not_equal(text_of(&w, "secrets"), first); /* it goes on */
    finish(&w);
    begin(&w, 11);
    run(&w, chunk, 0);
    assert_string_equal(text_of(&w, "secrets"), first);
    finish(&w);
    begin(&w, 12);
    run(&w, chunk, 0);
    (void)snprintf(second, sizeof second, "%s", text_of(&w, "secrets"));
    finish(&w);
    assert_string_not_equal(second, first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_wait_in_virtual_time),
        cmocka_unit_test(events_are_committed_in_the_turn_that_emits_them),
        cmocka_unit_test(scripts_serve_and_ask_each_other_in_memory),
        cmocka_unit_test(the_process_number_is_the_runs),
        cmocka_unit_test(secrets_repeat_with_the_seed_and_only_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
