/* SPDX-License-Identifier: MIT
 *
 * Parameters of a strategy: the schema is checked, overrides are checked against it, and the result
 * is a plain table and its canonical JSON. Every fault names the parameter.
 */
#include <lauxlib.h>
#include <lua-cjson.h>
#include <math.h>
#include <string.h>

#include "script/domain.h"
#include "script/strategy_inner.h"

enum type { TYPE_NUMBER, TYPE_INTEGER, TYPE_BOOLEAN, TYPE_STRING };
static const char *const type_names[] = {"number", "integer", "boolean", "string"};

struct param {
    const char *name;
    enum type type;
    int schema; /* stack index of its table */
    bool has_min, has_max;
    double min, max;
};

static struct strategy *self(lua_State *L)
{
    return strategy_of(L);
}

/* A number field of the schema; false: absent. */
static bool bound(lua_State *L, const struct param *p, const char *field, double *out)
{
    int type = lua_getfield(L, p->schema, field);
    if (type != LUA_TNIL && (type != LUA_TNUMBER || !isfinite(lua_tonumber(L, -1))))
        strategy_fault(self(L), "params.%s: %s must be a finite number", p->name, field);
    *out = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return type != LUA_TNIL;
}

static void read_schema(lua_State *L, struct param *p)
{
    static const char *const names[] = {"type", "default", "min", "max", "step", "text", "choices"};
    lua_pushnil(L);
    while (lua_next(L, p->schema)) {
        lua_pop(L, 1);
        const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
        size_t i = 0;
        while (i < 7 && strcmp(names[i], key) != 0)
            i++;
        if (i == 7)
            strategy_fault(self(L), "params.%s: unknown field \"%s\"", p->name, key);
    }
    int type = lua_getfield(L, p->schema, "type");
    const char *text = type == LUA_TSTRING ? lua_tostring(L, -1) : "";
    int found = -1;
    for (int i = 0; i < 4; i++)
        found = strcmp(text, type_names[i]) == 0 ? i : found;
    if (found < 0)
        strategy_fault(self(L), "params.%s: type must be number, integer, boolean or string",
                       p->name);
    p->type = (enum type)found;
    lua_pop(L, 1);
    double step;
    p->has_min = bound(L, p, "min", &p->min);
    p->has_max = bound(L, p, "max", &p->max);
    if (bound(L, p, "step", &step) && !(step > 0))
        strategy_fault(self(L), "params.%s: step must be above 0", p->name);
    if (p->has_min && p->has_max && p->min > p->max)
        strategy_fault(self(L), "params.%s: min is above max", p->name);
    type = lua_getfield(L, p->schema, "choices");
    if (type != LUA_TNIL && (type != LUA_TTABLE || p->type != TYPE_STRING))
        strategy_fault(self(L), "params.%s: choices must be a list and belongs to a string",
                       p->name);
    lua_pop(L, 1);
}

static void check_range(lua_State *L, const struct param *p, double x)
{
    if ((!p->has_min || x >= p->min) && (!p->has_max || x <= p->max))
        return;
    struct strategy *s = self(L);
    if (p->has_min && p->has_max)
        strategy_fault(s, "params.%s: %.10g is outside of %.10g..%.10g", p->name, x, p->min,
                       p->max);
    else if (p->has_min)
        strategy_fault(s, "params.%s: %.10g is below the least, %.10g", p->name, x, p->min);
    else
        strategy_fault(s, "params.%s: %.10g is above the most, %.10g", p->name, x, p->max);
}

static void check_choice(lua_State *L, const struct param *p, const char *text)
{
    if (lua_getfield(L, p->schema, "choices") != LUA_TTABLE) {
        lua_pop(L, 1);
        return;
    }
    int list = lua_gettop(L);
    lua_pushliteral(L, "");
    for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, list); i <= n; i++) {
        lua_pushliteral(L, " ");
        lua_concat(L, 2);
        if (lua_rawgeti(L, list, i) != LUA_TSTRING)
            strategy_fault(self(L), "params.%s: choices must be strings", p->name);
        if (strcmp(lua_tostring(L, -1), text) == 0) {
            lua_settop(L, list - 1);
            return;
        }
        lua_concat(L, 2);
    }
    strategy_fault(self(L), "params.%s: \"%s\" is none of:%s", p->name, text, lua_tostring(L, -1));
}

