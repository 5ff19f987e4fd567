-- SPDX-License-Identifier: MIT
-- Which requests go wrong, and how: rules, as the control port and the chaos profiles give them, are asked about each
-- request and answer with actions. Nothing is done here: serve.lua does what was planned. The same rules, seed and
-- requests plan the same faults; each rule draws from a stream of its own, so one more rule changes no other's luck.

local rng = require "perigee.rng"

local faults = {}

---@class perigee.SimFaultRule
---@field kind string              one of faults.kinds
---@field path string|nil          the request's path ends so, or "writes", "reads", "orders", "logins"; nil: any
---@field account string|nil       of one account only
---@field used boolean|nil         true: on a connection that was used before, false: on a fresh one
---@field times integer|nil        so many, then the rule is gone
---@field share number|nil         of those that match, drawn; nil: all
---@field every integer|nil        each n-th of those that match
---@field on integer[]|nil         {least, most} ms: the rule holds in spells that begin after `off` and end after `on`
---@field off integer[]|nil        {least, most} ms between them
---@field ms integer|nil           how long, by kind; with to_ms drawn between the two
---@field to_ms integer|nil
---@field at string|nil            of a reset: "before", "during", "after" the execution
---@field fin boolean|nil          the connection ends by FIN and not by RST
---@field bytes integer|nil        of a truncated body: so many arrive; nil: half of it
---@field executed boolean|nil     of a status or half_open: carried out all the same; nil: as the kind has it
---@field retry_after integer|nil  of 429: seconds; nil: the header is not there
---@field id integer|nil           given by Planner:add

-- `ends`: the answer is not what it would have been, so that one request can have only one of these.
-- `ms`: the default span. `executed`: whether it happens behind an answer that says it did not.
---@type table<string, { ends: boolean?, ms: integer[]?, executed: boolean|string?, text: string }>
faults.kinds = {
  slow = { ms = { 500, 3000 }, text = "executed at once, answered later" },
  late = { ms = { 12000, 60000 }, text = "executed later than a client waits, and answered then" },
  reset = { ends = true, ms = { 50, 1500 },
    text = "the connection breaks before, during or after the execution (`at`); during: executed so much later" },
  truncate = { ends = true, text = "executed; the body ends too early" },
  garbage = { ends = true, text = "executed; 200 with a body without sense" },
  half_open = { ends = true, executed = false, text = "never answered" },
  ["401"] = { ends = true, executed = false, text = "the session is not taken" },
  ["403"] = { ends = true, executed = false, text = "the edge's page, cf-mitigated" },
  ["410"] = { ends = true, executed = false, text = "gone" },
  ["429"] = { ends = true, executed = false, text = "too many requests, with Retry-After or without" },
  ["502"] = { ends = true, executed = "drawn", text = "a gateway's page; executed or not, drawn" },
  forget = { text = "the account's session ends before the request is looked at" },
  chunked = { text = "the answer is right, its body comes in chunks" },
  stale = { ms = { 5000, 30000 }, text = "the quotes stand still for so long" },
}

local groups = {
  writes = function(method, path)
    return method == "POST" and (path:find("/position", 1, true) or path:find("/pending-order/", 1, true)) ~= nil
  end,
  logins = function(_, path)
    return path:find("login", 1, true) ~= nil or path:find("refresh-token", 1, true) ~= nil
  end,
  orders = function(method, path)
    return method == "POST" and (path:find("/position/open", 1, true) or path:find("/pending-order/create", 1, true))
      ~= nil
  end,
  reads = function(method, path)
    return path:find("^/mtr%-api/") ~= nil and (method == "GET" or path:find("/closed-positions", 1, true) ~= nil)
  end,
}

-- ---- rules -----------------------------------------------------------------------------------------

local function whole(value, least) return math.type(value) == "integer" and value >= least end

local function span(value)
  return type(value) == "table" and whole(value[1], 0) and whole(value[2], value[1]) and value[2] > 0
end

local places = { before = true, during = true, after = true }

-- Each member, and when it is right.
local members = {
  kind = function(v) return faults.kinds[v] ~= nil end,
  path = function(v) return type(v) == "string" and (groups[v] ~= nil or v:sub(1, 1) == "/") end,
  account = function(v) return type(v) == "string" end,
  used = function(v) return type(v) == "boolean" end,
  times = function(v) return whole(v, 1) end,
  share = function(v) return type(v) == "number" and v > 0 and v <= 1 end,
  every = function(v) return whole(v, 1) end,
  on = span,
  off = span,
  ms = function(v) return whole(v, 0) and v <= 3600000 end,
  to_ms = function(v) return whole(v, 0) and v <= 3600000 end,
  at = function(v) return places[v] ~= nil end,
  fin = function(v) return type(v) == "boolean" end,
  bytes = function(v) return whole(v, 0) end,
  executed = function(v) return type(v) == "boolean" end,
  retry_after = function(v) return whole(v, 0) end,
}

