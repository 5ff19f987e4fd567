-- SPDX-License-Identifier: MIT
-- The built dashboard, served from memory. Only names that were found in the folder at the start are served, so no
-- path of a request ever reaches the disk; a dashboard that is built anew is seen at the office's next start.
--
-- Names with a content hash (assets/name-XXXXXXXX.ext, as the build writes them) may be cached for ever, everything
-- else is asked for again with its ETag. Where the build left name.br or name.gz beside a file these are sent to
-- browsers that accept them; they have no address of their own.

local crypto = require "perigee.crypto"
local fs = require "perigee.fs"
local log = require "perigee.log"

local static = {}

---@class perigee.StaticForm     one form of a file: as it is, or compressed
---@field body string
---@field etag string

---@class perigee.StaticFile
---@field type string             content type
---@field cache string            Cache-Control
---@field forms table<string, perigee.StaticForm>   by coding: "identity", "gzip", "br"
---@field codings string[]        codings that it has, the smallest first

---@class perigee.Static
---@field built boolean           false: there is no dashboard in the folder
---@field files table<string, perigee.StaticFile>  by path of the request
local Static = {}
Static.__index = Static

-- Paths that the application itself routes: each of them is index.html.
local PAGES = { "/", "/users", "/trading", "/history", "/login", "/analytics", "/settings", "/strategies", "/risk",
  "/audit" }
local is_page = {}
for _, path in ipairs(PAGES) do is_page[path] = true end

local TYPES = {
  html = "text/html; charset=utf-8", js = "text/javascript; charset=utf-8", css = "text/css; charset=utf-8",
  json = "application/json", txt = "text/plain; charset=utf-8", svg = "image/svg+xml", png = "image/png",
  ico = "image/x-icon", webp = "image/webp", woff2 = "font/woff2", webmanifest = "application/manifest+json",
}

-- The build puts eight letters of the content's hash before the last dot.
local HASHED = "^/assets/.+%-" .. ("[%w_%-]"):rep(8) .. "%.%w+$"

local CODINGS = { { suffix = ".br", name = "br" }, { suffix = ".gz", name = "gzip" } }

