-- SPDX-License-Identifier: MIT
-- A broker session against scripted answers: which tokens it sends where, how it renews, what it never shows.

package.path = "tests/lua/?.lua;" .. package.path
local json = require "perigee.json"
local task = require "perigee.task"
local world = require "session_world"

local SYSTEM, answer, cookies, accounts, login_body = world.SYSTEM, world.answer, world.cookies, world.accounts,
  world.login_body

describe("a broker session", function()
  local w, script, requests, lanes, events, masked, s

  before_each(function()
    w = world.new()
    script, requests, lanes, events, masked, s = w.script, w.requests, w.lanes, w.events, w.masked, w.s
  end)

  after_each(function() w:done() end)

  local function run(fn, ...) return task.run(fn, ...) end
  local function login() return w:login() end
  local function renew() return w:renew() end
  local function last() return requests[#requests] end
  local function open() w:open() end

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
    run(function() return s:read(s.accounts[1], "balance", "GET", "/balance") end)
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
    assert.same({ { requests = 480, window_ms = 60000, scope = "account" } }, lane.budget)
    assert.matches("\r\n$", lane.headers)
  end)

  it("tells exec how long the broker keeps an idle connection", function()
    open()
    assert.is_nil(lanes["1"].idle_close_ms)
    w.s = w:life(nil, { profile = require "perigee.venues.brokers".fundedtradermarkets, origin = "http://broker" })
    script["/mtr-core-edge/login"] = script["/manager/mtr-login"]
    w:open()
    assert.equal(300000, lanes["1"].idle_close_ms)
  end)

  it("tells exec every budget of the broker's profile", function()
    w.s = w:life(nil, { profile = require "perigee.venues.brokers".e8, origin = "http://broker" })
    w:open()
    assert.same({ { requests = 480, window_ms = 60000, scope = "account" },
      { requests = 2000, window_ms = 24 * 3600 * 1000, scope = "account", day = true } }, lanes["1"].budget)
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

  it("sends the session's cookie to trading, wherever its path lies, and a cookie to what is below its path", function()
    script["/manager/mtr-login"] = answer(200, json.encode { accounts = accounts() },
      cookies("co-auth=only-cookie; Path=/manager", "near=1; Path=/man", "in=1; Path=/mtr-api"))
    open()
    assert.matches("Cookie: co-auth=only-cookie; in=1\r\n", lanes["1"].headers, 1, true)
  end)

  it("takes no cookie that is taken back for a token, and sends it no more", function()
    open()
    script["/manager/refresh-token"] = answer(200, "", cookies("co-auth=; Path=/; Max-Age=0", "rt=x; Max-Age=0"))
    script["/manager/mtr-login"] = answer(200, login_body("session-token-2"))
    assert.is_true(renew())
    assert.equal("/manager/mtr-login", last().path)
    assert.is_nil(last().headers.cookie)
    assert.matches("co-auth=session-token-2\r\n", lanes["1"].headers, 1, true)
  end)

  it("keeps no more cookies than a broker can mean", function()
    local lines = {}
    for i = 1, 100 do lines[i] = ("c%d=v%d; Path=/"):format(i, i) end
    lines[101] = "co-auth=session-token-1; Path=/"
    script["/manager/mtr-login"] = answer(200, json.encode { accounts = accounts() }, cookies(table.unpack(lines)))
    open()
    local _, count = lanes["1"].headers:match("Cookie: ([^\r]*)"):gsub("=", "")
    assert.equal(31, count)
  end)

  it("keeps the newest secrets from the log and those before them, and no more", function()
    open()
    for i = 2, 50 do
      script["/manager/refresh-token"] = answer(200, "", cookies("co-auth=session-token-" .. i, "rt=renewer-" .. i))
      script["/manager/mtr-login"] = answer(200, login_body("session-token-" .. i, "api-token-" .. i),
        cookies("rt=renewer-" .. i))
      w:pass(5 * 60000)
      assert.is_true(renew())
    end
    local count = 0
    for _ in pairs(masked) do count = count + 1 end
    assert.truthy(count <= 10, count)
    for _, secret in ipairs({ "session-token-50", "session-token-49", "renewer-50", "renewer-49", "pass-word" }) do
      assert.truthy(masked[secret], secret)
    end
    assert.truthy(masked[w.s.accounts[1].api_token])
  end)

  it("hides every secret from the log", function()
    open()
    script["/manager/refresh-token"] = answer(200, "",
      cookies("co-auth=session-token-2; Path=/", "rt=renewer-2; Path=/manager"))
    renew()
    for _, secret in ipairs({ "pass-word", "session-token-1", "session-token-2", "renewer-1", "renewer-2",
      "api-token-1", "own-token-1" }) do
      assert.truthy(masked[secret], secret)
    end
    for _, e in ipairs(events) do
      for _, value in pairs(e) do
        for secret in pairs(masked) do assert.is_nil(tostring(value):find(secret, 1, true)) end
      end
    end
  end)

  it("lives as long as its token says, or a quarter of an hour", function()
    open()
    assert.equal(w.market + 15 * 60000, s.expires)
    script["/manager/refresh-token"] = answer(200, '{"token":"e30.eyJleHAiOjE3NTI1NzQ1MDB9.x"}')
    renew()
    assert.equal(w.market + 24 * 3600000, s.expires) -- its own word is years away: a day is enough
    w.market = 1752574500000 - 20 * 60000
    renew()
    assert.equal(1752574500000, s.expires)
  end)

  describe("is left", function()
    before_each(function()
      open()
      script["/manager/logout"] = answer(200, "")
    end)

    local function logout()
      s:leave()
      run(function() s:logout("operator") return true end)
    end

    it("by closing its lanes at once, telling the broker, and forgetting its tokens", function()
      local told = 0
      s.on_tokens = function() told = told + 1 end
      s:leave()
      assert.is_nil(lanes["1"])
      assert.is_false(s.open)
      logout()
      assert.same({ "POST", "/manager/logout", "co-auth=session-token-1; rt=renewer-1" },
        { last().method, last().path, last().headers.cookie })
      assert.is_nil(s:tokens().token)
      assert.is_nil(s:tokens().trading_api_token)
      assert.not_matches("renewer", s:tokens().session, 1, true)
      assert.truthy(told > 0)
      local e = events[#events]
      assert.same({ "session_closed", "operator", s.id }, { e.kind, e.reason, e.session })
      assert.equal("closed", select(2, renew()).code)
      local count = #requests
      local _, err = run(function() return s:read(s.accounts[1], "balance", "GET", "/balance") end)
      assert.equal("closed", err.code)
      assert.equal(count, #requests)
    end)

    it("once, and by nothing else where the broker knows no logout or does not answer", function()
      logout()
      local count, before = #requests, #events
      logout()
      assert.same({ count, before }, { #requests, #events })
      open()
      script["/manager/logout"] = { code = "timeout", message = "no answer", source = "http" }
      logout()
      assert.equal("session_closed", events[#events].kind)
      open()
      s.profile = require "perigee.venues.brokers".e8
      count = #requests
      logout()
      assert.equal(count, #requests)
    end)

    it("for good: a renewal that was on its way does not bring it back", function()
      script["/manager/refresh-token"] = function()
        s:leave()
        return answer(200, "", cookies("co-auth=session-token-2; Path=/"))
      end
      local ok, err = renew()
      assert.is_nil(ok)
      assert.equal("closed", err.code)
      assert.is_nil(lanes["1"])
      assert.is_false(s.open)
      assert.is_nil(s.token)
    end)

    it("and comes back by a login", function()
      logout()
      local before = s.id
      open()
      assert.is_true(s.open)
      assert.is_true(s.id > before)
      assert.is_not_nil(lanes["1"])
    end)
  end)

  it("gives the vault what a later life would need", function()
    open()
    local tokens = s:tokens()
    assert.equal("session-token-1", tokens.token)
    assert.same({ ["1"] = "api-token-1" }, json.decode(tokens.trading_api_token))
    local kept_session = json.decode(tokens.session)
    assert.equal("renewer-1", kept_session.cookies.rt.value)
    assert.same({ ["1"] = "own-token-1" }, kept_session.account_tokens)
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
      assert.equal(w.market + 15 * 60000, s.expires)
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

    it("a whole login that names one account of two, and the other's lane gets the new cookie, too", function()
      local two = accounts()
      two[2] = { tradingAccountId = "2", tradingApiToken = "api-token-2", offer = two[1].offer }
      script["/manager/mtr-login"] = answer(200, json.encode { token = "session-token-1", accounts = two })
      w.s = w:life(nil, { account_ids = { "1", "2" } })
      w:open()
      script["/manager/refresh-token"] = answer(200,
        '{"token":"session-token-5","selectedTradingAccount":{"tradingAccountId":"2","tradingApiToken":"api-2-new"}}')
      assert.is_true(renew())
      assert.equal("/manager/refresh-token", last().path)
      for id, api in pairs({ ["1"] = "api-token-1", ["2"] = "api-2-new" }) do
        assert.matches("Auth-trading-api: " .. api .. "\r\n", lanes[id].headers, 1, true)
        assert.matches("co-auth=session-token-5\r\n", lanes[id].headers, 1, true)
      end
      assert.same({ 100, world.SYSTEM }, { w.s.accounts[2].leverage, w.s.accounts[2].system })
    end)

    it("a login, when the refresh is refused, lost, or brings nothing", function()
      for _, bad in ipairs({ answer(401), answer(429), answer(502, "<html>"),
        { code = "timeout", message = "no answer", source = "http" }, answer(200, "<html>hello</html>"),
        answer(200, "") }) do
        script["/manager/refresh-token"] = bad
        w:pass(3600 * 1000)
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
        w:pass(10 * 60000)
      end
      assert.equal(4, refreshes)
      renew()
      assert.equal(4, refreshes)
      assert.equal("/manager/mtr-login", last().path)
      w:pass(20 * 60000) -- an hour after the first
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

  describe("goes on without an account", function()
    local two, told

    before_each(function()
      two = accounts()
      two[2] = { tradingAccountId = "2", tradingApiToken = "api-token-2", offer = two[1].offer }
      w.s = w:life(nil, { account_ids = { "1", "2" }, on_lost = function(account) told = account.id end })
      script["/mtr-api/" .. SYSTEM .. "/balance"] = answer(200, "{}")
      told = nil
    end)

    local function relogin(list, token)
      script["/manager/refresh-token"] = answer(401)
      script["/manager/mtr-login"] = answer(200, json.encode { token = token, accounts = list })
      w:pass(3600 * 1000)
      return renew()
    end

    local function notices()
      local list = {}
      for _, e in ipairs(w:told "notice") do list[#list + 1] = e.text end
      return list
    end

    it("that its login lacks or tells only in part, and says so once", function()
      local bare = { { tradingAccountId = "2" }, two[1] }
      for i, list in ipairs({ { two[1] }, bare }) do
        w.s = w:life(nil, { account_ids = { "1", "2" } })
        script["/manager/mtr-login"] = answer(200, json.encode { token = "session-token-1", accounts = list })
        w:open()
        assert.same({ "1", 1 }, { w.s.accounts[1].id, #w.s.accounts })
        assert.equal(i, #notices())
        assert.is_true(relogin(list, "session-token-2"))
        assert.equal(i, #notices())
      end
      assert.matches("account 2 cannot be used: the login does not hold it", notices()[1], 1, true)
      assert.matches("account 2 cannot be used: the login does not tell its api token", notices()[2], 1, true)
      w.s = w:life()
      script["/manager/mtr-login"] = answer(200, json.encode { token = "session-token-1", accounts = bare })
      w:open()
      assert.equal("1", w.s.accounts[1].id)
    end)

    it("that a later login lacks: no order and no read leaves with its old token, until it is back", function()
      script["/manager/mtr-login"] = answer(200, json.encode { token = "session-token-1", accounts = two })
      w:open()
      local second = w.s.accounts[2]
      assert.is_not_nil(lanes["2"])
      assert.is_true(relogin({ two[1] }, "session-token-2"))
      assert.is_nil(lanes["2"])
      assert.equal("2", told)
      assert.matches("session-token-2", lanes["1"].headers, 1, true)
      local count = #requests
      local _, err = run(function() return w.s:read(second, "balance", "GET", "/balance") end)
      assert.same({ "account", "no", count }, { err.code, err.retry, #requests })
      assert.is_true(relogin(two, "session-token-3"))
      assert.matches("Auth-trading-api: api-token-2\r\n", lanes["2"].headers, 1, true)
      assert.is_truthy(run(function() return w.s:read(second, "balance", "GET", "/balance") end))
      assert.equal(1, #notices())
    end)

    it("in a later life only after a login has looked for it", function()
      script["/manager/mtr-login"] = answer(200, json.encode { token = "session-token-1", accounts = { two[1] } })
      w:open()
      local saved = w.s:tokens()
      w.s = w:life(saved, { account_ids = { "1", "2" } })
      script["/manager/mtr-login"] = answer(200, json.encode { token = "session-token-1", accounts = two })
      w:open()
      assert.same({ "login", 2 }, { w.s.how, #w.s.accounts })
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
    it("an answer that brings no token, also when there is one from before", function()
      script["/manager/mtr-login"] = answer(200, json.encode { accounts = accounts() })
      refused("unreadable", script["/manager/mtr-login"])
      script["/manager/mtr-login"] = answer(200, login_body("session-token-1"))
      w:pass(5000)
      open()
      script["/manager/refresh-token"] = answer(401)
      script["/manager/mtr-login"] = answer(200, json.encode { accounts = accounts() })
      w:pass(3600 * 1000)
      local ok, err = renew()
      assert.is_nil(ok)
      assert.equal("unreadable", err.code)
      assert.is_nil(lanes["1"])
    end)
    it("a question for a second factor, and that is not asked for again", function()
      refused("credentials", answer(200, '{"token":"half-way","tfaConfig":{"isEnabledForSignIn":true}}'))
      assert.matches("second factor", s.last_error, 1, true)
      assert.equal("refused", s:state())
      local count = #requests
      w:pass(3600 * 1000)
      assert.is_nil((login()))
      assert.equal(count, #requests)
    end)
    it("an account without a token", function()
      refused("unreadable", answer(200, '{"token":"t-oken","accounts":[{"tradingAccountId":"1"}]}'))
    end)
    it("a login that lacks the wanted account", function()
      s.wanted = { "2" }
      refused("account", answer(200, login_body("session-token-1")))
    end)
  end)
end)
