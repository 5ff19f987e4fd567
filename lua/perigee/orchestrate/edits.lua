-- SPDX-License-Identifier: MIT
-- What keeps new levels, prices and volumes from what is open or rests: the broker's own rules first, then risk, which
-- looks at ours alone: what a hand has opened is the hand's to risk.

local decimal = require "perigee.decimal"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local precheck = require "perigee.precheck"
local risk = require "perigee.risk"

local edits = {}

--- A level as it will be: nil keeps it, json.null takes it off.
---@param given any
---@param now string|nil
---@return string|nil
function edits.level(given, now)
  if given == json.null then return nil end
  return given or now
end

-- A level that is on the wrong side of the mark would close the position at once.
local function wrong_side(p, name, at, above)
  if at == nil or at == json.null or not p.mark then return nil end
  local difference = (decimal.new(at) - decimal.new(p.mark)):sign()
  if difference == (above and 1 or -1) then return nil end
  return ("%s %s is on the wrong side of the price %s"):format(name, at, p.mark)
end

local function cost(row, price, stop, volume)
  local loss, margin = ledger.cost { account = row.account, canonical = row.canonical, side = row.side, price = price,
    stop = stop or price, volume = volume }
  if not loss then return nil, margin end
  return { stop = stop, loss = loss, margin = margin }
end

-- Risk's word on a change of `row`, from what it is now to `to`: price, stop, volume.
local function judge(row, to, limits)
  if not row.ours then return nil end
  local now, err = cost(row, row.price, row.stop, row.volume)
  if not now then return ("the risk cannot be told: %s"):format(err.message) end
  local changed
  changed, err = cost(row, to.price, to.stop, to.volume)
  if not changed then return ("the risk cannot be told: %s"):format(err.message) end
  local equity, bound = ledger.standing(row.account)
  local account = { equity = equity, free_margin = bound and equity - bound }
  local ok, rule, reason = risk.change(now, changed, account, limits)
  return not ok and ("%s: %s"):format(rule, reason) or nil
end

-- A stop that is as near as it was, or nearer, needs no reckoning: it passes although a rate is missing.
local function no_wider(p, stop)
  if not p.stop or not stop then return stop == p.stop end
  local difference = (decimal.new(stop) - decimal.new(p.stop)):sign()
  return difference == 0 or (difference > 0) == (p.side == "BUY")
end

--- What keeps new levels from a position.
---@param p perigee.Position
---@param stop any    nil: as it is; json.null: none
---@param target any
---@param limits perigee.RiskLimits
---@return string|nil why  with the rule before it
function edits.position(p, stop, target, limits)
  local long = p.side == "BUY"
  local wrong = wrong_side(p, "stop", stop, not long) or wrong_side(p, "target", target, long)
  if wrong then return wrong end
  local to = { price = p.price, volume = p.volume, stop = edits.level(stop, p.stop),
    target = edits.level(target, p.target) }
  local rule, why = precheck.order(ledger.account(p.account).broker, { op = "edit", symbol = p.canonical, side = p.side,
    stop = to.stop, target = to.target }, { now_stop = p.stop, now_target = p.target })
  if rule then return ("%s: %s"):format(rule, why) end
  return not no_wider(p, to.stop) and judge(p, to, limits) or nil
end

---@class perigee.PendingTo
---@field volume string
---@field price string
---@field stop string|nil    nil or "0": none
---@field target string|nil

--- What keeps a pending order from becoming another one.
---@param p table  of ledger.pendings
---@param to perigee.PendingTo
---@param limits perigee.RiskLimits
---@return string|nil why  with the rule before it
function edits.pending(p, to, limits)
  local rule, why = precheck.order(ledger.account(p.account).broker, { op = "pending_edit", symbol = p.canonical,
    side = p.side, type = p.type, volume = to.volume, price = to.price, stop = to.stop, target = to.target },
    { now_price = p.price })
  if rule then return ("%s: %s"):format(rule, why) end
  return judge(p, to, limits)
end

return edits
