-- SPDX-License-Identifier: MIT
-- Trades as CSV (RFC 4180, CRLF). A text that a spreadsheet would take for a formula gets a quote before it; numbers
-- stay as they are.

local json = require "perigee.json"

local csv = {}

local TEXT, NUMBER = true, false

-- Columns in order: field, and whether it is text that somebody else may have chosen.
local COLUMNS = {
  { "id", NUMBER }, { "closed_at", NUMBER }, { "executed_at", NUMBER }, { "email", TEXT }, { "account_id", TEXT },
  { "symbol", TEXT }, { "side", TEXT }, { "quantity", NUMBER }, { "entry_price", NUMBER }, { "exit_price", NUMBER },
  { "profit_loss", NUMBER }, { "commission", NUMBER }, { "swap", NUMBER }, { "net", NUMBER }, { "currency", TEXT },
  { "profit_loss_percent", NUMBER }, { "duration_seconds", NUMBER }, { "reason", TEXT }, { "is_partial", NUMBER },
  { "strategy", TEXT }, { "order_id", NUMBER }, { "signal_id", NUMBER }, { "position_id", TEXT }, { "uid", TEXT },
}

--- One cell.
---@param value any
---@param is_text boolean
---@return string
function csv.cell(value, is_text)
  if value == nil or value == json.null then return "" end
  local text = tostring(value)
  if is_text and text:find("^[=+%-@\t\r\n|]") then text = "'" .. text end
  if text:find('[",\r\n]') then text = '"' .. text:gsub('"', '""') .. '"' end
  return text
end

function csv.header()
  local names = {}
  for i, column in ipairs(COLUMNS) do names[i] = column[1] end
  return table.concat(names, ",") .. "\r\n"
end

--- One trade of the API as a line.
---@param trade table
function csv.line(trade)
  local cells = {}
  for i, column in ipairs(COLUMNS) do cells[i] = csv.cell(trade[column[1]], column[2]) end
  return table.concat(cells, ",") .. "\r\n"
end

return csv
