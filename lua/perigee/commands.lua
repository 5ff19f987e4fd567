-- SPDX-License-Identifier: MIT
-- Commands over engine.sock: each is checked, run, answered, and journalled with who gave it when it changes
-- something. What they do is in commands/, one file for each group.
--
-- A command answers a result, or nil and { code, message }:
--   input        an argument is missing, wrong or unknown
--   not_found    what it names is not there
--   state        it is not possible now
--   refused      risk or the broker said no
--   unavailable  the broker or the market is away
--   failed       an error of the engine; the log has it

local args = require "perigee.commands.args"
local clock = require "perigee.clock"
local crypto = require "perigee.crypto"
local event = require "perigee.event"
local json = require "perigee.json"
local log = require "perigee.log"
local memory = require "perigee.memory"
local task = require "perigee.task"
local wire = require "perigee.wire"

local commands = {}

---@class perigee.Command
---@field changes boolean              journalled
---@field args perigee.Argument[]
---@field secrets table<string, boolean>?  arguments that the journal must not hold
---@field run fun(args: table, context: perigee.CommandContext): any, table|nil

---@class perigee.CommandContext
---@field state table    the engine's state: fleet, feed, strategies, vault
---@field engine table   perigee.engine
---@field who string

---@type table<string, perigee.Command>
local known = {}
for _, group in ipairs({ "reads", "trading", "orders", "users" }) do
  for name, command in pairs(require("perigee.commands." .. group)) do known[name] = command end
end

local codes = { input = true, not_found = true, state = true, refused = true, unavailable = true }

-- Errors of the world in the words that clients know.
local meant = { credentials = "refused", account = "refused", edge_block = "refused", unreachable = "unavailable",
  timeout = "unavailable", closed = "unavailable", rate_limit = "unavailable", session = "unavailable",
  unreadable = "unavailable", cancelled = "state", notfound = "not_found" }

local function code_of(err)
  if codes[err.code] then return err.code end
  if meant[err.code] then return meant[err.code] end
  return tostring(err.code):match("^status_") and "unavailable" or "failed"
end

local function refuse(id, code, message)
  return { id = id, ok = false, code = code, error = message }
end

-- What is written down of the arguments: all that the command knows, but no secret and nothing that would not fit
-- into an event. What it does not know may be a secret under a wrong name.
local function noted(command, given)
  local shown = {}
  for name in pairs(given) do shown[tostring(name)] = "***" end
  for _, a in ipairs(command.args) do
    local name = a[1]
    if not (command.secrets and command.secrets[name]) then shown[name] = given[name] end
  end
  local text = json.encode(shown)
  return #text <= 100000 and text or '{"omitted":"' .. #text .. ' bytes"}'
end

local MOST_ANSWER = 700000 -- bytes; an event holds a megabyte

local function kept_answer(answer)
  local text = json.encode(answer)
  if #text <= MOST_ANSWER then return text end
  return json.encode { ok = false, code = "state",
    error = "it was done before; its answer was too long to be kept" }
end

-- `repeated`: what it is answered by was journalled with its key before.
local function note(name, command, given, who, err, key, answer, repeated)
  local told, why = pcall(function()
    event.emit("command", { who = who, name = name, args = noted(command, given), ok = err == nil,
      reason = repeated and "not done again: " .. (err and err.message or "the key was used before")
        or err and err.message,
      key = key, answer = key and not repeated and kept_answer(answer) or nil })
    event.commit()
  end)
  if not told then log.error("commands", ("%s could not be journalled: %s"):format(name, tostring(why))) end
end

local function run(name, command, clean, context)
  local ok, result, err = xpcall(command.run, debug.traceback, clean, context)
  if not ok then
    log.error("commands", ("%s: %s"):format(name, tostring(result)))
    return nil, { code = "failed", message = name .. " failed by an error of the engine; the log has it" }
  end
  if result == nil then return nil, err end
  return result
end

local function writer(value)
  return type(value) == "string" and args.kinds.text(value, { max = 100 }) or "local"
end

local function reply_of(result, err)
  if err then return { ok = false, code = code_of(err), error = err.message } end
  return { ok = true, result = result }
end

local function with_id(reply, id)
  return { id = id, ok = reply.ok, result = reply.result, code = reply.code, error = reply.error }
end

-- ---- commands with a key -------------------------------------------------------------------------

