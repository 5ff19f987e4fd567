-- SPDX-License-Identifier: MIT
-- Which requests go wrong: rules, and what they plan. Nothing is executed here.

local chaos = require "perigee.simulator.chaos"
local faults = require "perigee.simulator.faults"

local SYSTEM = "/mtr-api/cccccccc-0000-4000-8000-000000000001"

local function asked(changes)
  local request = { method = "POST", path = SYSTEM .. "/position/open", account = "365101", reused = true, now = 0 }
  for name, value in pairs(changes or {}) do request[name] = value end
  return request
end

-- The kinds that are planned, as one text.
local function kinds(actions)
  local out = {}
  for i, a in ipairs(actions) do out[i] = a.kind end
  return table.concat(out, " ")
end

local function with(...)
  local planner = faults.new(7)
  for _, rule in ipairs({ ... }) do planner:add(rule) end
  return planner
end

describe("a rule", function()
  it("without limits holds for every request, and without rules nothing is planned", function()
    assert.same({}, faults.new(7):plan(asked()))
    local planner = with { kind = "slow", ms = 5 }
    for _ = 1, 3 do assert.same({ { kind = "slow", rule = 1, ms = 5 } }, planner:plan(asked())) end
  end)

  it("of one account, path or kind of connection leaves the others alone", function()
    local cases = {
      { { account = "365101" }, asked(), asked { account = "365102" } },
      { { account = "365101" }, asked(), { method = "GET", path = "/", reused = false, now = 0 } },
      { { path = "/position/open" }, asked(), asked { path = SYSTEM .. "/position/close" } },
      { { used = true }, asked(), asked { reused = false } },
      { { used = false }, asked { reused = false }, asked() },
      { { path = "writes" }, asked { path = SYSTEM .. "/pending-order/cancel" },
        asked { method = "GET", path = SYSTEM .. "/open-positions" } },
      { { path = "writes" }, asked { path = SYSTEM .. "/positions/close" },
        asked { path = SYSTEM .. "/closed-positions" } },
      { { path = "orders" }, asked { path = SYSTEM .. "/pending-order/create" },
        asked { path = SYSTEM .. "/position/close" } },
      { { path = "reads" }, asked { path = SYSTEM .. "/closed-positions" }, asked() },
      { { path = "reads" }, asked { method = "GET", path = SYSTEM .. "/balance" },
        asked { method = "GET", path = "/manager/platform-details" } },
      { { path = "logins" }, asked { path = "/mtr-core-edge/login" }, asked() },
      { { path = "logins" }, asked { path = "/manager/refresh-token" }, asked() },
    }
    for i, case in ipairs(cases) do
      local rule = { kind = "502" }
      for name, value in pairs(case[1]) do rule[name] = value end
      assert.equal("502", kinds(with(rule):plan(case[2])), i)
      assert.equal("", kinds(with(rule):plan(case[3])), i)
    end
  end)

  it("with times is gone after as many that it struck", function()
    local planner = with { kind = "502", times = 2, path = "writes" }
    assert.equal("", kinds(planner:plan(asked { method = "GET", path = SYSTEM .. "/balance" })))
    assert.equal(2, planner:left(1))
    assert.equal("502", kinds(planner:plan(asked())))
    assert.equal(1, planner:left(1))
    assert.equal("502", kinds(planner:plan(asked())))
    assert.equal("", kinds(planner:plan(asked())))
    assert.same({}, planner.rules)
    assert.equal(2, planner.done["502"])
  end)

  it("with every strikes each n-th that matches", function()
    local planner, hits = with { kind = "401", every = 3, account = "365101" }, {}
    for i = 1, 9 do
      planner:plan(asked { account = "365102" })
      if #planner:plan(asked()) > 0 then hits[#hits + 1] = i end
    end
    assert.same({ 3, 6, 9 }, hits)
  end)

  it("with a share strikes about as many, the same ones for the same seed", function()
    local function hits(seed)
      local planner, out = faults.new(seed), {}
      planner:add { kind = "410", share = 0.2 }
      for i = 1, 2000 do
        if #planner:plan(asked()) > 0 then out[#out + 1] = i end
      end
      return out
    end
    local first = hits(7)
    assert.truthy(#first > 300 and #first < 500)
    assert.same(first, hits(7))
    assert.not_same(first, hits(8))
  end)

  it("draws from a stream of its own: another rule changes nothing for it", function()
    local function spans(...)
      local planner, out = with(...), {}
      for i = 1, 50 do
        for _, a in ipairs(planner:plan(asked())) do
          if a.rule == 1 then out[i] = a.ms end
        end
      end
      return out
    end
    local alone = spans { kind = "slow", share = 0.5 }
    assert.same(alone, spans({ kind = "slow", share = 0.5 }, { kind = "late", share = 0.5 }))
  end)

  it("in spells holds between them and not outside, at any pace of questions", function()
    for _, step in ipairs({ 10, 170 }) do
      local planner = with { kind = "403", off = { 100, 300 }, on = { 50, 200 } }
      local on, changes, before = 0, 0, false
      for now = 0, 100000, step do
        local now_on = #planner:plan(asked { now = now }) > 0
        if now == 0 then assert.is_false(now_on) end
        on, changes = on + (now_on and step or 0), changes + (now_on ~= before and 1 or 0)
        before = now_on
      end
      assert.truthy(on > 25000 and on < 55000, on)
      assert.truthy(changes > 50)
    end
    -- spells of no length end, too
    assert.has_no.errors(function()
      with { kind = "403", off = { 0, 1 }, on = { 0, 1 } }:plan(asked { now = 100000 })
    end)
  end)

  it("that is not right is refused, and says what is wrong", function()
    for text, rule in pairs({
      ["needs a kind"] = {}, ["kind is not right"] = { kind = "nonsense" },
      ["no colour"] = { kind = "slow", colour = 1 },
      ["share is not right"] = { kind = "slow", share = 0 }, ["times is not right"] = { kind = "slow", times = 0 },
      ["every is not right"] = { kind = "slow", every = 1.5 }, ["path is not right"] = { kind = "slow", path = "here" },
      ["on is not right"] = { kind = "slow", on = { 5, 1 }, off = { 1, 2 } },
      ["needs on and off"] = { kind = "slow", on = { 1, 5 } }, ["at is not right"] = { kind = "reset", at = "noon" },
      ["to_ms is at least its ms"] = { kind = "slow", ms = 5, to_ms = 4 },
      ["ms is not right"] = { kind = "slow", ms = -1 }, ["used is not right"] = { kind = "slow", used = "yes" },
      ["bytes is not right"] = { kind = "truncate", bytes = "all" },
    }) do
      local why = faults.check(rule)
      assert.truthy(why and why:find(text, 1, true), text)
      assert.has_error(function() faults.new(1):add(rule) end)
    end
  end)

  it("is kept as it was given: what the giver does to it later has no effect", function()
    local rule = { kind = "502" }
    local planner = with(rule)
    rule.kind = "403"
    assert.equal("502", kinds(planner:plan(asked())))
  end)
end)

describe("rules together", function()
  it("spoil an answer once, and the one that came too late does not count as spent", function()
    local planner = with({ kind = "reset", at = "during", times = 1 }, { kind = "502", times = 1 })
    local actions = planner:plan(asked())
    assert.equal("reset", kinds(actions))
    assert.equal("during", actions[1].at)
    assert.truthy(actions[1].ms >= 50)
    assert.equal("502", kinds(planner:plan(asked())))
    assert.equal("", kinds(planner:plan(asked())))
  end)

  it("slow down, put off and spoil the same answer", function()
    local planner = with({ kind = "slow" }, { kind = "late" }, { kind = "truncate", bytes = 3 }, { kind = "forget" })
    assert.equal("slow late truncate forget", kinds(planner:plan(asked())))
  end)

  it("are of each kind one: the first that strikes", function()
    local planner = with({ kind = "slow", ms = 9000, share = 0.1 }, { kind = "slow", ms = 100 })
    local spans = {}
    for _ = 1, 200 do
      local actions = planner:plan(asked())
      assert.equal(1, #actions)
      spans[actions[1].ms] = (spans[actions[1].ms] or 0) + 1
    end
    assert.truthy(spans[9000] > 5 and spans[100] > 150)
  end)

  it("say what is executed behind an answer: a 502 tosses a coin, the others do not unless told", function()
    local tossed = { [true] = 0, [false] = 0 }
    local planner = with { kind = "502" }
    for _ = 1, 100 do
      local done = planner:plan(asked())[1].executed
      tossed[done] = tossed[done] + 1
    end
    assert.truthy(tossed[true] > 20 and tossed[false] > 20)
    for _, kind in ipairs({ "401", "403", "410", "429", "half_open" }) do
      assert.is_false(with({ kind = kind }):plan(asked())[1].executed)
      assert.is_true(with({ kind = kind, executed = true }):plan(asked())[1].executed)
    end
    assert.is_false(with({ kind = "502", executed = false }):plan(asked())[1].executed)
    assert.equal(7, with({ kind = "429", retry_after = 7 }):plan(asked())[1].retry_after)
  end)

  it("are taken away one by one or all", function()
    local planner = with({ kind = "slow" }, { kind = "502" })
    assert.is_true(planner:clear(1))
    assert.is_false(planner:clear(1))
    assert.equal("502", kinds(planner:plan(asked())))
    assert.is_true(planner:clear())
    assert.is_false(planner:clear())
    assert.equal(3, planner:add { kind = "slow" }) -- numbers are not used again
  end)
end)

describe("a bad day", function()
  for _, name in ipairs(chaos.names()) do
    it(name .. " has rules that are right, and is documented with its words", function()
      local day = chaos.profiles[name]
      for i, rule in ipairs(day.rules) do assert.is_nil(faults.check(rule), i) end
      assert.truthy(require("perigee.simulator.profile").read(day.profile or ""))
      local file = assert(io.open("docs/rehearsal.md"))
      local page = file:read "a"
      file:close()
      assert.truthy(page:find("| `" .. name .. "` | " .. day.text, 1, true), name)
    end)
  end

  it("plans the same for the same seed", function()
    local function plans()
      local planner, out = faults.new(3), {}
      for _, rule in ipairs(chaos.profiles.hostile.rules) do planner:add(rule) end
      for i = 1, 500 do out[i] = kinds(planner:plan(asked { now = i * 37 })) end
      return table.concat(out, ",")
    end
    assert.equal(plans(), plans())
    assert.truthy(#plans() > 1500)
  end)
end)
