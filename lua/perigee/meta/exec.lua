---@meta perigee.exec
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

---The one table that is refilled for each call: do not keep it.
---@class perigee.CodecOrder
---@field id integer
---@field op "open"|"close"|"close_partial"|"edit"|"pending"|"pending_edit"|"cancel"
---@field type "LIMIT"|"STOP"|nil of a pending order
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

---@class perigee.Leg
---@field account string
---@field group string
---@field order integer|nil     nil: refused before an intent
---@field state "INTENT"|"SENT"|"ACCEPTED"|"REJECTED"|"UNKNOWN"|"NOT_SENT"|"REFUSED"
---@field refused boolean
---@field rule string|nil       of a refusal
---@field code string|nil       stable word of a verdict that is not ACCEPTED
---@field reason string|nil
---@field broker_id string|nil
---@field volume string
---@field asked string          reference price
---@field attempt integer
---@field retry_after_ms integer|nil
---@field queued_us integer|nil since submit
---@field sent_us integer|nil
---@field answered_us integer|nil

---@class perigee.GroupPolicy
---@field group string
---@field on_failure "best_effort"|"all_or_none"|"quorum"|nil
---@field quorum integer|nil

---@class perigee.Report
---@field batch integer
---@field signal integer
---@field legs perigee.Leg[]
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
---@param leg { account: string, canonical: string, side: string, volume: any, price: any, stop: any, target: any, holding_ms: integer|nil, plan: string|nil, attempt: integer|nil, replaces: integer|nil }
---@return true|nil, perigee.Err|nil
function B:add(leg) end
---Yields until the settle policy is met.
---@return perigee.Report|nil, perigee.Err|nil
function B:submit() end
function B:close() end

---@class perigee.BudgetSpec
---@field requests integer|nil  nil: of the configuration
---@field window_ms integer|nil market ms; nil: of the configuration
---@field scope "account"|"address"|"broker"|nil nil: account
---@field day boolean|nil       the second one of its scope: a limit of a day beside that of a minute

local exec = {}

---steady: the codec promises that requests to open differ in volume, stop and target alone, each written as it is
---given, and that a plain acceptance differs in its id alone: the core then makes the like by itself.
---@param codec { steady: boolean|nil, encode: (fun(broker: string, order: perigee.CodecOrder): string, string, string|nil), decode: fun(broker: string, order: perigee.CodecOrder, answer: perigee.CodecAnswer): perigee.Verdict }
function exec.codec(codec) end
---@param fn fun(leg: perigee.RiskLeg): boolean, string|nil, string|nil
function exec.risk(fn) end
---@param account string
---@param session { broker: string, origin: string, prefix: string|nil, headers: string|string[][]|nil, answer_timeout_ms: integer|nil, absent_after_ms: integer|nil, idle_close_ms: integer|nil, budget: perigee.BudgetSpec|perigee.BudgetSpec[]|nil }|nil
---@return true|nil, perigee.Err|nil
function exec.session(account, session) end
---`quorum` is that of settle and of on_failure, where they are "quorum". Groups without a policy of their own stand
---or fall together by `on_failure`.
---@param options { signal: integer|nil, settle: "all"|"first"|"quorum"|"deadline"|nil, quorum: integer|nil, deadline_ms: integer|nil, on_failure: "best_effort"|"all_or_none"|"quorum"|nil, groups: perigee.GroupPolicy[]|nil }
---@return perigee.Batch|nil, perigee.Err|nil
function exec.batch(options) end
---@param account string
---@param position string
---@param reason string
---@param volume any nil: all
---@return true|nil, perigee.Err|nil
function exec.close(account, position, reason, volume) end
---Wants closed what an entry becomes, now or later, over restarts too: it is committed when true is returned. An error
---of code "notfound": nothing can become of it any more.
---@param order integer
---@param reason string
---@return true|nil, perigee.Err|nil
function exec.close_order(order, reason) end
---Entries that were proven absent and are looked for still; of each account the newest ones.
---@return integer[] orders
function exec.absent() end
---What an ambiguous order could be at the broker, as far as the lists have shown it.
---@param order integer
---@return string[] ids
function exec.candidates(order) end
---Yields. nil or 0 clears.
---@return string|nil state, string|perigee.Err reason
function exec.edit(account, position, stop, target) end
---Creates a pending order. Yields. err.code "limit": refused; the message names the rule.
---@param account string
---@param pending { canonical: string, side: string, type: "LIMIT"|"STOP", volume: any, price: any, stop: any, target: any, signal: integer|nil, holding_ms: integer|nil, plan: string|nil }
---@return string|nil state, string|perigee.Err id_or_reason the broker's id when ACCEPTED
function exec.pending(account, pending) end
---Replaces price, stop, target and volume (never a larger one); what is nil stays, 0 clears. Yields.
---@param account string
---@param id string
---@param to { volume: any, price: any, stop: any, target: any }
---@return string|nil state, string|perigee.Err reason
function exec.pending_edit(account, id, to) end
---Wanted from now on, until the broker does not show it any more.
---@param account string
---@param id string
---@param reason string|nil "manual"
---@return true|nil, perigee.Err|nil
function exec.cancel(account, id, reason) end
---The operator's word on an ambiguous order: the candidate that it is; nil: none of them.
---@param order integer
---@param position string|nil
---@return true|nil, perigee.Err|nil
function exec.assign(order, position) end
---Read before the positions, and those before the history.
---@return true|nil, perigee.Err|nil
function exec.observe_orders(account, begun_io_ns, rows) end
---@return true|nil, perigee.Err|nil
function exec.observe_positions(account, begun_io_ns, rows) end
---@return true|nil, perigee.Err|nil
function exec.observe_closed(account, begun_io_ns, rows) end
---@return true|nil, perigee.Err|nil
function exec.observe_balance(account, figures) end
---@param account string
---@return { orders: boolean, positions: boolean, closed: boolean, balance: boolean, closed_from: integer }|nil
function exec.needs(account) end
---Yields; true: something is needed (at once when it is already), false: time-out.
---@param account string
---@param timeout_ms integer|nil
---@param clock "market"|"io"|nil
---@return boolean|nil, perigee.Err|nil
function exec.next_need(account, timeout_ms, clock) end
---@param account string
function exec.suspect(account) end
---Takes one request from every scope of the account, or from none: then it tells for how long not to ask.
---@param account string
---@param lane "close"|"session"|"cancel"|"open"|"edit"|"reconcile"|"balance"|"positions"|"quotes"|boolean|nil true: close, false and nil: positions
---@return boolean taken, integer|nil wait_ms, "market"|"io"|nil clock
function exec.budget_take(account, lane) end
---The broker said that there were too many: the account's scopes rest, as long as it asked for or with growing pauses.
---@param account string
---@param retry_after_ms integer|nil io ms
function exec.budget_rest(account, retry_after_ms) end
---Of the scope with the least room, and of all.
---@param account string
---@return integer used, integer limit, integer wait_ms, { scope: string, day: boolean, used: integer, limit: integer, window_ms: integer, wait_ms: integer, rest_ms: integer }[] scopes
function exec.budget(account) end
---Percent of a limit that each lane may fill.
---@return table<string, integer>
function exec.budget_marks() end
---@param stop boolean
function exec.stop_entries(stop) end
---@return boolean
function exec.entries_stopped() end
---@return integer
function exec.in_flight() end

return exec
