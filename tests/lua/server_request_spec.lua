-- SPDX-License-Identifier: MIT
local api = require "perigee.server.api"
local json = require "perigee.json"
local problem = require "perigee.server.problem"
local request = require "perigee.server.request"

local function code(fn, ...)
  local value, bad = fn(...)
  return value == nil and bad.code or value
end

describe("paths", function()
  it("are split and decoded", function()
    assert.same({ "users", "7" }, request.segments("/users/7"))
    assert.same({ "a b", "ä" }, request.segments("/a%20b/%C3%A4"))
    assert.same({ "users", "" }, request.segments("/users/"))
  end)

  it("that cannot be read exactly are refused", function()
    for _, path in ipairs { "/%", "/%2", "/%zz", "/%00", "/a%0d%0ab", "/%ff", "x" } do
      assert.equal("bad_request", code(request.segments, path), path)
    end
    for _, path in ipairs { "/..", "/a/../b", "/%2e%2e/b", "/a%2fb", "/a%5Cb", "/." } do
      assert.equal("not_found", code(request.segments, path), path)
    end
  end)
end)

describe("queries", function()
  local declared
  for _, r in ipairs(api.routes) do
    if r.id == "list_orders" then declared = r.query end
  end
  local function read(text) return request.query(text, declared, api.schemas) end

  it("are typed, checked and completed", function()
    local q = read("status=OPEN,CLOSED&active=true&user_ids=1,2&from=2024-01-01T00%3A00%3A00Z")
    assert.same({ "OPEN", "CLOSED" }, q.status)
    assert.same({ 1, 2 }, q.user_ids)
    assert.is_true(q.active)
    assert.equal("2024-01-01T00:00:00Z", q.from)
    assert.equal(50, q.limit)
  end)

  it("that do not fit say where", function()
    for text, pointer in pairs { ["limit=0"] = "limit", ["limit=501"] = "limit", ["limit=1e1"] = "limit",
      ["status=open"] = "status", ["sort=id"] = "sort", ["limit=1&limit=2"] = "limit", ["active=yes"] = "active",
      ["cursor=a/b"] = "cursor", ["from=yesterday"] = "from", ["user_ids="] = "user_ids" } do
      local value, bad = read(text)
      assert.is_nil(value, text)
      assert.equal("invalid_parameters", bad.code, text)
      assert.equal(pointer, bad.errors[1].pointer, text)
    end
    assert.equal("bad_request", code(read, "limit=%"))
    assert.equal("bad_request", code(read, "cursor=%00"))
    assert.equal("bad_request", code(read, ("x"):rep(20000)))
  end)
end)

describe("bodies", function()
  local by_id = {}
  for _, r in ipairs(api.routes) do by_id[r.id] = r end
  local function read(id, text, media)
    return request.body(by_id[id], text, media or "application/json", api.schemas)
  end

  it("are read, and get the defaults of their schema", function()
    local b = read("create_user", '{"email":"a@b.c","password":"x"}')
    assert.same({ email = "a@b.c", password = "x", broker = "paper", is_active = true }, b)
    assert.same({}, read("close_all", ""))
    assert.same({}, read("sign_out", ""))
    assert.equal("a@b.c", read("create_user", '{"email":"a@b.c","password":"x"}', 'application/json; charset="utf-8"')
      .email)
    assert.equal(json.null, read("edit_position", '{"stop_loss":null}').stop_loss)
  end)

  it("that cannot be read say where the fault is", function()
    local _, bad = read("sign_in", '{"username": "a", }')
    assert.equal("bad_request", bad.code)
    assert.truthy(bad.detail:find("at character 19", 1, true))
    assert.equal("bad_request", code(read, "sign_in", "\xff"))
    assert.equal("bad_request", code(read, "sign_in", ""))
    assert.equal("bad_request", code(read, "sign_in", ("["):rep(200)))
    assert.equal("bad_request", code(read, "sign_out", "{}"))
    assert.equal("bad_request", code(read, "sign_in", '{"username":NaN}'))
  end)

  it("of another form, size or media are refused", function()
    for _, text in ipairs { "[]", "1", '"x"', "null", "true" } do
      assert.equal("invalid_parameters", code(read, "sign_in", text), text)
    end
    assert.equal("unsupported_media_type", code(read, "sign_in", "{}", "text/plain"))
    assert.equal("unsupported_media_type", code(read, "sign_in", "{}", "application/json; charset=latin1"))
    assert.equal("unsupported_media_type", select(2, request.body(by_id.sign_in, "{}", nil, api.schemas)).code)
    assert.equal("body_too_large", code(read, "sign_in", (" "):rep(65537)))
  end)

  it("tell every fault of theirs, up to twenty", function()
    local _, bad = read("create_user", '{"email":5,"password":"","extra":1,"is_active":"yes"}')
    local pointers = {}
    for i, fault in ipairs(bad.errors) do pointers[i] = fault.pointer end
    table.sort(pointers)
    assert.same({ "/email", "/extra", "/is_active", "/password" }, pointers)
  end)
end)

