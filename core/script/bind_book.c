/* SPDX-License-Identifier: MIT
 *
 * perigee.book: an order book of one symbol. Prices go in and out as numbers and are kept as
 * points.
 */
#include <lauxlib.h>
#include <math.h>

#include "book/book.h"
#include "script/bind.h"
#include "script/domain.h"
#include "script/task.h"

#define BOOK_META "perigee.book"

struct book_box {
    struct book *book; /* NULL: closed */
};

static struct book *check_book(lua_State *L)
{
    struct book_box *box = luaL_checkudata(L, 1, BOOK_META);
    if (!box->book)
        luaL_error(L, "the book is closed");
    return box->book;
}

static enum book_side check_side(lua_State *L, int arg)
{
    static const char *const names[] = {"bid", "ask", NULL};
    return luaL_checkoption(L, arg, NULL, names) == 0 ? BOOK_BID : BOOK_ASK;
}

static int64_t check_points(lua_State *L, int arg, double point)
{
    double points = round(domain_check_finite(L, arg) / point);
    luaL_argcheck(L, fabs(points) < 9e15, arg, "the price is out of range");
    return (int64_t)points;
}

static int new_book(lua_State *L)
{
    double point = domain_check_finite(L, 1);
    lua_Integer levels = luaL_optinteger(L, 2, DOMAIN_MAX_LEVELS);
    luaL_argcheck(L, point > 0, 1, "the value of a point must be above 0");
    luaL_argcheck(L, levels >= 1 && levels <= 100000, 2, "1 to 100000 levels");
    struct book_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->book = NULL;
    luaL_setmetatable(L, BOOK_META);
    struct err e = {0};
    box->book = book_new(point, (size_t)levels, &e);
    if (!box->book)
        return luaL_error(L, "%s", e.message);
    return 1;
}

static int book_gc(lua_State *L)
{
    struct book_box *box = luaL_checkudata(L, 1, BOOK_META);
    if (box->book)
        book_free(box->book);
    box->book = NULL;
    return 0;
}

/* B:snapshot(time_ms, bids, asks) -> true | nil, err */
static int snapshot(lua_State *L)
{
    struct book *b = check_book(L);
    struct book_level bids[DOMAIN_MAX_LEVELS], asks[DOMAIN_MAX_LEVELS];
    lua_Integer time_ms = luaL_checkinteger(L, 2);
    size_t bid_count = domain_check_levels(L, 3, book_point(b), bids);
    size_t ask_count = domain_check_levels(L, 4, book_point(b), asks);
    struct err e = {0};
    if (book_snapshot(b, time_ms, bids, bid_count, asks, ask_count, &e) != 0)
        return push_err(L, e.code, e.message, "book", "no");
    lua_pushboolean(L, 1);
    return 1;
}

/* B:update(time_ms, side, price, size) -> true | nil, err */
static int update(lua_State *L)
{
    struct book *b = check_book(L);
    lua_Integer time_ms = luaL_checkinteger(L, 2);
    enum book_side side = check_side(L, 3);
    int64_t price = check_points(L, 4, book_point(b));
    double size = domain_check_finite(L, 5);
    luaL_argcheck(L, size >= 0, 5, "a size of 0 or more");
    int rc = book_update(b, time_ms, side, price, size);
    if (rc != 0)
        return push_err(L, rc, "the book does not take this level", "book", "no");
    lua_pushboolean(L, 1);
    return 1;
}

static int push_measure(lua_State *L, bool there, double x)
{
    if (there)
        lua_pushnumber(L, x);
    else
        lua_pushnil(L);
    return 1;
}

static int imbalance(lua_State *L)
{
    struct book *b = check_book(L);
    lua_Integer n = luaL_optinteger(L, 2, 10);
    luaL_argcheck(L, n >= 1, 2, "at least one level");
    double x = 0;
    bool there = book_imbalance(b, (size_t)n, &x);
    return push_measure(L, there, x);
}

static int spread_bps(lua_State *L)
{
    double x = 0;
    bool there = book_spread_bps(check_book(L), &x);
    return push_measure(L, there, x);
}

static int mid(lua_State *L)
{
    double x = 0;
    bool there = book_mid(check_book(L), &x);
    return push_measure(L, there, x);
}

static int microprice(lua_State *L)
{
    double x = 0;
    bool there = book_microprice(check_book(L), &x);
    return push_measure(L, there, x);
}

/* B:level(side, i) -> price, size | nil; 1 is the best */
static int level(lua_State *L)
{
    struct book *b = check_book(L);
    enum book_side side = check_side(L, 2);
    lua_Integer i = luaL_checkinteger(L, 3);
    struct book_level at;
    if (i < 1 || !book_level_at(b, side, (size_t)i - 1, &at)) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushnumber(L, (double)at.price * book_point(b));
    lua_pushnumber(L, at.size);
    return 2;
}

static int depth(lua_State *L)
{
    struct book *b = check_book(L);
    lua_pushinteger(L, (lua_Integer)book_depth(b, check_side(L, 2)));
    return 1;
}

static int time_of(lua_State *L)
{
    lua_pushinteger(L, book_time(check_book(L)));
    return 1;
}

static int clear(lua_State *L)
{
    book_clear(check_book(L));
    return 0;
}

int luaopen_perigee_book(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", new_book}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"snapshot", snapshot},     {"update", update}, {"imbalance", imbalance},
        {"spread_bps", spread_bps}, {"mid", mid},       {"microprice", microprice},
        {"level", level},           {"depth", depth},   {"time", time_of},
        {"clear", clear},           {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", book_gc}, {"__close", book_gc}, {NULL, NULL}};
    if (luaL_newmetatable(L, BOOK_META)) {
        luaL_setfuncs(L, meta, 0);
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
