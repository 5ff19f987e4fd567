-- SPDX-License-Identifier: MIT
-- The file of the paper broker's settings: a JSON object of what perigee.SimModel names (docs/simulator.md, "The
-- model's settings"). What is in it is checked by perigee.sim, as a whole.

local fs = require "perigee.fs"
local json = require "perigee.json"

local model = {}

--- Reads a file of settings.
---@param path string|nil nil: none, the settings stay as they are
---@return perigee.SimModel|nil settings, perigee.Err|nil err
function model.read(path)
  if not path then return nil end
  local text, err = fs.read(path)
  if not text then return nil, err end
  local settings, why = json.decode(text)
  if type(settings) == "table" and settings[1] == nil then return settings end
  return nil, { code = "input", source = "sim", retry = "no",
    message = ("%s: not a JSON object of settings%s"):format(path, why and ": " .. tostring(why) or "") }
end

return model
