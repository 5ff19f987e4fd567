-- SPDX-License-Identifier: MIT
-- What the engine knows, too, as the tables have it: users, sessions, accounts, orders, positions, signals, candles,
-- logs. Times leave as milliseconds (…_ms), money and prices as decimal texts without needless zeros.

local pg = require "perigee.pg"
local where = require "perigee.store.queries.where"

local engine = {}

local function list_of(values)
  return values and pg.array(values)
end

--- Users, by id.
---@param db perigee.Db
---@param args { removed: boolean? }  removed: those that were removed, too
---@return table[]|nil, table|nil err
function engine.users(db, args)
  return db:query([[
SELECT u.id, u.broker_id AS broker, u.email, u.name, u.is_active, time_to_ms(u.created_at) AS created_ms,
  time_to_ms(u.updated_at) AS updated_ms, time_to_ms(u.deleted_at) AS deleted_ms, s.id AS session_id,
  time_to_ms(s.login_at) AS login_ms, time_to_ms(s.expires_at) AS expires_ms
FROM users u LEFT JOIN user_sessions s ON s.user_id = u.id AND s.is_active
]] .. (args.removed and "" or "WHERE u.deleted_at IS NULL") .. " ORDER BY u.id")
end

--- Sessions at brokers, the newest first.
---@param db perigee.Db
---@param args { user_id: integer?, active: boolean?, limit: integer?, cursor: string? }
---@return { items: table[], next_cursor: string|nil }|nil, table|nil err
function engine.sessions(db, args)
  local w = where.new()
  w:add("s.user_id = ?", args.user_id, "bigint")
  w:add("s.is_active = ?", args.active, "boolean")
  local ok, failure = w:after(args.cursor, nil, "s.id")
  if not ok then return nil, failure end
  return w:page(db, ([[
SELECT s.id, s.user_id, u.email, u.broker_id AS broker, s.is_active, s.accounts, time_to_ms(s.login_at) AS login_ms,
  time_to_ms(s.expires_at) AS expires_ms, time_to_ms(s.last_refresh_at) AS last_refresh_ms,
  time_to_ms(s.closed_at) AS closed_ms, s.closed_reason
FROM user_sessions s JOIN users u ON u.id = s.user_id %s ORDER BY s.id DESC]]):format(w:text()), args.limit)
end

--- Accounts, by id.
---@param db perigee.Db
---@param args { user_id: integer? }
---@return table[]|nil, table|nil err
function engine.accounts(db, args)
  local w = where.new()
  w:add("a.user_id = ?", args.user_id, "bigint")
  return db:query(([[
SELECT a.id, a.trading_account_uuid AS uuid, a.user_id, u.email, a.broker_id AS broker, a.currency, a.leverage,
  a.group_name AS "group", trim_scale(a.balance) AS balance, trim_scale(a.equity) AS equity,
  trim_scale(a.margin) AS margin, trim_scale(a.free_margin) AS free_margin,
  trim_scale(a.balance_first) AS balance_first, a.is_paused, time_to_ms(a.updated_at) AS updated_ms
FROM accounts a JOIN users u ON u.id = a.user_id %s ORDER BY a.id]]):format(w:text()), w.params)
end

---@class perigee.OrderFilter
---@field statuses string[]?
---@field user_ids integer[]?
---@field symbols string[]?
---@field from_ms integer?     made not before
---@field to_ms integer?       made before
---@field limit integer?
---@field cursor string?

