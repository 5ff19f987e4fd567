-- SPDX-License-Identifier: MIT
-- Events of the journal folded into a perigee.server.mirror, each with what the sockets tell of it.
--
-- A change is { type, key, data }: of several waiting changes with one key only the newest matters, a change without
-- a key is told in any case. Fields that an event does not carry (why an account may open, margins after a fill) stay
-- as they were until the engine's next rows; `stale` says that they should be asked for.

local decimal = require "perigee.decimal"
local json = require "perigee.json"
local mirror = require "perigee.server.mirror"
local view = require "perigee.server.view"

local events = {}

---@class perigee.MirrorChange
---@field type string
---@field key string|nil
---@field newest boolean|nil    state without a number, of which only the newest counts
---@field data table

local null = json.null

local function word(text)
  if text ~= "" then return text end
end

-- An amount that stands for everything.
local function none(amount) return amount == nil or amount == null or amount == "0" end

-- ---- users, sessions, accounts -------------------------------------------------------------------

local function user_of(self, e)
  return self.users[e.user_id or e.id or self.by_user[e.user or ""] or 0] or self.users[self.by_user[e.user or ""] or 0]
end

local function user_change(self, u, op)
  return { type = "user_update", key = "user:" .. u.id, data = { op = op, user = self:user_row(u) } }
end

local function account_change(a)
  return { type = "balance_update", key = "account:" .. a.id, data = { accounts = json.array { view.account(a) } } }
end

local function session_change(s)
  return { type = "session_update", key = "session:" .. s.id, data = { session = view.session(s) } }
end

local on = {}

function on.user_added(self, e)
  local id = e.id
  if not id then return nil end
  local known = self.users[id]
  local broker, email = e.user:match("^([^:]*):(.*)$")
  local active = e.active ~= false
  local u = known or { id = id, user = e.user, broker = e.broker or broker, email = e.email or email,
    state = active and "logging_in" or "inactive", accounts = {} }
  if e.name then u.name = e.name end
  if u.is_active ~= active then
    u.is_active = active
    if not active then u.state = "inactive" elseif u.state == "inactive" then u.state = "logging_in" end
  end
  self:put_user(u)
  return user_change(self, u, known and "changed" or "added")
end

function on.user_removed(self, e)
  local u = user_of(self, e)
  if not u then return nil end
  local change = user_change(self, u, "removed")
  self.users[u.id], self.by_user[e.user or ""] = nil, nil
  for id, a in pairs(self.accounts) do
    if a.user_id == u.id then self.accounts[id] = nil end
  end
  return change
end

function on.account_added(self, e)
  local u = user_of(self, e)
  local a = self.accounts[e.account] or { id = e.account, open_positions = 0, trades = 0, realised = "0",
    active = false, paused = false }
  a.user_id = e.user_id or u and u.id or a.user_id or 0
  a.user, a.broker, a.email = e.user, e.broker, e.user:match("^[^:]*:(.*)$") or e.user
  a.currency, a.leverage, a.group, a.uuid = e.currency, e.leverage, word(e.group), word(e.uuid) or a.uuid
  a.updated_ms = e.market_ms
  self.accounts[e.account] = a
  return account_change(a)
end

function on.balance(self, e)
  local a = self.accounts[e.account]
  if not a then return nil end
  a.balance, a.equity, a.margin, a.free_margin = e.balance, e.equity, e.margin, e.free_margin
  if not a.balance_first or a.balance_first == null then a.balance_first = e.balance end
  a.currency, a.updated_ms = word(e.currency) or a.currency, e.market_ms
  return account_change(a)
end

function on.account_state(self, e)
  local a = self.accounts[e.account]
  if not a then return nil end
  a.paused = e.state == "paused"
  return account_change(a)
end

