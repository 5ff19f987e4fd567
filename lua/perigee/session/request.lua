-- SPDX-License-Identifier: MIT
-- Requests of a session: which tokens go where, and the order lanes that carry the same.

local codec = require "perigee.venues.match_trader"
local config = require "perigee.config"
local exec = require "perigee.exec"
local http = require "perigee.http"
local plan = require "perigee.plan"
local process = require "perigee.process"
local tokens = require "perigee.session.tokens"

local request = {}

local DAY = 24 * 3600 * 1000

local user_agent = "perigee/" .. process.version()

local MOST_COOKIES = 30 -- of a name each; a broker that invents names must not fill the memory

local function absorb(s, name, value, path)
  if not value then
    s.cookies[name] = nil
    return false
  end
  if not s.cookies[name] then
    local count = 0
    for _ in pairs(s.cookies) do count = count + 1 end
    if count >= MOST_COOKIES and name ~= "co-auth" then return false end
  end
  tokens.hide(s, "cookie " .. name, value)
  s.cookies[name] = { value = value, path = path }
  return name == "co-auth"
end

--- Takes the cookies of an answer; true when a session token was among them.
---@param s perigee.Session
function request.absorb_cookies(s, answer)
  local n, renewed = 1, false
  while true do
    local line = answer:header("set-cookie", n)
    if not line then break end
    local name, value, path = codec.read_cookie(line)
    if name then renewed = absorb(s, name, value, path) or renewed end
    n = n + 1
  end
  return renewed
end

-- "/manager" is the path of /manager and of what is below it, not of /managers.
local function below(path, folder)
  if path:sub(1, #folder) ~= folder then return false end
  return folder:sub(-1) == "/" or #path == #folder or path:match("^[/?]", #folder + 1) ~= nil
end

-- The cookies for a path, in a fixed order. Some brokers want the account's own token in co-auth.
local function cookie_line(s, path, account)
  local names = {}
  for name, cookie in pairs(s.cookies) do
    if below(path, cookie.path) then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = s.cookies[name].value
    local own = name == "co-auth" and account and s.profile.cookie == "account" and account.account_token
    if own then value = own end
    names[i] = name .. "=" .. value
  end
  return #names > 0 and table.concat(names, "; ") or nil
end

local function headers_for(s, path, account, content_type)
  return codec.headers(s.profile, { user_agent = user_agent, origin = s.origin, browser_id = s.browser_id,
    content_type = content_type, account = account, cookies = cookie_line(s, path, account) })
end

-- `content_type` nil: JSON, when there is a body.
local function send(s, method, path, body, content_type, account)
  return http.request { method = method, url = s.origin .. path, body = body,
    headers = headers_for(s, path, account, body and (content_type or "application/json")),
    timeout_ms = s.answer_timeout_ms or 10000 }
end

--- A request to one of the doors (login, renewal, logout): it is never held back, but counted with the first account.
---@param s perigee.Session
---@return table|nil answer, table|nil err
function request.door(s, method, path, body, content_type)
  if s.joined and s.accounts[1] then exec.budget_take(s.accounts[1].id, "session") end
  return send(s, method, path, body, content_type)
end

--- A request below an account's system.
---@param s perigee.Session
---@param account table
---@return table|nil answer, table|nil err
function request.account(s, account, method, path, body)
  return send(s, method, "/mtr-api/" .. account.system .. path, body, nil, account)
end

-- What exec should know of the profile's budget.
local function budget_of(profile)
  local b = plan.budget(profile, config)
  local list = { { requests = b.requests, window_ms = b.window_ms, scope = b.scope } }
  if b.per_day then list[2] = { requests = b.per_day, window_ms = DAY, scope = b.scope, day = true } end
  return list
end

--- Hands the tokens to the order lanes.
---@param s perigee.Session
function request.open_lanes(s)
  for _, account in ipairs(s.accounts) do
    local prefix = "/mtr-api/" .. account.system
    local lines = {}
    for _, pair in ipairs(headers_for(s, prefix, account)) do
      lines[#lines + 1] = pair[1] .. ": " .. pair[2] .. "\r\n"
    end
    exec.session(account.id, { broker = s.profile.name, origin = s.origin, prefix = prefix,
      headers = table.concat(lines), answer_timeout_ms = s.answer_timeout_ms, budget = budget_of(s.profile),
      absent_after_ms = s.profile.absent_after_ms, idle_close_ms = s.profile.idle_close_ms })
  end
end

--- Takes the token away from the order lane of one account.
---@param account table
function request.close_lane(account) exec.session(account.id, nil) end

--- Takes the tokens away from the order lanes: what is queued is not sent, what is in flight becomes UNKNOWN.
---@param s perigee.Session
function request.close_lanes(s)
  for _, account in ipairs(s.accounts) do exec.session(account.id, nil) end
end

return request
