-- SPDX-License-Identifier: MIT
-- `perigee probe PROFILE`: the first contact with a broker. It logs in, asks once for everything that the engine
-- would read, says what it found and where that differs from what is documented, and keeps a transcript without
-- secrets. It changes nothing, unless --pilot is confirmed.

local clock = require "perigee.clock"
local config = require "perigee.config"
local fs = require "perigee.fs"
local options = require "perigee.probe.options"
local pilot = require "perigee.probe.pilot"
local process = require "perigee.process"
local report = require "perigee.probe.report"
local tour = require "perigee.probe.tour"
local wire = require "perigee.probe.wire"

local probe = {}

local busy = false -- an order may be on its way

local function transcript_of(o)
  if o.transcript then return o.transcript end
  local stamp = clock.iso(clock.wall_ms()):gsub("[-:]", ""):gsub("%..*$", "")
  return ("%s/%s-%s.jsonl"):format(config.get("data.dir"), o.profile.name, stamp)
end

local function conclude(t, path)
  io.stdout:write(report.text(t), "transcript: ", path, "\n")
  io.stdout:flush()
  t.wire:note { report = report.object(t) }
end

local function run(t, path)
  local ok, err = tour.run(t)
  if not ok then
    if #t.wire.exchanges > 0 then conclude(t, path) end
    return nil, err
  end
  conclude(t, path)
  if t.options.pilot then
    busy = true
    ok, err = pilot.run(t)
    busy = false
  end
  tour.log_out(t)
  if not ok then return nil, err end
  if #t.troubles > 0 then
    return nil, { code = "failed", message = ("%d answers could not be read; see above"):format(#t.troubles) }
  end
  return true
end

--- Runs the probe and ends the process with its result.
---@param name string  of the profile
function probe.start(name, ...)
  local o, err = options.read(name, ...)
  if not o then return nil, err end
  if clock.mode() ~= "wall" then clock.scale(clock.wall_ms(), 1) end -- an earlier pilot's journal said another time
  local path = transcript_of(o)
  fs.mkdir(config.get("data.dir"))
  local w
  w, err = wire.new { profile = o.profile, origin = o.origin, transcript = path, email = o.email }
  if not w then return nil, { code = "input", message = "the transcript cannot be written: " .. err.message } end
  local ok
  ok, err = run(tour.new(o, w), path)
  if not ok then return nil, err end
  process.stop("done", 0)
  return true
end

--- The first Ctrl-C. What a pilot has begun is brought to its end; a second one leaves at once.
---@param reason string
function probe.stop(reason)
  if busy then
    io.stderr:write("\nthe pilot's position is being closed first; press Ctrl-C again to leave it to its stop and ",
      "target\n")
    return
  end
  process.stop(reason, 130)
end

return probe
