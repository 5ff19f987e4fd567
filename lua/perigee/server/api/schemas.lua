-- SPDX-License-Identifier: MIT
-- The named schemas of the API: what requests and answers hold. The order here is the order in docs/openapi.yaml.

local s = require "perigee.server.schema"

local list = {}

local function define(name, schema)
  list[#list + 1] = { name = name, schema = schema }
end

-- A page of a list.
local function page(name, item)
  define(name, s.object {
    { "items", s.array(s.ref(item)) },
    { "next_cursor", s.string { nullable = true,
      text = "give it as `cursor` for the next page; null: this is the last" } },
  })
end

local id = function(text) return s.integer { min = 0, text = text } end
local account_id = function() return s.string { format = "word", text = "the broker's id of the trading account" } end
local currency = function() return s.string { format = "currency" } end
local side = function() return s.enum { "LONG", "SHORT" } end
local maybe_decimal = function(text) return s.decimal(text, { nullable = true }) end
local maybe_time = function(text) return s.time(text, { nullable = true }) end
local maybe_text = function(text) return s.string { nullable = true, text = text } end
local maybe_id = function(text) return s.integer { nullable = true, min = 0, text = text } end

-- ---- errors, health ------------------------------------------------------------------------------

define("Problem", s.object({
  { "type", s.string { text = "urn:perigee:problem:<code>" } },
  { "title", s.string() },
  { "status", s.integer { min = 400, max = 599 } },
  { "code", s.string { text = "stable name of the error" } },
  { "detail", s.string { text = "one sentence: what, where, what to do" } },
  { "instance", s.string { text = "id of the request; the log has it too" } },
  { "errors", s.array(s.object {
    { "pointer", s.string { text = "JSON pointer into the body, or the parameter's name" } },
    { "detail", s.string() },
  }), optional = true },
}, { text = "RFC 9457 problem details" }))

define("Health", s.object {
  { "status", s.enum { "ok", "degraded" } },
  { "engine", s.enum { "connected", "away" } },
  { "database", s.enum { "connected", "delayed", "away" } },
})

define("Version", s.object {
  { "name", s.string() },
  { "version", s.string() },
  { "api", s.string() },
})

-- ---- operators -----------------------------------------------------------------------------------

local role = function() return s.enum { "viewer", "trader", "admin" } end
local password = function() return s.string { min = 12, max = 200, text = "at least 12 characters" } end

define("LoginRequest", s.object {
  { "username", s.string { min = 1, max = 64 } },
  { "password", s.string { min = 1, max = 200 } },
})
define("PasswordRequest", s.object {
  { "current", s.string { min = 1, max = 200 } },
  { "new", password() },
})
define("SignIn", s.object {
  { "id", id("of the operator") },
  { "username", s.string() },
  { "role", role() },
  { "must_change_password", s.boolean { text = "true: everything but the change of the password is forbidden" } },
  { "csrf_token", s.string { text = "send it as X-CSRF-Token with every request that changes something" } },
  { "expires_at", s.time("end of the sign-in when it is not used") },
})
define("Operator", s.object {
  { "id", id() },
  { "username", s.string() },
  { "role", role() },
  { "is_active", s.boolean() },
  { "must_change_password", s.boolean() },
  { "created_at", s.time() },
  { "last_login_at", maybe_time() },
})
define("OperatorCreate", s.object {
  { "username", s.string { format = "username" } },
  { "role", role() },
})
define("OperatorUpdate", s.object {
  { "role", role(), optional = true },
  { "is_active", s.boolean(), optional = true },
  { "reset_password", s.boolean { text = "true: a new one-time password is made" }, optional = true },
})
define("OperatorSecret", s.object {
  { "operator", s.ref("Operator") },
  { "one_time_password", s.string { nullable = true, text = "shown once; null when none was made" } },
})
page("OperatorPage", "Operator")

-- ---- users, sessions, accounts -------------------------------------------------------------------

local condition = function()
  return s.enum({ "out", "logging_in", "open", "renewing", "blocked", "refused", "taken_over" }, {
    text = "blocked: the broker's edge refuses us, entries rest; refused: the password, nobody tries again by itself; "
      .. "taken_over: somebody else logs in with this user, we wait" })
end

define("User", s.object({
  { "id", id() },
  { "broker", s.string { text = "profile" } },
  { "email", s.string() },
  { "name", maybe_text() },
  { "is_active", s.boolean { text = "false: never logged in by itself" } },
  { "status", s.enum { "open", "closed", "failed", "logging_in", "inactive" } },
  { "condition", condition() },
  { "error", maybe_text("why the last login failed") },
  { "account_ids", s.array(account_id()) },
  { "currency", currency() },
  { "balance", maybe_decimal("of all its accounts, in `currency`; null: not known yet, or a rate is missing") },
  { "equity", maybe_decimal("the same by the newest prices") },
  { "profit", maybe_decimal("floating profit of the open positions") },
  { "open_positions", s.integer { min = 0 } },
  { "logged_in_at", maybe_time() },
  { "expires_at", maybe_time("of the broker's token") },
}, { text = "one login at one broker" }))
define("UserCreate", s.object {
  { "email", s.string { format = "email" } },
  { "password", s.string { min = 1, max = 200, text = "the broker's; it is sealed before it leaves the office" } },
  { "broker", s.string { format = "word", default = "paper" }, optional = true },
  { "broker_id", s.string { format = "word", text = "found out when absent" }, optional = true },
  { "name", s.string { max = 100 }, optional = true },
  { "is_active", s.boolean { default = true }, optional = true },
})
define("UserUpdate", s.object {
  { "name", s.string { max = 100, nullable = true }, optional = true },
  { "password", s.string { min = 1, max = 200 }, optional = true },
  { "is_active", s.boolean(), optional = true },
})
page("UserPage", "User")

define("LoginResult", s.object {
  { "user_id", id() },
  { "email", s.string() },
  { "ok", s.boolean() },
  { "error", maybe_text() },
})
define("LoginReport", s.object {
  { "ok_count", s.integer { min = 0 } },
  { "failed_count", s.integer { min = 0 } },
  { "results", s.array(s.ref("LoginResult")) },
})

define("Session", s.object {
  { "id", id() },
  { "user_id", id() },
  { "email", s.string() },
  { "broker", s.string() },
  { "status", s.enum { "open", "closed", "failed" } },
  { "is_active", s.boolean() },
  { "account_ids", s.array(account_id()) },
  { "login_at", s.time() },
  { "expires_at", maybe_time() },
  { "last_refresh_at", maybe_time() },
  { "condition", condition() },
  { "token_at", maybe_time("when its token came: its age") },
  { "refreshes_left", s.integer { nullable = true, min = 0, text = "of this hour; after that a login" } },
  { "error", maybe_text() },
})
page("SessionPage", "Session")

define("Account", s.object {
  { "id", account_id() },
  { "uuid", maybe_text() },
  { "user_id", id() },
  { "email", s.string() },
  { "broker", s.string() },
  { "currency", currency() },
  { "leverage", s.integer { min = 0, text = "100 is 1:100" } },
  { "group", maybe_text() },
  { "balance", maybe_decimal() },
  { "equity", maybe_decimal("by the newest prices") },
  { "margin", maybe_decimal() },
  { "free_margin", maybe_decimal() },
  { "profit", maybe_decimal("floating") },
  { "realised", s.decimal("sum of all closes") },
  { "balance_first", maybe_decimal("the first balance that was seen") },
  { "open_positions", s.integer { min = 0 } },
  { "trades", s.integer { min = 0 } },
  { "is_paused", s.boolean() },
  { "is_active", s.boolean { text = "it may open positions now" } },
  { "updated_at", maybe_time() },
})
page("AccountPage", "Account")
define("SyncRequest", s.object {
  { "account_ids", s.array(account_id(), { min = 1, max = 4096 }), optional = true },
})
define("SyncReport", s.object {
  { "account_count", s.integer { min = 0 } },
  { "failed", s.array(s.object { { "account_id", account_id() }, { "reason", s.string() } }) },
})

-- ---- market --------------------------------------------------------------------------------------

define("Instrument", s.object {
  { "symbol", s.string { text = "our name" } },
  { "broker_symbol", s.string() },
  { "price_digits", s.integer { min = 0, max = 18 } },
  { "volume_digits", s.integer { min = 0, max = 8 } },
  { "volume_min", s.decimal("lots") },
  { "volume_max", s.decimal("lots") },
  { "volume_step", s.decimal("lots") },
  { "contract_size", s.decimal("units in a lot") },
  { "stops_level", s.integer { min = 0, text = "least distance of stop and target, points" } },
  { "bid", maybe_decimal() },
  { "ask", maybe_decimal() },
})
page("InstrumentPage", "Instrument")
define("Candle", s.object {
  { "time", s.time("its beginning") },
  { "open", s.number() }, { "high", s.number() }, { "low", s.number() }, { "close", s.number() },
  { "volume", s.number() },
  { "buy_volume", s.number { text = "the aggressor bought" } },
  { "sell_volume", s.number() },
})
define("Candles", s.object {
  { "symbol", s.string() },
  { "timeframe", s.string() },
  { "source", s.enum { "engine", "history" } },
  { "candles", s.array(s.ref("Candle"), { text = "oldest first" }) },
  { "forming", s.ref("Candle", { nullable = true }) },
})

-- ---- trading -------------------------------------------------------------------------------------

define("Condition", s.object {
  { "name", s.string() },
  { "value", s.any() },
  { "threshold", s.any() },
  { "source", maybe_text() },
  { "pass", s.boolean { nullable = true } },
})
define("SignalOutcome", s.object {
  { "traded", s.boolean() },
  { "refused_rule", maybe_text() },
  { "refused_reason", maybe_text() },
  { "legs", s.integer { min = 0 } },
  { "accepted", s.integer { min = 0 } },
  { "rejected", s.integer { min = 0 } },
  { "unknown", s.integer { min = 0 } },
  { "not_sent", s.integer { min = 0 } },
  { "volume", maybe_decimal("lots") },
  { "elapsed_ms", s.number { nullable = true } },
})
define("Signal", s.object {
  { "id", id() },
  { "strategy", s.string() },
  { "hash", maybe_text("version of the script") },
  { "symbol", s.string() },
  { "signal_type", s.enum { "LONG", "SHORT", "CLOSE" } },
  { "price", maybe_decimal() },
  { "stop_loss", maybe_decimal() },
  { "take_profit", maybe_decimal() },
  { "strength", s.number { nullable = true, text = "0 to 1" } },
  { "confidence", s.number { nullable = true, text = "0 to 1" } },
  { "volume_ratio", s.number { nullable = true } },
  { "orderbook_imbalance", s.number { nullable = true } },
  { "reason", maybe_text() },
  { "conditions", s.array(s.ref("Condition")) },
  { "created_at", s.time() },
  { "outcome", s.ref("SignalOutcome", { nullable = true }) },
})
page("SignalPage", "Signal")
require "perigee.server.api.schemas_trading"(define, page)
define("Order", s.object {
  { "id", id() },
  { "signal_id", maybe_id() },
  { "account_id", account_id() },
  { "user_id", id() },
  { "email", s.string() },
  { "operation", s.enum { "open", "close", "close_partial", "edit", "pending", "pending_edit", "cancel" } },
  { "symbol", s.string() },
  { "side", side() },
  { "order_type", s.enum { "MARKET", "LIMIT", "STOP" } },
  { "quantity", s.decimal("lots") },
  { "entry_price", maybe_decimal("reference price of the request") },
  { "stop_loss", maybe_decimal() },
  { "take_profit", maybe_decimal() },
  { "status", s.enum { "PENDING", "OPEN", "CLOSED", "CANCELLED", "REJECTED", "UNKNOWN" } },
  { "state", s.enum { "intent", "sent", "accepted", "rejected", "unknown", "absent", "not_sent" } },
  { "reason", maybe_text() },
  { "position_id", maybe_text() },
  { "is_ambiguous", s.boolean { text = "several things at the broker could be it: the operator has to say which" } },
  { "candidates", s.array(s.string(), { text = "the broker's ids of what it could be, as far as they are known" }) },
  { "is_closing", s.boolean { text = "an entry: what it becomes is closed, however late it turns up" } },
  { "close_reason", maybe_text() },
  { "attempt", s.integer { min = 1, text = "1: the first try" } },
  { "created_at", s.time() },
  { "executed_at", maybe_time() },
  { "closed_at", maybe_time() },
})
page("OrderPage", "Order")

-- ---- history and analytics -----------------------------------------------------------------------

define("Trade", s.object {
  { "id", id() },
  { "uid", s.string { text = "the broker's id of the closing" } },
  { "order_id", maybe_id() },
  { "signal_id", maybe_id() },
  { "strategy", maybe_text() },
  { "user_id", id() },
  { "email", s.string() },
  { "account_id", account_id() },
  { "position_id", s.string() },
  { "symbol", s.string() },
  { "side", side() },
  { "quantity", s.decimal("lots") },
  { "entry_price", s.decimal() },
  { "exit_price", s.decimal() },
  { "profit_loss", s.decimal("gross, `currency`") },
  { "commission", s.decimal() },
  { "swap", s.decimal() },
  { "net", s.decimal("profit_loss + commission + swap") },
  { "currency", currency() },
  { "profit_loss_percent", s.decimal("move of the price in its favour, percent of the entry price") },
  { "duration_seconds", s.integer { min = 0 } },
  { "reason", s.string { text = "target, stop, opposite, time, end, manual" } },
  { "is_partial", s.boolean() },
  { "executed_at", s.time("opened") },
  { "closed_at", s.time() },
})
page("TradePage", "Trade")
define("CurrencyTotal", s.object {
  { "currency", currency() },
  { "trades", s.integer { min = 0 } },
  { "net", s.decimal() },
})
define("TradeStatistics", s.object {
  { "trades", s.integer { min = 0 } },
  { "wins", s.integer { min = 0 } },
  { "losses", s.integer { min = 0 } },
  { "win_rate", s.number { nullable = true, text = "0 to 1; null: no trades" } },
  { "currency", currency() },
  { "net", maybe_decimal("of all, in `currency` at the newest rates; null: a rate is missing") },
  { "average", maybe_decimal("net of a trade") },
  { "best", s.ref("Trade", { nullable = true }) },
  { "worst", s.ref("Trade", { nullable = true }) },
  { "average_duration_seconds", s.number { nullable = true } },
  { "by_currency", s.array(s.ref("CurrencyTotal")) },
})
define("SystemState", s.object {
  { "mode", s.enum { "paper", "live" } },
  { "engine", s.object {
    { "state", s.enum { "connected", "away" } },
    { "since", s.time("wall clock") },
    { "version", maybe_text() },
    { "pid", s.integer { nullable = true } },
  } },
  { "database", s.object {
    { "state", s.enum { "connected", "delayed", "away" } },
    { "since", s.time("wall clock") },
    { "applied_seq", id("newest event in the tables") },
    { "lag", s.integer { min = 0, text = "events that are not in the tables yet" } },
  } },
  { "feed", s.object {
    { "state", s.enum { "connected", "lost", "ended", "unknown" } },
    { "source", maybe_text() },
    { "age_ms", s.integer { nullable = true, min = 0 } },
  } },
  { "broker", s.object {
    { "state", s.enum { "ok", "stale", "unknown" } },
    { "age_ms", s.integer { nullable = true, min = 0 } },
  } },
  { "market_time", maybe_time() },
  { "symbol", maybe_text() },
  { "clock", maybe_text("wall, scaled, granted or virtual") },
  { "speed", maybe_text() },
  { "entries_stopped", s.boolean() },
  { "trading_enabled", s.boolean() },
  { "orders_in_flight", s.integer { min = 0 } },
  { "sessions_open", s.integer { min = 0 } },
  { "accounts_active", s.integer { min = 0 } },
  { "strategies", s.array(s.object {
    { "instance", s.string() }, { "version", s.string() }, { "hash", s.string() }, { "symbol", s.string() },
    { "running", s.boolean() },
  }) },
})
define("Overview", s.object {
  { "as_of", maybe_time("market time") },
  { "currency", currency() },
  { "complete", s.boolean { text = "false: a rate is missing, totals leave accounts out" } },
  { "users_total", s.integer { min = 0 } },
  { "users_active", s.integer { min = 0 } },
  { "sessions_active", s.integer { min = 0 } },
  { "accounts_total", s.integer { min = 0 } },
  { "accounts_active", s.integer { min = 0 } },
  { "balance", maybe_decimal() },
  { "equity", maybe_decimal() },
  { "floating", maybe_decimal("profit of the open positions") },
  { "profit_total", maybe_decimal("balance less the first balance of every account") },
  { "profit_day", maybe_decimal("net of what was closed since 00:00 UTC, and the floating profit; null: no history") },
  { "trades_day", s.integer { nullable = true, min = 0 } },
  { "open_positions", s.integer { min = 0 } },
  { "latest_signal", s.ref("Signal", { nullable = true }) },
  { "system", s.ref("SystemState") },
})
define("UserPerformance", s.object {
  { "rank", s.integer { min = 1 } },
  { "user_id", id() },
  { "email", s.string() },
  { "currency", currency() },
  { "net", maybe_decimal("at the newest rates") },
  { "trades", s.integer { min = 0 } },
  { "wins", s.integer { min = 0 } },
  { "win_rate", s.number { nullable = true } },
  { "balance", maybe_decimal() },
})
define("UserPerformanceList", s.object { { "period", s.string() }, { "items", s.array(s.ref("UserPerformance")) } })
define("Performance", s.object {
  { "period", s.enum { "1h", "24h", "7d", "30d", "all" } },
  { "currency", currency() },
  { "from", s.time() },
  { "to", s.time() },
  { "complete", s.boolean() },
  { "points", s.array(s.object {
    { "time", s.time() },
    { "net", s.decimal("realised since `from`, in `currency` at the newest rates") },
    { "equity", maybe_decimal("of all accounts") },
    { "trades", s.integer { min = 0, text = "closed since the point before" } },
  }) },
})

define("LogEntry", s.object {
  { "id", id() },
  { "level", s.enum { "debug", "info", "warn", "error" } },
  { "component", s.string() },
  { "message", s.string() },
  { "metadata", s.any { text = "an object, or null" } },
  { "created_at", s.time() },
})
page("LogPage", "LogEntry")
define("AuditEntry", s.object {
  { "id", id() },
  { "at", s.time("wall clock") },
  { "operator", maybe_text() },
  { "action", s.string() },
  { "target", maybe_text() },
  { "details", s.any { text = "an object, secrets as ***; or null" } },
  { "ok", s.boolean() },
  { "reason", maybe_text() },
  { "ip", maybe_text() },
})
page("AuditPage", "AuditEntry")

local by_name = {}
for _, entry in ipairs(list) do
  assert(not by_name[entry.name], entry.name)
  by_name[entry.name] = entry.schema
end

return { list = list, by_name = by_name }
