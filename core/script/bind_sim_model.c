/* SPDX-License-Identifier: MIT
 *
 * perigee.sim, its settings: S:model(table) and S:symbols(). A table is read whole before any of it
 * is taken. It may come from a person or another program, so what is wrong with it is an answer
 * (nil, err), not a raise.
 */
#include <lualib.h>
#include <math.h>
#include <string.h>

#include "script/bind.h"
#include "script/bind_sim.h"
#include "script/domain.h"

#define DAY 86400000

static int bad(struct err *e, const char *name, const char *rule)
{
    return err_set(e, ERR_INPUT, "simulator: %s must be %s", name, rule);
}

/* Values at the top of the stack; each is kept on nil. */

static int read_whole(lua_State *L, const char *name, int32_t *out, struct err *e)
{
    int ok;
    if (lua_isnil(L, -1))
        return 0;
    lua_Integer n = lua_tointegerx(L, -1, &ok);
    if (!ok || lua_type(L, -1) != LUA_TNUMBER || n < INT32_MIN || n > INT32_MAX)
        return bad(e, name, "a whole number");
    *out = (int32_t)n;
    return 0;
}

static int read_share(lua_State *L, const char *name, double *out, struct err *e)
{
    if (lua_isnil(L, -1))
        return 0;
    if (lua_type(L, -1) != LUA_TNUMBER || !isfinite(lua_tonumber(L, -1)))
        return bad(e, name, "a share from 0 to 1");
    *out = lua_tonumber(L, -1);
    return 0;
}

static int read_flag(lua_State *L, const char *name, bool *out, struct err *e)
{
    if (lua_isnil(L, -1))
        return 0;
    if (!lua_isboolean(L, -1))
        return bad(e, name, "true or false");
    *out = lua_toboolean(L, -1);
    return 0;
}

static int read_decimal(lua_State *L, const char *name, decimal *out, struct err *e)
{
    if (lua_isnil(L, -1) || domain_decimal(L, -1, out))
        return 0;
    return bad(e, name, "a decimal number");
}

/* The terms of a symbol to be changed; NULL: no such symbol. */
static struct sim_terms *terms_for(struct sim_settings *s, const char *symbol)
{
    for (size_t k = 0; k < s->count; k++)
        if (strcmp(s->terms[k].symbol, symbol) == 0)
            return &s->terms[k];
    if (s->count == SIM_TERMS || !s->terms_of(s->arg, symbol, &s->terms[s->count]))
        return NULL;
    return &s->terms[s->count++];
}

static int read_hours(lua_State *L, const char *symbol, struct sim_terms *t, struct err *e)
{
    static const char *const names[] = {"day", "open_ms", "close_ms"};
    if (!lua_istable(L, -1))
        return bad(e, "hours", "a list of {day, open_ms, close_ms} for each symbol");
    lua_Unsigned count = lua_rawlen(L, -1);
    if (count > SIM_SESSIONS)
        return err_set(e, ERR_INPUT, "simulator: the hours of %s: %d sessions at most", symbol,
                       SIM_SESSIONS);
    t->session_count = (size_t)count;
    for (lua_Unsigned k = 0; k < count; k++) {
        int32_t values[3] = {-1, -1, -1};
        if (lua_rawgeti(L, -1, (lua_Integer)k + 1) != LUA_TTABLE)
            return bad(e, "hours", "a list of {day, open_ms, close_ms} for each symbol");
        for (int n = 0; n < 3; n++) {
            lua_getfield(L, -1, names[n]);
            if (read_whole(L, names[n], &values[n], e) != 0)
                return ERR_INPUT;
            lua_pop(L, 1);
        }
        t->sessions[k] = (struct sim_session){values[0], values[1], values[2]};
        lua_pop(L, 1);
    }
    return 0;
}

static int read_swap(lua_State *L, const char *symbol, struct sim_terms *t, struct err *e)
{
    (void)symbol;
    if (!lua_istable(L, -1))
        return bad(e, "swap", "{type, buy, sell} for each symbol");
    lua_getfield(L, -1, "type");
    const char *type = lua_isnil(L, -1) ? "" : lua_tostring(L, -1);
    if (type != NULL && strcmp(type, "POINTS") == 0)
        t->swap_type = SIM_SWAP_POINTS;
    else if (type != NULL && strcmp(type, "PIPS") == 0)
        t->swap_type = SIM_SWAP_PIPS;
    else if (type == NULL || type[0] != '\0')
        return bad(e, "the type of a swap", "POINTS or PIPS");
    lua_getfield(L, -2, "buy");
    int rc = read_decimal(L, "the swap of buyers", &t->swap_buy, e);
    lua_getfield(L, -3, "sell");
    if (rc == 0)
        rc = read_decimal(L, "the swap of sellers", &t->swap_sell, e);
    lua_pop(L, 3);
    return rc;
}

