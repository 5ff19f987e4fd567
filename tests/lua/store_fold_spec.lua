-- SPDX-License-Identifier: MIT
local fold = require "perigee.store.fold"
local rows = require "perigee.store.rows"

local seq

-- Events with rising numbers.
local function ev(kind, fields)
  seq = seq + 1
  local e = { kind = kind, seq = seq, market_ms = 1000 * seq, wall_us = 1000000 * seq }
  for k, v in pairs(fields or {}) do e[k] = v end
  return e
end

local function folded(book, events)
  local batch = fold.new(book)
  for _, e in ipairs(events) do assert(batch:add(e)) end
  return batch:finish(), batch
end

local function user(id) return ev("user_added", { user = "paper:a@x.org", broker = "paper", id = id }) end

local function account()
  return ev("account_added", { account = "100", user = "paper:a@x.org", broker = "paper", currency = "USD",
    leverage = 100, system = "s", group = "g" })
end

local function intent(order, op)
  return ev("intent", { order = order, batch = 0, signal = 0, account = "100", op = op or "open", symbol = "BTCUSD",
    side = "SELL", volume = "1.5", price = "100", stop = "0", target = "90", attempt = 1 })
end

local function opened(fields)
  local e = ev("position_opened", { account = "100", position = "P1", order = 1, signal = 0, symbol = "BTCUSD",
    side = "BUY", volume = "2", price = "100.5", stop = "99", target = "0", opened = 5, ours = true, holding_ms = 0 })
  for k, v in pairs(fields or {}) do e[k] = v end
  return e
end

local function closed(fields)
  local e = ev("position_closed", { account = "100", position = "P1", uid = "P1_c", order = 1, signal = 0,
    symbol = "BTCUSD", side = "BUY", volume = "2", open_price = "100.5", price = "101", profit = "1",
    commission = "-0.1", swap = "0", net = "0.9", reason = "target", opened = 5, closed = 61005, partial = false })
  for k, v in pairs(fields or {}) do e[k] = v end
  return e
end

