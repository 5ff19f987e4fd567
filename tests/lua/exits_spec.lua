-- SPDX-License-Identifier: MIT
-- Exits that the engine adds: what is decided, and what is then closed.

local names = { "perigee.exits", "perigee.exec", "perigee.ledger", "perigee.clock", "perigee.log" }

describe("exits", function()
  local exits, absent, kept, positions, entries, closed, refuse, code, now, warnings

  before_each(function()
    absent = {}
    kept, positions, entries, closed, refuse, code, now, warnings = {}, {}, {}, {}, {}, {}, 1000000, {}
    for _, name in ipairs(names) do kept[name] = package.loaded[name] or false end
    package.loaded["perigee.exits"] = nil
    package.loaded["perigee.ledger"] = { positions = function() return positions end,
      entries = function() return { table.unpack(entries) } end, order = function(id) return absent[id] end }
    package.loaded["perigee.clock"] = { market_ms = function() return now end }
    package.loaded["perigee.log"] = { warn = function(_, text) warnings[#warnings + 1] = text end }
    package.loaded["perigee.exec"] = { close = function(account, id, reason)
      if refuse[id] then return nil, { code = "state", message = "cannot" } end
      closed[#closed + 1] = { account, id, reason }
      return true
    end, close_order = function(id, reason)
      if refuse[id] then return nil, { code = code[id] or "state", message = "cannot" } end
      closed[#closed + 1] = { "order", id, reason }
      return true
    end, absent = function()
      local ids = {}
      for id in pairs(absent) do ids[#ids + 1] = id end
      return ids
    end }
    exits = require "perigee.exits"
  end)

  after_each(function()
    for name, module in pairs(kept) do package.loaded[name] = module or nil end
  end)

  local function position(changes)
    local p = { id = "W1", account = "1", canonical = "BTCUSD", side = "BUY", ours = true, closing = false,
      opened_ms = now - 300000, holding_ms = 300000 }
    for key, value in pairs(changes or {}) do p[key] = value end
    positions[#positions + 1] = p
    return p
  end

  it("a position is overdue when its holding time has passed, to the millisecond", function()
    assert.is_true(exits.overdue({ opened_ms = 0, holding_ms = 300000 }, 300000))
    assert.is_true(exits.overdue({ opened_ms = 0, holding_ms = 300000 }, 900000))
    assert.is_false(exits.overdue({ opened_ms = 0, holding_ms = 300000 }, 299999))
    assert.is_false(exits.overdue({ opened_ms = 5, holding_ms = 300000 }, 300000))
  end)

  it("a position without a holding time is never overdue", function()
    assert.is_false(exits.overdue({ opened_ms = 0, holding_ms = 0 }, 1 << 50))
  end)

  it("a signal speaks against the other side, CLOSE against both", function()
    local expected = { OPEN_LONG = { BUY = false, SELL = true }, OPEN_SHORT = { BUY = true, SELL = false },
      CLOSE = { BUY = true, SELL = true } }
    for action, sides in pairs(expected) do
      for side, opposes in pairs(sides) do assert.equal(opposes, exits.opposes(action, side)) end
    end
  end)

  it("a sweep closes what is overdue, of ours, once", function()
    position()
    position { id = "W2", opened_ms = now - 299999 }
    position { id = "W3", ours = false }
    position { id = "W4", closing = true }
    position { id = "W5", account = "2", side = "SELL" }
    position { id = "W6", holding_ms = 0 }
    assert.equal(2, exits.sweep())
    assert.same({ { "1", "W1", "time" }, { "2", "W5", "time" } }, closed)
  end)

  it("a signal closes what it speaks against, on its symbol", function()
    position()
    position { id = "W2", side = "SELL" }
    position { id = "W3", canonical = "EURUSD" }
    position { id = "W4", ours = false }
    position { id = "W5", closing = true }
    assert.equal(1, exits.on_signal { action = "OPEN_SHORT", symbol = "BTCUSD" })
    assert.same({ { "1", "W1", "opposite" } }, closed)
    assert.equal(2, exits.on_signal { action = "CLOSE", symbol = "BTCUSD" })
    assert.equal(0, exits.on_signal { action = "OPEN_LONG", symbol = "GBPUSD" })
  end)

  it("all closes all of ours, with the reason", function()
    position()
    position { id = "W2", side = "SELL", canonical = "EURUSD" }
    position { id = "W3", ours = false }
    assert.equal(2, exits.all("end"))
    assert.same({ { "1", "W1", "end" }, { "1", "W2", "end" } }, closed)
  end)

  it("what an entry becomes is closed, too, when a signal speaks against it and when all is", function()
    entries = { { id = 5, account = "1", canonical = "BTCUSD", side = "BUY", closing = false },
      { id = 6, account = "1", canonical = "BTCUSD", side = "SELL", closing = false },
      { id = 7, account = "2", canonical = "EURUSD", side = "BUY", closing = false },
      { id = 8, account = "2", canonical = "BTCUSD", side = "BUY", closing = true } }
    assert.equal(1, exits.on_signal { action = "OPEN_SHORT", symbol = "BTCUSD" })
    assert.same({ { "order", 5, "opposite" } }, closed)
    closed, refuse[6] = {}, true
    assert.equal(2, exits.all("end"))
    assert.same({ { "order", 5, "end" }, { "order", 7, "end" } }, closed)
    assert.matches("order 6", warnings[1])
  end)

  it("what was proven absent and may turn up still is not forgotten by a close", function()
    local function order(id, side, closing)
      return { id = id, account = "1", canonical = "BTCUSD", side = side, closing = closing or false, state = "ABSENT" }
    end
    entries = { { id = 7, account = "1", canonical = "BTCUSD", side = "BUY", closing = false } }
    absent = { [5] = order(5, "BUY"), [6] = order(6, "SELL"), [4] = order(4, "BUY", true) }
    assert.equal(2, exits.on_signal { action = "OPEN_SHORT", symbol = "BTCUSD" })
    assert.same({ { "order", 5, "opposite" }, { "order", 7, "opposite" } }, closed)
    closed = {}
    assert.equal(3, exits.all("end"))
    assert.same({ "order", 6, "end" }, closed[2])
  end)

  it("a signal says what nobody sees to, and closes the rest; what has ended meanwhile is no loss", function()
    entries = { { id = 5, account = "1", canonical = "BTCUSD", side = "BUY", closing = false },
      { id = 6, account = "1", canonical = "BTCUSD", side = "BUY", closing = false },
      { id = 7, account = "2", canonical = "BTCUSD", side = "BUY", closing = false } }
    refuse[5], code[5], refuse[6] = true, "notfound", true
    local count, lost = exits.on_signal { action = "CLOSE", symbol = "BTCUSD" }
    assert.same({ 1, "state" }, { count, lost.code })
    assert.same({ { "order", 7, "opposite" } }, closed)
    refuse[6] = nil
    count, lost = exits.on_signal { action = "CLOSE", symbol = "BTCUSD" }
    assert.same({ 2 }, { count, lost })
  end)

  it("one close that fails is told and keeps no other from being closed", function()
    position()
    position { id = "W2" }
    refuse.W1 = true
    assert.equal(1, exits.all("manual"))
    assert.same({ { "1", "W2", "manual" } }, closed)
    assert.equal(1, #warnings)
    assert.matches("W1", warnings[1])
  end)
end)
