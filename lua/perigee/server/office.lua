-- SPDX-License-Identifier: MIT
-- What the office is made of, and how its parts hear of each other: the engine's events to the mirror, the sockets
-- and the projector; the states of engine and database to everybody.
--
-- Two connections go to the engine. One is live: snapshot, events from there on, state, commands; nothing on it waits
-- for the database, so that a change is in the browser as soon as it is committed. The other feeds the projector and
-- waits as long as the database takes.

local clock = require "perigee.clock"
local copies = require "perigee.server.copies"
local audit = require "perigee.server.audit"
local auth = require "perigee.server.auth"
local gate = require "perigee.server.gate"
local hub = require "perigee.server.hub"
local json = require "perigee.json"
local link = require "perigee.server.link"
local log = require "perigee.log"
local mirror = require "perigee.server.mirror"
local mirror_events = require "perigee.server.mirror_events"
local origins = require "perigee.server.origins"
local projector = require "perigee.store.projector"
local task = require "perigee.task"

local office = {}

local REFRESH_MS = 250
local DELAYED = 2000 -- events that are not in the tables
local STATE_MS = 1000
local AUDIT_MS = 1000 -- for what waits to be written at the end

---@class perigee.Office
---@field mirror perigee.Mirror
---@field link perigee.Link       live
---@field feed perigee.Link       of the projector
---@field projector perigee.Projector
---@field db perigee.Gate
---@field auth perigee.Auth
---@field sockets perigee.Sockets|nil
---@field key fun(): string|nil, table|nil
---@field audit fun(ctx: perigee.RouteContext, entry: perigee.AuditEntry)
---@field system fun(): table
---@field expected integer|nil   number of the event that the feed begins with, when the tables know it
---@field currency string
local Office = {}
Office.__index = Office

-- ---- state ---------------------------------------------------------------------------------------

local function lag_of(self)
  local applied = self.projector:applied()
  if not applied then return self.projector:lag() end
  return math.max(0, self.mirror.seq - applied)
end

local function database_state(self)
  if self.db:update() ~= "ready" then return "away" end
  if self.projector:state() == "delayed" or lag_of(self) > DELAYED then return "delayed" end
  return "connected"
end

-- The state of the database with the time since when it is so.
local function database_row(self)
  local state = database_state(self)
  if self.database.state ~= state then self.database = { state = state, since_ms = clock.wall_ms() } end
  return { state = state, since = clock.iso(self.database.since_ms), applied_seq = self.projector:applied() or 0,
    lag = lag_of(self) }
end

function Office:system_row()
  local row, e = self.mirror:system_brief(), self.mirror.engine
  local connected = self.link.state == "connected"
  row.mode = e.mode == "live" and "live" or "paper"
  row.engine = { state = self.link.state, since = clock.iso(self.link.since_ms),
    version = connected and e.version or json.null, pid = connected and e.pid or json.null }
  row.database = database_row(self)
  if not connected then
    row.feed = { state = "unknown", source = row.feed.source, age_ms = json.null }
    row.broker = { state = "unknown", age_ms = json.null }
  end
  return row
end

-- Tells the sockets, when something of it has changed.
local function tell_system(self)
  local row = self:system_row()
  local mark = ("%s %s %s %s %s"):format(row.engine.state, row.database.state, tostring(row.engine.pid),
    tostring(row.entries_stopped), row.feed.state)
  if mark == self.told_system then return end
  self.told_system = mark
  self.sockets:tell { { type = "system_update", key = "system", data = row } }
end

-- ---- events --------------------------------------------------------------------------------------

local PARTS = {
  { "users", "user_update", function(self) return self.mirror:list_users() end,
    function(row) return { op = "changed", user = row } end },
  { "sessions", "session_update", function(self) return self.mirror:list_sessions() end,
    function(row) return { session = row } end },
  { "accounts", "balance_update", function(self) return self.mirror:list_accounts() end,
    function(row) return { accounts = json.array { row } } end },
}

local put = {
  users = function(m, row) m:put_user(row) end,
  sessions = function(m, row) m.sessions[row.id] = row end,
  accounts = function(m, row) m.accounts[row.id] = row end,
}

