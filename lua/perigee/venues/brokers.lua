-- SPDX-License-Identifier: MIT
-- Profiles of brokers: how each differs from the documented Platform API. Addresses of real brokers
-- stand here and in docs/brokers.md only; nothing connects to one without being told to. Fields and defaults are in
-- profiles.lua. "reported": independent clients have used it so; nothing here was tried by us.

local profiles = require "perigee.venues.profiles"

local function profile(fields)
  local p, why = profiles.make(fields)
  return p or error(why, 2)
end

-- The set that one broker's edge is reported to want. The names are documented; the values say who we are.
local browser_headers = {
  { "User-Agent", "Mozilla/5.0 (compatible; {agent})" },
  { "Accept", "application/json, text/plain, */*" },
  { "Accept-Language", "en" },
  { "Origin", "{origin}" },
  { "Referer", "{origin}/" },
  { "Sec-Ch-Ua", '"perigee"' },
  { "Sec-Ch-Ua-Mobile", "?0" },
  { "Sec-Ch-Ua-Platform", '"Linux"' },
  { "Sec-Fetch-Dest", "empty" },
  { "Sec-Fetch-Mode", "cors" },
  { "Sec-Fetch-Site", "same-origin" },
  { "X-Browser-Id", "{browser_id}" },
}

---@type table<string, perigee.BrokerProfile>
return {
  paper = profile { name = "paper", logout = "/manager/logout", logins_per_minute = 10000, logins_per_hour = 10000 },

  sandbox = profile { name = "sandbox", origin = "https://mtr-demo-prod.match-trader.com", broker_id = "0",
    seen = "documented" },

  e8 = profile { name = "e8", origin = "https://mtr.e8markets.com", broker_id = "2", renewal = "login",
    budget = { per_day = 2000 }, seen = "reported",
    note = "Its edge is reported to refuse what is no browser; the engine does not pretend to be one. Symbols end "
      .. "in a dot. One client names /manager/co-login." },

  fundingpips = profile { name = "fundingpips", origin = "https://mtr-platform.fundingpips.com", broker_id = "1",
    login = "/manager/co-login", close = "bulk", headers = browser_headers, seen = "reported",
    note = "Figures are texts. Positions are closed in bulk form." },

  aquafunded = profile { name = "aquafunded", origin = "https://platform.aquafunded.com", seen = "reported",
    note = "Wants a User-Agent of its own kind and TLS 1.3, both of which the engine has." },

  gooeytrade = profile { name = "gooeytrade", origin = "https://mtr.gooeytrade.com", broker_id = "1",
    seen = "reported" },

  fundezy = profile { name = "fundezy", origin = "https://platform.fundezy.io", broker_id = "107", candles = "count",
    seen = "reported" },

  fundedtradermarkets = profile { name = "fundedtradermarkets", origin = "https://platform.fundedtradermarkets.com",
    broker_id = "1", login = "/mtr-core-edge/login", id_key = "partnerId", candles = "count",
    idle_close_ms = 5 * 60 * 1000, seen = "reported" },

  cryptofundtrader = profile { name = "cryptofundtrader", origin = "https://trading.cryptofundtrader.com",
    login = "/mtr-core-edge/login", id_key = "partnerId", seen = "reported",
    note = "Symbols end in .cft. Its broker id is asked from the platform." },

  maven = profile { name = "maven", origin = "https://manager.maven.markets", broker_id = "117",
    login = "/mtr-core-edge/login", id_key = "partnerId", seen = "reported" },

  actifunded = profile { name = "actifunded", origin = "https://prop.actifunded.com", broker_id = "215",
    id_type = "number", seen = "reported" },

  voyage = profile { name = "voyage", origin = "https://mtr.voyagemarkets.net", broker_id = "1",
    login = "/manager/login-v2", login_body = "form", id_key = "partnerId", seen = "reported" },

  citytradersimperium = profile { name = "citytradersimperium",
    origin = "https://platform.citytradersimperium.com", login = "/mtr-core-edge/login", id_key = "partnerId",
    seen = "reported", note = "Its broker id is asked from the platform." },
}
