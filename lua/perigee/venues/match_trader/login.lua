-- SPDX-License-Identifier: MIT
-- Sessions of the Platform API: the doors of a login, what it answers, renewal, cookies, and the headers of a
-- request.

local json = require "perigee.json"
local rng = require "perigee.rng"
local answer = require "perigee.venues.match_trader.answer"
local values = require "perigee.venues.match_trader.values"

local login = {}

local text, object, wrong = values.text, values.object, values.wrong

-- ---- requests ------------------------------------------------------------------------------------

---@return string method, string path
function login.platform_details() return "GET", "/manager/platform-details" end

local FORM = "application/x-www-form-urlencoded"

-- The bodies that login doors take. Each: path, body and its type (nil: JSON).
local bodies = {}

function bodies.json(profile, email, password, broker_id)
  local fields = { { "email", json.string(email) }, { "password", json.string(password) } }
  if profile.id_key then
    local id = broker_id or ""
    local plain = profile.id_type == "number" and id:match("^%d+$") and #id <= 15
    fields[#fields + 1] = { profile.id_key, plain and json.number(math.tointeger(tonumber(id))) or json.string(id) }
  end
  return profile.login, json.object(fields)
end

-- Broker id and e-mail stand in the query, the password alone in a form.
function bodies.form(profile, email, password, broker_id)
  local query = "email=" .. values.escape(email)
  if profile.id_key then query = profile.id_key .. "=" .. values.escape(broker_id or "") .. "&" .. query end
  return profile.login .. "?" .. query, "password=" .. values.escape(password), FORM
end

function bodies.oauth(profile, email, password)
  return profile.login, json.object { { "login", json.string(email) }, { "password", json.string(password) },
    { "remember", "false" } }
end

--- A login with e-mail and password, through the profile's door.
---@param profile perigee.BrokerProfile
---@return string method, string path, string body, string|nil content_type  nil: JSON
function login.login(profile, email, password, broker_id)
  return "POST", bodies[profile.login_body or "json"](profile, email, password, broker_id)
end

--- A login with a one-time token, which a portal of the broker hands out.
---@param profile perigee.BrokerProfile
---@return string method, string path, string body
function login.login_token(profile, token)
  return "POST", profile.token_login, json.object { { "token", json.string(token) } }
end

--- The second step of a login that asks for a code (only doors of the body "oauth" have one that is known).
---@param profile perigee.BrokerProfile
---@return string method, string path, string body
function login.login_code(profile, code)
  local folder = profile.login:match("^(.*)/[^/]*$")
  return "POST", folder .. "/login-with-tfa", json.object { { "tfaCode", json.string(code) } }
end

--- The renewal. The cookies carry all that it needs. nil: the profile renews by a login.
---@param profile perigee.BrokerProfile
---@return string|nil method, string|nil path, string|nil body
function login.refresh(profile)
  if profile.refresh then return "POST", profile.refresh, "" end
end

--- Platform API documents no logout: only profiles that name a door have one.
---@param profile perigee.BrokerProfile
---@return string|nil method, string|nil path, string|nil body
function login.logout(profile)
  if profile.logout then return "POST", profile.logout, "" end
end

--- A UUID that stays the same for a login: some brokers want to know a browser again.
---@param key string  "profile:e-mail"
---@return string
function login.browser_id(key)
  local draw, hex = rng.new(0, "browser:" .. key), {}
  for i = 1, 32 do hex[i] = ("%x"):format(draw:range(0, 15)) end
  hex[13], hex[17] = "4", ("89ab"):sub(tonumber(hex[17], 16) % 4 + 1):sub(1, 1)
  return (table.concat(hex):gsub("^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)", "%1-%2-%3-%4-"))
end

---@class perigee.HeaderOptions
---@field user_agent string        our own; a profile may ask for another form of it
---@field origin string            of the broker, no path
---@field browser_id string|nil    a UUID that stays the same for a login
---@field content_type string|nil  nil: no body
---@field account table|nil        of the login: its token is added
---@field cookies string|nil       the Cookie line

--- The headers of a request: the documented ones, then what the profile asks for beside or instead of them.
---@param profile perigee.BrokerProfile
---@param o perigee.HeaderOptions
---@return { [1]: string, [2]: string }[]
function login.headers(profile, o)
  local list = { { "Accept", "application/json" }, { "User-Agent", o.user_agent } }
  local put = { origin = o.origin, browser_id = o.browser_id or "", agent = o.user_agent }
  for _, pair in ipairs(profile.headers) do
    local value, at = pair[2]:gsub("{(%l+_?%l*)}", put), #list + 1
    for i, known in ipairs(list) do
      if known[1]:lower() == pair[1]:lower() then at = i end
    end
    list[at] = { pair[1], value }
  end
  if o.content_type then list[#list + 1] = { "Content-Type", o.content_type } end
  if o.account then list[#list + 1] = { "Auth-trading-api", o.account.api_token } end
  if o.cookies then list[#list + 1] = { "Cookie", o.cookies } end
  return list
end

-- ---- answers -------------------------------------------------------------------------------------

---@return string|nil broker_id, table|nil err
function login.read_platform_details(body)
  local value, err = values.body(body, "platform-details")
  if not value then return nil, err end
  local id = text(value.partnerId)
  if not id then return wrong("platform-details: partnerId is missing") end
  return id
end

-- The system of an account row: brokers differ in where it stands.
local function system_of(row, offer)
  for _, system in ipairs({ object(offer.system), object(row.system), object(object(row.account).system) }) do
    if text(system.uuid) then return system end
  end
  return {}
end

local function read_account(row)
  local offer = object(row.offer)
  local system = system_of(row, offer)
  return {
    id = text(row.tradingAccountId),
    uuid = text(row.uuid),
    api_token = text(row.tradingApiToken),
    account_token = text(object(row.tradingAccountToken).token),
    currency = text(offer.currency) or text(row.currency),
    leverage = values.count(values.double(row.leverage) or offer.leverage, math.floor) or 0,
    demo = offer.demo == true or system.demo == true,
    system = text(system.uuid),
    group = text(row.group) or "",
  }
end

local function lists_of(value)
  local list = {}
  for _, key in ipairs({ "tradingAccounts", "accounts" }) do
    for _, row in ipairs(values.is_array(value[key]) and value[key] or {}) do list[#list + 1] = row end
  end
  list[#list + 1] = value.selectedTradingAccount
  list[#list + 1] = value.selectedAccount
  return list
end

---@class perigee.LoginAnswer
---@field token string|nil  nil: it is in the co-auth cookie
---@field accounts table[]  id, uuid, api_token, account_token, currency, leverage, demo, system, group
---@field tfa true|nil      the broker asks for a second factor

--- What a login (or a refresh that answers in full) says.
---@return perigee.LoginAnswer|nil, table|nil err
function login.read_login(body)
  local value, err = values.body(body, "login")
  if not value then return nil, err end
  if value[1] ~= nil then value = { accounts = value } end -- the list alone
  local accounts, seen = {}, {}
  for _, row in ipairs(lists_of(value)) do
    -- What a row lacks may stand in another row of the same account.
    local account = type(row) == "table" and read_account(row) or {}
    local known = account.id and seen[account.id]
    if known then
      for key, v in pairs(account) do
        if not known[key] or known[key] == "" or known[key] == 0 then known[key] = v end
      end
    elseif account.id then
      seen[account.id] = account
      accounts[#accounts + 1] = account
    end
  end
  local token, only = text(value.token), accounts[1]
  if #accounts == 1 and not only.api_token then only.api_token = text(value.tradingToken) end
  local tfa = object(value.tfaConfig).isEnabledForSignIn == true and #accounts == 0 or nil
  if #accounts == 0 and not token and not tfa then
    local words = answer.reason(body)
    if words ~= "" then return wrong("login: " .. words) end
  end
  return { token = token, accounts = accounts, tfa = tfa }
end

--- The token that a refresh answered in its body, if any.
---@return string|nil
function login.read_refresh(body)
  if not body or body == "" then return nil end
  local value = json.decode(body)
  return type(value) == "table" and text(value.token) or nil
end

local base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

--- Market ms at which a JWT expires, or nil when the token is none or does not say.
---@param token string|nil
---@return integer|nil
function login.token_expiry(token)
  local payload = token and token:match("^[%w_-]+%.([%w_-]+)%.[%w_-]*$")
  if not payload then return nil end
  local bits, count, out = 0, 0, {}
  for c in payload:gmatch(".") do
    bits = (bits << 6 | (base64url:find(c, 1, true) - 1)) & 0xffffff
    count = count + 6
    if count >= 8 then
      count = count - 8
      out[#out + 1] = string.char(bits >> count & 0xff)
    end
  end
  local claims = json.decode(table.concat(out))
  local exp = type(claims) == "table" and values.double(claims.exp)
  return exp and math.tointeger(math.floor(exp * 1000)) or nil
end

-- 2000-01-01: a cookie that ended before is one that is taken back, whatever anybody's clock says.
local LONG_AGO = 946684800000

local function attribute(line, name)
  for key, value in line:gmatch(";%s*([^=;%s]+)%s*=%s*([^;]*)") do
    if key:lower() == name then return (value:gsub("%s+$", "")) end
  end
  return nil
end

--- Name, value and path of a Set-Cookie line. The value is nil when the cookie is taken back.
---@param line string
---@return string|nil name, string|nil value, string|nil path
function login.read_cookie(line)
  local name, value = line:match("^%s*([^=;%s]+)%s*=%s*([^;]*)")
  if not name then return nil end
  value = value:gsub("%s+$", "")
  local age, ends = tonumber(attribute(line, "max-age")), answer.http_date(attribute(line, "expires"))
  if value == "" or age and age <= 0 or not age and ends and ends < LONG_AGO then value = nil end
  local path = attribute(line, "path")
  return name, value, path and path:match("^/%S*$") or "/"
end

return login
