-- SPDX-License-Identifier: MIT
--
-- Events into changes of rows: a pure function, so that it is tested without a database. A batch of events becomes
-- at most one new row or one change for each key, whatever happened to it meanwhile. Names of the lists and of their
-- columns are those of perigee.store.rows, which has the SQL.
--
-- What outlives a batch is the book: who owns an account, how a broker's symbols are called. It is a copy of rows
-- and can be read again from the tables at any time.
--
-- A journal of a former program knows no numbers of users. Such a user gets LEGACY + the number of the event that
-- told of it, which is the same each time that the journal is read; when the number becomes known, it is renamed.

local closing = require "perigee.store.fold_closing"
local decimal = require "perigee.decimal"
local event = require "perigee.event"
local json = require "perigee.json"
local pending = require "perigee.store.fold_pending"

local fold = { LEGACY = 1000000000000 }

---@class perigee.StoreBook
---@field users table<string, integer>                                   "broker:e-mail" to id, of those not removed
---@field former table<string, integer>                                  the same of those removed, the last of each
---@field accounts table<string, { user: string, broker: string, currency: string }>
---@field instruments table<string, string>                              "broker\0symbol" to our name

---@return perigee.StoreBook
function fold.book()
  return { users = {}, former = {}, accounts = {}, instruments = {} }
end

---@class perigee.StoreFold
---@field count integer     events in it
---@field first integer     number of the first
---@field last integer      number of the last
---@field last_wall_us integer
local Fold = {}
Fold.__index = Fold

--- An empty batch.
---@param book perigee.StoreBook  changed by add
---@return perigee.StoreFold
function fold.new(book)
  return setmetatable({ book = book, count = 0, lists = {}, keys = {}, open_sessions = {} }, Fold)
end

-- ---- lists ---------------------------------------------------------------------------------------

