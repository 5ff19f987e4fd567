/* SPDX-License-Identifier: MIT
 *
 * perigee.market: the way in for feeds (quotes, prints, depth, time, history) and plain reads.
 *
 * The market has one listener for the whole state, which hands bars to the functions of on_bar by
 * protected calls; one that fails is logged and called again next time.
 */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "script/bind.h"
#include "script/domain.h"
#include "script/task.h"

#define MAX_BARS 10000

static const char hub_key;    /* registry: struct hub; its uservalue the functions of on_bar */
static const char thread_key; /* registry: coroutine for the calls */

struct hub {
    lua_State *thread;
    struct market *market; /* where it listens; NULL: nowhere */
    int handle;
    int symbol; /* of the bar being told */
    int64_t timeframe;
    const struct bar *bar;
};

static struct market *market_of(lua_State *L)
{
    return BIND_SERVICE(L, market);
}

static int check_symbol(lua_State *L, struct market *m, int arg)
{
    lua_Integer i = luaL_checkinteger(L, arg);
    luaL_argcheck(L, i >= 0 && i < market_symbol_count(m), arg, "unknown index of a symbol");
    return (int)i;
}

static int answer(lua_State *L, int rc, const char *message)
{
    if (rc != 0)
        return push_err(L, rc, message, "market", "no");
    lua_pushboolean(L, 1);
    return 1;
}

static int symbol_add(lua_State *L)
{
    struct market *m = market_of(L);
    const char *name = luaL_checkstring(L, 1);
    double point = luaL_optnumber(L, 2, 0);
    luaL_argcheck(L, isfinite(point) && point >= 0, 2, "the value of a point must not be negative");
    struct err e = {0};
    int index = market_symbol_add(m, name, point, &e);
    if (index < 0)
        return luaL_error(L, "%s", e.message);
    lua_pushinteger(L, index);
    return 1;
}

static int symbol(lua_State *L)
{
    int index = market_symbol(market_of(L), luaL_checkstring(L, 1));
    if (index < 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, index);
    return 1;
}

static int name(lua_State *L)
{
    struct market *m = market_of(L);
    lua_pushstring(L, market_symbol_name(m, check_symbol(L, m, 1)));
    return 1;
}

static int bars_from_quotes(lua_State *L)
{
    struct market *m = market_of(L);
    luaL_checktype(L, 2, LUA_TBOOLEAN);
    market_bars_from_quotes(m, check_symbol(L, m, 1), lua_toboolean(L, 2));
    return 0;
}

/* quote(index, t, bid, ask) -> true | nil, err (crossed, not finite) */
static int quote(lua_State *L)
{
    struct market *m = market_of(L);
    int index = check_symbol(L, m, 1);
    struct quote q = {.time_ms = luaL_checkinteger(L, 2),
                      .bid = luaL_checknumber(L, 3),
                      .ask = luaL_checknumber(L, 4)};
    return answer(L, market_quote(m, index, &q), "the quote is crossed or out of range");
}

static enum bar_side opt_side(lua_State *L, const char *text)
{
    enum bar_side side = bar_side_parse(text);
    if (side == BAR_SIDE_NONE && strcmp(text, "none") != 0)
        luaL_error(L, "recorded, modelled, tick_rule or none expected, got \"%s\"", text);
    return side;
}

/* print(index, t, price, volume, buy, side) -> true | nil, err */
static int print(lua_State *L)
{
    struct market *m = market_of(L);
    int index = check_symbol(L, m, 1);
    lua_Integer buy = luaL_optinteger(L, 5, 0);
    luaL_argcheck(L, buy >= -1 && buy <= 1, 5, "+1, -1 or 0 expected");
    struct print p = {.time_ms = luaL_checkinteger(L, 2),
                      .price = luaL_checknumber(L, 3),
                      .volume = luaL_checknumber(L, 4),
                      .buy = (int)buy,
                      .side = opt_side(L, luaL_optstring(L, 6, "none"))};
    return answer(L, market_print(m, index, &p), "the print's price or volume is out of range");
}

/* The point of a symbol's book. A symbol without depth yet gets its book by depth that is older
 * than everything, which the market drops. */
static double book_point_of(lua_State *L, struct market *m, int index)
{
    struct err e = {0};
    if (!market_book(m, index))
        (void)market_depth(m, index, INT64_MIN, NULL, 0, NULL, 0, &e);
    const struct book *b = market_book(m, index);
    if (!b)
        luaL_error(L, "market.depth: %s", e.message);
    return book_point(b);
}

