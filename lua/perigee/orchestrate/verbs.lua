-- SPDX-License-Identifier: MIT
-- What can be done on many accounts at once, for commands and scripts alike: a signal for all, explicit orders for
-- some, all positions closed or edited. Each yields until there is something to tell.

local decimal = require "perigee.decimal"
local edits = require "perigee.orchestrate.edits"
local exec = require "perigee.exec"
local exits = require "perigee.exits"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local log = require "perigee.log"
local manual = require "perigee.manual"
local overtaken = require "perigee.orchestrate.overtaken"
local report = require "perigee.orchestrate.report"
local retry = require "perigee.orchestrate.retry"
local signals = require "perigee.signals"
local task = require "perigee.task"
local watch = require "perigee.watch"

local verbs = {}

local SHOWN_MS = 2000 -- how long a report waits for the prices of what was filled
local AT_ONCE = 32

local function fail(code, message)
  return nil, { code = code, message = message, source = "verbs", retry = "no" }
end

local function owner_of(state)
  return function(account) return state.fleet:owner(account) end
end

local function set_of(list)
  if not list then return nil end
  local set = {}
  for _, id in ipairs(list) do set[id] = true end
  return set
end

-- Whether something of the ledger is among what is meant: ours, at an account of one of the users. It need not be
-- logged in: what is wanted of it is done once it is.
local function meant(fleet, row, symbol, wanted)
  return fleet:owner(row.account) and (not symbol or row.canonical == symbol or row.symbol == symbol)
    and (not wanted or wanted[row.account])
end

