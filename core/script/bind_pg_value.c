/* SPDX-License-Identifier: MIT
 *
 * perigee.pg, values: parameters as PostgreSQL's texts, rows as Lua tables.
 *
 * Only what fits without loss becomes a number: int2, int4, int8 and oid are integers, float4 and
 * float8 are numbers. Everything else stays the text that the server sent.
 */
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/bind_pg.h"
#include "script/domain.h"

#define ARRAY_META "perigee.pg.array"
#define VALUES_AT_ONCE 8192 /* a few milliseconds */

/* Object ids of built-in types (pg_type.dat); they never change. */
enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701
};

/* ---- parameters ---- */

static void push_number(lua_State *L, lua_Number x)
{
    if (isnan(x)) {
        lua_pushliteral(L, "NaN");
    } else if (isinf(x)) {
        lua_pushstring(L, x > 0 ? "Infinity" : "-Infinity");
    } else {
        struct str *s = domain_str(L);
        str_json_double(s, x); /* the shortest that reads back: 0.1 stays 0.1 in a NUMERIC */
        domain_str_finish(L, s);
    }
}

/* The text of the scalar at index, pushed; false (nothing pushed): not one. */
static bool push_scalar(lua_State *L, int index)
{
    decimal d;
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        lua_pushvalue(L, index);
        return true;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, index) ? "t" : "f");
        return true;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
            lua_pushfstring(L, "%I", (LUAI_UACINT)lua_tointeger(L, index));
        } else {
            push_number(L, lua_tonumber(L, index));
        }
        return true;
    case LUA_TUSERDATA:
        if (domain_decimal(L, index, &d)) {
            bind_push_decimal_string(L, d);
            return true;
        }
        return false;
    default:
        return false;
    }
}

static bool is_null(lua_State *L, int index)
{
    return lua_isnil(L, index) ||
           (lua_islightuserdata(L, index) && lua_touserdata(L, index) == NULL);
}

/* Length of a list that may hold nil: its field n, or its border. */
static lua_Integer list_length(lua_State *L, int index, const char *what)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, index);
    int type = lua_getfield(L, index, "n");
    if (type != LUA_TNIL) {
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0) {
            luaL_error(L, "%s.n: a length of 0 or more expected", what);
        }
        n = lua_tointeger(L, -1);
    }
    lua_pop(L, 1);
    return n;
}

static void add_element(lua_State *L, struct str *s, int index)
{
    bool quoted = lua_type(L, index) == LUA_TSTRING;
    if (is_null(L, index)) {
        str_addz(s, "NULL");
        return;
    }
    if (!push_scalar(L, index)) {
        luaL_error(L, "pg.array: strings, numbers, booleans and pg.null expected, got %s",
                   luaL_typename(L, index));
    }
    size_t n;
    const char *p = lua_tolstring(L, -1, &n);
    if (!quoted) {
        str_add(s, p, n);
    } else {
        str_addc(s, '"');
        for (size_t i = 0; i < n; i++) {
            if (p[i] == '"' || p[i] == '\\') {
                str_addc(s, '\\');
            }
            str_addc(s, p[i]);
        }
        str_addc(s, '"');
    }
    lua_pop(L, 1);
}

int pg_l_array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_Integer n = list_length(L, 1, "pg.array");
    lua_newuserdatauv(L, 1, 1); /* 2 */
    luaL_setmetatable(L, ARRAY_META);
    struct str *s = domain_str(L); /* 3 */
    str_addc(s, '{');
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1) {
            str_addc(s, ',');
        }
        lua_rawgeti(L, 1, i);
        add_element(L, s, lua_gettop(L));
        lua_pop(L, 1);
    }
    str_addc(s, '}');
    domain_str_finish(L, s);
    (void)lua_setiuservalue(L, 2, 1);
    return 1;
}

