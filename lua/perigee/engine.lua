-- SPDX-License-Identifier: MIT
-- The engine's policy: what happens from start to stop. Every capability is somebody else's; this file says
-- in which order they are used.

local child = require "perigee.child"
local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local config = require "perigee.config"
local basis = require "perigee.feeds.basis"
local commands = require "perigee.commands"
local contracts = require "perigee.venues.contracts"
local event = require "perigee.event"
local exec = require "perigee.exec"
local exits = require "perigee.exits"
local fleet = require "perigee.fleet"
local json = require "perigee.json"
local lineup = require "perigee.lineup"
local ledger = require "perigee.ledger"
local log = require "perigee.log"
local memory = require "perigee.memory"
local orchestrate = require "perigee.orchestrate"
local pace = require "perigee.plan.pace"
local policies = require "perigee.orchestrate.policies"
local process = require "perigee.process"
local profiles = require "perigee.venues.profiles"
local quotes = require "perigee.feeds.quotes"
local reference = require "perigee.feeds.reference"
local scripts = require "perigee.scripts"
local signals = require "perigee.signals"
local state_feed = require "perigee.state_feed"
local task = require "perigee.task"
local users = require "perigee.users"
local wire = require "perigee.wire"

local engine = {}

local HISTORY = { { "1s", 900 }, { "1m", 500 }, { "5m", 200 }, { "15m", 100 } }

local state = {
  fleet = nil,     -- perigee.Fleet
  pace = nil,      -- perigee.Pace: how often what is read
  vault = nil,     -- perigee.Vault
  feed = nil,      -- perigee.Reference
  strategies = {}, -- handles
  quotes = basis.new(),
  brokers = nil,   -- profiles by name
  venue = nil,     -- profile of the broker: venue of its instruments
  watched = {},    -- symbols whose quotes are read, as the venue spells them
  canonical = {},  -- our names of them
  policies = nil,  -- perigee.Policies, what becomes of a signal's other accounts
  next_signal = 1,
  feed_up = false, -- the feed is connected
  marked_ms = nil, -- market ms of the newest quotes of the broker
  marked_io = nil, -- io ms of them
  started_wall_ms = nil,
  stopping = false,
}

local function fail(code, message)
  return nil, { code = code, message = message, source = "engine", retry = "no" }
end

-- ---- the broker ----------------------------------------------------------------------------------

local told = {}

-- A traded name that the broker has more than one symbol for: which is traded is said, once.
local function tell_others(rows, others, symbols)
  local traded, chosen = {}, {}
  for _, name in ipairs(symbols) do traded[name] = true end
  for _, row in ipairs(rows) do chosen[row.canonical] = row.symbol end
  for _, row in ipairs(others) do
    if traded[row.canonical] and not told[row.symbol] then
      told[row.symbol] = true
      event.emit("notice", { level = "warn", component = "engine", text = ("the broker offers %s as %s and as %s; "
        .. "the first is traded"):format(row.canonical, chosen[row.canonical], row.symbol) })
    end
  end
end

