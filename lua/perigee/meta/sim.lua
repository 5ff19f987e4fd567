---@meta perigee.sim
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

-- Decimals go in as strings, numbers or perigee.decimal and come out as strings. Accounts are named by their id.
-- An order gives nil, code, text when it is refused: code is a stable upper-case word, text a sentence; code "IO": the
-- ledger could not be written and nothing was executed. docs/simulator.md, "The book", says what is checked and how
-- money is worked out.

---@class perigee.sim
local sim = {}

---@class perigee.SimOpen
---@field data string|nil          its folder sim/ is the broker's; nil: memory only, and rows() has the ledger
---@field tape string|nil          path of a tape; nil: the generator
---@field seed integer|nil         of the generator, 1 unless told
---@field symbol string|nil        the main symbol, BTCUSD unless told
---@field spread integer|nil       points; nil: 0.3 basis points of the price
---@field start_ms integer|nil     generator: market time of the very first start
---@field history_bars integer|nil minutes of history before it; few make an opening cheap
---@field model perigee.SimModel|nil

---@param options perigee.SimOpen raises on an unknown field
---@return perigee.Sim|nil, perigee.Err|nil
function sim.open(options) end

-- Settings that are not named stay as they are.
---@class perigee.SimModel
---@field slippage_points integer|nil   a market order's price is drawn within so many points of the quote; 0
---@field partial_fills number|nil      share of opens that are filled in 2 or 3 parts; 0
---@field reject_share number|nil       share of a client's valid orders that are refused; 0
---@field reject_reason string|nil      code of those refusals; "REQUOTE"
---@field swaps boolean|nil             nights cost; true
---@field margin_call_level number|string|nil percent, 0: never; 100
---@field stop_out_level number|string|nil    percent, 0: never; 50
---@field stops_level integer|nil       points, of all symbols; -1: each one's own
---@field freeze_level integer|nil      points; 0
---@field order_id_differs boolean|nil  an open answers an order id that is not the position's; false
---@field hours table<string, perigee.SimSession[]>|nil by symbol; an empty list: always open
---@field swap table<string, {type: "POINTS"|"PIPS"|nil, buy: string|number|nil, sell: string|number|nil}>|nil
---@field commission table<string, string|number>|nil a lot and side, account currency
---@field disabled table<string, boolean>|nil nothing can be opened in it

---@class perigee.SimSession
---@field day integer      0: Sunday
---@field open_ms integer  of the day, UTC
---@field close_ms integer not open any more; at most 86400000

---@class perigee.Sim
local S = {}

-- Market

---@return integer market ms
function S:now() end

---@return integer market ms of the very first start
function S:start() end

---@return boolean the tape is over
function S:ended() end

---@return boolean prices come from a tape
function S:recorded() end

---@return string|nil what was repaired at the start
function S:report() end

---Moves market time; executes what the quotes reach.
---@param until_ms integer
---@return true|nil, perigee.Err|nil
function S:advance(until_ms) end

---Moves the main symbol's price by so many points, for all prints to come and for good.
---@param points integer
---@return true|nil, perigee.Err|nil
function S:push(points) end

---@return true|nil, perigee.Err|nil
function S:save() end

function S:close() end

---@param on boolean collect what the market does for take()
function S:streaming(on) end

---@return string comma-separated JSON: ["q",t,bid,ask] ["p",t,price,volume,side] ["d",t,[..],[..]]
function S:take() end

---@class perigee.SimSymbol
---@field symbol string
---@field base string
---@field quote string
---@field price_digits integer
---@field volume_digits integer
---@field volume_min string
---@field volume_max string
---@field volume_step string
---@field contract_size string
---@field leverage integer       cap; 0: the account's alone
---@field stops_level integer
---@field freeze_level integer
---@field commission string
---@field swap_type "POINTS"|"PIPS"
---@field swap_buy string        "0" when nights cost nothing
---@field swap_sell string
---@field open boolean           in session now
---@field tradeable boolean      can be opened when in session
---@field hours perigee.SimSession[] seven whole days when always open

---@return perigee.SimSymbol[]
function S:symbols() end

---@param symbol string
---@return {bid: string, ask: string, time_ms: integer, open: string, high: string, low: string}|nil
function S:quote(symbol) end

---@param symbol string
---@param timeframe "1s"|"1m"|"5m"|"15m"
---@param count integer
---@return table[]
function S:history(symbol, timeframe, count) end

---@param symbol string
---@param timeframe "1s"|"1m"|"5m"|"15m"
---@return table|nil
function S:forming(symbol, timeframe) end

---Changes settings, all of the table or none; nil: returns them (without those by symbol, see symbols()).
---@param settings perigee.SimModel|nil
---@return true|perigee.SimModel|nil, perigee.Err|nil
function S:model(settings) end

-- Accounts