/* Checks the value at the top and replaces it by one of the parameter's type. */
static void check_value(lua_State *L, const struct param *p, const char *what)
{
    int ok = 0;
    bool right = false;
    switch (p->type) {
    case TYPE_NUMBER:
        right = lua_type(L, -1) == LUA_TNUMBER && isfinite(lua_tonumber(L, -1));
        break;
    case TYPE_INTEGER: {
        lua_Integer i = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &ok) : 0;
        right = ok;
        lua_pop(L, 1);
        lua_pushinteger(L, i); /* 14.0 becomes 14 */
        break;
    }
    case TYPE_BOOLEAN:
        right = lua_isboolean(L, -1);
        break;
    case TYPE_STRING:
        right = lua_type(L, -1) == LUA_TSTRING;
        break;
    }
    if (!right)
        strategy_fault(self(L), "params.%s: %s must be %s %s", p->name, what,
                       p->type == TYPE_INTEGER ? "an" : "a", type_names[p->type]);
    if (p->type == TYPE_STRING)
        check_choice(L, p, lua_tostring(L, -1));
    else if (p->type != TYPE_BOOLEAN)
        check_range(L, p, lua_tonumber(L, -1));
}

static void add_json(lua_State *L, struct str *out, const struct param *p)
{
    size_t n;
    if (out->len > 1)
        str_addc(out, ',');
    str_json_string(out, p->name, strlen(p->name));
    str_addc(out, ':');
    if (p->type == TYPE_STRING) {
        const char *text = lua_tolstring(L, -1, &n);
        str_json_string(out, text, n);
    } else if (p->type == TYPE_BOOLEAN) {
        str_addz(out, lua_toboolean(L, -1) ? "true" : "false");
    } else if (lua_isinteger(L, -1)) {
        str_json_int(out, lua_tointeger(L, -1));
    } else {
        str_json_double(out, lua_tonumber(L, -1));
    }
}

/* Pushes the overrides as a table; an empty one without text. */
static void push_overrides(lua_State *L, const char *text)
{
    if (!text || !*text) {
        lua_newtable(L);
        return;
    }
    lua_pushcfunction(L, luaopen_cjson);
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "decode");
    lua_remove(L, -2);
    lua_pushstring(L, text);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK)
        strategy_fault(self(L), "params: %s", lua_tostring(L, -1));
    if (!lua_istable(L, -1))
        strategy_fault(self(L), "params: a JSON object expected");
}

/* Every override must be a parameter. */
static void check_unknown(lua_State *L, int given, int schema)
{
    lua_pushnil(L);
    while (lua_next(L, given)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            strategy_fault(self(L), "params: a JSON object expected");
        const char *key = lua_tostring(L, -1), *names[64], *near;
        lua_pushvalue(L, -1);
        int type = lua_rawget(L, schema);
        lua_pop(L, 1);
        if (type != LUA_TNIL)
            continue;
        size_t n = 0;
        lua_pushnil(L);
        while (n < 64 && lua_next(L, schema)) {
            lua_pop(L, 1);
            if (lua_type(L, -1) == LUA_TSTRING)
                names[n++] = lua_tostring(L, -1);
        }
        near = domain_nearest(key, names, n);
        if (near)
            strategy_fault(self(L), "params: unknown parameter \"%s\" (did you mean \"%s\"?)", key,
                           near);
        strategy_fault(self(L), "params: unknown parameter \"%s\"", key);
    }
}

/* Pushes the value in force of one parameter. */
static void push_param(lua_State *L, struct param *p, int given)
{
    read_schema(L, p);
    if (lua_getfield(L, p->schema, "default") == LUA_TNIL)
        strategy_fault(self(L), "params.%s: it has no default", p->name);
    check_value(L, p, "the default");
    lua_pushstring(L, p->name);
    if (lua_rawget(L, given) == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    lua_remove(L, -2);
    check_value(L, p, "the value");
}

void strategy_push_params(lua_State *L, int schema, const char *overrides)
{
    struct strategy *s = self(L);
    lua_newtable(L);
    int out = lua_gettop(L);
    push_overrides(L, overrides);
    int given = lua_gettop(L);
    if (lua_isnil(L, schema)) {
        lua_newtable(L);
        lua_replace(L, schema);
    } else if (!lua_istable(L, schema)) {
        strategy_fault(s, "params must be a table");
    }
    check_unknown(L, given, schema);
    lua_Integer count = sandbox_sorted_keys(L, schema);
    int keys = lua_gettop(L);
    str_clear(&s->params);
    str_addc(&s->params, '{');
    for (lua_Integer i = 1; i <= count; i++) {
        struct param p = {0};
        if (lua_rawgeti(L, keys, i) != LUA_TSTRING)
            strategy_fault(s, "params: a name that is no string");
        p.name = lua_tostring(L, -1);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, schema) != LUA_TTABLE)
            strategy_fault(s, "params.%s: a table {type=, default=, ...} expected", p.name);
        p.schema = lua_gettop(L);
        push_param(L, &p, given);
        add_json(L, &s->params, &p);
        lua_setfield(L, out, p.name);
        lua_settop(L, keys);
    }
    str_addc(&s->params, '}');
    if (s->params.failed)
        luaL_error(L, "not enough memory");
    lua_settop(L, out);
}
