-- SPDX-License-Identifier: MIT
-- A history of a year and more for measuring the queries: 30 users, 3 symbols, a million trades, a million orders, a
-- signal for each 30 orders, balances of 30 accounts each hour. Into an empty database after the migrations.
\set ON_ERROR_STOP 1
SET synchronous_commit = off;
INSERT INTO users (id, broker_id, email, is_active, created_at, updated_at)
SELECT i, 'paper', 'user' || i || '@example.com', true, '2024-01-01Z', '2024-01-01Z' FROM generate_series(1, 30) i;
INSERT INTO accounts (id, user_id, broker_id, currency, created_at, updated_at)
SELECT (1000 + i)::text, i, 'paper', (ARRAY['USD', 'EUR', 'JPY'])[1 + i % 3], '2024-01-01Z', '2024-01-01Z'
FROM generate_series(1, 30) i;
INSERT INTO trading_signals (id, symbol, signal_type, strategy, strength, confidence, price, created_at)
SELECT i, (ARRAY['BTCUSD', 'ETHUSD', 'EURUSD'])[1 + i % 3], 'LONG', 'scalper', 0.5, 0.5, 100,
  timestamptz '2024-01-01Z' + i * interval '1000 seconds'
FROM generate_series(1, 34000) i;
INSERT INTO orders (id, user_id, account_id, signal_id, operation, symbol, side, quantity, entry_price, state,
  created_at, updated_at, executed_at, closed_at)
SELECT i, 1 + i % 30, (1001 + i % 30)::text, 1 + i / 30, 'open', (ARRAY['BTCUSD', 'ETHUSD', 'EURUSD'])[1 + i / 30 % 3],
  (ARRAY['LONG', 'SHORT'])[1 + i / 30 % 2], 1, 100, CASE WHEN i % 50 = 0 THEN 'rejected' ELSE 'accepted' END, at, at,
  at, CASE WHEN i % 50 <> 0 AND i < 999900 THEN at + interval '3 minutes' END
FROM (SELECT i, timestamptz '2024-01-01Z' + i * interval '33 seconds' AS at FROM generate_series(1, 1000000) i) x;
INSERT INTO trades (id, order_id, user_id, account_id, signal_id, uid, position_id, strategy, symbol, side, entry_price,
  exit_price, quantity, profit_loss, commission, swap, net, currency, duration_seconds, reason, is_partial, executed_at,
  closed_at)
SELECT i * 10, i, 1 + i % 30, (1001 + i % 30)::text, 1 + i / 30, 'P' || i || '_c', 'P' || i, 'scalper',
  (ARRAY['BTCUSD', 'ETHUSD', 'EURUSD'])[1 + i / 30 % 3], (ARRAY['LONG', 'SHORT'])[1 + i / 30 % 2], 100,
  100 + (i * 7919 % 201 - 100) / 100.0, 1, (i * 7919 % 201 - 100) / 100.0, 0, 0, (i * 7919 % 201 - 100) / 100.0,
  (ARRAY['USD', 'EUR', 'JPY'])[1 + (1 + i % 30) % 3], 180, 'time', false, at, at + interval '3 minutes'
FROM (SELECT i::bigint, timestamptz '2024-01-01Z' + i * interval '33 seconds' AS at FROM generate_series(1, 1000000) i) x;
INSERT INTO trade_days
SELECT (closed_at AT TIME ZONE 'UTC')::date, user_id, symbol, side, currency,
  CASE sign(net) WHEN 1 THEN 'win' WHEN -1 THEN 'loss' ELSE 'even' END, count(*), sum(net), sum(duration_seconds),
  max(net), (array_agg(id ORDER BY net DESC, id))[1], min(net), (array_agg(id ORDER BY net, id))[1]
FROM trades GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO user_days
SELECT (closed_at AT TIME ZONE 'UTC')::date, user_id, currency, count(*), count(*) FILTER (WHERE net > 0),
  count(*) FILTER (WHERE net < 0), sum(net), sum(duration_seconds), max(net),
  (array_agg(id ORDER BY net DESC, id))[1], min(net), (array_agg(id ORDER BY net, id))[1]
FROM trades GROUP BY 1, 2, 3;
INSERT INTO balances (account_id, at, seq, balance, equity)
SELECT a.id, t, row_number() OVER (), 1000, 1000 FROM accounts a,
  generate_series(timestamptz '2024-01-01Z', timestamptz '2025-01-16Z', interval '1 hour') t;
INSERT INTO candles SELECT 'BTCUSD', '1m', t, 1, 2, 0, 1, 10, 5, 5
FROM generate_series(timestamptz '2024-01-01Z', timestamptz '2025-01-16Z', interval '1 minute') t;
VACUUM ANALYZE;
