-- SPDX-License-Identifier: MIT
-- What a command takes, and what is refused.

local args = require "perigee.commands.args"
local json = require "perigee.json"

describe("arguments of commands", function()
  local function check(kind, value, more)
    local a = { "x", kind }
    for key, v in pairs(more or {}) do a[key] = v end
    local clean, why = args.check({ x = value }, { a })
    if clean then return clean.x end
    return nil, why
  end

  it("that are unknown, missing or of a wrong kind are named", function()
    local list = { { "a", "id" }, { "b", "boolean", optional = true, default = true } }
    assert.same({ a = "1", b = true }, args.check({ a = "1" }, list))
    assert.same({ a = "1", b = false }, args.check({ a = "1", b = false }, list))
    assert.same({ a = "1", b = true }, args.check({ a = "1", b = json.null }, list))
    assert.equal("there is no argument c", select(2, args.check({ a = "1", c = 1 }, list)))
    assert.equal("a is needed", select(2, args.check({ b = true }, list)))
    assert.equal("a is needed", select(2, args.check({ a = json.null }, list)))
    assert.equal("b must be true or false", select(2, args.check({ a = "1", b = "true" }, list)))
  end)

  it("decimals are exact texts above 0", function()
    assert.equal("0.1", check("positive", "0.10"))
    assert.equal("12", check("positive", 12))
    for _, wrong in ipairs({ "0", "-1", "", "x", "1e3", "0x10", " 1", ("9"):rep(40), true, {} }) do
      assert.is_nil(check("positive", wrong), tostring(wrong))
    end
  end)

  it("a level may be null, which takes it away", function()
    assert.equal(json.null, check("level", json.null))
    assert.equal("5", check("level", "5"))
    assert.is_nil(check("level", "0"))
    assert.is_nil(check("level", "-5"))
    assert.is_nil(check("level", nil, { optional = true }))
  end)

  it("ids are plain words, in lists without a repeat", function()
    assert.equal("W12", check("id", "W12"))
    for _, wrong in ipairs({ "", "a b", "a\n", "a\0", ("x"):rep(65), 5, "é" }) do
      assert.is_nil(check("id", wrong), tostring(wrong))
    end
    assert.same({ "1", "2" }, check("ids", { "1", "2" }))
    local many = {}
    for i = 1, 4097 do many[i] = tostring(i) end
    for _, wrong in ipairs({ {}, { "1", "1" }, { 1 }, { a = "1" }, { "1", a = "2" }, "1", many }) do
      assert.is_nil(check("ids", wrong))
    end
  end)

  it("texts are bounded and hold no control characters", function()
    assert.equal("añ", check("text", "añ"))
    for _, wrong in ipairs({ "", "a\27[2J", "a\nb", "\255", ("x"):rep(11), 5 }) do
      assert.is_nil(check("text", wrong, { max = 10 }))
    end
    assert.equal("", check("text", "", { min = 0 }))
  end)

  it("numbers are finite and within their range", function()
    assert.equal(5, check("integer", 5, { min = 5, max = 5 }))
    assert.equal(0.5, check("number", 0.5, { min = 0, max = 1 }))
    for _, wrong in ipairs({ 4, 6, 5.5, "5" }) do assert.is_nil(check("integer", wrong, { min = 5, max = 5 })) end
    for _, wrong in ipairs({ 0 / 0, math.huge, -math.huge, 1.01, "0.5" }) do
      assert.is_nil(check("number", wrong, { min = -math.huge, max = 1 }))
    end
    assert.equal("x must be a whole number from 1 to 3", select(2, check("integer", 9, { min = 1, max = 3 })))
  end)

  it("choices are spelled exactly", function()
    assert.equal("LONG", check("choice", "LONG", { choices = { "LONG", "SHORT" } }))
    assert.equal("x must be one of LONG, SHORT", select(2, check("choice", "long", { choices = { "LONG", "SHORT" } })))
  end)
end)
