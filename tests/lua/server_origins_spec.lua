-- SPDX-License-Identifier: MIT
package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"
local task = require "perigee.task"

describe("origins of commands", function()
  local origins, undo, o, written

  before_each(function()
    written = {}
    origins, undo = fake.load("perigee.server.origins", { ["perigee.store.queries"] = { operators = {
      audit_origin = function(_, args)
        written[#written + 1] = ("%d %s %s"):format(args.journal_seq, args.ip, args.request_id)
        return 1
      end } } })
    o = origins.new { db = {}, projector = { reached = function() return true end } }
  end)
  after_each(function() undo() end)

  local function command(seq, who, name, key)
    o:event { kind = "command", seq = seq, who = who, name = name, key = key or "" }
  end
  local function settle() for _ = 1, 5 do task.yield() end end

  it("go to the rows of their own events, in the order of the journal", function()
    task.run(function()
      o:expect("ann", "close")
      o:expect("ann", "close")
      o:expect("bob", "close")
      command(5, "bob", "close")
      command(6, "ann", "close")
      command(7, "ann", "close")
      command(8, "local", "close")
      o:answered("ann", "close", { ip = "a", request_id = "1" })
      o:answered("ann", "close", { ip = "a", request_id = "2" })
      o:answered("bob", "close", { ip = "b", request_id = "3" })
      settle()
      assert.same({ "6 a 1", "7 a 2", "5 b 3" }, written)
    end)
  end)

  it("of a repeated key, which does nothing, are not those of another request", function()
    task.run(function()
      o:expect("ann", "close", "k1") -- answered before: no event
      o:expect("ann", "close", "k2")
      o:expect("ann", "close")
      command(5, "ann", "close")
      command(6, "ann", "close", "k2")
      o:answered("ann", "close", { ip = "a", request_id = "1", key = "k1" })
      o:answered("ann", "close", { ip = "b", request_id = "2", key = "k2" })
      o:answered("ann", "close", { ip = "c", request_id = "3" })
      settle()
      assert.same({ "6 b 2", "5 c 3" }, written)
      assert.is_nil(next(o.expected))
      assert.is_nil(next(o.seen))
    end)
  end)

  it("are nothing for a command without an event, and leave nothing behind", function()
    task.run(function()
      o:expect("ann", "close")
      o:answered("ann", "close", { ip = "a", request_id = "1" })
      command(9, "ann", "close")
      settle()
      assert.same({}, written)
      assert.is_nil(next(o.expected))
      assert.is_nil(next(o.seen))
    end)
  end)
end)
