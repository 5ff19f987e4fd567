-- SPDX-License-Identifier: MIT
local fs = require("perigee.fs")
local process = require("perigee.process")
local clock = require("perigee.clock")
local rng = require("perigee.rng")

describe("fs", function()
  local dir = "/tmp/perigee-fs-" .. rng.token(6)
  before_each(function() assert(fs.mkdir(dir .. "/a/b")) end)
  after_each(function() os.execute("rm -rf " .. dir) end)

  it("writes, reads, appends, lists, removes", function()
    local path = dir .. "/a/x"
    assert.is_true(fs.replace(path, "one\0two"))
    assert.equal("one\0two", fs.read(path))
    assert.is_true(fs.append(path, "!"))
    assert.equal("one\0two!", fs.read(path))
    assert.is_true(fs.replace(path, "", tonumber("640", 8)))
    assert.equal("", fs.read(path))
    assert.is_true(fs.exists(path))
    assert.same({ "b", "x" }, fs.list(dir .. "/a"))
    assert.is_true(fs.remove(path))
    assert.is_false(fs.exists(path))
    assert.equal(fs.realpath(dir), fs.realpath(dir .. "/a/.."))
    assert.same({}, fs.list(dir .. "/a/b"))
  end)

  it("lists in order of bytes", function()
    for _, name in ipairs({ "z", "B", "a", "a1" }) do assert(fs.replace(dir .. "/a/b/" .. name, "")) end
    assert.same({ "B", "a", "a1", "z" }, fs.list(dir .. "/a/b"))
  end)

  it("answers nil, err for what the disk refuses", function()
    for _, call in ipairs({
      function() return fs.read(dir .. "/none") end,
      function() return fs.list(dir .. "/none") end,
      function() return fs.remove(dir .. "/none") end,
      function() return fs.realpath(dir .. "/none") end,
      function() return fs.replace(dir .. "/none/x", "") end,
      function() return fs.append(dir .. "/none/x", "") end,
    }) do
      local v, e = call()
      assert.is_nil(v)
      assert.is_string(e.code)
      assert.matches("none", e.message)
    end
    assert(fs.replace(dir .. "/big", ("x"):rep(100)))
    local v, e = fs.read(dir .. "/big", 99)
    assert.is_nil(v)
    assert.is_string(e.code)
    assert.has_error(function() fs.read("") end)
    assert.has_error(function() fs.read("a\0b") end)
  end)
end)

describe("process and clock", function()
  it("tell about themselves", function()
    assert.is_true(process.pid() > 0)
    assert.is_string(process.version())
    assert.is_true(process.rss_kib() > 100)
    assert.is_nil(process.env("PERIGEE_SURELY_NOT_SET"))
    assert.has_error(function() process.stop("x", 256) end)
  end)

  it("convert times", function()
    assert.equal("2022-01-01T00:00:00.000Z", clock.iso(1640995200000))
    assert.equal(1640995200000, clock.parse("2022-01-01T00:00:00Z"))
    local v, e = clock.parse("yesterday")
    assert.is_nil(v)
    assert.equal("input", e.code)
    assert.equal("integer", math.type(clock.market_ms()))
    assert.has_error(function() clock.scale(0, -1) end)
  end)
end)
