-- SPDX-License-Identifier: MIT
-- Gives one command to an engine and prints its answer; does not wait for it with "later":
--   perigee lua tests/e2e/give.lua SOCKET NAME ARGS [later]

local json = require "perigee.json"
local sock = require "perigee.sock"
local task = require "perigee.task"

local path, name, args, later = ...
local COMMAND, REPLY = 3, 4 -- kinds of frames

task.run(function()
  local conn = assert(sock.connect(path))
  conn:send(COMMAND, json.encode { id = 1, name = name, args = json.decode(args), who = "tester" })
  if later then return task.sleep(300, "io") end
  local kind, text
  repeat kind, text = conn:recv(60000) until not kind or kind == REPLY
  print(text)
end)
