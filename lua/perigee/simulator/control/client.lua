-- SPDX-License-Identifier: MIT
-- perigee sim-control: says a verb to the paper broker of a data folder and prints what it answers.

local config = require "perigee.config"
local fs = require "perigee.fs"
local http = require "perigee.http"
local json = require "perigee.json"
local task = require "perigee.task"
local verbs = require "perigee.simulator.control.verbs"

local FAILED, USAGE, INPUT, UNREACHABLE = 1, 2, 3, 4

local function fail(code, text)
  io.stderr:write("perigee sim-control: ", text, "\n")
  return code
end

local function usage(to)
  to:write("usage: perigee sim-control [--data-dir D] VERB [WORD...] [--name VALUE...]\n\n")
  local names, width = {}, 0
  for name, verb in pairs(verbs.list) do
    local row = { name, name }
    for _, word in ipairs(verb.words) do row[2] = row[2] .. " " .. word:upper() end
    names[#names + 1], width = row, math.max(width, #row[2])
  end
  table.sort(names, function(a, b) return a[1] < b[1] end)
  for _, row in ipairs(names) do
    to:write(("  %-" .. width .. "s  %s\n"):format(row[2], verbs.list[row[1]].text))
  end
  to:write("\ndocs/rehearsal.md has examples; the paper broker must have been started with --control.\n")
end

-- Numbers, truths and {least,most} spans are JSON, everything else is a text.
local function value_of(text)
  local low, high = text:match("^(%d+):(%d+)$")
  if low then return { math.tointeger(tonumber(low)), math.tointeger(tonumber(high)) } end
  local value = json.decode(text)
  if type(value) == "number" or type(value) == "boolean" then return value end
  return text
end

-- The verb and its named arguments, or nil and what is wrong with them.
local function read(argv)
  local name, args, at, data = nil, {}, 1, nil
  local i = 1
  while i <= #argv do
    local option, value = argv[i]:match("^%-%-([%w_-]+)=(.*)$")
    option = option or argv[i]:match("^%-%-([%w_-]+)$")
    if option then
      if not value then
        i = i + 1
        value = argv[i]
        if not value then return nil, ("--%s needs a value"):format(option) end
      end
      if option == "data-dir" then
        data = value
      else
        args[(option:gsub("-", "_"))] = value_of(value)
      end
    elseif not name then
      name = argv[i]
      if not verbs.list[name] then return nil, ("no verb is called %s"):format(name) end
    else
      local word = verbs.list[name].words[at]
      if not word then return nil, ("%s takes no argument %s"):format(name, argv[i]) end
      args[word], at = value_of(argv[i]), at + 1
    end
    i = i + 1
  end
  return { verb = name, args = args, data = data }
end

local function say(call, port)
  local answer, err = http.request { method = "POST", url = ("http://%s/%s"):format(port.address, call.verb),
    headers = { { "Authorization", "Bearer " .. port.token }, { "Content-Type", "application/json" },
      { "Accept", "text/plain" } }, body = json.encode(call.args), timeout_ms = 30000 }
  if not answer then return fail(UNREACHABLE, "the paper broker does not answer: " .. err.message) end
  if answer.status == 200 then
    io.stdout:write(answer.body)
    return 0
  end
  local said = json.decode(answer.body)
  if type(said) ~= "table" then return fail(FAILED, ("the paper broker answered %d"):format(answer.status)) end
  return fail(FAILED, tostring(said.error))
end

local function main(argv)
  if #argv == 0 then
    usage(io.stderr)
    return USAGE
  end
  for _, word in ipairs(argv) do
    if word == "--help" then
      usage(io.stdout)
      return 0
    end
  end
  local call, why = read(argv)
  if not call then return fail(USAGE, why .. "; see perigee sim-control --help") end
  if not call.verb then return fail(USAGE, "a verb is needed; see perigee sim-control --help") end
  if not call.data then
    local values
    values, why = config.resolve(nil, {})
    if not values then return fail(INPUT, why) end
    call.data = config.get("data.dir")
  end
  local path = call.data .. "/sim/control"
  local text = fs.read(path)
  local port = text and json.decode(text)
  if type(port) ~= "table" then
    return fail(UNREACHABLE, ("there is no %s: no paper broker with --control runs there"):format(path))
  end
  return say(call, port)
end

local argv, code = { ... }, FAILED
task.run(function() code = main(argv) end)
return code
