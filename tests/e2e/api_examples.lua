-- SPDX-License-Identifier: MIT
-- The shell examples of docs/api.md as one script, and whether its tables are whole.
--   perigee lua tests/e2e/api_examples.lua script | codes
local api = require "perigee.server.api"
local fs = require "perigee.fs"

local text = assert(fs.read("docs/api.md"))
if arg[1] == "script" then
  io.stdout:write("set -eu\n")
  for block in text:gmatch("```sh\n(.-)```") do io.stdout:write(block) end
else
  local missing = {}
  for code, known in pairs(api.problems) do
    if not text:find(("| `%s` | %d |"):format(code, known.status), 1, true) then missing[#missing + 1] = code end
  end
  table.sort(missing)
  io.stdout:write(table.concat(missing, " "))
end
