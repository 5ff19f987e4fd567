-- SPDX-License-Identifier: MIT
-- The terminal's lines: one screen at the start, then one line for each thing that matters, with a running result.

local json = require "perigee.json"
local screen = require "perigee.console.screen"
local summary = require "perigee.report.summary"

describe("the screen", function()
  local lines, s

  local function start(colour)
    lines = {}
    s = screen.new(function(text) lines[#lines + 1] = text end, colour or false)
  end

  local function ready()
    s:add { kind = "engine_ready", market_ms = 0, broker = "paper", market = "generator, seed 1", clock = "scaled",
      accounts = json.encode {
        { id = "365101", user = "paper:demo01@example.com", currency = "USD", balance = "10000", leverage = 100 },
        { id = "365108", user = "plain", currency = "JPY", balance = "1500000.5", leverage = 50 } },
      strategies = json.encode { { instance = "volume_spike_scalper", version = "1", hash = "h", symbol = "BTCUSD" } } }
  end

  local function last() return lines[#lines] end

  local function add(e)
    local count = #lines
    e.market_ms = e.market_ms or (9 * 3600 + 5 * 60 + 7) * 1000 + 999
    s:add(e)
    return #lines - count
  end

  before_each(function() start() end)

  it("begins with what was started and the accounts", function()
    ready()
    local text = table.concat(lines, "\n")
    assert.matches("broker paper, market generator, seed 1, clock scaled", text, 1, true)
    assert.matches("strategy volume_spike_scalper version 1 on BTCUSD", text, 1, true)
    assert.matches("\n365101 +demo01@example%.com +USD +10,000%.00 +1:100\n", text)
    assert.matches("\n365108 +plain +JPY +1,500,000%.50 +1:50\n", text)
    assert.equal("", last())
  end)

  it("begins each line with the market's time of day", function()
    ready()
    assert.equal(1, add { kind = "feed", source = "reference", state = "lost" })
    assert.matches("^09:05:07  feed +reference lost$", last())
    add { kind = "feed", source = "reference", state = "connected", detail = "again", market_ms = 86400000 * 365 }
    assert.matches("^00:00:00  feed +reference connected: again$", last())
  end)

  it("shows a signal, its fan-out with counts and skew, and what was refused", function()
    ready()
    add { kind = "signal", signal = 7, strategy = "scalper", symbol = "BTCUSD", action = "OPEN_LONG", price = "100.5",
      stop = "100", target = "101", strength = 0.456, reason = "volume 4.0x" }
    assert.matches("signal +OPEN_LONG  #7 scalper BTCUSD at 100%.5  stop 100%.0  target 101%.0  strength 0%.46  volume",
      last())
    add { kind = "signal", signal = 8, strategy = "scalper", symbol = "BTCUSD", action = "CLOSE" }
    assert.matches("CLOSE  #8 scalper BTCUSD at %-  stop %-  target %-", last())
    add { kind = "batch_done", batch = 1, signal = 7, sent = 12, accepted = 10, rejected = 1, unknown = 1,
      skew_us = 640, elapsed_us = 3210 }
    assert.matches("fan%-out +signal #7  sent 12  accepted 10  rejected 1  unknown 1  skew 0%.64 ms  all 3%.21 ms",
      last())
    add { kind = "signal_refused", signal = 9, rule = "signal_age", reason = "the signal is 7.0 s old" }
    assert.matches("refused +signal #9: the signal is 7%.0 s old %(signal_age%)$", last())
    add { kind = "risk_refused", signal = 9, account = "365101", rule = "no_margin", reason = "no volume fits" }
    assert.matches("refused +signal #9, account 365101: no volume fits %(no_margin%)$", last())
  end)

  it("names account and symbol of an order that went wrong", function()
    ready()
    local intent = { kind = "intent", order = 3, account = "365101", op = "open", symbol = "BTCUSD" }
    assert.equal(0, add(intent))
    add { kind = "order_rejected", order = 3, code = "NO_MONEY", reason = "Not enough money" }
    assert.matches("rejected +order 3, account 365101, open BTCUSD: Not enough money %(NO_MONEY%)$", last())
    intent.order = 4
    add(intent)
    add { kind = "order_unknown", order = 4, cause = "timeout" }
    assert.matches("UNKNOWN +order 4, account 365101, open BTCUSD: timeout; ", last())
    add { kind = "order_adopted", order = 4, position = "W1", by = "tag" }
    assert.matches("adopted +order 4 is position W1 %(by tag%)$", last())
    add { kind = "order_absent", order = 5, reads = 3 }
    assert.matches("absent +order 5 was not executed %(3 reads%)$", last())
    add { kind = "order_rejected", order = 99, code = "x", reason = "y" } -- from before this screen
    assert.matches("order 99, account %?", last())
  end)

  it("shows fills, ours and others", function()
    ready()
    local e = { kind = "position_opened", account = "365101", side = "BUY", volume = "0.3", symbol = "BTCUSD",
      price = "100.5", stop = "100", target = "101", ours = true }
    assert.equal(1, add(e))
    assert.matches("fill +365101 +BUY +0%.3 BTCUSD at 100%.5  stop 100  target 101$", last())
    e.ours = false
    add(e)
    assert.matches("%(not ours%)$", last())
  end)

  it("shows exits with the running result, one sum for each currency", function()
    ready()
    local function exit(account, net, reason)
      add { kind = "position_closed", account = account, reason = reason, volume = "0.3", price = "101",
        symbol = "BTCUSD", net = net }
      return last()
    end
    assert.matches("exit +365101 +target +0%.3 at 101  %+1,234%.50 USD   running %+1,234%.50 USD$",
      exit("365101", "1234.5", "target"))
    assert.matches("stop +0%.3 at 101  %-2,000%.25 USD   running %-765%.75 USD$", exit("365101", "-2000.25", "stop"))
    assert.matches("time +0%.3 at 101  %+150%.00 JPY   running %+150%.00 JPY  %-765%.75 USD$",
      exit("365108", "150", "time"))
    assert.matches("  0%.00 USD   running ", exit("365101", "0", "end"))
  end)

  it("adds up exactly", function()
    ready()
    for _ = 1, 10 do
      add { kind = "position_closed", account = "365101", reason = "stop", volume = "1", price = "1", net = "0.1" }
    end
    assert.matches("running %+1%.00 USD$", last())
    add { kind = "position_closed", account = "365101", reason = "stop", volume = "1", price = "1", net = "-1.00" }
    assert.matches("running 0%.00 USD$", last())
  end)

  it("says nothing about what an operator need not see", function()
    ready()
    for _, kind in ipairs({ "bar", "order_sent", "order_accepted", "balance", "intent", "of_a_later_version" }) do
      assert.equal(0, add { kind = kind, order = 1 })
    end
    assert.equal(0, add { kind = "script_loaded", name = "a", ok = true })
  end)

  it("says what went wrong elsewhere", function()
    ready()
    add { kind = "script_loaded", name = "a.lua", ok = false, reason = "line 3: no" }
    assert.matches("script +a%.lua was refused: line 3: no$", last())
    add { kind = "session_failed", user = "paper:x", code = "credentials", reason = "refused" }
    assert.matches("session +paper:x: refused$", last())
    add { kind = "notice", level = "warn", component = "feed", text = "away" }
    assert.matches("warn +feed: away$", last())
    add { kind = "market_ended", reason = "the tape is over" }
    assert.matches("market +the tape is over$", last())
  end)

  it("ends with the figures and the result", function()
    ready()
    local total = summary.new()
    total:add { kind = "signal" }
    total:add { kind = "order_sent" }
    s:close(total, 61.26)
    assert.equal("result 0", last())
    assert.matches("0 bars, 1 signals %(0 traded%), 1 orders sent, .* 0 fills, 61%.3 s", lines[#lines - 1])
  end)

  it("is in colour only where that is wanted", function()
    ready()
    local function exit(net)
      add { kind = "position_closed", account = "365101", reason = "stop", volume = "1", price = "1", net = net }
      return last()
    end
    assert.not_matches("\27", exit("1") .. exit("-1"), 1, true)
    start(true)
    ready()
    assert.matches("\27[32m+1.00\27[0m USD", exit("1"), 1, true)
    assert.matches("\27[31m-2.00\27[0m USD", exit("-2"), 1, true)
  end)
end)
