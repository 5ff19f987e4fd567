-- SPDX-License-Identifier: MIT
-- The projector before a database that takes its time, which is a table here.
local projector = require("perigee.store.projector")
local task = require("perigee.task")

describe("projector", function()
  it("is delayed while a transaction takes too long, and not afterwards", function()
    task.run(function()
      local go, begun = task.event(), task.event()
      local conn = {
        query = function(_, sql)
          return sql:find("projector_state") and { { applied = 0, applied_wall_us = 0 } } or {}
        end,
        batch = function()
          begun:set()
          go:wait()
          return {}
        end,
      }
      local db = { ready = function() return true end, with = function(_, fn) return fn(conn) end }
      local p = projector.new({ db = db, gather_ms = 0, slow_ms = 5 })
      assert.equal("delayed", p:state()) -- it does not know yet where the tables are
      assert.equal(0, p:open())
      assert.equal("ok", p:state())
      local t = task.spawn(p.run, p)
      assert.is_true(p:add({ seq = 1, kind = "notice", level = "info", component = "x", text = "y", market_ms = 1,
        wall_us = 1 }))
      assert.is_true(begun:wait(5000))
      task.sleep(20, "io")
      assert.equal("delayed", p:state())
      go:set()
      repeat task.sleep(1, "io") until p:applied() == 1
      assert.equal("ok", p:state())
      t:cancel()
      t:join()
    end)
  end)
end)
