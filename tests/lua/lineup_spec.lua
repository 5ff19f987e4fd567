-- SPDX-License-Identifier: MIT
-- Which strategies run, and how a process's Lua ends.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("the line-up", function()
  local lineup, undo, settings

  before_each(function()
    settings = { ["strategy.file"] = "strategies/volume_spike_scalper.lua", ["market.symbol"] = "BTCUSD",
      ["strategy.hard_ms"] = 70 }
    lineup, undo = fake.load("perigee.lineup", {
      ["perigee.config"] = { get = function(key) return settings[key] end },
      ["perigee.scripts"] = { check = function(entry)
        if entry.path:match("bad") then return nil, { code = "input", message = "bad.lua:3: wrong" } end
        return true
      end },
    })
  end)

  after_each(function() undo() end)

  it("is the default strategy on the market's symbol when none is named", function()
    local list = lineup.list()
    assert.equal(70, list[1].hard_ms)
    assert.same({ 1, "volume_spike_scalper", "BTCUSD" }, { #list, list[1].instance, list[1].symbol })
  end)

  it("takes names, symbols and parameters from the list", function()
    settings["strategy.list"] = { { file = "a.lua", name = "one", params = { x = 1 } },
      { file = "b.lua", symbol = "ETHUSD" } }
    local list = lineup.list()
    assert.same({ "one", "b", "ETHUSD", 1 }, { list[1].instance, list[2].instance, list[2].symbol, list[1].params.x })
    assert.is_true(lineup.check(list))
  end)

  it("refuses two of one name, and what the check refuses", function()
    settings["strategy.list"] = { { file = "a.lua" }, { file = "x/a.lua" } }
    local ok, err = lineup.check(lineup.list())
    assert.is_nil(ok)
    assert.matches("two strategies are called a", err.message)
    settings["strategy.list"] = { { file = "bad.lua" } }
    ok, err = lineup.check(lineup.list())
    assert.is_nil(ok)
    assert.same({ "input", "bad.lua:3: wrong" }, { err.code, err.message })
  end)
end)

describe("the end of a process", function()
  it("has the documented code of its error", function()
    local boot = require "perigee.boot"
    assert.equal(2, boot.exit_code { code = "usage" })
    assert.equal(3, boot.exit_code { code = "input" })
    assert.equal(4, boot.exit_code { code = "unreachable" })
    assert.equal(5, boot.exit_code { code = "limit" })
    assert.equal(1, boot.exit_code { code = "limit", exit = 1 })
    assert.equal(1, boot.exit_code "a text")
  end)
end)
