-- SPDX-License-Identifier: MIT
-- The configuration: every key with its type, range, default and plain environment name, once.
-- Precedence: command line, environment, file, defaults. docs/configuration.md is made from this table.

local fs = require "perigee.fs"
local log = require "perigee.log"
local process = require "perigee.process"

local config = {}

---@class perigee.ConfigKey
---@field key string             "section.name"
---@field type string            "string" | "number" | "integer" | "boolean" | "list"
---@field default any            nil: no value
---@field min number?
---@field max number?
---@field choices string[]?
---@field env string?            plain environment name beside PERIGEE__SECTION__NAME
---@field secret boolean?        masked wherever it is shown
---@field text string

---@type perigee.ConfigKey[]
config.keys = {
  { key = "data.dir", type = "string", default = "var", text = "folder of all state" },

  { key = "run.exit_at_end", type = "boolean", default = false, text = "leave when the tape has ended" },
  { key = "run.seconds", type = "number", min = 0.1, max = 1e9,
    text = "leave after so many seconds of the wall clock" },
  { key = "run.summary", type = "string", text = "file for a summary at the end" },
  { key = "run.live", type = "boolean", default = false, text = "trade at real brokers" },

  { key = "market.symbol", type = "string", default = "BTCUSD", text = "canonical symbol of the paper market" },
  { key = "market.tape", type = "string", text = "CSV or CSV.gz of bars; excludes a seed" },
  { key = "market.seed", type = "integer", min = 0, max = 2 ^ 53,
    text = "seed of the market generator (default 1 where there is no tape)" },
  { key = "market.speed", type = "string", default = "20",
    text = "market seconds in a second of the wall clock, or max" },

  { key = "paper.accounts", type = "integer", default = 12, min = 1, max = 4000,
    text = "accounts of the paper broker" },
  { key = "paper.listen", type = "string", default = "127.0.0.1:0", text = "address of the paper broker" },
  { key = "paper.profile", type = "string", default = "strings,cookie=required",
    text = "how the paper broker speaks, words of docs/simulator.md separated by commas" },
  { key = "paper.model", type = "string",
    text = "JSON file of how the paper broker treats orders: the model's settings of docs/simulator.md" },
  { key = "paper.chaos", type = "string", default = "calm",
    text = "what goes wrong at the paper broker: a bad day of docs/rehearsal.md" },
  { key = "paper.control", type = "string",
    text = "loopback address of the paper broker's control port; none: it has none" },
  { key = "paper.credentials", type = "string",
    text = "file of the demo logins (default <data>/sim/credentials.json)" },
  { key = "paper.address", type = "string", text = "address of a paper broker that runs already" },

  { key = "strategy.file", type = "string", default = "strategies/volume_spike_scalper.lua",
    text = "strategy to run when the file names none" },
  { key = "strategy.list", type = "list",
    text = "strategies: { { file =, symbol =, name =, params = { } } ... }" },
  { key = "strategy.soft_ms", type = "integer", default = 5, min = 1, max = 60000,
    text = "a handler of a strategy that takes longer is told to the log" },
  { key = "strategy.hard_ms", type = "integer", default = 50, min = 1, max = 60000,
    text = "a strategy whose handler uses more of the processor is stopped" },

  { key = "risk.trading_enabled", type = "boolean", default = true, env = "TRADING_ENABLED",
    text = "false: signals are shown, nothing is opened" },
  { key = "risk.per_trade", type = "number", default = 0.01, min = 0.0001, max = 0.05, env = "RISK_PER_TRADE",
    text = "share of equity lost at the stop; 0.01 is 1 %" },
  { key = "risk.max_positions", type = "integer", default = 3, min = 1, max = 1000,
    text = "positions of an account at once" },
  { key = "risk.max_position_size", type = "number", min = 0, max = 1e6, env = "MAX_POSITION_SIZE",
    text = "most lots of an order; none: the instrument's limit" },
  { key = "risk.margin_share", type = "number", default = 0.5, min = 0.01, max = 1,
    text = "most of the free margin that one order may bind" },
  { key = "risk.max_signal_age", type = "number", default = 5, min = 0.1, max = 600,
    text = "market seconds after which a signal is too old to trade" },

  { key = "orders.deadline_ms", type = "integer", default = 1000, min = 1, max = 60000,
    text = "an order that has not left by then is not sent" },
  { key = "orders.answer_timeout_ms", type = "integer", default = 10000, min = 10, max = 60000,
    text = "after that without an answer an order is UNKNOWN" },
  { key = "orders.absent_after_ms", type = "integer", default = 30000, min = 1000, max = 3600000,
    text = "how long an UNKNOWN order may still turn up before reads can prove its absence" },
  { key = "orders.late", type = "string", default = "adopt", choices = { "adopt", "close" },
    text = "what is done with an entry that was proven absent and turns up later" },
  { key = "orders.resend", type = "boolean", default = false,
    text = "an entry that was proven absent is sent once more, as a new order, while its signal is fresh (which takes "
      .. "a risk.max_signal_age above the time that absence takes); should both turn up, the late one is closed" },
  { key = "orders.close_lane", type = "string", default = "on_demand", choices = { "on_demand", "warm" },
    text = "an account's second connection, for closes while an entry waits for its answer: opened when it is first "
      .. "needed, or kept open from the login on" },
  { key = "orders.close_retry_ms", type = "integer", default = 250, min = 10, max = 60000,
    text = "first pause before a close is repeated; doubles up to 5 s" },
  { key = "orders.budget_requests", type = "integer", min = 10, max = 100000,
    text = "requests in budget_ms, in each scope (account, address or broker) that the broker's profile names; "
      .. "none: the profile's, most often 480" },
  { key = "orders.budget_ms", type = "integer", min = 1000, max = 3600000,
    text = "length of the budget's window, market milliseconds; none: the profile's, most often 60000" },

  { key = "sessions.logins_at_once", type = "integer", default = 16, min = 1, max = 256,
    text = "logins that are on their way at the same time" },
  { key = "sessions.logins_per_minute", type = "integer", min = 1, max = 100000,
    text = "logins of all users in a minute, at most; none: the broker profile's, most often 30" },
  { key = "sessions.logins_per_hour", type = "integer", min = 1, max = 100000,
    text = "logins of one user in an hour, at most; none: the broker profile's, most often 20" },

  { key = "orders.on_failure", type = "string", default = "catch_up",
    choices = { "best_effort", "catch_up", "all_or_none", "quorum" },
    text = "what becomes of a signal's other accounts when some get no order; see execution.md" },
  { key = "orders.quorum", type = "integer", default = 1, min = 1, max = 4096,
    text = "accounts that on_failure quorum needs" },
  { key = "orders.catch_up_points", type = "number", min = 0.000001, max = 1e9,
    text = "points that the price may have moved for a further try; none: a tenth of the stop's distance" },
  { key = "orders.groups", type = "list",
    text = "policies of account groups: { { group =, on_failure =, quorum =, points = } ... }" },

  { key = "poll.quotes_ms", type = "integer", default = 1000, min = 100, max = 60000,
    text = "period of the broker's quotes, market milliseconds" },
  { key = "poll.positions_ms", type = "integer", default = 5000, min = 500, max = 600000,
    text = "period of the position list of an account that has positions" },
  { key = "poll.orders_ms", type = "integer", default = 5000, min = 500, max = 600000,
    text = "period of the pending orders of an account that has some" },
  { key = "poll.idle_ms", type = "integer", default = 60000, min = 1000, max = 3600000,
    text = "period of the position list of an account that has none" },
  { key = "poll.balance_ms", type = "integer", default = 60000, min = 1000, max = 3600000,
    text = "period of the balance" },
  { key = "poll.instruments_ms", type = "integer", default = 900000, min = 60000, max = 86400000,
    text = "period of the list of instruments; each minute while it says that an open market is closed" },

  { key = "journal.sync", type = "string", default = "interval", choices = { "off", "interval", "commit" },
    text = "fdatasync: never, every 10 ms, at every commit" },
  { key = "journal.segment_mb", type = "integer", default = 64, min = 1, max = 4096,
    text = "size of a journal file" },

  { key = "engine.socket", type = "string", text = "Unix socket of the engine (default <data>/engine.sock)" },
  { key = "engine.supervised", type = "boolean", default = false, text = "stop when standard input closes" },

  { key = "log.level", type = "string", default = "warn", choices = { "debug", "info", "warn", "error" },
    text = "least level of the log on standard error" },

  { key = "broker.id", type = "string", env = "MATCH_TRADE_BROKER_ID",
    text = "broker id of the login; found out when absent" },
  { key = "broker.origin", type = "string", env = "API_BASE_URL",
    text = "https address of the broker's platform, for live trading" },
  { key = "broker.profiles", type = "string",
    text = "file of broker profiles that are added or changed; see docs/brokers.md" },

  { key = "database.host", type = "string", env = "DB_HOST", text = "PostgreSQL of the history" },
  { key = "database.port", type = "integer", default = 5432, min = 1, max = 65535, env = "DB_PORT",
    text = "its port" },
  { key = "database.name", type = "string", env = "DB_NAME", text = "its database" },
  { key = "database.user", type = "string", env = "DB_USER", text = "its user" },
  { key = "database.password", type = "string", env = "DB_PASSWORD", secret = true, text = "its password" },
  { key = "database.url", type = "string", env = "DATABASE_URL", secret = true,
    text = "PostgreSQL of the history as a URL or a libpq text; goes before the single keys" },
  { key = "database.socket", type = "string",
    text = "folder of the socket of the private cluster; `perigee run` sets it" },
  { key = "vault.key_file", type = "string", text = "file of the vault's key (default `<data>`/vault.key)" },
  { key = "vault.key", type = "string", env = "SECRET_KEY", secret = true, text = "master key of the vault" },
  { key = "office.enabled", type = "boolean", default = true,
    text = "run starts the database and the office; false: trading alone" },
  { key = "office.listen", type = "string", default = "127.0.0.1:7373", text = "address of the dashboard" },
  { key = "office.hosts", type = "string",
    text = "names, separated by commas, that browsers may use for the dashboard beside its address" },
  { key = "office.check_answers", type = "boolean", default = false,
    text = "check each answer of the API against its schema, for tests" },
  { key = "office.currency", type = "string", default = "USD", text = "currency of totals over accounts" },
  { key = "office.supervised", type = "boolean", default = false, text = "stop when standard input closes" },
  { key = "office.algorithm", type = "string", env = "ALGORITHM",
    text = "accepted and without effect: sign-ins use cookies" },
  { key = "office.session_minutes", type = "integer", default = 480, min = 1, max = 100000,
    env = "ACCESS_TOKEN_EXPIRE_MINUTES", text = "how long an operator stays signed in" },
}

