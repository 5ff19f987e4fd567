-- SPDX-License-Identifier: MIT
-- The configuration: command line before environment before file before defaults; what is wrong is named.

local fs = require "perigee.fs"
local process = require "perigee.process"

describe("the configuration", function()
  local config, environment, folder_file, made, kept

  before_each(function()
    environment, folder_file, made, kept = {}, false, {}, {}
    local fakes = {
      ["perigee.config"] = false,
      ["perigee.process"] = setmetatable({ env = function(name) return environment[name] end }, { __index = process }),
      ["perigee.fs"] = setmetatable({
        exists = function(path)
          if path == "perigee.lua" then return folder_file end
          return fs.exists(path)
        end,
        mkdir = function() return true end,
      }, { __index = fs }),
    }
    for name, fake in pairs(fakes) do
      kept[name] = package.loaded[name] or false
      package.loaded[name] = fake or nil
    end
    config = require "perigee.config"
  end)

  after_each(function()
    for name, module in pairs(kept) do package.loaded[name] = module or nil end
    for _, path in ipairs(made) do os.remove(path) end
  end)

  local function file(text)
    local path = os.tmpname()
    made[#made + 1] = path
    assert(fs.replace(path, text))
    return path
  end

  local function resolve(text, overrides)
    return config.resolve(text and file(text), overrides or {})
  end

  local function refused(pattern, text, overrides)
    local flat, why = resolve(text, overrides)
    assert.is_nil(flat)
    assert.matches(pattern, why)
    return why
  end

  it("is whole without anything said", function()
    local flat = assert(resolve())
    assert.equal("var", config.get("data.dir"))
    assert.equal(12, config.get("paper.accounts"))
    assert.equal(0.01, config.get("risk.per_trade"))
    assert.is_true(config.get("risk.trading_enabled"))
    assert.equal("20", config.get("market.speed"))
    assert.is_nil(config.get("market.tape"))
    assert.equal("var/engine.sock", config.get("engine.socket"))
    assert.equal("var/sim/credentials.json", config.get("paper.credentials"))
    assert.equal("12", flat["paper.accounts"])
    assert.equal("true", flat["risk.trading_enabled"])
    assert.is_nil(flat["market.tape"])
    assert.is_nil(config.file())
  end)

  it("every default passes its own checks", function()
    for _, k in ipairs(config.keys) do
      if k.default ~= nil then
        assert.truthy(resolve(nil, { ("%s=%s"):format(k.key, tostring(k.default)) }), k.key)
      end
    end
  end)

  it("command line before environment before file before defaults", function()
    local text = 'return { paper = { accounts = 5 } }'
    resolve(text)
    assert.equal(5, config.get("paper.accounts"))
    environment.PERIGEE__PAPER__ACCOUNTS = "6"
    resolve(text)
    assert.equal(6, config.get("paper.accounts"))
    resolve(text, { "paper.accounts=7" })
    assert.equal(7, config.get("paper.accounts"))
    resolve(nil)
    assert.equal(6, config.get("paper.accounts"))
  end)

  it("the plain names of the environment count; the long ones count more; empty ones not at all", function()
    local plain = { DB_PASSWORD = "database.password", DB_NAME = "database.name", DB_USER = "database.user",
      DB_HOST = "database.host", MATCH_TRADE_BROKER_ID = "broker.id", API_BASE_URL = "broker.origin",
      SECRET_KEY = "vault.key", ALGORITHM = "office.algorithm" }
    for name, key in pairs(plain) do
      environment[name] = "of " .. name
      resolve()
      assert.equal("of " .. name, config.get(key))
    end
    environment.TRADING_ENABLED, environment.RISK_PER_TRADE = "no", "0.02"
    environment.MAX_POSITION_SIZE, environment.ACCESS_TOKEN_EXPIRE_MINUTES = "1.5", "30"
    environment.DB_PORT = "5433"
    resolve()
    assert.is_false(config.get("risk.trading_enabled"))
    assert.equal(0.02, config.get("risk.per_trade"))
    assert.equal(1.5, config.get("risk.max_position_size"))
    assert.equal(30, config.get("office.session_minutes"))
    assert.equal(5433, config.get("database.port"))
    environment.PERIGEE__RISK__PER_TRADE = "0.03"
    resolve()
    assert.equal(0.03, config.get("risk.per_trade"))
    environment.PERIGEE__RISK__PER_TRADE, environment.RISK_PER_TRADE = "", ""
    resolve()
    assert.equal(0.01, config.get("risk.per_trade"))
  end)

  it("perigee.lua of the folder is read when no file is named, and a named one instead of it", function()
    folder_file = true
    local flat, why = config.resolve(nil, {})
    assert.is_nil(flat)
    assert.matches("perigee%.lua", why)
    assert.truthy(resolve("return {}"))
  end)

  it("a later resolve forgets the earlier one; a failed one changes nothing", function()
    resolve('return { paper = { accounts = 5 } }')
    resolve(nil, { "paper.accounts=no" })
    assert.equal(5, config.get("paper.accounts"))
    resolve("return {}")
    assert.equal(12, config.get("paper.accounts"))
  end)

  it("an unknown key names the nearest known one, wherever it stands", function()
    refused("configuration .*: unknown key risk%.per_trad; the nearest known one is risk%.per_trade$",
      "return { risk = { per_trad = 0.01 } }")
    refused("command line: unknown key paper%.acounts; the nearest known one is paper%.accounts$", nil,
      { "paper.acounts=3" })
    refused("unknown key rsik%.per_trade; the nearest known one is risk%.per_trade$",
      "return { rsik = { per_trade = 0.01 } }")
  end)

  it("finds the nearest by edits, the first by name where two are as near", function()
    assert.equal("tape", config.nearest("tap", { "seed", "tape" }))
    assert.equal("a1", config.nearest("a", { "a2", "a1" }))
    assert.is_nil(config.nearest("a", {}))
  end)

  it("numbers stay within their range, edges included", function()
    for _, good in ipairs({ "risk.per_trade=0.0001", "risk.per_trade=0.05", "paper.accounts=1",
      "paper.accounts=4000", "market.seed=0", "risk.max_position_size=0", "database.port=65535" }) do
      assert.truthy(resolve(nil, { good }), good)
    end
    for bad, why in pairs({
      ["risk.per_trade=0.00009"] = "within 0%.0001 and 0%.05", ["risk.per_trade=0.0501"] = "within 0%.0001 and 0%.05",
      ["paper.accounts=0"] = "within 1 and 4000", ["paper.accounts=4001"] = "within 1 and 4000",
      ["paper.accounts=2.5"] = "whole number", ["paper.accounts=many"] = "must be a number",
      ["paper.accounts="] = "must be a number", ["market.seed=-1"] = "within", ["risk.per_trade=nan"] = "a number",
      ["risk.trading_enabled=perhaps"] = "true or false", ["log.level=loud"] = "one of debug, info, warn, error",
      ["journal.sync=never"] = "one of off, interval, commit",
    }) do
      local key = bad:match("^(.-)=")
      assert.matches("^command line: " .. key:gsub("%p", "%%%0") .. " ", refused(why, nil, { bad }))
    end
  end)

  it("true and false have their usual words", function()
    for word, value in pairs({ ["true"] = true, ["1"] = true, yes = true, ON = true, ["false"] = false,
      ["0"] = false, No = false, off = false }) do
      resolve(nil, { "risk.trading_enabled=" .. word })
      assert.equal(value, config.get("risk.trading_enabled"))
    end
    refused("true or false", "return { risk = { trading_enabled = 1 } }")
  end)

  it("the speed is a number above 0 or max; addresses are numeric", function()
    for _, good in ipairs({ "max", "0.5", "20", "10000" }) do
      resolve(nil, { "market.speed=" .. good })
      assert.equal(good, config.get("market.speed"))
    end
    assert.truthy(resolve("return { market = { speed = 40 } }"))
    assert.equal("40", config.get("market.speed"))
    for _, bad in ipairs({ "0", "-1", "10001", "fast", "" }) do
      refused("market%.speed must be a number above 0", nil, { "market.speed=" .. bad })
    end
    assert.truthy(resolve(nil, { "paper.listen=127.0.0.1:8080" }))
    for _, bad in ipairs({ "localhost:80", "127.0.0.1", ":80", "127.0.0.1:" }) do
      refused("HOST:PORT", nil, { "paper.listen=" .. bad })
    end
  end)

  it("tape and seed exclude each other, unless the command line chooses", function()
    refused("exclude each other", "return { market = { tape = 'a.csv', seed = 3 } }")
    refused("exclude each other", nil, { "market.tape=a.csv", "market.seed=3" })
    assert.truthy(resolve("return { market = { tape = 'a.csv' } }", { "market.seed=3" }))
    assert.same({ nil, 3 }, { config.get("market.tape"), config.get("market.seed") })
    assert.truthy(resolve("return { market = { seed = 3 } }", { "market.tape=a.csv" }))
    assert.equal("a.csv", config.get("market.tape"))
    assert.is_nil(config.get("market.seed"))
  end)

  it("a file is a Lua table of sections; strategies have a readable form", function()
    resolve('return { strategies = { { file = "a.lua", params = { x = 1 } }, { file = "b.lua" } } }')
    assert.equal(2, #config.get("strategy.list"))
    assert.equal(1, config.get("strategy.list")[1].params.x)
    environment.HOME = "/home/me"
    resolve('return { data = { dir = env("HOME") .. "/perigee" } }')
    assert.equal("/home/me/perigee", config.get("data.dir"))
    assert.equal("/home/me/perigee/engine.sock", config.get("engine.socket"))
  end)

  it("a file that is none is named, with its line", function()
    refused("^configuration .*:2: ", "return {\n risk = = 1 }")
    refused("^configuration .*:1: ", "return nothing.there")
    refused("must return a table", "return 5")
    refused("risk must be a table of settings", "return { risk = 5 }")
    refused("configuration .*: strategy%.list must be a list", "return { strategies = true and 5 }")
    local flat, why = config.resolve("/nowhere/at/all.lua", {})
    assert.is_nil(flat)
    assert.matches("^configuration /nowhere/at/all%.lua: ", why)
  end)

  it("a file can do nothing but compute", function()
    for _, name in ipairs({ "os", "io", "require", "load", "dofile", "package", "debug" }) do
      resolve("return { data = { dir = tostring(" .. name .. ") } }")
      assert.equal("nil", config.get("data.dir"))
    end
  end)

  it("a very long data folder gets a socket whose path a socket can have", function()
    local long = "/" .. ("d"):rep(200)
    resolve(nil, { "data.dir=" .. long })
    assert.truthy(#config.get("engine.socket") <= 107)
    local first = config.get("engine.socket")
    resolve(nil, { "data.dir=" .. long .. "e" })
    assert.not_equal(first, config.get("engine.socket"))
  end)

  it("what is shown tells where each value comes from, and no secret", function()
    environment.DB_PASSWORD = "hunter2"
    environment.PERIGEE__PAPER__ACCOUNTS = "6"
    local flat = assert(resolve('return { vault = { key = "k3y-of-keys" }, risk = { max_positions = 2 } }',
      { "market.seed=9" }))
    local shown = flat._shown
    assert.not_matches("hunter2", shown, 1, true)
    assert.not_matches("k3y-of-keys", shown, 1, true)
    assert.matches('password +%= "%*%*%*" +# %$DB_PASSWORD', shown)
    assert.matches('key +%= "%*%*%*" +# ' .. config.file():gsub("%p", "%%%0"), shown)
    assert.matches("accounts +%= 6 +# %$PERIGEE__PAPER__ACCOUNTS", shown)
    assert.matches("seed +%= 9 +# command line", shown)
    assert.matches("per_trade +%= 0%.01 +# default", shown)
    assert.matches("tape +%= nil +# default", shown)
    for _, k in ipairs(config.keys) do
      assert.truthy(shown:find(k.key:match("%.(.+)$"), 1, true), k.key)
    end
  end)

  it("an error about a secret does not tell it", function()
    local why = refused("database%.password must be a text", "return { database = { password = { 'hunter2' } } }")
    assert.not_matches("hunter2", why, 1, true)
  end)

  it("a key that nobody declared cannot be asked for", function()
    resolve()
    assert.has_error(function() config.get("risk.appetite") end)
  end)

  it("each key has a text, a type, and a name of its own", function()
    local seen, names = {}, {}
    for _, k in ipairs(config.keys) do
      assert.is_nil(seen[k.key])
      seen[k.key] = true
      assert.matches("^%l+%.[%l_]+$", k.key)
      assert.truthy(#k.text > 0)
      if k.env then
        assert.is_nil(names[k.env])
        names[k.env] = true
      end
    end
    for _, name in ipairs({ "password", "key" }) do
      for _, k in ipairs(config.keys) do
        if k.key:match("%.(.+)$") == name then assert.is_true(k.secret, k.key) end
      end
    end
  end)
end)
