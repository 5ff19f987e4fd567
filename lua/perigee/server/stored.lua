-- SPDX-License-Identifier: MIT
-- Rows of perigee.store.queries as rows of the API. Pure functions.

local clock = require "perigee.clock"
local json = require "perigee.json"
local view = require "perigee.server.view"

local stored = {}

local maybe, null = view.maybe, json.null

local function iso(ms) return ms ~= nil and clock.iso(ms) or null end

local function decoded(text)
  local value = text and json.decode(text)
  return type(value) == "table" and value or nil
end

function stored.trade(t)
  return { id = t.id, uid = t.uid, order_id = maybe(t.order_id), signal_id = maybe(t.signal_id),
    strategy = maybe(t.strategy), user_id = t.user_id, email = t.email, account_id = t.account_id,
    position_id = t.position_id, symbol = t.symbol, side = t.side, quantity = t.quantity, entry_price = t.entry_price,
    exit_price = t.exit_price, profit_loss = t.profit_loss, commission = t.commission, swap = t.swap, net = t.net,
    currency = t.currency, profit_loss_percent = t.profit_loss_percent, duration_seconds = t.duration_seconds,
    reason = t.reason, is_partial = t.is_partial, executed_at = clock.iso(t.executed_ms),
    closed_at = clock.iso(t.closed_ms) }
end

function stored.order(o)
  return { id = o.id, signal_id = maybe(o.signal_id), account_id = o.account_id, user_id = o.user_id, email = o.email,
    operation = o.operation, symbol = o.symbol, side = o.side, order_type = o.order_type, quantity = o.quantity,
    entry_price = maybe(o.entry_price), stop_loss = maybe(o.stop_loss), take_profit = maybe(o.take_profit),
    status = o.status, state = o.state, reason = maybe(o.reason), position_id = maybe(o.position_id),
    is_ambiguous = o.is_ambiguous == true, candidates = json.array {},
     is_closing = o.is_closing == true, close_reason = maybe(o.close_reason),
    attempt = o.attempt, created_at = clock.iso(o.created_ms),
    executed_at = iso(o.executed_ms), closed_at = iso(o.closed_ms) }
end

local function outcome(s)
  if s.legs == nil and s.refused_rule == nil then return null end
  return { traded = s.refused_rule == nil and (s.sent == nil or s.sent > 0), refused_rule = maybe(s.refused_rule),
    refused_reason = maybe(s.refused_reason), legs = s.legs or 0, accepted = s.accepted or 0,
    rejected = s.rejected or 0, unknown = s.unknown or 0, not_sent = s.not_sent or 0, volume = maybe(s.volume),
    elapsed_ms = s.elapsed_us and s.elapsed_us / 1000 or null }
end

function stored.signal(s)
  return { id = s.id, strategy = s.strategy, hash = maybe(s.hash), symbol = s.symbol, signal_type = s.signal_type,
    price = maybe(s.price), stop_loss = maybe(s.stop_loss), take_profit = maybe(s.take_profit),
    strength = maybe(s.strength), confidence = maybe(s.confidence), volume_ratio = maybe(s.volume_ratio),
    orderbook_imbalance = maybe(s.orderbook_imbalance), reason = maybe(s.reason),
    conditions = view.conditions(decoded(s.conditions)),
    created_at = clock.iso(s.created_ms), outcome = outcome(s) }
end

function stored.log(l)
  return { id = l.id, level = l.level, component = l.component, message = l.message,
    metadata = decoded(l.metadata) or null, created_at = clock.iso(l.created_ms) }
end

function stored.audit(a)
  return { id = a.id, at = clock.iso(a.at_ms), operator = maybe(a.operator), action = a.action,
    target = maybe(a.target), details = decoded(a.details) or null, ok = a.ok, reason = maybe(a.reason),
    ip = maybe(a.ip) }
end

function stored.candle(c)
  return view.candle { c.open_ms, c.open, c.high, c.low, c.close, c.volume, c.buy_volume, c.sell_volume }
end

return stored