describe("origins", function()
  local hosts = { ["127.0.0.1:7373"] = true, ["localhost:7373"] = true, ["perigee.example"] = true }

  it("of our own pages, and none at all, are let through", function()
    assert.is_true(request.same_origin(nil, nil, "127.0.0.1:7373", hosts))
    assert.is_true(request.same_origin("http://127.0.0.1:7373", "same-origin", "127.0.0.1:7373", hosts))
    assert.is_true(request.same_origin("https://perigee.example", nil, "perigee.example", hosts))
    assert.is_true(request.same_origin("https://perigee.example:443", nil, "perigee.example", hosts))
  end)

  it("of others are not", function()
    assert.is_false(request.same_origin("http://127.0.0.1:3000", nil, "127.0.0.1:7373", hosts))
    assert.is_false(request.same_origin("null", nil, "127.0.0.1:7373", hosts))
    assert.is_false(request.same_origin("http://evil.example", nil, "127.0.0.1:7373", hosts))
    assert.is_false(request.same_origin(nil, "cross-site", "127.0.0.1:7373", hosts))
    assert.is_false(request.same_origin("http://127.0.0.1:7373", "same-site", "127.0.0.1:7373", hosts))
    assert.is_false(request.same_origin("http://127.0.0.1:7373@evil.example", nil, "127.0.0.1:7373", hosts))
  end)
end)

describe("cookies", function()
  it("are found by their whole name; one that is given twice is none", function()
    assert.equal("b", request.cookie("a=1; perigee_session=b; c=2", "perigee_session"))
    assert.is_nil(request.cookie("xperigee_session=b", "perigee_session"))
    assert.is_nil(request.cookie("perigee_session=a; perigee_session=b", "perigee_session"))
    assert.is_nil(request.cookie(nil, "perigee_session"))
  end)
end)

describe("problems", function()
  it("are RFC 9457, with their status and headers", function()
    local p = problem.new("method_not_allowed", "No.")
    p.allow, p.retry_after = "GET", 3
    local status, headers, body = problem.render(p, "abc")
    assert.equal(405, status)
    assert.same({ { "Content-Type", "application/problem+json" }, { "Retry-After", "3" }, { "Allow", "GET" } }, headers)
    assert.same({ type = "urn:perigee:problem:method_not_allowed", title = api.problems.method_not_allowed.title,
      status = 405, code = "method_not_allowed", detail = "No.", instance = "abc" }, json.decode(body))
    assert.has_error(function() problem.new("nonsense", "") end)
  end)

  it("come of the engine's and the database's errors", function()
    for from, to in pairs { input = "invalid_parameters", not_found = "not_found", state = "conflict",
      refused = "risk_refused", unavailable = "engine_unavailable", timeout = "engine_unavailable",
      failed = "internal" } do
      assert.equal(to, problem.of_engine({ code = from, message = "m" }).code)
    end
    assert.equal("broker_refused", problem.of_engine({ code = "refused", message = "m" }, "broker_refused").code)
    assert.equal("history_unavailable", problem.of_database { code = "unreachable", message = "m" }.code)
    assert.equal("internal", problem.of_database { code = "database", message = "m", sqlstate = "42P01" }.code)
    assert.is_nil(problem.of_database({ code = "database", message = "secret" }).detail:find("secret"))
  end)
end)
