-- SPDX-License-Identifier: MIT
-- Holds every table of the history against the journal, row by row.
--   rows.lua DATA SOCKET [SEQ]
-- SOCKET: folder of the database's socket. The tables are read in one transaction together with the number that they
-- are at; the journal is folded up to that number, one event after the other, by nothing of the projector's. With SEQ
-- the tables must be at least there. Columns that come from elsewhere (sealed copies) are left out.

local decimal = require "perigee.decimal"
local journal = require "perigee.journal"
local json = require "perigee.json"
local pg = require "perigee.pg"
local task = require "perigee.task"

local data, socket, least = ...
least = tonumber(least or 0)

local SHOWN = 20
local faults, fault_count = {}, 0

local function fault(format, ...)
  fault_count = fault_count + 1
  if #faults < SHOWN then faults[#faults + 1] = format:format(...) end
end

-- ---- the tables ----------------------------------------------------------------------------------

-- Name of the table, its key, and its columns: name, or with a kind: ms (a time), n (a number in decimal), j (JSON).
local TABLES = {
  { "users", "id", "broker_id email broker_number name is_active created_at:ms updated_at:ms deleted_at:ms" },
  { "account_groups", "broker_id name", "created_at:ms" },
  { "accounts", "id", "user_id trading_account_uuid broker_id system_uuid group_name balance:n equity:n margin:n "
    .. "free_margin:n balance_first:n leverage currency is_paused paused_reason read_at:ms created_at:ms "
    .. "updated_at:ms" },
  { "user_sessions", "id", "user_id accounts login_at:ms expires_at:ms is_active last_refresh_at:ms closed_at:ms "
    .. "closed_reason" },
  { "instruments", "broker_id symbol", "canonical base quote price_digits volume_digits volume_min:n volume_max:n "
    .. "volume_step:n contract_size:n leverage stops_level commission:n updated_at:ms" },
  { "trading_signals", "id", "symbol signal_type strategy strategy_hash strength confidence price:n stop_loss:n "
    .. "take_profit:n reason operator conditions:j plan:j refused_rule refused_reason legs sent accepted rejected "
    .. "unknown not_sent volume:n skew_us elapsed_us done_at:ms created_at:ms" },
  { "orders", "id", "user_id account_id signal_id batch_id operation symbol side order_type quantity:n entry_price:n "
    .. "executed_price:n stop_loss:n take_profit:n state status position_id reason attempt queued_us latency_us "
    .. "resting is_ambiguous is_closing close_reason "
    .. "created_at:ms updated_at:ms executed_at:ms closed_at:ms" },
  { "positions", "account_id id", "order_id signal_id symbol side quantity:n entry_price:n stop_loss:n take_profit:n "
    .. "holding_ms is_ours is_closing closing_quantity:n close_reason opened_at:ms closed_at:ms updated_at:ms" },
  { "trades", "id", "order_id user_id account_id signal_id uid position_id strategy strategy_hash symbol side "
    .. "entry_price:n exit_price:n quantity:n profit_loss:n commission:n swap:n net:n currency duration_seconds "
    .. "reason is_partial executed_at:ms closed_at:ms" },
  { "trade_days", "day user_id symbol side currency result", "trades net:n seconds best:n best_id worst:n worst_id" },
  { "balances", "account_id seq", "at:ms balance:n equity:n margin:n free_margin:n" },
  { "candles", "symbol timeframe open_time:ms", "open high low close volume buy_volume sell_volume source "
    .. "side_source" },
  { "system_logs", "id", "kind log_level created_at:ms logged_at:ms" },
  { "audit_log", "journal_seq", "operator action ok reason at:ms" },
}
local EXPRESSIONS = { kind = "metadata->>'kind'" }
local WHERE = { audit_log = "WHERE journal_seq IS NOT NULL" }

local function plain(value, kind)
  if value == nil then return "-" end
  if kind == "j" then return json.encode(json.decode(value)) end
  if kind == "n" then return (tostring(decimal.new(value))) end
  if math.type(value) == "float" then return ("%.17g"):format(value) end
  return tostring(value)
end

