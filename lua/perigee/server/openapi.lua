-- SPDX-License-Identifier: MIT
-- docs/openapi.yaml (OpenAPI 3.1) from the declared routes and schemas:
--   perigee lua lua/perigee/server/openapi.lua > docs/openapi.yaml
-- The order of everything is the order of the declaration, so that a diff shows what changed.

local api = require "perigee.server.api"
local json = require "perigee.json"
local process = require "perigee.process"
local schema = require "perigee.server.schema"

local openapi = {}

-- A map that keeps its order: {key, value} pairs. A list is a plain array with `list = true`.
local function map(...) return { ... } end
local function list(items)
  items.list = true
  return items
end

local function put(m, key, value)
  if value ~= nil then m[#m + 1] = { key, value } end
  return m
end

-- ---- YAML ----------------------------------------------------------------------------------------

local function scalar(value)
  if type(value) == "string" then return json.string(value) end
  if math.type(value) == "float" then return ("%.14g"):format(value) end
  return tostring(value)
end

local function plain_key(key)
  return (key:match("^[%a_$][%w_%-]*$") or key:match("^/[%w_/{}%-]*$")) and key or json.string(key)
end

local write

local function write_map(out, m, indent)
  for _, pair in ipairs(m) do
    local key, value = pair[1], pair[2]
    local head = ("%s%s:"):format(indent, plain_key(key))
    if type(value) ~= "table" then
      out[#out + 1] = head .. " " .. scalar(value)
    elseif #value == 0 then
      out[#out + 1] = head .. (value.list and " []" or " {}")
    else
      out[#out + 1] = head
      write(out, value, indent .. "  ")
    end
  end
end

local function write_list(out, items, indent)
  for _, item in ipairs(items) do
    if type(item) ~= "table" then
      out[#out + 1] = indent .. "- " .. scalar(item)
    else
      local first = #out + 1
      write(out, item, indent .. "  ")
      out[first] = indent .. "- " .. out[first]:sub(#indent + 3)
    end
  end
end

function write(out, value, indent)
  if value.list then write_list(out, value, indent) else write_map(out, value, indent) end
end

-- ---- schemas -------------------------------------------------------------------------------------

local describe

local kinds = {}

function kinds.any() return map() end

function kinds.boolean() return map { "type", "boolean" } end

function kinds.string(s)
  local m = map { "type", "string" }
  local format = s.format and schema.formats[s.format]
  if s.format == "date-time" or s.format == "email" then put(m, "format", s.format) end
  if format then put(m, "pattern", format.pattern) end
  if s.enum then put(m, "enum", list(table.move(s.enum, 1, #s.enum, 1, {}))) end
  put(m, "minLength", s.min)
  return put(m, "maxLength", s.max)
end

local function number(s, name)
  local m = map { "type", name }
  put(m, "minimum", s.min)
  return put(m, "maximum", s.max)
end

function kinds.integer(s) return number(s, "integer") end
function kinds.number(s) return number(s, "number") end

function kinds.array(s)
  local m = map({ "type", "array" }, { "items", describe(s.item) })
  put(m, "minItems", s.min)
  return put(m, "maxItems", s.max)
end

function kinds.object(s)
  local properties, required = map(), list {}
  for _, field in ipairs(s.fields) do
    put(properties, field.name, describe(field.schema))
    if field.required then required[#required + 1] = field.name end
  end
  local m = map({ "type", "object" }, { "properties", properties })
  if #required > 0 then put(m, "required", required) end
  return put(m, "additionalProperties", false)
end

function kinds.ref(s) return map { "$ref", "#/components/schemas/" .. s.name } end

-- null is one more type; beside a $ref or an enum it is one more alternative.
local function nullable(s, m)
  if s.kind == "ref" or s.enum then return map { "anyOf", list { m, map { "type", "null" } } } end
  m[1][2] = list { m[1][2], "null" }
  return m
end

function describe(s)
  local m = kinds[s.kind](s)
  if s.nullable and s.kind ~= "any" then m = nullable(s, m) end
  put(m, "description", s.text)
  return put(m, "default", s.default)
end

-- ---- routes --------------------------------------------------------------------------------------

local function parameters(r)
  local out = list {}
  for name in r.path:gmatch("{([%w_]+)}") do
    out[#out + 1] = map({ "name", name }, { "in", "path" }, { "required", true },
      { "schema", describe(r.path_params[name]) })
  end
  for _, q in ipairs(r.query) do
    local m = map({ "name", q.name }, { "in", "query" }, { "required", q.required }, { "schema", describe(q.schema) })
    if q.schema.kind == "array" then
      put(m, "style", "form")
      put(m, "explode", false)
    end
    out[#out + 1] = m
  end
  if r.keyed then
    out[#out + 1] = map({ "name", "Idempotency-Key" }, { "in", "header" }, { "required", false },
      { "description", "The same key within 24 hours answers the first result and does nothing twice." },
      { "schema", describe(schema.string { format = "word", max = 64 }) })
  end
  return #out > 0 and out or nil
end

local function content(media, s)
  return map { "content", map { media, map { "schema", describe(s) } } }
end

local function responses(r)
  local success = map { "description", r.answer and "done" or "done, no body" }
  if r.answer then put(success, "content", content(r.media or "application/json", r.answer)[1][2]) end
  local out = map { tostring(r.status), success }
  local by_status, order = {}, {}
  for _, code in ipairs(api.codes(r)) do
    local status = api.problems[code].status
    if not by_status[status] then
      by_status[status] = {}
      order[#order + 1] = status
    end
    table.insert(by_status[status], code)
  end
  table.sort(order)
  for _, status in ipairs(order) do
    put(out, tostring(status), map({ "$ref", "#/components/responses/Problem" },
      { "description", "code: " .. table.concat(by_status[status], ", ") }))
  end
  return out
end

local function operation(r)
  local m = map({ "operationId", r.id }, { "tags", list { r.tag } }, { "summary", r.summary })
  put(m, "description", r.role == "none" and "No sign-in needed." or ("Role: %s or above."):format(r.role))
  put(m, "security", r.role == "none" and list {} or list { r.method == "GET" and map { "session", list {} }
    or map({ "session", list {} }, { "csrf", list {} }) })
  put(m, "parameters", parameters(r))
  if r.body then
    put(m, "requestBody", map({ "required", not r.body_optional }, content("application/json", r.body)[1]))
  end
  return put(m, "responses", responses(r))
end

local function paths()
  local out, known = map(), {}
  for _, r in ipairs(api.routes) do
    local item = known[r.path]
    if not item then
      item = map()
      known[r.path] = item
      put(out, r.path, item)
    end
    put(item, r.method:lower(), operation(r))
  end
  return out
end

local function components()
  local schemas = map()
  for _, entry in ipairs(api.schema_list) do put(schemas, entry.name, describe(entry.schema)) end
  local problem = map { "description", "problem details with a stable code" }
  put(problem, "content", content("application/problem+json", schema.ref "Problem")[1][2])
  return map({ "responses", map { "Problem", problem } }, { "securitySchemes", map(
    { "session", map({ "type", "apiKey" }, { "in", "cookie" }, { "name", "perigee_session" }) },
    { "csrf", map({ "type", "apiKey" }, { "in", "header" }, { "name", "X-CSRF-Token" }) }) },
    { "schemas", schemas })
end

--- The whole document.
---@return string yaml
function openapi.yaml()
  local document = map({ "openapi", "3.1.0" },
    { "info", map({ "title", "Perigee" }, { "version", process.version() },
      { "license", map({ "name", "MIT" }, { "identifier", "MIT" }) },
      { "description", "Money, volumes and prices are decimal strings. Times are RFC 3339 in UTC, of the market's "
        .. "clock unless something else is said. Errors are RFC 9457 problem details with a stable `code`." }) },
    { "servers", list { map { "url", api.prefix } } },
    { "paths", paths() }, { "components", components() })
  local out = { "# Made by perigee.server.openapi from the declared routes; do not edit." }
  write(out, document, "")
  return table.concat(out, "\n") .. "\n"
end

if arg and arg[0] and arg[0]:match("openapi%.lua$") then io.stdout:write(openapi.yaml()) end

return openapi
