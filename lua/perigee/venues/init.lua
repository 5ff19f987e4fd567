-- SPDX-License-Identifier: MIT
-- Venues: which codec speaks to a profile's broker, and what may be done about a write whose outcome is unknown.
--
-- Two kinds of API are known. The Platform API has a codec; it takes no order id of ours, so a write is never
-- repeated before the broker's lists have settled it. The token-based Trader API takes an Idempotency-Key, so that
-- the same request may be sent again with the same key. The paths of its calls are not public, and none are
-- guessed: its profiles are refused.

local match_trader = require "perigee.venues.match_trader"

local venues = {}

---@class perigee.Venue
---@field kind "platform"|"trader"
---@field codec table|nil                    nil: it cannot be used yet
---@field refusal string|nil                 why not
---@field repeats table<string, string>      order op -> "same_key"; others are settled by the lists
---@field key_header string|nil              the header that carries the key of a write

---@type table<string, perigee.Venue>
local kinds = {
  platform = { kind = "platform", codec = match_trader, repeats = {} },
  trader = { kind = "trader", key_header = "Idempotency-Key",
    repeats = { open = "same_key", close = "same_key", close_partial = "same_key", pending = "same_key" },
    refusal = "the token-based Trader API cannot be used yet: the paths of its calls are not public" },
}

--- What speaks to a profile's broker, or nil and one sentence.
---@param profile perigee.BrokerProfile
---@return perigee.Venue|nil, table|nil err
function venues.of(profile)
  local venue = kinds[profile.kind]
  if not venue.codec then
    return nil, { code = "input", source = "venues", retry = "no",
      message = ("profile %s: %s"):format(profile.name, venue.refusal) }
  end
  return venue
end

--- How a write whose outcome is unknown may go on: "lists" (the broker's lists must settle it first), or "same_key"
--- (it may be sent again with the key that it had).
---@param kind "platform"|"trader"
---@param op string
---@return "lists"|"same_key"
function venues.after_unknown(kind, op)
  return kinds[kind].repeats[op] or "lists"
end

return venues
