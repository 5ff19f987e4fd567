-- SPDX-License-Identifier: MIT
-- A broker session against scripted answers: which tokens it sends where, how it renews, what it never shows.

local json = require "perigee.json"
local task = require "perigee.task"

local SYSTEM = "7d6a1f04-93c2-4e58-8b1a-64d0f3b7c215"
local names = { "perigee.session", "perigee.http", "perigee.exec", "perigee.event", "perigee.clock", "perigee.log" }

describe("a broker session", function()
  local kept, script, requests, lanes, events, masked, now, session, s

  -- The answer as perigee.http gives it.
  local function answer(status, body, headers)
    local r = { status = status, body = body or "" }
    function r:header(name, nth)
      nth = nth or 1
      assert(self == r and nth >= 1, "counted from 1")
      for _, pair in ipairs(headers or {}) do
        if pair[1]:lower() == name:lower() then
          nth = nth - 1
          if nth == 0 then return pair[2] end
        end
      end
    end
    return r
  end

  local function cookies(...)
    local headers = {}
    for i, line in ipairs({ ... }) do headers[i] = { "Set-Cookie", line } end
    return headers
  end

  local function accounts(api)
    return { { tradingAccountId = "1", tradingApiToken = api or "api-token-1",
      tradingAccountToken = { token = "own-token-1" }, offer = { currency = "USD", leverage = 100, demo = true,
        system = { uuid = SYSTEM } } } }
  end

  local function login_body(token, api)
    return json.encode { token = token, accounts = accounts(api) }
  end

  before_each(function()
    kept, requests, lanes, events, masked, now = {}, {}, {}, {}, {}, 1000000000
    for _, name in ipairs(names) do kept[name] = package.loaded[name] or false end
    local real_clock = require "perigee.clock"
    script = {}
    package.loaded["perigee.session"] = nil
    package.loaded["perigee.http"] = { request = function(r)
      local headers = {}
      for _, pair in ipairs(r.headers) do headers[pair[1]:lower()] = pair[2] end
      local path = r.url:match("^http://broker(/.*)$")
      requests[#requests + 1] = { method = r.method, path = path, headers = headers, body = r.body }
      local next_answer = script[path]
      if type(next_answer) == "function" then next_answer = next_answer(#requests) end
      if type(next_answer) == "table" and next_answer.code then return nil, next_answer end
      return assert(next_answer, "no answer for " .. tostring(path))
    end }
    package.loaded["perigee.exec"] = { session = function(id, options) lanes[id] = options end }
    package.loaded["perigee.event"] = { emit = function(kind, fields)
      fields.kind = kind
      events[#events + 1] = fields
    end }
    package.loaded["perigee.clock"] = setmetatable({ market_ms = function() return now end }, { __index = real_clock })
    package.loaded["perigee.log"] = setmetatable({ mask = function(text) masked[text] = true end },
      { __index = kept["perigee.log"] or nil })
    session = require "perigee.session"
    script["/manager/platform-details"] = answer(200, '{"partnerId":17}')
    script["/manager/mtr-login"] = answer(200, login_body("session-token-1"),
      cookies("co-auth=session-token-1; Path=/; HttpOnly", "rt=renewer-1; Path=/manager; HttpOnly"))
    s = session.new { profile = require "perigee.venues.brokers".paper, origin = "http://broker",
      email = "a@b.c", password = "pass-word" }
  end)

  after_each(function()
    for name, module in pairs(kept) do package.loaded[name] = module or nil end
  end)

  local function run(fn, ...) return task.run(fn, ...) end
  local function login() return run(function() return s:login() end) end
  local function renew() return run(function() return s:renew() end) end
  local function last() return requests[#requests] end

  local function open()
    assert(login())
    s:activate()
  end

  it("asks for the broker's id once, and logs in with it", function()
    assert.is_true(login())
    assert.same({ "/manager/platform-details", "/manager/mtr-login" }, { requests[1].path, requests[2].path })
    assert.same({ email = "a@b.c", password = "pass-word", brokerId = "17" }, json.decode(requests[2].body))
    assert.equal("application/json", requests[2].headers.accept)
    assert.equal("application/json", requests[2].headers["content-type"])
    assert.matches("^perigee/", requests[2].headers["user-agent"])
    assert.is_nil(requests[2].headers["auth-trading-api"])
    login()
    assert.equal(3, #requests)
    assert.equal("1", s.accounts[1].id)
  end)

  it("sends the session's cookie everywhere and the renewal cookie to its path alone", function()
    open()
    script["/mtr-api/" .. SYSTEM .. "/balance"] = answer(200, "{}")
    run(function() return s:read(s.accounts[1], "GET", "/balance") end)
    assert.equal("co-auth=session-token-1", last().headers.cookie)
    assert.equal("api-token-1", last().headers["auth-trading-api"])
    assert.is_nil(last().body)
    script["/manager/refresh-token"] = answer(200, "", cookies("co-auth=session-token-2; Path=/"))
    assert.is_true(renew())
    assert.equal("co-auth=session-token-1; rt=renewer-1", last().headers.cookie)
    assert.is_nil(last().headers["auth-trading-api"])
    assert.equal("", last().body)
  end)

  it("hands the order lanes what each write needs, and no more", function()
    open()
    local lane = lanes["1"]
    assert.same({ "http://broker", "/mtr-api/" .. SYSTEM, "paper" }, { lane.origin, lane.prefix, lane.broker })
    assert.matches("Auth-trading-api: api-token-1\r\n", lane.headers, 1, true)
    assert.matches("Cookie: co-auth=session-token-1\r\n", lane.headers, 1, true)
    assert.matches("User-Agent: perigee/", lane.headers, 1, true)
    assert.not_matches("renewer", lane.headers, 1, true)
    assert.matches("\r\n$", lane.headers)
  end)

  it("takes the token from the cookie when the answer holds none", function()
    script["/manager/mtr-login"] = answer(200, json.encode { accounts = accounts() },
      cookies("co-auth=only-cookie; Path=/"))
    open()
    assert.matches("Cookie: co-auth=only-cookie\r\n", lanes["1"].headers, 1, true)
  end)

  it("makes the cookie from the token when the answer sets none", function()
    script["/manager/mtr-login"] = answer(200, login_body("only-body"))
    open()
    assert.matches("Cookie: co-auth=only-body\r\n", lanes["1"].headers, 1, true)
  end)

  it("hides every secret from the log", function()
    open()
    script["/manager/refresh-token"] = answer(200, "",
      cookies("co-auth=session-token-2; Path=/", "rt=renewer-2; Path=/manager"))
    renew()
    for _, secret in ipairs({ "pass-word", "session-token-1", "session-token-2", "renewer-1", "renewer-2",
      "api-token-1", "own-token-1" }) do
      assert.is_true(masked[secret], secret)
    end
    for _, e in ipairs(events) do
      for _, value in pairs(e) do
        for secret in pairs(masked) do assert.is_nil(tostring(value):find(secret, 1, true)) end
      end
    end
  end)

  it("lives as long as its token says, or a quarter of an hour", function()
    open()
    assert.equal(now + 15 * 60000, s.expires)
    script["/manager/refresh-token"] = answer(200, '{"token":"e30.eyJleHAiOjE3NTI1NzQ1MDB9.x"}')
    renew()
    assert.equal(1752574500000, s.expires)
  end)

  describe("is renewed by", function()
    before_each(open)

    local function token_now()
      return lanes["1"].headers:match("co%-auth=([^;\r]*)"), lanes["1"].headers:match("Auth%-trading%-api: ([^\r]*)")
    end

    it("an empty answer and a cookie: the api token stays", function()
      script["/manager/refresh-token"] = answer(200, "", cookies("co-auth=session-token-2; Path=/"))
      assert.is_true(renew())
      assert.same({ "session-token-2", "api-token-1" }, { token_now() })
      assert.equal("session_renewed", events[#events].kind)
      assert.equal("refresh", events[#events].how)
      assert.equal(now + 15 * 60000, s.expires)
    end)

    it("a token in the body", function()
      script["/manager/refresh-token"] = answer(200, '{"token":"session-token-3"}')
      assert.is_true(renew())
      assert.same({ "session-token-3", "api-token-1" }, { token_now() })
    end)

    it("a whole login", function()
      script["/manager/refresh-token"] = answer(200, login_body("session-token-4", "api-token-4"))
      assert.is_true(renew())
      assert.same({ "session-token-4", "api-token-4" }, { token_now() })
    end)

    it("a login, when the refresh is refused, lost, or brings nothing", function()
      for _, bad in ipairs({ answer(401), answer(429), answer(502, "<html>"),
        { code = "timeout", message = "no answer", source = "http" }, answer(200, "<html>hello</html>"),
        answer(200, "") }) do
        script["/manager/refresh-token"] = bad
        now = now + 3600 * 1000
        assert.is_true(renew())
        assert.equal("/manager/mtr-login", last().path)
        assert.equal("login", events[#events].how)
      end
    end)

    it("a refresh four times an hour; after that by a login", function()
      local refreshes = 0
      script["/manager/refresh-token"] = function()
        refreshes = refreshes + 1
        return answer(200, "", cookies("co-auth=session-token-r" .. refreshes .. "; Path=/"))
      end
      for _ = 1, 4 do
        renew()
        now = now + 10 * 60000
      end
      assert.equal(4, refreshes)
      renew()
      assert.equal(4, refreshes)
      assert.equal("/manager/mtr-login", last().path)
      now = now + 20 * 60000 -- an hour after the first
      renew()
      assert.equal(5, refreshes)
    end)

    it("nothing when the login fails, too: the session is closed and says why", function()
      script["/manager/refresh-token"] = answer(401)
      script["/manager/mtr-login"] = answer(401, '{"errorMessage":"pass-word is wrong"}')
      local ok, err = renew()
      assert.is_nil(ok)
      assert.equal("credentials", err.code)
      assert.is_false(s.open)
      local kinds = {}
      for _, e in ipairs(events) do kinds[e.kind] = e end
      assert.equal("credentials", kinds.session_failed.code)
      assert.is_nil(kinds.session_renewed)
    end)
  end)

  describe("is not opened by", function()
    local function refused(code, reply)
      script["/manager/mtr-login"] = reply
      local ok, err = login()
      assert.is_nil(ok)
      assert.equal(code, err.code)
      assert.equal("session_failed", events[#events].kind)
      assert.is_false(s.open)
    end

    it("a wrong password", function() refused("credentials", answer(401)) end)
    it("a page of the edge", function()
      refused("edge_block", answer(403, "<html>", { { "cf-mitigated", "challenge" } }))
    end)
    it("a failing server", function() refused("status_502", answer(502, "<html>")) end)
    it("something that is no JSON", function() refused("unreadable", answer(200, "<html>")) end)
    it("an account without a token", function()
      refused("unreadable", answer(200, '{"token":"t-oken","accounts":[{"tradingAccountId":"1"}]}'))
    end)
    it("a login that lacks the wanted account", function()
      s.wanted = { "2" }
      refused("account", answer(200, login_body("session-token-1")))
    end)
  end)

  describe("reads", function()
    local PATH = "/mtr-api/" .. SYSTEM .. "/open-positions"
    before_each(open)
    local function read() return run(function() return s:read(s.accounts[1], "GET", "/open-positions") end) end

    it("renew once on 401 and on 410, and repeat with the new token", function()
      for _, status in ipairs({ 401, 410 }) do
        local token = "session-token-after-" .. status
        script["/manager/refresh-token"] = answer(200, "", cookies("co-auth=" .. token .. "; Path=/"))
        local first = true
        script[PATH] = function()
          if first then
            first = false
            return answer(status)
          end
          return answer(200, '{"positions":[]}')
        end
        assert.equal('{"positions":[]}', read().body)
        assert.equal("co-auth=" .. token, last().headers.cookie)
      end
    end)

    it("do not renew twice", function()
      script["/manager/refresh-token"] = answer(200, "", cookies("co-auth=session-token-2; Path=/"))
      script[PATH] = answer(401)
      local ok, err = read()
      assert.is_nil(ok)
      assert.equal("status_401", err.code)
    end)

    it("tell a limit with the time to wait", function()
      script[PATH] = answer(429, "", { { "Retry-After", "7" } })
      local _, err = read()
      assert.same({ "rate_limit", 7000 }, { err.code, err.retry_after_ms })
      local count = #requests
      script[PATH] = answer(429)
      _, err = read()
      assert.equal("rate_limit", err.code)
      assert.truthy(err.retry_after_ms > 0)
      assert.equal(count + 1, #requests)
    end)

    it("are repeated when the server failed or the answer was lost, three times at most", function()
      for _, bad in ipairs({ answer(502), { code = "timeout", message = "no answer", source = "http" } }) do
        local count = #requests
        script[PATH] = bad
        assert.is_nil((read()))
        assert.equal(count + 3, #requests)
      end
    end)

    it("are not repeated when the broker says no", function()
      local count = #requests
      script[PATH] = answer(400, '{"errorMessage":"no such thing"}')
      local _, err = read()
      assert.equal("status_400", err.code)
      assert.matches("no such thing", err.message)
      assert.equal(count + 1, #requests)
    end)
  end)
end)
