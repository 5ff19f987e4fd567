-- SPDX-License-Identifier: MIT
local event = require("perigee.event")

describe("event", function()
  it("encodes and decodes every type without loss", function()
    local frame = event.encode { kind = "signal", seq = 7, market_ms = -5, wall_us = 6,
      signal = (1 << 53) + 1, price = "92233720368.54775807", stop = 0.1, confidence = 0.1,
      reason = "ä", plan = '{"a":1}' }
    local ev = event.decode(frame)
    assert.equal((1 << 53) + 1, ev.signal)
    assert.equal("integer", math.type(ev.signal))
    assert.equal("92233720368.54775807", ev.price)
    assert.equal("0.1", ev.stop)
    assert.equal(0.1, ev.confidence)
    assert.equal("ä", ev.reason)
    assert.equal('{"a":1}', ev.plan)
    assert.equal(-5, ev.market_ms)
    assert.is_nil(ev.target)
    assert.equal(frame, event.encode(ev))
    assert.is_truthy(event.json(frame):find('"price":"92233720368.54775807"', 1, true))
  end)

  it("answers nil, err for a damaged frame", function()
    local frame = event.encode { kind = "notice", text = "x" }
    for _, bad in ipairs { "", frame:sub(1, -2), frame .. "x", frame:sub(1, -2) .. "\0\0" } do
      local ev, err = event.decode(bad)
      assert.is_nil(ev)
      assert.equal("input", err.code)
    end
  end)

  it("names kind and field of a mistake", function()
    local function says(words, t)
      local ok, why = pcall(event.encode, t)
      assert.is_false(ok)
      assert.is_truthy(tostring(why):find(words, 1, true), why)
    end
    says('unknown kind of event "nope"', { kind = "nope" })
    says('event notice: unknown field "txt" (did you mean "text"?)', { kind = "notice", txt = "x" })
    says("event notice: field text: string expected, got number", { kind = "notice", text = 1 })
    says("field signal: integer >= 0", { kind = "signal", signal = 2 ^ 70 })
    says("field price: decimal", { kind = "signal", price = true })
    says("field confidence: finite number", { kind = "signal", confidence = 1 / 0 })
  end)

  it("describes its kinds", function()
    local numbers = {}
    for _, kind in ipairs(event.kinds()) do
      assert.is_nil(numbers[kind.number])
      numbers[kind.number] = kind.name
      for _, field in ipairs(kind.fields) do assert.not_equal("absent", field.type) end
    end
    assert.equal("signal", numbers[13])
  end)
end)
