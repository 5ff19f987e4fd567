-- SPDX-License-Identifier: MIT
-- What will happen in a run, drawn from its seed alone: who suffers from faults and how much, what is traded and
-- when, when the engine is killed. A pure function: the same seed gives the same plan.
--
-- Every account has a stream of chance of its own, so that what happens to one does not change what is drawn for
-- another.

local rng = require "perigee.rng"

local plan = {}

local SECOND, MINUTE = 1000, 60000

--- Simulated time at the end without a fault, in which everything must come to rest.
plan.QUIET_MS = 150 * SECOND
--- Before it nothing is asked of the engine: it logs in, reads, warms up.
plan.WARM_MS = 5 * SECOND

local function pick(r, list) return list[r:range(1, #list)] end

local function chance(r, share) return r:uniform() < share end

-- ---- faults --------------------------------------------------------------------------------------

---@class perigee.simtest.Nature
---@field share number        of its exchanges that suffer; 0: none
---@field late_ms number      mean delay of a request that is late
---@field refusals number     of its requests that the broker answers with an error
---@field idle boolean        connections may end between two exchanges
---@field gateway boolean     late requests wait at a gateway: they arrive although their connection has ended

local function nature(seed, account, options)
  local r = rng.new(seed, "nature:" .. account)
  local calm, share, refusals = chance(r, 0.35), r:uniform(), r:uniform()
  local late, idle = r:range(1, 60) * SECOND, chance(r, 0.5)
  if options.alone then calm = account ~= options.watch end -- or quotes might be read by it
  if calm or options.spare == account or options.calm then return { share = 0, late_ms = 0, refusals = 0 } end
  return { share = share ^ 2 * 0.5, late_ms = late, refusals = refusals ^ 3 * 0.3, idle = idle and not options.alone,
    gateway = chance(rng.new(seed, "gateway:" .. account), 0.5) }
end

-- Times when the broker cannot be reached at all, for everybody.
local function outages(r, last_ms, options)
  local list = {}
  if options.alone or options.calm then return list end
  for _ = 1, r:range(0, 2) do
    local at = r:range(0, last_ms)
    list[#list + 1] = { from_ms = at, to_ms = math.min(at + r:range(1, 40) * SECOND, last_ms),
      how = pick(r, { "refuse", "silent" }), finish = pick(r, { "fin", "reset", "silence" }) }
  end
  return list
end

-- ---- what is done --------------------------------------------------------------------------------

-- Percent of the price: narrow ones are hit in minutes, wide ones carry a tag.
local function distances(r)
  if chance(r, 0.3) then return r:range(120, 300) / 100, r:range(120, 400) / 100 end
  return r:range(6, 60) / 100, r:range(6, 60) / 100
end

local function entry(r, kind)
  local stop, target = distances(r)
  return { kind = kind, direction = pick(r, { "LONG", "SHORT" }), stop = stop, target = target,
    holding_s = chance(r, 0.4) and r:range(10, 120) or 600, volume = r:range(1, 5) }
end

-- Some seeds trade with pending orders, too: some rest near the price and are triggered, some are far from it.
local function pendings(seed, add, options)
  local r = rng.new(seed, "pendings")
  if not chance(r, 0.5) then return end
  local some = math.max(options.signals // 4, 1)
  local function created(kind, size)
    local stop, target = distances(r)
    local away = chance(r, 0.6) and r:range(1, 12) / 100 or r:range(60, 200) / 100
    add({ kind = kind, direction = pick(r, { "LONG", "SHORT" }), type = pick(r, { "LIMIT", "STOP" }), away = away,
      stop = stop, target = target, holding_s = chance(r, 0.4) and r:range(10, 120) or nil, volume = r:range(1, size),
      account = r:range(1, options.accounts) }, r)
  end
  for _ = 1, r:range(1, 2 * some) do created("pend", 5) end
  for _ = 1, r:range(0, some) do
    add({ kind = "pend_edit", away = r:range(2, 100) / 100, stop = r:range(20, 90) / 100,
      volume = chance(r, 0.3) and r:uniform() or nil }, r)
  end
  for _ = 1, r:range(0, some) do add({ kind = "pend_cancel" }, r) end
  for _ = 1, r:range(0, some // 2) do created("hand_pend", 3) end
  for _ = 1, r:range(0, some // 2) do add({ kind = "hand_pend_edit", away = r:range(2, 100) / 100 }, r) end
  for _ = 1, r:range(0, some // 2) do add({ kind = "hand_pend_cancel" }, r) end
  if chance(r, 0.3) then add({ kind = "cancel_all" }, r) end
end

local given_again = { execute = true, pend = true }

-- An operator in doubt gives the same order again, with the same levels to the last digit: what came of the second one
-- must not be taken for what came of the first.
local function repeated(seed, list, last_ms)
  local r = rng.new(seed, "again")
  for i = 1, #list do
    local first = list[i]
    if given_again[first.kind] and chance(r, 0.5) then
      list[#list + 1] = { kind = "again", direction = first.direction, of = first, which = first.which,
        at_ms = math.min(first.at_ms + r:range(300, 4000), last_ms) }
    end
  end
end

-- Each signal, and around it what operators and customers do. `which` chooses a position when its time has come.
local function actions(seed, first_ms, last_ms, options)
  local r, list = rng.new(seed, "actions"), {}
  local function add(action, own)
    action.at_ms, action.which = (own or r):range(first_ms, last_ms), (own or r):uniform()
    list[#list + 1] = action
  end
  for _ = 1, options.signals do
    add(chance(r, 0.12) and { kind = "strategy_close" } or entry(r, pick(r, { "strategy", "strategy", "operator",
      "execute" })))
  end
  pendings(seed, add, options)
  repeated(seed, list, last_ms)
  local some = math.max(options.signals // 4, 1)
  for _ = 1, r:range(0, some) do add { kind = "close", volume = chance(r, 0.4) and r:uniform() or nil } end
  for _ = 1, r:range(0, some) do add { kind = "edit", stop = r:range(20, 90) / 100, target = r:range(20, 90) / 100 } end
  for _ = 1, r:range(0, some) do
    local stop, target = distances(r)
    add { kind = "hand_open", side = pick(r, { "BUY", "SELL" }), volume = r:range(1, 3), stop = stop, target = target,
      account = r:range(1, options.accounts) }
  end
  for _ = 1, r:range(0, some) do add { kind = "hand_close", volume = chance(r, 0.3) and r:uniform() or nil } end
  if chance(r, 0.3) then add { kind = "close_all" } end
  table.sort(list, function(a, b)
    if a.at_ms ~= b.at_ms then return a.at_ms < b.at_ms end
    return a.which < b.which
  end)
  return list
end

-- ---- kills ---------------------------------------------------------------------------------------

-- Each life but the last ends at a write or send; how many it lives through grows with what is drawn.
local function kills(seed, options)
  local r, list = rng.new(seed, "kills"), {}
  if options.kill then
    return { { kind = options.kill.kind, n = options.kill.n, share = options.kill.share, down_ms = 2 * SECOND } }
  end
  for i = 1, r:range(0, options.kills) do
    local kind = pick(r, { "write", "send" })
    list[i] = { kind = kind, n = math.max(1, math.floor(r:exponential(kind == "write" and 250 or 150))),
      share = pick(r, { 0, r:uniform(), 1 }), down_ms = r:range(200, 15 * SECOND) }
  end
  return list
end

---@class perigee.simtest.Options
---@field seed integer
---@field minutes number
---@field accounts integer
---@field signals integer
---@field kills integer
---@field kill { kind: string, n: integer, share: number }|nil  one kill, instead of drawn ones
---@field spare string|nil    account that gets no faults
---@field watch string|nil    account whose faults others must not feel
---@field alone boolean|nil   only its faults, and nothing that all feel
---@field calm boolean|nil    no faults at all

---@class perigee.simtest.Plan
---@field ids string[]
---@field natures table<string, perigee.simtest.Nature>
---@field budget integer      requests of an account in a minute
---@field outages table[]     { from_ms, to_ms, how, finish }
---@field actions table[]     by at_ms
---@field kills table[]       { kind, n, share, down_ms }, in order of the lives
---@field first_ms integer    faults of single accounts begin: the start waits for every login
---@field quiet_ms integer    from here on nothing fails
---@field end_ms integer

--- Times are io milliseconds of the run.
---@param options perigee.simtest.Options
---@param ids string[]  accounts of the broker
---@return perigee.simtest.Plan
function plan.draw(options, ids)
  local seed = options.seed
  local end_ms = math.floor(options.minutes * MINUTE)
  local quiet_ms = end_ms - plan.QUIET_MS
  local r, natures = rng.new(seed, "plan"), {}
  -- Some brokers are stingy: reads then use up their part of the budget, and closes must not wait for it.
  local budget = not options.alone and chance(rng.new(seed, "budget"), 0.3) and r:range(60, 90) or 480
  for _, id in ipairs(ids) do natures[id] = nature(seed, id, options) end
  return { ids = ids, natures = natures, budget = budget, outages = outages(r, quiet_ms - 5 * SECOND, options),
    actions = actions(seed, plan.WARM_MS, quiet_ms - 10 * SECOND, options),
    kills = options.alone and {} or kills(seed, options),
    first_ms = options.alone and plan.WARM_MS or 0, quiet_ms = quiet_ms, end_ms = end_ms }
end

return plan