--- Open positions of ours on accounts of the users, all or those of a symbol or of some accounts.
---@param fleet perigee.Fleet
---@param symbol string|nil
---@param accounts string[]|nil
---@return perigee.Position[]
function verbs.positions(fleet, symbol, accounts)
  local list, wanted = {}, set_of(accounts)
  for _, p in ipairs(ledger.positions()) do
    if p.ours and meant(fleet, p, symbol, wanted) then list[#list + 1] = p end
  end
  return list
end

-- Entries that may become a position still; `op`: only those of that kind.
local function entries(fleet, symbol, wanted, op)
  local list = {}
  for _, o in ipairs(exits.entries()) do
    if meant(fleet, o, symbol, wanted) and (not op or o.op == op) then list[#list + 1] = o end
  end
  return list
end

-- ---- orders --------------------------------------------------------------------------------------

--- A signal to all accounts that may open, or as the options say; told in the words of the specification.
---@param state table
---@param signal perigee.Signal
---@param options perigee.SignalOptions|nil
---@return table|nil report, table|nil err
function verbs.execute_signal_for_all(state, signal, options)
  local said, err, record = signals.take(state, signal, options)
  if record then
    report.await(record, SHOWN_MS)
    return report.words(record, owner_of(state))
  end
  if not said then return fail("refused", ("%s: %s"):format(err.code, err.message)) end
  return report.summary({ signal_id = signal.id, symbol = signal.symbol, elapsed_us = 0 }, {})
end

---@class perigee.BatchOrder
---@field account string
---@field symbol string
---@field side "LONG"|"SHORT"
---@field quantity string
---@field stop_loss string|nil
---@field take_profit string|nil

-- Orders of one symbol and side go out together, under one signal.
local function grouped(orders)
  local groups, by_key = {}, {}
  for _, order in ipairs(orders) do
    local key = order.symbol .. "\0" .. order.side
    local g = by_key[key]
    if not g then
      g = { symbol = order.symbol, side = order.side, accounts = {}, orders = {} }
      by_key[key], groups[#groups + 1] = g, g
    end
    if g.orders[order.account] then
      return fail("input", ("account %s has two orders for %s %s"):format(order.account, order.symbol, order.side))
    end
    g.accounts[#g.accounts + 1] = order.account
    g.orders[order.account] = { volume = order.quantity, stop = order.stop_loss, target = order.take_profit }
  end
  return groups
end

--- Accounts that are wanted must be known; those that may not open now are kept out.
---@param fleet perigee.Fleet
---@param wanted string[]|nil
---@return string[]|nil accounts, table kept_out  or nil and an error
function verbs.choose(fleet, wanted)
  if not wanted then return fleet:active(), {} end
  local active, list, kept_out = set_of(fleet:active()), {}, {}
  for _, id in ipairs(wanted) do
    if not fleet:owner(id) then return fail("not_found", ("there is no account %s"):format(id)) end
    if active[id] then
      list[#list + 1] = id
    else
      kept_out[#kept_out + 1] = { account = id, rule = "session", reason = "the account is not logged in" }
    end
  end
  return list, kept_out
end

-- The signal of a group of explicit orders: made of the first one's levels, which each account's own replace.
local function send_group(state, g, who)
  local accounts, kept_out = verbs.choose(state.fleet, g.accounts)
  if not accounts then return nil, kept_out end
  local first = g.orders[g.accounts[1]]
  local signal, err = manual.signal(state, { symbol = g.symbol, direction = g.side, stop = first.stop,
    target = first.target }, who)
  if not signal then return nil, err end
  return verbs.execute_signal_for_all(state, signal, { accounts = accounts, orders = g.orders, kept_out = kept_out })
end

--- Explicit orders, each through risk. Orders of one symbol and side leave together; one report for each such group.
---@param state table
---@param orders perigee.BatchOrder[]
---@param who string
---@return table|nil answer, table|nil err  executed_count, failed_count, unknown_count, total_volume, reports
function verbs.execute_batch(state, orders, who)
  local groups, err = grouped(orders)
  if not groups then return nil, err end
  for _, order in ipairs(orders) do
    if not state.fleet:owner(order.account) then
      return fail("not_found", ("there is no account %s"):format(order.account))
    end
  end
  local out = { executed_count = 0, failed_count = 0, unknown_count = 0, reports = json.array {} }
  local volume = decimal.zero
  for _, g in ipairs(groups) do
    local said
    said, err = send_group(state, g, who)
    if not said and #out.reports == 0 and #groups == 1 then return nil, err end
    if not said then -- the others went out: this group is told as refused
      local rows = {}
      for i, account in ipairs(g.accounts) do
        rows[i] = report.row(state.fleet:owner(account), account, { status = "refused", rule = err.code,
          reason = err.message })
      end
      said = report.summary({ signal_id = 0, symbol = g.symbol, elapsed_us = 0 }, rows)
    end
    for _, key in ipairs { "executed_count", "failed_count", "unknown_count" } do out[key] = out[key] + said[key] end
    volume = volume + decimal.new(said.total_volume)
    out.reports[#out.reports + 1] = said
  end
  out.total_volume = tostring(volume)
  return out
end

-- ---- positions -----------------------------------------------------------------------------------

-- What becomes of an entry of which nothing is wanted any more.
local function fate(fleet, before)
  local after = ledger.order(before.id)
  if after and after.state == "NOT_SENT" then return "taken_back" end
  if before.state == "ABSENT" then return "absent" end
  return fleet.members[before.account] and "closing" or "away"
end

-- Wants entries closed; the first error of one that nobody sees to.
local function close_entries(fleet, list, reason, orders)
  local lost
  for _, o in ipairs(list) do
    local ok, err = exec.close_order(o.id, reason)
    if ok then
      orders[#orders + 1] = { account = o.account, id = o.id, status = fate(fleet, o) }
    elseif err.code ~= "notfound" then -- else it has ended meanwhile
      lost = lost or err
      log.warn("verbs", err.message)
    end
  end
  return lost
end

---@class perigee.Closing
---@field account string
---@field id string|integer  of the position or of the order
---@field status string      "closing"; "away": the account is not logged in, it is closed once it is; of orders also
---  "taken_back": it never left; "absent": it was not executed as far as the lists show, and is closed should it be yet

--- Wants everything of ours closed: what is open, what entries that are on their way become, and nothing is tried
--- again. Does not wait.
---@param state table
---@param symbol string|nil     nil: all
---@param accounts string[]|nil nil: all
---@param reason string|nil     default "manual"
---@return { positions: perigee.Closing[], orders: perigee.Closing[] } closing
---@return perigee.Err|nil err  of the first one that is not closed, and that nobody sees to; the others are
function verbs.close_all(state, symbol, accounts, reason)
  local fleet, wanted = state.fleet, set_of(accounts)
  local positions, orders = json.array {}, json.array {}
  reason = reason or "manual"
  overtaken.mark(state.next_signal - 1, symbol, wanted)
  retry.forget()
  local lost = close_entries(fleet, entries(fleet, symbol, wanted), reason, orders)
  for _, p in ipairs(verbs.positions(fleet, symbol, accounts)) do
    local ok, err = exec.close(p.account, p.id, reason)
    if ok then
      positions[#positions + 1] = { account = p.account, id = p.id,
        status = fleet.members[p.account] and "closing" or "away" }
    elseif err.code ~= "notfound" then
      lost = lost or err
      log.warn("verbs", ("%s %s: %s"):format(p.account, p.id, err.message))
    end
  end
  return { positions = positions, orders = orders }, lost
end

--- Wants all pending orders of ours cancelled, those whose creation is on its way, too: should one of these be
--- triggered before it is seen, what it becomes is closed. Does not wait.
---@param state table
---@param symbol string|nil     nil: all
---@param accounts string[]|nil nil: all
---@param reason string|nil     default "manual"
---@return { orders: perigee.Closing[], entries: perigee.Closing[] } cancelling
---@return perigee.Err|nil err  of the first one that is not cancelled, and that nobody sees to; the others are
function verbs.cancel_all(state, symbol, accounts, reason)
  local fleet, wanted = state.fleet, set_of(accounts)
  local list, made = json.array {}, json.array {}
  reason = reason or "manual"
  local lost = close_entries(fleet, entries(fleet, symbol, wanted, "pending"), reason, made)
  for _, p in ipairs(ledger.pendings()) do
    if p.ours and meant(fleet, p, symbol, wanted) then
      local ok, err = exec.cancel(p.account, p.id, reason)
      if ok then
        list[#list + 1] = { account = p.account, id = p.id,
          status = fleet.members[p.account] and "cancelling" or "away" }
      elseif err.code ~= "notfound" then
        lost = lost or err
        log.warn("verbs", ("%s %s: %s"):format(p.account, p.id, err.message))
      end
    end
  end
  return { orders = list, entries = made }, lost
end

-- Reads the positions of an account now: whoever edits again sees the new levels.
local function reread(fleet, account)
  local m = fleet.members[account]
  if not m or not watch.positions(m.session, m.account) then exec.suspect(account) end
end

-- Positions whose levels are not known: a new edit keeps the level that it does not name, so it must know it.
local unread = {}

--- Replaces stop and target of a position; what is nil keeps its value.
---@param state table
---@param p perigee.Position
---@param stop any
---@param target any
---@return string|nil outcome, string|table reason  as of exec.edit
function verbs.edit(state, p, stop, target)
  local key = p.account .. "\0" .. p.id
  if unread[key] then return fail("state", ("an edit of position %s is not over yet"):format(p.id)) end
  unread[key] = true
  local whole, outcome, reason = pcall(function()
    local state_now, why = exec.edit(p.account, p.id, edits.level(stop, p.stop), edits.level(target, p.target))
    if state_now then reread(state.fleet, p.account) end
    return state_now, why
  end)
  unread[key] = nil
  if not whole then error(outcome, 0) end
  if not outcome then return fail("state", reason.message) end
  return outcome, reason
end

--- Stop and target of all positions of a symbol. Longs and shorts cannot have the same levels, so positions on whose
--- wrong side a level would be are refused, alone.
---@param state table
---@param symbol string
---@param stop any
---@param target any
---@param options { accounts: string[]|nil, side: "BUY"|"SELL"|nil }
---@return table[] results  account, id, status, reason
function verbs.edit_all(state, symbol, stop, target, options)
  local jobs, edited, rows, limits = {}, {}, json.array {}, signals.limits()
  for _, p in ipairs(verbs.positions(state.fleet, symbol, options.accounts)) do
    if not options.side or p.side == options.side then
      local row = { account = p.account, id = p.id, status = "refused",
        reason = edits.position(p, stop, target, limits) or json.null }
      rows[#rows + 1] = row
      if row.reason == json.null then
        edited[#edited + 1] = row
        jobs[#jobs + 1] = function() return verbs.edit(state, p, stop, target) end
      end
    end
  end
  for i, done in ipairs(task.all(jobs, AT_ONCE) or {}) do
    local outcome, why = done.ok and done[1] or nil, done.ok and done[2] or done.err
    local text = type(why) == "table" and why.message or why
    local row = edited[i]
    row.status = outcome and report.status(outcome) or "refused"
    row.reason = text and text ~= "" and tostring(text) or json.null
  end
  return rows
end

return verbs
