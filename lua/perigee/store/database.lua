-- SPDX-License-Identifier: MIT
--
-- A few connections to PostgreSQL that come and go. Whoever asks while the database is away is told so at once
-- (code "unreachable"); nobody waits for it to come back but those who call ready(). One task of its own tries to
-- reach it again, with growing pauses.
--
-- A connection whose state is unclear (an error that did not come from a statement, a task that was cancelled in
-- between) is closed, never given to the next one. The server looks for closed connections while a statement runs, so
-- that one nobody waits for any more does not go on, and does not hold its locks.

local clock = require "perigee.clock"
local config = require "perigee.config"
local err = require "perigee.err"
local log = require "perigee.log"
local pg = require "perigee.pg"
local task = require "perigee.task"
local waiters = require "perigee.store.waiters"

local database = {}

local FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 100, 5000
local CONNECT_MS = 5000
local WAIT_MS = 10000 -- for a connection, when all are taken
local GONE_MS = 500 -- how often the server looks whether a running statement's client is still there

---@class perigee.Db
---@field state "connecting"|"ready"|"away"|"closed"
local Db = {}
Db.__index = Db

-- ---- where it is ---------------------------------------------------------------------------------

--- The connection string that the configuration asks for: DATABASE_URL, else DB_*, else the private cluster.
---@return string|nil conninfo, table|nil err
function database.conninfo()
  local url = config.get("database.url")
  if url and url ~= "" then return url end
  local host = config.get("database.host")
  if host and host ~= "" then
    local name = config.get("database.name")
    if not name then return nil, err.new("input", "DB_HOST is set and DB_NAME is not; set both or none", "database") end
    return pg.conninfo { host = host, port = config.get("database.port"), dbname = name,
      user = config.get("database.user"), password = config.get("database.password"), application_name = "perigee" }
  end
  local folder = config.get("database.socket")
  if folder and folder ~= "" then
    return pg.conninfo { host = folder, dbname = config.get("database.name") or "perigee",
      user = config.get("database.user") or "perigee", application_name = "perigee" }
  end
  return nil, err.new("input", "no database is configured: set DATABASE_URL, or DB_HOST and DB_NAME", "database")
end

-- ---- life ----------------------------------------------------------------------------------------

local function set_state(self, state, why)
  if self.state == state then return end
  self.state = state
  self.why = why
  for _, fn in ipairs(self.listeners) do
    local ok, failure = pcall(fn, state)
    if not ok then log.error("database", tostring(failure)) end
  end
  self.changed:wake()
end

-- A new connection: UTC, no statement that runs for ever, and plans for the very values of a statement: a plan for all
-- values reads a whole table for a list that a filter makes short.
local function connect(self)
  local conn, failure = pg.connect { conninfo = self.conninfo, timeout_ms = CONNECT_MS }
  if not conn then return nil, failure end
  local ok
  ok, failure = conn:exec(("SET timezone = 'UTC'; SET statement_timeout = %d; SET lock_timeout = %d; "
    .. "SET plan_cache_mode = force_custom_plan; SET client_connection_check_interval = %d")
    :format(self.statement_ms, self.statement_ms, GONE_MS))
  if not ok then
    conn:close()
    return nil, failure
  end
  return conn
end

