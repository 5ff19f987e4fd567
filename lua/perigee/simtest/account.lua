-- SPDX-License-Identifier: MIT
-- What the journal says, folded by our own reader while it is written: the engine's ledger is not asked, nor its
-- code used. A plain fold from events to tables.

local decimal = require "perigee.decimal"
local journal = require "perigee.journal"

local account = {}

local KEPT = 20000 -- events that are kept for a trace

---@class perigee.simtest.Order
---@field id integer
---@field account string
---@field op string
---@field symbol string
---@field side string
---@field volume string
---@field price string
---@field stop string
---@field target string
---@field type string          LIMIT or STOP, of a pending order
---@field position string|nil  of a close, edit or cancel; of an entry once it is known
---@field signal integer
---@field state string         INTENT, SENT, ACCEPTED, REJECTED, UNKNOWN, ABSENT, NOT_SENT
---@field absent boolean       it was ABSENT once
---@field lost_ms integer|nil   market ms since which its outcome is not known
---@field shown boolean        its position or pending order was told in the journal
---@field at_ms integer        market ms of its intent

---@class perigee.simtest.Account
---@field orders table<integer, perigee.simtest.Order>
---@field positions table<string, table>      open, by broker id
---@field seen table<string, integer>         market ms at which a position was told first
---@field closes table<string, table>         position_closed events, by uid
---@field pendings table<string, table>       that rest, by broker id
---@field rested table<string, table>          every pending order that was told, by broker id
---@field cancelling table<string, table>     pending_cancelling of one that was not told gone since
---@field ambiguous table<integer, boolean>    orders that an operator is asked about
---@field wanted table<string, table>         position_closing of a whole position that was not closed since
---@field balances table<string, string>      newest figure of each account
---@field signals table<integer, table>
---@field events table[]                      the newest, for a trace
---@field last integer                        newest number
local Account = {}
Account.__index = Account

---@return perigee.simtest.Account
function account.new()
  return setmetatable({ orders = {}, order_list = {}, positions = {}, seen = {}, closes = {},
    close_list = {}, wanted = {}, pendings = {}, rested = {}, cancelling = {}, ambiguous = {},
    balances = {}, signals = {}, events = {}, last = 0, problems = {}, counts = {} }, Account)
end

local enters = { open = true, pending = true }

local folds = {}

