/* SPDX-License-Identifier: MIT
 *
 * Bindings of the domain in a real host: what they refuse, what they read back, and that codec and
 * risk fail closed.
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

#include "script/bind.h"
#include "script/host.h"

struct world {
    char folder[64];
    struct clock clock;
    struct loop loop;
    struct stream *stream;
    struct ledger *ledger;
    struct market *market;
    struct log *log;
    struct host *host;
};

static int apply(void *arg, const struct event *ev, struct err *e)
{
    return ledger_apply(arg, ev, e);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct err e;
    snprintf(w->folder, sizeof w->folder, "/tmp/perigee-bind-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    clock_init(&w->clock);
    w->log = log_new(1, LOG_ERROR, &w->clock);
    assert_int_equal(loop_init(&w->loop, &w->clock, w->log, &e), 0);
    w->ledger = ledger_new(&e);
    w->market = market_new(&e);
    w->stream = stream_new(&w->loop, &e);
    assert_int_equal(stream_reduce(w->stream, apply, w->ledger), 0);
    struct journal_config config = {.folder = w->folder};
    struct journal_report report;
    assert_int_equal(stream_open(w->stream, &config, &report, &e), 0);
    struct host_services services = {.loop = &w->loop,
                                     .clock = &w->clock,
                                     .log = w->log,
                                     .stream = w->stream,
                                     .ledger = w->ledger,
                                     .market = w->market,
                                     .home = PERIGEE_HOME_DEFAULT};
    w->host = host_new(&services, &e);
    assert_non_null(w->host);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[96];
    host_free(w->host);
    stream_free(w->stream);
    market_free(w->market);
    ledger_free(w->ledger);
    assert_int_equal(loop_fini(&w->loop), 0);
    log_free(w->log);
    snprintf(command, sizeof command, "rm -r %s", w->folder);
    free(w);
    return system(command);
}

static void lua(struct world *w, const char *code)
{
    lua_State *L = w->host->L;
    if (luaL_dostring(L, code) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_settop(L, 0);
}

#define USE                                                                                        \
    "local event, ledger, market, exec = require 'perigee.event', require 'perigee.ledger',\n"     \
    "  require 'perigee.market', require 'perigee.exec'\n"                                         \
    "local function fails(says, f, ...) local ok, why = pcall(f, ...)\n"                           \
    "  assert(not ok and tostring(why):find(says, 1, true), tostring(why)) end\n"

#define FILL                                                                                       \
    "event.emit('user_added', { user = 'demo:a@b', broker = 'demo' })\n"                           \
    "event.emit('account_added', { account = 'A1', user = 'demo:a@b', broker = 'demo',\n"          \
    "  currency = 'USD', leverage = 100, system = 's', group = 'g' })\n"                           \
    "event.emit('instrument', { venue = 'demo', symbol = 'BTCUSD.', canonical = 'BTCUSD',\n"       \
    "  base = 'BTC', quote = 'USD', price_digits = 1, volume_digits = 2, volume_min = '0.01',\n"   \
    "  volume_max = 100, volume_step = 0.01, contract_size = 1, leverage = 0, stops_level = 0,\n"  \
    "  commission = 0 })\n"                                                                        \
    "event.emit('balance', { account = 'A1', balance = '10000', equity = '10000', margin = 0,\n"   \
    "  free_margin = 10000, currency = 'USD' })\n"

static void test_event(void **state)
{
    struct world *w = *state;
    lua(w, USE
        "fails('unknown kind of event \"nope\"', event.emit, 'nope', {})\n"
        "fails('event notice: unknown field \"txt\" (did you mean \"text\"?)', event.emit, "
        "'notice', { txt = 'x' })\n"
        "fails('event notice: field text: string expected, got number', event.emit, 'notice', { "
        "text = 1 })\n"
        "fails('field signal: integer >= 0', event.emit, 'signal', { signal = -1 })\n"
        "fails('field signal: integer >= 0', event.emit, 'signal', { signal = 1.5 })\n"
        "fails('field price: decimal', event.emit, 'signal', { price = 'x' })\n"
        "fails('field confidence: finite', event.emit, 'signal', { confidence = 0/0 })\n"
        "fails('field plan: string of JSON', event.emit, 'signal', { plan = {} })\n"
        "fails('a key that is no string', event.emit, 'notice', { 'x' })\n"
        "local heard, bad = {}, 0\n"
        "local stop = event.subscribe(function(ev) heard[#heard + 1] = ev end)\n"
        "seen = heard\n"
        "stop_bad = event.subscribe(function() error('subscriber') end)\n"
        "local a = event.emit('notice', { level = 'info', component = 'c', text = 't' })\n"
        "local b = event.emit('signal', { signal = 9007199254740993, price = 0.1, stop = '2.50', "
        "confidence = 0.5 })\n"
        "assert(b == a + 1 and math.type(b) == 'integer' and event.seq() == b)\n"
        "local f = event.encode { kind = 'signal', seq = 7, market_ms = 5, wall_us = 6, signal = 1 "
        "<< 60, price = '1.5' }\n"
        "local t = event.decode(f)\n"
        "assert(t.kind == 'signal' and t.seq == 7 and t.market_ms == 5 and t.signal == 1 << 60 and "
        "t.price == '1.5')\n"
        "assert(event.json(f):find('\"kind\":\"signal\"', 1, true))\n"
        "local none, err = event.decode(f:sub(1, -2)) assert(none == nil and err.code == 'input')\n"
        "local none, err = event.decode('garbage that is long enough to be a frame, surely so')\n"
        "assert(none == nil and err.code == 'input')\n"
        "assert(#event.kinds() > 30 and event.kinds()[13].name == 'signal')\n"
        "_G.stop = stop event.commit()\n");
    uint64_t errors = log_count(w->log, LOG_ERROR);
    for (int i = 0; i < 4; i++)
        loop_run_once(&w->loop, false);
    assert_int_equal(log_count(w->log, LOG_ERROR), errors + 2); /* the bad one, for each event */
    lua(w, USE
        "assert(#seen == 2 and seen[1].text == 't' and seen[2].signal == 9007199254740993, #seen)\n"
        "assert(seen[2].price == '0.1' and seen[2].stop == '2.5' and seen[2].target == nil)\n"
        "stop() stop() stop_bad() event.emit('notice', { text = 'x' }) event.commit()\n");
    for (int i = 0; i < 4; i++)
        loop_run_once(&w->loop, false);
    lua(w, "assert(#seen == 2)");
    char code[1000];
    snprintf(code, sizeof code,
             "local journal = require 'perigee.journal' local n = 0\n"
             "for ev in journal.events('%s') do n = n + 1 if n == 2 then assert(ev.kind == "
             "'signal') break end end\n"
             "assert(n == 2) assert(journal.verify('%s').events == 3)\n"
             "local none, err = journal.verify('/nowhere/x') assert(not none and err.message)",
             w->folder, w->folder);
    lua(w, code);
}

