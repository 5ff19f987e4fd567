/* SPDX-License-Identifier: MIT
 *
 * Shared helpers of the domain's bindings; see domain.h.
 */
#include "script/domain.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "book/book.h"
#include "market/bar.h"
#include "script/bind.h"

#define STR_META "perigee.bytes"

static int str_gc(lua_State *L)
{
    str_fini(luaL_checkudata(L, 1, STR_META));
    return 0;
}

struct str *domain_str(lua_State *L)
{
    struct str *s = lua_newuserdatauv(L, sizeof *s, 0);
    str_init(s);
    if (luaL_newmetatable(L, STR_META)) {
        lua_pushcfunction(L, str_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return s;
}

void domain_str_finish(lua_State *L, struct str *s)
{
    if (s->failed)
        luaL_error(L, "not enough memory");
    lua_pushlstring(L, s->len ? s->p : "", s->len);
    str_fini(s);
    str_init(s);
    lua_replace(L, -2);
}

bool domain_decimal(lua_State *L, int index, decimal *out)
{
    switch (lua_type(L, index)) {
    case LUA_TSTRING: {
        size_t n;
        const char *text = lua_tolstring(L, index, &n);
        return decimal_parse(text, n, out) == 0;
    }
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
            lua_Integer i = lua_tointeger(L, index);
            int64_t v;
            if (__builtin_mul_overflow((int64_t)i, DECIMAL_ONE, &v))
                return false;
            *out = decimal_raw(v);
            return true;
        }
        return decimal_from_double(lua_tonumber(L, index), out) == 0;
    case LUA_TUSERDATA:
        *out = bind_check_decimal(L, index);
        return true;
    default:
        return false;
    }
}

/* Levenshtein distance of short words; a long word is far from everything. */
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 48 };
    size_t n = strlen(a), m = strlen(b), row[MOST + 1];
    if (n > MOST || m > MOST)
        return MOST;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *domain_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t least = strlen(word) / 2 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, names[i]);
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

void domain_only(lua_State *L, int index, const char *what, const char *const *names)
{
    size_t count = 0;
    while (names[count])
        count++;
    index = lua_absindex(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "%s: a key that is no string", what);
        const char *key = lua_tostring(L, -1);
        size_t i = 0;
        while (i < count && strcmp(names[i], key) != 0)
            i++;
        if (i == count) {
            const char *near = domain_nearest(key, names, count);
            luaL_error(L, "%s: unknown field \"%s\"%s%s%s", what, key,
                       near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
        }
    }
}

static int wrong(lua_State *L, int index, const char *what, const char *name, const char *wanted)
{
    return luaL_error(L, "%s.%s: %s expected, got %s", what, name, wanted, luaL_typename(L, index));
}

const char *domain_opt_string(lua_State *L, int index, const char *what, const char *name,
                              const char *otherwise)
{
    const char *text = otherwise;
    int type = lua_getfield(L, index, name);
    if (type == LUA_TSTRING)
        text = lua_tostring(L, -1);
    else if (type != LUA_TNIL)
        wrong(L, -1, what, name, "string");
    lua_pop(L, 1);
    return text;
}

const char *domain_string(lua_State *L, int index, const char *what, const char *name)
{
    const char *text = domain_opt_string(L, index, what, name, NULL);
    if (!text)
        luaL_error(L, "%s.%s: string expected, got nil", what, name);
    return text;
}

lua_Integer domain_integer(lua_State *L, int index, const char *what, const char *name,
                           lua_Integer otherwise)
{
    lua_Integer i = otherwise;
    int type = lua_getfield(L, index, name);
    if (type != LUA_TNIL) {
        int ok = 0;
        if (type == LUA_TNUMBER)
            i = lua_tointegerx(L, -1, &ok);
        if (!ok)
            wrong(L, -1, what, name, "integer");
    }
    lua_pop(L, 1);
    return i;
}

double domain_number(lua_State *L, int index, const char *what, const char *name, double otherwise)
{
    double x = otherwise;
    int type = lua_getfield(L, index, name);
    if (type == LUA_TNUMBER)
        x = lua_tonumber(L, -1);
    else if (type != LUA_TNIL)
        wrong(L, -1, what, name, "number");
    if (!isfinite(x))
        luaL_error(L, "%s.%s: a finite number expected", what, name);
    lua_pop(L, 1);
    return x;
}

bool domain_bool(lua_State *L, int index, const char *what, const char *name)
{
    int type = lua_getfield(L, index, name);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        wrong(L, -1, what, name, "boolean");
    bool x = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return x;
}