-- Reaches for the database until one connection stands.
local function reach(self)
  local pause, told = FIRST_PAUSE_MS, false
  while self.state ~= "closed" do
    local conn, failure = connect(self)
    if conn then
      if self.state == "closed" then
        conn:close()
        return
      end
      self.open = self.open + 1
      self.idle[#self.idle + 1] = conn
      set_state(self, "ready")
      return
    end
    if failure.code == "cancelled" then return end
    if not told then log.warn("database", "not reachable: " .. failure.message) end
    told = true
    set_state(self, "away", failure.message)
    if not task.sleep(pause, "io") then return end
    pause = math.min(pause * 2, LONGEST_PAUSE_MS)
  end
end

local function start_reaching(self)
  if self.reaching and not self.reaching:done() then return end
  self.reaching = task.spawn(reach, self)
end

--- Opens a pool; returns at once, the first connection is made in the background.
---@param options { conninfo: string, size: integer?, statement_ms: integer? }
---@return perigee.Db
function database.open(options)
  if type(options) ~= "table" or type(options.conninfo) ~= "string" then
    error("database.open: { conninfo = string, size = integer } expected", 2)
  end
  local self = setmetatable({ conninfo = options.conninfo, size = options.size or 4,
    statement_ms = options.statement_ms or 30000, state = "connecting", idle = {}, open = 0, waiting = 0,
    listeners = {}, changed = waiters.new(), freed = waiters.new() }, Db)
  start_reaching(self)
  return self
end

--- Closes all connections; those in use when their user is done.
function Db:close()
  set_state(self, "closed")
  if self.reaching and not self.reaching:done() then self.reaching:cancel() end
  for _, conn in ipairs(self.idle) do conn:close() end
  self.open = self.open - #self.idle
  self.idle = {}
  self.freed:wake()
end

--- Calls fn(state) at each change: "ready", "away", "closed". It must not yield.
---@param fn fun(state: string)
function Db:on_state(fn)
  self.listeners[#self.listeners + 1] = fn
end

--- Waits until the database is there.
---@param timeout_ms integer|nil  nil: for ever
---@return true|nil, table|nil err
function Db:ready(timeout_ms)
  local deadline = timeout_ms and clock.io_ms() + timeout_ms
  while self.state ~= "ready" do
    if self.state == "closed" then return nil, err.new("closed", "the database was closed", "database") end
    local left = deadline and deadline - clock.io_ms()
    if left and left <= 0 then
      return nil, err.new("timeout", "the database is not reachable: " .. (self.why or "no answer yet"), "database",
        "safe")
    end
    local ok, failure = self.changed:wait(left)
    if not ok and failure.code ~= "timeout" then return nil, failure end
  end
  return true
end

-- ---- connections ---------------------------------------------------------------------------------

local function away(self)
  if self.state == "closed" then return nil, err.new("closed", "the database was closed", "database") end
  return nil, err.new("unreachable", "the database is away: " .. (self.why or "not reached yet"), "database", "safe")
end

-- A connection at the end of its use. When the server has dropped the last one, it is probably away.
local function give_back(self, conn, sound, lost)
  if sound and conn:alive() and self.state ~= "closed" then
    self.idle[#self.idle + 1] = conn
  else
    conn:close()
    self.open = self.open - 1
    if lost and self.open == 0 and self.state == "ready" then
      set_state(self, "away", "the connection was lost")
      start_reaching(self)
    end
  end
  self.freed:wake()
end

local function take(self)
  local deadline = clock.io_ms() + WAIT_MS
  while self.state == "ready" do
    while #self.idle > 0 do
      local conn = table.remove(self.idle)
      if conn:alive() then return conn end
      give_back(self, conn, false)
    end
    if self.state ~= "ready" then break end
    if self.open < self.size then
      self.open = self.open + 1
      local conn, failure = connect(self)
      if conn then return conn end
      self.open = self.open - 1
      if self.open == 0 then
        set_state(self, "away", failure.message)
        start_reaching(self)
      end
      return nil, failure
    end
    local ok, failure = self.freed:wait(math.max(deadline - clock.io_ms(), 1))
    if not ok then
      if failure.code == "timeout" then
        return nil, err.new("timeout", "all connections to the database are busy", "database", "safe")
      end
      return nil, failure
    end
  end
  return away(self)
end

-- After these nobody knows what the connection is doing.
local UNCLEAR = { unreachable = true, timeout = true, cancelled = true }

local function is_sound(failure)
  return not (type(failure) == "table" and UNCLEAR[failure.code])
end

--- Calls fn(conn) with a connection of its own; returns what it returns.
---@param fn fun(conn: table): any, table|nil
function Db:with(fn)
  local conn, failure = take(self)
  if not conn then return nil, failure end
  local guard <close> = setmetatable({}, { __close = function(g) give_back(self, conn, g.sound, g.lost) end })
  local result, why = fn(conn)
  guard.sound = result ~= nil or is_sound(why)
  guard.lost = result == nil and type(why) == "table" and why.code == "unreachable"
  return result, why
end

--- One statement.
---@param sql string
---@param params table|nil
---@return table|nil rows, table|nil err
function Db:query(sql, params)
  return self:with(function(conn) return conn:query(sql, params) end)
end

--- Calls fn(conn) within a transaction; commits when it returns something, rolls back when it returns nil, err or
--- raises. After code "unreachable" or "timeout" of the commit itself nobody knows whether it took place.
---@param fn fun(conn: table): any, table|nil
---@return any result, table|nil err
function Db:transaction(fn)
  return self:with(function(conn)
    local ok, failure = conn:exec("BEGIN")
    if not ok then return nil, failure end
    local result
    local fine, why = xpcall(function()
      result, failure = fn(conn)
    end, function(e) return type(e) == "table" and e or debug.traceback(tostring(e), 2) end)
    if not fine then
      conn:close()
      error(why, 0)
    end
    if result == nil then
      failure = failure or err.new("failed", "the transaction gave nothing back", "database")
      if not is_sound(failure) then return nil, failure end
      if not conn:exec("ROLLBACK") then conn:close() end
      return nil, failure
    end
    -- The server answers the COMMIT of a failed transaction with success, and undoes it.
    if conn:aborted() then
      if not conn:exec("ROLLBACK") then conn:close() end
      return nil, err.new("failed", "a statement of the transaction failed, and nobody looked", "database")
    end
    ok, failure = conn:exec("COMMIT")
    if not ok then return nil, failure end
    return result
  end)
end

return database