--- What is wrong with a rule; nil: nothing.
---@param rule table
---@return string|nil
function faults.check(rule)
  local names = {}
  for name in pairs(rule) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for _, name in ipairs(names) do
    if not members[name] then return ("a fault has no %s"):format(name) end
    if not members[name](rule[name]) then return ("the fault's %s is not right"):format(name) end
  end
  if not rule.kind then return "a fault needs a kind" end
  if (rule.on == nil) ~= (rule.off == nil) then return "a fault in spells needs on and off" end
  if rule.to_ms and not (rule.ms and rule.to_ms >= rule.ms) then return "the fault's to_ms is at least its ms" end
end

---@class perigee.SimFaults
---@field rules perigee.SimFaultRule[]
local Planner = {}
Planner.__index = Planner

--- A planner without rules.
---@param seed integer
---@return perigee.SimFaults
function faults.new(seed)
  return setmetatable({ seed = seed, rules = {}, state = {}, next_id = 1, done = {} }, Planner)
end

--- Adds a rule, which is asked after those that are there. Raises on one that is not right.
---@param rule perigee.SimFaultRule
---@return integer id
function Planner:add(rule)
  local why = faults.check(rule)
  if why then error(why, 2) end
  local kept = { id = self.next_id }
  for name, value in pairs(rule) do kept[name] = value end
  self.next_id = self.next_id + 1
  self.rules[#self.rules + 1] = kept
  self.state[kept.id] = { dice = rng.new(self.seed, "fault " .. kept.id), seen = 0, left = rule.times }
  return kept.id
end

local function drop(self, id)
  for i, rule in ipairs(self.rules) do
    if rule.id == id then
      table.remove(self.rules, i)
      self.state[id] = nil
      return true
    end
  end
  return false
end

--- Takes a rule away, or all of them. True: there was one.
---@param id integer|nil
function Planner:clear(id)
  if id then return drop(self, id) end
  local some = #self.rules > 0
  self.rules, self.state = {}, {}
  return some
end

--- How many times a rule has still to happen; nil: no limit.
function Planner:left(id) return self.state[id] and self.state[id].left end

-- ---- the plan --------------------------------------------------------------------------------------

local function drawn(state, range)
  return range[1] == range[2] and range[1] or state.dice:range(range[1], range[2])
end

-- Whether a rule that comes and goes holds now.
local function holds(rule, state, now)
  if not rule.on then return true end
  if not state.turn then state.turn, state.active = now + drawn(state, rule.off), false end
  while now >= state.turn do
    state.active = not state.active
    -- At least a millisecond, so that the walk to `now` ends.
    state.turn = state.turn + math.max(drawn(state, state.active and rule.on or rule.off), 1)
  end
  return state.active
end

local function matches(rule, request)
  if rule.account and rule.account ~= request.account then return false end
  if rule.used ~= nil and rule.used ~= request.reused then return false end
  local path = rule.path
  if not path then return true end
  if groups[path] then return groups[path](request.method, request.path) end
  return request.path:sub(-#path) == path
end

-- Whether the rule strikes this request that it matches.
local function strikes(rule, state)
  if rule.every then
    state.seen = state.seen + 1
    if state.seen % rule.every ~= 0 then return false end
  end
  return not rule.share or state.dice:uniform() < rule.share
end

local function action(rule, state)
  local kind = faults.kinds[rule.kind]
  local out = { kind = rule.kind, rule = rule.id }
  if kind.ms then
    local range = rule.ms and { rule.ms, rule.to_ms or rule.ms } or kind.ms
    out.ms = drawn(state, range)
  end
  if rule.kind == "reset" then out.at = rule.at or "after" end
  if kind.executed ~= nil then
    out.executed = rule.executed
    if out.executed == nil then out.executed = kind.executed == "drawn" and state.dice:uniform() < 0.5 end
  end
  out.fin, out.bytes, out.retry_after = rule.fin or nil, rule.bytes, rule.retry_after
  return out
end

--- What happens to one request: at most one action of each kind, and only one that spoils the answer.
---@param request { method: string, path: string, account: string|nil, reused: boolean, now: integer }
---  now: ms of any clock that does not go back, for spells
---@return table[] actions  { kind, rule, ms, at, fin, bytes, executed, retry_after }
function Planner:plan(request)
  local actions, taken, ended, spent = {}, {}, false, {}
  for _, rule in ipairs(self.rules) do
    local state, kind = self.state[rule.id], faults.kinds[rule.kind]
    local free = not taken[rule.kind] and not (kind.ends and ended)
    if holds(rule, state, request.now) and free and matches(rule, request) and strikes(rule, state) then
      actions[#actions + 1] = action(rule, state)
      taken[rule.kind], ended = true, ended or kind.ends or false
      self.done[rule.kind] = (self.done[rule.kind] or 0) + 1
      if state.left then
        state.left = state.left - 1
        if state.left == 0 then spent[#spent + 1] = rule.id end
      end
    end
  end
  for _, id in ipairs(spent) do drop(self, id) end
  return actions
end

return faults
