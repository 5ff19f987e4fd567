-- SPDX-License-Identifier: MIT
-- Contract data as a broker's list told it last, by venue and our name: what the local validation looks at beside
-- the ledger's instrument. It is read anew at every start, before anything is traded.

local hours = require "perigee.venues.hours"
local json = require "perigee.json"

local contracts = {}

---@class perigee.Contract
---@field venue string
---@field symbol string                as the venue spells it
---@field canonical string
---@field base string
---@field quote string
---@field price_digits integer
---@field volume_digits integer
---@field volume_min string
---@field volume_max string
---@field volume_step string
---@field contract_size string
---@field leverage integer             cap; 0: the account's alone
---@field stops_level integer          points of 10^-price_digits
---@field freeze_level integer         the same
---@field commission string
---@field type string|nil
---@field session_open boolean|nil     nil: the broker does not say
---@field hours perigee.Span[]|nil     nil: not known
---@field point string|nil             as the broker counts
---@field fixed_leverage integer|nil
---@field swap_type string|nil
---@field swap_buy string|nil
---@field swap_sell string|nil
---@field expires_ms integer|nil
---@field read_ms integer|nil          market ms of the list
---@field offset_minutes integer|nil   of the hours from UTC

local known = {}

---@param venue string
---@param canonical string
---@return perigee.Contract|nil
function contracts.get(venue, canonical)
  return known[venue] and known[venue][canonical]
end

--- Has the venue's list been read?
---@param venue string
---@return boolean
function contracts.read(venue) return known[venue] ~= nil end

-- The row as an `instrument` event.
local function fields_of(row)
  local fields = {}
  for key, value in pairs(row) do fields[key] = value end
  fields.expires = row.expires_ms
  for _, name in ipairs({ "expires_ms", "hours", "read_ms", "offset_minutes" }) do fields[name] = nil end
  if row.hours then
    local spans = {}
    for i, span in ipairs(row.hours) do
      spans[i] = json.list { json.number(span.day), json.number(span.open_ms), json.number(span.close_ms) }
    end
    fields.hours = json.list(spans)
  end
  return fields
end

local function same(a, b)
  for key, value in pairs(a) do
    if b[key] ~= value then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

--- Takes what is used of a venue's newest list; what is no longer in it is not tradeable any more.
---@param venue string
---@param rows perigee.Contract[]
---@param read_ms integer
---@param offset_minutes integer
---@return table[] changed  fields of an `instrument` event for each row that is new or differs
function contracts.replace(venue, rows, read_ms, offset_minutes)
  local before, changed = known[venue] or {}, {}
  known[venue] = {}
  for _, row in ipairs(rows) do
    local fields, old = fields_of(row), before[row.canonical]
    if not old or not same(fields_of(old), fields) then changed[#changed + 1] = fields end
    row.read_ms, row.offset_minutes = read_ms, offset_minutes
    known[venue][row.canonical] = row
  end
  return changed
end

--- One symbol for each of our names: a broker may list EURUSD beside EURUSD.x, and what is traded must not change from
--- list to list. The one that was used before stands, else the plain name, else the first by name.
---@param rows perigee.Contract[]
---@param before fun(canonical: string): string|nil  the venue's symbol that was used before
---@return perigee.Contract[] rows, perigee.Contract[] others
function contracts.one_of_each(rows, before)
  local function rank(row)
    if row.symbol == before(row.canonical) then return 0 end
    return row.symbol == row.canonical and 1 or 2
  end
  local best = {}
  for _, row in ipairs(rows) do
    local other = best[row.canonical]
    local mine, theirs = rank(row), other and rank(other)
    if not other or mine < theirs or mine == theirs and row.symbol < other.symbol then best[row.canonical] = row end
  end
  local kept, others = {}, {}
  for _, row in ipairs(rows) do
    local list = best[row.canonical] == row and kept or others
    list[#list + 1] = row
  end
  return kept, others
end

--- Does a row say that its market is closed although its hours say open? Then the list is worth another look soon.
---@param venue string
---@param now_ms integer
---@return boolean
function contracts.doubtful(venue, now_ms)
  for _, row in pairs(known[venue] or {}) do
    if row.session_open == false and (not row.hours or hours.open(row.hours, now_ms, row.offset_minutes)) then
      return true
    end
  end
  return false
end

return contracts
