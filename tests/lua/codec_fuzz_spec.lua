-- SPDX-License-Identifier: MIT
-- Answers that were damaged, by chance but always the same: no reader raises, none returns half a row, and no verdict
-- is a yes that the broker did not say.

local brokers = require "perigee.venues.brokers"
local codec = require "perigee.venues.match_trader"
local decimal = require "perigee.decimal"
local json = require "perigee.json"
local rng = require "perigee.rng"

local ROUNDS = os.getenv("PERIGEE_TEST_MODE") == "soak" and 5000 or 400

-- ---- what a whole row is -------------------------------------------------------------------------

local function is_text(v) return type(v) == "string" and v ~= "" end
local function is_decimal(v)
  return type(v) == "string" and pcall(decimal.new, v) and v:match("^%-?%d+%.?%d*$") ~= nil
end
local function is_time(v) return math.type(v) == "integer" end
local function is_double(v) return type(v) == "number" and v == v and math.abs(v) ~= math.huge end
local function is_side(v) return v == "BUY" or v == "SELL" end
local function maybe(check) return function(v) return v == nil or check(v) end end
local function one_of(...)
  local set = {}
  for _, word in ipairs({ ... }) do set[word] = true end
  return function(v) return set[v] == true end
end

local function span_list(v)
  if v == nil then return true end
  for _, s in ipairs(v) do
    if not (s.day >= 0 and s.day <= 6 and s.open_ms >= 0 and s.open_ms < s.close_ms and s.close_ms <= 86400000) then
      return false
    end
  end
  return #v > 0
end

local function whole(v) return math.type(v) == "integer" and v >= 0 end

local rows = {
  positions = { id = is_text, symbol = is_text, side = is_side, volume = is_decimal, price = is_decimal,
    stop = is_decimal, target = is_decimal, opened_ms = is_time },
  orders = { id = is_text, symbol = is_text, side = is_side, type = one_of("LIMIT", "STOP"), volume = is_decimal,
    price = is_decimal, stop = is_decimal, target = is_decimal, created_ms = is_time },
  closed = { id = is_text, uid = is_text, symbol = is_text, side = is_side, volume = is_decimal, price = is_decimal,
    open_price = is_decimal, stop = is_decimal, target = is_decimal, profit = is_decimal, commission = is_decimal,
    swap = is_decimal, opened_ms = is_time, closed_ms = is_time },
  quotes = { symbol = is_text, bid = is_double, ask = is_double, time_ms = maybe(is_time) },
  candles = { open_ms = is_time, open = is_double, high = is_double, low = is_double, close = is_double,
    volume = is_double },
  accounts = { id = is_text, uuid = maybe(is_text), api_token = maybe(is_text), account_token = maybe(is_text),
    currency = maybe(is_text), leverage = whole, demo = function(v) return type(v) == "boolean" end,
    system = maybe(is_text), group = function(v) return type(v) == "string" end },
  instruments = { venue = is_text, symbol = is_text, canonical = is_text, base = is_text, quote = is_text,
    price_digits = whole, volume_digits = whole, volume_min = is_decimal, volume_max = is_decimal,
    volume_step = is_decimal, contract_size = is_decimal, leverage = whole, stops_level = whole, freeze_level = whole,
    commission = is_decimal, type = maybe(is_text), session_open = maybe(function(v) return type(v) == "boolean" end),
    hours = span_list, fixed_leverage = maybe(whole), point = maybe(is_decimal), swap_type = maybe(is_text),
    swap_buy = maybe(is_decimal), swap_sell = maybe(is_decimal), expires_ms = maybe(is_time) },
}

local function check_rows(kind, list)
  for _, row in ipairs(list) do
    for name, check in pairs(rows[kind]) do
      if not check(row[name]) then return ("%s.%s is %s"):format(kind, name, tostring(row[name])) end
    end
    for name in pairs(row) do
      if not rows[kind][name] then return ("%s has %s"):format(kind, tostring(name)) end
    end
  end
end

-- ---- the readers ---------------------------------------------------------------------------------

local readers = {
  open_positions = function(body) return codec.read_open_positions(body), "positions" end,
  active_orders = function(body) return codec.read_active_orders(body), "orders" end,
  closed_positions = function(body) return codec.read_closed_positions(body), "closed" end,
  quotations = function(body) return codec.read_quotations(body), "quotes" end,
  candles = function(body) return codec.read_candles(body), "candles" end,
  instruments = function(body) return codec.read_instruments(body, "v"), "instruments" end,
  login = function(body)
    local said = codec.read_login(body)
    return said and said.accounts, "accounts"
  end,
  balance = function(body)
    local b = codec.read_balance(body)
    if b then
      for _, name in ipairs({ "balance", "equity", "margin", "free_margin" }) do assert(is_decimal(b[name]), name) end
    end
  end,
  platform_details = function(body)
    local id = codec.read_platform_details(body)
    assert(id == nil or is_text(id))
  end,
  refresh = function(body)
    local token = codec.read_refresh(body)
    assert(token == nil or is_text(token))
    assert(codec.token_expiry(token) == nil or is_time(codec.token_expiry(token)))
  end,
}

-- ---- damage --------------------------------------------------------------------------------------

local odd = { json.null, "", "0", "-1", -1, 0, 1e300, -1e300, 0.1, "1e5", "NaN", "0x10", " 5 ", true, false, "true",
  "2025-07-15T09:30:00Z", "2025-13-45T99:99:99Z", ("x"):rep(300), "W1", "\u{0}", "é", 9007199254740993 }