static int read_commission(lua_State *L, const char *symbol, struct sim_terms *t, struct err *e)
{
    (void)symbol;
    return read_decimal(L, "commission", &t->commission, e);
}

static int read_disabled(lua_State *L, const char *symbol, struct sim_terms *t, struct err *e)
{
    (void)symbol;
    return read_flag(L, "disabled", &t->disabled, e);
}

/* A table at the top, of one thing for each symbol. */
static int each_symbol(lua_State *L, const char *name, struct sim_settings *s,
                       int (*read)(lua_State *, const char *, struct sim_terms *, struct err *),
                       struct err *e)
{
    if (lua_isnil(L, -1))
        return 0;
    if (!lua_istable(L, -1))
        return bad(e, name, "a table of symbols");
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        const char *symbol = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        struct sim_terms *t = terms_for(s, symbol);
        if (t == NULL)
            return err_set(e, ERR_INPUT, "simulator: %s names an unknown symbol %.31s", name,
                           symbol);
        int rc = read(L, symbol, t, e);
        if (rc == 0)
            rc = sim_terms_check(t, e);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int read_reason(lua_State *L, enum sim_reason *out, struct err *e)
{
    if (lua_isnil(L, -1))
        return 0;
    if (lua_type(L, -1) == LUA_TSTRING && sim_reason_parse(lua_tostring(L, -1), out) == 0)
        return 0;
    return bad(e, "reject_reason", "a code of a refusal, such as REQUOTE");
}

static int read_field(lua_State *L, const char *name, struct sim_settings *s, struct err *e)
{
    struct sim_model *m = &s->model;
    const struct {
        const char *name;
        int32_t *out;
    } wholes[] = {{"slippage_points", &m->slippage_points},
                  {"stops_level", &m->stops_level},
                  {"freeze_level", &m->freeze_level}};
    for (size_t k = 0; k < sizeof wholes / sizeof *wholes; k++)
        if (strcmp(wholes[k].name, name) == 0)
            return read_whole(L, name, wholes[k].out, e);
    if (strcmp(name, "partial_fills") == 0)
        return read_share(L, name, &m->partial_fills, e);
    if (strcmp(name, "reject_share") == 0)
        return read_share(L, name, &m->reject_share, e);
    if (strcmp(name, "reject_reason") == 0)
        return read_reason(L, &m->reject_reason, e);
    if (strcmp(name, "swaps") == 0)
        return read_flag(L, name, &m->swaps, e);
    if (strcmp(name, "order_id_differs") == 0)
        return read_flag(L, name, &m->order_id_differs, e);
    if (strcmp(name, "margin_call_level") == 0)
        return read_decimal(L, name, &m->margin_call_level, e);
    if (strcmp(name, "stop_out_level") == 0)
        return read_decimal(L, name, &m->stop_out_level, e);
    return each_symbol(L, name, s,
                       strcmp(name, "hours") == 0        ? read_hours
                       : strcmp(name, "swap") == 0       ? read_swap
                       : strcmp(name, "commission") == 0 ? read_commission
                                                         : read_disabled,
                       e);
}

static const char *const fields[] = {"slippage_points",  "partial_fills", "reject_share",
                                     "reject_reason",    "swaps",         "margin_call_level",
                                     "stop_out_level",   "stops_level",   "freeze_level",
                                     "order_id_differs", "hours",         "swap",
                                     "commission",       "disabled"};
#define FIELDS (sizeof fields / sizeof *fields)

/* The first by name of the keys that are no setting; NULL: none. */
static const char *unknown_key(lua_State *L, int index)
{
    const char *found = NULL;
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "(a number)";
        size_t k = 0;
        while (k < FIELDS && strcmp(fields[k], key) != 0)
            k++;
        if (k == FIELDS && (found == NULL || strcmp(key, found) < 0))
            found = key;
    }
    return found;
}

int sim_settings_read(lua_State *L, int index, struct sim_settings *s, struct err *e)
{
    if (!lua_istable(L, index))
        return err_set(e, ERR_INPUT, "simulator: the model must be a table of settings");
    luaL_checkstack(L, 20, "model");
    const char *unknown = unknown_key(L, index);
    if (unknown != NULL) {
        const char *near = domain_nearest(unknown, fields, FIELDS);
        return err_set(e, ERR_INPUT, "simulator: the model has no setting %.40s%s%s", unknown,
                       near != NULL ? "; did you mean " : "", near != NULL ? near : "");
    }
    int top = lua_gettop(L), rc = 0;
    for (size_t k = 0; rc == 0 && k < FIELDS; k++) {
        lua_getfield(L, index, fields[k]);
        rc = read_field(L, fields[k], s, e);
        lua_settop(L, top);
    }
    return rc == 0 ? sim_model_check(&s->model, e) : rc;
}

