-- SPDX-License-Identifier: MIT
-- What a broker would refuse is refused here, before anything is sent: one pure function from an order and what is
-- known of its instrument, market and account to the first rule that it breaks, with a sentence that has the numbers.
-- What only makes the book smaller or safer (closes, cancels) is never kept back by hours or distances: the broker
-- judges those itself.

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"
local hours = require "perigee.venues.hours"

local validate = {}

---@class perigee.CheckedOrder
---@field op "open"|"edit"|"close"|"close_partial"|"pending"|"pending_edit"|"cancel"
---@field symbol string            our name, for the sentences
---@field side "BUY"|"SELL"
---@field type "LIMIT"|"STOP"|nil  of a pending order
---@field volume string|nil        lots
---@field price string|number|nil  activation price of a pending order
---@field stop string|number|nil   nil or 0: none
---@field target string|number|nil nil or 0: none

---@class perigee.OrderFacts
---@field venue string
---@field contract perigee.Contract|table|nil  nil: the venue does not offer it; also a ledger instrument
---@field now_ms integer                    market ms
---@field offset_minutes integer|nil        of the trading hours from UTC
---@field session_known boolean|nil         what the list said of the session is fresh
---@field bid number|nil                    nil: no quote; distances are not checked
---@field ask number|nil
---@field position_volume string|nil        of the position that a partial close is for
---@field now_stop string|number|nil        level of the position that an edit replaces
---@field now_target string|number|nil
---@field now_price string|number|nil       of the pending order that an edit replaces
---@field margin number|nil                 that the order binds
---@field free_margin number|nil

local entries = { open = true, pending = true }
local pendings = { pending = true, pending_edit = true }
local sessions = { open = true, pending = true, pending_edit = true }
local sized = { open = true, pending = true, pending_edit = true, close_partial = true }
local levelled = { open = true, edit = true, pending = true, pending_edit = true }

local function there(value)
  local x = tonumber(value)
  return x and x ~= 0 and x or nil
end

-- A price as it would be read by a person.
local function show(c, x) return decimal.new(x):fixed(c.price_digits) end

-- Whole points from one price to another, rounded down: floating point must not make a distance of its own.
local function points(c, from, to) return math.floor((to - from) * 10 ^ c.price_digits + 1e-6) end

local rules = {}

function rules.instrument(o, f)
  if not f.contract then return ("%s is no instrument of %s that can be traded"):format(o.symbol, f.venue) end
end

function rules.expired(o, f)
  local c = f.contract
  if entries[o.op] and c.expires_ms and f.now_ms >= c.expires_ms then
    return ("the contract %s ended on %s"):format(o.symbol, clock.iso(c.expires_ms))
  end
end

function rules.session_closed(o, f)
  local c = f.contract
  if not sessions[o.op] then return nil end
  if c.hours and not hours.open(c.hours, f.now_ms, f.offset_minutes) then
    return ("%s is outside the trading hours of %s"):format(clock.iso(f.now_ms), o.symbol)
  end
  if c.session_open == false and f.session_known then return ("the broker says that %s is closed"):format(o.symbol) end
end

function rules.volume_min(o, f)
  local c = f.contract
  if sized[o.op] and decimal.new(o.volume) < decimal.new(c.volume_min) then
    return ("%s lots are below the least volume %s"):format(o.volume, c.volume_min)
  end
end

function rules.volume_max(o, f)
  local c = f.contract
  if sized[o.op] and decimal.new(o.volume) > decimal.new(c.volume_max) then
    return ("%s lots are above the most volume %s"):format(o.volume, c.volume_max)
  end
end

function rules.volume_step(o, f)
  local c = f.contract
  if sized[o.op] and decimal.new(o.volume):step(decimal.new(c.volume_step)) ~= decimal.new(o.volume) then
    return ("%s lots are no multiple of the step %s"):format(o.volume, c.volume_step)
  end
end

function rules.volume_position(o, f)
  if o.op == "close_partial" and f.position_volume
    and decimal.new(o.volume) >= decimal.new(f.position_volume) then
    return ("a part of %s lots is not less than the position's %s"):format(o.volume, f.position_volume)
  end
end

-- Prices that come as texts are meant as they stand; those that were computed are rounded on their way.
function rules.price_digits(o, f)
  local c = f.contract
  for _, name in ipairs(levelled[o.op] and { "price", "stop", "target" } or {}) do
    local value = o[name]
    if type(value) == "string" and decimal.new(value):round(c.price_digits, "down") ~= decimal.new(value) then
      return ("%s %s has more than %d decimals"):format(name, value, c.price_digits)
    end
  end
end

-- The price that an order would be executed at, and that its position would close at.
local function around(o, f)
  if pendings[o.op] then
    local price = there(o.price)
    return price, price
  end
  if o.side == "BUY" then return f.ask, f.bid end
  return f.bid, f.ask
