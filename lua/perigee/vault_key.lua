-- SPDX-License-Identifier: MIT
-- The key that seals secrets: from SECRET_KEY, or a file of 32 random bytes that only its owner may read.

local crypto = require "perigee.crypto"
local fs = require "perigee.fs"
local process = require "perigee.process"

local vault_key = {}

local SIZE = 32
local OTHERS = tonumber("077", 8)
local MINE = tonumber("600", 8)

local function fail(message)
  return nil, { code = "input", message = message, source = "vault", retry = "no" }
end

local function make(path)
  local key = crypto.key()
  local ok, err = fs.replace(path, key, MINE)
  if not ok then return fail(("the key of the vault cannot be written: %s"):format(err.message)) end
  return key
end

---@class perigee.VaultKeyOptions
---@field file string          path of the key file
---@field secret string|nil    a text that the key is derived from; then there is no file
---@field create boolean|nil   a file that is not there is made

--- The key: 32 bytes.
---@param options perigee.VaultKeyOptions
---@return string|nil key, table|nil err
function vault_key.load(options)
  if options.secret and options.secret ~= "" then return crypto.derive(options.secret) end
  local path = options.file
  if not fs.exists(path) then
    if options.create then return make(path) end
    return fail(("the key of the vault, %s, is not there; put it back, or give SECRET_KEY if it was made from that")
      :format(path))
  end
  local stat, err = fs.stat(path)
  if not stat then return fail(("the key of the vault cannot be read: %s"):format(err.message)) end
  if stat.kind ~= "file" then return fail(("the key of the vault, %s, is no file"):format(path)) end
  if stat.mode & OTHERS ~= 0 then
    return fail(("others may read the key of the vault, %s (mode %03o); allow only its owner: chmod 600"):format(path,
      stat.mode & tonumber("777", 8)))
  end
  if stat.uid ~= process.uid() then
    return fail(("the key of the vault, %s, belongs to another user of the system"):format(path))
  end
  local key
  key, err = fs.read(path)
  if not key then return fail(("the key of the vault cannot be read: %s"):format(err.message)) end
  if #key ~= SIZE then
    return fail(("the key of the vault, %s, has %d bytes instead of %d; it was damaged or is another file"):format(path,
      #key, SIZE))
  end
  return key
end

return vault_key
