-- SPDX-License-Identifier: MIT
--
-- The event stream into the tables, exactly once. Events wait in a queue; a batch of them is folded into rows and
-- written by one pipeline that is one transaction, together with the number of its last event. Whatever happens in
-- between, the mark and the rows tell the same: after a lost connection the mark is read, and what it covers is
-- dropped from the queue.
--
-- Memory is bounded: add() refuses events while the queue is full. The feeder then waits (put does it) and reads no
-- more from the engine, whose journal keeps everything; a feeder that must not wait throws them away and subscribes
-- again from applied() + 1 later. Numbers may have gaps; they must rise, and those up to applied() are ignored, so
-- subscribing from too early a number is harmless.
--
-- An event that cannot be stored is found by halving the batch, goes into system_logs with level error, is told to
-- on_error, and the rest goes on.

local clock = require "perigee.clock"
local err = require "perigee.err"
local fold = require "perigee.store.fold"
local log = require "perigee.log"
local pg = require "perigee.pg"
local rows = require "perigee.store.rows"
local task = require "perigee.task"
local waiters = require "perigee.store.waiters"

local projector = {}

local QUEUE = 8192     -- events that wait at most
local BATCH = 2048     -- events of a transaction at most
local GATHER_MS = 20   -- after an event that found the projector idle, for those that come with it
local RETRY_MS = 200   -- after a failure that is not an event's fault
local SLOW_MS = 2000   -- a transaction that takes longer is a delay

---@class perigee.Projector
local Projector = {}
Projector.__index = Projector

---@class perigee.ProjectorOptions
---@field db perigee.Db
---@field queue integer?      most events that wait
---@field batch integer?      most events of a transaction
---@field gather_ms integer?
---@field slow_ms integer?    a transaction that takes longer delays the history

---@param options perigee.ProjectorOptions
---@return perigee.Projector
function projector.new(options)
  if type(options) ~= "table" or not options.db then error("projector.new: { db = Db } expected", 2) end
  return setmetatable({ db = options.db, most = options.queue or QUEUE, batch = options.batch or BATCH,
    gather_ms = options.gather_ms or GATHER_MS, slow_ms = options.slow_ms or SLOW_MS, queue = {}, head = 1,
    tail = 0, mark = nil, newest = 0, listeners = {}, error_listeners = {}, rewind_listeners = {}, stale = true,
    room = waiters.new(), work = waiters.new(), progress = waiters.new(),
    delayed = false, pace = "idle" }, Projector)
end

-- ---- the queue -----------------------------------------------------------------------------------

--- Events that wait.
---@return integer
function Projector:waiting() return self.tail - self.head + 1 end

--- Does the queue take no more for now?
---@return boolean
function Projector:full() return self:waiting() >= self.most end

--- Takes the next event; it must not be changed afterwards.
---@param e perigee.Event
---@return boolean taken  false: the queue is full; wait for room, or subscribe again later
function Projector:add(e)
  if e.seq <= self.newest or (self.mark and e.seq <= self.mark) then
    self.newest = math.max(self.newest, e.seq)
    return true
  end
  if self:full() then return false end
  self.newest = e.seq
  self.tail = self.tail + 1
  self.queue[self.tail] = e
  if self.pace == "idle" or self:waiting() >= self.batch then self.work:wake() end
  return true
end

--- As add, but waits for room. Yields.
---@param e perigee.Event
---@return true|nil, table|nil err  when the task was cancelled
function Projector:put(e)
  while not self:add(e) do
    local ok, failure = self.room:wait()
    if not ok then return nil, failure end
  end
  return true
end

-- Forgets the events up to a number.
local function drop(self, seq)
  while self.head <= self.tail and self.queue[self.head].seq <= seq do
    self.queue[self.head] = nil
    self.head = self.head + 1
  end
  if self.head > self.tail then
    self.head, self.tail = 1, 0
  elseif self.head > self.most then -- indices stay small, so that the queue stays an array
    self.queue = table.move(self.queue, self.head, self.tail, 1, {})
    self.head, self.tail = 1, self:waiting()
  end
  self.room:wake()
end

--- Forgets what waits: the feeder subscribes again from applied() + 1.
function Projector:clear()
  self.queue, self.head, self.tail = {}, 1, 0
  self.newest = self.mark or 0
  self.room:wake()
end

-- ---- what others may know ------------------------------------------------------------------------

--- Number of the newest event in the tables; nil: the database was not reached yet.
---@return integer|nil
function Projector:applied() return self.mark end

