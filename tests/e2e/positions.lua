-- SPDX-License-Identifier: MIT
-- Holds the journal against the paper broker's own ledger after crashes and lost answers.
--   positions.lua DATA SIM_DATA [OPTION=N...]
-- One execution for each intent at most; open there is open here, closed there is closed here, once; whatever
-- has outlived its holding time is closed or wanted closed. Options: unknown=N at least N orders became UNKNOWN
-- and were found again; settled=SEQ what was opened by intents up to this sequence number is closed by now;
-- only=1 looks for nothing else, while the engine runs; timed=N at least N were closed by their holding time;
-- stopped=1 the engine has ended in order.

local decimal = require "perigee.decimal"
local fs = require "perigee.fs"
local journal = require "perigee.journal"
local clock = require "perigee.clock"

local LATE_MS = 5000 -- market ms that an exit by time may need to be wanted

local data, sim_data = ...
local options = {}
for i = 3, select("#", ...) do
  local name, value = select(i, ...):match("^(%l+)=(%d+)$")
  options[assert(name, "an option")] = math.tointeger(tonumber(value))
end

local faults = {}

local function fault(format, ...) faults[#faults + 1] = format:format(...) end

local function expect(condition, format, ...)
  if not condition and not options.only then fault(format, ...) end
end

-- Rows of a CSV whose last line may be half written.
local function read_csv(path)
  local rows, names = {}, nil
  for line in assert(fs.read(path, 1 << 30)):gmatch("([^\n]+)\n") do
    local fields = {}
    for field in (line .. ","):gmatch("([^,]*),") do fields[#fields + 1] = field end
    if names then
      local row = {}
      for i, name in ipairs(names) do row[name] = fields[i] end
      rows[#rows + 1] = row
    else
      names = fields
    end
  end
  return rows
end

local function key(account, e)
  return table.concat({ account, e.side, tostring(decimal.new(e.volume)), tostring(decimal.new(e.stop)),
    tostring(decimal.new(e.target)) }, " ")
end

-- ---- the engine's view: its journal ----------------------------------------------------------------

local intents, by_key, first_seq, opened, of_order, closed, closing = {}, {}, {}, {}, {}, {}, {}
local unknown, unknown_orders, adopted, sent, stopped_ms, last_ms = 0, {}, {}, {}, nil, 0
local timed = 0
local views = {}

function views.intent(e)
  intents[e.order] = e
  if e.op == "open" then
    local k = key(e.account, e)
    by_key[k] = (by_key[k] or 0) + 1
    first_seq[k] = first_seq[k] or e.seq
  end
end

function views.order_sent(e)
  sent[e.order] = (sent[e.order] or 0) + 1
  expect(intents[e.order], "order %d was sent without an intent", e.order)
  expect(sent[e.order] == 1, "order %d was sent %d times", e.order, sent[e.order])
end

function views.order_unknown(e)
  unknown, unknown_orders[e.order] = unknown + 1, true
end

function views.order_adopted(e) adopted[e.order] = e.position end

function views.position_opened(e)
  expect(e.ours, "position %s of account %s is not known as ours", e.position, e.account)
  expect(not opened[e.position], "position %s was opened twice in the journal", e.position)
  expect(not of_order[e.order], "order %d has the positions %s and %s", e.order, of_order[e.order], e.position)
  opened[e.position], of_order[e.order] = e, e.position
end

function views.position_closing(e) closing[e.position] = true end

function views.position_closed(e)
  expect(opened[e.position], "position %s was closed in the journal and never opened", e.position)
  expect(e.partial or not closed[e.position], "position %s was closed twice in the journal", e.position)
  if not e.partial then closed[e.position] = e end
  if e.reason == "time" then timed = timed + 1 end
end

function views.engine_stopped(e) stopped_ms = e.market_ms end

function views.engine_started() stopped_ms = nil end

for e in journal.events(data .. "/journal") do
  if views[e.kind] then views[e.kind](e) end
  last_ms = e.market_ms
end

-- ---- the broker's ledger ---------------------------------------------------------------------------

local rows_of_key, rows_open, rows_closed, opens = {}, {}, {}, 0
for _, row in ipairs(read_csv(sim_data .. "/sim/ledger.csv")) do
  if row.op == "open" then
    local k = key(row.account, row)
    opens = opens + 1
    rows_of_key[k] = (rows_of_key[k] or 0) + 1
    expect(rows_of_key[k] <= (by_key[k] or 0), "the broker opened (%s) %d times, there are %d intents for it", k,
      rows_of_key[k], by_key[k] or 0)
    local mine = opened[row.position]
    expect(mine, "position %s (%s) is open at the broker and unknown to the journal", row.position, k)
    local intent = mine and intents[mine.order]
    expect(not mine or intent and key(intent.account, intent) == k, "position %s was taken for order %d, another one",
      row.position, mine and mine.order or 0)
    rows_open[row.position] = row
  elseif row.op == "close" then
    expect(rows_open[row.position], "row %s closes what is not open", row.seq)
    rows_open[row.position], rows_closed[row.position] = nil, row
  end
end

for position, row in pairs(rows_open) do
  if (first_seq[key(row.account, row)] or math.huge) <= (options.settled or 0) then
    fault("position %s of account %s is still open", position, row.account)
  end
end

local known = 0
for position, e in pairs(opened) do
  known = known + 1
  expect(rows_open[position] or rows_closed[position], "position %s is in the journal and not at the broker", position)
  local end_ms = e.opened + (e.holding_ms or 0)
  if rows_open[position] then
    expect(not closed[position], "position %s is open at the broker and closed in the journal", position)
    expect(e.holding_ms > 0 and (last_ms - end_ms < LATE_MS or closing[position]),
      "position %s is %d ms over its holding time and nobody wants it closed", position, last_ms - end_ms)
  else
    expect(closed[position], "position %s is closed at the broker and open in the journal", position)
    local at = rows_closed[position] and clock.parse(rows_closed[position].time)
    expect(not closed[position] or closed[position].closed == at, "position %s was closed at another time", position)
  end
end
expect(known == opens, "the broker opened %d positions, the journal knows %d", opens, known)

-- ---- what was lost on the way ----------------------------------------------------------------------

local found = 0
for order in pairs(unknown_orders) do
  if adopted[order] then found = found + 1 end
end
expect(found >= (options.unknown or 0), "%d orders became UNKNOWN and were adopted, expected at least %d", found,
  options.unknown or 0)
expect(timed >= (options.timed or 0), "%d positions were closed by their holding time, expected at least %d", timed,
  options.timed or 0)
if options.stopped then expect(stopped_ms, "the journal does not end with engine_stopped") end

io.stdout:write(("# %d intents, %d positions, %d UNKNOWN, %d of them adopted\n"):format(#intents, opens, unknown,
  found))
for i = 1, math.min(#faults, 20) do io.stdout:write("# ", faults[i], "\n") end
return #faults == 0 and 0 or 1
