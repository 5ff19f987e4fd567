/* SPDX-License-Identifier: MIT
 *
 * perigee.sim, the book half. Decimals go in and out as strings; accounts are named by id.
 *
 *   S:account_add{id=, user=, currency=, leverage=, balance=} -> true | nil, err
 *   S:accounts() -> array of {id, user, currency, leverage, balance}
 *   S:money(account) -> {balance, equity, margin, free_margin, level, profit, net_profit} | nil,
 * err S:open_position(account, symbol, side, volume, stop, target) -> id | nil, code, text
 *   S:edit(account, id, symbol, side, stop, target)              -> true | nil, code, text
 *   S:close_position(account, id, symbol, side[, volume])        -> closing order id | nil, code,
 * text S:positions(account) -> array     S:closed(account, from_ms, to_ms) -> array
 */
#include <string.h>

#include "script/bind.h"
#include "script/domain.h"
#include "script/bind_sim.h"
#include "script/task.h"

static int check_account(lua_State *L, struct sim_box *box, int arg)
{
    int account = sim_account(box->sim, luaL_checkstring(L, arg));
    luaL_argcheck(L, account >= 0, arg, "no such account");
    return account;
}

static enum side check_side(lua_State *L, int arg)
{
    enum side side;
    if (side_parse(luaL_checkstring(L, arg), &side))
        luaL_argerror(L, arg, "BUY or SELL");
    return side;
}

static int account_add(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    struct sim_account a = {0};
    struct err e = {0};
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "id");
    lua_getfield(L, 2, "user");
    lua_getfield(L, 2, "currency");
    lua_getfield(L, 2, "leverage");
    lua_getfield(L, 2, "balance");
    snprintf(a.id, sizeof a.id, "%s", luaL_checkstring(L, 3));
    snprintf(a.user, sizeof a.user, "%s", luaL_checkstring(L, 4));
    snprintf(a.currency, sizeof a.currency, "%s", luaL_checkstring(L, 5));
    a.leverage = (int32_t)luaL_checkinteger(L, 6);
    a.balance = bind_check_decimal(L, 7);
    int rc = sim_account_add(box->sim, &a, &e);
    if (rc < 0)
        return push_err(L, rc, e.message, "sim", "no");
    lua_pushboolean(L, 1);
    return 1;
}

