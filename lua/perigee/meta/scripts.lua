---@meta perigee.scripts
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

---@class perigee.Signal
---@field strategy string instance
---@field name string
---@field version string
---@field hash string
---@field symbol string
---@field action "OPEN_LONG"|"OPEN_SHORT"|"CLOSE"
---@field price number|nil
---@field stop number|nil
---@field target number|nil
---@field confidence number
---@field strength number
---@field reason string
---@field holding_ms integer 0: none
---@field time_ms integer       market ms of what it was decided on
---@field conditions string JSON array
---@field plan string JSON object

---@class perigee.ScriptConfig
---@field path string
---@field instance string
---@field symbol string
---@field params table<string, any>|string|nil
---@field library string|nil
---@field memory_limit integer|nil bytes
---@field soft_ms integer|nil a handler that takes longer is told to the log; default 5
---@field hard_ms integer|nil a handler that uses more of the processor is stopped; default 50; not in virtual time

---@class perigee.Script
local H = {}
function H:unload() end
---@class perigee.ScriptInfo
---@field instance string
---@field name string
---@field version string
---@field hash string
---@field symbol string
---@field running boolean
---@field params string      JSON
---@field calls integer      of its handlers; 0 in virtual time, like what follows
---@field slow integer       of them, longer than soft_ms
---@field total_us integer
---@field worst_us integer

---@return perigee.ScriptInfo
function H:info() end

local scripts = {}

---@param config perigee.ScriptConfig
---@return perigee.Script|nil, perigee.Err|nil
function scripts.load(config) end
---@param config perigee.ScriptConfig
---@return true|nil, perigee.Err|nil
function scripts.check(config) end
---@param fn fun(signal: perigee.Signal) runs as a new task
function scripts.on_signal(fn) end
---@param fn fun(instance: string, why: string, traceback: string) runs as a new task
function scripts.on_stop(fn) end
---@return table[]
function scripts.list() end

return scripts
