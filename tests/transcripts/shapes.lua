-- SPDX-License-Identifier: MIT
-- Documented shapes of answers: names of members and their types, in the typing "strings" (the trading engine's
-- figures are texts, market data are numbers). A member that may be missing is not listed. Members that are not
-- listed may be there.

local shapes = {}

local types = {}

function types.text(v) return type(v) == "string" and v ~= "" end
function types.string(v) return type(v) == "string" end
function types.amount(v) return type(v) == "string" and v:match("^%-?%d+%.?%d*$") ~= nil end
function types.level(v) return type(v) ~= "number" and type(v) ~= "table" and (types.null(v) or types.amount(v)) end
function types.number(v) return type(v) == "number" end
function types.integer(v) return math.type(v) == "integer" end
function types.flag(v) return type(v) == "boolean" end
function types.null(v) return type(v) == "userdata" end
function types.id(v) return type(v) == "string" and v:match("^W%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d$") ~= nil end
function types.uid(v) return type(v) == "string" and v:match("^W%d+_close%d+$") ~= nil end
function types.side(v) return v == "BUY" or v == "SELL" end
function types.iso(v) return type(v) == "string" and v:match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.?%d*Z$") ~= nil end
function types.system(v) return type(v) == "string" and v:match("^[%w_-]+$") ~= nil end

types["number or null"] = function(v) return types.number(v) or types.null(v) end

local function list(of) return { list = of } end

local system = { uuid = "system" }

shapes.platform_details = { partnerId = "text", platformUrl = "text", brokerName = "text" }

shapes.login = {
  email = "text", token = "text",
  tradingAccounts = list {
    tradingAccountId = "text", uuid = "text", created = "iso", tradingApiToken = "text",
    tradingAccountToken = { token = "text", expiration = "iso" },
    offer = { currency = "text", leverage = "integer", demo = "flag",
      system = { uuid = "system", name = "text", systemType = "text", demo = "flag", tradingApiDomain = "string" } },
  },
  selectedTradingAccount = { tradingAccountId = "text", uuid = "text", tradingApiToken = "text", group = "text",
    leverage = "integer", offer = { currency = "text", demo = "flag", system = system } },
  accountInfo = { email = "text", partnerId = "text" },
  accessMode = "null",
}

shapes.balance = { balance = "amount", equity = "amount", margin = "amount", freeMargin = "amount",
  marginLevel = "amount", profit = "amount", netProfit = "amount", credit = "amount", currency = "text",
  currencyPrecision = "integer" }

shapes.instruments = list {
  symbol = "text", alias = "text", description = "text", type = "text", baseCurrency = "text", quoteCurrency = "text",
  sessionOpen = "flag",
  tradingHours = list { dayNumber = "integer", openHours = "integer", openMinutes = "integer",
    openSeconds = "integer", closeHours = "integer", closeMinutes = "integer", closeSeconds = "integer" },
  volumeMin = "number", volumeMax = "number", volumeStep = "number", volumePrecision = "integer",
  pricePrecision = "integer", sizeOfOnePoint = "number", contractSize = "number", askMarkup = "number",
  bidMarkup = "number", leverage = "integer", fixedLeverage = "number or null", multiplier = "number",
  multiplierCurrency = "text", divider = "number", swapType = "text", swapBuy = "number", swapSell = "number",
  freezeLevel = "integer", stopsLevel = "integer", commission = "number", terminationType = "text",
  terminationDate = "null", terminationDateIso = "null", tags = list("text"),
}

shapes.quotations = list { symbol = "text", alias = "text", bid = "number", ask = "number", change = "number",
  high = "number", low = "number", timestampMs = "integer", timestampSec = "integer" }

shapes.candles = { symbol = "text", interval = "text", candles = list { time = "integer", open = "number",
  high = "number", low = "number", close = "number", volume = "number" } }

shapes.open_positions = { positions = list { id = "id", symbol = "text", alias = "text", volume = "amount",
  side = "side", openTime = "iso", openTimeMillis = "integer", openPrice = "amount", stopLoss = "level",
  takeProfit = "level", trailingDistance = "number", swap = "amount", profit = "amount", netProfit = "amount",
  currentPrice = "amount", commission = "amount" } }

shapes.closed_positions = { status = "text", operations = list { id = "id", uid = "uid", closingOrderID = "id",
  symbol = "text", alias = "text", side = "side", volume = "amount", openTime = "iso", openPrice = "amount",
  time = "iso", closePrice = "amount", stopLoss = "level", takeProfit = "level", commission = "amount",
  swap = "amount", profit = "amount", netProfit = "amount", closeReason = "text" } }

shapes.active_orders = { orders = list { id = "id", symbol = "text", volume = "amount", type = "text", side = "side",
  activationPrice = "amount", creationTime = "iso" } }

shapes.accepted = { status = "text", nativeCode = "null", errorMessage = "string", orderId = "id" }
shapes.rejected = { status = "text", nativeCode = "text", errorMessage = "text", orderId = "null" }
shapes.failure = { errorMessage = "text" }

--- What is wrong with a decoded value: nil when it has the shape.
---@param shape any    one of `shapes`, or the name of a type
---@param where? string
---@return string|nil
local function check(shape, value, where)
  where = where or "answer"
  if type(shape) == "string" then
    if types[shape](value) then return nil end
    return ("%s is %s (%s), not %s"):format(where, tostring(value), type(value), shape)
  end
  if type(value) ~= "table" then return where .. " is no table but " .. tostring(value) end
  if shape.list then
    for key in pairs(value) do
      if math.type(key) ~= "integer" then return where .. " is no list" end
    end
    for i, item in ipairs(value) do
      local bad = check(shape.list, item, ("%s[%d]"):format(where, i))
      if bad then return bad end
    end
    return nil
  end
  local names = {}
  for name in pairs(shape) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if value[name] == nil then return ("%s lacks %s"):format(where, name) end
    local bad = check(shape[name], value[name], where .. "." .. name)
    if bad then return bad end
  end
  return nil
end

return { shapes = shapes, check = check }
