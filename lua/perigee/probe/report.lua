-- SPDX-License-Identifier: MIT
-- What a probe tells: to a person, as lines, and to a file, as one object.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local decimal = require "perigee.decimal"
local json = require "perigee.json"

local report = {}

local function by_number(a, b) return a < b end

---@return { least: number, middle: number, most: number, count: integer }|nil  ms
function report.latency(exchanges)
  local list = {}
  for i, x in ipairs(exchanges) do list[i] = x.elapsed_us / 1000 end
  if #list == 0 then return nil end
  table.sort(list, by_number)
  return { least = list[1], middle = list[(#list + 1) // 2], most = list[#list], count = #list }
end

--- How far the broker's clock is ahead of ours, ms. A Date header has whole seconds, so each exchange says that the
--- difference lies in a span, and all of them together leave the part that they agree on.
---@return number|nil low, number|nil high
function report.skew(exchanges)
  local low, high = -math.huge, math.huge
  for _, x in ipairs(exchanges) do
    local date = codec.http_date(x.date)
    if date then
      low = math.max(low, date - (x.begun_ms + x.elapsed_us / 1000))
      high = math.min(high, date + 1000 - x.begun_ms)
    end
  end
  if high == math.huge then return nil end
  if low > high then low, high = high, low end -- the clock moved meanwhile
  return low, high
end

--- Headers that speak of limits, with the values that came.
---@return string[]
function report.limits(exchanges)
  local seen, list = {}, {}
  for _, x in ipairs(exchanges) do
    for _, pair in ipairs(x.headers) do
      local name = pair[1]:lower()
      if name:find("ratelimit", 1, true) or name:find("rate-limit", 1, true) or name == "retry-after" then
        if not seen[name] then list[#list + 1] = name end
        seen[name] = seen[name] or {}
        local values = seen[name]
        if values[#values] ~= pair[2] then values[#values + 1] = pair[2] end
      end
    end
  end
  table.sort(list)
  for i, name in ipairs(list) do
    list[i] = name .. ": " .. table.concat(seen[name], " ", 1, math.min(#seen[name], 5))
  end
  return list
end

local function count(rows, one, many)
  if not rows then return "could not be read" end
  return ("%d %s"):format(#rows, #rows == 1 and one or many)
end

local function block(out, title, lines, none)
  out[#out + 1] = title
  for _, line in ipairs(lines) do out[#out + 1] = "  " .. line end
  if #lines == 0 then out[#out + 1] = "  " .. none end
end

local function account_lines(t)
  local lines = {}
  for _, a in ipairs(t.accounts) do
    lines[#lines + 1] = ("%s  %s  1:%d  %s%s%s"):format(a.id, a.currency or "?", a.leverage,
      a.demo and "demo" or "REAL", a.group ~= "" and "  " .. a.group or "", a == t.account and "  (looked at)" or "")
  end
  return lines
end

local DAY = 24 * 3600 * 1000

local function age_of(t, quote)
  if not quote.time_ms then return "without a time" end
  local age = t.quotes_ms - quote.time_ms
  if math.abs(age) > DAY then return "stamped " .. clock.iso(quote.time_ms) end
  return ("stamped %d ms before it was asked for"):format(age)
end

local function market_lines(t)
  local i, lines = t.instrument, {}
  lines[1] = t.instruments and ("%d instruments, %d of them unreadable"):format(#t.instruments + (t.skipped or 0),
    t.skipped or 0) or "instruments could not be read"
  if not i then return lines end
  local session = i.session_open and "open" or i.session_open == false and "closed" or "session not said"
  lines[2] = ("%s: %d price and %d volume digits, %s to %s lots by %s, stops level %d, freeze level %d, %s"):format(
    i.symbol, i.price_digits, i.volume_digits, i.volume_min, i.volume_max, i.volume_step, i.stops_level,
    i.freeze_level, session)
  local quote = t.quotes and t.quotes[1]
  if quote then
    lines[3] = ("bid %s, ask %s, %s"):format(decimal.new(quote.bid):fixed(i.price_digits),
      decimal.new(quote.ask):fixed(i.price_digits), age_of(t, quote))
  end
  lines[#lines + 1] = ("candles by from and to: %s; by count: %s"):format(count(t.candles.range, "candle", "candles"),
    count(t.candles.count, "candle", "candles"))
  return lines
end

local function book_lines(t)
  local b = t.balance
  return { b and ("balance %s, equity %s, free margin %s %s"):format(b.balance, b.equity, b.free_margin,
    b.currency or "") or "the balance could not be read",
    ("open: %s, %s"):format(count(t.positions, "position", "positions"),
      count(t.orders, "pending order", "pending orders")),
    "closed in seven days: " .. count(t.closed, "part", "parts") }
end

local function session_lines(t)
  local lines = { "session token from " .. (t.token_from or "nowhere") }
  local life = t.expires_ms and t.expires_ms - t.login_ms
  if life and life > 0 and life < 30 * DAY then
    lines[#lines + 1] = ("it says that it lives %.1f minutes"):format(life / 60000)
  elseif life then
    lines[#lines + 1] = ("it says that it ends at %s, which is not a time from now"):format(clock.iso(t.expires_ms))
  else
    lines[#lines + 1] = "it does not say when it ends"
  end
  if t.renewal then lines[#lines + 1] = "a renewal was answered by " .. t.renewal end
  return lines
end

local function network_lines(t)
  local lines, l = {}, report.latency(t.wire.exchanges)
  if l then
    lines[1] = ("latency of %d exchanges: %.1f ms at least, %.1f in the middle, %.1f at most"):format(l.count, l.least,
      l.middle, l.most)
  end
  local low, high = report.skew(t.wire.exchanges)
  lines[#lines + 1] = low and ("the broker's clock is %.1f s ahead of this one, give or take %.1f s"):format(
    (low + high) / 2000, (high - low) / 2000) or "the broker does not say what time it is"
  local first = t.wire.exchanges[1] or {}
  if (first.connect_us or 0) > 0 then
    lines[#lines + 1] = ("a connection takes %.1f ms%s"):format(first.connect_us / 1000, first.tls_us > 0
      and (", with its handshake %.1f ms"):format(first.tls_us / 1000) or "")
  end
  lines[#lines + 1] = t.options.origin:match("^https:") and "TLS 1.2 or newer, the certificate was verified"
    or "no TLS: this machine"
  return lines
end

--- The report as text.
---@param t table  the tour
---@return string
function report.text(t)
  local out = { ("probe of %s at %s"):format(t.profile.name, t.options.origin), "" }
  block(out, "accounts", account_lines(t), "none")
  block(out, "session", session_lines(t), "none")
  block(out, "money and book", book_lines(t), "none")
  block(out, "market", market_lines(t), "none")
  block(out, "network", network_lines(t), "none")
  block(out, "limits in headers", report.limits(t.wire.exchanges), "none")
  block(out, "figures are written as", t.typing, "nothing was read")
  block(out, "differences from what is documented", t.differences, "none")
  block(out, "what could not be read", t.troubles, "nothing")
  return table.concat(out, "\n") .. "\n"
end

--- The report as an object, for the last line of the transcript.
---@param t table
---@return table
function report.object(t)
  local low, high = report.skew(t.wire.exchanges)
  return { profile = t.profile.name, accounts = #t.accounts, differences = json.array(t.differences),
    troubles = json.array(t.troubles), typing = json.array(t.typing),
    limits = json.array(report.limits(t.wire.exchanges)), latency = report.latency(t.wire.exchanges) or json.null,
    skew_ms = low and json.array { low, high } or json.null,
    renewal = t.renewal or json.null }
end

return report
