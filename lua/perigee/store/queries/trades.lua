-- SPDX-License-Identifier: MIT
--
-- Trades: the list, and figures over many of them. Figures over whole days come from trade_days, or from user_days
-- where no filter needs more, the rest of the period from trades, so that they stay quick over years. Money is summed
-- up for each currency; who knows the rates makes one sum of it.

local decimal = require "perigee.decimal"
local pg = require "perigee.pg"
local where = require "perigee.store.queries.where"

local trades = {}

local DAY = 86400000

---@class perigee.TradeFilter
---@field from_ms integer?      closed not before
---@field to_ms integer?        closed before
---@field user_ids integer[]?
---@field symbols string[]?
---@field side "LONG"|"SHORT"|nil
---@field result "win"|"loss"|nil

local COLUMNS = [[
t.id, t.uid, t.order_id, t.signal_id, t.strategy, t.strategy_hash, t.user_id, u.email, t.account_id, t.position_id,
t.symbol, t.side, trim_scale(t.quantity) AS quantity, trim_scale(t.entry_price) AS entry_price,
trim_scale(t.exit_price) AS exit_price, trim_scale(t.profit_loss) AS profit_loss,
trim_scale(t.commission) AS commission, trim_scale(t.swap) AS swap, trim_scale(t.net) AS net, t.currency,
trim_scale(t.profit_loss_percent) AS profit_loss_percent, t.duration_seconds, t.reason, t.is_partial,
time_to_ms(t.executed_at) AS executed_ms, time_to_ms(t.closed_at) AS closed_ms]]

local function list_of(values)
  return values and pg.array(values)
end

local function filter(w, args)
  w:add("t.user_id = ANY(?)", list_of(args.user_ids), "bigint[]")
  w:add("t.symbol = ANY(?)", list_of(args.symbols), "text[]")
  w:add("t.side = ?", args.side, "text")
end

--- Trades, the newest close first.
---@param db perigee.Db
---@param args perigee.TradeFilter|{ limit: integer?, cursor: string? }
---@return { items: table[], next_cursor: string|nil }|nil, table|nil err
function trades.list(db, args)
  local w = where.new()
  filter(w, args)
  w:add("t.closed_at >= ms_to_time(?)", args.from_ms, "bigint")
  w:add("t.closed_at < ms_to_time(?)", args.to_ms, "bigint")
  if args.result then w:fixed(args.result == "win" and "t.net > 0" or "t.net < 0") end
  local ok, failure = w:after(args.cursor, "t.closed_at", "t.id")
  if not ok then return nil, failure end
  return w:page(db, ("SELECT %s FROM trades t JOIN users u ON u.id = t.user_id %s ORDER BY t.closed_at DESC, t.id DESC")
    :format(COLUMNS, w:text()), args.limit, "closed_ms")
end

---@param db perigee.Db
---@param args { ids: integer[] }
---@return table[]|nil, table|nil err
function trades.by_id(db, args)
  return db:query(("SELECT %s FROM trades t JOIN users u ON u.id = t.user_id WHERE t.id = ANY($1::bigint[]) "
    .. "ORDER BY t.id"):format(COLUMNS), { pg.array(args.ids) })
end

--- When the first and the last of all trades were closed; empty without trades.
---@param db perigee.Db
---@return { first_ms: integer|nil, last_ms: integer|nil }|nil, table|nil err
function trades.span(db)
  local rows, failure = db:query(
    "SELECT time_to_ms(least(min(closed_at), (SELECT min(created_at) FROM accounts))) AS first_ms, "
    .. "time_to_ms(max(closed_at)) AS last_ms FROM trades")
  if not rows then return nil, failure end
  return rows[1]
end

-- ---- sums over a period --------------------------------------------------------------------------