static void test_ledger(void **state)
{
    struct world *w = *state;
    lua(w, USE FILL
        "assert(#ledger.accounts() == 1 and ledger.account('A1').balance == '10000')\n"
        "assert(ledger.account('zz') == nil) fails('unknown account \"zz\"', ledger.equity, 'zz')\n"
        "local i = ledger.instrument('demo', 'BTCUSD') assert(i.symbol == 'BTCUSD.' and "
        "i.volume_min == '0.01')\n"
        "assert(ledger.instrument('demo', 'X') == nil and #ledger.instruments('demo') == 1)\n"
        "local rate, err = ledger.convert('demo', 'JPY', 'USD') assert(not rate and err.code == "
        "'notfound')\n"
        "assert(#ledger.mark('demo', 'BTCUSD', 50000, 50001) == 0 and ledger.quote('demo', "
        "'BTCUSD') == 50000)\n"
        "local ask = { account = 'A1', canonical = 'BTCUSD', side = 'BUY', price = '50000', stop = "
        "49500, risk = 0.01 }\n"
        "local s = assert(ledger.size(ask)) assert(s.volume == '0.2' and not s.rule, s.volume)\n"
        "local lots = { account = 'A1', canonical = 'BTCUSD', side = 'BUY', price = '50000', stop "
        "= "
        "'49500', volume = '0.2' }\n"
        "local loss, margin = ledger.cost(lots) assert(loss == 100 and margin == 100, loss)\n"
        "lots.stop = '50100' assert(ledger.cost(lots) == 0)\n"
        "lots.volume = nil fails('cost: volume is needed', ledger.cost, lots)\n"
        "lots.volume = '1' lots.canonical = 'X' local none, err = ledger.cost(lots) assert(not "
        "none "
        "and err.code == 'notfound')\n"
        "ask.account = 'zz' local none, err = ledger.size(ask) assert(not none and err.code == "
        "'notfound')\n"
        "ask.account = 'A1' ask.stpo = 1 fails('unknown field \"stpo\" (did you mean \"stop\"?)', "
        "ledger.size, ask)\n"
        "ask.stpo = nil ask.side = 'UP' fails('size.side: BUY or SELL', ledger.size, ask)\n"
        "ask.side = 'BUY' ask.price = 'x' fails('size.price: a decimal', ledger.size, ask)\n"
        "assert(not ledger.entry_pending('A1', 'BTCUSD') and ledger.exposure_count('A1') == 0)\n"
        "assert(#ledger.positions() == 0 and #ledger.orders() == 0 and ledger.order(1) == nil)\n"
        "assert(ledger.last_ids().order == 0)\n"
        "fails('exec service is not available', exec.batch, {})\n"
        "fails('exec service is not available', exec.close, 'A1', 'x', 'manual')\n");
}

