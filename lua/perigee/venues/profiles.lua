-- SPDX-License-Identifier: MIT
-- Broker profiles: what may stand in one, its defaults, the check that each passes, and the file by which a user
-- adds or changes one. The profiles that ship are data in brokers.lua.

local config = require "perigee.config"
local fs = require "perigee.fs"

local profiles = {}

---@class perigee.BrokerProfile
---@field name string
---@field kind "platform"|"trader"    which of the two APIs; only the platform one can be used
---@field origin string|nil           https address, no path; nil: given at start (paper)
---@field login string                path of the login door
---@field login_body "json"|"form"|"oauth"  form of its body
---@field token_login string          path of the door for one-time tokens
---@field id_key string|false         name of the broker id in the login; false: none
---@field id_type "string"|"number"   how it is written
---@field broker_id string|nil        nil: asked from platform-details
---@field refresh string|false        path of the renewal; false: none
---@field renewal "refresh"|"login"   how a session is renewed
---@field logout string|false         path of the logout; false: none, a session ends with its token
---@field cookie "session"|"account"  which token goes into the co-auth cookie
---@field close "single"|"bulk"       position/close, or positions/close with an array
---@field candles "range"|"count"     asked by from and to, or by a count
---@field headers { [1]: string, [2]: string }[]  instead of or beside our own; {origin}, {agent}, {browser_id}
---@field refreshes_per_hour integer
---@field logins_per_minute integer   of all users, at most: a broker locks out who knocks too often
---@field logins_per_hour integer     of one user, at most
---@field token_life_ms integer       when the token does not say its own expiry
---@field poll table<string, integer> market ms: quotes_ms, positions_ms, idle_ms, orders_ms, balance_ms; nil:
---                                   as configured
---@field budget perigee.ProfileBudget
---@field absent_after_ms integer|nil how long a lost order may still turn up; nil: as configured
---@field idle_close_ms integer|nil   after so long without a request the broker cuts a connection
---@field hours_offset_minutes integer  of the trading hours from UTC
---@field seen "documented"|"reported"|"own"  where the facts come from
---@field note string|nil             what an operator should know

---@class perigee.ProfileBudget
---@field requests integer            in a window
---@field window_ms integer           market ms
---@field scope "account"|"address"|"broker"  who shares it
---@field per_day integer|nil         a limit of a day that a broker sets beside

-- ---- what each field must be ---------------------------------------------------------------------

local function choice(...)
  local words = { ... }
  return function(value)
    for _, word in ipairs(words) do
      if value == word then return nil end
    end
    return "must be " .. table.concat(words, " or ")
  end
end

local function whole(least, most)
  return function(value)
    if math.type(value) == "integer" and value >= least and value <= most then return nil end
    return ("must be a whole number from %d to %d"):format(least, most)
  end
end

local function pattern(what, ...)
  local patterns = { ... }
  return function(value)
    for _, p in ipairs(patterns) do
      if type(value) == "string" and value:match(p) then return nil end
    end
    return "must be " .. what
  end
end

local function or_false(check)
  return function(value)
    if value == false then return nil end
    local why = check(value)
    return why and why .. ", or false"
  end
end