-- The whole days within a period, as numbers since 1970, and the rests before and after them, in ms.
local function split(from_ms, to_ms)
  local first = from_ms and -(-from_ms // DAY)
  local last = to_ms and to_ms // DAY
  if first and last and first >= last then return nil, { { from_ms, to_ms } } end
  local rests = {}
  if from_ms and first * DAY > from_ms then rests[#rests + 1] = { from_ms, first * DAY } end
  if to_ms and last * DAY < to_ms then rests[#rests + 1] = { last * DAY, to_ms } end
  return { first, last }, rests
end

local SAME = "t.net, t.user_id, t.currency, "
local DAY_SUMS = "t.seconds, t.best, t.best_id, t.worst, t.worst_id, (t.day - date '1970-01-01')::bigint * " .. DAY
  .. " AS at"

-- What is read of each table: the days' coarse sums, their fine sums, and single trades.
local COARSE = ("SELECT %st.trades, t.wins, t.losses, %s FROM user_days t"):format(SAME, DAY_SUMS)
local FINE = ("SELECT %st.symbol, t.trades, CASE t.result WHEN 'win' THEN t.trades ELSE 0 END AS wins, "
  .. "CASE t.result WHEN 'loss' THEN t.trades ELSE 0 END AS losses, %s FROM trade_days t"):format(SAME, DAY_SUMS)
local SINGLE = "SELECT " .. SAME .. "%s1::bigint AS trades, (t.net > 0)::integer::bigint AS wins, "
  .. "(t.net < 0)::integer::bigint AS losses, t.duration_seconds AS seconds, t.net AS best, t.id AS best_id, "
  .. "t.net AS worst, t.id AS worst_id, time_to_ms(t.closed_at) AS at FROM trades t"

local RESULTS = { win = "t.net > 0", loss = "t.net < 0" }

-- All that was closed in a period, as few rows as possible: net, user_id, currency, (symbol,) trades, wins, losses,
-- seconds, best, best_id, worst, worst_id, at (ms; of a day: its beginning).
---@param options { days: boolean?, symbol: boolean? }  days = false: from trades alone; symbol: with that column
local function parts(w, args, options)
  options = options or {}
  local whole, rests = nil, { { args.from_ms, args.to_ms } }
  if options.days ~= false then whole, rests = split(args.from_ms, args.to_ms) end
  local common = where.new()
  common.params = w.params
  filter(common, args)
  local texts = {}
  local function part(text, conditions)
    table.move(common.terms, 1, #common.terms, #conditions + 1, conditions)
    texts[#texts + 1] = text .. (#conditions > 0 and " WHERE " .. table.concat(conditions, " AND ") or "")
  end
  local function add(conditions, text, value, kind)
    if value then conditions[#conditions + 1] = text:format(w:param(value, kind)) end
  end
  local fine = options.symbol or args.symbols or args.side or args.result
  if whole then
    local conditions = {}
    add(conditions, "t.day >= date '1970-01-01' + %s", whole[1], "integer")
    add(conditions, "t.day < date '1970-01-01' + %s", whole[2], "integer")
    add(conditions, "t.result = %s", args.result, "text")
    part(fine and FINE or COARSE, conditions)
  end
  for _, rest in ipairs(rests) do
    local conditions = { RESULTS[args.result] }
    add(conditions, "t.closed_at >= ms_to_time(%s)", rest[1], "bigint")
    add(conditions, "t.closed_at < ms_to_time(%s)", rest[2], "bigint")
    part(SINGLE:format(fine and "t.symbol, " or ""), conditions)
  end
  return table.concat(texts, " UNION ALL ")
end

local SUMS = "sum(p.trades)::bigint AS trades, sum(p.wins)::bigint AS wins, sum(p.losses)::bigint AS losses, "
  .. "trim_scale(sum(p.net)) AS net"

-- The trade with the best (or worst) net result of several currencies, by rates; nil where a rate is missing.
local function extreme(rows, name, rates, sign)
  local chosen, value
  for _, row in ipairs(rows) do
    local rate = rates == nil and "1" or rates[row.currency]
    if not rate then return nil end
    local worth = decimal.new(row[name]) * decimal.new(rate)
    if not value or (sign > 0 and value < worth) or (sign < 0 and worth < value) then
      chosen, value = row[name .. "_id"], worth
    end
  end
  return chosen
end

--- Statistics of the trades that fit. Totals over currencies are the caller's; best and worst are whole trades, chosen
--- by `rates` (what one unit is worth); a rate that is missing leaves them out.
---@param db perigee.Db
---@param args perigee.TradeFilter|{ rates: table<string, string>? }
---@return table|nil  { trades, wins, losses, seconds, by_currency = { { currency, trades, wins, losses, seconds, net,
---   best, best_id, worst, worst_id } ... }, best, worst }
---@return table|nil err
function trades.statistics(db, args)
  local w = where.new()
  local from = parts(w, args)
  local rows, failure = db:query(([[WITH p AS MATERIALIZED (%s), s AS (SELECT p.currency, %s,
    sum(p.seconds)::bigint AS seconds, max(p.best) AS best, min(p.worst) AS worst FROM p GROUP BY p.currency)
    SELECT s.currency, s.trades, s.wins, s.losses, s.net, s.seconds, trim_scale(s.best) AS best,
      min(p.best_id) FILTER (WHERE p.best = s.best) AS best_id, trim_scale(s.worst) AS worst,
      min(p.worst_id) FILTER (WHERE p.worst = s.worst) AS worst_id
    FROM s JOIN p ON p.currency = s.currency
    GROUP BY s.currency, s.trades, s.wins, s.losses, s.net, s.seconds, s.best, s.worst
    ORDER BY s.currency]]):format(from, SUMS), w.params)
  if not rows then return nil, failure end
  local out = { trades = 0, wins = 0, losses = 0, seconds = 0, by_currency = rows }
  for _, row in ipairs(rows) do
    for _, name in ipairs { "trades", "wins", "losses", "seconds" } do out[name] = out[name] + row[name] end
  end
  local best, worst = extreme(rows, "best", args.rates, 1), extreme(rows, "worst", args.rates, -1)
  if best and worst then
    local found
    found, failure = trades.by_id(db, { ids = { best, worst } })
    if not found then return nil, failure end
    for _, row in ipairs(found) do
      if row.id == best then out.best = row end
      if row.id == worst then out.worst = row end
    end
  end
  return out
end

--- Results by user and currency, for a ranking; users without a trade are not among them.
---@param db perigee.Db
---@param args perigee.TradeFilter
---@return table[]|nil rows  { user_id, email, currency, trades, wins, losses, net }
---@return table|nil err
function trades.by_user(db, args)
  local w = where.new()
  return db:query(([[SELECT q.*, u.email FROM (SELECT p.user_id, p.currency, %s FROM (%s) p
    GROUP BY p.user_id, p.currency) q JOIN users u ON u.id = q.user_id ORDER BY q.user_id, q.currency]])
    :format(SUMS, parts(w, args)), w.params)
end

--- Results by symbol and currency.
---@param db perigee.Db
---@param args perigee.TradeFilter
---@return table[]|nil rows  { symbol, currency, trades, wins, losses, net }
---@return table|nil err
function trades.by_symbol(db, args)
  local w = where.new()
  return db:query(([[SELECT p.symbol, p.currency, %s FROM (%s) p GROUP BY p.symbol, p.currency
    ORDER BY p.symbol, p.currency]]):format(SUMS, parts(w, args, { symbol = true })), w.params)
end

-- ---- results over time ---------------------------------------------------------------------------

-- Sum of what came before the point, for each currency.
local function cumulate(rows, points, index)
  local sums, at = {}, 1
  for i, point in ipairs(points) do
    while rows[at] and index(rows[at]) <= i do
      local row = rows[at]
      sums[row.currency] = (sums[row.currency] or decimal.new("0")) + decimal.new(row.net)
      point.trades = point.trades + row.trades
      at = at + 1
    end
    for currency, sum in pairs(sums) do point.net[currency] = tostring(sum) end
  end
end

--- Realised results over a period, summed up from its beginning, at the end of each bucket. Buckets of whole days
--- begin at 00:00 UTC and come from the days' sums.
---@param db perigee.Db
---@param args { from_ms: integer, to_ms: integer, bucket_ms: integer, user_ids: integer[]? }
---@return { time_ms: integer, net: table<string, string>, trades: integer }[]|nil points  trades: of this bucket
---@return table|nil err
function trades.over_time(db, args)
  local bucket = args.bucket_ms
  local first, last = args.from_ms // bucket, (args.to_ms - 1) // bucket
  if last < first or last - first > 2000 then error("trades.over_time: 1 to 2000 buckets expected", 2) end
  local w = where.new()
  local text = parts(w, args, { days = bucket % DAY == 0 })
  local width = w:param(bucket, "bigint")
  local rows, failure = db:query(([[SELECT p.at / %s AS bucket, p.currency, sum(p.trades)::bigint AS trades,
    sum(p.net) AS net FROM (%s) p GROUP BY 1, 2 ORDER BY 1, 2]]):format(width, text), w.params)
  if not rows then return nil, failure end
  local points = {}
  for i = first, last do
    points[#points + 1] = { time_ms = math.min((i + 1) * bucket, args.to_ms), net = {}, trades = 0 }
  end
  cumulate(rows, points, function(row) return row.bucket - first + 1 end)
  return points
end

--- Balance and equity of all accounts at points in time, summed up by currency; `missing`: accounts of which nothing
--- was known then.
---@param db perigee.Db
---@param args { times_ms: integer[], user_ids: integer[]? }
---@return table[]|nil rows  { time_ms, currency, balance, equity, missing }, by time
---@return table|nil err
function trades.equity(db, args)
  local w = where.new()
  local times = w:param(pg.array(args.times_ms), "bigint[]")
  w:add("a.user_id = ANY(?)", list_of(args.user_ids), "bigint[]")
  return db:query(([[SELECT b.t AS time_ms, a.currency, trim_scale(sum(e.balance)) AS balance,
    trim_scale(sum(e.equity)) AS equity, count(*) FILTER (WHERE e.equity IS NULL) AS missing
    FROM (SELECT t, ms_to_time(t) AS at FROM unnest(%s) AS times (t) OFFSET 0) b CROSS JOIN accounts a
    LEFT JOIN LATERAL (
      SELECT x.balance, x.equity FROM balances x WHERE x.account_id = a.id AND x.at <= b.at
      ORDER BY x.at DESC, x.seq DESC LIMIT 1) e ON true
    %s GROUP BY b.t, a.currency ORDER BY b.t, a.currency]]):format(times, w:text()), w.params)
end

return trades
