-- SPDX-License-Identifier: MIT
-- A broker that answers its login in one wrong way, for the test of the probe. Prints its address, serves until it is
-- killed: perigee lua bad_broker.lua KIND

local httpd = require "perigee.httpd"
local task = require "perigee.task"

local JSON = { { "Content-Type", "application/json" } }

local logins = {
  edge = function()
    return 403, { { "Content-Type", "text/html" }, { "cf-mitigated", "challenge" } }, "<html>wait</html>"
  end,
  limit = function() return 429, { { "Retry-After", "30" } }, "" end,
  elsewhere = function() return 302, { { "Location", "https://login.example.org/?email=demo" } }, "" end,
  page = function() return 200, { { "Content-Type", "text/html" } }, "<html>maintenance, demo01@example.com</html>" end,
  factor = function()
    return 200, JSON, '{"tradingAccounts":[],"tfaConfig":{"isEnabledForSignIn":true}}'
  end,
  nobody = function() return 200, JSON, '{"token":"t0ken-value","tradingAccounts":[]}' end,
  -- It goes on, in its own way.
  odd = function()
    return 200, JSON, '{"token":"t0ken-value","vip":true,"accounts":[{"tradingAccountId":"1",'
      .. '"tradingApiToken":"api-t0ken",'
      .. '"offer":{"currency":"USD","leverage":"30","demo":false,"system":{"uuid":"u"}}}]}'
  end,
}

local reads = {
  ["/mtr-api/u/balance"] = '{"balance":100,"equity":true,"owner":"Ann Example"}',
  ["/mtr-api/u/open-positions"] = '{"positions":[{"id":"W1"}]}',
  ["/mtr-api/u/active-orders"] = '{"error":{"type":"X","errorMessage":"off for demo01@example.com"},"status":"error"}',
  ["/mtr-api/u/effective-instruments"] = '[{"symbol":"EURUSD","quoteCurrency":"USD","pricePrecision":5,'
    .. '"volumeMin":0.01,'
    .. '"volumeMax":1,"volumeStep":0.01,"contractSize":1,"depth":3}]',
  ["/mtr-api/u/quotations"] = '[{"symbol":"EURUSD","bid":1.1,"ask":1.2}]',
  ["/mtr-api/u/candles"] = '{"candles":[]}',
  ["/mtr-api/u/closed-positions"] = '{"operations":[]}',
}

local kind = assert(logins[(...)], "which kind?")

task.run(function()
  local asked = 0
  local server <close> = assert(httpd.listen { host = "127.0.0.1", port = 0, handler = function(req)
    asked = asked + 1
    local path = req:path()
    if path == "/asked" then return 200, {}, tostring(asked - 1) end
    if path == "/manager/platform-details" then return 200, JSON, '{"partnerId":"0"}' end
    if path == "/manager/mtr-login" then return kind() end
    if reads[path] then return 200, { JSON[1], { "X-RateLimit-Limit", "500" } }, reads[path] end
    return 404, JSON, "{}"
  end })
  io.stdout:write(server:address(), "\n")
  io.stdout:flush()
  while task.sleep(1000, "io") do end -- luacheck: ignore 542
end)
