-- SPDX-License-Identifier: MIT
-- The office's end of engine.sock: events from a number on, unnumbered state, and commands with their answers. It
-- connects again for ever; while it is away every command answers "unavailable" at once.
--
-- A command whose connection breaks may have been carried out: that is what its error says (retry "reconcile"), and
-- nothing here sends it again.

local clock = require "perigee.clock"
local event = require "perigee.event"
local json = require "perigee.json"
local log = require "perigee.log"
local sock = require "perigee.sock"
local task = require "perigee.task"

local link = {}

local SUBSCRIBE, EVENT, COMMAND, REPLY, STATE = 1, 2, 3, 4, 5
local EVENTS_ONLY = "\1"
local FIRST_PAUSE_MS, MOST_PAUSE_MS = 50, 2000

---@class perigee.Link
---@field state "connected"|"away"
---@field since_ms integer    wall clock
local Link = {}
Link.__index = Link

---@class perigee.LinkOptions
---@field path string
---@field connected fun(link: perigee.Link): integer|nil, table|nil  runs after each connect, may use command();
---  returns the first number to subscribe from
---@field ready (fun(): true|nil, table|nil)|nil  waits until a connection is wanted
---@field event fun(e: perigee.Event)    it may wait: the engine then keeps what comes
---@field told (fun(frame: table))|nil    a STATE frame; nil: none are wanted
---@field changed fun(state: string)|nil

---@param options perigee.LinkOptions
---@return perigee.Link
function link.new(options)
  return setmetatable({ path = options.path, on = options, state = "away", since_ms = clock.wall_ms(), next_id = 1,
    waiting = {} }, Link)
end

local function fail(code, message, retry)
  return nil, { code = code, message = message, source = "link", retry = retry or "no" }
end

local function set_state(self, state)
  if self.state == state then return end
  self.state, self.since_ms = state, clock.wall_ms()
  if self.on.changed then self.on.changed(state) end
end

-- ---- commands ------------------------------------------------------------------------------------

--- Sends a command and waits for its answer.
---@param name string
---@param args table|nil
---@param who string|nil        operator
---@param timeout_ms integer|nil
---@param taken fun(result: any)|nil  gets the result before any event that came after the answer is told; must not wait
---@return any result
---@return { code: string, message: string, retry: string }|nil err  code: input, not_found, state, refused,
---  unavailable, failed
function Link:command(name, args, who, timeout_ms, taken, key)
  if not self.conn then return fail("unavailable", "The engine is away; it is connected again by itself.", "safe") end
  local id = self.next_id
  self.next_id = id + 1
  local answer = task.event()
  self.waiting[id] = { answer = answer, taken = taken }
  local text = json.encode { id = id, name = name, args = args or {}, who = who, key = key }
  local ok = self.conn:send(COMMAND, text)
  if not ok then
    self.waiting[id] = nil
    return fail("unavailable", "The engine is away; it is connected again by itself.", "safe")
  end
  local set, reply = answer:wait(timeout_ms or 15000)
  self.waiting[id] = nil
  if not set then
    if reply.code == "cancelled" then return nil, reply end
    return fail("unavailable", "The engine did not answer in time; look whether it was done.", "reconcile")
  end
  if not reply then
    return fail("unavailable", "The connection to the engine broke; look whether it was done.", "reconcile")
  end
  if reply.ok then return reply.result == nil and true or reply.result end
  return fail(reply.code or "failed", tostring(reply.error or "it failed"))
end

--- A command that changes something. The engine answers before it tells its events; when this returns, those of the
--- command have been told, so that whoever reads next sees what was done.
---@param name string
---@param args table|nil
---@param who string|nil
---@param timeout_ms integer|nil
---@param taken fun(result: any)|nil  as for command()
---@param key string|nil  idempotency key: the engine does what it stands for once
---@return any result, table|nil err
function Link:change(name, args, who, timeout_ms, taken, key)
  local result, err = self:command(name, args, who, timeout_ms, taken, key)
  if result ~= nil or err.code ~= "unavailable" then self:command("ping") end
  return result, err
end

local function take_reply(self, payload)
  local reply = json.decode(payload)
  local asked = type(reply) == "table" and self.waiting[reply.id]
  if not asked then return end -- it came too late
  self.waiting[reply.id] = nil
  if asked.taken and reply.ok then asked.taken(reply.result) end
  asked.answer:set(reply)
end

-- ---- life ----------------------------------------------------------------------------------------

local take = {}

take[REPLY] = take_reply

take[STATE] = function(self, payload)
  if not self.on.told then return end
  local frame = json.decode(payload)
  if type(frame) == "table" then self.on.told(frame) end
end

take[EVENT] = function(self, payload)
  local e, err = event.decode(payload)
  if not e then
    log.error("office", "an event cannot be read: " .. tostring(err and err.message))
    return
  end
  self.on.event(e)
end

-- Reads until the connection ends or was dropped: what it still holds then comes again, too, and in its order. An
-- error of a handler ends it.
local function consume(self, conn)
  while true do
    local kind, payload = conn:recv()
    if not kind or self.dropped == conn then return end
    local fn = take[kind]
    if fn then fn(self, payload) end
  end
end

local function leave(self, conn)
  self.conn = nil
  conn:close()
  local waiting = self.waiting
  self.waiting = {}
  for _, asked in pairs(waiting) do asked.answer:set(false) end
  set_state(self, "away")
end

-- One connection from its beginning to its end. true: it worked for a while.
local function serve(self)
  if self.on.ready then
    local ok, why = self.on.ready()
    if not ok then return false, why end
  end
  local conn, err = sock.connect(self.path)
  if not conn then return false, err end
  local guard <close> = setmetatable({}, { __close = function() leave(self, conn) end })
  self.conn = conn
  local reader = task.spawn(consume, self, conn)
  local first
  first, err = self.on.connected(self)
  if first and conn:send(SUBSCRIBE, ("<I8"):pack(first) .. (self.on.told and "" or EVENTS_ONLY)) then
    set_state(self, "connected")
    local ok, why = reader:join()
    if not ok and type(why) == "table" and why.code == "cancelled" then return false, why end
    if not ok then log.error("office", "the engine's stream was left: " .. tostring(why)) end
    return guard ~= nil
  end
  conn:close()
  reader:join()
  return false, err
end

--- Connects for ever. A task of its own; cancelling it ends it.
function Link:run()
  local pause = FIRST_PAUSE_MS
  while not self.stopped do
    local worked, err = serve(self)
    if err and err.code == "cancelled" then return end
    pause = worked and FIRST_PAUSE_MS or math.min(pause * 2, MOST_PAUSE_MS)
    if self.stopped or not task.sleep(pause, "io") then return end
  end
end

--- Drops the connection; run() connects anew and subscribes again.
function Link:reconnect()
  if not self.conn then return end
  self.dropped = self.conn
  self.conn:close()
end

function Link:stop()
  self.stopped = true
  self:reconnect()
end

return link
