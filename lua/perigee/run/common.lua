-- SPDX-License-Identifier: MIT
-- What the parts of the supervisor share.

local child = require "perigee.child"
local clock = require "perigee.clock"
local config = require "perigee.config"
local fs = require "perigee.fs"
local task = require "perigee.task"

local common = {}

local WINDOW_MS = 60000
local FORMER_MS = 15000

--- The supervisor's state, as far as its parts need it.
---@class perigee.run.Context
---@field stopping string|nil   why everything ends; nil: it goes on
---@field say fun(text: string) prints a line

function common.fail(code, message, exit)
  return nil, { code = code, message = message, source = "run", retry = "no", exit = exit }
end

--- This program's file.
function common.program() return fs.realpath("/proc/self/exe") end

--- Adds an option to arguments when it has a value.
---@param args string[]
---@param option string
---@param value any
function common.add(args, option, value)
  if value ~= nil then
    args[#args + 1] = option
    args[#args + 1] = tostring(value)
  end
end

-- Is a process the one that holds a lock of this data folder, and of the verb that it should be? A number in a
-- file alone may belong to anybody by now.
function common.holds(pid, verb, lock)
  pid = math.tointeger(tonumber(pid))
  local holder = math.tointeger(tonumber(fs.read(config.get("data.dir") .. lock) or ""))
  if not pid or pid <= 1 or pid ~= holder or not child.alive(pid) then return false end
  local line = fs.read(("/proc/%d/cmdline"):format(pid))
  return line ~= nil and line:find("\0" .. verb .. "\0", 1, true) ~= nil
end

--- The process of a former life that still holds a lock, or nil.
---@param verb string
---@param lock string   below the data folder
---@return integer|nil pid
function common.former(verb, lock)
  local pid = math.tointeger(tonumber(fs.read(config.get("data.dir") .. lock) or ""))
  return common.holds(pid, verb, lock) and pid or nil
end

--- When a supervisor was killed its children end in order, which may take some seconds. Waits for one of them.
---@param context perigee.run.Context
---@param verb string
---@param lock string
---@return integer|nil pid   that has not ended in time
function common.await_former(context, verb, lock)
  local until_ms, told = clock.io_ms() + FORMER_MS, false
  while not context.stopping do
    local pid = common.former(verb, lock)
    if not pid then return nil end
    if clock.io_ms() >= until_ms then return pid end
    if not told then
      context.say(("%-15s a former one (pid %d) has not ended yet; waiting for it"):format(verb, pid))
    end
    told = true
    task.sleep(50, "io")
  end
end

---@class perigee.run.Deaths
---@field most integer
---@field times integer[]   io ms of those within the window
local Deaths = {}
Deaths.__index = Deaths

--- Counts deaths within a minute.
---@param most integer   so many are too many
function common.deaths(most) return setmetatable({ most = most, times = {} }, Deaths) end

--- One more. True: that is one too many.
function Deaths:add()
  local now, kept = clock.io_ms(), {}
  for _, at in ipairs(self.times) do
    if now - at < WINDOW_MS then kept[#kept + 1] = at end
  end
  kept[#kept + 1] = now
  self.times = kept
  return #kept >= self.most
end

--- How a process ended, in words.
function common.how(code, signal)
  return signal ~= 0 and "signal " .. signal or "code " .. code
end

return common
