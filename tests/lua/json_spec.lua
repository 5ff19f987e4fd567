-- SPDX-License-Identifier: MIT
local json = require("perigee.json")
local decimal = require("perigee.decimal")

describe("json.decode", function()
  it("reads values, whole numbers as integers", function()
    local v = json.decode('{"a":[1,2.5,-3,1e3],"b":{"c":null,"d":true},"e":9007199254740991}')
    assert.same({ 1, 2.5, -3, 1000 }, v.a)
    assert.equal("integer", math.type(v.a[1]))
    assert.equal("float", math.type(v.a[2]))
    assert.equal("integer", math.type(v.e))
    assert.equal(json.null, v.b.c)
    assert.is_true(v.b.d)
    assert.equal("5", tostring(json.decode("5")))
  end)

  it("answers nil, err for bad text", function()
    for _, text in ipairs({ "", "{", "[1,]", "[nan]", "[0x10]", "nul", "[1] 2", '"\\ud800"', ("["):rep(2000) }) do
      local v, e = json.decode(text)
      assert.is_nil(v, text)
      assert.equal("input", e.code, text)
    end
    assert.has_error(function() json.decode(nil) end)
  end)
end)

describe("json.encode", function()
  it("sorts keys and writes numbers shortly", function()
    assert.equal('{"a":1,"b":[1,2.5],"c":{"y":true,"z":"q\\"\\n"}}',
      json.encode({ c = { z = 'q"\n', y = true }, b = { 1, 2.5 }, a = 1 }))
    assert.equal("12345678901234567", json.encode(12345678901234567))
    assert.equal("[0.0000085,0.1,100]", json.encode({ 0.0000085, 0.1, 100.0 }))
    assert.equal("[0.01]", json.encode({ decimal.new("0.01") }))
    assert.equal("[null]", json.encode({ json.null }))
    assert.equal('{"1":"a","7":"b","x":1}', json.encode({ [1] = "a", [7] = "b", x = 1 }))
  end)

  it("tells empty arrays from empty objects", function()
    assert.equal("{}", json.encode({}))
    assert.equal("[]", json.encode(json.array()))
    assert.equal('{"a":[]}', json.encode({ a = json.array({}) }))
  end)

  it("many keys, read back the same", function()
    local t = {}
    for i = 1, 200 do t["key" .. i] = i end
    assert.same(t, json.decode(json.encode(t)))
  end)

  it("raises for what JSON cannot say", function()
    local cycle = {}
    cycle.c = cycle
    for _, bad in ipairs({ 0 / 0, 1 / 0, print, cycle, { [true] = 1 }, io.stdout }) do
      assert.has_error(function() json.encode(bad) end)
    end
    assert.has_error(function() json.encode() end)
  end)
end)

describe("canonical writers", function()
  it("write pieces", function()
    assert.equal('"a\\"b"', json.string('a"b'))
    assert.equal("1.1", json.number("1.10"))
    assert.equal("0.00000001", json.number("0.00000001"))
    assert.equal("0.1", json.number(0.1))
    assert.equal("5", json.number(5))
    assert.equal('{"b":1,"a":"x"}', json.object({ { "b", json.number(1) }, { "n", nil }, { "a", json.string("x") } }))
    assert.equal("[1,2]", json.list({ "1", "2" }))
    assert.has_error(function() json.number("abc") end)
    assert.has_error(function() json.number(0 / 0) end)
    assert.has_error(function() json.string(1 == 1) end)
  end)
end)
