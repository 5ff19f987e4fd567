-- SPDX-License-Identifier: MIT
local task = require("perigee.task")
local http = require("perigee.http")
local httpd = require("perigee.httpd")
local log = require("perigee.log")

-- Runs fn(base url, server) in a task, with a server of these options.
local function serving(options, fn)
  task.run(function()
    local server <close> = assert(httpd.listen(options))
    fn("http://" .. server:address(), server)
  end)
end

describe("httpd and http", function()
  it("carry methods, paths, headers and bodies", function()
    local seen
    serving({
      handler = function(req)
        seen = {
          req:method(), req:path(), req:query(), req:header("x-in"), req:body(), req:peer(), req:gone(),
          req:header("none"),
        }
        return 201, { { "Set-Cookie", "a=1" }, { "Set-Cookie", "b=2" } }, "out\0put"
      end,
    }, function(base)
      local r = assert(http.request({
        method = "POST", url = base .. "/p/q?x=1", body = "in\0put", headers = { { "X-In", "yes" } },
      }))
      assert.same({ "POST", "/p/q", "x=1", "yes", "in\0put", "127.0.0.1", false }, seen)
      assert.equal(201, r.status)
      assert.equal("out\0put", r.body)
      assert.same({ "a=1", "b=2" }, { r:header("set-cookie"), r:header("Set-Cookie", 2) })
      assert.is_nil(r:header("set-cookie", 3))
      local cookies = {}
      for _, h in ipairs(r:headers()) do
        if h[1]:lower() == "set-cookie" then cookies[#cookies + 1] = h[2] end
      end
      assert.same({ "a=1", "b=2" }, cookies)
      assert.is_true(r.elapsed_us >= 0 and r.begun_io_ns > 0 and r.begun_market_ms > 0)
    end)
  end)

  it("handlers wait side by side", function()
    local inside, most = 0, 0
    serving({
      handler = function()
        inside = inside + 1
        most = math.max(most, inside)
        task.sleep(20)
        inside = inside - 1
        return 204
      end,
    }, function(base)
      local fns = {}
      for i = 1, 8 do fns[i] = function() return http.request({ url = base }) end end
      for _, r in ipairs(task.all(fns)) do assert.equal(204, r[1].status) end
      assert.is_true(most > 1)
    end)
  end)

  it("answer 500 and log when a handler fails or gives nonsense", function()
    local bad = {
      function() error("expected in the test's log") end,
      function() task.sleep(1) error({}) end,
      function() end,
      function() return "x" end,
      function() return 99 end,
      function() return 200, "no table" end,
      function() return 200, { { "a" } } end,
      function() return 200, nil, {} end,
    }
    local nth = 0
    serving({ handler = function(req) nth = nth + 1 return bad[nth](req) end }, function(base)
      local before = log.count("error")
      for i = 1, #bad do
        assert.equal(500, assert(http.request({ url = base })).status, i)
      end
      assert.equal(before + #bad, log.count("error"))
    end)
  end)

  it("break off an answer", function()
    serving({
      handler = function(req)
        req:break_off({ status = 200, body = "half", sent = 20, reset = req:query() == "r" })
      end,
    }, function(base)
      for _, q in ipairs({ "", "?r" }) do
        local r, e = http.request({ method = "POST", url = base .. "/" .. q })
        assert.is_nil(r)
        assert.equal("closed", e.code)
        assert.equal("reconcile", e.retry)
      end
    end)
  end)

  it("break off in the middle of a body", function()
    serving({
      handler = function(req)
        req:break_off({ status = 200, headers = { { "Content-Type", "text/plain" } }, body = "half", body_sent = 2,
          reset = req:query() == "r" })
        return 200, nil, "too late"
      end,
    }, function(base)
      for _, q in ipairs({ "", "?r" }) do
        local r, e = http.request({ method = "POST", url = base .. "/" .. q })
        assert.is_nil(r)
        assert.equal("closed", e.code)
      end
    end)
  end)

  it("tell how many requests a connection had before, and let a handler's Date go", function()
    local nth = {}
    serving({
      handler = function(req)
        nth[#nth + 1] = req:nth()
        return 200, { { "Date", "Thu, 01 Jan 1970 00:00:00 GMT" } }, ""
      end,
    }, function(base)
      for _ = 1, 3 do
        local r = assert(http.request({ url = base }))
        assert.equal("Thu, 01 Jan 1970 00:00:00 GMT", r:header("date"))
        assert.is_nil(r:header("date", 2))
      end
      assert.same({ 0, 1, 2 }, nth)
    end)
  end)

  it("close what is idle, for as long as they are told to", function()
    local nth
    serving({ handler = function(req) nth = req:nth() return 200, nil, "" end }, function(base, server)
      local function ask_after(ms)
        task.sleep(ms, "io")
        assert(http.request({ url = base }))
        return nth
      end
      ask_after(0)
      assert.equal(1, ask_after(0))
      server:idle(20)
      assert.equal(0, ask_after(200))
      server:idle(0)
      assert.equal(1, ask_after(200))
      assert.has_error(function() server:idle(-1) end)
    end)
  end)

  it("notice a client that went away", function()
    local gone = task.event()
    serving({
      handler = function(req)
        for _ = 1, 500 do
          if req:gone() then gone:set(true) return 200 end
          task.sleep(2)
        end
        gone:set(false)
        return 200
      end,
    }, function(base)
      local r, e = http.request({ url = base, timeout_ms = 30 })
      assert.is_nil(r)
      assert.equal("timeout", e.code)
      assert.equal("safe", e.retry)
      assert.same({ true, true }, { gone:wait(5000) })
    end)
  end)

  it("cancelling a request ends it", function()
    serving({ handler = function() task.sleep(50) return 200 end }, function(base)
      local t = task.spawn(http.request, { url = base })
      task.sleep(5)
      t:cancel()
      local ok, r, e = t:join()
      assert.is_true(ok)
      assert.is_nil(r)
      assert.equal("cancelled", e.code)
      r, e = task.timeout(5, http.request, { url = base })
      assert.is_nil(r)
      assert.equal("timeout", e.code)
    end)
  end)

  it("closing a server with waiting handlers answers 503", function()
    task.run(function()
      local server = assert(httpd.listen({ handler = function() task.sleep(30) return 200 end }))
      local base = "http://" .. server:address()
      local t = task.spawn(http.request, { url = base })
      task.sleep(10)
      server:close()
      server:close()
      assert.is_nil(server:address())
      assert.is_nil(server:port())
      local _, r = t:join()
      assert.equal(503, r and r.status)
      local again, e = http.request({ url = base })
      assert.is_nil(again)
      assert.equal("unreachable", e.code)
      task.sleep(40) -- the handler ends too
    end)
  end)

  it("tells its own refusals as the server wants them", function()
    serving({ handler = function() return 200 end, max_body = 10,
      refused = function(status, reason) return ("[%d %s]"):format(status, reason) end }, function(base)
      local answer = assert(http.request({ method = "POST", url = base, body = ("x"):rep(11) }))
      assert.equal(413, answer.status)
      assert.equal("application/problem+json", answer:header("content-type"))
      assert.matches("^%[413 .+%]$", answer.body)
    end)
    serving({ handler = function() return 200 end, max_body = 10,
      refused = function() error("expected in the test's log") end }, function(base)
      local answer = assert(http.request({ method = "POST", url = base, body = ("x"):rep(11) }))
      assert.equal(413, answer.status)
      assert.equal("text/plain", answer:header("content-type"))
    end)
    assert.has_error(function() httpd.listen({ handler = print, refused = 1 }) end)
  end)

  it("limits and bad use", function()
    serving({ handler = function() return 200 end, max_body = 10 }, function(base, server)
      assert.equal(413, assert(http.request({ method = "POST", url = base, body = ("x"):rep(11) })).status)
      local other, e = httpd.listen({ handler = print, port = server:port() })
      assert.is_nil(other)
      assert.equal("unreachable", e.code)
      assert.equal(426, assert(http.request({ url = base, headers = {
        { "Connection", "Upgrade" }, { "Upgrade", "websocket" }, { "Sec-WebSocket-Version", "13" },
        { "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==" } } })).status)
      local r, bad = http.request({ url = "nonsense" })
      assert.is_nil(r)
      assert.is_string(bad.code)
      assert.has_error(function() http.request({}) end)
      assert.has_error(function() http.request({ url = base, body = 1 }) end)
      assert.has_error(function() http.request({ url = base, headers = { "x" } }) end)
      assert.has_error(function() http.request({ url = base, timeout = 1 }) end)
      assert.has_error(function() httpd.listen({}) end)
      assert.has_error(function() httpd.listen({ handler = print, port = 70000 }) end)
    end)
    assert.has_error(function() http.request({ url = "http://127.0.0.1:1/" }) end)
  end)

  it("many requests one after the other", function()
    serving({ handler = function(req) return 200, nil, req:path() end }, function(base)
      for i = 1, 300 do
        assert.equal("/" .. i, assert(http.request({ url = base .. "/" .. i })).body)
      end
    end)
  end)
end)
