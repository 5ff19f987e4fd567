-- SPDX-License-Identifier: MIT
-- Prints the bars and signals of a journal, market stamp and fields, for comparing two runs: sequence.lua DATA

local journal = require "perigee.journal"

local wanted = { bar = true, signal = true }
for e in journal.events((...) .. "/journal") do
  if wanted[e.kind] then
    local names = {}
    for name in pairs(e) do
      if name ~= "seq" and name ~= "wall_us" then names[#names + 1] = name end
    end
    table.sort(names)
    for i, name in ipairs(names) do names[i] = name .. "=" .. tostring(e[name]) end
    io.stdout:write(table.concat(names, " "), "\n")
  end
end
