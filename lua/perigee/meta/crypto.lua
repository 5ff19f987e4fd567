---@meta perigee.crypto
-- SPDX-License-Identifier: MIT
-- luacheck: ignore

local crypto = {}

---Argon2id by libsodium, on the thread pool. Yields.
---@param password string up to 4096 bytes
---@param limits { ops: integer|nil, mem_kib: integer|nil }|nil libsodium's interactive limits when nil
---@return string|nil hash, perigee.Err|nil
function crypto.password_hash(password, limits) end
---Whatever is no hash does not match. Yields.
---@param hash string
---@param password string
---@return boolean|nil, perigee.Err|nil
function crypto.password_verify(hash, password) end
---@param hash string
---@param limits { ops: integer|nil, mem_kib: integer|nil }|nil
---@return boolean
function crypto.needs_rehash(hash, limits) end
---@return string key 32 random bytes
function crypto.key() end
---BLAKE2b of a secret text that has enough entropy of its own.
---@param secret string
---@return string key 32 bytes
function crypto.derive(secret) end
---XChaCha20-Poly1305 with a random nonce.
---@param key string 32 bytes
---@param plain string
---@param bound string what the sealed text belongs to; it opens with the same only
---@return string sealed 41 bytes longer than plain
function crypto.seal(key, plain, bound) end
---@param key string
---@param sealed string
---@param bound string
---@return string|nil plain, perigee.Err|nil code "sealed"
function crypto.open(key, sealed, bound) end
---@param text string
---@return string hex 64 digits of BLAKE2b-256
function crypto.hash(text) end
---@param text string
---@return string hex 64 digits
function crypto.sha256(text) end
---Takes the same time wherever two texts of one length differ.
---@param a string
---@param b string
---@return boolean
function crypto.equal(a, b) end
---@param bytes string
---@return string
function crypto.base64(bytes) end
---@param text string
---@return string|nil bytes nil: it is no base64
function crypto.unbase64(text) end
---@param n integer|nil bytes of entropy, 32 by default
---@return string text of A-Z a-z 0-9 _ -
function crypto.token(n) end

return crypto