--- Headers of every answer of the dashboard.
static.security = {
  { "Content-Security-Policy", "default-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    .. "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'" },
  { "X-Content-Type-Options", "nosniff" },
  { "Referrer-Policy", "same-origin" },
  { "Cross-Origin-Opener-Policy", "same-origin" },
}

local NOT_BUILT = [[
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Perigee</title></head>
<body>
<h1>The dashboard is not built</h1>
<p>The office runs and its API answers, but there is no built dashboard in its program's folder.</p>
<p>Build it with <code>make build</code>, then start Perigee again.</p>
</body>
</html>
]]

-- ---- loading -------------------------------------------------------------------------------------

local function form(body, coding)
  local mark = crypto.hash(body):sub(1, 32)
  return { body = body, etag = ('"%s%s"'):format(mark, coding == "identity" and "" or "-" .. coding) }
end

-- All files below a folder, name below it to content. A link that leads out of the folder is left out.
local function read_tree(root, below, found)
  for _, name in ipairs(fs.list(root .. below) or {}) do
    local path = below .. "/" .. name
    local real = name:match("^[%w_][%w_.%-]*$") and fs.realpath(root .. path)
    if not real or real:sub(1, #root + 1) ~= root .. "/" then
      log.warn("office", ("%s%s is not served: its name or where it leads to is not allowed"):format(root, path))
    elseif fs.list(real) then
      if real == root .. path then read_tree(root, path, found) end -- a linked folder may lead in a circle
    else
      local body, err = fs.read(real)
      if body then
        found[path] = body
      else
        log.warn("office", ("%s%s is not served: %s"):format(root, path, err.message))
      end
    end
  end
  return found
end

local function file(path, found)
  local hashed = path:find(HASHED)
  local f = { type = TYPES[path:match("%.(%w+)$") or ""] or "application/octet-stream",
    cache = hashed and "public, max-age=31536000, immutable" or "no-cache", forms = {}, codings = {} }
  for _, coding in ipairs(CODINGS) do
    local body = found[path .. coding.suffix]
    if body then
      f.forms[coding.name] = form(body, coding.name)
      f.codings[#f.codings + 1] = coding.name
    end
  end
  f.forms.identity = form(found[path], "identity")
  f.codings[#f.codings + 1] = "identity"
  return f
end

-- A compressed form belongs to the file beside it.
local function compressed(path, found)
  for _, coding in ipairs(CODINGS) do
    if path:sub(-#coding.suffix) == coding.suffix and found[path:sub(1, -#coding.suffix - 1)] then return true end
  end
  return false
end

--- Reads the folder of the built dashboard.
---@param options { folder: string }
---@return perigee.Static
function static.new(options)
  local self = setmetatable({ files = {}, built = false }, Static)
  local root = fs.realpath(options.folder)
  local found = root and read_tree(root, "", {}) or {}
  for path in pairs(found) do
    if not compressed(path, found) then self.files[path] = file(path, found) end
  end
  local index = self.files["/index.html"]
  self.built = index ~= nil
  for _, path in ipairs(PAGES) do self.files[path] = index end
  return self
end

-- ---- answering -----------------------------------------------------------------------------------

-- Weights of an Accept-Encoding header, name to 0..1.
local function weights(header)
  local out = {}
  for item in header:lower():gmatch("[^,]+") do
    local name, rest = item:match("^%s*([%w*_%-]+)%s*(.-)%s*$")
    local q = name and rest:match("^;%s*q%s*=%s*([%d.]+)$")
    if name and (rest == "" or q) then out[name] = math.min(tonumber(q or 1) or 0, 1) end
  end
  return out
end

-- The form that the browser likes best; of equal ones the smallest. A browser that accepts nothing that there is gets
-- the file as it is.
local function choose(f, header)
  local accepted = weights(header or "")
  local best, best_weight = "identity", 0
  for _, coding in ipairs(f.codings) do
    local weight = accepted[coding] or accepted["*"] or 0
    if coding == "identity" and not accepted.identity and not accepted["*"] then weight = 0.001 end
    if weight > best_weight then best, best_weight = coding, weight end
  end
  return best
end

-- Weak comparison, as If-None-Match wants it.
local function matches(header, etag)
  if not header then return false end
  if header:match("^%s*%*%s*$") then return true end
  for tag in header:gmatch('"[^"]*"') do
    if tag == etag then return true end
  end
  return false
end

local function with_security(headers)
  for _, h in ipairs(static.security) do headers[#headers + 1] = h end
  return headers
end

local function plain(status, type, text, ...)
  return status, with_security { { "Content-Type", type }, { "Cache-Control", "no-store" }, ... }, text
end

--- Answers a request for a page or a file of the dashboard; nothing when the path is none of its own.
---@param method string
---@param path string                             without the query
---@param header fun(name: string): string|nil    of the request
---@return integer|nil status, table|nil headers, string|nil body   HEAD: the body of GET; the server sends none of it
function Static:answer(method, path, header)
  local f = self.files[path]
  if not f and not is_page[path] and not path:find("^/assets/") then return nil end
  if method ~= "GET" and method ~= "HEAD" then
    return plain(405, TYPES.txt, "only GET and HEAD are allowed here\n", { "Allow", "GET, HEAD" })
  end
  if not f then
    if is_page[path] then return plain(503, TYPES.html, NOT_BUILT) end
    return plain(404, TYPES.txt, "there is no such file\n")
  end
  local coding = choose(f, header("accept-encoding"))
  local chosen = f.forms[coding]
  local headers = with_security { { "Cache-Control", f.cache }, { "ETag", chosen.etag },
    { "Vary", "Accept-Encoding" } }
  if matches(header("if-none-match"), chosen.etag) then return 304, headers, "" end
  headers[#headers + 1] = { "Content-Type", f.type }
  if coding ~= "identity" then headers[#headers + 1] = { "Content-Encoding", coding } end
  return 200, headers, chosen.body
end

return static
