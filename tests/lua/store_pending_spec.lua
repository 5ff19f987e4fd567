-- SPDX-License-Identifier: MIT
-- Pending orders in the tables: what a batch of events makes of their rows, and what the status says, whether an order
-- lives within one batch or over several.

local fold = require "perigee.store.fold"
local migrate = require "perigee.store.migrate"
local pg = require "perigee.pg"
local rows = require "perigee.store.rows"
local task = require "perigee.task"
local temp = dofile "tests/lua/temp_cluster.lua"

local seq = 0

local function ev(kind, fields)
  seq = seq + 1
  local e = { kind = kind, seq = seq, market_ms = 1000 * seq, wall_us = 1000000 * seq }
  for k, v in pairs(fields or {}) do e[k] = v end
  return e
end

local function intent(order, op, position)
  return ev("intent", { order = order, batch = 0, signal = 0, account = "100", op = op, symbol = "BTCUSD", side = "BUY",
    volume = "1.5", price = "100", stop = "90", target = "0", attempt = 1, type = "LIMIT", position = position })
end

local function seen(order, id)
  return ev("pending_seen", { account = "100", pending = id, order = order, signal = 0, symbol = "BTCUSD", side = "BUY",
    type = "LIMIT", volume = "1.5", price = "100", stop = "90", target = "0", created = 5, ours = order > 0,
    who = order > 0 and "order" or "hand" })
end

local function gone(order, id, reason, position)
  return ev("pending_gone", { account = "100", pending = id, order = order, reason = reason, position = position })
end

local function opened(order, id)
  return ev("position_opened", { account = "100", position = id, order = order, signal = 0, symbol = "BTCUSD",
    side = "BUY", volume = "1.5", price = "99.5", stop = "90", target = "0", opened = 5, ours = true, who = "pending" })
end

local function closed(order, id)
  return ev("position_closed", { account = "100", position = id, uid = id .. "c", order = order, signal = 0,
    symbol = "BTCUSD", side = "BUY", volume = "1.5", open_price = "99.5", price = "101", profit = "1",
    commission = "0", swap = "0", net = "1", reason = "target", opened = 5, closed = 61005, partial = false })
end

