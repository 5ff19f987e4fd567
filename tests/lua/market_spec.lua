-- SPDX-License-Identifier: MIT
local market = require("perigee.market")

-- What it does with its service is tested in C (test_script_bindings); here: without one.
describe("market", function()
  it("says which service is missing", function()
    local ok, why = pcall(market.time)
    if ok then return pending("this process offers it") end
    assert.is_truthy(tostring(why):find("market service is not available", 1, true))
  end)
end)
