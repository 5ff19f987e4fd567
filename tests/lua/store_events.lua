-- SPDX-License-Identifier: MIT
-- Events for the specs of the store: a fleet that trades for some days, by a seed. What must come out of it is
-- reckoned here in the plainest way, event by event, so that the fold and the SQL are held against something else.

local decimal = require "perigee.decimal"
local rng = require "perigee.rng"

local events = {}

local DAY = 86400000

---@return table stream  list of events, with `say(kind, fields)`
function events.stream()
  local self = { list = {}, seq = 0, now = 1704067200000 }
  function self.say(kind, fields)
    self.seq = self.seq + 1 + self.seq % 3 // 2 -- numbers have gaps
    self.now = self.now + 1
    local e = { kind = kind, seq = self.seq, market_ms = self.now, wall_us = self.now * 1000 + 7 }
    for k, v in pairs(fields or {}) do e[k] = v end
    self.list[#self.list + 1] = e
    return e
  end
  return self
end

local CURRENCIES = { "USD", "EUR", "JPY" }

function events.fleet(s, users)
  s.say("engine_started", { version = "1", mode = "paper", pid = 1, config_hash = "h", clock = "scaled" })
  s.say("instrument", { venue = "paper", symbol = "BTCUSD", canonical = "BTCUSD", base = "BTC", quote = "USD",
    price_digits = 1, volume_digits = 2, volume_min = "0.01", volume_max = "100", volume_step = "0.01",
    contract_size = "1", leverage = 0, stops_level = 10, commission = "0" })
  for k = 1, users do
    local user = ("paper:u%02d@example.com"):format(k)
    s.say("user_added", { user = user, broker = "paper", id = k, name = "", email = user:match(":(.*)"),
      active = true })
    s.say("account_added", { account = tostring(100 + k), user = user, broker = "paper",
      currency = CURRENCIES[1 + k % 3], leverage = 100, system = "s", group = "g" .. k % 2, uuid = "uuid-" .. k,
      user_id = k })
    s.say("session_opened", { user = user, accounts = 1, expires = s.now + 900000, user_id = k })
    s.say("balance", { account = tostring(100 + k), balance = "1000", equity = "1000", margin = "0",
      free_margin = "1000", currency = CURRENCIES[1 + k % 3] })
  end
end

-- The rest of an order's life after its intent; true when the broker took it.
local function outcome(s, r, order, position)
  local roll = r:range(0, 19)
  if roll == 0 then
    s.say("order_not_sent", { order = order, cause = "deadline" })
    return false
  end
  s.say("order_sent", { order = order, queued_us = r:range(1, 999) })
  if roll == 1 then
    s.say("order_rejected", { order = order, code = "no_money", reason = "not enough money", retry_after_ms = 0 })
  elseif roll == 2 then
    s.say("order_unknown", { order = order, cause = "timeout" })
    s.say("order_absent", { order = order, reads = 3 })
  elseif roll == 3 then
    s.say("order_unknown", { order = order, cause = "cut" })
    s.say("order_adopted", { order = order, position = position, by = "stops" })
    return true
  else
    s.say("order_accepted", { order = order, broker_id = position, latency_us = r:range(1, 9999) })
    return true
  end
  return false
end

local function money(r) return tostring(decimal.new(tostring(r:range(-50000, 50000))) / decimal.new("100")) end

local function trade(s, r, k, ids)
  ids.order = ids.order + 1
  local order, position, side = ids.order, "P" .. ids.order, r:range(0, 1) == 0 and "BUY" or "SELL"
  local at = { account = tostring(100 + k), position = position, symbol = r:range(0, 2) == 0 and "ETHUSD" or "BTCUSD",
    side = side }
  local function with(fields)
    for name, v in pairs(at) do fields[name] = v end
    return fields
  end
  local intent = with { order = order, batch = ids.signal, signal = ids.signal, op = "open", volume = "0.9",
    price = "100", stop = "99", target = "0", tag = -1, attempt = 1, holding_ms = 0 }
  intent.position = nil
  s.say("intent", intent)
  if not outcome(s, r, order, position) then return end
  local opened = s.now
  s.say("position_opened", with { order = order, signal = ids.signal, volume = "0.9", price = "100.5", stop = "99",
    target = "0", opened = opened, ours = true, holding_ms = 0 })
  if r:range(0, 3) == 0 then
    s.say("position_changed", { account = at.account, position = position, volume = "0.9", stop = "98", target = "0" })
  end
  s.now = s.now + r:range(1000, DAY // 20)
  local parts = r:range(1, 3)
  for i = 1, parts do
    ids.order = ids.order + 1
    s.say("position_closing", { account = at.account, position = position, reason = "time", volume = "0" })
    s.say("intent", with { order = ids.order, batch = 0, signal = 0, op = i < parts and "close_partial" or "close",
      volume = "0.3", price = "101", stop = "0", target = "0", tag = -1, attempt = 1, reason = "time" })
    outcome(s, r, ids.order, position)
    local profit = r:range(0, 9) == 0 and "0" or money(r)
    s.say("position_closed", with { uid = position .. "_" .. i, order = order, signal = ids.signal,
      volume = i < parts and "0.3" or "0.9", open_price = "100.5", price = "101.5", profit = profit,
      commission = "0", swap = "0", net = profit, reason = "time", opened = opened, closed = s.now,
      partial = i < parts })
  end
  s.say("balance", { account = at.account, balance = money(r), equity = money(r), margin = "0", free_margin = "1",
    currency = CURRENCIES[1 + k % 3] })
end

--- Some days of trading.
function events.trading(s, seed, users, signals, ids)
  local r = rng.new(seed)
  ids = ids or { order = 0, signal = 0 }
  for _ = 1, signals do
    ids.signal = ids.signal + 1
    s.say("signal", { signal = ids.signal, strategy = "scalper", hash = "abc", symbol = "BTCUSD", action = "OPEN_LONG",
      price = "100", stop = "99", target = "0", confidence = 0.5, strength = 0.25, reason = "because",
      conditions = '[{"name":"volume_ratio_20","value":3.5}]', plan = "{}" })
    for k = 1, users do trade(s, r, k, ids) end
    s.say("batch_done", { batch = ids.signal, signal = ids.signal, symbol = "BTCUSD", legs = users, sent = users,
      accepted = users, rejected = 0, unknown = 0, not_sent = 0, volume = "1", skew_us = 1, elapsed_us = 2 })
    s.say("bar", { symbol = "BTCUSD", timeframe = "1m", open_time = s.now // 60000 * 60000, open = 1.5, high = 2.25,
      low = 1.125, close = 0.1, volume = 3, buy_volume = 1, sell_volume = 2, source = "reference",
      side_source = "modelled" })
    s.say("risk_refused", { signal = ids.signal, account = "101", rule = "max_positions", reason = "too many" })
  end
  return ids
end

-- ---- what must come out --------------------------------------------------------------------------

local STATES = { order_sent = "sent", order_accepted = "accepted", order_adopted = "accepted",
  order_rejected = "rejected", order_unknown = "unknown", order_absent = "absent", order_not_sent = "not_sent" }
local STATUS = { intent = "PENDING", sent = "PENDING", rejected = "REJECTED", unknown = "UNKNOWN",
  absent = "CANCELLED", not_sent = "CANCELLED" }

--- Orders by id: state, status, position; trades by id: the event; balances and sessions as counts.
function events.expect(list)
  local out = { orders = {}, trades = {}, balance = {}, balances = 0, positions = {}, bars = {}, logs = {} }
  for _, e in ipairs(list) do
    local o = e.order and out.orders[e.order]
    if e.kind == "intent" then
      out.orders[e.order] = { state = "intent", op = e.op, position = e.position, created = e.market_ms }
    elseif STATES[e.kind] then
      o.state = STATES[e.kind]
      if o.op == "open" then o.position = e.broker_id or e.position or o.position end
    elseif e.kind == "position_opened" then
      out.positions[e.account .. "/" .. e.position] = { volume = e.volume, stop = e.stop }
    elseif e.kind == "position_changed" then
      out.positions[e.account .. "/" .. e.position] = { volume = e.volume, stop = e.stop }
    elseif e.kind == "position_closed" then
      out.trades[e.seq] = e
      local p = out.positions[e.account .. "/" .. e.position]
      if e.partial then
        p.volume = tostring(decimal.new(p.volume) - decimal.new(e.volume))
      else
        o.closed, p.closed = e.closed, e.closed
      end
    elseif e.kind == "balance" then
      out.balance[e.account], out.balances = e.balance, out.balances + 1
    elseif e.kind == "bar" then
      out.bars[e.open_time] = e.close
    elseif e.kind == "risk_refused" or e.kind == "engine_started" then
      out.logs[e.seq] = true
    end
  end
  for _, o in pairs(out.orders) do
    o.status = (o.closed or (o.state == "accepted" and o.op ~= "open")) and "CLOSED"
      or o.state == "accepted" and "OPEN" or STATUS[o.state]
  end
  return out
end

return events
