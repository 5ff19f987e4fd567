-- SPDX-License-Identifier: MIT
-- The engine's state as rows of JSON: what commands answer and what a snapshot holds. Money, volumes and prices are
-- decimal strings, times are market milliseconds, what is not known is null.

local clock = require "perigee.clock"
local config = require "perigee.config"
local decimal = require "perigee.decimal"
local event = require "perigee.event"
local exec = require "perigee.exec"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local market = require "perigee.market"

local rows = {}

local null = json.null

local function or_null(value)
  if value == nil or value == "" then return null end
  return value
end

--- A price as its instrument writes it.
---@param value number|string
---@param digits integer
---@return string
function rows.price(value, digits)
  return decimal.new(value):fixed(digits)
end

-- ---- users, sessions -----------------------------------------------------------------------------

---@param user perigee.User
---@return "open"|"closed"|"failed"|"logging_in"|"inactive"
function rows.user_state(user)
  local s = user.session
  if not user.active then return "inactive" end
  if s.open then return "open" end
  if user.logging_in then return "logging_in" end
  return s.last_error and "failed" or "closed"
end

--- The same in more words: what the session is doing.
---@param user perigee.User
---@return "out"|"logging_in"|"open"|"renewing"|"blocked"|"refused"|"taken_over"
function rows.condition(user)
  if user.active and user.logging_in and not user.session.open then return "logging_in" end
  return user.session:state()
end

---@param user perigee.User
function rows.user(user)
  return { id = user.id, user = user.key, broker = user.broker, email = user.email, name = or_null(user.name),
    broker_id = or_null(user.broker_id), is_active = user.active, accounts = json.array({ table.unpack(user.ids) }),
    state = rows.user_state(user), condition = rows.condition(user), error = or_null(user.session.last_error) }
end

--- The newest session of a user; nil when there was none since the engine began.
---@param user perigee.User
function rows.session(user)
  local s = user.session
  if not s.id then return nil end
  return { id = s.id, user_id = user.id, user = user.key, email = user.email, broker = user.broker,
    state = s.open and "open" or s.closed and "closed" or "failed", login_ms = s.login_ms,
    condition = rows.condition(user), token_ms = or_null(s.token_ms), how = s.how, refreshes_left = s:refreshes_left(),
    expires_ms = s.expires > 0 and s.expires or null, last_refresh_ms = or_null(s.last_refresh_ms),
    accounts = json.array({ table.unpack(user.ids) }),
    error = or_null(s.last_error) }
end

-- ---- accounts, positions, orders -----------------------------------------------------------------

local function subtract(a, b)
  if not a or not b then return null end
  return tostring(decimal.new(a) - decimal.new(b))
end

---@param id string
---@param user perigee.User
---@param active boolean  may open now
function rows.account(id, user, active)
  local a = ledger.account(id)
  if not a then return nil end
  local equity = a.have_balance and ledger.equity(id) or nil
  local margin = equity and ledger.margin(id) or nil
  return { id = id, uuid = or_null(a.uuid), user_id = user.id, user = user.key, email = user.email, broker = a.broker,
    currency = a.currency, leverage = a.leverage, group = or_null(a.group),
    balance = a.have_balance and a.balance or null, equity = or_null(equity), margin = or_null(margin),
    free_margin = subtract(equity, margin), profit = subtract(equity, equity and a.balance),
    open_positions = a.open_positions, trades = a.trades, realised = a.realised,
    balance_first = a.have_balance and a.balance_first or null, paused = a.paused, active = active,
    updated_ms = a.have_balance and a.balance_ms or null }
end

---@param p perigee.Position
---@param user perigee.User
function rows.position(p, user)
  local a = ledger.account(p.account)
  return { account = p.account, id = p.id, user_id = user.id, email = user.email, symbol = p.symbol,
    canonical = p.canonical, side = p.side, volume = p.volume, price = p.price, stop = or_null(p.stop),
    target = or_null(p.target), opened_ms = p.opened_ms, holding_ms = p.holding_ms, order = p.order,
    signal = p.signal, ours = p.ours, closing = p.closing, closing_volume = p.closing_volume,
    close_reason = or_null(p.close_reason), mark = or_null(p.mark), profit = or_null(p.profit), currency = a.currency }
end

---@param o table           of ledger.orders
---@param user perigee.User|nil
function rows.order(o, user)
  local a = not user and ledger.account(o.account) or nil
  return { id = o.id, batch = o.batch, signal = o.signal, account = o.account,
    user_id = user and user.id or a.user_id, email = user and user.email or a.user:match("^[^:]*:(.*)$") or a.user,
    op = o.op, symbol = o.symbol, canonical = o.canonical, side = o.side, volume = o.volume, price = o.price,
    stop = or_null(o.stop), target = or_null(o.target), position = or_null(o.position), state = o.state:lower(),
    reason = or_null(o.why), close_reason = or_null(o.reason), attempt = o.attempt, created_ms = o.intent_ms,
    updated_ms = o.updated_ms, type = o.type, resting = or_null(o.resting), ambiguous = o.ambiguous == true,
    candidates = json.array(o.ambiguous and exec.candidates(o.id) or {}), closing = o.closing == true }
