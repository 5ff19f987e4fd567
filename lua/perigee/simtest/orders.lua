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

-- The position that a drawn share points at; nil: there is none. `ours`: opened by the engine, or not.
local function choose(run, share, ours)
  local list = {}
  for _, p in ipairs(run.venue:positions()) do
    if run.venue.by_id[p.id].ours == ours and p.account ~= run.options.watch then list[#list + 1] = p end
  end
  return list[math.min(math.floor(share * #list) + 1, #list)]
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
  local asked = { symbol = "BTCUSD", side = a.direction, quantity = ("%.2f"):format(a.volume * STEP),
    stop_loss = level(price, -side * a.stop), take_profit = level(price, side * a.target) }
  run.asked = run.asked or {}
  run.asked[a] = asked
  command("execute_all", asked)
end

function give.again(run, a) command("execute_all", run.asked[a.of]) end

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
  run.venue:hand_open(id, a.side, ("%.2f"):format(a.volume * STEP), level(price, -side * a.stop),
    level(price, side * a.target))
end

function give.hand_close(run, a)
  local p = choose(run, a.which, a.which * 10 % 1 < 0.5)
  if p then run.venue:hand_close(p, a.volume and part(p.volume, a.volume)) end
end

--- The operator looks at the broker and says what an order is that cannot be told apart.
---@param run table
---@param e table  order_ambiguous
function orders.resolve(run, e)
  task.spawn(function()
    repeat
      task.sleep(PONDER_MS, "io")
      run.account:read()
      local o = run.account.orders[e.order]
      if not o or o.state ~= "UNKNOWN" and o.state ~= "ABSENT" and o.shown then return end
      local _, id = run.checker:truth(o)
      command("assign", { order = e.order, position = id })
    until run.ended or run.account.orders[e.order].state ~= "UNKNOWN"
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
