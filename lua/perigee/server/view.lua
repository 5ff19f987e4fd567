-- SPDX-License-Identifier: MIT
-- Rows of the engine as rows of the API: decimal strings stay, times become RFC 3339, BUY and SELL become LONG and
-- SHORT, what is absent becomes null. Pure functions.

local clock = require "perigee.clock"
local json = require "perigee.json"
local money = require "perigee.server.money"

local view = {}

local null = json.null

local SIDES = { BUY = "LONG", SELL = "SHORT" }
local TYPES = { OPEN_LONG = "LONG", OPEN_SHORT = "SHORT", CLOSE = "CLOSE" }

-- An absent value is null; an engine's row may hold null already.
local function maybe(value)
  if value == nil or value == "" then return null end
  return value
end

local function number(value)
  if value == nil or value == null or value == 0 then return null end
  return value
end

-- "0" means none in stops and targets.
local function level(value)
  if value == nil or value == null or value == "" or value:find("^%-?0+%.?0*$") then return null end
  return value
end

local function time(ms)
  if ms == nil or ms == null or ms == 0 then return null end
  return clock.iso(ms)
end

view.time, view.level, view.maybe = time, level, maybe

function view.side(side) return SIDES[side] or side end

--- A user with what its accounts sum up to.
---@param u table          engine's User
---@param own table        { accounts = engine's Account rows, session = engine's Session | nil }
---@param sums table       { balance, equity, profit = text | nil, currency }
function view.user(u, own, sums)
  local open_positions, ids = 0, json.array {}
  for i, a in ipairs(own.accounts) do
    ids[i] = a.id
    open_positions = open_positions + (a.open_positions or 0)
  end
  local s = own.session
  local open = s and s.state == "open"
  return { id = u.id, broker = u.broker, email = u.email, name = maybe(u.name), is_active = u.is_active ~= false,
    status = u.state or "closed", condition = view.condition(u),
    error = maybe(u.error), account_ids = ids, currency = sums.currency,
    balance = maybe(sums.balance), equity = maybe(sums.equity), profit = maybe(sums.profit),
    open_positions = open_positions, logged_in_at = open and time(s.login_ms) or null,
    expires_at = open and time(s.expires_ms) or null }
end

-- What a session is doing, when only its status is known.
local by_status = { open = "open", failed = "logging_in", logging_in = "logging_in" }

---@param row table  engine's User or Session
---@return string
function view.condition(row) return row.condition or by_status[row.state] or "out" end

function view.session(s)
  local ids = json.array {}
  for i, id in ipairs(s.accounts or {}) do ids[i] = id end
  return { id = s.id, user_id = s.user_id, email = s.email, broker = s.broker, status = s.state,
    is_active = s.state == "open", account_ids = ids, login_at = time(s.login_ms), expires_at = time(s.expires_ms),
    last_refresh_at = time(s.last_refresh_ms), condition = view.condition(s), token_at = time(s.token_ms),
    refreshes_left = maybe(s.refreshes_left), error = maybe(s.error) }
end

function view.account(a)
  return { id = a.id, uuid = maybe(a.uuid), user_id = a.user_id, email = a.email, broker = a.broker,
    currency = a.currency, leverage = a.leverage or 0, group = maybe(a.group), balance = maybe(a.balance),
    equity = maybe(a.equity), margin = maybe(a.margin), free_margin = maybe(a.free_margin), profit = maybe(a.profit),
    realised = a.realised or "0", balance_first = maybe(a.balance_first), open_positions = a.open_positions or 0,
    trades = a.trades or 0, is_paused = a.paused == true, is_active = a.active == true,
    updated_at = time(a.updated_ms) }
end

function view.position(p)
  local side = view.side(p.side)
  local holding = number(p.holding_ms)
  local mark = maybe(p.mark)
  return { id = p.id, account_id = p.account, user_id = p.user_id, email = p.email, symbol = p.canonical or p.symbol,
    side = side, quantity = p.volume, entry_price = p.price, current_price = mark, stop_loss = level(p.stop),
    take_profit = level(p.target), profit_loss = maybe(p.profit),
    profit_loss_percent = maybe(mark ~= null and money.percent(side, p.price, mark) or nil),
    currency = p.currency, opened_at = clock.iso(p.opened_ms or 0),
    holding_seconds = holding ~= null and holding // 1000 or null, order_id = number(p.order),
    signal_id = number(p.signal), is_ours = p.ours == true, is_closing = p.closing == true,
    closing_quantity = p.closing and level(p.closing_volume) or null, close_reason = maybe(p.close_reason) }
end

local FINAL_ACCEPTED = { close = true, close_partial = true, edit = true, pending_edit = true, cancel = true }