static void test_market(void **state)
{
    struct world *w = *state;
    lua(w, USE "local i = market.symbol_add('BTCUSD', 0.1) assert(market.symbol('BTCUSD') == i and "
               "market.symbol('x') == nil)\n"
               "assert(market.quote(i, 1000, 100, 101)) local none, err = market.quote(i, 1001, "
               "101, 100) assert(not none and err.code)\n"
               "fails('unknown index', market.quote, 7, 1, 1, 2)\n"
               "assert(market.depth(i, 2000, { 100.1, 3, 100.0, 1 }, { 100.3, 1 })) "
               "assert(market.imbalance(i, 1) == 0.75)\n"
               "fails('even number', market.depth, i, 1, { 1 }, {}) fails('value 1 is no finite', "
               "market.depth, i, 1, { 'x', 1 }, {})\n"
               "fails('value 2 is no finite', market.depth, i, 1, { 1, 0/0 }, {})\n"
               "local many = {} for k = 1, 130 do many[k] = k end fails('more than 64', "
               "market.depth, i, 1, many, {})\n"
               "local none, err = market.depth(i, 3000, { 101, 1 }, { 100, 1 }) assert(not none "
               "and err.message)\n"
               "local bars = {} market.on_bar(function(s, tf, bar) bars[#bars + 1] = tf .. "
               "bar.open_ms end)\n"
               "market.on_bar(function() error('listener') end)\n"
               "assert(market.print(i, 60500, 100, 2, 1, 'recorded')) market.advance(61000)\n"
               "assert(bars[1] == '1s60000', bars[1])\n"
               "local b = market.bars(i, '1s', 5) assert(#b == 1 and b[1].volume == 2 and "
               "b[1].side == 'recorded')\n"
               "fails('unknown timeframe', market.bars, i, '7s', 1)\n"
               "assert(market.forming(i, '1m').open == 100 and market.time() == 61000)\n"
               "fails('bar.open_ms: integer', market.warm, i, '5m', { open_ms = 1.5 })\n"
               "fails('contradict', market.warm, i, '5m', { open_ms = 0, open = 5, high = 1, low = "
               "2, close = 2 })\n");
    assert_int_equal(log_count(w->log, LOG_ERROR), 1);
}

