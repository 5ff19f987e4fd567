-- SPDX-License-Identifier: MIT
-- What the protocol page says of each answer, and how an answer differs from it: members that nobody expected,
-- expected ones that are missing or have another type. This is for people to read, not for the codec to decide.
--
-- Types: num (a JSON number or a text that is one), text, flag, time (ISO-8601 or epoch ms), any, a table of members,
-- or { list = ... }. "?" behind a type: it may be missing, null or "".

local clock = require "perigee.clock"
local json = require "perigee.json"

local expect = {}

local system = { uuid = "text", name = "text?", demo = "flag?", active = "flag?", systemType = "text?",
  tradingApiDomain = "text?" }

local account = {
  tradingAccountId = "text", uuid = "text?", branchUuid = "text?", created = "time?", tradingApiToken = "text",
  tradingAccountToken = { token = "text?", expiration = "time?", optional = true }, group = "text?", leverage = "num?",
  isRetail = "flag?", isProView = "flag?",
  offer = { uuid = "text?", partnerId = "text?", created = "time?", name = "text?", currency = "text",
    description = "text?", initialDeposit = "num?", leverage = "num?", demo = "flag?", hidden = "flag?", branch = "any",
    system = system, moneyManager = "any", displayMMInLeaderboard = "flag?", verificationRequired = "flag?",
    tradingAccountAutoCreation = "flag?", recordNumber = "num?", mt5MamSystemType = "any", offerRedirect = "any",
    offerType = "any" },
}

local common = { id = "text", symbol = "text", alias = "text?", side = "side", volume = "num" }

local function with(members)
  for name, kind in pairs(common) do members[name] = members[name] or kind end
  return members
end

local instrument = {
  symbol = "text", alias = "text?", description = "text?", type = "text?", baseCurrency = "text?",
  quoteCurrency = "text", sessionOpen = "flag?", tradingHours = { list = { dayNumber = "num", openHours = "num",
    openMinutes = "num?", openSeconds = "num?", closeHours = "num", closeMinutes = "num?", closeSeconds = "num?" } },
  volumeMin = "num", volumeMax = "num", volumeStep = "num", volumePrecision = "num?", pricePrecision = "num",
  sizeOfOnePoint = "num?", contractSize = "num", askMarkup = "num?", bidMarkup = "num?", leverage = "num?",
  fixedLeverage = "num?", multiplier = "num?", multiplierCurrency = "text?", divider = "num?", swapType = "text?",
  swapBuy = "num?", swapSell = "num?", freezeLevel = "num?", stopsLevel = "num?", commission = "num?",
  terminationType = "text?", terminationDate = "any", terminationDateIso = "any", tags = "any",
}

--- By call. `optional`: a table that may be missing. `either`: pairs of members of which one is enough. `wrappers`:
--- members that a list may stand in.
expect.answers = {
  ["platform-details"] = { partnerId = "text", platformUrl = "text?", brokerName = "text?" },
  login = { email = "text?", token = "text?", tradingAccounts = { list = account }, accounts = { list = account },
    selectedTradingAccount = account, selectedAccount = account, accountInfo = "any", accessMode = "any",
    tfaProperties = "any", tfaConfig = "any",
    either = { tradingAccounts = "accounts", accounts = "tradingAccounts", selectedTradingAccount = "selectedAccount",
      selectedAccount = "selectedTradingAccount" } },
  renewal = { token = "text?" },
  balance = { balance = "num", equity = "num", margin = "num?", freeMargin = "num?", marginLevel = "num?",
    profit = "num?", netProfit = "num?", credit = "num?", currency = "text?", currencyPrecision = "num?" },
  instruments = { list = instrument, wrappers = { "instruments" } },
  quotations = { list = { symbol = "text", alias = "text?", bid = "num", ask = "num", change = "num?", high = "num?",
    low = "num?", timestampMs = "num?", timestampSec = "num?" }, wrappers = { "body", "quotations" } },
  candles = { symbol = "text?", interval = "text?", candles = { list = { time = "time", open = "num", high = "num",
    low = "num", close = "num", volume = "num?" } } },
  positions = { positions = { list = with { openTime = "time?", openTimeMillis = "time?", openPrice = "num",
    stopLoss = "num?", takeProfit = "num?", trailingDistance = "num?", swap = "num?", profit = "num?",
    netProfit = "num?", currentPrice = "num?", commission = "num?", margin = "num?", positions = "any" } } },
  orders = { orders = { list = with { type = "text", activationPrice = "num", creationTime = "time?", stopLoss = "num?",
    takeProfit = "num?", comment = "any", openPrice = "num?", currentPrice = "num?" } } },
  closed = { status = "text?", operations = { list = with { uid = "text?", closingOrderID = "text?", openTime = "time?",
    openPrice = "num", time = "time", closePrice = "num", stopLoss = "num?", takeProfit = "num?", commission = "num?",
    swap = "num?", profit = "num", netProfit = "num?", closeReason = "text?", stopLossInMainWallet = "any",
    takeProfitInMainWallet = "any", bidPrice = "any", askPrice = "any", currentPrice = "any" } } },
}

local function empty(value) return value == nil or value == json.null or value == "" end

