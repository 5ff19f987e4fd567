-- SPDX-License-Identifier: MIT
-- What people changed in the office itself, and their attempts to sign in, as rows of audit_log. Commands to the
-- engine are not written here: they are in the journal, and the projector makes their rows.
--
-- While the database is away the rows wait here, at most MOST of them; what is lost beyond that is logged.

local clock = require "perigee.clock"
local log = require "perigee.log"
local queries = require "perigee.store.queries"
local task = require "perigee.task"

local audit = {}

local MOST = 1000

---@class perigee.Audit
local Audit = {}
Audit.__index = Audit

---@class perigee.AuditEntry
---@field action string
---@field operator string|nil    nil: who is signed in
---@field target string|nil
---@field details table|nil      secrets are masked
---@field ok boolean
---@field reason string|nil

---@param db perigee.Db
---@return perigee.Audit
function audit.new(db)
  return setmetatable({ db = db, waiting = {}, busy = false, lost = 0 }, Audit)
end

local SECRETS = { password = true, current = true, new = true, token = true, csrf_token = true,
  one_time_password = true }

--- A copy of some details without secrets.
---@param details table
---@return table
function audit.masked(details)
  local out = {}
  for key, value in pairs(details) do
    if SECRETS[key] then
      out[key] = "***"
    else
      out[key] = type(value) == "table" and audit.masked(value) or value
    end
  end
  return out
end

-- Writes what waits, in order, until the database is away.
local function drain(self)
  while self.waiting[1] do
    local ok, err = queries.audit(self.db, self.waiting[1])
    if not ok and err.code ~= "database" then return end
    if not ok then log.error("office", "an audit row was refused: " .. err.message) end
    table.remove(self.waiting, 1)
  end
end

--- Writes what waits.
function Audit:flush()
  if self.busy or not self.waiting[1] then return end
  self.busy = true
  task.spawn(function()
    local ok, why = xpcall(drain, debug.traceback, self)
    self.busy = false
    if not ok then log.error("office", why) end
  end)
end

--- At the end: gives what waits some time; what is not written then is lost, and said. Yields.
---@param limit_ms integer
function Audit:finish(limit_ms)
  local until_ms = clock.io_ms() + limit_ms
  self:flush()
  while self.busy and clock.io_ms() < until_ms do
    if not task.sleep(5, "io") then break end
  end
  for _, row in ipairs(self.waiting) do
    log.error("office", ("audit_log: the office ended before it could be written: %s by %s"):format(row.action,
      tostring(row.operator)))
  end
end

---@param ctx perigee.RouteContext
---@param entry perigee.AuditEntry
function Audit:write(ctx, entry)
  local details = audit.masked(entry.details or {})
  details.request_id = ctx.request_id
  if #self.waiting >= MOST then
    self.lost = self.lost + 1
    log.error("office", ("audit_log: the database is away, %d rows were lost; %s by %s"):format(self.lost, entry.action,
      tostring(entry.operator)))
    return
  end
  self.waiting[#self.waiting + 1] = { at_ms = clock.wall_ms(), action = entry.action, target = entry.target,
    operator = entry.operator or ctx.operator and ctx.operator.username, details = details, ok = entry.ok,
    reason = entry.reason, ip = ctx.ip }
  self:flush()
end

return audit
