---@meta perigee.book
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

---@class perigee.Book
local B = {}

---Flat arrays {price, size, ...}, best first, at most 64 levels a side.
---@param time_ms integer
---@param bids number[]
---@param asks number[]
---@return true|nil, perigee.Err|nil
function B:snapshot(time_ms, bids, asks) end

---@param time_ms integer
---@param side "bid"|"ask"
---@param price number
---@param size number 0 removes the level
---@return true|nil, perigee.Err|nil
function B:update(time_ms, side, price, size) end

---@param n integer|nil levels, 10 unless told
---@return number|nil
function B:imbalance(n) end

---@return number|nil
function B:spread_bps() end

---@return number|nil
function B:mid() end

---@return number|nil
function B:microprice() end

---@param side "bid"|"ask"
---@param i integer 1 is the best
---@return number|nil price, number|nil size
function B:level(side, i) end

---@param side "bid"|"ask"
---@return integer
function B:depth(side) end

---@return integer
function B:time() end

function B:clear() end

local book = {}

---@param point number value of one point
---@param max_levels integer|nil
---@return perigee.Book
function book.new(point, max_levels) end

return book
