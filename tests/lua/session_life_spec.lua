-- SPDX-License-Identifier: MIT
-- A session over its lives: what a restart goes on with, when it logs in, and when it does not.

package.path = "tests/lua/?.lua;" .. package.path
local json = require "perigee.json"
local task = require "perigee.task"
local world = require "session_world"

local answer, cookies = world.answer, world.cookies
local MINUTE, HOUR = 60000, 3600000
local BALANCE = world.READ .. "/balance"
local LOGIN, REFRESH = "/manager/mtr-login", "/manager/refresh-token"

describe("a session's life", function()
  local w, script

  before_each(function()
    w = world.new()
    script = w.script
    script[BALANCE] = answer(200, '{"balance":"1","equity":"1"}')
    script[REFRESH] = answer(200, "", cookies("co-auth=session-token-2; Path=/", "rt=renewer-2; Path=/manager"))
  end)

  after_each(function() w:done() end)

  -- The engine was killed and started again: memory is gone, the vault's texts are there.
  local function again(options)
    local saved = w.s:tokens()
    w.s = w:life(saved, options)
    w.lanes, w.requests = {}, {}
    return saved
  end

  describe("after a restart", function()
    before_each(function() w:open() end)

    it("goes on with its tokens when one read works, without a login", function()
      w:pass(5 * MINUTE)
      local expires, login_ms = w.s.expires, w.s.login_ms
      again()
      w:open()
      assert.equal(1, #w.requests)
      local read = w:last()
      assert.equal(BALANCE, read.path)
      assert.equal("co-auth=session-token-1", read.headers.cookie)
      assert.equal("api-token-1", read.headers["auth-trading-api"])
      assert.same({ expires, login_ms, "open" }, { w.s.expires, w.s.login_ms, w.s:state() })
      local opened = w:told "session_opened"
      assert.same({ "login", "resume" }, { opened[1].how, opened[2].how })
      assert.equal(expires, opened[2].expires)
      local account = w.s.accounts[1]
      assert.same({ "1", "USD", 100, world.SYSTEM, "own-token-1" }, { account.id, account.currency, account.leverage,
        account.system, account.account_token })
    end)

    it("renews with the cookies of the former life", function()
      again()
      w:open()
      assert.is_true(w:renew("due"))
      assert.equal(REFRESH, w:last().path)
      assert.equal("co-auth=session-token-1; rt=renewer-1", w:last().headers.cookie)
      assert.equal(0, w:asked(LOGIN))
    end)

    it("hides what the vault gives back from the log", function()
      again()
      w.masked = {}
      w:open()
      for _, secret in ipairs({ "session-token-1", "renewer-1", "api-token-1", "own-token-1" }) do
        assert.truthy(w.masked[secret], secret)
      end
    end)

    it("refreshes when the read is refused, and logs in when that is refused, too", function()
      script[BALANCE] = answer(401)
      again()
      w:open()
      assert.same({ BALANCE, REFRESH }, { w.requests[1].path, w.requests[2].path })
      assert.equal("refresh", w.s.how)
      script[REFRESH] = answer(401)
      again()
      w:open()
      assert.same({ BALANCE, REFRESH, LOGIN }, { w.requests[1].path, w.requests[2].path, w.requests[3].path })
      assert.equal("login", w.s.how)
      assert.equal(0, #w:told "session_failed")
    end)

    it("refreshes a token that ended while it was down, and asks nothing of one that is long dead", function()
      w:pass(20 * MINUTE)
      again()
      w:open()
      assert.equal(REFRESH, w.requests[1].path)
      w:pass(3 * HOUR)
      again()
      w:open()
      assert.same({ 0, 0, 1 }, { w:asked(BALANCE), w:asked(REFRESH), w:asked(LOGIN) })
    end)

    it("keeps its tokens when the broker cannot be reached, and uses them when it can", function()
      script[BALANCE] = world.unreachable
      again()
      local ok, err = w:login()
      assert.is_nil(ok)
      assert.equal("unreachable", err.code)
      assert.equal(0, w:asked(LOGIN))
      script[BALANCE] = answer(502)
      assert.is_nil((w:login()))
      script[BALANCE] = answer(200, "{}")
      w:open()
      assert.equal("resume", w.s.how)
      assert.equal(0, w:asked(LOGIN))
    end)

    it("rests when the edge refuses it, instead of logging in", function()
      script[BALANCE] = world.edge()
      again()
      local _, err = w:login()
      assert.equal("edge_block", err.code)
      _, err = w:login()
      assert.equal("edge_block", err.code)
      assert.equal(1, #w.requests)
      assert.equal("blocked", w.s:state())
      w:pass(err.retry_after_ms)
      script[BALANCE] = answer(200, "{}")
      w:open()
      assert.equal("resume", w.s.how)
    end)

    it("logs in when the vault's texts are of no use", function()
      local good = w.s:tokens()
      for _, saved in ipairs({ { token = good.token }, { token = good.token, session = "{", trading_api_token = "{}" },
        { token = good.token, session = good.session }, { session = good.session },
        { token = good.token, session = good.session, trading_api_token = "{}" },
        { token = good.token, session = '{"expires":"x"}', trading_api_token = good.trading_api_token },
        { token = good.token, session = '{"expires":9000000000000,"accounts":[1]}', trading_api_token = "{}" },
        { token = good.token, session = "[]", trading_api_token = "[]" } }) do
        w.s, w.requests = w:life(saved), {}
        w:open()
        assert.equal(LOGIN, w.requests[#w.requests].path)
        assert.equal(0, w:asked(BALANCE))
      end
    end)

    it("logs in when another account is wanted than the tokens are for", function()
      again { account_ids = { "2" } }
      assert.is_nil((w:login()))
      assert.equal(1, w:asked(LOGIN))
    end)

    it("has not more refreshes than before", function()
      for _ = 1, 3 do assert.is_true(w:renew()) end
      assert.equal(1, w.s:refreshes_left())
      again()
      w:open()
      assert.equal(1, w.s:refreshes_left())
      assert.is_true(w:renew())
      again()
      w:open()
      assert.equal(0, w.s:refreshes_left())
      assert.is_true(w:renew())
      assert.equal(0, w:asked(REFRESH))
      assert.equal(1, w:asked(LOGIN))
      w:pass(HOUR)
      assert.equal(4, w.s:refreshes_left())
    end)

    it("counts a refresh before it is sent", function()
      local counted
      script[REFRESH] = function()
        counted = #json.decode(w.s:tokens().session).refreshes
        return answer(200, "", cookies("co-auth=session-token-2; Path=/"))
      end
      w:renew()
      assert.equal(1, counted)
    end)

    it("knows how often it had logged in, by the wall's time", function()
      script[BALANCE] = answer(401)
      script[REFRESH] = answer(401)
      for _ = 1, 5 do
        again()
        w:open()
      end
      local saved = w.s:tokens()
      w.io, w.wall = 1000, w.wall + w.io -- the machine was started again, too
      w.s = w:life(saved)
      assert.equal(6, #w.s.gate:ages(w.s.user, w.io))
    end)
  end)

  describe("when the password is refused", function()
    before_each(function() script[LOGIN] = answer(401, '{"errorMessage":"bad"}') end)

    it("tells the operator, and is not tried again by itself, over a restart neither", function()
      local _, err = w:login()
      assert.equal("credentials", err.code)
      assert.equal("refused", w.s:state())
      assert.equal("error", w:told "notice"[1].level)
      for _ = 1, 3 do
        w:pass(HOUR)
        local ok
        ok, err = w:login()
        assert.is_nil(ok)
        assert.equal("refused", err.code)
      end
      assert.equal(1, w:asked(LOGIN))
      assert.equal(1, #w:told "session_failed")
      assert.equal(1, #w:told "notice")
      again()
      assert.equal("refused", w.s:state())
      w:login()
      assert.equal(0, w:asked(LOGIN))
    end)

    it("is tried when somebody asks, or when there is another password", function()
      w:login()
      script[LOGIN] = answer(200, world.login_body("session-token-1"))
      assert.is_true(w:login(true))
      script[LOGIN] = answer(401)
      w.s = w:life()
      w:login()
      w.s:set_password "pass-word"
      assert.equal("refused", w.s:state())
      w.s:set_password "better"
      assert.truthy(w.masked.better)
      script[LOGIN] = answer(200, world.login_body("session-token-1"))
      assert.is_true(w:login())
      assert.equal("better", json.decode(w:last().body).password)
    end)

    it("while it is kept alive, ends that, and the order lanes are shut", function()
      script[LOGIN] = answer(200, world.login_body("session-token-1"))
      w:open()
      script[LOGIN], script[REFRESH] = answer(401), answer(401)
      task.run(function() w.s:keep() end)
      assert.equal("refused", w.s:state())
      assert.is_false(w.s.open)
      assert.is_nil(w.lanes["1"])
      assert.equal("credentials", w:told "session_failed"[1].code)
    end)
  end)

  describe("that cannot log in", function()
    it("knocks less and less often", function()
      script[LOGIN] = answer(502)
      local waits, tries = {}, 0
      for i = 1, 8 do
        local _, err = w:login()
        waits[i] = err.retry_after_ms
        tries = tries + 1
        local _, unsaid = w:login() -- whoever asks meanwhile is no more than told
        assert.is_true(unsaid.unsaid)
        w:pass(waits[i])
      end
      assert.equal(tries, w:asked(LOGIN))
      assert.equal(8, #w:told "session_failed")
      assert.truthy(waits[1] >= 1500 and waits[1] <= 2500)
      assert.truthy(waits[8] >= 190000 and waits[8] <= 300000 * 1.25)
    end)

    it("waits for all when the broker has had too many logins", function()
      local other = w:life(nil, { email = "c@d.e", gate = w.s.gate })
      script[LOGIN] = answer(429, "", { { "Retry-After", "40" } })
      local _, err = w:login()
      assert.same({ "rate_limit", 40000 }, { err.code, err.retry_after_ms })
      _, err = task.run(function() return other:login() end)
      assert.same({ "session", 40000 }, { err.code, err.retry_after_ms })
      assert.equal(1, w:asked(LOGIN))
    end)

    it("counts what may have reached the broker, an answer or not, and nothing else", function()
      script[LOGIN] = world.lost
      local _, err = w:login()
      assert.equal(1, #w.s.gate:ages(w.s.user, w.io))
      w:pass(err.retry_after_ms)
      script[LOGIN] = world.unreachable
      for _ = 1, 30 do
        _, err = w:login()
        assert.truthy(err.retry_after_ms <= MINUTE * 1.25)
        w:pass(err.retry_after_ms)
      end
      assert.equal(1, #w.s.gate:ages(w.s.user, w.io))
    end)

    it("calls what could not be reached as the client does", function()
      w:done()
      local _, err = task.run(function()
        return require("perigee.http").request { method = "POST", url = "http://127.0.0.1:1/", body = "{}" }
      end)
      assert.same({ world.unreachable.code, world.unreachable.source }, { err.code, err.source })
    end)

    it("repeats no secret that the broker repeats, in no event and no error", function()
      local said = "wrong pass-word pass%2Dword? api-token-1 eyJhbGciOi.eyJleHAi.x_-y 0123456789abcdef0123456789abcdef"
      script[LOGIN] = answer(400, json.encode { errorMessage = said })
      local _, err = w:login()
      script[LOGIN] = answer(200, world.login_body("session-token-1"))
      w:pass(MINUTE)
      w:open()
      script[BALANCE] = answer(400, json.encode { errorMessage = said })
      local _, failed = task.run(function() return w.s:read(w.s.accounts[1], "balance", "GET", "/balance") end)
      local texts = { err.message, failed.message, w.s.last_error or "" }
      for _, e in ipairs(w.events) do texts[#texts + 1] = tostring(e.text) .. tostring(e.reason) end
      assert.truthy(#texts >= 6)
      for _, text in ipairs(texts) do
        for _, secret in ipairs({ "pass-word", "eyJ", "0123456789abcdef" }) do
          assert.is_nil(text:find(secret, 1, true), text)
        end
      end
      assert.matches("wrong ***", err.message, 1, true)
      assert.is_nil(failed.message:find("api-token-1", 1, true))
      script[BALANCE] = answer(400, json.encode { errorMessage = ("x"):rep(112) .. "pass-word" })
      _, failed = task.run(function() return w.s:read(w.s.accounts[1], "balance", "GET", "/balance") end)
      assert.matches("xxx%*%*%*$", failed.message)
    end)

    it("tells the broker's reason", function()
      script[LOGIN] = answer(400, '{"errorMessage":"brokerId is unknown"}')
      local _, err = w:login()
      assert.equal("status_400", err.code)
      assert.matches("brokerId is unknown", w:told "notice"[1].text, 1, true)
    end)

    it("is not renewed while the edge refuses its user, unless somebody asks; a renewal may be the try", function()
      w:open()
      script[BALANCE] = world.edge()
      local function balance()
        return task.run(function() return w.s:read(w.s.accounts[1], "balance", "GET", "/balance") end)
      end
      local _, blocked = balance()
      local asked = w:asked(REFRESH)
      local _, err = w:renew("due")
      assert.equal("edge_block", err.code)
      assert.truthy(err.retry_after_ms > 0)
      assert.same({ asked, true }, { w:asked(REFRESH), w.s.open }) -- its token is good, and its closes leave
      assert.is_not_nil(w.lanes["1"])
      assert.equal(0, #w:told "session_failed")
      w:pass(blocked.retry_after_ms)
      assert.is_true(w:renew("due"))
      assert.same({ asked + 1, "blocked" }, { w:asked(REFRESH), w.s:state() })
      script[BALANCE] = answer(200, "{}")
      assert.truthy(balance())
      assert.equal("open", w.s:state())
      script[BALANCE] = world.edge()
      balance()
      assert.is_true(w:renew("asked"))
    end)

    it("rests when the edge refuses it, and an operator may try", function()
      script[LOGIN] = world.edge()
      local _, err = w:login()
      assert.equal("edge_block", err.code)
      _, err = w:login()
      assert.is_true(err.unsaid)
      assert.equal(1, w:asked(LOGIN))
      script[LOGIN] = answer(200, world.login_body("session-token-1"))
      assert.is_true(w:login(true))
      w.s:activate()
      assert.equal("blocked", w.s:state()) -- until a read works
      script[world.READ .. "/open-positions"] = answer(200, "{}")
      assert.is_not_nil((w:read()))
      assert.equal("open", w.s:state())
    end)
  end)

  describe("with a token", function()
    before_each(function() w:open() end)

    it("is renewed a minute before its end, earlier by chance, and not twice", function()
      local renewed = {}
      script[REFRESH] = function()
        renewed[#renewed + 1] = w.s.expires - w.market
        return answer(200, "", cookies("co-auth=session-token-r; Path=/"))
      end
      w.on_sleep = function(_, which)
        assert.equal("market", which) -- tokens end in the market's time
        return #renewed < 4
      end
      task.run(function() w.s:keep() end)
      assert.equal(4, #renewed)
      local different = {}
      for _, ahead in ipairs(renewed) do
        assert.truthy(ahead >= MINUTE and ahead <= 90000)
        different[ahead] = true
      end
      local count = 0
      for _ in pairs(different) do count = count + 1 end
      assert.truthy(count > 1)
    end)

    it("that another has renewed meanwhile is left alone", function()
      w.on_sleep = function(ms)
        if #w.slept > 1 then return false end
        w:pass(ms)
        assert(w.s:renew())
      end
      task.run(function() w.s:keep() end)
      assert.equal(1, w:asked(REFRESH))
    end)

    it("that is still good stays in use when it cannot be renewed", function()
      script[REFRESH], script[LOGIN] = world.lost, world.lost
      w:pass(14 * MINUTE)
      local ok = w:renew("due")
      assert.is_nil(ok)
      assert.is_true(w.s.open)
      assert.is_not_nil(w.lanes["1"])
      assert.equal(0, #w:told "session_failed")
      w:pass(2 * MINUTE) -- its end
      w:renew("due")
      assert.is_false(w.s.open)
      assert.is_nil(w.lanes["1"])
      assert.equal(1, #w:told "session_failed")
      assert.equal("logging_in", w.s:state())
      script[LOGIN] = answer(200, world.login_body("session-token-3"))
      w:pass(5 * MINUTE)
      assert.is_true(w:renew("due"))
      assert.is_not_nil(w.lanes["1"])
      assert.equal("open", w.s:state())
    end)

    it("that ended long ago is forgotten, in the vault, too", function()
      script[REFRESH], script[LOGIN] = world.lost, world.lost
      w:pass(16 * MINUTE)
      w:renew("due")
      assert.is_not_nil(w.s:tokens().token)
      w:pass(HOUR)
      w:renew("due")
      assert.is_nil(w.s:tokens().token)
      assert.not_matches("session-token", w.s:tokens().session, 1, true)
      script[LOGIN] = answer(200, world.login_body("session-token-3", "api-token-3"))
      w:pass(HOUR)
      assert.is_true(w:renew("due"))
      assert.matches("api-token-3", w.lanes["1"].headers, 1, true)
    end)

    it("of a broker whose clock is behind is not renewed for ever", function()
      local past = "e30.eyJleHAiOjF9.x" -- it says that it ended in 1970
      local renewed = 0
      script[REFRESH] = function()
        renewed = renewed + 1
        return answer(200, '{"token":"' .. past .. '"}')
      end
      assert.is_true(w:renew("due"))
      assert.equal(w.market + 15 * MINUTE, w.s.expires)
      w.on_sleep = function() return #w.slept < 3 end
      task.run(function() w.s:keep() end)
      assert.truthy(renewed <= 3)
    end)

    it("honours a limit on renewals while it is good", function()
      script[REFRESH] = answer(429, "", { { "Retry-After", "30" } })
      local _, err = w:renew("due")
      assert.same({ "rate_limit", 30000 }, { err.code, err.retry_after_ms })
      assert.is_true(w.s.open)
      assert.equal(1, w:asked(LOGIN)) -- of the beginning
      _, err = w:renew("due")
      assert.equal("session", err.code)
      assert.equal(1, w:asked(REFRESH))
    end)

    it("is asked whether it works", function()
      assert.equal(0, task.run(function() return w.s:check() end))
      assert.equal(BALANCE, w:last().path)
      w.s:leave()
      local ok, err = task.run(function() return w.s:check() end)
      assert.is_nil(ok)
      assert.equal("state", err.code)
    end)

    it("gets no accounts by a renewal that are not watched", function()
      local more = json.decode(world.login_body("session-token-9"))
      more.accounts[2] = { tradingAccountId = "2", tradingApiToken = "api-token-2", offer = { currency = "USD",
        leverage = 100, system = { uuid = world.SYSTEM } } }
      script[REFRESH], script[LOGIN] = answer(401), answer(200, json.encode(more))
      assert.is_true(w:renew("due"))
      assert.equal(1, #w.s.accounts)
      assert.is_nil(w.lanes["2"])
    end)
  end)

  describe("that somebody else takes over", function()
    local PATH = world.READ .. "/open-positions"

    -- Each of our tokens is refused, and so is its refresh; a login works.
    before_each(function()
      w:open()
      script[REFRESH] = answer(401)
      script[PATH] = answer(401)
      script[BALANCE] = answer(401)
    end)

    local function stolen()
      w:pass(2 * MINUTE)
      return select(2, w:read())
    end

    it("is logged in anew once, then not fought for: growing pauses, said once", function()
      local err = stolen()
      assert.equal("status_401", err.code)
      assert.equal(2, w:asked(LOGIN))
      assert.equal(0, #w:told "notice")
      err = stolen()
      assert.same({ "taken_over", MINUTE // 2 }, { err.code, err.retry_after_ms })
      assert.equal(2, w:asked(LOGIN))
      assert.same({ "taken_over", false }, { w.s:state(), w.s.open })
      assert.is_nil(w.lanes["1"])
      assert.equal("taken_over", w:told "session_failed"[1].code)
      assert.matches("somebody else", w:told "notice"[1].text, 1, true)
      local asked = #w.requests
      assert.is_nil((w:read()))
      assert.equal(asked, #w.requests)
      w:pass(MINUTE // 2)
      script[PATH] = answer(200, "{}")
      assert.equal("{}", w:read().body)
      assert.equal("open", w.s:state())
      assert.equal(3, w:asked(LOGIN))
      script[PATH] = answer(401)
      err = stolen()
      assert.same({ "taken_over", MINUTE }, { err.code, err.retry_after_ms })
      assert.equal(1, #w:told "notice")
    end)

    it("is not when the refresh works, nor when the token has come to its end", function()
      script[REFRESH] = answer(200, "", cookies("co-auth=session-token-2; Path=/"))
      local refuses = false
      script[PATH] = function()
        refuses = not refuses
        return refuses and answer(401) or answer(200, "{}")
      end
      for _ = 1, 3 do stolen() end
      assert.equal(1, w:asked(LOGIN))
      script[REFRESH] = answer(401)
      for _ = 1, 3 do
        w:pass(16 * MINUTE)
        w:renew("refused")
        w:pass(HOUR)
      end
      assert.equal(0, #w:told "notice")
      assert.equal(4, w:asked(LOGIN))
    end)

    it("is not when the token is taken the next time: the broker is forgetful, and no login is needed", function()
      stolen()
      script[BALANCE] = answer(200, "{}")
      local first = true
      script[PATH] = function()
        if not first then return answer(200, "{}") end
        first = false
        return answer(401)
      end
      w:pass(2 * MINUTE)
      local logins, renewed = w:asked(LOGIN), #w:told "session_renewed"
      assert.equal("{}", w:read().body)
      assert.same({ logins, renewed }, { w:asked(LOGIN), #w:told "session_renewed" })
      assert.same({ true, "open" }, { w.s.open, w.s:state() })
      assert.equal("{}", w:read().body)
    end)

    it("is not when its refresh was only lost", function()
      script[REFRESH] = world.lost
      stolen()
      stolen()
      assert.equal(0, #w:told "notice")
      assert.equal(3, w:asked(LOGIN))
    end)

    it("is the operator's again when asked for", function()
      stolen()
      stolen()
      script[PATH] = answer(200, "{}")
      assert.is_true(w:renew("asked"))
      assert.equal("open", w.s:state())
    end)
  end)
end)
