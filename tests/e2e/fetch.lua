-- SPDX-License-Identifier: MIT
-- One GET over TLS: perigee lua fetch.lua URL CA_FILE. Prints the status and whether the times of the connection are
-- there, or the code of the error.

local http = require "perigee.http"
local task = require "perigee.task"

local url, ca_file = ...

task.run(function()
  local answer, err = http.request { url = url, ca_file = ca_file, timeout_ms = 5000 }
  if not answer then
    print(err.code)
    return
  end
  local connected = answer.connect_us > 0 and answer.connect_us <= answer.tls_us
  print(("%d %s %s"):format(answer.status, connected and "connected" or "",
    answer.tls_us > 0 and answer.tls_us <= answer.elapsed_us and "secured" or ""))
end)
