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

--- The rules in the order in which they are asked.
risk.rules = { "trading_disabled", "account_paused", "no_stop", "no_target", "max_positions", "max_position_size",
  "margin", "risk_per_trade" }

-- On the losing side of the price for a stop, on the winning one for a target.
local function wrong_side(name, level, leg)
  return ("the %s %s is on the wrong side of %s"):format(name, level, leg.price)
end

-- The newest texts and their numbers: legs of one signal mostly share them, and reading a number is dear.
local price_text, price, stop_text, stop, target_text, target, volume_text, volume

-- One after the other in one function: this runs for every leg between a signal and its first byte.
--- The first rule that a leg breaks.
---@param leg perigee.RiskLeg
---@param account perigee.RiskAccount
---@param limits perigee.RiskLimits
---@return boolean passes, string|nil rule, string|nil reason
function risk.check(leg, account, limits)
  if leg.price ~= price_text then price_text, price = leg.price, tonumber(leg.price) end
  if leg.stop ~= stop_text then stop_text, stop = leg.stop, tonumber(leg.stop) or 0 end
  if leg.target ~= target_text then target_text, target = leg.target, tonumber(leg.target) or 0 end
  if leg.volume ~= volume_text then volume_text, volume = leg.volume, tonumber(leg.volume) end
  local buy, sell = leg.side == "BUY", leg.side == "SELL"

  if not limits.trading_enabled then return false, "trading_disabled", "trading is switched off" end
  if account.paused then return false, "account_paused", "the account is paused" end

  if not stop or stop <= 0 then return false, "no_stop", "an entry needs a stop loss at the broker" end
  if buy and stop >= price or sell and stop <= price then return false, "no_stop", wrong_side("stop", leg.stop, leg) end
  if not target or target <= 0 then return false, "no_target", "an entry needs a take profit at the broker" end
  if buy and target <= price or sell and target >= price then
    return false, "no_target", wrong_side("target", leg.target, leg)
  end

  if account.exposure >= limits.max_positions then
    return false, "max_positions", ("%d of %d positions are open"):format(account.exposure, limits.max_positions)
  end
  local most_lots = limits.max_position_size
  if most_lots and volume > most_lots then
    return false, "max_position_size", ("%s lots are more than %.14g"):format(leg.volume, most_lots)
  end

  local margin, free = account.margin, account.free_margin
  if not margin or not free then return false, "margin", "the margin is not known" end
  if margin > free then
    return false, "margin", ("%.2f of margin are more than the %.2f that are free"):format(margin, free)
  end

  local loss, share = account.risk_money, limits.per_trade
  if not loss then return false, "risk_per_trade", "the loss at the stop is not known" end
  if share > risk.CEILING then share = risk.CEILING end
  local most = share * account.equity
  local within = loss <= most * (1 + 1e-9) -- false for NaN, too
  if not within then return false, "risk_per_trade", ("%.2f at risk is more than %.2f"):format(loss, most) end
  return true
end

---@class perigee.RiskCost
---@field stop string|nil  nil or "0": none
---@field loss number      at the stop, account currency; says nothing without one
---@field margin number    bound, account currency

--- The first rule that a change of something open or resting breaks. What makes it safer always passes, whatever the
--- limits say by now; what makes it riskier must stay inside them.
---@param now perigee.RiskCost
---@param to perigee.RiskCost
---@param account { equity: number, free_margin: number|nil }
---@param limits perigee.RiskLimits
---@return boolean passes, string|nil rule, string|nil reason
function risk.change(now, to, account, limits)
  local had, has = (tonumber(now.stop) or 0) > 0, (tonumber(to.stop) or 0) > 0
  if had and not has then return false, "no_stop", "a stop loss at the broker is moved, not taken off" end
  local safer = not had or to.loss <= now.loss
  local most = math.min(limits.per_trade, risk.CEILING) * account.equity
  local within = to.loss <= most * (1 + 1e-9) -- false for NaN, too
  if not safer and not within then
    return false, "risk_per_trade", ("%.2f at risk is more than %.2f"):format(to.loss, most)
  end
  local more = to.margin - now.margin
  if more > 0 then
    if not account.free_margin then return false, "margin", "the margin is not known" end
    if more > account.free_margin then
      return false, "margin", ("%.2f more of margin is more than the %.2f that are free"):format(more,
        account.free_margin)
    end
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
