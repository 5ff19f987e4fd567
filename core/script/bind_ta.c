/* SPDX-License-Identifier: MIT
 *
 * perigee.ta: indicators over arrays (run) and one bar at a time (stream).
 */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "script/bind.h"
#include "script/domain.h"
#include "ta/ta.h"

#define STREAM_META "perigee.ta_stream"
#define MAX_VALUES ((size_t)16 << 20)

struct ta_box {
    struct ta_stream *stream; /* NULL: closed */
};

static const struct ta_info *check_info(lua_State *L, int arg)
{
    const char *name = luaL_checkstring(L, arg);
    const struct ta_info *info = ta_find(name);
    if (!info)
        luaL_argerror(L, arg, lua_pushfstring(L, "unknown indicator \"%s\"", name));
    return info;
}

/* A table of options by name (or nil) at arg, checked and completed. */
static void check_options(lua_State *L, int arg, const struct ta_info *info, double *options)
{
    double given[TA_MAX_OPTIONS];
    const char *names[TA_MAX_OPTIONS + 1];
    for (size_t i = 0; i < info->option_count; i++) {
        names[i] = info->options[i].name;
        given[i] = info->options[i].def;
    }
    names[info->option_count] = NULL;
    if (!lua_isnoneornil(L, arg)) {
        luaL_checktype(L, arg, LUA_TTABLE);
        domain_only(L, arg, info->name, names);
        for (size_t i = 0; i < info->option_count; i++)
            given[i] = domain_number(L, arg, info->name, names[i], given[i]);
    }
    struct err e = {0};
    if (ta_options(info, given, info->option_count, options, &e) != 0)
        luaL_error(L, "%s", e.message);
}

