-- SPDX-License-Identifier: MIT
-- What is asked of the engine, and what customers do behind its back, when its time in the plan has come.

local core = require "perigee.simtest.core"
local json = require "perigee.json"
local task = require "perigee.task"

local orders = {}

local STEP = 0.01        -- lots
local PONDER_MS = 15000  -- of an operator, between a notice and the answer

local function command(name, args)
  core.command(json.encode { id = 1, name = name, args = args, who = "operator" })
end

-- Of rows at the broker, the one that a drawn share points at; nil: there is none. `records`: what the venue knows of
-- each by its id. `ours`: made by the engine, or not.
local function choose_of(run, rows, records, share, ours)
  local list = {}
  for _, row in ipairs(rows) do
    if records[row.id].ours == ours and row.account ~= run.options.watch then list[#list + 1] = row end
  end
  return list[math.min(math.floor(share * #list) + 1, #list)]
end

local function choose(run, share, ours)
  return choose_of(run, run.venue:positions(), run.venue.by_id, share, ours)
end

local function level(price, percent) return ("%.1f"):format(price * (1 + percent / 100)) end

local function quote(run)
  local q = run.venue.sim:quote("BTCUSD")
  return tonumber(q.bid), tonumber(q.ask)
end

-- A part of a volume in whole steps, less than all of it; nil: it is too small to be parted.
local function part(volume, share)
  local steps = math.floor(tonumber(volume) / STEP + 0.5)
  local some = math.floor(steps * share)
  if some < 1 or some >= steps then return nil end
  return ("%.2f"):format(some * STEP)
end

local function lots(steps) return ("%.2f"):format(steps * STEP) end

-- A command that may be given again.
local function ask_for(run, action, name, args)
  run.asked = run.asked or {}
  run.asked[action] = { name = name, args = args }
  command(name, args)
end

local give = {}

function give.strategy(_, a)
  core.command(json.encode { strategy = { direction = a.direction, stop = a.stop, target = a.target,
    holding_s = a.holding_s } })
end

function give.strategy_close() core.command(json.encode { strategy = { direction = "CLOSE" } }) end

function give.operator(_, a)
  command("signal", { symbol = "BTCUSD", direction = a.direction, stop_percent = a.stop, target_percent = a.target,
    holding_seconds = a.holding_s })
end

function give.execute(run, a)
  local bid, ask = quote(run)
  local long = a.direction == "LONG"
  local price, side = long and ask or bid, long and 1 or -1
  ask_for(run, a, "execute_all", { symbol = "BTCUSD", side = a.direction, quantity = lots(a.volume),
    stop_loss = level(price, -side * a.stop), take_profit = level(price, side * a.target) })
end

function give.again(run, a)
  local asked = run.asked[a.of]
  if asked then command(asked.name, asked.args) end
end

function give.close(run, a)
  local p = choose(run, a.which, true)
  if not p then return end
  local volume = a.volume and part(p.volume, a.volume) or nil
  command("close", { account = p.account, position = p.id, volume = volume })
end

function give.close_all() command("close_all", {}) end

function give.edit(run, a)
  local p = choose(run, a.which, true)
  if not p then return end
  local bid, ask = quote(run)
  local side = p.side == "BUY" and 1 or -1
  local price = p.side == "BUY" and bid or ask
  command("edit", { account = p.account, position = p.id, stop = level(price, -side * a.stop),
    target = level(price, side * a.target) })
end

function give.hand_open(run, a)
  local id = run.venue.ids[a.account]
  if id == run.options.watch then return end
  local bid, ask = quote(run)
  local side = a.side == "BUY" and 1 or -1
  local price = a.side == "BUY" and ask or bid
  run.venue:hand_open(id, a.side, lots(a.volume), level(price, -side * a.stop), level(price, side * a.target))
end

function give.hand_close(run, a)
  local p = choose(run, a.which, a.which * 10 % 1 < 0.5)
  if p then run.venue:hand_close(p, a.volume and part(p.volume, a.volume)) end
end

-- ---- pending orders ------------------------------------------------------------------------------

-- Where an order of this kind waits, so many percent from the market.
local function activation(run, side, type, away)
  local bid, ask = quote(run)
  local up = (side == "BUY") == (type == "STOP")
  return tonumber(level(side == "BUY" and ask or bid, up and away or -away))
end

local function choose_pending(run, share, ours)
  return choose_of(run, run.venue:pendings(), run.venue.rested, share, ours)
end

local function wish_of(run, a)
  local buys = a.direction == "LONG"
  local side = buys and 1 or -1
  local price = activation(run, buys and "BUY" or "SELL", a.type, a.away)
  return run.venue.ids[a.account], ("%.1f"):format(price), level(price, -side * a.stop), level(price, side * a.target)
end

function give.pend(run, a)
  local id, price, stop, target = wish_of(run, a)
  if id == run.options.watch then return end
  ask_for(run, a, "pending", { account = id, symbol = "BTCUSD", side = a.direction, type = a.type,
    quantity = lots(a.volume), price = price, stop_loss = stop, take_profit = target, holding_seconds = a.holding_s })
end

function give.pend_edit(run, a)
  local o = choose_pending(run, a.which, true)
  if not o then return end
  local price = activation(run, o.side, o.type, a.away)
  command("pending_edit", { account = o.account, order = o.id, price = ("%.1f"):format(price),
    quantity = a.volume and part(o.volume, a.volume) or nil,
    stop_loss = level(price, o.side == "BUY" and -a.stop or a.stop) })
end

function give.pend_cancel(run, a)
  local o = choose_pending(run, a.which, true)
  if o then command("cancel", { account = o.account, order = o.id }) end
end

function give.cancel_all() command("cancel_all", {}) end

function give.hand_pend(run, a)
  local id, price, stop, target = wish_of(run, a)
  if id == run.options.watch then return end
  run.venue:hand_pend(id, a.direction == "LONG" and "BUY" or "SELL", a.type, lots(a.volume), price, stop, target)
end

function give.hand_pend_edit(run, a)
  local o = choose_pending(run, a.which, a.which * 10 % 1 < 0.5)
  if o then run.venue:hand_pend_edit(o, ("%.1f"):format(activation(run, o.side, o.type, a.away))) end
end

function give.hand_pend_cancel(run, a)
  local o = choose_pending(run, a.which, a.which * 10 % 1 < 0.5)
  if o then run.venue:hand_pend_cancel(o) end
end

-- A pending order whose end is not told yet.
local function rests(run, o) return o.op == "pending" and run.account.pendings[o.position] ~= nil end

--- The operator looks at the broker and says what an order is that cannot be told apart.
---@param run table
---@param e table  order_ambiguous
function orders.resolve(run, e)
  task.spawn(function()
    repeat
      task.sleep(PONDER_MS, "io")
      run.account:read()
      local o = run.account.orders[e.order]
      if not o or o.state ~= "UNKNOWN" and o.state ~= "ABSENT" and o.shown and not rests(run, o) then return end
      local _, id = run.checker:truth(o)
      command("assign", { order = e.order, position = id })
      run.account:read()
    until run.ended or o.state ~= "UNKNOWN" and not rests(run, o)
  end)
end

--- Does what an action of the plan says.
---@param run table
---@param action table
function orders.give(run, action)
  run.venue:note { what = "---- " .. action.kind .. (action.direction and " " .. action.direction or "") }
  give[action.kind](run, action)
end

return orders
