-- SPDX-License-Identifier: MIT
-- Risk: each check at its edges. A leg passes only if all of them pass.

local risk = require "perigee.risk"

local function leg(changes)
  local l = { account = "1", canonical = "BTCUSD", symbol = "BTCUSD", side = "BUY", volume = "1", price = "100",
    stop = "99", target = "102", signal = 1 }
  for key, value in pairs(changes or {}) do l[key] = value end
  return l
end

local function account(changes)
  local a = { paused = false, exposure = 0, risk_money = 100, equity = 10000, margin = 50, free_margin = 9000 }
  for key, value in pairs(changes or {}) do a[key] = value end
  return a
end

local function limits(changes)
  local l = { trading_enabled = true, max_positions = 3, per_trade = 0.01, max_signal_age = 5 }
  for key, value in pairs(changes or {}) do l[key] = value end
  return l
end

local function rule(l, a, m)
  local passes, name, reason = risk.check(l or leg(), a or account(), m or limits())
  if passes then
    assert.is_nil(name)
    return nil
  end
  assert.is_false(passes)
  assert.is_string(reason)
  return name
end

describe("risk lets a leg pass", function()
  it("that is sound", function() assert.is_nil(rule()) end)

  it("that is a sound short", function()
    assert.is_nil(rule(leg { side = "SELL", stop = "101", target = "98" }))
  end)

  it("whatever its size, when no largest size is set", function()
    assert.is_nil(rule(leg { volume = "1000000" }))
  end)
end)

describe("risk refuses a leg", function()
  it("when trading is off", function()
    assert.equal("trading_disabled", rule(nil, nil, limits { trading_enabled = false }))
  end)

  it("of a paused account", function()
    assert.equal("account_paused", rule(nil, account { paused = true }))
  end)

  it("without a stop, said in either way", function()
    assert.equal("no_stop", rule(leg { stop = "0" }))
    local bare = leg()
    bare.stop = nil
    assert.equal("no_stop", rule(bare))
  end)

  it("without a target, said in either way", function()
    assert.equal("no_target", rule(leg { target = "0" }))
    local bare = leg()
    bare.target = nil
    assert.equal("no_target", rule(bare))
  end)

  it("whose stop is at the price or beyond", function()
    assert.is_nil(rule(leg { stop = "99.99999999" }))
    assert.equal("no_stop", rule(leg { stop = "100" }))
    assert.equal("no_stop", rule(leg { stop = "101" }))
    assert.is_nil(rule(leg { side = "SELL", stop = "100.00000001", target = "98" }))
    assert.equal("no_stop", rule(leg { side = "SELL", stop = "100", target = "98" }))
    assert.equal("no_stop", rule(leg { side = "SELL", stop = "99", target = "98" }))
  end)

  it("whose target is at the price or before it", function()
    assert.is_nil(rule(leg { target = "100.1" }))
    assert.equal("no_target", rule(leg { target = "100" }))
    assert.equal("no_target", rule(leg { target = "98" }))
    assert.equal("no_target", rule(leg { side = "SELL", stop = "101", target = "100" }))
    assert.equal("no_target", rule(leg { side = "SELL", stop = "101", target = "103" }))
  end)

  it("when the account has its most positions", function()
    assert.is_nil(rule(nil, account { exposure = 2 }))
    assert.equal("max_positions", rule(nil, account { exposure = 3 }))
    assert.equal("max_positions", rule(nil, account { exposure = 4 }))
    assert.equal("max_positions", rule(nil, account { exposure = 1 }, limits { max_positions = 1 }))
  end)

  it("that is larger than the largest size", function()
    assert.is_nil(rule(leg { volume = "1.5" }, nil, limits { max_position_size = 1.5 }))
    assert.equal("max_position_size", rule(leg { volume = "1.51" }, nil, limits { max_position_size = 1.5 }))
    assert.equal("max_position_size", rule(nil, nil, limits { max_position_size = 0 }))
  end)

  it("that puts more at risk than the share of the equity", function()
    assert.is_nil(rule(nil, account { risk_money = 100 }))
    assert.equal("risk_per_trade", rule(nil, account { risk_money = 100.01 }))
    assert.equal("risk_per_trade", rule(nil, account { risk_money = 1, equity = 0 }))
    assert.equal("risk_per_trade", rule(nil, account { risk_money = 1, equity = -50 }))
  end)

  it("that puts more than five percent at risk, whatever is configured", function()
    local loose = limits { per_trade = 0.5 }
    assert.equal(0.05, risk.CEILING)
    assert.is_nil(rule(nil, account { risk_money = 500 }, loose))
    assert.equal("risk_per_trade", rule(nil, account { risk_money = 500.01 }, loose))
  end)

  it("whose loss is not known or is no number", function()
    local unknown = account()
    unknown.risk_money = nil
    assert.equal("risk_per_trade", rule(nil, unknown))
    assert.equal("risk_per_trade", rule(nil, account { risk_money = 0 / 0 }))
    assert.equal("risk_per_trade", rule(nil, account { equity = 0 / 0 }))
  end)

  it("by the first rule that it breaks", function()
    assert.equal("trading_disabled", rule(leg { stop = "0" }, account { paused = true },
      limits { trading_enabled = false }))
    assert.equal("no_stop", rule(leg { stop = "0", target = "0" }, account { exposure = 9 }))
  end)
end)

