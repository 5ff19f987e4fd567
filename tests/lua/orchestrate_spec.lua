-- SPDX-License-Identifier: MIT
-- From one signal to a sized order on every account, and what the account that is left out is told.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("orchestrate", function()
  local orchestrate, undo, told, added, report, sizes, guard, asked, checks, prechecked, wanted, groups

  before_each(function()
    told, added, sizes, checks, prechecked, groups = {}, {}, {}, {}, nil, {}
    report = { legs = {} }
    local batch = setmetatable({ add = function(_, leg) added[#added + 1] = leg return true end,
      submit = function() return report end }, { __len = function() return #added end, __close = function() end })
    orchestrate, undo = fake.load("perigee.orchestrate", {
      ["perigee.event"] = { emit = function(kind, fields) told[#told + 1] = { kind, fields.account, fields.rule } end },
      ["perigee.exec"] = { batch = function(options) wanted = options return batch end,
        risk = function(fn) guard = fn end },
      ["perigee.ledger"] = { account = function(id)
          return id ~= "unread" and { broker = "paper", group = groups[id] } or nil
        end,
        entry_pending = function(account) return account == "pending" end,
        size = function(ask)
          asked = ask
          return sizes[ask.account] or { volume = "1", risk_money = "10", margin = "5" }
        end,
        standing = function() return 1000, 100, 0, false end },
      ["perigee.log"] = { error = function() end },
      ["perigee.precheck"] = { entry = function(venue, leg, bid, ask)
        prechecked = { venue, leg.symbol, leg.side, leg.stop, leg.target, leg.volume, bid, ask }
        return table.unpack(checks)
      end },
    })
  end)

  after_each(function() undo() end)

  local signal = { id = 7, action = "OPEN_LONG", symbol = "BTCUSD", price = 100, stop = 99, target = 102,
    holding_ms = 60000 }
  local limits = { per_trade = 0.01, margin_share = 0.5, deadline_ms = 1000, trading_enabled = true, max_positions = 3 }
  local quotes = { quote = function() return 200, 201 end }

  it("moves stop and target by their distances to the broker's price", function()
    assert.same({ 201, 200, 203 }, { orchestrate.levels(signal, "BUY", 200, 201) })
    assert.same({ 200, 201, 198 }, { orchestrate.levels({ price = 100, stop = 101, target = 98 }, "SELL", 200, 201) })
  end)

  it("adds one sized leg for each account", function()
    assert.equal(report, orchestrate.execute(signal, { "1", "2" }, limits, quotes))
    assert.equal(2, #added)
    assert.same({ "2", "BUY", "1", 201, 200, 203, 60000 }, { added[2].account, added[2].side, added[2].volume,
      added[2].price, added[2].stop, added[2].target, added[2].holding_ms })
  end)

  it("leaves out an account that no volume fits, and says why", function()
    sizes["1"] = { volume = "0", rule = "volume_min" }
    orchestrate.execute(signal, { "1", "2" }, limits, quotes)
    assert.equal(1, #added)
    assert.same({ { "risk_refused", "1", "volume_min" } }, told)
  end)

  it("sends nothing that the broker would refuse, and says which rule it breaks", function()
    checks = { "session", "BTCUSD is closed" }
    local result, err = orchestrate.execute(signal, { "1", "2" }, limits, quotes, { volume = "0.5" })
    assert.is_nil(result)
    assert.same({ "paper", "BTCUSD", "BUY", 200, 203, "0.5", 200, 201 }, prechecked)
    assert.same({ { account = "1", rule = "session", reason = "BTCUSD is closed" },
      { account = "2", rule = "session", reason = "BTCUSD is closed" } }, err.kept_out)
    assert.same({ { "risk_refused", "1", "session" }, { "risk_refused", "2", "session" } }, told)
    assert.equal("session", orchestrate.preview(signal, { "1" }, limits, quotes)[1].rule)
  end)

  it("sends nothing when no account can take it", function()
    local result, err = orchestrate.execute(signal, { "1" }, limits, { quote = function() end })
    assert.is_nil(result)
    assert.equal("no_legs", err.code)
    assert.same({ { "risk_refused", "1", "no_quote" } }, told)
  end)

  it("journals what the fan-out refused", function()
    report.legs = { { account = "1", refused = true, rule = "pending", reason = "x" }, { account = "2" } }
    orchestrate.execute(signal, { "1", "2" }, limits, quotes)
    assert.same({ { "risk_refused", "1", "pending" } }, told)
  end)

  it("guards every leg with the loss and the margin that it was sized to", function()
    orchestrate.guard(limits)
    sizes["1"] = { volume = "1", risk_money = "10.1", margin = "5" }
    sizes["2"] = { volume = "1", risk_money = "10", margin = "901" }
    orchestrate.execute(signal, { "1", "2", "3" }, limits, quotes)
    local function rule(account)
      local _, name = guard { account = account, side = "BUY", volume = "1", price = "201", stop = "200",
        target = "203" }
      return name
    end
    assert.same({ "risk_per_trade", "margin" }, { rule "1", rule "2" })
    assert.is_nil(rule "3")
    assert.equal("margin", rule "unknown")
  end)

  it("takes a wanted volume as it is, past the cap that only cuts sizes by risk", function()
    local most = { per_trade = 0.01, margin_share = 0.5, max_position_size = 2 }
    orchestrate.execute(signal, { "1" }, most, quotes)
    assert.same({ 2 }, { asked.cap, asked.volume })
    orchestrate.execute(signal, { "1" }, most, quotes, { volume = "3" })
    assert.same({ nil, "3" }, { asked.cap, asked.volume })
  end)

  it("tells who was kept out and why, with orders and without", function()
    sizes["1"] = { volume = "0", rule = "volume_step" }
    local result = orchestrate.execute(signal, { "1", "2" }, limits, quotes, { volume = "0.015" })
    assert.same({ { account = "1", rule = "volume_step",
      reason = "the volume is no multiple of the instrument's step" } }, result.kept_out)
    added = {}
    local _, err = orchestrate.execute(signal, { "1" }, limits, quotes, { volume = "0.015" })
    assert.equal("1", err.kept_out[1].account)
  end)

  it("shows what would happen, by the same rules and without a word to anybody", function()
    sizes["1"] = { volume = "0", rule = "margin" }
    sizes["2"] = { volume = "1", risk_money = "10.1", margin = "5" }
    local legs = orchestrate.preview(signal, { "1", "2", "3", "pending" }, limits, quotes)
    local rules = {}
    for i, leg in ipairs(legs) do rules[i] = leg.rule or "passes" end
    assert.same({ "margin", "risk_per_trade", "passes", "pending" }, rules)
    assert.is_nil(legs[1].leg)
    assert.same({ "1", "10", "5" }, { legs[3].leg.volume, legs[3].risk_money, legs[3].margin })
    assert.same({}, told)
    assert.same({}, added)
  end)

  it("tells the fan-out what becomes of each group", function()
    local all = { other = { on_failure = "catch_up" }, names = { "a", "b" },
      groups = { a = { on_failure = "all_or_none" }, b = { on_failure = "quorum", quorum = 2 } } }
    orchestrate.execute(signal, { "1" }, limits, quotes, { policies = all, settle = "first" })
    assert.same({ signal = 7, settle = "first", deadline_ms = 1000, on_failure = "best_effort",
      groups = { { group = "a", on_failure = "all_or_none" }, { group = "b", on_failure = "quorum", quorum = 2 } } },
      wanted)
    orchestrate.execute(signal, { "1" }, limits, quotes)
    assert.same({ signal = 7, settle = "all", deadline_ms = 1000 }, wanted)
  end)

  it("sends nothing to a group that is not whole, and tells all of it why", function()
    local all = { other = { on_failure = "best_effort" }, names = { "a", "b" },
      groups = { a = { on_failure = "all_or_none" }, b = { on_failure = "quorum", quorum = 2 } } }
    groups = { ["1"] = "a", ["2"] = "a", ["3"] = "b", ["4"] = "b", ["5"] = "b", ["6"] = "c" }
    sizes["2"], sizes["4"] = { volume = "0", rule = "volume_min" }, { volume = "0", rule = "volume_min" }
    local result = orchestrate.execute(signal, { "1", "2", "3", "4", "5", "6" }, limits, quotes, { policies = all })
    local sent, rules = {}, {}
    for i, leg in ipairs(added) do sent[i] = leg.account end
    for _, row in ipairs(result.kept_out) do rules[row.account] = row.rule end
    assert.same({ "3", "5", "6" }, sent)
    assert.same({ ["1"] = "all_or_none", ["2"] = "volume_min", ["4"] = "volume_min" }, rules)
    added = {}
    orchestrate.execute(signal, { "3", "5" }, limits, quotes, { policies = all, absent = { "4" } })
    assert.equal(2, #added) -- the quorum is there
    added = {}
    local none, err = orchestrate.execute(signal, { "3" }, limits, quotes, { policies = all })
    assert.is_nil(none)
    assert.equal("quorum", err.kept_out[1].rule)
    none, err = orchestrate.execute(signal, { "1" }, limits, quotes, { policies = all, absent = { "2" } })
    assert.is_nil(none)
    assert.equal("all_or_none", err.kept_out[1].rule)
  end)

  it("takes what is explicit of an account as it is", function()
    orchestrate.execute(signal, { "1", "2" }, limits, quotes, { attempts = { ["2"] = 3 },
      orders = { ["1"] = { volume = "0.3", stop = "150", target = "250" } } })
    assert.same({ 150, 250 }, { added[1].stop, added[1].target })
    assert.same({ 200, 203, 3 }, { added[2].stop, added[2].target, added[2].attempt })
  end)

  it("creates no pending order on an account that was not read yet", function()
    local state, err = orchestrate.pending({ account = "unread", symbol = "BTCUSD", side = "BUY", type = "LIMIT",
      volume = "0.1", price = "90", stop = "80" }, limits)
    assert.same({ nil, "unavailable" }, { state, err.code })
    assert.matches("account unread has not been read yet", err.message)
  end)
end)
