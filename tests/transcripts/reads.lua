-- SPDX-License-Identifier: MIT
-- Golden transcripts: money and market data. See session.lua for the form. Paths are those after
-- /mtr-api/<system>; each request carries Auth-trading-api and the co-auth cookie.

local JSON = { { "Content-Type", "application/json" } }

local BALANCE = { method = "GET", path = "/balance" }
local INSTRUMENTS = { method = "GET", path = "/effective-instruments" }
local QUOTES = { method = "GET", path = "/quotations?symbols=BTCUSD,GBPUSD." }
local QUOTE_ARGS = { symbols = { "BTCUSD", "GBPUSD." } }
local CANDLES = { method = "GET", path = "/candles?symbol=BTCUSD&interval=M1&from=2025-07-15T00%3A00%3A00.000Z"
  .. "&to=2025-07-15T00%3A10%3A00.000Z" }
local CANDLE_ARGS = { symbol = "BTCUSD", timeframe = "1m", from_ms = 1752537600000, to_ms = 1752538200000 }

local function ok(body) return { status = 200, headers = JSON, body = body } end

return {
  -- ---- balance ----
  { call = "balance", name = "strings", request = BALANCE, documented = true,
    answer = ok('{"balance":"25000.00","equity":"25110.55","margin":"310.20","freeMargin":"24800.35",'
      .. '"marginLevel":"8094.96","profit":"112.05","netProfit":"110.55","credit":"0.00","currency":"EUR",'
      .. '"currencyPrecision":2}'),
    means = { balance = "25000", equity = "25110.55", margin = "310.2", free_margin = "24800.35", profit = "112.05",
      credit = "0", currency = "EUR" } },
  { call = "balance", name = "numbers", request = BALANCE,
    answer = ok('{"balance":25000,"equity":25110.55,"margin":310.2,"freeMargin":24800.35,"currency":"EUR"}'),
    means = { balance = "25000", equity = "25110.55", margin = "310.2", free_margin = "24800.35", currency = "EUR" } },
  { call = "balance", name = "only what must be there: no margin, so all of the equity is free", request = BALANCE,
    answer = ok('{"currency":"USD","equity":"99.10","balance":"100.00"}'),
    means = { balance = "100", equity = "99.1", margin = "0", free_margin = "99.1", currency = "USD" } },
  { call = "balance", name = "null and empty members count as missing", request = BALANCE,
    answer = ok('{"currency":"USD","equity":"99.10","balance":"100.00","margin":"","freeMargin":null}'),
    means = { balance = "100", equity = "99.1", margin = "0", free_margin = "99.1", currency = "USD" } },
  { call = "balance", name = "more places than money has", request = BALANCE,
    answer = ok('{"currency":"USD","equity":"99.123456789012","balance":"100","margin":"0","freeMargin":"99.12"}'),
    means = { balance = "100", equity = "99.12345679", margin = "0", free_margin = "99.12", currency = "USD" } },
  { call = "balance", name = "texts and numbers mixed, a loss, credit", request = BALANCE,
    answer = ok('{"balance":"100.00","equity":-5.5,"margin":"10","freeMargin":-15.5,"profit":"-105.50","credit":50,'
      .. '"currency":"USD"}'),
    means = { balance = "100", equity = "-5.5", margin = "10", free_margin = "-15.5", profit = "-105.5", credit = "50",
      currency = "USD" } },
  { call = "balance", name = "no equity", request = BALANCE, answer = ok('{"balance":"100.00","currency":"USD"}'),
    unreadable = true },

  -- ---- effective-instruments ----
  { call = "instruments", name = "bare array, numbers", request = INSTRUMENTS, documented = true,
    answer = ok('[{"symbol":"BTCUSD","alias":"Bitcoin","description":"Bitcoin vs US Dollar","type":"CFD",'
      .. '"baseCurrency":"BTC","quoteCurrency":"USD","sessionOpen":true,"tradingHours":[{"dayNumber":0,"openHours":0,'
      .. '"openMinutes":0,"openSeconds":0,"closeHours":23,"closeMinutes":59,"closeSeconds":59}],"volumeMin":0.01,'
      .. '"volumeMax":40.0,"volumeStep":0.01,"volumePrecision":2,"pricePrecision":1,"sizeOfOnePoint":0.1,'
      .. '"contractSize":1,"askMarkup":0,"bidMarkup":0,"leverage":20,"fixedLeverage":null,"multiplier":1,'
      .. '"multiplierCurrency":"USD","divider":1,"swapType":"PIPS","swapBuy":-2.5,"swapSell":0.4,"freezeLevel":0,'
      .. '"stopsLevel":12,"commission":0,"terminationType":"UNDEFINED","terminationDate":null,'
      .. '"terminationDateIso":null,"tags":["crypto"]}]'),
    means = { skipped = 0, rows = { { venue = "v", symbol = "BTCUSD", canonical = "BTCUSD", base = "BTC",
      quote = "USD", price_digits = 1, volume_digits = 2, volume_min = "0.01", volume_max = "40", volume_step = "0.01",
      contract_size = "1", leverage = 20, stops_level = 12, commission = "0", type = "CFD", session_open = true,
      hours = { { day = 0, open_ms = 0, close_ms = 86400000 } }, freeze_level = 0, point = "0.1", swap_type = "PIPS",
      swap_buy = "-2.5", swap_sell = "0.4" } } } },
  { call = "instruments", name = "wrapped, numbers as strings, a suffix, an unusable row", request = INSTRUMENTS,
    answer = ok('{"instruments":[{"symbol":"GBPUSD.","baseCurrency":"GBP","quoteCurrency":"USD","volumeMin":"0.01",'
      .. '"volumeMax":"50.0","volumeStep":"0.01","volumePrecision":"2","pricePrecision":"5","contractSize":"100000",'
      .. '"leverage":"100","stopsLevel":"10","commission":"3.5"},{"symbol":"BROKEN","volumeMin":"0.01"}]}'),
    means = { skipped = 1, rows = { { venue = "v", symbol = "GBPUSD.", canonical = "GBPUSD",
      base = "GBP", quote = "USD", price_digits = 5, volume_digits = 2, volume_min = "0.01", volume_max = "50",
      volume_step = "0.01", contract_size = "100000", leverage = 100, stops_level = 10, freeze_level = 0,
      commission = "3.5" } } } },
  { call = "instruments", name = "limits between whole numbers are read towards less risk", request = INSTRUMENTS,
    answer = ok('[{"symbol":"ETHUSDT.cft","baseCurrency":"ETH","quoteCurrency":"USDT","volumeMin":0.1,"volumeMax":9,'
      .. '"volumeStep":0.1,"volumePrecision":1,"pricePrecision":2,"contractSize":1,"leverage":33.3,'
      .. '"stopsLevel":10.5}]'),
    means = { skipped = 0, rows = { { venue = "v", symbol = "ETHUSDT.cft", canonical = "ETHUSDT", base = "ETH",
      quote = "USDT", price_digits = 2, volume_digits = 1, volume_min = "0.1", volume_max = "9", volume_step = "0.1",
      contract_size = "1", leverage = 33, stops_level = 11, freeze_level = 0, commission = "0" } } } },
  { call = "instruments", name = "points that are pips, a leverage of its own, an end, a night between two days",
    request = INSTRUMENTS,
    answer = ok('[{"symbol":"EURJPY","alias":"EURJPY","type":"FOREX","baseCurrency":"EUR","quoteCurrency":"JPY",'
      .. '"sessionOpen":"false","tradingHours":[{"dayNumber":"0","openHours":"22","openMinutes":"5","openSeconds":"0",'
      .. '"closeHours":"21","closeMinutes":"0","closeSeconds":"0"},{"dayNumber":5,"openHours":0,"closeHours":21}],'
      .. '"volumeMin":0.01,"volumeMax":50,"volumeStep":0.01,"pricePrecision":3,"sizeOfOnePoint":"0.01",'
      .. '"contractSize":100000,"leverage":100,"fixedLeverage":"30","freezeLevel":"2","stopsLevel":1.5,'
      .. '"swapType":"POINTS","swapBuy":"-6.1","swapSell":"","terminationType":"EXPIRATION",'
      .. '"terminationDateIso":"2025-12-19T21:00:00Z"}]'),
    means = { skipped = 0, rows = { { venue = "v", symbol = "EURJPY", canonical = "EURJPY", base = "EUR",
      quote = "JPY", price_digits = 3, volume_digits = 2, volume_min = "0.01", volume_max = "50", volume_step = "0.01",
      contract_size = "100000", leverage = 30, fixed_leverage = 30, stops_level = 15, freeze_level = 20,
      commission = "0", type = "FOREX", session_open = false, point = "0.01", swap_type = "POINTS",
      swap_buy = "-6.1", expires_ms = 1766178000000, hours = {
        { day = 0, open_ms = 79500000, close_ms = 86400000 }, { day = 1, open_ms = 0, close_ms = 75600000 },
        { day = 5, open_ms = 0, close_ms = 75600000 } } } } } },
  { call = "instruments", name = "hours with nonsense in them are not known; what orders need is not guessed",
    request = INSTRUMENTS,
    answer = ok('[{"symbol":"US30","quoteCurrency":"USD","volumeMin":0.1,"volumeMax":5,"volumeStep":0.1,'
      .. '"pricePrecision":1,"contractSize":1,"tradingHours":[{"dayNumber":7,"openHours":0,"closeHours":20}]},'
      .. '{"symbol":"A","quoteCurrency":"USD","volumeMin":0.1,"volumeMax":5,"volumeStep":0.1,"pricePrecision":1,'
      .. '"contractSize":1,"stopsLevel":"n/a"},{"symbol":"B","quoteCurrency":"USD","volumeMin":0.1,"volumeMax":5,'
      .. '"volumeStep":0.25,"volumePrecision":1,"pricePrecision":1,"contractSize":1},{"symbol":"C",'
      .. '"quoteCurrency":"USD","volumeMin":2,"volumeMax":1,"volumeStep":0.1,"pricePrecision":1,"contractSize":1},'
      .. '{"symbol":"D","quoteCurrency":"USD","volumeMin":0.1,"volumeMax":5,"volumeStep":0.1,"pricePrecision":9,'
      .. '"contractSize":1},null,7]'),
    means = { skipped = 6, rows = { { venue = "v", symbol = "US30", canonical = "US30", base = "US30", quote = "USD",
      price_digits = 1, volume_digits = 1, volume_min = "0.1", volume_max = "5", volume_step = "0.1",
      contract_size = "1", leverage = 0, stops_level = 0, freeze_level = 0, commission = "0" } } } },
  { call = "instruments", name = "all instruments, also those that cannot be traded", args = { all = true },
    request = { method = "GET", path = "/instruments" }, answer = ok('{"instruments":[]}'),
    means = { skipped = 0, rows = {} } },
  { call = "instruments", name = "nothing to trade", request = INSTRUMENTS, answer = ok("[]"),
    means = { skipped = 0, rows = {} } },

  -- ---- quotations ----
  { call = "quotations", name = "bare array, numbers", args = QUOTE_ARGS, request = QUOTES, documented = true,
    answer = ok('[{"symbol":"BTCUSD","alias":"Bitcoin","bid":117200.5,"ask":117203.1,"change":-0.4,"high":118000.0,'
      .. '"low":116100.2,"timestampMs":1752537600250,"timestampSec":1752537600},{"symbol":"GBPUSD.","alias":"GBPUSD",'
      .. '"bid":1.34211,"ask":1.34219,"change":0.1,"high":1.35,"low":1.34,"timestampMs":1752537600007,'
      .. '"timestampSec":1752537600}]'),
    means = { { symbol = "BTCUSD", bid = 117200.5, ask = 117203.1, time_ms = 1752537600250 },
      { symbol = "GBPUSD.", bid = 1.34211, ask = 1.34219, time_ms = 1752537600007 } } },
  { call = "quotations", name = "wrapped in body, strings", args = QUOTE_ARGS, request = QUOTES,
    answer = ok('{"body":[{"symbol":"BTCUSD","bid":"117200.5","ask":"117203.1","timestampMs":"1752537600250"}]}'),
    means = { { symbol = "BTCUSD", bid = 117200.5, ask = 117203.1, time_ms = 1752537600250 } } },
  { call = "quotations", name = "wrapped in quotations; rows without a usable price are left out", args = QUOTE_ARGS,
    request = QUOTES,
    answer = ok('{"quotations":[{"symbol":"BTCUSD","bid":117200.5,"ask":null},{"symbol":"GBPUSD.","bid":1.35,'
      .. '"ask":1.34},{"symbol":"X","bid":1e999,"ask":1e999},{"symbol":"Y","bid":"0","ask":"1"}]}'),
    means = {} },
  { call = "quotations", name = "names that need escaping", args = { symbols = { "EUR/USD", "#A B", "BTCUSD" } },
    request = { method = "GET", path = "/quotations?symbols=EUR%2FUSD,%23A%20B,BTCUSD" }, answer = ok("[]"),
    means = {} },

  -- ---- candles ----
  { call = "candles", name = "numbers, oldest first", args = CANDLE_ARGS, request = CANDLES, documented = true,
    answer = ok('{"symbol":"BTCUSD","interval":"M1","candles":[{"time":1752537600000,"open":117200.5,"high":117210,'
      .. '"low":117190.1,"close":117205,"volume":210},{"time":1752537660000,"open":117205,"high":117206,'
      .. '"low":117201,"close":117201.5,"volume":0}]}'),
    means = { { open_ms = 1752537600000, open = 117200.5, high = 117210, low = 117190.1, close = 117205, volume = 210 },
      { open_ms = 1752537660000, open = 117205, high = 117206, low = 117201, close = 117201.5, volume = 0 } } },
  { call = "candles", name = "strings, newest first, no volume", args = CANDLE_ARGS, request = CANDLES,
    answer = ok('{"candles":[{"time":"1752537660000","open":"5","high":"6","low":"4","close":"5.5","volume":null},'
      .. '{"time":"1752537600000","open":"4","high":"6","low":"4","close":"5"}]}'),
    means = { { open_ms = 1752537600000, open = 4, high = 6, low = 4, close = 5, volume = 0 },
      { open_ms = 1752537660000, open = 5, high = 6, low = 4, close = 5.5, volume = 0 } } },
  { call = "candles", name = "none", args = CANDLE_ARGS, request = CANDLES,
    answer = ok('{"symbol":"BTCUSD","interval":"M1","candles":[]}'), means = {} },
  { call = "candles", name = "cut off in the middle", args = CANDLE_ARGS, request = CANDLES,
    answer = ok('{"symbol":"BTCUSD","interval":"M1","candles":[{"time":175253760'), unreadable = true },
}
