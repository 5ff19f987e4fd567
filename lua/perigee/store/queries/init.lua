-- SPDX-License-Identifier: MIT
--
-- Questions to the tables: each is f(db, args) -> rows | nil, err, and db is a perigee.Db or, within a transaction, a
-- connection. Lists that can be long give pages: { items, next_cursor }. Decimals are texts, times integer
-- milliseconds (…_ms), what is NULL is absent.

local engine = require "perigee.store.queries.engine"
local operators = require "perigee.store.queries.operators"
local trades = require "perigee.store.queries.trades"

return {
  list_trades = trades.list,
  trades_by_id = trades.by_id,
  trade_span = trades.span,
  trade_statistics = trades.statistics,
  results_by_user = trades.by_user,
  results_by_symbol = trades.by_symbol,
  results_over_time = trades.over_time,
  equity_over_time = trades.equity,

  users = engine.users,
  sessions = engine.sessions,
  accounts = engine.accounts,
  positions = engine.positions,
  list_orders = engine.orders,
  list_signals = engine.signals,
  candles = engine.candles,
  list_logs = engine.logs,
  counts = engine.counts,
  store_sealed = engine.store_sealed,

  operators = operators,
  audit = operators.audit,
  list_audit = operators.list_audit,
}
