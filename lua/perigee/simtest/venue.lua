-- SPDX-License-Identifier: MIT
-- The broker of a fault run: the paper broker behind the fake network, with faults at its door, and a record of what
-- it really did, which is what the engine is judged by.

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"
local fs = require "perigee.fs"
local httpd = require "perigee.httpd"
local json = require "perigee.json"
local rng = require "perigee.rng"
local sim = require "perigee.sim"
local task = require "perigee.task"
local brokers = require "perigee.simulator.broker"
local customers = require "perigee.simulator.accounts"
local routes = require "perigee.simulator.routes"

local venue = {}

local ADDRESS_HOST, ADDRESS_PORT = "127.0.0.1", 8080
local KEPT = 20000 -- exchanges that are kept for a trace

---@class perigee.simtest.Opened
---@field id string
---@field account string
---@field symbol string
---@field side string
---@field volume string
---@field stop string
---@field target string
---@field ours boolean      a request of the engine opened it; else a hand
---@field pending string|nil  the pending order that it was
---@field at_ms integer     market ms

---@class perigee.simtest.Rested  a pending order, as it was created
---@field id string
---@field account string
---@field symbol string
---@field side string
---@field type string
---@field volume string
---@field price string
---@field stop string
---@field target string
---@field ours boolean
---@field position string|nil  what it was triggered into, as far as that was seen
---@field by_hand boolean|nil  a hand has cancelled it

---@class perigee.simtest.Venue
---@field sim any           the real book; use it to look, and for what a customer does by hand
---@field opened perigee.simtest.Opened[]       in order
---@field by_id table<string, perigee.simtest.Opened>
---@field rested table<string, perigee.simtest.Rested>  every pending order that there was
---@field rested_list perigee.simtest.Rested[]          the same, in order
---@field lists table<string, integer[]>   as `reads`, of its lists of pending orders
---@field reads table<string, integer[]>   market ms of each account's lists of positions that were answered well
---@field exchanges table[] ring of the newest exchanges
local Venue = {}
Venue.__index = Venue

local function text(value) return tostring(decimal.new(value)) end

