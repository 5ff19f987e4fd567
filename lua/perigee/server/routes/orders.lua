-- SPDX-License-Identifier: MIT
-- Operations on single orders: those that rest at the broker, one that cannot be told apart, one that waits for a try.

local json = require "perigee.json"
local problem = require "perigee.server.problem"
local view = require "perigee.server.view"

local ANSWER_MS = 60000

---@param office perigee.Office
---@return table<string, fun(ctx: perigee.RouteContext): any, perigee.Problem|nil>
return function(office)
  local on = {}
  local mirror = office.mirror

  local function change(ctx, name, args)
    local result, err = office:change(ctx, name, args, ANSWER_MS)
    if result == nil then return nil, problem.of_engine(err) end
    return result
  end

  local function ask(ctx, name, args)
    local found, err = office.link:command(name, args, ctx.operator.username)
    if not found then return nil, problem.of_engine(err) end
    return found
  end

  -- What the broker has refused is a problem; everything else is an outcome.
  local function outcome(done, bad, pending_id)
    if not done then return nil, bad end
    if done.state == "rejected" then
      return nil, problem.new("broker_refused", ("The broker refused it: %s."):format(done.reason or "no reason given"))
    end
    return view.pending_result(done, pending_id)
  end

  function on.list_pending_orders(ctx)
    local found, bad = ask(ctx, "pendings", {})
    if not found then return nil, bad end
    local items = json.array {}
    for i, p in ipairs(found) do items[i] = view.pending(p) end
    return { items = items }
  end

  function on.create_pending_order(ctx)
    local b = ctx.body
    if mirror.known and not mirror:knows_symbol(b.symbol) then
      return nil, problem.new("not_found", ("There is no symbol %s."):format(b.symbol))
    end
    return outcome(change(ctx, "pending", { account = b.account_id, symbol = b.symbol, side = b.side,
      type = b.order_type, quantity = b.quantity, price = b.price, stop_loss = b.stop_loss,
      take_profit = b.take_profit, holding_seconds = b.holding_seconds }))
  end

  function on.edit_pending_order(ctx)
    local b, id = ctx.body, ctx.params.pending_id
    if not (b.quantity or b.price or b.stop_loss or b.take_profit) then
      return nil, problem.new("invalid_parameters", "Give quantity, price, stop_loss or take_profit.",
        { { pointer = "", detail = "must have quantity, price, stop_loss or take_profit" } })
    end
    local done, bad = change(ctx, "pending_edit", { account = ctx.params.account_id, order = id, quantity = b.quantity,
      price = b.price, stop_loss = b.stop_loss, take_profit = b.take_profit })
    return outcome(done, bad, id)
  end

  function on.cancel_pending_order(ctx)
    local account, id = ctx.params.account_id, ctx.params.pending_id
    local done, bad = change(ctx, "cancel", { account = account, order = id })
    if not done then return nil, bad end
    return view.cancelling { cancelling = 1, orders = { { account = account, id = id, status = done.status } } }
  end

  function on.assign_order(ctx)
    local position = ctx.body.position_id
    if position == json.null then position = nil end
    local done, bad = change(ctx, "assign", { order = ctx.params.id, position = position })
    if not done then return nil, bad end
    return { order_id = ctx.params.id, position_id = view.maybe(position) }
  end

  function on.drop_retry(ctx)
    local done, bad = change(ctx, "retry_drop", { account = ctx.params.account_id, symbol = ctx.params.symbol })
    if not done then return nil, bad end
    return nil
  end

  function on.list_budgets(ctx)
    local found, bad = ask(ctx, "budget", {})
    if not found then return nil, bad end
    return view.budgets(found)
  end

  return on
end
