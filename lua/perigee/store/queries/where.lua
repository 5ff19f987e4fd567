-- SPDX-License-Identifier: MIT
-- Conditions of a statement that grows: texts are ours, values are parameters, always.

local err = require "perigee.err"

---@class perigee.Where
---@field params table
local Where = {}
Where.__index = Where

local where = {}

---@return perigee.Where
function where.new()
  return setmetatable({ terms = {}, params = { n = 0 } }, Where)
end

--- A parameter: its place in the text.
---@param value any
---@param kind string  SQL type
---@return string
function Where:param(value, kind)
  local n = self.params.n + 1
  self.params.n, self.params[n] = n, value
  return ("$%d::%s"):format(n, kind)
end

--- Adds a condition when the value is given; each ? in it becomes the parameter.
---@param text string
---@param value any
---@param kind string
function Where:add(text, value, kind)
  if value == nil then return end
  local place = self:param(value, kind)
  self.terms[#self.terms + 1] = (text:gsub("?", function() return place end))
end

--- Adds a condition without a value.
---@param text string
function Where:fixed(text)
  self.terms[#self.terms + 1] = text
end

--- "WHERE ...", or nothing.
---@return string
function Where:text()
  if #self.terms == 0 then return "" end
  return "WHERE " .. table.concat(self.terms, " AND ")
end

-- ---- pages ---------------------------------------------------------------------------------------

--- Takes the rows after a cursor: those before (time, id) in a list that runs from the newest to the oldest.
---@param cursor string|nil   of where.page
---@param time string|nil     column; nil: the list is sorted by id alone
---@param id string           column
---@return true|nil, table|nil err  "input": it is no cursor
function Where:after(cursor, time, id)
  if cursor == nil then return true end
  local ms, last = tostring(cursor):match("^(%-?%d+)%.(%d+)$")
  ms, last = math.tointeger(tonumber(ms)), math.tointeger(tonumber(last))
  if not ms or not last or math.abs(ms) > 1 << 52 then
    return nil, err.new("input", "the cursor is not one that a list gave", "store", "no")
  end
  if time then
    self:fixed(("(%s, %s) < (ms_to_time(%s), %s)"):format(time, id, self:param(ms, "bigint"),
      self:param(last, "bigint")))
  else
    self:fixed(("%s < %s"):format(id, self:param(last, "bigint")))
  end
  return true
end

--- Runs a list and makes a page of it.
---@param db perigee.Db
---@param sql string          without LIMIT
---@param limit integer|nil   default 50
---@param time string|nil     field of the rows that has the time in ms; nil: sorted by id alone
---@return { items: table[], next_cursor: string|nil }|nil, table|nil err
function Where:page(db, sql, limit, time)
  limit = limit or 50
  local rows, failure = db:query(sql .. " LIMIT " .. self:param(limit + 1, "bigint"), self.params)
  if not rows then return nil, failure end
  local page = { items = rows }
  if #rows > limit then
    rows[#rows] = nil
    local last = rows[#rows]
    page.next_cursor = ("%d.%d"):format(time and last[time] or 0, last.id)
  end
  return page
end

return where
