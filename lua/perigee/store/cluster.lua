-- SPDX-License-Identifier: MIT
--
-- The private PostgreSQL cluster of a data folder: made when there is none, started, found again when it runs
-- already, stopped. It listens on a Unix socket only and knows its clients by their user (peer), never by trust.
--
--   an ordinary user  data in <data>/postgres, socket in $XDG_RUNTIME_DIR/perigee-<hash> or, where that is absent or
--                     too long, /tmp/perigee-<uid>-<hash> (mode 0700)
--   root              PostgreSQL refuses to run as root: it runs as `postgres`, data in
--                     /var/lib/perigee/<hash>/postgres, socket in /run/perigee/<hash>
--
-- <hash> is of the data folder's real path, so two data folders never meet. Everything in the cluster's folders is
-- done as the user that owns them. The server outlives this process on purpose: a killed supervisor finds it again.

local child = require "perigee.child"
local clock = require "perigee.clock"
local crypto = require "perigee.crypto"
local err = require "perigee.err"
local fs = require "perigee.fs"
local pg_files = require "perigee.store.cluster_files"
local process = require "perigee.process"
local task = require "perigee.task"

local cluster = {}

local SOCKET_FILE = "/.s.PGSQL.5432"
local SOCKET_MOST = 107   -- bytes of a Unix socket's path
local ORPHANS_MS = 30000  -- for backends of a killed server to notice
local START_S, STOP_S = 60, 15
local COMMAND_MS = 120000
local VERSIONS = { "17", "16", "15", "14" }

---@class perigee.Cluster
---@field conninfo string   of its database
---@field socket string     folder of its socket
---@field folder string     its data
---@field pid integer       of the postmaster
---@field adopted boolean   it ran already
local Cluster = {}
Cluster.__index = Cluster

local function fail(code, message, ...)
  return nil, err.new(code, message:format(...), "cluster", "no")
end

-- ---- commands ------------------------------------------------------------------------------------