static void test_ta_and_book(void **state)
{
    struct world *w = *state;
    lua(w, USE
        "local ta, book = require 'perigee.ta', require 'perigee.book'\n"
        "assert(#ta.list() > 5 and ta.info('sma').options[1].name == 'period')\n"
        "local out, start = ta.run('sma', { period = 2 }, { { 1, 2, 4 } })\n"
        "assert(start == 1 and #out == 1 and #out[1] == 2 and out[1][1] == 1.5 and out[1][2] == "
        "3)\n"
        "fails('unknown indicator', ta.run, 'zzz', {}, {}) fails('takes 1 inputs', ta.run, 'sma', "
        "{}, {})\n"
        "fails('did you mean \"period\"', ta.run, 'sma', { perod = 1 }, { {} })\n"
        "fails('is no number', ta.run, 'sma', { period = 2 }, { { 1, 'x', 3 } })\n"
        "local o = ta.run('sma', { period = 5 }, { { 1 } }) assert(#o[1] == 0)\n"
        "local s = ta.stream('sma', { period = 2 }) assert(s:update(1) == nil and s:update(3) == "
        "2) s:reset()\n"
        "assert(s:update(1) == nil)\n"
        "local b = book.new(0.1, 10) assert(b:mid() == nil and b:imbalance(3) == nil)\n"
        "assert(b:snapshot(5, { 100.1, 3, 100, 1 }, { 100.3, 1 })) assert(b:time() == 5 and "
        "b:depth('bid') == 2)\n"
        "assert(math.abs(b:mid() - 100.2) < 1e-9 and b:imbalance(1) == 0.75 and b:level('ask', 2) "
        "== nil)\n"
        "local none, err = b:snapshot(6, { 101, 1 }, { 100, 1 }) assert(not none and err.code == "
        "'input')\n"
        "assert(b:update(7, 'bid', 99.9, 2)) fails('invalid option', b.update, b, 7, 'mid', 1, 1)\n"
        "do local c <close> = book.new(1) end collectgarbage()\n");
}

/* ---- codec and risk ---- */

static struct order an_order(void)
{
    return (struct order){.id = 42,
                          .op = ORDER_OPEN,
                          .side = SIDE_BUY,
                          .volume = decimal_raw(DECIMAL_ONE / 5),
                          .price = 500001,
                          .stop = 495000};
}

