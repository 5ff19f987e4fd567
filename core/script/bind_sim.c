/* SPDX-License-Identifier: MIT
 *
 * perigee.sim, the market half: opening, time, quotes, history, and the text of the stream, which
 * is written here canonically while the market moves, once for all subscribers:
 * ["q",t,bid,ask],["p",t,price,volume,side],["d",t,[..],[..]]. lua/perigee/meta/sim.lua has the
 * signatures.
 */
#include "script/bind_sim.h"

#include <lualib.h>
#include <string.h>

#include "script/bind.h"
#include "script/domain.h"
#include "script/task.h"

struct sim_box *sim_check(lua_State *L)
{
    struct sim_box *box = luaL_checkudata(L, 1, SIM_META);
    luaL_argcheck(L, box->sim, 1, "the simulator is closed");
    return box;
}

static void add_time(struct str *s, const char *kind, int64_t t)
{
    if (s->len)
        str_addc(s, ',');
    str_addz(s, kind);
    str_json_int(s, t);
    str_addc(s, ',');
}

static void on_print(void *arg, const struct sim_print *p)
{
    struct sim_box *box = arg;
    if (!box->streaming)
        return;
    add_time(&box->stream, "[\"p\",", p->time_ms);
    str_json_decimal(&box->stream, p->price);
    str_addc(&box->stream, ',');
    str_json_decimal(&box->stream, p->volume);
    str_addc(&box->stream, ',');
    str_json_int(&box->stream, p->buy);
    str_addc(&box->stream, ']');
}

static void on_quote(void *arg, int symbol, const struct sim_quote *q)
{
    struct sim_box *box = arg;
    if (!box->streaming || symbol != 0)
        return;
    add_time(&box->stream, "[\"q\",", q->time_ms);
    str_json_decimal(&box->stream, q->bid);
    str_addc(&box->stream, ',');
    str_json_decimal(&box->stream, q->ask);
    str_addc(&box->stream, ']');
}

static void add_levels(struct str *s, const struct sim_level *levels, size_t count)
{
    str_addc(s, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            str_addc(s, ',');
        str_json_decimal(s, levels[i].price);
        str_addc(s, ',');
        str_json_decimal(s, levels[i].size);
    }
    str_addc(s, ']');
}

static void on_depth(void *arg, const struct sim_depth *d)
{
    struct sim_box *box = arg;
    if (!box->streaming)
        return;
    add_time(&box->stream, "[\"d\",", d->time_ms);
    add_levels(&box->stream, d->bids, d->count);
    str_addc(&box->stream, ',');
    add_levels(&box->stream, d->asks, d->count);
    str_addc(&box->stream, ']');
}

static int sim_gc(lua_State *L)
{
    struct sim_box *box = luaL_checkudata(L, 1, SIM_META);
    if (box->sim) {
        sim_free(box->sim);
        box->sim = NULL;
        tape_fini(&box->tape);
        str_fini(&box->stream);
    }
    return 0;
}

static bool terms_of(const void *arg, const char *symbol, struct sim_terms *out)
{
    return sim_terms_default(arg, symbol, out);
}

/* Reads the numbers and the model of the table at 1; what they point to is a userdata's at the top.
 */
static int read_config(lua_State *L, struct sim_config *config, struct err *e)
{
    struct sim_settings *settings = lua_newuserdatauv(L, sizeof *settings, 0);
    *settings = (struct sim_settings){.terms_of = terms_of, .arg = config};
    config->seed = (uint64_t)domain_integer(L, 1, "sim.open", "seed", 1);
    config->start_ms = domain_integer(L, 1, "sim.open", "start_ms", 0);
    config->history_bars = (int)domain_integer(L, 1, "sim.open", "history_bars", 0);
    config->spread = (int32_t)domain_integer(L, 1, "sim.open", "spread", 0);
    sim_model_default(&settings->model);
    lua_getfield(L, 1, "model");
    int rc = lua_isnil(L, -1) ? 0 : sim_settings_read(L, lua_gettop(L), settings, e);
    lua_pop(L, 1);
    config->model = &settings->model;
    config->terms = settings->terms;
    config->terms_count = settings->count;
    return rc;
}

static int sim_open_lua(lua_State *L)
{
    static const char *const keys[] = {"data",   "tape",     "seed",         "symbol", "model",
                                       "spread", "start_ms", "history_bars", NULL};
    struct err e = {0};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    domain_only(L, 1, "sim.open", keys);
    struct sim_config config = {.data_dir = domain_opt_string(L, 1, "sim.open", "data", NULL)};
    const char *tape = domain_opt_string(L, 1, "sim.open", "tape", NULL);
    const char *symbol = domain_opt_string(L, 1, "sim.open", "symbol", "BTCUSD");
    sim_default_main(&config.main);
    snprintf(config.main.symbol, sizeof config.main.symbol, "%s", symbol);
    snprintf(config.main.canonical, sizeof config.main.canonical, "%s", symbol);
    if (read_config(L, &config, &e) != 0)
        return push_err(L, e.code, e.message, "sim", "no");
    struct sim_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    memset(box, 0, sizeof *box);
    str_init(&box->stream);
    luaL_setmetatable(L, SIM_META);
    if (tape && tape_load(&box->tape, tape, &e))
        return push_err(L, e.code, e.message, "sim", "no");
    if (tape)
        config.tape = &box->tape;
    box->sim = sim_new(&config, &e);
    if (!box->sim) {
        tape_fini(&box->tape);
        return push_err(L, e.code, e.message, "sim", "no");
    }
    struct sim_feed feed = {
        .arg = box, .on_print = on_print, .on_quote = on_quote, .on_depth = on_depth};
    sim_listen(box->sim, &feed);
    return 1;
}

