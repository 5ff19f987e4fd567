-- SPDX-License-Identifier: MIT
-- Exchanges of a probe: one after the other, each written down without its secrets and measured, none repeated.

local clock = require "perigee.clock"
local codec = require "perigee.venues.match_trader"
local fs = require "perigee.fs"
local http = require "perigee.http"
local json = require "perigee.json"
local log = require "perigee.log"
local process = require "perigee.process"
local redact = require "perigee.probe.redact"
local task = require "perigee.task"

---@class perigee.ProbeWire
---@field profile perigee.BrokerProfile
---@field origin string
---@field redactor perigee.Redactor
---@field exchanges table[]        { call, status, elapsed_us, begun_ms, headers }
local Wire = {}
Wire.__index = Wire

local wire = {}

local PAUSE_MS = 150 -- between requests: nobody is in a hurry

---@param options { profile: perigee.BrokerProfile, origin: string, transcript: string, email: string }
---@return perigee.ProbeWire|nil, table|nil err
function wire.new(options)
  local ok, err = fs.replace(options.transcript, "", tonumber("600", 8))
  if not ok then return nil, err end
  return setmetatable({ profile = options.profile, origin = options.origin, transcript = options.transcript,
    redactor = redact.new(), cookies = {}, exchanges = {},
    browser_id = codec.browser_id(options.profile.name .. ":" .. options.email) }, Wire)
end

--- A text that must be in no log and no transcript.
function Wire:secret(text)
  if type(text) ~= "string" or text == "" then return end
  log.mask(text)
  self.redactor:learn(text)
end

--- The cookies for a path; the account's own token in co-auth, where the profile says so.
function Wire:cookie_line(path, account)
  local list = {}
  for name, cookie in pairs(self.cookies) do
    local value = cookie.value
    local own = name == "co-auth" and account and self.profile.cookie == "account" and account.account_token
    value = own or value
    if path:sub(1, #cookie.path) == cookie.path then list[#list + 1] = name .. "=" .. value end
  end
  table.sort(list)
  return #list > 0 and table.concat(list, "; ") or nil
end

--- The headers of a request, tokens and all.
function Wire:headers(path, account, content_type)
  return codec.headers(self.profile, { user_agent = "perigee/" .. process.version(), origin = self.origin,
    browser_id = self.browser_id, content_type = content_type, account = account,
    cookies = self:cookie_line(path, account) })
end

function Wire:token(value)
  if value then
    self:secret(value)
    self.cookies["co-auth"] = { value = value, path = "/" }
  end
end

local function absorb(self, answer)
  local n = 1
  while true do
    local line = answer:header("set-cookie", n)
    if not line then return end
    local name, value, path = codec.read_cookie(line)
    if name then
      self:secret(value)
      self.cookies[name] = value and { value = value, path = path } or nil
    end
    n = n + 1
  end
end

--- A line of the transcript.
function Wire:note(row)
  local ok, err = fs.append(self.transcript, json.encode(row) .. "\n")
  if not ok then error("the transcript cannot be written: " .. tostring(err), 0) end
end

-- Secrets are learnt before anything is written: the tokens of a login stand in its own body.
local function learn(self, call, body)
  if call ~= "login" and call ~= "renewal" then return end
  local said = codec.read_login(body)
  self:secret(codec.read_refresh(body))
  for _, account in ipairs(said and said.accounts or {}) do
    self:secret(account.api_token)
    self:secret(account.account_token)
  end
end

--- One exchange, written down. An answer of any status is an answer. Yields.
---@param call string
---@return table|nil answer, table|nil err
function Wire:ask(call, account, method, path, body, content_type)
  if #self.exchanges > 0 then task.sleep(PAUSE_MS, "io") end
  content_type = body and (content_type or "application/json") or nil
  local begun_ms, headers = clock.wall_ms(), self:headers(path, account, content_type)
  local answer, err = http.request { method = method, url = self.origin .. path, body = body, headers = headers,
    timeout_ms = 15000 }
  local row = { call = call, at = clock.iso(begun_ms), request = { method = method, path = self.redactor:path(path),
    headers = self.redactor:headers(headers), body = self.redactor:body(body, content_type) } }
  if not answer then
    row.error = self.redactor:text(err.message)
    self:note(row)
    return nil, err
  end
  absorb(self, answer)
  learn(self, call, answer.body)
  local kept = answer:headers()
  row.answer = { status = answer.status, headers = self.redactor:headers(kept), elapsed_us = answer.elapsed_us,
    body = self.redactor:body(answer.body, answer:header("content-type")) }
  self:note(row)
  self.exchanges[#self.exchanges + 1] = { call = call, status = answer.status, elapsed_us = answer.elapsed_us,
    connect_us = answer.connect_us, tls_us = answer.tls_us, begun_ms = begun_ms,
    headers = kept, date = answer:header("date") }
  return answer
end

--- A read of an account, by the path below its system.
function Wire:account(call, account, method, path, body)
  return self:ask(call, account, method, "/mtr-api/" .. account.system .. path, body)
end

return wire
