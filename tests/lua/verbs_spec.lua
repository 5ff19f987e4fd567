-- SPDX-License-Identifier: MIT
-- What is done on many accounts at once: what it reaches, what it leaves alone, and what it answers.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"
local json = require "perigee.json"
local task = require "perigee.task"

describe("on all accounts", function()
  local verbs, undo, taken_back, positions, entries, pendings, done, refuse, forgotten, taken, manual, state

  before_each(function()
    taken_back = {}
    positions, entries, pendings, done, refuse, forgotten, taken, manual = {}, {}, {}, {}, {}, {}, {}, {}
    local function act(name)
      return function(account, id, reason)
        local what = name == "order" and account or id
        if refuse[what] then
          return nil, { code = refuse[what] == "gone" and "notfound" or "state", message = "cannot" }
        end
        done[#done + 1] = name == "order" and { name, account, id } or { name, account, id, reason }
        return true
      end
    end
    verbs, undo = fake.load("perigee.orchestrate.verbs", {
      ["perigee.exec"] = { close = act "close", close_order = act "order", cancel = act "cancel",
        suspect = function() end, edit = function(account, id, stop, target)
          done[#done + 1] = { "edit", account, id, stop, target }
          if refuse[id] then return nil, { message = "cannot" } end
          return id == "W9" and "REJECTED" or "ACCEPTED", id == "W9" and "too near" or ""
        end },
      ["perigee.exits"] = { entries = function()
        table.sort(entries, function(a, b) return a.id < b.id end)
        return entries
      end },
      ["perigee.ledger"] = { positions = function() return positions end, pendings = function() return pendings end,
        account = function() return { broker = "paper" } end,
        order = function(id) return { state = taken_back[id] and "NOT_SENT" or "SENT" } end },
      ["perigee.log"] = { warn = function() end },
      ["perigee.manual"] = { signal = function(_, asked)
        manual[#manual + 1] = asked
        if asked.symbol == "AWAY" then return nil, { code = "unavailable", message = "no price" } end
        return { id = #manual, symbol = asked.symbol }
      end },
      ["perigee.orchestrate.overtaken"] = { mark = function(upto, symbol, accounts)
        forgotten[#forgotten + 1] = { upto, symbol or "all", accounts and next(accounts) or "all" }
      end },
      ["perigee.orchestrate.retry"] = { forget = function() forgotten[#forgotten + 1] = "drop" end },
      ["perigee.orchestrate.edits"] = { level = require("perigee.orchestrate.edits").level,
        position = function(p, stop)
          if p.side == "SELL" and stop == "95" then return "it is on the wrong side" end
        end },
      ["perigee.signals"] = { limits = function() return {} end, take = function(_, signal, options)
        taken[#taken + 1] = { signal.symbol, options }
        local legs = {}
        for i, account in ipairs(options.accounts) do
          legs[i] = { account = account, state = "ACCEPTED", volume = options.orders[account].volume }
        end
        for _, row in ipairs(options.kept_out) do
          legs[#legs + 1] = { account = row.account, state = "REFUSED", rule = row.rule }
        end
        return {}, nil, { signal_id = signal.id, symbol = signal.symbol, elapsed_us = 0, skew_us = 0, legs = legs }
      end },
      ["perigee.watch"] = { positions = function() return true end },
    })
    state = { next_signal = 7 }
    state.fleet = { members = { ["1"] = {}, ["2"] = {} }, active = function() return { "1", "2" } end,
      owner = function(_, account) return tonumber(account) and { id = tonumber(account), email = "x" } or nil end }
  end)

  after_each(function() undo() end)

  local function row(list, fields)
    local r = { account = "1", id = "W1", canonical = "BTCUSD", symbol = "BTCUSD.", side = "BUY", ours = true,
      stop = "90", target = "110", mark = "100" }
    for key, value in pairs(fields or {}) do r[key] = value end
    list[#list + 1] = r
  end

  it("closing reaches positions and what may become one, of ours, at the accounts of the users", function()
    row(positions)
    row(positions, { id = "W2", account = "2", canonical = "EURUSD", symbol = "EURUSD." })
    row(positions, { id = "W3", ours = false })
    row(positions, { id = "W4", account = "3" }) -- not logged in
    row(positions, { id = "W5", account = "gone" }) -- nobody's any more
    row(entries, { id = 8, state = "INTENT" })
    row(entries, { id = 7, account = "2", state = "UNKNOWN" })
    row(entries, { id = 6, state = "ABSENT" })
    row(entries, { id = 5, state = "UNKNOWN", account = "3" })
    row(entries, { id = 9, canonical = "EURUSD", symbol = "EURUSD." })
    taken_back[8] = true
    local said = verbs.close_all(state, "BTCUSD")
    assert.same({ { "order", 5, "manual" }, { "order", 6, "manual" }, { "order", 7, "manual" },
      { "order", 8, "manual" }, { "close", "1", "W1", "manual" }, { "close", "3", "W4", "manual" } }, done)
    local function told(list)
      local out = {}
      for i, r in ipairs(list) do out[i] = r.account .. " " .. r.id .. " " .. r.status end
      return out
    end
    assert.same({ "1 W1 closing", "3 W4 away" }, told(said.positions))
    assert.same({ "3 5 away", "1 6 absent", "2 7 closing", "1 8 taken_back" }, told(said.orders))
    assert.same({ { 6, "BTCUSD", "all" }, "drop" }, forgotten)
    done = {}
    verbs.close_all(state, nil, { "2" }, "end")
    assert.same({ { "order", 7, "end" }, { "close", "2", "W2", "end" } }, done)
    assert.same({ { 6, "all", "2" }, "drop" }, { table.unpack(forgotten, 3) })
  end)

  it("closing goes on when something cannot be closed, and says so; what is gone is no failure", function()
    row(positions)
    row(entries, { id = 7, account = "2" })
    row(entries, { id = 8 })
    refuse = { W1 = true, [8] = true }
    local said, lost = verbs.close_all(state, "BTCUSD.")
    assert.same({ 0, 1 }, { #said.positions, #said.orders })
    assert.equal("cannot", lost.message)
    refuse = { W1 = "gone", [8] = "gone" }
    said, lost = verbs.close_all(state, "BTCUSD.")
    assert.same({ 0, 1 }, { #said.positions, #said.orders })
    assert.is_nil(lost)
  end)

  it("cancelling reaches pending orders of ours, and those that are being created", function()
    row(pendings, { id = "P1" })
    row(pendings, { id = "P2", account = "2" })
    row(pendings, { id = "P3", ours = false })
    row(pendings, { id = "P4", canonical = "EURUSD", symbol = "EURUSD." })
    row(pendings, { id = "P5", account = "3" })
    row(entries, { id = 7, op = "pending", state = "UNKNOWN" })
    row(entries, { id = 8, op = "open", state = "UNKNOWN" })
    refuse.P2 = "gone"
    local said, lost = verbs.cancel_all(state, "BTCUSD")
    assert.same({ { "order", 7, "manual" }, { "cancel", "1", "P1", "manual" }, { "cancel", "3", "P5", "manual" } },
      done)
    assert.same({ { account = "1", id = "P1", status = "cancelling" }, { account = "3", id = "P5", status = "away" } },
      { table.unpack(said.orders) })
    assert.same({ { account = "1", id = 7, status = "closing" } }, { table.unpack(said.entries) })
    assert.is_nil(lost)
    refuse.P2 = true
    said, lost = verbs.cancel_all(state, "BTCUSD")
    assert.equal(2, #said.orders)
    assert.equal("cannot", lost.message)
  end)

  it("editing keeps what it does not name, and refuses one position alone", function()
    task.run(function()
      row(positions)
      row(positions, { id = "W2", side = "SELL", stop = "110", target = "90" })
      row(positions, { id = "W9", account = "2" })
      row(positions, { id = "W8", account = "2" })
      refuse.W8 = true
      local rows = verbs.edit_all(state, "BTCUSD", "95", nil, {})
      assert.same({ "accepted", "refused", "rejected", "refused" }, { rows[1].status, rows[2].status, rows[3].status,
        rows[4].status })
      assert.same({ json.null, "too near", "cannot" }, { rows[1].reason, rows[3].reason, rows[4].reason })
      assert.matches("wrong side", rows[2].reason)
      assert.same({ "edit", "1", "W1", "95", "110" }, done[1])
      done = {}
      verbs.edit_all(state, "BTCUSD", nil, json.null, { side = "SELL", accounts = { "1" } })
      assert.same({ { "edit", "1", "W2", "110" } }, done)
    end)
  end)

  local function order(account, symbol, side, quantity)
    return { account = account, symbol = symbol, side = side, quantity = quantity, stop_loss = "9", take_profit = "11" }
  end

  it("explicit orders of one symbol and side leave together, each with its own levels", function()
    local said = assert(verbs.execute_batch(state, { order("1", "BTCUSD", "LONG", "0.1"),
      order("2", "BTCUSD", "LONG", "0.2"), order("1", "BTCUSD", "SHORT", "0.3"), order("3", "BTCUSD", "SHORT", "1") },
      "ann"))
    assert.equal(2, #taken)
    assert.same({ "1", "2" }, taken[1][2].accounts)
    assert.same({ volume = "0.2", stop = "9", target = "11" }, taken[1][2].orders["2"])
    assert.same({ { account = "3", rule = "session", reason = "the account is not logged in" } }, taken[2][2].kept_out)
    assert.same({ 3, 1, 0, "0.6" }, { said.executed_count, said.failed_count, said.unknown_count, said.total_volume })
  end)

  it("nothing is sent when an account is unknown or has two orders of a kind", function()
    local said, err = verbs.execute_batch(state, { order("1", "BTCUSD", "LONG", "1"),
      order("x", "BTCUSD", "LONG", "1") }, "ann")
    assert.is_nil(said)
    assert.equal("not_found", err.code)
    said, err = verbs.execute_batch(state, { order("1", "BTCUSD", "LONG", "1"), order("1", "BTCUSD", "LONG", "1") },
      "ann")
    assert.is_nil(said)
    assert.equal("input", err.code)
    assert.same({}, taken)
  end)

  it("a group that cannot go is told as refused beside those that went", function()
    local said = assert(verbs.execute_batch(state, { order("1", "AWAY", "LONG", "1"),
      order("2", "BTCUSD", "LONG", "1") }, "ann"))
    assert.same({ 1, 1 }, { said.executed_count, said.failed_count })
    assert.equal("unavailable", said.reports[1].results[1].rule)
    local none, err = verbs.execute_batch(state, { order("1", "AWAY", "LONG", "1") }, "ann")
    assert.is_nil(none)
    assert.equal("unavailable", err.code)
  end)
end)
