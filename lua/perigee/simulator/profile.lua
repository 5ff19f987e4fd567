-- SPDX-License-Identifier: MIT
-- How the paper broker speaks: brokers of this platform differ in types, names and answers, and each of these
-- differences is a word here. "mixed,cookie=optional" -> { typing = "mixed", cookie = "optional", ... }.

local profile = {}

---@class perigee.SimProfile
---@field typing string    "strings" | "numbers" | "mixed"
---@field keys string      "door" | "tradingAccounts" | "accounts": names in a login's answer
---@field cookie string    "required" | "optional"
---@field refresh string   "cookie" | "token" | "full" | "401"
---@field fifth string     "429" | "401": the fifth renewal in an hour
---@field cancel string    "json" | "errorcode" | "204"
---@field edit string      "json" | "empty": the answer to an edit of a pending order
---@field ids string       "letter" | "digits"
---@field message string   "empty" | "null": errorMessage of what went well
---@field order string     "position" | "own": the order id of an open is the position's, or another

-- The first value of each is the default. In this order they are documented.
---@type { key: string, values: string[], text: string }[]
profile.words = {
  { key = "typing", values = { "strings", "numbers", "mixed" },
    text = "figures of the trading engine: texts, numbers, or each drawn anew (then levels of none are missing, null, "
      .. "\"\" or \"0\")" },
  { key = "keys", values = { "door", "tradingAccounts", "accounts" },
    text = "names in the answer of a login: as its door has them, or always these" },
  { key = "cookie", values = { "required", "optional" }, text = "whether the co-auth cookie is looked at" },
  { key = "refresh", values = { "cookie", "token", "full", "401" },
    text = "answer of a renewal: empty with cookies, the token in the body alone, a whole login, never" },
  { key = "fifth", values = { "429", "401" }, text = "answer to the fifth renewal in an hour" },
  { key = "cancel", values = { "json", "errorcode", "204" },
    text = "answer of a cancel: operation, OK with an errorCode that means nothing, empty" },
  { key = "edit", values = { "json", "empty" }, text = "answer to an edit of a pending order" },
  { key = "ids", values = { "letter", "digits" }, text = "ids of orders and positions: W and 16 digits, or 16 digits" },
  { key = "message", values = { "empty", "null" }, text = "errorMessage of what went well" },
  { key = "order", values = { "position", "own" },
    text = "whether the order id of an open is the id of its position" },
}

local key_of = {}
for _, word in ipairs(profile.words) do
  for _, value in ipairs(word.values) do key_of[word.key .. "=" .. value] = word.key end
end
for _, value in ipairs(profile.words[1].values) do key_of[value] = "typing" end

--- The profile of no words.
---@return perigee.SimProfile
function profile.default()
  local out = {}
  for _, word in ipairs(profile.words) do out[word.key] = word.values[1] end
  return out
end

local function known()
  local names = {}
  for i, word in ipairs(profile.words) do
    names[i] = i == 1 and table.concat(word.values, ", ") or word.key .. "=" .. table.concat(word.values, "|")
  end
  return table.concat(names, ", ")
end

--- Reads words separated by commas or spaces. `base`: what they change; nil: the default.
---@param text string
---@param base? perigee.SimProfile
---@return perigee.SimProfile|nil, table|nil err
function profile.read(text, base)
  local out = profile.default()
  for key, value in pairs(base or {}) do out[key] = value end
  for word in text:gmatch("[^,%s]+") do
    local key = key_of[word]
    if not key then
      return nil, { code = "usage", source = "sim", retry = "no",
        message = ("the profile word %s is unknown; known are %s"):format(word, known()) }
    end
    out[key] = word:match("=(.+)$") or word
  end
  return out
end

--- The words that say a profile, for people.
---@param p perigee.SimProfile
---@return string
function profile.text(p)
  local out = {}
  for i, word in ipairs(profile.words) do
    local value = p[word.key] or word.values[1]
    if i == 1 then
      out[1] = value
    elseif value ~= word.values[1] then
      out[#out + 1] = word.key .. "=" .. value
    end
  end
  return table.concat(out, ",")
end

return profile
