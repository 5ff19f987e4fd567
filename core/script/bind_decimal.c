/* SPDX-License-Identifier: MIT
 *
 * perigee.decimal: exact decimals with eight places. Immutable. Products and quotients round half
 * to even; what cannot be represented raises.
 */
#include <lauxlib.h>

#include "script/bind.h"

#define DECIMAL_META "perigee.decimal"

static const char *const mode_names[] = {"down", "up", "floor", "ceil", "half_even", NULL};

decimal bind_check_decimal(lua_State *L, int arg)
{
    decimal d = {0};
    int64_t units = 0;
    size_t n;
    const char *text;
    int ok;
    switch (lua_type(L, arg)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, arg, &n);
        if (decimal_parse(text, n, &d) != 0) {
            luaL_argerror(L, arg, lua_pushfstring(L, "\"%s\" is no decimal number", text));
        }
        return d;
    case LUA_TNUMBER: {
        lua_Integer whole = lua_tointegerx(L, arg, &ok);
        if (ok ? __builtin_mul_overflow((int64_t)whole, DECIMAL_ONE, &units)
               : decimal_from_double(lua_tonumber(L, arg), &d) != 0) {
            luaL_argerror(L, arg, "out of the range of a decimal");
        }
        return ok ? decimal_raw(units) : d;
    }
    default:
        return *(decimal *)luaL_checkudata(L, arg, DECIMAL_META);
    }
}

void bind_push_decimal(lua_State *L, decimal d)
{
    decimal *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = d;
    luaL_setmetatable(L, DECIMAL_META);
}

void bind_push_decimal_string(lua_State *L, decimal d)
{
    char text[DECIMAL_BUF];
    size_t n = decimal_format(d, text);
    lua_pushlstring(L, text, n);
}

static int push_checked(lua_State *L, int rc, decimal d)
{
    if (rc != 0) {
        return luaL_error(L, "decimal: the result is out of range (or divided by zero)");
    }
    bind_push_decimal(L, d);
    return 1;
}

static int l_new(lua_State *L)
{
    bind_push_decimal(L, bind_check_decimal(L, 1));
    return 1;
}

static int d_add(lua_State *L)
{
    decimal a = bind_check_decimal(L, 1), b = bind_check_decimal(L, 2), out = {0};
    int rc = decimal_add(a, b, &out);
    return push_checked(L, rc, out);
}

static int d_sub(lua_State *L)
{
    decimal a = bind_check_decimal(L, 1), b = bind_check_decimal(L, 2), out = {0};
    int rc = decimal_sub(a, b, &out);
    return push_checked(L, rc, out);
}

static int d_mul(lua_State *L)
{
    decimal a = bind_check_decimal(L, 1), b = bind_check_decimal(L, 2), out = {0};
    int rc = decimal_mul(a, b, DECIMAL_HALF_EVEN, &out);
    return push_checked(L, rc, out);
}

static int d_div(lua_State *L)
{
    decimal a = bind_check_decimal(L, 1), b = bind_check_decimal(L, 2), out = {0};
    int rc = decimal_div(a, b, DECIMAL_HALF_EVEN, &out);
    return push_checked(L, rc, out);
}

static int d_unm(lua_State *L)
{
    decimal out = {0};
    int rc = decimal_neg(bind_check_decimal(L, 1), &out);
    return push_checked(L, rc, out);
}

static int d_eq(lua_State *L)
{
    lua_pushboolean(L, decimal_cmp(bind_check_decimal(L, 1), bind_check_decimal(L, 2)) == 0);
    return 1;
}

static int d_lt(lua_State *L)
{
    lua_pushboolean(L, decimal_cmp(bind_check_decimal(L, 1), bind_check_decimal(L, 2)) < 0);
    return 1;
}

static int d_le(lua_State *L)
{
    lua_pushboolean(L, decimal_cmp(bind_check_decimal(L, 1), bind_check_decimal(L, 2)) <= 0);
    return 1;
}

static int d_tostring(lua_State *L)
{
    bind_push_decimal_string(L, bind_check_decimal(L, 1));
    return 1;
}

static int d_number(lua_State *L)
{
    lua_pushnumber(L, decimal_to_double(bind_check_decimal(L, 1)));
    return 1;
}

static int check_places(lua_State *L)
{
    lua_Integer places = luaL_checkinteger(L, 2);
    luaL_argcheck(L, places >= 0 && places <= DECIMAL_PLACES, 2, "places are 0 to 8");
    return (int)places;
}

static enum decimal_round check_mode(lua_State *L)
{
    return (enum decimal_round)luaL_checkoption(L, 3, "half_even", mode_names);
}

static int d_fixed(lua_State *L)
{
    char text[DECIMAL_BUF];
    decimal d = bind_check_decimal(L, 1);
    size_t n = decimal_format_fixed(d, check_places(L), text);
    lua_pushlstring(L, text, n);
    return 1;
}

static int d_round(lua_State *L)
{
    decimal d = bind_check_decimal(L, 1), out = {0};
    int places = check_places(L);
    int rc = decimal_to_places(d, places, check_mode(L), &out);
    return push_checked(L, rc, out);
}

static int d_step(lua_State *L)
{
    decimal d = bind_check_decimal(L, 1), step = bind_check_decimal(L, 2), out = {0};
    luaL_argcheck(L, step.v > 0, 2, "a step is above 0");
    int rc = decimal_to_step(d, step, check_mode(L), &out);
    return push_checked(L, rc, out);
}

static int d_sign(lua_State *L)
{
    decimal d = bind_check_decimal(L, 1);
    lua_pushinteger(L, decimal_cmp(d, decimal_raw(0)));
    return 1;
}

static const luaL_Reg meta[] = {
    {"__add", d_add},           {"__sub", d_sub}, {"__mul", d_mul}, {"__div", d_div},
    {"__unm", d_unm},           {"__eq", d_eq},   {"__lt", d_lt},   {"__le", d_le},
    {"__tostring", d_tostring}, {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"number", d_number}, {"fixed", d_fixed}, {"round", d_round},
    {"step", d_step},     {"sign", d_sign},   {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", l_new},
    {NULL, NULL},
};

int luaopen_perigee_decimal(lua_State *L)
{
    luaL_newmetatable(L, DECIMAL_META);
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    bind_push_decimal(L, decimal_raw(0));
    lua_setfield(L, -2, "zero");
    return 1;
}