local function numeric(value)
  return type(value) == "number" or type(value) == "string" and value:match("^%s*[+-]?%d[%d.eE+-]*%s*$") ~= nil
end

local kinds = {
  num = numeric,
  text = function(v) return type(v) == "string" or math.type(v) == "integer" end,
  flag = function(v) return type(v) == "boolean" end,
  time = function(v) return numeric(v) or type(v) == "string" and clock.parse(v) ~= nil end,
  side = function(v) return v == "BUY" or v == "SELL" end,
  any = function() return true end,
}

local function name_of(value)
  if value == json.null then return "null" end
  if type(value) == "table" then return (value[1] ~= nil or next(value) == nil) and "list" or "object" end
  if value == "" then return "empty text" end
  if type(value) == "string" then return numeric(value) and "number as text" or "text" end
  return type(value)
end

---@class perigee.Differences
---@field unexpected table<string, string>  path to the type that came
---@field missing table<string, integer>    path to the number of rows without it, of members that are needed
---@field absent table<string, integer>     the same of members that may be missing
---@field wrong table<string, string>       path to what came instead
---@field rows table<string, integer>       rows of each list
---@field texts integer                     figures that came as texts
---@field numbers integer                   figures that came as numbers

local walk

local function scalar(d, kind, value, path)
  local may_miss = kind:sub(-1) == "?"
  kind = may_miss and kind:sub(1, -2) or kind
  if may_miss and empty(value) then return end
  if kinds[kind](value) then
    if kind == "num" then
      local key = type(value) == "string" and "texts" or "numbers"
      d[key] = d[key] + 1
    end
  else
    d.wrong[path] = ("%s instead of %s"):format(name_of(value), kind)
  end
end

local function missing(d, kind, path)
  local may = type(kind) == "string" and kind:sub(-1) == "?" or type(kind) == "table" and kind.optional
  local into = may and d.absent or d.missing
  into[path] = (into[path] or 0) + 1
end

local function object(d, members, value, path)
  if type(value) ~= "table" or value[1] ~= nil then
    d.wrong[path] = name_of(value) .. " instead of object"
    return
  end
  local either, at = members.either or {}, path == "" and "" or path .. "."
  for name, kind in pairs(members) do
    local inner = value[name]
    if name ~= "either" and name ~= "optional" and kind ~= "any" then
      if inner == nil or inner == json.null and type(kind) == "table" then
        if value[either[name] or ""] == nil then missing(d, kind, at .. name) end
      else
        walk(d, kind, inner, at .. name)
      end
    end
  end
  for name, inner in pairs(value) do
    if members[name] == nil or name == "either" or name == "optional" then
      d.unexpected[at .. tostring(name)] = name_of(inner)
    end
  end
end

local function list(d, shape, value, path)
  for _, wrapper in ipairs(shape.wrappers or {}) do
    if type(value) == "table" and value[1] == nil and type(value[wrapper]) == "table" then
      d.wrong[path == "" and wrapper or path] = ("a list inside %s instead of a bare one"):format(wrapper)
      value = value[wrapper]
    end
  end
  if type(value) ~= "table" or (value[1] == nil and next(value) ~= nil) then
    d.wrong[path == "" and "answer" or path] = name_of(value) .. " instead of list"
    return
  end
  path = path .. "[]"
  d.rows[path] = (d.rows[path] or 0) + #value
  for _, row in ipairs(value) do walk(d, shape.list, row, path) end
end

function walk(d, shape, value, path)
  if type(shape) == "string" then return scalar(d, shape, value, path) end
  if shape.list then return list(d, shape, value, path) end
  return object(d, shape, value, path)
end

--- How an answer differs from what its call is documented to say.
---@param call string
---@param value any   decoded
---@return perigee.Differences
function expect.compare(call, value)
  local d = { unexpected = {}, missing = {}, absent = {}, wrong = {}, rows = {}, texts = 0, numbers = 0 }
  walk(d, expect.answers[call], value, "")
  return d
end

local function sorted(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function rows_of(d, path)
  local parent = path:match("^(.*%[%])[^%[%]]*$")
  return parent and d.rows[parent] or 1
end

--- The differences as lines, sorted.
---@param call string
---@param d perigee.Differences
---@return string[]
function expect.lines(call, d)
  local out = {}
  for _, path in ipairs(sorted(d.wrong)) do out[#out + 1] = ("%s: %s is %s"):format(call, path, d.wrong[path]) end
  for _, path in ipairs(sorted(d.missing)) do
    local count, of = d.missing[path], rows_of(d, path)
    out[#out + 1] = of > 1 and ("%s: %s is missing in %d of %d"):format(call, path, count, of)
      or ("%s: %s is missing"):format(call, path)
  end
  for _, path in ipairs(sorted(d.unexpected)) do
    out[#out + 1] = ("%s: %s is not known (%s)"):format(call, path, d.unexpected[path])
  end
  local absent = {}
  for _, path in ipairs(sorted(d.absent)) do
    local all = d.absent[path] == rows_of(d, path)
    absent[#absent + 1] = path .. (all and "" or " (in some)")
  end
  if #absent > 0 then
    out[#out + 1] = ("%s: %d members that may be missing are: %s"):format(call, #absent, table.concat(absent, ", "))
  end
  return out
end

return expect
