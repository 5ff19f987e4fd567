-- SPDX-License-Identifier: MIT
-- Holds a run's summary and journal against the paper broker's own ledger, to the last digit.
--   ledger.lua DATA SUMMARY.json

local decimal = require "perigee.decimal"
local fs = require "perigee.fs"
local journal = require "perigee.journal"
local json = require "perigee.json"

local data, summary_path = ...
local faults = {}

local function expect(condition, format, ...)
  if not condition then faults[#faults + 1] = format:format(...) end
end

local summary = assert(json.decode(assert(fs.read(summary_path))))
local rows = dofile "tests/e2e/ledger_rows.lua".read(data)
local net, balance, opens, closes = {}, {}, {}, {}
for _, row in ipairs(rows) do
  local id = row.account
  if row.op:match("^close") then
    local sum = decimal.new(row.profit) + decimal.new(row.commission ~= "" and row.commission or "0")
      + decimal.new(row.swap ~= "" and row.swap or "0")
    net[id] = (net[id] or decimal.zero) + sum
    closes[id] = (closes[id] or 0) + 1
  elseif row.op == "open" or row.op == "fill" then
    opens[id] = (opens[id] or 0) + 1
  end
  if row.balance ~= "" then balance[id] = row.balance end
end

for _, account in ipairs(summary.accounts) do
  local id = account.id
  expect((net[id] or decimal.zero) == decimal.new(account.net), "%s: the ledger's net is %s, the summary's %s", id,
    tostring(net[id]), account.net)
  expect(decimal.new(balance[id]) == decimal.new(account.balance_end), "%s: the ledger's balance is %s, ours %s", id,
    balance[id], account.balance_end)
  expect(decimal.new(account.balance_start) + decimal.new(account.net) == decimal.new(account.balance_end),
    "%s: start and net do not add up to the end", id)
  expect((closes[id] or 0) == account.trades, "%s: the ledger closed %d, we say %d", id, closes[id] or 0,
    account.trades)
end

-- One position for each intent that was executed, of market entries and pending orders, and none that is not one.
local intents, opened = {}, {}
for e in journal.events(data .. "/journal") do
  if e.kind == "intent" and (e.op == "open" or e.op == "pending") then
    intents[e.order] = e
  elseif e.kind == "position_opened" then
    expect(e.ours and intents[e.order], "position %s has no intent of ours", e.position)
    expect(not opened[e.order], "intent %d has two positions", e.order)
    opened[e.order] = true
  end
end
local total = 0
for _, n in pairs(opens) do total = total + n end
local journalled = 0
for _ in pairs(opened) do journalled = journalled + 1 end
expect(total == journalled, "the broker opened %d positions, the journal knows %d", total, journalled)

for i = 1, math.min(#faults, 20) do io.stdout:write("# ", faults[i], "\n") end
return #faults == 0 and 0 or 1
