-- SPDX-License-Identifier: MIT
-- What may be written down of an exchange. Secrets are taken out twice: by the name of the member or header that
-- holds them, and by their text, wherever it turns up. What is no JSON is not kept at all: it may repeat anything.

local json = require "perigee.json"

local redact = {}

local HIDDEN = "***"

---@class perigee.Redactor
---@field secrets string[]  longest first
local Redactor = {}
Redactor.__index = Redactor

---@return perigee.Redactor
function redact.new() return setmetatable({ secrets = {}, known = {} }, Redactor) end

--- A text that must not be written, in any of the forms in which it may come back.
---@param text string|nil
function Redactor:learn(text)
  if type(text) ~= "string" or #text < 3 then return end
  local quoted = json.string(text)
  local escaped = text:gsub("[^%w%-_%.~]", function(c) return ("%%%02X"):format(c:byte()) end)
  for _, form in ipairs({ text, quoted:sub(2, -2), escaped, (escaped:gsub("%%%x%x", string.lower)) }) do
    if not self.known[form] then
      self.known[form] = true
      self.secrets[#self.secrets + 1] = form
    end
  end
  table.sort(self.secrets, function(a, b) return #a > #b end)
end

local function plain(text) return (text:gsub("%p", "%%%0")) end

local KEY_LEAST = 32 -- bytes from which a word of letters and digits is a key; the broker's UUIDs are none

local function opaque(word)
  if #word < KEY_LEAST or not word:find("%d") or not word:find("%a") then return nil end
  if word:match("^%x+%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x+$") then return nil end
  return HIDDEN
end

--- A text without secrets that are known and without anything that looks like a token or an e-mail address.
---@param text string
---@return string
function Redactor:text(text)
  for _, secret in ipairs(self.secrets) do text = text:gsub(plain(secret), HIDDEN) end
  text = text:gsub("eyJ[%w_-]+%.[%w_-]+%.?[%w_-]*", HIDDEN)
  text = text:gsub("[%w%.%+_-]+@[%w%.-]+%.%a+", HIDDEN)
  text = text:gsub("[%w%.%%%+_-]+%%40[%w%.-]+%.%a+", HIDDEN)
  return (text:gsub("[%w_%-%+=]+", opaque))
end

local exact = {}
for name in ([[name surname firstname lastname middlename givenname familyname fullname displayname accountname
  accountholder username login nickname address street city postcode zip zipcode country state citizenship dateofbirth
  dob gender maritalstatus comment title accountuuid jti ip ipaddress pin sid rt otp key ssn nonce]]):gmatch("%S+") do
  exact[name] = true
end

local parts = { "pass", "pwd", "token", "secret", "mail", "phone", "mobilenumber", "fax", "cookie", "jwt", "auth",
  "bank", "iban", "tax", "identif", "browser", "credential", "signature", "session", "apikey", "privatekey",
  "accesskey", "csrf", "xsrf", "tfacode", "totp", "birth", "nationalid" }

local harmless = { sessionopen = true, tfaproperties = true, tfaconfig = true }

-- Does a member of this name hold what must not be written? However it is spelt: pass_word, Pass-Word.
local function is_secret(name)
  name = name:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end):lower():gsub("[^%w]", "")
  if harmless[name] then return false end
  if exact[name] then return true end
  for _, part in ipairs(parts) do
    if name:find(part, 1, true) then return true end
  end
  return false
end

-- People stand in these, whatever their members are called.
local personal = { accountinfo = true, user = true, userinfo = true, person = true, owner = true }

local walk

-- A text that is JSON itself is looked into like the rest.
local function in_text(self, value, depth)
  local inner = depth < 5 and value:match("^%s*[%[{]") and json.decode(value)
  if type(inner) ~= "table" or next(inner) == nil then return self:text(value) end
  return json.encode(walk(self, inner, false, depth + 1))
end

function walk(self, value, hide, depth)
  if type(value) == "table" then
    local out = (value[1] ~= nil or next(value) == nil) and json.array({}) or {} -- empty: a list, as they mostly are
    for key, inner in pairs(value) do
      local name = tostring(key)
      local more = type(key) == "string" and (is_secret(name) or personal[name:lower()]) or false
      out[type(key) == "string" and self:text(key) or key] = walk(self, inner, hide or more, depth)
    end
    return out
  end
  if type(value) == "string" then return hide and HIDDEN or in_text(self, value, depth) end
  if type(value) == "number" and (hide or self.known[("%.14g"):format(value)]) then return HIDDEN end
  return value
end

--- A body: the decoded JSON without secrets; of anything else only its kind and size.
---@param body string|nil
---@param content_type string|nil
---@return any
function Redactor:body(body, content_type)
  if body == nil or body == "" then return nil end
  local value = json.decode(body)
  if type(value) == "table" then
    if next(value) == nil then return body:match("^%s*%[") and json.array({}) or value end
    return walk(self, value, false, 0)
  end
  return { bytes = #body, kind = (content_type or "no type"):match("^[^;]*") }
end

--- Header lines: cookies keep their name and attributes, whatever carries a key only its name.
---@param list { [1]: string, [2]: string }[]
---@return { [1]: string, [2]: string }[]
function Redactor:headers(list)
  local out = json.array({})
  for i, pair in ipairs(list) do
    local name, value = pair[1], pair[2]
    local low = name:lower()
    if low == "set-cookie" then
      value = value:gsub("^(%s*[^=;%s]+)=[^;]*", "%1=" .. HIDDEN)
    elseif low == "cookie" then
      value = value:gsub("=[^;]*", "=" .. HIDDEN)
    elseif is_secret(low) or low:find("key", 1, true) then
      value = HIDDEN
    end
    out[i] = json.array { name, self:path(value) } -- Location and Link hold addresses
  end
  return out
end

--- A path; a query keeps the names of its members, and their values unless they are secret.
---@param path string
---@return string
function Redactor:path(path)
  path = path:gsub("([?&;]%s*)([^=&;%s]+)=([^&;%s>]*)", function(mark, name, value)
    return mark .. name .. "=" .. (is_secret(name) and HIDDEN or value)
  end)
  return self:text(path)
end

return redact
