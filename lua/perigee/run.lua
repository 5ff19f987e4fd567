-- SPDX-License-Identifier: MIT
-- The supervisor: starts the paper broker and the engine, shows what happens, restarts an engine that died,
-- and ends all that it started in order.

local child = require "perigee.child"
local clock = require "perigee.clock"
local config = require "perigee.config"
local event = require "perigee.event"
local fs = require "perigee.fs"
local http = require "perigee.http"
local journal = require "perigee.journal"
local json = require "perigee.json"
local lineup = require "perigee.lineup"
local log = require "perigee.log"
local process = require "perigee.process"
local screen = require "perigee.console.screen"
local sock = require "perigee.sock"
local summary = require "perigee.report.summary"
local task = require "perigee.task"

local run = {}

local SIGTERM, SIGKILL = 15, 9
local SUBSCRIBE, EVENT = 1, 2
local MOST_CRASHES, CRASH_WINDOW_MS = 5, 60000
local FORMER_MS, STOP_MS = 15000, 15000

local state = {
  sim = nil,         -- { address =, pid =, child = | nil }
  engine = nil,      -- Child
  seq = 0,           -- newest event seen
  crashes = {},      -- io ms of the engine's crashes
  stopping = nil,    -- reason
  ready = false,
  exit_code = nil,
}

local function fail(code, message, exit)
  return nil, { code = code, message = message, source = "run", retry = "no", exit = exit }
end

local function say(text)
  io.stdout:write(text, "\n")
  io.stdout:flush()
end

local function program()
  return fs.realpath("/proc/self/exe")
end

