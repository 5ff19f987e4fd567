-- SPDX-License-Identifier: MIT
local ledger = require("perigee.ledger")

-- What it does with its service is tested in C (test_script_bindings); here: without one.
describe("ledger", function()
  it("says which service is missing", function()
    local ok, why = pcall(ledger.accounts)
    if ok then return pending("this process offers it") end
    assert.is_truthy(tostring(why):find("ledger service is not available", 1, true))
  end)
end)
