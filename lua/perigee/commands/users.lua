-- SPDX-License-Identifier: MIT
-- Commands on users and their sessions.

local fleet_module = require "perigee.fleet"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local rows = require "perigee.rows"
local task = require "perigee.task"

local AT_ONCE = 16

---@type table<string, perigee.Command>
local users = {}

local function change(name, list, run, secrets)
  users[name] = { changes = true, args = list, run = run, secrets = secrets }
end

local function fail(code, message)
  return nil, { code = code, message = message, source = "commands", retry = "no" }
end

local USER = { "user_id", "integer", min = 1, max = 2 ^ 53 }

-- The fleet and a user of it.
local function find(state, id)
  local fleet = state.fleet
  if not fleet or not fleet.running then return fail("unavailable", "the engine has not begun to trade yet") end
  local user = fleet:user(id)
  if not user then return fail("not_found", ("there is no user %d"):format(id)) end
  return fleet, user
end

-- ---- sessions ------------------------------------------------------------------------------------

change("login", { USER }, function(a, c)
  local fleet, user = find(c.state, a.user_id)
  if not fleet then return nil, user end
  if not user.active then return fail("state", ("%s is not active; activate it first"):format(user.email)) end
  local ok, err = fleet:login(user, true)
  if not ok then return nil, err end
  return rows.session(user)
end)

change("logout", { USER }, function(a, c)
  local fleet, user = find(c.state, a.user_id)
  if not fleet then return nil, user end
  if not user.session.id then return fail("state", ("%s has no session"):format(user.email)) end
  fleet:logout(user, "operator")
  return rows.session(user)
end)

change("refresh", { USER }, function(a, c)
  local fleet, user = find(c.state, a.user_id)
  if not fleet then return nil, user end
  if not user.session.open then return fail("state", ("%s is not logged in"):format(user.email)) end
  local ok, err = user.session:renew("asked")
  if not ok then return nil, err end
  return rows.session(user)
end)

-- Does something with each of the users that are wanted, all at once.
local function with_each(state, wanted, act)
  local fleet = state.fleet
  if not fleet or not fleet.running then return fail("unavailable", "the engine has not begun to trade yet") end
  local list, jobs, results = {}, {}, json.array()
  for _, user in ipairs(fleet.users) do
    if wanted(user) then
      list[#list + 1] = user
      jobs[#jobs + 1] = function() return act(fleet, user) end
    end
  end
  for i, done in ipairs(task.all(jobs, AT_ONCE) or {}) do
    local why = not done.ok and done.err or not done[1] and done[2] or nil
    results[i] = { user_id = list[i].id, email = list[i].email, ok = why == nil,
      error = why and (type(why) == "table" and why.message or tostring(why)) or json.null }
  end
  return { results = results }
end

change("login_all", {}, function(_, c)
  return with_each(c.state, function(user) return user.active end,
    function(fleet, user) return fleet:login(user, true) end)
end)

change("refresh_all", {}, function(_, c)
  return with_each(c.state, function(user) return user.session.open end,
    function(_, user) return user.session:renew("asked") end)
end)

-- ---- records -------------------------------------------------------------------------------------

local SEALED = { sealed = true }

local function need_vault(state)
  if state.vault and state.fleet and state.fleet.running then return state.vault end
  return fail("unavailable", "the engine has not begun to trade yet")
end

change("user_put", {
  { "email", "text", min = 3, max = 80 },
  { "broker", "id", optional = true, default = "paper" },
  { "broker_id", "id", optional = true },
  { "name", "text", max = 100, optional = true },
  { "sealed", "text", min = 4, max = 4096 },
  { "is_active", "boolean", optional = true, default = true },
}, function(a, c)
  local vault, away = need_vault(c.state)
  if not vault then return nil, away end
  if not a.email:match("^[^%s@:]+@[^%s@:]+$") then return fail("input", "user_put: email is no e-mail address") end
  if a.broker ~= c.state.venue then
    return fail("input", ("user_put: broker %s is not connected; it is %s"):format(a.broker, c.state.venue))
  end
  local record, err = vault:add { email = a.email, broker = a.broker, broker_id = a.broker_id, name = a.name,
    active = a.is_active, sealed = a.sealed }
  if not record then return nil, err end
  return rows.user(c.state.fleet:add(record))
end, SEALED)

change("user_update", {
  USER,
  { "name", "text", min = 0, max = 100, optional = true },
  { "sealed", "text", min = 4, max = 4096, optional = true },
  { "is_active", "boolean", optional = true },
}, function(a, c)
  local vault, away = need_vault(c.state)
  if not vault then return nil, away end
  local fleet, user = find(c.state, a.user_id)
  if not fleet then return nil, user end
  local record, err = vault:update(a.user_id, { name = a.name, sealed = a.sealed, active = a.is_active })
  if not record then return nil, err end
  fleet:change(user, record)
  return rows.user(user)
end, SEALED)

-- What keeps a user from being removed; nil: nothing.
local function held_by(user)
  local open = 0
  for _, id in ipairs(user.ids) do
    if ledger.account(id) then open = open + ledger.exposure_count(id) end
  end
  if open > 0 then return ("%s has %d open positions or entries that are not settled"):format(user.email, open) end
  local flying = fleet_module.in_flight(user.ids)
  if flying > 0 then return ("%s has %d orders in flight"):format(user.email, flying) end
end

change("user_remove", { USER }, function(a, c)
  local vault, away = need_vault(c.state)
  if not vault then return nil, away end
  local fleet, user = find(c.state, a.user_id)
  if not fleet then return nil, user end
  local held = held_by(user)
  if held then return fail("state", held .. "; close them first") end
  fleet:logout(user, "removed")
  held = held_by(user)
  if held then return fail("state", held .. "; it is logged out now, and stays") end
  local ok, err = vault:remove(user.id)
  if not ok then return nil, err end
  fleet:remove(user)
  return true
end)

return users