function folds.intent(self, e)
  local o = { id = e.order, account = e.account, op = e.op, symbol = e.symbol, side = e.side, volume = e.volume,
    price = e.price, stop = e.stop or "0", target = e.target or "0", position = e.position, signal = e.signal or 0,
    type = e.type, state = "INTENT", at_ms = e.market_ms }
  if self.orders[o.id] then self.problems[#self.problems + 1] = ("order %d has two intents"):format(o.id) end
  self.orders[o.id] = o
  self.order_list[#self.order_list + 1] = o
end

local function step(state)
  return function(self, e)
    local o = self.orders[e.order]
    if not o then
      self.problems[#self.problems + 1] = ("%s of order %d, which has no intent"):format(e.kind, e.order)
      return
    end
    o.state = state
    if state == "ABSENT" then o.absent = true end
    if state == "UNKNOWN" then o.lost_ms = e.market_ms end
    if e.broker_id and e.broker_id ~= "" and enters[o.op] then o.answered = e.broker_id end
  end
end

folds.order_sent, folds.order_accepted, folds.order_rejected = step "SENT", step "ACCEPTED", step "REJECTED"
folds.order_unknown, folds.order_absent, folds.order_not_sent = step "UNKNOWN", step "ABSENT", step "NOT_SENT"

function folds.order_adopted(self, e)
  local o = self.orders[e.order]
  if not o then
    self.problems[#self.problems + 1] = ("order %d was adopted and has no intent"):format(e.order)
    return
  end
  o.state, o.position, o.adopted = "ACCEPTED", e.position, e.by
end

local function shown(self, order, id)
  local o = order ~= 0 and self.orders[order]
  if o and enters[o.op] then o.shown, o.position = true, id end
end

function folds.pending_seen(self, e)
  local before = self.rested[e.pending]
  if before and (before.ours or not e.ours) then -- a hand's may turn out to be ours
    self.problems[#self.problems + 1] = ("pending order %s was seen twice"):format(e.pending)
  end
  local p = { id = e.pending, account = e.account, order = e.order or 0, ours = e.ours, symbol = e.symbol,
    side = e.side, type = e.type, volume = e.volume, price = e.price, stop = e.stop or "0", target = e.target or "0" }
  self.pendings[e.pending], self.rested[e.pending] = p, p
  shown(self, e.order or 0, e.pending)
end

function folds.pending_changed(self, e)
  local p = self.pendings[e.pending]
  if p then p.volume, p.price, p.stop, p.target = e.volume, e.price, e.stop or "0", e.target or "0" end
end

function folds.pending_cancelling(self, e) self.cancelling[e.pending] = e end

function folds.pending_gone(self, e)
  if not self.pendings[e.pending] then
    self.problems[#self.problems + 1] = ("pending order %s is gone and did not rest"):format(e.pending)
  end
  self.pendings[e.pending], self.cancelling[e.pending] = nil, nil
end

function folds.position_opened(self, e)
  local before = self.positions[e.position]
  if before and (before.ours or not e.ours) then -- a hand's may turn out to be ours
    self.problems[#self.problems + 1] = ("position %s was opened twice"):format(e.position)
  end
  self.seen[e.position] = e.market_ms
  self.positions[e.position] = { id = e.position, account = e.account, order = e.order or 0, ours = e.ours,
    symbol = e.symbol, side = e.side, volume = e.volume, stop = e.stop or "0", target = e.target or "0" }
  shown(self, e.order or 0, e.position)
end

function folds.position_changed(self, e)
  local p = self.positions[e.position]
  if p then p.volume, p.stop, p.target = e.volume or p.volume, e.stop or p.stop, e.target or p.target end
end

function folds.position_closing(self, e)
  if decimal.new(e.volume or 0):sign() == 0 then self.wanted[e.position] = e end
end

function folds.position_closed(self, e)
  local uid = e.uid or e.position
  if self.closes[uid] then self.problems[#self.problems + 1] = ("closing %s was told twice"):format(uid) end
  self.closes[uid] = e
  self.close_list[#self.close_list + 1] = e
  shown(self, e.order or 0, e.position)
  if not e.partial then
    self.positions[e.position], self.wanted[e.position] = nil, nil
  else
    local p = self.positions[e.position]
    if p then p.volume = tostring(decimal.new(p.volume) - decimal.new(e.volume)) end
  end
end

function folds.order_ambiguous(self, e) self.ambiguous[e.order] = e.candidates ~= "[]" or nil end

function folds.balance(self, e) self.balances[e.account] = e.balance end

function folds.signal(self, e) self.signals[e.signal] = e end

--- Takes one event.
---@param e table
function Account:take(e)
  self.last = e.seq
  self.counts[e.kind] = (self.counts[e.kind] or 0) + 1
  self.events[(e.seq - 1) % KEPT + 1] = e
  local fold = folds[e.kind]
  if fold then fold(self, e) end
  if self.on_event then self.on_event(e) end
end

--- A new life writes: what its predecessor left torn is cut now, so the reading goes on behind what was whole.
---@param folder string  the journal's
function Account:begin(folder)
  if self.reader then self.reader:close() end
  self.folder = folder
  self.reader = nil
end

--- Reads what reached the disk since.
function Account:read()
  if not self.reader then
    local reader = journal.follow(self.folder, self.last + 1)
    if not reader then return end
    self.reader = reader
  end
  for e in function() return self.reader:next() end do self:take(e) end
end

local open_ended = { INTENT = true, SENT = true, UNKNOWN = true }

--- Is a write on its way, a close or cancel wanted, or an operator asked?
---@return boolean
function Account:busy()
  if next(self.wanted) or next(self.cancelling) or next(self.ambiguous) then return true end
  for _, o in ipairs(self.order_list) do
    if open_ended[o.state] then return true end
  end
  return false
end

--- The newest events, oldest first.
---@return table[]
function Account:newest()
  local out = {}
  for seq = math.max(self.last - KEPT + 1, 1), self.last do
    local e = self.events[(seq - 1) % KEPT + 1]
    if e and e.seq == seq then out[#out + 1] = e end
  end
  return out
end

return account