static void test_codec(void **state)
{
    struct world *w = *state;
    struct codec_ops codec = host_codec(w->host);
    struct order o = an_order();
    struct verdict v = {0};
    struct err e = {0};
    struct codec_request r = {0};
    struct codec_answer a = {.status = 200, .body = "ok", .body_size = 2};
    static const char head[] = "Server: x\r\nRetry-After:  7 \r\nX-Retry-After: 9\r\n";
    a.head = head;
    a.head_size = sizeof head - 1;
    str_init(&r.path);
    str_init(&r.body);
    lua(w, USE FILL);
    const struct instrument *i = ledger_instrument_at(w->ledger, 0);
    assert_int_equal(codec.encode(codec.ctx, "demo", &o, i, &r, &e), ERR_STATE);
    assert_int_equal(codec.decode(codec.ctx, "demo", &o, &a, &v, &e), ERR_STATE);
    lua(w, USE
        "mode = 'ok'\n"
        "exec.codec { encode = function(broker, o)\n"
        "  if mode == 'error' then error('no') elseif mode == 'type' then return 'POST', 7 end\n"
        "  if mode == 'yield' then coroutine.yield() end\n"
        "  assert(math.type(o.id) == 'integer' and o.position == nil)\n"
        "  return 'POST', '/' .. broker .. '/' .. o.op, table.concat({ o.id, o.symbol, o.side, "
        "o.volume, o.price,\n"
        "    o.stop, o.target, o.volume_digits, o.price_digits }, ' ')\n"
        "end, decode = function(broker, o, a)\n"
        "  if mode == 'error' then error('no') elseif mode == 'type' then return 'accepted' end\n"
        "  if mode == 'long' then return { kind = 'accepted', broker_id = ('x'):rep(40) } end\n"
        "  kept = a.header\n"
        "  return { kind = mode == 'ok' and 'accepted' or mode, broker_id = o.id .. a.status, code "
        "= a.body,\n"
        "    reason = a.header('retry-after'), retry_after_ms = a.header('none') or 5 }\n"
        "end }\n"
        "fails('encode and decode expected', exec.codec, {})\n");
    for (int round = 0; round < 2; round++) { /* the second from kept texts */
        assert_int_equal(codec.encode(codec.ctx, "demo", &o, i, &r, &e), 0);
        assert_string_equal(r.path.p, "/demo/open");
        assert_string_equal(r.body.p, "42 BTCUSD. BUY 0.2 50000.1 49500 0 2 1");
        assert_string_equal(r.method, "POST");
    }
    o.price = 500002;
    assert_int_equal(codec.encode(codec.ctx, "demo", &o, i, &r, &e), 0);
    assert_string_equal(r.body.p, "42 BTCUSD. BUY 0.2 50000.2 49500 0 2 1");
    assert_int_equal(codec.decode(codec.ctx, "demo", &o, &a, &v, &e), 0);
    assert_int_equal(v.kind, VERDICT_ACCEPTED);
    assert_string_equal(v.broker_id, "42200");
    assert_string_equal(v.code, "ok");
    assert_string_equal(v.reason, "7");
    assert_int_equal(v.retry_after_ms, 5);
    lua(w, USE "fails('only while it is decoded', kept, 'server')");
    static const char *const modes[] = {"error", "type", "yield", "long", "maybe"};
    for (size_t k = 0; k < 5; k++) {
        char code[64];
        snprintf(code, sizeof code, "mode = '%s'", modes[k]);
        lua(w, code);
        if (k < 3)
            assert_int_equal(codec.encode(codec.ctx, "demo", &o, i, &r, &e), ERR_INPUT);
        if (k != 2)
            assert_int_equal(codec.decode(codec.ctx, "demo", &o, &a, &v, &e), ERR_INPUT);
        assert_int_equal(v.kind, VERDICT_ACCEPTED); /* untouched */
    }
    str_fini(&r.path);
    str_fini(&r.body);
}

static void test_risk(void **state)
{
    struct world *w = *state;
    struct risk_ops risk = host_risk(w->host);
    struct leg_spec leg = {
        .side = SIDE_SELL, .volume = decimal_raw(1000000), .price = 10, .stop = 20};
    char rule[32], reason[160];
    lua(w, USE FILL);
    assert_int_not_equal(risk.check(risk.ctx, &leg, 5, rule, reason), 0);
    assert_string_equal(rule, "risk_error");
    lua(w, USE "answer = true exec.risk(function(leg)\n"
               "  assert(leg.account == 'A1' and leg.canonical == 'BTCUSD' and leg.symbol == "
               "'BTCUSD.' and leg.side == 'SELL')\n"
               "  assert(leg.volume == '0.01' and leg.price == '1' and leg.stop == '2' and "
               "leg.target == '0' and leg.signal == 5)\n"
               "  if answer == 'error' then error('oops') elseif answer == 'yield' then "
               "coroutine.yield() end\n"
               "  if answer == 'again' then exec.risk(print) end\n"
               "  return answer, 'my_rule', 'because' end)\n");
    assert_int_equal(risk.check(risk.ctx, &leg, 5, rule, reason), 0);
    lua(w, "answer = false");
    assert_int_not_equal(risk.check(risk.ctx, &leg, 5, rule, reason), 0);
    assert_string_equal(rule, "my_rule");
    assert_string_equal(reason, "because");
    static const char *const bad[] = {"'error'", "'yield'", "'again'", "1", "nil", "{}"};
    for (size_t k = 0; k < 6; k++) {
        char code[64];
        snprintf(code, sizeof code, "answer = %s", bad[k]);
        lua(w, code);
        rule[0] = '\0';
        assert_int_not_equal(risk.check(risk.ctx, &leg, 5, rule, reason), 0);
        assert_string_equal(rule, "risk_error");
    }
    leg.account = 99;
    assert_int_not_equal(risk.check(risk.ctx, &leg, 5, rule, reason), 0);
    assert_string_equal(rule, "risk_error");
}

