/* SPDX-License-Identifier: MIT
 *
 * Events to Lua tables and back, by the registry's names and types. u64, i64 and times are Lua
 * integers, decimals their shortest strings, json its text.
 */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "script/bind.h"
#include "script/domain.h"

static void push_value(lua_State *L, const struct event_value *v)
{
    char text[DECIMAL_BUF];
    switch (v->type) {
    case EVENT_U64:
        lua_pushinteger(L, (lua_Integer)v->u64);
        break;
    case EVENT_I64:
    case EVENT_TIME:
        lua_pushinteger(L, v->i64);
        break;
    case EVENT_DECIMAL:
        lua_pushlstring(L, text, decimal_format(v->dec, text));
        break;
    case EVENT_DOUBLE:
        lua_pushnumber(L, v->f64);
        break;
    case EVENT_BOOL:
        lua_pushboolean(L, v->flag);
        break;
    case EVENT_STRING:
    case EVENT_JSON:
        lua_pushlstring(L, v->s.p, v->s.n);
        break;
    default:
        lua_pushnil(L);
    }
}

void domain_push_event(lua_State *L, const struct event *ev)
{
    const struct event_info *info = event_info(ev->kind);
    lua_createtable(L, 0, 4 + (int)ev->count);
    domain_set_integer(L, "seq", (lua_Integer)ev->seq);
    domain_set_string(L, "kind", info ? info->name : "unknown");
    domain_set_integer(L, "market_ms", ev->market_ms);
    domain_set_integer(L, "wall_us", ev->wall_us);
    for (unsigned i = 0; info && i < ev->count && i < info->count; i++) {
        if (ev->v[i].type == EVENT_ABSENT)
            continue;
        push_value(L, &ev->v[i]);
        lua_setfield(L, -2, info->fields[i].name);
    }
}

static const char *const type_names[] = {
    [EVENT_ABSENT] = "nothing",       [EVENT_U64] = "integer >= 0",
    [EVENT_I64] = "integer",          [EVENT_DECIMAL] = "decimal (string, number or userdata)",
    [EVENT_DOUBLE] = "finite number", [EVENT_BOOL] = "boolean",
    [EVENT_STRING] = "string",        [EVENT_TIME] = "integer (market ms)",
    [EVENT_JSON] = "string of JSON"};

/* The value at the top of the stack into a field; false when its type is wrong. */
static bool set_field(lua_State *L, struct event *ev, unsigned field, enum event_type type)
{
    int ok = 0;
    size_t n;
    decimal d;
    switch (type) {
    case EVENT_U64:
    case EVENT_I64:
    case EVENT_TIME: {
        if (lua_type(L, -1) != LUA_TNUMBER)
            return false;
        lua_Integer i = lua_tointegerx(L, -1, &ok);
        if (!ok || (type == EVENT_U64 && i < 0))
            return false;
        if (type == EVENT_U64)
            event_set_u64(ev, field, (uint64_t)i);
        else if (type == EVENT_I64)
            event_set_i64(ev, field, i);
        else
            event_set_time(ev, field, i);
        return true;
    }
    case EVENT_DECIMAL:
        if (!domain_decimal(L, -1, &d))
            return false;
        event_set_dec(ev, field, d);
        return true;
    case EVENT_DOUBLE:
        if (lua_type(L, -1) != LUA_TNUMBER || !isfinite(lua_tonumber(L, -1)))
            return false;
        event_set_f64(ev, field, lua_tonumber(L, -1));
        return true;
    case EVENT_BOOL:
        if (!lua_isboolean(L, -1))
            return false;
        event_set_bool(ev, field, lua_toboolean(L, -1));
        return true;
    case EVENT_STRING:
    case EVENT_JSON: {
        if (lua_type(L, -1) != LUA_TSTRING)
            return false;
        const char *p = lua_tolstring(L, -1, &n);
        if (type == EVENT_STRING)
            event_set_str(ev, field, p, n);
        else
            event_set_json(ev, field, p, n);
        return true;
    }
    default:
        return false;
    }
}

/* seq, kind, market_ms, wall_us: true when the key is one of them. */
static bool take_stamp(lua_State *L, const char *key, struct event *out)
{
    if (strcmp(key, "kind") == 0)
        return true;
    int ok;
    lua_Integer i = lua_tointegerx(L, -1, &ok);
    bool seq = strcmp(key, "seq") == 0, market = strcmp(key, "market_ms") == 0;
    if (!seq && !market && strcmp(key, "wall_us") != 0)
        return false;
    if (!ok)
        luaL_error(L, "event %s: field %s: integer expected", event_info(out->kind)->name, key);
    if (seq)
        out->seq = (uint64_t)i;
    else if (market)
        out->market_ms = i;
    else
        out->wall_us = i;
    return true;
}

static int unknown(lua_State *L, const struct event_info *info, const char *key)
{
    const char *names[EVENT_MAX_FIELDS];
    for (unsigned i = 0; i < info->count; i++)
        names[i] = info->fields[i].name;
    const char *near = domain_nearest(key, names, info->count);
    return luaL_error(L, "event %s: unknown field \"%s\"%s%s%s", info->name, key,
                      near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

void domain_check_event(lua_State *L, int index, const struct event_info *info, bool stamps,
                        struct event *out)
{
    index = lua_absindex(L, index);
    event_init(out, info->kind);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "event %s: a key that is no string", info->name);
        const char *key = lua_tostring(L, -2);
        if (stamps && take_stamp(L, key, out)) {
            lua_pop(L, 1);
            continue;
        }
        unsigned i = 0;
        while (i < info->count && strcmp(info->fields[i].name, key) != 0)
            i++;
        if (i == info->count)
            unknown(L, info, key);
        if (!set_field(L, out, i, info->fields[i].type))
            luaL_error(L, "event %s: field %s: %s expected, got %s", info->name, key,
                       type_names[info->fields[i].type], luaL_typename(L, -1));
        lua_pop(L, 1);
    }
}
