-- SPDX-License-Identifier: MIT
-- Operations on the office itself: health, version, state, signing in, operators.

local clock = require "perigee.clock"
local json = require "perigee.json"
local operators = require "perigee.server.operators"
local page = require "perigee.server.page"
local problem = require "perigee.server.problem"
local process = require "perigee.process"

---@param office perigee.Office
---@return table<string, fun(ctx: perigee.RouteContext): any, perigee.Problem|nil>
return function(office)
  local on = {}
  local auth = office.auth

  function on.health()
    local system = office.system()
    local engine, database = system.engine.state, system.database.state
    return { status = engine == "connected" and database == "connected" and "ok" or "degraded", engine = engine,
      database = database }
  end

  function on.version()
    return { name = "perigee", version = process.version(), api = "v1" }
  end

  function on.system_state() return office.system() end

  -- ---- signing in --------------------------------------------------------------------------------

  local function shown(signed)
    return { id = signed.operator_id, username = signed.username, role = signed.role,
      must_change_password = signed.must_change_password, csrf_token = signed.csrf,
      expires_at = clock.iso(auth:expires(signed)) }
  end

  local function cookie(ctx, value, more)
    ctx.headers[#ctx.headers + 1] = { "Set-Cookie", ("perigee_session=%s; Path=/; HttpOnly; SameSite=Strict%s%s")
      :format(value, ctx.secure and "; Secure" or "", more or "") }
  end

  -- What was typed as a name may be a password: only what could be a name is written down.
  local function name_of(text)
    return #text <= 64 and text:match("^[%w_.@%-]+$") or nil
  end

  function on.sign_in(ctx)
    local b = ctx.body
    local signed, token = auth:sign_in(b.username, b.password, ctx.ip)
    office.audit(ctx, { action = "sign_in", operator = signed and signed.username or name_of(b.username),
      ok = signed ~= nil, reason = not signed and token.detail or nil })
    if not signed then return nil, token end
    cookie(ctx, token)
    return shown(signed)
  end

  function on.sign_out(ctx)
    local ok, err = auth:forget(ctx.operator)
    office.audit(ctx, { action = "sign_out", ok = true })
    cookie(ctx, "", "; Max-Age=0")
    if not ok and err.code ~= "unreachable" then return nil, problem.of_database(err) end
    return true
  end

  function on.me(ctx) return shown(ctx.operator) end

  function on.change_password(ctx)
    local b = ctx.body
    local ok, bad
    if b.new == b.current then
      bad = problem.new("invalid_parameters", "The new password must differ from the old one.",
        { { pointer = "/new", detail = "must differ from the old one" } })
    else
      ok, bad = auth:change_password(ctx.operator, b.current, b.new, ctx.ip)
    end
    office.audit(ctx, { action = "change_password", ok = ok == true, reason = bad and bad.detail })
    if not ok then return nil, bad end
    return shown(ctx.operator)
  end

  -- ---- operators ---------------------------------------------------------------------------------

  function on.list_operators(ctx)
    local rows, bad = operators.list(office.db)
    if not rows then return nil, bad end
    return page.of(rows, ctx.query, function(row) return page.up(row.id) end)
  end

  function on.create_operator(ctx)
    local b = ctx.body
    local row, password = operators.create(office.db, b.username, b.role)
    office.audit(ctx, { action = "create_operator", target = b.username, details = { role = b.role },
      ok = row ~= nil, reason = not row and password.detail or nil })
    if not row then return nil, password end
    return { operator = row, one_time_password = password }
  end

  function on.update_operator(ctx)
    local b, id = ctx.body, ctx.params.id
    local row, password = operators.update(office.db, id, b)
    office.audit(ctx, { action = "update_operator", target = row and row.username or tostring(id), details = b,
      ok = row ~= nil, reason = not row and password.detail or nil })
    if not row then return nil, password end
    if b.is_active == false or b.reset_password then auth:end_all(id) end
    auth:changed(id, { role = row.role, must_change_password = row.must_change_password })
    return { operator = row, one_time_password = password or json.null }
  end

  function on.delete_operator(ctx)
    local id = ctx.params.id
    local gone, bad = operators.delete(office.db, id)
    office.audit(ctx, { action = "delete_operator", target = gone and gone.username or tostring(id),
      ok = gone ~= nil, reason = bad and bad.detail })
    if not gone then return nil, bad end
    auth:end_all(id)
    return true
  end

  return on
end
