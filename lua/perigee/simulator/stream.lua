-- SPDX-License-Identifier: MIT
-- The reference stream of the paper broker (messages: see perigee.feeds.reference): what the market does, to every
-- subscriber, without loss. With speed "max" the market moves only on a client's grants.

local json = require "perigee.json"

local stream = {}

local MAX_GRANT = 1000
local MAX_PENDING = 64 * 1024 * 1024
local MAX_HISTORY = 3600

local timeframes = { ["1s"] = true, ["1m"] = true, ["5m"] = true, ["15m"] = true }

---@class perigee.SimStream
local Stream = {}
Stream.__index = Stream

---@param options { sim: any, symbol: string, point: string, speed: string, source: string }
---@return perigee.SimStream
function stream.new(options)
  return setmetatable({ sim = options.sim, options = options, clients = {}, count = 0 }, Stream)
end

local function hello(self)
  local o, sim = self.options, self.sim
  return json.object { { "type", json.string("hello") }, { "symbol", json.string(o.symbol) },
    { "point", json.number(o.point) }, { "now", json.number(sim:now()) },
    { "speed", o.speed == "max" and json.string("max") or json.number(o.speed) },
    { "prices", json.string(sim:recorded() and "recorded" or "modelled") }, { "side", json.string("modelled") },
    { "depth", json.string("modelled") }, { "source", json.string(o.source) },
    { "ended", sim:ended() and "true" or "false" } }
end

local function history(self, message)
  local rows = {}
  local count = math.floor(math.max(0, math.min(message.count, MAX_HISTORY)))
  for i, bar in ipairs(self.sim:history(self.options.symbol, message.history, count)) do
    rows[i] = json.list { json.number(bar.open_ms), json.number(bar.open), json.number(bar.high), json.number(bar.low),
      json.number(bar.close), json.number(bar.volume), json.number(bar.buy_volume), json.number(bar.sell_volume) }
  end
  return json.object { { "type", json.string("history") }, { "id", json.encode(message.id or 0) },
    { "bars", json.list(rows) } }
end

--- Sends what the market did since the last call. `granted`: the client whose grant caused it.
function Stream:flush(granted)
  if self.count == 0 then return end
  local events, sim = self.sim:take(), self.sim
  local head = ('{"type":"data","reached":%d,'):format(sim:now())
  if sim:ended() then head = head .. '"ended":true,' end
  local plain = head .. '"e":[' .. events .. "]}"
  for conn in pairs(self.clients) do
    if conn == granted then
      conn:send(head .. '"granted":true,"e":[' .. events .. "]}")
    else
      conn:send(plain)
    end
    if conn:pending() > MAX_PENDING then conn:close() end
  end
end

local function subscribe(self, conn)
  if self.clients[conn] then return end
  self:flush()
  self.clients[conn] = true
  self.count = self.count + 1
  self.sim:streaming(true)
  conn:send(hello(self))
end

local function grant(self, conn, to)
  if self.options.speed ~= "max" then return end
  local now = self.sim:now()
  local ok, err = self.sim:advance(math.max(now, math.min(math.floor(to), now + MAX_GRANT)))
  if not ok then error(err.message) end
  self:flush(conn)
end

--- Callbacks for perigee.httpd's `ws`.
function Stream:callbacks()
  return {
    opened = function(_, path) return path == "/reference" end,
    message = function(conn, text)
      local message = json.decode(text)
      if type(message) ~= "table" then
        conn:close()
      elseif message.subscribe then
        subscribe(self, conn)
      elseif type(message.grant) == "number" and self.clients[conn] then
        grant(self, conn, message.grant)
      elseif timeframes[message.history] and type(message.count) == "number" then
        conn:send(history(self, message))
      end
    end,
    closed = function(conn)
      if not self.clients[conn] then return end
      self.clients[conn] = nil
      self.count = self.count - 1
      if self.count == 0 then self.sim:streaming(false) end
    end,
  }
end

return stream
