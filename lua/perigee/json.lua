-- SPDX-License-Identifier: MIT
--
-- JSON: reading by lua-cjson (strict: no NaN, no hexadecimal), writing by our own canonical writer.
-- Whole numbers are read as integers (a JSON 5.0 too), null as json.null. The pieces string, number,
-- object and list build texts whose order of keys and form of numbers the caller decides.

local cjson = require("cjson")
local core = require("perigee.json.core")
local err = require("perigee.err")

local json = {}

local parser = cjson.new()
parser.decode_invalid_numbers(false)
parser.decode_max_depth(100)

--- What null is read as, and written from.
json.null = cjson.null

--- Reads one JSON value.
---@param text string
---@return any value, table|nil err
function json.decode(text)
  if type(text) ~= "string" then
    error("json.decode: a string expected, got " .. type(text), 2)
  end
  local ok, value = pcall(parser.decode, text)
  if not ok then
    return nil, err.new("input", tostring(value), "json.decode")
  end
  return core.integers(value)
end

--- Writes a value: keys sorted, numbers short, decimals exact. Raises on NaN, functions, cycles.
---@param value any
---@return string
json.encode = core.encode

--- Marks a table as an array, so that an empty one is written as [].
---@param t? table
---@return table
json.array = core.array

--- A quoted string.
---@param text string
---@return string
json.string = core.string

--- A number: a decimal (string or object) with all its places, or the shortest form of a number.
---@param x string|number|userdata
---@return string
json.number = core.number

--- An object from pairs of key and JSON text, in this order; a pair whose text is nil is left out.
---@param pairs_ table array of {key, raw}
---@return string
json.object = core.object

--- An array from JSON texts.
---@param raws string[]
---@return string
function json.list(raws)
  return "[" .. table.concat(raws, ",") .. "]"
end

return json
