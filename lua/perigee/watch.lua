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

-- Waits until the account's budget has room for a read. false: cancelled.
local function budget(account)
  while true do
    local ok, wait_ms = exec.budget_take(account.id)
    if ok then return true end
    if not task.sleep(math.max(wait_ms, 10), "market") then return false end
  end
end

local function get(session, account, method, path, body)
  if not budget(account) then
    return nil, { code = "cancelled", message = "cancelled" }
  end
  return session:read(account, method, path, body)
end

--- Reads the open positions and tells exec. Yields.
function watch.positions(session, account)
  local begun = clock.io_ns()
  local answer, err = get(session, account, codec.open_positions())
  if not answer then return nil, err end
  local rows
  rows, err = codec.read_open_positions(answer.body)
  if not rows then return nil, err end
  return exec.observe_positions(account.id, begun, rows)
end

--- Reads the history from `from_ms` on and tells exec. Yields.
function watch.closed(session, account, from_ms)
  local begun = clock.io_ns()
  local to_ms = clock.market_ms() + 10 * MINUTE
  local answer, err = get(session, account, codec.closed_positions(from_ms, to_ms))
  if not answer then return nil, err end
  local rows
  rows, err = codec.read_closed_positions(answer.body)
  if not rows then return nil, err end
  return exec.observe_closed(account.id, begun, rows)
end

--- Reads the balance and tells exec. Yields.
function watch.balance(session, account)
  local answer, err = get(session, account, codec.balance())
  if not answer then return nil, err end
  local row
  row, err = codec.read_balance(answer.body)
  if not row then return nil, err end
  return exec.observe_balance(account.id, { balance = row.balance, equity = row.equity, margin = row.margin,
    free_margin = row.free_margin })
end

local function serve(session, account, needs, due)
  if needs.positions or due.positions then
    local ok, err = watch.positions(session, account)
    if not ok then return nil, err end
  end
  needs = exec.needs(account.id) or {}
  if needs.closed then
    local ok, err = watch.closed(session, account, needs.closed_from)
    if not ok then return nil, err end
    needs = exec.needs(account.id) or {}
  end
  if needs.balance or due.balance then
    return watch.balance(session, account)
  end
  return true
end

--- Keeps one account's picture true until cancelled. A task of its own.
---@param session perigee.Session
---@param account table            of session.accounts
---@param periods { positions: integer, idle: integer, balance: integer }  market ms
---@param on_read fun()|nil       after each round that succeeded
function watch.run(session, account, periods, on_read)
  local read_positions, read_balance = clock.market_ms(), clock.market_ms()
  local pause = 100
  while true do
    local now = clock.market_ms()
    -- A market that was started again may have gone back: nothing is due later than a period from now.
    read_positions, read_balance = math.min(read_positions, now), math.min(read_balance, now)
    local busy = ledger.exposure_count(account.id) > 0
    local due_positions = read_positions + (busy and periods.positions or periods.idle)
    local due_balance = read_balance + periods.balance
    local left = math.min(due_positions, due_balance) - now
    local needed = exec.needs(account.id) ~= nil
    if not needed and left > 0 then
      local woken = exec.next_need(account.id, left, "market")
      if woken == nil then return end
      now = clock.market_ms()
    end
    local due = { positions = now >= due_positions, balance = now >= due_balance }
    local ok, err = serve(session, account, exec.needs(account.id) or {}, due)
    if ok then
      if on_read then on_read() end
      if due.positions then read_positions = now end
      if due.balance then read_balance = now end
      pause = 100
    else
      if err.code == "cancelled" then return end
      log.warn("watch", ("account %s: %s"):format(account.id, err.message))
      if not task.sleep(math.max(err.retry_after_ms or 0, pause), "io") then return end
      pause = math.min(pause * 2, 10000)
    end
  end
end

return watch
