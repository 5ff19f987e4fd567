-- SPDX-License-Identifier: MIT
-- States: what is told to whom, and how often.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"
local json = require "perigee.json"

describe("states", function()
  local state_feed, undo, told, now, listeners, cost, rounds, state

  before_each(function()
    told, now, listeners, cost, rounds = {}, 0, 1, 0, 0
    state_feed, undo = fake.load("perigee.state_feed", {
      ["perigee.clock"] = { io_ms = function() return now end, wall_ms = function() return 7 end,
        io_ns = function() return now * 1000000 end },
      ["perigee.exec"] = { entries_stopped = function() return state.stopped end, in_flight = function() return 0 end },
      ["perigee.fs"] = { read = function() return "100 25 3" end },
      ["perigee.ledger"] = { marks = function()
        now = now + cost
        return "[]", "[]"
      end },
      ["perigee.rows"] = { quotes = function() return json.array() end, rates = function() return { USD = "1" } end,
        forming = function() return json.array { 1 } end, market_time = function() return 5 end },
      ["perigee.snapshot"] = { feed_state = function() return "connected" end },
      ["perigee.task"] = { sleep = function(ms)
        now, rounds = now + ms, rounds + 1
        return rounds <= 12
      end },
      ["perigee.wire"] = { listeners = function() return listeners end, state = function(kind, text)
        told[kind] = told[kind] or {}
        table.insert(told[kind], json.decode(text))
      end },
    })
    state = { strategies = {}, feed = { symbol = 1, heard = 0, hello = { symbol = "BTCUSD" } }, stopped = false,
      fleet = { users = { { session = { open = true } }, { session = {} } }, active = function() return { "1" } end } }
  end)

  after_each(function() undo() end)

  it("are built for those who listen, and for nobody else", function()
    listeners = 0
    state_feed.run(state)
    assert.same({}, told)
  end)

  it("come every quarter of a second, health each second", function()
    state_feed.run(state)
    assert.equal(12, #told.quotes)
    assert.equal(12, #told.marks)
    assert.equal(3, #told.health)
    local h = told.health[1]
    assert.same({ "health", 1, 1, 100, 7, 5, "stale" }, { h.kind, h.sessions_open, h.accounts_active, h.rss_kib,
      h.wall_ms, h.market_ms, h.broker.state })
    assert.same({ kind = "bar", symbol = "BTCUSD", timeframe = "1m", bar = { 1 } }, told.bar[1])
  end)

  it("tell at once what changes the picture of health", function()
    local self = { health_due = 0, marks_due = 0 }
    state_feed.tell(self, state)
    now = now + 250
    state_feed.tell(self, state)
    assert.equal(1, #told.health)
    state.stopped, now = true, now + 250
    state_feed.tell(self, state)
    assert.is_true(told.health[2].entries_stopped)
    state.marked_io, now = now, now + 250
    state_feed.tell(self, state)
    assert.equal("ok", told.health[3].broker.state)
    now = now + 5001
    state_feed.tell(self, state)
    assert.equal("stale", told.health[4].broker.state)
  end)

  it("slow down with marks that cost much", function()
    cost = 50
    state_feed.run(state)
    assert.is_true(#told.marks <= 4)
    assert.equal(12, #told.quotes)
  end)
end)
