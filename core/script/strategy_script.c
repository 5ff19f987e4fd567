/* SPDX-License-Identifier: MIT
 *
 * From the text of a script to something that can be called: manifest, load phase, checks of what
 * it returned, indicators, init, and the closure that is called for each event.
 */
#include <ctype.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "script/domain.h"
#include "script/strategy_inner.h"

static const char closure_key; /* registry: the event closure */

static const char *const handler_names[HANDLERS] = {"on_bar", "on_quote", "on_print", "on_book"};
static const char *const definition_fields[] = {"params", "timeframes", "indicators", "init",
                                                "on_bar", "on_quote",   "on_print",   "on_book"};
#define FIELDS (sizeof definition_fields / sizeof definition_fields[0])

/* ---- manifest ---- */

/* "-- key: value" of one line into buf; false: another line, or the value is too long. */
static bool manifest_value(const char *line, size_t n, const char *key, char *buf, size_t size)
{
    size_t k = strlen(key), at = 2;
    while (at < n && (line[at] == ' ' || line[at] == '-'))
        at++;
    if (n - at <= k || strncmp(line + at, key, k) != 0 || line[at + k] != ':')
        return false;
    at += k + 1;
    while (at < n && isspace((unsigned char)line[at]))
        at++;
    while (n > at && isspace((unsigned char)line[n - 1]))
        n--;
    if (n - at >= size)
        return false;
    memcpy(buf, line + at, n - at);
    buf[n - at] = '\0';
    return true;
}

static bool good_name(const char *name)
{
    if (!islower((unsigned char)name[0]))
        return false;
    for (const char *p = name; *p; p++) {
        if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '_')
            return false;
    }
    return true;
}

int strategy_manifest(struct strategy *s, const char *text, struct err *e)
{
    char api[8] = "";
    while (strncmp(text, "--", 2) == 0) {
        size_t n = strcspn(text, "\n");
        if (!manifest_value(text, n, "name", s->name, sizeof s->name) &&
            !manifest_value(text, n, "version", s->version, sizeof s->version))
            (void)manifest_value(text, n, "api", api, sizeof api);
        text += n;
        text += *text == '\n';
    }
    if (!s->name[0] || !good_name(s->name))
        return err_set(e, ERR_INPUT,
                       "%s:1: the first lines need \"-- name: ...\" (a-z, 0-9, _; at most 63)",
                       s->file);
    if (!s->version[0])
        return err_set(e, ERR_INPUT, "%s:1: the first lines need \"-- version: ...\"", s->file);
    if (strcmp(api, "1") != 0)
        return err_set(e, ERR_INPUT, "%s:1: the first lines need \"-- api: 1\"", s->file);
    return 0;
}

/* ---- the definition, a table at stack index `def` ---- */

static void check_fields(lua_State *L, struct strategy *s, int def)
{
    if (!lua_istable(L, def))
        strategy_fault(s, "the script must return a table, not %s", luaL_typename(L, def));
    lua_pushnil(L);
    while (lua_next(L, def)) {
        lua_pop(L, 1);
        const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
        size_t i = 0;
        while (i < FIELDS && strcmp(definition_fields[i], key) != 0)
            i++;
        if (i < FIELDS)
            continue;
        const char *near = domain_nearest(key, definition_fields, FIELDS);
        strategy_fault(s, "unknown field \"%.64s\"%s%s%s", key, near ? " (did you mean \"" : "",
                       near ? near : "", near ? "\"?)" : "");
    }
}

static void check_handlers(lua_State *L, struct strategy *s, int def)
{
    bool any = false;
    for (int i = 0; i < HANDLERS; i++) {
        int type = lua_getfield(L, def, handler_names[i]);
        if (type != LUA_TNIL && type != LUA_TFUNCTION)
            strategy_fault(s, "%s must be a function, not %s", handler_names[i],
                           lua_typename(L, type));
        s->has[i] = type == LUA_TFUNCTION;
        any = any || s->has[i];
        lua_pop(L, 1);
    }
    if (!any)
        strategy_fault(s, "no handler: one of on_bar, on_quote, on_print, on_book is needed");
}

static int64_t kept_frame(const char *name)
{
    int64_t ms = bar_timeframe_parse(name);
    return ms == BAR_1S || ms == BAR_1M || ms == BAR_5M || ms == BAR_15M ? ms : 0;
}

static void read_frames(lua_State *L, struct strategy *s, int def)
{
    int type = lua_getfield(L, def, "timeframes");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        strategy_fault(s, "timeframes must be a list of names");
    size_t n = type == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    if (n > STRATEGY_MAX_FRAMES)
        strategy_fault(s, "timeframes: more than %d", STRATEGY_MAX_FRAMES);
    for (size_t i = 0; i < n; i++) {
        (void)lua_rawgeti(L, -1, (lua_Integer)i + 1);
        const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
        s->frames[i] = kept_frame(name);
        if (!s->frames[i])
            strategy_fault(s, "timeframes: \"%.32s\" is none of 1s, 1m, 5m, 15m", name);
        lua_pop(L, 1);
    }
    s->frame_count = n;
    lua_pop(L, 1);
    if (s->has[ON_BAR] && n == 0)
        strategy_fault(s, "on_bar needs timeframes, for example { \"1m\" }");
}

