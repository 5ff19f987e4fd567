/* SPDX-License-Identifier: MIT
 *
 * perigee.sim, the accounts and orders of its book; lists of it are in bind_sim_rows.c. Decimals go
 * in and out as strings; accounts are named by id. lua/perigee/meta/sim.lua has the signatures.
 *
 * An order gives nil, code, text when it is refused; the code is "IO" when the ledger could not be
 * written. hand_*: the same as a trade by hand at the broker's terminal.
 */
#include <string.h>

#include "script/bind.h"
#include "script/domain.h"
#include "script/bind_sim.h"
#include "script/task.h"

int sim_check_account(lua_State *L, struct sim_box *box, int arg)
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
        lua_createtable(L, 0, 6);
        domain_set_string(L, "id", a->id);
        domain_set_string(L, "user", a->user);
        domain_set_string(L, "currency", a->currency);
        domain_set_integer(L, "leverage", a->leverage);
        domain_set_decimal(L, "balance", a->balance);
        domain_set_decimal(L, "credit", a->credit);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int money(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    struct sim_money m;
    int rc = sim_money(box->sim, sim_check_account(L, box, 2), &m);
    if (rc)
        return push_err(L, rc, "the account's money cannot be worked out", "sim", "no");
    lua_createtable(L, 0, 9);
    domain_set_decimal(L, "balance", m.balance);
    domain_set_decimal(L, "credit", m.credit);
    domain_set_decimal(L, "equity", m.equity);
    domain_set_decimal(L, "margin", m.margin);
    domain_set_decimal(L, "free_margin", m.free_margin);
    domain_set_decimal(L, "level", m.level);
    domain_set_decimal(L, "profit", m.profit);
    domain_set_decimal(L, "net_profit", m.net_profit);
    domain_set_bool(L, "margin_call", m.margin_call);
    return 1;
}

static int deposit(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int account = sim_check_account(L, box, 2);
    struct err e = {0};
    return sim_done(L, sim_deposit(box->sim, account, bind_check_decimal(L, 3), &e), &e);
}

static int credit(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int account = sim_check_account(L, box, 2);
    struct err e = {0};
    return sim_done(L, sim_set_credit(box->sim, account, bind_check_decimal(L, 3), &e), &e);
}

/* What an order gives: its id or true, or the refusal. */
static int answer(lua_State *L, int rc, const char *id, enum sim_reason why, const struct err *e)
{
    if (rc != 0) {
        lua_pushnil(L);
        lua_pushstring(L, rc == ERR_STATE ? sim_reason_code(why) : "IO");
        lua_pushstring(L, rc == ERR_STATE ? sim_reason_text(why) : e->message);
        return 3;
    }
    if (id != NULL)
        lua_pushstring(L, id);
    else
        lua_pushboolean(L, 1);
    return 1;
}

static int open_by(lua_State *L, enum sim_by by)
{
    struct sim_box *box = sim_check(L);
    int account = sim_check_account(L, box, 2);
    const char *symbol = luaL_checkstring(L, 3);
    enum side side = check_side(L, 4);
    decimal volume = bind_check_decimal(L, 5), stop = bind_check_decimal(L, 6),
            target = bind_check_decimal(L, 7);
    char id[32];
    enum sim_reason why = SIM_OK;
    struct err e = {0};
    int rc = sim_open(box->sim, by, account, symbol, side, volume, stop, target, id, &why, &e);
    return answer(L, rc, id, why, &e);
}

static int edit_by(lua_State *L, enum sim_by by)
{
    struct sim_box *box = sim_check(L);
    int account = sim_check_account(L, box, 2);
    const char *id = luaL_checkstring(L, 3), *symbol = luaL_checkstring(L, 4);
    enum side side = check_side(L, 5);
    decimal stop = bind_check_decimal(L, 6), target = bind_check_decimal(L, 7);
    enum sim_reason why = SIM_OK;
    struct err e = {0};
    int rc = sim_edit(box->sim, by, account, id, symbol, side, stop, target, &why, &e);
    return answer(L, rc, NULL, why, &e);
}

