-- SPDX-License-Identifier: MIT
-- Tasks that wait for a condition to change: wake() ends the wait of all that wait now, each looks again.

local task = require "perigee.task"

---@class perigee.Waiters
local Waiters = {}
Waiters.__index = Waiters

local waiters = {}

---@return perigee.Waiters
function waiters.new()
  return setmetatable({ list = {} }, Waiters)
end

--- Waits for the next wake(). Yields.
---@param timeout_ms number|nil
---@return true|nil, table|nil err  "timeout", "cancelled"
function Waiters:wait(timeout_ms)
  local mine = task.event()
  self.list[mine] = true
  local ok, err = mine:wait(timeout_ms)
  self.list[mine] = nil
  if not ok then return nil, err end
  return true
end

--- Wakes all. The order has no effect: each runs in its own turn and looks at the condition again.
function Waiters:wake()
  for event in pairs(self.list) do event:set(true) end
end

return waiters
