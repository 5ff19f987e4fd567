-- SPDX-License-Identifier: MIT
-- The broker's price between two polls.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("the basis", function()
  local basis, undo, now, broker, reference

  before_each(function()
    now, broker, reference = 0, { 100, 101 }, { 90, 90.5 }
    basis, undo = fake.load("perigee.feeds.basis", {
      ["perigee.clock"] = { market_ms = function() return now end },
      ["perigee.ledger"] = { quote = function() if broker then return broker[1], broker[2] end end },
      ["perigee.market"] = { symbol = function(name) return name == "BTCUSD" and 0 or nil end,
        last_quote = function() if reference then return reference[1], reference[2] end end },
    })
  end)

  after_each(function() undo() end)

  it("follows the reference by the distance of the last poll", function()
    local b = basis.new()
    b:observe("paper", "BTCUSD")
    reference = { 95, 96 }
    assert.same({ 105, 106.5 }, { b:quote("paper", "BTCUSD") })
  end)

  it("is the last quote where there is no reference, and nothing without a quote", function()
    local b = basis.new()
    b:observe("paper", "EURUSD")
    assert.same({ 100, 101 }, { b:quote("paper", "EURUSD") })
    broker = nil
    assert.is_nil((b:quote("paper", "EURUSD")))
  end)

  it("is nothing before the broker has told anything, and for a symbol without a reference neither for ever", function()
    local b = basis.new()
    assert.is_nil((b:quote("paper", "EURUSD")))
    b:observe("paper", "EURUSD")
    now = 30001
    assert.is_nil((b:quote("paper", "EURUSD")))
    assert.is_nil((b:quote("paper", "BTCUSD")))
  end)

  it("is nothing when the broker was not heard for half a minute", function()
    local b = basis.new()
    b:observe("paper", "BTCUSD")
    now = 30000
    assert.equal(100, (b:quote("paper", "BTCUSD")))
    now = 30001
    assert.is_nil((b:quote("paper", "BTCUSD")))
  end)
end)