/* The value at the top of the stack as a parameter's text, which `anchor` keeps; pops it. */
static const char *check_value(lua_State *L, int anchor, const char *what, lua_Integer i,
                               bool *has_nul)
{
    int top = lua_gettop(L);
    if (is_null(L, top)) {
        lua_pop(L, 1);
        return NULL;
    }
    if (luaL_testudata(L, top, ARRAY_META) != NULL) {
        (void)lua_getiuservalue(L, top, 1);
    } else if (!push_scalar(L, top)) {
        luaL_error(L,
                   "%s: parameter %d: nil, a string, number, boolean or pg.array expected, got %s",
                   what, (int)i, luaL_typename(L, top));
    }
    size_t n;
    const char *text = lua_tolstring(L, -1, &n);
    *has_nul = *has_nul || memchr(text, '\0', n) != NULL;
    lua_rawseti(L, anchor, (lua_Integer)lua_rawlen(L, anchor) + 1);
    lua_pop(L, 1);
    return text;
}

/* Fills statement i of the request from the sql and the params (nil: none) at those indices. */
static void check_one(lua_State *L, struct pg_request *r, size_t i, int sql, int params, int anchor,
                      const char *what)
{
    struct pg_statement *s = &r->statements[i];
    size_t length;
    lua_Integer n = 0;
    bool has_nul = false;
    if (lua_type(L, sql) != LUA_TSTRING) {
        luaL_error(L, "%s: a text of SQL expected, got %s", what, luaL_typename(L, sql));
    }
    s->sql = lua_tolstring(L, sql, &length);
    if (strlen(s->sql) != length) {
        luaL_error(L, "%s: SQL has no NUL bytes", what);
    }
    if (!lua_isnil(L, params)) {
        if (!lua_istable(L, params)) {
            luaL_error(L, "%s: parameters: a table expected, got %s", what,
                       luaL_typename(L, params));
        }
        n = list_length(L, params, "params");
    }
    if (n > PG_MAX_PARAMS) {
        luaL_error(L, "%s: %d parameters, more than %d", what, (int)n, PG_MAX_PARAMS);
    }
    const char **values = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *values, 0);
    lua_rawseti(L, anchor, (lua_Integer)lua_rawlen(L, anchor) + 1);
    for (lua_Integer k = 1; k <= n; k++) {
        lua_rawgeti(L, params, k);
        values[k - 1] = check_value(L, anchor, what, k, &has_nul);
    }
    s->values = values;
    s->count = (int)n;
    if (has_nul && r->nul == 0) {
        r->nul = i + 1;
    }
}

/* Pushes the request and, above it, its anchor table, which is its user value. */
static struct pg_request *new_request(lua_State *L, size_t count)
{
    struct pg_request *r = lua_newuserdatauv(L, sizeof *r + count * sizeof(struct pg_statement), 1);
    memset(r, 0, sizeof *r);
    r->statements = (struct pg_statement *)(void *)(r + 1);
    r->count = count;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    (void)lua_setiuservalue(L, -3, 1);
    return r;
}

struct pg_request *pg_check_statement(lua_State *L, int sql, int params)
{
    luaL_checkstack(L, 10, "pg");
    struct pg_request *r = new_request(L, 1);
    check_one(L, r, 0, sql, params, lua_gettop(L), "pg query");
    lua_pop(L, 1);
    return r;
}

struct pg_request *pg_check_batch(lua_State *L, int index)
{
    char what[40];
    luaL_checkstack(L, 12, "pg");
    luaL_checktype(L, index, LUA_TTABLE);
    size_t n = lua_rawlen(L, index);
    struct pg_request *r = new_request(L, n);
    int anchor = lua_gettop(L);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(what, sizeof what, "pg batch[%zu]", i + 1);
        if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TTABLE) {
            luaL_error(L, "%s: {sql, params} expected, got %s", what, luaL_typename(L, -1));
        }
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        int top = lua_gettop(L);
        check_one(L, r, i, top - 1, top, anchor, what);
        lua_pop(L, 2);
        /* The caller may change its tables while the task waits; libpq has its copy by then. */
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return r;
}

/* ---- results ---- */

static void push_value(lua_State *L, Oid type, const char *text, size_t n)
{
    switch (type) {
    case OID_BOOL:
        lua_pushboolean(L, text[0] == 't');
        break;
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
        lua_pushinteger(L, (lua_Integer)strtoll(text, NULL, 10));
        break;
    case OID_FLOAT4:
    case OID_FLOAT8:
        lua_pushnumber(L, strtod(text, NULL)); /* also NaN and Infinity */
        break;
    default:
        lua_pushlstring(L, text, n);
    }
}

