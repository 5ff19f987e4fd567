-- name: each_nth
-- version: 1
-- api: 1
--
-- For the bench from tick to order: signals on each nth quote, after the work of a small strategy.

return {
  params = { n = { type = "integer", default = 3, min = 1, max = 1000, step = 1, text = "quotes between signals" } },

  on_quote = function(ctx, _, bid, ask)
    local state, mid = ctx.state, (bid + ask) / 2
    state.count = (state.count or 0) + 1
    state.average = (state.average or mid) * 0.98 + mid * 0.02
    if state.count % ctx.params.n ~= 0 then return nil end
    return { action = "OPEN_LONG", price = ask, stop = ask * 0.99, target = ask * 1.02, confidence = 0.8,
      strength = 0.7, reason = ("quote %d"):format(state.count), holding_ms = 300000,
      conditions = { { name = "nth", value = state.count, threshold = ctx.params.n, source = "quote", pass = true } },
      plan = { holding_seconds = 300, opposite = true } }
  end,
}
