-- SPDX-License-Identifier: MIT
-- The vault: the users with their broker passwords and the tokens of their sessions, sealed, in one file of mode 0600
-- that is replaced as a whole. A record's secrets are bound to its user: bytes that are moved to another record do
-- not open. Ids rise and are never used again.
--
-- Passwords and tokens are read from it at the start. Tokens change often, so they are sealed and written by flush(),
-- which its owner calls when there is time.

local crypto = require "perigee.crypto"
local fs = require "perigee.fs"
local json = require "perigee.json"
local log = require "perigee.log"
local task = require "perigee.task"

local vault = {}

local VERSION = 1
local MINE = tonumber("600", 8)
local CHECK, CHECK_BOUND = "perigee", "vault"
local TOKENS = { "token", "trading_api_token", "session" }

---@class perigee.Vault
---@field users table[]   records, by id
local Vault = {}
Vault.__index = Vault

local function fail(code, message)
  return nil, { code = code, message = message, source = "vault", retry = "no" }
end

local function key_of(record) return record.broker .. ":" .. record.email end

local function bound(kind, record) return kind .. ":" .. key_of(record) end

-- ---- the file ------------------------------------------------------------------------------------

-- One record's text; kept with the record until it changes, because most do not change between two writes.
local function text_of(record)
  if record.text then return record.text end
  local fields = { accounts = record.account_ids, active = record.active, broker = record.broker,
    broker_id = record.broker_id, email = record.email, id = record.id, name = record.name, password = record.password,
    session = record.session, token = record.token, trading_api_token = record.trading_api_token }
  record.text = json.encode(fields)
  return record.text
end

