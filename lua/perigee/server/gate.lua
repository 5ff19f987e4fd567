-- SPDX-License-Identifier: MIT
-- The database as the office's operations see it: away until its tables are there, and away when its connections
-- are. Nobody who asks has to wait for it for long: a server that takes a question and does not answer is away, too.

local task = require "perigee.task"

local gate = {}

local MOST_MS = 15000

---@class perigee.Gate : perigee.Db
---@field state "ready"|"away"
local Gate = {}
Gate.__index = Gate

---@param db perigee.Db
---@return perigee.Gate
function gate.new(db)
  return setmetatable({ db = db, open = false, state = "away" }, Gate)
end

--- The tables are there (or not yet), and the connections are what they are.
function Gate:update(open)
  if open ~= nil then self.open = open end
  self.state = self.open and self.db.state == "ready" and "ready" or "away"
  return self.state
end

local function pass(name)
  return function(self, ...)
    if self:update() ~= "ready" then
      return nil, { code = "unreachable", message = "the database is away", source = "office", retry = "safe" }
    end
    return task.timeout(MOST_MS, self.db[name], self.db, ...)
  end
end

Gate.query, Gate.transaction, Gate.with = pass "query", pass "transaction", pass "with"

return gate
