-- SPDX-License-Identifier: MIT
-- Which request gave a command of the journal. Its event names the operator and the command; address and request id
-- are added to its row of audit_log here, as soon as the projector has made the row. Events and answers come in the
-- same order, so the first event of an operator's command belongs to the first answer. Of a command with a key it is
-- an event with that key: a repeated request, which does nothing, has one, too.

local log = require "perigee.log"
local queries = require "perigee.store.queries"
local task = require "perigee.task"

local origins = {}

local MOST_WAITING, ROW_MS = 200, 60000

---@class perigee.Origins
local Origins = {}
Origins.__index = Origins

---@param options { db: perigee.Db, projector: perigee.Projector }
---@return perigee.Origins
function origins.new(options)
  return setmetatable({ db = options.db, projector = options.projector, expected = {}, seen = {}, busy = 0 }, Origins)
end

local function key_of(who, name, key) return who .. "\0" .. name .. "\0" .. (key or "") end

--- A command is sent: its event is looked for from now on.
---@param who string
---@param name string
---@param given string|nil  its idempotency key
function Origins:expect(who, name, given)
  local key = key_of(who, name, given)
  self.expected[key] = (self.expected[key] or 0) + 1
end

--- An event of the kind `command`.
---@param e perigee.Event
function Origins:event(e)
  local key = key_of(e.who or "", e.name or "", e.key)
  if not self.expected[key] then return end
  local list = self.seen[key] or {}
  self.seen[key] = list
  list[#list + 1] = e.seq
end

local function write(self, seq, ctx)
  local ok, err = self.projector:reached(seq, ROW_MS)
  if ok then
    ok, err = queries.operators.audit_origin(self.db, { journal_seq = seq, ip = ctx.ip, request_id = ctx.request_id })
  end
  if not ok and err.code ~= "cancelled" then
    log.warn("office", ("the origin of command %d (request %s from %s) is not in the audit: %s"):format(seq,
      ctx.request_id, ctx.ip, err.message))
  end
end

--- The command was answered, and its event, when there is one, has been told.
---@param ctx perigee.RouteContext
function Origins:answered(who, name, ctx)
  local key = key_of(who, name, ctx.key)
  local list, left = self.seen[key], (self.expected[key] or 1) - 1
  local seq = list and table.remove(list, 1)
  self.expected[key] = left > 0 and left or nil
  if left <= 0 then self.seen[key] = nil end
  if not seq or self.busy >= MOST_WAITING then return end
  self.busy = self.busy + 1
  task.spawn(function()
    write(self, seq, ctx)
    self.busy = self.busy - 1
  end)
end

return origins