--- Wall clock of that event, microseconds.
---@return integer|nil
function Projector:applied_wall_us() return self.mark_wall_us end

--- Events that were given and are not in the tables yet.
---@return integer
function Projector:lag() return self:waiting() end

--- A database that hangs breaks nothing: a batch that takes too long is a delay as well.
---@return "ok"|"delayed"
function Projector:state()
  local slow = self.began_ms and clock.io_ms() - self.began_ms > self.slow_ms
  return (self.delayed or slow or not self.mark) and "delayed" or "ok"
end

--- Calls fn(seq) after each batch. It must not yield.
---@param fn fun(seq: integer)
function Projector:on_applied(fn) self.listeners[#self.listeners + 1] = fn end

--- Calls fn(event, why) for each event that could not be stored. It must not yield.
---@param fn fun(e: perigee.Event, why: string)
function Projector:on_error(fn) self.error_listeners[#self.error_listeners + 1] = fn end

--- Calls fn(seq) when the tables went back to an earlier event, because a backup was restored: the feeder must
--- subscribe again from seq + 1. It must not yield.
---@param fn fun(seq: integer)
function Projector:on_rewind(fn) self.rewind_listeners[#self.rewind_listeners + 1] = fn end

local function tell(list, ...)
  for _, fn in ipairs(list) do
    local ok, failure = pcall(fn, ...)
    if not ok then log.error("projector", tostring(failure)) end
  end
end

--- Waits until an event is in the tables. Yields.
---@param seq integer
---@param timeout_ms integer|nil
---@return true|nil, table|nil err
function Projector:reached(seq, timeout_ms)
  local deadline = timeout_ms and clock.io_ms() + timeout_ms
  while not self.mark or self.mark < seq do
    local left = deadline and deadline - clock.io_ms()
    if left and left <= 0 then
      return nil, err.new("timeout", ("event %d is not in the tables yet"):format(seq), "projector", "safe")
    end
    local ok, failure = self.progress:wait(left)
    if not ok and failure.code ~= "timeout" then return nil, failure end
  end
  return true
end

-- ---- reading what is there -----------------------------------------------------------------------

local function read_book(conn)
  local book = fold.book()
  local found, failure = conn:query("SELECT id, broker_id || ':' || email AS key, deleted_at IS NOT NULL AS gone "
    .. "FROM users ORDER BY deleted_at NULLS LAST, id")
  if not found then return nil, failure end
  for _, row in ipairs(found) do book[row.gone and "former" or "users"][row.key] = row.id end
  found, failure = conn:query("SELECT a.id, a.broker_id, a.currency, u.broker_id || ':' || u.email AS key "
    .. "FROM accounts a JOIN users u ON u.id = a.user_id")
  if not found then return nil, failure end
  for _, row in ipairs(found) do
    book.accounts[row.id] = { user = row.key, broker = row.broker_id, currency = row.currency }
  end
  found, failure = conn:query("SELECT broker_id, symbol, canonical FROM instruments")
  if not found then return nil, failure end
  for _, row in ipairs(found) do book.instruments[row.broker_id .. "\0" .. row.symbol] = row.canonical end
  return book
end

-- The tables hold less than before (a backup was restored): what they lack is not in the queue any more.
local function rewind(self, mark)
  log.warn("projector", ("the tables went back from event %d to %d; they are filled again"):format(self.mark, mark))
  self.mark = mark
  self:clear()
  tell(self.rewind_listeners, mark)
end

-- The mark and the book as the tables have them now.
local function load(self)
  return self.db:with(function(conn)
    local state, failure = conn:query("SELECT applied, applied_wall_us FROM projector_state WHERE id = 1")
    if not state then return nil, failure end
    if not state[1] then return nil, err.new("database", "projector_state has lost its row", "projector", "no") end
    local book
    book, failure = read_book(conn)
    if not book then return nil, failure end
    local mark = state[1].applied
    if self.mark and mark < self.mark then rewind(self, mark) end
    self.book, self.mark, self.mark_wall_us, self.stale = book, mark, state[1].applied_wall_us, false
    self.newest = math.max(self.newest, mark)
    drop(self, self.mark)
    self.progress:wake()
    return true
  end)
end

--- Reads how far the tables are; before it applied() knows nothing. Yields.
---@return integer|nil applied, table|nil err
function Projector:open()
  local ok, failure = load(self)
  if not ok then return nil, failure end
  return self.mark
end

-- ---- writing -------------------------------------------------------------------------------------

-- Folds up to `most` waiting events. Returns the batch, how many of the queue it covers, and what it had to reject.
local function gather(self, most)
  local batch, rejected = fold.new(self.book), {}
  local at, last = self.head, math.min(self.tail, self.head + most - 1)
  while at <= last do
    local e = self.queue[at]
    if batch:cuts(e) then break end
    local ok, why = batch:add(e)
    if not ok then
      batch:reject(e, why)
      rejected[#rejected + 1] = { e, why }
    end
    at = at + 1
  end
  return batch, at - self.head, rejected
end

local function write(self, batch)
  local statements = rows.statements(batch:finish(), pg.array, pg.null)
  table.insert(statements, 1, { rows.advance, { self.mark, batch.last, batch.last_wall_us } })
  self.began_ms = clock.io_ms()
  local results, failure = self.db:with(function(conn) return conn:batch(statements) end)
  self.began_ms = nil
  return results, failure
end

local function written(self, batch, rejected)
  self.mark, self.mark_wall_us = batch.last, batch.last_wall_us
  drop(self, self.mark)
  self.progress:wake()
  for _, r in ipairs(rejected) do
    local e, why = r[1], r[2]
    log.error("projector", ("event %d (%s) could not be stored: %s"):format(e.seq, e.kind, why))
    tell(self.error_listeners, e, why)
  end
  tell(self.listeners, self.mark)
end

-- Are the rows themselves what the database refused? Classes 22 (data), 23 (constraints), and texts that it cannot
-- take; not its own troubles (memory, disk, locks, shutdown, another projector).
local function is_events_fault(failure)
  local class = failure.code == "database" and type(failure.sqlstate) == "string" and failure.sqlstate:sub(1, 2)
  return class == "22" or class == "23"
end

-- The event at the head alone cannot be stored: its place in the logs instead.
local function isolate(self, why)
  local e = self.queue[self.head]
  local batch = fold.new(self.book)
  batch:reject(e, why)
  local ok, failure = write(self, batch)
  if not ok then return nil, failure end
  written(self, batch, { { e, why } })
  return true
end

-- Writes what waits, up to `most` events; halves the batch when an event of it is refused.
local function flush(self, most)
  while true do
    local batch, count, rejected = gather(self, most)
    local ok, failure = write(self, batch)
    if ok then
      written(self, batch, rejected)
      return true
    end
    local cause = failure
    self.stale = true -- the book has learnt from events that are not in the tables
    ok, failure = load(self)
    if not ok then return nil, failure end
    if self:waiting() == 0 then return true end
    if not is_events_fault(cause) then return nil, cause end
    if count == 1 then return isolate(self, cause.message) end
    most = math.max(count // 2, 1)
  end
end

-- Waits for events: one that comes after a pause is written soon, many are gathered.
local function wait_for_work(self)
  self.pace = "idle"
  while self:waiting() == 0 do
    local ok, failure = self.work:wait()
    if not ok then return nil, failure end
  end
  self.pace = "busy"
  if self:waiting() < self.batch then
    local ok, failure = self.work:wait(self.gather_ms)
    if not ok and failure.code ~= "timeout" then return nil, failure end
  end
  return true
end

local function step(self)
  local ok, failure = self.db:ready()
  if not ok then return nil, failure end
  if self.stale then return load(self) end
  ok, failure = wait_for_work(self)
  if not ok then return nil, failure end
  return flush(self, self.batch)
end

--- Writes events for ever; returns when its task is cancelled or the pool is closed. A task of its own.
function Projector:run()
  local told = false
  while true do
    local ok, failure = step(self)
    if ok then
      if told then log.warn("projector", "the history is written again") end
      self.delayed, told = false, false
    elseif failure.code == "cancelled" or failure.code == "closed" then
      return
    else
      self.delayed = true
      self.progress:wake()
      if not told then log.warn("projector", "the history is delayed: " .. failure.message) end
      told = true
      if not task.sleep(RETRY_MS, "io") then return end
    end
  end
end

--- Empties the tables of the history and begins again from event 0; the office's own tables stay. Yields.
---@param db perigee.Db
---@return true|nil, table|nil err
function projector.reset(db)
  return db:transaction(function(conn)
    return conn:exec([[
TRUNCATE users, account_groups, accounts, user_sessions, instruments, trading_signals, orders, positions, trades,
  trade_days, user_days, balances, candles, system_logs;
DELETE FROM audit_log WHERE journal_seq IS NOT NULL;
UPDATE projector_state SET applied = 0, applied_wall_us = 0, updated_at = now() WHERE id = 1;]])
  end)
end

return projector
