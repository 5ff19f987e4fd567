-- SPDX-License-Identifier: MIT
-- The paper broker's doors: who may do what, until when, and how often.

local clock = require "perigee.clock"
local json = require "perigee.json"
local accounts = require "perigee.simulator.accounts"
local sessions = require "perigee.simulator.sessions"
local stream = require "perigee.simulator.stream"

local documented = dofile("tests/transcripts/shapes.lua")
local paper = dofile("tests/lua/paper_broker.lua")
local SYSTEM, exchange, login = paper.SYSTEM, paper.exchange, paper.login
local MINUTE, HOUR = 60000, 3600000

local function ann(broker, n) return login(broker, "ann@example.org", 's3"cret', n) end
local function bob(broker) return login(broker, "bob@example.org", "pw") end

local function pass(broker, ms) assert(broker.sim:advance(broker.sim:now() + ms)) end

local function balance(broker, api, cookie)
  local status, said = exchange(broker, "GET", "/mtr-api/" .. SYSTEM .. "/balance",
    { ["auth-trading-api"] = api, cookie = cookie })
  if status ~= 200 then assert.is_nil(documented.check(documented.shapes.failure, said)) end
  return status, said
end

-- What a token says of itself, by an own reading of base64url.
local function claims(token)
  local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  local bits = {}
  for c in token:match("%.([^.]+)%."):gmatch(".") do
    local n = alphabet:find(c, 1, true) - 1
    for i = 5, 0, -1 do bits[#bits + 1] = n >> i & 1 end
  end
  local bytes = {}
  for i = 1, #bits - 7, 8 do
    local n = 0
    for k = i, i + 7 do n = n << 1 | bits[k] end
    bytes[#bytes + 1] = string.char(n)
  end
  return json.decode(table.concat(bytes))
end

describe("the paper broker's login:", function()
  local broker
  before_each(function() broker = paper.new() end)

  local function try(body)
    return exchange(broker, "POST", "/manager/mtr-login", nil, body)
  end

  it("wrong words and unknown people are refused alike", function()
    local status, said = try('{"email":"ann@example.org","password":"wrong","brokerId":"0"}')
    local status2, said2 = try('{"email":"eve@example.org","password":"wrong","brokerId":"0"}')
    assert.same({ 401, 401 }, { status, status2 })
    assert.same(said, said2)
    assert.is_nil(documented.check(documented.shapes.failure, said))
  end)

  it("the broker's id may be a text or a number, but must be there", function()
    assert.equal(200, (try('{"email":"bob@example.org","password":"pw","brokerId":"0"}')))
    assert.equal(200, (try('{"email":"bob@example.org","password":"pw","brokerId":0}')))
    assert.equal(400, (try('{"email":"bob@example.org","password":"pw"}')))
    assert.equal(400, (try('{"email":"bob@example.org","password":"pw","brokerId":null}')))
  end)

  it("malformed bodies get 400", function()
    for _, body in ipairs({ "", "{", "[]", "null", '"x"', '{"email":"bob@example.org","brokerId":"0"}',
      '{"password":"pw","brokerId":"0"}', '{"email":1,"password":"pw","brokerId":"0"}',
      '{"email":"bob@example.org","password":true,"brokerId":"0"}' }) do
      local status, said = try(body)
      assert.equal(400, status, body)
      assert.is_nil(documented.check(documented.shapes.failure, said))
    end
  end)

  it("the answer holds each account with a token of its own, and the first is selected", function()
    local said = ann(broker).said
    assert.equal(2, #said.tradingAccounts)
    assert.not_equal(said.tradingAccounts[1].tradingApiToken, said.tradingAccounts[2].tradingApiToken)
    assert.equal(said.tradingAccounts[1].tradingAccountId, said.selectedTradingAccount.tradingAccountId)
    assert.equal(SYSTEM, said.tradingAccounts[1].offer.system.uuid)
    assert.is_true(said.tradingAccounts[1].offer.demo)
    -- a client that believes this address never arrives
    assert.not_matches("127%.0%.0%.1", said.tradingAccounts[1].offer.system.tradingApiDomain)
  end)

  it("the token says that it lives for fifteen minutes of the market, and the cookie is the token", function()
    local client = ann(broker)
    assert.equal((broker.sim:now() + 15 * MINUTE) // 1000, claims(client.said.token).exp)
    assert.equal(client.said.token, client.jar["co-auth"])
    assert.equal(clock.iso(broker.sim:now() + 15 * MINUTE),
      client.said.tradingAccounts[1].tradingAccountToken.expiration)
  end)
end)

describe("the paper broker's guard:", function()
  local broker, client
  before_each(function()
    broker = paper.new()
    client = ann(broker)
  end)

  local function cookie_of(c) return "co-auth=" .. c.jar["co-auth"] end

  it("header and cookie together open the account that the header names", function()
    local second = ann(broker, 2)
    local status, said = balance(broker, second.api, cookie_of(second))
    assert.equal(200, status)
    assert.equal(broker.accounts[second.account].currency, said.currency)
    assert.equal(broker.sim:money(second.account).balance, said.balance)
  end)

  it("the cookie is found among others", function()
    assert.equal(200, (balance(broker, client.api, "a=b; " .. cookie_of(client) .. "; rt=x")))
    assert.equal(401, (balance(broker, client.api, "xco-auth=" .. client.jar["co-auth"])))
  end)

  it("without header, without cookie, with a wrong one, or with another login's: 401", function()
    local other = bob(broker)
    assert.equal(401, (balance(broker, nil, cookie_of(client))))
    assert.equal(401, (balance(broker, client.api, nil)))
    assert.equal(401, (balance(broker, client.api, "co-auth=")))
    assert.equal(401, (balance(broker, client.api, "co-auth=made.up.token")))
    assert.equal(401, (balance(broker, "made-up", cookie_of(client))))
    assert.equal(401, (balance(broker, other.api, cookie_of(client))))
    assert.equal(401, (balance(broker, client.api, cookie_of(other))))
    assert.equal(200, (balance(broker, other.api, cookie_of(other))))
  end)

  it("a write without a session is not executed, whatever its body", function()
    local status = client.call("POST", "/position/open", '{"instrument":"BTCUSD","orderSide":"BUY","volume":0.1}',
      { ["auth-trading-api"] = client.api })
    assert.equal(401, status)
    assert.equal(401, (client.call("POST", "/position/open", "{", {})))
    assert.same({}, broker.sim:positions(client.account))
  end)

  it("after fifteen minutes the token is worth nothing", function()
    pass(broker, 15 * MINUTE - 1)
    assert.equal(200, (balance(broker, client.api, cookie_of(client))))
    pass(broker, 1)
    assert.equal(401, (balance(broker, client.api, cookie_of(client))))
  end)

  it("with the profile cookie=optional the header alone is enough, as long as the session lives", function()
    broker.profile.cookie = "optional"
    assert.equal(200, (balance(broker, client.api, nil)))
    assert.equal(200, (balance(broker, client.api, "co-auth=made.up.token")))
    assert.equal(401, (balance(broker, "made-up", nil)))
    assert.equal(401, (balance(broker, nil, cookie_of(client))))
    pass(broker, 15 * MINUTE)
    assert.equal(401, (balance(broker, client.api, nil)))
  end)

  it("the path is judged before the session: what is not there is 404 for strangers, too", function()
    assert.equal(404, (client.call("GET", "/nothing", nil, {})))
    assert.equal(401, (client.call("GET", "/balance", nil, {})))
  end)

  it("500 requests a minute and account; then 429 with the seconds to wait, and nothing is executed", function()
    for _ = 1, 500 do assert.equal(200, (client.call("GET", "/active-orders"))) end
    local status, said, headers = client.call("POST", "/position/open",
      '{"instrument":"BTCUSD","orderSide":"BUY","volume":0.1}')
    assert.equal(429, status)
    assert.is_nil(documented.check(documented.shapes.failure, said))
    assert.equal("60", headers["retry-after"][1])
    assert.same({}, broker.sim:positions(client.account))
    local second = ann(broker, 2)
    assert.equal(200, (second.call("GET", "/active-orders")))
    pass(broker, 59001)
    local _, _, later = client.call("GET", "/active-orders")
    assert.equal("1", later["retry-after"][1])
    pass(broker, 999)
    assert.equal(200, (client.call("GET", "/active-orders")))
  end)
end)

describe("the paper broker's renewal:", function()
  local broker, client
  before_each(function()
    broker = paper.new()
    client = ann(broker)
  end)

  it("gives a new token for the same accounts; the api tokens stay", function()
    pass(broker, 14 * MINUTE)
    local status, text, headers = client.refresh()
    assert.same({ 200, "" }, { status, text })
    local jar = paper.cookies_of(headers)
    assert.not_equal(client.jar["co-auth"], jar["co-auth"])
    assert.equal((broker.sim:now() + 15 * MINUTE) // 1000, claims(jar["co-auth"]).exp)
    pass(broker, 14 * MINUTE)
    assert.equal(401, (balance(broker, client.api, "co-auth=" .. client.jar["co-auth"])))
    assert.equal(200, (balance(broker, client.api, "co-auth=" .. jar["co-auth"])))
  end)

  it("works with the session's cookie alone, and for a token that has just ended", function()
    pass(broker, 16 * MINUTE)
    local status = exchange(broker, "POST", "/manager/refresh-token",
      { cookie = "co-auth=" .. client.jar["co-auth"] }, "{}")
    assert.equal(200, status)
  end)

  it("without a cookie, with a made-up one, with a used one, or long after the end: 401", function()
    local function status_of(cookie)
      local status, said = exchange(broker, "POST", "/manager/refresh-token", { cookie = cookie }, "")
      if status ~= 200 then assert.is_nil(documented.check(documented.shapes.failure, said)) end
      return status
    end
    assert.equal(401, status_of(nil))
    assert.equal(401, status_of("rt=made-up"))
    assert.equal(200, status_of("rt=" .. client.jar.rt))
    assert.equal(401, status_of("rt=" .. client.jar.rt))
    pass(broker, 2 * HOUR)
    assert.equal(401, status_of("co-auth=" .. client.jar["co-auth"]))
  end)

  it("four times in an hour; the fifth is refused with 429, for that login alone", function()
    local other = bob(broker)
    for _ = 1, 4 do
      local status, _, headers = client.refresh()
      assert.equal(200, status)
      client.jar = paper.cookies_of(headers)
      pass(broker, 10 * MINUTE)
    end
    local status, said = client.refresh()
    assert.equal(429, status)
    assert.is_nil(documented.check(documented.shapes.failure, said))
    assert.equal(200, (other.refresh()))
    -- a login is no way around it
    client = ann(broker)
    assert.equal(429, (client.refresh()))
    pass(broker, 20 * MINUTE) -- an hour after the first
    client = ann(broker)
    assert.equal(200, (client.refresh()))
    assert.equal(429, (client.refresh()))
  end)
end)

describe("the paper broker's logout:", function()
  it("ends a session at once, with all that it gave out, and no other", function()
    for _, profile in ipairs({ "cookie=required", "cookie=optional" }) do
      local broker = paper.new(profile)
      local first, second = ann(broker), ann(broker)
      first.refresh()
      local status, _, answered = exchange(broker, "POST", "/manager/logout",
        { cookie = "co-auth=" .. second.jar["co-auth"] })
      assert.equal(200, status)
      assert.same({ ["co-auth"] = "", rt = "" }, paper.cookies_of(answered))
      assert.equal(401, (second.call("GET", "/balance")))
      assert.equal(401, (second.refresh()))
      assert.equal(200, (first.call("GET", "/balance")))
    end
  end)

  it("of nobody is no error", function()
    local broker = paper.new()
    assert.equal(200, (exchange(broker, "POST", "/manager/logout", nil)))
    assert.equal(200, (exchange(broker, "POST", "/manager/logout", { cookie = "co-auth=nonsense" })))
  end)
end)

describe("the paper broker's sessions", function()
  it("do not pile up", function()
    local all = sessions.new { ["a@b.c"] = { password = "x", accounts = { "1" } } }
    for i = 0, 50 do assert(all:login("a@b.c", "x", i * HOUR)) end
    local tokens, apis, renewals = 0, 0, 0
    for _ in pairs(all.by_token) do tokens = tokens + 1 end
    for _ in pairs(all.by_api) do apis = apis + 1 end
    for _ in pairs(all.by_refresh) do renewals = renewals + 1 end
    assert.truthy(tokens < 5 and apis < 5 and renewals < 5)
  end)
end)

describe("the paper broker's customers:", function()
  it("twelve accounts under ten logins, different in balance, leverage and currency, always the same", function()
    local list = accounts.list(12)
    local logins, ids, currencies, leverages, balances = {}, {}, {}, {}, {}
    local function count(set)
      local n = 0
      for _ in pairs(set) do n = n + 1 end
      return n
    end
    for _, account in ipairs(list) do
      logins[account.user] = (logins[account.user] or 0) + 1
      ids[account.id], currencies[account.currency], leverages[account.leverage] = true, true, true
      balances[account.balance] = true
    end
    assert.same({ 12, 12, 10 }, { #list, count(ids), count(logins) })
    assert.equal(2, logins["demo01@example.com"])
    assert.equal(2, logins["demo02@example.com"])
    assert.truthy(count(currencies) >= 3 and count(leverages) >= 3 and count(balances) >= 3)
    assert.same(list, accounts.list(12))
    local fewer = accounts.list(5)
    for i, account in ipairs(fewer) do assert.same(list[i], account) end
    assert.equal(500, #accounts.list(500))
  end)
end)

describe("the paper broker's reference stream:", function()
  local broker, feed, calls

  local function connection()
    local conn = { sent = {}, closed = false, waiting = 0 }
    function conn:send(text) self.sent[#self.sent + 1] = json.decode(text) end
    function conn:close() self.closed = true end
    function conn:pending() return self.waiting end
    return conn
  end

  local function start(speed)
    broker = paper.new()
    feed = stream.new { sim = broker.sim, symbol = "BTCUSD", point = "0.1", speed = speed, source = "seed 5" }
    calls = feed:callbacks()
  end

  it("greets with what the market is, and says what is modelled", function()
    start("20")
    local conn = connection()
    assert.is_true(calls.opened(conn, "/reference"))
    assert.is_false(calls.opened(conn, "/elsewhere"))
    calls.message(conn, '{"subscribe":true}')
    local hello = conn.sent[1]
    assert.equal("hello", hello.type)
    assert.same({ "BTCUSD", 0.1, 20, broker.sim:now(), false },
      { hello.symbol, hello.point, hello.speed, hello.now, hello.ended })
    assert.same({ "modelled", "modelled", "modelled" }, { hello.prices, hello.side, hello.depth })
    calls.message(conn, '{"subscribe":true}')
    assert.equal(1, #conn.sent)
  end)

  it("tells every subscriber everything since it came, once, in order", function()
    start("20")
    local a, b = connection(), connection()
    calls.message(a, '{"subscribe":true}')
    pass(broker, 5000)
    calls.message(b, '{"subscribe":true}')
    pass(broker, 5000)
    feed:flush()
    local function count(conn)
      local n, last = 0, 0
      for _, message in ipairs(conn.sent) do
        for _, e in ipairs(message.e or {}) do
          assert.truthy(e[1] == "q" or e[1] == "p" or e[1] == "d")
          assert.truthy(e[2] >= last)
          if e[1] == "d" then assert.same({ 20, 20 }, { #e[3], #e[4] }) end
          n, last = n + 1, e[2]
        end
      end
      return n
    end
    assert.truthy(count(a) > count(b) and count(b) > 0)
    assert.equal(broker.sim:now(), a.sent[#a.sent].reached)
    feed:flush()
    assert.same({}, a.sent[#a.sent].e)
    assert.equal(a.sent[#a.sent].granted, nil)
  end)

  it("with speed max moves on grants, at most a second each; with a speed of its own not at all", function()
    for speed, moves in pairs({ max = true, ["20"] = false }) do
      start(speed)
      local conn, other = connection(), connection()
      calls.message(conn, json.encode { grant = broker.sim:now() + 500 })
      assert.same({}, conn.sent) -- not without a subscription
      calls.message(conn, '{"subscribe":true}')
      calls.message(other, '{"subscribe":true}')
      local now = broker.sim:now()
      calls.message(conn, json.encode { grant = now + 500 })
      assert.equal(moves and now + 500 or now, broker.sim:now())
      calls.message(conn, json.encode { grant = now + 60000 })
      assert.equal(moves and now + 1500 or now, broker.sim:now())
      calls.message(conn, json.encode { grant = now })
      assert.equal(moves and now + 1500 or now, broker.sim:now())
      if moves then
        assert.is_true(conn.sent[#conn.sent].granted)
        assert.is_nil(other.sent[#other.sent].granted)
      end
    end
  end)

  it("gives history, and survives questions that make no sense", function()
    start("max")
    local conn = connection()
    calls.message(conn, '{"history":"1m","count":3,"id":9}')
    assert.same({ "history", 9, 3 }, { conn.sent[1].type, conn.sent[1].id, #conn.sent[1].bars })
    assert.equal(8, #conn.sent[1].bars[1])
    assert.equal(conn.sent[1].bars[1][1] + MINUTE, conn.sent[1].bars[2][1])
    for _, text in ipairs({ '{"history":"7m","count":3}', '{"history":"1m"}', '{"history":5,"count":1}', "{}", "[]",
      '{"grant":"soon"}' }) do
      calls.message(conn, text)
    end
    assert.equal(1, #conn.sent)
    for _, count in ipairs({ "-5", "0", "1e300", "2.7" }) do
      calls.message(conn, '{"history":"1s","id":{"a":1},"count":' .. count .. "}")
      assert.equal("history", conn.sent[#conn.sent].type)
    end
    assert.same({ 0, 0 }, { #conn.sent[2].bars, #conn.sent[3].bars })
    assert.equal(2, #conn.sent[5].bars)
    assert.is_false(conn.closed)
    calls.message(conn, "not JSON")
    assert.is_true(conn.closed)
  end)

  it("forgets who has gone, and lets go of who does not read", function()
    start("20")
    local gone, slow = connection(), connection()
    calls.message(gone, '{"subscribe":true}')
    calls.message(slow, '{"subscribe":true}')
    calls.closed(gone)
    calls.closed(gone)
    slow.waiting = 1 << 30
    local before, told = #gone.sent, #slow.sent
    pass(broker, 1000)
    feed:flush()
    assert.equal(before, #gone.sent)
    assert.is_true(slow.closed)
    assert.equal(told + 1, #slow.sent)
    calls.closed(slow)
    feed:flush()
    assert.equal(told + 1, #slow.sent)
  end)
end)
