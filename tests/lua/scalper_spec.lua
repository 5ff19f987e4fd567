-- SPDX-License-Identifier: MIT
-- strategies/volume_spike_scalper.lua, driven bar by bar with a context of our own.

local conditions = require "perigee.strategy.conditions"

local PATH = "strategies/volume_spike_scalper.lua"
local MINUTE = 60000

-- As the sandbox loads it: `require` knows the strategy library alone.
local function load_strategy()
  local environment = setmetatable({ require = function(name)
    assert(name == "conditions")
    return conditions
  end }, { __index = _G })
  return assert(loadfile(PATH, "t", environment))()
end

local function defaults(strategy, changes)
  local p = {}
  for name, param in pairs(strategy.params) do p[name] = param.default end
  for name, value in pairs(changes or {}) do p[name] = value end
  return p
end

describe("the volume spike scalper", function()
  local strategy, ctx

  -- A world in which a long has every reason, its price just over the average.
  local function world(changes)
    local values = { average = 100, ratio20 = 4, ratio50 = 3.5, ratio100 = 3.2, rsi = 60 }
    local up = { open = 1, close = 2 }
    ctx = { params = defaults(strategy, changes), symbol = "BTCUSD", state = {}, values = values, book = 0.7,
      recent = { up, up, up } }
    function ctx:value(name) return self.values[name] end
    function ctx:imbalance(n)
      assert(n == 10)
      return self.book
    end
    function ctx:bars(timeframe, count)
      assert(timeframe == "1m" and count == self.params.direction_bars)
      return self.recent
    end
    strategy.init(ctx)
    return ctx
  end

  local function second(close, close_ms)
    return strategy.on_bar(ctx, "1s", { open_ms = close_ms - 1000, close_ms = close_ms, open = close, high = close,
      low = close, close = close, volume = 1, buy_volume = 1, sell_volume = 0, side = "modelled" })
  end

  local function minute(changes)
    local bar = { open_ms = 0, close_ms = MINUTE, open = 100, high = 100.2, low = 99.9, close = 100.2, volume = 90,
      buy_volume = 60, sell_volume = 30, side = "modelled" }
    for key, value in pairs(changes or {}) do bar[key] = value end
    return strategy.on_bar(ctx, "1m", bar)
  end

  -- The same for a short.
  local function mirrored()
    ctx.book = 0.3
    ctx.values.rsi = 40
    ctx.recent = { { open = 2, close = 1 }, { open = 2, close = 1 }, { open = 2, close = 1 } }
    return { close = 99.8, high = 100.1, low = 99.7, buy_volume = 30, sell_volume = 60 }
  end

  before_each(function()
    strategy = load_strategy()
    world()
    second(99.9, 30000) -- half a minute before the close the price was below its average
  end)

  local function condition(signal, name)
    for _, c in ipairs(signal.conditions) do
      if c.name == name then return c end
    end
  end

  it("goes long when everything holds", function()
    local s = assert.is_table(minute()) and minute()
    assert.equal("OPEN_LONG", s.action)
    assert.equal(100.2, s.price)
    assert.truthy(math.abs(s.stop - 100.2 * 0.9975) < 1e-9)
    assert.truthy(math.abs(s.target - 100.2 * 1.004) < 1e-9)
    assert.equal(300000, s.holding_ms)
    assert.equal("integer", math.type(s.holding_ms))
    assert.truthy(s.strength > 0 and s.strength <= 1)
    assert.equal(1, s.confidence)
    assert.is_true(s.plan.opposite)
    assert.matches("volume 4%.0x", s.reason)
  end)

  it("goes short when everything holds the other way round", function()
    local bar = mirrored()
    second(100.1, 40000)
    local s = minute(bar)
    assert.equal("OPEN_SHORT", s.action)
    assert.truthy(s.stop > s.price and s.target < s.price)
    assert.truthy(math.abs(s.stop - 99.8 * 1.0025) < 1e-9)
    assert.truthy(math.abs(s.target - 99.8 * 0.996) < 1e-9)
  end)

  it("carries every condition, whatever decides", function()
    local names = {}
    for i, c in ipairs(minute().conditions) do
      names[i] = c.name
      assert.equal("boolean", type(c.pass))
      assert.equal("string", type(c.source))
      assert.equal("number", type(c.threshold))
    end
    assert.same({ "volume_ratio_20", "volume_ratio_50", "volume_ratio_100", "buy_share", "imbalance", "ma_break",
      "rsi", "same_direction" }, names)
    assert.equal("modelled", condition(minute(), "buy_share").source)
  end)

  it("decides at the close of a minute alone", function()
    assert.is_nil(second(150, 59000))
    assert.same({ "1s", "1m" }, strategy.timeframes)
  end)

  it("says nothing when the minute went nowhere", function()
    assert.is_nil(minute { close = 100 })
  end)

  -- Each condition alone keeps it out, at the edge of its default, and only while its switch is on.
  local spoilers = {
    { "use_volume", "too little volume", function() ctx.values.ratio20 = 2.99 end },
    { "use_buy_share", "too few buyers", nil, { buy_volume = 59, sell_volume = 41 } },
    { "use_imbalance", "a book that does not lean", function() ctx.book = 0.6 end },
    { "use_imbalance", "no book", function() ctx.book = nil end },
    { "use_ma_break", "a price below its average", function() ctx.values.average = 100.3 end },
    { "use_ma_break", "a price at its average", function() ctx.values.average = 100.2 end },
    { "use_rsi", "an overbought market", function() ctx.values.rsi = 70 end },
    { "use_rsi", "an RSI that is not known yet", function() ctx.values.rsi = nil end },
  }
  for _, spoiler in ipairs(spoilers) do
    local switch, what, spoil, bar = table.unpack(spoiler, 1, 4)
    it("stays out with " .. what .. ", unless " .. switch .. " is off", function()
      if spoil then spoil() end
      assert.is_nil(minute(bar))
      world { [switch] = false }
      second(99.9, 30000)
      if spoil then spoil() end
      assert.is_table(minute(bar))
    end)
  end

  it("takes the edges that count: three times the volume, sixty to forty", function()
    ctx.values.ratio20 = 3
    assert.is_table(minute { buy_volume = 60, sell_volume = 40 })
    local bar = mirrored()
    second(100.1, 40000)
    bar.buy_volume, bar.sell_volume = 40, 60
    assert.equal("OPEN_SHORT", minute(bar).action)
  end)

  it("a break is fresh for a minute", function()
    world()
    second(99.9, 1000)
    second(100.1, 2000)
    assert.is_table(minute { close_ms = 61000 })
    assert.is_nil(minute { close_ms = 61001 })
    world { break_within = 10 }
    second(99.9, 50000)
    assert.is_table(minute())
    assert.is_nil(minute { close_ms = MINUTE + 1 })
  end)

  it("a price that was at its average was not beyond it", function()
    world()
    second(100, 30000)
    assert.is_table(minute())
  end)

  it("a price that was always beyond its average breaks nothing", function()
    world()
    second(100.1, 30000)
    assert.is_nil(minute())
  end)

  it("while the average is not known nothing is broken", function()
    world()
    ctx.values.average = nil
    second(99.9, 30000)
    ctx.values.average = 100
    assert.is_nil(minute())
  end)

  it("50 and 100 bars decide only when they are switched on, but are always reported", function()
    ctx.values.ratio50, ctx.values.ratio100 = 2, nil
    local s = minute()
    assert.is_false(condition(s, "volume_ratio_50").pass)
    assert.is_nil(condition(s, "volume_ratio_100").value)
    assert.truthy(s.confidence < 1)
    for name, value in pairs({ need_volume_50 = "ratio50", need_volume_100 = "ratio100" }) do
      world { [name] = true }
      second(99.9, 30000)
      assert.is_table(minute())
      ctx.values[value] = 2.9
      assert.is_nil(minute())
    end
  end)

  it("the direction of the last bars counts for the confidence, and decides only when switched on", function()
    assert.equal(1, minute().confidence)
    ctx.recent = { { open = 2, close = 1 }, { open = 1, close = 2 }, { open = 1, close = 2 } }
    assert.truthy(minute().confidence < 1)
    world { use_same_direction = true }
    second(99.9, 30000)
    assert.is_table(minute())
    ctx.recent = { { open = 2, close = 1 }, { open = 1, close = 2 }, { open = 1, close = 2 } }
    assert.is_nil(minute())
  end)

  it("stop, target and holding time follow the parameters", function()
    world { stop_percent = 1, target_percent = 2, holding_seconds = 61.5 }
    second(99.9, 30000)
    local s = minute()
    assert.truthy(math.abs(s.stop - 100.2 * 0.99) < 1e-9)
    assert.truthy(math.abs(s.target - 100.2 * 1.02) < 1e-9)
    assert.equal(61500, s.holding_ms)
    assert.same({ 1, 2, 61.5 }, { s.plan.stop_percent, s.plan.target_percent, s.plan.holding_seconds })
  end)

  it("declares each parameter with a type, a default in its range, and a text", function()
    for name, p in pairs(strategy.params) do
      assert.truthy(p.type == "number" or p.type == "integer" or p.type == "boolean", name)
      assert.equal("string", type(p.text))
      if p.type ~= "boolean" then
        assert.truthy(p.min <= p.default and p.default <= p.max, name)
        assert.truthy(p.step > 0, name)
      end
    end
    local p = defaults(strategy)
    assert.same({ 3, 0.6, 0.6, 300, 60, 14, 70, 30, 3 }, { p.volume_threshold, p.buy_share, p.imbalance,
      p.average_seconds, p.break_within, p.rsi_period, p.rsi_high, p.rsi_low, p.direction_bars })
    assert.truthy(p.target_percent >= 0.3 and p.target_percent <= 0.5)
    assert.truthy(p.stop_percent >= 0.2 and p.stop_percent <= 0.3)
    assert.truthy(p.holding_seconds >= 60 and p.holding_seconds <= 300)
    assert.is_false(p.use_same_direction)
  end)

  it("asks for the indicators that its parameters name", function()
    local wanted = strategy.indicators(defaults(strategy, { average_seconds = 120, rsi_period = 7 }))
    assert.same({ "sma", timeframe = "1s", period = 120 }, wanted.average)
    assert.same({ "rsi", timeframe = "1m", period = 7 }, wanted.rsi)
    for name, period in pairs({ ratio20 = 20, ratio50 = 50, ratio100 = 100 }) do
      assert.same({ "volume_ratio", timeframe = "1m", period = period }, wanted[name])
    end
  end)

  it("has a manifest in its first lines", function()
    local file = assert(io.open(PATH))
    local head = file:read(200)
    file:close()
    assert.matches("^%-%- name: volume_spike_scalper\n%-%- version: %d+\n%-%- api: 1\n", head)
  end)
end)