-- Contract data of everything that is needed: the traded symbols and the pairs that convert to the accounts'
-- currencies. Only what is new or changed is journalled.
local function load_instruments(symbols)
  local s, account = state.fleet:pick()
  if not s then return fail("unreachable", "no session is open") end
  local answer, err = s:read(account, "balance", codec.instruments())
  if not answer then return nil, err end
  local rows, skipped = codec.read_instruments(answer.body, s.profile.name)
  if not rows then return nil, skipped end
  if skipped > 0 then log.warn("engine", skipped .. " instruments could not be read and were left out") end
  local others
  rows, others = contracts.one_of_each(rows, function(name)
    return (ledger.instrument(s.profile.name, name) or {}).symbol
  end)
  tell_others(rows, others, symbols)
  local currencies, wanted = { USD = true }, {}
  for _, id in ipairs(state.fleet:accounts()) do
    local a = ledger.account(id)
    if a then currencies[a.currency] = true end
  end
  for _, name in ipairs(symbols) do wanted[name] = true end
  for _, row in ipairs(rows) do
    if wanted[row.canonical] then currencies[row.quote] = true end
  end
  local watched, canonical, kept = {}, {}, {}
  for _, row in ipairs(rows) do
    local converts = row.base and currencies[row.base] and currencies[row.quote]
    if wanted[row.canonical] or converts then
      wanted[row.canonical] = nil
      kept[#kept + 1] = row
      watched[#watched + 1] = row.symbol
      canonical[row.symbol] = row.canonical
    end
  end
  for _, fields in ipairs(contracts.replace(s.profile.name, kept, clock.market_ms(), s.profile.hours_offset_minutes)) do
    event.emit("instrument", fields)
  end
  local missing = next(wanted)
  if missing then return fail("input", ("the broker does not offer %s"):format(missing)) end
  return watched, canonical
end

-- Reads the instruments and watches what they need; again when users come whose currencies were not there.
---@return true|nil, table|nil err
local function learn_instruments(symbols)
  local watched, canonical = load_instruments(symbols)
  if not watched then return nil, canonical end
  state.watched, state.canonical = watched, canonical
  return true
end

-- Reads the instruments now and then: sessions close on holidays, contracts change. A task of its own.
local function keep_instruments(symbols)
  local period = config.get("poll.instruments_ms")
  while true do
    local soon = contracts.doubtful(state.venue, clock.market_ms())
    if not task.sleep(soon and math.min(60000, period) or period, "market") then return end
    if state.fleet:pick() then
      local ok, err = learn_instruments(symbols)
      if not ok then log.warn("engine", "the instruments could not be read anew: " .. err.message) end
    end
  end
end

-- ---- market and strategies -----------------------------------------------------------------------

local function load_strategies(list)
  scripts.on_signal(function(signal) signals.take(state, signal) end)
  scripts.on_stop(function(instance, why) -- the traceback is in the log
    event.emit("notice", { level = "error", component = instance, text = "stopped: " .. why })
    for _, handle in ipairs(state.strategies) do
      if handle:info().running then return end
    end
    event.emit("notice", { level = "error", component = "engine", text = "no strategy is running any more" })
  end)
  for _, entry in ipairs(list) do
    local handle, err = scripts.load(entry)
    if not handle then return fail("input", err.message) end
    local info = handle:info()
    event.emit("script_loaded", { name = entry.instance, path = entry.path, version = info.version,
      hash = info.hash, ok = true })
    state.strategies[#state.strategies + 1] = handle
  end
  return true
end

-- The broker's candles beside the reference's bars: a mapping of symbols that is wrong shows here.
local function check_basis(feed)
  local s, account = state.fleet:pick()
  local instrument = s and ledger.instrument(s.profile.name, feed.hello.symbol)
  if not instrument then return end
  local now = math.tointeger(feed.hello.now)
  local answer, err = s:read(account, "quotes",
    codec.candles_of(s.profile, instrument.symbol, "1m", now - 10 * 60000, now))
  local rows = answer and codec.read_candles(answer.body)
  if not rows then
    log.warn("engine", "the broker's candles could not be read: " .. tostring(err and err.message))
    return
  end
  local bars = require "perigee.market".bars(feed.symbol, "1m", 20)
  local closes = {}
  for _, bar in ipairs(bars) do closes[bar.open_ms] = bar.close end
  for _, row in ipairs(rows) do
    local ours = closes[row.open_ms]
    if ours and math.abs(row.close / ours - 1) > 0.01 then
      event.emit("notice", { level = "warn", component = "feed", text = ("%s at the broker is %.2f %% away from the "
        .. "reference; is the symbol mapped right?"):format(instrument.symbol, (row.close / ours - 1) * 100) })
      return
    end
  end
end

local journalled = { ["1m"] = true, ["5m"] = true, ["15m"] = true }

local function journal_bars(feed)
  require "perigee.market".on_bar(function(symbol, timeframe, bar)
    if symbol ~= feed.symbol or not journalled[timeframe] then return end
    event.emit("bar", { symbol = feed.hello.symbol, timeframe = timeframe, open_time = bar.open_ms, open = bar.open,
      high = bar.high, low = bar.low, close = bar.close, volume = bar.volume, buy_volume = bar.buy_volume,
      sell_volume = bar.sell_volume, source = "reference", side_source = bar.side })
  end)
end

-- Runs a task that must not end: one that breaks is told to the operator and started again.
local function keep_running(name, fn, ...)
  local args = table.pack(...)
  return task.spawn(function()
    while not state.stopping do
      local ok, why = xpcall(fn, debug.traceback, table.unpack(args, 1, args.n))
      if ok then return end
      log.error(name, why)
      event.emit("notice", { level = "error", component = name,
        text = why:match("^[^\n]*") .. "; it is started again" })
      if not task.sleep(1000, "io") then return end
    end
  end)
end

-- ---- start and stop ------------------------------------------------------------------------------

local function ready(feed, broker)
  local strategies = {}
  for i, handle in ipairs(state.strategies) do
    local info = handle:info()
    strategies[i] = json.object { { "instance", json.string(info.instance) },
      { "version", json.string(info.version) }, { "hash", json.string(info.hash) },
      { "symbol", json.string(info.symbol) } }
  end
  event.emit("engine_ready", { accounts = state.fleet:describe(), strategies = json.list(strategies), broker = broker,
    clock = clock.mode(), market = feed.hello.source })
  event.commit()
end

local function settle_everything(limit_ms)
  local until_ms = clock.io_ms() + limit_ms
  while clock.io_ms() < until_ms do
    local waiting = exec.in_flight() > 0
    for _, id in ipairs(state.fleet and state.fleet:active() or {}) do
      waiting = waiting or exec.needs(id) ~= nil
    end
    if not waiting then return true end
    task.sleep(10, "io")
  end
  return false
end

local function leave(reason, code)
  if state.vault then users.save(state.vault) end
  event.emit("engine_stopped", { reason = reason, exit_code = code })
  event.commit()
  local until_ms = clock.io_ms() + 1000
  while wire.subscribers() > 0 and clock.io_ms() < until_ms do task.sleep(5, "io") end
  process.stop(reason, code)
end

--- Ends in order: no new entries, what is in flight settles, the journal is written.
function engine.stop(reason)
  if state.stopping then return end
  state.stopping = true
  exec.stop_entries(true)
  if not settle_everything(5000) then log.warn("engine", "orders are still unsettled; the next start settles them") end
  leave(reason, 0)
end

-- Positions of ours on accounts that this engine serves: those of an account that is no longer configured have
-- their stop and target at the broker, and nobody here can close them.
local function open_positions()
  local list = {}
  for _, position in ipairs(ledger.positions()) do
    if position.ours and state.fleet.members[position.account] then list[#list + 1] = position end
  end
  return list
end

-- The market has no more data: what is open is closed and counted as "end".
local function close_everything()
  exec.stop_entries(true)
  settle_everything(10000)
  local until_ms = clock.io_ms() + 60000
  while #open_positions() > 0 and clock.io_ms() < until_ms do
    exits.all("end")
    task.sleep(20, "io")
  end
  settle_everything(10000)
  return #open_positions()
end

local function on_end()
  task.spawn(function()
    local ok, left = xpcall(close_everything, debug.traceback)
    if not ok then log.error("engine", left) end
    local clean = ok and left == 0
    event.emit("notice", { level = clean and "info" or "error", component = "engine", text = clean
      and "the market has ended; all positions are closed" or ok
      and ("the market has ended; %d positions could not be closed"):format(left)
      or "the market has ended; closing the positions failed" })
    if not config.get("run.exit_at_end") then return end
    if clean then engine.stop("end") else leave("end", 1) end
  end)
end

local function watch_supervisor()
  task.spawn(function()
    child.parent_gone()
    engine.stop("supervisor gone")
  end)
end

-- Connects again and again until it succeeds; what was missed meanwhile comes from the feed's history, so that
-- bars have no holes. Signals made from it are too old to trade, and risk says so.
local function reconnect(feed, url)
  while not state.stopping do
    task.sleep(500, "io")
    local again = reference.connect(url, feed.reached)
    if again then
      again:set_clock()
      local bars, err = again:catch_up(feed.reached)
      if bars then
        if bars > 0 then log.info("engine", ("%d seconds were caught up from history"):format(bars)) end
        return again
      end
      again:close()
      if err.code == "gap" then
        event.emit("notice", { level = "error", component = "feed", text = err.message })
        leave("feed gap", 1) -- a fresh engine warms up from history; the supervisor starts it
        return nil
      end
    end
  end
end

local function run_feed(feed, url)
  keep_running("feed", function()
    while feed do
      event.emit("feed", { source = "reference", state = "connected", detail = feed.hello.source })
      state.feed_up = true
      local _, err = feed:run(on_end)
      state.feed_up = false
      if state.stopping or feed.ended or (err and err.code == "cancelled") then return end
      event.emit("feed", { source = "reference", state = "lost", detail = err and err.message })
      feed:close()
      feed = reconnect(feed, url)
      state.feed = feed
    end
  end)
end

-- An engine that has been at its broker before does not give up when that is away: positions may need it. A
-- first start that cannot reach what it needs says so and ends.
local function insist(fn)
  local patient = #ledger.accounts() > 0
  while true do
    local result, err = fn()
    if result or not patient or err.code == "input" or state.stopping then return result, err end
    log.warn("engine", err.message .. "; trying again")
    task.sleep(1000, "io")
  end
end

local function symbols_of(list)
  local symbols, seen = {}, {}
  for _, entry in ipairs(list) do
    if not seen[entry.symbol] then symbols[#symbols + 1] = entry.symbol end
    seen[entry.symbol] = true
  end
  return symbols
end

local function connect_feed(address)
  local url = "ws://" .. address .. "/reference"
  local feed, err = insist(function() return reference.connect(url) end)
  if not feed then return fail("unreachable", ("the reference feed at %s: %s"):format(address, err.message)) end
  feed:set_clock()
  state.feed, state.feed_up = feed, true
  event.emit("engine_started", { version = process.version(), mode = "paper", pid = process.pid(),
    clock = clock.mode(), config_hash = config.hash() })
  return feed, url
end

local function open_fleet(profile, address, symbols)
  local records, err = state.vault:records()
  if not records then return nil, err end
  state.pace = pace.new(profile)
  state.fleet = fleet.new { profile = profile, origin = "http://" .. address, users = records,
    answer_timeout_ms = config.get("orders.answer_timeout_ms"),
    periods = state.pace.periods,
    spawn = keep_running, on_joined = function() learn_instruments(symbols) end,
    saved = function(id) return state.vault:tokens(id) end,
    logins_at_once = config.get("sessions.logins_at_once"),
    logins_per_minute = config.get("sessions.logins_per_minute"),
    logins_per_hour = config.get("sessions.logins_per_hour"),
    on_tokens = function(user)
      state.vault:tokens_changed(user.id, function() return user.session:tokens() end)
    end }
  return insist(function() return state.fleet:open() end)
end

local function observe(fresh)
  for _, name in ipairs(fresh) do state.quotes:observe(state.venue, name) end
end

-- The same for what any session can be asked. While it cannot be had, those who are not logged in yet are tried again:
-- the only open session may be one that the broker's edge refuses.
local function ask_anyone(fn)
  return insist(function()
    local result, err = fn()
    if not result and err.code ~= "input" then state.fleet:open() end
    return result, err
  end)
end

-- Quotes, history, and what is open: with the instruments all that must be known before the first signal.
local function learn(feed, symbols)
  local ok, err = ask_anyone(function() return learn_instruments(symbols) end)
  if not ok then return nil, err end
  ok, err = ask_anyone(function()
    local s, account = state.fleet:pick()
    if not s then return fail("unreachable", "no session is open") end
    return quotes.read(s, account, state.watched, state.canonical)
  end)
  if not ok then return nil, err end
  observe(ok)
  for _, item in ipairs(HISTORY) do
    ok, err = feed:warm(item[1], item[2])
    if not ok then return nil, err end
  end
  journal_bars(feed)
  check_basis(feed)
  return ask_anyone(function() return state.fleet:read() end)
end

local function sweep_exits()
  while task.sleep(1000, "market") do exits.sweep() end
end

local function on_marked(fresh)
  state.marked_ms, state.marked_io = clock.market_ms(), clock.io_ms()
  observe(fresh)
  exits.sweep()
end

local function run_tasks(feed, url, symbols)
  state.fleet:run()
  keep_running("plan", state.pace.run, state.pace, state.fleet)
  keep_running("exits", sweep_exits)
  keep_running("quotes", quotes.run, { pick = function() return state.fleet:pick() end,
    symbols = function() return state.watched, state.canonical end, rotate = function() state.fleet:rotate() end,
    period = function() return state.pace.periods.quotes end, on_marked = on_marked })
  keep_running("instruments", keep_instruments, symbols)
  keep_running("state", state_feed.run, state)
  keep_running("vault", users.keep, state.vault)
  run_feed(feed, url)
end

-- What an operator stopped stays stopped, over a restart too, until somebody lets entries in again.
local function remember_stop()
  if memory.get("entries_stopped") == "true" then
    exec.stop_entries(true)
    log.warn("engine", "entries were stopped by an operator and stay so until stop_entries with on=false")
  end
end

local EDGE_PAUSE = 15000 -- a close that the edge refuses stays wanted, and knocks so seldom

-- What an answer to a write means for its order, and for the user whose order it was. The user is told in a task of
-- its own: the order's verdict is journalled first.
local function decode(broker, order, answer)
  local verdict = codec.decode(state.brokers[broker], order, answer)
  if verdict.code == "edge_block" then
    local o, op = ledger.order(order.id), order.op
    verdict.retry_after_ms = EDGE_PAUSE
    if o then task.spawn(function() state.fleet:edge_refused(o.account, "a write (" .. op .. ")") end) end
  end
  return verdict
end

local function start_trading(list, address)
  local known = state.brokers
  exec.codec { steady = true, encode = function(broker, order) return codec.encode(known[broker], order) end,
    decode = decode }
  orchestrate.guard(signals.limits())
  signals.begin(state)
  remember_stop()
  state.venue = known.paper.name
  local feed, url = connect_feed(address)
  if not feed then return nil, url end
  local symbols = symbols_of(list)
  local ok, err = open_fleet(known.paper, address, symbols)
  if not ok then return nil, err end
  for _, symbol in ipairs(symbols) do
    if symbol ~= feed.hello.symbol then
      return fail("input", ("the reference feed carries %s; no strategy can trade %s"):format(feed.hello.symbol,
        symbol))
    end
  end
  ok, err = learn(feed, symbols)
  if not ok then return nil, err end
  ok, err = load_strategies(list)
  if not ok then return nil, err end
  ready(feed, state.venue)
  run_tasks(feed, url, symbols)
  return true
end

--- Starts the engine. Returns when trading has begun; everything goes on in tasks.
function engine.start()
  local address = config.get("paper.address")
  if not address then
    return fail("usage", "the engine needs a broker: give --broker HOST:PORT, or use perigee run")
  end
  state.started_wall_ms = clock.wall_ms()
  if config.get("engine.supervised") then watch_supervisor() end
  commands.register(state, engine)
  local list = lineup.list()
  local ok, err = lineup.check(list)
  if not ok then return nil, err end
  state.policies, err = policies.read()
  if not state.policies then return nil, err end
  state.brokers, err = profiles.all()
  if not state.brokers then return nil, err end
  state.vault, err = users.open(state.brokers.paper.name)
  if not state.vault then return nil, err end
  return start_trading(list, address)
end

return engine
