/* SPDX-License-Identifier: MIT
 *
 * perigee.exec: request budgets as scripts see them, and the scopes that a session names.
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

#include "io/transport.h"
#include "script/host.h"
#include "venue/remote.h"

struct world {
    char folder[64];
    struct clock clock;
    struct loop loop;
    struct log *log;
    struct ledger *ledger;
    struct stream *stream;
    struct host *host;
    struct exec *exec;
    struct remote *remote;
    struct transport_curl *transport;
};

static int reduce(void *arg, const struct event *ev, struct err *e)
{
    return ledger_apply(arg, ev, e);
}

static void lua(struct world *w, const char *code)
{
    if (luaL_dostring(w->host->L, code))
        fail_msg("%s", lua_tostring(w->host->L, -1));
}

static const char begin[] =
    "event, exec = require 'perigee.event', require 'perigee.exec'\n"
    "function fails(says, f, ...) local ok, why = pcall(f, ...)\n"
    "  assert(not ok and tostring(why):find(says, 1, true), tostring(why)) end\n"
    "function session(budget) return exec.session('A1', { broker = 'demo',\n"
    "  origin = 'http://127.0.0.1:1', budget = budget }) end\n"
    "for _, id in ipairs { 'A1', 'A2' } do event.emit('account_added', { account = id,\n"
    "  user = 'demo:a@b', broker = 'demo', currency = 'USD', leverage = 100 }) end\n";

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct err e = {0};
    struct journal_report report;
    snprintf(w->folder, sizeof w->folder, "/tmp/perigee-budget-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    clock_init(&w->clock);
    assert_int_equal(loop_init(&w->loop, &w->clock, NULL, &e), 0);
    w->log = log_new(1, LOG_ERROR, &w->clock);
    w->ledger = ledger_new(&e);
    w->stream = stream_new(&w->loop, &e);
    assert_int_equal(stream_reduce(w->stream, reduce, w->ledger), 0);
    struct journal_config config = {.folder = w->folder};
    assert_int_equal(stream_open(w->stream, &config, &report, &e), 0);
    struct host_services services = {.clock = &w->clock,
                                     .loop = &w->loop,
                                     .log = w->log,
                                     .stream = w->stream,
                                     .ledger = w->ledger,
                                     .home = PERIGEE_HOME_DEFAULT};
    w->host = host_new(&services, &e);
    assert_non_null(w->host);
    w->transport = transport_curl_new(&w->loop, NULL, &e);
    assert_non_null(w->transport);
    struct codec_ops codec = host_codec(w->host);
    w->remote = remote_new(&w->loop, w->log, &transport_curl_ops, w->transport, &codec, &e);
    assert_non_null(w->remote);
    struct exec_config exec = {.loop = &w->loop,
                               .clock = &w->clock,
                               .log = w->log,
                               .stream = w->stream,
                               .ledger = w->ledger,
                               .venue_ops = &remote_venue_ops,
                               .venue = remote_venue(w->remote),
                               .budget_requests = 100};
    w->exec = exec_new(&exec, &e);
    assert_non_null(w->exec);
    host_set_exec(w->host, w->exec, w->remote);
    lua(w, begin);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[96];
    host_set_exec(w->host, NULL, NULL);
    remote_free(w->remote);
    transport_curl_free(w->transport);
    exec_free(w->exec);
    host_free(w->host);
    stream_free(w->stream);
    ledger_free(w->ledger);
    log_free(w->log);
    assert_int_equal(loop_fini(&w->loop), 0);
    snprintf(command, sizeof command, "rm -rf '%s'", w->folder);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

static void lanes(void **state)
{
    lua(*state, "local function take(lane) local n = 0\n"
                "  while exec.budget_take('A1', lane) do n = n + 1 end return n end\n"
                "assert(take('quotes') == 60 and take('positions') == 6 and take('open') == 22)\n"
                "assert(exec.budget_take('A1', 'close') and exec.budget_take('A1', true))\n"
                "local ok, wait, which = exec.budget_take('A1')\n"
                "assert(not ok and wait > 0 and which == 'market')\n"
                "local used, limit, left, scopes = exec.budget('A1')\n"
                "assert(used == 90 and limit == 100 and left > 0 and #scopes == 1)\n"
                "assert(scopes[1].scope == 'account' and scopes[1].window_ms == 60000)\n"
                "exec.budget_rest('A1', 7000)\n"
                "ok, wait, which = exec.budget_take('A1', 'cancel')\n"
                "assert(not ok and wait <= 7000 and which == 'io')\n"
                "assert(exec.budget_take('A2', 'cancel') and exec.budget_take('A1', 'session'))\n"
                "local marks = exec.budget_marks()\n"
                "assert(marks.open == 88 and marks.close == 100 and marks.quotes == 60)\n"
                "fails('no lane \"closes\"', exec.budget_take, 'A1', 'closes')\n"
                "fails('nobody', exec.budget_take, 'nobody', 'close')\n");
}

static void scopes(void **state)
{
    lua(*state,
        "for _ = 1, 30 do exec.budget_take('A1', 'open') end\n"
        "assert(session { requests = 20, window_ms = 1000, scope = 'address' })\n"
        "local used, limit = exec.budget 'A1' assert(used == 0 and limit == 20)\n"
        "assert(session()) used, limit = exec.budget 'A1' assert(limit == 20)\n"
        "assert(session { { scope = 'account' }, { scope = 'broker', requests = 200 } })\n"
        "local used, limit, _, all = exec.budget 'A1'\n"
        "assert(used == 30 and limit == 100 and #all == 2 and all[2].scope == 'broker')\n"
        "assert(session { {}, { day = true, requests = 2000, window_ms = 86400000 } })\n"
        "used, limit, _, all = exec.budget 'A1' assert(all[2].day and all[2].limit == 2000)\n"
        "fails('no scope', session, { scope = 'adress' })\n"
        "fails('out of range', session, { requests = -1 })\n"
        "fails('unknown', session, { request = 1 })\n"
        "fails('at most 6', session, { {}, {}, {}, {}, {}, {}, {} })\n"
        "local none, err = session { {}, {} } assert(not none and err.code == 'input')\n"
        "assert(exec.session('A1', nil)) assert(exec.budget 'A1' == 30)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(lanes, setup, teardown),
                                       cmocka_unit_test_setup_teardown(scopes, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
