-- SPDX-License-Identifier: MIT
-- A summary must show signals, and fills and exits on every account: judge.lua SUMMARY.json LEAST

local fs = require "perigee.fs"
local json = require "perigee.json"

local path, least = ...
local s = assert(json.decode(assert(fs.read(path))))
local faults = {}
local function expect(condition, text) if not condition then faults[#faults + 1] = text end end

local exits = 0
for _, n in pairs(s.exits) do exits = exits + n end
expect(s.bars > 0, "no bars")
expect(s.signals >= s.signals_traded and s.signals_traded > 0, "no signal was traded")
expect(s.orders.unknown == 0, "orders are unknown: " .. s.orders.unknown)
expect(s.orders.sent == s.orders.accepted + s.orders.rejected, "orders sent and answered differ")
expect(s.fills == exits, ("%d fills, %d exits"):format(s.fills, exits))
expect(#s.accounts == 12, "accounts: " .. #s.accounts)
for _, a in ipairs(s.accounts) do
  expect(a.trades >= tonumber(least), ("%s has %d trades"):format(a.id, a.trades))
end
for _, fault in ipairs(faults) do io.stdout:write("# ", fault, "\n") end
return #faults == 0 and 0 or 1
