-- SPDX-License-Identifier: MIT
-- The paper broker in all its tongues: what each word of a profile changes, and that nothing else changes.

local json = require "perigee.json"
local brokers = require "perigee.simulator.broker"
local profiles = require "perigee.simulator.profile"

local documented = dofile("tests/transcripts/shapes.lua")
local paper = dofile("tests/lua/paper_broker.lua")

local function start(words)
  local broker = paper.new(words)
  return broker, paper.login(broker, "ann@example.org", 's3"cret')
end

local function body_of(levels)
  return json.encode { instrument = "BTCUSD", orderSide = "BUY", volume = 0.3, slPrice = levels and levels[1] or 0,
    tpPrice = levels and levels[2] or 0 }
end

local function open(client, levels)
  local status, said = client.call("POST", "/position/open", body_of(levels))
  assert.equal(200, status)
  assert.equal("OK", said.status)
  return said.orderId
end

local function close_body(id, changes)
  local body = { positionId = id, instrument = "BTCUSD", orderSide = "BUY", volume = "0.30" }
  for key, value in pairs(changes or {}) do body[key] = value end
  return body
end

local function with_levels(broker)
  local q = broker.sim:quote("BTCUSD")
  return { tonumber(("%.1f"):format(q.bid * 0.99)), tonumber(("%.1f"):format(q.bid * 1.01)) }
end

describe("a profile", function()
  it("is read from words, and the words from it", function()
    local p = assert(profiles.read "mixed, cookie=optional refresh=token")
    assert.same({ "mixed", "optional", "token", "json" }, { p.typing, p.cookie, p.refresh, p.cancel })
    assert.same(p, assert(profiles.read(profiles.text(p))))
    assert.equal("strings", profiles.text(profiles.default()))
    local changed = assert(profiles.read("ids=digits", p))
    assert.same({ "mixed", "digits" }, { changed.typing, changed.ids })
    assert.equal("letter", p.ids)
    assert.equal("numbers", assert(profiles.read "typing=numbers").typing)
  end)

  it("of a word that is not known is refused, with those that are", function()
    for _, text in ipairs({ "sings", "cookie=maybe", "cookie", "typing=", "=strings", "strings,x=y" }) do
      local p, err = profiles.read(text)
      assert.is_nil(p, text)
      assert.matches("cookie=required|optional", err.message, 1, true)
    end
  end)

  it("is documented word by word", function()
    local file = assert(io.open("docs/simulator.md"))
    local page = file:read "a"
    file:close()
    for _, word in ipairs(profiles.words) do
      local values = {}
      for i, value in ipairs(word.values) do values[i] = "`" .. value .. "`" end
      assert.truthy(page:find("| " .. table.concat(values, ", ") .. " |", 1, true), word.key)
    end
  end)

  it("can change while the broker runs; a bad one changes nothing", function()
    local broker, client = start()
    assert(brokers.set_profile(broker, "numbers"))
    local _, said = client.call("GET", "/balance")
    assert.equal("number", type(said.balance))
    assert.is_nil(brokers.set_profile(broker, "strings,nonsense"))
    assert.equal("numbers", broker.profile.typing)
  end)
end)

