---@meta perigee.ledger
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

---@class perigee.Position
---@field id string
---@field account string
---@field symbol string the venue's
---@field canonical string
---@field side "BUY"|"SELL"
---@field volume string
---@field price string
---@field stop string|nil
---@field target string|nil
---@field opened_ms integer
---@field holding_ms integer 0: none
---@field order integer 0: not ours
---@field signal integer
---@field ours boolean
---@field closing boolean
---@field closing_volume string lots of the close that is wanted; "0": all
---@field close_reason string|nil
---@field mark string|nil
---@field profit string|nil

---@class perigee.Pending
---@field id string
---@field account string
---@field symbol string the venue's
---@field canonical string
---@field side "BUY"|"SELL"
---@field type "LIMIT"|"STOP"
---@field volume string
---@field price string activation price
---@field stop string|nil
---@field target string|nil
---@field created_ms integer
---@field order integer 0: not ours
---@field signal integer
---@field ours boolean
---@field cancelling boolean
---@field cancel_reason string|nil

---@class perigee.SizeAsk
---@field account string
---@field canonical string
---@field side "BUY"|"SELL"
---@field price string|number|perigee.Decimal
---@field stop string|number|perigee.Decimal
---@field risk number 0.01: one per cent of equity
---@field margin_share number|nil
---@field cap string|number|nil lots
---@field volume string|number|nil these lots or none; nil: by risk

local ledger = {}

---@return string[]
function ledger.accounts() end
---@param id string
---@return table|nil
function ledger.account(id) end
---@param account string|nil
---@return perigee.Position[]
function ledger.positions(account) end
---@param account string
---@param id string
---@return perigee.Position|nil
function ledger.position(account, id) end
---@param account string|nil
---@return perigee.Pending[] ours and others'
function ledger.pendings(account) end
---@param newest integer|nil only those that are not final, and so many of the newest; nil: all that are kept
---@return table[] by id
function ledger.orders(newest) end
---@param id integer
---@return table|nil
function ledger.order(id) end
---@return table[] orders, as of ledger.order: entries that are in flight, UNKNOWN, or accepted and not shown yet
function ledger.entries() end
---@param venue string
---@param canonical string
---@return table|nil
function ledger.instrument(venue, canonical) end
---@param venue string
---@return table[]
function ledger.instruments(venue) end
---@param id string
---@return string equity, boolean exact
function ledger.equity(id) end
---@param id string
---@return string|nil, perigee.Err|nil
function ledger.margin(id) end
---@param venue string
---@param from string
---@param to string
---@return number|nil, perigee.Err|nil
function ledger.convert(venue, from, to) end
---@param venue string
---@param canonical string
---@param bid number
---@param ask number
---@return string[] ids of accounts whose position crossed its stop or target
function ledger.mark(venue, canonical, bid, ask) end
---What moves with each quote, as JSON: [[account, position, mark, profit], ...] of the positions that have a mark and
---[[account, equity, margin, free_margin, profit], ...] of the accounts whose balance is known.
---@return string positions, string accounts
function ledger.marks() end
---@param venue string
---@param canonical string
---@return number|nil bid, number|nil ask
function ledger.quote(venue, canonical) end
---@param account string
---@param canonical string
---@return boolean
function ledger.entry_pending(account, canonical) end
---@param account string
---@return integer
function ledger.exposure_count(account) end
---@param account string
---@return number equity, number|nil margin bound; nil: a rate is missing
---@return integer exposure, boolean paused
function ledger.standing(account) end
---@param ask perigee.SizeAsk
---@return { volume: string, risk_money: string, margin: string, rule: string|nil }|nil, perigee.Err|nil
function ledger.size(ask) end
---What lots lose at a stop (of a stop on the winning side: the commissions) and what they bind; account currency.
---@param ask { account: string, canonical: string, side: "BUY"|"SELL", price: any, stop: any, volume: any }
---@return number|nil loss, number|perigee.Err margin
function ledger.cost(ask) end
---@return { order: integer, batch: integer, signal: integer }
function ledger.last_ids() end

return ledger
