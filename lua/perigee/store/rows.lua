-- SPDX-License-Identifier: MIT
--
-- How the lists of perigee.store.fold are written: for each list one statement that takes one array for each column.
-- The order here is the order of writing: what is referred to comes first. In a change NULL means "as it was".

local rows = {}

---@class perigee.StoreList
---@field name string
---@field columns string[]     fields of the fold's rows, in the order of the parameters
---@field sql string

---@type perigee.StoreList[]
rows.lists = {}

-- Sums of trades, and how they are added to those that are there.
local SUMS = "sum(net), sum(duration_seconds), max(net), (array_agg(id ORDER BY net DESC, id))[1], min(net), "
  .. "(array_agg(id ORDER BY net, id))[1]"
local MERGE = [[
trades = t.trades + excluded.trades, net = t.net + excluded.net, seconds = t.seconds + excluded.seconds,
  best_id = CASE WHEN excluded.best > t.best THEN excluded.best_id ELSE t.best_id END,
  best = greatest(t.best, excluded.best),
  worst_id = CASE WHEN excluded.worst < t.worst THEN excluded.worst_id ELSE t.worst_id END,
  worst = least(t.worst, excluded.worst)]]

-- columns: "name type, ..."; the text uses {rows} for the unnested arrays, named u, and {sums} and {merge}.
local function list(name, columns, sql)
  local names, params = {}, {}
  for column, kind in columns:gmatch("([%w_]+) ([%w ]+)") do
    names[#names + 1] = column
    params[#params + 1] = ("$%d::%s[]"):format(#names, kind)
  end
  local unnest = ('unnest(%s) AS u ("%s")'):format(table.concat(params, ", "), table.concat(names, '", "'))
  sql = sql:gsub("{(%w+)}", { rows = unnest, sums = SUMS, merge = MERGE })
  rows.lists[#rows.lists + 1] = { name = name, columns = names, sql = sql }
end

list("renames", "was bigint, id bigint", [[
UPDATE users t SET id = u.id FROM {rows} WHERE t.id = u.was]])

-- Removed ones first: their name may be given to another user in the same batch.
list("removals", "id bigint, deleted bigint", [[
UPDATE users t SET deleted_at = ms_to_time(u.deleted), is_active = false FROM {rows} WHERE t.id = u.id]])

list("users", "id bigint, broker text, email text, number text, name text, active boolean, created bigint, "
  .. "updated bigint, deleted bigint", [[
WITH new AS (SELECT * FROM {rows})
INSERT INTO users AS t (id, broker_id, email, broker_number, name, is_active, created_at, updated_at, deleted_at)
SELECT id, broker, email, nullif(number, ''), nullif(name, ''), coalesce(active, true) AND deleted IS NULL,
  ms_to_time(created), ms_to_time(updated), ms_to_time(deleted) FROM new
ON CONFLICT (id) DO UPDATE SET broker_id = excluded.broker_id, email = excluded.email,
  broker_number = (SELECT nullif(coalesce(new.number, t.broker_number), '') FROM new WHERE new.id = t.id),
  name = (SELECT nullif(coalesce(new.name, t.name), '') FROM new WHERE new.id = t.id),
  is_active = (SELECT coalesce(new.active, t.is_active) FROM new WHERE new.id = t.id),
  updated_at = excluded.updated_at, deleted_at = coalesce(t.deleted_at, excluded.deleted_at)]])

list("groups", "broker text, name text, created bigint", [[
INSERT INTO account_groups (broker_id, name, created_at)
SELECT broker, name, ms_to_time(created) FROM {rows} ON CONFLICT DO NOTHING]])

list("accounts", "id text, user_id bigint, uuid text, broker text, system text, group text, leverage bigint, "
  .. "currency text, created bigint, updated bigint", [[
INSERT INTO accounts AS t (id, user_id, trading_account_uuid, broker_id, system_uuid, group_name, leverage, currency,
  created_at, updated_at)
SELECT id, user_id, uuid, broker, system, "group", leverage, currency, ms_to_time(created), ms_to_time(updated)
FROM {rows}
ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id,
  trading_account_uuid = coalesce(excluded.trading_account_uuid, t.trading_account_uuid),
  broker_id = excluded.broker_id, system_uuid = excluded.system_uuid, group_name = excluded.group_name,
  leverage = excluded.leverage, currency = excluded.currency, updated_at = excluded.updated_at]])

list("account_changes", "id text, balance numeric, equity numeric, margin numeric, free_margin numeric, first numeric, "
  .. "currency text, paused boolean, paused_reason text, read bigint, updated bigint", [[
UPDATE accounts t SET balance = coalesce(u.balance, t.balance), equity = coalesce(u.equity, t.equity),
  margin = coalesce(u.margin, t.margin), free_margin = coalesce(u.free_margin, t.free_margin),
  balance_first = coalesce(t.balance_first, u.first), currency = coalesce(u.currency, t.currency),
  is_paused = coalesce(u.paused, t.is_paused),
  paused_reason = CASE u.paused WHEN true THEN u.paused_reason WHEN false THEN NULL ELSE t.paused_reason END,
  read_at = coalesce(ms_to_time(u.read), t.read_at),
  updated_at = ms_to_time(u.updated)
FROM {rows} WHERE t.id = u.id]])

list("session_changes", "user_id bigint, expires bigint, refreshed bigint, closed bigint, reason text", [[
UPDATE user_sessions t SET expires_at = coalesce(ms_to_time(u.expires), t.expires_at),
  last_refresh_at = coalesce(ms_to_time(u.refreshed), t.last_refresh_at), is_active = u.closed IS NULL,
  closed_at = ms_to_time(u.closed), closed_reason = u.reason
FROM {rows} WHERE t.user_id = u.user_id AND t.is_active]])

list("session_ends", "closed bigint, reason text", [[
UPDATE user_sessions t SET is_active = false, closed_at = ms_to_time(u.closed), closed_reason = u.reason
FROM {rows} WHERE t.is_active]])

list("sessions", "id bigint, user_id bigint, accounts bigint, login bigint, expires bigint, refreshed bigint, "
  .. "closed bigint, reason text", [[
INSERT INTO user_sessions (id, user_id, trading_account_id, accounts, login_at, expires_at, is_active, last_refresh_at,
  closed_at, closed_reason)
SELECT id, user_id, (SELECT min(a.id) FROM accounts a WHERE a.user_id = u.user_id), accounts, ms_to_time(login),
  ms_to_time(expires), closed IS NULL, ms_to_time(refreshed), ms_to_time(closed), reason
FROM {rows}]])

list("instruments", "venue text, symbol text, canonical text, base text, quote text, price_digits bigint, "
  .. "volume_digits bigint, volume_min numeric, volume_max numeric, volume_step numeric, contract_size numeric, "
  .. "leverage bigint, stops_level bigint, commission numeric, updated bigint", [[
INSERT INTO instruments (broker_id, symbol, canonical, base, quote, price_digits, volume_digits, volume_min,
  volume_max, volume_step, contract_size, leverage, stops_level, commission, updated_at)
SELECT venue, symbol, canonical, base, quote, price_digits, volume_digits, volume_min, volume_max, volume_step,
  contract_size, leverage, stops_level, commission, ms_to_time(updated)
FROM {rows}
ON CONFLICT (broker_id, symbol) DO UPDATE SET canonical = excluded.canonical, base = excluded.base,
  quote = excluded.quote, price_digits = excluded.price_digits, volume_digits = excluded.volume_digits,
  volume_min = excluded.volume_min, volume_max = excluded.volume_max, volume_step = excluded.volume_step,
  contract_size = excluded.contract_size, leverage = excluded.leverage, stops_level = excluded.stops_level,
  commission = excluded.commission, updated_at = excluded.updated_at]])

local outcome = "refused_rule text, refused_reason text, legs bigint, sent bigint, accepted bigint, rejected bigint, "
  .. "unknown bigint, not_sent bigint, volume numeric, skew_us bigint, elapsed_us bigint, done bigint"

list("signals", "id bigint, symbol text, type text, strategy text, hash text, strength double precision, "
  .. "confidence double precision, volume_ratio double precision, imbalance double precision, price numeric, "
  .. "stop numeric, target numeric, reason text, who text, conditions jsonb, plan jsonb, created bigint, "
  .. outcome, [[
INSERT INTO trading_signals (id, symbol, signal_type, strategy, strategy_hash, strength, confidence, volume_ratio,
  orderbook_imbalance, price, stop_loss, take_profit, reason, operator, conditions, plan, refused_rule, refused_reason,
  legs, sent, accepted, rejected, unknown, not_sent, volume, skew_us, elapsed_us, done_at, created_at)
SELECT id, symbol, type, strategy, hash, strength, confidence, volume_ratio, imbalance, price, stop, target, reason,
  who, conditions, plan, refused_rule, refused_reason, legs, sent, accepted, rejected, unknown, not_sent, volume,
  skew_us, elapsed_us, ms_to_time(done), ms_to_time(created)
FROM {rows}]])

list("signal_changes", "id bigint, " .. outcome, [[
UPDATE trading_signals t SET refused_rule = coalesce(u.refused_rule, t.refused_rule),
  refused_reason = coalesce(u.refused_reason, t.refused_reason), legs = coalesce(u.legs, t.legs),
  sent = coalesce(u.sent, t.sent), accepted = coalesce(u.accepted, t.accepted),
  rejected = coalesce(u.rejected, t.rejected), unknown = coalesce(u.unknown, t.unknown),
  not_sent = coalesce(u.not_sent, t.not_sent), volume = coalesce(u.volume, t.volume),
  skew_us = coalesce(u.skew_us, t.skew_us), elapsed_us = coalesce(u.elapsed_us, t.elapsed_us),
  done_at = coalesce(ms_to_time(u.done), t.done_at)
FROM {rows} WHERE t.id = u.id]])

local progress = "state text, position text, reason text, queued_us bigint, latency_us bigint, taken bigint, "
  .. "closed bigint, executed_price numeric, quantity numeric, price numeric, stop numeric, target numeric, "
  .. "resting text, ambiguous boolean, closing boolean, close_reason text, updated bigint"

-- Before the batch's own rows: Fold:cuts lets it stand at the beginning of its batch.
list("unwinds", "batch bigint, first bigint, last bigint, updated bigint", [[
WITH u AS (SELECT * FROM {rows}),
marked AS (
  UPDATE orders t SET is_closing = true, close_reason = 'unwind', updated_at = ms_to_time(u.updated)
  FROM u WHERE t.id BETWEEN u.first AND u.last AND t.batch_id = u.batch AND t.operation = 'open' AND NOT t.is_closing)
UPDATE positions t SET is_closing = true, closing_quantity = NULL, close_reason = 'unwind',
  updated_at = ms_to_time(u.updated)
FROM u WHERE t.order_id BETWEEN u.first AND u.last AND t.closed_at IS NULL
  AND NOT (t.is_closing AND t.closing_quantity IS NULL)]])

list("orders", "id bigint, user_id bigint, account text, signal_id bigint, batch bigint, operation text, symbol text, "
  .. "side text, type text, attempt bigint, created bigint, "
  .. progress, [[
INSERT INTO orders (id, user_id, account_id, signal_id, batch_id, operation, symbol, side, order_type, quantity,
  entry_price, executed_price, stop_loss, take_profit, state, position_id, reason, attempt, queued_us, latency_us,
  resting, is_ambiguous, is_closing, close_reason, created_at, updated_at, executed_at, closed_at)
SELECT id, user_id, account, signal_id, batch, operation, symbol, side, type, quantity, price, executed_price, stop,
  target, state, position, reason, attempt, queued_us, latency_us, resting, coalesce(ambiguous, false),
  coalesce(closing, false), close_reason, ms_to_time(created), ms_to_time(updated), ms_to_time(taken),
  ms_to_time(coalesce(closed, CASE WHEN operation NOT IN ('open', 'pending') THEN taken END))
FROM {rows}]])

list("order_changes", "id bigint, " .. progress, [[
UPDATE orders t SET state = coalesce(u.state, t.state),
  position_id = CASE WHEN t.operation IN ('open', 'pending') THEN coalesce(u.position, t.position_id)
    ELSE t.position_id END,
  quantity = coalesce(u.quantity, t.quantity), entry_price = coalesce(u.price, t.entry_price),
  stop_loss = nullif(coalesce(u.stop, t.stop_loss), 0), take_profit = nullif(coalesce(u.target, t.take_profit), 0),
  resting = coalesce(u.resting, t.resting), is_ambiguous = coalesce(u.ambiguous, t.is_ambiguous),
  is_closing = coalesce(u.closing, t.is_closing),
  close_reason = CASE WHEN t.is_closing THEN t.close_reason ELSE u.close_reason END,
  reason = coalesce(u.reason, t.reason), queued_us = coalesce(u.queued_us, t.queued_us),
  latency_us = coalesce(u.latency_us, t.latency_us), executed_price = coalesce(u.executed_price, t.executed_price),
  executed_at = coalesce(ms_to_time(u.taken), t.executed_at),
  closed_at = coalesce(t.closed_at, ms_to_time(u.closed),
    CASE WHEN t.operation NOT IN ('open', 'pending') THEN ms_to_time(u.taken) END),
  updated_at = ms_to_time(u.updated)
FROM {rows} WHERE t.id = u.id]])

-- Changes first: a position that ends here and is shown again has a row of its own in the list after this.
list("position_changes", "account text, id text, quantity numeric, less numeric, stop numeric, target numeric, "
  .. "closing boolean, part numeric, part_done boolean, close_reason text, closed bigint, updated bigint", [[
UPDATE positions t SET quantity = coalesce(u.quantity, t.quantity) - coalesce(u.less, 0),
  stop_loss = nullif(coalesce(u.stop, t.stop_loss), 0), take_profit = nullif(coalesce(u.target, t.take_profit), 0),
  is_closing = coalesce(u.closing, t.is_closing AND NOT (coalesce(u.part_done, false)
    AND t.closing_quantity IS NOT NULL)),
  closing_quantity = CASE WHEN u.closing IS NOT NULL THEN u.part WHEN u.part_done THEN NULL ELSE t.closing_quantity END,
  close_reason = CASE WHEN u.close_reason IS NULL AND u.part_done AND t.closing_quantity IS NOT NULL THEN NULL
    ELSE nullif(coalesce(u.close_reason, t.close_reason), '') END,
  closed_at = coalesce(ms_to_time(u.closed), t.closed_at), updated_at = ms_to_time(u.updated)
FROM {rows} WHERE t.account_id = u.account AND t.id = u.id]])

list("positions", "account text, id text, order_id bigint, signal_id bigint, symbol text, side text, quantity numeric, "
  .. "price numeric, stop numeric, target numeric, holding_ms bigint, ours boolean, closing boolean, part numeric, "
  .. "close_reason text, opened bigint, closed bigint, updated bigint", [[
INSERT INTO positions (account_id, id, order_id, signal_id, symbol, side, quantity, entry_price, stop_loss,
  take_profit, holding_ms, is_ours, is_closing, closing_quantity, close_reason, opened_at, closed_at, updated_at)
SELECT u.account, u.id, u.order_id, u.signal_id, u.symbol, u.side, u.quantity, u.price, u.stop, u.target, u.holding_ms,
  u.ours, u.closing OR (u.closed IS NULL AND o.id IS NOT NULL), CASE WHEN o.id IS NULL THEN u.part END,
  coalesce(u.close_reason, o.close_reason), ms_to_time(u.opened), ms_to_time(u.closed), ms_to_time(u.updated)
FROM {rows} LEFT JOIN orders o ON o.id = u.order_id AND o.is_closing
ON CONFLICT (account_id, id) DO UPDATE SET order_id = excluded.order_id, signal_id = excluded.signal_id,
  symbol = excluded.symbol, side = excluded.side, quantity = excluded.quantity, entry_price = excluded.entry_price,
  stop_loss = excluded.stop_loss, take_profit = excluded.take_profit, holding_ms = excluded.holding_ms,
  is_ours = excluded.is_ours, is_closing = excluded.is_closing,
  closing_quantity = excluded.closing_quantity, close_reason = excluded.close_reason,
  opened_at = excluded.opened_at, closed_at = excluded.closed_at, updated_at = excluded.updated_at]])

list("trades", "id bigint, order_id bigint, user_id bigint, account text, signal_id bigint, uid text, position text, "
  .. "symbol text, side text, entry_price numeric, exit_price numeric, quantity numeric, profit numeric, "
  .. "commission numeric, swap numeric, net numeric, currency text, seconds bigint, reason text, partial boolean, "
  .. "opened bigint, closed bigint", [[
WITH new AS (
  INSERT INTO trades (id, order_id, user_id, account_id, signal_id, uid, position_id, strategy, strategy_hash, symbol,
    side, entry_price, exit_price, quantity, profit_loss, commission, swap, net, currency, duration_seconds, reason,
    is_partial, executed_at, closed_at)
  SELECT u.id, u.order_id, u.user_id, u.account, s.id, u.uid, u.position, s.strategy, s.strategy_hash, u.symbol, u.side,
    u.entry_price, u.exit_price, u.quantity, u.profit, u.commission, u.swap, u.net, u.currency, u.seconds, u.reason,
    u.partial, ms_to_time(u.opened), ms_to_time(u.closed)
  FROM {rows} LEFT JOIN trading_signals s ON s.id = u.signal_id
  RETURNING *),
users AS (
  INSERT INTO user_days AS t (day, user_id, currency, trades, wins, losses, net, seconds, best, best_id, worst,
    worst_id)
  SELECT (closed_at AT TIME ZONE 'UTC')::date, user_id, currency, count(*), count(*) FILTER (WHERE net > 0),
    count(*) FILTER (WHERE net < 0), {sums} FROM new GROUP BY 1, 2, 3
  ON CONFLICT (day, user_id, currency) DO UPDATE SET wins = t.wins + excluded.wins,
    losses = t.losses + excluded.losses, {merge})
INSERT INTO trade_days AS t (day, user_id, symbol, side, currency, result, trades, net, seconds, best, best_id, worst,
  worst_id)
SELECT (closed_at AT TIME ZONE 'UTC')::date, user_id, symbol, side, currency,
  CASE sign(net) WHEN 1 THEN 'win' WHEN -1 THEN 'loss' ELSE 'even' END, count(*), {sums} FROM new
GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (day, user_id, symbol, side, currency, result) DO UPDATE SET {merge}]])

list("balances", "account text, at bigint, seq bigint, balance numeric, equity numeric, margin numeric, "
  .. "free_margin numeric", [[
INSERT INTO balances (account_id, at, seq, balance, equity, margin, free_margin)
SELECT account, ms_to_time(at), seq, balance, equity, margin, free_margin FROM {rows}]])

list("candles", "symbol text, timeframe text, open_time bigint, open double precision, high double precision, "
  .. "low double precision, close double precision, volume double precision, buy_volume double precision, "
  .. "sell_volume double precision, source text, side_source text", [[
INSERT INTO candles (symbol, timeframe, open_time, open, high, low, close, volume, buy_volume, sell_volume, source,
  side_source)
SELECT symbol, timeframe, ms_to_time(open_time), open, high, low, close, volume, buy_volume, sell_volume, source,
  side_source FROM {rows}
ON CONFLICT (symbol, timeframe, open_time) DO UPDATE SET open = excluded.open, high = excluded.high,
  low = excluded.low, close = excluded.close, volume = excluded.volume, buy_volume = excluded.buy_volume,
  sell_volume = excluded.sell_volume, source = excluded.source, side_source = excluded.side_source]])

list("commands", "seq bigint, wall_us bigint, who text, name text, args jsonb, ok boolean, reason text", [[
INSERT INTO audit_log (at, operator, action, details, ok, reason, journal_seq)
SELECT ms_to_time(wall_us / 1000), who, name, args, ok, reason, seq FROM {rows}]])

list("logs", "id bigint, level text, component text, message text, metadata jsonb, at bigint, wall_us bigint", [[
INSERT INTO system_logs (id, log_level, component, message, metadata, created_at, logged_at)
SELECT id, level, component, message, metadata, ms_to_time(at), ms_to_time(wall_us / 1000) FROM {rows}]])

-- Moves the mark; fails when the tables are not where the batch begins.
rows.advance = "SELECT projector_advance($1::bigint, $2::bigint, $3::bigint)"

--- The statements of a batch and their parameters.
---@param lists table<string, table[]>  of perigee.store.fold
---@param array fun(values: table): any  makes a parameter of an array without holes
---@param null any                       what stands for NULL in it
---@return table[] batch                 { sql, params } in order
function rows.statements(lists, array, null)
  local out = {}
  for _, l in ipairs(rows.lists) do
    local all = lists[l.name]
    if all then
      local params = {}
      for i, name in ipairs(l.columns) do
        local column = {}
        for k = 1, #all do
          local v = all[k][name]
          if v == nil then v = null end
          column[k] = v
        end
        params[i] = array(column)
      end
      out[#out + 1] = { l.sql, params }
    end
  end
  return out
end

return rows
