-- SPDX-License-Identifier: MIT
-- The Match-Trader face of the paper broker: routes of the Platform API over perigee.sim. It shares no code with
-- the codec that reads it; both are held against the same golden transcripts.

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"
local json = require "perigee.json"

local routes = {}

local quoted, object, list, raw = json.string, json.object, json.list, json.number

local JSON = { { "Content-Type", "application/json" } }

---@class perigee.SimBroker
---@field sim any                      perigee.sim
---@field sessions perigee.SimSessions
---@field accounts table<string, perigee.SimAccount>
---@field digits table<string, integer>  price digits by symbol
---@field profile table                typing = "strings", cookie = "required"|"optional"
---@field system string                uuid in the paths

local function reply(text) return 200, JSON, text end

local function failure(status, message)
  return status, JSON, object { { "errorMessage", quoted(message) } }
end

-- Money, volumes and prices of the trading engine are strings, as the profile "strings" says.
local function price(b, symbol, value)
  return quoted(decimal.new(value):fixed(b.digits[symbol]))
end

local function level(b, symbol, value)
  return decimal.new(value):sign() == 0 and "null" or price(b, symbol, value)
end

local function money(value) return quoted(decimal.new(value):fixed(2)) end

local function exact(value) return quoted(tostring(decimal.new(value))) end

local function operation(id)
  return reply(object { { "status", quoted("OK") }, { "nativeCode", "null" }, { "errorMessage", quoted("") },
    { "orderId", quoted(id) } })
end

local function rejected(code, text)
  if code == "IO" then return failure(500, text) end
  return reply(object { { "status", quoted("REJECTED") }, { "nativeCode", quoted(code) },
    { "errorMessage", quoted(text) }, { "orderId", "null" } })
end

-- ---- sessions ------------------------------------------------------------------------------------

local function cookie(req, name)
  local line = req:header("cookie")
  return line and (";" .. line:gsub("%s", "")):match(";" .. name:gsub("%-", "%%-") .. "=([^;]*)")
end

local function session_headers(s)
  return { JSON[1], { "Set-Cookie", "co-auth=" .. s.token .. "; Path=/; HttpOnly" },
    { "Set-Cookie", "rt=" .. s.refresh .. "; Path=/manager; HttpOnly" } }
end

local function account_row(b, s, id)
  local a = b.accounts[id]
  return object { { "tradingAccountId", quoted(id) }, { "uuid", quoted(b.system:sub(1, 24) .. ("%012d"):format(id)) },
    { "created", quoted("2020-08-19T07:54:11.936Z") }, { "tradingApiToken", quoted(s.api[id]) },
    { "tradingAccountToken", object { { "token", quoted(s.token) }, { "expiration", quoted(clock.iso(s.expires)) } } },
    { "leverage", raw(a.leverage) }, { "group", quoted("paper-" .. a.currency:lower()) },
    { "offer", object { { "name", quoted("Paper") }, { "currency", quoted(a.currency) }, { "demo", "true" },
      { "leverage", raw(a.leverage) }, { "system", object { { "uuid", quoted(b.system) }, { "name", quoted("paper") },
        { "demo", "true" }, { "active", "true" }, { "systemType", quoted("QFX") },
        { "tradingApiDomain", quoted("http://ta-internal:8080") } } } } } }
end

local function login(b, req)
  local body = json.decode(req:body())
  if type(body) ~= "table" or type(body.email) ~= "string" or type(body.password) ~= "string"
    or not (type(body.brokerId) == "string" or math.type(body.brokerId) == "integer") then
    return failure(400, "email, password and brokerId are required")
  end
  local s = b.sessions:login(body.email, body.password, b.sim:now())
  if not s then return failure(401, "Invalid credentials") end
  local rows, ids = {}, b.sessions.users[body.email].accounts
  for i, id in ipairs(ids) do rows[i] = account_row(b, s, id) end
  return 200, session_headers(s), object { { "email", quoted(body.email) }, { "token", quoted(s.token) },
    { "tradingAccounts", list(rows) }, { "selectedTradingAccount", rows[1] },
    { "accountInfo", object { { "email", quoted(body.email) }, { "partnerId", quoted("0") } } },
    { "accessMode", "null" } }
end

