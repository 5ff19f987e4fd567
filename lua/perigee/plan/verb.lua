-- SPDX-License-Identifier: MIT
-- What `perigee plan` runs: its arguments to the tool, the tool's exit code back.

return require("perigee.plan.tool").main { ... }
