/* SPDX-License-Identifier: MIT
 *
 * perigee.ledger as clients of the engine need it: marks as JSON, the orders of a snapshot, a
 * volume that is wanted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "script/host.h"

struct world {
    char folder[64];
    struct clock clock;
    struct log *log;
    struct ledger *ledger;
    struct stream *stream;
    struct host *host;
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
    "event, ledger = require 'perigee.event', require 'perigee.ledger'\n"
    "event.emit('account_added', { account = 'A1', user = 'demo:a@b', broker = 'demo', currency = "
    "'USD',"
    " leverage = 100, uuid = 'u-1', user_id = 3 })\n"
    "event.emit('instrument', { venue = 'demo', symbol = 'BTCUSD.', canonical = 'BTCUSD', base = "
    "'BTC',"
    " quote = 'USD', price_digits = 1, volume_digits = 2, volume_min = '0.01', volume_max = '100',"
    " volume_step = '0.01', contract_size = '1' })\n"
    "event.emit('balance', { account = 'A1', balance = '10000', equity = '10000', currency = 'USD' "
    "})\n";

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct err e = {0};
    struct journal_report report;
    snprintf(w->folder, sizeof w->folder, "/tmp/perigee-ledger-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    clock_init(&w->clock);
    w->log = log_new(1, LOG_ERROR, &w->clock);
    w->ledger = ledger_new(&e);
    w->stream = stream_new(NULL, &e);
    assert_int_equal(stream_reduce(w->stream, reduce, w->ledger), 0);
    struct journal_config config = {.folder = w->folder};
    assert_int_equal(stream_open(w->stream, &config, &report, &e), 0);
    struct host_services services = {.clock = &w->clock,
                                     .log = w->log,
                                     .stream = w->stream,
                                     .ledger = w->ledger,
                                     .home = PERIGEE_HOME_DEFAULT};
    w->host = host_new(&services, &e);
    assert_non_null(w->host);
    lua(w, begin);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[96];
    host_free(w->host);
    stream_free(w->stream);
    ledger_free(w->ledger);
    log_free(w->log);
    snprintf(command, sizeof command, "rm -r %s", w->folder);
    free(w);
    return system(command);
}

static void test_marks(void **state)
{
    lua(*state,
        "local positions, accounts = ledger.marks()\n"
        "assert(positions == '[]' and accounts == "
        "[=[[[\"A1\",\"10000\",\"0\",\"10000\",\"0\"]]]=], accounts)\n"
        "event.emit('position_opened', { account = 'A1', position = 'W\"1', symbol = 'BTCUSD.',"
        " side = 'BUY', volume = '0.1', price = '50000', ours = true })\n"
        "assert(ledger.marks() == '[]') -- no quote has marked it\n"
        "ledger.mark('demo', 'BTCUSD', 50100, 50101)\n"
        "positions, accounts = ledger.marks()\n"
        "assert(positions == [=[[[\"A1\",\"W\\\"1\",\"50100\",\"10\"]]]=], positions)\n"
        "local json, d = require 'perigee.json', require 'perigee.decimal'\n"
        "local a = json.decode(accounts)[1]\n"
        "assert(a[2] == '10010' and a[5] == '10' and d.new(a[3]):sign() > 0, accounts)\n"
        "assert(d.new(a[3]) + d.new(a[4]) == d.new(a[2]))\n"
        /* A rate that is missing is no 0. */
        "event.emit('account_added', { account = 'A2', user = 'demo:c@d', broker = 'demo', "
        "currency = 'JPY',"
        " leverage = 100 })\n"
        "event.emit('balance', { account = 'A2', balance = '5', equity = '6', currency = 'JPY' })\n"
        "event.emit('position_opened', { account = 'A2', position = 'W2', symbol = 'BTCUSD.',"
        " side = 'BUY', volume = '0.1', price = '50000', ours = true })\n"
        "positions, accounts = ledger.marks()\n"
        "assert(json.decode(positions)[2][4] == json.null, positions)\n"
        "a = json.decode(accounts)[2]\n"
        "assert(a[2] == '6' and a[3] == json.null and a[4] == json.null and a[5] == '1', "
        "accounts)\n"
        "assert(ledger.position('A2', 'W2').profit == nil and ledger.position('A2', 'W2').mark)\n");
}

static void test_orders(void **state)
{
    lua(*state,
        "for id = 1, 6 do event.emit('intent', { order = id, account = 'A1', op = 'open', symbol ="
        " 'BTCUSD.', side = 'BUY', volume = '0.1', price = '50000', stop = '49000', target = "
        "'51000' }) end\n"
        "for id = 2, 6 do event.emit('order_not_sent', { order = id, cause = 'deadline' }) end\n"
        "local function ids(newest)\n"
        "  local list = ledger.orders(newest)\n"
        "  for i, o in ipairs(list) do list[i] = o.id end\n"
        "  return table.concat(list, ' ')\n"
        "end\n"
        "assert(ids() == '1 2 3 4 5 6' and ids(100) == '1 2 3 4 5 6')\n"
        "assert(ids(0) == '1' and ids(2) == '1 5 6')\n"
        "local o = ledger.order(2)\n"
        "assert(o.why == 'deadline' and o.updated_ms >= o.intent_ms)\n"
        "local a = ledger.account 'A1' assert(a.uuid == 'u-1' and a.user_id == 3)\n");
}

/* What rests at the broker is told however old it is. */
static void test_orders_that_rest(void **state)
{
    lua(*state,
        "event.emit('intent', { order = 1, account = 'A1', op = 'pending', type = 'LIMIT',\n"
        "  symbol = 'BTCUSD.', side = 'BUY', volume = '0.1', price = '45000', stop = '44000',\n"
        "  target = '46000', attempt = 1, tag = -1 })\n"
        "event.emit('order_sent', { order = 1 })\n"
        "event.emit('order_accepted', { order = 1, broker_id = 'P1' })\n"
        "event.emit('pending_seen', { account = 'A1', pending = 'P1', symbol = 'BTCUSD.',\n"
        "  side = 'BUY', type = 'LIMIT', volume = '0.1', price = '45000', order = 1, ours = true "
        "})\n"
        "assert(#ledger.orders(0) == 1 and ledger.orders(0)[1].resting == 'resting')\n"
        "event.emit('pending_gone', { account = 'A1', pending = 'P1', order = 1,\n"
        "  reason = 'cancelled' })\n"
        "assert(#ledger.orders(0) == 0 and #ledger.orders() == 1)\n");
}

static void test_wanted_volume(void **state)
{
    lua(*state,
        "ledger.mark('demo', 'BTCUSD', 50000, 50000)\n"
        "local ask = { account = 'A1', canonical = 'BTCUSD', side = 'BUY', price = '50000',"
        " stop = '49500', risk = 0.01 }\n"
        "assert(ledger.size(ask).volume == '0.2')\n"
        "ask.volume = '0.3'\n"
        "local s = assert(ledger.size(ask))\n"
        "assert(s.volume == '0.3' and s.risk_money == '150' and s.rule == nil, s.risk_money)\n"
        "ask.volume = '0.305' assert(ledger.size(ask).rule == 'volume_step')\n"
        "ask.volume = '-1' local none, err = ledger.size(ask) assert(not none and err.code == "
        "'input')\n");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_marks), T(test_orders), T(test_orders_that_rest),
                                       T(test_wanted_volume)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
