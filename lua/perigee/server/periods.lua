-- SPDX-License-Identifier: MIT
-- Periods of the analytics: where they begin, and how they are cut into points. Market milliseconds. Pure.

local periods = {}

local MINUTE, HOUR, DAY = 60000, 3600000, 86400000

local FIXED = { ["1h"] = { HOUR, MINUTE }, ["24h"] = { DAY, 15 * MINUTE }, ["7d"] = { 7 * DAY, HOUR },
  ["30d"] = { 30 * DAY, 6 * HOUR } }

local STEPS = { MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY }
local MOST_POINTS = 200

--- The beginning and the width of a point. A period does not begin before the history does, but for an hour that is
--- always shown. `first_ms`: beginning of the history; nil: there is none.
---@param period string
---@param now_ms integer
---@param first_ms integer|nil
---@return integer from_ms, integer bucket_ms
function periods.cut(period, now_ms, first_ms)
  local fixed = FIXED[period]
  local from = math.min(first_ms or now_ms - DAY, now_ms - HOUR)
  if fixed then from = math.max(from, now_ms - fixed[1]) end
  local span = now_ms - from
  if fixed and span == fixed[1] then return from, fixed[2] end
  for _, step in ipairs(STEPS) do
    if span <= step * MOST_POINTS then return from, step end
  end
  return from, DAY * ((span + DAY * MOST_POINTS - 1) // (DAY * MOST_POINTS))
end

--- 00:00 UTC of the day.
function periods.day(now_ms) return now_ms - now_ms % DAY end

return periods