describe("typing", function()
  -- Members of a row whose type the profile decides.
  local figures = { "volume", "openPrice", "swap", "profit", "netProfit", "currentPrice", "commission" }

  local function types_of(words, rounds)
    local broker, client = start(words)
    open(client, with_levels(broker))
    open(client)
    local seen = {}
    local function note(name, row, key)
      local value = row[key]
      local kind = value == nil and "missing" or value == json.null and "null" or value == "" and "empty" or type(value)
      seen[name] = seen[name] or {}
      seen[name][kind] = true
    end
    for _ = 1, rounds or 1 do
      local _, said = client.call("GET", "/open-positions")
      for _, key in ipairs(figures) do note("figure", said.positions[1], key) end
      note("level", said.positions[1], "stopLoss")
      note("none", said.positions[2], "stopLoss")
      _, said = client.call("GET", "/balance")
      for _, key in ipairs({ "balance", "equity", "margin", "freeMargin", "marginLevel", "credit" }) do
        note("figure", said, key)
      end
      _, said = client.call("GET", "/quotations?symbols=BTCUSD")
      note("market", said[1], "bid")
      _, said = client.call("GET", "/effective-instruments")
      note("market", said[1], "volumeStep")
    end
    return seen
  end

  it("strings: figures are texts, market data numbers, levels of none null", function()
    assert.same({ figure = { string = true }, level = { string = true }, none = { null = true },
      market = { number = true } }, types_of "strings")
  end)

  it("numbers: all of it", function()
    assert.same({ figure = { number = true }, level = { number = true }, none = { null = true },
      market = { number = true } }, types_of "numbers")
  end)

  it("mixed: both, and every face that a level of none can have", function()
    local seen = types_of("mixed", 60)
    assert.same({ string = true, number = true }, seen.figure)
    assert.same({ string = true, number = true }, seen.level)
    assert.same({ string = true, number = true }, seen.market)
    assert.same({ missing = true, null = true, empty = true, string = true, number = true }, seen.none)
  end)

  it("mixed draws from the seed: the same questions get the same answers", function()
    local function answers()
      local _, client = start "mixed"
      local out = {}
      for i = 1, 20 do
        local _, said = client.call("GET", "/balance")
        out[i] = json.encode(said)
      end
      return out
    end
    local first = answers()
    assert.same(first, answers())
    assert.not_equal(first[1], first[2])
  end)
end)

describe("doors", function()
  local function knock(broker, path, body)
    return paper.exchange(broker, "POST", path, nil, json.encode(body))
  end
  local right = { email = "bob@example.org", password = "pw" }
  local function with(more)
    local body = {}
    for key, value in pairs(right) do body[key] = value end
    for key, value in pairs(more) do body[key] = value end
    return body
  end

  local expected = {
    { "/manager/mtr-login", { brokerId = "0" }, "tradingAccounts", "selectedTradingAccount", "/manager" },
    { "/manager/co-login", { brokerId = 0 }, "accounts", "selectedAccount", "/manager" },
    { "/mtr-backend/login", { brokerId = "0" }, "tradingAccounts", "selectedTradingAccount",
      "/mtr-backend/refresh-token" },
    { "/mtr-core-edge/login", { partnerId = 1 }, "tradingAccounts", "selectedTradingAccount", "/mtr-core-edge" },
    { "/mtr-core-edge/login", { partnerId = "1" }, "tradingAccounts", "selectedTradingAccount", "/mtr-core-edge" },
    { "/mtr-core-edge/login", { brokerId = "1" }, "tradingAccounts", "selectedTradingAccount", "/mtr-core-edge" },
    { "/mtr-core-edge/login", {}, "tradingAccounts", "selectedTradingAccount", "/mtr-core-edge" },
  }
  for i, e in ipairs(expected) do
    it(("%d %s opens a session that trades"):format(i, e[1]), function()
      local broker = paper.new()
      local status, said, answered = knock(broker, e[1], with(e[2]))
      assert.equal(200, status)
      assert.equal(said[e[3]][1].tradingAccountId, said[e[4]].tradingAccountId)
      local others = e[3] == "accounts" and "tradingAccounts" or "accounts"
      assert.is_nil(said[others])
      assert.matches("Path=" .. e[5] .. "; HttpOnly", answered["set-cookie"][2], 1, true)
      local jar = paper.cookies_of(answered)
      assert.equal(200, (paper.exchange(broker, "GET", "/mtr-api/" .. paper.SYSTEM .. "/balance",
        { ["auth-trading-api"] = said[e[3]][1].tradingApiToken, cookie = "co-auth=" .. jar["co-auth"] })))
      assert.equal(401, (knock(broker, e[1], with { password = "x", brokerId = "0" })))
      assert.equal(400, (knock(broker, e[1], { email = "bob@example.org", brokerId = "0" })))
    end)
  end

  it("ask for a broker's id, all but the oldest one, and never take nonsense for it", function()
    local broker = paper.new()
    for _, path in ipairs({ "/manager/mtr-login", "/manager/co-login", "/mtr-backend/login" }) do
      assert.equal(400, (knock(broker, path, right)))
      assert.equal(400, (knock(broker, path, with { partnerId = "0" })))
    end
    assert.equal(400, (knock(broker, "/mtr-core-edge/login", with { partnerId = true })))
    assert.equal(400, (knock(broker, "/mtr-core-edge/login", with { partnerId = 1.5 })))
  end)

  it("speak the profile's keys when it says so", function()
    for _, keys in ipairs({ "accounts", "tradingAccounts" }) do
      local broker = paper.new("keys=" .. keys)
      for _, path in ipairs({ "/manager/mtr-login", "/manager/co-login" }) do
        local _, said = knock(broker, path, with { brokerId = "0" })
        assert.equal("table", type(said[keys]))
      end
    end
  end)

  it("open once for a one-time token", function()
    local broker = paper.new()
    assert.is_nil(broker.sessions:one_time_token("eve@example.org"))
    local token = broker.sessions:one_time_token("bob@example.org")
    assert.equal(401, (knock(broker, "/manager/login/co/with-token", { token = "made-up" })))
    assert.equal(400, (knock(broker, "/manager/login/co/with-token", { token = 5 })))
    local status, said = knock(broker, "/manager/login/co/with-token", { token = token })
    assert.equal(200, status)
    assert.is_nil(documented.check(documented.shapes.login, said))
    assert.equal(401, (knock(broker, "/manager/login/co/with-token", { token = token })))
  end)

  it("count who came in, and who only tried, but not names that nobody has", function()
    local broker = paper.new()
    knock(broker, "/manager/mtr-login", with { brokerId = "0" })
    knock(broker, "/manager/mtr-login", with { brokerId = "0", password = "x" })
    knock(broker, "/manager/mtr-login", { email = "eve@example.org", password = "x", brokerId = "0" })
    assert.same({ ["bob@example.org"] = { ok = 1, failed = 1, refreshes = 0 } }, broker.logins)
  end)
end)

