-- SPDX-License-Identifier: MIT
-- The paper broker answers the golden transcripts of pending orders and of the bulk close, over a real book. Prices of
-- the transcripts are put where this market is; everything else of their bytes stays.

local json = require "perigee.json"

local documented = dofile("tests/transcripts/shapes.lua")
local paper = dofile("tests/lua/paper_broker.lua")
local pending = dofile("tests/transcripts/pending.lua").requests
local writes = dofile("tests/transcripts/writes.lua").requests

local function has_shape(name, value) assert.is_nil(documented.check(documented.shapes[name], value)) end

local function start(words)
  local broker = paper.new(words)
  return broker, paper.login(broker, "ann@example.org", 's3"cret')
end

-- The bytes of a transcript at this market: side and type decide on which side of the price it waits.
local function here(broker, t, id)
  local q = broker.sim:quote("BTCUSD")
  local side, kind = t.order.side, t.order.type
  local below = (side == "BUY") == (kind == "LIMIT")
  local at = ("%.1f"):format(q.bid * (below and 0.95 or 1.05))
  local stop = ("%.1f"):format(at * (side == "BUY" and 0.98 or 1.02))
  local target = ("%.1f"):format(at * (side == "BUY" and 1.02 or 0.98))
  local body = t.body:gsub('"instrument":"%w+"', '"instrument":"BTCUSD"'):gsub("W7100000000000061", id or "")
    :gsub('"(price%w*)":[%d.]+', '"%1":' .. at)
  if tonumber(t.order.stop) ~= 0 then
    body = body:gsub('"slPrice":[%d.]+', '"slPrice":' .. stop):gsub('"tpPrice":[%d.]+', '"tpPrice":' .. target)
  end
  return body:gsub('"volume":1,', '"volume":0.1,'), at
end

local function create(broker, client)
  local status, said = client.call("POST", "/pending-order/create", (here(broker, pending[1])))
  assert.equal(200, status)
  return said.orderId
end

describe("the paper broker, asked as the transcripts ask:", function()
  for _, t in ipairs(pending) do
    if t.order.symbol == "XAUUSD" then
      it(t.name, function()
        local broker, client = start()
        local id = t.order.op ~= "pending" and create(broker, client) or nil
        local body, at = here(broker, t, id)
        local status, said = client.call(t.method, t.path, body)
        assert.equal(200, status)
        has_shape("accepted", said)
        assert.equal("OK", said.status)
        local _, list = client.call("GET", "/active-orders")
        has_shape("active_orders", list)
        if t.order.op == "cancel" then
          assert.same({}, list.orders)
        else
          local row = list.orders[1]
          assert.same({ said.orderId, t.order.side, t.order.type }, { row.id, row.side, row.type })
          assert.equal(tonumber(at), tonumber(row.activationPrice))
          assert.equal(tonumber(t.order.stop) == 0, row.stopLoss == json.null)
        end
      end)
    else
      it(t.name .. ": an instrument that it does not have is refused in a 200", function()
        local _, client = start()
        local status, said = client.call(t.method, t.path, t.body)
        assert.equal(200, status)
        has_shape("rejected", said)
      end)
    end
  end

  for _, t in ipairs(writes) do
    if t.bulk then
      it(t.name, function()
        local _, client = start()
        local _, opened = client.call("POST", "/position/open", '{"instrument":"BTCUSD","orderSide":"BUY",'
          .. '"volume":0.3,"slPrice":0,"tpPrice":0,"isMobile":false}')
        local status, said = client.call(t.method, t.path, (t.body:gsub("W7100000000000042", opened.orderId)))
        assert.equal(200, status)
        has_shape("accepted", said)
        assert.equal("OK", said.status)
      end)
    end
  end
end)

describe("pending orders of the paper broker", function()
  it("become a position when the price gets there, and are gone from the list", function()
    local broker, client = start()
    create(broker, client)
    assert(broker.sim:push(-40000))
    assert(broker.sim:advance(broker.sim:now() + 10000))
    local _, orders = client.call("GET", "/active-orders")
    assert.same({}, orders.orders)
    local _, list = client.call("GET", "/open-positions")
    local _, history = client.call("POST", "/closed-positions", '{"from":0,"to":9000000000000}')
    assert.equal(1, #list.positions + #history.operations) -- the jump may have reached its stop, too
  end)

  it("are cancelled in each broker's own words", function()
    local shapes = {
      ["cancel=json"] = function(status, said, id)
        assert.same({ 200, "OK", id }, { status, said.status, said.orderId })
        assert.is_nil(said.errorCode)
      end,
      ["cancel=errorcode"] = function(status, said, id)
        assert.same({ 200, "OK", id, "UNKNOWN_ERROR" }, { status, said.status, said.orderId, said.errorCode })
      end,
      ["cancel=204"] = function(status, said) assert.same({ 204, "" }, { status, said }) end,
    }
    for words, check in pairs(shapes) do
      local broker, client = start(words)
      local id = create(broker, client)
      local status, said = client.call("POST", "/pending-order/cancel",
        json.encode { instrument = "BTCUSD", id = id, isMobile = false })
      check(status, said, id)
      assert.same({}, broker.sim:pendings(client.account))
      status, said = client.call("POST", "/pending-order/cancel", json.encode { instrument = "BTCUSD", id = id })
      assert.same({ 200, "REJECTED" }, { status, said.status })
    end
  end)

  it("are edited in silence where the profile says so", function()
    local broker, client = start "edit=empty"
    local id = create(broker, client)
    local status, said = client.call("POST", "/pending-order/edit", (here(broker, pending[4], id)))
    assert.same({ 200, "" }, { status, said })
  end)

  it("need all their members: 400, and nothing is changed", function()
    local broker, client = start()
    local id = create(broker, client)
    local before = broker.sim:pendings(client.account)
    local bodies = { create = json.decode((here(broker, pending[1]))),
      edit = json.decode((here(broker, pending[4], id))) }
    for call, whole in pairs(bodies) do
      for member in pairs(whole) do
        if member ~= "isMobile" then
          local body = {}
          for name, value in pairs(whole) do
            if name ~= member then body[name] = value end
          end
          assert.equal(400, (client.call("POST", "/pending-order/" .. call, json.encode(body))), call .. member)
        end
      end
    end
    local wrong = { { type = "STOP_LIMIT" }, { price = "soon" }, { price = json.null }, { volume = true } }
    for _, changes in ipairs(wrong) do
      local body = {}
      for name, value in pairs(bodies.create) do body[name] = value end
      for name, value in pairs(changes) do body[name] = value end
      assert.equal(400, (client.call("POST", "/pending-order/create", json.encode(body))))
    end
    for _, body in ipairs({ "", "[]", '{"instrument":"BTCUSD"}', '{"instrument":"BTCUSD","id":5}', '{"id":"W1"}' }) do
      assert.equal(400, (client.call("POST", "/pending-order/cancel", body)))
    end
    assert.same(before, broker.sim:pendings(client.account))
  end)
end)
