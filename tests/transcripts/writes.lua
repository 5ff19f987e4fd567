-- SPDX-License-Identifier: MIT
-- Golden transcripts: writes. `requests`: orders and the exact bytes that ask for them (order of members as
-- documented; prices and volumes as JSON numbers without an exponent, except the volume of a full close,
-- which is a text with the instrument's places). `answers`: what a broker may say and what it means; the same
-- for each kind of write.

local ORDER = {
  open = { id = 7, op = "open", symbol = "BTCUSD", side = "BUY", volume = "0.3", price = "117200.5", stop = "116900",
    target = "117700", volume_digits = 2, price_digits = 1 },
  close = { id = 8, op = "close", symbol = "BTCUSD", side = "BUY", volume = "0.3", price = "117200.5", stop = "0",
    target = "0", position = "W7100000000000042", volume_digits = 2, price_digits = 1 },
}

local function order(of, changes)
  local copy = {}
  for key, value in pairs(ORDER[of]) do copy[key] = value end
  for key, value in pairs(changes) do copy[key] = value end
  return copy
end

local JSON = { { "Content-Type", "application/json;charset=UTF-8" } }
local HTML = { { "Content-Type", "text/html; charset=utf-8" } }

local requests = {
  { name = "open", order = ORDER.open, method = "POST", path = "/position/open",
    body = '{"instrument":"BTCUSD","orderSide":"BUY","volume":0.3,"slPrice":116900,"tpPrice":117700,'
      .. '"isMobile":false}' },
  { name = "open without stop and target",
    order = order("open", { side = "SELL", symbol = "BTCUSDT.cft", volume = "12", stop = "0", target = "0" }),
    method = "POST", path = "/position/open",
    body = '{"instrument":"BTCUSDT.cft","orderSide":"SELL","volume":12,"slPrice":0,"tpPrice":0,"isMobile":false}' },
  { name = "open of something very cheap",
    order = order("open", { symbol = "SHIBUSD", volume = "1000000", stop = "0.0000085", target = "0.00000912",
      price_digits = 8, volume_digits = 0 }), method = "POST", path = "/position/open",
    body = '{"instrument":"SHIBUSD","orderSide":"BUY","volume":1000000,"slPrice":0.0000085,"tpPrice":0.00000912,'
      .. '"isMobile":false}' },
  { name = "edit: both levels, the position's own side and volume",
    order = order("close", { op = "edit", stop = "117000.5", target = "117700" }), method = "POST",
    path = "/position/edit",
    body = '{"instrument":"BTCUSD","id":"W7100000000000042","orderSide":"BUY","volume":0.3,"slPrice":117000.5,'
      .. '"tpPrice":117700,"isMobile":false}' },
  { name = "edit that clears the target",
    order = order("close", { op = "edit", stop = "117000.5", target = "0" }), method = "POST",
    path = "/position/edit",
    body = '{"instrument":"BTCUSD","id":"W7100000000000042","orderSide":"BUY","volume":0.3,"slPrice":117000.5,'
      .. '"tpPrice":0,"isMobile":false}' },
  { name = "close: the side of the position, the volume as text with all places", order = ORDER.close,
    method = "POST", path = "/position/close",
    body = '{"positionId":"W7100000000000042","instrument":"BTCUSD","orderSide":"BUY","volume":"0.30"}' },
  { name = "close of whole lots only", order = order("close", { volume = "3", volume_digits = 0, side = "SELL" }),
    method = "POST", path = "/position/close",
    body = '{"positionId":"W7100000000000042","instrument":"BTCUSD","orderSide":"SELL","volume":"3"}' },
  { name = "close of a volume finer than the instrument says", order = order("close", { volume = "0.125" }),
    method = "POST", path = "/position/close",
    body = '{"positionId":"W7100000000000042","instrument":"BTCUSD","orderSide":"BUY","volume":"0.125"}' },
  { name = "close at a broker that closes in bulk", order = ORDER.close, bulk = true, method = "POST",
    path = "/positions/close",
    body = '[{"positionId":"W7100000000000042","instrument":"BTCUSD","orderSide":"BUY","volume":"0.30"}]' },
  { name = "close a part", order = order("close", { op = "close_partial", volume = "0.1" }), method = "POST",
    path = "/position/close-partially",
    body = '{"positionId":"W7100000000000042","instrument":"BTCUSD","orderSide":"BUY","volume":0.1,"isMobile":false}' },
}

local function answer(name, status, headers, body, means)
  return { name = name, answer = { status = status, headers = headers, body = body }, means = means }
end

local answers = {
  -- 2xx: the broker's word
  answer("OK", 200, JSON, '{"status":"OK","nativeCode":null,"errorMessage":"","orderId":"W7100000000000042"}',
    { kind = "accepted", broker_id = "W7100000000000042" }),
  answer("OK with null for a message", 200, JSON, '{"status":"OK","errorMessage":null,"orderId":"W7100000000000042"}',
    { kind = "accepted", broker_id = "W7100000000000042" }),
  answer("OK with an error code that means nothing", 200, JSON,
    '{"status":"OK","orderId":"W7100000000000042","errorCode":"UNKNOWN_ERROR","errorMessage":""}',
    { kind = "accepted", broker_id = "W7100000000000042" }),
  answer("OK without an id", 201, JSON, '{"status":"OK"}', { kind = "accepted" }),
  answer("empty", 200, {}, "", { kind = "accepted" }),
  answer("blank", 200, {}, "\r\n", { kind = "accepted" }),
  answer("no content", 204, {}, "", { kind = "accepted" }),
  answer("refused by the rules of trade", 200, JSON,
    '{"status":"REJECTED","nativeCode":"NO_MONEY","errorMessage":"Margin is missing","orderId":null}',
    { kind = "rejected", code = "NO_MONEY", reason = "Margin is missing" }),
  answer("refused without a code", 200, JSON, '{"status":"REJECTED","nativeCode":null,"errorMessage":null}',
    { kind = "rejected", code = "rejected", reason = "" }),
  answer("a part of it", 200, JSON, '{"status":"PARTIAL_SUCCESS","errorMessage":"1 of 2"}', { kind = "unknown" }),
  answer("cut off", 200, JSON, '{"status":"OK","nativeCode":null,"err', { kind = "unknown" }),
  answer("a word that is not known", 200, JSON, '{"status":"QUEUED","orderId":"W1"}', { kind = "unknown" }),
  answer("no word at all", 200, JSON, '{"orderId":"W1"}', { kind = "unknown" }),
  answer("a number", 200, JSON, "1", { kind = "unknown" }),
  answer("null", 200, JSON, "null", { kind = "unknown" }),
  answer("a page", 200, HTML, "<html><body>Welcome</body></html>", { kind = "unknown" }),

  -- refused before execution
  answer("malformed", 400, JSON, '{"errorMessage":"volume must not be null"}',
    { kind = "rejected", reason = "volume must not be null" }),
  answer("malformed, in plain words", 400, { { "Content-Type", "text/plain" } }, "Bad Request",
    { kind = "rejected", reason = "" }),
  answer("not there", 404, JSON, '{"status":404,"title":"Not Found","detail":"no such system","path":"/x"}',
    { kind = "rejected", reason = "no such system" }),
  answer("unprocessable", 422, JSON, '{"error":{"type":"X","errorMessage":"session closed"},"status":"error"}',
    { kind = "rejected", reason = "session closed" }),
  answer("REJECTED with 422", 422, JSON, '{"status":"REJECTED","errorMessage":"Invalid volume"}',
    { kind = "rejected", reason = "Invalid volume" }),
  answer("too many, wait said", 429, { { "Retry-After", "7" } }, "", { kind = "rejected", retry_after_ms = 7000 }),
  answer("too many, wait not said", 429, JSON, '{"errorMessage":"slow down"}', { kind = "rejected" }),
  answer("too many, wait said as a date", 429, { { "Retry-After", "Tue, 15 Jul 2025 10:00:00 GMT" } }, "",
    { kind = "rejected" }),
  answer("too many, wait of nonsense", 429, { { "Retry-After", "-5" } }, "", { kind = "rejected" }),
  answer("too many, wait of ages", 429, { { "Retry-After", "99999999999999999999" } }, "",
    { kind = "rejected", retry_after_ms = 3600000 }),
  answer("blocked by the edge", 403, { HTML[1], { "CF-Mitigated", "challenge" } }, "<html>Just a moment</html>",
    { kind = "rejected" }),
  answer("blocked by the edge, marked by the page alone", 403, HTML, "<!DOCTYPE html>", { kind = "rejected" }),
  answer("blocked by the edge, marked by the header alone", 403, { { "cf-mitigated", "challenge" } }, "",
    { kind = "rejected" }),

  -- nobody knows
  answer("unauthorised", 401, {}, "", { kind = "unknown" }),
  answer("unauthorised, and REJECTED in the body", 401, JSON, '{"status":"REJECTED","errorMessage":"x"}',
    { kind = "unknown" }),
  answer("forbidden by the broker itself", 403, JSON, '{"errorMessage":"API access is off"}', { kind = "unknown" }),
  answer("the broker waited for us", 408, {}, "", { kind = "unknown" }),
  answer("gone", 410, JSON, '{"errorMessage":"expired"}', { kind = "unknown" }),
  answer("elsewhere", 302, { { "Location", "/login" } }, "", { kind = "unknown" }),
  answer("failed", 500, JSON, '{"status":"REJECTED","errorMessage":"oops"}', { kind = "unknown" }),
  answer("bad gateway", 502, HTML, "<html><h1>502 Bad Gateway</h1></html>", { kind = "unknown" }),
  answer("gateway timed out", 504, {}, "", { kind = "unknown" }),
}

return { requests = requests, answers = answers }