describe("renewals", function()
  local function renew(client, broker, path)
    return paper.exchange(broker, "POST", path or "/manager/refresh-token",
      { cookie = ("co-auth=%s; rt=%s"):format(client.jar["co-auth"], client.jar.rt) }, "")
  end

  it("token: the new token is in the body alone, and opens", function()
    local broker, client = start "refresh=token"
    local status, said, answered = renew(client, broker)
    assert.equal(200, status)
    assert.is_nil(answered["set-cookie"])
    client.jar["co-auth"] = said.token
    assert.equal(200, (client.call("GET", "/balance")))
  end)

  it("full: a whole login with the tokens that the accounts had", function()
    local broker, client = start "refresh=full,keys=accounts"
    local status, said, answered = renew(client, broker)
    assert.equal(200, status)
    assert.equal(client.api, said.accounts[1].tradingApiToken)
    assert.equal(said.token, paper.cookies_of(answered)["co-auth"])
  end)

  it("401: never, and the session lives on", function()
    local broker, client = start "refresh=401"
    assert.equal(401, (renew(client, broker)))
    assert.equal(200, (client.call("GET", "/balance")))
  end)

  it("go by the old paths, too", function()
    for _, path in ipairs({ "/mtr-core-edge/refresh-token", "/mtr-backend/refresh-token" }) do
      local broker, client = start()
      assert.equal(200, (renew(client, broker, path)))
    end
  end)

  it("the fifth in an hour is 401 where the profile says so", function()
    local broker, client = start "fifth=401"
    for _ = 1, 4 do
      local _, _, answered = renew(client, broker)
      client.jar = paper.cookies_of(answered)
    end
    assert.equal(401, (renew(client, broker)))
  end)
end)

