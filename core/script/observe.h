/* SPDX-License-Identifier: MIT
 *
 * Inside of perigee.exec: the functions of bind_observe.c.
 */
#ifndef PERIGEE_SCRIPT_OBSERVE_H
#define PERIGEE_SCRIPT_OBSERVE_H

#include <lua.h>

int observe_positions(lua_State *L);
int observe_closed(lua_State *L);
int observe_balance(lua_State *L);

#endif
