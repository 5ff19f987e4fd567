-- SPDX-License-Identifier: MIT
-- How the paper broker writes what it says: figures in the types of its profile, times by its own clock, ids in its
-- style, operations. The rows of the routes are made of these pieces, as JSON texts.

local clock = require "perigee.clock"
local decimal = require "perigee.decimal"
local json = require "perigee.json"
local rng = require "perigee.rng"

local figures = {}

local quoted, object, raw = json.string, json.object, json.number

local JSON = { { "Content-Type", "application/json" } }

--- Headers of an answer in JSON, with more of them.
---@param more? string[][]
function figures.headers(more)
  local out = { JSON[1] }
  for _, header in ipairs(more or {}) do out[#out + 1] = header end
  return out
end

function figures.reply(text) return 200, JSON, text end

--- An answer that is no success, in the shape that most brokers give.
---@param status integer
---@param message string
---@param headers? string[][]
function figures.failure(status, message, headers)
  return status, figures.headers(headers), object { { "errorMessage", quoted(message) } }
end

-- One throw of the profile's own dice, so that the same questions get the same types.
local function throw(b, sides)
  b.dice = b.dice or rng.new(b.seed or 1, "typing")
  return b.dice:range(1, sides)
end

-- ---- figures ---------------------------------------------------------------------------------------

local function typed(b, text)
  local typing = b.profile.typing
  if typing == "numbers" or typing == "mixed" and throw(b, 2) == 1 then return raw(text) end
  return quoted(text)
end

--- A price of a symbol with its places.
function figures.price(b, symbol, value) return typed(b, decimal.new(value):fixed(b.digits[symbol])) end

--- An amount with two places.
function figures.money(b, value) return typed(b, decimal.new(value):fixed(2)) end

--- An amount as it is.
function figures.exact(b, value) return typed(b, tostring(decimal.new(value))) end

local nothing = { "null", '""', '"0"', "0" }

--- A stop or target; none has many faces, one of which is that the member is missing (nil).
---@return string|nil
function figures.level(b, symbol, value)
  if decimal.new(value):sign() ~= 0 then return figures.price(b, symbol, value) end
  return b.profile.typing == "mixed" and nothing[throw(b, #nothing + 1)] or b.profile.typing ~= "mixed" and "null"
    or nil
end

--- Market data: numbers, but for the broker that mixes.
function figures.data(b, value)
  if b.profile.typing == "mixed" and throw(b, 2) == 1 then return quoted(tostring(value)) end
  return raw(value)
end

-- ---- time and ids ----------------------------------------------------------------------------------

--- Milliseconds by the broker's clock, which may be wrong.
---@return integer
function figures.time(b, ms) return ms + (b.skew_ms or 0) end

function figures.iso(b, ms) return quoted(clock.iso(figures.time(b, ms))) end

--- The way back: what the broker's clock calls `ms`, on the market's.
---@return integer
function figures.own_time(b, ms)
  local skew = b.skew_ms or 0
  if skew < 0 and ms > math.maxinteger + skew or skew > 0 and ms < math.mininteger + skew then return ms end
  return ms - skew
end

--- An id of the book in the broker's style; ids with an end ("<id>_close1") too.
function figures.id(b, id)
  return quoted(b.profile.ids == "digits" and id:gsub("^W", "") or id)
end

--- The way back, for ids in requests.
---@param text string
---@return string
function figures.book_id(b, text)
  return b.profile.ids == "digits" and "W" .. text or text
end

-- ---- operations ------------------------------------------------------------------------------------

--- What went well. `id`: of the order, in the book's style; nil: none.
function figures.operation(b, id, status, message)
  local said = message and quoted(message) or b.profile.message == "null" and "null" or quoted("")
  return figures.reply(object { { "status", quoted(status or "OK") }, { "nativeCode", "null" },
    { "errorMessage", said }, { "orderId", id and figures.id(b, id) or "null" } })
end

--- What the rules of trade refuse, in a 200.
function figures.rejected(code, text)
  if code == "IO" then return figures.failure(500, text) end
  return figures.reply(object { { "status", quoted("REJECTED") }, { "nativeCode", quoted(code) },
    { "errorMessage", quoted(text) }, { "orderId", "null" } })
end

return figures