static int close_by(lua_State *L, enum sim_by by)
{
    struct sim_box *box = sim_check(L);
    int account = sim_check_account(L, box, 2);
    const char *id = luaL_checkstring(L, 3), *symbol = luaL_checkstring(L, 4);
    enum side side = check_side(L, 5);
    bool partial = !lua_isnoneornil(L, 6);
    decimal volume = partial ? bind_check_decimal(L, 6) : decimal_raw(0);
    struct sim_closed row;
    enum sim_reason why = SIM_OK;
    struct err e = {0};
    int rc = sim_close(box->sim, by, account, id, symbol, side, partial, volume, &row, &why, &e);
    return answer(L, rc, row.order, why, &e);
}

static int pending_create_by(lua_State *L, enum sim_by by)
{
    struct sim_box *box = sim_check(L);
    int account = sim_check_account(L, box, 2);
    struct sim_wish w = {.symbol = luaL_checkstring(L, 3), .side = check_side(L, 4)};
    if (sim_type_parse(luaL_checkstring(L, 5), &w.type) != 0)
        return luaL_argerror(L, 5, "LIMIT or STOP");
    w.volume = bind_check_decimal(L, 6);
    w.price = bind_check_decimal(L, 7);
    w.stop = bind_check_decimal(L, 8);
    w.target = bind_check_decimal(L, 9);
    char id[32];
    enum sim_reason why = SIM_OK;
    struct err e = {0};
    int rc = sim_pending_create(box->sim, by, account, &w, id, &why, &e);
    return answer(L, rc, id, why, &e);
}

static int pending_edit_by(lua_State *L, enum sim_by by)
{
    struct sim_box *box = sim_check(L);
    int account = sim_check_account(L, box, 2);
    const char *id = luaL_checkstring(L, 3);
    struct sim_wish w = {.symbol = luaL_checkstring(L, 4), .side = check_side(L, 5)};
    w.volume = bind_check_decimal(L, 6);
    w.price = bind_check_decimal(L, 7);
    w.stop = bind_check_decimal(L, 8);
    w.target = bind_check_decimal(L, 9);
    enum sim_reason why = SIM_OK;
    struct err e = {0};
    int rc = sim_pending_edit(box->sim, by, account, id, &w, &why, &e);
    return answer(L, rc, NULL, why, &e);
}

static int pending_cancel_by(lua_State *L, enum sim_by by)
{
    struct sim_box *box = sim_check(L);
    int account = sim_check_account(L, box, 2);
    const char *id = luaL_checkstring(L, 3), *symbol = luaL_checkstring(L, 4);
    enum sim_reason why = SIM_OK;
    struct err e = {0};
    int rc = sim_pending_cancel(box->sim, by, account, id, symbol, &why, &e);
    return answer(L, rc, NULL, why, &e);
}

#define ORDER(function)                                                                            \
    static int client_##function(lua_State *L)                                                     \
    {                                                                                              \
        return function##_by(L, SIM_CLIENT);                                                       \
    }                                                                                              \
    static int hand_##function(lua_State *L)                                                       \
    {                                                                                              \
        return function##_by(L, SIM_HAND);                                                         \
    }
ORDER(open)
ORDER(edit)
ORDER(close)
ORDER(pending_create)
ORDER(pending_edit)
ORDER(pending_cancel)

const luaL_Reg sim_book_methods[] = {{"account_add", account_add},
                                     {"accounts", accounts},
                                     {"money", money},
                                     {"deposit", deposit},
                                     {"credit", credit},
                                     {"open_position", client_open},
                                     {"edit", client_edit},
                                     {"close_position", client_close},
                                     {"pending_create", client_pending_create},
                                     {"pending_edit", client_pending_edit},
                                     {"pending_cancel", client_pending_cancel},
                                     {"hand_open", hand_open},
                                     {"hand_edit", hand_edit},
                                     {"hand_close", hand_close},
                                     {"hand_pending_create", hand_pending_create},
                                     {"hand_pending_edit", hand_pending_edit},
                                     {"hand_pending_cancel", hand_pending_cancel},
                                     {NULL, NULL}};
