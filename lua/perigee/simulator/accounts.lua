-- SPDX-License-Identifier: MIT
-- The paper broker's customers: logins and trading accounts of different balance, leverage and currency, always
-- the same for the same count. The first two logins hold two accounts each.

local accounts = {}

local currencies = { "USD", "USD", "EUR", "USD", "GBP", "USD", "EUR", "CHF", "USD", "AUD", "USD", "JPY" }
local balances = { 10000, 25000, 50000, 100000, 5000, 200000 }
local leverages = { 100, 50, 30, 100, 200, 100, 50 }

---@class perigee.SimAccount
---@field id string
---@field user string       e-mail
---@field currency string
---@field leverage integer
---@field balance string

--- The accounts of a broker with `count` of them.
---@param count integer
---@return perigee.SimAccount[]
function accounts.list(count)
  local list = {}
  for i = 1, count do
    local login = i <= 2 and 1 or i <= 4 and 2 or i - 2
    local currency = currencies[(i - 1) % #currencies + 1]
    local balance = balances[(i - 1) % #balances + 1]
    list[i] = { id = tostring(365100 + i), user = ("demo%02d@example.com"):format(login), currency = currency,
      leverage = leverages[(i - 1) % #leverages + 1],
      balance = tostring(currency == "JPY" and balance * 150 or balance) }
  end
  return list
end

return accounts
