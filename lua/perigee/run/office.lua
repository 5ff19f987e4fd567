-- SPDX-License-Identifier: MIT
-- The supervisor's office: started when there is a database, started again when it dies, given up when it does
-- nothing but die. The engine does not notice any of it.

local child = require "perigee.child"
local clock = require "perigee.clock"
local common = require "perigee.run.common"
local config = require "perigee.config"
local httpd = require "perigee.httpd"
local json = require "perigee.json"
local task = require "perigee.task"

local office = {}

local SIGTERM, SIGKILL = 15, 9
local START_MS = 60000
local STOP_MS = 5000
local PAUSE_MS = 200 -- before one that died is started again; doubles with each death within a minute
local MOST_DEATHS = 6

---@class perigee.run.Office
---@field context perigee.run.Context
---@field database perigee.run.Database
---@field program string        what is started
---@field address string|nil     that the first one got: the later ones keep it
---@field pause_ms integer
---@field stop_ms integer
---@field child table|nil       nil: none runs
---@field keeper Task|nil
local Office = {}
Office.__index = Office

---@param context perigee.run.Context
---@param database perigee.run.Database
---@param options { program: string?, pause_ms: integer?, stop_ms: integer? }|nil   for tests
---@return perigee.run.Office
function office.new(context, database, options)
  options = options or {}
  return setmetatable({ context = context, database = database, program = options.program or common.program(),
    pause_ms = options.pause_ms or PAUSE_MS, stop_ms = options.stop_ms or STOP_MS,
    deaths = common.deaths(MOST_DEATHS) }, Office)
end

--- Whether the office can have its address: nothing is started when it cannot. A former office is waited for.
---@return true|nil, table|nil err
function Office:check()
  local address = config.get("office.listen")
  local host, port = address:match("^(.*):(%d+)$")
  local former = common.await_former(self.context, "office", "/office.lock")
  if former then
    self.context.say(("office          a former one (pid %d) does not end; it is killed"):format(former))
    child.kill(former, SIGKILL)
    for _ = 1, 100 do
      if not child.alive(former) then break end
      task.sleep(20, "io")
    end
  end
  local server, err = httpd.listen { host = host, port = math.tointeger(tonumber(port)),
    handler = function() return 503 end }
  if not server then
    return common.fail("unreachable", ("the dashboard cannot have %s (%s); give another address with --listen, or "
      .. "--no-office"):format(address, err.message:match("[^:]*$"):match("^%s*(.-)$")), 4)
  end
  server:close()
  if not address:match("^127%.") then
    self.context.say(("note: the dashboard at %s can be reached from other machines, without TLS; see docs/security.md")
      :format(address))
  end
  return true
end

local function arguments(self)
  local args = { "office", "--data-dir", config.get("data.dir"), "--listen", self.address
    or config.get("office.listen"), "--supervised" }
  common.add(args, "--config", config.file())
  return args
end

-- What an office tells: its address at the start, the first admin's password once, each as a line of JSON.
local function tell(self, line, pid)
  local row, say = json.decode(line), self.context.say
  if type(row) ~= "table" then return end
  if row.address then
    self.address = row.address
    say(("dashboard       http://%s (pid %d)"):format(row.address, pid))
  end
  if row.one_time_password then
    say(("first sign-in   %s / %s (one-time; you choose your own then)"):format(row.login or "admin",
      row.one_time_password))
  end
end

-- One life of an office. Returns how it ended.
local function live(self)
  local env = self.database.socket and { PERIGEE__DATABASE__SOCKET = self.database.socket } or nil
  local handle, err = child.spawn { file = self.program, args = arguments(self), stdin = true, env = env }
  if not handle then return err.message end
  self.child = handle
  local line, why = handle:line(START_MS)
  if not line and why.code == "timeout" then handle:kill(SIGKILL) end
  while line do
    tell(self, line, handle:pid())
    line = handle:line()
  end
  local code, signal = handle:wait()
  self.child = nil
  if not code then return signal.message end
  return common.how(code, signal)
end

-- Keeps an office running until all is stopped or it was given up.
local function keep(self)
  local context = self.context
  if not self.database.ready:wait() then return end
  while not context.stopping do
    local how = live(self)
    if context.stopping then return end
    if self.deaths:add() then
      context.say(("office          died %d times within a minute (the last time by %s) and is left alone; trading "
        .. "goes on without the dashboard"):format(MOST_DEATHS, how))
      return
    end
    context.say(("office          ended by %s; it is started again"):format(how))
    task.sleep(self.pause_ms << (#self.deaths.times - 1), "io")
  end
end

--- Starts one as soon as there is a database, and watches over it from then on.
function Office:begin() self.keeper = task.spawn(keep, self) end

--- Asks the office to end; does not wait.
function Office:ask_to_stop()
  if self.child then self.child:kill(SIGTERM) end
end

--- Ends the office.
function Office:stop()
  if not self.keeper then return end
  local until_ms = clock.io_ms() + self.stop_ms
  self:ask_to_stop()
  while self.child and clock.io_ms() < until_ms do task.sleep(20, "io") end
  if self.child then self.child:kill(SIGKILL) end
  self.keeper:cancel()
  self.keeper:join()
end

return office
