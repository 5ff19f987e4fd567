-- SPDX-License-Identifier: MIT
-- The planner: what the reads of a broker cost, what is stretched when they do not fit, what the engine makes of it,
-- and what `perigee plan` prints.

package.path = "tests/lua/?.lua;" .. package.path
local config = require "perigee.config"
local fake = require "fake"
local plan = require "perigee.plan"
local profiles = require "perigee.venues.profiles"

local MARKS = { open = 88, quotes = 60 }

local function profile(budget)
  return assert(profiles.make { name = "demo", origin = "https://broker.example.com", budget = budget })
end

local function input(fields)
  local out = { profile = profile { scope = "address" }, accounts = 10, users = 10, busy = 10, resting = 0,
    marks = MARKS, periods = { quotes = 1000, positions = 5000, orders = 5000, idle = 60000, balance = 60000 } }
  for key, value in pairs(fields) do out[key] = value end
  return out
end

local function kind(p, name)
  for _, k in ipairs(p.kinds) do
    if k.name == name then return k end
  end
end

describe("a plan", function()
  it("counts what is configured: requests a minute of each kind", function()
    local p = plan.make(input { busy = 4, resting = 2, users = 5 })
    assert.equal(60, kind(p, "quotes").per_minute)
    assert.equal(48, kind(p, "positions").per_minute)
    assert.equal(24, kind(p, "orders").per_minute)
    assert.equal(14, kind(p, "idle").per_minute) -- 6 without positions and 8 without orders
    assert.equal(10, kind(p, "balance").per_minute)
    assert.truthy(math.abs(kind(p, "sessions").per_minute - 5 * 60000 / 825000) < 1e-9)
    local sum = 0
    for _, k in ipairs(p.kinds) do sum = sum + k.per_minute end
    assert.equal(sum, p.planned)
    assert.equal(p.wanted, p.planned)
    assert.same({ 480, 240, {}, {}, true }, { p.limit, p.room, p.stretched, p.warnings, p.fits })
    assert.equal(480 - sum, p.kept)
  end)

  it("plans the worst account where each has its own budget, however many there are", function()
    local p = plan.make(input { profile = profile { scope = "account" }, accounts = 500, busy = 30, users = 400 })
    assert.equal(60 + 12 + 1 + 1, math.floor(p.planned))
    assert.is_true(p.fits)
    assert.same({}, p.warnings)
    p = plan.make(input { profile = profile { scope = "account" }, accounts = 0, busy = 0, users = 0 })
    assert.equal(0, p.planned)
    assert.is_true(p.fits)
  end)

  it("stretches what matters least first, and only as far as needed", function()
    local p = plan.make(input { accounts = 150, busy = 5, users = 1 })
    table.sort(p.stretched)
    assert.same({ "balance", "idle", "positions", "quotes" }, p.stretched)
    assert.same({ 5000, 15000, 120000 }, { p.periods.quotes, p.periods.positions, p.periods.balance })
    assert.truthy(p.periods.idle > 120000 and p.periods.idle < 600000)
    assert.truthy(p.planned <= 240 and p.planned > 239.9)
    p = plan.make(input { accounts = 30, busy = 30, users = 1 })
    assert.same({ "idle", "balance", "positions" }, (function()
      table.sort(p.stretched, function(a, b) return a ~= b and (a == "idle" or b == "positions") end)
      return p.stretched
    end)())
    assert.truthy(p.periods.positions > 5000 and p.periods.positions < 15000)
    assert.equal(1000, p.periods.quotes)
    p = plan.make(input { accounts = 100, busy = 100, users = 1 })
    assert.equal(5000, p.periods.quotes)
    assert.truthy(p.periods.positions > 15000 and p.periods.positions < 60000)
    assert.is_true(p.fits)
  end)

  it("never asks for more than there is room, and never shortens a period", function()
    local draw = require("perigee.rng").new(7, "plan")
    local fitted = 0
    for _ = 1, 3000 do
      local n = draw:range(0, 400)
      local made = input { accounts = n, busy = draw:range(0, n), resting = draw:range(0, n), users = draw:range(0, n),
        profile = profile { scope = "broker", requests = draw:range(20, 2000) },
        periods = { quotes = draw:range(100, 20000), positions = draw:range(500, 90000),
          orders = draw:range(500, 90000), idle = draw:range(1000, 900000), balance = draw:range(1000, 900000) } }
      local p = plan.make(made)
      if p.planned <= p.room then fitted = fitted + 1 end
      for key, period in pairs(p.periods) do
        assert.truthy(period >= made.periods[key])
        assert.truthy(period == made.periods[key] or p.wanted > p.room)
      end
      if p.planned > p.room * 1.000001 then -- all that can be stretched is
        assert.is_false(p.fits)
        assert.truthy(p.periods.quotes >= 15000 or n == 0)
        assert.truthy(p.periods.balance >= 600000 or n == 0)
      elseif p.wanted > p.room then
        assert.truthy(p.planned > p.room * 0.95) -- not stretched for nothing
      end
    end
    assert.truthy(fitted > 1000 and fitted < 3000)
  end)

  it("says when it does not fit", function()
    local p = plan.make(input { accounts = 400, busy = 400, users = 400 })
    assert.is_false(p.fits)
    local text = table.concat(p.warnings, "\n")
    assert.matches("requests a minute are needed at least, and 240.0 have room beside the orders: fewer accounts on "
      .. "this address", text, 1, true)
    assert.matches("positions of busy accounts: read every 60 s instead of every 5 s", text, 1, true)
    assert.matches("a signal to all 400 accounts is as many requests at once", text, 1, true)
    assert.matches("closing a position on all 400 accounts at once passes the budget of 480", text, 1, true)
  end)

  it("says when a signal to all accounts does not fit, although their reads do", function()
    local p = plan.make(input { accounts = 300, busy = 0, users = 1 })
    assert.is_false(p.fits)
    assert.truthy(p.planned <= p.room)
    assert.matches("a signal to all 300 accounts is as many requests at once, and 18%d have room",
      p.warnings[#p.warnings - 1])
  end)

  it("takes the tighter of a minute's and a day's limit", function()
    local p = plan.make(input { profile = profile { scope = "account", per_day = 2000 }, accounts = 1, busy = 1 })
    assert.equal(2000 / 1440, p.limit)
    assert.is_false(p.fits)
    assert.matches("too few to watch an account", table.concat(p.warnings, "\n"), 1, true)
    p = plan.make(input { profile = profile { scope = "account", per_day = 700000 }, accounts = 1, busy = 1 })
    assert.equal(480, p.limit)
    assert.same({}, p.warnings)
  end)

  it("says when the reads of a day leave no room for a trade", function()
    local function make(per_day, accounts)
      return plan.make(input { profile = profile { scope = "broker", requests = 5000, per_day = per_day },
        accounts = accounts, busy = 0, users = 1 })
    end
    local function told(p)
      return table.concat(p.warnings, "\n"):match("leave room for (%d+) requests of %d+: not one")
    end
    assert.is_nil(told(make(100000, 10)))
    local p = make(20000, 10) -- the reads are stretched as far as they go
    assert.is_nil(told(p))
    p = make(20000, 40)
    assert.is_false(p.fits)
    assert.is_true(tonumber(told(p)) < 80)
  end)
end)

describe("what is wanted", function()
  after_each(function() config.resolve(nil, {}) end)

  it("is what the operator has given, else the profile's, else the defaults", function()
    assert(config.resolve(nil, { "poll.quotes_ms=700", "orders.budget_requests=99" }))
    local p = profile { requests = 200, scope = "broker", per_day = 5000 }
    p.poll = { quotes_ms = 300, positions_ms = 900 }
    local periods = plan.wanted(p, config)
    assert.same({ 700, 900, 60000 }, { periods.quotes, periods.positions, periods.idle })
    assert.same({ requests = 99, window_ms = 60000, scope = "broker", per_day = 5000 }, plan.budget(p, config))
    assert(config.resolve(nil, {}))
    assert.equal(200, plan.budget(p, config).requests)
  end)
end)

describe("the engine's pace", function()
  local pace, undo, busy, notices, sleeps

  before_each(function()
    busy, notices, sleeps = {}, {}, 0
    assert(config.resolve(nil, {}))
    pace, undo = fake.load("perigee.plan.pace", {
      ["perigee.event"] = { emit = function(_, fields) notices[#notices + 1] = fields.level .. " " .. fields.text end },
      ["perigee.exec"] = { budget_marks = function() return MARKS end },
      ["perigee.ledger"] = { exposure_count = function(id) return busy[id] and 1 or 0 end,
        pendings = function() return {} end },
      ["perigee.task"] = { sleep = function()
        sleeps = sleeps + 1
        return sleeps < 3
      end } })
  end)

  after_each(function() undo() end)

  local function fleet(n)
    local f = { users = {}, members = {} }
    for i = 1, n do
      f.users[i] = { session = { open = true } }
      f.members[tostring(i)] = {}
    end
    return f
  end

  it("follows who comes and goes, in the same table of periods", function()
    local p = pace.new(profile { scope = "address" })
    local periods = p.periods
    assert.equal(60000, periods.idle)
    for i = 1, 90 do busy[tostring(i)] = true end
    p:update(fleet(90))
    assert.truthy(periods.positions > 15000)
    busy = {}
    p:update(fleet(90))
    assert.equal(5000, periods.positions)
    p:update(fleet(5))
    assert.equal(60000, periods.idle)
    assert.same({}, notices)
  end)

  it("tells once when it does not fit, and once when it does again", function()
    local p = pace.new(profile { scope = "address" })
    p:run(fleet(500))
    assert.equal(3, sleeps)
    assert.equal(1, #notices)
    assert.matches("^warn demo: ", notices[1])
    p:update(fleet(5))
    p:update(fleet(5))
    assert.equal(2, #notices)
    assert.matches("^info the reads and orders of demo fit", notices[2])
  end)
end)

describe("perigee plan", function()
  local folder = "/tmp/perigee-plan-" .. require("perigee.rng").token(6)

  setup(function() require("perigee.fs").mkdir(folder) end)
  teardown(function() os.execute("rm -rf " .. folder) end)

  local function run(args)
    local command = "build/release/perigee plan --data-dir %s/none %s 2>&1; echo \"= $?\""
    local program = io.popen(command:format(folder, args))
    local text = program:read("a")
    program:close()
    return text:match("^(.*)= (%d+)\n$")
  end

  it("prints a table for each broker and ends with 0 when it fits", function()
    local text, code = run "--accounts 12 --users 10"
    assert.equal("0", code)
    assert.matches("paper: 12 accounts of 10 logins, 12 with open positions", text, 1, true)
    assert.matches("prices of all symbols +1 +1 s +60.0", text)
    assert.matches("budget: 480 requests in 60 s for each account", text, 1, true)
    assert.matches("it fits", text, 1, true)
  end)

  it("ends with 1 when it does not fit", function()
    local text, code = run "--broker e8 --accounts 2"
    assert.equal("1", code)
    assert.matches("and 2000 a day", text, 1, true)
    assert.matches("it does not fit", text, 1, true)
  end)

  it("ends with 2 or 3 and a sentence when it is asked wrongly", function()
    for _, case in ipairs({ { "--what", "2", "unexpected argument --what" }, { "--accounts", "2", "needs a value" },
      { "--accounts x", "2", "must be a whole number" },
      { "--broker papre --accounts 1", "2", "nearest known one is paper" },
      { "--broker e8", "2", "say how many --accounts" }, { "--config /nowhere", "3", "/nowhere" } }) do
      local text, code = run(case[1])
      assert.equal(case[2], code, case[1])
      assert.matches(case[3], text, 1, true)
    end
    local text, code = run "--help"
    assert.equal("0", code)
    assert.matches("usage: perigee plan", text, 1, true)
  end)

  it("gives tools one JSON object a broker", function()
    local text, code = run "--accounts 3 --busy 1 --json"
    assert.equal("0", code)
    local p = require("perigee.json").decode(text)
    assert.same({ "paper", 3, 1, true, 480 }, { p.broker, p.accounts, p.busy, p.fits, p.limit })
  end)
end)
