-- SPDX-License-Identifier: MIT
-- Legs that failed for a reason that passes, tried again with a fresh price while that makes sense.
--
-- Only a leg whose end is known comes here: it was rejected for a passing reason, or not a byte of it left. UNKNOWN
-- and ABSENT never do. There is one entry for each account and symbol; a newer signal takes the place of an older one.
-- Each attempt is an order of its own, with a new intent, through all checks and risk again. An entry leaves when it
-- was sent (whatever then comes of it, unless that passes, too), when its signal is too old, when the price has moved
-- too far, or when entries are stopped: so the queue empties by itself. It is not kept over a restart, which outlasts
-- a signal.

local clock = require "perigee.clock"
local ledger = require "perigee.ledger"
local log = require "perigee.log"
local overtaken = require "perigee.orchestrate.overtaken"
local policies = require "perigee.orchestrate.policies"
local task = require "perigee.task"

local retry = {}

local FIRST_PAUSE_MS, MOST_PAUSE_MS = 50, 1000 -- io
--- Share of the stop's distance that the price may move where the policy names no points.
retry.MOVE_SHARE = 0.1

--- Codes of a rejection that a moment later need not come again. An edge block is none of them: who goes on against
--- it is blocked for longer.
retry.passing = { rate_limit = true, not_sent = true }
--- Rules of a refusal that are of the moment.
retry.passing_rules = { budget = true }

---@class perigee.RetryEntry
---@field account string
---@field symbol string
---@field signal table
---@field volume string|nil
---@field levels table|nil     stop and target of an explicit order
---@field asked number         price of the first attempt
---@field most number          by which the price may have moved, in price
---@field attempt integer      of the next order
---@field due_ms integer       io
---@field reason string        why the last one failed
---@field busy boolean|nil     an attempt is under way

--- Why a leg may be tried again; nil: it must not.
---@param leg perigee.Leg
---@return string|nil reason
function retry.reason(leg)
  if leg.refused then return retry.passing_rules[leg.rule] and leg.rule or nil end
  if leg.state == "REJECTED" then return retry.passing[leg.code] and leg.code or nil end
  if leg.state ~= "NOT_SENT" then return nil end
  local order = leg.order and ledger.order(leg.order)
  if order and order.closing then return nil end -- somebody wants it closed
  return leg.reason ~= "" and leg.reason or "not_sent"
end

local entries, runner, wake = {}, nil, nil

local function key_of(account, symbol) return account .. "\0" .. symbol end

local function sorted()
  local keys = {}
  for key in pairs(entries) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function most_move(policy, leg, signal)
  local instrument = ledger.instrument(ledger.account(leg.account).broker, signal.symbol)
  if policy.max_move and instrument then return policy.max_move * 10 ^ -instrument.price_digits end
  return math.abs(signal.price - signal.stop) * retry.MOVE_SHARE
end

local function pause(attempt)
  return math.min(FIRST_PAUSE_MS << math.min(attempt - 1, 10), MOST_PAUSE_MS)
end

local function put(entry, leg, why)
  entry.attempt = leg.attempt + 1
  entry.reason, entry.busy = why, nil
  entry.due_ms = clock.io_ms() + math.max(pause(leg.attempt), leg.retry_after_ms or 0)
  entries[key_of(entry.account, entry.symbol)] = entry
  if wake then wake:set() end
end

local function drop(entry, why)
  local key = key_of(entry.account, entry.symbol)
  if entries[key] == entry then entries[key] = nil end
  log.info("retry", ("%s %s, signal %d: %s"):format(entry.account, entry.symbol, entry.signal.id, why))
end

-- Why an entry makes no sense any more.
local function over(state, entry, engine)
  local ok, rule, reason = engine.accepts(state, entry.signal, engine.limits())
  if not ok then return ("%s: %s"):format(rule, reason) end
  local bid, ask = state.quotes:quote(ledger.account(entry.account).broker, entry.symbol)
  if not bid then return "the broker has no quote" end
  local price = entry.signal.action == "OPEN_LONG" and ask or bid
  local moved = math.abs(price - entry.asked)
  if moved >= entry.most then return ("the price has moved by %.10g"):format(moved) end
end