static void test_scripts(void **state)
{
    struct world *w = *state;
    char code[1600];
    snprintf(
        code, sizeof code,
        USE "local scripts = require 'perigee.scripts' market.symbol_add('BTCUSD', 0.1)\n"
            "local path = '%s/probe.lua' local f = assert(io.open(path, 'w'))\n"
            "f:write('-- name: probe\\n-- version: 1\\n-- api: 1\\n'\n"
            "  .. 'return { params = { n = { type = \"integer\", default = 1 } }, on_quote = "
            "function(ctx, t, bid)'\n"
            "  .. ' if bid > 100 then error(\"high\") end return { action = \"CLOSE\", reason = "
            "\"n\" .. ctx.params.n } end }')\n"
            "f:close() heard = {}\n"
            "scripts.on_signal(function(s) heard[#heard + 1] = s.strategy .. s.reason .. "
            "s.conditions .. s.time_ms end)\n"
            "scripts.on_stop(function(instance, why) heard[#heard + 1] = instance .. why end)\n"
            "assert(scripts.check { path = path, params = { n = 2 } })\n"
            "local none, err = scripts.check { path = path, params = { m = 2 } } assert(not none "
            "and err.code == 'input')\n"
            "h = assert(scripts.load { path = path, instance = 'a', symbol = 'BTCUSD', params = { "
            "n = 3 } })\n"
            "local none, err = scripts.load { path = path, instance = 'a', symbol = 'BTCUSD' }\n"
            "assert(not none and err.code == 'exists')\n"
            "assert(#scripts.list() == 1 and h:info().params == '{\"n\":3}' and h:info().running)\n"
            "market.quote(0, 1000, 50, 51) assert(#heard == 0) market.quote(0, 2000, 150, 151)\n"
            "assert(not h:info().running)\n",
        w->folder);
    lua(w, code);
    for (int i = 0; i < 4; i++)
        loop_run_once(&w->loop, false);
    lua(w, USE
        "assert(#heard == 2 and heard[1] == 'an3[]1000' and heard[2]:find('aprobe.lua:4: high', "
        "1, true), heard[2])\n"
        "h:unload() h:unload() assert(#require 'perigee.scripts'.list() == 0) "
        "fails('unloaded', h.info, h)\n"
        "collectgarbage()\n");
}

/* ---- a batch, over a venue that accepts on the next turn ---- */

struct fake {
    struct timer timer;
    struct venue_call *calls[8];
    int count;
    int submits; /* ever */
};

static void fake_answer(void *arg)
{
    struct fake *f = arg;
    int n = f->count;
    f->count = 0;
    for (int i = 0; i < n; i++) {
        struct verdict v = {.kind = VERDICT_ACCEPTED, .broker_id = "W1"};
        v.sent_io_ns = v.done_io_ns = clock_io_ns(f->timer.loop->clock);
        f->calls[i]->sending(f->calls[i]);
        f->calls[i]->done(f->calls[i], &v);
    }
}

static int fake_submit(struct venue *v, int account, struct venue_call *c, struct err *e)
{
    struct fake *f = (struct fake *)(void *)v;
    (void)account;
    (void)e;
    f->submits++;
    f->calls[f->count++] = c;
    return timer_start_io(&f->timer, 0);
}

static bool fake_withdraw(struct venue *v, int account, struct venue_call *c)
{
    (void)v;
    (void)account;
    (void)c;
    return false;
}

static bool fake_ready(struct venue *v, int account)
{
    (void)v;
    (void)account;
    return true;
}