local function odd_value(draw)
  local n = draw:range(1, #odd + 3)
  if n == #odd + 1 then return {} end
  if n == #odd + 2 then return { odd[draw:range(1, #odd)] } end
  if n == #odd + 3 then return { x = odd[draw:range(1, #odd)] } end
  return odd[n]
end

-- Sorted, so that the same number makes the same damage.
local function keys_of(t)
  local list = {}
  for key in pairs(t) do list[#list + 1] = key end
  table.sort(list, function(a, b) return tostring(a) < tostring(b) end)
  return list
end

-- Changes one thing somewhere inside a decoded value.
local function damage(draw, value)
  local keys = type(value) == "table" and keys_of(value) or {}
  if #keys == 0 or draw:range(1, 6) == 1 then return odd_value(draw) end
  local key = keys[draw:range(1, #keys)]
  local what = draw:range(1, 8)
  if what == 1 then
    value[key] = math.type(key) == "integer" and json.null or nil
  elseif what == 2 and math.type(key) == "integer" then
    value[#value + 1] = value[key]
  else
    value[key] = damage(draw, value[key])
  end
  return value
end

-- Changes bytes of a text.
local function scratch(draw, text)
  local at = draw:range(1, math.max(#text, 1))
  local how = draw:range(1, 4)
  if how == 1 then return text:sub(1, at - 1) end
  if how == 2 then return text:sub(1, at - 1) .. string.char(draw:range(0, 255)) .. text:sub(at + 1) end
  if how == 3 then return text:sub(1, at) .. text:sub(at) end
  return text:sub(1, at - 1) .. ("[{\"0,:}]"):sub(draw:range(1, 8)) .. text:sub(at)
end

local function sound_bodies()
  local list = {}
  for _, name in ipairs({ "session", "doors", "reads", "book" }) do
    for _, t in ipairs(dofile("tests/transcripts/" .. name .. ".lua")) do
      if t.answer and t.answer.body ~= "" and readers[t.call] then list[#list + 1] = { t.call, t.answer.body } end
    end
  end
  return list
end

local function damaged(draw, body)
  local value = json.decode(body)
  if type(value) ~= "table" or draw:range(1, 4) == 1 then return scratch(draw, body) end
  for _ = 1, draw:range(1, 3) do value = damage(draw, value) end
  local ok, text = pcall(json.encode, value) -- a scratched 1e999 is infinite, which no text can say
  return ok and text or scratch(draw, body)
end

-- ---- the specs -----------------------------------------------------------------------------------

describe("the codec and damaged answers:", function()
  for _, pair in ipairs(sound_bodies()) do
    local call, body = pair[1], pair[2]
    it(("%s, from %s"):format(call, body:sub(1, 40)), function()
      local draw = rng.new(#body, call)
      for round = 1, ROUNDS do
        local text = damaged(draw, body)
        local ok, list, kind = pcall(readers[call], text)
        assert(ok, ("round %d: %s\n%s"):format(round, tostring(list), text))
        if list and kind then
          local bad = check_rows(kind, list)
          assert(not bad, ("round %d: %s\n%s"):format(round, tostring(bad), text))
        end
        local status = ({ 200, 204, 400, 401, 403, 429, 500 })[draw:range(1, 7)]
        local kinds = codec.classify(status, function() return scratch(draw, "Tue, 15 Jul 2025 10:00:00 GMT") end, text)
        assert(is_text(kinds.kind) and type(kinds.reason) == "string" and #kinds.reason <= 120)
      end
    end)
  end

  local wrappers = { open_positions = "positions", active_orders = "orders", closed_positions = "operations" }

  it("of every list: all rows or none", function()
    local lost = 0
    for _, pair in ipairs(sound_bodies()) do
      local call, body = pair[1], pair[2]
      local wrapper = wrappers[call]
      if wrapper then
        local draw = rng.new(7, body)
        for _ = 1, ROUNDS do
          local text = damaged(draw, body)
          local list, value = readers[call](text), json.decode(text)
          if list and type(value) == "table" and type(value[wrapper]) == "table" then
            assert.equal(#value[wrapper], #list, text)
          elseif not list then
            lost = lost + 1
          end
        end
      end
    end
    assert.is_true(lost > 0)
  end)

  it("of a write: yes only where the broker says OK or nothing", function()
    local draw, seen = rng.new(11, "verdicts"), {}
    for _, t in ipairs(dofile("tests/transcripts/writes.lua").answers) do
      for round = 1, ROUNDS do
        local body = t.answer.body ~= "" and damaged(draw, t.answer.body) or scratch(draw, "x")
        local ok, verdict = pcall(codec.decode, brokers.paper, { op = "open" },
          { status = t.answer.status, body = body, header = function() end })
        assert(ok, ("%s, round %d: %s\n%s"):format(t.name, round, tostring(verdict), body))
        seen[verdict.kind] = true
        if verdict.kind == "accepted" then
          local value = json.decode(body)
          local said = body:match("^%s*$") or type(value) == "table" and value.status == "OK"
          assert(t.answer.status < 300 and said, body)
          assert(verdict.broker_id == nil or is_text(verdict.broker_id))
        elseif verdict.kind == "rejected" and t.answer.status < 300 then
          assert.equal("REJECTED", json.decode(body).status)
        else
          assert.is_true(verdict.kind == "rejected" or verdict.kind == "unknown")
        end
      end
    end
    assert.same({ accepted = true, rejected = true, unknown = true }, seen)
  end)
end)
