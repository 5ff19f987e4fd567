-- SPDX-License-Identifier: MIT
-- Broker sessions: log in, renew before the token ends, log in again when renewal fails, and reads that
-- renew once on a 401. Tokens live in memory only and are masked in the log.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local event = require "perigee.event"
local exec = require "perigee.exec"
local http = require "perigee.http"
local log = require "perigee.log"
local process = require "perigee.process"
local rng = require "perigee.rng"
local task = require "perigee.task"

---@class perigee.Session
---@field user string          "broker:e-mail", the name in the journal
---@field accounts table[]     accounts of the login: id, currency, leverage, system, group
local Session = {}
Session.__index = Session

local session = {}

local HOUR = 3600 * 1000
local RENEW_AHEAD = 60 * 1000
local READ_TRIES = 3

local user_agent = "perigee/" .. process.version()

--- A session that is not logged in yet.
---@class perigee.SessionOptions
---@field profile perigee.BrokerProfile
---@field origin string
---@field email string
---@field password string
---@field broker_id string|nil
---@field account_ids string[]|nil          nil: all of the login
---@field answer_timeout_ms integer|nil

---@param options perigee.SessionOptions
---@return perigee.Session
function session.new(options)
  log.mask(options.password)
  local self = {
    profile = options.profile,
    origin = options.origin,
    email = options.email,
    password = options.password,
    broker_id = options.broker_id or options.profile.broker_id,
    wanted = options.account_ids, -- nil: all of the login
    answer_timeout_ms = options.answer_timeout_ms,
    user = options.profile.name .. ":" .. options.email,
    accounts = {},
    by_id = {},
    cookies = {},        -- name -> { value, path }
    refreshes = {},      -- market ms of the last hour's
    expires = 0,         -- market ms
    open = false,
    jitter = rng.new(0, "session:" .. options.email),
  }
  return setmetatable(self, Session)
end

-- Takes the cookies of an answer; true when the session token was among them.
local function absorb_cookies(self, answer)
  local n, renewed = 1, false
  while true do
    local line = answer:header("set-cookie", n)
    if not line then break end
    local name, value, path = codec.read_cookie(line)
    if name then
      log.mask(value)
      self.cookies[name] = { value = value, path = path }
      renewed = renewed or name == "co-auth"
    end
    n = n + 1
  end
  return renewed
end

