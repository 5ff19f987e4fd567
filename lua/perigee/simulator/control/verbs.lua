-- SPDX-License-Identifier: MIT
-- What a person can do to a running paper broker. Each verb is a function from its named arguments to a result, or nil
-- and what is wrong; `words` are the arguments that the command line may give without their names.

local clock = require "perigee.clock"
local brokers = require "perigee.simulator.broker"
local faults = require "perigee.simulator.faults"
local fs = require "perigee.fs"
local json = require "perigee.json"
local profiles = require "perigee.simulator.profile"
local request = require "perigee.simulator.request"
local serve = require "perigee.simulator.serve"
local task = require "perigee.task"

local verbs = {}

local DRIFT_STEP_MS = 250
local MOST_DRIFT_S = 86400

---@class perigee.SimVerb
---@field words string[]   names of the arguments that need no name, in order
---@field text string
---@field run fun(b: perigee.SimBroker, args: table): any, string|nil

---@type table<string, perigee.SimVerb>
verbs.list = {}

local function verb(name, words, text, run) verbs.list[name] = { words = words, text = text, run = run } end

local function whole(value, least, most)
  return math.type(value) == "integer" and value >= least and value <= most
end

-- The account that is meant, and what is wrong when there is none.
local function account_of(b, args)
  local id = args.account ~= nil and tostring(args.account) or ""
  if b.accounts[id] then return id end
  return nil, "account must be one of the broker's; see `book`"
end

-- ---- what is there ---------------------------------------------------------------------------------

local function rule_row(b, rule)
  local row = { left = b.faults:left(rule.id) }
  for name, value in pairs(rule) do row[name] = value end
  return row
end

verb("status", {}, "market, profile, what is set and what has happened", function(b)
  local symbol = b.sim:symbols()[1].symbol
  local q = b.sim:quote(symbol)
  return { time = clock.iso(b.sim:now()), symbol = symbol, bid = q and q.bid, ask = q and q.ask, ended = b.sim:ended(),
    profile = profiles.text(b.profile), chaos = b.chaos or "calm", frozen = b.frozen ~= nil, skew_ms = b.skew_ms or 0,
    lag_ms = b.lag_ms or 0, idle_ms = b.idle_ms or 0, limit = b.sessions.limit or 500, rules = #b.faults.rules,
    faults = b.faults.done, requests = b.served or 0, model = b.sim:model() }
end)

verb("book", { "account" }, "money, positions and orders of an account, or of all", function(b, args)
  local rows, only = json.array(), nil
  if args.account ~= nil then
    local why
    only, why = account_of(b, args)
    if not only then return nil, why end
  end
  for _, a in ipairs(b.sim:accounts()) do
    if not only or a.id == only then
      rows[#rows + 1] = { account = a.id, user = a.user, currency = a.currency, money = b.sim:money(a.id),
        positions = json.array(b.sim:positions(a.id)), orders = json.array(b.sim:pendings(a.id)) }
    end
  end
  return rows
end)