local function write(self)
  local texts, removed = {}, {}
  for i, record in ipairs(self.users) do texts[i] = text_of(record) end
  for key in pairs(self.removed) do removed[#removed + 1] = key end
  table.sort(removed)
  for i, key in ipairs(removed) do removed[i] = json.string(key) end
  local text = json.object { { "version", json.number(VERSION) }, { "check", json.string(self.check) },
    { "next_id", json.number(self.next_id) }, { "removed", json.list(removed) },
    { "users", "[\n" .. table.concat(texts, ",\n") .. "\n]" } }
  local ok, err = fs.replace(self.path, text .. "\n", MINE)
  if not ok then return fail("failed", ("the vault cannot be written: %s"):format(err.message)) end
  return true
end

local types = { id = "number", broker = "string", email = "string", active = "boolean", password = "string" }

local function check_record(record)
  if type(record) ~= "table" then return "a user is no object" end
  for name, wanted in pairs(types) do
    if type(record[name]) ~= wanted then return ("a user has no %s"):format(name) end
  end
  for _, name in ipairs({ "name", "broker_id", "session", "token", "trading_api_token" }) do
    if record[name] ~= nil and type(record[name]) ~= "string" then
      return ("the %s of a user is no text"):format(name)
    end
  end
  if record.accounts ~= nil and type(record.accounts) ~= "table" then return "the accounts of a user are no list" end
end

-- Fills the vault from its text; what is wrong with it, or nil.
local function parse(self, text)
  local value = json.decode(text)
  if type(value) ~= "table" then return "it is no JSON object" end
  if value.version ~= VERSION then return ("its version is %s and not %d"):format(tostring(value.version), VERSION) end
  if type(value.check) ~= "string" or math.type(value.next_id) ~= "integer" or type(value.removed) ~= "table"
    or type(value.users) ~= "table" then
    return "a part of it is missing"
  end
  self.check, self.next_id = value.check, value.next_id
  for _, key in ipairs(value.removed) do self.removed[key] = true end
  local last = 0
  for i, record in ipairs(value.users) do
    local wrong = check_record(record)
    if wrong then return wrong end
    if record.id <= last or record.id >= self.next_id then return "the ids of its users are out of order" end
    last = record.id
    record.account_ids, record.accounts = record.accounts, nil
    self.users[i] = record
  end
end

local function read_file(self)
  local text, err = fs.read(self.path)
  if not text then return fail("input", ("the vault %s cannot be read: %s"):format(self.path, err.message)) end
  local wrong = parse(self, text)
  if wrong then
    return fail("input", ("the vault %s cannot be read: %s; bring back a copy, or move it away to begin anew"):format(
      self.path, wrong))
  end
  local sealed = crypto.unbase64(self.check)
  if not sealed or crypto.open(self.key, sealed, CHECK_BOUND) ~= CHECK then
    return fail("input", ("the vault %s was sealed by another key; give the key that belongs to it"):format(self.path))
  end
  return true
end

--- Opens the vault of a data folder; one that is not there is made.
---@param path string
---@param key string  32 bytes
---@return perigee.Vault|nil, table|nil err
function vault.open(path, key)
  local self = setmetatable({ path = path, key = key, users = {}, removed = {}, next_id = 1, waiting = {},
    changed = task.event() }, Vault)
  local ok, err
  if fs.exists(path) then
    ok, err = read_file(self)
  else
    self.check = crypto.base64(crypto.seal(key, CHECK, CHECK_BOUND))
    ok, err = write(self)
  end
  if not ok then return nil, err end
  return self
end

-- ---- records -------------------------------------------------------------------------------------

local function find(self, id)
  for i, record in ipairs(self.users) do
    if record.id == id then return record, i end
  end
end

local function seal(self, kind, record, plain)
  return crypto.base64(crypto.seal(self.key, plain, bound(kind, record)))
end

local function unseal(self, kind, record, text)
  local sealed = crypto.unbase64(text)
  local plain = sealed and crypto.open(self.key, sealed, bound(kind, record))
  if not plain then return nil end
  if kind == "password" or kind == "token" then log.mask(plain) end -- the others are JSON, masked word by word
  return plain
end

-- A record as its users need it: with the password in clear and without anything sealed.
local function opened(self, record)
  local password = unseal(self, "password", record, record.password)
  if not password then
    return fail("input", ("the password of %s in the vault %s does not open; somebody has changed or moved it")
      :format(key_of(record), self.path))
  end
  return { id = record.id, broker = record.broker, broker_id = record.broker_id, email = record.email,
    name = record.name, active = record.active, account_ids = record.account_ids, password = password }
end

--- All records, opened, by id.
---@return table[]|nil records, table|nil err
function Vault:records()
  local list = {}
  for i, record in ipairs(self.users) do
    local one, err = opened(self, record)
    if not one then return nil, err end
    list[i] = one
  end
  return list
end

local function insert(self, record)
  record.id = self.next_id
  self.next_id = record.id + 1
  self.users[#self.users + 1] = record
  self.removed[key_of(record)] = nil
end

-- With another password a session of the old one, or its refusal, means nothing to the next life.
local function forget_session(record)
  for _, name in ipairs(TOKENS) do record[name] = nil end
end

--- Takes logins of a file: those that are new and were never removed get an id, of those that are known the password
--- and the accounts follow the file.
---@param broker string
---@param logins perigee.Login[]
---@return integer|nil taken, table|nil err
function Vault:take(broker, logins)
  local by_key, taken, changed = {}, 0, false
  for _, record in ipairs(self.users) do by_key[key_of(record)] = record end
  for _, login in ipairs(logins) do
    local record = by_key[broker .. ":" .. login.email]
    if record then
      if unseal(self, "password", record, record.password) ~= login.password then
        record.password, record.text, changed = seal(self, "password", record, login.password), nil, true
        forget_session(record)
      end
      local accounts = json.encode(login.account_ids or json.null)
      if accounts ~= json.encode(record.account_ids or json.null) then
        record.account_ids, record.text, changed = login.account_ids, nil, true
      end
    elseif not self.removed[broker .. ":" .. login.email] then
      record = { broker = broker, broker_id = login.broker_id, email = login.email, active = true,
        name = login.email:match("^[^@]*"), account_ids = login.account_ids }
      record.password = seal(self, "password", record, login.password)
      insert(self, record)
      taken, changed = taken + 1, true
    end
  end
  if changed then
    local ok, err = write(self)
    if not ok then return nil, err end
  end
  return taken
end

-- The password that somebody sealed for this user, as it must be: it opens, and it is some text.
local function check_sealed(self, record, sealed)
  local plain = unseal(self, "password", record, sealed)
  if not plain or plain == "" then
    return fail("input", ("the sealed password of %s does not open with the key of the vault"):format(record.email))
  end
  return true
end

--- Adds a user.
---@param fields table  broker, email, sealed (base64 of crypto.seal(key, password, "password:<broker>:<email>")),
---  active, broker_id, name
---@return table|nil record, table|nil err
function Vault:add(fields)
  local record = { broker = fields.broker, broker_id = fields.broker_id, email = fields.email, name = fields.name,
    active = fields.active, password = fields.sealed }
  for _, other in ipairs(self.users) do
    if key_of(other) == key_of(record) then
      return fail("state", ("%s is there already, with the id %d"):format(record.email, other.id))
    end
  end
  local ok, err = check_sealed(self, record, fields.sealed)
  if not ok then return nil, err end
  local was_removed = self.removed[key_of(record)]
  insert(self, record)
  ok, err = write(self)
  if not ok then
    self.users[#self.users], self.next_id, self.removed[key_of(record)] = nil, record.id, was_removed
    return nil, err
  end
  return opened(self, record)
end

--- Changes what is given of name, active and sealed.
---@param id integer
---@param fields table
---@return table|nil record, table|nil err
function Vault:update(id, fields)
  local record = find(self, id)
  if not record then return fail("not_found", ("there is no user %d"):format(id)) end
  local before = { name = record.name, active = record.active, password = record.password, session = record.session,
    token = record.token, trading_api_token = record.trading_api_token }
  local ok, err = true, nil
  if fields.sealed then ok, err = check_sealed(self, record, fields.sealed) end
  if not ok then return nil, err end
  if fields.name ~= nil then record.name = fields.name ~= "" and fields.name or nil end
  if fields.active ~= nil then record.active = fields.active end
  if fields.sealed then forget_session(record) end
  record.password, record.text = fields.sealed or record.password, nil
  ok, err = write(self)
  if not ok then
    record.name, record.active, record.password, record.text = before.name, before.active, before.password, nil
    for _, name in ipairs(TOKENS) do record[name] = before[name] end
    return nil, err
  end
  return opened(self, record)
end

--- Forgets a user and everything sealed of it.
---@param id integer
---@return true|nil, table|nil err
function Vault:remove(id)
  local record, place = find(self, id)
  if not record then return fail("not_found", ("there is no user %d"):format(id)) end
  table.remove(self.users, place)
  self.removed[key_of(record)], self.waiting[id] = true, nil
  local ok, err = write(self)
  if not ok then
    table.insert(self.users, place, record)
    self.removed[key_of(record)] = nil
    return nil, err
  end
  return true
end

-- ---- tokens --------------------------------------------------------------------------------------

--- Remembers that the tokens of a user have changed; `tell` gives them when they are written: token,
--- trading_api_token and session as texts, nil for what there is not.
---@param id integer
---@param tell fun(): table<string, string>
function Vault:tokens_changed(id, tell)
  self.waiting[id] = tell
  self.changed:set()
end

--- Waits until there is something to flush. Yields; false: cancelled.
---@return boolean
function Vault:wait_changed()
  while not next(self.waiting) do
    if not self.changed:wait() then return false end
  end
  return true
end

--- Seals and writes what has changed since the last time. Does not yield.
---@return boolean|nil written, table|nil err
function Vault:flush()
  local ids = {}
  for id in pairs(self.waiting) do ids[#ids + 1] = id end
  if #ids == 0 then return false end
  table.sort(ids) -- each seal draws a nonce: in an order that repeats
  for _, id in ipairs(ids) do
    local record, tokens = find(self, id), self.waiting[id]()
    self.waiting[id] = nil
    if record then
      for _, name in ipairs(TOKENS) do
        record[name] = tokens[name] and seal(self, name, record, tokens[name]) or nil
      end
      record.text = nil
    end
  end
  return write(self)
end

--- What was kept of a user's session, opened: token, trading_api_token and session as texts. What does not open is left
--- out: a session can begin anew.
---@param id integer
---@return { token: string|nil, trading_api_token: string|nil, session: string|nil }|nil  nil: nothing was kept
function Vault:tokens(id)
  local record = find(self, id)
  if not record then return nil end
  local tokens = {}
  for _, name in ipairs(TOKENS) do
    tokens[name] = record[name] and unseal(self, name, record, record[name])
    if record[name] and not tokens[name] then
      log.warn("vault", ("the %s of %s in the vault does not open; its session begins anew"):format(name,
        key_of(record)))
    end
  end
  return next(tokens) and tokens or nil
end

--- The sealed bytes of every user, base64, still sealed.
---@return table[]
function Vault:sealed()
  local list, null = json.array(), json.null
  for i, record in ipairs(self.users) do
    list[i] = { id = record.id, user = key_of(record), password = record.password, session = record.session or null,
      token = record.token or null, trading_api_token = record.trading_api_token or null }
  end
  return list
end

return vault
