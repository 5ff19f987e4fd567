-- SPDX-License-Identifier: MIT
-- The strategies that a configuration names: where each is, what it trades, and whether it is sound.

local config = require "perigee.config"
local fs = require "perigee.fs"
local process = require "perigee.process"
local scripts = require "perigee.scripts"

local lineup = {}

---@class perigee.LineupEntry
---@field path string
---@field instance string
---@field symbol string       canonical
---@field params table|nil
---@field library string      folder of the sandbox's require
---@field soft_ms integer     of one handler, by the wall
---@field hard_ms integer     of one handler, of the processor

--- One entry for each strategy; a path that is not there from the current folder is looked for in the program's own.
---@return perigee.LineupEntry[]
function lineup.list()
  local list, home = config.get("strategy.list") or { { file = config.get("strategy.file") } }, process.home()
  local out = {}
  for i, entry in ipairs(list) do
    local path = entry.file or config.get("strategy.file")
    if not fs.exists(path) and fs.exists(home .. "/" .. path) then path = home .. "/" .. path end
    out[i] = { path = path, symbol = entry.symbol or config.get("market.symbol"), params = entry.params,
      instance = entry.name or path:match("([^/]+)%.lua$") or path, library = home .. "/lua/perigee/strategy",
      soft_ms = config.get("strategy.soft_ms"), hard_ms = config.get("strategy.hard_ms") }
  end
  return out
end

--- Compiles and checks all of them without starting one.
---@param list perigee.LineupEntry[]
---@return true|nil, table|nil err
function lineup.check(list)
  local names = {}
  for _, entry in ipairs(list) do
    if names[entry.instance] then
      return nil, { code = "input", source = "lineup", retry = "no",
        message = ("two strategies are called %s; give each a name of its own"):format(entry.instance) }
    end
    names[entry.instance] = true
    local ok, err = scripts.check(entry)
    if not ok then return nil, { code = "input", message = err.message, source = "lineup", retry = "no" } end
  end
  return true
end

return lineup
