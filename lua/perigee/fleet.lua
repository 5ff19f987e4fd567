-- SPDX-License-Identifier: MIT
-- The fleet: all users with their broker sessions and accounts. Each login's failure is its own: the others trade,
-- and it is tried again until it is there, or until somebody logs the user out, or the broker has refused the password.
-- An account takes entries only after its positions were read once.

local clock = require "perigee.clock"
local event = require "perigee.event"
local exec = require "perigee.exec"
local gate = require "perigee.session.gate"
local json = require "perigee.json"
local ledger = require "perigee.ledger"
local log = require "perigee.log"
local memory = require "perigee.memory"
local session = require "perigee.session"
local task = require "perigee.task"
local watch = require "perigee.watch"

local fleet = {}

local AT_ONCE = 16 -- reads
local UUID_MAX = 60
local RETRY = 2000 -- io ms after a login that failed, when nothing says how long

---@class perigee.User
---@field id integer             never used again
---@field key string             "broker:e-mail", the name in the journal
---@field broker string          profile
---@field email string
---@field name string|nil
---@field active boolean         false: it is not logged in
---@field broker_id string|nil
---@field account_ids string[]|nil  accounts that are wanted; nil: all of the login
---@field ids string[]           accounts that are known
---@field session perigee.Session
---@field logging_in Task|nil    a login on its way
---@field leaving Task|nil       a logout on its way
---@field out boolean|nil        logged out by our wish: it is not logged in by itself
---@field pursuit Task|nil       that logs in until it is there
---@field tasks Task[]           that keep its session alive and watch its accounts
---@field held string[]|nil      accounts that take no entries because of an edge block

---@class perigee.Fleet
---@field users perigee.User[]
---@field members table<string, { user: perigee.User, session: perigee.Session, account: table, known: boolean }>
---  accounts of open sessions
local Fleet = {}
Fleet.__index = Fleet

local function fail(code, message)
  return nil, { code = code, message = message, source = "fleet", retry = "safe" }
end

---@class perigee.FleetOptions
---@field profile perigee.BrokerProfile
---@field origin string
---@field users table[]                 records: id, broker, email, name, active, broker_id, account_ids, password
---@field answer_timeout_ms integer
---@field logins_at_once integer|nil
---@field logins_per_minute integer|nil  of all users; nil: the profile's
---@field logins_per_hour integer|nil    of one user; nil: the profile's
---@field saved fun(id: integer): table|nil  tokens of a former life, of a user
---@field periods { positions: integer, idle: integer, balance: integer }  of the reads, market ms
---@field spawn fun(name: string, fn: function, ...): Task  starts a task that is kept running
---@field on_tokens fun(user: perigee.User)|nil   the tokens of its session have changed
---@field on_joined fun()|nil                     accounts were added while the fleet runs

local function tell_user(user)
  event.emit("user_added", { user = user.key, broker = user.broker, id = user.id, name = user.name or "",
    email = user.email, active = user.active, broker_id = user.broker_id or "" })
end

