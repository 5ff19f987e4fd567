-- SPDX-License-Identifier: MIT
-- Conditions of a signal: one meaning everywhere, each at its edge.

local conditions = require "perigee.strategy.conditions"

local LONG, SHORT = 1, -1

local function near(expected, value)
  assert.truthy(math.abs(expected - value) < 1e-12, ("%s is not %s"):format(value, expected))
end

describe("volume_ratio", function()
  it("holds from the threshold on", function()
    assert.is_true(conditions.volume_ratio(20, 3, 3, 3, "reference").pass)
    assert.is_true(conditions.volume_ratio(20, 3.1, 3, 3, "reference").pass)
    assert.is_false(conditions.volume_ratio(20, 2.999999, 3, 3, "reference").pass)
  end)

  it("reports its period, value, threshold and source", function()
    local c = conditions.volume_ratio(50, 4.5, 3, 3, "reference")
    assert.same({ "volume_ratio_50", 4.5, 3, "reference", true, 0.5 },
      { c.name, c.value, c.threshold, c.source, c.pass, c.margin })
  end)
end)

describe("buy_share", function()
  it("of 0.60 is enough for a long, of 0.40 for a short", function()
    assert.is_true(conditions.buy_share(LONG, 60, 40, 0.6, 0.2, "recorded").pass)
    assert.is_false(conditions.buy_share(LONG, 59.9, 40.1, 0.6, 0.2, "recorded").pass)
    assert.is_true(conditions.buy_share(SHORT, 40, 60, 0.6, 0.2, "recorded").pass)
    assert.is_false(conditions.buy_share(SHORT, 40.1, 59.9, 0.6, 0.2, "recorded").pass)
  end)

  it("of one side does not hold for the other", function()
    assert.is_false(conditions.buy_share(LONG, 1, 9, 0.6, 0.2, "recorded").pass)
    assert.is_false(conditions.buy_share(SHORT, 9, 1, 0.6, 0.2, "recorded").pass)
  end)

  it("is the buyers' share for both sides, and names where the side comes from", function()
    local long = conditions.buy_share(LONG, 3, 1, 0.6, 0.2, "tick_rule")
    local short = conditions.buy_share(SHORT, 1, 3, 0.6, 0.2, "modelled")
    assert.same({ 0.75, 0.6, "tick_rule" }, { long.value, long.threshold, long.source })
    assert.same({ 0.25, 0.4, "modelled" }, { short.value, short.threshold, short.source })
    near(0.75, long.margin)
    near(0.75, short.margin)
  end)

  it("is not known where nothing was traded", function()
    local c = conditions.buy_share(LONG, 0, 0, 0.6, 0.2, "none")
    assert.is_nil(c.value)
    assert.is_false(c.pass)
  end)
end)

describe("imbalance", function()
  it("must be above 0.6 for a long and below 0.4 for a short: the edge is not enough", function()
    assert.is_true(conditions.imbalance(LONG, 0.600001, 0.6, 0.2, "book").pass)
    assert.is_false(conditions.imbalance(LONG, 0.6, 0.6, 0.2, "book").pass)
    assert.is_true(conditions.imbalance(SHORT, 0.399999, 0.6, 0.2, "book").pass)
    assert.is_false(conditions.imbalance(SHORT, 0.4, 0.6, 0.2, "book").pass)
    assert.is_false(conditions.imbalance(LONG, 0.5, 0.6, 0.2, "book").pass)
    assert.is_false(conditions.imbalance(SHORT, 0.5, 0.6, 0.2, "book").pass)
  end)

  it("does not hold where there is no book", function()
    local c = conditions.imbalance(LONG, nil, 0.6, 0.2, "book")
    assert.same({ "imbalance", false, 0.6 }, { c.name, c.pass, c.threshold })
    assert.is_nil(c.value)
    assert.is_nil(c.margin)
  end)
end)

describe("ma_break", function()
  local function breaks(side, price, crossed, now)
    return conditions.ma_break(side, price, 100, crossed, now or 60000, 60000, 0.002)
  end

  it("is a price beyond the average that was not beyond it within the time", function()
    assert.is_true(breaks(LONG, 100.1, 30000).pass)
    assert.is_true(breaks(SHORT, 99.9, 30000).pass)
    assert.is_false(breaks(LONG, 99.9, 30000).pass)
    assert.is_false(breaks(SHORT, 100.1, 30000).pass)
    assert.is_false(breaks(LONG, 100, 30000).pass)
    assert.is_false(breaks(SHORT, 100, 30000).pass)
  end)

  it("is fresh to the last millisecond, and not when it was never on the other side", function()
    assert.is_true(breaks(LONG, 100.1, 0, 60000).pass)
    assert.is_false(breaks(LONG, 100.1, 0, 60001).pass)
    assert.is_false(breaks(LONG, 100.1, nil).pass)
  end)

  it("reports the distance as a share of the average", function()
    local c = breaks(LONG, 100.1, 30000)
    near(0.001, c.value)
    near(0.5, c.margin)
    assert.equal(0, c.threshold)
    near(-0.001, breaks(SHORT, 99.9, 30000).value)
  end)

  it("does not hold while there is no average yet", function()
    local c = conditions.ma_break(LONG, 100, nil, 30000, 60000, 60000, 0.002)
    assert.is_nil(c.value)
    assert.is_false(c.pass)
  end)
end)

