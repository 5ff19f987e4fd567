-- SPDX-License-Identifier: MIT
local hub = require "perigee.server.hub"
local json = require "perigee.json"

-- A connection that keeps what it was told; `room` false: nothing leaves it.
local function conn()
  return { got = {}, bytes = 0, send = function(self, text) self.got[#self.got + 1] = json.decode(text) end,
    pending = function(self) return self.bytes end, close = function(self, code) self.code = code end }
end

local function new()
  return hub.new(function(channel) return json.encode { type = "snapshot", seq = 0, channel = channel } end)
end

local signed = { hash = "h", operator_id = 1 }

local function client(h, channel, since)
  local c = conn()
  local k = h:add(c, channel or "dashboard", signed, 0)
  h:begin(k, since, 0)
  return c, k
end

local function tell(h, kind, seq, key)
  return h:publish({ type = kind, seq = seq, key = key, text = json.encode { type = kind, seq = seq, key = key } }, 0)
end

local function types(c)
  local out = {}
  for i, m in ipairs(c.got) do out[i] = m.type end
  return out
end

describe("the hub", function()
  it("begins with a snapshot, then tells changes in order", function()
    local h = new()
    local c = client(h)
    tell(h, "position_update", 1)
    tell(h, "marks")
    assert.same({ "snapshot", "position_update", "marks" }, types(c))
  end)

  it("tells each channel its own", function()
    local h = new()
    local all, trading, positions = client(h), client(h, "trading"), client(h, "positions")
    for i, kind in ipairs { "user_update", "bar", "trade_signal", "balance_update", "position_update", "health" } do
      tell(h, kind, i)
    end
    assert.equal(7, #all.got)
    assert.same({ "snapshot", "bar", "trade_signal", "position_update", "health" }, types(trading))
    assert.same({ "snapshot", "balance_update", "position_update", "health" }, types(positions))
  end)

  it("resumes with what was missed, on the client's own channel", function()
    local h = new()
    for i = 1, 5 do tell(h, i % 2 == 1 and "position_update" or "user_update", i) end
    local c = client(h, "positions", 2)
    assert.same({ "resumed", "position_update", "position_update" }, types(c))
    assert.same({ 5, 3, 5 }, { c.got[1].seq, c.got[2].seq, c.got[3].seq })
    -- of several messages with one number it may have got the first only
    assert.same({ "resumed", "position_update" }, types(client(h, "positions", 5)))
  end)

  it("gives a snapshot when what was missed is not known any more, or never was", function()
    local h = new()
    for i = 1, 5000 do tell(h, "notice", i) end
    assert.same({ "snapshot" }, types(client(h, "dashboard", 5)))
    assert.same({ "snapshot" }, types(client(h, "dashboard", 5001)))
    assert.equal("resumed", client(h, "dashboard", 4000).got[1].type)
    h:restart(6000, 0)
    assert.same({ "snapshot" }, types(client(h, "dashboard", 5000)))
    assert.same({ "resumed" }, types(client(h, "dashboard", 6000)))
  end)

  it("gathers for a client that does not read: the newest of a key, all without one, in order", function()
    local h = new()
    local slow, fast = client(h), client(h)
    slow.bytes = 1 << 20
    for i = 1, 10 do
      assert.is_true(tell(h, "balance_update", i, "account:1"))
      tell(h, "marks", nil, "marks")
    end
    tell(h, "position_update", 11)
    assert.equal(1, #slow.got)
    assert.equal(22, #fast.got)
    assert.is_true(h:flush(0))
    slow.bytes = 0
    assert.is_false(h:flush(0))
    assert.same({ "snapshot", "balance_update", "marks", "position_update" }, types(slow))
    assert.equal(10, slow.got[2].seq)
    tell(h, "notice", 12)
    assert.equal("notice", slow.got[5].type)
  end)

  it("keeps the order when new changes come while old ones wait", function()
    local h = new()
    local c = client(h)
    c.bytes = 1 << 20
    tell(h, "notice", 1)
    c.bytes = 0
    tell(h, "notice", 2)
    h:flush(0)
    assert.same({ 1, 2 }, { c.got[2].seq, c.got[3].seq })
  end)

  it("gives up on gathering too much, and sends a fresh snapshot", function()
    local h = new()
    local c, k = client(h)
    c.bytes = 1 << 20
    for i = 1, 1500 do tell(h, "notice", i) end
    assert.is_true(k.fresh)
    assert.equal(0, k.waiting)
    c.bytes = 0
    h:flush(0)
    assert.same({ "snapshot", "snapshot" }, types(c))
    for i = 1501, 200000 do -- one key that moves for ever takes no memory
      c.bytes = 1 << 20
      tell(h, "marks", i, "marks")
    end
    assert.is_true(#k.queue <= 8001)
  end)

  it("gives everybody the new picture after a restart", function()
    local h = new()
    local c = client(h)
    c.bytes = 1 << 20
    tell(h, "notice", 1)
    c.bytes = 0
    h:restart(50, 0)
    assert.same({ "snapshot", "snapshot" }, types(c))
  end)

  it("beats when nothing else was said", function()
    local h = new()
    local c = client(h)
    h:heartbeat(4000, 5000)
    assert.equal(1, #c.got)
    h:heartbeat(5000, 5000)
    assert.equal("heartbeat", c.got[2].type)
    h:heartbeat(6000, 5000)
    assert.equal(2, #c.got)
  end)

  it("closes the sockets of a sign-in, and forgets those that ended", function()
    local h = new()
    local c, k = client(h)
    local other = conn()
    h:add(other, "dashboard", { hash = "o", operator_id = 2 }, 0)
    assert.equal(1, h:count_of(1))
    h:close_of("h", 4401)
    assert.equal(4401, c.code)
    assert.is_nil(other.code)
    h:remove(k)
    h:remove(k)
    assert.equal(1, h.count)
    tell(h, "notice", 1)
    assert.equal(1, #c.got)
    assert.equal(0, #other.got) -- it has not begun
  end)
end)