/* ---- indicators ---- */

struct declared {
    const char *name; /* as the script calls it */
    int table;
    const struct ta_info *info;
    int64_t frame;
    const char *input;
    double options[TA_MAX_OPTIONS];
};

static void unknown_option(lua_State *L, struct strategy *s, const struct declared *d,
                           const char *key)
{
    const char *names[TA_MAX_OPTIONS + 2] = {"timeframe", "input"};
    for (size_t i = 0; i < d->info->option_count; i++)
        names[i + 2] = d->info->options[i].name;
    const char *near = domain_nearest(key, names, d->info->option_count + 2);
    (void)L;
    strategy_fault(s, "indicators.%s: %s has no option \"%.32s\"%s%s%s", d->name, d->info->name,
                   key, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

static void read_options(lua_State *L, struct strategy *s, struct declared *d)
{
    double given[TA_MAX_OPTIONS] = {0};
    for (size_t i = 0; i < d->info->option_count; i++)
        given[i] = d->info->options[i].def;
    lua_pushnil(L);
    while (lua_next(L, d->table)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        bool first = lua_isinteger(L, -2) && lua_tointeger(L, -2) == 1;
        size_t i = 0;
        while (i < d->info->option_count && strcmp(d->info->options[i].name, key) != 0)
            i++;
        if (i < d->info->option_count) {
            if (lua_type(L, -1) != LUA_TNUMBER)
                strategy_fault(s, "indicators.%s: %s must be a number", d->name, key);
            given[i] = lua_tonumber(L, -1);
        } else if (!first && strcmp(key, "timeframe") != 0 && strcmp(key, "input") != 0) {
            unknown_option(L, s, d, *key ? key : "?");
        }
        lua_pop(L, 1);
    }
    struct err e = {0};
    if (ta_options(d->info, given, d->info->option_count, d->options, &e) != 0)
        strategy_fault(s, "indicators.%s: %s", d->name, e.message);
}

static void check_input(struct strategy *s, const struct declared *d)
{
    static const char *const inputs[] = {"close", "open", "high", "low", "volume", "typical"};
    for (size_t i = 0; d->input && i < 6; i++) {
        if (strcmp(inputs[i], d->input) == 0)
            return;
    }
    if (d->input)
        strategy_fault(s, "indicators.%s: input is none of close, open, high, low, volume, typical",
                       d->name);
}

/* One declaration { "rsi", timeframe =, input =, options... } at the top. Returns its handle. */
static int declare(lua_State *L, struct strategy *s, const char *name)
{
    struct declared d = {.name = name, .table = lua_gettop(L)};
    if (!lua_istable(L, d.table))
        strategy_fault(s, "indicators.%s: a table {\"rsi\", timeframe = ...} expected", name);
    if (lua_rawgeti(L, d.table, 1) != LUA_TSTRING)
        strategy_fault(s, "indicators.%s: its first value must be the indicator's name", name);
    d.info = ta_find(lua_tostring(L, -1));
    if (!d.info)
        strategy_fault(s, "indicators.%s: unknown indicator \"%.32s\"", name, lua_tostring(L, -1));
    int type = lua_getfield(L, d.table, "timeframe");
    d.frame = type == LUA_TSTRING ? kept_frame(lua_tostring(L, -1)) : 0;
    if (type == LUA_TNIL && s->frame_count > 0)
        d.frame = s->frames[0];
    if (!d.frame)
        strategy_fault(s, "indicators.%s: timeframe is none of 1s, 1m, 5m, 15m", name);
    type = lua_getfield(L, d.table, "input");
    if (type != LUA_TNIL && type != LUA_TSTRING)
        strategy_fault(s, "indicators.%s: input must be a name", name);
    d.input = lua_tostring(L, -1);
    check_input(s, &d);
    read_options(L, s, &d);
    int handle = 0;
    struct err e = {0};
    if (s->m) {
        handle = market_indicator(s->m, s->symbol_index, d.frame, d.info->name, d.options,
                                  d.info->option_count, d.input, &e);
        if (handle < 0)
            strategy_fault(s, "indicators.%s: %s", name, e.message);
        s->indicators[s->indicator_count] = handle;
    }
    s->indicator_count++;
    lua_settop(L, d.table);
    return handle;
}

/* Pushes handles by name. Declared in the order of their names. */
static void read_indicators(lua_State *L, struct strategy *s, int def, int params)
{
    lua_newtable(L);
    int names = lua_gettop(L);
    int type = lua_getfield(L, def, "indicators");
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, params);
        lua_call(L, 1, 1);
    }
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    int list = lua_gettop(L);
    if (!lua_istable(L, list))
        strategy_fault(s, "indicators must be, or return, a table");
    lua_Integer count = sandbox_sorted_keys(L, list);
    int keys = lua_gettop(L);
    if (count > STRATEGY_MAX_INDICATORS)
        strategy_fault(s, "indicators: more than %d", STRATEGY_MAX_INDICATORS);
    for (lua_Integer i = 1; i <= count; i++) {
        if (lua_rawgeti(L, keys, i) != LUA_TSTRING)
            strategy_fault(s, "indicators: a name that is no string");
        lua_pushvalue(L, -1);
        (void)lua_rawget(L, list);
        int handle = declare(L, s, lua_tostring(L, -2));
        lua_pop(L, 1);
        lua_pushinteger(L, handle);
        lua_rawset(L, names);
        lua_settop(L, keys);
    }
    lua_settop(L, names);
}