static int sim_now_lua(lua_State *L)
{
    lua_pushinteger(L, sim_now(sim_check(L)->sim));
    return 1;
}

static int sim_start_lua(lua_State *L)
{
    lua_pushinteger(L, sim_start(sim_check(L)->sim));
    return 1;
}

static int sim_ended_lua(lua_State *L)
{
    lua_pushboolean(L, sim_ended(sim_check(L)->sim));
    return 1;
}

static int sim_recorded_lua(lua_State *L)
{
    lua_pushboolean(L, sim_from_tape(sim_check(L)->sim));
    return 1;
}

static int sim_report_lua(lua_State *L)
{
    const char *text = sim_report(sim_check(L)->sim);
    if (text)
        lua_pushstring(L, text);
    else
        lua_pushnil(L);
    return 1;
}

int sim_done(lua_State *L, int rc, const struct err *e)
{
    if (rc)
        return push_err(L, rc, e->message, "sim", "no");
    lua_pushboolean(L, 1);
    return 1;
}

static int sim_advance_lua(lua_State *L)
{
    struct err e = {0};
    struct sim_box *box = sim_check(L);
    return sim_done(L, sim_advance(box->sim, luaL_checkinteger(L, 2), &e), &e);
}

static int sim_push_lua(lua_State *L)
{
    struct err e = {0};
    struct sim_box *box = sim_check(L);
    return sim_done(L, sim_push(box->sim, luaL_checkinteger(L, 2), &e), &e);
}

static int sim_save_lua(lua_State *L)
{
    struct err e = {0};
    struct sim_box *box = sim_check(L);
    return sim_done(L, sim_save_state(box->sim, &e), &e);
}

static int sim_streaming_lua(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    box->streaming = lua_toboolean(L, 2);
    str_clear(&box->stream);
    return 0;
}

static int sim_take_lua(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    if (box->stream.failed)
        return luaL_error(L, "out of memory for the stream");
    lua_pushlstring(L, box->stream.len ? box->stream.p : "", box->stream.len);
    str_clear(&box->stream);
    return 1;
}

static int check_symbol(lua_State *L, struct sim_box *box)
{
    return sim_symbol(box->sim, luaL_checkstring(L, 2));
}

static int sim_quote_lua(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    struct sim_quote q;
    int symbol = check_symbol(L, box);
    if (symbol < 0 || !sim_quote(box->sim, symbol, &q))
        return 0;
    lua_createtable(L, 0, 6);
    domain_set_decimal(L, "bid", q.bid);
    domain_set_decimal(L, "ask", q.ask);
    domain_set_integer(L, "time_ms", q.time_ms);
    domain_set_decimal(L, "open", q.day_open);
    domain_set_decimal(L, "high", q.day_high);
    domain_set_decimal(L, "low", q.day_low);
    return 1;
}

static void push_bar(lua_State *L, const struct bar *b)
{
    const struct {
        const char *key;
        double value;
    } fields[] = {{"open", b->open},
                  {"high", b->high},
                  {"low", b->low},
                  {"close", b->close},
                  {"volume", b->volume},
                  {"buy_volume", b->buy_volume},
                  {"sell_volume", b->sell_volume}};
    lua_createtable(L, 0, 8);
    domain_set_integer(L, "open_ms", b->open_ms);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        domain_set_number(L, fields[i].key, fields[i].value);
    }
}

static int sim_history_lua(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    int symbol = check_symbol(L, box);
    int64_t timeframe = domain_check_timeframe(L, 3);
    lua_Integer count = luaL_checkinteger(L, 4);
    luaL_argcheck(L, count >= 0 && count <= SIM_HISTORY_1S, 4, "0 to 3600");
    luaL_argcheck(L, symbol >= 0, 2, "no such symbol");
    struct bar *bars = lua_newuserdatauv(L, sizeof *bars * (size_t)(count ? count : 1), 0);
    int n = sim_history(box->sim, symbol, timeframe, bars, (size_t)count);
    lua_createtable(L, n > 0 ? n : 0, 0);
    for (int i = 0; i < n; i++) {
        push_bar(L, &bars[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int sim_forming_lua(lua_State *L)
{
    struct sim_box *box = sim_check(L);
    struct bar bar;
    int symbol = check_symbol(L, box);
    int64_t timeframe = domain_check_timeframe(L, 3);
    if (symbol < 0 || !sim_forming(box->sim, symbol, timeframe, &bar))
        return 0;
    push_bar(L, &bar);
    return 1;
}

int luaopen_perigee_sim(lua_State *L)
{
    static const luaL_Reg methods[] = {{"now", sim_now_lua},
                                       {"start", sim_start_lua},
                                       {"ended", sim_ended_lua},
                                       {"recorded", sim_recorded_lua},
                                       {"report", sim_report_lua},
                                       {"advance", sim_advance_lua},
                                       {"push", sim_push_lua},
                                       {"save", sim_save_lua},
                                       {"close", sim_gc},
                                       {"streaming", sim_streaming_lua},
                                       {"take", sim_take_lua},
                                       {"quote", sim_quote_lua},
                                       {"history", sim_history_lua},
                                       {"forming", sim_forming_lua},
                                       {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", sim_gc}, {"__close", sim_gc}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open", sim_open_lua}, {NULL, NULL}};
    luaL_newmetatable(L, SIM_META);
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    luaL_setfuncs(L, sim_book_methods, 0);
    luaL_setfuncs(L, sim_rows_methods, 0);
    luaL_setfuncs(L, sim_model_methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
