-- SPDX-License-Identifier: MIT
-- The reference feed: prints with side, ten levels of depth and quotes over a WebSocket, without loss.
-- Bars come only from here, and decisions follow its stamps.
--
-- Messages, JSON texts:
--   ours    {"subscribe":true}   {"history":"1m","count":500,"id":1}   {"grant":MS}
--   theirs  {"type":"hello","symbol":,"point":,"now":MS,"speed":20|"max","prices":,"side":,"depth":,"source":}
--           {"type":"data","reached":MS,"e":[["q",t,bid,ask],["p",t,price,volume,side],["d",t,[p,s,..],[p,s,..]]..]}
--           {"type":"history","id":1,"bars":[[open_ms,o,h,l,c,volume,buy,sell],...]}
-- With speed "max" the market stands still between grants of at most a second; each is answered by one
-- data message with "granted":true. The last data message there will ever be has "ended":true (and so has
-- the greeting when the market has ended already).

local clock = require "perigee.clock"
local event = require "perigee.event"
local json = require "perigee.json"
local log = require "perigee.log"
local market = require "perigee.market"
local task = require "perigee.task"
local ws = require "perigee.ws"

local reference = {}

local GRANT_MS = 1000

---@class perigee.Reference
local Feed = {}
Feed.__index = Feed

local function refused(message)
  return nil, { code = "unreachable", message = message, source = "reference", retry = "safe" }
end

