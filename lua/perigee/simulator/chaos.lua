-- SPDX-License-Identifier: MIT
-- Bad days by name: for each, which faults come how often, how the broker speaks, what is wrong with it all the time,
-- and how its book treats orders. Shares are of the requests that match; docs/rehearsal.md tells what to look for.

local chaos = {}

---@class perigee.SimChaos
---@field text string
---@field rules perigee.SimFaultRule[]
---@field profile string|nil    words of profile.lua; the user's own go before them
---@field skew_ms integer|nil   its clock is wrong by so much
---@field lag_ms integer|nil    its lists do not show what is newer, market milliseconds
---@field idle_ms integer|nil   idle connections are closed after so long
---@field limit integer|nil     requests in a minute
---@field model table|nil       of the book, see docs/simulator.md

---@type table<string, perigee.SimChaos>
chaos.profiles = {
  calm = { text = "nothing goes wrong", rules = {} },

  flaky = {
    text = "a line that breaks: connections reset before and after the execution, cut bodies, early idle closes",
    idle_ms = 3000,
    rules = {
      { kind = "reset", at = "after", path = "writes", share = 0.03 },
      { kind = "reset", at = "before", path = "writes", share = 0.03 },
      { kind = "reset", at = "during", path = "writes", share = 0.01 },
      { kind = "reset", at = "after", path = "writes", used = true, fin = true, share = 0.02 },
      { kind = "truncate", path = "writes", share = 0.01 },
      { kind = "reset", at = "before", path = "reads", share = 0.02 },
      { kind = "truncate", path = "reads", share = 0.01 },
    },
  },

  ["slow-broker"] = {
    text = "everything takes long, some orders longer than anybody waits, quotes stand still at times",
    model = { slippage_points = 20 },
    rules = {
      { kind = "late", path = "writes", share = 0.03, ms = 11000, to_ms = 45000 },
      { kind = "slow", path = "writes", share = 0.1, ms = 2000, to_ms = 8000 },
      { kind = "slow", ms = 50, to_ms = 900 },
      { kind = "stale", path = "/quotations", share = 0.003, ms = 4000, to_ms = 15000 },
    },
  },

  cloudflare = {
    text = "an edge in front that blocks for a while, again and again, and asks for patience without saying how much",
    rules = {
      { kind = "chunked" },
      { kind = "403", on = { 3000, 12000 }, off = { 20000, 60000 } },
      { kind = "403", used = false, share = 0.02 },
      { kind = "429", share = 0.003 },
      { kind = "429", path = "reads", share = 0.003, retry_after = 3 },
    },
  },

  amnesia = {
    text = "a broker that forgets: sessions end, renewals fail, lists lag behind, order ids are not the positions'",
    profile = "refresh=401,fifth=401,order=own",
    lag_ms = 3000,
    rules = {
      { kind = "forget", path = "reads", share = 0.002 },
      { kind = "forget", path = "writes", share = 0.01 },
      { kind = "401", path = "reads", share = 0.005 },
      { kind = "410", path = "reads", share = 0.003 },
    },
  },

  ["bad-day"] = {
    text = "some of everything, as on the day of a big number: late and lost orders, gateways, limits, slippage",
    idle_ms = 10000,
    model = { slippage_points = 30, partial_fills = 0.1, reject_share = 0.03 },
    rules = {
      { kind = "late", path = "writes", share = 0.02, ms = 11000, to_ms = 90000 },
      { kind = "slow", share = 0.2, ms = 100, to_ms = 2500 },
      { kind = "reset", at = "after", path = "writes", share = 0.03 },
      { kind = "reset", at = "during", path = "writes", share = 0.01, ms = 100, to_ms = 5000 },
      { kind = "reset", at = "before", share = 0.01 },
      { kind = "502", share = 0.01 },
      { kind = "truncate", share = 0.005 },
      { kind = "garbage", share = 0.005 },
      { kind = "429", path = "reads", share = 0.005, retry_after = 2 },
      { kind = "half_open", share = 0.002 },
      { kind = "stale", path = "/quotations", share = 0.002, ms = 3000, to_ms = 10000 },
    },
  },

  hostile = {
    text = "all of it at once and often, with a clock that is wrong and types that change from answer to answer",
    profile = "mixed,keys=accounts,refresh=full,fifth=401,cancel=errorcode,edit=empty,message=null",
    skew_ms = -20000,
    lag_ms = 2000,
    idle_ms = 2000,
    limit = 400,
    model = { slippage_points = 60, partial_fills = 0.3, reject_share = 0.1 },
    rules = {
      { kind = "late", path = "writes", share = 0.05, ms = 8000, to_ms = 120000 },
      { kind = "slow", share = 0.3, ms = 50, to_ms = 4000 },
      { kind = "reset", at = "after", path = "writes", share = 0.08 },
      { kind = "reset", at = "during", path = "writes", share = 0.03, ms = 100, to_ms = 20000 },
      { kind = "reset", at = "before", share = 0.03, fin = true },
      { kind = "truncate", share = 0.02, bytes = 7 },
      { kind = "garbage", share = 0.02 },
      { kind = "half_open", share = 0.01, executed = true },
      { kind = "502", share = 0.02 },
      { kind = "403", on = { 2000, 8000 }, off = { 30000, 90000 } },
      { kind = "401", path = "reads", share = 0.01 },
      { kind = "410", path = "reads", share = 0.005 },
      { kind = "429", share = 0.01 },
      { kind = "forget", path = "writes", share = 0.01 },
      { kind = "stale", path = "/quotations", share = 0.005, ms = 3000, to_ms = 20000 },
    },
  },
}

--- The names, sorted.
---@return string[]
function chaos.names()
  local names = {}
  for name in pairs(chaos.profiles) do names[#names + 1] = name end
  table.sort(names)
  return names
end

return chaos
