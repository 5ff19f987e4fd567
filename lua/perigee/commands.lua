-- SPDX-License-Identifier: MIT
-- Commands over engine.sock: each is answered and journalled with who gave it.

local event = require "perigee.event"
local exec = require "perigee.exec"
local exits = require "perigee.exits"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local wire = require "perigee.wire"

local commands = {}

---@type table<string, { changes: boolean, run: fun(args: table, state: table, engine: table): any, string|nil }>
local handlers = {}

handlers.ping = { changes = false, run = function() return "pong" end }

handlers.accounts = { changes = false, run = function(_, state)
  local rows = {}
  for _, id in ipairs(state.fleet and state.fleet.ids or {}) do
    local a = ledger.account(id)
    rows[#rows + 1] = a and { id = id, user = a.user, currency = a.currency, balance = a.balance,
      equity = (ledger.equity(id)),
      open_positions = a.open_positions, trades = a.trades }
  end
  return json.array(rows)
end }

handlers.positions = { changes = false, run = function() return json.array(ledger.positions()) end }

handlers.close_all = { changes = true, run = function() return exits.all("manual") end }

handlers.close = { changes = true, run = function(args)
  if type(args.account) ~= "string" or type(args.position) ~= "string" then
    return nil, "close needs account and position"
  end
  local ok, err = exec.close(args.account, args.position, "manual")
  if not ok then return nil, err.message end
  return true
end }

handlers.stop_entries = { changes = true, run = function(args)
  exec.stop_entries(args.on ~= false)
  return exec.entries_stopped()
end }

handlers.stop = { changes = true, run = function(_, _, engine)
  require "perigee.task".spawn(engine.stop, "command")
  return true
end }

-- Canonical text of flat arguments, for the journal.
local function canonical(args)
  local keys, fields = {}, {}
  for key in pairs(args) do keys[#keys + 1] = tostring(key) end
  table.sort(keys)
  for i, key in ipairs(keys) do fields[i] = { key, json.string(tostring(args[key])) } end
  return json.object(fields)
end

local function answer(text, state, engine)
  local command = json.decode(text)
  if type(command) ~= "table" or type(command.name) ~= "string" then
    return { ok = false, error = "a command is a JSON object with a name" }
  end
  local handler = handlers[command.name]
  if not handler then return { id = command.id, ok = false, error = "no command is called " .. command.name } end
  local args = type(command.args) == "table" and command.args or {}
  local ok, result, why = pcall(handler.run, args, state, engine)
  if not ok then result, why = nil, tostring(result) end
  if handler.changes then
    event.emit("command", { who = type(command.who) == "string" and command.who or "local", name = command.name,
      args = canonical(args), ok = result ~= nil, reason = why })
    event.commit()
  end
  if result == nil then return { id = command.id, ok = false, error = why or "it failed" } end
  return { id = command.id, ok = true, result = result }
end

--- Takes commands from now on.
function commands.register(state, engine)
  wire.on_command(function(client, text)
    wire.reply(client, json.encode(answer(text, state, engine)))
  end)
end

return commands
