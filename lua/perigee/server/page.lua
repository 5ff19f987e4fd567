-- SPDX-License-Identifier: MIT
-- Pages of lists that are in memory. A cursor is the sort key of the last row that was given, so that a page begins
-- where the one before ended, whatever was added or removed meanwhile.

local crypto = require "perigee.crypto"
local json = require "perigee.json"
local problem = require "perigee.server.problem"

local page = {}

local function encode(key)
  return (crypto.base64(key):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
end

local function decode(cursor)
  local text = cursor:gsub("[-_]", { ["-"] = "+", ["_"] = "/" })
  return crypto.unbase64(text .. ("="):rep(-#text % 4))
end

--- Numbers as texts that sort like them.
function page.up(n) return ("%019d"):format(n) end
function page.down(n) return ("%019d"):format((1 << 53) - n) end

--- One page of `rows`, sorted by `key(row)`.
---@param rows table[]
---@param query { limit: integer, cursor: string|nil }
---@param key fun(row: table): string
---@param keep fun(row: table): boolean|nil
---@return table|nil page, perigee.Problem|nil
function page.of(rows, query, key, keep)
  local after = ""
  if query.cursor then
    after = decode(query.cursor)
    if not after then
      return nil, problem.new("invalid_parameters", "The query does not fit: cursor is none of this list.",
        { { pointer = "cursor", detail = "is none of this list" } })
    end
  end
  local keyed = {}
  for _, row in ipairs(rows) do
    local k = key(row)
    if k > after and (not keep or keep(row)) then keyed[#keyed + 1] = { k, row } end
  end
  table.sort(keyed, function(a, b) return a[1] < b[1] end)
  local items = json.array {}
  for i = 1, math.min(query.limit, #keyed) do items[i] = keyed[i][2] end
  local more = #keyed > query.limit
  return { items = items, next_cursor = more and encode(keyed[query.limit][1]) or json.null }
end

--- A test for one of the values of a list; nil: everything passes.
---@param values any[]|nil
---@return fun(value: any): boolean
function page.one_of(values)
  if not values then return function() return true end end
  local set = {}
  for _, value in ipairs(values) do set[value] = true end
  return function(value) return set[value] == true end
end

--- A test for a part of one of some texts, whatever the case.
---@param wanted string|nil
function page.search(wanted)
  if not wanted then return function() return true end end
  wanted = wanted:lower()
  return function(...)
    for i = 1, select("#", ...) do
      local text = select(i, ...)
      if type(text) == "string" and text:lower():find(wanted, 1, true) then return true end
    end
    return false
  end
end

return page
