-- SPDX-License-Identifier: MIT
-- perigee.sim: what its orders and lists give, and how its settings are read. The figures themselves are tested in C.

local sim = require "perigee.sim"

local HOUR = 3600000

local function market(model, balance)
  local s = assert(sim.open { seed = 11, history_bars = 2, model = model })
  assert(s:account_add { id = "A", user = "a@b.c", currency = "USD", leverage = 100, balance = balance or "100000" })
  assert(s:advance(s:now() + 60000))
  return s
end

local function away(s, points)
  local q = s:quote("BTCUSD")
  return ("%.1f"):format(tonumber(q.bid) + points / 10)
end

local function symbol(s, name)
  for _, row in ipairs(s:symbols()) do if row.symbol == name then return row end end
end

describe("orders of the simulated broker", function()
  it("answer an id, true, or nil with a code and a sentence", function()
    local s = market()
    local id = s:open_position("A", "BTCUSD", "BUY", "0.2", away(s, -500), "0")
    assert.truthy(id:match("^W%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d$"))
    assert.is_true(s:edit("A", id, "BTCUSD", "BUY", "0", away(s, 900)))
    local nothing, code, text = s:edit("A", id, "BTCUSD", "SELL", "0", "0")
    assert.is_nil(nothing)
    assert.equal("SIDE_MISMATCH", code)
    assert.equal("Order side does not match the position", text)
    local order = s:close_position("A", id, "BTCUSD", "BUY", "0.05")
    assert.truthy(order:match("^W"))
    assert.not_equal(id, order)
    assert.equal("0.15", s:positions("A")[1].volume)
    assert.truthy(s:close_position("A", id, "BTCUSD", "BUY"))
    local rows = s:closed("A", 0, math.maxinteger)
    assert.same({ "close_partial", "close" }, { s:rows()[4].op, s:rows()[5].op })
    assert.same({ true, false }, { rows[1].partial, rows[2].partial })
    assert.same({ "client", "client" }, { rows[1].reason, rows[1].source })
  end)

  it("wait, are changed, filled and cancelled", function()
    local s = market()
    local price = away(s, -300)
    local id = assert(s:pending_create("A", "BTCUSD", "BUY", "LIMIT", "0.1", price, "0", "0"))
    local level = price:gsub("%.0$", "")
    assert.same({ id = id, symbol = "BTCUSD", side = "BUY", type = "LIMIT", volume = "0.1", price = level, stop = "0",
      target = "0", created_ms = s:now(), source = "client" }, s:pendings("A")[1])
    assert.is_true(s:pending_edit("A", id, "BTCUSD", "BUY", "0.3", away(s, -20), "0", "0"))
    assert.equal("0.3", s:pendings("A")[1].volume)
    local other = assert(s:pending_create("A", "BTCUSD", "SELL", "LIMIT", "0.1", away(s, 50000), "0", "0"))
    assert.same({ nil, "ORDER_NOT_FOUND", "Order not found" }, { s:pending_cancel("A", "W1", "BTCUSD") })
    assert.is_true(s:pending_cancel("A", other, "BTCUSD"))
    assert(s:advance(s:now() + 2 * HOUR))
    assert.same({}, s:pendings("A"))
    assert.equal(id, s:positions("A")[1].id)
    assert.equal("broker", s:positions("A")[1].source)
    assert.has_error(function() s:pending_create("A", "BTCUSD", "BUY", "MARKET", "0.1", price, "0", "0") end)
    assert.has_error(function() s:pending_create("B", "BTCUSD", "BUY", "LIMIT", "0.1", price, "0", "0") end)
  end)

  it("by hand say so", function()
    local s = market { reject_share = 1, reject_reason = "OFF_QUOTES" }
    assert.same({ nil, "OFF_QUOTES", "There is no price for this order" },
      { s:open_position("A", "BTCUSD", "BUY", "0.2", "0", "0") })
    local id = assert(s:hand_open("A", "BTCUSD", "BUY", "0.2", "0", "0"))
    assert.equal("hand", s:positions("A")[1].source)
    assert.is_true(s:hand_edit("A", id, "BTCUSD", "BUY", away(s, -500), "0"))
    assert.truthy(s:hand_close("A", id, "BTCUSD", "BUY"))
    local pending = assert(s:hand_pending_create("A", "BTCUSD", "BUY", "LIMIT", "0.1", away(s, -300), "0", "0"))
    assert.is_true(s:hand_pending_edit("A", pending, "BTCUSD", "BUY", "0.1", away(s, -400), "0", "0"))
    assert.is_true(s:hand_pending_cancel("A", pending, "BTCUSD"))
    for _, row in ipairs(s:rows(1)) do assert.equal("hand", row.source) end
    assert.equal(7, #s:rows())
  end)

  it("are filled in parts, and under ids of their own, when the broker is so", function()
    local s = market { partial_fills = 1, slippage_points = 9, order_id_differs = true }
    local order = s:open_position("A", "BTCUSD", "BUY", "0.5", "0", "0")
    local p = s:positions("A")[1]
    assert.not_equal(order, p.id)
    assert.equal(order, p.order)
    local sum = 0
    for _, part in ipairs(p.parts) do
      sum = sum + tonumber(part.volume)
      assert.equal(p.opened_ms, part.opened_ms)
      assert.not_equal(p.id, part.id)
    end
    assert.near(0.5, sum, 1e-12)
    assert.same(p.parts, s:rows(1)[1].parts)
  end)

  it("book deposits, withdrawals and credits", function()
    local s = market()
    assert.is_true(s:deposit("A", "250.50"))
    assert.is_true(s:credit("A", "1000"))
    local m = s:money("A")
    assert.same({ "100250.5", "1000", "101250.5", false }, { m.balance, m.credit, m.equity, m.margin_call })
    local ok, err = s:deposit("A", "-1000000")
    assert.is_nil(ok)
    assert.equal("state", err.code)
    assert.is_true(s:deposit("A", "-250.50"))
    assert.equal("100000", s:accounts()[1].balance)
  end)
end)

describe("settings of the simulated broker", function()
  it("are read as a whole or not at all", function()
    local s = market()
    local before = s:model()
    for _, case in ipairs {
      { { partial_fills = 1.5 }, "partial_fills must be a share from 0 to 1" },
      { { partial_fills = 0 / 0 }, "partial_fills must be a share from 0 to 1" },
      { { reject_share = "half" }, "reject_share must be a share from 0 to 1" },
      { { reject_reason = "NO" }, "reject_reason must be a code of a refusal, such as REQUOTE" },
      { { slippage_points = -1 }, "slippage_points must be 0 to 1000000 points" },
      { { slippage_points = 1.5 }, "slippage_points must be a whole number" },
      { { swaps = 1 }, "swaps must be true or false" },
      { { stop_out_level = -1 }, "stop_out_level must be 0 to 1000 percent" },
      { { stop_out_level = "x" }, "stop_out_level must be a decimal number" },
      { { margin_call_level = 1001 }, "margin_call_level must be 0 to 1000 percent" },
      { { freeze_level = -2 }, "freeze_level must be 0 to 1000000 points" },
      { { slippage_point = 3 }, "the model has no setting slippage_point; did you mean slippage_points" },
      { { 3 }, "the model has no setting (a number)" },
      { { hours = 1 }, "hours must be a table of symbols" },
      { { hours = { BTCUSD = 1 } }, "hours must be a list of {day, open_ms, close_ms} for each symbol" },
      { { hours = { BTCUSD = { { day = 7, open_ms = 0, close_ms = 1 } } } }, "session 1 needs a day" },
      { { hours = { BTCUSD = { { day = 1, open_ms = 0, close_ms = 5 }, { day = 1, open_ms = 4, close_ms = 9 } } } },
        "session 2 must come after the one before it" },
      { { hours = { XAUUSD = {} } }, "hours names an unknown symbol XAUUSD" },
      { { swap = { BTCUSD = { type = "PERCENT" } } }, "the type of a swap must be POINTS or PIPS" },
      { { swap = { BTCUSD = { buy = 1e9 } } }, "the swaps of BTCUSD must be within 10000" },
      { { commission = { BTCUSD = -1 } }, "the commission of BTCUSD must be 0 to 10000" },
    } do
      case[1].order_id_differs = true -- must not be taken either
      local ok, err = s:model(case[1])
      assert.is_nil(ok)
      assert.equal("input", err.code)
      assert.truthy(err.message:find(case[2], 1, true), err.message .. " / " .. case[2])
      assert.same(before, s:model())
    end
    local ok, err = s:model("fast")
    assert.is_nil(ok)
    assert.truthy(err.message:find("must be a table", 1, true))
    local closed = sim.open { seed = 1, model = { stops_level = -2 } }
    assert.is_nil(closed)
    assert.has_error(function() sim.open { sed = 1 } end)
  end)

  it("come from a file, too", function()
    local model = require "perigee.simulator.model"
    local fs = require "perigee.fs"
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local function read(text)
      assert(fs.replace(path, text))
      return model.read(path)
    end
    assert.is_nil(model.read(nil))
    -- The example of the docs is one that is taken.
    local example = assert(fs.read("docs/simulator.md")):match("```json\n(.-)```")
    local s = market(assert(read(example)))
    assert.same({ 20, "OFF_QUOTES" }, { s:model().slippage_points, s:model().reject_reason })
    assert.same({ "-120", "-17.5" }, { symbol(s, "BTCUSD").swap_buy, symbol(s, "BTCUSD").swap_sell })
    assert.equal(2, #symbol(s, "EURUSD").hours)
    assert.is_false(symbol(s, "USDPLN").tradeable)
    for _, text in ipairs { "", "[1]", "3", '{"a":', "null" } do
      local settings, err = read(text)
      assert.is_nil(settings)
      assert.truthy(err.message:find(path .. ": not a JSON object of settings", 1, true))
    end
    local settings, err = model.read(path .. ".none")
    assert.is_nil(settings)
    assert.truthy(err)
    local closed
    closed, err = sim.open { seed = 1, model = assert(read('{"slippage_points":"many"}')) }
    assert.is_nil(closed)
    assert.truthy(err.message:find("slippage_points must be a whole number", 1, true))
  end)

  it("show in the symbols", function()
    local s = market()
    local main = symbol(s, "BTCUSD")
    assert.same({ 10, 0, "-100", "-20", "POINTS", true, true, 7 },
      { main.stops_level, main.freeze_level, main.swap_buy, main.swap_sell, main.swap_type, main.open, main.tradeable,
        #main.hours })
    assert.same({ day = 3, open_ms = 0, close_ms = 86400000 }, main.hours[4])
    assert.equal("PIPS", symbol(s, "EURUSD").swap_type)
    local hours = { { day = 1, open_ms = 2 * HOUR, close_ms = 5 * HOUR } }
    assert.is_true(s:model { stops_level = 25, freeze_level = 4, hours = { BTCUSD = hours },
      swap = { BTCUSD = { buy = "-7.5", sell = 1 } }, commission = { BTCUSD = "3.5" }, disabled = { EURUSD = true } })
    main = symbol(s, "BTCUSD")
    assert.same({ 25, 4, "-7.5", "1", "3.5", false },
      { main.stops_level, main.freeze_level, main.swap_buy, main.swap_sell, main.commission, main.open })
    assert.same(hours, main.hours)
    assert.is_false(symbol(s, "EURUSD").tradeable)
    assert.equal("SESSION_CLOSED", (select(2, s:open_position("A", "BTCUSD", "BUY", "0.1", "0", "0"))))
    assert.equal("TRADING_DISABLED", (select(2, s:open_position("A", "EURUSD", "BUY", "0.1", "0", "0"))))
    assert(s:advance(s:now() + 3 * HOUR))
    assert.is_true(symbol(s, "BTCUSD").open)
    assert.truthy(s:open_position("A", "BTCUSD", "BUY", "0.1", "0", "0"))
    assert.is_true(s:model { swaps = false, hours = { BTCUSD = {} } })
    assert.same({ "0", 7 }, { symbol(s, "BTCUSD").swap_buy, #symbol(s, "BTCUSD").hours })
  end)
end)
