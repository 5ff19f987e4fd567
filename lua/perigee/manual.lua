-- SPDX-License-Identifier: MIT
-- Signals that an operator gives: made of the newest reference price, and traded like those of a strategy.

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local market = require "perigee.market"

local manual = {}

local STOP_PERCENT, TARGET_PERCENT, HOLDING_SECONDS = 0.25, 0.40, 300

local actions = { LONG = "OPEN_LONG", SHORT = "OPEN_SHORT", CLOSE = "CLOSE" }

local function fail(code, message)
  return nil, { code = code, message = message, source = "manual", retry = "no" }
end

local function round(value, digits)
  return decimal.new(value):round(digits, "half_even")
end

local function plan(asked, holding)
  local list = { { "holding_seconds", json.number(holding) } }
  if not asked.stop then
    list[#list + 1] = { "stop_percent", json.number(asked.stop_percent or STOP_PERCENT) }
  end
  if not asked.target then
    list[#list + 1] = { "target_percent", json.number(asked.target_percent or TARGET_PERCENT) }
  end
  return json.object(list)
end

---@class perigee.ManualAsk
---@field symbol string
---@field direction "LONG"|"SHORT"|"CLOSE"
---@field stop string|nil            price; else by percent
---@field target string|nil
---@field stop_percent number|nil
---@field target_percent number|nil
---@field holding_seconds integer|nil
---@field reason string|nil

--- A signal of the newest reference price: the ask for LONG, the bid for SHORT.
---@param state table  the engine's
---@param asked perigee.ManualAsk
---@param who string
---@return perigee.Signal|nil, table|nil err
function manual.signal(state, asked, who)
  local feed = state.feed
  if not feed or not feed.symbol then return fail("unavailable", "the market is not connected yet") end
  if asked.symbol ~= feed.hello.symbol then
    return fail("not_found", ("%s is not traded here; the market is %s"):format(asked.symbol, feed.hello.symbol))
  end
  if asked.direction ~= "CLOSE" and (feed.ended or not state.feed_up) then -- its last price says nothing any more
    return fail("unavailable", feed.ended and "the market has ended" or "the market is not connected")
  end
  local instrument = state.venue and ledger.instrument(state.venue, asked.symbol)
  local bid, ask = market.last_quote(feed.symbol)
  if not instrument or not bid then
    return fail("unavailable", ("%s has no price yet"):format(asked.symbol))
  end
  local digits, long = instrument.price_digits, asked.direction ~= "SHORT"
  local price = long and ask or bid
  local side = long and 1 or -1
  local holding = asked.holding_seconds or HOLDING_SECONDS
  local signal = { strategy = "manual", name = "manual", version = "", hash = "", symbol = asked.symbol,
    action = actions[asked.direction], price = round(price, digits):number(), confidence = 1, strength = 1,
    reason = asked.reason or ("by hand, " .. who), conditions = "[]", who = who, holding_ms = holding * 1000,
    time_ms = clock.market_ms(), plan = plan(asked, holding) }
  if asked.direction ~= "CLOSE" then
    signal.stop = tonumber(asked.stop) or round(price * (1 - side * (asked.stop_percent or STOP_PERCENT) / 100),
      digits):number()
    signal.target = tonumber(asked.target)
      or round(price * (1 + side * (asked.target_percent or TARGET_PERCENT) / 100), digits):number()
  end
  return signal
end

return manual
