-- SPDX-License-Identifier: MIT
local task = require("perigee.task")
local log = require("perigee.log")
local clock = require("perigee.clock")

describe("task.run", function()
  it("returns what the function returns, nils included", function()
    local a, b, c, d = task.run(function(x)
      task.sleep(1)
      return x, nil, "z", nil
    end, 7)
    assert.same({ 7, "z" }, { a, c })
    assert.is_nil(b)
    assert.is_nil(d)
    assert.equal(4, select("#", task.run(function() return 1, 2, 3, nil end)))
  end)

  it("raises the very error value", function()
    local value = { "mine" }
    local ok, e = pcall(task.run, function() error(value) end)
    assert.is_false(ok)
    assert.equal(value, e)
  end)

  it("refuses to run inside a task", function()
    local ok, e = task.run(function() return pcall(task.run, function() end) end)
    assert.is_false(ok)
    assert.matches("cannot be called in a task", e)
  end)
end)

describe("waiting", function()
  it("is refused outside of tasks, in inner coroutines and across C", function()
    assert.has_error(function() task.sleep(1) end, "task.sleep waits: call it in a task (task.spawn, task.run)")
    task.run(function()
      local ok, e = coroutine.resume(coroutine.create(function() task.sleep(1) end))
      assert.is_false(ok)
      assert.matches("coroutine of the task's own", e)
      ok, e = pcall(table.sort, { 1, 2 }, function() task.sleep(1) end)
      assert.is_false(ok)
      assert.matches("across a C function", e)
      assert.is_true(task.sleep(1))
    end)
  end)

  it("works through pcall and metamethods", function()
    task.run(function()
      local t = setmetatable({}, { __index = function(_, k) task.sleep(1) return k end })
      assert.equal("abc", t.abc)
      local ok, v = pcall(function() task.sleep(1) error("x", 0) end)
      assert.same({ false, "x" }, { ok, v })
    end)
  end)

  it("sleeps on both clocks and rejects nonsense", function()
    task.run(function()
      local before = clock.io_ns()
      assert.is_true(task.sleep(5))
      assert.is_true(clock.io_ns() - before >= 5000000)
      assert.is_true(task.sleep(0, "market"))
      assert.has_error(function() task.sleep(-1) end)
      assert.has_error(function() task.sleep(0 / 0) end)
      assert.has_error(function() task.sleep(1, "moon") end)
      assert.has_error(function() task.sleep() end)
    end)
  end)

  it("takes turns in order", function()
    task.run(function()
      local seen = {}
      local tasks = {}
      for i = 1, 3 do
        tasks[i] = task.spawn(function()
          for _ = 1, 2 do
            seen[#seen + 1] = i
            task.yield()
          end
        end)
      end
      for i = 1, 3 do assert.is_true(tasks[i]:join()) end
      assert.same({ 1, 2, 3, 1, 2, 3 }, seen)
    end)
  end)

  it("a bare coroutine.yield lets others run", function()
    task.run(function()
      local flag = false
      task.spawn(function() flag = true end)
      assert.is_nil(coroutine.yield("ignored"))
      assert.is_true(flag)
    end)
  end)
end)

describe("join", function()
  it("gives results, again and again", function()
    task.run(function()
      local t = task.spawn(function(...) return ... end, 1, nil, 3)
      assert.is_false(t:done())
      for _ = 1, 2 do
        assert.same({ n = 4, true, 1, nil, 3 }, table.pack(t:join()))
      end
      assert.is_true(t:done())
    end)
  end)

  it("gives the error, which is then not logged", function()
    local before = log.count("error")
    task.run(function()
      local t = task.spawn(function() task.sleep(1) error("boom", 0) end)
      local ok, e = t:join()
      assert.is_nil(ok)
      assert.equal("failed", e.code)
      assert.equal("boom", e.message)
      local late = task.spawn(function() error("late", 0) end)
      task.yield()
      task.yield()
      assert.is_true(late:done())
      ok, e = late:join()
      assert.is_nil(ok)
      assert.equal("late", e.message)
      local cause = require("perigee.err").new("limit", "too much", "here", "safe")
      local _, same = task.spawn(function() error(cause) end):join()
      assert.equal(cause, same)
    end)
    assert.equal(before, log.count("error"))
  end)

  it("logs an error that nobody joins", function()
    local before = log.count("error")
    task.run(function()
      task.spawn(function() error("nobody joins this (expected in the test's log)") end)
    end)
    assert.equal(before + 1, log.count("error"))
  end)

  it("several may join; oneself may not", function()
    task.run(function()
      local t = task.spawn(function() task.sleep(2) return "v" end)
      local a = task.spawn(function() return t:join() end)
      local b = task.spawn(function() return t:join() end)
      assert.same({ true, true, "v" }, { a:join() })
      assert.same({ true, true, "v" }, { b:join() })
      assert.has_error(function() task.self():join() end, "a task cannot join itself")
    end)
  end)
end)

describe("cancel", function()
  it("ends the wait once, with its code", function()
    task.run(function()
      local t = task.spawn(function()
        local ok, e = task.sleep(60000)
        local again = task.sleep(1)
        return ok, e.code, again
      end)
      task.sleep(1)
      t:cancel()
      assert.same({ n = 4, true, nil, "cancelled", true }, table.pack(t:join()))
      t:cancel()
    end)
  end)

  it("before the first step means it never runs", function()
    task.run(function()
      local ran = false
      local t = task.spawn(function() ran = true end)
      t:cancel()
      local ok, e = t:join()
      assert.is_nil(ok)
      assert.equal("cancelled", e.code)
      assert.is_false(ran)
    end)
  end)

  it("of a running task meets its next wait", function()
    task.run(function()
      local q = task.queue()
      q:push(1)
      task.self():cancel()
      local v, e = q:pop()
      assert.is_nil(v)
      assert.equal("cancelled", e.code)
      assert.equal(1, q:pop())
    end)
  end)

  it("ends every kind of wait", function()
    task.run(function()
      local waits = {
        function() return task.event():wait() end,
        function() return task.queue():pop() end,
        function() return task.spawn(task.sleep, 20):join() end,
        function() return task.all({ function() task.sleep(60000) end }) end,
        function() return task.race({ function() task.sleep(60000) end }) end,
        function() return task.timeout(60000, task.sleep, 60000) end,
      }
      for i, wait in ipairs(waits) do
        local t = task.spawn(wait)
        task.sleep(1)
        t:cancel()
        local ok, v, e = t:join()
        assert.is_true(ok, i)
        assert.is_nil(v, i)
        assert.equal("cancelled", e.code, i)
      end
    end)
  end)
end)

describe("event", function()
  it("hands its value to the first waiter only", function()
    task.run(function()
      local e, got = task.event(), {}
      for i = 1, 2 do
        task.spawn(function() got[i] = { e:wait() } end)
      end
      task.yield()
      e:set("a")
      task.yield()
      assert.same({ { true, "a" } }, got)
      e:set()
      task.yield()
      assert.same({ true }, got[2])
    end)
  end)

  it("remembers one set and times out", function()
    task.run(function()
      local e = task.event()
      e:set("x")
      e:set("y")
      assert.same({ true, "y" }, { e:wait() })
      local ok, err = e:wait(2)
      assert.is_nil(ok)
      assert.equal("timeout", err.code)
      e:set(false)
      assert.same({ true, false }, { e:wait(1000) })
    end)
  end)
end)

describe("queue", function()
  it("keeps order and count", function()
    task.run(function()
      local q = task.queue()
      for round = 1, 3 do
        for i = 1, 50 do q:push(i * round) end
        assert.equal(50, #q)
        for i = 1, 50 do assert.equal(i * round, q:pop()) end
        assert.equal(0, #q)
      end
      assert.has_error(function() q:push(nil) end)
      q:push(false)
      assert.is_false(q:pop())
      local v, e = q:pop(1, "io")
      assert.is_nil(v)
      assert.equal("timeout", e.code)
    end)
  end)

  it("serves waiters in their order", function()
    task.run(function()
      local q, got = task.queue(), {}
      for i = 1, 3 do
        task.spawn(function() got[i] = q:pop() end)
      end
      task.yield()
      q:push("a") q:push("b") q:push("c") q:push("d")
      task.yield()
      assert.same({ "a", "b", "c" }, got)
      assert.equal(1, #q)
    end)
  end)
end)

describe("task.all", function()
  it("keeps the order, catches errors, respects the limit", function()
    task.run(function()
      local running, most, fns = 0, 0, {}
      for i = 1, 20 do
        fns[i] = function()
          running = running + 1
          most = math.max(most, running)
          task.sleep(i % 3)
          running = running - 1
          if i == 5 then error("five", 0) end
          return i, nil
        end
      end
      local r = task.all(fns, 4)
      assert.equal(4, most)
      assert.equal(20, #r)
      assert.same({ ok = true, n = 2, 7 }, r[7])
      assert.is_false(r[5].ok)
      assert.equal("five", r[5].err.message)
      assert.same({}, task.all({}))
      assert.has_error(function() task.all({ 1 }) end)
      assert.has_error(function() task.all({}, 0) end)
    end)
  end)

  it("cancelling the caller cancels the children and waits for them", function()
    task.run(function()
      local ended, started = 0, 0
      local function child()
        started = started + 1
        local ok, e = task.sleep(60000)
        task.sleep(1) -- cleaning up
        ended = ended + 1
        return ok, e
      end
      local t = task.spawn(function() return task.all({ child, child, child }, 2) end)
      task.sleep(1)
      t:cancel()
      local _, r, e = t:join()
      assert.is_nil(r)
      assert.equal("cancelled", e.code)
      assert.same({ 2, 2 }, { started, ended })
      assert.equal(1, task.count())
    end)
  end)
end)

describe("task.race and task.timeout", function()
  it("race gives the first and ends the others", function()
    task.run(function()
      local other
      assert.same({ 2, "b", "c" }, { task.race({
        function() other = select(2, task.sleep(60000)).code end,
        function() task.sleep(1) return "b", "c" end,
      }) })
      assert.equal("cancelled", other)
      local i, v, e = task.race({ function() error("bad", 0) end })
      assert.equal(1, i)
      assert.is_nil(v)
      assert.equal("bad", e.message)
      assert.has_error(function() task.race({}) end)
    end)
  end)

  it("timeout passes results and errors, and ends what is late", function()
    task.run(function()
      assert.same({ n = 3, 1, nil, nil }, table.pack(task.timeout(1000, function(...) return ... end, 1, nil, nil)))
      local v, e = task.timeout(2, task.sleep, 60000)
      assert.is_nil(v)
      assert.equal("timeout", e.code)
      local ok, err = pcall(task.timeout, 1000, function() error("inner", 0) end)
      assert.is_false(ok)
      assert.equal("inner", err.message)
      assert.equal(1, task.count())
    end)
  end)
end)

describe("shared", function()
  it("runs once for all who call while it runs, whoever is cancelled", function()
    task.run(function()
      local owner, runs, go = {}, 0, task.event()
      local function work(...)
        runs = runs + 1
        go:wait()
        return runs, ...
      end
      local function call() return task.shared(owner, "work", work, nil, "x") end
      local first, second = task.spawn(call), task.spawn(call)
      task.settled()
      first:cancel()
      first:join()
      local third = task.spawn(call)
      task.settled()
      go:set()
      assert.same({ n = 5, true, true, 1, nil, "x" }, table.pack(second:join()))
      assert.same({ n = 5, true, true, 1, nil, "x" }, table.pack(third:join()))
      assert.is_nil(owner.work)
      assert.equal(1, runs)
    end)
  end)

  it("begins anew after an error and after a cancelling that came before its start", function()
    task.run(function()
      local owner = {}
      local ok, err = task.shared(owner, "work", function() error("broken", 0) end)
      assert.is_falsy(ok)
      assert.matches("broken", tostring(err))
      assert.is_nil(owner.work)
      local waits = task.spawn(function() return task.shared(owner, "work", error) end)
      task.yield()
      task.finish(owner, "work")
      waits:join()
      task.finish(owner, "nothing")
      assert.same({ n = 2, true, 5 }, table.pack(task.shared(owner, "work", function() return 5 end)))
    end)
  end)
end)

describe("settled", function()
  it("waits until no other task is ready", function()
    task.run(function()
      local steps = 0
      task.spawn(function()
        for _ = 1, 5000 do steps = steps + 1 task.yield() end
      end)
      assert.is_true(task.settled())
      assert.equal(5000, steps)
      assert.is_true(task.settled())
    end)
  end)
end)

describe("many tasks", function()
  it("all run", function()
    local n = 0
    task.run(function()
      for _ = 1, 5000 do
        task.spawn(function() task.yield() n = n + 1 end)
      end
      task.settled()
      assert.equal(1, task.count())
    end)
    assert.equal(5000, n)
  end)
end)
