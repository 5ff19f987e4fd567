-- SPDX-License-Identifier: MIT
-- The whole of what an operator sees, as of one moment: the fold of the journal up to and including `seq`, and
-- beside it what is not folded (marks, quotes, bars). Built without a yield, after a commit.

local clock = require "perigee.clock"
local config = require "perigee.config"
local event = require "perigee.event"
local exec = require "perigee.exec"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local memory = require "perigee.memory"
local process = require "perigee.process"
local rows = require "perigee.rows"

local snapshot = {}

local NEWEST_ORDERS = 200

local function each(list, fn)
  local out = json.array()
  for _, item in ipairs(list) do out[#out + 1] = fn(item) end
  return out
end

local function users_of(state) return state.fleet and state.fleet.users or {} end

function snapshot.users(state) return each(users_of(state), rows.user) end

function snapshot.sessions(state) return each(users_of(state), rows.session) end

function snapshot.accounts(state)
  local out, active = json.array(), {}
  for _, id in ipairs(state.fleet and state.fleet:active() or {}) do active[id] = true end
  for _, user in ipairs(users_of(state)) do
    for _, id in ipairs(user.ids) do out[#out + 1] = rows.account(id, user, active[id] == true) end
  end
  return out
end

--- Open positions of the accounts that are known.
function snapshot.positions(state)
  local fleet = state.fleet
  return each(fleet and ledger.positions() or {}, function(p)
    local user = fleet:owner(p.account)
    return user and rows.position(p, user)
  end)
end

--- Orders that are not final, and the newest 200.
function snapshot.orders(state)
  local fleet = state.fleet
  return each(ledger.orders(NEWEST_ORDERS), function(o)
    return rows.order(o, fleet and fleet:owner(o.account))
  end)
end

function snapshot.signals()
  return each(memory.signals(), rows.signal)
end

local function strategies(state)
  return each(state.strategies, function(handle)
    local info = handle:info()
    return { instance = info.instance, version = info.version, hash = info.hash, symbol = info.symbol,
      running = info.running }
  end)
end

--- "connected", "lost" or "ended".
function snapshot.feed_state(state)
  local feed = state.feed
  return feed and feed.ended and "ended" or state.feed_up and "connected" or "lost"
end

---@param state table  the engine's
function snapshot.take(state)
  event.commit()
  local hello = state.feed and state.feed.hello or {}
  local venue = state.venue or ""
  return {
    seq = event.seq(),
    engine = { pid = process.pid(), version = process.version(), mode = "paper", clock = clock.mode(),
      speed = hello.speed or json.null, config_hash = config.hash(), started_wall_ms = state.started_wall_ms },
    market = { time_ms = rows.market_time(state), symbol = hello.symbol or json.null,
      source = hello.source or json.null, feed = snapshot.feed_state(state) },
    entries_stopped = exec.entries_stopped(),
    trading_enabled = config.get("risk.trading_enabled"),
    in_flight = exec.in_flight(),
    users = snapshot.users(state),
    sessions = snapshot.sessions(state),
    accounts = snapshot.accounts(state),
    positions = snapshot.positions(state),
    orders = snapshot.orders(state),
    instruments = each(ledger.instruments(venue), rows.instrument),
    strategies = strategies(state),
    signals = snapshot.signals(),
    rates = rows.rates(state),
    quotes = rows.quotes(state),
  }
end

return snapshot
