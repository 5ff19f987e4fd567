-- SPDX-License-Identifier: MIT
-- One request of the API from its head to its answer, by the declaration in perigee.server.api: where it comes from,
-- which operation it is, who asks, what it holds; then the operation's handler; then the headers. Every answer that
-- is no success is a problem (RFC 9457).
--
-- A handler is `function(ctx) -> answer | nil, problem`; it may wait. With `check_answers` an answer that does not fit
-- its schema is a fault of the office; that is for tests, since it costs as much as making the answer.

local api = require "perigee.server.api"
local bucket = require "perigee.server.bucket"
local clock = require "perigee.clock"
local json = require "perigee.json"
local log = require "perigee.log"
local problem = require "perigee.server.problem"
local request = require "perigee.server.request"
local rng = require "perigee.rng"
local schema = require "perigee.server.schema"

local router = {}

---@class perigee.RouteContext
---@field route perigee.Route
---@field params table<string, any>
---@field query table<string, any>
---@field body table
---@field operator perigee.SignedIn|nil
---@field ip string
---@field request_id string
---@field secure boolean            the browser speaks TLS to a proxy before the office
---@field token string|nil          of the cookie
---@field headers table             of the answer; a handler may add
---@field key string|nil            Idempotency-Key of a request that takes one
---@field raw string|nil            the answer's text, of a route whose media is not JSON

---@class perigee.Router
---@field prefix string
local Router = {}
Router.__index = Router

local MOST_KEY = 64 -- bytes of an Idempotency-Key
local BURST, PER_SECOND = 1000, 200 -- requests of an operator, or of an address without one

local ROLES = { viewer = 1, trader = 2, admin = 3 }

local SECURITY = {
  { "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'" },
  { "X-Content-Type-Options", "nosniff" },
  { "Referrer-Policy", "no-referrer" },
  { "X-Frame-Options", "DENY" },
  { "Cross-Origin-Opener-Policy", "same-origin" },
  { "Cross-Origin-Resource-Policy", "same-origin" },
}

