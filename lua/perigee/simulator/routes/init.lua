-- SPDX-License-Identifier: MIT
-- The Match-Trader face of the paper broker: routes of the Platform API over perigee.sim. It shares no code with
-- the codec that reads it; both are held against the same golden transcripts.

local book = require "perigee.simulator.routes.book"
local doors = require "perigee.simulator.routes.doors"
local figures = require "perigee.simulator.figures"
local market = require "perigee.simulator.routes.market"
local orders = require "perigee.simulator.routes.orders"
local request = require "perigee.simulator.request"

local routes = {}

---@class perigee.SimBroker
---@field sim any                      perigee.sim
---@field sessions perigee.SimSessions
---@field accounts table<string, perigee.SimAccount>
---@field digits table<string, integer>  price digits by symbol
---@field profile perigee.SimProfile     members that are missing are the default
---@field system string                uuid in the paths
---@field seed integer|nil             of the profile's dice
---@field skew_ms integer|nil          how wrong its clock is
---@field lag_ms integer|nil           how old the lists of positions and orders are, market milliseconds
---@field frozen table|nil             quotes stand still: symbol -> the quote that is shown
---@field logins table               e-mail -> { ok, failed, refreshes }
---@field counts table               account or "-" -> route -> requests
---@field faults perigee.SimFaults

local trading = {}
for _, part in ipairs({ market, book, orders }) do
  for name, route in pairs(part.routes) do trading[name] = route end
end

---@class perigee.SimCall
---@field name string           the route, without the system: "POST /position/open"; "other": there is none
---@field account string|nil    whose it is, when a session said so
---@field act fun(): integer, table|nil, string  does it and answers

--- Judges a request as far as the door. The session is looked at when a request comes in, what it asks for is done
--- whenever `act` is called; of what is refused here, `act` is the answer.
---@param b perigee.SimBroker
---@return perigee.SimCall
function routes.admit(b, req)
  local method, path = req:method(), req:path()
  local name = method .. " " .. path
  local door = doors.routes[name]
  if door then return { name = name, act = function() return door(b, req) end } end
  local system, rest = path:match("^/mtr%-api/([^/]+)(/.+)$")
  name = system == b.system and method .. " " .. rest
  local route = trading[name]
  if not route then return { name = "other", act = function() return figures.failure(404, "not found") end } end
  local account = b.sessions:account(req:header("auth-trading-api"), request.cookie(req, "co-auth"),
    b.profile.cookie ~= "optional", b.sim:now())
  if not account then
    return { name = name, act = function() return figures.failure(401, "the session is not valid") end }
  end
  local wait = b.sessions:over_limit(account, b.sim:now())
  if wait then
    return { name = name, account = account, act = function()
      return figures.failure(429, "too many requests", { { "Retry-After", tostring(wait) } })
    end }
  end
  return { name = name, account = account, act = function() return route(b, account, req) end }
end

--- Answers one request: status, headers, body.
---@param b perigee.SimBroker
function routes.handle(b, req) return routes.admit(b, req).act() end

return routes
