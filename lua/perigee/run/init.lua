-- SPDX-License-Identifier: MIT
-- The supervisor: starts database, paper broker, engine and office, shows what happens, starts again what died, and
-- ends all that it started in order. Trading needs the paper broker and the engine; the database and the office come
-- and go beside them.

local broker = require "perigee.run.broker"
local child = require "perigee.child"
local clock = require "perigee.clock"
local common = require "perigee.run.common"
local config = require "perigee.config"
local database = require "perigee.run.database"
local event = require "perigee.event"
local fs = require "perigee.fs"
local journal = require "perigee.journal"
local lineup = require "perigee.lineup"
local log = require "perigee.log"
local office = require "perigee.run.office"
local process = require "perigee.process"
local screen = require "perigee.console.screen"
local sock = require "perigee.sock"
local summary = require "perigee.report.summary"
local task = require "perigee.task"

local run = {}

local SIGTERM, SIGKILL = 15, 9
local SUBSCRIBE, EVENT, EVENTS_ONLY = 1, 2, 1
local MOST_DEATHS = 6
local STOP_MS = 15000

local function say(text)
  io.stdout:write(text, "\n")
  io.stdout:flush()
end

local fail = common.fail

---@class perigee.run.State: perigee.run.Context
local state = {
  say = say,
  stopping = nil,    -- reason
  broker = nil,      -- perigee.run.Broker
  database = nil,    -- perigee.run.Database; nil: without the office
  office = nil,      -- perigee.run.Office
  engine = nil,      -- Child
  seq = 0,           -- newest event seen
  deaths = common.deaths(MOST_DEATHS), -- of the engine
  ready = false,
}

-- ---- engine --------------------------------------------------------------------------------------

