-- SPDX-License-Identifier: MIT
-- Golden transcripts: the lists that say what is really there. See session.lua for the form.

local JSON = { { "Content-Type", "application/json" } }

local POSITIONS = { method = "GET", path = "/open-positions" }
local ORDERS = { method = "GET", path = "/active-orders" }
local CLOSED = { method = "POST", path = "/closed-positions",
  body = '{"from":"2025-07-15T00:00:00.000Z","to":"2025-07-15T12:00:00.000Z"}' }
local CLOSED_ARGS = { from_ms = 1752537600000, to_ms = 1752580800000 }

local function ok(body) return { status = 200, headers = JSON, body = body } end

-- One open position, with the members that change from broker to broker.
local function position(levels)
  return ok('{"positions":[{"id":"W7100000000000042","symbol":"BTCUSD","alias":"BTCUSD","volume":"0.30","side":"SELL",'
    .. '"openTime":"2025-07-15T09:30:00.123Z","openTimeMillis":1752571800123,"openPrice":"117200.5"' .. levels
    .. ',"profit":"-1.20"}]}')
end

local function expected(stop, target)
  return { { id = "W7100000000000042", symbol = "BTCUSD", side = "SELL", volume = "0.3", price = "117200.5",
    stop = stop, target = target, opened_ms = 1752571800123 } }
end

local function levels(name, text, stop, target)
  return { call = "open_positions", name = "stop and target: " .. name, request = POSITIONS, answer = position(text),
    means = expected(stop, target) }
end