-- The cookies for a path, in a fixed order. Some brokers want the account's own token in co-auth.
local function cookie_line(self, path, account)
  local names = {}
  for name, cookie in pairs(self.cookies) do
    if path:sub(1, #cookie.path) == cookie.path then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = self.cookies[name].value
    local own = name == "co-auth" and account and self.profile.cookie == "account" and account.account_token
    if own then value = own end
    names[i] = name .. "=" .. value
  end
  return #names > 0 and table.concat(names, "; ") or nil
end

local function headers_for(self, path, account, has_body)
  local list = { { "Accept", "application/json" }, { "User-Agent", user_agent } }
  if has_body then list[#list + 1] = { "Content-Type", "application/json" } end
  for _, pair in ipairs(self.profile.headers) do list[#list + 1] = pair end
  if account then list[#list + 1] = { "Auth-trading-api", account.api_token } end
  local cookies = cookie_line(self, path, account)
  if cookies then list[#list + 1] = { "Cookie", cookies } end
  return list
end

local function request(self, method, path, body, account)
  return http.request { method = method, url = self.origin .. path, body = body,
    headers = headers_for(self, path, account, body ~= nil), timeout_ms = self.answer_timeout_ms or 10000 }
end

-- Hands the tokens to the order lanes.
local function publish(self)
  for _, account in ipairs(self.accounts) do
    local prefix = "/mtr-api/" .. account.system
    local lines = {}
    for _, pair in ipairs(headers_for(self, prefix, account, false)) do
      if pair[1] ~= "Accept" then lines[#lines + 1] = pair[1] .. ": " .. pair[2] .. "\r\n" end
    end
    exec.session(account.id, { broker = self.profile.name, origin = self.origin, prefix = prefix,
      headers = table.concat(lines), answer_timeout_ms = self.answer_timeout_ms })
  end
end

local function set_token(self, token)
  if token then
    log.mask(token)
    self.token = token
    self.cookies["co-auth"] = { value = token, path = "/" }
  elseif self.cookies["co-auth"] then
    self.token = self.cookies["co-auth"].value
  end
  self.expires = codec.token_expiry(self.token) or clock.market_ms() + self.profile.token_life_ms
end

local function failure(code, message)
  return nil, { code = code, message = message, source = "session", retry = "safe" }
end

local function keep_wanted(accounts, wanted)
  if not wanted then return accounts end
  local by_id, kept = {}, {}
  for _, account in ipairs(accounts) do by_id[account.id] = account end
  for _, id in ipairs(wanted) do
    if not by_id[id] then
      return failure("account", ("the login does not hold the trading account %s"):format(id))
    end
    kept[#kept + 1] = by_id[id]
  end
  return kept
end

local function absorb_accounts(self, accounts)
  local kept, err = keep_wanted(accounts, self.wanted)
  if not kept then return nil, err end
  if #kept == 0 then return failure("account", "the login holds no trading account") end
  for _, account in ipairs(kept) do
    if not account.api_token or not account.system or not account.currency then
      return failure("unreadable", ("account %s lacks a token, a system or a currency"):format(account.id))
    end
    log.mask(account.api_token)
    if account.account_token then log.mask(account.account_token) end
  end
  -- Whoever holds an account of this session keeps holding it: it gets the new tokens in place.
  for i, account in ipairs(kept) do
    local known = self.by_id[account.id]
    if known then
      for key, value in pairs(account) do known[key] = value end
      kept[i] = known
    else
      self.by_id[account.id] = account
    end
  end
  self.accounts = kept
  return true
end

local function try_login(self)
  if self.profile.id_key and not self.broker_id then
    local answer, err = request(self, codec.platform_details())
    if not answer then return nil, err end
    self.broker_id, err = codec.read_platform_details(answer.body)
    if not self.broker_id then return nil, err end
  end
  local method, path, body = codec.login(self.profile, self.email, self.password, self.broker_id)
  local answer, err = request(self, method, path, body)
  if not answer then return nil, err end
  if codec.edge_block(answer.status, function(name) return answer:header(name) end) then
    return failure("edge_block", "the broker's edge wants a browser")
  end
  if answer.status == 401 then return failure("credentials", "the broker refused e-mail and password") end
  if answer.status ~= 200 then
    return failure("status_" .. answer.status, "the login was answered with status " .. answer.status)
  end
  local said
  said, err = codec.read_login(answer.body)
  if not said then return nil, err end
  absorb_cookies(self, answer)
  local ok
  ok, err = absorb_accounts(self, said.accounts)
  if not ok then return nil, err end
  set_token(self, said.token)
  return true
end

--- Logs in. Journals what came of it. Yields.
---@return true|nil, table|nil err
function Session:login()
  local ok, err = try_login(self)
  if not ok then
    self.open = false
    self.last_error = err.message
    event.emit("session_failed", { user = self.user, code = tostring(err.code), reason = err.message })
    return nil, err
  end
  self.last_error = nil
  return true
end

--- After the accounts are in the ledger: opens the order lanes.
function Session:activate()
  publish(self)
  self.open = true
  event.emit("session_opened", { user = self.user, accounts = #self.accounts, expires = self.expires })
end

-- Room for one more refresh in this hour?
local function may_refresh(self)
  local now, kept = clock.market_ms(), {}
  for _, at in ipairs(self.refreshes) do
    if now - at < HOUR then kept[#kept + 1] = at end
  end
  self.refreshes = kept
  return self.profile.renewal == "refresh" and #kept < self.profile.refreshes_per_hour
end

local function try_refresh(self)
  self.refreshes[#self.refreshes + 1] = clock.market_ms()
  local answer, err = request(self, codec.refresh(self.profile))
  if not answer then return nil, err end
  if answer.status ~= 200 and answer.status ~= 204 then
    return failure("status_" .. answer.status, "the renewal was answered with status " .. answer.status)
  end
  local by_cookie, token = absorb_cookies(self, answer), codec.read_refresh(answer.body)
  if not by_cookie and not token then
    return failure("unreadable", "the renewal brought no token")
  end
  local said = answer.body ~= "" and codec.read_login(answer.body)
  if said and #said.accounts > 0 then
    local ok, why = absorb_accounts(self, said.accounts)
    if not ok then return nil, why end
  end
  set_token(self, token or self.cookies["co-auth"].value)
  return true
end

local function renew(self)
  local how, ok, err = "refresh", nil, nil
  if may_refresh(self) then ok, err = try_refresh(self) end
  if not ok then
    how = "login"
    ok, err = self:login()
  end
  self.open = ok and true or false
  if not ok then
    -- Every read that is refused asks for a renewal: logins that fail one after another would lock the user out.
    self.failures = (self.failures or 0) + 1
    local most = err.code == "credentials" and 60000 or 5000
    self.renew_after = clock.io_ms() + math.min(500 << math.min(self.failures, 10), most)
    self.last_error = err.message
    return nil, err
  end
  self.failures, self.renew_after = 0, 0
  publish(self)
  event.emit("session_renewed", { user = self.user, expires = self.expires, how = how })
  return true
end

--- Renews the session: by refresh while the hour allows it, else by a login. Several callers at once
--- share one renewal; after one that failed there is a pause. Yields.
---@return true|nil, table|nil err
function Session:renew()
  local shared = self.renewing
  local pause = (self.renew_after or 0) - clock.io_ms()
  if not shared and pause > 0 then
    return nil, { code = "session", source = "session", retry = "safe", retry_after_ms = pause,
      message = "the session could not be renewed a moment ago: " .. tostring(self.last_error) }
  end
  if not shared then
    shared = task.spawn(renew, self)
    self.renewing = shared
  end
  local finished, ok, err = shared:join()
  if self.renewing == shared then self.renewing = nil end
  if not finished then return nil, ok end
  return ok, err
end

--- Keeps the session alive until cancelled: renews a minute before the token ends (with jitter, so that
--- many logins do not renew at once); after a failure again with growing pauses. A task of its own.
function Session:keep()
  local pause = 1000
  while true do
    local ahead = RENEW_AHEAD + self.jitter:range(0, 30 * 1000)
    local life = math.max(self.expires - clock.market_ms(), 0)
    local ok = task.sleep(math.max(life - math.min(ahead, life // 4), 0), "market")
    if not ok then return end
    local renewed, err = self:renew()
    if renewed then
      pause = 1000
    else
      log.warn("session", ("%s: %s"):format(self.user, err.message))
      if not task.sleep(pause, "io") then return end
      pause = math.min(pause * 2, 60000)
    end
  end
end

--- A read of an account: a path below the system's prefix. Renews and repeats once on 401 and 410; repeats
--- up to three times, with growing pauses, what the network lost and what the server failed. Yields.
---@return table|nil answer, table|nil err
function Session:read(account, method, path, body)
  local renewed, pause = false, 100
  for try = 1, READ_TRIES + 1 do
    local answer, err = request(self, method, "/mtr-api/" .. account.system .. path, body, account)
    if not answer then
      if err.code == "cancelled" or try >= READ_TRIES then return nil, err end
    elseif answer.status == 200 then
      return answer
    elseif (answer.status == 401 or answer.status == 410) and not renewed then
      renewed = true
      local ok, why = self:renew()
      if not ok then return nil, why end
      pause = 0
    elseif answer.status == 429 then
      return nil, { code = "rate_limit", message = "the broker limits requests", source = "session",
        retry = "safe", retry_after_ms = codec.retry_after_ms(answer:header("retry-after")) or 5000 }
    elseif answer.status < 500 or try >= READ_TRIES then
      return nil, { code = "status_" .. answer.status, source = "session", retry = "no",
        message = ("%s was answered with status %d: %s"):format(path:match("^[^?]*"), answer.status,
          codec.reason(answer.body)) }
    end
    if pause > 0 then
      if not task.sleep(self.jitter:range(pause // 2, pause), "io") then
        return failure("cancelled", "the read was cancelled")
      end
    end
    pause = math.max(pause, 50) * 2
  end
  return failure("unreachable", "the broker did not answer a read in three tries")
end

return session