static int accounts(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int count = sim_account_count(box->sim);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        const struct sim_account *a = sim_account_at(box->sim, i);
        lua_createtable(L, 0, 5);
        domain_set_string(L, "id", a->id);
        domain_set_string(L, "user", a->user);
        domain_set_string(L, "currency", a->currency);
        domain_set_integer(L, "leverage", a->leverage);
        domain_set_decimal(L, "balance", a->balance);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int money(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    struct sim_money m;
    int rc = sim_money(box->sim, check_account(L, box, 2), &m);
    if (rc)
        return push_err(L, rc, "the account's money cannot be worked out", "sim", "no");
    lua_createtable(L, 0, 7);
    domain_set_decimal(L, "balance", m.balance);
    domain_set_decimal(L, "equity", m.equity);
    domain_set_decimal(L, "margin", m.margin);
    domain_set_decimal(L, "free_margin", m.free_margin);
    domain_set_decimal(L, "level", m.level);
    domain_set_decimal(L, "profit", m.profit);
    domain_set_decimal(L, "net_profit", m.net_profit);
    return 1;
}

/* nil, code, text of a refusal; code "IO" when the ledger could not be written. */
static int refused(lua_State *L, int rc, enum sim_reason why, const struct err *e)
{
    lua_pushnil(L);
    lua_pushstring(L, rc == ERR_STATE ? sim_reason_code(why) : "IO");
    lua_pushstring(L, rc == ERR_STATE ? sim_reason_text(why) : e->message);
    return 3;
}

static int open_position(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int account = check_account(L, box, 2);
    const char *symbol = luaL_checkstring(L, 3);
    enum side side = check_side(L, 4);
    decimal volume = bind_check_decimal(L, 5), stop = bind_check_decimal(L, 6),
            target = bind_check_decimal(L, 7);
    char id[32];
    enum sim_reason why = SIM_OK;
    struct err e = {0};
    int rc = sim_open(box->sim, account, symbol, side, volume, stop, target, id, &why, &e);
    if (rc)
        return refused(L, rc, why, &e);
    lua_pushstring(L, id);
    return 1;
}

static int edit(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int account = check_account(L, box, 2);
    const char *id = luaL_checkstring(L, 3), *symbol = luaL_checkstring(L, 4);
    enum side side = check_side(L, 5);
    decimal stop = bind_check_decimal(L, 6), target = bind_check_decimal(L, 7);
    enum sim_reason why = SIM_OK;
    struct err e = {0};
    int rc = sim_edit(box->sim, account, id, symbol, side, stop, target, &why, &e);
    if (rc)
        return refused(L, rc, why, &e);
    lua_pushboolean(L, 1);
    return 1;
}

static int close_position(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int account = check_account(L, box, 2);
    const char *id = luaL_checkstring(L, 3), *symbol = luaL_checkstring(L, 4);
    enum side side = check_side(L, 5);
    bool partial = !lua_isnoneornil(L, 6);
    decimal volume = partial ? bind_check_decimal(L, 6) : decimal_raw(0);
    struct sim_closed row;
    enum sim_reason why = SIM_OK;
    struct err e = {0};
    int rc = sim_close(box->sim, account, id, symbol, side, partial, volume, &row, &why, &e);
    if (rc)
        return refused(L, rc, why, &e);
    lua_pushstring(L, row.order);
    return 1;
}

static void push_position(lua_State *L, struct sim_box *box, const struct sim_position *p)
{
    decimal price, profit, commission;
    lua_createtable(L, 0, 12);
    domain_set_string(L, "id", p->id);
    domain_set_string(L, "symbol", sim_symbol_at(box->sim, p->symbol)->symbol);
    domain_set_string(L, "side", side_name(p->side));
    domain_set_decimal(L, "volume", p->volume);
    domain_set_decimal(L, "price", p->price);
    domain_set_decimal(L, "stop", p->stop);
    domain_set_decimal(L, "target", p->target);
    domain_set_integer(L, "opened_ms", p->opened_ms);
    if (sim_position_value(box->sim, p, &price, &profit, &commission) == 0) {
        domain_set_decimal(L, "current", price);
        domain_set_decimal(L, "profit", profit);
        domain_set_decimal(L, "commission", commission);
    }
}

static int positions(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int account = check_account(L, box, 2);
    size_t cursor = 0;
    const struct sim_position *p;
    lua_Integer n = 0;
    lua_newtable(L);
    while ((p = sim_position_next(box->sim, account, &cursor))) {
        push_position(L, box, p);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static int closed(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int account = check_account(L, box, 2);
    int64_t from = luaL_checkinteger(L, 3), to = luaL_checkinteger(L, 4);
    size_t cursor = 0;
    const struct sim_closed *c;
    lua_Integer n = 0;
    lua_newtable(L);
    while ((c = sim_closed_next(box->sim, account, from, to, &cursor))) {
        lua_createtable(L, 0, 16);
        domain_set_string(L, "id", c->id);
        domain_set_string(L, "uid", c->uid);
        domain_set_string(L, "order", c->order);
        domain_set_string(L, "symbol", sim_symbol_at(box->sim, c->symbol)->symbol);
        domain_set_string(L, "side", side_name(c->side));
        domain_set_decimal(L, "volume", c->volume);
        domain_set_decimal(L, "open_price", c->open_price);
        domain_set_decimal(L, "price", c->close_price);
        domain_set_decimal(L, "stop", c->stop);
        domain_set_decimal(L, "target", c->target);
        domain_set_decimal(L, "profit", c->profit);
        domain_set_decimal(L, "commission", c->commission);
        domain_set_decimal(L, "swap", c->swap);
        domain_set_integer(L, "opened_ms", c->opened_ms);
        domain_set_integer(L, "closed_ms", c->closed_ms);
        lua_pushboolean(L, c->partial);
        lua_setfield(L, -2, "partial");
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

const luaL_Reg sim_book_methods[] = {
    {"account_add", account_add},     {"accounts", accounts}, {"money", money},
    {"open_position", open_position}, {"edit", edit},         {"close_position", close_position},
    {"positions", positions},         {"closed", closed},     {NULL, NULL}};