-- Runs a program to its end. Returns its exit code and what it wrote.
local function run(args)
  local handle, failure = child.spawn { file = args[1], args = table.move(args, 2, #args, 1, {}), stderr_lines = true,
    cwd = "/", env = { LC_ALL = "C", LANG = "C" } }
  if not handle then return nil, failure.message end
  local out, deadline = {}, clock.io_ms() + COMMAND_MS
  while true do
    local line = handle:line(math.max(deadline - clock.io_ms(), 1))
    if not line then break end
    out[#out + 1] = line
  end
  local code, signal = handle:wait(math.max(deadline - clock.io_ms(), 1000))
  if not code then
    handle:kill(9)
    return nil, "it did not end in time"
  end
  return signal == 0 and code or 128 + signal, table.concat(out, "\n")
end

-- The same as the cluster's owner.
local function run_owner(self, args)
  if not self.as_root then return run(args) end
  return run(table.move(args, 1, #args, 5, { "runuser", "-u", "postgres", "--" }))
end

-- The last line that says something, for an error's sentence.
local function last_line(text)
  local found
  for line in (text or ""):gmatch("[^\n]+") do
    if line:find("FATAL") or line:find("rror") then found = line end
  end
  return (found or (text or ""):match("([^\n]+)%s*$") or "no message"):gsub("^.-FATAL:%s*", "")
end

-- ---- where ---------------------------------------------------------------------------------------

-- Folder of the server's programs: of the version that the data has, else the newest.
local function find_programs(version, candidates)
  local list = {}
  if version then list[1] = ("/usr/lib/postgresql/%s/bin"):format(version) end
  local code, out = run { "pg_config", "--bindir" }
  if code == 0 then list[#list + 1] = out:match("[^\n]+") end
  for _, v in ipairs(VERSIONS) do list[#list + 1] = ("/usr/lib/postgresql/%s/bin"):format(v) end
  for _, folder in ipairs(candidates or list) do
    if fs.exists(folder .. "/initdb") and fs.exists(folder .. "/postgres") and fs.exists(folder .. "/pg_ctl") then
      return folder
    end
  end
  return fail("notfound", "the programs of the PostgreSQL server are not installed; install the package postgresql-15, "
    .. "or name a database by DATABASE_URL")
end

-- Folder of the socket for an ordinary user.
local function user_socket(hash)
  local runtime = process.env("XDG_RUNTIME_DIR")
  if runtime and runtime:sub(1, 1) == "/" and fs.exists(runtime) then
    local folder = ("%s/perigee-%s"):format(runtime:gsub("/+$", ""), hash)
    if #folder + #SOCKET_FILE <= SOCKET_MOST then return folder end
  end
  return ("/tmp/perigee-%d-%s"):format(process.uid(), hash)
end

local function layout(data)
  local real, failure = fs.realpath(data)
  if not real then return nil, failure end
  local hash = crypto.sha256(real):sub(1, 12)
  local self = setmetatable({ data = real, as_root = process.uid() == 0 }, Cluster)
  if self.as_root then
    self.base = "/var/lib/perigee/" .. hash
    self.socket = "/run/perigee/" .. hash
  else
    self.base = real
    self.socket = user_socket(hash)
  end
  self.folder = self.base .. "/postgres"
  self.log = self.folder .. "/server.log"
  return self
end

-- ---- folders -------------------------------------------------------------------------------------

-- As root: /var/lib/perigee and /run/perigee are everybody's to pass, what is in them is postgres's.
local function root_folders(self)
  for _, folder in ipairs { self.base, self.socket } do
    local parent = folder:match("^(.*)/[^/]*$")
    local code, out = run { "install", "-d", "-m", "0755", parent }
    if code == 0 then code, out = run { "install", "-d", "-m", "0700", "-o", "postgres", "-g", "postgres", folder } end
    if code ~= 0 then
      return fail("io", "the folder %s cannot be made for the user postgres: %s", folder, last_line(out))
    end
    if run_owner(self, { "test", "-w", folder, "-a", "-x", folder }) ~= 0 then
      return fail("io", "the user postgres cannot reach %s; let everybody pass the folders above it (chmod a+x)",
        folder)
    end
  end
  return true
end

-- Somebody else may have made a folder of that name in /tmp.
local function user_folders(self)
  local ok, failure = fs.mkdir(self.socket, 448) -- 0700
  if not ok and not fs.exists(self.socket) then return nil, failure end
  local stat
  stat, failure = fs.stat(self.socket, true) -- a link may lead to a folder that others can change
  if not stat then return nil, failure end
  if stat.kind ~= "dir" or stat.uid ~= process.uid() then
    return fail("exists", "%s is not a folder of this user; remove it: the database's socket belongs there",
      self.socket)
  end
  return fs.chmod(self.socket, 448)
end

-- What is in the place of the cluster: nil (nothing), or its version.
local function inspect(self)
  if self.as_root and fs.exists(self.base) and not fs.list(self.base) then
    return fail("io", "%s cannot be read", self.base)
  end
  if not fs.exists(self.folder) then return nil end
  local names, failure = fs.list(self.folder)
  if not names then return fail("io", "the database's folder cannot be read: %s", failure.message) end
  if #names == 0 then return nil end
  local version = fs.read(self.folder .. "/PG_VERSION")
  if not version or not fs.exists(self.folder .. "/perigee.conf") then
    return fail("exists", "%s is not empty and holds no database of Perigee; move it away, or name a database by "
      .. "DATABASE_URL", self.folder)
  end
  return version:match("%S+")
end

-- ---- making --------------------------------------------------------------------------------------

local function write_file(self, name, text)
  local code, out = run_owner(self, { "sh", "-c", 'umask 077; printf %s "$2" >"$1.new" && mv "$1.new" "$1"', "sh",
    self.folder .. "/" .. name, text })
  if code ~= 0 then return fail("io", "%s/%s cannot be written: %s", self.folder, name, last_line(out)) end
  return true
end

local function write_files(self)
  local names = { "postgres", "root" }
  if not self.as_root then
    local code, out = run { "id", "-un" }
    if code ~= 0 then return fail("io", "the name of this user is not known: %s", last_line(out)) end
    names = { out:match("%S+") }
  end
  for _, file in ipairs(pg_files.all(self.socket, names)) do
    local ok, failure = write_file(self, file.name, file.text)
    if not ok then return nil, failure end
  end
  return true
end

-- In a folder of another name first, so that a killed initdb leaves nothing that looks like a cluster.
local function make(self)
  local fresh = self.folder .. ".new"
  local code, out = run_owner(self, { "rm", "-rf", fresh })
  if code == 0 then
    code, out = run_owner(self, { self.programs .. "/initdb", "-D", fresh, "-U", "postgres", "--wal-segsize=1",
      "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth=peer", "--no-instructions" })
  end
  if code ~= 0 then return fail("io", "the database cannot be made in %s: %s", self.folder, last_line(out)) end
  code, out = run_owner(self, { "sh", "-c", 'printf "%s\\n" "include = \'perigee.conf\'" >>"$1/postgresql.conf"'
    .. ' && : >"$1/perigee.conf" && { [ ! -d "$2" ] || rmdir "$2"; } && mv "$1" "$2"', "sh", fresh, self.folder })
  if code ~= 0 then return fail("io", "the database cannot be moved to %s: %s", self.folder, last_line(out)) end
  return true
end

-- ---- the server ----------------------------------------------------------------------------------

-- Is a process a server (or a backend) of this folder? A number in a file alone may be anybody's by now.
local function is_ours(self, pid)
  local cwd = fs.realpath(("/proc/%d/cwd"):format(pid))
  if not cwd or cwd ~= self.real_folder then return false end
  local name = fs.read(("/proc/%d/comm"):format(pid))
  return name ~= nil and name:find("^postgres") ~= nil
end

-- The postmaster that its file names, when it is one.
local function running(self)
  local text = fs.read(self.folder .. "/postmaster.pid")
  local pid = text and math.tointeger(tonumber(text:match("^%d+")))
  if pid and pid > 1 and child.alive(pid) and is_ours(self, pid) then return pid end
end

-- Backends whose postmaster was killed end by themselves; until then the memory is theirs.
local function await_orphans(self)
  local deadline = clock.io_ms() + ORPHANS_MS
  while true do
    local left
    for _, name in ipairs(fs.list("/proc") or {}) do
      local pid = math.tointeger(tonumber(name))
      if pid and is_ours(self, pid) then left = pid end
    end
    if not left then return true end
    if clock.io_ms() > deadline then
      return fail("exists", "process %d of a former database server still uses %s; end it", left, self.folder)
    end
    local ok, failure = task.sleep(50, "io")
    if not ok then return nil, failure end
  end
end

local function launch(self)
  local ok, failure = await_orphans(self)
  if not ok then return nil, failure end
  -- Nothing of this folder runs, so whatever these files name is gone or is somebody else.
  run_owner(self, { "rm", "-f", self.folder .. "/postmaster.pid", self.socket .. SOCKET_FILE .. ".lock",
    self.socket .. SOCKET_FILE })
  run_owner(self, { "sh", "-c", '[ ! -f "$1" ] || mv "$1" "$1.1"', "sh", self.log })
  local code, out = run_owner(self, { self.programs .. "/pg_ctl", "-D", self.folder, "-l", self.log, "-w", "-t",
    tostring(START_S), "-s", "start" })
  if code ~= 0 then
    local log = fs.read(self.log, 1 << 20) or out
    return fail("io", "the database in %s does not start: %s; see %s", self.folder, last_line(log), self.log)
  end
  self.pid = running(self)
  if not self.pid then return fail("io", "the database in %s ended at once; see %s", self.folder, self.log) end
  return true
end

-- A server of a former life may still be recovering, or stopping.
local function await_ready(self)
  local deadline = clock.io_ms() + START_S * 1000
  while running(self) do
    local code = run_owner(self, { self.programs .. "/pg_isready", "-q", "-h", self.socket, "-t", "5" })
    if code == 0 then return true end
    if clock.io_ms() > deadline then
      return fail("unreachable", "the database in %s runs (process %d) and does not answer; end it", self.folder,
        self.pid)
    end
    local ok, failure = task.sleep(100, "io")
    if not ok then return nil, failure end
  end
  return false
end

local function sql(self, text)
  return run_owner(self, { self.programs .. "/psql", "-X", "-A", "-t", "-q", "-h", self.socket, "-U", "postgres", "-d",
    "postgres", "-v", "ON_ERROR_STOP=1", "-c", text })
end

-- Its role, which is no superuser, and its database.
local function make_database(self)
  local code, out = sql(self, "SELECT (SELECT count(*) FROM pg_roles WHERE rolname = 'perigee')"
    .. " + 2 * (SELECT count(*) FROM pg_database WHERE datname = 'perigee')")
  local there = code == 0 and math.tointeger(tonumber(out))
  if there and there & 1 == 0 then code, out = sql(self, "CREATE ROLE perigee LOGIN") end
  if code == 0 and there & 2 == 0 then code, out = sql(self, "CREATE DATABASE perigee OWNER perigee") end
  if code ~= 0 then return fail("io", "the database cannot be set up: %s", last_line(out)) end
  return true
end

--- Does its server run?
---@return boolean
function Cluster:alive()
  self.pid = running(self) or self.pid
  return running(self) ~= nil
end

--- Stops the server: open transactions are rolled back. Takes at most half a minute. Yields.
---@return true|nil, table|nil err
function Cluster:stop()
  if not running(self) then return true end -- pg_ctl would signal whoever has the number in an old pid file
  local code, out
  for _, mode in ipairs { "fast", "immediate" } do
    code, out = run_owner(self, { self.programs .. "/pg_ctl", "-D", self.folder, "-m", mode, "-w", "-t",
      tostring(STOP_S), "-s", "stop" })
    if code == 0 or not running(self) then
      run { "rmdir", self.socket } -- empty now; if not, it is in nobody's way
      return true
    end
  end
  return fail("failed", "the database in %s does not stop: %s", self.folder, last_line(out))
end

local function prepare(self, options)
  local version, failure = inspect(self)
  if failure then return nil, failure end
  self.programs, failure = find_programs(version, options.programs)
  if not self.programs then return nil, failure end
  if version then
    local _, out = run { self.programs .. "/postgres", "--version" }
    local installed = (out or ""):match("(%d+)[%d.]*")
    if installed ~= version then
      return fail("exists", "the database in %s is of PostgreSQL %s, and version %s is installed; install "
        .. "postgresql-%s, or move the folder away: the history is made again from the journal", self.folder, version,
        installed or "?", version)
    end
  end
  local ok
  ok, failure = (self.as_root and root_folders or user_folders)(self)
  if not ok then return nil, failure end
  if version then return true end
  options.say("database        made in " .. self.folder)
  return make(self)
end

--- Starts or finds the private cluster of a data folder, which must exist. Yields.
---@param options { data: string, say: fun(text: string)|nil, programs: string[]|nil }
---   programs: folders to look for the server's programs in, instead of the usual ones
---@return perigee.Cluster|nil, table|nil err
function cluster.start(options)
  if type(options) ~= "table" or type(options.data) ~= "string" then
    error("cluster.start: { data = folder } expected", 2)
  end
  options = { data = options.data, programs = options.programs, say = options.say or function() end }
  local self, failure = layout(options.data)
  if not self then return nil, failure end
  local ok
  ok, failure = prepare(self, options)
  if not ok then return nil, failure end
  self.real_folder = fs.realpath(self.folder)
  self.pid = running(self)
  self.adopted = self.pid ~= nil
  if self.adopted then
    ok, failure = await_ready(self)
    if failure then return nil, failure end
    self.adopted = ok == true
  end
  if not self.adopted then
    ok, failure = write_files(self)
    if ok then ok, failure = launch(self) end
    if not ok then return nil, failure end
  end
  ok, failure = make_database(self)
  if not ok then return nil, failure end
  self.conninfo = ("host='%s' dbname=perigee user=perigee application_name=perigee"):format(
    (self.socket:gsub("[\\']", "\\%0")))
  return self
end

return cluster
