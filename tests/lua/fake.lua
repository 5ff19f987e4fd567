-- SPDX-License-Identifier: MIT
-- Puts tables in place of modules while a module under test is loaded, and takes them away again.

local fake = {}

--- Loads `name` anew with `modules` in place of the real ones. Returns the module and a function that undoes it.
---@param name string
---@param modules table<string, table>
function fake.load(name, modules)
  local saved = { [name] = package.loaded[name] }
  for key, value in pairs(modules) do
    saved[key] = package.loaded[key] or false
    package.loaded[key] = value
  end
  package.loaded[name] = nil
  local module = require(name)
  return module, function()
    for key, value in pairs(saved) do package.loaded[key] = value or nil end
    package.loaded[name] = saved[name]
  end
end

return fake
