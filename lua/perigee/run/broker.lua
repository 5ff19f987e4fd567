-- SPDX-License-Identifier: MIT
-- The supervisor's paper broker: one of a former life is taken over, else one is started; one that dies is started
-- again at its address.

local child = require "perigee.child"
local common = require "perigee.run.common"
local config = require "perigee.config"
local fs = require "perigee.fs"
local http = require "perigee.http"
local json = require "perigee.json"
local task = require "perigee.task"

local broker = {}

local SIGTERM, SIGKILL = 15, 9

---@class perigee.run.Broker
---@field address string
---@field pid integer
---@field child table|nil       nil: taken over
---@field source string         of the market
---@field speed string
---@field context perigee.run.Context
---@field keeper Task|nil
local Broker = {}
Broker.__index = Broker

-- A simulator of a former life that still answers, or nil.
local function adopt()
  local text = fs.read(config.get("data.dir") .. "/sim/address")
  local row = text and json.decode(text)
  if type(row) ~= "table" or not row.address or not common.holds(row.pid, "sim", "/sim/lock") then return nil end
  local answer = http.request { url = "http://" .. row.address .. "/manager/platform-details", timeout_ms = 2000 }
  if not answer or answer.status ~= 200 then return nil end
  return { address = row.address, pid = math.tointeger(row.pid), source = row.source, speed = row.speed,
    chaos = row.chaos }
end

local function arguments(address)
  local args = { "sim", "--listen", address or config.get("paper.listen"), "--data-dir", config.get("data.dir"),
    "--accounts", tostring(config.get("paper.accounts")), "--profile", config.get("paper.profile"),
    "--credentials", config.get("paper.credentials"), "--speed", config.get("market.speed") }
  common.add(args, "--model", config.get("paper.model"))
  common.add(args, "--chaos", config.get("paper.chaos"))
  common.add(args, "--control", config.get("paper.control"))
  common.add(args, "--config", config.file())
  common.add(args, "--tape", config.get("market.tape"))
  common.add(args, "--seed", config.get("market.seed"))
  return args
end

local function start(self, address)
  local handle, err = child.spawn { file = common.program(), args = arguments(address) }
  if not handle then return nil, err end
  self.starting = handle
  local line = handle:line(60000)
  self.starting = nil
  local row = line and json.decode(line)
  if type(row) ~= "table" then
    local code = handle:wait(1000)
    if not code then handle:kill(SIGKILL) end
    return common.fail("unreachable", "the paper broker did not start; see its message above", code ~= 0 and code or 4)
  end
  self.address, self.pid, self.child = row.address, handle:pid(), handle
  self.source, self.speed = row.source, row.speed
  return true
end

-- What was asked for on this run must be what the adopted simulator is.
local function check_adopted(context, sim)
  if tostring(sim.speed) ~= tostring(config.get("market.speed")) then
    context.say(("note: the paper broker that runs already goes at speed %s"):format(sim.speed))
  end
  if (sim.chaos or "calm") ~= config.get("paper.chaos") then
    context.say(("note: the paper broker that runs already has the day %s"):format(sim.chaos or "calm"))
  end
  local seed, tape = config.get("market.seed"), config.get("market.tape")
  local wanted = seed and "generator, seed " .. seed or tape and "tape " .. tape:match("[^/]*$")
  if wanted and wanted ~= sim.source then
    return common.fail("input", ("the paper broker of %s runs already on another market (%s); stop it or use another "
      .. "--data-dir"):format(config.get("data.dir"), sim.source))
  end
  return true
end

-- A paper broker that died is started again at its address, where the engine looks for it.
local function keep(self)
  local context = self.context
  while not context.stopping do
    if self.child then
      self.child:wait()
    else
      while common.holds(self.pid, "sim", "/sim/lock") and not context.stopping do task.sleep(500, "io") end
    end
    if context.stopping then return end
    context.say("paper broker    died; it is started again")
    local ok, err = start(self, self.address)
    if not ok then
      context.say("paper broker    " .. err.message)
      task.sleep(1000, "io")
    end
  end
end

---@param context perigee.run.Context
---@return perigee.run.Broker
function broker.new(context) return setmetatable({ context = context }, Broker) end

--- Takes over the broker that runs, or starts one, and watches over it from then on.
---@return true|nil, table|nil err
function Broker:find()
  local say, sim = self.context.say, adopt()
  if sim then
    local ok, err = check_adopted(self.context, sim)
    if not ok then return nil, err end
    self.address, self.pid, self.source, self.speed = sim.address, sim.pid, sim.source, sim.speed
    say(("paper broker    found at %s (pid %d), %s"):format(sim.address, sim.pid, sim.source))
  else
    local ok, err = start(self)
    if not ok then return nil, err end
    say(("paper broker    http://%s (pid %d), %s, speed %s"):format(self.address, self.pid, self.source, self.speed))
  end
  self.keeper = task.spawn(keep, self)
  return true
end

--- Ends a start that is under way.
function Broker:hurry()
  if self.starting then self.starting:kill(SIGTERM) end
end

--- The broker saves its book and ends.
function Broker:stop()
  if not self.keeper then return end
  self.keeper:cancel()
  self.keeper:join()
  if self.child then
    self.child:kill(SIGTERM)
    if not self.child:wait(5000) then self.child:kill(SIGKILL) end
    return
  end
  -- The number of one that was taken over may be another process's by now.
  if not common.holds(self.pid, "sim", "/sim/lock") then return end
  child.kill(self.pid, SIGTERM)
  for _ = 1, 100 do
    if not child.alive(self.pid) then return end
    task.sleep(50, "io")
  end
end

return broker