describe("risk looks at the margin", function()
  it("and refuses what binds more than is free, or what is not known", function()
    assert.is_nil(rule(nil, account { margin = 9000, free_margin = 9000 }))
    assert.equal("margin", rule(nil, account { margin = 9000.01, free_margin = 9000 }))
    local unknown = account()
    unknown.free_margin = nil
    assert.equal("margin", rule(nil, unknown))
  end)
end)

describe("risk's checks", function()
  it("have names of their own that do not change", function()
    assert.same({ "trading_disabled", "account_paused", "no_stop", "no_target", "max_positions",
      "max_position_size", "margin", "risk_per_trade" }, risk.rules)
  end)

  it("are asked in this order: each hides those after it, and none is left out", function()
    local l = leg { stop = "101", target = "99", volume = "9" }
    local a = account { paused = true, exposure = 9, margin = 9e9, risk_money = 9e9 }
    local m = limits { trading_enabled = false, max_position_size = 2 }
    local mend = { trading_disabled = function() m.trading_enabled = true end,
      account_paused = function() a.paused = false end, no_stop = function() l.stop = "99" end,
      no_target = function() l.target = "102" end, max_positions = function() a.exposure = 0 end,
      max_position_size = function() l.volume = "1" end, margin = function() a.margin = 50 end,
      risk_per_trade = function() a.risk_money = 100 end }
    for _, name in ipairs(risk.rules) do
      assert.equal(name, rule(l, a, m))
      mend[name]()
    end
    assert.is_nil(rule(l, a, m))
  end)

  it("look at each leg anew, whatever the one before was", function()
    assert.equal("no_stop", rule(leg { stop = "101" }))
    assert.is_nil(rule())
    assert.equal("no_stop", rule(leg { price = "98" }))
    local bare = leg()
    bare.stop = nil
    assert.equal("no_stop", rule(bare))
    bare.stop, bare.target = "99", nil
    assert.equal("no_target", rule(bare))
    assert.is_nil(rule())
    local priceless = leg()
    priceless.price = nil
    assert.has_error(function() risk.check(priceless, account(), limits()) end) -- the core refuses on an error
  end)

  it("refuse what is no number", function()
    assert.equal("risk_per_trade", rule(nil, account { risk_money = 0 / 0 }))
    assert.equal("risk_per_trade", rule(nil, account { equity = 0 / 0 }))
    assert.equal("risk_per_trade", rule(nil, nil, limits { per_trade = 0 / 0 }))
  end)
end)

describe("risk takes a signal", function()
  local function accepts(age_ms, m, stopping, signal)
    return risk.accepts(signal or { price = 100, stop = 99, target = 102 }, age_ms, m or limits(), stopping or false)
  end

  it("that is fresh, to the last millisecond", function()
    assert.is_true((accepts(0)))
    assert.is_true((accepts(5000)))
    local passes, name = accepts(5001)
    assert.same({ false, "signal_age" }, { passes, name })
  end)

  it("not while trading is off or the engine stops", function()
    local _, name = accepts(0, limits { trading_enabled = false })
    assert.equal("trading_disabled", name)
    _, name = accepts(0, limits(), true)
    assert.equal("entries_stopped", name)
  end)

  it("only with price, stop and target", function()
    for _, missing in ipairs({ "price", "stop", "target" }) do
      local signal = { price = 100, stop = 99, target = 102 }
      signal[missing] = nil
      local passes, name = accepts(0, limits(), false, signal)
      assert.same({ false, "no_" .. missing }, { passes, name })
    end
  end)
end)
