-- SPDX-License-Identifier: MIT
-- Who listens to what: changes go to every client of their channel at once; for a client that does not read they are
-- gathered, newest-only where that is enough, and after too many of them it gets a fresh snapshot. Pure but for the
-- connection's send, pending and close, so that it is tested with fakes.
--
-- Numbered changes stay in a ring for clients that come back: what is after `floor` can be told again.

local json = require "perigee.json"

local hub = {}

---@class perigee.HubConn
---@field send fun(self, text: string): any
---@field pending fun(self): integer       bytes that wait in the kernel's way
---@field close fun(self, code: integer|nil)

---@class perigee.HubClient
---@field conn perigee.HubConn
---@field channel string
---@field hash string              of its sign-in
---@field operator_id integer
---@field queue table[]            messages that wait, oldest first; false: replaced by a newer one
---@field waiting integer          of them
---@field at table<string, integer>  place of a key in the queue
---@field fresh boolean            a snapshot comes instead of the queue
---@field sent_ms integer          io clock

---@class perigee.Hub
local Hub = {}
Hub.__index = Hub

local RING, MOST_WAITING, MOST_PENDING = 4096, 1000, 64 * 1024

-- Which channels get which messages; a snapshot holds the rows that they are about.
local POSITIONS = { position_update = true, balance_update = true, marks = true, health = true, system_update = true }
local TRADING = { trade_signal = true, signal_outcome = true, order_executed = true, position_update = true,
  marks = true, quotes = true, bar = true, health = true, system_update = true }
hub.channels = { dashboard = setmetatable({}, { __index = function() return true end }), trading = TRADING,
  positions = POSITIONS }

---@param snapshot fun(channel: string): string   a whole snapshot message
---@return perigee.Hub
function hub.new(snapshot)
  return setmetatable({ snapshot = snapshot, clients = {}, count = 0, ring = {}, first = 1, last = 0, floor = 0,
    newest = 0 }, Hub)
end

--- A message's text: seq and wall clock only of numbered ones.
---@return string
function hub.message(kind, data, e, time)
  return json.object { { "type", json.string(kind) }, { "seq", e and json.number(e.seq) },
    { "time", time and json.string(time) }, { "wall_us", e and json.number(e.wall_us) },
    { "data", json.encode(data) } }
end

-- ---- one client ----------------------------------------------------------------------------------

local function send(client, text, now)
  client.sent_ms = now
  client.conn:send(text)
end

local function forget(client)
  client.queue, client.waiting, client.at = {}, 0, {}
end

local function enqueue(client, m)
  if client.fresh then return end
  local old = m.key and client.at[m.key]
  if old then
    client.queue[old] = false
    client.waiting = client.waiting - 1
  end
  client.queue[#client.queue + 1] = m
  client.waiting = client.waiting + 1
  if m.key then client.at[m.key] = #client.queue end
  if client.waiting > MOST_WAITING or #client.queue > 8 * MOST_WAITING then
    forget(client)
    client.fresh = true
  end
end

local function may_send(client) return client.conn:pending() < MOST_PENDING end

-- Sends what waits, as far as the connection takes it. true: nothing waits any more.
local function flush(self, client, now)
  if client.fresh then
    if not may_send(client) then return false end
    client.fresh = false
    send(client, self.snapshot(client.channel), now)
    return true
  end
  for i = 1, #client.queue do
    local m = client.queue[i]
    if m then
      if not may_send(client) then return false end
      client.queue[i] = false
      client.waiting = client.waiting - 1
      if m.key and client.at[m.key] == i then client.at[m.key] = nil end
      send(client, m.text, now)
    end
  end
  forget(client)
  return true
end

-- ---- all -----------------------------------------------------------------------------------------

--- Tells a change. `kind` picks the channels, `key` collapses waiting ones, `seq` is nil for newest-only state.
---@param m { type: string, key: string|nil, seq: integer|nil, text: string }
---@param now integer   io ms
---@return boolean behind   some client does not keep up: call flush() later
function Hub:publish(m, now)
  if m.seq then
    self.newest = math.max(self.newest, m.seq)
    self.last = self.last + 1
    self.ring[self.last] = m
    if self.last - self.first >= RING then
      self.floor = self.ring[self.first].seq + 1 -- one number may have several messages
      self.ring[self.first] = nil
      self.first = self.first + 1
    end
  end
  local behind = false
  for client in pairs(self.clients) do
    if hub.channels[client.channel][m.type] and client.begun then
      if client.waiting == 0 and not client.fresh and may_send(client) then
        send(client, m.text, now)
      else
        enqueue(client, m)
        behind = true
      end
    end
  end
  return behind
end

--- Sends what waits. true: some still does not keep up.
function Hub:flush(now)
  local behind = false
  for client in pairs(self.clients) do
    if client.waiting > 0 or client.fresh then behind = not flush(self, client, now) or behind end
  end
  return behind
end

--- What was told before `seq` cannot be told again: the picture was taken anew. Everybody gets it.
function Hub:restart(seq, now)
  self.ring, self.first, self.last, self.floor, self.newest = {}, 1, 0, seq, seq
  for client in pairs(self.clients) do
    if client.begun then
      forget(client)
      client.fresh = true
    end
  end
  return self:flush(now)
end

--- Takes a connection in; begin() sends the first message.
---@return perigee.HubClient
function Hub:add(conn, channel, signed, now)
  local client = { conn = conn, channel = channel, hash = signed.hash, operator_id = signed.operator_id, queue = {},
    waiting = 0, at = {}, fresh = false, sent_ms = now, begun = false }
  self.clients[client] = true
  self.count = self.count + 1
  return client
end

function Hub:remove(client)
  if not self.clients[client] then return end
  self.clients[client] = nil
  self.count = self.count - 1
end

--- Sockets of an operator.
function Hub:count_of(operator_id)
  local n = 0
  for client in pairs(self.clients) do n = n + (client.operator_id == operator_id and 1 or 0) end
  return n
end

--- The first message: what was missed since a number, when it is still known, or a snapshot.
---@param client perigee.HubClient
---@param since integer|nil
---@return boolean resumed
function Hub:begin(client, since, now)
  client.begun = true
  if not since or since < self.floor or since > self.newest then
    send(client, self.snapshot(client.channel), now)
    return false
  end
  send(client, json.object { { "type", json.string("resumed") }, { "seq", json.number(self.newest) } }, now)
  for i = self.first, self.last do
    local m = self.ring[i]
    -- Those of the number itself as well: of several with one number it may have got some. They say what is, so
    -- getting one twice is harmless.
    if m.seq >= since and hub.channels[client.channel][m.type] then enqueue(client, m) end
  end
  flush(self, client, now)
  return true
end

--- Says something to those that heard nothing for a while.
function Hub:heartbeat(now, silence_ms)
  for client in pairs(self.clients) do
    if client.begun and now - client.sent_ms >= silence_ms and client.waiting == 0 then
      send(client, '{"type":"heartbeat"}', now)
    end
  end
end

--- Closes the sockets of a sign-in.
function Hub:close_of(hash, code)
  for client in pairs(self.clients) do
    if client.hash == hash then client.conn:close(code) end
  end
end

return hub
