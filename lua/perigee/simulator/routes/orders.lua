-- SPDX-License-Identifier: MIT
-- What a client may order at the paper broker. A body that is none or lacks a member gets 400; what the rules of
-- trade refuse is REJECTED in a 200.

local decimal = require "perigee.decimal"
local figures = require "perigee.simulator.figures"
local json = require "perigee.json"
local request = require "perigee.simulator.request"

local orders = {}

---@class perigee.SimOrderBody
---@field id string|nil      of a position or pending order, in the book's style
---@field symbol string
---@field side string|nil
---@field volume any         decimals
---@field price any
---@field stop any
---@field target any
---@field type string|nil

-- What each call asks for. Members of `levels` may be null or "", and of some calls missing (`loose`).
local shapes = {
  open = { side = true, volume = true, loose = true },
  edit = { id = "id", side = true, volume = true },
  close = { id = "positionId", side = true, volume = true, loose = true },
  create = { side = true, volume = true, price = "price", type = true },
  pending_edit = { id = "id", side = true, volume = true, price = "priceOrder", type = true },
  cancel = { id = "id", loose = true },
}

-- Members that a side or kind may be.
local sides, kinds = { BUY = true, SELL = true }, { LIMIT = true, STOP = true }

---@return perigee.SimOrderBody|nil, string|nil why
local function read(b, shape, body)
  if type(body) ~= "table" then return nil, "the body is no JSON object" end
  local o = { symbol = body.instrument, side = body.orderSide, type = body.type }
  if type(o.symbol) ~= "string" then return nil, "instrument is required" end
  if shape.id then
    if type(body[shape.id]) ~= "string" then return nil, shape.id .. " is required" end
    o.id = figures.book_id(b, body[shape.id])
  end
  if shape.side and not sides[o.side] then return nil, "orderSide must be BUY or SELL" end
  if shape.type and not kinds[o.type] then return nil, "type must be LIMIT or STOP" end
  o.volume = request.amount(body.volume)
  if shape.volume and not o.volume then return nil, "volume is required" end
  if shape.price then
    o.price = request.amount(body[shape.price])
    if not o.price then return nil, shape.price .. " is required" end
  end
  for _, level in ipairs({ { "stop", "slPrice" }, { "target", "tpPrice" } }) do
    local name, field = level[1], level[2]
    if not shape.loose and body[field] == nil then return nil, field .. " is required" end
    local value = request.amount(body[field])
    if value == false then return nil, field .. " must be a number" end
    o[name] = value or decimal.zero
  end
  return o
end

-- A call of one order: fn(broker, account, order) -> id or true | nil, code, text. `say` answers what went well.
local function call(name, fn, say)
  return function(b, account, req)
    local o, why = read(b, shapes[name], json.decode(req:body()))
    if not o then return figures.failure(400, why) end
    local result, code, text = fn(b.sim, account, o)
    if not result then return figures.rejected(code, text) end
    return (say or figures.operation)(b, result == true and o.id or result)
  end
end

local function open(sim, account, o)
  return sim:open_position(account, o.symbol, o.side, o.volume, o.stop, o.target)
end

local function edit(sim, account, o) return sim:edit(account, o.id, o.symbol, o.side, o.stop, o.target) end

local function close(sim, account, o) return sim:close_position(account, o.id, o.symbol, o.side) end

local function close_partially(sim, account, o)
  return sim:close_position(account, o.id, o.symbol, o.side, o.volume)
end

-- Many at once: what cannot be read refuses all of it, what cannot be done leaves the others alone.
local function close_many(b, account, req)
  local bodies = json.decode(req:body())
  if type(bodies) ~= "table" or #bodies == 0 then return figures.failure(400, "the body is no list of positions") end
  local all = {}
  for i, body in ipairs(bodies) do
    local why
    all[i], why = read(b, shapes.close, body)
    if not all[i] then return figures.failure(400, ("[%d]: %s"):format(i - 1, why)) end
  end
  local done, id, code, text = 0, nil, nil, nil
  for _, o in ipairs(all) do
    local order, why, words = close(b.sim, account, o)
    if order then
      done, id = done + 1, id or order
    else
      code, text = why, words
    end
  end
  if done == #all then return figures.operation(b, id) end
  if done == 0 then return figures.rejected(code, text) end
  return figures.operation(b, id, "PARTIAL_SUCCESS", ("%d of %d: %s"):format(done, #all, text))
end

-- ---- pending orders --------------------------------------------------------------------------------

local function create(sim, account, o)
  return sim:pending_create(account, o.symbol, o.side, o.type, o.volume, o.price, o.stop, o.target)
end

local function pending_edit(sim, account, o)
  return sim:pending_edit(account, o.id, o.symbol, o.side, o.volume, o.price, o.stop, o.target)
end

local function cancel(sim, account, o) return sim:pending_cancel(account, o.id, o.symbol) end

local function say_edited(b, id)
  if b.profile.edit == "empty" then return 200, figures.headers(), "" end
  return figures.operation(b, id)
end

local function say_cancelled(b, id)
  if b.profile.cancel == "204" then return 204, nil, "" end
  if b.profile.cancel ~= "errorcode" then return figures.operation(b, id) end
  return figures.reply(json.object { { "status", json.string("OK") }, { "orderId", figures.id(b, id) },
    { "errorCode", json.string("UNKNOWN_ERROR") }, { "errorMessage", json.string("") } })
end

--- "METHOD path" -> function(broker, account, request) -> status, headers, body
orders.routes = {
  ["POST /position/open"] = call("open", open),
  ["POST /position/edit"] = call("edit", edit),
  ["POST /position/close"] = call("close", close),
  ["POST /position/close-partially"] = call("close", close_partially),
  ["POST /positions/close"] = close_many,
  ["POST /pending-order/create"] = call("create", create),
  ["POST /pending-order/edit"] = call("pending_edit", pending_edit, say_edited),
  ["POST /pending-order/cancel"] = call("cancel", cancel, say_cancelled),
}

return orders
