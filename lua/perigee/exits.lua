-- SPDX-License-Identifier: MIT
-- Exits that the engine adds to the stop and target at the broker: opposite signal, holding time, the end of
-- the market. Pure decisions first, then the two functions that act on them.

local clock = require "perigee.clock"
local exec = require "perigee.exec"
local ledger = require "perigee.ledger"
local log = require "perigee.log"

local exits = {}

--- Has a position been held for longer than its plan?
---@param position { opened_ms: integer, holding_ms: integer }
---@param now integer market ms
function exits.overdue(position, now)
  return position.holding_ms > 0 and now - position.opened_ms >= position.holding_ms
end

--- Does a signal speak against a position? CLOSE speaks against both sides.
---@param action string
---@param side "BUY"|"SELL"
function exits.opposes(action, side)
  return action == "CLOSE" or (action == "OPEN_LONG" and side == "SELL") or (action == "OPEN_SHORT" and side == "BUY")
end

-- What is not there any more needs no closing.
local function unless_gone(err)
  return err and err.code ~= "notfound" and err or nil
end

local function close(position, reason)
  local ok, err = exec.close(position.account, position.id, reason)
  if not ok then log.warn("exits", ("%s %s: %s"):format(position.account, position.id, err.message)) end
  return ok and 1 or 0, unless_gone(err)
end

-- An entry that is no position yet: what it becomes is closed.
local function close_entry(order, reason)
  local ok, err = exec.close_order(order.id, reason)
  if not ok then log.warn("exits", ("%s order %d: %s"):format(order.account, order.id, err.message)) end
  return ok and 1 or 0, unless_gone(err)
end

--- Entries that are no position yet and may become one: in flight, unknown, accepted and not shown, and proven absent
--- but still looked for. In order of their ids.
---@return perigee.Order[]
function exits.entries()
  local list = ledger.entries()
  for _, id in ipairs(exec.absent()) do list[#list + 1] = ledger.order(id) end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

--- Closes every position of ours that is overdue. Called each second and on each quote.
---@return integer count
function exits.sweep()
  local now, count = clock.market_ms(), 0
  for _, position in ipairs(ledger.positions()) do
    if position.ours and not position.closing and exits.overdue(position, now) then
      count = count + close(position, "time")
    end
  end
  return count
end

--- Closes what a signal speaks against, and what entries on their way become. One that fails keeps no other from
--- being closed.
---@return integer count
---@return perigee.Err|nil err  of the first one that is not closed, and that nobody sees to
function exits.on_signal(signal)
  local count, lost = 0, nil
  local function note(done, err)
    count, lost = count + done, lost or err
  end
  for _, position in ipairs(ledger.positions()) do
    if position.ours and not position.closing and position.canonical == signal.symbol
      and exits.opposes(signal.action, position.side) then
      note(close(position, "opposite"))
    end
  end
  for _, order in ipairs(exits.entries()) do
    if not order.closing and order.canonical == signal.symbol and exits.opposes(signal.action, order.side) then
      note(close_entry(order, "opposite"))
    end
  end
  return count, lost
end

--- Closes everything of ours, with a reason ("end", "manual").
---@return integer count
function exits.all(reason)
  local count = 0
  for _, position in ipairs(ledger.positions()) do
    if position.ours and not position.closing then count = count + close(position, reason) end
  end
  for _, order in ipairs(exits.entries()) do
    if not order.closing then count = count + close_entry(order, reason) end
  end
  return count
end

return exits
