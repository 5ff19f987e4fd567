-- SPDX-License-Identifier: MIT
-- The probe's pure parts: nothing secret is written down, differences from the protocol are found and named, and
-- what is measured is what was there. The whole of it is tests/e2e/probe_test.

local expect = require "perigee.probe.expect"
local json = require "perigee.json"
local redact = require "perigee.probe.redact"
local report = require "perigee.probe.report"

describe("the transcript of a probe", function()
  local r
  before_each(function()
    r = redact.new()
    r:learn('s3"c&t pass')
    r:learn("ann+1@example.org")
    r:learn("api-token-880011")
  end)

  local function body(text) return json.encode(r:body(text, "application/json")) end

  it("keeps shapes and figures", function()
    assert.equal('{"balance":"100.50","currency":"USD","margin":null,"open":true,"rows":[{"id":"W1","volume":0.1}]}',
      body('{"balance":"100.50","currency":"USD","margin":null,"open":true,"rows":[{"id":"W1","volume":0.1}]}'))
    assert.equal("[]", body("[]"))
    assert.equal("{}", body("{}"))
    assert.equal('{"rows":[]}', body('{"rows":[]}'))
    assert.is_nil(r:body("", nil))
    assert.is_nil(r:body(nil, nil))
  end)

  it("hides what members of telling names hold, deep inside and in lists", function()
    assert.equal('{"PASSWORD":"***","accessToken":"***","email":"***","list":[{"tradingApiToken":"***"}],'
      .. '"phoneNumber":"***","tokens":["***","***"]}',
      body('{"PASSWORD":"a","accessToken":"b","email":"c","list":[{"tradingApiToken":"d"}],"phoneNumber":123,'
        .. '"tokens":["e","f"]}'))
    assert.equal('{"accountInfo":{"anything":{"deep":"***"},"guest":false,"number":"***"}}',
      body('{"accountInfo":{"anything":{"deep":"x"},"guest":false,"number":5}}'))
    assert.equal('{"name":"***","offer":{"currency":"USD"},"surname":"***"}',
      body('{"name":"Ann","surname":"Example","offer":{"currency":"USD"}}'))
  end)

  it("hides secrets that are known and what looks like one, wherever they turn up", function()
    assert.equal('{"errorMessage":"*** with *** is wrong"}',
      body('{"errorMessage":"ann+1@example.org with s3\\"c&t pass is wrong"}'))
    assert.equal('{"x":"got ***"}', body('{"x":"got api-token-880011"}'))
    assert.equal('{"x":"***"}', body('{"x":"eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3NTI1NzQ1MDB9.c2ln"}'))
    assert.equal('{"x":"mail to ***"}', body('{"x":"mail to someone.else@example.co.uk"}'))
    assert.equal('{"***":1}', body('{"ann+1@example.org":1}'))
  end)

  it("hides what odd names hold, however they are spelt", function()
    for _, name in ipairs({ "pass_word", "Pass-Word", "userPwd", "PIN", "sid", "rt", "credentials", "apiKey", "api_key",
      "clientSecret", "csrf-token", "sessionId", "session_key", "E_Mail", "eMailAddress", "first_name", "FirstName",
      "date_of_birth", "otp", "tfaCode", "x-auth", "signature", "mobile_number", "accountHolder", "user_name" }) do
      assert.equal('"***"', body(json.encode { [name] = "abc" }):match(":(.*)}$"), name)
      assert.equal('"***"', body(json.encode { a = { { [name] = 12 } } }):match(':("%*%*%*")}%]}$'), name)
    end
    assert.equal('{"sessionOpen":"true","symbol":"EURUSD","tradingHours":[]}',
      body('{"sessionOpen":"true","symbol":"EURUSD","tradingHours":[]}'))
  end)

  it("looks into texts that are JSON, and hides what is a secret as a number, and long keys by their looks", function()
    r:learn("880011")
    assert.equal([[{"data":"{\"in\":\"[{\\\"password\\\":\\\"***\\\"}]\",\"n\":1}"}]],
      body([[{"data":"{\"in\":\"[{\\\"password\\\":\\\"x\\\"}]\",\"n\":1}"}]]))
    assert.equal('{"a":"***","b":["***"]}', body('{"a":880011,"b":[880011]}'))
    assert.equal('{"x":"is ***"}', body('{"x":"is 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"}'))
    local kept = '{"id":"W6910422326264457","uid":"W6910422326264457_close1",'
      .. '"uuid":"11111111-2222-3333-4444-555555555555","x":"2020-08-19T07:54:11.936Z"}'
    assert.equal(kept, body(kept))
    assert.equal('{"x":"/u/***/y"}', body('{"x":"/u/someone%40example.org/y"}'))
  end)

  it("hides the queries of addresses in headers", function()
    assert.same({ { "Location", "https://x.example/login?token=***&a=1" }, { "Link", "</n?session=***>; rel=next" } },
      r:headers { { "Location", "https://x.example/login?token=abc&a=1" }, { "Link", "</n?session=abc>; rel=next" } })
    assert.equal("/x?%65mail=***&symbols=EURUSD,XAUUSD", r:path("/x?%65mail=abc&symbols=EURUSD,XAUUSD"))
  end)

  it("keeps nothing of what is no JSON", function()
    assert.same({ bytes = 25, kind = "text/html" }, r:body("<html>s3\"c&t pass</html>x", "text/html; charset=utf-8"))
    assert.same({ bytes = 5, kind = "no type" }, r:body("plain", nil))
    assert.same({ bytes = 30, kind = "application/x-www-form-urlencoded" },
      r:body("password=s3%22c%26t%20pass&x=1", "application/x-www-form-urlencoded"))
  end)

  it("keeps names and attributes of cookies, and of keys only that they were there", function()
    assert.same({ { "Set-Cookie", "co-auth=***; Path=/; HttpOnly" }, { "Cookie", "co-auth=***; rt=***" },
      { "Auth-trading-api", "***" }, { "X-Browser-Id", "***" }, { "X-Api-Key", "***" }, { "X-Session", "***" },
      { "Date", "Tue, 15 Jul 2025 10:00:00 GMT" }, { "X-Note", "for ***" } },
      r:headers { { "Set-Cookie", "co-auth=abc.def; Path=/; HttpOnly" }, { "Cookie", "co-auth=abc; rt=def" },
        { "Auth-trading-api", "zzz" }, { "X-Browser-Id", "zzz" }, { "X-Api-Key", "zzz" }, { "X-Session", "zzz" },
        { "Date", "Tue, 15 Jul 2025 10:00:00 GMT" }, { "X-Note", "for ann+1@example.org" } })
  end)

  it("hides the e-mail in a query, however it is written", function()
    assert.equal("/manager/login-v2?partnerId=1&email=***",
      r:path("/manager/login-v2?partnerId=1&email=ann%2B1%40example.org"))
    assert.equal("/x?who=***", r:path("/x?who=ann%2b1%40example.org"))
    assert.equal("/quotations?symbols=EURUSD", r:path("/quotations?symbols=EURUSD"))
  end)
end)

