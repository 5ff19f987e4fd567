-- SPDX-License-Identifier: MIT
-- The rows of the paper broker's own ledger, for those who hold a journal against it: dofile(...).read(DATA).

local fs = require "perigee.fs"

local ledger_rows = {}

--- Rows by their columns' names, in order; a last line that is half written is left out.
---@param data string  folder of the broker's data
---@return table<string, string>[]
function ledger_rows.read(data)
  local rows, names = {}, nil
  for line in assert(fs.read(data .. "/sim/ledger.csv", 1 << 30)):gmatch("([^\n]+)\n") do
    local fields = {}
    for field in (line .. ","):gmatch("([^,]*),") do fields[#fields + 1] = field end
    if names then
      local row = {}
      for i, name in ipairs(names) do row[name] = fields[i] end
      rows[#rows + 1] = row
    else
      names = fields
    end
  end
  return rows
end

return ledger_rows