local function refresh(b, req)
  local s, status = b.sessions:refresh(cookie(req, "rt"), cookie(req, "co-auth"), b.sim:now())
  if not s then
    return failure(status, status == 429 and "Too many refreshes" or "Refresh token is not valid")
  end
  return 200, session_headers(s), ""
end

-- ---- reads ---------------------------------------------------------------------------------------

local function unescape(text)
  return (text:gsub("%+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function query(req)
  local out = {}
  for name, value in req:query():gmatch("([^&=]+)=([^&]*)") do out[unescape(name)] = unescape(value) end
  return out
end

local function balance(b, account)
  local m = b.sim:money(account)
  if not m then return failure(500, "the balance is not available") end
  return reply(object { { "balance", exact(m.balance) }, { "equity", exact(m.equity) }, { "margin", exact(m.margin) },
    { "freeMargin", exact(m.free_margin) }, { "marginLevel", money(m.level) }, { "profit", exact(m.profit) },
    { "netProfit", exact(m.net_profit) }, { "credit", quoted("0.00") },
    { "currency", quoted(b.accounts[account].currency) }, { "currencyPrecision", "2" } })
end

-- The market never sleeps.
local function trading_hours()
  local days = {}
  for day = 0, 6 do
    days[#days + 1] = object { { "dayNumber", raw(day) }, { "openHours", "0" }, { "openMinutes", "0" },
      { "openSeconds", "0" }, { "closeHours", "23" }, { "closeMinutes", "59" }, { "closeSeconds", "59" } }
  end
  return list(days)
end

local function instruments(b)
  local rows = {}
  for i, s in ipairs(b.sim:symbols()) do
    rows[i] = object { { "symbol", quoted(s.symbol) }, { "alias", quoted(s.symbol) },
      { "description", quoted(s.base .. " vs " .. s.quote) }, { "type", quoted(i == 1 and "CFD" or "FOREX") },
      { "baseCurrency", quoted(s.base) }, { "quoteCurrency", quoted(s.quote) }, { "sessionOpen", "true" },
      { "tradingHours", trading_hours() }, { "volumeMin", raw(s.volume_min) }, { "volumeMax", raw(s.volume_max) },
      { "volumeStep", raw(s.volume_step) }, { "volumePrecision", raw(s.volume_digits) },
      { "pricePrecision", raw(s.price_digits) },
      { "sizeOfOnePoint", raw(("%." .. s.price_digits .. "f"):format(10 ^ -s.price_digits)) },
      { "contractSize", raw(s.contract_size) }, { "leverage", raw(s.leverage) }, { "stopsLevel", raw(s.stops_level) },
      { "freezeLevel", "0" }, { "commission", raw(s.commission) }, { "askMarkup", "0" }, { "bidMarkup", "0" },
      { "fixedLeverage", "null" }, { "multiplier", "1" }, { "multiplierCurrency", quoted(s.quote) }, { "divider", "1" },
      { "swapType", quoted("PIPS") }, { "swapBuy", "0" }, { "swapSell", "0" },
      { "terminationType", quoted("UNDEFINED") }, { "terminationDate", "null" }, { "terminationDateIso", "null" },
      { "tags", "[]" } }
  end
  return reply(list(rows))
end

local function quotations(b, _, req)
  local names = query(req).symbols
  if not names then return failure(400, "symbols is required") end
  local rows = {}
  for name in names:gmatch("[^,]+") do
    local q = b.sim:quote(name)
    if q then
      local change = (tonumber(q.bid) / tonumber(q.open) - 1) * 100
      rows[#rows + 1] = object { { "symbol", quoted(name) }, { "alias", quoted(name) }, { "bid", raw(q.bid) },
        { "ask", raw(q.ask) }, { "change", raw(("%.2f"):format(change)) }, { "high", raw(q.high) },
        { "low", raw(q.low) }, { "timestampMs", raw(q.time_ms) }, { "timestampSec", raw(q.time_ms // 1000) } }
    end
  end
  return reply(list(rows))
end

local intervals = { M1 = { "1m", 60000 }, M5 = { "5m", 300000 }, M15 = { "15m", 900000 } }

local function candle(bar)
  return object { { "time", raw(bar.open_ms) }, { "open", raw(bar.open) }, { "high", raw(bar.high) },
    { "low", raw(bar.low) }, { "close", raw(bar.close) }, { "volume", raw(bar.volume) } }
end

local MOST_CANDLES = 2880

-- Milliseconds of a parameter: ISO-8601 or epoch milliseconds; `absent` when it is not given, nil for nonsense.
local function moment(text, absent)
  if not text then return absent end
  return clock.parse(text) or math.tointeger(tonumber(text))
end

local function candles(b, _, req)
  local q = query(req)
  local interval = intervals[q.interval or ""]
  if not q.symbol or not interval then return failure(400, "symbol and interval (M1, M5, M15) are required") end
  if not b.digits[q.symbol] then return failure(404, "unknown symbol") end
  local from, to = moment(q.from, 0), moment(q.to, math.maxinteger)
  local count = math.tointeger(tonumber(q.count or MOST_CANDLES))
  if not from or not to or not count or count < 1 then return failure(400, "from, to or count cannot be read") end
  local bars = b.sim:history(q.symbol, interval[1], MOST_CANDLES)
  bars[#bars + 1] = b.sim:forming(q.symbol, interval[1])
  local first = q.count and math.max(#bars - count + 1, 1) or 1
  local rows = {}
  for i = first, #bars do
    local bar = bars[i]
    if bar.open_ms >= from and bar.open_ms <= to then rows[#rows + 1] = candle(bar) end
  end
  return reply(object { { "symbol", quoted(q.symbol) }, { "interval", quoted(q.interval) },
    { "candles", list(rows) } })
end

local function position_row(b, p)
  local net = decimal.new(p.profit or "0") + decimal.new(p.commission or "0")
  local common = { { "id", quoted(p.id) }, { "symbol", quoted(p.symbol) }, { "alias", quoted(p.symbol) },
    { "volume", exact(p.volume) }, { "side", quoted(p.side) }, { "openTime", quoted(clock.iso(p.opened_ms)) },
    { "openTimeMillis", raw(p.opened_ms) }, { "openPrice", price(b, p.symbol, p.price) },
    { "stopLoss", level(b, p.symbol, p.stop) }, { "takeProfit", level(b, p.symbol, p.target) },
    { "trailingDistance", "0" }, { "swap", quoted("0.00") }, { "profit", exact(p.profit or "0") },
    { "netProfit", exact(tostring(net)) }, { "currentPrice", price(b, p.symbol, p.current or p.price) },
    { "commission", exact(p.commission or "0") } }
  return object(common)
end

local function open_positions(b, account)
  local rows = {}
  for i, p in ipairs(b.sim:positions(account)) do rows[i] = position_row(b, p) end
  return reply(object { { "positions", list(rows) } })
end

local function close_row(b, c)
  local net = decimal.new(c.profit) + decimal.new(c.commission) + decimal.new(c.swap)
  return object { { "id", quoted(c.id) }, { "uid", quoted(c.uid) }, { "closingOrderID", quoted(c.order) },
    { "symbol", quoted(c.symbol) }, { "alias", quoted(c.symbol) }, { "side", quoted(c.side) },
    { "volume", exact(c.volume) }, { "openTime", quoted(clock.iso(c.opened_ms)) },
    { "openPrice", price(b, c.symbol, c.open_price) }, { "time", quoted(clock.iso(c.closed_ms)) },
    { "closePrice", price(b, c.symbol, c.price) }, { "stopLoss", level(b, c.symbol, c.stop) },
    { "takeProfit", level(b, c.symbol, c.target) }, { "commission", exact(c.commission) }, { "swap", exact(c.swap) },
    { "profit", exact(c.profit) }, { "netProfit", exact(tostring(net)) },
    { "closeReason", quoted(c.partial and "CLOSE_REASON_PARTIAL" or "CLOSE_REASON_OTHER") } }
end

local function time_of(value)
  if type(value) == "number" then return math.floor(value) end
  return type(value) == "string" and clock.parse(value) or nil
end

local function closed_positions(b, account, req)
  local body = json.decode(req:body())
  local from, to = type(body) == "table" and time_of(body.from), type(body) == "table" and time_of(body.to)
  if not from or not to then return failure(400, "from and to are required") end
  local rows = {}
  for i, c in ipairs(b.sim:closed(account, from, to)) do rows[i] = close_row(b, c) end
  return reply(object { { "status", quoted("FULL") }, { "operations", list(rows) } })
end

local function active_orders() return reply('{"orders":[]}') end

-- ---- writes --------------------------------------------------------------------------------------

-- A number or a numeric string as an exact decimal; nil, "" and null: nothing; false: nonsense.
local function amount(value)
  if value == nil or value == "" or type(value) == "userdata" then return nil end
  local ok, d = pcall(decimal.new, value)
  return ok and d or false
end

local function order_body(req)
  local body = json.decode(req:body())
  if type(body) ~= "table" then return nil, "the body is no JSON object" end
  if type(body.instrument) ~= "string" then return nil, "instrument is required" end
  if body.orderSide ~= "BUY" and body.orderSide ~= "SELL" then return nil, "orderSide must be BUY or SELL" end
  local volume, stop, target = amount(body.volume), amount(body.slPrice), amount(body.tpPrice)
  if not volume then return nil, "volume is required" end
  if stop == false or target == false then return nil, "slPrice and tpPrice must be numbers" end
  return { symbol = body.instrument, side = body.orderSide, volume = volume, stop = stop or decimal.zero,
    target = target or decimal.zero, body = body }
end

-- `needs`: members that the call asks for beside the common ones; the first is the position's id.
local function with_body(req, fn, needs)
  local o, why = order_body(req)
  if not o then return failure(400, why) end
  for i, name in ipairs(needs or {}) do
    local value = o.body[name]
    if value == nil or i == 1 and type(value) ~= "string" then return failure(400, name .. " is required") end
    if i == 1 then o.id = value end
  end
  local result, code, text = fn(o)
  if not result then return rejected(code, text) end
  return operation(result == true and o.id or result)
end

local function position_open(b, account, req)
  return with_body(req, function(o)
    return b.sim:open_position(account, o.symbol, o.side, o.volume, o.stop, o.target)
  end)
end

local function position_edit(b, account, req)
  return with_body(req, function(o)
    return b.sim:edit(account, o.id, o.symbol, o.side, o.stop, o.target)
  end, { "id", "slPrice", "tpPrice" })
end

local function position_close(b, account, req)
  return with_body(req, function(o)
    return b.sim:close_position(account, o.id, o.symbol, o.side)
  end, { "positionId" })
end

local function position_close_partially(b, account, req)
  return with_body(req, function(o)
    return b.sim:close_position(account, o.id, o.symbol, o.side, o.volume)
  end, { "positionId" })
end

-- ---- dispatch ------------------------------------------------------------------------------------

local doors = {
  ["GET /manager/platform-details"] = function(_, req)
    return reply(object { { "partnerId", quoted("0") },
      { "platformUrl", quoted("http://" .. (req:header("host") or "127.0.0.1")) },
      { "brokerName", quoted("Perigee paper") } })
  end,
  ["POST /manager/mtr-login"] = login,
  ["POST /manager/refresh-token"] = refresh,
}

local trading = {
  ["GET /balance"] = balance,
  ["GET /effective-instruments"] = instruments,
  ["GET /quotations"] = quotations,
  ["GET /candles"] = candles,
  ["GET /open-positions"] = open_positions,
  ["GET /active-orders"] = active_orders,
  ["POST /closed-positions"] = closed_positions,
  ["POST /position/open"] = position_open,
  ["POST /position/edit"] = position_edit,
  ["POST /position/close"] = position_close,
  ["POST /position/close-partially"] = position_close_partially,
}

--- Answers one request: status, headers, body.
---@param b perigee.SimBroker
function routes.handle(b, req)
  local method, path = req:method(), req:path()
  local door = doors[method .. " " .. path]
  if door then return door(b, req) end
  local system, rest = path:match("^/mtr%-api/([^/]+)(/.+)$")
  local route = system == b.system and trading[method .. " " .. rest]
  if not route then return failure(404, "not found") end
  local account = b.sessions:account(req:header("auth-trading-api"), cookie(req, "co-auth"),
    b.profile.cookie ~= "optional", b.sim:now())
  if not account then return failure(401, "the session is not valid") end
  local wait = b.sessions:over_limit(account, b.sim:now())
  if wait then return 429, { JSON[1], { "Retry-After", tostring(wait) } }, '{"errorMessage":"too many requests"}' end
  return route(b, account, req)
end

return routes
