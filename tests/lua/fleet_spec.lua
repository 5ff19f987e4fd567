-- SPDX-License-Identifier: MIT
-- The fleet: each login fails alone, and an account takes entries only after it was read.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("the fleet", function()
  local fleet, undo, credentials, refused, unreadable, spawned, slept

  local function session_new(options)
    local s = { user = options.email, profile = options.profile, accounts = {}, open = false }
    function s.login()
      if refused[s.user] then
        s.last_error = "no"
        return nil, { code = "credentials", message = "no" }
      end
      for i, id in ipairs(options.account_ids) do s.accounts[i] = { id = id } end
      return true
    end
    function s.activate() s.open = true end
    return s
  end

  before_each(function()
    refused, unreadable, spawned, slept = {}, {}, {}, 0
    credentials = '[{"email":"a","password":"p","brokerId":"0","tradingAccountId":"1"},'
      .. '{"email":"a","password":"p","brokerId":"0","tradingAccountId":"2"},'
      .. '{"email":"b","password":"p","brokerId":"0","tradingAccountId":"3"}]'
    fleet, undo = fake.load("perigee.fleet", {
      ["perigee.event"] = { emit = function() end },
      ["perigee.fs"] = { read = function() return credentials end },
      ["perigee.ledger"] = { account = function(id) return { user = "u", currency = "USD", id = id } end },
      ["perigee.log"] = { warn = function() end },
      ["perigee.session"] = { new = session_new },
      ["perigee.task"] = { sleep = function() slept = slept + 1 return slept < 5 end, all = function(jobs)
        local out = {}
        for i, job in ipairs(jobs) do out[i] = { ok = true, job() } end
        return out
      end },
      ["perigee.watch"] = { run = function() end, balance = function() return true end,
        positions = function(_, account)
          if unreadable[account.id] then return nil, { message = "late" } end
          return true
        end },
    })
  end)

  after_each(function() undo() end)

  local function new()
    return assert(fleet.new { profile = { name = "paper" }, origin = "x", credentials = "c", periods = {},
      spawn = function(name, fn, ...) spawned[#spawned + 1] = { name, fn, ... } end })
  end

  it("refuses credentials that are none", function()
    for _, text in ipairs({ "", "{}", "[]", "[1]", '[{"email":"a"}]' }) do
      credentials = text
      local f, err = fleet.new { credentials = "c" }
      assert.is_nil(f)
      assert.equal("input", err.code)
    end
  end)

  it("groups the accounts of a login and keeps their order", function()
    local f = new()
    assert.same({ "1", "2", "3" }, f.ids)
    assert.equal(2, #f.sessions)
  end)

  it("opens what can be opened; none is an error", function()
    local f = new()
    refused.a = true
    assert.equal(1, f:open())
    assert.equal("b", f:pick().user)
    refused.b = true
    local open, err = new():open()
    assert.is_nil(open)
    assert.equal("unreachable", err.code)
  end)

  it("lets an account trade only after its first read, and tries a failed login again", function()
    local f = new()
    refused.b, unreadable["2"] = true, true
    f:open()
    assert.same({}, f:active())
    assert.equal(1, f:read())
    assert.same({ "1" }, f:active())
    f:run()
    local names = {}
    for i, task in ipairs(spawned) do names[i] = task[1] end
    assert.same({ "session", "watch", "watch", "login" }, names)
    spawned[3][6]() -- the watch of account 2 has read it
    assert.same({ "1", "2" }, f:active())
    refused.b = nil
    local late = spawned[4]
    late[2](late[3], late[4])
    assert.equal("watch", spawned[#spawned][1])
    assert.is_true(f.sessions[2].open)
  end)

  it("asks another session after a failure", function()
    local f = new()
    f:open()
    assert.equal("a", f:pick().user)
    f:rotate()
    assert.equal("b", f:pick().user)
  end)
end)
