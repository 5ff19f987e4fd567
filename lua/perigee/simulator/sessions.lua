-- SPDX-License-Identifier: MIT
-- Logins of the paper broker: passwords, tokens that look like the real ones (a JWT with its expiry, in market
-- time), renewal at most four times an hour, request limits.

local json = require "perigee.json"
local rng = require "perigee.rng"

local sessions = {}

---@class perigee.SimSessions
---@field users table         e-mail -> { password, accounts }
---@field limit integer|nil     requests in a minute; nil: 500
---@field shared boolean|nil    the limit is of all accounts together
---@field skew_ms integer|nil   how wrong the expiry in tokens is
local Sessions = {}
Sessions.__index = Sessions

local LIFE = 15 * 60 * 1000
local HOUR = 3600 * 1000
local REFRESHES = 4
local LIMIT, WINDOW = 500, 60000
local EVERYBODY = "*" -- counts requests where the limit is of all accounts together

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local function base64url(bytes)
  local out, bits, count = {}, 0, 0
  for i = 1, #bytes do
    bits = (bits << 8 | bytes:byte(i)) & 0xffffff
    count = count + 8
    while count >= 6 do
      count = count - 6
      local index = (bits >> count & 63) + 1
      out[#out + 1] = alphabet:sub(index, index)
    end
  end
  if count > 0 then
    local index = (bits << (6 - count) & 63) + 1
    out[#out + 1] = alphabet:sub(index, index)
  end
  return table.concat(out)
end

local function jwt(email, expires)
  local head = base64url '{"alg":"HS256","typ":"JWT"}'
  local claims = base64url(json.object { { "exp", json.number(expires // 1000) }, { "email", json.string(email) },
    { "jti", json.string(rng.token(8)) }, { "scope", json.string("trade") } })
  return head .. "." .. claims .. "." .. base64url(rng.token(16))
end

--- `users`: e-mail -> { password =, accounts = ids }.
---@return perigee.SimSessions
function sessions.new(users)
  return setmetatable({ users = users, by_token = {}, by_refresh = {}, by_api = {}, one_time = {}, refreshes = {},
    requests = {} }, Sessions)
end

local function issue(self, email, now)
  local expires = now + LIFE
  local s = { email = email, expires = expires, api = {}, refresh = rng.token(16) }
  s.token = jwt(email, expires + (self.skew_ms or 0))
  for _, id in ipairs(self.users[email].accounts) do
    local api = rng.token(16)
    s.api[id] = api
    self.by_api[api] = { account = id, session = s }
  end
  self.by_token[s.token], self.by_refresh[s.refresh] = s, s
  return s
end

-- Forgets what has expired for an hour, so that a long life does not grow.
local function sweep(self, now)
  if now < (self.swept or 0) + HOUR then return end
  self.swept = now
  for token, s in pairs(self.by_token) do
    if s.expires + HOUR < now then
      self.by_token[token], self.by_refresh[s.refresh] = nil, nil
    end
  end
  for api, entry in pairs(self.by_api) do
    if (entry.session.expires or 0) + HOUR < now then self.by_api[api] = nil end
  end
end

--- A session for right e-mail and password, else nil.
function Sessions:login(email, password, now)
  sweep(self, now)
  local user = self.users[email]
  if not user or user.password ~= password then return nil end
  return issue(self, email, now)
end

--- A token that opens a session once, as a portal hands it out; nil: nobody has that e-mail.
---@return string|nil
function Sessions:one_time_token(email)
  if not self.users[email] then return nil end
  local token = rng.token(16)
  self.one_time[token] = email
  return token
end

--- A session for such a token, which is worth nothing from then on.
---@return table|nil session
function Sessions:login_by_token(token, now)
  sweep(self, now)
  local email = self.one_time[token]
  self.one_time[token] = nil
  return email and issue(self, email, now)
end

--- Renews by the refresh cookie (or the old token, for clients that send only that): the api tokens stay.
---@return table|nil session, integer|nil status  401 or 429
function Sessions:refresh(refresh, token, now)
  local s = refresh and self.by_refresh[refresh] or token and self.by_token[token]
  if not s or s.expires + HOUR < now then return nil, 401 end
  local kept = {}
  for _, at in ipairs(self.refreshes[s.email] or {}) do
    if now - at < HOUR then kept[#kept + 1] = at end
  end
  self.refreshes[s.email] = kept
  if #kept >= REFRESHES then return nil, 429 end
  kept[#kept + 1] = now
  local renewed = { email = s.email, expires = now + LIFE, api = s.api, refresh = rng.token(16) }
  renewed.token = jwt(s.email, renewed.expires + (self.skew_ms or 0))
  self.by_token[renewed.token], self.by_refresh[renewed.refresh] = renewed, renewed
  self.by_refresh[s.refresh] = nil
  for _, api in pairs(s.api) do self.by_api[api].session = renewed end
  return renewed
end

--- Ends the session of a token: neither it, nor its refresh, nor its api tokens are taken any more.
---@param token string|nil
function Sessions:logout(token)
  local s = token and self.by_token[token]
  if not s then return end
  self.by_token[token], self.by_refresh[s.refresh] = nil, nil
  for _, api in pairs(s.api) do self.by_api[api] = nil end
end

--- The sessions of a login that live, with the moment when each ends, soonest first.
---@param email string
---@return integer[]
function Sessions:living(email, now)
  local out = {}
  for _, s in pairs(self.by_token) do
    if s.email == email and s.expires > now then out[#out + 1] = s.expires end
  end
  table.sort(out)
  return out
end

--- Ends all sessions that an account is in, as a broker does when somebody logs in elsewhere. How many.
---@param account string
---@return integer
function Sessions:forget(account)
  local tokens = {}
  for token, s in pairs(self.by_token) do
    if s.api[account] then tokens[#tokens + 1] = token end
  end
  for _, token in ipairs(tokens) do self:logout(token) end
  return #tokens
end

--- The account that a request is for: by the api token, and by the cookie when that is required.
---@return string|nil account
function Sessions:account(api, token, cookie_required, now)
  local entry = api and self.by_api[api]
  if not entry then return nil end
  if cookie_required then
    local s = token and self.by_token[token]
    if not s or s.expires <= now or s.api[entry.account] ~= api then return nil end
  elseif entry.session.expires <= now then
    return nil
  end
  return entry.account
end

--- Counts a request of an account; over the limit: the seconds until there is room.
---@return integer|nil retry_after
function Sessions:over_limit(account, now)
  local who = self.shared and EVERYBODY or account
  local r = self.requests[who]
  if not r or now - r.since >= WINDOW then
    self.requests[who] = { since = now, count = 1 }
    return nil
  end
  r.count = r.count + 1
  if r.count > (self.limit or LIMIT) then return (r.since + WINDOW - now + 999) // 1000 end
end

return sessions
