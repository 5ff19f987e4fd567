-- SPDX-License-Identifier: MIT
-- Commands that trade: what an answer says when not all that was asked for is seen to.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("commands that trade", function()
  local trading, undo, closing, lost, taken, context

  before_each(function()
    closing, lost, taken = { positions = { {}, {} }, orders = { {} } }, nil, { {} }
    trading, undo = fake.load("perigee.commands.trading", {
      ["perigee.ledger"] = { position = function() end },
      ["perigee.manual"] = { signal = function(_, asked) return { id = 1, symbol = asked.symbol } end },
      ["perigee.orchestrate.verbs"] = { close_all = function() return closing, lost end,
        positions = function() return {} end },
      ["perigee.signals"] = { take = function() return table.unpack(taken, 1, 2) end },
    })
    context = { who = "x", state = { fleet = { running = true, owner = function() return {} end } } }
  end)

  after_each(function() undo() end)

  local function run(name, fields) return trading[name].run(fields, context) end

  it("closing all answers what is seen to", function()
    local said = run("close_all", {})
    assert.same({ 2, 1 }, { said.closing, #said.entries })
  end)

  it("closing all is an error when something is not seen to, and says what is closed all the same", function()
    lost = { code = "io", message = "no space is left" }
    local said, err = run("close_all", {})
    assert.is_nil(said)
    assert.equal("state", err.code)
    assert.matches("^3 are being closed, .*no space is left", err.message)
  end)

  it("a signal to close is an error when something is not seen to", function()
    assert.is_table(run("signal", { symbol = "BTCUSD", direction = "CLOSE" }))
    taken = { nil, { code = "state", message = "no space is left" } }
    local said, err = run("signal", { symbol = "BTCUSD", direction = "CLOSE" })
    assert.is_nil(said)
    assert.equal("state", err.code)
  end)
end)