-- The accounts of a user whose session is gone open nothing.
local function rest(self, u, out)
  for _, a in ipairs(self:accounts_of(u.id)) do
    if a.active then
      a.active = false
      out[#out + 1] = account_change(a)
    end
  end
  return out
end

function on.account_read(self, e)
  local a = self.accounts[e.account]
  if not a then return nil end
  a.active = not a.paused
  return account_change(a)
end

local function accounts_of(self, id)
  local ids = {}
  for i, a in ipairs(self:accounts_of(id)) do ids[i] = a.id end
  return ids
end

-- What a session that failed is doing, by the code of its failure; others log in again.
local failed = { credentials = "refused", refused = "refused", edge_block = "blocked", taken_over = "taken_over" }

-- The open session of a user ends; the user's state says why.
local function end_session(self, u, state, reason, code)
  local s = self:session_of(u.id)
  local ended = s and s.state == "open"
  if ended then s.state, s.error = state, reason end
  u.condition = failed[code]
  if s then s.condition = failed[code] end
  u.state, u.error = state == "failed" and "failed" or u.is_active == false and "inactive" or "closed", reason
  local out = {}
  if ended then out[1] = session_change(s) end
  out[#out + 1] = user_change(self, u, "changed")
  return rest(self, u, out)
end

function on.session_opened(self, e)
  local u = user_of(self, e)
  if not u then return nil end
  local out = {}
  local former = self:session_of(u.id)
  if former and former.state == "open" then
    former.state = "closed"
    out[1] = session_change(former)
  end
  local s = { id = e.seq, user_id = u.id, user = e.user, email = u.email, broker = u.broker, state = "open",
    login_ms = e.market_ms, token_ms = e.how ~= "resume" and e.market_ms or nil,
    expires_ms = e.expires, accounts = accounts_of(self, u.id) }
  self.sessions[s.id] = s
  events.forget_sessions(self, u.id)
  u.state, u.condition, u.error = "open", nil, nil
  out[#out + 1] = session_change(s)
  out[#out + 1] = user_change(self, u, "changed")
  return out
end

local MOST_SESSIONS = 20 -- of one user

--- The oldest sessions of a user beyond the limit are left to the history.
function events.forget_sessions(self, user_id)
  local ids = {}
  for id, s in pairs(self.sessions) do
    if s.user_id == user_id then ids[#ids + 1] = id end
  end
  table.sort(ids)
  for i = 1, #ids - MOST_SESSIONS do self.sessions[ids[i]] = nil end
end

function on.session_renewed(self, e)
  local u = user_of(self, e)
  local s = u and self:session_of(u.id)
  if not s then return nil end
  s.state, s.expires_ms, s.last_refresh_ms, s.error = "open", e.expires, e.market_ms, nil
  s.condition, s.token_ms = nil, e.market_ms
  u.state, u.condition, u.error = "open", nil, nil
  return { session_change(s), user_change(self, u, "changed") }
end

function on.session_failed(self, e)
  local u = user_of(self, e)
  return u and end_session(self, u, "failed", e.reason or e.code, e.code)
end

function on.session_closed(self, e)
  local u = user_of(self, e)
  return u and end_session(self, u, "closed", nil)
end

-- ---- market --------------------------------------------------------------------------------------

function on.instrument(self, e)
  local row = {}
  for _, name in ipairs { "symbol", "canonical", "price_digits", "volume_digits", "volume_min", "volume_max",
    "volume_step", "stops_level", "contract_size" } do
    row[name] = e[name]
  end
  self.instruments[e.symbol] = row
end

function on.bar(_, e)
  local bar = { e.open_time, e.open, e.high, e.low, e.close, e.volume, e.buy_volume, e.sell_volume }
  return { type = "bar", newest = true, key = ("bar:%s:%s:%d"):format(e.symbol, e.timeframe, e.open_time),
    data = { symbol = e.symbol, timeframe = e.timeframe, candle = view.candle(bar) } }
end

-- ---- signals and orders --------------------------------------------------------------------------

function on.signal(self, e)
  local conditions = e.conditions and json.decode(e.conditions)
  local g = { id = e.signal, strategy = e.strategy, hash = e.hash, symbol = e.symbol, action = e.action,
    price = e.price, stop = e.stop, target = e.target, confidence = e.confidence, strength = e.strength,
    reason = e.reason, conditions = type(conditions) == "table" and conditions or {}, time_ms = e.market_ms }
  self:put_signal(g)
  return { type = "trade_signal", key = "signal:" .. g.id, data = { signal = view.signal(g) } }
end

local function outcome_change(g)
  return { type = "signal_outcome", key = "signal:" .. g.id, data = { signal = view.signal(g) } }
end

function on.signal_refused(self, e)
  local g = self.signals[e.signal]
  if not g then return nil end
  g.outcome = { traded = false, refused_rule = e.rule, refused_reason = e.reason }
  return outcome_change(g)
end

function on.batch_done(self, e)
  local g = self.signals[e.signal]
  if not g then return nil end
  g.outcome = { traded = (e.sent or 0) > 0, legs = e.legs, accepted = e.accepted, rejected = e.rejected,
    unknown = e.unknown, not_sent = e.not_sent, volume = e.volume, elapsed_us = e.elapsed_us }
  return outcome_change(g)
end

local function order_change(self, o, e)
  o.updated_ms = e.market_ms
  return { type = "order_executed", key = "order:" .. o.id, data = { order = self:order_row(o) } }
end

function on.intent(self, e)
  local a = self.accounts[e.account] or {}
  local o = { id = e.order, batch = e.batch, signal = e.signal, account = e.account, user_id = a.user_id or 0,
    email = a.email or "", op = e.op, symbol = e.symbol, side = e.side, volume = e.volume, price = e.price,
    stop = e.stop, target = e.target, position = word(e.position), reason = word(e.reason), state = "intent",
    type = e.type, attempt = e.attempt, created_ms = e.market_ms }
  self:put_order(o)
  self:trim_orders()
  return order_change(self, o, e)
end

local function step(state, field)
  return function(self, e)
    local o = self.orders[e.order]
    if not o then return nil end
    o.state = state
    if field then o.reason = word(e[field]) or o.reason end
    return order_change(self, o, e)
  end
end

on.order_sent = step("sent")
on.order_rejected = step("rejected", "reason")
on.order_unknown = step("unknown", "cause")
on.order_absent = step("absent")
on.order_not_sent = step("not_sent", "cause")

function on.order_accepted(self, e)
  local o = self.orders[e.order]
  if not o then return nil end
  o.state, o.position = "accepted", o.position or word(e.broker_id)
  if o.op ~= "open" and o.op ~= "pending" then o.closed_ms = e.market_ms end
  return order_change(self, o, e)
end

function on.order_adopted(self, e)
  local o = self.orders[e.order]
  if not o then return nil end
  o.state, o.position, o.ambiguous = "accepted", word(e.position) or o.position, false
  return order_change(self, o, e)
end

function on.order_ambiguous(self, e)
  local o = self.orders[e.order]
  if not o then return nil end
  local list = type(e.candidates) == "string" and json.decode(e.candidates) or e.candidates
  o.candidates = type(list) == "table" and list or {}
  o.ambiguous = #o.candidates > 0
  return order_change(self, o, e)
end

-- Of a pending order; those of somebody else are no orders of ours.
local function pending(fn)
  return function(self, e)
    local o = self.orders[e.order or 0]
    if not o then return nil end
    fn(o, e)
    return order_change(self, o, e)
  end
end

on.pending_seen = pending(function(o, e) o.resting, o.position = "resting", e.pending end)
on.pending_changed = pending(function(o, e)
  o.volume, o.price, o.stop, o.target = e.volume, e.price, e.stop, e.target
end)
on.pending_gone = pending(function(o, e)
  o.resting, o.position = e.reason == "triggered" and "triggered" or "cancelled", word(e.position) or o.position
end)

-- What an entry becomes is to be closed; the first reason stays.
local function mark_order(o, reason)
  if o.closing then return false end
  o.closing, o.close_reason = true, reason
  return true
end

function on.order_closing(self, e)
  local o = self.orders[e.order]
  return o and mark_order(o, word(e.reason)) and order_change(self, o, e) or nil
end

-- ---- positions -----------------------------------------------------------------------------------

local function position_change(self, p, op)
  return { type = "position_update", key = "position:" .. mirror.key(p.account, p.id),
    data = { op = op, position = self:position_row(p) } }
end

-- A close of everything: when it is wanted already its first reason stays.
local function want_close(p, reason)
  if p.closing and none(p.closing_volume) then return false end
  p.closing, p.closing_volume, p.close_reason = true, nil, reason
  return true
end

function on.position_opened(self, e)
  local a = self.accounts[e.account] or {}
  local key = mirror.key(e.account, e.position)
  local p = { account = e.account, id = e.position, user_id = a.user_id or 0, email = a.email or "", symbol = e.symbol,
    side = e.side, volume = e.volume, price = e.price, stop = e.stop, target = e.target,
    opened_ms = e.opened or e.market_ms, holding_ms = e.holding_ms, order = e.order, signal = e.signal,
    ours = e.ours == true, closing = false, currency = a.currency or self.currency }
  local o = self.orders[e.order or 0]
  if o and o.closing then want_close(p, o.close_reason) end
  if o and o.op == "open" then o.position = e.position end -- its answer may have called it something else
  if not self.positions[key] then a.open_positions = (a.open_positions or 0) + 1 end
  self.positions[key] = p
  local out = { position_change(self, p, "opened") }
  if a.id then out[2] = account_change(a) end
  return out
end

local function position_of(self, e) return self.positions[mirror.key(e.account, e.position)] end

function on.position_changed(self, e)
  local p = position_of(self, e)
  if not p then return nil end
  p.volume, p.stop, p.target = e.volume or p.volume, e.stop or p.stop, e.target or p.target
  return position_change(self, p, "changed")
end

function on.position_closing(self, e)
  local p = position_of(self, e)
  if not p then return nil end
  p.closing, p.closing_volume, p.close_reason = true, e.volume, e.reason
  return position_change(self, p, "closing")
end

-- Legs that are unwound: all that they became, and may still become, is to be closed.
function on.batch_decided(self, e)
  if e.outcome ~= "unwound" or (e.first or 0) == 0 then return nil end
  local out = {}
  for id = e.first, e.last do
    local o = self.orders[id]
    if o and o.op == "open" and o.batch == e.batch and mark_order(o, "unwind") then
      out[#out + 1] = order_change(self, o, e)
    end
  end
  for _, p in pairs(self.positions) do
    if (p.order or 0) >= e.first and p.order <= e.last and want_close(p, "unwind") then
      out[#out + 1] = position_change(self, p, "closing")
    end
  end
  table.sort(out, function(a, b) return a.key < b.key end)
  return out
end

local function sum(a, b, minus)
  local ok, out = pcall(function()
    local x, y = decimal.new(a), decimal.new(b)
    return tostring(minus and x - y or x + y)
  end)
  return ok and out or a
end

-- A closing of a part leaves the position with less; the order that opened a closed one is closed, too.
function on.position_closed(self, e)
  local a, p = self.accounts[e.account], position_of(self, e)
  local signal, known = self.signals[e.signal or 0], self.instruments[e.symbol]
  local more = { user_id = a and a.user_id or 0, email = a and a.email or "", currency = a and a.currency
    or self.currency, symbol = known and known.canonical or e.symbol, strategy = signal and signal.strategy }
  local out = {}
  p = p or { account = e.account, id = e.position, user_id = more.user_id, email = more.email, symbol = e.symbol,
    side = e.side, volume = e.volume, price = e.open_price, opened_ms = e.opened, order = e.order, signal = e.signal,
    ours = (e.order or 0) > 0, currency = more.currency }
  if e.partial then
    p.volume = sum(p.volume, e.volume, true)
    if not none(p.closing_volume) then p.closing, p.closing_volume, p.close_reason = false, nil, nil end
  else
    p.close_reason = e.reason
    if self.positions[mirror.key(e.account, e.position)] then
      self.positions[mirror.key(e.account, e.position)] = nil
      if a then a.open_positions = math.max(0, (a.open_positions or 0) - 1) end
    end
    if a then a.trades = (a.trades or 0) + 1 end
    local o = self.orders[e.order or 0]
    if o then
      o.closed_ms = e.closed or e.market_ms
      out[#out + 1] = order_change(self, o, e)
    end
  end
  local change = position_change(self, p, e.partial and "changed" or "closed")
  change.key, change.data.trade = nil, view.trade(e, more) -- a trade is told in any case
  table.insert(out, 1, change)
  if a then
    a.realised = sum(a.realised or "0", e.net or "0")
    out[#out + 1] = account_change(a)
  end
  return out
end

-- ---- the engine ----------------------------------------------------------------------------------

function on.engine_started(self, e)
  self.engine.version, self.engine.pid, self.engine.clock = e.version, e.pid, e.clock
  self.engine.mode = e.mode
end

function on.feed(self, e)
  if e.source == "reference" then
    self.market.feed = e.state
    if self.health.feed then self.health.feed.state = e.state end
  end
  return { type = "system", data = {} }
end

function on.policy_state(self, e)
  if e.name ~= "entries_stopped" then return nil end
  local value = json.decode(e.value or "")
  self.entries_stopped = value == true or type(value) == "table" and (value.on or value.stopped) == true
  return { type = "system", data = {} }
end

function on.notice(_, e)
  return { type = "notice", data = { level = e.level or "info", component = e.component or "", text = e.text or "" } }
end

function on.market_ended(self)
  self.market.feed = "ended"
  return { type = "system", data = {} }
end

-- After these the engine's own rows tell more than their events.
local STALE = { user_added = true, session_opened = true, session_renewed = true, session_failed = true,
  session_closed = true, account_added = true, account_state = true, engine_ready = true, script_loaded = true }

--- Folds one event; one that the picture holds already changes nothing.
---@param self perigee.Mirror
---@param e perigee.Event
---@return perigee.MirrorChange[] changes
---@return boolean stale   the engine's rows should be read again
function events.add(self, e)
  if not self.known or e.seq <= self.seq then return {}, false end
  self.seq = e.seq
  if e.market_ms and e.market_ms > (self.market.time_ms or 0) then self.market.time_ms = e.market_ms end
  local fn = on[e.kind]
  local out = fn and fn(self, e) or {}
  if out.type then out = { out } end
  return out, STALE[e.kind] == true
end

return events