-- An accepted pending order rests until it is triggered, or goes without.
local RESTING = { triggered = "OPEN", cancelled = "CANCELLED" }

-- The spec's status of an order machine's state; an accepted entry is open until its position is closed.
function view.status(o)
  local state = o.state
  if state == "intent" or state == "sent" then return "PENDING" end
  if state == "accepted" and o.op == "pending" and not o.closed_ms then return RESTING[o.resting] or "PENDING" end
  if state == "accepted" then return (o.closed_ms or FINAL_ACCEPTED[o.op]) and "CLOSED" or "OPEN" end
  if state == "rejected" then return "REJECTED" end
  if state == "unknown" then return "UNKNOWN" end
  return "CANCELLED"
end

function view.order(o)
  return { id = o.id, signal_id = number(o.signal), account_id = o.account, user_id = o.user_id, email = o.email,
    operation = o.op, symbol = o.canonical or o.symbol, side = view.side(o.side), order_type = o.type or "MARKET",
    quantity = o.volume or "0", entry_price = level(o.price), stop_loss = level(o.stop),
    take_profit = level(o.target), status = view.status(o), state = o.state, reason = maybe(o.reason),
    position_id = maybe(o.position), is_ambiguous = o.ambiguous == true,
    candidates = json.array(o.ambiguous and o.candidates or {}), is_closing = o.closing == true,
    close_reason = o.closing and maybe(o.close_reason) or null, attempt = o.attempt or 1,
    created_at = clock.iso(o.created_ms or 0),
    executed_at = o.state == "accepted" and time(o.updated_ms) or null, closed_at = time(o.closed_ms) }
end

local function condition(c)
  return { name = tostring(c.name), value = c.value == nil and null or c.value,
    threshold = c.threshold == nil and null or c.threshold, source = maybe(c.source),
    pass = c.pass == nil and null or c.pass }
end