static void test_batch(void **state)
{
    static const struct venue_ops ops = {
        .name = "fake", .submit = fake_submit, .withdraw = fake_withdraw, .ready = fake_ready};
    struct world *w = *state;
    struct err e = {0};
    struct fake fake = {.count = 0};
    timer_init(&fake.timer, &w->loop, fake_answer, &fake);
    lua(w, USE FILL);
    struct exec_config config = {.loop = &w->loop,
                                 .clock = &w->clock,
                                 .log = w->log,
                                 .stream = w->stream,
                                 .ledger = w->ledger,
                                 .venue_ops = &ops,
                                 .venue = (struct venue *)(void *)&fake,
                                 .risk = host_risk(w->host)};
    struct exec *x = exec_new(&config, &e);
    assert_non_null(x);
    host_set_exec(w->host, x, NULL);
    assert_int_equal(exec_start(x, &e), 0);
    lua(w,
        USE "local task = require 'perigee.task' exec.risk(function(leg) return leg.volume ~= "
            "'0.03', 'three', 'no' end)\n"
            "fails('settle: one of all, first, quorum, deadline', exec.batch, { settle = 'x' })\n"
            "fails('on_failure: one of', exec.batch, { on_failure = 'hope' })\n"
            "fails('quorum: a number above 0', exec.batch, { settle = 'quorum' })\n"
            "fails('quorum: a number above 0', exec.batch, { on_failure = 'quorum' })\n"
            "fails('groups', exec.batch, { groups = { { group = 'g', on_failure = 'x' } } })\n"
            "fails('groups', exec.batch, { groups = { { group = 'g', on_failure = 'quorum' } } "
            "})\n"
            "fails('groups', exec.batch, { groups = { { on_failure = 'all_or_none' } } })\n"
            "assert(exec.batch { on_failure = 'quorum', quorum = 2, settle = 'quorum',\n"
            "  groups = { { group = 'g', on_failure = 'all_or_none' } } }):close()\n"
            "local leg = { account = 'A1', canonical = 'BTCUSD', side = 'BUY', volume = '0.01', "
            "price = 50000, stop = 49000, target = 51000 }\n"
            "local none, err = exec.batch({}):add { account = 'zz', canonical = 'BTCUSD', side "
            "= 'BUY', volume = 1, price = 1 }\n"
            "assert(not none and err.code == 'notfound')\n"
            "fails('leg.price', function() exec.batch({}):add { account = 'A1', canonical = "
            "'BTCUSD', side = 'BUY', volume = 1 } end)\n"
            "done = {}\n"
            "task.spawn(function()\n"
            "  do local b <close> = assert(exec.batch { signal = 3 }) assert(b:add(leg)) "
            "assert(#b == 1)\n"
            "    local r, err = b:submit() assert(r, tostring(err)) done.report = r\n"
            "    fails('submitted already', b.submit, b) end\n"
            "  leg.volume = '0.03' local b = exec.batch {} b:add(leg) done.refused = b:submit() "
            "b:close()\n"
            "  fails('closed', b.submit, b) done.all = true end)\n"
            "task.spawn(function() done.need = exec.next_need('A1', 5000, 'io') end)\n"
            "task.spawn(function() exec.next_need('A1', 1, 'io') done.short = true end)\n"
            "kept = exec.batch {} fails('', function() kept:submit() end) collectgarbage()\n");
    for (int i = 0; i < 400; i++)
        loop_run_once(&w->loop, false);
    lua(w, "local r = done.report assert(r.sent == 1 and r.accepted == 1 and #r.legs == 1 and "
           "r.signal == 3)\n"
           "local l = r.legs[1] assert(l.account == 'A1' and l.state == 'ACCEPTED' and l.broker_id "
           "== 'W1' and not l.refused)\n"
           "assert(l.order and l.sent_us >= 0 and r.volume == '0.01')\n"
           "local f = done.refused assert(f.refused == 1 and f.legs[1].refused and f.legs[1].state "
           "== 'REFUSED')\n"
           "assert(done.all and done.need == true)\n");
    /* A task that was cancelled before it submits sends nothing. */
    int submits = fake.submits;
    lua(w, USE "local task = require 'perigee.task' local t\n"
               "event.emit('account_added', { account = 'A2', user = 'demo:a@b', broker = 'demo',\n"
               "  currency = 'USD', leverage = 100, system = 's', group = 'g' })\n"
               "exec.risk(function() return true end)\n"
               "t = task.spawn(function() local b <close> = exec.batch {}\n"
               "  assert(b:add { account = 'A2', canonical = 'BTCUSD', side = 'BUY', volume = "
               "'0.01', price = 50000, stop = 49000, target = 51000 })\n"
               "  t:cancel() local r, err = b:submit() cut = not r and err.code end)\n");
    for (int i = 0; i < 20; i++)
        loop_run_once(&w->loop, false);
    lua(w, "assert(cut == 'cancelled', tostring(cut))");
    assert_int_equal(fake.submits, submits);
    /* exec is not entered again from inside of a policy. */
    lua(w, USE "local task = require 'perigee.task' inside = {}\n"
               "local kept = exec.batch {}\n"
               "exec.risk(function()\n"
               "  local function try(f, ...) inside[#inside + 1] = select(2, pcall(f, ...)) end\n"
               "  try(exec.batch, {}) try(exec.close, 'A1', 'W1', 'x') try(kept.submit, kept)\n"
               "  try(exec.edit, 'A1', 'W1', 1, 2) try(exec.observe_positions, 'A1', 0, {})\n"
               "  try(exec.observe_closed, 'A1', 0, {}) try(exec.observe_balance, 'A1', {})\n"
               "  return false, 'no', 'no' end)\n"
               "task.spawn(function() local b <close> = exec.batch {}\n"
               "  assert(b:add { account = 'A2', canonical = 'BTCUSD', side = 'BUY', volume = "
               "'0.01', price = 50000, stop = 49000, target = 51000 })\n"
               "  assert(b:submit()) kept:close() end)\n");
    for (int i = 0; i < 20; i++)
        loop_run_once(&w->loop, false);
    lua(w, "assert(#inside == 7, #inside) for _, text in ipairs(inside) do\n"
           "  assert(text:find('not allowed in a risk check or codec', 1, true), text) end\n");
    host_set_exec(w->host, NULL, NULL);
    timer_stop(&fake.timer);
    exec_free(x);
    lua(w,
        USE "fails('closed', function() return #kept end) fails('not available', exec.batch, {})");
}

