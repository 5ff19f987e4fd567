-- SPDX-License-Identifier: MIT
-- Signals of which nothing may be tried again: somebody wants closed what they have opened, or a newer signal of the
-- symbol has taken their place. A try that waits, one that is due this moment and a leg whose report is still on its
-- way to the queue all ask here, so none of them can slip past a close.

local ledger = require "perigee.ledger"

local overtaken = {}

local ANY = "*"

local marks = {} -- by symbol and account: the newest signal that is overtaken

local function key_of(symbol, account) return symbol .. "\0" .. account end

local function put(upto, symbol, account)
  local key = key_of(symbol, account)
  marks[key] = math.max(marks[key] or 0, upto)
end

--- All signals up to an id are overtaken.
---@param upto integer                          id of the newest one
---@param symbol string|nil                     ours or the broker's name; nil: all
---@param accounts table<string, boolean>|nil   nil: all
function overtaken.mark(upto, symbol, accounts)
  if not accounts then return put(upto, symbol or ANY, ANY) end
  for account in pairs(accounts) do put(upto, symbol or ANY, account) end
end

local function marked(signal, symbol, account)
  return signal.id <= math.max(marks[key_of(symbol, account)] or 0, marks[key_of(symbol, ANY)] or 0)
end

--- Whether nothing of a signal may be tried again on an account.
---@param signal { id: integer, symbol: string }
---@param account string
---@return boolean
function overtaken.is(signal, account)
  if marked(signal, ANY, account) or marked(signal, signal.symbol, account) then return true end
  local known = ledger.account(account)
  local instrument = known and ledger.instrument(known.broker, signal.symbol)
  return instrument ~= nil and marked(signal, instrument.symbol, account)
end

return overtaken
