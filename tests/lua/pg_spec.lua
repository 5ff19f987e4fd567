-- SPDX-License-Identifier: MIT
-- perigee.pg against a real server: values both ways, errors, one user at a time, large results, ends of connections.

local cjson = require "cjson"
local decimal = require "perigee.decimal"
local pg = require "perigee.pg"
local task = require "perigee.task"
local temp = dofile "tests/lua/temp_cluster.lua"

local server

local function connected(fn)
  return function()
    task.run(function()
      local conn <close> = assert(pg.connect { conninfo = server.conninfo, timeout_ms = 20000 })
      fn(conn)
    end)
  end
end

local function row(conn, sql, params)
  local result = assert(conn:query(sql, params))
  return result[1], result
end

describe("pg", function()
  setup(function() server = temp.start() end)
  teardown(function() server:remove() end)

  it("gives each type as what fits without loss", connected(function(conn)
    local got, result = row(conn, [[select 1::int2 as a, -2::int4 as b, 9007199254740993::int8 as c, 5::oid as d,
      true as e, false as f, 0.5::float4 as g, 0.1::float8 as h, 'NaN'::float8 as i, '-Infinity'::float8 as j,
      0.00000001::numeric(24,8) as k, 'text'::text as l, '{"x": 1}'::jsonb as m, '\x00ff'::bytea as n,
      '2026-01-02 03:04:05+00'::timestamptz as o, null as p, '' as q, array['a', null, 'b,c'] as r]])
    assert.same({ "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r" },
      result.columns)
    assert.equal("integer", math.type(got.a))
    assert.equal(-2, got.b)
    assert.equal(9007199254740993, got.c)
    assert.equal(5, got.d)
    assert.is_true(got.e)
    assert.is_false(got.f)
    assert.equal(0.5, got.g)
    assert.equal(0.1, got.h)
    assert.is_true(got.i ~= got.i)
    assert.equal(-math.huge, got.j)
    assert.equal("0.00000001", got.k)
    assert.equal("text", got.l)
    assert.equal('{"x": 1}', got.m)
    assert.equal("\\x00ff", got.n)
    assert.equal("2026-01-02 03:04:05+00", got.o)
    assert.is_nil(got.p)
    assert.equal("", got.q)
    assert.equal('{a,NULL,"b,c"}', got.r)
  end))

  it("takes each type of parameter", connected(function(conn)
    for _ = 1, 3 do -- by its text, preparing, prepared
      local got = row(conn, [[select $1::text as s, $2::int8 as i, $3::numeric as x, $4::bool as t, $5::bool as f,
        $6::text as n, $7::text as z, $8::float8 as inf, $9::numeric as d, $10::text as last]],
        { "it's \\ \"x\"\n", math.mininteger, 0.1, true, false, nil, pg.null, math.huge,
          decimal.new("-92233720368.54775808"), "end", n = 10 })
      assert.same({ s = "it's \\ \"x\"\n", i = math.mininteger, x = "0.1", t = true, f = false, inf = math.huge,
        d = "-92233720368.54775808", last = "end" }, got)
    end
    assert.equal(cjson.null, pg.null)
    local got = row(conn, "select $1::text is null as a, $2::text is null as b, $3::text as c",
      { n = 3, nil, nil, "x" })
    assert.same({ a = true, b = true, c = "x" }, got)
    assert.same({ a = "x" }, (row(conn, "select 'x' as a", {})))
  end))

  it("writes arrays that come back whole", connected(function(conn)
    local texts = { "", "plain", 'quote " in', "back\\slash", "comma, {brace}", "NULL", " space ", "new\nline",
      "\u{ac00}" }
    local result = assert(conn:query("select x from unnest($1::text[]) with ordinality as t(x, n) order by n",
      { pg.array(texts) }))
    local got = {}
    for i, r in ipairs(result) do got[i] = r.x end
    assert.same(texts, got)
    got = row(conn, "select $1::int[] as i, $2::numeric[] as x, $3::bool[] as b, $4::text[] as n, $5::text[] as none", {
      pg.array { 1, -2 }, pg.array { 0.1, decimal.new("1.5") }, pg.array { true, false },
      pg.array { nil, "a", pg.null, n = 4 }, pg.array {} })
    assert.same({ i = "{1,-2}", x = "{0.1,1.5}", b = "{t,f}", n = "{NULL,a,NULL,NULL}", none = "{}" }, got)
  end))

  it("counts what it changed", connected(function(conn)
    assert.is_true(conn:exec("create temp table t(id int primary key, name text); insert into t values (1, 'a')"))
    assert.equal(2, assert(conn:query("insert into t values ($1, 'b'), ($2, 'c')", { 2, 3 })).affected)
    assert.equal(3, assert(conn:query("update t set name = 'x'")).affected)
    local none = assert(conn:query("select id, name from t where id > 7"))
    assert.equal(0, #none)
    assert.same({ "id", "name" }, none.columns)
    assert.equal(0, none.affected)
  end))

  it("a refusal has its state, and no values", connected(function(conn)
    assert.is_true(conn:exec("create temp table t(email text constraint one_email unique)"))
    local _, err = conn:query("select $1::int", { "hunter2" })
    assert.same({ "database", "22P02", "no", "pg" }, { err.code, err.sqlstate, err.retry, err.source })
    assert.is_nil(err.message:find("hunter2", 1, true))
    assert(conn:query("insert into t values ($1)", { "hunter2" }))
    _, err = conn:query("insert into t values ($1)", { "hunter2" })
    assert.same({ "database", "23505", "one_email" }, { err.code, err.sqlstate, err.constraint })
    assert.is_nil(err.message:find("hunter2", 1, true))
    assert.is_nil(err.index)
    _, err = conn:query("selec 1")
    assert.equal("42601", err.sqlstate)
    _, err = conn:query("select $1::text", { "nul\0byte" })
    assert.same({ "database", "22021" }, { err.code, err.sqlstate })
    _, err = conn:query("select $1::text[]", { pg.array { "nul\0byte" } })
    assert.equal("22021", err.sqlstate)
    _, err = conn:query("select $1::text", { "\xff\xfe" })
    assert.equal("22021", err.sqlstate)
    assert.is_true(conn:alive())
  end))

  it("a batch happens whole or not at all, and names what failed", connected(function(conn)
    assert.is_true(conn:exec("create temp table t(id int primary key)"))
    local insert = "insert into t values ($1)"
    for _ = 1, 2 do
      local results, err = conn:batch { { insert, { 1 } }, { insert, { 2 } }, { insert, { 1 } }, { insert, { 4 } },
        { "select 5" } }
      assert.is_nil(results)
      assert.same({ "database", "23505", 3 }, { err.code, err.sqlstate, err.index })
      assert.equal(0, row(conn, "select count(*) as n from t").n)
    end
    local _, err = conn:batch { { insert, { 1 } }, { "select $1::text", { "\0" } } }
    assert.same({ "22021", 2 }, { err.sqlstate, err.index })
    local results = assert(conn:batch { { insert, { 1 } }, { insert, { 2 } }, { "select id from t order by id" } })
    assert.equal(3, #results)
    assert.equal(1, results[2].affected)
    assert.equal(2, results[3][2].id)
    assert.same({}, conn:batch {})
  end))

  it("keeps a transaction that was begun", connected(function(conn)
    assert.is_true(conn:exec("create temp table t(id int primary key)"))
    assert.is_true(conn:exec("begin"))
    assert(conn:batch { { "insert into t values (1)" } })
    local _, err = conn:batch { { "insert into t values (1)" } }
    assert.equal("23505", err.sqlstate)
    _, err = conn:query("select 1")
    assert.equal("25P02", err.sqlstate)
    assert.is_true(conn:exec("rollback"))
    assert.equal(0, row(conn, "select count(*) as n from t").n)
  end))

  it("copies text in", connected(function(conn)
    assert.is_true(conn:exec("create temp table t(a int, b text)"))
    assert.equal(2, conn:copy("copy t from stdin", "1\tx\n2\t\\N\n"))
    assert.equal(0, conn:copy("copy t from stdin", ""))
    local _, err = conn:copy("copy t from stdin", "3\ty\nhunter2\tz\n")
    assert.same({ "database", "22P02" }, { err.code, err.sqlstate })
    assert.is_nil(err.message:find("hunter2", 1, true))
    _, err = conn:copy("select 1", "x")
    assert.equal("input", err.code)
    assert.equal(2, row(conn, "select count(*) as n from t").n)
  end))

  it("a large result leaves others their turns", connected(function(conn)
    local turns, over = 0, false
    local other = task.spawn(function()
      while not over do
        turns = turns + 1
        task.sleep(0)
      end
    end)
    local result = assert(conn:query("select g as a, g::text as b from generate_series(1, 100000) g"))
    local after = turns
    over = true
    other:join()
    assert.equal(100000, #result)
    assert.equal(100000, result.affected)
    for _, i in ipairs { 1, 2730, 2731, 2732, 50000, 100000 } do
      assert.same({ a = i, b = tostring(i) }, result[i])
    end
    assert.is_true(after > 50, after)
    local results = assert(conn:batch { { "select g as a from generate_series(1, 9000) g" }, { "select 2 as a" } })
    assert.equal(9000, results[1][9000].a)
    assert.equal(2, results[2][1].a)
  end))

  it("a task cancelled between the pieces of a result ends alone", connected(function(conn)
    local reader = task.spawn(function() return conn:query("select g as a from generate_series(1, 200000) g") end)
    task.yield()
    while not pcall(conn.query, conn, "select 1") do task.sleep(0) end -- raises until the answer is there
    reader:cancel()
    local _, _, err = reader:join()
    assert.equal("cancelled", err.code)
    assert.is_true(conn:alive())
  end))

  it("serves one task at a time", connected(function(conn)
    local sleeper = task.spawn(function() return conn:exec("select pg_sleep(0.05)") end)
    task.yield()
    for _, use in ipairs { function() conn:query("select 1") end, function() conn:exec("select 1") end,
      function() conn:batch { { "select 1" } } end, function() conn:copy("copy t from stdin", "") end } do
      assert.error_matches(use, "in use by another task")
    end
    assert.same({ true, true }, { sleeper:join() })
    assert.equal(1, #assert(conn:query("select 1")))
  end))

  it("cancelling a task that waits closes the connection", connected(function(conn)
    local sleeper = task.spawn(function() return conn:exec("select pg_sleep(60)") end)
    task.yield()
    sleeper:cancel()
    local _, _, err = sleeper:join()
    assert.equal("cancelled", err.code)
    assert.is_false(conn:alive())
    _, err = conn:query("select 1")
    assert.same({ "unreachable", "safe" }, { err.code, err.retry })
  end))

  it("closing it ends the wait of another task", connected(function(conn)
    local sleeper = task.spawn(function() return conn:query("select pg_sleep(60)") end)
    task.yield()
    conn:close()
    local _, _, err = sleeper:join()
    assert.equal("cancelled", err.code)
    conn:close()
    assert.is_false(conn:alive())
    assert.error_matches(function() conn:query("select 1") end, "is closed")
    assert.error_matches(function() conn:exec("select 1") end, "is closed")
  end))

  it("misuse raises", connected(function(conn)
    for pattern, use in pairs {
      ["parameter 2: .- got table"] = function() conn:query("select $1", { 1, {} }) end,
      ["parameter 1: .- got function"] = function() conn:query("select $1", { print }) end,
      ["a table expected, got number"] = function() conn:query("select $1", 1) end,
      ["a text of SQL expected, got nil"] = function() conn:query() end,
      ["SQL has no NUL"] = function() conn:query("select 1\0") end,
      ["batch%[2%]: {sql, params} expected, got string"] = function() conn:batch { { "select 1" }, "select 2" } end,
      ["batch%[1%]: a text of SQL"] = function() conn:batch { {} } end,
      ["params.n: a length"] = function() conn:query("select 1", { n = "x" }) end,
      ["65536 parameters, more than 65535"] = function() conn:query("select 1", { n = 65536 }) end,
      ["pg.array: .- got table"] = function() pg.array { {} } end,
      ["conninfo"] = function() pg.connect {} end,
      ["timeout_ms is above 0"] = function() pg.connect { conninfo = "", timeout_ms = 0 } end,
      ["unknown"] = function() pg.connect { conninfo = "", timeout = 5 } end,
      ["pg.conninfo.host: a text"] = function() pg.conninfo { host = true } end,
      ["pg.conninfo"] = function() pg.conninfo { hots = "x" } end,
    } do
      assert.error_matches(use, pattern)
    end
    assert.is_true(conn:alive())
  end))

  it("needs a task", function()
    assert.error_matches(function() pg.connect { conninfo = server.conninfo } end, "call it in a task")
  end)

  it("says what cannot be reached, without the password", function()
    task.run(function()
      local conn, err = pg.connect { conninfo = pg.conninfo { host = "/nonexistent", password = "hunter2" } }
      assert.is_nil(conn)
      assert.same({ "unreachable", "safe" }, { err.code, err.retry })
      conn, err = pg.connect { conninfo = "host hunter2" }
      assert.is_nil(conn)
      assert.same({ "input", "no" }, { err.code, err.retry })
      assert.is_nil(err.message:find("hunter2", 1, true))
    end)
  end)

  it("escapes what a conninfo holds", connected(function(conn)
    local name = [[it's a \ "name" = ]]
    assert.is_true(conn:exec('create database "' .. name:gsub('"', '""') .. '"'))
    local other <close> = assert(pg.connect { conninfo = pg.conninfo { host = server.folder, user = "perigee",
      dbname = name, port = 5432 } })
    assert.equal(name, row(other, "select current_database() as name").name)
    assert.equal("", pg.conninfo {})
  end))

  it("a killed server is told as such, and found again", function()
    task.run(function()
      local conn <close> = assert(pg.connect { conninfo = server.conninfo })
      local sleeper = task.spawn(function() return conn:query("select pg_sleep(60)") end)
      task.yield()
      server:kill()
      local _, _, err = sleeper:join()
      assert.same({ "unreachable", "reconcile" }, { err.code, err.retry })
      assert.is_false(conn:alive())
      server:again()
      local other <close> = assert(pg.connect { conninfo = server.conninfo })
      assert.equal(7, row(other, "select 7 as n").n)
    end)
  end)
end)
