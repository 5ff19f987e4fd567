/* SPDX-License-Identifier: MIT
 *
 * perigee.crypto: libsodium. Passwords of operators are hashed on libuv's thread pool, because one
 * hash takes tens of milliseconds; everything else is quick and done at once.
 *
 * A sealed text is a version byte, a random nonce, and XChaCha20-Poly1305 of the plain text with
 * the associated data that it is bound to: bytes copied to another record do not open there.
 */
#include <lauxlib.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "script/bind.h"
#include "script/domain.h"
#include "script/task.h"

#define SEAL_VERSION 1
#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define KEY crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define TOKEN_MAX 256       /* bytes of entropy */
#define PASSWORD_MAX 4096   /* bytes */
#define OPS_MAX 16          /* passes of Argon2 */
#define MEM_MAX_KIB 1048576 /* of Argon2 */

/* ---- passwords, on the thread pool ---- */

struct password_job {
    uv_work_t work;
    struct task_op *op;                /* NULL: the task does not wait any more */
    bool verify;                       /* else: hash */
    bool matches;                      /* result of verify */
    unsigned long long ops;            /* passes */
    size_t memory;                     /* bytes */
    int status;                        /* 0, or ERR_NOMEM */
    char hash[crypto_pwhash_STRBYTES]; /* in or out; NUL-terminated */
    size_t size;                       /* of the password */
    char password[];                   /* wiped before it is freed */
};

static void on_work(uv_work_t *work)
{
    struct password_job *j = work->data;
    if (j->verify)
        j->matches = crypto_pwhash_str_verify(j->hash, j->password, j->size) == 0;
    else if (crypto_pwhash_str(j->hash, j->password, j->size, j->ops, j->memory) != 0)
        j->status = ERR_NOMEM;
}

static void job_free(struct password_job *j)
{
    sodium_memzero(j->password, j->size);
    free(j);
}

static void on_worked(uv_work_t *work, int status)
{
    struct password_job *j = work->data;
    if (j->op == NULL) {
        job_free(j);
        return;
    }
    struct task_op *op = j->op;
    j->op = NULL;
    op->status = status != 0 ? ERR_CANCELLED : j->status;
    task_ready(op);
}

static int password_push(lua_State *L, struct task_op *op)
{
    const struct password_job *j = op->data;
    if (op->status != 0)
        return push_err(L, op->status, "a password could not be hashed: not enough memory",
                        "crypto", "safe");
    if (j->verify)
        lua_pushboolean(L, j->matches);
    else
        lua_pushstring(L, j->hash);
    return 1;
}

/* The thread may be at work: the job frees itself when it comes back. */
static void password_cancel(struct task_op *op)
{
    struct password_job *j = op->data;
    j->op = NULL;
    op->data = NULL;
    (void)uv_cancel((uv_req_t *)&j->work);
}

static void password_release(struct task_op *op)
{
    if (op->data != NULL)
        job_free(op->data);
    op->data = NULL;
}

/* Options {ops=, mem_kib=} at index; libsodium's interactive limits are the default. */
static void read_limits(lua_State *L, int index, unsigned long long *ops, size_t *memory)
{
    static const char *const fields[] = {"ops", "mem_kib", NULL};
    *ops = crypto_pwhash_OPSLIMIT_INTERACTIVE;
    *memory = crypto_pwhash_MEMLIMIT_INTERACTIVE;
    if (lua_isnoneornil(L, index))
        return;
    luaL_checktype(L, index, LUA_TTABLE);
    domain_only(L, index, "limits", fields);
    lua_Integer passes = domain_integer(L, index, "limits", "ops", (lua_Integer)*ops);
    lua_Integer kib = domain_integer(L, index, "limits", "mem_kib", (lua_Integer)(*memory / 1024));
    luaL_argcheck(L, passes >= 1 && passes <= OPS_MAX, index, "ops is 1 to 16");
    luaL_argcheck(L, kib >= 8 && kib <= MEM_MAX_KIB, index, "mem_kib is 8 to 1048576");
    *ops = (unsigned long long)passes;
    *memory = (size_t)kib * 1024;
}

