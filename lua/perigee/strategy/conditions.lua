-- SPDX-License-Identifier: MIT
-- Conditions of a signal, with one meaning everywhere: each reports name, value, threshold, source and
-- whether it holds. A value that is not known (nil) never holds. Loaded inside the sandbox.

local conditions = {}

---@class perigee.Condition
---@field name string
---@field value number|nil
---@field threshold number
---@field source string
---@field pass boolean
---@field margin number|nil    |value - threshold| / scale, clamped to 0..1

local function clamp(x)
  return x < 0 and 0 or x > 1 and 1 or x
end

local function condition(name, value, threshold, scale, source, pass)
  return { name = name, value = value, threshold = threshold, source = source,
    pass = value ~= nil and pass or false,
    margin = value and clamp(math.abs(value - threshold) / scale) or nil }
end

--- Volume of a bar against the mean of the previous n: at least `threshold`.
function conditions.volume_ratio(period, value, threshold, scale, source)
  return condition("volume_ratio_" .. period, value, threshold, scale, source, value and value >= threshold)
end

--- Share of the aggressors that bought: at least `share` for a long, at most 1 - share for a short.
function conditions.buy_share(side, buy, sell, share, scale, source)
  local total = buy + sell
  local value = total > 0 and buy / total or nil
  local threshold = side > 0 and share or 1 - share
  return condition("buy_share", value, threshold, scale, source,
    value and (side > 0 and buy / total >= share or side < 0 and sell / total >= share))
end

--- Bid volume over bid and ask volume of the top levels: above `level` for a long, below 1 - level for a short.
function conditions.imbalance(side, value, level, scale, source)
  local threshold = side > 0 and level or 1 - level
  return condition("imbalance", value, threshold, scale, source,
    value and (side > 0 and value > threshold or side < 0 and value < threshold))
end

--- The price is beyond its moving average, and was not at some point within the last `within` ms.
function conditions.ma_break(side, price, average, crossed_ms, now, within, scale)
  local value, pass = nil, false
  if average then
    value = price / average - 1
    pass = (side > 0 and price > average or side < 0 and price < average)
      and crossed_ms ~= nil and now - crossed_ms <= within
  end
  return condition("ma_break", value, 0, scale, "reference", pass)
end

--- Not overbought for a long, not oversold for a short.
function conditions.rsi(side, value, high, low, scale)
  local threshold = side > 0 and high or low
  return condition("rsi", value, threshold, scale, "reference",
    value and (side > 0 and value < threshold or side < 0 and value > threshold))
end

--- The last n closed bars all rise (long) or all fall (short). value: how many do, of n.
function conditions.same_direction(side, bars, n)
  local count = 0
  for i = #bars, math.max(#bars - n + 1, 1), -1 do
    local bar = bars[i]
    if (bar.close - bar.open) * side > 0 then count = count + 1 end
  end
  return condition("same_direction", count, n, n, "reference", #bars >= n and count == n)
end

--- Do all of the required ones hold?
---@param list perigee.Condition[]
---@param required table<string, boolean>
function conditions.all(list, required)
  for _, c in ipairs(list) do
    if required[c.name] and not c.pass then return false end
  end
  return true
end

--- Mean margin of those that hold: the strength of a signal.
---@param list perigee.Condition[]
function conditions.strength(list)
  local sum, count = 0, 0
  for _, c in ipairs(list) do
    if c.pass then sum, count = sum + c.margin, count + 1 end
  end
  return count > 0 and sum / count or 0
end

--- Share of all reported ones that hold: the confidence of a signal.
---@param list perigee.Condition[]
function conditions.confidence(list)
  local count = 0
  for _, c in ipairs(list) do
    if c.pass then count = count + 1 end
  end
  return #list > 0 and count / #list or 0
end

--- What a signal carries: name, value, threshold, source and pass of each.
---@param list perigee.Condition[]
function conditions.report(list)
  local out = {}
  for i, c in ipairs(list) do
    out[i] = { name = c.name, value = c.value, threshold = c.threshold, source = c.source, pass = c.pass }
  end
  return out
end

return conditions
