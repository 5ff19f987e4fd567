---@meta perigee.journal
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

local journal = {}

---Iterates over decoded events; raises on damage; closed when the loop ends.
---@param folder string
---@param from integer|nil sequence number
---@return fun(): perigee.Event|nil
function journal.events(folder, from) end

---@param folder string
---@return { first: integer, last: integer, events: integer, segments: integer, cut_bytes: integer, cut_file: string|nil }|nil
---@return perigee.Err|nil
function journal.verify(folder) end

return journal
