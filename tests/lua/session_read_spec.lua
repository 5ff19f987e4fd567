-- SPDX-License-Identifier: MIT
-- Reads of a broker session: how each kind of answer is met.

package.path = "tests/lua/?.lua;" .. package.path
local task = require "perigee.task"
local world = require "session_world"

local answer, cookies = world.answer, world.cookies
local PATH = world.READ .. "/open-positions"

describe("a read of a session", function()
  local w, script

  before_each(function()
    w = world.new()
    script = w.script
    w:open()
  end)

  after_each(function() w:done() end)

  local function renewal(token) return answer(200, "", cookies("co-auth=" .. token .. "; Path=/")) end

  local function refused(code, retry_after)
    local got, err = w:read()
    assert.is_nil(got)
    assert.equal(code, err.code)
    if retry_after then assert.equal(retry_after, err.retry_after_ms) end
    return err
  end

  it("asks the budget with its lane, each try anew, and waits for room", function()
    script[PATH] = answer(200, "{}")
    w.full = 3
    assert.equal("{}", w:read("reconcile").body)
    assert.same({ "1 reconcile", "1 reconcile", "1 reconcile", "1 reconcile" }, w.taken)
    assert.same({ 500, 500, 500 }, w.slept)
    script[PATH] = answer(502)
    w.taken = {}
    refused "status_502"
    assert.equal(3, #w.taken)
    w.full, w.on_sleep = 1, function() return false end
    refused "cancelled"
  end)

  it("renews once on 401 and on 410, and is repeated with the new token", function()
    for _, status in ipairs({ 401, 410 }) do
      local token = "session-token-after-" .. status
      script["/manager/refresh-token"] = renewal(token)
      local first = true
      script[PATH] = function()
        if first then
          first = false
          return answer(status)
        end
        return answer(200, '{"positions":[]}')
      end
      assert.equal('{"positions":[]}', w:read().body)
      assert.equal("co-auth=" .. token, w:last().headers.cookie)
    end
    assert.equal(2, w:asked "/manager/refresh-token")
  end)

  it("does not renew twice, and waits before the next does", function()
    script["/manager/refresh-token"] = renewal "session-token-2"
    script[PATH] = answer(401)
    local err = refused "status_401"
    assert.truthy(err.retry_after_ms >= 30000)
    assert.equal(1, w:asked "/manager/refresh-token")
    assert.equal(2, w:asked(PATH))
  end)

  it("of one account of two that is refused whatever the token does not use up the logins of both", function()
    local two, refreshes = world.accounts(), 0
    two[2] = { tradingAccountId = "2", tradingApiToken = "api-token-2", offer = two[1].offer }
    script["/manager/mtr-login"] = answer(200, require("perigee.json").encode { token = "session-token-1",
      accounts = two })
    w.s = w:life()
    w:open()
    script["/manager/refresh-token"] = function()
      refreshes = refreshes + 1
      return renewal("session-token-r" .. refreshes)
    end
    local logins = w:asked "/manager/mtr-login"
    for _ = 1, 120 do -- an hour of reads
      w:pass(30000)
      script[PATH] = answer(401)
      assert.truthy(refused "status_401".retry_after_ms >= 30000)
      script[PATH] = answer(200, "{}")
      assert.truthy(task.run(function()
        return w.s:read(w.s.accounts[2], "positions", "GET", "/open-positions")
      end))
    end
    logins = w:asked "/manager/mtr-login" - logins
    assert.truthy(logins >= 1 and refreshes + logins <= 12, refreshes + logins)
    assert.equal(1, #w:told "notice")
    assert.matches("account 1 is refused right after a login", w:told "notice"[1].text, 1, true)
    assert.equal("{}", w:read().body)
    script[PATH] = function()
      return w:last().headers.cookie:find("session%-token%-r" .. refreshes) and answer(200, "{}") or answer(401)
    end
    local before = refreshes
    w:pass(3600 * 1000)
    assert.equal("{}", w:read().body) -- what it was refused before is forgotten
    assert.equal(before + 1, refreshes)
  end)

  it("that a refreshed token is refused for is helped by a login: it brings the account's own token", function()
    script["/manager/refresh-token"] = renewal "session-token-2"
    script[PATH] = function()
      return w:last().headers["auth-trading-api"] == "api-token-2" and answer(200, "{}") or answer(401)
    end
    refused "status_401"
    script["/manager/mtr-login"] = answer(200, world.login_body("session-token-3", "api-token-2"))
    w:pass(30000)
    assert.equal("{}", w:read().body)
    assert.equal(1, w:asked "/manager/refresh-token")
  end)

  it("does not renew what another has renewed while its answer was on the way", function()
    script["/manager/refresh-token"] = renewal "session-token-2"
    local first = true
    script[PATH] = function()
      if not first then return answer(200, "{}") end
      first = false
      assert(w.s:renew())
      return answer(401)
    end
    assert.equal("{}", w:read().body)
    assert.equal(1, w:asked "/manager/refresh-token")
  end)

  it("shares a renewal with others that are refused at the same time", function()
    local asked = 0
    script["/manager/refresh-token"] = function()
      asked = asked + 1
      require("perigee.task.core").sleep(5)
      return renewal "session-token-2"
    end
    script[PATH] = function()
      return w:last().headers.cookie == "co-auth=session-token-2" and answer(200, "{}") or answer(401)
    end
    local results = task.run(function()
      local jobs = {}
      for i = 1, 5 do
        jobs[i] = function() return w.s:read(w.s.accounts[1], "quotes", "GET", "/open-positions") end
      end
      return task.all(jobs)
    end)
    for _, r in ipairs(results) do assert.equal("{}", r[1].body) end
    assert.equal(1, asked)
  end)

  it("does not send a token that was refused again", function()
    script["/manager/refresh-token"], script["/manager/mtr-login"] = answer(401), answer(502)
    script[PATH] = answer(401)
    refused "status_502"
    local asked = w:asked(PATH)
    refused "session"
    assert.equal(asked, w:asked(PATH))
    assert.is_nil(w.lanes["1"]) -- neither do orders
  end)

  it("tells a limit with the time to wait, and the whole scope rests", function()
    script[PATH] = answer(429, "", { { "Retry-After", "7" } })
    refused("rate_limit", 7000)
    assert.equal(1, w:asked(PATH))
    script[PATH] = answer(429)
    refused("rate_limit", 5000) -- as the scope says
    assert.equal(2, w:asked(PATH))
    assert.same({ { "1", 7000 }, { "1" } }, w.rests)
  end)

  it("is repeated when the server failed or the answer was lost, three times at most, with growing pauses", function()
    for _, bad in ipairs({ answer(502), answer(408), world.lost, world.unreachable }) do
      local asked = w:asked(PATH)
      w.slept = {}
      script[PATH] = bad
      assert.is_nil((w:read()))
      assert.equal(asked + 3, w:asked(PATH))
      assert.equal(2, #w.slept)
      assert.truthy(w.slept[1] >= 50 and w.slept[1] <= 100 and w.slept[2] >= 150 and w.slept[2] <= 300)
    end
  end)

  it("honours a server's Retry-After, when that is short", function()
    script[PATH] = answer(503, "", { { "Retry-After", "2" } })
    refused "status_503"
    assert.same({ 2000, 2000 }, w.slept)
    script[PATH] = answer(503, "", { { "Retry-After", "60" } })
    local asked = w:asked(PATH)
    refused("status_503", 60000)
    assert.equal(asked + 1, w:asked(PATH))
  end)

  it("tells the operator what the broker says no to, once for each reason, and is not repeated", function()
    script[PATH] = answer(400, '{"errorMessage":"no such thing"}')
    local err = refused "status_400"
    assert.equal("no", err.retry)
    assert.matches("no such thing", err.message)
    refused "status_400"
    script[PATH] = answer(400, '{"errorMessage":"another thing"}')
    refused "status_400"
    script[PATH] = answer(403, '{"errorMessage":"not yours"}') -- the broker's own, not the edge's
    refused "status_403"
    assert.equal(4, w:asked(PATH))
    local notices = w:told "notice"
    assert.equal(3, #notices)
    assert.matches("paper:a@b.c: the broker refuses /open-positions: no such thing", notices[1].text, 1, true)
    assert.matches("another thing", notices[2].text, 1, true)
    assert.matches("not yours", notices[3].text, 1, true)
  end)

  describe("that meets the edge", function()
    it("rests with everything of the user, tries alone afterwards, and longer each time", function()
      script[PATH] = world.edge()
      local first = refused "edge_block"
      assert.truthy(first.retry_after_ms >= 60000 and first.retry_after_ms <= 75000)
      assert.equal("blocked", w.s:state())
      assert.equal(1, #w:told "edge")
      assert.equal("error", w:told "notice"[1].level)
      local err = refused "edge_block"
      assert.equal(first.retry_after_ms, err.retry_after_ms)
      assert.equal(1, w:asked(PATH))
      w:pass(first.retry_after_ms)
      local second = refused "edge_block"
      assert.equal(2, w:asked(PATH))
      assert.truthy(second.retry_after_ms >= 120000 and second.retry_after_ms <= 150000)
      assert.equal(1, #w:told "edge")
      assert.equal(1, #w:told "notice")
    end)

    it("is free again when a read works", function()
      script[PATH] = answer(403, "<html>", { { "Content-Type", "text/html; charset=utf-8" } })
      w:pass(refused "edge_block".retry_after_ms)
      script[PATH] = answer(200, "{}")
      assert.equal("{}", w:read().body)
      assert.equal(1, #w:told "edge over")
      assert.equal("open", w.s:state())
      assert.equal("{}", w:read().body)
      assert.equal(1, #w:told "edge over")
    end)

    it("tries with one request while the others wait", function()
      script[PATH] = world.edge()
      w:pass(refused "edge_block".retry_after_ms)
      local asked, sleep = w:asked(PATH), require("perigee.task.core").sleep
      script[PATH] = function()
        sleep(5)
        return answer(200, "{}")
      end
      local results = task.run(function()
        local jobs = {}
        for i = 1, 4 do
          jobs[i] = function() return w.s:read(w.s.accounts[1], "quotes", "GET", "/open-positions") end
        end
        return task.all(jobs)
      end)
      local through = 0
      for _, r in ipairs(results) do through = through + (r[1] and 1 or 0) end
      assert.equal(1, through)
      assert.equal(asked + 1, w:asked(PATH))
    end)

    it("may be tried by the next one when the try was lost", function()
      script[PATH] = world.edge()
      w:pass(refused "edge_block".retry_after_ms)
      script[PATH] = world.lost
      refused "timeout"
      script[PATH] = answer(200, "{}")
      assert.equal("{}", w:read().body)
    end)
  end)

  it("ends with its session", function()
    w.s:leave()
    refused "closed"
    assert.equal(0, w:asked(PATH))
  end)
end)
