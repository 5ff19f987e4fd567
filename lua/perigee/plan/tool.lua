-- SPDX-License-Identifier: MIT
-- perigee plan: prints what the reads of each broker cost, and whether they fit into its request budget.

local config = require "perigee.config"
local exec = require "perigee.exec"
local fs = require "perigee.fs"
local json = require "perigee.json"
local logins = require "perigee.logins"
local plan = require "perigee.plan"
local profiles = require "perigee.venues.profiles"
local vault = require "perigee.vault"
local vault_key = require "perigee.vault_key"

local tool = {}

local DOES_NOT_FIT, USAGE, INPUT = 1, 2, 3

local OPTIONS = {
  { "config", "FILE", "configuration file (perigee.lua when there is one)" },
  { "data-dir", "DIR", "folder of all state (default var): whose vault names the logins" },
  { "broker", "NAME", "plan this profile; with --accounts, when no login of it is known" },
  { "accounts", "N", "trading accounts instead of those that are known" },
  { "users", "N", "logins that hold them" },
  { "busy", "N", "accounts with open positions (default: all)" },
  { "pending", "N", "accounts with pending orders (default: none)" },
  { "json", nil, "one JSON object for each broker" },
}

local function usage(to)
  to:write("usage: perigee plan [--config F] [--data-dir D] [--broker NAME] [--accounts N] [--users N] [--busy N]\n",
    "            [--pending N] [--json]\n\n",
    "Prints what the reads of each broker cost and whether they fit into its request budget; 1 when they do not.\n\n")
  for _, o in ipairs(OPTIONS) do
    to:write(("  %-18s %s\n"):format("--" .. o[1] .. (o[2] and " " .. o[2] or ""), o[3]))
  end
end

-- ---- arguments -----------------------------------------------------------------------------------

local by_name = {}
for _, o in ipairs(OPTIONS) do by_name[o[1]] = o end

local function number(name, text)
  local value = math.tointeger(tonumber(text))
  if not value or value < 0 or value > 1000000 then return nil, ("--%s must be a whole number"):format(name) end
  return value
end

local function read(argv)
  local given, i = {}, 1
  while i <= #argv do
    local name, value = argv[i]:match("^%-%-([%w-]+)=(.*)$")
    name = name or argv[i]:match("^%-%-([%w-]+)$")
    local o = name and by_name[name]
    if not o then return nil, ("unexpected argument %s"):format(argv[i]) end
    if o[2] and not value then
      i = i + 1
      value = argv[i]
      if not value then return nil, ("--%s needs a value"):format(name) end
    end
    if o[2] == "N" then
      local why
      value, why = number(name, value)
      if not value then return nil, why end
    end
    given[name] = value or true
    i = i + 1
  end
  return given
end

-- ---- who logs in where ---------------------------------------------------------------------------

