-- SPDX-License-Identifier: MIT
-- What moves too often for the journal, told to whoever listens on engine.sock: health, quotes, marks, the bar that
-- forms. Each is sent at most every 250 ms of io time and only when it differs (perigee.wire compares); with nobody
-- listening nothing is built. Marks of very many accounts slow down, so that they never take more than a twentieth
-- of the loop.

local clock = require "perigee.clock"
local exec = require "perigee.exec"
local fs = require "perigee.fs"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local retry = require "perigee.orchestrate.retry"
local rows = require "perigee.rows"
local snapshot = require "perigee.snapshot"
local task = require "perigee.task"
local wire = require "perigee.wire"

local state_feed = {}

local PERIOD = 250        -- io ms
local HEALTH = 1000       -- io ms
local STALE_BROKER = 5000 -- io ms without a quote of the broker
local PAGE_KIB = 4
local MARKS_SHARE = 20

local function age(since)
  return since and math.max(clock.io_ms() - since, 0) or json.null
end

local function sessions_open(state)
  local count = 0
  for _, user in ipairs(state.fleet and state.fleet.users or {}) do count = count + (user.session.open and 1 or 0) end
  return count
end

local function strategies_running(state)
  local count = 0
  for _, handle in ipairs(state.strategies) do count = count + (handle:info().running and 1 or 0) end
  return count
end

local function resident_kib()
  local pages = (fs.read("/proc/self/statm") or ""):match("^%d+ (%d+)")
  return pages and math.tointeger(tonumber(pages)) * PAGE_KIB or json.null
end

-- What makes a health text worth sending before its second is over.
local function heart(state)
  local broker_age = age(state.marked_io)
  return { kind = "health", feed = { state = snapshot.feed_state(state) },
    broker = { state = broker_age ~= json.null and broker_age <= STALE_BROKER and "ok" or "stale" },
    entries_stopped = exec.entries_stopped(), sessions_open = sessions_open(state),
    accounts_active = state.fleet and #state.fleet:active() or 0, strategies_running = strategies_running(state) }
end

local function health(self, state)
  local now, beat = clock.io_ms(), heart(state)
  local text = json.encode(beat)
  if text == self.heart and now < self.health_due then return end
  self.heart, self.health_due = text, now + HEALTH
  beat.wall_ms, beat.market_ms = clock.wall_ms(), rows.market_time(state)
  beat.feed.age_ms, beat.broker.age_ms = age(state.feed and state.feed.heard), age(state.marked_io)
  beat.in_flight, beat.retrying, beat.rss_kib = exec.in_flight(), retry.count(), resident_kib()
  wire.state("health", json.encode(beat))
end

local function marks(self, state)
  local begun = clock.io_ns()
  if begun < self.marks_due then return end
  local positions, accounts = ledger.marks()
  wire.state("marks", json.object { { "kind", json.string("marks") }, { "positions", positions },
    { "accounts", accounts }, { "rates", json.encode(rows.rates(state)) } })
  local now = clock.io_ns()
  self.marks_due = now + (now - begun) * MARKS_SHARE
end

local function forming(state)
  local feed = state.feed
  local bar = feed and feed.symbol and rows.forming(feed.symbol, "1m")
  if not bar or bar == json.null then return end
  wire.state("bar", json.encode { kind = "bar", symbol = feed.hello.symbol, timeframe = "1m", bar = bar })
end

--- One round: what has changed goes out. Does not yield.
---@param self { health_due: integer, marks_due: integer, heart: string|nil }
---@param state table  the engine's
function state_feed.tell(self, state)
  health(self, state)
  wire.state("quotes", json.encode { kind = "quotes", quotes = rows.quotes(state) })
  marks(self, state)
  forming(state)
end

--- Tells until cancelled. A task of its own.
---@param state table  the engine's
function state_feed.run(state)
  local self = { health_due = 0, marks_due = 0 }
  while task.sleep(PERIOD, "io") do
    if wire.listeners() > 0 then state_feed.tell(self, state) else self.health_due, self.heart = 0, nil end
  end
end

return state_feed
