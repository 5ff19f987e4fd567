-- SPDX-License-Identifier: MIT
-- Reads of a session, and how each answer is met:
--
--   401, 410      the token is renewed once and the read repeated once
--   400, 403 ...  the broker's reason goes to the operator, once for each reason; not repeated
--   403 as an edge block   everything of the user rests (see trouble.lua)
--   429           the scope of the request budget rests, as long as the broker says
--   5xx, a lost answer, no connection   three tries, with growing pauses of chance length

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local event = require "perigee.event"
local exec = require "perigee.exec"
local request = require "perigee.session.request"
local task = require "perigee.task"
local tokens = require "perigee.session.tokens"

local read = {}

local TRIES = 3
local FIRST_PAUSE = 100
local LONGEST_PAUSE = 5000 -- a broker that asks for more is left to the caller
local REFUSED_PAUSE = 30000
local LATELY = 2 * 60000
local DEAF_FIRST, DEAF_MOST = 5 * 60000, 3600 * 1000
local REASONS_KEPT = 50

local function failure(code, message, retry_after_ms, retry)
  return nil, { code = code, message = message, source = "session", retry = retry or "safe",
    retry_after_ms = retry_after_ms }
end

-- Waits until every scope of the account has room for a request. false: cancelled.
local function budget(account, lane)
  while true do
    local taken, wait_ms, which = exec.budget_take(account.id, lane)
    if taken then return true end
    if not task.sleep(math.max(wait_ms, 10), which) then return false end
  end
end

--- Tells the operator what the broker says no to: once for each reason of a session.
---@param s perigee.Session
---@param what string
---@param words string
function read.tell_refusal(s, what, words)
  local key = what .. "\0" .. words
  if s.told[key] or s.told_count >= REASONS_KEPT then return end
  s.told[key], s.told_count = true, s.told_count + 1
  event.emit("notice", { level = "error", component = "session",
    text = ("%s: the broker refuses %s: %s"):format(s.user, what, words ~= "" and words or "without a reason") })
end

-- A token to read with. One that the broker has refused is not sent again.
local function usable(s)
  if s.left then return failure("closed", "the user is logged out") end
  if s.token and not s.dead then return true end
  return s:renew("refused")
end

-- The session has ended as the broker says: a new token, unless somebody else has brought one meanwhile.
local function renewed(s, used)
  if s.token ~= used and not s.dead then return true end
  s.dead = true
  return s:renew("refused")
end

-- Has the broker answered another account of the login a moment ago?
local function others_work(s, account)
  local since = clock.io_ms() - LATELY
  for _, other in ipairs(s.accounts) do
    if other ~= account and (other.read_ms or since) > since then return true end
  end
  return false
end

-- The token is new, and this account is refused all the same. A login would bring the account a token of its own; when
-- that is refused, too, while others are not, it is no matter of the session: the account's refusals renew nothing for
-- a while, or one account would use up the renewals and logins of all.
local function refused_anew(s, account, state)
  if state.by == "refresh" then
    s.spent = state.token
  elseif others_work(s, account) then
    account.refusals = (account.refusals or 0) + 1
    account.deaf_until = clock.io_ms() + math.min(DEAF_FIRST << math.min(account.refusals - 1, 10), DEAF_MOST)
    if account.refusals == 1 then
      s:notice("error", ("account %s is refused right after a login; it is tried again now and then")
        :format(account.id))
    end
  end
end

-- One answer. true: it is the caller's; "again": repeat at once; "later": repeat after a pause; nil, err: give up.
local function meet(s, account, answer, path, state)
  local said = codec.classify(answer.status, function(name) return answer:header(name) end, answer.body)
  local what = path:match("^[^?]*")
  said.reason = tokens.without_secrets(s, said.reason)
  if said.kind == "ok" then
    s:unblock()
    account.refusals, account.deaf_until, account.read_ms = nil, nil, clock.io_ms()
    return true
  elseif said.kind == "unauthorised" and not state.renewed and clock.io_ms() >= (account.deaf_until or 0) then
    state.renewed = true
    local ok, err = renewed(s, state.token)
    if not ok then return nil, err end
    return "again"
  elseif said.kind == "edge_block" then
    local pause = s:blocked(what)
    return failure("edge_block", "the broker's edge wants a browser", pause)
  elseif said.kind == "rate_limit" then
    exec.budget_rest(account.id, said.retry_after_ms)
    local _, _, _, scopes = exec.budget(account.id)
    return failure("rate_limit", "the broker limits requests", said.retry_after_ms or scopes[1].rest_ms)
  elseif said.kind == "server" then
    return "later", { code = "status_" .. answer.status, source = "session", retry = "safe",
      retry_after_ms = said.retry_after_ms, message = ("%s was answered with status %d"):format(what, answer.status) }
  end
  if said.kind == "refused" or said.kind == "forbidden" then read.tell_refusal(s, what, said.reason) end
  if said.kind == "unauthorised" and state.renewed then refused_anew(s, account, state) end
  return failure("status_" .. answer.status, ("%s was answered with status %d: %s"):format(what, answer.status,
    said.reason), said.kind == "unauthorised" and REFUSED_PAUSE or nil, "no")
end

local function once(s, account, lane, state, method, path, body)
  local ok, err = usable(s)
  if not ok then return nil, err end
  if account.lost then return failure("account", account.lost, REFUSED_PAUSE, "no") end
  local free, wait = s.block:ask(clock.io_ms())
  if not free then return failure("edge_block", "the broker's edge has refused us; we rest", wait) end
  if not budget(account, lane) then
    s.block:undecided()
    return failure("cancelled", "the read was cancelled")
  end
  if s.left then return failure("closed", "the user is logged out") end
  state.token, state.by = s.token, s.token_by
  local answer
  answer, err = request.account(s, account, method, path, body)
  if not answer then
    s.block:undecided()
    if err.code == "cancelled" then return nil, err end
    return "later", err
  end
  local met, why = meet(s, account, answer, path, state)
  s.block:undecided()
  return met, why, answer
end

--- A read of an account: a path below the system's prefix, within the request budget. Yields.
---@param s perigee.Session
---@param account table           of its accounts
---@param lane string             "reconcile", "balance", "positions" or "quotes"
---@param method string
---@param path string
---@param body string|nil
---@return table|nil answer, table|nil err
function read.run(s, account, lane, method, path, body)
  local state, pause, tries = { renewed = false }, FIRST_PAUSE, 0
  while true do
    local met, err, answer = once(s, account, lane, state, method, path, body)
    if met == true then return answer end
    if not met then return nil, err end
    if met == "later" then
      tries = tries + 1
      if tries >= TRIES or (err.retry_after_ms or 0) > LONGEST_PAUSE then return nil, err end
      local wait = math.max(s.jitter:range(pause // 2, pause), err.retry_after_ms or 0)
      if not task.sleep(wait, "io") then return failure("cancelled", "the read was cancelled") end
      pause = pause * 3
    end
  end
end

return read
