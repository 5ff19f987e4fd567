-- SPDX-License-Identifier: MIT
-- What came of a fan-out: a record for each signal, completed as positions are shown, lists settle what was unknown
-- and further tries succeed, and told in the words of the specification. The newest ones are kept for who asks later;
-- everything is in the journal, too (batch_done, leg_filled, risk_refused).

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local task = require "perigee.task"

local report = {}

local KEPT = 50

---@class perigee.ReportLeg
---@field account string
---@field order integer|nil
---@field state string         of exec, "REFUSED" for what no order was made of
---@field rule string|nil
---@field reason string|nil
---@field volume string|nil
---@field asked string|nil
---@field executed string|nil  when its position was shown
---@field slippage integer|nil points, above 0: worse
---@field attempt integer|nil
---@field retrying boolean|nil
---@field queued_us integer|nil
---@field sent_us integer|nil
---@field answered_us integer|nil

---@class perigee.ReportRecord
---@field signal_id integer
---@field batch integer|nil
---@field symbol string
---@field elapsed_us integer
---@field skew_us integer
---@field legs perigee.ReportLeg[]

local records = {} -- newest last

local function refused(row)
  return { account = row.account, state = "REFUSED", rule = row.rule, reason = row.reason }
end

--- Begins the record of a signal. `said`: exec's report, nil when no order was made.
---@param signal table
---@param said perigee.Report|nil
---@param kept_out { account: string, rule: string, reason: string }[]|nil
---@return perigee.ReportRecord
function report.begin(signal, said, kept_out)
  local record = { signal_id = signal.id, symbol = signal.symbol, batch = said and said.batch,
    elapsed_us = said and said.elapsed_us or 0, skew_us = said and said.skew_us or 0, legs = {} }
  for _, leg in ipairs(said and said.legs or {}) do
    if not leg.refused then record.legs[#record.legs + 1] = leg end
  end
  for _, row in ipairs(kept_out or {}) do record.legs[#record.legs + 1] = refused(row) end
  records[#records + 1] = record
  if #records > KEPT then table.remove(records, 1) end
  return record
end

--- The record of a signal, if it is kept still.
---@param signal_id integer
---@return perigee.ReportRecord|nil
function report.of(signal_id)
  for i = #records, 1, -1 do
    if records[i].signal_id == signal_id then return records[i] end
  end
end

---@return perigee.ReportRecord[] newest first
function report.newest()
  local list = {}
  for i = #records, 1, -1 do list[#list + 1] = records[i] end
  return list
end

--- A further try of legs of a signal: they take the place of those that failed.
---@param signal_id integer
---@param said perigee.Report|nil
---@param kept_out table|nil
function report.merge(signal_id, said, kept_out)
  local record = report.of(signal_id)
  if not record then return end
  local now = {}
  for _, leg in ipairs(said and said.legs or {}) do
    if not leg.refused then now[leg.account] = leg end
  end
  for _, row in ipairs(kept_out or {}) do now[row.account] = refused(row) end
  for i, leg in ipairs(record.legs) do
    if now[leg.account] then record.legs[i] = now[leg.account] end
  end
end

-- What the ledger knows of a leg by now.
local function complete(leg)
  local order = leg.order and ledger.order(leg.order)
  if not order then return end
  leg.state, leg.executed, leg.slippage = order.state, order.executed, order.slippage
  if order.why and order.why ~= "" then leg.reason = order.why end
end

--- Brings a record up to what is known now. true: nothing of it is open any more.
---@param record perigee.ReportRecord
---@return boolean
function report.refresh(record)
  local whole = true
  for _, leg in ipairs(record.legs) do
    if leg.order and not leg.executed then
      complete(leg)
      if leg.state == "ACCEPTED" and not leg.executed then whole = false end
    end
  end
  return whole
end

--- Waits until what was accepted is shown, for the prices it got.
---@param record perigee.ReportRecord
---@param most_ms integer  io
---@return boolean whole
function report.await(record, most_ms)
  local until_ms = clock.io_ms() + most_ms
  while true do
    if report.refresh(record) then return true end
    if clock.io_ms() >= until_ms or not task.sleep(10, "io") then return false end
  end
end

local statuses = { ACCEPTED = "accepted", REJECTED = "rejected", UNKNOWN = "unknown", ABSENT = "absent",
  NOT_SENT = "not_sent", REFUSED = "refused", INTENT = "unknown", SENT = "unknown" }

--- How a state of an order is called outside.
---@param state string
---@return string
function report.status(state) return statuses[state] or "unknown" end

local function ms(us) return us and us / 1000 or nil end

--- One row of the results; every field is there, json.null where nothing is known.
---@param user { id: integer, email: string }|nil
---@param account string
---@param fields table
function report.row(user, account, fields)
  local row = { user_id = user and user.id or json.null, email = user and user.email or json.null, account = account,
    order_id = json.null, rule = json.null, reason = json.null, volume = json.null, asked_price = json.null,
    executed_price = json.null, slippage_points = json.null, attempt = json.null, retrying = false,
    queued_ms = json.null, sent_ms = json.null, answered_ms = json.null }
  for key, value in pairs(fields) do row[key] = value end
  return row
end

--- The whole in the words of the specification.
---@param base { signal_id: integer, symbol: string, batch: integer|nil, elapsed_us: integer, skew_us: integer|nil }
---@param rows table[]  of report.row
function report.summary(base, rows)
  local executed, unknown, volume = 0, 0, decimal.zero
  for _, row in ipairs(rows) do
    if row.status == "accepted" then
      executed = executed + 1
      if row.volume ~= json.null then volume = volume + decimal.new(row.volume) end
    elseif row.status == "unknown" then
      unknown = unknown + 1
    end
  end
  return { signal_id = base.signal_id, batch_id = base.batch or json.null, symbol = base.symbol,
    executed_count = executed, failed_count = #rows - executed - unknown, unknown_count = unknown,
    total_volume = tostring(volume), execution_time_ms = base.elapsed_us / 1000, skew_ms = (base.skew_us or 0) / 1000,
    results = json.array(rows) }
end

--- A record in the words of the specification: signal_id, symbol, executed_count, failed_count, total_volume,
--- execution_time_ms, results { user_id, order_id, status, executed_price }, and what we add.
---@param record perigee.ReportRecord
---@param owner fun(account: string): table|nil
function report.words(record, owner)
  local rows = {}
  for i, leg in ipairs(record.legs) do
    local taken = leg.state == "ACCEPTED"
    rows[i] = report.row(owner(leg.account), leg.account, { order_id = leg.order, status = report.status(leg.state),
      rule = leg.rule ~= "" and leg.rule or nil, volume = leg.volume, asked_price = leg.asked,
      executed_price = leg.executed, slippage_points = leg.slippage, attempt = leg.attempt,
      retrying = leg.retrying or false, queued_ms = ms(leg.queued_us), sent_ms = ms(leg.sent_us),
      answered_ms = ms(leg.answered_us), reason = not taken and leg.reason ~= "" and leg.reason or nil })
  end
  return report.summary(record, rows)
end

return report
