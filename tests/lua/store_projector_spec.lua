-- SPDX-License-Identifier: MIT
-- The projector against a real database: every row against the events, whatever happens in between.

local clock = require "perigee.clock"
local database = require "perigee.store.database"
local migrate = require "perigee.store.migrate"
local pg = require "perigee.pg"
local projector = require "perigee.store.projector"
local rng = require "perigee.rng"
local task = require "perigee.task"
local events = dofile "tests/lua/store_events.lua"
local temp = dofile "tests/lua/temp_cluster.lua"

local server
local names = 0

-- A fresh database with all migrations; returns its conninfo.
local function fresh()
  names = names + 1
  local name = "p" .. names
  local conn <close> = assert(pg.connect { conninfo = server.conninfo })
  assert(conn:exec("CREATE DATABASE " .. name))
  local conninfo = server.conninfo:gsub("dbname=%w+", "dbname=" .. name)
  local own <close> = assert(pg.connect { conninfo = conninfo })
  assert(migrate.run(own))
  return conninfo
end

-- A projector that runs; close() ends it.
local function writer(conninfo, options)
  local db = database.open { conninfo = conninfo }
  assert(db:ready(20000))
  options = options or {}
  options.db = db
  local p = projector.new(options)
  assert(p:open())
  local running = task.spawn(function() p:run() end)
  return p, setmetatable({ db = db }, { __close = function()
    running:cancel()
    running:join()
    db:close()
  end })
end

local function run(fn)
  return function() task.run(fn) end
end

local TABLES = { "users", "account_groups", "accounts", "user_sessions", "instruments", "trading_signals", "orders",
  "positions", "trades", "trade_days", "user_days", "balances", "candles", "system_logs" }

