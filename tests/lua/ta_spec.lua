-- SPDX-License-Identifier: MIT
local ta = require("perigee.ta")

describe("ta", function()
  it("lists what it has, sorted", function()
    local names = ta.list()
    assert.is_true(#names > 5)
    for i = 2, #names do assert.is_true(names[i - 1] < names[i]) end
    for _, name in ipairs(names) do assert.equal(name, ta.info(name).name) end
  end)

  it("gives the same by batch and by stream, for every indicator", function()
    for _, name in ipairs(ta.list()) do
      local info, inputs = ta.info(name), {}
      for k = 1, #info.inputs do
        inputs[k] = {}
        for i = 1, 60 do inputs[k][i] = 100 + k + math.sin(i * k) end
      end
      local out, start = ta.run(name, nil, inputs)
      local stream, n = ta.stream(name), 0
      for i = 1, 60 do
        local row = {}
        for k = 1, #inputs do row[k] = inputs[k][i] end
        local got = { stream:update(table.unpack(row)) }
        if got[1] ~= nil then
          n = n + 1
          assert.equal(i, n + start)
          for k = 1, #info.outputs do assert.is_true(math.abs(out[k][n] - got[k]) < 1e-9) end
        end
      end
      assert.equal(#out[1], n)
    end
  end)

  it("refuses misuse", function()
    assert.has_error(function() ta.info("zzz") end)
    assert.has_error(function() ta.run("sma", { period = 0 }, { {} }) end)
    assert.has_error(function() ta.run("sma", { period = 2.5 }, { {} }) end)
    assert.has_error(function() ta.run("sma", { perod = 2 }, { {} }) end)
    assert.has_error(function() ta.run("sma", {}, { { 1 }, { 1 } }) end)
    assert.has_error(function() ta.run("sma", {}, { { 1, "x" } }) end)
    assert.has_error(function() ta.stream("sma"):update() end)
  end)

  it("starts afresh after reset", function()
    local s = ta.stream("sma", { period = 2 })
    assert.is_nil(s:update(1))
    assert.equal(2, s:update(3))
    s:reset()
    assert.is_nil(s:update(5))
  end)
end)
