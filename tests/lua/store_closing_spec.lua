-- SPDX-License-Identifier: MIT
-- What is wanted closed, in the tables: they say what the ledger's own fold says, whether the events come in one batch
-- or one by one.

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

local function intent(order, op, batch)
  return ev("intent", { order = order, batch = batch or 0, signal = 0, account = "100", op = op or "open",
    symbol = "BTCUSD", side = "BUY", volume = "1.5", price = "100", stop = "90", target = "0", attempt = 1 })
end

local function accepted(order, id) return ev("order_accepted", { order = order, broker_id = id, latency_us = 9 }) end

local function opened(order, id)
  return ev("position_opened", { account = "100", position = id, order = order, signal = 0, symbol = "BTCUSD",
    side = "BUY", volume = "1.5", price = "99.5", stop = "90", target = "0", opened = 5, ours = true, who = "order" })
end

local function closing(id, reason, volume)
  return ev("position_closing", { account = "100", position = id, reason = reason, volume = volume or "0" })
end

local function closed(order, id, volume, partial)
  return ev("position_closed", { account = "100", position = id, uid = id .. seq, order = order, signal = 0,
    symbol = "BTCUSD", side = "BUY", volume = volume, open_price = "99.5", price = "101", profit = "1",
    commission = "0", swap = "0", net = "1", reason = "manual", opened = 5, closed = 61005, partial = partial })
end

local function unwound(batch, first, last)
  return ev("batch_decided", { batch = batch, signal = 0, group = "", outcome = "unwound", reason = "account 100",
    accepted = 1, failed = 1, open = 0, first = first, last = last })
end

describe("what is wanted closed, in the tables", function()
  local server, conn, book
  local names = 0

  setup(function() server = temp.start() end)
  teardown(function() server:remove() end)

  local function fresh()
    names = names + 1
    local first <close> = assert(pg.connect { conninfo = server.conninfo })
    assert(first:exec("CREATE DATABASE c" .. names))
    return assert(pg.connect { conninfo = (server.conninfo:gsub("dbname=%w+", "dbname=c" .. names)) })
  end

  -- Writes the events, at most `size` in each batch, as the projector does.
  local function write(events, size)
    local at = 1
    while at <= #events do
      local batch = fold.new(book)
      while at <= #events and batch.count < size and not batch:cuts(events[at]) do
        assert(batch:add(events[at]))
        at = at + 1
      end
      assert(conn:batch(rows.statements(batch:finish(), pg.array, pg.null)))
    end
  end

  local function position(id)
    local p = assert(conn:query("SELECT is_closing, close_reason, trim_scale(closing_quantity) AS part FROM positions "
      .. "WHERE id = $1", { id }))[1]
    return { p.is_closing, p.close_reason or "-", p.part or "-" }
  end

  local function order(id)
    local o = assert(conn:query("SELECT is_closing, close_reason FROM orders WHERE id = $1::bigint", { id }))[1]
    return { o.is_closing, o.close_reason or "-" }
  end

  local function each(fn)
    return function()
      task.run(function()
        for _, size in ipairs { 1, 2, 3, 100 } do
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

  it("a part that is wanted ends with the part that is closed", each(function(size)
    write({ intent(1), accepted(1, "W1"), opened(1, "W1"), closing("W1", "manual", "0.5") }, size)
    assert.same({ true, "manual", "0.5" }, position "W1")
    write({ closed(1, "W1", "0.5", true) }, size)
    assert.same({ false, "-", "-" }, position "W1")
    write({ closing("W1", "manual", "0.5"), closed(1, "W1", "0.5", true), closing("W1", "time") }, size)
    assert.same({ true, "time", "-" }, position "W1")
  end))

  it("a close of everything outlives a part that somebody else closes", each(function(size)
    write({ intent(1), accepted(1, "W1"), opened(1, "W1"), closing("W1", "time"), closed(1, "W1", "0.5", true) }, size)
    assert.same({ true, "time", "-" }, position "W1")
    write({ closed(1, "W1", "0.5", true) }, size)
    assert.same({ true, "time", "-" }, position "W1")
    write({ closed(1, "W1", "0.5", false) }, size)
    assert.same({ false, "manual", "-" }, position "W1")
  end))

  it("what an entry becomes is closing from its first row on", each(function(size)
    write({ intent(1), ev("order_unknown", { order = 1, cause = "timeout" }), intent(2, "pending") }, size)
    assert.same({ false, "-" }, order(1))
    write({ ev("order_closing", { order = 1, account = "100", reason = "manual" }),
      ev("order_closing", { order = 2, account = "100", reason = "end" }),
      ev("order_closing", { order = 1, account = "100", reason = "opposite" }) }, size)
    assert.same({ true, "manual" }, order(1))
    write({ ev("order_adopted", { order = 1, position = "W1", by = "tag" }), opened(1, "W1"), accepted(2, "P2"),
      opened(2, "W2") }, size)
    assert.same({ true, "manual", "-" }, position "W1")
    assert.same({ true, "end", "-" }, position "W2")
    write({ closed(1, "W1", "1.5", false) }, size)
    assert.same({ false, "manual", "-" }, position "W1")
  end))

  it("legs that are unwound: what is open, what is on its way, and nothing else", each(function(size)
    write({ intent(1, "open", 1), accepted(1, "W1"), opened(1, "W1"), intent(2, "open", 2), intent(3, "open", 2),
      intent(4, "open", 2), intent(5, "open", 3), accepted(2, "W2"), opened(2, "W2"), accepted(3, "W3"),
      opened(3, "W3"), closing("W3", "time"), unwound(2, 2, 4), opened(4, "W4") }, size)
    assert.same({ { false, "-" }, { true, "unwind" }, { true, "unwind" }, { true, "unwind" }, { false, "-" } },
      { order(1), order(2), order(3), order(4), order(5) })
    assert.same({ { false, "-", "-" }, { true, "unwind", "-" }, { true, "time", "-" }, { true, "unwind", "-" } },
      { position "W1", position "W2", position "W3", position "W4" })
    assert.equal(1, assert(conn:query("SELECT count(*) AS n FROM system_logs WHERE metadata->>'kind' = "
      .. "'batch_decided' AND log_level = 'warn'"))[1].n)
  end))

  it("a fan-out that is kept changes nothing", each(function(size)
    write({ intent(1, "open", 1), accepted(1, "W1"), opened(1, "W1"), ev("batch_decided", { batch = 1, signal = 0,
      outcome = "kept", accepted = 1, failed = 0, open = 0, first = 1, last = 1 }) }, size)
    assert.same({ false, "-", "-" }, position "W1")
    assert.same({ false, "-" }, order(1))
  end))
end)
