-- SPDX-License-Identifier: MIT
-- Writes a tape of minutes with quiet hours and surges, for tests where there is no recorded one:
--   make_tape.lua FILE MINUTES SEED

local clock = require "perigee.clock"
local fs = require "perigee.fs"
local rng = require "perigee.rng"

local path, minutes, seed = ...
local r = rng.new(math.tointeger(seed), "tape")
local price, lines = 40000, { "timestamp,open,high,low,close,volume" }
local start = clock.parse("2024-03-01T00:00:00Z")
for i = 0, math.tointeger(minutes) - 1 do
  local surge = i > 130 and i % 23 == 7
  local way = r:uniform() < 0.5 and -1 or 1
  local move = surge and way * (0.0025 + 0.001 * r:uniform()) or 0.0003 * r:normal()
  local open, close = price, math.floor(price * (1 + move) * 10 + 0.5) / 10
  local high = math.max(open, close) + math.floor(r:exponential(4) * 10) / 10
  local low = math.min(open, close) - math.floor(r:exponential(4) * 10) / 10
  local volume = (surge and 8 or 1) * (50 + r:exponential(50))
  lines[#lines + 1] = ("%s,%.1f,%.1f,%.1f,%.1f,%.4f"):format(clock.iso(start + i * 60000), open, high, low, close,
    volume)
  price = close
end
assert(fs.replace(path, table.concat(lines, "\n") .. "\n"))
