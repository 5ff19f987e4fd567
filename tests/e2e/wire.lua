-- SPDX-License-Identifier: MIT
-- A client of engine.sock: wire.lua SOCKET NAME [KEY=VALUE...] sends one command and prints the reply (a value that
-- is JSON is sent as it is, any other as a text);
-- wire.lua SOCKET events FROM prints sequence number and kind of all events from FROM on until it has seen the
-- newest one of that moment; wire.lua SOCKET garbage sends what is no frame of ours.

local clock = require "perigee.clock"
local event = require "perigee.event"
local json = require "perigee.json"
local sock = require "perigee.sock"
local task = require "perigee.task"

local path, name, first = ...
local rest = { select(3, ...) }

local function command(conn)
  local args = {}
  for _, pair in ipairs(rest) do
    local key, value = pair:match("^(.-)=(.*)$")
    local decoded = json.decode(value)
    if decoded == nil then decoded = value end
    args[key] = decoded
  end
  conn:send(3, json.encode { id = 1, name = name, args = args, who = "test" })
  local _, reply = conn:recv(30000)
  print(reply)
end

local function events(conn)
  conn:send(1, ("<I8"):pack(tonumber(first)))
  local until_ms = clock.io_ms() + 1500
  while clock.io_ms() < until_ms do
    local kind, frame = conn:recv(300)
    if kind == 2 then
      local e = assert(event.decode(frame))
      print(e.seq, e.kind)
    elseif not kind and frame.code ~= "timeout" then
      return
    end
  end
end

local function garbage(conn)
  conn:send(9, "what is this")
  local kind, err = conn:recv(5000)
  print(kind == nil and err.code or "answered")
end

task.run(function()
  local conn = assert(sock.connect(path))
  if name == "events" then events(conn) elseif name == "garbage" then garbage(conn) else command(conn) end
  conn:close()
end)
