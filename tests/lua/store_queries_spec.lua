-- SPDX-License-Identifier: MIT
-- Questions to the tables, held against plain sums over all trades.

local clock = require "perigee.clock"
local database = require "perigee.store.database"
local decimal = require "perigee.decimal"
local migrate = require "perigee.store.migrate"
local projector = require "perigee.store.projector"
local queries = require "perigee.store.queries"
local rng = require "perigee.rng"
local task = require "perigee.task"
local events = dofile "tests/lua/store_events.lua"
local temp = dofile "tests/lua/temp_cluster.lua"

local DAY = 86400000
local server, list, first_ms, last_ms

local function with(fn)
  return function()
    task.run(function()
      local db = database.open { conninfo = server.conninfo }
      assert(db:ready(20000))
      local ok, why = pcall(fn, db)
      db:close()
      if not ok then error(why, 0) end
    end)
  end
end

local function fill(db)
  local s = events.stream()
  first_ms = s.now
  events.fleet(s, 4)
  events.trading(s, 11, 4, 60)
  list, last_ms = s.list, s.now
  assert(db:with(migrate.run))
  local p = projector.new { db = db }
  assert(p:open())
  local running = task.spawn(function() p:run() end)
  for _, e in ipairs(list) do assert(p:put(e)) end
  assert(p:reached(list[#list].seq, 60000))
  running:cancel()
  running:join()
end

local function contains(values, x)
  if not values then return true end
  for _, v in ipairs(values) do
    if v == x then return true end
  end
  return false
end

-- The closes that fit a filter, from the events.
local function wanted(filter)
  local out = {}
  for _, e in ipairs(list) do
    if e.kind == "position_closed" then
      local sign = decimal.new(e.net):sign()
      if (not filter.from_ms or e.closed >= filter.from_ms) and (not filter.to_ms or e.closed < filter.to_ms)
        and contains(filter.user_ids, tonumber(e.account) - 100) and contains(filter.symbols, e.symbol)
        and (not filter.side or (e.side == "BUY" and "LONG" or "SHORT") == filter.side)
        and (not filter.result or (filter.result == "win" and sign > 0) or (filter.result == "loss" and sign < 0)) then
        out[#out + 1] = e
      end
    end
  end
  table.sort(out, function(a, b)
    if a.closed ~= b.closed then return a.closed > b.closed end
    return a.seq > b.seq
  end)
  return out
end

local function random_filter(r)
  local f = {}
  local function maybe() return r:range(0, 1) == 0 end
  if maybe() then f.from_ms = first_ms + r:range(0, last_ms - first_ms) end
  if maybe() then f.to_ms = (f.from_ms or first_ms) + r:range(0, 3) * DAY + r:range(1, 5000000) end
  if maybe() then f.user_ids = { r:range(1, 5), r:range(1, 4) } end
  if maybe() then f.symbols = { maybe() and "BTCUSD" or "ETHUSD" } end
  if maybe() then f.side = maybe() and "LONG" or "SHORT" end
  if maybe() then f.result = maybe() and "win" or "loss" end
  return f
end

local function ids(rows, key)
  local out = {}
  for i, row in ipairs(rows) do out[i] = row[key or "id"] end
  return out
end

-- All pages of a list.
local function walk(fn, db, args)
  local all, pages = {}, 0
  repeat
    local page = assert(fn(db, args))
    table.move(page.items, 1, #page.items, #all + 1, all)
    args.cursor = page.next_cursor
    pages = pages + 1
    assert.is_true(pages < 1000)
  until not args.cursor
  return all, pages
end

describe("queries", function()
  setup(function()
    server = temp.new()
    with(fill)()
  end)
  teardown(function() server:remove() end)

  it("list trades by any filter, page by page, each once", with(function(db)
    local r = rng.new(1)
    for _ = 1, 25 do
      local filter = random_filter(r)
      local want = wanted(filter)
      filter.limit = r:range(1, 40)
      local got, pages = walk(queries.list_trades, db, filter)
      assert.same(ids(want, "seq"), ids(got))
      assert.equal(math.max((#want + filter.limit - 1) // filter.limit, 1), pages)
    end
    local t = assert(queries.list_trades(db, { limit = 1 })).items[1]
    local e = wanted({})[1]
    assert.same({ e.uid, e.net, "100.5", "101.5", e.closed, e.opened, "u0" .. t.user_id .. "@example.com", "scalper" },
      { t.uid, t.net, t.entry_price, t.exit_price, t.closed_ms, t.executed_ms, t.email, t.strategy })
    assert.equal(e.side == "BUY" and "0.995025" or "-0.995025", t.profit_loss_percent)
  end))

  it("sum trades up as if they were added one by one", with(function(db)
    local r = rng.new(2)
    for _ = 1, 60 do
      local filter = random_filter(r)
      local want, sums, trades, wins, losses = wanted(filter), {}, 0, 0, 0
      local best, worst
      for _, e in ipairs(want) do
        local net = decimal.new(e.net)
        local currency = ({ "USD", "EUR", "JPY" })[1 + (tonumber(e.account) - 100) % 3]
        sums[currency] = (sums[currency] or decimal.new("0")) + net
        trades = trades + 1
        wins, losses = wins + (net:sign() > 0 and 1 or 0), losses + (net:sign() < 0 and 1 or 0)
        if not best or best < net then best = net end
        if not worst or net < worst then worst = net end
      end
      local got = assert(queries.trade_statistics(db, filter))
      assert.same({ trades, wins, losses }, { got.trades, got.wins, got.losses })
      for _, row in ipairs(got.by_currency) do
        assert.equal(tostring(sums[row.currency]), row.net)
        sums[row.currency] = nil
      end
      assert.is_nil(next(sums))
      assert.equal(best and tostring(best), got.best and got.best.net)
      assert.equal(worst and tostring(worst), got.worst and got.worst.net)
      local by_user, by_symbol = 0, 0
      for _, row in ipairs(assert(queries.results_by_user(db, filter))) do by_user = by_user + row.trades end
      for _, row in ipairs(assert(queries.results_by_symbol(db, filter))) do by_symbol = by_symbol + row.trades end
      assert.same({ trades, trades }, { by_user, by_symbol })
    end
  end))

  it("choose the best trade by rates, and none when one is missing", with(function(db)
    local got = assert(queries.trade_statistics(db, { rates = { USD = "1", EUR = "1000", JPY = "0.001" } }))
    assert.equal("EUR", got.best.currency)
    assert.equal("EUR", got.worst.currency)
    got = assert(queries.trade_statistics(db, { rates = { USD = "1" } }))
    assert.is_nil(got.best)
    assert.is_nil(got.worst)
    assert.is_true(got.trades > 0)
  end))

  it("sum results up over time, by hours from trades and by days from their sums", with(function(db)
    for _, bucket in ipairs { 3600000, DAY } do
      for _, from in ipairs { first_ms // bucket * bucket, first_ms + 12345678 } do
        local points = assert(queries.results_over_time(db, { from_ms = from, to_ms = last_ms + 1,
          bucket_ms = bucket }))
        for _, i in ipairs { 1, #points // 2 + 1, #points } do
          local want = {}
          for _, e in ipairs(wanted { from_ms = from, to_ms = points[i].time_ms }) do
            local currency = ({ "USD", "EUR", "JPY" })[1 + (tonumber(e.account) - 100) % 3]
            want[currency] = tostring(decimal.new(want[currency] or "0") + decimal.new(e.net))
          end
          assert.same(want, points[i].net)
        end
        local count = 0
        for _, point in ipairs(points) do count = count + point.trades end
        assert.equal(#wanted { from_ms = from }, count)
        assert.equal(last_ms + 1, points[#points].time_ms)
      end
    end
    assert.has_error(function() queries.results_over_time(db, { from_ms = 0, to_ms = 1 << 50, bucket_ms = 1 }) end)
  end))

  it("tell balances at points in time", with(function(db)
    local rows = assert(queries.equity_over_time(db, { times_ms = { first_ms - 1, last_ms } }))
    local known, missing = {}, 0
    for _, row in ipairs(rows) do
      if row.time_ms == last_ms then known[row.currency] = row.balance else missing = missing + row.missing end
    end
    assert.equal(4, missing)
    local want = {}
    for account, balance in pairs(events.expect(list).balance) do
      local currency = ({ "USD", "EUR", "JPY" })[1 + (tonumber(account) - 100) % 3]
      want[currency] = tostring(decimal.new(want[currency] or "0") + decimal.new(balance))
    end
    assert.same(want, known)
  end))

  it("list orders, signals, sessions and logs by filters, page by page", with(function(db)
    local want = events.expect(list).orders
    for _, status in ipairs { "CLOSED", "REJECTED", "CANCELLED", "OPEN" } do
      local count = 0
      for _, o in pairs(want) do count = count + (o.status == status and 1 or 0) end
      local got = walk(queries.list_orders, db, { statuses = { status }, limit = 17 })
      assert.equal(count, #got)
      for i = 2, #got do assert.is_true(got[i - 1].id > got[i].id) end
    end
    local some = walk(queries.list_orders, db, { statuses = { "CLOSED", "REJECTED" }, user_ids = { 2 },
      symbols = { "ETHUSD" }, from_ms = first_ms + DAY, to_ms = last_ms, limit = 5 })
    assert.is_true(#some > 0)
    for _, o in ipairs(some) do
      assert.same({ 2, "ETHUSD" }, { o.user_id, o.symbol })
      assert.is_true(o.created_ms >= first_ms + DAY)
    end
    assert.equal(60, #walk(queries.list_signals, db, { limit = 7 }))
    assert.equal(0, #walk(queries.list_signals, db, { symbols = { "NONE" } }))
    assert.equal(4, #walk(queries.sessions, db, { active = true, limit = 3 }))
    assert.equal(60, #walk(queries.list_logs, db, { level = "info", component = "risk", limit = 50 }))
    assert.equal(61, #walk(queries.list_logs, db, {}))
    assert.same({ users = 4, users_active = 4, sessions_active = 4, accounts = 4 }, queries.counts(db))
    assert.equal(1, #assert(queries.accounts(db, { user_id = 3 })))
    assert.equal(4, #assert(queries.users(db, {})))
    local open = 0
    for _, p in pairs(events.expect(list).positions) do open = open + (p.closed and 0 or 1) end
    assert.equal(open, #assert(queries.positions(db, {})))
  end))

  it("give the newest candles, oldest first", with(function(db)
    local all = assert(queries.candles(db, { symbol = "BTCUSD", timeframe = "1m", limit = 500 }))
    local two = assert(queries.candles(db, { symbol = "BTCUSD", timeframe = "1m", limit = 2 }))
    assert.same({ all[#all - 1].open_ms, all[#all].open_ms }, ids(two, "open_ms"))
    assert.same({ 1.5, 2.25, 1.125, 0.1 }, { two[1].open, two[1].high, two[1].low, two[1].close })
    local before = assert(queries.candles(db, { symbol = "BTCUSD", timeframe = "1m", limit = 1,
      before_ms = two[2].open_ms }))
    assert.equal(two[1].open_ms, before[1].open_ms)
    assert.same({}, ids(assert(queries.candles(db, { symbol = "X", timeframe = "1m" }))))
  end))

  it("take hostile texts for what they are: values", with(function(db)
    local text = "x'; DROP TABLE trades; --\\\" $1"
    assert.equal(0, #assert(queries.list_trades(db, { symbols = { text, "{a,b}", '"' } })).items)
    assert.equal(0, #assert(queries.list_orders(db, { statuses = { text } })).items)
    assert.equal(0, #assert(queries.list_logs(db, { component = text })).items)
    for _, cursor in ipairs { text, "", "1", "1.2.3", "9999999999999999999.1", "1.-1", "nan.1" } do
      local page, err = queries.list_trades(db, { cursor = cursor })
      assert.is_nil(page)
      assert.equal("input", err.code)
    end
    assert.is_true(#assert(queries.list_trades(db, {})).items > 0)
  end))

  it("keep copies of sealed bytes", with(function(db)
    assert(queries.store_sealed(db, { { id = 1, password = "AAH/", token = "YQ==" }, { id = 2 } }))
    assert(queries.store_sealed(db, { { id = 1, trading_api_token = "Yg==" } })) -- what is absent stays
    assert.same({ p = "\\x0001ff" }, assert(db:query("SELECT encrypted_password AS p FROM users WHERE id = 1"))[1])
    assert.same({ t = "\\x61", a = "\\x62" }, assert(db:query("SELECT token AS t, trading_api_token AS a FROM "
      .. "user_sessions WHERE user_id = 1 AND is_active"))[1])
    assert.same({}, assert(db:query("SELECT encrypted_password AS p FROM users WHERE id = 2"))[1])
    assert.is_true(queries.store_sealed(db, {}))
  end))
end)

describe("queries.operators", function()
  local ops = queries.operators
  setup(function()
    server = temp.new()
    with(function(db) assert(db:with(migrate.run)) end)()
  end)
  teardown(function() server:remove() end)
  before_each(with(function(db) assert(db:query("TRUNCATE operators, operator_sessions, audit_log")) end))

  local function add(db, name, role)
    return assert(ops.create(db, { username = name, password_hash = "h", role = role or "viewer" }))
  end

  it("know people by a name whose case does not matter", with(function(db)
    local ann = add(db, "Ann", "admin")
    assert.equal("conflict", select(2, ops.create(db, { username = "aNN", password_hash = "h", role = "viewer" })).code)
    assert.equal(ann.id, assert(ops.get(db, { username = "ANN" })).id)
    assert.equal("h", assert(ops.get(db, { id = ann.id })).password_hash)
    assert.is_nil(ops.list(db)[1].password_hash)
    assert.equal(1, ops.count(db))
    assert.equal("notfound", select(2, ops.get(db, { id = 99999 })).code)
    assert.is_nil(ops.create(db, { username = "x", password_hash = "h", role = "emperor" }))
  end))

  it("never lose the last active admin, even when two remove each other", with(function(db)
    local ann, bob = add(db, "ann", "admin"), add(db, "bob", "admin")
    local done, refused = 0, 0
    local held, release = task.event(), task.event()
    local holder = task.spawn(function() -- both begin while nobody can write
      return db:transaction(function(conn)
        assert(conn:query("SELECT id FROM operators FOR UPDATE"))
        held:set(true)
        return release:wait(20000)
      end)
    end)
    assert(held:wait(20000))
    local both = task.spawn(function()
      return task.all { function() return ops.delete(db, { id = ann.id }) end,
        function() return ops.update(db, { id = bob.id, role = "viewer" }) end }
    end)
    local deadline = clock.io_ms() + 20000
    repeat task.sleep(5, "io")
    until assert(db:query("SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))[1].n == 2
      or clock.io_ms() > deadline
    release:set(true)
    holder:join()
    local _, results = both:join()
    for _, r in ipairs(results) do
      if r[1] then done = done + 1 else refused = refused + (r[2].code == "conflict" and 1 or 0) end
    end
    assert.same({ 1, 1 }, { done, refused })
    local left = assert(db:query("SELECT id FROM operators WHERE role = 'admin' AND is_active"))
    assert.equal(1, #left)
    assert.equal("conflict", select(2, ops.update(db, { id = left[1].id, is_active = false })).code)
    assert.equal("notfound", select(2, ops.delete(db, { id = 99999 })).code)
  end))

  it("count failures, lock, and forget them at a right password", with(function(db)
    local ann = add(db, "ann")
    assert.equal(1, assert(ops.failed(db, { id = ann.id })).failed_count)
    local locked = assert(ops.failed(db, { id = ann.id, lock_ms = 60000 }))
    assert.equal(2, locked.failed_count)
    assert.is_true(locked.locked_until_ms > clock.wall_ms())
    local again = assert(ops.signed_in(db, { id = ann.id, password_hash = "new" }))
    assert.same({ 0, nil }, { again.failed_count, again.locked_until_ms })
    assert.is_number(again.last_login_ms)
    assert.equal("new", ops.get(db, { id = ann.id }).password_hash)
  end))

  it("find sign-ins by their token until they end", with(function(db)
    local ann = add(db, "ann")
    local function open(token, life)
      return assert(ops.open_session(db, { operator_id = ann.id, token_hash = token, csrf_hash = "c", life_ms = life,
        ip = "127.0.0.1" }))
    end
    local one = open("a", 60000)
    open("b", 60000)
    open("old", -1)
    local found = assert(ops.find_session(db, { token_hash = "a" }))
    assert.same({ one, ann.id, "viewer", "c" }, { found.session_id, found.id, found.role, found.csrf_hash })
    assert.equal("notfound", select(2, ops.find_session(db, { token_hash = "old" })).code)
    assert(ops.touch_session(db, { session_id = one, life_ms = 120000 }))
    assert.is_true(ops.find_session(db, { token_hash = "a" }).expires_ms > found.expires_ms)
    assert(ops.close_sessions(db, { operator_id = ann.id, except_id = one }))
    assert.is_nil(ops.find_session(db, { token_hash = "b" }))
    assert.is_table(ops.find_session(db, { token_hash = "a" }))
    assert(ops.update(db, { id = ann.id, is_active = false }))
    assert.is_nil(ops.find_session(db, { token_hash = "a" }))
    assert(ops.update(db, { id = ann.id, is_active = true }))
    assert(ops.touch_session(db, { session_id = one, life_ms = -1 }))
    assert(ops.purge_sessions(db))
    assert.equal(0, assert(db:query("SELECT count(*) AS n FROM operator_sessions"))[1].n)
    assert.has_error(function() ops.close_sessions(db, {}) end)
  end))

  it("keep an audit, the newest first", with(function(db)
    for i = 1, 5 do
      assert(queries.audit(db, { operator = i % 2 == 0 and "ann" or nil, action = "a" .. i, ok = i > 1, ip = "1",
        details = { n = i } }))
    end
    local all = walk(queries.list_audit, db, { limit = 2 })
    assert.same({ "a5", "a4", "a3", "a2", "a1" }, ids(all, "action"))
    assert.same({ '{"n": 1}', false, nil }, { all[5].details, all[5].ok, all[5].operator })
    assert.equal(2, #walk(queries.list_audit, db, { operator = "ann" }))
    assert.equal(1, #walk(queries.list_audit, db, { action = "a3" }))
  end))
end)
