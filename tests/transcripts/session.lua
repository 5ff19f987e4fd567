-- SPDX-License-Identifier: MIT
-- Golden transcripts of the Match-Trader Platform API: sessions. Written from the documented protocol, with
-- values of our own. Each: what is asked (`call`, `args`), the request, an answer, and what the answer means.
-- Neither the codec nor the simulator is a source of anything here.

local SYSTEM = "7d6a1f04-93c2-4e58-8b1a-64d0f3b7c215"
local JSON = { { "Content-Type", "application/json" } }

local LOGIN = {
  method = "POST", path = "/manager/mtr-login",
  headers = { { "Accept", "application/json" }, { "Content-Type", "application/json" } },
  body = '{"email":"ann@example.org","password":"s3\\"cret","brokerId":"17"}',
}
local LOGIN_ARGS = { email = "ann@example.org", password = 's3"cret', broker_id = "17" }

-- A token whose middle says that it ends at 2025-07-15T10:15:00Z.
local TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3NTI1NzQ1MDAsImp0aSI6IjkxIn0.c2lnbmF0dXJl"

local REFRESH = { method = "POST", path = "/manager/refresh-token", body = "",
  headers = { { "Cookie", "co-auth=old; rt=renewer" } } }

return {
  -- ---- platform-details ----
  { call = "platform_details", name = "broker id as a string",
    request = { method = "GET", path = "/manager/platform-details" },
    answer = { status = 200, headers = JSON,
      body = '{"partnerId":"17","platformUrl":"https://terminal.example.org","brokerName":"Example"}' },
    means = "17" },
  { call = "platform_details", name = "broker id as a number, members that nobody knows",
    request = { method = "GET", path = "/manager/platform-details" },
    answer = { status = 200, headers = JSON, body = '{"theme":{"dark":true},"partnerId":215,"brokerName":"E"}' },
    means = "215" },
  { call = "platform_details", name = "no broker id",
    request = { method = "GET", path = "/manager/platform-details" },
    answer = { status = 200, headers = JSON, body = '{"brokerName":"E","partnerId":null}' },
    unreadable = true },

  -- ---- login ----
  { call = "login", name = "the newer family of keys, everything there", documented = true,
    args = LOGIN_ARGS, request = LOGIN,
    answer = { status = 200, headers = { JSON[1],
        { "Set-Cookie", "co-auth=" .. TOKEN .. "; Path=/; HttpOnly" },
        { "Set-Cookie", "rt=renewer; Path=/manager; HttpOnly" } },
      body = '{"email":"ann@example.org","token":"' .. TOKEN .. '","tradingAccounts":[{"tradingAccountId":"880011",'
        .. '"uuid":"0a0a0a0a-1111-4222-8333-444444444444","created":"2024-03-01T08:00:00.000Z",'
        .. '"tradingApiToken":"api-880011","tradingAccountToken":{"token":"own-880011",'
        .. '"expiration":"2025-07-15T10:15:00Z"},"offer":{"uuid":"0b0b0b0b-1111-4222-8333-444444444444",'
        .. '"name":"Challenge 25k","currency":"EUR","leverage":50,"demo":true,"system":{"uuid":"' .. SYSTEM
        .. '","name":"QFX","systemType":"QFX","demo":true,"tradingApiDomain":"http://ta-inner:8080"}}}],'
        .. '"selectedTradingAccount":{"tradingAccountId":"880011","uuid":"0a0a0a0a-1111-4222-8333-444444444444",'
        .. '"tradingApiToken":"api-880011","group":"challengeEUR-2","leverage":30,'
        .. '"offer":{"currency":"EUR","demo":true,"system":{"uuid":"' .. SYSTEM .. '"}}},'
        .. '"accountInfo":{"email":"ann@example.org","partnerId":"17"},"accessMode":null}' },
    means = { token = TOKEN, expires_ms = 1752574500000, accounts = {
      { id = "880011", uuid = "0a0a0a0a-1111-4222-8333-444444444444", api_token = "api-880011",
        account_token = "own-880011", currency = "EUR", leverage = 50, demo = true,
        system = SYSTEM, group = "challengeEUR-2" } } } },
  { call = "login", name = "the older family of keys, no selected account, two accounts, ids as numbers",
    args = LOGIN_ARGS, request = LOGIN,
    answer = { status = 200, headers = JSON,
      body = '{"token":"opaque","accounts":[{"tradingAccountId":880011,"tradingApiToken":"a1","offer":'
        .. '{"currency":"USD","leverage":"100","demo":false,"system":{"uuid":"' .. SYSTEM .. '"}}},'
        .. '{"tradingAccountId":880012,"tradingApiToken":"a2","offer":{"currency":"JPY","leverage":25,"demo":false,'
        .. '"system":{"uuid":"' .. SYSTEM .. '"}}}]}' },
    means = { token = "opaque", accounts = {
      { id = "880011", api_token = "a1", currency = "USD", leverage = 100, demo = false, system = SYSTEM,
        group = "" },
      { id = "880012", api_token = "a2", currency = "JPY", leverage = 25, demo = false, system = SYSTEM,
        group = "" }
    } } },
  { call = "login", name = "the selected account is not in the list",
    args = LOGIN_ARGS, request = LOGIN,
    answer = { status = 200, headers = JSON,
      body = '{"token":"opaque","accounts":[{"tradingAccountId":"880011","tradingApiToken":"a1","offer":'
        .. '{"currency":"USD","leverage":100,"demo":true,"system":{"uuid":"' .. SYSTEM .. '"}}}],'
        .. '"selectedAccount":{"tradingAccountId":"880099","tradingApiToken":"a9","leverage":20,"group":"vip",'
        .. '"offer":{"currency":"GBP","demo":true,"system":{"uuid":"' .. SYSTEM .. '"}}}}' },
    means = { token = "opaque", accounts = {
      { id = "880011", api_token = "a1", currency = "USD", leverage = 100, demo = true, system = SYSTEM,
        group = "" },
      { id = "880099", api_token = "a9", currency = "GBP", leverage = 20, demo = true, system = SYSTEM,
        group = "vip" } } } },
  { call = "login", name = "both families, one of them null or empty",
    args = LOGIN_ARGS, request = LOGIN,
    answer = { status = 200, headers = JSON,
      body = '{"token":"opaque","tradingAccounts":[],"selectedTradingAccount":null,"accounts":[{"tradingAccountId":'
        .. '"880011","tradingApiToken":"a1","offer":{"currency":"USD","leverage":100,"demo":true,"system":{"uuid":"'
        .. SYSTEM .. '"}}}],"selectedAccount":{"tradingAccountId":"880011","group":"g7"}}' },
    means = { token = "opaque", accounts = {
      { id = "880011", api_token = "a1", currency = "USD", leverage = 100, demo = true, system = SYSTEM,
        group = "g7" } } } },
  { call = "login", name = "the session token stands in the cookie alone, the uuid beside the account",
    args = LOGIN_ARGS, request = LOGIN,
    answer = { status = 200, headers = { JSON[1], { "Set-Cookie", "co-auth=fromcookie; path=/; Secure" } },
      body = '{"accounts":[{"tradingAccountId":"880011","tradingApiToken":"a1","system":{"uuid":"' .. SYSTEM
        .. '","demo":true},"offer":{"currency":"USD","leverage":100}}]}' },
    means = { accounts = {
      { id = "880011", api_token = "a1", currency = "USD", leverage = 100, demo = true, system = SYSTEM,
        group = "" } } } },
  { call = "login", name = "a page instead of an answer",
    args = LOGIN_ARGS, request = LOGIN,
    answer = { status = 200, headers = { { "Content-Type", "text/html" } }, body = "<html>maintenance</html>" },
    unreadable = true },
  { call = "login", name = "another door that calls the broker partner",
    args = { email = "ann@example.org", password = "pw", broker_id = "1", login = "/mtr-core-edge/login",
      id_key = "partnerId" },
    request = { method = "POST", path = "/mtr-core-edge/login",
      body = '{"email":"ann@example.org","password":"pw","partnerId":"1"}' } },
  { call = "login", name = "another door without a broker id",
    args = { email = "ann@example.org", password = "pw", login = "/mtr-core-edge/v2/login", id_key = false },
    request = { method = "POST", path = "/mtr-core-edge/v2/login",
      body = '{"email":"ann@example.org","password":"pw"}' } },
  { call = "login", name = "wrong password",
    args = LOGIN_ARGS, request = LOGIN,
    answer = { status = 401, headers = JSON, body = '{"errorMessage":"Bad credentials"}' },
    reason = "Bad credentials" },

  -- ---- refresh ----
  { call = "refresh", name = "empty answer and a cookie", request = REFRESH, documented = true,
    answer = { status = 200, headers = { { "Set-Cookie", "co-auth=" .. TOKEN .. "; Path=/; HttpOnly" },
      { "Set-Cookie", "rt=next; Path=/manager" } }, body = "" },
    means = { cookies = { ["co-auth"] = { TOKEN, "/" }, rt = { "next", "/manager" } } } },
  { call = "refresh", name = "the token alone", request = REFRESH,
    answer = { status = 200, headers = JSON, body = '{"token":"' .. TOKEN .. '"}' },
    means = { token = TOKEN } },
  { call = "refresh", name = "a whole login", request = REFRESH,
    answer = { status = 200, headers = JSON,
      body = '{"email":"ann@example.org","token":"renewed","accounts":[{"tradingAccountId":"880011",'
        .. '"tradingApiToken":"a1-new","offer":{"currency":"USD","leverage":100,"demo":true,"system":{"uuid":"'
        .. SYSTEM .. '"}}}]}' },
    means = { token = "renewed", accounts = {
      { id = "880011", api_token = "a1-new", currency = "USD", leverage = 100, demo = true, system = SYSTEM,
        group = "" } } } },
  { call = "refresh", name = "refused", request = REFRESH,
    answer = { status = 401, headers = {}, body = "" }, reason = "" },
}
