-- SPDX-License-Identifier: MIT
-- What goes wrong with one exchange: on the wire (perigee.simtest.core's plan for it), or at the broker's door
-- before or after the request was executed. Drawn from the stream of the account that it is for.

local rng = require "perigee.rng"

local faults = {}

---@class perigee.simtest.Faults
local Faults = {}
Faults.__index = Faults

local HTML = "<html><head><title>Attention Required!</title></head><body>blocked</body></html>"
local LATENCY_MS = 3

-- What makes the engine rest for minutes, by design, is drawn seldom enough for it to be awake when all is well again.
local HARSH = { [401] = 3, [403] = 2 } -- of a login in a run
local HARSH_UNTIL_MS = 90000           -- and not so late

--- `account_of(bytes)` tells whose request it is, or nil; `user_of(account)` whose login it is.
---@param plan perigee.simtest.Plan
---@param seed integer
---@param account_of fun(bytes: string): string|nil
---@param user_of fun(account: string): string
---@return perigee.simtest.Faults
function faults.new(plan, seed, account_of, user_of)
  local self = setmetatable({ plan = plan, account_of = account_of, user_of = user_of, wire = {}, door = {},
    harsh = {} }, Faults)
  for _, id in ipairs(plan.ids) do
    self.wire[id], self.door[id] = rng.new(seed, "wire:" .. id), rng.new(seed, "door:" .. id)
  end
  return self
end

local ends = { "fin", "reset", "silence" }

-- Each way in which an exchange can suffer; `left_ms` until faults end.
local kinds = {
  function() return { request_bytes = 0, finish = "silence" } end,
  function(r, size) return { request_bytes = r:range(0, size), finish = ends[r:range(1, 3)] } end,
  function(r) return { answer_bytes = 0, finish = ends[r:range(1, 3)] } end,
  function(r) return { answer_bytes = r:range(1, 600), finish = ends[r:range(1, 3)] } end,
  function(r) return { garbage_at = r:range(0, 300) } end,
  function(r, _, nature, left_ms) -- executed late: perhaps long after our time-out
    return { request_ms = math.min(r:exponential(nature.late_ms), left_ms), gateway = nature.gateway }
  end,
  function(r, _, nature, left_ms) return { answer_ms = math.min(r:exponential(nature.late_ms), left_ms) } end,
  function(r) return { piece = r:range(1, 60) } end,
}

local function idle(r)
  return { idle_ms = r:range(0, 20000), finish = ends[r:range(1, 3)] }
end

-- How long faults may still happen; 0 or less: not now.
function Faults:left(now_ms)
  return now_ms >= self.plan.first_ms and self.plan.quiet_ms - now_ms or 0
end

--- The plan of an exchange on the wire; nil: nothing happens to it. `now_ms`: of the run.
---@param bytes string  the request
---@param now_ms integer
---@return table|nil plan, string|nil account
function Faults:exchange(bytes, now_ms)
  local account = self.account_of(bytes)
  if not account then return nil end
  local r, nature = self.wire[account], self.plan.natures[account]
  -- Drawn whether or not it is used: the stream must not depend on what happens to others.
  local latency, suffers, kind = r:uniform() * LATENCY_MS, r:uniform(), r:range(1, #kinds + 1)
  local left_ms = self:left(now_ms)
  local plan = {}
  if suffers < nature.share and left_ms > 0 then
    plan = kinds[kind] and kinds[kind](r, #bytes, nature, left_ms) or nature.idle and idle(r) or plan
  end
  plan.request_ms = (plan.request_ms or 0) + latency
  return plan, account
end

---@class perigee.simtest.Refusal
---@field before boolean   instead of executing it; else it is executed and the answer lies
---@field status integer
---@field headers table
---@field body string

local json_type = { "Content-Type", "application/json" }

local refusals = {
  function() return { before = true, status = 401 } end,
  function(r) return { before = r:uniform() < 0.5, status = r:range(500, 504) } end,
  function(r)
    local headers = { json_type }
    if r:uniform() < 0.5 then headers[2] = { "Retry-After", tostring(r:range(1, 5)) } end
    return { before = true, status = 429, headers = headers, body = '{"errorMessage":"too many requests"}' }
  end,
  function() return { before = true, status = 403, headers = { { "Content-Type", "text/html" } }, body = HTML } end,
  function() return { before = false, status = 502, headers = { { "Content-Type", "text/html" } }, body = HTML } end,
  function() return { before = false, status = 200, headers = { json_type }, body = '{"status":' } end,
}

local function allowed(self, status, account, left_ms)
  local most, key = HARSH[status], status .. self.user_of(account)
  if not most then return true end
  self.harsh[key] = (self.harsh[key] or 0) + 1
  return self.harsh[key] <= most and left_ms > HARSH_UNTIL_MS
end

--- What the broker does instead of, or after, executing a request that has arrived, or how long it waits before it
--- executes it; nil: it does as it should.
---@param account string|nil
---@param now_ms integer
---@return perigee.simtest.Refusal|nil, integer|nil wait_ms
function Faults:refusal(account, now_ms)
  if not account then return nil end
  local r, nature = self.door[account], self.plan.natures[account]
  local suffers, kind, late = r:uniform(), r:range(1, #refusals), r:uniform()
  local left_ms = self:left(now_ms)
  if left_ms <= 0 then return nil end
  if late < nature.share / 4 then
    return nil, math.floor(math.min(r:exponential(nature.late_ms), left_ms))
  end
  if suffers >= nature.refusals then return nil end
  local refusal = refusals[kind](r)
  if not allowed(self, refusal.status, account, left_ms) then return nil end
  refusal.headers = refusal.headers or { json_type }
  refusal.body = refusal.body or ('{"errorMessage":"status %d"}'):format(refusal.status)
  return refusal
end

--- Is the broker away for everybody? The outage, or nil.
---@param now_ms integer
function Faults:outage(now_ms)
  for _, o in ipairs(self.plan.outages) do
    if now_ms >= o.from_ms and now_ms < o.to_ms then return o end
  end
end

return faults
