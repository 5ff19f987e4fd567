-- SPDX-License-Identifier: MIT
-- The policies of a bench: the shipped codec and risk, registered as lua/perigee/engine.lua does it, and the
-- way of a signal. C calls the functions by name as tasks; each ends with process.stop(reason, code).

local basis = require "perigee.feeds.basis"
local brokers = require "perigee.venues.brokers"
local codec = require "perigee.venues.match_trader"
local event = require "perigee.event"
local exec = require "perigee.exec"
local exits = require "perigee.exits"
local ledger = require "perigee.ledger"
local orchestrate = require "perigee.orchestrate"
local process = require "perigee.process"
local risk = require "perigee.risk"
local scripts = require "perigee.scripts"

local policy = {}
local quotes = basis.new()

local limits = { trading_enabled = true, max_positions = 3, per_trade = 0.01, max_signal_age = 5, margin_share = 0.5,
  deadline_ms = 5000 }

exec.codec { steady = true, encode = function(broker, order) return codec.encode(brokers[broker], order) end,
  decode = function(broker, order, answer) return codec.decode(brokers[broker], order, answer) end }

--- For batches that C made: the check of orchestrate.guard, with a loss at the stop that is given.
function policy.guard_sized()
  local a = {}
  exec.risk(function(leg)
    local equity, bound, exposure, paused = ledger.standing(leg.account)
    a.paused, a.exposure, a.risk_money, a.margin = paused, exposure, 100, 100
    a.equity, a.free_margin = equity, bound and equity - bound or nil
    return risk.check(leg, a, limits)
  end)
  process.stop("done", 0)
end

function policy.guard()
  quotes:observe("paper", "BTCUSD")
  orchestrate.guard(limits)
  process.stop("done", 0)
end

-- Whatever goes wrong ends the run: C waits for the word.
local function ending(fn)
  local ok, report = xpcall(fn, debug.traceback)
  if not ok then io.stderr:write(tostring(report), "\n") end
  process.stop("done", ok and report and 0 or 1)
end

local next_signal, active = 1, 1

local function accounts()
  local list = {}
  for i, id in ipairs(ledger.accounts()) do
    if i > active then break end
    list[i] = id
  end
  return list
end

local function on_signal(signal)
  signal.id = next_signal
  next_signal = next_signal + 1
  event.emit("signal", { signal = signal.id, strategy = signal.strategy, hash = signal.hash, symbol = signal.symbol,
    action = signal.action, price = signal.price, stop = signal.stop, target = signal.target,
    confidence = signal.confidence, strength = signal.strength, reason = signal.reason,
    conditions = signal.conditions, plan = signal.plan })
  exits.on_signal(signal)
  if not risk.accepts(signal, 0, limits, false) then return end
  return orchestrate.execute(signal, accounts(), limits, quotes)
end

--- One signal to `count` accounts.
function policy.fan_out(count)
  active = math.tointeger(count)
  ending(function()
    local report = on_signal { strategy = "bench", hash = "0123456789abcdef", symbol = "BTCUSD", action = "OPEN_LONG",
      price = 60000.5, stop = 59400.5, target = 61200.5, confidence = 0.8, strength = 0.7, reason = "bench",
      holding_ms = 300000, conditions = "[]", plan = '{"holding_seconds":300,"opposite":true}' }
    return report and report.accepted == active
  end)
end

--- Loads a strategy whose signals go to one account.
function policy.load(path)
  active = 1
  scripts.on_signal(function(signal)
    ending(function()
      local report = on_signal(signal)
      return report and report.accepted == active
    end)
  end)
  ending(function()
    local err
    policy.handle, err = scripts.load { path = path, instance = "bench", symbol = "BTCUSD" }
    if not policy.handle then error(err.message, 0) end
    return true
  end)
end

package.loaded["bench.policy"] = policy
