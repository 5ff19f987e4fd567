-- SPDX-License-Identifier: MIT
-- Errors of the API: RFC 9457 problem details with a stable code of perigee.server.api.

local api = require "perigee.server.api"
local json = require "perigee.json"

local problem = {}

---@class perigee.Problem
---@field code string
---@field detail string
---@field errors perigee.SchemaFault[]|nil
---@field retry_after integer|nil   seconds
---@field allow string|nil          methods, of method_not_allowed

--- Raises on a code that is not declared.
---@param code string
---@param detail string       one sentence: what, where, what to do
---@param errors perigee.SchemaFault[]|nil
---@return perigee.Problem
function problem.new(code, detail, errors)
  assert(api.problems[code], code)
  return { code = code, detail = detail, errors = errors }
end

-- What the engine and the database answer, by the code of their error.
local CODES = { input = "invalid_parameters", not_found = "not_found", state = "conflict", refused = "risk_refused",
  unavailable = "engine_unavailable", unreachable = "engine_unavailable", timeout = "engine_unavailable",
  closed = "engine_unavailable", cancelled = "engine_unavailable" }

--- An error of an engine's command. `refused`: who refuses here, risk or the broker.
---@param err { code: string, message: string }
---@param refused "risk_refused"|"broker_refused"|nil
---@return perigee.Problem
function problem.of_engine(err, refused)
  local code = CODES[err.code] or "internal"
  if code == "risk_refused" then code = refused or "risk_refused" end
  if code == "internal" then return problem.new(code, "The engine could not do it; its log says why.") end
  return problem.new(code, err.message, code == "invalid_parameters" and { { pointer = "", detail = err.message } }
    or nil)
end

local AWAY = { unreachable = true, timeout = true, cancelled = true, closed = true }

--- An error of the database; what is not its absence is a fault of the office.
---@param err { code: string, message: string, sqlstate: string|nil }
---@return perigee.Problem
function problem.of_database(err)
  if AWAY[err.code] then
    return problem.new("history_unavailable", "The database is away; the history comes back when it is there again.")
  end
  if err.code == "input" then return problem.new("invalid_parameters", err.message) end
  return problem.new("internal", "The database refused a query; the log says why.")
end

local OF_STATUS = { [401] = "sign_in_required", [403] = "forbidden_origin", [404] = "not_found",
  [413] = "body_too_large", [429] = "too_many_requests", [503] = "internal" }

--- What the HTTP front refuses before anybody has seen the request: too large, unreadable, too late.
---@param status integer
---@param reason string
---@return string body
function problem.of_front(status, reason)
  local code = OF_STATUS[status] or "bad_request"
  return json.object { { "type", json.string("urn:perigee:problem:" .. code) },
    { "title", json.string(api.problems[code].title) }, { "status", json.number(status) },
    { "code", json.string(code) }, { "detail", json.string(reason) }, { "instance", json.string("front") } } .. "\n"
end

--- Status, headers and body of a problem.
---@param p perigee.Problem
---@param instance string   id of the request
---@return integer status
---@return table headers
---@return string body
function problem.render(p, instance)
  local known = api.problems[p.code]
  local errors
  if p.errors then
    errors = {}
    for i, fault in ipairs(p.errors) do
      errors[i] = json.object { { "pointer", json.string(fault.pointer) }, { "detail", json.string(fault.detail) } }
    end
  end
  local headers = { { "Content-Type", "application/problem+json" } }
  if p.retry_after then headers[2] = { "Retry-After", tostring(p.retry_after) } end
  if p.allow then headers[#headers + 1] = { "Allow", p.allow } end
  return known.status, headers, json.object { { "type", json.string("urn:perigee:problem:" .. p.code) },
    { "title", json.string(known.title) }, { "status", json.number(known.status) }, { "code", json.string(p.code) },
    { "detail", json.string(p.detail) }, { "instance", json.string(instance) },
    { "errors", errors and json.list(errors) } } .. "\n"
end

return problem