return {
  -- ---- open-positions ----
  { call = "open_positions", name = "strings, with legs inside", request = POSITIONS, documented = true,
    answer = ok('{"positions":[{"id":"W7100000000000042","symbol":"BTCUSD","alias":"BTCUSD","volume":"0.30",'
      .. '"side":"SELL","openTime":"2025-07-15T09:30:00.123Z","openTimeMillis":1752571800123,"openPrice":"117200.5",'
      .. '"stopLoss":"117500.0","takeProfit":"116700.0","trailingDistance":0,"swap":"0.00","profit":"-1.20",'
      .. '"netProfit":"-1.35","currentPrice":"117204.5","commission":"-0.15","positions":[{"id":"W7100000000000042",'
      .. '"symbol":"BTCUSD","volume":"0.30","oldPartialVolume":null,"side":"SELL"}]}]}'),
    means = expected("117500", "116700") },
  { call = "open_positions", name = "numbers, the time only as text", request = POSITIONS,
    answer = ok('{"positions":[{"id":"W7100000000000042","symbol":"BTCUSD","volume":0.3,"side":"SELL",'
      .. '"openTime":"2025-07-15T09:30:00.123Z","openPrice":117200.5,"stopLoss":117500,"takeProfit":116700.0}]}'),
    means = expected("117500", "116700") },
  levels("missing", "", "0", "0"),
  levels("null", ',"stopLoss":null,"takeProfit":null', "0", "0"),
  levels("empty", ',"stopLoss":"","takeProfit":""', "0", "0"),
  levels("zero as text", ',"stopLoss":"0","takeProfit":"0.00"', "0", "0"),
  levels("zero", ',"stopLoss":0,"takeProfit":0.0', "0", "0"),
  levels("one of them", ',"stopLoss":"117500.0","takeProfit":null', "117500", "0"),
  { call = "open_positions", name = "nonsense for a stop is not taken for none", request = POSITIONS,
    answer = position(',"stopLoss":"n/a","takeProfit":null'), unreadable = true },
  { call = "open_positions", name = "texts and numbers mixed, members that nobody knows, margin", request = POSITIONS,
    answer = ok('{"positions":[{"id":"W7100000000000042","symbol":"BTCUSD","volume":0.30,"side":"SELL","vip":{"a":[1]},'
      .. '"openTime":"2025-07-15T09:30:00Z","openTimeMillis":"1752571800123","openPrice":"117200.50",'
      .. '"stopLoss":117500,"takeProfit":"116700.0","margin":"58.60","trailingDistance":null}],"total":1}'),
    means = expected("117500", "116700") },
  { call = "open_positions", name = "ids as digits alone, a bare list", request = POSITIONS,
    answer = ok('[{"id":7100000000000042,"symbol":"BTCUSD","volume":"0.3","side":"SELL","openTimeMillis":1752571800123,'
      .. '"openPrice":"117200.5"}]'),
    means = { { id = "7100000000000042", symbol = "BTCUSD", side = "SELL", volume = "0.3", price = "117200.5",
      stop = "0", target = "0", opened_ms = 1752571800123 } } },
  { call = "open_positions", name = "two on one symbol, as a hedging account has them", request = POSITIONS,
    answer = ok('{"positions":[{"id":"W1","symbol":"BTCUSD","volume":"0.3","side":"SELL",'
      .. '"openTimeMillis":1752571800123,"openPrice":"117200.5"},{"id":"W2","symbol":"BTCUSD","volume":"0.3",'
      .. '"side":"BUY",'
      .. '"openTimeMillis":1752571800124,"openPrice":"117201.5"}]}'),
    means = { { id = "W1", symbol = "BTCUSD", side = "SELL", volume = "0.3", price = "117200.5", stop = "0",
        target = "0", opened_ms = 1752571800123 },
      { id = "W2", symbol = "BTCUSD", side = "BUY", volume = "0.3", price = "117201.5", stop = "0", target = "0",
        opened_ms = 1752571800124 } } },
  { call = "open_positions", name = "a side that is none spoils the list", request = POSITIONS,
    answer = ok('{"positions":[{"id":"W1","symbol":"BTCUSD","volume":"0.3","side":"FLAT","openPrice":"1"}]}'),
    unreadable = true },
  { call = "open_positions", name = "a volume in another writing spoils the list", request = POSITIONS,
    answer = ok('{"positions":[{"id":"W1","symbol":"BTCUSD","volume":"0x3","side":"BUY","openPrice":"1"}]}'),
    unreadable = true },
  { call = "open_positions", name = "none", request = POSITIONS, answer = ok('{"positions":[]}'), means = {} },
  { call = "open_positions", name = "a row without an id spoils the list", request = POSITIONS,
    answer = ok('{"positions":[{"id":"W1","symbol":"BTCUSD","volume":"0.1","side":"BUY","openPrice":"1.0"},'
      .. '{"symbol":"BTCUSD","volume":"0.1","side":"BUY","openPrice":"1.0"}]}'), unreadable = true },
  { call = "open_positions", name = "an error instead of a list proves nothing", request = POSITIONS,
    answer = ok('{"error":{"type":"ACCOUNT_DELETED","errorMessage":"gone"},"status":"error"}'), unreadable = true,
    reason = "gone" },
  { call = "open_positions", name = "an object without a list", request = POSITIONS, answer = ok("{}"),
    unreadable = true },
  { call = "open_positions", name = "an empty answer", request = POSITIONS, answer = ok(""), unreadable = true },

  -- ---- closed-positions ----
  { call = "closed_positions", name = "two parts and the rest of one position, one of another", args = CLOSED_ARGS,
    request = CLOSED, documented = true,
    answer = ok('{"status":"FULL","operations":[{"id":"W7100000000000042","uid":"W7100000000000042_close1",'
      .. '"closingOrderID":"W7100000000000050","symbol":"BTCUSD","alias":"BTCUSD","side":"SELL","volume":"0.10",'
      .. '"openTime":"2025-07-15T09:30:00Z","openPrice":"117200.5","time":"2025-07-15T09:41:00Z",'
      .. '"closePrice":"117100.5","stopLoss":null,"takeProfit":null,"commission":"-0.07","swap":"0",'
      .. '"profit":"10.00","netProfit":"9.93","closeReason":"CLOSE_REASON_PARTIAL"},{"id":"W7100000000000042",'
      .. '"uid":"W7100000000000042_close2","closingOrderID":"W7100000000000051","symbol":"BTCUSD","alias":"BTCUSD",'
      .. '"side":"SELL","volume":"0.20","openTime":"2025-07-15T09:30:00Z","openPrice":"117200.5",'
      .. '"time":"2025-07-15T09:42:00Z","closePrice":"117300.5","stopLoss":"117300.0","takeProfit":"0",'
      .. '"commission":"-0.14","swap":"0","profit":"-20.00","netProfit":"-20.14",'
      .. '"closeReason":"WHATEVER_IT_MAY_BE"}]}'),
    means = {
      { id = "W7100000000000042", uid = "W7100000000000042_close1", symbol = "BTCUSD", side = "SELL", volume = "0.1",
        open_price = "117200.5", price = "117100.5", stop = "0", target = "0", profit = "10", commission = "-0.07",
        swap = "0", opened_ms = 1752571800000, closed_ms = 1752572460000 },
      { id = "W7100000000000042", uid = "W7100000000000042_close2", symbol = "BTCUSD", side = "SELL", volume = "0.2",
        open_price = "117200.5", price = "117300.5", stop = "117300", target = "0", profit = "-20",
        commission = "-0.14", swap = "0", opened_ms = 1752571800000, closed_ms = 1752572520000 } } },
  { call = "closed_positions", name = "rows without uid, one in numbers, stay apart by their closing order",
    args = CLOSED_ARGS, request = CLOSED,
    answer = ok('{"status":"FULL","operations":[{"id":"W1","closingOrderID":"W8","symbol":"BTCUSD","side":"BUY",'
      .. '"volume":"0.1","openPrice":"10","closePrice":"11","profit":"0.1","openTime":"2025-07-15T09:30:00Z",'
      .. '"time":"2025-07-15T09:41:00Z"},{"id":"W1","closingOrderID":"W9","symbol":"BTCUSD","side":"BUY",'
      .. '"volume":0.1,"openPrice":10,"closePrice":12.0,"profit":0.2,"openTime":"2025-07-15T09:30:00Z",'
      .. '"time":"2025-07-15T09:42:00Z"}]}'),
    means = {
      { id = "W1", uid = "W8", symbol = "BTCUSD", side = "BUY", volume = "0.1", open_price = "10", price = "11",
        stop = "0", target = "0", profit = "0.1", commission = "0", swap = "0", opened_ms = 1752571800000,
        closed_ms = 1752572460000 },
      { id = "W1", uid = "W9", symbol = "BTCUSD", side = "BUY", volume = "0.1", open_price = "10", price = "12",
        stop = "0", target = "0", profit = "0.2", commission = "0", swap = "0", opened_ms = 1752571800000,
        closed_ms = 1752572520000 } } },
  { call = "closed_positions", name = "numbers, prices of the older generation beside", args = CLOSED_ARGS,
    request = CLOSED,
    answer = ok('{"status":"FULL","operations":[{"id":"W1","uid":"W1_close1","closingOrderID":"W2","symbol":"EURUSD.",'
      .. '"side":"BUY","volume":0.01,"openTime":"2025-07-15T09:30:00Z","openPrice":1.1,"time":1752572460000,'
      .. '"closePrice":1.11,"stopLoss":0,"takeProfit":"","commission":-0.07,"swap":-1.5,"profit":10,"netProfit":8.43,'
      .. '"stopLossInMainWallet":null,"takeProfitInMainWallet":null,"bidPrice":1.11,"askPrice":1.1101,'
      .. '"currentPrice":1.11}]}'),
    means = { { id = "W1", uid = "W1_close1", symbol = "EURUSD.", side = "BUY", volume = "0.01", open_price = "1.1",
      price = "1.11", stop = "0", target = "0", profit = "10", commission = "-0.07", swap = "-1.5",
      opened_ms = 1752571800000, closed_ms = 1752572460000 } } },
  { call = "closed_positions", name = "none", args = CLOSED_ARGS, request = CLOSED,
    answer = ok('{"status":"FULL","operations":[]}'), means = {} },
  { call = "closed_positions", name = "a row without a profit spoils the list", args = CLOSED_ARGS, request = CLOSED,
    answer = ok('{"status":"FULL","operations":[{"id":"W1","symbol":"BTCUSD","side":"BUY","volume":"0.1",'
      .. '"openPrice":"10","closePrice":"11"}]}'), unreadable = true },

  -- ---- active-orders ----
  { call = "active_orders", name = "strings", request = ORDERS,
    answer = ok('{"orders":[{"id":"W7100000000000061","symbol":"XAUUSD","alias":"XAUUSD","volume":"1.00",'
      .. '"type":"LIMIT","side":"BUY","activationPrice":"3340.00","creationTime":"2025-07-15T09:30:00.000Z",'
      .. '"stopLoss":"3330.00","takeProfit":"","comment":""}]}'),
    means = { { id = "W7100000000000061", symbol = "XAUUSD", side = "BUY", type = "LIMIT", volume = "1", price = "3340",
      stop = "3330", target = "0", created_ms = 1752571800000 } } },
  { call = "active_orders", name = "numbers, the time as milliseconds", request = ORDERS,
    answer = ok('{"orders":[{"id":"W7100000000000061","symbol":"XAUUSD","volume":1,"type":"STOP","side":"SELL",'
      .. '"activationPrice":3340.5,"creationTime":1752571800000,"stopLoss":0,"takeProfit":3300}]}'),
    means = { { id = "W7100000000000061", symbol = "XAUUSD", side = "SELL", type = "STOP", volume = "1",
      price = "3340.5", stop = "0", target = "3300", created_ms = 1752571800000 } } },
  { call = "active_orders", name = "open and current price beside, a comment, levels of none in every writing",
    request = ORDERS,
    answer = ok('{"orders":[{"id":"W1","symbol":"XAUUSD","volume":"1.00","type":"STOP","side":"BUY",'
      .. '"activationPrice":"3400.00","openPrice":null,"currentPrice":"3350.10","creationTime":"2025-07-15T09:30:00Z",'
      .. '"stopLoss":"","takeProfit":"0","comment":"x"},{"id":"W2","symbol":"XAUUSD","volume":"1.00","type":"LIMIT",'
      .. '"side":"SELL","activationPrice":"3400.00","creationTime":"2025-07-15T09:30:00+00:00","stopLoss":null}]}'),
    means = { { id = "W1", symbol = "XAUUSD", side = "BUY", type = "STOP", volume = "1", price = "3400", stop = "0",
        target = "0", created_ms = 1752571800000 },
      { id = "W2", symbol = "XAUUSD", side = "SELL", type = "LIMIT", volume = "1", price = "3400", stop = "0",
        target = "0", created_ms = 1752571800000 } } },
  { call = "active_orders", name = "none", request = ORDERS, documented = true, answer = ok('{"orders":[]}'),
    means = {} },
  { call = "active_orders", name = "a kind that is not known spoils the list", request = ORDERS,
    answer = ok('{"orders":[{"id":"W1","symbol":"XAUUSD","volume":1,"type":"STOP_LIMIT","side":"SELL",'
      .. '"activationPrice":1}]}'), unreadable = true },
}