local by_key = {}
for _, k in ipairs(config.keys) do by_key[k.key] = k end

-- Edit distance, for "did you mean".
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
      diagonal = row[j]
      row[j] = best
    end
  end
  return row[#b]
end

--- The known name that is nearest to a wrong one.
---@param name string
---@param names string[]
---@return string|nil
function config.nearest(name, names)
  local best, found
  for _, candidate in ipairs(names) do
    local d = distance(name, candidate)
    if not best or d < best or (d == best and candidate < found) then best, found = d, candidate end
  end
  return found
end

local function unknown(key, where)
  local names = {}
  for _, k in ipairs(config.keys) do names[#names + 1] = k.key end
  return ("%s: unknown key %s; the nearest known one is %s"):format(where, key, config.nearest(key, names))
end

local booleans = { ["true"] = true, ["1"] = true, yes = true, on = true,
  ["false"] = false, ["0"] = false, no = false, off = false }

-- A value of any source to the key's type, or nil and what is wrong with it.
local function convert(k, value)
  if k.type == "boolean" then
    if type(value) == "string" then value = booleans[value:lower()] end
    if type(value) ~= "boolean" then return nil, "must be true or false" end
  elseif k.type == "number" or k.type == "integer" then
    value = tonumber(value)
    if not value or value ~= value then return nil, "must be a number" end
    if k.type == "integer" then
      value = math.tointeger(value)
      if not value then return nil, "must be a whole number" end
    end
    if (k.min and value < k.min) or (k.max and value > k.max) then
      return nil, ("must be within %s and %s"):format(k.min and ("%.14g"):format(k.min) or "-inf",
        k.max and ("%.14g"):format(k.max) or "inf")
    end
  elseif k.type == "list" then
    if type(value) ~= "table" then return nil, "must be a list" end
  else
    if type(value) == "number" then value = ("%.14g"):format(value) end
    if type(value) ~= "string" then return nil, "must be a text" end
  end
  if k.choices then
    local ok = false
    for _, choice in ipairs(k.choices) do ok = ok or choice == value end
    if not ok then return nil, "must be one of " .. table.concat(k.choices, ", ") end
  end
  return value
end

local strategy_fields = { file = "string", symbol = "string", name = "string", params = "table" }

-- Entries of strategy.list: what is wrong with the first bad one, or nil.
local function check_strategies(list)
  if #list == 0 then return "names no strategy; leave it out for the default" end
  for i, entry in ipairs(list) do
    if type(entry) ~= "table" then return ("[%d] must be a table with file, symbol, name, params"):format(i) end
    for name, value in pairs(entry) do
      local wanted = strategy_fields[name]
      if not wanted then
        return ("[%d]: unknown key %s; the nearest known one is %s"):format(i, tostring(name),
          config.nearest(tostring(name), { "file", "name", "params", "symbol" }))
      end
      if type(value) ~= wanted then return ("[%d].%s must be a %s"):format(i, name, wanted) end
    end
    if entry.name and not entry.name:match("^[%w_%-]+$") or #(entry.name or "") > 60 then
      return ("[%d].name must be up to 60 letters, digits, _ or -"):format(i)
    end
  end
end

local function check_more(key, value)
  if key == "market.speed" and value ~= "max" then
    local speed = tonumber(value)
    if not speed or speed <= 0 or speed > 10000 then return "must be a number above 0 and up to 10000, or max" end
  end
  if key == "paper.listen" or key == "paper.address" or key == "paper.control" or key == "office.listen" then
    local a, b, c, d, port = value:match("^(%d+)%.(%d+)%.(%d+)%.(%d+):(%d+)$")
    if not a or math.max(tonumber(a), tonumber(b), tonumber(c), tonumber(d)) > 255 or tonumber(port) > 65535 then
      return "must be HOST:PORT with a numeric address, such as 127.0.0.1:0"
    end
  end
  if key == "office.currency" and not value:match("^%u%u%u%u?%u?$") then return "must be a currency such as USD" end
  if key == "strategy.list" then return check_strategies(value) end
end

local function put(values, origins, key, value, where, origin)
  local k = by_key[key]
  if not k then return unknown(key, where) end
  local converted, why = convert(k, value)
  if converted == nil then
    return ("%s: %s %s"):format(where, key, why)
  end
  why = check_more(key, converted)
  if why then return ("%s: %s %s"):format(where, key, why) end
  values[key], origins[key] = converted, origin
end

local function read_file(path, values, origins)
  local text, err = fs.read(path)
  if not text then return ("configuration %s: %s"):format(path, tostring(err)) end
  local chunk, why = load(text, "@" .. path, "t", { math = math, string = string, table = table,
    tonumber = tonumber, tostring = tostring, ipairs = ipairs, pairs = pairs, type = type, select = select,
    error = error, assert = assert, env = process.env })
  if not chunk then return "configuration " .. why end
  local ok, sections = pcall(chunk)
  if not ok then return "configuration " .. tostring(sections) end
  if type(sections) ~= "table" then return ("configuration %s: must return a table of sections"):format(path) end
  local names = {}
  for section in pairs(sections) do names[#names + 1] = tostring(section) end
  table.sort(names)
  for _, section in ipairs(names) do
    local content = sections[section]
    -- `strategies = {...}` is the readable form of strategy.list
    if section == "strategies" then
      section, content = "strategy", { list = content }
    end
    if type(content) ~= "table" then
      return ("configuration %s: %s must be a table of settings"):format(path, section)
    end
    local keys = {}
    for name in pairs(content) do keys[#keys + 1] = tostring(name) end
    table.sort(keys)
    for _, name in ipairs(keys) do
      local bad = put(values, origins, section .. "." .. name, content[name], "configuration " .. path, path)
      if bad then return bad end
    end
  end
end

-- Names of the environment, as the kernel keeps them.
local function environment_names()
  local names = {}
  for name in (fs.read("/proc/self/environ") or ""):gmatch("([^=%z]+)=[^%z]*") do names[#names + 1] = name end
  return names
end

local function read_environment(values, origins)
  for _, name in ipairs(environment_names()) do
    local section, key = name:match("^PERIGEE__([A-Z0-9]+)__([A-Z0-9_]+)$")
    key = section and (section .. "." .. key):lower()
    if name:match("^PERIGEE__") and not by_key[key or ""] then return unknown(key or name, "environment " .. name) end
  end
  for _, k in ipairs(config.keys) do
    local long = "PERIGEE__" .. k.key:upper():gsub("%.", "__")
    for _, name in ipairs({ k.env or long, long }) do
      local value = process.env(name)
      if value and value ~= "" then
        local bad = put(values, origins, k.key, value, "environment " .. name, "$" .. name)
        if bad then return bad end
      end
    end
  end
end

-- A socket path has at most 107 bytes: a long data folder gets one below /tmp.
local function socket_path(data)
  local path = data .. "/engine.sock"
  if #path <= 100 then return path end
  local hash = 5381
  for i = 1, #data do hash = (hash * 33 + data:byte(i)) & 0xffffffff end
  local folder = (process.env("XDG_RUNTIME_DIR") or "/tmp") .. ("/perigee-%08x"):format(hash)
  fs.mkdir(folder)
  return folder .. "/engine.sock"
end

local effective, effective_text, source = {}, "", nil
local given = {} -- key -> where it was given

--- The effective configuration, "section.key" to typed value.
---@return table<string, any>
function config.values() return effective end

--- A hash of what is in force, secrets left out: two runs with the same one were configured alike.
---@return string  16 hex digits (FNV-1a)
function config.hash()
  local hash = 0xcbf29ce484222325
  for i = 1, #effective_text do hash = (hash ~ effective_text:byte(i)) * 0x100000001b3 end
  return ("%016x"):format(hash)
end

--- The configuration file that was given or found; nil: none.
---@return string|nil
function config.file() return source end

--- One effective value.
---@param key string
function config.get(key)
  assert(by_key[key], key)
  return effective[key]
end

--- Was a key given by file, environment or command line?
---@param key string
---@return boolean
function config.given(key)
  assert(by_key[key], key)
  return given[key] ~= nil
end

local function render(k, value)
  if value == nil then return "nil" end
  if k.secret then return '"***"' end
  if k.type == "list" then return ("{ %d entries }"):format(#value) end
  if type(value) == "string" then return ("%q"):format(value) end
  return tostring(value)
end

local function shown(values, origins)
  local lines, section = {}, nil
  for _, k in ipairs(config.keys) do
    local s, name = k.key:match("^(.-)%.(.+)$")
    if s ~= section then
      lines[#lines + 1] = (section and "\n" or "") .. "[" .. s .. "]"
      section = s
    end
    lines[#lines + 1] = ("%-24s = %-34s # %s"):format(name, render(k, values[k.key]), origins[k.key] or "default")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function weight(origin)
  return origin == "command line" and 3 or origin:sub(1, 1) == "$" and 2 or 1
end

local function finish(values, origins)
  if values["market.tape"] and values["market.seed"] then
    -- The one that was said with more weight wins: command line over environment over file.
    local seed, tape = weight(origins["market.seed"]), weight(origins["market.tape"])
    if seed > tape then
      values["market.tape"] = nil
    elseif tape > seed then
      values["market.seed"] = nil
    else
      return "configuration: market.tape and market.seed exclude each other; give one"
    end
  end
  local data = values["data.dir"]
  values["paper.credentials"] = values["paper.credentials"] or (data .. "/sim/credentials.json")
  values["vault.key_file"] = values["vault.key_file"] or (data .. "/vault.key")
  values["engine.socket"] = values["engine.socket"] or socket_path(data)
end

--- Resolves the configuration. `file` nil: perigee.lua of the current folder when there is one.
---@param file string|nil
---@param overrides string[]        "section.key=value" of the command line
---@return table<string, string>|nil flat texts for C ("_shown": what show-config prints), or nil
---@return string|nil why           one sentence
function config.resolve(file, overrides)
  local values, origins = {}, {}
  for _, k in ipairs(config.keys) do values[k.key] = k.default end
  local path = file or (fs.exists("perigee.lua") and "perigee.lua") or nil
  local bad = path and read_file(path, values, origins)
  bad = bad or read_environment(values, origins)
  if bad then return nil, bad end
  for _, override in ipairs(overrides) do
    local key, value = override:match("^(.-)=(.*)$")
    bad = put(values, origins, key, value, "command line", "command line")
    if bad then return nil, bad end
  end
  bad = finish(values, origins)
  if bad then return nil, bad end
  effective, source, given = values, path, origins
  local flat = { _shown = shown(values, origins) }
  effective_text = shown(values, {})
  for _, k in ipairs(config.keys) do
    local value = values[k.key]
    if value ~= nil and k.secret then log.mask(value) end
    if value ~= nil and k.type ~= "list" then
      if math.type(value) == "float" then value = ("%.17g"):format(value) end
      flat[k.key] = tostring(value)
    end
  end
  return flat
end

return config
