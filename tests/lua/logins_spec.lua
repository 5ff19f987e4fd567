-- SPDX-License-Identifier: MIT
-- Files of broker logins.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("a file of logins", function()
  local logins, undo, text

  before_each(function()
    logins, undo = fake.load("perigee.logins", { ["perigee.fs"] = { read = function()
      if text then return text end
      return nil, { message = "no such file" }
    end } })
  end)

  after_each(function() undo() end)

  it("gives one login for each e-mail, in order, with its accounts", function()
    text = '[{"email":"a","password":"p","brokerId":"0","tradingAccountId":"1"},'
      .. '{"email":"b","password":"q","tradingAccountId":3},'
      .. '{"email":"a","password":"p","brokerId":"0","tradingAccountId":"2"},{"email":"c","password":"r"}]'
    assert.same({
      { email = "a", password = "p", broker_id = "0", account_ids = { "1", "2" } },
      { email = "b", password = "q", account_ids = { "3" } },
      { email = "c", password = "r" }, -- all of the login
    }, logins.read("f"))
  end)

  it("that is none is refused", function()
    for _, wrong in ipairs({ "", "{}", "[]", "[1]", '[{"email":"a"}]', '[{"email":1,"password":"p"}]' }) do
      text = wrong
      local list, err = logins.read("f")
      assert.is_nil(list)
      assert.equal("input", err.code)
    end
    text = nil
    local _, err = logins.read("f")
    assert.equal("unreachable", err.code)
  end)
end)
