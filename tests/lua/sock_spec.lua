-- SPDX-License-Identifier: MIT
local task = require("perigee.task")
local sock = require("perigee.sock")
local rng = require("perigee.rng")

local path = "/tmp/perigee-sock-" .. rng.token(6)

local function serving(options, fn)
  options.path = path
  task.run(function()
    local server <close> = assert(sock.listen(options))
    fn(server)
  end)
end

describe("sock", function()
  it("echoes typed frames in order", function()
    serving({
      frame = function(conn, type, payload) assert(conn:send(255 - type, payload)) end,
    }, function()
      local c <close> = assert(sock.connect(path))
      for i = 0, 255 do assert.is_true(c:send(i, ("x"):rep(i))) end
      for i = 0, 255 do
        local type, payload = c:recv(5000)
        assert.equal(255 - i, type)
        assert.equal(i, #payload)
      end
    end)
  end)

  it("tells opened, frames and the end in order", function()
    local seen, ended = {}, task.event()
    serving({
      opened = function(conn) conn:data("mine") seen[#seen + 1] = "opened" end,
      frame = function(conn, type, payload) seen[#seen + 1] = conn:data() .. type .. payload end,
      closed = function() seen[#seen + 1] = "closed" ended:set() end,
    }, function()
      local c = assert(sock.connect(path))
      c:send(1, "a")
      c:send(2, "")
      c:close()
      c:close()
      assert.is_true(ended:wait(5000))
      assert.same({ "opened", "mine1a", "mine2", "closed" }, seen)
    end)
  end)

  it("what was queued is read before the end", function()
    serving({
      opened = function(conn)
        for i = 1, 5 do conn:send(i, "p") end
        conn:close()
      end,
    }, function()
      local c = assert(sock.connect(path))
      task.sleep(20)
      for i = 1, 5 do assert.equal(i, (c:recv(5000))) end
      local type, e = c:recv(5000)
      assert.is_nil(type)
      assert.equal("closed", e.code)
    end)
  end)

  it("times out and is cancelled", function()
    serving({}, function()
      local c <close> = assert(sock.connect(path))
      local type, e = c:recv(3)
      assert.is_nil(type)
      assert.equal("timeout", e.code)
      local t = task.spawn(function() return c:recv() end)
      task.yield()
      t:cancel()
      local _, v, err = t:join()
      assert.is_nil(v)
      assert.equal("cancelled", err.code)
    end)
  end)

  it("closing the server ends its connections", function()
    serving({}, function(server)
      local c = assert(sock.connect(path))
      task.sleep(5)
      server:close()
      local type, e = c:recv(5000)
      assert.is_nil(type)
      assert.equal("closed", e.code)
    end)
  end)

  it("bad use and bad paths", function()
    task.run(function()
      local c, e = sock.connect(path .. "-none")
      assert.is_nil(c)
      assert.equal("unreachable", e.code)
      c, e = sock.connect(("x"):rep(200))
      assert.is_nil(c)
      assert.equal("input", e.code)
    end)
    serving({}, function()
      local second, e = sock.listen({ path = path })
      assert.is_nil(second)
      assert.equal("exists", e.code)
      local c <close> = assert(sock.connect(path))
      assert.has_error(function() c:send(256, "x") end)
      assert.has_error(function() c:send(1, nil) end)
      assert.has_error(function() sock.listen({ path = path, fram = print }) end)
      assert.has_error(function() sock.listen({ path = path, frame = 1 }) end)
    end)
  end)
end)
