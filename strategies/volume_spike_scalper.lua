-- name: volume_spike_scalper
-- version: 1
-- api: 1
--
-- Scalps in the direction of a sudden surge of volume. Decided at the close of a one-minute bar; enters when
-- every condition that is switched on holds; leaves at target, stop, opposite signal or holding time.

local conditions = require "conditions"

local function switch(default, text)
  return { type = "boolean", default = default, text = text }
end

local function number(default, min, max, step, text)
  return { type = "number", default = default, min = min, max = max, step = step, text = text }
end

local function integer(default, min, max, text)
  return { type = "integer", default = default, min = min, max = max, step = 1, text = text }
end

-- When the price was last at or below (above) the average: a break is fresh only if that was not long ago.
local function follow_average(ctx, bar)
  local average = ctx:value("average")
  if not average then return end
  local state = ctx.state
  if bar.close <= average then state.not_above = bar.close_ms end
  if bar.close >= average then state.not_below = bar.close_ms end
end

local function judge(ctx, bar, side)
  local p, state = ctx.params, ctx.state
  local imbalance = ctx:imbalance(10)
  local crossed = side > 0 and state.not_above or side < 0 and state.not_below or nil
  return {
    conditions.volume_ratio(20, ctx:value("ratio20"), p.volume_threshold, p.volume_scale, "reference"),
    conditions.volume_ratio(50, ctx:value("ratio50"), p.volume_threshold, p.volume_scale, "reference"),
    conditions.volume_ratio(100, ctx:value("ratio100"), p.volume_threshold, p.volume_scale, "reference"),
    conditions.buy_share(side, bar.buy_volume, bar.sell_volume, p.buy_share, p.buy_share_scale, bar.side),
    conditions.imbalance(side, imbalance, p.imbalance, p.imbalance_scale, "book"),
    conditions.ma_break(side, bar.close, ctx:value("average"), crossed, bar.close_ms, p.break_within * 1000,
      p.break_scale),
    conditions.rsi(side, ctx:value("rsi"), p.rsi_high, p.rsi_low, p.rsi_scale),
    conditions.same_direction(side, ctx:bars("1m", p.direction_bars), p.direction_bars),
  }
end

local function required(p)
  return {
    volume_ratio_20 = p.use_volume,
    volume_ratio_50 = p.use_volume and p.need_volume_50,
    volume_ratio_100 = p.use_volume and p.need_volume_100,
    buy_share = p.use_buy_share,
    imbalance = p.use_imbalance,
    ma_break = p.use_ma_break,
    rsi = p.use_rsi,
    same_direction = p.use_same_direction,
  }
end

local function decide(ctx, bar)
  local side = bar.close > bar.open and 1 or bar.close < bar.open and -1 or 0
  if side == 0 then return nil end
  local p = ctx.params
  local list = judge(ctx, bar, side)
  if not conditions.all(list, ctx.state.required) then return nil end
  local price = bar.close
  return {
    action = side > 0 and "OPEN_LONG" or "OPEN_SHORT",
    price = price,
    stop = price * (1 - side * p.stop_percent / 100),
    target = price * (1 + side * p.target_percent / 100),
    confidence = conditions.confidence(list),
    strength = conditions.strength(list),
    reason = ("volume %.1fx, %s"):format(ctx:value("ratio20") or 0, side > 0 and "buyers lead" or "sellers lead"),
    holding_ms = math.floor(p.holding_seconds * 1000),
    conditions = conditions.report(list),
    plan = { stop_percent = p.stop_percent, target_percent = p.target_percent, holding_seconds = p.holding_seconds,
      opposite = true },
  }
end

return {
  params = {
    use_volume = switch(true, "require the volume surge"),
    volume_threshold = number(3, 1, 20, 0.1, "volume of the bar against the mean of the bars before it"),
    need_volume_50 = switch(false, "the surge must hold against 50 bars, too"),
    need_volume_100 = switch(false, "the surge must hold against 100 bars, too"),
    volume_scale = number(3, 0.1, 100, 0.1, "margin over the threshold that counts as full strength"),
    use_buy_share = switch(true, "require one side's aggressors to lead"),
    buy_share = number(0.60, 0.5, 1, 0.01, "share of the leading side"),
    buy_share_scale = number(0.2, 0.01, 1, 0.01, "margin that counts as full strength"),
    use_imbalance = switch(true, "require the book to lean the same way"),
    imbalance = number(0.60, 0.5, 1, 0.01, "share of the leading side in the top ten levels"),
    imbalance_scale = number(0.2, 0.01, 1, 0.01, "margin that counts as full strength"),
    use_ma_break = switch(true, "require a fresh break of the five-minute average"),
    average_seconds = integer(300, 10, 2000, "one-second closes in the average"),
    break_within = number(60, 1, 3600, 1, "seconds within which the price was not yet beyond the average"),
    break_scale = number(0.002, 0.0001, 0.1, 0.0001, "distance that counts as full strength, share of the price"),
    use_rsi = switch(true, "refuse overbought longs and oversold shorts"),
    rsi_period = integer(14, 2, 200, "bars of the RSI"),
    rsi_high = number(70, 50, 100, 1, "a long needs less"),
    rsi_low = number(30, 0, 50, 1, "a short needs more"),
    rsi_scale = number(40, 1, 100, 1, "margin that counts as full strength"),
    use_same_direction = switch(false, "require the last bars to go the same way; always part of the confidence"),
    direction_bars = integer(3, 1, 20, "how many bars"),
    target_percent = number(0.40, 0.05, 5, 0.01, "take profit, percent of the price (0.3 to 0.5 scalps)"),
    stop_percent = number(0.25, 0.05, 5, 0.01, "stop loss, percent of the price (0.2 to 0.3 scalps)"),
    holding_seconds = number(300, 1, 86400, 1, "longest holding (60 to 300 scalps)"),
  },

  timeframes = { "1s", "1m" },

  indicators = function(p)
    return {
      average = { "sma", timeframe = "1s", period = p.average_seconds },
      ratio20 = { "volume_ratio", timeframe = "1m", period = 20 },
      ratio50 = { "volume_ratio", timeframe = "1m", period = 50 },
      ratio100 = { "volume_ratio", timeframe = "1m", period = 100 },
      rsi = { "rsi", timeframe = "1m", period = p.rsi_period },
    }
  end,

  init = function(ctx)
    ctx.state.required = required(ctx.params)
  end,

  on_bar = function(ctx, timeframe, bar)
    if timeframe == "1s" then
      follow_average(ctx, bar)
      return nil
    end
    return decide(ctx, bar)
  end,
}
