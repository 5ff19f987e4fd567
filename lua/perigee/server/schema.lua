-- SPDX-License-Identifier: MIT
-- Schemas: what a request may hold and what an answer holds. Each is a plain table made by the constructors below; it
-- is checked here and written into docs/openapi.yaml by perigee.server.openapi. A subset of JSON Schema 2020-12.
--
-- Objects take no field that is not named. Money, volumes and prices are decimal strings, because readers of JSON
-- numbers would change them.

local json = require "perigee.json"

local schema = {}

---@class perigee.Schema
---@field kind "string"|"integer"|"number"|"boolean"|"object"|"array"|"ref"|"any"
---@field nullable boolean?
---@field text string?            what it is, for the docs
---@field format string?          a key of schema.formats
---@field enum string[]?
---@field min number?             least value; least length of a string or an array
---@field max number?
---@field default any
---@field fields { name: string, schema: perigee.Schema, required: boolean }[]?
---@field item perigee.Schema?
---@field name string?            of a ref

---@class perigee.SchemaFormat
---@field pattern string          ECMA regular expression, for the docs
---@field text string             "must be ..." in the message
---@field test fun(s: string): boolean

local function date_time(s)
  local y, mo, d, h, mi, sec = s:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)%.?%d*Z$")
  if not y or s:find("%.Z$") then return false end
  mo, d = tonumber(mo), tonumber(d)
  local days = ({ 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 })[mo]
  if not days then return false end
  y = tonumber(y)
  if mo == 2 and (y % 4 == 0 and y % 100 ~= 0 or y % 400 == 0) then days = 29 end
  return d >= 1 and d <= days and tonumber(h) < 24 and tonumber(mi) < 60 and tonumber(sec) < 60
end

local function decimal(s)
  local whole, rest = s:match("^%-?(%d+)(.*)$")
  return whole ~= nil and #whole <= 10 and (rest == "" or rest:match("^%.%d+$") ~= nil and #rest <= 9)
end