---One that exists keeps its book.
---@param account {id: string, user: string, currency: string, leverage: integer, balance: string|number}
---@return true|nil, perigee.Err|nil
function S:account_add(account) end

---@return {id: string, user: string, currency: string, leverage: integer, balance: string, credit: string}[]
function S:accounts() end

---@class perigee.SimMoney
---@field balance string
---@field credit string
---@field equity string
---@field margin string
---@field free_margin string
---@field level string        percent; "0" without margin
---@field profit string       floating, without costs
---@field net_profit string   with commission and swap
---@field margin_call boolean

---@param account string
---@return perigee.SimMoney|nil, perigee.Err|nil
function S:money(account) end

---@param account string
---@param amount string|number below 0: a withdrawal of what is free
---@return true|nil, perigee.Err|nil
function S:deposit(account, amount) end

---@param account string
---@param credit string|number the credit from now on
---@return true|nil, perigee.Err|nil
function S:credit(account, credit) end

-- Orders. hand_*: the same by hand at the broker's terminal; the rows say source "hand", and reject_share spares them.

---@param account string
---@param symbol string
---@param side "BUY"|"SELL"
---@param volume string|number lots
---@param stop string|number 0: none
---@param target string|number 0: none
---@return string|nil id, string|nil code, string|nil text
function S:open_position(account, symbol, side, volume, stop, target) end

---Replaces both.
---@param account string
---@param id string
---@param symbol string
---@param side "BUY"|"SELL"
---@param stop string|number
---@param target string|number
---@return true|nil, string|nil code, string|nil text
function S:edit(account, id, symbol, side, stop, target) end

---@param account string
---@param id string
---@param symbol string
---@param side "BUY"|"SELL"
---@param volume string|number|nil nil: all of it; else less than all
---@return string|nil closing_order, string|nil code, string|nil text
function S:close_position(account, id, symbol, side, volume) end

---@param account string
---@param symbol string
---@param side "BUY"|"SELL"
---@param type "LIMIT"|"STOP"
---@param volume string|number
---@param price string|number
---@param stop string|number
---@param target string|number
---@return string|nil id, string|nil code, string|nil text
function S:pending_create(account, symbol, side, type, volume, price, stop, target) end

---Replaces volume, price, stop and target.
---@param account string
---@param id string
---@param symbol string
---@param side "BUY"|"SELL"
---@param volume string|number
---@param price string|number
---@param stop string|number
---@param target string|number
---@return true|nil, string|nil code, string|nil text
function S:pending_edit(account, id, symbol, side, volume, price, stop, target) end

---@param account string
---@param id string
---@param symbol string
---@return true|nil, string|nil code, string|nil text
function S:pending_cancel(account, id, symbol) end

S.hand_open = S.open_position
S.hand_edit = S.edit
S.hand_close = S.close_position
S.hand_pending_create = S.pending_create
S.hand_pending_edit = S.pending_edit
S.hand_pending_cancel = S.pending_cancel

-- Lists

---@class perigee.SimPart
---@field id string
---@field volume string
---@field price string
---@field opened_ms integer

---@class perigee.SimPosition
---@field id string
---@field order string        id of the order that opened it; mostly the same
---@field symbol string
---@field side "BUY"|"SELL"
---@field source "client"|"hand"|"broker"
---@field volume string
---@field price string
---@field stop string
---@field target string
---@field swap string         carried so far
---@field opened_ms integer
---@field parts perigee.SimPart[]|nil when it was filled in pieces
---@field current string|nil
---@field profit string|nil
---@field commission string|nil

---@param account string
---@return perigee.SimPosition[]
function S:positions(account) end

---@param account string
---@return {id: string, symbol: string, side: string, type: string, source: string, volume: string, price: string, stop: string, target: string, created_ms: integer}[]
function S:pendings(account) end

---reason: "client", "stop", "target", "stop_out".
---@param account string
---@param from_ms integer
---@param to_ms integer inclusive
---@return {id: string, uid: string, order: string, symbol: string, side: string, reason: string, source: string, volume: string, open_price: string, price: string, stop: string, target: string, profit: string, commission: string, swap: string, opened_ms: integer, closed_ms: integer, partial: boolean}[]
function S:closed(account, from_ms, to_ms) end

---@class perigee.SimRow  a row of the ledger; texts that are empty are nil
---@field seq integer
---@field time_ms integer
---@field account string
---@field op string
---@field position string|nil
---@field uid string|nil
---@field symbol string|nil
---@field side string|nil
---@field reason string|nil
---@field source string|nil
---@field order string|nil
---@field type string|nil
---@field volume string
---@field price string
---@field stop string
---@field target string
---@field open_price string
---@field profit string
---@field commission string
---@field swap string
---@field balance string
---@field accrued string
---@field parts perigee.SimPart[]|nil

---Without a data folder: the ledger's rows whose seq is above `after`, oldest first.
---@param after integer|nil
---@return perigee.SimRow[]
function S:rows(after) end

return sim
