-- SPDX-License-Identifier: MIT
-- Codec of the Match-Trader Platform API: pure functions from what we want to a request, and from an
-- answer to what it says. Tolerant in what it reads (numbers as strings or numbers, both key families,
-- wrapped or bare arrays), strict in what it writes. It knows no sockets and no clocks.

local answer = require "perigee.venues.match_trader.answer"
local login = require "perigee.venues.match_trader.login"
local read = require "perigee.venues.match_trader.read"
local write = require "perigee.venues.match_trader.write"

---@class perigee.MatchTrader
local codec = {
  -- answers as a whole
  reason = answer.reason, edge_block = answer.edge_block, retry_after_ms = answer.retry_after_ms,
  wait_ms = answer.wait_ms, http_date = answer.http_date, classify = answer.classify,
  -- sessions
  platform_details = login.platform_details, read_platform_details = login.read_platform_details,
  login = login.login, login_token = login.login_token, login_code = login.login_code, read_login = login.read_login,
  refresh = login.refresh, read_refresh = login.read_refresh, logout = login.logout, headers = login.headers,
  browser_id = login.browser_id,
  token_expiry = login.token_expiry, read_cookie = login.read_cookie,
  -- money and market data
  balance = read.balance, read_balance = read.read_balance,
  instruments = read.instruments, read_instruments = read.read_instruments, canonical = read.canonical,
  quotations = read.quotations, read_quotations = read.read_quotations,
  candles = read.candles, candles_count = read.candles_count, candles_of = read.candles_of,
  read_candles = read.read_candles,
  -- the book
  open_positions = read.open_positions, read_open_positions = read.read_open_positions,
  closed_positions = read.closed_positions, read_closed_positions = read.read_closed_positions,
  active_orders = read.active_orders, read_active_orders = read.read_active_orders,
  -- writes
  encode = write.encode, decode = write.decode,
}

return codec
