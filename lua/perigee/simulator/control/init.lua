-- SPDX-License-Identifier: MIT
-- The control port of the paper broker: POST /VERB with a JSON object of arguments, answered by {"result":...} or
-- {"error":"..."} (with Accept: text/plain by the bare result, the rows of a list one a line). Whoever holds it decides
-- what the broker does, so it listens on loopback alone, wants the token of the file <data>/sim/control (mode 0600) in
-- Authorization, and a numeric Host: no web page can know the one, and none that was led here by a changed name has the
-- other.

local fs = require "perigee.fs"
local httpd = require "perigee.httpd"
local json = require "perigee.json"
local rng = require "perigee.rng"
local verbs = require "perigee.simulator.control.verbs"

local control = {}

local JSON = { { "Content-Type", "application/json" }, { "Cache-Control", "no-store" } }
local TEXT = { { "Content-Type", "text/plain; charset=utf-8" }, { "Cache-Control", "no-store" } }
local OWNER_ONLY = tonumber("600", 8)

local function refuse(status, why) return status, JSON, json.encode { error = why } end

-- Compares all of it whatever differs: how long it takes tells nothing.
local function same(a, b)
  local differs = #a ~ #b
  for i = 1, #b do differs = differs | (a:byte(i) or 0) ~ b:byte(i) end
  return differs == 0
end

local function allowed(req, token)
  local host = req:header("host") or ""
  if not host:match("^127%.%d+%.%d+%.%d+:?%d*$") then return false end
  return same((req:header("authorization") or ""):match("^Bearer (%S+)$") or "", token)
end

-- For people: the rows of a list one by one.
local function lines(result)
  if type(result) ~= "table" or result[1] == nil then return json.encode(result) .. "\n" end
  local out = {}
  for i, row in ipairs(result) do out[i] = type(row) == "string" and row or json.encode(row) end
  return table.concat(out, "\n") .. "\n"
end

--- Answers one request.
---@param b perigee.SimBroker
---@param token string
function control.handle(b, token, req)
  if not allowed(req, token) then return refuse(401, "the token of the file sim/control is needed") end
  local verb = verbs.list[req:path():match("^/([%l-]+)$") or ""]
  if not verb then return refuse(404, "there is no such verb") end
  if req:method() ~= "POST" then return refuse(405, "verbs are POSTed") end
  local text = req:body()
  local args = text == "" and {} or json.decode(text)
  if type(args) ~= "table" or args[1] ~= nil then return refuse(400, "the arguments are a JSON object") end
  for name, value in pairs(args) do
    if value == json.null then args[name] = nil end
  end
  local result, why = verb.run(b, args)
  if result == nil then return refuse(400, why) end
  if req:header("accept") == "text/plain" then return 200, TEXT, lines(result) end
  return 200, JSON, json.encode { result = result }
end

--- Opens the port and writes its file.
---@param b perigee.SimBroker
---@param address string   "127.0.0.1:0"
---@param path string      of the file
---@return table|nil server, table|nil err
function control.listen(b, address, path)
  local host, port = address:match("^(127%.%d+%.%d+%.%d+):(%d+)$")
  if not host then
    return nil, { code = "input", source = "sim", retry = "no",
      message = ("the control port listens on loopback alone, not at %s"):format(address) }
  end
  local token = rng.token(24)
  local server, err = httpd.listen { host = host, port = math.tointeger(tonumber(port)), max_body = 65536,
    handler = function(req) return control.handle(b, token, req) end }
  if not server then return nil, err end
  local row = json.object { { "address", json.string(server:address()) }, { "token", json.string(token) } }
  local ok
  ok, err = fs.replace(path, row .. "\n", OWNER_ONLY)
  if not ok then
    server:close()
    return nil, err
  end
  return server
end

return control
