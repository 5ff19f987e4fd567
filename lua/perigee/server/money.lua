-- SPDX-License-Identifier: MIT
-- Sums of money in one currency, exact. A rate is what one unit of a currency is worth in the reporting currency.

local decimal = require "perigee.decimal"

local money = {}

---@class perigee.MoneySum
---@field currency string     the reporting currency
---@field rates table<string, string>
---@field total userdata      decimal
---@field complete boolean    false: something could not be converted and was left out
local Sum = {}
Sum.__index = Sum

--- What one unit of `currency` is worth in `reporting`, or nil. `rates` are in `base`.
---@param rates table<string, string>
---@param base string
---@param currency string
---@param reporting string
---@return userdata|nil decimal
function money.rate(rates, base, currency, reporting)
  if currency == reporting then return decimal.new(1) end
  local from = currency == base and "1" or rates[currency]
  local to = reporting == base and "1" or rates[reporting]
  if not from or not to then return nil end
  to = decimal.new(to)
  if to:sign() <= 0 then return nil end
  return decimal.new(from) / to
end

--- `rates` are in `base`; the sum is in `currency`.
---@return perigee.MoneySum
function money.sum(rates, base, currency)
  return setmetatable({ rates = rates, base = base, currency = currency, total = decimal.new(0), complete = true,
    count = 0 }, Sum)
end

--- Adds an amount; nil is nothing that could be added.
---@param amount string|nil
---@param currency string
function Sum:add(amount, currency)
  local rate = amount and money.rate(self.rates, self.base, currency, self.currency)
  local ok, total = pcall(function() return self.total + decimal.new(amount) * rate end)
  if not rate or not ok then
    self.complete = false
    return
  end
  self.total, self.count = total, self.count + 1
end

--- With two places; nil when nothing could be added.
---@return string|nil
function Sum:text()
  return self.count > 0 and self.total:fixed(2) or nil
end

--- How far the price went in a position's favour, percent of the entry price with six places; nil: not known.
---@param side "LONG"|"SHORT"
---@param entry string
---@param price string|nil
---@return string|nil
function money.percent(side, entry, price)
  if not price then return nil end
  local ok, out = pcall(function()
    local from, to = decimal.new(entry), decimal.new(price)
    local move = side == "LONG" and to - from or from - to
    return tostring((move * 100 / from):round(6))
  end)
  return ok and out or nil
end

return money
