---@meta perigee.exec
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

---The one table that is refilled for each call: do not keep it.
---@class perigee.CodecOrder
---@field id integer
---@field op "open"|"close"|"close_partial"|"edit"
---@field symbol string
---@field side "BUY"|"SELL"
---@field volume string
---@field price string
---@field stop string "0": none
---@field target string "0": none
---@field position string|nil
---@field volume_digits integer
---@field price_digits integer

---@class perigee.CodecAnswer
---@field status integer
---@field body string
---@field header fun(name: string): string|nil only while it is decoded

---@class perigee.Verdict
---@field kind "accepted"|"rejected"|"unknown"
---@field broker_id string|nil
---@field code string|nil
---@field reason string|nil
---@field retry_after_ms integer|nil

---@class perigee.RiskLeg
---@field account string
---@field canonical string
---@field symbol string
---@field side "BUY"|"SELL"
---@field volume string
---@field price string
---@field stop string "0": none
---@field target string "0": none
---@field signal integer

---@class perigee.Report
---@field batch integer
---@field signal integer
---@field legs { account: string, order: integer|nil, state: string, refused: boolean, rule: string|nil, reason: string|nil, broker_id: string|nil, volume: string, queued_us: integer|nil, sent_us: integer|nil, answered_us: integer|nil }[]
---@field refused integer
---@field sent integer
---@field accepted integer
---@field rejected integer
---@field unknown integer
---@field not_sent integer
---@field volume string
---@field skew_us integer
---@field elapsed_us integer

---@class perigee.Batch
local B = {}
---@param leg { account: string, canonical: string, side: string, volume: any, price: any, stop: any, target: any, holding_ms: integer|nil, plan: string|nil }
---@return true|nil, perigee.Err|nil
function B:add(leg) end
---Yields until the settle policy is met.
---@return perigee.Report|nil, perigee.Err|nil
function B:submit() end
function B:close() end

local exec = {}

---@param codec { encode: (fun(broker: string, order: perigee.CodecOrder): string, string, string|nil), decode: fun(broker: string, order: perigee.CodecOrder, answer: perigee.CodecAnswer): perigee.Verdict }
function exec.codec(codec) end
---@param fn fun(leg: perigee.RiskLeg): boolean, string|nil, string|nil
function exec.risk(fn) end
---@param account string
---@param session { broker: string, origin: string, prefix: string|nil, headers: string|string[][]|nil, answer_timeout_ms: integer|nil }|nil
---@return true|nil, perigee.Err|nil
function exec.session(account, session) end
---@param options { signal: integer|nil, settle: "all"|"first"|"deadline"|nil, deadline_ms: integer|nil }
---@return perigee.Batch|nil, perigee.Err|nil
function exec.batch(options) end
---@param account string
---@param position string
---@param reason string
---@param volume any nil: all
---@return true|nil, perigee.Err|nil
function exec.close(account, position, reason, volume) end
---Yields. nil or 0 clears.
---@return string|nil state, string|perigee.Err reason
function exec.edit(account, position, stop, target) end
---@return true|nil, perigee.Err|nil
function exec.observe_positions(account, begun_io_ns, rows) end
---@return true|nil, perigee.Err|nil
function exec.observe_closed(account, begun_io_ns, rows) end
---@return true|nil, perigee.Err|nil
function exec.observe_balance(account, figures) end
---@param account string
---@return { positions: boolean, closed: boolean, balance: boolean, closed_from: integer }|nil
function exec.needs(account) end
---Yields; true: something is needed (at once when it is already), false: time-out.
---@param account string
---@param timeout_ms integer|nil
---@param clock "market"|"io"|nil
---@return boolean|nil, perigee.Err|nil
function exec.next_need(account, timeout_ms, clock) end
---@param account string
function exec.suspect(account) end
---@param account string
---@param urgent boolean|nil
---@return boolean taken, integer|nil wait_ms
function exec.budget_take(account, urgent) end
---@param stop boolean
function exec.stop_entries(stop) end
---@return boolean
function exec.entries_stopped() end
---@return integer
function exec.in_flight() end

return exec
