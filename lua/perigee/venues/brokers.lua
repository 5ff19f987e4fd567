-- SPDX-License-Identifier: MIT
-- Profiles of brokers: how each differs from the documented Platform API. Addresses of real brokers
-- stand here and in the docs only; nothing connects to one without --live.

---@class perigee.BrokerProfile
---@field name string
---@field origin string|nil          https address; nil: given at start (paper)
---@field login string               path of the login door
---@field id_key string|false        name of the broker id in the login body; false: none
---@field broker_id string|nil       nil: asked from platform-details
---@field renewal "refresh"|"login"
---@field cookie "session"|"account" which token goes into the co-auth cookie
---@field close "single"|"bulk"      position/close, or positions/close with an array
---@field headers { [1]: string, [2]: string }[]  added to each request
---@field refreshes_per_hour integer
---@field token_life_ms integer      when the token does not say its own expiry

local defaults = {
  login = "/manager/mtr-login",
  id_key = "brokerId",
  renewal = "refresh",
  cookie = "session",
  close = "single",
  headers = {},
  refreshes_per_hour = 4,
  token_life_ms = 15 * 60 * 1000,
}

local function profile(fields)
  for key, value in pairs(defaults) do
    if fields[key] == nil then fields[key] = value end
  end
  return fields
end

---@type table<string, perigee.BrokerProfile>
return {
  paper = profile { name = "paper" },
  sandbox = profile { name = "sandbox", origin = "https://mtr-demo-prod.match-trader.com", broker_id = "0" },
  e8 = profile { name = "e8", origin = "https://mtr.e8markets.com", broker_id = "2", renewal = "login" },
  fundingpips = profile { name = "fundingpips", origin = "https://mtr-platform.fundingpips.com",
    broker_id = "1", login = "/manager/co-login", close = "bulk" },
  aquafunded = profile { name = "aquafunded", origin = "https://platform.aquafunded.com" },
  gooeytrade = profile { name = "gooeytrade", origin = "https://mtr.gooeytrade.com", broker_id = "1" },
  fundezy = profile { name = "fundezy", origin = "https://platform.fundezy.io", broker_id = "107" },
  fundedtradermarkets = profile { name = "fundedtradermarkets",
    origin = "https://platform.fundedtradermarkets.com", broker_id = "1",
    login = "/mtr-core-edge/login", id_key = "partnerId" },
}
