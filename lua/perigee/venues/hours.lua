-- SPDX-License-Identifier: MIT
-- Trading hours of a week: spans { day, open_ms, close_ms }, day 0 is Sunday, times in ms of the day in the
-- server's time zone, [open, close). nil means that nothing is known, which is not the same as never.

local values = require "perigee.venues.match_trader.values"

local hours = {}

local DAY = 24 * 3600 * 1000
local SUNDAY = 4 * DAY -- 1970-01-01 was a Thursday: four days after a Sunday
local WEEK = 7 * DAY

---@class perigee.Span
---@field day integer
---@field open_ms integer
---@field close_ms integer

local function moment(row, prefix)
  local h, m, s = values.integer(row[prefix .. "Hours"]), values.integer(row[prefix .. "Minutes"] or 0),
    values.integer(row[prefix .. "Seconds"] or 0)
  if not h or not m or not s or h < 0 or h > 24 or m < 0 or m > 59 or s < 0 or s > 59 then return nil end
  local ms = ((h * 60 + m) * 60 + s) * 1000
  return ms <= DAY and ms or nil
end

--- Hours as the Platform API writes them. A close at :59 means up to and including that second's minute; one before
--- its opening is on the next day. One entry that cannot be read, or none at all: nothing is known.
---@param list any
---@return perigee.Span[]|nil
function hours.read(list)
  if not values.is_array(list) or list[1] == nil or #list > 64 then return nil end
  local spans = {}
  for _, row in ipairs(list) do
    row = values.object(row)
    local day, open, close = values.integer(row.dayNumber), moment(row, "open"), moment(row, "close")
    if not day or day < 0 or day > 6 or not open or not close or open == close then return nil end
    if close % 60000 == 59000 then close = close + 1000 end
    if close < open then
      spans[#spans + 1] = { day = day, open_ms = open, close_ms = DAY }
      if close > 0 then spans[#spans + 1] = { day = (day + 1) % 7, open_ms = 0, close_ms = close } end
    else
      spans[#spans + 1] = { day = day, open_ms = open, close_ms = close }
    end
  end
  table.sort(spans, function(a, b)
    if a.day ~= b.day then return a.day < b.day end
    return a.open_ms < b.open_ms
  end)
  return spans
end

--- Is the market open at a time?
---@param spans perigee.Span[]
---@param market_ms integer
---@param offset_minutes integer|nil  of the server's clock from UTC
---@return boolean
function hours.open(spans, market_ms, offset_minutes)
  local at = (market_ms + (offset_minutes or 0) * 60000 + SUNDAY) % WEEK
  local day, ms = at // DAY, at % DAY
  for _, span in ipairs(spans) do
    if span.day == day and ms >= span.open_ms and ms < span.close_ms then return true end
  end
  return false
end

return hours
