/* SPDX-License-Identifier: MIT
 *
 * perigee.rng: chance that replays (new) and secrets that must not (token), unless the whole
 * process does: then its host's services say where they come from.
 */
#include <lauxlib.h>

#include "base/rng.h"
#include "script/bind.h"

#define RNG_META "perigee.rng"
#define TOKEN_MAX 256 /* bytes */

static struct rng *check_rng(lua_State *L)
{
    return luaL_checkudata(L, 1, RNG_META);
}

static int l_new(lua_State *L)
{
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 1);
    const char *name = luaL_optstring(L, 2, NULL);
    struct rng *r = lua_newuserdatauv(L, sizeof *r, 0);
    luaL_setmetatable(L, RNG_META);
    if (name != NULL) {
        rng_seed_named(r, seed, name);
    } else {
        rng_seed(r, seed);
    }
    return 1;
}

static int r_uniform(lua_State *L)
{
    lua_pushnumber(L, rng_uniform(check_rng(L)));
    return 1;
}

static int r_range(lua_State *L)
{
    struct rng *r = check_rng(L);
    lua_Integer low = luaL_checkinteger(L, 2), high = luaL_checkinteger(L, 3);
    luaL_argcheck(L, low <= high, 3, "the range is empty");
    lua_pushinteger(L, rng_range(r, low, high));
    return 1;
}

static int r_normal(lua_State *L)
{
    lua_pushnumber(L, rng_normal(check_rng(L)));
    return 1;
}

static int r_exponential(lua_State *L)
{
    struct rng *r = check_rng(L);
    lua_Number mean = luaL_checknumber(L, 2);
    luaL_argcheck(L, mean > 0 && mean < 1e300, 2, "a mean is above 0");
    lua_pushnumber(L, rng_exponential(r, mean));
    return 1;
}

static int l_token(lua_State *L)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[TOKEN_MAX];
    char text[2 * TOKEN_MAX];
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 1 && n <= TOKEN_MAX, 1, "1 to 256 bytes");
    if (rng_secret(host_of(L)->services.entropy, bytes, (uint64_t)n) != 0) {
        return luaL_error(L, "the kernel gives no random bytes");
    }
    for (lua_Integer i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    lua_pushlstring(L, text, (size_t)(2 * n));
    return 1;
}

static const luaL_Reg methods[] = {
    {"uniform", r_uniform},         {"range", r_range}, {"normal", r_normal},
    {"exponential", r_exponential}, {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", l_new},
    {"token", l_token},
    {NULL, NULL},
};

int luaopen_perigee_rng(lua_State *L)
{
    luaL_newmetatable(L, RNG_META);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
