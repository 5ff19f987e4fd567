-- SPDX-License-Identifier: MIT
-- The summary of a run: a fold over its events, and its JSON with the documented keys.

local json = require "perigee.json"
local summary = require "perigee.report.summary"

local function ready(accounts)
  return { kind = "engine_ready", market_ms = 0, accounts = json.encode(accounts or {
    { id = "1", user = "paper:a", currency = "USD", balance = "10000.00", equity = "10000", leverage = 100 },
    { id = "2", user = "paper:b", currency = "JPY", balance = "1500000", equity = "1500000", leverage = 50 } }) }
end

local function fold(events)
  local s = summary.new()
  for _, e in ipairs(events) do s:add(e) end
  return s, json.decode(s:json(12.5))
end

describe("the summary", function()
  it("of nothing has every key, with nothing in it", function()
    local _, out = fold {}
    assert.same({ bars = 0, signals = 0, signals_traded = 0, fills = 0, seconds = 12.5, accounts = {},
      orders = { sent = 0, accepted = 0, rejected = 0, unknown = 0 },
      exits = { target = 0, stop = 0, opposite = 0, time = 0, ["end"] = 0, manual = 0 } }, out)
    assert.matches('"accounts":%[%]', summary.new():json(0))
  end)

  it("counts one-minute bars, signals before risk, and those that left as orders", function()
    local _, out = fold {
      { kind = "bar", timeframe = "1m" }, { kind = "bar", timeframe = "5m" }, { kind = "bar", timeframe = "1m" },
      { kind = "signal" }, { kind = "signal" }, { kind = "signal" },
      { kind = "signal_refused" },
      { kind = "batch_done", signal = 1, sent = 12 }, { kind = "batch_done", signal = 2, sent = 0 },
      { kind = "batch_done", signal = 0, sent = 3 },
      { kind = "something_new" },
    }
    assert.same({ 2, 3, 1 }, { out.bars, out.signals, out.signals_traded })
  end)

  it("counts orders and fills of ours", function()
    local _, out = fold {
      { kind = "order_sent" }, { kind = "order_sent" }, { kind = "order_sent" }, { kind = "order_sent" },
      { kind = "order_accepted" }, { kind = "order_accepted" }, { kind = "order_rejected" },
      { kind = "order_unknown" },
      { kind = "position_opened", ours = true }, { kind = "position_opened", ours = false },
    }
    assert.same({ sent = 4, accepted = 2, rejected = 1, unknown = 1 }, out.orders)
    assert.equal(1, out.fills)
  end)

  it("counts exits by reason; a part of a position is no exit", function()
    local events = { ready() }
    for _, reason in ipairs({ "target", "target", "stop", "opposite", "time", "end", "manual" }) do
      events[#events + 1] = { kind = "position_closed", order = 1, account = "1", reason = reason, net = "1" }
    end
    events[#events + 1] = { kind = "position_closed", order = 1, account = "1", reason = "time", net = "1",
      partial = true }
    events[#events + 1] = { kind = "position_closed", order = 0, account = "2", reason = "stop", net = "1" }
    local s, out = fold(events)
    assert.same({ target = 2, stop = 1, opposite = 1, time = 1, ["end"] = 1, manual = 1 }, out.exits)
    assert.equal(7, out.accounts[1].trades)
    assert.equal("8", tostring(s:realised("1")))
  end)

  it("a reason that it does not know spoils nothing", function()
    local _, out = fold { ready(),
      { kind = "position_closed", order = 1, account = "1", reason = "margin_call", net = "1" },
      { kind = "position_closed", order = 1, account = "not-ours", reason = "stop", net = "1" } }
    assert.equal(1, out.accounts[1].trades)
    assert.equal(1, out.exits.stop)
  end)

  it("keeps money exact, as text, in the accounts' order", function()
    local s, out = fold {
      ready(),
      { kind = "position_closed", order = 1, account = "1", reason = "stop", net = "0.1" },
      { kind = "position_closed", order = 1, account = "1", reason = "stop", net = "0.2" },
      { kind = "balance", account = "1", balance = "10000.30" },
      { kind = "balance", account = "2", balance = "1499999.99999999" },
      { kind = "balance", account = "3", balance = "5" },
    }
    assert.equal("0.3", tostring(s:realised("1")))
    assert.same({ id = "1", currency = "USD", balance_start = "10000.00", balance_end = "10000.30", net = "0.3",
      trades = 2 }, out.accounts[1])
    assert.equal("-0.00000001", out.accounts[2].net)
    assert.equal(2, #out.accounts)
  end)

  it("a second start of the engine keeps the first balances", function()
    local _, out = fold {
      ready(), { kind = "balance", account = "1", balance = "9900" },
      ready { { id = "1", currency = "USD", balance = "9900", leverage = 100 },
        { id = "3", currency = "EUR", balance = "5", leverage = 30 } },
    }
    assert.same({ "10000.00", "9900", "-100" },
      { out.accounts[1].balance_start, out.accounts[1].balance_end, out.accounts[1].net })
    assert.same({ "1", "2", "3" }, { out.accounts[1].id, out.accounts[2].id, out.accounts[3].id })
  end)

  it("is the same text for the same events", function()
    local events = { ready(), { kind = "signal" }, { kind = "order_sent" } }
    local a, b = fold(events), fold(events)
    assert.equal(a:json(1), b:json(1))
    assert.matches('^{"bars":0,"signals":1,"signals_traded":0,"orders":{"sent":1,', a:json(1))
  end)
end)
