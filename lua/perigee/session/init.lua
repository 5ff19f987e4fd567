-- SPDX-License-Identifier: MIT
-- Broker sessions: one login with its accounts. It goes on with the tokens of a former life while they are good, logs
-- in when it must, renews before the token ends, and logs in again when renewal fails; never more often than the
-- broker allows (gate.lua), and not against somebody else (trouble.lua). Tokens live in memory and, sealed, in the
-- vault.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local doors = require "perigee.session.doors"
local event = require "perigee.event"
local gate = require "perigee.session.gate"
local log = require "perigee.log"
local read = require "perigee.session.read"
local request = require "perigee.session.request"
local rng = require "perigee.rng"
local task = require "perigee.task"
local tokens = require "perigee.session.tokens"
local trouble = require "perigee.session.trouble"

---@class perigee.Session
---@field user string          "broker:e-mail", the name in the journal
---@field accounts table[]     accounts of the login: id, uuid, currency, leverage, system, group
---@field open boolean         it can be used
---@field joined boolean       its accounts are in the ledger
---@field id integer|nil       number of its session_opened event; nil: it never opened
---@field closed boolean       it was ended by our wish
---@field how "login"|"resume"|"refresh"|nil  how it came to be
---@field login_ms integer|nil
---@field token_ms integer|nil market ms at which its token came
---@field token_by "login"|"refresh"|nil  what brought it; nil: a former life
---@field last_refresh_ms integer|nil
---@field expires integer      market ms
---@field refused boolean      the broker refused e-mail and password: no login by itself
---@field last_error string|nil
---@field gate perigee.LoginGate
---@field block perigee.EdgeBlock
---@field takeover perigee.Takeover
local Session = {}
Session.__index = Session

local session = {}

local HOUR = 3600 * 1000
local RENEW_AHEAD, RENEW_SPREAD = 60 * 1000, 30 * 1000

--- A session that is not logged in yet.
---@class perigee.SessionOptions
---@field profile perigee.BrokerProfile
---@field origin string
---@field email string
---@field password string
---@field broker_id string|nil
---@field account_ids string[]|nil          nil: all of the login
---@field answer_timeout_ms integer|nil
---@field user_id integer|nil               of the vault
---@field gate perigee.LoginGate|nil        shared by all that log in at the broker; nil: its own
---@field saved table|nil                   what a former life left in the vault: token, trading_api_token, session
---@field on_tokens fun(s: perigee.Session)|nil  after what the vault should keep has changed
---@field on_edge fun(blocked: boolean)|nil  the broker's edge refuses the user's requests, or does no more
---@field on_lost fun(account: table)|nil   an account is not of the login any more

---@param options perigee.SessionOptions
---@return perigee.Session
function session.new(options)
  local profile = options.profile
  local self = {
    profile = profile,
    origin = options.origin,
    email = options.email,
    password = options.password,
    broker_id = options.broker_id or profile.broker_id,
    wanted = options.account_ids, -- nil: all of the login
    answer_timeout_ms = options.answer_timeout_ms,
    user = profile.name .. ":" .. options.email,
    user_id = options.user_id,
    on_tokens = options.on_tokens or function() end,
    on_edge = options.on_edge or function() end,
    on_lost = function(account)
      request.close_lane(account)
      if options.on_lost then options.on_lost(account) end
    end,
    gate = options.gate or gate.new { per_minute = profile.logins_per_minute, per_hour = profile.logins_per_hour },
    block = trouble.block(),
    takeover = trouble.takeover(),
    accounts = {},
    by_id = {},
    hidden = {},         -- secrets that the log does not show, see tokens.hide
    cookies = {},        -- name -> { value, path }
    refreshes = {},      -- market ms of the last hour's
    missing = {},        -- account id -> why it cannot be used, as it was told
    told = {},           -- refusals that the operator knows
    told_count = 0,
    expires = 0,         -- market ms
    renew_after = 0,     -- io ms
    open = false,
    joined = false,
    seeking = false,     -- it should be open
    dead = false,        -- the broker has refused its token
    spent = nil,         -- the token that the broker has refused to renew, too
    refused = false,
    closed = false,
    left = false,        -- logged out: a renewal that ends later must not bring it back
    jitter = rng.new(0, "session:" .. options.email),
    browser_id = codec.browser_id(profile.name .. ":" .. options.email),
  }
  setmetatable(self, Session)
  tokens.hide(self, "password", options.password)
  if options.saved then
    self.saved = options.saved
    tokens.restore_counts(self, options.saved)
  end
  return self
