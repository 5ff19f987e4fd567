-- SPDX-License-Identifier: MIT
-- The supervisor's PostgreSQL: the private cluster of the data folder, started or found running, and started again
-- when it dies. Nothing that trades waits for it. A database that the configuration names is somebody else's: it is
-- neither started nor stopped here.

local clock = require "perigee.clock"
local cluster = require "perigee.store.cluster"
local common = require "perigee.run.common"
local config = require "perigee.config"
local task = require "perigee.task"

local database = {}

local LOOK_MS = 500                              -- how often the server is looked after
local FIRST_PAUSE_MS, LAST_PAUSE_MS = 1000, 60000 -- before a start that failed is tried again
local START_MS, STOP_MS = 20000, 40000           -- that a start or a stop may take before it is left
local MOST_DEATHS = 6

---@class perigee.run.Database
---@field context perigee.run.Context
---@field external boolean      the configuration names one
---@field ready table           event: set once there was a server to connect to
---@field socket string|nil     folder of the private cluster's socket
---@field starting boolean|nil  the server is being started
---@field keeper Task|nil
---@field server table|nil      what cluster.start has given; nil: none runs
local Database = {}
Database.__index = Database

---@param context perigee.run.Context
---@param options { look_ms: integer?, pause_ms: integer? }|nil   for tests
---@return perigee.run.Database
function database.new(context, options)
  options = options or {}
  local named = config.get("database.url") or config.get("database.host")
  local self = setmetatable({ context = context, external = named ~= nil and named ~= "", ready = task.event(),
    look_ms = options.look_ms or LOOK_MS, pause_ms = options.pause_ms or FIRST_PAUSE_MS,
    deaths = common.deaths(MOST_DEATHS) }, Database)
  if self.external then self.ready:set() end
  return self
end

-- One life of the server: until it dies or all is stopped. True: it was there.
local function live(self)
  local context = self.context
  self.starting = true
  local server, err = cluster.start { data = config.get("data.dir"), say = context.say }
  self.starting = false
  if not server then return nil, err end
  self.server, self.socket = server, server.socket
  context.say(("database        PostgreSQL %s (pid %d), socket in %s"):format(server.adopted and "found" or "started",
    server.pid, server.socket))
  self.ready:set()
  while not context.stopping and server:alive() do
    if not task.sleep(self.look_ms, "io") then break end
  end
  return true
end

-- Keeps the server running until all is stopped or it was given up.
local function keep(self)
  local context, pause, told = self.context, self.pause_ms, false
  while not context.stopping do
    local lived, err = live(self)
    if context.stopping then return end
    if not lived then
      if not told then context.say(("database        %s; trading goes on without history"):format(err.message)) end
      told = true
      task.sleep(pause, "io")
      pause = math.min(2 * pause, LAST_PAUSE_MS)
    else
      self.server, pause, told = nil, self.pause_ms, false
      if self.deaths:add() then
        context.say(("database        died %d times within a minute and is left alone; trading goes on, the history "
          .. "is written when it runs again"):format(MOST_DEATHS))
        return
      end
      context.say("database        died; it is started again")
    end
  end
end

--- Starts it in the background and watches over it from then on.
function Database:begin()
  if not self.external then self.keeper = task.spawn(keep, self) end
end

--- Fast shutdown. A start that is under way is waited for: half a cluster helps nobody.
function Database:stop()
  local keeper = self.keeper
  if not keeper then return end
  local until_ms = clock.io_ms() + START_MS
  while self.starting and clock.io_ms() < until_ms do task.sleep(50, "io") end
  keeper:cancel()
  keeper:join()
  local server = self.server
  if not server then return end
  self.server = nil
  local ok, err = task.timeout(STOP_MS, server.stop, server)
  if ok == nil and err then self.context.say("database        " .. err.message) end
end

return database
