-- SPDX-License-Identifier: MIT
-- Reading a request strictly: paths, queries, bodies, the headers that say where it comes from. Pure functions; what
-- cannot be read exactly is refused, not guessed.

local json = require "perigee.json"
local problem = require "perigee.server.problem"
local schema = require "perigee.server.schema"

local request = {}

local MOST_BODY = 64 * 1024 -- bytes
local MOST_QUERY = 16 * 1024

-- A piece without percent escapes; nil when an escape is broken or the bytes are no text.
local function unescape(text, plus)
  if plus then text = text:gsub("%+", " ") end
  if text:gsub("%%%x%x", ""):find("%", 1, true) then return nil end
  local out = text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  if not utf8.len(out) or out:find("[%z\1-\31\127]") then return nil end
  return out
end

--- The segments of a path, decoded. An escape that is broken or stands for a control character is bad_request; dot
--- segments, empty segments and encoded slashes name nothing.
---@param path string
---@return string[]|nil segments, perigee.Problem|nil
function request.segments(path)
  local out = {}
  if path:sub(1, 1) ~= "/" then return nil, problem.new("bad_request", "The path must begin with a slash.") end
  for piece in (path:sub(2) .. "/"):gmatch("([^/]*)/") do
    local text = unescape(piece)
    if not text then
      return nil, problem.new("bad_request", "The path holds a broken escape or a control character.")
    end
    if text == "." or text == ".." or text:find("[/\\]") then
      return nil, problem.new("not_found", "Nothing is served below such a path.")
    end
    out[#out + 1] = text
  end
  return out
end

-- The pairs of a query in order; nil: it cannot be read.
local function pairs_of(text)
  local out = {}
  for piece in text:gmatch("[^&]+") do
    local name, value = piece:match("^([^=]*)=?(.*)$")
    name, value = unescape(name, true), unescape(value, true)
    if not name or not value then return nil end
    out[#out + 1] = { name, value }
  end
  return out
end

--- Reads and checks a query by a route's declaration; defaults are filled in.
---@param text string
---@param declared { name: string, schema: perigee.Schema, required: boolean }[]
---@param schemas table<string, perigee.Schema>
---@return table|nil query, perigee.Problem|nil
function request.query(text, declared, schemas)
  local given = #text <= MOST_QUERY and pairs_of(text)
  if not given then return nil, problem.new("bad_request", "The query holds a broken escape or is too long.") end
  local by_name, out, faults = {}, {}, {}
  for _, d in ipairs(declared) do
    by_name[d.name] = d
    out[d.name] = d.schema.default
  end
  local seen = {}
  for _, pair in ipairs(given) do
    local name, d = pair[1], by_name[pair[1]]
    if not d then
      faults[#faults + 1] = { pointer = name, detail = "is not known here" }
    elseif seen[name] then
      faults[#faults + 1] = { pointer = name, detail = "is given more than once" }
    else
      local value, bad = schema.parameter(d.schema, name, pair[2], schemas)
      out[name] = value
      table.move(bad or {}, 1, #(bad or {}), #faults + 1, faults)
    end
    seen[name] = true
  end
  for _, d in ipairs(declared) do
    if d.required and not seen[d.name] then faults[#faults + 1] = { pointer = d.name, detail = "is missing" } end
  end
  if #faults == 0 then return out end
  return nil, problem.new("invalid_parameters", ("The query does not fit: %s %s."):format(faults[1].pointer,
    faults[1].detail), table.move(faults, 1, math.min(#faults, 20), 1, {}))
end

local function is_json(content_type)
  local media, rest = (content_type or ""):lower():match("^%s*([^;%s]+)%s*(.*)$")
  return media == "application/json" and (rest == "" or rest:gsub("[%s\"]", "") == ";charset=utf-8")
end

-- Top-level defaults of an object.
local function with_defaults(s, schemas, value)
  if s.kind == "ref" then s = schemas[s.name] end
  for _, field in ipairs(s.fields or {}) do
    local default = field.schema.default
    if value[field.name] == nil and default ~= nil then value[field.name] = default end
  end
  return value
end

--- Reads and checks a body by a route's declaration. A route without one takes none.
---@param r perigee.Route
---@param text string
---@param content_type string|nil
---@param schemas table<string, perigee.Schema>
---@return table|nil body, perigee.Problem|nil
function request.body(r, text, content_type, schemas)
  if #text > MOST_BODY then
    return nil, problem.new("body_too_large", ("The body has %d bytes; %d are taken."):format(#text, MOST_BODY))
  end
  if not r.body then
    if text ~= "" then return nil, problem.new("bad_request", "This operation takes no body.") end
    return {}
  end
  if text == "" and r.body_optional then return with_defaults(r.body, schemas, {}) end
  if text ~= "" and not is_json(content_type) then
    return nil, problem.new("unsupported_media_type", "Send the body with Content-Type: application/json.")
  end
  if not utf8.len(text) then return nil, problem.new("bad_request", "The body is not UTF-8.") end
  local value, err = json.decode(text)
  if value == nil then
    local where = tostring(err.message):match("at character (%d+)")
    return nil, problem.new("bad_request", where and ("The body is no JSON: the fault is at character %s.")
      :format(where) or "The body is no JSON that can be read.")
  end
  -- An empty list and an empty object are one and the same table.
  local faults = not text:find("^%s*{") and { { pointer = "", detail = "must be an object" } }
    or schema.check(r.body, value, schemas)
  if faults then
    return nil, problem.new("invalid_parameters", ("The body does not fit: %s %s."):format(
      faults[1].pointer == "" and "it" or faults[1].pointer, faults[1].detail), faults)
  end
  return with_defaults(r.body, schemas, value)
end

--- The value of a cookie; nil when it is absent or given more than once.
---@param header string|nil
---@param name string
---@return string|nil
function request.cookie(header, name)
  local found
  for piece in ((header or "") .. ";"):gmatch("%s*([^;]*);") do
    local key, value = piece:match("^([^=]+)=(.*)$")
    if key == name then
      if found then return nil end
      found = value:match("^%s*(.-)%s*$")
    end
  end
  return found
end

--- "host:port" in lower case, a default port left out; nil: none.
---@param authority string|nil
---@return string|nil
function request.authority(authority)
  if not authority or authority == "" or authority:find("[%s/@?#\\]") then return nil end
  return (authority:lower():gsub("%.$", ""):gsub(":80$", ""))
end

--- Whether a request that changes something comes from a page of ours. Tools send neither header.
---@param origin string|nil
---@param site string|nil      Sec-Fetch-Site
---@param host string|nil      the request's own authority
---@param hosts table<string, boolean>
---@return boolean
function request.same_origin(origin, site, host, hosts)
  if site and site ~= "same-origin" and site ~= "none" then return false end
  if origin == nil then return true end
  local scheme, authority = origin:match("^(https?)://(.+)$")
  if scheme == "https" then authority = authority:gsub(":443$", "") end
  authority = request.authority(authority)
  return authority ~= nil and (authority == request.authority(host) or hosts[authority] == true)
end

return request
