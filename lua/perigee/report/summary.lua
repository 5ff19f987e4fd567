-- SPDX-License-Identifier: MIT
-- The summary of a run: a fold over its events. Money is exact and leaves as decimal strings.

local decimal = require "perigee.decimal"
local json = require "perigee.json"

---@class perigee.Summary
local Summary = {}
Summary.__index = Summary

local summary = {}

local REASONS = { "target", "stop", "opposite", "time", "end", "manual" }

---@return perigee.Summary
function summary.new()
  local self = { bars = 0, signals = 0, signals_traded = 0, fills = 0,
    orders = { sent = 0, accepted = 0, rejected = 0, unknown = 0 }, exits = {}, accounts = {}, order = {} }
  for _, reason in ipairs(REASONS) do self.exits[reason] = 0 end
  return setmetatable(self, Summary)
end

local fold = {}

function fold.engine_ready(self, e)
  for _, a in ipairs(json.decode(e.accounts) or {}) do
    if not self.accounts[a.id] then
      self.accounts[a.id] = { id = a.id, currency = a.currency, balance_start = a.balance, balance_end = a.balance,
        leverage = a.leverage, realised = decimal.new("0"), trades = 0 }
      self.order[#self.order + 1] = a.id
    end
  end
end

function fold.bar(self, e)
  if e.timeframe == "1m" then self.bars = self.bars + 1 end
end

function fold.signal(self) self.signals = self.signals + 1 end

function fold.batch_done(self, e)
  if e.signal and e.signal > 0 and e.sent > 0 then self.signals_traded = self.signals_traded + 1 end
end

function fold.order_sent(self) self.orders.sent = self.orders.sent + 1 end
function fold.order_accepted(self) self.orders.accepted = self.orders.accepted + 1 end
function fold.order_rejected(self) self.orders.rejected = self.orders.rejected + 1 end
function fold.order_unknown(self) self.orders.unknown = self.orders.unknown + 1 end

function fold.position_opened(self, e)
  if e.ours then self.fills = self.fills + 1 end
end

function fold.position_closed(self, e)
  local a = self.accounts[e.account]
  if a then a.realised = a.realised + decimal.new(e.net or "0") end
  if not e.partial and (e.order or 0) > 0 then -- an operator's own position is not an exit of ours
    self.exits[e.reason] = (self.exits[e.reason] or 0) + 1
    if a then a.trades = a.trades + 1 end
  end
end

function fold.balance(self, e)
  local a = self.accounts[e.account]
  if a then a.balance_end = e.balance end
end

--- Takes the next event of the run.
---@param e table  as event.decode gives it
function Summary:add(e)
  local fn = fold[e.kind]
  if fn then fn(self, e) end
end

--- Sum of all closed trades of an account, a decimal.
function Summary:realised(id)
  return self.accounts[id].realised
end

--- The summary as one JSON object.
---@param seconds number  of the wall clock
---@return string
function Summary:json(seconds)
  local exits, accounts = {}, {}
  for i, reason in ipairs(REASONS) do exits[i] = { reason, json.number(self.exits[reason]) } end
  for i, id in ipairs(self.order) do
    local a = self.accounts[id]
    accounts[i] = json.object { { "id", json.string(a.id) }, { "currency", json.string(a.currency) },
      { "balance_start", json.string(a.balance_start) }, { "balance_end", json.string(a.balance_end) },
      { "net", json.string(tostring(decimal.new(a.balance_end) - decimal.new(a.balance_start))) },
      { "trades", json.number(a.trades) } }
  end
  local o = self.orders
  return json.object { { "bars", json.number(self.bars) }, { "signals", json.number(self.signals) },
    { "signals_traded", json.number(self.signals_traded) },
    { "orders", json.object { { "sent", json.number(o.sent) }, { "accepted", json.number(o.accepted) },
      { "rejected", json.number(o.rejected) }, { "unknown", json.number(o.unknown) } } },
    { "fills", json.number(self.fills) }, { "exits", json.object(exits) }, { "accounts", json.list(accounts) },
    { "seconds", json.number(("%.3f"):format(seconds)) } }
end

return summary
