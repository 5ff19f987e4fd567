/* SPDX-License-Identifier: MIT
 *
 * What the two halves of perigee.pg share: bind_pg.c (connections) and bind_pg_value.c (Lua values
 * to parameters, results to Lua tables).
 */
#ifndef PERIGEE_SCRIPT_BIND_PG_H
#define PERIGEE_SCRIPT_BIND_PG_H

#include <lua.h>

#include "io/pg.h"

/* Statements ready to be sent. Their texts are Lua strings that the tables at hand and one that the
 * userdata anchors keep. */
struct pg_request {
    struct pg_statement *statements;
    size_t count;
    size_t nul; /* 1 + index of the first statement with a NUL byte in a parameter; 0: none */
};

/* Pushes a userdata with the one statement (sql, params at those indices). MAY LONGJMP. */
struct pg_request *pg_check_statement(lua_State *L, int sql, int params);
/* The same for an array of {sql, params}. MAY LONGJMP. */
struct pg_request *pg_check_batch(lua_State *L, int index);

/* How far a result's rows have become Lua tables. */
struct pg_cursor {
    size_t result; /* index in the answer */
    int row;
};

/* Makes tables of at most a few thousand values: stack[out] is an array of Results that is filled
 * up. true: all is there. MAY LONGJMP. */
bool pg_push_some(lua_State *L, const struct pg_answer *a, struct pg_cursor *at, int out);

int pg_l_array(lua_State *L);    /* pg.array{...} */
int pg_l_conninfo(lua_State *L); /* pg.conninfo{...} */
void pg_open_values(lua_State *L);

#endif
