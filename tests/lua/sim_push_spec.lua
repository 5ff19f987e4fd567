-- SPDX-License-Identifier: MIT
-- Pushes of the paper market's price: what comes after them lies elsewhere, what came before does not, a restart goes
-- the same way, and nothing else of the market is touched.

local fs = require "perigee.fs"
local sim = require "perigee.sim"

local MINUTE = 60000
local folder

-- The market's events as lines, from a sim that is moved in steps of `step` ms; `act(now)` before each.
local function events(s, ms, step, act)
  s:streaming(true)
  local out, finish = {}, s:now() + ms
  while s:now() < finish do
    if act then act(s:now()) end
    assert(s:advance(math.min(s:now() + step, finish)))
    local text = s:take()
    if text ~= "" then out[#out + 1] = text end
  end
  return table.concat(out, ",")
end

local function prints(text)
  local out = {}
  for time, price in text:gmatch('%["p",(%d+),([%d.]+)') do
    out[#out + 1] = { time = math.tointeger(tonumber(time)), price = tonumber(price) }
  end
  return out
end

local function open(data) return sim.open { seed = 5, data = data } end

describe("a push of the price", function()
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    fs.mkdir(folder)
  end)

  it("moves every print after it by its points, none before it, and nothing else", function()
    local plain = prints(events(assert(open()), 5 * MINUTE, 1000))
    local s = assert(open())
    local at = s:now() + 2 * MINUTE + 500
    local pushed = prints(events(s, 5 * MINUTE, 500, function(now)
      if now == at then assert(s:push(-1234)) end
    end))
    assert.equal(#plain, #pushed)
    local moved = 0
    for i, p in ipairs(plain) do
      local wanted = p.time > at and p.price - 123.4 or p.price
      assert.equal(p.time, pushed[i].time)
      assert.truthy(math.abs(wanted - pushed[i].price) < 1e-6, i)
      if p.time > at then moved = moved + 1 end
    end
    assert.truthy(moved > 50)
    local other = assert(open())
    other:advance(s:now())
    assert.same(other:quote("EURUSD"), s:quote("EURUSD"))
  end)

  it("adds to those before it", function()
    local s = assert(open())
    assert(s:advance(s:now() + MINUTE))
    local other = assert(open())
    assert(other:advance(s:now()))
    assert(s:push(100))
    assert(s:push(50))
    assert(s:push(-30))
    for _, each in ipairs({ s, other }) do each:advance(each:now() + MINUTE) end
    assert.truthy(math.abs(s:quote("BTCUSD").bid - other:quote("BTCUSD").bid - 12) < 1e-6)
  end)

  it("executes the stops that it jumps over, at the price that is there then", function()
    local s = assert(open())
    assert(s:advance(s:now() + MINUTE))
    assert(s:account_add { id = "1", user = "a@b.c", currency = "USD", leverage = 100, balance = "10000" })
    local q = s:quote("BTCUSD")
    assert(s:open_position("1", "BTCUSD", "BUY", "0.1", ("%.1f"):format(q.bid - 50), "0"))
    assert(s:push(-2000))
    assert(s:advance(s:now() + 5000))
    assert.same({}, s:positions("1"))
    local row = s:closed("1", 0, math.maxinteger)[1]
    assert.truthy(tonumber(row.price) < q.bid - 150)
  end)

  it("outlives a restart: the market and its history go on as if there had been none", function()
    local s = assert(open(folder))
    local whole = assert(open())
    for _, each in ipairs({ s, whole }) do
      assert(each:advance(each:now() + MINUTE + 300))
      assert(each:push(777))
      assert(each:advance(each:now() + 2 * MINUTE))
    end
    assert(s:save())
    s:close()
    s = assert(open(folder))
    assert.same(whole:quote("BTCUSD"), s:quote("BTCUSD"))
    assert.same(whole:history("BTCUSD", "1m", 10), s:history("BTCUSD", "1m", 10))
    assert.truthy(events(whole, MINUTE, 1000) == events(s, MINUTE, 700))
    s:close()
  end)

  it("that is half written is none; a line that cannot be read is refused with its place", function()
    local s = assert(open(folder))
    local start = s:now()
    assert(s:push(5))
    s:close()
    local path = folder .. "/sim/pushes"
    assert.equal(start .. " 5\n", fs.read(path))
    fs.append(path, start .. " 9")
    s = assert(open(folder))
    assert.equal(start .. " 5\n", fs.read(path))
    assert(s:push(6))
    s:close()
    assert.equal(start .. " 5\n" .. start .. " 6\n", fs.read(path))
    for _, line in ipairs({ "x 5", start .. " five", start .. " 5 6", "5", "", (start - 1) .. " 5",
      start .. " 1000000001" }) do
      fs.replace(path, start .. " 5\n" .. line .. "\n")
      local broken, err = open(folder)
      assert.is_nil(broken, line)
      assert.equal("input", err.code, line)
    end
  end)

  it("has bounds: in points, at the bottom, and at the end of a tape", function()
    local s = assert(open())
    assert.is_nil(s:push(1000000001))
    assert(s:push(1000000000))
    assert.is_nil(s:push(1))
    assert(s:push(-1000000000))
    assert(s:push(-1000000000))
    assert(s:advance(s:now() + MINUTE))
    assert.truthy(tonumber(s:quote("BTCUSD").bid) > 0)
    assert.has_error(function() s:push(1.5) end)
    assert.has_error(function() s:push() end)
  end)
end)
