-- name: quiet
-- version: 1
-- api: 1
--
-- A strategy that never speaks: in a fault run signals come at drawn moments instead.

return {
  timeframes = { "1m" },
  on_bar = function() end,
}
