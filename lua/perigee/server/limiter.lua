-- SPDX-License-Identifier: MIT
-- Delays after failures: the first few are free, then each doubles the wait. An attempt counts as a failure from its
-- beginning, so that many at once gain nothing; a success forgets them. Bounded memory: the oldest entries go first.

local limiter = {}

---@class perigee.Limiter
local Limiter = {}
Limiter.__index = Limiter

---@class perigee.LimiterOptions
---@field free integer      failures without a wait
---@field first_ms integer  wait after the next one; doubles
---@field most_ms integer   longest wait; failures are forgotten after twice this without one
---@field size integer|nil  entries kept, 10,000 by default

---@param options perigee.LimiterOptions
---@return perigee.Limiter
function limiter.new(options)
  return setmetatable({ free = options.free, first_ms = options.first_ms, most_ms = options.most_ms,
    size = options.size or 10000, entries = {}, count = 0 }, Limiter)
end

local function pause(self, failures)
  local over = failures - self.free
  if over <= 0 then return 0 end
  return math.min(self.most_ms, self.first_ms << math.min(over - 1, 40))
end

local function current(self, key, now)
  local entry = self.entries[key]
  if entry and now - entry.at > 2 * self.most_ms then
    self.entries[key], self.count = nil, self.count - 1
    return nil
  end
  return entry
end

--- Milliseconds until `key` may try again; 0: now.
function Limiter:wait(key, now)
  local entry = current(self, key, now)
  return entry and math.max(0, entry.at + pause(self, entry.failures) - now) or 0
end

-- Makes room: what is forgotten anyway, then the oldest quarter.
local function shrink(self, now)
  local keys = {}
  for key in pairs(self.entries) do
    if current(self, key, now) then keys[#keys + 1] = key end
  end
  if self.count < self.size then return end
  table.sort(keys, function(a, b) return self.entries[a].at < self.entries[b].at end)
  for i = 1, #keys // 4 + 1 do
    self.entries[keys[i]], self.count = nil, self.count - 1
  end
end

--- An attempt begins.
function Limiter:take(key, now)
  local entry = current(self, key, now)
  if not entry then
    if self.count >= self.size then shrink(self, now) end
    entry = { failures = 0 }
    self.entries[key], self.count = entry, self.count + 1
  end
  entry.failures, entry.at = entry.failures + 1, now
end

--- The attempt was good: its key's failures are forgotten.
function Limiter:clear(key)
  if self.entries[key] then self.entries[key], self.count = nil, self.count - 1 end
end

--- The attempt was neither good nor bad (the database is away): it does not count.
function Limiter:undo(key)
  local entry = self.entries[key]
  if not entry then return end
  entry.failures = entry.failures - 1
  if entry.failures <= 0 then self:clear(key) end
end

return limiter
