-- SPDX-License-Identifier: MIT
-- Reading what a client asks of the paper broker: cookies, parameters, bodies, figures in all their types.

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"
local json = require "perigee.json"

local request = {}

--- The value of one cookie.
---@return string|nil
function request.cookie(req, name)
  local line = req:header("cookie")
  return line and (";" .. line:gsub("%s", "")):match(";" .. name:gsub("%-", "%%-") .. "=([^;]*)")
end

local function unescape(text)
  return (text:gsub("%+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- The parameters behind the question mark.
---@return table<string, string>
function request.query(req)
  local out = {}
  for name, value in req:query():gmatch("([^&=]+)=([^&]*)") do out[unescape(name)] = unescape(value) end
  return out
end

--- The body as a JSON object (or array), nil when it is none.
---@return table|nil
function request.body(req)
  local body = json.decode(req:body())
  return type(body) == "table" and body or nil
end

--- Milliseconds of a parameter: ISO-8601 or epoch milliseconds; `absent` when it is not given, nil for nonsense.
function request.moment(text, absent)
  if text == nil then return absent end
  if math.type(text) == "integer" then return text end
  if type(text) ~= "string" then return nil end
  return clock.parse(text) or math.tointeger(tonumber(text))
end

--- A number or a numeric string as an exact decimal; nil, "" and null: nothing; false: nonsense.
function request.amount(value)
  if value == nil or value == "" or type(value) == "userdata" then return nil end
  local ok, d = pcall(decimal.new, value)
  return ok and d or false
end

-- Connections and clients go while a request is worked on: what is needed of it is kept.
local Copy = {}
Copy.__index = Copy
function Copy:method() return self.fields.method end
function Copy:path() return self.fields.path end
function Copy:query() return self.fields.query end
function Copy:body() return self.fields.body end
function Copy:header(name) return self.fields[name:lower()] end

local headers = { "host", "cookie", "auth-trading-api" }

--- What the routes read of a request, for as long as they like.
function request.copy(req)
  local fields = { method = req:method(), path = req:path(), query = req:query(), body = req:body() }
  for _, name in ipairs(headers) do fields[name] = req:header(name) end
  return setmetatable({ fields = fields }, Copy)
end

return request
