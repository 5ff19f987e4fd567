-- SPDX-License-Identifier: MIT
-- Reads of an account: what is needed is read, a failure pauses, and a cancelled one ends. Quotes likewise.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("reads", function()
  local undo, paths, lanes, answers, needs, observed, rotated, slept, most

  local modules = function()
    return {
      ["perigee.clock"] = { market_ms = function() return 0 end, io_ns = function() return 5 end,
        iso = function(ms) return tostring(ms) end, parse = function() return 1 end },
      ["perigee.exec"] = { needs = function() return needs end,
        next_need = function() return nil, { code = "cancelled" } end,
        observe_positions = function(_, begun, rows) observed[#observed + 1] = { begun, #rows } return true end,
        observe_orders = function(_, begun, rows)
          observed[#observed + 1] = { begun, #rows, "orders" }
          return true
        end,
        observe_closed = function() observed[#observed + 1] = "closed" return true end,
        observe_balance = function(_, row) observed[#observed + 1] = row.equity return true end },
      ["perigee.ledger"] = { exposure_count = function() return 0 end, pendings = function() return {} end,
        mark = function(_, name)
        observed[#observed + 1] = name end },
      ["perigee.log"] = { warn = function() end },
      ["perigee.task"] = { sleep = function(ms) slept[#slept + 1] = ms return #slept < most end },
    }
  end

  local session = { profile = { name = "paper" }, read = function(_, _, lane, _, path)
    lanes[#lanes + 1] = lane
    paths[#paths + 1] = path
    local text = table.remove(answers, 1)
    if not text then return nil, { code = "timeout", message = "late" } end
    return { body = text, status = 200 }
  end }

  before_each(function()
    paths, lanes, answers, needs, observed, rotated, slept, most = {}, {}, {}, nil, {}, 0, {}, 3
  end)

  after_each(function() undo() end)

  it("of orders, positions, history and balance go to exec, with the moment at which they were begun", function()
    local watch
    watch, undo = fake.load("perigee.watch", modules())
    answers = { '{"orders":[]}', '{"positions":[]}', '{"operations":[]}', '{"balance":"1","equity":"2"}' }
    assert.is_true(watch.orders(session, { id = "1" }))
    assert.is_true(watch.positions(session, { id = "1" }))
    assert.is_true(watch.closed(session, { id = "1" }, 0))
    assert.is_true(watch.balance(session, { id = "1" }))
    assert.same({ { 5, 0, "orders" }, { 5, 0 }, "closed", "2" }, observed)
    assert.same({ "/active-orders", "/open-positions", "/closed-positions", "/balance" }, paths)
    assert.same({ "positions", "positions", "reconcile", "balance" }, lanes)
  end)

  it("that are needed are made until they succeed, with growing pauses, and end when cancelled", function()
    local watch
    watch, undo = fake.load("perigee.watch", modules())
    needs = { positions = true }
    watch.run(session, { id = "1" }, { positions = 5000, idle = 60000, balance = 60000 })
    assert.same({ 100, 200, 400 }, slept)
    needs = nil
    watch.run(session, { id = "1" }, { positions = 5000, idle = 60000, balance = 60000 })
    assert.equal(3, #paths)
  end)

  describe("of one list that cannot be read", function()
    local watch, bodies, asked, known

    before_each(function()
      watch, undo = fake.load("perigee.watch", modules())
      asked, known = {}, 0
      bodies = { ["/active-orders"] = '{"orders":[{"id":"W1","type":"STOP_LIMIT"}]}',
        ["/open-positions"] = '{"positions":[]}', ["/closed-positions"] = '{"operations":[]}',
        ["/balance"] = '{"balance":"1","equity":"2"}' }
    end)

    local reader = { profile = { name = "paper" }, read = function(_, _, _, _, path)
      asked[#asked + 1] = path
      local body = bodies[path]
      if type(body) == "table" then return nil, body end
      return { body = body, status = 200 }
    end }

    it("do not leave out the others, at the start neither, and the account is known", function()
      assert.is_true(watch.first(reader, { id = "1" }))
      assert.same({ "/active-orders", "/open-positions", "/balance" }, asked)
      asked, most = {}, 1
      watch.run(reader, { id = "1" }, { positions = 5000, orders = 5000, idle = 60000, balance = 60000 },
        function() known = known + 1 end, true)
      assert.same({ "/active-orders", "/open-positions", "/balance" }, asked)
      assert.equal(1, known)
      assert.same({ 100 }, slept)
    end)

    it("make no account known whose positions or balance are it", function()
      for _, path in ipairs({ "/open-positions", "/balance" }) do
        local good = bodies[path]
        bodies[path] = "[]?"
        assert.equal("unreadable", select(2, watch.first(reader, { id = "1" })).code)
        most, slept = 1, {}
        watch.run(reader, { id = "1" }, { positions = 5000, orders = 5000, idle = 60000, balance = 60000 },
          function() known = known + 1 end, true)
        assert.equal(0, known)
        bodies[path] = good
      end
    end)

    it("ask nothing more of a broker that is not there", function()
      for _, code in ipairs({ "timeout", "rate_limit", "edge_block", "cancelled", "status_401", "status_502" }) do
        asked, bodies["/active-orders"] = {}, { code = code, message = "no" }
        assert.equal(code, select(2, watch.first(reader, { id = "1" })).code)
        assert.equal(1, #asked)
      end
    end)
  end)

  it("that the broker says no to are repeated ever less often; a session that holds back is asked soon", function()
    local watch
    watch, undo = fake.load("perigee.watch", modules())
    needs = { positions = true }
    local said
    local refusing = { read = function() return nil, said end }
    local function sleeps(err, count)
      said, slept, most = err, {}, count
      watch.run(refusing, { id = "1" }, { positions = 5000, orders = 5000, idle = 60000, balance = 60000 })
      return slept
    end
    local list = sleeps({ code = "status_400", message = "no", retry = "no" }, 12)
    assert.equal(60000, list[12])
    list = sleeps({ code = "timeout", message = "late", retry = "safe" }, 12)
    assert.equal(10000, list[12])
    list = sleeps({ code = "status_503", message = "later", retry = "safe", retry_after_ms = 40000 }, 2)
    assert.same({ 40000, 40000 }, list)
    list = sleeps({ code = "taken_over", message = "wait", retry_after_ms = 600000 }, 9)
    assert.same({ 5000, 5000 }, { list[1], list[9] })
    list = sleeps({ code = "session", message = "wait" }, 9)
    assert.same({ 100, 5000 }, { list[1], list[9] })
  end)

  it("of quotes tell which of them are new: a broker whose quotes stand still says nothing", function()
    local quotes
    quotes, undo = fake.load("perigee.feeds.quotes", modules())
    local canonical = { ["BTCUSD."] = "BTCUSD", ["EURUSD."] = "EURUSD" }
    local function fresh(text)
      answers = { text }
      local list, err = quotes.read(session, { id = "1" }, { "BTCUSD.", "EURUSD." }, canonical)
      return list and table.concat(list, " ") or err.code
    end
    local frozen = '[{"symbol":"BTCUSD.","bid":1,"ask":2,"timestampMs":5},{"symbol":"EURUSD.","bid":1,"ask":2}]'
    assert.equal("BTCUSD EURUSD", fresh(frozen))
    assert.equal("EURUSD", fresh(frozen)) -- without a time nobody can tell
    assert.equal("BTCUSD", fresh '[{"symbol":"BTCUSD.","bid":1,"ask":2,"timestampMs":6}]')
    assert.equal("BTCUSD", fresh '[{"symbol":"BTCUSD.","bid":1.5,"ask":2,"timestampMs":6}]')
    assert.equal("", fresh '[{"symbol":"BTCUSD.","bid":1.5,"ask":2,"timestampMs":6}]')
    assert.equal("unreadable", fresh "[]")
    assert.equal("unreadable", fresh '[{"symbol":"GBPUSD.","bid":1,"ask":2}]')
    assert.equal("unreadable", fresh '[{"symbol":"BTCUSD.","bid":3,"ask":2}]')
  end)

  it("of quotes mark what is known, and another session is asked after a failure", function()
    local quotes
    quotes, undo = fake.load("perigee.feeds.quotes", modules())
    answers = { '[{"symbol":"BTCUSD.","bid":1,"ask":2},{"symbol":"X","bid":1,"ask":2}]' }
    local function read() return quotes.read(session, { id = "1" }, { "BTCUSD." }, { ["BTCUSD."] = "BTCUSD" }) end
    assert.same({ "BTCUSD" }, (read()))
    assert.same({ "BTCUSD" }, observed)
    quotes.run { pick = function() return session, { id = "1" } end, period = function() return 1000 end,
      symbols = function() return {}, {} end,
      on_marked = function() end, rotate = function() rotated = rotated + 1 end }
    assert.is_true(rotated > 0)
    slept, most = {}, 9
    local resting = { profile = { name = "paper" }, read = function()
      return nil, { code = "edge_block", message = "rest", retry_after_ms = 60000 }
    end }
    quotes.run { pick = function() return resting, { id = "1" } end, period = function() return 1000 end,
      symbols = function() return {}, {} end, on_marked = function() end, rotate = function() end }
    for _, ms in ipairs(slept) do assert.is_true(ms <= 1000) end -- however long one rests, the next is asked soon
  end)
end)
