-- SPDX-License-Identifier: MIT
-- Holds the journal against the paper broker's own ledger after crashes and lost answers.
--   positions.lua DATA SIM_DATA [OPTION=N...]
-- One execution for each intent at most, of market entries, pending orders and entries that were sent once more; a
-- pending order becomes one position at most, and that of its own intent; open there is open here, resting there rests
-- here, closed there is closed here, once; what hands made is known and not taken for ours; whatever has outlived its
-- holding time is closed or wanted closed. Options: unknown=N at least N orders became UNKNOWN and were found again;
-- settled=SEQ what was opened by intents up to this sequence number is closed by now; only=1 looks for nothing else,
-- while the engine runs; timed=N at least N were closed by their holding time; stopped=1 the engine has ended;
-- skew=1 the broker's clock was wrong for a time; hands=1 hands traded through the broker's API, so that its ledger
-- does not tell them from us: what the journal says of them counts.

local decimal = require "perigee.decimal"
local journal = require "perigee.journal"
local clock = require "perigee.clock"

local ledger_rows = dofile "tests/e2e/ledger_rows.lua"

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

local function key(account, e)
  return table.concat({ account, e.side, tostring(decimal.new(e.volume)), tostring(decimal.new(e.stop)),
    tostring(decimal.new(e.target)) }, " ")
end

local function pending_key(account, e)
  return table.concat({ e.type, tostring(decimal.new(e.price)), key(account, e) }, " ")
end

-- ---- the engine's view: its journal ----------------------------------------------------------------

local intents, by_key, first_seq, opened, of_order, closed, closing = {}, {}, {}, {}, {}, {}, {}
local unknown, unknown_orders, absent, adopted, sent, stopped_ms, last_ms = 0, {}, {}, {}, {}, nil, 0
local timed, stands_for, resting, order_of, theirs = 0, {}, {}, {}, {}
local views = {}

local keys = { open = key, pending = pending_key }

function views.intent(e)
  intents[e.order] = e
  if keys[e.op] then
    local k = keys[e.op](e.account, e)
    by_key[k] = (by_key[k] or 0) + 1
    first_seq[k] = first_seq[k] or e.seq
  end
  local first = e.replaces ~= 0 and e.replaces or nil
  if first then
    expect(absent[first], "order %d stands in for %d, which was not proven absent", e.order, first)
    expect(not stands_for[first], "order %d was sent once more twice", first)
    stands_for[first] = e.order
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

function views.order_absent(e) absent[e.order] = true end

function views.order_adopted(e) adopted[e.order] = e.position end

function views.position_opened(e)
  expect(e.ours == ((e.order or 0) ~= 0), "position %s of account %s is ours and of no order, or the other way round",
    e.position, e.account)
  local before = opened[e.position] -- a hand's may turn out to be ours
  expect(not before or (e.ours and not before.ours), "position %s was opened twice in the journal", e.position)
  opened[e.position] = e
  if not e.ours then return end
  expect(not of_order[e.order], "order %d has the positions %s and %s", e.order, of_order[e.order], e.position)
  of_order[e.order] = e.position
end

function views.position_closing(e) closing[e.position] = true end

function views.position_closed(e)
  expect(opened[e.position], "position %s was closed in the journal and never opened", e.position)
  expect(e.partial or not closed[e.position], "position %s was closed twice in the journal", e.position)
  if not e.partial then closed[e.position] = e end
  if e.reason == "time" then timed = timed + 1 end
end

function views.pending_seen(e)
  resting[e.pending], order_of[e.pending] = true, (e.order or 0) ~= 0 and e.order or nil
  theirs[e.pending] = not e.ours
  expect(e.ours == ((e.order or 0) ~= 0), "pending order %s is ours and of no order, or the other way round", e.pending)
end

function views.pending_gone(e)
  expect(resting[e.pending] or (e.order or 0) ~= 0, "pending order %s is gone and was never seen", e.pending)
  resting[e.pending] = nil
end

function views.engine_stopped(e) stopped_ms = e.market_ms end

function views.engine_started() stopped_ms = nil end

for e in journal.events(data .. "/journal") do
  if views[e.kind] then views[e.kind](e) end
  last_ms = e.market_ms
end

-- ---- the broker's ledger ---------------------------------------------------------------------------

