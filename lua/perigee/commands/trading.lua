-- SPDX-License-Identifier: MIT
-- Commands that trade: manual signals, closes, edits, and the stop of all entries.

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"
local edits = require "perigee.orchestrate.edits"
local event = require "perigee.event"
local exec = require "perigee.exec"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local manual = require "perigee.manual"
local precheck = require "perigee.precheck"
local report = require "perigee.orchestrate.report"
local signals = require "perigee.signals"
local task = require "perigee.task"
local verbs = require "perigee.orchestrate.verbs"
local watch = require "perigee.watch"

local AT_ONCE = 16
local CLOSED_MS = 10000 -- how long a report waits for closes to be shown
local NOT_ALL = "%d are being %s, but not all that was meant: %s"
local NOT_SHOWN = "the close is wanted and not shown yet; it is repeated until it is"
local NOT_LOGGED_IN = "the account is not logged in; the close is wanted and sent once it is"

---@type table<string, perigee.Command>
local trading = {}

local function change(name, list, run)
  trading[name] = { changes = true, args = list, run = run }
end

local function fail(code, message)
  return nil, { code = code, message = message, source = "commands", retry = "no" }
end

local function need_fleet(state)
  if state.fleet and state.fleet.running then return state.fleet end
  return fail("unavailable", "the engine has not begun to trade yet")
end

-- Accounts that a command names must be known.
local function need_accounts(state, accounts)
  local fleet, away = need_fleet(state)
  if not fleet then return nil, away end
  for _, id in ipairs(accounts or {}) do
    if not fleet:owner(id) then return fail("not_found", ("there is no account %s"):format(id)) end
  end
  return fleet
end

-- ---- signals -------------------------------------------------------------------------------------

-- How many positions are open still, of accounts that are logged in.
local function shown(fleet, positions)
  local count = 0
  for _, p in ipairs(positions) do
    count = count + (fleet.members[p.account] and ledger.position(p.account, p.id) and 1 or 0)
  end
  return count
end

