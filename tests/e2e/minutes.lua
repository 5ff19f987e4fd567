-- SPDX-License-Identifier: MIT
-- How far a run's market has come, and when its first whole trade was there:
--   minutes.lua DATA reached N   ends with 0 when N market minutes have passed since the engine was ready
--   minutes.lua DATA first N     prints the minute of the first signal that was filled on every account and
--                                exited on all within N minutes; nothing when there is none

local journal = require "perigee.journal"
local json = require "perigee.json"

local data, what, limit = ...
limit = math.tointeger(limit) * 60000
local ready, accounts, now
local fills, exits, signal_at, complete = {}, {}, {}, nil
for e in journal.events(data .. "/journal") do
  now = e.market_ms
  if e.kind == "engine_ready" then
    ready, accounts = ready or now, #json.decode(e.accounts)
  elseif e.kind == "signal" then
    signal_at[e.signal] = now
  elseif e.kind == "position_opened" then
    fills[e.signal] = (fills[e.signal] or 0) + 1
  elseif e.kind == "position_closed" and not complete and now - ready <= limit then
    exits[e.signal] = (exits[e.signal] or 0) + 1
    if fills[e.signal] == accounts and exits[e.signal] >= 1 then complete = signal_at[e.signal] end
  end
end
if what == "reached" then
  return ready and now - ready >= limit and 0 or 1
end
if complete then print((complete - ready) // 60000) end
