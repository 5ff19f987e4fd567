---@meta perigee.terminal
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

local terminal = {}

---Is there a person to ask?
---@return boolean
function terminal.interactive() end
---Blocks the process. Errors: "cancelled" (Ctrl-C, end of input), "input" (no terminal, too long).
---@param prompt string
---@param echo boolean  false: for secrets
---@return string|nil text, perigee.Err|nil
function terminal.ask(prompt, echo) end

return terminal
