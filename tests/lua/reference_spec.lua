-- SPDX-License-Identifier: MIT
-- The reference feed over a scripted connection: what is told twice, what was missed, what is nonsense.

local faked = { "perigee.ws", "perigee.market", "perigee.clock", "perigee.event", "perigee.task",
  "perigee.feeds.reference" }

describe("the reference feed", function()
  local reference, told, sent, incoming, saved

  local function connection()
    return { send = function(_, text) sent[#sent + 1] = text end, close = function() end,
      recv = function()
        local text = table.remove(incoming, 1)
        if text then return text end
        return nil, { code = "closed", message = "closed" }
      end }
  end

  before_each(function()
    told, sent, incoming, saved = {}, {}, {}, {}
    for _, name in ipairs(faked) do saved[name], package.loaded[name] = package.loaded[name], nil end
    local now = 0
    package.loaded["perigee.ws"] = { connect = function() return connection() end }
    package.loaded["perigee.market"] = { symbol_add = function() return 0 end,
      print = function(_, t, price, volume, buy) told[#told + 1] = ("p %d %g %g %d"):format(t, price, volume, buy) end,
      quote = function(_, t) told[#told + 1] = "q " .. t end,
      depth = function(_, t) told[#told + 1] = "d " .. t return true end,
      advance = function(t) told[#told + 1] = "advance " .. t end }
    package.loaded["perigee.clock"] = { market_ms = function() return now end,
      io_ms = function() return 0 end, scale = function(ms) now = ms end,
      grant = function(ms) now = ms end, advance = function(ms) now = math.max(now, ms) end }
    package.loaded["perigee.event"] = { emit = function(kind) told[#told + 1] = kind end }
    package.loaded["perigee.task"] = { settled = function() end }
    reference = require "perigee.feeds.reference"
  end)

  after_each(function()
    for _, name in ipairs(faked) do package.loaded[name] = saved[name] end
  end)

  local function hello(now, speed)
    return ('{"type":"hello","symbol":"BTCUSD","point":0.1,"now":%d,"speed":%s,"side":"modelled","source":"x"}')
      :format(now, speed or 20)
  end

  local function open(now, known, speed)
    table.insert(incoming, 1, hello(now, speed))
    return assert(reference.connect("ws://x", known))
  end

  it("passes over what was told before the connection was lost", function()
    local feed = open(1000, 1500)
    incoming = { '{"type":"data","reached":2000,"e":[["p",1400,1,2,1],["p",1500,3,4,-1],["q",1600,1,2]]}' }
    local _, err = feed:run(function() end)
    assert.equal("closed", err.code)
    assert.same({ "p 1500 3 4 -1", "q 1600", "advance 2000" }, told)
  end)

  it("catches up whole seconds that were missed, bar by bar", function()
    local feed = open(5200)
    incoming = { '{"type":"history","id":1,"bars":[[2000,9,9,9,9,9,9,9],[3000,10,12,9,11,7,4,3],'
      .. '[4000,11,11,11,11,1,1,0]]}' }
    assert.equal(2, feed:catch_up(2300))
    assert.equal('{"history":"1s","count":2,"id":1}', sent[#sent])
    assert.same({ "p 3000 10 0 0", "p 3001 12 4 1", "p 3002 9 3 -1", "p 3003 11 0 0", "advance 4000",
      "p 4000 11 0 0", "p 4001 11 1 1", "p 4002 11 0 -1", "p 4003 11 0 0", "advance 5000" }, told)
  end)

  it("misses nothing when the market did not move on", function()
    assert.equal(0, open(5200):catch_up(5100))
    assert.equal(0, open(5200):catch_up(9000))
    assert.equal(0, open(5200):catch_up(nil))
  end)

  it("says when more was missed than the history holds", function()
    local bars, err = open(4000000):catch_up(1000)
    assert.is_nil(bars)
    assert.equal("gap", err.code)
  end)

  it("ends with an error on data that cannot be read, and does not break", function()
    for _, text in ipairs({ '{"type":"data","reached":1}', '{"type":"data","e":[]}',
      '{"type":"data","reached":1,"e":[["p"]]}', "[", "3" }) do
      local feed = open(1000)
      incoming = { text }
      local result, err = feed:run(function() end)
      assert.is_nil(result)
      assert.equal("unreachable", err.code, text)
    end
  end)

  it("grants the next second when what the last one caused has settled, until the market has ended", function()
    local feed, ended = open(1000, nil, '"max"'), false
    incoming = { '{"type":"data","reached":2000,"granted":true,"e":[]}',
      '{"type":"data","reached":3000,"granted":true,"ended":true,"e":[]}' }
    feed:set_clock()
    feed:run(function() ended = true end)
    assert.same({ '{"subscribe":true}', '{"grant":2000}', '{"grant":3000}' }, sent)
    assert.is_true(ended)
  end)
end)
