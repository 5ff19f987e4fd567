-- SPDX-License-Identifier: MIT
--
-- How long the questions to the tables take over a million trades and a million orders (tests/bench/history.sql):
-- median, fastest and slowest of some runs, through the pool, with decoding. It makes its own database and takes
-- some minutes.
--
--   perigee lua tests/bench/queries.lua [CONNINFO]     with CONNINFO: a database that was filled before

local clock = require "perigee.clock"
local database = require "perigee.store.database"
local migrate = require "perigee.store.migrate"
local process = require "perigee.process"
local q = require "perigee.store.queries"
local task = require "perigee.task"

local temp = dofile(process.home() .. "/tests/lua/temp_cluster.lua")

local RUNS = 21
local HOUR, DAY = 3600000, 86400000
local NOW = 1737067380000 -- the newest close in history.sql

local times = {}
for i = 1, 96 do times[i] = NOW - DAY + i * HOUR // 4 end

local QUESTIONS = {
  { "trades, newest", q.list_trades, {} },
  { "trades, a page in the middle", q.list_trades, { cursor = "1720000000000.5" } },
  { "trades of a user, symbol, side, won", q.list_trades, { user_ids = { 7 }, symbols = { "BTCUSD" }, side = "LONG",
    result = "win" } },
  { "trades of a symbol that has none", q.list_trades, { symbols = { "NONE" } } },
  { "trades of a symbol, long ago", q.list_trades, { symbols = { "ETHUSD" }, from_ms = NOW - 380 * DAY,
    to_ms = NOW - 300 * DAY } },
  { "trades, 500 rows", q.list_trades, { limit = 500 } },
  { "orders, newest", q.list_orders, {} },
  { "orders of a user", q.list_orders, { user_ids = { 7 } } },
  { "orders that are open", q.list_orders, { statuses = { "OPEN", "PENDING", "UNKNOWN" } } },
  { "orders rejected, long ago", q.list_orders, { statuses = { "REJECTED" }, from_ms = NOW - 300 * DAY,
    to_ms = NOW - 200 * DAY } },
  { "orders of a symbol that has none", q.list_orders, { symbols = { "NONE" } } },
  { "signals, newest", q.list_signals, {} },
  { "statistics, a day", q.trade_statistics, { from_ms = NOW - DAY } },
  { "statistics, all", q.trade_statistics, {} },
  { "statistics, all of a user", q.trade_statistics, { user_ids = { 7 } } },
  { "statistics, all won of a symbol", q.trade_statistics, { symbols = { "BTCUSD" }, result = "win" } },
  { "ranking of users, a day", q.results_by_user, { from_ms = NOW - DAY } },
  { "ranking of users, all", q.results_by_user, {} },
  { "results over a day", q.results_over_time, { from_ms = NOW - DAY, to_ms = NOW, bucket_ms = HOUR // 4 } },
  { "results over 7 days", q.results_over_time, { from_ms = NOW - 7 * DAY, to_ms = NOW, bucket_ms = 2 * HOUR } },
  { "results over 30 days", q.results_over_time, { from_ms = NOW - 30 * DAY, to_ms = NOW, bucket_ms = DAY } },
  { "results over all", q.results_over_time, { from_ms = NOW - 381 * DAY, to_ms = NOW, bucket_ms = DAY } },
  { "equity at 96 points", q.equity_over_time, { times_ms = times } },
  { "candles, 500", q.candles, { symbol = "BTCUSD", timeframe = "1m", limit = 500 } },
}

local function fill(conninfo)
  local db = database.open { conninfo = conninfo }
  assert(db:ready(20000))
  for _, sql in ipairs { "ALTER SYSTEM SET jit = off", "ALTER SYSTEM SET max_parallel_workers_per_gather = 0",
    "ALTER SYSTEM SET random_page_cost = 1.1", "SELECT pg_reload_conf()" } do
    assert(db:query(sql))
  end
  assert(db:with(migrate.run))
  db:close()
  local file = process.home() .. "/tests/bench/history.sql"
  assert(os.execute(("psql -X -q -d '%s' -f '%s'"):format(conninfo, file)), "psql failed")
end

local function measure(db, name, fn, args)
  local took = {}
  for i = 1, RUNS do
    local begun = clock.io_ns()
    assert(fn(db, args))
    took[i] = (clock.io_ns() - begun) / 1e6
  end
  table.sort(took)
  print(("%-36s median %7.2f ms   fastest %7.2f   slowest %7.2f"):format(name, took[(RUNS + 1) // 2], took[1],
    took[RUNS]))
end

local server = not arg[1] and temp.start()
local conninfo = arg[1] or server.conninfo
local ok, why = pcall(task.run, function()
  if server then fill(conninfo) end
  local db = database.open { conninfo = conninfo }
  assert(db:ready(20000))
  for _, question in ipairs(QUESTIONS) do measure(db, table.unpack(question)) end
  db:close()
end)
if server then server:remove() end
if not ok then error(why, 0) end
