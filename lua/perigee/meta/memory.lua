---@meta perigee.memory
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

local memory = {}

---The newest value of a policy_state event.
---@param name string
---@return string|nil json
function memory.get(name) end

---The newest 20 signals as journal frames, newest first; outcome: signal_refused or batch_done, when there was one.
---@return { signal: string, outcome: string|nil }[]
function memory.signals() end

return memory
