-- SPDX-License-Identifier: MIT
-- What goes wrong over real connections: what a client sees of each fault, and what the book says was done.

local clock = require "perigee.clock"
local http = require "perigee.http"
local httpd = require "perigee.httpd"
local json = require "perigee.json"
local task = require "perigee.task"
local brokers = require "perigee.simulator.broker"
local serve = require "perigee.simulator.serve"

local paper = dofile("tests/lua/paper_broker.lua")

-- fn(broker, client): client.call(method, path, body, timeout) -> answer | nil, err
local function serving(fn)
  task.run(function()
    local broker = paper.new()
    local server <close> = assert(httpd.listen { handler = function(req) return serve.handle(broker, req) end })
    broker.server = server
    local inner = paper.login(broker, "ann@example.org", 's3"cret')
    local client = { account = inner.account }
    function client.call(method, path, body, timeout)
      return http.request { once = true, method = method,
        url = "http://" .. server:address() .. "/mtr-api/" .. paper.SYSTEM .. path,
        body = body, timeout_ms = timeout or 5000, headers = { { "Auth-trading-api", inner.api },
          { "Cookie", "co-auth=" .. inner.jar["co-auth"] } } }
    end
    function client.open(timeout)
      return client.call("POST", "/position/open", json.encode { instrument = "BTCUSD", orderSide = "BUY",
        volume = 0.1, slPrice = 0, tpPrice = 0 }, timeout)
    end
    function client.count() return #broker.sim:positions(client.account) end
    assert.equal(200, client.call("GET", "/balance").status)
    fn(broker, client)
  end)
end

local function closed(answer, err)
  assert.is_nil(answer)
  assert.equal("closed", err.code)
end

