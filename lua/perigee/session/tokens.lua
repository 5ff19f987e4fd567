-- SPDX-License-Identifier: MIT
-- What a session holds after a login: its token, its cookies, its accounts with theirs; and how that is written down
-- for a later life and read back. Every secret is masked in the log the moment it is known.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local json = require "perigee.json"
local log = require "perigee.log"

local tokens = {}

local HOUR = 3600 * 1000
local LEAST_LIFE = 60 * 1000

local function failure(code, message)
  return nil, { code = code, message = message, source = "session", retry = "safe" }
end

local LONGEST_LIFE = 24 * HOUR -- a token that says more, or nonsense, is renewed all the same

-- ---- secrets -------------------------------------------------------------------------------------

--- Keeps a secret out of the log: the newest of each slot and the one before it, which may still be on its way.
---@param s perigee.Session
---@param slot string
---@param secret string
function tokens.hide(s, slot, secret)
  local hidden = s.hidden[slot]
  if hidden and hidden[1] == secret then return end
  log.mask(secret)
  if hidden and hidden[2] then log.unmask(hidden[2]) end
  s.hidden[slot] = { secret, hidden and hidden[1] }
end

local SECRET_LEAST = 4 -- as the log has it

--- A text of the broker without this session's secrets, whatever it repeats of them.
---@param s perigee.Session
---@param words string
---@return string
function tokens.without_secrets(s, words)
  local list = {}
  for _, hidden in pairs(s.hidden) do
    for _, secret in ipairs({ hidden[1], hidden[2] }) do list[#list + 1] = secret end
  end
  table.sort(list, function(a, b) return #a > #b end)
  for _, secret in ipairs(list) do
    if #secret >= SECRET_LEAST then
      words = words:gsub(secret:gsub("%p", "%%%0"), "***")
      for n = math.min(#secret, #words), SECRET_LEAST, -1 do -- the text was cut in the middle of it
        if words:sub(-n) == secret:sub(1, n) then
          words = words:sub(1, -n - 1) .. "***"
          break
        end
      end
    end
  end
  return words
end

local function hide_account(s, account)
  if account.api_token then tokens.hide(s, "api " .. account.id, account.api_token) end
  if account.account_token then tokens.hide(s, "own " .. account.id, account.account_token) end
end

-- ---- taking over an answer -----------------------------------------------------------------------

--- A new session token: of the body, or of the cookie that came with it.
---@param s perigee.Session
---@param token string
---@param by "login"|"refresh"
function tokens.accept(s, token, by)
  tokens.hide(s, "token", token)
  s.token = token
  s.cookies["co-auth"] = { value = token, path = "/" } -- trading needs it, wherever its cookie says that it belongs
  s.token_ms, s.token_by, s.dead, s.spent = clock.market_ms(), by, false, nil
  -- A new token that is over, or nearly: the broker's clock is not ours, and to believe it would be to renew for ever.
  local said = codec.token_expiry(token)
  local life = said and said - s.token_ms
  s.expires = s.token_ms + (life and life >= LEAST_LIFE and math.min(life, LONGEST_LIFE) or s.profile.token_life_ms)
  s.on_tokens(s)
end

--- Nothing of a login is left.
---@param s perigee.Session
function tokens.forget(s)
  s.token, s.cookies, s.expires, s.token_ms, s.dead, s.spent = nil, {}, 0, nil, false, nil
  for _, account in ipairs(s.accounts) do account.api_token, account.account_token = nil, nil end
  s.on_tokens(s)
end

-- What is wrong with a row of a login, or nil.
local function lacking(account)
  for _, name in ipairs({ "api_token", "system", "currency" }) do
    if not account[name] then return "the login does not tell its " .. name:gsub("_", " ") end
  end
end

-- The rows that can be used, and why each of the others that are wanted cannot.
local function sort_out(s, accounts)
  local by_id, order, kept, without = {}, {}, {}, {}
  for _, account in ipairs(accounts) do
    by_id[account.id], order[#order + 1] = account, account.id
  end
  for _, id in ipairs(s.wanted or order) do
    -- A session whose accounts are watched gets no new ones by a renewal: they come with the next login.
    if not s.joined or s.by_id[id] or s.wanted then
      local why = by_id[id] and lacking(by_id[id]) or not by_id[id] and "the login does not hold it"
      if not why then kept[#kept + 1] = by_id[id] else without[#without + 1] = { id = id, why = why } end
    end
  end
  return kept, without
end

-- Whoever holds an account of this session keeps holding it: it gets the new values in place.
local function take_over(s, account)
  hide_account(s, account)
  local known = s.by_id[account.id]
  if not known then
    s.by_id[account.id] = account
    return account
  end
  for key, value in pairs(account) do known[key] = value end
  known.lost = nil
  return known
end

-- An account that a login does not serve any more fails alone: the others of the login trade on.
local function lose(s, id, why)
  local known = s.by_id[id]
  if known and known.lost or s.missing[id] == why then return end
  s.missing[id] = why
  s:notice("error", ("account %s cannot be used: %s; its positions have their stop and target at the broker")
    :format(id, why))
  if known then
    known.lost, known.api_token, known.account_token = why, nil, nil
    s.on_lost(known)
  end
end

--- The accounts of a login. One that it lacks, or tells only in part, fails alone; the login fails when none is left.
---@param s perigee.Session
---@param accounts table[]
---@return true|nil, table|nil err
function tokens.absorb_accounts(s, accounts)
  local kept, without = sort_out(s, accounts)
  if #kept == 0 then
    local first = without[1]
    if not first then return failure("account", "the login holds no trading account") end
    return failure(first.why:find("hold", 1, true) and "account" or "unreadable",
      ("account %s: %s"):format(first.id, first.why))
  end
  local there = {}
  for i, account in ipairs(kept) do
    kept[i], there[account.id], s.missing[account.id] = take_over(s, account), true, nil
  end
  for _, w in ipairs(without) do lose(s, w.id, w.why) end
  for _, account in ipairs(s.accounts) do
    if not there[account.id] then lose(s, account.id, "the login does not hold it any more") end
  end
  s.accounts = kept
  return true
end

--- New tokens that a renewal brings for accounts that are known; what it does not name stays as it is.
---@param s perigee.Session
---@param accounts table[]
function tokens.refresh_accounts(s, accounts)
  for _, account in ipairs(accounts) do
    local known = s.by_id[account.id]
    if known and not known.lost then
      take_over(s, { id = account.id, api_token = account.api_token, account_token = account.account_token })
    end
  end
end

-- ---- for a later life ----------------------------------------------------------------------------

local FIELDS = { "id", "uuid", "currency", "leverage", "demo", "system", "group" }

local function account_rows(s)
  local rows = json.array()
  for i, account in ipairs(s.accounts) do
    rows[i] = {}
    for _, name in ipairs(FIELDS) do rows[i][name] = account[name] end
  end
  return rows
end

-- Refreshes and logins are counted by the broker over our restarts, too. Logins are on the io clock, which begins
-- anew with the machine: they are written down by the wall's time.
local function counts(s)
  s:prune_refreshes()
  local now, wall, logins = clock.io_ms(), clock.wall_ms(), json.array()
  for i, age in ipairs(s.gate:ages(s.user, now)) do logins[i] = wall - age end
  local refreshes = json.array { table.unpack(s.refreshes) }
  if #refreshes == 0 and #logins == 0 and not s.refused then return nil end
  return { refreshes = refreshes, logins = logins, refused = s.refused or nil }
end

--- What a later life needs to go on with this session, as texts for the vault; empty without anything.
---@param s perigee.Session
---@return { token: string|nil, trading_api_token: string|nil, session: string|nil }
function tokens.save(s)
  local kept = counts(s)
  if not s.token then return { session = kept and json.encode(kept) or nil } end
  kept = kept or {}
  local api, own = {}, {}
  for _, account in ipairs(s.accounts) do
    api[account.id], own[account.id] = account.api_token, account.account_token
  end
  kept.cookies, kept.expires, kept.account_tokens = s.cookies, s.expires, own
  kept.accounts, kept.login_ms, kept.token_ms, kept.broker_id = account_rows(s), s.login_ms, s.token_ms, s.broker_id
  return { token = s.token, trading_api_token = json.encode(api), session = json.encode(kept) }
end

local function decoded(text)
  local value = text and json.decode(text)
  return type(value) == "table" and value or nil
end

local function read_cookies(s, saved)
  local cookies = {}
  for name, cookie in pairs(type(saved) == "table" and saved or {}) do
    if type(name) == "string" and type(cookie) == "table" and type(cookie.value) == "string"
      and type(cookie.path) == "string" then
      tokens.hide(s, "cookie " .. name, cookie.value)
      cookies[name] = { value = cookie.value, path = cookie.path }
    end
  end
  return cookies
end

local function read_accounts(kept, api)
  local own, accounts = type(kept.account_tokens) == "table" and kept.account_tokens or {}, {}
  for _, row in ipairs(type(kept.accounts) == "table" and kept.accounts or {}) do
    if type(row) ~= "table" or type(row.id) ~= "string" then return {} end
    local account = { leverage = math.tointeger(row.leverage) or 0, demo = row.demo == true, group = "" }
    for _, name in ipairs({ "id", "uuid", "currency", "system", "group" }) do
      if type(row[name]) == "string" then account[name] = row[name] end
    end
    account.api_token = type(api[row.id]) == "string" and api[row.id] or nil
    account.account_token = type(own[row.id]) == "string" and own[row.id] or nil
    accounts[#accounts + 1] = account
  end
  return accounts
end

--- What a former life had counted, whether its tokens can be used or not.
---@param s perigee.Session
---@param saved { session: string|nil }
function tokens.restore_counts(s, saved)
  local kept = decoded(saved.session)
  if not kept then return end
  local now, wall, ages = clock.io_ms(), clock.wall_ms(), {}
  for _, at in ipairs(type(kept.logins) == "table" and kept.logins or {}) do
    if math.type(at) == "integer" then ages[#ages + 1] = wall - at end
  end
  s.gate:remember(s.user, now, ages)
  for _, at in ipairs(type(kept.refreshes) == "table" and kept.refreshes or {}) do
    if math.type(at) == "integer" then s.refreshes[#s.refreshes + 1] = at end
  end
  s.refused = kept.refused == true
end

--- The tokens of a former life, when there is anything that could still be used: a token that ended within the last
--- hour may still be renewed.
---@param s perigee.Session
---@param saved { token: string|nil, trading_api_token: string|nil, session: string|nil }
---@return boolean
function tokens.restore(s, saved)
  local kept, api = decoded(saved.session), decoded(saved.trading_api_token)
  if not saved.token or not kept or not api or math.type(kept.expires) ~= "integer" then return false end
  if clock.market_ms() - kept.expires >= HOUR then return false end
  local accounts = read_accounts(kept, api)
  local _, without = sort_out(s, accounts)
  if #without > 0 or not tokens.absorb_accounts(s, accounts) then return false end -- a login may know them
  s.cookies = read_cookies(s, kept.cookies)
  tokens.hide(s, "token", saved.token)
  s.token, s.expires, s.dead = saved.token, kept.expires, false
  s.token_ms, s.former_login_ms = math.tointeger(kept.token_ms), math.tointeger(kept.login_ms)
  s.broker_id = s.broker_id or type(kept.broker_id) == "string" and kept.broker_id or nil
  return true
end

return tokens