-- Rows of the engine, as new as the newest event that was told: tells what differs from what the events had told.
local function take_rows(self, part, rows)
  local name, kind, list, data = table.unpack(part)
  local before, changes = {}, {}
  for _, row in ipairs(list(self)) do before[row.id] = json.encode(row) end
  for _, row in ipairs(rows) do put[name](self.mirror, row) end
  for _, row in ipairs(list(self)) do
    if json.encode(row) ~= before[row.id] then
      changes[#changes + 1] = { type = kind, key = ("%s:%s"):format(name, row.id), data = data(row) }
    end
  end
  if #changes > 0 then
    local m = self.mirror
    self.sockets:tell(changes, { seq = m.seq, market_ms = m.market.time_ms or 0, wall_us = clock.wall_ms() * 1000 })
  end
end

local function refresh_part(self, part)
  return self.link:command(part[1], nil, nil, nil, function(rows) take_rows(self, part, rows) end)
end

-- Soon, and once for many events.
local function refresh_later(self)
  if self.refreshing then return end
  self.refreshing = true
  task.spawn(function()
    local slept = task.sleep(REFRESH_MS, "io")
    self.refreshing = false
    if not slept then return end
    for _, part in ipairs(PARTS) do
      if not refresh_part(self, part) then return end
    end
    self.copies:wake()
  end)
end

local function on_event(self, e)
  if e.kind == "command" then self.origins:event(e) end
  local changes, stale = mirror_events.add(self.mirror, e)
  local told, system = {}, false
  for _, c in ipairs(changes) do
    if c.type == "system" then system = true else told[#told + 1] = c end
  end
  if #told > 0 then self.sockets:tell(told, e) end
  if system then tell_system(self) end
  if stale then refresh_later(self) end
end

local function on_told(self, frame)
  if not self.mirror.known then return end
  local change = self.mirror:state(frame)
  if change then self.sockets:tell { change } end
end

-- The live connection begins with the whole picture.
local function on_connected(self, live)
  local snapshot, err = live:command("snapshot")
  if not snapshot then
    if err.code ~= "unavailable" then log.warn("office", "the engine gives no snapshot: " .. err.message) end
    return nil, err
  end
  self.mirror:snapshot(snapshot)
  self.sockets:restart(snapshot.seq)
  self.copies:wake()
  return snapshot.seq + 1
end

-- ---- the projector's feed ------------------------------------------------------------------------

-- The tables are of a journal that is not the engine's: of a data folder that was in this place before. What they
-- hold belongs to it; the history is made anew.
local function renew(self)
  log.warn("office", "the tables are of another journal than the engine's; the history is made anew")
  local ok, err = projector.reset(self.raw)
  if ok then ok, err = self.projector:open() end -- it sees that the tables went back, and the feed begins again
  return ok, err
end

-- The event that the tables are at is told once more: it must be the one that they know.
local function feed_from(self)
  local applied = self.projector:applied()
  if not applied then return nil end
  self.expected = applied > 0 and applied or nil
  if not self.expected then return 1 end
  local now, err = self.feed:command("snapshot")
  if not now then return nil, err end
  if now.seq >= applied then return applied end
  local ok
  ok, err = renew(self)
  if not ok then return nil, err end
  self.expected = nil
  return 1
end

-- Waits until the projector knows where it is and has room.
local function feed_ready(self)
  while not self.projector:applied() or self.projector:full() do
    local ok, err = self.applied:wait(1000)
    if not ok and err.code ~= "timeout" then return nil, err end
  end
  return true
end

local function feed_event(self, e)
  if self.expected then
    local same = e.seq == self.expected and e.wall_us == self.projector:applied_wall_us()
    local moved = self.projector:applied() ~= self.expected -- what waited was written meanwhile
    self.expected = nil
    if not same and not moved then
      local ok, err = renew(self)
      if not ok then log.error("office", "the history was not made anew: " .. tostring(err.message)) end
      self.feed:reconnect()
      return
    end
  end
  if self.projector:add(e) then return end
  -- The engine's journal keeps what does not fit here: the feed comes back when there is room.
  self.feed:reconnect()
end

-- ---- the database --------------------------------------------------------------------------------

-- Whenever the database is there (again): tables, sign-ins, audit rows that waited.
local function keep_database(self, prepare)
  while true do
    if not self.raw:ready() then return end
    local ok, err = prepare(self)
    if ok then
      self.opened:set(true)
      self.audit_log:flush()
      self.copies:wake()
      tell_system(self)
      repeat
        ok, err = self.turned:wait()
        if not ok and err.code ~= "timeout" then return end
      until self.raw.state ~= "ready"
    else
      if err.code == "cancelled" then return end
      if err.code ~= "unreachable" then log.error("office", "the history is away: " .. err.message) end
      if not task.sleep(err.code == "migration" and 30000 or 1000, "io") then return end
    end
  end
end

-- ---- composition ---------------------------------------------------------------------------------

---@class perigee.OfficeOptions
---@field db perigee.Db
---@field engine string          path of engine.sock
---@field currency string
---@field minutes integer        of an unused sign-in
---@field key fun(): string|nil, table|nil

---@param options perigee.OfficeOptions
---@return perigee.Office
function office.new(options)
  local self = setmetatable({ raw = options.db, db = gate.new(options.db), currency = options.currency,
    key = options.key, mirror = mirror.new(options.currency), applied = task.event(), turned = task.event(),
    opened = task.event(),
    database = { state = "away", since_ms = clock.wall_ms() }, tasks = {} }, Office)
  self.projector = projector.new { db = options.db }
  self.audit_log = audit.new(self.db)
  self.audit = function(ctx, entry) self.audit_log:write(ctx, entry) end
  self.system = function() return self:system_row() end
  self.auth = auth.new { db = self.db, minutes = options.minutes,
    on_end = function(signed) self.sockets:sign_out(signed) end }
  self.link = link.new { path = options.engine, told = function(frame) on_told(self, frame) end,
    event = function(e) on_event(self, e) end, connected = function(live) return on_connected(self, live) end,
    changed = function() tell_system(self) end }
  self.feed = link.new { path = options.engine, event = function(e) feed_event(self, e) end,
    ready = function() return feed_ready(self) end, connected = function() return feed_from(self) end }
  self.origins = origins.new { db = self.db, projector = self.projector }
  self.copies = copies.new { db = self.db, link = self.link, projector = self.projector, mirror = self.mirror }
  self.projector:on_applied(function()
    self.applied:set(true)
    tell_system(self)
  end)
  self.projector:on_rewind(function() self.feed:reconnect() end)
  self.raw:on_state(function()
    self.turned:set(true)
    tell_system(self)
  end)
  return self
end

--- Gives a command that changes something to the engine, in the name of who asks.
---@param ctx perigee.RouteContext
---@param name string
---@param args table
---@param timeout_ms integer|nil
---@param taken fun(result: any)|nil  see Link:command
---@return any result, table|nil err
function Office:change(ctx, name, args, timeout_ms, taken)
  local who = ctx.operator.username
  self.origins:expect(who, name, ctx.key)
  local result, err = self.link:change(name, args, who, timeout_ms, taken, ctx.key)
  self.origins:answered(who, name, ctx)
  return result, err
end

--- The rows that a channel's client begins with, as a message.
---@param channel string
---@return string
function Office:snapshot_of(channel)
  local m = self.mirror
  local data = { system = self:system_row(), accounts = json.array(m:list_accounts()),
    positions = json.array(m:list_positions()), rates = m.rates }
  if channel ~= "positions" then
    data.orders, data.signals = json.array(m:list_orders()), json.array(m:list_signals())
    data.instruments = json.array(m:list_instruments())
  end
  if channel == "dashboard" then
    data.users, data.sessions = json.array(m:list_users()), json.array(m:list_sessions())
  end
  local e = { seq = m.seq, wall_us = clock.wall_ms() * 1000 }
  return hub.message("snapshot", data, e, m.market.time_ms and clock.iso(m.market.time_ms))
end

local function keep(self, name, fn, ...)
  local args = table.pack(...)
  self.tasks[#self.tasks + 1] = task.spawn(function()
    while not self.stopping do
      local ok, why = xpcall(fn, debug.traceback, table.unpack(args, 1, args.n))
      if ok or self.stopping then return end
      log.error("office", ("%s broke and is started again: %s"):format(name, tostring(why)))
      if not task.sleep(1000, "io") then return end
    end
  end)
end

--- Starts what goes on by itself. `prepare` makes the tables and the first admin, and may be called again.
---@param prepare fun(office: perigee.Office): true|nil, table|nil
function Office:run(prepare)
  keep(self, "database", keep_database, self, prepare)
  keep(self, "projector", function()
    if self.db.open or self.opened:wait() then self.projector:run() end
  end)
  keep(self, "engine link", function() self.link:run() end)
  keep(self, "projector feed", function() self.feed:run() end)
  keep(self, "sealed copies", function() self.copies:run() end)
  keep(self, "state", function() -- what changes by waiting alone
    while task.sleep(STATE_MS, "io") do tell_system(self) end
  end)
  keep(self, "sign-ins", function()
    while task.sleep(30000, "io") do self.auth:sweep() end
  end)
end

--- Ends it all; events that were not written come again at the next start, audit rows would not. May wait a little.
function Office:stop()
  self.stopping = true
  self.audit_log:finish(AUDIT_MS)
  self.link:stop()
  self.feed:stop()
  for _, t in ipairs(self.tasks) do t:cancel() end
  self.raw:close()
end

return office