static bool terms_now(const void *arg, const char *symbol, struct sim_terms *out)
{
    int index = sim_symbol(arg, symbol);
    if (index >= 0)
        sim_terms(arg, index, out);
    return index >= 0;
}

static void push_model(lua_State *L, const struct sim_model *m)
{
    lua_createtable(L, 0, 10);
    domain_set_integer(L, "slippage_points", m->slippage_points);
    domain_set_number(L, "partial_fills", m->partial_fills);
    domain_set_number(L, "reject_share", m->reject_share);
    domain_set_string(L, "reject_reason", sim_reason_code(m->reject_reason));
    domain_set_bool(L, "swaps", m->swaps);
    domain_set_decimal(L, "margin_call_level", m->margin_call_level);
    domain_set_decimal(L, "stop_out_level", m->stop_out_level);
    domain_set_integer(L, "stops_level", m->stops_level);
    domain_set_integer(L, "freeze_level", m->freeze_level);
    domain_set_bool(L, "order_id_differs", m->order_id_differs);
}

static int model(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    struct err e = {0};
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        push_model(L, sim_model(box->sim));
        return 1;
    }
    struct sim_settings *s = lua_newuserdatauv(L, sizeof *s, 0);
    *s = (struct sim_settings){
        .model = *sim_model(box->sim), .terms_of = terms_now, .arg = box->sim};
    int rc = sim_settings_read(L, 2, s, &e);
    if (rc == 0)
        rc = sim_set_model(box->sim, &s->model, &e);
    for (size_t k = 0; rc == 0 && k < s->count; k++)
        rc = sim_set_terms(box->sim, &s->terms[k], &e);
    return sim_done(L, rc, &e);
}

static void push_hours(lua_State *L, const struct sim_terms *t)
{
    struct sim_session always[7];
    for (int day = 0; day < 7; day++)
        always[day] = (struct sim_session){day, 0, DAY};
    const struct sim_session *list = t->session_count > 0 ? t->sessions : always;
    size_t count = t->session_count > 0 ? t->session_count : 7;
    lua_createtable(L, (int)count, 0);
    for (size_t k = 0; k < count; k++) {
        lua_createtable(L, 0, 3);
        domain_set_integer(L, "day", list[k].day);
        domain_set_integer(L, "open_ms", list[k].open_ms);
        domain_set_integer(L, "close_ms", list[k].close_ms);
        lua_rawseti(L, -2, (lua_Integer)k + 1);
    }
    lua_setfield(L, -2, "hours");
}

static void push_symbol(lua_State *L, const struct sim *s, int symbol)
{
    const struct instrument *m = sim_symbol_at(s, symbol);
    struct sim_terms t;
    sim_terms(s, symbol, &t);
    lua_createtable(L, 0, 20);
    domain_set_string(L, "symbol", m->symbol);
    domain_set_string(L, "base", m->base);
    domain_set_string(L, "quote", m->quote);
    domain_set_integer(L, "price_digits", m->price_digits);
    domain_set_integer(L, "volume_digits", m->volume_digits);
    domain_set_decimal(L, "volume_min", m->volume_min);
    domain_set_decimal(L, "volume_max", m->volume_max);
    domain_set_decimal(L, "volume_step", m->volume_step);
    domain_set_decimal(L, "contract_size", m->contract_size);
    domain_set_integer(L, "leverage", m->leverage);
    domain_set_integer(L, "stops_level", sim_stops_level(s, symbol));
    domain_set_integer(L, "freeze_level", sim_model(s)->freeze_level);
    domain_set_decimal(L, "commission", m->commission);
    domain_set_string(L, "swap_type", t.swap_type == SIM_SWAP_PIPS ? "PIPS" : "POINTS");
    bool swaps = sim_model(s)->swaps;
    domain_set_decimal(L, "swap_buy", swaps ? t.swap_buy : decimal_raw(0));
    domain_set_decimal(L, "swap_sell", swaps ? t.swap_sell : decimal_raw(0));
    domain_set_bool(L, "open", sim_session_open(s, symbol));
    domain_set_bool(L, "tradeable", !t.disabled);
    push_hours(L, &t);
}

static int symbols(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int count = sim_symbol_count(box->sim);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        push_symbol(L, box->sim, i);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

const luaL_Reg sim_model_methods[] = {{"model", model}, {"symbols", symbols}, {NULL, NULL}};
