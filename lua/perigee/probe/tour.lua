-- SPDX-License-Identifier: MIT
-- The tour of a probe: logs in and asks for everything that the engine would ever read, once. What an answer could
-- not be read for is kept and told; only what ends the whole (no way in, a block, a limit) ends the tour.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local expect = require "perigee.probe.expect"
local json = require "perigee.json"

local tour = {}

local MINUTE, DAY = 60000, 24 * 3600 * 1000

local function fail(code, message)
  return nil, { code = code, message = message, source = "probe", retry = "no" }
end

local endings = {
  edge_block = function(call)
    return "unreachable", ("the broker's edge asks for a browser at %s; ask the broker to let the engine in. Asking "
      .. "again soon makes it worse"):format(call)
  end,
  rate_limit = function(call, k)
    local wait = k.retry_after_ms and (", for %d s"):format((k.retry_after_ms + 999) // 1000) or ""
    return "limit", ("the broker limits requests at %s%s"):format(call, wait)
  end,
  redirect = function(call)
    return "unreachable", ("%s leads elsewhere; is the address right?"):format(call)
  end,
}

-- One exchange and what kind of answer it had. nil ends the tour.
local function ask(t, call, exchange, ...)
  local answer, err = exchange(t.wire, call, ...)
  if not answer then
    return fail(err.code == "cancelled" and "cancelled" or "unreachable",
      ("%s cannot be asked: %s"):format(call, t.wire.redactor:text(err.message)))
  end
  local kind = codec.classify(answer.status, function(name) return answer:header(name) end, answer.body)
  local ending = endings[kind.kind]
  if ending then
    local code, message = ending(call, kind)
    return fail(code, message)
  end
  return answer, kind
end

-- An answer beside what is documented.
local function compare(t, call, body)
  local value = json.decode(body or "")
  if type(value) ~= "table" then return end
  local d = expect.compare(call, value)
  for _, line in ipairs(expect.lines(call, d)) do
    line = t.wire.redactor:text(line) -- a member may be called by an e-mail address
    if not t.told[line] then t.differences[#t.differences + 1] = line end
    t.told[line] = true
  end
  if d.texts + d.numbers > 0 then
    t.typing[#t.typing + 1] = ("%s: %s"):format(call, d.texts == 0 and "numbers" or d.numbers == 0 and "texts"
      or ("texts %d times, numbers %d times"):format(d.texts, d.numbers))
  end
end

local function trouble(t, call, words)
  t.troubles[#t.troubles + 1] = ("%s: %s"):format(call, t.wire.redactor:text(words))
end

local function status_words(t, kind, answer)
  return ("answered with status %d%s"):format(answer.status, kind.reason ~= ""
    and ": " .. t.wire.redactor:text(kind.reason) or "")
end

-- A read: its rows, or nil and a trouble; the third is the error that ends the tour.
local function read(t, call, reader, method, path, body)
  local answer, kind = ask(t, call, t.wire.account, t.account, method, path, body)
  if not answer then return nil, nil, kind end
  if kind.kind ~= "ok" then
    trouble(t, call, status_words(t, kind, answer))
    return nil
  end
  compare(t, call, answer.body)
  local rows, second = reader(answer.body)
  if not rows then
    trouble(t, call, (second.message:gsub("^[%l-]+: ", "", 1)))
    return nil
  end
  return rows, second
end

-- ---- logging in ----------------------------------------------------------------------------------

local function find_broker_id(t)
  local answer, kind = ask(t, "platform-details", t.wire.ask, nil, codec.platform_details())
  if not answer then return nil, kind end
  if kind.kind ~= "ok" then
    trouble(t, "platform-details", status_words(t, kind, answer))
    return true
  end
  compare(t, "platform-details", answer.body)
  local id, err = codec.read_platform_details(answer.body)
  if not id then
    trouble(t, "platform-details", err.message)
  elseif t.broker_id and t.broker_id ~= id then
    trouble(t, "platform-details", ("says broker id %s, the profile or login says %s"):format(id, t.broker_id))
  end
  t.broker_id = t.broker_id or id
  return true
end

local function choose(t, accounts)
  if #accounts == 0 then return fail("input", "the login holds no trading account") end
  t.account = accounts[1]
  if t.options.account then
    t.account = nil
    for _, account in ipairs(accounts) do
      if account.id == t.options.account then t.account = account end
    end
    if not t.account then return fail("input", "the login does not hold the account " .. t.options.account) end
  end
  for _, name in ipairs({ "api_token", "system", "currency" }) do
    if not t.account[name] then
      return fail("failed", ("the login does not tell the %s of account %s"):format(name, t.account.id))
    end
  end
  return true
end

local function log_in(t)
  local o = t.options
  local answer, kind = ask(t, "login", t.wire.ask, nil, codec.login(t.profile, o.email, o.password, t.broker_id))
  if not answer then return nil, kind end
  if kind.kind == "unauthorised" then return fail("input", "the broker refused e-mail and password") end
  if kind.kind ~= "ok" then return fail("failed", "the login was " .. status_words(t, kind, answer)) end
  local said, err = codec.read_login(answer.body)
  if not said then return fail("failed", t.wire.redactor:text(err.message)) end
  if said.tfa then return fail("input", "the broker asks for a second factor, which the engine cannot give") end
  compare(t, "login", answer.body)
  t.token_from = said.token and "the body" or t.wire.cookies["co-auth"] and "the cookie alone" or "nowhere"
  if t.token_from == "nowhere" then return fail("failed", "the login brought no session token") end
  t.wire:token(said.token)
  t.login_ms = clock.wall_ms()
  t.expires_ms = codec.token_expiry(t.wire.cookies["co-auth"].value)
  t.accounts = said.accounts
  return choose(t, said.accounts)
end

-- ---- reading -------------------------------------------------------------------------------------

local favourites = { "EURUSD", "BTCUSD", "XAUUSD", "US30" }

-- The symbol that is looked at closer: the one asked for, a common one, or the first.
local function pick(t)
  local by_name = {}
  for _, row in ipairs(t.instruments or {}) do by_name[row.canonical] = by_name[row.canonical] or row end
  if t.options.symbol then
    local row = by_name[codec.canonical(t.options.symbol)]
    if not row then return fail("input", "the broker does not offer " .. t.options.symbol) end
    return row
  end
  for _, name in ipairs(favourites) do
    if by_name[name] then return by_name[name] end
  end
  return (t.instruments or {})[1]
end

local function look_at_market(t)
  local err, _
  t.instruments, t.skipped, err = read(t, "instruments", function(body)
    return codec.read_instruments(body, t.profile.name)
  end, codec.instruments())
  if err then return nil, err end
  t.instrument, err = pick(t)
  if err then return nil, err end
  if not t.instrument then return true end
  local symbol = t.instrument.symbol
  t.quotes, t.quotes_ms = nil, clock.wall_ms()
  t.quotes, _, err = read(t, "quotations", codec.read_quotations, codec.quotations({ symbol }))
  if err then return nil, err end
  local now = clock.wall_ms()
  for _, form in ipairs({ "range", "count" }) do
    t.candles[form], _, err = read(t, "candles", codec.read_candles,
      codec.candles_of({ candles = form }, symbol, "1m", now - 30 * MINUTE, now))
    if err then return nil, err end
  end
  return true
end

local function look_at_book(t)
  local err, _
  t.balance, _, err = read(t, "balance", codec.read_balance, codec.balance())
  if err then return nil, err end
  t.positions, _, err = read(t, "positions", codec.read_open_positions, codec.open_positions())
  if err then return nil, err end
  t.orders, _, err = read(t, "orders", codec.read_active_orders, codec.active_orders())
  if err then return nil, err end
  local now = clock.wall_ms()
  t.closed, _, err = read(t, "closed", codec.read_closed_positions, codec.closed_positions(now - 7 * DAY, now + MINUTE))
  if err then return nil, err end
  return true
end

-- Which of the known ways a renewal is answered, and whether it changes the account's token.
local function renew(t)
  local method, path, body = codec.refresh(t.profile)
  if not method then return true end
  local before = t.wire.cookies["co-auth"].value
  local answer, kind = ask(t, "renewal", t.wire.ask, nil, method, path, body)
  if not answer then return nil, kind end
  if kind.kind ~= "ok" then
    t.renewal = status_words(t, kind, answer)
    return true
  end
  local token = codec.read_refresh(answer.body)
  local full = answer.body ~= "" and codec.read_login(answer.body)
  t.renewal = full and #full.accounts > 0 and "a whole login" or token and "the token in the body"
    or t.wire.cookies["co-auth"].value ~= before and "a cookie" or "nothing new"
  t.wire:token(token)
  return true
end

local function log_out(t)
  local method, path, body = codec.logout(t.profile)
  if not method then return end
  local answer, err = t.wire:ask("logout", nil, method, path, body)
  if not answer then trouble(t, "logout", err.message) end
end

--- A tour that has not begun.
---@param options perigee.ProbeOptions
---@param w perigee.ProbeWire
function tour.new(options, w)
  w:secret(options.email)
  w:secret(options.password)
  return { options = options, profile = options.profile, wire = w, broker_id = options.broker_id, accounts = {},
    candles = {}, differences = {}, told = {}, typing = {}, troubles = {} }
end

--- Everything up to the end of the reads. Yields.
---@return true|nil, table|nil err
function tour.run(t)
  local steps = { find_broker_id, log_in, look_at_book, look_at_market }
  if t.options.renew and t.profile.renewal == "refresh" then steps[#steps + 1] = renew end
  for _, step in ipairs(steps) do
    local ok, err = step(t)
    if not ok then
      if t.accounts[1] then log_out(t) end
      return nil, err
    end
  end
  return true
end

--- The last of it.
tour.log_out = log_out

return tour
