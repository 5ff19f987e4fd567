-- SPDX-License-Identifier: MIT
local api = require "perigee.server.api"
local json = require "perigee.json"
local router = require "perigee.server.router"

local function handlers(mine)
  local all = {}
  for _, r in ipairs(api.routes) do all[r.id] = function() return {} end end
  for id, fn in pairs(mine or {}) do all[id] = fn end
  return all
end

local people = {
  viewer = { role = "viewer", username = "v", csrf = "c", operator_id = 1 },
  trader = { role = "trader", username = "t", csrf = "c", operator_id = 2 },
  admin = { role = "admin", username = "a", csrf = "c", operator_id = 3 },
  fresh = { operator_id = 4, role = "admin", username = "f", csrf = "c", must_change_password = true },
}

local function new(mine, check)
  local auth = { who = function(_, token) return people[token] end,
    may_know = function(_, token) return token == "early" end,
    csrf = function(_, signed, text) return text == signed.csrf end }
  return router.new { handlers = handlers(mine), auth = auth, check_answers = check,
    hosts = { ["127.0.0.1:7373"] = true, ["office.example"] = true } }
end

-- Status, problem's code (or the answer), headers by name.
local function ask(r, method, path, options)
  options = options or {}
  local headers = { host = "127.0.0.1:7373", cookie = options.as and "perigee_session=" .. options.as,
    ["x-csrf-token"] = options.as and "c", ["content-type"] = options.body and "application/json" }
  for name, value in pairs(options.headers or {}) do headers[name] = value or nil end
  local full, query = path:match("^([^?]*)%??(.*)$")
  local status, given, body = r:handle { method = function() return method end, path = function() return full end,
    query = function() return query end, body = function() return options.body or "" end,
    peer = function() return "127.0.0.1" end, header = function(_, name) return headers[name] end }
  local by_name = {}
  for _, h in ipairs(given) do by_name[h[1]] = h[2] end
  local value = body ~= "" and json.decode(body) or nil
  return status, value and value.code or value, by_name, value
end

