-- SPDX-License-Identifier: MIT
-- The private cluster, with a real server: as root it runs as postgres, as an ordinary user it is that user's. As root
-- the way of an ordinary user is tried once, too; all of it by runuser -u USER -- perigee lua /usr/bin/busted FILE.

local child = require "perigee.child"
local clock = require "perigee.clock"
local cluster = require "perigee.store.cluster"
local files = require "perigee.store.cluster_files"
local fs = require "perigee.fs"
local process = require "perigee.process"
local rng = require "perigee.rng"
local task = require "perigee.task"

local AS_ROOT = process.uid() == 0
local made, started = {}, {}

local function shell(text, ...)
  local handle = assert(child.spawn { file = "sh", args = { "-c", text, "sh", ... }, stderr_lines = true })
  local out = {}
  while true do
    local line = handle:line(30000)
    if not line then break end
    out[#out + 1] = line
  end
  return handle:wait(30000), table.concat(out, "\n")
end

-- Runs fn as a task; afterwards no server that it started is left.
local function run(fn)
  return function() task.run(fn) end
end

local function folder()
  local path = "/tmp/perigee-spec-" .. rng.token(8):gsub("%W", "x")
  assert(fs.mkdir(path))
  made[#made + 1] = path
  return path
end

local function start(data, options)
  options = options or {}
  options.data = data
  local c, err = cluster.start(options)
  if c then started[#started + 1] = c end
  return c, err
end

local function base(data) -- where the cluster of a data folder is
  if not AS_ROOT then return data end
  local hash = require("perigee.crypto").sha256(fs.realpath(data)):sub(1, 12)
  made[#made + 1] = "/var/lib/perigee/" .. hash
  made[#made + 1] = "/run/perigee/" .. hash
  return "/var/lib/perigee/" .. hash
end

local function psql(c, sql)
  local code, out = shell(('psql -X -A -t "%s" -v ON_ERROR_STOP=1 -c "$1"'):format(c.conninfo), sql)
  return code == 0 and out or nil, out
end

-- Does a condition hold within half a minute?
local function eventually(fn)
  local deadline = clock.io_ms() + 30000
  repeat
    if fn() then return true end
    task.sleep(20, "io")
  until clock.io_ms() > deadline
  return false
end

describe("cluster", function()
  after_each(run(function()
    for _, c in ipairs(started) do
      c:stop()
      if AS_ROOT then
        made[#made + 1] = c.folder:match("^(.*)/postgres$")
        made[#made + 1] = c.socket
      end
    end
    for _, path in ipairs(made) do shell('rm -rf "$1"', path) end
    started, made = {}, {}
  end))

  it("is made, found, and keeps what is in it over a stop", run(function()
    local data, said = folder(), {}
    local c = assert(start(data, { say = function(text) said[#said + 1] = text end }))
    assert.is_false(c.adopted)
    assert.equal(1, #said)
    assert.is_true(c:alive())
    assert.equal("perigee|off", psql(c, "CREATE TABLE kept (a int); SELECT current_user || '|' || "
      .. "current_setting('is_superuser')"):match("[^\n]*$"))
    local again = assert(start(data))
    assert.is_true(again.adopted)
    assert.equal(c.pid, again.pid)
    assert(c:stop())
    assert.is_false(c:alive())
    assert(c:stop()) -- a second time is harmless
    local after = assert(start(data))
    assert.is_false(after.adopted)
    assert.equal("0", psql(after, "SELECT count(*) FROM kept"))
  end))

  it("listens on its socket alone, asks for the user, and sums its pages up", run(function()
    local c = assert(start(folder()))
    assert.equal("|on|1048576|UTF8|C.UTF-8", psql(c, "SELECT current_setting('listen_addresses') || '|' || "
      .. "current_setting('data_checksums') || '|' || (pg_size_bytes(current_setting('wal_segment_size'))) || '|' || "
      .. "current_setting('server_encoding') || '|' || current_setting('lc_collate')"))
    -- No TCP socket of the postmaster: the kernel knows.
    local _, listening = shell([[
      ls -l "/proc/$1/fd" | grep -o "socket:\[[0-9]*\]" | tr -dc "0-9\n" | while read -r n; do
        awk -v n="$n" '$10 == n && $4 == "0A"' /proc/net/tcp /proc/net/tcp6
      done]], tostring(c.pid))
    assert.equal("", listening)
    local hba = fs.read(c.folder .. "/pg_hba.conf")
    assert.is_nil(hba:gsub("#[^\n]*", ""):find("trust", 1, true))
    assert.is_truthy(hba:find("\nlocal all all peer map=perigee\n", 1, true))
    local _, mode = shell('stat -c %a "$1" "$2"', c.socket, c.folder)
    assert.equal("700\n700", mode)
    -- A user whom the map does not name is not let in, even when it may pass the folder.
    if AS_ROOT then
      shell('chmod 755 "$1" && chmod 777 "$1"/.s.PGSQL.5432', c.socket)
      local code, out = shell(('runuser -u nobody -- psql -X "%s" -c "SELECT 1"'):format(c.conninfo))
      assert.not_equal(0, code)
      assert.matches("Peer authentication failed", out, 1, true)
    end
  end))

  it("comes back after its postmaster was killed, though its backends still end", run(function()
    local data = folder()
    local c = assert(start(data))
    assert(psql(c, "CREATE TABLE kept AS SELECT 7 AS a"))
    local busy = assert(child.spawn { file = "psql", args = { "-X", c.conninfo, "-c", "SELECT pg_sleep(600)" },
      log = "/dev/null" })
    assert.is_true(eventually(function()
      return psql(c, "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'") == "1"
    end))
    child.kill(c.pid, 9)
    local after = assert(start(data))
    assert.is_false(after.adopted)
    assert.equal("7", psql(after, "SELECT a FROM kept"))
    busy:kill(9)
    busy:wait()
  end))

  it("does not take the number in an old pid file for its server", run(function()
    local data = folder()
    local c = assert(start(data))
    assert(c:stop())
    -- The number belongs to this very process by now.
    assert.equal(0, (shell('printf "%s\\n%s\\n" "$1" "$2" >"$2/postmaster.pid" && chown --reference="$2" '
      .. '"$2/postmaster.pid" && mkdir -p "$3" && cp "$2/postmaster.pid" "$3/.s.PGSQL.5432.lock"',
      tostring(process.pid()), c.folder, c.socket)))
    assert.is_false(c:alive())
    local after = assert(start(data))
    assert.is_false(after.adopted)
    assert.not_equal(process.pid(), after.pid)
  end))

  it("begins again after an initdb that was cut off", run(function()
    local data = folder()
    local place = base(data)
    shell('mkdir -p "$1/postgres.new" && echo half >"$1/postgres.new/PG_VERSION"', place)
    if AS_ROOT then shell('chown -R postgres "$1"', place) end
    local c = assert(start(data))
    assert.is_nil(fs.stat(c.folder .. ".new"))
  end))

  it("refuses a folder that holds something else", run(function()
    local data = folder()
    local place = base(data)
    shell('mkdir -p "$1/postgres" && echo mine >"$1/postgres/letters"', place)
    local c, err = start(data)
    assert.is_nil(c)
    assert.equal("exists", err.code)
    assert.matches("is not empty and holds no database of Perigee", err.message, 1, true)
    assert.equal("mine\n", fs.read(place .. "/postgres/letters"))
    shell('echo 15 >"$1/postgres/PG_VERSION"', place) -- a cluster, but not ours
    c, err = start(data)
    assert.is_nil(c)
    assert.equal("exists", err.code)
  end))

  it("refuses a cluster of another version", run(function()
    local data = folder()
    local c = assert(start(data))
    assert(c:stop())
    shell('echo 9 >"$1/PG_VERSION"', c.folder)
    local none, err = start(data)
    assert.is_nil(none)
    assert.equal("exists", err.code)
    assert.matches("is of PostgreSQL 9, and version 1%d is installed; install postgresql%-9", err.message)
  end))

  it("says which package is missing", run(function()
    local c, err = start(folder(), { programs = { "/nonexistent" } })
    assert.is_nil(c)
    assert.equal("notfound", err.code)
    assert.matches("install the package postgresql-15", err.message, 1, true)
  end))

  it("keeps two data folders apart", run(function()
    local one, other = assert(start(folder())), assert(start(folder()))
    assert.not_equal(one.socket, other.socket)
    assert.not_equal(one.pid, other.pid)
    assert(psql(one, "CREATE TABLE mine (a int)"))
    assert.is_nil(psql(other, "SELECT * FROM mine"))
  end))

  it("takes a data folder with a path of any length and with odd characters", run(function()
    local data = folder() .. "/" .. ("long it's "):rep(15) .. "/" .. ("x"):rep(120)
    assert.equal(0, (shell('mkdir -p "$1"', data)))
    local c = assert(start(data))
    assert.is_true(#c.socket + #"/.s.PGSQL.5432" <= 107)
    assert.equal("1", psql(c, "SELECT 1"))
  end))

  it("says why a server does not start", run(function()
    local data = folder()
    local c = assert(start(data))
    assert(c:stop())
    shell('echo "shared_buffers = nonsense" >>"$1/postgresql.conf"', c.folder)
    local none, err = start(data)
    assert.is_nil(none)
    assert.matches("does not start: .*; see .*server.log", err.message)
  end))

  it("works for an ordinary user, in the data folder", run(function()
    if not AS_ROOT then return end -- all the other tests did that
    local data = folder()
    local script = data .. "/try.lua"
    assert(fs.replace(script, [[
      local cluster, task = require "perigee.store.cluster", require "perigee.task"
      task.run(function()
        local c = assert(cluster.start { data = arg[1] })
        print(c.folder, c.socket:sub(1, 13), cluster.start { data = arg[1] }.adopted)
        print(os.execute(('psql -X -q -A -t "%s" -c "CREATE TABLE a (b int)"'):format(c.conninfo)))
        print(c:stop())
      end)]]))
    shell('chmod 755 "$1" && chmod 644 "$2" && mkdir "$1/data" && chown nobody "$1/data"', data, script)
    local code, out = shell('env -u XDG_RUNTIME_DIR runuser -u nobody -- "$1" lua "$2" "$3"',
      fs.realpath("/proc/self/exe"), script, data .. "/data")
    assert.equal(("%s/data/postgres\t/tmp/perigee-\ttrue\ntrue\texit\t0\ntrue"):format(data), out)
    assert.equal(0, code)
  end))

  it("raises on misuse", run(function()
    assert.has_error(function() cluster.start {} end, "cluster.start: { data = folder } expected")
  end))
end)

describe("cluster files", function()
  it("let in the named users, as the owner and as the administrator", function()
    local all = {}
    for _, f in ipairs(files.all("/run/it's", { "alice" })) do all[f.name] = f.text end
    assert.matches("unix_socket_directories = '/run/it''s'\n", all["perigee.conf"], 1, true)
    assert.matches("listen_addresses = ''\n", all["perigee.conf"], 1, true)
    assert.matches('perigee "alice" perigee\nperigee "alice" postgres\n', all["pg_ident.conf"], 1, true)
  end)
end)
