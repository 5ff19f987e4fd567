-- SPDX-License-Identifier: MIT
-- The WebSockets of the office: who may open one, what they may say (a ping), when they end. What is told to them is
-- perigee.server.hub's.

local clock = require "perigee.clock"
local hub = require "perigee.server.hub"
local json = require "perigee.json"
local request = require "perigee.server.request"
local task = require "perigee.task"

local sockets = {}

---@class perigee.Sockets
---@field hub perigee.Hub
local Sockets = {}
Sockets.__index = Sockets

local PATHS = { ["/ws/dashboard"] = "dashboard", ["/ws/trading"] = "trading", ["/ws/positions"] = "positions" }
local MOST_OF_ONE, MOST = 20, 1000
local MOST_FRAME = 4096
local HEARTBEAT_MS, FLUSH_MS = 5000, 50
local MOST_ANSWERS = 1 << 20 -- bytes of pongs that wait
local POLICY, TOO_BIG, SIGNED_OUT, GOING_AWAY = 1008, 1009, 4401, 1001

---@class perigee.SocketsOptions
---@field auth perigee.Auth
---@field router perigee.Router
---@field hosts table<string, boolean>
---@field snapshot fun(channel: string): string
---@field system fun(): table          for a client that resumes: what is newest of the unnumbered state

---@param options perigee.SocketsOptions
---@return perigee.Sockets
function sockets.new(options)
  return setmetatable({ auth = options.auth, router = options.router, hosts = options.hosts, system = options.system,
    hub = hub.new(options.snapshot), flushing = false, beating = false }, Sockets)
end

-- ---- opening -------------------------------------------------------------------------------------

--- Asked about each handshake: a status refuses, nil and a tag lets it through.
function Sockets:check(req)
  if not PATHS[req:path()] then return 404 end
  if not self.router:knows_host(req:header("host")) then return 403 end
  if not request.same_origin(req:header("origin"), req:header("sec-fetch-site"), req:header("host"), self.hosts) then
    return 403
  end
  local token = request.cookie(req:header("cookie"), "perigee_session")
  local signed = self.auth:who(token)
  if not signed then return self.auth:may_know(token) and 503 or 401 end
  if signed.must_change_password then return 403 end
  if self.hub.count >= MOST or self.hub:count_of(signed.operator_id) >= MOST_OF_ONE then return 429 end
  return nil, signed.hash
end

-- Heartbeats while somebody listens.
local function beat(self)
  if self.beating then return end
  self.beating = true
  task.spawn(function()
    while self.hub.count > 0 and task.sleep(HEARTBEAT_MS, "io") do
      self.hub:heartbeat(clock.io_ms(), HEARTBEAT_MS - 100)
    end
    self.beating = false
  end)
end

-- Those who do not keep up are looked at until they do.
local function flush_later(self)
  if self.flushing then return end
  self.flushing = true
  task.spawn(function()
    while task.sleep(FLUSH_MS, "io") and self.hub:flush(clock.io_ms()) do end
    self.flushing = false
  end)
end

function Sockets:opened(conn, path, hash)
  local signed = self.auth.signed[hash]
  local name, query = path:match("^([^?]*)%??(.*)$")
  if not signed or not PATHS[name] then return false end
  local since = math.tointeger(tonumber(query:match("^since=(%d+)$") or ""))
  local client = self.hub:add(conn, PATHS[name], signed, clock.io_ms())
  conn:data(client)
  task.spawn(function()
    if not self.hub.clients[client] then return end
    if self.hub:begin(client, since, clock.io_ms()) then conn:send(hub.message("system_update", self.system())) end
    if client.waiting > 0 then flush_later(self) end
  end)
  beat(self)
  return true
end

-- ---- what they say -------------------------------------------------------------------------------

--- A frame of a client.
function Sockets.message(_, conn, text)
  if #text > MOST_FRAME then return conn:close(TOO_BIG) end
  local value = json.decode(text)
  if type(value) ~= "table" or value.type ~= "ping" or conn:pending() > MOST_ANSWERS then return conn:close(POLICY) end
  conn:send('{"type":"pong"}')
end

function Sockets:closed(conn)
  local client = conn:data()
  if client then self.hub:remove(client) end
end

--- A sign-in has ended.
function Sockets:sign_out(signed) self.hub:close_of(signed.hash, SIGNED_OUT) end

--- The office ends.
function Sockets:shut()
  for client in pairs(self.hub.clients) do client.conn:close(GOING_AWAY) end
end

-- ---- telling -------------------------------------------------------------------------------------

--- Tells changes of an event, or of unnumbered state when `e` is nil.
---@param changes perigee.MirrorChange[]
---@param e perigee.Event|nil
function Sockets:tell(changes, e)
  local now, behind = clock.io_ms(), false
  local listened = self.hub.count > 0
  for _, c in ipairs(changes) do
    local numbered = e and not c.newest
    if numbered or listened then
      local text = hub.message(c.type, c.data, numbered and e or nil, numbered and clock.iso(e.market_ms) or nil)
      behind = self.hub:publish({ type = c.type, key = c.key, seq = numbered and e.seq or nil, text = text }, now)
        or behind
    end
  end
  if behind then flush_later(self) end
end

--- The picture was taken anew, as of a number.
function Sockets:restart(seq)
  if self.hub:restart(seq, clock.io_ms()) then flush_later(self) end
end

return sockets