local function add(args, option, value)
  if value ~= nil then
    args[#args + 1] = option
    args[#args + 1] = tostring(value)
  end
end

-- ---- paper broker --------------------------------------------------------------------------------

local function address_file() return config.get("data.dir") .. "/sim/address" end

-- Is a process the one that holds a lock of this data folder, and of the verb that it should be? A number in a
-- file alone may belong to anybody by now.
local function holds(pid, verb, lock)
  pid = math.tointeger(tonumber(pid))
  local holder = math.tointeger(tonumber(fs.read(config.get("data.dir") .. lock) or ""))
  if not pid or pid <= 1 or pid ~= holder or not child.alive(pid) then return false end
  local line = fs.read(("/proc/%d/cmdline"):format(pid))
  return line ~= nil and line:find("\0" .. verb .. "\0", 1, true) ~= nil
end

-- A simulator of a former life that still answers, or nil.
local function adopt_sim()
  local text = fs.read(address_file())
  local row = text and json.decode(text)
  if type(row) ~= "table" or not row.address or not holds(row.pid, "sim", "/sim/lock") then return nil end
  local answer = http.request { url = "http://" .. row.address .. "/manager/platform-details", timeout_ms = 2000 }
  if not answer or answer.status ~= 200 then return nil end
  return { address = row.address, pid = math.tointeger(row.pid), source = row.source, speed = row.speed }
end

local function sim_args(address)
  local args = { "sim", "--listen", address or config.get("paper.listen"), "--data-dir", config.get("data.dir"),
    "--accounts", tostring(config.get("paper.accounts")), "--profile", config.get("paper.profile"),
    "--credentials", config.get("paper.credentials"), "--speed", config.get("market.speed") }
  add(args, "--config", config.file())
  add(args, "--tape", config.get("market.tape"))
  add(args, "--seed", config.get("market.seed"))
  return args
end

local function start_sim(address)
  local handle, err = child.spawn { file = program(), args = sim_args(address) }
  if not handle then return nil, err end
  state.starting = handle
  local line = handle:line(60000)
  state.starting = nil
  local row = line and json.decode(line)
  if type(row) ~= "table" then
    local code = handle:wait(1000)
    if not code then handle:kill(SIGKILL) end
    return fail("unreachable", "the paper broker did not start; see its message above", code ~= 0 and code or 4)
  end
  return { address = row.address, pid = handle:pid(), child = handle, source = row.source, speed = row.speed }
end

-- What was asked for on this run must be what the adopted simulator is.
local function check_adopted(sim)
  if tostring(sim.speed) ~= tostring(config.get("market.speed")) then
    say(("note: the paper broker that runs already goes at speed %s"):format(sim.speed))
  end
  local seed, tape = config.get("market.seed"), config.get("market.tape")
  local wanted = seed and "generator, seed " .. seed or tape and "tape " .. tape:match("[^/]*$")
  if wanted and wanted ~= sim.source then
    return fail("input", ("the paper broker of %s runs already on another market (%s); stop it or use another "
      .. "--data-dir"):format(config.get("data.dir"), sim.source))
  end
  return true
end

local function find_sim()
  local sim = adopt_sim()
  if sim then
    local ok, err = check_adopted(sim)
    if not ok then return nil, err end
    say(("paper broker    found at %s (pid %d), %s"):format(sim.address, sim.pid, sim.source))
    return sim
  end
  local err
  sim, err = start_sim()
  if not sim then return nil, err end
  say(("paper broker    http://%s (pid %d), %s, speed %s"):format(sim.address, sim.pid, sim.source, sim.speed))
  return sim
end

-- A paper broker that died is started again at its address, where the engine looks for it.
local function keep_sim()
  while not state.stopping do
    local sim = state.sim
    if sim.child then
      sim.child:wait()
    else
      while child.alive(sim.pid) and not state.stopping do task.sleep(500, "io") end
    end
    if state.stopping then return end
    say("paper broker    died; it is started again")
    local again, err = start_sim(sim.address)
    if again then
      state.sim = again
    else
      say("paper broker    " .. err.message)
      task.sleep(1000, "io")
    end
  end
end

-- ---- engine --------------------------------------------------------------------------------------

local function start_engine()
  local args = { "engine", "--data-dir", config.get("data.dir"), "--broker", state.sim.address,
    "--credentials", config.get("paper.credentials"), "--supervised" }
  add(args, "--config", config.file())
  if config.get("run.exit_at_end") then args[#args + 1] = "--exit-at-end" end
  return child.spawn { file = program(), args = args, stdin = true }
end

-- A former engine's end may be among what was missed: only this one's counts.
local function consume(conn, pid)
  local its_own = false
  while true do
    local kind, payload = conn:recv()
    if not kind then return end
    if kind == EVENT then
      local e, err = event.decode(payload)
      if not e then
        log.error("run", "an event cannot be read: " .. tostring(err))
        return
      end
      state.seq = e.seq
      if e.kind == "engine_ready" then state.ready = true end
      state.summary:add(e)
      state.screen:add(e)
      if e.kind == "engine_started" then its_own = e.pid == pid end
      if e.kind == "engine_stopped" and its_own then return end
    end
  end
end

-- Follows the engine's events from the newest seen on, until the engine is gone.
local function follow(engine)
  local path = config.get("engine.socket")
  local conn
  repeat
    conn = sock.connect(path)
    if not conn and engine:wait(20) then return end
  until conn
  conn:send(SUBSCRIBE, ("<I8"):pack(state.seq + 1))
  consume(conn, engine:pid())
  conn:close()
end

-- The engine of a former life that still holds the journal: its process, or nil.
local function former_engine()
  local pid = math.tointeger(tonumber(fs.read(config.get("data.dir") .. "/journal/lock") or ""))
  return holds(pid, "engine", "/journal/lock") and pid or nil
end

-- When a supervisor was killed its engine ends in order, which may take some seconds.
local function await_former_engine()
  local until_ms, told = clock.io_ms() + FORMER_MS, false
  while not state.stopping do
    local pid = former_engine()
    if not pid then return true end
    if clock.io_ms() >= until_ms then
      return fail("exists", ("the engine of %s runs already (pid %d); stop it or use another --data-dir"):format(
        config.get("data.dir"), pid), 3)
    end
    if not told then say(("engine          a former one (pid %d) has not ended yet; waiting for it"):format(pid)) end
    told = true
    task.sleep(50, "io")
  end
  return true
end

local function too_many_crashes()
  local now, kept = clock.io_ms(), {}
  for _, at in ipairs(state.crashes) do
    if now - at < CRASH_WINDOW_MS then kept[#kept + 1] = at end
  end
  kept[#kept + 1] = now
  state.crashes = kept
  return #kept > MOST_CRASHES
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
    local how = signal ~= 0 and "signal " .. signal or "code " .. code
    if code == 0 and signal == 0 then return 0 end
    if state.stopping then return fail("failed", "the engine did not end in order: " .. how, 1) end
    if not state.ready then
      if signal == 0 then return code end -- it has said why
      return fail("failed", ("the engine ended by %s before it was ready"):format(how), 1)
    end
    if too_many_crashes() then
      return fail("limit", ("the engine died %d times within a minute; see the messages above")
        :format(#state.crashes), 1)
    end
    say(("engine          ended by %s; it is started again"):format(how))
  end
  return 0
end

-- ---- start and stop ------------------------------------------------------------------------------

local function stop_sim()
  local sim = state.sim
  if not sim then return end
  child.kill(sim.pid, SIGTERM)
  if sim.child then
    if not sim.child:wait(5000) then sim.child:kill(SIGKILL) end
    return
  end
  for _ = 1, 100 do
    if not child.alive(sim.pid) then return end
    task.sleep(50, "io")
  end
end

local function finish(begun, code)
  stop_sim()
  local seconds = (clock.io_ms() - begun) / 1000
  if state.ready then state.screen:close(state.summary, seconds) end
  local path = config.get("run.summary")
  if path and state.ready then
    local ok, err = fs.replace(path, state.summary:json(seconds) .. "\n")
    if not ok then
      process.stop("error", 1)
      io.stderr:write(("perigee: the summary cannot be written: %s\n"):format(err.message))
      return
    end
  end
  process.stop(state.stopping or "end", code)
end

-- Events of former runs are history: this run's summary begins after them.
local function last_event()
  local folder = config.get("data.dir") .. "/journal"
  if not fs.exists(folder) then return 0 end
  local report, err = journal.verify(folder)
  if not report then return nil, err end
  return report.last or 0
end

function run.start()
  local begun = clock.io_ms()
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
  state.summary = summary.new()
  state.screen = screen.new(say, process.env("NO_COLOR") == nil and process.is_terminal())
  local err
  local free
  free, err = await_former_engine()
  if not free then return nil, err end
  state.seq, err = last_event()
  if not state.seq then return fail("input", err.message, 3) end
  say(("perigee %s      paper, data in %s"):format(process.version(), config.get("data.dir")))
  state.sim, err = find_sim()
  if not state.sim then
    if not state.stopping then return nil, err end
    process.stop(state.stopping, 0)
    return true
  end
  local seconds = config.get("run.seconds")
  if seconds then
    task.spawn(function()
      if task.sleep(math.floor(seconds * 1000), "io") then run.stop("time") end
    end)
  end
  local keeper = task.spawn(keep_sim)
  local code
  code, err = supervise()
  state.stopping = state.stopping or "end"
  keeper:cancel()
  keeper:join()
  if not code then
    stop_sim()
    return nil, err
  end
  finish(begun, code)
  return true
end

--- The first Ctrl-C, or the time of --for: the engine stops in order, then the rest.
function run.stop(reason)
  if state.stopping then return end
  state.stopping = reason
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
  elseif state.starting then
    state.starting:kill(SIGTERM)
  end
end

return run
