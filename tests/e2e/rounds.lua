-- SPDX-License-Identifier: MIT
-- Trades by hand over engine.sock until so many orders were given, each round a signal for all accounts and a close of
-- all: rounds.lua SOCKET ACCOUNTS ORDERS [SECONDS [loose]]. Between the rounds it waits until nothing is in doubt and
-- nothing open. Prints what it saw; ends with 1 when it took longer than SECONDS, or an order stayed in doubt. With no
-- orders to give it only waits for that. loose: waits two seconds at most between rounds, and ends in time with 0.

local clock = require "perigee.clock"
local json = require "perigee.json"
local sock = require "perigee.sock"
local task = require "perigee.task"

local path, accounts, wanted, seconds, loose = ...
local ROUND_MS = 2000
accounts, wanted = math.tointeger(tonumber(accounts)), math.tointeger(tonumber(wanted))
local deadline = clock.io_ms() + 1000 * (tonumber(seconds) or 600)
local conn, number = nil, 0

local function ask(name, args)
  number = number + 1
  conn:send(3, json.encode { id = number, name = name, args = args, who = "rounds" })
  local kind, text = conn:recv(60000)
  assert(kind == 4, tostring(text))
  local reply = json.decode(text)
  assert(reply.id == number, text)
  return reply
end

local function must(name, args)
  local reply = ask(name, args)
  assert(reply.ok, json.encode(reply))
  return reply.result
end

-- Until fn is true; false when the time is over.
local function await(fn)
  local until_ms = loose and math.min(clock.io_ms() + ROUND_MS, deadline) or deadline
  while not fn() do
    if clock.io_ms() > until_ms then return loose ~= nil end
    task.sleep(20, "io")
  end
  return true
end

local open_ended = { intent = true, sent = true, unknown = true }

-- Orders whose outcome nobody knows yet, and how many of `ids` were executed.
local function orders(ids)
  local doubt, executed = {}, 0
  for _, order in ipairs(must("orders")) do
    if open_ended[order.state] then doubt[#doubt + 1] = order end
    if ids and ids[order.id] and order.state == "accepted" then executed = executed + 1 end
  end
  return doubt, executed
end

-- Every order has its outcome, and what was executed is shown.
local function shown(ids)
  local doubt, executed = orders(ids)
  return #doubt == 0 and #must("positions") == executed
end

local function empty() return #orders() == 0 and #must("positions") == 0 end

-- Closes all and waits until it is; false when the time is over.
local function settle(round)
  local next_ms = 0
  local done = await(function()
    -- What turns up late is closed, too.
    if clock.io_ms() >= next_ms then
      ask("close_all")
      next_ms = clock.io_ms() + 1000
    end
    return empty()
  end)
  if not done then
    print(("# open or in doubt after round %d: %s %s"):format(round, json.encode(must("positions")),
      json.encode((orders()))))
  end
  return done
end

-- One signal for all; how many orders it gave, how many of them without an answer, nil: they stay in doubt.
local function enter(round)
  local reply = ask("signal", { symbol = "BTCUSD", direction = round % 2 == 0 and "LONG" or "SHORT",
    stop_percent = 5, target_percent = 5, holding_seconds = 86400 })
  if not reply.ok and loose then
    task.sleep(100, "io")
    return 0, 0
  end
  assert(reply.ok, json.encode(reply))
  local given, unknown, ids = 0, 0, {}
  for _, row in ipairs(reply.result.results) do
    if row.order_id and row.order_id ~= json.null then
      given, ids[row.order_id] = given + 1, true
    end
    if row.status == "unknown" then unknown = unknown + 1 end
  end
  if given ~= accounts and not loose then
    print(("# round %d reached %d of %d accounts: %s"):format(round, given, accounts, json.encode(reply.result)))
  end
  if await(function() return shown(ids) end) then return given, unknown end
  print("# orders in doubt: " .. json.encode((orders())))
end

local function run()
  conn = assert(sock.connect(path))
  local round, all, lost = 0, 0, 0
  while all < wanted and not (loose and clock.io_ms() > deadline) do
    round = round + 1
    local given, unknown = enter(round)
    if not given or not settle(round) then return 1 end
    all, lost = all + given, lost + unknown
  end
  if wanted == 0 and not settle(0) then return 1 end
  print(("# %d entries in %d rounds, %d of them without an answer"):format(all, round, lost))
  return (all > 0 or wanted == 0) and 0 or 1
end

local code = 1
task.run(function() code = run() end)
return code
