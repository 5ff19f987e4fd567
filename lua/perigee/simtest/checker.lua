-- SPDX-License-Identifier: MIT
-- What must hold, in every step and in the end. Truth is the broker's record; the journal on disk is the engine's
-- word, which is held against it. Nothing of the engine is asked.

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"

local checker = {}

---@class perigee.simtest.Checker
---@field venue perigee.simtest.Venue
---@field account perigee.simtest.Account
---@field limits { max_positions: integer, per_trade: number, absent_after_ms: integer, absent_reads: integer }
---@field violations { at_ms: integer, rule: string, text: string }[]
local Checker = {}
Checker.__index = Checker

local MOST = 20 -- violations that are kept

---@param options { venue: perigee.simtest.Venue, account: perigee.simtest.Account, limits: table, now: fun(): integer }
---@return perigee.simtest.Checker
function checker.new(options)
  local self = setmetatable({ venue = options.venue, account = options.account, limits = options.limits,
    now = options.now, violations = {}, executed = {}, by_signal = {}, parts = {}, closing = {} }, Checker)
  options.venue.on_opened = function(o) self:opened(o) end
  options.venue.on_rested = function(o) self:rested(o) end
  options.venue.on_closed = function(c) self:closed(c) end
  options.account.on_event = function(e)
    if e.kind == "order_absent" then self:absent(e) end
    if e.kind == "order_ambiguous" and self.on_ambiguous then self.on_ambiguous(e) end
    if e.kind == "position_closing" then self.closing[e.position] = { account = e.account, at_ms = e.market_ms } end
    if e.kind == "intent" and e.op == "close" or e.kind == "position_closed" then self.closing[e.position] = nil end
  end
  return self
end

