-- SPDX-License-Identifier: MIT
-- The vault and its key, on files that are tables and with sealing that is none.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"
local json = require "perigee.json"
local task = require "perigee.task"

describe("the vault", function()
  local vault, vault_key, undo, undo_key, files, stats, broken, writes, masked, keys, warned

  -- Sealed: the key, what it is bound to, and the text; opens only with the same two.
  local crypto = {
    key = function() keys = keys + 1 return ("k"):rep(31) .. keys end,
    derive = function(secret) return "derived from " .. secret end,
    seal = function(key, plain, bound) return ("%s|%s|%s"):format(key, bound, plain) end,
    open = function(key, sealed, bound)
      local k, b, plain = sealed:match("^([^|]*)|([^|]*)|(.*)$")
      if k == key and b == bound then return plain end
      return nil, { code = "sealed" }
    end,
    base64 = function(bytes) return "b64," .. bytes end,
    unbase64 = function(text) return text:match("^b64,(.*)$") end,
  }

  before_each(function()
    files, stats, broken, writes, masked, keys, warned = {}, {}, false, 0, {}, 0, {}
    local fs = {
      exists = function(path) return files[path] ~= nil end,
      read = function(path) return files[path] end,
      stat = function(path) return stats[path] end,
      replace = function(path, text, mode)
        if broken then return nil, { message = "no space left" } end
        assert.equal(tonumber("600", 8), mode)
        files[path], stats[path], writes = text, { kind = "file", mode = mode, uid = 7 }, writes + 1
        return true
      end,
    }
    local modules = { ["perigee.crypto"] = crypto, ["perigee.fs"] = fs, ["perigee.process"] = { uid = function()
      return 7
    end }, ["perigee.log"] = { mask = function(text) masked[text] = true end,
      warn = function(_, text) warned[#warned + 1] = text end } }
    vault_key, undo_key = fake.load("perigee.vault_key", modules)
    vault, undo = fake.load("perigee.vault", modules)
  end)

  after_each(function()
    undo()
    undo_key()
  end)

  local function open(key) return vault.open("v", key or "K") end

  local function sealed(email, password, key)
    return "b64," .. crypto.seal(key or "K", password, "password:paper:" .. email)
  end

  local function put(v, email, password)
    return v:add { broker = "paper", email = email, sealed = sealed(email, password or "pw"), active = true }
  end

  local function refused(code, words, ok, err)
    assert.is_nil(ok)
    assert.equal(code, err.code)
    assert.truthy(err.message:find(words, 1, true), err.message)
  end

  describe("key", function()
    it("is derived from a secret, and then there is no file", function()
      assert.equal("derived from s", vault_key.load { file = "k", secret = "s", create = true })
      assert.is_nil(files.k)
    end)

    it("is made once, for its owner alone", function()
      local key = assert(vault_key.load { file = "k", create = true })
      assert.equal(32, #key)
      assert.equal(key, vault_key.load { file = "k", create = true })
      assert.equal(1, keys)
    end)

    it("that is missing, readable by others, somebody else's or damaged is refused by a sentence", function()
      refused("input", "is not there", vault_key.load { file = "k" })
      vault_key.load { file = "k", create = true }
      for _, mode in ipairs({ "640", "604", "610" }) do
        stats.k.mode = tonumber(mode, 8)
        refused("input", "others may read the key of the vault, k (mode " .. mode, vault_key.load { file = "k" })
      end
      stats.k = { kind = "file", mode = tonumber("600", 8), uid = 8 }
      refused("input", "belongs to another user", vault_key.load { file = "k" })
      stats.k = { kind = "dir", mode = tonumber("700", 8), uid = 7 }
      refused("input", "is no file", vault_key.load { file = "k" })
      stats.k, files.k = { kind = "file", mode = tonumber("400", 8), uid = 7 }, ("x"):rep(33)
      refused("input", "33 bytes instead of 32", vault_key.load { file = "k" })
      files.k = nil
      broken = true
      refused("input", "no space left", vault_key.load { file = "k", create = true })
    end)
  end)

  it("takes the logins of a file once, numbered in their order", function()
    local v = assert(open())
    assert.equal(2, v:take("paper", { { email = "a@x", password = "1", broker_id = "0", account_ids = { "7" } },
      { email = "b@x", password = "2" } }))
    v = assert(open())
    assert.equal(0, v:take("paper", { { email = "b@x", password = "2" },
      { email = "a@x", password = "1", broker_id = "0", account_ids = { "7" } } }))
    assert.equal(2, writes) -- the empty one, and the one with both
    assert.same({
      { id = 1, broker = "paper", broker_id = "0", email = "a@x", name = "a", active = true, account_ids = { "7" },
        password = "1" },
      { id = 2, broker = "paper", email = "b@x", name = "b", active = true, password = "2" } }, v:records())
    assert.is_true(masked["1"] and masked["2"])
  end)

  it("follows the file in passwords and accounts of those it knows", function()
    local v = assert(open())
    v:take("paper", { { email = "a@x", password = "1", account_ids = { "7" } } })
    assert.equal(0, v:take("paper", { { email = "a@x", password = "new", account_ids = { "7", "8" } } }))
    v = assert(open())
    local record = v:records()[1]
    assert.equal("new", record.password)
    assert.same({ "7", "8" }, record.account_ids)
  end)

  it("does not take again who was removed, and never uses an id twice", function()
    local v = assert(open())
    v:take("paper", { { email = "a@x", password = "1" }, { email = "b@x", password = "2" } })
    assert.is_true(v:remove(2))
    v = assert(open())
    assert.equal(0, v:take("paper", { { email = "b@x", password = "2" } }))
    assert.equal(3, put(v, "b@x").id) -- by hand it can come back
    v = assert(open())
    assert.equal(2, #v:records())
    v:remove(3)
    assert.equal(4, put(assert(open()), "c@x").id)
  end)

  it("adds and changes users whose password opens, and refuses the others unchanged", function()
    local v = assert(open())
    assert.equal("pw", put(v, "a@x").password)
    refused("state", "is there already", put(v, "a@x"))
    local before = files.v
    refused("input", "does not open", v:add { broker = "paper", email = "c@x", active = true,
      sealed = sealed("a@x", "pw") }) -- bound to another
    refused("input", "does not open", v:add { broker = "paper", email = "c@x", active = true,
      sealed = sealed("c@x", "pw", "other key") })
    refused("input", "does not open", v:add { broker = "paper", email = "c@x", active = true, sealed = "nonsense" })
    refused("input", "does not open", v:add { broker = "paper", email = "c@x", active = true,
      sealed = sealed("c@x", "") })
    refused("input", "does not open", v:update(1, { sealed = sealed("b@x", "pw") }))
    refused("not_found", "no user 9", v:update(9, { name = "x" }))
    refused("not_found", "no user 9", v:remove(9))
    assert.equal(before, files.v)
    local record = v:update(1, { name = "Ann", active = false, sealed = sealed("a@x", "new") })
    assert.same({ "Ann", false, "new" }, { record.name, record.active, record.password })
    assert.is_nil(v:update(1, { name = "" }).name)
    assert.same(v:records(), assert(open()):records())
  end)

  it("stays as it was when it cannot be written", function()
    local v = assert(open())
    put(v, "a@x")
    broken = true
    refused("failed", "no space left", put(v, "b@x"))
    refused("failed", "no space left", v:update(1, { name = "Ann" }))
    refused("failed", "no space left", v:remove(1))
    broken = false
    local record = v:records()[1]
    assert.is_nil(record.name)
    assert.equal(2, put(v, "b@x").id)
    assert.equal(2, #assert(open()):records())
  end)

  it("refuses another key, a damaged file and a moved secret by a sentence", function()
    local v = assert(open())
    put(v, "a@x")
    put(v, "b@x")
    refused("input", "sealed by another key", open("other"))
    local good = files.v
    for _, text in ipairs({ "", "[]", "{}", (good:gsub('"version":1', '"version":2')),
      (good:gsub('"id":2', '"id":1')), (good:gsub('"next_id":3', '"next_id":2')),
      (good:gsub('"email":"a@x",', "")), (good:gsub('"active":true', '"active":1')) }) do
      assert.not_equal(good, text)
      files.v = text
      refused("input", "the vault v cannot be read", open())
    end
    files.v = good:gsub("password:paper:a@x", "password:paper:b@x")
    v = assert(open())
    refused("input", "the password of paper:a@x", v:records())
  end)

  it("gives tokens back to a later life, and leaves out what does not open", function()
    local v = assert(open())
    put(v, "a@x")
    put(v, "b@x")
    assert.is_nil(v:tokens(1))
    assert.is_nil(v:tokens(99))
    v:tokens_changed(1, function() return { token = "t", trading_api_token = '{"7":"x"}', session = "s" } end)
    v:tokens_changed(2, function() return { session = "only counts" } end)
    v:flush()
    v = assert(open())
    masked = {}
    assert.same({ token = "t", trading_api_token = '{"7":"x"}', session = "s" }, v:tokens(1))
    assert.same({ session = "only counts" }, v:tokens(2))
    assert.same({ t = true }, masked)
    files.v = files.v:gsub("token:paper:a@x|t", "token:paper:b@x|t") -- moved here from another user
    v = assert(open())
    assert.same({ trading_api_token = '{"7":"x"}', session = "s" }, v:tokens(1))
    assert.equal(1, #warned)
  end)

  it("wakes who saves it when tokens have changed", function()
    local v, woken = assert(open()), 0
    put(v, "a@x")
    task.run(function()
      local saver = task.spawn(function()
        while v:wait_changed() do
          woken = woken + 1
          v:flush()
        end
      end)
      task.settled()
      assert.equal(0, woken)
      v:tokens_changed(1, function() return { token = "t" } end)
      task.settled()
      v:tokens_changed(1, function() return { token = "u" } end)
      v:tokens_changed(1, function() return { token = "v" } end)
      task.settled()
      saver:cancel()
      saver:join()
    end)
    assert.equal(2, woken)
    assert.same({ token = "v" }, assert(open()):tokens(1))
  end)

  it("forgets the session of a password that the file has changed", function()
    local v = assert(open())
    v:take("paper", { { email = "a@x", password = "1" }, { email = "b@x", password = "2" } })
    v:tokens_changed(1, function() return { token = "t", session = "s" } end)
    v:tokens_changed(2, function() return { token = "u" } end)
    v:flush()
    v:take("paper", { { email = "a@x", password = "new" }, { email = "b@x", password = "2" } })
    v = assert(open())
    assert.is_nil(v:tokens(1))
    assert.same({ token = "u" }, v:tokens(2))
    v:update(2, { name = "Bob" })
    assert.same({ token = "u" }, v:tokens(2))
    broken = true
    assert.is_nil((v:update(2, { sealed = sealed("b@x", "newer") })))
    broken = false
    assert.same({ token = "u" }, v:tokens(2))
    v:update(2, { sealed = sealed("b@x", "newer") })
    assert.is_nil(assert(open()):tokens(2))
  end)

  it("seals tokens when there is time, once for a burst, and forgets them with their session", function()
    local v = assert(open())
    put(v, "a@x")
    put(v, "b@x")
    local before = writes
    assert.is_false(v:flush())
    local told = 0
    local function tell()
      told = told + 1
      return { token = "t" .. told, session = "s" }
    end
    v:tokens_changed(1, tell)
    v:tokens_changed(1, tell)
    v:tokens_changed(2, function() return { token = "u" } end)
    v:tokens_changed(99, function() return { token = "of nobody" } end)
    assert.is_true(v:flush())
    assert.equal(1, told)
    assert.equal(before + 1, writes)
    v = assert(open())
    local list = v:sealed()
    assert.same({ id = 1, user = "paper:a@x", password = sealed("a@x", "pw"), token = "b64,K|token:paper:a@x|t1",
      session = "b64,K|session:paper:a@x|s", trading_api_token = json.null }, list[1])
    v:tokens_changed(1, function() return {} end)
    v:flush()
    assert.equal(json.null, assert(open()):sealed()[1].token)
    assert.not_equal(json.null, assert(open()):sealed()[2].token)
  end)
end)
