-- SPDX-License-Identifier: MIT
-- Edits judged by risk: a stop is moved, not taken off; what makes things riskier stays inside the limits, what makes
-- them safer always passes.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"
local json = require "perigee.json"

describe("an edit", function()
  local edits, undo, rule, checked, equity, bound, limits

  before_each(function()
    rule, checked, equity, bound = nil, nil, 10000, 9000
    limits = { per_trade = 0.01 }
    edits, undo = fake.load("perigee.orchestrate.edits", {
      ["perigee.ledger"] = { account = function() return { broker = "paper" } end,
        standing = function() return equity, bound, 1, false end,
        cost = function(ask) -- one lot, leverage 100
          if ask.canonical == "NORATE" then return nil, { message = "a rate is missing" } end
          local price, stop, volume = tonumber(ask.price), tonumber(ask.stop), tonumber(ask.volume)
          local distance = ask.side == "BUY" and price - stop or stop - price
          return math.max(distance, 0) * volume, price * volume / 100
        end },
      ["perigee.precheck"] = { order = function(_, o, more)
        checked = { o, more }
        if rule then return rule, "why" end
      end },
    })
  end)

  after_each(function() undo() end)

  local function position(fields)
    local p = { account = "1", id = "W1", canonical = "BTCUSD", side = "BUY", ours = true, price = "50000",
      volume = "1", stop = "49950", target = "50100", mark = "50010" }
    for key, value in pairs(fields or {}) do p[key] = value end
    return p
  end

  it("of a position moves its stop as far as the limit, and always towards safety", function()
    for _, case in ipairs {
      { "49990" }, { "50005" }, { "49900" }, { "49899", "risk_per_trade: 101.00 at risk is more than 100.00" },
      { json.null, "no_stop: a stop loss at the broker is moved, not taken off" } } do
      assert.equal(case[2], edits.position(position(), case[1], nil, limits))
    end
    local wide = position { stop = "49000" } -- more than the limit already
    assert.is_nil(edits.position(wide, "49500", nil, limits))
    assert.matches("^risk_per_trade", edits.position(wide, "48999", nil, limits))
    assert.is_nil(edits.position(position { stop = false }, "40000", nil, limits)) -- any stop is safer than none
    local short = position { side = "SELL", stop = "50050", mark = "49990" }
    assert.is_nil(edits.position(short, "50100", nil, limits))
    assert.matches("^risk_per_trade", edits.position(short, "50101", nil, limits))
  end)

  it("of a position takes its target off, and leaves alone what a hand has opened", function()
    assert.is_nil(edits.position(position(), nil, json.null, limits))
    assert.same({ "49950" }, { checked[1].stop, checked[1].target })
    assert.is_nil(edits.position(position { ours = false }, json.null, nil, limits))
    assert.is_nil(edits.position(position { ours = false }, "1", nil, limits))
  end)

  it("is refused by the price, the broker's rules, or when the risk cannot be told", function()
    assert.matches("wrong side", edits.position(position(), "50010", nil, limits))
    assert.matches("wrong side", edits.position(position(), nil, "50000", limits))
    rule = "stops_level"
    assert.equal("stops_level: why", edits.position(position(), "49999", nil, limits))
    assert.equal("stops_level: why", edits.pending(position(), { price = "1", volume = "1" }, limits))
    rule = nil
    local away = position { canonical = "NORATE" }
    assert.matches("cannot be told: a rate is missing", edits.position(away, "49940", nil, limits))
    for _, stop in ipairs { "49990", "49950" } do assert.is_nil(edits.position(away, stop, nil, limits)) end
    away = position { canonical = "NORATE", side = "SELL", stop = "50050", mark = "49990" }
    assert.is_nil(edits.position(away, "50040", nil, limits))
    assert.matches("cannot be told", edits.position(away, "50060", nil, limits))
  end)

  it("of a pending order is judged by its new price, stop and volume together", function()
    local p = position { type = "LIMIT", mark = false }
    local function try(price, stop, volume)
      return edits.pending(p, { price = price, stop = stop, volume = volume or "1", target = "50100" }, limits)
    end
    assert.is_nil(try("50000", "49950"))
    assert.is_nil(try("50050", "49950"))
    assert.matches("^risk_per_trade", try("50051", "49950"))
    assert.is_nil(try("50151", "49950", "0.4"))
    assert.matches("^no_stop", try("50000", "0"))
    assert.same("pending_edit", checked[1].op)
    assert.equal("50000", checked[2].now_price)
    bound = 9999.6 -- 0.4 are free, and 50 higher binds 0.5 more
    assert.matches("^margin: 0.50 more", try("50050", "49960"))
    assert.is_nil(try("49990", "49950"))
    bound = nil
    assert.matches("^margin: the margin is not known", try("50050", "49960"))
  end)
end)