local function columns_of(text)
  local out = {}
  for word in text:gmatch("%S+") do
    local name, kind = word:match("^([%w_]+):?(%l*)$")
    out[#out + 1] = { name = name, kind = kind }
  end
  return out
end

local function select_of(name, columns)
  local parts = {}
  for _, c in ipairs(columns) do
    local expression = EXPRESSIONS[c.name] or '"' .. c.name .. '"'
    parts[#parts + 1] = ("%s AS %s"):format(c.kind == "ms" and ("time_to_ms(%s)"):format(expression) or expression,
      '"' .. c.name .. '"')
  end
  return ("SELECT %s FROM %s %s"):format(table.concat(parts, ", "), name, WHERE[name] or "")
end

-- ---- the journal ---------------------------------------------------------------------------------

local rows = {} -- table to key to row
local accounts, canonical, open_session, strategy_of = {}, {}, {}, {}
local SIDE = { BUY = "LONG", SELL = "SHORT" }
local ACTION = { OPEN_LONG = "LONG", OPEN_SHORT = "SHORT", CLOSE = "CLOSE" }

for _, t in ipairs(TABLES) do rows[t[1]] = {} end

local function put(name, key, row)
  rows[name][key] = row
  return row
end

-- "" and 0 mean none in the journal's fields.
local function text(value) return value ~= "" and value or nil end
local function level(value) return value and decimal.new(value):sign() ~= 0 and value or nil end
local function id(value) return value ~= 0 and value or nil end
local function sum(a, b) return tostring(decimal.new(a) + decimal.new(b)) end

local function log(e, log_level)
  put("system_logs", tostring(e.seq), { kind = e.kind, log_level = log_level, created_at = e.market_ms,
    logged_at = e.wall_us // 1000 })
end

local function name_of(account, symbol) return canonical[accounts[account].broker_id .. " " .. symbol] or symbol end

local on = {}

function on.user_added(e)
  local row = rows.users[tostring(e.id)] or put("users", tostring(e.id), { created_at = e.market_ms })
  row.broker_id, row.email, row.broker_number = e.broker, e.email, text(e.broker_id)
  row.name, row.is_active, row.updated_at = text(e.name), e.active, e.market_ms
end

function on.user_removed(e)
  local row = rows.users[tostring(e.id)]
  row.deleted_at, row.updated_at, row.is_active = e.market_ms, e.market_ms, false
end

function on.account_added(e)
  local row = rows.accounts[e.account] or put("accounts", e.account, { created_at = e.market_ms, is_paused = false })
  accounts[e.account] = row
  row.user_id, row.trading_account_uuid, row.broker_id = e.user_id, text(e.uuid), e.broker
  row.system_uuid, row.group_name, row.leverage = text(e.system), text(e.group), e.leverage
  row.currency, row.updated_at = e.currency, e.market_ms
  local group = e.broker .. " " .. e.group
  if text(e.group) and not rows.account_groups[group] then
    put("account_groups", group, { created_at = e.market_ms })
  end
end

function on.account_read(e)
  accounts[e.account].read_at, accounts[e.account].updated_at = e.market_ms, e.market_ms
end

function on.account_state(e)
  local row = accounts[e.account]
  row.is_paused, row.updated_at = e.state == "paused", e.market_ms
  row.paused_reason = e.state == "paused" and (e.reason or "") or nil
  log(e, "info")
end

function on.balance(e)
  local row = accounts[e.account]
  row.balance, row.equity, row.margin, row.free_margin = e.balance, e.equity, e.margin, e.free_margin
  row.balance_first, row.updated_at = row.balance_first or e.balance, e.market_ms
  put("balances", e.account .. " " .. e.seq, { at = e.market_ms, balance = e.balance, equity = e.equity,
    margin = e.margin, free_margin = e.free_margin })
end

function on.instrument(e)
  canonical[e.venue .. " " .. e.symbol] = e.canonical
  put("instruments", e.venue .. " " .. e.symbol, { canonical = e.canonical, base = e.base, quote = e.quote,
    price_digits = e.price_digits, volume_digits = e.volume_digits, volume_min = e.volume_min,
    volume_max = e.volume_max, volume_step = e.volume_step, contract_size = e.contract_size, leverage = e.leverage,
    stops_level = e.stops_level, commission = e.commission, updated_at = e.market_ms })
end

local function close_session(user, ms, reason)
  local row = open_session[user]
  if not row then return end
  row.is_active, row.closed_at, row.closed_reason, open_session[user] = false, ms, reason, nil
end

function on.session_opened(e)
  close_session(e.user_id, e.market_ms, "replaced")
  open_session[e.user_id] = put("user_sessions", tostring(e.seq), { user_id = e.user_id, accounts = e.accounts,
    login_at = e.market_ms, expires_at = e.expires, is_active = true })
end

function on.session_renewed(e)
  local row = open_session[e.user_id]
  if row then row.expires_at, row.last_refresh_at = e.expires, e.market_ms end
end

function on.session_failed(e)
  close_session(e.user_id, e.market_ms, "failed: " .. e.reason)
  log(e, "warn")
end

function on.session_closed(e) close_session(e.user_id, e.market_ms, e.reason) end

local function close_sessions(ms, reason)
  for user in pairs(open_session) do close_session(user, ms, reason) end
end

function on.engine_started(e)
  close_sessions(e.market_ms, "the engine was started again")
  log(e, "info")
end

function on.engine_stopped(e)
  close_sessions(e.market_ms, "the engine was stopped")
  log(e, e.exit_code == 0 and "info" or "error")
end

function on.signal(e)
  strategy_of[e.signal] = { name = e.strategy, hash = text(e.hash) }
  put("trading_signals", tostring(e.signal), { symbol = e.symbol, signal_type = ACTION[e.action],
    strategy = e.strategy, strategy_hash = text(e.hash), strength = e.strength, confidence = e.confidence,
    price = level(e.price), stop_loss = level(e.stop), take_profit = level(e.target), reason = text(e.reason),
    operator = text(e.who), conditions = e.conditions, plan = e.plan, created_at = e.market_ms })
end

function on.signal_refused(e)
  local row = rows.trading_signals[tostring(e.signal)]
  row.refused_rule, row.refused_reason = e.rule, e.reason
end

function on.batch_done(e)
  if not id(e.signal) then return log(e, "info") end
  local row = rows.trading_signals[tostring(e.signal)]
  for _, name in ipairs { "legs", "sent", "accepted", "rejected", "unknown", "not_sent", "volume", "skew_us",
    "elapsed_us" } do
    row[name] = e[name]
  end
  row.done_at = e.market_ms
end

function on.intent(e)
  put("orders", tostring(e.order), { user_id = accounts[e.account].user_id, account_id = e.account,
    signal_id = id(e.signal), batch_id = id(e.batch), operation = e.op, symbol = name_of(e.account, e.symbol),
    side = SIDE[e.side], order_type = e.type or "MARKET", is_ambiguous = false, is_closing = false,
    quantity = e.volume, entry_price = level(e.price),
    stop_loss = level(e.stop), take_profit = level(e.target), position_id = text(e.position), reason = text(e.reason),
    attempt = e.attempt, state = "intent", created_at = e.market_ms, updated_at = e.market_ms })
end

local function step(e, state)
  local row = rows.orders[tostring(e.order)]
  row.state, row.updated_at = state, e.market_ms
  return row
end

local function taken(e, position)
  local row = step(e, "accepted")
  row.executed_at, row.is_ambiguous = e.market_ms, false
  if row.operation == "open" or row.operation == "pending" then
    row.position_id = text(position) or row.position_id
  else
    row.closed_at = e.market_ms
  end
  return row
end

function on.order_sent(e) step(e, "sent").queued_us = e.queued_us end
function on.order_accepted(e) taken(e, e.broker_id).latency_us = e.latency_us end
function on.order_adopted(e) taken(e, e.position) end
function on.order_rejected(e) step(e, "rejected").reason = text(e.reason) or e.code end
function on.order_unknown(e) step(e, "unknown").reason = e.cause end
function on.order_absent(e) step(e, "absent").is_ambiguous = false end

function on.order_ambiguous(e)
  local row = rows.orders[tostring(e.order)]
  row.is_ambiguous, row.updated_at = e.candidates ~= "[]", e.market_ms
end

local function pending_row(e)
  log(e, "info")
  local row = id(e.order) and rows.orders[tostring(e.order)]
  if row then row.updated_at = e.market_ms end
  return row or {}
end

function on.pending_seen(e)
  local row = pending_row(e)
  row.resting, row.position_id = "resting", e.pending
end

function on.pending_changed(e)
  local row = pending_row(e)
  row.quantity, row.entry_price = e.volume, e.price
  row.stop_loss, row.take_profit = level(e.stop), level(e.target)
end

function on.pending_gone(e) pending_row(e).resting = e.reason == "triggered" and "triggered" or "cancelled" end

on.pending_cancelling = pending_row
function on.order_not_sent(e) step(e, "not_sent").reason = e.cause end

function on.position_opened(e)
  put("positions", e.account .. " " .. e.position, { order_id = id(e.order), signal_id = id(e.signal),
    symbol = name_of(e.account, e.symbol), side = SIDE[e.side], quantity = e.volume, entry_price = e.price,
    stop_loss = level(e.stop), take_profit = level(e.target), holding_ms = id(e.holding_ms), is_ours = e.ours,
    is_closing = false, opened_at = e.opened, updated_at = e.market_ms })
  if id(e.order) then
    local order = rows.orders[tostring(e.order)]
    order.executed_price, order.updated_at = e.price, e.market_ms
    order.position_id = order.position_id or e.position
    if e.who == "pending" then order.resting, order.position_id = "triggered", e.position end
    if order.is_closing then
      local row = rows.positions[e.account .. " " .. e.position]
      row.is_closing, row.close_reason = true, order.close_reason
    end
  end
end

function on.position_changed(e)
  local row = rows.positions[e.account .. " " .. e.position]
  row.quantity, row.updated_at = e.volume, e.market_ms
  row.stop_loss, row.take_profit = level(e.stop), level(e.target)
end

function on.position_closing(e)
  local row = rows.positions[e.account .. " " .. e.position]
  row.is_closing, row.close_reason, row.updated_at = true, e.reason, e.market_ms
  row.closing_quantity = level(e.volume)
end

function on.order_closing(e)
  local row = rows.orders[tostring(e.order)]
  row.updated_at = e.market_ms
  if not row.is_closing then row.is_closing, row.close_reason = true, text(e.reason) end
end

function on.batch_decided(e)
  log(e, e.outcome == "unwound" and "warn" or "info")
  for key, o in pairs(e.outcome == "unwound" and rows.orders or {}) do
    local order = math.tointeger(tonumber(key))
    local within = order >= e.first and order <= e.last and o.batch_id == e.batch
    if within and o.operation == "open" and not o.is_closing then
      o.is_closing, o.close_reason, o.updated_at = true, "unwind", e.market_ms
    end
  end
  for _, p in pairs(e.outcome == "unwound" and rows.positions or {}) do
    local within = p.order_id and p.order_id >= e.first and p.order_id <= e.last and not p.closed_at
    if within and not (p.is_closing and not p.closing_quantity) then
      p.is_closing, p.closing_quantity, p.close_reason, p.updated_at = true, nil, "unwind", e.market_ms
    end
  end
end

local function add_day(trade, seq)
  local day = os.date("!%Y-%m-%d", trade.closed_at // 1000)
  local net = decimal.new(trade.net)
  local result = ({ [1] = "win", [-1] = "loss", [0] = "even" })[net:sign()]
  local key = table.concat({ day, trade.user_id, trade.symbol, trade.side, trade.currency, result }, " ")
  local row = rows.trade_days[key] or put("trade_days", key, { trades = 0, net = "0", seconds = 0 })
  row.trades, row.net, row.seconds = row.trades + 1, sum(row.net, trade.net), row.seconds + trade.duration_seconds
  if not row.best or net > decimal.new(row.best) then row.best, row.best_id = trade.net, seq end
  if not row.worst or net < decimal.new(row.worst) then row.worst, row.worst_id = trade.net, seq end
end

function on.position_closed(e)
  local strategy = strategy_of[e.signal] or {}
  local trade = put("trades", tostring(e.seq), { order_id = id(e.order), user_id = accounts[e.account].user_id,
    account_id = e.account, signal_id = id(e.signal), uid = e.uid, position_id = e.position, strategy = strategy.name,
    strategy_hash = strategy.hash, symbol = name_of(e.account, e.symbol), side = SIDE[e.side],
    entry_price = e.open_price, exit_price = e.price, quantity = e.volume, profit_loss = e.profit,
    commission = e.commission, swap = e.swap, net = e.net, currency = accounts[e.account].currency,
    duration_seconds = (e.closed - e.opened) // 1000, reason = e.reason, is_partial = e.partial,
    executed_at = e.opened, closed_at = e.closed })
  add_day(trade, e.seq)
  local row = rows.positions[e.account .. " " .. e.position]
  row.updated_at = e.market_ms
  if e.partial then
    if row.closing_quantity then row.is_closing, row.closing_quantity, row.close_reason = false, nil, nil end
    row.quantity = tostring(decimal.new(row.quantity) - decimal.new(e.volume))
    return
  end
  row.closed_at, row.is_closing, row.closing_quantity, row.close_reason = e.closed, false, nil, text(e.reason)
  if id(e.order) then
    local order = rows.orders[tostring(e.order)]
    order.closed_at, order.updated_at = e.closed, e.market_ms
  end
end

function on.bar(e)
  put("candles", ("%s %s %d"):format(e.symbol, e.timeframe, e.open_time), { open = e.open, high = e.high,
    low = e.low, close = e.close, volume = e.volume, buy_volume = e.buy_volume, sell_volume = e.sell_volume,
    source = e.source, side_source = e.side_source })
end

function on.command(e)
  put("audit_log", tostring(e.seq), { operator = text(e.who), action = e.name, ok = e.ok, reason = text(e.reason),
    at = e.wall_us // 1000 })
end

function on.notice(e) log(e, e.level) end
function on.script_loaded(e) log(e, e.ok and "info" or "error") end
function on.feed(e) log(e, e.state == "lost" and "warn" or "info") end
function on.policy_state(e) log(e, "debug") end
function on.risk_refused(e) log(e, "info") end
function on.engine_ready(e) log(e, "info") end
function on.market_ended(e) log(e, "info") end

-- Nothing of these is in a table: what they cause comes as events of its own.
for _, kind in ipairs { "batch_begun", "leg_filled", "command_begun" } do on[kind] = function() end end

local function status(row)
  if row.closed_at then return "CLOSED" end
  if row.operation == "pending" and row.state == "accepted" then
    return ({ triggered = "OPEN", cancelled = "CANCELLED" })[row.resting] or "PENDING"
  end
  return ({ intent = "PENDING", sent = "PENDING", accepted = row.operation == "open" and "OPEN" or "CLOSED",
    rejected = "REJECTED", unknown = "UNKNOWN" })[row.state] or "CANCELLED"
end

local function fold(last)
  local seen = 0
  for e in journal.events(data .. "/journal") do
    if e.seq > last then break end
    seen = e.seq
    assert(on[e.kind], e.kind)(e)
  end
  if seen ~= last then fault("the tables are at %d, the journal has %d only", last, seen) end
  for _, row in pairs(rows.orders) do row.status = status(row) end
end

-- ---- side by side --------------------------------------------------------------------------------

local function key_of(row, keys)
  local parts = {}
  for _, c in ipairs(keys) do parts[#parts + 1] = tostring(row[c.name]) end
  return table.concat(parts, " ")
end

local function compare(name, keys, columns, result)
  local expected, seen = rows[name], 0
  local found = {}
  for _, row in ipairs(result) do
    local key = key_of(row, keys)
    local wanted = expected[key]
    if found[key] then fault("%s %s is there twice", name, key) end
    found[key] = true
    seen = seen + 1
    if not wanted then
      fault("%s %s is in the table and not in the journal", name, key)
    else
      for _, c in ipairs(columns) do
        local is, should = plain(row[c.name], c.kind), plain(wanted[c.name], c.kind)
        if is ~= should then fault("%s %s: %s is %s, by the journal %s", name, key, c.name, is, should) end
      end
    end
  end
  for key in pairs(expected) do
    if not found[key] then fault("%s %s is in the journal and not in the table", name, key) end
  end
  return seen
end

local function read(conn)
  local results = {}
  assert(conn:exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
  local applied = assert(conn:query("SELECT applied FROM projector_state"))[1].applied
  for _, t in ipairs(TABLES) do
    local keys, columns = columns_of(t[2]), columns_of(t[3])
    local all = table.move(columns, 1, #columns, #keys + 1, table.move(keys, 1, #keys, 1, {}))
    results[#results + 1] = { t[1], keys, columns, assert(conn:query(select_of(t[1], all))) }
  end
  assert(conn:exec("COMMIT"))
  return applied, results
end

local exit = 0
task.run(function()
  local conn <close> = assert(pg.connect { conninfo = pg.conninfo { host = socket, dbname = "perigee",
    user = "perigee" } })
  local applied, results = read(conn)
  if applied < least then fault("the tables are at %d, wanted is %d", applied, least) end
  fold(applied)
  local counts = {}
  for _, r in ipairs(results) do counts[#counts + 1] = ("%s %d"):format(r[1], compare(table.unpack(r))) end
  io.stdout:write(("# at %d: %s\n"):format(applied, table.concat(counts, ", ")))
  for _, line in ipairs(faults) do io.stdout:write("# ", line, "\n") end
  if fault_count > SHOWN then io.stdout:write(("# and %d more\n"):format(fault_count - SHOWN)) end
  exit = fault_count == 0 and 0 or 1
end)
return exit
