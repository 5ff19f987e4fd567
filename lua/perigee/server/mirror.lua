-- SPDX-License-Identifier: MIT
-- The office's picture of the engine: its snapshot, the events after it and its unnumbered state, folded in memory.
-- What pages show of the present is read here; no view asks the engine. Pure: in go tables, out come rows of the API
-- and the changes that a socket tells.
--
-- The engine's rows are kept as they came; perigee.server.mirror_events folds events into them and
-- perigee.server.view makes the API's rows. Limits: the newest 200 finished orders and the newest 20 signals.

local decimal = require "perigee.decimal"
local json = require "perigee.json"
local money = require "perigee.server.money"
local view = require "perigee.server.view"

local mirror = {}

---@class perigee.Mirror
---@field seq integer          newest event in it; 0: no snapshot yet
---@field known boolean        a snapshot was seen
---@field currency string      reporting currency
local Mirror = {}
Mirror.__index = Mirror

local MOST_ORDERS, MOST_SIGNALS = 200, 20
local EMPTY = {}

---@param currency string
---@return perigee.Mirror
function mirror.new(currency)
  local self = setmetatable({ currency = currency, seq = 0, known = false }, Mirror)
  self:clear()
  return self
end

function Mirror:clear()
  self.engine, self.market, self.health = {}, {}, {}
  self.entries_stopped, self.trading_enabled = false, false
  self.users, self.by_user, self.sessions, self.accounts = {}, {}, {}, {}
  self.positions, self.orders, self.order_ids = {}, {}, {}
  self.signals, self.signal_ids = {}, {}
  self.instruments, self.quotes, self.strategies, self.rates, self.forming = {}, {}, {}, {}, {}
end

function mirror.key(account, id) return account .. "\0" .. id end

