-- SPDX-License-Identifier: MIT
-- The paper broker answers the golden transcripts' requests in the documented shape, with a real market and
-- book behind it. Nothing of the codec is used here.

local json = require "perigee.json"

local documented = dofile("tests/transcripts/shapes.lua")
local paper = dofile("tests/lua/paper_broker.lua")
local new_broker, exchange, login = paper.new, paper.exchange, paper.login
local MINUTE, HOUR = 60000, 3600000

local function ann(broker, n) return login(broker, "ann@example.org", 's3"cret', n) end

local function transcripts(name)
  return dofile("tests/transcripts/" .. name .. ".lua")
end

local function has_shape(name, value)
  assert.is_nil(documented.check(documented.shapes[name], value))
end

-- Stop and target that a BUY may have now.
local function levels(broker)
  local q = broker.sim:quote("BTCUSD")
  return ("%.1f"):format(q.bid * 0.99), ("%.1f"):format(q.bid * 1.01)
end

local function open_body(broker, changes)
  local stop, target = levels(broker)
  local body = { instrument = "BTCUSD", orderSide = "BUY", volume = 0.3, slPrice = tonumber(stop),
    tpPrice = tonumber(target), isMobile = false }
  for key, value in pairs(changes or {}) do
    if value == "absent" then body[key] = nil else body[key] = value end
  end
  return json.encode(body)
end

local function open(client, broker, changes)
  local status, said = client.call("POST", "/position/open", open_body(broker, changes))
  assert.equal(200, status)
  has_shape("accepted", said)
  assert.equal("OK", said.status)
  return said.orderId
end

describe("the documented shapes", function()
  for _, name in ipairs({ "session", "reads", "book" }) do
    for _, t in ipairs(transcripts(name)) do
      if t.documented and t.answer.body ~= "" then
        it("fit the transcript of " .. t.call, function() has_shape(t.call, json.decode(t.answer.body)) end)
      end
    end
  end

  it("find what is missing and what has the wrong type", function()
    assert.truthy(documented.check(documented.shapes.balance, { balance = "1" }))
    assert.truthy(documented.check("amount", 5))
    assert.truthy(documented.check("number", "5"))
    assert.truthy(documented.check(documented.shapes.quotations, { { symbol = "X" } }))
  end)
end)

describe("the paper broker, asked as the transcripts ask:", function()
  local broker, client
  before_each(function()
    broker = new_broker()
    client = ann(broker)
    -- something to see in every list
    local id = open(client, broker)
    open(client, broker, { slPrice = 0, tpPrice = 0 })
    local status = client.call("POST", "/position/close-partially",
      json.encode { positionId = id, instrument = "BTCUSD", orderSide = "BUY", volume = 0.1, isMobile = false })
    assert.equal(200, status)
  end)

  for _, name in ipairs({ "reads", "book" }) do
    for _, t in ipairs(transcripts(name)) do
      if t.documented then
        it(t.call, function()
          local body = t.request.body
          if t.call == "closed_positions" then
            body = body:gsub("2025%-07%-15T00", "2023-12-31T00"):gsub("2025%-07%-15T12", "2030-01-01T00")
          end
          local path = t.request.path:gsub("from=2025", "from=2020")
          local status, said, answered = client.call(t.request.method, path, body)
          assert.equal(200, status)
          assert.equal("application/json", answered["content-type"][1])
          has_shape(t.call, said)
        end)
      end
    end
  end

  for _, t in ipairs(transcripts("session")) do
    if t.documented or t.call == "platform_details" and not t.unreadable then
      it(t.call .. ", " .. t.name, function()
        local headers = { cookie = ("co-auth=%s; rt=%s"):format(client.jar["co-auth"], client.jar.rt) }
        local status, said, answered = exchange(broker, t.request.method, t.request.path, headers, t.request.body)
        assert.equal(200, status)
        if t.call == "refresh" then
          assert.equal("", said)
        else
          has_shape(t.call, said)
        end
        if t.call ~= "platform_details" then
          assert.matches("^co%-auth=[%w_-]+%.[%w_-]+%.[%w_-]+; Path=/; HttpOnly$", answered["set-cookie"][1])
          assert.matches("^rt=%w+; Path=/manager; HttpOnly$", answered["set-cookie"][2])
        end
      end)
    end
  end

  for _, t in ipairs(transcripts("writes").requests) do
    if t.order.symbol == "BTCUSD" and not t.bulk and t.order.volume ~= "0.125" then
      it("write, " .. t.name, function()
        local stop, target = levels(broker)
        local id = open(client, broker, t.order.volume == "3" and { volume = 3 } or nil)
        if t.order.side == "SELL" then
          local _, said = client.call("POST", "/position/open", json.encode { instrument = "BTCUSD",
            orderSide = "SELL", volume = tonumber(t.order.volume), slPrice = 0, tpPrice = 0 })
          id = said.orderId
        end
        local body = t.body:gsub("W7100000000000042", id):gsub('"slPrice":11%d+%.?%d*', '"slPrice":' .. stop)
          :gsub('"tpPrice":11%d+%.?%d*', '"tpPrice":' .. target)
        local status, said = client.call(t.method, t.path, body)
        assert.equal(200, status)
        has_shape("accepted", said)
        assert.equal("OK", said.status)
      end)
    end
  end

  it("an instrument that it does not have is refused in a 200", function()
    for _, t in ipairs(transcripts("writes").requests) do
      if t.order.op == "open" and t.order.symbol ~= "BTCUSD" then
        local status, said = client.call(t.method, t.path, t.body)
        assert.equal(200, status)
        has_shape("rejected", said)
        assert.equal("REJECTED", said.status)
      end
    end
  end)
end)

