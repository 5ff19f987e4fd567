-- SPDX-License-Identifier: MIT
-- A throw-away PostgreSQL for a spec (tests/temp_cluster): made at the first use, gone with the program.
--
--   local temp = require "tests.lua.temp_cluster"   or  dofile "tests/lua/temp_cluster.lua"
--   local db = temp.start()         -- { conninfo =, folder = }; the same one at every call
--   db:kill() db:again() db:stop()  -- as a crash would; started again; stopped in order
--
-- These calls block: they are for specs only.

local process = require "perigee.process"
local rng = require "perigee.rng"

local temp = {}
local Cluster = {}
Cluster.__index = Cluster

local function script(verb, folder)
  local pipe = assert(io.popen(("exec bash tests/temp_cluster %s %s %d 2>&1"):format(verb, folder, process.pid())))
  local text = pipe:read("a")
  local ok = pipe:close()
  if not ok then error(("tests/temp_cluster %s: %s"):format(verb, text), 2) end
  return (text:gsub("%s+$", ""))
end

for _, verb in ipairs { "kill", "again", "stop", "remove" } do
  Cluster[verb] = function(self) return script(verb, self.folder) end
end

--- A cluster of its own; the caller removes it.
function temp.new()
  local folder = "/tmp/perigee-pg-" .. rng.token(6)
  return setmetatable({ folder = folder, conninfo = script("start", folder) }, Cluster)
end

local shared

--- The cluster that all specs of one file share.
function temp.start()
  shared = shared or temp.new()
  return shared
end

return temp
