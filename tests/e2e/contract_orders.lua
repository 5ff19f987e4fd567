-- SPDX-License-Identifier: MIT
-- The part of the contract about single orders: those that rest at the broker, one that cannot be told apart, one that
-- waits for a try. The broker's bad moments come from its control port.

local fs = require "perigee.fs"
local http = require "perigee.http"
local json = require "perigee.json"

local ACCOUNT = "365101"

-- Says something to the paper broker of a data folder.
local function control(data, verb, args)
  local port = json.decode(assert(fs.read(data .. "/sim/control", 4096)))
  local answer = assert(http.request { method = "POST", url = ("http://%s/%s"):format(port.address, verb),
    headers = { { "Authorization", "Bearer " .. port.token } }, body = json.encode(args) })
  assert(answer.status == 200, answer.body)
end

local function resting(t, who, at)
  local as, expect, refused, report = who.trader, t.expect, t.refused, t.report
  local account, wait_until = ACCOUNT, t.wait_until
  local body = { account_id = account, symbol = "BTCUSD", side = "LONG", order_type = "LIMIT", quantity = "0.02",
    price = at(0.9), stop_loss = at(0.895), take_profit = at(0.95) }
  local function changed(fields)
    local out = {}
    for key, value in pairs(body) do out[key] = value end
    for key, value in pairs(fields) do out[key] = value end
    return out
  end
  refused("create_pending_order", "not_found", { as = as, body = changed { symbol = "NOPE" },
    note = "an unknown symbol" })
  refused("create_pending_order", "not_found", { as = as, body = changed { account_id = "nobody" },
    note = "an unknown account" })
  refused("create_pending_order", "risk_refused", { as = as, body = changed { quantity = "5" }, note = "too much" })
  refused("create_pending_order", "invalid_parameters", { as = as, body = changed { price = "-1" },
    note = "a negative price" })
  refused("create_pending_order", "forbidden", { as = who.viewer, body = body, note = "a viewer" })
  local once = { as = as, body = body, headers = { { "Idempotency-Key", "pending-1" } } }
  local made = expect("create_pending_order", once)
  report("a pending order is accepted", made.status == "accepted" and made.pending_id ~= json.null, json.encode(made))
  local again = expect("create_pending_order", once)
  report("the same key creates it once", again.pending_id == made.pending_id, json.encode(again))
  local function list()
    return expect("list_pending_orders", { as = who.viewer }).items
  end
  local rests = wait_until("it rests", function()
    local items = list()
    return #items == 1 and items[1]
  end)
  report("it rests as it was asked for", rests.id == made.pending_id and rests.is_ours and rests.account_id == account
    and rests.side == "LONG" and rests.order_type == "LIMIT" and tonumber(rests.price) == tonumber(body.price),
    json.encode(rests))
  report("it is among the active orders", #expect("list_orders", { as = as, query = "active=true" }).items == 1)
  local params = { account_id = account, pending_id = rests.id }
  refused("edit_pending_order", "invalid_parameters", { as = as, params = params, body = {}, note = "nothing" })
  refused("edit_pending_order", "risk_refused", { as = as, params = params, body = { stop_loss = at(0.3) },
    note = "too much at risk" })
  refused("edit_pending_order", "not_found", { as = as, params = { account_id = account, pending_id = "zz" },
    body = { price = at(0.9) }, note = "an unknown order" })
  expect("edit_pending_order", { as = as, params = params, body = { price = at(0.899), take_profit = json.null } })
  wait_until("its price was changed", function() return tonumber(list()[1].price) == tonumber(at(0.899)) end)
  refused("cancel_pending_order", "not_found", { as = as, params = { account_id = account, pending_id = "zz" },
    note = "an unknown order" })
  expect("cancel_pending_order", { as = as, params = params })
  wait_until("it is gone", function() return #list() == 0 end)
end

-- An order whose answer was lost, and a hand's trade of the same shape at the same moment.
local function ambiguous(t, who, data, levels)
  local as, expect, refused, report = who.trader, t.expect, t.refused, t.report
  refused("assign_order", "not_found", { as = as, params = { id = 99999 }, body = { position_id = "W1" },
    note = "an unknown order" })
  local done = expect("list_orders", { as = as, query = "limit=1" }).items[1]
  refused("assign_order", "conflict", { as = as, params = { id = done.id }, body = { position_id = json.null },
    note = "an order that is not ambiguous" })
  control(data, "fail", { kind = "reset", at = "before", path = "/position/open", account = ACCOUNT, times = 1 })
  local said = expect("execute_all", { as = as, body = { symbol = "BTCUSD", side = "LONG", quantity = "0.03",
    stop_loss = levels.stop, take_profit = levels.target, account_ids = { ACCOUNT } } })
  report("its answer is lost", said.unknown_count == 1, json.encode(said))
  control(data, "open", { account = ACCOUNT, side = "BUY", volume = "0.03" })
  local order = t.wait_until("it is ambiguous", function()
    for _, o in ipairs(expect("list_orders", { as = as, query = "active=true" }).items) do
      if o.is_ambiguous then return o end
    end
  end)
  report("the candidates are told", #order.candidates == 1, json.encode(order))
  refused("assign_order", "not_found", { as = as, params = { id = order.id }, body = { position_id = "nothing" },
    note = "what is no candidate" })
  expect("assign_order", { as = as, params = { id = order.id }, body = { position_id = order.candidates[1] } })
  local p = t.wait_until("the position is the order's", function()
    for _, open in ipairs(expect("list_positions", { as = as }).items) do
      if open.order_id == order.id then return open end
    end
  end)
  report("as the operator has said", p.id == order.candidates[1] and p.is_ours, json.encode(p))
  expect("close_all", { as = as })
  t.wait_until("it is closed", function() return #expect("list_positions", { as = as }).items == 0 end)
end

local function retries(t, who, data, levels)
  local as = who.trader
  t.refused("drop_retry", "not_found", { as = as, params = { account_id = ACCOUNT, symbol = "BTCUSD" },
    note = "one that does not wait" })
  control(data, "fail", { kind = "429", path = "/position/open", account = ACCOUNT, times = 1, retry_after = 60 })
  t.expect("execute_all", { as = as, body = { symbol = "BTCUSD", side = "LONG", quantity = "0.03",
    stop_loss = levels.stop, take_profit = levels.target, account_ids = { ACCOUNT } } })
  local waits = t.expect("list_retries", { as = as }).items
  t.report("a refused order waits for a try", #waits == 1 and waits[1].account_id == ACCOUNT, json.encode(waits))
  t.expect("drop_retry", { as = as, params = { account_id = ACCOUNT, symbol = "BTCUSD" } })
  t.report("and does no more", #t.expect("list_retries", { as = as }).items == 0)
end

---@param t { expect: function, refused: function, report: function, wait_until: function }
---@param who table<string, table>  sign-ins by role
---@param data string               the data folder
return function(t, who, data)
  local expect, report, as = t.expect, t.report, who.trader
  local function price() return tonumber(expect("list_instruments", { as = as }).items[1].bid) end
  local start = price()
  resting(t, who, function(share) return ("%.1f"):format(start * share) end)
  local function levels()
    local now = price()
    return { stop = ("%.1f"):format(now * 0.98), target = ("%.1f"):format(now * 1.04) }
  end
  ambiguous(t, who, data, levels())
  retries(t, who, data, levels())
  local budgets = expect("list_budgets", { as = who.viewer }).items
  report("each account has a budget", #budgets == 6 and budgets[1].limit > 0 and budgets[1].used > 0,
    json.encode(budgets))
end