local function append(self, name, row)
  local list = self.lists[name]
  if not list then
    list = {}
    self.lists[name] = list
  end
  list[#list + 1] = row
  return row
end

-- The row of a key in a list, made when it is not there.
local function keyed(self, name, key)
  local keys = self.keys[name]
  if not keys then
    keys = {}
    self.keys[name] = keys
  end
  local row = keys[key]
  if not row then
    row = append(self, name, {})
    keys[key] = row
  end
  return row
end

local function found(self, name, key)
  local keys = self.keys[name]
  return keys and keys[key]
end

local function put_new(self, name, key, row)
  local keys = self.keys[name]
  if not keys then
    keys = {}
    self.keys[name] = keys
  end
  keys[key] = row
  return append(self, name, row)
end

-- ---- small helpers -------------------------------------------------------------------------------

local SIDES = { BUY = "LONG", SELL = "SHORT" }
local TYPES = { OPEN_LONG = "LONG", OPEN_SHORT = "SHORT", CLOSE = "CLOSE" }

-- 0 means none in these fields.
local function some(text)
  if text ~= "0" then return text end
end

local function word(text)
  if text ~= "" then return text end
end

local function number(id)
  if id ~= 0 then return id end
end

local function level_log(self, e, level, component, message)
  return append(self, "logs", { id = e.seq, level = level, component = component, message = message,
    metadata = event.json(event.encode(e)), at = e.market_ms, wall_us = e.wall_us })
end

local function account_of(self, e)
  local account = self.book.accounts[e.account or ""]
  if account then return account end
  error({ unfoldable = ("account %s was never told of"):format(tostring(e.account)) }, 0)
end

local function symbol_of(self, account, symbol)
  return self.book.instruments[account.broker .. "\0" .. symbol] or symbol
end

-- ---- users and accounts --------------------------------------------------------------------------

-- The row of a user in this batch: a whole row, because the tables may not have it.
local function user_row(self, id, key, e)
  local row = found(self, "users", id)
  if row then
    row.updated = e.market_ms
    return row
  end
  local broker, email = key:match("^([^:]*):(.*)$")
  row = put_new(self, "users", id, { id = id, broker = word(broker or e.broker), email = word(email or key),
    created = e.market_ms, updated = e.market_ms })
  return row
end

local function new_user(self, key, e, told)
  local id = told or fold.LEGACY + e.seq
  self.book.users[key] = id
  user_row(self, id, key, e)
  return id
end

-- A user's number; a removed one's, too: what its accounts have open may end later. One that was never told of
-- gets a row.
local function user_id(self, key, e, told)
  return self.book.users[key] or self.book.former[key] or new_user(self, key, e, told)
end

-- A removed user's row stays for its history.
local function remove(self, id, e)
  local row = user_row(self, id, e.user, e)
  row.deleted, row.active = e.market_ms, false
  append(self, "removals", { id = id, deleted = e.market_ms })
  self.book.users[e.user], self.book.former[e.user] = nil, id
end

local on = {}

function on.user_added(self, e)
  local known = self.book.users[e.user]
  if known and e.id and e.id ~= known then
    if known < fold.LEGACY then -- another login of the same name: the old one is gone
      remove(self, known, e)
    else
      append(self, "renames", { was = known, id = e.id })
      self.book.users[e.user] = e.id
    end
  end
  local row = user_row(self, self.book.users[e.user] or new_user(self, e.user, e, e.id), e.user, e)
  if e.broker then row.broker = e.broker end
  row.email = word(e.email) or row.email
  if e.name then row.name = e.name end -- an empty one takes it away
  if e.broker_id then row.number = e.broker_id end
  if e.active ~= nil then row.active = e.active end
end

function on.user_removed(self, e)
  remove(self, user_id(self, e.user, e, e.id), e)
end

function on.account_added(self, e)
  local id = user_id(self, e.user, e, e.user_id)
  local broker = e.broker or e.user:match("^[^:]*")
  local group = word(e.group)
  self.book.accounts[e.account] = { user = e.user, broker = broker, currency = e.currency }
  if group then
    local row = keyed(self, "groups", broker .. "\0" .. group)
    row.broker, row.name, row.created = broker, group, row.created or e.market_ms
  end
  local row = keyed(self, "accounts", e.account)
  row.id, row.user_id, row.uuid, row.broker = e.account, id, word(e.uuid) or row.uuid, broker
  row.system, row.group, row.leverage, row.currency = word(e.system), group, e.leverage, e.currency
  row.created, row.updated = row.created or e.market_ms, e.market_ms
end

function on.account_read(self, e)
  account_of(self, e)
  local row = keyed(self, "account_changes", e.account)
  row.id, row.updated, row.read = e.account, e.market_ms, e.market_ms
end

function on.balance(self, e)
  account_of(self, e)
  local row = keyed(self, "account_changes", e.account)
  row.id, row.updated = e.account, e.market_ms
  row.balance, row.equity, row.margin, row.free_margin = e.balance, e.equity, e.margin, e.free_margin
  row.first = row.first or e.balance
  if word(e.currency) then
    row.currency = e.currency
    self.book.accounts[e.account].currency = e.currency
  end
  append(self, "balances", { account = e.account, at = e.market_ms, seq = e.seq, balance = e.balance,
    equity = e.equity, margin = e.margin, free_margin = e.free_margin })
end

function on.account_state(self, e)
  account_of(self, e)
  local row = keyed(self, "account_changes", e.account)
  row.id, row.updated = e.account, e.market_ms
  row.paused, row.paused_reason = e.state == "paused", e.reason or ""
  level_log(self, e, "info", "risk", ("account %s is %s: %s"):format(e.account, e.state, e.reason or ""))
end

function on.instrument(self, e)
  self.book.instruments[e.venue .. "\0" .. e.symbol] = word(e.canonical)
  local row = keyed(self, "instruments", e.venue .. "\0" .. e.symbol)
  for _, name in ipairs { "venue", "symbol", "canonical", "base", "quote", "price_digits", "volume_digits",
    "volume_min", "volume_max", "volume_step", "contract_size", "leverage", "stops_level", "commission" } do
    row[name] = e[name]
  end
  row.updated = e.market_ms
end

-- ---- sessions ------------------------------------------------------------------------------------

-- The open session of a user: the row of this batch, or a change of the one in the tables; nil: there is none.
local function session_of(self, id)
  local row = self.open_sessions[id]
  if row or self.lists.session_ends then return row end
  row = keyed(self, "session_changes", id)
  row.user_id = id
  return row
end

local function end_session(self, id, ms, reason)
  local row = session_of(self, id)
  if not row or row.closed then return end
  row.closed, row.reason = ms, reason
  self.open_sessions[id] = nil
end

-- An engine that begins or ends leaves no session of ours open.
local function end_sessions(self, ms, reason)
  for _, row in pairs(self.open_sessions) do row.closed, row.reason = ms, reason end
  self.open_sessions = {}
  if not self.lists.session_ends then append(self, "session_ends", { closed = ms, reason = reason }) end
end

function on.session_opened(self, e)
  local id = user_id(self, e.user, e, e.user_id)
  end_session(self, id, e.market_ms, "replaced")
  self.open_sessions[id] = append(self, "sessions", { id = e.seq, user_id = id, accounts = e.accounts or 0,
    login = e.market_ms, expires = e.expires })
end

function on.session_renewed(self, e)
  local id = self.book.users[e.user]
  local row = id and session_of(self, id)
  if row and not row.closed then row.expires, row.refreshed = e.expires, e.market_ms end
end

function on.session_failed(self, e)
  local id = self.book.users[e.user]
  if id then end_session(self, id, e.market_ms, "failed: " .. (e.reason or e.code or "")) end
  level_log(self, e, "warn", "session", ("%s: %s"):format(e.user, e.reason or e.code or "failed"))
end

function on.session_closed(self, e)
  local id = self.book.users[e.user]
  if id then end_session(self, id, e.market_ms, word(e.reason) or "closed") end
end

-- ---- signals -------------------------------------------------------------------------------------

-- A condition's value, when it is a number within the range.
local function condition(conditions, prefix, least, most)
  for _, c in ipairs(conditions) do
    if type(c) == "table" and type(c.name) == "string" and c.name:sub(1, #prefix) == prefix then
      local v = c.value
      if type(v) == "number" and v >= least and v <= most then return v end
      return nil
    end
  end
end

function on.signal(self, e)
  local conditions = e.conditions and json.decode(e.conditions)
  if type(conditions) ~= "table" then conditions = {} end
  put_new(self, "signals", e.signal, { id = e.signal, symbol = e.symbol, type = TYPES[e.action] or e.action,
    strategy = e.strategy or "", hash = word(e.hash), strength = e.strength, confidence = e.confidence,
    volume_ratio = condition(conditions, "volume_ratio", -math.huge, math.huge),
    imbalance = condition(conditions, "imbalance", 0, 1),
    price = some(e.price), stop = some(e.stop), target = some(e.target), reason = word(e.reason),
    who = word(e.who), conditions = e.conditions, plan = e.plan, created = e.market_ms })
end

local function signal_row(self, id)
  local row = found(self, "signals", id)
  if row then return row end
  row = keyed(self, "signal_changes", id)
  row.id = id
  return row
end

function on.signal_refused(self, e)
  local row = signal_row(self, e.signal)
  row.refused_rule, row.refused_reason = e.rule, e.reason
end

function on.batch_done(self, e)
  if not number(e.signal or 0) then
    level_log(self, e, "info", "orchestrate", ("fan-out %d on %s is done"):format(e.batch or 0, e.symbol or ""))
    return
  end
  local row = signal_row(self, e.signal)
  for _, name in ipairs { "legs", "sent", "accepted", "rejected", "unknown", "not_sent", "volume", "skew_us",
    "elapsed_us" } do
    row[name] = e[name]
  end
  row.done = e.market_ms
end

function on.risk_refused(self, e)
  level_log(self, e, "info", "risk", ("signal %d, account %s: %s: %s"):format(e.signal or 0, e.account or "",
    e.rule or "", e.reason or ""))
end

-- ---- orders --------------------------------------------------------------------------------------

function on.intent(self, e)
  local account = account_of(self, e)
  put_new(self, "orders", e.order, { id = e.order, user_id = user_id(self, account.user, e), account = e.account,
    signal_id = number(e.signal or 0), batch = number(e.batch or 0), operation = e.op,
    symbol = symbol_of(self, account, e.symbol), side = SIDES[e.side] or e.side, quantity = e.volume or "0",
    price = some(e.price), stop = some(e.stop), target = some(e.target), state = "intent", type = e.type or "MARKET",
    position = word(e.position), reason = word(e.reason), attempt = e.attempt or 1, created = e.market_ms,
    updated = e.market_ms })
end

local function order_row(self, id, e)
  local row = found(self, "orders", id)
  if not row then
    row = keyed(self, "order_changes", id)
    row.id = id
  end
  row.updated = e.market_ms
  return row
end

local function step(self, e, state)
  local row = order_row(self, e.order, e)
  row.state = state
  return row
end

local ENTRIES = { open = true, pending = true }

-- The broker has it. What it means for a close or an edit, whose row may be in the tables only, SQL decides.
local function taken(self, e, position)
  local row = step(self, e, "accepted")
  row.taken, row.ambiguous = e.market_ms, false
  -- Of a close or an edit the answer's id is not needed: their intent named the position.
  if not row.operation or ENTRIES[row.operation] then row.position = word(position) or row.position end
  return row
end

function on.order_sent(self, e)
  step(self, e, "sent").queued_us = e.queued_us
end

function on.order_accepted(self, e)
  taken(self, e, e.broker_id).latency_us = e.latency_us
end

function on.order_adopted(self, e)
  taken(self, e, e.position)
end

function on.order_rejected(self, e)
  step(self, e, "rejected").reason = word(e.reason) or word(e.code)
end

function on.order_unknown(self, e)
  step(self, e, "unknown").reason = word(e.cause)
end

function on.order_absent(self, e)
  step(self, e, "absent").ambiguous = false
end

function on.order_not_sent(self, e)
  step(self, e, "not_sent").reason = word(e.cause)
end

pending.install(on, { order_row = order_row, level_log = level_log, number = number })

-- ---- positions and trades ------------------------------------------------------------------------

local function position_row(self, e)
  local key = e.account .. "\0" .. e.position
  local row = found(self, "positions", key)
  if not row then
    row = keyed(self, "position_changes", key)
    row.account, row.id = e.account, e.position
  end
  row.updated = e.market_ms
  return row
end

function on.position_opened(self, e)
  local account = account_of(self, e)
  local key = e.account .. "\0" .. e.position
  local row = found(self, "positions", key) or put_new(self, "positions", key, {})
  row.account, row.id, row.order_id, row.signal_id = e.account, e.position, number(e.order or 0), number(e.signal or 0)
  row.symbol, row.side = symbol_of(self, account, e.symbol), SIDES[e.side] or e.side
  row.quantity, row.price, row.stop, row.target = e.volume, e.price, some(e.stop), some(e.target)
  row.holding_ms, row.ours, row.closed, row.less = number(e.holding_ms or 0), e.ours == true, nil, nil
  row.opened, row.updated = e.opened or e.market_ms, e.market_ms
  local order = row.order_id and order_row(self, row.order_id, e)
  closing.opened(row, order)
  if order then
    order.executed_price, order.position = e.price, order.position or e.position
    -- A pending order's own id may be another one. Its end is told after this, too.
    if e.who == "pending" then order.resting, order.position = "triggered", e.position end
  end
end

function on.position_changed(self, e)
  local row = position_row(self, e)
  if e.volume then row.quantity, row.less = e.volume, nil end
  -- In a change NULL means "as it was", so a level that was taken away is told by 0.
  if e.stop then row.stop = e.stop end
  if e.target then row.target = e.target end
end

closing.install(on, { order_row = order_row, position_row = position_row, append = append, level_log = level_log })

function on.position_closed(self, e)
  local account = account_of(self, e)
  local order = number(e.order or 0)
  append(self, "trades", { id = e.seq, order_id = order, user_id = user_id(self, account.user, e),
    account = e.account, signal_id = number(e.signal or 0), uid = e.uid, position = e.position,
    symbol = symbol_of(self, account, e.symbol), side = SIDES[e.side] or e.side, entry_price = e.open_price,
    exit_price = e.price, quantity = e.volume, profit = e.profit or "0", commission = e.commission or "0",
    swap = e.swap or "0", net = e.net or "0", currency = account.currency,
    seconds = math.max((e.closed - e.opened) // 1000, 0), reason = e.reason or "", partial = e.partial == true,
    opened = e.opened, closed = e.closed })
  local row = position_row(self, e)
  if e.partial then
    row.less = row.less and tostring(decimal.new(row.less) + decimal.new(e.volume)) or e.volume
    closing.part_closed(row)
    return
  end
  row.closed, row.closing, row.part, row.close_reason = e.closed, false, nil, word(e.reason)
  if order then
    local changed = order_row(self, order, e)
    changed.closed = changed.closed or e.closed
  end
end

-- ---- market, commands, logs ----------------------------------------------------------------------

function on.bar(self, e)
  local row = keyed(self, "candles", e.symbol .. "\0" .. e.timeframe .. "\0" .. e.open_time)
  for _, name in ipairs { "symbol", "timeframe", "open_time", "open", "high", "low", "close", "volume", "buy_volume",
    "sell_volume", "source", "side_source" } do
    row[name] = e[name]
  end
end

function on.command(self, e)
  append(self, "commands", { seq = e.seq, wall_us = e.wall_us, who = word(e.who), name = e.name or "",
    args = e.args, ok = e.ok == true, reason = word(e.reason) })
end

local LEVELS = { debug = true, info = true, warn = true, error = true }

function on.notice(self, e)
  level_log(self, e, LEVELS[e.level] and e.level or "info", word(e.component) or "engine", e.text or "")
end

function on.engine_started(self, e)
  end_sessions(self, e.market_ms, "the engine was started again")
  level_log(self, e, "info", "engine", ("started: version %s, %s, process %d"):format(e.version or "?", e.mode or "?",
    e.pid or 0))
end

function on.engine_stopped(self, e)
  end_sessions(self, e.market_ms, "the engine was stopped")
  level_log(self, e, e.exit_code == 0 and "info" or "error", "engine", ("stopped: %s, exit code %d"):format(
    e.reason or "?", e.exit_code or 0))
end

function on.engine_ready(self, e)
  level_log(self, e, "info", "engine", "ready: trading begins")
end

function on.script_loaded(self, e)
  level_log(self, e, e.ok and "info" or "error", "script", e.ok
    and ("%s %s loaded (%s)"):format(e.name or "", e.version or "", e.hash or "")
    or ("%s refused: %s"):format(e.name or "", e.reason or ""))
end

function on.feed(self, e)
  level_log(self, e, e.state == "lost" and "warn" or "info", "feed", ("%s: %s%s"):format(e.source or "", e.state or "",
    word(e.detail) and ", " .. e.detail or ""))
end

function on.market_ended(self, e)
  level_log(self, e, "info", "feed", e.reason or "the market has ended")
end

function on.policy_state(self, e)
  level_log(self, e, "debug", "policy", ("%s is remembered"):format(e.name or ""))
end

-- Steps on the way to events that have rows of their own leave none.
fold.silent = { batch_begun = true, leg_filled = true, command_begun = true }

-- ---- the batch -----------------------------------------------------------------------------------

--- Does this event change rows by what the tables hold: does it rename a user, or unwind a fan-out? Then the batch so
--- far must be written first, and the event begins the next one.
---@param e perigee.Event
---@return boolean
function Fold:cuts(e)
  if self.count == 0 then return false end
  if e.kind ~= "user_added" then return e.kind == "batch_decided" and e.outcome == "unwound" end
  local known = self.book.users[e.user]
  return known ~= nil and e.id ~= nil and e.id ~= known
end

--- Takes the next event.
---@param e perigee.Event
---@return true|nil, string|nil why  it contradicts what is known; nothing of it was taken
function Fold:add(e)
  local fn = on[e.kind]
  if fn then
    local ok, why = pcall(fn, self, e)
    if not ok then
      return nil, type(why) == "table" and why.unfoldable or tostring(why)
    end
  elseif not fold.silent[e.kind] then
    level_log(self, e, "info", "engine", e.kind)
  end
  self:pass(e)
  return true
end

--- Counts an event without taking anything of it.
function Fold:pass(e)
  self.count = self.count + 1
  self.first = self.first or e.seq
  self.last, self.last_wall_us = e.seq, e.wall_us
end

--- Puts an event that cannot be stored into the logs instead, in a form that any database takes.
---@param e perigee.Event
---@param why string
function Fold:reject(e, why)
  local ok, text = pcall(function() return event.json(event.encode(e)) end)
  if not ok or not utf8.len(text) or text:find("\\u0000", 1, true) or text:find("\0", 1, true) then
    text = json.encode { kind = e.kind, seq = e.seq }
  end
  why = why:gsub("%z", "")
  if not utf8.len(why) then why = "the database refused it" end
  append(self, "logs", { id = e.seq, level = "error", component = "projector",
    message = ("event %d (%s) could not be stored: %s"):format(e.seq, e.kind, why), metadata = text,
    at = e.market_ms, wall_us = e.wall_us })
  self:pass(e)
end

-- Levels of 0 are none, partial closes lessen the volume of a row that is new in this batch.
local function settle(row)
  row.stop, row.target, row.close_reason = some(row.stop), some(row.target), word(row.close_reason)
  if row.less then
    row.quantity, row.less = tostring(decimal.new(row.quantity) - decimal.new(row.less)), nil
  end
end

--- The rows of the batch by list, ready to be written.
---@return table<string, table[]>
function Fold:finish()
  for _, row in ipairs(self.lists.positions or {}) do settle(row) end
  for _, row in ipairs(self.lists.orders or {}) do settle(row) end
  return self.lists
end

return fold
