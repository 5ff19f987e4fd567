-- SPDX-License-Identifier: MIT
-- What the paper broker says of an account: money, positions, orders, history.

local decimal = require "perigee.decimal"
local figures = require "perigee.simulator.figures"
local json = require "perigee.json"
local request = require "perigee.simulator.request"

local book = {}

local quoted, object, list, raw = json.string, json.object, json.list, json.number

local function balance(b, account)
  local m = b.sim:money(account)
  if not m then return figures.failure(500, "the balance is not available") end
  local function exact(value) return figures.exact(b, value) end
  return figures.reply(object { { "balance", exact(m.balance) }, { "equity", exact(m.equity) },
    { "margin", exact(m.margin) }, { "freeMargin", exact(m.free_margin) }, { "marginLevel", figures.money(b, m.level) },
    { "profit", exact(m.profit) }, { "netProfit", exact(m.net_profit) },
    { "credit", figures.money(b, m.credit or "0") }, { "currency", quoted(b.accounts[account].currency) },
    { "currencyPrecision", figures.data(b, 2) } })
end

-- ---- open ------------------------------------------------------------------------------------------

-- One of the fills that a position is made of. A position in one piece is its own only fill, with all its figures;
-- of several pieces no broker was seen that splits profit and costs.
local function part_row(b, p, part)
  local whole = part == p
  return object { { "id", figures.id(b, part.id) }, { "symbol", quoted(p.symbol) }, { "alias", quoted(p.symbol) },
    { "volume", figures.exact(b, part.volume) }, { "oldPartialVolume", "null" }, { "side", quoted(p.side) },
    { "openTime", figures.iso(b, part.opened_ms) }, { "openPrice", figures.price(b, p.symbol, part.price) },
    { "swap", whole and figures.money(b, p.swap or "0") or nil },
    { "profit", whole and figures.exact(b, p.profit or "0") or nil },
    { "currentPrice", figures.price(b, p.symbol, p.current or p.price) },
    { "commission", whole and figures.exact(b, p.commission or "0") or nil } }
end

local function position_row(b, p)
  local swap = p.swap or "0.00"
  local net = decimal.new(p.profit or "0") + decimal.new(p.commission or "0") + decimal.new(swap)
  local parts = {}
  for i, part in ipairs(p.parts or { p }) do parts[i] = part_row(b, p, part) end
  return object { { "id", figures.id(b, p.id) }, { "symbol", quoted(p.symbol) }, { "alias", quoted(p.symbol) },
    { "volume", figures.exact(b, p.volume) }, { "side", quoted(p.side) }, { "openTime", figures.iso(b, p.opened_ms) },
    { "openTimeMillis", raw(figures.time(b, p.opened_ms)) }, { "openPrice", figures.price(b, p.symbol, p.price) },
    { "stopLoss", figures.level(b, p.symbol, p.stop) }, { "takeProfit", figures.level(b, p.symbol, p.target) },
    { "trailingDistance", "0" }, { "swap", figures.money(b, swap) }, { "profit", figures.exact(b, p.profit or "0") },
    { "netProfit", figures.exact(b, tostring(net)) },
    { "currentPrice", figures.price(b, p.symbol, p.current or p.price) },
    { "commission", figures.exact(b, p.commission or "0") }, { "positions", list(parts) } }
end

-- Lists that lag do not show what is newer than this.
local function horizon(b)
  local lag = b.lag_ms or 0
  return lag > 0 and b.sim:now() - lag or math.maxinteger
end

