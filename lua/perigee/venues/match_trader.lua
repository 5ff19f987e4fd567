-- SPDX-License-Identifier: MIT
-- Codec of the Match-Trader Platform API: pure functions from what we want to a request, and from an
-- answer to what it says. Tolerant in what it reads (numbers as strings or numbers, both key families,
-- wrapped or bare arrays), strict in what it writes. It knows no sockets and no clocks.

local decimal = require "perigee.decimal"
local clock = require "perigee.clock"
local json = require "perigee.json"

local codec = {}

-- ---- reading -------------------------------------------------------------------------------------

-- A decimal string, or nil for missing, null, "" and anything that is no number. Places beyond the
-- eighth are rounded away.
local function number(value)
  if type(value) == "number" or (type(value) == "string" and value ~= "") then
    local ok, d = pcall(decimal.new, value)
    if not ok and type(value) == "string" and value:match("^%-?%d+%.%d+$") then
      ok, d = pcall(decimal.new, tonumber(value))
    end
    if ok then return tostring(d) end
  end
  return nil
end

-- Stop and target: missing, null, "" and 0 mean none, "0". nil: a value that cannot be read; to take it
-- for none would show a position without its stop.
local function level(value)
  if value == nil or value == json.null or value == "" then return "0" end
  return number(value)
end

-- A finite double, or nil.
local function double(value)
  local x = tonumber(value)
  if x and x == x and math.abs(x) ~= math.huge then return x end
  return nil
end

local function integer(value)
  local x = double(value)
  return x and math.tointeger(x)
end

local function text(value)
  if type(value) == "string" and value ~= "" then return value end
  if math.type(value) == "integer" then return tostring(value) end
  if type(value) == "number" then return ("%.14g"):format(value) end
  return nil
end

-- Market ms of the first of the keys that holds a time: epoch milliseconds or ISO-8601.
local function time_ms(row, ...)
  for _, key in ipairs({ ... }) do
    local value = row[key]
    local ms = double(value)
    if ms then return math.tointeger(math.floor(ms)) end
    ms = type(value) == "string" and clock.parse(value)
    if ms then return ms end
  end
  return nil
end

local function is_array(value)
  return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

local function wrong(what)
  return nil, { code = "unreadable", message = what, source = "match_trader", retry = "safe" }
end

-- The decoded body, or nil and an error object.
local function body_of(body, what)
  local value = json.decode(body or "")
  if type(value) ~= "table" then return wrong(what .. ": the answer is no JSON object or array") end
  return value
end

-- Rows from a bare array or from one of the wrappers that are known.
local function rows_of(body, what, ...)
  local value, err = body_of(body, what)
  if not value then return nil, err end
  if is_array(value) and value[1] ~= nil then return value end
  for _, key in ipairs({ ... }) do
    if is_array(value[key]) then return value[key] end
  end
  if next(value) == nil and body:match("^%s*%[") then return value end
  return wrong(what .. ": the answer holds no list")
end

-- At most `most` bytes of a text, whole characters, in one line; bytes that are no UTF-8 become "?".
local function clip(words, most)
  local bad = select(2, utf8.len(words))
  while bad do
    words = words:sub(1, bad - 1) .. "?" .. words:sub(bad + 1)
    bad = select(2, utf8.len(words, bad))
  end
  if #words > most then words = words:sub(1, utf8.offset(words, 0, most + 1) - 1) end
  return (words:gsub("%c", " "))
end

--- The words of a failed answer, without anything secret: at most 120 bytes of an errorMessage.
---@param body string|nil
---@return string
function codec.reason(body)
  local value = json.decode(body or "")
  if type(value) ~= "table" then return "" end
  local nested = type(value.error) == "table" and value.error or {}
  local words = text(value.errorMessage) or text(nested.errorMessage) or text(value.detail) or text(value.title)
  return words and clip(words, 120) or ""
end