bool domain_field_decimal(lua_State *L, int index, const char *what, const char *name, decimal *out)
{
    *out = decimal_raw(0);
    bool there = lua_getfield(L, index, name) != LUA_TNIL;
    if (there && !domain_decimal(L, -1, out))
        luaL_error(L, "%s.%s: a decimal (string, number or perigee.decimal) expected", what, name);
    lua_pop(L, 1);
    return there;
}

enum side domain_side(lua_State *L, int index, const char *what, const char *name)
{
    enum side side = SIDE_BUY;
    const char *text = domain_string(L, index, what, name);
    if (side_parse(text, &side) != 0)
        luaL_error(L, "%s.%s: BUY or SELL expected, got \"%s\"", what, name, text);
    return side;
}

double domain_check_finite(lua_State *L, int arg)
{
    double x = luaL_checknumber(L, arg);
    luaL_argcheck(L, isfinite(x), arg, "a finite number expected");
    return x;
}

int domain_check_account(lua_State *L, int arg)
{
    struct ledger *ledger = BIND_SERVICE(L, ledger);
    const char *id = luaL_checkstring(L, arg);
    int index = ledger_account(ledger, id);
    if (index < 0)
        luaL_argerror(L, arg, lua_pushfstring(L, "unknown account \"%s\"", id));
    return index;
}

int64_t domain_check_timeframe(lua_State *L, int arg)
{
    const char *name = luaL_checkstring(L, arg);
    int64_t ms = bar_timeframe_parse(name);
    if (ms <= 0)
        luaL_argerror(L, arg, lua_pushfstring(L, "unknown timeframe \"%s\"", name));
    return ms;
}

size_t domain_check_levels(lua_State *L, int arg, double point, struct book_level *out)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    size_t n = lua_rawlen(L, arg);
    luaL_argcheck(L, n % 2 == 0, arg, "price and size alternate: an even number of values");
    luaL_argcheck(L, n / 2 <= DOMAIN_MAX_LEVELS, arg, "more than 64 levels");
    for (size_t i = 0; i < n; i++) {
        int ok;
        lua_rawgeti(L, arg, (lua_Integer)i + 1);
        double x = lua_tonumberx(L, -1, &ok);
        lua_pop(L, 1);
        if (!ok || !isfinite(x))
            luaL_argerror(L, arg, lua_pushfstring(L, "value %d is no finite number", (int)i + 1));
        if (i % 2 == 1) {
            out[i / 2].size = x;
            continue;
        }
        double points = round(x / point);
        if (!(fabs(points) < 9e15))
            luaL_argerror(L, arg, lua_pushfstring(L, "price %f is out of range", x));
        out[i / 2].price = (int64_t)points;
    }
    return n / 2;
}

lua_State *domain_thread(lua_State *L, const void *key)
{
    lua_State *thread;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTHREAD) {
        thread = lua_tothread(L, -1);
    } else {
        lua_pop(L, 1);
        thread = lua_newthread(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, key);
    }
    lua_pop(L, 1);
    return thread;
}

int domain_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

bool domain_call(lua_State *L, int nargs, int nresults, const char *component)
{
    int handler = lua_gettop(L) - nargs;
    lua_pushcfunction(L, domain_traceback);
    lua_insert(L, handler);
    bool ok = lua_pcall(L, nargs, nresults, handler) == LUA_OK;
    if (!ok) {
        const char *text = lua_tostring(L, -1);
        log_write(host_of(L)->services.log, LOG_ERROR, component, "%s",
                  text ? text : "(error object is no string)");
        lua_pop(L, 1);
    }
    lua_remove(L, handler);
    return ok;
}

void domain_set_string(lua_State *L, const char *name, const char *text)
{
    if (!text || !*text)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

void domain_set_integer(lua_State *L, const char *name, lua_Integer x)
{
    lua_pushinteger(L, x);
    lua_setfield(L, -2, name);
}

void domain_set_number(lua_State *L, const char *name, double x)
{
    lua_pushnumber(L, x);
    lua_setfield(L, -2, name);
}

void domain_set_bool(lua_State *L, const char *name, bool x)
{
    lua_pushboolean(L, x);
    lua_setfield(L, -2, name);
}

void domain_set_decimal(lua_State *L, const char *name, decimal d)
{
    char text[DECIMAL_BUF];
    lua_pushlstring(L, text, decimal_format(d, text));
    lua_setfield(L, -2, name);
}

void domain_set_points(lua_State *L, const char *name, const struct instrument *i, int64_t points)
{
    domain_set_decimal(L, name, instrument_price(i, points));
}
