-- SPDX-License-Identifier: MIT
-- The broker's own quotes: one poller for each broker, system and group. They set the price that is
-- traded, mark every position, and give the rates that convert currencies.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local ledger = require "perigee.ledger"
local log = require "perigee.log"
local task = require "perigee.task"

local quotes = {}

local RETRY, MOST = 500, 1000 -- io ms after a round that failed

-- The newest quote of each venue's symbol. A broker whose quotes stand still answers the same one again and again.
local last = {}

local function is_new(venue, row)
  local key = venue .. "\0" .. row.symbol
  local before = last[key]
  last[key] = row
  return not before or not row.time_ms or row.time_ms ~= before.time_ms or row.bid ~= before.bid
    or row.ask ~= before.ask
end

--- Reads the quotes once and marks the ledger. Yields.
---@param session perigee.Session
---@param account table
---@param symbols string[]                 as the venue spells them
---@param canonical table<string, string>  venue's symbol to ours
---@return string[]|nil fresh  our names of those that say something new, table|nil err
function quotes.read(session, account, symbols, canonical)
  local answer, err = session:read(account, "quotes", codec.quotations(symbols))
  if not answer then return nil, err end
  local rows
  rows, err = codec.read_quotations(answer.body)
  if not rows then return nil, err end
  local fresh, known = {}, 0
  for _, row in ipairs(rows) do
    local name = canonical[row.symbol]
    if name then
      known = known + 1
      ledger.mark(session.profile.name, name, row.bid, row.ask)
      if is_new(session.profile.name, row) then fresh[#fresh + 1] = name end
    end
  end
  if known == 0 and #symbols > 0 then
    return nil, { code = "unreadable", message = "the broker answers no quote of what was asked for", source = "quotes",
      retry = "safe" }
  end
  return fresh
end

--- Polls until cancelled. `pick` gives a session and an account that are open; `on_marked` runs after each
--- round. A task of its own.
---@class perigee.QuotePoll
---@field pick fun(): perigee.Session|nil, table|nil
---@field symbols fun(): string[], table<string, string>  as the venue spells them, and our names of them
---@field period fun(): integer   market ms
---@field on_marked fun(fresh: string[])
---@field rotate fun()      the next pick must be another session

---@param options perigee.QuotePoll
function quotes.run(options)
  local due, told = clock.market_ms(), nil
  while true do
    local now = clock.market_ms()
    due = math.max(math.min(due, now) + options.period(), now) -- the market may have gone back
    if not task.sleep(due - now, "market") then return end
    local session, account = options.pick()
    local fresh, err = nil, nil
    if session then fresh, err = quotes.read(session, account, options.symbols()) end
    if fresh then
      told = nil
      options.on_marked(fresh)
    elseif err then
      if err.code == "cancelled" then return end
      if err.code ~= told then log.warn("quotes", err.message) end
      told = err.code
      options.rotate()
      -- Another session is asked next, however long this one rests; where it is the only one it holds back by itself.
      if not task.sleep(math.min(err.retry_after_ms or RETRY, MOST), "io") then return end
    end
  end
end

return quotes
