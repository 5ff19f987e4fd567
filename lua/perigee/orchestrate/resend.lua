-- SPDX-License-Identifier: MIT
-- Entries whose absence was proven, sent once more (orders.resend, off by default).
--
-- An UNKNOWN leg is followed until its order has an end. ABSENT while its signal is still fresh: one new order, with an
-- intent of its own that names the one it stands in for, through all checks and risk again. Adopted: nothing to do. Too
-- old by then: dropped. exec holds the rules that money hangs on (only what is ABSENT, once, and the late one is closed
-- should both turn up); this module only asks. It is not kept over a restart: proving absence outlasts most signals.

local ledger = require "perigee.ledger"
local log = require "perigee.log"
local overtaken = require "perigee.orchestrate.overtaken"
local task = require "perigee.task"

local resend = {}

local LOOK_MS = 250 -- io

---@class perigee.ResendEntry
---@field order integer
---@field account string
---@field signal table
---@field volume string|nil
---@field levels table|nil     stop and target of an explicit order

local entries, runner = {}, nil

local function sorted()
  local ids = {}
  for id in pairs(entries) do ids[#ids + 1] = id end
  table.sort(ids)
  return ids
end

local function drop(entry, why)
  entries[entry.order] = nil
  log.info("resend", ("order %d of account %s, signal %d: %s"):format(entry.order, entry.account, entry.signal.id, why))
end

local function send(state, entry, engine)
  local report, err = engine.execute(entry.signal, { entry.account }, engine.limits(), state.quotes, {
    volume = entry.volume, orders = entry.levels and { [entry.account] = entry.levels },
    replaces = { [entry.account] = entry.order } })
  local leg = report and report.legs[1]
  return leg and ("order %s stands in for it: %s"):format(leg.order or "-", leg.refused and leg.rule or leg.state)
    or err and err.message or "no order fits any more"
end

-- One look at an entry. Its end, or nil: it goes on.
local function look(state, entry, engine)
  local order = ledger.order(entry.order)
  if not order then return "it is not kept any more" end
  if overtaken.is(entry.signal, entry.account) then return "it is overtaken" end
  local fresh, rule, reason = engine.accepts(state, entry.signal, engine.limits())
  if not fresh then return ("%s: %s"):format(rule, reason) end
  if order.state == "UNKNOWN" then return nil end
  if order.state ~= "ABSENT" then return "it is " .. order.state end
  if order.closing then return "what it becomes is to be closed" end
  for _, id in ipairs(state.fleet:active()) do
    if id == entry.account then
      entries[entry.order] = nil -- whatever comes of it: once
      return send(state, entry, engine)
    end
  end
end

local function run(state, engine)
  while next(entries) do
    if not task.sleep(LOOK_MS, "io") then return end
    for _, id in ipairs(sorted()) do
      local entry = entries[id]
      if entry then
        local ok, ended = xpcall(look, debug.traceback, state, entry, engine)
        if not ok then
          log.error("resend", tostring(ended))
          ended = "an error of the engine"
        end
        if ended then drop(entry, ended) end
      end
    end
  end
end

--- Takes the UNKNOWN legs of a report. `engine`: accepts, limits and execute, as of the retry queue.
---@param state table                  the engine's
---@param signal table
---@param report perigee.Report
---@param options { volume: string|nil, orders: table|nil }
---@param engine { accepts: function, limits: function, execute: function }
---@return integer taken
function resend.offer(state, signal, report, options, engine)
  local taken = 0
  for _, leg in ipairs(report.legs) do
    if leg.state == "UNKNOWN" and leg.order then
      entries[leg.order] = { order = leg.order, account = leg.account, signal = signal, volume = options.volume,
        levels = options.orders and options.orders[leg.account] }
      taken = taken + 1
    end
  end
  if taken > 0 and (not runner or runner:done()) then runner = task.spawn(run, state, engine) end
  return taken
end

--- What is followed.
---@return integer
function resend.count()
  return #sorted()
end

return resend
