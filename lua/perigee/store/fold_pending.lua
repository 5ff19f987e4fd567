-- SPDX-License-Identifier: MIT
-- Pending orders in the tables: the part of perigee.store.fold that is about what rests at the brokers, and about
-- orders that cannot be told apart.

local fold_pending = {}

--- Adds the functions of these events.
---@param on table<string, function>  by kind of event
---@param base { order_row: function, level_log: function, number: function }  of perigee.store.fold
function fold_pending.install(on, base)
  -- Those of somebody else have no order of ours: the log tells of them.
  local function pending_log(self, e, what)
    base.level_log(self, e, "info", "execution", ("pending order %s of account %s %s"):format(e.pending or "?",
      e.account or "?", what))
  end

  function on.pending_seen(self, e)
    pending_log(self, e, e.ours and "rests at the broker" or "was made by hand")
    if not base.number(e.order or 0) then return end
    local row = base.order_row(self, e.order, e)
    row.resting, row.position = "resting", e.pending
  end

  function on.pending_changed(self, e)
    pending_log(self, e, e.who == "edit" and "was edited" or "was changed by hand")
    if not base.number(e.order or 0) then return end
    local row = base.order_row(self, e.order, e)
    -- In a change NULL means "as it was", so a level that was taken away is told by 0.
    row.price, row.stop, row.target, row.quantity = e.price, e.stop, e.target, e.volume
  end

  function on.pending_cancelling(self, e)
    pending_log(self, e, ("is to be cancelled (%s)"):format(e.reason or ""))
  end

  function on.pending_gone(self, e)
    pending_log(self, e, ("is gone: %s"):format(e.reason or ""))
    if not base.number(e.order or 0) then return end
    base.order_row(self, e.order, e).resting = e.reason == "triggered" and "triggered" or "cancelled"
  end

  function on.order_ambiguous(self, e)
    base.order_row(self, e.order, e).ambiguous = e.candidates ~= nil and e.candidates ~= "[]"
  end
end

return fold_pending
