-- SPDX-License-Identifier: MIT
-- The planner: from accounts, poll periods and a broker's request budget to requests a minute, and to the periods that
-- fit. Pure.
--
-- Regular reads may use half of a budget; the other half is for orders and the reads that settle them, and a little
-- remains below the mark at which the budget itself would hold quotes back. When they want more, periods are stretched
-- in this order, each up to its most, until it fits:
--
--   lists of idle accounts   10 min   nothing is open there; an order of ours has its lists read at once
--   balances                 10 min   a close has the balance read at once
--   lists of busy accounts   15 s
--   quotes                   5 s      one request marks every position, and a crossed stop or target is read at once
--   lists of busy accounts   60 s
--   quotes                   15 s
--
-- A budget of an account carries the quotes and that account's own lists: the worst account is planned. A budget of an
-- address or a broker carries all accounts.

local plan = {}

local MINUTE = 60000
local DAY_MINUTES = 24 * 60
local POLLS = 50        -- percent of a budget
local RENEW_AHEAD = 75000 -- of a token's life, on the average; see session.renewal_due

local STAGES = {
  { "idle", 120000 }, { "balance", 120000 }, { "busy", 15000 }, { "quotes", 5000 }, { "idle", 600000 },
  { "balance", 600000 }, { "busy", 60000 }, { "quotes", 15000 },
}

---@class perigee.PlanInput
---@field profile perigee.BrokerProfile
---@field budget perigee.ProfileBudget|nil  nil: the profile's
---@field accounts integer
---@field users integer
---@field busy integer      accounts with open positions
---@field resting integer   accounts with pending orders
---@field periods table<string, integer>  wanted: quotes, positions, orders, idle, balance; market ms
---@field marks table<string, integer>    percent of a budget that each lane may fill: exec.budget_marks()

---@class perigee.PlanKind
---@field name string
---@field text string
---@field key string|nil      of the period; nil: it cannot be stretched
---@field group string|nil    what is stretched together
---@field requests integer    in each round
---@field wanted_ms integer
---@field period_ms integer
---@field per_minute number

---@class perigee.Plan
---@field broker string
---@field scope string
---@field limit number          requests a minute of the budget
---@field room number           of them for regular reads
---@field wanted number         requests a minute as configured
---@field planned number        as stretched
---@field kept number           left for orders
---@field kinds perigee.PlanKind[]
---@field periods table<string, integer>
---@field stretched string[]    keys of the periods that were
---@field fits boolean
---@field warnings string[]

-- Requests a minute of the tightest limit that the broker sets.
local function limit_of(budget)
  local per_minute = budget.requests * MINUTE / budget.window_ms
  return budget.per_day and math.min(per_minute, budget.per_day / DAY_MINUTES) or per_minute
end

local function kinds_of(input, shared)
  local n = shared and input.accounts or math.min(input.accounts, 1)
  local busy, resting = math.min(input.busy, n), math.min(input.resting, n)
  local p = input.periods
  local life = math.max(input.profile.token_life_ms - RENEW_AHEAD, MINUTE)
  local list = {
    { name = "quotes", text = "prices of all symbols", key = "quotes", group = "quotes",
      requests = math.min(input.accounts, 1), wanted_ms = p.quotes },
    { name = "positions", text = "positions of busy accounts", key = "positions", group = "busy", requests = busy,
      wanted_ms = p.positions },
    { name = "orders", text = "pending orders of accounts that have some", key = "orders", group = "busy",
      requests = resting, wanted_ms = p.orders },
    { name = "idle", text = "both lists of the others", key = "idle", group = "idle",
      requests = 2 * n - busy - resting, wanted_ms = p.idle },
    { name = "balance", text = "balances", key = "balance", group = "balance", requests = n, wanted_ms = p.balance },
    { name = "sessions", text = "renewals", requests = shared and input.users or math.min(input.users, 1),
      wanted_ms = life },
  }
  for _, kind in ipairs(list) do kind.period_ms = kind.wanted_ms end
  return list
end

local function rate(kinds, group)
  local sum = 0
  for _, kind in ipairs(kinds) do
    kind.per_minute = kind.requests * MINUTE / kind.period_ms
    if not group or kind.group == group then sum = sum + kind.per_minute end
  end
  return sum
end

-- Stretches a group as far as needed, at most to `most`; periods that are longer already stay.
local function stretch(kinds, group, most, room)
  local own = rate(kinds, group)
  local left = room - (rate(kinds) - own)
  if own == 0 then return end
  local factor = left > 0 and own / left or math.huge
  for _, kind in ipairs(kinds) do
    if kind.group == group and kind.requests > 0 then
      local period = kind.period_ms * factor
      kind.period_ms = math.max(kind.period_ms, period < most and math.ceil(period) or most)
    end
  end
