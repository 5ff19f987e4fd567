-- SPDX-License-Identifier: MIT
-- The vault as the engine uses it: opened at the start with the logins of the paper broker, saved while it runs.

local clock = require "perigee.clock"
local config = require "perigee.config"
local event = require "perigee.event"
local fs = require "perigee.fs"
local log = require "perigee.log"
local logins = require "perigee.logins"
local task = require "perigee.task"
local vault = require "perigee.vault"
local vault_key = require "perigee.vault_key"

local users = {}

local SOON = 50     -- io ms from a change to its saving; a login has several, and many log in at once
local PERIOD = 1000 -- io ms between two savings of tokens
local SHARE = 50    -- saving takes at most one part in so many of the loop

--- Opens the vault; the logins of the paper broker that are new come in. A file of logins that is not there is no
--- error when the vault has users.
---@param broker string
---@return perigee.Vault|nil, table|nil err
function users.open(broker)
  local path = config.get("data.dir") .. "/vault"
  local key, err = vault_key.load { file = config.get("vault.key_file"), secret = config.get("vault.key"),
    create = not fs.exists(path) }
  if not key then return nil, err end
  local v
  v, err = vault.open(path, key)
  if not v then return nil, err end
  local list
  list, err = logins.read(config.get("paper.credentials"))
  if not list then
    if err.code == "input" or #v.users == 0 then return nil, err end
    log.warn("users", err.message)
    return v
  end
  local taken
  taken, err = v:take(broker, list)
  if not taken then return nil, err end
  return v
end

--- Writes the tokens that have changed; one that cannot be written is told and tried again at the next change.
---@param v perigee.Vault
function users.save(v)
  local written, err = v:flush()
  if written == nil then
    log.error("vault", err.message)
    event.emit("notice", { level = "error", component = "vault", text = err.message })
  end
  return written
end

--- Saves what has changed until cancelled: soon after a change, and not more than once in a period. A task of its own.
---@param v perigee.Vault
function users.keep(v)
  while v:wait_changed() and task.sleep(SOON, "io") do
    local begun = clock.io_ms()
    users.save(v)
    if not task.sleep(math.max(PERIOD, (clock.io_ms() - begun) * SHARE), "io") then return end
  end
end

return users