-- The next message of one type; data that comes meanwhile is kept for later.
local function expect(self, kind, timeout_ms)
  while true do
    local text, err = self.conn:recv(timeout_ms)
    if not text then return nil, err end
    local message = json.decode(text)
    if type(message) ~= "table" then return refused("the reference feed sent something else than JSON") end
    if message.type == kind then return message end
    self.pending[#self.pending + 1] = message
  end
end

--- Connects and reads the greeting. What is older than `known_until` (market ms) was told before and is passed
--- over. Yields.
---@param url string       "ws://127.0.0.1:port/reference"
---@param known_until integer|nil
---@return perigee.Reference|nil, table|nil err
function reference.connect(url, known_until)
  local conn, err = ws.connect(url)
  if not conn then return nil, err end
  local self = setmetatable({ conn = conn, url = url, pending = {} }, Feed)
  self.known_until = known_until or math.mininteger
  conn:send('{"subscribe":true}')
  local hello
  hello, err = expect(self, "hello", 10000)
  if not hello then
    conn:close()
    return nil, err
  end
  self.hello = hello
  self.granted = hello.speed == "max"
  self.symbol = market.symbol_add(hello.symbol, hello.point)
  return self
end

--- Sets the market clock by the greeting.
function Feed:set_clock()
  local now = math.tointeger(self.hello.now)
  if self.granted then
    clock.grant(now)
  else
    clock.scale(now, self.hello.speed)
  end
end

--- Warms bars and indicators from the feed's own history. Yields.
---@param timeframe string
---@param count integer
---@return integer|nil bars, table|nil err
function Feed:warm(timeframe, count)
  self.request = (self.request or 0) + 1
  self.conn:send(('{"history":"%s","count":%d,"id":%d}'):format(timeframe, count, self.request))
  local message, err = expect(self, "history", 10000)
  if not message then return nil, err end
  for _, b in ipairs(message.bars) do
    local ok, why = market.warm(self.symbol, timeframe, { open_ms = math.tointeger(b[1]), open = b[2], high = b[3],
      low = b[4], close = b[5], volume = b[6], buy_volume = b[7], sell_volume = b[8], side = self.hello.side })
    if not ok then return nil, why end
  end
  return #message.bars
end

local MOST_MISSED = 3600

-- A second of history as prints that make the same bar: its open, the buyers at the high, the sellers at the low,
-- its close.
local function replay(self, bar)
  local symbol, side, t = self.symbol, self.hello.side, math.tointeger(bar[1])
  market.print(symbol, t, bar[2], 0, 0, side)
  market.print(symbol, t + 1, bar[3], bar[7], 1, side)
  market.print(symbol, t + 2, bar[4], bar[8], -1, side)
  market.print(symbol, t + 3, bar[5], math.max(bar[6] - bar[7] - bar[8], 0), 0, side)
end

--- After a reconnection: delivers what was missed since `since` (market ms) from the feed's history, by whole
--- seconds. err.code "gap": it is more than the history holds. Yields.
---@param since integer|nil
---@return integer|nil seconds, table|nil err
function Feed:catch_up(since)
  if not since then return 0 end
  local first = -(-since // 1000) * 1000
  local missed = (math.tointeger(self.hello.now) - first) // 1000
  if missed <= 0 then return 0 end
  if missed > MOST_MISSED then
    return nil, { code = "gap", source = "reference", retry = "no",
      message = ("the feed was lost for %d seconds, longer than its history"):format(missed) }
  end
  self.request = (self.request or 0) + 1
  self.conn:send(('{"history":"1s","count":%d,"id":%d}'):format(missed, self.request))
  local message, err = expect(self, "history", 10000)
  if not message then return nil, err end
  local count = 0
  for _, bar in ipairs(message.bars) do
    if bar[1] >= first then
      replay(self, bar)
      market.advance(math.tointeger(bar[1]) + 1000)
      count = count + 1
    end
  end
  return count
end

local function apply(self, message)
  local symbol, side = self.symbol, self.hello.side
  local prints, quotes, depth = market.print, market.quote, market.depth
  local known = self.known_until
  for _, e in ipairs(message.e) do
    local kind, t = e[1], e[2] // 1 | 0
    if self.granted then clock.advance(t) end
    if t < known then
      kind = "known" -- told before the connection was lost: a broker that was killed lives its last minute again
    end
    if kind == "p" then
      prints(symbol, t, e[3], e[4], e[5] // 1 | 0, side)
    elseif kind == "q" then
      quotes(symbol, t, e[3], e[4])
    elseif kind == "d" then
      local ok, err = depth(symbol, t, e[3], e[4])
      if not ok then log.warn("reference", tostring(err)) end
    end
  end
  local reached = message.reached // 1 | 0
  if self.granted then
    clock.advance(reached)
  elseif reached > clock.market_ms() then
    clock.scale(reached, self.hello.speed) -- the way of a message must not put our clock behind the market's
  end
  market.advance(reached)
  self.reached, self.heard = reached, clock.io_ms()
end

-- A scaled clock is compared with the stream: both run on the same machine's monotonic clock, so a
-- difference means that a process was stopped for a while.
local function follow(self)
  if self.granted then return end
  local speed = self.hello.speed
  local lag = clock.market_ms() - self.reached
  if lag > 1000 * math.max(speed, 1) or lag < -200 * math.max(speed, 1) then
    clock.scale(self.reached, speed)
  end
end

local function handle(self, message, on_end)
  if message.type ~= "data" then return false end
  local ok, why = pcall(apply, self, message)
  if not ok then return refused("the reference feed sent data that cannot be read: " .. tostring(why)) end
  follow(self)
  if message.ended and not self.ended then
    self.ended = true
    event.emit("market_ended", { reason = "the tape has ended" })
    on_end()
  end
  return message.granted == true and not self.ended
end

local function grant(self)
  local next_ms = (self.reached or clock.market_ms()) + GRANT_MS
  return self.conn:send(('{"grant":%d}'):format(next_ms))
end

--- Delivers data until the connection is lost (returns nil, err) or the task is cancelled. With granted
--- time it asks for the next second when everything that the last one caused has settled. Yields.
---@param on_end fun()
---@return nil, table err
function Feed:run(on_end)
  for _, message in ipairs(self.pending) do
    local ok, err = handle(self, message, on_end)
    if ok == nil then return nil, err end
  end
  self.pending = {}
  if self.hello.ended then
    self.ended = true
    event.emit("market_ended", { reason = "the tape has ended" })
    on_end()
  elseif self.granted then
    task.settled()
    grant(self)
  end
  while true do
    local text, err = self.conn:recv()
    if not text then return nil, err end
    local message = json.decode(text)
    if type(message) ~= "table" then return refused("the reference feed sent something else than JSON") end
    local granted
    granted, err = handle(self, message, on_end)
    if granted == nil then return nil, err end
    if granted then
      task.settled()
      grant(self)
    end
  end
end

function Feed:close()
  self.conn:close()
end

return reference
