-- SPDX-License-Identifier: MIT
-- From one signal to a sized order on every account, and what the account that is left out is told.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("orchestrate", function()
  local orchestrate, undo, told, added, report, sizes, guard

  before_each(function()
    told, added, sizes = {}, {}, {}
    report = { legs = {} }
    local batch = setmetatable({ add = function(_, leg) added[#added + 1] = leg return true end,
      submit = function() return report end }, { __len = function() return #added end, __close = function() end })
    orchestrate, undo = fake.load("perigee.orchestrate", {
      ["perigee.event"] = { emit = function(kind, fields) told[#told + 1] = { kind, fields.account, fields.rule } end },
      ["perigee.exec"] = { batch = function() return batch end, risk = function(fn) guard = fn end },
      ["perigee.ledger"] = { account = function() return { broker = "paper" } end,
        size = function(ask) return sizes[ask.account] or { volume = "1", risk_money = "10", margin = "5" } end,
        standing = function() return 1000, 100, 0, false end },
      ["perigee.log"] = { error = function() end },
    })
  end)

  after_each(function() undo() end)

  local signal = { id = 7, action = "OPEN_LONG", symbol = "BTCUSD", price = 100, stop = 99, target = 102,
    holding_ms = 60000 }
  local limits = { per_trade = 0.01, margin_share = 0.5, deadline_ms = 1000, trading_enabled = true, max_positions = 3 }
  local quotes = { quote = function() return 200, 201 end }

  it("moves stop and target by their distances to the broker's price", function()
    assert.same({ 201, 200, 203 }, { orchestrate.levels(signal, "BUY", 200, 201) })
    assert.same({ 200, 201, 198 }, { orchestrate.levels({ price = 100, stop = 101, target = 98 }, "SELL", 200, 201) })
  end)

  it("adds one sized leg for each account", function()
    assert.equal(report, orchestrate.execute(signal, { "1", "2" }, limits, quotes))
    assert.equal(2, #added)
    assert.same({ "2", "BUY", "1", 201, 200, 203, 60000 }, { added[2].account, added[2].side, added[2].volume,
      added[2].price, added[2].stop, added[2].target, added[2].holding_ms })
  end)

  it("leaves out an account that no volume fits, and says why", function()
    sizes["1"] = { volume = "0", rule = "volume_min" }
    orchestrate.execute(signal, { "1", "2" }, limits, quotes)
    assert.equal(1, #added)
    assert.same({ { "risk_refused", "1", "volume_min" } }, told)
  end)

  it("sends nothing when no account can take it", function()
    local result, err = orchestrate.execute(signal, { "1" }, limits, { quote = function() end })
    assert.is_nil(result)
    assert.equal("no_legs", err.code)
    assert.same({ { "risk_refused", "1", "no_quote" } }, told)
  end)

  it("journals what the fan-out refused", function()
    report.legs = { { account = "1", refused = true, rule = "pending", reason = "x" }, { account = "2" } }
    orchestrate.execute(signal, { "1", "2" }, limits, quotes)
    assert.same({ { "risk_refused", "1", "pending" } }, told)
  end)

  it("guards every leg with the loss and the margin that it was sized to", function()
    orchestrate.guard(limits)
    sizes["1"] = { volume = "1", risk_money = "10.1", margin = "5" }
    sizes["2"] = { volume = "1", risk_money = "10", margin = "901" }
    orchestrate.execute(signal, { "1", "2", "3" }, limits, quotes)
    local function rule(account)
      local _, name = guard { account = account, side = "BUY", volume = "1", price = "201", stop = "200",
        target = "203" }
      return name
    end
    assert.same({ "risk_per_trade", "margin" }, { rule "1", rule "2" })
    assert.is_nil(rule "3")
    assert.equal("margin", rule "unknown")
  end)
end)
