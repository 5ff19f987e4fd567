-- SPDX-License-Identifier: MIT
-- The pilot: one position of the least volume, opened and closed on one account, after a person has typed that
-- account's id. It goes the engine's own way: intent in the journal before the first byte, the order lane, the
-- broker's lists. Nothing is sent twice; an unknown outcome is settled by the lists; the position carries stop and
-- target at the broker; a close is wanted until it is shown.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local contracts = require "perigee.venues.contracts"
local decimal = require "perigee.decimal"
local event = require "perigee.event"
local exec = require "perigee.exec"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local precheck = require "perigee.precheck"
local task = require "perigee.task"
local terminal = require "perigee.terminal"
local watch = require "perigee.watch"

local pilot = {}

local OPEN_MS, CLOSE_MS = 60000, 120000
local DISTANCE = 0.01 -- of the price: stop and target are far enough to be left alone

local function fail(code, message)
  return nil, { code = code, message = message, source = "pilot", retry = "no" }
end

local function say(text) io.stderr:write(text, "\n") end

-- What watch needs of a session: reads, each written down as the tour's.
local function reader(t)
  return { profile = t.profile, read = function(_, account, _, method, path, body)
    local answer, err = t.wire:account("pilot" .. path:match("^[^?]*"), account, method, path, body)
    if not answer then return nil, err end
    if answer.status == 200 then return answer end
    return fail("status_" .. answer.status, ("%s was answered with status %d"):format(path, answer.status))
  end }
end

-- The one order: BUY of the least volume, stop and target as far as they need to be.
local function plan(t)
  local i, quote = t.instrument, t.quotes and t.quotes[1]
  if not i or not quote then return fail("failed", "without an instrument and its quote nothing can be opened") end
  local point = 10 ^ -i.price_digits
  local distance = math.max(quote.ask * DISTANCE, (i.stops_level + 10) * point * 2)
  local function rounded(x) return decimal.new(x):round(i.price_digits, "half_even"):number() end
  local leg = { account = t.account.id, canonical = i.canonical, side = "BUY", volume = i.volume_min, price = quote.ask,
    stop = rounded(quote.bid - distance), target = rounded(quote.ask + distance), holding_ms = CLOSE_MS, plan = "{}" }
  if leg.stop <= 0 then leg.stop = point end
  local rule, reason = precheck.order(t.profile.name, { op = "open", symbol = i.canonical, side = "BUY",
    volume = i.volume_min, stop = leg.stop, target = leg.target },
    { contract = i, bid = quote.bid, ask = quote.ask, session_known = true })
  if rule then return fail("failed", ("the order would break the rule %s: %s"):format(rule, reason)) end
  return leg
end

local function confirm(t, leg)
  local a, i = t.account, t.instrument
  local function price(x) return decimal.new(x):fixed(i.price_digits) end
  local left = leg and ("open %s lots of %s at about %s, stop %s, target %s, and close it again"):format(leg.volume,
    i.symbol, price(leg.price), price(leg.stop), price(leg.target))
    or "close the position that an earlier pilot left open"
  say(("\nThe pilot will %s\non account %s, %s, %s."):format(left, a.id, a.currency, a.demo and "a demo account"
    or "REAL MONEY"))
  local typed, err = terminal.ask(("Type the account's id to do it: "), true)
  if not typed then return fail("usage", err.message) end
  if typed ~= a.id then return fail("usage", "that is not the account's id; nothing was sent") end
  return true
end

local DAY = 24 * 3600 * 1000

-- A broker on this machine may live at another time; orders and lists are compared by it.
local function set_clock(t)
  local said = t.quotes and t.quotes[1] and t.quotes[1].time_ms
  if said and t.options.origin:match("^http:") and math.abs(said - clock.market_ms()) > DAY then
    local now = said + clock.wall_ms() - t.quotes_ms
    clock.grant(now) -- a clock goes back only where its mode changes
    clock.scale(now, 1)
  end
end

