-- SPDX-License-Identifier: MIT
-- The codec passes every golden transcript: it writes the documented requests and reads what answers mean.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local brokers = require "perigee.venues.brokers"
local json = require "perigee.json"

local function transcripts(name)
  return dofile("tests/transcripts/" .. name .. ".lua")
end

-- header(name) of an answer, any case.
local function header_of(answer)
  return function(name)
    for _, pair in ipairs(answer.headers) do
      if pair[1]:lower() == name:lower() then return pair[2] end
    end
  end
end

-- How each call of a transcript is put to the codec: its request, and how its answer is read.
local calls = {}

calls.platform_details = { ask = codec.platform_details, read = codec.read_platform_details }

calls.login = {
  ask = function(args)
    local profile = setmetatable({ login = args.login, id_key = args.id_key }, { __index = brokers.paper })
    return codec.login(profile, args.email, args.password, args.broker_id)
  end,
  read = function(body)
    local said, err = codec.read_login(body)
    if said then said.expires_ms = codec.token_expiry(said.token) end
    return said, err
  end,
}

calls.refresh = {
  ask = function() return codec.refresh(brokers.paper) end,
  read = function(body, answer)
    local said = { token = codec.read_refresh(body) }
    local full = body ~= "" and codec.read_login(body)
    if full and #full.accounts > 0 then said.accounts = full.accounts end
    for _, pair in ipairs(answer.headers) do
      if pair[1] == "Set-Cookie" then
        local name, value, path = codec.read_cookie(pair[2])
        said.cookies = said.cookies or {}
        said.cookies[name] = { value, path }
      end
    end
    return said
  end,
}

calls.balance = { ask = codec.balance, read = codec.read_balance }

calls.instruments = {
  ask = codec.instruments,
  read = function(body)
    local rows, skipped = codec.read_instruments(body, "v")
    if not rows then return nil, skipped end
    return { rows = rows, skipped = skipped }
  end,
}

calls.quotations = {
  ask = function(args) return codec.quotations(args.symbols) end,
  read = codec.read_quotations,
}

calls.candles = {
  ask = function(args) return codec.candles(args.symbol, args.timeframe, args.from_ms, args.to_ms) end,
  read = codec.read_candles,
}

calls.open_positions = { ask = codec.open_positions, read = codec.read_open_positions }

calls.closed_positions = {
  ask = function(args) return codec.closed_positions(args.from_ms, args.to_ms) end,
  read = codec.read_closed_positions,
}

calls.active_orders = { ask = codec.active_orders, read = codec.read_active_orders }

local function check(t)
  local call = calls[t.call]
  local method, path, body = call.ask(t.args)
  assert.equal(t.request.method, method)
  assert.equal(t.request.path, path)
  assert.equal(t.request.body, body)
  if not t.answer then return end
  if t.reason then assert.equal(t.reason, codec.reason(t.answer.body)) end
  if t.answer.status ~= 200 then return end
  local means, err = call.read(t.answer.body, t.answer)
  if t.unreadable then
    assert.is_nil(means)
    assert.equal("unreadable", err.code)
    assert.equal("match_trader", err.source)
    assert.equal("string", type(err.message))
  else
    assert.same(t.means, means)
  end
end

for _, name in ipairs({ "session", "reads", "book" }) do
  describe("the codec and the transcripts of " .. name .. ":", function()
    for _, t in ipairs(transcripts(name)) do
      it(t.call .. ", " .. t.name, function() check(t) end)
    end
  end)
end

describe("the codec and the transcripts of writes:", function()
  local writes = transcripts("writes")

  for _, t in ipairs(writes.requests) do
    it("request, " .. t.name, function()
      local profile = setmetatable({ close = t.bulk and "bulk" or "single" }, { __index = brokers.paper })
      local method, path, body = codec.encode(profile, t.order)
      assert.equal(t.method, method)
      assert.equal(t.path, path)
      assert.equal(t.body, body)
      assert.is_table(json.decode(body))
    end)
  end

  for _, t in ipairs(writes.answers) do
    for _, request in ipairs({ writes.requests[1], writes.requests[4], writes.requests[6], writes.requests[10] }) do
      it(("answer to %s, %s"):format(request.order.op, t.name), function()
        local verdict = codec.decode(brokers.paper, request.order,
          { status = t.answer.status, body = t.answer.body, header = header_of(t.answer) })
        for _, key in ipairs({ "kind", "broker_id", "retry_after_ms" }) do
          assert.equal(t.means[key], verdict[key], key)
        end
        if t.means.code then assert.equal(t.means.code, verdict.code) end
        if t.means.reason then assert.equal(t.means.reason, verdict.reason) end
        if verdict.kind ~= "accepted" then assert.is_string(verdict.code) end
      end)
    end
  end
end)

