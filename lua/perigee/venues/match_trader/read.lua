-- SPDX-License-Identifier: MIT
-- Reads of the Platform API: balance, instruments, quotes, candles, and the lists of positions and orders.
-- A row is whole or it is not there.

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"
local json = require "perigee.json"
local hours = require "perigee.venues.hours"
local values = require "perigee.venues.match_trader.values"

local read = {}

local number, positive, level, text = values.number, values.positive, values.level, values.text
local double, integer, wrong = values.double, values.integer, values.wrong

-- ---- money ---------------------------------------------------------------------------------------

function read.balance() return "GET", "/balance" end

---@return table|nil { balance, equity, margin, free_margin, profit, credit, currency }, table|nil err
function read.read_balance(body)
  local value, err = values.body(body, "balance")
  if not value then return nil, err end
  local balance, equity = number(value.balance), number(value.equity)
  if not balance or not equity then return wrong("balance: balance or equity is missing") end
  local margin = number(value.margin) or "0"
  local ok, free = pcall(function() return tostring(decimal.new(equity) - decimal.new(margin)) end)
  if not ok then return wrong("balance: equity and margin are out of range") end
  return { balance = balance, equity = equity, margin = margin, free_margin = number(value.freeMargin) or free,
    profit = number(value.profit), credit = number(value.credit), currency = text(value.currency) }
end

-- ---- instruments ---------------------------------------------------------------------------------

--- The instruments that can be traded; with `all` also those that cannot.
---@param all boolean|nil
function read.instruments(all) return "GET", all and "/instruments" or "/effective-instruments" end

--- Our name of a venue's symbol: without a suffix such as ".", ".cft", "-m".
---@param symbol string
---@return string
function read.canonical(symbol)
  return (symbol:match("^([%w#/]+)") or symbol):upper()
end

local function digits_of(value)
  local n = integer(value)
  return n and n >= 0 and n <= 8 and n or nil
end

local function absent(value) return value == nil or value == json.null or value == "" end

-- A level in the broker's points as one in ours, 10^-digits: the broker may count pips. nil: it cannot be read.
local function points(value, point, digits)
  if absent(value) then return 0 end
  local x = double(value)
  local scale = point and tonumber(point) * 10 ^ digits or 1
  return x and values.count(x * scale - 1e-6, math.ceil)
end

-- Decimals of a volume: as the broker says, or as its step has.
local function volume_digits_of(value, step)
  if not absent(value) then return digits_of(value) end
  return step and #(step:match("%.(%d+)$") or "")
end

-- The smaller cap: what binds more margin is the safe reading.
local function leverage_of(r)
  local cap, fixed = values.count(r.leverage, math.floor) or 0, values.count(r.fixedLeverage, math.floor) or 0
  if cap == 0 or fixed == 0 then return math.max(cap, fixed), fixed end
  return math.min(cap, fixed), fixed
end

local function expiry_of(r)
  if r.terminationType ~= "EXPIRATION" then return nil end
  return values.time_of(r, "terminationDateIso", "terminationDate")
end

-- Does a row hold all that the ledger asks of an instrument?
local function whole(row)
  return #row.symbol <= 31 and #row.base <= 7 and row.quote and #row.quote <= 7 and row.volume_digits
    and row.volume_min and row.volume_max and row.volume_step and row.contract_size and row.stops_level
    and row.freeze_level and decimal.new(row.volume_max) >= decimal.new(row.volume_min)
    and decimal.new(row.volume_step):round(row.volume_digits, "down") == decimal.new(row.volume_step)
end

local function instrument_row(r, venue)
  local symbol, digits, point = text(r.symbol), digits_of(r.pricePrecision), positive(r.sizeOfOnePoint)
  if not symbol or not digits then return nil end
  local canonical, step = read.canonical(symbol), positive(r.volumeStep)
  local leverage, fixed = leverage_of(r)
  local row = {
    venue = venue, symbol = symbol, canonical = canonical, base = text(r.baseCurrency) or canonical:sub(1, 7),
    quote = text(r.quoteCurrency) or text(r.multiplierCurrency), price_digits = digits,
    volume_digits = volume_digits_of(r.volumePrecision, step), volume_min = positive(r.volumeMin),
    volume_max = positive(r.volumeMax), volume_step = step, contract_size = positive(r.contractSize),
    leverage = leverage, stops_level = points(r.stopsLevel, point, digits), commission = number(r.commission) or "0",
    type = text(r.type), session_open = values.flag(r.sessionOpen), hours = hours.read(r.tradingHours),
    freeze_level = points(r.freezeLevel, point, digits), fixed_leverage = fixed > 0 and fixed or nil, point = point,
    swap_type = text(r.swapType), swap_buy = number(r.swapBuy), swap_sell = number(r.swapSell),
    expires_ms = expiry_of(r),
  }
  return whole(row) and row or nil
