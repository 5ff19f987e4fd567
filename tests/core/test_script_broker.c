/* SPDX-License-Identifier: MIT
 *
 * The paper broker in the network in memory, asked by three clients over a bad network in virtual
 * time: the same seed gives the same bytes at the same times in every process. Lua seeds the hashes
 * of its strings anew in each process, so whatever followed the order of pairs would differ.
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

#define MS INT64_C(1000000)
#define START INT64_C(1767225600000) /* 2026-01-01 */

static const char server[] =
    "local sim, task, clock = require 'perigee.sim', require 'perigee.task', require "
    "'perigee.clock'\n"
    "local accounts = require 'perigee.simulator.accounts'\n"
    "local routes = require 'perigee.simulator.routes'\n"
    "local list, users = accounts.list(3), {}\n"
    "for i, a in ipairs(list) do\n"
    "  a.user = 'user' .. i .. '@example.org'\n"
    "  users[a.user] = { password = 'pw', accounts = { a.id } }\n"
    "end\n"
    "local market = assert(sim.open { seed = 5 })\n"
    "local broker = assert(require('perigee.simulator.broker').new {\n"
    "  sim = market, accounts = list, users = users, seed = 5 })\n"
    "local base = market:now()\n"
    "task.spawn(function()\n"
    "  while task.sleep(250, 'io') do assert(market:advance(base + clock.io_ms())) end\n"
    "end)\n"
    "assert(require('perigee.httpd').listen { port = 8080, request_timeout_ms = 3600000,\n"
    "  idle_timeout_ms = 3600000, handler = function(q) return routes.handle(broker, q) end })\n";

static const char clients[] =
    "local http, json, task = require 'perigee.http', require 'perigee.json', require "
    "'perigee.task'\n"
    "local clock = require 'perigee.clock'\n"
    "local at = 'http://127.0.0.1:8080'\n"
    "trace = ''\n"
    "local function note(i, text)\n"
    "  trace = trace .. ('%d@%d %s\\n'):format(i, clock.io_ms(), text)\n"
    "end\n"
    "local function login(i)\n"
    "  while true do\n"
    "    local a, err = http.request { method = 'POST', url = at .. '/manager/mtr-login',\n"
    "      body = json.encode { email = 'user' .. i .. '@example.org', password = 'pw', brokerId = "
    "'0' },\n"
    "      timeout_ms = 3000 }\n"
    "    note(i, a and a.head .. a.body or err.message)\n"
    "    local said = a and a.status == 200 and json.decode(a.body)\n"
    "    if said then return (said.tradingAccounts or said.accounts)[1].tradingApiToken,\n"
    "      a:header('set-cookie'):match('^[^;]*') end\n"
    "    task.sleep(500, 'io')\n"
    "  end\n"
    "end\n"
    "for i = 1, 3 do\n"
    "  task.spawn(function()\n"
    "    local api, cookie = login(i)\n"
    "    local headers = { { 'Auth-trading-api', api }, { 'Cookie', cookie } }\n"
    "    local base = at .. '/mtr-api/cccccccc-0000-4000-8000-000000000001'\n"
    "    for n = 1, 40 do\n"
    "      local open = n % 4 == 0\n"
    "      local a, err = http.request { method = open and 'POST' or 'GET', timeout_ms = 3000,\n"
    "        url = base .. (open and '/position/open' or n % 4 == 1 and '/balance' or "
    "'/open-positions'),\n"
    "        headers = headers, body = open and json.encode { instrument = 'BTCUSD', orderSide = "
    "'BUY',\n"
    "          volume = 0.01, slPrice = 0, tpPrice = 0, isMobile = false } or nil }\n"
    "      note(i, a and a.status .. a.head .. a.body or err.message)\n"
    "      if a and open and a.status == 200 then opened = (opened or 0) + 1 end\n"
    "      task.sleep(700 * i, 'io')\n"
    "    end\n"
    "    ended = (ended or 0) + 1\n"
    "  end)\n"
    "end\n";

struct world {
    struct clock clock;
    struct loop loop;
    struct log *log;
    struct rng faults;
    struct fake_net *net;
};

