/* SPDX-License-Identifier: MIT
 *
 * perigee.sim, the lists of its book: positions, pending orders, history, and the rows of the
 * ledger for those who check it. Decimals are strings; what is zero or empty may be left out of a
 * ledger row.
 */
#include <string.h>

#include "script/bind.h"
#include "script/bind_sim.h"
#include "script/domain.h"

static const char *symbol_name(const struct sim_box *box, int symbol)
{
    return sim_symbol_at(box->sim, symbol)->symbol;
}

static void push_parts(lua_State *L, const struct sim_part *parts, size_t count, int64_t opened_ms)
{
    if (count == 0)
        return;
    lua_createtable(L, (int)count, 0);
    for (size_t k = 0; k < count; k++) {
        lua_createtable(L, 0, 4);
        domain_set_string(L, "id", parts[k].id);
        domain_set_decimal(L, "volume", parts[k].volume);
        domain_set_decimal(L, "price", parts[k].price);
        domain_set_integer(L, "opened_ms", opened_ms);
        lua_rawseti(L, -2, (lua_Integer)k + 1);
    }
    lua_setfield(L, -2, "parts");
}

static void push_position(lua_State *L, struct sim_box *box, const struct sim_position *p)
{
    decimal price, profit, commission;
    lua_createtable(L, 0, 16);
    domain_set_string(L, "id", p->id);
    domain_set_string(L, "order", p->order);
    domain_set_string(L, "symbol", symbol_name(box, p->symbol));
    domain_set_string(L, "side", side_name(p->side));
    domain_set_string(L, "source", sim_by_name(p->by));
    domain_set_decimal(L, "volume", p->volume);
    domain_set_decimal(L, "price", p->price);
    domain_set_decimal(L, "stop", p->stop);
    domain_set_decimal(L, "target", p->target);
    domain_set_decimal(L, "swap", p->swap);
    domain_set_integer(L, "opened_ms", p->opened_ms);
    push_parts(L, p->parts, p->part_count, p->opened_ms);
    if (sim_position_value(box->sim, p, &price, &profit, &commission) == 0) {
        domain_set_decimal(L, "current", price);
        domain_set_decimal(L, "profit", profit);
        domain_set_decimal(L, "commission", commission);
    }
}

static int positions(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int account = sim_check_account(L, box, 2);
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

static int pendings(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int account = sim_check_account(L, box, 2);
    size_t cursor = 0;
    const struct sim_pending *p;
    lua_Integer n = 0;
    lua_newtable(L);
    while ((p = sim_pending_next(box->sim, account, &cursor))) {
        lua_createtable(L, 0, 10);
        domain_set_string(L, "id", p->id);
        domain_set_string(L, "symbol", symbol_name(box, p->symbol));
        domain_set_string(L, "side", side_name(p->side));
        domain_set_string(L, "type", sim_type_name(p->type));
        domain_set_string(L, "source", sim_by_name(p->by));
        domain_set_decimal(L, "volume", p->volume);
        domain_set_decimal(L, "price", p->price);
        domain_set_decimal(L, "stop", p->stop);
        domain_set_decimal(L, "target", p->target);
        domain_set_integer(L, "created_ms", p->created_ms);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static int closed(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int account = sim_check_account(L, box, 2);
    int64_t from = luaL_checkinteger(L, 3), to = luaL_checkinteger(L, 4);
    size_t cursor = 0;
    const struct sim_closed *c;
    lua_Integer n = 0;
    lua_newtable(L);
    while ((c = sim_closed_next(box->sim, account, from, to, &cursor))) {
        lua_createtable(L, 0, 18);
        domain_set_string(L, "id", c->id);
        domain_set_string(L, "uid", c->uid);
        domain_set_string(L, "order", c->order);
        domain_set_string(L, "symbol", symbol_name(box, c->symbol));
        domain_set_string(L, "side", side_name(c->side));
        domain_set_string(L, "reason", c->reason);
        domain_set_string(L, "source", sim_by_name(c->by));
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
        domain_set_bool(L, "partial", c->partial);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static void push_row(lua_State *L, const struct sim_row *r)
{
    const struct {
        const char *key, *text;
    } texts[] = {{"account", r->account}, {"op", r->op},         {"position", r->position},
                 {"uid", r->uid},         {"symbol", r->symbol}, {"side", r->side},
                 {"reason", r->reason},   {"source", r->source}, {"order", r->order},
                 {"type", r->type}};
    const struct {
        const char *key;
        decimal value;
    } numbers[] = {{"volume", r->volume},   {"price", r->price},
                   {"stop", r->stop},       {"target", r->target},
                   {"profit", r->profit},   {"open_price", r->open_price},
                   {"swap", r->swap},       {"commission", r->commission},
                   {"balance", r->balance}, {"accrued", r->accrued}};
    lua_createtable(L, 0, 24);
    domain_set_integer(L, "seq", (lua_Integer)r->seq);
    domain_set_integer(L, "time_ms", r->time_ms);
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        domain_set_string(L, texts[k].key, texts[k].text);
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        domain_set_decimal(L, numbers[k].key, numbers[k].value);
    push_parts(L, r->parts, r->part_count, r->time_ms);
}

/* S:rows([after]): those whose seq is above `after`, oldest first. */
static int rows(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    lua_Integer after = luaL_optinteger(L, 2, 0);
    size_t count = sim_row_count(box->sim), from = after < 0 ? 0 : (size_t)after;
    lua_createtable(L, from < count ? (int)(count - from) : 0, 0);
    for (size_t k = from; k < count; k++) {
        push_row(L, sim_row_at(box->sim, k));
        lua_rawseti(L, -2, (lua_Integer)(k - from) + 1);
    }
    return 1;
}

const luaL_Reg sim_rows_methods[] = {{"positions", positions},
                                     {"pendings", pendings},
                                     {"closed", closed},
                                     {"rows", rows},
                                     {NULL, NULL}};