describe("the paper broker's book:", function()
  local broker, client
  before_each(function()
    broker = new_broker()
    client = ann(broker)
  end)

  local function positions()
    local _, said = client.call("GET", "/open-positions")
    return said.positions
  end

  local function closed()
    local _, said = client.call("POST", "/closed-positions",
      '{"from":"2023-01-01T00:00:00Z","to":"2030-01-01T00:00:00Z"}')
    return said.operations
  end

  it("the id of the answer is the position's, and nothing else is opened", function()
    local before = broker.sim:quote("BTCUSD")
    local id = open(client, broker)
    local rows = positions()
    assert.equal(1, #rows)
    local stop, target = levels(broker)
    assert.equal(id, rows[1].id)
    assert.equal("BUY", rows[1].side)
    assert.equal("0.3", rows[1].volume)
    assert.equal(tonumber(before.ask), tonumber(rows[1].openPrice))
    assert.equal(stop, rows[1].stopLoss)
    assert.equal(target, rows[1].takeProfit)
    assert.equal(broker.sim:now(), rows[1].openTimeMillis)
    local _, other = ann(broker, 2).call("GET", "/open-positions")
    assert.same({}, other.positions)
  end)

  it("levels of none are null in the list, whichever way they were said", function()
    for _, none in ipairs({ 0, "0", "", json.null, "absent" }) do
      open(client, broker, { slPrice = none, tpPrice = none })
    end
    local rows = positions()
    assert.equal(5, #rows)
    for _, row in ipairs(rows) do
      assert.equal(json.null, row.stopLoss)
      assert.equal(json.null, row.takeProfit)
    end
  end)

  it("numbers may come as texts, isMobile as a text or not at all", function()
    local stop, target = levels(broker)
    open(client, broker, { volume = "0.20", slPrice = stop, tpPrice = target, isMobile = "true" })
    open(client, broker, { isMobile = "absent" })
    assert.equal("0.2", positions()[1].volume)
  end)

  it("an edit replaces both levels; zero clears", function()
    local id = open(client, broker)
    local stop = levels(broker)
    local status, said = client.call("POST", "/position/edit", json.encode { instrument = "BTCUSD", id = id,
      orderSide = "BUY", volume = 0.3, slPrice = tonumber(stop) - 5, tpPrice = 0, isMobile = false })
    assert.equal(200, status)
    has_shape("accepted", said)
    assert.equal(("%.1f"):format(stop - 5), positions()[1].stopLoss)
    assert.equal(json.null, positions()[1].takeProfit)
  end)

  it("a partial close keeps the id, and history has a row of its own for it", function()
    local id = open(client, broker)
    local status, said = client.call("POST", "/position/close-partially",
      json.encode { positionId = id, instrument = "BTCUSD", orderSide = "BUY", volume = 0.1 })
    assert.equal(200, status)
    has_shape("accepted", said)
    assert.equal(id, positions()[1].id)
    assert.equal("0.2", positions()[1].volume)
    client.call("POST", "/position/close",
      json.encode { positionId = id, instrument = "BTCUSD", orderSide = "BUY", volume = "0.20" })
    assert.same({}, positions())
    local rows = closed()
    assert.equal(2, #rows)
    assert.same({ id .. "_close1", id .. "_close2" }, { rows[1].uid, rows[2].uid })
    assert.same({ id, id }, { rows[1].id, rows[2].id })
    assert.same({ "0.1", "0.2" }, { rows[1].volume, rows[2].volume })
    assert.equal("CLOSE_REASON_PARTIAL", rows[1].closeReason)
    assert.not_equal("CLOSE_REASON_PARTIAL", rows[2].closeReason)
    assert.not_equal(rows[1].closingOrderID, rows[2].closingOrderID)
  end)

  it("history takes milliseconds and offsets, and holds only what lies between", function()
    local id = open(client, broker)
    client.call("POST", "/position/close",
      json.encode { positionId = id, instrument = "BTCUSD", orderSide = "BUY", volume = "0.30" })
    local now = broker.sim:now()
    local function count(from, to)
      local status, said = client.call("POST", "/closed-positions", json.encode { from = from, to = to })
      assert.equal(200, status)
      return #said.operations
    end
    assert.equal(1, count(now, now))
    assert.equal(0, count(now + 1, now + HOUR))
    assert.equal(0, count(0, now - 1))
    assert.equal(1, count("2023-01-01T00:00:00+00:00", "2030-01-01T00:00:00+00:00"))
  end)

  it("the balance is the book's, and money that is bound is not free", function()
    local _, before = client.call("GET", "/balance")
    assert.equal("0", before.margin)
    assert.equal(0, tonumber(before.marginLevel))
    open(client, broker)
    local _, after = client.call("GET", "/balance")
    assert.equal(before.balance, after.balance)
    assert.truthy(tonumber(after.margin) > 0)
    assert.truthy(tonumber(after.marginLevel) > 0)
    assert.truthy(math.abs(after.equity - after.margin - after.freeMargin) < 0.005)
    assert.truthy(math.abs(after.balance + after.netProfit - after.equity) < 0.005)
  end)

  local refusals = {
    ["unknown instrument"] = { instrument = "NOSUCH" },
    ["too little"] = { volume = 0.001 },
    ["too much"] = { volume = 100000 },
    ["nothing"] = { volume = 0 },
    ["less than nothing"] = { volume = -1 },
    ["no multiple of the step"] = { volume = 0.015 },
    ["not enough money"] = { volume = 90 },
    ["a stop above a long"] = { slPrice = 1e6 },
    ["a target below a long"] = { tpPrice = 1 },
    ["a long's levels for a short"] = { orderSide = "SELL" },
    ["a stop below zero"] = { slPrice = -5 },
  }
  for what, changes in pairs(refusals) do
    it("refuses in a 200: " .. what, function()
      local status, said = client.call("POST", "/position/open", open_body(broker, changes))
      assert.equal(200, status)
      has_shape("rejected", said)
      assert.equal("REJECTED", said.status)
      assert.same({}, positions())
    end)
  end

  it("refuses in a 200: a stop inside the stops level", function()
    local q = broker.sim:quote("BTCUSD")
    local status, said = client.call("POST", "/position/open", open_body(broker, { slPrice = q.bid - 0.5 }))
    assert.equal(200, status)
    assert.equal("REJECTED", said.status)
  end)

  it("refuses in a 200 what does not fit the position", function()
    local id = open(client, broker)
    local function refused(path, body)
      local status, said = client.call("POST", path, json.encode(body))
      assert.equal(200, status)
      has_shape("rejected", said)
      assert.equal("REJECTED", said.status)
    end
    local function close(changes)
      local body = { positionId = id, instrument = "BTCUSD", orderSide = "BUY", volume = "0.30" }
      for key, value in pairs(changes) do body[key] = value end
      return body
    end
    refused("/position/close", close { positionId = "W0000000000000001" })
    refused("/position/close", close { orderSide = "SELL" })
    refused("/position/close", close { instrument = "EURUSD" })
    refused("/position/close-partially", close { volume = 0.3 })
    refused("/position/close-partially", close { volume = 0.4 })
    refused("/position/close-partially", close { volume = 0.105 })
    refused("/position/edit", { id = "W0000000000000001", instrument = "BTCUSD", orderSide = "BUY", volume = 0.3,
      slPrice = 0, tpPrice = 0 })
    refused("/position/edit", { id = id, instrument = "BTCUSD", orderSide = "BUY", volume = 0.3, slPrice = 1e6,
      tpPrice = 0 })
    local stranger = login(broker, "bob@example.org", "pw")
    local _, said = stranger.call("POST", "/position/close", json.encode(close {}))
    assert.equal("REJECTED", said.status)
    assert.equal(1, #positions())
    client.call("POST", "/position/close", json.encode(close {}))
    refused("/position/close", close {}) -- a second close finds nothing
    assert.equal(1, #closed())
  end)

  local malformed = {
    ["no JSON"] = "{",
    ["nothing"] = "",
    ["a list"] = "[]",
    ["a number"] = "7",
    ["no instrument"] = { instrument = "absent" },
    ["an instrument of a wrong type"] = { instrument = 5 },
    ["no side"] = { orderSide = "absent" },
    ["a side that is not one"] = { orderSide = "LONG" },
    ["no volume"] = { volume = "absent" },
    ["null for a volume"] = { volume = json.null },
    ["a volume that is no number"] = { volume = "lots" },
    ["true for a volume"] = { volume = true },
    ["a stop that is no number"] = { slPrice = "low" },
    ["a target that is no number"] = { tpPrice = {} },
  }
  for what, changes in pairs(malformed) do
    it("answers 400 to an open with " .. what, function()
      local body = type(changes) == "string" and changes or open_body(broker, changes)
      local status, said = client.call("POST", "/position/open", body)
      assert.equal(400, status)
      has_shape("failure", said)
      assert.same({}, positions())
    end)
  end

  it("answers 400 to writes and reads that lack a member", function()
    local id = open(client, broker)
    local whole = { instrument = "BTCUSD", orderSide = "BUY", volume = 0.3, slPrice = 0, tpPrice = 0 }
    local function status_of(path, key, value, without)
      local body = { [key] = value }
      for name, v in pairs(whole) do
        if name ~= without then body[name] = v end
      end
      return (client.call("POST", path, json.encode(body)))
    end
    assert.equal(400, status_of("/position/close", "id", id))
    assert.equal(400, status_of("/position/close", "positionId", 5))
    assert.equal(400, status_of("/position/close", "positionId", id, "volume"))
    assert.equal(400, status_of("/position/close-partially", "id", id))
    assert.equal(400, status_of("/position/edit", "positionId", id))
    assert.equal(400, status_of("/position/edit", "id", id, "slPrice"))
    assert.equal(400, status_of("/position/edit", "id", id, "tpPrice"))
    for _, body in ipairs({ "", "{}", '{"from":"2023-01-01T00:00:00Z"}', '{"from":"x","to":"y"}', "[]" }) do
      assert.equal(400, (client.call("POST", "/closed-positions", body)))
    end
    assert.equal(400, (client.call("GET", "/quotations")))
    for _, query in ipairs({ "", "?symbol=BTCUSD", "?interval=M1", "?symbol=BTCUSD&interval=S1",
      "?symbol=BTCUSD&interval=M1&count=0", "?symbol=BTCUSD&interval=M1&count=-3",
      "?symbol=BTCUSD&interval=M1&count=x", "?symbol=BTCUSD&interval=M1&from=yesterday" }) do
      assert.equal(400, (client.call("GET", "/candles" .. query)), query)
    end
    assert.equal(1, #positions())
    assert.equal("0.3", positions()[1].volume)
  end)
end)

describe("the paper broker's market:", function()
  local broker, client
  before_each(function()
    broker = new_broker()
    client = ann(broker)
  end)

  it("quotes what is asked for, in that order, and leaves out what it does not know", function()
    local _, said = client.call("GET", "/quotations?symbols=EURUSD,NOSUCH,BTC%55SD")
    assert.equal(2, #said)
    assert.equal("EURUSD", said[1].symbol)
    assert.equal("BTCUSD", said[2].symbol)
    for _, q in ipairs(said) do
      assert.truthy(q.bid < q.ask and q.low <= q.bid and q.bid <= q.high)
      assert.equal(q.timestampMs // 1000, q.timestampSec)
    end
  end)

  it("gives candles oldest first within from and to, the last one forming", function()
    local _, all = client.call("GET", "/candles?symbol=BTCUSD&interval=M1")
    local rows = all.candles
    assert.truthy(#rows > 10)
    for i = 2, #rows do assert.equal(rows[i - 1].time + MINUTE, rows[i].time) end
    assert.truthy(rows[#rows].time <= broker.sim:now())
    assert.truthy(rows[#rows].time + MINUTE > broker.sim:now() - MINUTE)
    local path = "/candles?symbol=BTCUSD&interval=M1&from=%d&to=%d"
    local _, some = client.call("GET", path:format(rows[3].time, rows[5].time))
    assert.equal(3, #some.candles)
    assert.equal(rows[3].time, some.candles[1].time)
    assert.same({ "BTCUSD", "M1" }, { some.symbol, some.interval })
  end)

  it("gives the newest candles when it is asked for a count", function()
    local _, all = client.call("GET", "/candles?symbol=BTCUSD&interval=M5")
    local _, two = client.call("GET", "/candles?symbol=BTCUSD&interval=M5&count=2")
    assert.equal(2, #two.candles)
    assert.same(all.candles[#all.candles], two.candles[2])
    local _, many = client.call("GET", "/candles?symbol=BTCUSD&interval=M5&count=100000")
    assert.same(all.candles, many.candles)
  end)

  it("answers 404 to what it does not have", function()
    assert.equal(404, (client.call("GET", "/candles?symbol=NOSUCH&interval=M1")))
    assert.equal(404, (client.call("GET", "/market-watch")))
    assert.equal(404, (client.call("POST", "/balance")))
    assert.equal(404, (exchange(broker, "GET", "/")))
    assert.equal(404, (exchange(broker, "GET", "/mtr-api/another-system/balance",
      { ["auth-trading-api"] = client.api, cookie = "co-auth=" .. client.jar["co-auth"] })))
  end)
end)
