/* SPDX-License-Identifier: MIT
 *
 * Inside of perigee.exec: the functions of bind_observe.c and bind_budget.c.
 */
#ifndef PERIGEE_SCRIPT_OBSERVE_H
#define PERIGEE_SCRIPT_OBSERVE_H

#include <lua.h>
#include <stddef.h>

#include "exec/budget.h"

int observe_positions(lua_State *L);
int observe_orders(lua_State *L);
int observe_closed(lua_State *L);
int observe_balance(lua_State *L);

int budget_take_lua(lua_State *L);
int budget_rest_lua(lua_State *L);
int budget_use_lua(lua_State *L);
int budget_marks_lua(lua_State *L);
/* {requests=, window_ms=, scope=, day=}, or an array of them, at the absolute index into at most
 * BUDGET_MOST specs; returns how many. Raises on anything else. */
size_t budget_check_specs(lua_State *L, int index, struct budget_spec *out);

#endif
