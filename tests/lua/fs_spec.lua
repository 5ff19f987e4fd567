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

  it("tells what a path is, and sets modes", function()
    local path = dir .. "/a/x"
    assert(fs.replace(path, "four", tonumber("640", 8)))
    local st = assert(fs.stat(path))
    assert.same({ 4, "file", tonumber("640", 8), process.uid() }, { st.size, st.kind, st.mode, st.uid })
    assert.is_true(st.mtime_ms > 0)
    assert.is_true(fs.chmod(path, tonumber("600", 8)))
    assert.equal(tonumber("600", 8), fs.stat(path).mode)
    assert(fs.mkdir(dir .. "/c", tonumber("750", 8)))
    assert.same({ "dir", tonumber("750", 8) }, { fs.stat(dir .. "/c").kind, fs.stat(dir .. "/c").mode })
    assert.equal("other", fs.stat("/dev/null").kind)
    os.execute(("ln -s /usr %s/link"):format(dir))
    assert.equal("dir", fs.stat(dir .. "/link").kind)
    assert.equal("other", fs.stat(dir .. "/link", true).kind)
    local none, e = fs.stat(dir .. "/none")
    assert.is_nil(none)
    assert.equal("notfound", e.code)
    assert.is_nil((fs.chmod(dir .. "/none", 0)))
    assert.has_error(function() fs.chmod(path) end)
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
