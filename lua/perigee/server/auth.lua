-- SPDX-License-Identifier: MIT
-- Who is signed in. Passwords are Argon2id; a sign-in is a random token in a cookie, of which only the hash is kept,
-- here and in operator_sessions. What is here decides: people who are signed in go on while the database is away.
-- Signing in needs the database.
--
-- An unknown name costs as much time as a wrong password. Failures delay their name and their address; an attempt
-- counts from its beginning. At most MOST_HASHES passwords are worked on at once, because each takes 64 MiB.
--
-- Limits: the delays are forgotten when the office starts; when it starts while the database is away, nobody is
-- signed in until the database is back.

local clock = require "perigee.clock"
local crypto = require "perigee.crypto"
local limiter = require "perigee.server.limiter"
local log = require "perigee.log"
local problem = require "perigee.server.problem"
local queries = require "perigee.store.queries"
local task = require "perigee.task"

local auth = {}

---@class perigee.SignedIn
---@field operator_id integer
---@field session_id integer   its row
---@field username string
---@field role "viewer"|"trader"|"admin"
---@field must_change_password boolean
---@field csrf string
---@field hash string          of the token
---@field seen_ms integer      wall clock of the newest request
---@field stored_ms integer    the same in the table
---@field ip string|nil

---@class perigee.Auth
---@field on_end fun(signed: perigee.SignedIn)   a sign-in has ended
local Auth = {}
Auth.__index = Auth

local MOST_HASHES, MOST_OF_ONE, STORE_EVERY_MS = 2, 20, 60000

---@class perigee.AuthOptions
---@field db perigee.Db
---@field minutes integer      a sign-in that is not used ends after these
---@field delay_ms integer|nil  of the first failure too many; doubles from there. 1,000 by default
---@field on_end fun(signed: perigee.SignedIn)|nil

---@param options perigee.AuthOptions
---@return perigee.Auth
function auth.new(options)
  local first_ms = options.delay_ms or 1000
  return setmetatable({ db = options.db, idle_ms = options.minutes * 60000, on_end = options.on_end or function() end,
    signed = {}, leftover = {}, hashing = 0, loaded = false,
    names = limiter.new { free = 3, first_ms = first_ms, most_ms = 300000 },
    addresses = limiter.new { free = 20, first_ms = first_ms, most_ms = 60000 } }, Auth)
end

-- The token for the page's scripts: it cannot be made into the cookie's.
local function csrf_of(token) return crypto.hash("perigee csrf " .. token) end

-- ---- who asks ------------------------------------------------------------------------------------

local function end_sign_in(self, signed)
  if self.ended then self.ended[signed.hash] = true end
  if self.signed[signed.hash] == nil then return end
  self.signed[signed.hash] = nil
  self.on_end(signed)
end

-- Written at most once a minute; a database that is away loses nothing but the extension.
local function store_seen(self, signed, now)
  if now - signed.stored_ms < STORE_EVERY_MS or self.db:update() ~= "ready" then return end
  signed.stored_ms = now
  task.spawn(function()
    local ok, err = queries.operators.touch_session(self.db, { session_id = signed.session_id, life_ms = self.idle_ms })
    if not ok and err.code ~= "unreachable" then log.warn("office", "a sign-in was not noted: " .. err.message) end
  end)
end

--- The sign-in of a token, or nil. Never waits.
---@param token string|nil
---@return perigee.SignedIn|nil
function Auth:who(token)
  if not token or #token > 200 then return nil end
  local signed = self.signed[crypto.hash(token)]
  if not signed then return nil end
  local now = clock.wall_ms()
  if now - signed.seen_ms >= self.idle_ms then
    end_sign_in(self, signed)
    return nil
  end
  signed.seen_ms = now
  signed.csrf = signed.csrf or csrf_of(token)
  store_seen(self, signed, now)
  return signed
end

--- Whether a text is the CSRF token of a sign-in.
---@return boolean
function Auth.csrf(_, signed, text)
  return text ~= nil and crypto.equal(text, signed.csrf)
end

--- When a sign-in ends if it is not used any more, wall ms.
function Auth:expires(signed) return signed.seen_ms + self.idle_ms end

