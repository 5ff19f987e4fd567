-- SPDX-License-Identifier: MIT
--
-- Migrations: the files sql/NNNN_name.sql in the order of their numbers, each in a transaction of its own, each once.
-- What was applied is remembered with the SHA-256 of its text, so that a changed or missing file and a database of a
-- newer program are refused before anything is touched. Several processes may start at the same time: one migrates,
-- the others wait for it and find nothing to do.

local crypto = require "perigee.crypto"
local err = require "perigee.err"
local fs = require "perigee.fs"
local process = require "perigee.process"

local migrate = {}

local LOCK = 7234017283807667300 -- of pg_advisory_lock; "perigee" as a number

local TABLE = [[
CREATE TABLE IF NOT EXISTS schema_migrations (
  number     integer     PRIMARY KEY CHECK (number > 0),
  name       text        NOT NULL,
  sha256     text        NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE schema_migrations IS 'Migrations that were applied, with the SHA-256 of their texts.';]]

---@class perigee.Migration
---@field number integer
---@field name string     of the file
---@field text string
---@field sha256 string

local function refuse(message)
  return nil, err.new("migration", message, "migrate", "no")
end

--- Reads the migrations of a folder. Their numbers begin at 1 and have no gaps.
---@param folder string
---@return perigee.Migration[]|nil, table|nil err
function migrate.read(folder)
  local names, failure = fs.list(folder)
  if not names then return nil, failure end
  table.sort(names)
  local found = {}
  for _, name in ipairs(names) do
    local number = math.tointeger(tonumber(name:match("^(%d%d%d%d)_[%w_]+%.sql$")))
    if number then
      local text
      text, failure = fs.read(folder .. "/" .. name)
      if not text then return nil, failure end
      found[#found + 1] = { number = number, name = name, text = text, sha256 = crypto.sha256(text) }
      if number ~= #found then
        return refuse(("%s: migration %04d is missing or there twice; the program is not whole"):format(folder, #found))
      end
    elseif name:match("%.sql$") then
      return refuse(("%s/%s: a migration is called NNNN_name.sql"):format(folder, name))
    end
  end
  if #found == 0 then return refuse(("%s holds no migrations; the program is not whole"):format(folder)) end
  return found
end

-- Are the applied ones the first of ours, unchanged?
local function check(applied, ours)
  for i, row in ipairs(applied) do
    local mine = ours[i]
    if row.number ~= i then
      return refuse(("the database lacks migration %04d although later ones were applied; restore it from a backup")
        :format(i))
    elseif not mine then
      return refuse(("the database is newer than this program: it has migration %s, the newest known one is %s; "
        .. "use the newer program"):format(row.name, ours[#ours].name))
    elseif row.sha256 ~= mine.sha256 then
      return refuse(("migration %s was changed after it was applied; restore its text and put the change into a new "
        .. "migration"):format(mine.name))
    end
  end
  return true
end

local function apply(conn, m)
  local ok, failure = conn:exec("BEGIN")
  if not ok then return nil, failure end
  ok, failure = conn:exec(m.text)
  if ok then
    ok, failure = conn:query("INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)",
      { m.number, m.name, m.sha256 })
  end
  if ok then
    ok, failure = conn:exec("COMMIT")
    if ok then return true end
  else
    conn:exec("ROLLBACK")
  end
  if failure.code ~= "database" then return nil, failure end
  return refuse(("migration %s failed: %s"):format(m.name, failure.message))
end

local function run_locked(conn, ours)
  local ok, failure = conn:exec("SET client_min_messages = warning; " .. TABLE)
  if not ok then return nil, failure end
  local applied
  applied, failure = conn:query("SELECT number, name, sha256 FROM schema_migrations ORDER BY number")
  if not applied then return nil, failure end
  ok, failure = check(applied, ours)
  if not ok then return nil, failure end
  local names = {}
  for i = #applied + 1, #ours do
    ok, failure = apply(conn, ours[i])
    if not ok then return nil, failure end
    names[#names + 1] = ours[i].name
  end
  return names
end

--- Brings the database to the program's newest migration. Yields. It needs a connection of its own that is in no
--- transaction.
---@param conn table          of perigee.pg
---@param folder string|nil   default: sql/ of the program
---@return string[]|nil applied  names, now applied; empty: it was up to date
---@return table|nil err
function migrate.run(conn, folder)
  local ours, failure = migrate.read(folder or process.home() .. "/sql")
  if not ours then return nil, failure end
  -- Somebody else's migrations may take their time.
  local ok
  ok, failure = conn:exec(("SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock(%d)"):format(LOCK))
  if not ok then return nil, failure end
  local names
  names, failure = run_locked(conn, ours)
  if conn:alive() then conn:exec(("SELECT pg_advisory_unlock(%d); RESET client_min_messages"):format(LOCK)) end
  return names, failure
end

return migrate
