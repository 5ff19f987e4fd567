-- SPDX-License-Identifier: MIT
-- Migrations against a real database: once each, in order, by one of many, and never when something does not fit.

local fs = require "perigee.fs"
local migrate = require "perigee.store.migrate"
local pg = require "perigee.pg"
local rng = require "perigee.rng"
local task = require "perigee.task"
local temp = dofile "tests/lua/temp_cluster.lua"

local server
local names, folders = 0, {}

-- A fresh, empty database.
local function fresh()
  names = names + 1
  local conn <close> = assert(pg.connect { conninfo = server.conninfo })
  assert(conn:exec("CREATE DATABASE m" .. names))
  return (server.conninfo:gsub("dbname=%w+", "dbname=m" .. names))
end

local function connect(conninfo) return assert(pg.connect { conninfo = conninfo }) end

-- A folder with these files.
local function folder(files)
  local path = "/tmp/perigee-sql-" .. rng.token(6)
  assert(fs.mkdir(path))
  folders[#folders + 1] = path
  for name, text in pairs(files) do assert(fs.replace(path .. "/" .. name, text)) end
  return path
end

local ONE = { ["0001_one.sql"] = "CREATE TABLE one (a int);" }
local TWO = { ["0001_one.sql"] = ONE["0001_one.sql"],
  ["0002_two.sql"] = "CREATE TABLE two (a int); INSERT INTO two VALUES (1);" }

local function run(fn)
  return function() task.run(fn) end
end

local function count(conn, sql) return assert(conn:query("SELECT count(*) AS n FROM " .. sql))[1].n end

describe("migrate", function()
  setup(function() server = temp.start() end)
  teardown(function()
    server:remove()
    for _, path in ipairs(folders) do
      for _, name in ipairs(fs.list(path)) do fs.remove(path .. "/" .. name) end
      fs.remove(path)
    end
  end)

  it("brings an empty database to the program's tables, once", run(function()
    local conn <close> = connect(fresh())
    local applied = assert(migrate.run(conn))
    assert.same({ "0001_init.sql", "0002_pending_orders.sql", "0003_closing.sql" }, applied)
    assert.same({}, migrate.run(conn))
    for _, name in ipairs { "users", "user_sessions", "accounts", "orders", "trades", "trading_signals", "system_logs",
      "operators", "operator_sessions", "audit_log", "account_groups", "projector_state" } do
      assert.equal(1, count(conn, ("pg_tables WHERE schemaname = 'public' AND tablename = '%s'"):format(name)))
    end
    assert.equal(#applied, count(conn, "schema_migrations WHERE length(sha256) = 64"))
  end))

  it("needs no rights but those of the database's owner", run(function()
    local conn <close> = connect(server.conninfo)
    assert(conn:exec("CREATE ROLE plain LOGIN"))
    assert(conn:exec("CREATE DATABASE plain OWNER plain"))
    local own <close> = connect((server.conninfo:gsub("dbname=%w+", "dbname=plain"):gsub("user=%w+", "user=plain")))
    assert.equal(3, #assert(migrate.run(own)))
  end))

  it("applies what is new, in order", run(function()
    local conn <close> = connect(fresh())
    assert.same({ "0001_one.sql" }, migrate.run(conn, folder(ONE)))
    assert.same({ "0002_two.sql" }, migrate.run(conn, folder(TWO)))
    assert.equal(1, count(conn, "two"))
  end))

  it("is done by one of several that begin at the same time", run(function()
    local conninfo, files = fresh(), folder(TWO)
    local jobs, total = {}, 0
    for i = 1, 6 do
      jobs[i] = function()
        local conn <close> = connect(conninfo)
        return assert(migrate.run(conn, files))
      end
    end
    for _, result in ipairs(task.all(jobs)) do
      assert.is_true(result.ok)
      total = total + #result[1]
    end
    assert.equal(2, total)
    local conn <close> = connect(conninfo)
    assert.equal(1, count(conn, "two"))
    assert.equal(0, count(conn, "pg_locks WHERE locktype = 'advisory'"))
  end))

  it("refuses a text that was changed after it was applied", run(function()
    local conn <close> = connect(fresh())
    assert(migrate.run(conn, folder(ONE)))
    local ok, err = migrate.run(conn, folder { ["0001_one.sql"] = "CREATE TABLE one (b int);",
      ["0002_two.sql"] = TWO["0002_two.sql"] })
    assert.is_nil(ok)
    assert.equal("migration", err.code)
    assert.matches("migration 0001_one.sql was changed after it was applied", err.message, 1, true)
    assert.equal(0, count(conn, "pg_tables WHERE tablename = 'two'"))
    assert.equal(0, count(conn, "pg_locks WHERE locktype = 'advisory'"))
  end))

  it("refuses a database that is newer than the program", run(function()
    local conn <close> = connect(fresh())
    assert(migrate.run(conn, folder(TWO)))
    local ok, err = migrate.run(conn, folder(ONE))
    assert.is_nil(ok)
    assert.matches("the database is newer than this program: it has migration 0002_two.sql, the newest known one is "
      .. "0001_one.sql", err.message, 1, true)
  end))

  it("refuses a database that lacks one in between", run(function()
    local conn <close> = connect(fresh())
    assert(migrate.run(conn, folder(TWO)))
    assert(conn:query("DELETE FROM schema_migrations WHERE number = 1"))
    local ok, err = migrate.run(conn, folder(TWO))
    assert.is_nil(ok)
    assert.matches("the database lacks migration 0001", err.message, 1, true)
  end))

  it("undoes one that fails, and keeps those before it", run(function()
    local conn <close> = connect(fresh())
    local ok, err = migrate.run(conn, folder { ["0001_one.sql"] = ONE["0001_one.sql"],
      ["0002_bad.sql"] = "CREATE TABLE half (a int); SELECT nonsense;" })
    assert.is_nil(ok)
    assert.matches("^migration 0002_bad.sql failed: ", err.message)
    assert.equal(0, count(conn, "pg_tables WHERE tablename = 'half'"))
    assert.equal(1, count(conn, "schema_migrations"))
    assert.same({ "0002_two.sql" }, migrate.run(conn, folder(TWO)))
  end))

  it("refuses a program that is not whole", function()
    for message, files in pairs {
      ["migration 0002 is missing or there twice"] = { ["0001_a.sql"] = "", ["0003_c.sql"] = "" },
      ["migration 0003 is missing or there twice"] = { ["0001_a.sql"] = "", ["0002_b.sql"] = "", ["0002_c.sql"] = "" },
      ["a migration is called NNNN_name.sql"] = { ["0001_a.sql"] = "", ["2_b.sql"] = "" },
      ["holds no migrations"] = { ["readme"] = "" },
    } do
      local found, err = migrate.read(folder(files))
      assert.is_nil(found)
      assert.matches(message, err.message, 1, true)
    end
    assert.is_nil(migrate.read("/nonexistent"))
  end)
end)
