-- SPDX-License-Identifier: MIT
-- Golden transcripts: pending orders. See writes.lua for the form. The price is `price` in a creation, `priceOrder`
-- in an edit and `activationPrice` in the list. What an edit answers is not documented: operation JSON, an empty
-- 200 and 204 all count as done. A cancel that succeeds may carry an errorCode that means nothing.

local base = { id = 9, op = "pending", symbol = "XAUUSD", side = "BUY", type = "LIMIT", volume = "1", price = "3340",
  stop = "3330", target = "3350", volume_digits = 2, price_digits = 2 }

local function order(changes)
  local copy = {}
  for key, value in pairs(base) do copy[key] = value end
  for key, value in pairs(changes or {}) do copy[key] = value end
  return copy
end

local ID = "W7100000000000061"

local requests = {
  { name = "create a limit order", order = order(), method = "POST", path = "/pending-order/create",
    body = '{"instrument":"XAUUSD","orderSide":"BUY","volume":1,"price":3340,"type":"LIMIT","slPrice":3330,'
      .. '"tpPrice":3350,"isMobile":false}' },
  { name = "create a stop order without stop and target",
    order = order { side = "SELL", type = "STOP", volume = "0.25", price = "3310.55", stop = "0", target = "0" },
    method = "POST", path = "/pending-order/create",
    body = '{"instrument":"XAUUSD","orderSide":"SELL","volume":0.25,"price":3310.55,"type":"STOP","slPrice":0,'
      .. '"tpPrice":0,"isMobile":false}' },
  { name = "create one of something very cheap",
    order = order { symbol = "SHIBUSD", volume = "1000000", price = "0.00000851", stop = "0.0000085",
      target = "0.00000912", price_digits = 8, volume_digits = 0 },
    method = "POST", path = "/pending-order/create",
    body = '{"instrument":"SHIBUSD","orderSide":"BUY","volume":1000000,"price":0.00000851,"type":"LIMIT",'
      .. '"slPrice":0.0000085,"tpPrice":0.00000912,"isMobile":false}' },
  { name = "edit: the price under its other name, everything sent along",
    order = order { op = "pending_edit", position = ID, price = "3341.5" }, method = "POST",
    path = "/pending-order/edit",
    body = '{"instrument":"XAUUSD","id":"W7100000000000061","orderSide":"BUY","volume":1,"priceOrder":3341.5,'
      .. '"slPrice":3330,"tpPrice":3350,"type":"LIMIT","isMobile":false}' },
  { name = "cancel", order = order { op = "cancel", position = ID }, method = "POST", path = "/pending-order/cancel",
    body = '{"instrument":"XAUUSD","id":"W7100000000000061","orderSide":"BUY","type":"LIMIT","isMobile":false}' },
}

local JSON = { { "Content-Type", "application/json" } }

local function answer(name, op, status, body, means)
  return { name = name, op = op, answer = { status = status, headers = body ~= "" and JSON or {}, body = body },
    means = means }
end

local answers = {
  answer("the id of the order", "pending", 200,
    '{"status":"OK","nativeCode":null,"errorMessage":"","orderId":"W7100000000000061"}',
    { kind = "accepted", broker_id = ID }),
  answer("refused", "pending", 200,
    '{"status":"REJECTED","nativeCode":"INVALID_PRICE","errorMessage":"Invalid price","orderId":null}',
    { kind = "rejected", code = "INVALID_PRICE", reason = "Invalid price" }),
  answer("an operation", "pending_edit", 200, '{"status":"OK","errorMessage":"","orderId":"W7100000000000061"}',
    { kind = "accepted", broker_id = ID }),
  answer("empty", "pending_edit", 200, "", { kind = "accepted" }),
  answer("no content", "pending_edit", 204, "", { kind = "accepted" }),
  answer("it is not there any more", "pending_edit", 404,
    '{"error":{"type":"ORDER_NOT_FOUND","errorMessage":""},"status":"error"}',
    { kind = "rejected", code = "status_404", reason = "ORDER_NOT_FOUND" }),
  answer("an errorCode that means nothing", "cancel", 200,
    '{"status":"OK","orderId":"W7100000000000061","errorCode":"UNKNOWN_ERROR","errorMessage":""}',
    { kind = "accepted", broker_id = ID }),
  answer("no content", "cancel", 204, "", { kind = "accepted" }),
  answer("an errorCode with a refusal", "cancel", 200,
    '{"status":"REJECTED","orderId":null,"errorCode":"UNKNOWN_ERROR","errorMessage":"Order was filled"}',
    { kind = "rejected", code = "rejected", reason = "Order was filled" }),
  answer("an errorCode alone is no word", "cancel", 200, '{"errorCode":"UNKNOWN_ERROR"}', { kind = "unknown" }),
}

return { requests = requests, answers = answers }
