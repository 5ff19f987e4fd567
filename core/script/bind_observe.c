/* SPDX-License-Identifier: MIT
 *
 * What a policy read at the broker, handed to exec: rows of Lua tables become arrays of structs
 * whose strings stay the tables'. The arrays belong to the collector, so a raise leaks nothing.
 */
#include <lauxlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/codec.h"
#include "script/domain.h"
#include "script/observe.h"
#include "script/task.h"

#define MAX_ROWS 100000

static int answer(lua_State *L, int rc, const struct err *e)
{
    if (rc != 0)
        return push_err(L, rc, e->message, "exec", "no");
    lua_pushboolean(L, 1);
    return 1;
}

/* Pushes row i (1-based) of the array at 3 and checks its keys. */
static int push_row(lua_State *L, size_t i, const char *const *names)
{
    if (lua_rawgeti(L, 3, (lua_Integer)i) != LUA_TTABLE)
        luaL_error(L, "row %d is no table", (int)i);
    domain_only(L, -1, "row", names);
    return lua_gettop(L);
}

static size_t check_rows(lua_State *L)
{
    luaL_checktype(L, 3, LUA_TTABLE);
    size_t n = lua_rawlen(L, 3);
    luaL_argcheck(L, n <= MAX_ROWS, 3, "too many rows");
    lua_settop(L, 3);
    return n;
}

/* observe_positions(account, begun_io_ns, rows) -> true | nil, err */
int observe_positions(lua_State *L)
{
    static const char *const names[] = {"id",   "symbol", "side",      "volume", "price",
                                        "stop", "target", "opened_ms", NULL};
    struct exec *x = BIND_SERVICE(L, exec);
    codec_check_outside(L, "exec.observe_positions");
    int account = domain_check_account(L, 1);
    lua_Integer begun = luaL_checkinteger(L, 2);
    size_t n = check_rows(L);
    struct seen_position *rows = lua_newuserdatauv(L, (n ? n : 1) * sizeof *rows, 0);
    for (size_t i = 0; i < n; i++) {
        struct seen_position *r = &rows[i];
        int at = push_row(L, i + 1, names);
        r->id = domain_string(L, at, "row", "id");
        r->symbol = domain_string(L, at, "row", "symbol");
        r->side = domain_side(L, at, "row", "side");
        (void)domain_field_decimal(L, at, "row", "volume", &r->volume);
        (void)domain_field_decimal(L, at, "row", "price", &r->price);
        (void)domain_field_decimal(L, at, "row", "stop", &r->stop);
        (void)domain_field_decimal(L, at, "row", "target", &r->target);
        r->opened_ms = domain_integer(L, at, "row", "opened_ms", 0);
        lua_pop(L, 1);
    }
    struct err e = {0};
    return answer(L, exec_observe_positions(x, account, begun, rows, n, &e), &e);
}

/* observe_orders(account, begun_io_ns, rows) -> true | nil, err */
int observe_orders(lua_State *L)
{
    static const char *const names[] = {"id",    "symbol", "side",   "type",       "volume",
                                        "price", "stop",   "target", "created_ms", NULL};
    struct exec *x = BIND_SERVICE(L, exec);
    codec_check_outside(L, "exec.observe_orders");
    int account = domain_check_account(L, 1);
    lua_Integer begun = luaL_checkinteger(L, 2);
    size_t n = check_rows(L);
    struct seen_order *rows = lua_newuserdatauv(L, (n ? n : 1) * sizeof *rows, 0);
    for (size_t i = 0; i < n; i++) {
        struct seen_order *r = &rows[i];
        int at = push_row(L, i + 1, names);
        r->id = domain_string(L, at, "row", "id");
        r->symbol = domain_string(L, at, "row", "symbol");
        r->side = domain_side(L, at, "row", "side");
        if (order_type_parse(domain_string(L, at, "row", "type"), &r->type) != 0)
            r->type = ORDER_MARKET; /* exec tells it and leaves it out */
        (void)domain_field_decimal(L, at, "row", "volume", &r->volume);
        (void)domain_field_decimal(L, at, "row", "price", &r->price);
        (void)domain_field_decimal(L, at, "row", "stop", &r->stop);
        (void)domain_field_decimal(L, at, "row", "target", &r->target);
        r->created_ms = domain_integer(L, at, "row", "created_ms", 0);
        lua_pop(L, 1);
    }
    struct err e = {0};
    return answer(L, exec_observe_orders(x, account, begun, rows, n, &e), &e);
}

static void read_close(lua_State *L, int at, struct seen_close *r)
{
    r->id = domain_string(L, at, "row", "id");
    r->uid = domain_opt_string(L, at, "row", "uid", "");
    r->symbol = domain_string(L, at, "row", "symbol");
    r->side = domain_side(L, at, "row", "side");
    (void)domain_field_decimal(L, at, "row", "volume", &r->volume);
    (void)domain_field_decimal(L, at, "row", "open_price", &r->open_price);
    (void)domain_field_decimal(L, at, "row", "price", &r->price);
    (void)domain_field_decimal(L, at, "row", "stop", &r->stop);
    (void)domain_field_decimal(L, at, "row", "target", &r->target);
    (void)domain_field_decimal(L, at, "row", "profit", &r->profit);
    (void)domain_field_decimal(L, at, "row", "commission", &r->commission);
    (void)domain_field_decimal(L, at, "row", "swap", &r->swap);
    r->opened_ms = domain_integer(L, at, "row", "opened_ms", 0);
    r->closed_ms = domain_integer(L, at, "row", "closed_ms", 0);
    r->partial = domain_bool(L, at, "row", "partial");
}

/* observe_closed(account, begun_io_ns, rows) -> true | nil, err */
int observe_closed(lua_State *L)
{
    static const char *const names[] = {
        "id",     "uid",    "symbol",     "side", "volume",    "open_price", "price",   "stop",
        "target", "profit", "commission", "swap", "opened_ms", "closed_ms",  "partial", NULL};
    struct exec *x = BIND_SERVICE(L, exec);
    codec_check_outside(L, "exec.observe_closed");
    int account = domain_check_account(L, 1);
    lua_Integer begun = luaL_checkinteger(L, 2);
    size_t n = check_rows(L);
    struct seen_close *rows = lua_newuserdatauv(L, (n ? n : 1) * sizeof *rows, 0);
    for (size_t i = 0; i < n; i++) {
        int at = push_row(L, i + 1, names);
        read_close(L, at, &rows[i]);
        lua_pop(L, 1);
    }
    struct err e = {0};
    return answer(L, exec_observe_closed(x, account, begun, rows, n, &e), &e);
}

/* observe_balance(account, {balance=, equity=, margin=, free_margin=, currency=}) -> true | nil,
 * err
 */
int observe_balance(lua_State *L)
{
    static const char *const names[] = {"balance",     "equity",   "margin",
                                        "free_margin", "currency", NULL};
    struct exec *x = BIND_SERVICE(L, exec);
    codec_check_outside(L, "exec.observe_balance");
    int account = domain_check_account(L, 1);
    decimal d[4];
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    domain_only(L, 2, "balance", names);
    for (int i = 0; i < 4; i++) {
        if (!domain_field_decimal(L, 2, "balance", names[i], &d[i]))
            return luaL_error(L, "balance.%s: a decimal expected, got nil", names[i]);
    }
    const char *currency = domain_opt_string(L, 2, "balance", "currency", "");
    struct err e = {0};
    int rc = exec_observe_balance(x, account, d[0], d[1], d[2], d[3], &e);
    if (rc == 0)
        rc = exec_observe_currency(x, account, currency, &e);
    return answer(L, rc, &e);
}
