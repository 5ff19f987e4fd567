-- SPDX-License-Identifier: MIT
-- Gathers what the local validation must know of an order from ledger, contract data and quotes, and asks it.

local clock = require "perigee.clock"
local contracts = require "perigee.venues.contracts"
local ledger = require "perigee.ledger"
local validate = require "perigee.venues.validate"

local precheck = {}

-- How long the word "closed" of the list of instruments counts; hours that are known count always.
local SESSION_MS = 5 * 60 * 1000

local function facts(venue, o)
  local contract = contracts.get(venue, o.symbol)
  local now, bid, ask = clock.market_ms(), ledger.quote(venue, o.symbol)
  if not contract and not contracts.read(venue) then contract = ledger.instrument(venue, o.symbol) end
  return { venue = venue, contract = contract, now_ms = now, bid = bid,
    ask = ask, offset_minutes = contract and contract.offset_minutes,
    session_known = contract and contract.read_ms and now - contract.read_ms <= SESSION_MS }
end

--- The first rule that an order breaks, or nil. `more`: facts that the caller knows better, such as bid and ask.
---@param venue string
---@param o perigee.CheckedOrder
---@param more table|nil
---@return string|nil rule, string|nil reason
function precheck.order(venue, o, more)
  local f = facts(venue, o)
  for key, value in pairs(more or {}) do f[key] = value end
  return validate.order(o, f)
end

-- Legs of one signal are alike for all accounts of a broker: they are judged once. By venue, the newest.
local last = {}

--- The first rule that an entry at a broker breaks, or nil.
---@param venue string
---@param leg { symbol: string, side: string, volume: string|nil, stop: number, target: number }
---@param bid number
---@param ask number
---@return string|nil rule, string|nil reason
function precheck.entry(venue, leg, bid, ask)
  local l, now = last[venue], clock.market_ms()
  if not l or l.symbol ~= leg.symbol or l.side ~= leg.side or l.volume ~= leg.volume or l.stop ~= leg.stop
    or l.target ~= leg.target or l.bid ~= bid or l.ask ~= ask or l.now ~= now then
    local rule, reason = precheck.order(venue, { op = "open", symbol = leg.symbol, side = leg.side,
      volume = leg.volume, stop = leg.stop, target = leg.target }, { bid = bid, ask = ask })
    l = { symbol = leg.symbol, side = leg.side, volume = leg.volume, stop = leg.stop,
      target = leg.target, bid = bid, ask = ask, now = now, rule = rule, reason = reason }
    last[venue] = l
  end
  return l.rule, l.reason
end

return precheck
