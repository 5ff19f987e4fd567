-- SPDX-License-Identifier: MIT
-- Commands about pending orders, and the operator's word on an order that cannot be told apart.

local edits = require "perigee.orchestrate.edits"
local exec = require "perigee.exec"
local ledger = require "perigee.ledger"
local orchestrate = require "perigee.orchestrate"
local retry = require "perigee.orchestrate.retry"
local signals = require "perigee.signals"

---@type table<string, perigee.Command>
local orders = {}

local function change(name, list, run)
  orders[name] = { changes = true, args = list, run = run }
end

local function fail(code, message)
  return nil, { code = code, message = message, source = "commands", retry = "no" }
end

-- An account that can be reached.
local function need(state, account)
  local fleet = state.fleet
  if not fleet or not fleet.running then return fail("unavailable", "the engine has not begun to trade yet") end
  if not fleet:owner(account) then return fail("not_found", ("there is no account %s"):format(account)) end
  return true
end

local function find(state, a)
  local ok, err = need(state, a.account)
  if not ok then return nil, err end
  for _, p in ipairs(ledger.pendings(a.account)) do
    if p.id == a.order then return p end
  end
  return fail("not_found", ("account %s has no pending order %s"):format(a.account, a.order))
end

orders.pendings = { args = { { "account", "id", optional = true } }, run = function(a, c)
  if a.account then
    local ok, err = need(c.state, a.account)
    if not ok then return nil, err end
  end
  return ledger.pendings(a.account)
end }

-- The outcome of a write; UNKNOWN is told as such: it is settled by the broker's lists.
local function outcome(state, text)
  if not state then return nil, text end
  return { state = state:lower(), order = state == "ACCEPTED" and text ~= "" and text or nil,
    reason = state ~= "ACCEPTED" and text or nil }
end

change("pending", {
  { "account", "id" },
  { "symbol", "id" },
  { "side", "choice", choices = { "LONG", "SHORT" } },
  { "type", "choice", choices = { "LIMIT", "STOP" } },
  { "quantity", "positive" },
  { "price", "positive" },
  { "stop_loss", "positive" },
  { "take_profit", "positive", optional = true },
  { "holding_seconds", "integer", min = 1, max = 86400, optional = true },
}, function(a, c)
  local ok, err = need(c.state, a.account)
  if not ok then return nil, err end
  return outcome(orchestrate.pending({ account = a.account, symbol = a.symbol,
    side = a.side == "LONG" and "BUY" or "SELL", type = a.type, volume = a.quantity, price = a.price,
    stop = a.stop_loss, target = a.take_profit, holding_ms = a.holding_seconds and a.holding_seconds * 1000 },
    signals.limits()))
end)

-- What is not named stays; null takes a target away.
change("pending_edit", {
  { "account", "id" },
  { "order", "id" },
  { "quantity", "positive", optional = true },
  { "price", "positive", optional = true },
  { "stop_loss", "level", optional = true },
  { "take_profit", "level", optional = true },
}, function(a, c)
  if not (a.quantity or a.price or a.stop_loss or a.take_profit) then
    return fail("input", "pending_edit: quantity, price, stop_loss or take_profit is needed")
  end
  local p, err = find(c.state, a)
  if not p then return nil, err end
  local function level(value) return value and (type(value) == "string" and value or "0") or nil end
  local to = { volume = a.quantity or p.volume, price = a.price or p.price, stop = level(a.stop_loss) or p.stop,
    target = level(a.take_profit) or p.target }
  local refused = edits.pending(p, to, signals.limits())
  if refused then return fail("refused", refused) end
  local state, reason = exec.pending_edit(a.account, a.order, to)
  if not state and reason.code == "limit" then return fail("refused", reason.message) end
  if not state then return nil, reason end
  return { state = state:lower(), reason = state ~= "ACCEPTED" and reason or nil }
end)

change("cancel", { { "account", "id" }, { "order", "id" } }, function(a, c)
  local p, err = find(c.state, a)
  if not p then return nil, err end
  local ok
  ok, err = exec.cancel(a.account, a.order, "manual")
  if not ok then return nil, err end
  return { cancelling = true, status = c.state.fleet.members[a.account] and "cancelling" or "away" }
end)

-- Which of the candidates an order is that several things at the broker could be; without `position`: none of them.
change("assign", {
  { "order", "integer", min = 1, max = 1 << 48 },
  { "position", "id", optional = true },
}, function(a)
  local ok, err = exec.assign(a.order, a.position)
  if not ok then return nil, err end
  return { order = a.order, position = a.position }
end)

change("retry_drop", { { "account", "id" }, { "symbol", "id" } }, function(a)
  if not retry.drop(a.account, a.symbol) then
    return fail("not_found", ("no order for %s of account %s waits for a try"):format(a.symbol, a.account))
  end
  return { dropped = true }
end)

return orders