local function remember(self, ours, id, account, symbol, side, volume, stop, target)
  local o = { id = id, account = account, symbol = symbol, side = side, volume = text(volume), stop = text(stop or 0),
    target = text(target or 0), ours = ours, at_ms = self.sim:now() }
  self.opened[#self.opened + 1], self.by_id[id] = o, o
  if self.on_opened then self.on_opened(o) end
end

local function remember_pending(self, ours, id, account, symbol, side, type, volume, price, stop, target)
  local o = { id = id, account = account, symbol = symbol, side = side, type = type, volume = text(volume),
    price = text(price), stop = text(stop or 0), target = text(target or 0), ours = ours }
  self.rested[id], self.rested_list[#self.rested_list + 1] = o, o
  if self.on_rested then self.on_rested(o) end
end

-- Positions that nobody opened: pending orders that were triggered.
local function find_triggered(self)
  if #self.rested_list == 0 then return end
  for _, account in ipairs(self.ids) do
    for _, p in ipairs(self.sim:positions(account)) do
      local from = not self.by_id[p.id] and self.rested[p.order]
      if from then
        local o = { id = p.id, account = account, symbol = p.symbol, side = p.side, volume = p.volume, stop = p.stop,
          target = p.target, ours = from.ours, pending = from.id, at_ms = p.opened_ms }
        self.opened[#self.opened + 1], self.by_id[p.id], from.position = o, o, p.id
        if self.on_opened then self.on_opened(o) end
      end
    end
  end
end

-- The book as the HTTP face sees it: what it does by a request is recorded.
local function recorded(self)
  local real, methods = self.sim, {}
  function methods.open_position(_, account, symbol, side, volume, stop, target)
    local id, code, why = real:open_position(account, symbol, side, volume, stop, target)
    if id then
      -- With order ids of its own the book answers one of those; the position is the newest of the account.
      local rows = real:positions(account)
      remember(self, true, rows[#rows].id, account, symbol, side, volume, stop, target)
    end
    return id, code, why
  end
  function methods.close_position(_, account, id, symbol, side, volume)
    local order, code, why = real:close_position(account, id, symbol, side, volume)
    if order and self.on_closed then
      self.on_closed { id = id, account = account, volume = volume and text(volume) or nil }
    end
    return order, code, why
  end
  function methods.pending_create(_, account, symbol, side, type, ...)
    local id, code, why = real:pending_create(account, symbol, side, type, ...)
    if id then remember_pending(self, true, id, account, symbol, side, type, ...) end
    return id, code, why
  end
  return setmetatable({}, { __index = function(proxy, name)
    local method = methods[name] or function(_, ...) return real[name](real, ...) end
    rawset(proxy, name, method)
    return method
  end })
end

-- How this broker speaks, drawn: types, keys, renewals and answers.
local function draw_profile(seed)
  local r = rng.new(seed, "profile")
  local function word(key, ...)
    local values = { ... }
    return key .. values[r:range(1, #values)]
  end
  return table.concat({ word("", "strings", "numbers", "mixed"), word("cookie=", "required", "optional"),
    word("keys=", "door", "tradingAccounts", "accounts"), word("refresh=", "cookie", "token", "full", "401"),
    word("message=", "empty", "null"), word("order=", "position", "own") }, ",")
end

local function write_logins(path, list)
  local users, rows = {}, {}
  for i, account in ipairs(list) do
    local user = users[account.user]
    if not user then
      user = { password = "secret-of-" .. account.user, accounts = {} }
      users[account.user] = user
    end
    user.accounts[#user.accounts + 1] = account.id
    rows[i] = json.object { { "email", json.string(account.user) }, { "password", json.string(user.password) },
      { "brokerId", json.string("0") }, { "tradingAccountId", json.string(account.id) } }
  end
  assert(fs.replace(path, json.list(rows)))
  return users
end

---@param options { seed: integer, folder: string, accounts: integer }
---@return perigee.simtest.Venue
function venue.open(options)
  local data = options.folder .. "/broker"
  fs.mkdir(data .. "/sim")
  local list = customers.list(options.accounts)
  local self = setmetatable({ opened = {}, by_id = {}, rested = {}, rested_list = {}, reads = {}, lists = {},
    exchanges = {}, next_exchange = 0, data = data,
    logins = data .. "/logins.json", address = ADDRESS_HOST .. ":" .. ADDRESS_PORT, ids = {}, list = list }, Venue)
  self.sim = assert(sim.open { data = data, seed = options.seed })
  for i, account in ipairs(list) do self.ids[i] = account.id end
  self.broker = assert(brokers.new { sim = recorded(self), users = write_logins(self.logins, list), accounts = list,
    profile = draw_profile(options.seed), seed = options.seed })
  return self
end

--- Whose request the bytes are: by the api token, the e-mail of a login, the cookie of a renewal; nil: nobody's.
---@param bytes string
---@return string|nil account  the first of a login
function Venue:account_of(bytes)
  local sessions = self.broker.sessions
  local api = bytes:match("\r\n[Aa]uth%-trading%-api: ([^\r]+)")
  local entry = api and sessions.by_api[api]
  if entry then return entry.account end
  local email = bytes:match('"email":"([^"]+)"')
  local refresh = not email and bytes:match("[ ;]rt=([^;\r]+)")
  local s = refresh and sessions.by_refresh[refresh]
  local user = sessions.users[email or s and s.email or ""]
  return user and user.accounts[1]
end

-- ---- serving -------------------------------------------------------------------------------------

--- Market time of the book is the clock's.
function Venue:advance()
  assert(self.sim:advance(clock.market_ms()))
  find_triggered(self)
end

--- What the trace shows of an exchange.
---@param row table
function Venue:note(row)
  row.at_ms = clock.io_ms()
  self.next_exchange = self.next_exchange % KEPT + 1
  self.exchanges[self.next_exchange] = row
  return row
end

--- Those that are kept, oldest first.
---@return table[]
function Venue:history()
  local out, count = {}, #self.exchanges
  local first = count < KEPT and 0 or self.next_exchange
  for i = 1, count do out[i] = self.exchanges[(first + i - 1) % count + 1] end
  return out
end

-- One request, with what goes wrong at the door: refused instead of executed, executed and answered wrongly, or
-- executed after a while in which the client may have given up.
local function handle(self, faults, req)
  self:advance()
  local api = req:header("auth-trading-api")
  local entry = api and self.broker.sessions.by_api[api]
  local account = entry and entry.account
  local row = self:note { account = account, what = req:method() .. " " .. req:path():match("[^/]*/?[^/]*$") }
  local refusal, wait_ms = faults:refusal(account, clock.io_ms())
  if refusal and refusal.before then
    row.status, row.fault = refusal.status, "refused"
    return refusal.status, refusal.headers, refusal.body
  end
  local call = routes.admit(self.broker, req)
  if wait_ms then
    row.fault = ("executed %d ms late"):format(wait_ms)
    task.sleep(wait_ms, "io")
    self:advance()
  end
  local status, headers, body = call.act()
  row.status, row.done_ms = status, clock.io_ms()
  local path = req:path()
  local list = path:match("/open%-positions$") and self.reads or path:match("/active%-orders$") and self.lists
  if account and status == 200 and list then
    local times = list[account] or {}
    times[#times + 1], list[account] = self.sim:now(), times
  end
  if refusal then
    row.fault = "executed, answered " .. refusal.status
    return refusal.status, refusal.headers, refusal.body
  end
  return status, headers, body
end

--- Takes requests from now on.
---@param faults perigee.simtest.Faults
function Venue:serve(faults)
  self.server = assert(httpd.listen { host = ADDRESS_HOST, port = ADDRESS_PORT,
    handler = function(req) return handle(self, faults, req) end })
end

function Venue:close()
  if self.server then self.server:close() end
  self.sim:close()
end

-- ---- what customers do by hand -------------------------------------------------------------------

---@return string|nil id
function Venue:hand_open(account, side, volume, stop, target)
  self:advance()
  local id = self.sim:open_position(account, "BTCUSD", side, volume, stop, target)
  if not id then return nil end
  local rows = self.sim:positions(account)
  id = rows[#rows].id
  remember(self, false, id, account, "BTCUSD", side, volume, stop, target)
  return id
end

--- A full close (volume nil) or a part of it.
function Venue:hand_close(position, volume)
  self:advance()
  return self.sim:close_position(position.account, position.id, position.symbol, position.side, volume)
end

---@return string|nil id
function Venue:hand_pend(account, side, type, volume, price, stop, target)
  self:advance()
  local id = self.sim:hand_pending_create(account, "BTCUSD", side, type, volume, price, stop, target)
  if id then remember_pending(self, false, id, account, "BTCUSD", side, type, volume, price, stop, target) end
  return id
end

--- Another price for what rests.
function Venue:hand_pend_edit(o, price)
  self:advance()
  return self.sim:hand_pending_edit(o.account, o.id, o.symbol, o.side, o.volume, price, o.stop, o.target)
end

function Venue:hand_pend_cancel(o)
  self:advance()
  local done = self.sim:hand_pending_cancel(o.account, o.id, o.symbol)
  if done then self.rested[o.id].by_hand = true end
end

--- The position that a pending order was triggered into, open or closed; nil: none.
---@param rested perigee.simtest.Rested
---@return string|nil
function Venue:became(rested)
  if rested.position then return rested.position end
  for _, c in ipairs(self.sim:closed(rested.account, 0, self.sim:now())) do
    if c.order == rested.id then rested.position = c.id end
  end
  return rested.position
end

---@param rested perigee.simtest.Rested
---@return boolean
function Venue:rests(rested)
  for _, o in ipairs(self.sim:pendings(rested.account)) do
    if o.id == rested.id then return true end
  end
  return false
end

-- Rows of all accounts, by account and in their order, each with its account.
local function of_all(self, list)
  local out = {}
  for _, id in ipairs(self.ids) do
    for _, row in ipairs(list(self.sim, id)) do
      row.account = id
      out[#out + 1] = row
    end
  end
  return out
end

--- All pending orders that rest, by account and in order of their creation.
---@return table[]
function Venue:pendings() return of_all(self, self.sim.pendings) end

--- All open positions, by account and in order of opening.
---@return table[]
function Venue:positions() return of_all(self, self.sim.positions) end

--- The broker's own ledger from its file, by our own reader: rows of texts.
---@return table[]
function Venue:ledger()
  local rows, names = {}, nil
  for line in assert(fs.read(self.data .. "/sim/ledger.csv", 1 << 30)):gmatch("[^\n]+") do
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

return venue
