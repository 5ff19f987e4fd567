-- SPDX-License-Identifier: MIT
-- The gate before the login door, and the two troubles that repeating makes worse: pure machines over time.

local gate = require "perigee.session.gate"
local trouble = require "perigee.session.trouble"

local MINUTE, HOUR = 60000, 3600000

describe("the gate of logins", function()
  local g

  before_each(function() g = gate.new { per_minute = 4, per_hour = 3 } end)

  it("lets so many of all through in a minute, and says how long the next has to wait", function()
    for i = 1, 4 do assert.is_true((g:ask("u" .. i, i * 1000))) end
    local granted, wait, why = g:ask("u5", 5000)
    assert.is_false(granted)
    assert.equal(1000 + MINUTE - 5000, wait)
    assert.matches("4 logins in a minute", why)
    assert.is_false((g:ask("u5", 5000 + wait - 1)))
    assert.is_true((g:ask("u5", 5000 + wait)))
    assert.is_false((g:ask("u6", 5000 + wait)))
  end)

  it("lets so many of a user through in an hour, whoever asks", function()
    for i = 0, 2 do assert.is_true((g:ask("a", i * MINUTE))) end
    local granted, wait, why = g:ask("a", 3 * MINUTE, true)
    assert.same({ false, HOUR - 3 * MINUTE }, { granted, wait })
    assert.matches("3 logins of this user", why)
    assert.is_true((g:ask("b", 3 * MINUTE)))
    assert.is_true((g:ask("a", HOUR)))
    assert.is_false((g:ask("a", HOUR)))
  end)

  it("never lets more through than the budgets in any window, however it is asked", function()
    local rng, given, now = require("perigee.rng").new(3, "gate"), {}, 0
    g = gate.new { per_minute = 5, per_hour = 12 }
    for _ = 1, 20000 do
      now = now + rng:range(0, 8000)
      local user = "u" .. rng:range(1, 6)
      if g:ask(user, now, rng:range(1, 3) == 1) then
        given[#given + 1] = { at = now, user = user }
        if rng:range(1, 4) == 1 then g:failed(user, now, true, rng:uniform()) else g:succeeded(user) end
      end
    end
    assert.truthy(#given > 1000)
    for i = #given, 1, -1 do
      local all, own = 0, 0
      for k = i, 1, -1 do
        local age = given[i].at - given[k].at
        if age >= HOUR then break end
        all = all + (age < MINUTE and 1 or 0)
        own = own + (given[k].user == given[i].user and 1 or 0)
      end
      assert.truthy(all <= 5 and own <= 12)
    end
  end)

  it("makes a user wait longer for each failure in a row, with a part of chance, up to five minutes", function()
    g = gate.new { per_minute = 1000, per_hour = 1000 }
    local now, pauses = 0, {}
    for i = 1, 12 do
      assert.is_true((g:ask("a", now)))
      pauses[i] = g:failed("a", now, true, 0.5)
      assert.is_false((g:ask("a", now + pauses[i] - 1)))
      assert.is_true((g:ask("b", now)))
      now = now + pauses[i]
    end
    assert.same({ 2000, 4000, 8000 }, { table.unpack(pauses, 1, 3) })
    assert.equal(5 * MINUTE, pauses[12])
    assert.is_true((g:ask("a", now)))
    g:succeeded("a")
    assert.equal(1500, g:failed("a", now, true, 0))
    g:succeeded("a")
    assert.equal(2500, g:failed("a", now, true, 1))
  end)

  it("lets an operator in before such a pause is over", function()
    g:ask("a", 0)
    g:failed("a", 0, true, 0.5)
    assert.is_false((g:ask("a", 100)))
    assert.is_true((g:ask("a", 100, true)))
  end)

  it("does not count what never reached the broker, and pauses less", function()
    for i = 1, 10 do
      assert.is_true((g:ask("a", i * HOUR)))
      assert.truthy(g:failed("a", i * HOUR, false, 0.5) <= MINUTE)
    end
    assert.same({}, g:ages("a", 10 * HOUR))
  end)

  it("closes for all when the broker has had too many", function()
    assert.equal(30000, g:too_many(0, 30000))
    local granted, wait = g:ask("a", 1000, true)
    assert.same({ false, 29000 }, { granted, wait })
    assert.is_true((g:ask("a", 30000)))
    g:succeeded("a")
    assert.equal(5000, g:too_many(40000))
    assert.equal(5000, g:too_many(40000)) -- of the same moment
    assert.equal(10000, g:too_many(45000))
    g:succeeded("a")
    assert.equal(5000, g:too_many(60000))
  end)

  it("closes for longer each time, although the broker asks for no time at all", function()
    local now, pauses = 0, {}
    for i = 1, 8 do
      pauses[i] = g:too_many(now, i % 2 == 0 and 0 or 1000)
      now = now + pauses[i]
    end
    assert.same({ 5000, 10000, 20000 }, { table.unpack(pauses, 1, 3) })
    assert.equal(5 * MINUTE, pauses[8])
  end)

  it("remembers the logins of a former life", function()
    g:remember("a", 100000, { 5000, 1000, HOUR, -1, "x" })
    assert.same({ 5000, 1000 }, g:ages("a", 100000))
    assert.is_true((g:ask("a", 100000)))
    local granted, wait = g:ask("a", 100000)
    assert.same({ false, HOUR - 5000 }, { granted, wait })
  end)
end)

describe("an edge block", function()
  local b

  before_each(function() b = trouble.block() end)

  it("rests a minute, then twice as long each time, up to a quarter of an hour", function()
    local now, pauses = 0, {}
    for i = 1, 7 do
      assert.is_true((b:ask(now)))
      local first
      first, pauses[i] = b:hit(now, 0)
      assert.equal(i == 1, first)
      local free, wait = b:ask(now)
      assert.same({ false, pauses[i] }, { free, wait })
      now = now + pauses[i]
    end
    assert.same({ 1, 2, 4, 8, 15, 15, 15 }, { table.unpack((function()
      local minutes = {}
      for i, pause in ipairs(pauses) do minutes[i] = pause // MINUTE end
      return minutes
    end)()) })
  end)

  it("takes refusals of what was on its way for the same one", function()
    local _, pause = b:hit(0, 1)
    assert.equal(75000, pause)
    local first, left = b:hit(1000, 1)
    assert.same({ false, 74000 }, { first, left })
  end)

  it("lets one try at a time, and is over when it works", function()
    assert.is_false(b:rests(0))
    b:hit(0, 0)
    assert.same({ true, false, false }, { b:rests(MINUTE - 1), b:rests(MINUTE), b:rests(MINUTE) })
    assert.is_true((b:ask(MINUTE)))
    assert.is_true(b:rests(MINUTE))
    local free, wait = b:ask(MINUTE)
    assert.same({ false, 1000 }, { free, wait })
    b:undecided()
    assert.is_true((b:ask(MINUTE)))
    assert.is_true(b:over())
    assert.is_false(b:over())
    assert.is_true((b:ask(MINUTE)))
    assert.is_true((b:ask(MINUTE)))
    local _, pause = b:hit(MINUTE, 0)
    assert.equal(MINUTE, pause) -- it begins anew
  end)
end)

describe("a takeover", function()
  it("is one when it happens again soon after our login; then logins pause longer each time", function()
    local t = trouble.takeover()
    assert.is_false(t:again(0))
    assert.is_nil(t:refused(0, nil))
    assert.equal(0, t:wait(0))
    assert.is_true(t:again(5 * MINUTE))
    assert.equal(MINUTE // 2, t:refused(5 * MINUTE, 5 * MINUTE))
    assert.equal(MINUTE // 2, t:wait(5 * MINUTE))
    assert.is_true(t:say())
    assert.equal(MINUTE, t:refused(7 * MINUTE, MINUTE))
    assert.is_false(t:say())
    local now, longest = 10 * MINUTE, nil
    for _ = 1, 8 do
      longest = t:refused(now, 1)
      now = now + MINUTE
    end
    assert.equal(10 * MINUTE, longest)
  end)

  it("is none when the token has lived for a while, and then it is said anew", function()
    local t = trouble.takeover()
    t:refused(0, nil)
    assert.is_false(t:again(6 * MINUTE))
    assert.is_nil(t:refused(6 * MINUTE, 6 * MINUTE))
    assert.equal(MINUTE // 2, t:refused(7 * MINUTE, MINUTE))
    assert.is_true(t:say())
    assert.is_nil(t:refused(40 * MINUTE, 27 * MINUTE))
    assert.equal(MINUTE // 2, t:refused(41 * MINUTE, MINUTE))
    assert.is_true(t:say())
  end)

  it("does not hold back who asks", function()
    local t = trouble.takeover()
    t:refused(0, nil)
    t:refused(MINUTE, 0)
    t:forgive()
    assert.equal(0, t:wait(MINUTE))
  end)
end)