static int list(lua_State *L)
{
    size_t count;
    lua_newtable(L);
    const struct ta_info *all = ta_all(&count);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, all[i].name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const char *const input_names[] = {"real",  "open",   "high",      "low",
                                          "close", "volume", "buy_volume"};

static int info(lua_State *L)
{
    const struct ta_info *ta = check_info(L, 1);
    lua_createtable(L, 0, 6);
    domain_set_string(L, "name", ta->name);
    domain_set_string(L, "title", ta->title);
    domain_set_string(L, "group", ta->group);
    lua_newtable(L);
    for (size_t i = 0; i < ta->input_count; i++) {
        lua_pushstring(L, input_names[ta->inputs[i]]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "inputs");
    lua_newtable(L);
    for (size_t i = 0; i < ta->option_count; i++) {
        const struct ta_option *o = &ta->options[i];
        lua_createtable(L, 0, 6);
        domain_set_string(L, "name", o->name);
        domain_set_string(L, "text", o->text);
        domain_set_number(L, "min", o->min);
        domain_set_number(L, "max", o->max);
        domain_set_number(L, "default", o->def);
        domain_set_bool(L, "integer", o->integer);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "options");
    lua_newtable(L);
    for (size_t i = 0; i < ta->output_count; i++) {
        lua_pushstring(L, ta->outputs[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "outputs");
    return 1;
}

/* Checks that arg is an array of input_count arrays of one length; returns the length. */
static size_t check_inputs(lua_State *L, int arg, const struct ta_info *ta)
{
    size_t n = 0;
    luaL_checktype(L, arg, LUA_TTABLE);
    if (lua_rawlen(L, arg) != ta->input_count)
        luaL_error(L, "ta.run: %s takes %d inputs, got %d", ta->name, (int)ta->input_count,
                   (int)lua_rawlen(L, arg));
    for (size_t i = 0; i < ta->input_count; i++) {
        if (lua_rawgeti(L, arg, (lua_Integer)i + 1) != LUA_TTABLE)
            luaL_error(L, "ta.run: input %d is no array", (int)i + 1);
        size_t length = lua_rawlen(L, -1);
        lua_pop(L, 1);
        if (i > 0 && length != n)
            luaL_error(L, "ta.run: input %d has %d values, input 1 has %d", (int)i + 1, (int)length,
                       (int)n);
        n = length;
    }
    if (n > MAX_VALUES)
        luaL_error(L, "ta.run: more than %d values", (int)MAX_VALUES);
    return n;
}

static void read_input(lua_State *L, int arg, size_t index, size_t n, double *out)
{
    lua_rawgeti(L, arg, (lua_Integer)index + 1);
    for (size_t k = 0; k < n; k++) {
        if (lua_rawgeti(L, -1, (lua_Integer)k + 1) != LUA_TNUMBER)
            luaL_error(L, "ta.run: input %d, value %d is no number", (int)index + 1, (int)k + 1);
        out[k] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* run(name, options, inputs) -> outputs, start */
static int run(lua_State *L)
{
    const struct ta_info *ta = check_info(L, 1);
    double options[TA_MAX_OPTIONS] = {0};
    lua_settop(L, 3);
    check_options(L, 2, ta, options);
    size_t n = check_inputs(L, 3, ta);
    /* One block for all columns, owned by the collector. */
    double *block =
        lua_newuserdatauv(L, (ta->input_count + ta->output_count) * (n ? n : 1) * sizeof *block, 0);
    const double *inputs[TA_MAX_INPUTS];
    double *outputs[TA_MAX_OUTPUTS];
    for (size_t i = 0; i < ta->input_count; i++) {
        inputs[i] = block + i * n;
        read_input(L, 3, i, n, block + i * n);
    }
    for (size_t i = 0; i < ta->output_count; i++)
        outputs[i] = block + (ta->input_count + i) * n;
    size_t count = 0;
    struct err e = {0};
    if (ta_run(ta, options, inputs, n, outputs, &count, &e) != 0)
        return luaL_error(L, "%s", e.message);
    lua_createtable(L, (int)ta->output_count, 0);
    for (size_t i = 0; i < ta->output_count; i++) {
        lua_createtable(L, (int)count, 0);
        for (size_t k = 0; k < count; k++) {
            lua_pushnumber(L, outputs[i][k]);
            lua_rawseti(L, -2, (lua_Integer)k + 1);
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushinteger(L, (lua_Integer)ta_start(ta, options));
    return 2;
}

static int stream_gc(lua_State *L)
{
    struct ta_box *box = luaL_checkudata(L, 1, STREAM_META);
    ta_stream_free(box->stream);
    box->stream = NULL;
    return 0;
}

/* stream(name, options) -> S */
static int stream(lua_State *L)
{
    const struct ta_info *ta = check_info(L, 1);
    double options[TA_MAX_OPTIONS] = {0};
    lua_settop(L, 2);
    check_options(L, 2, ta, options);
    struct ta_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->stream = NULL;
    luaL_setmetatable(L, STREAM_META);
    struct err e = {0};
    box->stream = ta_stream_new(ta, options, &e);
    if (!box->stream)
        return luaL_error(L, "%s", e.message);
    return 1;
}

static struct ta_stream *check_stream(lua_State *L)
{
    struct ta_box *box = luaL_checkudata(L, 1, STREAM_META);
    if (!box->stream)
        luaL_error(L, "the indicator is closed");
    return box->stream;
}

static int stream_update(lua_State *L)
{
    struct ta_stream *s = check_stream(L);
    const struct ta_info *ta = ta_stream_info(s);
    double in[TA_MAX_INPUTS], out[TA_MAX_OUTPUTS];
    for (size_t i = 0; i < ta->input_count; i++)
        in[i] = luaL_checknumber(L, (int)i + 2);
    if (!ta_stream_update(s, in, out)) {
        lua_pushnil(L);
        return 1;
    }
    for (size_t i = 0; i < ta->output_count; i++)
        lua_pushnumber(L, out[i]);
    return (int)ta->output_count;
}

static int stream_reset(lua_State *L)
{
    ta_stream_reset(check_stream(L));
    return 0;
}

int luaopen_perigee_ta(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"list", list}, {"info", info}, {"run", run}, {"stream", stream}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"update", stream_update}, {"reset", stream_reset}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", stream_gc}, {"__close", stream_gc}, {NULL, NULL}};
    if (luaL_newmetatable(L, STREAM_META)) {
        luaL_setfuncs(L, meta, 0);
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