describe("the comparison with the protocol", function()
  local function lines(call, text) return expect.lines(call, expect.compare(call, json.decode(text))) end

  it("finds nothing in what is documented", function()
    for _, name in ipairs({ "session", "reads", "book" }) do
      for _, t in ipairs(dofile("tests/transcripts/" .. name .. ".lua")) do
        local call = ({ open_positions = "positions", closed_positions = "closed", active_orders = "orders",
          platform_details = "platform-details", refresh = "renewal" })[t.call] or t.call
        if t.documented and t.answer.body ~= "" then
          local d = expect.compare(call, json.decode(t.answer.body))
          assert.same({}, d.unexpected, t.name)
          assert.same({}, d.missing, t.name)
          assert.same({}, d.wrong, t.name)
        end
      end
    end
  end)

  it("names what is missing, what has another type, and what nobody knows", function()
    assert.same({ "balance: equity is object instead of num", "balance: balance is missing",
      "balance: vip is not known (boolean)",
      "balance: 7 members that may be missing are: credit, currency, currencyPrecision, freeMargin, marginLevel, "
        .. "netProfit, profit" }, lines("balance", '{"equity":{"a":1},"margin":"","vip":true}'))
    assert.same({ "quotations: [].bid is text instead of num", "quotations: [].ask is missing in 1 of 2",
      "quotations: [].depth is not known (list)",
      "quotations: 6 members that may be missing are: [].alias, [].change, [].high, [].low, [].timestampMs (in some), "
        .. "[].timestampSec" }, lines("quotations", '[{"symbol":"A","bid":"x","ask":1,"timestampMs":5},{"symbol":"B",'
        .. '"bid":1,"depth":[]}]'))
  end)

  it("takes either family of keys, and tells a list that stands inside something", function()
    local account = '{"tradingAccountId":"1","tradingApiToken":"t","tradingAccountToken":{},"offer":{"currency":"USD",'
      .. '"system":{"uuid":"u"}}}'
    local d = expect.compare("login", json.decode('{"token":"t","accounts":[' .. account .. '],"selectedAccount":'
      .. account .. "}"))
    assert.same({}, d.missing)
    d = expect.compare("login", json.decode('{"token":"t","tradingAccounts":[' .. account .. "]}"))
    assert.same({ selectedTradingAccount = 1, selectedAccount = 1 }, d.missing)
    assert.same({ ["instruments"] = "a list inside instruments instead of a bare one" },
      expect.compare("instruments", json.decode '{"instruments":[]}').wrong)
    assert.same({ answer = "object instead of list" }, expect.compare("instruments", json.decode '{"x":1}').wrong)
    assert.same({ [""] = "list instead of object" }, expect.compare("balance", json.decode "[1]").wrong)
  end)

  it("counts how figures are written", function()
    local d = expect.compare("balance", json.decode '{"balance":"1","equity":2,"margin":"3"}')
    assert.equal(2, d.texts)
    assert.equal(1, d.numbers)
  end)
end)

