-- SPDX-License-Identifier: MIT
-- From one signal to an order on every account: sizes each, puts all into one fan-out, tells what came of it.

local event = require "perigee.event"
local exec = require "perigee.exec"
local ledger = require "perigee.ledger"
local log = require "perigee.log"
local risk = require "perigee.risk"

local orchestrate = {}

local sides = { OPEN_LONG = "BUY", OPEN_SHORT = "SELL" }

-- Loss at the stop and margin of the legs that are being submitted, by account: what the risk check looks at.
local sized = {}

--- Registers the risk check that every leg passes inside exec's submit.
---@param limits perigee.RiskLimits
function orchestrate.guard(limits)
  exec.risk(function(leg)
    local equity, bound, exposure, paused = ledger.standing(leg.account)
    local order = sized[leg.account] or {}
    return risk.check(leg, { paused = paused, exposure = exposure, risk_money = order.risk_money,
      margin = order.margin, equity = equity, free_margin = bound and equity - bound }, limits)
  end)
end

--- Stop and target of a signal, moved to the broker's own price: the distances count, because the feed that
--- gave the signal may quote a little beside the broker.
---@return number price, number stop, number target
function orchestrate.levels(signal, side, bid, ask)
  local price = side == "BUY" and ask or bid
  return price, price + (signal.stop - signal.price), price + (signal.target - signal.price)
end

local function refuse(signal, account, rule, reason)
  event.emit("risk_refused", { signal = signal.id, account = account, rule = rule, reason = reason })
end

-- Sizes one account's order; nil and the rule when there is none.
local function size(signal, account, side, limits, quotes)
  local row = ledger.account(account)
  local bid, ask = quotes:quote(row.broker, signal.symbol)
  if not bid then return nil, "no_quote", "the broker has no quote of " .. signal.symbol end
  local price, stop, target = orchestrate.levels(signal, side, bid, ask)
  local result, err = ledger.size { account = account, canonical = signal.symbol, side = side, price = price,
    stop = stop, risk = math.min(limits.per_trade, risk.CEILING), margin_share = limits.margin_share,
    cap = limits.max_position_size }
  if not result then return nil, "sizing", err.message end
  if result.rule then return nil, result.rule, "no volume fits: " .. result.rule end
  sized[account] = { risk_money = tonumber(result.risk_money), margin = tonumber(result.margin) }
  return { account = account, canonical = signal.symbol, side = side, volume = result.volume, price = price,
    stop = stop, target = target, holding_ms = signal.holding_ms, plan = signal.plan }
end

--- Sends a signal to all active accounts at once. Yields until every leg is settled.
---@param signal table      with its id
---@param accounts string[] account ids
---@param limits table      risk limits, margin_share, deadline_ms
---@param quotes perigee.Basis
---@return table|nil report, table|nil err
function orchestrate.execute(signal, accounts, limits, quotes)
  local side = assert(sides[signal.action], "an entry")
  local batch <close> = exec.batch { signal = signal.id, settle = "all", deadline_ms = limits.deadline_ms }
  sized = {}
  for _, account in ipairs(accounts) do
    local leg, rule, reason = size(signal, account, side, limits, quotes)
    if leg then
      local ok, err = batch:add(leg)
      if not ok then leg, rule, reason = nil, "leg", err.message end
    end
    if not leg then refuse(signal, account, rule, reason) end
  end
  if #batch == 0 then return nil, { code = "no_legs", message = "no account can take the signal" } end
  local report, err = batch:submit()
  if not report then
    log.error("orchestrate", err.message)
    return nil, err
  end
  for _, leg in ipairs(report.legs) do
    if leg.refused then refuse(signal, leg.account, leg.rule, leg.reason) end
  end
  return report
end

return orchestrate
