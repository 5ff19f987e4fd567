-- SPDX-License-Identifier: MIT
-- Pending orders through the real engine, judged by what the paper broker itself shows: pending.lua SOCKET DATA STEP.
-- Prints "ok - ..." and "not ok - ...", with a note after a tab.

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"
local fs = require "perigee.fs"
local http = require "perigee.http"
local json = require "perigee.json"
local sock = require "perigee.sock"
local task = require "perigee.task"

local path, data, step = ...
local SYMBOL, ENOUGH_MS = "BTCUSD", 60000
local OURS, HAND, UP, DOWN = "365101", "365102", "365103", "365104"
local conn, number = nil, 0

local function ok(what, passed, note)
  print((passed and "ok - " or "not ok - ") .. what .. (not passed and note and "\t" .. tostring(note) or ""))
end

local function ask(name, args)
  number = number + 1
  conn:send(3, json.encode { id = number, name = name, args = args, who = "tester" })
  local kind, text = conn:recv(60000)
  assert(kind == 4, tostring(text))
  return json.decode(text), text
end

local function must(name, args)
  local reply, text = ask(name, args)
  assert(reply.ok, text)
  return reply.result
end

local function await(fn)
  local until_ms = clock.io_ms() + ENOUGH_MS
  repeat
    local result = fn()
    if result then return result end
    task.sleep(100, "io")
  until clock.io_ms() > until_ms
end

-- Asks the paper broker as the account's own customer, past the engine.
local function broker(account, method, where, body)
  local address, login = json.decode(fs.read(data .. "/sim/address")).address, nil
  for _, row in ipairs(json.decode(fs.read(data .. "/sim/credentials.json"))) do
    if row.tradingAccountId == account then login = row end
  end
  local said = json.decode(assert(http.request { method = "POST", url = "http://" .. address .. "/manager/mtr-login",
    headers = { { "Content-Type", "application/json" } },
    body = json.encode { email = login.email, password = login.password, brokerId = "0" } }).body)
  for _, row in ipairs(said.tradingAccounts) do
    if row.tradingAccountId == account then login.api, login.system = row.tradingApiToken, row.offer.system.uuid end
  end
  local answer = assert(http.request { method = method, body = body and json.encode(body),
    url = ("http://%s/mtr-api/%s%s"):format(address, login.system, where),
    headers = { { "Content-Type", "application/json" }, { "Auth-trading-api", login.api },
      { "Cookie", "co-auth=" .. said.token } } })
  return json.decode(answer.body)
end

local function resting(account, id)
  for _, o in ipairs(broker(account, "GET", "/active-orders").orders) do
    if o.id == id then return o end
  end
end

local function known(account, id)
  for _, p in ipairs(must("pendings", { account = account })) do
    if not id or p.id == id then return p end
  end
end

local function same(a, b) return a and b and decimal.new(a) == decimal.new(b) end

-- The price so many parts of ten thousand away from the ask, to one decimal.
local function away(parts)
  local name = must("snapshot").instruments[1].symbol
  local quote = broker(OURS, "GET", "/quotations?symbols=" .. name)[1]
  return ("%.1f"):format(quote.ask * (1 + parts / 10000)), name
end

local steps = {}

function steps.create()
  local price, symbol = away(-300)
  local reply = ask("pending", { account = OURS, symbol = SYMBOL, side = "LONG", type = "LIMIT", quantity = "0.1",
    price = price, stop_loss = away(-250) })
  ok("a stop above the price is refused", not reply.ok and reply.code == "refused", json.encode(reply))
  local said = must("pending", { account = OURS, symbol = SYMBOL, side = "LONG", type = "LIMIT", quantity = "0.1",
    price = price, stop_loss = away(-400), take_profit = away(100) })
  ok("it is accepted", said.state == "accepted" and said.order, json.encode(said))
  local mine = await(function() return known(OURS, said.order) end)
  ok("it is known as ours", mine and mine.ours and mine.type == "LIMIT" and same(mine.price, price))
  local there = resting(OURS, said.order)
  ok("it rests at the broker", there and there.type == "LIMIT" and same(there.activationPrice, price),
    json.encode(there or {}))
  local moved = away(-310)
  ok("it is edited", must("pending_edit", { account = OURS, order = said.order, price = moved }).state == "accepted")
  ok("which the broker shows", same(resting(OURS, said.order).activationPrice, moved))
  ok("and the engine", await(function() return same(known(OURS, said.order).price, moved) end))
  broker(HAND, "POST", "/pending-order/create", { instrument = symbol, orderSide = "SELL", volume = 0.2, type = "LIMIT",
    price = tonumber((away(300))), slPrice = 0, tpPrice = 0, isMobile = false })
  local theirs = await(function() return known(HAND) end)
  ok("one that a hand makes is seen, as a hand's", theirs and not theirs.ours and theirs.order == 0)
end

function steps.after_restart()
  local mine, theirs = known(OURS), known(HAND)
  ok("both are known after a kill -9", mine and mine.ours and mine.order > 0 and theirs and not theirs.ours)
  broker(HAND, "POST", "/pending-order/cancel", { instrument = theirs.symbol, id = theirs.id, orderSide = "SELL",
    type = "LIMIT", isMobile = false })
  ok("what a hand cancels is gone", await(function() return not known(HAND, theirs.id) end))
  must("cancel", { account = OURS, order = mine.id })
  ok("a cancel is done", await(function() return not known(OURS, mine.id) end))
  ok("at the broker, too", not resting(OURS, mine.id))
  ok("and what was cancelled is not there to be cancelled", ask("cancel", { account = OURS, order = mine.id }).code
    == "not_found")
end

-- The market moves: one of the two is reached.
function steps.trigger()
  local orders = {}
  for _, o in ipairs { { UP, "LONG", 3, -200, 300 }, { DOWN, "SHORT", -3, 200, -300 } } do
    local said = must("pending", { account = o[1], symbol = SYMBOL, side = o[2], type = "STOP", quantity = "0.1",
      price = away(o[3]), stop_loss = away(o[4]), take_profit = away(o[5]), holding_seconds = 86400 })
    orders[o[1]] = said.order
  end
  local position = await(function()
    for _, p in ipairs(must "positions") do
      if orders[p.account] and p.ours then return p end
    end
  end)
  ok("one is triggered into a position of ours", position and position.order > 0, json.encode(orders))
  ok("with its exit plan", position and position.holding_ms == 86400000)
  ok("and rests no more", position and await(function() return not known(position.account) end))
  for _, p in ipairs(must "pendings") do must("cancel", { account = p.account, order = p.id }) end
  ok("the other one is cancelled, or triggered, too", await(function() return #must("pendings") == 0 end))
  must "close_all"
  ok("all is closed in the end", await(function() return #must("positions") == 0 end))
end

task.run(function()
  conn = assert(sock.connect(path))
  steps[step]()
end)
