-- SPDX-License-Identifier: MIT
-- The codec passes every golden transcript: it writes the documented requests and reads what answers mean.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local brokers = require "perigee.venues.brokers"
local json = require "perigee.json"
local profiles = require "perigee.venues.profiles"

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

-- A profile that differs from the defaults in what a transcript says.
local function profile_of(fields)
  local copy = { name = "t" }
  for key, value in pairs(fields or {}) do copy[key] = value end
  return assert(profiles.make(copy))
end

calls.login = {
  ask = function(args, fields)
    local profile = profile_of(fields or { login = args.login, id_key = args.id_key })
    return codec.login(profile, args.email, args.password, args.broker_id)
  end,
  read = function(body)
    local said, err = codec.read_login(body)
    if said then said.expires_ms = codec.token_expiry(said.token) end
    return said, err
  end,
}

calls.refresh = {
  ask = function(_, fields) return codec.refresh(profile_of(fields)) end,
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

calls.login_token = { ask = function(args, fields) return codec.login_token(profile_of(fields), args.token) end }

calls.login_code = { ask = function(args, fields) return codec.login_code(profile_of(fields), args.code) end }

calls.balance = { ask = codec.balance, read = codec.read_balance }

calls.instruments = {
  ask = function(args) return codec.instruments(args and args.all) end,
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
  local method, path, body, kind = call.ask(t.args, t.profile)
  if t.request then
    assert.equal(t.request.method, method)
    assert.equal(t.request.path, path)
    assert.equal(t.request.body, body)
    assert.equal(t.request.type, kind)
  end
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

for _, name in ipairs({ "session", "doors", "reads", "book" }) do
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

describe("the codec and the transcripts of pending orders:", function()
  local pending = transcripts("pending")

  for _, t in ipairs(pending.requests) do
    it("request, " .. t.name, function()
      local method, path, body = codec.encode(brokers.paper, t.order)
      assert.equal(t.method, method)
      assert.equal(t.path, path)
      assert.equal(t.body, body)
      assert.is_table(json.decode(body))
    end)
  end

  for _, t in ipairs(pending.answers) do
    it(("answer to %s, %s"):format(t.op, t.name), function()
      local verdict = codec.decode(brokers.paper, { op = t.op },
        { status = t.answer.status, body = t.answer.body, header = header_of(t.answer) })
      for key, value in pairs(t.means) do assert.equal(value, verdict[key], key) end
      assert.equal(t.means.broker_id, verdict.broker_id)
    end)
  end

  it("an order of no kind that is known is not sent", function()
    for _, op in ipairs({ "pending", "pending_edit", "cancel" }) do
      assert.has_error(function()
        codec.encode(brokers.paper, { op = op, symbol = "X", side = "BUY", volume = "1", price = "1", stop = "0",
          target = "0", position = "W1", type = "STOP_LIMIT" })
      end)
    end
  end)
end)

describe("the codec and the transcripts of errors:", function()
  for _, t in ipairs(transcripts("errors")) do
    it(("%d, %s"):format(t.answer.status, t.name), function()
      local said = codec.classify(t.answer.status, header_of(t.answer), t.answer.body)
      assert.same({ kind = t.kind, retry_after_ms = t.wait_ms, reason = t.reason }, said)
    end)
  end

  it("what went well has no reason", function()
    for _, status in ipairs({ 200, 201, 204 }) do
      assert.same({ kind = "ok", reason = "" },
        codec.classify(status, function() end, '{"errorMessage":"x"}'))
    end
  end)
end)

describe("the codec's figures of positions", function()
  it("tell profit, swap and the parts that it was filled in", function()
    local rows, figures = codec.read_open_positions('{"positions":[{"id":"W1","symbol":"X","volume":"0.3","side":"BUY",'
      .. '"openPrice":"10","profit":"1.5","netProfit":1.2,"swap":"-0.1","commission":-0.2,"currentPrice":"11",'
      .. '"positions":[{"id":"W1","volume":"0.2","openPrice":"10","openTime":"2025-07-15T09:30:00Z"},'
      .. '{"id":"W2","volume":0.1}]},{"id":"W3","symbol":"X","volume":"1","side":"SELL","openPrice":"10",'
      .. '"positions":[{"volume":"1"}]}]}')
    assert.equal(2, #rows)
    assert.same({ profit = "1.5", net_profit = "1.2", swap = "-0.1", commission = "-0.2", current = "11", legs = {
      { id = "W1", volume = "0.2", price = "10", opened_ms = 1752571800000 }, { id = "W2", volume = "0.1" } } },
      figures[1])
    assert.same({}, figures[2]) -- a part that cannot be read makes the parts unknown
  end)
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

describe("the codec's headers", function()
  local function lines(profile, options)
    options.user_agent, options.origin = "perigee/1", "https://b.example.org"
    local out = {}
    for i, pair in ipairs(codec.headers(profile, options)) do out[i] = pair[1] .. ": " .. pair[2] end
    return out
  end

  it("are the documented ones", function()
    assert.same({ "Accept: application/json", "User-Agent: perigee/1" }, lines(brokers.paper, {}))
    assert.same({ "Accept: application/json", "User-Agent: perigee/1", "Content-Type: application/json",
      "Auth-trading-api: t1", "Cookie: co-auth=x; rt=y" }, lines(brokers.paper, { content_type = "application/json",
        account = { api_token = "t1" }, cookies = "co-auth=x; rt=y" }))
  end)

  it("give way to a profile's own of the same name, and say who we are", function()
    local out = lines(brokers.fundingpips, { browser_id = "0a-1b" })
    assert.equal("Accept: application/json, text/plain, */*", out[1])
    assert.equal("User-Agent: Mozilla/5.0 (compatible; perigee/1)", out[2])
    local rest = table.concat(out, "\n")
    for _, line in ipairs({ "Origin: https://b.example.org", "Referer: https://b.example.org/",
      "Sec-Fetch-Site: same-origin", "X-Browser-Id: 0a-1b" }) do
      assert.truthy(rest:find(line, 1, true), line)
    end
    assert.is_nil(rest:find("Chrome", 1, true))
    local seen = {}
    for _, line in ipairs(out) do
      local name = line:match("^[^:]*"):lower()
      assert.is_nil(seen[name])
      seen[name] = true
    end
  end)

  it("know a login again by an id that stays", function()
    local id = codec.browser_id("mine:ann@example.org")
    assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", id)
    assert.equal(id, codec.browser_id("mine:ann@example.org"))
    assert.not_equal(id, codec.browser_id("mine:bob@example.org"))
  end)
end)

describe("the codec's candles", function()
  it("are asked in the form that the broker takes", function()
    local now = 1752573600000
    assert.same({ codec.candles("X", "5m", now - 3600000, now) },
      { codec.candles_of(brokers.paper, "X", "5m", now - 3600000, now) })
    assert.same({ "GET", "/candles?symbol=X&interval=M5&count=13" },
      { codec.candles_of(brokers.fundezy, "X", "5m", now - 3600000, now) })
    assert.same({ "GET", "/candles?symbol=X&interval=M5&count=1" },
      { codec.candles_of(brokers.fundezy, "X", "5m", now + 1, now) })
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

  it("a reason loses what looks like a key, and keeps names, ids and figures", function()
    local function reason(words) return codec.reason(require("perigee.json").encode { errorMessage = words }) end
    for _, words in ipairs({ "Not enough money for W6910422326264457", "Volume 0.001 is below 0.01 of EURUSD.",
      "position 365105 is not open at 2026-11-26T10:00:00Z" }) do
      assert.equal(words, reason(words))
    end
    assert.equal("token *** is over", reason("token eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3NTI1NzQ1MDB9.abc-_ is over"))
    assert.equal("key *** is wrong", reason("key 9f86d081884c7d659a2feaa0c55ad015 is wrong"))
  end)

  it("a cookie keeps the case of its value and path", function()
    assert.same({ "rt", "AbC=", "/Manager" }, { codec.read_cookie("rt=AbC=; HttpOnly; Path=/Manager") })
    assert.same({ "rt", "x", "/" }, { codec.read_cookie("rt=x") })
    assert.same({ "rt", "x", "/" }, { codec.read_cookie("rt=x ;path=relative; HttpOnly") })
    assert.same({ "rt", "x", "/m" }, { codec.read_cookie("rt=x; Path = /m ; Expires=Thu, 01 Jan 2099 00:00:00 GMT") })
    for _, line in ipairs({ "rt=", "rt=; Max-Age=100", "rt=x; Max-Age=0", "rt=x; max-age=-1",
      "rt=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "rt=x; Expires=Thu, 01-Jan-1970 00:00:00 GMT" }) do
      local name, value = codec.read_cookie(line)
      assert.same({ "rt" }, { name, value }, line)
    end
    assert.equal("x", select(2, codec.read_cookie("rt=x; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT")))
    for _, line in ipairs({ "", "rt", ";", "=x" }) do assert.is_nil((codec.read_cookie(line))) end
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
    for timeframe, interval in pairs({ ["1m"] = "M1", ["5m"] = "M5", ["15m"] = "M15", ["30m"] = "M30", ["1h"] = "H1",
      ["4h"] = "H4", ["1d"] = "D1", ["1w"] = "W1", ["1mo"] = "MN1" }) do
      local _, path = codec.candles("X", timeframe, 0, 0)
      assert.truthy(path:find("interval=" .. interval .. "&", 1, true))
      assert.same({ "GET", "/candles?symbol=X&interval=" .. interval .. "&count=7" },
        { codec.candles_count("X", timeframe, 7) })
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
