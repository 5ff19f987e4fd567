-- SPDX-License-Identifier: MIT
-- Broker profiles: the shipped ones are whole, a wrong field is refused with one sentence, and a user's file adds and
-- changes profiles without touching the program.

local brokers = require "perigee.venues.brokers"
local fs = require "perigee.fs"
local profiles = require "perigee.venues.profiles"
local venues = require "perigee.venues"

describe("the shipped profiles", function()
  it("are whole, and their addresses are https", function()
    local count = 0
    for name, profile in pairs(brokers) do
      count = count + 1
      assert.equal(name, profile.name)
      assert.is_nil(profiles.check(profile), name)
      assert.truthy(profile.origin == nil and name == "paper" or profile.origin:match("^https://[%w%.%-]+$"), name)
      assert.equal(4, profile.refreshes_per_hour)
      assert.equal(480, profile.budget.requests)
      assert.equal(60000, profile.budget.window_ms)
      assert.equal("account", profile.budget.scope)
    end
    assert.equal(13, count)
  end)

  it("say how each broker differs", function()
    assert.equal("bulk", brokers.fundingpips.close)
    assert.equal("/manager/co-login", brokers.fundingpips.login)
    assert.equal("login", brokers.e8.renewal)
    assert.equal(2000, brokers.e8.budget.per_day)
    assert.equal("partnerId", brokers.fundedtradermarkets.id_key)
    assert.equal("/mtr-core-edge/refresh-token", brokers.fundedtradermarkets.refresh)
    assert.equal("count", brokers.fundezy.candles)
    assert.equal("number", brokers.actifunded.id_type)
    assert.equal("form", brokers.voyage.login_body)
    assert.equal("/manager/refresh-token", brokers.voyage.refresh)
    assert.equal("/manager/logout", brokers.paper.logout)
    assert.is_false(brokers.sandbox.logout)
  end)

  it("stand in docs/brokers.md with their addresses, and so does every field", function()
    local page = assert(fs.read("docs/brokers.md"))
    for name, profile in pairs(brokers) do
      local line = page:match("\n| `" .. name .. "` |[^\n]*")
      assert.is_string(line, name)
      if profile.origin then assert.truthy(line:find(profile.origin:match("//(.*)"), 1, true), name) end
      assert.truthy(line:find(profile.login, 1, true), name)
      if profile.broker_id then assert.truthy(line:find(" " .. profile.broker_id, 1, true), name) end
    end
    for _, field in ipairs(profiles.fields()) do
      assert.truthy(field == "name" or page:find("`" .. field .. "`", 1, true), field)
    end
  end)

  it("do not share a table", function()
    assert.not_equal(brokers.paper.budget, brokers.sandbox.budget)
    assert.not_equal(brokers.paper.headers, brokers.sandbox.headers)
  end)
end)

describe("a profile", function()
  local function broken(fields, what)
    fields.name = fields.name or "mine"
    local p, why = profiles.make(fields)
    assert.is_nil(p)
    assert.matches(what, why)
    assert.is_nil(why:find("\n", 1, true))
  end

  it("with a wrong field is refused, and the sentence names profile and field", function()
    broken({ logn = "/x" }, "^profile mine: unknown field logn; the nearest known one is login$")
    broken({ origin = "http://plain.example.org" }, "^profile mine: origin must be an https address without a path$")
    broken({ origin = "https://example.org/app" }, "origin must be")
    broken({ origin = "https://evil.example.org\r\nX: 1" }, "origin must be")
    broken({ login = "manager/login" }, "login must be a path")
    broken({ login_body = "xml" }, "login_body must be json or form or oauth")
    broken({ id_key = "broker" }, "id_key must be brokerId or partnerId, or false")
    broken({ id_type = 5 }, "id_type must be")
    broken({ broker_id = 5 }, "broker_id must be")
    broken({ renewal = "never" }, "renewal must be refresh or login")
    broken({ cookie = true }, "cookie must be session or account")
    broken({ close = "both" }, "close must be")
    broken({ candles = "all" }, "candles must be")
    broken({ kind = "broker" }, "kind must be platform or trader")
    broken({ refreshes_per_hour = 1.5 }, "refreshes_per_hour must be a whole number")
    broken({ token_life_ms = 0 }, "token_life_ms must be")
    broken({ poll = { quotes = 1000 } }, "poll has an unknown field quotes")
    broken({ poll = { quotes_ms = 1 } }, "poll field quotes_ms must be")
    broken({ poll = 5 }, "poll must be a table")
    broken({ budget = { scope = "user" } }, "budget field scope must be")
    broken({ budget = { requests = 0 } }, "budget field requests must be")
    broken({ absent_after_ms = 10 }, "absent_after_ms must be")
    broken({ hours_offset_minutes = 15 * 60 }, "hours_offset_minutes must be")
    broken({ seen = "somewhere" }, "seen must be")
    broken({ note = ("x"):rep(301) }, "note must be")
    broken({ name = "My Broker" }, "name must be")
    broken({ name = ("x"):rep(32) }, "name must be")
    broken({ renewal = "refresh", refresh = false }, "renewal by refresh needs the path")
    broken({ login_body = "oauth", id_key = "brokerId" }, "takes no broker id")
    assert.equal("a profile must be a table", (select(2, profiles.make(5))))
    assert.equal("a profile needs a name", (select(2, profiles.make({}))))
  end)

  it("cannot smuggle a header line in, or take one that the engine writes", function()
    broken({ headers = { { "X-A", "1\r\nX-B: 2" } } }, "headers %[1%] is no header line")
    broken({ headers = { { "X A", "1" } } }, "is no header line")
    broken({ headers = { { "X-A" } } }, "must be { name, value }")
    broken({ headers = { ["X-A"] = "1" } }, "must be a list")
    for _, name in ipairs({ "Cookie", "host", "Content-Length", "auth-trading-api", "Transfer-Encoding",
      "Accept-Encoding", "TE", "Expect", "Upgrade", "Range" }) do
      broken({ headers = { { name, "x" } } }, name:gsub("%-", "%%-") .. " is written by the engine itself")
    end
  end)
end)

