-- SPDX-License-Identifier: MIT
-- Operations that trade, and what is read of the market now.

local json = require "perigee.json"
local page = require "perigee.server.page"
local problem = require "perigee.server.problem"
local view = require "perigee.server.view"

local FAN_OUT_MS = 60000

---@param office perigee.Office
---@return table<string, fun(ctx: perigee.RouteContext): any, perigee.Problem|nil>
return function(office)
  local on = {}
  local mirror = office.mirror

  local function need_engine()
    if mirror.known then return nil end
    return problem.new("engine_unavailable", "The engine was not reached yet.")
  end

  local function command(ctx, name, args, refused)
    local result, err = office:change(ctx, name, args, FAN_OUT_MS)
    if result == nil then return nil, problem.of_engine(err, refused) end
    return result
  end

  -- A symbol that no instrument has is not found, before the engine is asked.
  local function need_symbol(symbol)
    local bad = need_engine()
    if bad then return bad end
    if mirror:knows_symbol(symbol) then return nil end
    return problem.new("not_found", ("There is no symbol %s."):format(symbol))
  end

  -- ---- signals and orders by hand ----------------------------------------------------------------

  function on.send_signal(ctx)
    local b = ctx.body
    local bad = need_symbol(b.symbol)
    if bad then return nil, bad end
    local report
    report, bad = command(ctx, "signal", { symbol = b.symbol, direction = b.direction, stop_percent = b.stop_percent,
      target_percent = b.target_percent, holding_seconds = b.holding_seconds,
      reason = b.reason ~= "" and b.reason or nil })
    if not report then return nil, bad end
    return view.report(report)
  end

  function on.preview_signal(ctx)
    local b = ctx.body
    local bad = need_symbol(b.symbol)
    if bad then return nil, bad end
    if b.direction == "CLOSE" then
      return nil, problem.new("invalid_parameters", "Only LONG and SHORT have a preview.",
        { { pointer = "/direction", detail = "must be LONG or SHORT here" } })
    end
    local found, err = office.link:command("preview", { action = b.direction, symbol = b.symbol,
      stop_percent = b.stop_percent, target_percent = b.target_percent }, ctx.operator.username)
    if not found then return nil, problem.of_engine(err) end
    return view.preview(b, found)
  end

  function on.execute_all(ctx)
    local b = ctx.body
    local bad = need_symbol(b.symbol)
    if bad then return nil, bad end
    local report
    report, bad = command(ctx, "execute_all", { symbol = b.symbol, side = b.side, quantity = b.quantity,
      stop_loss = b.stop_loss, take_profit = b.take_profit, accounts = b.account_ids })
    if not report then return nil, bad end
    return view.report(report)
  end

  function on.execute_batch(ctx)
    local orders = {}
    for i, o in ipairs(ctx.body.orders) do
      local bad = need_symbol(o.symbol)
      if bad then return nil, bad end
      orders[i] = { account = o.account_id, symbol = o.symbol, side = o.side, quantity = o.quantity,
        stop_loss = o.stop_loss, take_profit = o.take_profit }
    end
    local done, bad = command(ctx, "execute_batch", { orders = orders })
    if not done then return nil, bad end
    return view.batch_report(done)
  end

  local function ask(ctx, name, args)
    local found, err = office.link:command(name, args, ctx.operator.username)
    if not found then return nil, problem.of_engine(err) end
    return found
  end

  function on.get_report(ctx)
    local found, bad = ask(ctx, "report", { signal_id = ctx.params.id })
    return found and view.report(found), bad
  end

  function on.list_retries(ctx)
    local found, bad = ask(ctx, "retries")
    return found and view.retries(found), bad
  end

  -- ---- positions ---------------------------------------------------------------------------------

  function on.list_positions(ctx)
    local q = ctx.query
    local bad = need_engine()
    if bad then return nil, bad end
    local user, symbol = page.one_of(q.user_ids), page.one_of(q.symbols)
    return page.of(mirror:list_positions(), q, function(p)
      return ("%s\0%s\0%s"):format(p.opened_at, p.account_id, p.id)
    end, function(p)
      return user(p.user_id) and symbol(p.symbol) and (not q.side or p.side == q.side)
    end)
  end

  local function need_position(ctx)
    local bad = need_engine()
    if bad then return nil, bad end
    local p = mirror:position(ctx.params.account_id, ctx.params.position_id)
    if p then return p end
    return nil, problem.new("not_found", ("Account %s has no open position %s."):format(ctx.params.account_id,
      ctx.params.position_id))
  end

  function on.close_position(ctx)
    local p, bad = need_position(ctx)
    if not p then return nil, bad end
    local done
    done, bad = command(ctx, "close", { account = p.account_id, position = p.id, volume = ctx.body.quantity })
    if not done then return nil, bad end
    return view.closing { closing = 1, positions = { { account = p.account_id, id = p.id, status = done.status } } }
  end

  -- What the broker has taken is shown at once; its list confirms it a moment later.
  local function with_levels(p, b)
    if b.stop_loss ~= nil then p.stop_loss = b.stop_loss end
    if b.take_profit ~= nil then p.take_profit = b.take_profit end
    return p
  end

  function on.edit_position(ctx)
    local b = ctx.body
    local p, bad = need_position(ctx)
    if not p then return nil, bad end
    if b.stop_loss == nil and b.take_profit == nil then
      return nil, problem.new("invalid_parameters", "Give stop_loss or take_profit.",
        { { pointer = "", detail = "must have stop_loss or take_profit" } })
    end
    local done
    done, bad = command(ctx, "edit", { account = p.account_id, position = p.id, stop = b.stop_loss,
      target = b.take_profit })
    if not done then return nil, bad end
    local reason = view.maybe(done.reason)
    if done.state == "rejected" then
      return nil, problem.new("broker_refused", ("The broker refused it: %s."):format(
        reason ~= json.null and reason or "no reason given"))
    end
    p = mirror:position(p.account_id, p.id) or p
    return { status = done.state, reason = reason, position = done.state == "accepted" and with_levels(p, b) or p }
  end

  function on.close_all(ctx)
    local b = ctx.body
    local bad = b.symbol and need_symbol(b.symbol)
    if bad then return nil, bad end
    local done
    done, bad = command(ctx, "close_all", { symbol = b.symbol, accounts = b.account_ids })
    if not done then return nil, bad end
    return view.closing(done)
  end

  function on.cancel_all(ctx)
    local b = ctx.body
    local bad = b.symbol and need_symbol(b.symbol)
    if bad then return nil, bad end
    local done
    done, bad = command(ctx, "cancel_all", { symbol = b.symbol, accounts = b.account_ids })
    if not done then return nil, bad end
    return view.cancelling(done)
  end

  function on.edit_all(ctx)
    local b = ctx.body
    local bad = need_symbol(b.symbol)
    if bad then return nil, bad end
    if b.stop_loss == nil and b.take_profit == nil then
      return nil, problem.new("invalid_parameters", "Give stop_loss or take_profit.",
        { { pointer = "", detail = "must have stop_loss or take_profit" } })
    end
    local done
    done, bad = command(ctx, "edit_all", { symbol = b.symbol, side = b.side, stop = b.stop_loss,
      target = b.take_profit, accounts = b.account_ids })
    if not done then return nil, bad end
    local results = json.array {}
    for i, row in ipairs(done.results or {}) do
      results[i] = { account_id = row.account, id = row.id, status = row.status, reason = view.maybe(row.reason) }
    end
    return { edited_count = done.edited, results = results }
  end

  -- ---- the rest ----------------------------------------------------------------------------------

  function on.list_instruments()
    local bad = need_engine()
    if bad then return nil, bad end
    local items = json.array {}
    for i, row in ipairs(mirror:list_instruments()) do items[i] = row end
    return { items = items, next_cursor = json.null }
  end

  function on.set_entries(ctx)
    local done, bad = command(ctx, "stop_entries", { on = ctx.body.stopped })
    if not done then return nil, bad end
    return { stopped = done.entries_stopped == true }
  end

  return on
end