-- Ledger, order lane and rules for the one account. Only the planned leg passes.
local function prepare(t)
  local a, name = t.account, t.profile.name
  event.emit("account_added", { account = a.id, user = name .. ":pilot", broker = name, currency = a.currency,
    leverage = a.leverage, system = a.system, group = a.group })
  for _, fields in ipairs(contracts.replace(name, { t.instrument }, clock.market_ms(),
    t.profile.hours_offset_minutes)) do
    event.emit("instrument", fields)
  end
  exec.codec { encode = function(_, order) return codec.encode(t.profile, order) end,
    decode = function(_, order, answer) return codec.decode(t.profile, order, answer) end }
  exec.risk(function(leg)
    local planned = t.leg
    if planned and leg.account == planned.account and leg.symbol == t.instrument.symbol and leg.side == planned.side
      and decimal.new(leg.volume) == decimal.new(planned.volume) then
      return true
    end
    return false, "pilot", "only the planned order is sent"
  end)
  local prefix, lines = "/mtr-api/" .. a.system, {}
  for _, pair in ipairs(t.wire:headers(prefix, a)) do lines[#lines + 1] = pair[1] .. ": " .. pair[2] .. "\r\n" end
  return exec.session(a.id, { broker = name, origin = t.options.origin, prefix = prefix,
    headers = table.concat(lines) })
end

-- Reads what exec asks for, until `done` or the limit. A read that fails is tried again; nothing is given up early.
local function follow(t, session, limit_ms, done)
  local until_ms, a = clock.io_ms() + limit_ms, t.account
  while not done() do
    if clock.io_ms() > until_ms then return false end
    local needs = exec.needs(a.id) or {}
    local ok, err = true, nil
    if needs.orders then ok, err = watch.orders(session, a) end
    if ok then ok, err = watch.positions(session, a) end
    if ok and needs.closed then ok, err = watch.closed(session, a, needs.closed_from) end
    if ok and needs.balance then ok, err = watch.balance(session, a) end
    if not ok then
      if err.code == "cancelled" then return false end
      say("  a read failed and is tried again: " .. t.wire.redactor:text(err.message))
    end
    if not task.sleep(500, "io") then return false end
  end
  return true
end

local function ours(account)
  for _, p in ipairs(ledger.account(account) and ledger.positions(account) or {}) do
    if p.ours then return p end
  end
end

local function open(t, session)
  local leg = t.leg
  local id = ledger.last_ids().signal + 1
  event.emit("signal", { signal = id, strategy = "pilot", hash = "", symbol = leg.canonical, action = "OPEN_LONG",
    price = leg.price, stop = leg.stop, target = leg.target, confidence = 1, strength = 1,
    reason = "pilot of " .. t.profile.name, conditions = "[]", plan = "{}", who = "probe" })
  local batch <close> = exec.batch { signal = id, settle = "all", deadline_ms = 10000 }
  local ok, err = batch:add(leg)
  if not ok then return nil, err end
  local report
  report, err = batch:submit()
  if not report then return nil, err end
  local sent = report.legs[1]
  t.pilot.open = { state = sent.state, sent_us = sent.sent_us, answered_us = sent.answered_us, asked = leg.price,
    reason = sent.reason }
  say(("  opened: %s%s"):format((sent.state or "refused"):lower(), sent.reason and sent.reason ~= ""
    and " (" .. sent.reason .. ")" or ""))
  if sent.refused then return fail("failed", ("the order was kept back: %s: %s"):format(sent.rule, sent.reason)) end
  local function settled()
    local order = ledger.order(sent.order)
    return ours(t.account.id) or order.state == "REJECTED" or order.state == "ABSENT" or order.state == "NOT_SENT"
  end
  if not follow(t, session, OPEN_MS, settled) then
    return fail("failed", ("the position is not shown after %d s; look at account %s yourself. The journal of this "
      .. "probe knows the order; a probe with --pilot goes on with it"):format(OPEN_MS // 1000, t.account.id))
  end
  local position = ours(t.account.id)
  if not position then
    local order = ledger.order(sent.order)
    return fail("failed", ("the order is %s: %s"):format(order.state:lower(), order.why or ""))
  end
  return position
end

local function close(t, session, position)
  local ok, err = exec.close(t.account.id, position.id, "manual")
  if not ok then return nil, err end
  local begun = clock.io_ms()
  local gone = follow(t, session, CLOSE_MS, function()
    return not ledger.position(t.account.id, position.id) and not (exec.needs(t.account.id) or {}).closed
  end)
  if not gone then
    return fail("failed", ("POSITION %s ON ACCOUNT %s IS STILL OPEN; it has its stop and target at the broker. Close "
      .. "it by hand, or run the pilot again"):format(position.id, t.account.id))
  end
  t.pilot.close = { took_ms = clock.io_ms() - begun }
  say(("  closed after %d ms"):format(clock.io_ms() - begun))
  return true
end

local function report(t, position)
  local i, p = t.instrument, t.pilot
  p.position, p.price = position.id, position.price
  if p.open then
    local points = math.floor((tonumber(position.price) - p.open.asked) * 10 ^ i.price_digits + 0.5)
    p.slippage_points = points
    say(("  asked %s, got %s: %d points of slippage"):format(decimal.new(p.open.asked):fixed(i.price_digits),
      decimal.new(position.price):fixed(i.price_digits), points))
  end
  t.wire:note { pilot = { open = p.open or json.null, close = p.close or json.null, price = p.price,
    slippage_points = p.slippage_points or json.null } }
end

--- Opens and closes, after a confirmation. Yields.
---@param t table  the tour, after its reads
---@return true|nil, table|nil err
function pilot.run(t)
  t.pilot = {}
  set_clock(t)
  local session = reader(t)
  local left = ours(t.account.id)
  local err
  if not left then
    t.leg, err = plan(t)
    if not t.leg then return nil, err end
  end
  local ok
  ok, err = confirm(t, t.leg)
  if not ok then return nil, err end
  ok, err = prepare(t)
  if not ok then return nil, err end
  ok, err = watch.orders(session, t.account)
  if ok then ok, err = watch.positions(session, t.account) end
  if ok then ok, err = watch.balance(session, t.account) end
  if not ok then return nil, err end
  local position = left or ours(t.account.id)
  if not position then
    position, err = open(t, session)
    if not position then return nil, err end
  end
  ok, err = close(t, session, position)
  if not ok then return nil, err end
  report(t, position)
  return true
end

return pilot