-- The value of the first condition whose name begins so, when it is a number.
local function value_of(conditions, prefix)
  for _, c in ipairs(conditions) do
    if c.name:sub(1, #prefix) == prefix then return type(c.value) == "number" and c.value or null end
  end
  return null
end

local function outcome(o)
  if o == nil or o == null then return null end
  return { traded = o.traded == true, refused_rule = maybe(o.refused_rule), refused_reason = maybe(o.refused_reason),
    legs = o.legs or 0, accepted = o.accepted or 0, rejected = o.rejected or 0, unknown = o.unknown or 0,
    not_sent = o.not_sent or 0, volume = maybe(o.volume),
    elapsed_ms = type(o.elapsed_us) == "number" and o.elapsed_us / 1000 or null }
end

--- Conditions of a signal; what is none is left out.
---@param list any
function view.conditions(list)
  local out = json.array {}
  for _, c in ipairs(type(list) == "table" and list or {}) do
    if type(c) == "table" and type(c.name) == "string" then out[#out + 1] = condition(c) end
  end
  return out
end

function view.signal(s)
  local conditions = view.conditions(s.conditions)
  return { id = s.id, strategy = s.strategy, hash = maybe(s.hash), symbol = s.symbol,
    signal_type = TYPES[s.action] or s.action, price = level(s.price), stop_loss = level(s.stop),
    take_profit = level(s.target), strength = maybe(s.strength), confidence = maybe(s.confidence),
    volume_ratio = value_of(conditions, "volume_ratio"), orderbook_imbalance = value_of(conditions, "imbalance"),
    reason = maybe(s.reason), conditions = conditions, created_at = clock.iso(s.time_ms or 0),
    outcome = outcome(s.outcome) }
end

--- A position_closed event as a trade. `more`: user_id, email, currency, symbol and strategy of it.
function view.trade(e, more)
  local side = view.side(e.side)
  return { id = e.seq, uid = e.uid, order_id = number(e.order), signal_id = number(e.signal),
    strategy = maybe(more.strategy), user_id = more.user_id, email = more.email, account_id = e.account,
    position_id = e.position, symbol = more.symbol, side = side, quantity = e.volume, entry_price = e.open_price,
    exit_price = e.price, profit_loss = e.profit, commission = e.commission, swap = e.swap, net = e.net,
    currency = more.currency, profit_loss_percent = money.percent(side, e.open_price, e.price) or "0",
    duration_seconds = math.max(0, ((e.closed or 0) - (e.opened or 0)) // 1000), reason = e.reason or "manual",
    is_partial = e.partial == true, executed_at = clock.iso(e.opened or 0), closed_at = clock.iso(e.closed or 0) }
end

function view.instrument(i, quote)
  return { symbol = i.canonical, broker_symbol = i.symbol, price_digits = i.price_digits or 0,
    volume_digits = i.volume_digits or 0, volume_min = i.volume_min or "0", volume_max = i.volume_max or "0",
    volume_step = i.volume_step or "0", contract_size = i.contract_size or "0", stops_level = i.stops_level or 0,
    bid = maybe(quote and quote.bid), ask = maybe(quote and quote.ask) }
end

--- A bar [open_ms, o, h, l, c, v, buy, sell].
function view.candle(b)
  return { time = clock.iso(b[1]), open = b[2], high = b[3], low = b[4], close = b[5], volume = b[6] or 0,
    buy_volume = b[7] or 0, sell_volume = b[8] or 0 }
end

--- The engine's report on a fan-out.
function view.report(r)
  local results = json.array {}
  for i, leg in ipairs(r.results or {}) do
    results[i] = { user_id = leg.user_id, email = leg.email, account_id = leg.account, order_id = number(leg.order_id),
      status = leg.status, rule = maybe(leg.rule), reason = maybe(leg.reason), quantity = maybe(leg.volume),
      asked_price = maybe(leg.asked_price), executed_price = maybe(leg.executed_price),
      slippage_points = number(leg.slippage_points), attempt = number(leg.attempt), retrying = leg.retrying == true,
      queued_ms = maybe(leg.queued_ms), sent_ms = maybe(leg.sent_ms), answered_ms = maybe(leg.answered_ms) }
  end
  return { signal_id = r.signal_id, symbol = r.symbol, executed_count = r.executed_count,
    failed_count = r.failed_count, unknown_count = r.unknown_count, total_volume = r.total_volume,
    execution_time_ms = r.execution_time_ms, skew_ms = r.skew_ms, results = results }
end

function view.batch_report(r)
  local reports = json.array {}
  for i, one in ipairs(r.reports or {}) do reports[i] = view.report(one) end
  return { executed_count = r.executed_count, failed_count = r.failed_count, unknown_count = r.unknown_count,
    total_volume = r.total_volume, reports = reports }
end

function view.retries(rows)
  local items = json.array {}
  for i, row in ipairs(rows or {}) do
    items[i] = { account_id = row.account, symbol = row.symbol, signal_id = row.signal_id, attempt = row.attempt,
      reason = row.reason, due_in_ms = row.due_in_ms, age_ms = row.age_ms }
  end
  return { items = items }
end

function view.pending(p)
  return { id = p.id, account_id = p.account, symbol = p.canonical or p.symbol, side = view.side(p.side),
    order_type = p.type, quantity = p.volume, price = p.price, stop_loss = level(p.stop), take_profit = level(p.target),
    created_at = clock.iso(p.created_ms or 0), order_id = number(p.order ~= 0 and p.order or nil),
    signal_id = number(p.signal ~= 0 and p.signal or nil), is_ours = p.ours == true,
    is_cancelling = p.cancelling == true }
end

--- The outcome of a write to a pending order that was not refused.
function view.pending_result(done, pending_id)
  return { status = done.state, pending_id = maybe(done.order or pending_id), reason = maybe(done.reason) }
end

function view.budgets(rows)
  local items = json.array {}
  for i, b in ipairs(rows or {}) do
    items[i] = { account_id = b.account, used = b.used, limit = b.limit, wait_ms = b.wait_ms }
  end
  return { items = items }
end

local function begun(rows, key)
  local list = json.array {}
  for i, row in ipairs(rows or {}) do list[i] = { account_id = row.account, [key] = row.id, status = row.status } end
  return list
end

-- What a command to close has begun to close.
function view.closing(done)
  return { closing_count = done.closing, positions = begun(done.positions, "id"),
    entries = begun(done.entries, "order_id") }
end

-- What a command to cancel has begun to cancel.
function view.cancelling(done)
  return { cancelling_count = done.cancelling, orders = begun(done.orders, "id"),
    entries = begun(done.entries, "order_id") }
end

function view.preview(request, p)
  local legs = json.array {}
  for i, leg in ipairs(p.legs or {}) do
    legs[i] = { account_id = leg.account, user_id = leg.user_id, quantity = maybe(leg.volume),
      price = maybe(leg.price), stop_loss = level(leg.stop), take_profit = level(leg.target),
      risk_money = maybe(leg.risk_money), margin = maybe(leg.margin), currency = leg.currency,
      rule = maybe(leg.rule), reason = maybe(leg.reason) }
  end
  return { symbol = request.symbol, direction = request.direction, legs = legs }
end

function view.login_report(results)
  local out = { ok_count = 0, failed_count = 0, results = json.array {} }
  for i, r in ipairs(results or {}) do
    local key = r.ok and "ok_count" or "failed_count"
    out[key] = out[key] + 1
    out.results[i] = { user_id = r.user_id, email = r.email, ok = r.ok == true, error = maybe(r.error) }
  end
  return out
end

return view
