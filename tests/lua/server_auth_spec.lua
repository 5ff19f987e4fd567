-- SPDX-License-Identifier: MIT
package.path = "tests/lua/?.lua;" .. package.path
local clock = require "perigee.clock"
local crypto = require "perigee.crypto"
local fake = require "fake"
local task = require "perigee.task"

-- Operators and sign-ins in tables; `away`: every question is answered so.
local function store()
  local s = { rows = {}, sessions = {}, next = 1, away = nil, failures = 0 }
  local function guard(fn)
    return function(_, args)
      if s.away then return nil, { code = s.away, message = "away" } end
      return fn(args)
    end
  end
  s.queries = { operators = {
    get = guard(function(args)
      for _, row in pairs(s.rows) do
        if row.id == args.id or args.username and row.username:lower() == args.username:lower() then return row end
      end
      return nil, { code = "notfound", message = "none" }
    end),
    signed_in = guard(function() return true end),
    failed = guard(function(args)
      s.failures = s.failures + 1
      if args.lock_ms then s.rows[args.id].locked_until_ms = clock.wall_ms() + args.lock_ms end
      return true
    end),
    update = guard(function(args)
      for key, value in pairs(args) do s.rows[args.id][key] = value end
      return s.rows[args.id]
    end),
    open_session = guard(function(args)
      s.next = s.next + 1
      s.sessions[s.next] = args
      return s.next
    end),
    touch_session = guard(function() return true end),
    purge_sessions = guard(function() return true end),
    live_sessions = guard(function()
      local out = {}
      for id, args in pairs(s.sessions) do
        local row = s.rows[args.operator_id]
        out[#out + 1] = { session_id = id, token_hash = args.token_hash, last_seen_ms = clock.wall_ms(), id = row.id,
          username = row.username, role = row.role, must_change_password = row.must_change_password }
      end
      return out
    end),
    close_sessions = guard(function(args)
      for id, row in pairs(s.sessions) do
        if id ~= args.except_id and (id == args.session_id or row.operator_id == args.operator_id) then
          s.sessions[id] = nil
        end
      end
      return true
    end),
  } }
  s.db = { update = function() return s.away and "away" or "ready" end }
  return s
end