local rows_of_key, rows_open, rows_closed, rests, opens = {}, {}, {}, {}, 0
local on = {}

-- An execution of ours belongs to an intent, and no intent has two.
local function one_for_each(k)
  rows_of_key[k] = (rows_of_key[k] or 0) + 1
  expect(rows_of_key[k] <= (by_key[k] or 0), "the broker took (%s) %d times, there are %d intents for it", k,
    rows_of_key[k], by_key[k] or 0)
end

local function by_hand(row, told) return row.source == "hand" or (options.hands and told) or false end

-- A new position of the broker's; what the journal has of it.
local function is_known(row, hand)
  opens = opens + 1
  rows_open[row.position] = row
  local mine = opened[row.position]
  expect(mine, "position %s of account %s is open at the broker and unknown to the journal", row.position, row.account)
  expect(not mine or mine.ours ~= hand, "position %s of account %s is %s", row.position, row.account,
    hand and "a hand's and taken for ours" or "ours and taken for a hand's")
  return not hand and mine and intents[mine.order] or nil, mine and mine.order or 0
end

function on.open(row)
  local mine = opened[row.position]
  local hand = by_hand(row, mine and not mine.ours)
  local k = key(row.account, row)
  if not hand then one_for_each(k) end
  local intent, order = is_known(row, hand)
  row.seq_of_intent = first_seq[k]
  expect(not intent or intent.op == "open" and key(intent.account, intent) == k,
    "position %s was taken for order %d, another one", row.position, order)
end

function on.pending(row)
  row.hand = by_hand(row, theirs[row.position])
  if not row.hand then one_for_each(pending_key(row.account, row)) end
  rests[row.position] = row
end

function on.cancel(row) rests[row.position] = nil end

-- A pending order may have been edited since its intent; its id says which one it was.
function on.fill(row)
  local from = rests[row.order]
  expect(from, "row %s fills pending order %s, which does not rest", row.seq, row.order)
  rests[row.order] = nil
  local intent, order = is_known(row, from ~= nil and from.hand)
  row.seq_of_intent = intent and intent.seq
  expect(not intent or intent.op == "pending" and (order_of[row.order] or order) == order,
    "position %s is of pending order %s and was taken for order %d", row.position, row.order, order)
end

function on.close(row)
  expect(rows_open[row.position], "row %s closes what is not open", row.seq)
  rows_open[row.position], rows_closed[row.position] = nil, row
end

for _, row in ipairs(ledger_rows.read(sim_data)) do
  if on[row.op] then on[row.op](row) end
end

for position, row in pairs(rows_open) do
  if (row.seq_of_intent or math.huge) <= (options.settled or 0) then
    fault("position %s of account %s is still open", position, row.account)
  end
end

for id, row in pairs(rests) do
  expect(resting[id], "pending order %s of account %s rests at the broker and not in the journal", id, row.account)
end
for id in pairs(resting) do expect(rests[id], "pending order %s rests in the journal and not at the broker", id) end

-- An entry that was sent once more and turned up late all the same: one of the two is not meant to stay.
for first, second in pairs(stands_for) do
  local a, b = of_order[first], of_order[second]
  expect(not (a and b and rows_open[a] and rows_open[b]) or closing[a] or closing[b],
    "orders %d and %d, which stands in for it, are both open and nobody wants one closed", first, second)
end

local known = 0
for position, e in pairs(opened) do
  known = known + 1
  expect(rows_open[position] or rows_closed[position], "position %s is in the journal and not at the broker", position)
  local intent = e.ours and intents[e.order]
  local end_ms = e.opened + (e.holding_ms or 0)
  if rows_open[position] then
    expect(not closed[position], "position %s is open at the broker and closed in the journal", position)
    expect(not intent or intent.op == "pending" or e.holding_ms > 0, "position %s has no holding time", position)
    expect(e.holding_ms == 0 or last_ms - end_ms < LATE_MS or closing[position],
      "position %s is %d ms over its holding time and nobody wants it closed", position, last_ms - end_ms)
  else
    expect(closed[position], "position %s is closed at the broker and open in the journal", position)
    local at = rows_closed[position] and clock.parse(rows_closed[position].time)
    expect(not closed[position] or closed[position].closed == at or options.skew,
      "position %s was closed at another time", position)
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
