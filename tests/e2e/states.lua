-- SPDX-License-Identifier: MIT
-- Follows engine.sock for some seconds and prints how often each kind of STATE came, the shortest io time between two
-- of one kind, and the newest of each: states.lua SOCKET SECONDS

local clock = require "perigee.clock"
local json = require "perigee.json"
local sock = require "perigee.sock"
local task = require "perigee.task"

local path, seconds = ...

task.run(function()
  local conn = assert(sock.connect(path))
  conn:send(1, ("<I8"):pack(1 << 40))
  local until_ms, kinds, names = clock.io_ms() + tonumber(seconds) * 1000, {}, {}
  while clock.io_ms() < until_ms do
    local kind, text = conn:recv(200)
    if kind == 5 then
      local now, name = clock.io_ms(), json.decode(text).kind
      local seen = kinds[name]
      if not seen then
        seen = { count = 0, shortest = math.huge }
        kinds[name] = seen
        names[#names + 1] = name
      end
      if seen.last then seen.shortest = math.min(seen.shortest, now - seen.last) end
      seen.count, seen.last, seen.text = seen.count + 1, now, text
    elseif not kind and text.code ~= "timeout" then
      break
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local k = kinds[name]
    print(name, k.count, k.shortest, k.text)
  end
  conn:close()
end)
