-- SPDX-License-Identifier: MIT
-- The office's process: configuration, listening, start and stop. On standard output it tells its address, and the
-- first admin's one-time password, each as a line of JSON, and nothing else.

local api = require "perigee.server.api"
local child = require "perigee.child"
local config = require "perigee.config"
local database = require "perigee.store.database"
local httpd = require "perigee.httpd"
local json = require "perigee.json"
local log = require "perigee.log"
local migrate = require "perigee.store.migrate"
local office = require "perigee.server.office"
local operators = require "perigee.server.operators"
local problem = require "perigee.server.problem"
local process = require "perigee.process"
local request = require "perigee.server.request"
local router = require "perigee.server.router"
local sockets = require "perigee.server.sockets"
local static = require "perigee.server.static"
local task = require "perigee.task"
local vault_key = require "perigee.vault_key"

local main = {}

local MOST_BODY, MOST_FRAME, MOST_CONNECTIONS = 1 << 20, 8192, 1024

local state = { office = nil, server = nil, stopping = false }

local function tell(line)
  io.stdout:write(json.encode(line), "\n")
  io.stdout:flush()
end

-- ---- configuration -------------------------------------------------------------------------------

-- The authorities that requests may name: the address, the loopback's names with its port, and office.hosts.
local function hosts_of(address)
  local host, port = address:match("^(.*):(%d+)$")
  local out = {}
  for _, name in ipairs { host, "127.0.0.1", "localhost" } do out[request.authority(name .. ":" .. port)] = true end
  for name in (config.get("office.hosts") or ""):gmatch("[^,%s]+") do
    local authority = request.authority(name)
    if authority then out[authority] = true end
  end
  return out
end

local function key()
  return vault_key.load { file = config.get("vault.key_file"), secret = config.get("vault.key") }
end

local function handlers_of(made)
  local all = {}
  for _, name in ipairs { "system", "users", "trading", "orders", "history" } do
    for id, fn in pairs(require("perigee.server.routes." .. name)(made)) do
      assert(not all[id], id)
      all[id] = fn
    end
  end
  return all
end

-- ---- the database --------------------------------------------------------------------------------

-- Tables, the first admin, the sign-ins of a former life. Runs again each time that the database comes back.
local function prepare(made)
  if not made.db.open then
    local names, err = made.raw:with(function(conn) return migrate.run(conn) end)
    if not names then return nil, err end
    made.db:update(true)
    local first
    first, err = operators.first(made.db)
    if err then return nil, err end
    if first then tell { login = first.username, one_time_password = first.password } end
  end
  made.db:update()
  return made.auth:load()
end

-- ---- serving -------------------------------------------------------------------------------------

-- Requests: the API below its prefix, everything else is the dashboard's.
local function handler_of(made_router, files)
  local prefix = api.prefix
  return function(req)
    local path = req:path()
    if path == prefix or path:sub(1, #prefix + 1) == prefix .. "/" then return made_router:handle(req) end
    if made_router:knows_host(req:header("host")) then
      local status, headers, body = files:answer(req:method(), path, function(name) return req:header(name) end)
      if status then return status, headers, body end
    end
    return made_router:handle(req)
  end
end

local function listen(made)
  local host, port = config.get("office.listen"):match("^(.*):(%d+)$")
  local hosts = {}
  local made_router = router.new { handlers = handlers_of(made), auth = made.auth, hosts = hosts,
    check_answers = config.get("office.check_answers") }
  local ws = sockets.new { auth = made.auth, router = made_router, hosts = hosts,
    snapshot = function(channel) return made:snapshot_of(channel) end, system = made.system }
  made.sockets = ws
  local server, err = httpd.listen { host = host, port = math.tointeger(tonumber(port)), max_body = MOST_BODY,
    max_connections = MOST_CONNECTIONS, refused = problem.of_front,
    handler = handler_of(made_router, static.new { folder = process.home() .. "/web/dist" }),
    ws = { max_message = MOST_FRAME, check = function(req) return ws:check(req) end,
      opened = function(conn, path, tag) return ws:opened(conn, path, tag) end,
      message = function(conn, text) ws:message(conn, text) end, closed = function(conn) ws:closed(conn) end } }
  if not server then
    return nil, { code = "input", message = ("the dashboard cannot listen on %s (%s); stop what uses it or give "
      .. "another --listen"):format(config.get("office.listen"), err.message), source = "office" }
  end
  for authority in pairs(hosts_of(server:address())) do hosts[authority] = true end
  return server
end

-- ---- start and stop ------------------------------------------------------------------------------

function main.start()
  local conninfo, err = database.conninfo()
  if not conninfo then return nil, err end
  local made = office.new { db = database.open { conninfo = conninfo }, engine = config.get("engine.socket"),
    currency = config.get("office.currency"), minutes = config.get("office.session_minutes"), key = key }
  local server
  server, err = listen(made)
  if not server then return nil, err end
  state.office, state.server = made, server
  tell { address = server:address() }
  made:run(prepare)
  if config.get("office.supervised") then
    task.spawn(function()
      child.parent_gone()
      main.stop("supervisor gone")
    end)
  end
  return true
end

--- No new requests; sockets are told; what the projector has not written comes again at the next start.
function main.stop(reason)
  if state.stopping then return end
  state.stopping = true
  if state.office then
    state.office.sockets:shut()
    state.office:stop()
  end
  if state.server then state.server:close() end
  log.info("office", "stopped: " .. reason)
  process.stop(reason, 0)
end

return main