verb("ledger", { "last" }, "the newest rows of the broker's own ledger, as CSV", function(b, args)
  local last = args.last or 20
  if not whole(last, 1, 100000) then return nil, "last is 1 to 100000 rows" end
  if not b.folder then return nil, "this broker keeps no ledger" end
  local text, err = fs.read(b.folder .. "/ledger.csv", 1 << 30)
  if not text then return nil, err.message end
  local lines = {}
  for line in text:gmatch("([^\n]+)\n") do lines[#lines + 1] = line end
  local out = { lines[1] }
  for i = math.max(2, #lines - last + 1), #lines do out[#out + 1] = lines[i] end
  return out
end)

verb("sessions", {}, "logins, renewals and living sessions of each login", function(b)
  local rows, now = {}, b.sim:now()
  for email, user in pairs(b.sessions.users) do
    local counts, expires = b.logins[email] or {}, json.array()
    for i, at in ipairs(b.sessions:living(email, now)) do expires[i] = clock.iso(at) end
    rows[#rows + 1] = { email = email, accounts = user.accounts, logins = counts.ok or 0, failed = counts.failed or 0,
      refreshes = counts.refreshes or 0, expires = expires }
  end
  table.sort(rows, function(x, y) return x.email < y.email end)
  return rows
end)

verb("counts", {}, "requests of each account by route, and faults by kind", function(b)
  return { requests = b.counts, faults = b.faults.done }
end)

-- ---- what goes wrong -------------------------------------------------------------------------------

verb("fail", { "kind" }, "a fault from now on: kind, and how often, where and how (times is 1 when nothing says how "
  .. "often)", function(b, args)
  local rule = {}
  for name, value in pairs(args) do rule[name] = value end
  rule.kind = args.kind ~= nil and tostring(args.kind) or nil
  if rule.account ~= nil then
    local why
    rule.account, why = account_of(b, args)
    if not rule.account then return nil, why end
  end
  if not (rule.times or rule.share or rule.every or rule.on) then rule.times = 1 end
  local why = faults.check(rule)
  if why then return nil, why end
  return { rule = b.faults:add(rule) }
end)

verb("faults", {}, "the rules that hold", function(b)
  local rows = json.array()
  for i, rule in ipairs(b.faults.rules) do rows[i] = rule_row(b, rule) end
  return rows
end)

verb("clear", { "rule" }, "takes one rule away, or all", function(b, args)
  if args.rule ~= nil and not whole(args.rule, 1, math.maxinteger) then return nil, "rule is a number; see `faults`" end
  if not b.faults:clear(args.rule) and args.rule then return nil, "there is no such rule; see `faults`" end
  return { rules = #b.faults.rules }
end)

verb("chaos", { "name" }, "begins a bad day, in place of the one before; calm ends it", function(b, args)
  local ok, err = brokers.set_chaos(b, tostring(args.name))
  if not ok then return nil, err.message end
  return { chaos = b.chaos, profile = profiles.text(b.profile) }
end)

verb("profile", { "words" }, "changes how the broker speaks", function(b, args)
  local ok, err = brokers.set_profile(b, tostring(args.words or ""))
  if not ok then return nil, err.message end
  return { profile = profiles.text(b.profile) }
end)

verb("model", {}, "how the book treats orders: settings of docs/simulator.md by name; none: shows them",
  function(b, args)
    if next(args) then
      local ok, err = b.sim:model(args)
      if not ok then return nil, err.message end
    end
    return b.sim:model()
  end)

verb("freeze", { "ms" }, "quotes stand still, for so long or until thaw", function(b, args)
  if args.ms ~= nil and not whole(args.ms, 1, 86400000) then return nil, "ms is a number of milliseconds" end
  serve.freeze(b, args.ms)
  return { frozen = true }
end)

verb("thaw", {}, "quotes move again", function(b)
  serve.thaw(b)
  return { frozen = false }
end)

-- A setting of milliseconds.
local function setting(name, words, text, least, most, set)
  verb(name, words, text, function(b, args)
    if not whole(args.ms, least, most) then return nil, ("ms is a number from %d to %d"):format(least, most) end
    set(b, args.ms)
    return { [name] = args.ms }
  end)
end

setting("skew", { "ms" }, "sets the broker's clock wrong by so much", -86400000, 86400000, brokers.set_skew)
setting("lag", { "ms" }, "lists do not show what is newer than so many market milliseconds", 0, 3600000,
  function(b, ms) b.lag_ms = ms end)
setting("idle", { "ms" }, "closes connections that are idle for so long; 0: five minutes", 0, 3600000,
  brokers.set_idle)

verb("limit", { "requests" }, "requests in a minute, of each account or (shared=true) of all together",
  function(b, args)
    if not whole(args.requests, 1, 1000000) then return nil, "requests is 1 to 1000000" end
    if args.shared ~= nil and type(args.shared) ~= "boolean" then return nil, "shared is true or false" end
    b.sessions.limit = args.requests
    if args.shared ~= nil then b.sessions.shared = args.shared end
    return { limit = args.requests, shared = b.sessions.shared or false }
  end)

verb("disconnect", { "account" }, "ends the sessions of an account", function(b, args)
  local account, why = account_of(b, args)
  if not account then return nil, why end
  return { ended = b.sessions:forget(account) }
end)

verb("login-token", { "email" }, "a token that opens a session once", function(b, args)
  local token = b.sessions:one_time_token(tostring(args.email))
  if not token then return nil, "nobody has that e-mail" end
  return { token = token }
end)

-- ---- the market ------------------------------------------------------------------------------------

local function points_of(args)
  if whole(args.points, -1000000000, 1000000000) then return args.points end
  return nil, "points is a whole number; less than 0 falls"
end

verb("jump", { "points" }, "moves the main symbol's price by points, at its next print and for good", function(b, args)
  local points, why = points_of(args)
  if not points then return nil, why end
  local ok, err = b.sim:push(points)
  if not ok then return nil, err.message end
  return { points = points }
end)

-- Equal steps of the wall clock; the parts add up exactly.
local function drift(b, points, seconds)
  local steps, given = math.max(seconds * 1000 // DRIFT_STEP_MS, 1), 0
  for i = 1, steps do
    local upto = points * i // steps
    if upto ~= given then
      local ok, err = b.sim:push(upto - given)
      if not ok then
        io.stderr:write("perigee sim: the price does not drift on: ", err.message, "\n")
        return
      end
    end
    given = upto
    if i < steps and not task.sleep(DRIFT_STEP_MS, "io") then return end
  end
end

verb("drift", { "points", "seconds" }, "the same slowly, over so many seconds", function(b, args)
  local points, why = points_of(args)
  if not points then return nil, why end
  local seconds = args.seconds or 60
  if not whole(seconds, 1, MOST_DRIFT_S) then return nil, "seconds is 1 to 86400" end
  task.spawn(drift, b, points, seconds)
  return { points = points, seconds = seconds }
end)

-- ---- trades by hand --------------------------------------------------------------------------------

local sides, kinds = { BUY = true, SELL = true }, { LIMIT = true, STOP = true }

-- Reads what a trade by hand needs; `needs` are names of arguments that must be there.
local function order_of(b, args, needs)
  local account, why = account_of(b, args)
  if not account then return nil, why end
  local o = { account = account, id = args.id ~= nil and tostring(args.id) or nil, side = args.side, type = args.type,
    symbol = args.symbol or b.sim:symbols()[1].symbol }
  for _, name in ipairs({ "volume", "price", "stop", "target" }) do
    local value = request.amount(args[name])
    if value == false then return nil, name .. " must be a number" end
    o[name] = value or (name == "stop" or name == "target") and "0" or nil
  end
  for _, name in ipairs(needs) do
    if o[name] == nil then return nil, name .. " is required" end
  end
  if o.side ~= nil and not sides[o.side] then return nil, "side is BUY or SELL" end
  if o.type ~= nil and not kinds[o.type] then return nil, "type is LIMIT or STOP" end
  return o
end

-- The position or order that is named: symbol and side need not be said again.
local function find(rows, id, what)
  for _, row in ipairs(rows) do
    if row.id == id then return row end
  end
  return nil, ("the account has no %s %s; see `book`"):format(what, tostring(id))
end

local function hand(name, words, text, needs, run)
  verb(name, words, text, function(b, args)
    local o, why = order_of(b, args, needs)
    if not o then return nil, why end
    local result, code, message = run(b.sim, o)
    if not result then return nil, message and ("%s: %s"):format(code, message) or code end
    return { id = result == true and o.id or result }
  end)
end

hand("open", { "account", "side", "volume" }, "opens a position by hand (symbol, stop, target)", { "side", "volume" },
  function(sim, o) return sim:hand_open(o.account, o.symbol, o.side, o.volume, o.stop, o.target) end)

hand("close", { "account", "id", "volume" }, "closes a position by hand, or a part of it", { "id" }, function(sim, o)
  local p, why = find(sim:positions(o.account), o.id, "position")
  if not p then return nil, why end
  return sim:hand_close(o.account, p.id, p.symbol, p.side, o.volume)
end)

hand("edit", { "account", "id" }, "replaces stop and target of a position by hand", { "id" }, function(sim, o)
  local p, why = find(sim:positions(o.account), o.id, "position")
  if not p then return nil, why end
  return sim:hand_edit(o.account, p.id, p.symbol, p.side, o.stop, o.target)
end)

hand("pending", { "account", "type", "side", "volume", "price" }, "creates a pending order by hand (symbol, stop, "
  .. "target)", { "type", "side", "volume", "price" }, function(sim, o)
  return sim:hand_pending_create(o.account, o.symbol, o.side, o.type, o.volume, o.price, o.stop, o.target)
end)

hand("pending-edit", { "account", "id", "price" }, "replaces price, stop and target of a pending order by hand",
  { "id", "price" }, function(sim, o)
    local p, why = find(sim:pendings(o.account), o.id, "order")
    if not p then return nil, why end
    return sim:hand_pending_edit(o.account, p.id, p.symbol, p.side, o.volume or p.volume, o.price, o.stop, o.target)
  end)

hand("cancel", { "account", "id" }, "cancels a pending order by hand", { "id" }, function(sim, o)
  local p, why = find(sim:pendings(o.account), o.id, "order")
  if not p then return nil, why end
  return sim:hand_pending_cancel(o.account, p.id, p.symbol)
end)

return verbs