describe("pending orders in the tables", function()
  local server, conn, book
  local names = 0

  setup(function() server = temp.start() end)
  teardown(function() server:remove() end)

  local function fresh()
    names = names + 1
    local first <close> = assert(pg.connect { conninfo = server.conninfo })
    assert(first:exec("CREATE DATABASE p" .. names))
    return assert(pg.connect { conninfo = (server.conninfo:gsub("dbname=%w+", "dbname=p" .. names)) })
  end

  -- Writes the events, `size` in each batch.
  local function write(events, size)
    for at = 1, #events, size do
      local batch = fold.new(book)
      for i = at, math.min(at + size - 1, #events) do assert(batch:add(events[i])) end
      assert(conn:batch(rows.statements(batch:finish(), pg.array, pg.null)))
    end
  end

  local function order(id)
    return assert(conn:query("SELECT status, order_type, operation, resting, position_id, is_ambiguous, "
      .. "trim_scale(entry_price) AS price, trim_scale(stop_loss) AS stop, trim_scale(quantity) AS quantity "
      .. "FROM orders WHERE id = $1::bigint", { id }))[1]
  end

  local function each(fn)
    return function()
      task.run(function()
        for _, size in ipairs { 1, 2, 100 } do
          local c <close> = fresh()
          conn, book = c, fold.book()
          assert(migrate.run(conn))
          write({ ev("user_added", { user = "paper:a@x.org", broker = "paper", id = 7 }),
            ev("account_added", { account = "100", user = "paper:a@x.org", broker = "paper", currency = "USD",
              leverage = 100, system = "s", group = "g" }) }, 100)
          fn(size)
        end
      end)
    end
  end

  it("rest, and are triggered under another id, and closed", each(function(size)
    local life = { intent(1, "pending"), ev("order_sent", { order = 1, queued_us = 5 }) }
    write(life, size)
    assert.equal("PENDING", order(1).status)
    write({ ev("order_accepted", { order = 1, broker_id = "P1", latency_us = 9 }) }, size)
    assert.same({ "PENDING", "LIMIT" }, { order(1).status, order(1).order_type })
    write({ seen(1, "P1"), ev("pending_changed", { account = "100", pending = "P1", volume = "1", price = "98",
      stop = "0", target = "0", who = "hand", order = 1 }) }, size)
    local o = order(1)
    assert.same({ "PENDING", "resting", "P1", "98", "1" }, { o.status, o.resting, o.position_id, o.price, o.quantity })
    assert.is_nil(o.stop)
    write({ opened(1, "W9"), gone(1, "P1", "triggered", "W9") }, size)
    o = order(1)
    assert.same({ "OPEN", "triggered", "W9" }, { o.status, o.resting, o.position_id })
    write({ closed(1, "W9") }, size)
    assert.equal("CLOSED", order(1).status)
  end))

  it("are cancelled, lost and adopted, or not told apart", each(function(size)
    write({ intent(1, "pending"), ev("order_sent", { order = 1, queued_us = 5 }),
      ev("order_unknown", { order = 1, cause = "timeout" }),
      ev("order_ambiguous", { order = 1, account = "100", symbol = "BTCUSD", candidates = '["P1","P2"]' }) }, size)
    assert.same({ "UNKNOWN", true }, { order(1).status, order(1).is_ambiguous })
    write({ ev("order_adopted", { order = 1, position = "P1", by = "operator" }), seen(1, "P1") }, size)
    assert.same({ "PENDING", false }, { order(1).status, order(1).is_ambiguous })
    write({ intent(2, "cancel", "P1"), ev("order_sent", { order = 2, queued_us = 5 }),
      ev("pending_cancelling", { account = "100", pending = "P1", reason = "manual" }),
      ev("order_accepted", { order = 2, broker_id = "P1", latency_us = 9 }), gone(1, "P1", "cancelled") }, size)
    assert.equal("CANCELLED", order(1).status)
    assert.same({ "CLOSED", "cancel", "P1" }, { order(2).status, order(2).operation, order(2).position_id })
  end))

  it("and positions that were told as a hand's become an order's", each(function(size)
    local mine = { opened(1, "W1"), opened(0, "W1") }
    mine[2].ours, mine[2].who = false, "hand"
    mine[1].seq, mine[2].seq, mine[1].volume = mine[2].seq, mine[1].seq, "1.2"
    write({ intent(1, "open"), mine[2], ev("order_sent", { order = 1, queued_us = 5 }),
      ev("order_accepted", { order = 1, broker_id = "W1", latency_us = 9 }), mine[1], intent(2, "pending"),
      seen(0, "P2"), ev("order_accepted", { order = 2, broker_id = "P2", latency_us = 9 }), seen(2, "P2") }, size)
    local found = assert(conn:query("SELECT order_id, is_ours, is_closing, trim_scale(quantity) AS volume "
      .. "FROM positions WHERE id = 'W1'"))
    assert.equal(1, #found)
    local p = found[1]
    assert.same({ 1, true, false, "1.2" }, { p.order_id, p.is_ours, p.is_closing, p.volume })
    assert.same({ "OPEN", "W1" }, { order(1).status, order(1).position_id })
    assert.same({ "resting", "P2" }, { order(2).resting, order(2).position_id })
  end))

  it("of somebody else are told in the log alone", each(function(size)
    write({ seen(0, "H1"), gone(0, "H1", "hand") }, size)
    assert.equal(0, assert(conn:query("SELECT count(*) AS n FROM orders"))[1].n)
    assert.equal(2, assert(conn:query("SELECT count(*) AS n FROM system_logs WHERE message LIKE '%H1%'"))[1].n)
  end))
end)