/* ---- events ---- */

/* Upvalues of the event closure. */
enum { UP_CTX = 1, UP_BAR, UP_HANDLERS };

/* Pushes the arguments after ctx; returns their number. */
static int push_arguments(lua_State *L, const struct strategy_event *ev)
{
    switch (ev->kind) {
    case ON_BAR:
        lua_pushstring(L, bar_timeframe_name(ev->timeframe));
        lua_pushvalue(L, lua_upvalueindex(UP_BAR));
        strategy_fill_bar(L, lua_gettop(L), ev->bar, ev->timeframe);
        return 2;
    case ON_QUOTE:
        lua_pushinteger(L, ev->quote->time_ms);
        lua_pushnumber(L, ev->quote->bid);
        lua_pushnumber(L, ev->quote->ask);
        return 3;
    case ON_PRINT:
        lua_pushinteger(L, ev->print->time_ms);
        lua_pushnumber(L, ev->print->price);
        lua_pushnumber(L, ev->print->volume);
        lua_pushinteger(L, ev->print->buy);
        return 4;
    default:
        lua_pushinteger(L, book_time(ev->book));
        return 1;
    }
}

/* "file:line: on_bar", the line where the handler begins: for errors that C raises about it. */
static const char *place(lua_State *L, const struct strategy *s, enum handler kind)
{
    (void)s;
    lua_Debug at;
    lua_pushvalue(L, lua_upvalueindex(UP_HANDLERS + (int)kind));
    lua_getinfo(L, ">S", &at);
    return lua_pushfstring(L, "%d: %s", at.linedefined, handler_names[kind]);
}

static int on_event(lua_State *L)
{
    const struct strategy_event *ev = lua_touserdata(L, 1);
    struct strategy *s = strategy_of(L);
    lua_pushvalue(L, lua_upvalueindex(UP_HANDLERS + (int)ev->kind));
    lua_pushvalue(L, lua_upvalueindex(UP_CTX));
    int n = push_arguments(L, ev);
    lua_call(L, n + 1, 1);
    /* `return ok and {...}` is allowed to give false. */
    if (lua_isnil(L, 2) || (lua_isboolean(L, 2) && !lua_toboolean(L, 2)))
        return 0;
    strategy_read_signal(L, 2, place(L, s, ev->kind));
    return 0;
}

void strategy_push_closure(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &closure_key);
}

static void keep_closure(lua_State *L, int def, int ctx)
{
    lua_pushvalue(L, ctx);
    lua_createtable(L, 0, 11);
    for (int i = 0; i < HANDLERS; i++)
        lua_getfield(L, def, handler_names[i]);
    lua_pushcclosure(L, on_event, UP_HANDLERS - 1 + HANDLERS);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &closure_key);
}

int strategy_define(lua_State *L)
{
    struct strategy *s = strategy_of(L);
    const char *overrides = lua_touserdata(L, 1);
    lua_settop(L, 0);
    luaL_checkstack(L, 40, NULL);
    sandbox_compile(L, s->text.p ? s->text.p : "", s->text.len, lua_pushfstring(L, "@%s", s->file));
    lua_call(L, 0, 1);
    lua_replace(L, 1); /* 1: definition (the chunk's name was there) */
    check_fields(L, s, 1);
    check_handlers(L, s, 1);
    read_frames(L, s, 1);
    lua_getfield(L, 1, "params"); /* 2 */
    strategy_push_params(L, 2, overrides);
    lua_pushvalue(L, -1);
    sandbox_freeze(L);
    read_indicators(L, s, 1, lua_gettop(L)); /* 5 */
    strategy_push_ctx(L, 3, 5);              /* 6 */
    keep_closure(L, 1, 6);
    int type = lua_getfield(L, 1, "init");
    if (type == LUA_TNIL)
        return 0;
    if (type != LUA_TFUNCTION)
        strategy_fault(s, "init must be a function, not %s", lua_typename(L, type));
    lua_pushvalue(L, 6);
    lua_call(L, 1, 0);
    return 0;
}
