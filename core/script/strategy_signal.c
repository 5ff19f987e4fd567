/* SPDX-License-Identifier: MIT
 *
 * What a handler returned: checked field by field and copied into s->signal. Conditions and plan
 * become canonical JSON. Tables are read raw, so a metatable has no say.
 */
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "script/domain.h"
#include "script/strategy_inner.h"

#define MAX_DEPTH 8
#define MAX_HOLDING ((lua_Integer)366 * 86400000) /* ms */

static const char *const fields[] = {"action",   "price",  "stop",       "target",     "confidence",
                                     "strength", "reason", "holding_ms", "conditions", "plan"};
#define FIELDS (sizeof fields / sizeof fields[0])
static const char *const condition_fields[] = {"name", "value", "threshold", "source", "pass"};

struct reader {
    struct strategy *s;
    const char *handler; /* names the place in errors */
    int table;
};

static void fault(const struct reader *r, const char *what, const char *why)
{
    strategy_fault(r->s, "%s: signal.%s %s", r->handler, what, why);
}

static int get(lua_State *L, const struct reader *r, const char *name)
{
    lua_pushstring(L, name);
    return lua_rawget(L, r->table);
}

/* A number field, 0 when absent. */
static double number(lua_State *L, const struct reader *r, const char *name, double least,
                     double most)
{
    int type = get(L, r, name);
    double x = lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (type == LUA_TNIL)
        return 0;
    if (type != LUA_TNUMBER)
        fault(r, name, "is no number");
    if (!isfinite(x))
        fault(r, name, "is not finite");
    if (x < least || x > most)
        fault(r, name, most <= 1 ? "is outside of 0..1" : "is negative");
    return x;
}

static void check_fields(lua_State *L, const struct reader *r)
{
    lua_pushnil(L);
    while (lua_next(L, r->table)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            strategy_fault(r->s, "%s: the signal has a key that is no string", r->handler);
        const char *key = lua_tostring(L, -1);
        size_t i = 0;
        while (i < FIELDS && strcmp(fields[i], key) != 0)
            i++;
        if (i < FIELDS)
            continue;
        const char *near = domain_nearest(key, fields, FIELDS);
        strategy_fault(r->s, "%s: the signal has an unknown field \"%.64s\"%s%s%s", r->handler, key,
                       near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
    }
}

static void read_action(lua_State *L, const struct reader *r, struct strategy_signal *out)
{
    static const char *const actions[] = {"OPEN_LONG", "OPEN_SHORT", "CLOSE"};
    int type = get(L, r, "action");
    const char *text = type == LUA_TSTRING ? lua_tostring(L, -1) : "";
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, actions[i]) == 0)
            (void)snprintf(out->action, sizeof out->action, "%s", text);
    }
    if (!out->action[0])
        fault(r, "action", "is none of OPEN_LONG, OPEN_SHORT, CLOSE");
    lua_pop(L, 1);
}

/* Cut where a character begins. */
static void read_reason(lua_State *L, const struct reader *r, struct strategy_signal *out)
{
    int type = get(L, r, "reason");
    if (type != LUA_TNIL && type != LUA_TSTRING)
        fault(r, "reason", "is no text");
    size_t n = 0;
    const char *text = type == LUA_TSTRING ? lua_tolstring(L, -1, &n) : "";
    if (n > sizeof out->reason - 1) {
        n = sizeof out->reason - 1;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(out->reason, text, n);
    out->reason[n] = '\0';
    lua_pop(L, 1);
}

static void read_holding(lua_State *L, const struct reader *r, struct strategy_signal *out)
{
    int ok = 0;
    int type = get(L, r, "holding_ms");
    lua_Integer ms = type == LUA_TNUMBER ? lua_tointegerx(L, -1, &ok) : 0;
    lua_pop(L, 1);
    if (type != LUA_TNIL && !ok)
        fault(r, "holding_ms", "is no whole number");
    if (ms < 0 || ms > MAX_HOLDING)
        fault(r, "holding_ms", "is outside of 0..31622400000");
    out->holding_ms = ms;
}

/* Stop below and target above for a long, the other way round for a short. */
static void check_sides(const struct reader *r, const struct strategy_signal *x)
{
    if (strcmp(x->action, "CLOSE") == 0)
        return;
    double sign = strcmp(x->action, "OPEN_LONG") == 0 ? 1 : -1;
    bool has_stop = x->stop > 0, has_target = x->target > 0, has_price = x->price > 0;
    if (has_price && has_stop && !(sign * (x->price - x->stop) > 0))
        fault(r, "stop", "is not on the losing side of the price");
    if (has_price && has_target && !(sign * (x->target - x->price) > 0))
        fault(r, "target", "is not on the winning side of the price");
    if (has_stop && has_target && !(sign * (x->target - x->stop) > 0))
        fault(r, "target", "is on the losing side of the stop");
}

/* ---- canonical JSON ---- */

struct writer {
    struct reader r;
    const char *what; /* "conditions" or "plan" */
    struct str *out;
};

static void write_value(lua_State *L, struct writer *w, int depth, bool condition);

static bool is_first(const char *key)
{
    for (int i = 0; i < 5; i++) {
        if (strcmp(condition_fields[i], key) == 0)
            return true;
    }
    return false;
}

static void write_pair(lua_State *L, struct writer *w, int depth, bool *some, const char *key,
                       size_t n)
{
    if (*some)
        str_addc(w->out, ',');
    *some = true;
    str_json_string(w->out, key, n);
    str_addc(w->out, ':');
    write_value(L, w, depth + 1, false);
}

/* The table at index as an object: sorted keys; a condition's known fields come first. */
static void write_object(lua_State *L, struct writer *w, int index, int depth, bool condition)
{
    bool some = false;
    str_addc(w->out, '{');
    for (int i = 0; condition && i < 5; i++) {
        lua_pushstring(L, condition_fields[i]);
        if (lua_rawget(L, index) != LUA_TNIL)
            write_pair(L, w, depth, &some, condition_fields[i], strlen(condition_fields[i]));
        lua_pop(L, 1);
    }
    lua_Integer count = sandbox_sorted_keys(L, index);
    int keys = lua_gettop(L);
    for (lua_Integer i = 1; i <= count; i++) {
        size_t n;
        if (lua_rawgeti(L, keys, i) != LUA_TSTRING)
            fault(&w->r, w->what, "has a key that is no string");
        const char *key = lua_tolstring(L, -1, &n);
        lua_pushvalue(L, -1);
        (void)lua_rawget(L, index);
        if (!condition || !is_first(key))
            write_pair(L, w, depth, &some, key, n);
        lua_settop(L, keys);
    }
    lua_pop(L, 1);
    str_addc(w->out, '}');
}

static void write_array(lua_State *L, struct writer *w, int index, int depth, bool conditions)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, index);
    str_addc(w->out, '[');
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1)
            str_addc(w->out, ',');
        if (lua_rawgeti(L, index, i) != LUA_TTABLE && conditions)
            fault(&w->r, w->what, "must be a list of tables");
        write_value(L, w, depth + 1, conditions);
        lua_pop(L, 1);
    }
    str_addc(w->out, ']');
}

