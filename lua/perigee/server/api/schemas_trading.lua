-- SPDX-License-Identifier: MIT
-- The named schemas of signals and orders by hand, their reports, and positions.

local s = require "perigee.server.schema"

local id = function(text) return s.integer { min = 0, text = text } end
local account_id = function() return s.string { format = "word", text = "the broker's id of the trading account" } end
local currency = function() return s.string { format = "currency" } end
local side = function() return s.enum { "LONG", "SHORT" } end
local maybe_decimal = function(text) return s.decimal(text, { nullable = true }) end
local maybe_text = function(text) return s.string { nullable = true, text = text } end
local maybe_id = function(text) return s.integer { nullable = true, min = 0, text = text } end

---@param define fun(name: string, schema: perigee.Schema)
---@param page fun(name: string, item: string)  the schema of a page of a list
return function(define, page)
  define("SignalRequest", s.object {
    { "symbol", s.string { format = "symbol" } },
    { "direction", s.enum { "LONG", "SHORT", "CLOSE" } },
    { "stop_percent", s.number { min = 0.01, max = 10, default = 0.25 }, optional = true },
    { "target_percent", s.number { min = 0.01, max = 20, default = 0.4 }, optional = true },
    { "holding_seconds", s.integer { min = 1, max = 86400, default = 300 }, optional = true },
    { "reason", s.string { max = 200 }, optional = true },
  })
  define("ExecuteRequest", s.object {
    { "symbol", s.string { format = "symbol" } },
    { "side", side() },
    { "quantity", s.decimal("lots on every account", { format = "positive" }) },
    { "stop_loss", s.decimal("price", { format = "positive" }) },
    { "take_profit", s.decimal("price", { format = "positive" }) },
    { "account_ids", s.array(account_id(), { min = 1, max = 4096, text = "absent: all" }), optional = true },
  })
  define("ExecutionResult", s.object {
    { "user_id", id() },
    { "email", s.string() },
    { "account_id", account_id() },
    { "order_id", maybe_id() },
    { "status", s.enum({ "accepted", "rejected", "unknown", "not_sent", "absent", "refused" },
      { text = "absent: the broker's lists have proven that it was not executed" }) },
    { "rule", maybe_text("the rule that refused it") },
    { "reason", maybe_text() },
    { "quantity", maybe_decimal() },
    { "asked_price", maybe_decimal("price that the order was made with") },
    { "executed_price", maybe_decimal("null: its position was not shown yet") },
    { "slippage_points", s.integer { nullable = true, text = "above 0: worse than asked" } },
    { "attempt", s.integer { nullable = true, min = 1 } },
    { "retrying", s.boolean { text = "it failed for a passing reason and is tried again" } },
    { "queued_ms", s.number { nullable = true, text = "since the fan-out began" } },
    { "sent_ms", s.number { nullable = true } },
    { "answered_ms", s.number { nullable = true } },
  })
  define("ExecutionReport", s.object {
    { "signal_id", id() },
    { "symbol", s.string() },
    { "executed_count", s.integer { min = 0 } },
    { "failed_count", s.integer { min = 0 } },
    { "unknown_count", s.integer { min = 0, text = "orders whose outcome is looked for in the broker's lists" } },
    { "total_volume", s.decimal("lots") },
    { "execution_time_ms", s.number() },
    { "skew_ms", s.number { text = "between the first order's first byte and the last one's" } },
    { "results", s.array(s.ref("ExecutionResult")) },
  })
  define("BatchRequest", s.object {
    { "orders", s.array(s.object {
      { "account_id", account_id() },
      { "symbol", s.string { format = "symbol" } },
      { "side", side() },
      { "quantity", s.decimal("lots", { format = "positive" }) },
      { "stop_loss", s.decimal("price", { format = "positive" }) },
      { "take_profit", s.decimal("price", { format = "positive" }) },
    }, { min = 1, max = 400 }) },
  })
  define("BatchReport", s.object {
    { "executed_count", s.integer { min = 0 } },
    { "failed_count", s.integer { min = 0 } },
    { "unknown_count", s.integer { min = 0 } },
    { "total_volume", s.decimal("lots") },
    { "reports", s.array(s.ref("ExecutionReport"), { text = "one for each symbol and side" }) },
  })
  define("RetryList", s.object {
    { "items", s.array(s.object {
      { "account_id", account_id() },
      { "symbol", s.string() },
      { "signal_id", id() },
      { "attempt", s.integer { min = 2, text = "number of the next try" } },
      { "reason", s.string { text = "why the last one failed" } },
      { "due_in_ms", s.integer { min = 0 } },
      { "age_ms", s.integer { text = "of the signal, market milliseconds" } },
    }) },
  })
  define("Preview", s.object {
    { "symbol", s.string() },
    { "direction", side() },
    { "legs", s.array(s.object {
      { "account_id", account_id() },
      { "user_id", id() },
      { "quantity", maybe_decimal("lots") },
      { "price", maybe_decimal() },
      { "stop_loss", maybe_decimal() },
      { "take_profit", maybe_decimal() },
      { "risk_money", maybe_decimal("loss at the stop, account currency") },
      { "margin", maybe_decimal() },
      { "currency", currency() },
      { "rule", maybe_text() },
      { "reason", maybe_text() },
    }) },
  })
  define("Position", s.object {
    { "id", s.string { text = "the broker's id" } },
    { "account_id", account_id() },
    { "user_id", id() },
    { "email", s.string() },
    { "symbol", s.string() },
    { "side", side() },
    { "quantity", s.decimal("lots") },
    { "entry_price", s.decimal() },
    { "current_price", maybe_decimal("the price at which it would be closed now") },
    { "stop_loss", maybe_decimal() },
    { "take_profit", maybe_decimal() },
    { "profit_loss", maybe_decimal("floating, `currency`, without costs") },
    { "profit_loss_percent", maybe_decimal("move of the price in its favour, percent of the entry price") },
    { "currency", currency() },
    { "opened_at", s.time() },
    { "holding_seconds", s.integer { nullable = true, min = 0, text = "longest holding by the exit plan" } },
    { "order_id", maybe_id() },
    { "signal_id", maybe_id() },
    { "is_ours", s.boolean { text = "opened by an order of this engine" } },
    { "is_closing", s.boolean { text = "a close is wanted until the broker shows it" } },
    { "closing_quantity", maybe_decimal("lots of that close; null: all") },
    { "close_reason", maybe_text() },
  })
  page("PositionPage", "Position")
  define("PositionEdit", s.object {
    { "stop_loss", s.decimal("price; null: none", { format = "positive", nullable = true }), optional = true },
    { "take_profit", s.decimal("price; null: none", { format = "positive", nullable = true }), optional = true },
  }, { text = "What is absent keeps its value." })
  define("EditResult", s.object {
    { "status", s.enum { "accepted", "unknown" } },
    { "reason", maybe_text() },
    { "position", s.ref("Position") },
  })
  define("CloseRequest", s.object {
    { "quantity", s.decimal("lots; absent: all", { format = "positive" }), optional = true },
  })
  define("CloseAllRequest", s.object {
    { "symbol", s.string { format = "symbol" }, optional = true },
    { "account_ids", s.array(account_id(), { min = 1, max = 4096 }), optional = true },
  })
  local entries = function()
    return s.array(s.object { { "account_id", account_id() }, { "order_id", id() },
      { "status", s.enum({ "closing", "away", "taken_back", "absent" }, { text = "taken_back: it never left; absent: "
        .. "it was not executed as far as the lists show, and is closed should it be yet" }) } })
  end
  define("CloseReport", s.object {
    { "closing_count", s.integer { min = 0 } },
    { "positions", s.array(s.object { { "account_id", account_id() }, { "id", s.string() },
      { "status", s.enum({ "closing", "away" },
        { text = "away: the account is not logged in; it is closed once it is" }) } }) },
    { "entries", entries(), text = "orders on their way: what they become is closed" },
  })
  define("CancelReport", s.object {
    { "cancelling_count", s.integer { min = 0 } },
    { "orders", s.array(s.object { { "account_id", account_id() }, { "id", s.string() },
      { "status", s.enum { "cancelling", "away" } } }),
      text = "pending orders whose cancel is wanted until the broker shows them gone" },
    { "entries", entries(), text = "pending orders on their way: they are cancelled, or what they become is closed" },
  })
  define("AssignRequest", s.object {
    { "position_id", s.string { format = "word", nullable = true,
      text = "the broker's id of the position or pending order that it is; null: none of the candidates" } },
  })
  define("Assigned", s.object { { "order_id", id() }, { "position_id", maybe_text() } },
    { text = "it takes effect with the next list of the broker" })
  define("PendingOrder", s.object {
    { "id", s.string { text = "the broker's" } },
    { "account_id", account_id() },
    { "symbol", s.string() },
    { "side", side() },
    { "order_type", s.enum { "LIMIT", "STOP" } },
    { "quantity", s.decimal("lots") },
    { "price", s.decimal("activation price") },
    { "stop_loss", maybe_decimal() },
    { "take_profit", maybe_decimal() },
    { "created_at", s.time() },
    { "order_id", maybe_id("ours; null: somebody else's") },
    { "signal_id", maybe_id() },
    { "is_ours", s.boolean() },
    { "is_cancelling", s.boolean { text = "a cancel is wanted until the broker does not show it" } },
  })
  define("PendingOrderList", s.object { { "items", s.array(s.ref("PendingOrder")) } })
  define("PendingOrderCreate", s.object {
    { "account_id", account_id() },
    { "symbol", s.string { format = "symbol" } },
    { "side", side() },
    { "order_type", s.enum { "LIMIT", "STOP" } },
    { "quantity", s.decimal("lots", { format = "positive" }) },
    { "price", s.decimal("activation price", { format = "positive" }) },
    { "stop_loss", s.decimal("price", { format = "positive" }) },
    { "take_profit", s.decimal("price", { format = "positive" }), optional = true },
    { "holding_seconds", s.integer { min = 1, max = 86400, text = "from its being triggered" }, optional = true },
  })
  define("PendingOrderEdit", s.object {
    { "quantity", s.decimal("lots; never more than now", { format = "positive" }), optional = true },
    { "price", s.decimal("activation price", { format = "positive" }), optional = true },
    { "stop_loss", s.decimal("price", { format = "positive" }), optional = true },
    { "take_profit", s.decimal("price; null: none", { format = "positive", nullable = true }), optional = true },
  }, { text = "What is absent keeps its value." })
  define("PendingOrderResult", s.object {
    { "status", s.enum({ "accepted", "unknown", "not_sent" },
      { text = "unknown: its outcome is looked for in the broker's lists" }) },
    { "pending_id", maybe_text("the broker's id, once it is known") },
    { "reason", maybe_text() },
  })
  define("Budget", s.object {
    { "account_id", account_id() },
    { "used", s.integer { min = 0, text = "requests of the last window" } },
    { "limit", s.integer { min = 0 } },
    { "wait_ms", s.integer { min = 0, text = "until a read may leave" } },
  })
  define("BudgetList", s.object { { "items", s.array(s.ref("Budget")) } })
  define("EditAllRequest", s.object {
    { "symbol", s.string { format = "symbol" } },
    { "side", side(), optional = true },
    { "stop_loss", s.decimal("price; null: none", { format = "positive", nullable = true }), optional = true },
    { "take_profit", s.decimal("price; null: none", { format = "positive", nullable = true }), optional = true },
    { "account_ids", s.array(account_id(), { min = 1, max = 4096, text = "absent: all" }), optional = true },
  }, { text = "What is absent keeps its value." })
  define("EditAllReport", s.object {
    { "edited_count", s.integer { min = 0 } },
    { "results", s.array(s.object {
      { "account_id", account_id() },
      { "id", s.string { text = "of the position" } },
      { "status", s.enum { "accepted", "rejected", "unknown", "not_sent", "refused" } },
      { "reason", maybe_text() },
    }) },
  })
  define("EntriesRequest", s.object {
    { "stopped", s.boolean { text = "true: nothing is opened any more; exits go on" } },
  })
  define("EntriesState", s.object { { "stopped", s.boolean() } })
end