end

--- Contract data; a row that lacks what trading needs is left out and counted.
---@param venue string
---@return perigee.Contract[]|nil rows, integer|table skipped
function read.read_instruments(body, venue)
  local list, err = values.rows(body, "effective-instruments", "instruments")
  if not list then return nil, err end
  local rows, skipped = {}, 0
  for _, r in ipairs(list) do
    local row = type(r) == "table" and instrument_row(r, venue)
    if row then rows[#rows + 1] = row else skipped = skipped + 1 end
  end
  return rows, skipped
end

-- ---- quotes and candles --------------------------------------------------------------------------

---@param symbols string[]  as the venue spells them
function read.quotations(symbols)
  local parts = {}
  for i, symbol in ipairs(symbols) do parts[i] = values.escape(symbol) end
  return "GET", "/quotations?symbols=" .. table.concat(parts, ",")
end

--- Quotes that make sense; the others are left out.
---@return { symbol: string, bid: number, ask: number, time_ms: integer|nil }[]|nil, table|nil err
function read.read_quotations(body)
  local list, err = values.rows(body, "quotations", "body", "quotations")
  if not list then return nil, err end
  local rows = {}
  for _, r in ipairs(list) do
    if type(r) == "table" then
      local bid, ask = double(r.bid), double(r.ask)
      if text(r.symbol) and bid and ask and bid > 0 and ask >= bid then
        rows[#rows + 1] = { symbol = text(r.symbol), bid = bid, ask = ask, time_ms = integer(r.timestampMs) }
      end
    end
  end
  return rows
end

local MINUTE = 60000

local intervals = { ["1m"] = { "M1", MINUTE }, ["5m"] = { "M5", 5 * MINUTE }, ["15m"] = { "M15", 15 * MINUTE },
  ["30m"] = { "M30", 30 * MINUTE }, ["1h"] = { "H1", 60 * MINUTE }, ["4h"] = { "H4", 240 * MINUTE },
  ["1d"] = { "D1", 1440 * MINUTE }, ["1w"] = { "W1", 7 * 1440 * MINUTE }, ["1mo"] = { "MN1", 30 * 1440 * MINUTE } }

local function ask_candles(symbol, timeframe)
  return ("/candles?symbol=%s&interval=%s"):format(values.escape(symbol), assert(intervals[timeframe], timeframe)[1])
end

function read.candles(symbol, timeframe, from_ms, to_ms)
  return "GET", ("%s&from=%s&to=%s"):format(ask_candles(symbol, timeframe), values.escape(clock.iso(from_ms)),
    values.escape(clock.iso(to_ms)))
end

--- The newest `count` candles, at brokers that are asked that way.
---@param count integer
function read.candles_count(symbol, timeframe, count)
  return "GET", ("%s&count=%d"):format(ask_candles(symbol, timeframe), count)
end

--- Candles from a time until now, in the form that the broker takes.
---@param profile perigee.BrokerProfile
function read.candles_of(profile, symbol, timeframe, from_ms, now_ms)
  if profile.candles ~= "count" then return read.candles(symbol, timeframe, from_ms, now_ms) end
  local period = assert(intervals[timeframe], timeframe)[2]
  return read.candles_count(symbol, timeframe, math.max(now_ms - from_ms, 0) // period + 1)
end

--- Candles, oldest first; the last one may still be forming.
---@return table[]|nil, table|nil err
function read.read_candles(body)
  local list, err = values.rows(body, "candles", "candles")
  if not list then return nil, err end
  local rows = {}
  for _, r in ipairs(list) do
    if type(r) == "table" then
      local open_ms = values.time_of(r, "time", "timestamp")
      local o, h, l, c = double(r.open), double(r.high), double(r.low), double(r.close)
      if open_ms and o and h and l and c and l <= math.min(o, c) and h >= math.max(o, c) then
        rows[#rows + 1] = { open_ms = open_ms, open = o, high = h, low = l, close = c,
          volume = double(r.volume) or 0 }
      end
    end
  end
  table.sort(rows, function(a, b) return a.open_ms < b.open_ms end)
  return rows
end

-- ---- the book ------------------------------------------------------------------------------------

function read.open_positions() return "GET", "/open-positions" end

local function position_row(r)
  local row = { id = text(r.id), symbol = text(r.symbol), side = values.side(r.side), volume = number(r.volume),
    price = number(r.openPrice), stop = level(r.stopLoss), target = level(r.takeProfit),
    opened_ms = values.time_of(r, "openTimeMillis", "openTime") or 0 }
  if row.id and row.symbol and row.side and row.volume and row.price and row.stop and row.target then return row end
end

-- The parts that a position was filled in; one that cannot be read makes them unknown.
local function legs_of(r)
  local legs = {}
  for i, leg in ipairs(values.is_array(r.positions) and r.positions or {}) do
    leg = values.object(leg)
    local row = { id = text(leg.id), volume = positive(leg.volume), price = positive(leg.openPrice),
      opened_ms = values.time_of(leg, "openTimeMillis", "openTime") }
    if not row.id or not row.volume then return nil end
    legs[i] = row
  end
  return legs[1] and legs or nil
end

---@class perigee.PositionFigures
---@field profit string|nil
---@field net_profit string|nil
---@field swap string|nil
---@field commission string|nil
---@field current string|nil    price that it would close at
---@field legs table[]|nil      { id, volume, price, opened_ms } of each part

local function figures(r)
  return { profit = number(r.profit), net_profit = number(r.netProfit), swap = number(r.swap),
    commission = number(r.commission), current = positive(r.currentPrice), legs = legs_of(r) }
end

--- All or nothing: a list with an unreadable row proves nothing about what is absent.
---@return table[]|nil rows, table|nil figures_or_err  the broker's figures of each row, not needed for what is open
function read.read_open_positions(body)
  local list = {}
  local rows, err = values.all(body, "open-positions", "positions", function(r)
    list[#list + 1] = figures(r)
    return position_row(r)
  end)
  if not rows then return nil, err end
  return rows, list
end

function read.closed_positions(from_ms, to_ms)
  return "POST", "/closed-positions", json.object { { "from", json.string(clock.iso(from_ms)) },
    { "to", json.string(clock.iso(to_ms)) } }
end

local function close_row(r)
  local row = { id = text(r.id), uid = text(r.uid) or text(r.closingOrderID) or text(r.id),
    symbol = text(r.symbol), side = values.side(r.side),
    volume = number(r.volume), open_price = number(r.openPrice), price = number(r.closePrice),
    stop = level(r.stopLoss), target = level(r.takeProfit), profit = number(r.profit),
    commission = number(r.commission) or "0", swap = number(r.swap) or "0",
    opened_ms = values.time(r.openTime) or 0, closed_ms = values.time(r.time) or 0 }
  if row.id and row.symbol and row.side and row.volume and row.open_price and row.price and row.profit
    and row.stop and row.target then
    return row
  end
end

---@return table[]|nil, table|nil err
function read.read_closed_positions(body)
  return values.all(body, "closed-positions", "operations", close_row)
end

function read.active_orders() return "GET", "/active-orders" end

local function order_row(r)
  local row = { id = text(r.id), symbol = text(r.symbol), side = values.side(r.side), type = text(r.type),
    volume = number(r.volume), price = number(r.activationPrice), stop = level(r.stopLoss),
    target = level(r.takeProfit), created_ms = values.time(r.creationTime) or 0 }
  if row.id and row.symbol and row.side and row.volume and row.price and row.stop and row.target
    and (row.type == "LIMIT" or row.type == "STOP") then
    return row
  end
end

--- All or nothing, as with the positions.
---@return table[]|nil, table|nil err
function read.read_active_orders(body)
  return values.all(body, "active-orders", "orders", order_row)
end

return read
