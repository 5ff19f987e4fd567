-- SPDX-License-Identifier: MIT
-- Reads of an account: what is needed is read, a failure pauses, and a cancelled one ends. Quotes likewise.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("reads", function()
  local undo, paths, answers, needs, observed, rotated, slept

  local modules = function()
    return {
      ["perigee.clock"] = { market_ms = function() return 0 end, io_ns = function() return 5 end,
        iso = function(ms) return tostring(ms) end, parse = function() return 1 end },
      ["perigee.exec"] = { needs = function() return needs end, budget_take = function() return true end,
        next_need = function() return nil, { code = "cancelled" } end,
        observe_positions = function(_, begun, rows) observed[#observed + 1] = { begun, #rows } return true end,
        observe_closed = function() observed[#observed + 1] = "closed" return true end,
        observe_balance = function(_, row) observed[#observed + 1] = row.equity return true end },
      ["perigee.ledger"] = { exposure_count = function() return 0 end, mark = function(_, name)
        observed[#observed + 1] = name end },
      ["perigee.log"] = { warn = function() end },
      ["perigee.task"] = { sleep = function(ms) slept[#slept + 1] = ms return #slept < 3 end },
    }
  end

  local session = { profile = { name = "paper" }, read = function(_, _, _, path)
    paths[#paths + 1] = path
    local text = table.remove(answers, 1)
    if not text then return nil, { code = "timeout", message = "late" } end
    return { body = text, status = 200 }
  end }

  before_each(function()
    paths, answers, needs, observed, rotated, slept = {}, {}, nil, {}, 0, {}
  end)

  after_each(function() undo() end)

  it("of positions, history and balance go to exec, with the moment at which they were begun", function()
    local watch
    watch, undo = fake.load("perigee.watch", modules())
    answers = { '{"positions":[]}', '{"operations":[]}', '{"balance":"1","equity":"2"}' }
    assert.is_true(watch.positions(session, { id = "1" }))
    assert.is_true(watch.closed(session, { id = "1" }, 0))
    assert.is_true(watch.balance(session, { id = "1" }))
    assert.same({ { 5, 0 }, "closed", "2" }, observed)
    assert.same({ "/open-positions", "/closed-positions", "/balance" }, paths)
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

  it("of quotes mark what is known, and another session is asked after a failure", function()
    local quotes
    quotes, undo = fake.load("perigee.feeds.quotes", modules())
    answers = { '[{"symbol":"BTCUSD.","bid":1,"ask":2},{"symbol":"X","bid":1,"ask":2}]' }
    assert.equal(2, quotes.read(session, { id = "1" }, { "BTCUSD." }, { ["BTCUSD."] = "BTCUSD" }))
    assert.same({ "BTCUSD" }, observed)
    quotes.run { pick = function() return session, { id = "1" } end, symbols = {}, canonical = {}, period = 1000,
      on_marked = function() end, rotate = function() rotated = rotated + 1 end }
    assert.is_true(rotated > 0)
  end)
end)
