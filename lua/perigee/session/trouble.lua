-- SPDX-License-Identifier: MIT
-- Two kinds of trouble that repeating makes worse, each as a small pure machine over io time.
--
--   Block     the broker's edge refuses us (a challenge page). Everything of the user rests; then one request may
--             try; when it is refused again the pause is twice as long.
--   Takeover  a token that was good is refused before its end, and so is its renewal, although a login works; and
--             soon after that login the same again: somebody else logs in with the same user. To answer each login by
--             another would throw both out for ever, so ours come in growing pauses.

local trouble = {}

local MINUTE = 60 * 1000

-- ---- edge block ----------------------------------------------------------------------------------

local BLOCK_FIRST, BLOCK_MOST = MINUTE, 15 * MINUTE

---@class perigee.EdgeBlock
---@field on boolean
---@field count integer
---@field until_ms integer    io
---@field trying boolean      one request is on its way to see whether it is over
local Block = {}
Block.__index = Block

---@return perigee.EdgeBlock
function trouble.block()
  return setmetatable({ on = false, count = 0, until_ms = 0, trying = false }, Block)
end

--- The edge has refused us.
---@param now integer
---@param chance number   0..1; the pause is up to a quarter longer
---@return boolean first, integer pause_ms
function Block:hit(now, chance)
  local first = not self.on
  if first or now >= self.until_ms then -- what was refused while we rest was on its way before
    self.count = self.count + 1
    local pause = math.min(BLOCK_FIRST << math.min(self.count - 1, 10), BLOCK_MOST)
    self.until_ms = now + math.floor(pause * (1 + 0.25 * chance))
  end
  self.on, self.trying = true, false
  return first, self.until_ms - now
end

--- May a request leave? Else how long to wait. The first after the pause tries alone.
---@param now integer
---@return boolean, integer|nil wait_ms
function Block:ask(now)
  if not self.on then return true end
  if now < self.until_ms then return false, self.until_ms - now end
  if self.trying then return false, 1000 end
  self.trying = true
  return true
end

--- Must everything rest now? Asks without taking the place of the request that may try.
---@param now integer
---@return boolean
function Block:rests(now) return self.on and (now < self.until_ms or self.trying) end

--- The request that tried got no word of the edge, nor of the broker.
function Block:undecided() self.trying = false end

--- Another door lets us through: a read may try at once.
---@param now integer
function Block:soften(now)
  self.until_ms, self.trying = math.min(self.until_ms, now), false
end

--- A read works again. true: it did not before.
function Block:over()
  local was = self.on
  self.on, self.count, self.until_ms, self.trying = false, 0, 0, false
  return was
end

-- ---- takeover ------------------------------------------------------------------------------------

local SOON = 5 * MINUTE -- market ms after a login: a token refused within it is taken over
local FIGHT_FIRST, FIGHT_MOST = MINUTE // 2, 10 * MINUTE

---@class perigee.Takeover
---@field count integer    tokens in a row that were refused early
---@field until_ms integer io: no login by itself before
---@field told boolean
local Takeover = {}
Takeover.__index = Takeover

---@return perigee.Takeover
function trouble.takeover()
  return setmetatable({ count = 0, until_ms = 0, told = false }, Takeover)
end

--- Would a token that is refused now be a takeover?
---@param age integer|nil   market ms since the login that it came from; nil: not of this life
---@return boolean
function Takeover:again(age) return self.count > 0 and age ~= nil and age <= SOON end

--- A good token was refused before its end, and could not be renewed.
---@param now integer       io ms
---@param age integer|nil   see above
---@return integer|nil pause_ms  nil: a login may answer it
function Takeover:refused(now, age)
  if self:again(age) then
    self.count = self.count + 1
  else
    self.count, self.told = 1, false
  end
  if self.count < 2 then return nil end
  self.until_ms = now + math.min(FIGHT_FIRST << math.min(self.count - 2, 10), FIGHT_MOST)
  return self.until_ms - now
end

--- Io ms for which no login may be made; 0: none.
---@param now integer
---@return integer
function Takeover:wait(now) return math.max(self.until_ms - now, 0) end

--- Has it been said? It is said once for each row of takeovers.
---@return boolean
function Takeover:say()
  local first = not self.told
  self.told = true
  return first
end

--- Somebody asks for a login: it is theirs to judge.
function Takeover:forgive() self.until_ms = 0 end

return trouble