---@type table<string, perigee.SchemaFormat>
schema.formats = {
  decimal = { pattern = "^-?[0-9]{1,10}(\\.[0-9]{1,8})?$", test = decimal,
    text = "a decimal number as a string, such as \"0.25\"" },
  positive = { pattern = "^(?=.*[1-9])[0-9]{1,10}(\\.[0-9]{1,8})?$",
    text = "a decimal number above 0 as a string, such as \"0.25\"",
    test = function(s) return decimal(s) and s:sub(1, 1) ~= "-" and s:find("[1-9]") ~= nil end },
  ["date-time"] = { pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?Z$",
    text = "a time in UTC, such as 2024-01-01T00:00:00Z", test = date_time },
  email = { pattern = "^[^@\\s]{1,64}@[^@\\s]{1,190}$", text = "an e-mail address",
    test = function(s)
      local user, host = s:match("^([^@%s%c]+)@([^@%s%c]+)$")
      return user ~= nil and #user <= 64 and #host <= 190
    end },
  word = { pattern = "^[A-Za-z0-9_.-]{1,64}$", text = "up to 64 letters, digits, dots, _ or -",
    test = function(s) return #s <= 64 and s:match("^[%w_.%-]+$") ~= nil end },
  username = { pattern = "^[A-Za-z0-9_.@-]{1,64}$", text = "up to 64 letters, digits, dots, @, _ or -",
    test = function(s) return #s <= 64 and s:match("^[%w_.@%-]+$") ~= nil end },
  symbol = { pattern = "^[A-Za-z0-9._#-]{1,32}$", text = "a symbol, such as BTCUSD",
    test = function(s) return #s <= 32 and s:match("^[%w._#%-]+$") ~= nil end },
  currency = { pattern = "^[A-Z]{3,5}$", text = "a currency, such as USD",
    test = function(s) return #s >= 3 and #s <= 5 and s:match("^%u+$") ~= nil end },
  cursor = { pattern = "^[A-Za-z0-9_-]{1,200}$", text = "the next_cursor of an earlier answer",
    test = function(s) return #s <= 200 and s:match("^[%w_%-]+$") ~= nil end },
}

-- ---- constructors --------------------------------------------------------------------------------

local function make(kind, options)
  local out = { kind = kind }
  for key, value in pairs(options or {}) do out[key] = value end
  return out
end

function schema.string(options) return make("string", options) end
function schema.integer(options) return make("integer", options) end
function schema.number(options) return make("number", options) end
function schema.boolean(options) return make("boolean", options) end
--- Any JSON value: for pieces that a strategy or a policy defines.
function schema.any(options) return make("any", options) end
function schema.array(item, options)
  local out = make("array", options)
  out.item = item
  return out
end

--- An object from { name, schema } or { name, schema, optional = true } entries, in this order.
function schema.object(entries, options)
  local out = make("object", options)
  out.fields = {}
  for i, entry in ipairs(entries) do
    out.fields[i] = { name = entry[1], schema = entry[2], required = not entry.optional }
  end
  return out
end

--- A named schema of perigee.server.api.schemas.
function schema.ref(name, options)
  local out = make("ref", options)
  out.name = name
  return out
end

function schema.enum(values, options)
  local out = make("string", options)
  out.enum = values
  return out
end

function schema.decimal(text, options)
  local out = make("string", options)
  out.format, out.text = out.format or "decimal", text
  return out
end

function schema.time(text, options)
  local out = make("string", options)
  out.format, out.text = "date-time", text
  return out
end

-- ---- checking ------------------------------------------------------------------------------------

---@class perigee.SchemaFault
---@field pointer string   JSON pointer into the body, or the parameter's name
---@field detail string    one sentence without its subject: "must be ..."

local MOST_FAULTS = 20

local function add(faults, pointer, detail)
  if #faults < MOST_FAULTS then faults[#faults + 1] = { pointer = pointer, detail = detail } end
  return false
end

local checks = {}

local function check(s, value, pointer, faults, schemas)
  if value == json.null then
    return s.nullable or s.kind == "any" or add(faults, pointer, "must not be null")
  end
  return checks[s.kind](s, value, pointer, faults, schemas)
end

function checks.any() return true end

function checks.ref(s, value, pointer, faults, schemas)
  return check(assert(schemas[s.name], s.name), value, pointer, faults, schemas)
end

function checks.string(s, value, pointer, faults)
  if type(value) ~= "string" then return add(faults, pointer, "must be a string") end
  if not utf8.len(value) then return add(faults, pointer, "must be valid UTF-8") end
  if s.enum then
    for _, allowed in ipairs(s.enum) do
      if allowed == value then return true end
    end
    return add(faults, pointer, "must be one of " .. table.concat(s.enum, ", "))
  end
  local format = s.format and schema.formats[s.format]
  if format and not format.test(value) then return add(faults, pointer, "must be " .. format.text) end
  local length = utf8.len(value)
  if length < (s.min or 0) or length > (s.max or 4096) then
    return add(faults, pointer, ("must have %d to %d characters"):format(s.min or 0, s.max or 4096))
  end
  if value:find("[\0-\8\11\12\14-\31\127]") then return add(faults, pointer, "must hold no control characters") end
  return true
end

local function within(s, value, pointer, faults)
  if value < (s.min or -2 ^ 53) or value > (s.max or 2 ^ 53) then
    return add(faults, pointer, ("must be within %.14g and %.14g"):format(s.min or -2 ^ 53, s.max or 2 ^ 53))
  end
  return true
end

function checks.integer(s, value, pointer, faults)
  if math.type(value) ~= "integer" then return add(faults, pointer, "must be a whole number") end
  return within(s, value, pointer, faults)
end

function checks.number(s, value, pointer, faults)
  if type(value) ~= "number" or value ~= value then return add(faults, pointer, "must be a number") end
  return within(s, value, pointer, faults)
end

function checks.boolean(_, value, pointer, faults)
  return type(value) == "boolean" or add(faults, pointer, "must be true or false")
end

-- An array and an object are both Lua tables; an empty table passes as either.
function checks.array(s, value, pointer, faults, schemas)
  if type(value) ~= "table" or (next(value) ~= nil and #value == 0) then
    return add(faults, pointer, "must be a list")
  end
  if #value < (s.min or 0) or #value > (s.max or 100000) then
    return add(faults, pointer, ("must have %d to %d entries"):format(s.min or 0, s.max or 100000))
  end
  local ok = true
  for i, item in ipairs(value) do
    ok = check(s.item, item, pointer .. "/" .. (i - 1), faults, schemas) and ok
  end
  return ok
end

local function extra_names(value, known)
  local extra = {}
  for name in pairs(value) do
    if not known[name] then extra[#extra + 1] = tostring(name) end
  end
  table.sort(extra)
  return extra
end

function checks.object(s, value, pointer, faults, schemas)
  if type(value) ~= "table" or #value > 0 then return add(faults, pointer, "must be an object") end
  local known, ok = {}, true
  for _, field in ipairs(s.fields) do
    known[field.name] = true
    local given, where = value[field.name], pointer .. "/" .. field.name
    if given ~= nil then
      ok = check(field.schema, given, where, faults, schemas) and ok
    elseif field.required then
      ok = add(faults, where, "is missing")
    end
  end
  for _, name in ipairs(extra_names(value, known)) do ok = add(faults, pointer .. "/" .. name, "is not known here") end
  return ok
end

--- Checks a value that json.decode has read. Defaults are not filled in.
---@param s perigee.Schema
---@param value any
---@param schemas table<string, perigee.Schema>
---@return perigee.SchemaFault[]|nil faults   nil: it fits
function schema.check(s, value, schemas)
  local faults = {}
  if value == nil then
    add(faults, "", "is missing")
  else
    check(s, value, "", faults, schemas)
  end
  return #faults > 0 and faults or nil
end

-- A parameter's text to its type; nil when it is none.
local function read_text(s, text)
  if s.kind == "integer" then
    return #text <= 16 and text:match("^%-?%d+$") and math.tointeger(tonumber(text)) or nil
  elseif s.kind == "number" then
    return #text <= 32 and text:match("^%-?%d+%.?%d*$") and tonumber(text) or nil
  elseif s.kind == "boolean" then
    if text == "true" then return true elseif text == "false" then return false end
    return nil
  end
  return text
end

--- Reads and checks one parameter of the path or the query. Lists are separated by commas.
---@param s perigee.Schema
---@param name string
---@param text string
---@param schemas table<string, perigee.Schema>
---@return any value, perigee.SchemaFault[]|nil faults
function schema.parameter(s, name, text, schemas)
  local value
  if s.kind == "array" then
    value = {}
    for piece in (text .. ","):gmatch("([^,]*),") do
      local item = read_text(s.item, piece)
      value[#value + 1] = item == nil and piece or item
    end
  else
    value = read_text(s, text)
    if value == nil then value = text end
  end
  local faults = schema.check(s, value, schemas)
  if not faults then return value end
  for _, fault in ipairs(faults) do fault.pointer = name end
  return nil, faults
end

return schema
