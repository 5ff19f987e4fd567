-- SPDX-License-Identifier: MIT
-- Arguments of commands: each command names what it takes; everything else is refused. What passes is clean:
-- decimals are canonical strings, an explicit null is json.null where a null means something and absent elsewhere.

local decimal = require "perigee.decimal"
local json = require "perigee.json"

local args = {}

---@class perigee.Argument
---@field [1] string         name
---@field [2] string         kind: one of args.kinds
---@field optional boolean?
---@field default any?       of an absent one
---@field min number?        of a number, or the least bytes of a text
---@field max number?        of a number, or the most bytes of a text
---@field choices string[]?

local MOST_IDS = 4096

local function to_decimal(value)
  if type(value) ~= "string" and type(value) ~= "number" then return nil end
  if type(value) == "string" and not value:match("^%-?%d+%.?%d*$") then return nil end
  local ok, d = pcall(decimal.new, value)
  return ok and d or nil
end

local function within(a, value)
  return (not a.min or value >= a.min) and (not a.max or value <= a.max)
end

local function range(a)
  if a.min and a.max then return (" from %.14g to %.14g"):format(a.min, a.max) end
  return a.min and (" of at least %.14g"):format(a.min) or ""
end

-- A word of a broker or of ours: no space, nothing that a log or a terminal could take for something else.
local function is_id(value)
  return type(value) == "string" and #value <= 64 and value:match("^[%w_%-%.:#]+$") ~= nil
end

local function check_ids(value)
  if type(value) ~= "table" or #value == 0 or #value > MOST_IDS then return nil end
  local seen, count = {}, 0
  for _ in pairs(value) do count = count + 1 end
  for _, id in ipairs(value) do
    if not is_id(id) or seen[id] then return nil end
    seen[id] = true
  end
  return count == #value and value or nil
end

local check_orders -- below: it uses args.check

--- A kind checks a value: the clean value, or nil and what it must be.
---@type table<string, fun(value: any, a: perigee.Argument): any, string|nil>
args.kinds = {
  text = function(value, a)
    local ok = type(value) == "string" and #value >= (a.min or 1) and #value <= (a.max or 200)
      and not value:find("%c") and utf8.len(value)
    if ok then return value end
    return nil, ("must be a text of %d to %d bytes without control characters"):format(a.min or 1, a.max or 200)
  end,
  id = function(value) if is_id(value) then return value end return nil, "must be a word of up to 64 characters" end,
  ids = function(value)
    local list = check_ids(value)
    if list then return list end
    return nil, ("must be a list of 1 to %d different ids"):format(MOST_IDS)
  end,
  choice = function(value, a)
    for _, choice in ipairs(a.choices) do
      if choice == value then return value end
    end
    return nil, "must be one of " .. table.concat(a.choices, ", ")
  end,
  boolean = function(value) if type(value) == "boolean" then return value end return nil, "must be true or false" end,
  integer = function(value, a)
    local n = math.type(value) == "integer" and within(a, value) and value
    if n then return n end
    return nil, "must be a whole number" .. range(a)
  end,
  number = function(value, a)
    local ok = type(value) == "number" and value == value and math.abs(value) ~= math.huge and within(a, value)
    if ok then return value end
    return nil, "must be a number" .. range(a)
  end,
  positive = function(value)
    local d = to_decimal(value)
    if d and d:sign() > 0 then return tostring(d) end
    return nil, "must be a decimal above 0, written as a string"
  end,
  -- Explicit orders, as of verbs.execute_batch.
  orders = function(value) return check_orders(value) end,
  -- A stop or target: null takes it away.
  level = function(value)
    if value == json.null then return value end
    local d = to_decimal(value)
    if d and d:sign() > 0 then return tostring(d) end
    return nil, "must be a decimal above 0, written as a string, or null"
  end,
}

local order_fields = {
  { "account", "id" },
  { "symbol", "id" },
  { "side", "choice", choices = { "LONG", "SHORT" } },
  { "quantity", "positive" },
  { "stop_loss", "positive", optional = true },
  { "take_profit", "positive", optional = true },
}

check_orders = function(value)
  if type(value) ~= "table" or #value == 0 or #value > MOST_IDS then
    return nil, ("must be a list of 1 to %d orders"):format(MOST_IDS)
  end
  local list = {}
  for i, order in ipairs(value) do
    local clean, why
    if type(order) == "table" then clean, why = args.check(order, order_fields) end
    if not clean then return nil, ("order %d: %s"):format(i, why or "must be an object") end
    list[i] = clean
  end
  return list
end

local function known(list, name)
  for _, a in ipairs(list) do
    if a[1] == name then return true end
  end
  return false
end

--- Checks what was given against a command's list.
---@param given table<string, any>
---@param list perigee.Argument[]
---@return table<string, any>|nil clean, string|nil why
function args.check(given, list)
  for name in pairs(given) do
    if not known(list, name) then return nil, ("there is no argument %s"):format(tostring(name):sub(1, 40)) end
  end
  local clean = {}
  for _, a in ipairs(list) do
    local name, kind, value = a[1], a[2], given[a[1]]
    if value == json.null and kind ~= "level" then value = nil end
    if value == nil then
      if not a.optional then return nil, name .. " is needed" end
      clean[name] = a.default
    else
      local checked, why = args.kinds[kind](value, a)
      if checked == nil then return nil, ("%s %s"):format(name, why) end
      clean[name] = checked
    end
  end
  return clean
end

return args