/* A new Result without rows: {columns = {...}, affected = n}. */
static void push_result(lua_State *L, const PGresult *r)
{
    int columns = PQnfields(r);
    lua_createtable(L, PQntuples(r), 2);
    lua_createtable(L, columns, 0);
    for (int i = 0; i < columns; i++) {
        lua_pushstring(L, PQfname(r, i));
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "columns");
    /* PQcmdTuples only reads; its argument is not const for old times' sake. */
    lua_pushinteger(L, (lua_Integer)strtoll(PQcmdTuples((PGresult *)(uintptr_t)r), NULL, 10));
    lua_setfield(L, -2, "affected");
}

static void add_row(lua_State *L, const PGresult *r, int row, int result, int names)
{
    int columns = PQnfields(r);
    lua_createtable(L, 0, columns);
    for (int i = 0; i < columns; i++) {
        if (!PQgetisnull(r, row, i)) {
            lua_rawgeti(L, names, i + 1);
            push_value(L, PQftype(r, i), PQgetvalue(r, row, i), (size_t)PQgetlength(r, row, i));
            lua_rawset(L, -3);
        }
    }
    lua_rawseti(L, result, row + 1);
}

bool pg_push_some(lua_State *L, const struct pg_answer *a, struct pg_cursor *at, int out)
{
    long budget = VALUES_AT_ONCE;
    luaL_checkstack(L, 10, "pg");
    while (at->result < a->count && budget > 0) {
        const PGresult *r = a->results[at->result];
        if (at->row == 0) {
            push_result(L, r);
            lua_pushvalue(L, -1);
            lua_rawseti(L, out, (lua_Integer)at->result + 1);
        } else {
            lua_rawgeti(L, out, (lua_Integer)at->result + 1);
        }
        int result = lua_gettop(L);
        lua_getfield(L, result, "columns");
        int rows = PQntuples(r), columns = PQnfields(r);
        for (; at->row < rows && budget > 0; at->row++) {
            add_row(L, r, at->row, result, result + 1);
            budget -= columns + 1;
        }
        lua_settop(L, result - 1);
        budget -= 4;
        if (at->row >= rows) {
            at->result++;
            at->row = 0;
        }
    }
    return at->result >= a->count;
}

/* ---- conninfo ---- */

static void add_pair(struct str *s, const char *name, const char *value)
{
    str_addf(s, "%s%s='", s->len > 0 ? " " : "", name);
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\') {
            str_addc(s, '\\');
        }
        str_addc(s, *value);
    }
    str_addc(s, '\'');
}

/* Keywords in sorted order, so that the same table gives the same text. */
int pg_l_conninfo(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct str *s = domain_str(L); /* 2 */
    PQconninfoOption *known = PQconndefaults();
    if (known == NULL) {
        return luaL_error(L, "out of memory for a conninfo");
    }
    /* The names are copied before anything can raise. */
    char names[64][32];
    size_t count = 0;
    for (const PQconninfoOption *o = known; o->keyword != NULL && count < 64; o++) {
        (void)snprintf(names[count++], sizeof names[0], "%s", o->keyword);
    }
    PQconninfoFree(known);
    const char *list[65] = {NULL};
    for (size_t i = 0; i < count; i++) {
        list[i] = names[i];
    }
    domain_only(L, 1, "pg.conninfo", list);
    for (size_t i = 0; i < count; i++) {
        size_t n;
        lua_getfield(L, 1, names[i]);
        if (!lua_isnil(L, -1)) {
            const char *value = lua_isboolean(L, -1) ? NULL : lua_tolstring(L, -1, &n);
            if (value == NULL || strlen(value) != n) {
                return luaL_error(L, "pg.conninfo.%s: a text without NUL bytes expected", names[i]);
            }
            add_pair(s, names[i], value);
        }
        lua_pop(L, 1);
    }
    domain_str_finish(L, s);
    return 1;
}

void pg_open_values(lua_State *L)
{
    luaL_newmetatable(L, ARRAY_META);
    (void)lua_pushliteral(L, "pg.array");
    lua_setfield(L, -2, "__name");
    lua_pop(L, 1);
}