local function open_positions(b, account)
  local rows, newest = {}, horizon(b)
  for _, p in ipairs(b.sim:positions(account)) do
    if p.opened_ms <= newest then rows[#rows + 1] = position_row(b, p) end
  end
  return figures.reply(object { { "positions", list(rows) } })
end

local function order_row(b, o)
  return object { { "id", figures.id(b, o.id) }, { "symbol", quoted(o.symbol) }, { "alias", quoted(o.symbol) },
    { "volume", figures.exact(b, o.volume) }, { "type", quoted(o.type) }, { "side", quoted(o.side) },
    { "activationPrice", figures.price(b, o.symbol, o.price) }, { "creationTime", figures.iso(b, o.created_ms) },
    { "stopLoss", figures.level(b, o.symbol, o.stop) }, { "takeProfit", figures.level(b, o.symbol, o.target) },
    { "comment", quoted("") } }
end

local function active_orders(b, account)
  local rows, newest = {}, horizon(b)
  for _, o in ipairs(b.sim:pendings(account)) do
    if o.created_ms <= newest then rows[#rows + 1] = order_row(b, o) end
  end
  return figures.reply(object { { "orders", list(rows) } })
end

-- ---- history ---------------------------------------------------------------------------------------

local function close_row(b, c)
  local net = decimal.new(c.profit) + decimal.new(c.commission) + decimal.new(c.swap)
  return object { { "id", figures.id(b, c.id) }, { "uid", figures.id(b, c.uid) },
    { "closingOrderID", figures.id(b, c.order) }, { "symbol", quoted(c.symbol) }, { "alias", quoted(c.symbol) },
    { "side", quoted(c.side) }, { "volume", figures.exact(b, c.volume) }, { "openTime", figures.iso(b, c.opened_ms) },
    { "openPrice", figures.price(b, c.symbol, c.open_price) }, { "time", figures.iso(b, c.closed_ms) },
    { "closePrice", figures.price(b, c.symbol, c.price) }, { "stopLoss", figures.level(b, c.symbol, c.stop) },
    { "takeProfit", figures.level(b, c.symbol, c.target) }, { "commission", figures.exact(b, c.commission) },
    { "swap", figures.exact(b, c.swap) }, { "profit", figures.exact(b, c.profit) },
    { "netProfit", figures.exact(b, tostring(net)) },
    { "closeReason", quoted(c.partial and "CLOSE_REASON_PARTIAL" or "CLOSE_REASON_OTHER") } }
end

-- A list of names as a set; nil: no list, or an empty one, which means all. False: something else.
local function names(value)
  if value == nil or type(value) == "userdata" then return nil end
  if type(value) ~= "table" then return false end
  local set
  for _, name in ipairs(value) do
    set = set or {}
    set[name] = true
  end
  return set
end

local function closed_positions(b, account, req)
  local body = request.body(req)
  local from, to = body and request.moment(body.from), body and request.moment(body.to)
  if not from or not to then return figures.failure(400, "from and to are required") end
  local wanted = names(body.symbols)
  if wanted == false then return figures.failure(400, "symbols must be a list") end
  local rows, newest = {}, horizon(b)
  for _, c in ipairs(b.sim:closed(account, figures.own_time(b, from), figures.own_time(b, to))) do
    if c.closed_ms <= newest and (not wanted or wanted[c.symbol]) then rows[#rows + 1] = close_row(b, c) end
  end
  return figures.reply(object { { "status", quoted("FULL") }, { "operations", list(rows) } })
end

-- What moved the balance: the first deposit, then what closes brought and cost.
local function movements(b, account)
  local rows = { { id = "deposit", type = "DEPOSIT", time = b.sim:start(), amount = b.accounts[account].balance } }
  local function add(c, kind, amount)
    if decimal.new(amount):sign() == 0 and kind ~= "CLOSED_POSITION" then return end
    rows[#rows + 1] = { id = c.id, uid = c.uid, type = kind, time = c.closed_ms, amount = amount }
  end
  for _, c in ipairs(b.sim:closed(account, 0, math.maxinteger)) do
    add(c, "CLOSED_POSITION", c.profit)
    add(c, "COMMISSIONS", c.commission)
    add(c, "SWAPS", c.swap)
  end
  return rows
end

local function last_finance(b, account, req)
  local body = request.body(req)
  local wanted = body and names(body.types)
  local size = body and math.tointeger(tonumber(body.resultSize))
  if not body or wanted == false or not size or size < 1 then
    return figures.failure(400, "types and resultSize are required")
  end
  local rows, all = {}, movements(b, account)
  for i = #all, 1, -1 do -- newest first
    local m = all[i]
    if #rows < size and (not wanted or wanted[m.type]) then
      rows[#rows + 1] = object { { "id", figures.id(b, m.id) }, { "type", quoted(m.type) },
        { "time", figures.iso(b, m.time) }, { "profit", figures.exact(b, m.amount) }, { "comment", quoted("") },
        { "uid", figures.id(b, m.uid or m.id) } }
    end
  end
  return figures.reply(object { { "operations", list(rows) } })
end

--- "METHOD path" -> function(broker, account, request) -> status, headers, body
book.routes = {
  ["GET /balance"] = balance,
  ["GET /open-positions"] = open_positions,
  ["GET /active-orders"] = active_orders,
  ["POST /closed-positions"] = closed_positions,
  ["POST /last-finance"] = last_finance,
}

return book
