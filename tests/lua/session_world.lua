-- SPDX-License-Identifier: MIT
-- For specs of broker sessions: a broker of scripted answers, clocks that a spec moves, and what the session did with
-- exec, the journal and the log. Sleeping moves the clocks and takes no time.

local json = require "perigee.json"

local SYSTEM = "7d6a1f04-93c2-4e58-8b1a-64d0f3b7c215"

local faked = { "http", "exec", "event", "clock", "log", "task" }
local loaded = { "session", "session.doors", "session.gate", "session.read", "session.request", "session.tokens",
  "session.trouble" }

local world = { SYSTEM = SYSTEM, READ = "/mtr-api/" .. SYSTEM }

--- An answer as perigee.http gives it.
function world.answer(status, body, headers)
  local r = { status = status, body = body or "" }
  function r:header(name, nth)
    nth = nth or 1
    assert(self == r and nth >= 1, "counted from 1")
    for _, pair in ipairs(headers or {}) do
      if pair[1]:lower() == name:lower() then
        nth = nth - 1
        if nth == 0 then return pair[2] end
      end
    end
  end
  return r
end

--- Headers that set cookies.
function world.cookies(...)
  local headers = {}
  for i, line in ipairs({ ... }) do headers[i] = { "Set-Cookie", line } end
  return headers
end

function world.accounts(api)
  return { { tradingAccountId = "1", tradingApiToken = api or "api-token-1",
    tradingAccountToken = { token = "own-token-1" }, offer = { currency = "USD", leverage = 100, demo = true,
      system = { uuid = SYSTEM } } } }
end

function world.login_body(token, api)
  return json.encode { token = token, accounts = world.accounts(api) }
end

--- No connection, and no answer.
world.unreachable = { code = "unreachable", message = "connection refused", source = "http.request" }
world.lost = { code = "timeout", message = "no answer", source = "http.request" }
--- A page of the edge.
function world.edge() return world.answer(403, "<html>", { { "cf-mitigated", "challenge" } }) end

local function fake_http(self)
  return { request = function(r)
    local headers = {}
    for _, pair in ipairs(r.headers) do headers[pair[1]:lower()] = pair[2] end
    local path = r.url:match("^http://broker(/.*)$")
    self.requests[#self.requests + 1] = { method = r.method, path = path, headers = headers, body = r.body }
    local next_answer = self.script[path:match("^[^?]*")]
    if type(next_answer) == "function" then next_answer = next_answer(#self.requests) end
    if type(next_answer) == "table" and next_answer.code then
      local err = {}
      for key, value in pairs(next_answer) do err[key] = value end
      return nil, err
    end
    return assert(next_answer, "no answer for " .. tostring(path))
  end }
end

local function fake_exec(self)
  return {
    session = function(id, options) self.lanes[id] = options end,
    budget_take = function(id, lane)
      self.taken[#self.taken + 1] = id .. " " .. lane
      if self.full and lane ~= "session" then
        self.full = self.full > 1 and self.full - 1 or nil
        return false, 500, "market"
      end
      return true
    end,
    budget_rest = function(id, ms) self.rests[#self.rests + 1] = { id, ms } end,
    budget = function() return 0, 480, 0, { { rest_ms = 5000 } } end,
  }
end

local function fake_task(self, real)
  return setmetatable({ sleep = function(ms, which)
    assert(ms >= 0)
    self.slept[#self.slept + 1] = ms
    if self.on_sleep and self.on_sleep(ms, which) == false then return nil, { code = "cancelled" } end
    self.io = self.io + ms
    self.market = self.market + ms
    return true
  end }, { __index = real })
end

local function fakes(self)
  local real_clock = require "perigee.clock"
  return {
    http = fake_http(self), exec = fake_exec(self),
    event = { emit = function(kind, fields)
      fields.kind = kind
      self.events[#self.events + 1] = fields
      return #self.events, self.market
    end },
    clock = setmetatable({ market_ms = function() return self.market end, io_ms = function() return self.io end,
      wall_ms = function() return self.wall + self.io end }, { __index = real_clock }),
    log = { mask = function(text) self.masked[text] = (self.masked[text] or 0) + 1 end, unmask = function(text)
      self.masked[text] = self.masked[text] > 1 and self.masked[text] - 1 or nil
    end, warn = function(_, text)
      self.warned[#self.warned + 1] = text
    end },
    task = fake_task(self, require "perigee.task"),
  }
end

--- A world with one session, `self.s`, that is not logged in. `done()` puts the real modules back.
function world.new()
  local self = setmetatable({ requests = {}, lanes = {}, events = {}, masked = {}, warned = {}, taken = {}, rests = {},
    slept = {}, market = 1000000000, io = 5000000, wall = 1700000000000, kept = {} }, { __index = world })
  for _, name in ipairs(faked) do
    self.kept["perigee." .. name] = package.loaded["perigee." .. name] or false
  end
  for name, module in pairs(fakes(self)) do package.loaded["perigee." .. name] = module end
  for _, name in ipairs(loaded) do
    self.kept["perigee." .. name] = package.loaded["perigee." .. name] or false
    package.loaded["perigee." .. name] = nil
  end
  self.session = require "perigee.session"
  self.gates = require "perigee.session.gate"
  self.script = {
    ["/manager/platform-details"] = world.answer(200, '{"partnerId":17}'),
    ["/manager/mtr-login"] = world.answer(200, world.login_body("session-token-1"),
      world.cookies("co-auth=session-token-1; Path=/; HttpOnly", "rt=renewer-1; Path=/manager; HttpOnly")),
  }
  self.s = self:life()
  return self
end

--- Another session of the same user: the engine was started again. `saved`: what the vault had kept.
function world:life(saved, options)
  local o = { profile = require "perigee.venues.brokers".paper, origin = "http://broker", email = "a@b.c",
    password = "pass-word", saved = saved, on_edge = function(blocked)
      self.events[#self.events + 1] = { kind = blocked and "edge" or "edge over" }
    end }
  for key, value in pairs(options or {}) do o[key] = value end
  return self.session.new(o)
end

function world:done()
  for name, module in pairs(self.kept) do package.loaded[name] = module or nil end
end

local task = require "perigee.task"

function world:login(asked) return task.run(function() return self.s:login(asked) end) end
function world:renew(cause) return task.run(function() return self.s:renew(cause) end) end
function world:read(lane)
  return task.run(function() return self.s:read(self.s.accounts[1], lane or "positions", "GET", "/open-positions") end)
end
function world:last() return self.requests[#self.requests] end

function world:open()
  assert(self:login())
  self.s:activate()
end

--- Moves both clocks.
function world:pass(ms)
  self.market, self.io = self.market + ms, self.io + ms
end

--- Events of a kind, oldest first.
function world:told(kind)
  local list = {}
  for _, e in ipairs(self.events) do
    if e.kind == kind then list[#list + 1] = e end
  end
  return list
end

--- How often a path was asked.
function world:asked(path)
  local count = 0
  for _, r in ipairs(self.requests) do count = count + (r.path:match("^[^?]*") == path and 1 or 0) end
  return count
end

return world