describe("a file of profiles", function()
  local folder, path
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    fs.mkdir(folder)
    path = folder .. "/brokers.lua"
  end)
  after_each(function() os.execute("rm -rf " .. folder) end)

  local function load(text)
    assert(fs.replace(path, text))
    return profiles.load(path, brokers)
  end

  it("adds one and changes one; the others stay", function()
    local all = assert(load([[return {
      mine = { origin = "https://mtr.example.org", login = "/mtr-core-edge/login", id_key = "partnerId",
        budget = { scope = "address" }, absent_after_ms = 90000 },
      e8 = { login = "/manager/co-login", budget = { requests = 100 } },
      gooeytrade = { login = "/mtr-core-edge/login" },
    }]]))
    assert.equal("mine", all.mine.name)
    assert.equal("/mtr-core-edge/refresh-token", all.mine.refresh)
    assert.same({ requests = 480, window_ms = 60000, scope = "address" }, all.mine.budget)
    assert.equal(90000, all.mine.absent_after_ms)
    assert.equal("https://mtr.e8markets.com", all.e8.origin)
    assert.same({ requests = 100, window_ms = 60000, scope = "account", per_day = 2000 }, all.e8.budget)
    assert.equal("/mtr-core-edge/refresh-token", all.gooeytrade.refresh) -- follows the new door
    assert.equal("/manager/refresh-token", brokers.gooeytrade.refresh)
    assert.equal(480, brokers.e8.budget.requests)
    assert.equal(brokers.sandbox, all.sandbox)
  end)

  it("that is wrong is refused with one sentence that names it", function()
    for text, what in pairs({
      ["return {"] = "expected",
      ["error('no')"] = "error",
      ["return 5"] = "must return a table of profiles by name",
      ["return { mine = 5 }"] = "mine must be a table",
      ["return { mine = { login = '/x' } }"] = "profile mine needs an origin",
      ["return { mine = { orign = 'https://x.example.org' } }"] = "unknown field orign",
      ["return { mine = { name = 'other', origin = 'https://x.example.org' } }"] = "says that its name is other",
      ["return { e8 = { origin = 'http://127.0.0.1' } }"] = "origin must be an https address",
      ["os.execute('true') return {}"] = "os",
    }) do
      local all, err = load(text)
      assert.is_nil(all, text)
      assert.equal("input", err.code)
      assert.matches("^broker profiles", err.message)
      assert.matches(what, err.message)
    end
  end)

  it("that is not there is said", function()
    local all, err = profiles.load(folder .. "/none.lua", brokers)
    assert.is_nil(all)
    assert.equal("input", err.code)
    assert.matches("none.lua", err.message)
  end)
end)

describe("the kinds of API:", function()
  it("the platform's has a codec, and lists settle what is unknown", function()
    local venue = assert(venues.of(brokers.paper))
    assert.equal(require "perigee.venues.match_trader", venue.codec)
    for _, op in ipairs({ "open", "close", "close_partial", "edit", "pending", "pending_edit", "cancel" }) do
      assert.equal("lists", venues.after_unknown("platform", op))
    end
  end)

  it("the token-based one may repeat by its key, and is refused as long as its paths are not public", function()
    local profile = assert(profiles.make { name = "tokens", kind = "trader", origin = "https://t.example.org" })
    local venue, err = venues.of(profile)
    assert.is_nil(venue)
    assert.equal("input", err.code)
    assert.equal("profile tokens: the token-based Trader API cannot be used yet: the paths of its calls are not public",
      err.message)
    assert.equal("same_key", venues.after_unknown("trader", "open"))
    assert.equal("same_key", venues.after_unknown("trader", "close"))
    assert.equal("same_key", venues.after_unknown("trader", "pending"))
    assert.equal("lists", venues.after_unknown("trader", "edit"))
  end)
end)
