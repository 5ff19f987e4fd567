-- SPDX-License-Identifier: MIT
-- Commands where several meet or something is broken: edits at once, a stop without a journal, a market that is away,
-- and what the journal is told of arguments.

package.path = "tests/lua/?.lua;" .. package.path
local decimal = require "perigee.decimal"
local fake = require "fake"
local json = require "perigee.json"
local task = require "perigee.task"

local quiet = { warn = function() end, error = function() end }

describe("commands that trade", function()
  local trading, undo, sent, stopped, broken, hold, context, position, check

  before_each(function()
    sent, stopped, broken, hold, check = {}, false, false, nil, nil
    position = { account = "1", id = "W1", side = "BUY", stop = "90", target = "110", mark = "100", volume = "1" }
    local parts = {
      ["perigee.event"] = { emit = function() if broken then error("the journal is broken") end end,
        commit = function() end },
      ["perigee.exec"] = { stop_entries = function(on) stopped = on end,
        entries_stopped = function() return stopped end,
        suspect = function() end, edit = function(_, _, stop, target)
          sent[#sent + 1] = { stop = stop, target = target }
          return "ACCEPTED", ""
        end },
      ["perigee.ledger"] = { position = function() return position end,
        account = function() return { broker = "paper" } end },
      ["perigee.precheck"] = { order = function(...) if check then return check(...) end end },
      ["perigee.manual"] = {}, ["perigee.signals"] = { limits = function() return {} end },
      ["perigee.watch"] = { positions = function()
        if hold then hold:wait(5000) end
        position.stop, position.target = sent[#sent].stop, sent[#sent].target
        return true
      end },
    }
    local undo_edits, undo_verbs
    parts["perigee.orchestrate.edits"], undo_edits = fake.load("perigee.orchestrate.edits", parts)
    parts["perigee.orchestrate.verbs"], undo_verbs = fake.load("perigee.orchestrate.verbs", parts)
    local undo_trading
    trading, undo_trading = fake.load("perigee.commands.trading", parts)
    undo = function() undo_trading() undo_verbs() undo_edits() end
    local member = { session = {}, account = {} }
    context = { who = "x", engine = {}, state = { fleet = { running = true, members = { ["1"] = member },
      owner = function() return {} end } } }
  end)

  after_each(function() undo() end)

  local function edit(fields)
    fields.account, fields.position = "1", "W1"
    return trading.edit.run(fields, context)
  end

  it("keep a level that an edit has changed and no list has shown yet", function()
    task.run(function()
      hold = task.event()
      local first = task.spawn(function() return edit { target = "120" } end)
      task.settled()
      local second, err = edit { stop = "95" }
      assert.is_nil(second)
      assert.equal("state", err.code)
      hold:set()
      hold = nil
      local _, said = first:join()
      assert.equal("accepted", said.state)
      assert.equal("accepted", edit({ stop = "95" }).state)
      assert.same({ { stop = "90", target = "120" }, { stop = "95", target = "120" } }, sent)
    end)
  end)

  it("refuse an edit that the broker would refuse, and name the rule", function()
    task.run(function()
      local asked
      check = function(venue, order, more)
        asked = { venue, order.op, order.side, order.stop, order.target, more.now_stop, more.now_target }
        return "freeze_level", "90 is too near"
      end
      local said, err = edit { target = "120" }
      assert.is_nil(said)
      assert.equal("refused", err.code)
      assert.equal("freeze_level: 90 is too near", err.message)
      assert.same({ "paper", "edit", "BUY", "90", "120", "90", "110" }, asked)
      assert.same({}, sent)
    end)
  end)

  it("stop entries although the journal cannot be written, and do not let them in then", function()
    broken = true
    assert.has_error(function() trading.stop_entries.run({ on = true }, context) end)
    assert.is_true(stopped)
    assert.has_error(function() trading.stop_entries.run({ on = false }, context) end)
    assert.is_true(stopped)
    broken = false
    assert.is_false(trading.stop_entries.run({ on = false }, context).entries_stopped)
  end)
end)

describe("a manual signal", function()
  it("to open needs a market that is there, one to close does not", function()
    local manual, undo = fake.load("perigee.manual", {
      ["perigee.clock"] = { market_ms = function() return 0 end },
      ["perigee.decimal"] = decimal,
      ["perigee.ledger"] = { instrument = function() return { price_digits = 1 } end },
      ["perigee.market"] = { last_quote = function() return 100, 101 end },
    })
    local state = { venue = "paper", feed_up = true, feed = { symbol = 1, hello = { symbol = "BTCUSD" } } }
    local function ask(direction)
      local signal, err = manual.signal(state, { symbol = "BTCUSD", direction = direction }, "ann")
      return signal and signal.action or err.code
    end
    assert.equal("OPEN_LONG", ask "LONG")
    state.feed_up = false
    assert.equal("unavailable", ask "LONG")
    assert.equal("unavailable", ask "SHORT")
    assert.equal("CLOSE", ask "CLOSE")
    state.feed_up, state.feed.ended = true, true
    assert.equal("unavailable", ask "SHORT")
    undo()
  end)
end)

describe("the journal of commands", function()
  it("holds no secret, under whatever name it was given", function()
    local noted, handler, replied = nil, nil, nil
    local group = {}
    for _, name in ipairs { "reads", "trading", "users" } do group["perigee.commands." .. name] = {} end
    group["perigee.commands.users"] = { put = { changes = true, secrets = { sealed = true },
      run = function() return 1 end, args = { { "email", "text" }, { "sealed", "text", optional = true } } } }
    group["perigee.event"] = { emit = function(_, fields) noted = fields end, commit = function() end }
    group["perigee.wire"] = { on_command = function(fn) handler = fn end,
      reply = function(_, text) replied = json.decode(text) end }
    group["perigee.log"] = quiet
    group["perigee.memory"] = { key = function() end }
    local commands, undo = fake.load("perigee.commands", group)
    commands.register({}, {})
    handler(1, json.encode { id = 1, name = "put", args = { email = "a@b", sealed = "geheim1" } })
    assert.is_true(replied.ok)
    assert.same({ email = "a@b", sealed = "***" }, json.decode(noted.args))
    handler(1, json.encode { id = 2, name = "put", args = { email = "a@b", password = "geheim2" } })
    assert.equal("input", replied.code)
    assert.same({ email = "a@b", password = "***" }, json.decode(noted.args))
    undo()
  end)
end)

describe("a command with a key", function()
  local commands, undo, told, memory, handler, replies, runs, gate, wall, newest

  before_each(function()
    told, memory, replies, runs, gate, wall = {}, {}, {}, 0, nil, 1000000
    local group = { ["perigee.commands.reads"] = { look = { changes = false, args = {}, run = function()
      runs = runs + 1
      return runs
    end } }, ["perigee.commands.users"] = {}, ["perigee.commands.trading"] = { go = { changes = true,
      args = { { "n", "integer", min = 1 }, { "m", "integer", optional = true } }, run = function(a)
        runs = runs + 1
        if gate then gate:wait(5000) end
        if a.n == 13 then return nil, { code = "refused", message = "no" } end
        if a.n == 66 then error("broken") end
        return { run = runs }
      end } } }
    -- What the engine's memory does with the events.
    group["perigee.event"] = { emit = function(kind, fields)
      told[#told + 1], newest = kind, fields
      if kind == "command_begun" then memory[fields.key] = { digest = fields.digest, wall_ms = wall } end
      if kind == "command" and fields.answer then memory[fields.key].answer = fields.answer end
    end, commit = function() end }
    group["perigee.memory"] = { key = function(key) return memory[key] end }
    group["perigee.clock"] = { wall_ms = function() return wall end }
    group["perigee.wire"] = { on_command = function(fn) handler = fn end,
      reply = function(_, text) replies[#replies + 1] = json.decode(text) end }
    group["perigee.log"] = quiet
    commands, undo = fake.load("perigee.commands", group)
    commands.register({}, {})
  end)

  after_each(function() undo() end)

  local function ask(key, n, more)
    local given = { id = #replies + 1, name = "go", args = { n = n }, who = "ann", key = key }
    for name, value in pairs(more or {}) do given[name] = value end
    handler(1, json.encode(given))
    return replies[#replies]
  end

  it("runs once, and answers the first result again, with the asker's id", function()
    task.run(function()
      assert.equal(1, ask("k1", 5).result.run)
      local again = ask("k1", 5)
      assert.same({ 2, true, 1 }, { again.id, again.ok, again.result.run })
      assert.equal(2, ask("k2", 5).result.run)
      assert.equal(3, ask(nil, 5).result.run)
      assert.equal(4, ask(nil, 5).result.run)
      assert.same({ "command_begun", "command", "command", "command_begun", "command", "command", "command" }, told)
    end)
  end)

  it("leaves a row of each time it is asked again, which is no new answer", function()
    task.run(function()
      ask("k1", 5)
      ask("k1", 5)
      assert.same({ true, "not done again: the key was used before" }, { newest.ok, newest.reason })
      assert.same({ "k1" }, { newest.key, newest.answer })
      ask("k1", 6)
      assert.same({ false, "not done again: the key was used for another request" }, { newest.ok, newest.reason })
      assert.is_nil(newest.answer)
      assert.is_true(ask("k1", 5).ok)
    end)
  end)

  it("that was refused stays refused; wrong input does not use the key up", function()
    task.run(function()
      assert.equal("input", ask("k1", 0).code)
      assert.equal("refused", ask("k1", 13).code)
      assert.equal("refused", ask("k1", 13).code)
      assert.equal(1, runs)
      assert.equal("failed", ask("k2", 66).code)
      assert.equal("failed", ask("k2", 66).code)
      assert.equal(2, runs)
      assert.equal("input", ask("a key", 5).code)
      assert.equal("input", ask({ 1 }, 5).code)
    end)
  end)

  it("is another request with other arguments or of another operator, and is not run", function()
    task.run(function()
      ask("k1", 5, { args = { n = 5, m = 6 } })
      assert.equal("state", ask("k1", 6).code)
      assert.equal("state", ask("k1", 5, { who = "bob" }).code)
      assert.is_true(ask("k1", 5, { args = { m = 6, n = 5 } }).ok)
      assert.equal(1, runs)
    end)
  end)

  it("that runs still is waited for", function()
    task.run(function()
      gate = task.event()
      local first = task.spawn(function() return ask("k1", 5) end)
      task.settled()
      local second = task.spawn(function() return ask("k1", 5) end)
      task.settled()
      assert.equal("state", ask("k1", 7).code)
      gate:set()
      first:join()
      second:join()
      assert.equal(1, runs)
      assert.same({ true, true }, { replies[2].ok, replies[3].ok })
    end)
  end)

  it("that a former life began and did not end is not run again", function()
    task.run(function()
      ask("k1", 5)
      memory.k1.answer = nil
      local said = ask("k1", 5)
      assert.equal("state", said.code)
      assert.matches("nothing was sent again", said.error)
      assert.equal(1, runs)
    end)
  end)

  it("may be used again after a day", function()
    task.run(function()
      ask("k1", 5)
      wall = wall + 24 * 3600 * 1000 - 1
      ask("k1", 5)
      assert.equal(1, runs)
      wall = wall + 1
      assert.equal(2, ask("k1", 5).result.run)
    end)
  end)

  it("changes nothing for reads", function()
    task.run(function()
      assert.equal(1, ask("k1", nil, { name = "look", args = {} }).result)
      assert.equal(2, ask("k1", nil, { name = "look", args = {} }).result)
      assert.same({}, told)
    end)
  end)
end)
