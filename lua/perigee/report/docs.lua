-- SPDX-License-Identifier: MIT
-- Pages of docs/ that are made from tables of the program: `perigee lua lua/perigee/report/docs.lua journal`.
-- A check compares what is committed with what this prints.

local config = require "perigee.config"
local event = require "perigee.event"

local pages = {}

local function out(format, ...)
  io.stdout:write(select("#", ...) > 0 and format:format(...) or format, "\n")
end

function pages.journal()
  out [[
# The journal

Everything that happens is an event with a sequence number, written to `<data>/journal` before it takes effect
outside the process. The engine's state is the fold of these events; after a crash it is folded again, compared with
the broker, and the engine goes on. This page is made from the registry (`core/base/event_kinds.h`).

    perigee journal cat [--json] [--kind K,...] [--from N] [--follow]
    perigee journal verify

A segment is a file named by its first sequence number: a header (`PERIGEEJ`, version, sum), then frames:
u32 length, u16 kind, u16 field count, u64 sequence, i64 market ms, i64 wall us, the fields (type tag and value),
u32 CRC-32C; all little-endian. Only the last segment may have a torn tail, which is cut at the next start with a
report; a damaged middle is an error that names segment and offset. Numbers rise, with gaps allowed. Kinds and fields
only grow: an old journal is read by a new program; a newer one stops an old program with a clear sentence.

In the JSON form (`--json`) integers of 64 bits and decimals are strings, times are market milliseconds, absent fields
are left out. Types: `u64`, `i64`, `decimal` (exact, eight places), `double`, `bool`, `string`, `time` (market ms
since 1970 UTC), `json` (canonical JSON text).
]]
  for _, kind in ipairs(event.kinds()) do
    out("## %s (%d)\n\n%s\n", kind.name, kind.number, kind.text)
    if #kind.fields > 0 then
      out "| field | type | meaning |\n|---|---|---|"
      for _, field in ipairs(kind.fields) do
        out("| %s | %s | %s |", field.name, field.type, field.text)
      end
      out ""
    end
  end
end

function pages.configuration()
  out [[
# Configuration

A Lua file, `perigee.lua` in the folder where the program is started or `--config FILE`, returns a table of sections:

```lua
return {
  market = { speed = 20, seed = 7 },
  risk = { per_trade = 0.01, max_positions = 2 },
  strategies = {
    { file = "strategies/volume_spike_scalper.lua", symbol = "BTCUSD", params = { volume_threshold = 4 } },
  },
}
```

Precedence: command line, environment, file, defaults. Each key has an environment name `PERIGEE__SECTION__KEY`, and
some a plain one beside it; the long one wins. `env "NAME"` inside the file reads the environment. An unknown key is
an error that names the nearest known one. `perigee show-config` prints what is in force and where it comes from, with
secrets masked. This page is made from the table in `lua/perigee/config.lua`.

| key | type | default | range | environment | meaning |
|---|---|---|---|---|---|]]
  for _, k in ipairs(config.keys) do
    local range = k.choices and table.concat(k.choices, ", ")
      or k.min and ("%.14g to %.14g"):format(k.min, k.max) or ""
    out("| %s | %s | %s | %s | %s | %s%s |", k.key, k.type, k.default == nil and "" or tostring(k.default), range,
      k.env or "", k.text, k.secret and " (secret)" or "")
  end
end

local page = pages[(...) or ""]
if not page then
  io.stderr:write "docs: say journal or configuration\n"
  return 2
end
page()
