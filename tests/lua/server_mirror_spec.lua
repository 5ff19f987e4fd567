-- SPDX-License-Identifier: MIT
local api = require "perigee.server.api"
local events = require "perigee.server.mirror_events"
local json = require "perigee.json"
local mirror = require "perigee.server.mirror"
local schema = require "perigee.server.schema"

local null = json.null
local T0 = 1704067200000

-- A picture with two users, three accounts in two currencies, and one open position.
local function picture()
  local m = mirror.new("USD")
  local function account(id, user, currency, balance)
    return { id = id, uuid = "u-" .. id, user_id = user, user = "paper:u" .. user .. "@x.y",
      email = "u" .. user .. "@x.y", broker = "paper", currency = currency, leverage = 100, group = null,
      balance = balance, equity = balance, margin = "0", free_margin = balance, profit = "0",
      open_positions = 0, trades = 0, realised = "0",
      balance_first = balance, paused = false, active = true, updated_ms = T0 }
  end
  local function user(id, ids)
    return { id = id, user = "paper:u" .. id .. "@x.y", broker = "paper", email = "u" .. id .. "@x.y", name = null,
      is_active = true, accounts = ids, state = "open", error = null }
  end
  m:snapshot { seq = 100, engine = { pid = 7, version = "0.1.0", mode = "paper", clock = "scaled", speed = "20" },
    market = { time_ms = T0, symbol = "BTCUSD", source = "generator", feed = "connected" }, entries_stopped = false,
    trading_enabled = true, in_flight = 0, users = { user(1, { "11", "12" }), user(2, { "21" }) },
    sessions = { { id = 10, user_id = 1, user = "paper:u1@x.y", email = "u1@x.y", broker = "paper", state = "open",
      login_ms = T0, expires_ms = T0 + 900000, last_refresh_ms = null, accounts = { "11", "12" }, error = null } },
    accounts = { account("11", 1, "USD", "1000"), account("12", 1, "EUR", "500"), account("21", 2, "USD", "2000") },
    positions = { { account = "11", id = "W1", user_id = 1, email = "u1@x.y", symbol = "BTCUSD.x", canonical = "BTCUSD",
      side = "BUY", volume = "0.5", price = "40000", stop = "39900", target = null, opened_ms = T0, holding_ms = 300000,
      order = 1, signal = 1, ours = true, closing = false, close_reason = null, mark = "40100", profit = "50",
      currency = "USD" } },
    orders = { { id = 1, batch = 1, signal = 1, account = "11", user_id = 1, email = "u1@x.y", op = "open",
      symbol = "BTCUSD.x", canonical = "BTCUSD", side = "BUY", volume = "0.5", price = "40000", stop = "39900",
      target = null, position = "W1", state = "accepted", reason = null, created_ms = T0, updated_ms = T0 } },
    instruments = { { symbol = "BTCUSD.x", canonical = "BTCUSD", price_digits = 1, volume_digits = 2,
      volume_min = "0.01", volume_max = "100", volume_step = "0.01", stops_level = 10, contract_size = "1" } },
    strategies = { { instance = "s", version = "1", hash = "h", symbol = "BTCUSD", running = true } },
    signals = { { id = 1, strategy = "s", hash = "h", symbol = "BTCUSD", action = "OPEN_LONG", price = "40000",
      stop = "39900", target = null, confidence = 0.8, strength = 0.5, reason = "r", time_ms = T0,
      conditions = { { name = "volume_ratio_20", value = 3.5, threshold = 3, source = "reference", pass = true } },
      outcome = null } },
    rates = { USD = "1", EUR = "1.1" }, quotes = { { venue = "paper", symbol = "BTCUSD", bid = "40100", ask = "40101",
      time_ms = T0 } } }
  return m
end

local function fits(name, row)
  assert.is_nil(schema.check(api.schemas[name], row, api.schemas))
  return row
end

local next_seq = 100
local function event(kind, fields)
  next_seq = next_seq + 1
  fields.kind, fields.seq, fields.market_ms, fields.wall_us = kind, next_seq, T0 + next_seq, next_seq * 1000
  return fields
end

