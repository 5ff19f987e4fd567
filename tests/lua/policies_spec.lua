-- SPDX-License-Identifier: MIT
-- Policies of account groups: what the configuration may say, and whom they keep out.

package.path = "tests/lua/?.lua;" .. package.path
local fake = require "fake"

describe("policies", function()
  local policies, undo, keys

  before_each(function()
    keys = { ["orders.on_failure"] = "catch_up", ["orders.quorum"] = 1 }
    policies, undo = fake.load("perigee.orchestrate.policies", {
      ["perigee.config"] = { get = function(key) return keys[key] end } })
  end)

  after_each(function() undo() end)

  it("are catching up by default, and a group has its own", function()
    keys["orders.groups"] = { { group = "vip", on_failure = "all_or_none" },
      { group = "a", on_failure = "catch_up", points = 50 }, { group = "q", on_failure = "quorum", quorum = 3 } }
    local all = assert(policies.read())
    assert.same({ "a", "q", "vip" }, all.names)
    assert.equal("catch_up", policies.of(all, "").on_failure)
    assert.equal("catch_up", policies.of(all, "other").on_failure)
    assert.equal("all_or_none", policies.of(all, "vip").on_failure)
    assert.equal(50, policies.of(all, "a").max_move)
    assert.same({ on_failure = "best_effort", groups = { { group = "a", on_failure = "best_effort" },
      { group = "q", on_failure = "quorum", quorum = 3 }, { group = "vip", on_failure = "all_or_none" } } },
      policies.apply(all, {}))
  end)

  it("that are wrong are refused with the group's name", function()
    for _, entry in ipairs {
      { on_failure = "all_or_none" }, { group = "", on_failure = "all_or_none" },
      { group = ("x"):rep(32), on_failure = "all_or_none" }, { group = "g", on_failure = "hope" }, { group = "g" },
      { group = "g", on_failure = "quorum" }, { group = "g", on_failure = "quorum", quorum = 0 },
      { group = "g", on_failure = "quorum", quorum = 1.5 }, { group = "g", on_failure = "all_or_none", quorum = 2 },
      { group = "g", on_failure = "catch_up", points = 0 }, { group = "g", on_failure = "catch_up", points = 0 / 0 },
      { group = "g", on_failure = "best_effort", points = 5 }, { group = "g", on_failure = "catch_up", points = "5" },
      { group = "g", on_failure = "best_effort", moves = 5 }, "g" } do
      keys["orders.groups"] = { entry }
      local all, err = policies.read()
      assert.is_nil(all)
      assert.equal("input", err.code)
    end
    keys["orders.groups"] = { { group = "g", on_failure = "best_effort" }, { group = "g", on_failure = "best_effort" } }
    assert.is_nil((policies.read()))
  end)

  it("of quorum by default takes its number, other defaults take none", function()
    keys["orders.on_failure"], keys["orders.quorum"] = "quorum", 4
    assert.same({ on_failure = "quorum", quorum = 4 }, policies.read().other)
    keys["orders.on_failure"], keys["orders.catch_up_points"] = "all_or_none", 7
    assert.same({ on_failure = "all_or_none" }, policies.read().other)
  end)

  it("keep a group out whole, others stand; groups without one of their own count as one", function()
    local all = { other = { on_failure = "all_or_none" }, names = { "q" },
      groups = { q = { on_failure = "quorum", quorum = 2 } } }
    assert.same({}, policies.broken(all, { a = 2, b = 1, q = 2 }, { q = 5 }))
    local broken = policies.broken(all, { a = 2, q = 1 }, { b = 1 })
    assert.equal("all_or_none", broken[""].rule)
    assert.equal("quorum", broken.q.rule)
    assert.same({}, policies.broken(all, {}, { a = 3, q = 2 })) -- nobody is left that could be kept out
  end)
end)