/* A loss is paid at the worse side of the conversion: 1 USD costs 1/1.00 EUR, not 1/1.25. */
static void test_size_pays_the_spread(void **state)
{
    struct world *w = *state;
    lua(w, USE FILL
        "event.emit('account_added', { account = 'E1', user = 'demo:a@b', broker = 'demo',\n"
        "  currency = 'EUR', leverage = 100, system = 's', group = 'g' })\n"
        "event.emit('instrument', { venue = 'demo', symbol = 'EURUSD.', canonical = 'EURUSD',\n"
        "  base = 'EUR', quote = 'USD', price_digits = 5, volume_digits = 2, volume_min = '0.01',\n"
        "  volume_max = 100, volume_step = 0.01, contract_size = 100000, leverage = 0,\n"
        "  stops_level = 0, commission = 0 })\n"
        "event.emit('balance', { account = 'E1', balance = '10000', equity = '10000', margin = 0,\n"
        "  free_margin = 10000, currency = 'EUR' })\n"
        "ledger.mark('demo', 'EURUSD', 1.00, 1.25)\n"
        "local ask = { account = 'E1', canonical = 'BTCUSD', side = 'BUY', price = '50000', stop = "
        "49500, risk = 0.01 }\n"
        "local s = assert(ledger.size(ask)) assert(s.volume == '0.2' and s.exact == true, "
        "s.volume)\n"
        /* A position without a mark: the equity is the broker's last figure, and that is said. */
        "event.emit('position_opened', { account = 'E1', position = 'W9', symbol = 'BTCUSD.',\n"
        "  side = 'BUY', volume = '0.01', price = '50000', opened = 1, ours = false })\n"
        "ask.stop = 49000 s = assert(ledger.size(ask)) assert(s.exact == false)\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_event),       TEST(test_ledger), TEST(test_market),
        TEST(test_ta_and_book), TEST(test_codec),  TEST(test_risk),
        TEST(test_scripts),     TEST(test_batch),  TEST(test_size_pays_the_spread)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