describe("a fault:", function()
  it("none, and requests are counted by account and route", function()
    serving(function(broker, client)
      assert.equal(200, client.open().status)
      client.call("GET", "/nothing")
      client.call("GET", "/elsewhere")
      assert.same({ [client.account] = { ["GET /balance"] = 1, ["POST /position/open"] = 1 }, ["-"] = { other = 2 } },
        broker.counts)
    end)
  end)

  it("reset before: nothing is executed; after: it is; by RST and by FIN", function()
    serving(function(broker, client)
      for _, fin in ipairs({ false, true }) do
        broker.faults:add { kind = "reset", at = "before", times = 1, fin = fin }
        closed(client.open())
        assert.equal(fin and 1 or 0, client.count())
        broker.faults:add { kind = "reset", at = "after", times = 1, fin = fin }
        closed(client.open())
        assert.equal(fin and 2 or 1, client.count())
      end
    end)
  end)

  it("reset during: the client knows of the break before the broker has executed", function()
    serving(function(broker, client)
      broker.faults:add { kind = "reset", at = "during", times = 1, ms = 150 }
      closed(client.open())
      assert.equal(0, client.count())
      task.sleep(400, "io")
      assert.equal(1, client.count())
    end)
  end)

  it("late: executed after the client has given up", function()
    serving(function(broker, client)
      broker.faults:add { kind = "late", times = 1, ms = 300 }
      local answer, err = client.open(100)
      assert.is_nil(answer)
      assert.equal("timeout", err.code)
      assert.equal(0, client.count())
      task.sleep(500, "io")
      assert.equal(1, client.count())
    end)
  end)

  it("late: the session counts that was there when it came in", function()
    serving(function(broker, client)
      broker.faults:add { kind = "late", times = 1, ms = 100 }
      local waiting = task.spawn(function() return client.open().status end)
      task.sleep(30, "io")
      assert.equal(1, broker.sessions:forget(client.account))
      assert.equal(200, select(2, waiting:join()))
      assert.equal(1, client.count())
      assert.equal(401, client.open().status)
    end)
  end)

  it("slow: executed at once, told later", function()
    serving(function(broker, client)
      broker.faults:add { kind = "slow", times = 1, ms = 300 }
      local _, err = client.open(100)
      assert.equal("timeout", err.code)
      assert.equal(1, client.count())
    end)
  end)

  it("truncate: executed, and the body ends too early", function()
    serving(function(broker, client)
      for _, bytes in ipairs({ 0, 7, 100000 }) do
        broker.faults:add { kind = "truncate", times = 1, bytes = bytes }
        closed(client.open())
      end
      broker.faults:add { kind = "truncate", times = 1 }
      closed(client.call("GET", "/open-positions"))
      assert.equal(3, client.count())
    end)
  end)

  it("chunked: the same answer in chunks, and its connection is kept", function()
    serving(function(broker, client)
      broker.faults:add { kind = "chunked", times = 2 }
      local said = client.open()
      assert.equal(200, said.status)
      assert.equal("chunked", said:header("Transfer-Encoding"))
      assert.is_nil(said:header("Content-Length"))
      assert.equal("OK", json.decode(said.body).status)
      local list = client.call("GET", "/open-positions")
      assert.equal("chunked", list:header("Transfer-Encoding"))
      assert.equal(list.body, client.call("GET", "/open-positions").body)
    end)
  end)

  it("garbage: executed, and 200 says nothing", function()
    serving(function(broker, client)
      for i = 1, 6 do
        broker.faults:add { kind = "garbage", times = 1 }
        local answer = client.open()
        assert.equal(200, answer.status)
        local said = json.decode(answer.body)
        assert.truthy(type(said) ~= "table" or said.status ~= "OK")
        assert.equal(i, client.count())
      end
    end)
  end)

  it("half_open: no answer ever, executed only when told so; the broker lets go when the client does", function()
    serving(function(broker, client)
      for i, executed in ipairs({ false, true }) do
        broker.faults:add { kind = "half_open", times = 1, executed = executed }
        local _, err = client.open(150)
        assert.equal("timeout", err.code)
        assert.equal(i - 1, client.count())
      end
      assert.equal(200, client.open().status)
    end)
  end)

  it("statuses look as those of an edge, a gateway and the broker itself", function()
    serving(function(broker, client)
      local function answered(rule)
        rule.times = 1
        broker.faults:add(rule)
        return client.open()
      end
      local a = answered { kind = "403" }
      assert.same({ 403, "challenge", "text/html; charset=utf-8" },
        { a.status, a:header("cf-mitigated"), a:header("content-type") })
      a = answered { kind = "429", retry_after = 9 }
      assert.same({ 429, "9" }, { a.status, a:header("retry-after") })
      a = answered { kind = "429" }
      assert.same({ 429 }, { a.status, a:header("retry-after") })
      assert.equal(401, answered({ kind = "401" }).status)
      assert.equal(410, answered({ kind = "410" }).status)
      assert.equal(0, client.count())
      a = answered { kind = "502", executed = true }
      assert.same({ 502, "text/html; charset=utf-8" }, { a.status, a:header("content-type") })
      assert.equal(1, client.count())
      assert.equal(502, answered({ kind = "502", executed = false }).status)
      assert.equal(1, client.count())
    end)
  end)

  it("forget: the session ends before the request is looked at", function()
    serving(function(broker, client)
      broker.faults:add { kind = "forget", path = "writes", times = 1 }
      assert.equal(401, client.open().status)
      assert.equal(0, client.count())
      assert.equal(401, client.call("GET", "/balance").status)
    end)
  end)

  it("stale: quotes stand still with their time, the market goes on, and then they move again", function()
    serving(function(broker, client)
      local function quote()
        return json.decode(client.call("GET", "/quotations?symbols=BTCUSD,EURUSD").body)
      end
      local before = quote()
      broker.faults:add { kind = "stale", path = "/quotations", times = 1, ms = 200 }
      assert.same(before, quote())
      assert(broker.sim:advance(broker.sim:now() + 60000))
      assert.same(before, quote())
      assert.equal(200, client.open().status)
      local opened = broker.sim:positions(client.account)[1]
      assert.equal(broker.sim:now(), opened.opened_ms)
      task.sleep(400, "io")
      assert.truthy(quote()[1].timestampMs > before[1].timestampMs)
      serve.freeze(broker)
      local frozen = quote()
      assert(broker.sim:advance(broker.sim:now() + 60000))
      assert.same(frozen, quote())
      serve.thaw(broker)
      assert.not_same(frozen, quote())
    end)
  end)
end)