describe("the measurements of a probe", function()
  local function exchange(begun_ms, elapsed_ms, date, headers)
    return { call = "x", begun_ms = begun_ms, elapsed_us = elapsed_ms * 1000, date = date, headers = headers or {} }
  end

  local TEN = 1752573600000 -- 2025-07-15T10:00:00Z

  it("know the broker's clock as well as whole seconds allow", function()
    -- Asked at 10:00:00.900, answered within 100 ms, stamped 10:00:03: it is 2.0 to 3.1 s ahead.
    assert.same({ 2000, 3100 },
      { report.skew { exchange(TEN + 900, 100, "Tue, 15 Jul 2025 10:00:03 GMT") } })
    -- A second one narrows it.
    assert.same({ 2400, 3100 }, { report.skew { exchange(TEN + 900, 100, "Tue, 15 Jul 2025 10:00:03 GMT"),
      exchange(TEN + 1500, 100, "Tue, 15 Jul 2025 10:00:04 GMT") } })
    assert.is_nil((report.skew { exchange(TEN, 1) }))
    assert.is_nil((report.skew {}))
  end)

  it("have a middle", function()
    assert.same({ least = 1, middle = 2, most = 9, count = 3 },
      report.latency { exchange(0, 9), exchange(0, 1), exchange(0, 2) })
    assert.is_nil(report.latency {})
  end)

  it("show the headers that speak of limits", function()
    assert.same({ "retry-after: 7", "x-ratelimit-remaining: 499 498" }, report.limits {
      exchange(0, 1, nil, { { "X-RateLimit-Remaining", "499" }, { "Content-Type", "x" } }),
      exchange(0, 1, nil, { { "x-ratelimit-remaining", "498" }, { "Retry-After", "7" } }) })
  end)
end)
