---@meta perigee.ta
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

---@class perigee.TaInfo
---@field name string
---@field title string
---@field group string
---@field inputs string[]
---@field options { name: string, text: string, min: number, max: number, default: number, integer: boolean }[]
---@field outputs string[]

---@class perigee.TaStream
local stream = {}

---@param ... number one value for each input
---@return number|nil ... outputs; nil while warming
function stream:update(...) end

function stream:reset() end

local ta = {}

---@return string[]
function ta.list() end

---@param name string
---@return perigee.TaInfo
function ta.info(name) end

---@param name string
---@param options table<string, number>|nil
---@param inputs number[][]
---@return number[][] outputs
---@return integer start output i belongs to input i + start
function ta.run(name, options, inputs) end

---@param name string
---@param options table<string, number>|nil
---@return perigee.TaStream
function ta.stream(name, options) end

return ta
