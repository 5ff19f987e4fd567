-- SPDX-License-Identifier: MIT
-- What a probe was asked to do, and with whose login: checked before the first byte leaves.

local fs = require "perigee.fs"
local logins = require "perigee.logins"
local process = require "perigee.process"
local profiles = require "perigee.venues.profiles"
local terminal = require "perigee.terminal"
local venues = require "perigee.venues"

local options = {}

local function fail(code, message)
  return nil, { code = code, message = message, source = "probe", retry = "no" }
end

-- An address that may stand in for the profile's: this machine only, so that a password goes nowhere else.
local function origin_of(profile, given)
  if not given then
    if profile.origin then return profile.origin end
    return fail("usage", ("profile %s has no address; give --origin http://127.0.0.1:PORT"):format(profile.name))
  end
  local port = given:match("^http://127%.0%.0%.1:(%d+)$") or given:match("^http://localhost:(%d+)$")
  if not port or tonumber(port) < 1 or tonumber(port) > 65535 then
    return fail("usage", "--origin takes an address of this machine only, such as http://127.0.0.1:7400; "
      .. "other addresses belong into a profile")
  end
  return given
end

-- A file of logins holds passwords: nobody else may read it.
local function from_file(path, email)
  local stat, err = fs.stat(path)
  if not stat then return fail("input", ("the logins in %s cannot be read: %s"):format(path, err.message)) end
  if stat.mode & tonumber("077", 8) ~= 0 or stat.uid ~= process.uid() then
    return fail("input", ("the logins in %s must be yours alone: chmod 600 %s"):format(path, path))
  end
  local list
  list, err = logins.read(path)
  if not list then return fail("input", err.message) end
  for _, login in ipairs(list) do
    if not email or login.email == email then return login end
  end
  return fail("input", ("%s holds no login of %s"):format(path, email))
end

local function from_person(email)
  if not terminal.interactive() then
    return fail("usage", "there is no terminal to ask for the password; give --credentials FILE (mode 0600)")
  end
  local password, err
  if not email then
    email, err = terminal.ask("e-mail: ", true)
    if not email then return fail("usage", err.message) end
  end
  if not email:match("^%S+@%S+$") then return fail("input", "that is no e-mail address") end
  password, err = terminal.ask("password: ", false)
  if not password then return fail("usage", err.message) end
  if password == "" then return fail("input", "the password is empty") end
  return { email = email, password = password }
end

local known = { ["--origin"] = "origin", ["--email"] = "email", ["--credentials"] = "credentials",
  ["--account"] = "account", ["--symbol"] = "symbol", ["--transcript"] = "transcript", ["--pilot"] = "pilot",
  ["--renew"] = "renew" }

---@class perigee.ProbeOptions
---@field profile perigee.BrokerProfile
---@field origin string
---@field email string
---@field password string
---@field broker_id string|nil
---@field account string|nil
---@field symbol string|nil
---@field transcript string|nil
---@field pilot boolean
---@field renew boolean

--- Reads what the command line says: a profile's name, then "--name=value".
---@return perigee.ProbeOptions|nil, table|nil err
function options.read(name, ...)
  local given = {}
  for _, word in ipairs({ ... }) do
    local key, value = word:match("^(%-%-%l+)=(.*)$")
    given[assert(known[key], word)] = value
  end
  if not name or name == "" then return fail("usage", "a probe needs the name of a broker profile") end
  local profile, err = profiles.get(name)
  if not profile then return nil, err end
  local venue
  venue, err = venues.of(profile)
  if not venue then return nil, err end
  local origin
  origin, err = origin_of(profile, given.origin)
  if not origin then return nil, err end
  if given.pilot and not terminal.interactive() then
    return fail("usage", "--pilot opens a position: it asks for the account's id at a terminal, and here is none")
  end
  local login
  if given.credentials then
    login, err = from_file(given.credentials, given.email)
  else
    login, err = from_person(given.email)
  end
  if not login then return nil, err end
  return { profile = profile, origin = origin, email = login.email, password = login.password,
    broker_id = login.broker_id or profile.broker_id, account = given.account, symbol = given.symbol,
    transcript = given.transcript, pilot = given.pilot == "true", renew = given.renew == "true" }
end

return options
