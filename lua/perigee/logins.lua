-- SPDX-License-Identifier: MIT
-- A file of broker logins: a JSON array with one entry for each trading account ({ email, password, brokerId,
-- tradingAccountId }), as the paper broker writes it.

local fs = require "perigee.fs"
local json = require "perigee.json"

local logins = {}

local function fail(code, message)
  return nil, { code = code, message = message, source = "logins", retry = "safe" }
end

---@class perigee.Login
---@field email string
---@field password string
---@field broker_id string|nil
---@field account_ids string[]|nil  nil: all of the login

--- One login for each e-mail, in the order of the file, with its accounts.
---@param path string
---@return perigee.Login[]|nil, table|nil err
function logins.read(path)
  local text, err = fs.read(path)
  if not text then return fail("unreachable", ("the logins in %s cannot be read: %s"):format(path, err.message)) end
  local rows = json.decode(text)
  if type(rows) ~= "table" or #rows == 0 then return fail("input", path .. ": holds no list of logins") end
  local list, by_email = {}, {}
  for i, row in ipairs(rows) do
    if type(row) ~= "table" or type(row.email) ~= "string" or type(row.password) ~= "string" then
      return fail("input", ("%s: entry %d lacks email or password"):format(path, i))
    end
    local login = by_email[row.email]
    if not login then
      login = { email = row.email, password = row.password, broker_id = row.brokerId, account_ids = {} }
      by_email[row.email] = login
      list[#list + 1] = login
    end
    if row.tradingAccountId ~= nil then login.account_ids[#login.account_ids + 1] = tostring(row.tradingAccountId) end
  end
  for _, login in ipairs(list) do
    if #login.account_ids == 0 then login.account_ids = nil end
  end
  return list
end

return logins
