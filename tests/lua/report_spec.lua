-- SPDX-License-Identifier: MIT
-- Reports of fan-outs: completed by what the ledger learns, told in the words of the specification.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"
local json = require "perigee.json"
local task = require "perigee.task"

describe("a report", function()
  local report, undo, orders

  before_each(function()
    orders = {}
    report, undo = fake.load("perigee.orchestrate.report", {
      ["perigee.ledger"] = { order = function(id) return orders[id] end } })
  end)

  after_each(function() undo() end)

  local function begin()
    return report.begin({ id = 7, symbol = "BTCUSD" }, { batch = 3, elapsed_us = 80500, skew_us = 1500, legs = {
      { account = "1", order = 11, state = "ACCEPTED", volume = "0.10", asked = "100.5", attempt = 1, queued_us = 10,
        sent_us = 200, answered_us = 80000, rule = "", reason = "" },
      { account = "2", order = 12, state = "REJECTED", volume = "0.20", asked = "100.5", reason = "no money",
        rule = "" },
      { account = "3", order = 13, state = "UNKNOWN", volume = "0.30", asked = "100.5", reason = "timeout", rule = "" },
      { account = "4", refused = true, state = "REFUSED", rule = "margin", reason = "x" } } },
      { { account = "4", rule = "margin", reason = "x" } })
  end

  local function owner(account) return { id = tonumber(account) * 10, email = account .. "@x" } end

  it("speaks the words of the specification", function()
    orders[11] = { state = "ACCEPTED", executed = "100.6", slippage = 1 }
    orders[13] = { state = "UNKNOWN", why = "no answer in time" }
    local record = begin()
    report.refresh(record)
    local said = report.words(record, owner)
    assert.same({ 7, "BTCUSD", 1, 2, 1, "0.1", 80.5, 1.5 }, { said.signal_id, said.symbol, said.executed_count,
      said.failed_count, said.unknown_count, said.total_volume, said.execution_time_ms, said.skew_ms })
    local first = said.results[1]
    assert.same({ 10, 11, "accepted", "100.5", "100.6", 1, 0.2, 80 }, { first.user_id, first.order_id, first.status,
      first.asked_price, first.executed_price, first.slippage_points, first.sent_ms, first.answered_ms })
    assert.same({ "rejected", "no money", json.null }, { said.results[2].status, said.results[2].reason,
      said.results[2].executed_price })
    assert.same({ "unknown", "no answer in time" }, { said.results[3].status, said.results[3].reason })
    assert.same({ "refused", "margin", json.null }, { said.results[4].status, said.results[4].rule,
      said.results[4].order_id })
  end)

  it("is completed when lists settle what was unknown and show what was filled", function()
    orders[11] = { state = "ACCEPTED" }
    orders[13] = { state = "UNKNOWN" }
    local record = begin()
    assert.is_false(report.refresh(record))
    orders[11].executed, orders[11].slippage = "100.4", -1
    orders[13] = { state = "ACCEPTED" }
    assert.is_false(report.refresh(record))
    orders[13].executed = "100.7"
    assert.is_true(report.refresh(record))
    local said = report.words(record, owner)
    assert.same({ 2, 2, 0, "0.4" }, { said.executed_count, said.failed_count, said.unknown_count, said.total_volume })
    assert.equal(record, report.of(7))
    assert.equal(record, report.newest()[1])
  end)

  it("waits for prices, but not for ever", function()
    task.run(function()
      orders[11] = { state = "ACCEPTED" }
      local record = begin()
      assert.is_false(report.await(record, 30))
      task.spawn(function()
        task.sleep(20, "io")
        orders[11].executed = "100.5"
      end)
      assert.is_true(report.await(record, 5000))
    end)
  end)

  it("takes further tries in the place of what failed", function()
    local record = begin()
    report.merge(7, { legs = { { account = "2", order = 14, state = "ACCEPTED", volume = "0.2", attempt = 2 } } },
      { { account = "4", rule = "margin", reason = "still" } })
    report.merge(99, { legs = {} })
    local said = report.words(record, owner)
    assert.same({ 14, "accepted", 2 }, { said.results[2].order_id, said.results[2].status, said.results[2].attempt })
    assert.equal("still", said.results[4].reason)
    assert.equal(4, #said.results)
  end)

  it("keeps the newest only", function()
    for id = 1, 60 do report.begin({ id = id, symbol = "X" }, nil, {}) end
    assert.is_nil(report.of(10))
    assert.equal(60, report.newest()[1].signal_id)
    assert.equal(50, #report.newest())
  end)
end)