function Checker:violation(rule, format, ...)
  if #self.violations >= MOST then return end
  self.violations[#self.violations + 1] = { at_ms = self.now(), rule = rule, text = format:format(...) }
end

local function same(a, b) return decimal.new(a or 0) == decimal.new(b or 0) end

local function plain(value) return tostring(decimal.new(value or 0)) end

local enters = { open = true, pending = true }

-- What the wire tells of an entry; of a pending order its type and price, too.
local function key_of(o)
  local key = table.concat({ o.account, o.symbol, o.side, plain(o.volume), plain(o.stop), plain(o.target) }, " ")
  return o.type and ("%s %s %s"):format(key, o.type, plain(o.price)) or key
end

local function intents_like(self, key)
  local list = {}
  for _, o in ipairs(self.account.order_list) do
    if enters[o.op] and (o.key or key_of(o)) == key then
      o.key = key
      list[#list + 1] = o
    end
  end
  return list
end

local pending = { INTENT = true, SENT = true, UNKNOWN = true }

-- ---- in each step --------------------------------------------------------------------------------

local function count_ours(self, account)
  local count = 0
  for _, p in ipairs(self.venue.sim:positions(account)) do
    local o = self.venue.by_id[p.id]
    count = count + (o and o.ours and 1 or 0)
  end
  for _, o in ipairs(self.venue.sim:pendings(account)) do
    count = count + (self.venue.rested[o.id].ours and 1 or 0)
  end
  return count
end

-- Entries that were given up as ABSENT and executed after all: no wait can exclude them, so they come on top.
local function late_entries(self, account)
  local count = 0
  for _, o in ipairs(self.account.order_list) do
    if o.account == account and enters[o.op] and o.absent then count = count + 1 end
  end
  return count
end

local function one_each(self, o, key, intents)
  local done = (self.executed[key] or 0) + 1
  self.executed[key] = done
  if done > #intents then
    self:violation("one position each", "%s: %d were made of %d intents of %s", o.id, done, #intents, key)
  end
  local signals, signal = {}, nil
  for _, i in ipairs(intents) do
    if i.signal ~= 0 then signals[i.signal], signal = true, i.signal end
  end
  local only = signal and next(signals, next(signals)) == nil
  if not only then return end
  local of = signal .. " " .. o.account
  if self.by_signal[of] then
    self:violation("one position each", "signal %d opened %s and %s on account %s", signal, self.by_signal[of], o.id,
      o.account)
  end
  self.by_signal[of] = o.id
end

-- A request has made a position or a pending order.
local function entered(self, o)
  self.account:read()
  local key = key_of(o)
  local intents = intents_like(self, key)
  o.key = key
  if #intents == 0 then
    self:violation("intent first", "%s was made by a request that no intent on disk speaks of: %s", o.id, key)
  end
  one_each(self, o, key, intents)
  local open, most = count_ours(self, o.account), self.limits.max_positions + late_entries(self, o.account)
  if open > most then
    self:violation("exposure", "account %s has %d positions and pending orders of ours; risk allows %d", o.account,
      open, most)
  end
end

--- The broker has opened a position, by a request, by a hand, or out of a pending order.
---@param o perigee.simtest.Opened
function Checker:opened(o)
  if o.ours and not o.pending then entered(self, o) end
end

--- The broker has taken a pending order.
---@param o perigee.simtest.Rested
function Checker:rested(o)
  if o.ours then entered(self, o) end
end

--- The broker has closed a position in full or in part by a request of the engine.
---@param c { id: string, account: string, volume: string|nil }  volume nil: all of it
function Checker:closed(c)
  if not c.volume then return end
  self.account:read()
  local meant, key = 0, c.id .. " " .. plain(c.volume)
  for _, o in ipairs(self.account.order_list) do
    if o.op == "close_partial" and o.position == c.id and same(o.volume, c.volume) then meant = meant + 1 end
  end
  self.parts[key] = (self.parts[key] or 0) + 1
  if self.parts[key] > meant then
    self:violation("one part each", "%s lots of %s were closed %d times; that was meant %d times", c.volume, c.id,
      self.parts[key], meant)
  end
end

--- An order was given up as never executed: only after enough lists that were begun late enough.
---@param e table  order_absent
function Checker:absent(e)
  local o = self.account.orders[e.order]
  if not o or not enters[o.op] then return end
  local count, from = 0, (o.lost_ms or 0) + self.limits.absent_after_ms
  local lists = o.op == "pending" and self.venue.lists or self.venue.reads
  for _, at in ipairs(lists[o.account] or {}) do
    if at >= from then count = count + 1 end
  end
  if count < self.limits.absent_reads then
    self:violation("absent", "order %d was given up after %d reads of %d that prove it", o.id, count,
      self.limits.absent_reads)
  end
end

-- Risk as it must have been judged: the loss at the stop, by the order's own reference price.
local function within_risk(self, o)
  local money = self.venue.sim:money(o.account)
  local rate = self.rate_of and self.rate_of(o.account) or nil
  if not rate then return end
  local loss = math.abs(tonumber(o.price) - tonumber(o.stop)) * tonumber(o.volume) * rate
  local most = self.limits.per_trade * tonumber(money.equity) * 1.05 + 1
  if tonumber(o.stop) == 0 or loss > most then
    self:violation("exposure", "order %d risks %.2f; %.2f are allowed", o.id, loss, most)
  end
end

-- What a request that names a position or pending order is in the journal, and the member that names it.
local named = {
  ["/position/close"] = { op = "close", id = "positionId" },
  ["/position/close-partially"] = { op = "close_partial", id = "positionId" },
  ["/pending-order/edit"] = { op = "pending_edit", id = "id" },
  ["/pending-order/cancel"] = { op = "cancel", id = "id" },
}

-- It is one that is meant and not yet known to have been answered.
local function write_leaves(self, account, what, bytes)
  local id = bytes:match('"' .. what.id .. '":"([^"]+)"')
  for _, o in ipairs(self.account.order_list) do
    if o.account == account and o.position == id and pending[o.state] and o.op == what.op then return end
  end
  self:violation("intent first", "a %s of %s of account %s leaves and no intent on disk speaks of it", what.op,
    tostring(id), account)
end

local entries = { ["/position/open"] = "open", ["/pending-order/create"] = "pending" }

local function entry_leaves(self, account, op)
  local newest, others = nil, {}
  for _, o in ipairs(self.account.order_list) do
    if o.account == account and enters[o.op] and (pending[o.state] or o.state == "ACCEPTED" and not o.shown) then
      others[#others + 1] = o
      if o.op == op and pending[o.state] and o.state ~= "UNKNOWN" then newest = o end
    end
  end
  if not newest then
    self:violation("intent first", "an entry of account %s leaves and no intent on disk speaks of it", account)
    return
  end
  for _, o in ipairs(others) do
    if o ~= newest and o.symbol == newest.symbol then
      self:violation("one entry",
        "order %d leaves while order %d of account %s is %s", newest.id, o.id, account, o.state)
    end
  end
  within_risk(self, newest)
end

--- A request leaves the engine: its intent must be on the disk, and no other entry of its symbol may be open.
---@param account string|nil
---@param bytes string
function Checker:sending(account, bytes)
  local path = bytes:match("^POST [^ ]*(/position/%S+) ") or bytes:match("^POST [^ ]*(/pending%-order/%S+) ")
  if not path or not account then return end
  if named[path] then
    self.account:read()
    write_leaves(self, account, named[path], bytes)
  elseif entries[path] then
    self.account:read()
    entry_leaves(self, account, entries[path])
  end
end

-- The journal says that another order of the same wording has become this.
local function is_anothers(self, o, key, id)
  for _, other in ipairs(intents_like(self, key)) do
    if other.id ~= o.id and other.position == id then return true end
  end
  return false
end

--- Which position an order really opened, if any; of a pending order what it is now.
---@param o perigee.simtest.Order
---@return boolean known, string|nil id
function Checker:truth(o)
  local key = key_of(o)
  for _, opened in ipairs(self.venue.opened) do
    if opened.key == key and not is_anothers(self, o, key, opened.id) then return true, opened.id end
  end
  if o.op ~= "pending" then return false, nil end
  for _, rested in ipairs(self.venue.rested_list) do
    local position = self.venue:became(rested)
    if rested.key == key and not is_anothers(self, o, key, rested.id)
      and not (position and is_anothers(self, o, key, position)) then
      return true, position or self.venue:rests(rested) and rested.id or nil
    end
  end
  return false, nil
end

local CLOSE_SOON_MS = 3000

--- Each second, behind a read of the journal: a close that is wanted goes out at once, whatever else asks for the
--- budget. Where nothing goes wrong with its account.
function Checker:tick()
  if not next(self.closing) or not self.calm then return end
  local now = clock.market_ms()
  for id, c in pairs(self.closing) do
    if not self.calm(c.account, c.at_ms) then
      self.closing[id] = nil
    elseif now - c.at_ms > CLOSE_SOON_MS then
      self.closing[id] = nil
      self:violation("closes first", "%s of account %s was to be closed at once; no close has left", id, c.account)
    end
  end
end

-- ---- in the end ----------------------------------------------------------------------------------

local function check_positions(self)
  local seen = {}
  for _, p in ipairs(self.venue:positions()) do
    seen[p.id] = true
    local known, o = self.account.positions[p.id], self.venue.by_id[p.id]
    if not known then
      self:violation("known", "%s of account %s is open and the engine does not know it", p.id, p.account)
    else
      if o.ours ~= known.ours then
        self:violation("known", "%s of account %s is %s and taken for %s", p.id, p.account,
          o.ours and "ours" or "a hand's", known.ours and "ours" or "a hand's")
      end
      if not same(p.volume, known.volume) or not same(p.stop, known.stop) or not same(p.target, known.target) then
        self:violation("known", "%s is %s lots, stop %s, target %s; the engine believes %s, %s, %s", p.id, p.volume,
          plain(p.stop), plain(p.target), known.volume, plain(known.stop), plain(known.target))
      end
    end
    if self.account.wanted[p.id] then
      self:violation("closed", "%s of account %s was to be closed and is open", p.id, p.account)
    end
  end
  for id, p in pairs(self.account.positions) do
    if not seen[id] then self:violation("known", "%s of account %s is not open any more", id, p.account) end
  end
end

-- A pending order's levels are compared as they are now: edits and hands move them.
local function check_pendings(self)
  local seen = {}
  for _, p in ipairs(self.venue:pendings()) do
    seen[p.id] = true
    local known, o = self.account.pendings[p.id], self.venue.rested[p.id]
    if not known then
      self:violation("known", "pending order %s of account %s rests and the engine does not know it", p.id, p.account)
    else
      if o.ours ~= known.ours then
        self:violation("known", "pending order %s of account %s is %s and taken for %s", p.id, p.account,
          o.ours and "ours" or "a hand's", known.ours and "ours" or "a hand's")
      end
      for _, name in ipairs({ "volume", "price", "stop", "target" }) do
        if not same(p[name], known[name]) then
          self:violation("known", "the %s of pending order %s is %s; the engine believes %s", name, p.id,
            plain(p[name]), plain(known[name]))
        end
      end
    end
    if self.account.cancelling[p.id] then
      self:violation("closed", "pending order %s of account %s was to be cancelled and rests", p.id, p.account)
    end
  end
  for id, p in pairs(self.account.pendings) do
    if not seen[id] then
      self:violation("known", "pending order %s of account %s does not rest any more", id, p.account)
    end
  end
end

-- What was executed after it had been given up, and what a hand has cancelled before a list showed it: nothing at the
-- broker tells of it any more.
local function passed_unseen(self, key)
  local count = 0
  for _, o in ipairs(self.venue.rested_list) do
    if o.key == key and o.by_hand and not self.account.rested[o.id] then count = count + 1 end
  end
  return count
end

local function check_orders(self)
  local by_key = {}
  for _, o in ipairs(self.account.order_list) do
    if pending[o.state] then
      self:violation("settled", "order %d (%s, account %s) is still %s", o.id, o.op, o.account, o.state)
    end
    if enters[o.op] then
      local key = key_of(o)
      by_key[key] = by_key[key] or { accepted = 0 }
      if o.state == "ACCEPTED" then by_key[key].accepted = by_key[key].accepted + 1 end
    end
  end
  local keys = {}
  for key in pairs(by_key) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local executed = (self.executed[key] or 0) - passed_unseen(self, key)
    if executed ~= by_key[key].accepted then
      self:violation("settled", "the broker executed %d of %s, the journal says %d", executed, key,
        by_key[key].accepted)
    end
  end
end

local function net_of(row)
  return decimal.new(row.profit or 0) + decimal.new(row.commission or 0) + decimal.new(row.swap or 0)
end

local function check_close(self, row, triggered)
  local told = self.account.closes[row.uid]
  local o = self.venue.by_id[row.position] or self.venue.rested[triggered[row.position]]
  -- What a hand opened and closed again, in full or in part, before a list showed it: only the balance tells of it.
  local seen_ms = self.account.seen[row.position] or math.maxinteger
  if not told and o and not o.ours and clock.parse(row.time) <= seen_ms then return net_of(row) end
  if not told then
    self:violation("money", "closing %s of %s was never told", row.uid, o and o.ours and "ours" or "a hand's")
    return decimal.zero
  end
  local alike = true
  for _, name in ipairs({ "volume", "price", "profit", "commission", "swap" }) do
    alike = alike and same(told[name], row[name])
  end
  if not alike then
    self:violation("money", "closing %s: the broker says %s lots at %s, profit %s, commission %s; the journal %s at "
      .. "%s, %s, %s", row.uid, row.volume, row.price, row.profit, row.commission, told.volume, told.price, told.profit,
      told.commission)
  end
  return net_of(told)
end

-- The broker's file adds up by itself, and our closings add up to it.
local function check_money(self)
  local balance, told, rows, triggered = {}, {}, 0, {} -- position -> the pending order that it was
  for _, row in ipairs(self.venue:ledger()) do
    for _, name in ipairs({ "profit", "commission", "swap" }) do
      if row[name] == "" then row[name] = nil end
    end
    if row.op == "account" then
      balance[row.account], told[row.account] = decimal.new(row.balance), decimal.new(row.balance)
    else
      if row.op == "fill" then triggered[row.position] = row.order end
      balance[row.account] = balance[row.account] + net_of(row)
      if row.op:match("^close") then
        rows = rows + 1
        told[row.account] = told[row.account] + check_close(self, row, triggered)
      end
      if row.balance ~= "" and decimal.new(row.balance) ~= balance[row.account] then
        self:violation("money", "row %s of the broker's ledger: %s is not the sum %s", row.seq, row.balance,
          tostring(balance[row.account]))
      end
    end
  end
  for _, id in ipairs(self.venue.ids) do
    local now = self.venue.sim:money(id).balance
    if not same(now, balance[id]) or not same(now, told[id]) or not same(now, self.account.balances[id]) then
      self:violation("money", "account %s: the broker's balance is %s, its rows add up to %s, the journal's closings "
        .. "to %s, and the journal's newest balance is %s", id, now, tostring(balance[id]), tostring(told[id]),
        tostring(self.account.balances[id]))
    end
  end
  return rows
end

--- After connectivity was back for long enough.
function Checker:finish()
  self.account:read()
  check_positions(self)
  check_pendings(self)
  check_orders(self)
  self.closings = check_money(self)
  for _, text in ipairs(self.account.problems) do self:violation("legal", "%s", text) end
end

return checker