--- Adds the headers that every answer of the API has.
---@param headers table
---@return table headers
function router.secure(headers)
  for _, h in ipairs(SECURITY) do headers[#headers + 1] = h end
  return headers
end

-- Routes as a tree of segments; a parameter's branch is "*".
local function plant(routes)
  local root = { next = {} }
  for _, r in ipairs(routes) do
    local node = root
    r.names = {}
    for piece in r.path:gmatch("[^/]+") do
      local name = piece:match("^{(.*)}$")
      if name then r.names[#r.names + 1] = name end
      local key = name and "*" or piece
      node.next[key] = node.next[key] or { next = {} }
      node = node.next[key]
    end
    node.methods = node.methods or {}
    node.methods[r.method] = r
  end
  return root
end

---@class perigee.RouterOptions
---@field handlers table<string, fun(ctx: perigee.RouteContext): any, perigee.Problem|nil>
---@field auth perigee.Auth
---@field hosts table<string, boolean>   authorities that the office answers to
---@field check_answers boolean|nil

---@param options perigee.RouterOptions
---@return perigee.Router
function router.new(options)
  local declared = {}
  for _, r in ipairs(api.routes) do
    declared[r.id] = true
    assert(options.handlers[r.id], "no handler for " .. r.id)
  end
  for id in pairs(options.handlers) do assert(declared[id], "no declaration of " .. id) end
  return setmetatable({ handlers = options.handlers, auth = options.auth, hosts = options.hosts,
    check_answers = options.check_answers, tree = plant(api.routes), prefix = api.prefix,
    requests = bucket.new { burst = BURST, per_second = PER_SECOND } }, Router)
end

--- Whether the Host header names the office: a name that somebody else's DNS points here does not.
---@param host string|nil
function Router:knows_host(host)
  local authority = request.authority(host)
  return authority ~= nil and (self.hosts[authority] or self.hosts[authority:gsub(":%d+$", "")]) == true
end

-- ---- which operation -----------------------------------------------------------------------------

local function walk(node, segments, i, values)
  if i > #segments then return node.methods and node end
  local plain = node.next[segments[i]]
  local found = plain and walk(plain, segments, i + 1, values)
  if found then return found end
  local any = node.next["*"]
  if not any or segments[i] == "" then return nil end
  values[#values + 1] = segments[i]
  found = walk(any, segments, i + 1, values)
  if not found then values[#values] = nil end
  return found
end

local function allowed(methods)
  local names = { "OPTIONS" }
  for name in pairs(methods) do
    names[#names + 1] = name
    if name == "GET" then names[#names + 1] = "HEAD" end
  end
  table.sort(names)
  return table.concat(names, ", ")
end

-- The route and its parameters' texts; nil and a problem, or nil and the methods for OPTIONS.
function Router:find(method, path)
  if path:sub(1, #self.prefix + 1) ~= self.prefix .. "/" then
    return nil, problem.new("not_found", "There is no such page.")
  end
  local segments, bad = request.segments(path:sub(#self.prefix + 1))
  if not segments then return nil, bad end
  local values = {}
  local node = walk(self.tree, segments, 1, values)
  if not node then return nil, problem.new("not_found", "The API has no such path; see docs/api.md.") end
  if method == "OPTIONS" then return nil, nil, allowed(node.methods) end
  local r = node.methods[method == "HEAD" and "GET" or method]
  if not r then
    local p = problem.new("method_not_allowed", ("%s is not allowed here; %s are."):format(method,
      allowed(node.methods)))
    p.allow = allowed(node.methods)
    return nil, p
  end
  return r, values
end

local function read_params(r, values)
  local out = {}
  for i, name in ipairs(r.names) do
    local value, faults = schema.parameter(r.path_params[name], name, values[i], api.schemas)
    if faults then
      return nil, problem.new("invalid_parameters", ("The path does not fit: %s %s."):format(name, faults[1].detail),
        faults)
    end
    out[name] = value
  end
  return out
end

-- ---- who asks ------------------------------------------------------------------------------------

local function check_role(r, signed)
  if not signed then return problem.new("sign_in_required", "Sign in at /api/v1/auth/login first.") end
  if signed.must_change_password and not r.open_while_expired then
    return problem.new("password_change_required", "Set a password of your own by /api/v1/auth/password first.")
  end
  if ROLES[signed.role] < ROLES[r.role] then
    return problem.new("forbidden", ("This needs the role %s; yours is %s."):format(r.role, signed.role))
  end
end

-- Fills ctx.operator, or says why not.
function Router:admit(r, req, ctx)
  local changes = r.method ~= "GET"
  if changes and not request.same_origin(req:header("origin"), req:header("sec-fetch-site"), req:header("host"),
    self.hosts) then
    return problem.new("forbidden_origin", "Requests that change something come from the dashboard's own pages.")
  end
  ctx.token = request.cookie(req:header("cookie"), "perigee_session")
  ctx.operator = self.auth:who(ctx.token)
  if r.role == "none" then return nil end
  if not ctx.operator and self.auth:may_know(ctx.token) then
    return problem.new("history_unavailable", "The office has just started and has not read the sign-ins yet.")
  end
  local bad = check_role(r, ctx.operator)
  if bad then return bad end
  if changes and not self.auth:csrf(ctx.operator, req:header("x-csrf-token")) then
    return problem.new("csrf", "Send the csrf_token of the sign-in as X-CSRF-Token.")
  end
end

-- Nobody keeps the office from the others.
function Router:check_rate(ctx)
  local wait = self.requests:take(ctx.operator and ctx.operator.operator_id or ctx.ip, clock.io_ms())
  if not wait then return nil end
  local p = problem.new("too_many_requests", ("More than %d requests a second; wait a little."):format(PER_SECOND))
  p.retry_after = math.max(1, math.ceil(wait / 1000))
  return p
end

-- ---- the way of a request ------------------------------------------------------------------------

local function read(r, values, req, ctx)
  local bad
  ctx.params, bad = read_params(r, values)
  if not ctx.params then return bad end
  ctx.query, bad = request.query(req:query() or "", r.query, api.schemas)
  if not ctx.query then return bad end
  ctx.body, bad = request.body(r, req:body() or "", req:header("content-type"), api.schemas)
  if not ctx.body then return bad end
  local key = r.keyed and req:header("idempotency-key")
  if key and not key:match("^[%w_%.%-]+$") or key and #key > MOST_KEY then
    return problem.new("invalid_parameters", ("Idempotency-Key must be a word of up to %d letters, digits, dots, _ "
      .. "or -."):format(MOST_KEY), { { pointer = "Idempotency-Key", detail = "is no word that is taken" } })
  end
  ctx.key = key or nil
end

function Router:run(r, ctx)
  local ok, answer, bad = xpcall(self.handlers[r.id], debug.traceback, ctx)
  if not ok then
    log.error("office", ("request %s, %s: %s"):format(ctx.request_id, r.id, tostring(answer)))
    return problem.new("internal", "The office failed at this; its log has the request's id.")
  end
  if bad then return bad end
  if r.answer and answer == nil then
    log.error("office", ("request %s, %s: no answer"):format(ctx.request_id, r.id))
    return problem.new("internal", "The office has no answer; its log has the request's id.")
  end
  if self.check_answers and r.answer and not r.media then
    local faults = schema.check(r.answer, answer, api.schemas)
    if faults then
      log.error("office", ("request %s, %s: the answer does not fit its schema: %s %s"):format(ctx.request_id, r.id,
        faults[1].pointer, faults[1].detail))
      return problem.new("internal", ("The answer does not fit its schema: %s %s."):format(faults[1].pointer,
        faults[1].detail))
    end
  end
  return nil, answer
end

-- Status, headers, body.
function Router:answer(req, ctx)
  if not self:knows_host(req:header("host")) then
    return nil, problem.new("forbidden_origin", "The office does not answer to this Host; add it to office.hosts.")
  end
  local r, values, methods = self:find(req:method(), req:path())
  if not r then
    if values then return nil, values end
    return 204, { { "Allow", methods } }, ""
  end
  ctx.route, ctx.headers = r, {}
  local bad = self:admit(r, req, ctx) or self:check_rate(ctx) or read(r, values, req, ctx)
  if bad then return nil, bad end
  local answer
  bad, answer = self:run(r, ctx)
  if bad then return nil, bad end
  if not r.answer then return r.status, ctx.headers, "" end
  table.insert(ctx.headers, 1, { "Content-Type", r.media and r.media .. "; charset=utf-8" or "application/json" })
  return r.status, ctx.headers, r.media and answer or json.encode(answer) .. "\n"
end

--- Answers one request of the API: status, headers, body.
---@param req table   as perigee.httpd gives it
function Router:handle(req)
  local ctx = { ip = req:peer(), request_id = rng.token(8), secure = req:header("x-forwarded-proto") == "https" }
  local status, headers, body = self:answer(req, ctx)
  if not status then
    status, headers, body = problem.render(headers, ctx.request_id)
    for _, h in ipairs(ctx.headers or {}) do headers[#headers + 1] = h end
  end
  headers[#headers + 1] = { "Cache-Control", "no-store" }
  headers[#headers + 1] = { "X-Request-Id", ctx.request_id }
  return status, router.secure(headers), body
end

return router