/* Are all keys 1..n (n > 0)? */
static bool is_array(lua_State *L, int index)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, index), seen = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1 || lua_tointeger(L, -1) > n) {
            lua_pop(L, 1);
            return false;
        }
        seen++;
    }
    return seen > 0 && seen == n;
}

/* The value at the top, which stays there. */
static void write_value(lua_State *L, struct writer *w, int depth, bool condition)
{
    size_t n;
    int index = lua_gettop(L);
    if (depth > MAX_DEPTH || w->out->len > STRATEGY_MAX_JSON)
        fault(&w->r, w->what, depth > MAX_DEPTH ? "is nested too deeply" : "is over 16 KiB");
    luaL_checkstack(L, 12, NULL);
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        str_addz(w->out, lua_toboolean(L, index) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            str_json_int(w->out, lua_tointeger(L, index));
        else if (isfinite(lua_tonumber(L, index)))
            str_json_double(w->out, lua_tonumber(L, index));
        else
            fault(&w->r, w->what, "has a number that is not finite");
        break;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, index, &n);
        str_json_string(w->out, text, n);
        break;
    }
    case LUA_TTABLE:
        if (is_array(L, index))
            write_array(L, w, index, depth, false);
        else
            write_object(L, w, index, depth, condition);
        break;
    default:
        fault(&w->r, w->what, "has a value that is no plain data");
    }
}

static const char *write_field(lua_State *L, const struct reader *r, const char *name,
                               struct str *out, bool conditions)
{
    struct writer w = {.r = *r, .what = name, .out = out};
    str_clear(out);
    int type = get(L, r, name);
    if (type == LUA_TNIL) {
        str_addz(out, conditions ? "[]" : "{}");
    } else {
        if (type != LUA_TTABLE)
            fault(r, name, "is no table");
        int index = lua_gettop(L);
        bool list = is_array(L, index) || (lua_pushnil(L), !lua_next(L, index));
        lua_settop(L, index);
        if (conditions != list && (conditions || lua_rawlen(L, index) > 0))
            fault(r, name, conditions ? "must be a list" : "must be a table with names");
        if (conditions)
            write_array(L, &w, index, 1, true);
        else
            write_object(L, &w, index, 1, false);
    }
    lua_pop(L, 1);
    if (out->len > STRATEGY_MAX_JSON)
        fault(r, name, "is over 16 KiB");
    if (out->failed)
        luaL_error(L, "not enough memory");
    return out->p;
}

void strategy_read_signal(lua_State *L, int index, const char *handler)
{
    struct strategy *s = strategy_of(L);
    struct reader r = {.s = s, .handler = handler, .table = lua_absindex(L, index)};
    struct strategy_signal *x = &s->signal;
    memset(x, 0, sizeof *x);
    s->has_signal = false;
    if (!lua_istable(L, r.table))
        strategy_fault(s, "%s: returned %s, not a signal or nil", handler,
                       luaL_typename(L, r.table));
    check_fields(L, &r);
    read_action(L, &r, x);
    x->price = number(L, &r, "price", 0, HUGE_VAL);
    x->stop = number(L, &r, "stop", 0, HUGE_VAL);
    x->target = number(L, &r, "target", 0, HUGE_VAL);
    x->confidence = number(L, &r, "confidence", 0, 1);
    x->strength = number(L, &r, "strength", 0, 1);
    read_reason(L, &r, x);
    read_holding(L, &r, x);
    check_sides(&r, x);
    x->conditions = write_field(L, &r, "conditions", &s->conditions, true);
    x->plan = write_field(L, &r, "plan", &s->plan, false);
    s->has_signal = true;
}
