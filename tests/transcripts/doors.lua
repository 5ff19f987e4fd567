-- SPDX-License-Identifier: MIT
-- Golden transcripts: every login door that the protocol page knows, the one-time token, the second factor, and
-- the renewals of old back ends. `profile`: the fields by which such a broker differs. `type` is the Content-Type of
-- the request where it is not JSON.

local SYSTEM = "7d6a1f04-93c2-4e58-8b1a-64d0f3b7c215"
local LOGIN = { email = "ann+1@example.org", password = 's3"c&t =ß', broker_id = "17" }
local BODY = '{"email":"ann+1@example.org","password":"s3\\"c&t =ß"'

local function login(name, profile, request)
  request.method = "POST"
  return { call = "login", name = name, profile = profile, args = LOGIN, request = request }
end

local function refresh(name, profile, path)
  return { call = "refresh", name = name, profile = profile, request = { method = "POST", path = path, body = "" } }
end

return {
  login("mtr-login", {}, { path = "/manager/mtr-login", body = BODY .. ',"brokerId":"17"}' }),
  login("mtr-login, the id as a number", { id_type = "number" },
    { path = "/manager/mtr-login", body = BODY .. ',"brokerId":17}' }),
  login("co-login", { login = "/manager/co-login" },
    { path = "/manager/co-login", body = BODY .. ',"brokerId":"17"}' }),
  login("the old sandbox", { login = "/mtr-backend/login" },
    { path = "/mtr-backend/login", body = BODY .. ',"brokerId":"17"}' }),
  login("core edge, partner", { login = "/mtr-core-edge/login", id_key = "partnerId" },
    { path = "/mtr-core-edge/login", body = BODY .. ',"partnerId":"17"}' }),
  login("core edge, partner as a number", { login = "/mtr-core-edge/login", id_key = "partnerId", id_type = "number" },
    { path = "/mtr-core-edge/login", body = BODY .. ',"partnerId":17}' }),
  login("core edge, broker", { login = "/mtr-core-edge/login" },
    { path = "/mtr-core-edge/login", body = BODY .. ',"brokerId":"17"}' }),
  login("core edge, nothing", { login = "/mtr-core-edge/login", id_key = false },
    { path = "/mtr-core-edge/login", body = BODY .. "}" }),
  login("core edge, second version", { login = "/mtr-core-edge/v2/login", id_key = false },
    { path = "/mtr-core-edge/v2/login", body = BODY .. "}" }),
  login("core edge, the web terminal's", { login = "/mtr-core-edge/v2/oauth-login", login_body = "oauth" },
    { path = "/mtr-core-edge/v2/oauth-login",
      body = '{"login":"ann+1@example.org","password":"s3\\"c&t =ß","remember":false}' }),
  login("a form, id and e-mail in the query", { login = "/manager/login-v2", login_body = "form",
    id_key = "partnerId" }, { path = "/manager/login-v2?partnerId=17&email=ann%2B1%40example.org",
      body = "password=s3%22c%26t%20%3D%C3%9F", type = "application/x-www-form-urlencoded" }),

  { call = "login_token", name = "one-time token", profile = {}, args = { token = "o\"ne" },
    request = { method = "POST", path = "/manager/login/co/with-token", body = '{"token":"o\\"ne"}' } },
  { call = "login_token", name = "one-time token at the core edge", profile = { login = "/mtr-core-edge/login" },
    args = { token = "one" },
    request = { method = "POST", path = "/mtr-core-edge/v2/login/with-token", body = '{"token":"one"}' } },
  { call = "login_code", name = "second factor", args = { code = "123456" },
    profile = { login = "/mtr-core-edge/v2/oauth-login", login_body = "oauth" },
    request = { method = "POST", path = "/mtr-core-edge/v2/login-with-tfa", body = '{"tfaCode":"123456"}' } },

  refresh("the documented path", {}, "/manager/refresh-token"),
  refresh("after a co-login", { login = "/manager/co-login" }, "/manager/refresh-token"),
  refresh("old sandbox", { login = "/mtr-backend/login" }, "/mtr-backend/refresh-token"),
  refresh("core edge", { login = "/mtr-core-edge/login" }, "/mtr-core-edge/refresh-token"),
  refresh("a path of its own", { refresh = "/manager/other/refresh" }, "/manager/other/refresh"),

  -- ---- answers of doors that differ ----
  { call = "login", name = "second version: an account list alone, the uuid at account.system.uuid",
    profile = { login = "/mtr-core-edge/v2/login", id_key = false }, args = LOGIN,
    answer = { status = 200, headers = { { "Set-Cookie", "co-auth=fromcookie; Path=/" } },
      body = '[{"tradingAccountId":"880011","tradingApiToken":"a1","account":{"system":{"uuid":"' .. SYSTEM
        .. '","demo":true}},"offer":{"currency":"USD","leverage":100}}]' },
    means = { accounts = { { id = "880011", api_token = "a1", currency = "USD", leverage = 100, demo = true,
      system = SYSTEM, group = "" } } } },
  { call = "login", name = "the web terminal's: one token beside one account",
    profile = { login = "/mtr-core-edge/v2/oauth-login", login_body = "oauth" }, args = LOGIN,
    answer = { status = 200, headers = {}, body = '{"tradingToken":"t1","accounts":[{"tradingAccountId":"880011",'
      .. '"system":{"uuid":"' .. SYSTEM .. '"},"currency":"EUR","leverage":30}]}' },
    means = { accounts = { { id = "880011", api_token = "t1", currency = "EUR", leverage = 30, demo = false,
      system = SYSTEM, group = "" } } } },
  { call = "login", name = "a second factor is asked for", profile = {}, args = LOGIN,
    answer = { status = 200, headers = {}, body = '{"email":"ann+1@example.org","tradingAccounts":[],'
      .. '"tfaProperties":{"enabled":true,"required":true},"tfaConfig":{"isEnabledForSignIn":true}}' },
    means = { accounts = {}, tfa = true } },
  { call = "login", name = "an error inside a 200", profile = {}, args = LOGIN,
    answer = { status = 200, headers = {},
      body = '{"error":{"type":"EMAIL_UNVERIFIED","errorMessage":"Confirm your e-mail"},"status":"error"}' },
    unreadable = true, reason = "Confirm your e-mail" },
}
