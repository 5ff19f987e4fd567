-- SPDX-License-Identifier: MIT
-- What a failing run shows: the newest events of the journal that concern the account that failed, and its exchanges
-- around them, in order of their time.

local trace = {}

local EVENTS = 40
local SHOWN_TEXT = 60

local hidden = { seq = true, kind = true, market_ms = true, wall_us = true }
local dull = { bar = true, instrument = true }

local function value(v)
  local text = tostring(v)
  return #text > SHOWN_TEXT and text:sub(1, SHOWN_TEXT) .. "..." or text
end

-- One event: its number, kind and fields, sorted by name.
local function event_line(e)
  local names, parts = {}, {}
  for name in pairs(e) do
    if not hidden[name] then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = name .. "=" .. value(e[name]) end
  return ("#%d %s %s"):format(e.seq, e.kind, table.concat(parts, " "))
end

local function exchange_line(x)
  local took = x.done_ms and x.done_ms - x.at_ms or 0
  return ("     %s %s %s%s%s"):format(x.account or "-", x.what, x.status and "-> " .. x.status or "",
    took > 0 and (" after %d ms"):format(took) or "", x.fault and " (" .. x.fault .. ")" or "")
end

-- An account's lists and figures that were answered as they should be.
local function boring(x)
  return x.status == 200 and not x.fault and (x.what:match("^GET ") or x.what:match("closed%-positions$"))
end

---@class perigee.simtest.TraceAsk
---@field events table[]        oldest first
---@field orders table          by number, for their accounts
---@field exchanges table[]
---@field begin_ms integer      market ms of the run's begin
---@field until_ms integer      of the run
---@field account string|nil    what concerns others is left out; nil: nothing is
---@field all boolean|nil       every event and exchange, not only the newest and those that tell something

--- Lines about the time before a moment of the run.
---@param ask perigee.simtest.TraceAsk
---@return string[]
function trace.lines(ask)
  local rows = {}
  local function concerns(account) return not ask.account or not account or account == ask.account end
  for _, e in ipairs(ask.events) do
    local at = e.market_ms - ask.begin_ms
    local order = e.order and ask.orders[e.order]
    if not dull[e.kind] and at <= ask.until_ms and concerns(e.account or order and order.account) then
      rows[#rows + 1] = { at = at, order = #rows, text = event_line(e) }
    end
  end
  local from = 0
  if not ask.all then
    rows = table.move(rows, math.max(#rows - EVENTS + 1, 1), #rows, 1, {})
    from = rows[1] and rows[1].at or 0
  end
  for _, x in ipairs(ask.exchanges) do
    if x.at_ms >= from and x.at_ms <= ask.until_ms and concerns(x.account) and (ask.all or not boring(x)) then
      rows[#rows + 1] = { at = x.at_ms, order = #rows, text = exchange_line(x) }
    end
  end
  table.sort(rows, function(a, b)
    if a.at ~= b.at then return a.at < b.at end
    return a.order < b.order
  end)
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = ("%9.3f  %s"):format(row.at / 1000, row.text) end
  return lines
end

return trace
