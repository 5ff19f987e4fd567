-- SPDX-License-Identifier: MIT
-- Risk: each check is a pure function of a leg, what is known of its account, and the limits. A leg passes
-- only if all of them pass. They run inside the fan-out's submit, without a yield, and fail closed.

local risk = {}

---@class perigee.RiskLimits
---@field trading_enabled boolean
---@field max_positions integer
---@field max_position_size number|nil   lots
---@field per_trade number               share of equity
---@field max_signal_age number          market seconds

---@class perigee.RiskLeg
---@field account string
---@field side "BUY"|"SELL"
---@field volume string
---@field price string
---@field stop string|nil     nil or "0": none
---@field target string|nil   nil or "0": none

---@class perigee.RiskAccount
---@field paused boolean
---@field exposure integer   positions and entries in flight
---@field risk_money number|nil   loss at the stop, account currency, as sized
---@field equity number
---@field margin number|nil       that the order binds, account currency
---@field free_margin number|nil  equity less what positions and orders in flight bind

--- Largest share of equity that a trade may ever risk, whatever the configuration says.
risk.CEILING = 0.05

---A check: the reason for a refusal, or nil.
---@alias perigee.RiskCheck fun(leg: perigee.RiskLeg, account: perigee.RiskAccount, limits: table): string|nil

---@type { name: string, check: perigee.RiskCheck }[]
risk.checks = {
  { name = "trading_disabled", check = function(_, _, limits)
    if not limits.trading_enabled then return "trading is switched off" end
  end },
  { name = "account_paused", check = function(_, account)
    if account.paused then return "the account is paused" end
  end },
  { name = "no_stop", check = function(leg)
    local price, stop = tonumber(leg.price), tonumber(leg.stop) or 0
    if stop <= 0 then return "an entry needs a stop loss at the broker" end
    if leg.side == "BUY" and stop >= price or leg.side == "SELL" and stop <= price then
      return ("the stop %s is on the wrong side of %s"):format(leg.stop, leg.price)
    end
  end },
  { name = "no_target", check = function(leg)
    local price, target = tonumber(leg.price), tonumber(leg.target) or 0
    if target <= 0 then return "an entry needs a take profit at the broker" end
    if leg.side == "BUY" and target <= price or leg.side == "SELL" and target >= price then
      return ("the target %s is on the wrong side of %s"):format(leg.target, leg.price)
    end
  end },
  { name = "max_positions", check = function(_, account, limits)
    if account.exposure >= limits.max_positions then
      return ("%d of %d positions are open"):format(account.exposure, limits.max_positions)
    end
  end },
  { name = "max_position_size", check = function(leg, _, limits)
    if limits.max_position_size and tonumber(leg.volume) > limits.max_position_size then
      return ("%s lots are more than %.14g"):format(leg.volume, limits.max_position_size)
    end
  end },
  { name = "margin", check = function(_, account)
    if not account.margin or not account.free_margin then return "the margin is not known" end
    if account.margin > account.free_margin then
      return ("%.2f of margin are more than the %.2f that are free"):format(account.margin, account.free_margin)
    end
  end },
  { name = "risk_per_trade", check = function(_, account, limits)
    if not account.risk_money then return "the loss at the stop is not known" end
    local most = math.min(limits.per_trade, risk.CEILING) * account.equity
    local within = account.risk_money <= most * (1 + 1e-9) -- false for NaN, too
    if not within then
      return ("%.2f at risk is more than %.2f"):format(account.risk_money, most)
    end
  end },
}

--- The first rule that a leg breaks.
---@return boolean passes, string|nil rule, string|nil reason
function risk.check(leg, account, limits)
  for _, item in ipairs(risk.checks) do
    local reason = item.check(leg, account, limits)
    if reason then return false, item.name, reason end
  end
  return true
end

--- Whether a signal may be traded at all, before any account is looked at.
---@param signal { price: number|nil, stop: number|nil, target: number|nil }
---@param age_ms integer     market ms since the strategy spoke
---@param limits perigee.RiskLimits
---@param stopping boolean
---@return boolean passes, string|nil rule, string|nil reason
function risk.accepts(signal, age_ms, limits, stopping)
  if stopping then return false, "entries_stopped", "no new entries are taken" end
  if not limits.trading_enabled then return false, "trading_disabled", "trading is switched off" end
  if age_ms > limits.max_signal_age * 1000 then
    return false, "signal_age", age_ms == math.huge and "the signal does not say when it was made"
      or ("the signal is %.1f s old"):format(age_ms / 1000)
  end
  for _, name in ipairs({ "price", "stop", "target" }) do
    if not signal[name] then return false, "no_" .. name, "an entry needs price, stop and target" end
  end
  return true
end

return risk
