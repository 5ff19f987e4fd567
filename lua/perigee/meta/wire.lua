---@meta perigee.wire
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

local wire = {}

---fn runs as a task for each command; it answers by wire.reply.
---@param fn fun(client: integer, text: string)
function wire.on_command(fn) end

---@param client integer
---@param text string
---@return boolean sent false: the client has gone
function wire.reply(client, text) end

---Keeps the newest text of a kind and sends it to every subscriber that has caught up, when it differs from the
---kept one. Raises on more than 32 kinds.
---@param kind string up to 31 bytes
---@param text string
function wire.state(kind, text) end

---@return integer
function wire.subscribers() end

---Subscribers that want states.
---@return integer
function wire.listeners() end

return wire
