-- SPDX-License-Identifier: MIT
-- A mirror of the engine: a snapshot, and what each event changes of it. Written from docs/journal.md and the words on
-- snapshots in docs/architecture.md alone, so that it says whether a client can follow. Marks, equity and margin are no
-- fold and are left out.

local decimal = require "perigee.decimal"

local fold = {}

local function index(list, key)
  local out = {}
  for _, row in ipairs(list) do out[key(row)] = row end
  return out
end

local function id_of(row) return row.id end
local function position_key(row) return row.account .. " " .. row.id end

--- A mirror of a snapshot's result.
function fold.new(snapshot)
  return { seq = snapshot.seq, users = index(snapshot.users, id_of), sessions = index(snapshot.sessions, id_of),
    accounts = index(snapshot.accounts, id_of), positions = index(snapshot.positions, position_key),
    orders = index(snapshot.orders, id_of), signals = index(snapshot.signals, id_of), known = {},
    entries_stopped = snapshot.entries_stopped }
end

local function session_of(m, user_id)
  local newest
  for _, s in pairs(m.sessions) do
    if s.user_id == user_id and (not newest or s.id > newest.id) then newest = s end
  end
  return newest
end

local function set_active(m, user_id, active)
  for _, a in pairs(m.accounts) do
    if a.user_id == user_id then a.active = active and m.known[a.id] ~= false end
  end
end

local on = {}

function on.user_added(m, e)
  local known = m.users[e.id]
  local s = session_of(m, e.id)
  m.users[e.id] = { id = e.id, user = e.user, email = e.email, broker = e.broker, is_active = e.active,
    name = e.name ~= "" and e.name or nil, accounts = known and known.accounts or {},
    state = not e.active and "inactive" or s and s.state or known and known.state ~= "inactive" and known.state
      or "closed" }
end

function on.user_removed(m, e)
  m.users[e.id] = nil
  for id, s in pairs(m.sessions) do
    if s.user_id == e.id then m.sessions[id] = nil end
  end
  for id, a in pairs(m.accounts) do
    if a.user_id == e.id then m.accounts[id] = nil end
  end
end

function on.account_added(m, e)
  local a = m.accounts[e.account]
  if not a then
    a = { id = e.account, open_positions = 0, trades = 0, realised = "0", paused = false }
    m.accounts[e.account] = a
    table.insert(m.users[e.user_id].accounts, e.account)
  end
  a.user_id, a.currency, a.leverage, a.uuid, a.broker = e.user_id, e.currency, e.leverage, e.uuid, e.broker
  a.active, m.known[a.id] = false, false
end

function on.session_opened(m, e)
  local before = session_of(m, e.user_id)
  if before then m.sessions[before.id] = nil end
  m.sessions[e.seq] = { id = e.seq, user_id = e.user_id, state = "open", login_ms = e.market_ms,
    expires_ms = e.expires }
  m.users[e.user_id].state = "open"
end

function on.session_renewed(m, e)
  local s = m.sessions[e.session]
  s.state, s.expires_ms, s.last_refresh_ms = "open", e.expires, e.market_ms
  m.users[e.user_id].state = "open"
  set_active(m, e.user_id, true)
end

function on.session_failed(m, e)
  local s = m.sessions[e.session]
  if s and s.state ~= "closed" then s.state = "failed" end
  m.users[e.user_id].state = "failed"
  set_active(m, e.user_id, false)
end

function on.session_closed(m, e)
  local s, user = m.sessions[e.session], m.users[e.user_id]
  s.state, s.expires_ms = "closed", nil
  if user.state ~= "inactive" then user.state = "closed" end
  set_active(m, e.user_id, false)
end

function on.account_read(m, e)
  m.known[e.account] = true
  m.accounts[e.account].active = true
end

function on.account_state(m, e) m.accounts[e.account].paused = e.state == "paused" end

function on.balance(m, e)
  local a = m.accounts[e.account]
  a.balance, a.updated_ms = e.balance, e.market_ms
  a.balance_first = a.balance_first or e.balance
end

function on.intent(m, e)
  m.orders[e.order] = { id = e.order, account = e.account, op = e.op, side = e.side, volume = e.volume, price = e.price,
    state = "intent", created_ms = e.market_ms, updated_ms = e.market_ms, signal = e.signal, batch = e.batch,
    position = e.position ~= "" and e.position or nil }
end

local steps = { order_sent = "sent", order_accepted = "accepted", order_rejected = "rejected",
  order_unknown = "unknown", order_absent = "absent", order_not_sent = "not_sent", order_adopted = "accepted" }