-- The same key is one and the same request for so long.
local KEPT_MS = 24 * 3600 * 1000

-- A text that is the same for the same arguments, whatever the order of their fields.
local function canonical(value)
  if type(value) ~= "table" then return json.encode(value) end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do parts[i] = ("%s:%s"):format(json.encode(tostring(key)), canonical(value[key])) end
  return "{" .. table.concat(parts, ",") .. "}"
end

local running = {} -- key to the task that runs it

local function begin(name, who, key, digest)
  local told, why = pcall(function()
    event.emit("command_begun", { who = who, name = name, key = key, digest = digest })
    event.commit()
  end)
  -- A broken journal must not keep a position open: what closes goes on, and entries are refused by it anyway.
  if not told then log.error("commands", ("%s could not be journalled: %s"):format(name, tostring(why))) end
end

local function begin_and_run(name, command, passed, clean, context, key, digest)
  begin(name, context.who, key, digest)
  local result, err = run(name, command, clean, context)
  local reply = reply_of(result, err)
  note(name, command, passed, context.who, err, key, reply)
  return reply
end

-- What a key has led to before: its reply, or why there is none.
local function before(earlier, digest)
  if earlier.digest ~= digest then
    return { ok = false, code = "state", error = "the key was used for another request" }
  end
  if earlier.answer then return json.decode(earlier.answer) end
  return { ok = false, code = "state", error = "the engine ended while this request ran; look at orders and "
    .. "positions, nothing was sent again" }
end

-- The reply to a key that was asked before, or is being asked at this moment; nil: to none of both.
local function replied(key, digest)
  local now = running[key]
  if now then
    if now.digest ~= digest then return before({ digest = now.digest }, digest) end
    local _, reply = now.task:join()
    return type(reply) == "table" and reply or before({ digest = digest }, digest)
  end
  local earlier = memory.key(key)
  if earlier and clock.wall_ms() - earlier.wall_ms < KEPT_MS then return before(earlier, digest) end
end

-- Runs a command once for each key: who asks again gets what came of it, over restarts, too; who asks while it runs
-- waits for it. That somebody asked again is journalled like the rest.
local function once(name, command, passed, clean, context, key)
  local digest = crypto.hash(canonical { name, clean, context.who })
  local again = replied(key, digest)
  if again then
    note(name, command, passed, context.who, not again.ok and { message = again.error } or nil, key, again, true)
    return again
  end
  local mine = { digest = digest, task = task.spawn(begin_and_run, name, command, passed, clean, context, key, digest) }
  running[key] = mine
  local done, reply = mine.task:join()
  running[key] = nil
  if done and type(reply) == "table" then return reply end
  log.error("commands", ("%s: %s"):format(name, tostring(reply)))
  return { ok = false, code = "failed", error = name .. " failed by an error of the engine; the log has it" }
end

local function answer(text, state, engine)
  local given = json.decode(text)
  if type(given) ~= "table" or type(given.name) ~= "string" then
    return refuse(json.null, "input", "a command is a JSON object with a name")
  end
  local id = given.id == nil and json.null or given.id
  if type(id) == "table" then return refuse(json.null, "input", "the id of a command is a number or a text") end
  local command = known[given.name]
  if not command then return refuse(id, "input", "no command is called " .. given.name:sub(1, 40)) end
  local passed = given.args
  if passed == nil or passed == json.null then passed = {} end
  if type(passed) ~= "table" or #passed > 0 then return refuse(id, "input", "args is a JSON object") end
  local clean, why = args.check(passed, command.args)
  local who, key = writer(given.who), given.key
  local context = { state = state, engine = engine, who = who }
  if not clean then
    local err = { code = "input", message = ("%s: %s"):format(given.name, why) }
    if command.changes then note(given.name, command, passed, who, err) end
    return refuse(id, err.code, err.message)
  end
  if key ~= nil and key ~= json.null and command.changes then
    if not args.kinds.id(key) then return refuse(id, "input", "the key is no word of up to 64 characters") end
    return with_id(once(given.name, command, passed, clean, context, key), id)
  end
  local result, err = run(given.name, command, clean, context)
  if command.changes then note(given.name, command, passed, who, err) end
  return with_id(reply_of(result, err), id)
end

--- Takes commands from now on.
function commands.register(state, engine)
  wire.on_command(function(client, text)
    wire.reply(client, json.encode(answer(text, state, engine)))
  end)
end

return commands