-- A CLOSE closes both sides; its report tells what the broker has shown closed.
local function leave(state, signal)
  local fleet, away = need_fleet(state)
  if not fleet then return nil, away end
  local positions, begun = verbs.positions(fleet, signal.symbol), clock.io_ns()
  local said, lost = signals.take(state, signal)
  if not said then return nil, lost end
  local until_ms = clock.io_ms() + CLOSED_MS
  while shown(fleet, positions) > 0 and clock.io_ms() < until_ms do
    if not task.sleep(10, "io") then break end
  end
  local rows = {}
  for i, p in ipairs(positions) do
    local open = ledger.position(p.account, p.id)
    rows[i] = report.row(fleet:owner(p.account), p.account, { status = open and "unknown" or "accepted",
      volume = p.volume, reason = open and (fleet.members[p.account] and NOT_SHOWN or NOT_LOGGED_IN) or nil })
  end
  return report.summary({ signal_id = signal.id, symbol = signal.symbol,
    elapsed_us = (clock.io_ns() - begun) // 1000 }, rows)
end

-- An entry of an operator: as a report, or the refusal of the whole.
local function enter(state, signal, options)
  local fleet, away = need_fleet(state)
  if not fleet then return nil, away end
  return verbs.execute_signal_for_all(state, signal, options)
end

change("signal", {
  { "symbol", "id" },
  { "direction", "choice", choices = { "LONG", "SHORT", "CLOSE" } },
  { "stop_percent", "number", min = 0.01, max = 10, optional = true },
  { "target_percent", "number", min = 0.01, max = 20, optional = true },
  { "holding_seconds", "integer", min = 1, max = 86400, optional = true },
  { "reason", "text", max = 200, optional = true },
}, function(a, c)
  local signal, err = manual.signal(c.state, a, c.who)
  if not signal then return nil, err end
  if a.direction == "CLOSE" then return leave(c.state, signal) end
  return enter(c.state, signal)
end)

change("execute_all", {
  { "symbol", "id" },
  { "side", "choice", choices = { "LONG", "SHORT" } },
  { "quantity", "positive" },
  { "stop_loss", "positive", optional = true },
  { "take_profit", "positive", optional = true },
  { "accounts", "ids", optional = true },
}, function(a, c)
  local fleet, away = need_fleet(c.state)
  if not fleet then return nil, away end
  local accounts, kept_out = verbs.choose(fleet, a.accounts)
  if not accounts then return nil, kept_out end
  local signal, err = manual.signal(c.state, { symbol = a.symbol, direction = a.side, stop = a.stop_loss,
    target = a.take_profit }, c.who)
  if not signal then return nil, err end
  return enter(c.state, signal, { accounts = accounts, volume = a.quantity, kept_out = kept_out })
end)

change("execute_batch", { { "orders", "orders" } }, function(a, c)
  local fleet, away = need_fleet(c.state)
  if not fleet then return nil, away end
  return verbs.execute_batch(c.state, a.orders, c.who)
end)

-- ---- positions -----------------------------------------------------------------------------------

-- An open position. `away`: of an account that is not logged in, too.
local function find(state, a, away_too)
  local fleet, away = need_fleet(state)
  if not fleet then return nil, away end
  if not fleet:owner(a.account) then return fail("not_found", ("there is no account %s"):format(a.account)) end
  local p = ledger.position(a.account, a.position)
  if not p then
    return fail("not_found", ("account %s has no open position %s"):format(a.account, a.position))
  end
  if not away_too and not fleet.members[a.account] then
    return fail("state", ("account %s is not logged in"):format(a.account))
  end
  return p
end

change("close", {
  { "account", "id" },
  { "position", "id" },
  { "volume", "positive", optional = true },
}, function(a, c)
  local p, err = find(c.state, a, not a.volume)
  if not p then return nil, err end
  local volume = a.volume
  if volume then
    local asked, whole = decimal.new(volume), decimal.new(p.volume)
    if asked > whole then
      return fail("input", ("close: volume %s is more than the %s of the position"):format(volume, p.volume))
    end
    if asked == whole then volume = nil end
  end
  local rule, words = nil, nil
  if volume then
    rule, words = precheck.order(ledger.account(a.account).broker, { op = "close_partial", symbol = p.canonical,
      side = p.side, volume = volume }, { position_volume = p.volume })
  end
  if rule then return fail("refused", ("%s: %s"):format(rule, words)) end
  local ok, why = exec.close(a.account, a.position, "manual", volume)
  if not ok then return fail("state", why.message) end
  return { closing = true, status = c.state.fleet.members[a.account] and "closing" or "away" }
end)

change("close_all", {
  { "symbol", "id", optional = true },
  { "accounts", "ids", optional = true },
}, function(a, c)
  local fleet, away = need_accounts(c.state, a.accounts)
  if not fleet then return nil, away end
  local closing, lost = verbs.close_all(c.state, a.symbol, a.accounts)
  if lost then return fail("state", NOT_ALL:format(#closing.positions + #closing.orders, "closed", lost.message)) end
  return { closing = #closing.positions, positions = closing.positions, entries = closing.orders }
end)

change("edit", {
  { "account", "id" },
  { "position", "id" },
  { "stop", "level", optional = true },
  { "target", "level", optional = true },
}, function(a, c)
  if a.stop == nil and a.target == nil then return fail("input", "edit: stop or target is needed") end
  local p, err = find(c.state, a)
  if not p then return nil, err end
  local wrong = edits.position(p, a.stop, a.target, signals.limits())
  if wrong then return fail("refused", wrong) end
  local outcome, reason = verbs.edit(c.state, p, a.stop, a.target)
  if not outcome then return nil, reason end
  local word = report.status(outcome)
  return { state = word == "not_sent" and "rejected" or word, reason = reason ~= "" and reason or json.null }
end)

change("cancel_all", {
  { "symbol", "id", optional = true },
  { "accounts", "ids", optional = true },
}, function(a, c)
  local fleet, away = need_accounts(c.state, a.accounts)
  if not fleet then return nil, away end
  local said, lost = verbs.cancel_all(c.state, a.symbol, a.accounts)
  if lost then return fail("state", NOT_ALL:format(#said.orders + #said.entries, "cancelled", lost.message)) end
  return { cancelling = #said.orders, orders = said.orders, entries = said.entries }
end)

change("edit_all", {
  { "symbol", "id" },
  { "side", "choice", choices = { "LONG", "SHORT" }, optional = true },
  { "stop", "level", optional = true },
  { "target", "level", optional = true },
  { "accounts", "ids", optional = true },
}, function(a, c)
  if a.stop == nil and a.target == nil then return fail("input", "edit_all: stop or target is needed") end
  local fleet, away = need_accounts(c.state, a.accounts)
  if not fleet then return nil, away end
  local rows = verbs.edit_all(c.state, a.symbol, a.stop, a.target,
    { accounts = a.accounts, side = a.side and (a.side == "LONG" and "BUY" or "SELL") })
  local accepted = 0
  for _, row in ipairs(rows) do accepted = accepted + (row.status == "accepted" and 1 or 0) end
  return { edited = accepted, results = rows }
end)

-- ---- the switch ----------------------------------------------------------------------------------

change("stop_entries", { { "on", "boolean", optional = true, default = true } }, function(a, c)
  if not a.on and c.state.stopping then return fail("state", "the engine is stopping") end
  if a.on then exec.stop_entries(true) end -- first: it must hold although a journal that fails cannot remember it
  event.emit("policy_state", { name = "entries_stopped", value = tostring(a.on) })
  event.commit()
  if not a.on then exec.stop_entries(false) end
  return { entries_stopped = exec.entries_stopped() }
end)

change("sync", { { "accounts", "ids", optional = true } }, function(a, c)
  local fleet, away = need_fleet(c.state)
  if not fleet then return nil, away end
  local jobs, ids, failed = {}, a.accounts or fleet:accounts(), json.array()
  for i, id in ipairs(ids) do
    if not fleet:owner(id) then return fail("not_found", ("there is no account %s"):format(id)) end
    jobs[i] = function()
      local m = fleet.members[id]
      if not m then return nil, { message = "it is not logged in" } end
      return watch.all(m.session, m.account)
    end
  end
  for i, done in ipairs(task.all(jobs, AT_ONCE) or {}) do
    if not done.ok or not done[1] then
      local why = done.ok and done[2] or done.err
      failed[#failed + 1] = { account = ids[i], reason = type(why) == "table" and why.message or tostring(why) }
    end
  end
  return { accounts = #ids - #failed, failed = failed }
end)

change("stop", {}, function(_, c)
  task.spawn(c.engine.stop, "command")
  return true
end)

return trading
