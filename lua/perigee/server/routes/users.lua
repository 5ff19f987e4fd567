-- SPDX-License-Identifier: MIT
-- Operations on broker logins, their sessions and their trading accounts. What is read comes from the mirror; what
-- changes is a command to the engine.

local crypto = require "perigee.crypto"
local json = require "perigee.json"
local log = require "perigee.log"
local page = require "perigee.server.page"
local problem = require "perigee.server.problem"
local view = require "perigee.server.view"

local LOGIN_MS, ALL_MS = 30000, 60000

---@param office perigee.Office
---@return table<string, fun(ctx: perigee.RouteContext): any, perigee.Problem|nil>
return function(office)
  local on = {}
  local mirror = office.mirror

  local function need_engine()
    if mirror.known then return nil end
    return problem.new("engine_unavailable", "The engine was not reached yet.")
  end

  local function no_such(what, id)
    return problem.new("not_found", ("There is no %s %s."):format(what, id))
  end

  -- A command in the operator's name; a refusal here is the broker's.
  local function command(ctx, name, args, timeout_ms, taken)
    local result, err = office:change(ctx, name, args, timeout_ms, taken)
    if result == nil then return nil, problem.of_engine(err, "broker_refused") end
    return result
  end

  -- ---- users -------------------------------------------------------------------------------------

  function on.list_users(ctx)
    local q, found = ctx.query, page.search(ctx.query.search)
    local bad = need_engine()
    if bad then return nil, bad end
    return page.of(mirror:list_users(), q, function(u) return page.up(u.id) end, function(u)
      return (not q.status or u.status == q.status) and found(u.email, u.name)
    end)
  end

  function on.get_user(ctx)
    local bad = need_engine()
    if bad then return nil, bad end
    local row = mirror:user(ctx.params.id)
    if not row then return nil, no_such("user", ctx.params.id) end
    return row
  end

  -- The password leaves the office sealed, bound to its login.
  local function seal(password, broker, email)
    local key, err = office.key()
    if not key then
      log.error("office", "the vault's key cannot be read: " .. err.message)
      return nil, problem.new("internal", "The vault's key cannot be read; the log says why.")
    end
    return crypto.base64(crypto.seal(key, password, ("password:%s:%s"):format(broker, email)))
  end

  -- Answers are taken over before the events that follow them: later they could undo what those say.
  local function take_user(row) mirror:put_user(row) end

  local function user_command(ctx, name, args)
    local row, bad = command(ctx, name, args, nil, take_user)
    if not row then return nil, bad end
    local known = mirror:user(row.id)
    if not known then return nil, no_such("user", row.id) end -- it was taken away meanwhile
    return known
  end

  function on.create_user(ctx)
    local b = ctx.body
    local sealed, bad = seal(b.password, b.broker, b.email)
    if not sealed then return nil, bad end
    return user_command(ctx, "user_put", { email = b.email, broker = b.broker, broker_id = b.broker_id, name = b.name,
      sealed = sealed, is_active = b.is_active })
  end

  function on.update_user(ctx)
    local b, u = ctx.body, mirror.users[ctx.params.id]
    local bad = need_engine()
    if bad then return nil, bad end
    if not u then return nil, no_such("user", ctx.params.id) end
    local args = { user_id = u.id, is_active = b.is_active }
    if b.name ~= nil then args.name = b.name == json.null and "" or b.name end
    if b.password then
      args.sealed, bad = seal(b.password, u.broker, u.email)
      if not args.sealed then return nil, bad end
    end
    return user_command(ctx, "user_update", args)
  end

  function on.delete_user(ctx)
    return command(ctx, "user_remove", { user_id = ctx.params.id })
  end

  local function take_session(s) mirror.sessions[s.id] = s end

  function on.login_user(ctx)
    local s, bad = command(ctx, "login", { user_id = ctx.params.id }, LOGIN_MS, take_session)
    if not s then return nil, bad end
    return view.session(s)
  end

  function on.logout_user(ctx)
    local s, bad = command(ctx, "logout", { user_id = ctx.params.id }, nil, take_session)
    if not s then return nil, bad end
    return view.session(s)
  end

  function on.login_all(ctx)
    local report, bad = command(ctx, "login_all", {}, ALL_MS)
    if not report then return nil, bad end
    return view.login_report(report.results)
  end

  -- ---- sessions ----------------------------------------------------------------------------------

  function on.list_sessions(ctx)
    local active = ctx.query.active
    local bad = need_engine()
    if bad then return nil, bad end
    return page.of(mirror:list_sessions(), ctx.query, function(s) return page.down(s.id) end, function(s)
      return active == nil or s.is_active == active
    end)
  end

  function on.get_session(ctx)
    local bad = need_engine()
    if bad then return nil, bad end
    local row = mirror:session(ctx.params.id)
    if not row then return nil, no_such("session", ctx.params.id) end
    return row
  end

  function on.delete_session(ctx)
    local bad = need_engine()
    if bad then return nil, bad end
    local s = mirror.sessions[ctx.params.id]
    if not s then return nil, no_such("session", ctx.params.id) end
    if s.state ~= "open" then return nil, problem.new("conflict", "The session has ended already.") end
    return command(ctx, "logout", { user_id = s.user_id })
  end

  function on.refresh_all(ctx)
    local report, bad = command(ctx, "refresh_all", {}, ALL_MS)
    if not report then return nil, bad end
    return view.login_report(report.results)
  end

  -- ---- accounts ----------------------------------------------------------------------------------

  function on.list_accounts(ctx)
    local q, found = ctx.query, page.search(ctx.query.search)
    local bad = need_engine()
    if bad then return nil, bad end
    return page.of(mirror:list_accounts(), q, function(a) return a.id end, function(a)
      local u = mirror.users[a.user_id]
      return (not q.user_id or a.user_id == q.user_id) and found(a.id, a.email, u and u.name)
    end)
  end

  function on.get_account(ctx)
    local bad = need_engine()
    if bad then return nil, bad end
    local row = mirror:account(ctx.params.account_id)
    if not row then return nil, no_such("account", ctx.params.account_id) end
    return row
  end

  function on.sync_accounts(ctx)
    local report, bad = command(ctx, "sync", { accounts = ctx.body.account_ids }, ALL_MS)
    if not report then return nil, bad end
    local failed = json.array {}
    for i, row in ipairs(report.failed or {}) do failed[i] = { account_id = row.account, reason = row.reason } end
    return { account_count = report.accounts, failed = failed }
  end

  return on
end
