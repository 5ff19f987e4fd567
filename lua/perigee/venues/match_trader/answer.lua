-- SPDX-License-Identifier: MIT
-- What an answer is, before its content is read: the kind of its status, how long to wait, and the words of a
-- failure in every shape that is known.

local clock = require "perigee.clock"
local json = require "perigee.json"
local values = require "perigee.venues.match_trader.values"

local answer = {}

local text, object = values.text, values.object

--- The words of a failed answer, without anything secret: at most 120 bytes of an errorMessage. An answer that is no
--- JSON object gives none, for a page or a plain text may repeat what was sent.
---@param body string|nil
---@return string
function answer.reason(body)
  local value = json.decode(body or "")
  if type(value) ~= "table" then return "" end
  local nested = object(value.error)
  local words = text(value.errorMessage) or text(nested.errorMessage) or text(value.detail) or text(value.title)
    or text(nested.type)
  return words and values.clip(values.scrub(words), 120) or ""
end

--- Does an answer carry the marks of an edge block (a challenge page before the broker)?
---@param status integer
---@param header fun(name: string): string|nil
function answer.edge_block(status, header)
  if status ~= 403 then return false end
  local kind = header("content-type") or ""
  return header("cf-mitigated") ~= nil or kind:lower():find("text/html", 1, true) ~= nil
end

local months = { jan = 1, feb = 2, mar = 3, apr = 4, may = 5, jun = 6, jul = 7, aug = 8, sep = 9, oct = 10, nov = 11,
  dec = 12 }

--- Milliseconds since 1970 of a date as HTTP writes it, in any of its three forms; nil for anything else.
---@param value string|nil
---@return integer|nil
function answer.http_date(value)
  if not value then return nil end
  local day, month, year, time = value:match("^%a+, (%d%d)[ -](%a%a%a)[ -](%d+) (%d%d:%d%d:%d%d) GMT$")
  if not day then
    month, day, time, year = value:match("^%a%a%a (%a%a%a) ([ %d]%d) (%d%d:%d%d:%d%d) (%d%d%d%d)$")
  end
  local number = month and months[month:lower()]
  if not number or not (#year == 2 or #year == 4) then return nil end
  year = tonumber(year) + (#year == 2 and (tonumber(year) < 70 and 2000 or 1900) or 0)
  return (clock.parse(("%04d-%02d-%02dT%sZ"):format(year, number, tonumber(day), time)))
end

local LONGEST = 3600 * 1000

--- Milliseconds that a Retry-After header asks for, at most an hour: whole seconds, or a date, which counts from
--- `now_ms` (the answer's own Date, so that no clock of ours matters). nil: none that is known.
---@param value string|nil
---@param now_ms integer|nil
---@return integer|nil
function answer.retry_after_ms(value, now_ms)
  local seconds = tonumber(value and value:match("^%s*(%d+)%s*$"))
  if seconds then return math.tointeger(math.min(seconds * 1000, LONGEST)) end
  local at = now_ms and answer.http_date(value)
  return at and math.max(math.min(at - now_ms, LONGEST), 0) or nil
end

--- The same of a whole answer.
---@param header fun(name: string): string|nil
---@return integer|nil
function answer.wait_ms(header)
  return answer.retry_after_ms(header("retry-after"), answer.http_date(header("date")))
end

local kinds = { [400] = "refused", [404] = "refused", [405] = "refused", [408] = "server", [422] = "refused",
  [401] = "unauthorised", [410] = "unauthorised", [403] = "forbidden", [429] = "rate_limit" }

---@class perigee.AnswerKind
---@field kind "ok"|"redirect"|"refused"|"unauthorised"|"forbidden"|"edge_block"|"rate_limit"|"server"|"unexpected"
---@field retry_after_ms integer|nil
---@field reason string             words of the broker, "" for none

--- What an answer to a read or a login is. unauthorised: the session has ended (401, 410). forbidden: the broker's
--- own 403. edge_block: a challenge before the broker; asking again soon makes it worse. server: may pass by itself.
---@param status integer
---@param header fun(name: string): string|nil
---@param body string|nil
---@return perigee.AnswerKind
function answer.classify(status, header, body)
  local kind = kinds[status]
  if answer.edge_block(status, header) then
    kind = "edge_block"
  elseif not kind then
    kind = status >= 200 and status < 300 and "ok" or status >= 300 and status < 400 and "redirect"
      or status >= 500 and status < 600 and "server" or "unexpected"
  end
  return { kind = kind, reason = kind == "ok" and "" or answer.reason(body),
    retry_after_ms = (kind == "rate_limit" or kind == "server") and answer.wait_ms(header) or nil }
end

return answer
