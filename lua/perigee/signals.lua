-- SPDX-License-Identifier: MIT
-- A signal's whole way, whoever gave it: journal, exits that it causes, risk, fan-out.

local clock = require "perigee.clock"
local config = require "perigee.config"
local event = require "perigee.event"
local exec = require "perigee.exec"
local exits = require "perigee.exits"
local ledger = require "perigee.ledger"
local orchestrate = require "perigee.orchestrate"
local overtaken = require "perigee.orchestrate.overtaken"
local report = require "perigee.orchestrate.report"
local resend = require "perigee.orchestrate.resend"
local retry = require "perigee.orchestrate.retry"
local risk = require "perigee.risk"

local signals = {}

--- The limits that are in force.
---@return perigee.RiskLimits
function signals.limits()
  return {
    trading_enabled = config.get("risk.trading_enabled"),
    max_positions = config.get("risk.max_positions"),
    max_position_size = config.get("risk.max_position_size"),
    per_trade = config.get("risk.per_trade"),
    max_signal_age = config.get("risk.max_signal_age"),
    margin_share = config.get("risk.margin_share"),
    deadline_ms = config.get("orders.deadline_ms"),
  }
end

--- Numbers go on from the journal's.
function signals.begin(state)
  state.next_signal = ledger.last_ids().signal + 1
end

local function emit(state, signal)
  signal.id = state.next_signal
  state.next_signal = signal.id + 1
  event.emit("signal", { signal = signal.id, strategy = signal.strategy, hash = signal.hash, symbol = signal.symbol,
    action = signal.action, price = signal.price, stop = signal.stop, target = signal.target,
    confidence = signal.confidence, strength = signal.strength, reason = signal.reason,
    conditions = signal.conditions, plan = signal.plan, who = signal.who })
end

local function refuse(signal, code, message)
  event.emit("signal_refused", { signal = signal.id, rule = code, reason = message })
  return nil, { code = code, message = message, source = "signals", retry = "no" }
end

--- Whether entries are taken at all, by rule and reason.
---@return boolean passes, string|nil rule, string|nil reason
function signals.accepts(state, signal, limits)
  local age = signal.time_ms and clock.market_ms() - signal.time_ms or math.huge
  return risk.accepts(signal, age, limits, state.stopping or exec.entries_stopped())
end

---@class perigee.SignalOptions
---@field accounts string[]|nil  nil: all that may open
---@field volume string|nil      lots of each account; nil: by risk. An explicit order leaves other positions alone,
---  where a signal closes what it speaks against
---@field orders table<string, table>|nil  explicit orders by account, likewise
---@field kept_out table|nil     what the caller kept out, as of the report: account, rule, reason

-- Tries of legs that failed for a passing reason, into the same record.
local function try_again(signal, accounts, limits, quotes, options)
  local said, err = orchestrate.execute(signal, accounts, limits, quotes, options)
  report.merge(signal.id, said, said and said.kept_out or err and err.kept_out)
  return said, err
end

local engine = { accepts = signals.accepts, limits = signals.limits, execute = try_again }

local function execute(state, signal, options, limits)
  local absent, kept_out = {}, {}
  for i, row in ipairs(options.kept_out or {}) do absent[i], kept_out[i] = row.account, row end
  local said, err = orchestrate.execute(signal, options.accounts or state.fleet:active(), limits, state.quotes,
    { volume = options.volume, orders = options.orders, policies = state.policies, absent = absent })
  local more = said and said.kept_out or err.kept_out or {}
  table.move(more, 1, #more, #kept_out + 1, kept_out)
  if said and state.policies then retry.offer(state, signal, said, state.policies, options, engine) end
  if said and config.get("orders.resend") then resend.offer(state, signal, said, options, engine) end
  local record = (said or err.code == "no_legs") and report.begin(signal, said, kept_out) or nil
  return said, err, record
end

--- Yields until every leg is settled. A CLOSE answers an empty report, or why something is not seen to.
---@param state table                 the engine's
---@param signal perigee.Signal
---@param options perigee.SignalOptions|nil
---@return table|nil report, table|nil err  err.kept_out: what kept each account out, when no account was left
---@return perigee.ReportRecord|nil record  when accounts were asked
function signals.take(state, signal, options)
  options = options or {}
  local told, why = pcall(emit, state, signal)
  -- Even when it could not be written: a broken journal must not keep a position open.
  local _, lost
  if not options.volume and not options.orders then
    _, lost = exits.on_signal(signal)
    overtaken.mark(signal.id - 1, signal.symbol) -- what older ones still wanted
    retry.forget()
  end
  if not told then error(why, 0) end
  if signal.action == "CLOSE" then
    if lost then
      return nil, { code = "state", message = "not all that was meant is being closed: " .. lost.message,
        source = "signals", retry = "reconcile" }
    end
    return { legs = {}, kept_out = {} }
  end
  local limits = signals.limits()
  local ok, rule, reason = signals.accepts(state, signal, limits)
  if not ok then return refuse(signal, rule, reason) end
  local said, err, record = execute(state, signal, options, limits)
  if not said then
    local _, refusal = refuse(signal, tostring(err.code), err.message)
    refusal.kept_out = err.kept_out
    return nil, refusal, record
  end
  return said, nil, record
end

return signals
