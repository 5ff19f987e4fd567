-- SPDX-License-Identifier: MIT
-- Every command of engine.sock with good and bad input, judged by what the paper broker itself then shows:
-- commands.lua SOCKET DATA STEP, where a step is one of the functions below. Prints "ok - ..." and "not ok - ...",
-- with a note after a tab.

package.path = "tests/e2e/?.lua;" .. package.path
local clock = require "perigee.clock"
local crypto = require "perigee.crypto"
local decimal = require "perigee.decimal"
local event = require "perigee.event"
local fold = require "fold"
local fs = require "perigee.fs"
local http = require "perigee.http"
local json = require "perigee.json"
local sock = require "perigee.sock"
local task = require "perigee.task"

local path, data, step = ...
local SYMBOL, ENOUGH_MS = "BTCUSD", 30000
local conn, number = nil, 0

local function ok(what, passed, note)
  print((passed and "ok - " or "not ok - ") .. what .. (not passed and note and "\t" .. tostring(note) or ""))
end

local function ask(name, args, key)
  number = number + 1
  conn:send(3, json.encode { id = number, name = name, args = args, who = "tester", key = key })
  local kind, text = conn:recv(60000)
  assert(kind == 4, tostring(text))
  local reply = json.decode(text)
  assert(reply.id == number, text)
  return reply, text
end

local function must(name, args)
  local reply, text = ask(name, args)
  assert(reply.ok, text)
  return reply.result
end

local function refused(what, code, name, args, word)
  local reply, text = ask(name, args)
  ok(what, reply.ok == false and reply.code == code and type(reply.error) == "string" and reply.result == nil
    and (not word or reply.error:find(word, 1, true) ~= nil), text)
end

-- Asks again until the answer is right.
local function await(fn)
  local until_ms = clock.io_ms() + ENOUGH_MS
  repeat
    local result = fn()
    if result then return result end
    task.sleep(50, "io")
  until clock.io_ms() > until_ms
end

-- ---- the broker itself ---------------------------------------------------------------------------

local logins = {}

-- Asks the paper broker as the account's own customer, past the engine.
local function broker(account, method, where, body)
  local address = json.decode(fs.read(data .. "/sim/address")).address
  local login = logins[account]
  if not login then
    for _, row in ipairs(json.decode(fs.read(data .. "/sim/credentials.json"))) do
      if row.tradingAccountId == account then login = row end
    end
    local answer = assert(http.request { method = "POST", url = "http://" .. address .. "/manager/mtr-login",
      headers = { { "Content-Type", "application/json" } },
      body = json.encode { email = login.email, password = login.password, brokerId = "0" } })
    local said = json.decode(answer.body)
    for _, row in ipairs(said.tradingAccounts) do
      if row.tradingAccountId == account then
        login.api, login.system, login.token = row.tradingApiToken, row.offer.system.uuid, said.token
      end
    end
    logins[account] = login
  end
  local answer = assert(http.request { method = method, body = body,
    url = ("http://%s/mtr-api/%s%s"):format(address, login.system, where),
    headers = { { "Auth-trading-api", login.api }, { "Cookie", "co-auth=" .. login.token } } })
  if answer.status == 401 then -- its token is over
    logins[account] = nil
    return broker(account, method, where, body)
  end
  return json.decode(answer.body)
end

local function broker_position(account, id)
  for _, p in ipairs(broker(account, "GET", "/open-positions").positions) do
    if p.id == id then return p end
  end
end

local function same(a, b)
  return a and b and a ~= json.null and b ~= json.null and decimal.new(a) == decimal.new(b)
end

-- ---- steps ---------------------------------------------------------------------------------------

local steps = {}