describe("the router", function()
  it("wants a handler for each declared operation", function()
    local some = handlers()
    some.health = nil
    assert.has_error(function() router.new { handlers = some, auth = {}, hosts = {} } end, "no handler for health")
    assert.has_error(function()
      router.new { handlers = handlers { extra = function() end }, auth = {}, hosts = {} }
    end, "no declaration of extra")
  end)

  it("holds back who asks too much", function()
    local r, held = new(), nil
    for _ = 1, 3000 do
      local status, code, headers = ask(r, "GET", "/api/v1/auth/me", { as = "admin" })
      if status ~= 200 then held = { status, code, headers["Retry-After"] } end
    end
    assert.same({ 429, "too_many_requests", "1" }, held)
    assert.equal(200, (ask(r, "GET", "/api/v1/auth/me", { as = "viewer" })))
  end)

  it("gives each operation its own", function()
    local seen
    local mine = {}
    for _, r in ipairs(api.routes) do
      mine[r.id] = function(ctx)
        seen = ctx.route.id
        return nil, { code = "conflict", detail = "x" }
      end
    end
    local it_router = new(mine)
    for _, r in ipairs(api.routes) do
      local path = r.path:gsub("{id}", "1"):gsub("{[%w_]+}", "W1")
      local query = path:find("candles") and "?symbol=X" or ""
      local bodies = { sign_in = '{"username":"a","password":"b"}', change_password =
        '{"current":"a","new":"abcdefghijkl"}', create_operator = '{"username":"a","role":"admin"}',
        update_operator = "{}", create_user = '{"email":"a@b.c","password":"x"}', update_user = "{}",
        send_signal = '{"symbol":"X","direction":"LONG"}', preview_signal = '{"symbol":"X","direction":"LONG"}',
        execute_all = '{"symbol":"X","side":"LONG","quantity":"1","stop_loss":"1","take_profit":"1"}',
        execute_batch = '{"orders":[{"account_id":"1","symbol":"X","side":"LONG","quantity":"1","stop_loss":"1",'
          .. '"take_profit":"1"}]}', edit_all = '{"symbol":"X"}', edit_position = "{}",
        assign_order = '{"position_id":null}', edit_pending_order = "{}",
        create_pending_order = '{"account_id":"1","symbol":"X","side":"LONG","order_type":"LIMIT","quantity":"1",'
          .. '"price":"2","stop_loss":"1"}',
        set_entries = '{"stopped":true}' }
      local status = ask(it_router, r.method, api.prefix .. path .. query, { as = "admin", body = bodies[r.id] })
      assert.equal(409, status, r.id)
      assert.equal(r.id, seen)
    end
  end)

  it("hands on an idempotency key where one is taken, and refuses what is none", function()
    local seen = {}
    local r = new { send_signal = function(ctx)
      seen[#seen + 1] = ctx.key or "none"
      return nil, { code = "conflict", detail = "x" }
    end, preview_signal = function(ctx)
      seen[#seen + 1] = ctx.key or "none"
      return nil, { code = "conflict", detail = "x" }
    end }
    local body = '{"symbol":"X","direction":"LONG"}'
    local function send(where, key)
      return (ask(r, "POST", "/api/v1/trading/" .. where, { as = "admin", body = body,
        headers = key and { ["idempotency-key"] = key } or nil }))
    end
    assert.same({ 409, 409, 409 }, { send("signal", "a-1.b_2"), send("signal"), send("preview", "x") })
    assert.same({ "a-1.b_2", "none", "none" }, seen)
    for _, key in ipairs { "", "a b", "a/b", ("x"):rep(65), "ä" } do assert.equal(422, send("signal", key)) end
    assert.equal(3, #seen)
  end)

  it("prefers a plain segment to a parameter", function()
    local seen
    local r = new { login_all = function() seen = "all" return { ok_count = 0, failed_count = 0, results = {} } end }
    assert.equal(200, (ask(r, "POST", "/api/v1/users/login-all", { as = "trader" })))
    assert.equal("all", seen)
  end)

  it("answers what it does not know by 404, other methods by 405 with those that are allowed", function()
    local r = new()
    for _, path in ipairs { "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/users/1/x", "/api/v1/users/", "/x",
      "/api/v2/users", "/api/v1//users", "/api/v1/users/../users" } do
      assert.equal(404, (ask(r, "GET", path, { as = "admin" })), path)
    end
    local status, code, headers = ask(r, "PATCH", "/api/v1/users/1", { as = "admin" })
    assert.same({ 405, "method_not_allowed", "DELETE, GET, HEAD, OPTIONS, PUT" }, { status, code, headers.Allow })
    status, code, headers = ask(r, "OPTIONS", "/api/v1/users/1")
    assert.same({ 204, nil, "DELETE, GET, HEAD, OPTIONS, PUT" }, { status, code, headers.Allow })
    assert.equal(200, (ask(r, "HEAD", "/api/v1/health")))
    assert.equal(422, (ask(r, "GET", "/api/v1/users/abc", { as = "admin" })))
    assert.equal(422, (ask(r, "GET", "/api/v1/users/99999999999999999999", { as = "admin" })))
    assert.equal(400, (ask(r, "GET", "/api/v1/users/%00", { as = "admin" })))
  end)

  it("keeps out whoever is not signed in, has another role, or must change the password", function()
    local r = new()
    local function code(method, path, as, body)
      local status, why = ask(r, method, path, { as = as, body = body })
      return status .. " " .. (type(why) == "string" and why or "")
    end
    assert.equal("401 sign_in_required", code("GET", "/api/v1/users"))
    assert.equal("401 sign_in_required", code("GET", "/api/v1/users", "nobody"))
    assert.equal("503 history_unavailable", code("GET", "/api/v1/users", "early"))
    assert.equal("403 forbidden", code("POST", "/api/v1/users/1/login", "viewer"))
    assert.equal("403 forbidden", code("GET", "/api/v1/operators", "trader"))
    assert.equal("403 password_change_required", code("GET", "/api/v1/users", "fresh"))
    assert.equal("200 ", code("GET", "/api/v1/auth/me", "fresh"))
    assert.equal("200 ", code("GET", "/api/v1/operators", "admin"))
    assert.equal("200 ", code("GET", "/api/v1/health"))
    -- who may not learns nothing about what fits
    assert.equal("403 forbidden", code("POST", "/api/v1/trading/signal", "viewer", "{nonsense"))
  end)

  it("lets nothing change without the token, or from another origin", function()
    local ran = false
    local r = new { sign_out = function() ran = true return true end }
    local function code(headers)
      local status, why = ask(r, "POST", "/api/v1/auth/logout", { as = "viewer", headers = headers })
      return status .. " " .. tostring(why)
    end
    assert.equal("403 csrf", code { ["x-csrf-token"] = false })
    assert.equal("403 csrf", code { ["x-csrf-token"] = "wrong" })
    assert.equal("403 forbidden_origin", code { origin = "http://evil.example" })
    assert.equal("403 forbidden_origin", code { origin = "null" })
    assert.equal("403 forbidden_origin", code { ["sec-fetch-site"] = "cross-site" })
    assert.is_false(ran)
    assert.equal("204 nil", code { origin = "http://127.0.0.1:7373", ["sec-fetch-site"] = "same-origin" })
    assert.is_true(ran)
  end)

  it("answers only to its own names", function()
    local r = new()
    for _, host in ipairs { "evil.example", "127.0.0.1:9", "127.0.0.1:7373.evil.example", "a@127.0.0.1:7373", "" } do
      assert.equal(403, (ask(r, "GET", "/api/v1/health", { headers = { host = host } })), host)
    end
    assert.equal(403, (ask(r, "GET", "/api/v1/health", { headers = { host = false } })))
    assert.equal(200, (ask(r, "GET", "/api/v1/health", { headers = { host = "OFFICE.example:443" } })))
  end)

  it("tells nothing of an error but the request's id", function()
    local r = new { health = function() error("secret") end }
    local status, code, headers, body = ask(r, "GET", "/api/v1/health")
    assert.same({ 500, "internal" }, { status, code })
    assert.equal(headers["X-Request-Id"], body.instance)
    assert.is_nil(json.encode(body):find("secret"))
  end)

  it("checks its own answers where that is wanted", function()
    local r = new({ version = function() return { name = "perigee" } end }, true)
    assert.equal(500, (ask(r, "GET", "/api/v1/version")))
    r = new({ version = function() return { name = "perigee", version = "1", api = "v1" } end }, true)
    assert.equal(200, (ask(r, "GET", "/api/v1/version")))
  end)

  it("sends headers of defence with every answer", function()
    for _, path in ipairs { "/api/v1/health", "/api/v1/nothing" } do
      local _, _, headers = ask(new(), "GET", path)
      assert.same({ "no-store", "nosniff", "DENY" }, { headers["Cache-Control"], headers["X-Content-Type-Options"],
        headers["X-Frame-Options"] })
      assert.truthy(headers["Content-Security-Policy"]:find("frame-ancestors 'none'", 1, true))
    end
  end)
end)
