-- SPDX-License-Identifier: MIT
-- What an operator sees at the terminal: one screen at the start, then one line for each signal, fan-out, fill
-- and exit, with a running result. A fold over events to text; it asks nobody anything.

local decimal = require "perigee.decimal"
local json = require "perigee.json"

local screen = {}

---@class perigee.Screen
local Screen = {}
Screen.__index = Screen

--- `write` gets whole lines without the line break.
---@param write fun(line: string)
---@param colour boolean
function screen.new(write, colour)
  return setmetatable({ write = write, colour = colour, currency = {}, realised = {}, orders = {}, fills = {} },
    Screen)
end

local codes = { red = "31", green = "32", yellow = "33", bold = "1", dim = "2" }

local function paint(self, name, text)
  return self.colour and ("\27[%sm%s\27[0m"):format(codes[name], text) or text
end

local function stamp(e)
  local s = e.market_ms // 1000
  return ("%02d:%02d:%02d"):format(s // 3600 % 24, s // 60 % 60, s % 60)
end

local function line(self, e, kind, text, colour)
  local word = ("%-8s"):format(kind)
  self.write(("%s  %s %s"):format(stamp(e), colour and paint(self, colour, word) or word, text))
end

local function group(text)
  local sign, whole, rest = text:match("^([-+]?)(%d+)(.*)$")
  whole = whole:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
  return sign .. whole .. rest
end

local function money(value)
  return group(decimal.new(value):fixed(2))
end

local function signed(self, value)
  local d = decimal.new(value)
  local text = group(d:fixed(2))
  if d:sign() > 0 then return paint(self, "green", "+" .. text) end
  return d:sign() < 0 and paint(self, "red", text) or text
end

-- The running result, one sum for each currency: money of different currencies is not added up.
local function running(self)
  local parts, names = {}, {}
  for currency in pairs(self.realised) do names[#names + 1] = currency end
  table.sort(names)
  for _, currency in ipairs(names) do
    parts[#parts + 1] = signed(self, self.realised[currency]) .. " " .. currency
  end
  return #parts > 0 and table.concat(parts, "  ") or "0"
end

local show = {}

function show.engine_ready(self, e)
  local accounts = json.decode(e.accounts) or {}
  self.write(("broker %s, market %s, clock %s"):format(e.broker or "?", e.market or "?", e.clock or "?"))
  for _, s in ipairs(json.decode(e.strategies) or {}) do
    self.write(("strategy %s version %s on %s"):format(s.instance, s.version, s.symbol))
  end
  self.write("")
  self.write(paint(self, "bold", ("%-12s %-30s %8s %16s %9s"):format("account", "user", "currency", "balance",
    "leverage")))
  for _, a in ipairs(accounts) do
    self.currency[a.id] = a.currency
    self.write(("%-12s %-30s %8s %16s %9s"):format(a.id, a.user:match(":(.*)$") or a.user, a.currency,
      money(a.balance), "1:" .. a.leverage))
  end
  self.write("")
end

-- A level with as many places as the price that it belongs to.
local function level(value, price)
  if not value then return "-" end
  return decimal.new(value):fixed(#((price or ""):match("%.(%d+)$") or ""))
end

function show.signal(self, e)
  line(self, e, "signal", ("%s  #%d %s %s at %s  stop %s  target %s  strength %.2f  %s"):format(
    paint(self, "bold", e.action), e.signal, e.strategy, e.symbol, e.price or "-", level(e.stop, e.price),
    level(e.target, e.price), e.strength or 0, e.reason or ""))
end

function show.signal_refused(self, e)
  line(self, e, "refused", ("signal #%d: %s (%s)"):format(e.signal, e.reason or "", e.rule or ""))
end

function show.risk_refused(self, e)
  line(self, e, "refused", ("signal #%d, account %s: %s (%s)"):format(e.signal, e.account, e.reason or "",
    e.rule or ""))
end

function show.batch_done(self, e)
  local form = "signal #%d  sent %d  accepted %d  rejected %d  unknown %d  skew %.2f ms  all %.2f ms"
  line(self, e, "fan-out", form:format(e.signal or 0, e.sent, e.accepted, e.rejected, e.unknown,
    (e.skew_us or 0) / 1000, (e.elapsed_us or 0) / 1000))
end

function show.intent(self, e) self.orders[e.order] = e end

function show.order_rejected(self, e)
  local o = self.orders[e.order] or {}
  line(self, e, "rejected", ("order %d, account %s, %s %s: %s (%s)"):format(e.order, o.account or "?", o.op or "",
    o.symbol or "", e.reason or "", e.code or ""))
  self.orders[e.order] = nil
end

function show.order_unknown(self, e)
  local o = self.orders[e.order] or {}
  local form = "order %d, account %s, %s %s: %s; the broker's lists will tell"
  line(self, e, "UNKNOWN", form:format(e.order, o.account or "?", o.op or "", o.symbol or "",
    e.cause or ""), "yellow")
end

function show.order_accepted(self, e) self.orders[e.order] = nil end

function show.order_adopted(self, e)
  self.orders[e.order] = nil
  line(self, e, "adopted", ("order %d is position %s (by %s)"):format(e.order, e.position or "?", e.by or "?"))
end

function show.order_not_sent(self, e)
  local o = self.orders[e.order] or {}
  line(self, e, "not sent", ("order %d, account %s: %s"):format(e.order, o.account or "?", e.cause or ""))
  self.orders[e.order] = nil
end

function show.order_absent(self, e)
  self.orders[e.order] = nil
  line(self, e, "absent", ("order %d was not executed (%d reads)"):format(e.order, e.reads or 0))
end

function show.position_opened(self, e)
  line(self, e, "fill", ("%-12s %-4s %s %s at %s  stop %s  target %s%s"):format(e.account, e.side, e.volume, e.symbol,
    e.price, e.stop or "-", e.target or "-", e.ours and "" or "  (not ours)"))
end

function show.position_closed(self, e)
  local currency = self.currency[e.account] or "?"
  self.realised[currency] = decimal.new(self.realised[currency] or "0") + decimal.new(e.net or "0")
  line(self, e, "exit", ("%-12s %-8s %s at %s  %s %s   running %s"):format(e.account, e.reason or "?", e.volume,
    e.price, signed(self, e.net or "0"), currency, running(self)))
end

function show.feed(self, e)
  line(self, e, "feed", ("%s %s%s"):format(e.source, e.state, e.detail and ": " .. e.detail or ""))
end

function show.session_failed(self, e) line(self, e, "session", ("%s: %s"):format(e.user, e.reason or e.code)) end

function show.script_loaded(self, e)
  if not e.ok then line(self, e, "script", ("%s was refused: %s"):format(e.name, e.reason or "")) end
end

function show.notice(self, e) line(self, e, e.level or "notice", ("%s: %s"):format(e.component or "", e.text or "")) end

function show.market_ended(self, e) line(self, e, "market", e.reason or "ended") end

--- Takes the next event.
---@param e table  as event.decode gives it
function Screen:add(e)
  local fn = show[e.kind]
  if fn then fn(self, e) end
end

--- The closing words.
---@param summary perigee.Summary
---@param seconds number
function Screen:close(summary, seconds)
  local o = summary.orders
  self.write("")
  local form = "%d bars, %d signals (%d traded), %d orders sent, %d accepted, %d rejected, %d unknown, %d fills, %.1f s"
  self.write(form:format(summary.bars, summary.signals, summary.signals_traded, o.sent, o.accepted, o.rejected,
    o.unknown, summary.fills, seconds))
  self.write(("result %s"):format(running(self)))
end

return screen