describe("rsi", function()
  it("must be below 70 for a long and above 30 for a short: the edge is not enough", function()
    assert.is_true(conditions.rsi(LONG, 69.9, 70, 30, 40).pass)
    assert.is_false(conditions.rsi(LONG, 70, 70, 30, 40).pass)
    assert.is_true(conditions.rsi(LONG, 5, 70, 30, 40).pass)
    assert.is_true(conditions.rsi(SHORT, 30.1, 70, 30, 40).pass)
    assert.is_false(conditions.rsi(SHORT, 30, 70, 30, 40).pass)
    assert.is_true(conditions.rsi(SHORT, 95, 70, 30, 40).pass)
  end)

  it("names the threshold of its side, and does not hold while it warms up", function()
    assert.equal(70, conditions.rsi(LONG, 50, 70, 30, 40).threshold)
    assert.equal(30, conditions.rsi(SHORT, 50, 70, 30, 40).threshold)
    near(0.5, conditions.rsi(LONG, 50, 70, 30, 40).margin)
    assert.is_false(conditions.rsi(LONG, nil, 70, 30, 40).pass)
  end)
end)

describe("same_direction", function()
  local up, down, flat = { open = 1, close = 2 }, { open = 2, close = 1 }, { open = 1, close = 1 }

  it("is that the last three candles rise, or fall", function()
    assert.is_true(conditions.same_direction(LONG, { up, up, up }, 3).pass)
    assert.is_true(conditions.same_direction(SHORT, { down, down, down }, 3).pass)
    assert.is_false(conditions.same_direction(SHORT, { up, up, up }, 3).pass)
  end)

  it("looks at the newest ones only, and a flat one breaks the row", function()
    assert.is_true(conditions.same_direction(LONG, { down, up, up, up }, 3).pass)
    assert.is_false(conditions.same_direction(LONG, { up, up, up, down }, 3).pass)
    assert.is_false(conditions.same_direction(LONG, { up, flat, up }, 3).pass)
    assert.equal(2, conditions.same_direction(LONG, { up, flat, up }, 3).value)
  end)

  it("needs as many as are asked for", function()
    assert.is_false(conditions.same_direction(LONG, { up, up }, 3).pass)
    assert.is_false(conditions.same_direction(LONG, {}, 3).pass)
    assert.is_true(conditions.same_direction(LONG, { up }, 1).pass)
  end)
end)

describe("a list of conditions", function()
  local function c(name, pass, margin)
    return { name = name, pass = pass, margin = margin, value = 1, threshold = 2, source = "s" }
  end

  it("holds when every required one does; the others only count for the confidence", function()
    local list = { c("a", true, 0.5), c("b", false, 0.9), c("c", true, 1) }
    assert.is_true(conditions.all(list, { a = true, c = true }))
    assert.is_false(conditions.all(list, { a = true, b = true }))
    assert.is_true(conditions.all(list, { a = true, b = false }))
    assert.is_true(conditions.all(list, {}))
    near(2 / 3, conditions.confidence(list))
  end)

  it("is as strong as the mean margin of those that hold", function()
    near(0.75, conditions.strength { c("a", true, 0.5), c("b", false, 0), c("c", true, 1) })
    assert.equal(0, conditions.strength { c("a", false, 1) })
    assert.equal(0, conditions.strength {})
    assert.equal(0, conditions.confidence {})
  end)

  it("has margins between 0 and 1", function()
    assert.equal(1, conditions.volume_ratio(20, 30, 3, 3, "s").margin)
    assert.equal(0, conditions.volume_ratio(20, 3, 3, 3, "s").margin)
    near(1 / 3, conditions.volume_ratio(20, 2, 3, 3, "s").margin)
  end)

  it("reports name, value, threshold, source and whether it holds, of each, and nothing else", function()
    local report = conditions.report { c("a", true, 0.5), conditions.imbalance(LONG, nil, 0.6, 0.2, "book") }
    assert.same({ { name = "a", value = 1, threshold = 2, source = "s", pass = true },
      { name = "imbalance", threshold = 0.6, source = "book", pass = false } }, report)
  end)
end)
