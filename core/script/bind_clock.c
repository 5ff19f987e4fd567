/* SPDX-License-Identifier: MIT
 *
 * perigee.clock: both clocks, and the market clock's modes. Times are integers.
 */
#include <lauxlib.h>

#include "script/bind.h"
#include "script/task.h"

static struct clock *check_clock(lua_State *L)
{
    return BIND_SERVICE(L, clock);
}

static int l_market_ms(lua_State *L)
{
    lua_pushinteger(L, clock_market_ms(check_clock(L)));
    return 1;
}

static int l_io_ms(lua_State *L)
{
    lua_pushinteger(L, clock_io_ns(check_clock(L)) / 1000000);
    return 1;
}

static int l_io_ns(lua_State *L)
{
    lua_pushinteger(L, clock_io_ns(check_clock(L)));
    return 1;
}

static int l_wall_ms(lua_State *L)
{
    lua_pushinteger(L, clock_wall_us(check_clock(L)) / 1000);
    return 1;
}

static int l_mode(lua_State *L)
{
    static const char *const names[] = {"wall", "scaled", "granted", "virtual"};
    lua_pushstring(L, names[check_clock(L)->mode]);
    return 1;
}

static int l_iso(lua_State *L)
{
    char text[32];
    lua_Integer ms = luaL_checkinteger(L, 1);
    luaL_argcheck(L, ms > -62135596800000 && ms < 253402300800000, 1,
                  "outside of the years 1 to 9999");
    clock_iso(ms, text);
    lua_pushstring(L, text);
    return 1;
}

static int l_parse(lua_State *L)
{
    int64_t ms;
    const char *text = luaL_checkstring(L, 1);
    if (clock_iso_parse(text, &ms) != 0) {
        lua_pushfstring(L, "\"%s\" is no ISO-8601 time such as 2022-01-01T00:00:00Z", text);
        return push_err(L, ERR_INPUT, lua_tostring(L, -1), "clock.parse", "no");
    }
    lua_pushinteger(L, ms);
    return 1;
}

static int l_scale(lua_State *L)
{
    struct clock *c = check_clock(L);
    struct loop *l = BIND_SERVICE(L, loop);
    lua_Integer ms = luaL_checkinteger(L, 1);
    lua_Number speed = luaL_checknumber(L, 2);
    luaL_argcheck(L, speed > 0 && speed <= 1e6, 2, "a speed is above 0 and at most 1000000");
    clock_scale(c, ms, speed);
    loop_market_rearm(l);
    return 0;
}

static int l_grant(lua_State *L)
{
    struct clock *c = check_clock(L);
    struct loop *l = BIND_SERVICE(L, loop);
    clock_grant(c, luaL_checkinteger(L, 1));
    loop_market_rearm(l);
    return 0;
}

static int l_advance(lua_State *L)
{
    struct loop *l = BIND_SERVICE(L, loop);
    loop_market_advance(l, luaL_checkinteger(L, 1));
    return 0;
}

static const luaL_Reg functions[] = {
    {"market_ms", l_market_ms}, {"io_ms", l_io_ms},     {"io_ns", l_io_ns}, {"wall_ms", l_wall_ms},
    {"mode", l_mode},           {"iso", l_iso},         {"parse", l_parse}, {"scale", l_scale},
    {"grant", l_grant},         {"advance", l_advance}, {NULL, NULL},
};

int luaopen_perigee_clock(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
