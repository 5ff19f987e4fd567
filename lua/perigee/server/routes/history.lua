-- SPDX-License-Identifier: MIT
-- Operations on the history: lists, figures over periods, CSV. The tables are asked through perigee.store.queries;
-- sums over currencies are made here, at the newest rates.

local clock = require "perigee.clock"
local csv = require "perigee.server.csv"
local decimal = require "perigee.decimal"
local json = require "perigee.json"
local page = require "perigee.server.page"
local periods = require "perigee.server.periods"
local problem = require "perigee.server.problem"
local queries = require "perigee.store.queries"
local stored = require "perigee.server.stored"
local view = require "perigee.server.view"

local MOST_EXPORT, EXPORT_PAGE = 100000, 2000

local function ms(text) return text and clock.parse(text) or nil end

-- The store's cursors hold a dot, those of the API do not.
local function from_cursor(cursor) return cursor and (cursor:gsub("_", ".")) end
local function to_cursor(cursor) return cursor and (cursor:gsub("%.", "_")) or json.null end

---@param office perigee.Office
---@return table<string, fun(ctx: perigee.RouteContext): any, perigee.Problem|nil>
return function(office)
  local on = {}
  local mirror, db = office.mirror, office.db

  -- A page of the store as a page of the API.
  local function listed(query, args, row)
    local found, err = query(db, args)
    if not found then return nil, problem.of_database(err) end
    local items = json.array {}
    for i, item in ipairs(found.items) do items[i] = row(item) end
    return { items = items, next_cursor = to_cursor(found.next_cursor) }
  end

  local function filters(q)
    return { limit = q.limit, cursor = from_cursor(q.cursor), user_ids = q.user_ids, symbols = q.symbols,
      side = q.side, result = q.result, from_ms = ms(q.from), to_ms = ms(q.to) }
  end

  -- ---- lists -------------------------------------------------------------------------------------

  function on.list_logs(ctx)
    local q = ctx.query
    return listed(queries.list_logs, { limit = q.limit, cursor = from_cursor(q.cursor), level = q.level,
      component = q.component }, stored.log)
  end

  function on.list_audit(ctx)
    local q = ctx.query
    return listed(queries.list_audit, { limit = q.limit, cursor = from_cursor(q.cursor), operator = q.operator,
      action = q.action }, stored.audit)
  end

  function on.list_signals(ctx) return listed(queries.list_signals, filters(ctx.query), stored.signal) end

  function on.list_trades(ctx) return listed(queries.list_trades, filters(ctx.query), stored.trade) end

  local function active_orders(q)
    if not mirror.known then return nil, problem.new("engine_unavailable", "The engine was not reached yet.") end
    local status, user, symbol = page.one_of(q.status), page.one_of(q.user_ids), page.one_of(q.symbols)
    local from, to = q.from, q.to
    return page.of(mirror:list_orders(true), q, function(o) return page.down(o.id) end, function(o)
      return status(o.status) and user(o.user_id) and symbol(o.symbol)
        and (not from or ms(o.created_at) >= ms(from)) and (not to or ms(o.created_at) < ms(to))
    end)
  end

  function on.list_orders(ctx)
    local q = ctx.query
    if q.active then return active_orders(q) end
    local args = filters(q)
    args.statuses = q.status
    return listed(queries.list_orders, args, stored.order)
  end

  -- ---- candles -----------------------------------------------------------------------------------

  local function stored_candles(q)
    local rows, err = queries.candles(db, { symbol = q.symbol, timeframe = q.timeframe, limit = q.limit,
      before_ms = ms(q.before) })
    if not rows then return nil, problem.of_database(err) end
    local candles = json.array {}
    for i, row in ipairs(rows) do candles[i] = stored.candle(row) end
    return { symbol = q.symbol, timeframe = q.timeframe, source = "history", candles = candles, forming = json.null }
  end

  local function engine_candles(q)
    local found, err = office.link:command("candles", { symbol = q.symbol, timeframe = q.timeframe, count = q.limit })
    if not found then return nil, err end
    local candles = json.array {}
    for i, bar in ipairs(found.bars) do candles[i] = view.candle(bar) end
    return { symbol = q.symbol, timeframe = q.timeframe, source = "engine", candles = candles,
      forming = type(found.forming) == "table" and view.candle(found.forming) or json.null }
  end

  -- The newest ones are the engine's; what is older, and what it has not, is history.
  function on.get_candles(ctx)
    local q = ctx.query
    if not q.before then
      local found = engine_candles(q)
      if found then return found end
    end
    local found, bad = stored_candles(q)
    if not found then return nil, bad end
    if #found.candles == 0 and not q.before and not mirror:knows_symbol(q.symbol) then
      return nil, problem.new("not_found", ("There are no bars of %s."):format(q.symbol))
    end
    return found
  end

  -- ---- figures -----------------------------------------------------------------------------------

  local function now_ms() return mirror.market.time_ms end

  -- Beginning, end and width of a point of a period; or nil and a problem. Market time is the engine's, or the newest
  -- that the tables know.
  local function period_of(name)
    local span, err = queries.trade_span(db)
    if not span then return nil, problem.of_database(err) end
    local now = math.max(now_ms() or 0, span.last_ms and span.last_ms + 1 or 0) -- the newest trade is within it
    if now == 0 then now = clock.wall_ms() end
    local from, bucket = periods.cut(name, now, span.first_ms)
    return { from_ms = from, to_ms = now, bucket_ms = bucket }
  end

  local function net_of(by_currency)
    local sum = mirror:sum()
    for currency, net in pairs(by_currency) do sum:add(net, currency) end
    return sum
  end

  function on.trade_statistics(ctx)
    local args = filters(ctx.query)
    args.limit, args.cursor, args.rates = nil, nil, mirror.rates
    local s, err = queries.trade_statistics(db, args)
    if not s then return nil, problem.of_database(err) end
    local nets, rows = mirror:sum(), json.array {}
    for i, row in ipairs(s.by_currency) do
      nets:add(row.net, row.currency)
      rows[i] = { currency = row.currency, trades = row.trades, net = row.net }
    end
    local any = s.trades > 0
    local net = nets.complete and (any and nets:text() or "0.00") or nil
    return { trades = s.trades, wins = s.wins, losses = s.losses, win_rate = any and s.wins / s.trades or json.null,
      currency = mirror.currency, net = view.maybe(net),
      average = view.maybe(any and net and (decimal.new(net) / decimal.new(s.trades)):fixed(2) or nil),
      best = s.best and stored.trade(s.best) or json.null, worst = s.worst and stored.trade(s.worst) or json.null,
      average_duration_seconds = any and s.seconds / s.trades or json.null, by_currency = rows }
  end

  -- Fills in what the tables know of today; null when they cannot be asked.
  local function add_day(out)
    out.profit_day, out.trades_day = json.null, json.null
    local now = now_ms()
    local s = now and queries.trade_statistics(db, { from_ms = periods.day(now), rates = mirror.rates })
    if not s then return out end
    local sum = mirror:sum()
    for _, row in ipairs(s.by_currency) do sum:add(row.net, row.currency) end
    if out.floating ~= json.null then sum:add(out.floating, mirror.currency) end
    out.trades_day = s.trades
    out.profit_day = view.maybe(sum.complete and (sum:text() or "0.00") or nil)
    return out
  end

  function on.overview()
    local out = mirror:overview()
    out.system = office.system()
    return add_day(out)
  end

  -- Every user has a place; those whose result cannot be converted come last.
  function on.users_performance(ctx)
    local period, bad = period_of(ctx.query.period)
    if not period then return nil, bad end
    local found, err = queries.results_by_user(db, { from_ms = period.from_ms, to_ms = period.to_ms })
    if not found then return nil, problem.of_database(err) end
    local by_id, list = {}, {}
    local function entry(id, email)
      if not by_id[id] then
        by_id[id] = { user_id = id, email = email, trades = 0, wins = 0, nets = {} }
        list[#list + 1] = by_id[id]
      end
      return by_id[id]
    end
    for _, u in pairs(mirror.users) do entry(u.id, u.email) end
    for _, row in ipairs(found) do
      local e = entry(row.user_id, row.email)
      e.trades, e.wins, e.nets[row.currency] = e.trades + row.trades, e.wins + row.wins, row.net
    end
    for _, e in ipairs(list) do
      local sum = net_of(e.nets)
      e.net = sum.complete and (sum:text() or "0.00") or nil
      e.order = e.net and decimal.new(e.net):number() or -math.huge
    end
    table.sort(list, function(a, b)
      if a.order ~= b.order then return a.order > b.order end
      return a.user_id < b.user_id
    end)
    local items = json.array {}
    for i, e in ipairs(list) do
      local balance = mirror:sum()
      for _, a in ipairs(mirror:accounts_of(e.user_id)) do
        balance:add(a.balance ~= json.null and a.balance or nil, a.currency)
      end
      items[i] = { rank = i, user_id = e.user_id, email = e.email, currency = mirror.currency, net = view.maybe(e.net),
        trades = e.trades, wins = e.wins, win_rate = e.trades > 0 and e.wins / e.trades or json.null,
        balance = view.maybe(balance.complete and balance:text() or nil) }
    end
    return { period = ctx.query.period, items = items }
  end

  -- Equity in the reporting currency by time; a time with an account of which nothing was known has none.
  local function equity_by_time(times, user_ids)
    local rows, err = queries.equity_over_time(db, { times_ms = times, user_ids = user_ids })
    if not rows then return nil, problem.of_database(err) end
    local sums = {}
    for _, row in ipairs(rows) do
      local sum = sums[row.time_ms] or mirror:sum()
      sums[row.time_ms] = sum
      sum:add(row.missing == 0 and row.equity or nil, row.currency)
    end
    return sums
  end

  function on.performance(ctx)
    local q = ctx.query
    local period, bad = period_of(q.period)
    if not period then return nil, bad end
    period.user_ids = q.user_ids
    local found, err = queries.results_over_time(db, period)
    if not found then return nil, problem.of_database(err) end
    local times, complete, points = {}, true, json.array {}
    for i, point in ipairs(found) do times[i] = point.time_ms end
    local equity
    equity, bad = equity_by_time(times, q.user_ids)
    if not equity then return nil, bad end
    for i, point in ipairs(found) do
      local net, worth = net_of(point.net), equity[point.time_ms]
      complete = complete and net.complete
      points[i] = { time = clock.iso(point.time_ms), net = net:text() or "0.00", trades = point.trades,
        equity = view.maybe(worth and worth.complete and worth:text() or nil) }
    end
    return { period = q.period, currency = mirror.currency, from = clock.iso(period.from_ms),
      to = clock.iso(period.to_ms), complete = complete, points = points }
  end

  -- ---- CSV ---------------------------------------------------------------------------------------

  function on.export_trades(ctx)
    local args = filters(ctx.query)
    local out, count = { csv.header() }, 0
    args.limit = EXPORT_PAGE
    repeat
      local found, err = queries.list_trades(db, args)
      if not found then return nil, problem.of_database(err) end
      for _, row in ipairs(found.items) do
        if count < MOST_EXPORT then out[#out + 1] = csv.line(stored.trade(row)) end
        count = count + 1
      end
      args.cursor = found.next_cursor
    until not args.cursor or count >= MOST_EXPORT
    ctx.headers[#ctx.headers + 1] = { "Content-Disposition", 'attachment; filename="trades.csv"' }
    if args.cursor or count > MOST_EXPORT then
      ctx.headers[#ctx.headers + 1] = { "X-Perigee-Truncated", tostring(MOST_EXPORT) }
    end
    return table.concat(out)
  end

  return on
end