end

-- ---- signals -------------------------------------------------------------------------------------

local function decoded(text)
  local value = text and text ~= "" and json.decode(text) or nil
  return type(value) == "table" and value or {}
end

local function outcome(frame)
  local e = frame and event.decode(frame)
  if not e then return null end
  if e.kind == "signal_refused" then
    return { traded = false, refused_rule = or_null(e.rule), refused_reason = or_null(e.reason), legs = 0, accepted = 0,
      rejected = 0, unknown = 0, not_sent = 0, volume = null, elapsed_us = null }
  end
  return { traded = true, refused_rule = null, refused_reason = null, legs = e.legs, accepted = e.accepted,
    rejected = e.rejected, unknown = e.unknown, not_sent = e.not_sent, volume = or_null(e.volume),
    elapsed_us = or_null(e.elapsed_us) }
end

---@param kept { signal: string, outcome: string|nil }  of perigee.memory
function rows.signal(kept)
  local e = assert(event.decode(kept.signal))
  return { id = e.signal, strategy = e.strategy, hash = or_null(e.hash), symbol = e.symbol, action = e.action,
    price = or_null(e.price), stop = or_null(e.stop), target = or_null(e.target), confidence = or_null(e.confidence),
    strength = or_null(e.strength), reason = or_null(e.reason), conditions = json.array(decoded(e.conditions)),
    who = or_null(e.who), time_ms = e.market_ms, outcome = outcome(kept.outcome) }
end

-- ---- the market ----------------------------------------------------------------------------------

function rows.instrument(i)
  return { symbol = i.symbol, canonical = i.canonical, base = or_null(i.base), quote = or_null(i.quote),
    price_digits = i.price_digits, volume_digits = i.volume_digits, volume_min = i.volume_min,
    volume_max = i.volume_max, volume_step = i.volume_step, stops_level = i.stops_level,
    contract_size = i.contract_size }
end

--- The newest prices: of the reference feed, and of the broker for each symbol that it offers.
---@param state table  the engine's
function rows.quotes(state)
  local list, feed = json.array(), state.feed
  local bid, ask, time_ms = nil, nil, nil
  if feed and feed.symbol then bid, ask, time_ms = market.last_quote(feed.symbol) end
  local venue = state.venue or ""
  local digits = {}
  for _, i in ipairs(ledger.instruments(venue)) do
    digits[i.canonical] = i.price_digits
    local broker_bid, broker_ask = ledger.quote(venue, i.canonical)
    if broker_bid and state.marked_ms then
      list[#list + 1] = { venue = venue, symbol = i.canonical, bid = rows.price(broker_bid, i.price_digits),
        ask = rows.price(broker_ask, i.price_digits), time_ms = state.marked_ms }
    end
  end
  if bid then
    local places = digits[feed.hello.symbol] or 5
    table.insert(list, 1, { venue = "reference", symbol = feed.hello.symbol, bid = rows.price(bid, places),
      ask = rows.price(ask, places), time_ms = time_ms })
  end
  return list
end

-- The accounts' currencies; looked up again when there are more accounts than before.
local function currencies(state)
  local ids = ledger.accounts()
  local kept = state.currencies
  if not kept or kept.accounts ~= #ids then
    kept = { accounts = #ids }
    for _, id in ipairs(ids) do
      local a = ledger.account(id)
      kept[a.broker .. "\0" .. a.currency] = { broker = a.broker, currency = a.currency }
    end
    state.currencies = kept
  end
  return kept
end

--- What one unit of each account's currency is worth in the reporting currency; a rate that is missing is left out.
---@param state table
---@return table<string, string>
function rows.rates(state)
  local to = config.get("office.currency")
  local rates = { [to] = "1" }
  for _, pair in pairs(currencies(state)) do
    if type(pair) == "table" and not rates[pair.currency] then
      local rate = ledger.convert(pair.broker, pair.currency, to)
      rates[pair.currency] = rate and tostring(decimal.new(rate)) or nil
    end
  end
  return rates
end

local function bar_row(b)
  return json.array { b.open_ms, b.open, b.high, b.low, b.close, b.volume, b.buy_volume, b.sell_volume }
end

--- Bars as [open_ms, open, high, low, close, volume, buy, sell], oldest first, and the one that is forming.
---@param index integer  of the market's symbol
function rows.bars(index, timeframe, count)
  local bars = json.array()
  for i, b in ipairs(market.bars(index, timeframe, count)) do bars[i] = bar_row(b) end
  return bars, rows.forming(index, timeframe)
end

---@return table|userdata row  json.null: none is forming
function rows.forming(index, timeframe)
  local b = market.forming(index, timeframe)
  return b and bar_row(b) or null
end

function rows.market_time(state)
  return state.feed and clock.market_ms() or null
end

return rows
