-- SPDX-License-Identifier: MIT
-- Values of the Platform API as they come: the same member is a text at one broker and a number at another,
-- and may be null, "" or missing. Each reader answers a sound value or nil; none raises, whatever it is given.

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"
local json = require "perigee.json"

local values = {}

-- What a decimal number looks like: no hexadecimal, no "inf", no blanks inside.
local function numeric(value)
  if type(value) == "number" then return value end
  if type(value) == "string" and value:match("^%s*[+-]?[%d.]+[%d.eE+-]*%s*$") then return value end
  return nil
end

--- A decimal string, or nil for missing, null, "" and anything that is no number. Places beyond the eighth are
--- rounded away.
---@return string|nil
function values.number(value)
  value = numeric(value)
  if value == nil then return nil end
  local ok, d = pcall(decimal.new, value)
  if not ok and type(value) == "string" and tonumber(value) then
    ok, d = pcall(decimal.new, tonumber(value))
  end
  return ok and tostring(d) or nil
end

--- Stop and target: missing, null, "" and 0 mean none, "0". nil: a value that cannot be read; to take it for none
--- would show a position without its stop.
---@return string|nil
function values.level(value)
  if value == nil or value == json.null or value == "" then return "0" end
  local read = values.number(value)
  return read and not read:match("^%-") and read or nil
end

--- A decimal string above zero, or nil.
---@return string|nil
function values.positive(value)
  local read = values.number(value)
  return read and tonumber(read) > 0 and read or nil
end

--- A finite double, or nil.
---@return number|nil
function values.double(value)
  value = numeric(value)
  local x = value and tonumber(value)
  if x and x == x and math.abs(x) ~= math.huge then return x end
  return nil
end

--- A whole number, or nil; "5.0" is whole.
---@return integer|nil
function values.integer(value)
  local x = values.double(value)
  return x and math.tointeger(x)
end

--- A whole number from 0 on: a fraction goes to the next one in the direction given; nil when it is none.
---@param round fun(x: number): number
---@return integer|nil
function values.count(value, round)
  local x = values.double(value)
  x = x and math.tointeger(round(x))
  return x and x >= 0 and x <= 0x7fffffff and x or nil
end

--- A text that is not empty; a number as text.
---@return string|nil
function values.text(value)
  if type(value) == "string" and value ~= "" then return value end
  if math.type(value) == "integer" then return tostring(value) end
  if type(value) == "number" then return ("%.14g"):format(value) end
  return nil
end

--- true, false, their names as texts, or nil.
---@return boolean|nil
function values.flag(value)
  if type(value) == "boolean" then return value end
  if value == "true" then return true end
  if value == "false" then return false end
  return nil
end

--- "BUY" or "SELL", or nil.
---@return string|nil
function values.side(value)
  local side = type(value) == "string" and value:upper() or nil
  return (side == "BUY" or side == "SELL") and side or nil
end

--- Epoch milliseconds or ISO-8601 as market ms, or nil.
---@return integer|nil
function values.time(value)
  local ms = values.double(value)
  if ms then return math.tointeger(math.floor(ms)) end
  return type(value) == "string" and clock.parse(value) or nil
end

--- Market ms of the first of the keys that holds a time.
---@return integer|nil
function values.time_of(row, ...)
  for _, key in ipairs({ ... }) do
    local ms = values.time(row[key])
    if ms then return ms end
  end
  return nil
end

---@return boolean
function values.is_array(value)
  return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

--- A member that is an object, or an empty table.
---@return table
function values.object(value)
  return type(value) == "table" and value or {}
end

--- nil and the error of an answer that cannot be read.
---@param what string
---@return nil, table err
function values.wrong(what)
  return nil, { code = "unreadable", message = what, source = "match_trader", retry = "safe" }
end

--- The decoded body, or nil and an error object.
---@return table|nil, table|nil err
function values.body(body, what)
  local value = json.decode(body or "")
  if type(value) ~= "table" then return values.wrong(what .. ": the answer is no JSON object or array") end
  return value
end

--- Rows from a bare array or from one of the wrappers that are known.
---@return table|nil, table|nil err
function values.rows(body, what, ...)
  local value, err = values.body(body, what)
  if not value then return nil, err end
  if value[1] ~= nil then return value end
  for _, key in ipairs({ ... }) do
    if values.is_array(value[key]) then return value[key] end
  end
  if next(value) == nil and body:match("^%s*%[") then return value end
  return values.wrong(what .. ": the answer holds no list")
end

--- Every row read by `read`, or nothing: a list with an unreadable row proves nothing about what is absent.
---@return table|nil, table|nil err
function values.all(body, what, wrapper, read)
  local list, err = values.rows(body, what, wrapper)
  if not list then return nil, err end
  local rows = {}
  for i, r in ipairs(list) do
    rows[i] = type(r) == "table" and read(r) or nil
    if not rows[i] then return values.wrong(("%s: row %d cannot be read"):format(what, i)) end
  end
  return rows
end

--- A text as part of a URL.
---@param value string
---@return string
function values.escape(value)
  return (value:gsub("[^%w%-_%.~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

--- At most `most` bytes of a text, whole characters, in one line; bytes that are no UTF-8 become "?".
---@param words string
---@param most integer
---@return string
function values.clip(words, most)
  local bad = select(2, utf8.len(words))
  while bad do
    words = words:sub(1, bad - 1) .. "?" .. words:sub(bad + 1)
    bad = select(2, utf8.len(words, bad))
  end
  if #words > most then words = words:sub(1, utf8.offset(words, 0, most + 1) - 1) end
  return (words:gsub("%c", " "))
end

local OPAQUE = 24 -- bytes from which a word of letters and digits is a key rather than a name

--- A text without what looks like a token: signed ones, and long words that mix letters and digits.
---@param words string
---@return string
function values.scrub(words)
  words = words:gsub("eyJ[%w_%-]+[%w_%-%.]*", "***")
  return (words:gsub("[%w_%-%+/=]+", function(word)
    if #word >= OPAQUE and word:find("%d") and word:find("%a") then return "***" end
  end))
end

return values
