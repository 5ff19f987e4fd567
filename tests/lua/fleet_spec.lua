-- SPDX-License-Identifier: MIT
-- The fleet: each login fails alone, an account takes entries only after it was read, and users come and go while
-- it runs.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("the fleet", function()
  local fleet, undo, fakes, refused, unreadable, spawned, events, orders, holds, now, remembered, paused, at_once
  local exposed, busy, rests

  local function session_new(options)
    local s = { user = options.profile.name .. ":" .. options.email, profile = options.profile, accounts = {},
      open = false, wanted = options.account_ids, password = options.password,
      block = { on = false, rests = function(b) return b.on and not b.may_try end },
      on_edge = options.on_edge, saved = options.saved, gate = options.gate }
    function s.login(_, asked)
      s.left, s.asked = false, asked
      if holds.login then holds.login() end
      if s.left then return nil, { code = "closed", message = "gone" } end
      if refused[options.email] then
        s.last_error, s.refused = "no", refused[options.email] == "credentials" and not asked
        return nil, { code = "credentials", message = "no", retry_after_ms = 3000 }
      end
      s.accounts, s.last_error, s.refused = {}, nil, false
      for i, id in ipairs(s.wanted or { "9" }) do s.accounts[i] = { id = id } end
      s.tokens = "tokens"
      return true
    end
    function s.activate() s.open, s.id = true, (s.id or 0) + 1 end
    function s.leave() s.left, s.open = true, false end
    function s.logout(_, reason)
      if holds.logout then holds.logout() end
      events[#events + 1] = "logout " .. options.email .. " " .. reason
      s.tokens = nil
    end
    function s.set_password(_, password)
      if password ~= s.password then s.password, s.refused = password, false end
    end
    s.keep = function() end
    return s
  end

  local function user(id, email, ids, active)
    return { id = id, broker = "paper", email = email, name = email, active = active ~= false, account_ids = ids }
  end

  before_each(function()
    refused, unreadable, spawned, events, orders, holds, now = {}, {}, {}, {}, {}, {}, 0
    remembered, paused, at_once, exposed = {}, {}, nil, {}
    busy, rests = {}, {}
    fakes = {
      ["perigee.clock"] = { io_ms = function() return now end },
      ["perigee.event"] = { emit = function(kind, fields)
        if kind == "policy_state" then
          remembered[fields.name] = fields.value
          return
        end
        if kind == "account_state" then paused[fields.account] = fields.state == "paused" end
        events[#events + 1] = ("%s %s"):format(kind, fields.account or fields.user or fields.text)
      end },
      ["perigee.memory"] = { get = function(name) return remembered[name] end },
      ["perigee.exec"] = { in_flight = function() return #orders end, budget = function(id)
        return 0, 480, busy[id] or 0, { { rest_ms = 0 }, { rest_ms = rests[id] or 0 } }
      end },
      ["perigee.ledger"] = { account = function(id)
        return { user = "u", currency = "USD", id = id, paused = paused[id] == true }
      end, exposure_count = function(id) return exposed[id] or 0 end, accounts = function() return {} end,
        orders = function() return orders end },
      ["perigee.log"] = { warn = function() end },
      ["perigee.session"] = { new = session_new },
      ["perigee.task"] = { all = function(jobs, most)
        at_once = most
        local out = {}
        for i, job in ipairs(jobs) do
          local done = table.pack(pcall(job))
          out[i] = done[1] and { ok = true, table.unpack(done, 2, done.n) } or { ok = false, err = done[2] }
        end
        return out
      end, sleep = function(ms)
        now = now + ms
        if holds.sleep then holds.sleep() end
        return now < 100000
      end, shared = function(_, _, fn, ...) return true, fn(...) end, finish = function() end },
      ["perigee.watch"] = { run = function() end,
        first = function(_, account)
          if unreadable[account.id] then return nil, { message = "late" } end
          return true
        end },
    }
    fleet, undo = fake.load("perigee.fleet", fakes)
  end)

  after_each(function() undo() end)

  local function new(users, options)
    local o = { profile = { name = "paper", logins_per_minute = 30, logins_per_hour = 20 }, origin = "x", periods = {},
      answer_timeout_ms = 1000,
      users = users or { user(1, "a", { "1", "2" }), user(2, "b", { "3" }) },
      spawn = function(name, fn, ...)
        local job = { name, fn, cancelled = false, ... }
        spawned[#spawned + 1] = job
        return { cancel = function() job.cancelled = true end }
      end }
    for key, value in pairs(options or {}) do o[key] = value end
    return fleet.new(o)
  end

  local function running(users)
    local f = new(users)
    f:open()
    f:read()
    f:run()
    return f
  end

  local function names()
    local list = {}
    for i, job in ipairs(spawned) do list[i] = job[1] .. (job.cancelled and " cancelled" or "") end
    return list
  end

  it("opens with the others when one login breaks, which is said and tried again", function()
    local f = new()
    f:user(1).session.login = function() error("an answer that nobody thought of\nstack") end
    events = {}
    assert.equal(1, f:open())
    assert.matches("notice login of paper:a broke: .*an answer that nobody thought of$", events[#events])
    f:run()
    assert.same({ "login", "session", "watch" }, names())
  end)

  it("keeps an account in sight that its login does not hold any more, and lets no entry into it", function()
    local f = running()
    local u = f:user(1)
    assert.same({ "1", "2", "3" }, f:active())
    u.session.accounts[2].lost = "the login does not hold it any more"
    assert.same({ "1", "3" }, f:active())
    assert.same({ "1", "2", "3" }, f:accounts())
    exposed = { ["2"] = 1 }
    u.session.open, u.session.wanted = false, { "1" }
    events = {}
    f:login(u, true)
    assert.same({ "1", "2" }, u.ids)
    assert.matches("account 2 is not of the login of paper:a any more; 1 positions", events[2], 1, true)
  end)

  it("knows its users and their accounts before the first login, and tells them", function()
    local f = new()
    assert.same({ "1", "2", "3" }, f:accounts())
    assert.same({ "user_added paper:a", "user_added paper:b" }, events)
    assert.equal("a", f:owner("2").email)
    assert.equal("b", f:user(2).email)
    assert.is_nil(f:user(3))
    assert.is_nil(f:owner("4"))
  end)

  it("opens what can be opened; none is an error", function()
    local f = new()
    refused.a = true
    assert.equal(1, f:open())
    assert.equal("paper:b", f:pick().user)
    refused.b = true
    local open, err = new():open()
    assert.is_nil(open)
    assert.equal("unreachable", err.code)
  end)

  it("does not log in who is not active", function()
    local f = new { user(1, "a", { "1" }, false), user(2, "b", { "3" }) }
    assert.equal(1, f:open())
    f:read()
    f:run()
    assert.same({ "3" }, f:active())
    assert.same({ "session", "watch" }, names())
  end)

  it("lets an account trade only after its first read, and tries a failed login again", function()
    local f = new()
    refused.b, unreadable["2"] = true, true
    f:open()
    assert.same({}, f:active())
    assert.equal(1, f:read())
    assert.same({ "1" }, f:active())
    f:run()
    assert.same({ "session", "watch", "watch", "login" }, names())
    assert.is_false(spawned[2][7]) -- account 1 was read
    assert.is_true(spawned[3][7]) -- account 2 is due at once
    spawned[3][6]() -- its watch has read it
    assert.same({ "1", "2" }, f:active())
    refused.b = nil
    local late = spawned[4]
    late[2](late[3], late[4], late[5])
    assert.equal("watch", spawned[#spawned][1])
    assert.same({ "1", "2", "3" }, f:active())
  end)

  it("asks another session after a failure", function()
    local f = new()
    f:open()
    assert.equal("paper:a", f:pick().user)
    f:rotate()
    assert.equal("paper:b", f:pick().user)
    f:user(2).session.block.on = true -- the edge refuses it: it rests
    assert.equal("paper:a", f:pick().user)
    f:user(1).session.block.on = true
    assert.is_nil(f:pick())
    f:user(1).session.block.may_try = true -- its pause is over, and a request may try
    assert.equal("paper:a", f:pick().user)
  end)

  it("asks an account that may be asked now, else the one that may be first", function()
    local f = new()
    f:open()
    local function picked() return (select(2, f:pick()) or {}).id end
    assert.equal("1", picked())
    rests["1"] = 60000 -- the broker has asked for it
    assert.equal("2", picked())
    busy["2"] = 100
    assert.equal("3", picked())
    rests["3"] = 5000
    assert.equal("2", picked())
    busy["2"] = 9000
    assert.equal("3", picked())
  end)

  it("opening again logs in who is not there yet, but nobody whose password was refused", function()
    refused.a, refused.b = "credentials", "unreachable"
    local f = new()
    assert.is_nil(f:open())
    refused = {}
    assert.equal(1, f:open())
    assert.same({ false, true }, { f:user(1).session.open, f:user(2).session.open })
  end)

  it("logs a user out: no entries, no watches, and the others go on", function()
    local f = running()
    local a = f:user(1)
    f:logout(a, "operator")
    assert.same({ "3" }, f:active())
    assert.is_true(a.session.left)
    assert.same({ "1", "2", "3" }, f:accounts()) -- they stay known
    assert.same({ "session cancelled", "watch cancelled", "watch cancelled", "session", "watch" }, names())
    assert.equal("logout a operator", events[#events])
    assert.is_true(f:login(a))
    assert.same({ "1", "2", "3" }, f:active())
    assert.equal(8, #spawned)
  end)

  it("waits for the answers of what is in flight before the lanes close", function()
    local f = running()
    orders = { { account = "3", state = "SENT" }, { account = "1", state = "SENT" } }
    local waited = 0
    holds.sleep = function()
      waited = waited + 1
      assert.is_false(f:user(1).session.left)
      assert.is_false(f:user(1).session.open)
      if waited == 3 then orders = { orders[1] } end -- another account's does not matter
    end
    f:logout(f:user(1), "operator")
    assert.equal(3, waited)
    holds.sleep = function() waited = waited + 1 end
    orders = { { account = "3", state = "INTENT" } }
    f:logout(f:user(2), "operator")
    assert.equal(103, waited) -- one that never comes is waited for as long as an answer may take
  end)

  it("stops trying who was logged out", function()
    refused.b = true
    local f = running()
    local late = spawned[#spawned]
    assert.equal("login", late[1])
    f:logout(f:user(2), "operator")
    assert.is_true(late.cancelled)
    refused.b = nil
    late[2](late[3], late[4], late[5])
    assert.is_false(f:user(2).session.open)
  end)

  it("adds a user, logs it in, and takes all accounts of a login that names none", function()
    local f = running()
    local c = f:add(user(3, "c", nil))
    assert.equal("login", spawned[#spawned][1])
    spawned[#spawned][2]()
    assert.same({ "9" }, c.ids)
    assert.same({ "1", "2", "3", "9" }, f:active())
    assert.equal(c, f:owner("9"))
  end)

  it("gives an account to one login only", function()
    local f = running()
    f:add(user(3, "c", { "3", "9" }))
    spawned[#spawned][2]()
    assert.equal("b", f:owner("3").email)
    assert.same({ "9" }, f:user(3).ids)
    assert.same({ "9" }, f:user(3).session.wanted)
    assert.same({ "1", "2", "3", "9" }, f:active())
  end)

  it("changes a user: name and password at once, activity by logging in and out", function()
    local f = running()
    local a = f:user(1)
    f:change(a, { name = "Ann", active = true, password = "new" })
    assert.equal("Ann", a.name)
    assert.equal("new", a.session.password)
    assert.is_true(a.session.open)
    f:change(a, { name = "Ann", active = false, password = "new" })
    assert.is_false(a.session.open)
    assert.equal("logout a deactivated", events[#events])
    f:change(a, { name = "Ann", active = true, password = "new" })
    spawned[#spawned][2]()
    assert.is_true(a.session.open)
  end)

  it("leaves out who was logged out by hand when its record is changed", function()
    local f = running()
    local a = f:user(1)
    f:logout(a, "operator")
    local before = #spawned
    f:change(a, { name = "Ann", active = true, password = "new" })
    assert.equal(before, #spawned)
    assert.same({ "3" }, f:active())
  end)

  it("pursues a user once only", function()
    refused.b = true
    local f = running()
    local late = spawned[#spawned]
    f:change(f:user(2), { name = "b", active = true, password = "new" })
    assert.is_true(late.cancelled)
    assert.same({ "login cancelled", "login" }, { table.unpack(names(), #spawned - 1) })
  end)

  it("logs in with what a former life left, through one gate, so many at once", function()
    local f = new(nil, { saved = function(id) return id == 2 and { token = "t" } or nil end, logins_at_once = 3,
      logins_per_hour = 7 })
    assert.is_nil(f:user(1).session.saved)
    assert.same({ token = "t" }, f:user(2).session.saved)
    assert.equal(f:user(1).session.gate, f:user(2).session.gate)
    assert.same({ 30, 7 }, { f.gate.per_minute, f.gate.per_hour })
    f:open()
    assert.equal(3, at_once)
  end)

  it("does not try a refused password again by itself, but when it was changed, or somebody asks", function()
    refused.b = "credentials"
    local f = running()
    local b = f:user(2)
    assert.same({ "session", "watch", "watch" }, names())
    f:change(b, { name = "Bob", active = true, password = b.session.password })
    assert.equal(3, #spawned)
    f:change(b, { name = "Bob", active = true, password = "better" })
    assert.equal("login", spawned[4][1])
    local sleeps = 0
    holds.sleep = function() sleeps = sleeps + 1 end
    spawned[4][2]() -- refused again: it ends
    assert.equal(0, sleeps)
    refused.b = nil
    assert.is_true(f:login(b, true))
    assert.is_true(b.session.asked)
    assert.same({ "1", "2", "3" }, f:active())
  end)

  it("waits as long as a failed login says before the next", function()
    refused.b = true
    local f = running()
    local waits = {}
    holds.sleep = function()
      waits[#waits + 1] = now
      if #waits == 3 then refused.b = nil end
    end
    local late = spawned[#spawned]
    now = 0
    late[2](late[3], late[4], 500)
    assert.same({ 500, 3500, 6500 }, waits)
    assert.is_true(f:user(2).session.open)
  end)

  it("watches a session that was logged in anew once, not twice", function()
    local f = running()
    local a = f:user(1)
    a.session.open = false -- its password was refused at a renewal
    assert.is_true(f:login(a, true))
    assert.same({ "session cancelled", "watch cancelled", "watch cancelled", "session", "watch", "session", "watch",
      "watch" }, names())
  end)

  describe("whose user the edge refuses", function()
    it("lets its accounts take no entries until a read works, and leaves alone what others paused", function()
      local f = running()
      paused["2"] = true -- by an operator
      events = {}
      f:user(1).session.on_edge(true)
      assert.same({ "account_state 1" }, events)
      assert.same({ true, true, nil }, { paused["1"], paused["2"], paused["3"] })
      assert.equal('["1"]', remembered["edge_block:paper:a"])
      f:user(1).session.on_edge(false)
      assert.same({ false, true }, { paused["1"], paused["2"] })
      assert.equal("[]", remembered["edge_block:paper:a"])
      f:user(1).session.on_edge(false)
      assert.equal(2, #events)
    end)

    it("hears of a write that was refused, whatever the reads say", function()
      local f, heard = running(), {}
      f:user(2).session.blocked = function(_, what) heard[#heard + 1] = what end
      f:edge_refused("3", "a write (open)")
      f:edge_refused("77", "a write (open)") -- of nobody that is logged in
      assert.same({ "a write (open)" }, heard)
    end)

    it("remembers over a restart what it paused, and frees it with the first read", function()
      remembered["edge_block:paper:a"], paused["1"], paused["3"] = '["1"]', true, true
      running()
      assert.same({ false, true }, { paused["1"], paused["3"] })
    end)

    it("is not freed by a login alone", function()
      remembered["edge_block:paper:a"], paused["1"], unreadable["1"], unreadable["2"] = '["1"]', true, true, true
      running()
      assert.is_true(paused["1"])
    end)

    it("frees them when it is logged out", function()
      local f = running()
      f:user(1).session.on_edge(true)
      f:logout(f:user(1), "operator")
      assert.same({ false, false }, { paused["1"], paused["2"] })
    end)
  end)

  it("removes a user with its accounts, and tells it", function()
    local f = running()
    local a = f:user(1)
    f:logout(a, "removed")
    f:remove(a)
    assert.same({ "3" }, f:accounts())
    assert.is_nil(f:owner("1"))
    assert.equal("user_removed paper:a", events[#events])
  end)

  it("throws away a login that comes after its user is gone", function()
    local f = running()
    local c = f:add(user(3, "c", { "9" }))
    holds.login = function() f:remove(c) end
    local ok, err = f:login(c)
    assert.is_nil(ok)
    assert.equal("closed", err.code)
    assert.is_true(c.session.left)
    assert.same({ "1", "2", "3" }, f:active())
  end)

  describe("while something is on its way", function()
    local task = require "perigee.task"

    before_each(function()
      undo()
      fakes["perigee.task"] = nil
      fleet, undo = fake.load("perigee.fleet", fakes)
    end)

    local function wait_until(condition)
      for _ = 1, 5000 do
        if condition() then return end
        task.sleep(1)
      end
      error("it never came", 2)
    end

    it("logs in after a logout, whose end takes nothing of the new session", function()
      task.run(function()
        local f = running()
        local a, told = f:user(1), task.event()
        holds.logout = function() told:wait() end
        local logout = task.spawn(function() f:logout(a, "operator") end)
        wait_until(function() return a.session.left end)
        local login = task.spawn(function() return f:login(a) end)
        task.settled()
        assert.is_false(a.session.open)
        told:set()
        assert.is_true(logout:join())
        assert.same({ true, true }, { login:join() })
        assert.is_true(a.session.open)
        assert.equal("tokens", a.session.tokens)
        assert.same({ "1", "2", "3" }, f:active())
      end)
    end)

    it("shares a login although one who waits for it is cancelled", function()
      task.run(function()
        local f, begun, answered = new(), 0, task.event()
        local a = f:user(1)
        holds.login = function()
          begun = begun + 1
          answered:wait()
        end
        local first = task.spawn(function() return f:login(a) end)
        wait_until(function() return begun == 1 end)
        first:cancel()
        first:join()
        local second = task.spawn(function() return f:login(a) end)
        task.settled()
        answered:set()
        assert.same({ true, true }, { second:join() })
        assert.equal(1, begun)
        assert.is_nil(a.logging_in)
      end)
    end)

    it("ends a login that is on its way when its user is logged out", function()
      task.run(function()
        local f, begun = running(), 0
        local a = f:user(1)
        f:logout(a, "operator")
        holds.login = function()
          begun = begun + 1
          task.sleep(60000)
        end
        local login = task.spawn(function() return f:login(a) end)
        wait_until(function() return begun == 1 end)
        f:logout(a, "operator")
        login:join()
        assert.is_false(a.session.open)
        assert.is_nil(a.logging_in)
        assert.same({ "3" }, f:active())
      end)
    end)
  end)
end)
