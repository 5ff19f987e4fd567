-- SPDX-License-Identifier: MIT
-- The engine's half of a fault run: the shipped policy with two modules exchanged. The reference feed is the
-- simulator's own quote, each second, instead of a WebSocket; engine.sock's place is taken by the keeper, whose
-- commands come the way of an operator's.

local boot = require "perigee.boot"
local clock = require "perigee.clock"
local core = require "perigee.simtest.core"
local json = require "perigee.json"
local log = require "perigee.log"
local market = require "perigee.market"
local process = require "perigee.process"
local task = require "perigee.task"

local inside = {}

local SECOND = 1000

-- ---- the feed ------------------------------------------------------------------------------------

local Feed = {}
Feed.__index = Feed

local reference = {}

local function hear(self)
  local ms, bid, ask = core.quote()
  if not ms or ms <= (self.reached or 0) then return false end
  local price = (bid + ask) / 2
  market.quote(self.symbol, ms, bid, ask)
  market.print(self.symbol, ms, price, 1, 1, "modelled")
  market.advance(ms)
  self.reached, self.heard = ms, clock.io_ms()
  return true
end

function reference.connect()
  if not core.quote() then
    return nil, { code = "unreachable", message = "there is no quote yet", source = "simtest", retry = "safe" }
  end
  local self = setmetatable({ granted = false }, Feed)
  self.hello = { symbol = "BTCUSD", point = 0.1, now = clock.market_ms(), speed = 1, prices = "modelled",
    side = "modelled", depth = "modelled", source = "simtest", ended = false }
  self.symbol = market.symbol_add(self.hello.symbol, self.hello.point)
  hear(self)
  return self
end

function Feed.set_clock() end -- virtual time is the run's

function Feed.warm() return 0 end

function Feed.catch_up() return 0 end

function Feed:run()
  while task.sleep(SECOND, "market") do hear(self) end
  return nil, { code = "cancelled", message = "cancelled", source = "simtest", retry = "no" }
end

function Feed.close() end

-- ---- the socket ----------------------------------------------------------------------------------

local on_command

local wire = {
  on_command = function(fn) on_command = fn end,
  reply = function() end,
  state = function() end,
  subscribers = function() return 0 end,
  listeners = function() return 0 end,
}

-- ---- from outside --------------------------------------------------------------------------------

local state -- the engine's, once it takes commands

-- A signal as a strategy gives it: of the newest price, with percents for stop and target.
local function strategy_signal(c)
  local feed = state.feed
  local bid, ask = nil, nil
  if feed and feed.symbol then bid, ask = market.last_quote(feed.symbol) end
  if not bid then return end
  local long = c.direction ~= "SHORT"
  local price, side = long and ask or bid, long and 1 or -1
  local function level(percent) return math.floor(price * (1 + percent / 100) * 10 + 0.5) / 10 end
  local action = c.direction == "CLOSE" and "CLOSE" or long and "OPEN_LONG" or "OPEN_SHORT"
  require "perigee.signals".take(state, { strategy = "drawn", name = "drawn", version = "1", hash = "",
    symbol = "BTCUSD", action = action, price = price,
    stop = c.stop and level(-side * c.stop), target = c.target and level(side * c.target), confidence = 1, strength = 1,
    reason = "drawn", conditions = "[]", plan = json.object { { "holding_seconds", json.number(c.holding_s or 600) } },
    holding_ms = (c.holding_s or 600) * SECOND, time_ms = clock.market_ms() })
end

--- Gives the engine a signal or an operator's command, as JSON; before the engine takes commands it is lost, as on a
--- socket that nobody listens at.
---@param text string
function inside.command(text)
  if not on_command or not state or not state.fleet or not state.fleet.running then return end
  local c = json.decode(text)
  if c.strategy then strategy_signal(c.strategy) else on_command(0, text) end
end

--- Starts the engine as its process does.
function inside.start()
  package.loaded["perigee.feeds.reference"] = reference
  package.loaded["perigee.wire"] = wire
  local commands = require "perigee.commands"
  local register = commands.register
  commands.register = function(s, engine)
    state = s
    return register(s, engine)
  end
  -- As perigee.boot does it, but for the screen.
  local ok, result, err = xpcall(require "perigee.engine".start, debug.traceback)
  if not ok then
    log.error("engine", result)
    process.stop("error", 1)
  elseif result == nil and err ~= nil then
    log.warn("engine", "it does not start: " .. tostring(err.message))
    process.stop("error", boot.exit_code(err))
  end
end

return inside
