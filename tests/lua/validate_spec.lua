-- SPDX-License-Identifier: MIT
-- Local validation: every rule, from both sides of its edge, and that it names itself with its numbers.

local clock = require "perigee.clock"
local hours = require "perigee.venues.hours"
local validate = require "perigee.venues.validate"

local MONDAY_NOON = clock.parse("2025-07-14T12:00:00Z")
local SUNDAY_NOON = clock.parse("2025-07-13T12:00:00Z")

-- Monday to Friday, 00:05 to 23:00.
local function week()
  local spans = {}
  for day = 1, 5 do spans[day] = { day = day, open_ms = 5 * 60000, close_ms = 23 * 3600000 } end
  return spans
end

local function contract(changes)
  local c = { venue = "mine", symbol = "EURUSD.", canonical = "EURUSD", price_digits = 5, volume_digits = 2,
    volume_min = "0.01", volume_max = "50", volume_step = "0.01", contract_size = "100000", leverage = 100,
    stops_level = 10, freeze_level = 5, hours = week() }
  for key, value in pairs(changes or {}) do
    if value == "absent" then c[key] = nil else c[key] = value end
  end
  return c
end

local function facts(changes, of_contract)
  local f = { venue = "mine", contract = contract(of_contract), now_ms = MONDAY_NOON, bid = 1.1, ask = 1.1001 }
  for key, value in pairs(changes or {}) do
    if value == "absent" then f[key] = nil else f[key] = value end
  end
  return f
end

local function order(changes)
  local o = { op = "open", symbol = "EURUSD", side = "BUY", volume = "0.10", stop = 1.0950, target = 1.1050 }
  for key, value in pairs(changes or {}) do
    if value == "absent" then o[key] = nil else o[key] = value end
  end
  return o
end

local function passes(o, f)
  local rule, reason = validate.order(o, f or facts())
  assert.is_nil(rule, reason)
end

local function breaks(rule, words, o, f)
  local name, reason = validate.order(o, f or facts())
  assert.equal(rule, name)
  assert.equal(words, reason)
end

