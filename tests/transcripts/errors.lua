-- SPDX-License-Identifier: MIT
-- Golden transcripts: answers to reads and logins that are none. Bodies of errors are not documented; these are the
-- shapes that were seen. `kind`: what to do about it; `wait_ms`: how long not to ask; `reason`: the words for people.
--
-- unauthorised: the session has ended, log in again. refused: the request is wrong, do not repeat it. forbidden: the
-- broker itself says no. edge_block: a challenge before the broker, which asking again makes worse. rate_limit: wait.
-- server: may pass by itself. redirect: not followed.

local JSON = { { "Content-Type", "application/json" } }
local HTML = { { "Content-Type", "text/html; charset=utf-8" } }
local TEXT = { { "Content-Type", "text/plain" } }
local DATE = { "Date", "Tue, 15 Jul 2025 10:00:00 GMT" }

local function with(...)
  local list = {}
  for i, pair in ipairs({ ... }) do list[i] = pair end
  return list
end

local function error_of(name, status, headers, body, kind, more)
  local t = { name = name, answer = { status = status, headers = headers, body = body }, kind = kind, reason = "" }
  for key, value in pairs(more or {}) do t[key] = value end
  return t
end

return {
  -- ---- the session ----
  error_of("expired token, empty", 401, {}, "", "unauthorised"),
  error_of("wrong password, errorMessage", 401, JSON, '{"errorMessage":"Bad credentials"}', "unauthorised",
    { reason = "Bad credentials" }),
  error_of("wrong password, plain text", 401, TEXT, "Bad credentials", "unauthorised"),
  error_of("listed as gone", 410, JSON, '{"errorMessage":"expired"}', "unauthorised", { reason = "expired" }),

  -- ---- the request ----
  error_of("malformed", 400, JSON, '{"errorMessage":"symbols is required"}', "refused",
    { reason = "symbols is required" }),
  error_of("wrong system, in the form of the broker's API", 404, JSON,
    '{"status":404,"title":"Not Found","detail":"no such system","path":"/mtr-api/x/balance",'
      .. '"timestamp":"2025-07-15T10:00:00Z"}', "refused", { reason = "no such system" }),
  error_of("only a title", 422, JSON, '{"status":422,"title":"Unprocessable Entity"}', "refused",
    { reason = "Unprocessable Entity" }),
  error_of("the web terminal's form, no words", 404, JSON,
    '{"error":{"type":"ORDER_NOT_FOUND","errorMessage":null},"status":"error"}', "refused",
    { reason = "ORDER_NOT_FOUND" }),
  error_of("the web terminal's form, with words", 422, JSON,
    '{"error":{"type":"EMAIL_UNVERIFIED","errorMessage":"Confirm your e-mail"},"status":"error"}', "refused",
    { reason = "Confirm your e-mail" }),
  error_of("an operation", 422, JSON, '{"status":"REJECTED","nativeCode":null,"errorMessage":"Session is closed"}',
    "refused", { reason = "Session is closed" }),
  error_of("not the method", 405, {}, "", "refused"),

  -- ---- the way ----
  error_of("a challenge", 403, with(HTML[1], { "cf-mitigated", "challenge" }), "<!DOCTYPE html><title>Just a moment",
    "edge_block"),
  error_of("a challenge, known by its header", 403, with({ "CF-Mitigated", "challenge" }), "", "edge_block"),
  error_of("a challenge, known by its page", 403, HTML, "<html>Sorry, you have been blocked</html>", "edge_block"),
  error_of("the broker's own no", 403, JSON, '{"errorMessage":"API access is off for this account"}', "forbidden",
    { reason = "API access is off for this account" }),
  error_of("the broker's own no, empty", 403, {}, "", "forbidden"),
  error_of("elsewhere", 302, with({ "Location", "https://login.example.org/" }), "", "redirect"),

  -- ---- limits ----
  error_of("wait in seconds", 429, with({ "Retry-After", "7" }), "", "rate_limit", { wait_ms = 7000 }),
  error_of("no wait", 429, with({ "Retry-After", "0" }), "", "rate_limit", { wait_ms = 0 }),
  error_of("wait until a date", 429, with(DATE, { "Retry-After", "Tue, 15 Jul 2025 10:01:30 GMT" }), "", "rate_limit",
    { wait_ms = 90000 }),
  error_of("wait until a date in the older form", 429, with(DATE, { "Retry-After",
    "Tuesday, 15-Jul-25 10:00:05 GMT" }), "", "rate_limit", { wait_ms = 5000 }),
  error_of("wait until a date in the oldest form", 429, with(DATE, { "Retry-After", "Tue Jul 15 10:00:05 2025" }), "",
    "rate_limit", { wait_ms = 5000 }),
  error_of("wait until a date that is over", 429, with(DATE, { "Retry-After", "Tue, 15 Jul 2025 09:00:00 GMT" }), "",
    "rate_limit", { wait_ms = 0 }),
  error_of("wait until a date, the answer without one", 429, with({ "Retry-After", "Tue, 15 Jul 2025 10:01:30 GMT" }),
    "", "rate_limit"),
  error_of("wait of a day is an hour", 429, with({ "Retry-After", "86400" }), "", "rate_limit",
    { wait_ms = 3600000 }),
  error_of("nothing said", 429, JSON, '{"errorMessage":"too many requests"}', "rate_limit",
    { reason = "too many requests" }),
  error_of("nonsense said", 429, with({ "Retry-After", "soon" }), "", "rate_limit"),

  -- ---- the server ----
  error_of("failed", 500, JSON, '{"errorMessage":"Internal error"}', "server", { reason = "Internal error" }),
  error_of("a page of the gateway", 502, HTML, "<html><h1>502 Bad Gateway</h1></html>", "server"),
  error_of("maintenance with an end", 503, with({ "Retry-After", "120" }), "", "server", { wait_ms = 120000 }),
  error_of("it waited for us", 408, {}, "", "server"),
  error_of("a status that nobody knows", 599, {}, "", "server"),
  error_of("another one", 418, {}, "", "unexpected"),
}
