-- SPDX-License-Identifier: MIT
-- Operators, their sign-ins, and the audit. All times are wall clock. Passwords and tokens arrive hashed.

local clock = require "perigee.clock"
local err = require "perigee.err"
local json = require "perigee.json"
local where = require "perigee.store.queries.where"

local operators = {}

local COLUMNS = [[
o.id, o.username, o.role, o.is_active, o.must_change_password, o.failed_count,
time_to_ms(o.locked_until) AS locked_until_ms, time_to_ms(o.created_at) AS created_ms,
time_to_ms(o.updated_at) AS updated_ms, time_to_ms(o.last_login_at) AS last_login_ms]]

local function first(rows, failure)
  if not rows then return nil, failure end
  if not rows[1] then return nil, err.new("notfound", "there is no such operator", "store", "no") end
  return rows[1]
end

local function conflict(message)
  return nil, err.new("conflict", message, "store", "no")
end

---@param db perigee.Db
---@return table[]|nil, table|nil err
function operators.list(db)
  return db:query("SELECT " .. COLUMNS .. " FROM operators o ORDER BY lower(o.username)")
end

--- How many there are.
---@param db perigee.Db
---@return integer|nil, table|nil err
function operators.count(db)
  local rows, failure = db:query("SELECT count(*) AS n FROM operators")
  if not rows then return nil, failure end
  return rows[1].n
end

--- One operator by id or name (case does not matter), with password_hash.
---@param db perigee.Db
---@param args { id: integer?, username: string? }
---@return table|nil, table|nil err  "notfound"
function operators.get(db, args)
  local w = where.new()
  w:add("o.id = ?", args.id, "bigint")
  w:add("lower(o.username) = lower(?)", args.username, "text")
  if #w.terms == 0 then error("operators.get: id or username expected", 2) end
  return first(db:query(("SELECT %s, o.password_hash FROM operators o %s"):format(COLUMNS, w:text()), w.params))
end

--- Adds an operator.
---@param db perigee.Db
---@param args { username: string, password_hash: string, role: string, must_change_password: boolean? }
---@return table|nil operator, table|nil err  "conflict": the name is taken
function operators.create(db, args)
  local rows, failure = db:query([[
INSERT INTO operators AS o (username, password_hash, role, must_change_password, created_at, updated_at)
VALUES ($1::text, $2::text, $3::text, $4::boolean, ms_to_time($5::bigint), ms_to_time($5::bigint))
ON CONFLICT (lower(username)) DO NOTHING RETURNING ]] .. COLUMNS,
    { args.username, args.password_hash, args.role, args.must_change_password ~= false, clock.wall_ms() })
  if not rows then return nil, failure end
  if not rows[1] then return conflict("the name is taken") end
  return rows[1]
end

-- Calls fn(conn) when afterwards an active admin is still there. The admins' rows are locked, so that two who remove
-- each other at the same time do not both succeed.
local function keeping_an_admin(db, id, fn)
  return db:transaction(function(conn)
    local admins, failure = conn:query(
      "SELECT id FROM operators WHERE role = 'admin' AND is_active ORDER BY id FOR UPDATE")
    if not admins then return nil, failure end
    if #admins == 1 and admins[1].id == id then return conflict("the last admin must stay an active admin") end
    return fn(conn)
  end)
end

local CHANGEABLE = { { "role", "text" }, { "is_active", "boolean" }, { "password_hash", "text" },
  { "must_change_password", "boolean" } }