--- Takes the engine's snapshot: what was known before is forgotten.
---@param s table
function Mirror:snapshot(s)
  self:clear()
  self.seq, self.known = s.seq, true
  self.engine, self.market = s.engine or {}, s.market or {}
  if type(self.market.time_ms) ~= "number" then self.market.time_ms = nil end -- no feed yet
  self.entries_stopped, self.trading_enabled = s.entries_stopped == true, s.trading_enabled == true
  self.in_flight = s.in_flight or 0
  for _, u in ipairs(s.users or EMPTY) do self:put_user(u) end
  for _, row in ipairs(s.sessions or EMPTY) do self.sessions[row.id] = row end
  for _, a in ipairs(s.accounts or EMPTY) do self.accounts[a.id] = a end
  for _, i in ipairs(s.instruments or EMPTY) do self.instruments[i.symbol] = i end
  for _, p in ipairs(s.positions or EMPTY) do self.positions[mirror.key(p.account, p.id)] = p end
  for _, o in ipairs(s.orders or EMPTY) do self:put_order(o) end
  local signals = table.move(s.signals or EMPTY, 1, #(s.signals or EMPTY), 1, {})
  table.sort(signals, function(a, b) return a.id < b.id end)
  for _, g in ipairs(signals) do self:put_signal(g) end
  self.strategies, self.rates = s.strategies or {}, s.rates or {}
  for _, q in ipairs(s.quotes or EMPTY) do self:put_quote(q) end
end

--- Instruments show the broker's prices; those of the reference are told beside them.
function Mirror:put_quote(q)
  if q.venue ~= "reference" then self.quotes[q.symbol] = q end
end

function Mirror:put_user(u)
  self.users[u.id] = u
  self.by_user[u.user or (u.broker .. ":" .. u.email)] = u.id
end

function Mirror:put_order(o)
  if not self.orders[o.id] then
    local ids = self.order_ids
    ids[#ids + 1] = o.id
    if #ids > 1 and ids[#ids - 1] > o.id then table.sort(ids) end
  end
  self.orders[o.id] = o
end

local FINAL = { accepted = true, rejected = true, absent = true, not_sent = true }

-- Nothing more will become of it. A pending order that rests is not finished.
local function finished_with(o)
  return FINAL[o.state] and not (o.op == "pending" and o.state == "accepted" and (o.resting or "resting") == "resting")
end

--- Forgets the oldest finished orders beyond the limit.
function Mirror:trim_orders()
  local ids = self.order_ids
  if #ids <= MOST_ORDERS * 2 then return end
  local kept, finished = {}, 0
  for i = #ids, 1, -1 do
    local o = self.orders[ids[i]]
    local over = finished_with(o)
    finished = finished + (over and 1 or 0)
    if not over or finished <= MOST_ORDERS then
      kept[#kept + 1] = ids[i]
    else
      self.orders[ids[i]] = nil
    end
  end
  table.sort(kept)
  self.order_ids = kept
end

function Mirror:put_signal(g)
  if not self.signals[g.id] then self.signal_ids[#self.signal_ids + 1] = g.id end
  self.signals[g.id] = g
  if #self.signal_ids > MOST_SIGNALS then self.signals[table.remove(self.signal_ids, 1)] = nil end
end

-- ---- unnumbered state ----------------------------------------------------------------------------

local state = {}

function state.health(self, frame)
  self.health = frame
  if frame.entries_stopped ~= nil then self.entries_stopped = frame.entries_stopped end
  if frame.in_flight then self.in_flight = frame.in_flight end
  if type(frame.market_ms) == "number" then self.market.time_ms = frame.market_ms end
  return { type = "health", data = self:system_brief() }
end

function state.quotes(self, frame)
  local out = json.array {}
  for i, q in ipairs(frame.quotes or EMPTY) do
    self:put_quote(q)
    out[i] = { venue = q.venue, symbol = q.symbol, bid = q.bid, ask = q.ask, time = view.time(q.time_ms) }
  end
  return { type = "quotes", data = { quotes = out } }
end

function state.marks(self, frame)
  local data = { positions = json.array {}, accounts = json.array {}, rates = frame.rates or self.rates }
  self.rates = data.rates
  for _, m in ipairs(frame.positions or EMPTY) do
    local p = self.positions[mirror.key(m[1], m[2])]
    if p then
      p.mark, p.profit = m[3], m[4]
      data.positions[#data.positions + 1] = { account_id = m[1], id = m[2], mark = m[3], profit = m[4] }
    end
  end
  for _, m in ipairs(frame.accounts or EMPTY) do
    local a = self.accounts[m[1]]
    if a then
      a.equity, a.margin, a.free_margin, a.profit = m[2], m[3], m[4], m[5]
      data.accounts[#data.accounts + 1] = { id = m[1], equity = m[2], margin = m[3], free_margin = m[4],
        profit = m[5] }
    end
  end
  return { type = "marks", data = data }
end

function state.bar(self, frame)
  if type(frame.bar) ~= "table" then return nil end
  self.forming[frame.symbol .. "\0" .. frame.timeframe] = frame.bar
  return { type = "bar", key = ("bar:%s:%s:%d"):format(frame.symbol, frame.timeframe, frame.bar[1]),
    data = { symbol = frame.symbol, timeframe = frame.timeframe, candle = view.candle(frame.bar) } }
end

--- Takes a STATE frame of the engine. Returns what the sockets tell, or nil when it is unknown here.
---@param frame table
---@return perigee.MirrorChange|nil
function Mirror:state(frame)
  local fn = state[frame.kind]
  local change = fn and fn(self, frame)
  if change then change.newest, change.key = true, change.key or change.type end
  return change
end

-- ---- reading -------------------------------------------------------------------------------------

local function sorted(map, before)
  local out = {}
  for _, row in pairs(map) do out[#out + 1] = row end
  table.sort(out, before)
  return out
end

local function by_id(a, b) return a.id < b.id end

local function by_age(a, b)
  local x, y = a.opened_ms or 0, b.opened_ms or 0
  if x ~= y then return x < y end
  if a.account ~= b.account then return a.account < b.account end
  return a.id < b.id
end

--- The newest session of a user, an engine's row.
function Mirror:session_of(user_id)
  local newest
  for _, s in pairs(self.sessions) do
    if s.user_id == user_id and (not newest or s.id > newest.id) then newest = s end
  end
  return newest
end

function Mirror:accounts_of(user_id)
  local out = {}
  for _, a in pairs(self.accounts) do
    if a.user_id == user_id then out[#out + 1] = a end
  end
  table.sort(out, by_id)
  return out
end

function Mirror:sum() return money.sum(self.rates, self.currency, self.currency) end

--- Balance, equity and floating profit of some accounts, in their common currency or in the reporting currency.
---@return table { currency, balance, equity, profit } texts or nil
function Mirror:totals(accounts)
  local currency = #accounts > 0 and accounts[1].currency or self.currency
  for _, a in ipairs(accounts) do
    if a.currency ~= currency then currency = self.currency end
  end
  local out = { currency = currency }
  for _, name in ipairs { "balance", "equity", "profit" } do
    local sum = money.sum(self.rates, self.currency, currency)
    for _, a in ipairs(accounts) do
      local amount = a[name]
      sum:add(amount ~= json.null and amount or nil, a.currency)
    end
    out[name] = sum.complete and sum:text() or nil
  end
  return out
end

--- A user's row. `accounts` and `session` are looked up when they are not given.
function Mirror:user_row(u, accounts, session)
  accounts = accounts or self:accounts_of(u.id)
  return view.user(u, { accounts = accounts, session = session or self:session_of(u.id) }, self:totals(accounts))
end

--- Rows of the API, in a fixed order.
function Mirror:list_users()
  local accounts, sessions, out = {}, {}, {}
  for _, a in ipairs(sorted(self.accounts, by_id)) do
    accounts[a.user_id] = accounts[a.user_id] or {}
    table.insert(accounts[a.user_id], a)
  end
  for id, s in pairs(self.sessions) do
    local other = sessions[s.user_id]
    if not other or other.id < id then sessions[s.user_id] = s end
  end
  for i, u in ipairs(sorted(self.users, by_id)) do
    out[i] = self:user_row(u, accounts[u.id] or {}, sessions[u.id])
  end
  return out
end

function Mirror:list_sessions()
  local out = {}
  for i, s in ipairs(sorted(self.sessions, function(a, b) return a.id > b.id end)) do out[i] = view.session(s) end
  return out
end

function Mirror:list_accounts()
  local out = {}
  for i, a in ipairs(sorted(self.accounts, by_id)) do out[i] = view.account(a) end
  return out
end

function Mirror:position_row(p)
  local known = self.instruments[p.symbol]
  if not p.canonical and known then p.canonical = known.canonical end
  return view.position(p)
end

function Mirror:list_positions()
  local out = {}
  for i, p in ipairs(sorted(self.positions, by_age)) do out[i] = self:position_row(p) end
  return out
end

function Mirror:order_row(o)
  local known = self.instruments[o.symbol]
  if not o.canonical and known then o.canonical = known.canonical end
  return view.order(o)
end

--- Newest first. `active`: only those whose outcome is not known, and pending orders that rest.
function Mirror:list_orders(active)
  local out = {}
  for i = #self.order_ids, 1, -1 do
    local o = self.orders[self.order_ids[i]]
    if not active or not finished_with(o) then out[#out + 1] = self:order_row(o) end
  end
  return out
end

--- Newest first.
function Mirror:list_signals()
  local out = {}
  for i = #self.signal_ids, 1, -1 do out[#out + 1] = view.signal(self.signals[self.signal_ids[i]]) end
  return out
end

function Mirror:list_instruments()
  local out = {}
  for i, row in ipairs(sorted(self.instruments, function(a, b) return a.symbol < b.symbol end)) do
    out[i] = view.instrument(row, self.quotes[row.canonical])
  end
  return out
end

function Mirror:knows_symbol(symbol)
  for _, row in pairs(self.instruments) do
    if row.canonical == symbol then return true end
  end
  return false
end

function Mirror:user(id) return self.users[id] and self:user_row(self.users[id]) end
function Mirror:session(id) return self.sessions[id] and view.session(self.sessions[id]) end
function Mirror:account(id) return self.accounts[id] and view.account(self.accounts[id]) end

function Mirror:position(account, id)
  local p = self.positions[mirror.key(account, id)]
  return p and self:position_row(p)
end

local function count(map, fn)
  local n = 0
  for _, row in pairs(map) do n = n + (fn(row) and 1 or 0) end
  return n
end

local function always() return true end
local function is_open(s) return s.state == "open" end

local function less(a, b)
  local ok, out = pcall(function() return tostring(decimal.new(a) - decimal.new(b)) end)
  return ok and out or nil
end

--- The figures that the present alone tells. The day's history is the caller's to add.
function Mirror:overview()
  local sums = { balance = self:sum(), equity = self:sum(), profit = self:sum(), total = self:sum() }
  for _, a in pairs(self.accounts) do
    for _, name in ipairs { "balance", "equity", "profit" } do
      sums[name]:add(a[name] ~= json.null and a[name] or nil, a.currency)
    end
    local known = a.balance and a.balance ~= json.null and a.balance_first and a.balance_first ~= json.null
    sums.total:add(known and less(a.balance, a.balance_first) or nil, a.currency)
  end
  local newest = self.signal_ids[#self.signal_ids]
  return { as_of = view.time(self.market.time_ms), currency = self.currency, complete = sums.balance.complete
      and sums.equity.complete and sums.profit.complete and sums.total.complete,
    users_total = count(self.users, always),
    users_active = count(self.users, function(u) return u.is_active ~= false end),
    sessions_active = count(self.sessions, is_open), accounts_total = count(self.accounts, always),
    accounts_active = count(self.accounts, function(a) return a.active end),
    balance = view.maybe(sums.balance:text()), equity = view.maybe(sums.equity:text()),
    floating = view.maybe(sums.profit:text()), profit_total = view.maybe(sums.total:text()),
    open_positions = count(self.positions, always),
    latest_signal = newest and view.signal(self.signals[newest]) or json.null }
end

-- What the newest health frame and the snapshot tell of the engine's surroundings.
function Mirror:system_brief()
  local h, m = self.health, self.market
  local feed, broker = h.feed or {}, h.broker or {}
  local strategies = json.array {}
  for i, s in ipairs(self.strategies) do
    strategies[i] = { instance = s.instance, version = s.version, hash = s.hash, symbol = s.symbol,
      running = s.running ~= false }
  end
  return { feed = { state = feed.state or m.feed or "unknown", source = view.maybe(m.source),
      age_ms = feed.age_ms or json.null },
    broker = { state = broker.state or "unknown", age_ms = broker.age_ms or json.null },
    market_time = view.time(m.time_ms), symbol = view.maybe(m.symbol), clock = view.maybe(self.engine.clock),
    speed = self.engine.speed ~= nil and tostring(self.engine.speed) or json.null,
    entries_stopped = self.entries_stopped, trading_enabled = self.trading_enabled,
    orders_in_flight = self.in_flight or 0,
    sessions_open = h.sessions_open or count(self.sessions, is_open),
    accounts_active = h.accounts_active or count(self.accounts, function(a) return a.active end),
    strategies = strategies }
end

--- The time that the market is at, for the changes that carry none. RFC 3339 or null.
function Mirror:market_time() return view.time(self.market.time_ms) end

return mirror