end

local function failure(code, message, retry_after_ms)
  return nil, { code = code, message = message, source = "session", retry = "safe", retry_after_ms = retry_after_ms }
end

-- ---- trouble -------------------------------------------------------------------------------------

--- The broker's edge has refused a request: the user rests. How long, in io ms.
---@param what string  that was asked
---@return integer pause_ms
function Session:blocked(what)
  local first, pause = self.block:hit(clock.io_ms(), self.jitter:uniform())
  if first then
    self:notice("error", ("the broker's edge refuses %s (403, a page for browsers); its accounts take no entries, and "
      .. "one request is tried after %d s"):format(what, pause // 1000))
    self.on_edge(true)
  end
  return pause
end

--- A read works: an edge block is over.
function Session:unblock()
  if not self.block:over() then return end
  self:notice("info", "the broker's edge lets us through again")
  self.on_edge(false)
end

--- Tells the operator something of this user.
---@param level "info"|"warn"|"error"
---@param words string
function Session:notice(level, words)
  event.emit("notice", { level = level, component = "session", text = self.user .. ": " .. words })
end

-- ---- renewal -------------------------------------------------------------------------------------

--- Forgets the refreshes that are older than an hour.
function Session:prune_refreshes()
  local now, kept = clock.market_ms(), {}
  for _, at in ipairs(self.refreshes) do
    if now - at < HOUR and at <= now then kept[#kept + 1] = at end
  end
  self.refreshes = kept
end

--- How many refreshes the broker still allows in this hour.
---@return integer
function Session:refreshes_left()
  self:prune_refreshes()
  if self.profile.renewal ~= "refresh" then return 0 end
  return math.max(self.profile.refreshes_per_hour - #self.refreshes, 0)
end

local function journal_failure(self, err)
  event.emit("session_failed", { user = self.user, user_id = self.user_id, session = self.id or 0,
    code = tostring(err.code), reason = err.message })
end

local function gone(self)
  tokens.forget(self)
  return failure("closed", "the user was logged out meanwhile")
end

-- Is the token, although it could not be renewed, still good?
local function alive(self)
  return self.token ~= nil and not self.dead and clock.market_ms() < self.expires
end

-- One read with the token that was refused: some brokers refuse a good one now and then.
local function still_taken(self)
  local answer = request.account(self, self.accounts[1], codec.balance())
  return answer ~= nil and answer.status == 200
end

-- A good token was refused before its end: by somebody else's login? nil: a login of ours may answer it. "kept": the
-- token is good after all.
local function taken_over(self)
  local age = self.login_at and clock.market_ms() - self.login_at
  if self.takeover:again(age) and still_taken(self) then return "kept" end
  local pause = self.takeover:refused(clock.io_ms(), age)
  self.spent = self.token
  if not pause then return nil end
  local _, err = failure("taken_over", ("its token was refused before its end, soon after a login; somebody else seems "
    .. "to log in with this user, and we log in again in %d s"):format(pause // 1000), pause)
  if self.takeover:say() then self:notice("error", err.message) end
  return err
end

-- Refused as a token is that somebody has ended.
local function ended(err) return err.status == 401 or err.status == 410 end

-- Renews by refresh, else by login; "kept": it need not. How, or nil and why not.
local function try_renew(self, cause)
  local tried, err = self.spent ~= nil and self.spent == self.token, nil -- before: only a login is left
  local early = cause == "refused" and clock.market_ms() < self.expires and not tried
  if not tried and self:refreshes_left() > 0 then
    local ok
    ok, err = doors.refresh(self, cause == "asked")
    if ok then return "refresh" end
    if self.left or err.code == "edge_block" then return nil, err end
    if err.code == "rate_limit" and err.retry_after_ms then return nil, err end
    if ended(err) then self.dead, self.spent = true, self.token end
  end
  local stolen = early and (not err or ended(err)) and taken_over(self)
  if stolen == "kept" then
    self.dead, self.spent = false, nil
    return "kept"
  elseif stolen then
    return nil, stolen
  end
  local ok
  ok, err = doors.login(self, cause == "asked")
  if ok then return "login" end
  return nil, err
end

local function renewal_failed(self, err)
  local was_open = self.open
  self.open = alive(self)
  self.last_error = err.message
  self.renew_after = clock.io_ms() + (err.retry_after_ms or 0)
  if self.open then
    log.warn("session", ("%s: not renewed, its token is good for another %d s: %s"):format(self.user,
      (self.expires - clock.market_ms()) // 1000, err.message))
    return nil, err
  end
  request.close_lanes(self)
  if self.token and clock.market_ms() - self.expires >= HOUR then tokens.forget(self) end -- of no use to anybody
  if was_open or not err.unsaid then journal_failure(self, err) end
  return nil, err
end

local function renew(self, cause)
  local how, err = try_renew(self, cause)
  if self.left then return gone(self) end
  if not how then return renewal_failed(self, err) end
  local was_open = self.open
  self.open, self.renew_after, self.last_error = true, 0, nil
  if how == "kept" and was_open then return true end
  request.open_lanes(self)
  local _, at = event.emit("session_renewed", { user = self.user, expires = self.expires, how = how,
    user_id = self.user_id, session = self.id })
  self.last_refresh_ms = at
  return true
end

--- Renews the session: by refresh while the hour allows it, else by a login. Several callers at once
--- share one renewal; after one that failed there is a pause. Yields.
---@param cause "due"|"refused"|"asked"|nil  refused: the broker took the token no more; asked: by an operator
---@return true|nil, table|nil err
function Session:renew(cause)
  if self.left then return failure("closed", "the user is logged out") end
  local pause = self.renew_after - clock.io_ms()
  if not self.renewing and pause > 0 and cause ~= "asked" then
    return failure("session", "the session could not be renewed a moment ago: " .. tostring(self.last_error), pause)
  end
  local finished, ok, err = task.shared(self, "renewing", renew, self, cause)
  if not finished then return nil, ok end
  return ok, err
end

-- When the token should be renewed, market ms: a minute before its end, and a while earlier by chance, so that many
-- do not renew at once; of a short life at most a quarter.
local function renewal_due(self)
  if self.due_for ~= self.expires then
    self.due_for = self.expires
    local ahead = RENEW_AHEAD + self.jitter:range(0, RENEW_SPREAD)
    local life = math.max(self.expires - clock.market_ms(), 0)
    self.due_ms = self.expires - math.min(ahead, life // 4)
  end
  return self.due_ms
end

--- Keeps the session alive until cancelled, or until the broker has refused its password: renews before the token
--- ends, after a failure again with growing pauses. A task of its own.
function Session:keep()
  local pause = 1000
  while not self.left do
    local wait = renewal_due(self) - clock.market_ms()
    if wait > 0 then
      pause = 1000
      if not task.sleep(wait, "market") then return end
    else
      local renewed, err = self:renew("due")
      if not renewed then
        if self.left or self.refused or err.code == "cancelled" then return end
        log.warn("session", ("%s: %s"):format(self.user, err.message))
        if not task.sleep(math.max(err.retry_after_ms or 0, self.jitter:range(pause // 2, pause)), "io") then return end
        pause = math.min(pause * 2, 60000)
      end
    end
  end
end

-- ---- beginning and end ---------------------------------------------------------------------------

-- Goes on with the tokens of a former life, after one read has shown that the broker takes them. true; nil, err: the
-- broker could not be asked; nil: they are of no use.
local function resume(self)
  local saved = self.saved
  self.saved = nil
  if not tokens.restore(self, saved) then return nil end
  local free, wait = self.block:ask(clock.io_ms())
  if not free then
    self.saved = saved
    return failure("edge_block", "the broker's edge has refused us; we rest", wait)
  end
  local answer, err
  if alive(self) then answer, err = request.account(self, self.accounts[1], codec.balance()) end
  self.block:undecided()
  if not answer and err then
    self.saved = saved -- they may be good the next time
    return nil, err
  end
  if answer and answer.status == 200 then
    self.how = "resume"
    return true
  end
  err = answer and doors.error(self, "first read", answer)
  if err and not ended(err) then
    self.saved = saved
    return nil, err
  end
  self.dead = true
  if self:refreshes_left() > 0 and doors.refresh(self) then
    self.how = "refresh"
    return true
  end
  return nil
end

--- Opens the session: with the tokens of a former life, else by a login. Journals what came of it. Yields.
---@param asked boolean|nil  by an operator: what holds back logins by themselves does not hold
---@return true|nil, table|nil err
function Session:login(asked)
  self.left, self.seeking = false, true
  local ok, err = nil, nil
  if self.saved then ok, err = resume(self) end
  if not ok and not err and not self.left then
    ok, err = doors.login(self, asked)
    self.how = "login"
  end
  if self.left then return gone(self) end
  if not ok then
    self.open = false
    if not err.unsaid or not self.last_error then self.last_error = err.message end
    if not err.unsaid then journal_failure(self, err) end
    return nil, err
  end
  self.last_error, self.renew_after = nil, 0
  return true
end

--- After the accounts are in the ledger: opens the order lanes.
function Session:activate()
  self.joined = true
  request.open_lanes(self)
  self.open, self.closed = true, false
  local at
  self.id, at = event.emit("session_opened", { user = self.user, accounts = #self.accounts,
    expires = self.expires, user_id = self.user_id, how = self.how })
  self.login_ms = self.how ~= "login" and self.former_login_ms or at
  self.last_refresh_ms = nil
  self.on_tokens(self)
end

--- What a later life would need to go on with this session, as texts for the vault; empty without anything.
---@return { token: string|nil, trading_api_token: string|nil, session: string|nil }
function Session:tokens() return tokens.save(self) end

-- Tells the broker where it knows a logout; one that cannot be told ends with its token.
local function tell_logout(self)
  local method, path, body = codec.logout(self.profile)
  if not method or not self.token then return end
  local answer, err = request.door(self, method, path, body)
  if not answer then
    log.warn("session", ("%s: the logout could not be told: %s"):format(self.user, err.message))
  elseif answer.status >= 300 and answer.status ~= 401 then
    log.warn("session", ("%s: the logout was answered with status %d"):format(self.user, answer.status))
  end
end

--- From here on the session is not used: no order leaves, a renewal that is on its way changes nothing. The order
--- lanes close; what is in flight on them becomes UNKNOWN.
function Session:leave()
  self.left, self.open, self.seeking, self.saved = true, false, false, nil
  request.close_lanes(self)
end

--- Ends the session at the broker and forgets its tokens, after leave(). No login may begin before it has returned.
--- Yields.
---@param reason string  "operator", "deactivated", "removed"
function Session:logout(reason)
  task.finish(self, "renewing")
  tell_logout(self)
  tokens.forget(self)
  self.last_error, self.refused, self.joined = nil, false, false
  if not self.id or self.closed then return end
  self.closed = true
  event.emit("session_closed", { user = self.user, reason = reason, user_id = self.user_id, session = self.id })
end

--- Another password: one that was refused may be tried again.
---@param password string
function Session:set_password(password)
  if password == self.password then return end
  tokens.hide(self, "password", password)
  self.password, self.refused = password, false
  self.on_tokens(self)
end

-- ---- use -----------------------------------------------------------------------------------------

--- A read of an account, within the request budget; how each answer is met is told in read.lua. Yields.
---@param account table
---@param lane "reconcile"|"balance"|"positions"|"quotes"
---@param method string
---@param path string          below the system's prefix
---@param body string|nil
---@return table|nil answer, table|nil err
function Session:read(account, lane, method, path, body)
  return read.run(self, account, lane, method, path, body)
end

--- Asks the broker whether the session works. Yields.
---@return integer|nil latency_ms, table|nil err
function Session:check()
  if not self.accounts[1] or not self.seeking then return failure("state", "the user is not logged in") end
  local begun = clock.io_ms()
  local answer, err = self:read(self.accounts[1], "balance", codec.balance())
  if not answer then return nil, err end
  return clock.io_ms() - begun
end

---@return "out"|"logging_in"|"open"|"renewing"|"blocked"|"refused"|"taken_over"
function Session:state()
  if self.refused then return "refused" end
  if not self.seeking then return "out" end
  if self.block.on then return "blocked" end
  if not self.open and self.takeover:wait(clock.io_ms()) > 0 then return "taken_over" end
  if self.renewing and not self.renewing:done() then return "renewing" end
  return self.open and "open" or "logging_in"
end

return session
