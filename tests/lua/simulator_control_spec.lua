-- SPDX-License-Identifier: MIT
-- The control port: who may use it, and what its verbs do to a broker.

local fs = require "perigee.fs"
local http = require "perigee.http"
local json = require "perigee.json"
local task = require "perigee.task"
local control = require "perigee.simulator.control"
local verbs = require "perigee.simulator.control.verbs"

local paper = dofile("tests/lua/paper_broker.lua")

local TOKEN = "right"

local function ask(broker, verb, args, changes)
  local r = { method = "POST", path = "/" .. verb, host = "127.0.0.1:5000", authorization = "Bearer " .. TOKEN,
    body = type(args) == "string" and args or json.encode(args or json.decode "{}") }
  for name, value in pairs(changes or {}) do
    if value == "absent" then r[name] = nil else r[name] = value end
  end
  local status, headers, text = control.handle(broker, TOKEN, {
    method = function() return r.method end, path = function() return r.path end, body = function() return r.body end,
    header = function(_, name) return r[name] end })
  local allowed = {}
  for _, header in ipairs(headers) do allowed[header[1]:lower()] = header[2] end
  assert.is_nil(allowed["access-control-allow-origin"])
  local said = json.decode(text)
  return status, status == 200 and said.result or said.error
end

-- What a verb answers when it must work.
local function must(broker, verb, args)
  local status, said = ask(broker, verb, args)
  assert.equal(200, status, tostring(said))
  return said
end

local function refused(broker, verb, args)
  local status, said = ask(broker, verb, args)
  assert.equal(400, status, verb)
  assert.equal("string", type(said))
  return said
end

describe("the control port", function()
  local broker
  before_each(function() broker = paper.new() end)

  it("listens to who has the token and asks a numeric address of this machine", function()
    assert.equal(200, (ask(broker, "status")))
    for _, changes in ipairs({ { authorization = "absent" }, { authorization = "Bearer wrong" },
      { authorization = "Bearer righ" }, { authorization = "Bearer rightly" }, { authorization = "right" },
      { authorization = "Bearer " }, { host = "absent" }, { host = "evil.example:5000" },
      { host = "127.0.0.1.evil.example" }, { host = "localhost:5000" } }) do
      local status = ask(broker, "chaos", { name = "hostile" }, changes)
      assert.equal(401, status, json.encode(changes))
    end
    assert.equal("calm", must(broker, "status").chaos)
  end)

  it("answers what it is not, and what nobody knows", function()
    assert.equal(404, (ask(broker, "nothing")))
    assert.equal(404, (ask(broker, "status", nil, { path = "/" })))
    assert.equal(404, (ask(broker, "status", nil, { path = "/status/x" })))
    assert.equal(405, (ask(broker, "status", nil, { method = "GET" })))
    assert.equal(200, (ask(broker, "status", "")))
    for _, body in ipairs({ "[1]", "7", "{", "null" }) do assert.equal(400, (ask(broker, "status", body)), body) end
  end)

  it("writes its file for its owner alone, and listens on loopback only", function()
    task.run(function()
      local path = os.tmpname()
      local server = assert(control.listen(broker, "127.0.0.1:0", path))
      local file = io.popen("stat -c %a " .. path)
      assert.equal("600", file:read "l")
      file:close()
      local row = json.decode(fs.read(path))
      local answer = http.request { method = "POST", url = "http://" .. row.address .. "/status", body = "{}",
        headers = { { "Authorization", "Bearer " .. row.token } } }
      assert.equal(200, answer.status)
      assert.equal(401, http.request({ method = "POST", url = "http://" .. row.address .. "/status" }).status)
      for _, address in ipairs({ "0.0.0.0:0", "192.168.0.1:0", "localhost:0", "127.0.0.1" }) do
        local none, err = control.listen(broker, address, path)
        assert.is_nil(none, address)
        assert.equal("input", err.code)
      end
      server:close()
      os.remove(path)
    end)
  end)
end)