static int password_start(lua_State *L, struct password_job *model, const char *password, size_t n)
{
    struct loop *loop = BIND_SERVICE(L, loop);
    struct task_op *op = task_begin(L, "crypto.password");
    struct password_job *j = calloc(1, sizeof *j + n);
    if (j == NULL) {
        task_abandon(op);
        return push_err(L, ERR_NOMEM, "out of memory for a password", "crypto", "safe");
    }
    *j = *model;
    j->size = n;
    memcpy(j->password, password, n);
    j->work.data = j;
    int rc = uv_queue_work(&loop->uv, &j->work, on_work, on_worked);
    if (rc != 0) {
        job_free(j);
        task_abandon(op);
        return push_err(L, ERR_FAILED, uv_strerror(rc), "crypto", "safe");
    }
    j->op = op;
    *op = (struct task_op){
        .push = password_push, .cancel = password_cancel, .release = password_release, .data = j};
    return task_wait(L, op);
}

/* password_hash(password[, {ops=, mem_kib=}]) -> "$argon2id$..."; yields */
static int l_password_hash(lua_State *L)
{
    struct password_job model = {0};
    size_t n;
    const char *password = luaL_checklstring(L, 1, &n);
    luaL_argcheck(L, n <= PASSWORD_MAX, 1, "a password has at most 4096 bytes");
    read_limits(L, 2, &model.ops, &model.memory);
    return password_start(L, &model, password, n);
}

/* password_verify(hash, password) -> boolean; yields. Whatever is no hash does not match. */
static int l_password_verify(lua_State *L)
{
    struct password_job model = {.verify = true};
    size_t hash_size, n;
    const char *hash = luaL_checklstring(L, 1, &hash_size);
    const char *password = luaL_checklstring(L, 2, &n);
    luaL_argcheck(L, n <= PASSWORD_MAX, 2, "a password has at most 4096 bytes");
    if (hash_size < sizeof model.hash)
        memcpy(model.hash, hash, hash_size);
    return password_start(L, &model, password, n);
}

static int l_needs_rehash(lua_State *L)
{
    unsigned long long ops;
    size_t n, memory;
    char hash[crypto_pwhash_STRBYTES] = {0};
    const char *text = luaL_checklstring(L, 1, &n);
    read_limits(L, 2, &ops, &memory);
    if (n < sizeof hash)
        memcpy(hash, text, n);
    lua_pushboolean(L, crypto_pwhash_str_needs_rehash(hash, ops, memory) != 0);
    return 1;
}

/* ---- keys and sealing ---- */

static void secret(lua_State *L, void *out, size_t n)
{
    if (rng_secret(host_of(L)->services.entropy, out, n) != 0)
        luaL_error(L, "the kernel gives no random bytes");
}

static int l_key(lua_State *L)
{
    unsigned char key[KEY];
    secret(L, key, sizeof key);
    lua_pushlstring(L, (const char *)key, sizeof key);
    sodium_memzero(key, sizeof key);
    return 1;
}

/* A key from a text of any length. The text is a secret with enough entropy, no password. */
static int l_derive(lua_State *L)
{
    static const unsigned char personal[crypto_generichash_blake2b_PERSONALBYTES] = "perigee vault";
    unsigned char key[KEY];
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    luaL_argcheck(L, n > 0, 1, "a secret is not empty");
    crypto_generichash_blake2b_salt_personal(key, sizeof key, (const unsigned char *)text, n, NULL,
                                             0, NULL, personal);
    lua_pushlstring(L, (const char *)key, sizeof key);
    sodium_memzero(key, sizeof key);
    return 1;
}

static const unsigned char *check_key(lua_State *L, int arg)
{
    size_t n;
    const char *key = luaL_checklstring(L, arg, &n);
    luaL_argcheck(L, n == KEY, arg, "a key has 32 bytes");
    return (const unsigned char *)key;
}

static int l_seal(lua_State *L)
{
    size_t n, bound_size;
    unsigned long long sealed_size;
    const unsigned char *key = check_key(L, 1);
    const char *plain = luaL_checklstring(L, 2, &n);
    const char *bound = luaL_checklstring(L, 3, &bound_size);
    luaL_Buffer b;
    unsigned char *out = (unsigned char *)luaL_buffinitsize(L, &b, 1 + NONCE + n + TAG);
    out[0] = SEAL_VERSION;
    secret(L, out + 1, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        out + 1 + NONCE, &sealed_size, (const unsigned char *)plain, n,
        (const unsigned char *)bound, bound_size, NULL, out + 1, key);
    luaL_pushresultsize(&b, 1 + NONCE + (size_t)sealed_size);
    return 1;
}

static int refuse_sealed(lua_State *L, const char *why)
{
    push_err(L, ERR_INPUT, why, "crypto.open", "no");
    lua_pushliteral(L, "sealed");
    lua_setfield(L, -2, "code");
    return 2;
}

