-- SPDX-License-Identifier: MIT
-- From one signal to an order on every account: sizes each, puts all into one fan-out, tells what came of it.

local event = require "perigee.event"
local exec = require "perigee.exec"
local ledger = require "perigee.ledger"
local log = require "perigee.log"
local policies = require "perigee.orchestrate.policies"
local precheck = require "perigee.precheck"
local risk = require "perigee.risk"

local report_of = require "perigee.orchestrate.report"

local orchestrate = {}

--- A signal's record in the words of the specification; see report.lua.
orchestrate.report = report_of.words

local sides = { OPEN_LONG = "BUY", OPEN_SHORT = "SELL" }

-- Loss at the stop and margin of the legs that are being submitted, by account: what the risk check looks at.
local sized = {}

local account_of = {} -- what is known of the leg's account; filled anew for each

-- What the rules say of a leg that was sized.
local function judge(leg, order, limits)
  local equity, bound, exposure, paused = ledger.standing(leg.account)
  local a = account_of
  a.paused, a.exposure, a.risk_money, a.margin = paused, exposure, order.risk_money, order.margin
  a.equity, a.free_margin = equity, bound and equity - bound or nil
  return risk.check(leg, a, limits)
end

--- Registers the risk check that every leg passes inside exec's submit.
---@param limits perigee.RiskLimits
function orchestrate.guard(limits)
  exec.risk(function(leg) return judge(leg, sized[leg.account] or {}, limits) end)
end

--- Stop and target of a signal, moved to the broker's own price: the distances count, because the feed that
--- gave the signal may quote a little beside the broker.
---@return number price, number stop, number target
function orchestrate.levels(signal, side, bid, ask)
  local price = side == "BUY" and ask or bid
  return price, price + (signal.stop - signal.price), price + (signal.target - signal.price)
end

local words = { volume_min = "the volume is below the least of the instrument",
  volume_max = "the volume is above the most of the instrument",
  volume_step = "the volume is no multiple of the instrument's step",
  margin = "the volume binds more margin than one order may",
  stop_distance = "the stop is on the wrong side of the price or too near to it" }

-- Sizes one account's order, by risk or with the volume that is wanted: the leg, its loss at the stop and its margin;
-- nil, the rule and the reason when there is none. `order`: what is explicit of this account's: volume, stop, target.
local function size(signal, account, row, side, limits, quotes, volume, order)
  local bid, ask = quotes:quote(row.broker, signal.symbol)
  if not bid then return nil, "no_quote", "the broker has no quote of " .. signal.symbol end
  local price, stop, target = orchestrate.levels(signal, side, bid, ask)
  if order then
    volume = order.volume or volume
    stop, target = tonumber(order.stop) or stop, tonumber(order.target) or target
  end
  local rule, reason = precheck.entry(row.broker, { symbol = signal.symbol, side = side, volume = volume, stop = stop,
    target = target }, bid, ask)
  if rule then return nil, rule, reason end
  local result, err = ledger.size { account = account, canonical = signal.symbol, side = side, price = price,
    stop = stop, risk = math.min(limits.per_trade, risk.CEILING), margin_share = limits.margin_share,
    cap = not volume and limits.max_position_size or nil, volume = volume }
  if not result then return nil, "sizing", err.message end
  if result.rule then
    return nil, result.rule, volume and words[result.rule] or "no volume fits: " .. result.rule
  end
  return { account = account, canonical = signal.symbol, side = side, volume = result.volume, price = price,
    stop = stop, target = target, holding_ms = signal.holding_ms, plan = signal.plan }, result.risk_money, result.margin
end

---@class perigee.PlannedLeg
---@field account string
---@field leg table|nil        nil: none, see rule
---@field risk_money string|nil
---@field margin string|nil
---@field rule string|nil      what keeps it out
---@field reason string|nil

--- What a signal would do on each account, without doing it.
---@return perigee.PlannedLeg[]
function orchestrate.preview(signal, accounts, limits, quotes, volume)
  local side, out = assert(sides[signal.action], "an entry"), {}
  for i, account in ipairs(accounts) do
    local leg, second, third = size(signal, account, ledger.account(account), side, limits, quotes, volume)
    local row = { account = account, leg = leg }
    if not leg then
      row.rule, row.reason = second, third
    else
      row.risk_money, row.margin = second, third
      local ok, rule, reason = judge(leg, { risk_money = tonumber(second), margin = tonumber(third) }, limits)
      if ok and ledger.entry_pending(account, signal.symbol) then
        ok, rule, reason = false, "pending", "an entry on this symbol is in flight or not shown yet"
      end
      if not ok then row.rule, row.reason = rule, reason end
    end
    out[i] = row
  end
  return out
end