--- Orders, the newest first.
---@param db perigee.Db
---@param args perigee.OrderFilter
---@return { items: table[], next_cursor: string|nil }|nil, table|nil err
function engine.orders(db, args)
  local w = where.new()
  w:add("o.status = ANY(?)", list_of(args.statuses), "text[]")
  w:add("o.user_id = ANY(?)", list_of(args.user_ids), "bigint[]")
  w:add("o.symbol = ANY(?)", list_of(args.symbols), "text[]")
  w:add("o.created_at >= ms_to_time(?)", args.from_ms, "bigint")
  w:add("o.created_at < ms_to_time(?)", args.to_ms, "bigint")
  local ok, failure = w:after(args.cursor, "o.created_at", "o.id")
  if not ok then return nil, failure end
  return w:page(db, ([[
SELECT o.id, o.order_uuid, o.signal_id, o.batch_id, o.account_id, o.user_id, u.email, o.operation, o.symbol, o.side,
  o.order_type, o.is_ambiguous, o.is_closing, o.close_reason, o.attempt, trim_scale(o.quantity) AS quantity,
  trim_scale(o.entry_price) AS entry_price,
  trim_scale(o.executed_price) AS executed_price, trim_scale(o.stop_loss) AS stop_loss,
  trim_scale(o.take_profit) AS take_profit, o.status, o.state, o.reason, o.position_id,
  time_to_ms(o.created_at) AS created_ms, time_to_ms(o.updated_at) AS updated_ms,
  time_to_ms(o.executed_at) AS executed_ms, time_to_ms(o.closed_at) AS closed_ms
FROM orders o JOIN users u ON u.id = o.user_id %s ORDER BY o.created_at DESC, o.id DESC]]):format(w:text()),
    args.limit, "created_ms")
end

--- Positions that are open, as the tables have them.
---@param db perigee.Db
---@param args { user_ids: integer[]? }
---@return table[]|nil, table|nil err
function engine.positions(db, args)
  local w = where.new()
  w:fixed("p.closed_at IS NULL")
  w:add("a.user_id = ANY(?)", list_of(args.user_ids), "bigint[]")
  return db:query(([[
SELECT p.account_id, p.id, a.user_id, u.email, p.symbol, p.side, trim_scale(p.quantity) AS quantity,
  trim_scale(p.entry_price) AS entry_price, trim_scale(p.stop_loss) AS stop_loss,
  trim_scale(p.take_profit) AS take_profit, p.holding_ms, p.order_id, p.signal_id, p.is_ours, p.is_closing,
  trim_scale(p.closing_quantity) AS closing_quantity, p.close_reason, a.currency, time_to_ms(p.opened_at) AS opened_ms
FROM positions p JOIN accounts a ON a.id = p.account_id JOIN users u ON u.id = a.user_id %s
ORDER BY p.opened_at, p.account_id, p.id]]):format(w:text()), w.params)
end

--- Signals, the newest first. `conditions` and `plan` are JSON texts; `legs` is absent while no fan-out has ended.
---@param db perigee.Db
---@param args { symbols: string[]?, from_ms: integer?, to_ms: integer?, limit: integer?, cursor: string? }
---@return { items: table[], next_cursor: string|nil }|nil, table|nil err
function engine.signals(db, args)
  local w = where.new()
  w:add("s.symbol = ANY(?)", list_of(args.symbols), "text[]")
  w:add("s.created_at >= ms_to_time(?)", args.from_ms, "bigint")
  w:add("s.created_at < ms_to_time(?)", args.to_ms, "bigint")
  local ok, failure = w:after(args.cursor, "s.created_at", "s.id")
  if not ok then return nil, failure end
  return w:page(db, ([[
SELECT s.id, s.strategy, s.strategy_hash AS hash, s.symbol, s.signal_type, trim_scale(s.price) AS price,
  trim_scale(s.stop_loss) AS stop_loss, trim_scale(s.take_profit) AS take_profit, s.strength, s.confidence,
  s.volume_ratio, s.orderbook_imbalance, s.reason, s.operator, s.conditions, s.plan, s.refused_rule, s.refused_reason,
  s.legs, s.sent, s.accepted, s.rejected, s.unknown, s.not_sent, trim_scale(s.volume) AS volume, s.skew_us,
  s.elapsed_us, time_to_ms(s.done_at) AS done_ms, time_to_ms(s.created_at) AS created_ms
FROM trading_signals s %s ORDER BY s.created_at DESC, s.id DESC]]):format(w:text()), args.limit, "created_ms")
end

