---@meta perigee.event
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

---@class perigee.Event
---@field seq integer
---@field kind string
---@field market_ms integer
---@field wall_us integer
---@field [string] any fields of its kind; u64, i64, time: integer; decimal: string; json: its text

---@class perigee.EventInfo
---@field number integer
---@field name string
---@field text string
---@field fields { name: string, type: string, text: string }[]

local event = {}

---Writes an event; raises on an unknown kind or field, a wrong type, a broken journal.
---@param kind string
---@param fields table<string, any>|nil
---@return integer seq, integer market_ms its stamp
function event.emit(kind, fields) end

function event.commit() end

---@return integer
function event.seq() end

---@param frame string
---@return perigee.Event|nil, perigee.Err|nil
function event.decode(frame) end

---@param ev table kind and fields, seq, market_ms, wall_us
---@return string frame
function event.encode(ev) end

---@param frame string
---@return string|nil, perigee.Err|nil
function event.json(frame) end

---@return perigee.EventInfo[]
function event.kinds() end

---fn is called after the commit of each event; it cannot yield; its errors are logged. The table is
---shared by all subscribers: do not change it.
---@param fn fun(ev: perigee.Event)
---@return fun() unsubscribe
function event.subscribe(fn) end

return event
