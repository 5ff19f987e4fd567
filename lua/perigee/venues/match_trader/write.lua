-- SPDX-License-Identifier: MIT
-- Writes of the Platform API: an order as a request, exact to the byte, and the verdict on its answer.

local decimal = require "perigee.decimal"
local json = require "perigee.json"
local answer = require "perigee.venues.match_trader.answer"
local values = require "perigee.venues.match_trader.values"

local write = {}

local quoted, object, text = json.string, json.object, values.text

-- ---- requests ------------------------------------------------------------------------------------

-- A full close says the volume as a text with all places of the instrument's precision.
local function close_fields(order)
  local volume = decimal.new(order.volume)
  local padded = volume:fixed(order.volume_digits)
  if decimal.new(padded) ~= volume then padded = order.volume end
  return object { { "positionId", quoted(order.position) }, { "instrument", quoted(order.symbol) },
    { "orderSide", quoted(order.side) }, { "volume", quoted(padded) } }
end

local encoders = {}

function encoders.open(_, order)
  return "POST", "/position/open", object { { "instrument", quoted(order.symbol) },
    { "orderSide", quoted(order.side) }, { "volume", order.volume }, { "slPrice", order.stop },
    { "tpPrice", order.target }, { "isMobile", "false" } }
end

function encoders.close(profile, order)
  if profile.close == "bulk" then
    return "POST", "/positions/close", json.list { close_fields(order) }
  end
  return "POST", "/position/close", close_fields(order)
end

function encoders.close_partial(_, order)
  return "POST", "/position/close-partially", object { { "positionId", quoted(order.position) },
    { "instrument", quoted(order.symbol) }, { "orderSide", quoted(order.side) },
    { "volume", order.volume }, { "isMobile", "false" } }
end

-- Both levels are replaced by every edit: whoever changes one sends the other along.
function encoders.edit(_, order)
  return "POST", "/position/edit", object { { "instrument", quoted(order.symbol) },
    { "id", quoted(order.position) }, { "orderSide", quoted(order.side) },
    { "volume", order.volume }, { "slPrice", order.stop }, { "tpPrice", order.target }, { "isMobile", "false" } }
end

local types = { LIMIT = true, STOP = true }

local function type_of(order)
  return quoted(types[order.type] and order.type or error("a pending order is LIMIT or STOP", 3))
end

function encoders.pending(_, order)
  return "POST", "/pending-order/create", object { { "instrument", quoted(order.symbol) },
    { "orderSide", quoted(order.side) }, { "volume", order.volume }, { "price", order.price },
    { "type", type_of(order) }, { "slPrice", order.stop }, { "tpPrice", order.target }, { "isMobile", "false" } }
end

-- The price is called priceOrder here, and price in a creation.
function encoders.pending_edit(_, order)
  return "POST", "/pending-order/edit", object { { "instrument", quoted(order.symbol) },
    { "id", quoted(order.position) }, { "orderSide", quoted(order.side) }, { "volume", order.volume },
    { "priceOrder", order.price }, { "slPrice", order.stop }, { "tpPrice", order.target },
    { "type", type_of(order) }, { "isMobile", "false" } }
end

function encoders.cancel(_, order)
  return "POST", "/pending-order/cancel", object { { "instrument", quoted(order.symbol) },
    { "id", quoted(order.position) }, { "orderSide", quoted(order.side) }, { "type", type_of(order) },
    { "isMobile", "false" } }
end

--- An order as a request. Volumes and prices are decimal strings already of the instrument's precision.
---@param profile perigee.BrokerProfile
---@return string method, string path, string body
function write.encode(profile, order)
  return encoders[order.op](profile, order)
end

-- ---- answers -------------------------------------------------------------------------------------

-- A 2xx: only the broker's own yes, or silence, is a yes. Success may carry an errorCode that means nothing.
local function operation(body)
  if body:match("^%s*$") then return { kind = "accepted" } end
  local value = json.decode(body)
  if type(value) ~= "table" then return { kind = "unknown", code = "unreadable", reason = "no JSON" } end
  if value.status == "OK" then
    return { kind = "accepted", broker_id = text(value.orderId) }
  elseif value.status == "REJECTED" then
    return { kind = "rejected", code = text(value.nativeCode) or "rejected", reason = answer.reason(body) }
  elseif value.status == "PARTIAL_SUCCESS" then
    return { kind = "unknown", code = "partial_success", reason = "the broker did a part of it" }
  end
  return { kind = "unknown", code = "unreadable", reason = "no status that is known" }
end

local refused = { [400] = true, [404] = true, [422] = true }

---@class perigee.Verdict
---@field kind "accepted"|"rejected"|"unknown"
---@field broker_id string|nil
---@field code string|nil
---@field reason string|nil
---@field retry_after_ms integer|nil

--- What an answer to a write means. Whatever is not a plain yes or no is unknown.
---@param got { status: integer, body: string, header: fun(name: string): string|nil }
---@return perigee.Verdict
function write.decode(_, _, got)
  local status = got.status
  if status >= 200 and status < 300 then return operation(got.body) end
  if refused[status] then
    local value = json.decode(got.body)
    local code = type(value) == "table" and value.status == "REJECTED" and "rejected" or "status_" .. status
    return { kind = "rejected", code = code, reason = answer.reason(got.body) }
  end
  if status == 429 then
    return { kind = "rejected", code = "rate_limit", reason = "too many requests",
      retry_after_ms = answer.wait_ms(got.header) }
  end
  if answer.edge_block(status, got.header) then
    return { kind = "rejected", code = "edge_block", reason = "the broker's edge wants a browser" }
  end
  if status == 401 then return { kind = "unknown", code = "unauthorised" } end
  return { kind = "unknown", code = "status_" .. status }
end

return write
