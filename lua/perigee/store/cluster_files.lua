-- SPDX-License-Identifier: MIT
-- The configuration files of a private cluster. They are written at each start; what somebody wants otherwise goes
-- into postgresql.conf below the line that includes perigee.conf.

local files = {}

-- For a small machine, one program, and a history that can be made again: modest memory, few connections, few
-- checkpoints. Commits are durable.
local SETTINGS = {
  { "listen_addresses", "''" },
  { "unix_socket_permissions", "0700" },
  { "max_connections", "30" },
  { "superuser_reserved_connections", "3" },
  { "shared_buffers", "'64MB'" },
  { "work_mem", "'16MB'" },
  { "maintenance_work_mem", "'64MB'" },
  { "effective_cache_size", "'512MB'" },
  { "random_page_cost", "1.1" },
  { "jit", "off" },
  { "max_parallel_workers_per_gather", "0" }, -- the engine needs the other core
  { "wal_level", "minimal" },
  { "max_wal_senders", "0" },
  { "min_wal_size", "'16MB'" },
  { "max_wal_size", "'512MB'" },
  { "checkpoint_timeout", "'15min'" },
  { "wal_compression", "on" },
  { "timezone", "'UTC'" },
  { "log_timezone", "'UTC'" },
  { "log_checkpoints", "off" },
  { "log_autovacuum_min_duration", "-1" },
  { "cluster_name", "'perigee'" },
}

--- The files of a cluster.
---@param socket string    folder
---@param users string[]   of the system, who may come in
---@return { name: string, text: string }[]
function files.all(socket, users)
  local conf = { "# Written by perigee at each start." }
  conf[#conf + 1] = ("unix_socket_directories = '%s'"):format(socket:gsub("'", "''"))
  for _, setting in ipairs(SETTINGS) do conf[#conf + 1] = setting[1] .. " = " .. setting[2] end
  local ident = { "# Written by perigee at each start." }
  for _, user in ipairs(users) do
    for _, role in ipairs { "perigee", "postgres" } do
      ident[#ident + 1] = ('perigee "%s" %s'):format(user, role)
    end
  end
  return {
    { name = "perigee.conf", text = table.concat(conf, "\n") .. "\n" },
    { name = "pg_ident.conf", text = table.concat(ident, "\n") .. "\n" },
    { name = "pg_hba.conf", text = "# Written by perigee at each start. No TCP, no trust, no password.\n"
      .. "local all all peer map=perigee\n" },
  }
end

return files
