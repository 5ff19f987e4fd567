---@meta perigee.journal
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

local journal = {}

---Iterates over decoded events; raises on damage; closed when the loop ends.
---@param folder string
---@param from integer|nil sequence number
---@return fun(): perigee.Event|nil
function journal.events(folder, from) end

---A reader that can be asked again when more has been written; raises on damage.
---@class perigee.JournalFollower
local F = {}
---@return perigee.Event|nil  nil: no more for now
function F:next() end
function F:close() end

---@param folder string
---@param from integer|nil sequence number
---@return perigee.JournalFollower|nil
---@return perigee.Err|nil
function journal.follow(folder, from) end

---@param folder string
---@return { first: integer, last: integer, events: integer, segments: integer, cut_bytes: integer, cut_file: string|nil }|nil
---@return perigee.Err|nil
function journal.verify(folder) end

return journal
