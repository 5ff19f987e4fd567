-- SPDX-License-Identifier: MIT
-- Entries that were proven absent: sent once more while their signal is fresh, and only then.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"
local task = require "perigee.task"

describe("sending once more what is absent", function()
  local resend, undo, overtaken, orders, accepts, tried, active, state, engine, slept

  before_each(function()
    orders, accepts, tried, active, slept = { [5] = { state = "UNKNOWN" } }, { true }, {}, { "1" }, nil
    overtaken = false
    resend, undo = fake.load("perigee.orchestrate.resend", {
      ["perigee.orchestrate.overtaken"] = { is = function(s, account)
        return overtaken and s.id == 7 and account == "1"
      end },
      ["perigee.ledger"] = { order = function(id) return orders[id] end },
      ["perigee.log"] = { info = function() end, error = function(_, why) error(why) end },
      ["perigee.task"] = { spawn = task.spawn, sleep = function()
        if slept then slept() end
        return task.sleep(1, "io")
      end },
    })
    state = { fleet = { active = function() return active end } }
    engine = { accepts = function() return table.unpack(accepts) end, limits = function() return {} end,
      execute = function(signal, accounts, _, _, options)
        tried[#tried + 1] = { signal.id, table.concat(accounts, ","), options.replaces[accounts[1]], options.volume,
          options.orders }
        return { legs = { { account = accounts[1], order = 9, state = "ACCEPTED" } } }
      end }
  end)

  after_each(function() undo() end)

  local signal = { id = 7 }

  local function offer(fields, options)
    local leg = { account = "1", order = 5, state = "UNKNOWN" }
    for key, value in pairs(fields or {}) do leg[key] = value end
    return resend.offer(state, signal, { legs = { leg } }, options or {}, engine)
  end

  local function drain()
    for _ = 1, 500 do
      if resend.count() == 0 then return true end
      task.sleep(2, "io")
    end
    return false
  end

  local function run(fn)
    return function() task.run(fn) end
  end

  it("follows what is UNKNOWN, and nothing else", run(function()
    for _, s in ipairs { "ACCEPTED", "REJECTED", "NOT_SENT" } do assert.equal(0, offer { state = s }) end
    assert.equal(0, resend.count())
  end))

  it("waits while it is UNKNOWN, and sends one order in its place when it is ABSENT", run(function()
    local looks = 0
    slept = function()
      looks = looks + 1
      if looks == 5 then
        assert.same({}, tried)
        orders[5].state = "ABSENT"
      end
    end
    assert.equal(1, offer(nil, { volume = "0.1", orders = { ["1"] = { stop = 90 } } }))
    assert.is_true(drain())
    assert.same({ { 7, "1", 5, "0.1", { ["1"] = { stop = 90 } } } }, tried)
    task.sleep(20, "io")
    assert.equal(1, #tried)
  end))

  it("does nothing for one that was found, is too old, or is not wanted any more", run(function()
    for _, change in ipairs { function() orders[5].state = "ACCEPTED" end, function() orders[5] = nil end,
      function() orders[5].state, accepts = "ABSENT", { false, "signal_age", "too old" } end,
      function() orders[5] = { state = "ABSENT", closing = true } end,
      function() orders[5].state, overtaken = "ABSENT", true end } do
      overtaken, orders, accepts = false, { [5] = { state = "UNKNOWN" } }, { true }
      offer()
      change()
      assert.is_true(drain())
      assert.same({}, tried)
    end
  end))

  it("waits for an account whose session is away", run(function()
    active, orders[5].state = {}, "ABSENT"
    offer()
    task.sleep(20, "io")
    assert.same({}, tried)
    active = { "1" }
    assert.is_true(drain())
    assert.equal(1, #tried)
  end))
end)
