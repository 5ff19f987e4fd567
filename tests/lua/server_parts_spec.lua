-- SPDX-License-Identifier: MIT
-- The small pure parts of the office: pages, delays, periods, CSV, sums, one-time passwords, masking.
local audit = require "perigee.server.audit"
local bucket = require "perigee.server.bucket"
local csv = require "perigee.server.csv"
local json = require "perigee.json"
local limiter = require "perigee.server.limiter"
local money = require "perigee.server.money"
local operators = require "perigee.server.operators"
local page = require "perigee.server.page"
local periods = require "perigee.server.periods"

describe("a page", function()
  local rows = {}
  for i = 1, 25 do rows[i] = { id = i } end
  local function up(row) return page.up(row.id) end

  it("begins where the one before ended, whatever happened to the list meanwhile", function()
    local first = page.of(rows, { limit = 10 }, up)
    assert.same({ 1, 10 }, { first.items[1].id, first.items[10].id })
    local fewer = {}
    for _, row in ipairs(rows) do
      if row.id ~= 10 and row.id ~= 3 then fewer[#fewer + 1] = row end
    end
    local second = page.of(fewer, { limit = 10, cursor = first.next_cursor }, up)
    assert.same({ 11, 20 }, { second.items[1].id, second.items[10].id })
    local last = page.of(fewer, { limit = 10, cursor = second.next_cursor }, up)
    assert.equal(5, #last.items)
    assert.equal(json.null, last.next_cursor)
  end)

  it("can be filtered and turned round", function()
    local p = page.of(rows, { limit = 2 }, function(row) return page.down(row.id) end, function(row)
      return row.id % 2 == 0
    end)
    assert.same({ 24, 22 }, { p.items[1].id, p.items[2].id })
    assert.equal("[]", json.encode(page.of({}, { limit = 2 }, up).items))
  end)

  it("of a cursor that no list gave is refused", function()
    for _, cursor in ipairs { "x", "a_", "AAAAA" } do
      local p, bad = page.of(rows, { limit = 2, cursor = cursor }, up)
      assert.is_nil(p, cursor)
      assert.equal("invalid_parameters", bad.code)
    end
  end)

  it("searches whatever the case", function()
    assert.is_true(page.search("DEMO")("x", "a demo"))
    assert.is_false(page.search("%")("demo", json.null))
    assert.is_true(page.one_of(nil)("x"))
    assert.is_false(page.one_of({ 1 })(2))
  end)
end)

describe("a limiter", function()
  local function new(size) return limiter.new { free = 2, first_ms = 1000, most_ms = 8000, size = size } end

  it("delays after the free failures, doubling up to the most", function()
    local l, waits = new(), {}
    for i = 1, 7 do
      l:take("a", 0)
      waits[i] = l:wait("a", 0)
    end
    assert.same({ 0, 0, 1000, 2000, 4000, 8000, 8000 }, waits)
    assert.equal(3000, l:wait("a", 5000))
    assert.equal(0, l:wait("b", 0))
  end)

  it("forgets after a success, and after a long time", function()
    local l = new()
    for _ = 1, 5 do l:take("a", 0) end
    assert.equal(0, l:wait("a", 16001))
    assert.equal(0, l.count)
    for _ = 1, 5 do l:take("a", 0) end
    l:clear("a")
    assert.equal(0, l:wait("a", 0))
    l:take("a", 0)
    l:undo("a")
    assert.equal(0, l.count)
  end)

  it("keeps its memory bounded, the newest entries stay", function()
    local l = new(100)
    for i = 1, 1000 do l:take("k" .. i, i) end
    assert.is_true(l.count <= 100)
    local n = 0
    for _ in pairs(l.entries) do n = n + 1 end
    assert.equal(l.count, n)
    assert.is_not_nil(l.entries.k1000)
    assert.is_nil(l.entries.k1)
  end)
end)

describe("a bucket", function()
  it("gives so many at once, then as many as are refilled", function()
    local b = bucket.new { burst = 3, per_second = 10 }
    for _ = 1, 3 do assert.is_nil(b:take("a", 0)) end
    assert.equal(100, b:take("a", 0))
    assert.is_nil(b:take("b", 0))
    assert.is_nil(b:take("a", 100))
    assert.equal(50, b:take("a", 150))
    for _ = 1, 3 do assert.is_nil(b:take("a", 100000)) end
    assert.is_not_nil(b:take("a", 100000))
  end)

  it("keeps its memory bounded", function()
    local b = bucket.new { burst = 3, per_second = 10, size = 50 }
    for i = 1, 1000 do b:take(i, i) end
    assert.is_true(b.count <= 50)
  end)
end)

describe("periods", function()
  local HOUR, DAY = 3600000, 86400000

  it("are cut into at most some hundreds of points", function()
    local now = 1704067200000
    for _, name in ipairs { "1h", "24h", "7d", "30d" } do
      local from, width = periods.cut(name, now)
      assert.is_true((now - from) / width <= 170, name)
    end
    for _, span in ipairs { HOUR, DAY, 30 * DAY, 400 * DAY, 4000 * DAY } do
      local from, width = periods.cut("all", now, now - span)
      assert.equal(now - span, from)
      assert.is_true(span / width <= 200)
      assert.is_true(width < DAY or width % DAY == 0)
    end
    assert.equal(now, periods.day(now + 5 * HOUR))
  end)

  it("do not begin before the history does, but for the last hour", function()
    local now = 1704067200000
    assert.same({ now - 3 * HOUR, HOUR / 60 }, { periods.cut("24h", now, now - 3 * HOUR) })
    assert.same({ now - DAY, HOUR / 4 }, { periods.cut("24h", now, now - 9 * DAY) })
    assert.same({ now - HOUR, HOUR / 60 }, { periods.cut("7d", now, now - 1000) })
    assert.same({ now - HOUR, HOUR / 60 }, { periods.cut("1h", now, now - 1000) })
  end)
end)

describe("CSV", function()
  it("quotes what RFC 4180 wants quoted", function()
    assert.equal('"a,b"', csv.cell("a,b", true))
    assert.equal('"say ""x"""', csv.cell('say "x"', true))
    assert.equal('"a\nb"', csv.cell("a\nb", true))
    assert.equal("", csv.cell(json.null, true))
  end)

  it("gives no formula to a spreadsheet, and leaves numbers alone", function()
    for _, text in ipairs { "=1+1", "+1", "-1", "@x", "\tx", "|x" } do
      assert.equal("'" .. text, csv.cell(text, true))
    end
    assert.equal("\"'=1,2\"", csv.cell("=1,2", true))
    assert.equal("-12.5", csv.cell("-12.5", false))
  end)

  it("has as many cells in a line as in its header", function()
    local _, header = csv.header():gsub(",", "")
    local _, line = csv.line({}):gsub(",", "")
    assert.equal(header, line)
    assert.equal("\r\n", csv.line({}):sub(-2))
  end)
end)

describe("sums", function()
  it("are exact and in one currency", function()
    local sum = money.sum({ EUR = "1.08", USD = "1" }, "USD", "USD")
    sum:add("10.10", "USD")
    sum:add("100", "EUR")
    assert.equal("118.10", sum:text())
    assert.is_true(sum.complete)
  end)

  it("say when a rate or an amount is missing", function()
    local sum = money.sum({}, "USD", "USD")
    sum:add("10", "JPY")
    assert.is_false(sum.complete)
    assert.is_nil(sum:text())
    sum = money.sum({}, "USD", "USD")
    sum:add(nil, "USD")
    assert.is_false(sum.complete)
    sum = money.sum({ EUR = "0" }, "USD", "EUR")
    sum:add("1", "USD")
    assert.is_false(sum.complete)
  end)

  it("moves are in percent of the entry, in the position's favour", function()
    assert.equal("1", money.percent("LONG", "100", "101"))
    assert.equal("-1", money.percent("SHORT", "100", "101"))
    assert.is_nil(money.percent("LONG", "0", "101"))
    assert.is_nil(money.percent("LONG", "100", nil))
  end)
end)

describe("one-time passwords", function()
  it("are three groups of four, and never the same", function()
    local seen = {}
    for _ = 1, 200 do
      local text = operators.one_time_password()
      assert.truthy(text:find("^[A-HJ-NP-Z2-9]+%-[A-HJ-NP-Z2-9]+%-[A-HJ-NP-Z2-9]+$"))
      assert.equal(14, #text)
      assert.is_nil(seen[text])
      seen[text] = true
    end
  end)
end)

describe("the audit", function()
  it("masks secrets wherever they are", function()
    assert.same({ name = "x", password = "***", more = { token = "***", role = "admin" } },
      audit.masked { name = "x", password = "p", more = { token = "t", role = "admin" } })
  end)
end)
