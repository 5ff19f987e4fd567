-- SPDX-License-Identifier: MIT
-- Reads of one account: when something is needed (exec says so) and otherwise now and then, within the
-- request budget. What the lists mean is exec's; when to read them is decided here.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local exec = require "perigee.exec"
local ledger = require "perigee.ledger"
local log = require "perigee.log"
local task = require "perigee.task"

local watch = {}

local MINUTE = 60000
local PAUSE_MOST, REFUSED_MOST = 10000, 60000 -- io ms between reads that fail, and that the broker says no to
local ASK_SESSION = 5000

--- Reads the open positions and tells exec. Yields.
---@param lane "positions"|"reconcile"|nil  of the request budget; reconcile: exec needs it
function watch.positions(session, account, lane)
  local begun = clock.io_ns()
  local answer, err = session:read(account, lane or "positions", codec.open_positions())
  if not answer then return nil, err end
  local rows
  rows, err = codec.read_open_positions(answer.body)
  if not rows then return nil, err end
  return exec.observe_positions(account.id, begun, rows)
end

--- Reads the pending orders and tells exec. Yields.
---@param lane "positions"|"reconcile"|nil
function watch.orders(session, account, lane)
  local begun = clock.io_ns()
  local answer, err = session:read(account, lane or "positions", codec.active_orders())
  if not answer then return nil, err end
  local rows
  rows, err = codec.read_active_orders(answer.body)
  if not rows then return nil, err end
  return exec.observe_orders(account.id, begun, rows)
end

--- Reads the history from `from_ms` on and tells exec. Yields.
function watch.closed(session, account, from_ms)
  local begun = clock.io_ns()
  local to_ms = clock.market_ms() + 10 * MINUTE
  local answer, err = session:read(account, "reconcile", codec.closed_positions(from_ms, to_ms))
  if not answer then return nil, err end
  local rows
  rows, err = codec.read_closed_positions(answer.body)
  if not rows then return nil, err end
  return exec.observe_closed(account.id, begun, rows)
end

--- Reads the balance and tells exec. Yields.
function watch.balance(session, account)
  local answer, err = session:read(account, "balance", codec.balance())
  if not answer then return nil, err end
  local row
  row, err = codec.read_balance(answer.body)
  if not row then return nil, err end
  return exec.observe_balance(account.id, { balance = row.balance, equity = row.equity, margin = row.margin,
    free_margin = row.free_margin, currency = row.currency and row.currency:match("^%u%u%u%w?%w?%w?%w?$") })
end

-- What is wrong with one list alone: the others can be read all the same.
local of_one_list = { unreadable = true, status_400 = true, status_403 = true, status_404 = true, status_405 = true,
  status_422 = true }

-- Pending orders before positions, and those before the history: what moves from one list to the next while they are
-- read is in the later one. A list that cannot be read does not hide the others: a pending order of a kind that nobody
-- knows must not make the positions invisible. What was read, and the first error.
---@return table<string, boolean> done, table|nil err
local function serve(session, account, due)
  local done, first = {}, nil
  local function step(name, fn, ...)
    local ok, err = fn(session, account, ...)
    done[name] = ok and true or nil
    if not ok then first = first or err end
    return ok or of_one_list[err.code]
  end
  local function lane(needed) return needed and "reconcile" or "positions" end
  local needs = exec.needs(account.id) or {}
  if needs.orders or due.orders then
    if not step("orders", watch.orders, lane(needs.orders)) then return done, first end
    needs = exec.needs(account.id) or {}
  end
  if needs.positions or due.positions then
    if not step("positions", watch.positions, lane(needs.positions)) then return done, first end
    needs = exec.needs(account.id) or {}
  end
  if needs.closed then
    if not step("closed", watch.closed, needs.closed_from) then return done, first end
    needs = exec.needs(account.id) or {}
  end
  if needs.balance or due.balance then step("balance", watch.balance) end
  return done, first
end

--- The first reads of an account: with its positions and its balance it is known. Yields.
---@return true|nil, table|nil err
function watch.first(session, account)
  local done, err = serve(session, account, { orders = true, positions = true, balance = true })
  if done.positions and done.balance then return true end
  return nil, err
end

--- Reads all lists of an account now, in their order. Yields.
---@return true|nil, table|nil err  of the first one that could not be read
function watch.all(session, account)
  local _, err = serve(session, account, { orders = true, positions = true, balance = true })
  if err then return nil, err end
  return true
end

-- A session that holds back sends nothing, and may be free again at any moment: it is asked again soon.
local holds_back = { session = true, refused = true, taken_over = true, edge_block = true }

local function pause_after(err, pause)
  local asked = err.retry_after_ms or 0
  if holds_back[err.code] then asked, pause = math.min(asked, ASK_SESSION), math.min(pause, ASK_SESSION) end
  return math.max(asked, pause)
end

--- Keeps one account's picture true until cancelled. A task of its own.
---@param session perigee.Session
---@param account table            of session.accounts
---@param periods { positions: integer, orders: integer, idle: integer, balance: integer }  market ms; looked at anew in
---  each round
---@param on_read fun()|nil       after each round, once positions and balance have been read
---@param at_once boolean|nil     the first round is due now
function watch.run(session, account, periods, on_read, at_once)
  local begin = at_once and math.mininteger // 2 or clock.market_ms()
  local read_positions, read_balance, read_orders = begin, begin, begin
  local pause, told, seen = 100, nil, {}
  while true do
    local now = clock.market_ms()
    -- A market that was started again may have gone back: nothing is due later than a period from now.
    read_positions, read_balance = math.min(read_positions, now), math.min(read_balance, now)
    read_orders = math.min(read_orders, now)
    local busy = ledger.exposure_count(account.id) > 0
    local due_positions = read_positions + (busy and periods.positions or periods.idle)
    local due_balance = read_balance + periods.balance
    local resting = #ledger.pendings(account.id) > 0
    local due_orders = read_orders + (resting and periods.orders or periods.idle)
    local left = math.min(due_positions, due_balance, due_orders) - now
    local needed = exec.needs(account.id) ~= nil
    if not needed and left > 0 then
      local woken = exec.next_need(account.id, left, "market")
      if woken == nil then return end
      now = clock.market_ms()
    end
    local due = { positions = now >= due_positions, balance = now >= due_balance, orders = now >= due_orders }
    local done, err = serve(session, account, due)
    if done.positions then read_positions = now end
    if done.balance then read_balance = now end
    if done.orders then read_orders = now end
    seen.positions, seen.balance = seen.positions or done.positions, seen.balance or done.balance
    if on_read and seen.positions and seen.balance then on_read() end
    if not err then
      pause, told = 100, nil
    else
      if err.code == "cancelled" then return end
      if err.code ~= told then log.warn("watch", ("account %s: %s"):format(account.id, err.message)) end
      told = err.code
      if not task.sleep(pause_after(err, pause), "io") then return end
      pause = math.min(pause * 2, err.retry == "no" and REFUSED_MOST or PAUSE_MOST)
    end
  end
end

return watch