end

function rules.pending_price(o)
  if pendings[o.op] and not (there(o.price) and there(o.price) > 0) then
    return "a pending order needs the price at which it becomes a position"
  end
end

function rules.pending_type(o)
  if pendings[o.op] and o.type ~= "LIMIT" and o.type ~= "STOP" then return "a pending order is LIMIT or STOP" end
end

-- Points from the market to the activation price, counted in the direction in which it must lie.
local function ahead(o, f)
  local market = o.side == "BUY" and f.ask or f.bid
  if not market then return nil end
  local up = (o.side == "BUY") == (o.type == "STOP")
  return up and points(f.contract, market, there(o.price)) or points(f.contract, there(o.price), market), market, up
end

function rules.pending_side(o, f)
  if not pendings[o.op] then return nil end
  local distance, market, up = ahead(o, f)
  if distance and distance <= 0 then
    return ("a %s %s at %s must be %s the price %s"):format(o.side, o.type, show(f.contract, o.price),
      up and "above" or "below", show(f.contract, market))
  end
end

function rules.pending_distance(o, f)
  if not pendings[o.op] then return nil end
  local distance, market = ahead(o, f)
  if distance and distance < f.contract.stops_level then
    return ("%s is %d points from the price %s, less than the %d of the stops level"):format(show(f.contract, o.price),
      distance, show(f.contract, market), f.contract.stops_level)
  end
end

-- Points that a level lies on its right side: a stop against the position, a target with it. An entry's target counts
-- from the price of the entry, everything else from the price at which the position closes.
local function depth(o, f, name)
  local level = levelled[o.op] and there(o[name])
  if o.op == "edit" and level and level == there(f["now_" .. name]) then return nil end -- it stays as it is
  local entry, exit = around(o, f)
  local from = name == "target" and o.op ~= "edit" and entry or exit
  if not level or not from then return nil end
  local up = (o.side == "BUY") == (name == "target")
  return up and points(f.contract, from, level) or points(f.contract, level, from), from
end

local function side_rule(name)
  return function(o, f)
    local distance, from = depth(o, f, name)
    if distance and distance <= 0 then
      return ("the %s %s of a %s is on the wrong side of %s"):format(name, show(f.contract, o[name]), o.side,
        show(f.contract, from))
    end
  end
end

local function distance_rule(name)
  return function(o, f)
    local distance, from = depth(o, f, name)
    if distance and distance < f.contract.stops_level then
      return ("the %s %s is %d points from %s, less than the %d of the stops level"):format(name,
        show(f.contract, o[name]), distance, show(f.contract, from), f.contract.stops_level)
    end
  end
end

rules.stop_side, rules.target_side = side_rule("stop"), side_rule("target")
rules.stop_distance, rules.target_distance = distance_rule("stop"), distance_rule("target")

-- So near to the market the broker changes nothing: the level or order is about to be executed.
local function frozen(f, now, to, market)
  now = there(now)
  if not now or now == there(to) then return nil end
  local distance = math.abs(points(f.contract, now, market))
  if distance < f.contract.freeze_level then
    return ("%s is %d points from %s, inside the freeze level of %d"):format(show(f.contract, now), distance,
      show(f.contract, market), f.contract.freeze_level)
  end
end

function rules.freeze_level(o, f)
  local level = f.contract.freeze_level or 0
  local market = o.side == "BUY" and f.bid or f.ask
  if level == 0 or not f.bid or not f.ask then return nil end
  if o.op == "edit" then
    return frozen(f, f.now_stop, o.stop, market) or frozen(f, f.now_target, o.target, market)
  elseif o.op == "pending_edit" then
    return frozen(f, f.now_price, nil, o.side == "BUY" and f.ask or f.bid)
  end
end

function rules.margin(o, f)
  if not entries[o.op] or not f.margin or not f.free_margin then return nil end
  local within = f.margin <= f.free_margin -- false for NaN, too
  if not within then
    return ("%.2f of margin are more than the %.2f that are free"):format(f.margin, f.free_margin)
  end
end

--- The rules, in the order in which they are asked.
validate.rules = { "instrument", "expired", "session_closed", "volume_min", "volume_max", "volume_step",
  "volume_position", "price_digits", "pending_price", "pending_type", "pending_side", "pending_distance", "stop_side",
  "stop_distance", "target_side", "target_distance", "freeze_level", "margin" }

--- The first rule that an order breaks, or nil.
---@param o perigee.CheckedOrder
---@param f perigee.OrderFacts
---@return string|nil rule, string|nil reason
function validate.order(o, f)
  for _, name in ipairs(validate.rules) do
    if o.volume ~= nil or not name:match("^volume_") then
      local reason = rules[name](o, f)
      if reason then return name, reason end
    end
  end
end

return validate
