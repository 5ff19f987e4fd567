-- SPDX-License-Identifier: MIT
-- The people who may sign in, with the passwords that are made for them: each is for one use, a person must set one of
-- their own first. At least one active admin stays; the store sees to that.

local clock = require "perigee.clock"
local crypto = require "perigee.crypto"
local json = require "perigee.json"
local problem = require "perigee.server.problem"
local queries = require "perigee.store.queries"
local rng = require "perigee.rng"

local operators = {}

local LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789" -- 32, none that look alike

--- XXXX-XXXX-XXXX: 60 bits.
---@return string
function operators.one_time_password()
  local bytes, out = rng.token(12), {}
  for i = 1, 12 do
    local index = tonumber(bytes:sub(2 * i - 1, 2 * i), 16) % #LETTERS + 1
    out[i] = LETTERS:sub(index, index)
  end
  local text = table.concat(out)
  return ("%s-%s-%s"):format(text:sub(1, 4), text:sub(5, 8), text:sub(9, 12))
end

-- A row as the API shows it.
local function shown(row)
  return { id = row.id, username = row.username, role = row.role, is_active = row.is_active,
    must_change_password = row.must_change_password, created_at = clock.iso(row.created_ms),
    last_login_at = row.last_login_ms and clock.iso(row.last_login_ms) or json.null }
end

-- A new password and its hash. Yields.
local function new_password()
  local password = operators.one_time_password()
  local hash, err = crypto.password_hash(password)
  if not hash then error(err.message, 0) end
  return password, hash
end

local function problem_of(err, what)
  if err.code == "conflict" then return problem.new("conflict", ("Not possible: %s."):format(err.message)) end
  if err.code == "notfound" then return problem.new("not_found", ("There is no operator %s."):format(what)) end
  return problem.of_database(err)
end

--- The first admin. While nobody has ever signed in, each start makes a new one-time password.
---@param db perigee.Db
---@return { username: string, password: string }|nil first   nil: somebody has signed in before
---@return table|nil err
function operators.first(db)
  local rows, err = queries.operators.list(db)
  if not rows then return nil, err end
  if #rows > 1 or rows[1] and rows[1].last_login_ms then return nil end
  local password, hash = new_password()
  local row
  if rows[1] then
    row, err = queries.operators.update(db, { id = rows[1].id, password_hash = hash, must_change_password = true })
  else
    row, err = queries.operators.create(db, { username = "admin", password_hash = hash, role = "admin" })
  end
  if not row then return nil, err end
  return { username = row.username, password = password }
end

---@return table[]|nil rows, perigee.Problem|nil
function operators.list(db)
  local rows, err = queries.operators.list(db)
  if not rows then return nil, problem.of_database(err) end
  local out = {}
  for i, row in ipairs(rows) do out[i] = shown(row) end
  return out
end

---@return table|nil operator, string|perigee.Problem password
function operators.create(db, username, role)
  local password, hash = new_password()
  local row, err = queries.operators.create(db, { username = username, password_hash = hash, role = role })
  if not row then return nil, problem_of(err, username) end
  return shown(row), password
end

---@param wanted { role: string|nil, is_active: boolean|nil, reset_password: boolean|nil }
---@return table|nil operator, string|perigee.Problem|nil password
function operators.update(db, id, wanted)
  local args, password = { id = id, role = wanted.role, is_active = wanted.is_active }, nil
  if wanted.reset_password then
    password, args.password_hash = new_password()
    args.must_change_password = true
  end
  local row, err = queries.operators.update(db, args)
  if not row then return nil, problem_of(err, id) end
  return shown(row), password
end

---@return { username: string }|nil gone, perigee.Problem|nil
function operators.delete(db, id)
  local row, err = queries.operators.delete(db, { id = id })
  if not row then return nil, problem_of(err, id) end
  return row
end

return operators