describe("the mirror", function()
  before_each(function() next_seq = 100 end)

  it("gives rows that fit the API's schemas", function()
    local m = picture()
    for _, u in ipairs(m:list_users()) do fits("User", u) end
    for _, s in ipairs(m:list_sessions()) do fits("Session", s) end
    for _, a in ipairs(m:list_accounts()) do fits("Account", a) end
    for _, o in ipairs(m:list_orders()) do fits("Order", o) end
    for _, s in ipairs(m:list_signals()) do fits("Signal", s) end
    for _, i in ipairs(m:list_instruments()) do fits("Instrument", i) end
    local p = fits("Position", m:list_positions()[1])
    assert.same({ "LONG", "40100", "0.25", null, 300 }, { p.side, p.current_price, p.profit_loss_percent, p.take_profit,
      p.holding_seconds })
    assert.equal(3.5, m:list_signals()[1].volume_ratio)
    assert.equal("40101", m:list_instruments()[1].ask)
  end)

  it("sums up over currencies at the newest rates, and says what it cannot sum", function()
    local m = picture()
    local o = m:overview()
    assert.same({ "3550.00", true, 3, 1, "0.00" }, { o.balance, o.complete, o.accounts_total, o.open_positions,
      o.profit_total })
    local u = m:user(1)
    assert.same({ "USD", "1550.00" }, { u.currency, u.balance })
    assert.equal("USD", m:user(2).currency)
    m.rates = {}
    o = m:overview()
    assert.same({ "3000.00", false }, { o.balance, o.complete })
    assert.equal(null, m:user(1).balance)
  end)

  it("takes marks, and leaves out what is not there any more", function()
    local m = picture()
    local change = m:state { kind = "marks", positions = { { "11", "W1", "40200", "100" }, { "11", "W9", "1", "1" } },
      accounts = { { "11", "1100", "401", "699", "100" } }, rates = { USD = "1" } }
    assert.equal("marks", change.type)
    assert.is_true(change.newest)
    assert.equal(1, #change.data.positions)
    assert.equal("0.5", m:position("11", "W1").profit_loss_percent)
    assert.equal("1100", m:account("11").equity)
    assert.is_nil(m:state { kind = "weather" })
  end)

  it("does not fold an event twice, nor one from before its snapshot", function()
    local m = picture()
    local e = event("position_closing", { account = "11", position = "W1", reason = "manual", volume = "0" })
    assert.equal(1, #events.add(m, e))
    assert.equal(0, #events.add(m, e))
    e.seq = 50
    assert.equal(0, #events.add(m, e))
    assert.equal(0, #events.add(mirror.new("USD"), event("notice", { text = "x" })))
  end)

  it("shows a pending order while it rests, and what becomes of it", function()
    local m = picture()
    local function add(kind, fields) return events.add(m, event(kind, fields)) end
    add("intent", { order = 5, batch = 0, signal = 0, account = "21", op = "pending", symbol = "BTCUSD.x", side = "BUY",
      volume = "0.1", price = "39000", stop = "38000", target = "0", type = "LIMIT" })
    add("order_accepted", { order = 5, broker_id = "P5" })
    local o = fits("Order", add("pending_seen", { account = "21", pending = "P5", order = 5 })[1].data.order)
    assert.same({ "PENDING", "LIMIT", "pending", "P5" }, { o.status, o.order_type, o.operation, o.position_id })
    assert.equal(1, #m:list_orders(true)) -- it is active as long as it rests
    o = add("pending_changed", { account = "21", pending = "P5", order = 5, volume = "0.1", price = "38500",
      stop = "0", target = "0", who = "hand" })[1].data.order
    assert.equal("38500", o.entry_price)
    o = fits("Order", add("pending_gone", { account = "21", pending = "P5", order = 5, reason = "triggered",
      position = "W5" })[1].data.order)
    assert.same({ "OPEN", "W5" }, { o.status, o.position_id })
    assert.equal(0, #m:list_orders(true))
    assert.equal(0, #(add("pending_gone", { account = "21", pending = "H5", order = 0, reason = "hand" }) or {}))
  end)

  it("shows what is wanted closed as the ledger has it", function()
    local m = picture()
    local function add(kind, fields) return events.add(m, event(kind, fields)) end
    local function closing(id, volume, reason)
      add("position_closing", { account = "11", position = id, reason = reason, volume = volume })
    end
    local function part(id, order)
      add("position_closed", { account = "11", position = id, uid = "c", order = order, symbol = "BTCUSD.x",
        side = "BUY", volume = "0.1", open_price = "40000", price = "40100", profit = "1", commission = "0", swap = "0",
        net = "1", reason = "manual", opened = T0, closed = T0, partial = true })
    end
    local function shown(id)
      local p = fits("Position", m:position("11", id))
      return { p.is_closing, p.close_reason, p.closing_quantity }
    end
    closing("W1", "0.1", "manual")
    assert.same({ true, "manual", "0.1" }, shown "W1")
    part("W1", 1) -- it is the part that was wanted
    assert.same({ false, null, null }, shown "W1")
    closing("W1", "0", "time")
    part("W1", 1) -- somebody else's: all of it is wanted closed still
    assert.same({ true, "time", null }, shown "W1")
  end)

  it("shows at once what an entry on its way, and legs that are unwound, come to", function()
    local m = picture()
    local function add(kind, fields) return events.add(m, event(kind, fields)) end
    local function entry(order, batch)
      add("intent", { order = order, batch = batch, signal = 1, account = "11", op = "open", symbol = "BTCUSD.x",
        side = "BUY", volume = "0.1", price = "40000", stop = "39900", target = "0", attempt = 2 })
    end
    local function open(order, id)
      add("order_accepted", { order = order, broker_id = id })
      return add("position_opened", { account = "11", position = id, order = order, symbol = "BTCUSD.x", side = "BUY",
        volume = "0.1", price = "40000", stop = "0", target = "0", opened = T0, ours = true })
    end
    entry(5, 2)
    local o = fits("Order", add("order_closing", { order = 5, account = "11", reason = "manual" })[1].data.order)
    assert.same({ true, "manual", 2 }, { o.is_closing, o.close_reason, o.attempt })
    assert.same({}, (add("order_closing", { order = 5, account = "11", reason = "end" })))
    assert.same({}, (add("order_closing", { order = 99, account = "11", reason = "end" })))
    local p = fits("Position", open(5, "W5")[1].data.position)
    assert.same({ true, "manual" }, { p.is_closing, p.close_reason })

    for order = 6, 9 do entry(order, order < 9 and 3 or 4) end
    open(6, "W6")
    open(9, "W9")
    assert.same({}, (add("batch_decided", { batch = 3, outcome = "kept", first = 6, last = 8 })))
    local out = add("batch_decided", { batch = 3, outcome = "unwound", first = 6, last = 8 })
    local keys = {}
    for i, c in ipairs(out) do keys[i] = c.key:gsub("%z", "/") end
    assert.same({ "order:6", "order:7", "order:8", "position:11/W6" }, keys)
    assert.same({ "closing", "unwind" }, { out[4].data.op, out[4].data.position.close_reason })
    assert.is_true(open(7, "W7")[1].data.position.is_closing)
    assert.is_false(m:position("11", "W9").is_closing)
  end)

  it("follows an order from its intent to its position and its trade", function()
    local m = picture()
    local function add(kind, fields) return events.add(m, event(kind, fields)) end
    local out = add("intent", { order = 5, batch = 2, signal = 1, account = "21", op = "open", symbol = "BTCUSD.x",
      side = "SELL", volume = "1", price = "40000", stop = "40100", target = "0" })
    local o = fits("Order", out[1].data.order)
    assert.same({ "PENDING", "intent", "SHORT", null, "BTCUSD", "order:5" }, { o.status, o.state, o.side,
      o.take_profit, o.symbol, out[1].key })
    assert.equal(1, #m:list_orders(true))
    assert.equal("OPEN", add("order_accepted", { order = 5, broker_id = "W5" })[1].data.order.status)
    assert.equal(0, #m:list_orders(true))
    out = add("position_opened", { account = "21", position = "W5", order = 5, signal = 1, symbol = "BTCUSD.x",
      side = "SELL", volume = "1", price = "40000", stop = "40100", target = "0", opened = T0, ours = true,
      holding_ms = 0 })
    fits("Position", out[1].data.position)
    assert.same({ "opened", 1 }, { out[1].data.op, fits("Account", out[2].data.accounts[1]).open_positions })

    out = add("position_closed", { account = "21", position = "W5", uid = "c1", order = 5, signal = 1,
      symbol = "BTCUSD.x", side = "SELL", volume = "0.4", open_price = "40000", price = "39900", profit = "40",
      commission = "0", swap = "0", net = "40", reason = "manual", opened = T0, closed = T0 + 9000, partial = true })
    assert.same({ "changed", "0.6" }, { out[1].data.op, out[1].data.position.quantity })
    local t = fits("Trade", out[1].data.trade)
    assert.same({ true, 9, "0.25", "s", "SHORT" }, { t.is_partial, t.duration_seconds, t.profit_loss_percent,
      t.strategy, t.side })
    assert.is_nil(out[1].key)

    out = add("position_closed", { account = "21", position = "W5", uid = "c2", order = 5, signal = 1,
      symbol = "BTCUSD.x", side = "SELL", volume = "0.6", open_price = "40000", price = "39900", profit = "60",
      commission = "-1", swap = "0", net = "59", reason = "stop", opened = T0, closed = T0 + 9000, partial = false })
    assert.equal("closed", out[1].data.op)
    assert.is_nil(m:position("21", "W5"))
    assert.equal("CLOSED", out[2].data.order.status)
    local a = m:account("21")
    assert.same({ "99", 1, 0 }, { a.realised, a.trades, a.open_positions })
  end)

  it("tells what became of a signal", function()
    local m = picture()
    local out = events.add(m, event("signal", { signal = 2, strategy = "s", hash = "h", symbol = "BTCUSD",
      action = "CLOSE", price = "0", confidence = 1.0, strength = 0.1, reason = "", conditions = "[]" }))
    local s = fits("Signal", out[1].data.signal)
    assert.same({ "CLOSE", null, null }, { s.signal_type, s.price, s.outcome })
    out = events.add(m, event("signal_refused", { signal = 2, rule = "age", reason = "too old" }))
    assert.same({ "signal_outcome", false, "age" }, { out[1].type, out[1].data.signal.outcome.traded,
      fits("Signal", out[1].data.signal).outcome.refused_rule })
    out = events.add(m, event("batch_done", { signal = 1, batch = 3, legs = 3, sent = 3, accepted = 2, rejected = 1,
      unknown = 0, not_sent = 0, volume = "1.5", elapsed_us = 2500 }))
    assert.same({ true, 2.5 }, { out[1].data.signal.outcome.traded, out[1].data.signal.outcome.elapsed_ms })
  end)

  it("follows sessions and users", function()
    local m = picture()
    local out, stale = events.add(m, event("session_failed", { user = "paper:u1@x.y", user_id = 1, code = "x",
      reason = "no", session = 10 }))
    assert.is_true(stale)
    assert.same({ "failed", "no" }, { out[1].data.session.status, fits("Session", out[1].data.session).error })
    assert.equal("failed", fits("User", out[2].data.user).status)
    assert.is_false(m:account("11").is_active)
    out = events.add(m, event("session_opened", { user = "paper:u1@x.y", user_id = 1, accounts = 2, expires = T0 + 1 }))
    assert.same({ next_seq, "open" }, { out[1].data.session.id, out[2].data.user.status })
    events.add(m, event("account_read", { account = "11", session = next_seq }))
    assert.is_true(m:account("11").is_active)
    out = events.add(m, event("user_added", { user = "paper:u3@x.y", id = 3, broker = "paper", email = "u3@x.y",
      name = "three", active = true }))
    assert.same({ "added", "logging_in" }, { out[1].data.op, fits("User", out[1].data.user).status })
    out = events.add(m, event("user_removed", { user = "paper:u2@x.y", id = 2 }))
    assert.equal("removed", out[1].data.op)
    assert.is_nil(m:user(2))
    assert.is_nil(m:account("21"))
  end)

  it("takes a snapshot of an engine that has no feed yet", function()
    local m = mirror.new("USD")
    m:snapshot { seq = 5, market = { time_ms = null, symbol = null, source = null, feed = "lost" } }
    assert.same({}, (events.add(m, event("engine_ready", {}))))
    m:state { kind = "health", market_ms = null }
    assert.equal(T0 + next_seq, m.market.time_ms)
    assert.equal(null, m:overview().balance)
  end)

  it("keeps its memory bounded", function()
    local m = picture()
    for i = 10, 2000 do
      events.add(m, event("intent", { order = i, account = "11", op = "open", symbol = "BTCUSD.x", side = "BUY",
        volume = "1" }))
      events.add(m, event("order_rejected", { order = i, reason = "no" }))
      events.add(m, event("signal", { signal = i, strategy = "s", symbol = "BTCUSD", action = "CLOSE" }))
      events.add(m, event("session_opened", { user = "paper:u1@x.y", user_id = 1 }))
    end
    local sessions = 0
    for _ in pairs(m.sessions) do sessions = sessions + 1 end
    assert.is_true(#m:list_orders() <= 401)
    assert.equal(20, #m:list_signals())
    assert.is_true(sessions <= 21)
    assert.equal(2000, m:list_orders()[1].id)
  end)

  it("takes the reason of a condition that has no number as it is", function()
    local m = picture()
    local out = events.add(m, event("signal", { signal = 9, strategy = "s", symbol = "BTCUSD", action = "OPEN_LONG",
      conditions = '[{"name":"imbalance","value":null,"threshold":"x"},5]' }))
    fits("Signal", out[1].data.signal)
    assert.equal(null, out[1].data.signal.orderbook_imbalance)
  end)
end)
