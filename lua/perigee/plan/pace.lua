-- SPDX-License-Identifier: MIT
-- The plan as the engine lives it: made again when users come and go, and now and then for what is open; the reads
-- follow its periods.

local config = require "perigee.config"
local event = require "perigee.event"
local exec = require "perigee.exec"
local ledger = require "perigee.ledger"
local plan = require "perigee.plan"
local task = require "perigee.task"

local pace = {}

local AGAIN = 5000 -- io ms

---@class perigee.Pace
---@field periods table<string, integer>  quotes, positions, orders, idle, balance: market ms; the table stays the same
---@field plan perigee.Plan|nil           the newest
local Pace = {}
Pace.__index = Pace

---@param profile perigee.BrokerProfile
---@return perigee.Pace
function pace.new(profile)
  local self = setmetatable({ profile = profile, wanted = plan.wanted(profile, config),
    budget = plan.budget(profile, config), periods = {} }, Pace)
  for key, value in pairs(self.wanted) do self.periods[key] = value end
  return self
end

local function count(fleet)
  local counts = { accounts = 0, users = 0, busy = 0, resting = 0 }
  for _, user in ipairs(fleet.users) do
    if user.session.open then counts.users = counts.users + 1 end
  end
  for id in pairs(fleet.members) do
    counts.accounts = counts.accounts + 1
    counts.busy = counts.busy + (ledger.exposure_count(id) > 0 and 1 or 0)
    counts.resting = counts.resting + (#ledger.pendings(id) > 0 and 1 or 0)
  end
  return counts
end

local function tell(self, made)
  if made.fits == self.fitted then return end
  local first = self.fitted == nil
  self.fitted = made.fits
  if made.fits and first then return end
  event.emit("notice", { level = made.fits and "info" or "warn", component = "plan", text = made.fits
    and ("the reads and orders of %s fit into its request budget again"):format(made.broker)
    or ("%s: %s"):format(made.broker, made.warnings[#made.warnings]) })
end

--- Plans again for what there is now. Does not yield.
---@param fleet perigee.Fleet
---@return perigee.Plan
function Pace:update(fleet)
  local counts = count(fleet)
  local made = plan.make { profile = self.profile, budget = self.budget, periods = self.wanted,
    accounts = counts.accounts, users = counts.users, busy = counts.busy, resting = counts.resting,
    marks = exec.budget_marks() }
  for key, value in pairs(made.periods) do self.periods[key] = value end
  self.plan = made
  tell(self, made)
  return made
end

--- Keeps the plan until cancelled. A task of its own.
---@param fleet perigee.Fleet
function Pace:run(fleet)
  repeat self:update(fleet) until not task.sleep(AGAIN, "io")
end

return pace
