-- SPDX-License-Identifier: MIT
-- One account's part of a journal in a form that can be compared between two runs that differ in the faults of
-- another account. Left out is what all accounts share or what time alone changes: numbers and stamps of events,
-- latencies, ids of orders and batches (an order of another account moves them), stop and target (their last digits
-- are the order's tag), and figures that follow the price of the moment. What is left: which orders were meant, sent
-- and answered how, which positions came and went, at which volumes, prices and profits, in which order.

local journal = require "perigee.journal"

local digest = {}

-- A refusal by risk is written when the report of the whole fan-out is there, so it waits for every account.
local late = { risk_refused = true }

local dropped = { seq = true, market_ms = true, wall_us = true, order = true, batch = true, tag = true,
  queued_us = true, latency_us = true, equity = true, margin = true, free_margin = true, retry_after_ms = true,
  session = true, stop = true, target = true }

local function line_of(e)
  local names, parts = {}, {}
  for name in pairs(e) do
    if not dropped[name] and name ~= "kind" then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = name .. "=" .. tostring(e[name])
  end
  return e.kind .. " " .. table.concat(parts, " ")
end

--- Lines "account event", a tab and the time, which is not compared, of every account but one, in order of the
--- accounts.
---@param folder string   the journal's
---@param without string  account that is left out
---@param until_ms integer  market ms; a run lasts as long as what was begun in its last moments, of any account
---@return string[]
function digest.others(folder, without, until_ms)
  local of_order, by_account, ids = {}, {}, {}
  for e in journal.events(folder) do
    local account = e.account or e.order and of_order[e.order]
    if e.kind == "intent" then of_order[e.order] = e.account end
    if account and account ~= without and not late[e.kind] and e.market_ms < until_ms then
      if not by_account[account] then
        by_account[account] = {}
        ids[#ids + 1] = account
      end
      local list = by_account[account]
      list[#list + 1] = ("%s %s\tat %.3f"):format(account, line_of(e), e.wall_us / 1e6 % 3600)
    end
  end
  table.sort(ids)
  local lines = {}
  for _, id in ipairs(ids) do table.move(by_account[id], 1, #by_account[id], #lines + 1, lines) end
  return lines
end

return digest
