-- SPDX-License-Identifier: MIT
-- The paper broker's life: opens its market and book, serves them, moves its market's time, saves at the end.

local clock = require "perigee.clock"
local config = require "perigee.config"
local fs = require "perigee.fs"
local control = require "perigee.simulator.control"
local httpd = require "perigee.httpd"
local json = require "perigee.json"
local process = require "perigee.process"
local rng = require "perigee.rng"
local sim = require "perigee.sim"
local task = require "perigee.task"
local brokers = require "perigee.simulator.broker"
local customers = require "perigee.simulator.accounts"
local models = require "perigee.simulator.model"
local serve = require "perigee.simulator.serve"
local stream = require "perigee.simulator.stream"

local main = {}

local TICK_MS = 20
local state = { broker = nil, server = nil }

-- The market of a data folder is remembered, so that it goes on without being named again.
local function choose_market(folder)
  local tape, seed = config.get("market.tape"), config.get("market.seed")
  local path = folder .. "/market.json"
  if not tape and not seed then
    local text = fs.read(path)
    local known = text and json.decode(text)
    if type(known) == "table" then
      return known.tape, math.tointeger(known.seed), path
    end
    seed = 1
  end
  return tape and (fs.realpath(tape) or tape), seed, path
end

local function remember_market(path, tape, seed)
  local text = tape and json.object { { "tape", json.string(tape) } } or json.object { { "seed", json.number(seed) } }
  return fs.replace(path, text .. "\n")
end

-- Passwords are made once and kept beside the book.
local function load_users(list)
  local path = config.get("paper.credentials")
  local text = fs.read(path)
  local rows = text and json.decode(text) or {}
  local users, passwords = {}, {}
  for _, row in ipairs(type(rows) == "table" and rows or {}) do
    if type(row) == "table" and row.email then passwords[row.email] = row.password end
  end
  local out = {}
  for i, account in ipairs(list) do
    local user = users[account.user]
    if not user then
      user = { password = passwords[account.user] or rng.token(12), accounts = {} }
      users[account.user] = user
    end
    user.accounts[#user.accounts + 1] = account.id
    out[i] = "  " .. json.object { { "email", json.string(account.user) }, { "password", json.string(user.password) },
      { "brokerId", json.string("0") }, { "tradingAccountId", json.string(account.id) } }
  end
  local ok, err = fs.replace(path, "[\n" .. table.concat(out, ",\n") .. "\n]\n", tonumber("600", 8))
  if not ok then return nil, err end
  return users
end

-- Moves the market with the wall clock, scaled.
local function drive(broker, feed, speed)
  local base_market, base_io = broker.sim:now(), clock.io_ms()
  clock.scale(base_market, speed)
  task.spawn(function()
    while task.sleep(TICK_MS, "io") do
      local ok, err = broker.sim:advance(base_market + math.floor((clock.io_ms() - base_io) * speed))
      if not ok then
        io.stderr:write("perigee sim: ", err.message, "\n")
      end
      feed:flush()
    end
  end)
end

local function listen(broker, feed)
  local host, port = config.get("paper.listen"):match("^(.*):(%d+)$")
  return httpd.listen { host = host, port = math.tointeger(tonumber(port)), ws = feed:callbacks(),
    handler = function(req) return serve.handle(broker, req) end }
end

-- The bad day that was asked for, and the port that can change it.
local function prepare(broker, folder)
  local ok, err = brokers.set_chaos(broker, config.get("paper.chaos"))
  local address = config.get("paper.control")
  if not ok or not address then return ok, err end
  state.control, err = control.listen(broker, address, folder .. "/control")
  if not state.control then return nil, err end
  return true
end

function main.start()
  local folder = config.get("data.dir") .. "/sim"
  fs.mkdir(folder)
  local tape, seed, remembered = choose_market(folder)
  local model, err = models.read(config.get("paper.model"))
  if err then return nil, err end
  local market
  market, err = sim.open { data = config.get("data.dir"), tape = tape, seed = seed,
    symbol = config.get("market.symbol"), model = model }
  if not market then return nil, err end
  remember_market(remembered, tape, seed)
  local report = market:report()
  if report then io.stderr:write("perigee sim: ", report, "\n") end

  local list = customers.list(config.get("paper.accounts"))
  local users
  users, err = load_users(list)
  if not users then return nil, err end
  local broker
  broker, err = brokers.new { sim = market, users = users, accounts = list, profile = config.get("paper.profile"),
    seed = seed }
  if not broker then return nil, err end

  local speed = config.get("market.speed")
  local source = tape and "tape " .. tape:match("[^/]*$") or "generator, seed " .. seed
  local main_symbol = market:symbols()[1]
  local feed = stream.new { sim = market, symbol = main_symbol.symbol, speed = speed, source = source,
    point = ("%." .. main_symbol.price_digits .. "f"):format(10 ^ -main_symbol.price_digits) }
  local server
  server, err = listen(broker, feed)
  if not server then return nil, err end
  state.broker, state.server, state.folder = broker, server, folder
  broker.server, broker.folder = server, folder
  local ok
  ok, err = prepare(broker, folder)
  if not ok then return nil, err end
  if speed == "max" then clock.grant(market:now()) else drive(broker, feed, tonumber(speed)) end

  local line = json.object { { "address", json.string(server:address()) }, { "pid", json.number(process.pid()) },
    { "source", json.string(source) }, { "speed", json.string(speed) },
    { "chaos", json.string(broker.chaos) } }
  ok, err = fs.replace(folder .. "/address", line .. "\n")
  if not ok then return nil, err end
  io.stdout:write(line, "\n")
  io.stdout:flush()
  return true
end

function main.stop(reason)
  local code = 0
  if state.broker then
    fs.remove(state.folder .. "/address")
    if state.control then fs.remove(state.folder .. "/control") end
    local ok, err = state.broker.sim:save()
    if not ok then
      io.stderr:write("perigee sim: ", err.message, "\n")
      code = 1
    end
    state.broker.sim:close()
  end
  process.stop(reason, code)
end

return main
