-- SPDX-License-Identifier: MIT
-- The fleet: all broker sessions and their accounts. Each login's failure is its own: the others trade, and it is
-- tried again until it is there. An account takes entries only after its positions were read once.

local event = require "perigee.event"
local fs = require "perigee.fs"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local log = require "perigee.log"
local session = require "perigee.session"
local task = require "perigee.task"
local watch = require "perigee.watch"

local fleet = {}

local AT_ONCE = 16

---@class perigee.Fleet
---@field ids string[]                       accounts in the order of the credentials
---@field sessions perigee.Session[]
---@field members table<string, { session: perigee.Session, account: table, known: boolean }>
local Fleet = {}
Fleet.__index = Fleet

local function fail(code, message)
  return nil, { code = code, message = message, source = "fleet", retry = "safe" }
end

-- The logins of a credentials file: one entry for each login, with its accounts.
local function read_credentials(path)
  local text, err = fs.read(path)
  if not text then return fail("unreachable", ("the logins in %s cannot be read: %s"):format(path, err.message)) end
  local rows = json.decode(text)
  if type(rows) ~= "table" or #rows == 0 then return fail("input", path .. ": holds no list of logins") end
  local logins, by_email = {}, {}
  for i, row in ipairs(rows) do
    if type(row) ~= "table" or type(row.email) ~= "string" or type(row.password) ~= "string" then
      return fail("input", ("%s: entry %d lacks email or password"):format(path, i))
    end
    local login = by_email[row.email]
    if not login then
      login = { email = row.email, password = row.password, broker_id = row.brokerId, account_ids = {} }
      by_email[row.email] = login
      logins[#logins + 1] = login
    end
    login.account_ids[#login.account_ids + 1] = tostring(row.tradingAccountId)
  end
  return logins
end

---@class perigee.FleetOptions
---@field profile perigee.BrokerProfile
---@field origin string
---@field credentials string            path
---@field answer_timeout_ms integer
---@field periods { positions: integer, idle: integer, balance: integer }  of the reads, market ms
---@field spawn fun(name: string, fn: function, ...)  starts a task that is kept running

--- A fleet that is not logged in yet.
---@param options perigee.FleetOptions
---@return perigee.Fleet|nil, table|nil err
function fleet.new(options)
  local logins, err = read_credentials(options.credentials)
  if not logins then return nil, err end
  local self = setmetatable({ options = options, sessions = {}, ids = {}, members = {}, turn = 0 }, Fleet)
  for i, login in ipairs(logins) do
    self.sessions[i] = session.new { profile = options.profile, origin = options.origin, email = login.email,
      password = login.password, broker_id = login.broker_id, account_ids = login.account_ids,
      answer_timeout_ms = options.answer_timeout_ms }
    for _, id in ipairs(login.account_ids) do self.ids[#self.ids + 1] = id end
  end
  return self
end

-- A session that has logged in: its accounts enter the ledger, its order lanes open.
local function join(self, s)
  event.emit("user_added", { user = s.user, broker = s.profile.name })
  for _, account in ipairs(s.accounts) do
    event.emit("account_added", { account = account.id, user = s.user, broker = s.profile.name,
      currency = account.currency, leverage = account.leverage, system = account.system, group = account.group })
    self.members[account.id] = { session = s, account = account, known = false }
  end
  s:activate()
end

--- Logs all in at once. Yields.
---@return integer|nil open, table|nil err  when not one succeeded
function Fleet:open()
  local jobs, waiting = {}, {}
  for _, s in ipairs(self.sessions) do
    if not s.open then
      waiting[#waiting + 1] = s
      jobs[#jobs + 1] = function() return s:login() end
    end
  end
  for i, result in ipairs(task.all(jobs, AT_ONCE)) do
    if not result.ok then error(("login of %s: %s"):format(waiting[i].user, tostring(result.err)), 0) end
    if result[1] then join(self, waiting[i]) end
  end
  local open = 0
  for _, s in ipairs(self.sessions) do open = open + (s.open and 1 or 0) end
  if open > 0 then return open end
  return fail("unreachable", ("not one of %d logins succeeded at %s: %s"):format(#self.sessions, self.options.origin,
    self.sessions[1].last_error or "no answer"))
end

--- A session and an account of it that can be asked for what is the same for all.
---@return perigee.Session|nil, table|nil account
function Fleet:pick()
  local count = #self.sessions
  for i = 0, count - 1 do
    local s = self.sessions[(self.turn + i) % count + 1]
    if s.open and s.accounts[1] then return s, s.accounts[1] end
  end
end

--- The next pick begins at another session: after a read of the last one has failed.
function Fleet:rotate()
  self.turn = (self.turn + 1) % #self.sessions
end

--- Accounts that may open positions now.
---@return string[]
function Fleet:active()
  local list = {}
  for _, id in ipairs(self.ids) do
    local m = self.members[id]
    if m and m.known and m.session.open then list[#list + 1] = id end
  end
  return list
end

--- Reads positions and balance of every account that is logged in, all at once: what was open before is known
--- before anything new is opened. Yields.
---@return integer|nil known, table|nil err  when not one could be read
function Fleet:read()
  local jobs, members = {}, {}
  for _, id in ipairs(self.ids) do
    local m = self.members[id]
    if m and not m.known then
      members[#members + 1] = m
      jobs[#jobs + 1] = function()
        local ok, err = watch.positions(m.session, m.account)
        if ok then ok, err = watch.balance(m.session, m.account) end
        return ok, err
      end
    end
  end
  local why
  for i, result in ipairs(task.all(jobs, AT_ONCE)) do
    if result.ok and result[1] then
      members[i].known = true
    else
      why = result.ok and result[2] or result.err
      why = type(why) == "table" and why.message or tostring(why)
      log.warn("fleet", ("account %s cannot be read yet: %s"):format(members[i].account.id, why))
    end
  end
  local known = #self:active()
  if known > 0 then return known end
  return fail("unreachable", "not one account can be read: " .. (why or "none is logged in"))
end

local function run_session(self, s)
  local spawn, periods = self.options.spawn, self.options.periods
  spawn("session", s.keep, s)
  for _, account in ipairs(s.accounts) do
    local m = self.members[account.id]
    spawn("watch", watch.run, s, account, periods, function() m.known = true end)
  end
end

-- Tries a login that failed again and again, with growing pauses.
local function late(self, s)
  local pause = 2000
  while task.sleep(pause, "io") do
    if s:login() then
      join(self, s)
      run_session(self, s)
      return
    end
    pause = math.min(pause * 2, 60000)
  end
end

--- From now on every session is kept alive and every account watched.
function Fleet:run()
  for _, s in ipairs(self.sessions) do
    if s.open then run_session(self, s) else self.options.spawn("login", late, self, s) end
  end
end

--- Rows of the accounts for the `engine_ready` event, canonical JSON.
---@return string
function Fleet:describe()
  local rows = {}
  for _, id in ipairs(self.ids) do
    local a = self.members[id] and ledger.account(id)
    if a then
      rows[#rows + 1] = json.object { { "id", json.string(id) }, { "user", json.string(a.user) },
        { "currency", json.string(a.currency) }, { "leverage", json.number(a.leverage) },
        { "balance", json.string(a.balance or "0") }, { "equity", json.string(a.equity or "0") } }
    end
  end
  return json.list(rows)
end

return fleet