describe("signing in", function()
  local s, auth, a, undo, ended

  local function add(id, name, password, fields)
    local row = { id = id, username = name, role = "admin", is_active = true, must_change_password = false,
      password_hash = crypto.password_hash(password, { ops = 1, mem_kib = 64 }) }
    for key, value in pairs(fields or {}) do row[key] = value end
    s.rows[id] = row
  end

  local function within(fn)
    return function() task.run(fn) end
  end

  before_each(function()
    s = store()
    auth, undo = fake.load("perigee.server.auth", { ["perigee.store.queries"] = s.queries })
    ended = {}
    a = auth.new { db = s.db, minutes = 10, delay_ms = 60000,
      on_end = function(signed) ended[#ended + 1] = signed.hash end }
    task.run(function() add(1, "Admin", "right") end)
  end)
  after_each(function() undo() end)

  it("gives a token of which only the hash is kept", within(function()
    local signed, token = a:sign_in("aDMIN", "right", "127.0.0.1")
    assert.equal("Admin", signed.username)
    assert.equal(43, #token)
    assert.equal(signed, a:who(token))
    assert.is_true(a:csrf(signed, signed.csrf))
    assert.is_false(a:csrf(signed, token))
    assert.is_false(a:csrf(signed, nil))
    local _, row = next(s.sessions)
    assert.equal(crypto.hash(token), row.token_hash)
    for _, value in pairs(row) do assert.not_equal(token, value) end
    assert.is_nil(a:who(token .. "x"))
    assert.is_nil(a:who(nil))
    assert.is_nil(a:who(("x"):rep(10000)))
  end))

  it("does not hold when the operator was changed while the password was checked", within(function()
    for _, change in ipairs { { is_active = false }, { password_hash = "another" } } do
      local row = s.rows[1]
      local before = { is_active = row.is_active, password_hash = row.password_hash }
      local open = s.queries.operators.open_session
      s.queries.operators.open_session = function(...) -- the last step before it holds
        s.rows[1] = setmetatable(change, { __index = row })
        return open(...)
      end
      local signed, bad = a:sign_in("Admin", "right", "127.0.0.1")
      assert.is_nil(signed)
      assert.equal("invalid_credentials", bad.code)
      assert.is_nil(next(s.sessions))
      s.queries.operators.open_session, s.rows[1] = open, row
      assert.same(before, { is_active = row.is_active, password_hash = row.password_hash })
    end
  end))

  it("stays ended when the table could not be told at once", within(function()
    local signed, token = a:sign_in("Admin", "right", "127.0.0.1")
    local close = s.queries.operators.close_sessions
    s.queries.operators.close_sessions = function() return nil, { code = "unreachable", message = "cut" } end
    assert.is_nil((a:forget(signed)))
    s.queries.operators.close_sessions = close
    assert.is_true(a:load())
    assert.is_nil(a:who(token))
    assert.is_nil(next(s.sessions))
  end))

  it("is not known for sure before the sign-ins of a former office were read", within(function()
    assert.is_true(a:may_know("x"))
    assert.is_false(a:may_know(nil))
    assert.is_true(a:load())
    assert.is_false(a:may_know("x"))
  end))

  it("refuses a wrong password, an unknown name and an inactive operator alike", within(function()
    add(2, "gone", "right", { is_active = false })
    for _, given in ipairs { { "Admin", "wrong" }, { "nobody", "right" }, { "gone", "right" } } do
      local signed, bad = a:sign_in(given[1], given[2], "127.0.0.1")
      assert.is_nil(signed)
      assert.same({ "invalid_credentials", "The user name or the password is wrong." }, { bad.code, bad.detail })
    end
    assert.equal(2, s.failures)
  end))

  it("is delayed after failures, for unknown names too, and even for the right password", within(function()
    for _, name in ipairs { "Admin", "nobody" } do
      local codes = {}
      for i = 1, 6 do
        local _, bad = a:sign_in(name, "wrong", "ip " .. name)
        codes[i] = bad.code
        if bad.code == "too_many_attempts" then assert.is_true(bad.retry_after >= 1) end
      end
      assert.same({ "invalid_credentials", "invalid_credentials", "invalid_credentials", "invalid_credentials",
        "too_many_attempts", "too_many_attempts" }, codes)
    end
    assert.equal("too_many_attempts", select(2, a:sign_in("Admin", "right", "another")).code)
    -- a new office knows it from the row
    local again = auth.new { db = s.db, minutes = 10, delay_ms = 60000 }
    assert.equal("too_many_attempts", select(2, again:sign_in("Admin", "right", "x")).code)
  end))

  it("limits an address whatever the names", within(function()
    local last
    for i = 1, 40 do
      last = select(2, a:sign_in("nobody" .. i, "wrong", "10.0.0.1"))
    end
    assert.equal("too_many_attempts", last.code)
    assert.is_table(a:sign_in("Admin", "right", "10.0.0.2"))
  end))

  it("does not let many attempts at once through", within(function()
    local fns = {}
    for i = 1, 30 do fns[i] = function() return a:sign_in("Admin", "wrong", "127.0.0.1") end end
    local tried = 0
    for _, r in ipairs(task.all(fns)) do
      tried = tried + (r[2].code == "invalid_credentials" and 1 or 0)
    end
    assert.is_true(tried <= 4, tried)
  end))

  it("does not count an attempt that the database could not answer", within(function()
    s.away = "unreachable"
    for _ = 1, 10 do
      assert.equal("history_unavailable", select(2, a:sign_in("Admin", "right", "127.0.0.1")).code)
    end
    s.away = nil
    assert.is_table(a:sign_in("Admin", "right", "127.0.0.1"))
  end))

  it("goes on while the database is away, and ends where it has ended", within(function()
    local signed, token = a:sign_in("Admin", "right", "127.0.0.1")
    s.away = "unreachable"
    assert.equal(signed, a:who(token))
    assert.is_true(a:forget(signed))
    assert.is_nil(a:who(token))
    assert.same({ signed.hash }, ended)
    assert.is_not_nil(next(s.sessions))
    s.away = nil
    assert.is_true(a:load())
    assert.is_nil(next(s.sessions))
    assert.is_nil(a:who(token))
  end))

  it("outlives the office", within(function()
    local _, token = a:sign_in("Admin", "right", "127.0.0.1")
    local again = auth.new { db = s.db, minutes = 10, delay_ms = 60000 }
    assert.is_nil(again:who(token))
    assert.is_true(again:load())
    local signed = again:who(token)
    assert.equal("Admin", signed.username)
    assert.equal(64, #signed.csrf)
  end))

  it("ends when it is not used", within(function()
    local signed, token = a:sign_in("Admin", "right", "127.0.0.1")
    signed.seen_ms = signed.seen_ms - 599000
    assert.equal(signed, a:who(token))
    signed.seen_ms = signed.seen_ms - 600000
    assert.is_nil(a:who(token))
    assert.same({ signed.hash }, ended)
    signed, token = a:sign_in("Admin", "right", "127.0.0.1")
    signed.seen_ms = signed.seen_ms - 600000
    a:sweep()
    assert.is_nil(a.signed[signed.hash])
    assert.is_nil(a:who(token))
  end))

  it("keeps at most twenty of one operator, the newest", within(function()
    local tokens = {}
    for i = 1, 22 do
      local signed
      signed, tokens[i] = a:sign_in("Admin", "right", "127.0.0.1")
      signed.seen_ms = signed.seen_ms - 1000 + i
    end
    assert.is_nil(a:who(tokens[1]))
    assert.is_nil(a:who(tokens[2]))
    assert.is_table(a:who(tokens[3]))
    assert.is_table(a:who(tokens[22]))
  end))

  it("with a new password ends the others", within(function()
    local _, other = a:sign_in("Admin", "right", "127.0.0.1")
    local signed, token = a:sign_in("Admin", "right", "127.0.0.1")
    signed.must_change_password = true
    local ok, bad = a:change_password(signed, "wrong", "a new password", "127.0.0.1")
    assert.is_nil(ok)
    assert.equal("invalid_credentials", bad.code)
    assert.is_true(a:change_password(signed, "right", "a new password", "127.0.0.1"))
    assert.is_nil(a:who(other))
    assert.is_false(a:who(token).must_change_password)
    assert.is_true(crypto.password_verify(s.rows[1].password_hash, "a new password"))
    assert.is_false(s.rows[1].must_change_password)
  end))

  it("of an operator whose role changes, or who is put out, follows at once", within(function()
    local _, token = a:sign_in("Admin", "right", "127.0.0.1")
    a:changed(1, { role = "viewer" })
    assert.equal("viewer", a:who(token).role)
    a:end_all(1)
    assert.is_nil(a:who(token))
    assert.is_nil(next(s.sessions))
  end))
end)
