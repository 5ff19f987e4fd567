-- SPDX-License-Identifier: MIT
-- The broker's own quotes: one poller for each broker, system and group. They set the price that is
-- traded, mark every position, and give the rates that convert currencies.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local exec = require "perigee.exec"
local ledger = require "perigee.ledger"
local log = require "perigee.log"
local task = require "perigee.task"

local quotes = {}

--- Reads the quotes once and marks the ledger. Yields.
---@param session perigee.Session
---@param account table
---@param symbols string[]                 as the venue spells them
---@param canonical table<string, string>  venue's symbol to ours
---@return integer|nil count, table|nil err
function quotes.read(session, account, symbols, canonical)
  local ok, wait_ms = exec.budget_take(account.id)
  if not ok then return nil, { code = "rate_limit", message = "over budget", retry_after_ms = wait_ms } end
  local answer, err = session:read(account, codec.quotations(symbols))
  if not answer then return nil, err end
  local rows
  rows, err = codec.read_quotations(answer.body)
  if not rows then return nil, err end
  for _, row in ipairs(rows) do
    local name = canonical[row.symbol]
    if name then ledger.mark(session.profile.name, name, row.bid, row.ask) end
  end
  return #rows
end

--- Polls until cancelled. `pick` gives a session and an account that are open; `on_marked` runs after each
--- round. A task of its own.
---@class perigee.QuotePoll
---@field pick fun(): perigee.Session|nil, table|nil
---@field symbols string[]
---@field canonical table<string, string>
---@field period integer   market ms
---@field on_marked fun()
---@field rotate fun()      the next pick must be another session

---@param options perigee.QuotePoll
function quotes.run(options)
  local due = clock.market_ms()
  while true do
    local now = clock.market_ms()
    due = math.max(math.min(due, now) + options.period, now) -- the market may have gone back
    if not task.sleep(due - now, "market") then return end
    local session, account = options.pick()
    local ok, err = nil, nil
    if session then ok, err = quotes.read(session, account, options.symbols, options.canonical) end
    if ok then
      options.on_marked()
    elseif err then
      if err.code == "cancelled" then return end
      log.warn("quotes", err.message)
      options.rotate()
      if not task.sleep(err.retry_after_ms or 500, "io") then return end
    end
  end
end

return quotes