for kind, state in pairs(steps) do
  on[kind] = function(m, e)
    local o = m.orders[e.order]
    if not o then return end -- final and older than what the snapshot held
    o.state, o.updated_ms = state, e.market_ms
    o.reason = e.reason ~= "" and e.reason or e.cause ~= "" and e.cause or nil
    local position = e.broker_id or kind == "order_adopted" and e.position or nil
    if o.op == "open" and position and position ~= "" then o.position = position end
  end
end

local function level(value) return value and decimal.new(value):sign() ~= 0 and value or nil end

function on.position_opened(m, e)
  local before = m.positions[e.account .. " " .. e.position] -- a hand's may turn out to be ours
  m.positions[e.account .. " " .. e.position] = { account = e.account, id = e.position, side = e.side,
    volume = e.volume, price = e.price, stop = level(e.stop), target = level(e.target), opened_ms = e.opened,
    order = e.order, signal = e.signal, ours = e.ours, closing = false, holding_ms = e.holding_ms }
  local o = m.orders[e.order]
  if o and o.op == "open" then o.position = e.position end
  local a = m.accounts[e.account]
  a.open_positions = a.open_positions + (before and 0 or 1)
end

function on.position_changed(m, e)
  local p = m.positions[e.account .. " " .. e.position]
  p.volume = e.volume or p.volume
  if e.stop then p.stop = level(e.stop) end
  if e.target then p.target = level(e.target) end
end

function on.position_closing(m, e)
  local p = m.positions[e.account .. " " .. e.position]
  p.closing, p.close_reason = true, e.reason
end

function on.position_closed(m, e)
  local key = e.account .. " " .. e.position
  local p, a = m.positions[key], m.accounts[e.account]
  a.realised = tostring(decimal.new(a.realised) + decimal.new(e.net))
  if e.partial then
    if p then p.volume = tostring(decimal.new(p.volume) - decimal.new(e.volume)) end
    return
  end
  a.trades = a.trades + 1
  if p then a.open_positions = a.open_positions - 1 end
  m.positions[key] = nil
end

function on.signal(m, e)
  m.signals[e.signal] = { id = e.signal, strategy = e.strategy, action = e.action, time_ms = e.market_ms }
end

function on.signal_refused(m, e)
  if m.signals[e.signal] then m.signals[e.signal].outcome = { traded = false, refused_rule = e.rule } end
end

function on.batch_done(m, e)
  if m.signals[e.signal] then m.signals[e.signal].outcome = { traded = true, accepted = e.accepted, legs = e.legs } end
end

function on.policy_state(m, e)
  if e.name == "entries_stopped" then m.entries_stopped = e.value == "true" end
end

--- Applies one event.
function fold.apply(m, e)
  assert(e.seq == m.seq + 1, "an event is missing")
  m.seq = e.seq
  if on[e.kind] then on[e.kind](m, e) end
end

local compared = {
  users = { "email", "broker", "is_active", "state", "name" },
  sessions = { "user_id", "state", "login_ms", "expires_ms", "last_refresh_ms" },
  accounts = { "user_id", "currency", "leverage", "uuid", "broker", "balance", "balance_first", "open_positions",
    "trades", "realised", "paused", "active", "updated_ms" },
  positions = { "side", "volume", "price", "stop", "target", "opened_ms", "order", "signal", "ours", "closing",
    "holding_ms", "close_reason" },
  orders = { "account", "op", "side", "volume", "price", "state", "reason", "position", "signal", "batch", "created_ms",
    "updated_ms" },
  signals = { "strategy", "action", "time_ms" },
}

local function plain(value, null)
  if value == nil or value == null then return "nil" end
  if type(value) == "string" and value:match("^%-?%d+%.?%d*$") then return tostring(decimal.new(value)) end
  return tostring(value)
end

--- Differences of a mirror and a later snapshot, one line each.
---@return string[]
function fold.differences(m, snapshot, null)
  local lines, now = {}, fold.new(snapshot)
  local function differ(...) lines[#lines + 1] = table.concat({ ... }, " ") end
  if m.seq ~= now.seq then differ("seq", tostring(m.seq), tostring(now.seq)) end
  if m.entries_stopped ~= now.entries_stopped then differ("entries_stopped") end
  for part, fields in pairs(compared) do
    for key, row in pairs(now[part]) do
      local mine = m[part][key]
      if not mine then
        differ(part, tostring(key), "is missing")
      else
        for _, field in ipairs(fields) do
          if plain(mine[field], null) ~= plain(row[field], null) then
            differ(part, tostring(key), field, plain(mine[field], null), plain(row[field], null))
          end
        end
      end
    end
    for key in pairs(m[part]) do
      -- Final orders and old signals leave a snapshot by their age.
      local kept = part ~= "orders" and part ~= "signals"
      if kept and not now[part][key] then differ(part, tostring(key), "is too much") end
    end
  end
  table.sort(lines)
  return lines
end

return fold
