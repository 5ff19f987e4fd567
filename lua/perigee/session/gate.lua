-- SPDX-License-Identifier: MIT
-- The gate before the login door: how often may be logged in, by one user and by all together, and how long to wait
-- after a login that failed. A broker locks out who knocks too often. Pure: io time comes in, nothing is slept here.
--
-- Counted is each login that may have reached the broker; one that got no connection is taken back.

local gate = {}

local MINUTE, HOUR = 60 * 1000, 3600 * 1000
local UNREACHED_FIRST, UNREACHED_MOST = 500, MINUTE
local FAILED_FIRST, FAILED_MOST = 2000, 5 * MINUTE
local LIMITED_FIRST, LIMITED_MOST = 5000, 5 * MINUTE

---@class perigee.LoginGate
---@field per_minute integer   logins of all users
---@field per_hour integer     logins of one user
local Gate = {}
Gate.__index = Gate

---@param limits { per_minute: integer, per_hour: integer }
---@return perigee.LoginGate
function gate.new(limits)
  return setmetatable({ per_minute = limits.per_minute, per_hour = limits.per_hour, users = {}, tries = {},
    limited = 0, closed_until = 0 }, Gate)
end

local function user_of(self, key)
  local u = self.users[key]
  if not u then
    u = { tries = {}, failures = 0, not_before = 0 }
    self.users[key] = u
  end
  return u
end

-- Drops what has left the window, and what lies in the future (a clock that was set back).
local function prune(list, now, window)
  local kept = 0
  for i = 1, #list do
    local at = list[i]
    if now - at < window and at <= now then
      kept = kept + 1
      list[kept] = at
    end
  end
  for i = #list, kept + 1, -1 do list[i] = nil end
  return kept
end

-- Io ms until a window has room; 0: now.
local function room(list, now, window, most)
  local count = prune(list, now, window)
  return count < most and 0 or list[count - most + 1] + window - now
end

--- May this user log in now? Then the login is counted.
---@param key string
---@param now integer        io ms
---@param asked boolean|nil  by an operator: pauses after failures do not hold, the budgets do
---@return boolean granted, integer|nil wait_ms, string|nil why
function Gate:ask(key, now, asked)
  local u = user_of(self, key)
  if not asked and now < u.not_before then return false, u.not_before - now, "a login failed a moment ago" end
  if now < self.closed_until then
    return false, self.closed_until - now, "the broker has asked for fewer logins"
  end
  local wait = room(u.tries, now, HOUR, self.per_hour)
  if wait > 0 then return false, wait, ("%d logins of this user in an hour are the most"):format(self.per_hour) end
  wait = room(self.tries, now, MINUTE, self.per_minute)
  if wait > 0 then return false, wait, ("%d logins in a minute are the most"):format(self.per_minute) end
  u.tries[#u.tries + 1], self.tries[#self.tries + 1] = now, now
  return true
end

function Gate:succeeded(key)
  local u = user_of(self, key)
  u.failures, u.not_before, self.limited = 0, 0, 0
end

-- Twice as long for each failure in a row, and up to a quarter more or less.
local function growing(first, most, failures, chance)
  local pause = math.min(first << math.min(failures - 1, 20), most)
  return math.floor(pause * (0.75 + 0.5 * chance))
end

--- After a login that failed: how long this user waits.
---@param key string
---@param now integer        io ms
---@param reached boolean    the broker has answered
---@param chance number      0..1, of the user's own generator
---@return integer pause_ms
function Gate:failed(key, now, reached, chance)
  local u = user_of(self, key)
  u.failures = u.failures + 1
  if not reached then
    u.tries[#u.tries], self.tries[#self.tries] = nil, nil
  end
  local pause = growing(reached and FAILED_FIRST or UNREACHED_FIRST, reached and FAILED_MOST or UNREACHED_MOST,
    u.failures, chance)
  u.not_before = math.max(u.not_before, now + pause)
  return u.not_before - now
end

--- The broker said that there were too many logins (429): nobody logs in for a time.
---@param now integer                  io ms
---@param retry_after_ms integer|nil   the broker's word; a shorter one than our own pause is no leave to storm
---@return integer pause_ms
function Gate:too_many(now, retry_after_ms)
  if now >= self.closed_until then self.limited = self.limited + 1 end
  local pause = growing(LIMITED_FIRST, LIMITED_MOST, math.max(self.limited, 1), 0.5)
  self.closed_until = math.max(self.closed_until, now + math.max(pause, retry_after_ms or 0))
  return self.closed_until - now
end

--- The logins of a user in the last hour, as ages in ms: what the next life should know.
---@param key string
---@param now integer
---@return integer[]
function Gate:ages(key, now)
  local u, ages = user_of(self, key), {}
  prune(u.tries, now, HOUR)
  for i, at in ipairs(u.tries) do ages[i] = now - at end
  return ages
end

--- Takes over what a former life had counted.
---@param key string
---@param now integer
---@param ages integer[]
function Gate:remember(key, now, ages)
  local u = user_of(self, key)
  for _, age in ipairs(ages) do
    if math.type(age) == "integer" and age >= 0 and age < HOUR then u.tries[#u.tries + 1] = now - age end
  end
  table.sort(u.tries)
end

return gate