-- Everything that is in the tables, as text.
local function dump(db)
  local out = {}
  for _, name in ipairs(TABLES) do
    out[#out + 1] = name
    for _, row in ipairs(assert(db:query(("SELECT t::text AS line FROM %s t ORDER BY 1"):format(name)))) do
      out[#out + 1] = row.line
    end
  end
  return table.concat(out, "\n")
end

local function history(signals, seed)
  local s = events.stream()
  events.fleet(s, 4)
  events.trading(s, seed or 1, 4, signals or 12)
  return s.list
end

local function feed(p, list)
  for _, e in ipairs(list) do assert(p:put(e)) end
  assert(p:reached(list[#list].seq, 60000))
end

local function indexed(rows, key)
  local out = {}
  for _, row in ipairs(rows) do out[row[key]] = row end
  return out
end

-- Every row against the plain reckoning of the events.
local function check(db, list)
  local want = events.expect(list)
  local rows = assert(db:query("SELECT id, state, status, position_id, time_to_ms(created_at) AS created, "
    .. "time_to_ms(closed_at) AS closed, operation FROM orders"))
  local got, count = indexed(rows, "id"), 0
  for id, o in pairs(want.orders) do
    count = count + 1
    assert.same({ o.state, o.status, o.position, o.created }, { got[id].state, got[id].status, got[id].position_id,
      got[id].created })
    if o.op == "open" then assert.equal(o.closed, got[id].closed) end
  end
  assert.equal(count, #rows)
  rows = assert(db:query("SELECT id, uid, account_id, user_id, trim_scale(net) AS net, currency, is_partial, order_id, "
    .. "strategy, time_to_ms(closed_at) AS closed, trim_scale(quantity) AS quantity FROM trades"))
  got, count = indexed(rows, "id"), 0
  for seq, e in pairs(want.trades) do
    count = count + 1
    local t = got[seq]
    assert.same({ e.uid, e.account, tonumber(e.account) - 100, e.net, e.partial, e.order, e.closed, e.volume,
      "scalper" }, { t.uid, t.account_id, t.user_id, t.net, t.is_partial, t.order_id, t.closed, t.quantity,
      t.strategy })
  end
  assert.equal(count, #rows)
  for _, row in ipairs(assert(db:query("SELECT account_id || '/' || id AS key, trim_scale(quantity) AS quantity, "
    .. "trim_scale(stop_loss) AS stop, time_to_ms(closed_at) AS closed FROM positions"))) do
    local p = want.positions[row.key]
    assert.same({ p.volume, p.stop, p.closed }, { row.quantity, row.stop, row.closed })
    want.positions[row.key] = nil
  end
  assert.is_nil(next(want.positions))
  for _, row in ipairs(assert(db:query("SELECT id, trim_scale(balance) AS balance, trim_scale(balance_first) AS first "
    .. "FROM accounts"))) do
    assert.same({ want.balance[row.id], "1000" }, { row.balance, row.first })
  end
  assert.equal(want.balances, assert(db:query("SELECT count(*) AS n FROM balances"))[1].n)
  for _, row in ipairs(assert(db:query("SELECT time_to_ms(open_time) AS open_ms, close FROM candles"))) do
    assert.equal(want.bars[row.open_ms], row.close)
    want.bars[row.open_ms] = nil
  end
  assert.is_nil(next(want.bars))
  for _, row in ipairs(assert(db:query("SELECT id FROM system_logs"))) do
    assert.is_true(want.logs[row.id])
    want.logs[row.id] = nil
  end
  assert.is_nil(next(want.logs))
  -- The sums by day are those of the trades.
  for _, text in ipairs {
    "SELECT (closed_at AT TIME ZONE 'UTC')::date, user_id, currency, count(*), sum(net), max(net), min(net) "
      .. "FROM trades GROUP BY 1, 2, 3 EXCEPT SELECT day, user_id, currency, trades, net, best, worst FROM user_days",
    "SELECT sum(trades), sum(net), sum(seconds), max(best), min(worst) FROM trade_days EXCEPT "
      .. "SELECT count(*), sum(net), sum(duration_seconds), max(net), min(net) FROM trades" } do
    assert.equal(0, #assert(db:query(text)))
  end
end

describe("projector", function()
  setup(function()
    server = temp.new()
    -- The throw-away server forgets its newest commits when it is killed; a real one does not.
    task.run(function()
      local conn <close> = assert(pg.connect { conninfo = server.conninfo })
      assert(conn:exec("ALTER SYSTEM SET synchronous_commit = on"))
      assert(conn:query("SELECT pg_reload_conf()"))
    end)
  end)
  teardown(function() server:remove() end)

  it("makes the rows that the events say, in batches of any size", run(function()
    local list, first = history(), nil
    for _, size in ipairs { 4000, 1, 37 } do
      local p <const>, guard <close> = writer(fresh(), { batch = size })
      feed(p, list)
      check(guard.db, list)
      local text = dump(guard.db)
      first = first or text
      assert.is_true(first == text)
      assert.same({ list[#list].seq, "ok", 0 }, { p:applied(), p:state(), p:lag() })
    end
  end))

  it("takes events that come again for what they are", run(function()
    local list, conninfo = history(), fresh()
    local before
    do
      local p <const>, guard <close> = writer(conninfo)
      feed(p, list)
      feed(p, list) -- the same projector
      before = dump(guard.db)
    end
    local p <const>, guard <close> = writer(conninfo) -- and one of a later life, from the very beginning
    feed(p, list)
    assert.equal(list[#list].seq, p:applied())
    assert.is_true(before == dump(guard.db))
    check(guard.db, list)
  end))

  it("goes on where it was", run(function()
    local list, conninfo = history(), fresh()
    for part = 1, 3 do
      local p <const>, guard <close> = writer(conninfo, { batch = 50 })
      local upto = part * #list // 3
      feed(p, table.move(list, 1, upto, 1, {}))
      assert.equal(list[upto].seq, p:applied())
      if part == 3 then check(guard.db, list) end
    end
  end))

  it("writes nothing twice when two run at the same time", run(function()
    local list, conninfo = history(20), fresh()
    local one <const>, guard <close> = writer(conninfo, { batch = 40 })
    local other <const>, guard2 <close> = writer(conninfo, { batch = 23 })
    task.all { function() feed(one, list) end, function() feed(other, list) end }
    check(guard.db, list)
    assert.is_not_nil(guard2)
  end))

  it("puts an event that cannot be stored into the logs, and goes on", run(function()
    local s = events.stream()
    events.fleet(s, 2)
    local ids = events.trading(s, 3, 2, 3)
    local good = table.move(s.list, 1, #s.list, 1, {})
    local bad = {
      s.say("signal", { signal = 900, strategy = "x", symbol = "X", action = "OPEN_LONG", confidence = 1.5,
        price = "1" }),
      s.say("balance", { account = "999", balance = "1" }),
      s.say("notice", { level = "info", component = "c", text = "nul\0inside" }),
      s.say("position_closed", { account = "101", position = "Q", uid = "Q", order = 4711, signal = 0, symbol = "S",
        side = "BUY", volume = "1", open_price = "1", price = "2", profit = "1", net = "1", opened = 1, closed = 2,
        partial = false }),
      s.say("signal", { signal = 901, strategy = "x", symbol = "X", action = "DANCE", confidence = 0.5, price = "1" }),
    }
    local from = #s.list
    events.trading(s, 4, 2, 3, ids)
    table.move(s.list, from + 1, #s.list, #good + 1, good)
    local p <const>, guard <close> = writer(fresh(), { gather_ms = 50 })
    local told = {}
    p:on_error(function(e, why) told[#told + 1] = { e.seq, why } end)
    feed(p, s.list)
    assert.equal(#bad, #told)
    local rows = assert(guard.db:query(
      "SELECT id, message, metadata FROM system_logs WHERE log_level = 'error' ORDER BY id"))
    assert.equal(#bad, #rows)
    for i, e in ipairs(bad) do
      assert.equal(e.seq, rows[i].id)
      assert.equal(e.seq, told[i][1])
      assert.matches(("event %d (%s) could not be stored: "):format(e.seq, e.kind), rows[i].message, 1, true)
      assert.matches(e.kind, rows[i].metadata, 1, true)
    end
    assert(guard.db:query("DELETE FROM system_logs WHERE log_level = 'error'"))
    check(guard.db, good)
    assert.equal(s.list[#s.list].seq, p:applied())
  end))

  it("loses and doubles nothing when the database is killed again and again", run(function()
    local list, conninfo = history(60), fresh()
    local p <const>, guard <close> = writer(conninfo, { batch = 64, queue = 200, gather_ms = 1 })
    local r, delayed = rng.new(5), 0
    for round = 1, 3 do
      local upto = round * #list // 4
      local feeder = task.spawn(function()
        for i = 1, math.min(upto + 150, #list) do
          if list[i].seq > p:applied() then p:put(list[i]) end
        end
      end)
      assert(p:reached(list[upto - 100 + r:range(0, 50)].seq, 60000))
      server:kill()
      local deadline = clock.io_ms() + 20000
      repeat task.sleep(5, "io") until p:state() == "delayed" or p:lag() == 0 or clock.io_ms() > deadline
      if p:state() == "delayed" then delayed = delayed + 1 end
      server:again()
      feeder:join()
      assert(p:reached(list[math.min(upto + 150, #list)].seq, 60000))
      assert.equal("ok", p:state())
    end
    assert.is_true(delayed > 0)
    feed(p, list)
    check(guard.db, list)
  end))

  it("forgets what it learnt from a batch that was lost", run(function()
    local s = events.stream()
    s.say("notice", { level = "info", component = "c", text = "t" })
    local p <const>, guard <close> = writer(fresh())
    feed(p, s.list)
    -- A user that only its account tells of is learnt in the lost batch; its row must be made in the next one.
    s.say("account_added", { account = "1", user = "paper:a@x.org", broker = "paper", currency = "USD", leverage = 1 })
    server:kill()
    assert(p:put(s.list[2]))
    local deadline = clock.io_ms() + 20000
    repeat task.sleep(5, "io") until p:state() == "delayed" or clock.io_ms() > deadline
    server:again()
    assert(p:reached(s.list[2].seq, 60000))
    local sql = "SELECT count(*) AS n FROM accounts a JOIN users u ON u.id = a.user_id"
    assert.equal(1, assert(guard.db:query(sql))[1].n)
  end))

  it("keeps a bounded number of events while the database is away", run(function()
    local list, conninfo = history(30), fresh()
    local p <const>, guard <close> = writer(conninfo, { queue = 100, batch = 50 })
    server:kill()
    local at = 0
    while p:add(list[at + 1]) do
      at = at + 1
      assert.is_true(at <= 200)
    end
    assert.is_true(p:full())
    assert.is_true(p:lag() <= 100)
    local waits = task.spawn(function() return p:put(list[at + 1]) end)
    task.yield()
    assert.is_false(waits:done())
    server:again()
    assert.is_true((waits:join()))
    for i = at + 2, #list do assert(p:put(list[i])) end
    assert(p:reached(list[#list].seq, 60000))
    check(guard.db, list)
  end))

  it("fills the tables again after they went back, and after a reset", run(function()
    local list, conninfo = history(), fresh()
    local p <const>, guard <close> = writer(conninfo)
    feed(p, list)
    local rewound
    p:on_rewind(function(seq) rewound = seq end)
    assert(projector.reset(guard.db)) -- as a restored backup would, to the beginning
    p:add { kind = "notice", level = "info", component = "c", text = "t", seq = list[#list].seq + 1, market_ms = 1,
      wall_us = 1 }
    local deadline = clock.io_ms() + 20000
    repeat task.sleep(5, "io") until rewound or clock.io_ms() > deadline
    assert.equal(0, rewound)
    feed(p, list)
    check(guard.db, list)
  end))

  it("renames users whose numbers become known later", run(function()
    local s = events.stream()
    for _ = 1, 2 do s.say("notice", { level = "info", component = "c", text = "t" }) end
    s.say("user_added", { user = "paper:a@x.org", broker = "paper" })
    s.say("account_added", { account = "1", user = "paper:a@x.org", broker = "paper", currency = "USD", leverage = 1 })
    s.say("session_opened", { user = "paper:a@x.org", accounts = 1, expires = 5 })
    s.say("intent", { order = 1, batch = 0, signal = 0, account = "1", op = "open", symbol = "S", side = "BUY",
      volume = "1", price = "1", attempt = 1 })
    s.say("user_added", { user = "paper:a@x.org", broker = "paper", id = 5, name = "Ann", active = true })
    s.say("intent", { order = 2, batch = 0, signal = 0, account = "1", op = "open", symbol = "S", side = "BUY",
      volume = "1", price = "1", attempt = 1 })
    s.say("user_added", { user = "paper:a@x.org", broker = "paper", id = 5, name = "", active = false })
    s.say("user_removed", { user = "paper:a@x.org", id = 5 })
    s.say("user_added", { user = "paper:a@x.org", broker = "paper", id = 6, name = "Bob", active = true })
    for _, size in ipairs { 1, 100 } do
      local p <const>, guard <close> = writer(fresh(), { batch = size })
      local batches = 0
      p:on_applied(function() batches = batches + 1 end)
      feed(p, s.list)
      assert.equal(size == 1 and #s.list or 2, batches) -- cut once, at the new number
      local rows = assert(guard.db:query(
        "SELECT id, name, is_active, deleted_at IS NULL AS there FROM users ORDER BY id"))
      assert.equal(2, #rows)
      assert.same({ id = 5, is_active = false, there = false }, rows[1])
      assert.same({ id = 6, name = "Bob", is_active = true, there = true }, rows[2])
      assert.equal(2, assert(guard.db:query("SELECT count(*) AS n FROM orders WHERE user_id = 5"))[1].n)
      assert.equal(5, assert(guard.db:query("SELECT user_id FROM accounts"))[1].user_id)
    end
  end))

  it("writes commands into the audit", run(function()
    local s = events.stream()
    s.say("command", { who = "ann", name = "close_all", args = '{"symbol":"X"}', ok = false, reason = "no" })
    local p <const>, guard <close> = writer(fresh())
    feed(p, s.list)
    local row = assert(guard.db:query("SELECT operator, action, details, ok, reason, journal_seq FROM audit_log"))[1]
    assert.same({ operator = "ann", action = "close_all", details = '{"symbol": "X"}', ok = false, reason = "no",
      journal_seq = s.list[1].seq }, row)
  end))

  it("raises on misuse", function()
    assert.has_error(function() projector.new {} end, "projector.new: { db = Db } expected")
  end)
end)
