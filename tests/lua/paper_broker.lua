-- SPDX-License-Identifier: MIT
-- For specs of the paper broker: a broker with a real market and book, without sockets, and a client of it.

local json = require "perigee.json"
local sim = require "perigee.sim"
local accounts = require "perigee.simulator.accounts"
local brokers = require "perigee.simulator.broker"
local routes = require "perigee.simulator.routes"

local SYSTEM = "cccccccc-0000-4000-8000-000000000001"
local MINUTE = 60000

-- A broker with three accounts under two logins; `ann` holds the first two. `profile`: its words.
local function new_broker(profile)
  local market = assert(sim.open { seed = 5 })
  assert(market:advance(market:now() + 10 * MINUTE))
  local list = accounts.list(3)
  for i, account in ipairs(list) do account.user = i < 3 and "ann@example.org" or "bob@example.org" end
  return assert(brokers.new { sim = market, accounts = list, profile = profile, users = {
    ["ann@example.org"] = { password = 's3"cret', accounts = { list[1].id, list[2].id } },
    ["bob@example.org"] = { password = "pw", accounts = { list[3].id } } } })
end

-- One exchange: status, decoded body (or its text), headers as name -> list of values.
local function exchange(broker, method, path, headers, body)
  local bare, query = path:match("^([^?]*)%??(.*)$")
  local status, list, text = routes.handle(broker, {
    method = function() return method end,
    path = function() return bare end,
    query = function() return query end,
    header = function(_, name) return headers and headers[name:lower()] end,
    body = function() return body or "" end,
  })
  local answered = {}
  for _, pair in ipairs(list or {}) do
    local name = pair[1]:lower()
    answered[name] = answered[name] or {}
    table.insert(answered[name], pair[2])
  end
  local value = text ~= "" and text ~= nil and json.decode(text)
  return status, type(value) == "table" and value or text, answered
end

local function cookies_of(answered)
  local jar = {}
  for _, line in ipairs(answered["set-cookie"] or {}) do
    local name, value = line:match("^([^=]+)=([^;]*)")
    jar[name] = value
  end
  return jar
end

-- Logs in; a client with call(method, path, body) for its n-th account.
local function login(broker, email, password, n)
  local status, said, answered = exchange(broker, "POST", "/manager/mtr-login", nil,
    json.encode { email = email, password = password, brokerId = "0" })
  assert(status == 200, "login")
  local jar = cookies_of(answered)
  local row = (said.tradingAccounts or said.accounts)[n or 1]
  local client = { said = said, jar = jar, account = row.tradingAccountId, api = row.tradingApiToken }
  function client.call(method, path, body, headers)
    return exchange(broker, method, "/mtr-api/" .. SYSTEM .. path, headers or
      { ["auth-trading-api"] = client.api, cookie = "co-auth=" .. client.jar["co-auth"] }, body)
  end
  function client.refresh()
    return exchange(broker, "POST", "/manager/refresh-token",
      { cookie = ("co-auth=%s; rt=%s"):format(client.jar["co-auth"], client.jar.rt) }, "")
  end
  return client
end

return { SYSTEM = SYSTEM, new = new_broker, exchange = exchange, login = login, cookies_of = cookies_of }