describe("verbs", function()
  local broker, client
  before_each(function()
    broker = paper.new()
    client = paper.login(broker, "ann@example.org", 's3"cret')
  end)

  it("are all described", function()
    local file = assert(io.open("docs/rehearsal.md"))
    local page = file:read "a"
    file:close()
    for name, verb in pairs(verbs.list) do
      assert.truthy(#verb.text > 10, name)
      assert.truthy(page:find("`" .. name, 1, true), name .. " is not in docs/rehearsal.md")
    end
  end)

  it("fail: adds a fault, once unless told otherwise, and refuses nonsense", function()
    assert.same({ rule = 1 }, must(broker, "fail", { kind = "502", path = "/position/open", account = client.account }))
    assert.same({ rule = 2 }, must(broker, "fail", { kind = 403, share = 0.5 }))
    must(broker, "fail", { kind = "late", path = "writes", every = 10, ms = 5, to_ms = 9 })
    local rows = must(broker, "faults")
    assert.same({ 1, "502", 1 }, { rows[1].id, rows[1].kind, rows[1].left })
    assert.same({ "403" }, { rows[2].kind, rows[2].left })
    assert.same({ rules = 2 }, must(broker, "clear", { rule = 1 }))
    assert.same({ rules = 0 }, must(broker, "clear"))
    assert.same({}, must(broker, "faults"))
    refused(broker, "clear", { rule = 1 })
    refused(broker, "clear", { rule = "all" })
    for _, args in ipairs({ json.decode "{}", { kind = "fire" }, { kind = "slow", ms = -1 }, { kind = "slow", x = 1 },
      { kind = "slow", account = "1" }, { kind = "slow", id = 7 } }) do
      refused(broker, "fail", args)
    end
    assert.equal(0, #broker.faults.rules)
  end)

  it("trade by hand: open, edit, close a part and the rest, and the ledger's rows say by whom", function()
    local q = broker.sim:quote("BTCUSD")
    local stop, target = ("%.1f"):format(q.bid * 0.98), ("%.1f"):format(q.bid * 1.02)
    local id = must(broker, "open", { account = client.account, side = "BUY", volume = 0.3, stop = stop }).id
    local p = broker.sim:positions(client.account)[1]
    assert.same({ id, "0.3", "hand" }, { p.id, p.volume, p.source })
    must(broker, "edit", { account = client.account, id = id, target = target })
    p = broker.sim:positions(client.account)[1]
    assert.same({ "0", target }, { p.stop, p.target })
    must(broker, "close", { account = client.account, id = id, volume = "0.1" })
    assert.equal("0.2", broker.sim:positions(client.account)[1].volume)
    must(broker, "close", { account = client.account, id = id })
    assert.same({}, broker.sim:positions(client.account))
    for _, args in ipairs({ { account = "1", side = "BUY", volume = 1 }, { account = client.account, side = "LONG",
      volume = 1 }, { account = client.account, side = "BUY" },
      { account = client.account, side = "BUY", volume = "x" },
      { account = client.account, side = "BUY", volume = 1, stop = "low" },
      { account = client.account, side = "BUY", volume = 1, symbol = "NOSUCH" } }) do
      refused(broker, "open", args)
    end
    assert.matches("NOT_ENOUGH_MONEY", refused(broker, "open", { account = client.account, side = "BUY", volume = 90 }))
    refused(broker, "close", { account = client.account, id = id })
    refused(broker, "edit", { account = client.account, id = id })
    refused(broker, "close", { account = client.account })
  end)

  it("pending orders by hand", function()
    local q = broker.sim:quote("BTCUSD")
    local at = ("%.1f"):format(q.bid * 0.9)
    local id = must(broker, "pending", { account = client.account, type = "LIMIT", side = "BUY", volume = 0.1,
      price = at }).id
    local o = broker.sim:pendings(client.account)[1]
    assert.same({ id, "hand" }, { o.id, o.source })
    must(broker, "pending-edit", { account = client.account, id = id, price = ("%.1f"):format(q.bid * 0.8) })
    assert.equal(("%.1f"):format(q.bid * 0.8), ("%.1f"):format(broker.sim:pendings(client.account)[1].price))
    refused(broker, "pending", { account = client.account, type = "MARKET", side = "BUY", volume = 0.1, price = at })
    refused(broker, "pending", { account = client.account, type = "LIMIT", side = "BUY", volume = 0.1 })
    must(broker, "cancel", { account = client.account, id = id })
    assert.same({}, broker.sim:pendings(client.account))
    refused(broker, "cancel", { account = client.account, id = id })
  end)

  it("disconnect: the session is over at once, the login's other account's, too", function()
    assert.equal(200, (client.call("GET", "/balance")))
    assert.same({ ended = 1 }, must(broker, "disconnect", { account = client.account }))
    assert.equal(401, (client.call("GET", "/balance")))
    assert.same({ ended = 0 }, must(broker, "disconnect", { account = client.account }))
    refused(broker, "disconnect", { account = "nobody" })
    client = paper.login(broker, "ann@example.org", 's3"cret')
    assert.equal(200, (client.call("GET", "/balance")))
    local row = must(broker, "sessions")[1]
    assert.same({ "ann@example.org", 2, 0, 1 }, { row.email, row.logins, row.failed, #row.expires })
  end)

  it("jump and drift move the price", function()
    task.run(function()
      local other = paper.new()
      assert(other.sim:advance(broker.sim:now() + 60000))
      must(broker, "jump", { points = -500 })
      assert(broker.sim:advance(broker.sim:now() + 60000))
      assert.truthy(math.abs(other.sim:quote("BTCUSD").bid - broker.sim:quote("BTCUSD").bid - 50) < 1e-6)
      must(broker, "drift", { points = 1001, seconds = 1 })
      task.sleep(1200, "io")
      for _, each in ipairs({ other, broker }) do assert(each.sim:advance(each.sim:now() + 60000)) end
      assert.truthy(math.abs(broker.sim:quote("BTCUSD").bid - other.sim:quote("BTCUSD").bid - 50.1) < 1e-6)
      for _, args in ipairs({ json.decode "{}", { points = 1.5 }, { points = "up" }, { points = 10 ^ 12 } }) do
        refused(broker, "jump", args)
      end
      refused(broker, "drift", { points = 1, seconds = 0 })
    end)
  end)

  it("settings: profile, model, chaos, quotes, clock, lists, limits", function()
    assert.equal("mixed,cookie=optional", must(broker, "profile", { words = "mixed,cookie=optional" }).profile)
    refused(broker, "profile", { words = "nonsense" })
    assert.equal(7, must(broker, "model", { slippage_points = 7 }).slippage_points)
    assert.equal(7, must(broker, "model").slippage_points)
    refused(broker, "model", { slippage_point = 7 })
    refused(broker, "model", { reject_share = 2 })
    assert.equal("flaky", must(broker, "chaos", { name = "flaky" }).chaos)
    refused(broker, "chaos", { name = "sunny" })
    refused(broker, "chaos")
    must(broker, "freeze")
    must(broker, "skew", { ms = -5000 })
    must(broker, "lag", { ms = 3000 })
    must(broker, "limit", { requests = 100, shared = true })
    local s = must(broker, "status")
    assert.same({ true, -5000, 3000, 100, "flaky" }, { s.frozen, s.skew_ms, s.lag_ms, s.limit, s.chaos })
    must(broker, "thaw")
    assert.is_false(must(broker, "status").frozen)
    for verb, args in pairs({ skew = { ms = "x" }, lag = { ms = -1 }, idle = {}, limit = { requests = 0 },
      freeze = { ms = 0 } }) do
      refused(broker, verb, next(args) and args or nil)
    end
    refused(broker, "limit", { requests = 5, shared = "yes" })
  end)

  it("book, ledger, counts and one-time tokens", function()
    assert.equal(3, #must(broker, "book"))
    assert.equal(client.account, must(broker, "book", { account = client.account })[1].account)
    assert.same({}, must(broker, "book", { account = client.account })[1].orders)
    refused(broker, "book", { account = "1" })
    refused(broker, "ledger") -- this one keeps none
    broker.folder = os.tmpname()
    os.remove(broker.folder)
    fs.mkdir(broker.folder)
    fs.append(broker.folder .. "/ledger.csv", "seq,op\n1,account\n2,open\n3,close\n")
    assert.same({ "seq,op", "2,open", "3,close" }, must(broker, "ledger", { last = 2 }))
    refused(broker, "ledger", { last = 0 })
    assert.same({}, must(broker, "counts").requests)
    local token = must(broker, "login-token", { email = "bob@example.org" }).token
    assert.truthy(broker.sessions:login_by_token(token, broker.sim:now()))
    refused(broker, "login-token", { email = "eve@example.org" })
    refused(broker, "login-token")
  end)
end)