describe("the codec's verdicts", function()
  it("carry words that the journal knows", function()
    local function code(status, headers, body)
      return codec.decode(brokers.paper, { op = "open" }, { status = status, body = body or "",
        header = header_of({ headers = headers or {} }) }).code
    end
    assert.equal("unauthorised", code(401))
    assert.equal("rate_limit", code(429))
    assert.equal("edge_block", code(403, { { "cf-mitigated", "challenge" } }))
    assert.equal("status_403", code(403))
    assert.equal("status_502", code(502))
    assert.equal("status_404", code(404))
    assert.equal("rejected", code(422, nil, '{"status":"REJECTED"}'))
    assert.equal("unreadable", code(200, nil, "<html>"))
    assert.equal("partial_success", code(200, nil, '{"status":"PARTIAL_SUCCESS"}'))
  end)
end)

describe("the codec's texts:", function()
  it("a reason is one line of at most 120 bytes that ends with a whole character", function()
    local long = codec.reason(json.encode({ errorMessage = ("a"):rep(119) .. "€uro" }))
    assert.equal(("a"):rep(119), long)
    assert.equal(("b"):rep(117) .. "€", codec.reason(json.encode({ errorMessage = ("b"):rep(117) .. "€uro" })))
    assert.equal("two lines", codec.reason('{"errorMessage":"two\\nlines"}'))
    assert.equal("bad ? byte", codec.reason('{"errorMessage":"bad \255 byte"}'))
  end)

  it("a reason of nothing, of a page and of a list is empty", function()
    for _, body in ipairs({ "", "<html>secret</html>", "[]", "7", '{"errorMessage":{"a":1}}',
      '{"errorMessage":""}' }) do
      assert.equal("", codec.reason(body))
    end
    assert.equal("", codec.reason(nil))
  end)

  it("names are canonical without a broker's suffix", function()
    for symbol, canonical in pairs({ ["EURUSD."] = "EURUSD", ["BTCUSDT.cft"] = "BTCUSDT", ["XAUUSD-m"] = "XAUUSD",
      btcusd = "BTCUSD", US30 = "US30", ["."] = "." }) do
      assert.equal(canonical, codec.canonical(symbol))
    end
  end)

  it("a cookie keeps the case of its value and path", function()
    assert.same({ "rt", "AbC=", "/Manager" }, { codec.read_cookie("rt=AbC=; HttpOnly; Path=/Manager") })
    assert.same({ "rt", "x", "/" }, { codec.read_cookie("rt=x") })
    assert.same({ "rt", "", "/" }, { codec.read_cookie("rt=; Max-Age=0; path=relative") })
    assert.is_nil((codec.read_cookie("; nothing")))
  end)

  it("the end of a token is read where the token says one", function()
    assert.is_nil(codec.token_expiry(nil))
    assert.is_nil(codec.token_expiry("opaque"))
    assert.is_nil(codec.token_expiry("a.b.c"))
    assert.is_nil(codec.token_expiry("e30.e30.x")) -- {} without exp
    assert.equal(1752574500000, codec.token_expiry("e30.eyJleHAiOjE3NTI1NzQ1MDB9."))
  end)

  it("a login escapes what JSON needs escaped", function()
    local _, _, body = codec.login(brokers.paper, "a@b.c", 'x"\\\n\1é', "0")
    assert.same({ email = "a@b.c", password = 'x"\\\n\1é', brokerId = "0" }, json.decode(body))
  end)

  it("every timeframe that is asked for is an interval of the protocol; others are refused", function()
    for timeframe, interval in pairs({ ["1m"] = "M1", ["5m"] = "M5", ["15m"] = "M15" }) do
      local _, path = codec.candles("X", timeframe, 0, 0)
      assert.truthy(path:find("interval=" .. interval .. "&", 1, true))
    end
    assert.has_error(function() codec.candles("X", "1s", 0, 0) end)
    assert.equal(1752537600000, clock.parse("2025-07-15T00:00:00.000Z"))
  end)

  it("an order of an unknown kind is refused, not guessed", function()
    assert.has_error(function() codec.encode(brokers.paper, { op = "hedge" }) end)
  end)
end)

describe("brokers:", function()
  it("each profile is whole, and its address is https", function()
    for name, profile in pairs(brokers) do
      assert.equal(name, profile.name)
      assert.equal("/", profile.login:sub(1, 1))
      assert.truthy(profile.origin == nil or profile.origin:match("^https://[%w%.%-]+$"), name)
      assert.truthy(profile.id_key == false or profile.id_key == "brokerId" or profile.id_key == "partnerId")
      assert.truthy(profile.close == "single" or profile.close == "bulk")
      assert.truthy(profile.renewal == "refresh" or profile.renewal == "login")
      assert.equal(4, profile.refreshes_per_hour)
      assert.equal(15 * 60 * 1000, profile.token_life_ms)
    end
    assert.is_nil(brokers.paper.origin)
    assert.equal("bulk", brokers.fundingpips.close)
    assert.equal("partnerId", brokers.fundedtradermarkets.id_key)
  end)
end)
