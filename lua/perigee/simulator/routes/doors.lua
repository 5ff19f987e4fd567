-- SPDX-License-Identifier: MIT
-- The doors of the paper broker: who it is, logins by all their paths, renewal, logout.

local figures = require "perigee.simulator.figures"
local json = require "perigee.json"
local request = require "perigee.simulator.request"

local doors = {}

local quoted, object, list, raw = json.string, json.object, json.list, json.number
local cookie = request.cookie

-- `path`: where the refresh cookie goes; a jar that honours it sends it to that door's renewal alone.
local function session_headers(s, path)
  return figures.headers { { "Set-Cookie", "co-auth=" .. s.token .. "; Path=/; HttpOnly" },
    { "Set-Cookie", "rt=" .. s.refresh .. "; Path=" .. path .. "; HttpOnly" } }
end

local function account_row(b, s, id)
  local a = b.accounts[id]
  return object { { "tradingAccountId", quoted(id) }, { "uuid", quoted(b.system:sub(1, 24) .. ("%012d"):format(id)) },
    { "created", quoted("2020-08-19T07:54:11.936Z") }, { "tradingApiToken", quoted(s.api[id]) },
    { "tradingAccountToken", object { { "token", quoted(s.token) },
      { "expiration", figures.iso(b, s.expires) } } },
    { "leverage", raw(a.leverage) }, { "group", quoted("paper-" .. a.currency:lower()) },
    { "offer", object { { "name", quoted("Paper") }, { "currency", quoted(a.currency) }, { "demo", "true" },
      { "leverage", raw(a.leverage) }, { "system", object { { "uuid", quoted(b.system) }, { "name", quoted("paper") },
        { "demo", "true" }, { "active", "true" }, { "systemType", quoted("QFX") },
        { "tradingApiDomain", quoted("http://ta-internal:8080") } } } } } }
end

-- The answer of a login, under the names of a door or of the profile.
local function welcome(b, s, keys)
  local rows, ids = {}, b.sessions.users[s.email].accounts
  for i, id in ipairs(ids) do rows[i] = account_row(b, s, id) end
  local forced = b.profile.keys
  if forced == "accounts" or forced == "tradingAccounts" then keys = forced end
  local selected = keys == "accounts" and "selectedAccount" or "selectedTradingAccount"
  return object { { "email", quoted(s.email) }, { "token", quoted(s.token) },
    { keys, list(rows) }, { selected, rows[1] },
    { "accountInfo", object { { "email", quoted(s.email) }, { "partnerId", quoted("0") } } },
    { "accessMode", "null" } }
end

local function is_id(value) return type(value) == "string" or math.type(value) == "integer" end

-- How the doors differ.
---@type table<string, { keys: string, cookie: string, partner: boolean? }>
local logins = {
  ["/manager/mtr-login"] = { keys = "tradingAccounts", cookie = "/manager" },
  ["/manager/co-login"] = { keys = "accounts", cookie = "/manager" },
  ["/mtr-core-edge/login"] = { keys = "tradingAccounts", cookie = "/mtr-core-edge", partner = true },
  ["/mtr-backend/login"] = { keys = "tradingAccounts", cookie = "/mtr-backend/refresh-token" },
}

-- The broker's id is a text or a number; the oldest door calls it partnerId, or lives without it.
local function id_is_right(door, body)
  local id = body.brokerId
  if door.partner then
    if id == nil then id = body.partnerId end
    return id == nil or is_id(id)
  end
  return is_id(id)
end

local function count_login(b, email, came_in)
  local c = b.logins[email] or { ok = 0, failed = 0, refreshes = 0 }
  b.logins[email] = c
  c[came_in] = c[came_in] + 1
end

local function login(door)
  return function(b, req)
    local body = request.body(req)
    if not body or type(body.email) ~= "string" or type(body.password) ~= "string" or not id_is_right(door, body) then
      return figures.failure(400, "email, password and brokerId are required")
    end
    local s = b.sessions:login(body.email, body.password, b.sim:now())
    -- Names that nobody has are not kept: whoever knocks could fill the memory with them.
    if b.sessions.users[body.email] then count_login(b, body.email, s and "ok" or "failed") end
    if not s then return figures.failure(401, "Invalid credentials") end
    return 200, session_headers(s, door.cookie), welcome(b, s, door.keys)
  end
end

local function login_with_token(b, req)
  local body = request.body(req)
  if not body or type(body.token) ~= "string" then return figures.failure(400, "token is required") end
  local s = b.sessions:login_by_token(body.token, b.sim:now())
  if not s then return figures.failure(401, "The token is not valid") end
  count_login(b, s.email, "ok")
  return 200, session_headers(s, "/manager"), welcome(b, s, "tradingAccounts")
end

local function refresh(path)
  return function(b, req)
    local kind = b.profile.refresh
    if kind == "401" then return figures.failure(401, "Refresh token is not valid") end
    local s, status = b.sessions:refresh(cookie(req, "rt"), cookie(req, "co-auth"), b.sim:now())
    if not s and status == 429 and b.profile.fifth == "401" then status = 401 end
    if not s then
      return figures.failure(status, status == 429 and "Too many refreshes" or "Refresh token is not valid")
    end
    count_login(b, s.email, "refreshes")
    if kind == "token" then return figures.reply(object { { "token", quoted(s.token) } }) end
    return 200, session_headers(s, path), kind == "full" and welcome(b, s, "tradingAccounts") or ""
  end
end

-- The session ends at once; one that has ended already is no error.
local function logout(b, req)
  b.sessions:logout(cookie(req, "co-auth"))
  return 200, figures.headers { { "Set-Cookie", "co-auth=; Path=/; HttpOnly; Max-Age=0" },
    { "Set-Cookie", "rt=; Path=/manager; HttpOnly; Max-Age=0" } }, ""
end

local function platform_details(_, req)
  return figures.reply(object { { "partnerId", quoted("0") },
    { "platformUrl", quoted("http://" .. (req:header("host") or "127.0.0.1")) },
    { "brokerName", quoted("Perigee paper") } })
end

--- "METHOD path" -> function(broker, request) -> status, headers, body
doors.routes = {
  ["GET /manager/platform-details"] = platform_details,
  ["POST /manager/login/co/with-token"] = login_with_token,
  ["POST /manager/refresh-token"] = refresh("/manager"),
  ["POST /mtr-core-edge/refresh-token"] = refresh("/mtr-core-edge"),
  ["POST /mtr-backend/refresh-token"] = refresh("/mtr-backend/refresh-token"),
  ["POST /manager/logout"] = logout,
}
for path, door in pairs(logins) do doors.routes["POST " .. path] = login(door) end

return doors
