-- SPDX-License-Identifier: MIT
-- The API, declared once: routes with what they take, who may call them and what they answer. The router checks
-- requests by it, docs/openapi.yaml and the dashboard's types are made from it, the contract test walks over it.

local s = require "perigee.server.schema"
local schemas = require "perigee.server.api.schemas"

local api = { prefix = "/api/v1", schemas = schemas.by_name, schema_list = schemas.list }

---@class perigee.Route
---@field id string            operation id; its handler is the function of that name
---@field tag string           group
---@field method string
---@field path string          below the prefix; {name} is a parameter
---@field summary string
---@field role "none"|"viewer"|"trader"|"admin"  the least role
---@field open_while_expired boolean?   allowed while the password must be changed
---@field path_params table<string, perigee.Schema>
---@field query { name: string, schema: perigee.Schema, required: boolean }[]
---@field body perigee.Schema?
---@field body_optional boolean?        an empty body stands for {}
---@field status integer                of success
---@field answer perigee.Schema?        nil: no body
---@field media string?                 of the answer, when it is not JSON
---@field keyed boolean?                takes an Idempotency-Key
---@field problems string[]             codes beyond those that every route can answer

---@type perigee.Route[]
api.routes = {}

local tag

local function route(method, path, id, role, summary, options)
  local r = { method = method, path = path, id = id, role = role, summary = summary, tag = tag, status = 200,
    path_params = {}, query = {}, problems = {} }
  for key, value in pairs(options or {}) do r[key] = value end
  if type(r.answer) == "string" then r.answer = s.ref(r.answer) end
  if type(r.body) == "string" then r.body = s.ref(r.body) end
  for name in path:gmatch("{([%w_]+)}") do
    r.path_params[name] = name == "id" and s.integer { min = 0 } or s.string { format = "word" }
  end
  for name, given in pairs(r.params or {}) do r.path_params[name] = given end
  r.params = nil
  for i, entry in ipairs(r.query) do
    r.query[i] = { name = entry[1], schema = entry[2], required = entry.required or false }
  end
  api.routes[#api.routes + 1] = r
end

-- Query parameters of lists: a limit, a cursor, and the filters.
local function list_query(...)
  local out = {
    { "limit", s.integer { min = 1, max = 500, default = 50 } },
    { "cursor", s.string { format = "cursor" } },
  }
  for _, entry in ipairs { ... } do out[#out + 1] = entry end
  return out
end

local period = { "period", s.enum({ "1h", "24h", "7d", "30d", "all" }, { default = "24h" }) }
local from = { "from", s.time("not before, market time") }
local to = { "to", s.time("before, market time") }
local users = { "user_ids", s.array(s.integer { min = 0 }, { min = 1, max = 500 }) }
local symbols = { "symbols", s.array(s.string { format = "symbol" }, { min = 1, max = 100 }) }
local side = { "side", s.enum { "LONG", "SHORT" } }
local result = { "result", s.enum { "win", "loss" } }
local search = { "search", s.string { min = 1, max = 100, text = "part of the e-mail or the name" } }
local account = { account_id = s.string { format = "word" } }

tag = "system"
route("GET", "/health", "health", "none", "Whether the office works, and what it reaches", { answer = "Health" })
route("GET", "/version", "version", "none", "Version of the program", { answer = "Version" })
route("GET", "/system/state", "system_state", "viewer", "Engine, database, feed, broker, strategies",
  { answer = "SystemState" })
route("GET", "/system/logs", "list_logs", "viewer", "What the engine told, newest first",
  { answer = "LogPage", query = list_query({ "level", s.enum { "info", "warn", "error" } },
    { "component", s.string { format = "word" } }), problems = { "history_unavailable" } })
route("GET", "/system/audit", "list_audit", "admin", "Who changed what, newest first",
  { answer = "AuditPage", query = list_query({ "operator", s.string { format = "username" } },
    { "action", s.string { format = "word" } }), problems = { "history_unavailable" } })

tag = "auth"
route("POST", "/auth/login", "sign_in", "none", "Sign in; sets the session cookie",
  { body = "LoginRequest", answer = "SignIn", open_while_expired = true,
    problems = { "invalid_credentials", "too_many_attempts", "history_unavailable" } })
route("POST", "/auth/logout", "sign_out", "viewer", "Sign out", { status = 204, open_while_expired = true })
route("GET", "/auth/me", "me", "viewer", "Who is signed in", { answer = "SignIn", open_while_expired = true })
route("POST", "/auth/password", "change_password", "viewer", "Change one's own password; other sign-ins end",
  { body = "PasswordRequest", answer = "SignIn", open_while_expired = true,
    problems = { "invalid_credentials", "too_many_attempts", "history_unavailable" } })

tag = "operators"
route("GET", "/operators", "list_operators", "admin", "People who may sign in",
  { answer = "OperatorPage", query = list_query(), problems = { "history_unavailable" } })
route("POST", "/operators", "create_operator", "admin", "Add a person; answers a one-time password",
  { body = "OperatorCreate", answer = "OperatorSecret", status = 201,
    problems = { "conflict", "history_unavailable" } })
route("PUT", "/operators/{id}", "update_operator", "admin", "Change role, activity or password",
  { body = "OperatorUpdate", answer = "OperatorSecret", problems = { "not_found", "conflict", "history_unavailable" } })
route("DELETE", "/operators/{id}", "delete_operator", "admin", "Remove a person; the last admin stays",
  { status = 204, problems = { "not_found", "conflict", "history_unavailable" } })

tag = "users"
route("GET", "/users", "list_users", "viewer", "Broker logins",
  { answer = "UserPage", query = list_query(search,
    { "status", s.enum { "open", "closed", "failed", "logging_in", "inactive" } }),
    problems = { "engine_unavailable" } })
route("POST", "/users", "create_user", "admin", "Add a broker login; it is logged in at once",
  { body = "UserCreate", answer = "User", status = 201, problems = { "conflict", "engine_unavailable" } })
route("POST", "/users/login-all", "login_all", "trader", "Log in everybody who is not",
  { answer = "LoginReport", problems = { "engine_unavailable" } })
route("GET", "/users/{id}", "get_user", "viewer", "One broker login",
  { answer = "User", problems = { "not_found", "engine_unavailable" } })
route("PUT", "/users/{id}", "update_user", "admin", "Change name, password or activity",
  { body = "UserUpdate", answer = "User", problems = { "not_found", "conflict", "engine_unavailable" } })
route("DELETE", "/users/{id}", "delete_user", "admin", "Remove a login; refused while positions are open",
  { status = 204, problems = { "not_found", "conflict", "engine_unavailable" } })
route("POST", "/users/{id}/login", "login_user", "trader", "Log in at the broker",
  { answer = "Session", problems = { "not_found", "conflict", "broker_refused", "engine_unavailable" } })
route("POST", "/users/{id}/logout", "logout_user", "trader", "Log out at the broker; its accounts take no entries",
  { answer = "Session", problems = { "not_found", "conflict", "engine_unavailable" } })

tag = "sessions"
route("GET", "/sessions", "list_sessions", "viewer", "Broker sessions",
  { answer = "SessionPage", query = list_query({ "active", s.boolean() }), problems = { "engine_unavailable" } })
route("POST", "/sessions/refresh-all", "refresh_all", "trader", "Renew every open session",
  { answer = "LoginReport", problems = { "engine_unavailable" } })
route("GET", "/sessions/{id}", "get_session", "viewer", "One broker session",
  { answer = "Session", problems = { "not_found", "engine_unavailable" } })
route("DELETE", "/sessions/{id}", "delete_session", "trader", "End a broker session: its user is logged out",
  { status = 204, problems = { "not_found", "conflict", "engine_unavailable" } })

tag = "accounts"
route("GET", "/accounts", "list_accounts", "viewer", "Trading accounts",
  { answer = "AccountPage", query = list_query({ "user_id", s.integer { min = 0 } }, search),
    problems = { "engine_unavailable" } })
route("POST", "/accounts/sync", "sync_accounts", "trader", "Read positions and balances from the broker now",
  { body = "SyncRequest", body_optional = true, answer = "SyncReport",
    problems = { "not_found", "engine_unavailable" } })
route("GET", "/accounts/{account_id}", "get_account", "viewer", "One trading account",
  { answer = "Account", problems = { "not_found", "engine_unavailable" } })

tag = "trading"
route("POST", "/trading/signal", "send_signal", "trader",
  "A signal by hand: through risk and orchestration, an order on every account",
  { body = "SignalRequest", answer = "ExecutionReport", keyed = true,
    problems = { "risk_refused", "not_found", "engine_unavailable" } })
route("POST", "/trading/preview", "preview_signal", "trader", "What a signal would do, without doing it",
  { body = "SignalRequest", answer = "Preview", problems = { "not_found", "engine_unavailable" } })
route("POST", "/trading/execute-all", "execute_all", "trader", "One explicit order for all accounts, through risk",
  { body = "ExecuteRequest", answer = "ExecutionReport", keyed = true,
    problems = { "risk_refused", "not_found", "engine_unavailable" } })
route("POST", "/trading/execute-batch", "execute_batch", "trader", "Explicit orders of several accounts, through risk",
  { body = "BatchRequest", answer = "BatchReport", keyed = true,
    problems = { "risk_refused", "not_found", "engine_unavailable" } })
route("GET", "/trading/reports/{id}", "get_report", "viewer",
  "What came of a signal's orders, as it is known now; the newest 50 signals",
  { answer = "ExecutionReport", problems = { "not_found", "engine_unavailable" } })
route("GET", "/trading/retries", "list_retries", "viewer", "Orders that failed for a passing reason and wait for a try",
  { answer = "RetryList", problems = { "engine_unavailable" } })
route("DELETE", "/trading/retries/{account_id}/{symbol}", "drop_retry", "trader", "Try an order no more",
  { status = 204, params = account, problems = { "not_found", "engine_unavailable" } })
route("GET", "/trading/positions", "list_positions", "viewer", "Open positions",
  { answer = "PositionPage", query = list_query(users, symbols, side), problems = { "engine_unavailable" } })
route("POST", "/trading/positions/{account_id}/{position_id}/close", "close_position", "trader",
  "Close one position, or a part of it",
  { body = "CloseRequest", body_optional = true, answer = "CloseReport", status = 202, params = account, keyed = true,
    problems = { "not_found", "conflict", "risk_refused", "engine_unavailable" } })
route("PATCH", "/trading/positions/{account_id}/{position_id}", "edit_position", "trader",
  "Change stop loss and take profit at the broker",
  { body = "PositionEdit", answer = "EditResult", params = account, keyed = true,
    problems = { "not_found", "conflict", "risk_refused", "broker_refused", "engine_unavailable" } })
route("POST", "/trading/close-all", "close_all", "trader", "Close all positions, or those of a symbol or some accounts",
  { body = "CloseAllRequest", body_optional = true, answer = "CloseReport", status = 202, keyed = true,
    problems = { "not_found", "engine_unavailable" } })
route("POST", "/trading/cancel-all", "cancel_all", "trader",
  "Cancel all pending orders, or those of a symbol or some accounts",
  { body = "CloseAllRequest", body_optional = true, answer = "CancelReport", status = 202, keyed = true,
    problems = { "not_found", "engine_unavailable" } })
route("POST", "/trading/edit-all", "edit_all", "trader", "Stop loss and take profit of all positions of a symbol",
  { body = "EditAllRequest", answer = "EditAllReport", keyed = true,
    problems = { "not_found", "conflict", "engine_unavailable" } })
route("GET", "/trading/orders", "list_orders", "viewer", "Orders, newest first",
  { answer = "OrderPage", query = list_query({ "status",
    s.array(s.enum { "PENDING", "OPEN", "CLOSED", "CANCELLED", "REJECTED", "UNKNOWN" }, { min = 1, max = 6 }) },
    { "active", s.boolean { text = "true: only those in flight or unknown, from the engine" } },
    users, symbols, from, to),
    problems = { "engine_unavailable", "history_unavailable" } })
route("POST", "/trading/orders/{id}/assign", "assign_order", "trader",
  "Say which of several things at the broker an ambiguous order is, or that it is none of them",
  { body = "AssignRequest", answer = "Assigned", keyed = true,
    problems = { "not_found", "conflict", "engine_unavailable" } })
route("GET", "/trading/pending-orders", "list_pending_orders", "viewer",
  "Orders that rest at the broker, of ours and of others", { answer = "PendingOrderList",
    problems = { "engine_unavailable" } })
route("POST", "/trading/pending-orders", "create_pending_order", "trader",
  "Create a limit or stop order on one account, through risk",
  { body = "PendingOrderCreate", answer = "PendingOrderResult", keyed = true,
    problems = { "not_found", "conflict", "risk_refused", "broker_refused", "engine_unavailable" } })
route("PATCH", "/trading/pending-orders/{account_id}/{pending_id}", "edit_pending_order", "trader",
  "Change price, quantity, stop loss and take profit of an order that rests, through risk",
  { body = "PendingOrderEdit", answer = "PendingOrderResult", params = account, keyed = true,
    problems = { "not_found", "conflict", "risk_refused", "broker_refused", "engine_unavailable" } })
route("POST", "/trading/pending-orders/{account_id}/{pending_id}/cancel", "cancel_pending_order", "trader",
  "Cancel an order that rests; the cancel is repeated until the broker does not show it any more",
  { answer = "CancelReport", status = 202, params = account, keyed = true,
    problems = { "not_found", "conflict", "engine_unavailable" } })
route("GET", "/trading/budgets", "list_budgets", "viewer", "What is used of the request budgets of each account",
  { answer = "BudgetList", problems = { "engine_unavailable" } })
route("GET", "/trading/signals", "list_signals", "viewer", "Signals, newest first",
  { answer = "SignalPage", query = list_query(symbols, from, to), problems = { "history_unavailable" } })
route("GET", "/trading/instruments", "list_instruments", "viewer", "Symbols with their precision, steps and quotes",
  { answer = "InstrumentPage", problems = { "engine_unavailable" } })
route("GET", "/trading/candles", "get_candles", "viewer", "Bars of a symbol",
  { answer = "Candles", query = { { "symbol", s.string { format = "symbol" }, required = true },
    { "timeframe", s.enum({ "1m", "5m", "15m" }, { default = "1m" }) },
    { "limit", s.integer { min = 1, max = 500, default = 300 } }, { "before", s.time("market time") } },
    problems = { "not_found", "history_unavailable", "engine_unavailable" } })
route("POST", "/trading/entries", "set_entries", "trader", "Kill switch: stop or allow new entries; exits go on",
  { body = "EntriesRequest", answer = "EntriesState", problems = { "engine_unavailable" } })

tag = "dashboard"
route("GET", "/dashboard/overview", "overview", "viewer", "The figures of the first page", { answer = "Overview" })
route("GET", "/dashboard/users", "users_performance", "viewer", "Ranking of users over a period",
  { answer = "UserPerformanceList", query = { period }, problems = { "history_unavailable" } })
route("GET", "/dashboard/performance", "performance", "viewer", "Realised result and equity over a period",
  { answer = "Performance", query = { period, users }, problems = { "history_unavailable" } })
route("GET", "/dashboard/trades", "list_trades", "viewer", "Closed trades, newest first",
  { answer = "TradePage", query = list_query(users, symbols, side, result, from, to),
    problems = { "history_unavailable" } })
route("GET", "/dashboard/trades/statistics", "trade_statistics", "viewer",
  "Statistics of the trades that fit the filters",
  { answer = "TradeStatistics", query = { users, symbols, side, result, from, to },
    problems = { "history_unavailable" } })
route("GET", "/dashboard/trades/export", "export_trades", "viewer", "The trades that fit the filters as CSV",
  { answer = s.string(), media = "text/csv", query = { users, symbols, side, result, from, to },
    problems = { "history_unavailable" } })

--- What can go wrong: code to status and title. Every route may answer the first group.
api.common_problems = { "bad_request", "invalid_parameters", "forbidden_origin", "too_many_requests", "internal" }

---@type table<string, { status: integer, title: string }>
api.problems = {
  bad_request = { status = 400, title = "The request cannot be read" },
  invalid_parameters = { status = 422, title = "The request does not fit its schema" },
  sign_in_required = { status = 401, title = "Sign in first" },
  invalid_credentials = { status = 401, title = "User name or password is wrong" },
  forbidden = { status = 403, title = "Your role does not allow this" },
  forbidden_origin = { status = 403, title = "The request does not come from the dashboard" },
  csrf = { status = 403, title = "The CSRF token is missing or wrong" },
  password_change_required = { status = 403, title = "Set a password of your own first" },
  not_found = { status = 404, title = "There is no such thing" },
  method_not_allowed = { status = 405, title = "The method is not allowed here" },
  conflict = { status = 409, title = "Not possible in the present state" },
  body_too_large = { status = 413, title = "The body is too large" },
  unsupported_media_type = { status = 415, title = "The body is not JSON" },
  risk_refused = { status = 422, title = "A rule refused it before it was sent" },
  broker_refused = { status = 422, title = "The broker refused it" },
  too_many_attempts = { status = 429, title = "Too many attempts" },
  too_many_requests = { status = 429, title = "Too many requests" },
  internal = { status = 500, title = "An error of the office" },
  engine_unavailable = { status = 503, title = "The engine is away" },
  history_unavailable = { status = 503, title = "The database is away" },
}

--- The codes that a route may answer.
---@param r perigee.Route
---@return string[]
function api.codes(r)
  local out = {}
  for _, code in ipairs(api.common_problems) do out[#out + 1] = code end
  if r.body then
    out[#out + 1] = "body_too_large"
    out[#out + 1] = "unsupported_media_type"
  end
  if r.role ~= "none" then
    out[#out + 1] = "sign_in_required"
    if r.role ~= "viewer" then out[#out + 1] = "forbidden" end
    if r.method ~= "GET" then out[#out + 1] = "csrf" end
    if not r.open_while_expired then out[#out + 1] = "password_change_required" end
    out[#out + 1] = "history_unavailable" -- sign-ins of a former office are not read yet
  end
  if r.keyed then out[#out + 1] = "conflict" end -- the key was used for something else
  local known = {}
  for _, code in ipairs(out) do known[code] = true end
  for _, code in ipairs(r.problems) do
    if not known[code] then out[#out + 1] = code end
  end
  return out
end

return api
