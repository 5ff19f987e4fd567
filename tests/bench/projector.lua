-- SPDX-License-Identifier: MIT
-- Feeds the projector for tests/bench/projector.c; returns events a second, the median of arg[1] rounds.

local clock = require "perigee.clock"
local database = require "perigee.store.database"
local event = require "perigee.event"
local migrate = require "perigee.store.migrate"
local process = require "perigee.process"
local projector = require "perigee.store.projector"
local task = require "perigee.task"

local temp = dofile(process.home() .. "/tests/lua/temp_cluster.lua")

local ROUNDS = math.tointeger(tonumber(arg and arg[1] or ...)) or 10
local ACCOUNTS, SIGNALS = 12, 100 -- of a round

local now, seq, orders, signals = 1704067200000, 0, 0, 0
local frames

local function emit(kind, fields)
  seq, now = seq + 1, now + 1
  fields.kind, fields.seq, fields.market_ms, fields.wall_us = kind, seq, now, now * 1000
  frames[#frames + 1] = event.encode(fields)
  return seq
end

local function account(k) return tostring(365100 + k) end

local function fleet()
  emit("engine_started", { version = "bench", mode = "paper", pid = 1, config_hash = "0", clock = "scaled" })
  for k = 1, ACCOUNTS do
    local user = ("paper:demo%02d@example.com"):format(k)
    emit("user_added", { user = user, broker = "paper", id = k, name = "", email = user:match(":(.*)"), active = true })
    emit("account_added", { account = account(k), user = user, broker = "paper", currency = "USD", leverage = 100,
      system = "cccccccc-0000-4000-8000-000000000001", group = "paper-usd", user_id = k })
    emit("session_opened", { user = user, accounts = 1, expires = now + 900000, user_id = k })
  end
end

local function bars()
  for _, timeframe in ipairs { "1m", "1m", "1m", "1m", "1m", "5m" } do
    emit("bar", { symbol = "BTCUSD", timeframe = timeframe, open_time = now // 60000 * 60000, open = 58061.6,
      high = 58089.5, low = 58056.6, close = 58089.5, volume = 34.555, buy_volume = 16.691, sell_volume = 17.864,
      source = "reference", side_source = "modelled" })
    now = now + 60000
  end
end

local function send(k, op, position)
  orders = orders + 1
  emit("intent", { order = orders, batch = signals, signal = signals, account = account(k), op = op, symbol = "BTCUSD",
    side = "SELL", volume = "1.72", price = "58005.2", stop = "58150.2", target = "57773.2", position = position,
    tag = -1, attempt = 1, plan = '{"holding_seconds":300,"opposite":true}', holding_ms = 300000,
    reason = op == "close" and "time" or nil })
  return orders
end

local function balances()
  for k = 1, ACCOUNTS do
    emit("balance", { account = account(k), balance = "25000.5", equity = "25100.25", margin = "10",
      free_margin = "25090.25", currency = "USD" })
  end
end

-- One signal from its words to the last closed position.
local function signal()
  signals = signals + 1
  emit("signal", { signal = signals, strategy = "volume_spike_scalper", hash = "fd98ef3b95187cfd", symbol = "BTCUSD",
    action = "OPEN_SHORT", price = "58006.1", stop = "58151.11525", target = "57774.0756", confidence = 0.875,
    strength = 0.46, reason = "volume 3.8x, sellers lead", plan = '{"holding_seconds":300,"opposite":true}',
    conditions = '[{"name":"volume_ratio_20","pass":true,"source":"reference","threshold":3,"value":3.8},'
      .. '{"name":"imbalance","pass":true,"source":"book","threshold":0.4,"value":0.24}]' })
  local first, opened = orders, now
  for k = 1, ACCOUNTS do send(k, "open") end
  for k = 1, ACCOUNTS do emit("order_sent", { order = first + k, queued_us = 300 }) end
  for k = 1, ACCOUNTS do
    emit("order_accepted", { order = first + k, broker_id = "W" .. first + k, latency_us = 926 })
  end
  emit("batch_done", { batch = signals, signal = signals, symbol = "BTCUSD", legs = ACCOUNTS, sent = ACCOUNTS,
    accepted = ACCOUNTS, rejected = 0, unknown = 0, not_sent = 0, volume = "52.06", skew_us = 927, elapsed_us = 3212 })
  for k = 1, ACCOUNTS do
    emit("position_opened", { account = account(k), position = "W" .. first + k, order = first + k, signal = signals,
      symbol = "BTCUSD", side = "SELL", volume = "1.72", price = "58005.2", stop = "58150.2", target = "57773.2",
      opened = opened, ours = true, holding_ms = 300000 })
  end
  balances()
  bars()
  local closing = orders
  for k = 1, ACCOUNTS do
    emit("position_closing", { account = account(k), position = "W" .. first + k, reason = "time", volume = "0" })
    send(k, "close", "W" .. first + k)
  end
  for k = 1, ACCOUNTS do emit("order_sent", { order = closing + k, queued_us = 300 }) end
  for k = 1, ACCOUNTS do
    emit("order_accepted", { order = closing + k, broker_id = "W" .. first + k, latency_us = 926 })
    emit("position_closed", { account = account(k), position = "W" .. first + k, uid = "W" .. first + k .. "_close1",
      order = first + k, signal = signals, symbol = "BTCUSD", side = "SELL", volume = "1.72", open_price = "58005.2",
      price = "57857.6", profit = "253.87", commission = "0", swap = "0", net = "253.87", reason = "time",
      opened = opened, closed = now, partial = false })
  end
  balances()
end

local function round(p)
  for _ = 1, SIGNALS do signal() end
  collectgarbage()
  local begun = clock.io_ns()
  for _, frame in ipairs(frames) do assert(p:put(assert(event.decode(frame)))) end
  assert(p:reached(seq, 60000))
  local rate = #frames / ((clock.io_ns() - begun) / 1e9)
  frames = {}
  return rate
end

local function run(conninfo)
  local db = database.open { conninfo = conninfo }
  assert(db:ready(20000))
  -- The throw-away server saves itself the syncs; a real one does not.
  for _, sql in ipairs { "ALTER SYSTEM SET fsync = on", "ALTER SYSTEM SET synchronous_commit = on",
    "ALTER SYSTEM SET full_page_writes = on", "SELECT pg_reload_conf()" } do
    assert(db:query(sql))
  end
  assert(db:with(migrate.run))
  db:close()
  db = database.open { conninfo = conninfo }
  local p = projector.new { db = db }
  p:on_error(function(e, why) error(("%s: %s"):format(e.kind, why)) end)
  assert(db:ready(20000))
  assert(p:open())
  local writer = task.spawn(function() p:run() end)
  frames = {}
  fleet()
  local rates = {}
  for i = 1, ROUNDS do
    rates[i] = round(p)
    print(("round %d: %.0f events/s"):format(i, rates[i]))
  end
  writer:cancel()
  writer:join()
  db:close()
  table.sort(rates)
  return math.floor(rates[(#rates + 1) // 2])
end

local server = temp.start()
local ok, rate = pcall(task.run, run, server.conninfo)
server:remove()
if not ok then error(rate, 0) end
return rate
