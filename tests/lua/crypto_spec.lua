-- SPDX-License-Identifier: MIT
local crypto = require("perigee.crypto")
local task = require("perigee.task")

local quick = { ops = 1, mem_kib = 64 }

describe("crypto", function()
  it("hashes and verifies passwords", function()
    task.run(function()
      local hash = assert(crypto.password_hash("correct horse", quick))
      assert.matches("^%$argon2id%$", hash)
      assert.not_equal(hash, crypto.password_hash("correct horse", quick))
      assert.is_true(crypto.password_verify(hash, "correct horse"))
      assert.is_false(crypto.password_verify(hash, "correct horsf"))
      assert.is_false(crypto.password_verify(hash, ""))
      for _, odd in ipairs({ "", "x", "$argon2id$", ("a"):rep(500), hash:sub(1, -2) }) do
        assert.is_false(crypto.password_verify(odd, "correct horse"))
      end
      assert.is_false(crypto.needs_rehash(hash, quick))
      assert.is_true(crypto.needs_rehash(hash))
      assert.is_true(crypto.needs_rehash("nonsense"))
    end)
  end)

  it("hashes off the loop, several at once, and survives a cancelled caller", function()
    task.run(function()
      local turns, done = 0, false
      local ticker = task.spawn(function() while not done do turns = turns + 1 task.yield() end end)
      local given_up = task.spawn(function() return crypto.password_hash("gone") end)
      task.yield()
      given_up:cancel()
      local results = task.all({
        function() return crypto.password_hash("a") end,
        function() return crypto.password_hash("b") end,
      })
      done = true
      ticker:join()
      assert.is_true(results[1].ok and results[2].ok)
      assert.is_true(crypto.password_verify(results[1][1], "a"))
      assert.is_true(turns > 10)
    end)
  end)

  it("seals, and opens nothing that was changed or belongs elsewhere", function()
    local key = crypto.key()
    for _, plain in ipairs({ "", "p", "with\0nul", ("x"):rep(1 << 20) }) do
      local sealed = crypto.seal(key, plain, "password:paper:a@b.c")
      assert.equal(#plain + 41, #sealed)
      assert.equal(plain, crypto.open(key, sealed, "password:paper:a@b.c"))
      assert.not_equal(sealed, crypto.seal(key, plain, "password:paper:a@b.c"))
      local function refused(k, text, bound)
        local got, err = crypto.open(k, text, bound)
        assert.is_nil(got)
        assert.equal("sealed", err.code)
      end
      refused(crypto.key(), sealed, "password:paper:a@b.c")
      refused(key, sealed, "password:paper:a@b.d")
      refused(key, sealed, "")
      refused(key, sealed:sub(1, -2), "password:paper:a@b.c")
      refused(key, sealed .. "x", "password:paper:a@b.c")
      refused(key, "", "password:paper:a@b.c")
      for _, at in ipairs({ 1, 2, 20, #sealed }) do
        local byte = string.char(sealed:byte(at) ~ 1)
        refused(key, sealed:sub(1, at - 1) .. byte .. sealed:sub(at + 1), "password:paper:a@b.c")
      end
    end
    assert.has_error(function() crypto.seal("short", "x", "y") end)
  end)

  it("derives keys, hashes, compares", function()
    assert.equal(32, #crypto.derive("a secret text"))
    assert.equal(crypto.derive("a secret text"), crypto.derive("a secret text"))
    assert.not_equal(crypto.derive("a secret text"), crypto.derive("a secret texu"))
    assert.has_error(function() crypto.derive("") end)
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", crypto.sha256("abc"))
    -- RFC 7693's function with 32 bytes of output, by b2sum -l 256
    assert.equal("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319", crypto.hash("abc"))
    assert.is_true(crypto.equal("abc", "abc"))
    assert.is_false(crypto.equal("abc", "abd"))
    assert.is_false(crypto.equal("abc", "abcd"))
  end)

  it("writes and reads base64, makes tokens", function()
    for _, bytes in ipairs({ "", "f", "fo", "foo", "\0\255" }) do
      assert.equal(bytes, crypto.unbase64(crypto.base64(bytes)))
    end
    assert.equal("Zm8=", crypto.base64("fo"))
    for _, bad in ipairs({ "Zm8", "Zm8=x", "!!!!", "Zm 8=" }) do assert.is_nil(crypto.unbase64(bad)) end
    assert.equal(43, #crypto.token())
    assert.matches("^[%w_%-]+$", crypto.token(200))
    assert.not_equal(crypto.token(), crypto.token())
    assert.has_error(function() crypto.token(0) end)
  end)
end)