-- Accounts that an earlier life knew: their positions are shown before the login succeeds.
local function known_before(key)
  local ids = {}
  for _, id in ipairs(ledger.accounts()) do
    if ledger.account(id).user == key then ids[#ids + 1] = id end
  end
  return ids
end

-- ---- edge blocks ---------------------------------------------------------------------------------

local function held_name(user) return "edge_block:" .. user.key end

-- The accounts take no entries while the edge refuses us. Which ones were paused for it is remembered: what an operator
-- has paused stays so.
local function hold(user)
  local held = json.array()
  for _, id in ipairs(user.ids) do
    local known = ledger.account(id)
    if known and not known.paused then
      event.emit("account_state", { account = id, state = "paused", reason = "edge block" })
      held[#held + 1] = id
    end
  end
  if #held == 0 then return end
  user.held = held
  event.emit("policy_state", { name = held_name(user), value = json.encode(held) })
end

local function release(user)
  if not user.held then return end
  for _, id in ipairs(user.held) do
    local known = ledger.account(id)
    if known and known.paused then
      event.emit("account_state", { account = id, state = "active", reason = "a read works again" })
    end
  end
  event.emit("policy_state", { name = held_name(user), value = "[]" })
  user.held = nil
end

local function held_before(user)
  local held = json.decode(memory.get(held_name(user)) or "[]")
  return type(held) == "table" and #held > 0 and held or nil
end

-- ---- users ---------------------------------------------------------------------------------------

local function enter(self, record)
  local o = self.options
  local user = { id = record.id, key = record.broker .. ":" .. record.email, broker = record.broker,
    email = record.email, name = record.name, active = record.active, broker_id = record.broker_id,
    account_ids = record.account_ids, tasks = {} }
  user.ids = record.account_ids and { table.unpack(record.account_ids) } or known_before(user.key)
  user.session = session.new { profile = o.profile, origin = o.origin, email = record.email,
    password = record.password, broker_id = record.broker_id, account_ids = record.account_ids,
    answer_timeout_ms = o.answer_timeout_ms, user_id = record.id, gate = self.gate,
    saved = o.saved and o.saved(record.id), on_tokens = o.on_tokens and function() o.on_tokens(user) end,
    on_edge = function(blocked) if blocked then hold(user) else release(user) end end }
  user.held = held_before(user)
  for _, id in ipairs(user.ids) do self.owners[id] = self.owners[id] or user end
  self.users[#self.users + 1] = user
  tell_user(user)
  return user
end

--- A fleet that is not logged in yet.
---@param options perigee.FleetOptions
---@return perigee.Fleet
function fleet.new(options)
  local self = setmetatable({ options = options, users = {}, owners = {}, members = {}, turn = 0, running = false },
    Fleet)
  self.gate = gate.new { per_minute = options.logins_per_minute or options.profile.logins_per_minute,
    per_hour = options.logins_per_hour or options.profile.logins_per_hour }
  for _, record in ipairs(options.users) do enter(self, record) end
  return self
end

---@param id integer
---@return perigee.User|nil
function Fleet:user(id)
  for _, user in ipairs(self.users) do
    if user.id == id then return user end
  end
end

--- Whose account it is.
---@param account string
---@return perigee.User|nil
function Fleet:owner(account) return self.owners[account] end

-- ---- logins --------------------------------------------------------------------------------------

-- Accounts of a login; one that another login holds already stays with that one.
local function own_accounts(self, user)
  local s, kept, ids = user.session, {}, {}
  for _, account in ipairs(s.accounts) do
    local m = self.members[account.id]
    if m and m.user ~= user then
      event.emit("notice", { level = "warn", component = "fleet", text = ("account %s of %s is served by the login of "
        .. "%s already"):format(account.id, user.key, m.user.key) })
    else
      kept[#kept + 1], ids[#ids + 1] = account, account.id
    end
  end
  if #kept < #s.accounts then s.accounts, s.wanted = kept, ids end
  return kept
end

-- What the broker has changed of an account since it was last seen; the account_added that follows takes it over.
local function tell_changes(account)
  local was = ledger.account(account.id)
  for _, name in ipairs(was and { "currency", "leverage" } or {}) do
    local now, before = account[name], was[name]
    if now ~= nil and before ~= nil and now ~= before and before ~= "" and before ~= 0 then
      event.emit("notice", { level = "warn", component = "session",
        text = ("account %s: its %s is %s now, and was %s"):format(account.id, name, now, before) })
    end
  end
end

-- Accounts of the user that are not of the login any more stay in sight when the book knows them: what is open there
-- can be closed by nobody here, and that is said.
local function keep_in_sight(self, user, before)
  local there = {}
  for _, id in ipairs(user.ids) do there[id] = true end
  for _, id in ipairs(before) do
    local m = self.members[id]
    if not there[id] and not (m and m.user ~= user) and ledger.account(id) then
      user.ids[#user.ids + 1] = id
      local open = ledger.exposure_count(id)
      if open > 0 then
        event.emit("notice", { level = "error", component = "fleet", text = ("account %s is not of the login of %s any "
          .. "more; %d positions or entries of it cannot be closed from here"):format(id, user.key, open) })
      end
    end
  end
end

-- A session that has logged in: its accounts enter the ledger, its order lanes open.
local function join(self, user)
  local s = user.session
  local accounts, before = own_accounts(self, user), user.ids
  user.ids = {}
  for i, account in ipairs(accounts) do
    user.ids[i] = account.id
    tell_changes(account)
    event.emit("account_added", { account = account.id, user = s.user, broker = s.profile.name,
      currency = account.currency, leverage = account.leverage, system = account.system, group = account.group,
      uuid = account.uuid and account.uuid:sub(1, UUID_MAX), user_id = user.id })
    self.members[account.id] = { user = user, session = s, account = account, known = false }
    self.owners[account.id] = user
  end
  keep_in_sight(self, user, before)
  s:activate()
end

local function became_known(m)
  if m.known then return end
  m.known = true
  if not m.session.block.on then release(m.user) end -- of a former life
  event.emit("account_read", { account = m.account.id, session = m.session.id })
end

local function read_member(m)
  local ok, err = watch.first(m.session, m.account)
  if ok then became_known(m) end
  return ok, err
end

-- Reads accounts at once; the reason of the last that could not be read.
local function read_members(members)
  local jobs, why = {}, nil
  for i, m in ipairs(members) do jobs[i] = function() return read_member(m) end end
  for i, result in ipairs(task.all(jobs, AT_ONCE) or {}) do
    if not result.ok or not result[1] then
      why = result.ok and result[2] or result.err
      why = type(why) == "table" and why.message or tostring(why)
      log.warn("fleet", ("account %s cannot be read yet: %s"):format(members[i].account.id, why))
    end
  end
  return why
end

local function members_of(self, user)
  local list = {}
  for _, id in ipairs(user.ids) do
    local m = self.members[id]
    if m and m.user == user then list[#list + 1] = m end
  end
  return list
end

local function stop_watching(user)
  for _, t in ipairs(user.tasks) do t:cancel() end
  user.tasks = {}
end

-- Keeps a session alive and its accounts watched.
local function keep(self, user)
  local s, o = user.session, self.options
  stop_watching(user) -- of a session that had to be logged in anew
  user.tasks = { o.spawn("session", s.keep, s) }
  for _, m in ipairs(members_of(self, user)) do
    user.tasks[#user.tasks + 1] = o.spawn("watch", watch.run, s, m.account, o.periods, function() became_known(m) end,
      not m.known)
  end
end

local function log_in(self, user, asked)
  local s = user.session
  local ok, err = s:login(asked)
  if not ok then return nil, err end
  if not user.active or self:user(user.id) ~= user then
    s:leave()
    s:logout("removed")
    return fail("closed", "the user was taken away meanwhile")
  end
  join(self, user)
  if self.running then
    if self.options.on_joined then self.options.on_joined() end
    read_members(members_of(self, user))
    if s.open then keep(self, user) end
  end
  return true
end

-- Waits for a logout that is on its way: it would take the tokens of a session that opens meanwhile.
local function after_logout(user)
  while user.leaving and not user.leaving:done() do
    local finished, err = user.leaving:join()
    if not finished and err.code == "cancelled" then return nil, err end
  end
  return true
end

--- Logs a user in, after a logout that is on its way; several callers at once share one login. Nothing happens when
--- the session is open. Yields.
---@param user perigee.User
---@param asked boolean|nil  by an operator: what keeps the engine from logging in by itself does not hold
---@return true|nil, table|nil err
function Fleet:login(user, asked)
  local free, cancelled = after_logout(user)
  if not free then return nil, cancelled end
  if user.session.open then return true end
  if asked then user.out = false end
  local finished, ok, err = task.shared(user, "logging_in", log_in, self, user, asked)
  if not finished then
    if type(ok) == "table" and ok.code == "cancelled" then return nil, ok end
    error(("login of %s: %s"):format(user.key, tostring(ok)), 0)
  end
  return ok, err
end

-- Tries a login that failed again and again, as long as its session says that it may pass; `wait` ms later at first.
local function late(self, user, wait)
  while not user.session.open do
    if not task.sleep(wait, "io") or user.out then return end
    local ok, err = self:login(user)
    if not ok and (err.code == "cancelled" or user.session.refused) then return end
    wait = err and err.retry_after_ms or RETRY
  end
end

--- Logs in by itself from now on: at once, and again until it is there.
---@param user perigee.User
function Fleet:pursue(user)
  if user.pursuit then user.pursuit:cancel() end
  user.out = false
  user.pursuit = self.options.spawn("login", function()
    local ok, err = self:login(user)
    if not ok and err.code ~= "cancelled" and not user.session.refused then
      late(self, user, err.retry_after_ms or RETRY)
    end
  end)
end

--- Logs all active users in at once that are not, but those whose password the broker has refused. Yields.
---@return integer|nil open, table|nil err  when not one is logged in
function Fleet:open()
  local jobs, waiting = {}, {}
  for _, user in ipairs(self.users) do
    if user.active and not user.session.open and not user.session.refused then
      waiting[#waiting + 1] = user
      jobs[#jobs + 1] = function() return self:login(user) end
    end
  end
  for i, result in ipairs(task.all(jobs, self.options.logins_at_once or AT_ONCE) or {}) do
    if not result.ok then -- a fault of ours; the other logins are not to blame, and it is tried again
      event.emit("notice", { level = "error", component = "fleet",
        text = ("login of %s broke: %s"):format(waiting[i].key, tostring(result.err):match("^[^\n]*")) })
      waiting[i].session.last_error = waiting[i].session.last_error or "the login broke"
    end
  end
  local open, why = 0, nil
  for _, user in ipairs(self.users) do
    open = open + (user.session.open and 1 or 0)
    why = why or user.session.last_error
  end
  if open > 0 then return open end
  return fail("unreachable", ("not one of %d logins succeeded at %s: %s"):format(#waiting, self.options.origin,
    why or "no user is active"))
end

--- Reads positions and balance of every account that is logged in, all at once: what was open before is known
--- before anything new is opened. Yields.
---@return integer|nil known, table|nil err  when not one could be read
function Fleet:read()
  local members = {}
  for _, user in ipairs(self.users) do
    for _, m in ipairs(members_of(self, user)) do
      if not m.known then members[#members + 1] = m end
    end
  end
  local why = read_members(members)
  local known = #self:active()
  if known > 0 then return known end
  return fail("unreachable", "not one account can be read: " .. (why or "none is logged in"))
end

--- From now on every session is kept alive and every account watched.
function Fleet:run()
  self.running = true
  for _, user in ipairs(self.users) do
    if user.session.open then
      keep(self, user)
    elseif user.active and not user.session.refused then
      user.pursuit = self.options.spawn("login", late, self, user, RETRY)
    end
  end
end

-- ---- logouts -------------------------------------------------------------------------------------

--- Orders of accounts that are on their way: INTENT or SENT.
---@param ids string[]
---@return integer
function fleet.in_flight(ids)
  local mine, count = {}, 0
  for _, id in ipairs(ids) do mine[id] = true end
  for _, o in ipairs(exec.in_flight() > 0 and ledger.orders(0) or {}) do
    if mine[o.account] and (o.state == "INTENT" or o.state == "SENT") then count = count + 1 end
  end
  return count
end

-- What is in flight gets its answer before the lanes close.
local function settle(self, user)
  local until_ms = clock.io_ms() + self.options.answer_timeout_ms
  while fleet.in_flight(user.ids) > 0 and clock.io_ms() < until_ms do
    if not task.sleep(10, "io") then return end
  end
end

local function stop_tasks(user)
  stop_watching(user)
  if user.pursuit then user.pursuit:cancel() end
  user.pursuit = nil
end

local function log_out(self, user, reason)
  local s = user.session
  settle(self, user)
  s:leave()
  task.finish(user, "logging_in")
  stop_tasks(user) -- of a login that was on its way
  for _, m in ipairs(members_of(self, user)) do self.members[m.account.id] = nil end
  release(user)
  s:logout(reason)
end

--- Logs a user out: its accounts take no entries from this moment on, its positions stay known. A login by itself
--- ends, too. Yields.
---@param user perigee.User
---@param reason string  "operator", "deactivated", "removed"
function Fleet:logout(user, reason)
  user.out, user.session.open = true, false
  stop_tasks(user)
  local finished, err = task.shared(user, "leaving", log_out, self, user, reason)
  if not finished then error(("logout of %s: %s"):format(user.key, tostring(err)), 0) end
end

--- Adds a user; when it is active it is logged in in the background.
---@param record table  see perigee.FleetOptions
---@return perigee.User
function Fleet:add(record)
  local user = enter(self, record)
  if user.active then self:pursue(user) end
  return user
end

--- After a user's record has changed. Who was logged out by hand stays out, unless it is activated. Yields when it was
--- deactivated.
---@param user perigee.User
---@param record table
function Fleet:change(user, record)
  local before, s = user.active, user.session
  local corrected = s.refused and s.password ~= record.password
  user.name, user.active = record.name, record.active
  s:set_password(record.password) -- tells the vault, which has forgotten the session of the old one
  tell_user(user)
  if before and not user.active then
    self:logout(user, "deactivated")
  elseif user.active and not s.open and not (before and user.out) and (corrected or not s.refused) then
    self:pursue(user)
  end
end

--- Takes a logged-out user away.
---@param user perigee.User
function Fleet:remove(user)
  for i, other in ipairs(self.users) do
    if other == user then table.remove(self.users, i) break end
  end
  for id, owner in pairs(self.owners) do
    if owner == user then self.owners[id] = nil end
  end
  event.emit("user_removed", { user = user.key, id = user.id })
end

--- The broker's edge has refused a write of an account: its user rests as if a read had been refused.
---@param account string
---@param what string   that was sent
function Fleet:edge_refused(account, what)
  local m = self.members[account]
  if m then m.session:blocked(what) end
end

-- ---- who can be asked, who may trade -------------------------------------------------------------

-- For how long nothing may be asked of an account: its budget is full, or rests because the broker has asked for it.
local function wait_of(account)
  local _, _, wait, scopes = exec.budget(account)
  for _, scope in ipairs(scopes) do wait = math.max(wait, scope.rest_ms) end
  return wait
end

--- A session and an account of it that can be asked for what is the same for all: one whose budget has room, else the
--- one that has it first. One that the edge refuses rests; when its pause is over, what is asked for may be the request
--- that tries.
---@return perigee.Session|nil, table|nil account
function Fleet:pick()
  local count, now = #self.users, clock.io_ms()
  local chosen, account, least
  for i = 0, count - 1 do
    local s = self.users[(self.turn + i) % count + 1].session
    for _, a in ipairs(s.open and not s.block:rests(now) and s.accounts or {}) do
      local wait = wait_of(a.id)
      if wait <= 0 then return s, a end
      if not least or wait < least then chosen, account, least = s, a, wait end
    end
  end
  return chosen, account
end

--- The next pick begins at another session: after a read of the last one has failed.
function Fleet:rotate()
  self.turn = (self.turn + 1) % math.max(#self.users, 1)
end

--- Accounts that may open positions now.
---@return string[]
function Fleet:active()
  local list = {}
  for _, user in ipairs(self.users) do
    if user.session.open then
      for _, id in ipairs(user.ids) do
        local m = self.members[id]
        if m and m.known and m.user == user and not m.account.lost then list[#list + 1] = id end
      end
    end
  end
  return list
end

--- All accounts that are known, in the order of the users.
---@return string[]
function Fleet:accounts()
  local list = {}
  for _, user in ipairs(self.users) do
    for _, id in ipairs(user.ids) do list[#list + 1] = id end
  end
  return list
end

--- Rows of the accounts for the `engine_ready` event, canonical JSON.
---@return string
function Fleet:describe()
  local rows = {}
  for _, id in ipairs(self:accounts()) do
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
