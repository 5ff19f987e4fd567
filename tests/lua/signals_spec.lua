-- SPDX-License-Identifier: MIT
-- A signal's way: what it closes, what refuses it, and what an explicit order leaves alone.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("a signal", function()
  local signals, undo, told, closed, executed, state, stopped, result, broken, offered, forgotten, lost

  before_each(function()
    told, closed, executed, offered, forgotten, stopped, broken, lost = {}, {}, {}, {}, {}, false, false, nil
    result = { { legs = {}, kept_out = {} } }
    signals, undo = fake.load("perigee.signals", {
      ["perigee.clock"] = { market_ms = function() return 10000 end },
      ["perigee.config"] = { get = function(key)
        return ({ ["risk.trading_enabled"] = true, ["risk.max_signal_age"] = 5 })[key]
      end },
      ["perigee.event"] = { emit = function(kind, fields)
        if broken then error("the journal is broken") end
        told[#told + 1] = { kind, fields.signal, fields.rule or fields.who }
      end },
      ["perigee.exec"] = { entries_stopped = function() return stopped end },
      ["perigee.exits"] = { on_signal = function(s)
        closed[#closed + 1] = s.action
        return 0, lost
      end },
      ["perigee.ledger"] = { last_ids = function() return { signal = 6 } end },
      ["perigee.orchestrate"] = { execute = function(s, accounts, _, _, options)
        executed[#executed + 1] = { s.id, accounts, options.volume }
        return table.unpack(result, 1, 2)
      end },
      ["perigee.orchestrate.report"] = { begin = function(s, said, kept_out)
        return { signal_id = s.id, said = said, kept_out = kept_out }
      end, merge = function() end },
      ["perigee.orchestrate.retry"] = { offer = function(_, s, _, all) offered[#offered + 1] = { s.id, all } end,
        forget = function() forgotten[#forgotten + 1] = "drop" end },
      ["perigee.orchestrate.overtaken"] = { mark = function(...) forgotten[#forgotten + 1] = { ... } end },
    })
    state = { policies = { other = {} }, fleet = { active = function() return { "1", "2" } end }, quotes = {} }
    signals.begin(state)
  end)

  after_each(function() undo() end)

  local function entry(more)
    local s = { action = "OPEN_LONG", symbol = "BTCUSD", price = 100, stop = 99, target = 102, time_ms = 9000 }
    for key, value in pairs(more or {}) do s[key] = value end
    return s
  end

  it("is numbered from the journal on, closes what it speaks against, and goes to all that may open", function()
    assert.equal(result[1], signals.take(state, entry()))
    signals.take(state, entry { who = "ann" })
    assert.same({ { "signal", 7 }, { "signal", 8, "ann" } }, told)
    assert.same({ "OPEN_LONG", "OPEN_LONG" }, closed)
    assert.same({ 7, { "1", "2" } }, executed[1])
  end)

  it("of an explicit order leaves other positions alone and goes where it is told", function()
    signals.take(state, entry(), { accounts = { "2" }, volume = "0.5" })
    assert.same({}, closed)
    assert.same({}, forgotten)
    assert.same({ 7, { "2" }, "0.5" }, executed[1])
    signals.take(state, entry(), { accounts = { "2" }, orders = { ["2"] = { volume = "1" } } })
    assert.same({}, closed)
  end)

  it("overtakes what older ones of its symbol still wanted, and offers what failed for a further try", function()
    signals.take(state, entry())
    assert.same({ { 6, "BTCUSD" }, "drop" }, forgotten) -- not itself
    assert.same({ { 7, state.policies } }, offered)
  end)

  it("leaves a record with all that was kept out, by the caller, too", function()
    result = { { legs = {}, kept_out = { { account = "3" } } } }
    local said, err, record = signals.take(state, entry(), { accounts = { "1" }, kept_out = { { account = "2" } } })
    assert.equal(result[1], said)
    assert.is_nil(err)
    assert.same({ { account = "2" }, { account = "3" } }, record.kept_out)
    result = { nil, { code = "limit", message = "no" } }
    said, err, record = signals.take(state, entry())
    assert.is_nil(said)
    assert.equal("limit", err.code)
    assert.is_nil(record)
  end)

  it("to close opens nothing", function()
    assert.same({}, signals.take(state, { action = "CLOSE", time_ms = 9000 }).legs)
    assert.same({ "CLOSE" }, closed)
    assert.same({}, executed)
  end)

  it("to close is no success when something is not seen to", function()
    lost = { code = "io", message = "no space is left" }
    local said, err = signals.take(state, { action = "CLOSE", time_ms = 9000 })
    assert.is_nil(said)
    assert.equal("state", err.code)
    assert.matches("no space is left", err.message)
  end)

  it("that is refused says by which rule, and opens nothing", function()
    for _, case in ipairs({
      { "entries_stopped", function() stopped = true end },
      { "entries_stopped", function() state.stopping = true end },
      { "signal_age", function() end, { time_ms = 4000 } },
      { "no_stop", function() end, { stop = false } },
    }) do
      stopped, state.stopping, told = false, nil, {}
      case[2]()
      local report, err = signals.take(state, entry(case[3]))
      assert.is_nil(report)
      assert.equal(case[1], err.code)
      assert.equal("signal_refused", told[2][1])
      assert.equal(case[1], told[2][3])
    end
    assert.same({}, executed)
  end)

  it("that no account can take says who was kept out", function()
    result = { nil, { code = "no_legs", message = "none", kept_out = { { account = "1" } } } }
    local report, err = signals.take(state, entry())
    assert.is_nil(report)
    assert.equal("1", err.kept_out[1].account)
    assert.same({ "signal_refused", 7, "no_legs" }, told[2])
  end)

  it("closes even when it cannot be journalled, and opens nothing then", function()
    broken = true
    assert.is_false((pcall(signals.take, state, entry())))
    assert.same({ "OPEN_LONG" }, closed)
    assert.same({}, executed)
  end)
end)