--- Closed bars, oldest first: the last `limit` that begin before `before_ms`.
---@param db perigee.Db
---@param args { symbol: string, timeframe: string, limit: integer?, before_ms: integer? }
---@return table[]|nil rows  { open_ms, open, high, low, close, volume, buy_volume, sell_volume }, numbers
---@return table|nil err
function engine.candles(db, args)
  local w = where.new()
  w:add("c.symbol = ?", args.symbol, "text")
  w:add("c.timeframe = ?", args.timeframe, "text")
  w:add("c.open_time < ms_to_time(?)", args.before_ms, "bigint")
  local text = w:text()
  return db:query(([[
SELECT * FROM (SELECT time_to_ms(c.open_time) AS open_ms, c.open, c.high, c.low, c.close, c.volume, c.buy_volume,
  c.sell_volume FROM candles c %s ORDER BY c.open_time DESC LIMIT %s) newest ORDER BY open_ms]]):format(text,
    w:param(args.limit or 300, "bigint")), w.params)
end

--- What the engine told, the newest first. `metadata` is JSON text.
---@param db perigee.Db
---@param args { level: string?, component: string?, limit: integer?, cursor: string? }
---@return { items: table[], next_cursor: string|nil }|nil, table|nil err
function engine.logs(db, args)
  local w = where.new()
  w:add("l.log_level = ?", args.level, "text")
  w:add("l.component = ?", args.component, "text")
  local ok, failure = w:after(args.cursor, nil, "l.id")
  if not ok then return nil, failure end
  return w:page(db, ([[
SELECT l.id, l.log_level AS level, l.component, l.message, l.metadata, time_to_ms(l.created_at) AS created_ms,
  time_to_ms(l.logged_at) AS logged_ms
FROM system_logs l %s ORDER BY l.id DESC]]):format(w:text()), args.limit)
end

--- Counts of the first page.
---@param db perigee.Db
---@return { users: integer, users_active: integer, sessions_active: integer, accounts: integer }|nil, table|nil err
function engine.counts(db)
  local rows, failure = db:query([[
SELECT (SELECT count(*) FROM users WHERE deleted_at IS NULL) AS users,
  (SELECT count(*) FROM users WHERE deleted_at IS NULL AND is_active) AS users_active,
  (SELECT count(*) FROM user_sessions WHERE is_active) AS sessions_active,
  (SELECT count(*) FROM accounts a JOIN users u ON u.id = a.user_id WHERE u.deleted_at IS NULL) AS accounts]])
  if not rows then return nil, failure end
  return rows[1]
end

--- Copies of the vault's sealed bytes, which the engine gave as base64; absent ones are left as they are.
---@param db perigee.Db
---@param rows { id: integer, password: string?, token: string?, trading_api_token: string? }[]
---@return true|nil, table|nil err
function engine.store_sealed(db, rows)
  if #rows == 0 then return true end
  local ids, columns = {}, { password = {}, token = {}, trading_api_token = {} }
  for i, row in ipairs(rows) do
    ids[i] = row.id
    for name, column in pairs(columns) do column[i] = row[name] or pg.null end
  end
  ids = pg.array(ids)
  return db:transaction(function(conn)
    local ok, failure = conn:query([[
UPDATE users t SET encrypted_password = decode(u.password, 'base64')
FROM unnest($1::bigint[], $2::text[]) AS u (id, password) WHERE t.id = u.id AND u.password IS NOT NULL]],
      { ids, pg.array(columns.password) })
    if not ok then return nil, failure end
    ok, failure = conn:query([[
UPDATE user_sessions t SET token = coalesce(decode(u.token, 'base64'), t.token),
  trading_api_token = coalesce(decode(u.api, 'base64'), t.trading_api_token)
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS u (id, token, api) WHERE t.user_id = u.id AND t.is_active]],
      { ids, pg.array(columns.token), pg.array(columns.trading_api_token) })
    return ok and true, failure
  end)
end

return engine
