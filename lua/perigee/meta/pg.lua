---@meta perigee.pg
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

-- PostgreSQL for tasks. Sessions speak UTF-8, UTC and ISO dates. Errors are perigee.Err with more fields:
--   code "database": the server refused; sqlstate ("23505"), constraint (name) where there is one, index (batch).
--   code "unreachable": no connection, or it was lost; retry "safe" where nothing was sent, else "reconcile": the
--   statement may have been done. "timeout": connecting took too long. "cancelled". "input": wrong use of COPY.
-- Messages never hold values of parameters or rows.

local pg = {}

---@class perigee.PgErr: perigee.Err
---@field sqlstate string|nil
---@field constraint string|nil
---@field index integer|nil

---One row: column name to value. int2, int4, int8 and oid are integers, bool is a boolean, float4 and float8 are
---numbers, everything else (numeric, timestamptz, jsonb, bytea as \x..., arrays) is a string; NULL is nil.
---@alias perigee.PgRow table<string, string|integer|number|boolean>

---@class perigee.PgResult
---@field [integer] perigee.PgRow
---@field columns string[]
---@field affected integer rows changed, or selected

---A parameter: nil and pg.null are NULL, decimals and numbers go as their shortest text.
---@alias perigee.PgValue string|integer|number|boolean|perigee.Decimal|perigee.PgArray|nil

---One task at a time may use it: a second one raises, and so does any use after close. After it was lost every use
---returns nil and an error. Cancelling a task that waits closes it.
---@class perigee.PgConn
local Conn = {}

---@class perigee.PgArray

---Yields. One host, over TCP or a Unix socket.
---@param options { conninfo: string, timeout_ms: integer|nil } 5000 ms unless given
---@return perigee.PgConn|nil
---@return perigee.PgErr|nil
function pg.connect(options) end

---Yields. One statement; parameters $1, $2 ... from a list of length params.n, or #params. A text that comes a second
---time on a connection is prepared there.
---@param sql string
---@param params perigee.PgValue[]|nil
---@return perigee.PgResult|nil
---@return perigee.PgErr|nil
function Conn:query(sql, params) end

---Yields. Statements in one go, with one synchronisation at the end: outside of BEGIN and COMMIT all happen or none.
---@param list { [1]: string, [2]: perigee.PgValue[]|nil }[]
---@return perigee.PgResult[]|nil
---@return perigee.PgErr|nil err index: the statement that failed
function Conn:batch(list) end

---Yields. One or more statements without parameters or results: migrations, BEGIN, COMMIT.
---@param sql string
---@return true|nil
---@return perigee.PgErr|nil
function Conn:exec(sql) end

---Yields. COPY ... FROM STDIN with the whole text.
---@param sql string
---@param text string
---@return integer|nil rows
---@return perigee.PgErr|nil
function Conn:copy(sql, text) end

---@return boolean false: lost or closed
function Conn:alive() end

---@return boolean true: a statement of the open transaction has failed; its COMMIT would undo it
function Conn:aborted() end

---At once; a task that waits on it gets "cancelled". Also __close and __gc.
function Conn:close() end

---A parameter for an array type; nil (with a field n) and pg.null are NULL.
---@param list (string|integer|number|boolean|perigee.Decimal)[]
---@return perigee.PgArray
function pg.array(list) end

---Keywords of libpq to a connection text, escaped.
---@param keywords table<string, string|integer>
---@return string
function pg.conninfo(keywords) end

---NULL in a parameter or an array; the same value as cjson.null.
---@type lightuserdata
pg.null = nil

return pg
