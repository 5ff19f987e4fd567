-- SPDX-License-Identifier: MIT
-- What is wanted closed, in the tables: the part of perigee.store.fold that follows the ledger's own fold of closes
-- (core/trade/ledger_apply.c, ledger_part.c). A close of everything keeps its first reason and outlives closes of
-- parts; a close of a part ends with the first part that is shown closed. What an order that is to be closed becomes
-- is closing from its first row on: where the order's row is in the tables only, SQL decides.

local fold_closing = {}

local function word(text)
  if text ~= "" then return text end
end

local function some(text)
  if text ~= "0" then return text end
end

--- A part of a position was shown closed. Of a change it is not known here what was wanted: SQL decides.
---@param row table  of positions or position_changes
function fold_closing.part_closed(row)
  if row.closing == nil then
    row.part_done = true
  elseif row.closing and row.part then
    row.closing, row.part, row.close_reason = false, nil, ""
  end
end

--- A position is new: what is known of its order in this batch.
---@param row table
---@param order table|nil
function fold_closing.opened(row, order)
  row.closing, row.part, row.close_reason = order ~= nil and order.closing == true, nil, nil
  if row.closing then row.close_reason = order.close_reason end
end

--- Adds the functions of these events.
---@param on table<string, function>  by kind of event
---@param base { order_row: function, position_row: function, append: function, level_log: function }
function fold_closing.install(on, base)
  function on.position_closing(self, e)
    local row = base.position_row(self, e)
    row.closing, row.part, row.close_reason = true, some(e.volume or "0"), e.reason
  end

  function on.order_closing(self, e)
    local row = base.order_row(self, e.order, e)
    if not row.closing then row.closing, row.close_reason = true, word(e.reason) end
  end

  -- Fold:cuts has seen to it that all before it is in the tables.
  function on.batch_decided(self, e)
    base.level_log(self, e, e.outcome == "unwound" and "warn" or "info", "orchestrate",
      ("signal %d, group %s: %s%s"):format(e.signal or 0, word(e.group or "") or "of all", e.outcome or "?",
        word(e.reason or "") and ", " .. e.reason or ""))
    if e.outcome ~= "unwound" or (e.first or 0) == 0 then return end
    base.append(self, "unwinds", { batch = e.batch, first = e.first, last = e.last, updated = e.market_ms })
  end
end

return fold_closing
