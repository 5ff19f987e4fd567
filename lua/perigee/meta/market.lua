---@meta perigee.market
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

---@class perigee.Bar
---@field open_ms integer
---@field close_ms integer
---@field open number
---@field high number
---@field low number
---@field close number
---@field volume number
---@field buy_volume number
---@field sell_volume number
---@field prints integer
---@field side "recorded"|"modelled"|"tick_rule"|"none"

local market = {}

---@param name string
---@param point number|nil
---@return integer index
function market.symbol_add(name, point) end
---@param name string
---@return integer|nil
function market.symbol(name) end
---@param index integer
---@return string
function market.name(index) end
---@param index integer
---@param on boolean
function market.bars_from_quotes(index, on) end
---@param index integer
---@param t integer
---@param bid number
---@param ask number
---@return true|nil, perigee.Err|nil
function market.quote(index, t, bid, ask) end
---@param index integer
---@param t integer
---@param price number
---@param volume number
---@param buy integer|nil +1, -1, 0
---@param side string|nil "recorded", "modelled", "tick_rule", "none"
---@return true|nil, perigee.Err|nil
function market.print(index, t, price, volume, buy, side) end
---@param index integer
---@param t integer
---@param bids number[] flat: price, size, ...
---@param asks number[]
---@return true|nil, perigee.Err|nil
function market.depth(index, t, bids, asks) end
---@param t integer
function market.advance(t) end
---@param index integer
---@param timeframe string
---@param bar perigee.Bar
---@return true|nil, perigee.Err|nil
function market.warm(index, timeframe, bar) end
---@param index integer
---@return number|nil bid, number|nil ask, integer|nil t
function market.last_quote(index) end
---@param index integer
---@param timeframe string
---@param count integer
---@return perigee.Bar[] oldest first
function market.bars(index, timeframe, count) end
---@param index integer
---@param timeframe string
---@return perigee.Bar|nil
function market.forming(index, timeframe) end
---@return integer
function market.time() end
---@param index integer
---@param n integer|nil
---@return number|nil
function market.imbalance(index, n) end
---@param index integer
---@return number|nil
function market.spread_bps(index) end
---@param fn fun(index: integer, timeframe: string, bar: perigee.Bar) cannot yield; errors are logged
function market.on_bar(fn) end

return market
