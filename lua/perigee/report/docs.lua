-- SPDX-License-Identifier: MIT
-- Pages of docs/ that are made from tables of the program: `perigee lua lua/perigee/report/docs.lua journal`.
-- A check compares what is committed with what this prints.

local config = require "perigee.config"
local event = require "perigee.event"

local pages = {}

local function out(format, ...)
  io.stdout:write(select("#", ...) > 0 and format:format(...) or format, "\n")
end

-- Text inside a table: a bar would end its cell, an angle bracket begin a tag.
local function cell(text)
  return (text:gsub("|", "\\|"):gsub("<(%w+)>", "`<%1>`"))
end

-- A limit in full digits.
local function bound(x)
  local whole = math.tointeger(x)
  return whole and tostring(whole) or ("%.14g"):format(x)
end

function pages.journal()
  out [[
# The journal

Everything that happens is an event with a sequence number, written to `<data>/journal` before it takes effect
outside the process. The engine's state is the fold of these events: a restart reads them again, asks the broker what
is really there, and goes on. This page is made from the registry (`core/base/event_kinds.h`).

    perigee journal cat [--data-dir D] [--json] [--kind K,...] [--from N] [--follow]
    perigee journal verify [--data-dir D]

`cat` prints one line for each event: number, market time, kind, fields. `verify` reads everything and prints the
counts, or the first damage and where it is. Both may run beside the engine.

A segment is a file named by its first sequence number: a header (`PERIGEEJ`, version, sum), then frames:
u32 length, u16 kind, u16 field count, u64 sequence, i64 market ms, i64 wall us, the fields (type tag and value),
u32 CRC-32C; all little-endian. Only the last segment may have a torn tail, which is cut at the next start with a
report; a damaged middle is an error that names segment and offset. Numbers rise, with gaps allowed. Kinds and fields
only grow: an old journal is read by a new program; a newer one stops an old program with a clear sentence.

In the JSON form (`--json`) unsigned integers (ids) and decimals are strings, because readers with 53-bit numbers would
change them; signed integers and doubles are numbers, times are market milliseconds, absent fields are left out. Types:
`u64`, `i64`, `decimal` (exact, eight places), `double`, `bool`, `string`, `time` (market ms since 1970 UTC), `json`
(canonical JSON text).

Some kinds and fields are reserved for what is not built yet and are not written by this version.
]]
  for _, kind in ipairs(event.kinds()) do
    out("## %s (%d)\n\n%s\n", kind.name, kind.number, kind.text)
    if #kind.fields > 0 then
      out "| field | type | meaning |\n|---|---|---|"
      for _, field in ipairs(kind.fields) do
        out("| %s | %s | %s |", field.name, field.type, cell(field.text))
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

Precedence: command line, environment, file, defaults. In the environment each key is `PERIGEE__SECTION__KEY`
(`market.speed` is `PERIGEE__MARKET__SPEED`); some have a plain name beside it, shown below, and the long one wins.
Inside the file `env "NAME"` reads the environment. An unknown key, in the file or with the prefix `PERIGEE__`, is an
error that names the nearest known one; so is a value out of range. Nothing is started then, and the exit code is 3.

`perigee show-config` prints what is in force and where each value comes from, with secrets masked. `strategies` is
the readable form of `strategy.list`; its entries are described in [strategies.md](strategies.md).

The sections `database`, `vault`, `office` and `broker` are accepted and have no effect in this version, which trades
at the paper broker only. This page is made from the table in `lua/perigee/config.lua`.

| key | type | default | range | environment | meaning |
|---|---|---|---|---|---|]]
  for _, k in ipairs(config.keys) do
    local range = k.choices and table.concat(k.choices, ", ") or k.min and bound(k.min) .. " to " .. bound(k.max) or ""
    out("| %s | %s | %s | %s | %s | %s%s |", k.key, k.type, k.default == nil and "" or tostring(k.default), range,
      k.env or "", cell(k.text), k.secret and " (secret)" or "")
  end
end

local page = pages[(...) or ""]
if not page then
  io.stderr:write "docs: say journal or configuration\n"
  return 2
end
page()