-- One more fan-out to the accounts of entries of one signal that are due together.
local function attempt(state, list, engine)
  local active, accounts, attempts, orders = {}, {}, {}, {}
  for _, id in ipairs(state.fleet:active()) do active[id] = true end
  for _, e in ipairs(list) do
    local why = over(state, e, engine)
    if why then
      drop(e, why)
    elseif not active[e.account] then -- its session may come back while the signal is fresh
      e.busy, e.due_ms = nil, clock.io_ms() + pause(e.attempt)
    else
      accounts[#accounts + 1], attempts[e.account], orders[e.account] = e.account, e.attempt, e.levels
    end
  end
  if #accounts == 0 then return end
  local report, err = engine.execute(list[1].signal, accounts, engine.limits(), state.quotes, {
    volume = list[1].volume, orders = orders, attempts = attempts })
  local legs = {}
  for _, leg in ipairs(report and report.legs or {}) do legs[leg.account] = leg end
  for _, e in ipairs(list) do
    if e.busy and entries[key_of(e.account, e.symbol)] == e then -- else a newer signal's by now
      local leg = legs[e.account]
      local passing = leg and retry.reason(leg)
      if passing then
        put(e, leg, passing)
      else
        drop(e, leg and ("attempt %d ended %s"):format(leg.attempt, leg.state) or err and err.message
          or "no order fits any more")
      end
    end
  end
end

local function guarded(state, list, engine)
  local ok, why = xpcall(attempt, debug.traceback, state, list, engine)
  if ok then return end
  log.error("retry", tostring(why))
  for _, e in ipairs(list) do drop(e, "an error of the engine") end
end

-- Entries that are due, those of one signal and volume together; or the io ms until the next one is.
local function next_due()
  local now, first, list = clock.io_ms(), nil, {}
  for _, key in ipairs(sorted()) do
    local e = entries[key]
    if not e.busy and (not first or e.due_ms < first.due_ms) then first = e end
  end
  if not first then return nil end
  if first.due_ms > now then return nil, first.due_ms - now end
  for _, key in ipairs(sorted()) do
    local e = entries[key]
    if not e.busy and e.due_ms <= now and e.signal == first.signal and e.volume == first.volume then
      e.busy = true
      list[#list + 1] = e
    end
  end
  return list
end

-- Lives as long as there are entries. Each attempt is a task: one that waits for its answer holds up no other.
local function run(state, engine)
  while next(entries) do
    local list, wait = next_due()
    if list then
      task.spawn(guarded, state, list, engine)
    else
      wake = task.event()
      local _, err = wake:wait(wait or MOST_PAUSE_MS) -- without one: attempts are under way
      if err and err.code == "cancelled" then return end
    end
  end
end

--- Takes what a report left behind. `engine`: accepts, limits and execute, by which attempts are made.
---@param state table                  the engine's
---@param signal table
---@param report perigee.Report
---@param all perigee.Policies
---@param options { volume: string|nil, orders: table|nil }
---@param engine { accepts: function, limits: function, execute: function }
---@return integer taken
function retry.offer(state, signal, report, all, options, engine)
  local taken = 0
  for _, leg in ipairs(report.legs) do
    local policy = policies.of(all, leg.group or "")
    local why = policy.on_failure == "catch_up" and retry.reason(leg)
    if why and not overtaken.is(signal, leg.account) then
      put({ account = leg.account, symbol = signal.symbol, signal = signal, volume = options.volume,
        levels = options.orders and options.orders[leg.account], asked = tonumber(leg.asked),
        most = most_move(policy, leg, signal) }, leg, why)
      leg.retrying = true
      taken = taken + 1
    elseif leg.state == "ACCEPTED" or leg.state == "UNKNOWN" then
      entries[key_of(leg.account, signal.symbol)] = nil -- an older signal's: it is overtaken
    end
  end
  if taken > 0 and (not runner or runner:done()) then runner = task.spawn(run, state, engine) end
  return taken
end

--- Forgets what is of signals that are overtaken.
---@return integer count
function retry.forget()
  local count = 0
  for _, key in ipairs(sorted()) do
    if overtaken.is(entries[key].signal, entries[key].account) then
      drop(entries[key], "it is overtaken")
      count = count + 1
    end
  end
  return count
end

--- Takes one out of the queue. What it has sent already is not touched.
---@param account string
---@param symbol string
---@return boolean there
function retry.drop(account, symbol)
  local e = entries[key_of(account, symbol)]
  if e then drop(e, "taken out by hand") end
  return e ~= nil
end

--- What waits, by account and symbol.
---@return table[]
function retry.list()
  local rows, now, market = {}, clock.io_ms(), clock.market_ms()
  for i, key in ipairs(sorted()) do
    local e = entries[key]
    rows[i] = { account = e.account, symbol = e.symbol, signal_id = e.signal.id, attempt = e.attempt, reason = e.reason,
      due_in_ms = math.max(e.due_ms - now, 0), age_ms = e.signal.time_ms and market - e.signal.time_ms or 0 }
  end
  return rows
end

---@return integer
function retry.count()
  return #sorted()
end

return retry
