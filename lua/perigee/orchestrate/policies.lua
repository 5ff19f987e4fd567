-- SPDX-License-Identifier: MIT
-- What becomes of the accounts of a group when some of them get no order: policies by group, from the configuration.
--
--   best_effort   each account for itself
--   catch_up      the same, and what failed for a passing reason is tried again (retry.lua)
--   all_or_none   no account without the others: what was opened is closed again when one fails
--   quorum        the same when fewer than `quorum` accounts were taken by the deadline

local config = require "perigee.config"

local policies = {}

---@class perigee.Policy
---@field on_failure "best_effort"|"catch_up"|"all_or_none"|"quorum"
---@field quorum integer|nil     of quorum
---@field max_move number|nil    of catch_up: points; nil: a share of the stop's distance

local words = { best_effort = true, catch_up = true, all_or_none = true, quorum = true }
local fields = { group = true, on_failure = true, quorum = true, points = true }

local function fail(format, ...)
  return nil, { code = "input", message = format:format(...), source = "orders.groups", retry = "no" }
end

-- One entry of orders.groups, or of the keys that hold for all other groups.
local function check(entry, name)
  if not words[entry.on_failure] then
    return fail("%s: on_failure must be one of all_or_none, best_effort, catch_up, quorum", name)
  end
  local quorum, points = entry.quorum, entry.points
  if entry.on_failure == "quorum" then
    if math.type(quorum) ~= "integer" or quorum < 1 or quorum > 4096 then
      return fail("%s: quorum needs a number of accounts above 0", name)
    end
  elseif entry.quorum ~= nil then
    return fail("%s: only on_failure quorum takes a quorum", name)
  end
  if points ~= nil and (entry.on_failure ~= "catch_up" or type(points) ~= "number" or points ~= points
    or points <= 0) then
    return fail("%s: points is a number above 0 and belongs to on_failure catch_up", name)
  end
  return { on_failure = entry.on_failure, quorum = quorum, max_move = points }
end

---@class perigee.Policies
---@field other perigee.Policy               of groups that are not named
---@field groups table<string, perigee.Policy>
---@field names string[]                     sorted

--- Reads and checks the keys of the configuration.
---@return perigee.Policies|nil, table|nil err
function policies.read()
  local default = config.get("orders.on_failure")
  local points = default == "catch_up" and config.get("orders.catch_up_points") or nil
  local quorum = default == "quorum" and config.get("orders.quorum") or nil
  local other, err = check({ on_failure = default, quorum = quorum, points = points }, "orders")
  if not other then return nil, err end
  local out = { other = other, groups = {}, names = {} }
  for i, entry in ipairs(config.get("orders.groups") or {}) do
    local name = type(entry) == "table" and entry.group
    if type(name) ~= "string" or name == "" or #name > 31 then
      return fail("entry %d: group must be a name of 1 to 31 bytes", i)
    end
    for key in pairs(entry) do
      if not fields[key] then return fail("group %s: there is no field %s", name, tostring(key)) end
    end
    if out.groups[name] then return fail("group %s is there twice", name) end
    out.groups[name], err = check(entry, "group " .. name)
    if not out.groups[name] then return nil, err end
    out.names[#out.names + 1] = name
  end
  table.sort(out.names)
  return out
end

--- The policy of an account's group.
---@param all perigee.Policies
---@param group string
---@return perigee.Policy
function policies.of(all, group)
  return all.groups[group] or all.other
end

-- What exec is told of a policy: catching up is done here, so to exec it is best effort.
local function mechanism(policy)
  local word = policy.on_failure
  return word == "catch_up" and "best_effort" or word, policy.quorum
end

--- The options of exec.batch that say it.
---@param all perigee.Policies
---@param options table  gets on_failure, quorum, groups
function policies.apply(all, options)
  options.on_failure, options.quorum = mechanism(all.other)
  if #all.names == 0 then return options end
  options.groups = {}
  for i, name in ipairs(all.names) do
    local word, quorum = mechanism(all.groups[name])
    options.groups[i] = { group = name, on_failure = word, quorum = quorum }
  end
  return options
end

--- Groups of which too few accounts are left before anything is sent, with the reason. Groups without a policy of
--- their own count as one, under the name "".
---@param all perigee.Policies
---@param left table<string, integer>    accounts that can take the order, by group
---@param out table<string, integer>     accounts that were kept out, by group
---@return table<string, { rule: string, reason: string }>
function policies.broken(all, left, out)
  local counts, broken = {}, {}
  local function count(from, key)
    for group, n in pairs(from) do
      local name = all.groups[group] and group or ""
      counts[name] = counts[name] or { left = 0, out = 0 }
      counts[name][key] = counts[name][key] + n
    end
  end
  count(left, "left")
  count(out, "out")
  for name, n in pairs(counts) do
    local policy = all.groups[name] or all.other
    if n.left > 0 and policy.on_failure == "all_or_none" and n.out > 0 then
      broken[name] = { rule = "all_or_none", reason = ("%d of %d accounts cannot take it"):format(n.out,
        n.left + n.out) }
    elseif n.left > 0 and policy.on_failure == "quorum" and n.left < policy.quorum then
      broken[name] = { rule = "quorum", reason = ("%d of %d accounts can take it, %d are needed"):format(n.left,
        n.left + n.out, policy.quorum) }
    end
  end
  return broken
end

return policies
