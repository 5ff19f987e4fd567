-- SPDX-License-Identifier: MIT
-- Copies of the vault's sealed bytes in users.encrypted_password, user_sessions.token and trading_api_token. Nothing
-- reads them at a start; they are there for those who look after the database. The key never gets near it.
--
-- Copying is repeated until it succeeds, and changes nothing where nothing differs.

local clock = require "perigee.clock"
local log = require "perigee.log"
local queries = require "perigee.store.queries"
local task = require "perigee.task"

local copies = {}

local SETTLE_MS, RETRY_MS, BEHIND_MS = 500, 2000, 30000

---@class perigee.Copies
local Copies = {}
Copies.__index = Copies

---@param options { db: perigee.Db, link: perigee.Link, projector: perigee.Projector, mirror: perigee.Mirror }
---@return perigee.Copies
function copies.new(options)
  return setmetatable({ db = options.db, link = options.link, projector = options.projector, mirror = options.mirror,
    wanted = task.event() }, Copies)
end

--- Something was sealed anew, or may have been.
function Copies:wake() self.wanted:set(true) end

-- One round: the rows must be in the tables before they can be changed.
local function copy(self)
  local rows, err = self.link:command("sealed")
  if not rows then return nil, err end
  local ok
  ok, err = self.projector:reached(self.mirror.seq, BEHIND_MS)
  if not ok then return nil, err end
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = { id = row.id, password = row.password, token = row.token, trading_api_token = row.trading_api_token }
  end
  return queries.store_sealed(self.db, list)
end

local QUIET = { unreachable = true, unavailable = true, timeout = true, closed = true }

--- Copies whenever it is woken. A task of its own.
function Copies:run()
  while true do
    if not self.wanted:wait() then return end
    if not task.sleep(SETTLE_MS, "io") then return end
    local done = clock.io_ms()
    local ok, err = copy(self)
    if not ok and err.code == "cancelled" then return end
    if not ok then
      if not QUIET[err.code] then log.warn("office", "sealed copies are not written: " .. err.message) end
      if not task.sleep(math.max(RETRY_MS - (clock.io_ms() - done), 100), "io") then return end
      self.wanted:set(true)
    end
  end
end

return copies
