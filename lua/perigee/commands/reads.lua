-- SPDX-License-Identifier: MIT
-- Commands that change nothing.

local exec = require "perigee.exec"
local json = require "perigee.json"
local manual = require "perigee.manual"
local market = require "perigee.market"
local ledger = require "perigee.ledger"
local orchestrate = require "perigee.orchestrate"
local report = require "perigee.orchestrate.report"
local retry = require "perigee.orchestrate.retry"
local rows = require "perigee.rows"
local signals = require "perigee.signals"
local snapshot = require "perigee.snapshot"

---@type table<string, perigee.Command>
local reads = {}

local function read(name, list, run)
  reads[name] = { changes = false, args = list, run = run }
end

read("ping", {}, function() return "pong" end)
read("snapshot", {}, function(_, c) return snapshot.take(c.state) end)
read("accounts", {}, function(_, c) return snapshot.accounts(c.state) end)
read("positions", {}, function(_, c) return snapshot.positions(c.state) end)
read("users", {}, function(_, c) return snapshot.users(c.state) end)
read("sessions", {}, function(_, c) return snapshot.sessions(c.state) end)
read("orders", {}, function(_, c) return snapshot.orders(c.state) end)

-- ---- fan-outs ------------------------------------------------------------------------------------

local function words(c, record)
  report.refresh(record)
  local fleet = c.state.fleet
  return report.words(record, function(account) return fleet and fleet:owner(account) end)
end

read("report", { { "signal_id", "integer", min = 1 } }, function(a, c)
  local record = report.of(a.signal_id)
  if not record then
    return nil, { code = "not_found", message = ("there is no report of signal %d any more"):format(a.signal_id) }
  end
  return words(c, record)
end)
read("reports", {}, function(_, c)
  local list = json.array()
  for i, record in ipairs(report.newest()) do list[i] = words(c, record) end
  return list
end)
read("retries", {}, function() return json.array(retry.list()) end)

read("candles", {
  { "symbol", "id" },
  { "timeframe", "choice", choices = { "1s", "1m", "5m", "15m" } },
  { "count", "integer", min = 1, max = 500, optional = true, default = 200 },
}, function(a)
  local index = market.symbol(a.symbol)
  if not index then return nil, { code = "not_found", message = ("there are no bars of %s"):format(a.symbol) } end
  local bars, forming = rows.bars(index, a.timeframe, a.count)
  return { symbol = a.symbol, timeframe = a.timeframe, bars = bars, forming = forming }
end)

-- ---- preview -------------------------------------------------------------------------------------

local function leg_row(state, planned)
  local account = ledger.account(planned.account)
  local leg, null = planned.leg, json.null
  local digits = leg and ledger.instrument(account.broker, leg.canonical).price_digits
  return { account = planned.account, user_id = state.fleet:owner(planned.account).id,
    volume = leg and leg.volume or null, price = leg and rows.price(leg.price, digits) or null,
    stop = leg and rows.price(leg.stop, digits) or null, target = leg and rows.price(leg.target, digits) or null,
    risk_money = planned.risk_money or null, margin = planned.margin or null, currency = account.currency,
    rule = planned.rule or null, reason = planned.reason or null }
end

read("preview", {
  { "symbol", "id" },
  { "action", "choice", choices = { "LONG", "SHORT" } },
  { "quantity", "positive", optional = true },
  { "stop_loss", "positive", optional = true },
  { "take_profit", "positive", optional = true },
  { "stop_percent", "number", min = 0.01, max = 10, optional = true },
  { "target_percent", "number", min = 0.01, max = 20, optional = true },
}, function(a, c)
  local state = c.state
  local signal, err = manual.signal(state, { symbol = a.symbol, direction = a.action, stop = a.stop_loss,
    target = a.take_profit, stop_percent = a.stop_percent, target_percent = a.target_percent }, c.who)
  if not signal then return nil, err end
  if not state.fleet then return nil, { code = "unavailable", message = "no user is logged in yet" } end
  local limits, legs = signals.limits(), json.array()
  local ok, rule, reason = signals.accepts(state, signal, limits)
  for i, planned in ipairs(orchestrate.preview(signal, state.fleet:active(), limits, state.quotes, a.quantity)) do
    if not ok and not planned.rule then planned.rule, planned.reason = rule, reason end
    legs[i] = leg_row(state, planned)
  end
  return { legs = legs }
end)

-- ---- sessions and budgets ------------------------------------------------------------------------

local function fail(code, message)
  return nil, { code = code, message = message, source = "commands", retry = "no" }
end

read("session_check", { { "user_id", "integer", min = 1, max = 2 ^ 53 } }, function(a, c)
  local user = c.state.fleet and c.state.fleet:user(a.user_id)
  if not user then return fail("not_found", ("there is no user %d"):format(a.user_id)) end
  local latency, err = user.session:check()
  if not latency then return nil, err end
  return { user_id = user.id, condition = rows.condition(user), latency_ms = latency }
end)

local function budget_row(id)
  local used, limit, wait, scopes = exec.budget(id)
  return { account = id, used = used, limit = limit, wait_ms = wait, scopes = json.array(scopes) }
end

read("budget", { { "account", "id", optional = true } }, function(a, c)
  local fleet, out = c.state.fleet, json.array()
  if not fleet then return fail("unavailable", "no user is logged in yet") end
  if a.account then
    if not fleet.members[a.account] then
      return fail("not_found", ("account %s is not logged in"):format(a.account))
    end
    return json.array { budget_row(a.account) }
  end
  for _, id in ipairs(fleet:accounts()) do
    if fleet.members[id] then out[#out + 1] = budget_row(id) end
  end
  return out
end)

read("plan", {}, function(_, c)
  local p = c.state.pace and c.state.pace.plan
  if not p then return fail("unavailable", "nothing is planned before trading begins") end
  return { broker = p.broker, scope = p.scope, limit = p.limit, room = p.room, wanted = p.wanted, planned = p.planned,
    kept = p.kept, periods = p.periods, stretched = json.array(p.stretched), fits = p.fits,
    warnings = json.array(p.warnings) }
end)

-- ---- the vault -----------------------------------------------------------------------------------

read("sealed", {}, function(_, c)
  local vault = c.state.vault
  if not vault then return nil, { code = "unavailable", message = "the vault is not open yet" } end
  return vault:sealed()
end)

return reads