local function start_engine()
  local args = { "engine", "--data-dir", config.get("data.dir"), "--broker", state.broker.address,
    "--credentials", config.get("paper.credentials"), "--supervised" }
  common.add(args, "--config", config.file())
  if config.get("run.exit_at_end") then args[#args + 1] = "--exit-at-end" end
  return child.spawn { file = common.program(), args = args, stdin = true }
end

-- A former engine's end may be among what was missed: only this one's counts. True: it ended in order.
local function consume(conn, pid)
  local its_own = false
  while true do
    local kind, payload = conn:recv()
    if not kind then return false end
    if kind == EVENT then
      local e, err = event.decode(payload)
      if not e then
        log.error("run", "an event cannot be read: " .. tostring(err))
        return false
      end
      state.seq = e.seq
      if e.kind == "engine_ready" then state.ready = true end
      state.summary:add(e)
      state.screen:add(e)
      if e.kind == "engine_started" then its_own = e.pid == pid end
      if e.kind == "engine_stopped" and its_own then return true end
    end
  end
end

-- Follows the engine's events from the newest seen on, until the engine is gone. A subscription that ends by itself
-- (a terminal that took nothing for long) is begun again: it says nothing about the engine.
local function follow(engine)
  local path = config.get("engine.socket")
  local conn
  repeat
    conn = sock.connect(path)
    if conn then
      conn:send(SUBSCRIBE, ("<I8B"):pack(state.seq + 1, EVENTS_ONLY))
      local ended = consume(conn, engine:pid())
      conn:close()
      if ended then return end
    end
  until engine:wait(conn and 500 or 20)
end

-- Runs engines until one ends in order. Returns the exit code of the whole.
local function supervise()
  while not state.stopping do
    local engine, err = start_engine()
    if not engine then return nil, err end
    state.engine = engine
    say(("engine          pid %d, journal %s/journal"):format(engine:pid(), config.get("data.dir")))
    follow(engine)
    local code, signal = engine:wait(20000)
    if not code then
      engine:kill(SIGKILL)
      code, signal = engine:wait()
    end
    state.engine = nil
    local how = common.how(code, signal)
    if code == 0 and signal == 0 then return 0 end
    if state.stopping then return fail("failed", "the engine did not end in order: " .. how, 1) end
    if not state.ready then
      if signal == 0 then return code end -- it has said why
      return fail("failed", ("the engine ended by %s before it was ready"):format(how), 1)
    end
    if state.deaths:add() then
      return fail("limit", ("the engine died %d times within a minute; see the messages above")
        :format(MOST_DEATHS), 1)
    end
    say(("engine          ended by %s; it is started again"):format(how))
  end
  return 0
end

-- ---- start and stop ------------------------------------------------------------------------------

-- Office and database watch over nothing that trades; they are begun first because they take longer.
local function start_office()
  if not config.get("office.enabled") then return true end
  local part = database.new(state)
  local face = office.new(state, part)
  local ok, err = face:check()
  if not ok then return nil, err end
  state.database, state.office = part, face
  part:begin()
  face:begin()
  return true
end

-- Ends, in this order: the office, the engine (it has ended already), the paper broker, the database.
local function stop_all()
  state.stopping = state.stopping or "end"
  if state.office then state.office:stop() end
  state.broker:stop()
  if state.database then state.database:stop() end
end

local function finish(begun, code)
  local seconds = (clock.io_ms() - begun) / 1000
  if state.ready then state.screen:close(state.summary, seconds) end
  local path = config.get("run.summary")
  if path and state.ready then
    local ok, err = fs.replace(path, state.summary:json(seconds) .. "\n")
    if not ok then return fail(err.code, "the summary cannot be written: " .. err.message, 1) end
  end
  process.stop(state.stopping, code)
  return true
end

-- Events of former runs are history: this run's summary begins after them.
local function last_event()
  local folder = config.get("data.dir") .. "/journal"
  if not fs.exists(folder) then return 0 end
  local report, err = journal.verify(folder)
  if not report then return nil, err end
  return report.last or 0
end

-- What is wrong with what was asked for, before anything is started.
local function check()
  if config.get("run.live") then
    return fail("input", "live trading needs armed accounts, and this version cannot arm one; run without --live "
      .. "for paper", 3)
  end
  local sound, why = lineup.check(lineup.list())
  if not sound then return nil, why end
  local path = config.get("run.summary")
  if path then
    local ok, err = fs.append(path, "")
    if not ok then return fail("input", ("the summary cannot be written to %s: %s"):format(path, err.message), 3) end
  end
  local former = common.await_former(state, "engine", "/journal/lock")
  if former then
    return fail("exists", ("the engine of %s runs already (pid %d); stop it or use another --data-dir"):format(
      config.get("data.dir"), former), 3)
  end
  local last, err = last_event()
  if not last then return fail("input", err.message, 3) end
  state.seq = last
  return true
end

-- All of it: exit code, or nil and why it failed.
local function trade()
  if state.stopping then return 0 end
  local ok, err = start_office()
  if not ok then return nil, err end
  ok, err = state.broker:find()
  if not ok then
    if state.stopping then return 0 end
    return nil, err
  end
  local seconds = config.get("run.seconds")
  if seconds then
    task.spawn(function()
      if task.sleep(math.floor(seconds * 1000), "io") then run.stop("time") end
    end)
  end
  return supervise()
end

function run.start()
  local begun = clock.io_ms()
  state.summary = summary.new()
  state.screen = screen.new(say, process.env("NO_COLOR") == nil and process.is_terminal())
  state.broker = broker.new(state)
  local ok, err = check()
  if not ok then return nil, err end
  say(("perigee %s      paper, data in %s"):format(process.version(), config.get("data.dir")))
  local code
  code, err = trade()
  stop_all()
  if not code then return nil, err end
  return finish(begun, code)
end

--- The first Ctrl-C, or the time of --for: the office and the engine are asked to end, the rest follows.
function run.stop(reason)
  if state.stopping then return end
  state.stopping = reason
  if state.office then state.office:ask_to_stop() end
  if state.engine then
    say("stopping: no new entries")
    local engine = state.engine
    engine:kill(SIGTERM)
    task.spawn(function()
      if task.sleep(STOP_MS, "io") and state.engine == engine then
        say(("engine          does not stop; it is killed, the next start settles what is open"))
        engine:kill(SIGKILL)
      end
    end)
  else
    state.broker:hurry()
  end
end

return run