/* open(key, sealed, bound) -> plain text | nil, err with the code "sealed" */
static int l_open(lua_State *L)
{
    size_t n, bound_size;
    unsigned long long size = 0;
    const unsigned char *key = check_key(L, 1);
    const unsigned char *sealed = (const unsigned char *)luaL_checklstring(L, 2, &n);
    const char *bound = luaL_checklstring(L, 3, &bound_size);
    if (n < 1 + NONCE + TAG || sealed[0] != SEAL_VERSION)
        return refuse_sealed(L, "the sealed text is damaged or of another version");
    luaL_Buffer b;
    unsigned char *out = (unsigned char *)luaL_buffinitsize(L, &b, n);
    int rc = crypto_aead_xchacha20poly1305_ietf_decrypt(out, &size, NULL, sealed + 1 + NONCE,
                                                        n - 1 - NONCE, (const unsigned char *)bound,
                                                        bound_size, sealed + 1, key);
    if (rc != 0)
        return refuse_sealed(L,
                             "the sealed text was changed, belongs elsewhere or needs another key");
    luaL_pushresultsize(&b, (size_t)size);
    return 1;
}

/* ---- hashes and texts ---- */

static int push_hex(lua_State *L, const unsigned char *bytes, size_t n)
{
    luaL_Buffer b;
    char *out = luaL_buffinitsize(L, &b, 2 * n + 1);
    sodium_bin2hex(out, 2 * n + 1, bytes, n);
    luaL_pushresultsize(&b, 2 * n);
    return 1;
}

static int l_hash(lua_State *L)
{
    unsigned char out[32];
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    crypto_generichash(out, sizeof out, (const unsigned char *)text, n, NULL, 0);
    return push_hex(L, out, sizeof out);
}

static int l_sha256(lua_State *L)
{
    unsigned char out[crypto_hash_sha256_BYTES];
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    crypto_hash_sha256(out, (const unsigned char *)text, n);
    return push_hex(L, out, sizeof out);
}

/* Takes the same time wherever two texts of one length differ. */
static int l_equal(lua_State *L)
{
    size_t n, m;
    const char *a = luaL_checklstring(L, 1, &n);
    const char *b = luaL_checklstring(L, 2, &m);
    lua_pushboolean(L, n == m && sodium_memcmp(a, b, n) == 0);
    return 1;
}

static int encode(lua_State *L, const char *bytes, size_t n, int variant)
{
    luaL_Buffer b;
    size_t room = sodium_base64_encoded_len(n, variant);
    char *out = luaL_buffinitsize(L, &b, room);
    sodium_bin2base64(out, room, (const unsigned char *)bytes, n, variant);
    luaL_pushresultsize(&b, room - 1); /* without the NUL */
    return 1;
}

static int l_base64(lua_State *L)
{
    size_t n;
    const char *bytes = luaL_checklstring(L, 1, &n);
    return encode(L, bytes, n, sodium_base64_VARIANT_ORIGINAL);
}

/* unbase64(text) -> bytes, or nil when it is none */
static int l_unbase64(lua_State *L)
{
    size_t n, size;
    const char *text = luaL_checklstring(L, 1, &n);
    luaL_Buffer b;
    char *out = luaL_buffinitsize(L, &b, n / 4 * 3 + 3);
    if (sodium_base642bin((unsigned char *)out, n / 4 * 3 + 3, text, n, NULL, &size, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        lua_pushnil(L);
        return 1;
    }
    luaL_pushresultsize(&b, size);
    return 1;
}

static int l_token(lua_State *L)
{
    unsigned char bytes[TOKEN_MAX];
    lua_Integer n = luaL_optinteger(L, 1, 32);
    luaL_argcheck(L, n >= 1 && n <= TOKEN_MAX, 1, "a token has 1 to 256 bytes");
    secret(L, bytes, (size_t)n);
    encode(L, (const char *)bytes, (size_t)n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof bytes);
    return 1;
}

static const luaL_Reg functions[] = {
    {"password_hash", l_password_hash},
    {"password_verify", l_password_verify},
    {"needs_rehash", l_needs_rehash},
    {"key", l_key},
    {"derive", l_derive},
    {"seal", l_seal},
    {"open", l_open},
    {"hash", l_hash},
    {"sha256", l_sha256},
    {"equal", l_equal},
    {"base64", l_base64},
    {"unbase64", l_unbase64},
    {"token", l_token},
    {NULL, NULL},
};

int luaopen_perigee_crypto(lua_State *L)
{
    if (sodium_init() < 0)
        return luaL_error(L, "libsodium cannot start");
    luaL_newlib(L, functions);
    return 1;
}
