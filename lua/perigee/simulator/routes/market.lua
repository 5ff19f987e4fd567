-- SPDX-License-Identifier: MIT
-- What the paper broker says of its market: instruments, quotes, candles.

local figures = require "perigee.simulator.figures"
local json = require "perigee.json"
local request = require "perigee.simulator.request"

local market = {}

local quoted, object, list, raw = json.string, json.object, json.list, json.number

local MOST_CANDLES = 2880
local DAY_MS = 86400000

-- The last second of a day ends it, as brokers write it.
local function trading_hours(hours)
  local days = {}
  for i, h in ipairs(hours) do
    local from, to = h.open_ms // 1000, h.close_ms == DAY_MS and DAY_MS // 1000 - 1 or h.close_ms // 1000
    days[i] = object { { "dayNumber", raw(h.day) }, { "openHours", raw(from // 3600) },
      { "openMinutes", raw(from // 60 % 60) }, { "openSeconds", raw(from % 60) }, { "closeHours", raw(to // 3600) },
      { "closeMinutes", raw(to // 60 % 60) }, { "closeSeconds", raw(to % 60) } }
  end
  return list(days)
end

local function instrument(b, s, first)
  local function data(value) return figures.data(b, value) end
  return object { { "symbol", quoted(s.symbol) }, { "alias", quoted(s.symbol) },
    { "description", quoted(s.base .. " vs " .. s.quote) }, { "type", quoted(first and "CFD" or "FOREX") },
    { "baseCurrency", quoted(s.base) }, { "quoteCurrency", quoted(s.quote) },
    { "sessionOpen", s.open and "true" or "false" }, { "tradingHours", trading_hours(s.hours) },
    { "volumeMin", data(s.volume_min) }, { "volumeMax", data(s.volume_max) }, { "volumeStep", data(s.volume_step) },
    { "volumePrecision", data(s.volume_digits) }, { "pricePrecision", data(s.price_digits) },
    { "sizeOfOnePoint", data(("%." .. s.price_digits .. "f"):format(10 ^ -s.price_digits)) },
    { "contractSize", data(s.contract_size) }, { "leverage", data(s.leverage) },
    { "stopsLevel", data(s.stops_level) }, { "freezeLevel", data(s.freeze_level) },
    { "commission", data(s.commission) }, { "askMarkup", "0" }, { "bidMarkup", "0" }, { "fixedLeverage", "null" },
    { "multiplier", "1" }, { "multiplierCurrency", quoted(s.quote) }, { "divider", "1" },
    { "swapType", quoted(s.swap_type) }, { "swapBuy", data(s.swap_buy) }, { "swapSell", data(s.swap_sell) },
    { "terminationType", quoted("UNDEFINED") }, { "terminationDate", "null" }, { "terminationDateIso", "null" },
    { "tags", "[]" } }
end

-- All of them, or those that can be traded.
local function instruments(tradeable)
  return function(b)
    local rows = {}
    for i, s in ipairs(b.sim:symbols()) do
      if not tradeable or s.tradeable then rows[#rows + 1] = instrument(b, s, i == 1) end
    end
    return figures.reply(list(rows))
  end
end

-- What is shown: the market's quote, or the one at which the quotes stand still.
local function shown(b, name)
  local frozen = b.frozen
  if not frozen then return b.sim:quote(name) end
  if frozen[name] == nil then frozen[name] = b.sim:quote(name) or false end
  return frozen[name] or nil
end

local function quotations(b, _, req)
  local names = request.query(req).symbols
  if not names then return figures.failure(400, "symbols is required") end
  local rows = {}
  for name in names:gmatch("[^,]+") do
    local q = shown(b, name)
    if q then
      local change, ms = (tonumber(q.bid) / tonumber(q.open) - 1) * 100, figures.time(b, q.time_ms)
      rows[#rows + 1] = object { { "symbol", quoted(name) }, { "alias", quoted(name) },
        { "bid", figures.data(b, q.bid) }, { "ask", figures.data(b, q.ask) },
        { "change", figures.data(b, ("%.2f"):format(change)) }, { "high", figures.data(b, q.high) },
        { "low", figures.data(b, q.low) }, { "timestampMs", figures.data(b, ms) },
        { "timestampSec", figures.data(b, ms // 1000) } }
    end
  end
  return figures.reply(list(rows))
end

local intervals = { M1 = { "1m", 60000 }, M5 = { "5m", 300000 }, M15 = { "15m", 900000 } }

local function candle(b, bar)
  return object { { "time", raw(figures.time(b, bar.open_ms)) }, { "open", raw(bar.open) }, { "high", raw(bar.high) },
    { "low", raw(bar.low) }, { "close", raw(bar.close) }, { "volume", raw(bar.volume) } }
end

local function candles(b, _, req)
  local q = request.query(req)
  local interval = intervals[q.interval or ""]
  if not q.symbol or not interval then
    return figures.failure(400, "symbol and interval (M1, M5, M15) are required")
  end
  if not b.digits[q.symbol] then return figures.failure(404, "unknown symbol") end
  local from, to = request.moment(q.from, 0), request.moment(q.to, math.maxinteger)
  local count = math.tointeger(tonumber(q.count or MOST_CANDLES))
  if not from or not to or not count or count < 1 then
    return figures.failure(400, "from, to or count cannot be read")
  end
  local bars = b.sim:history(q.symbol, interval[1], MOST_CANDLES)
  bars[#bars + 1] = b.sim:forming(q.symbol, interval[1])
  local first = q.count and math.max(#bars - count + 1, 1) or 1
  local rows = {}
  for i = first, #bars do
    local at = figures.time(b, bars[i].open_ms)
    if at >= from and at <= to then rows[#rows + 1] = candle(b, bars[i]) end
  end
  return figures.reply(object { { "symbol", quoted(q.symbol) }, { "interval", quoted(q.interval) },
    { "candles", list(rows) } })
end

--- "METHOD path" -> function(broker, account, request) -> status, headers, body
market.routes = {
  ["GET /effective-instruments"] = instruments(true),
  ["GET /instruments"] = instruments(false),
  ["GET /quotations"] = quotations,
  ["GET /candles"] = candles,
}

return market