describe("answers to orders", function()
  it("message=null: null where there is nothing to say", function()
    local _, client = start "message=null"
    local _, said = client.call("POST", "/position/open", body_of())
    assert.same({ "OK", json.null }, { said.status, said.errorMessage })
  end)

  it("ids=digits: in and out, in every list and answer", function()
    local broker, client = start "ids=digits"
    local id = open(client)
    assert.matches("^%d+$", id)
    assert.equal(16, #id)
    local _, said = client.call("GET", "/open-positions")
    assert.same({ id, id }, { said.positions[1].id, said.positions[1].positions[1].id })
    _, said = client.call("POST", "/position/edit", json.encode { instrument = "BTCUSD", id = id, orderSide = "BUY",
      volume = 0.3, slPrice = with_levels(broker)[1], tpPrice = 0 })
    assert.same({ "OK", id }, { said.status, said.orderId })
    _, said = client.call("POST", "/position/close", json.encode(close_body(id)))
    assert.equal("OK", said.status)
    _, said = client.call("POST", "/closed-positions", '{"from":0,"to":9000000000000}')
    assert.same({ id, id .. "_close1" }, { said.operations[1].id, said.operations[1].uid })
    assert.matches("^%d+$", said.operations[1].closingOrderID)
  end)
end)

describe("the bulk close", function()
  local client
  before_each(function() client = select(2, start()) end)

  local function close(bodies)
    return client.call("POST", "/positions/close", type(bodies) == "string" and bodies or json.encode(bodies))
  end

  it("closes all that it is given", function()
    local a, b = open(client), open(client)
    local status, said = close { close_body(a), close_body(b) }
    assert.same({ 200, "OK" }, { status, said.status })
    assert.is_nil(documented.check(documented.shapes.accepted, said))
    local _, now = client.call("GET", "/open-positions")
    assert.same({}, now.positions)
  end)

  it("is a PARTIAL_SUCCESS when some are closed, REJECTED when none is", function()
    local a = open(client)
    local status, said = close { close_body(a), close_body("W0000000000000001") }
    assert.same({ 200, "PARTIAL_SUCCESS" }, { status, said.status })
    assert.matches("^1 of 2", said.errorMessage)
    status, said = close { close_body(a) }
    assert.same({ 200, "REJECTED" }, { status, said.status })
  end)

  it("does nothing when one of them cannot be read", function()
    local a = open(client)
    for _, bodies in ipairs({ "[]", "{}", "7", "[", "[7]",
      json.encode { close_body(a), close_body(a, { orderSide = 1 }) },
      json.encode { close_body(a), close_body(7) } }) do
      assert.equal(400, (close(bodies)), bodies)
    end
    local _, now = client.call("GET", "/open-positions")
    assert.equal(1, #now.positions)
  end)
end)

describe("the finances", function()
  it("are the first deposit and what closes brought, newest first, by type", function()
    local broker, client = start()
    local id = open(client)
    client.call("POST", "/position/close", json.encode(close_body(id)))
    local function ask(body)
      local status, said = client.call("POST", "/last-finance", body)
      return status, said.operations
    end
    local _, all = ask '{"types":[],"resultSize":100}'
    assert.equal("DEPOSIT", all[#all].type)
    assert.equal(tonumber(broker.accounts[client.account].balance), tonumber(all[#all].profit))
    local total = 0
    for _, row in ipairs(all) do total = total + row.profit end
    assert.truthy(math.abs(total - broker.sim:money(client.account).balance) < 0.005)
    local _, deposits = ask '{"types":["DEPOSIT"],"resultSize":100}'
    assert.equal(1, #deposits)
    local _, one = ask '{"types":[],"resultSize":1}'
    assert.same({ all[1] }, one)
    for _, body in ipairs({ "", "[]", '{"types":["DEPOSIT"]}', '{"types":"DEPOSIT","resultSize":5}',
      '{"types":[],"resultSize":0}' }) do
      assert.equal(400, (ask(body)), body)
    end
  end)
end)

describe("history", function()
  it("is of the symbols that are asked for", function()
    local _, client = start()
    client.call("POST", "/position/close", json.encode(close_body(open(client))))
    local function count(symbols)
      local status, said = client.call("POST", "/closed-positions",
        '{"from":0,"to":9000000000000,"symbols":' .. symbols .. "}")
      return status == 200 and #said.operations or status
    end
    assert.same({ 1, 1, 1, 0, 400 }, { count '["BTCUSD","EURUSD"]', count "[]", count "null", count '["EURUSD"]',
      count '"BTCUSD"' })
  end)
end)
