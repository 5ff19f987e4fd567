-- SPDX-License-Identifier: MIT
-- One paper broker in one piece: market and book, customers, sessions, profile. It has no sockets: what serves it
-- (main.lua, tests) hands it requests through perigee.simulator.routes.

local chaos = require "perigee.simulator.chaos"
local faults = require "perigee.simulator.faults"
local profiles = require "perigee.simulator.profile"
local sessions = require "perigee.simulator.sessions"

local broker = {}

local SYSTEM = "cccccccc-0000-4000-8000-000000000001"

--- A broker over an open market; its accounts are opened there, or found.
---@param options { sim: any, users: table, accounts: perigee.SimAccount[], profile?: string, seed?: integer }
---@return perigee.SimBroker|nil, table|nil err
function broker.new(options)
  local b = { sim = options.sim, sessions = sessions.new(options.users), accounts = {}, digits = {}, system = SYSTEM,
    seed = options.seed or 1, logins = {}, counts = {}, faults = faults.new(options.seed or 1) }
  for _, account in ipairs(options.accounts) do
    local ok, err = b.sim:account_add(account)
    if not ok then return nil, err end
    b.accounts[account.id] = account
  end
  for _, symbol in ipairs(b.sim:symbols()) do b.digits[symbol.symbol] = symbol.price_digits end
  local ok, err = broker.set_profile(b, options.profile or "")
  if not ok then return nil, err end
  return b
end

local function apply(b, profile)
  local own = profile.order == "own"
  if own ~= (b.profile ~= nil and b.profile.order == "own") then
    local ok, why = b.sim:model { order_id_differs = own }
    if not ok then return nil, why end
  end
  b.profile = profile
  return true
end

--- Changes how it speaks, from the next answer on. `text`: words as in profile.lua; what they do not name stays.
---@param b perigee.SimBroker
---@param text string
---@return true|nil, table|nil err
function broker.set_profile(b, text)
  local profile, err = profiles.read(text, b.profile)
  if not profile then return nil, err end
  local ok
  ok, err = apply(b, profile)
  if not ok then return nil, err end
  b.words = (b.words or "") .. "," .. text
  return true
end

--- Sets its clock wrong by so much: times in rows, the Date of answers, the expiry that its tokens tell.
---@param b perigee.SimBroker
---@param ms integer
function broker.set_skew(b, ms) b.skew_ms, b.sessions.skew_ms = ms, ms end

--- Closes connections that are idle for so long; 0: as the server does by itself.
---@param b perigee.SimBroker
---@param ms integer
function broker.set_idle(b, ms)
  b.idle_ms = ms
  if b.server then b.server:idle(ms) end
end

local function unknown(name)
  return nil, { code = "usage", source = "sim", retry = "no",
    message = ("no bad day is called %s; there are %s"):format(name, table.concat(chaos.names(), ", ")) }
end

-- What the model of a bad day changed goes back to what it was before the first of them.
local function set_model(b, model)
  b.calm_model = b.calm_model or b.sim:model()
  local wanted = {}
  for name, value in pairs(b.calm_model) do wanted[name] = value end
  for name, value in pairs(model or {}) do wanted[name] = value end
  wanted.order_id_differs = nil -- the profile's
  return b.sim:model(wanted)
end

--- Begins a bad day, in place of the one before. What was set by hand stays, as far as the day leaves it alone.
---@param b perigee.SimBroker
---@param name string
---@return true|nil, table|nil err
function broker.set_chaos(b, name)
  local day = chaos.profiles[name]
  if not day then return unknown(name) end
  local profile, err = profiles.read(b.words or "", profiles.read(day.profile or ""))
  if not profile then return nil, err end
  local ok
  ok, err = set_model(b, day.model)
  if not ok then return nil, err end
  ok, err = apply(b, profile)
  if not ok then return nil, err end
  for _, id in ipairs(b.chaos_rules or {}) do b.faults:clear(id) end
  b.chaos, b.chaos_rules = name, {}
  for i, rule in ipairs(day.rules) do b.chaos_rules[i] = b.faults:add(rule) end
  broker.set_skew(b, day.skew_ms or 0)
  broker.set_idle(b, day.idle_ms or 0)
  b.lag_ms, b.sessions.limit = day.lag_ms or 0, day.limit
  return true
end

return broker
