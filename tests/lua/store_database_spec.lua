-- SPDX-License-Identifier: MIT
-- The pool: connections that come and go, transactions that are whole, and where the database is.

local clock = require "perigee.clock"
local database = require "perigee.store.database"
local fake = dofile "tests/lua/fake.lua"
local task = require "perigee.task"
local temp = dofile "tests/lua/temp_cluster.lua"

local server

-- Runs fn(db) with a pool that is ready, and closes it.
local function with(fn, size)
  return function()
    task.run(function()
      local db = database.open { conninfo = server.conninfo, size = size or 2 }
      assert(db:ready(20000))
      local ok, why = pcall(fn, db)
      db:close()
      if not ok then error(why, 0) end
    end)
  end
end

local function eventually(fn)
  local deadline = clock.io_ms() + 20000
  repeat
    if fn() then return true end
    task.sleep(5, "io")
  until clock.io_ms() > deadline
  return false
end

local function count(db) return assert(db:query("SELECT count(*) AS n FROM t"))[1].n end

describe("database", function()
  setup(function()
    server = temp.new()
    with(function(db) assert(db:query("CREATE TABLE t (a int CHECK (a > 0))")) end)()
  end)
  teardown(function() server:remove() end)
  before_each(function() with(function(db) assert(db:query("TRUNCATE t")) end)() end)

  it("commits what a transaction did when it gives something back", with(function(db)
    assert.equal("done", db:transaction(function(conn)
      assert(conn:query("INSERT INTO t VALUES ($1)", { 1 }))
      return "done"
    end))
    assert.equal(1, count(db))
  end))

  it("undoes it when it fails, by a statement, a refusal or an error", with(function(db)
    local ok, err = db:transaction(function(conn)
      assert(conn:query("INSERT INTO t VALUES (1)"))
      return conn:query("INSERT INTO t VALUES (-1)")
    end)
    assert.is_nil(ok)
    assert.equal("23514", err.sqlstate)
    ok, err = db:transaction(function(conn)
      assert(conn:query("INSERT INTO t VALUES (1)"))
      return nil, { code = "conflict", message = "no" }
    end)
    assert.is_nil(ok)
    assert.equal("conflict", err.code)
    ok, err = pcall(db.transaction, db, function(conn)
      assert(conn:query("INSERT INTO t VALUES (1)"))
      error("broken")
    end)
    assert.is_false(ok)
    assert.matches("broken", tostring(err))
    ok, err = db:transaction(function() end)
    assert.is_nil(ok)
    assert.matches("gave nothing back", err.message)
    ok, err = db:transaction(function(conn)
      conn:query("INSERT INTO t VALUES (-1)")
      return "as if nothing had happened"
    end)
    assert.is_nil(ok)
    assert.matches("nobody looked", err.message)
    assert.equal(0, count(db))
    assert.equal("ready", db.state)
  end, 1))

  it("undoes it when its task is cancelled", with(function(db)
    local begun = task.event()
    local t = task.spawn(function()
      return db:transaction(function(conn)
        assert(conn:query("INSERT INTO t VALUES (1)"))
        begun:set(true)
        return conn:query("SELECT pg_sleep(600)")
      end)
    end)
    assert(begun:wait(20000))
    t:cancel()
    t:join()
    assert.equal(0, count(db)) -- the only connection was closed, another one is made
    local asleep = "SELECT count(*) AS n FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"
    assert.is_true(eventually(function() return assert(db:query(asleep))[1].n == 0 end)) -- and its locks are free
  end, 1))

  it("lends a connection to one task at a time, and lets the others wait", with(function(db)
    local jobs = {}
    for i = 1, 20 do
      jobs[i] = function()
        assert(db:query("INSERT INTO t VALUES ($1)", { i }))
        return assert(db:query("SELECT pg_sleep(0.001)"))
      end
    end
    for _, result in ipairs(task.all(jobs)) do assert.is_true(result.ok) end
    assert.equal(20, count(db))
    local sessions = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()"
    assert.is_true(assert(db:query(sessions))[1].n <= 2)
  end))

  it("speaks UTC and plans for the values at hand", with(function(db)
    assert.same({ tz = "UTC", mode = "force_custom_plan" }, assert(db:query("SELECT current_setting('timezone') AS tz, "
      .. "current_setting('plan_cache_mode') AS mode"))[1])
  end))

  it("says at once that the database is away, tells of it, and comes back by itself", with(function(db)
    local states = {}
    db:on_state(function(state) states[#states + 1] = state end)
    server:kill()
    assert.is_true(eventually(function() return not db:query("SELECT 1") end))
    local _, err = db:query("SELECT 1")
    assert.equal("unreachable", err.code)
    assert.is_true(eventually(function() return db.state == "away" end))
    local _, late = db:ready(1)
    assert.equal("timeout", late.code)
    server:again()
    assert(db:ready(20000))
    assert.equal(0, count(db))
    assert.equal("away", states[1])
    assert.equal("ready", states[#states])
    db:close()
    assert.equal("closed", states[#states])
    assert.equal("closed", select(2, db:query("SELECT 1")).code)
    assert.equal("closed", select(2, db:ready()).code)
  end))

  it("waits for a database that is not there yet", function()
    task.run(function()
      server:stop()
      local db = database.open { conninfo = server.conninfo }
      assert.is_true(eventually(function() return db.state == "away" end))
      server:again()
      assert(db:ready(20000))
      db:close()
    end)
  end)

  it("raises on misuse", function()
    assert.has_error(function() database.open {} end, "database.open: { conninfo = string, size = integer } expected")
  end)
end)

describe("database.conninfo", function()
  local function asked(values)
    local module, undo = fake.load("perigee.store.database", {
      ["perigee.config"] = { get = function(key) return values[key] end } })
    local conninfo, err = module.conninfo()
    undo()
    return conninfo, err
  end

  it("takes DATABASE_URL before DB_*, and these before the private cluster", function()
    local all = { ["database.url"] = "postgresql://u@h/n", ["database.host"] = "h", ["database.port"] = 5433,
      ["database.name"] = "n", ["database.user"] = "u", ["database.password"] = "it's \\",
      ["database.socket"] = "/run/x" }
    assert.equal("postgresql://u@h/n", asked(all))
    all["database.url"] = nil
    local conninfo = asked(all)
    assert.matches("host='?h'?", conninfo)
    assert.matches("port='?5433'?", conninfo)
    assert.matches("it\\'s \\\\", conninfo, 1, true)
    all["database.host"] = nil
    assert.matches("host='?/run/x'?", (asked { ["database.socket"] = "/run/x" }))
    assert.matches("dbname='?perigee'?", (asked { ["database.socket"] = "/run/x" }))
  end)

  it("says what is missing", function()
    assert.matches("set DATABASE_URL", select(2, asked {}).message, 1, true)
    assert.matches("DB_NAME is not", select(2, asked { ["database.host"] = "h" }).message, 1, true)
  end)
end)
