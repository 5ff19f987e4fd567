-- SPDX-License-Identifier: MIT
-- Contract data and what the local validation is told: the broker's newest list counts, and what is alike is judged
-- once.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

local function row(changes)
  local r = { venue = "mine", symbol = "EURUSD.", canonical = "EURUSD", base = "EUR", quote = "USD", price_digits = 5,
    volume_digits = 2, volume_min = "0.01", volume_max = "50", volume_step = "0.01", contract_size = "100000",
    leverage = 100, stops_level = 10, freeze_level = 0, commission = "0", session_open = true,
    hours = { { day = 1, open_ms = 0, close_ms = 86400000 } } }
  for key, value in pairs(changes or {}) do r[key] = value end
  return r
end

local MONDAY = 1752451200000 -- 2025-07-14T00:00:00Z

describe("contract data", function()
  local contracts, undo
  before_each(function() contracts, undo = fake.load("perigee.venues.contracts", {}) end)
  after_each(function() undo() end)

  it("is told when it is new or differs, as fields of an event", function()
    local changed = contracts.replace("mine", { row { expires_ms = 5 } }, 1000, 60)
    assert.equal(1, #changed)
    assert.equal("[[1,0,86400000]]", changed[1].hours)
    assert.equal(5, changed[1].expires)
    for _, name in ipairs({ "expires_ms", "read_ms", "offset_minutes" }) do assert.is_nil(changed[1][name]) end
    assert.same({}, contracts.replace("mine", { row { expires_ms = 5 } }, 2000, 60))
    assert.equal(2000, contracts.get("mine", "EURUSD").read_ms)
    assert.equal(60, contracts.get("mine", "EURUSD").offset_minutes)
    assert.equal(1, #contracts.replace("mine", { row { expires_ms = 5, stops_level = 11 } }, 3000, 60))
    assert.equal(1, #contracts.replace("mine", { row { stops_level = 11 } }, 4000, 60))
    assert.same({}, contracts.replace("mine", { row { stops_level = 11 } }, 5000, 60))
  end)

  it("of what is no longer listed is gone, of other venues it stays", function()
    contracts.replace("mine", { row() }, 1, 0)
    contracts.replace("other", { row { venue = "other" } }, 1, 0)
    contracts.replace("mine", {}, 2, 0)
    assert.is_nil(contracts.get("mine", "EURUSD"))
    assert.is_table(contracts.get("other", "EURUSD"))
    assert.is_true(contracts.read("mine"))
    assert.is_false(contracts.read("third"))
    assert.is_nil(contracts.get("third", "EURUSD"))
  end)

  it("has one symbol for each of our names: the one from before, else the plain one, whatever the order", function()
    local rows = {}
    for i, symbol in ipairs({ "EURUSD.x", "EURUSD", "GBPUSD-b", "GBPUSD-a", "XAUUSD" }) do
      rows[i] = { symbol = symbol, canonical = symbol:match("^%w+") }
    end
    local function chosen(before)
      local kept, others = contracts.one_of_each(rows, function(name) return before[name] end)
      local list = {}
      for i, one in ipairs(kept) do list[i] = one.symbol end
      table.sort(list)
      assert.equal(2, #others)
      return table.concat(list, " ")
    end
    for _ = 1, 2 do
      assert.equal("EURUSD GBPUSD-a XAUUSD", chosen {})
      assert.equal("EURUSD.x GBPUSD-b XAUUSD", chosen { EURUSD = "EURUSD.x", GBPUSD = "GBPUSD-b" })
      rows[1], rows[2], rows[3], rows[4] = rows[4], rows[3], rows[2], rows[1]
    end
  end)

  it("is doubtful while it says closed inside its own hours", function()
    contracts.replace("mine", { row { session_open = false } }, 1, 0)
    assert.is_true(contracts.doubtful("mine", MONDAY + 1))
    assert.is_false(contracts.doubtful("mine", MONDAY - 1))
    contracts.replace("mine", { row() }, 1, 0)
    assert.is_false(contracts.doubtful("mine", MONDAY + 1))
    assert.is_false(contracts.doubtful("third", MONDAY + 1))
  end)
end)

describe("the check before sending", function()
  local precheck, contracts, undo, undo_contracts, now, ledger, asked
  before_each(function()
    now, asked = MONDAY + 1000, 0
    ledger = { quote = function() return 1.1, 1.1001 end, instrument = function() return nil end }
    contracts, undo_contracts = fake.load("perigee.venues.contracts", {})
    local validate = require "perigee.venues.validate"
    precheck, undo = fake.load("perigee.precheck", {
      ["perigee.venues.contracts"] = contracts,
      ["perigee.ledger"] = ledger,
      ["perigee.clock"] = setmetatable({ market_ms = function() return now end },
        { __index = require "perigee.clock" }),
      ["perigee.venues.validate"] = { order = function(o, f)
        asked = asked + 1
        return validate.order(o, f)
      end },
    })
  end)
  after_each(function() undo() undo_contracts() end)

  local leg = { symbol = "EURUSD", side = "BUY", stop = 1.09, target = 1.12 }

  it("takes the ledger's instrument before the list was read, and never after", function()
    assert.equal("instrument", (precheck.entry("mine", leg, 1.1, 1.1001)))
    ledger.instrument = function() return row() end
    now = now + 1
    assert.is_nil((precheck.entry("mine", leg, 1.1, 1.1001)))
    contracts.replace("mine", {}, now, 0)
    now = now + 1
    assert.equal("instrument", (precheck.entry("mine", leg, 1.1, 1.1001)))
  end)

  it("believes the word closed for five minutes", function()
    contracts.replace("mine", { row { session_open = false } }, now, 0)
    assert.equal("session_closed", (precheck.entry("mine", leg, 1.1, 1.1001)))
    now = now + 300001
    assert.is_nil((precheck.entry("mine", leg, 1.1, 1.1001)))
  end)

  it("reads hours in the server's time", function()
    contracts.replace("mine", { row() }, now, -60)
    assert.equal("session_closed", (precheck.entry("mine", leg, 1.1, 1.1001)))
  end)

  it("judges legs that are alike once, and again when anything differs", function()
    contracts.replace("mine", { row() }, now, 0)
    for _ = 1, 100 do precheck.entry("mine", leg, 1.1, 1.1001) end
    assert.equal(1, asked)
    local rule, reason = precheck.entry("mine", { symbol = "EURUSD", side = "BUY", stop = 1.2, target = 1.12 }, 1.1,
      1.1001)
    assert.equal("stop_side", rule)
    assert.same({ rule, reason }, { precheck.entry("mine", { symbol = "EURUSD", side = "BUY", stop = 1.2,
      target = 1.12 }, 1.1, 1.1001) })
    assert.equal(2, asked)
    precheck.entry("mine", leg, 1.1, 1.1002)
    precheck.entry("mine", leg, 1.0999, 1.1002)
    precheck.entry("mine", { symbol = "EURUSD", side = "BUY", stop = 1.09, target = 1.12, volume = "1" }, 1.0999,
      1.1002)
    now = now + 1
    precheck.entry("mine", leg, 1.0999, 1.1002)
    assert.equal(6, asked)
  end)

  it("also where accounts of two brokers take turns", function()
    contracts.replace("mine", { row() }, now, 0)
    contracts.replace("other", { row { venue = "other", stops_level = 5000 } }, now, 0)
    for _ = 1, 50 do
      assert.is_nil((precheck.entry("mine", leg, 1.1, 1.1001)))
      assert.equal("stop_distance", (precheck.entry("other", leg, 1.1, 1.1001)))
    end
    assert.equal(2, asked)
  end)

  it("an edit is judged by the newest quote and what the caller knows", function()
    contracts.replace("mine", { row { freeze_level = 5 } }, now, 0)
    assert.equal("freeze_level", (precheck.order("mine", { op = "edit", symbol = "EURUSD", side = "BUY", stop = "1.09",
      target = "1.12" }, { now_stop = "1.09997" })))
    assert.equal("target_side", (precheck.order("mine", { op = "edit", symbol = "EURUSD", side = "BUY", stop = "1.09",
      target = "1.1" })))
  end)
end)