--- Ends what nobody has used for too long. Called now and then.
function Auth:sweep()
  local now, idle = clock.wall_ms(), {}
  for _, signed in pairs(self.signed) do
    if now - signed.seen_ms >= self.idle_ms then idle[#idle + 1] = signed end
  end
  for _, signed in ipairs(idle) do self:forget(signed) end
end

--- A sign-in ends here; while the database is away its row goes later.
function Auth:forget(signed)
  end_sign_in(self, signed)
  self.leftover[signed.session_id] = true
  if self.db:update() ~= "ready" then return true end
  local ok, err = queries.operators.close_sessions(self.db, { session_id = signed.session_id })
  if ok then self.leftover[signed.session_id] = nil end
  return ok, err
end

--- Reads the sign-ins that a former office left, after those that ended meanwhile were taken away.
function Auth:load()
  local left = {}
  for id in pairs(self.leftover) do left[#left + 1] = id end
  for _, id in ipairs(left) do
    local ok, err = queries.operators.close_sessions(self.db, { session_id = id })
    if not ok then return nil, err end
    self.leftover[id] = nil
  end
  local ok, err = queries.operators.purge_sessions(self.db)
  if not ok then return nil, err end
  local rows
  self.ended = {} -- those that end while the rows are read
  rows, err = queries.operators.live_sessions(self.db)
  local ended = self.ended
  self.ended = nil
  if not rows then return nil, err end
  for _, row in ipairs(rows) do
    if not self.signed[row.token_hash] and not ended[row.token_hash] then
      self.signed[row.token_hash] = { operator_id = row.id, session_id = row.session_id, username = row.username,
        role = row.role, must_change_password = row.must_change_password, hash = row.token_hash,
        seen_ms = row.last_seen_ms, stored_ms = row.last_seen_ms, ip = row.ip }
    end
  end
  self.loaded = true
  return true
end

--- A token that nobody knows may be one of a former office, as long as its sign-ins were not read.
---@param token string|nil
---@return boolean
function Auth:may_know(token)
  return token ~= nil and not self.loaded
end

-- ---- operators that change -----------------------------------------------------------------------

--- Ends the sign-ins of an operator, but for one.
---@param operator_id integer
---@param keep perigee.SignedIn|nil
function Auth:end_all(operator_id, keep)
  local own = {}
  for _, signed in pairs(self.signed) do
    if signed.operator_id == operator_id and signed ~= keep then own[#own + 1] = signed end
  end
  for _, signed in ipairs(own) do
    self.leftover[signed.session_id] = true
    end_sign_in(self, signed)
  end
  local ok, err = queries.operators.close_sessions(self.db, { operator_id = operator_id,
    except_id = keep and keep.session_id or nil })
  if ok then
    for _, signed in ipairs(own) do self.leftover[signed.session_id] = nil end
  end
  return ok, err
end

--- What changed of an operator holds for its sign-ins at once.
function Auth:changed(operator_id, fields)
  for _, signed in pairs(self.signed) do
    if signed.operator_id == operator_id then
      for key, value in pairs(fields) do signed[key] = value end
    end
  end
end

-- ---- signing in ----------------------------------------------------------------------------------

local function too_many(ms)
  local seconds = math.max(1, math.ceil(ms / 1000))
  local p = problem.new("too_many_attempts", ("Too many attempts; try again in %d seconds."):format(seconds))
  p.retry_after = seconds
  return p
end

--- The work of one password check, `fn`, when there is room for it.
---@return boolean|nil fits, perigee.Problem|nil
function Auth:verify(hash, password)
  if self.hashing >= MOST_HASHES then return nil, too_many(1000) end
  self.hashing = self.hashing + 1
  local ok, fits, err = pcall(function()
    if not self.dummy then self.dummy = crypto.password_hash(crypto.token()) end
    local known = hash or self.dummy
    local fits, err = crypto.password_verify(known, password)
    if fits == nil then return nil, err end
    return fits and hash ~= nil
  end)
  self.hashing = self.hashing - 1
  if not ok then error(fits, 0) end
  if fits == nil then
    log.error("office", "a password could not be checked: " .. tostring(err and err.message))
    return nil, problem.new("internal", "The password could not be checked.")
  end
  return fits
end

--- Runs one guarded attempt. `fn` returns a result, or nil and a problem; invalid_credentials is a failure.
---@param name string
---@param ip string
function Auth:attempt(name, ip, fn)
  local now, key = clock.io_ms(), name:lower()
  local wait = math.max(self.names:wait(key, now), self.addresses:wait(ip, now))
  if wait > 0 then return nil, too_many(wait) end
  self.names:take(key, now)
  self.addresses:take(ip, now)
  local result, bad = fn()
  if result then
    self.names:clear(key)
    self.addresses:undo(ip)
  elseif bad.code ~= "invalid_credentials" then
    self.names:undo(key)
    self.addresses:undo(ip)
  end
  return result, bad
end

-- The oldest sign-ins of one operator beyond the limit end.
local function trim(self, operator_id)
  local own = {}
  for _, signed in pairs(self.signed) do
    if signed.operator_id == operator_id then own[#own + 1] = signed end
  end
  table.sort(own, function(a, b) return a.seen_ms < b.seen_ms end)
  for i = 1, #own - MOST_OF_ONE do self:forget(own[i]) end
end

-- The row of an operator; false: there is none; nil and a problem.
local function find(self, args)
  local row, err = queries.operators.get(self.db, args)
  if row then return row end
  if err.code == "notfound" then return false end
  return nil, problem.of_database(err)
end

--- A new sign-in of an operator's row: the sign-in and its token.
---@return perigee.SignedIn|nil signed, string|perigee.Problem token
function Auth:begin(row, ip)
  local token, now = crypto.token(32), clock.wall_ms()
  local signed = { operator_id = row.id, username = row.username, role = row.role,
    must_change_password = row.must_change_password, csrf = csrf_of(token), hash = crypto.hash(token), seen_ms = now,
    stored_ms = now, ip = ip }
  local ok, err = queries.operators.signed_in(self.db, { id = row.id })
  if not ok then return nil, problem.of_database(err) end
  signed.session_id, err = queries.operators.open_session(self.db, { operator_id = row.id, token_hash = signed.hash,
    csrf_hash = crypto.hash(signed.csrf), life_ms = self.idle_ms, ip = ip })
  if not signed.session_id then return nil, problem.of_database(err) end
  self.signed[signed.hash] = signed -- from here on what changes of the operator reaches it
  local fresh, bad = find(self, { id = row.id })
  if not fresh or not fresh.is_active or fresh.password_hash ~= row.password_hash then
    self:forget(signed)
    return nil, bad or problem.new("invalid_credentials", "The user name or the password is wrong.")
  end
  signed.role, signed.must_change_password = fresh.role, fresh.must_change_password
  trim(self, row.id)
  return signed, token
end

-- A wrong password of somebody who exists is remembered over a start of the office, too.
local function note_failure(self, row)
  local lock_ms = self.names:wait(row.username:lower(), clock.io_ms())
  local ok, err = queries.operators.failed(self.db, { id = row.id, lock_ms = lock_ms > 0 and lock_ms or nil })
  if not ok then log.warn("office", "a failed sign-in was not noted: " .. err.message) end
end

-- Checks a password against a row; nil and a problem when it does not fit.
local function prove(self, row, password, detail)
  local locked = row and (row.locked_until_ms or 0) - clock.wall_ms() or 0
  if locked > 0 then return nil, too_many(locked) end
  local fits, why = self:verify(row and row.is_active and row.password_hash or nil, password)
  if fits == nil then return nil, why end
  if fits then return true end
  if row then note_failure(self, row) end
  return nil, problem.new("invalid_credentials", detail)
end

--- Signs in by name and password.
---@return perigee.SignedIn|nil signed, string|perigee.Problem token
function Auth:sign_in(username, password, ip)
  local token
  local signed, bad = self:attempt(username, ip, function()
    local row, why = find(self, { username = username })
    if row == nil then return nil, why end
    local ok
    ok, why = prove(self, row or nil, password, "The user name or the password is wrong.")
    if not ok then return nil, why end
    local begun
    begun, token = self:begin(row, ip)
    return begun, token
  end)
  return signed, signed and token or bad
end

--- Sets a new password after checking the old one; every other sign-in of the operator ends.
---@return boolean|nil, perigee.Problem|nil
function Auth:change_password(signed, current, new, ip)
  return self:attempt(signed.username, ip, function()
    local row, why = find(self, { id = signed.operator_id })
    if row == nil then return nil, why end
    local ok
    ok, why = prove(self, row or nil, current, "The current password is wrong.")
    if not ok then return nil, why end
    local hash, err = crypto.password_hash(new)
    if not hash then return nil, problem.new("internal", "The password could not be hashed: " .. err.message) end
    ok, err = queries.operators.update(self.db, { id = row.id, password_hash = hash, must_change_password = false })
    if not ok then return nil, problem.of_database(err) end
    self:changed(row.id, { must_change_password = false })
    ok, err = self:end_all(row.id, signed)
    if not ok then return nil, problem.of_database(err) end
    return true
  end)
end

return auth