end

local function seconds(ms) return (("%.1f"):format(ms / 1000):gsub("%.0$", "")) .. " s" end

local function periods_of(kinds)
  local periods, stretched = {}, {}
  for _, kind in ipairs(kinds) do
    if kind.key then
      periods[kind.key] = kind.period_ms
      if kind.period_ms > kind.wanted_ms then stretched[#stretched + 1] = kind.key end
    end
  end
  return periods, stretched
end

local function warn_stretched(result)
  for _, kind in ipairs(result.kinds) do
    if kind.period_ms > kind.wanted_ms then
      result.warnings[#result.warnings + 1] = ("%s: read every %s instead of every %s"):format(kind.text,
        seconds(kind.period_ms), seconds(kind.wanted_ms))
    end
  end
end

local function warn_reads(result)
  if result.fits then return end
  result.warnings[#result.warnings + 1] = ("%.1f requests a minute are needed at least, and %.1f have room beside the "
    .. "orders: %s"):format(result.planned, result.room, result.scope == "account"
    and "the broker allows too few to watch an account" or "fewer accounts on this " .. result.scope)
end

-- A signal to all accounts of a shared budget is one request each, at once; so is closing everything.
local function warn_orders(result, input, budget)
  local used = result.planned * budget.window_ms / MINUTE
  local entries = math.floor(budget.requests * input.marks.open / 100 - used)
  if input.accounts > math.max(entries, 0) then
    result.fits = false
    result.warnings[#result.warnings + 1] = ("a signal to all %d accounts is as many requests at once, and %d have "
      .. "room: the budget refuses the entries of the others"):format(input.accounts, math.max(entries, 0))
  end
  local closes = math.floor(budget.requests - used)
  if input.accounts > math.max(closes, 0) then
    result.warnings[#result.warnings + 1] = ("closing a position on all %d accounts at once passes the budget of %d "
      .. "requests in %s; closes are sent all the same, and the broker may refuse some for a while"):format(
      input.accounts, budget.requests, seconds(budget.window_ms))
  end
end

local OF_A_TRADE = 2 -- requests: an entry and a close

-- What a limit of a day leaves for trading beside the reads.
local function warn_day(result, input, budget, shared)
  if not budget.per_day then return end
  local accounts = shared and input.accounts or 1
  local left = math.floor(budget.per_day * input.marks.open / 100 - result.planned * DAY_MINUTES)
  if left >= OF_A_TRADE * accounts then return end
  result.fits = false
  result.warnings[#result.warnings + 1] = ("the reads of a day leave room for %d requests of %d: not one trade %s "
    .. "fits; fewer accounts on this broker, or longer periods"):format(math.max(left, 0), budget.per_day,
    shared and "on all accounts" or "of an account")
end

--- Plans the reads of one broker.
---@param input perigee.PlanInput
---@return perigee.Plan
function plan.make(input)
  local budget = input.budget or input.profile.budget
  local shared = budget.scope ~= "account"
  local kinds = kinds_of(input, shared)
  local limit = limit_of(budget)
  local room = limit * POLLS / 100
  local wanted = rate(kinds)
  for _, stage in ipairs(STAGES) do
    if rate(kinds) > room then stretch(kinds, stage[1], stage[2], room) end
  end
  local planned = rate(kinds)
  local result = { broker = input.profile.name, scope = budget.scope, limit = limit, room = room, wanted = wanted,
    planned = planned, kept = math.max(limit - planned, 0), kinds = kinds, warnings = {},
    fits = planned <= room * (1 + 1e-9) }
  result.periods, result.stretched = periods_of(kinds)
  warn_stretched(result)
  warn_reads(result)
  if shared then warn_orders(result, input, budget) end
  warn_day(result, input, budget, shared)
  return result
end

--- The periods that are wanted at a broker: what an operator has given, else the profile's, else the defaults.
---@param profile perigee.BrokerProfile
---@param config table  perigee.config
---@return table<string, integer>
function plan.wanted(profile, config)
  local function period(key)
    local name = "poll." .. key .. "_ms"
    return not config.given(name) and profile.poll[key .. "_ms"] or config.get(name)
  end
  return { quotes = period "quotes", positions = period "positions", orders = period "orders", idle = period "idle",
    balance = period "balance" }
end

--- The budget at a broker: what an operator has given goes before the profile's.
---@param profile perigee.BrokerProfile
---@param config table  perigee.config
---@return perigee.ProfileBudget
function plan.budget(profile, config)
  local b = profile.budget
  return { requests = config.get("orders.budget_requests") or b.requests,
    window_ms = config.get("orders.budget_ms") or b.window_ms, scope = b.scope, per_day = b.per_day }
end

return plan