function steps.input()
  refused("an unknown command", "input", "dance")
  for _, name in ipairs({ "ping", "snapshot", "accounts", "positions", "users", "sessions", "orders", "sealed",
    "login_all", "refresh_all", "plan" }) do
    refused(name .. " takes no argument", "input", name, { foo = 1 })
  end
  local bad = {
    { "candles", { symbol = SYMBOL } }, { "candles", { symbol = SYMBOL, timeframe = "2m" } },
    { "candles", { symbol = SYMBOL, timeframe = "1m", count = 501 } },
    { "candles", { symbol = SYMBOL, timeframe = "1m", count = "5" } },
    { "preview", { symbol = SYMBOL, action = "CLOSE" } }, { "preview", { action = "LONG" } },
    { "preview", { symbol = SYMBOL, action = "LONG", quantity = "-1" } },
    { "preview", { symbol = SYMBOL, action = "LONG", stop_percent = 11 } },
    { "signal", { symbol = SYMBOL } }, { "signal", { symbol = SYMBOL, direction = "UP" } },
    { "signal", { symbol = SYMBOL, direction = "LONG", stop_percent = 0 } },
    { "signal", { symbol = SYMBOL, direction = "LONG", stop_percent = "0.2" } },
    { "signal", { symbol = SYMBOL, direction = "LONG", holding_seconds = 1.5 } },
    { "signal", { symbol = SYMBOL, direction = "LONG", reason = ("x"):rep(201) } },
    { "signal", { symbol = SYMBOL, direction = "LONG", reason = "a\nb" } },
    { "execute_all", { symbol = SYMBOL, side = "LONG" } },
    { "execute_all", { symbol = SYMBOL, side = "BUY", quantity = "1" } },
    { "execute_all", { symbol = SYMBOL, side = "LONG", quantity = "0" } },
    { "execute_all", { symbol = SYMBOL, side = "LONG", quantity = "1e3" } },
    { "execute_all", { symbol = SYMBOL, side = "LONG", quantity = "1", accounts = {} } },
    { "execute_all", { symbol = SYMBOL, side = "LONG", quantity = "1", accounts = { "a", "a" } } },
    { "close", { account = "365101" } }, { "close", { position = "W1" } },
    { "close", { account = "365101", position = "W1", volume = "x" } },
    { "close", { account = { "365101" }, position = "W1" } }, { "close_all", { accounts = { 5 } } },
    { "edit_all", { symbol = SYMBOL } }, { "edit_all", { symbol = SYMBOL, side = "BUY", stop = "5" } },
    { "execute_batch", {} }, { "execute_batch", { orders = {} } }, { "execute_batch", { orders = { {} } } },
    { "execute_batch", { orders = { { account = "365101", symbol = SYMBOL, side = "LONG", quantity = "1", x = 1 } } } },
    { "report", {} }, { "report", { signal_id = 0 } }, { "retries", { x = 1 } },
    { "edit", { account = "365101", position = "W1" } },
    { "edit", { account = "365101", position = "W1", stop = "-5" } },
    { "edit", { account = "365101", position = "W1", stop = {} } }, { "stop_entries", { on = "yes" } },
    { "sync", { accounts = "365101" } }, { "login", {} }, { "login", { user_id = "1" } },
    { "logout", { user_id = 0 } }, { "refresh", { user_id = 1.5 } }, { "user_put", { email = "x@example.com" } },
    { "user_put", { email = "no address", sealed = "abcd" } },
    { "user_put", { email = "x@example.com", sealed = "abcd" } },
    { "user_put", { email = "x@example.com", sealed = "abcd", broker = "elsewhere" } },
    { "user_update", { user_id = 1, sealed = "abcd" } }, { "user_update", { user_id = 1, is_active = 1 } },
    { "user_remove", {} },
  }
  for _, case in ipairs(bad) do
    refused(("%s %s is wrong input"):format(case[1], json.encode(case[2])), "input", case[1], case[2])
  end
  local absent = {
    { "candles", { symbol = "NONE", timeframe = "1m" } }, { "preview", { symbol = "NONE", action = "LONG" } },
    { "signal", { symbol = "NONE", direction = "LONG" } },
    { "execute_all", { symbol = SYMBOL, side = "LONG", quantity = "0.01", accounts = { "1" } } },
    { "close", { account = "1", position = "W1" } }, { "close", { account = "365101", position = "W1" } },
    { "close_all", { accounts = { "1" } } }, { "edit", { account = "365101", position = "W1", stop = "5" } },
    { "sync", { accounts = { "1" } } }, { "login", { user_id = 99 } }, { "logout", { user_id = 99 } },
    { "refresh", { user_id = 99 } }, { "user_update", { user_id = 99, name = "x" } },
    { "user_remove", { user_id = 99 } },
  }
  for _, case in ipairs(absent) do
    refused(("%s %s is not found"):format(case[1], json.encode(case[2])), "not_found", case[1], case[2])
  end
  for _, text in ipairs({ "", "nonsense", "[]", '{"name":5}', '{"name":"ping","args":[1]}',
    '{"name":"ping","id":{}}' }) do
    conn:send(3, text)
    local _, reply = conn:recv(5000)
    local said = json.decode(reply)
    ok(("a command that is %q is answered"):format(text), said.ok == false and said.code == "input", reply)
  end
  ok("nothing was traded by all that", #must("orders") == 0)
end

function steps.reads()
  local snapshot = must("snapshot")
  ok("a snapshot has users, accounts and sessions", #snapshot.users == 10 and #snapshot.accounts == 12
    and #snapshot.sessions == 10)
  ok("ids of users rise from 1", snapshot.users[1].id == 1 and snapshot.users[10].id == 10)
  ok("every account may open", await(function()
    for _, a in ipairs(must("accounts")) do
      if not a.active then return false end
    end
    return true
  end))
  ok("rates are in the reporting currency", snapshot.rates.USD == "1" and tonumber(snapshot.rates.EUR) > 0.5)
  ok("instruments, quotes and strategies are there", #snapshot.instruments > 1 and #snapshot.quotes > 1
    and #snapshot.strategies == 1)
  local candles = must("candles", { symbol = SYMBOL, timeframe = "1m", count = 30 })
  local rising = #candles.bars == 30
  for i = 2, #candles.bars do rising = rising and candles.bars[i][1] == candles.bars[i - 1][1] + 60000 end
  ok("candles are oldest first, without holes", rising)
  local preview = must("preview", { symbol = SYMBOL, action = "SHORT" })
  local first = preview.legs[1]
  ok("a preview sizes every account", #preview.legs == 12 and tonumber(first.volume) > 0
    and tonumber(first.stop) > tonumber(first.price) and tonumber(first.target) < tonumber(first.price)
    and tonumber(first.risk_money) > 0 and first.rule == json.null)
  local wanted = must("preview", { symbol = SYMBOL, action = "LONG", quantity = "90" }).legs[1]
  ok("and says which rule keeps one out", type(wanted.rule) == "string" and type(wanted.reason) == "string")
  local wide = must("preview", { symbol = SYMBOL, action = "SHORT", stop_percent = 2, target_percent = 3 }).legs[1]
  ok("and puts stop and target where it is told to", math.abs(tonumber(wide.stop) / tonumber(wide.price) - 1.02) < 0.001
    and math.abs(tonumber(wide.target) / tonumber(wide.price) - 0.97) < 0.001, json.encode(wide))
  ok("a preview sends nothing", #must("orders") == 0)
end

function steps.trading()
  local report = must("signal", { symbol = SYMBOL, direction = "LONG", stop_percent = 5, target_percent = 5,
    holding_seconds = 86400, reason = "a test" })
  ok("a manual signal is filled on every account", report.executed_count == 12 and report.failed_count == 0
    and #report.results == 12, json.encode(report))
  local row = report.results[1]
  ok("its report has orders, volumes and prices", math.type(row.order_id) == "integer" and tonumber(row.volume) > 0
    and tonumber(row.executed_price) > 0)
  local positions = must("positions")
  ok("twelve positions are open", #positions == 12)
  -- They come as they were shown; the first account's is more than the least volume, so that a part can be closed.
  table.sort(positions, function(a, b) return a.account < b.account end)
  local seen = true
  for _, p in ipairs(positions) do
    local theirs = broker_position(p.account, p.id)
    seen = seen and theirs and theirs.side == "BUY" and same(theirs.volume, p.volume)
      and same(theirs.stopLoss, p.stop)
  end
  ok("the broker shows every one of them", seen)
  local signal = must("snapshot").signals[1]
  ok("the signal says who gave it and what came of it", signal.strategy == "manual" and signal.who == "tester"
    and signal.reason == "a test" and signal.outcome.accepted == 12, json.encode(signal))

  local p = positions[1]
  local order = { symbol = SYMBOL, side = "LONG", quantity = "0.01", accounts = { p.account },
    stop_loss = ("%.1f"):format(p.price * 0.95), take_profit = ("%.1f"):format(p.price * 1.05) }
  report = must("execute_all", order)
  ok("an order of a volume goes to the accounts that are named", report.executed_count == 1
    and report.results[1].account == p.account and same(report.total_volume, "0.01"), json.encode(report))
  local function refusal(change, rule)
    local asked = {}
    for key, value in pairs(order) do asked[key] = value end
    for key, value in pairs(change) do asked[key] = value end
    local said = must("execute_all", asked)
    ok(("an order with %s is kept out by %s"):format(json.encode(change), rule), said.executed_count == 0
      and said.failed_count == 1 and said.results[1].status == "refused" and said.results[1].rule == rule,
      json.encode(said))
  end
  refusal({ quantity = "0.015" }, "volume_step")
  refusal({ quantity = "0.001" }, "volume_min")
  refusal({ quantity = "2" }, "risk_per_trade")
  refusal({ quantity = "99" }, "margin")
  refusal({ stop_loss = order.take_profit }, "stop_side")
  refusal({ take_profit = order.stop_loss }, "target_side")
  ok("a refused order closes nothing", #must("positions") == 13)

  local stop, target = ("%.1f"):format(p.price * 0.97), ("%.1f"):format(p.price * 1.1)
  local said = must("edit", { account = p.account, position = p.id, stop = stop, target = target })
  local theirs = broker_position(p.account, p.id)
  ok("an edit is accepted, and the broker has it", said.state == "accepted" and same(theirs.stopLoss, stop)
    and same(theirs.takeProfit, target), json.encode(said))
  said = must("edit", { account = p.account, position = p.id, target = json.null })
  theirs = broker_position(p.account, p.id)
  ok("null takes the target away, and the stop stays", said.state == "accepted" and same(theirs.stopLoss, stop)
    and not same(theirs.takeProfit, target), json.encode(theirs))
  refused("a stop on the wrong side is refused", "refused", "edit",
    { account = p.account, position = p.id, stop = ("%.1f"):format(p.price * 1.5) })
  for level, rule in pairs { [("%.1f"):format(p.price * 0.8)] = "risk_per_trade", [json.null] = "no_stop" } do
    refused("a stop that passes no risk is refused by " .. rule, "refused", "edit",
      { account = p.account, position = p.id, stop = level }, rule)
  end
  ok("the positions have the new levels", await(function()
    for _, now in ipairs(must("positions")) do
      if now.id == p.id then return same(now.stop, stop) and now.target == json.null end
    end
  end))

  refused("more than the position's volume cannot be closed", "input", "close",
    { account = p.account, position = p.id, volume = "50" })
  must("close", { account = p.account, position = p.id, volume = "0.01" })
  ok("a part is closed at the broker", await(function()
    local now = broker_position(p.account, p.id)
    return now and same(now.volume, tostring(decimal.new(p.volume) - decimal.new("0.01")))
  end))
  ok("and in the engine", await(function()
    for _, now in ipairs(must("positions")) do
      if now.id == p.id then return not same(now.volume, p.volume) end
    end
  end))
  must("close", { account = p.account, position = p.id })
  ok("one is closed whole", await(function() return broker_position(p.account, p.id) == nil end))
  local other = positions[3].account
  said = must("close_all", { accounts = { other } })
  ok("the positions of one account are closed", said.closing == 1 and said.positions[1].account == other)
  ok("the broker shows it", await(function() return #broker(other, "GET", "/open-positions").positions == 0 end))
  said = must("sync", { accounts = { other, p.account } })
  ok("accounts are read at once", said.accounts == 2 and #said.failed == 0)

  ok("the engine shows both closed", await(function() return #must("positions") == 11 end))
  local low = ("%.1f"):format(p.price * 0.96)
  said = must("edit_all", { symbol = SYMBOL, stop = low, accounts = { positions[4].account, positions[5].account } })
  ok("the stops of some accounts are edited at once", said.edited == 2 and #said.results == 2, json.encode(said))
  theirs = broker_position(positions[4].account, positions[4].id)
  ok("the broker has them, and the targets stay", theirs and same(theirs.stopLoss, low)
    and same(theirs.takeProfit, positions[4].target), json.encode(theirs))
  said = must("edit_all", { symbol = SYMBOL, side = "SHORT", stop = low })
  ok("a side without positions has nothing to edit", said.edited == 0 and #said.results == 0)
  local one, two = positions[1].account, positions[3].account
  local explicit = { account = one, symbol = SYMBOL, side = "LONG", quantity = "0.01" }
  local short = { account = two, symbol = SYMBOL, side = "SHORT", quantity = "0.02" }
  said = must("execute_batch", { orders = { explicit, short, { account = two, symbol = SYMBOL, side = "LONG",
    quantity = "0.015" } } })
  ok("explicit orders go out by side, each through risk", said.executed_count == 2 and said.failed_count == 1
    and #said.reports == 2 and same(said.total_volume, "0.03"), json.encode(said))
  ok("the report of a signal is there to be read again",
    must("report", { signal_id = said.reports[1].signal_id }).results[1].order_id
    == said.reports[1].results[1].order_id)
  refused("a signal without a report is not found", "not_found", "report", { signal_id = 99999 })
  must("close_all", { accounts = { one, two } })
  ok("all of both accounts is closed", await(function() return #must("positions") == 10 end))
  report = must("signal", { symbol = SYMBOL, direction = "CLOSE" })
  ok("a CLOSE closes what is left, and tells it", report.executed_count == 10 and report.failed_count == 0,
    json.encode(report))
  ok("nothing is open", #must("positions") == 0)
  said = must("close_all")
  ok("closing nothing is no error", said.closing == 0 and #said.positions == 0)
end

function steps.stopped()
  ok("entries can be stopped", must("stop_entries", { on = true }).entries_stopped == true)
  refused("a signal is refused then", "refused", "signal", { symbol = SYMBOL, direction = "LONG" })
  refused("an order, too", "refused", "execute_all", { symbol = SYMBOL, side = "LONG", quantity = "0.01" })
  local leg = must("preview", { symbol = SYMBOL, action = "LONG" }).legs[1]
  ok("a preview says so", leg.rule == "entries_stopped", json.encode(leg))
end

function steps.still_stopped()
  ok("a new engine has entries stopped from its start", must("snapshot").entries_stopped == true)
  local reply, text
  await(function() -- until the market has said a price
    reply, text = ask("signal", { symbol = SYMBOL, direction = "LONG" })
    return reply.code ~= "unavailable"
  end)
  ok("and takes no signal", reply.ok == false and reply.code == "refused", text)
  ok("entries can be let in again", must("stop_entries", { on = false }).entries_stopped == false)
end

local function user_of(email)
  for _, u in ipairs(must("users")) do
    if u.email == email then return u end
  end
end

local function active_of(user)
  local wanted, count = {}, 0
  for _, id in ipairs(user.accounts) do wanted[id] = true end
  for _, a in ipairs(must("accounts")) do count = count + (wanted[a.id] and a.active and 1 or 0) end
  return count
end

function steps.sessions()
  local user = must("users")[1]
  ok("both accounts of a login may open", await(function() return active_of(user) == 2 end))
  local before = must("sessions")[1]
  local session = must("refresh", { user_id = 1 })
  ok("a session is renewed", session.id == before.id and session.last_refresh_ms ~= json.null)
  ok("one refresh fewer is left, and its token is new", session.refreshes_left == before.refreshes_left - 1
    and session.token_ms > before.token_ms and session.condition == "open", json.encode(session))
  local checked = must("session_check", { user_id = 1 })
  ok("the broker says that it works", checked.condition == "open" and checked.latency_ms >= 0, json.encode(checked))
  refused("nobody's session cannot be asked", "not_found", "session_check", { user_id = 999 })
  local budgets = must("budget")
  ok("each account's budget shows what it has used", #budgets == 12 and budgets[1].limit == 480
    and budgets[1].used > 0 and budgets[1].scopes[1].scope == "account", json.encode(budgets[1]))
  ok("so does one alone", #must("budget", { account = budgets[2].account }) == 1)
  refused("an account that is nobody's has none", "not_found", "budget", { account = "1" })
  local plan = must("plan")
  ok("the reads are planned, and fit", plan.fits and plan.planned <= plan.room and plan.periods.quotes >= 100,
    json.encode(plan))
  session = must("logout", { user_id = 1 })
  ok("a logout closes it", session.state == "closed" and session.condition == "out" and session.expires_ms == json.null
    and must("users")[1].state == "closed" and active_of(user) == 0)
  refused("a closed session cannot be renewed", "state", "refresh", { user_id = 1 })
  local report = must("signal", { symbol = SYMBOL, direction = "LONG", stop_percent = 5, target_percent = 5,
    holding_seconds = 86400 })
  ok("its accounts take no entries, the others do", report.executed_count == 10 and #report.results == 10,
    json.encode(report))
  report = must("execute_all", { symbol = SYMBOL, side = "LONG", quantity = "0.01", accounts = user.accounts })
  ok("an order says so", report.executed_count == 0 and report.results[1].rule == "session", json.encode(report))
  session = must("login", { user_id = 1 })
  ok("a login opens a new one", session.state == "open" and session.id > before.id and active_of(user) == 2)
  ok("a second login changes nothing", must("login", { user_id = 1 }).id == session.id)
  conn:send(3, json.encode { id = 901, name = "logout", args = { user_id = 1 } })
  conn:send(3, json.encode { id = 902, name = "login", args = { user_id = 1 } })
  local replies = {}
  for _ = 1, 2 do
    local _, text = conn:recv(60000)
    local reply = json.decode(text)
    replies[reply.id] = reply
  end
  session = must("login", { user_id = 1 })
  ok("a login that is asked for during a logout comes after it", replies[901].ok and replies[902].ok
    and session.state == "open" and session.expires_ms ~= json.null and session.id == replies[902].result.id,
    json.encode(replies[902]))
  must("logout", { user_id = 1 })
  must("user_update", { user_id = 1, name = "One" })
  ok("a new name logs nobody in who was logged out", user_of("demo01@example.com").state == "closed")
  must("login", { user_id = 1 })
  local held = must("positions")[1]
  refused("a user with positions cannot be removed", "state", "user_remove", { user_id = held.user_id })
  must("logout", { user_id = held.user_id })
  local shown = false
  for _, p in ipairs(must("positions")) do shown = shown or p.id == held.id end
  ok("positions of a logged-out user stay shown", shown)
  refused("and cannot be edited", "state", "edit", { account = held.account, position = held.id, target = json.null })
  refused("nor parted", "state", "close", { account = held.account, position = held.id, volume = "0.01" })
  ok("closing one is remembered", must("close", { account = held.account, position = held.id }).status == "away")
  local away = must("close_all", { accounts = { held.account } })
  ok("so is closing all, and it says where", #away.positions > 0 and away.positions[1].status == "away",
    json.encode(away))
  local results = must("login_all").results
  local all = #results == 10
  for _, row in ipairs(results) do all = all and row.ok end
  ok("all are logged in at once", all, json.encode(results))
  ok("and what was to be closed is closed then", await(function()
    return #broker(held.account, "GET", "/open-positions").positions == 0
  end))
  results = must("refresh_all").results
  all = #results == 10
  for _, row in ipairs(results) do all = all and row.ok end
  ok("all are renewed at once", all, json.encode(results))
  must("close_all")
  ok("everything is closed", await(function() return #must("positions") == 0 end))
end

local function sealed(email, password)
  local key = assert(fs.read(data .. "/vault.key"))
  return crypto.base64(crypto.seal(key, password, "password:paper:" .. email))
end

function steps.users()
  local email = "demo10@example.com"
  local user, password = user_of(email), nil
  for _, row in ipairs(json.decode(fs.read(data .. "/sim/credentials.json"))) do
    if row.email == email then password = row.password end
  end
  local account = user.accounts[1]
  ok("a user is renamed", must("user_update", { user_id = user.id, name = "Jo" }).name == "Jo")
  ok("deactivated", must("user_update", { user_id = user.id, is_active = false }).state == "inactive")
  refused("who is not active is not logged in", "state", "login", { user_id = user.id })
  must("user_update", { user_id = user.id, is_active = true })
  ok("activated, and logged in in the background", await(function() return user_of(email).state == "open" end))
  refused("one that is there cannot be added", "state", "user_put", { email = email, sealed = sealed(email, "x") })
  refused("a password that is bound to another", "input", "user_put",
    { email = "new@example.com", sealed = sealed("old@example.com", "x") })
  ok("a user is removed", must("user_remove", { user_id = user.id }) == true)
  ok("with its account and sealed bytes", user_of(email) == nil and #must("accounts") == 11
    and #must("sealed") == 9 and #must("sessions") == 9)
  refused("and is gone", "not_found", "login", { user_id = user.id })

  local wrong = must("user_put", { email = email, sealed = sealed(email, "wrong") })
  ok("it is added again under a new id", wrong.id == 11)
  ok("with a wrong password its login fails", await(function() return user_of(email).state == "failed" end))
  ok("and keeps nobody else back", must("signal", { symbol = SYMBOL, direction = "LONG" }).executed_count == 11)
  refused("the broker refuses it by hand, too", "refused", "login", { user_id = 11 })
  must("user_update", { user_id = 11, sealed = sealed(email, password), name = "Jo" })
  local back = await(function()
    local u = user_of(email)
    return u.state == "open" and u
  end)
  ok("with the right one it is logged in", back and back.accounts[1] == account, json.encode(back or {}))
  must("close_all")
  await(function() return #must("positions") == 0 end)
end

function steps.after_restart()
  local user = user_of("demo10@example.com")
  ok("a new engine has the users of the vault", #must("users") == 10 and user.id == 11 and user.name == "Jo")
  ok("and logs them in", await(function() return user_of("demo10@example.com").state == "open" end))
end

-- The same request with the same key: the first time it is done, and told again in every life of the engine.
local function keyed()
  local reply, text = ask("execute_all", { symbol = SYMBOL, side = "LONG", quantity = "0.01",
    accounts = { "365101" }, stop_loss = "46000", take_profit = "62000" }, "e2e-1")
  assert(reply.ok, text)
  return reply.result
end

function steps.keyed()
  local first = keyed()
  ok("an order with a key is executed", first.executed_count == 1, json.encode(first))
  local again = keyed()
  ok("and not twice", again.signal_id == first.signal_id and #must("positions") == 1, json.encode(again))
  local reply = ask("execute_all", { symbol = SYMBOL, side = "SHORT", quantity = "0.01" }, "e2e-1")
  ok("the key is no other request's", reply.ok == false and reply.code == "state")
end

function steps.keyed_again()
  await(function() return #must("positions") > 0 end)
  local open = #broker("365101", "GET", "/open-positions").positions
  local said = keyed()
  task.sleep(300, "io")
  ok("a new engine answers the first result and sends nothing", said.executed_count == 1
    and said.results[1].order_id ~= json.null and open == 1
    and #broker("365101", "GET", "/open-positions").positions == 1, json.encode(said))
  must("close_all")
  await(function() return #must("positions") == 0 end)
end

-- A mirror that follows the events is the same as a later snapshot.
function steps.fold()
  local mirror = fold.new(must("snapshot"))
  local follower = assert(sock.connect(path))
  follower:send(1, ("<I8B"):pack(mirror.seq + 1, 1))
  must("signal", { symbol = SYMBOL, direction = "SHORT", stop_percent = 5, target_percent = 5,
    holding_seconds = 86400 })
  local p = must("positions")[1]
  must("edit", { account = p.account, position = p.id, target = json.null })
  must("close", { account = p.account, position = p.id, volume = "0.01" })
  must("logout", { user_id = 2 })
  must("user_update", { user_id = 3, is_active = false })
  must("signal", { symbol = SYMBOL, direction = "LONG", stop_percent = 5, target_percent = 5 })
  must("login", { user_id = 2 })
  must("refresh", { user_id = 4 })
  must("user_update", { user_id = 3, is_active = true, name = "Three" })
  must("stop_entries", { on = true })
  must("stop_entries", { on = false })
  must("execute_all", { symbol = SYMBOL, side = "LONG", quantity = "90", stop_loss = "1", take_profit = "900000" })
  -- A login that is on its way is the one thing that no event tells.
  local later = await(function()
    local now = must("snapshot")
    for _, user in ipairs(now.users) do
      if user.state == "logging_in" then return nil end
    end
    return now
  end)
  while mirror.seq < later.seq do
    local kind, frame = follower:recv(5000)
    assert(kind == 2, tostring(frame))
    fold.apply(mirror, assert(event.decode(frame)))
  end
  local lines = fold.differences(mirror, later, json.null)
  ok("a snapshot and the events after it make a later snapshot", #lines == 0, table.concat(lines, "; "))
  ok("of which there were some", #later.orders > 24 and #later.positions > 0)
  follower:close()
  must("close_all")
  await(function() return #must("positions") == 0 end)
end

task.run(function()
  conn = assert(sock.connect(path))
  steps[step]()
  conn:close()
end)
