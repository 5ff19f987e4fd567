-- SPDX-License-Identifier: MIT
-- Commands about pending orders: what reaches exec, what is refused before it, what an outcome is called.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"
local json = require "perigee.json"

describe("commands about pending orders", function()
  local orders, undo, asked, rule, answer, context, waits

  before_each(function()
    asked, rule, answer = {}, nil, { "ACCEPTED", "P9" }
    local function note(name)
      return function(...)
        asked[#asked + 1] = { name, ... }
        return table.unpack(answer)
      end
    end
    local rests = {
      { id = "P1", account = "1", canonical = "BTCUSD", side = "BUY", type = "LIMIT", volume = "0.2", price = "90",
        stop = "80" },
      { id = "P2", account = "2", canonical = "ETHUSD", side = "SELL", type = "STOP", volume = "1", price = "9" },
    }
    orders, undo = fake.load("perigee.commands.orders", {
      ["perigee.orchestrate"] = { pending = note "pending" },
      ["perigee.orchestrate.retry"] = { drop = function(account, symbol)
        local there = account == "1" and waits[symbol] == true
        waits[symbol] = nil
        return there
      end },
      ["perigee.signals"] = { limits = function() return "limits" end },
      ["perigee.exec"] = { pending_edit = note "pending_edit", cancel = note "cancel",
        assign = note "assign" },
      ["perigee.ledger"] = { account = function() return { broker = "paper" } end, pendings = function(account)
        local out = {}
        for _, p in ipairs(rests) do
          if not account or p.account == account then out[#out + 1] = p end
        end
        return out
      end },
      ["perigee.orchestrate.edits"] = { pending = function(_, _, limits)
        if rule and limits == "limits" then return rule .. ": why" end
      end },
    })
    context = { who = "x", state = { fleet = { running = true,
      members = { ["1"] = {} }, owner = function(_, id) return id ~= "9" end } } }
  end)

  after_each(function() undo() end)

  local function run(name, fields) return orders[name].run(fields, context) end
  local limit = { account = "1", symbol = "BTCUSD", side = "LONG", type = "LIMIT", quantity = "0.1", price = "90",
    stop_loss = "80" }

  it("create one", function()
    assert.same({ state = "accepted", order = "P9" }, run("pending", limit))
    assert.same({ "pending", { account = "1", symbol = "BTCUSD", side = "BUY", type = "LIMIT", volume = "0.1",
      price = "90", stop = "80" }, "limits" }, asked[1])
  end)

  it("say UNKNOWN when that is what it is, and refused when it was", function()
    answer = { "UNKNOWN", "timeout" }
    assert.same({ state = "unknown", reason = "timeout" }, run("pending", limit))
    answer = { nil, { code = "refused", message = "max_positions: too many" } }
    local _, err = run("pending", limit)
    assert.same({ "refused", "max_positions: too many" }, { err.code, err.message })
    answer = { nil, { code = "limit", message = "the request budget is used up" } }
    _, err = run("pending_edit", { account = "1", order = "P1", price = "91" })
    assert.equal("refused", err.code)
    rule, asked = "stops_level", {}
    _, err = run("pending_edit", { account = "1", order = "P1", price = "91" })
    assert.same({ "refused", "stops_level: why" }, { err.code, err.message })
    assert.same({}, asked)
  end)

  it("edit what is named and keep the rest", function()
    answer = { "ACCEPTED", "" }
    assert.equal("accepted", run("pending_edit", { account = "1", order = "P1", price = "91",
      take_profit = json.null }).state)
    assert.same({ "pending_edit", "1", "P1", { volume = "0.2", price = "91", stop = "80", target = "0" } }, asked[1])
    local _, err = run("pending_edit", { account = "1", order = "P1" })
    assert.equal("input", err.code)
  end)

  it("know no order that is not there, and no account", function()
    local _, err = run("cancel", { account = "1", order = "P2" })
    assert.equal("not_found", err.code)
    _, err = run("cancel", { account = "9", order = "P1" })
    assert.equal("not_found", err.code)
    context.state.fleet.running = false
    _, err = run("cancel", { account = "1", order = "P1" })
    assert.equal("unavailable", err.code)
    assert.same({}, asked)
  end)

  it("cancel one", function()
    answer = { true }
    assert.same({ cancelling = true, status = "cancelling" }, run("cancel", { account = "1", order = "P1" }))
    assert.same({ "cancel", "1", "P1", "manual" }, asked[1])
    context.state.fleet.members = {}
    assert.equal("away", run("cancel", { account = "1", order = "P1" }).status)
  end)

  it("take an order out of the retry queue", function()
    waits = { BTCUSD = true }
    assert.is_true(run("retry_drop", { account = "1", symbol = "BTCUSD" }).dropped)
    local _, err = run("retry_drop", { account = "1", symbol = "BTCUSD" })
    assert.equal("not_found", err.code)
  end)

  it("give the operator's word on", function()
    answer = { true }
    run("assign", { order = 7, position = "W1" })
    run("assign", { order = 7 })
    assert.same({ { "assign", 7, "W1" }, { "assign", 7 } }, asked)
    answer = { nil, { code = "state", message = "order 7 is not ambiguous" } }
    local _, err = run("assign", { order = 7 })
    assert.equal("state", err.code)
  end)
end)
