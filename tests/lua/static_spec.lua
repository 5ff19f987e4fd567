-- SPDX-License-Identifier: MIT
local fs = require("perigee.fs")
local http = require("perigee.http")
local httpd = require("perigee.httpd")
local rng = require("perigee.rng")
local static = require("perigee.server.static")
local task = require("perigee.task")

local root = "/tmp/perigee-static-" .. rng.token(6)
local dist = root .. "/dist"

local function write(name, text)
  assert(fs.mkdir((dist .. "/" .. name):match("^(.*)/")))
  assert(fs.replace(dist .. "/" .. name, text))
end

local function value(headers, name)
  local found
  for _, h in ipairs(headers) do
    if h[1] == name then
      assert.is_nil(found)
      found = h[2]
    end
  end
  return found
end

-- What a server answers to a request with these headers (names in small letters).
local function ask(s, path, headers, method)
  local status, out, body = s:answer(method or "GET", path, function(name) return (headers or {})[name] end)
  return status, out, body
end

describe("static", function()
  local s

  setup(function()
    write("index.html", "<!doctype html>index")
    write("index.html.gz", "index gzip")
    write("theme.js", "theme")
    write("icon.svg", "<svg/>")
    write("icon.svg.gz", "<svg/>")
    write("assets/index-BQ3_x-9z.js", "code")
    write("assets/index-BQ3_x-9z.js.br", "code br")
    write("assets/index-BQ3_x-9z.js.gz", "code gzip")
    write("assets/index-DDDDDDDD.css", "style")
    write("assets/face.woff2", "font")
    write("assets/alone.gz", "archive")
    write(".hidden", "hidden")
    write("odd name.js", "odd")
    assert(fs.replace(root .. "/secret.txt", "secret"))
    for link, target in pairs({ ["secret.txt"] = "../secret.txt", up = "..", ["same.html"] = "index.html",
      ["assets/loop"] = "." }) do
      assert(os.execute(("ln -s %s %s/%s"):format(target, dist, link)))
    end
    s = static.new({ folder = dist })
  end)

  teardown(function() os.execute("rm -rf " .. root) end)

  it("serves files with their types", function()
    for path, wanted in pairs({
      ["/index.html"] = "text/html; charset=utf-8", ["/theme.js"] = "text/javascript; charset=utf-8",
      ["/icon.svg"] = "image/svg+xml", ["/assets/index-DDDDDDDD.css"] = "text/css; charset=utf-8",
      ["/assets/face.woff2"] = "font/woff2", ["/assets/alone.gz"] = "application/octet-stream",
    }) do
      local status, headers, body = ask(s, path)
      assert.equal(200, status)
      assert.equal(wanted, value(headers, "Content-Type"))
      assert.is_true(#body > 0)
      assert.equal("nosniff", value(headers, "X-Content-Type-Options"))
      assert.matches("frame%-ancestors 'none'", value(headers, "Content-Security-Policy"))
      assert.equal("same-origin", value(headers, "Referrer-Policy"))
      assert.equal("same-origin", value(headers, "Cross-Origin-Opener-Policy"))
    end
  end)

  it("answers the application's paths with its one page", function()
    for path in ("/ /users /trading /history /login /analytics /settings /strategies /risk /audit"):gmatch("%S+") do
      local status, headers, body = ask(s, path)
      assert.equal(200, status)
      assert.equal("<!doctype html>index", body)
      assert.equal("no-cache", value(headers, "Cache-Control"))
    end
  end)

  it("lets hashed names be kept for ever, and nothing else", function()
    local forever = "public, max-age=31536000, immutable"
    for path, wanted in pairs({
      ["/assets/index-BQ3_x-9z.js"] = forever, ["/assets/index-DDDDDDDD.css"] = forever,
      ["/assets/face.woff2"] = "no-cache", ["/theme.js"] = "no-cache", ["/index.html"] = "no-cache",
    }) do
      local _, headers = ask(s, path)
      assert.equal(wanted, value(headers, "Cache-Control"))
    end
  end)

  it("chooses the form that the browser accepts", function()
    local code = "/assets/index-BQ3_x-9z.js"
    for _, case in ipairs({
      { nil, nil, "code" }, { "", nil, "code" }, { "identity", nil, "code" }, { "br", "br", "code br" },
      { "gzip, deflate, br", "br", "code br" }, { "gzip", "gzip", "code gzip" }, { "GZIP", "gzip", "code gzip" },
      { "br;q=0, gzip;q=0.5", "gzip", "code gzip" }, { "br;q=0.2,gzip ; q=0.9", "gzip", "code gzip" },
      { "br;q=0,gzip;q=0", nil, "code" }, { "*", "br", "code br" }, { "*;q=0", nil, "code" },
      { "*, br;q=0", "gzip", "code gzip" }, { "identity;q=1, br;q=0.5", nil, "code" },
      { "deflate, zstd", nil, "code" }, { "identity;q=0", nil, "code" }, { "identity;q=0, gzip", "gzip", "code gzip" },
      { "br;q=broken", nil, "code" }, { ";;,=,q", nil, "code" }, { "br;q=1e9999", nil, "code" },
    }) do
      local status, headers, body = ask(s, code, { ["accept-encoding"] = case[1] })
      assert.equal(200, status)
      assert.equal(case[2], value(headers, "Content-Encoding"))
      assert.equal(case[3], body)
      assert.equal("Accept-Encoding", value(headers, "Vary"))
    end
    local _, headers, body = ask(s, "/index.html", { ["accept-encoding"] = "br, gzip" })
    assert.equal("gzip", value(headers, "Content-Encoding"))
    assert.equal("index gzip", body)
  end)

  it("gives each form a strong tag of its content", function()
    local code, seen = "/assets/index-BQ3_x-9z.js", {}
    for _, coding in ipairs({ "identity", "gzip", "br" }) do
      local _, headers = ask(s, code, { ["accept-encoding"] = coding })
      local tag = value(headers, "ETag")
      assert.matches('^"%x+.*"$', tag)
      assert.is_nil(seen[tag])
      seen[tag] = true
    end
    local _, plain = ask(s, "/icon.svg")
    local _, packed = ask(s, "/icon.svg", { ["accept-encoding"] = "gzip" })
    assert.not_equal(value(plain, "ETag"), value(packed, "ETag"))
    local before = static.new({ folder = dist })
    write("theme.js", "other")
    local after = static.new({ folder = dist })
    write("theme.js", "theme")
    local function tag(server, path)
      local _, headers = ask(server, path)
      return value(headers, "ETag")
    end
    assert.equal(tag(s, "/theme.js"), tag(before, "/theme.js"))
    assert.not_equal(tag(s, "/theme.js"), tag(after, "/theme.js"))
    assert.equal(tag(s, "/icon.svg"), tag(after, "/icon.svg"))
  end)

  it("answers 304 when the browser has it already", function()
    local _, headers = ask(s, "/")
    local tag = value(headers, "ETag")
    for _, given in ipairs({ tag, "W/" .. tag, '"x", ' .. tag .. ', "y"', "*" }) do
      local status, again, body = ask(s, "/", { ["if-none-match"] = given })
      assert.equal(304, status)
      assert.equal("", body)
      assert.equal(tag, value(again, "ETag"))
      assert.equal("no-cache", value(again, "Cache-Control"))
      assert.equal("Accept-Encoding", value(again, "Vary"))
    end
    for _, given in ipairs({ '"x"', tag:gsub('"', ""), "" }) do
      assert.equal(200, (ask(s, "/", { ["if-none-match"] = given })))
    end
    assert.equal(200, (ask(s, "/", { ["if-none-match"] = tag, ["accept-encoding"] = "gzip" })))
  end)

  it("serves names that it has found, and no others", function()
    for _, path in ipairs({ "/assets/../index.html", "/assets/none.js", "/assets/", "/assets/index-BQ3_x-9z.js.br",
      "/assets/%2e%2e/index.html", "/assets/face.woff2\0", "/assets//face.woff2",
      "/assets/loop/face.woff2" }) do
      local status, headers, body = ask(s, path)
      assert.equal(404, status)
      assert.equal("no-store", value(headers, "Cache-Control"))
      assert.not_matches("index", body)
    end
    for _, path in ipairs({ "", "index.html", "//", "/index.html/", "/users/", "/users/1", "/../secret.txt",
      "/secret.txt", "/up/secret.txt", "/.hidden", "/odd name.js", "/index.html.gz", "/api/v1/health", "/ws/trading",
      "/etc/passwd", "/INDEX.HTML" }) do
      assert.is_nil((ask(s, path)))
    end
    assert.equal("<!doctype html>index", select(3, ask(s, "/same.html")))
  end)

  it("allows GET and HEAD", function()
    assert.equal(200, (ask(s, "/", nil, "HEAD")))
    for _, method in ipairs({ "POST", "PUT", "DELETE", "OPTIONS", "get" }) do
      local status, headers = ask(s, "/", nil, method)
      assert.equal(405, status)
      assert.equal("GET, HEAD", value(headers, "Allow"))
    end
    assert.is_nil((ask(s, "/api/v1/users", nil, "POST")))
  end)

  it("says how to build what is not built", function()
    for _, folder in ipairs({ root .. "/none", root .. "/empty" }) do
      assert(fs.mkdir(root .. "/empty"))
      local empty = static.new({ folder = folder })
      assert.is_false(empty.built)
      local status, headers, body = ask(empty, "/users")
      assert.equal(503, status)
      assert.matches("make build", body)
      assert.equal("no-store", value(headers, "Cache-Control"))
      assert.is_nil((ask(empty, "/theme.js")))
    end
    assert.is_true(s.built)
  end)

  it("fits the server: HEAD has a length and no body", function()
    task.run(function()
      local server <close> = assert(httpd.listen({ handler = function(req)
        return s:answer(req:method(), req:path(), function(name) return req:header(name) end)
      end }))
      local base = "http://" .. server:address()
      local got = assert(http.request({ url = base .. "/trading" }))
      assert.equal("<!doctype html>index", got.body)
      local head = assert(http.request({ method = "HEAD", url = base .. "/trading" }))
      assert.same({ 200, "", tostring(#got.body) }, { head.status, head.body, head:header("content-length") })
      local again = assert(http.request({ url = base .. "/trading",
        headers = { { "If-None-Match", got:header("etag") } } }))
      assert.same({ 304, "" }, { again.status, again.body })
    end)
  end)
end)
