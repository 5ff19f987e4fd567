-- SPDX-License-Identifier: MIT
-- The doors of a broker: login and renewal, what each answer of theirs means, and when nobody should knock.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local exec = require "perigee.exec"
local read = require "perigee.session.read"
local request = require "perigee.session.request"
local tokens = require "perigee.session.tokens"

local doors = {}

local ASK_AGAIN = 60 * 1000 -- whoever wants to use a session that nobody may renew

local function failure(code, message, retry_after_ms)
  return nil, { code = code, message = message, source = "session", retry = "safe", retry_after_ms = retry_after_ms }
end

--- What an answer of a door is, when it is no success.
---@param self perigee.Session
---@param what string
---@param answer table
---@return table|nil err
function doors.error(self, what, answer)
  local said = codec.classify(answer.status, function(name) return answer:header(name) end, answer.body)
  if said.kind == "ok" then return nil end
  local words = said.reason ~= "" and ": " .. tokens.without_secrets(self, said.reason) or ""
  local err = { source = "session", retry = "safe", status = answer.status, retry_after_ms = said.retry_after_ms,
    code = "status_" .. answer.status,
    message = ("the %s was answered with status %d%s"):format(what, answer.status, words) }
  if said.kind == "edge_block" then
    err.code, err.message = "edge_block", "the broker's edge wants a browser"
    err.retry_after_ms = self:blocked("the " .. what)
  elseif said.kind == "rate_limit" then
    err.code, err.message = "rate_limit", ("the broker limits the %s"):format(what)
    if self.joined and self.accounts[1] then exec.budget_rest(self.accounts[1].id, said.retry_after_ms) end
  end
  return err
end

local function find_broker_id(self)
  if not self.profile.id_key or self.broker_id then return true end
  local answer, err = request.door(self, codec.platform_details())
  if not answer then return nil, err end
  err = doors.error(self, "question for the broker's id", answer)
  if err then return nil, err end
  self.broker_id, err = codec.read_platform_details(answer.body)
  if not self.broker_id then return nil, err end
  return true
end

-- The session token of an answer: of its body, else of its cookie; what is there from before is none of it.
local function new_token(self, answer, in_body)
  local in_cookie = request.absorb_cookies(self, answer)
  return in_body or in_cookie and self.cookies["co-auth"].value or nil
end

local function try_login(self)
  local ok, err = find_broker_id(self)
  if not ok then return nil, err end
  local answer
  answer, err = request.door(self, codec.login(self.profile, self.email, self.password, self.broker_id))
  if not answer then return nil, err end
  err = doors.error(self, "login", answer)
  if err then
    if answer.status == 401 then err.code, err.message = "credentials", "the broker refused e-mail and password" end
    return nil, err
  end
  local said
  said, err = codec.read_login(answer.body)
  if not said then return nil, err end
  local token = new_token(self, answer, said.token)
  if said.tfa then
    return failure("credentials", "the broker asks for a second factor, which the engine cannot give")
  end
  if not token then return failure("unreadable", "the login brought no session token") end
  ok, err = tokens.absorb_accounts(self, said.accounts)
  if not ok then return nil, err end
  tokens.accept(self, token, "login")
  return true
end

-- What a login that failed means for the next one. err.retry_after_ms: when to ask again.
local function learn(self, err)
  local now = clock.io_ms()
  if err.code == "credentials" then
    self.refused = true
    err.retry_after_ms = ASK_AGAIN
    self:notice("error", err.message .. "; it is not tried again until the password is changed or somebody logs the "
      .. "user in")
    self.on_tokens(self)
  elseif err.code == "rate_limit" then
    err.retry_after_ms = self.gate:too_many(now, err.retry_after_ms)
  elseif err.code ~= "edge_block" and err.code ~= "cancelled" then
    if err.status == 400 then read.tell_refusal(self, "the login", err.message) end
    local pause = self.gate:failed(self.user, now, err.code ~= "unreachable", self.jitter:uniform())
    err.retry_after_ms = math.max(err.retry_after_ms or 0, pause)
  end
end

--- A login, when it may be made. err.unsaid: nothing was tried. Yields.
---@param self perigee.Session
---@param asked boolean|nil  by an operator: pauses do not hold, the budgets do
---@return true|nil, table|nil err
function doors.login(self, asked)
  local now = clock.io_ms()
  local function no(code, message, wait)
    local _, err = failure(code, message, wait)
    err.unsaid = true
    return nil, err
  end
  if asked then
    self.refused = false
    self.takeover:forgive()
  end
  if self.refused then
    return no("refused", "the broker refused the login; somebody must correct e-mail or password, or log in by hand",
      ASK_AGAIN)
  end
  local wait = self.takeover:wait(now)
  if wait > 0 then
    return no("taken_over", ("somebody else seems to log in with this user; we log in again in %d s")
      :format(wait // 1000 + 1), wait)
  end
  if not asked then
    local free, left = self.block:ask(now)
    if not free then return no("edge_block", "the broker's edge has refused us; we rest", left) end
  end
  local granted, pause, why = self.gate:ask(self.user, now, asked)
  if not granted then
    self.block:undecided()
    return no("session", ("no login now: %s"):format(why), pause)
  end
  local ok, err = try_login(self)
  if ok then
    self.gate:succeeded(self.user)
    self.login_at = clock.market_ms()
    self.block:soften(clock.io_ms())
    return true
  end
  self.block:undecided()
  learn(self, err)
  return nil, err
end

local function try_refresh(self)
  self.refreshes[#self.refreshes + 1] = clock.market_ms()
  self.on_tokens(self)
  local answer, err = request.door(self, codec.refresh(self.profile))
  if not answer then return nil, err end
  err = doors.error(self, "renewal", answer)
  if err then return nil, err end
  local token = new_token(self, answer, codec.read_refresh(answer.body))
  if not token then return failure("unreadable", "the renewal brought no token") end
  local said = answer.body ~= "" and codec.read_login(answer.body)
  if said then tokens.refresh_accounts(self, said.accounts) end
  tokens.accept(self, token, "refresh")
  return true
end

--- Renews the token by a refresh, which is counted. While the edge refuses us it rests like everything else. Yields.
---@param self perigee.Session
---@param asked boolean|nil  by an operator
---@return true|nil, table|nil err
function doors.refresh(self, asked)
  local free, left = true, nil
  if not asked then free, left = self.block:ask(clock.io_ms()) end
  if not free then
    local _, err = failure("edge_block", "the broker's edge has refused us; we rest", left)
    err.unsaid = true
    return nil, err
  end
  local ok, err = try_refresh(self)
  if ok and self.block.on then self.block:soften(clock.io_ms()) else self.block:undecided() end
  return ok, err
end

return doors