local function change(conn, args)
  local w = where.new()
  local set = {}
  for _, column in ipairs(CHANGEABLE) do
    local name, kind = column[1], column[2]
    if args[name] ~= nil then set[#set + 1] = ("%s = %s"):format(name, w:param(args[name], kind)) end
  end
  if args.password_hash then set[#set + 1] = "failed_count = 0, locked_until = NULL" end
  set[#set + 1] = ("updated_at = ms_to_time(%s)"):format(w:param(clock.wall_ms(), "bigint"))
  w:add("o.id = ?", args.id, "bigint")
  local sql = ("UPDATE operators o SET %s %s RETURNING %s"):format(table.concat(set, ", "), w:text(), COLUMNS)
  return first(conn:query(sql, w.params))
end

--- Changes what is given.
---@param db perigee.Db
---@param args table  id; role, is_active, password_hash, must_change_password
---@return table|nil operator, table|nil err  "notfound", "conflict" (the last active admin)
function operators.update(db, args)
  if (args.role and args.role ~= "admin") or args.is_active == false then
    return keeping_an_admin(db, args.id, function(conn) return change(conn, args) end)
  end
  return change(db, args)
end

--- Removes an operator and its sign-ins; the audit keeps the name.
---@param db perigee.Db
---@param args { id: integer }
---@return table|nil operator, table|nil err  "notfound", "conflict" (the last active admin)
function operators.delete(db, args)
  return keeping_an_admin(db, args.id, function(conn)
    return first(conn:query("DELETE FROM operators o WHERE o.id = $1::bigint RETURNING " .. COLUMNS, { args.id }))
  end)
end

--- A wrong password: counts, and locks for a while when the caller says so.
---@param db perigee.Db
---@param args { id: integer, lock_ms: integer? }
---@return table|nil operator, table|nil err
function operators.failed(db, args)
  return first(db:query([[
UPDATE operators o SET failed_count = failed_count + 1,
  locked_until = coalesce(ms_to_time($2::bigint), o.locked_until)
WHERE o.id = $1::bigint RETURNING ]] .. COLUMNS,
    { args.id, args.lock_ms and clock.wall_ms() + args.lock_ms, n = 2 }))
end

--- A right one.
---@param db perigee.Db
---@param args { id: integer, password_hash: string? }  password_hash: the same password hashed anew
---@return table|nil operator, table|nil err
function operators.signed_in(db, args)
  return first(db:query([[
UPDATE operators o SET failed_count = 0, locked_until = NULL, last_login_at = ms_to_time($2::bigint),
  password_hash = coalesce($3::text, o.password_hash)
WHERE o.id = $1::bigint RETURNING ]] .. COLUMNS, { args.id, clock.wall_ms(), args.password_hash, n = 3 }))
end

-- ---- sign-ins ------------------------------------------------------------------------------------

---@param db perigee.Db
---@param args { operator_id: integer, token_hash: string, csrf_hash: string, life_ms: integer, ip: string? }
---@return integer|nil id, table|nil err
function operators.open_session(db, args)
  local now = clock.wall_ms()
  local rows, failure = db:query([[
INSERT INTO operator_sessions (operator_id, token_hash, csrf_hash, created_at, last_seen_at, expires_at, ip)
VALUES ($1::bigint, $2::text, $3::text, ms_to_time($4::bigint), ms_to_time($4::bigint), ms_to_time($5::bigint),
  $6::text)
RETURNING id]], { args.operator_id, args.token_hash, args.csrf_hash, now, now + args.life_ms, args.ip, n = 6 })
  if not rows then return nil, failure end
  return rows[1].id
end

--- The sign-in of a token with its operator; none when it has expired or the operator is not active any more.
---@param db perigee.Db
---@param args { token_hash: string }
---@return table|nil session  { session_id, csrf_hash, expires_ms, last_seen_ms, ip, and the operator's fields }
---@return table|nil err      "notfound"
function operators.find_session(db, args)
  return first(db:query(([[
SELECT s.id AS session_id, s.csrf_hash, time_to_ms(s.expires_at) AS expires_ms, time_to_ms(s.last_seen_at) AS
  last_seen_ms, s.ip, %s
FROM operator_sessions s JOIN operators o ON o.id = s.operator_id
WHERE s.token_hash = $1::text AND s.expires_at > ms_to_time($2::bigint) AND o.is_active]]):format(COLUMNS),
    { args.token_hash, clock.wall_ms() }))
end

--- All sign-ins that have not expired, the newest use first.
---@param db perigee.Db
---@return table[]|nil rows  { session_id, token_hash, last_seen_ms, ip, id, username, role, must_change_password }
---@return table|nil err
function operators.live_sessions(db)
  return db:query([[
SELECT s.id AS session_id, s.token_hash, time_to_ms(s.last_seen_at) AS last_seen_ms, s.ip, o.id, o.username, o.role,
  o.must_change_password
FROM operator_sessions s JOIN operators o ON o.id = s.operator_id
WHERE s.expires_at > ms_to_time($1::bigint) AND o.is_active ORDER BY s.last_seen_at DESC LIMIT 10000]],
    { clock.wall_ms() })
end

--- It was used: its life begins anew.
---@param db perigee.Db
---@param args { session_id: integer, life_ms: integer }
---@return true|nil, table|nil err
function operators.touch_session(db, args)
  local now = clock.wall_ms()
  local rows, failure = db:query([[
UPDATE operator_sessions SET last_seen_at = ms_to_time($2::bigint), expires_at = ms_to_time($3::bigint)
WHERE id = $1::bigint]], { args.session_id, now, now + args.life_ms })
  return rows and true, failure
end

--- Ends one sign-in, or all of an operator (but one).
---@param db perigee.Db
---@param args { session_id: integer?, operator_id: integer?, except_id: integer? }
---@return true|nil, table|nil err
function operators.close_sessions(db, args)
  local w = where.new()
  w:add("id = ?", args.session_id, "bigint")
  w:add("operator_id = ?", args.operator_id, "bigint")
  if #w.terms == 0 then error("operators.close_sessions: session_id or operator_id expected", 2) end
  w:add("id <> ?", args.except_id, "bigint")
  local rows, failure = db:query("DELETE FROM operator_sessions " .. w:text(), w.params)
  return rows and true, failure
end

--- Forgets the expired ones.
---@param db perigee.Db
---@return true|nil, table|nil err
function operators.purge_sessions(db)
  local rows, failure = db:query("DELETE FROM operator_sessions WHERE expires_at <= ms_to_time($1::bigint)",
    { clock.wall_ms() })
  return rows and true, failure
end

-- ---- audit ---------------------------------------------------------------------------------------

--- Writes a line of the audit. Commands that reached the engine are not written here: their events are projected.
---@param db perigee.Db
---@param args table  action, ok; operator, target, details (a table, secrets masked), reason, ip, at_ms (now)
---@return true|nil, table|nil err
function operators.audit(db, args)
  local rows, failure = db:query([[
INSERT INTO audit_log (at, operator, action, target, details, ok, reason, ip)
VALUES (ms_to_time($1::bigint), $2::text, $3::text, $4::text, $5::jsonb, $6::boolean, $7::text, $8::text)]],
    { args.at_ms or clock.wall_ms(), args.operator, args.action, args.target,
      args.details and json.encode(args.details), args.ok == true, args.reason, args.ip, n = 8 })
  return rows and true, failure
end

--- Where a command to the engine came from: its event knows who gave it, the office knows the rest.
---@param db perigee.Db
---@param args { journal_seq: integer, ip: string, request_id: string }
---@return integer|nil rows, table|nil err
function operators.audit_origin(db, args)
  local done, failure = db:query([[
UPDATE audit_log SET ip = $2::text,
  details = coalesce(details, '{}'::jsonb) || jsonb_build_object('request_id', $3::text)
WHERE journal_seq = $1::bigint]], { args.journal_seq, args.ip, args.request_id })
  if not done then return nil, failure end
  return done.affected
end

--- The audit, the newest first. `details` is JSON text.
---@param db perigee.Db
---@param args { operator: string?, action: string?, limit: integer?, cursor: string? }
---@return { items: table[], next_cursor: string|nil }|nil, table|nil err
function operators.list_audit(db, args)
  local w = where.new()
  w:add("a.operator = ?", args.operator, "text")
  w:add("a.action = ?", args.action, "text")
  local ok, failure = w:after(args.cursor, nil, "a.id")
  if not ok then return nil, failure end
  return w:page(db, ([[
SELECT a.id, time_to_ms(a.at) AS at_ms, a.operator, a.action, a.target, a.details, a.ok, a.reason, a.ip, a.journal_seq
FROM audit_log a %s ORDER BY a.id DESC]]):format(w:text()), args.limit)
end

return operators