describe("fold", function()
  local book
  before_each(function()
    seq = 0
    book = fold.book()
    folded(book, { user(7), account() })
  end)

  it("makes one row of an order's whole life within a batch", function()
    local lists = folded(book, { intent(1), ev("order_sent", { order = 1, queued_us = 5 }),
      ev("order_accepted", { order = 1, broker_id = "P1", latency_us = 9 }), opened(), closed() })
    assert.equal(1, #lists.orders)
    assert.is_nil(lists.order_changes)
    local o = lists.orders[1]
    assert.same({ "accepted", "P1", "SHORT", 7, "100.5", 61005 },
      { o.state, o.position, o.side, o.user_id, o.executed_price, o.closed })
    assert.is_nil(o.stop) -- 0 is none
    assert.equal(1, #lists.positions)
    assert.is_nil(lists.position_changes)
    assert.equal(61005, lists.positions[1].closed)
    assert.same({ 61, "USD", 7, "LONG" }, { lists.trades[1].seconds, lists.trades[1].currency, lists.trades[1].user_id,
      lists.trades[1].side })
  end)

  it("makes one change of what happens to an order of an earlier batch", function()
    local lists = folded(book, { ev("order_sent", { order = 4, queued_us = 5 }), ev("order_unknown", { order = 4,
      cause = "timeout" }), ev("order_adopted", { order = 4, position = "P9" }) })
    assert.is_nil(lists.orders)
    assert.equal(1, #lists.order_changes)
    local o = lists.order_changes[1]
    assert.same({ 4, "accepted", "P9", "timeout", 5, 5000 },
      { o.id, o.state, o.position, o.reason, o.queued_us, o.taken })
  end)

  it("keeps the position that a close was meant for, whatever id the answer has", function()
    local close = intent(2, "close")
    close.position = "P1"
    local lists = folded(book, { close, ev("order_accepted", { order = 2, broker_id = "other", latency_us = 1 }) })
    assert.equal("P1", lists.orders[1].position)
  end)

  it("takes partial closes off, exactly, and each is a trade", function()
    local lists = folded(book, { opened { volume = "0.3" }, closed { partial = true, volume = "0.1", uid = "a" },
      closed { partial = true, volume = "0.1", uid = "b" } })
    assert.equal("0.1", lists.positions[1].quantity)
    assert.equal(2, #lists.trades)
    lists = folded(book, { closed { partial = true, volume = "0.1", uid = "c" },
      closed { partial = true, volume = "0.2", uid = "d" } })
    assert.equal("0.3", lists.position_changes[1].less)
    assert.is_nil(lists.position_changes[1].closed)
    assert.is_nil(lists.order_changes) -- its order is not closed by a part
    -- The broker's own figure wins over what was counted before it.
    lists = folded(book, { closed { partial = true, volume = "0.1", uid = "e" },
      ev("position_changed", { account = "100", position = "P1", volume = "0.7", stop = "0" }) })
    assert.same({ "0.7", nil, "0" }, { lists.position_changes[1].quantity, lists.position_changes[1].less,
      lists.position_changes[1].stop })
  end)

  it("gives a position that is shown again after its end a row of its own", function()
    local lists = folded(book, { closed(), opened() })
    assert.equal(61005, lists.position_changes[1].closed)
    assert.is_nil(lists.positions[1].closed)
  end)

  it("ends a session by the next login, by a failure and by a close", function()
    local lists = folded(book, { ev("session_opened", { user = "paper:a@x.org", accounts = 1, expires = 99 }),
      ev("session_renewed", { user = "paper:a@x.org", expires = 100, how = "refresh" }),
      ev("session_opened", { user = "paper:a@x.org", accounts = 1, expires = 120 }),
      ev("session_failed", { user = "paper:a@x.org", code = "x", reason = "no" }),
      ev("session_renewed", { user = "paper:a@x.org", expires = 999, how = "login" }) })
    assert.same({ { user_id = 7, closed = 3000, reason = "replaced" } }, lists.session_changes)
    assert.same({ "replaced", 100, 4000 }, { lists.sessions[1].reason, lists.sessions[1].expires,
      lists.sessions[1].refreshed })
    assert.same({ "failed: no", 6000, 120 }, { lists.sessions[2].reason, lists.sessions[2].closed,
      lists.sessions[2].expires })
    assert.equal("warn", lists.logs[1].level)
  end)

  it("renews the session of an earlier batch", function()
    local lists = folded(book, { ev("session_renewed", { user = "paper:a@x.org", expires = 100, how = "refresh" }) })
    assert.same({ { user_id = 7, expires = 100, refreshed = 3000 } }, lists.session_changes)
  end)

  it("leaves no session open when an engine begins or ends", function()
    local lists = folded(book, { ev("session_renewed", { user = "paper:a@x.org", expires = 50, how = "refresh" }),
      ev("engine_started"), ev("session_renewed", { user = "paper:a@x.org", expires = 60, how = "refresh" }),
      ev("session_opened", { user = "paper:a@x.org", accounts = 1, expires = 99 }),
      ev("engine_stopped", { reason = "end", exit_code = 0 }) })
    assert.same({ { user_id = 7, expires = 50, refreshed = 3000 } }, lists.session_changes)
    assert.same({ { closed = 4000, reason = "the engine was started again" } }, lists.session_ends)
    assert.same({ 1, 7000 }, { #lists.sessions, lists.sessions[1].closed })
  end)

  describe("users of a former program", function()
    before_each(function()
      seq = 0
      book = fold.book()
    end)

    it("get the same number each time that the journal is read", function()
      local one = folded(book, { user(), account(), intent(1) })
      seq = 0
      local other = folded(fold.book(), { user(), account(), intent(1) })
      assert.equal(fold.LEGACY + 1, one.orders[1].user_id)
      assert.same(one, other)
    end)

    it("are told of by their accounts, too", function()
      local lists = folded(book, { account(), intent(1) })
      assert.same({ fold.LEGACY + 1, "paper", "a@x.org" }, { lists.users[1].id, lists.users[1].broker,
        lists.users[1].email })
      assert.equal(fold.LEGACY + 1, lists.orders[1].user_id)
    end)

    it("are renamed in a batch that begins with it", function()
      local batch = fold.new(book)
      assert(batch:add(user()))
      local known = user(3)
      assert.is_true(batch:cuts(known))
      local lists = folded(book, { known, account(), intent(1) })
      assert.same({ { was = fold.LEGACY + 1, id = 3 } }, lists.renames)
      assert.equal(3, lists.orders[1].user_id)
      assert.is_false(fold.new(book):cuts(known))
    end)
  end)

  it("keeps a removed user's row for what ends later; the name may come back", function()
    local lists = folded(book, { ev("user_removed", { user = "paper:a@x.org", id = 7 }), closed(),
      ev("user_added", { user = "paper:a@x.org", broker = "paper", id = 8, name = "A" }), account(), intent(1) })
    assert.same({ { id = 7, deleted = 3000 } }, lists.removals)
    assert.equal(7, lists.trades[1].user_id)
    assert.equal(8, lists.orders[1].user_id)
    assert.same({ 7, 3000 }, { lists.users[1].id, lists.users[1].deleted })
    assert.same({ 8, "A" }, { lists.users[2].id, lists.users[2].name })
    assert.is_nil(lists.users[2].deleted)
  end)

  it("refuses what contradicts the journal, and takes nothing of it", function()
    local batch = fold.new(book)
    local e = intent(1)
    e.account = "999"
    local ok, why = batch:add(e)
    assert.is_nil(ok)
    assert.matches("account 999 was never told of", why)
    assert.same({}, batch:finish())
    assert.equal(0, batch.count)
    assert.is_nil(batch:add(ev("position_closed", { account = "100" })))
    batch:reject(e, why)
    local row = batch:finish().logs[1]
    assert.same({ e.seq, "error", "projector", e.seq }, { row.id, row.level, row.component, batch.last })
    assert.matches('"account":"999"', row.metadata, 1, true)
  end)

  it("rejects events with texts that a database does not take", function()
    local batch = fold.new(book)
    batch:reject(ev("notice", { level = "info", component = "x", text = "a\0b" }), "bad \255 reason\0")
    batch:reject(ev("notice", { level = "info", component = "x", text = "a\255" }), "why")
    for _, row in ipairs(batch:finish().logs) do
      assert.is_truthy(utf8.len(row.message .. row.metadata))
      assert.is_nil((row.message .. row.metadata):find("%z"))
      assert.is_nil(row.metadata:find("u0000", 1, true))
    end
  end)

  it("takes the ratios of a signal from its conditions", function()
    local lists = folded(book, { ev("signal", { signal = 5, strategy = "s", hash = "h", symbol = "BTCUSD",
      action = "OPEN_SHORT", price = "10", stop = "0", strength = 0.5, confidence = 0.6, reason = "",
      conditions = '[{"name":"volume_ratio_20","value":3.5},{"name":"volume_ratio_50","value":2},'
        .. '{"name":"imbalance","value":null}]' }),
      ev("batch_done", { batch = 1, signal = 5, symbol = "BTCUSD", legs = 2, sent = 2, accepted = 1, rejected = 1,
        unknown = 0, not_sent = 0, volume = "0.5", skew_us = 1, elapsed_us = 2 }),
      ev("signal_refused", { signal = 4, rule = "age", reason = "too old" }) })
    local s = lists.signals[1]
    assert.same({ "SHORT", 3.5, 1, "0.5", 4000 }, { s.type, s.volume_ratio, s.accepted, s.volume, s.done })
    assert.is_nil(s.imbalance)
    assert.is_nil(s.reason)
    assert.same({ { id = 4, refused_rule = "age", refused_reason = "too old" } }, lists.signal_changes)
  end)

  it("calls symbols by our name", function()
    folded(book, { ev("instrument", { venue = "paper", symbol = "BTCUSD", canonical = "BTC", price_digits = 1,
      volume_digits = 2 }) })
    assert.equal("BTC", folded(book, { intent(1) }).orders[1].symbol)
  end)

  it("keeps the first and the newest balance, and each in the history", function()
    local lists = folded(book, { ev("balance", { account = "100", balance = "10", equity = "11", currency = "EUR" }),
      ev("balance", { account = "100", balance = "12", equity = "12", currency = "EUR" }) })
    assert.same({ "10", "12" }, { lists.account_changes[1].first, lists.account_changes[1].balance })
    assert.equal(2, #lists.balances)
    assert.equal("EUR", book.accounts["100"].currency)
  end)

  it("has a place for every kind of event", function()
    local event = require "perigee.event"
    local values = { u64 = 1, i64 = 1, time = 1000, decimal = "1", double = 0.5, bool = true, string = "x",
      json = "{}" }
    for _, kind in ipairs(event.kinds()) do
      local e = ev(kind.name)
      for _, f in ipairs(kind.fields) do e[f.name] = values[f.type] end
      if e.account then e.account = "100" end
      if e.user then e.user = "paper:a@x.org" end
      local batch = fold.new(book)
      assert(batch:add(e))
      assert.equal(not fold.silent[kind.name], next(batch:finish()) ~= nil, kind.name)
      folded(book, { user(7) })
    end
  end)
end)

describe("rows", function()
  it("makes one array of each column, in the order of the table", function()
    local out = rows.statements({ logs = { { id = 1, level = "info", component = "c", message = "m", at = 2,
      wall_us = 3 }, { id = 2, metadata = "{}" } }, removals = { { id = 9, deleted = 1 } } },
      function(t) return t end, "NULL")
    assert.equal(2, #out)
    assert.matches("UPDATE users", out[1][1])
    assert.same({ 1, 2 }, out[2][2][1])
    assert.same({ "NULL", "{}" }, out[2][2][5])
  end)

  it("knows every list that the fold makes", function()
    local known = {}
    for _, l in ipairs(rows.lists) do known[l.name] = true end
    local text = require("perigee.fs").read(require("perigee.process").home() .. "/lua/perigee/store/fold.lua")
    for name in text:gmatch('%w%(self, "([%w_]+)"') do
      assert.is_truthy(known[name], name)
    end
  end)
end)