static void exchange(void *arg, const struct fake_exchange *x, struct fake_plan *plan)
{
    struct world *w = arg;
    (void)x;
    plan->piece = (size_t)rng_range(&w->faults, 0, 400);
    plan->end = (enum fake_end)rng_range(&w->faults, 0, 2);
    plan->request_ns += rng_range(&w->faults, 0, 9) == 0 ? 20000 * MS : 0;
    if (rng_range(&w->faults, 0, 9) == 0) {
        plan->request_bytes = (size_t)rng_range(&w->faults, 0, 300);
    }
    if (rng_range(&w->faults, 0, 9) == 0) {
        plan->answer_bytes = (size_t)rng_range(&w->faults, 0, 300);
    }
}

struct party {
    struct rng entropy;
    struct fake_process *process;
    struct http_client *http;
    struct host *host;
};

static void party_begin(struct world *w, struct party *p, const char *name, const char *text)
{
    struct err e;
    rng_seed_named(&p->entropy, 77, name);
    p->process = fake_process_new(w->net, name, &e);
    p->http = http_client_new_over(&w->loop, &transport_fake_ops, p->process, 8, &e);
    struct host_services s = {.loop = &w->loop,
                              .clock = &w->clock,
                              .log = w->log,
                              .entropy = &p->entropy,
                              .fake = p->process,
                              .http = p->http,
                              .home = PERIGEE_HOME_DEFAULT};
    p->host = host_new(&s, &e);
    assert_non_null(p->host);
    if (luaL_dostring(p->host->L, text) != LUA_OK) {
        fail_msg("%s", lua_tostring(p->host->L, -1));
    }
}

static void party_end(struct party *p)
{
    host_free(p->host);
    http_client_free(p->http);
    fake_process_free(p->process);
}

static lua_Integer number_of(struct party *p, const char *global)
{
    lua_getglobal(p->host->L, global);
    lua_Integer n = lua_tointeger(p->host->L, -1);
    lua_pop(p->host->L, 1);
    return n;
}

/* One run; what was said by whom and when, and the net's number, go to `out`. */
static void run(uint64_t seed, FILE *out)
{
    struct world w;
    struct party broker, engine;
    struct err e;
    memset(&w, 0, sizeof w);
    clock_virtual(&w.clock, START, START * 1000);
    w.log = log_new(2, LOG_ERROR, &w.clock);
    assert_int_equal(loop_init(&w.loop, &w.clock, w.log, &e), 0);
    rng_seed(&w.faults, seed);
    struct fake_net_config config = {.seed = seed,
                                     .latency_ns = 20 * MS,
                                     .jitter_ns = 5 * MS,
                                     .faults = {&w, NULL, exchange, NULL}};
    w.net = fake_net_new(&w.loop, &config, &e);
    party_begin(&w, &broker, "broker", server);
    party_begin(&w, &engine, "engine", clients);
    assert_int_equal(loop_run_until(&w.loop, 600000 * MS), 0);
    assert_int_equal(number_of(&engine, "ended"), 3);
    assert_true(number_of(&engine, "opened") > 5);
    lua_getglobal(engine.host->L, "trace");
    fprintf(out, "%s\nfingerprint %016llx exchanges %llu\n", lua_tostring(engine.host->L, -1),
            (unsigned long long)fake_net_fingerprint(w.net),
            (unsigned long long)fake_net_counts(w.net).exchanges);
    party_end(&engine);
    party_end(&broker);
    fake_net_free(w.net);
    assert_int_equal(loop_fini(&w.loop), 0);
    log_free(w.log);
}

/* The trace of a run in a process of its own. */
static char *run_elsewhere(uint64_t seed)
{
    char self[512], command[600];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    (void)snprintf(command, sizeof command, "'%s' run %llu", self, (unsigned long long)seed);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    char *text = NULL;
    size_t size = 0;
    FILE *all = open_memstream(&text, &size);
    for (int c = fgetc(f); c != EOF; c = fgetc(f)) {
        (void)fputc(c, all);
    }
    (void)fclose(all);
    assert_int_equal(pclose(f), 0);
    assert_true(size > 10000);
    return text;
}

static void every_process_sees_the_same(void **state)
{
    (void)state;
    char *last = NULL;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        char *first = run_elsewhere(seed);
        char *second = run_elsewhere(seed);
        assert_string_equal(first, second);
        if (last != NULL) {
            assert_string_not_equal(first, last);
        }
        free(second);
        free(last);
        last = first;
    }
    free(last);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_process_sees_the_same),
    };
    if (argc == 3 && strcmp(argv[1], "run") == 0) {
        run(strtoull(argv[2], NULL, 10), stdout);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
