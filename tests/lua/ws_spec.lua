-- SPDX-License-Identifier: MIT
local task = require("perigee.task")
local http = require("perigee.http")
local httpd = require("perigee.httpd")
local ws = require("perigee.ws")
local log = require("perigee.log")

local function serving(events, fn)
  task.run(function()
    local server <close> = assert(httpd.listen({ handler = function() return 404 end, ws = events }))
    fn("ws://" .. server:address(), server)
  end)
end

describe("ws", function()
  it("echoes in order, and loses nothing that was sent before the end", function()
    serving({
      opened = function(conn, path) conn:data({ path = path }) return true end,
      message = function(conn, text)
        conn:send(conn:data().path .. text)
        if text == "9" then conn:close() end
      end,
    }, function(base)
      local c = assert(ws.connect(base .. "/a?b"))
      for i = 1, 9 do assert.is_true(c:send(tostring(i))) end
      task.sleep(30) -- all is in the inbox, the end too
      for i = 1, 9 do assert.equal("/a?b" .. i, c:recv()) end
      for _ = 1, 2 do
        local text, e = c:recv(1000)
        assert.is_nil(text)
        assert.equal("closed", e.code)
      end
      local ok, e = c:send("x")
      assert.is_nil(ok)
      assert.equal("closed", e.code)
      c:close()
      c:close()
    end)
  end)

  it("tells the server of the end, after the messages", function()
    local got, ended = {}, task.event()
    serving({
      message = function(_, text) got[#got + 1] = text end,
      closed = function() got[#got + 1] = "closed" ended:set() end,
    }, function(base)
      do
        local c <close> = assert(ws.connect(base .. "/"))
        c:send("a")
        c:send("b\0c")
      end
      assert.is_true(ended:wait(5000))
      assert.same({ "a", "b\0c", "closed" }, got)
    end)
  end)

  it("carries a tag from the check of the handshake to the open socket", function()
    serving({
      check = function(req)
        if req:path() == "/no" then return 401 end
        if req:path() == "/plain" then return end
        return nil, "operator 7 of " .. req:query()
      end,
      opened = function(conn, _, tag) conn:data(tag) return true end,
      message = function(conn) conn:send("<" .. conn:data() .. ">") end,
    }, function(base)
      for path, expected in pairs({ ["/a?b=1"] = "<operator 7 of b=1>", ["/plain"] = "<>" }) do
        local c <close> = assert(ws.connect(base .. path))
        c:send("?")
        assert.equal(expected, c:recv(5000))
      end
      assert.is_nil((ws.connect(base .. "/no")))
    end)
  end)

  it("refuses by opened, and by an error in it", function()
    serving({
      opened = function(_, path)
        if path == "/boom" then error("expected in the test's log") end
        return path == "/yes"
      end,
    }, function(base)
      assert.is_table(getmetatable(assert(ws.connect(base .. "/yes"))))
      local before = log.count("error")
      for _, path in ipairs({ "/no", "/boom" }) do
        local c, e = ws.connect(base .. path)
        if c then
          local text
          text, e = c:recv(5000)
          assert.is_nil(text)
        end
        assert.is_true(e.code == "closed" or e.code == "unreachable")
      end
      assert.equal(before + 1, log.count("error"))
    end)
  end)

  it("asks check about each handshake", function()
    local asked
    serving({
      check = function(req)
        asked = { req:path(), req:header("host") ~= nil }
        if req:query() == "token=right" then return nil end
        return 401
      end,
    }, function(base)
      local c <close> = assert(ws.connect(base .. "/x?token=right"))
      assert.same({ "/x", true }, asked)
      assert.is_true(c:send("."))
      local none, e = ws.connect(base .. "/x?token=wrong")
      assert.is_nil(none)
      assert.equal("unreachable", e.code)
      local r = assert(http.request({ url = (base:gsub("^ws", "http")), headers = {
        { "Connection", "Upgrade" }, { "Upgrade", "websocket" }, { "Sec-WebSocket-Version", "13" },
        { "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==" } } }))
      assert.equal(401, r.status)
    end)
  end)

  it("recv times out, is cancelled, has one reader", function()
    serving({}, function(base)
      local c <close> = assert(ws.connect(base .. "/"))
      local text, e = c:recv(5)
      assert.is_nil(text)
      assert.equal("timeout", e.code)
      local t = task.spawn(function() return c:recv() end)
      task.yield()
      assert.has_error(function() c:recv() end, "recv: another task reads from this connection")
      t:cancel()
      local ok, v, err = t:join()
      assert.is_true(ok)
      assert.is_nil(v)
      assert.equal("cancelled", err.code)
      text, e = c:recv(1)
      assert.is_nil(text)
      assert.equal("timeout", e.code)
    end)
  end)

  it("closing the server ends its connections", function()
    serving({ message = function() end }, function(base, server)
      local c = assert(ws.connect(base .. "/"))
      server:close()
      local text, e = c:recv(5000)
      assert.is_nil(text)
      assert.equal("closed", e.code)
    end)
  end)

  it("a callback may close the server, even in opened", function()
    local server
    task.run(function()
      server = assert(httpd.listen({
        handler = function() return 200 end,
        ws = { opened = function() server:close() return true end },
      }))
      local c = ws.connect("ws://" .. server:address() .. "/")
      if c then
        assert.is_nil((c:recv(5000)))
      end
      assert.is_nil(server:port())
    end)
  end)

  it("errors in callbacks are logged and end nothing", function()
    serving({
      message = function(conn, text)
        if text == "bad" then error("expected in the test's log") end
        conn:send("ok")
      end,
    }, function(base)
      local c <close> = assert(ws.connect(base .. "/"))
      local before = log.count("error")
      c:send("bad")
      c:send("good")
      assert.equal("ok", c:recv(5000))
      assert.equal(before + 1, log.count("error"))
    end)
  end)

  it("bad addresses", function()
    task.run(function()
      local c, e = ws.connect("nonsense")
      assert.is_nil(c)
      assert.equal("input", e.code)
      c, e = ws.connect("ws://127.0.0.1:1/")
      assert.is_nil(c)
      assert.equal("unreachable", e.code)
    end)
    assert.has_error(function() ws.connect("ws://127.0.0.1:1/") end)
  end)

  it("ping-pong", function()
    serving({ message = function(conn, text) conn:send(text) end }, function(base)
      local c <close> = assert(ws.connect(base .. "/"))
      for i = 1, 2000 do
        c:send(tostring(i))
        assert.equal(tostring(i), c:recv())
      end
      assert.equal(0, c:pending())
    end)
  end)
end)
