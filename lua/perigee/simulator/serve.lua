-- SPDX-License-Identifier: MIT
-- Serves requests of the paper broker over HTTP, and does what the planner of faults wants done to them.
--
-- A session is looked at when its request comes in. What was taken in is carried out in the end, even when the client
-- has gone long ago: that is what makes a lost answer dangerous.

local clock = require "perigee.clock"
local faults = require "perigee.simulator.faults"
local figures = require "perigee.simulator.figures"
local request = require "perigee.simulator.request"
local routes = require "perigee.simulator.routes"
local task = require "perigee.task"

local serve = {}

local HTML = { "Content-Type", "text/html; charset=utf-8" }

-- Counts a request of an account (or of nobody) by its route; paths that nobody has are one.
local function count(b, call)
  local who = call.account or "-"
  local of = b.counts[who] or {}
  b.counts[who] = of
  of[call.name] = (of[call.name] or 0) + 1
end

-- The planned actions by their kind; the one that spoils the answer is `ending`.
local function sorted(actions)
  local by, ending = {}, nil
  for _, a in ipairs(actions) do
    by[a.kind] = a
    if faults.kinds[a.kind].ends then ending = a end
  end
  return by, ending
end

local nonsense = { '{"status":"OK', "OK", "\0\1\2\3\xff\xfe", "<html>Welcome</html>",
  '{"status":{"status":"OK"}}', "[[[[" }

local pages = {
  ["401"] = function() return figures.failure(401, "the session is not valid") end,
  ["403"] = function()
    return 403, { HTML, { "cf-mitigated", "challenge" }, { "Server", "cloudflare" } },
      "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>\n"
  end,
  ["410"] = function() return figures.failure(410, "gone") end,
  ["429"] = function(a)
    return figures.failure(429, "too many requests",
      a.retry_after and { { "Retry-After", tostring(a.retry_after) } } or nil)
  end,
  ["502"] = function() return 502, { HTML }, "<html><head><title>502 Bad Gateway</title></head></html>\n" end,
}

-- ---- what spoils an answer -------------------------------------------------------------------------

local endings = {}

function endings.reset(req, act, a)
  if a.at == "after" then act() end
  req:break_off { reset = not a.fin }
  if a.at == "during" then
    task.sleep(a.ms, "io")
    act()
  end
end

function endings.truncate(req, act, a)
  local status, headers, body = act()
  req:break_off { status = status, headers = headers, body = body, reset = not a.fin,
    body_sent = math.min(a.bytes or #body // 2, math.max(#body - 1, 0)) }
end

function endings.garbage(_, act, _, n)
  act()
  return 200, figures.headers(), nonsense[n % #nonsense + 1]
end

-- The socket stays open until the client gives it up.
function endings.half_open(req, act, a)
  if a.executed then act() end
  while not req:gone() do task.sleep(100, "io") end
  return 503, nil, "" -- nobody is there to read it
end

for status, page in pairs(pages) do
  endings[status] = function(_, act, a)
    if a.executed then act() end
    return page(a)
  end
end

-- ---- the way of a request --------------------------------------------------------------------------

--- Quotes stand still for `ms`, or until serve.thaw when there is no `ms`.
---@param b perigee.SimBroker
---@param ms? integer
function serve.freeze(b, ms)
  local frozen = {}
  for name in pairs(b.digits) do frozen[name] = b.sim:quote(name) or false end
  b.frozen = frozen
  if not ms then return end
  task.spawn(function()
    if task.sleep(ms, "io") and b.frozen == frozen then b.frozen = nil end
  end)
end

function serve.thaw(b) b.frozen = nil end

local CHUNKED = { "Transfer-Encoding", "chunked" }

-- Before the answer's own: the Date of a broker whose clock is wrong (a right one's is the server's own), chunks.
local function headed(b, headers, chunked)
  local skew, out = b.skew_ms or 0, {}
  if skew ~= 0 then
    out[1] = { "Date", os.date("!%a, %d %b %Y %H:%M:%S GMT", (clock.wall_ms() + skew) // 1000) }
  end
  if chunked then out[#out + 1] = CHUNKED end
  if #out == 0 then return headers end
  for _, header in ipairs(headers or {}) do out[#out + 1] = header end
  return out
end

---@param b perigee.SimBroker    with `faults` (perigee.SimFaults) and `counts`
---@param req any                of perigee.httpd
---@return integer|nil status, table|nil headers, string|nil body  nil: it was broken off
function serve.handle(b, req)
  local asked, used = request.copy(req), req:nth() > 0
  local call = routes.admit(b, asked)
  count(b, call)
  local by, ending = sorted(b.faults:plan { method = asked:method(), path = asked:path(), account = call.account,
    reused = used, now = clock.io_ms() })
  if by.stale and not b.frozen then serve.freeze(b, by.stale.ms) end
  if by.forget and call.account then
    b.sessions:forget(call.account)
    call = routes.admit(b, asked)
  end
  b.served = (b.served or 0) + 1
  local n, act = b.served, call.act
  if by.late then
    task.sleep(by.late.ms, "io")
  end
  if by.slow then
    local at_once = act
    act = function()
      local status, headers, body = at_once()
      task.sleep(by.slow.ms, "io")
      return status, headers, body
    end
  end
  local status, headers, body
  if ending then
    status, headers, body = endings[ending.kind](req, act, ending, n)
  else
    status, headers, body = act()
  end
  if not status then return nil end
  return status, headed(b, headers, by.chunked), body
end

return serve