describe("the local validation:", function()
  it("a sound order passes, with and without levels, of both sides", function()
    passes(order())
    passes(order { stop = "absent", target = "absent" })
    passes(order { stop = 0, target = "0" })
    passes(order { side = "SELL", stop = 1.1050, target = 1.0950 })
    passes(order { volume = "absent" })
    passes(order { op = "close" })
  end)

  it("an instrument must be known", function()
    breaks("instrument", "EURUSD is no instrument of mine that can be traded", order(), facts { contract = "absent" })
    breaks("instrument", "EURUSD is no instrument of mine that can be traded", order { op = "close" },
      facts { contract = "absent" })
  end)

  it("a contract that has ended takes no entry, but lets go", function()
    local f = facts(nil, { expires_ms = MONDAY_NOON })
    breaks("expired", "the contract EURUSD ended on 2025-07-14T12:00:00.000Z", order(), f)
    passes(order { op = "close" }, f)
    passes(order(), facts(nil, { expires_ms = MONDAY_NOON + 1 }))
  end)

  it("a session must be open for entries; closes and edits are the broker's to judge", function()
    local f = facts { now_ms = SUNDAY_NOON }
    breaks("session_closed", "2025-07-13T12:00:00.000Z is outside the trading hours of EURUSD", order(), f)
    breaks("session_closed", "2025-07-13T12:00:00.000Z is outside the trading hours of EURUSD",
      order { op = "pending", type = "LIMIT", price = 1.05, stop = 1.04, target = 1.06 }, f)
    for _, op in ipairs({ "close", "close_partial", "edit", "cancel" }) do passes(order { op = op }, f) end
    passes(order(), facts({ now_ms = SUNDAY_NOON }, { hours = "absent" }))
  end)

  it("hours are the server's", function()
    local late = clock.parse("2025-07-14T22:30:00Z")
    passes(order(), facts { now_ms = late })
    breaks("session_closed", "2025-07-14T22:30:00.000Z is outside the trading hours of EURUSD", order(),
      facts { now_ms = late, offset_minutes = 60 })
  end)

  it("the broker's word counts while it is fresh", function()
    breaks("session_closed", "the broker says that EURUSD is closed", order(),
      facts({ session_known = true }, { session_open = false }))
    passes(order(), facts({ session_known = false }, { session_open = false }))
    passes(order(), facts({ session_known = true }, { session_open = true }))
  end)

  it("volumes keep to least, most and step, exactly", function()
    breaks("volume_min", "0.001 lots are below the least volume 0.01", order { volume = "0.001" })
    passes(order { volume = "0.01" })
    breaks("volume_max", "50.01 lots are above the most volume 50", order { volume = "50.01" })
    passes(order { volume = "50" })
    breaks("volume_step", "0.015 lots are no multiple of the step 0.01", order { volume = "0.015" })
    passes(order { volume = "0.29" }) -- 29 steps, though not as doubles
    passes(order { op = "close", volume = "0.015" }) -- a full close says what is there
  end)

  it("a part is less than the whole", function()
    local f = facts { position_volume = "0.10" }
    passes(order { op = "close_partial", volume = "0.09" }, f)
    breaks("volume_position", "a part of 0.10 lots is not less than the position's 0.10",
      order { op = "close_partial" }, f)
    breaks("volume_step", "0.015 lots are no multiple of the step 0.01",
      order { op = "close_partial", volume = "0.015" }, f)
  end)

  it("prices that are said have no more places than the instrument", function()
    breaks("price_digits", "stop 1.095001 has more than 5 decimals", order { stop = "1.095001" })
    passes(order { stop = "1.095010" })
    breaks("price_digits", "target 1.105001 has more than 5 decimals", order { op = "edit", target = "1.105001" })
    breaks("price_digits", "price 1.050001 has more than 5 decimals", order { op = "pending", type = "LIMIT",
      price = "1.050001", stop = 0, target = 0 })
    passes(order { stop = 1.0950000001 }) -- computed: it is rounded on its way
  end)

  it("stop and target lie on their sides: a stop beyond the price of the close, a target beyond the entry's", function()
    breaks("stop_side", "the stop 1.10000 of a BUY is on the wrong side of 1.10000", order { stop = 1.1 })
    breaks("stop_side", "the stop 1.10005 of a BUY is on the wrong side of 1.10000", order { stop = 1.10005 })
    breaks("target_side", "the target 1.10010 of a BUY is on the wrong side of 1.10010", order { target = 1.1001 })
    breaks("stop_side", "the stop 1.10010 of a SELL is on the wrong side of 1.10010",
      order { side = "SELL", stop = 1.1001, target = 1.09 })
    breaks("target_side", "the target 1.10005 of a SELL is on the wrong side of 1.10000",
      order { side = "SELL", stop = 1.11, target = 1.10005 })
  end)

  it("and keep the stops level", function()
    breaks("stop_distance", "the stop 1.09991 is 9 points from 1.10000, less than the 10 of the stops level",
      order { stop = 1.09991 })
    passes(order { stop = 1.0999 })
    breaks("target_distance", "the target 1.10019 is 9 points from 1.10010, less than the 10 of the stops level",
      order { target = 1.10019 })
    passes(order { target = 1.1002 })
    passes(order { stop = 1.09999, target = 1.10011 }, facts(nil, { stops_level = 0 }))
  end)

  it("an edit counts both levels from the price of the close", function()
    passes(order { op = "edit", target = 1.1001 })
    breaks("target_side", "the target 1.10000 of a BUY is on the wrong side of 1.10000",
      order { op = "edit", target = 1.1 })
    breaks("stop_distance", "the stop 1.10019 is 9 points from 1.10010, less than the 10 of the stops level",
      order { op = "edit", side = "SELL", stop = 1.10019, target = 0 })
  end)

  it("a level that an edit leaves as it is may be as near as the price has come to it", function()
    passes(order { op = "edit", stop = "1.09999", target = 1.2 }, facts { now_stop = 1.09999, now_target = "1.15" })
    breaks("stop_distance", "the stop 1.09999 is 1 points from 1.10000, less than the 10 of the stops level",
      order { op = "edit", stop = "1.09999", target = 1.2 }, facts { now_stop = 1.09, now_target = "1.15" })
    passes(order { op = "edit", stop = 0, target = 1.2 }, facts { now_stop = "1.09", now_target = "1.15" })
  end)

  it("without a quote distances are the broker's to judge", function()
    passes(order { stop = 1.2, target = 1.0 }, facts { bid = "absent", ask = "absent" })
  end)

  it("a pending order lies on the side of its kind", function()
    local function pending(side, kind, price)
      return order { op = "pending", side = side, type = kind, price = price, stop = 0, target = 0 }
    end
    passes(pending("BUY", "LIMIT", 1.09))
    passes(pending("SELL", "LIMIT", 1.11))
    passes(pending("BUY", "STOP", 1.11))
    passes(pending("SELL", "STOP", 1.09))
    breaks("pending_side", "a BUY LIMIT at 1.11000 must be below the price 1.10010", pending("BUY", "LIMIT", 1.11))
    breaks("pending_side", "a SELL LIMIT at 1.09000 must be above the price 1.10000", pending("SELL", "LIMIT", 1.09))
    breaks("pending_side", "a BUY STOP at 1.09000 must be above the price 1.10010", pending("BUY", "STOP", 1.09))
    breaks("pending_side", "a SELL STOP at 1.11000 must be below the price 1.10000", pending("SELL", "STOP", 1.11))
    breaks("pending_distance", "1.10001 is 9 points from the price 1.10010, less than the 10 of the stops level",
      pending("BUY", "LIMIT", "1.10001"))
    passes(pending("BUY", "LIMIT", "1.10000"))
    breaks("pending_type", "a pending order is LIMIT or STOP", pending("BUY", "STOP_LIMIT", 1.09))
    for _, price in ipairs({ "absent", 0, "-1" }) do
      breaks("pending_price", "a pending order needs the price at which it becomes a position",
        pending("BUY", "LIMIT", price))
    end
  end)

  it("and its levels count from its own price", function()
    passes(order { op = "pending", type = "LIMIT", price = 1.05, stop = 1.04, target = 1.06 })
    breaks("stop_side", "the stop 1.06000 of a BUY is on the wrong side of 1.05000",
      order { op = "pending", type = "LIMIT", price = 1.05, stop = 1.06, target = 1.07 })
    breaks("target_distance", "the target 1.05009 is 9 points from 1.05000, less than the 10 of the stops level",
      order { op = "pending_edit", type = "LIMIT", price = 1.05, stop = 1.04, target = 1.05009 })
  end)

  it("inside the freeze level nothing is changed", function()
    local f = facts { now_stop = "1.09996", now_target = "1.10500" }
    breaks("freeze_level", "1.09996 is 4 points from 1.10000, inside the freeze level of 5",
      order { op = "edit", stop = 1.09, target = 1.105 }, f)
    passes(order { op = "edit", stop = 1.09, target = 1.105 }, facts { now_stop = "1.09995", now_target = "1.105" })
    passes(order { op = "edit", stop = 1.09, target = 1.105 }, facts({ now_stop = "1.09996" }, { freeze_level = 0 }))
    -- the level that stays is not touched
    passes(order { op = "edit", stop = 1.09, target = 1.10004 },
      facts({ now_stop = "1.095", now_target = 1.10004 }, { stops_level = 0 }))
    breaks("freeze_level", "1.10006 is 4 points from 1.10010, inside the freeze level of 5",
      order { op = "pending_edit", type = "LIMIT", price = 1.05, stop = 0, target = 0 }, facts { now_price = 1.10006 })
  end)

  it("the margin must be free", function()
    breaks("margin", "100.01 of margin are more than the 100.00 that are free", order(),
      facts { margin = 100.01, free_margin = 100 })
    passes(order(), facts { margin = 100, free_margin = 100 })
    passes(order { op = "close" }, facts { margin = 101, free_margin = 100 })
    assert.equal("margin", (validate.order(order(), facts { margin = 0 / 0, free_margin = 100 })))
  end)

  it("every rule has a name of its own that a test breaks", function()
    local seen = {}
    for _, name in ipairs(validate.rules) do
      assert.is_nil(seen[name])
      seen[name] = true
    end
    assert.equal(18, #validate.rules)
  end)
end)

describe("trading hours", function()
  local function row(day, from, to, changes)
    local r = { dayNumber = day, openHours = from, openMinutes = 0, openSeconds = 0, closeHours = to, closeMinutes = 0,
      closeSeconds = 0 }
    for key, value in pairs(changes or {}) do r[key] = value end
    return r
  end

  it("are read as the venues write them", function()
    assert.same({ { day = 1, open_ms = 0, close_ms = 86400000 } },
      hours.read { row(1, 0, 23, { closeMinutes = 59, closeSeconds = 59 }) })
    assert.same({ { day = 1, open_ms = 0, close_ms = 86400000 } }, hours.read { row(1, 0, 24) })
    assert.same({ { day = 0, open_ms = 79200000, close_ms = 86400000 }, { day = 1, open_ms = 0, close_ms = 75600000 },
      { day = 6, open_ms = 3600000, close_ms = 7200000 } }, hours.read { row("6", "1", "2"), row(0, 22, 21) })
    assert.same({ { day = 6, open_ms = 79200000, close_ms = 86400000 } }, hours.read { row(6, 22, 0) })
  end)

  it("with one entry that makes no sense are not known at all", function()
    for _, bad in ipairs({ row(7, 0, 1), row(-1, 0, 1), row(1, 0, 25), row(1, 5, 5), row(1.5, 0, 1), row(nil, 0, 1),
      row(1, 24, 24, { closeMinutes = 1 }), row(1, 0, 1, { closeMinutes = 60 }), {}, "x" }) do
      assert.is_nil(hours.read { row(2, 0, 1), bad })
    end
    assert.is_nil(hours.read(nil))
    assert.is_nil(hours.read({}))
    assert.is_nil(hours.read("0-24"))
  end)

  it("open at their first millisecond and close at their last, over the turn of the week", function()
    local spans = hours.read { row(6, 22, 2) } -- Saturday night into Sunday
    local saturday, sunday = clock.parse("2025-07-12T00:00:00Z"), clock.parse("2025-07-13T00:00:00Z")
    assert.is_false(hours.open(spans, saturday + 22 * 3600000 - 1))
    assert.is_true(hours.open(spans, saturday + 22 * 3600000))
    assert.is_true(hours.open(spans, sunday))
    assert.is_true(hours.open(spans, sunday + 2 * 3600000 - 1))
    assert.is_false(hours.open(spans, sunday + 2 * 3600000))
    assert.is_true(hours.open(spans, sunday + 2 * 3600000 + 60000, -2))
  end)
end)
