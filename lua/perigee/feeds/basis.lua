-- SPDX-License-Identifier: MIT
-- What the broker quotes right now: its last quote is up to a poll old, the reference is not. The distance
-- between the two (the basis) moves slowly, so the newest reference price plus the basis is the better guess,
-- and the size of an order and the place of its stop depend on it.

local clock = require "perigee.clock"
local ledger = require "perigee.ledger"
local market = require "perigee.market"

local basis = {}

local MAX_AGE = 30000 -- market ms

---@class perigee.Basis
---@field known table<string, { at: integer, bid: number|nil, ask: number|nil }>  distances; nil: no reference
local Basis = {}
Basis.__index = Basis

---@return perigee.Basis
function basis.new() return setmetatable({ known = {} }, Basis) end

--- After a new quote of the broker was read: remembers how far it is from the reference.
---@param venue string
---@param canonical string
function Basis:observe(venue, canonical)
  local index = market.symbol(canonical)
  local bid, ask = ledger.quote(venue, canonical)
  if not bid then return end
  local reference_bid, reference_ask = nil, nil
  if index then reference_bid, reference_ask = market.last_quote(index) end
  self.known[venue .. "\0" .. canonical] = { bid = reference_bid and bid - reference_bid,
    ask = reference_bid and ask - reference_ask, at = clock.market_ms() }
end

--- The broker's bid and ask as they should be now; the last quote where there is no reference; nil without any, or
--- when the broker has told nothing new for MAX_AGE.
---@param venue string
---@param canonical string
---@return number|nil bid, number|nil ask
function Basis:quote(venue, canonical)
  local offset = self.known[venue .. "\0" .. canonical]
  if not offset or clock.market_ms() - offset.at > MAX_AGE then return nil end
  local index = offset.bid and market.symbol(canonical)
  if index then
    local bid, ask = market.last_quote(index)
    if bid then return bid + offset.bid, ask + offset.ask end
  end
  return ledger.quote(venue, canonical)
end

return basis