/* depth(index, t, bids, asks) -> true | nil, err; flat arrays of price, size */
static int depth(lua_State *L)
{
    struct market *m = market_of(L);
    int index = check_symbol(L, m, 1);
    lua_Integer t = luaL_checkinteger(L, 2);
    struct book_level bids[DOMAIN_MAX_LEVELS], asks[DOMAIN_MAX_LEVELS];
    double point = book_point_of(L, m, index);
    size_t bid_count = domain_check_levels(L, 3, point, bids);
    size_t ask_count = domain_check_levels(L, 4, point, asks);
    struct err e = {0};
    int rc = market_depth(m, index, t, bids, bid_count, asks, ask_count, &e);
    return answer(L, rc, e.message);
}

static int advance(lua_State *L)
{
    struct market *m = market_of(L);
    market_advance(m, luaL_checkinteger(L, 1));
    return 0;
}

static int warm(lua_State *L)
{
    static const char *const names[] = {"open_ms", "open",   "high",       "low",
                                        "close",   "volume", "buy_volume", "sell_volume",
                                        "prints",  "side",   "close_ms",   NULL};
    struct market *m = market_of(L);
    int index = check_symbol(L, m, 1);
    int64_t timeframe = domain_check_timeframe(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    domain_only(L, 3, "bar", names);
    lua_settop(L, 3);
    struct bar bar = {.open_ms = domain_integer(L, 3, "bar", "open_ms", 0),
                      .open = domain_number(L, 3, "bar", "open", 0),
                      .high = domain_number(L, 3, "bar", "high", 0),
                      .low = domain_number(L, 3, "bar", "low", 0),
                      .close = domain_number(L, 3, "bar", "close", 0),
                      .volume = domain_number(L, 3, "bar", "volume", 0),
                      .buy_volume = domain_number(L, 3, "bar", "buy_volume", 0),
                      .sell_volume = domain_number(L, 3, "bar", "sell_volume", 0)};
    lua_Integer prints = domain_integer(L, 3, "bar", "prints", 1);
    luaL_argcheck(L, prints >= 0 && prints <= UINT32_MAX, 3, "bar.prints is out of range");
    bar.prints = (uint32_t)prints;
    bar.side = (uint8_t)opt_side(L, domain_opt_string(L, 3, "bar", "side", "none"));
    luaL_argcheck(L,
                  bar.low > 0 && bar.low <= bar.open && bar.low <= bar.close &&
                      bar.high >= bar.open && bar.high >= bar.close,
                  3, "the bar's prices contradict each other");
    return answer(L, market_warm(m, index, timeframe, &bar),
                  "history must come oldest first and before live bars");
}

static void push_bar(lua_State *L, const struct bar *b, int64_t timeframe)
{
    lua_createtable(L, 0, 11);
    domain_set_integer(L, "open_ms", b->open_ms);
    domain_set_integer(L, "close_ms", b->open_ms + timeframe);
    domain_set_number(L, "open", b->open);
    domain_set_number(L, "high", b->high);
    domain_set_number(L, "low", b->low);
    domain_set_number(L, "close", b->close);
    domain_set_number(L, "volume", b->volume);
    domain_set_number(L, "buy_volume", b->buy_volume);
    domain_set_number(L, "sell_volume", b->sell_volume);
    domain_set_integer(L, "prints", (lua_Integer)b->prints);
    domain_set_string(L, "side", bar_side_name((enum bar_side)b->side));
}

/* last_quote(index) -> bid, ask, t | nil */
static int last_quote(lua_State *L)
{
    struct market *m = market_of(L);
    struct quote q;
    if (!market_last_quote(m, check_symbol(L, m, 1), &q)) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushnumber(L, q.bid);
    lua_pushnumber(L, q.ask);
    lua_pushinteger(L, q.time_ms);
    return 3;
}

/* bars(index, timeframe, count) -> array, oldest first */
static int bars(lua_State *L)
{
    struct market *m = market_of(L);
    int index = check_symbol(L, m, 1);
    int64_t timeframe = domain_check_timeframe(L, 2);
    lua_Integer count = luaL_checkinteger(L, 3);
    luaL_argcheck(L, count >= 0 && count <= MAX_BARS, 3, "0 to 10000 bars");
    const struct series *s = market_series(m, index, timeframe);
    luaL_argcheck(L, s != NULL, 2, "the market keeps 1s, 1m, 5m and 15m");
    size_t n = series_count(s);
    if (n > (size_t)count)
        n = (size_t)count;
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        push_bar(L, series_at(s, n - 1 - i), timeframe);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int forming(lua_State *L)
{
    struct market *m = market_of(L);
    int64_t timeframe = domain_check_timeframe(L, 2);
    struct bar b;
    if (market_forming(m, check_symbol(L, m, 1), timeframe, &b))
        push_bar(L, &b, timeframe);
    else
        lua_pushnil(L);
    return 1;
}

static int time_of(lua_State *L)
{
    lua_pushinteger(L, market_time(market_of(L)));
    return 1;
}

static int imbalance(lua_State *L)
{
    struct market *m = market_of(L);
    const struct book *b = market_book(m, check_symbol(L, m, 1));
    lua_Integer n = luaL_optinteger(L, 2, 10);
    luaL_argcheck(L, n >= 1, 2, "at least one level");
    double x;
    if (b && book_imbalance(b, (size_t)n, &x))
        lua_pushnumber(L, x);
    else
        lua_pushnil(L);
    return 1;
}

static int spread_bps(lua_State *L)
{
    struct market *m = market_of(L);
    const struct book *b = market_book(m, check_symbol(L, m, 1));
    double x;
    if (b && book_spread_bps(b, &x))
        lua_pushnumber(L, x);
    else
        lua_pushnil(L);
    return 1;
}

/* ---- listening ---- */

/* Protected: makes the bar's table and calls every function. */
static int dispatch(lua_State *L)
{
    const struct hub *hub = lua_touserdata(L, 1);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &hub_key) != LUA_TUSERDATA)
        return 0;
    lua_getiuservalue(L, 2, 1); /* 3: functions */
    push_bar(L, hub->bar, hub->timeframe);
    lua_Integer count = (lua_Integer)lua_rawlen(L, 3);
    int index = hub->symbol;
    const char *frame = bar_timeframe_name(hub->timeframe);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, 3, i);
        lua_pushinteger(L, index);
        lua_pushstring(L, frame);
        lua_pushvalue(L, 4);
        domain_call(L, 3, 0, "market");
    }
    return 0;
}