-- Accounts of a record: those that are named, else those that its last session had, else one.
local function accounts_of(v, record)
  if record.account_ids then return #record.account_ids end
  local kept = json.decode((v:tokens(record.id) or {}).session or "")
  local rows = type(kept) == "table" and kept.accounts
  return type(rows) == "table" and math.max(#rows, 1) or 1
end

local function from_vault(path)
  local key, err = vault_key.load { file = config.get("vault.key_file"), secret = config.get("vault.key") }
  if not key then return nil, err end
  local v
  v, err = vault.open(path, key)
  if not v then return nil, err end
  local counts = {}
  for _, record in ipairs(v.users) do
    if record.active then
      local c = counts[record.broker] or { users = 0, accounts = 0 }
      counts[record.broker] = c
      c.users, c.accounts = c.users + 1, c.accounts + accounts_of(v, record)
    end
  end
  return counts
end

local function from_logins()
  local list = logins.read(config.get("paper.credentials"))
  local count = config.get("paper.accounts")
  if not list then return { paper = { users = count, accounts = count } } end
  local c = { users = #list, accounts = 0 }
  for _, login in ipairs(list) do c.accounts = c.accounts + (login.account_ids and #login.account_ids or 1) end
  return { paper = c }
end

local function known_logins()
  local path = config.get("data.dir") .. "/vault"
  if fs.exists(path) then return from_vault(path) end
  return from_logins()
end

-- ---- the plan ------------------------------------------------------------------------------------

--- The input of a broker's plan.
---@param profile perigee.BrokerProfile
---@param counts { users: integer, accounts: integer }
---@param given table   arguments
---@return perigee.PlanInput
function tool.input(profile, counts, given)
  local accounts = given.accounts or counts.accounts
  return { profile = profile, budget = plan.budget(profile, config), periods = plan.wanted(profile, config),
    accounts = accounts, users = math.min(given.users or given.accounts or counts.users, accounts),
    busy = math.min(given.busy or accounts, accounts), resting = math.min(given.pending or 0, accounts),
    marks = exec.budget_marks() }
end

local function every(ms) return (("%.1f"):format(ms / 1000):gsub("%.0$", "")) .. " s" end

--- A plan as lines of text.
---@param p perigee.Plan
---@param input perigee.PlanInput
---@return string
function tool.text(p, input)
  local out, b = {}, input.budget
  local function line(format, ...) out[#out + 1] = format:format(...) end
  line("%s: %d accounts of %d logins, %d with open positions", p.broker, input.accounts, input.users, input.busy)
  line("  %-46s %9s %10s %10s", "reads" .. (p.scope == "account" and ", of the busiest account" or ""), "requests",
    "every", "a minute")
  for _, kind in ipairs(p.kinds) do
    line("  %-46s %9d %10s %10.1f%s", kind.text, kind.requests, every(kind.period_ms), kind.per_minute,
      kind.period_ms > kind.wanted_ms and (" (wanted every %s)"):format(every(kind.wanted_ms)) or "")
  end
  line("  %-46s %9s %10s %10.1f", "together", "", "", p.planned)
  line("  budget: %d requests in %s for each %s%s; regular reads may use %.1f a minute, %.1f are kept for orders",
    b.requests, every(b.window_ms), p.scope, b.per_day and (", and %d a day"):format(b.per_day) or "", p.room, p.kept)
  for _, warning in ipairs(p.warnings) do line("  warning: %s", warning) end
  line("  %s", p.fits and "it fits" or "it does not fit")
  return table.concat(out, "\n") .. "\n"
end

local function object(p, input)
  return { broker = p.broker, scope = p.scope, accounts = input.accounts, users = input.users, busy = input.busy,
    limit = p.limit, room = p.room, wanted = p.wanted, planned = p.planned, kept = p.kept, periods = p.periods,
    stretched = json.array(p.stretched), fits = p.fits, warnings = json.array(p.warnings), kinds = json.array(p.kinds) }
end

-- Brokers to plan, sorted; nil, why when there is none.
local function brokers_of(given, counts, all)
  if given.broker then
    if not all[given.broker] then
      local names = {}
      for name in pairs(all) do names[#names + 1] = name end
      return nil, ("no broker profile is called %s; the nearest known one is %s"):format(given.broker,
        config.nearest(given.broker, names))
    end
    if not counts[given.broker] and not given.accounts then
      return nil, ("no login at %s is known; say how many --accounts it should be"):format(given.broker)
    end
    return { given.broker }
  end
  local names = {}
  for name in pairs(counts) do
    if all[name] then names[#names + 1] = name end
  end
  if #names == 0 then return nil, "no login is known; name a --broker and its --accounts" end
  table.sort(names)
  return names
end

--- The verb. Returns its exit code.
---@param argv string[]
---@return integer
function tool.main(argv)
  local function fail(code, text)
    io.stderr:write("perigee plan: ", text, "\n")
    return code
  end
  for _, word in ipairs(argv) do
    if word == "--help" then
      usage(io.stdout)
      return 0
    end
  end
  local given, why = read(argv)
  if not given then return fail(USAGE, why .. "; see perigee plan --help") end
  local values
  values, why = config.resolve(given.config, given["data-dir"] and { "data.dir=" .. given["data-dir"] } or {})
  if not values then return fail(INPUT, why) end
  local all, counts, err
  all, err = profiles.all()
  if not all then return fail(INPUT, err.message) end
  counts, err = known_logins()
  if not counts then return fail(INPUT, err.message) end
  local names
  names, why = brokers_of(given, counts, all)
  if not names then return fail(USAGE, why) end
  local code = 0
  for i, name in ipairs(names) do
    local input = tool.input(all[name], counts[name] or { users = given.accounts, accounts = given.accounts }, given)
    local p = plan.make(input)
    if given.json then
      io.stdout:write(json.encode(object(p, input)), "\n")
    else
      io.stdout:write(i > 1 and "\n" or "", tool.text(p, input))
    end
    if not p.fits then code = DOES_NOT_FIT end
  end
  return code
end

return tool
