-- SPDX-License-Identifier: MIT
-- The supervisor's database and office, with a cluster that is a table and an office that is a shell script.
package.path = "tests/lua/?.lua;" .. package.path

local child = require("perigee.child")
local clock = require("perigee.clock")
local config = require("perigee.config")
local fake = require("fake")
local fs = require("perigee.fs")
local httpd = require("perigee.httpd")
local office = require("perigee.run.office")
local rng = require("perigee.rng")
local task = require("perigee.task")

local LIMIT_MS = 20000
local dir = "/tmp/perigee-run-" .. rng.token(6)

local function configure(...) assert(config.resolve(nil, { "data.dir=" .. dir, ... })) end

-- A supervisor that keeps what it says.
local function new_context()
  local context = { said = {} }
  function context.say(text) context.said[#context.said + 1] = text end
  function context.count(pattern)
    local n = 0
    for _, text in ipairs(context.said) do n = n + (text:find(pattern) and 1 or 0) end
    return n
  end
  return context
end

local function await(what, fn)
  local until_ms = clock.io_ms() + LIMIT_MS
  while not fn() do
    if clock.io_ms() > until_ms then error("waited in vain: " .. what) end
    task.sleep(2, "io")
  end
end

local function script(text)
  local path = dir .. "/office"
  assert(fs.replace(path, "#!/bin/sh\n" .. text .. "\n", 448))
  return path
end

local function new_office(context, text, options)
  local ready = task.event()
  ready:set()
  options = options or {}
  options.program, options.pause_ms = script(text), 1
  return office.new(context, { ready = ready, socket = options.socket }, options)
end

setup(function() assert(fs.mkdir(dir)) end)
teardown(function() os.execute("rm -rf " .. dir) end)

describe("the supervisor's office", function()
  it("is shown with its address and the first password", function()
    configure("office.listen=127.0.0.1:0")
    task.run(function()
      local context = new_context()
      local part = new_office(context, [[
echo '{"address":"127.0.0.1:7001"}'
echo '{"login":"admin","one_time_password":"AAAA-BBBB-CCCC"}'
echo "$@ socket=$PERIGEE__DATABASE__SOCKET" >]] .. dir .. [[/args
exec sleep 60]], { socket = "/run/x" })
      part:begin()
      await("both lines", function() return #context.said == 2 end)
      assert.matches("^dashboard%s+http://127%.0%.0%.1:7001", context.said[1])
      assert.equal("first sign-in   admin / AAAA-BBBB-CCCC (one-time; you choose your own then)", context.said[2])
      await("its arguments", function() return fs.exists(dir .. "/args") and fs.read(dir .. "/args") ~= "" end)
      assert.equal(("office --data-dir %s --listen 127.0.0.1:0 --supervised socket=/run/x\n"):format(dir),
        fs.read(dir .. "/args"))
      local pid = part.child:pid()
      context.stopping = "test"
      part:stop()
      assert.is_false(child.alive(pid))
      assert.equal(2, #context.said)
    end)
  end)

  it("is started again at its address when it dies", function()
    configure("office.listen=127.0.0.1:0")
    task.run(function()
      local context = new_context()
      local part = new_office(context, 'echo "$5" >>' .. dir .. "/listens; "
        .. 'echo \'{"address":"127.0.0.1:7002"}\'; exec sleep 60')
      part:begin()
      for i = 1, 3 do
        await("life " .. i, function() return context.count("^dashboard") == i and part.child end)
        part.child:kill(9)
      end
      await("a fourth life", function() return context.count("^dashboard") == 4 end)
      assert.equal(3, context.count("ended by signal 9; it is started again"))
      assert.equal("127.0.0.1:0\n" .. ("127.0.0.1:7002\n"):rep(3), fs.read(dir .. "/listens"))
      context.stopping = "test"
      part:stop()
    end)
  end)

  it("is given up with one sentence when it does nothing but die", function()
    configure("office.listen=127.0.0.1:0")
    task.run(function()
      local context = new_context()
      local part = new_office(context, "exit 7")
      part:begin()
      await("the end", function() return part.keeper:done() end)
      assert.equal(5, context.count("ended by code 7; it is started again"))
      assert.equal(1, context.count("died 6 times within a minute .*code 7.*left alone; trading goes on"))
      assert.equal(6, #context.said)
      part:stop()
    end)
  end)

  it("is killed when it does not end", function()
    configure("office.listen=127.0.0.1:0")
    task.run(function()
      local context = new_context()
      local part = new_office(context, [[trap "" TERM; echo '{"address":"x"}'; while :; do sleep 0.05; done]],
        { stop_ms = 10 })
      part:begin()
      await("its line", function() return #context.said == 1 end)
      local pid = part.child:pid()
      context.stopping = "test"
      part:stop()
      await("its end", function() return not child.alive(pid) end)
    end)
  end)

  it("waits for a database, and ends while it waits", function()
    configure("office.listen=127.0.0.1:0")
    task.run(function()
      local context = new_context()
      local part = office.new(context, { ready = task.event() }, { program = script("exit 1") })
      part:begin()
      task.yield()
      assert.is_nil(part.child)
      context.stopping = "test"
      part:stop()
      assert.same({}, context.said)
    end)
  end)

  it("tells what it cannot understand to nobody", function()
    configure("office.listen=127.0.0.1:0")
    task.run(function()
      local context = new_context()
      local part = new_office(context, "echo hello; echo '[1]'; echo '{'; exec sleep 60")
      part:begin()
      await("the process", function() return part.child end)
      context.stopping = "test"
      part:stop()
      assert.same({}, context.said)
    end)
  end)

  it("needs its address for itself", function()
    task.run(function()
      local server <close> = assert(httpd.listen({ handler = function() return 204 end }))
      configure("office.listen=" .. server:address())
      local context = new_context()
      local part = new_office(context, "exit 1")
      local ok, e = part:check()
      assert.is_nil(ok)
      assert.equal(4, e.exit)
      assert.matches("^the dashboard cannot have 127%.0%.0%.1:%d+ %(address already in use%); give another address",
        e.message)
      configure("office.listen=127.0.0.1:0")
      assert.is_true(part:check())
      assert.same({}, context.said)
      configure("office.listen=0.0.0.0:0")
      assert.is_true(part:check())
      assert.equal(1, context.count("0%.0%.0%.0:0 can be reached from other machines, without TLS"))
    end)
  end)

  it("waits for a former office", function()
    configure("office.listen=127.0.0.1:0")
    task.run(function()
      local context = new_context()
      -- Named as an office: the second argument of the shell's script is its verb.
      local former = assert(child.spawn({ file = "/bin/sh", args = { "-c", "read line", "sh", "office", "x" },
        stdin = true }))
      assert(fs.replace(dir .. "/office.lock", former:pid() .. "\n"))
      local part = new_office(context, "exit 1")
      local checked
      local t = task.spawn(function() checked = part:check() end)
      await("the note", function() return context.count("a former one %(pid %d+%) has not ended yet") == 1 end)
      task.sleep(120, "io")
      assert.is_nil(checked)
      former:kill(9)
      t:join()
      assert.is_true(checked)
      assert.equal(1, #context.said)
    end)
  end)
end)

describe("the supervisor's database", function()
  -- Runs fn with a database whose servers come from `starts`, one function each; the last one repeats.
  local function with(starts, fn)
    local calls = 0
    local cluster = { start = function(options)
      calls = calls + 1
      assert.equal(dir, options.data)
      return starts[math.min(calls, #starts)](options)
    end }
    local module, restore = fake.load("perigee.run.database", { ["perigee.store.cluster"] = cluster })
    local ok, why = pcall(task.run, function()
      local context = new_context()
      fn(module.new(context, { look_ms = 1, pause_ms = 1 }), context, function() return calls end)
    end)
    restore()
    assert(ok, why)
  end

  local function server(life)
    local self = { pid = 4711, socket = "/run/x", adopted = life.adopted or false, stopped = 0 }
    function self.alive() return not life.dead end
    function self.stop(given)
      assert.equal(self, given)
      self.stopped = self.stopped + 1
      return true
    end
    life.server = self
    return self
  end

  it("is started, watched and started again", function()
    configure()
    local lives = {}
    with({ function()
      lives[#lives + 1] = { adopted = #lives == 0 }
      return server(lives[#lives])
    end }, function(part, context)
      part:begin()
      await("a first life", function() return part.server end)
      assert.equal("/run/x", part.socket)
      assert.is_true(part.ready:wait(1000))
      assert.equal(1, context.count("PostgreSQL found %(pid 4711%), socket in /run/x"))
      lives[1].dead = true
      await("a second life", function() return #lives == 2 and part.server == lives[2].server end)
      assert.equal(1, context.count("died; it is started again"))
      assert.equal(1, context.count("PostgreSQL started"))
      context.stopping = "test"
      part:stop()
      part:stop()
      assert.same({ 0, 1 }, { lives[1].server.stopped, lives[2].server.stopped })
    end)
  end)

  it("that cannot be started is told of once, and tried again", function()
    configure()
    local life = {}
    local function broken() return nil, { code = "io", message = "the disk is full" } end
    with({ broken, broken, broken, function() return server(life) end, broken }, function(part, context, calls)
      part:begin()
      await("the fourth try", function() return part.server end)
      assert.equal(4, calls())
      assert.equal(1, context.count("the disk is full; trading goes on without history"))
      life.dead = true
      await("a new failure", function() return calls() > 6 end)
      assert.equal(2, context.count("the disk is full"))
      context.stopping = "test"
      part:stop()
    end)
  end)

  it("that does nothing but die is left alone", function()
    configure()
    with({ function() return server({ dead = true }) end }, function(part, context, calls)
      part:begin()
      await("the end", function() return part.keeper:done() end)
      assert.equal(6, calls())
      assert.equal(5, context.count("died; it is started again"))
      assert.equal(1, context.count("died 6 times within a minute and is left alone; trading goes on"))
      part:stop()
    end)
  end)

  it("that is being started is waited for before it is stopped", function()
    configure()
    local life, go = {}, task.event()
    with({ function()
      go:wait()
      return server(life)
    end }, function(part, context)
      part:begin()
      task.yield()
      context.stopping = "test"
      local t = task.spawn(part.stop, part)
      task.sleep(20, "io")
      assert.is_false(t:done())
      go:set()
      t:join()
      assert.equal(1, life.server.stopped)
      assert.equal(0, context.count("died"))
    end)
  end)

  it("of somebody else is neither started nor stopped", function()
    for _, named in ipairs({ "database.url=postgresql://h/d", "database.host=h" }) do
      configure(named)
      with({ function() return server({}) end }, function(part, context, calls)
        part:begin()
        task.yield()
        assert.equal(0, calls())
        assert.is_true(part.ready:wait(1000))
        assert.is_nil(part.socket)
        part:stop()
        assert.same({}, context.said)
      end)
    end
  end)
end)
