-- SPDX-License-Identifier: MIT
-- How a process's Lua begins and ends: errors become one sentence and a documented exit code.

local process = require "perigee.process"
local log = require "perigee.log"

local boot = {}

local exit_codes = { usage = 2, input = 3, exists = 3, notfound = 3, unreachable = 4, limit = 5 }

--- The documented exit code of an error object.
---@param err any
---@return integer
function boot.exit_code(err)
  return type(err) == "table" and (err.exit or exit_codes[err.code]) or 1
end

local function fail(err)
  io.stderr:write("perigee: ", type(err) == "table" and err.message or tostring(err), "\n")
  process.stop("error", boot.exit_code(err))
end

--- Runs `start` of a process's module as its main task. It may return nil, err.
---@param name string
function boot.start(name, ...)
  local module = require(name)
  local ok, result, err = xpcall(module.start, function(e)
    return type(e) == "table" and e or debug.traceback(e, 2)
  end, ...)
  if not ok then
    fail(result)
  elseif result == nil and err ~= nil then
    fail(err)
  end
end

--- Asks a process's module to stop in order.
---@param name string
---@param reason string
function boot.stop(name, reason)
  local ok, why = pcall(require(name).stop, reason)
  if not ok then
    log.error("boot", "the orderly stop failed: " .. tostring(why))
    process.stop(reason, 1)
  end
end

return boot