--- Does an answer carry the marks of an edge block (a challenge page before the broker)?
---@param status integer
---@param header fun(name: string): string|nil
function codec.edge_block(status, header)
  if status ~= 403 then return false end
  local kind = header("content-type") or ""
  return header("cf-mitigated") ~= nil or kind:lower():find("text/html", 1, true) ~= nil
end

--- Milliseconds that a Retry-After header asks for: whole seconds, at most an hour. nil: none that is known.
---@param value string|nil
---@return integer|nil
function codec.retry_after_ms(value)
  local seconds = tonumber(value and value:match("^%s*(%d+)%s*$"))
  return seconds and math.min(seconds, 3600) * 1000 or nil
end

-- ---- session -------------------------------------------------------------------------------------

---@return string method, string path
function codec.platform_details() return "GET", "/manager/platform-details" end

---@return string|nil broker_id, table|nil err
function codec.read_platform_details(body)
  local value, err = body_of(body, "platform-details")
  if not value then return nil, err end
  local id = text(value.partnerId)
  if not id then return wrong("platform-details: partnerId is missing") end
  return id
end

---@param profile perigee.BrokerProfile
---@return string method, string path, string body
function codec.login(profile, email, password, broker_id)
  local fields = { { "email", json.string(email) }, { "password", json.string(password) } }
  if profile.id_key then fields[#fields + 1] = { profile.id_key, json.string(broker_id or "") } end
  return "POST", profile.login, json.object(fields)
end

---@return string method, string path, string body
function codec.refresh(_)
  return "POST", "/manager/refresh-token", ""
end

local function read_account(row)
  local offer = type(row.offer) == "table" and row.offer or {}
  local system = type(offer.system) == "table" and offer.system
    or (type(row.system) == "table" and row.system) or {}
  local own = type(row.tradingAccountToken) == "table" and row.tradingAccountToken or {}
  return {
    id = text(row.tradingAccountId),
    api_token = text(row.tradingApiToken),
    account_token = text(own.token),
    currency = text(offer.currency),
    leverage = math.tointeger(math.floor(double(row.leverage) or double(offer.leverage) or 0)) or 0,
    demo = offer.demo == true or system.demo == true,
    system = text(system.uuid),
    group = text(row.group) or "",
  }
end

--- What a login (or a refresh that answers in full) says.
---@return { token: string|nil, accounts: table[] }|nil, table|nil err
function codec.read_login(body)
  local value, err = body_of(body, "login")
  if not value then return nil, err end
  local accounts, seen = {}, {}
  -- What a row lacks may stand in another row of the same account.
  local function add(row)
    local account = type(row) == "table" and read_account(row) or {}
    local known = account.id and seen[account.id]
    if known then
      for key, v in pairs(account) do
        if not known[key] or known[key] == "" or known[key] == 0 then known[key] = v end
      end
    elseif account.id then
      seen[account.id] = account
      accounts[#accounts + 1] = account
    end
  end
  for _, key in ipairs({ "tradingAccounts", "accounts" }) do
    for _, row in ipairs(is_array(value[key]) and value[key] or {}) do add(row) end
  end
  add(value.selectedTradingAccount)
  add(value.selectedAccount)
  return { token = text(value.token), accounts = accounts }
end

--- The token that a refresh answered in its body, if any.
function codec.read_refresh(body)
  if not body or body == "" then return nil end
  local value = json.decode(body)
  return type(value) == "table" and text(value.token) or nil
end

local base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

--- Market ms at which a JWT expires, or nil when the token is none or does not say.
---@param token string|nil
---@return integer|nil
function codec.token_expiry(token)
  local payload = token and token:match("^[%w_-]+%.([%w_-]+)%.[%w_-]*$")
  if not payload then return nil end
  local bits, count, out = 0, 0, {}
  for c in payload:gmatch(".") do
    bits = (bits << 6 | (base64url:find(c, 1, true) - 1)) & 0xffffff
    count = count + 6
    if count >= 8 then
      count = count - 8
      out[#out + 1] = string.char(bits >> count & 0xff)
    end
  end
  local claims = json.decode(table.concat(out))
  local exp = type(claims) == "table" and double(claims.exp)
  return exp and math.tointeger(math.floor(exp * 1000)) or nil
end

--- Name, value and path of a Set-Cookie line.
---@param line string
---@return string|nil name, string|nil value, string|nil path
function codec.read_cookie(line)
  local name, value = line:match("^%s*([^=;%s]+)=([^;]*)")
  return name, value, line:match(";%s*[Pp][Aa][Tt][Hh]=(/[^;%s]*)") or "/"
end

-- ---- reads ---------------------------------------------------------------------------------------

local function escape(value)
  return (value:gsub("[^%w%-_%.~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

function codec.balance() return "GET", "/balance" end

function codec.read_balance(body)
  local value, err = body_of(body, "balance")
  if not value then return nil, err end
  local balance, equity = number(value.balance), number(value.equity)
  if not balance or not equity then return wrong("balance: balance or equity is missing") end
  local margin = number(value.margin) or "0"
  return { balance = balance, equity = equity, margin = margin,
    free_margin = number(value.freeMargin) or tostring(decimal.new(equity) - decimal.new(margin)),
    currency = text(value.currency) }
end

function codec.instruments() return "GET", "/effective-instruments" end

--- Rows for the `instrument` event; a row that lacks what trading needs is left out and counted.
---@return table[]|nil rows, integer|table skipped
function codec.read_instruments(body, venue)
  local list, err = rows_of(body, "effective-instruments", "instruments")
  if not list then return nil, err end
  local rows, skipped = {}, 0
  for _, r in ipairs(list) do
    local digits = type(r) == "table" and integer(r.pricePrecision)
    local row = digits and {
      venue = venue, symbol = text(r.symbol), canonical = text(r.symbol) and codec.canonical(r.symbol),
      base = text(r.baseCurrency) or "", quote = text(r.quoteCurrency) or text(r.multiplierCurrency),
      price_digits = digits, volume_digits = integer(r.volumePrecision) or 2,
      volume_min = number(r.volumeMin), volume_max = number(r.volumeMax), volume_step = number(r.volumeStep),
      contract_size = number(r.contractSize), leverage = math.tointeger(math.floor(double(r.leverage) or 0)) or 0,
      stops_level = math.tointeger(math.ceil(double(r.stopsLevel) or 0)) or 0,
      commission = number(r.commission) or "0",
    }
    if row and row.symbol and row.quote and row.volume_min and row.volume_max and row.volume_step
      and row.contract_size then
      rows[#rows + 1] = row
    else
      skipped = skipped + 1
    end
  end
  return rows, skipped
end

--- Our name of a venue's symbol: without a suffix such as ".", ".cft", "-m".
function codec.canonical(symbol)
  return (symbol:match("^([%w#/]+)") or symbol):upper()
end

function codec.quotations(symbols)
  local parts = {}
  for i, symbol in ipairs(symbols) do parts[i] = escape(symbol) end
  return "GET", "/quotations?symbols=" .. table.concat(parts, ",")
end

function codec.read_quotations(body)
  local list, err = rows_of(body, "quotations", "body", "quotations")
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

local intervals = { ["1m"] = "M1", ["5m"] = "M5", ["15m"] = "M15", ["1h"] = "H1" }

function codec.candles(symbol, timeframe, from_ms, to_ms)
  return "GET", ("/candles?symbol=%s&interval=%s&from=%s&to=%s"):format(escape(symbol),
    assert(intervals[timeframe], timeframe), escape(clock.iso(from_ms)), escape(clock.iso(to_ms)))
end

function codec.read_candles(body)
  local list, err = rows_of(body, "candles", "candles")
  if not list then return nil, err end
  local rows = {}
  for _, r in ipairs(list) do
    if type(r) == "table" then
      local open_ms = time_ms(r, "time", "timestamp")
      local o, h, l, c = double(r.open), double(r.high), double(r.low), double(r.close)
      if open_ms and o and h and l and c then
        rows[#rows + 1] = { open_ms = open_ms, open = o, high = h, low = l, close = c,
          volume = double(r.volume) or 0 }
      end
    end
  end
  table.sort(rows, function(a, b) return a.open_ms < b.open_ms end)
  return rows
end

function codec.open_positions() return "GET", "/open-positions" end

local function position_row(r)
  local row = { id = text(r.id), symbol = text(r.symbol), side = text(r.side), volume = number(r.volume),
    price = number(r.openPrice), stop = level(r.stopLoss), target = level(r.takeProfit),
    opened_ms = time_ms(r, "openTimeMillis", "openTime") or 0 }
  if row.id and row.symbol and row.volume and row.price and row.stop and row.target
    and (row.side == "BUY" or row.side == "SELL") then
    return row
  end
end

--- All or nothing: a list with an unreadable row proves nothing about what is absent.
function codec.read_open_positions(body)
  local list, err = rows_of(body, "open-positions", "positions")
  if not list then return nil, err end
  local rows = {}
  for i, r in ipairs(list) do
    rows[i] = type(r) == "table" and position_row(r) or nil
    if not rows[i] then return wrong(("open-positions: row %d cannot be read"):format(i)) end
  end
  return rows
end

function codec.closed_positions(from_ms, to_ms)
  return "POST", "/closed-positions", json.object { { "from", json.string(clock.iso(from_ms)) },
    { "to", json.string(clock.iso(to_ms)) } }
end

local function close_row(r)
  local row = { id = text(r.id), uid = text(r.uid) or text(r.closingOrderID) or text(r.id),
    symbol = text(r.symbol), side = text(r.side),
    volume = number(r.volume), open_price = number(r.openPrice), price = number(r.closePrice),
    stop = level(r.stopLoss), target = level(r.takeProfit), profit = number(r.profit),
    commission = number(r.commission) or "0", swap = number(r.swap) or "0",
    opened_ms = time_ms(r, "openTime") or 0, closed_ms = time_ms(r, "time") or 0 }
  if row.id and row.symbol and row.volume and row.open_price and row.price and row.profit
    and row.stop and row.target and (row.side == "BUY" or row.side == "SELL") then
    return row
  end
end

function codec.read_closed_positions(body)
  local list, err = rows_of(body, "closed-positions", "operations")
  if not list then return nil, err end
  local rows = {}
  for i, r in ipairs(list) do
    rows[i] = type(r) == "table" and close_row(r) or nil
    if not rows[i] then return wrong(("closed-positions: row %d cannot be read"):format(i)) end
  end
  return rows
end

function codec.active_orders() return "GET", "/active-orders" end

local function order_row(r)
  local row = { id = text(r.id), symbol = text(r.symbol), side = text(r.side), type = text(r.type),
    volume = number(r.volume), price = number(r.activationPrice), stop = level(r.stopLoss),
    target = level(r.takeProfit), created_ms = time_ms(r, "creationTime") or 0 }
  if row.id and row.symbol and row.volume and row.price and row.stop and row.target
    and (row.side == "BUY" or row.side == "SELL") and (row.type == "LIMIT" or row.type == "STOP") then
    return row
  end
end

--- All or nothing, as with the positions.
function codec.read_active_orders(body)
  local list, err = rows_of(body, "active-orders", "orders")
  if not list then return nil, err end
  local rows = {}
  for i, r in ipairs(list) do
    rows[i] = type(r) == "table" and order_row(r) or nil
    if not rows[i] then return wrong(("active-orders: row %d cannot be read"):format(i)) end
  end
  return rows
end

-- ---- writes --------------------------------------------------------------------------------------

-- A full close says the volume as a text with all places of the instrument's precision.
local function close_fields(order)
  local volume = decimal.new(order.volume)
  local padded = volume:fixed(order.volume_digits)
  if decimal.new(padded) ~= volume then padded = order.volume end
  return json.object { { "positionId", json.string(order.position) }, { "instrument", json.string(order.symbol) },
    { "orderSide", json.string(order.side) }, { "volume", json.string(padded) } }
end

local encoders = {}

function encoders.open(_, order)
  return "POST", "/position/open", json.object { { "instrument", json.string(order.symbol) },
    { "orderSide", json.string(order.side) }, { "volume", order.volume }, { "slPrice", order.stop },
    { "tpPrice", order.target }, { "isMobile", "false" } }
end

function encoders.close(profile, order)
  if profile.close == "bulk" then
    return "POST", "/positions/close", json.list { close_fields(order) }
  end
  return "POST", "/position/close", close_fields(order)
end

function encoders.close_partial(_, order)
  return "POST", "/position/close-partially", json.object { { "positionId", json.string(order.position) },
    { "instrument", json.string(order.symbol) }, { "orderSide", json.string(order.side) },
    { "volume", order.volume }, { "isMobile", "false" } }
end

function encoders.edit(_, order)
  return "POST", "/position/edit", json.object { { "instrument", json.string(order.symbol) },
    { "id", json.string(order.position) }, { "orderSide", json.string(order.side) },
    { "volume", order.volume }, { "slPrice", order.stop }, { "tpPrice", order.target }, { "isMobile", "false" } }
end

--- An order as a request. Volumes and prices are decimal strings already of the instrument's precision.
---@param profile perigee.BrokerProfile
---@return string method, string path, string body
function codec.encode(profile, order)
  return encoders[order.op](profile, order)
end

local function operation(body)
  if body:match("^%s*$") then return { kind = "accepted" } end
  local value = json.decode(body)
  if type(value) ~= "table" then return { kind = "unknown", code = "unreadable", reason = "no JSON" } end
  if value.status == "OK" then
    return { kind = "accepted", broker_id = text(value.orderId) }
  elseif value.status == "REJECTED" then
    return { kind = "rejected", code = text(value.nativeCode) or "rejected", reason = codec.reason(body) }
  elseif value.status == "PARTIAL_SUCCESS" then
    return { kind = "unknown", code = "partial_success", reason = "the broker did a part of it" }
  end
  return { kind = "unknown", code = "unreadable", reason = "no status that is known" }
end

local refused = { [400] = true, [404] = true, [422] = true }

---@class perigee.Verdict
---@field kind "accepted"|"rejected"|"unknown"
---@field broker_id string|nil
---@field code string|nil
---@field reason string|nil
---@field retry_after_ms integer|nil

--- What an answer to a write means. Whatever is not a plain yes or no is unknown.
---@param answer { status: integer, body: string, header: fun(name: string): string|nil }
---@return perigee.Verdict
function codec.decode(_, _, answer)
  local status = answer.status
  if status >= 200 and status < 300 then return operation(answer.body) end
  if refused[status] then
    local value = json.decode(answer.body)
    local code = type(value) == "table" and value.status == "REJECTED" and "rejected" or "status_" .. status
    return { kind = "rejected", code = code, reason = codec.reason(answer.body) }
  end
  if status == 429 then
    return { kind = "rejected", code = "rate_limit", reason = "too many requests",
      retry_after_ms = codec.retry_after_ms(answer.header("retry-after")) }
  end
  if codec.edge_block(status, answer.header) then
    return { kind = "rejected", code = "edge_block", reason = "the broker's edge wants a browser" }
  end
  if status == 401 then return { kind = "unknown", code = "unauthorised" } end
  return { kind = "unknown", code = "status_" .. status }
end

return codec