static void heard_bar(void *arg, int index, int64_t timeframe, const struct bar *closed)
{
    struct hub *hub = arg;
    lua_State *T = hub->thread;
    struct hub outer = *hub;
    if (!lua_checkstack(T, 8))
        return;
    hub->symbol = index;
    hub->timeframe = timeframe;
    hub->bar = closed;
    lua_pushcfunction(T, dispatch);
    lua_pushlightuserdata(T, hub);
    domain_call(T, 1, 0, "market");
    hub->symbol = outer.symbol;
    hub->timeframe = outer.timeframe;
    hub->bar = outer.bar;
}

static int hub_gc(lua_State *L)
{
    struct hub *hub = lua_touserdata(L, 1);
    if (hub->market)
        market_unlisten(hub->market, hub->handle);
    hub->market = NULL;
    return 0;
}

static void push_hub(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &hub_key) == LUA_TUSERDATA)
        return;
    lua_pop(L, 1);
    struct market *m = market_of(L);
    lua_State *thread = domain_thread(L, &thread_key);
    struct hub *hub = lua_newuserdatauv(L, sizeof *hub, 1);
    *hub = (struct hub){.thread = thread};
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, hub_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &hub_key);
    struct market_listener listener = {.arg = hub, .on_bar = heard_bar};
    int handle = market_listen(m, &listener);
    if (handle < 0) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &hub_key);
        luaL_error(L, "perigee.market: the market takes no further listener");
    }
    hub->handle = handle;
    hub->market = m;
}

/* on_bar(fn(index, timeframe_name, bar)); for the life of the state */
static int on_bar(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    push_hub(L);
    lua_getiuservalue(L, 2, 1);
    lua_pushvalue(L, 1);
    lua_rawseti(L, 3, (lua_Integer)lua_rawlen(L, 3) + 1);
    return 0;
}

int luaopen_perigee_market(lua_State *L)
{
    static const luaL_Reg functions[] = {{"symbol_add", symbol_add},
                                         {"symbol", symbol},
                                         {"name", name},
                                         {"bars_from_quotes", bars_from_quotes},
                                         {"quote", quote},
                                         {"print", print},
                                         {"depth", depth},
                                         {"advance", advance},
                                         {"warm", warm},
                                         {"last_quote", last_quote},
                                         {"bars", bars},
                                         {"forming", forming},
                                         {"time", time_of},
                                         {"imbalance", imbalance},
                                         {"spread_bps", spread_bps},
                                         {"on_bar", on_bar},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
