-- SPDX-License-Identifier: MIT
-- A limit of requests for each key: so many at once, refilled so many a second. Bounded memory: full buckets are
-- forgotten. Pure.

local bucket = {}

---@class perigee.Bucket
local Bucket = {}
Bucket.__index = Bucket

---@param options { burst: integer, per_second: number, size: integer|nil }
---@return perigee.Bucket
function bucket.new(options)
  return setmetatable({ burst = options.burst, per_ms = options.per_second / 1000, size = options.size or 10000,
    entries = {}, count = 0 }, Bucket)
end

local function level(self, entry, now)
  return math.min(self.burst, entry.left + (now - entry.at) * self.per_ms)
end

-- Forgets full buckets; when all are in use, all of them: the limit is generous, memory is not.
local function shrink(self, now)
  for key, entry in pairs(self.entries) do
    if level(self, entry, now) >= self.burst then self.entries[key], self.count = nil, self.count - 1 end
  end
  if self.count >= self.size then self.entries, self.count = {}, 0 end
end

--- Takes one; milliseconds to wait when there is none.
---@param key any
---@param now integer   io ms
---@return integer|nil wait_ms   nil: taken
function Bucket:take(key, now)
  local entry = self.entries[key]
  if not entry then
    if self.count >= self.size then shrink(self, now) end
    entry = { left = self.burst, at = now }
    self.entries[key], self.count = entry, self.count + 1
  end
  local left = level(self, entry, now)
  if left < 1 then return math.ceil((1 - left) / self.per_ms) end
  entry.left, entry.at = left - 1, now
end

return bucket