local function refuse(kept_out, signal, account, rule, reason)
  event.emit("risk_refused", { signal = signal.id, account = account, rule = rule, reason = reason })
  kept_out[#kept_out + 1] = { account = account, rule = rule, reason = reason }
end

-- The legs that can be sent, by the policies of their groups; what is kept out is journalled.
local function plan(signal, accounts, limits, quotes, options, kept_out)
  local side, list, left, out = assert(sides[signal.action], "an entry"), {}, {}, {}
  for _, account in ipairs(accounts) do
    local row = ledger.account(account)
    local group = row.group or ""
    local leg, second, third = size(signal, account, row, side, limits, quotes, options.volume,
      options.orders and options.orders[account])
    if leg then
      leg.attempt = options.attempts and options.attempts[account]
      leg.replaces = options.replaces and options.replaces[account]
      list[#list + 1] = { leg = leg, group = group, risk_money = tonumber(second), margin = tonumber(third) }
      left[group] = (left[group] or 0) + 1
    else
      out[group] = (out[group] or 0) + 1
      refuse(kept_out, signal, account, second, third)
    end
  end
  for _, account in ipairs(options.absent or {}) do
    local group = ledger.account(account) and ledger.account(account).group or ""
    out[group] = (out[group] or 0) + 1
  end
  return list, options.policies and policies.broken(options.policies, left, out) or {}
end

local function fill(batch, signal, list, broken, options, kept_out)
  sized = {}
  for _, item in ipairs(list) do
    local account = item.leg.account
    local why = broken[options.policies and options.policies.groups[item.group] and item.group or ""]
    if why then
      refuse(kept_out, signal, account, why.rule, why.reason)
    else
      sized[account] = item
      local ok, err = batch:add(item.leg)
      if not ok then refuse(kept_out, signal, account, "leg", err.message) end
    end
  end
end

---@class perigee.ExecuteOptions
---@field volume string|nil                    lots of each account; nil: by risk
---@field orders table<string, table>|nil      by account: volume, stop, target that are explicit
---@field attempts table<string, integer>|nil  by account: number of this try
---@field replaces table<string, integer>|nil  by account: the absent order that this one stands in for
---@field absent string[]|nil                  accounts that were wanted and cannot be reached
---@field policies perigee.Policies|nil        nil: each account for itself
---@field settle string|nil                    when the report comes: "all" (default), "first", "quorum", "deadline"

--- Sends a signal to accounts at once. Yields until the report is due.
---@param signal table      with its id
---@param accounts string[] account ids
---@param limits table      risk limits, margin_share, deadline_ms
---@param quotes perigee.Basis
---@param options perigee.ExecuteOptions|nil
---@return table|nil report, table|nil err  both have kept_out: { account, rule, reason } of each that got no order
function orchestrate.execute(signal, accounts, limits, quotes, options)
  options = options or {}
  local kept_out = {}
  local list, broken = plan(signal, accounts, limits, quotes, options, kept_out)
  local wanted = { signal = signal.id, settle = options.settle or "all", deadline_ms = limits.deadline_ms }
  if options.policies then policies.apply(options.policies, wanted) end
  local batch <close> = exec.batch(wanted)
  fill(batch, signal, list, broken, options, kept_out)
  if #batch == 0 then
    return nil, { code = "no_legs", message = "no account can take the signal", kept_out = kept_out }
  end
  local report, err = batch:submit()
  if not report then
    log.error("orchestrate", err.message)
    err.kept_out = kept_out
    return nil, err
  end
  for _, leg in ipairs(report.legs) do
    if leg.refused then refuse(kept_out, signal, leg.account, leg.rule, leg.reason) end
  end
  report.kept_out = kept_out
  return report
end

---@class perigee.PendingAsk
---@field account string
---@field symbol string          our name
---@field side "BUY"|"SELL"
---@field type "LIMIT"|"STOP"
---@field volume string
---@field price string           activation price
---@field stop string
---@field target string|nil
---@field holding_ms integer|nil
---@field signal integer|nil

--- Creates a pending order. It passes what an entry passes, its loss and margin reckoned at its activation price.
--- Yields.
---@param ask perigee.PendingAsk
---@param limits table      risk limits, margin_share
---@return string|nil state, string|table id_or_reason  the broker's id when ACCEPTED; err.code "refused" names the rule
function orchestrate.pending(ask, limits)
  local function refused(rule, reason)
    return nil, { code = "refused", message = ("%s: %s"):format(rule, reason), source = "orchestrate", retry = "no" }
  end
  local row = ledger.account(ask.account)
  if not row then
    return nil, { code = "unavailable", message = ("account %s has not been read yet"):format(ask.account),
      source = "orchestrate", retry = "safe" }
  end
  local rule, reason = precheck.order(row.broker, { op = "pending", symbol = ask.symbol,
    side = ask.side, type = ask.type, volume = ask.volume, price = ask.price, stop = ask.stop, target = ask.target })
  if rule then return refused(rule, reason) end
  local result, err = ledger.size { account = ask.account, canonical = ask.symbol, side = ask.side, price = ask.price,
    stop = ask.stop, risk = math.min(limits.per_trade, risk.CEILING), margin_share = limits.margin_share,
    volume = ask.volume }
  if not result then return nil, err end
  if result.rule then return refused(result.rule, words[result.rule] or "no volume fits") end
  sized = { [ask.account] = { risk_money = tonumber(result.risk_money), margin = tonumber(result.margin) } }
  local state, text = exec.pending(ask.account, { canonical = ask.symbol, side = ask.side, type = ask.type,
    volume = ask.volume, price = ask.price, stop = ask.stop, target = ask.target, signal = ask.signal,
    holding_ms = ask.holding_ms })
  if not state and text.code == "limit" then
    return nil, { code = "refused", message = text.message, source = "exec", retry = "no" }
  end
  return state, text
end

return orchestrate
