/* SPDX-License-Identifier: MIT
 *
 * ctx: what a strategy's handlers may ask. Reads of the market only; without a market (a check) the
 * answers are nil. The state belongs to one strategy, so the functions need no self.
 */
#include <lauxlib.h>
#include <string.h>

#include "script/strategy_inner.h"

#define MAX_BARS 10000

static struct strategy *self(lua_State *L)
{
    return strategy_of(L);
}

static int push_if(lua_State *L, bool there, double x)
{
    if (there)
        lua_pushnumber(L, x);
    else
        lua_pushnil(L);
    return 1;
}

/* ctx:value(name[, output 1..][, back 0..]) -> number | nil. Upvalue 1: handles by name. */
static int ctx_value(lua_State *L)
{
    struct strategy *s = self(L);
    luaL_checktype(L, 2, LUA_TSTRING);
    lua_Integer output = luaL_optinteger(L, 3, 1), back = luaL_optinteger(L, 4, 0);
    luaL_argcheck(L, output >= 1 && output <= TA_MAX_OUTPUTS, 3, "an output from 1 on");
    luaL_argcheck(L, back >= 0 && back <= 63, 4, "0 to 63 bars back");
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
        return luaL_error(L, "ctx:value: there is no indicator \"%s\"", lua_tostring(L, 2));
    int handle = (int)lua_tointeger(L, -1);
    double x = 0;
    bool there = s->m && market_indicator_value(s->m, handle, (size_t)output - 1, (size_t)back, &x);
    return push_if(L, there, x);
}

static int ctx_quote(lua_State *L)
{
    const struct strategy *s = self(L);
    struct quote q;
    if (!s->m || !market_last_quote(s->m, s->symbol_index, &q)) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushnumber(L, q.bid);
    lua_pushnumber(L, q.ask);
    lua_pushinteger(L, q.time_ms);
    return 3;
}

static const struct book *book_of(const struct strategy *s)
{
    return s->m ? market_book(s->m, s->symbol_index) : NULL;
}

static int ctx_imbalance(lua_State *L)
{
    lua_Integer n = luaL_optinteger(L, 2, 10);
    luaL_argcheck(L, n >= 1, 2, "at least one level");
    const struct book *b = book_of(self(L));
    double x = 0;
    bool there = b && book_imbalance(b, (size_t)n, &x);
    return push_if(L, there, x);
}

static int ctx_spread_bps(lua_State *L)
{
    const struct book *b = book_of(self(L));
    double x = 0;
    bool there = b && book_spread_bps(b, &x);
    return push_if(L, there, x);
}

static int ctx_microprice(lua_State *L)
{
    const struct book *b = book_of(self(L));
    double x = 0;
    bool there = b && book_microprice(b, &x);
    return push_if(L, there, x);
}

static void set_number(lua_State *L, int table, const char *name, double x)
{
    lua_pushnumber(L, x);
    lua_setfield(L, table, name);
}

static void set_integer(lua_State *L, int table, const char *name, lua_Integer x)
{
    lua_pushinteger(L, x);
    lua_setfield(L, table, name);
}

void strategy_fill_bar(lua_State *L, int table, const struct bar *b, int64_t timeframe)
{
    set_integer(L, table, "open_ms", b->open_ms);
    set_integer(L, table, "close_ms", b->open_ms + timeframe);
    set_number(L, table, "open", b->open);
    set_number(L, table, "high", b->high);
    set_number(L, table, "low", b->low);
    set_number(L, table, "close", b->close);
    set_number(L, table, "volume", b->volume);
    set_number(L, table, "buy_volume", b->buy_volume);
    set_number(L, table, "sell_volume", b->sell_volume);
    set_integer(L, table, "prints", (lua_Integer)b->prints);
    lua_pushstring(L, bar_side_name((enum bar_side)b->side));
    lua_setfield(L, table, "side");
}

/* ctx:bars(timeframe, count) -> array of copies, oldest first */
static int ctx_bars(lua_State *L)
{
    const struct strategy *s = self(L);
    const char *name = luaL_checkstring(L, 2);
    lua_Integer count = luaL_checkinteger(L, 3);
    int64_t frame = bar_timeframe_parse(name);
    luaL_argcheck(L, frame > 0, 2, "unknown timeframe");
    luaL_argcheck(L, count >= 0 && count <= MAX_BARS, 3, "0 to 10000 bars");
    const struct series *series = s->m ? market_series(s->m, s->symbol_index, frame) : NULL;
    size_t n = series ? series_count(series) : 0;
    if (n > (size_t)count)
        n = (size_t)count;
    lua_createtable(L, (int)n, 0);
    int list = lua_gettop(L);
    for (size_t i = 0; i < n; i++) {
        lua_createtable(L, 0, 11);
        strategy_fill_bar(L, list + 1, series_at(series, n - 1 - i), frame);
        lua_rawseti(L, list, (lua_Integer)i + 1);
    }
    return 1;
}

static int ctx_now(lua_State *L)
{
    const struct strategy *s = self(L);
    lua_pushinteger(L, s->m ? market_time(s->m) : 0);
    return 1;
}

static int ctx_log(lua_State *L)
{
    const struct strategy *s = self(L);
    log_write(s->log, LOG_INFO, "strategy", "%s: %.500s", s->instance, luaL_checkstring(L, 2));
    return 0;
}

void strategy_push_ctx(lua_State *L, int params, int names)
{
    static const luaL_Reg methods[] = {{"quote", ctx_quote},
                                       {"imbalance", ctx_imbalance},
                                       {"spread_bps", ctx_spread_bps},
                                       {"microprice", ctx_microprice},
                                       {"bars", ctx_bars},
                                       {"now", ctx_now},
                                       {"log", ctx_log},
                                       {NULL, NULL}};
    const struct strategy *s = self(L);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, names);
    lua_pushcclosure(L, ctx_value, 1);
    lua_setfield(L, -2, "value");
    lua_pushvalue(L, params);
    sandbox_freeze(L);
    lua_setfield(L, -2, "params");
    lua_pushstring(L, s->symbol);
    lua_setfield(L, -2, "symbol");
    lua_pushstring(L, s->instance);
    lua_setfield(L, -2, "instance");
    lua_newtable(L);
    lua_setfield(L, -2, "state");
    sandbox_freeze(L);
}