describe("a broker whose", function()
  it("clock is wrong says so everywhere: rows, quotes, Date, and reads what it is asked by the same clock", function()
    serving(function(broker, client)
      client.open()
      local skew = -3600000
      brokers.set_skew(broker, skew)
      local now = broker.sim:now()
      local answer = client.call("GET", "/open-positions")
      local row = json.decode(answer.body).positions[1]
      assert.equal(now + skew, row.openTimeMillis)
      assert.equal(clock.iso(now + skew), row.openTime)
      local quote = json.decode(client.call("GET", "/quotations?symbols=BTCUSD").body)[1]
      assert.equal(broker.sim:quote("BTCUSD").time_ms + skew, quote.timestampMs)
      local hour = math.tointeger(tonumber(answer:header("date"):match(" (%d%d):%d%d:%d%d GMT$")))
      local wall = (clock.wall_ms() + skew) // 3600000 % 24
      assert.truthy(hour == wall or hour == (wall - 1) % 24) -- the hour may just have changed
      client.call("POST", "/position/close", json.encode { positionId = row.id, instrument = "BTCUSD",
        orderSide = "BUY", volume = "0.10" })
      local function closes(from, to)
        local said = client.call("POST", "/closed-positions", json.encode { from = from, to = to })
        return #json.decode(said.body).operations
      end
      assert.equal(1, closes(now + skew, now + skew))
      assert.equal(0, closes(now + skew + 1, now + 60000))
    end)
  end)

  it("lists lag do not show the newest, neither open nor closed", function()
    serving(function(broker, client)
      broker.lag_ms = 5000
      client.open()
      local function shown() return #json.decode(client.call("GET", "/open-positions").body).positions end
      assert.equal(0, shown())
      assert(broker.sim:advance(broker.sim:now() + 5000))
      assert.equal(1, shown())
      client.call("POST", "/position/close", json.encode { positionId = broker.sim:positions(client.account)[1].id,
        instrument = "BTCUSD", orderSide = "BUY", volume = "0.10" })
      local function history()
        return #json.decode(client.call("POST", "/closed-positions", '{"from":0,"to":9000000000000}').body).operations
      end
      assert.same({ 0, 0 }, { shown(), history() })
      assert(broker.sim:advance(broker.sim:now() + 5000))
      assert.same({ 0, 1 }, { shown(), history() })
    end)
  end)

  it("limit is lower, or of all accounts together", function()
    serving(function(broker, client)
      broker.sessions.limit = 3
      assert.equal(200, client.call("GET", "/balance").status)
      assert.equal(200, client.call("GET", "/balance").status)
      assert.equal(429, client.call("GET", "/balance").status)
      broker.sessions.shared, broker.sessions.limit = true, 1
      assert.equal(200, client.call("GET", "/balance").status)
      local other = paper.login(broker, "bob@example.org", "pw")
      assert.equal(429, (other.call("GET", "/balance")))
    end)
  end)

  it("day turns bad changes its words, clock, lists, limits and book, and calm takes all of it back", function()
    serving(function(broker, client)
      assert(brokers.set_profile(broker, "ids=digits"))
      local mine = broker.faults:add { kind = "slow", ms = 1, share = 0.001 }
      assert.is_nil(brokers.set_chaos(broker, "sunny"))
      assert(brokers.set_chaos(broker, "hostile"))
      assert.same({ "mixed", "digits", -20000, 2000, 400, "hostile" }, { broker.profile.typing, broker.profile.ids,
        broker.skew_ms, broker.lag_ms, broker.sessions.limit, broker.chaos })
      assert.equal(60, broker.sim:model().slippage_points)
      assert(brokers.set_chaos(broker, "amnesia"))
      assert.is_true(broker.sim:model().order_id_differs)
      assert.equal(0, broker.sim:model().slippage_points)
      assert(brokers.set_chaos(broker, "calm"))
      assert.same({ "strings", "digits", 0, 0, "calm" }, { broker.profile.typing, broker.profile.ids, broker.skew_ms,
        broker.lag_ms, broker.chaos })
      assert.is_nil(broker.sessions.limit)
      assert.is_false(broker.sim:model().order_id_differs)
      assert.same({ mine }, { broker.faults.rules[1].id })
      assert.equal(1, #broker.faults.rules)
      assert.equal(200, client.open().status)
    end)
  end)
end)
