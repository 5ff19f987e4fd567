-- SPDX-License-Identifier: MIT
-- Walks over every operation of the API of a running office, with good and with bad input, and checks each answer
-- against its declaration.  perigee lua tests/e2e/contract.lua ADDRESS ONE_TIME_PASSWORD DATA_FOLDER
-- Prints a line for each check: "ok what" or "not ok what: why".

local api = require "perigee.server.api"
local http = require "perigee.http"
local json = require "perigee.json"
local schema = require "perigee.server.schema"
local task = require "perigee.task"
local single_orders = dofile "tests/e2e/contract_orders.lua"

local address, one_time = arg[1], arg[2]
local base = "http://" .. address .. api.prefix
local PASSWORD = "correct horse battery staple"

local by_id, good, bad = {}, {}, {}
for _, r in ipairs(api.routes) do by_id[r.id] = r end

local function report(what, ok, why)
  io.stdout:write(ok and "ok " or "not ok ", what, ok and "" or ": " .. tostring(why), "\n")
  io.stdout:flush()
end

-- ---- asking --------------------------------------------------------------------------------------

local function send(method, url, options)
  local headers = {}
  if options.as then headers[1] = { "Cookie", "perigee_session=" .. options.as.token } end
  if options.as and method ~= "GET" then headers[#headers + 1] = { "X-CSRF-Token", options.as.csrf } end
  local body = options.body
  if type(body) == "table" then body = json.encode(body) end
  if body then headers[#headers + 1] = { "Content-Type", options.media or "application/json" } end
  for _, h in ipairs(options.headers or {}) do headers[#headers + 1] = h end
  local answer, err = http.request { method = method, url = url, headers = headers, body = body, timeout_ms = 60000 }
  if not answer then error(("%s %s: %s"):format(method, url, err.message)) end
  return answer
end

local function code_declared(r, code)
  for _, known in ipairs(api.codes(r)) do
    if known == code then return true end
  end
  return false
end

-- What is wrong with a problem document, or nil.
local function wrong_problem(r, answer)
  local p = json.decode(answer.body)
  if answer:header("content-type") ~= "application/problem+json" then return "no problem+json" end
  local faults = schema.check(api.schemas.Problem, p, api.schemas)
  if faults then return faults[1].pointer .. " " .. faults[1].detail end
  if p.status ~= answer.status or api.problems[p.code].status ~= answer.status then return "another status" end
  if r and not code_declared(r, p.code) then return "undeclared code " .. p.code end
  return nil, p
end

local function url_of(r, options)
  local path = r.path:gsub("{([%w_]+)}", function(name) return tostring((options.params or {})[name]) end)
  return base .. path .. (options.query and "?" .. options.query or "")
end

-- A good call: the declared status and an answer that fits. Returns the answer's value.
local function expect(id, options)
  local r = by_id[id]
  good[id] = true
  local answer = send(r.method, url_of(r, options), options)
  local why, value
  if answer.status ~= r.status then
    why = ("status %d: %s"):format(answer.status, answer.body)
  elseif r.media then
    if not answer:header("content-type"):find(r.media, 1, true) then why = "media" end
    value = answer.body
  elseif r.answer then
    value = json.decode(answer.body)
    local faults = schema.check(r.answer, value, api.schemas)
    why = faults and faults[1].pointer .. " " .. faults[1].detail
  elseif answer.body ~= "" then
    why = "a body"
  end
  report(("%s answers as declared%s"):format(id, options.note and ", " .. options.note or ""), not why, why)
  return value, answer
end

-- A call that must be refused with this code.
local function refused(id, code, options)
  local r = by_id[id]
  bad[id] = true
  local answer = send(r.method, url_of(r, options), options)
  local why, p = wrong_problem(r, answer)
  if not why and p.code ~= code then why = ("%s: %s"):format(p.code, p.detail) end
  report(("%s refuses %s (%s)"):format(id, options.note or "bad input", code), not why, why)
end

local function wait_until(what, fn)
  for _ = 1, 600 do
    local value = fn()
    if value then return value end
    task.sleep(50, "io")
  end
  report(what, false, "it did not come")
  error(what)
end

-- ---- people --------------------------------------------------------------------------------------

local function sign_in(username, password)
  local value, answer = expect("sign_in", { body = { username = username, password = password },
    note = "for " .. username })
  local cookie = answer:header("set-cookie")
  report("the cookie of " .. username .. " is closed to scripts and other sites",
    cookie:find("; HttpOnly", 1, true) and cookie:find("; SameSite=Strict", 1, true) and cookie:find("; Path=/;", 1,
      true), cookie)
  return { token = cookie:match("^perigee_session=([^;]+)"), csrf = value.csrf_token, id = value.id }
end

local function with_password(username, password)
  local who = sign_in(username, password)
  expect("change_password", { as = who, body = { current = password, new = PASSWORD }, note = "for " .. username })
  return who
end

local function people()
  refused("sign_in", "invalid_credentials", { body = { username = "admin", password = "wrong" },
    note = "a wrong password" })
  refused("sign_in", "invalid_credentials", { body = { username = "nobody", password = one_time },
    note = "an unknown name" })
  local admin = sign_in("ADMIN", one_time)
  refused("list_users", "password_change_required", { as = admin, note = "a one-time password" })
  expect("me", { as = admin })
  refused("change_password", "invalid_parameters", { as = admin, body = { current = one_time, new = "short" },
    note = "a short password" })
  refused("change_password", "invalid_parameters", { as = admin, body = { current = one_time, new = one_time },
    note = "the same password" })
  expect("change_password", { as = admin, body = { current = one_time, new = PASSWORD } })
  refused("sign_in", "invalid_credentials", { body = { username = "admin", password = one_time },
    note = "the one-time password afterwards" })
  local out = { admin = admin }
  for _, role in ipairs { "trader", "viewer" } do
    local made = expect("create_operator", { as = admin, body = { username = "a-" .. role, role = role } })
    out[role] = with_password("a-" .. role, made.one_time_password)
    out[role].id = made.operator.id
  end
  return out
end

-- ---- everything ----------------------------------------------------------------------------------

local function doors(who)
  for _, r in ipairs(api.routes) do
    local options = { params = { id = 1, account_id = "x", position_id = "x" }, note = "nobody" }
    if r.role ~= "none" then refused(r.id, "sign_in_required", options) end
    if r.role == "trader" or r.role == "admin" then
      options.as, options.note = who.viewer, "a viewer"
      refused(r.id, "forbidden", options)
    end
    if r.role == "admin" then
      options.as, options.note = who.trader, "a trader"
      refused(r.id, "forbidden", options)
    end
    if r.method ~= "GET" and r.role ~= "none" then
      options.as = { token = who.admin.token, csrf = "wrong" }
      options.note = "a wrong CSRF token"
      refused(r.id, "csrf", options)
    end
    if r.method ~= "GET" then
      options.as, options.note = who.admin, "another origin"
      options.headers = { { "Origin", "http://evil.example" } }
      refused(r.id, "forbidden_origin", options)
    end
    -- What nobody declared: a parameter, a field, a body.
    options = { as = who.admin, params = { id = 1, account_id = "x", position_id = "x" }, query = "nonsense=1",
      note = "an unknown parameter" }
    refused(r.id, "invalid_parameters", options)
    options.query, options.note, options.body = nil, "malformed JSON", "{"
    if r.method ~= "GET" then refused(r.id, "bad_request", options) end
    if r.body then
      options.body, options.note = '{"nonsense":1}', "an unknown field"
      refused(r.id, "invalid_parameters", options)
      options.body, options.note = "[1]", "a list for a body"
      refused(r.id, "invalid_parameters", options)
      options.body, options.note = '{"nonsense":"' .. ("x"):rep(70000) .. '"}', "a huge body"
      refused(r.id, "body_too_large", options)
      options.body, options.note, options.media = "{}", "another media type", "text/plain"
      refused(r.id, "unsupported_media_type", options)
    end
  end
end

local function reads(who)
  local as = who.viewer
  expect("health", {})
  expect("version", {})
  for _, id in ipairs { "system_state", "list_users", "list_sessions", "list_accounts", "list_positions",
    "list_orders", "list_signals", "list_instruments", "overview", "users_performance", "performance", "list_trades",
    "trade_statistics", "export_trades", "list_logs" } do
    expect(id, { as = as })
  end
  for _, id in ipairs { "list_operators", "list_audit" } do expect(id, { as = who.admin }) end
  for _, period in ipairs { "1h", "7d", "30d", "all" } do
    expect("performance", { as = as, query = "period=" .. period, note = period })
    expect("users_performance", { as = as, query = "period=" .. period, note = period })
  end
  expect("get_candles", { as = as, query = "symbol=BTCUSD&timeframe=1m&limit=10" })
  expect("get_candles", { as = as, query = "symbol=BTCUSD&before=2024-01-01T00:05:00Z", note = "of the past" })
  expect("get_user", { as = as, params = { id = 1 } })
  expect("list_orders", { as = as, query = "active=true", note = "those in flight" })
  local accounts = expect("list_accounts", { as = as, query = "limit=1" })
  expect("list_accounts", { as = as, query = "limit=2&cursor=" .. accounts.next_cursor, note = "the next page" })
  expect("get_account", { as = as, params = { account_id = accounts.items[1].id } })
  local session = expect("list_sessions", { as = as, query = "active=true&limit=1" }).items[1]
  expect("get_session", { as = as, params = { id = session.id } })
  local head = send("HEAD", base .. "/health", {})
  report("HEAD is a GET without a body", head.status == 200 and head.body == "", head.status)
end

local function bad_reads(who)
  local as = who.admin
  for _, id in ipairs { "get_user", "get_session", "get_account", "update_user", "delete_user", "login_user",
    "logout_user", "delete_session", "update_operator", "delete_operator" } do
    local body = id == "update_user" and {} or id == "update_operator" and { role = "viewer" } or nil
    refused(id, "not_found", { as = as, params = { id = 987654, account_id = "nobody" }, body = body,
      note = "what is not there" })
  end
  for _, id in ipairs { "list_users", "list_trades", "list_orders", "list_signals", "list_positions", "list_accounts",
    "list_sessions", "list_logs", "list_audit", "list_operators" } do
    for _, query in ipairs { "limit=0", "limit=501", "limit=x", "cursor=%2F", "limit=1&limit=1", "cursor=zzz" } do
      refused(id, "invalid_parameters", { as = as, query = query, note = query })
    end
  end
  for _, query in ipairs { "from=yesterday", "user_ids=a", "side=BUY", "symbols=", "result=even",
    "to=2024-13-01T00:00:00Z" } do
    refused("list_trades", "invalid_parameters", { as = as, query = query, note = query })
    refused("export_trades", "invalid_parameters", { as = as, query = query, note = query })
    refused("trade_statistics", "invalid_parameters", { as = as, query = query, note = query })
  end
  refused("performance", "invalid_parameters", { as = as, query = "period=2h", note = "a period" })
  refused("get_candles", "invalid_parameters", { as = as, note = "no symbol" })
  refused("get_candles", "not_found", { as = as, query = "symbol=NOPE", note = "an unknown symbol" })
  refused("list_users", "bad_request", { as = as, query = "search=%00", note = "a NUL" })
  refused("list_users", "bad_request", { as = as, query = "search=%", note = "a broken escape" })
end

local function users(who)
  local as = who.admin
  refused("create_user", "invalid_parameters", { as = as, body = { email = "x", password = "p" }, note = "no e-mail" })
  refused("create_user", "conflict", { as = as, body = { email = "demo01@example.com", password = "p" },
    note = "a login that is there" })
  local user = expect("create_user", { as = as, body = { email = "new@example.com", password = "p", name = "New" } })
  expect("get_user", { as = as, params = { id = user.id } })
  wait_until("a login that the broker refuses is shown as failed", function()
    local row = expect("get_user", { as = as, params = { id = user.id }, note = "while it logs in" })
    return row.status == "failed"
  end)
  local changed = expect("update_user", { as = as, params = { id = user.id }, body = { name = json.null,
    is_active = false } })
  report("a user is changed", changed.name == json.null and not changed.is_active and changed.status == "inactive",
    json.encode(changed))
  refused("login_user", "conflict", { as = who.trader, params = { id = user.id }, note = "an inactive user" })
  expect("delete_user", { as = as, params = { id = user.id } })
  refused("get_user", "not_found", { as = as, params = { id = user.id }, note = "a removed user" })

  expect("logout_user", { as = who.trader, params = { id = 4 } })
  local session = expect("login_user", { as = who.trader, params = { id = 4 } })
  expect("delete_session", { as = who.trader, params = { id = session.id } })
  refused("delete_session", "conflict", { as = who.trader, params = { id = session.id }, note = "an ended session" })
  expect("login_all", { as = who.trader, body = nil })
  expect("refresh_all", { as = who.trader })
  expect("sync_accounts", { as = who.trader })
  refused("sync_accounts", "not_found", { as = who.trader, body = { account_ids = { "nobody" } },
    note = "an unknown account" })
end

local function trading(who)
  local as = who.trader
  local before = expect("list_instruments", { as = as }).items[1]
  local price = tonumber(before.bid)
  local stop, target = ("%.1f"):format(price * 0.99), ("%.1f"):format(price * 1.02)
  refused("send_signal", "not_found", { as = as, body = { symbol = "NOPE", direction = "LONG" },
    note = "an unknown symbol" })
  refused("send_signal", "invalid_parameters", { as = as, body = { symbol = "BTCUSD", direction = "UP" },
    note = "an unknown direction" })
  refused("preview_signal", "invalid_parameters", { as = as, body = { symbol = "BTCUSD", direction = "CLOSE" },
    note = "CLOSE" })
  refused("execute_all", "invalid_parameters", { as = as, body = { symbol = "BTCUSD", side = "LONG", quantity = 0.01,
    stop_loss = stop, take_profit = target }, note = "a number for a decimal" })
  refused("execute_all", "invalid_parameters", { as = as, body = { symbol = "BTCUSD", side = "LONG", quantity = "-1",
    stop_loss = stop, take_profit = target }, note = "a negative quantity" })
  refused("execute_all", "not_found", { as = as, body = { symbol = "BTCUSD", side = "LONG", quantity = "0.01",
    stop_loss = stop, take_profit = target, account_ids = { "nobody" } }, note = "an unknown account" })

  expect("set_entries", { as = as, body = { stopped = true } })
  refused("send_signal", "risk_refused", { as = as, body = { symbol = "BTCUSD", direction = "LONG" },
    note = "while entries are stopped" })
  expect("set_entries", { as = as, body = { stopped = false } })
  local key = { { "Idempotency-Key", "contract-1" } }
  local once = { as = as, headers = key, body = { symbol = "BTCUSD", side = "LONG", quantity = "0.01",
    stop_loss = stop, take_profit = target, account_ids = { "365101" } } }
  local first = expect("execute_all", once)
  local again = expect("execute_all", once)
  report("the same key answers the first result and sends nothing twice", first.signal_id == again.signal_id
    and first.results[1].order_id == again.results[1].order_id, json.encode(again))
  refused("execute_all", "conflict", { as = as, headers = key, body = { symbol = "BTCUSD", side = "LONG",
    quantity = "0.02", stop_loss = stop, take_profit = target }, note = "a key of another request" })
  refused("execute_all", "invalid_parameters", { as = as, headers = { { "Idempotency-Key", "a b" } }, body = once.body,
    note = "a key that is no word" })
  local told = expect("get_report", { as = as, params = { id = first.signal_id } })
  report("a report has what was asked and what was got", told.results[1].asked_price ~= json.null
    and told.results[1].executed_price ~= json.null and told.results[1].answered_ms > 0, json.encode(told))
  refused("get_report", "not_found", { as = as, params = { id = 999999 }, note = "an unknown signal" })
  expect("list_retries", { as = as })
  local function order(account, quantity)
    return { account_id = account, symbol = "BTCUSD", side = "LONG", quantity = quantity, stop_loss = stop,
      take_profit = target }
  end
  local batch = expect("execute_batch", { as = as, body = { orders = { order("365102", "0.01"),
    order("365103", "0.015") } } })
  report("each explicit order passes risk by itself", batch.executed_count == 1 and batch.failed_count == 1
    and batch.reports[1].results[1].account_id == "365102", json.encode(batch))
  refused("execute_batch", "not_found", { as = as, body = { orders = { order("nobody", "0.01") } },
    note = "an unknown account" })
  refused("execute_batch", "invalid_parameters", { as = as, body = { orders = { order("365102", "0.01"),
    order("365102", "0.01") } }, note = "two orders for one account" })
  refused("edit_all", "invalid_parameters", { as = as, body = { symbol = "BTCUSD" }, note = "nothing to change" })
  refused("edit_all", "not_found", { as = as, body = { symbol = "NOPE", stop_loss = stop },
    note = "an unknown symbol" })
  local all = expect("edit_all", { as = as, body = { symbol = "BTCUSD", side = "LONG",
    stop_loss = ("%.1f"):format(price * 0.98) } })
  report("the stops of all positions are edited", all.edited_count == 2 and #all.results == 2, json.encode(all))
  expect("preview_signal", { as = as, body = { symbol = "BTCUSD", direction = "LONG" } })
  local made = expect("execute_all", { as = as, body = { symbol = "BTCUSD", side = "LONG", quantity = "0.01",
    stop_loss = stop, take_profit = target } })
  report("an order for all accounts is executed", made.executed_count > 0, json.encode(made))
  local positions = wait_until("positions are shown", function()
    local found = expect("list_positions", { as = as, query = "symbols=BTCUSD&side=LONG" }).items
    return #found > 1 and found
  end)
  local p = positions[1]
  local params = { account_id = p.account_id, position_id = p.id }
  local higher = ("%.1f"):format(price * 0.985)
  local edited = expect("edit_position", { as = as, params = params, body = { stop_loss = higher } })
  report("a stop is edited", edited.status == "accepted" and tonumber(edited.position.stop_loss) == tonumber(higher),
    json.encode(edited))
  refused("edit_position", "invalid_parameters", { as = as, params = params, body = {}, note = "nothing to change" })
  refused("edit_position", "risk_refused", { as = as, params = params, body = { stop_loss = target },
    note = "a stop above the price" })
  refused("edit_position", "risk_refused", { as = as, params = params, body = { stop_loss = json.null },
    note = "a stop that is taken off" })
  refused("edit_position", "not_found", { as = as, params = { account_id = "x", position_id = "y" },
    body = { stop_loss = stop }, note = "an unknown position" })
  refused("close_position", "not_found", { as = as, params = { account_id = "x", position_id = "y" },
    note = "an unknown position" })
  refused("close_position", "invalid_parameters", { as = as, params = params, body = { quantity = "99" },
    note = "more than there is" })
  refused("close_position", "risk_refused", { as = as, params = params, body = { quantity = "0.001" },
    note = "less than the step" })
  expect("close_position", { as = as, params = params })
  expect("send_signal", { as = as, body = { symbol = "BTCUSD", direction = "SHORT", reason = "contract" } })
  refused("close_all", "not_found", { as = as, body = { symbol = "NOPE" }, note = "an unknown symbol" })
  expect("close_all", { as = as, body = { symbol = "BTCUSD" } })
  refused("cancel_all", "not_found", { as = as, body = { symbol = "NOPE" }, note = "an unknown symbol" })
  expect("cancel_all", { as = as, body = { symbol = "BTCUSD" } })
  wait_until("all positions are closed", function()
    return #expect("list_positions", { as = as }).items == 0
  end)
  local trades = wait_until("the trades are in the history", function()
    local found = expect("list_trades", { as = as, query = "limit=2" })
    return #found.items == 2 and found
  end)
  expect("list_trades", { as = as, query = "limit=500&cursor=" .. trades.next_cursor, note = "the next page" })
  expect("list_trades", { as = as, query = "symbols=BTCUSD&side=LONG&result=loss&user_ids=1,2", note = "filtered" })
  local text = expect("export_trades", { as = as })
  report("the CSV has a header and a line for each trade", select(2, text:gsub("\r\n", "")) > 2, text)
  expect("list_orders", { as = as, query = "status=CLOSED,REJECTED&limit=5" })
  expect("list_signals", { as = as, query = "symbols=BTCUSD" })
  expect("trade_statistics", { as = as })
end

-- Each change has its row, with who, from where and by which request; secrets are not in it.
local function audited(who)
  local rows = wait_until("commands are in the audit", function()
    local found = expect("list_audit", { as = who.admin, query = "action=edit&operator=a-trader" }).items
    return found[1] and found[1].ip ~= json.null and found
  end)
  report("a command's row says from where and by which request", rows[1].ip == "127.0.0.1"
    and type(rows[1].details.request_id) == "string", json.encode(rows[1]))
  local put = expect("list_audit", { as = who.admin, query = "action=user_put" }).items[1]
  report("a password is *** in the audit", put and put.details.sealed == "***", json.encode(put))
end

local function operators(who)
  local as = who.admin
  refused("create_operator", "conflict", { as = as, body = { username = "A-Viewer", role = "viewer" },
    note = "a name that is there" })
  refused("create_operator", "invalid_parameters", { as = as, body = { username = "a b", role = "viewer" },
    note = "a name with a space" })
  refused("update_operator", "conflict", { as = as, params = { id = who.admin.id }, body = { role = "viewer" },
    note = "the last admin" })
  refused("update_operator", "conflict", { as = as, params = { id = who.admin.id }, body = { is_active = false },
    note = "the last admin" })
  refused("delete_operator", "conflict", { as = as, params = { id = who.admin.id }, note = "the last admin" })
  expect("update_operator", { as = as, params = { id = who.viewer.id }, body = { role = "trader" } })
  report("a new role holds at once", expect("me", { as = who.viewer }).role == "trader")
  local reset = expect("update_operator", { as = as, params = { id = who.viewer.id },
    body = { reset_password = true } })
  refused("me", "sign_in_required", { as = who.viewer, note = "a sign-in whose password was reset" })
  who.viewer = with_password("a-viewer", reset.one_time_password)
  expect("update_operator", { as = as, params = { id = reset.operator.id }, body = { is_active = false } })
  refused("me", "sign_in_required", { as = who.viewer, note = "a deactivated operator" })
  expect("delete_operator", { as = as, params = { id = reset.operator.id } })
  expect("sign_out", { as = who.trader })
  refused("me", "sign_in_required", { as = who.trader, note = "after signing out" })
  refused("sign_out", "sign_in_required", { as = who.trader, note = "twice" })
end

local function tricks(who)
  local function status(what, wanted, method, path, options)
    local answer = send(method, "http://" .. address .. path, options or {})
    local why = answer.status ~= wanted and ("status %d"):format(answer.status) or wrong_problem(nil, answer)
    report(("%s gets %d"):format(what, wanted), not why, why)
  end
  status("another Host", 403, "GET", "/api/v1/health", { headers = { { "Host", "evil.example" } } })
  status("another port in Host", 403, "GET", "/api/v1/health", { headers = { { "Host", "127.0.0.1:1" } } })
  status("a broken escape", 400, "GET", "/api/v1/users/%zz", { as = who.admin })
  status("a NUL in the path", 400, "GET", "/api/v1/users/%00", { as = who.admin })
  status("an encoded slash", 404, "GET", "/api/v1/users%2f1", { as = who.admin })
  status("encoded dots", 404, "GET", "/api/v1/%2e%2e/%2e%2e/etc/passwd", { as = who.admin })
  status("an unknown path", 404, "GET", "/api/v1/nothing", { as = who.admin })
  status("an unknown method", 405, "PATCH", "/api/v1/health")
  status("an expired cookie", 401, "GET", "/api/v1/users", { as = { token = ("A"):rep(43), csrf = "" } })
  status("a cookie that is none", 401, "GET", "/api/v1/users", { as = { token = "", csrf = "" } })
  status("a cross-site post without a sign-in", 403, "POST", "/api/v1/auth/login", { body = { username = "admin",
    password = PASSWORD }, headers = { { "Sec-Fetch-Site", "cross-site" } } })
  local huge = send("POST", base .. "/auth/login", { body = ("x"):rep(3 << 20) })
  report("a body of 3 MiB gets 413", huge.status == 413, huge.status)
  local said = json.decode(huge.body)
  report("and problem details", type(said) == "table" and said.code == "body_too_large"
    and huge:header("content-type") == "application/problem+json"
    and not schema.check(api.schemas.Problem, said, api.schemas), huge.body)
end

-- Changes that the audit has: refusals must not be among them.
local function changes(who)
  local n = 0
  for _, row in ipairs(expect("list_audit", { as = who.admin, query = "limit=500" }).items) do
    n = n + (row.ok and 1 or 0)
  end
  return n
end

task.run(function()
  local who = people()
  wait_until("the history is connected", function()
    return expect("health", {}).status == "ok"
  end)
  wait_until("the audit has what was done so far", function()
    for _, row in ipairs(expect("list_audit", { as = who.admin, query = "operator=a-viewer" }).items) do
      if row.action == "change_password" then return true end
    end
  end)
  local before = changes(who)
  doors(who)
  bad_reads(who)
  tricks(who)
  task.sleep(300, "io")
  local after = changes(who)
  report("refused requests changed nothing", after == before, ("%d rows more"):format(after - before))
  reads(who)
  users(who)
  trading(who)
  single_orders({ expect = expect, refused = refused, report = report, wait_until = wait_until }, who, arg[3])
  audited(who)
  operators(who)
  for _, r in ipairs(api.routes) do
    if not good[r.id] then report(r.id .. " was called", false, "no good call") end
    if not bad[r.id] then report(r.id .. " was called with bad input", false, "no bad call") end
  end
  report("the whole contract was walked through", true)
end)