local function fields_of(schema)
  return function(value)
    if type(value) ~= "table" then return "must be a table" end
    local names = {}
    for name in pairs(value) do names[#names + 1] = tostring(name) end
    table.sort(names)
    for _, name in ipairs(names) do
      local check = schema[name]
      if not check then return ("has an unknown field %s"):format(name) end
      local why = check(value[name])
      if why then return ("field %s %s"):format(name, why) end
    end
  end
end

-- Headers that the codec, the transport or the session write themselves, and those that would change how an answer
-- comes: an encoding that nobody here reads makes every order's outcome unknown.
local reserved = { host = true, cookie = true, ["content-length"] = true, ["transfer-encoding"] = true,
  connection = true, ["auth-trading-api"] = true, ["content-type"] = true, ["idempotency-key"] = true,
  ["accept-encoding"] = true, te = true, trailer = true, expect = true, upgrade = true, ["keep-alive"] = true,
  ["proxy-connection"] = true, range = true, ["if-none-match"] = true, ["if-modified-since"] = true }

local function headers(value)
  if type(value) ~= "table" then return "must be a list of { name, value }" end
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  if count ~= #value then return "must be a list of { name, value }" end
  for i, pair in ipairs(value) do
    if type(pair) ~= "table" or type(pair[1]) ~= "string" or type(pair[2]) ~= "string" or #pair ~= 2 then
      return ("[%d] must be { name, value }"):format(i)
    end
    if not pair[1]:match("^[%w-]+$") or pair[2]:match("%c") then return ("[%d] is no header line"):format(i) end
    if reserved[pair[1]:lower()] then return ("[%d]: %s is written by the engine itself"):format(i, pair[1]) end
  end
end

local path = pattern("a path such as /manager/mtr-login", "^/[%w%-_/%.]+$")
local period = whole(100, 24 * 3600 * 1000)

local schema = {
  name = pattern("up to 31 lower-case letters, digits, _ or -", "^%l[%l%d_-]*$"),
  kind = choice("platform", "trader"),
  origin = pattern("an https address without a path", "^https://[%w%.%-]+$", "^https://[%w%.%-]+:%d+$"),
  login = path, login_body = choice("json", "form", "oauth"), token_login = path,
  id_key = or_false(choice("brokerId", "partnerId")), id_type = choice("string", "number"),
  broker_id = pattern("a text of letters and digits", "^[%w_-]+$"),
  refresh = or_false(path), renewal = choice("refresh", "login"), logout = or_false(path),
  cookie = choice("session", "account"), close = choice("single", "bulk"), candles = choice("range", "count"),
  headers = headers, refreshes_per_hour = whole(0, 60),
  logins_per_minute = whole(1, 100000), logins_per_hour = whole(1, 100000),
  token_life_ms = whole(60000, 24 * 3600 * 1000),
  poll = fields_of { quotes_ms = period, positions_ms = period, idle_ms = period, orders_ms = period,
    balance_ms = period },
  budget = fields_of { requests = whole(1, 100000), window_ms = whole(1000, 24 * 3600 * 1000),
    scope = choice("account", "address", "broker"), per_day = whole(1, 10000000) },
  absent_after_ms = whole(1000, 3600000), idle_close_ms = whole(1000, 24 * 3600 * 1000),
  hours_offset_minutes = whole(-14 * 60, 14 * 60), seen = choice("documented", "reported", "own"),
  note = function(value)
    if type(value) ~= "string" or #value > 300 then return "must be a text of at most 300 bytes" end
  end,
}

--- The names of all fields, sorted.
---@return string[]
function profiles.fields()
  local names = {}
  for name in pairs(schema) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local defaults = {
  kind = "platform",
  login = "/manager/mtr-login",
  login_body = "json",
  id_key = "brokerId",
  id_type = "string",
  logout = false,
  renewal = "refresh",
  cookie = "session",
  close = "single",
  candles = "range",
  refreshes_per_hour = 4,
  logins_per_minute = 30,
  logins_per_hour = 20,
  token_life_ms = 15 * 60 * 1000,
  hours_offset_minutes = 0,
  seen = "own",
}

local default_budget = { requests = 480, window_ms = 60000, scope = "account" }

-- Renewal and one-time tokens have their doors beside the login's.
local beside = {
  ["/mtr-core-edge/"] = { refresh = "/mtr-core-edge/refresh-token",
    token_login = "/mtr-core-edge/v2/login/with-token" },
  ["/mtr-backend/"] = { refresh = "/mtr-backend/refresh-token" },
}

local default_doors = { refresh = "/manager/refresh-token", token_login = "/manager/login/co/with-token" }

-- ---- checks --------------------------------------------------------------------------------------

local function sorted(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

--- What is wrong with the fields of a profile, as one sentence; nil: nothing.
---@param fields table
---@return string|nil
function profiles.check(fields)
  if type(fields) ~= "table" then return "a profile must be a table" end
  local name = type(fields.name) == "string" and fields.name or "?"
  for _, key in ipairs(sorted(fields)) do
    local check = schema[key]
    if not check then
      return ("profile %s: unknown field %s; the nearest known one is %s"):format(name, key,
        config.nearest(key, sorted(schema)))
    end
    local why = check(fields[key])
    if why then return ("profile %s: %s %s"):format(name, key, why) end
  end
  if name == "?" then return "a profile needs a name" end
  if #name > 31 then return ("profile %s: name must be up to 31 bytes long"):format(name) end
  if fields.login_body == "oauth" and fields.id_key then
    return ("profile %s: the login door of form oauth takes no broker id"):format(name)
  end
  if fields.renewal == "refresh" and fields.refresh == false then
    return ("profile %s: renewal by refresh needs the path of the refresh"):format(name)
  end
  return nil
end

local function copy(t)
  local out = {}
  for key, value in pairs(t) do out[key] = type(value) == "table" and copy(value) or value end
  return out
end

--- A whole profile from the fields that differ from the defaults, or nil and what is wrong.
---@param fields table
---@return perigee.BrokerProfile|nil, string|nil why
function profiles.make(fields)
  local why = profiles.check(fields)
  if why then return nil, why end
  local p = copy(fields)
  for key, value in pairs(defaults) do
    if p[key] == nil then p[key] = value end
  end
  if p.login_body == "oauth" and fields.id_key == nil then p.id_key = false end
  local doors = {}
  for folder, list in pairs(beside) do
    if p.login:sub(1, #folder) == folder then doors = list end
  end
  for key, value in pairs(default_doors) do
    if p[key] == nil then p[key] = doors[key] or value end
  end
  p.headers, p.poll, p.budget = p.headers or {}, p.poll or {}, p.budget or {}
  for key, value in pairs(default_budget) do
    if p.budget[key] == nil then p.budget[key] = value end
  end
  why = profiles.check(p)
  if why then return nil, why end
  return p
end

-- ---- a user's own file ---------------------------------------------------------------------------

local function fail(message)
  return nil, { code = "input", message = message, source = "profiles", retry = "no" }
end

-- Fields laid over those of a profile that ships: tables such as poll and budget are merged, lists replaced.
local function overlay(base, fields)
  local out = copy(base)
  for key, value in pairs(fields) do
    if type(value) == "table" and type(out[key]) == "table" and key ~= "headers" then
      for name, inner in pairs(value) do out[key][name] = inner end
    else
      out[key] = value
    end
  end
  return out
end

-- Doors that were derived from the old login path follow the new one.
local function drop_derived(base, fields)
  local out = copy(base)
  if fields.login and fields.login ~= base.login then out.refresh, out.token_login = nil, nil end
  return out
end

--- Profiles of a file: Lua that returns { NAME = { fields }, ... }. A known name changes that profile, a new one adds
--- a profile. The file sees no more than the configuration does.
---@param file string
---@param known table<string, perigee.BrokerProfile>
---@return table<string, perigee.BrokerProfile>|nil all, table|nil err
function profiles.load(file, known)
  local source, err = fs.read(file)
  if not source then return fail(("broker profiles %s: %s"):format(file, tostring(err))) end
  local chunk, why = load(source, "@" .. file, "t", {})
  if not chunk then return fail("broker profiles " .. why) end
  local ok, added = pcall(chunk)
  if not ok then return fail("broker profiles " .. tostring(added)) end
  if type(added) ~= "table" then
    return fail(("broker profiles %s: must return a table of profiles by name"):format(file))
  end
  local all = {}
  for name, p in pairs(known) do all[name] = p end
  for _, name in ipairs(sorted(added)) do
    local fields = added[name]
    if type(fields) ~= "table" then return fail(("broker profiles %s: %s must be a table"):format(file, name)) end
    if fields.name ~= nil and fields.name ~= name then
      return fail(("broker profiles %s: %s says that its name is %s"):format(file, name, tostring(fields.name)))
    end
    local base = known[name] and drop_derived(known[name], fields) or { name = name }
    local p
    p, why = profiles.make(overlay(base, fields))
    if not p then return fail(("broker profiles %s: %s"):format(file, why)) end
    if not p.origin and name ~= "paper" then
      return fail(("broker profiles %s: profile %s needs an origin"):format(file, name))
    end
    all[name] = p
  end
  return all
end

--- Every profile that ships, or that the configured file adds or changes.
---@return table<string, perigee.BrokerProfile>|nil, table|nil err
function profiles.all()
  local shipped = require "perigee.venues.brokers"
  local file = config.get("broker.profiles")
  if not file then return shipped end
  return profiles.load(file, shipped)
end

--- One profile that can be used, or nil and one sentence.
---@param name string
---@return perigee.BrokerProfile|nil, table|nil err
function profiles.get(name)
  local all, err = profiles.all()
  if not all then return nil, err end
  local p = all[name]
  if not p then
    return fail(("no broker profile is called %s; the nearest known one is %s"):format(name,
      config.nearest(name, sorted(all))))
  end
  return p
end

return profiles
