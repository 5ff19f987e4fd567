-- SPDX-License-Identifier: MIT
-- The office's end of engine.sock against a socket that plays the engine.
local event = require "perigee.event"
local json = require "perigee.json"
local link = require "perigee.server.link"
local rng = require "perigee.rng"
local sock = require "perigee.sock"
local task = require "perigee.task"

local SUBSCRIBE, EVENT, COMMAND, REPLY, STATE = 1, 2, 3, 4, 5

-- An engine that answers commands by `answers[name](args)`; subscriptions are kept in `from`.
local function engine(path, answers)
  local e = { from = {}, conns = {}, commands = {} }
  e.server = assert(sock.listen { path = path, opened = function(conn) e.conns[#e.conns + 1] = conn end,
    frame = function(conn, kind, payload)
      if kind == SUBSCRIBE then
        e.from[#e.from + 1] = ("<I8"):unpack(payload)
        return
      end
      assert.equal(COMMAND, kind)
      local command = json.decode(payload)
      e.commands[#e.commands + 1] = command
      local reply = answers[command.name] and answers[command.name](command, conn)
      if reply then
        reply.id = command.id
        conn:send(REPLY, json.encode(reply))
      end
    end })
  return e
end

local function wait_until(fn)
  for _ = 1, 2000 do
    if fn() then return true end
    task.sleep(5, "io")
  end
  error("it did not come", 2)
end

describe("the link", function()
  local path, l, runner

  before_each(function() path = "/tmp/perigee-link-" .. rng.token(6) end)

  local function start(options)
    options.path = path
    options.told = options.told or function() end
    options.event = options.event or function() end
    options.connected = options.connected or function() return 1 end
    l = link.new(options)
    runner = task.spawn(function() l:run() end)
  end

  local function finish(e)
    l:stop()
    runner:cancel()
    runner:join()
    if e then e.server:close() end
  end

  it("asks, and gets the answer that belongs to the question", function()
    task.run(function()
      local late
      local e = engine(path, { ping = function() return { ok = true, result = "pong" } end,
        echo = function(c) return { ok = true, result = { n = c.args.n, who = c.who } } end,
        no = function() return { ok = false, code = "state", error = "not now" } end,
        null = function() return { ok = true } end, slow = function(c, conn) late = { c, conn } end })
      start {}
      wait_until(function() return l.state == "connected" end)
      assert.equal("pong", l:command("ping"))
      local fns = {}
      for i = 1, 50 do fns[i] = function() return l:command("echo", { n = i }, "me") end end
      for i, r in ipairs(task.all(fns)) do assert.same({ n = i, who = "me" }, r[1]) end
      local result, err = l:command("no")
      assert.same({ nil, "state", "not now" }, { result, err.code, err.message })
      assert.is_true(l:command("null"))
      result, err = l:command("slow", {}, nil, 20)
      assert.same({ nil, "unavailable", "reconcile" }, { result, err.code, err.retry })
      late[2]:send(REPLY, json.encode { id = late[1].id, ok = true }) -- too late: nobody is confused by it
      assert.equal("pong", l:command("ping"))
      finish(e)
    end)
  end)

  it("hands over events and states", function()
    task.run(function()
      local got, told = {}, {}
      local e = engine(path, {})
      start { event = function(ev) got[#got + 1] = ev.text end, told = function(frame) told[#told + 1] = frame.kind end,
        connected = function() return 42 end }
      wait_until(function() return e.from[1] end)
      assert.equal(42, e.from[1])
      local frame = event.encode { kind = "notice", seq = 42, market_ms = 1, wall_us = 1, level = "info",
        component = "c", text = "hello" }
      e.conns[1]:send(EVENT, frame)
      e.conns[1]:send(EVENT, "nonsense")
      e.conns[1]:send(STATE, '{"kind":"health"}')
      e.conns[1]:send(STATE, "{")
      e.conns[1]:send(99, "a kind of a later engine")
      e.conns[1]:send(EVENT, frame)
      wait_until(function() return #got == 2 end)
      assert.same({ "hello", "hello" }, got)
      assert.same({ "health" }, told)
      finish(e)
    end)
  end)

  it("takes an answer over before the events that came after it", function()
    task.run(function()
      local order = {}
      local e = engine(path, { rows = function(c, conn)
        local function tell(seq)
          local text = tostring(seq)
          conn:send(EVENT, event.encode { kind = "notice", seq = seq, market_ms = 1, wall_us = 1, text = text })
        end
        tell(1)
        conn:send(REPLY, json.encode { id = c.id, ok = true, result = "rows" })
        tell(2)
      end })
      start { event = function(ev) order[#order + 1] = ev.text end }
      wait_until(function() return e.from[1] end)
      assert.equal("rows", l:command("rows", nil, nil, nil, function(result) order[#order + 1] = result end))
      wait_until(function() return #order == 3 end)
      assert.same({ "1", "rows", "2" }, order)
      finish(e)
    end)
  end)

  it("connects again and again, and tells those who wait that the connection broke", function()
    task.run(function()
      local states, from = {}, 1
      start { changed = function(s) states[#states + 1] = s end, connected = function()
        from = from + 10
        return from
      end }
      local result, err = l:command("ping")
      assert.same({ nil, "unavailable", "safe" }, { result, err.code, err.retry })
      task.sleep(20, "io")
      local e = engine(path, { hang = function(_, conn) conn:close() end })
      wait_until(function() return l.state == "connected" end)
      result, err = l:command("hang")
      assert.same({ nil, "unavailable", "reconcile" }, { result, err.code, err.retry })
      assert.truthy(err.message:find("connection to the engine broke", 1, true)) -- at once, not after the time-out
      wait_until(function() return #e.from == 2 end)
      assert.same({ 11, 21 }, e.from)
      e.server:close()
      wait_until(function() return l.state == "away" end)
      e = engine(path, { ping = function() return { ok = true, result = 1 } end })
      wait_until(function() return l.state == "connected" end)
      assert.equal(1, l:command("ping"))
      assert.same({ "connected", "away", "connected", "away", "connected" }, states)
      finish(e)
    end)
  end)

  it("does not subscribe while its beginning fails, and waits until it is wanted", function()
    task.run(function()
      local ready, tries = false, 0
      local e = engine(path, {})
      start { ready = function()
        while not ready do
          if not task.sleep(5, "io") then return nil, { code = "cancelled" } end
        end
        return true
      end, connected = function()
        tries = tries + 1
        if tries < 3 then return nil, { code = "unavailable", message = "not yet" } end
        return 5
      end }
      task.sleep(30, "io")
      assert.equal(0, #e.conns)
      ready = true
      wait_until(function() return e.from[1] end)
      assert.equal(3, tries)
      assert.equal(1, #e.from)
      finish(e)
    end)
  end)

  it("begins anew when a handler of events fails", function()
    task.run(function()
      local e = engine(path, {})
      local count = 0
      start { event = function()
        count = count + 1
        if count == 1 then error("expected in the test's log") end
      end }
      wait_until(function() return e.from[1] end)
      local frame = event.encode { kind = "notice", seq = 1, market_ms = 1, wall_us = 1, text = "x" }
      e.conns[1]:send(EVENT, frame)
      wait_until(function() return e.from[2] end)
      e.conns[2]:send(EVENT, frame)
      wait_until(function() return count == 2 end)
      finish(e)
    end)
  end)

  it("gives nothing more of a connection that it has dropped", function()
    task.run(function()
      local e = engine(path, {})
      local seen = {}
      start { event = function(got)
        seen[#seen + 1] = got.seq
        if #seen == 1 then l:reconnect() end
      end }
      wait_until(function() return e.from[1] end)
      for seq = 1, 3 do
        e.conns[1]:send(EVENT, event.encode { kind = "notice", seq = seq, market_ms = 1, wall_us = 1, text = "x" })
      end
      wait_until(function() return e.from[2] end)
      e.conns[2]:send(EVENT, event.encode { kind = "notice", seq = 9, market_ms = 1, wall_us = 1, text = "x" })
      wait_until(function() return seen[#seen] == 9 end)
      assert.same({ 1, 9 }, seen)
      finish(e)
    end)
  end)
end)
