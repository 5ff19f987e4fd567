/* SPDX-License-Identifier: MIT
 *
 * ledger.size and ledger.cost: from risk to lots, and what lots bind and may lose.
 */
#include <lauxlib.h>

#include "script/bind.h"
#include "script/bind_ledger.h"
#include "script/codec.h"
#include "script/domain.h"
#include "script/task.h"
#include "trade/sizing.h"

static int fail(lua_State *L, const struct err *e)
{
    return push_err(L, e->code, e->message, "ledger", "no");
}

/* Money of the account: equity by our marks, what is not bound, and the rate at which a loss is
 * paid. *exact is false when the equity is the broker's figure of the last read. */
static int size_money(const struct ledger *l, int index, struct sizing_input *in, bool *exact,
                      struct err *e)
{
    const struct account *a = ledger_account_at(l, index);
    decimal bound = decimal_raw(0);
    *exact = ledger_equity(l, index, &in->equity);
    int rc = ledger_margin(l, index, &bound, e);
    if (rc == 0)
        rc = decimal_sub(in->equity, bound, &in->free_margin);
    if (rc == 0 && in->free_margin.v < 0)
        in->free_margin = decimal_raw(0);
    if (rc == 0)
        rc = ledger_convert_cost(l, a->broker, in->instrument->quote, a->currency,
                                 &in->quote_to_account, e);
    if (rc != 0 && e->code == 0)
        (void)err_set(e, rc, "account %s: its money is out of range", a->id);
    in->leverage = a->leverage;
    return rc;
}

static int size_prices(lua_State *L, const char *what, struct sizing_input *in, struct err *e)
{
    decimal price, stop;
    if (!domain_field_decimal(L, 1, what, "price", &price) ||
        !domain_field_decimal(L, 1, what, "stop", &stop))
        return luaL_error(L, "%s: price and stop are needed", what);
    int rc = codec_points(in->instrument, in->side, PRICE_REFERENCE, price, &in->price);
    if (rc == 0)
        rc = codec_points(in->instrument, in->side, PRICE_STOP, stop, &in->stop);
    return rc == 0 ? 0 : err_set(e, rc, "%s: price or stop is out of range", what);
}

static int push_size(lua_State *L, const struct sizing_result *r, bool exact)
{
    lua_createtable(L, 0, 5);
    domain_set_bool(L, "exact", exact);
    domain_set_decimal(L, "volume", r->volume);
    domain_set_decimal(L, "risk_money", r->risk_money);
    domain_set_decimal(L, "margin", r->margin);
    if (decimal_is_zero(r->volume))
        domain_set_string(L, "rule", r->rule);
    return 1;
}

/* The account (its index), the instrument and the side that the table at 1 names. */
static int size_subject(lua_State *L, const char *what, const struct ledger *l, int *index,
                        struct sizing_input *in, struct err *e)
{
    const char *id = domain_string(L, 1, what, "account");
    const char *canonical = domain_string(L, 1, what, "canonical");
    *index = ledger_account(l, id);
    if (*index < 0)
        return err_set(e, ERR_NOTFOUND, "unknown account \"%s\"", id);
    const char *venue = ledger_account_at(l, *index)->broker;
    int i = ledger_instrument_canonical(l, venue, canonical);
    if (i < 0)
        return err_set(e, ERR_NOTFOUND, "%s has no instrument \"%s\"", venue, canonical);
    in->instrument = ledger_instrument_at(l, i);
    in->side = domain_side(L, 1, what, "side");
    return 0;
}

/* size{account=, canonical=, side=, price=, stop=, risk=, margin_share=, cap=, volume=} ->
 * {volume=, risk_money=, margin=, exact=, rule=} | nil, err. exact: the equity is by our marks.
 * volume: these lots or none. */
int ledger_size(lua_State *L)
{
    static const char *const names[] = {"account", "canonical",    "side", "price",  "stop",
                                        "risk",    "margin_share", "cap",  "volume", NULL};
    struct ledger *l = BIND_SERVICE(L, ledger);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    domain_only(L, 1, "size", names);
    struct err e = {0};
    struct sizing_input in = {0};
    int index;
    if (size_subject(L, "size", l, &index, &in, &e) != 0)
        return fail(L, &e);
    in.risk = domain_number(L, 1, "size", "risk", 0);
    in.margin_share = domain_number(L, 1, "size", "margin_share", 1.0);
    (void)domain_field_decimal(L, 1, "size", "cap", &in.volume_cap);
    (void)domain_field_decimal(L, 1, "size", "volume", &in.volume);
    struct sizing_result result = {0};
    bool exact = false;
    if (size_prices(L, "size", &in, &e) != 0 || size_money(l, index, &in, &exact, &e) != 0 ||
        sizing_volume(&in, &result, &e) != 0)
        return fail(L, &e);
    return push_size(L, &result, exact);
}

/* cost{account=, canonical=, side=, price=, stop=, volume=} -> loss at the stop, margin | nil, err.
 * Numbers, account currency; the loss of a stop on the winning side is what the commissions cost.
 */
int ledger_cost(lua_State *L)
{
    static const char *const names[] = {"account", "canonical", "side", "price",
                                        "stop",    "volume",    NULL};
    struct ledger *l = BIND_SERVICE(L, ledger);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    domain_only(L, 1, "cost", names);
    struct err e = {0};
    struct sizing_input in = {.risk = 1, .margin_share = 1};
    int index;
    if (size_subject(L, "cost", l, &index, &in, &e) != 0)
        return fail(L, &e);
    if (!domain_field_decimal(L, 1, "cost", "volume", &in.volume))
        return luaL_error(L, "cost: volume is needed");
    bool exact = false;
    decimal loss, margin;
    if (size_prices(L, "cost", &in, &e) != 0 || size_money(l, index, &in, &exact, &e) != 0 ||
        sizing_cost(&in, &loss, &margin, &e) != 0)
        return fail(L, &e);
    lua_pushnumber(L, decimal_to_double(loss));
    lua_pushnumber(L, decimal_to_double(margin));
    return 2;
}
