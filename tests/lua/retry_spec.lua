-- SPDX-License-Identifier: MIT
-- The retry queue: what may come into it, when it is tried, and what makes an entry leave.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"
local task = require "perigee.task"

describe("the retry queue", function()
  local retry, overtaken, undo, forget, orders, market, accepts, tried, answers, quote, active, state, all, engine

  before_each(function()
    orders, market, accepts, tried, answers, quote = {}, 10000, { true }, {}, {}, { 99, 100 }
    active = { "1", "2" }
    local known = { order = function(id) return orders[id] end, account = function() return { broker = "paper" } end,
      instrument = function() return { price_digits = 1, symbol = "BTCUSD." } end }
    overtaken, forget = fake.load("perigee.orchestrate.overtaken", { ["perigee.ledger"] = known })
    retry, undo = fake.load("perigee.orchestrate.retry", {
      ["perigee.orchestrate.overtaken"] = overtaken,
      ["perigee.clock"] = { io_ms = require("perigee.clock").io_ms, market_ms = function() return market end },
      ["perigee.ledger"] = known,
      ["perigee.log"] = { info = function() end, error = function(_, why) error(why) end },
    })
    all = { other = { on_failure = "catch_up" }, names = {}, groups = { calm = { on_failure = "best_effort" },
      whole = { on_failure = "all_or_none" } } }
    state = { quotes = { quote = function() return table.unpack(quote) end },
      fleet = { active = function() return active end } }
    engine = { accepts = function() return table.unpack(accepts) end, limits = function() return {} end,
      execute = function(signal, accounts, _, _, options)
        tried[#tried + 1] = { signal.id, table.concat(accounts, ","), options.attempts[accounts[1]], options.volume }
        local answer = table.remove(answers, 1)
        if not answer then return { legs = {} } end
        if answer.code then return nil, answer end
        return answer
      end }
  end)

  after_each(function()
    undo()
    forget()
  end)

  local signal = { id = 7, action = "OPEN_LONG", symbol = "BTCUSD", price = 100, stop = 98, target = 103,
    time_ms = 9000 }

  local function leg(fields)
    local l = { account = "1", group = "", state = "REJECTED", refused = false, code = "rate_limit", rule = "",
      reason = "", asked = "100", attempt = 1, order = 5 }
    for key, value in pairs(fields or {}) do l[key] = value end
    return l
  end

  local function offer(...)
    return retry.offer(state, signal, { legs = { ... } }, all, {}, engine)
  end

  local function drain()
    for _ = 1, 300 do
      if retry.count() == 0 then return true end
      task.sleep(10, "io")
    end
  end

  it("takes what was rejected for a passing reason, was not sent, or met a budget; nothing else", function()
    local cases = { { true, {} }, { true, { code = "not_sent" } }, { false, { code = "rejected" } },
      { false, { code = "edge_block" } }, { true, { state = "NOT_SENT", code = "deadline" } },
      { false, { state = "UNKNOWN", code = "timeout" } }, { false, { state = "ABSENT" } },
      { false, { state = "ACCEPTED", code = "" } }, { false, { state = "SENT" } }, { false, { state = "INTENT" } },
      { true, { refused = true, state = "REFUSED", rule = "budget" } },
      { false, { refused = true, state = "REFUSED", rule = "pending" } },
      { false, { refused = true, state = "REFUSED", rule = "unknown" } },
      { false, { refused = true, state = "REFUSED", rule = "margin" } } }
    for _, case in ipairs(cases) do assert.equal(case[1], retry.reason(leg(case[2])) ~= nil) end
    orders[5] = { closing = true } -- taken back by somebody who wants it closed
    assert.is_nil(retry.reason(leg { state = "NOT_SENT" }))
  end)

  it("takes only groups that catch up, one entry for each account and symbol", function()
    task.run(function()
      accepts = { true }
      quote = {} -- nothing can be tried before it is looked at
      assert.equal(0, offer(leg { group = "calm" }, leg { group = "whole" }))
      assert.equal(1, offer(leg()))
      assert.equal(2, offer(leg(), leg { account = "2" }))
      assert.equal(2, retry.count())
      assert.equal("2", retry.list()[2].account)
      assert.equal(1000, retry.list()[1].age_ms)
      assert.is_true(drain())
    end)
  end)

  it("tries again with a new order until it is sent, those of one signal together", function()
    task.run(function()
      answers = { { legs = { leg { attempt = 2 }, leg { account = "2", attempt = 2, state = "ACCEPTED" } } },
        { legs = { leg { attempt = 3, state = "UNKNOWN" } } } }
      assert.equal(2, offer(leg(), leg { account = "2" }))
      assert.is_true(drain())
      assert.same({ { 7, "1,2", 2 }, { 7, "1", 3 } }, tried)
    end)
  end)

  it("gives up when the signal is old, the price has gone, entries are stopped or no order fits", function()
    task.run(function()
      accepts = { false, "signal_age", "old" }
      offer(leg())
      assert.is_true(drain())
      accepts, quote = { true }, { 100, 100.2 } -- a tenth of the stop's distance of 2
      offer(leg())
      assert.is_true(drain())
      quote = { 100, 100.19 }
      answers = { { code = "no_legs", message = "no" } }
      offer(leg())
      assert.is_true(drain())
      assert.equal(1, #tried)
      all.other.max_move = 1 -- point
      offer(leg())
      assert.is_true(drain())
      assert.equal(1, #tried)
    end)
  end)

  it("waits for a session, and as long as the broker said", function()
    task.run(function()
      active = {}
      offer(leg { retry_after_ms = 120 })
      task.sleep(100, "io")
      assert.same({}, tried)
      task.sleep(100, "io")
      assert.same({}, tried)
      active = { "1" }
      assert.is_true(drain())
      assert.equal(1, #tried)
    end)
  end)

  it("forgets what somebody wants closed, and what a newer signal has sent", function()
    task.run(function()
      active = {}
      offer(leg(), leg { account = "2" })
      overtaken.mark(7, "EURUSD")
      overtaken.mark(6)
      assert.equal(0, retry.forget())
      overtaken.mark(7, "BTCUSD.", { ["2"] = true }) -- the broker's name
      assert.equal(1, retry.forget())
      offer(leg { state = "ACCEPTED" })
      assert.equal(0, retry.count())
      assert.is_true(drain())
    end)
  end)

  it("can be told to try one no more", function()
    task.run(function()
      active = {}
      offer(leg(), leg { account = "2" })
      assert.is_true(retry.drop("2", "BTCUSD"))
      assert.is_false(retry.drop("2", "BTCUSD"))
      assert.equal("1", retry.list()[1].account)
      overtaken.mark(7)
      retry.forget()
      assert.is_true(drain())
    end)
  end)

  it("takes nothing of a signal that was overtaken while its report was on its way", function()
    task.run(function()
      active = {}
      overtaken.mark(7, "BTCUSD", { ["2"] = true })
      assert.equal(1, offer(leg(), leg { account = "2" }))
      overtaken.mark(6) -- an older one's end never comes before a newer one's
      assert.equal(0, offer(leg { account = "2" }))
      overtaken.mark(7)
      assert.equal(0, offer(leg()))
      assert.equal(1, retry.forget())
      assert.is_true(drain())
    end)
  end)
end)
